// Where one task goes, and where all tasks of a gang go: the two questions of place.h.
#include "place/place.h"

#include "place/state.h"

#include <string.h>

bool gr_place_find_scan(const struct gr_place *place, const struct gr_shape *shape, uint64_t salt,
                        struct gr_piece *ret_piece)
{
    assert(place != NULL && shape != NULL && ret_piece != NULL);
    const struct gr_policy *policy = gr_place_policy(place);
    uint32_t best = UINT32_MAX;
    if (policy->find != NULL) {
        unsigned device;
        if (!policy->find(place, shape, salt, &best, &device)) {
            return false;
        }
        gr_choose_piece(place, best, shape, ret_piece);
        if (gr_shape_is_fraction(shape)) {
            ret_piece->devices = (uint16_t)(1u << device);
        }
        return true;
    }
    assert(!place->stale); // the policy's tables must be there
    uint8_t most = 0;
    for (uint32_t n = 0; n < place->node_count; n++) {
        uint8_t score = gr_skips(place, n) ? 0 : gr_choose_score(place, n, shape);
        if (score > most) {
            most = score;
            best = n;
        }
    }
    if (most == 0) {
        return false;
    }
    gr_choose_piece(place, best, shape, ret_piece);
    return true;
}

uint64_t *gr_place_skip_bits(struct gr_place *place)
{
    assert(place != NULL && place->skipping == 0);
    return gr_at(place, place->skip_at);
}

void gr_place_skip(struct gr_place *place, bool skip)
{
    assert(place != NULL && (place->skipping != 0) != skip);
    place->skipping = skip;
}

bool gr_place_find(struct gr_place *place, const struct gr_shape *shape, uint64_t salt,
                   struct gr_piece *ret_piece)
{
    assert(place != NULL && shape != NULL && ret_piece != NULL);
    assert(shape->mask < place->mask_count);
    place->asked++;
    if (gr_place_policy(place)->find != NULL) { // a draw needs no index
        return gr_place_find_scan(place, shape, salt, ret_piece);
    }
    gr_index_flush(place);
    int slot = gr_index_slot_find(place, shape);
    uint32_t node;
    if (slot < 0) {
        if (!gr_learn_best(place, shape, &node)) {
            return false;
        }
        gr_choose_piece(place, node, shape, ret_piece);
        return true;
    }
    gr_slot_at(place, (uint32_t)slot)->last_asked = place->asked;
    if (!gr_index_best(place, (unsigned)slot, shape, &node)) {
        return false;
    }
    gr_choose_piece(place, node, shape, ret_piece);
    return true;
}

static bool piece_before(const struct gr_piece *a, const struct gr_piece *b)
{
    return a->node != b->node ? a->node < b->node : a->devices < b->devices;
}

static void sift(struct gr_piece *pieces, uint32_t root, uint32_t count)
{
    struct gr_piece moving = pieces[root];
    for (;;) {
        uint32_t child = 2 * root + 1;
        if (child >= count) {
            break;
        }
        if (child + 1 < count && piece_before(&pieces[child], &pieces[child + 1])) {
            child++;
        }
        if (!piece_before(&moving, &pieces[child])) {
            break;
        }
        pieces[root] = pieces[child];
        root = child;
    }
    pieces[root] = moving;
}

// Heap sort by (node, devices): in place, no worst case, no allocation.
static void pieces_sort(struct gr_piece *pieces, uint32_t count)
{
    uint32_t sorted = 1;
    while (sorted < count && !piece_before(&pieces[sorted], &pieces[sorted - 1])) {
        sorted++;
    }
    if (sorted >= count) {
        return;
    }
    for (uint32_t root = count / 2; root-- > 0;) {
        sift(pieces, root, count);
    }
    for (uint32_t left = count - 1; left > 0; left--) {
        struct gr_piece last = pieces[left];
        pieces[left] = pieces[0];
        pieces[0] = last;
        sift(pieces, 0, left);
    }
}

