// Tests of estimates that are checked: a band holds what it says, whatever the truth is, and what
// comes first, late or damaged does no harm.
#include "daemon/estimates.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE INT64_C(60000)
#define JOBS 6000

static struct gr_estimates estimates;
static uint64_t random_state;

// A wait as part of its scale, in thousandths: 50 to 6,400, each doubling as likely as the others.
static int64_t ratio_draw(void)
{
    int64_t ratio = 50;
    for (unsigned i = (unsigned)(gr_rng_next(&random_state) % 7); i > 0; i--) {
        ratio *= 2;
    }
    return ratio + (int64_t)(gr_rng_next(&random_state) % (uint64_t)ratio);
}

// Jobs that come once a second, of which those that may be watched are, and start when they do.
struct stream {
    int64_t start_ms[JOBS]; // 0: not watched, or started
    uint32_t counts[GR_ESTIMATE_OUTCOMES];
    int64_t widest_ms; // of all bands that were told
};

// `from`..`to`: jobs. `ratio`: of job and class.
static void stream_run(struct stream *stream, uint32_t from, uint32_t to,
                       int64_t (*ratio)(uint32_t job, unsigned class))
{
    for (uint32_t job = from; job < to; job++) {
        int64_t now_ms = job * INT64_C(1000);
        for (uint32_t j = 1; j < job; j++) {
            if (stream->start_ms[j] != 0 && stream->start_ms[j] <= now_ms) {
                gr_estimates_started(&estimates, j, stream->start_ms[j]);
                stream->start_ms[j] = 0;
            }
        }
        unsigned class = (unsigned)(gr_rng_next(&random_state) % GR_ESTIMATES_CLASSES);
        int64_t scale_ms = 1000 + (int64_t)(gr_rng_next(&random_state) % (2 * MINUTE));
        struct gr_estimate_band band = {scale_ms / 8, scale_ms / 2, scale_ms}, told;
        (void)gr_estimates_band(&estimates, class, now_ms, &band, &told);
        stream->widest_ms = told.latest_ms > stream->widest_ms ? told.latest_ms : stream->widest_ms;
        if (gr_estimates_watch(&estimates, job, now_ms, class, &band)) {
            stream->start_ms[job] = now_ms + 1 + scale_ms * ratio(job, class) / 1000;
            int64_t wait_ms = stream->start_ms[job] - now_ms;
            stream->counts[wait_ms < told.earliest_ms ? GR_ESTIMATE_EARLY
                           : wait_ms > told.latest_ms ? GR_ESTIMATE_LATE
                                                      : GR_ESTIMATE_INSIDE]++;
        }
    }
}

static struct stream *stream_begin(uint64_t seed)
{
    static struct stream stream;
    memset(&stream, 0, sizeof stream);
    gr_estimates_init(&estimates);
    random_state = seed;
    return &stream;
}

// Percent of what a stream told from some time on that came true.
static uint32_t inside_percent(const struct stream *stream)
{
    uint32_t all = stream->counts[0] + stream->counts[1] + stream->counts[2];
    assert_true(all > 0);
    return (stream->counts[GR_ESTIMATE_INSIDE] * 100 + all / 2) / all;
}

static void count_anew(struct stream *stream)
{
    memset(stream->counts, 0, sizeof stream->counts);
}

static void assert_between(uint32_t value, uint32_t low, uint32_t high)
{
    if (value < low || value > high) {
        fail_msg("%u is not between %u and %u", value, low, high);
    }
}

static int64_t any_ratio(uint32_t job, unsigned class)
{
    (void)job, (void)class;
    return ratio_draw();
}

// Gangs wait eight times as long as was thought, what is guessed ends at a quarter.
static int64_t ratio_of_class(uint32_t job, unsigned class)
{
    (void)job;
    return ratio_draw() * ((class & GR_ESTIMATES_GANG) != 0 ? 8 : 1) /
           ((class & GR_ESTIMATES_GUESSED) != 0 ? 4 : 1);
}

