// What windows leave of the pool to a job: see window_parts.h.
//
// A window bars its nodes for a job that it does not let if it is open, or will open before the job
// surely has ended. A job without a time limit ends at no time.
#include "core/window_parts.h"

#include <string.h>

#define NONE UINT32_MAX
// Times of windows that are looked at for one node.
#define STEPS 64

bool gr_core_window_lets(const struct gr_core *core, const struct gr_window *window, uint32_t org,
                         uint32_t user)
{
    assert(core != NULL && window != NULL);
    if (window->which == GR_WINDOW_MAINTENANCE ||
        (window->user != NONE && (window->user != user || window->org != org))) {
        return false;
    }
    uint32_t o = org;
    while (o != NONE && o != window->org) {
        o = gr_core_org_get(core, o)->parent;
    }
    return o != NONE;
}

// Time that is left before a window opens; 0 or less: it is open.
static int64_t left_ms(const struct gr_window *window, int64_t at_ms)
{
    return window->is_open != 0 || window->start_ms <= at_ms ? 0 : window->start_ms - at_ms;
}

// Is this window in the way of a job that it does not let?
static bool is_in_way(const struct gr_window *window, int64_t limit_ms, int64_t at_ms)
{
    return limit_ms == 0 || limit_ms > left_ms(window, at_ms);
}

void gr_window_look(const struct gr_core *core, uint32_t org, uint32_t user, int64_t limit_ms,
                    int64_t at_ms, struct gr_window_view *ret_view)
{
    memset(ret_view, 0, sizeof *ret_view);
    for (uint32_t row = 0; row < core->window_top; row++) {
        const struct gr_window *window = gr_window_at(core, row);
        uint64_t bit = UINT64_C(1) << row % 64;
        if (window->id == 0) {
            continue;
        }
        bool lets = gr_core_window_lets(core, window, org, user);
        if (lets && window->is_open != 0) {
            ret_view->mine[row / 64] |= bit;
            ret_view->is_mine = true;
        } else if (!lets && is_in_way(window, limit_ms, at_ms)) {
            int64_t left = left_ms(window, at_ms);
            ret_view->barred[row / 64] |= bit;
            ret_view->is_barred = true;
            ret_view->shorter_ms = left > ret_view->shorter_ms ? left : ret_view->shorter_ms;
        }
    }
}

bool gr_window_bars(const struct gr_core *core, const struct gr_job *job, uint32_t node,
                    int64_t at_ms)
{
    for (uint32_t row = 0; row < core->window_top && gr_claims_at(core)[node] > 0; row++) {
        const struct gr_window *window = gr_window_at(core, row);
        if (window->id != 0 && gr_window_has(core, row, node) &&
            is_in_way(window, job->limit_ms, at_ms) &&
            !gr_core_window_lets(core, window, job->org, job->user)) {
            return true;
        }
    }
    return false;
}

// The end of the first time of a window that is in the way of a start at `at_ms`; INT64_MIN: none
// is, INT64_MAX: it never ends.
static int64_t in_way_until(const struct gr_window *window, int64_t limit_ms, int64_t at_ms)
{
    struct gr_window then = *window;
    if (!gr_window_advance_past(&then, at_ms)) {
        return INT64_MIN;
    }
    bool before = limit_ms > 0 && then.start_ms > at_ms && limit_ms <= then.start_ms - at_ms;
    return before ? INT64_MIN : gr_window_end_ms(&then);
}

int64_t gr_window_free_ms(const struct gr_core *core, const struct gr_job *job, uint32_t node,
                          int64_t from_ms)
{
    int64_t at_ms = from_ms;
    unsigned steps = 0;
    for (uint32_t row = 0; row < core->window_top && gr_claims_at(core)[node] > 0; row++) {
        const struct gr_window *window = gr_window_at(core, row);
        if (window->id == 0 || !gr_window_has(core, row, node)) {
            continue;
        }
        if (gr_core_window_lets(core, window, job->org, job->user)) {
            if (window->is_open != 0 && job->demand.tasks > 1) {
                return INT64_MAX;
            }
            continue;
        }
        int64_t until = in_way_until(window, job->limit_ms, at_ms);
        if (until == INT64_MIN) {
            continue;
        }
        if (++steps > STEPS) {
            return INT64_MAX;
        }
        at_ms = until;
        row = UINT32_MAX; // those before it may be in the way then
    }
    return at_ms;
}

