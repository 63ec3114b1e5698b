// The table of windows: what facts do to it. See windows.h and window_parts.h.
//
// Maintenance shuts nodes: those that are up become drained in the pool, and a mark says that they
// are to be up again at its end. What is said of a node meanwhile changes the mark: who drains it
// finds it drained afterwards.
#include "core/window_parts.h"

#include "core/reclaim.h"

#include <string.h>

#define NONE UINT32_MAX
// More nodes than this that come back at once wake all that sleeps, without asking node by node.
#define WAKE_NODES 64u

static uint32_t row_find(const struct gr_core *core, uint64_t id)
{
    for (uint32_t row = 0; row < core->window_top && id != 0; row++) {
        if (gr_window_at(core, row)->id == id) {
            return row;
        }
    }
    return NONE;
}

int64_t gr_window_end_ms(const struct gr_window *window)
{
    return window->start_ms + window->length_ms;
}

// --- check

static bool ms_good(int64_t ms)
{
    return ms >= 1 && ms <= GR_WINDOW_MS_MAX;
}

// What a window says, but its nodes.
static bool fields_good(const struct gr_event *event)
{
    const struct gr_window *window = &event->window_set;
    bool once = window->every_ms == 0;
    bool nobodys = window->which == GR_WINDOW_MAINTENANCE;
    return window->id == 0 && window->is_open == 0 && window->nodes == 0 &&
           window->reserved[0] == 0 && window->reserved[1] == 0 && window->reserved_too == 0 &&
           window->which < GR_WINDOW_WHICHS && ms_good(window->length_ms) &&
           window->start_ms >= event->at_ms &&
           window->start_ms - event->at_ms <= GR_WINDOW_MS_MAX && event->at_ms <= INT64_MAX / 2 &&
           (once ? window->times == 1
                 : ms_good(window->every_ms) && window->every_ms >= window->length_ms &&
                       window->times != 1) &&
           (!nobodys || (window->org == NONE && window->user == NONE));
}

static enum gr_refusal whose_check(const struct gr_core *core, const struct gr_window *window)
{
    if (window->which == GR_WINDOW_MAINTENANCE) {
        return GR_REFUSED_NOTHING;
    }
    if (window->org >= core->org_count) {
        return GR_REFUSED_ORG;
    }
    return window->user == NONE || (window->user < core->user_count &&
                                    gr_user_at(core, window->user)->org == window->org)
               ? GR_REFUSED_NOTHING
               : GR_REFUSED_USER;
}

enum gr_refusal gr_window_check_set(const struct gr_core *core, const struct gr_event *event)
{
    uint32_t nodes = gr_place_node_count(gr_pool(core));
    enum gr_refusal refusal = whose_check(core, &event->window_set);
    if (core->window_count == GR_WINDOWS_MAX) {
        return GR_REFUSED_LIMIT_OTHER;
    }
    if (!fields_good(event) || event->range_count == 0 || event->ranges == NULL ||
        event->range_count > GR_WINDOW_RANGES_MAX) {
        return GR_REFUSED_FIELD;
    }
    if (refusal != GR_REFUSED_NOTHING) {
        return refusal;
    }
    uint64_t end = 0;
    for (uint32_t i = 0; i < event->range_count; i++) {
        const struct gr_range *range = &event->ranges[i];
        if (range->count == 0 || (i > 0 && range->first <= end)) { // ascending, a gap between
            return GR_REFUSED_FIELD;
        }
        end = (uint64_t)range->first + range->count;
        if (end > nodes) {
            return GR_REFUSED_NODE;
        }
    }
    return GR_REFUSED_NOTHING;
}

enum gr_refusal gr_window_check_turn(const struct gr_core *core, const struct gr_event *event)
{
    uint32_t row = row_find(core, event->window_turn.window);
    if (row == NONE) {
        return GR_REFUSED_WINDOW;
    }
    const struct gr_window *window = gr_window_at(core, row);
    bool opens = window->is_open == 0 && event->at_ms >= window->start_ms;
    bool closes = event->at_ms >= gr_window_end_ms(window);
    return event->type == GR_WINDOW_ENDED || (event->type == GR_WINDOW_OPENED ? opens : closes)
               ? GR_REFUSED_NOTHING
               : GR_REFUSED_WINDOW;
}

// --- nodes

// Calls `each` for the window's nodes, in order.
static void nodes_each(struct gr_core *core, uint32_t row,
                       void (*each)(struct gr_core *core, uint32_t node))
{
    const uint64_t *bits = gr_window_nodes(core, row);
    for (uint32_t w = 0; w < gr_window_words(core); w++) {
        for (uint64_t left = bits[w]; left != 0; left &= left - 1) {
            each(core, w * 64 + (uint32_t)__builtin_ctzll(left));
        }
    }
}

static void node_claim(struct gr_core *core, uint32_t node)
{
    gr_claims_at(core)[node]++;
    gr_claimed_at(core)[node / 64] |= UINT64_C(1) << node % 64;
}