// After job 3,000 all wait four times as long.
static int64_t ratio_that_changes(uint32_t job, unsigned class)
{
    (void)class;
    return ratio_draw() * (job > 3000 ? 4 : 1);
}

static void four_of_five_bands_hold_the_start_once_enough_were_checked(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct stream *stream = stream_begin(seed);
        struct gr_estimates_sum sum;
        stream_run(stream, 1, 1500, any_ratio);
        count_anew(stream);
        stream_run(stream, 1500, JOBS, any_ratio);
        assert_between(inside_percent(stream), GR_ESTIMATES_STATED - 3, GR_ESTIMATES_STATED + 3);
        gr_estimates_sum(&estimates, JOBS * INT64_C(1000), &sum);
        assert_int_equal(sum.checked, GR_ESTIMATES_KEPT);
        assert_between(sum.inside_percent, GR_ESTIMATES_STATED - 5, GR_ESTIMATES_STATED + 5);
        assert_in_range(sum.error_percent + 100, 70, 140); // half before what is likely
    }
}

static void each_class_has_a_band_of_its_own(void **state)
{
    (void)state;
    struct stream *stream = stream_begin(11);
    struct gr_estimates_sum sum;
    stream_run(stream, 1, 3000, ratio_of_class);
    count_anew(stream);
    stream_run(stream, 3000, JOBS, ratio_of_class);
    assert_between(inside_percent(stream), GR_ESTIMATES_STATED - 4, GR_ESTIMATES_STATED + 4);
    gr_estimates_sum(&estimates, JOBS * INT64_C(1000), &sum);
    assert_true(sum.classes[GR_ESTIMATES_GANG].middle > sum.classes[0].middle * 4);
    assert_true(sum.classes[GR_ESTIMATES_GUESSED].middle * 2 < sum.classes[0].middle);
}

static void bands_follow_when_the_pool_changes(void **state)
{
    (void)state;
    struct stream *stream = stream_begin(21);
    stream_run(stream, 1, 5000, ratio_that_changes);
    count_anew(stream);
    stream_run(stream, 5000, JOBS, ratio_that_changes);
    assert_between(inside_percent(stream), GR_ESTIMATES_STATED - 6, GR_ESTIMATES_STATED + 6);
}

static void who_starts_soon_is_heard_of_first_and_makes_no_band_too_short(void **state)
{
    (void)state;
    struct stream *stream = stream_begin(31);
    stream_run(stream, 1, 400, any_ratio); // a quarter of them has not started yet
    count_anew(stream);
    stream_run(stream, 400, 700, any_ratio);
    uint32_t all = stream->counts[0] + stream->counts[1] + stream->counts[2];
    assert_true(stream->counts[GR_ESTIMATE_LATE] * 100 < all * 18);
}

static void before_enough_were_checked_the_convention_is_told(void **state)
{
    (void)state;
    const struct gr_estimate_band band = {10000, 40000, 80000};
    struct gr_estimate_band told;
    struct gr_estimates_sum sum;
    gr_estimates_init(&estimates);
    for (uint64_t job = 1; estimates.kept.count < GR_ESTIMATES_ENOUGH; job++) {
        assert_int_equal(gr_estimates_band(&estimates, 0, 0, &band, &told), GR_FROM_CONVENTION);
        assert_memory_equal(&told, &band, sizeof band);
        assert_true(gr_estimates_watch(&estimates, job, 0, GR_ESTIMATES_GANG, &band));
        assert_false(gr_estimates_watch(&estimates, job, 0, 0, &band)); // once is enough
        gr_estimates_started(&estimates, job, 20000);
    }
    assert_int_equal(gr_estimates_band(&estimates, 0, 0, &band, &told), GR_FROM_ALL);
    assert_int_equal(told.likely_ms, 20000);
    assert_int_equal(told.latest_ms - told.earliest_ms, 1000);
    assert_int_equal(gr_estimates_band(&estimates, GR_ESTIMATES_GANG, 0, &band, &told),
                     GR_FROM_CLASS);
    gr_estimates_sum(&estimates, 0, &sum);
    assert_int_equal(sum.outcomes[GR_ESTIMATE_INSIDE], GR_ESTIMATES_ENOUGH);
    assert_int_equal(sum.inside_percent, 100);
    assert_int_equal(sum.error_percent, -50);
    assert_int_equal(sum.steps[2], GR_ESTIMATES_ENOUGH); // half of what was likely
}

