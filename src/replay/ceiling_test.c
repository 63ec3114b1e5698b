// Tests of the solver: its answers, its limits, and what it does when GLPK fails. That no packing
// and no policy exceeds a bound is tested with the checker, in tests/ceiling.
#include "replay/ceiling.h"

#include <errno.h>
#include <glpk.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// An instance in which cpu, memory and models all bind.
static const struct gr_ceiling_node_type types[] = {
    {0, 2, 16000, 40000, 3}, {1, 4, 48000, 100000, 2}, {1, 8, 96000, 393216, 1}};
static const struct gr_ceiling_demand demands[] = {
    {1, 810, 3152, 6000, UINT64_MAX}, {1, 470, 7000, 30000, UINT64_MAX},
    {1, 1000, 11300, 30000, 2},       {1, 230, 4000, 4000, UINT64_MAX},
    {4, 1000, 32000, 60000, 2},       {2, 1000, 12000, 20000, 1}};
static const int64_t counts[] = {10, 12, 14, 20, 2, 2};
#define TYPES 3
#define DEMANDS 6

static struct gr_ceiling *new_sample(void)
{
    struct gr_ceiling *ceiling = NULL;
    assert_int_equal(gr_ceiling_new(types, TYPES, demands, DEMANDS, &ceiling, NULL), 0);
    return ceiling;
}

static int64_t solve(struct gr_ceiling *ceiling, const int64_t *count_sums, int64_t events)
{
    struct gr_ceiling_answer answer;
    const struct gr_ceiling_question question = {
        .count_sums = count_sums, .event_count = events, .rounds_max = 1000};
    assert_int_equal(gr_ceiling_solve(ceiling, &question, &answer, NULL), 0);
    assert_true((double)answer.bound_milli >= answer.lp_milli - 1e-6);
    assert_true((double)answer.bound_milli <= answer.lp_milli + 2);
    return answer.bound_milli;
}

// The certificate as text, which the caller frees.
static char *written(const struct gr_ceiling *ceiling)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(gr_ceiling_write(ceiling, out, NULL), 0);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void the_bound_is_the_optimum_of_the_linear_program(void **state)
{
    (void)state;
    struct gr_ceiling *ceiling = new_sample();
    assert_int_equal(solve(ceiling, counts, 2), 20846);
    gr_ceiling_free(ceiling);
}

static void a_certificate_has_the_form_of_its_document(void **state)
{
    (void)state;
    const struct gr_ceiling_node_type type = {3, 2, 8000, 500, 4};
    const struct gr_ceiling_demand demand = {1, 600, 3000, 100, 0xff};
    const int64_t count_sum = 30;
    struct gr_ceiling *ceiling = NULL;
    assert_int_equal(gr_ceiling_new(&type, 1, &demand, 1, &ceiling, NULL), 0);
    assert_int_equal(solve(ceiling, &count_sum, 3), 4 * 2 * 600);
    char *text = written(ceiling);
    assert_string_equal(text, "granary-ceiling 1\n"
                              "instance 1 1 0 3 4096\n"
                              "node 3 2 8000 500 4 8 0 4915200\n"
                              "demand 1 600 3000 100 ff 30 0\n"
                              "bound 4800\n"
                              "end\n");
    free(text);
    gr_ceiling_free(ceiling);
}

static void a_solver_that_kept_its_columns_answers_as_a_new_one(void **state)
{
    (void)state;
    struct gr_ceiling *warm = new_sample();
    uint64_t random = 7;
    for (int round = 0; round < 60; round++) {
        struct gr_ceiling *cold = new_sample();
        int64_t drawn[DEMANDS];
        for (int j = 0; j < DEMANDS; j++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            drawn[j] = (int64_t)((random >> 33) % 60);
        }
        int64_t expected = solve(cold, drawn, 3);
        assert_in_range(solve(warm, drawn, 3), expected - 2, expected + 2);
        gr_ceiling_free(cold);
    }
    gr_ceiling_free(warm);
}

