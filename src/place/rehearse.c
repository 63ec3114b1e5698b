// Fills a small fleet: see rehearse.h.
#include "place/rehearse.h"

#include "base/rng.h"

#include <string.h>

typedef uint8_t bytes __attribute__((vector_size(16)));

// Load, in parts of the fleet's milli, between which the allocation is measured.
#define LOAD_FROM 0.95
#define LOAD_TO 1.05

struct rehearsal {
    const struct gr_market *market;
    const struct gr_value *value;
    struct gr_rehearse_scratch *scratch;
    uint32_t node_count, line_count, task_count;
    double capacity_milli;
    uint64_t random;
};

// Uniform below `limit`; splitmix64 from a fixed seed (Steele et al., "Fast Splittable Pseudorandom
// Number Generators", OOPSLA 2014).
static uint32_t draw(struct rehearsal *r, uint32_t limit)
{
    uint64_t z = gr_rng_next(&r->random);
    return (uint32_t)(((z >> 32) * limit) >> 32);
}

// A sample with every type in its proportion, in random order. `want` nodes.
static void fleet_draw(struct rehearsal *r, uint32_t want)
{
    const struct gr_market *market = r->market;
    struct gr_rehearse_scratch *s = r->scratch;
    double all = 0, due = 0;
    for (uint32_t t = 0; t < market->type_count; t++) {
        all += market->types[t].count;
    }
    r->node_count = 0;
    r->capacity_milli = 0;
    for (uint32_t t = 0; t < market->type_count; t++) {
        const struct gr_market_type *type = &market->types[t];
        struct gr_node node = {.cpu_milli = type->cpu_milli,
                               .memory_mib = type->memory_mib,
                               .variant = type->variant,
                               .site = type->site,
                               .devices = type->devices};
        for (unsigned i = 0; i < type->devices; i++) {
            node.free[i] = GR_DEVICE_MILLI;
        }
        gr_node_summarise(&node);
        due += type->count * (want < all ? want / all : 1);
        while (r->node_count + 0.5 < due && r->node_count < GR_REHEARSE_NODES) {
            s->nodes[r->node_count] = node;
            s->types[r->node_count++] = (uint16_t)t;
            r->capacity_milli += type->devices * (double)GR_DEVICE_MILLI;
        }
    }
    for (uint32_t n = r->node_count; n > 1; n--) {
        uint32_t other = draw(r, n);
        struct gr_node node = s->nodes[n - 1];
        uint16_t type = s->types[n - 1];
        s->nodes[n - 1] = s->nodes[other];
        s->types[n - 1] = s->types[other];
        s->nodes[other] = node;
        s->types[other] = type;
    }
}

// Tasks in the mix's proportions, in random order, up to LOAD_TO of the fleet less what is lost.
static void tasks_draw(struct rehearsal *r)
{
    const struct gr_market *market = r->market;
    uint16_t *tasks = r->scratch->tasks;
    double weight = 0, milli = 0, due = 0;
    for (uint32_t l = 0; l < r->line_count; l++) {
        const struct gr_market_line *line = &market->lines[l];
        weight += (double)line->weight;
        milli += (double)line->weight * line->devices * line->milli;
    }
    double wanted = LOAD_TO * (1 - market->lost) * r->capacity_milli * weight / milli;
    wanted = wanted < GR_REHEARSE_TASKS ? wanted : GR_REHEARSE_TASKS;
    r->task_count = 0;
    for (uint32_t l = 0; l < r->line_count; l++) {
        due += (double)market->lines[l].weight / weight * wanted;
        while (r->task_count + 0.5 < due && r->task_count < GR_REHEARSE_TASKS) {
            tasks[r->task_count++] = (uint16_t)l;
        }
    }
    for (uint32_t t = r->task_count; t > 1; t--) {
        uint32_t other = draw(r, t);
        uint16_t task = tasks[t - 1];
        tasks[t - 1] = tasks[other];
        tasks[other] = task;
    }
}

static bool fits(const struct gr_market_line *line, const struct gr_node *node, unsigned group)
{
    bool devices = line->devices == 1 && line->milli < GR_DEVICE_MILLI
                       ? node->widest >= line->milli
                       : node->whole >= line->devices;
    return devices && (line->groups >> group & 1) != 0 && node->cpu_milli >= line->cpu_milli &&
           node->memory_mib >= line->memory_mib;
}

