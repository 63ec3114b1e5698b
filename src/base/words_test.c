// Tests of words.h and utf8.h: suggestions, lists, quotes, widths.
#include "base/words.h"

#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const words[] = {"vendor", "min-memory-gib", "sort", "kind", NULL};

static const char *nearest(const char *text)
{
    return gr_words_nearest(gr_slice_of(text), words);
}

static void the_nearest_word_is_suggested(void **state)
{
    (void)state;
    assert_string_equal(nearest("vender"), "vendor");
    assert_string_equal(nearest("Vendor"), "vendor");
    assert_string_equal(nearest("vednor"), "vendor");
    assert_string_equal(nearest("min-memory"), "min-memory-gib");
    assert_string_equal(nearest("sort-by"), "sort");
    assert_null(nearest("zzzz"));
    assert_null(nearest(""));
    assert_null(
        nearest("a-very-long-word-that-is-longer-than-any-word-that-could-be-meant-here-at-all"));
}

static void a_list_is_readable_and_cut(void **state)
{
    (void)state;
    char buffer[64];
    assert_string_equal(gr_words_list(words, buffer, sizeof buffer),
                        "vendor, min-memory-gib, sort or kind");
    assert_string_equal(gr_words_list(words, buffer, 12), "vendor, ...");
}

static void a_quote_is_cut_between_characters(void **state)
{
    (void)state;
    char buffer[GR_WORDS_QUOTE_SIZE];
    assert_string_equal(gr_words_quote(gr_slice_of("h20"), buffer), "'h20'");
    assert_string_equal(gr_words_quote((struct gr_slice){NULL, 0}, buffer), "''");
    assert_string_equal(
        gr_words_quote(gr_slice_of("123456789 123456789 123456789 123456789 \xe2\x82\xac"), buffer),
        "'123456789 123456789 123456789 123456789 ...'");
}

static void utf8_is_checked_as_the_standard_says(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5",
                                      "\xe2\x82",
                                      "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(gr_utf8_check(bad[i], strlen(bad[i])), 0);
    }
    const char good[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
    assert_int_equal(gr_utf8_check(good, sizeof good - 1), sizeof good - 1);
    assert_int_equal(gr_utf8_count(good, sizeof good - 1), 4);
    assert_int_equal(gr_utf8_width(good, sizeof good - 1), 5);
    assert_int_equal(gr_utf8_width("e\xcc\x81\xe4\xb8\xad", 6), 3);
    assert_int_equal(gr_utf8_fit(good, sizeof good - 1, 4), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_word_is_suggested),
        cmocka_unit_test(a_list_is_readable_and_cut),
        cmocka_unit_test(a_quote_is_cut_between_characters),
        cmocka_unit_test(utf8_is_checked_as_the_standard_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
