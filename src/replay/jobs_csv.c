// The reader of jobs: see jobs_csv.h.
#include "replay/jobs_csv.h"

#include "base/csv.h"
#include "base/words.h"
#include "model/demand.h"
#include "replay/trace_build.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define NO_COLUMN SIZE_MAX

// What openb calls its columns. Those without a field are known and ignored.
enum { OPENB_FIRST = GR_JOBS_FIELDS, OPENB_DEVICES = OPENB_FIRST };
static const struct {
    const char *name;
    int field; // enum gr_jobs_field, or -1
} openb[] = {
    {"num_gpu", GR_JOBS_DEVICES},
    {"gpu_milli", GR_JOBS_MILLI},
    {"cpu_milli", GR_JOBS_CPU},
    {"memory_mib", GR_JOBS_MEMORY},
    {"gpu_spec", GR_JOBS_KIND},
    {"qos", -1},
    {"pod_phase", -1},
    {"creation_time", -1},
    {"deletion_time", -1},
    {"scheduled_time", -1},
};
#define OPENB_COLUMNS (sizeof openb / sizeof openb[0])
#define COLUMNS_MAX (GR_JOBS_FIELDS + OPENB_COLUMNS)

// One reading.
struct reader {
    struct gr_trace *trace;
    struct gr_csv *csv;
    const struct gr_jobs_options *options;
    struct gr_csv_column columns[COLUMNS_MAX]; // what the CSV reader is asked for
    size_t column_count;
    size_t column[GR_JOBS_FIELDS]; // index into columns, or NO_COLUMN
    bool is_openb;
    int dates;                           // submit and end are dates: -1 not known yet
    uint32_t widest[GR_TRACE_KINDS_MAX]; // [set of models] devices of the widest node + 1; 0: ask
};

// The values of one line, before they become a job.
struct line {
    int64_t value[GR_JOBS_FIELDS];
    bool has[GR_JOBS_FIELDS]; // from the field or its default
    uint32_t kind, models, user, queue;
    struct gr_slice name;
};

// ---- columns ------------------------------------------------------------------------------------

static void plan_mapped(struct reader *reader)
{
    const struct gr_jobs_source *sources = reader->options->map->sources;
    for (size_t i = 0; i < GR_JOBS_FIELDS; i++) {
        reader->column[i] = NO_COLUMN;
        if (sources[i].column[0] == '\0') {
            continue;
        }
        size_t at = 0; // two fields may come from one column
        while (at < reader->column_count &&
               !gr_slice_is(gr_slice_of(sources[i].column), reader->columns[at].name)) {
            at++;
        }
        if (at == reader->column_count) {
            reader->columns[reader->column_count++] =
                (struct gr_csv_column){sources[i].column, true};
        }
        reader->column[i] = at;
    }
}

static void plan_unmapped(struct reader *reader)
{
    for (size_t i = 0; i < GR_JOBS_FIELDS; i++) {
        reader->columns[i] = (struct gr_csv_column){gr_jobs_fields[i].word, false};
    }
    for (size_t i = 0; i < OPENB_COLUMNS; i++) {
        reader->columns[OPENB_FIRST + i] = (struct gr_csv_column){openb[i].name, false};
    }
    reader->column_count = COLUMNS_MAX;
}

// Which form the file has, and that it does not mix the two.
static int choose_form(struct reader *reader, struct gr_err *err)
{
    reader->is_openb = gr_csv_has(reader->csv, OPENB_DEVICES);
    for (size_t i = 0; i < COLUMNS_MAX; i++) {
        bool is_openb_column = i >= OPENB_FIRST || i == GR_JOBS_NAME;
        bool is_general_column = i < OPENB_FIRST;
        if (gr_csv_has(reader->csv, i) &&
            !(reader->is_openb ? is_openb_column : is_general_column)) {
            return gr_csv_fail_line(
                reader->csv, err,
                "found the column '%s' %s one called 'num_gpu', expected the "
                "columns of an openb pod list, or those of a jobs file, or a map",
                reader->columns[i].name, reader->is_openb ? "beside" : "without");
        }
    }
    for (size_t i = 0; i < GR_JOBS_FIELDS; i++) {
        reader->column[i] = gr_csv_has(reader->csv, i) ? i : NO_COLUMN;
    }
    for (size_t i = 0; i < OPENB_COLUMNS; i++) {
        if (openb[i].field >= 0 && gr_csv_has(reader->csv, OPENB_FIRST + i)) {
            reader->column[openb[i].field] = OPENB_FIRST + i;
        }
    }
    return 0;
}

