// The state as bytes: it comes back the same and decides the same, and damaged bytes are refused.
#include "core/save.h"

#include "core/fixture.h"

#include <errno.h>

// Saved bytes.
struct saved {
    uint8_t *bytes; // heap
    size_t size, room;
    size_t fail_at; // the write that passes this size fails; 0: none
};

static int saved_write(void *context, const void *bytes, size_t size, struct gr_err *err)
{
    struct saved *saved = context;
    if (saved->fail_at != 0 && saved->size + size > saved->fail_at) {
        return gr_fail(err, -EIO, "no more");
    }
    if (saved->size + size > saved->room) {
        saved->room = 2 * (saved->size + size);
        saved->bytes = realloc(saved->bytes, saved->room);
        assert_non_null(saved->bytes);
    }
    memcpy(saved->bytes + saved->size, bytes, size);
    saved->size += size;
    return 0;
}

static void save(const struct gr_core *core, struct saved *ret_saved)
{
    struct gr_err err = {0};
    *ret_saved = (struct saved){0};
    assert_int_equal(gr_core_save(core, saved_write, ret_saved, &err), 0);
}

// A pool with something in every table.
static void pool_make(struct fixture *f)
{
    struct gr_core_config config = fixture_config(GR_ORDER_BACKFILL);
    config.learn_mix = true;
    fixture_init(f, &config);
    struct gr_event event = fixture_fact(f, GR_USER_ADDED);
    event.user_added.commitment[3] = 9;
    (void)fixture_apply(f, &event, NULL);
    fixture_node(f, 8);
    fixture_node(f, 4);
    event = fixture_fact(f, GR_DEVICES_SET);
    event.devices_set.node = 1;
    event.devices_set.devices = 1;
    event.devices_set.is_out = 1;
    event.devices_set.health = 4;
    (void)fixture_apply(f, &event, NULL);
    (void)fixture_submit(f, fixture_demand(2, 2), 50);
    (void)fixture_submit(f, fixture_demand(1, 8), 50);
    (void)fixture_submit(f, fixture_demand(1, 1), 5000);
    while (fixture_start(f) != 0) {
    }
    event = fixture_fact(f, GR_JOB_SUBMITTED);
    event.submitted.demand = fixture_demand(1, 1);
    event.submitted.attempts = 1;
    event.submitted.array = (struct gr_array_of){event.sequence, 0, 3, 1, 0};
    uint64_t array = event.sequence;
    (void)fixture_apply(f, &event, NULL);
    event.sequence++;
    event.submitted.array.index = 1;
    (void)fixture_apply(f, &event, NULL);
    struct gr_edge edge = {.job = array, .how = GR_AFTER_ANY};
    event = fixture_fact(f, GR_JOB_SUBMITTED);
    event.submitted.demand = fixture_demand(1, 1);
    event.submitted.attempts = 1;
    event.edges = &edge;
    event.edge_count = 1;
    (void)fixture_apply(f, &event, NULL);
    event = fixture_fact(f, GR_KEY_USED);
    event.key_used.key[5] = 1;
    (void)fixture_apply(f, &event, NULL);
    assert_true(gr_decide_mix(f->core, f->at, &event));
    (void)fixture_apply(f, &event, NULL);
    assert_int_equal(gr_core_held(f->core), 2);
    assert_null(gr_core_audit(f->core));
}

static void same_digest(const struct gr_core *a, const struct gr_core *b)
{
    uint8_t one[32], two[32];
    gr_core_digest(a, one);
    gr_core_digest(b, two);
    assert_memory_equal(one, two, sizeof one);
}

static void a_saved_state_comes_back_and_goes_on_the_same(void **state)
{
    (void)state;
    struct fixture f;
    struct saved saved;
    struct gr_core *loaded;
    struct gr_err err = {0};
    struct gr_piece *pieces = calloc(GR_TASKS_MAX, sizeof *pieces);
    pool_make(&f);
    save(f.core, &saved);
    assert_int_equal(gr_core_load(&f.config, saved.bytes, saved.size, &loaded, &err), 0);
    assert_null(gr_core_audit(loaded));
    same_digest(f.core, loaded);
    assert_int_equal(gr_core_org_jobs(loaded, 0), gr_core_org_jobs(f.core, 0));
    assert_int_equal(gr_core_keys(loaded), 1);
    for (unsigned step = 0; step < 60; step++) {
        struct gr_event one, two;
        f.at += 7;
        bool any = gr_decide_start(f.core, NULL, f.at, f.pieces, &one);
        assert_int_equal(gr_decide_start(loaded, NULL, f.at, pieces, &two), any);
        if (!any) {
            uint32_t cursor = 0;
            const struct gr_job *job = gr_core_job_next(f.core, &cursor);
            while (job != NULL && job->state != GR_JOB_RUNNING) {
                job = gr_core_job_next(f.core, &cursor);
            }
            if (job == NULL) {
                break;
            }
            one = gr_decide_end(f.core, f.at, f.at, job->id, &(struct gr_ending){0});
            two = gr_decide_end(loaded, f.at, f.at, job->id, &(struct gr_ending){0});
        }
        assert_int_equal(one.type, two.type);
        assert_int_equal(gr_core_step(f.core, &one, NULL, NULL), GR_REFUSED_NOTHING);
        assert_int_equal(gr_core_step(loaded, &two, NULL, NULL), GR_REFUSED_NOTHING);
        same_digest(f.core, loaded);
    }
    assert_null(gr_core_audit(loaded));
    free(pieces);
    free(saved.bytes);
    gr_core_free(loaded);
    fixture_done(&f);
}

