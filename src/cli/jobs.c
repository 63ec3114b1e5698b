// Jobs as lists show them: see jobs.h.
#include "cli/jobs.h"

#include "base/quantity.h"
#include "cli/units.h"

#include <inttypes.h>
#include <string.h>

// Every state, and how it looks.
static const struct {
    const char *word;
    bool has_ended;
    enum gr_style style;
} states[] = {
    {"held", false, GR_STYLE_FAINT},     {"waiting", false, GR_STYLE_WARN},
    {"starting", false, GR_STYLE_GOOD},  {"running", false, GR_STYLE_GOOD},
    {"stopping", false, GR_STYLE_WARN},  {"done", true, GR_STYLE_PLAIN},
    {"failed", true, GR_STYLE_BAD},      {"stopped", true, GR_STYLE_WARN},
    {"time-limit", true, GR_STYLE_BAD},  {"out-of-memory", true, GR_STYLE_BAD},
    {"lost", true, GR_STYLE_BAD},        {"node-failed", true, GR_STYLE_BAD},
    {"not-started", true, GR_STYLE_BAD}, {"dropped", true, GR_STYLE_WARN},
    {"reclaimed", true, GR_STYLE_WARN},
};
enum { STATES = sizeof states / sizeof states[0] };

const char *const gr_cli_job_states[STATES + 1] = {
    "held",      "waiting",    "starting",      "running", "stopping",    "done",        "failed",
    "stopped",   "time-limit", "out-of-memory", "lost",    "node-failed", "not-started", "dropped",
    "reclaimed", NULL,
};

bool gr_cli_job_has_ended(const char *state)
{
    for (size_t i = 0; i < STATES; i++) {
        if (strcmp(states[i].word, state) == 0) {
            return states[i].has_ended;
        }
    }
    return false;
}

enum gr_style gr_cli_job_style(const char *state)
{
    for (size_t i = 0; i < STATES; i++) {
        if (strcmp(states[i].word, state) == 0) {
            return states[i].style;
        }
    }
    return GR_STYLE_PLAIN;
}

const char *gr_cli_job_asks(const json_t *job, char *buffer, size_t size)
{
    char cpu[GR_CLI_UNIT_SIZE];
    int64_t tasks = gr_cli_get_int_or(job, "tasks", 1);
    int64_t devices = gr_cli_get_int_or(job, "devices", 0);
    int64_t milli = gr_cli_get_int_or(job, "milli", 1000);
    const char *kind = gr_cli_get_text(job, "kind", "");
    char times[32] = "";
    if (tasks != 1) {
        snprintf(times, sizeof times, "%" PRId64 " x ", tasks);
    }
    if (devices == 0) {
        snprintf(buffer, size, "%s%s cpu", times, gr_cli_get_decimal(job, "cpu", "?", cpu));
    } else if (milli > 0 && milli < 1000) {
        snprintf(buffer, size, "%s0.%03" PRId64 " %s", times, milli, kind);
    } else {
        snprintf(buffer, size, "%s%" PRId64 " %s", times, devices, kind);
    }
    return buffer;
}

// How it ended: "exit 3", "signal KILL", or the words of the pool.
const char *gr_cli_job_why(const json_t *job, char *buffer, size_t size)
{
    const char *state = gr_cli_get_text(job, "state", "");
    const char *reason = gr_cli_get_text_in(job, "reason", "text", "");
    const char *signal = gr_cli_get_text(job, "signal", NULL);
    int64_t code = gr_cli_get_int_or(job, "exit_code", 0);
    const char *idle = gr_cli_get_text_in(job, "held_idle", "text", NULL);
    const char *part = gr_cli_get_text_in(job, "part", "text", NULL);
    buffer[0] = '\0';
    if (!gr_cli_job_has_ended(state)) {
        snprintf(buffer, size, "%s", idle != NULL ? idle : part != NULL ? part : reason);
    } else if (signal != NULL) {
        snprintf(buffer, size, "signal %s%s%s", signal, reason[0] == '\0' ? "" : "; ", reason);
    } else if (code != 0) {
        snprintf(buffer, size, "exit %" PRId64 "%s%s", code, reason[0] == '\0' ? "" : "; ", reason);
    } else {
        snprintf(buffer, size, "%s", reason);
    }
    return buffer;
}

