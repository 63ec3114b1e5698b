// Tests of the core's block: what facts change, clones, digests, device-time, and how it is made.
#include "core/fixture.h"

#include "base/hash.h"

#include <errno.h>
#include <sys/resource.h>

static void a_core_refuses_limits_out_of_range_and_unknown_policies(void **state)
{
    (void)state;
#define REFUSES(change, part)                                                                      \
    do {                                                                                           \
        struct gr_core_config config = fixture_config(GR_ORDER_FIFO);                              \
        struct gr_core *core = NULL;                                                               \
        struct gr_err err;                                                                         \
        change;                                                                                    \
        assert_int_equal(gr_core_new(&config, &core, &err), -EINVAL);                              \
        assert_null(core);                                                                         \
        assert_non_null(strstr(err.text, part));                                                   \
    } while (0)
    REFUSES(config.limits.place.nodes = 0, "nodes");
    REFUSES(config.limits.place.nodes = GR_NODES_MAX + 1, "nodes");
    REFUSES(config.limits.place.masks = 0, "masks");
    REFUSES(config.limits.place.masks = 4097, "masks");
    REFUSES(config.limits.place.slots = 0, "slots");
    REFUSES(config.limits.place.slots = 544, "slots");
    REFUSES(config.limits.place.slots = 40, "slots (a multiple of 32)");
    REFUSES(config.limits.place.domains[3] = GR_NODES_MAX + 1, "domains");
    REFUSES(config.limits.jobs = 0, "jobs");
    REFUSES(config.limits.jobs = 16777217, "jobs");
    REFUSES(config.limits.pieces = 16777217, "pieces");
    REFUSES(config.limits.orgs = 0, "orgs");
    REFUSES(config.limits.orgs = 65537, "orgs");
    REFUSES(config.limits.sites = 0, "sites");
    REFUSES(config.limits.sites = GR_SITES_MAX + 1, "sites");
    REFUSES(config.limits.variants = 0, "variants");
    REFUSES(config.limits.variants = GR_POOL_VARIANTS_MAX + 1, "variants");
    REFUSES(config.policy = "best", "no placement policy 'best'");
    REFUSES(config.policy = NULL, "no placement policy ''");
    gr_core_free(NULL);
}

static void what_was_touched_is_real_memory(void **state)
{
    (void)state;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    struct gr_core *core;
    struct gr_err err;
    config.limits.jobs = 300000; // large enough for huge pages
    config.limits.pieces = 100000;
    config.touch_jobs = 1000000; // more than there can be
    config.touch_pieces = 1000;
    config.touch_nodes = 1000;
    assert_int_equal(gr_core_new(&config, &core, &err), 0);
    assert_null(gr_core_audit(core));
    gr_core_free(core);
}

static void a_system_without_memory_is_an_error_that_says_what_to_do(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core *core = NULL;
    struct gr_err err;
    struct rlimit was, low;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    assert_int_equal(getrlimit(RLIMIT_AS, &was), 0);
    low = was;
    low.rlim_cur = 1 << 20; // nothing more may be mapped
    assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
    int made = gr_core_new(&config, &core, &err);
    int cloned = gr_core_clone(f.core, &core, NULL);
    assert_int_equal(setrlimit(RLIMIT_AS, &was), 0);
    assert_int_equal(made, -ENOMEM);
    assert_int_equal(cloned, -ENOMEM);
    assert_null(core);
    assert_non_null(strstr(err.text, "lower its limits"));
    fixture_done(&f);
}

