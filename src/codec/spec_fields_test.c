// The reference of job files says what the table of fields says, and its examples are job files.
#include "codec/spec_fields.h"

#include "base/file.h"
#include "codec/spec_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DOC GR_SOURCE_ROOT "/docs/formats/job.md"
#define FIRST_DAY GR_SOURCE_ROOT "/examples/first-day/"

static char *doc;

static int load(void **state)
{
    (void)state;
    size_t size;
    struct gr_err err;
    char *bytes;
    if (gr_file_read(DOC, 1 << 20, &bytes, &size, &err) < 0) {
        fail_msg("%s", err.text);
    }
    doc = calloc(1, size + 1);
    memcpy(doc, bytes, size);
    free(bytes);
    return 0;
}

static int done(void **state)
{
    (void)state;
    free(doc);
    return 0;
}

// Appends a text, with each '|' as a table of Markdown wants it.
static void append(char *line, size_t size, const char *text)
{
    size_t used = strlen(line);
    for (; *text != '\0' && used + 3 < size; text++) {
        if (*text == '|') {
            line[used++] = '\\';
        }
        line[used++] = *text;
    }
    line[used] = '\0';
}

static void assert_line(const char *group, const struct gr_spec_field *field)
{
    char line[1024] = "\n| `";
    append(line, sizeof line, group);
    append(line, sizeof line, field->name);
    strcat(line, "` | ");
    append(line, sizeof line, field->value);
    strcat(line, " | ");
    append(line, sizeof line, field->help);
    strcat(line, " |\n");
    if (strstr(doc, line) == NULL) {
        fail_msg("docs/formats/job.md lacks this line:%s", line);
    }
}

static void the_reference_has_every_field(void **state)
{
    (void)state;
    for (const struct gr_spec_field *field = gr_spec_fields; field->name != NULL; field++) {
        assert_line("", field);
        for (const struct gr_spec_field *inner = field->fields;
             inner != NULL && inner->name != NULL; inner++) {
            char group[64];
            snprintf(group, sizeof group, "%s.", field->name);
            assert_line(group, inner);
        }
    }
}

static void the_reference_has_no_other_field(void **state)
{
    (void)state;
    for (char *at = strstr(doc, "\n| `"); at != NULL; at = strstr(at + 1, "\n| `")) {
        char name[64] = "";
        sscanf(at + 4, "%63[^`]", name);
        char *point = strchr(name, '.');
        if (point != NULL) {
            *point = '\0';
        }
        const struct gr_spec_field *field = gr_spec_fields;
        while (field->name != NULL && strcmp(field->name, name) != 0) {
            field++;
        }
        if (field->name == NULL) {
            fail_msg("docs/formats/job.md has a line for '%s', which is no field", name);
        }
    }
}

// Every indented block of the reference that begins with a key is a job file.
static void the_examples_of_the_reference_are_job_files(void **state)
{
    (void)state;
    struct gr_arena arena = {0};
    struct gr_spec_input input = {.arena = &arena, .name = DOC, .base = "/"};
    unsigned count = 0;
    char *copy = strdup(doc);
    char *block = calloc(1, strlen(doc) + 1);
    char *rest = copy;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        bool is_code = strncmp(line, "    ", 4) == 0;
        if (is_code) {
            strcat(strcat(block, line + 4), "\n");
            continue;
        }
        if (line[0] != '\0' && block[0] != '\0') {
            struct gr_spec_file file;
            struct gr_err err = {0};
            if (block[0] >= 'a' && block[0] <= 'z' &&
                gr_spec_file_read_bytes(&input, block, strlen(block), &file, &err) < 0) {
                fail_msg("%s\n%s", err.text, block);
            }
            count++;
            block[0] = '\0';
        }
    }
    assert_true(count >= 3);
    free(copy);
    free(block);
    gr_arena_done(&arena);
}

static void the_first_days_jobs_are_job_files(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t jobs;
    } files[] = {{"gang.yaml", 1},
                 {"array.yaml", 3},
                 {"container.yaml", 1},
                 {"fails.yaml", 1},
                 {"too-large.yaml", 1}};
    struct gr_arena arena = {0};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[4096];
        struct gr_spec_input input = {.arena = &arena, .base = "/base"};
        struct gr_spec_file file = {0};
        struct gr_err err = {0};
        snprintf(path, sizeof path, "%s%s", FIRST_DAY, files[i].name);
        if (gr_spec_file_read(&input, path, &file, &err) < 0) {
            fail_msg("%s", err.text);
        }
        assert_int_equal(file.count, files[i].jobs);
        for (uint32_t job = 0; job < file.count; job++) {
            assert_true(file.specs[job].name[0] != '\0');
            assert_true(file.specs[job].limit_ms > 0); // none may stay for ever
        }
    }
    gr_arena_done(&arena);
}

static void other_words_lead_to_fields(void **state)
{
    (void)state;
    assert_string_equal(gr_spec_other_word(gr_slice_of("gpus")), "'devices'");
    assert_string_equal(gr_spec_other_word(gr_slice_of("GPUs")), "'devices'");
    assert_string_equal(gr_spec_other_word(gr_slice_of("time-limit")), "'limit'");
    assert_string_equal(gr_spec_other_word(gr_slice_of("timelimit")), "'limit'");
    assert_string_equal(gr_spec_other_word(gr_slice_of("cpusPerTask")), "'cpu'");
    assert_null(gr_spec_other_word(gr_slice_of("gpu_s")));
    assert_null(gr_spec_other_word(gr_slice_of("")));
    assert_null(gr_spec_other_word(gr_slice_of("timelimits")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_has_every_field),
        cmocka_unit_test(the_reference_has_no_other_field),
        cmocka_unit_test(the_examples_of_the_reference_are_job_files),
        cmocka_unit_test(the_first_days_jobs_are_job_files),
        cmocka_unit_test(other_words_lead_to_fields),
    };
    return cmocka_run_group_tests(tests, load, done);
}