int gr_cli_job_exit(const json_t *job)
{
    const char *state = gr_cli_get_text(job, "state", "");
    const char *signal = gr_cli_get_text(job, "signal", NULL);
    int64_t code = gr_cli_get_int_or(job, "exit_code", 0);
    uint32_t number;
    if (strcmp(state, "done") == 0) {
        return 0;
    }
    if (signal != NULL && gr_signal_read(gr_slice_of(signal), &number) == 0) {
        return 128 + (int)number;
    }
    return code > 0 && code < 256 ? (int)code : 1;
}

// What helps, by the state; "%" stands for the job's number.
const char *gr_cli_job_next(const json_t *job, char *buffer, size_t size)
{
    static const struct {
        const char *state;
        const char *next;
    } table[] = {
        {"held", "granary ps   (shows the jobs that it waits for)"},
        {"waiting", "granary nodes   (shows what is free)"},
        {"starting", "granary logs -f %"},
        {"running", "granary logs -f %"},
        {"stopping", "granary show -w %"},
        {"done", "granary logs %"},
        {"failed", "granary logs --stream err %"},
        {"out-of-memory", "submit it again with more --memory"},
        {"time-limit", "submit it again with a longer --limit"},
        {"lost", "granary nodes   (shows what became of its node)"},
        {"node-failed", "granary nodes   (shows what became of its node)"},
        {"not-started", "granary engine check   (shows what this pool can start)"},
    };
    const char *state = gr_cli_get_text(job, "state", "");
    buffer[0] = '\0';
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].state, state) == 0) {
            const char *next = table[i].next;
            size_t before = strcspn(next, "%");
            if (next[before] == '\0') {
                snprintf(buffer, size, "%s", next);
            } else {
                snprintf(buffer, size, "%.*s%" PRId64 "%s", (int)before, next,
                         gr_cli_get_int_or(job, "id", 0), next + before + 1);
            }
        }
    }
    return buffer;
}

// ---- columns ------------------------------------------------------------------------------------

static void show_name(const json_t *job, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    int64_t index;
    const char *name = gr_cli_get_text(job, "name", "");
    if (gr_cli_get_int(job, "array_index", &index)) {
        snprintf(cell->text, sizeof cell->text, "%s[%" PRId64 "]", name, index);
    } else {
        snprintf(cell->text, sizeof cell->text, "%s", name[0] == '\0' ? "-" : name);
    }
}

static void show_state(const json_t *job, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    const char *state = gr_cli_get_text(job, "state", "?");
    snprintf(cell->text, sizeof cell->text, "%s", state);
    cell->style = gr_cli_job_style(state);
}

static void show_asks(const json_t *job, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    (void)gr_cli_job_asks(job, cell->text, sizeof cell->text);
}

static void show_where(const json_t *job, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    const json_t *nodes = json_object_get(job, "nodes");
    size_t count = json_array_size(nodes);
    const char *first = json_string_value(json_array_get(nodes, 0));
    if (count == 0 || first == NULL) {
        snprintf(cell->text, sizeof cell->text, "-");
        cell->style = GR_STYLE_FAINT;
    } else if (count == 1) {
        snprintf(cell->text, sizeof cell->text, "%s", first);
    } else {
        snprintf(cell->text, sizeof cell->text, "%s +%zu", first, count - 1);
    }
}

// How long it has been in the state that people mean by it: waiting, running, or how long it ran.
static void show_time(const json_t *job, int64_t now_ms, struct gr_cli_cell *cell)
{
    int64_t submitted = gr_cli_get_int_or(job, "submitted_ms", now_ms);
    int64_t ended;
    int64_t started;
    bool has_started = gr_cli_get_int(job, "started_ms", &started);
    bool has_ended = gr_cli_get_int(job, "ended_ms", &ended);
    if (has_ended && !has_started) {
        snprintf(cell->text, sizeof cell->text, "-");
        cell->style = GR_STYLE_FAINT;
        return;
    }
    int64_t from = has_started ? started : submitted;
    (void)gr_cli_span((has_ended ? ended : now_ms) - from, cell->text);
    cell->style = has_started ? GR_STYLE_PLAIN : GR_STYLE_FAINT;
}

