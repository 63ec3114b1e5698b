// Tests of the JSON helpers: exact numbers, order of keys, the final newline, write errors.
#include "base/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void numbers_and_order_are_kept(void **state)
{
    (void)state;
    json_t *object = json_object();
    int code = gr_json_set_int(object, "z", INT64_MIN);
    code |= gr_json_set_decimal(object, "a", 19450, 3);
    code |= gr_json_set_decimal(object, "whole", 80000, 3);
    code |= gr_json_set_decimal(object, "long", 123456789012345, 3);
    code |= gr_json_set_decimal(object, "longer", -1234567890123456, 3);
    code |= gr_json_set_decimal(object, "longest", INT64_MIN, 9);
    code |= gr_json_set_text(object, "t", gr_slice_of("a\xff\"b"));
    code |= gr_json_set_null(object, "n");
    code |= gr_json_set_bool(object, "b", true);
    json_t *array = json_array();
    code |= gr_json_append(array, json_integer(1));
    code |= gr_json_set(object, "list", array);
    assert_int_equal(code, 0);
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    struct gr_err err;
    assert_int_equal(gr_json_write(object, file, "memory", &err), 0);
    fclose(file);
    assert_string_equal(text,
                        "{\n  \"z\": -9223372036854775808,\n  \"a\": 19.45,\n  \"whole\": 80,\n"
                        "  \"long\": 123456789012.345,\n  \"longer\": -1234567890123,\n"
                        "  \"longest\": -9223372037,\n  \"t\": \"a?\\\"b\",\n  \"n\": null,\n"
                        "  \"b\": true,\n  \"list\": [\n    1\n  ]\n}\n");
    free(text);
    json_decref(object);
}

static void what_terminals_obey_is_escaped(void **state)
{
    (void)state;
    json_t *array = json_array();
    assert_int_equal(gr_json_append(array, gr_json_text(gr_slice_of("\x1b\xc2\x9b"
                                                                    "2J\x7f \xc2\xa0\xc2\xb5"
                                                                    "\xc3\x9b\xc2\x80"))),
                     0);
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_int_equal(gr_json_write(array, file, "memory", NULL), 0);
    fclose(file);
    assert_string_equal(text,
                        "[\n  \"\\u001B\\u009b2J\\u007f \xc2\xa0\xc2\xb5\xc3\x9b\\u0080\"\n]\n");
    free(text);
    json_decref(array);
    struct gr_err err;
    gr_fail(&err, -EINVAL, "\xc2\x9b 2J \xc2\xb5\x1b");
    assert_string_equal(err.text, "?? 2J \xc2\xb5?");
}

static void lack_of_memory_travels_through(void **state)
{
    (void)state;
    assert_int_equal(gr_json_set_int(NULL, "a", 1), -ENOMEM);
    assert_int_equal(gr_json_append(NULL, json_integer(1)), -ENOMEM);
    json_t *object = json_object();
    assert_int_equal(gr_json_set(object, "a", NULL), -ENOMEM);
    json_decref(object);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    json_t *array = json_array();
    struct gr_err err;
    for (int round = 0; round < 2; round++) {
        FILE *file = fopen("/dev/full", "w");
        assert_non_null(file);
        assert_int_equal(gr_json_write(array, file, "/dev/full", &err), -ENOSPC);
        assert_string_equal(err.text, "write /dev/full: No space left on device");
        fclose(file);
        for (int i = 0; i < 100000; i++) {
            json_array_append_new(array, json_integer(i)); // the next round is larger than a buffer
        }
    }
    json_decref(array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_order_are_kept),
        cmocka_unit_test(what_terminals_obey_is_escaped),
        cmocka_unit_test(lack_of_memory_travels_through),
        cmocka_unit_test(a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
