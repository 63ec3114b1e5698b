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

static bool room_for(struct gr_place *place, const struct gr_demand *demand)
{
    return gr_place_room_tasks(place, demand) == demand->tasks;
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

// The largest value in least..asked - 1 with which the demand fits; less asked never fits worse.
static void try_less(struct gr_place *place, const struct gr_demand *demand, enum gr_change change,
                     uint32_t asked, uint32_t least, struct gr_explanation *out)
{
    uint32_t low = least, high = asked;
    struct gr_demand other = with(demand, change, least);
    if (asked <= least || !room_for(place, &other)) {
        return;
    }
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        other = with(demand, change, middle);
        *(room_for(place, &other) ? &low : &high) = middle;
    }
    uint32_t unit =
        change == GR_CHANGE_TASKS && demand->domain_tasks != 0 ? demand->domain_tasks : 1;
    suggest(out, (struct gr_suggestion){.change = change,
                                        .from = asked * unit,
                                        .to = low * unit,
                                        .size_ppm =
                                            (uint32_t)((uint64_t)(asked - low) * 1000000 / asked)});
}

// Another site and variant: the first pair, in order of its first node, that takes the demand
// alone.
static void try_kinds(struct gr_place *place, const struct gr_demand *demand,
                      struct gr_explanation *out)
{
    const struct gr_mask was = *gr_mask_at(place, demand->shape.mask);
    bool tried[GR_SITES_MAX][GR_POOL_VARIANTS_MAX] = {{false}};
    for (uint32_t n = 0; n < place->node_count; n++) {
        const struct gr_node *node = gr_node_at(place, n);
        if (tried[node->site][node->variant] || gr_mask_has(&was, node->site, node->variant)) {
            continue;
        }
        tried[node->site][node->variant] = true;
        struct gr_mask *mask = gr_mask_at(place, demand->shape.mask);
        memset(mask, 0, sizeof *mask);
        mask->bits[node->site][node->variant / 64] = UINT64_C(1) << (node->variant % 64);
        bool fits = room_for(place, demand);
        *mask = was; // the pool is as it was before anybody can look
        if (fits) {
            suggest(out, (struct gr_suggestion){
                             .change = GR_CHANGE_KIND, .node = n, .size_ppm = 1000001});
            return;
        }
    }
}

// All nodes back: tried on a question that ignores states.
static void try_states(struct gr_place *place, const struct gr_demand *demand,
                       struct gr_explanation *out)
{
    if (out->lost[GR_FILTER_STATE] > 0 && gr_place_up_tasks(place, demand) == demand->tasks) {
        suggest(out, (struct gr_suggestion){.change = GR_CHANGE_STATE, .size_ppm = 1000002});
    }
}

void gr_place_explain(struct gr_place *place, const struct gr_demand *demand,
                      struct gr_explanation *ret_explanation)
{
    assert(place != NULL && demand != NULL && ret_explanation != NULL);
    assert(gr_demand_wrong(demand) == NULL);
    assert(demand->shape.mask < place->mask_count);
    struct gr_explanation *out = ret_explanation;
    const struct gr_shape *shape = &demand->shape;
    memset(out, 0, sizeof *out);
    out->nodes = place->node_count;
    struct gr_shape alone = *shape;
    alone.level = demand->domain_level != 0 ? demand->domain_level : shape->level;
    for (uint32_t n = 0; n < place->node_count; n++) {
        enum gr_filter gang = gr_place_filter(place, n, &alone);
        enum gr_filter task = gr_place_filter(place, n, shape);
        out->lost[gang < task ? gang : task]++;
    }
    out->tasks_fit = gr_place_room_tasks(place, demand);
    out->fits = out->tasks_fit == demand->tasks;
    if (out->fits) {
        return;
    }
    uint32_t block = demand->domain_tasks != 0 ? demand->domain_tasks : 1;
    bool whole_gang_in_one = demand->domain_level != 0 && demand->domain_tasks == 0;
    try_less(place, demand, GR_CHANGE_CPU, shape->cpu_milli, 0, out);
    try_less(place, demand, GR_CHANGE_MEMORY, shape->memory_mib, 0, out);
    if (gr_shape_is_fraction(shape)) {
        try_less(place, demand, GR_CHANGE_MILLI, shape->milli, 1, out);
    } else {
        try_less(place, demand, GR_CHANGE_DEVICES, shape->devices, 1, out);
    }
    if (whole_gang_in_one || demand->tasks > block) {
        try_less(place, demand, GR_CHANGE_TASKS, demand->tasks / block, 1, out);
    }
    if (alone.level != 0) {
        struct gr_demand other = with(demand, GR_CHANGE_DOMAIN, 0);
        if (room_for(place, &other)) {
            suggest(out, (struct gr_suggestion){.change = GR_CHANGE_DOMAIN, .size_ppm = 1000000});
        }
    }
    try_kinds(place, demand, out);
    try_states(place, demand, out);
}