static void facts_become_the_state(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    assert_string_equal(gr_core_org_get(f.core, 0)->name, "owner");
    assert_null(gr_core_org_get(f.core, 1));
    assert_string_equal(gr_core_site_get(f.core, 0)->name, "site");
    assert_null(gr_core_site_get(f.core, 1));
    assert_string_equal(gr_core_variant_get(f.core, 0), "h20");
    assert_null(gr_core_variant_get(f.core, 1));
    assert_int_equal(gr_core_next_sequence(f.core), 5);
    assert_int_equal(gr_core_now(f.core), 1000);
    fixture_node(&f, 8);
    f.at = 1200;
    uint64_t job = fixture_submit(&f, fixture_demand(2, 3), 60);
    const struct gr_job *row = gr_core_job_find(f.core, job);
    assert_int_equal(row->state, GR_JOB_WAITING);
    assert_int_equal(row->tag, 77);
    assert_int_equal(row->submitted_ms, 1200);
    assert_int_equal(row->limit_ms, 60);
    assert_int_equal(gr_core_waiting(f.core), 1);
    f.at = 1300;
    assert_int_equal(fixture_start(&f), job);
    assert_int_equal(row->state, GR_JOB_RUNNING);
    assert_int_equal(row->started_ms, 1300);
    assert_int_equal(row->attempt, 1);
    assert_int_equal(gr_core_waiting(f.core), 0);
    assert_int_equal(gr_core_running(f.core), 1);
    assert_int_equal(gr_core_used_milli(f.core), 6000);
    struct gr_piece pieces[2];
    assert_int_equal(gr_core_job_pieces(f.core, job, pieces, 1), 2);
    assert_int_equal(gr_core_job_pieces(f.core, job, pieces, 2), 2);
    assert_int_equal(pieces[0].devices | pieces[1].devices, 0x3f);
    fixture_finish(&f, job);
    assert_null(gr_core_job_find(f.core, job));
    assert_int_equal(gr_core_used_milli(f.core), 0);
    assert_int_equal(gr_place_node_get(gr_core_place(f.core), 0)->whole, 8);
    fixture_done(&f);
}

static void starts_and_ends_have_effects_that_name_attempt_and_epoch(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_effect effect = {0};
    struct gr_event event;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    uint64_t job = fixture_submit(&f, fixture_demand(1, 1), 0);
    event = fixture_fact(&f, GR_EPOCH_BEGUN);
    event.epoch = 4;
    assert_int_equal(fixture_apply(&f, &event, &effect), 0);
    assert_true(gr_decide_start(f.core, NULL, f.at, f.pieces, &event));
    assert_int_equal(fixture_apply(&f, &event, &effect), 1);
    assert_int_equal(effect.type, GR_START_JOB);
    assert_int_equal(effect.job, job);
    assert_int_equal(effect.attempt, 1);
    assert_int_equal(effect.epoch, 4);
    struct gr_ending ending = {.outcome = GR_OUTCOME_FAILED};
    event = gr_decide_end(f.core, f.at, f.at, job, &ending);
    assert_int_equal(fixture_apply(&f, &event, &effect), 1);
    assert_int_equal(effect.type, GR_RELEASE_JOB);
    assert_int_equal(effect.job, job);
    assert_int_equal(effect.epoch, 4);
    event = fixture_node_fact(&f, 1);
    assert_int_equal(fixture_apply(&f, &event, &effect), 0);
    fixture_done(&f);
}

// Hours of one device of 1000 milli, in the units of device-time.
static unsigned __int128 of(unsigned devices, unsigned ms)
{
    return (unsigned __int128)devices * 1000 * ms;
}

