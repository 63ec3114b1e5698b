// `granary replay FILE`: repeats a recording of a live pool. See replay.h and replay/repeat.h.
#include "cli/replay.h"

#include "base/hash.h"
#include "base/text.h"
#include "replay/repeat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// Bytes of any one figure as text.
#define FIGURE_SIZE 64

// Differences that the table names; JSON has all.
#define DIFFERENCES_SHOWN 20

static const char *const hows[] = {
    [GR_REPEAT_ONLY_RECORDED] = "only recorded", [GR_REPEAT_ONLY_REPEATED] = "only in replay",
    [GR_REPEAT_OTHER_TIME] = "another time",     [GR_REPEAT_ELSEWHERE] = "other devices",
    [GR_REPEAT_OTHER_ORDER] = "another order",
};
static const char *const whats[] = {
    [GR_REPEAT_START] = "start", [GR_REPEAT_PART] = "part", [GR_REPEAT_STOP] = "stop for room"};

// ---- table --------------------------------------------------------------------------------------

static const struct gr_table_column columns[] = {{"", GR_TABLE_FILL},
                                                 {"recorded", GR_TABLE_RIGHT},
                                                 {"replay", GR_TABLE_RIGHT},
                                                 {"difference", GR_TABLE_RIGHT}};

static void add_span(struct gr_table *table, const char *name, int64_t one, int64_t two)
{
    char buffer[FIGURE_SIZE], text[FIGURE_SIZE + 1];
    gr_table_add(table, name);
    gr_table_add(table, gr_cli_replay_span(one, buffer));
    gr_table_add(table, gr_cli_replay_span(two, buffer));
    snprintf(text, sizeof text, "%s%s",
             two < one   ? "-"
             : two > one ? "+"
                         : "",
             gr_cli_replay_span(llabs(two - one), buffer));
    gr_table_add(table, text);
}

static void add_number(struct gr_table *table, const char *name, double one, double two, int places)
{
    gr_table_add(table, name);
    gr_table_addf(table, "%.*f", places, one);
    gr_table_addf(table, "%.*f", places, two);
    gr_table_addf(table, two == one ? "0" : "%+.*f", places, two - one);
}

static uint64_t count_stops(const struct gr_repeat_log *log)
{
    uint64_t stops = 0;
    for (size_t i = 0; i < log->count; i++) {
        stops += log->decisions[i].what == GR_REPEAT_STOP;
    }
    return stops;
}

static void add_logs(struct gr_table *table, const struct gr_repeat_log *a,
                     const struct gr_repeat_log *b)
{
    add_number(table, "jobs started", (double)a->started, (double)b->started, 0);
    add_number(table, "jobs ended", (double)a->finished, (double)b->finished, 0);
    add_span(table, "mean wait", a->wait_mean_ms, b->wait_mean_ms);
    add_span(table, "p50 wait", a->wait_p50_ms, b->wait_p50_ms);
    add_span(table, "p95 wait", a->wait_p95_ms, b->wait_p95_ms);
    add_number(table, "utilisation %", a->used_ppm / 1e4, b->used_ppm / 1e4, 2);
    add_number(table, "stops for room", (double)count_stops(a), (double)count_stops(b), 0);
    add_number(table, "lost work, device-hours", (double)a->lost / 3.6e9, (double)b->lost / 3.6e9,
               3);
}

static void print_difference(const struct gr_repeat_difference *row)
{
    const struct gr_repeat_decision *decision =
        row->how == GR_REPEAT_ONLY_REPEATED ? &row->repeated : &row->recorded;
    printf("  job %" PRIu64 " attempt %" PRIu32 " %s: %s", decision->job, decision->attempt,
           whats[decision->what], hows[row->how]);
    if (row->how == GR_REPEAT_OTHER_TIME) {
        char buffer[FIGURE_SIZE];
        int64_t later = row->repeated.at_ms - row->recorded.at_ms;
        printf(", %s %s", gr_cli_replay_span(llabs(later), buffer), later > 0 ? "later" : "sooner");
    }
    printf("\n");
}

static int write_table(const struct gr_repeat *repeat, struct gr_err *err)
{
    struct gr_terminal terminal;
    gr_terminal_init(&terminal, stdout);
    struct gr_table *table = gr_table_new(columns, sizeof columns / sizeof columns[0]);
    if (table == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory for a table");
    }
    add_logs(table, &repeat->recorded, &repeat->repeated);
    int code = gr_table_write(table, &terminal, err);
    gr_table_free(table);
    size_t count = repeat->difference_count;
    if (count == 0 && repeat->is_same) {
        printf("\nThe same decisions: %zu of %zu; the same state at the end.\n",
               repeat->repeated.count, repeat->recorded.count);
    } else {
        printf("\n%zu of %zu decisions differ.\n", count, repeat->recorded.count);
    }
    if (repeat->first_fact != 0) {
        printf("The first fact that differs is %" PRIu64 "; in its place: %s.\n",
               repeat->first_fact, repeat->first_text);
    }
    for (size_t i = 0; i < count && i < DIFFERENCES_SHOWN; i++) {
        print_difference(&repeat->differences[i]);
    }
    if (count > DIFFERENCES_SHOWN) {
        printf("  and %zu more (-o json has all)\n", count - DIFFERENCES_SHOWN);
    }
    return code;
}

// ---- JSON ---------------------------------------------------------------------------------------

