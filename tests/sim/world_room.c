// Room by counting: how many tasks each node could take, from what is free in it. See world.h.
#include "world.h"

#include <string.h>

static void view_take(struct world_view *view, const struct gr_piece *piece)
{
    view->cpu[piece->node] -= piece->cpu_milli;
    view->memory[piece->node] -= piece->memory_mib;
    for (int i = 0; i < GR_NODE_DEVICES_MAX; i++) {
        if (piece->devices & (1 << i)) {
            view->milli[piece->node][i] -= piece->milli;
        }
    }
}

static void view_fill(const struct world *world, struct world_view *view, bool all_up)
{
    memset(view, 0, sizeof *view);
    for (uint32_t n = 0; n < world->nodes; n++) {
        const struct world_node *node = &world->node[n];
        view->cpu[n] = node->cpu;
        view->memory[n] = node->memory;
        for (uint32_t i = 0; i < node->devices; i++) {
            view->milli[n][i] = 1000;
        }
        view->usable[n] = all_up || node->state == GR_NODE_UP;
    }
}

void world_view_empty(const struct world *world, struct world_view *ret_view)
{
    view_fill(world, ret_view, true);
}

int64_t world_end(const struct world *world, const struct world_job *job, int64_t at)
{
    bool guesses = world->order == GR_ORDER_FAIR && job->limit == 0;
    int64_t limit = guesses ? 86400000 : job->limit;
    if (limit == 0 || limit > INT64_MAX - job->started) {
        return INT64_MAX;
    }
    return job->started + limit > at ? job->started + limit : at + (guesses ? 3600000 : 1);
}

void world_view_later(const struct world *world, int64_t at, int64_t until,
                      struct world_view *ret_view)
{
    view_fill(world, ret_view, false);
    for (uint32_t j = 0; j < world->jobs; j++) {
        const struct world_job *job = &world->job[j];
        bool gone = until > at && world_end(world, job, at) <= until;
        for (uint32_t p = 0; job->running && !gone && p < job->piece_count; p++) {
            if (!job->lost[p]) {
                view_take(ret_view, &job->pieces[p]);
            }
        }
    }
    for (uint32_t n = 0; n < world->nodes; n++) {
        for (int i = 0; i < GR_NODE_DEVICES_MAX; i++) {
            if ((world->node[n].out & 1u << i) != 0) {
                ret_view->withheld[n][i] = ret_view->milli[n][i];
                ret_view->milli[n][i] = 0;
            }
        }
    }
}

void world_view_now(const struct world *world, struct world_view *ret_view)
{
    world_view_later(world, 0, 0, ret_view);
}

static bool mask_bit(const struct gr_mask *mask, uint32_t site, uint32_t variant)
{
    return (mask->bits[site][variant / 64] & (UINT64_C(1) << variant % 64)) != 0;
}

// Devices in one group of this level inside the node; 0: the level does not divide it.
static uint32_t inner_size(const struct world_node *node, uint32_t level)
{
    uint32_t domain = level == 0 ? 0 : node->domain[level - 1];
    return domain == GR_DOMAIN_NONE ? 0 : domain >= GR_DOMAIN_INNER ? domain - GR_DOMAIN_INNER : 0;
}

// Tasks that one node takes.
static int64_t node_room(const struct world_node *node, const struct world_view *view, uint32_t n,
                         const struct gr_shape *shape, uint32_t level)
{
    int64_t room = GR_TASKS_MAX;
    if (level != 0 && node->domain[level - 1] == GR_DOMAIN_NONE) {
        return 0;
    }
    if (shape->cpu_milli > 0 && view->cpu[n] / shape->cpu_milli < room) {
        room = view->cpu[n] / shape->cpu_milli;
    }
    if (shape->memory_mib > 0 && view->memory[n] / shape->memory_mib < room) {
        room = view->memory[n] / shape->memory_mib;
    }
    if (shape->devices == 0) {
        return room;
    }
    int64_t places = 0;
    if (shape->milli < 1000) {
        for (uint32_t i = 0; i < node->devices; i++) {
            places += view->milli[n][i] / shape->milli;
        }
        return places < room ? places : room;
    }
    uint32_t size = inner_size(node, level);
    uint32_t whole = 0;
    for (uint32_t i = 0; i < node->devices; i++) {
        whole += view->milli[n][i] == 1000;
        if (i + 1 == node->devices || (size != 0 && (i + 1) % size == 0)) { // a group ends
            places += whole / shape->devices;
            whole = 0;
        }
    }
    return places < room ? places : room;
}

