// What is no JSON, or no spec that may be, is refused with its place; and a spec is shown as JSON.
#include "codec/spec_json.h"

#include "codec/spec_fields.h"
#include "codec/value.h"
#include "model/demand.h"
#include "model/spec_bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gr_arena arena;
static struct gr_spec_input input = {.arena = &arena};

// Reads `{"command": ["x"], ...}` with the fields put in.
static int read_fields(const char *fields, struct gr_spec *spec, struct gr_err *err)
{
    char *text = NULL;
    assert_true(asprintf(&text, "{\"command\":[\"x\"]%s%s}", fields[0] == '\0' ? "" : ",", fields) >
                0);
    gr_arena_reset(&arena);
    int code = gr_spec_from_json_bytes(&input, text, strlen(text), spec, err);
    free(text); // the spec must not point to it
    return code;
}

static struct gr_spec good(const char *fields)
{
    struct gr_spec spec;
    struct gr_err err = {0};
    if (read_fields(fields, &spec, &err) < 0) {
        fail_msg("%s: %s", fields, err.text);
    }
    return spec;
}

static void what_is_no_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"", "byte 0: ends too early"},
        {"{\"command\":[\"x\"]", "byte 16: expected ','"},
        {"{\"command\":[\"x\"]}x", "byte 17: expected the end"},
        {"{\"command\":[\"x\",]}", "expected a value"},
        {"{\"command\":[\"x\"],}", "expected a key"},
        {"{command:[\"x\"]}", "byte 1: expected a key"},
        {"{'command':1}", "expected a key"},
        {"{\"command\" 1}", "expected ':'"},
        {"{\"name\":\"\xff\"}", "byte 9: found a byte that is not valid UTF-8"},
        {"{\"name\":\"a\nb\"}", "byte 10: found a control character"},
        {"{\"name\":\"\\u0000\"}", "NUL"},
        {"{\"name\":\"\\ud800\"}", "surrogate"},
        {"{\"name\":\"\\ud800\\u0041\"}", "surrogate"},
        {"{\"name\":\"\\udc00\"}", "surrogate"},
        {"{\"name\":\"\\x41\"}", "after a backslash"},
        {"{\"name\":\"\\u12g4\"}", "hexadecimal"},
        {"{\"name\":\"abc", "the text has no end"},
        {"{\"name\":\"abc\\", "after a backslash"},
        {"{\"name\":\"abc\\\"", "the text has no end"},
        {"{\"tasks\":01}", "a number"},
        {"{\"tasks\":-}", "a number"},
        {"{\"tasks\":1.}", "a number"},
        {"{\"tasks\":1e}", "a number"},
        {"{\"tasks\":+1}", "expected a value"},
        {"{\"tasks\":NaN}", "expected a value"},
        {"{\"tasks\":nul}", "expected a value"},
        {"[1]", "expected a mapping"},
        {"7", "expected a mapping"},
        {"\"x\"", "expected a mapping"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gr_spec spec;
        struct gr_err err = {0};
        size_t size = strlen(cases[i].json);
        char *copy = malloc(size + 1); // of its own, so that a sanitizer sees reads behind it
        memcpy(copy, cases[i].json, size);
        assert_int_equal(gr_spec_from_json_bytes(&input, copy, size, &spec, &err), -EINVAL);
        free(copy);
        print_message("%s: %s\n", cases[i].json, err.text);
        assert_non_null(strstr(err.text, cases[i].text));
    }
}

static void places_are_named_where_there_is_a_file(void **state)
{
    (void)state;
    static const char text[] = "{\n \"command\": [\"x\"],\n \"t\u00e4\": 1}";
    static const char wrong[] = "{\n \"command\": [\"x\"],\n \"tasks\": 0}";
    static const char broken[] = "{\n \"command\": [\"x\"]\n \"tasks\": 0}";
    struct gr_spec spec;
    struct gr_err err = {0};
    input.name = "job.json";
    gr_spec_from_json_bytes(&input, text, sizeof text - 1, &spec, &err);
    assert_true(strncmp(err.text, "job.json:3:2: 't", 16) == 0);
    gr_spec_from_json_bytes(&input, wrong, sizeof wrong - 1, &spec, &err);
    assert_string_equal(err.text,
                        "job.json:3:11: tasks: found 0, expected a whole number from 1 to "
                        "65536");
    gr_spec_from_json_bytes(&input, broken, sizeof broken - 1, &spec, &err);
    assert_string_equal(err.text, "job.json:3:2: expected ',' or '}'");
    input.name = NULL;
}

static void depth_and_number_of_values_have_limits(void **state)
{
    (void)state;
    struct gr_document document;
    struct gr_err err = {0};
    char deep[64];
    for (int depth = GR_VALUE_DEPTH_MAX - 1; depth <= GR_VALUE_DEPTH_MAX + 1; depth++) {
        memset(deep, '[', (size_t)depth);
        memset(deep + depth, ']', (size_t)depth);
        int code = gr_document_read_json(NULL, deep, (size_t)depth * 2, &arena, &document, &err);
        assert_int_equal(code, depth <= GR_VALUE_DEPTH_MAX ? 0 : -EINVAL);
    }
    size_t size = (size_t)1 << 20;
    char *many = malloc(size);
    memset(many, '[', size);
    assert_int_equal(gr_document_read_json(NULL, many, size, &arena, &document, &err), -EINVAL);
    for (size_t count = GR_VALUE_CHILDREN_MAX - 1; count <= GR_VALUE_CHILDREN_MAX + 1; count++) {
        many[0] = '[';
        for (size_t i = 0; i < count; i++) {
            memcpy(many + 1 + 2 * i, i + 1 < count ? "1," : "1]", 2);
        }
        int code = gr_document_read_json(NULL, many, 1 + 2 * count, &arena, &document, &err);
        assert_int_equal(code, count <= GR_VALUE_CHILDREN_MAX ? 0 : -EINVAL);
    }
    size_t at = 0; // 10 lists of 3,500 numbers are more than 32,768 values
    many[at++] = '[';
    for (int list = 0; list < 10; list++) {
        many[at++] = '[';
        for (int i = 0; i < 3500; i++) {
            memcpy(many + at, "1,", 2);
            at += 2;
        }
        memcpy(many + at - 1, "],", 2);
        at++;
    }
    many[at - 1] = ']';
    assert_int_equal(gr_document_read_json(NULL, many, at, &arena, &document, &err), -EINVAL);
    assert_non_null(strstr(err.text, "more than 32768 values"));
    free(many);
    gr_arena_reset(&arena);
}

