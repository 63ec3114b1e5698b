// Tests of kinds: the shipped file, inline kinds, ranks, and what loading refuses.
#include "model/kind.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gr_catalogue catalogue;
static struct gr_kinds kinds;

static int load_all(void **state)
{
    (void)state;
    struct gr_err err;
    return gr_catalogue_load(NULL, &catalogue, &err) < 0 ||
           gr_kinds_load(NULL, &catalogue, &kinds, &err) < 0;
}

static int done_all(void **state)
{
    (void)state;
    gr_kinds_done(&kinds);
    gr_catalogue_done(&catalogue);
    return 0;
}

// The ids of variants, separated by blanks.
static const char *ids(const uint16_t *variants, size_t count)
{
    static char text[4096];
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : " ",
                 catalogue.variants[variants[i]].text[GR_VARIANT_ID]);
    }
    return text;
}

static void assert_resolves(const char *text, enum gr_kind_order order, const char *expected)
{
    struct gr_err err;
    struct gr_kind kind;
    assert_int_equal(gr_kind_resolve(&catalogue, &kinds, gr_slice_of(text), &kind, &err), 0);
    assert_int_equal(kind.order, order);
    assert_string_equal(ids(kind.variants, kind.count), expected);
}

static void a_name_or_a_list_or_a_set_resolves(void **state)
{
    (void)state;
    assert_resolves("h20", GR_KIND_LISTED, "nv-h20-96");
    assert_resolves("H200|nv-h100", GR_KIND_LISTED, "nv-h200 nv-h100");
    assert_resolves("any-h20", GR_KIND_LISTED, "nv-h20-96 nv-h20-141");
    assert_resolves("cheapest:h100|h20", GR_KIND_CHEAPEST, "nv-h100 nv-h20-96");
    assert_resolves("h20-141|any-h20", GR_KIND_LISTED, "nv-h20-141 nv-h20-96");
}

static void a_set_inside_a_list_comes_in_its_own_order(void **state)
{
    (void)state;
    // any-decoder is "whichever is cheapest": known prices first
    assert_resolves("l4|any-decoder", GR_KIND_LISTED,
                    "nv-l4 nv-h20-96 amd-mi300x nv-h200 nv-h20-141 amd-mi325x");
}

static void the_cheapest_comes_first_and_unknown_prices_last(void **state)
{
    (void)state;
    const struct gr_kind *kind = gr_kinds_find(&kinds, gr_slice_of("ANY-decoder"));
    uint16_t ranked[GR_KIND_VARIANTS_MAX];
    assert_non_null(kind);
    gr_kind_rank(kind, &catalogue, ranked);
    assert_string_equal(ids(ranked, kind->count),
                        "nv-h20-96 amd-mi300x nv-h200 nv-h20-141 amd-mi325x");
    kind = gr_kinds_find(&kinds, gr_slice_of("any-hopper"));
    gr_kind_rank(kind, &catalogue, ranked);
    assert_memory_equal(ranked, kind->variants, kind->count * sizeof ranked[0]);
}

static void what_is_unknown_is_refused_with_a_suggestion(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"h2o", "there is no variant or kind 'h2o', perhaps 'h20' is meant"},
        {"any-hoper", "there is no variant or kind 'any-hoper', perhaps 'any-hopper' is meant"},
        {"h20|", "found a blank name, expected a variant or kind, or several with one '|' between "
                 "them"},
        {"",
         "found a blank name, expected a variant or kind, or several with one '|' between them"},
        {"cheapest:", "found a blank name, expected a variant or kind, or several with one '|' "
                      "between them"},
        {"qqqqqqqqq", "there is no variant or kind 'qqqqqqqqq'; `granary catalogue` and `granary "
                      "catalogue kinds` list them"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gr_err err;
        struct gr_kind kind = {.count = 7};
        assert_int_equal(
            gr_kind_resolve(&catalogue, &kinds, gr_slice_of(cases[i].text), &kind, &err), -EINVAL);
        assert_string_equal(err.text, cases[i].error);
        assert_int_equal(kind.count, 7);
    }
}

static void a_wrong_file_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"", "f:1:1: found an empty file, expected a mapping"},
        {"[]", "f:1:1: found a list, expected a mapping with kinds"},
        {"{}", "f:1:1: found no key 'kinds', expected it"},
        {"kind: {}", "f:1:1: found the unknown key 'kind', expected perhaps kinds"},
        {"kinds: []", "f:1:8: found a list, expected a mapping of names to kinds"},
        {"kinds:\n  Big: {any-of: [h20]}",
         "f:2:3: found 'Big', expected a name: up to 47 of a-z 0-9 . - +, first a letter or digit"},
        {"kinds:\n  h20: {any-of: [h20]}",
         "f:2:3: found 'h20', expected a name that no variant of the catalogue has"},
        {"kinds:\n  x: [h20]",
         "f:2:6: found a list, expected a mapping with any-of, order and summary"},
        {"kinds:\n  x:\n",
         "f:2:5: found nothing, expected a mapping with any-of, order and summary"},
        {"kinds:\n  x: {anyof: [h20]}",
         "f:2:7: found the unknown key 'anyof', expected perhaps any-of"},
        {"kinds:\n  x: {order: listed}", "f:2:3: found no any-of, expected it in a kind"},
        {"kinds:\n  x: {any-of: h20}", "f:2:15: found a text, expected a list of variants"},
        {"kinds:\n  x: {any-of: []}", "f:2:15: found an empty list, expected a variant"},
        {"kinds:\n  x: {any-of: [h20, [h100]]}",
         "f:2:21: found a list, expected a variant's id or name"},
        {"kinds:\n  x: {any-of: [h20, h10o]}",
         "f:2:21: found 'h10o', expected the id or name of a variant, perhaps h100"},
        {"kinds:\n  x: {any-of: [h20, nv-h20-96]}",
         "f:2:21: found 'nv-h20-96' again, expected each variant once"},
        {"kinds:\n  x: {any-of: [h20], order: best}",
         "f:2:29: found 'best', expected listed, cheapest or fastest"},
        {"kinds:\n  x: {any-of: [h20], summary: \"a\\nb\"}",
         "f:2:31: found a longer text, expected one line of at most 127 bytes"},
        {"kinds:\n  x: {any-of: [h20]}\n  x: {any-of: [h100]}",
         "f:3:3: found the key 'x' again, expected it once (line 2 has it)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gr_err err;
        struct gr_kinds loaded = {.count = 7};
        assert_int_equal(gr_kinds_load_bytes("f", cases[i].text, strlen(cases[i].text), &catalogue,
                                             &loaded, &err),
                         -EINVAL);
        assert_string_equal(err.text, cases[i].error);
        assert_int_equal(loaded.count, 7);
    }
}

static void a_file_without_kinds_is_allowed(void **state)
{
    (void)state;
    struct gr_err err;
    struct gr_kinds loaded = {.count = 7};
    assert_int_equal(gr_kinds_load_bytes("f", "kinds: {}", 9, &catalogue, &loaded, &err), 0);
    assert_int_equal(loaded.count, 0);
    gr_kinds_done(&loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_or_a_list_or_a_set_resolves),
        cmocka_unit_test(a_set_inside_a_list_comes_in_its_own_order),
        cmocka_unit_test(the_cheapest_comes_first_and_unknown_prices_last),
        cmocka_unit_test(what_is_unknown_is_refused_with_a_suggestion),
        cmocka_unit_test(a_wrong_file_is_refused_with_its_place),
        cmocka_unit_test(a_file_without_kinds_is_allowed),
    };
    return cmocka_run_group_tests(tests, load_all, done_all);
}
