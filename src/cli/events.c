// `granary events`: what happens in the pool, from now on or from a sequence on. See events.h.
#include "cli/events.h"

#include "base/csv_write.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/reference.h"
#include "cli/remote.h"
#include "cli/signals.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/events.h"
#include "client/path.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TICK_MS = 60000 };

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    int64_t from, until; // sequences; negative: none
    const char *job;
    uint64_t job_id; // 0: any
    bool no_follow;
    size_t format; // enum gr_cli_output
};

// "exit_code 3, outcome failed": what an event holds beside what every event has.
static void details_of(const json_t *data, char *buffer, size_t size)
{
    static const char *const common[] = {"sequence", "at_ms", "since_ms", "type", "job", NULL};
    const char *key;
    json_t *value;
    size_t used = 0;
    buffer[0] = '\0';
    json_object_foreach((json_t *)(uintptr_t)data, key, value)
    {
        size_t i = 0;
        while (common[i] != NULL && strcmp(common[i], key) != 0) {
            i++;
        }
        if (common[i] != NULL || json_is_null(value)) {
            continue;
        }
        char *text = json_is_string(value) ? strdup(json_string_value(value))
                                           : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        char clean[256];
        int wrote = snprintf(buffer + used, size - used, "%s%s %s", used == 0 ? "" : ", ", key,
                             text == NULL ? "?" : gr_cli_clean(text, clean, sizeof clean));
        free(text);
        if (wrote < 0 || (size_t)wrote >= size - used) {
            return;
        }
        used += (size_t)wrote;
    }
}

static void write_line(const struct gr_client_event *event)
{
    char moment[GR_CLI_UNIT_SIZE];
    char details[1024];
    char job[32] = "";
    int64_t id;
    if (gr_cli_get_int(event->data, "job", &id)) {
        snprintf(job, sizeof job, "job %" PRId64, id);
    }
    details_of(event->data, details, sizeof details);
    printf("%8" PRIu64 "  %s  %-20s  %s%s%s\n", event->sequence,
           gr_cli_moment(gr_cli_get_int_or(event->data, "at_ms", 0), moment), event->type, job,
           job[0] != '\0' && details[0] != '\0' ? "  " : "", details);
}

static void write_csv(const struct gr_client_event *event)
{
    char text[64];
    char details[1024];
    int64_t id;
    snprintf(text, sizeof text, "%" PRIu64, event->sequence);
    gr_csv_write(stdout, true, gr_slice_of(text));
    snprintf(text, sizeof text, "%" PRId64, gr_cli_get_int_or(event->data, "at_ms", 0));
    gr_csv_write(stdout, false, gr_slice_of(text));
    gr_csv_write(stdout, false, gr_slice_of(event->type));
    text[0] = '\0';
    if (gr_cli_get_int(event->data, "job", &id)) {
        snprintf(text, sizeof text, "%" PRId64, id);
    }
    gr_csv_write(stdout, false, gr_slice_of(text));
    details_of(event->data, details, sizeof details);
    gr_csv_write(stdout, false, gr_slice_of(details));
    gr_csv_write_end(stdout);
}

static int write_event(struct request *request, const struct gr_client_event *event,
                       struct gr_err *err)
{
    int code = 0;
    switch ((enum gr_cli_output)request->format) {
    case GR_CLI_OUTPUT_TABLE:
    case GR_CLI_OUTPUT_WIDE:
        write_line(event);
        break;
    case GR_CLI_OUTPUT_JSON:
    case GR_CLI_OUTPUT_JSONL:
        code = gr_cli_object_write(event->data, true, stdout, err);
        break;
    case GR_CLI_OUTPUT_CSV:
        write_csv(event);
        break;
    }
    return code;
}

