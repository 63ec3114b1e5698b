// Random histories of quotas, jobs and nodes, against a reference that keeps no sum: it counts all
// anew from the jobs, by recursion over the tree.
#include "core/quota_fixture.h"
#include "core/save.h"

#include <stdio.h>

// A pool and the random numbers that drive it.
struct walk {
    struct quota_pool pool;
    uint64_t random;
};

static uint32_t below(struct walk *walk, uint32_t limit)
{
    uint64_t z = walk->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % limit);
}

// --- random histories

// All from the jobs and rows, with no sum kept.
struct reference {
    const struct gr_core *core;
    uint32_t variant;
    uint64_t held[ORGS]; // by the organisation itself
    struct gr_quota rows[ORGS];
    bool has[ORGS];
    bool any, keeps;
    uint32_t first[ORGS], next[ORGS]; // children
    uint64_t free;
};

static void reference_make(struct reference *reference, const struct gr_core *core,
                           uint32_t variant)
{
    const struct gr_place *place = gr_core_place(core);
    static struct gr_piece pieces[64];
    uint32_t cursor = 0;
    const struct gr_job *job;
    memset(reference, 0, sizeof *reference);
    reference->core = core;
    reference->variant = variant;
    for (uint32_t o = gr_core_org_count(core); o-- > 0;) {
        uint32_t parent = gr_core_org_get(core, o)->parent;
        reference->first[o] = reference->first[o] == 0 ? UINT32_MAX : reference->first[o];
        reference->next[o] = UINT32_MAX;
        if (parent != UINT32_MAX) {
            reference->next[o] =
                reference->first[parent] == 0 ? UINT32_MAX : reference->first[parent];
            reference->first[parent] = o;
        }
    }
    while ((job = gr_core_job_next(core, &cursor)) != NULL) {
        uint32_t count =
            job->state == GR_JOB_RUNNING ? gr_core_job_pieces(core, job->id, pieces, 64) : 0;
        for (uint32_t i = 0; i < count; i++) {
            if (gr_place_node_get(place, pieces[i].node)->variant == variant) {
                reference->held[job->org] +=
                    (uint64_t)__builtin_popcount(pieces[i].devices) * pieces[i].milli;
            }
        }
    }
    for (uint32_t r = 0; r < core->quota_count; r++) {
        const struct gr_quota *quota = gr_quota_at(core, r);
        if (quota->variant == variant) {
            reference->rows[quota->org] = *quota;
            reference->has[quota->org] = true;
            reference->any = true;
            reference->keeps |= quota->lend_milli < quota->nominal_milli;
        }
    }
    for (uint32_t n = 0; n < gr_place_node_count(place); n++) {
        const struct gr_node *node = gr_place_node_get(place, n);
        for (unsigned i = 0; i < 8 && node->variant == variant && node->state == GR_NODE_UP; i++) {
            reference->free += node->free[i];
        }
    }
}

static uint64_t reference_used(const struct reference *reference, uint32_t org)
{
    uint64_t used = reference->held[org];
    for (uint32_t c = reference->first[org]; c != UINT32_MAX; c = reference->next[c]) {
        used += reference_used(reference, c);
    }
    return used;
}

static uint64_t reference_kept(const struct reference *reference, uint32_t org)
{
    const struct gr_quota *row = &reference->rows[org];
    uint64_t used = reference_used(reference, org);
    uint64_t lends = row->lend_milli < row->nominal_milli ? row->lend_milli : row->nominal_milli;
    uint64_t kept = row->nominal_milli - lends > used ? row->nominal_milli - lends - used : 0;
    uint64_t sum = 0;
    for (uint32_t c = reference->first[org]; c != UINT32_MAX; c = reference->next[c]) {
        sum += reference_kept(reference, c);
    }
    return reference->has[org] && kept > sum ? kept : sum;
}

static bool is_on_path(const struct reference *reference, uint32_t org, uint32_t above)
{
    while (org != UINT32_MAX && org != above) {
        org = gr_core_org_get(reference->core, org)->parent;
    }
    return org == above;
}

// What is kept for those who hang off the path from `org` to its root.
static uint64_t reference_beside(const struct reference *reference, uint32_t org)
{
    uint64_t sum = 0;
    for (uint32_t o = 0; o < gr_core_org_count(reference->core); o++) {
        uint32_t parent = gr_core_org_get(reference->core, o)->parent;
        if (!is_on_path(reference, org, o) && is_on_path(reference, org, parent)) {
            sum += reference_kept(reference, o);
        }
    }
    return sum;
}