static void node_unclaim(struct gr_core *core, uint32_t node)
{
    assert(gr_claims_at(core)[node] > 0);
    if (--gr_claims_at(core)[node] == 0) {
        gr_claimed_at(core)[node / 64] &= ~(UINT64_C(1) << node % 64);
    }
}

// True if maintenance by a window keeps a node out of use now.
static bool in_maintenance(const struct gr_core *core, uint32_t node)
{
    for (uint32_t row = 0; row < core->window_top && gr_claims_at(core)[node] > 0; row++) {
        const struct gr_window *window = gr_window_at(core, row);
        if (window->is_open != 0 && window->which == GR_WINDOW_MAINTENANCE &&
            gr_window_has(core, row, node)) {
            return true;
        }
    }
    return false;
}

static void node_shut(struct gr_core *core, uint32_t node)
{
    if (gr_place_node_get(gr_pool(core), node)->state == GR_NODE_UP) {
        gr_place_node_set_state(gr_pool(core), node, GR_NODE_DRAINED);
        gr_shut_at(core)[node] = 1;
    }
}

// Its window is not open any more.
static void node_back(struct gr_core *core, uint32_t node)
{
    if (gr_shut_at(core)[node] != 0 && !in_maintenance(core, node)) {
        gr_shut_at(core)[node] = 0;
        gr_place_node_set_state(gr_pool(core), node, GR_NODE_UP);
    }
}

enum gr_node_state gr_window_node_state(struct gr_core *core, uint32_t node,
                                        enum gr_node_state state)
{
    bool shut = state == GR_NODE_UP && in_maintenance(core, node);
    gr_shut_at(core)[node] = shut;
    return shut ? GR_NODE_DRAINED : state;
}

enum gr_node_state gr_core_node_state(const struct gr_core *core, uint32_t node)
{
    assert(core != NULL && node < gr_place_node_count(gr_pool(core)));
    return gr_shut_at(core)[node] != 0
               ? GR_NODE_UP
               : (enum gr_node_state)gr_place_node_get(gr_pool(core), node)->state;
}

// --- apply

static bool touches_kept(const struct gr_core *core, uint32_t row)
{
    for (uint32_t n = 0; core->room_kept.node_count > 0 && n < gr_place_node_count(gr_pool(core));
         n++) {
        if (gr_kept_at(core)[n] != 0 && gr_window_has(core, row, n)) {
            return true;
        }
    }
    return false;
}

static uint32_t window_set(struct gr_core *core, const struct gr_event *event)
{
    uint32_t row = 0;
    while (row < core->window_top && gr_window_at(core, row)->id != 0) {
        row++;
    }
    core->window_top = row == core->window_top ? row + 1 : core->window_top;
    core->window_count++;
    struct gr_window *window = gr_window_at(core, row);
    *window = event->window_set;
    window->id = event->sequence;
    for (uint32_t i = 0; i < event->range_count; i++) {
        const struct gr_range *range = &event->ranges[i];
        for (uint32_t n = range->first; n < range->first + range->count; n++) {
            gr_window_nodes(core, row)[n / 64] |= UINT64_C(1) << n % 64;
        }
        window->nodes += range->count;
    }
    nodes_each(core, row, node_claim);
    return row;
}

// Nodes of maintenance that is over are for work again.
static void window_shuts(struct gr_core *core, uint32_t row)
{
    struct gr_window *window = gr_window_at(core, row);
    bool was_shut = window->is_open != 0 && window->which == GR_WINDOW_MAINTENANCE;
    window->is_open = 0;
    if (!was_shut) {
        return;
    }
    nodes_each(core, row, node_back);
    if (window->nodes <= WAKE_NODES) {
        nodes_each(core, row, gr_queue_wake_node);
    } else {
        gr_queue_wake_all(core);
    }
}

static void window_remove(struct gr_core *core, uint32_t row)
{
    nodes_each(core, row, node_unclaim);
    memset(gr_window_nodes(core, row), 0, gr_window_words(core) * sizeof(uint64_t));
    *gr_window_at(core, row) = (struct gr_window){0};
    core->window_count--;
    while (core->window_top > 0 && gr_window_at(core, core->window_top - 1)->id == 0) {
        core->window_top--;
    }
}

bool gr_window_apply(struct gr_core *core, const struct gr_event *event)
{
    uint32_t row = event->type == GR_WINDOW_SET ? window_set(core, event)
                                                : row_find(core, event->window_turn.window);
    assert(row != NONE);
    struct gr_window *window = gr_window_at(core, row);
    bool touches = touches_kept(core, row);
    *gr_window_swept_at(core, row) = (struct gr_window_swept){0};
    core->windows_epoch++;
    if (event->type == GR_WINDOW_OPENED) {
        window->is_open = 1;
        if (window->which == GR_WINDOW_MAINTENANCE) {
            nodes_each(core, row, node_shut);
        }
    } else if (event->type != GR_WINDOW_SET) {
        window_shuts(core, row);
        if (event->type == GR_WINDOW_ENDED || !gr_window_advance_past(window, event->at_ms)) {
            window_remove(core, row);
        }
    }
    return touches;
}

