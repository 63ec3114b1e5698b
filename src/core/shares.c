// Whose turn it is: organisations and users in order of what they hold and held for their weight.
// Siblings stand in a list in order of key; a list changes where a share changes, and all of them
// once a tick. See queue.h.
#include "core/queue.h"

#include <string.h>

#define NONE GR_NONE

static uint32_t share_of_queue(const struct gr_core *core, uint32_t queue)
{
    return core->limits.orgs + queue;
}

static bool is_queue(const struct gr_core *core, uint32_t share)
{
    return share >= core->limits.orgs;
}

// The share above; NONE: it is a root.
static uint32_t parent_of(const struct gr_core *core, uint32_t share)
{
    return is_queue(core, share) ? gr_queue_at(core, share - core->limits.orgs)->org
                                 : gr_core_org_get(core, share)->parent;
}

// --- keys

// What is held now counts as much as what was held on average.
static uint64_t key_of(const struct gr_past *past, const struct gr_use_now *now, uint32_t weight,
                       int64_t half_life_ms, int64_t at_ms)
{
    struct gr_past then = *past;
    if (at_ms > then.at_ms) {
        gr_past_pass(&then, now->share_milli, half_life_ms, at_ms);
    }
    uint64_t average = half_life_ms == 0 ? 0 : then.average; // without memory only now counts
    unsigned __int128 key = ((unsigned __int128)now->share_milli << 20) + average;
    key = key * GR_WEIGHT_DEFAULT / weight;
    return key > UINT64_MAX ? UINT64_MAX : (uint64_t)key;
}

uint64_t gr_share_key(const struct gr_core *core, uint32_t share, int64_t at_ms)
{
    uint32_t org = share;
    if (is_queue(core, share)) {
        const struct gr_queue *queue = gr_queue_at(core, share - core->limits.orgs);
        if (queue->user != NONE) {
            return key_of(gr_user_past_at(core, queue->user), gr_user_now_at(core, queue->user),
                          GR_WEIGHT_DEFAULT, core->queue_terms.half_life_ms, at_ms);
        }
        org = queue->org; // what nobody in particular asked for counts as the organisation's
    }
    uint32_t weight = gr_org_terms_at(core, org)->weight;
    return key_of(gr_org_past_at(core, org), gr_org_now_at(core, org),
                  weight == 0 ? GR_WEIGHT_DEFAULT : weight, core->queue_terms.half_life_ms, at_ms);
}

static int64_t tick_ms(const struct gr_core *core)
{
    return (int64_t)((core->share_tick - 1) * GR_SHARE_TICK_MS);
}

// --- lists

static bool before(const struct gr_core *core, uint32_t a, uint32_t b)
{
    uint64_t key_a = gr_share_at(core, a)->key, key_b = gr_share_at(core, b)->key;
    return key_a != key_b ? key_a < key_b : a < b;
}

static uint32_t *first_of(struct gr_core *core, uint32_t parent)
{
    return parent == NONE ? &core->share_first : &gr_share_at(core, parent)->first;
}

static uint32_t *last_of(struct gr_core *core, uint32_t parent)
{
    return parent == NONE ? &core->share_last : &gr_share_at(core, parent)->last;
}

// Puts a share between its siblings, looked for from the end or from where it was.
static void link_in(struct gr_core *core, uint32_t share, uint32_t from)
{
    uint32_t parent = parent_of(core, share);
    uint32_t *first = first_of(core, parent), *last = last_of(core, parent);
    struct gr_share *rows = gr_share_at(core, 0), *row = &rows[share];
    uint64_t key = row->key;
    uint32_t after = from;
    while (after != NONE &&
           (key < rows[after].key || (key == rows[after].key && share < after))) { // as before()
        after = rows[after].prev;
    }
    uint32_t next = after == NONE ? *first : rows[after].next;
    while (next != NONE && (rows[next].key < key || (rows[next].key == key && next < share))) {
        after = next;
        next = rows[next].next;
    }
    row->prev = after;
    row->next = next;
    *(after == NONE ? first : &gr_share_at(core, after)->next) = share;
    *(next == NONE ? last : &gr_share_at(core, next)->prev) = share;
}

// Takes a share out of its list; returns a neighbour that stays, or NONE.
static uint32_t link_out(struct gr_core *core, uint32_t share)
{
    uint32_t parent = parent_of(core, share);
    struct gr_share *row = gr_share_at(core, share);
    uint32_t neighbour = row->prev != NONE ? row->prev : row->next;
    *(row->prev == NONE ? first_of(core, parent) : &gr_share_at(core, row->prev)->next) = row->next;
    *(row->next == NONE ? last_of(core, parent) : &gr_share_at(core, row->next)->prev) = row->prev;
    row->next = row->prev = NONE;
    return neighbour;
}

void gr_shares_more(struct gr_core *core, uint32_t queue)
{
    for (uint32_t s = share_of_queue(core, queue); s != NONE; s = parent_of(core, s)) {
        struct gr_share *row = gr_share_at(core, s);
        if (row->waiting++ == 0) {
            row->key = core->share_tick == 0 ? 0 : gr_share_key(core, s, tick_ms(core));
            link_in(core, s, *last_of(core, parent_of(core, s)));
        }
    }
}

