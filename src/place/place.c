// The pool's block and what changes it: see place.h. Must never leave the index, the domain sums or
// the totals behind the nodes without marking them so.
#include "place/place.h"

#include "place/frag.h"
#include "place/state.h"

#include <errno.h>
#include <string.h>

// Lays tables out one after the other, each on a cache line.
static uint64_t table(uint64_t *end, uint64_t bytes)
{
    uint64_t at = *end;
    *end = (at + bytes + 63) / 64 * 64;
    return at;
}

static void layout(struct gr_place *place, const struct gr_place_limits *limits)
{
    uint64_t end = (sizeof *place + 63) / 64 * 64;
    place->limits = *limits;
    place->stride = limits->slots;
    place->nodes_at = table(&end, (uint64_t)limits->nodes * sizeof(struct gr_node));
    place->cold_at = table(&end, (uint64_t)limits->nodes * sizeof(struct gr_node_cold));
    place->withheld_at =
        table(&end, (uint64_t)limits->nodes * GR_NODE_DEVICES_MAX * sizeof(uint16_t));
    place->next_at = table(&end, (uint64_t)limits->nodes * GR_DOMAIN_LEVELS * sizeof(uint32_t));
    for (unsigned l = 0; l < GR_DOMAIN_LEVELS; l++) {
        place->domains_at[l] = table(&end, limits->domains[l] * sizeof(struct gr_domain));
    }
    place->masks_at = table(&end, limits->masks * sizeof(struct gr_mask));
    place->mask_hash_at = table(&end, GR_MASK_PLACES * limits->masks * sizeof(uint16_t));
    place->slots_at = table(&end, limits->slots * sizeof(struct gr_slot));
    place->mix_at = table(&end, GR_MIX_MAX * sizeof(struct gr_mix_item));
    place->need_at = table(&end, 4u * limits->slots);
    place->allow_at = table(&end, (uint64_t)GR_PAIRS * limits->slots);
    place->hash_at = table(&end, 4u * limits->slots * sizeof(uint16_t));
    place->tables_at = table(&end, GR_POLICY_TABLES_SIZE);
    place->frag_at = table(&end, GR_FRAG_SIZE);
    place->dirty_at = table(&end, limits->nodes * sizeof(uint32_t));
    place->flags_at = table(&end, limits->nodes);
    // Whole groups of 256, so that these may be tested as such.
    place->skip_at = table(&end, (limits->nodes + UINT64_C(255)) / 256 * 32);
    uint64_t rows = limits->nodes;
    place->levels = 0;
    for (unsigned l = 0; l < GR_LEVELS; l++) {
        uint64_t padded = (rows + GR_FAN - 1) / GR_FAN * GR_FAN;
        place->row_count[l] = padded;
        place->rows_at[l] = table(&end, padded * limits->slots);
        place->levels = l + 1;
        if (padded == GR_FAN) {
            break;
        }
        rows = padded / GR_FAN;
    }
    place->size = end;
}

static void limits_assert(const struct gr_place_limits *limits)
{
    assert(limits != NULL);
    assert(limits->nodes >= 1 && limits->nodes <= GR_NODES_MAX);
    assert(limits->masks >= 1 && limits->masks <= 4096);
    assert(limits->slots >= 32 && limits->slots <= 512 && limits->slots % 32 == 0);
    for (unsigned l = 0; l < GR_DOMAIN_LEVELS; l++) {
        assert(limits->domains[l] <= GR_NODES_MAX);
    }
}

size_t gr_place_size(const struct gr_place_limits *limits)
{
    limits_assert(limits);
    static const struct gr_place zero;
    struct gr_place shape = zero;
    layout(&shape, limits);
    return shape.size;
}