bool world_fits(const struct world *world, const struct world_view *view,
                const struct gr_demand *demand, const struct gr_mask *mask)
{
    return demand->preference == 0 ? world_fits_one(world, view, demand, mask)
                                   : world_tier_fits(world, view, demand, mask) != 0;
}

bool world_fits_one(const struct world *world, const struct world_view *view,
                    const struct gr_demand *demand, const struct gr_mask *mask)
{
    uint32_t level = demand->shape.level;
    uint32_t together = demand->domain_tasks != 0 ? demand->domain_tasks : demand->tasks;
    bool share = demand->domain_level != 0 && together > 1;
    if (!share && demand->domain_level > level) {
        level = demand->domain_level;
    }
    int64_t in_all = 0;
    int64_t in_domain[64] = {0};
    for (uint32_t n = 0; n < world->nodes; n++) {
        const struct world_node *node = &world->node[n];
        if (!view->usable[n] || !mask_bit(mask, node->site, node->variant)) {
            continue;
        }
        int64_t room = node_room(node, view, n, &demand->shape, level);
        in_all += room;
        uint32_t domain = share ? node->domain[demand->domain_level - 1] : GR_DOMAIN_NONE;
        if (domain < 64) {
            in_domain[domain] += room;
        }
    }
    if (!share) {
        return in_all >= demand->tasks;
    }
    int64_t blocks = 0;
    for (int d = 0; d < 64; d++) {
        blocks += in_domain[d] / together;
    }
    return blocks >= demand->tasks / together;
}

static const char *piece_wrong(const struct world *world, const struct world_view *view,
                               const struct gr_demand *demand, uint32_t level,
                               const struct gr_piece *piece)
{
    if (piece->node >= world->nodes) {
        return "a piece on a node that is not there";
    }
    const struct world_node *node = &world->node[piece->node];
    if (!view->usable[piece->node]) {
        return "a piece on a node that takes no work";
    }
    if (!mask_bit(&world->mask[demand->shape.mask], node->site, node->variant)) {
        return "a piece where the mask does not allow it";
    }
    if (level != 0 && node->domain[level - 1] == GR_DOMAIN_NONE) {
        return "a piece on a node without the domain it must lie in";
    }
    uint32_t size = inner_size(node, level);
    uint32_t count = 0, first = UINT32_MAX, last = 0;
    for (uint32_t i = 0; i < 16; i++) {
        if (piece->devices & (1u << i)) {
            first = first == UINT32_MAX ? i : first;
            last = i;
            count++;
        }
    }
    if (count != demand->shape.devices || piece->milli != demand->shape.milli ||
        piece->cpu_milli != demand->shape.cpu_milli ||
        piece->memory_mib != demand->shape.memory_mib) {
        return "a piece that is not what a task asks for";
    }
    if (size != 0 && count != 0 && first / size != last / size) {
        return "a piece in two groups of devices";
    }
    return NULL;
}

const char *world_pieces_wrong(const struct world *world, const struct world_view *view,
                               const struct gr_demand *demand, const struct gr_piece *pieces,
                               uint32_t count)
{
    struct world_view left = *view;
    uint32_t level = demand->shape.level;
    uint32_t together = demand->domain_tasks != 0 ? demand->domain_tasks : demand->tasks;
    bool share = demand->domain_level != 0 && together > 1;
    uint32_t in_domain[64] = {0};
    if (!share && demand->domain_level > level) {
        level = demand->domain_level;
    }
    if (count != demand->tasks) {
        return "another number of pieces than tasks";
    }
    for (uint32_t p = 0; p < count; p++) {
        const char *wrong = piece_wrong(world, view, demand, level, &pieces[p]);
        if (wrong != NULL) {
            return wrong;
        }
        if (world_tier(world, demand, world->node[pieces[p].node].variant) !=
            world_tier(world, demand, world->node[pieces[0].node].variant)) {
            return "pieces of two choices";
        }
        view_take(&left, &pieces[p]);
        if (share && world->node[pieces[p].node].domain[demand->domain_level - 1] >= 64) {
            return "a piece outside all domains";
        }
        if (share) {
            in_domain[world->node[pieces[p].node].domain[demand->domain_level - 1]]++;
        }
    }
    for (uint32_t n = 0; n < world->nodes; n++) {
        for (int i = 0; i < 16; i++) {
            if (left.cpu[n] < 0 || left.memory[n] < 0 || left.milli[n][i] < 0) {
                return "pieces that are more than what is free";
            }
        }
    }
    for (int d = 0; d < 64; d++) {
        if (in_domain[d] % together != 0) {
            return "a domain with a part of a block";
        }
    }
    return NULL;
}
