// Tests of choosing variants: words, bounds and unknown facts, order, vendors by a part of a name.
#include "cli/catalogue_filter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gr_cli_books books;

static int open_books(void **state)
{
    (void)state;
    struct gr_err err;
    return gr_cli_books_open(NULL, NULL, &books, &err);
}

static int close_books(void **state)
{
    (void)state;
    gr_cli_books_close(&books);
    return 0;
}

// Chooses and returns the ids, separated by blanks; the count of unknown ones is stored.
static const char *choose(const struct gr_cli_filter *filter, size_t *ret_unknown)
{
    static char text[8192];
    struct gr_err err;
    struct gr_cli_choice choice;
    assert_int_equal(gr_cli_choose(&books, filter, &choice, &err), 0);
    text[0] = '\0';
    for (size_t i = 0; i < choice.count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : " ",
                 books.catalogue.variants[choice.variants[i]].text[GR_VARIANT_ID]);
    }
    *ret_unknown = choice.unknown_count;
    gr_cli_choice_done(&choice);
    return text;
}

static void nothing_asked_is_everything_in_the_order_of_the_file(void **state)
{
    (void)state;
    struct gr_err err;
    struct gr_cli_choice choice;
    const struct gr_cli_filter filter = {.is_sorted = false};
    assert_false(gr_cli_filter_is_used(&filter));
    assert_int_equal(gr_cli_choose(&books, &filter, &choice, &err), 0);
    assert_int_equal(choice.count, 107);
    assert_int_equal(choice.variants[106], 106);
    gr_cli_choice_done(&choice);
}

static void an_unknown_fact_keeps_no_bound_and_is_counted(void **state)
{
    (void)state;
    size_t unknown;
    const struct gr_cli_bound bounds[] = {
        {.fact = GR_FACT_MEMORY, .given = true, .value = 64000},
        {.fact = GR_FACT_TDP, .is_max = true, .given = true, .value = 400000},
        {.fact = GR_FACT_PRICE, .is_max = true, .given = false, .value = 1},
    };
    const struct gr_cli_filter filter = {
        .bounds = bounds, .bound_count = 3, .vendors = {.count = 1, .values = {"HYGON"}}};
    // Z100 has 32 GiB and fails; K100 AI and BW1000 keep both
    assert_string_equal(choose(&filter, &unknown), "hy-k100ai hy-bw1000");
    assert_int_equal(unknown, 0);
    const struct gr_cli_filter press = {
        .bounds = bounds, .bound_count = 3, .vendors = {.count = 1, .values = {"bytedance"}}};
    assert_string_equal(choose(&press, &unknown), "");
    assert_int_equal(unknown, 1);
}

static size_t sort_index(const char *word)
{
    size_t i = 0;
    while (strcmp(gr_cli_sort_words[i], word) != 0) {
        i++;
    }
    return i;
}

static void unknown_comes_last_whichever_way_the_order_goes(void **state)
{
    (void)state;
    size_t unknown;
    struct gr_cli_filter filter = {.vendors = {.count = 1, .values = {"biren"}},
                                   .is_sorted = true,
                                   .sort = sort_index("flop-per-byte")};
    assert_string_equal(choose(&filter, &unknown), "br-100 br-104 br-106m");
    filter.reverse = true;
    assert_string_equal(choose(&filter, &unknown), "br-104 br-100 br-106m");
    filter.sort = sort_index("name");
    assert_string_equal(choose(&filter, &unknown), "br-106m br-104 br-100");
    filter.is_sorted = false;
    assert_string_equal(choose(&filter, &unknown), "br-106m br-104 br-100");
}

static void every_word_to_sort_by_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; gr_cli_sort_words[i] != NULL; i++) {
        size_t unknown;
        const struct gr_cli_filter filter = {.name = "h20", .is_sorted = true, .sort = i};
        assert_non_null(strstr(choose(&filter, &unknown), "nv-h20-96"));
    }
}

static void a_vendor_is_known_by_a_word_of_its_name(void **state)
{
    (void)state;
    size_t unknown;
    struct gr_cli_filter filter = {.vendors = {.count = 2, .values = {"baidu", "T-Head"}}};
    assert_string_equal(choose(&filter, &unknown), "ku-r200 ku-p800 al-ppu");
    struct gr_err err;
    struct gr_cli_choice choice;
    filter.vendors.values[1] = "nvida";
    assert_int_equal(gr_cli_choose(&books, &filter, &choice, &err), -EINVAL);
    assert_string_equal(err.text, "--vendor: found 'nvida', expected perhaps NVIDIA");
    filter.vendors.values[1] = "t-hea";
    assert_int_equal(gr_cli_choose(&books, &filter, &choice, &err), -EINVAL);
}

static void kinds_and_names_choose(void **state)
{
    (void)state;
    size_t unknown;
    struct gr_cli_filter filter = {.kind = "h200|any-h20"};
    assert_string_equal(choose(&filter, &unknown), "nv-h20-96 nv-h20-141 nv-h200");
    char *names[] = {(char[]){"h200"}, (char[]){"any-h20"}, (char[]){"h20"}};
    struct gr_err err;
    struct gr_cli_choice choice;
    assert_int_equal(gr_cli_choose_names(&books, names, 3, &choice, &err), 0);
    assert_int_equal(choice.count, 3);
    assert_string_equal(books.catalogue.variants[choice.variants[0]].text[GR_VARIANT_ID],
                        "nv-h200");
    gr_cli_choice_done(&choice);
    filter.kind = "h2oo";
    assert_int_equal(gr_cli_choose(&books, &filter, &choice, &err), -EINVAL);
    assert_non_null(strstr(err.text, "--kind: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked_is_everything_in_the_order_of_the_file),
        cmocka_unit_test(an_unknown_fact_keeps_no_bound_and_is_counted),
        cmocka_unit_test(unknown_comes_last_whichever_way_the_order_goes),
        cmocka_unit_test(every_word_to_sort_by_is_known),
        cmocka_unit_test(a_vendor_is_known_by_a_word_of_its_name),
        cmocka_unit_test(kinds_and_names_choose),
    };
    return cmocka_run_group_tests(tests, open_books, close_books);
}
