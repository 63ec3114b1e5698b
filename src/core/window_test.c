// Tests of windows: who may start where and when, who is asked to go, what comes again, and what
// may not be set.
#include "core/fixture.h"
#include "core/queue.h"
#include "core/save.h"
#include "core/tenants.h"
#include "core/windows.h"

#include <stdio.h>

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

// Four nodes of eight devices, the owner and two customers below it.
struct world {
    struct fixture f;
    uint32_t org[2], user[2];
    char text[200];
};

static void world_make(struct world *world, enum gr_order order)
{
    struct gr_core_config config = fixture_config(order);
    config.limits.orgs = 4;
    config.limits.users = 4;
    config.limits.jobs = 64;
    config.limits.pieces = 64;
    config.limits.quotas = 8;
    fixture_init(&world->f, &config);
    for (unsigned i = 0; i < 2; i++) {
        struct gr_event event = fixture_fact(&world->f, GR_ORG_ADDED);
        event.org.parent = 0;
        event.org.name[0] = (char)('a' + i);
        world->org[i] = gr_core_org_count(world->f.core);
        (void)fixture_apply(&world->f, &event, NULL);
        event = fixture_fact(&world->f, GR_USER_ADDED);
        event.user_added.org = world->org[i];
        world->user[i] = gr_core_user_count(world->f.core);
        (void)fixture_apply(&world->f, &event, NULL);
    }
    for (unsigned i = 0; i < 4; i++) {
        fixture_node(&world->f, 8);
    }
}

static uint64_t submit(struct world *world, unsigned who, uint32_t tasks, unsigned devices,
                       int64_t limit_ms)
{
    struct gr_submission submission = {.demand = fixture_demand(tasks, devices),
                                       .limit_ms = limit_ms,
                                       .org = world->org[who],
                                       .user = world->user[who],
                                       .requeue_on = GR_REQUEUE_RECLAIM,
                                       .attempts = 1};
    struct gr_event events[2];
    unsigned count;
    gr_mask_fill(&submission.mask);
    assert_int_equal(
        gr_decide_submit(world->f.core, NULL, world->f.at, &submission, events, &count), 0);
    for (unsigned i = 0; i < count; i++) {
        (void)fixture_apply(&world->f, &events[i], NULL);
    }
    return events[count - 1].sequence;
}

static struct gr_window maintenance(const char *name, int64_t start_ms, int64_t length_ms)
{
    struct gr_window window = {.start_ms = start_ms,
                               .length_ms = length_ms,
                               .times = 1,
                               .org = UINT32_MAX,
                               .user = UINT32_MAX,
                               .which = GR_WINDOW_MAINTENANCE};
    (void)snprintf(window.name, sizeof window.name, "%s", name);
    return window;
}

static struct gr_window reservation(const struct world *world, unsigned who, int64_t start_ms,
                                    int64_t length_ms)
{
    struct gr_window window = maintenance("course", start_ms, length_ms);
    window.which = GR_WINDOW_RESERVATION;
    window.org = world->org[who];
    return window;
}

// Sets a window over so many nodes from `first` on. Returns its id.
static uint64_t set(struct world *world, const struct gr_window *window, uint32_t first,
                    uint32_t count)
{
    struct gr_range range = {first, count};
    struct gr_event event = fixture_fact(&world->f, GR_WINDOW_SET);
    const char *wrong = gr_window_wrong(world->f.core, world->f.at, window, &range, 1, world->text,
                                        sizeof world->text);
    if (wrong != NULL) {
        print_error("%s: %s\n", wrong, world->text);
    }
    assert_null(wrong);
    event.window_set = *window;
    event.ranges = &range;
    event.range_count = 1;
    (void)fixture_apply(&world->f, &event, NULL);
    assert_null(gr_core_audit(world->f.core));
    return event.sequence;
}

// All decisions at this time. Returns how many facts there were of a type.
static unsigned run(struct world *world, int64_t at_ms, unsigned type)
{
    struct gr_event event;
    unsigned count = 0;
    world->f.at = at_ms;
    while (gr_decide_start(world->f.core, NULL, world->f.at, world->f.pieces, &event)) {
        (void)fixture_apply(&world->f, &event, NULL);
        count += event.type == type;
    }
    assert_null(gr_core_audit(world->f.core));
    return count;
}

