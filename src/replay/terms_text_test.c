// Tests of terms given as a text.
#include "replay/terms_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void what_is_named_changes_and_the_rest_stays(void **state)
{
    (void)state;
    struct gr_queue_terms terms = gr_terms_default();
    assert_int_equal(gr_terms_read("notice=2m,lost-work-per-hour=1.5", &terms, NULL), 0);
    assert_int_equal(terms.notice_ms, 120000);
    assert_true(terms.lost_per_hour == 1500u * UINT64_C(3600000));
    assert_int_equal(terms.half_life_ms, GR_HALF_LIFE_DEFAULT_MS);
    assert_int_equal(terms.reclaim, GR_RECLAIM_BORROWED);
    assert_int_equal(gr_terms_read("reclaim=nothing,half-life=0,min-run=1h", &terms, NULL), 0);
    assert_int_equal(terms.reclaim, 0);
    assert_int_equal(terms.half_life_ms, 0);
    assert_int_equal(terms.min_run_ms, 3600000);
    assert_int_equal(gr_terms_read("lost-work-per-hour=any", &terms, NULL), 0);
    assert_true(terms.lost_per_hour == GR_ANY_MILLI);
}

static void what_is_wrong_is_quoted_and_nothing_changes(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "notice",
                                        "notice=",
                                        "notice=10",
                                        "notise=1",
                                        "notice=1s,",
                                        "reclaim=all",
                                        "half-life=20000d",
                                        "=1s",
                                        "min-run=-1s",
                                        "lost-work-per-hour=1.2345"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct gr_queue_terms terms = gr_terms_default();
        struct gr_err err;
        gr_err_init(&err);
        assert_true(gr_terms_read(wrong[i], &terms, &err) < 0);
        assert_non_null(strstr(err.text, "--terms: found '"));
        assert_int_equal(terms.notice_ms, GR_NOTICE_DEFAULT_MS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_named_changes_and_the_rest_stays),
        cmocka_unit_test(what_is_wrong_is_quoted_and_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
