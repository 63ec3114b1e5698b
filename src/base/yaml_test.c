// Tests of the safe part of YAML: the tree, and the place and words of every refusal.
#include "base/yaml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_tree_keeps_order_and_places(void **state)
{
    (void)state;
    const char text[] = "# a comment\nkinds:\n  fast: [a, \"b c\"]\n  \xc3\xa4: {order: x}\n";
    struct gr_err err;
    struct gr_yaml *yaml = NULL;
    assert_int_equal(gr_yaml_open_bytes("f", text, sizeof text - 1, &yaml, &err), 0);
    const struct gr_yaml_node *root = gr_yaml_root(yaml);
    assert_int_equal(root->type, GR_YAML_MAPPING);
    const struct gr_yaml_node *kinds = gr_yaml_find(root, "kinds");
    assert_non_null(kinds);
    assert_null(gr_yaml_find(root, "kind"));
    const struct gr_yaml_node *fast = kinds->first;
    assert_true(gr_slice_is(fast->key, "fast"));
    assert_int_equal(fast->type, GR_YAML_SEQUENCE);
    assert_true(gr_slice_is(fast->first->next->text, "b c"));
    assert_int_equal(fast->first->next->line, 3);
    assert_int_equal(fast->first->next->column, 13);
    assert_int_equal(fast->next->key_column, 3);
    assert_int_equal(fast->next->column, 6);
    assert_int_equal(gr_yaml_fail(yaml, fast->next, &err, "odd %d", 1), -EINVAL);
    assert_string_equal(err.text, "f:4:6: odd 1");
    static const char *const keys[] = {"fats", NULL};
    assert_int_equal(gr_yaml_expect_keys(yaml, kinds, keys, &err), -EINVAL);
    assert_string_equal(err.text, "f:3:3: found the unknown key 'fast', expected perhaps fats");
    assert_int_equal(gr_yaml_expect(yaml, fast, GR_YAML_MAPPING, "a mapping", &err), -EINVAL);
    assert_string_equal(err.text, "f:3:9: found a list, expected a mapping");
    gr_yaml_close(yaml);
}

static void what_is_not_safe_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"", "f:1:1: found an empty file, expected a mapping"},
        {"# only a comment\n", "f:1:1: found an empty file, expected a mapping"},
        {"a: 1\nb: 2\na: 3\n", "f:3:1: found the key 'a' again, expected it once (line 1 has it)"},
        {"a: &x 1\n", "f:1:4: found an anchor, expected plain values (no anchors or aliases)"},
        {"a: *x\n", "f:1:4: found an alias, expected plain values (no anchors or aliases)"},
        {"a: !!int 1\n", "f:1:4: found a tag, expected plain values (no tags)"},
        {"a: !x [1]\n", "f:1:4: found a tag, expected plain values (no tags)"},
        {"%YAML 1.1\n---\na: 1\n", "f:1:1: found a directive, expected none"},
        {"a: 1\n---\nb: 1\n", "f:2:1: found a second document, expected one"},
        {"? [a]\n: 1\n", "f:1:3: found a list or mapping as a key, expected a text"},
        {"a: \"\\0\"\n", "f:1:4: found a control character in a text, expected none"},
        {"a: \"\\e[2J\"\n", "f:1:4: found a control character in a text, expected none"},
        {"a: \xff\n", "f:1:4: found a byte that is not valid UTF-8"},
        {"a: 1\n\x01", "f:2:1: found a control character, expected text"},
        {"a: 1\nb: \xef\xbf\xbe\n", "f:2:4: not YAML: control characters are not allowed"},
        {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n", "f:1:17: found nesting deeper than 16 levels"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gr_err err;
        struct gr_yaml *yaml = NULL;
        assert_int_equal(gr_yaml_open_bytes("f", cases[i].text, strlen(cases[i].text), &yaml, &err),
                         -EINVAL);
        assert_string_equal(err.text, cases[i].error);
        assert_null(yaml);
    }
}

static void a_mapping_with_too_many_keys_is_refused(void **state)
{
    (void)state;
    enum { KEYS = GR_YAML_CHILDREN_MAX + 1, SIZE = KEYS * 10 };
    char *text = malloc(SIZE);
    size_t used = 0;
    for (int i = 0; i < KEYS; i++) {
        used += (size_t)snprintf(text + used, SIZE - used, "k%d: 1\n", i);
    }
    struct gr_err err;
    struct gr_yaml *yaml = NULL;
    assert_int_equal(gr_yaml_open_bytes("f", text, used, &yaml, &err), -EINVAL);
    assert_string_equal(err.text, "f:10001:1: found more than 10000 entries or items");
    free(text);
}

static void broken_yaml_names_the_line(void **state)
{
    (void)state;
    struct gr_err err;
    struct gr_yaml *yaml = NULL;
    assert_int_equal(gr_yaml_open_bytes("f", "a: [1\nb: 2", 10, &yaml, &err), -EINVAL);
    assert_non_null(strstr(err.text, "f:2:"));
    assert_non_null(strstr(err.text, "not YAML: "));
    assert_int_equal(gr_yaml_open("/nonexistent", &yaml, &err), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_keeps_order_and_places),
        cmocka_unit_test(what_is_not_safe_is_refused_with_its_place),
        cmocka_unit_test(a_mapping_with_too_many_keys_is_refused),
        cmocka_unit_test(broken_yaml_names_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
