// What `granary replay` prints: tables, JSON, CSV. See replay.h. Must never show an unknown figure
// as a number.
#include "cli/replay.h"

#include "base/csv_write.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

// Bytes of any one figure as text.
#define FIGURE_SIZE 48

#define UNKNOWN "-"

// ---- figures ------------------------------------------------------------------------------------

// A number of points with `places` places, or "-" if it is negative: not known.
static const char *figure(double value, int places, char *buffer)
{
    if (value < 0) {
        return UNKNOWN;
    }
    snprintf(buffer, FIGURE_SIZE, "%.*f", places, value);
    return buffer;
}

const char *gr_cli_replay_span(int64_t ms, char *buffer)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (ms >= units[i].ms) {
            double value = (double)ms / (double)units[i].ms;
            snprintf(buffer, FIGURE_SIZE, "%.*f %s", value < 9.95, value, units[i].unit);
            return buffer;
        }
    }
    snprintf(buffer, FIGURE_SIZE, ms == 0 ? "0" : "%" PRId64 " ms", ms);
    return buffer;
}

static void add_figure(struct gr_table *table, double value, int places)
{
    char buffer[FIGURE_SIZE];
    gr_table_add_styled(table, value < 0 ? GR_STYLE_FAINT : GR_STYLE_PLAIN,
                        figure(value, places, buffer));
}

static void add_span(struct gr_table *table, bool is_known, int64_t ms)
{
    char buffer[FIGURE_SIZE];
    gr_table_add_styled(table, is_known ? GR_STYLE_PLAIN : GR_STYLE_FAINT,
                        is_known ? gr_cli_replay_span(ms, buffer) : UNKNOWN);
}

// A real number in JSON with `digits` decimal places, or null if it is negative.
static int set_figure(json_t *object, const char *key, double value, unsigned digits)
{
    return value < 0 ? gr_json_set_null(object, key)
                     : gr_json_set_decimal(object, key, llround(value * pow(10, digits)), digits);
}

static double fragmentation_of(const struct gr_result *result)
{
    return result->has_fragmentation ? result->fragmentation : -1;
}

static double utilisation_of(const struct gr_result *result)
{
    return result->has_departures ? result->utilisation_ppm / 10000.0 : -1;
}

// ---- results of a trace -------------------------------------------------------------------------

static const struct gr_table_column result_columns[] = {
    {"policy", GR_TABLE_LEFT},
    {"allo-\ncated %", GR_TABLE_RIGHT},
    {"unallo-\ncated %", GR_TABLE_RIGHT},
    {"frag-\nmented %", GR_TABLE_RIGHT},
    {"utili-\nsation %", GR_TABLE_RIGHT},
    {"delay\nmean", GR_TABLE_RIGHT},
    {"delay\np95", GR_TABLE_RIGHT},
    {"delay\nmax", GR_TABLE_RIGHT},
    {"jobs\nstarted", GR_TABLE_RIGHT},
    {"\ndropped", GR_TABLE_RIGHT},
    {"\nwaiting", GR_TABLE_RIGHT},
};
#define RESULT_COLUMNS (sizeof result_columns / sizeof result_columns[0])