static bool is_running(const struct world *world, uint64_t job)
{
    const struct gr_job *row = gr_core_job_find(world->f.core, job);
    assert_non_null(row);
    return row->state == GR_JOB_RUNNING;
}

static uint32_t node_of(const struct world *world, uint64_t job)
{
    struct gr_piece piece;
    assert_int_equal(gr_core_job_pieces(world->f.core, job, &piece, 1), 1);
    return piece.node;
}

// An attempt that was asked to stop ends.
static void stops(struct world *world, uint64_t job)
{
    struct gr_ending ending = {.outcome = GR_OUTCOME_STOPPED};
    struct gr_event event = gr_decide_end(world->f.core, world->f.at, world->f.at, job, &ending);
    (void)fixture_apply(&world->f, &event, NULL);
}

static void maintenance_takes_nodes_out_and_gives_them_back(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    struct gr_window window = maintenance("firmware", 2 * HOUR, HOUR);
    uint64_t id = set(&world, &window, 0, 4);
    assert_int_equal(run(&world, HOUR, GR_WINDOW_OPENED), 0);
    assert_true(gr_core_wake_ms(world.f.core) == 2 * HOUR - GR_NOTICE_DEFAULT_MS);
    (void)run(&world, 2 * HOUR - GR_NOTICE_DEFAULT_MS, 0);
    assert_true(gr_core_wake_ms(world.f.core) == 2 * HOUR);
    assert_int_equal(run(&world, 2 * HOUR, GR_WINDOW_OPENED), 1);
    assert_true(gr_core_window_find(world.f.core, id)->is_open);
    assert_true(gr_core_wake_ms(world.f.core) == 3 * HOUR);
    uint64_t job = submit(&world, 0, 1, 1, 60000);
    assert_int_equal(run(&world, 2 * HOUR + 1, GR_JOB_PLACED), 0);
    assert_int_equal(gr_place_node_get(gr_core_place(world.f.core), 0)->state, GR_NODE_DRAINED);
    assert_int_equal(gr_core_node_state(world.f.core, 0), GR_NODE_UP);
    struct gr_device_time before = gr_core_device_time_at(world.f.core, 2 * HOUR);
    struct gr_device_time after = gr_core_device_time_at(world.f.core, 3 * HOUR);
    assert_true(after.maintenance - before.maintenance == (unsigned __int128)32000 * HOUR);
    fixture_node_state(&world.f, 1, GR_NODE_DRAINED); // an operator's word outlives it
    fixture_node_state(&world.f, 2, GR_NODE_BROKEN);
    fixture_node_state(&world.f, 2, GR_NODE_UP);
    assert_int_equal(run(&world, 3 * HOUR, GR_WINDOW_CLOSED), 1);
    assert_true(is_running(&world, job));
    assert_int_equal(gr_place_node_get(gr_core_place(world.f.core), 1)->state, GR_NODE_DRAINED);
    assert_int_equal(gr_place_node_get(gr_core_place(world.f.core), 2)->state, GR_NODE_UP);
    assert_null(gr_core_window_find(world.f.core, id));
    fixture_done(&world.f);
}

static void only_work_that_ends_in_time_starts_before_a_window(void **state)
{
    (void)state;
    static const enum gr_order orders[] = {GR_ORDER_FAIR, GR_ORDER_BACKFILL, GR_ORDER_FIFO};
    for (unsigned o = 0; o < 3; o++) {
        struct world world;
        world_make(&world, orders[o]);
        struct gr_window window = maintenance("firmware", 2 * HOUR, HOUR);
        (void)set(&world, &window, 0, 4);
        world.f.at = HOUR;
        uint64_t fits = submit(&world, 0, 1, 1, HOUR);
        (void)run(&world, HOUR, 0);
        assert_true(is_running(&world, fits));
        uint64_t late = submit(&world, 0, 1, 1, HOUR + 1);
        (void)run(&world, HOUR, 0);
        uint64_t endless = submit(&world, 1, 1, 1, 0);
        (void)run(&world, HOUR, 0);
        assert_false(is_running(&world, late));
        assert_false(is_running(&world, endless));
        assert_int_equal(run(&world, 2 * HOUR, GR_STOP_ASKED), 1); // it did not end in time
        stops(&world, fits);
        (void)run(&world, 3 * HOUR, 0);
        assert_true(is_running(&world, late));
        assert_true(is_running(&world, endless));
        fixture_done(&world.f);
    }
}

