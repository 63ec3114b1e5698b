// Ends of attempts, requests to stop, and what devices out of use do to work.
#include "core/fixture.h"

// A job that may be tried three times, for these reasons, and runs.
static uint64_t run_again(struct fixture *f, unsigned requeue_on)
{
    struct gr_submission submission = {.demand = fixture_demand(1, 1),
                                       .user = UINT32_MAX,
                                       .attempts = 3,
                                       .requeue_on = (uint8_t)requeue_on};
    struct gr_event events[2];
    unsigned count;
    gr_mask_fill(&submission.mask);
    assert_int_equal(gr_decide_submit(f->core, NULL, f->at, &submission, events, &count),
                     GR_REFUSED_NOTHING);
    (void)fixture_apply(f, &events[0], NULL);
    assert_int_equal(fixture_start(f), events[0].sequence);
    return events[0].sequence;
}

static void an_attempt_is_tried_again_for_the_reasons_that_were_asked_for(void **state)
{
    (void)state;
    static const struct {
        unsigned requeue_on;
        enum gr_stop_why stop;
        enum gr_outcome outcome;
        bool again;
    } cases[] = {
        {7, GR_STOP_NOT, GR_OUTCOME_DONE, false},
        {GR_REQUEUE_FAILED, GR_STOP_NOT, GR_OUTCOME_FAILED, true},
        {GR_REQUEUE_FAILED, GR_STOP_NOT, GR_OUTCOME_OUT_OF_MEMORY, true},
        {GR_REQUEUE_NODE | GR_REQUEUE_RECLAIM, GR_STOP_NOT, GR_OUTCOME_FAILED, false},
        {GR_REQUEUE_NODE, GR_STOP_NOT, GR_OUTCOME_LOST, true},
        {GR_REQUEUE_NODE, GR_STOP_NOT, GR_OUTCOME_NODE, true},
        {GR_REQUEUE_FAILED, GR_STOP_NOT, GR_OUTCOME_NOT_STARTED, true},
        {GR_REQUEUE_RECLAIM, GR_STOP_NOT, GR_OUTCOME_RECLAIMED, true},
        {7, GR_STOP_NOT, GR_OUTCOME_TIME_LIMIT, false},
        {7, GR_STOP_NOT, GR_OUTCOME_STOPPED, false},
        {7, GR_STOP_BY_USER, GR_OUTCOME_FAILED, false},
        {7, GR_STOP_TIME_LIMIT, GR_OUTCOME_FAILED, false},
        {7, GR_STOP_IDLE, GR_OUTCOME_LOST, false},
        {GR_REQUEUE_NODE, GR_STOP_NODE, GR_OUTCOME_STOPPED, true},
        {GR_REQUEUE_FAILED, GR_STOP_NODE, GR_OUTCOME_FAILED, false},
        {GR_REQUEUE_RECLAIM, GR_STOP_RECLAIM, GR_OUTCOME_STOPPED, true},
        {7, GR_STOP_RECLAIM, GR_OUTCOME_DONE, false},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct fixture f;
        struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
        fixture_init(&f, &config);
        fixture_node(&f, 8);
        uint64_t job = run_again(&f, cases[c].requeue_on);
        struct gr_event event = gr_decide_stop(f.core, f.at, job, cases[c].stop, 15, 1000);
        if (cases[c].stop != GR_STOP_NOT) {
            struct gr_effect effect;
            assert_int_equal(fixture_apply(&f, &event, &effect), 1);
            assert_int_equal(effect.type, GR_STOP_JOB);
            assert_int_equal(gr_core_job_find(f.core, job)->stop_signal, 15);
            assert_int_equal(gr_core_job_find(f.core, job)->grace_ms, 1000);
        }
        struct gr_ending ending = {.outcome = (uint32_t)cases[c].outcome};
        event = gr_decide_end(f.core, f.at, f.at, job, &ending);
        assert_int_equal(event.type, cases[c].again ? GR_JOB_REQUEUED : GR_JOB_FINISHED);
        (void)fixture_apply(&f, &event, NULL);
        const struct gr_job *row = gr_core_job_find(f.core, job);
        assert_int_equal(row != NULL, cases[c].again);
        if (row != NULL) {
            assert_int_equal(row->stop_why, GR_STOP_NOT);
            assert_int_equal(row->started_ms, 0);
            assert_int_equal(row->attempt, 1);
        }
        fixture_done(&f);
    }
}

static void a_stop_drops_what_does_not_run_and_asks_what_does(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    uint64_t waits = fixture_submit(&f, fixture_demand(1, 1), 0);
    struct gr_event event = gr_decide_stop(f.core, f.at, waits, GR_STOP_BY_USER, 15, 0);
    assert_int_equal(event.type, GR_JOB_DROPPED);
    assert_int_equal(event.dropped.why, GR_REFUSED_BY_USER);
    event = gr_decide_stop(f.core, f.at, 999, GR_STOP_BY_USER, 15, 0);
    assert_int_equal(gr_core_check(f.core, &event), GR_REFUSED_JOB);
    struct gr_ending ending = {0};
    event = gr_decide_end(f.core, f.at, f.at, 999, &ending);
    assert_int_equal(gr_core_check(f.core, &event), GR_REFUSED_JOB);
    fixture_done(&f);
}

static void nothing_new_goes_to_devices_out_of_use_and_what_runs_goes_on(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    fixture_node(&f, 4);
    uint64_t runs = fixture_submit(&f, fixture_demand(1, 2), 0);
    assert_int_equal(fixture_start(&f), runs); // devices 0 and 1
    struct gr_event out = fixture_fact(&f, GR_DEVICES_SET);
    out.devices_set.devices = 6; // 1 is held, 2 is free
    out.devices_set.is_out = 1;
    out.devices_set.health = 3;
    (void)fixture_apply(&f, &out, NULL);
    assert_int_equal(gr_core_device_health(f.core, 0, 2), 3);
    assert_int_equal(gr_core_job_find(f.core, runs)->state, GR_JOB_RUNNING);
    uint64_t two = fixture_submit(&f, fixture_demand(1, 2), 0);
    assert_int_equal(fixture_start(&f), 0);
    f.at += 10;
    fixture_finish(&f, runs);
    struct gr_device_time time = gr_core_device_time(f.core);
    assert_int_equal((uint64_t)time.used, 10 * 1000);
    assert_int_equal((uint64_t)time.idle, 10 * 1000);
    assert_int_equal((uint64_t)time.broken, 10 * 2000);
    assert_int_equal(fixture_start(&f), two); // devices 0 and 3
    struct gr_piece piece;
    (void)gr_core_job_pieces(f.core, two, &piece, 1);
    assert_int_equal(piece.devices, 9);
    uint64_t three = fixture_submit(&f, fixture_demand(1, 2), 0);
    assert_int_equal(fixture_start(&f), 0);
    struct gr_event back = fixture_fact(&f, GR_DEVICES_SET);
    back.devices_set.devices = 6;
    (void)fixture_apply(&f, &back, NULL);
    assert_int_equal(fixture_start(&f), three);
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attempt_is_tried_again_for_the_reasons_that_were_asked_for),
        cmocka_unit_test(a_stop_drops_what_does_not_run_and_asks_what_does),
        cmocka_unit_test(nothing_new_goes_to_devices_out_of_use_and_what_runs_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