void gr_place_rows(const struct gr_place_limits *limits, uint32_t nodes,
                   void (*each)(void *context, uint64_t at, uint64_t bytes), void *context)
{
    limits_assert(limits);
    assert(nodes <= limits->nodes && each != NULL);
    static const struct gr_place zero;
    struct gr_place shape = zero;
    layout(&shape, limits);
    if (nodes == 0) {
        return;
    }
    each(context, shape.nodes_at, nodes * sizeof(struct gr_node));
    each(context, shape.cold_at, nodes * sizeof(struct gr_node_cold));
    each(context, shape.next_at, (uint64_t)nodes * GR_DOMAIN_LEVELS * sizeof(uint32_t));
    each(context, shape.tables_at, GR_POLICY_TABLES_SIZE);
    each(context, shape.frag_at, GR_FRAG_SIZE);
    each(context, shape.dirty_at, nodes * sizeof(uint32_t));
    each(context, shape.flags_at, nodes);
    uint64_t rows = nodes;
    for (unsigned l = 0; l < shape.levels; l++) {
        rows = (rows + GR_FAN - 1) / GR_FAN * GR_FAN;
        each(context, shape.rows_at[l], rows * limits->slots);
        rows /= GR_FAN;
    }
}

struct gr_place *gr_place_init(void *memory, const struct gr_place_limits *limits,
                               const char *policy, uint64_t seed)
{
    assert(memory != NULL);
    assert((uintptr_t)memory % 64 == 0);
    limits_assert(limits);
    struct gr_place *place = memory;
    for (uint32_t p = 0; gr_policies[p] != NULL; p++) {
        if (strcmp(gr_policies[p]->name, policy) == 0) {
            layout(place, limits);
            place->policy = p;
            place->seed = seed;
            for (unsigned l = 0; l < GR_DOMAIN_LEVELS; l++) {
                for (uint32_t d = 0; d < limits->domains[l]; d++) {
                    gr_domain_at(place, l, d)->first = UINT32_MAX;
                    gr_domain_at(place, l, d)->last = UINT32_MAX;
                }
            }
            gr_index_stale(place);
            return place;
        }
    }
    return NULL;
}

const struct gr_policy *gr_place_policy(const struct gr_place *place)
{
    assert(place != NULL);
    return gr_policies[place->policy];
}

const struct gr_place_limits *gr_place_limits_get(const struct gr_place *place)
{
    assert(place != NULL);
    return &place->limits;
}

const char *gr_place_policy_name(const struct gr_place *place)
{
    return gr_place_policy(place)->name;
}

bool gr_place_draws(const struct gr_place *place)
{
    return gr_place_policy(place)->find != NULL;
}

// True if level `l` of the node names an outer domain.
static bool outer(const struct gr_node *node, unsigned l)
{
    return (node->domain[l] & GR_DOMAIN_INNER) == 0;
}

static void domain_join(struct gr_place *place, uint32_t number)
{
    const struct gr_node *node = gr_node_at(place, number);
    for (unsigned l = 0; l < GR_DOMAIN_LEVELS; l++) {
        *gr_next_at(place, l, number) = UINT32_MAX;
        if (!outer(node, l)) {
            continue;
        }
        assert(node->domain[l] < place->limits.domains[l]);
        struct gr_domain *domain = gr_domain_at(place, l, node->domain[l]);
        if (domain->last == UINT32_MAX) {
            domain->first = number;
        } else {
            *gr_next_at(place, l, domain->last) = number;
        }
        domain->last = number;
        domain->nodes++;
    }
}

// Adds the node's free devices to the sums (sign 1) or takes them out (sign -1).
static void sums_add(struct gr_place *place, const struct gr_node *node, int sign)
{
    unsigned milli = 0;
    for (unsigned i = 0; i < node->devices; i++) {
        milli += node->free[i];
    }
    uint64_t more = (uint64_t)((int64_t)milli * sign);
    place->totals.free_milli[node->state] += more;
    place->variant_free[node->variant] += node->state == GR_NODE_UP ? more : 0;
    for (unsigned l = 0; l < GR_DOMAIN_LEVELS && node->state == GR_NODE_UP; l++) {
        if (outer(node, l)) {
            gr_domain_at(place, l, node->domain[l])->whole += (uint32_t)(sign * node->whole);
        }
    }
}