// One task after the other, each where the policy puts it given those before; undone at the end.
// *ret_placed: how many found room.
static bool gang_spread(struct gr_place *place, const struct gr_demand *demand, uint64_t salt,
                        struct gr_piece *ret_pieces, uint32_t *ret_placed)
{
    uint32_t placed = 0;
    while (placed < demand->tasks &&
           gr_place_find(place, &demand->shape, salt + placed, &ret_pieces[placed])) {
        gr_place_take(place, &ret_pieces[placed]);
        placed++;
    }
    for (uint32_t i = placed; i-- > 0;) {
        gr_place_give(place, &ret_pieces[i]);
    }
    *ret_placed = placed;
    if (placed < demand->tasks) {
        return false;
    }
    pieces_sort(ret_pieces, placed);
    return true;
}

// The piece of one task in a row it fits, with the tightest devices.
static struct gr_piece piece_tightest(const struct gr_node *node, uint32_t number,
                                      const struct gr_shape *shape)
{
    uint16_t devices = 0;
    if (gr_shape_is_fraction(shape)) {
        devices = (uint16_t)(1u << gr_choose_tightest(node, shape->milli));
    } else if (shape->devices > 0) {
        devices = gr_choose_whole(node, shape);
    }
    return (struct gr_piece){.node = number,
                             .devices = devices,
                             .milli = shape->milli,
                             .cpu_milli = shape->cpu_milli,
                             .memory_mib = shape->memory_mib};
}

// Fits up to `most` tasks into one node; returns how many and writes their pieces.
static uint32_t node_fill(const struct gr_place *place, uint32_t number,
                          const struct gr_shape *shape, uint32_t most, struct gr_piece *ret_pieces)
{
    struct gr_node copy = *gr_node_at(place, number);
    const struct gr_node_cold *cold = gr_cold_at(place, number);
    uint32_t count = 0;
    most = gr_skips(place, number) ? 0 : most;
    while (count < most && gr_choose_filter(place, &copy, cold, shape) == GR_FILTER_NONE) {
        ret_pieces[count] = piece_tightest(&copy, number, shape);
        gr_node_take(&copy, &ret_pieces[count]);
        count++;
    }
    return count;
}

// More tasks than this, while nodes are passed over, fill nodes in order: of a pool of which many
// nodes are skipped one by one, each search may look at all of these.
#define GANG_SEARCHED 16u

static bool gang_in_order(const struct gr_place *place, const struct gr_demand *demand,
                          struct gr_piece *ret_pieces, uint32_t *ret_placed)
{
    uint32_t placed = 0;
    for (uint32_t n = 0; n < place->node_count && placed < demand->tasks; n++) {
        placed += node_fill(place, n, &demand->shape, demand->tasks - placed, ret_pieces + placed);
    }
    *ret_placed = placed;
    if (placed == demand->tasks) {
        pieces_sort(ret_pieces, placed);
    }
    return placed == demand->tasks;
}

// Fills whole blocks of `block` tasks into one domain, `most` tasks at most. Returns how many
// tasks.
static uint32_t domain_fill(const struct gr_place *place, unsigned level, uint32_t id,
                            const struct gr_shape *shape, uint32_t block, uint32_t most,
                            struct gr_piece *ret_pieces)
{
    uint32_t count = 0;
    for (uint32_t n = gr_domain_at(place, level, id)->first; n != UINT32_MAX && count < most;
         n = *gr_next_at(place, level, n)) {
        count += node_fill(place, n, shape, most - count, ret_pieces + count);
    }
    return count / block * block;
}

// Lowest number of wholly free devices, at least `least`, that a domain of the level has.
static uint32_t next_whole(const struct gr_place *place, unsigned level, uint32_t least)
{
    uint32_t best = UINT32_MAX;
    const struct gr_domain *domains = gr_domain_at(place, level, 0);
    for (uint32_t d = 0; d < place->limits.domains[level]; d++) {
        uint32_t whole = domains[d].whole;
        best = domains[d].nodes > 0 && whole >= least && whole < best ? whole : best;
    }
    return best;
}

