// `granary checkpoint`: a running job's work up to now is safe. See queue.h.
#include "base/json.h"
#include "base/number.h"
#include "cli/queue.h"
#include "cli/reference.h"
#include "cli/remote.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/path.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    const char *job;
    int64_t attempt; // 0: whichever runs
};

static int checkpoint(struct request *request)
{
    struct gr_cli_job job = {0};
    struct gr_client_path path;
    struct gr_err err;
    json_t *body = request->attempt > 0 ? json_object() : NULL;
    json_t *answer = NULL;
    gr_err_init(&err);
    int code = gr_cli_job_find(request->remote.client, request->job, &job, &err);
    if (code == 0) {
        gr_client_path_init(&path, "/v1/jobs");
        gr_client_path_add_id(&path, job.id);
        gr_client_path_add(&path, "checkpoint");
        code =
            body != NULL && gr_json_set_int(body, "attempt", request->attempt) != 0 ? -ENOMEM : 0;
    }
    if (code == 0) {
        code = gr_client_post(request->remote.client, &path, body, NULL, &answer, &err);
    }
    if (code == 0) {
        char moment[GR_CLI_UNIT_SIZE];
        printf("%" PRIu64 " is safe up to %s\n", job.id,
               gr_cli_moment(gr_cli_get_int_or(answer, "checkpoint_ms", 0), moment));
    }
    json_decref(body);
    json_decref(answer);
    gr_cli_job_done(&job);
    return code < 0 ? gr_cli_remote_fail(&request->remote, &err) : gr_cli_finish("checkpoint");
}

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "checkpoint"}};
    const struct gr_option table[] = {
        GR_CLI_REMOTE_OPTIONS(&request.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "checkpoint [OPTIONS] [JOB]",
        .about =
            "Says that a running job's work up to now is safe: if its room is taken back, only "
            "what follows is lost, and who would lose least is asked first. Without JOB it is "
            "the job that calls this, by $GRANARY_JOB_ID. Touching the file "
            "$GRANARY_CHECKPOINT says the same.",
        .options = table,
        .operands_max = 1,
        .operands = "one job: a number, @last or a name",
    };
    size_t operands;
    int code;
    if (!gr_cli_start(&options, argc, argv, &operands, &code)) {
        return code;
    }
    request.job = operands > 0 ? argv[1] : getenv("GRANARY_JOB_ID");
    // What a job says of itself must not pass for what a later attempt says.
    const char *attempt = operands > 0 ? NULL : getenv("GRANARY_ATTEMPT");
    if (attempt != NULL &&
        gr_number_read_int(gr_slice_of(attempt), 1, UINT16_MAX, &request.attempt) != 0) {
        request.attempt = 0;
    }
    if (request.job == NULL || request.job[0] == '\0') {
        fprintf(stderr, "granary checkpoint: found no job, expected one, or $GRANARY_JOB_ID as a "
                        "job has it; --help explains\n");
        return GR_EXIT_USAGE;
    }
    if (!gr_cli_remote_open(&request.remote, &code)) {
        return code;
    }
    code = checkpoint(&request);
    gr_cli_remote_close(&request.remote);
    return code;
}

const struct gr_command gr_cli_checkpoint = {
    .name = "checkpoint",
    .summary = "say that a running job's work up to now is safe",
    .run = run,
};
