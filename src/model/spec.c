// A job's spec: see spec.h. What is well formed is said here and nowhere else; whoever reads a spec
// from outside asks gr_spec_wrong before anybody acts on it. Must never look at a file or change
// the spec.
#include "model/spec.h"

#include "base/utf8.h"
#include "model/demand.h"
#include "model/domain.h"
#include "model/spec_bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Bytes of a path or kind, and of one argument or variable, NUL included: what Linux takes.
enum { PATH_SIZE = 4096, ARGUMENT_SIZE = 131072 };

// Environments up to this many names are compared pair by pair, larger ones are sorted.
enum { NAMES_FEW = 24 };

struct gr_spec gr_spec_default(void)
{
    return (struct gr_spec){
        .name = "",
        .directory = "",
        .image = "",
        .output = "",
        .error = "",
        .umask = 022,
        .kind = "",
        .class = "",
        .domain = "",
        .tasks = 1,
        .milli = GR_DEVICE_MILLI,
        .cpu_milli = 1000,
        .attempts = 1,
        .requeue_on = GR_REQUEUE_RECLAIM,
        .stop_signal = 15,
        .grace_ms = 30000,
        .array_step = 1,
    };
}

// ---- texts --------------------------------------------------------------------------------------

// Whether the bytes are ASCII without control characters, eight at a time: what nearly all are.
static bool is_plain(const char *text, size_t size)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t bad = 0;
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        // The high bit of a byte that is: not ASCII; below 0x20; 0x7f.
        bad |= (word | (word - 0x20 * ones) | (word + ones)) & high;
    }
    for (; at < size; at++) {
        unsigned char c = (unsigned char)text[at];
        bad |= c < 0x20 || c >= 0x7f;
    }
    return bad == 0;
}

// What is wrong with a text of `size` bytes, or NULL. `one_line`: no control characters.
static const char *text_wrong(const char *text, size_t size, size_t size_max, bool one_line)
{
    if (size >= size_max) {
        return size_max == ARGUMENT_SIZE
                   ? "has a text longer than 131071 bytes, which Linux gives no program"
               : size_max == GR_SPEC_NAME_SIZE ? "is longer than 127 bytes"
                                               : "is longer than 4095 bytes";
    }
    if (is_plain(text, size)) {
        return NULL;
    }
    for (size_t at = 0; at < size;) {
        uint32_t point;
        size_t length = gr_utf8_read(text + at, size - at, &point);
        if (length == 0) {
            return "has a byte that is not valid UTF-8";
        }
        if (one_line && gr_utf8_is_control(point)) {
            return "has a control character";
        }
        at += length;
    }
    return NULL;
}

static const char *line_wrong(const char *text, size_t size_max)
{
    return text[0] == '\0' ? NULL : text_wrong(text, strlen(text), size_max, true);
}

static const char *path_wrong(const char *path)
{
    const char *why = line_wrong(path, PATH_SIZE);
    return why == NULL && path[0] != '\0' && path[0] != '/' ? "must be an absolute path (/...)"
                                                            : why;
}

// A file for output: patterns that are known, and no way out of the working directory.
static const char *output_wrong(const char *path)
{
    const char *why = line_wrong(path, PATH_SIZE);
    if (why != NULL || path[0] == '\0') {
        return why;
    }
    for (const char *at = strchr(path, '%'); at != NULL; at = strchr(at + 2, '%')) {
        if (at[1] == '\0' || strchr("jatn%", at[1]) == NULL) {
            return "has a pattern that is not known: %j is the job, %a the array index, %t the "
                   "task, %n the attempt, %% a percent sign";
        }
    }
    for (const char *at = path; path[0] != '/' && at != NULL; at = strchr(at, '/')) {
        at += at[0] == '/';
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0')) {
            return "must lie below the working directory, or be an absolute path";
        }
    }
    return NULL;
}

// ---- environment and secrets --------------------------------------------------------------------

// The NAME of "NAME=VALUE".
struct variable {
    const char *name;
    size_t size;
};