uint32_t gr_place_node_add(struct gr_place *place, const struct gr_node *node, const char *name)
{
    assert(place != NULL && node != NULL && name != NULL);
    assert(place->node_count < place->limits.nodes);
    assert(node->devices <= GR_NODE_DEVICES_MAX);
    assert(node->site < GR_SITES_MAX && node->variant < GR_POOL_VARIANTS_MAX);
    uint32_t number = place->node_count++;
    struct gr_node *row = gr_node_at(place, number);
    struct gr_node_cold *cold = gr_cold_at(place, number);
    *row = *node;
    row->reserved = 0;
    gr_node_summarise(row);
    memset(cold, 0, sizeof *cold);
    cold->cpu_milli = node->cpu_milli;
    cold->memory_mib = node->memory_mib;
    strncpy(cold->name, name, sizeof cold->name - 1);
    domain_join(place, number);
    sums_add(place, row, 1);
    place->totals.all_milli += (uint64_t)node->devices * GR_DEVICE_MILLI;
    gr_index_stale(place);
    return number;
}

void gr_place_node_set_state(struct gr_place *place, uint32_t node, enum gr_node_state state)
{
    assert(node < place->node_count);
    assert((unsigned)state < GR_NODE_STATES);
    struct gr_node *row = gr_node_at(place, node);
    sums_add(place, row, -1);
    row->state = (uint8_t)state;
    sums_add(place, row, 1);
    gr_index_touch(place, node);
}

void gr_place_devices_set(struct gr_place *place, uint32_t node, uint16_t devices, bool out)
{
    assert(node < place->node_count);
    struct gr_node *row = gr_node_at(place, node);
    struct gr_node_cold *cold = gr_cold_at(place, node);
    uint16_t *withheld = gr_withheld_at(place, node);
    assert(devices >> row->devices == 0);
    sums_add(place, row, -1);
    unsigned changing = out ? devices & ~cold->out : devices & cold->out;
    for (unsigned bits = changing; bits != 0; bits &= bits - 1) {
        unsigned i = (unsigned)__builtin_ctz(bits);
        if (out) {
            withheld[i] = row->free[i];
            row->free[i] = 0;
            place->totals.withheld_milli += withheld[i];
        } else {
            row->free[i] = withheld[i];
            withheld[i] = 0;
            place->totals.withheld_milli -= row->free[i];
        }
    }
    cold->out = (uint16_t)(cold->out ^ changing);
    gr_node_summarise(row);
    sums_add(place, row, 1);
    gr_index_touch(place, node);
}

uint16_t gr_place_withheld_get(const struct gr_place *place, uint32_t node, uint32_t device)
{
    assert(node < place->node_count && device < GR_NODE_DEVICES_MAX);
    return gr_withheld_at(place, node)[device];
}

uint32_t gr_place_node_count(const struct gr_place *place)
{
    assert(place != NULL);
    return place->node_count;
}

const struct gr_node *gr_place_node_get(const struct gr_place *place, uint32_t node)
{
    assert(node < place->node_count);
    return gr_node_at(place, node);
}

const struct gr_node_cold *gr_place_cold_get(const struct gr_place *place, uint32_t node)
{
    assert(node < place->node_count);
    return gr_cold_at(place, node);
}

const struct gr_node *gr_place_domain_first(const struct gr_place *place, unsigned level,
                                            uint32_t domain)
{
    assert(level < GR_DOMAIN_LEVELS);
    assert(domain < place->limits.domains[level]);
    uint32_t first = gr_domain_at(place, level, domain)->first;
    return first == UINT32_MAX ? NULL : gr_node_at(place, first);
}

uint32_t gr_place_domain_head(const struct gr_place *place, unsigned level, uint32_t domain)
{
    assert(level < GR_DOMAIN_LEVELS);
    assert(domain < place->limits.domains[level]);
    return gr_domain_at(place, level, domain)->first;
}

uint32_t gr_place_domain_next(const struct gr_place *place, unsigned level, uint32_t node)
{
    assert(level < GR_DOMAIN_LEVELS);
    assert(node < place->node_count);
    return *gr_next_at(place, level, node);
}

