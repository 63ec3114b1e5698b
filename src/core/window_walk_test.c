// Random histories of windows, jobs and time, judged by a calendar of their own: nobody starts
// where a window is in the way, nobody is asked to go who is in nobody's, gangs lie wholly inside
// or outside what is open for them, windows open and close when they should, and a copy agrees.
#include "core/fixture.h"
#include "core/queue.h"
#include "core/window_parts.h"

#include "base/rng.h"

#include <stdio.h>

#define NODES 8u
#define BOOKED 6u

// A window as the walk remembers it.
struct booked {
    uint64_t id; // 0: none
    int64_t start, length, every;
    uint32_t times, org; // org UINT32_MAX: maintenance
    bool open;
    uint8_t nodes; // bits
};

struct walk {
    struct fixture f;
    uint64_t random;
    struct booked booked[BOOKED];
    unsigned started, barred, stopped, opened, closed, inside, before, refused;
};

static uint32_t below(struct walk *walk, uint32_t limit)
{
    return (uint32_t)(gr_rng_next(&walk->random) % limit);
}

static struct booked *booked_find(struct walk *walk, uint64_t id)
{
    for (unsigned b = 0; b < BOOKED; b++) {
        if (walk->booked[b].id == id) {
            return &walk->booked[b];
        }
    }
    return NULL;
}

// Organisation 0 is above 1 and 2, 3 is below 1.
static bool lets(const struct booked *booked, uint32_t org)
{
    return booked->org == org || booked->org == 0 || (booked->org == 1 && org == 3);
}

static bool in_way(const struct booked *booked, uint32_t org, int64_t limit, int64_t at)
{
    return booked->id != 0 && !lets(booked, org) &&
           (booked->open || limit == 0 || at + limit > booked->start);
}

static void placed_judge(struct walk *walk, const struct gr_event *event)
{
    const struct gr_job *job = gr_core_job_find(walk->f.core, event->placed.job);
    unsigned in = 0;
    for (uint32_t p = 0; p < event->piece_count; p++) {
        bool mine = false;
        for (unsigned b = 0; b < BOOKED; b++) {
            const struct booked *booked = &walk->booked[b];
            if (booked->id != 0 && (booked->nodes >> event->pieces[p].node & 1) != 0) {
                assert_false(in_way(booked, job->org, job->limit_ms, event->at_ms));
                mine = mine || (booked->open && lets(booked, job->org));
                walk->before += !booked->open && !lets(booked, job->org);
            }
        }
        in += mine;
    }
    assert_true(in == 0 || in == event->piece_count);
    walk->inside += in > 0;
    walk->started++;
}

static void stop_judge(struct walk *walk, const struct gr_event *event)
{
    const struct gr_job *job = gr_core_job_find(walk->f.core, event->stop_asked.job);
    struct gr_piece pieces[8];
    uint32_t count = gr_core_job_pieces(walk->f.core, job->id, pieces, 8);
    bool right = false;
    assert_int_equal(event->stop_asked.why, GR_STOP_WINDOW);
    for (uint32_t p = 0; p < count; p++) {
        for (unsigned b = 0; b < BOOKED; b++) {
            const struct booked *booked = &walk->booked[b];
            bool there = booked->id != 0 && (booked->nodes >> pieces[p].node & 1) != 0;
            bool soon = booked->open || event->at_ms >= booked->start - 100;
            right = right || (there && soon && !lets(booked, job->org) &&
                              (booked->open || job->limit_ms == 0 ||
                               job->started_ms + job->limit_ms > booked->start));
        }
    }
    assert_true(right);
    walk->stopped++;
}

static void turn_judge(struct walk *walk, const struct gr_event *event)
{
    struct booked *booked = booked_find(walk, event->window_turn.window);
    assert_non_null(booked);
    if (event->type == GR_WINDOW_OPENED) {
        assert_true(!booked->open && event->at_ms >= booked->start &&
                    event->at_ms < booked->start + booked->length);
        booked->open = true;
        walk->opened++;
        return;
    }
    assert_true(event->at_ms >= booked->start + booked->length);
    booked->open = false;
    walk->closed++;
    while (booked->start + booked->length <= event->at_ms) {
        if (booked->every == 0 || booked->times == 1) {
            booked->id = 0;
            return;
        }
        booked->start += booked->every;
        booked->times -= booked->times > 0;
    }
}

// Could a job that waits surely start, if nobody else waited? One task of it, where nothing is in
// its way.
static bool could_start(struct walk *walk, const struct gr_job *job)
{
    const struct gr_place *place = gr_core_place(walk->f.core);
    for (uint32_t n = 0; n < gr_place_node_count(place) && job->demand.tasks == 1; n++) {
        bool free = gr_place_task_filter(place, n, &job->demand) == GR_FILTER_NONE &&
                    (walk->f.core->room_kept.job == job->id || gr_kept_at(walk->f.core)[n] == 0);
        for (unsigned b = 0; b < BOOKED; b++) {
            free = free && ((walk->booked[b].nodes >> n & 1) == 0 ||
                            !in_way(&walk->booked[b], job->org, job->limit_ms, walk->f.at));
        }
        if (free) {
            return true;
        }
    }
    return false;
}