static int compare_variables(const void *left, const void *right)
{
    const struct variable *a = left;
    const struct variable *b = right;
    if (a->size != b->size) {
        return a->size < b->size ? -1 : 1;
    }
    return memcmp(a->name, b->name, a->size);
}

static bool has_twice(struct variable *variables, size_t count)
{
    if (count > NAMES_FEW) {
        qsort(variables, count, sizeof variables[0], compare_variables);
    }
    for (size_t i = 1; i < count; i++) {
        size_t first = count > NAMES_FEW ? i - 1 : 0;
        for (size_t j = first; j < i; j++) {
            if (variables[i].size == variables[j].size &&
                memcmp(variables[i].name, variables[j].name, variables[i].size) == 0) {
                return true;
            }
        }
    }
    return false;
}

// What is wrong with the texts of a list of "NAME=..." or NULL; stores their names.
static const char *variables_wrong(const struct gr_spec_texts *texts, struct variable *ret_names)
{
    for (uint32_t i = 0; i < texts->count; i++) {
        const char *text = texts->items[i];
        size_t size = strlen(text);
        const char *why = text_wrong(text, size, ARGUMENT_SIZE, false);
        const char *end = memchr(text, '=', size);
        if (why != NULL) {
            return why;
        }
        if (end == NULL || end == text) {
            return "has an entry without a name";
        }
        ret_names[i] = (struct variable){text, (size_t)(end - text)};
        if (text_wrong(text, ret_names[i].size, ARGUMENT_SIZE, true) != NULL) {
            return "has a name with a control character";
        }
    }
    return NULL;
}

static const char *secrets_wrong(const struct gr_spec_texts *secrets)
{
    for (uint32_t i = 0; i < secrets->count; i++) {
        const char *file = strchr(secrets->items[i], '=') + 1;
        const char *why = file[0] == '\0' ? "has a name without a file" : path_wrong(file);
        if (why != NULL) {
            return why;
        }
    }
    return NULL;
}

static const char *environment_wrong(const struct gr_spec *spec, const char **ret_why)
{
    struct variable names[GR_SPEC_ENV_MAX + GR_SPEC_SECRETS_MAX];
    if (spec->env.count > GR_SPEC_ENV_MAX) {
        *ret_why = "has more than 4096 variables";
        return "env";
    }
    *ret_why = variables_wrong(&spec->env, names);
    if (*ret_why != NULL) {
        return "env";
    }
    if (spec->secrets.count > GR_SPEC_SECRETS_MAX) {
        *ret_why = "has more than 64 entries";
        return "secrets";
    }
    *ret_why = variables_wrong(&spec->secrets, names + spec->env.count);
    *ret_why = *ret_why != NULL ? *ret_why : secrets_wrong(&spec->secrets);
    if (*ret_why != NULL) {
        return "secrets";
    }
    if (has_twice(names, (size_t)spec->env.count + spec->secrets.count)) {
        *ret_why = spec->secrets.count > 0 ? "has a name twice, perhaps once in secrets"
                                           : "has a name twice";
        return "env";
    }
    return NULL;
}

static const char *command_wrong(const struct gr_spec_texts *argv)
{
    if (argv->count == 0 || argv->items[0][0] == '\0') {
        return "must be given: what each task runs";
    }
    if (argv->count > GR_SPEC_ARGS_MAX) {
        return "has more than 4096 arguments";
    }
    for (uint32_t i = 0; i < argv->count; i++) {
        const char *why = text_wrong(argv->items[i], strlen(argv->items[i]), ARGUMENT_SIZE, false);
        if (why != NULL) {
            return why;
        }
    }
    return NULL;
}

static const char *texts_wrong(const struct gr_spec *spec, const char **ret_why)
{
    if ((*ret_why = line_wrong(spec->name, GR_SPEC_NAME_SIZE)) != NULL) {
        return "name";
    }
    if ((*ret_why = command_wrong(&spec->argv)) != NULL) {
        return "command";
    }
    const char *field = environment_wrong(spec, ret_why);
    if (field != NULL) {
        return field;
    }
    if ((*ret_why = path_wrong(spec->directory)) != NULL) {
        return "directory";
    }
    if ((*ret_why = path_wrong(spec->image)) != NULL) {
        return "image";
    }
    if ((*ret_why = output_wrong(spec->output)) != NULL) {
        return "output";
    }
    if ((*ret_why = output_wrong(spec->error)) != NULL) {
        return "error";
    }
    return NULL;
}