// Commonest first, then larger cpu, milli, devices: the order of FGD's typical pods.
static bool mix_before(const struct gr_mix_item *a, const struct gr_mix_item *b)
{
    if (a->count != b->count) {
        return a->count > b->count;
    }
    if (a->shape.cpu_milli != b->shape.cpu_milli) {
        return a->shape.cpu_milli > b->shape.cpu_milli;
    }
    if (a->shape.milli != b->shape.milli) {
        return a->shape.milli > b->shape.milli;
    }
    return a->shape.devices > b->shape.devices;
}

void gr_place_mix_set(struct gr_place *place, const struct gr_mix_item *items, size_t count)
{
    assert(place != NULL);
    assert(count <= GR_MIX_MAX);
    struct gr_mix_item *mix = gr_mix_at(place);
    memset(mix, 0, GR_MIX_MAX * sizeof *mix);
    place->mix_count = 0;
    for (size_t i = 0; i < count; i++) {
        assert(items[i].shape.mask < place->mask_count);
        if (items[i].count == 0) {
            continue;
        }
        uint32_t at = place->mix_count++;
        for (; at > 0 && mix_before(&items[i], &mix[at - 1]); at--) {
            mix[at] = mix[at - 1];
        }
        mix[at] = items[i];
    }
    gr_index_slots_reset(place);
    gr_index_stale(place);
}

bool gr_place_tables_take(struct gr_place *to, const struct gr_place *from)
{
    assert(to != NULL && from != NULL);
    const struct gr_policy *policy = gr_place_policy(to);
    if (policy != gr_place_policy(from) || policy->tables_size == 0 || to == from) {
        return false;
    }
    memcpy(gr_tables_at(to), gr_tables_at(from), policy->tables_size);
    gr_index_stale(to);
    return true;
}

// The part of a piece that lies on devices out of use is taken from, or given to, what is withheld.
// Returns the rest of the piece.
static struct gr_piece withheld_change(struct gr_place *place, const struct gr_piece *piece,
                                       unsigned out, bool take)
{
    struct gr_piece rest = *piece;
    for (unsigned bits = piece->devices & out; bits != 0; bits &= bits - 1) {
        uint16_t *milli = &gr_withheld_at(place, piece->node)[__builtin_ctz(bits)];
        assert(take ? *milli >= piece->milli : *milli + piece->milli <= GR_DEVICE_MILLI);
        *milli = (uint16_t)(take ? *milli - piece->milli : *milli + piece->milli);
        place->totals.withheld_milli += take ? -(uint64_t)piece->milli : piece->milli;
    }
    rest.devices = (uint16_t)(piece->devices & ~out);
    return rest;
}

// Changes one node by one piece and keeps all that follows from it.
static void change(struct gr_place *place, const struct gr_piece *piece, bool take)
{
    assert(place != NULL && piece != NULL);
    assert(piece->node < place->node_count);
    gr_index_touch(place, piece->node); // first: it asks for lines that are needed later
    struct gr_node *node = gr_node_at(place, piece->node);
    struct gr_node_cold *cold = gr_cold_at(place, piece->node);
    unsigned was_whole = node->whole;
    unsigned width = (unsigned)__builtin_popcount(piece->devices);
    unsigned milli = width * piece->milli;
    struct gr_piece rest;
    if ((piece->devices & cold->out) != 0) { // only of what was placed before they went out
        rest = withheld_change(place, piece, cold->out, take);
        piece = &rest;
        milli = (unsigned)__builtin_popcount(rest.devices) * rest.milli;
    }
    unsigned hosted = width == 1 && piece->milli < GR_DEVICE_MILLI ? 0 : width;
    if (take) {
        gr_node_take(node, piece);
        cold->hosted[hosted] = (uint16_t)(cold->hosted[hosted] + (width != 0));
    } else {
        assert(node->cpu_milli + piece->cpu_milli <= cold->cpu_milli);
        assert(node->memory_mib + piece->memory_mib <= cold->memory_mib);
        assert(width == 0 || cold->hosted[hosted] > 0);
        gr_node_give(node, piece);
        cold->hosted[hosted] = (uint16_t)(cold->hosted[hosted] - (width != 0));
    }
    uint64_t more = take ? -(uint64_t)milli : milli;
    place->totals.free_milli[node->state] += more;
    place->variant_free[node->variant] += node->state == GR_NODE_UP ? more : 0;
    for (unsigned l = 0; l < GR_DOMAIN_LEVELS && node->state == GR_NODE_UP; l++) {
        if (node->whole != was_whole && outer(node, l)) {
            gr_domain_at(place, l, node->domain[l])->whole += node->whole - was_whole;
        }
    }
}