static void node_score(const struct rehearsal *r, uint32_t n)
{
    struct gr_rehearse_scratch *s = r->scratch;
    struct gr_value_view view;
    uint8_t fit[GR_SHEET_MAX];
    unsigned group = r->market->types[s->types[n]].group;
    for (uint32_t l = 0; l < r->line_count; l++) {
        fit[l] = fits(&r->market->lines[l], &s->nodes[n], group) ? 0xff : 0;
    }
    bool known = gr_value_look(r->value, &s->nodes[n], &view);
    assert(known);
    (void)known;
    gr_sheet_score(&s->sheet, &view, fit, &s->scores[0][n], GR_REHEARSE_NODES);
}

// The first node with the highest score for a line, or UINT32_MAX if it fits nowhere.
static uint32_t node_find(const struct rehearsal *r, uint32_t line)
{
    const uint8_t *scores = r->scratch->scores[line];
    bytes most = {0};
    for (uint32_t n = 0; n < GR_REHEARSE_NODES; n += sizeof most) {
        bytes x;
        memcpy(&x, scores + n, sizeof x);
        bytes more = (bytes)(x > most);
        most = (x & more) | (most & ~more);
    }
    uint8_t best = 0;
    for (unsigned i = 0; i < sizeof most; i++) {
        best = most[i] > best ? most[i] : best;
    }
    const uint8_t *at = best == 0 ? NULL : memchr(scores, best, GR_REHEARSE_NODES);
    return at == NULL ? UINT32_MAX : (uint32_t)(at - scores);
}

static void place(const struct rehearsal *r, const struct gr_market_line *line, uint32_t n)
{
    struct gr_node *node = &r->scratch->nodes[n];
    struct gr_value_view view;
    unsigned device = 0;
    if (line->devices == 1 && line->milli < GR_DEVICE_MILLI) {
        (void)gr_value_look(r->value, node, &view);
        (void)gr_value_take(&view, 1, line->milli, &device);
        node->free[device] = (uint16_t)(node->free[device] - line->milli);
    }
    for (unsigned left = line->milli == GR_DEVICE_MILLI ? line->devices : 0; left > 0; device++) {
        if (node->free[device] == GR_DEVICE_MILLI) {
            node->free[device] = 0;
            left--;
        }
    }
    node->cpu_milli -= line->cpu_milli;
    node->memory_mib -= line->memory_mib;
    gr_node_summarise(node);
    node_score(r, n);
}

// Puts all tasks where they score best and measures.
static double fill(const struct rehearsal *r)
{
    double measured_from = LOAD_FROM * (1 - r->market->lost) * r->capacity_milli;
    double arrived = 0, used = 0, sum = 0;
    uint32_t events = 0;
    for (uint32_t t = 0; t < r->task_count; t++) {
        uint32_t l = r->scratch->tasks[t];
        const struct gr_market_line *line = &r->market->lines[l];
        double milli = (double)line->devices * line->milli;
        uint32_t n = node_find(r, l);
        arrived += milli;
        if (n != UINT32_MAX) {
            used += milli;
            place(r, line, n);
        }
        if (arrived >= measured_from) {
            sum += used;
            events++;
        }
    }
    return events == 0 ? 0 : sum / events / r->capacity_milli;
}

double gr_rehearse(const struct gr_market *market, const struct gr_value *value,
                   struct gr_rehearse_scratch *scratch)
{
    assert(market != NULL && value != NULL && scratch != NULL);
    struct rehearsal r = {.market = market, .value = value, .scratch = scratch, .random = 1};
    r.line_count = market->line_count < GR_SHEET_MAX ? market->line_count : GR_SHEET_MAX;
    // Fewer nodes where tasks are so small that very many would be needed.
    for (uint32_t want = 400; want > 0; want /= 2) {
        fleet_draw(&r, want);
        tasks_draw(&r);
        if (r.task_count < GR_REHEARSE_TASKS) {
            break;
        }
    }
    gr_sheet_init(&scratch->sheet, value);
    for (uint32_t l = 0; l < r.line_count; l++) {
        const struct gr_market_line *line = &market->lines[l];
        gr_sheet_add(&scratch->sheet, value, line->cpu_milli, line->devices, line->milli);
    }
    memset(scratch->scores, 0, sizeof scratch->scores);
    for (uint32_t n = 0; n < r.node_count; n++) {
        node_score(&r, n);
    }
    return fill(&r);
}
