// Tests of the launcher's table: thousands in, found by number and by pid, news in order, out.
#include "engine/local/launcher_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 5000u

static void thousands_are_found_until_they_are_dropped(void **state)
{
    (void)state;
    struct launcher_table table;
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(gr_launcher_table_init(&table, &err), 0);
    for (uint32_t i = 1; i <= MANY; i++) {
        struct launcher_attempt *added = gr_launcher_add(&table, i, i % 3);
        assert_non_null(added);
        gr_launcher_pid_set(&table, added, (pid_t)(2 * i));
    }
    assert_int_equal(table.count, MANY);
    for (uint32_t i = 1; i <= MANY; i++) {
        struct launcher_attempt *found = gr_launcher_find(&table, i, i % 3);
        assert_non_null(found);
        assert_ptr_equal(gr_launcher_find_pid(&table, (pid_t)(2 * i)), found);
        assert_null(gr_launcher_find(&table, i, i % 3 + 1));
        assert_null(gr_launcher_find_pid(&table, (pid_t)(2 * i + 1)));
    }
    for (uint32_t i = 1; i <= MANY; i++) {
        gr_launcher_drop(&table, gr_launcher_find(&table, i, i % 3));
        assert_null(gr_launcher_find(&table, i, i % 3));
        assert_null(gr_launcher_find_pid(&table, (pid_t)(2 * i)));
    }
    assert_int_equal(table.count, 0);
    free(table.by_id);
    free(table.by_pid);
}

static void news_come_in_the_order_in_which_they_came_up(void **state)
{
    (void)state;
    struct launcher_table table;
    struct launcher_attempt *made[4];
    struct gr_err err;
    gr_err_init(&err);
    assert_int_equal(gr_launcher_table_init(&table, &err), 0);
    for (uint32_t i = 0; i < 4; i++) {
        made[i] = gr_launcher_add(&table, i, 1);
        gr_launcher_news_add(&table, made[i], NEWS_STARTED);
    }
    gr_launcher_news_add(&table, made[1], NEWS_END); // keeps its place
    gr_launcher_drop(&table, made[2]);
    assert_ptr_equal(table.news_first, made[0]);
    gr_launcher_news_done(&table, made[0]);
    assert_ptr_equal(table.news_first, made[1]);
    assert_int_equal(made[1]->news, NEWS_STARTED | NEWS_END);
    gr_launcher_news_done(&table, made[1]);
    gr_launcher_news_done(&table, made[1]); // twice is once
    assert_ptr_equal(table.news_first, made[3]);
    assert_ptr_equal(table.news_last, made[3]);
    gr_launcher_drop(&table, made[3]);
    assert_null(table.news_first);
    assert_null(table.news_last);
    gr_launcher_drop(&table, made[0]);
    gr_launcher_drop(&table, made[1]);
    free(table.by_id);
    free(table.by_pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_are_found_until_they_are_dropped),
        cmocka_unit_test(news_come_in_the_order_in_which_they_came_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