static uint64_t reference_room(const struct reference *reference, uint32_t org)
{
    uint64_t beside = reference->keeps ? reference_beside(reference, org) : 0;
    return beside == 0 ? ANY : reference->free <= beside ? 0 : reference->free - beside;
}

// The largest q that every bound allows, bound by bound.
static uint64_t reference_left(const struct reference *reference, uint32_t org, bool is_own)
{
    uint64_t most = ANY;
    bool has_own = false;
    if (!reference->any) {
        return ANY;
    }
    for (uint32_t o = org; o != UINT32_MAX; o = gr_core_org_get(reference->core, o)->parent) {
        const struct gr_quota *row = &reference->rows[o];
        if (!reference->has[o]) {
            continue;
        }
        unsigned __int128 bound = row->borrow_milli == ANY
                                      ? ANY
                                      : (unsigned __int128)row->nominal_milli + row->borrow_milli;
        has_own |= row->nominal_milli > 0;
        bound = is_own && has_own && row->nominal_milli < bound ? row->nominal_milli : bound;
        uint64_t used = reference_used(reference, o);
        if (bound != ANY) {
            uint64_t here = bound > used ? (uint64_t)bound - used : 0;
            most = here < most ? here : most;
        }
    }
    uint64_t room = is_own ? ANY : reference_room(reference, org);
    return is_own && !has_own ? 0 : room < most ? room : most;
}

static uint64_t reference_owned(const struct reference *reference, uint32_t org, bool below_only)
{
    uint64_t sum = 0;
    if (reference->has[org] && !below_only) {
        return reference->rows[org].nominal_milli;
    }
    for (uint32_t c = reference->first[org]; c != UINT32_MAX; c = reference->next[c]) {
        sum += reference_owned(reference, c, false);
    }
    return sum;
}

// What the histories must come to; counted in all of them together.
static struct reached {
    uint64_t some_left, nothing_left, some_own, no_own, over, some_room, no_room, any_room;
} reached;

static void reached_count(const struct reference *reference, uint32_t org)
{
    uint64_t allowed = reference_left(reference, org, false);
    uint64_t is_own = reference_left(reference, org, true);
    uint64_t room = reference_room(reference, org);
    reached.some_left += allowed > 0 && allowed < ANY;
    reached.nothing_left += allowed == 0;
    reached.some_own += is_own > 0 && is_own < ANY;
    reached.no_own += is_own == 0;
    reached.some_room += room > 0 && room < ANY;
    reached.no_room += room == 0;
    reached.any_room += reference->any && room == ANY;
    reached.over +=
        reference->has[org] && reference->rows[org].nominal_milli < reference_used(reference, org);
}

static void compare(const struct gr_core *core, uint32_t org, uint32_t variant)
{
    static struct reference reference;
    struct gr_quota quota;
    uint64_t used = 0;
    reference_make(&reference, core, variant);
    reached_count(&reference, org);
    assert_true(gr_quota_left(core, org, variant, false) == reference_left(&reference, org, false));
    assert_true(gr_quota_left(core, org, variant, true) == reference_left(&reference, org, true));
    assert_true(gr_quota_room(core, org, variant) == reference_room(&reference, org));
    assert_true(gr_quota_has(core, variant) == reference.any);
    assert_true(gr_quota_owned_below(core, org, variant) == reference_owned(&reference, org, true));
    assert_true(gr_quota_find(core, org, variant, &quota, &used) == reference.has[org]);
    if (reference.has[org]) {
        assert_true(used == reference_used(&reference, org));
        assert_memory_equal(&quota, &reference.rows[org], sizeof quota);
    }
}