static void work_goes_where_no_window_comes_if_it_can(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    struct gr_window window = maintenance("firmware", 2 * HOUR, HOUR);
    (void)set(&world, &window, 0, 3);
    uint64_t in_time = submit(&world, 0, 1, 4, HOUR);
    uint64_t endless = submit(&world, 1, 1, 4, 0);
    (void)run(&world, HOUR, 0);
    assert_int_equal(node_of(&world, in_time), 3);
    assert_int_equal(node_of(&world, endless), 3);
    uint64_t gang = submit(&world, 0, 3, 8, HOUR); // the rest is full: it ends in time there
    uint64_t other = submit(&world, 1, 1, 1, 0);
    (void)run(&world, HOUR, 0);
    assert_true(is_running(&world, gang));
    assert_false(is_running(&world, other));
    fixture_done(&world.f);
}

static void a_reservation_is_for_its_organisation_and_those_below(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    struct gr_window window = reservation(&world, 0, HOUR, HOUR);
    uint64_t id = set(&world, &window, 0, 2);
    for (unsigned i = 2; i < 4; i++) { // it may be there before, but others are free
        uint64_t early = submit(&world, 0, 1, 8, 0);
        (void)run(&world, HOUR / 2, 0);
        assert_int_equal(node_of(&world, early), i);
    }
    uint64_t mine = submit(&world, 0, 1, 8, 0);
    (void)run(&world, HOUR / 2, 0);
    assert_int_equal(node_of(&world, mine), 0); // before it opens
    uint64_t others = submit(&world, 1, 1, 8, 0);
    (void)run(&world, HOUR, 0);
    assert_false(is_running(&world, others));
    assert_int_equal(gr_core_job_find(world.f.core, mine)->stop_why, GR_STOP_NOT);
    uint64_t inside = submit(&world, 0, 1, 8, 0);
    (void)run(&world, HOUR, 0);
    assert_int_equal(node_of(&world, inside), 1);
    assert_int_equal(run(&world, 2 * HOUR, GR_WINDOW_CLOSED), 1);
    assert_null(gr_core_window_find(world.f.core, id));
    fixture_finish(&world.f, mine);
    (void)run(&world, 2 * HOUR, 0);
    assert_int_equal(node_of(&world, others), 0);
    fixture_done(&world.f);
}

static void own_work_goes_inside_first_and_a_gang_never_half(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    struct gr_window window = reservation(&world, 0, HOUR, HOUR);
    (void)set(&world, &window, 2, 2);
    (void)run(&world, HOUR, 0);
    uint64_t small = submit(&world, 0, 1, 8, 0);
    (void)run(&world, HOUR, 0);
    assert_int_equal(node_of(&world, small), 2);
    uint64_t gang = submit(&world, 0, 3, 8, 0); // one node inside and two outside are free
    (void)run(&world, HOUR, 0);
    assert_false(is_running(&world, gang));
    uint64_t pair = submit(&world, 0, 2, 8, 0);
    (void)run(&world, HOUR, 0);
    assert_true(is_running(&world, pair));
    assert_int_equal(node_of(&world, small), 2);
    fixture_done(&world.f);
}

static void a_reservation_for_a_user_is_not_for_others_of_the_organisation(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    struct gr_event event = fixture_fact(&world.f, GR_USER_ADDED);
    event.user_added.org = world.org[0];
    (void)fixture_apply(&world.f, &event, NULL);
    struct gr_window window = reservation(&world, 0, HOUR, HOUR);
    window.user = 2; // the one just added
    (void)set(&world, &window, 0, 4);
    (void)run(&world, HOUR, 0);
    uint64_t other = submit(&world, 0, 1, 1, 0);
    (void)run(&world, HOUR, 0);
    assert_false(is_running(&world, other));
    world.user[0] = 2;
    uint64_t mine = submit(&world, 0, 1, 1, 0);
    (void)run(&world, HOUR, 0);
    assert_true(is_running(&world, mine));
    fixture_done(&world.f);
}