static void add_result(struct gr_table *table, const struct gr_result *result)
{
    gr_table_add(table, result->policy);
    add_figure(table, result->allocation, 2);
    add_figure(table, 100 - result->allocation, 2);
    add_figure(table, fragmentation_of(result), 2);
    add_figure(table, utilisation_of(result), 2);
    add_span(table, result->has_departures, result->delay_mean_ms);
    add_span(table, result->has_departures, result->delay_p95_ms);
    add_span(table, result->has_departures, result->delay_max_ms);
    gr_table_addf(table, "%" PRIu64, result->placed);
    gr_table_addf(table, "%" PRIu64, result->dropped);
    gr_table_addf(table, "%" PRIu64, result->waiting);
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

// What the table is about, and what its figures mean.
static void write_head(const struct gr_trace *trace, const struct gr_result *result)
{
    char arrivals[FIGURE_SIZE];
    uint64_t devices = result->capacity_milli / GR_DEVICE_MILLI;
    printf("%zu node%s, %" PRIu64 " device%s; %zu job%s, %zu arrival%s", trace->node_count,
           plural(trace->node_count), devices, plural(devices), trace->job_count,
           plural(trace->job_count), trace->order_count, plural(trace->order_count));
    if (!result->has_departures) {
        printf(", none leaves");
    } else if (trace->order_count > 1) {
        const struct gr_trace_job *last = &trace->jobs[trace->order[trace->order_count - 1]];
        printf(" over %s", gr_cli_replay_span(last->submit_ms, arrivals));
    }
    printf("\n\n");
}

// Names the first job that a queue dropped, so that it can be found and changed.
static void write_dropped(const struct gr_trace *trace, const struct gr_result *result)
{
    const struct gr_trace_job *job = &trace->jobs[result->first_dropped];
    char text[256];
    snprintf(text, sizeof text,
             "Dropped: not even the empty pool could hold it. The first is job %" PRIu32
             " of the file: %" PRIu32 " task%s of %" PRIu32 " device%s, %" PRIu32
             " cpu_milli and %" PRIu32 " MiB%s.",
             result->first_dropped + 1, job->tasks, plural(job->tasks), job->devices,
             plural(job->devices), job->cpu_milli, job->memory_mib, job->tasks > 1 ? " each" : "");
    printf("\n");
    gr_text_wrap(stdout, text, 0, GR_TEXT_COLUMNS, 0);
}

// Says what taking room back came to.
static void write_stopped(const struct gr_result *result)
{
    char text[256];
    double used = (double)result->capacity_milli * (double)result->makespan_ms *
                  result->utilisation_ppm / 1e6;
    if (result->stopped > 0) {
        snprintf(text, sizeof text,
                 "%s: room was taken back from %" PRIu64 " attempt%s; %.1f device-hours of work "
                 "were lost, %.2f %% of what was used.",
                 result->policy, result->stopped, plural(result->stopped),
                 result->lost_milli_ms / 3.6e9, used > 0 ? result->lost_milli_ms * 100 / used : 0);
        printf("\n");
        gr_text_wrap(stdout, text, 0, GR_TEXT_COLUMNS, 0);
    }
}

static void write_foot(const struct gr_terminal *terminal, const struct gr_trace *trace,
                       const struct gr_result *result, size_t count)
{
    static const char fill[] =
        "Shares of all devices at 100 % arrived load (or the highest below). Fragmented: idle and "
        "of no use to the expected demand. A job that does not fit when it arrives is dropped.";
    static const char queue[] =
        "Allocated and fragmented: shares of all devices while jobs waited (always, if none did). "
        "Fragmented: idle and of no use to the expected demand. Utilisation: of all device-time "
        "from the first arrival to the last departure. Delay: from submission to start.";
    if (result->has_departures && result->dropped > 0) {
        write_dropped(trace, result);
    }
    for (size_t i = 0; i < count; i++) {
        write_stopped(&result[i]);
    }
    printf("\n%s", gr_terminal_style(terminal, GR_STYLE_FAINT));
    gr_text_wrap(stdout, result->has_departures ? queue : fill, 0, GR_TEXT_COLUMNS, 0);
    printf("%s", gr_terminal_style(terminal, GR_STYLE_PLAIN));
}

static int results_table(const struct gr_trace *trace, const struct gr_result *results,
                         size_t count, bool timing, struct gr_err *err)
{
    struct gr_terminal terminal;
    gr_terminal_init(&terminal, stdout);
    struct gr_table *table = gr_table_new(result_columns, RESULT_COLUMNS);
    for (size_t i = 0; table != NULL && i < count; i++) {
        add_result(table, &results[i]);
    }
    if (table == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory for a table");
    }
    write_head(trace, &results[0]);
    int code = gr_table_write(table, &terminal, err);
    gr_table_free(table);
    if (code == 0) {
        write_foot(&terminal, trace, results, count);
    }
    for (size_t i = 0; code == 0 && timing && i < count; i++) {
        printf("%s%s took %.3f s\n", i == 0 ? "\n" : "", results[i].policy, results[i].wall_s);
    }
    return code;
}

static int set_digest(json_t *object, const uint8_t digest[32])
{
    char text[65];
    for (size_t i = 0; i < 32; i++) {
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    }
    return gr_json_set_text(object, "digest", gr_slice_of(text));
}

static json_t *curve_json(const struct gr_result *result)
{
    json_t *curve = json_array();
    int code = 0;
    for (unsigned load = 0; load < GR_CURVE_POINTS; load++) {
        double allocation = gr_result_allocation_at(result, load);
        if (allocation < 0) {
            continue;
        }
        json_t *point = json_object();
        code |= gr_json_set_int(point, "load", load);
        code |= set_figure(point, "allocation", allocation, 4);
        code |= set_figure(point, "fragmentation", gr_result_fragmentation_at(result, load), 4);
        code |= gr_json_append(curve, point);
    }
    if (code < 0) {
        json_decref(curve);
        return NULL;
    }
    return curve;
}

static int set_delays(json_t *object, const struct gr_result *result)
{
    const struct {
        const char *key;
        int64_t ms;
    } delays[] = {
        {"delay_mean_s", result->delay_mean_ms}, {"delay_p50_s", result->delay_p50_ms},
        {"delay_p95_s", result->delay_p95_ms},   {"delay_p99_s", result->delay_p99_ms},
        {"delay_max_s", result->delay_max_ms},   {"makespan_s", result->makespan_ms},
    };
    int code = 0;
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        code |= result->has_departures ? gr_json_set_decimal(object, delays[i].key, delays[i].ms, 3)
                                       : gr_json_set_null(object, delays[i].key);
    }
    return code;
}

