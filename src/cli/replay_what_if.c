// `granary replay --what-if`: the same jobs on a changed pool or with another policy, beside the
// first replay. See replay.h.
#include "cli/replay.h"

#include "base/text.h"
#include "replay/compare.h"
#include "replay/report.h"
#include "replay/run.h"
#include "replay/what_if.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Bytes of any one figure as text.
#define FIGURE_SIZE 64

// Groups that the table shows; JSON has all.
#define GROUPS_SHOWN 12

// One of the two replays. It runs in a thread of its own.
struct side {
    struct gr_load load;
    struct gr_trace trace;
    struct gr_queue_terms terms;
    struct gr_run_config config;
    struct gr_result result;
    struct gr_err err;
    int code;
};

// ---- running ------------------------------------------------------------------------------------

static void *run_side(void *context)
{
    struct side *side = context;
    side->code = gr_run(&side->trace, &side->config, &side->result, &side->err);
    return NULL;
}

static void side_init(struct side *side, const struct gr_cli_replay_request *request,
                      const char *policy)
{
    *side = (struct side){.load = request->load, .terms = request->terms};
    gr_err_init(&side->err);
    side->config = (struct gr_run_config){.policy = policy,
                                          .seed = request->load.seed,
                                          .order = (enum gr_order)request->queue,
                                          .learn_mix = request->mix == 1,
                                          .measure_fragmentation = true,
                                          .keep_fills = request->report != NULL,
                                          .verify = request->verify};
}

// What the changes make of the second.
static int side_change(struct side *side, const struct gr_what_if *what_if, struct gr_err *err)
{
    side->config.policy = what_if->policy != NULL ? what_if->policy : side->config.policy;
    if (what_if->order > 0) {
        side->config.order = (enum gr_order)(what_if->order - 1);
    }
    if (what_if->quotas[0] != '\0') {
        side->load.quotas = what_if->quotas;
    }
    if ((what_if->quotas[0] != '\0' || what_if->terms_text[0] != '\0') &&
        side->config.order != GR_ORDER_FAIR) {
        return gr_fail(err, -EINVAL,
                       "--what-if: found quotas or terms without a fair queue, expected queue=fair "
                       "too");
    }
    return what_if->terms_text[0] == '\0' ? 0
                                          : gr_terms_read(what_if->terms_text, &side->terms, err);
}

static int load_side(struct side *side, struct gr_err *err)
{
    int code = gr_load_trace(&side->load, &side->trace, err);
    side->config.terms = side->config.order == GR_ORDER_FAIR ? &side->terms : NULL;
    if (code == 0 && !gr_trace_has_departures(&side->trace)) {
        code = gr_fail(err, -EINVAL,
                       "found --what-if for jobs that never leave, expected it only for a trace "
                       "with durations");
    }
    return code;
}

// Both at the same time; the second here if there is no thread for it.
static int run_sides(struct side sides[2], struct gr_err *err)
{
    pthread_t thread;
    bool is_apart = pthread_create(&thread, NULL, run_side, &sides[1]) == 0;
    (void)run_side(&sides[0]);
    if (is_apart) {
        (void)pthread_join(thread, NULL);
    } else {
        (void)run_side(&sides[1]);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (sides[i].code < 0) {
            return gr_fail(err, sides[i].code, "%s: %s", i == 0 ? "baseline" : "changed",
                           sides[i].err.text);
        }
    }
    return 0;
}

// ---- tables -------------------------------------------------------------------------------------

static const struct gr_table_column columns[] = {{"", GR_TABLE_FILL},
                                                 {"baseline", GR_TABLE_RIGHT},
                                                 {"changed", GR_TABLE_RIGHT},
                                                 {"difference", GR_TABLE_RIGHT}};
#define COLUMNS (sizeof columns / sizeof columns[0])

static const struct gr_table_column group_columns[] = {{"", GR_TABLE_FILL},
                                                       {"jobs", GR_TABLE_RIGHT},
                                                       {"mean wait\nbaseline", GR_TABLE_RIGHT},
                                                       {"\nchanged", GR_TABLE_RIGHT},
                                                       {"\ndifference", GR_TABLE_RIGHT},
                                                       {"p95\nbaseline", GR_TABLE_RIGHT},
                                                       {"\nchanged", GR_TABLE_RIGHT}};
#define GROUP_COLUMNS (sizeof group_columns / sizeof group_columns[0])

// The style of a difference: fewer is better, or more is, or neither (0).
static enum gr_style style_of(double difference, int better)
{
    return difference == 0 || better == 0     ? GR_STYLE_PLAIN
           : (difference > 0) == (better > 0) ? GR_STYLE_GOOD
                                              : GR_STYLE_BAD;
}