static void who_is_in_the_way_is_asked_to_go_in_time_and_waits_again(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    uint64_t endless = submit(&world, 1, 2, 8, 0);
    uint64_t mine = submit(&world, 0, 1, 4, 0);
    uint64_t ends = submit(&world, 1, 1, 4, HOUR);
    (void)run(&world, 1000, 0);
    struct gr_window window = reservation(&world, 0, 2 * HOUR, HOUR);
    (void)set(&world, &window, 0, 3);
    struct gr_range range = {0, 3};
    uint64_t hits[4];
    assert_int_equal(gr_window_hits(world.f.core, world.f.at, &window, &range, 1, hits, 4), 1);
    assert_true(hits[0] == endless);
    assert_int_equal(run(&world, 2 * HOUR - GR_NOTICE_DEFAULT_MS - 1, GR_STOP_ASKED), 0);
    assert_int_equal(run(&world, 2 * HOUR - GR_NOTICE_DEFAULT_MS, GR_STOP_ASKED), 1);
    const struct gr_job *job = gr_core_job_find(world.f.core, endless);
    assert_int_equal(job->stop_why, GR_STOP_WINDOW);
    assert_true(job->grace_ms == GR_NOTICE_DEFAULT_MS);
    stops(&world, endless);
    assert_int_equal(gr_core_job_find(world.f.core, endless)->state, GR_JOB_WAITING);
    assert_int_equal(run(&world, 2 * HOUR, GR_STOP_ASKED), 1); // its limit was wrong
    assert_int_equal(gr_core_job_find(world.f.core, ends)->stop_why, GR_STOP_WINDOW);
    assert_int_equal(gr_core_job_find(world.f.core, mine)->stop_why, GR_STOP_NOT);
    assert_true(gr_core_lost(world.f.core, world.f.at).total == 0); // an operator decided it
    fixture_done(&world.f);
}

static void a_window_comes_again_until_it_came_as_often_as_it_should(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    struct gr_window window = maintenance("nightly", HOUR, HOUR);
    window.every_ms = DAY;
    window.times = 3;
    uint64_t id = set(&world, &window, 0, 1);
    for (unsigned i = 0; i < 3; i++) {
        const struct gr_window *now = gr_core_window_find(world.f.core, id);
        assert_int_equal(now->start_ms, i * DAY + HOUR);
        assert_int_equal(now->times, 3 - i);
        assert_int_equal(run(&world, i * DAY + HOUR, GR_WINDOW_OPENED), 1);
        assert_int_equal(run(&world, i * DAY + 2 * HOUR, GR_WINDOW_CLOSED), 1);
    }
    assert_null(gr_core_window_find(world.f.core, id));
    assert_true(gr_core_wake_ms(world.f.core) == INT64_MAX);
    fixture_done(&world.f);
}

static void times_that_were_slept_through_are_closed_without_being_opened(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    struct gr_window window = maintenance("nightly", HOUR, HOUR);
    window.every_ms = DAY;
    window.times = 0;
    uint64_t id = set(&world, &window, 0, 1);
    struct gr_window once = maintenance("once", HOUR, HOUR);
    uint64_t other = set(&world, &once, 1, 1);
    (void)run(&world, 10 * DAY, 0); // nine days passed, the tenth begins in an hour
    assert_int_equal(gr_core_window_find(world.f.core, id)->start_ms, 10 * DAY + HOUR);
    assert_false(gr_core_window_find(world.f.core, id)->is_open);
    assert_null(gr_core_window_find(world.f.core, other));
    assert_int_equal(run(&world, 11 * DAY + HOUR + 5, GR_WINDOW_OPENED), 1);
    fixture_done(&world.f);
}