bool gr_window_touches(const struct gr_core *core, const struct gr_piece *pieces, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (gr_claims_at(core)[pieces[i].node] != 0) {
            return true;
        }
    }
    return false;
}

// --- where there is room

// Adds the nodes of windows to a set.
static void rows_add(const struct gr_core *core, const uint64_t rows[GR_WINDOWS_MAX / 64],
                     uint64_t *nodes)
{
    for (uint32_t r = 0; r < GR_WINDOWS_MAX / 64; r++) {
        for (uint64_t left = rows[r]; left != 0; left &= left - 1) {
            const uint64_t *more = gr_window_nodes(core, r * 64 + (uint32_t)__builtin_ctzll(left));
            for (uint32_t w = 0; w < gr_window_words(core); w++) {
                nodes[w] |= more[w];
            }
        }
    }
}

static bool find(struct gr_core *core, const struct gr_demand *demand, uint64_t salt,
                 struct gr_piece *pieces)
{
    gr_place_skip(gr_pool(core), true);
    bool found = gr_place_find_gang(gr_pool(core), demand, salt, pieces);
    gr_place_skip(gr_pool(core), false);
    return found;
}

bool gr_window_room_inside(struct gr_core *core, const struct gr_window_view *view,
                           const struct gr_demand *demand, uint64_t salt, struct gr_piece *pieces)
{
    uint64_t *skip = gr_place_skip_bits(gr_pool(core));
    uint32_t words = gr_window_words(core);
    if (!view->is_mine) {
        return false;
    }
    memset(skip, 0, words * sizeof *skip);
    rows_add(core, view->mine, skip);
    for (uint32_t w = 0; w < words; w++) {
        skip[w] = ~skip[w];
    }
    rows_add(core, view->barred, skip);
    return find(core, demand, salt, pieces);
}

bool gr_window_room_outside(struct gr_core *core, const struct gr_window_view *view,
                            const struct gr_demand *demand, uint64_t salt, struct gr_piece *pieces)
{
    uint64_t *skip = gr_place_skip_bits(gr_pool(core));
    uint32_t words = gr_window_words(core);
    memcpy(skip, gr_claimed_at(core), words * sizeof *skip);
    if (find(core, demand, salt, pieces)) {
        return true;
    }
    memset(skip, 0, words * sizeof *skip);
    rows_add(core, view->barred, skip);
    rows_add(core, view->mine, skip);
    return memcmp(skip, gr_claimed_at(core), words * sizeof *skip) != 0 &&
           find(core, demand, salt, pieces);
}

bool gr_window_yields(const struct gr_core *core, const struct gr_window_view *view)
{
    const struct gr_job *kept = gr_core_job_find(core, core->room_kept.job);
    struct gr_window_view theirs;
    bool yields = true;
    if (kept == NULL) {
        return true;
    }
    gr_window_look(core, kept->org, kept->user, kept->limit_ms, core->now_ms, &theirs);
    for (uint32_t r = 0; r < GR_WINDOWS_MAX / 64; r++) {
        yields = yields && (theirs.mine[r] & view->mine[r]) == 0;
    }
    return yields;
}

void gr_window_skip(struct gr_core *core, const struct gr_job *job, int64_t at_ms, bool skip)
{
    struct gr_window_view view;
    if (core->window_count == 0) {
        return;
    }
    if (skip) {
        uint64_t *bits = gr_place_skip_bits(gr_pool(core));
        gr_window_look(core, job->org, job->user, job->limit_ms, at_ms, &view);
        memset(bits, 0, gr_window_words(core) * sizeof *bits);
        rows_add(core, view.barred, bits);
    }
    gr_place_skip(gr_pool(core), skip);
}

void gr_window_skip_gang(struct gr_core *core, const struct gr_job *job, int64_t at_ms)
{
    struct gr_window_view view;
    gr_window_skip(core, job, at_ms, true);
    if (core->window_count > 0 && job->demand.tasks > 1) {
        gr_place_skip(gr_pool(core), false);
        gr_window_look(core, job->org, job->user, job->limit_ms, at_ms, &view);
        rows_add(core, view.mine, gr_place_skip_bits(gr_pool(core)));
        gr_place_skip(gr_pool(core), true);
    }
}
