// `granary stop`: asks jobs to end, and ends them if they do not. See stop.h.
#include "cli/stop.h"

#include "base/json.h"
#include "base/quantity.h"
#include "cli/jobs.h"
#include "cli/reference.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/path.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { PAGE = 1000 };

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    const char *signal, *grace;
    bool all, dry_run;
    json_t *body;
    uint64_t stopped; // jobs that were asked to end
    int worst;        // exit code of the first that could not be
};

static int make_body(struct request *request, struct gr_err *err)
{
    int code = 0;
    uint32_t number;
    int64_t grace_ms;
    request->body = json_object();
    if (request->signal != NULL) {
        if (gr_signal_read(gr_slice_of(request->signal), &number) < 0) {
            return gr_fail(err, -EINVAL, "--signal: found '%s', expected TERM, INT, KILL, ...",
                           request->signal);
        }
        code |= gr_json_set_text(request->body, "signal", gr_slice_of(request->signal));
    }
    if (request->grace != NULL) {
        if (gr_duration_read(gr_slice_of(request->grace), &grace_ms) < 0) {
            return gr_fail(err, -EINVAL, "--grace: found '%s', expected a duration: 90s, 5m",
                           request->grace);
        }
        code |= gr_json_set_int(request->body, "grace_ms", grace_ms);
    }
    return code < 0 ? gr_fail(err, -ENOMEM, "not enough memory for a request") : 0;
}

static int stop_id(struct request *request, uint64_t id, json_t **ret_job, struct gr_err *err)
{
    struct gr_client_path path;
    gr_client_path_init(&path, "/v1/jobs");
    gr_client_path_add_id(&path, id);
    gr_client_path_add(&path, "stop");
    gr_client_path_query(&path, "dry_run", request->dry_run ? "true" : NULL);
    int code = gr_client_post(request->remote.client, &path, request->body, NULL, ret_job, err);
    request->stopped += code == 0;
    return code;
}

static void say(const struct request *request, uint64_t id, const json_t *job)
{
    char name[128];
    printf("%s%" PRIu64 " %s (was %s)\n", request->dry_run ? "would stop " : "stopping ", id,
           gr_cli_clean(gr_cli_get_text(job, "name", ""), name, sizeof name),
           gr_cli_get_text(job, "state", "?"));
}

// ---- arrays and everything ----------------------------------------------------------------------

static int stop_array(struct request *request, const struct gr_cli_job *first, struct gr_err *err)
{
    struct gr_client_path path;
    char name[128];
    json_t *job = NULL;
    gr_client_path_init(&path, "/v1/jobs");
    gr_client_path_add_id(&path, first->id);
    gr_client_path_add(&path, "stop");
    gr_client_path_query(&path, "array", "true");
    gr_client_path_query(&path, "dry_run", request->dry_run ? "true" : NULL);
    int code = gr_client_post(request->remote.client, &path, request->body, NULL, &job, err);
    if (code == 0) {
        printf("%sall elements of array %" PRIu64 " %s\n",
               request->dry_run ? "would stop " : "stopping ", first->id,
               gr_cli_clean(gr_cli_get_text(job, "name", ""), name, sizeof name));
    }
    json_decref(job);
    return code;
}

static int stop_page(struct request *request, const json_t *jobs, struct gr_err *err)
{
    size_t index;
    const json_t *row;
    json_array_foreach((json_t *)(uintptr_t)jobs, index, row)
    {
        json_t *answer = NULL;
        uint64_t id = (uint64_t)gr_cli_get_int_or(row, "id", 0);
        int code = stop_id(request, id, &answer, err);
        json_decref(answer);
        if (code == 0) {
            say(request, id, row);
        } else if (code != -EEXIST) {
            return code;
        }
    }
    return 0;
}