// A job of one to three tasks with devices that are free, on nodes of any variant.
static void some_job(struct walk *walk)
{
    const struct gr_place *place = gr_core_place(walk->pool.f.core);
    struct gr_piece pieces[3];
    uint32_t tasks = 1 + below(walk, 3), count = 0;
    uint16_t size = below(walk, 3) == 0 ? (uint16_t)(1 + below(walk, 900)) : 1000;
    unsigned width = size < 1000 ? 1 : 1 + below(walk, 4);
    if (gr_core_running(walk->pool.f.core) >= 48) {
        return;
    }
    uint32_t first = below(walk, gr_place_node_count(place));
    for (uint32_t n = first; n < gr_place_node_count(place) && count < tasks; n++) {
        const struct gr_node *node = gr_place_node_get(place, n);
        unsigned devices = 0, found = 0;
        for (unsigned i = 0; i < 8 && found < width; i++) {
            if (node->state == GR_NODE_UP && node->free[i] >= size) {
                devices |= 1u << i;
                found++;
            }
        }
        if (found == width) {
            pieces[count++] =
                (struct gr_piece){.node = n, .devices = (uint16_t)devices, .milli = size};
        }
    }
    if (count > 0) {
        (void)quota_pool_start(&walk->pool, below(walk, gr_core_org_count(walk->pool.f.core)),
                               pieces, count);
    }
}

static void some_end(struct walk *walk)
{
    uint32_t cursor = 0, skip = below(walk, 1 + gr_core_running(walk->pool.f.core));
    const struct gr_job *job;
    uint64_t found = 0;
    while ((job = gr_core_job_next(walk->pool.f.core, &cursor)) != NULL) {
        found = found == 0 || skip > 0 ? job->id : found;
        skip -= skip > 0;
    }
    if (found == 0) {
        return;
    }
    job = gr_core_job_find(walk->pool.f.core, found);
    if (job->state != GR_JOB_RUNNING) {
        struct gr_event event =
            gr_decide_drop(walk->pool.f.core, walk->pool.f.at, found, GR_REFUSED_BY_USER);
        (void)fixture_apply(&walk->pool.f, &event, NULL);
    } else if (below(walk, 4) == 0) {
        struct gr_event event = fixture_fact(&walk->pool.f, GR_JOB_REQUEUED);
        event.requeued.job = found;
        event.requeued.attempt = job->attempt;
        event.requeued.ending.outcome = GR_OUTCOME_FAILED;
        (void)fixture_apply(&walk->pool.f, &event, NULL);
    } else {
        fixture_finish(&walk->pool.f, found);
    }
}

static void some_quota(struct walk *walk)
{
    struct gr_quota quota = {.org = below(walk, gr_core_org_count(walk->pool.f.core)),
                             .variant = below(walk, VARIANTS),
                             .borrow_milli = ANY,
                             .lend_milli = ANY};
    if (below(walk, 3) > 0) { // else taken away
        quota.nominal_milli = below(walk, 4) == 0    ? 0
                              : below(walk, 20) == 0 ? GR_QUOTA_MILLI_MAX
                                                     : below(walk, 12000);
        quota.borrow_milli = below(walk, 3) == 0    ? ANY
                             : below(walk, 20) == 0 ? GR_QUOTA_MILLI_MAX
                                                    : below(walk, 8000);
        quota.lend_milli = below(walk, 3) == 0 ? ANY : quota.nominal_milli * below(walk, 5) / 4;
    }
    struct gr_event event = fixture_fact(&walk->pool.f, GR_QUOTA_SET);
    event.quota = quota;
    if (gr_core_check(walk->pool.f.core, &event) == GR_REFUSED_NOTHING) {
        (void)fixture_apply(&walk->pool.f, &event, NULL);
    } else {
        assert_int_equal(gr_core_check(walk->pool.f.core, &event), GR_REFUSED_LIMIT_OTHER);
        assert_int_equal(walk->pool.f.core->quota_count, walk->pool.f.core->limits.quotas);
    }
}

static void some_node(struct walk *walk)
{
    uint32_t node = below(walk, gr_place_node_count(gr_core_place(walk->pool.f.core)));
    if (below(walk, 2) == 0) {
        fixture_node_state(&walk->pool.f, node, (enum gr_node_state)below(walk, GR_NODE_STATES));
        return;
    }
    struct gr_event event = fixture_fact(&walk->pool.f, GR_DEVICES_SET);
    event.devices_set.node = node;
    event.devices_set.devices = (uint16_t)(1 + below(walk, 255));
    event.devices_set.is_out = (uint8_t)below(walk, 2);
    (void)fixture_apply(&walk->pool.f, &event, NULL);
}

