// From options and a job file to the body of a submission: see ask.h. The rules of every field are
// the codec's: options become the same JSON that a job file would, and one reader judges both.
#include "cli/ask.h"

#include "base/json.h"
#include "cli/reference.h"
#include "cli/units.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARENA_MAX = 64 << 20 };

static const char default_export[] = "HOME,LANG,LC_*,LOGNAME,PATH,SHELL,TZ,USER";

static int no_memory(struct gr_err *err)
{
    return gr_fail(err, -ENOMEM, "not enough memory for a job");
}

// ---- reading ------------------------------------------------------------------------------------

// The folder of the job file, at which its relative paths begin.
static int base_of(const char *file, char *base, size_t size, struct gr_err *err)
{
    char *path = realpath(file, NULL);
    if (path == NULL) {
        return gr_fail_errno(err, "%s", file);
    }
    char *slash = strrchr(path, '/');
    slash[slash == path] = '\0';
    int wrote = snprintf(base, size, "%s", path);
    free(path);
    return (size_t)wrote >= size ? gr_fail(err, -ENAMETOOLONG, "%s: its path is too long", file)
                                 : 0;
}

int gr_cli_ask_read(const struct gr_cli_ask *ask, struct gr_cli_asked *ret_asked,
                    struct gr_err *err)
{
    char base[PATH_MAX];
    *ret_asked = (struct gr_cli_asked){.has_file = ask->file != NULL};
    gr_arena_init(&ret_asked->arena, ARENA_MAX);
    if (ask->file == NULL) {
        ret_asked->file.count = 1;
        return ask->argc > 0
                   ? 0
                   : gr_fail(err, -EINVAL, "found no command, expected one, or a job file with -f");
    }
    bool is_file = strcmp(ask->file, "-") != 0;
    const char *path = is_file ? ask->file : "/dev/stdin";
    int code = 0;
    if (is_file) {
        code = base_of(path, base, sizeof base, err);
    } else if (getcwd(base, sizeof base) == NULL) {
        code = gr_fail_errno(err, "this directory");
    }
    struct gr_spec_input input = {.arena = &ret_asked->arena, .base = base};
    code = code < 0 ? code : gr_spec_file_read(&input, path, &ret_asked->file, err);
    if (code < 0) {
        gr_cli_asked_done(ret_asked);
    }
    return code;
}

void gr_cli_asked_done(struct gr_cli_asked *asked)
{
    gr_arena_done(&asked->arena);
}

// ---- options ------------------------------------------------------------------------------------

static int set(json_t *object, const char *key, const char *text)
{
    return text == NULL ? 0 : gr_json_set_text(object, key, gr_slice_of(text));
}

// The object under `key`, made if it is not there. NULL if there is no memory.
static json_t *group(json_t *object, const char *key)
{
    json_t *inner = json_object_get(object, key);
    if (!json_is_object(inner)) {
        inner = json_object();
        if (gr_json_set(object, key, inner) < 0) {
            return NULL;
        }
    }
    return inner;
}

static int set_plain(json_t *object, const struct gr_cli_ask *ask)
{
    int code = set(object, "name", ask->name) | set(object, "kind", ask->kind) |
               set(object, "memory", ask->memory) | set(object, "limit", ask->limit) |
               set(object, "array", ask->array) | set(object, "image", ask->image) |
               set(object, "output", ask->output) | set(object, "error", ask->error) |
               set(object, "use", ask->use) | set(object, "domain", ask->domain) |
               set(object, "class", ask->class) | set(object, "umask", ask->umask);
    if (ask->has_tasks) {
        code |= gr_json_set_int(object, "tasks", ask->tasks);
    }
    if (ask->has_devices) {
        (void)json_object_del(object, "milli");
        code |= gr_json_set_decimal(object, "devices", ask->devices, 3);
    }
    if (ask->has_cpu) {
        code |= gr_json_set_decimal(object, "cpu", ask->cpu, 3);
    }
    if (ask->has_priority) {
        code |= gr_json_set_int(object, "priority", ask->priority);
    }
    return code;
}

static int set_words(json_t *object, const char *key, const char *text)
{
    json_t *list = json_array();
    int code = 0;
    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        code |= gr_json_append(list, gr_json_text((struct gr_slice){text, size}));
        text += size + (text[size] == ',');
    }
    return code | gr_json_set(object, key, list);
}