static void device_time_adds_up_and_broken_comes_before_used(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    uint64_t job = fixture_submit(&f, fixture_demand(1, 3), 0);
    assert_int_equal(fixture_start(&f), job);
    f.at += 10; // 3 used, 5 idle
    fixture_node_state(&f, 0, GR_NODE_DRAINED);
    f.at += 20; // 3 used, 5 in maintenance
    fixture_node_state(&f, 0, GR_NODE_BROKEN);
    f.at += 40; // 8 broken, whatever holds them
    struct gr_event event = fixture_node_fact(&f, 2);
    event.node.row.state = GR_NODE_BROKEN;
    (void)fixture_apply(&f, &event, NULL);
    f.at += 80; // 10 broken
    fixture_node_state(&f, 0, GR_NODE_UP);
    f.at += 160; // 3 used, 5 idle, 2 broken
    fixture_finish(&f, job);
    f.at += 320; // 8 idle, 2 broken
    fixture_node_state(&f, 1, GR_NODE_UP);
    struct gr_device_time time = gr_core_device_time(f.core);
    struct gr_device_time later = gr_core_device_time_at(f.core, gr_core_now(f.core) + 7);
    struct gr_device_time as_of_now = gr_core_device_time_at(f.core, 0);
    struct gr_place_totals totals = gr_place_totals_get(gr_core_place(f.core));
    assert_true(later.used + later.idle + later.maintenance + later.broken ==
                time.used + time.idle + time.maintenance + time.broken + totals.all_milli * 7);
    assert_true(memcmp(&as_of_now, &time, sizeof time) == 0);
    assert_true(time.used == of(3, 10) + of(3, 20) + of(3, 160));
    assert_true(time.idle == of(5, 10) + of(5, 160) + of(8, 320));
    assert_true(time.maintenance == of(5, 20));
    assert_true(time.broken == of(8, 40) + of(10, 80) + of(2, 160) + of(2, 320));
    fixture_done(&f);
}

static void device_time_of_the_largest_pool_for_a_century_does_not_overflow(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    for (int i = 0; i < 8; i++) {
        fixture_node(&f, 16);
    }
    f.at = INT64_MAX;
    fixture_node_state(&f, 0, GR_NODE_UP);
    struct gr_device_time time = gr_core_device_time(f.core);
    assert_true(time.idle == (unsigned __int128)(INT64_MAX - 1000) * 128000);
    fixture_done(&f);
}

// Some history that uses every table; calls `each` before every fact.
struct history {
    struct fixture f;
    struct gr_event facts[64];
    struct gr_piece pieces[64][4];
    struct gr_mask masks[64];
    struct gr_mix_item items[2];
    unsigned count;
};

static void history_apply(struct history *h, const struct gr_event *event)
{
    assert_true(h->count < 64);
    struct gr_event *fact = &h->facts[h->count];
    *fact = *event;
    assert_true(event->piece_count <= 4);
    if (event->piece_count > 0) {
        memcpy(h->pieces[h->count], event->pieces, event->piece_count * sizeof *event->pieces);
        fact->pieces = h->pieces[h->count];
    }
    if (event->mask != NULL) {
        h->masks[h->count] = *event->mask;
        fact->mask = &h->masks[h->count];
    }
    h->count++;
    (void)fixture_apply(&h->f, event, NULL);
}

static uint64_t history_submit(struct history *h, struct gr_demand demand, int64_t limit_ms,
                               uint64_t variants)
{
    struct gr_submission submission = {.demand = demand, .limit_ms = limit_ms, .user = UINT32_MAX};
    struct gr_event events[2];
    unsigned count;
    submission.mask.bits[0][0] = variants;
    assert_int_equal(gr_decide_submit(h->f.core, NULL, h->f.at, &submission, events, &count), 0);
    for (unsigned i = 0; i < count; i++) {
        history_apply(h, &events[i]);
    }
    return events[count - 1].sequence;
}

static void history_starts(struct history *h)
{
    struct gr_event event;
    while (gr_decide_start(h->f.core, NULL, h->f.at, h->f.pieces, &event)) {
        history_apply(h, &event);
    }
}

// The first part of the history, and the rest.
static void history_begin(struct history *h)
{
    struct gr_core_config config = fixture_config(GR_ORDER_BACKFILL);
    config.policy = "bestfit";
    config.learn_mix = true;
    memset(h, 0, sizeof *h);
    fixture_init(&h->f, &config);
    for (unsigned i = 0; i < 3; i++) {
        struct gr_event event = fixture_node_fact(&h->f, 8);
        event.node.row.domain[0] = i / 2;
        history_apply(h, &event);
    }
    uint64_t first = history_submit(h, fixture_demand(3, 2), 500, 1);
    history_submit(h, fixture_demand(1, 8), 200, 3);
    history_starts(h);
    h->f.at += 50;
    struct gr_ending ending = {0};
    struct gr_event event = gr_decide_end(h->f.core, h->f.at, h->f.at - 1, first, &ending);
    history_apply(h, &event);
}

