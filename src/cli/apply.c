// `granary apply`: declares organisations, users, states of nodes, quotas and shares from a file.
// See apply.h; apply_file.h reads the file.
#include "cli/apply.h"

#include "base/json.h"
#include "cli/apply_file.h"
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
    const char *file;
    bool dry_run;
    size_t format; // enum gr_cli_output
};

static void say_list(const json_t *answer, const char *key, const char *before)
{
    size_t index;
    const json_t *line;
    json_array_foreach(json_object_get(answer, key), index, line)
    {
        char clean[512];
        if (json_is_string(line)) {
            printf("%s%s\n", before, gr_cli_clean(json_string_value(line), clean, sizeof clean));
        }
    }
}

// "hits research: 12 nv-h20-96 beyond its quota of 8: jobs 17 16 and 3 more".
static void say_hits(const json_t *answer)
{
    size_t index, at;
    const json_t *hit, *job;
    json_array_foreach(json_object_get(answer, "hits"), index, hit)
    {
        char org[64], variant[64], what[64], has[GR_CLI_UNIT_SIZE], allowed[GR_CLI_UNIT_SIZE];
        const json_t *jobs = json_object_get(hit, "jobs");
        int64_t more = gr_cli_get_int_or(hit, "jobs_beyond", 0) - (int64_t)json_array_size(jobs);
        printf("hits %s: it has %s %s, %s allows %s: jobs",
               gr_cli_clean(gr_cli_get_text(hit, "organisation", "?"), org, sizeof org),
               gr_cli_get_decimal(hit, "has", "?", has),
               gr_cli_clean(gr_cli_get_text(hit, "variant",
                                            strstr(gr_cli_get_text(hit, "what", ""), "running")
                                                ? "running jobs"
                                                : "devices"),
                            variant, sizeof variant),
               gr_cli_clean(gr_cli_get_text(hit, "what", "?"), what, sizeof what),
               gr_cli_get_decimal(hit, "allowed", "?", allowed));
        json_array_foreach(jobs, at, job)
        {
            printf(" %" PRId64, (int64_t)json_integer_value(job));
        }
        printf(more > 0 ? " and %" PRId64 " more\n" : "\n", more);
    }
}

static int say(const struct request *request, const json_t *answer, struct gr_err *err)
{
    size_t index;
    const json_t *line;
    enum gr_cli_output format = (enum gr_cli_output)request->format;
    if (format == GR_CLI_OUTPUT_JSON || format == GR_CLI_OUTPUT_JSONL) {
        return gr_cli_object_write(answer, format == GR_CLI_OUTPUT_JSONL, stdout, err);
    }
    if (format == GR_CLI_OUTPUT_CSV) {
        gr_cli_object_write_csv(answer, stdout);
        return 0;
    }
    const json_t *changed = json_object_get(answer, "changed");
    json_array_foreach((json_t *)(uintptr_t)changed, index, line)
    {
        char clean[512];
        if (json_is_string(line)) {
            printf("%s%s\n", request->dry_run ? "would be: " : "",
                   gr_cli_clean(json_string_value(line), clean, sizeof clean));
        }
    }
    say_list(answer, "doubts", "doubtful: ");
    say_hits(answer);
    printf("%zu %s, %" PRId64 " unchanged\n", json_array_size(changed),
           request->dry_run ? "would change" : "changed",
           gr_cli_get_int_or(answer, "unchanged", 0));
    return 0;
}

static int apply(struct request *request)
{
    struct gr_client_path path;
    struct gr_err err;
    struct gr_yaml *yaml = NULL;
    json_t *body = NULL;
    json_t *answer = NULL;
    gr_err_init(&err);
    gr_client_path_init(&path, "/v1/apply");
    gr_client_path_query(&path, "dry_run", request->dry_run ? "true" : NULL);
    int code = gr_cli_apply_read(request->file, &yaml, &body, &err);
    if (code == 0) {
        code = gr_client_post(request->remote.client, &path, body, NULL, &answer, &err);
        if (code == -EINVAL) {
            gr_cli_apply_place(yaml, gr_client_answer(request->remote.client)->field, &err);
        }
    }
    code = code < 0 ? code : say(request, answer, &err);
    gr_yaml_close(yaml);
    json_decref(body);
    json_decref(answer);
    return code < 0 ? gr_cli_remote_fail(&request->remote, &err) : gr_cli_finish("apply");
}

static const char details[] =
    "The file:\n"
    "  organisations:\n"
    "    - {name: lab, parent: owner, role: owner, seat: CN, weight: 2000,\n"
    "       limits: {running: 500, user-devices: 64},\n"
    "       quotas: [{kind: h20, nominal: 100, borrow: 20, lend: all}]}\n"
    "  users:\n"
    "    - {name: alice, organisation: lab}\n"
    "  nodes:\n"
    "    - {name: host, state: drained, why: new fans on Friday}\n"
    "  queue: {half-life: 7d, notice: 30s, reclaim: [borrowed]}\n";

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "apply"}};
    const struct gr_option table[] = {
        {.name = "file",
         .letter = 'f',
         .type = GR_OPTION_TEXT,
         .value = "FILE",
         .store = &request.file,
         .help = "What is declared, as YAML; - is standard input. Must be given."},
        GR_CLI_DRY_RUN_OPTION(&request.dry_run),
        GR_CLI_OUTPUT_OPTION(&request.format),
        GR_CLI_REMOTE_OPTIONS(&request.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "apply -f FILE [OPTIONS]",
        .about =
            "Declares organisations, their quotas and shares, who belongs to which, which nodes "
            "take work, and how the queue is run. What is so already stays; applying a file twice "
            "changes nothing the second time. What "
            "the file does not name stays as it is. For operators.",
        .options = table,
        .details = details,
        .operands = "no operand; the file stands behind -f",
    };
    size_t operands;
    int code;
    if (!gr_cli_start(&options, argc, argv, &operands, &code)) {
        return code;
    }
    if (request.file == NULL) {
        fprintf(stderr, "granary apply: found no file, expected one with -f; --help explains\n");
        return GR_EXIT_USAGE;
    }
    if (!gr_cli_remote_open(&request.remote, &code)) {
        return code;
    }
    code = apply(&request);
    gr_cli_remote_close(&request.remote);
    return code;
}

const struct gr_command gr_cli_apply = {
    .name = "apply",
    .summary = "declare organisations, users, quotas, states of nodes",
    .run = run,
};
