// Explanations: see explain.h. Each change is tried by asking the same question again, so that what
// is suggested is true.
#include "place/explain.h"

#include "place/state.h"

#include <string.h>

static const struct {
    const char *name, *text;
} filters[GR_FILTERS] = {
    [GR_FILTER_STATE] = {"state", "drained or broken"},
    [GR_FILTER_MASK] = {"kind", "of a kind or at a site that was not asked for or is not allowed"},
    [GR_FILTER_DOMAIN] = {"domain", "without a domain of the level asked for"},
    [GR_FILTER_CAPACITY] = {"capacity", "too small even when empty"},
    [GR_FILTER_DEVICES] = {"devices", "without enough free devices"},
    [GR_FILTER_CPU] = {"cpu", "with devices, but without enough free cpu"},
    [GR_FILTER_MEMORY] = {"memory", "with devices and cpu, but without enough free memory"},
    [GR_FILTER_NONE] = {"fits", "would take a task"},
};

static const char *const changes[GR_CHANGES] = {
    [GR_CHANGE_CPU] = "less-cpu",       [GR_CHANGE_MEMORY] = "less-memory",
    [GR_CHANGE_MILLI] = "smaller-part", [GR_CHANGE_DEVICES] = "fewer-devices",
    [GR_CHANGE_TASKS] = "fewer-tasks",  [GR_CHANGE_DOMAIN] = "no-shared-domain",
    [GR_CHANGE_KIND] = "another-kind",  [GR_CHANGE_STATE] = "nodes-back",
};

const char *gr_filter_name(enum gr_filter filter)
{
    assert((unsigned)filter < GR_FILTERS);
    return filters[filter].name;
}

const char *gr_filter_text(enum gr_filter filter)
{
    assert((unsigned)filter < GR_FILTERS);
    return filters[filter].text;
}

const char *gr_change_name(enum gr_change change)
{
    assert((unsigned)change < GR_CHANGES);
    return changes[change];
}

// A question, and how much may still be looked at for it.
struct asking {
    struct gr_place *place;
    const struct gr_demand *demand;
    struct gr_explanation *out;
    uint64_t visits; // of nodes
};

// True if nodes may all be looked at once more.
static bool may_look(struct asking *asking)
{
    bool may = asking->visits >= asking->place->node_count;
    asking->visits -= may ? asking->place->node_count : 0;
    asking->out->is_cut = asking->out->is_cut || !may;
    return may;
}

static bool room_for(struct asking *asking, const struct gr_demand *demand)
{
    return may_look(asking) && gr_place_room_tasks(asking->place, demand) == demand->tasks;
}

// The demand with one number changed.
static struct gr_demand with(const struct gr_demand *demand, enum gr_change change, uint32_t value)
{
    struct gr_demand other = *demand;
    uint32_t block = other.domain_tasks != 0 ? other.domain_tasks : 1;
    switch (change) {
    case GR_CHANGE_CPU:
        other.shape.cpu_milli = value;
        break;
    case GR_CHANGE_MEMORY:
        other.shape.memory_mib = value;
        break;
    case GR_CHANGE_MILLI:
        other.shape.milli = (uint16_t)value;
        break;
    case GR_CHANGE_DEVICES:
        other.shape.devices = (uint8_t)value;
        break;
    case GR_CHANGE_TASKS: // whole blocks
        other.tasks = value * block;
        break;
    case GR_CHANGE_DOMAIN:
        other.domain_level = 0;
        other.domain_tasks = 0;
        other.shape.level = 0;
        break;
    case GR_CHANGE_KIND:
    case GR_CHANGE_STATE:
        break;
    }
    return other;
}

static void suggest(struct gr_explanation *out, struct gr_suggestion suggestion)
{
    uint32_t at = out->suggestion_count++;
    assert(at < GR_CHANGES);
    for (; at > 0 && out->suggestions[at - 1].size_ppm > suggestion.size_ppm; at--) {
        out->suggestions[at] = out->suggestions[at - 1];
    }
    out->suggestions[at] = suggestion;
}

// A change from one number to a smaller one.
static void suggest_less(struct gr_explanation *out, enum gr_change change, uint32_t asked,
                         uint32_t to, uint32_t unit)
{
    suggest(out, (struct gr_suggestion){.change = change,
                                        .from = asked * unit,
                                        .to = to * unit,
                                        .size_ppm =
                                            (uint32_t)((uint64_t)(asked - to) * 1000000 / asked)});
}