static void add_spans(struct gr_table *table, const int64_t ms[2])
{
    char buffer[FIGURE_SIZE], text[FIGURE_SIZE + 1];
    int64_t difference = ms[1] - ms[0];
    gr_table_add(table, gr_cli_replay_span(ms[0], buffer));
    gr_table_add(table, gr_cli_replay_span(ms[1], buffer));
    snprintf(text, sizeof text, "%s%s",
             difference < 0   ? "-"
             : difference > 0 ? "+"
                              : "",
             gr_cli_replay_span(llabs(difference), buffer));
    gr_table_add_styled(table, style_of((double)difference, -1), text);
}

static void add_span_row(struct gr_table *table, const char *name, int64_t one, int64_t two)
{
    gr_table_add(table, name);
    add_spans(table, (int64_t[2]){one, two});
}

static void add_number_row(struct gr_table *table, const char *name, double one, double two,
                           int places, int better)
{
    char text[FIGURE_SIZE];
    double scale = pow(10, places);
    double difference = (round(two * scale) - round(one * scale)) / scale;
    gr_table_add(table, name);
    gr_table_addf(table, "%.*f", places, one);
    gr_table_addf(table, "%.*f", places, two);
    snprintf(text, sizeof text, difference == 0 ? "0" : "%+.*f", places, difference);
    gr_table_add_styled(table, style_of(difference, better), text);
}

static void add_results(struct gr_table *table, const struct gr_result *one,
                        const struct gr_result *two)
{
    add_number_row(table, "devices", (double)one->capacity_milli / 1000,
                   (double)two->capacity_milli / 1000, 0, 0);
    add_span_row(table, "mean wait", one->delay_mean_ms, two->delay_mean_ms);
    add_span_row(table, "p50 wait", one->delay_p50_ms, two->delay_p50_ms);
    add_span_row(table, "p95 wait", one->delay_p95_ms, two->delay_p95_ms);
    add_span_row(table, "longest wait", one->delay_max_ms, two->delay_max_ms);
    add_number_row(table, "utilisation %", one->utilisation_ppm / 1e4, two->utilisation_ppm / 1e4,
                   2, 0);
    add_number_row(table, "allocated while jobs waited %", one->allocation, two->allocation, 2, 0);
    add_number_row(table, "lost work, device-hours", one->lost_milli_ms / 3.6e9,
                   two->lost_milli_ms / 3.6e9, 1, -1);
    add_number_row(table, "room taken back, times", (double)one->stopped, (double)two->stopped, 0,
                   0);
    add_number_row(table, "jobs finished", (double)one->finished, (double)two->finished, 0, 1);
    add_number_row(table, "jobs dropped", (double)one->dropped, (double)two->dropped, 0, -1);
    add_span_row(table, "whole run", one->makespan_ms, two->makespan_ms);
}

static int write_table(struct gr_table *table, struct gr_err *err)
{
    struct gr_terminal terminal;
    gr_terminal_init(&terminal, stdout);
    int code = table == NULL ? gr_fail(err, -ENOMEM, "not enough memory for a table")
                             : gr_table_write(table, &terminal, err);
    gr_table_free(table);
    return code;
}

static int write_groups(const char *head, const char *none, const struct gr_compare_group *groups,
                        size_t count, struct gr_err *err)
{
    if (count < 2 && (count == 0 || groups[0].name[0] == '\0')) {
        return 0; // it is all of them
    }
    struct gr_table *table = gr_table_new(group_columns, GROUP_COLUMNS);
    for (size_t i = 0; table != NULL && i < count && i < GROUPS_SHOWN; i++) {
        char buffer[FIGURE_SIZE];
        const struct gr_compare_waits *waits = &groups[i].waits;
        gr_table_add(table, groups[i].name[0] != '\0' ? groups[i].name : none);
        gr_table_addf(table, "%" PRIu64, groups[i].jobs);
        add_spans(table, waits->mean_ms);
        gr_table_add(table, gr_cli_replay_span(waits->p95_ms[0], buffer));
        gr_table_add(table, gr_cli_replay_span(waits->p95_ms[1], buffer));
    }
    printf("\n%s\n", head);
    int code = write_table(table, err);
    if (count > GROUPS_SHOWN) {
        printf("and %zu more (-o json has all)\n", count - GROUPS_SHOWN);
    }
    return code;
}