// A parent for a new organisation: chains, stars, forests and what lies between.
static uint32_t some_parent(struct walk *walk, unsigned form)
{
    uint32_t count = gr_core_org_count(walk->pool.f.core);
    return form == 0   ? count - 1
           : form == 1 ? 0
           : form == 2 ? (below(walk, 10) == 0 ? UINT32_MAX : below(walk, count))
                       : below(walk, count);
}

struct bytes {
    uint8_t *at;
    size_t size, room;
};

static int bytes_add(void *context, const void *from, size_t size, struct gr_err *err)
{
    struct bytes *bytes = context;
    (void)err;
    while (bytes->room - bytes->size < size) {
        bytes->room = bytes->room * 2 + 65536;
        bytes->at = realloc(bytes->at, bytes->room);
        assert_non_null(bytes->at);
    }
    memcpy(bytes->at + bytes->size, from, size);
    bytes->size += size;
    return 0;
}

// A copy and a core from saved bytes have the same digest and leave the same.
static void copies_compare(struct walk *walk)
{
    struct gr_core *cores[2];
    struct gr_err err;
    struct bytes bytes = {0};
    uint8_t digest[32], other[32];
    gr_core_digest(walk->pool.f.core, digest);
    assert_int_equal(gr_core_clone(walk->pool.f.core, &cores[0], &err), 0);
    assert_int_equal(gr_core_save(walk->pool.f.core, bytes_add, &bytes, &err), 0);
    assert_int_equal(gr_core_load(&walk->pool.f.config, bytes.at, bytes.size, &cores[1], &err), 0);
    for (unsigned c = 0; c < 2; c++) {
        gr_core_digest(cores[c], other);
        assert_memory_equal(digest, other, sizeof digest);
        assert_null(gr_quota_audit(cores[c]));
        compare(cores[c], below(walk, gr_core_org_count(cores[c])), below(walk, VARIANTS));
        gr_core_free(cores[c]);
    }
    free(bytes.at);
}

static void history(uint64_t seed, uint32_t orgs, unsigned form, uint32_t steps)
{
    struct walk walk = {.random = seed};
    quota_pool_make(&walk.pool, 2 + (uint32_t)(seed % 60));
    for (unsigned n = 0; n < NODES; n++) {
        (void)quota_pool_node(&walk.pool, n % VARIANTS);
    }
    while (gr_core_org_count(walk.pool.f.core) < (orgs + 1) / 2) {
        (void)quota_pool_org(&walk.pool, some_parent(&walk, form), "x");
    }
    for (uint32_t i = 0; i < steps; i++) {
        uint32_t draw = below(&walk, 100);
        if (draw < 40) {
            some_job(&walk);
        } else if (draw < 65) {
            some_end(&walk);
        } else if (draw < 85) {
            some_quota(&walk);
        } else if (draw < 95) {
            some_node(&walk);
        } else if (gr_core_org_count(walk.pool.f.core) < orgs) {
            (void)quota_pool_org(&walk.pool, some_parent(&walk, form), "x");
        }
        compare(walk.pool.f.core, below(&walk, gr_core_org_count(walk.pool.f.core)),
                below(&walk, VARIANTS));
        if (i % 16 == 0) {
            const char *wrong = gr_core_audit(walk.pool.f.core);
            if (wrong != NULL) {
                fail_msg("seed %llu, step %u: %s", (unsigned long long)seed, i, wrong);
            }
        }
        if (i % 256 == 0) {
            copies_compare(&walk);
        }
    }
    while (walk.pool.f.core->quota_count > 0) { // and all of it can be taken away again
        struct gr_quota quota = *gr_quota_at(walk.pool.f.core, 0);
        quota.nominal_milli = 0;
        quota.borrow_milli = quota.lend_milli = ANY;
        quota_pool_set(&walk.pool, quota);
        compare(walk.pool.f.core, quota.org, quota.variant);
    }
    fixture_done(&walk.pool.f);
}

static void random_histories_agree_with_a_slow_reference(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, 7, 30, 200};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (unsigned form = 0; form < 4; form++) {
            history(1000 * s + form, sizes[s], form, 1500);
        }
    }
    const uint64_t *counts = &reached.some_left;
    for (size_t i = 0; i < sizeof reached / sizeof *counts; i++) {
        if (counts[i] < 100) {
            fail_msg("count %zu of what is to be reached is %llu", i,
                     (unsigned long long)counts[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories_agree_with_a_slow_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