// The largest value in least..asked - 1 with which the demand fits; less asked never fits worse.
// When looks run out, the largest that is known to fit, unless that is the least.
static void try_less(struct asking *asking, enum gr_change change, uint32_t asked, uint32_t least)
{
    const struct gr_demand *demand = asking->demand;
    uint32_t low = least, high = asked;
    struct gr_demand other = with(demand, change, least);
    uint64_t looks = asked > least + 1 ? 2 : 1; // one would only say that something smaller fits
    if (asked <= least) {
        return;
    }
    if (asking->visits / looks < asking->place->node_count) {
        asking->out->is_cut = true;
        return;
    }
    if (!room_for(asking, &other)) {
        return;
    }
    while (high - low > 1 && asking->visits >= asking->place->node_count) {
        uint32_t middle = low + (high - low) / 2;
        other = with(demand, change, middle);
        *(room_for(asking, &other) ? &low : &high) = middle;
    }
    asking->out->is_cut = asking->out->is_cut || high - low > 1;
    if (high - low == 1 || low > least) {
        bool blocks = change == GR_CHANGE_TASKS && demand->domain_tasks != 0;
        suggest_less(asking->out, change, asked, low, blocks ? demand->domain_tasks : 1);
    }
}

// Another site and variant: the first pair, in order of its first node, that takes the demand
// alone.
static void try_kinds(struct asking *asking)
{
    struct gr_place *place = asking->place;
    unsigned index = asking->demand->shape.mask;
    const struct gr_mask was = *gr_mask_at(place, index);
    bool tried[GR_SITES_MAX][GR_POOL_VARIANTS_MAX] = {{false}};
    for (uint32_t n = 0; n < place->node_count; n++) {
        const struct gr_node *node = gr_node_at(place, n);
        if (tried[node->site][node->variant] || gr_mask_has(&was, node->site, node->variant)) {
            continue;
        }
        tried[node->site][node->variant] = true;
        struct gr_mask *mask = gr_mask_at(place, index);
        memset(mask, 0, sizeof *mask);
        mask->bits[node->site][node->variant / 64] = UINT64_C(1) << (node->variant % 64);
        bool fits = room_for(asking, asking->demand);
        *mask = was; // the pool is as it was before anybody can look
        if (fits) {
            suggest(asking->out, (struct gr_suggestion){
                                     .change = GR_CHANGE_KIND, .node = n, .size_ppm = 1000001});
            return;
        }
    }
}

// All nodes back: tried on a question that ignores states.
static void try_states(struct asking *asking)
{
    if (asking->out->lost[GR_FILTER_STATE] > 0 && may_look(asking) &&
        gr_place_up_tasks(asking->place, asking->demand) == asking->demand->tasks) {
        suggest(asking->out,
                (struct gr_suggestion){.change = GR_CHANGE_STATE, .size_ppm = 1000002});
    }
}

// Each number by itself, by asking again and again.
static void explain_gang(struct asking *asking)
{
    const struct gr_demand *demand = asking->demand;
    const struct gr_shape *shape = &demand->shape;
    uint32_t block = demand->domain_tasks != 0 ? demand->domain_tasks : 1;
    bool whole_gang_in_one = demand->domain_level != 0 && demand->domain_tasks == 0;
    if (demand->domain_level == 0) { // as many as fit one by one
        if (asking->out->tasks_fit > 0) {
            suggest_less(asking->out, GR_CHANGE_TASKS, demand->tasks, asking->out->tasks_fit, 1);
        }
    } else if (whole_gang_in_one || demand->tasks > block) {
        try_less(asking, GR_CHANGE_TASKS, demand->tasks / block, 1);
    }
    if (gr_shape_is_fraction(shape)) {
        try_less(asking, GR_CHANGE_MILLI, shape->milli, 1);
    } else {
        try_less(asking, GR_CHANGE_DEVICES, shape->devices, 1);
    }
    if (demand->domain_level != 0 || shape->level != 0) {
        struct gr_demand other = with(demand, GR_CHANGE_DOMAIN, 0);
        if (room_for(asking, &other)) {
            suggest(asking->out,
                    (struct gr_suggestion){.change = GR_CHANGE_DOMAIN, .size_ppm = 1000000});
        }
    }
    try_kinds(asking);
    try_states(asking);
    try_less(asking, GR_CHANGE_CPU, shape->cpu_milli, 0);
    try_less(asking, GR_CHANGE_MEMORY, shape->memory_mib, 0);
}