static void show_age(const json_t *job, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)gr_cli_span(now_ms - gr_cli_get_int_or(job, "submitted_ms", now_ms), cell->text);
}

static void show_why(const json_t *job, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    (void)gr_cli_job_why(job, cell->text, sizeof cell->text);
}

static void show_array(const json_t *job, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    int64_t array;
    if (gr_cli_get_int(job, "array", &array)) {
        snprintf(cell->text, sizeof cell->text, "%" PRId64 "_%" PRId64, array,
                 gr_cli_get_int_or(job, "array_index", 0));
    } else {
        snprintf(cell->text, sizeof cell->text, "-");
        cell->style = GR_STYLE_FAINT;
    }
}

static void show_attempt(const json_t *job, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    snprintf(cell->text, sizeof cell->text, "%" PRId64 "/%" PRId64,
             gr_cli_get_int_or(job, "attempt", 0), gr_cli_get_int_or(job, "attempts", 1));
}

static void show_memory(const json_t *job, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)now_ms;
    int64_t mib = gr_cli_get_int_or(job, "memory_mib", 0);
    if (mib > 0) {
        (void)gr_cli_memory(mib, cell->text);
    } else {
        snprintf(cell->text, sizeof cell->text, "-");
        cell->style = GR_STYLE_FAINT;
    }
}

static void show_submitted(const json_t *job, int64_t now_ms, struct gr_cli_cell *cell)
{
    (void)gr_cli_moment(gr_cli_get_int_or(job, "submitted_ms", now_ms), cell->text);
}

static const struct gr_cli_column columns[] = {
    {"id", GR_TABLE_RIGHT, GR_CLI_IN_ALL, 0, "id", NULL},
    {"array", GR_TABLE_RIGHT, GR_CLI_IN_WIDE, 0, NULL, show_array},
    {"name", GR_TABLE_FILL, GR_CLI_IN_BOTH, 0, NULL, show_name},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "array", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "array_index", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "name", NULL},
    {"user", GR_TABLE_FILL, GR_CLI_IN_ALL, 64, "user", NULL},
    {"organisation", GR_TABLE_LEFT, GR_CLI_IN_WIDE | GR_CLI_IN_CSV, 0, "organisation", NULL},
    {"state", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "state", show_state},
    {"asks for", GR_TABLE_LEFT, GR_CLI_IN_BOTH, 0, NULL, show_asks},
    {"memory", GR_TABLE_RIGHT, GR_CLI_IN_WIDE, 0, NULL, show_memory},
    {"where", GR_TABLE_FILL, GR_CLI_IN_BOTH, 72, NULL, show_where},
    {"time", GR_TABLE_RIGHT, GR_CLI_IN_BOTH, 0, NULL, show_time},
    {"age", GR_TABLE_RIGHT, GR_CLI_IN_WIDE, 0, NULL, show_age},
    {"attempt", GR_TABLE_RIGHT, GR_CLI_IN_WIDE, 0, NULL, show_attempt},
    {"priority", GR_TABLE_RIGHT, GR_CLI_IN_WIDE | GR_CLI_IN_CSV, 0, "priority", NULL},
    {"submitted", GR_TABLE_LEFT, GR_CLI_IN_WIDE, 0, NULL, show_submitted},
    {"why", GR_TABLE_FILL, GR_CLI_IN_BOTH, 0, NULL, show_why},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "reason.code", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "kind", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "tasks", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "devices", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "milli", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "cpu", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "memory_mib", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "attempt", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "submitted_ms", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "started_ms", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "ended_ms", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "exit_code", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "signal", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "cpu_ms", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "peak_kib", NULL},
    {NULL, GR_TABLE_LEFT, GR_CLI_IN_CSV, 0, "nodes", NULL},
};

const struct gr_cli_noun gr_cli_jobs = {
    .plural = "jobs",
    .id = "id",
    .none = "no jobs",
    .columns = columns,
    .count = sizeof columns / sizeof columns[0],
};