static void add_job(struct gr_table *table, const struct gr_trace *trace,
                    const struct gr_compare_job *row)
{
    uint32_t index = trace->order[row->arrival];
    const struct gr_trace_job *job = &trace->jobs[index];
    gr_table_addf(table, "job %" PRIu32 "%s%.40s%s%.40s: %" PRIu32 " x %" PRIu32, index + 1,
                  job->name[0] != '\0' ? " " : "", job->name, job->queue > 0 ? " of " : "",
                  trace->queues[job->queue], job->tasks, job->devices);
    add_spans(table, row->waited_ms);
}

static int write_jobs(const struct gr_trace *trace, const char *head,
                      const struct gr_compare_job *jobs, size_t count, struct gr_err *err)
{
    struct gr_table *table = count > 0 ? gr_table_new(columns, COLUMNS) : NULL;
    for (size_t i = 0; table != NULL && i < count; i++) {
        add_job(table, trace, &jobs[i]);
    }
    if (count == 0) {
        return 0;
    }
    printf("\n%s\n", head);
    return write_table(table, err);
}

static int write_tables(const struct side sides[2], const struct gr_compare *compare,
                        struct gr_err *err)
{
    const struct gr_trace *trace = &sides[0].trace;
    struct gr_table *table = gr_table_new(columns, COLUMNS);
    if (table != NULL) {
        add_results(table, &sides[0].result, &sides[1].result);
    }
    int code = write_table(table, err);
    printf("\n%" PRIu64 " jobs started sooner, %" PRIu64 " later, %" PRIu64 " alike",
           compare->sooner, compare->later, compare->alike);
    if (compare->only[0] + compare->only[1] > 0) {
        printf("; %" PRIu64 " only in the baseline, %" PRIu64 " only in the other",
               compare->only[0], compare->only[1]);
    }
    printf("\n");
    code = code < 0
               ? code
               : write_groups("By queue", "(none)", compare->queues, compare->queue_count, err);
    code = code < 0 ? code
                    : write_groups("By kind asked for", "(any)", compare->kinds,
                                   compare->kind_count, err);
    code = code < 0 ? code
                    : write_jobs(trace, "Helped most (wait)", compare->helped,
                                 compare->helped_count, err);
    return code < 0
               ? code
               : write_jobs(trace, "Hurt most (wait)", compare->hurt, compare->hurt_count, err);
}

// ---- JSON ---------------------------------------------------------------------------------------