static void absurd_waits_and_scales_keep_their_bounds(void **state)
{
    (void)state;
    const struct gr_estimate_band bands[] = {
        {0, 0, 0}, {0, 0, INT64_MAX}, {INT64_MAX, INT64_MAX, INT64_MAX}, {1, 1, 1}};
    struct gr_estimate_band told;
    struct gr_estimates_sum sum;
    gr_estimates_init(&estimates);
    for (uint64_t job = 1; job <= 4000; job++) {
        (void)gr_estimates_watch(&estimates, job, 1000, (unsigned)(job % 4), &bands[job % 3]);
        if (job % 2 == 0) {
            gr_estimates_started(&estimates, job, job % 4 == 0 ? INT64_MAX : 0); // before it: now
        }
    }
    gr_estimates_asked(&estimates, INT64_MAX - 1000, 0);
    for (unsigned b = 0; b < 4; b++) {
        for (unsigned class = 0; class < GR_ESTIMATES_CLASSES; class ++) {
            (void)gr_estimates_band(&estimates, class, INT64_MAX, &bands[b], &told);
            assert_true(told.earliest_ms >= 0 && told.likely_ms >= told.earliest_ms);
            assert_true(told.latest_ms >= told.likely_ms);
        }
    }
    gr_estimates_sum(&estimates, INT64_MAX, &sum);
    assert_true(sum.checked > 4 * GR_ESTIMATES_ENOUGH);
}

static void who_leaves_unstarted_counts_only_if_it_was_late(void **state)
{
    (void)state;
    const struct gr_estimate_band band = {1000, 4000, 8000};
    gr_estimates_init(&estimates);
    assert_true(gr_estimates_watch(&estimates, 1, 0, 0, &band));
    gr_estimates_left(&estimates, 1, 8000);
    assert_int_equal(estimates.kept.count, 0);
    assert_true(gr_estimates_watch(&estimates, 1, 0, 0, &band));
    gr_estimates_left(&estimates, 1, 8001);
    assert_int_equal(estimates.kept.count, 1);
    assert_int_equal(estimates.kept.rows[0].outcome, GR_ESTIMATE_LATE);
    assert_int_equal(estimates.kept.rows[0].is_open, 1);
    gr_estimates_started(&estimates, 7, 9000); // never watched
    assert_int_equal(estimates.kept.count, 1);
}

static void what_never_starts_is_given_up_as_late(void **state)
{
    (void)state;
    const struct gr_estimate_band band = {1000, 4000, 8000};
    gr_estimates_init(&estimates);
    assert_true(gr_estimates_watch(&estimates, 1, 0, 0, &band));
    gr_estimates_asked(&estimates, 64 * 8000 - 1000, 0);
    assert_int_equal(estimates.kept.count, 0);
    gr_estimates_asked(&estimates, 64 * 8000, 0);
    assert_int_equal(estimates.kept.count, 1);
    assert_int_equal(estimates.kept.rows[0].outcome, GR_ESTIMATE_LATE);
}

static void questions_take_a_thousandth_of_the_time(void **state)
{
    (void)state;
    gr_estimates_init(&estimates);
    assert_int_equal(gr_estimates_due(&estimates, 5000), INT64_MAX);
    gr_estimates_offer(&estimates, 1);
    assert_int_equal(gr_estimates_due(&estimates, 5000), 0);
    gr_estimates_asked(&estimates, 5000, 100000); // a tenth of a millisecond
    assert_int_equal(gr_estimates_due(&estimates, 5000), 1000);
    gr_estimates_asked(&estimates, 5000, 7000000);
    assert_int_equal(gr_estimates_due(&estimates, 5001), 6999);
    assert_int_equal(gr_estimates_next(&estimates), 1);
    assert_int_equal(gr_estimates_next(&estimates), 0);
}