static json_t *log_json(const struct gr_repeat_log *log)
{
    char digest[2 * GR_HASH_SIZE + 1];
    json_t *object = json_object();
    gr_hash_text(log->digest, digest);
    int code = gr_json_set_int(object, "jobs", (int64_t)log->jobs);
    code |= gr_json_set_int(object, "started", (int64_t)log->started);
    code |= gr_json_set_int(object, "finished", (int64_t)log->finished);
    code |= gr_json_set_int(object, "decisions", (int64_t)log->count);
    code |= gr_json_set_int(object, "stops", (int64_t)count_stops(log));
    code |= gr_json_set_decimal(object, "wait_mean_s", log->wait_mean_ms, 3);
    code |= gr_json_set_decimal(object, "wait_p50_s", log->wait_p50_ms, 3);
    code |= gr_json_set_decimal(object, "wait_p95_s", log->wait_p95_ms, 3);
    code |= gr_json_set_decimal(object, "utilisation", log->used_ppm, 4);
    code |= gr_json_set_decimal(object, "lost_device_s", (int64_t)(log->lost / 1000), 3);
    code |= gr_json_set_text(object, "digest", gr_slice_of(digest));
    if (code < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int set_decision(json_t *object, const char *key, const struct gr_repeat_log *log,
                        const struct gr_repeat_decision *decision)
{
    if (decision->job == 0) {
        return gr_json_set_null(object, key);
    }
    json_t *made = json_object();
    json_t *nodes = json_array();
    int code = gr_json_set_int(made, "at_ms", decision->at_ms);
    for (uint32_t i = 0; i < decision->piece_count; i++) {
        const struct gr_piece *piece = &log->pieces[decision->pieces + i];
        json_t *place = json_object();
        code |= gr_json_set_int(place, "node", piece->node);
        code |= gr_json_set_int(place, "devices", piece->devices);
        code |= gr_json_append(nodes, place);
    }
    code |= gr_json_set(made, "pieces", nodes);
    return code | gr_json_set(object, key, made);
}

static json_t *differences_json(const struct gr_repeat *repeat)
{
    json_t *array = json_array();
    int code = 0;
    for (size_t i = 0; i < repeat->difference_count; i++) {
        const struct gr_repeat_difference *row = &repeat->differences[i];
        const struct gr_repeat_decision *decision =
            row->how == GR_REPEAT_ONLY_REPEATED ? &row->repeated : &row->recorded;
        json_t *object = json_object();
        code |= gr_json_set_int(object, "job", (int64_t)decision->job);
        code |= gr_json_set_int(object, "attempt", decision->attempt);
        code |= gr_json_set_text(object, "what", gr_slice_of(whats[decision->what]));
        code |= gr_json_set_text(object, "how", gr_slice_of(hows[row->how]));
        code |= set_decision(object, "recorded", &repeat->recorded, &row->recorded);
        code |= set_decision(object, "replay", &repeat->repeated, &row->repeated);
        code |= gr_json_append(array, object);
    }
    if (code < 0) {
        json_decref(array);
        return NULL;
    }
    return array;
}

static int write_json(const struct gr_repeat *repeat, struct gr_err *err)
{
    json_t *root = json_object();
    int code = gr_json_set_bool(root, "same", repeat->is_same);
    code |= gr_json_set_bool(root, "changed", repeat->is_changed);
    code |= gr_json_set(root, "recorded", log_json(&repeat->recorded));
    code |= gr_json_set(root, "replay", log_json(&repeat->repeated));
    code |= repeat->first_fact == 0
                ? gr_json_set_null(root, "first_fact")
                : gr_json_set_int(root, "first_fact", (int64_t)repeat->first_fact);
    code |= gr_json_set(root, "differences", differences_json(repeat));
    code = code < 0 ? gr_fail(err, -ENOMEM, "not enough memory for the output")
                    : gr_json_write(root, stdout, "standard output", err);
    json_decref(root);
    return code;
}

// ---- the command --------------------------------------------------------------------------------

static int check_form(const struct gr_cli_replay_request *request,
                      const struct gr_cli_replay_policies *policies, struct gr_err *err)
{
    const struct gr_load *load = &request->load;
    if (load->nodes != NULL || load->pool != NULL || load->jobs != NULL ||
        request->maps.count > 0 || load->order != NULL || load->node_ranks != NULL ||
        load->quotas != NULL || request->checkpoint_every != NULL || request->report != NULL ||
        request->what_ifs.count > 0 || request->seeds.count > 0 || request->has_arrivals ||
        policies->count > 1) {
        return gr_fail(err, -EINVAL,
                       "found an option of another form with a recording, expected only --policy "
                       "(one), --queue, --terms, --verify, -o");
    }
    if (request->format == GR_CLI_REPLAY_CSV) {
        return gr_fail(err, -EINVAL, "found -o csv with a recording, expected table or json");
    }
    return 0;
}

int gr_cli_replay_recording(const struct gr_cli_replay_request *request, const char *path,
                            const struct gr_cli_replay_policies *policies, struct gr_err *err)
{
    struct gr_recording recording = {0};
    struct gr_repeat repeat = {0};
    struct gr_repeat_config config = {
        .policy = policies->count > 0 ? policies->names[0] : NULL,
        .order = request->has_queue ? (int)request->queue + 1 : 0,
        .terms = request->terms_text != NULL ? &request->terms : NULL,
    };
    int code = check_form(request, policies, err);
    code = code < 0 ? code : gr_recording_read(path, &recording, err);
    code = code < 0 ? code : gr_repeat_run(&recording, &config, &repeat, err);
    if (code == 0) {
        code = request->format == GR_CLI_REPLAY_JSON ? write_json(&repeat, err)
                                                     : write_table(&repeat, err);
    }
    if (code == 0 && request->verify && !repeat.is_changed && !repeat.is_same) {
        code = gr_fail(err, -EPROTO, "verification: %zu decisions differ from the recorded ones",
                       repeat.difference_count);
    }
    gr_repeat_done(&repeat);
    gr_recording_done(&recording);
    return code;
}