static int set_groups(json_t *object, const struct gr_cli_ask *ask)
{
    int code = 0;
    if (ask->has_requeue) {
        code |= gr_json_set_int(group(object, "requeue"), "attempts", ask->requeue);
    }
    if (ask->requeue_on != NULL) {
        code |= set_words(group(object, "requeue"), "on", ask->requeue_on);
    }
    if (ask->stop_signal != NULL || ask->grace != NULL) {
        code |= set(group(object, "stop"), "signal", ask->stop_signal);
        code |= set(group(object, "stop"), "grace", ask->grace);
    }
    if (ask->notice != NULL || ask->notice_signal != NULL) {
        code |= set(group(object, "notice"), "signal", ask->notice_signal);
        code |= set(group(object, "notice"), "before", ask->notice);
    }
    return code;
}

static int set_command(json_t *object, const struct gr_cli_ask *ask)
{
    json_t *list = json_array();
    int code = 0;
    for (size_t i = 0; i < ask->argc; i++) {
        struct gr_slice text = gr_slice_of(ask->argv[i]);
        code |= gr_json_append(list, gr_json_text(text));
    }
    return code | gr_json_set(object, "command", list);
}

// --after JOB:HOW, where JOB is any reference.
static int set_after(json_t *object, const struct gr_cli_ask *ask, struct gr_client *client,
                     struct gr_err *err)
{
    json_t *list = json_array();
    int code = list == NULL ? no_memory(err) : 0;
    for (size_t i = 0; code == 0 && i < ask->after.count; i++) {
        const char *text = ask->after.values[i];
        const char *colon = strrchr(text, ':');
        char name[GR_SPEC_NAME_SIZE + 32];
        struct gr_cli_job job;
        snprintf(name, sizeof name, "%.*s",
                 (int)(colon == NULL ? strlen(text) : (size_t)(colon - text)), text);
        code = gr_cli_job_find(client, name, &job, err);
        if (code == 0) {
            json_t *item = json_object();
            int wrong = gr_json_set_int(item, "job", (int64_t)job.id) |
                        set(item, "how", colon == NULL ? "ok" : colon + 1) |
                        gr_json_append(list, item);
            code = wrong < 0 ? no_memory(err) : 0;
            gr_cli_job_done(&job);
        }
    }
    if (code < 0) {
        json_decref(list);
        return code;
    }
    return gr_json_set(object, "after", list) < 0 ? no_memory(err) : 0;
}

// ---- what is the user's -------------------------------------------------------------------------

static bool is_name(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bool letter = (text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z';
        if (!letter && text[i] != '_' && (i == 0 || text[i] < '0' || text[i] > '9')) {
            return false;
        }
    }
    return size > 0;
}

// Whether a list such as "A,LC_*" names the variable.
static bool is_listed(const char *list, const char *name, size_t size)
{
    while (*list != '\0') {
        size_t word = strcspn(list, ",");
        bool open = word > 0 && list[word - 1] == '*';
        if (open ? size >= word - 1 && memcmp(list, name, word - 1) == 0
                 : size == word && memcmp(list, name, word) == 0) {
            return true;
        }
        list += word + (list[word] == ',');
    }
    return false;
}

// Adds variables of this process that the list names; what the job says itself stays. A token for
// the daemon never goes along.
static int export_env(json_t *env, const char *list)
{
    bool all = strcmp(list, "all") == 0;
    int code = 0;
    for (char **at = environ; *at != NULL && strcmp(list, "none") != 0; at++) {
        const char *equals = strchr(*at, '=');
        size_t size = equals == NULL ? 0 : (size_t)(equals - *at);
        char name[256];
        if (!is_name(*at, size) || size >= sizeof name ||
            !(all ? strncmp(*at, "GRANARY_TOKEN=", 14) != 0 : is_listed(list, *at, size))) {
            continue; // functions of shells have names that no job could use
        }
        snprintf(name, sizeof name, "%.*s", (int)size, *at);
        if (json_object_get(env, name) == NULL) {
            code |= gr_json_set_text(env, name, gr_slice_of(equals + 1));
        }
    }
    return code;
}

// --env and --secret: NAME=TEXT each; a NAME alone passes this process's own on.
static int set_pairs(json_t *map, const char *option, const struct gr_options_list *list,
                     bool passes, struct gr_err *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *text = list->values[i];
        const char *equals = strchr(text, '=');
        size_t size = equals == NULL ? strlen(text) : (size_t)(equals - text);
        char name[256];
        if (!is_name(text, size) || size >= sizeof name || (equals == NULL && !passes)) {
            return gr_fail(err, -EINVAL, "--%s: found '%s', expected NAME=%s", option, text,
                           passes ? "TEXT, or NAME" : "FILE");
        }
        snprintf(name, sizeof name, "%.*s", (int)size, text);
        const char *value = equals == NULL ? getenv(name) : equals + 1;
        if (value == NULL) {
            return gr_fail(err, -EINVAL, "--%s: %s is not set here, expected NAME=TEXT", option,
                           name);
        }
        if (gr_json_set_text(map, name, gr_slice_of(value)) < 0) {
            return no_memory(err);
        }
    }
    return 0;
}