static void a_spec_that_is_too_large_is_refused(void **state)
{
    (void)state;
    size_t size = GR_SPEC_BYTES_MAX + 1;
    char *text = malloc(size);
    struct gr_spec spec;
    struct gr_err err = {0};
    memset(text, ' ', size);
    static const char job[] = "{\"command\":[\"x\"]}";
    memcpy(text, job, sizeof job - 1);
    assert_int_equal(gr_spec_from_json_bytes(&input, text, size - 1, &spec, &err), 0);
    assert_int_equal(gr_spec_from_json_bytes(&input, text, size, &spec, &err), -EINVAL);
    assert_non_null(strstr(err.text, "more than 1 MiB"));
    free(text);
}

static void lack_of_memory_is_told(void **state)
{
    (void)state;
    static const char job[] =
        "{\"command\":[\"x\",\"\\n\"],\"env\":{\"A\":\"1\"},\"kind\":[\"a\",\"b\"],"
        "\"devices\":1,\"after\":[1,2],\"secrets\":{\"B\":\"/\"},\"name\":\"n\"}";
    unsigned failed = 0;
    for (size_t most = 16;; most += 16) {
        struct gr_arena small;
        struct gr_spec_input little = {.arena = &small};
        struct gr_spec spec;
        struct gr_err err = {0};
        gr_arena_init(&small, most);
        int code = gr_spec_from_json_bytes(&little, job, sizeof job - 1, &spec, &err);
        gr_arena_done(&small);
        if (code == 0) {
            break;
        }
        assert_int_equal(code, -ENOMEM);
        assert_true(err.text[0] != '\0');
        failed++;
    }
    assert_true(failed > 20);
}

static void janssons_trees_are_read_alike(void **state)
{
    (void)state;
    static const char job[] =
        "{\"command\":[\"x\",\"\\u00e4\"],\"cpu\":0.25,\"tasks\":3,\"env\":{\"A\":\"1\"},"
        "\"stop\":{\"signal\":\"INT\"}}";
    json_t *tree = json_loads(job, 0, NULL);
    struct gr_spec spec;
    struct gr_err err = {0};
    assert_int_equal(gr_spec_from_json(&input, tree, &spec, &err), 0);
    assert_int_equal(spec.cpu_milli, 250);
    assert_int_equal(spec.tasks, 3);
    assert_int_equal(spec.stop_signal, 2);
    assert_string_equal(spec.argv.items[1], "\u00e4");
    assert_string_equal(spec.env.items[0], "A=1");
    json_object_set_new(tree, "tasks", json_true());
    assert_int_equal(gr_spec_from_json(&input, tree, &spec, &err), -EINVAL);
    assert_string_equal(err.text, "tasks: found true, expected a whole number from 1 to 65536");
    json_decref(tree);
    json_t *deep = json_array();
    for (int i = 0; i < 20; i++) {
        json_t *outer = json_array();
        json_array_append_new(outer, deep);
        deep = outer;
    }
    assert_int_equal(gr_spec_from_json(&input, deep, &spec, &err), -EINVAL);
    json_decref(deep);
}

static void environment_and_secrets_are_shown_only_if_asked(void **state)
{
    (void)state;
    struct gr_spec spec = good("\"env\":{\"A\":\"1\"},\"secrets\":{\"T\":\"/t\"}");
    static const struct {
        uint32_t show;
        const char *json;
    } cases[] = {
        {0, "{\"command\": [\"x\"]}"},
        {GR_SPEC_SHOW_ENV, "{\"env\": {\"A\": \"1\"}, \"command\": [\"x\"]}"},
        {GR_SPEC_SHOW_SECRETS, "{\"secrets\": {\"T\": \"/t\"}, \"command\": [\"x\"]}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *json = gr_spec_to_json(&spec, cases[i].show);
        char *text = json_dumps(json, 0);
        assert_string_equal(text, cases[i].json);
        free(text);
        json_decref(json);
    }
}

static void the_schema_has_every_field(void **state)
{
    (void)state;
    json_t *schema = gr_spec_schema();
    assert_non_null(schema);
    for (const struct gr_spec_field *field = gr_spec_fields; field->name != NULL; field++) {
        json_t *property = json_object_get(json_object_get(schema, "properties"), field->name);
        assert_non_null(property);
        assert_string_equal(json_string_value(json_object_get(property, "description")),
                            field->help);
    }
    json_decref(schema);
}

static int done(void **state)
{
    (void)state;
    gr_arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_json_is_refused_with_its_place),
        cmocka_unit_test(places_are_named_where_there_is_a_file),
        cmocka_unit_test(depth_and_number_of_values_have_limits),
        cmocka_unit_test(a_spec_that_is_too_large_is_refused),
        cmocka_unit_test(lack_of_memory_is_told),
        cmocka_unit_test(janssons_trees_are_read_alike),
        cmocka_unit_test(environment_and_secrets_are_shown_only_if_asked),
        cmocka_unit_test(the_schema_has_every_field),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