static void candidates_are_chosen_evenly_among_many(void **state)
{
    (void)state;
    uint32_t early = 0, taken = 0;
    gr_estimates_init(&estimates);
    for (unsigned round = 0; round < 200; round++) {
        for (uint64_t job = 1; job <= 1000; job++) {
            gr_estimates_offer(&estimates, job);
        }
        for (uint64_t job; (job = gr_estimates_next(&estimates)) != 0;) {
            early += job <= 500;
            taken++;
        }
    }
    assert_int_equal(taken, 200 * GR_ESTIMATES_CANDIDATES);
    assert_between(early * 100 / taken, 47, 53);
}

static void a_file_comes_back_and_no_damaged_byte_does(void **state)
{
    (void)state;
    static uint8_t bytes[GR_ESTIMATES_BYTES], again[GR_ESTIMATES_BYTES];
    static struct gr_estimates other;
    struct stream *stream = stream_begin(41);
    stream_run(stream, 1, 800, any_ratio);
    gr_estimates_save(&estimates, bytes);
    assert_true(gr_estimates_load(&other, bytes, sizeof bytes));
    gr_estimates_save(&other, again);
    assert_memory_equal(bytes, again, sizeof bytes);
    assert_true(other.kept.count > 100);
    assert_false(gr_estimates_load(&other, bytes, sizeof bytes - 1));
    assert_false(gr_estimates_load(&other, bytes, 0));
    for (size_t at = 0; at < sizeof bytes; at += 97) {
        bytes[at] ^= 1;
        assert_false(gr_estimates_load(&other, bytes, sizeof bytes));
        assert_int_equal(other.kept.count, 0);
        bytes[at] ^= 1;
    }
}

static void what_is_whole_but_out_of_range_is_not_taken(void **state)
{
    (void)state;
    static uint8_t bytes[GR_ESTIMATES_BYTES];
    static struct gr_estimates other;
    const struct gr_estimate_band band = {1000, 4000, 8000};
    gr_estimates_init(&estimates);
    assert_true(gr_estimates_watch(&estimates, 1, 0, 0, &band));
    gr_estimates_save(&estimates, bytes);
    assert_true(gr_estimates_load(&other, bytes, sizeof bytes));
    estimates.kept.rows[5].outcome = GR_ESTIMATE_OUTCOMES;
    gr_estimates_save(&estimates, bytes);
    assert_false(gr_estimates_load(&other, bytes, sizeof bytes));
    estimates.kept.rows[5].outcome = 0;
    estimates.kept.next = GR_ESTIMATES_KEPT;
    gr_estimates_save(&estimates, bytes);
    assert_false(gr_estimates_load(&other, bytes, sizeof bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_of_five_bands_hold_the_start_once_enough_were_checked),
        cmocka_unit_test(each_class_has_a_band_of_its_own),
        cmocka_unit_test(bands_follow_when_the_pool_changes),
        cmocka_unit_test(who_starts_soon_is_heard_of_first_and_makes_no_band_too_short),
        cmocka_unit_test(before_enough_were_checked_the_convention_is_told),
        cmocka_unit_test(absurd_waits_and_scales_keep_their_bounds),
        cmocka_unit_test(who_leaves_unstarted_counts_only_if_it_was_late),
        cmocka_unit_test(what_never_starts_is_given_up_as_late),
        cmocka_unit_test(questions_take_a_thousandth_of_the_time),
        cmocka_unit_test(candidates_are_chosen_evenly_among_many),
        cmocka_unit_test(a_file_comes_back_and_no_damaged_byte_does),
        cmocka_unit_test(what_is_whole_but_out_of_range_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