static void history_end(struct history *h)
{
    struct gr_event event = fixture_fact(&h->f, GR_MIX_SET);
    h->items[0] = (struct gr_mix_item){.shape = fixture_demand(1, 4).shape, .count = 3};
    event.items = h->items;
    event.item_count = 1;
    history_apply(h, &event);
    history_submit(h, fixture_demand(3, 8), 300, 1);
    history_submit(h, fixture_demand(2, 4), 100, 1);
    history_submit(h, fixture_demand(1, 1), 0, 7);
    history_starts(h);
    event = fixture_fact(&h->f, GR_NODE_STATE_SET);
    event.node_state.node = 2;
    event.node_state.state = GR_NODE_DRAINED;
    history_apply(h, &event);
    event = fixture_fact(&h->f, GR_EPOCH_BEGUN);
    history_apply(h, &event);
    h->f.at += 7;
    history_starts(h);
}

static void same_digest(const struct gr_core *a, const struct gr_core *b)
{
    uint8_t one[32], two[32];
    gr_core_digest(a, one);
    gr_core_digest(b, two);
    assert_memory_equal(one, two, 32);
}

static void live_replayed_and_cloned_with_a_tail_have_one_digest(void **state)
{
    (void)state;
    static struct history h;
    struct gr_core *clone;
    struct gr_err err;
    struct fixture replayed;
    history_begin(&h);
    assert_int_equal(gr_core_clone(h.f.core, &clone, &err), 0);
    same_digest(h.f.core, clone);
    unsigned from = h.count;
    history_end(&h);
    for (unsigned i = from; i < h.count; i++) {
        assert_int_equal(gr_core_check(clone, &h.facts[i]), GR_REFUSED_NOTHING);
        (void)gr_core_apply(clone, &h.facts[i], NULL);
    }
    same_digest(h.f.core, clone);
    fixture_init(&replayed, &h.f.config);
    for (unsigned i = 0; i < h.count; i++) {
        (void)fixture_apply(&replayed, &h.facts[i], NULL);
    }
    same_digest(h.f.core, replayed.core);
    fixture_done(&replayed);
    assert_null(gr_core_audit(clone));
    gr_core_free(clone);
    fixture_done(&h.f);
}

static void a_clone_decides_the_same_and_is_independent(void **state)
{
    (void)state;
    static struct history h;
    struct gr_core *clone;
    struct gr_err err;
    uint8_t before[32], after[32];
    static struct gr_piece pieces[GR_TASKS_MAX];
    history_begin(&h);
    history_submit(&h, fixture_demand(2, 3), 0, 1);
    assert_int_equal(gr_core_clone(h.f.core, &clone, &err), 0);
    struct gr_event one, two;
    assert_true(gr_decide_start(h.f.core, NULL, h.f.at, h.f.pieces, &one));
    assert_true(gr_decide_start(clone, NULL, h.f.at, pieces, &two));
    assert_int_equal(one.placed.job, two.placed.job);
    assert_int_equal(one.piece_count, two.piece_count);
    assert_memory_equal(h.f.pieces, pieces, one.piece_count * sizeof *pieces);
    gr_core_digest(h.f.core, before);
    (void)gr_core_apply(clone, &two, NULL);
    gr_core_digest(h.f.core, after);
    assert_memory_equal(before, after, 32);
    gr_core_free(clone);
    fixture_done(&h.f);
}