void gr_shares_less(struct gr_core *core, uint32_t queue)
{
    for (uint32_t s = share_of_queue(core, queue); s != NONE; s = parent_of(core, s)) {
        struct gr_share *row = gr_share_at(core, s);
        assert(row->waiting > 0);
        if (--row->waiting == 0) {
            (void)link_out(core, s);
        }
    }
}

static void changed(struct gr_core *core, uint32_t share)
{
    struct gr_share *row = gr_share_at(core, share);
    if (row->waiting > 0) {
        uint32_t from = link_out(core, share);
        row->key = gr_share_key(core, share, tick_ms(core));
        link_in(core, share, from);
    }
}

void gr_shares_changed(struct gr_core *core, uint32_t queue)
{
    if (core->share_tick == 0) {
        return;
    }
    changed(core, share_of_queue(core, queue));
    for (uint32_t o = gr_queue_at(core, queue)->org; o != NONE; o = parent_of(core, o)) {
        uint32_t nobodys = gr_queue_find(core, o, NONE); // its key is the organisation's
        changed(core, o);
        if (nobodys != NONE && nobodys != queue) {
            changed(core, share_of_queue(core, nobodys));
        }
    }
}

void gr_shares_org(struct gr_core *core, uint32_t org)
{
    *gr_share_at(core, org) =
        (struct gr_share){.next = NONE, .prev = NONE, .first = NONE, .last = NONE};
}

void gr_shares_forget(struct gr_core *core)
{
    core->share_tick = 0;
}

// --- once a tick

// Merges two lists linked by next.
static uint32_t merge(struct gr_core *core, uint32_t a, uint32_t b)
{
    uint32_t first = NONE, *link = &first;
    while (a != NONE && b != NONE) {
        uint32_t *from = before(core, a, b) ? &a : &b;
        *link = *from;
        link = &gr_share_at(core, *from)->next;
        *from = *link;
    }
    *link = a != NONE ? a : b;
    return first;
}

// Sorts a list by merging runs that double; then makes the links back.
static void list_sort(struct gr_core *core, uint32_t parent)
{
    uint32_t runs[32];
    unsigned used = 0;
    for (uint32_t s = *first_of(core, parent), next; s != NONE; s = next) {
        next = gr_share_at(core, s)->next;
        gr_share_at(core, s)->next = NONE;
        unsigned i = 0;
        uint32_t run = s;
        for (; i < used && runs[i] != NONE; i++) { // as a binary counter counts
            run = merge(core, runs[i], run);
            runs[i] = NONE;
        }
        runs[i] = run;
        used = i == used ? used + 1 : used;
    }
    uint32_t all = NONE;
    for (unsigned i = 0; i < used; i++) {
        all = runs[i] == NONE ? all : merge(core, runs[i], all);
    }
    uint32_t prev = NONE;
    *first_of(core, parent) = all;
    for (uint32_t s = all; s != NONE; s = gr_share_at(core, s)->next) {
        gr_share_at(core, s)->prev = prev;
        prev = s;
    }
    *last_of(core, parent) = prev;
}

void gr_shares_order(struct gr_core *core, int64_t at_ms)
{
    uint64_t tick = (uint64_t)at_ms / GR_SHARE_TICK_MS + 1;
    if (tick == core->share_tick) {
        return;
    }
    core->share_tick = tick;
    for (uint32_t s = 0; s < core->limits.orgs + core->queue_top; s++) {
        if (s == core->org_count) {
            s = core->limits.orgs; // from organisations to queues
            if (core->queue_top == 0) {
                break;
            }
        }
        if (gr_share_at(core, s)->waiting > 0) {
            gr_share_at(core, s)->key = gr_share_key(core, s, tick_ms(core));
        }
    }
    list_sort(core, NONE);
    for (uint32_t o = 0; o < core->org_count; o++) {
        if (gr_share_at(core, o)->waiting > 0) {
            list_sort(core, o);
        }
    }
}

// --- in order

// The first queue below a share, itself if it is one.
static uint32_t down(const struct gr_core *core, uint32_t share)
{
    while (!is_queue(core, share)) {
        share = gr_share_at(core, share)->first;
        assert(share != NONE); // jobs wait below it
    }
    return share - core->limits.orgs;
}

uint32_t gr_shares_first(const struct gr_core *core)
{
    return core->share_first == NONE ? NONE : down(core, core->share_first);
}

uint32_t gr_shares_next(const struct gr_core *core, uint32_t queue)
{
    uint32_t share = share_of_queue(core, queue);
    while (share != NONE && gr_share_at(core, share)->next == NONE) {
        share = parent_of(core, share);
    }
    return share == NONE ? NONE : down(core, gr_share_at(core, share)->next);
}

const char *gr_shares_audit(const struct gr_core *core)
{
    uint64_t waiting = 0;
    uint32_t linked = 0;
    for (uint32_t q = gr_shares_first(core); q != NONE; q = gr_shares_next(core, q)) {
        const struct gr_share *row = gr_share_at(core, share_of_queue(core, q));
        waiting += row->waiting;
        if (row->waiting == 0 || ++linked > core->queue_top) {
            return "a queue without waiting jobs is in order, or one twice";
        }
        if (core->share_tick != 0 && row->next != NONE &&
            !before(core, share_of_queue(core, q), row->next)) {
            return "shares are not in order";
        }
    }
    return core->order == GR_ORDER_FAIR && waiting != core->waiting
               ? "shares count other waiting jobs than there are"
               : NULL;
}
