// Reads traces: see trace.h.
#include "trace.h"

#include "proof.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 16 };

// ---- rows ---------------------------------------------------------------------------------------

// Cuts the next line off *text and into fields at commas; what is beyond FIELDS_MAX is dropped.
// Returns how many fields there are, 0 at the end.
static int next_row(char **text, char *fields[FIELDS_MAX])
{
    char *at = *text;
    if (*at == '\0') {
        return 0;
    }
    size_t size = strcspn(at, "\n");
    *text = at + size + (at[size] == '\n');
    at[size] = '\0';
    at[strcspn(at, "\r")] = '\0';
    int count = 0;
    while (at != NULL && count < FIELDS_MAX) {
        fields[count++] = at;
        at = strchr(at, ',');
        if (at != NULL) {
            *at++ = '\0';
        }
    }
    return count;
}

static bool has_head(char **text, const char *const *names, int count)
{
    char *fields[FIELDS_MAX];
    bool is_same = next_row(text, fields) >= count;
    for (int i = 0; i < count && is_same; i++) {
        is_same = strcmp(fields[i], names[i]) == 0;
    }
    return is_same;
}

static bool field_number(const char *field, uint64_t max, uint64_t *ret_value)
{
    struct cursor cursor = {.at = field, .end = field + strlen(field), .line = 1};
    return cursor_number(&cursor, 10, max, "", ret_value) && cursor.at == cursor.end;
}

// ---- nodes --------------------------------------------------------------------------------------

