// Demands and masks: see demand.h.
#include "model/demand.h"

#include <stddef.h>
#include <string.h>

void gr_mask_fill(struct gr_mask *mask)
{
    assert(mask != NULL);
    memset(mask, 0xff, sizeof *mask);
}

void gr_mask_keep_variants(struct gr_mask *mask, const uint64_t variants[GR_POOL_VARIANTS_MAX / 64])
{
    assert(mask != NULL);
    assert(variants != NULL);
    for (unsigned w = 0; w < GR_POOL_VARIANTS_MAX / 64; w++) {
        uint64_t kept = variants[w]; // the mask is another's memory: it is read once
        for (unsigned s = 0; s < GR_SITES_MAX; s++) {
            mask->bits[s][w] &= kept;
        }
    }
}

void gr_mask_remove_site(struct gr_mask *mask, unsigned site)
{
    assert(mask != NULL);
    assert(site < GR_SITES_MAX);
    memset(mask->bits[site], 0, sizeof mask->bits[site]);
}

bool gr_mask_has(const struct gr_mask *mask, unsigned site, unsigned variant)
{
    assert(mask != NULL);
    assert(site < GR_SITES_MAX);
    assert(variant < GR_POOL_VARIANTS_MAX);
    return mask->bits[site][variant / 64] >> (variant % 64) & 1;
}

const char *gr_demand_wrong(const struct gr_demand *demand)
{
    assert(demand != NULL);
    const struct gr_shape *shape = &demand->shape;
    if (demand->tasks < 1 || demand->tasks > GR_TASKS_MAX) {
        return "tasks outside 1..65536";
    }
    if (shape->devices > GR_NODE_DEVICES_MAX) {
        return "more devices a task than a node can hold (16)";
    }
    if (shape->devices == 0 && shape->milli != 0) {
        return "milli without devices";
    }
    if (shape->devices > 0 && (shape->milli < 1 || shape->milli > GR_DEVICE_MILLI)) {
        return "milli outside 1..1000";
    }
    if (shape->devices > 1 && shape->milli != GR_DEVICE_MILLI) {
        return "a fraction of more than one device";
    }
    if (shape->cpu_milli > GR_CPU_MILLI_MAX || shape->memory_mib > GR_MEMORY_MIB_MAX) {
        return "cpu or memory beyond the limit";
    }
    if (shape->level > GR_DOMAIN_LEVELS || demand->domain_level > GR_DOMAIN_LEVELS) {
        return "domain level outside 0..4";
    }
    if (demand->domain_level == 0 && demand->domain_tasks != 0) {
        return "tasks a domain without a domain level";
    }
    if (demand->domain_tasks > demand->tasks ||
        (demand->domain_tasks != 0 && demand->tasks % demand->domain_tasks != 0)) {
        return "tasks are no multiple of the tasks a domain";
    }
    if (demand->use >= GR_USES) {
        return "unknown use";
    }
    if (shape->reserved != 0) { // equal demands are equal bytes
        return "a reserved field that is not zero";
    }
    return NULL;
}
