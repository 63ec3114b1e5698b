// Tests of decisions: submissions, the order of starts, backfill, the hooks, and limits.
#include "core/fixture.h"

static void what_is_malformed_or_from_nobody_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    uint64_t job = 0;
    struct gr_demand demand = fixture_demand(0, 1);
    assert_int_equal(fixture_ask(&f, NULL, demand, 0, &job), GR_REFUSED_FIELD);
    assert_int_equal(fixture_ask(&f, NULL, fixture_demand(1, 1), -1, &job), GR_REFUSED_FIELD);
    struct gr_submission submission = {
        .demand = fixture_demand(1, 1), .org = 1, .user = UINT32_MAX};
    struct gr_event events[2];
    unsigned count = 99;
    assert_int_equal(gr_decide_submit(f.core, NULL, f.at, &submission, events, &count),
                     GR_REFUSED_ORG);
    submission.org = 0; // and a mask of nothing
    assert_int_equal(gr_decide_submit(f.core, NULL, f.at, &submission, events, &count),
                     GR_REFUSED_NOWHERE);
    assert_int_equal(count, 99);
    fixture_done(&f);
}

static void what_can_never_fit_is_refused_by_an_old_and_a_new_mask(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    fixture_node(&f, 4);
    fixture_node(&f, 4);
    uint64_t job = 0;
    assert_int_equal(fixture_ask(&f, NULL, fixture_demand(1, 5), 0, &job), GR_REFUSED_NEVER);
    assert_int_equal(fixture_ask(&f, NULL, fixture_demand(3, 4), 0, &job), GR_REFUSED_NEVER);
    assert_int_equal(fixture_ask(&f, NULL, fixture_demand(2, 4), 0, &job), GR_REFUSED_NOTHING);
    struct gr_submission submission = {.demand = fixture_demand(3, 4), .user = UINT32_MAX};
    struct gr_event events[2];
    unsigned count;
    submission.mask.bits[0][0] = 1; // nobody asked for just this before
    assert_int_equal(gr_decide_submit(f.core, NULL, f.at, &submission, events, &count),
                     GR_REFUSED_NEVER);
    assert_int_equal(gr_place_mask_count(gr_core_place(f.core)), 1);
    submission.demand = fixture_demand(2, 4);
    assert_int_equal(gr_decide_submit(f.core, NULL, f.at, &submission, events, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(events[0].type, GR_MASK_ADDED);
    assert_int_equal(events[1].submitted.demand.shape.mask, 1);
    (void)fixture_apply(&f, &events[0], NULL);
    (void)fixture_apply(&f, &events[1], NULL);
    // What never fitted may fit once the fleet has grown.
    assert_int_equal(fixture_ask(&f, NULL, fixture_demand(3, 4), 0, &job), GR_REFUSED_NEVER);
    fixture_node(&f, 4);
    assert_int_equal(fixture_ask(&f, NULL, fixture_demand(3, 4), 0, &job), GR_REFUSED_NOTHING);
    fixture_done(&f);
}

static void a_broken_fleet_makes_jobs_wait_and_refuses_none(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    fixture_node(&f, 4);
    fixture_node_state(&f, 0, GR_NODE_BROKEN);
    uint64_t job = fixture_submit(&f, fixture_demand(1, 4), 0);
    assert_int_equal(fixture_start(&f), 0);
    fixture_node_state(&f, 0, GR_NODE_UP);
    assert_int_equal(fixture_start(&f), job);
    fixture_done(&f);
}

static void reaching_a_limit_is_a_refusal(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    config.limits.jobs = 3;
    config.limits.pieces = 2;
    config.limits.place.masks = 1;
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    struct gr_event event;
    struct gr_event events[2];
    unsigned count;
    struct gr_submission submission = {.demand = fixture_demand(1, 1), .user = UINT32_MAX};
    submission.mask.bits[0][0] = 1;
    assert_int_equal(gr_decide_submit(f.core, NULL, f.at, &submission, events, &count),
                     GR_REFUSED_LIMIT_OTHER);
    uint64_t large = fixture_submit(&f, fixture_demand(4, 1), 0); // three pieces beyond the first
    assert_int_equal(gr_decide_start_job(f.core, NULL, f.at, large, f.pieces, &event),
                     GR_REFUSED_LIMIT_PIECES);
    assert_int_equal(fixture_start(&f), 0);
    event = gr_decide_drop(f.core, f.at, large, GR_REFUSED_LIMIT_PIECES);
    (void)fixture_apply(&f, &event, NULL);
    uint64_t three = fixture_submit(&f, fixture_demand(3, 1), 0);
    assert_int_equal(fixture_start(&f), three); // two pieces beyond the first
    fixture_submit(&f, fixture_demand(1, 1), 0);
    fixture_submit(&f, fixture_demand(1, 1), 0);
    assert_int_equal(fixture_ask(&f, NULL, fixture_demand(1, 1), 0, &large), GR_REFUSED_LIMIT_JOBS);
    fixture_done(&f);
}

static void the_first_that_does_not_fit_blocks_the_rest(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    uint64_t running = fixture_submit(&f, fixture_demand(1, 4), 0);
    uint64_t large = fixture_submit(&f, fixture_demand(1, 8), 0);
    uint64_t small = fixture_submit(&f, fixture_demand(1, 1), 0);
    assert_int_equal(fixture_start(&f), running);
    assert_int_equal(fixture_start(&f), 0);
    fixture_finish(&f, running);
    assert_int_equal(fixture_start(&f), large);
    assert_int_equal(fixture_start(&f), 0);
    fixture_finish(&f, large);
    assert_int_equal(fixture_start(&f), small);
    fixture_done(&f);
}

static void higher_priorities_start_first_and_equals_in_order_of_arrival(void **state)
{
    (void)state;
    static const uint8_t priorities[] = {5, 200, 5, 0, 255, 200};
    static const int order[] = {4, 1, 5, 0, 2, 3};
    struct fixture f;
    uint64_t jobs[6];
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    for (int i = 0; i < 6; i++) {
        struct gr_demand demand = fixture_demand(1, 1);
        demand.priority = priorities[i];
        jobs[i] = fixture_submit(&f, demand, 0);
    }
    uint64_t at = 0;
    for (int i = 0; i < 6; i++) {
        at = gr_core_waiting_next(f.core, at);
        assert_int_equal(at, jobs[order[i]]);
    }
    assert_int_equal(gr_core_waiting_next(f.core, at), 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(fixture_start(&f), jobs[order[i]]);
    }
    fixture_done(&f);
}

static void a_dropped_job_leaves_the_queue_and_unblocks_it(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    uint64_t running = fixture_submit(&f, fixture_demand(1, 4), 0);
    uint64_t large = fixture_submit(&f, fixture_demand(1, 8), 0);
    uint64_t small = fixture_submit(&f, fixture_demand(1, 1), 0);
    assert_int_equal(fixture_start(&f), running);
    struct gr_event event = gr_decide_drop(f.core, f.at, large, GR_REFUSED_BY_USER);
    (void)fixture_apply(&f, &event, NULL);
    assert_null(gr_core_job_find(f.core, large));
    assert_int_equal(fixture_start(&f), small);
    fixture_done(&f);
}

// Node 0 of 8 devices: half of it held until 1000 + 500; a job for all of it waits first.
static uint64_t blocked_pool(struct fixture *f, enum gr_order order, uint64_t *ret_running)
{
    struct gr_core_config config = fixture_config(order);
    fixture_init(f, &config);
    fixture_node(f, 8);
    *ret_running = fixture_submit(f, fixture_demand(1, 4), 500);
    assert_int_equal(fixture_start(f), *ret_running);
    return fixture_submit(f, fixture_demand(1, 8), 0);
}

static void backfill_starts_only_what_ends_before_the_first_can_start(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t running;
    uint64_t large = blocked_pool(&f, GR_ORDER_BACKFILL, &running);
    uint64_t unlimited = fixture_submit(&f, fixture_demand(1, 1), 0);
    uint64_t too_long = fixture_submit(&f, fixture_demand(1, 1), 501);
    uint64_t just = fixture_submit(&f, fixture_demand(1, 1), 500);
    struct gr_event event;
    assert_true(gr_decide_start(f.core, NULL, f.at, f.pieces, &event));
    assert_int_equal(event.type, GR_ROOM_RESERVED);
    assert_int_equal(event.reserved.job, large);
    assert_int_equal(event.reserved.start_ms, 1500);
    (void)fixture_apply(&f, &event, NULL);
    assert_int_equal(fixture_start(&f), just);
    assert_int_equal(fixture_start(&f), 0);
    // A node beside the reserved one takes them.
    fixture_node(&f, 2);
    assert_int_equal(fixture_start(&f), unlimited);
    assert_int_equal(fixture_start(&f), too_long);
    struct gr_piece piece;
    assert_int_equal(gr_core_job_pieces(f.core, unlimited, &piece, 1), 1);
    assert_int_equal(piece.node, 1);
    f.at = 1500;
    fixture_finish(&f, running);
    fixture_finish(&f, just);
    assert_int_equal(fixture_start(&f), large);
    fixture_done(&f);
}

// Two devices are free and one more every 100 ms: whoever asks for so many waits so long.
static void room_is_kept_from_the_first_end_that_makes_it(void **state)
{
    (void)state;
    static const int64_t limits[] = {600, 100, 500, 200, 400, 300};
    for (unsigned wide = 3; wide <= 8; wide++) {
        struct fixture f;
        struct gr_core_config config = fixture_config(GR_ORDER_BACKFILL);
        fixture_init(&f, &config);
        fixture_node(&f, 8);
        for (unsigned i = 0; i < 6; i++) {
            uint64_t job = fixture_submit(&f, fixture_demand(1, 1), limits[i]);
            assert_int_equal(fixture_start(&f), job);
        }
        fixture_submit(&f, fixture_demand(1, wide), 0);
        fixture_submit(&f, fixture_demand(1, 8), 0);
        struct gr_event event;
        assert_true(gr_decide_start(f.core, NULL, f.at, f.pieces, &event));
        assert_int_equal(event.type, GR_ROOM_RESERVED);
        assert_int_equal(event.reserved.start_ms, f.at + 100 * (wide - 2));
        assert_int_equal(event.piece_count, 1);
        assert_int_equal(__builtin_popcount(event.pieces[0].devices), wide);
        fixture_done(&f);
    }
}

static void room_is_kept_for_whoever_is_first_now(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t running;
    uint64_t large = blocked_pool(&f, GR_ORDER_BACKFILL, &running);
    fixture_submit(&f, fixture_demand(1, 1), 0);
    assert_int_equal(fixture_start(&f), 0);
    struct gr_demand urgent = fixture_demand(1, 6);
    urgent.priority = 200;
    uint64_t first = fixture_submit(&f, urgent, 0);
    struct gr_event event;
    assert_true(gr_decide_start(f.core, NULL, f.at, f.pieces, &event));
    assert_int_equal(event.type, GR_ROOM_RESERVED);
    assert_int_equal(event.reserved.job, first);
    (void)fixture_apply(&f, &event, NULL);
    event = gr_decide_drop(f.core, f.at, first, GR_REFUSED_BY_USER);
    (void)fixture_apply(&f, &event, NULL);
    assert_true(gr_decide_start(f.core, NULL, f.at, f.pieces, &event));
    assert_int_equal(event.reserved.job, large);
    fixture_done(&f);
}

static void a_reservation_ends_with_the_node_it_stands_on(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t running;
    uint64_t large = blocked_pool(&f, GR_ORDER_BACKFILL, &running);
    fixture_node(&f, 8);
    uint64_t beside = fixture_submit(&f, fixture_demand(1, 8), 800);
    // Until it is full, the second node takes the first job at once.
    assert_int_equal(fixture_start(&f), large);
    uint64_t next = fixture_submit(&f, fixture_demand(1, 4), 100);
    assert_int_equal(fixture_start(&f), next); // ends before 1500
    assert_int_equal(f.core->room_kept.job, beside);
    fixture_node_state(&f, 0, GR_NODE_DRAINED);
    assert_int_equal(f.core->room_kept.job, 0);
    fixture_node_state(&f, 0, GR_NODE_UP);
    fixture_done(&f);
}

static void running_work_on_a_drained_node_does_not_stop_backfill(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t running;
    blocked_pool(&f, GR_ORDER_BACKFILL, &running);
    uint64_t small = fixture_submit(&f, fixture_demand(1, 1), 10);
    fixture_node(&f, 2);
    fixture_node_state(&f, 0, GR_NODE_DRAINED);
    assert_int_equal(fixture_start(&f), small);
    assert_int_equal(f.core->room_kept.start_ms, INT64_MAX); // no end makes room there
    fixture_done(&f);
}

static void who_was_told_of_no_end_is_asked_again_when_room_grows(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_BACKFILL);
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    uint64_t unlimited = fixture_submit(&f, fixture_demand(1, 4), 0);
    uint64_t limited = fixture_submit(&f, fixture_demand(1, 2), 500);
    fixture_submit(&f, fixture_demand(1, 8), 0);
    uint64_t small = fixture_submit(&f, fixture_demand(1, 1), 10000);
    assert_int_equal(fixture_start(&f), unlimited);
    assert_int_equal(fixture_start(&f), limited);
    assert_int_equal(fixture_start(&f), small);
    assert_int_equal(f.core->room_kept.start_ms, INT64_MAX);
    fixture_submit(&f, fixture_demand(1, 1), 0);
    fixture_finish(&f, unlimited);
    // Now ends are known; a job without one would delay the first for ever.
    assert_int_equal(fixture_start(&f), 0);
    assert_int_equal(f.core->room_kept.start_ms, 11000);
    fixture_done(&f);
}

static void a_job_over_its_limit_is_expected_to_end_at_any_moment(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t running;
    blocked_pool(&f, GR_ORDER_BACKFILL, &running);
    f.at = 9000;
    fixture_submit(&f, fixture_demand(1, 1), 5);
    assert_int_equal(fixture_start(&f), 0);
    assert_int_equal(f.core->room_kept.start_ms, 9001);
    f.at = 9001; // it did not: the room is kept anew
    assert_int_equal(fixture_start(&f), 0);
    assert_int_equal(f.core->room_kept.start_ms, 9002);
    fixture_done(&f);
}

static void at_the_end_of_time_nothing_overflows(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t running;
    blocked_pool(&f, GR_ORDER_BACKFILL, &running);
    f.at = INT64_MAX;
    fixture_submit(&f, fixture_demand(1, 1), 5);
    struct gr_event event;
    assert_true(gr_decide_start(f.core, NULL, f.at, f.pieces, &event));
    assert_int_equal(event.reserved.start_ms, INT64_MAX);
    (void)fixture_apply(&f, &event, NULL);
    fixture_done(&f);
}

// --- hooks

struct asked {
    unsigned submissions, starts;
    enum gr_refusal answer;
    uint64_t not_this_job;
    bool saw_drained;
};

static void no_site(void *context, const struct gr_core *core, uint32_t org,
                    const struct gr_demand *demand, struct gr_mask *mask)
{
    (void)context;
    (void)core;
    assert_int_equal(org, 0);
    assert_int_equal(demand->tasks, 1);
    gr_mask_remove_site(mask, 0);
}

static enum gr_refusal admit(void *context, const struct gr_core *core, struct gr_event *event)
{
    struct asked *asked = context;
    for (uint32_t n = 0; n < gr_place_node_count(gr_core_place(core)); n++) {
        asked->saw_drained |= gr_place_node_get(gr_core_place(core), n)->state != GR_NODE_UP;
    }
    if (event->type == GR_JOB_SUBMITTED) {
        asked->submissions++;
        return asked->answer;
    }
    asked->starts++;
    event->placed.verdict = 3;
    event->placed.rules_version = 12;
    return event->placed.job == asked->not_this_job ? GR_REFUSED_RULES : asked->answer;
}

static void allow_narrows_where_a_job_may_go(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    struct gr_event event = fixture_fact(&f, GR_SITE_ADDED);
    strcpy(event.site.name, "other");
    (void)fixture_apply(&f, &event, NULL);
    fixture_node(&f, 4);
    event = fixture_node_fact(&f, 4);
    event.node.row.site = 1;
    (void)fixture_apply(&f, &event, NULL);
    struct gr_hooks hooks = {.allow = no_site};
    uint64_t job = 0;
    assert_int_equal(fixture_ask(&f, &hooks, fixture_demand(1, 1), 0, &job), GR_REFUSED_NOTHING);
    assert_int_equal(fixture_start(&f), job);
    struct gr_piece piece;
    gr_core_job_pieces(f.core, job, &piece, 1);
    assert_int_equal(piece.node, 1);
    fixture_done(&f);
}

static void admit_is_asked_at_the_submission_and_at_the_start(void **state)
{
    (void)state;
    struct fixture f;
    struct asked asked = {.answer = GR_REFUSED_RULES};
    struct gr_hooks hooks = {.context = &asked, .admit = admit};
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    uint64_t job = 0;
    assert_int_equal(fixture_ask(&f, &hooks, fixture_demand(1, 1), 0, &job), GR_REFUSED_RULES);
    asked.answer = GR_REFUSED_NOTHING;
    assert_int_equal(fixture_ask(&f, &hooks, fixture_demand(1, 1), 0, &job), GR_REFUSED_NOTHING);
    assert_int_equal(asked.submissions, 2);
    struct gr_event event;
    asked.answer = GR_REFUSED_RULES;
    assert_false(gr_decide_start(f.core, &hooks, f.at, f.pieces, &event));
    assert_int_equal(gr_decide_start_job(f.core, &hooks, f.at, job, f.pieces, &event),
                     GR_REFUSED_RULES);
    asked.answer = GR_REFUSED_NOTHING;
    assert_true(gr_decide_start(f.core, &hooks, f.at, f.pieces, &event));
    assert_int_equal(asked.starts, 3);
    assert_int_equal(event.placed.verdict, 3);
    assert_int_equal(event.placed.rules_version, 12);
    fixture_done(&f);
}

static void admit_sees_the_pool_as_it_is_during_backfill(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t running;
    struct asked asked = {0};
    struct gr_hooks hooks = {.context = &asked, .admit = admit};
    blocked_pool(&f, GR_ORDER_BACKFILL, &running);
    uint64_t first = fixture_submit(&f, fixture_demand(1, 1), 0);
    uint64_t second = fixture_submit(&f, fixture_demand(1, 1), 0);
    assert_int_equal(fixture_start(&f), 0);
    fixture_node(&f, 2);
    asked.not_this_job = first;
    struct gr_event event;
    assert_true(gr_decide_start(f.core, &hooks, f.at, f.pieces, &event));
    assert_int_equal(event.placed.job, second);
    assert_int_equal(event.pieces[0].node, 1);
    assert_int_equal(asked.starts, 2);
    assert_false(asked.saw_drained);
    assert_int_equal(gr_place_node_get(gr_core_place(f.core), 0)->state, GR_NODE_UP);
    fixture_done(&f);
}

// --- one job

static void one_job_is_started_whatever_the_order(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t running;
    uint64_t large = blocked_pool(&f, GR_ORDER_FIFO, &running);
    uint64_t small = fixture_submit(&f, fixture_demand(1, 1), 0);
    struct gr_event event;
    assert_int_equal(gr_decide_start_job(f.core, NULL, f.at, 999, f.pieces, &event),
                     GR_REFUSED_JOB);
    assert_int_equal(gr_decide_start_job(f.core, NULL, f.at, running, f.pieces, &event),
                     GR_REFUSED_STATE);
    assert_int_equal(gr_decide_start_job(f.core, NULL, f.at, large, f.pieces, &event),
                     GR_REFUSED_NO_ROOM);
    assert_int_equal(gr_decide_start_job(f.core, NULL, f.at, small, f.pieces, &event),
                     GR_REFUSED_NOTHING);
    (void)fixture_apply(&f, &event, NULL);
    fixture_done(&f);
}

static void a_mix_is_due_when_submissions_have_grown_by_a_quarter(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_event event;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    config.learn_mix = true;
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    assert_false(gr_decide_mix(f.core, f.at, &event));
    unsigned due = 0;
    for (unsigned i = 1; i <= 40; i++) {
        uint64_t job = fixture_submit(&f, fixture_demand(2, 1), 0);
        event = gr_decide_drop(f.core, f.at, job, GR_REFUSED_BY_USER);
        (void)fixture_apply(&f, &event, NULL);
        if (gr_decide_mix(f.core, f.at, &event)) {
            assert_int_equal(event.item_count, 1);
            assert_int_equal(event.items[0].count, 2 * i);
            (void)fixture_apply(&f, &event, NULL);
            assert_false(gr_decide_mix(f.core, f.at, &event));
            due++;
        }
    }
    assert_int_equal(due, 3); // after 1, 17 and 37
    fixture_done(&f);
}

static void a_mix_is_near_while_proportions_stay(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_event event;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    config.learn_mix = true;
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    assert_false(gr_core_mix_is_near(f.core));
    // One of four asks for two devices, the others for one; then one of two.
    bool was_near[3] = {false, false, false};
    for (unsigned i = 0; i < 1200; i++) {
        bool is_wide = i < 1000 ? i % 4 == 0 : true;
        uint64_t job = fixture_submit(&f, fixture_demand(1, is_wide ? 2 : 1), 0);
        event = gr_decide_drop(f.core, f.at, job, GR_REFUSED_BY_USER);
        (void)fixture_apply(&f, &event, NULL);
        if (i == 99) {
            assert_true(gr_decide_mix(f.core, f.at, &event));
            (void)fixture_apply(&f, &event, NULL);
            was_near[0] = gr_core_mix_is_near(f.core);
        } else if (i == 999) {
            assert_true(gr_decide_mix(f.core, f.at, &event)); // it has grown all the same
            was_near[1] = gr_core_mix_is_near(f.core);
        } else if (i == 1199) {
            was_near[2] = gr_core_mix_is_near(f.core);
        }
    }
    assert_true(was_near[0]);
    assert_true(was_near[1]);
    assert_false(was_near[2]);
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_malformed_or_from_nobody_is_refused),
        cmocka_unit_test(what_can_never_fit_is_refused_by_an_old_and_a_new_mask),
        cmocka_unit_test(a_broken_fleet_makes_jobs_wait_and_refuses_none),
        cmocka_unit_test(reaching_a_limit_is_a_refusal),
        cmocka_unit_test(the_first_that_does_not_fit_blocks_the_rest),
        cmocka_unit_test(higher_priorities_start_first_and_equals_in_order_of_arrival),
        cmocka_unit_test(a_dropped_job_leaves_the_queue_and_unblocks_it),
        cmocka_unit_test(backfill_starts_only_what_ends_before_the_first_can_start),
        cmocka_unit_test(room_is_kept_from_the_first_end_that_makes_it),
        cmocka_unit_test(room_is_kept_for_whoever_is_first_now),
        cmocka_unit_test(a_reservation_ends_with_the_node_it_stands_on),
        cmocka_unit_test(running_work_on_a_drained_node_does_not_stop_backfill),
        cmocka_unit_test(who_was_told_of_no_end_is_asked_again_when_room_grows),
        cmocka_unit_test(a_job_over_its_limit_is_expected_to_end_at_any_moment),
        cmocka_unit_test(at_the_end_of_time_nothing_overflows),
        cmocka_unit_test(allow_narrows_where_a_job_may_go),
        cmocka_unit_test(admit_is_asked_at_the_submission_and_at_the_start),
        cmocka_unit_test(admit_sees_the_pool_as_it_is_during_backfill),
        cmocka_unit_test(one_job_is_started_whatever_the_order),
        cmocka_unit_test(a_mix_is_due_when_submissions_have_grown_by_a_quarter),
        cmocka_unit_test(a_mix_is_near_while_proportions_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
