// The nth allocation fails, once or for ever, while specs are read from JSON and from job files and
// written again: each call says -ENOMEM with a text and leaves its result alone, or does the whole
// of its work. Nothing half read is ever taken for a spec.
#include "shim_memory.h"

#include "codec/spec_yaml.h"
#include "model/spec_bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// What is read: long enough for several blocks of an arena.
static char json_text[65536];
static char yaml_text[65536];

static void add(char *text, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void add(char *text, size_t size, const char *fmt, ...)
{
    size_t at = strlen(text);
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(text + at, size - at, fmt, args);
    va_end(args);
    assert_true(length >= 0 && (size_t)length < size - at);
}

static void texts_make(void)
{
    add(json_text, sizeof json_text,
        "{\"name\": \"gang \\u00e9\", \"tasks\": 4, \"kind\": [\"h20\", \"h200\"], \"devices\": 2,"
        " \"memory\": \"80GiB\", \"limit\": \"01:30:00\", \"after\": {\"12\": \"ok\"},"
        " \"requeue\": {\"attempts\": 3, \"on\": [\"node\", \"reclaim\"]},"
        " \"command\": [\"work\", \"-x\"], \"env\": {");
    for (unsigned i = 0; i < 200; i++) {
        add(json_text, sizeof json_text, "%s\"N%u\": \"a \\\"value\\\" with\\nlines\"",
            i == 0 ? "" : ", ", i);
    }
    add(json_text, sizeof json_text, "}}");
    add(yaml_text, sizeof yaml_text,
        "jobs:\n"
        "  - name: first\n"
        "    devices: 0.5\n"
        "    kind: [h20, h200]\n"
        "    memory: 8GiB\n"
        "    script: |\n");
    for (unsigned i = 0; i < 300; i++) {
        add(yaml_text, sizeof yaml_text, "      echo line %u of a script\n", i);
    }
    add(yaml_text, sizeof yaml_text,
        "  - name: second\n"
        "    after: [first: ok, 13: any]\n"
        "    stop: {signal: INT, grace: 5s}\n"
        "    command: [second, \"with \\\"quotes\\\"\"]\n"
        "    env:\n");
    for (unsigned i = 0; i < 100; i++) {
        add(yaml_text, sizeof yaml_text, "      N%u: \"a value \\u00e9\"\n", i);
    }
}

// --- what is tried: each tells what came of it as bytes

// One try. Returns 0, or -ENOMEM with a text if the call has room for one.
typedef int attempt(struct gr_arena *arena, uint8_t *ret_bytes, size_t *ret_size,
                    struct gr_err *err);

// What calls read that are not tried themselves; made with memory.
static json_t *tree;
static struct gr_arena kept;
static struct gr_spec_file kept_file;

static void put_spec(const struct gr_spec *spec, uint8_t *bytes, size_t *size)
{
    long count = gr_spec_encode(spec, bytes + *size, GR_SPEC_BYTES_MAX);
    assert_true(count > 0);
    *size += (size_t)count;
}

// Text of a tree, or NULL if there is none; with memory, for it is not tried how jansson writes.
static char *text_of(json_t *json)
{
    (void)gr_memory_end();
    char *text = json == NULL ? NULL : json_dumps(json, JSON_SORT_KEYS);
    json_decref(json);
    return text;
}

static int put_text(char *text, uint8_t *bytes, size_t *size)
{
    if (text == NULL) {
        return -ENOMEM;
    }
    *size = strlen(text);
    memcpy(bytes, text, *size);
    free(text);
    return 0;
}

static int from_bytes(struct gr_arena *arena, uint8_t *bytes, size_t *size, struct gr_err *err)
{
    struct gr_spec_input input = {.arena = arena, .base = "/"};
    struct gr_spec spec = {.name = "untouched"};
    int code = gr_spec_from_json_bytes(&input, json_text, strlen(json_text), &spec, err);
    if (code == 0) {
        put_spec(&spec, bytes, size);
    } else {
        assert_string_equal(spec.name, "untouched");
    }
    return code;
}

static int from_tree(struct gr_arena *arena, uint8_t *bytes, size_t *size, struct gr_err *err)
{
    struct gr_spec_input input = {.arena = arena, .base = "/"};
    struct gr_spec spec = {.name = "untouched"};
    int code = gr_spec_from_json(&input, tree, &spec, err);
    if (code == 0) {
        put_spec(&spec, bytes, size);
    } else {
        assert_string_equal(spec.name, "untouched");
    }
    return code;
}

static int from_file(struct gr_arena *arena, uint8_t *bytes, size_t *size, struct gr_err *err)
{
    static const uint64_t ids[] = {100, 101};
    struct gr_spec_input input = {.arena = arena, .name = "job.yaml", .base = "/"};
    struct gr_spec_file file = {0};
    int code = gr_spec_file_read_bytes(&input, yaml_text, strlen(yaml_text), &file, err);
    if (code != 0) {
        assert_null(file.specs);
        return code;
    }
    assert_int_equal(file.count, 2);
    assert_true(gr_spec_has_sibling(&file.specs[1]));
    code = gr_spec_link(&file.specs[1], ids, arena);
    if (code != 0) {
        assert_true(gr_spec_has_sibling(&file.specs[1]));
        return gr_fail(err, code, "link");
    }
    put_spec(&file.specs[0], bytes, size);
    put_spec(&file.specs[1], bytes, size);
    return 0;
}

static int to_json(struct gr_arena *arena, uint8_t *bytes, size_t *size, struct gr_err *err)
{
    (void)arena;
    json_t *json = gr_spec_to_json(&kept_file.specs[1], GR_SPEC_SHOW_ENV | GR_SPEC_SHOW_SECRETS);
    int code = put_text(text_of(json), bytes, size);
    return code == 0 ? 0 : gr_fail(err, code, "no JSON");
}

static int to_yaml(struct gr_arena *arena, uint8_t *bytes, size_t *size, struct gr_err *err)
{
    (void)arena;
    char *text = gr_spec_to_yaml(&kept_file.specs[0], GR_SPEC_SHOW_ENV);
    int code = put_text(text, bytes, size);
    return code == 0 ? 0 : gr_fail(err, code, "no YAML");
}

static int schema(struct gr_arena *arena, uint8_t *bytes, size_t *size, struct gr_err *err)
{
    (void)arena;
    json_t *json = gr_spec_schema();
    int code = put_text(text_of(json), bytes, size);
    return code == 0 ? 0 : gr_fail(err, code, "no schema");
}

// --- the sweeps

static uint8_t wanted[4 * GR_SPEC_BYTES_MAX];
static uint8_t got[4 * GR_SPEC_BYTES_MAX];

static void sweep(attempt *call, const char *name, unsigned long least)
{
    size_t wanted_size = 0;
    struct gr_err err;
    struct gr_arena arena;
    gr_err_init(&err);
    gr_arena_init(&arena, 0);
    assert_int_equal(call(&arena, wanted, &wanted_size, &err), 0);
    gr_arena_done(&arena);
    for (unsigned k = 0; k < 2; k++) {
        bool is_reached = true;
        unsigned long nth = 1;
        for (; is_reached; nth++) {
            size_t size = 0;
            gr_err_init(&err);
            gr_arena_init(&arena, 0);
            gr_memory_begin(nth, k == 1);
            int code = call(&arena, got, &size, &err);
            is_reached = gr_memory_end();
            gr_arena_done(&arena);
            if (code == 0 ? size != wanted_size || memcmp(got, wanted, size) != 0
                          : code != -ENOMEM || err.text[0] == '\0' || !is_reached) {
                fail_msg("%s: allocation %lu%s: %d: %s", name, nth, k == 1 ? " and all after" : "",
                         code, err.text);
            }
        }
        assert_true(nth > least);
    }
}

static void reading_a_spec_without_memory_is_refused_whole(void **state)
{
    (void)state;
    sweep(from_bytes, "a spec in JSON", 2);
    sweep(from_tree, "a spec in a tree", 2);
}

static void reading_a_job_file_without_memory_is_refused_whole(void **state)
{
    (void)state;
    sweep(from_file, "a job file", 3);
}

static void writing_a_spec_without_memory_gives_nothing(void **state)
{
    (void)state;
    sweep(to_json, "a spec as JSON", 20);
    sweep(to_yaml, "a spec as a job file", 2);
    sweep(schema, "the schema", 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_a_spec_without_memory_is_refused_whole),
        cmocka_unit_test(reading_a_job_file_without_memory_is_refused_whole),
        cmocka_unit_test(writing_a_spec_without_memory_gives_nothing),
    };
    gr_memory_install();
    texts_make();
    struct gr_err err;
    struct gr_spec_input input = {.arena = &kept, .name = "job.yaml", .base = "/"};
    gr_err_init(&err);
    tree = json_loads(json_text, 0, NULL);
    if (tree == NULL ||
        gr_spec_file_read_bytes(&input, yaml_text, strlen(yaml_text), &kept_file, &err) != 0) {
        printf("what is read is wrong: %s\n", err.text);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(tree);
    gr_arena_done(&kept);
    return failed;
}
