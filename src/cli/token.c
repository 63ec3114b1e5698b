// `granary token`: adds, lists and removes the tokens of the HTTP API. See token.h.
#include "cli/token.h"

#include "base/json.h"
#include "cli/listing.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/path.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const struct gr_cli_column columns[] = {
    {"name", GR_TABLE_FILL, GR_CLI_IN_ALL, 0, "name", NULL},
    {"user", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "user", NULL},
    {"uid", GR_TABLE_RIGHT, GR_CLI_IN_WIDE | GR_CLI_IN_CSV, 0, "uid", NULL},
    {"operator", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "operator", NULL},
    {"since", GR_TABLE_LEFT, GR_CLI_IN_ALL, 0, "since", NULL},
};

static const struct gr_cli_noun tokens = {
    .plural = "tokens",
    .id = "name",
    .none = "no tokens: nobody comes in over HTTP",
    .columns = columns,
    .count = sizeof columns / sizeof columns[0],
};

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    const char *user;
    bool is_operator, dry_run;
    size_t format; // enum gr_cli_output
};

// ---- list ---------------------------------------------------------------------------------------

static int fetch(void *context, struct gr_client *client, json_t **ret_value, struct gr_err *err)
{
    (void)context;
    struct gr_client_path path;
    gr_client_path_init(&path, "/v1/tokens");
    return gr_cli_fetch_list(client, &path, "tokens", ret_value, err);
}

static int list(struct request *request)
{
    const struct gr_cli_listing listing = {.noun = &tokens, .fetch = fetch};
    return gr_cli_listing_run(&listing, &request->remote, (enum gr_cli_output)request->format,
                              false);
}

// ---- add ----------------------------------------------------------------------------------------

static int say_added(const struct request *request, const json_t *token, struct gr_err *err)
{
    enum gr_cli_output format = (enum gr_cli_output)request->format;
    if (format == GR_CLI_OUTPUT_JSON || format == GR_CLI_OUTPUT_JSONL) {
        return gr_cli_object_write(token, format == GR_CLI_OUTPUT_JSONL, stdout, err);
    }
    if (format == GR_CLI_OUTPUT_CSV) {
        gr_cli_object_write_csv(token, stdout);
        return 0;
    }
    char name[128];
    char user[128];
    const char *as = json_is_true(json_object_get(token, "operator")) ? " as an operator" : "";
    gr_cli_clean(gr_cli_get_text(token, "name", "?"), name, sizeof name);
    gr_cli_clean(gr_cli_get_text(token, "user", "?"), user, sizeof user);
    if (request->dry_run) {
        printf("would add a token named %s for %s%s\n", name, user, as);
        return 0;
    }
    // Alone on standard output, so that it can be sent into a file.
    printf("%s\n", gr_cli_get_text(token, "token", "?"));
    fprintf(stderr, "it stands for %s%s and is shown only now; `granary token remove` ends it\n",
            user, as);
    return 0;
}

static int add(struct request *request, const char *name)
{
    struct gr_client_path path;
    struct gr_err err;
    json_t *token = NULL;
    json_t *body = json_object();
    gr_err_init(&err);
    int code = gr_json_set_text(body, "name", gr_slice_of(name));
    code |= gr_json_set_bool(body, "operator", request->is_operator);
    if (request->user != NULL) {
        code |= gr_json_set_text(body, "user", gr_slice_of(request->user));
    }
    gr_client_path_init(&path, "/v1/tokens");
    gr_client_path_query(&path, "dry_run", request->dry_run ? "true" : NULL);
    code = code < 0 ? gr_fail(&err, -ENOMEM, "not enough memory for a request")
                    : gr_client_post(request->remote.client, &path, body, NULL, &token, &err);
    code = code < 0 ? code : say_added(request, token, &err);
    json_decref(body);
    json_decref(token);
    return code < 0 ? gr_cli_remote_fail(&request->remote, &err)
                    : gr_cli_finish(request->remote.command);
}

// ---- remove -------------------------------------------------------------------------------------