// --- one task: each node says by itself what would do

// The best of what nodes say; 0 (or for cpu and memory UINT32_MAX): none.
struct best {
    uint32_t cpu, memory, milli, devices;
    uint32_t kind_node; // UINT32_MAX: none
    bool domain, state;
    int site, variant; // that the mask names; -1: none
};

static bool fits_row(const struct asking *asking, uint32_t node, const struct gr_node *row,
                     const struct gr_shape *shape)
{
    return gr_choose_filter(asking->place, row, gr_cold_at(asking->place, node), shape) ==
           GR_FILTER_NONE;
}

// With less cpu, or less memory, or fewer devices.
static void node_less(const struct asking *asking, uint32_t node, enum gr_filter lost,
                      const struct gr_shape *shape, struct best *best)
{
    const struct gr_node *row = gr_node_at(asking->place, node);
    struct gr_shape other = *shape;
    if ((lost == GR_FILTER_CPU || lost == GR_FILTER_CAPACITY) &&
        (best->cpu == UINT32_MAX || row->cpu_milli > best->cpu)) {
        other.cpu_milli = 0;
        best->cpu = fits_row(asking, node, row, &other) ? row->cpu_milli : best->cpu;
        other = *shape;
    }
    if ((lost == GR_FILTER_MEMORY || lost == GR_FILTER_CAPACITY) &&
        (best->memory == UINT32_MAX || row->memory_mib > best->memory)) {
        other.memory_mib = 0;
        best->memory = fits_row(asking, node, row, &other) ? row->memory_mib : best->memory;
        other = *shape;
    }
    if (lost != GR_FILTER_DEVICES && lost != GR_FILTER_CAPACITY) {
        return;
    }
    if (gr_shape_is_fraction(shape)) {
        other.milli = row->widest;
        best->milli = row->widest > best->milli && fits_row(asking, node, row, &other)
                          ? row->widest
                          : best->milli;
        return;
    }
    uint32_t most = row->whole < shape->devices ? row->whole : shape->devices;
    for (uint32_t d = most; d > best->devices; d--) {
        other.devices = (uint8_t)d;
        if (fits_row(asking, node, row, &other)) {
            best->devices = d;
        }
    }
}

// As if the node were up, of a kind that is asked for, or anywhere.
static void node_else(const struct asking *asking, uint32_t node, enum gr_filter lost,
                      const struct gr_shape *shape, struct best *best)
{
    struct gr_node row = *gr_node_at(asking->place, node);
    struct gr_shape other = *shape;
    if (lost == GR_FILTER_STATE && !best->state) {
        row.state = GR_NODE_UP;
        best->state = fits_row(asking, node, &row, shape);
    } else if (lost == GR_FILTER_MASK && best->kind_node == UINT32_MAX && best->site >= 0) {
        row.site = (uint8_t)best->site;
        row.variant = (uint8_t)best->variant;
        best->kind_node = fits_row(asking, node, &row, shape) ? node : UINT32_MAX;
    } else if (shape->level != 0 && lost > GR_FILTER_MASK && !best->domain) {
        other.level = 0;
        best->domain = fits_row(asking, node, &row, &other);
    }
}

static void mask_any(const struct gr_mask *mask, struct best *best)
{
    for (int s = 0; s < GR_SITES_MAX; s++) {
        for (int w = 0; w < GR_POOL_VARIANTS_MAX / 64; w++) {
            if (mask->bits[s][w] != 0) {
                best->site = s;
                best->variant = w * 64 + __builtin_ctzll(mask->bits[s][w]);
                return;
            }
        }
    }
}

static struct best best_none(const struct asking *asking)
{
    struct best best = {.cpu = UINT32_MAX,
                        .memory = UINT32_MAX,
                        .kind_node = UINT32_MAX,
                        .site = -1,
                        .variant = -1};
    mask_any(gr_mask_at(asking->place, asking->demand->shape.mask), &best);
    return best;
}

// A node that a filter loses.
static void node_best(const struct asking *asking, uint32_t node, enum gr_filter lost,
                      const struct gr_shape *alone, struct best *best)
{
    node_else(asking, node, lost, alone, best);
    if (lost >= GR_FILTER_CAPACITY) {
        node_less(asking, node, lost, alone, best);
    }
}

