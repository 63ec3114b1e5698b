// `granary apply`: declares organisations, users and states of nodes from a file. See apply.h.
//
// The file is YAML; what keys there may be is said once, in the table below, so that a slip of the
// pen is found with its line before anything is sent.
#include "cli/apply.h"

#include "base/json.h"
#include "base/words.h"
#include "base/yaml.h"
#include "cli/output.h"
#include "cli/remote.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/path.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { KEYS_MAX = 6 };

// The sections of a file, and the keys of their entries; the first must be given.
static const struct section {
    const char *name;
    const char *keys[KEYS_MAX];
} sections[] = {
    {"organisations", {"name", "parent", "role", "seat", "ultimate_parent", NULL}},
    {"users", {"name", "organisation", NULL}},
    {"nodes", {"name", "state", "why", NULL}},
};
static const char *const section_words[] = {"organisations", "users", "nodes", NULL};

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    const char *file;
    bool dry_run;
    size_t format; // enum gr_cli_output
};

// An error about a key that is none of the words.
static int fail_key(const struct gr_yaml *yaml, const struct gr_yaml_node *node,
                    const char *const *words, struct gr_err *err)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    char list[256];
    const char *nearest = gr_words_nearest(node->key, words);
    return gr_yaml_fail_key(yaml, node, err, "found the key %s, expected %s%s",
                            gr_words_quote(node->key, quote), nearest == NULL ? "" : "perhaps ",
                            nearest == NULL ? gr_words_list(words, list, sizeof list) : nearest);
}

static bool is_one_of(struct gr_slice key, const char *const *words)
{
    while (*words != NULL && !gr_slice_is(key, *words)) {
        words++;
    }
    return *words != NULL;
}

static int read_entry(const struct gr_yaml *yaml, const struct section *section,
                      const struct gr_yaml_node *entry, json_t *list, struct gr_err *err)
{
    json_t *object = json_object();
    int code = gr_json_append(list, object);
    if (entry->type != GR_YAML_MAPPING) {
        return gr_yaml_fail(yaml, entry, err, "%s: expected an entry with %s: ...", section->name,
                            section->keys[0]);
    }
    for (const struct gr_yaml_node *node = entry->first; code == 0 && node != NULL;
         node = node->next) {
        char key[32];
        if (!is_one_of(node->key, section->keys)) {
            return fail_key(yaml, node, section->keys, err);
        }
        if (node->type != GR_YAML_SCALAR) {
            return gr_yaml_fail(yaml, node, err, "expected a text");
        }
        snprintf(key, sizeof key, "%.*s", (int)node->key.size, node->key.text);
        code = gr_json_set_text(object, key, node->text);
    }
    if (code == 0 && json_object_get(object, section->keys[0]) == NULL) {
        return gr_yaml_fail(yaml, entry, err, "%s: an entry lacks its %s", section->name,
                            section->keys[0]);
    }
    return code < 0 ? gr_fail(err, -ENOMEM, "not enough memory for a declaration") : 0;
}

static int read_section(const struct gr_yaml *yaml, const struct gr_yaml_node *node, json_t *body,
                        struct gr_err *err)
{
    for (size_t s = 0; s < sizeof sections / sizeof sections[0]; s++) {
        if (!gr_slice_is(node->key, sections[s].name)) {
            continue;
        }
        if (node->type != GR_YAML_SEQUENCE) {
            return gr_yaml_fail(yaml, node, err, "%s: expected a list", sections[s].name);
        }
        json_t *list = json_array();
        int code = gr_json_set(body, sections[s].name, list);
        for (const struct gr_yaml_node *entry = node->first; code == 0 && entry != NULL;
             entry = entry->next) {
            code = read_entry(yaml, &sections[s], entry, list, err);
        }
        return code == -ENOMEM ? gr_fail(err, -ENOMEM, "not enough memory for a declaration")
                               : code;
    }
    return fail_key(yaml, node, section_words, err);
}

static int read_file(const char *path, json_t **ret_body, struct gr_err *err)
{
    struct gr_yaml *yaml = NULL;
    int code = gr_yaml_open(strcmp(path, "-") == 0 ? "/dev/stdin" : path, &yaml, err);
    if (code < 0) {
        return code;
    }
    const struct gr_yaml_node *root = gr_yaml_root(yaml);
    json_t *body = json_object();
    if (root->type != GR_YAML_MAPPING) {
        code = gr_yaml_fail(yaml, root, err, "expected organisations, users or nodes");
    }
    for (const struct gr_yaml_node *node = root->first; code == 0 && node != NULL;
         node = node->next) {
        code = read_section(yaml, node, body, err);
    }
    gr_yaml_close(yaml);
    if (code < 0) {
        json_decref(body);
        return code;
    }
    *ret_body = body;
    return 0;
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
    printf("%zu %s, %" PRId64 " unchanged\n", json_array_size(changed),
           request->dry_run ? "would change" : "changed",
           gr_cli_get_int_or(answer, "unchanged", 0));
    return 0;
}

static int apply(struct request *request)
{
    struct gr_client_path path;
    struct gr_err err;
    json_t *body = NULL;
    json_t *answer = NULL;
    gr_err_init(&err);
    gr_client_path_init(&path, "/v1/apply");
    gr_client_path_query(&path, "dry_run", request->dry_run ? "true" : NULL);
    int code = read_file(request->file, &body, &err);
    code =
        code < 0 ? code : gr_client_post(request->remote.client, &path, body, NULL, &answer, &err);
    code = code < 0 ? code : say(request, answer, &err);
    json_decref(body);
    json_decref(answer);
    return code < 0 ? gr_cli_remote_fail(&request->remote, &err) : gr_cli_finish("apply");
}

static const char details[] = "The file:\n"
                              "  organisations:\n"
                              "    - {name: lab, parent: owner, role: owner, seat: CN}\n"
                              "  users:\n"
                              "    - {name: alice, organisation: lab}\n"
                              "  nodes:\n"
                              "    - {name: host, state: drained, why: new fans on Friday}\n";

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
        .about = "Declares organisations, who belongs to which, and which nodes take work. What is "
                 "so already stays; applying a file twice changes nothing the second time. What "
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
    .summary = "declare organisations, users and states of nodes",
    .run = run,
};