static void a_window_that_is_ended_leaves_nothing_behind(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    struct gr_window window = maintenance("firmware", HOUR, HOUR);
    uint64_t id = set(&world, &window, 0, 4);
    uint64_t job = submit(&world, 0, 1, 1, 0);
    (void)run(&world, HOUR, 0);
    assert_false(is_running(&world, job));
    struct gr_event event = fixture_fact(&world.f, GR_WINDOW_ENDED);
    event.window_turn.window = id;
    (void)fixture_apply(&world.f, &event, NULL);
    (void)run(&world, HOUR + 1, 0);
    assert_true(is_running(&world, job));
    assert_int_equal(gr_core_check(world.f.core, &(struct gr_event){0}), GR_REFUSED_SEQUENCE);
    fixture_done(&world.f);
}

static void what_others_keep_does_not_bound_work_inside_its_reservation(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    struct gr_event event = fixture_fact(&world.f, GR_QUOTA_SET);
    event.quota = (struct gr_quota){world.org[1], 0, 32000, GR_ANY_MILLI, 0}; // lends nothing
    (void)fixture_apply(&world.f, &event, NULL);
    struct gr_window window = reservation(&world, 0, HOUR, HOUR);
    (void)set(&world, &window, 0, 1);
    uint64_t job = submit(&world, 0, 1, 4, 0);
    (void)run(&world, HOUR / 2, 0);
    assert_false(is_running(&world, job));
    (void)run(&world, HOUR, 0);
    assert_true(is_running(&world, job));
    assert_int_equal(node_of(&world, job), 0);
    uint64_t more = submit(&world, 0, 1, 8, 0); // no room inside, no right outside
    (void)run(&world, HOUR, 0);
    assert_false(is_running(&world, more));
    fixture_done(&world.f);
}

static const char *wrong(struct world *world, const struct gr_window *window, uint32_t first,
                         uint32_t count)
{
    struct gr_range range = {first, count};
    const char *field = gr_window_wrong(world->f.core, world->f.at, window, &range, 1, world->text,
                                        sizeof world->text);
    return field == NULL ? "" : field;
}

static void what_cannot_be_is_refused_with_its_field(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    struct gr_window window = maintenance("a", HOUR, HOUR);
    world.f.at = HOUR + 1;
    assert_string_equal(wrong(&world, &window, 0, 1), "from");
    world.f.at = HOUR;
    assert_string_equal(wrong(&world, &window, 0, 1), "");
    window.length_ms = 0;
    assert_string_equal(wrong(&world, &window, 0, 1), "length");
    window.length_ms = GR_WINDOW_MS_MAX + 1;
    assert_string_equal(wrong(&world, &window, 0, 1), "length");
    window.length_ms = DAY + 1;
    window.every_ms = DAY;
    window.times = 0;
    assert_string_equal(wrong(&world, &window, 0, 1), "every");
    assert_non_null(strstr(world.text, "overlap itself"));
    window.length_ms = DAY;
    assert_string_equal(wrong(&world, &window, 0, 1), "");
    window.times = 1;
    assert_string_equal(wrong(&world, &window, 0, 1), "times");
    window = maintenance("a", HOUR, HOUR);
    window.org = 0;
    assert_string_equal(wrong(&world, &window, 0, 1), "for");
    window = reservation(&world, 0, HOUR, HOUR);
    window.user = world.user[1];
    assert_string_equal(wrong(&world, &window, 0, 1), "for");
    window.user = UINT32_MAX;
    window.org = 99;
    assert_string_equal(wrong(&world, &window, 0, 1), "for");
    window = maintenance("a", HOUR, HOUR);
    assert_string_equal(wrong(&world, &window, 3, 2), "nodes");
    (void)set(&world, &window, 0, 2);
    assert_string_equal(wrong(&world, &window, 2, 1), "name");
    struct gr_window other = maintenance("b", 2 * HOUR, HOUR);
    assert_string_equal(wrong(&world, &other, 1, 1), ""); // right behind it
    other.start_ms--;
    assert_string_equal(wrong(&world, &other, 1, 1), "nodes");
    assert_string_equal(wrong(&world, &other, 2, 1), "");
    fixture_done(&world.f);
}