static void best_suggest(struct gr_explanation *out, const struct gr_shape *alone,
                         const struct best *best)
{
    if (best->cpu != UINT32_MAX) {
        suggest_less(out, GR_CHANGE_CPU, alone->cpu_milli, best->cpu, 1);
    }
    if (best->memory != UINT32_MAX) {
        suggest_less(out, GR_CHANGE_MEMORY, alone->memory_mib, best->memory, 1);
    }
    if (best->milli > 0) {
        suggest_less(out, GR_CHANGE_MILLI, alone->milli, best->milli, 1);
    }
    if (best->devices > 0) {
        suggest_less(out, GR_CHANGE_DEVICES, alone->devices, best->devices, 1);
    }
    if (best->domain) {
        suggest(out, (struct gr_suggestion){.change = GR_CHANGE_DOMAIN, .size_ppm = 1000000});
    }
    if (best->kind_node != UINT32_MAX) {
        suggest(out, (struct gr_suggestion){
                         .change = GR_CHANGE_KIND, .node = best->kind_node, .size_ppm = 1000001});
    }
    if (best->state) {
        suggest(out, (struct gr_suggestion){.change = GR_CHANGE_STATE, .size_ppm = 1000002});
    }
}

// --- the whole answer

// Counts each node at the first filter that loses it for one task, and asks what would do if there
// is only one. Tasks that share no domain fit one node after the other: they are counted, too.
static void count_nodes(const struct asking *asking, const struct gr_shape *alone,
                        struct best *best)
{
    struct gr_place *place = asking->place;
    const struct gr_shape *shape = &asking->demand->shape;
    struct gr_explanation *out = asking->out;
    for (uint32_t n = 0; n < place->node_count; n++) {
        enum gr_filter gang = gr_place_filter(place, n, alone);
        enum gr_filter task =
            shape->level == alone->level ? gang : gr_place_filter(place, n, shape);
        enum gr_filter lost = gang < task ? gang : task;
        out->lost[lost]++;
        if (best != NULL) {
            node_best(asking, n, lost, alone, best);
        } else if (lost == GR_FILTER_NONE && asking->demand->domain_level == 0 &&
                   out->tasks_fit < asking->demand->tasks) {
            uint32_t more = asking->demand->tasks - out->tasks_fit;
            uint32_t fit = gr_place_node_tasks(place, n, asking->demand);
            out->tasks_fit += fit < more ? fit : more;
        }
        if (lost > GR_FILTER_MASK) {
            const struct gr_node *node = gr_node_at(place, n);
            out->capacity_milli += (uint64_t)node->devices * GR_DEVICE_MILLI;
            for (unsigned i = 0; i < node->devices; i++) {
                out->free_milli += node->free[i];
            }
        }
    }
}

void gr_place_explain_within(struct gr_place *place, const struct gr_demand *demand,
                             uint64_t visits, struct gr_explanation *ret_explanation)
{
    assert(place != NULL && demand != NULL && ret_explanation != NULL);
    assert(gr_demand_wrong(demand) == NULL);
    assert(demand->shape.mask < place->mask_count + 1u); // one may be there on trial
    struct gr_explanation *out = ret_explanation;
    struct asking asking = {place, demand, out, visits};
    memset(out, 0, sizeof *out);
    out->nodes = place->node_count;
    struct gr_shape alone = demand->shape;
    alone.level = demand->domain_level != 0 ? demand->domain_level : demand->shape.level;
    if (demand->tasks == 1 && demand->domain_level == 0) { // each node answers by itself
        struct best best = best_none(&asking);
        count_nodes(&asking, &alone, &best);
        out->fits = out->lost[GR_FILTER_NONE] > 0;
        out->tasks_fit = out->fits;
        if (!out->fits) {
            best_suggest(out, &alone, &best);
        }
        return;
    }
    count_nodes(&asking, &alone, NULL);
    bool counted = demand->domain_level == 0;
    if (counted || may_look(&asking)) {
        out->tasks_fit = counted ? out->tasks_fit : gr_place_room_tasks(place, demand);
        out->fits = out->tasks_fit == demand->tasks;
        if (!out->fits) {
            explain_gang(&asking);
        }
    }
}

void gr_place_explain(struct gr_place *place, const struct gr_demand *demand,
                      struct gr_explanation *ret_explanation)
{
    gr_place_explain_within(place, demand, UINT64_MAX, ret_explanation);
}