static void decisions_and_questions_leave_the_digest_alone(void **state)
{
    (void)state;
    static struct history h;
    uint8_t before[32], after[32];
    struct gr_event event;
    struct gr_piece piece;
    history_begin(&h);
    history_end(&h);
    gr_core_digest(h.f.core, before);
    (void)gr_decide_start(h.f.core, NULL, h.f.at, h.f.pieces, &event);
    struct gr_submission submission = {.demand = fixture_demand(1, 1), .user = UINT32_MAX};
    struct gr_event events[2];
    unsigned count;
    submission.mask.bits[0][0] = 5;
    (void)gr_decide_submit(h.f.core, NULL, h.f.at, &submission, events, &count);
    for (unsigned i = 0; i < 10; i++) { // enough to learn a slot
        struct gr_shape shape = {.devices = 1, .milli = 321};
        (void)gr_place_find(gr_core_place_refresh(h.f.core), &shape, i, &piece);
    }
    (void)gr_core_audit(h.f.core);
    gr_core_digest(h.f.core, after);
    assert_memory_equal(before, after, 32);
    fixture_done(&h.f);
}

static void each_part_of_the_state_is_in_the_digest(void **state)
{
    (void)state;
    static struct history h;
    uint8_t before[32], after[32];
    history_begin(&h);
    history_end(&h);
    struct gr_core *core = h.f.core;
    gr_core_digest(core, before);
    uint8_t *bytes[] = {
        (uint8_t *)&core->epoch,
        (uint8_t *)&core->sequence,
        (uint8_t *)&core->now_ms,
        (uint8_t *)&core->time.broken,
        (uint8_t *)&core->time_all,
        (uint8_t *)&core->used_milli,
        (uint8_t *)&core->broken_milli,
        core->mix_digest,
        (uint8_t *)&core->job_free,
        (uint8_t *)&core->tail[255],
        (uint8_t *)&core->room_kept.start_ms,
        gr_core_at(core, core->orgs_at),
        gr_core_at(core, core->sites_at),
        gr_core_at(core, core->variants_at),
        (uint8_t *)gr_job_at(core, 0),
        (uint8_t *)gr_allocation_at(core, 0),
        (uint8_t *)gr_more_at(core, 0),
        gr_kept_at(core),
        (uint8_t *)(uintptr_t)gr_place_node_get(gr_core_place(core), 2),
        (uint8_t *)(uintptr_t)gr_place_cold_get(gr_core_place(core), 2),
        (uint8_t *)(uintptr_t)gr_place_mask_get(gr_core_place(core), 1),
    };
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        *bytes[i] ^= 0x40;
        gr_core_digest(core, after);
        assert_memory_not_equal(before, after, 32);
        *bytes[i] ^= 0x40;
    }
    gr_core_digest(core, after);
    assert_memory_equal(before, after, 32);
    fixture_done(&h.f);
}

static void how_the_core_decides_is_not_in_the_digest(void **state)
{
    (void)state;
    static struct history h;
    uint8_t before[32], after[32];
    history_begin(&h);
    history_end(&h);
    gr_core_digest(h.f.core, before);
    h.f.core->order ^= 1;
    h.f.core->learn_mix ^= 1;
    gr_learned_at(h.f.core)->submitted++;
    gr_core_digest(h.f.core, after);
    assert_memory_equal(before, after, 32);
    fixture_done(&h.f);
}

static void slots_are_reused_and_every_job_stays_findable(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t jobs[8] = {0};
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(&f, &config);
    fixture_node(&f, 16);
    for (unsigned round = 0; round < 3000; round++) {
        unsigned i = (round * 5 + round / 7) % 8;
        if (jobs[i] != 0) {
            fixture_finish(&f, jobs[i]);
        }
        jobs[i] = fixture_submit(&f, fixture_demand(1 + round % 2, 1), 0);
        assert_int_equal(fixture_start(&f), jobs[i]);
        for (unsigned j = 0; j < 8; j++) {
            assert_true(jobs[j] == 0 || gr_core_job_find(f.core, jobs[j])->id == jobs[j]);
        }
    }
    assert_int_equal(f.core->job_top, 8);
    fixture_done(&f);
}