// Writes what is there. 1: the last one that was asked for was seen.
static int take(struct request *request, struct gr_client_events *events, struct gr_err *err)
{
    struct gr_client_event event;
    int code;
    while ((code = gr_client_events_next(events, &event, err)) == 1) {
        bool is_beyond = request->until >= 0 && event.sequence > (uint64_t)request->until;
        int64_t job = gr_cli_get_int_or(event.data, "job", 0);
        if (!is_beyond && (request->job_id == 0 || (uint64_t)job == request->job_id)) {
            code = write_event(request, &event, err);
            if (code < 0) {
                return code;
            }
        }
        if (is_beyond || (request->until >= 0 && event.sequence >= (uint64_t)request->until)) {
            return 1;
        }
    }
    int wrote = gr_text_finish(stdout, "standard output", err);
    return code < 0 ? code : wrote;
}

static int follow(struct request *request, int signals, struct gr_err *err)
{
    struct gr_client_events *events = NULL;
    int code = gr_client_events_open(request->remote.client, request->from, &events, err);
    while (code == 0) {
        code = take(request, events, err);
        if (code == 0) {
            code = gr_client_events_wait(events, signals, TICK_MS, err);
        }
        if (gr_cli_signals_take(signals) != 0) {
            break;
        }
    }
    gr_client_events_close(events);
    return code < 0 ? code : 0;
}

// --no-follow: what the pool holds now is the end.
static int find_end(struct request *request, struct gr_err *err)
{
    struct gr_client_path path;
    json_t *pool = NULL;
    if (!request->no_follow) {
        return 0;
    }
    gr_client_path_init(&path, "/v1/pool");
    int code = gr_client_get(request->remote.client, &path, &pool, err);
    if (code == 0) {
        request->until = gr_cli_get_int_or(pool, "sequence", 0);
        json_decref(pool);
    }
    return code;
}

static int show(void *context, char **operands, size_t count)
{
    (void)operands;
    (void)count;
    struct request *request = context;
    struct gr_err err;
    struct gr_cli_job job;
    gr_err_init(&err);
    int code = find_end(request, &err);
    if (code == 0 && request->job != NULL) {
        code = gr_cli_job_find(request->remote.client, request->job, &job, &err);
        if (code == 0) {
            request->job_id = job.id;
            gr_cli_job_done(&job);
        }
    }
    bool is_empty = request->no_follow && (request->from < 0 || request->from > request->until);
    int signals = code == 0 && !is_empty ? gr_cli_signals_open(&err) : -1;
    if (code == 0 && request->format == GR_CLI_OUTPUT_CSV) {
        puts("sequence,at_ms,type,job,details");
    }
    if (code == 0 && !is_empty) {
        code = signals < 0 ? err.code : follow(request, signals, &err);
    }
    if (signals >= 0) {
        close(signals);
    }
    return code < 0 ? gr_cli_remote_fail(&request->remote, &err) : gr_cli_finish("events");
}

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "events"}, .from = -1, .until = -1};
    const struct gr_option table[] = {
        {.name = "from",
         .type = GR_OPTION_INT,
         .value = "SEQUENCE",
         .store = &request.from,
         .low = 0,
         .high = INT64_MAX,
         .help = "Begin with what happened at this sequence. Default: what happens from now on."},
        {.name = "no-follow",
         .type = GR_OPTION_FLAG,
         .store = &request.no_follow,
         .help = "End with what has happened until now, instead of going on until Ctrl-C."},
        {.name = "job",
         .letter = 'j',
         .type = GR_OPTION_TEXT,
         .value = "JOB",
         .store = &request.job,
         .help = "Only about this job."},
        GR_CLI_OUTPUT_OPTION(&request.format),
        GR_CLI_REMOTE_OPTIONS(&request.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "events [OPTIONS]",
        .about = "Shows what happens in the pool, as it happens: a line for each fact. A "
                 "connection that breaks is made again, and nothing is missed. With -o json an "
                 "object a line.",
        .options = table,
        .details = GR_CLI_REFERENCE_HELP,
        .operands = "no operand",
    };
    return gr_cli_remote_run(&request.remote, &options, argc, argv, show, &request);
}

const struct gr_command gr_cli_events = {
    .name = "events",
    .summary = "what happens in the pool, as it happens",
    .run = run,
};