static void larger_limits_take_it_and_smaller_ones_say_which(void **state)
{
    (void)state;
    struct fixture f;
    struct saved saved;
    struct gr_core *loaded;
    struct gr_err err = {0};
    pool_make(&f);
    struct gr_event event = fixture_node_fact(&f, 8);
    event.node.row.domain[0] = 1;
    (void)fixture_apply(&f, &event, NULL);
    save(f.core, &saved);
    struct gr_core_config config = f.config;
    config.limits.jobs += 100;
    config.limits.keys += 100;
    config.limits.arrays += 7;
    config.limits.place.nodes += 40;
    config.limits.place.masks += 3;
    assert_int_equal(gr_core_load(&config, saved.bytes, saved.size, &loaded, &err), 0);
    same_digest(f.core, loaded);
    assert_null(gr_core_audit(loaded));
    gr_core_free(loaded);
#define SMALLER(field, value, name)                                                                \
    do {                                                                                           \
        config = f.config;                                                                         \
        config.limits.field = value;                                                               \
        assert_int_equal(gr_core_load(&config, saved.bytes, saved.size, &loaded, &err), -ENOSPC);  \
        assert_non_null(strstr(err.text, name));                                                   \
    } while (0)
    SMALLER(jobs, 2, "jobs");
    SMALLER(pieces, 0, "pieces");
    SMALLER(users, 0, "users");
    SMALLER(arrays, 0, "arrays");
    SMALLER(edges, 0, "edges");
    SMALLER(keys, 0, "keys");
    SMALLER(place.nodes, 1, "nodes");
    SMALLER(place.domains[0], 1, "domains");
    config = f.config;
    config.limits.jobs = 0;
    assert_int_equal(gr_core_load(&config, saved.bytes, saved.size, &loaded, &err), -EINVAL);
    free(saved.bytes);
    fixture_done(&f);
}

static void each_damaged_byte_and_each_cut_is_found(void **state)
{
    (void)state;
    struct fixture f;
    struct saved saved;
    struct gr_core *loaded;
    struct gr_err err = {0};
    pool_make(&f);
    save(f.core, &saved);
    for (size_t i = 0; i < saved.size; i++) {
        saved.bytes[i] ^= 1;
        assert_int_equal(gr_core_load(&f.config, saved.bytes, saved.size, &loaded, &err), -EBADMSG);
        saved.bytes[i] ^= 1;
    }
    for (size_t size = 0; size < saved.size; size += 97) {
        assert_int_equal(gr_core_load(&f.config, saved.bytes, size, &loaded, &err), -EBADMSG);
    }
    free(saved.bytes);
    fixture_done(&f);
}

static void a_failed_write_ends_the_saving(void **state)
{
    (void)state;
    struct fixture f;
    struct gr_err err = {0};
    pool_make(&f);
    for (size_t at = 1; at < 4000; at += 500) {
        struct saved saved = {.fail_at = at};
        assert_int_equal(gr_core_save(f.core, saved_write, &saved, &err), -EIO);
        assert_true(saved.size <= at);
        free(saved.bytes);
    }
    fixture_done(&f);
}

static void facts_that_come_soon_change_nothing(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t before[32], after[32];
    struct gr_event events[100];
    pool_make(&f);
    uint32_t cursor = 0;
    uint64_t running = gr_core_job_next(f.core, &cursor)->id;
    for (unsigned i = 0; i < 100; i++) {
        events[i] = gr_decide_fact(f.core, f.at, (enum gr_event_type)(1 + i % GR_EVENT_TYPES));
        events[i].placed.job = i % 2 == 0 ? running : i;
    }
    gr_core_digest(f.core, before);
    gr_core_soon(f.core, events, 100);
    gr_core_soon(f.core, NULL, 0);
    gr_core_digest(f.core, after);
    assert_memory_equal(before, after, sizeof before);
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_state_comes_back_and_goes_on_the_same),
        cmocka_unit_test(larger_limits_take_it_and_smaller_ones_say_which),
        cmocka_unit_test(each_damaged_byte_and_each_cut_is_found),
        cmocka_unit_test(a_failed_write_ends_the_saving),
        cmocka_unit_test(facts_that_come_soon_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