static int set_environment(json_t *object, const struct gr_cli_ask *ask, struct gr_err *err)
{
    bool has_image = json_object_get(object, "image") != NULL;
    const char *list = ask->export != NULL ? ask->export : has_image ? "none" : default_export;
    json_t *env = group(object, "env");
    int code = set_pairs(env, "env", &ask->env, true, err);
    if (code == 0 && export_env(env, list) < 0) {
        code = no_memory(err);
    }
    if (code == 0 && ask->secrets.count > 0) {
        code = set_pairs(group(object, "secrets"), "secret", &ask->secrets, false, err);
    }
    return code;
}

static int set_surroundings(json_t *object, const struct gr_cli_ask *ask, struct gr_err *err)
{
    char here[PATH_MAX];
    char octal[8];
    int code = 0;
    bool has_image = json_object_get(object, "image") != NULL;
    if (ask->directory != NULL) {
        if (strcmp(ask->directory, "new") == 0) {
            (void)json_object_del(object, "directory");
        } else {
            code = set(object, "directory", ask->directory);
        }
    } else if (json_object_get(object, "directory") == NULL && !has_image) {
        if (getcwd(here, sizeof here) == NULL) {
            return gr_fail_errno(err, "this directory");
        }
        code = set(object, "directory", here);
    }
    if (json_object_get(object, "umask") == NULL) {
        mode_t mask = umask(0);
        (void)umask(mask);
        snprintf(octal, sizeof octal, "%03o", (unsigned)mask);
        code |= set(object, "umask", octal);
    }
    if (json_object_get(object, "name") == NULL && ask->argc > 0) {
        const char *slash = strrchr(ask->argv[0], '/');
        char name[64];
        snprintf(name, sizeof name, "%s", slash == NULL ? ask->argv[0] : slash + 1);
        code |= set(object, "name", name);
    }
    return code < 0 ? no_memory(err) : 0;
}

// ---- the body -----------------------------------------------------------------------------------

// The file's own words about the job, as JSON.
static int begin(struct gr_cli_asked *asked, size_t index, const uint64_t *ids, json_t **ret_object,
                 struct gr_err *err)
{
    json_t *object;
    if (asked->has_file) {
        struct gr_spec spec = asked->file.specs[index];
        if (gr_spec_has_sibling(&spec) && ids == NULL) {
            spec.after_count = 0;
        }
        int code = ids == NULL ? 0 : gr_spec_link(&spec, ids, &asked->arena);
        if (code < 0) {
            return no_memory(err);
        }
        object = gr_spec_to_json(&spec, GR_SPEC_SHOW_ENV | GR_SPEC_SHOW_SECRETS);
    } else {
        object = json_object();
    }
    *ret_object = object;
    return object == NULL ? no_memory(err) : 0;
}

static int lay_over(json_t *object, const struct gr_cli_ask *ask, struct gr_client *client,
                    struct gr_err *err)
{
    int code = set_plain(object, ask) | set_groups(object, ask);
    code |= ask->argc > 0 ? set_command(object, ask) : 0;
    if (code < 0) {
        return no_memory(err);
    }
    code = ask->after.count > 0 ? set_after(object, ask, client, err) : 0;
    code = code < 0 ? code : set_environment(object, ask, err);
    return code < 0 ? code : set_surroundings(object, ask, err);
}

int gr_cli_ask_body(const struct gr_cli_ask *ask, struct gr_cli_asked *asked, size_t index,
                    const uint64_t *ids, struct gr_client *client, json_t **ret_body,
                    struct gr_err *err)
{
    assert(index < asked->file.count);
    char here[PATH_MAX];
    struct gr_spec spec;
    json_t *object = NULL;
    int code = begin(asked, index, ids, &object, err);
    code = code < 0 ? code : lay_over(object, ask, client, err);
    if (code == 0 && getcwd(here, sizeof here) == NULL) {
        code = gr_fail_errno(err, "this directory");
    }
    if (code == 0) {
        struct gr_spec_input input = {.arena = &asked->arena, .base = here};
        code = gr_spec_from_json(&input, object, &spec, err);
    }
    json_decref(object);
    if (code < 0) {
        return code;
    }
    // From here on paths are absolute: the daemon stands somewhere else.
    *ret_body = gr_spec_to_json(&spec, GR_SPEC_SHOW_ENV | GR_SPEC_SHOW_SECRETS);
    return *ret_body == NULL ? no_memory(err) : 0;
}