static void a_cut_lowers_the_bound_for_its_question_only(void **state)
{
    (void)state;
    const struct gr_ceiling_cut cut = {.pivot = 0, .kind = GR_CEILING_CUT_ALL, .beta_milli = 2000};
    const struct gr_ceiling_question question = {
        .count_sums = counts, .event_count = 2, .cuts = &cut, .cut_count = 1, .rounds_max = 1000};
    struct gr_ceiling_answer answer;
    struct gr_ceiling *ceiling = new_sample();
    assert_int_equal(solve(ceiling, counts, 2), 20846);
    assert_int_equal(gr_ceiling_solve(ceiling, &question, &answer, NULL), 0);
    assert_int_equal(answer.bound_milli, 19170);
    char *text = written(ceiling);
    assert_non_null(strstr(text, "\ncut 0 0 2000 0 "));
    free(text);
    assert_in_range(solve(ceiling, counts, 2), 20846, 20848);
    gr_ceiling_free(ceiling);
}

static void few_rounds_give_a_bound_that_says_how_far_it_got(void **state)
{
    (void)state;
    struct gr_ceiling_answer answer;
    struct gr_ceiling_question question = {.count_sums = counts, .event_count = 2, .rounds_max = 1};
    struct gr_ceiling *ceiling = new_sample();
    assert_int_equal(gr_ceiling_solve(ceiling, &question, &answer, NULL), 0);
    assert_false(answer.is_converged);
    assert_true(answer.bound_milli >= 20846);
    question.rounds_max = 1000;
    question.gap_milli = 100;
    assert_int_equal(gr_ceiling_solve(ceiling, &question, &answer, NULL), 0);
    assert_true(answer.is_converged);
    assert_in_range(answer.bound_milli, 20846, 20946);
    gr_ceiling_free(ceiling);
}

static void nothing_to_hold_or_nothing_asked_has_the_ceiling_zero(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct gr_ceiling *ceiling = NULL;
        assert_int_equal(
            gr_ceiling_new(types, i & 1 ? TYPES : 0, demands, i & 2 ? DEMANDS : 0, &ceiling, NULL),
            0);
        assert_true((solve(ceiling, counts, 2) == 0) == (i != 3));
        gr_ceiling_free(ceiling);
    }
}

static void a_demand_that_fits_nowhere_counts_for_nothing(void **state)
{
    (void)state;
    const struct gr_ceiling_demand odd[] = {{1, 500, 16001, 0, 1}, {2, 1000, 0, 0, 4}};
    const int64_t many[] = {100, 100};
    struct gr_ceiling *ceiling = NULL;
    assert_int_equal(gr_ceiling_new(types, TYPES, odd, 2, &ceiling, NULL), 0);
    assert_int_equal(solve(ceiling, many, 1), 0);
    gr_ceiling_free(ceiling);
}