static void windows_that_come_again_never_meet_on_a_node(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    struct gr_window daily = maintenance("daily", 2 * HOUR, HOUR);
    daily.every_ms = DAY;
    daily.times = 0;
    (void)set(&world, &daily, 0, 1);
    struct gr_window weekly = maintenance("weekly", 3 * HOUR, 23 * HOUR);
    weekly.every_ms = 7 * DAY;
    weekly.times = 0;
    assert_string_equal(wrong(&world, &weekly, 0, 1), "");
    weekly.length_ms++;
    assert_string_equal(wrong(&world, &weekly, 0, 1), "nodes");
    weekly.length_ms = HOUR;
    weekly.every_ms = 7 * DAY + HOUR / 2; // drifts: some day they meet
    assert_string_equal(wrong(&world, &weekly, 0, 1), "nodes");
    weekly.times = 3; // but not that soon
    assert_string_equal(wrong(&world, &weekly, 0, 1), "");
    struct gr_window once = maintenance("once", 30 * DAY + HOUR, 2 * HOUR);
    assert_string_equal(wrong(&world, &once, 0, 1), "nodes");
    once.length_ms = HOUR;
    assert_string_equal(wrong(&world, &once, 0, 1), "");
    fixture_done(&world.f);
}

static void as_many_windows_as_fit_and_not_one_more(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    struct gr_range range = {0, 1};
    for (unsigned i = 0; i <= GR_WINDOWS_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%u", i);
        struct gr_window window = maintenance(name, (i + 1) * HOUR, HOUR);
        struct gr_event event = fixture_fact(&world.f, GR_WINDOW_SET);
        event.window_set = window;
        event.ranges = &range;
        event.range_count = 1;
        if (i == GR_WINDOWS_MAX) {
            assert_string_equal(wrong(&world, &window, 0, 1), "name");
            assert_int_equal(gr_core_check(world.f.core, &event), GR_REFUSED_LIMIT_OTHER);
            break;
        }
        (void)fixture_apply(&world.f, &event, NULL);
    }
    assert_int_equal(run(&world, 3 * HOUR, GR_WINDOW_CLOSED), 2);
    assert_string_equal(gr_core_node_window(world.f.core, 0)->name, "w2");
    fixture_done(&world.f);
}

static void nodes_are_chosen_that_are_free_or_become_free_in_time(void **state)
{
    (void)state;
    struct world world;
    struct gr_range ranges[4];
    uint64_t devices;
    struct gr_mask all;
    gr_mask_fill(&all);
    world_make(&world, GR_ORDER_FAIR);
    uint64_t endless = submit(&world, 1, 1, 8, 0);
    uint64_t ends = submit(&world, 1, 1, 8, HOUR);
    (void)run(&world, 1000, 0);
    assert_int_equal(node_of(&world, endless), 0);
    assert_int_equal(node_of(&world, ends), 1);
    struct gr_window window = reservation(&world, 0, 2 * HOUR, HOUR);
    assert_int_equal(gr_window_choose(world.f.core, 1000, &window, &all, 9, ranges, 4, &devices),
                     1);
    assert_int_equal(ranges[0].first, 2); // 2 and 3
    assert_int_equal(ranges[0].count, 2);
    assert_int_equal(gr_window_choose(world.f.core, 1000, &window, &all, 24, ranges, 4, &devices),
                     1);
    assert_int_equal(ranges[0].first, 1);
    assert_int_equal(ranges[0].count, 3);
    assert_int_equal(gr_window_choose(world.f.core, 1000, &window, &all, 33, ranges, 4, &devices),
                     0);
    assert_int_equal(devices, 32);
    struct gr_window other = maintenance("other", HOUR, 2 * HOUR);
    (void)set(&world, &other, 2, 1);
    assert_int_equal(gr_window_choose(world.f.core, 1000, &window, &all, 9, ranges, 4, &devices),
                     2);
    assert_int_equal(ranges[0].first, 1);
    assert_int_equal(ranges[1].first, 3);
    fixture_done(&world.f);
}

static int bytes_add(void *context, const void *bytes, size_t size, struct gr_err *err)
{
    FILE *file = context;
    (void)err;
    return fwrite(bytes, 1, size, file) == size ? 0 : -1;
}