static bool comes(const struct reader *reader, enum gr_jobs_field field)
{
    return reader->column[field] != NO_COLUMN ||
           (reader->options->map != NULL && reader->options->map->sources[field].has_default);
}

// That the fields which have no meaning when missing are there, one of each pair.
static int check_fields(struct reader *reader, struct gr_err *err)
{
    static const enum gr_jobs_field pairs[][2] = {
        {GR_JOBS_DEVICES, GR_JOBS_DEVICES},
        {GR_JOBS_CPU, GR_JOBS_CPU_PER_DEVICE},
        {GR_JOBS_MEMORY, GR_JOBS_MEMORY_PER_DEVICE},
        {GR_JOBS_SUBMIT, GR_JOBS_SUBMIT},
        {GR_JOBS_DURATION, GR_JOBS_END},
    };
    size_t count = reader->is_openb ? 3 : sizeof pairs / sizeof pairs[0];
    for (size_t i = 0; i < count; i++) {
        enum gr_jobs_field a = pairs[i][0], b = pairs[i][1];
        const char *word = gr_jobs_fields[a].word, *other = gr_jobs_fields[b].word;
        if (!comes(reader, a) && !comes(reader, b)) {
            return gr_csv_fail_line(reader->csv, err,
                                    "found no column for '%s'%s%s%s, expected one, or a map with "
                                    "%s=COLUMN or %s=default:VALUE",
                                    word, a != b ? " or '" : "", a != b ? other : "",
                                    a != b ? "'" : "", word, word);
        }
        if (a != b && comes(reader, a) && comes(reader, b)) {
            return gr_csv_fail_line(reader->csv, err, "found both '%s' and '%s', expected one",
                                    word, other);
        }
    }
    return 0;
}

// ---- one line -----------------------------------------------------------------------------------

static int wrong_value(const struct reader *reader, enum gr_jobs_field field, unsigned unit,
                       struct gr_slice text, struct gr_err *err)
{
    char quote[GR_WORDS_QUOTE_SIZE], expected[256];
    return gr_csv_fail(reader->csv, reader->column[field], err, "found %s, expected %s",
                       text.size == 0 ? "a blank field" : gr_words_quote(text, quote),
                       gr_jobs_expected(field, unit, expected, sizeof expected));
}

// All submits and ends of a file are dates, or none is: mixing them would mix two clocks.
static int check_clock(struct reader *reader, enum gr_jobs_field field, struct gr_slice text,
                       struct gr_err *err)
{
    if (field != GR_JOBS_SUBMIT && field != GR_JOBS_END) {
        return 0;
    }
    int is_date = gr_jobs_is_date(text);
    if (reader->dates >= 0 && reader->dates != is_date) {
        return gr_csv_fail(reader->csv, reader->column[field], err,
                           "found %s, expected %s as on the lines before",
                           is_date ? "a date" : "a number", is_date ? "a number" : "a date");
    }
    reader->dates = is_date;
    return 0;
}

// Reads one numeric field of the current line.
static int read_number(struct reader *reader, enum gr_jobs_field field, struct line *line,
                       struct gr_err *err)
{
    const struct gr_jobs_source *source =
        reader->options->map != NULL ? &reader->options->map->sources[field] : NULL;
    size_t column = reader->column[field];
    if (column != NO_COLUMN && !gr_csv_is_blank(reader->csv, column)) {
        struct gr_slice text = gr_csv_get(reader->csv, column);
        unsigned unit = source != NULL ? source->unit : 0;
        if (gr_jobs_value(field, unit, text, &line->value[field]) < 0) {
            return wrong_value(reader, field, unit, text, err);
        }
        line->has[field] = true;
        return check_clock(reader, field, text, err);
    }
    if (source != NULL && source->has_default) {
        line->value[field] = source->value;
        line->has[field] = true;
    }
    return 0;
}