json_t *gr_cli_replay_result_json(const struct gr_result *result, bool timing)
{
    json_t *object = json_object();
    int code = 0;
    code |= gr_json_set_text(object, "policy", gr_slice_of(result->policy));
    code |= gr_json_set_int(object, "seed", (int64_t)result->seed);
    code |= set_figure(object, "allocation", result->allocation, 4);
    code |= set_figure(object, "unallocated", 100 - result->allocation, 4);
    code |= set_figure(object, "fragmentation", fragmentation_of(result), 4);
    code |= set_figure(object, "utilisation", utilisation_of(result), 4);
    code |= set_delays(object, result);
    code |= gr_json_set_int(object, "arrived", (int64_t)result->arrived);
    code |= gr_json_set_int(object, "started", (int64_t)result->placed);
    code |= gr_json_set_int(object, "finished", (int64_t)result->finished);
    code |= gr_json_set_int(object, "dropped", (int64_t)result->dropped);
    code |= gr_json_set_int(object, "waiting", (int64_t)result->waiting);
    code |= gr_json_set_int(object, "stopped", (int64_t)result->stopped);
    code |= result->has_departures
                ? set_figure(object, "lost_device_h", result->lost_milli_ms / 3.6e9, 4)
                : gr_json_set_null(object, "lost_device_h");
    code |= gr_json_set_int(object, "facts", (int64_t)result->facts);
    code |= set_digest(object, result->digest);
    code |= gr_json_set(object, "curve", curve_json(result));
    if (timing) {
        code |= set_figure(object, "wall_s", result->wall_s, 6);
    }
    if (code < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

// ---- rows of the benchmark ----------------------------------------------------------------------

static const struct gr_table_column row_columns[] = {
    {"trace", GR_TABLE_LEFT},
    {"policy", GR_TABLE_LEFT},
    {"seeds", GR_TABLE_RIGHT},
    {"allocated\nat 100 %", GR_TABLE_RIGHT},
    {"published", GR_TABLE_RIGHT},
    {"largest\ndifference", GR_TABLE_RIGHT},
    {"ceiling", GR_TABLE_RIGHT},
    {"protocol\nceiling", GR_TABLE_RIGHT}, // only where it is known
    {"seeds above\nFGD", GR_TABLE_RIGHT},
    {"took\ns", GR_TABLE_RIGHT}, // last: only with timing
};
#define PROTOCOL_COLUMN 7
#define ROW_COLUMNS (sizeof row_columns / sizeof row_columns[0])

static bool has_protocol(const struct gr_bench_row *rows, size_t count)
{
    bool has = false;
    for (size_t i = 0; i < count; i++) {
        has |= rows[i].protocol_ceiling >= 0;
    }
    return has;
}

// Lists the columns that are shown. Returns how many.
static size_t choose_columns(bool protocol, bool timing,
                             struct gr_table_column columns[ROW_COLUMNS])
{
    size_t count = 0;
    for (size_t i = 0; i < ROW_COLUMNS - !timing; i++) {
        if (i != PROTOCOL_COLUMN || protocol) {
            columns[count++] = row_columns[i];
        }
    }
    return count;
}

static void add_row(struct gr_table *table, const struct gr_bench_row *row, bool is_new,
                    bool protocol, bool timing)
{
    char buffer[FIGURE_SIZE];
    gr_table_add(table, is_new ? row->trace : "");
    gr_table_add(table, row->policy);
    gr_table_addf(table, "%u", row->seeds);
    add_figure(table, row->mean_at_100, 2);
    add_figure(table, row->published, 2);
    gr_table_add_styled(table, row->difference < 0 ? GR_STYLE_FAINT : GR_STYLE_PLAIN,
                        figure(row->difference, 3, buffer));
    add_figure(table, row->ceiling, 2);
    if (protocol) {
        add_figure(table, row->protocol_ceiling, 2);
    }
    add_figure(table, row->seeds_better, 0);
    if (timing) {
        gr_table_addf(table, "%.2f", row->wall_s);
    }
}

static int rows_table(const struct gr_bench_row *rows, size_t count, bool timing,
                      struct gr_err *err)
{
    struct gr_terminal terminal;
    gr_terminal_init(&terminal, stdout);
    bool protocol = has_protocol(rows, count);
    struct gr_table_column columns[ROW_COLUMNS];
    struct gr_table *table = gr_table_new(columns, choose_columns(protocol, timing, columns));
    for (size_t i = 0; table != NULL && i < count; i++) {
        add_row(table, &rows[i], i == 0 || rows[i].trace != rows[i - 1].trace, protocol, timing);
    }
    if (table == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory for a table");
    }
    int code = gr_table_write(table, &terminal, err);
    gr_table_free(table);
    if (code == 0) {
        printf("\n%sAllocation in %% of all devices, means over the seeds. published: of the same "
               "policy; for one that\nnobody published, FGD's, its rival. seeds above FGD: paired "
               "by seed, at 100 %% arrived load.%s\n",
               gr_terminal_style(&terminal, GR_STYLE_FAINT),
               gr_terminal_style(&terminal, GR_STYLE_PLAIN));
    }
    return code;
}

static json_t *row_json(const struct gr_bench_row *row, bool timing)
{
    json_t *object = json_object();
    int code = 0;
    code |= gr_json_set_text(object, "trace", gr_slice_of(row->trace));
    code |= gr_json_set_text(object, "policy", gr_slice_of(row->policy));
    code |= gr_json_set_int(object, "seeds", row->seeds);
    code |= set_figure(object, "mean_at_100", row->mean_at_100, 4);
    code |= set_figure(object, "published_at_100", row->published, 4);
    code |= set_figure(object, "max_difference", row->difference, 4);
    code |= set_figure(object, "ceiling_at_100", row->ceiling, 4);
    if (row->protocol_ceiling >= 0) {
        code |= set_figure(object, "protocol_ceiling_at_100", row->protocol_ceiling, 4);
    }
    code |= set_figure(object, "seeds_better", row->seeds_better, 0);
    if (timing) {
        code |= set_figure(object, "wall_s", row->wall_s, 6);
    }
    if (code < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

// ---- any format ---------------------------------------------------------------------------------

// Writes an array of flat objects as CSV: the first one's keys, then the values; arrays are left
// out, null is a blank.
static int write_csv(const json_t *array)
{
    const char *key;
    json_t *value;
    bool first = true;
    json_object_foreach(json_array_get(array, 0), key, value)
    {
        if (!json_is_array(value)) {
            gr_csv_write(stdout, first, gr_slice_of(key));
            first = false;
        }
    }
    gr_csv_write_end(stdout);
    for (size_t i = 0; i < json_array_size(array); i++) {
        first = true;
        json_object_foreach(json_array_get(array, i), key, value)
        {
            char number[FIGURE_SIZE] = "";
            if (json_is_array(value)) {
                continue;
            }
            if (json_is_real(value)) {
                snprintf(number, sizeof number, "%.15g", json_real_value(value));
            } else if (json_is_integer(value)) {
                snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
            }
            gr_csv_write(stdout, first,
                         json_is_string(value) ? gr_slice_of(json_string_value(value))
                                               : gr_slice_of(number));
            first = false;
        }
        gr_csv_write_end(stdout);
    }
    return 0;
}

// Writes an array (NULL: lack of memory), which it takes over.
static int write_array(json_t *array, enum gr_cli_replay_format format, struct gr_err *err)
{
    int code = array == NULL ? gr_fail(err, -ENOMEM, "not enough memory for the output")
               : format == GR_CLI_REPLAY_CSV ? write_csv(array)
                                             : gr_json_write(array, stdout, "standard output", err);
    json_decref(array);
    return code;
}

int gr_cli_replay_results(const struct gr_trace *trace, const struct gr_result *results,
                          size_t count, enum gr_cli_replay_format format, bool timing,
                          struct gr_err *err)
{
    if (format == GR_CLI_REPLAY_TABLE) {
        return results_table(trace, results, count, timing, err);
    }
    json_t *array = json_array();
    int code = 0;
    for (size_t i = 0; i < count; i++) {
        code |= gr_json_append(array, gr_cli_replay_result_json(&results[i], timing));
    }
    if (code < 0) {
        json_decref(array);
        array = NULL;
    }
    return write_array(array, format, err);
}

int gr_cli_replay_rows(const struct gr_bench_row *rows, size_t count,
                       enum gr_cli_replay_format format, bool timing, struct gr_err *err)
{
    if (format == GR_CLI_REPLAY_TABLE) {
        return rows_table(rows, count, timing, err);
    }
    json_t *array = json_array();
    int code = 0;
    for (size_t i = 0; i < count; i++) {
        code |= gr_json_append(array, row_json(&rows[i], timing));
    }
    if (code < 0) {
        json_decref(array);
        array = NULL;
    }
    return write_array(array, format, err);
}