static void a_saved_core_has_its_windows(void **state)
{
    (void)state;
    struct world world;
    struct gr_err err;
    struct gr_core *loaded, *copy;
    uint8_t digests[3][32];
    char *bytes = NULL;
    size_t size = 0;
    world_make(&world, GR_ORDER_FAIR);
    struct gr_window window = maintenance("firmware", HOUR, HOUR);
    (void)set(&world, &window, 1, 2);
    struct gr_window later = reservation(&world, 1, 5 * HOUR, HOUR);
    later.every_ms = DAY;
    later.times = 0;
    (void)set(&world, &later, 0, 3);
    (void)run(&world, HOUR, 0);
    FILE *file = open_memstream(&bytes, &size);
    assert_non_null(file);
    assert_int_equal(gr_core_save(world.f.core, bytes_add, file, &err), 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(gr_core_load(&world.f.config, (uint8_t *)bytes, size, &loaded, &err), 0);
    assert_int_equal(gr_core_clone(world.f.core, &copy, &err), 0);
    gr_core_digest(world.f.core, digests[0]);
    gr_core_digest(loaded, digests[1]);
    gr_core_digest(copy, digests[2]);
    assert_memory_equal(digests[0], digests[1], 32);
    assert_memory_equal(digests[0], digests[2], 32);
    assert_null(gr_core_audit(loaded));
    assert_null(gr_core_audit(copy));
    assert_true(gr_core_wake_ms(loaded) <= gr_core_wake_ms(world.f.core));
    gr_core_free(loaded);
    gr_core_free(copy);
    free(bytes);
    fixture_done(&world.f);
}

// Work that is barred starts as soon as room grows where it may be, and not before.
static void barred_work_wakes_when_room_grows_elsewhere(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, GR_ORDER_FAIR);
    uint64_t full = submit(&world, 1, 1, 8, 0);
    (void)run(&world, 1000, 0);
    struct gr_window window = maintenance("firmware", DAY, HOUR);
    (void)set(&world, &window, 1, 3);
    uint64_t endless = submit(&world, 0, 1, 8, 0), in_time = submit(&world, 0, 1, 8, HOUR);
    (void)run(&world, HOUR, 0);
    assert_false(is_running(&world, endless));
    assert_true(is_running(&world, in_time));
    fixture_finish(&world.f, in_time); // on a node where it may not be
    (void)run(&world, HOUR, 0);
    assert_false(is_running(&world, endless));
    fixture_finish(&world.f, full);
    (void)run(&world, HOUR, 0);
    assert_true(is_running(&world, endless));
    fixture_done(&world.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maintenance_takes_nodes_out_and_gives_them_back),
        cmocka_unit_test(only_work_that_ends_in_time_starts_before_a_window),
        cmocka_unit_test(work_goes_where_no_window_comes_if_it_can),
        cmocka_unit_test(a_reservation_is_for_its_organisation_and_those_below),
        cmocka_unit_test(own_work_goes_inside_first_and_a_gang_never_half),
        cmocka_unit_test(a_reservation_for_a_user_is_not_for_others_of_the_organisation),
        cmocka_unit_test(who_is_in_the_way_is_asked_to_go_in_time_and_waits_again),
        cmocka_unit_test(a_window_comes_again_until_it_came_as_often_as_it_should),
        cmocka_unit_test(times_that_were_slept_through_are_closed_without_being_opened),
        cmocka_unit_test(a_window_that_is_ended_leaves_nothing_behind),
        cmocka_unit_test(what_others_keep_does_not_bound_work_inside_its_reservation),
        cmocka_unit_test(what_cannot_be_is_refused_with_its_field),
        cmocka_unit_test(windows_that_come_again_never_meet_on_a_node),
        cmocka_unit_test(as_many_windows_as_fit_and_not_one_more),
        cmocka_unit_test(nodes_are_chosen_that_are_free_or_become_free_in_time),
        cmocka_unit_test(a_saved_core_has_its_windows),
        cmocka_unit_test(barred_work_wakes_when_room_grows_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