static struct gr_slice read_text(const struct reader *reader, enum gr_jobs_field field)
{
    size_t column = reader->column[field];
    if (column != NO_COLUMN && !gr_csv_is_blank(reader->csv, column)) {
        return gr_csv_get(reader->csv, column);
    }
    return gr_slice_of(reader->options->map != NULL ? reader->options->map->sources[field].text
                                                    : "");
}

// Where an error about a field points: its column, or the line when it is a default of the map.
static int fail_field(const struct reader *reader, enum gr_jobs_field field, struct gr_err *err,
                      const char *text)
{
    size_t column = reader->column[field];
    return column != NO_COLUMN ? gr_csv_fail(reader->csv, column, err, "%s", text)
                               : gr_csv_fail_line(reader->csv, err, "%s", text);
}

static int read_kind(struct reader *reader, struct line *line, struct gr_err *err)
{
    struct gr_slice unknown = {NULL, 0};
    int code = gr_trace_find_kind(reader->trace, read_text(reader, GR_JOBS_KIND), &line->kind,
                                  &line->models, &unknown, err);
    char text[640], quote[GR_WORDS_QUOTE_SIZE];
    if (code == -ENOENT) {
        snprintf(text, sizeof text,
                 "found the kind %s, which no node has, expected models of the nodes joined by "
                 "'|', or blank for any",
                 gr_words_quote(unknown, quote));
        return fail_field(reader, GR_JOBS_KIND, err, text);
    }
    if (code == -ERANGE) {
        snprintf(text, sizeof text, "found more than %d different kinds, expected no more",
                 GR_TRACE_KINDS_MAX);
        return fail_field(reader, GR_JOBS_KIND, err, text);
    }
    return code;
}

static int read_line(struct reader *reader, struct line *line, struct gr_err *err)
{
    for (unsigned field = 0; field < GR_JOBS_FIELDS; field++) {
        int code = gr_jobs_fields[field].units != NULL ? read_number(reader, field, line, err) : 0;
        if (code < 0) {
            return code;
        }
    }
    line->name = read_text(reader, GR_JOBS_NAME);
    int code = read_kind(reader, line, err);
    if (code == 0) {
        code = gr_trace_add_user(reader->trace, read_text(reader, GR_JOBS_USER), &line->user, err);
    }
    if (code == 0) {
        code =
            gr_trace_add_queue(reader->trace, read_text(reader, GR_JOBS_QUEUE), &line->queue, err);
    }
    return code;
}

// ---- from a line to a job -----------------------------------------------------------------------

static int set_times(struct reader *reader, const struct line *line, struct gr_trace_job *job,
                     struct gr_err *err)
{
    if (reader->is_openb) {
        job->duration_ms = job->limit_ms = GR_TRACE_FOREVER;
        return 0;
    }
    if (!line->has[GR_JOBS_SUBMIT]) {
        return wrong_value(reader, GR_JOBS_SUBMIT, 0, gr_slice_of(""), err);
    }
    job->submit_ms = line->value[GR_JOBS_SUBMIT];
    if (line->has[GR_JOBS_END]) {
        if (line->value[GR_JOBS_END] < job->submit_ms) {
            return fail_field(reader, GR_JOBS_END, err,
                              "found an end before the submission, expected none earlier");
        }
        job->duration_ms = line->value[GR_JOBS_END] - job->submit_ms;
    } else if (line->has[GR_JOBS_DURATION]) {
        job->duration_ms = line->value[GR_JOBS_DURATION];
    } else {
        enum gr_jobs_field field =
            reader->column[GR_JOBS_END] != NO_COLUMN ? GR_JOBS_END : GR_JOBS_DURATION;
        return wrong_value(reader, field, 0, gr_slice_of(""), err);
    }
    job->limit_ms = job->duration_ms;
    if (line->has[GR_JOBS_LIMIT] && line->value[GR_JOBS_LIMIT] > job->duration_ms) {
        job->limit_ms = line->value[GR_JOBS_LIMIT];
    }
    return 0;
}

static uint32_t widest_node(struct reader *reader, uint32_t models)
{
    if (reader->options->node_devices > 0) {
        return reader->options->node_devices;
    }
    if (reader->widest[models] == 0) {
        reader->widest[models] = gr_trace_widest_node(reader->trace, models) + 1;
    }
    return reader->widest[models] - 1;
}