static void jobs_of_a_burst_do_not_lie_in_one_run_of_the_index(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    config.limits.jobs = 4096;
    fixture_init(&f, &config);
    fixture_node(&f, 8);
    for (unsigned i = 0; i < config.limits.jobs; i++) {
        (void)fixture_submit(&f, fixture_demand(1, 1), 0);
    }
    const uint64_t *entries = gr_core_at(f.core, f.core->index_at);
    unsigned run = 0, longest = 0;
    for (uint32_t i = 0; i < f.core->index_size; i++) {
        run = entries[i] != 0 ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    assert_true(longest >= 8);
    assert_true(longest < 512);
    fixture_done(&f);
}

static void a_learned_mix_follows_the_submissions_and_forgets_the_rarest(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    config.learn_mix = true;
    fixture_init(&f, &config);
    fixture_node(&f, 16);
    for (unsigned i = 0; i < GR_MIX_MAX + 10; i++) {
        struct gr_demand demand = fixture_demand(1, 1);
        demand.shape.cpu_milli = i;
        for (unsigned twice = 0; twice < 1 + (i < 5); twice++) {
            uint64_t job = fixture_submit(&f, demand, 0);
            struct gr_event event = gr_decide_drop(f.core, f.at, job, GR_REFUSED_BY_USER);
            (void)fixture_apply(&f, &event, NULL);
        }
    }
    const struct gr_learned *learned = gr_learned_at(f.core);
    assert_int_equal(learned->submitted, GR_MIX_MAX + 15);
    assert_int_equal(learned->count, GR_MIX_MAX);
    bool common = false, last = false;
    for (unsigned i = 0; i < learned->count; i++) {
        common |= learned->items[i].shape.cpu_milli == 4 && learned->items[i].count == 2;
        last |= learned->items[i].shape.cpu_milli == GR_MIX_MAX + 9;
    }
    assert_true(common);
    assert_true(last);
    fixture_done(&f);
}

static void every_refusal_and_event_type_has_a_name(void **state)
{
    (void)state;
    for (unsigned r = 0; r < GR_REFUSALS; r++) {
        assert_non_null(gr_refusal_name((enum gr_refusal)r));
        assert_non_null(gr_refusal_text((enum gr_refusal)r));
        for (unsigned other = 0; other < r; other++) {
            assert_string_not_equal(gr_refusal_name((enum gr_refusal)r),
                                    gr_refusal_name((enum gr_refusal)other));
        }
    }
    for (unsigned t = 1; t < GR_EVENT_TYPES; t++) {
        assert_non_null(gr_event_type_name(t));
    }
    assert_null(gr_event_type_name(0));
    assert_null(gr_event_type_name(GR_EVENT_TYPES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_core_refuses_limits_out_of_range_and_unknown_policies),
        cmocka_unit_test(what_was_touched_is_real_memory),
        cmocka_unit_test(a_system_without_memory_is_an_error_that_says_what_to_do),
        cmocka_unit_test(facts_become_the_state),
        cmocka_unit_test(starts_and_ends_have_effects_that_name_attempt_and_epoch),
        cmocka_unit_test(device_time_adds_up_and_broken_comes_before_used),
        cmocka_unit_test(device_time_of_the_largest_pool_for_a_century_does_not_overflow),
        cmocka_unit_test(live_replayed_and_cloned_with_a_tail_have_one_digest),
        cmocka_unit_test(a_clone_decides_the_same_and_is_independent),
        cmocka_unit_test(decisions_and_questions_leave_the_digest_alone),
        cmocka_unit_test(each_part_of_the_state_is_in_the_digest),
        cmocka_unit_test(how_the_core_decides_is_not_in_the_digest),
        cmocka_unit_test(slots_are_reused_and_every_job_stays_findable),
        cmocka_unit_test(jobs_of_a_burst_do_not_lie_in_one_run_of_the_index),
        cmocka_unit_test(a_learned_mix_follows_the_submissions_and_forgets_the_rarest),
        cmocka_unit_test(every_refusal_and_event_type_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