static void nobody_judge(struct walk *walk)
{
    uint32_t cursor = 0;
    const struct gr_job *job;
    while ((job = gr_core_job_next(walk->f.core, &cursor)) != NULL) {
        if (job->state == GR_JOB_WAITING) {
            if (walk->f.config.order == GR_ORDER_FAIR) {
                assert_false(could_start(walk, job));
            }
            walk->barred++;
        }
    }
    for (unsigned b = 0; b < BOOKED; b++) {
        const struct booked *booked = &walk->booked[b];
        assert_true(booked->id == 0 ||
                    booked->open == (walk->f.at >= booked->start &&
                                     walk->f.at < booked->start + booked->length));
    }
    int64_t wake = gr_core_wake_ms(walk->f.core);
    for (unsigned b = 0; b < BOOKED; b++) {
        const struct booked *booked = &walk->booked[b];
        int64_t due = booked->open ? booked->start + booked->length : booked->start;
        assert_true(booked->id == 0 || wake <= due);
    }
}

static void decide_all(struct walk *walk)
{
    struct gr_event event;
    for (unsigned n = 0;; n++) {
        assert_true(n < 1000);
        if (!gr_decide_start(walk->f.core, NULL, walk->f.at, walk->f.pieces, &event)) {
            break;
        }
        if (event.type == GR_JOB_PLACED) {
            placed_judge(walk, &event);
        } else if (event.type == GR_STOP_ASKED) {
            stop_judge(walk, &event);
        } else if (event.type == GR_WINDOW_OPENED || event.type == GR_WINDOW_CLOSED) {
            turn_judge(walk, &event);
        } else {
            assert_int_equal(event.type, GR_ROOM_RESERVED);
        }
        (void)fixture_apply(&walk->f, &event, NULL);
    }
    nobody_judge(walk);
}

static void window_try(struct walk *walk)
{
    struct gr_range range = {below(walk, NODES), 1};
    struct booked *free = booked_find(walk, 0);
    bool nobodys = below(walk, 2) == 0, again = below(walk, 2) == 0;
    char text[200];
    if (free == NULL) {
        return;
    }
    range.count += below(walk, NODES - range.first);
    struct gr_event event = fixture_fact(&walk->f, GR_WINDOW_SET);
    struct gr_window *window = &event.window_set;
    *window = (struct gr_window){.start_ms = walk->f.at + below(walk, 3000),
                                 .length_ms = 1 + below(walk, 1000),
                                 .times = again ? below(walk, 3) * 2 : 1,
                                 .org = nobodys ? UINT32_MAX : below(walk, 4),
                                 .user = UINT32_MAX,
                                 .which = nobodys};
    window->every_ms = again ? window->length_ms + below(walk, 3000) : 0;
    (void)snprintf(window->name, sizeof window->name, "w%u", (unsigned)event.sequence);
    event.ranges = &range;
    event.range_count = 1;
    if (gr_window_wrong(walk->f.core, walk->f.at, window, &range, 1, text, sizeof text) != NULL) {
        walk->refused++;
        return;
    }
    *free = (struct booked){.id = event.sequence,
                            .start = window->start_ms,
                            .length = window->length_ms,
                            .every = window->every_ms,
                            .times = window->times,
                            .org = window->org,
                            .nodes = (uint8_t)(((1u << range.count) - 1) << range.first)};
    (void)fixture_apply(&walk->f, &event, NULL);
}

static void job_try(struct walk *walk)
{
    struct gr_submission submission = {
        .demand = fixture_demand(1 + below(walk, 3) / 2 * below(walk, 4), 1 + below(walk, 8)),
        .limit_ms = below(walk, 3) == 0 ? 0 : 1 + below(walk, 2500),
        .org = below(walk, 4),
        .user = UINT32_MAX,
        .requeue_on = GR_REQUEUE_RECLAIM,
        .attempts = 1};
    struct gr_event events[2];
    unsigned count = 0;
    gr_mask_fill(&submission.mask);
    if (gr_decide_submit(walk->f.core, NULL, walk->f.at, &submission, events, &count) == 0) {
        for (unsigned i = 0; i < count; i++) {
            (void)fixture_apply(&walk->f, &events[i], NULL);
        }
    }
}