static json_t *waits_json(const struct gr_compare_waits *waits, unsigned r)
{
    json_t *object = json_object();
    int code = gr_json_set_int(object, "started", (int64_t)waits->started[r]);
    code |= gr_json_set_decimal(object, "mean_s", waits->mean_ms[r], 3);
    code |= gr_json_set_decimal(object, "p50_s", waits->p50_ms[r], 3);
    code |= gr_json_set_decimal(object, "p95_s", waits->p95_ms[r], 3);
    if (code < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *groups_json(const struct gr_compare_group *groups, size_t count)
{
    json_t *array = json_array();
    int code = 0;
    for (size_t i = 0; i < count; i++) {
        json_t *object = json_object();
        code |= gr_json_set_text(object, "name", gr_slice_of(groups[i].name));
        code |= gr_json_set_int(object, "jobs", (int64_t)groups[i].jobs);
        code |= gr_json_set(object, "baseline", waits_json(&groups[i].waits, 0));
        code |= gr_json_set(object, "changed", waits_json(&groups[i].waits, 1));
        code |= gr_json_append(array, object);
    }
    if (code < 0) {
        json_decref(array);
        return NULL;
    }
    return array;
}

static json_t *jobs_json(const struct gr_trace *trace, const struct gr_compare_job *jobs,
                         size_t count)
{
    json_t *array = json_array();
    int code = 0;
    for (size_t i = 0; i < count; i++) {
        const struct gr_trace_job *job = &trace->jobs[trace->order[jobs[i].arrival]];
        json_t *object = json_object();
        code |= gr_json_set_int(object, "job", trace->order[jobs[i].arrival] + INT64_C(1));
        code |= gr_json_set_text(object, "name", gr_slice_of(job->name));
        code |= gr_json_set_text(object, "queue", gr_slice_of(trace->queues[job->queue]));
        code |= gr_json_set_int(object, "tasks", job->tasks);
        code |= gr_json_set_int(object, "devices", job->devices);
        code |= gr_json_set_decimal(object, "baseline_s", jobs[i].waited_ms[0], 3);
        code |= gr_json_set_decimal(object, "changed_s", jobs[i].waited_ms[1], 3);
        code |= gr_json_append(array, object);
    }
    if (code < 0) {
        json_decref(array);
        return NULL;
    }
    return array;
}

static int write_json(const struct gr_cli_replay_request *request, const struct side sides[2],
                      const struct gr_compare *compare, struct gr_err *err)
{
    const struct gr_trace *trace = &sides[0].trace;
    json_t *root = json_object();
    json_t *changes = json_array();
    int code = 0;
    for (size_t i = 0; i < request->what_ifs.count; i++) {
        code |= gr_json_append(changes, gr_json_text(gr_slice_of(request->what_ifs.values[i])));
    }
    code |= gr_json_set(root, "what_if", changes);
    code |=
        gr_json_set(root, "baseline", gr_cli_replay_result_json(&sides[0].result, request->timing));
    code |=
        gr_json_set(root, "changed", gr_cli_replay_result_json(&sides[1].result, request->timing));
    code |= gr_json_set_int(root, "sooner", (int64_t)compare->sooner);
    code |= gr_json_set_int(root, "later", (int64_t)compare->later);
    code |= gr_json_set_int(root, "alike", (int64_t)compare->alike);
    code |= gr_json_set(root, "queues", groups_json(compare->queues, compare->queue_count));
    code |= gr_json_set(root, "kinds", groups_json(compare->kinds, compare->kind_count));
    code |= gr_json_set(root, "helped", jobs_json(trace, compare->helped, compare->helped_count));
    code |= gr_json_set(root, "hurt", jobs_json(trace, compare->hurt, compare->hurt_count));
    code = code < 0 ? gr_fail(err, -ENOMEM, "not enough memory for the output")
                    : gr_json_write(root, stdout, "standard output", err);
    json_decref(root);
    return code;
}

// ---- the command --------------------------------------------------------------------------------

static int write_report(const struct gr_cli_replay_request *request, const struct side sides[2],
                        const struct gr_compare *compare, struct gr_err *err)
{
    struct gr_report report = {
        .nodes = sides[0].load.nodes != NULL ? sides[0].load.nodes : sides[0].load.pool,
        .jobs = sides[0].load.jobs,
        .trace = &sides[0].trace,
        .results = &sides[0].result,
        .result_count = 1,
        .what_if = request->what_ifs.values,
        .what_if_count = request->what_ifs.count,
        .changed = &sides[1].result,
        .compare = compare,
    };
    return gr_report_write(request->report, &report, err);
}

static int show(const struct gr_cli_replay_request *request, const struct side sides[2],
                struct gr_err *err)
{
    struct gr_compare compare;
    int code = gr_compare_make(&sides[0].trace, &sides[0].result, &sides[1].result, &compare, err);
    if (code < 0) {
        return code;
    }
    int reported = request->report != NULL ? write_report(request, sides, &compare, err) : 0;
    int printed = request->format == GR_CLI_REPLAY_JSON
                      ? write_json(request, sides, &compare, reported < 0 ? NULL : err)
                      : write_tables(sides, &compare, reported < 0 ? NULL : err);
    gr_compare_done(&compare);
    return reported < 0 ? reported : printed;
}

int gr_cli_replay_what_if(const struct gr_cli_replay_request *request,
                          const struct gr_cli_replay_policies *policies, struct gr_err *err)
{
    struct gr_what_if *what_if = calloc(1, sizeof *what_if);
    struct side *sides = calloc(2, sizeof *sides);
    int code =
        what_if == NULL || sides == NULL ? gr_fail(err, -ENOMEM, "no memory for replays") : 0;
    if (code == 0 && policies->count != 1) {
        code = gr_fail(err, -EINVAL,
                       "found %zu policies with --what-if, expected one, and --what-if "
                       "policy=NAME for the other",
                       policies->count);
    }
    if (code == 0 && request->format == GR_CLI_REPLAY_CSV) {
        code = gr_fail(err, -EINVAL, "found -o csv with --what-if, expected table or json");
    }
    for (size_t i = 0; code == 0 && i < request->what_ifs.count; i++) {
        code = gr_what_if_read(request->what_ifs.values[i], what_if, err);
    }
    for (unsigned i = 0; code == 0 && i < 2; i++) {
        side_init(&sides[i], request, policies->names[0]);
        code = i == 0 ? 0 : side_change(&sides[i], what_if, err);
        code = code < 0 ? code : load_side(&sides[i], err);
    }
    code = code < 0 ? code : gr_what_if_apply(what_if, &sides[1].trace, err);
    code = code < 0 ? code : run_sides(sides, err);
    code = code < 0 ? code : show(request, sides, err);
    for (unsigned i = 0; sides != NULL && i < 2; i++) {
        gr_result_done(&sides[i].result);
        gr_trace_done(&sides[i].trace);
    }
    free(sides);
    free(what_if);
    return code;
}
