// Job files: see spec_yaml.h.
#include "codec/spec_yaml.h"

#include "base/file.h"
#include "base/yaml.h"
#include "codec/spec_read.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// Reads the jobs of `list`, or the one job `root` if `list` is NULL, into the arena.
static int read_jobs(struct gr_spec_input *input, const struct gr_document *document,
                     const struct gr_value *root, const struct gr_value *list,
                     struct gr_spec_file *ret_file, struct gr_err *err)
{
    uint32_t count = list == NULL ? 1 : list->count;
    struct gr_spec *specs = gr_arena_take(input->arena, count * sizeof *specs);
    const struct gr_value **siblings = gr_arena_take(input->arena, count * sizeof *siblings);
    const struct gr_value *job = list == NULL ? root : list->first;
    if (specs == NULL || siblings == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory for the jobs of %s", input->name);
    }
    for (uint32_t i = 0; i < count; i++, job = job->next) {
        struct gr_spec_reader reader = {.input = input,
                                        .document = document,
                                        .siblings = list == NULL ? NULL : siblings,
                                        .sibling_count = i,
                                        .err = err};
        int code = gr_spec_read(&reader, job, &specs[i]);
        if (code < 0) {
            return code;
        }
        siblings[i] = job;
    }
    *ret_file = (struct gr_spec_file){specs, count};
    return 0;
}

// Two jobs of a file cannot share a name: nobody could say which one is waited for.
static int check_names(const struct gr_document *document, const struct gr_value *list,
                       struct gr_err *err)
{
    for (const struct gr_value *job = list->first; job != NULL; job = job->next) {
        const struct gr_value *name = gr_value_find(job, gr_slice_of("name"));
        for (const struct gr_value *earlier = list->first; earlier != job && name != NULL;
             earlier = earlier->next) {
            const struct gr_value *other = gr_value_find(earlier, gr_slice_of("name"));
            if (other != NULL && name->text.size > 0 && gr_slice_equal(other->text, name->text)) {
                return gr_document_fail(document, name, false, err,
                                        "name: an earlier job of the file has this name (line %u)",
                                        other->line);
            }
        }
    }
    return 0;
}

static int read_document(struct gr_spec_input *input, const struct gr_document *document,
                         struct gr_spec_file *ret_file, struct gr_err *err)
{
    const struct gr_value *root = document->root;
    const struct gr_value *list = gr_value_find(root, gr_slice_of("jobs"));
    if (list == NULL) {
        return read_jobs(input, document, root, NULL, ret_file, err);
    }
    snprintf(input->field, GR_SPEC_FIELD_SIZE, "jobs");
    if (root->count > 1) {
        const struct gr_value *other = root->first == list ? list->next : root->first;
        return gr_document_fail(document, other, true, err,
                                "found a key beside 'jobs', expected it inside one of the jobs");
    }
    if (list->type != GR_VALUE_LIST || list->count == 0 || list->count > GR_SPEC_FILE_MAX) {
        return gr_document_fail(document, list, false, err, "jobs: expected a list of 1 to %d jobs",
                                GR_SPEC_FILE_MAX);
    }
    int code = check_names(document, list, err);
    return code < 0 ? code : read_jobs(input, document, root, list, ret_file, err);
}

int gr_spec_file_read_bytes(struct gr_spec_input *input, const char *bytes, size_t size,
                            struct gr_spec_file *ret_file, struct gr_err *err)
{
    struct gr_err inner = {0};
    struct gr_document document;
    struct gr_yaml *yaml = NULL;
    assert(input != NULL && input->arena != NULL && input->name != NULL && ret_file != NULL);
    input->field[0] = '\0';
    int code = gr_yaml_open_bytes(input->name, bytes, size, &yaml, &inner);
    code =
        code < 0 ? code : gr_document_take_yaml(input->name, yaml, input->arena, &document, &inner);
    code = code < 0 ? code : read_document(input, &document, ret_file, &inner);
    gr_yaml_close(yaml);
    return code < 0 ? gr_fail(err, code, "%s", inner.text) : 0;
}

int gr_spec_file_read(struct gr_spec_input *input, const char *path, struct gr_spec_file *ret_file,
                      struct gr_err *err)
{
    char *bytes = NULL;
    size_t size = 0;
    struct gr_spec_input named = *input;
    int code = gr_file_read(path, GR_YAML_SIZE_MAX, &bytes, &size, err);
    if (code < 0) {
        return code;
    }
    named.name = path;
    code = gr_spec_file_read_bytes(&named, bytes, size, ret_file, err);
    memcpy(input->field, named.field, sizeof input->field);
    free(bytes);
    return code;
}

// ---- references within a file -------------------------------------------------------------------

bool gr_spec_has_sibling(const struct gr_spec *spec)
{
    for (uint32_t i = 0; i < spec->after_count; i++) {
        if (spec->after[i].job >> 63 != 0) {
            return true;
        }
    }
    return false;
}

int gr_spec_link(struct gr_spec *spec, const uint64_t *ids, struct gr_arena *arena)
{
    if (!gr_spec_has_sibling(spec)) {
        return 0;
    }
    struct gr_spec_after *after = gr_arena_take(arena, spec->after_count * sizeof *after);
    if (after == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < spec->after_count; i++) {
        after[i] = spec->after[i];
        if (after[i].job >> 63 != 0) {
            after[i].job = ids[after[i].job ^ GR_SPEC_SIBLING(0)];
            assert(after[i].job != 0);
        }
    }
    spec->after = after;
    return 0;
}

// ---- writing ------------------------------------------------------------------------------------

// Each field on a line of its own, its value in the form that YAML shares with JSON.
char *gr_spec_to_yaml(const struct gr_spec *spec, uint32_t show)
{
    json_t *object = gr_spec_to_json(spec, show);
    char *text = NULL;
    size_t size = 0;
    FILE *file = object == NULL ? NULL : open_memstream(&text, &size);
    bool failed = file == NULL;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (!failed) {
            fprintf(file, "%s: ", key);
            failed = json_dumpf(value, file, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) != 0;
            fputc('\n', file);
        }
    }
    failed = file == NULL || fclose(file) != 0 || failed;
    json_decref(object);
    if (failed) {
        free(text);
        return NULL;
    }
    return text;
}