// Ends jobs: those that were asked to, and some others.
static void ends_try(struct walk *walk)
{
    uint32_t cursor = 0;
    const struct gr_job *job;
    while ((job = gr_core_job_next(walk->f.core, &cursor)) != NULL) {
        bool over = job->limit_ms > 0 && job->started_ms + job->limit_ms <= walk->f.at;
        if (job->state == GR_JOB_RUNNING &&
            (over || below(walk, job->stop_why != GR_STOP_NOT ? 2 : 12) == 0)) {
            struct gr_ending ending = {.outcome = job->stop_why != GR_STOP_NOT ? GR_OUTCOME_STOPPED
                                                                               : GR_OUTCOME_DONE};
            struct gr_event event =
                gr_decide_end(walk->f.core, walk->f.at, walk->f.at, job->id, &ending);
            (void)fixture_apply(&walk->f, &event, NULL);
            cursor = 0;
        }
    }
}

static void other_try(struct walk *walk)
{
    struct booked *booked = &walk->booked[below(walk, BOOKED)];
    if (below(walk, 3) == 0) {
        fixture_node_state(&walk->f, below(walk, NODES),
                           below(walk, 3) == 0 ? GR_NODE_DRAINED : GR_NODE_UP);
    } else if (booked->id != 0) {
        struct gr_event event = fixture_fact(&walk->f, GR_WINDOW_ENDED);
        event.window_turn.window = booked->id;
        (void)fixture_apply(&walk->f, &event, NULL);
        booked->id = 0;
        booked->open = false;
    }
}

static void copy_compare(struct walk *walk)
{
    struct gr_core *copy;
    struct gr_err err;
    struct gr_event event;
    uint8_t a[32], b[32];
    assert_int_equal(gr_core_clone(walk->f.core, &copy, &err), 0);
    gr_core_digest(copy, a);
    gr_core_digest(walk->f.core, b);
    assert_memory_equal(a, b, 32);
    assert_null(gr_core_audit(copy));
    bool says = gr_decide_start(copy, NULL, walk->f.at, walk->f.pieces, &event);
    assert_true(!says || event.type == GR_ROOM_RESERVED); // nobody was left that could
    gr_core_free(copy);
}

static void walk_run(struct walk *walk, uint64_t seed, enum gr_order order, unsigned steps)
{
    struct gr_core_config config = fixture_config(order);
    config.limits.orgs = 4;
    config.limits.jobs = 24;
    config.limits.pieces = 64;
    memset(walk->booked, 0, sizeof walk->booked);
    fixture_init(&walk->f, &config);
    walk->random = seed;
    for (uint32_t o = 1; o < 4; o++) {
        struct gr_event event = fixture_fact(&walk->f, GR_ORG_ADDED);
        event.org.parent = o == 3 ? 1 : 0;
        event.org.name[0] = (char)('a' + o);
        (void)fixture_apply(&walk->f, &event, NULL);
    }
    for (unsigned n = 0; n < NODES; n++) {
        fixture_node(&walk->f, 8);
    }
    struct gr_event event = fixture_fact(&walk->f, GR_QUEUE_TERMS_SET);
    event.queue_terms = walk->f.core->queue_terms;
    event.queue_terms.notice_ms = 100;
    event.queue_terms.reclaim = 0;
    (void)fixture_apply(&walk->f, &event, NULL);
    for (unsigned s = 0; s < steps; s++) {
        walk->f.at += below(walk, 150) + (below(walk, 50) == 0 ? 5000 : 0);
        ends_try(walk);
        if (below(walk, 6) == 0) {
            window_try(walk);
        }
        if (below(walk, 10) == 0) {
            other_try(walk);
        }
        job_try(walk);
        decide_all(walk);
        if (s % 8 == 0) {
            assert_null(gr_core_audit(walk->f.core));
            copy_compare(walk);
        }
    }
    fixture_done(&walk->f);
}

static void histories_agree_with_a_calendar_of_their_own(void **state)
{
    (void)state;
    static const enum gr_order orders[] = {GR_ORDER_FAIR, GR_ORDER_FAIR, GR_ORDER_BACKFILL,
                                           GR_ORDER_FIFO};
    static struct walk walk;
    unsigned seeds = getenv("WALK_SEEDS") == NULL ? 24 : (unsigned)atoi(getenv("WALK_SEEDS"));
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        walk_run(&walk, seed * 7919, orders[seed % 4], 400);
    }
    print_message("%u started, %u inside, %u before, %u waited, %u stopped, %u opened, %u closed, "
                  "%u refused\n",
                  walk.started, walk.inside, walk.before, walk.barred, walk.stopped, walk.opened,
                  walk.closed, walk.refused);
    assert_true(walk.started > 500 && walk.inside > 20 && walk.before > 20 && walk.barred > 100 &&
                walk.stopped > 20 && walk.opened > 100 && walk.closed > 100 && walk.refused > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_agree_with_a_calendar_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