// ---- numbers ------------------------------------------------------------------------------------

static bool is_outside(int64_t value, int64_t low, int64_t high)
{
    return value < low || value > high;
}

// Signals that a program can be sent; 32 and 33 belong to the C library's threads.
static bool is_signal(uint32_t number)
{
    return number >= 1 && number <= 64 && number != 32 && number != 33;
}

// As the user and with what mask. (uid_t)-1 means "leave as it is" to the system, which would be
// the daemon's own.
static const char *user_wrong(const struct gr_spec *spec, const char **ret_why)
{
    *ret_why = "is no user or group";
    if (spec->uid == UINT32_MAX) {
        return "uid";
    }
    if (spec->gid == UINT32_MAX) {
        return "gid";
    }
    *ret_why = "must be 0 to 0777";
    return spec->umask > 0777 ? "umask" : NULL;
}

static const char *device_wrong(const struct gr_spec *spec, const char **ret_why)
{
    *ret_why = "must be 0 to 16 for each task, or a fraction of one; more tasks have more";
    if (spec->devices > GR_NODE_DEVICES_MAX) {
        return "devices";
    }
    *ret_why = "must be 1 to 1000 with one device, and not be given with more";
    if (spec->milli > GR_DEVICE_MILLI || (spec->devices == 1 && spec->milli == 0) ||
        (spec->devices > 1 && spec->milli != GR_DEVICE_MILLI)) {
        return "milli";
    }
    if ((*ret_why = line_wrong(spec->kind, PATH_SIZE)) != NULL) {
        return "kind";
    }
    *ret_why = spec->devices > 0
                   ? "must be given with devices: which accelerator (h20, 'h100|h200')"
                   : "is of use only with devices";
    if ((spec->devices > 0) != (spec->kind[0] != '\0')) {
        return "kind";
    }
    uint8_t level;
    uint32_t each;
    *ret_why = spec->domain[0] == '\0'
                   ? NULL
                   : gr_domain_read(gr_slice_of(spec->domain), spec->tasks, &level, &each);
    return *ret_why != NULL ? "domain" : NULL;
}

static const char *demand_wrong(const struct gr_spec *spec, const char **ret_why)
{
    *ret_why = "must be 1 to 65536";
    if (is_outside(spec->tasks, 1, GR_TASKS_MAX)) {
        return "tasks";
    }
    const char *field = device_wrong(spec, ret_why);
    if (field != NULL) {
        return field;
    }
    *ret_why = "must be 0 to 100000";
    if (spec->cpu_milli > GR_CPU_MILLI_MAX) {
        return "cpu";
    }
    *ret_why = "must be 0 to 1000000000 MiB";
    if (spec->memory_mib > GR_MEMORY_MIB_MAX) {
        return "memory";
    }
    *ret_why = "must be 0 to 255";
    if (spec->priority > 255) {
        return "priority";
    }
    if ((*ret_why = line_wrong(spec->class, GR_NAME_SIZE)) != NULL) {
        return "class";
    }
    *ret_why = "must be other, train, serve, render or batch";
    return spec->use >= GR_USES ? "use" : NULL;
}