void gr_place_take(struct gr_place *place, const struct gr_piece *piece)
{
    change(place, piece, true);
}

void gr_place_give(struct gr_place *place, const struct gr_piece *piece)
{
    change(place, piece, false);
}

void gr_place_refresh(struct gr_place *place)
{
    assert(place != NULL);
    gr_index_flush(place);
}

struct gr_place_totals gr_place_totals_get(const struct gr_place *place)
{
    assert(place != NULL);
    return place->totals;
}

uint64_t gr_place_variant_free(const struct gr_place *place, uint32_t variant)
{
    assert(place != NULL && variant < GR_POOL_VARIANTS_MAX);
    return place->variant_free[variant];
}

enum gr_filter gr_place_filter(const struct gr_place *place, uint32_t node,
                               const struct gr_shape *shape)
{
    assert(node < place->node_count);
    return gr_choose_filter(place, gr_node_at(place, node), gr_cold_at(place, node), shape);
}

void gr_place_parts(const struct gr_place *place,
                    void (*each)(void *context, const void *bytes, size_t size), void *context)
{
    assert(place != NULL && each != NULL);
    each(context, &place->node_count, sizeof place->node_count);
    each(context, gr_node_at(place, 0), place->node_count * sizeof(struct gr_node));
    each(context, gr_cold_at(place, 0), place->node_count * sizeof(struct gr_node_cold));
    for (uint32_t n = 0; n < place->node_count; n++) {
        if (gr_cold_at(place, n)->out != 0) {
            each(context, gr_withheld_at(place, n), GR_NODE_DEVICES_MAX * sizeof(uint16_t));
        }
    }
    each(context, &place->mask_count, sizeof place->mask_count);
    each(context, gr_mask_at(place, 0), place->mask_count * sizeof(struct gr_mask));
}

// Bytes that are still to be read.
struct source {
    const uint8_t *bytes;
    size_t left;
    bool short_of; // they ended too early
};

static void source_read(struct source *source, void *to, size_t size)
{
    if (source->left < size) {
        source->short_of = true;
        memset(to, 0, size);
        return;
    }
    memcpy(to, source->bytes, size);
    source->bytes += size;
    source->left -= size;
}

// Whether all that the node points to is within the limits, which may have become smaller.
static bool node_fits(const struct gr_place *place, const struct gr_node *node)
{
    bool fits = node->devices <= GR_NODE_DEVICES_MAX && node->state < GR_NODE_STATES &&
                node->site < GR_SITES_MAX && node->variant < GR_POOL_VARIANTS_MAX;
    for (unsigned l = 0; l < GR_DOMAIN_LEVELS; l++) {
        fits = fits && (!outer(node, l) || node->domain[l] < place->limits.domains[l]);
    }
    return fits;
}

