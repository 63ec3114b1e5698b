// When windows are: from one time to the next, and whether two ever meet. See window_parts.h.
#include "core/window_parts.h"

bool gr_window_advance(struct gr_window *window)
{
    if (window->every_ms == 0 || window->times == 1 ||
        window->start_ms > INT64_MAX / 2 - window->every_ms) {
        return false;
    }
    window->start_ms += window->every_ms;
    window->times -= window->times > 0;
    return true;
}

bool gr_window_advance_past(struct gr_window *window, int64_t at_ms)
{
    if (gr_window_end_ms(window) > at_ms) {
        return true;
    }
    if (window->every_ms == 0) {
        return false;
    }
    int64_t steps = (at_ms - gr_window_end_ms(window)) / window->every_ms + 1;
    if ((window->times != 0 && steps >= window->times) ||
        steps > (INT64_MAX / 2 - window->start_ms) / window->every_ms) {
        return false;
    }
    window->start_ms += steps * window->every_ms;
    window->times -= window->times != 0 ? (uint32_t)steps : 0;
    assert(gr_window_end_ms(window) > at_ms);
    return true;
}

static bool is_endless(const struct gr_window *window)
{
    return window->every_ms != 0 &&
           (window->times == 0 || window->times > GR_WINDOW_TIMES_COMPARED);
}

static int64_t divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// Both come again for ever: their starts are apart by anything that their first ones are, modulo
// the greatest common divisor of their intervals.
static bool endless_overlap(const struct gr_window *a, const struct gr_window *b)
{
    int64_t step = divisor(a->every_ms, b->every_ms);
    int64_t apart = (b->start_ms - a->start_ms) % step; // how far b is behind a, at least
    apart += apart < 0 ? step : 0;
    return apart < a->length_ms || step - apart < b->length_ms;
}

// Is the window open at some time from `from_ms` until before `to_ms`?
static bool is_within(const struct gr_window *window, int64_t from_ms, int64_t to_ms)
{
    struct gr_window then = *window;
    then.times = is_endless(window) ? 0 : window->times;
    return gr_window_advance_past(&then, from_ms) && then.start_ms < to_ms;
}

bool gr_windows_overlap(const struct gr_window *a, const struct gr_window *b)
{
    assert(a->length_ms > 0 && b->length_ms > 0);
    if (is_endless(a) && is_endless(b)) {
        return endless_overlap(a, b);
    }
    struct gr_window each = is_endless(a) ? *b : *a;
    const struct gr_window *other = is_endless(a) ? a : b;
    do {
        if (is_within(other, each.start_ms, gr_window_end_ms(&each))) {
            return true;
        }
    } while (gr_window_advance(&each));
    return false;
}