// The fewest tasks of at most `most` devices, all alike.
static uint32_t split_tasks(uint32_t devices, uint32_t most)
{
    assert(devices > 0 && most > 0);
    uint32_t width = most < devices ? most : devices;
    while (devices % width != 0) {
        width--;
    }
    return devices / width;
}

static int set_gang(struct reader *reader, const struct line *line, struct gr_trace_job *job,
                    struct gr_err *err)
{
    if (!line->has[GR_JOBS_DEVICES]) {
        return wrong_value(reader, GR_JOBS_DEVICES, 0, gr_slice_of(""), err);
    }
    job->tasks = line->has[GR_JOBS_TASKS] ? (uint32_t)line->value[GR_JOBS_TASKS] : 1;
    job->devices = (uint32_t)line->value[GR_JOBS_DEVICES];
    bool may_split = !line->has[GR_JOBS_TASKS] && !reader->is_openb;
    uint32_t most = may_split ? widest_node(reader, job->models) : GR_NODE_DEVICES_MAX;
    if (job->devices == 0 || job->devices <= most) {
        return 0;
    }
    char text[128];
    if (!may_split || most == 0) {
        snprintf(text, sizeof text, "found %" PRIu32 " devices %s, expected at most %" PRIu32,
                 job->devices, may_split ? "of a kind that no node has devices of" : "for one task",
                 most);
        return fail_field(reader, GR_JOBS_DEVICES, err, text);
    }
    job->tasks = split_tasks(job->devices, most);
    job->devices /= job->tasks;
    if (job->tasks > GR_TASKS_MAX) {
        snprintf(text, sizeof text, "found a gang of %" PRIu32 " tasks, expected at most %d",
                 job->tasks, GR_TASKS_MAX);
        return fail_field(reader, GR_JOBS_DEVICES, err, text);
    }
    return 0;
}

static int set_milli(struct reader *reader, const struct line *line, struct gr_trace_job *job,
                     struct gr_err *err)
{
    bool has = line->has[GR_JOBS_MILLI];
    int64_t milli = has ? line->value[GR_JOBS_MILLI] : job->devices > 0 ? GR_DEVICE_MILLI : 0;
    if (reader->is_openb && !has) {
        return wrong_value(reader, GR_JOBS_MILLI, 0, gr_slice_of(""), err);
    }
    const char *expected = NULL;
    if (job->devices == 0 && milli != 0 && reader->is_openb) {
        expected = "0, because the job has no devices";
    } else if (job->devices == 1 && milli == 0) {
        expected = "1 to 1000 of the one device";
    } else if (job->devices > 1 && milli != GR_DEVICE_MILLI) {
        expected = "1000, because the job has more than one device";
    }
    if (expected != NULL) {
        char text[128];
        snprintf(text, sizeof text, "found %" PRId64 " milli, expected %s", milli, expected);
        return fail_field(reader, GR_JOBS_MILLI, err, text);
    }
    job->milli = job->devices > 0 ? (uint32_t)milli : 0;
    return 0;
}

// cpu or memory of one task: its own, a share of the job's, or so much for each device.
static int set_amount(struct reader *reader, const struct line *line,
                      const struct gr_trace_job *job, enum gr_jobs_field whole,
                      enum gr_jobs_field per_device, uint32_t *ret_amount, struct gr_err *err)
{
    int64_t amount;
    enum gr_jobs_field from = whole;
    if (line->has[per_device]) {
        from = per_device;
        amount = line->value[per_device] * (job->devices > 0 ? job->devices : 1);
    } else if (line->has[whole]) {
        bool is_of_job = !line->has[GR_JOBS_TASKS];
        amount = line->value[whole];
        amount = is_of_job ? (amount + job->tasks - 1) / job->tasks : amount;
    } else {
        from = reader->column[whole] != NO_COLUMN ? whole : per_device;
        return wrong_value(reader, from, 0, gr_slice_of(""), err);
    }
    if (amount > gr_jobs_fields[whole].high) {
        char text[160];
        snprintf(text, sizeof text,
                 "found %" PRId64 " in all for one task, expected at most %" PRId64, amount,
                 gr_jobs_fields[whole].high);
        return fail_field(reader, from, err, text);
    }
    *ret_amount = (uint32_t)amount;
    return 0;
}