static int find_model(const struct trace *trace, const char *name)
{
    for (int i = 0; i < trace->model_count; i++) {
        if (strcmp(trace->models[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static int compare_models(const void *left, const void *right)
{
    return strcmp(left, right);
}

static int compare_numbers(const uint64_t *left, const uint64_t *right, int count)
{
    for (int i = 0; i < count; i++) {
        if (left[i] != right[i]) {
            return left[i] < right[i] ? -1 : 1;
        }
    }
    return 0;
}

// By what they are, not by their count.
static int compare_types(const void *left, const void *right)
{
    const struct node_type *a = left, *b = right;
    const uint64_t l[] = {a->model, a->devices, a->cpu, a->memory};
    const uint64_t r[] = {b->model, b->devices, b->cpu, b->memory};
    return compare_numbers(l, r, 4);
}

static bool add_node(struct trace *trace, const struct node_type *node, struct reason *ret_why)
{
    int t = 0;
    while (t < trace->type_count && compare_types(&trace->types[t], node) != 0) {
        t++;
    }
    if (t == NODE_TYPES_MAX) {
        return refuse(ret_why, "nodes: more than %d types", NODE_TYPES_MAX);
    }
    if (t == trace->type_count) {
        trace->types[trace->type_count++] = *node;
    }
    trace->types[t].count++;
    trace->capacity += 1000 * node->devices;
    return true;
}

static bool add_model(struct trace *trace, const char *name, int *ret_model, struct reason *ret_why)
{
    *ret_model = find_model(trace, name);
    if (*ret_model >= 0) {
        return true;
    }
    size_t size = strlen(name);
    if (trace->model_count == MODELS_MAX || size >= MODEL_SIZE) {
        return refuse(ret_why, "nodes: more than %d models, or one with a name beyond %d bytes",
                      MODELS_MAX, MODEL_SIZE - 1);
    }
    *ret_model = trace->model_count++;
    memcpy(trace->models[*ret_model], name, size + 1);
    return true;
}

// Gives models and nodes the numbers that certificates use.
static void sort_models(struct trace *trace)
{
    char before[MODELS_MAX][MODEL_SIZE];
    memcpy(before, trace->models, sizeof before);
    qsort(trace->models, (size_t)trace->model_count, MODEL_SIZE, compare_models);
    for (int t = 0; t < trace->type_count; t++) {
        trace->types[t].model = (uint64_t)find_model(trace, before[trace->types[t].model]);
    }
}

static bool read_nodes(char *text, struct trace *trace, struct reason *ret_why)
{
    static const char *const head[] = {"sn", "cpu_milli", "memory_mib", "gpu", "model"};
    char *fields[FIELDS_MAX];
    if (!has_head(&text, head, 5)) {
        return refuse(ret_why, "nodes: expected the columns sn,cpu_milli,memory_mib,gpu,model");
    }
    int line = 2;
    for (int count; (count = next_row(&text, fields)) > 0; line++) {
        struct node_type node = {0};
        int model = 0;
        if (count < 5 || !field_number(fields[1], AMOUNT_MAX, &node.cpu) ||
            !field_number(fields[2], AMOUNT_MAX, &node.memory) ||
            !field_number(fields[3], DEVICES_MAX, &node.devices)) {
            return refuse(ret_why, "nodes: line %d is no node", line);
        }
        if (node.devices == 0) {
            continue;
        }
        if (!add_model(trace, fields[4], &model, ret_why)) {
            return false;
        }
        node.model = (uint64_t)model;
        if (!add_node(trace, &node, ret_why)) {
            return false;
        }
    }
    sort_models(trace);
    return true;
}

// ---- jobs ---------------------------------------------------------------------------------------

static uint64_t read_spec(const struct trace *trace, char *spec)
{
    uint64_t mask = 0;
    char *rest = NULL;
    if (*spec == '\0') {
        return trace->model_count == 64 ? UINT64_MAX : (UINT64_C(1) << trace->model_count) - 1;
    }
    for (char *name = strtok_r(spec, "|", &rest); name != NULL; name = strtok_r(NULL, "|", &rest)) {
        int bit = find_model(trace, name);
        mask |= bit >= 0 ? UINT64_C(1) << bit : 0;
    }
    return mask;
}

static bool add_job(struct trace *trace, const struct demand *job, struct reason *ret_why)
{
    if (trace->job_count == trace->job_room) {
        int room = trace->job_room > 0 ? 2 * trace->job_room : 4096;
        void *grown = realloc(trace->jobs, (size_t)room * sizeof *trace->jobs);
        if (grown == NULL) {
            return refuse(ret_why, "not enough memory");
        }
        trace->jobs = grown;
        trace->job_room = room;
    }
    trace->jobs[trace->job_count++] = *job;
    return true;
}

static bool read_jobs(char *text, struct trace *trace, struct reason *ret_why)
{
    static const char *const head[] = {"name",    "cpu_milli", "memory_mib",
                                       "num_gpu", "gpu_milli", "gpu_spec"};
    bool has_spec = strncmp(text, "name,cpu_milli,memory_mib,num_gpu,gpu_milli,", 44) == 0;
    char *fields[FIELDS_MAX];
    if (!has_head(&text, head, has_spec ? 6 : 5)) {
        return refuse(ret_why, "jobs: expected the columns "
                               "name,cpu_milli,memory_mib,num_gpu,gpu_milli[,gpu_spec...]");
    }
    int line = 2;
    for (int count; (count = next_row(&text, fields)) > 0; line++) {
        struct demand job = {0};
        if (count < (has_spec ? 6 : 5) || !field_number(fields[1], AMOUNT_MAX, &job.cpu) ||
            !field_number(fields[2], AMOUNT_MAX, &job.memory) ||
            !field_number(fields[3], DEVICES_MAX, &job.devices) ||
            !field_number(fields[4], 1000, &job.milli) || (job.devices > 0 && job.milli == 0) ||
            (job.devices > 1 && job.milli != 1000)) {
            return refuse(ret_why, "jobs: line %d is no job", line);
        }
        char none[1] = "";
        job.models = read_spec(trace, has_spec ? fields[5] : none);
        if (!add_job(trace, &job, ret_why)) {
            return false;
        }
    }
    return true;
}

bool trace_read(char *nodes, char *jobs, struct trace *ret_trace, struct reason *ret_why)
{
    *ret_trace = (struct trace){0};
    ret_trace->types = calloc(NODE_TYPES_MAX, sizeof *ret_trace->types);
    if (ret_trace->types == NULL) {
        return refuse(ret_why, "not enough memory");
    }
    return read_nodes(nodes, ret_trace, ret_why) && read_jobs(jobs, ret_trace, ret_why);
}

void trace_done(struct trace *trace)
{
    free(trace->types);
    free(trace->jobs);
    *trace = (struct trace){0};
}

// ---- arrivals -----------------------------------------------------------------------------------

// Where the numbers of a seed's line begin, or NULL.
static const char *find_order(const char *text, uint64_t seed)
{
    while (*text != '\0') {
        char *rest = NULL;
        errno = 0;
        unsigned long long found = strtoull(text, &rest, 10);
        if (errno == 0 && rest != text && found == seed) {
            return rest;
        }
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return NULL;
}

static bool load_rounds_to(uint64_t arrived, uint64_t capacity, uint64_t load)
{
    __int128 twice = (__int128)arrived * 200;
    __int128 low = (__int128)capacity * (2 * (int64_t)load - 1);
    __int128 high = (__int128)capacity * (2 * (int64_t)load + 1);
    return load % 2 == 0 ? twice >= low && twice <= high : twice > low && twice < high;
}

static int compare_demands(const void *left, const void *right)
{
    const struct demand *a = left, *b = right;
    const uint64_t l[] = {a->devices, a->milli, a->cpu, a->memory, a->models};
    const uint64_t r[] = {b->devices, b->milli, b->cpu, b->memory, b->models};
    return compare_numbers(l, r, 5);
}

// The left sides of the cuts with all that arrived placed: now, and at most so far.
struct levels {
    int64_t now[CUTS_MAX], peak[CUTS_MAX];
};

static void raise_levels(const struct certificate *certificate, const struct demand *job,
                         struct levels *levels)
{
    for (int c = 0; c < certificate->cut_count; c++) {
        const struct cut *cut = &certificate->cuts[c];
        const struct demand *pivot = &certificate->demands[cut->pivot];
        levels->now[c] += cut_weight(cut, pivot, job, compare_demands(job, pivot) == 0);
        levels->peak[c] = levels->now[c] > levels->peak[c] ? levels->now[c] : levels->peak[c];
    }
}

static bool play(struct trace *trace, const struct certificate *certificate, const char *order,
                 uint64_t arrivals, uint64_t load, uint64_t *seen)
{
    struct cursor cursor = {.at = order, .end = order + strlen(order), .line = 1};
    struct levels levels = {0};
    uint64_t arrived = 0;
    for (uint64_t i = 0; i < arrivals; i++) {
        uint64_t row = 0;
        if (!cursor_word(&cursor, " ") || !cursor_number(&cursor, 10, INT32_MAX, "", &row) ||
            row >= (uint64_t)trace->job_count) {
            return false;
        }
        seen[row]++;
        raise_levels(certificate, &trace->jobs[row], &levels);
        arrived += trace->jobs[row].devices * trace->jobs[row].milli;
        if (!load_rounds_to(arrived, trace->capacity, load)) {
            continue;
        }
        trace->event_count++;
        for (int c = 0; c < certificate->cut_count; c++) {
            trace->limits[c] += levels.peak[c];
        }
        for (int j = 0; j < trace->job_count; j++) {
            trace->jobs[j].count += seen[j];
        }
    }
    return true;
}

bool trace_play(struct trace *trace, const struct certificate *certificate, const char *order,
                uint64_t seed, uint64_t arrivals, uint64_t load, struct reason *ret_why)
{
    const char *line = find_order(order, seed);
    if (line == NULL) {
        return refuse(ret_why, "order: there is no line of seed %" PRIu64, seed);
    }
    uint64_t *seen = calloc((size_t)trace->job_count + 1, sizeof *seen);
    if (seen == NULL) {
        return refuse(ret_why, "not enough memory");
    }
    bool is_played = play(trace, certificate, line, arrivals, load, seen);
    free(seen);
    return is_played || refuse(ret_why,
                               "order: expected %" PRIu64 " rows of the jobs after seed "
                               "%" PRIu64,
                               arrivals, seed);
}

// ---- comparison ---------------------------------------------------------------------------------

// Sorts, adds up those alike, drops those without devices and those that never arrive. Returns how
// many are left.
static int merge_demands(struct demand *demands, int count)
{
    int kept = 0;
    qsort(demands, (size_t)count, sizeof *demands, compare_demands);
    for (int i = 0; i < count; i++) {
        if (demands[i].devices == 0 || demands[i].count == 0) {
            continue;
        }
        if (kept > 0 && compare_demands(&demands[kept - 1], &demands[i]) == 0) {
            demands[kept - 1].count += demands[i].count;
        } else {
            demands[kept++] = demands[i];
        }
    }
    return kept;
}

static bool same_types(struct trace *trace, struct certificate *certificate)
{
    bool is_same = trace->type_count == certificate->type_count;
    qsort(trace->types, (size_t)trace->type_count, sizeof *trace->types, compare_types);
    qsort(certificate->types, (size_t)certificate->type_count, sizeof *trace->types, compare_types);
    for (int t = 0; t < trace->type_count && is_same; t++) {
        is_same = compare_types(&trace->types[t], &certificate->types[t]) == 0 &&
                  trace->types[t].count == certificate->types[t].count;
    }
    return is_same;
}

static bool same_demands(struct trace *trace, struct certificate *certificate)
{
    int count = merge_demands(trace->jobs, trace->job_count);
    bool is_same = merge_demands(certificate->demands, certificate->demand_count) == count;
    for (int j = 0; j < count && is_same; j++) {
        is_same = compare_demands(&trace->jobs[j], &certificate->demands[j]) == 0 &&
                  trace->jobs[j].count == certificate->demands[j].count;
    }
    return is_same;
}

bool trace_matches(struct trace *trace, struct certificate *certificate, struct reason *ret_why)
{
    if (certificate->event_count != trace->event_count) {
        return refuse(ret_why, "the trace has %" PRId64 " events, the certificate %" PRId64,
                      trace->event_count, certificate->event_count);
    }
    for (int c = 0; c < certificate->cut_count; c++) {
        if (certificate->cuts[c].limit < trace->limits[c]) {
            return refuse(ret_why, "cut %d is not true of the trace", c);
        }
    }
    if (!same_types(trace, certificate)) {
        return refuse(ret_why, "other nodes than the trace");
    }
    return same_demands(trace, certificate) || refuse(ret_why, "other demands than the trace");
}