static bool gang_in_domains(const struct gr_place *place, const struct gr_demand *demand,
                            struct gr_piece *ret_pieces)
{
    const struct gr_shape *shape = &demand->shape;
    unsigned level = demand->domain_level - 1u;
    uint32_t block = demand->domain_tasks != 0 ? demand->domain_tasks : demand->tasks;
    bool whole = shape->devices > 0 && !gr_shape_is_fraction(shape);
    uint32_t least = whole ? block * shape->devices : 0;
    uint32_t placed = 0;
    for (;;) {
        uint32_t count = next_whole(place, level, least);
        if (count == UINT32_MAX) {
            return false;
        }
        for (uint32_t d = 0; d < place->limits.domains[level] && placed < demand->tasks; d++) {
            const struct gr_domain *domain = gr_domain_at(place, level, d);
            if (domain->nodes > 0 && domain->whole == count) {
                placed += domain_fill(place, level, d, shape, block, demand->tasks - placed,
                                      ret_pieces + placed);
            }
        }
        if (placed == demand->tasks) {
            pieces_sort(ret_pieces, placed);
            return true;
        }
        least = count + 1;
    }
}

// How a node is looked at.
enum as {
    AS_IT_IS,
    AS_UP,    // as if it were up
    AS_EMPTY, // as if it were up and empty
};

// Tasks of a shape that one node holds, at most `most`.
static uint32_t node_tasks(const struct gr_place *place, uint32_t number,
                           const struct gr_shape *shape, uint32_t most, enum as as)
{
    const struct gr_node_cold *cold = gr_cold_at(place, number);
    if (as == AS_IT_IS &&
        gr_choose_filter(place, gr_node_at(place, number), cold, shape) != GR_FILTER_NONE) {
        return 0; // as most nodes of a full pool
    }
    struct gr_node copy = *gr_node_at(place, number);
    if (as != AS_IT_IS) {
        copy.state = GR_NODE_UP;
    }
    if (as == AS_EMPTY) {
        copy.cpu_milli = cold->cpu_milli;
        copy.memory_mib = cold->memory_mib;
        for (unsigned i = 0; i < copy.devices; i++) {
            copy.free[i] = GR_DEVICE_MILLI;
        }
        gr_node_summarise(&copy);
    }
    struct gr_piece piece;
    uint32_t count = 0;
    while (count < most && gr_choose_filter(place, &copy, cold, shape) == GR_FILTER_NONE) {
        piece = piece_tightest(&copy, number, shape);
        gr_node_take(&copy, &piece);
        count++;
    }
    return count;
}

// The level of a task that shares its domain with no other: the narrower of the two.
static uint8_t alone_level(const struct gr_demand *demand)
{
    return demand->domain_level > demand->shape.level ? demand->domain_level : demand->shape.level;
}

static uint32_t tasks_count(const struct gr_place *place, const struct gr_demand *demand,
                            enum as as)
{
    uint32_t block = demand->domain_tasks != 0 ? demand->domain_tasks : demand->tasks;
    struct gr_shape shape = demand->shape;
    uint32_t count = 0;
    if (demand->domain_level == 0 || block == 1) {
        shape.level = alone_level(demand);
        for (uint32_t n = 0; n < place->node_count && count < demand->tasks; n++) {
            count += node_tasks(place, n, &shape, demand->tasks - count, as);
        }
        return count;
    }
    unsigned level = demand->domain_level - 1u;
    for (uint32_t d = 0; d < place->limits.domains[level] && count < demand->tasks; d++) {
        uint32_t inside = 0, most = demand->tasks - count;
        for (uint32_t n = gr_domain_at(place, level, d)->first; n != UINT32_MAX && inside < most;
             n = *gr_next_at(place, level, n)) {
            inside += node_tasks(place, n, &shape, most - inside, as);
        }
        count += inside / block * block;
    }
    return count;
}

uint32_t gr_place_fleet_tasks(const struct gr_place *place, const struct gr_demand *demand)
{
    assert(place != NULL && demand != NULL);
    assert(gr_demand_wrong(demand) == NULL);
    return tasks_count(place, demand, AS_EMPTY);
}

uint32_t gr_place_room_tasks(const struct gr_place *place, const struct gr_demand *demand)
{
    assert(place != NULL && demand != NULL);
    assert(gr_demand_wrong(demand) == NULL);
    return tasks_count(place, demand, AS_IT_IS);
}

uint32_t gr_place_up_tasks(const struct gr_place *place, const struct gr_demand *demand)
{
    assert(place != NULL && demand != NULL);
    assert(gr_demand_wrong(demand) == NULL);
    return tasks_count(place, demand, AS_UP);
}

