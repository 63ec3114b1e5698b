// What it is time for: windows open and close, and whoever is in their way is asked to go, in time
// to be gone. See window_parts.h.
//
// What is due first comes first; a window that closes comes before one that opens at the same time.
// A time that has passed wholly is closed without having been opened.
#include "core/tenants.h"
#include "core/window_parts.h"

#include <signal.h>

#define NONE UINT32_MAX

// When the window's next fact is due.
static int64_t due_ms(const struct gr_window *window, int64_t at_ms)
{
    bool closes = window->is_open != 0 || gr_window_end_ms(window) <= at_ms;
    return closes ? gr_window_end_ms(window) : window->start_ms;
}

// When work is asked to make room for it.
static int64_t notice_ms(const struct gr_core *core, const struct gr_window *window)
{
    return window->start_ms - core->queue_terms.notice_ms;
}

static bool turn_next(const struct gr_core *core, int64_t at_ms, struct gr_event *ret_event)
{
    const struct gr_window *first = NULL;
    bool first_closes = false;
    for (uint32_t row = 0; row < core->window_top; row++) {
        const struct gr_window *window = gr_window_at(core, row);
        if (window->id == 0 || due_ms(window, at_ms) > at_ms) {
            continue;
        }
        int64_t due = due_ms(window, at_ms), best = first == NULL ? 0 : due_ms(first, at_ms);
        bool closes = window->is_open != 0 || gr_window_end_ms(window) <= at_ms;
        bool before = first == NULL || due < best || (due == best && closes && !first_closes) ||
                      (due == best && closes == first_closes && window->id < first->id);
        first_closes = before ? closes : first_closes;
        first = before ? window : first;
    }
    if (first == NULL) {
        return false;
    }
    *ret_event = gr_decide_fact(core, at_ms, first_closes ? GR_WINDOW_CLOSED : GR_WINDOW_OPENED);
    ret_event->since_ms = due_ms(first, at_ms);
    ret_event->window_turn.window = first->id;
    return true;
}

// Must a running job go for a window that does not let it? Until it is open, only if its limit does
// not end it by then.
static bool must_go(const struct gr_core *core, const struct gr_window *window,
                    const struct gr_job *job)
{
    bool ends = window->is_open == 0 && job->limit_ms > 0 && job->started_ms <= window->start_ms &&
                job->limit_ms <= window->start_ms - job->started_ms;
    return job->stop_why == GR_STOP_NOT && !ends &&
           !gr_core_window_lets(core, window, job->org, job->user);
}

// The first job on a node that must go, by its id; 0: none.
static uint64_t node_stop(const struct gr_core *core, const struct gr_window *window, uint32_t node)
{
    uint64_t first = 0;
    for (uint32_t t = gr_tenants_first(core, node); t != NONE; t = gr_tenants_next(core, t)) {
        const struct gr_job *job = gr_job_at(core, gr_tenant_slot(core, t));
        if (must_go(core, window, job) && (first == 0 || job->id < first)) {
            first = job->id;
        }
    }
    return first;
}

// Goes on through the window's nodes. Whoever came to a node that was passed may be there.
static uint64_t window_stop(struct gr_core *core, uint32_t row, uint32_t round)
{
    const struct gr_window *window = gr_window_at(core, row);
    struct gr_window_swept *swept = gr_window_swept_at(core, row);
    uint32_t nodes = gr_place_node_count(gr_pool(core));
    if (swept->round < round) {
        *swept = (struct gr_window_swept){.round = round};
    }
    while (swept->node < nodes) {
        uint64_t left = gr_window_nodes(core, row)[swept->node / 64] >> swept->node % 64;
        if (left == 0) {
            swept->node = (swept->node / 64 + 1) * 64;
            continue;
        }
        swept->node += (uint32_t)__builtin_ctzll(left);
        uint64_t job = node_stop(core, window, swept->node);
        if (job != 0) {
            return job;
        }
        swept->node++;
    }
    return 0;
}

bool gr_windows_next(struct gr_core *core, int64_t at_ms, struct gr_event *ret_event)
{
    if (core->window_count == 0) {
        return false;
    }
    core->windows_looked_ms = at_ms > core->windows_looked_ms ? at_ms : core->windows_looked_ms;
    if (turn_next(core, at_ms, ret_event)) {
        return true;
    }
    for (uint32_t row = 0; row < core->window_top; row++) {
        const struct gr_window *window = gr_window_at(core, row);
        if (window->id == 0 || (window->is_open == 0 && at_ms < notice_ms(core, window))) {
            continue;
        }
        uint64_t job = window_stop(core, row, window->is_open != 0 ? 2 : 1);
        if (job != 0) {
            *ret_event = gr_decide_stop(core, at_ms, job, GR_STOP_WINDOW, SIGTERM,
                                        core->queue_terms.notice_ms);
            return true;
        }
    }
    return false;
}

int64_t gr_windows_wake_ms(const struct gr_core *core)
{
    int64_t wake = INT64_MAX;
    for (uint32_t row = 0; row < core->window_top; row++) {
        const struct gr_window *window = gr_window_at(core, row);
        if (window->id == 0) {
            continue;
        }
        int64_t due = window->is_open != 0 ? gr_window_end_ms(window) : window->start_ms;
        int64_t notice = notice_ms(core, window);
        bool was_told = window->is_open != 0 || notice <= core->windows_looked_ms;
        due = was_told ? due : notice;
        wake = due < wake ? due : wake;
    }
    return wake;
}
