// `granary cordon`, `uncordon`, `drain`: which nodes take work. See nodes.h.
#include "base/json.h"
#include "base/quantity.h"
#include "cli/nodes.h"
#include "cli/output.h"
#include "cli/remote.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/path.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    const char *why, *grace;
    bool dry_run;
    size_t format; // enum gr_cli_output
};

static int make_body(const struct request *request, json_t **ret_body, struct gr_err *err)
{
    json_t *body = json_object();
    int64_t grace_ms;
    int code = body == NULL ? -ENOMEM : 0;
    if (request->why != NULL) {
        code |= gr_json_set_text(body, "why", gr_slice_of(request->why));
    }
    if (request->grace != NULL) {
        if (gr_duration_read(gr_slice_of(request->grace), &grace_ms) < 0) {
            json_decref(body);
            return gr_fail(err, -EINVAL, "--grace: found '%s', expected a duration: 90s, 5m",
                           request->grace);
        }
        code |= gr_json_set_int(body, "grace_ms", grace_ms);
    }
    *ret_body = body;
    return code < 0 ? gr_fail(err, -ENOMEM, "not enough memory for a request") : 0;
}

static int say(const struct request *request, const json_t *node, struct gr_err *err)
{
    char name[128];
    int64_t jobs = gr_cli_get_int_or(node, "jobs", 0);
    switch ((enum gr_cli_output)request->format) {
    case GR_CLI_OUTPUT_JSON:
    case GR_CLI_OUTPUT_JSONL:
        return gr_cli_object_write(node, request->format == GR_CLI_OUTPUT_JSONL, stdout, err);
    case GR_CLI_OUTPUT_CSV:
        gr_cli_object_write_csv(node, stdout);
        return 0;
    case GR_CLI_OUTPUT_TABLE:
    case GR_CLI_OUTPUT_WIDE:
        break;
    }
    gr_cli_clean(gr_cli_get_text(node, "name", "?"), name, sizeof name);
    if (request->dry_run) {
        printf("would %s %s: it is %s, %" PRId64 " job%s there\n", request->remote.command, name,
               gr_cli_get_text(node, "state", "?"), jobs, jobs == 1 ? "" : "s");
    } else {
        printf("%s is %s; %" PRId64 " job%s there\n", name, gr_cli_get_text(node, "state", "?"),
               jobs, jobs == 1 ? "" : "s");
    }
    return 0;
}

static int set_nodes(void *context, char **names, size_t count)
{
    struct request *request = context;
    json_t *body = NULL;
    struct gr_err err;
    gr_err_init(&err);
    int exit = GR_EXIT_OK;
    int code = make_body(request, &body, &err);
    if (code < 0) {
        return gr_cli_remote_fail(&request->remote, &err);
    }
    for (size_t i = 0; i < count; i++) {
        struct gr_client_path path;
        json_t *node = NULL;
        gr_client_path_init(&path, "/v1/nodes");
        gr_client_path_add(&path, names[i]);
        gr_client_path_add(&path, request->remote.command);
        gr_client_path_query(&path, "dry_run", request->dry_run ? "true" : NULL);
        code = gr_client_post(request->remote.client, &path, body, NULL, &node, &err);
        code = code < 0 ? code : say(request, node, &err);
        json_decref(node);
        if (code < 0) {
            int own = gr_cli_remote_fail(&request->remote, &err);
            exit = exit == GR_EXIT_OK ? own : exit;
        }
    }
    json_decref(body);
    return exit == GR_EXIT_OK ? gr_cli_finish(request->remote.command) : exit;
}

// The three commands differ in their words and in whether there is a grace.
static int run(int argc, char **argv, const char *command, const char *usage, const char *about,
               bool has_grace)
{
    struct request request = {.remote = {.command = command}};
    const struct gr_option grace = {
        .name = "grace",
        .letter = 'g',
        .type = GR_OPTION_TEXT,
        .value = "DURATION",
        .store = &request.grace,
        .help = "How long jobs there may take to end before they are killed. Default: their own.",
    };
    const struct gr_option table[] = {
        {.name = "why",
         .type = GR_OPTION_TEXT,
         .value = "TEXT",
         .store = &request.why,
         .help = "A word for the others; it is shown with the node."},
        GR_CLI_DRY_RUN_OPTION(&request.dry_run),
        GR_CLI_OUTPUT_OPTION(&request.format),
        GR_CLI_REMOTE_OPTIONS(&request.remote),
        has_grace ? grace : (struct gr_option){.name = NULL},
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = usage,
        .about = about,
        .options = table,
        .operands_min = 1,
        .operands_max = 1000,
        .operands = "a node's name",
    };
    return gr_cli_remote_run(&request.remote, &options, argc, argv, set_nodes, &request);
}

static int run_cordon(int argc, char **argv)
{
    return run(argc, argv, "cordon", "cordon [OPTIONS] NODE...",
               "Takes nodes out of placement: what runs there goes on, nothing new comes. "
               "`granary uncordon` puts them back. For operators.",
               false);
}

static int run_uncordon(int argc, char **argv)
{
    return run(argc, argv, "uncordon", "uncordon [OPTIONS] NODE...",
               "Puts nodes back into placement. For operators.", false);
}

static int run_drain(int argc, char **argv)
{
    return run(argc, argv, "drain", "drain [OPTIONS] NODE...",
               "Empties nodes: nothing new comes, and what runs there is stopped; jobs that may be "
               "tried again wait for another place. For operators.",
               true);
}

const struct gr_command gr_cli_cordon = {
    .name = "cordon",
    .summary = "take nodes out of placement; what runs there goes on",
    .run = run_cordon,
};
const struct gr_command gr_cli_uncordon = {
    .name = "uncordon",
    .summary = "put nodes back into placement",
    .run = run_uncordon,
};
const struct gr_command gr_cli_drain = {
    .name = "drain",
    .summary = "empty nodes: stop what runs there, let nothing new come",
    .run = run_drain,
};