static const char *ending_wrong(const struct gr_spec *spec, const char **ret_why)
{
    const uint32_t counted = GR_REQUEUE_FAILED | GR_REQUEUE_NODE;
    const uint32_t known = counted | GR_REQUEUE_RECLAIM | GR_REQUEUE_MOVE;
    *ret_why = "must be 1 to 1000";
    if (is_outside(spec->attempts, 1, GR_SPEC_ATTEMPTS_MAX)) {
        return "requeue.attempts";
    }
    uint32_t on = spec->requeue_on & ~(uint32_t)GR_REQUEUE_PART;
    *ret_why = "must be some of failed, node, reclaim and move";
    if ((on & ~known) != 0 || (spec->attempts > 1 && on == 0)) {
        return "requeue.on";
    }
    *ret_why = "has failed or node: they are of use only with more than one attempt";
    if (spec->attempts == 1 && (spec->requeue_on & counted) != 0) {
        return "requeue.on";
    }
    *ret_why = "is of use only with more than one task";
    if ((spec->requeue_on & GR_REQUEUE_PART) != 0 && spec->tasks < 2) {
        return "requeue.part";
    }
    *ret_why = "must be 0 (none) to 3650 days";
    if (is_outside(spec->limit_ms, 0, GR_SPEC_MS_MAX)) {
        return "limit";
    }
    *ret_why = "must be 0 to 3650 days";
    if (is_outside(spec->grace_ms, 0, GR_SPEC_MS_MAX)) {
        return "stop.grace";
    }
    *ret_why = "must be a signal: TERM, INT, USR1, ..., or 1 to 64 without 32 and 33";
    if (!is_signal(spec->stop_signal)) {
        return "stop.signal";
    }
    if (spec->notice_signal != 0 && !is_signal(spec->notice_signal)) {
        return "notice.signal";
    }
    *ret_why = spec->notice_signal == 0 ? "is of use only with a signal"
                                        : "must be above 0 and less than the limit";
    if (spec->notice_signal == 0 ? spec->notice_ms != 0
                                 : is_outside(spec->notice_ms, 1, spec->limit_ms - 1)) {
        return "notice.before";
    }
    return NULL;
}

static const char *array_wrong(const struct gr_spec *spec, const char **ret_why)
{
    *ret_why = "must have at most 65536 elements";
    if (spec->array_count > GR_SPEC_ARRAY_MAX) {
        return "array";
    }
    *ret_why = "must be at least 1";
    if (spec->array_step == 0) {
        return "array.step";
    }
    uint64_t last = spec->array_first +
                    (uint64_t)(spec->array_count - (spec->array_count > 0)) * spec->array_step;
    *ret_why = "must have indexes of at most 2147483647";
    if (last > INT32_MAX) {
        return "array.last";
    }
    *ret_why = "must be at most 65536";
    if (spec->array_parallel > GR_SPEC_ARRAY_MAX) {
        return "array.parallel";
    }
    *ret_why = "has a first index, step or limit, but no elements";
    bool blank = spec->array_first == 0 && spec->array_step == 1 && spec->array_parallel == 0;
    return spec->array_count == 0 && !blank ? "array" : NULL;
}

static const char *after_wrong(const struct gr_spec *spec, const char **ret_why)
{
    *ret_why = "has more than 256 jobs";
    if (spec->after_count > GR_SPEC_AFTER_MAX) {
        return "after";
    }
    for (uint32_t i = 0; i < spec->after_count; i++) {
        const struct gr_spec_after *after = &spec->after[i];
        *ret_why = "must name a job by its number";
        if (after->job == 0 || after->job > INT64_MAX) {
            return "after";
        }
        *ret_why = "must say ok, failed or any";
        if (after->how >= GR_AFTERS || after->reserved != 0) {
            return "after";
        }
        *ret_why = "has a job twice";
        for (uint32_t j = 0; j < i; j++) {
            if (spec->after[j].job == after->job) {
                return "after";
            }
        }
    }
    return NULL;
}

const char *gr_spec_wrong(const struct gr_spec *spec, const char **ret_why)
{
    static const char *(*const checks[])(const struct gr_spec *, const char **) = {
        texts_wrong, user_wrong, demand_wrong, ending_wrong, array_wrong, after_wrong,
    };
    assert(spec != NULL && ret_why != NULL);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        const char *why;
        const char *field = checks[i](spec, &why);
        if (field != NULL) {
            *ret_why = why;
            return field;
        }
    }
    if (gr_spec_size(spec) > GR_SPEC_BYTES_MAX) {
        *ret_why = "is too large together with the environment: more than 1 MiB";
        return "command";
    }
    return NULL;
}