static int remove_one(struct request *request, const char *name, struct gr_err *err)
{
    struct gr_client_path path;
    json_t *answer = NULL;
    gr_client_path_init(&path, "/v1/tokens");
    gr_client_path_add(&path, name);
    gr_client_path_add(&path, "remove");
    gr_client_path_query(&path, "dry_run", request->dry_run ? "true" : NULL);
    int code = gr_client_post(request->remote.client, &path, NULL, NULL, &answer, err);
    enum gr_cli_output format = (enum gr_cli_output)request->format;
    if (code == 0 && (format == GR_CLI_OUTPUT_JSON || format == GR_CLI_OUTPUT_JSONL)) {
        code = gr_cli_object_write(answer, format == GR_CLI_OUTPUT_JSONL, stdout, err);
    } else if (code == 0 && format == GR_CLI_OUTPUT_CSV) {
        gr_cli_object_write_csv(answer, stdout);
    } else if (code == 0) {
        char clean[128];
        int64_t count = gr_cli_get_int_or(answer, "removed", 0);
        printf("%s %" PRId64 " token%s named %s\n", request->dry_run ? "would remove" : "removed",
               count, count == 1 ? "" : "s", gr_cli_clean(name, clean, sizeof clean));
    }
    json_decref(answer);
    return code;
}

static int remove_all(struct request *request, char **names, size_t count)
{
    int exit = GR_EXIT_OK;
    for (size_t i = 0; i < count; i++) {
        struct gr_err err;
        gr_err_init(&err);
        if (remove_one(request, names[i], &err) < 0) {
            int own = gr_cli_remote_fail(&request->remote, &err);
            exit = exit == GR_EXIT_OK ? own : exit;
        }
    }
    return exit == GR_EXIT_OK ? gr_cli_finish(request->remote.command) : exit;
}

// ---- the command --------------------------------------------------------------------------------

static int work(void *context, char **operands, size_t count)
{
    struct request *request = context;
    const char *verb = operands[0];
    struct gr_err err;
    gr_err_init(&err);
    if (strcmp(verb, "list") == 0 && count == 1) {
        return list(request);
    }
    if (strcmp(verb, "add") == 0 && count == 2) {
        return add(request, operands[1]);
    }
    if (strcmp(verb, "remove") == 0 && count >= 2) {
        return remove_all(request, operands + 1, count - 1);
    }
    (void)gr_fail(&err, -EINVAL,
                  "expected list, add NAME, or remove NAME...; `granary token --help` explains");
    return gr_cli_remote_fail(&request->remote, &err);
}

static const char details[] =
    "A token is whoever shows it: keep it in a file that only its user can read, and give that to\n"
    "--token-file. The pool keeps only a hash of it.\n"
    "\n"
    "examples:\n"
    "  granary token add ci --user builder > ci.token\n"
    "  granary token add laptop --operator --dry-run\n"
    "  granary token list\n"
    "  granary token remove ci\n";

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "token"}};
    const struct gr_option table[] = {
        {.name = "user",
         .letter = 'u',
         .type = GR_OPTION_TEXT,
         .value = "USER",
         .store = &request.user,
         .help = "add: whom it stands for: a name, a uid or uid-1234. Default: you."},
        {.name = "operator",
         .type = GR_OPTION_FLAG,
         .store = &request.is_operator,
         .help = "add: it may do what operators may."},
        GR_CLI_DRY_RUN_OPTION(&request.dry_run),
        GR_CLI_OUTPUT_OPTION(&request.format),
        GR_CLI_REMOTE_OPTIONS(&request.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "token add [OPTIONS] NAME\ntoken list [OPTIONS]\ntoken remove [OPTIONS] NAME...",
        .about = "Adds, lists and removes tokens: who may come in over HTTP, and as whom. A new "
                 "token is shown once. For operators; tokens for others only root and the "
                 "user who runs the daemon make.",
        .options = table,
        .details = details,
        .operands_min = 1,
        .operands_max = 1000,
        .operands = "add, list or remove",
    };
    return gr_cli_remote_run(&request.remote, &options, argc, argv, work, &request);
}

const struct gr_command gr_cli_token = {
    .name = "token",
    .summary = "who may come in over HTTP: add, list, remove tokens",
    .run = run,
};