// --- what follows

void gr_windows_copy(struct gr_core *to, const struct gr_core *from)
{
    memcpy(gr_window_at(to, 0), gr_window_at(from, 0), from->window_top * sizeof(struct gr_window));
    for (uint32_t row = 0; row < from->window_top; row++) {
        memcpy(gr_window_nodes(to, row), gr_window_nodes(from, row),
               gr_window_words(from) * sizeof(uint64_t));
    }
}

void gr_windows_parts(const struct gr_core *core,
                      void (*each)(void *context, const void *bytes, size_t size), void *context)
{
    for (uint32_t row = 0; row < core->window_top; row++) {
        if (gr_window_at(core, row)->id != 0) {
            each(context, gr_window_nodes(core, row), gr_window_words(core) * sizeof(uint64_t));
        }
    }
}

void gr_windows_rebuild(struct gr_core *core)
{
    for (uint32_t row = 0; row < core->window_top; row++) {
        if (gr_window_at(core, row)->id != 0) {
            nodes_each(core, row, node_claim);
        }
        *gr_window_swept_at(core, row) = (struct gr_window_swept){0};
    }
}

const char *gr_windows_audit(const struct gr_core *core)
{
    uint32_t rows = 0, nodes = gr_place_node_count(gr_pool(core));
    for (uint32_t row = 0; row < core->window_top; row++) {
        const struct gr_window *window = gr_window_at(core, row);
        uint32_t count = 0;
        for (uint32_t w = 0; w < gr_window_words(core); w++) {
            count += (uint32_t)__builtin_popcountll(gr_window_nodes(core, row)[w]);
        }
        rows += window->id != 0;
        if (count != window->nodes || (window->id != 0) != (count != 0)) {
            return "the nodes of a window are miscounted";
        }
    }
    if (rows != core->window_count ||
        (core->window_top > 0 && gr_window_at(core, core->window_top - 1)->id == 0)) {
        return "windows are miscounted";
    }
    for (uint32_t n = 0; n < nodes; n++) {
        uint32_t claims = 0;
        for (uint32_t row = 0; row < core->window_top; row++) {
            claims += gr_window_has(core, row, n);
        }
        if (claims != gr_claims_at(core)[n] ||
            (claims != 0) != (gr_claimed_at(core)[n / 64] >> n % 64 & 1)) {
            return "the windows of a node are miscounted";
        }
        unsigned state = gr_place_node_get(gr_pool(core), n)->state;
        bool shut = gr_shut_at(core)[n] != 0;
        if (in_maintenance(core, n) ? state == GR_NODE_UP || (shut && state != GR_NODE_DRAINED)
                                    : shut) {
            return "a node is up in maintenance, or shut without";
        }
    }
    return NULL;
}

// --- what is there

const struct gr_window *gr_core_window_next(const struct gr_core *core, uint32_t *cursor)
{
    assert(core != NULL && cursor != NULL);
    while (*cursor < core->window_top) {
        const struct gr_window *window = gr_window_at(core, (*cursor)++);
        if (window->id != 0) {
            return window;
        }
    }
    return NULL;
}

const struct gr_window *gr_core_window_named(const struct gr_core *core, const char *name)
{
    uint32_t cursor = 0;
    const struct gr_window *window;
    while ((window = gr_core_window_next(core, &cursor)) != NULL) {
        if (strcmp(window->name, name) == 0) {
            return window;
        }
    }
    return NULL;
}

const struct gr_window *gr_core_window_find(const struct gr_core *core, uint64_t id)
{
    assert(core != NULL);
    uint32_t row = row_find(core, id);
    return row == NONE ? NULL : gr_window_at(core, row);
}

bool gr_core_window_has(const struct gr_core *core, uint64_t id, uint32_t node)
{
    uint32_t row = row_find(core, id);
    assert(row != NONE && node < gr_place_node_count(gr_pool(core)));
    return gr_window_has(core, row, node);
}

const struct gr_window *gr_core_node_window(const struct gr_core *core, uint32_t node)
{
    const struct gr_window *first = NULL;
    assert(core != NULL && node < gr_place_node_count(gr_pool(core)));
    for (uint32_t row = 0; row < core->window_top && gr_claims_at(core)[node] > 0; row++) {
        const struct gr_window *window = gr_window_at(core, row);
        if (window->id != 0 && gr_window_has(core, row, node) &&
            (first == NULL || window->start_ms < first->start_ms)) {
            first = window;
        }
    }
    return first;
}

uint64_t gr_core_window_devices(const struct gr_core *core, uint64_t id)
{
    uint32_t row = row_find(core, id);
    uint64_t devices = 0;
    assert(row != NONE);
    for (uint32_t n = 0; n < gr_place_node_count(gr_pool(core)); n++) {
        devices += gr_window_has(core, row, n) ? gr_place_node_get(gr_pool(core), n)->devices : 0;
    }
    return devices;
}