uint32_t gr_place_node_tasks(const struct gr_place *place, uint32_t node,
                             const struct gr_demand *demand)
{
    assert(place != NULL && node < place->node_count && demand != NULL);
    struct gr_shape shape = demand->shape;
    uint32_t block = demand->domain_tasks != 0 ? demand->domain_tasks : demand->tasks;
    shape.level = demand->domain_level == 0 || block == 1 ? alone_level(demand) : shape.level;
    return node_tasks(place, node, &shape, demand->tasks, AS_IT_IS);
}

bool gr_place_find_among(struct gr_place *place, const uint32_t *nodes, uint32_t count,
                         const struct gr_demand *demand, struct gr_piece *ret_piece)
{
    assert(place != NULL && (nodes != NULL || count == 0) && ret_piece != NULL);
    assert(demand != NULL && demand->tasks == 1 && !gr_place_draws(place));
    struct gr_shape shape = demand->shape;
    uint32_t best = UINT32_MAX;
    uint8_t most = 0;
    shape.level = alone_level(demand);
    gr_index_flush(place); // the policy's tables must be there
    for (uint32_t i = 0; i < count; i++) {
        uint8_t score = gr_choose_score(place, nodes[i], &shape);
        if (score > most || (score == most && score > 0 && nodes[i] < best)) {
            most = score;
            best = nodes[i];
        }
    }
    if (most > 0) {
        gr_choose_piece(place, best, &shape, ret_piece);
    }
    return most > 0;
}

enum gr_filter gr_place_task_filter(const struct gr_place *place, uint32_t node,
                                    const struct gr_demand *demand)
{
    assert(place != NULL && node < place->node_count && demand != NULL);
    struct gr_shape shape = demand->shape;
    uint32_t block = demand->domain_tasks != 0 ? demand->domain_tasks : demand->tasks;
    shape.level = demand->domain_level == 0 || block == 1 ? alone_level(demand) : shape.level;
    return gr_choose_filter(place, gr_node_at(place, node), gr_cold_at(place, node), &shape);
}

uint32_t gr_place_row_tasks(const struct gr_place *place, uint32_t node, const struct gr_node *row,
                            const struct gr_demand *demand, uint32_t most,
                            struct gr_piece *ret_pieces)
{
    assert(place != NULL && node < place->node_count && row != NULL && demand != NULL);
    struct gr_shape shape = demand->shape;
    uint32_t block = demand->domain_tasks != 0 ? demand->domain_tasks : demand->tasks;
    struct gr_node copy = *row;
    const struct gr_node_cold *cold = gr_cold_at(place, node);
    uint32_t count = 0;
    shape.level = demand->domain_level == 0 || block == 1 ? alone_level(demand) : shape.level;
    while (count < most && gr_choose_filter(place, &copy, cold, &shape) == GR_FILTER_NONE) {
        struct gr_piece piece = piece_tightest(&copy, node, &shape);
        gr_node_take(&copy, &piece);
        if (ret_pieces != NULL) {
            ret_pieces[count] = piece;
        }
        count++;
    }
    return count;
}

bool gr_place_find_gang(struct gr_place *place, const struct gr_demand *demand, uint64_t salt,
                        struct gr_piece *ret_pieces)
{
    uint32_t placed;
    return gr_place_find_most(place, demand, salt, ret_pieces, &placed);
}

bool gr_place_find_most(struct gr_place *place, const struct gr_demand *demand, uint64_t salt,
                        struct gr_piece *ret_pieces, uint32_t *ret_placed)
{
    assert(place != NULL && demand != NULL && ret_pieces != NULL && ret_placed != NULL);
    assert(gr_demand_wrong(demand) == NULL);
    *ret_placed = 0;
    uint32_t block = demand->domain_tasks != 0 ? demand->domain_tasks : demand->tasks;
    if (demand->domain_level != 0 && block > 1) {
        place->asked++;
        return gang_in_domains(place, demand, ret_pieces);
    }
    struct gr_demand alone = *demand;
    alone.shape.level = alone_level(demand);
    alone.domain_level = 0;
    alone.domain_tasks = 0;
    if (place->skipping != 0 && demand->tasks > GANG_SEARCHED) {
        return gang_in_order(place, &alone, ret_pieces, ret_placed);
    }
    return gang_spread(place, &alone, salt, ret_pieces, ret_placed);
}