static int stop_all(struct request *request, struct gr_err *err)
{
    struct gr_client_path path;
    json_t *me = NULL;
    json_t *page = NULL;
    int64_t after = 0;
    gr_client_path_init(&path, "/v1/whoami");
    int code = gr_client_get(request->remote.client, &path, &me, err);
    while (code == 0) {
        gr_client_path_init(&path, "/v1/jobs");
        gr_client_path_query(&path, "user", gr_cli_get_text(me, "name", ""));
        gr_client_path_query_int(&path, "limit", PAGE);
        if (after > 0) {
            gr_client_path_query_int(&path, "after", after);
        }
        code = gr_client_get(request->remote.client, &path, &page, err);
        if (code == 0) {
            code = stop_page(request, json_object_get(page, "jobs"), err);
            after = gr_cli_get_int_or(page, "next", 0);
            json_decref(page);
        }
        if (after == 0) {
            break;
        }
    }
    json_decref(me);
    if (code == 0) {
        printf("%" PRIu64 " job%s %s\n", request->stopped, request->stopped == 1 ? "" : "s",
               request->dry_run ? "would be stopped" : "asked to stop");
    }
    return code;
}

// ---- one job ------------------------------------------------------------------------------------

static int stop_found(struct request *request, const struct gr_cli_job *job, struct gr_err *err)
{
    int64_t array;
    json_t *answer = NULL;
    if (!job->is_element && gr_cli_get_int(job->json, "array", &array) &&
        array == (int64_t)job->id) {
        return stop_array(request, job, err);
    }
    int code = stop_id(request, job->id, &answer, err);
    if (code == 0) {
        say(request, job->id, job->json);
    }
    json_decref(answer);
    return code;
}

static void stop_one(struct request *request, const char *text)
{
    struct gr_cli_job job;
    struct gr_err err;
    gr_err_init(&err);
    int code = gr_cli_job_find(request->remote.client, text, &job, &err);
    if (code == 0) {
        code = stop_found(request, &job, &err);
        gr_cli_job_done(&job);
    }
    if (code < 0) {
        int exit = gr_cli_remote_fail(&request->remote, &err);
        request->worst = request->worst == GR_EXIT_OK ? exit : request->worst;
    }
}

static int stop(void *context, char **names, size_t count)
{
    struct request *request = context;
    struct gr_err err;
    gr_err_init(&err);
    int code = make_body(request, &err);
    if (code == 0 && request->all == (count > 0)) {
        code = gr_fail(&err, -EINVAL, "expected jobs, or --all for all of your own%s",
                       count > 0 ? ", not both" : "");
    }
    if (code == 0 && request->all) {
        code = stop_all(request, &err);
    }
    for (size_t i = 0; code == 0 && i < count; i++) {
        stop_one(request, names[i]);
    }
    json_decref(request->body);
    if (code < 0) {
        return gr_cli_remote_fail(&request->remote, &err);
    }
    return request->worst == GR_EXIT_OK ? gr_cli_finish("stop") : request->worst;
}

static const char details[] = GR_CLI_REFERENCE_HELP
    "The first number of an array stands for all its elements; ARRAY_INDEX for one.\n"
    "\n"
    "examples:\n"
    "  granary stop 12 17\n"
    "  granary stop @last --signal INT --grace 2m\n"
    "  granary stop --all --dry-run\n";

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "stop"}, .worst = GR_EXIT_OK};
    const struct gr_option table[] = {
        {.name = "signal",
         .letter = 's',
         .type = GR_OPTION_TEXT,
         .value = "SIGNAL",
         .store = &request.signal,
         .help = "What is sent first. Default: what the job asked for, else TERM."},
        {.name = "grace",
         .letter = 'g',
         .type = GR_OPTION_TEXT,
         .value = "DURATION",
         .store = &request.grace,
         .help = "How long it may take to end before it is killed. Default: what the job asked "
                 "for, else 30s."},
        {.name = "all",
         .type = GR_OPTION_FLAG,
         .store = &request.all,
         .help = "All of your own jobs."},
        GR_CLI_DRY_RUN_OPTION(&request.dry_run),
        GR_CLI_REMOTE_OPTIONS(&request.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "stop [OPTIONS] JOB...\nstop [OPTIONS] --all",
        .about =
            "Stops jobs: those that wait are withdrawn; those that run get a signal, and after "
            "the grace all that they started is killed.",
        .options = table,
        .details = details,
        .operands_max = 1000,
        .operands = "jobs",
    };
    return gr_cli_remote_run(&request.remote, &options, argc, argv, stop, &request);
}

const struct gr_command gr_cli_stop = {
    .name = "stop",
    .summary = "end jobs: a signal, then after the grace the end",
    .run = run,
};
