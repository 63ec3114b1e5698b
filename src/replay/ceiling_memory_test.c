// Tests of a ceiling when memory runs out: each allocation fails in turn. The sources are included
// here with calloc, malloc and realloc replaced, so that only theirs fail.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static int allocations, failing; // so far; which fails, 0: none

static void *failing_calloc(size_t count, size_t size)
{
    return ++allocations == failing ? NULL : calloc(count, size);
}

static void *failing_malloc(size_t size)
{
    return ++allocations == failing ? NULL : malloc(size);
}

static void *failing_realloc(void *memory, size_t size)
{
    return ++allocations == failing ? NULL : realloc(memory, size);
}

#define calloc failing_calloc
#define malloc failing_malloc
#define realloc failing_realloc
#include "replay/ceiling.c"
#include "replay/ceiling_columns.c"
#include "replay/ceiling_cuts.c"
#undef calloc
#undef malloc
#undef realloc

static const struct gr_ceiling_node_type types[] = {{0, 2, 16000, 40000, 3},
                                                    {1, 4, 48000, 100000, 2}};
static const struct gr_ceiling_demand demands[] = {{1, 810, 3152, 6000, UINT64_MAX},
                                                   {1, 470, 7000, 30000, UINT64_MAX},
                                                   {1, 1000, 11300, 30000, 2}};
static const int64_t counts[] = {100, 120, 140};

// Chooses cuts and solves. Returns the bound, or -errno.
static int64_t bound(struct gr_err *err)
{
    enum { ARRIVALS = 180 };
    static uint32_t arrived[ARRIVALS];
    static bool are_events[ARRIVALS];
    for (uint32_t i = 0; i < ARRIVALS; i++) {
        arrived[i] = i % 3;
        are_events[i] = i >= ARRIVALS - 2;
    }
    const struct gr_ceiling_arrivals arrivals = {arrived, are_events, ARRIVALS};
    struct gr_ceiling *ceiling = NULL;
    struct gr_ceiling_cut cuts[GR_CEILING_CUTS_MAX];
    struct gr_ceiling_question question = {
        .count_sums = counts, .event_count = 2, .cuts = cuts, .rounds_max = 100};
    struct gr_ceiling_answer answer = {0};
    int code =
        gr_ceiling_cuts_choose(demands, 3, &arrivals, counts, cuts, &question.cut_count, err);
    if (code == 0) {
        code = gr_ceiling_new(types, 2, demands, 3, &ceiling, err);
    }
    if (code == 0) {
        code = gr_ceiling_solve(ceiling, &question, &answer, err);
    }
    gr_ceiling_free(ceiling);
    return code < 0 ? code : answer.bound_milli;
}

static void each_lack_of_memory_is_an_error(void **state)
{
    (void)state;
    struct gr_err err;
    gr_err_init(&err);
    int64_t expected = bound(&err);
    int count = allocations;
    assert_true(expected > 0);
    assert_true(count > 30);
    for (int i = 1; i <= count; i++) {
        gr_err_init(&err);
        allocations = 0;
        failing = i;
        assert_int_equal(bound(&err), -ENOMEM);
        assert_true(err.text[0] != '\0');
    }
    failing = 0;
    assert_int_equal(bound(&err), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lack_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