static int read_job(struct reader *reader, struct gr_err *err)
{
    struct line line = {0};
    struct gr_trace_job job = {0};
    int code = read_line(reader, &line, err);
    if (code < 0) {
        return code;
    }
    job.kind = line.kind;
    job.models = line.models;
    job.user = line.user;
    job.queue = line.queue;
    job.use = line.has[GR_JOBS_USE] ? (uint8_t)line.value[GR_JOBS_USE] : GR_USE_OTHER;
    job.priority =
        line.has[GR_JOBS_PRIORITY] ? (uint8_t)line.value[GR_JOBS_PRIORITY] : GR_TRACE_PRIORITY;
    job.domain_level = (uint8_t)line.value[GR_JOBS_DOMAIN];
    job.checkpoint_ms = line.has[GR_JOBS_CHECKPOINT] ? line.value[GR_JOBS_CHECKPOINT]
                                                     : reader->options->checkpoint_ms;
    code = set_times(reader, &line, &job, err);
    if (code == 0) {
        code = set_gang(reader, &line, &job, err);
    }
    if (code == 0) {
        code = set_milli(reader, &line, &job, err);
    }
    if (code == 0) {
        code = set_amount(reader, &line, &job, GR_JOBS_CPU, GR_JOBS_CPU_PER_DEVICE, &job.cpu_milli,
                          err);
    }
    if (code == 0) {
        code = set_amount(reader, &line, &job, GR_JOBS_MEMORY, GR_JOBS_MEMORY_PER_DEVICE,
                          &job.memory_mib, err);
    }
    if (code < 0) {
        return code;
    }
    code = gr_trace_add_job(reader->trace, &job, line.name, err);
    return code == -ERANGE
               ? gr_csv_fail_line(reader->csv, err, "found more than %d jobs, expected no more",
                                  GR_TRACE_JOBS_MAX)
               : code;
}

// ---- a file -------------------------------------------------------------------------------------

static int read_all(struct reader *reader, struct gr_err *err)
{
    int code = reader->options->map == NULL ? choose_form(reader, err) : 0;
    if (code == 0) {
        code = check_fields(reader, err);
    }
    while (code == 0 && (code = gr_csv_next(reader->csv, err)) == 1) {
        code = read_job(reader, err);
    }
    if (code == 0 && reader->trace->job_count == 0) {
        code = gr_csv_fail_line(reader->csv, err,
                                "found no jobs, expected at least one line after the first");
    }
    return code < 0 ? code : gr_trace_order_by_time(reader->trace, err);
}

// Opens `path`, or the bytes if there are any, and reads.
static int read_source(struct gr_trace *trace, const char *path, const char *bytes, size_t size,
                       const struct gr_jobs_options *options, struct gr_err *err)
{
    assert(trace->node_count > 0);
    assert(trace->job_count == 0);
    struct reader reader = {.trace = trace, .options = options, .dates = -1};
    if (options->map != NULL) {
        plan_mapped(&reader);
    } else {
        plan_unmapped(&reader);
    }
    if (reader.column_count == 0) {
        return gr_fail(err, -EINVAL,
                       "%s: found a map of defaults only, expected a FIELD=COLUMN for at least one "
                       "column of the file",
                       path);
    }
    enum gr_csv_flags flags = options->map != NULL ? GR_CSV_OTHER_COLUMNS : GR_CSV_STRICT;
    int code = bytes == NULL
                   ? gr_csv_open(path, reader.columns, reader.column_count, flags, &reader.csv, err)
                   : gr_csv_open_bytes(path, bytes, size, reader.columns, reader.column_count,
                                       flags, &reader.csv, err);
    if (code == 0) {
        code = read_all(&reader, err);
        gr_csv_close(reader.csv);
    }
    return code;
}

int gr_jobs_read(struct gr_trace *trace, const char *path, const struct gr_jobs_options *options,
                 struct gr_err *err)
{
    return read_source(trace, path, NULL, 0, options, err);
}

int gr_jobs_read_bytes(struct gr_trace *trace, const char *name, const char *bytes, size_t size,
                       const struct gr_jobs_options *options, struct gr_err *err)
{
    assert(bytes != NULL);
    return read_source(trace, name, bytes, size, options, err);
}