// Returns 0, or -ENOSPC: a node is not within the limits.
static int nodes_restore(struct gr_place *place, struct source *source)
{
    source_read(source, gr_node_at(place, 0), place->node_count * sizeof(struct gr_node));
    source_read(source, gr_cold_at(place, 0), place->node_count * sizeof(struct gr_node_cold));
    for (uint32_t n = 0; n < place->node_count && !source->short_of; n++) {
        const struct gr_node *node = gr_node_at(place, n);
        if (!node_fits(place, node)) {
            return -ENOSPC;
        }
        if (gr_cold_at(place, n)->out != 0) {
            source_read(source, gr_withheld_at(place, n), GR_NODE_DEVICES_MAX * sizeof(uint16_t));
        }
        for (unsigned i = 0; i < GR_NODE_DEVICES_MAX; i++) {
            place->totals.withheld_milli += gr_withheld_at(place, n)[i];
        }
        domain_join(place, n);
        sums_add(place, node, 1);
        place->totals.all_milli += (uint64_t)node->devices * GR_DEVICE_MILLI;
    }
    return 0;
}

int gr_place_restore(struct gr_place *place, const uint8_t *bytes, size_t size, size_t *ret_used)
{
    assert(place != NULL && bytes != NULL && ret_used != NULL);
    assert(place->node_count == 0 && place->mask_count == 0);
    struct source source = {bytes, size, false};
    source_read(&source, &place->node_count, sizeof place->node_count);
    if (place->node_count > place->limits.nodes) {
        return -ENOSPC;
    }
    if (nodes_restore(place, &source) != 0) {
        return -ENOSPC;
    }
    source_read(&source, &place->mask_count, sizeof place->mask_count);
    if (place->mask_count > place->limits.masks) {
        return -ENOSPC;
    }
    source_read(&source, gr_mask_at(place, 0), place->mask_count * sizeof(struct gr_mask));
    gr_masks_rehash(place);
    gr_index_stale(place);
    *ret_used = size - source.left;
    return source.short_of ? -EBADMSG : 0;
}

const struct gr_mix_item *gr_place_mix_get(const struct gr_place *place, size_t *ret_count)
{
    assert(place != NULL && ret_count != NULL);
    *ret_count = place->mix_count;
    return gr_mix_at(place);
}

const char *gr_place_audit(const struct gr_place *place)
{
    assert(place != NULL);
    struct gr_place_totals totals = {0};
    uint64_t variant_free[GR_POOL_VARIANTS_MAX] = {0};
    for (uint32_t n = 0; n < place->node_count; n++) {
        struct gr_node node = *gr_node_at(place, n);
        gr_node_summarise(&node);
        if (memcmp(&node, gr_node_at(place, n), sizeof node) != 0) {
            return "a node's summary is behind its devices";
        }
        totals.all_milli += (uint64_t)node.devices * GR_DEVICE_MILLI;
        for (unsigned i = 0; i < node.devices; i++) {
            totals.free_milli[node.state] += node.free[i];
            variant_free[node.variant] += node.state == GR_NODE_UP ? node.free[i] : 0u;
            bool out = (gr_cold_at(place, n)->out >> i & 1) != 0;
            totals.withheld_milli += out ? gr_withheld_at(place, n)[i] : 0;
            if (out && node.free[i] != 0) {
                return "a device out of use has something free";
            }
        }
        if (gr_cold_at(place, n)->out >> node.devices != 0) {
            return "a device that is not there is out of use";
        }
    }
    if (memcmp(&totals, &place->totals, sizeof totals) != 0 ||
        memcmp(variant_free, place->variant_free, sizeof variant_free) != 0) {
        return "the totals are behind the nodes";
    }
    for (unsigned l = 0; l < GR_DOMAIN_LEVELS; l++) {
        for (uint32_t d = 0; d < place->limits.domains[l]; d++) {
            const struct gr_domain *domain = gr_domain_at(place, l, d);
            uint32_t whole = 0, nodes = 0;
            for (uint32_t n = domain->first; n != UINT32_MAX; n = *gr_next_at(place, l, n)) {
                nodes++;
                whole +=
                    gr_node_at(place, n)->state == GR_NODE_UP ? gr_node_at(place, n)->whole : 0;
                if (gr_node_at(place, n)->domain[l] != d) {
                    return "a node is linked into another domain";
                }
            }
            if (whole != domain->whole || nodes != domain->nodes) {
                return "a domain's sums are behind its nodes";
            }
        }
    }
    return gr_index_audit(place);
}