static void what_is_beyond_the_limits_is_refused(void **state)
{
    (void)state;
    struct gr_ceiling *ceiling = NULL;
    struct gr_err err;
    struct gr_ceiling_node_type type = {0, GR_CEILING_DEVICES_MAX + 1, 1000, 1000, 1};
    struct gr_ceiling_demand demand = {2, 500, 0, 0, 1};
    gr_err_init(&err);
    assert_int_equal(gr_ceiling_new(&type, 1, NULL, 0, &ceiling, &err), -EINVAL);
    assert_string_equal(err.text, "node type 0 is beyond the limits of a ceiling");
    type.devices = 2;
    assert_int_equal(gr_ceiling_new(&type, 1, &demand, 1, &ceiling, &err), -EINVAL);
    assert_string_equal(err.text, "demand 0 is beyond the limits of a ceiling");
    assert_null(ceiling);
    ceiling = new_sample();
    const int64_t bad[DEMANDS] = {-1};
    const struct gr_ceiling_cut cut = {.pivot = DEMANDS};
    struct gr_ceiling_answer answer;
    struct gr_ceiling_question question = {.count_sums = bad, .event_count = 1, .rounds_max = 1};
    assert_int_equal(gr_ceiling_solve(ceiling, &question, &answer, &err), -EINVAL);
    assert_string_equal(err.text, "demand 0: found the count -1, expected 0 to 2^40");
    question.count_sums = counts;
    question.event_count = 0;
    assert_int_equal(gr_ceiling_solve(ceiling, &question, &answer, &err), -EINVAL);
    question.event_count = 1;
    question.cuts = &cut;
    question.cut_count = 1;
    assert_int_equal(gr_ceiling_solve(ceiling, &question, &answer, &err), -EINVAL);
    assert_string_equal(err.text, "cut 0 is beyond the limits of a ceiling");
    question.cut_count = GR_CEILING_CUTS_MAX + 1;
    assert_int_equal(gr_ceiling_solve(ceiling, &question, &answer, &err), -EINVAL);
    gr_ceiling_free(ceiling);
}

static void there_is_no_certificate_without_an_answer(void **state)
{
    (void)state;
    struct gr_ceiling *ceiling = new_sample();
    assert_int_equal(gr_ceiling_write(ceiling, stderr, NULL), -ENODATA);
    solve(ceiling, counts, 2);
    FILE *full = fopen("/dev/full", "we");
    assert_non_null(full);
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(gr_ceiling_write(ceiling, full, NULL), -EIO);
    fclose(full);
    gr_ceiling_free(ceiling);
}

static void a_fatal_error_of_glpk_is_an_error_and_the_solver_lives_on(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    static struct gr_ceiling_demand many[MANY];
    static int64_t ones[MANY];
    struct gr_ceiling *ceiling = NULL;
    struct gr_ceiling_answer answer;
    struct gr_err err;
    gr_err_init(&err);
    for (int j = 0; j < MANY; j++) {
        many[j] = (struct gr_ceiling_demand){1, (uint32_t)(10 * (1 + j % 100)), j, j, UINT64_MAX};
        ones[j] = 1;
    }
    const struct gr_ceiling_question question = {
        .count_sums = ones, .event_count = 1, .rounds_max = 5};
    assert_int_equal(gr_ceiling_new(types, TYPES, many, MANY, &ceiling, NULL), 0);
    glp_mem_limit(1); // MiB; beyond it GLPK gives up
    assert_int_equal(gr_ceiling_solve(ceiling, &question, &answer, &err), -EIO);
    assert_memory_equal(err.text, "GLPK failed: ", 13);
    assert_non_null(strstr(err.text, "memory"));
    assert_int_equal(gr_ceiling_write(ceiling, stderr, NULL), -ENODATA);
    // The limit went with GLPK's environment.
    assert_int_equal(gr_ceiling_solve(ceiling, &question, &answer, &err), 0);
    assert_true(answer.bound_milli > 0);
    gr_ceiling_free(ceiling);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_is_the_optimum_of_the_linear_program),
        cmocka_unit_test(a_certificate_has_the_form_of_its_document),
        cmocka_unit_test(a_solver_that_kept_its_columns_answers_as_a_new_one),
        cmocka_unit_test(a_cut_lowers_the_bound_for_its_question_only),
        cmocka_unit_test(few_rounds_give_a_bound_that_says_how_far_it_got),
        cmocka_unit_test(nothing_to_hold_or_nothing_asked_has_the_ceiling_zero),
        cmocka_unit_test(a_demand_that_fits_nowhere_counts_for_nothing),
        cmocka_unit_test(what_is_beyond_the_limits_is_refused),
        cmocka_unit_test(there_is_no_certificate_without_an_answer),
        cmocka_unit_test(a_fatal_error_of_glpk_is_an_error_and_the_solver_lives_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
