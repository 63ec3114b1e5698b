// Whether what a declaration says agrees with all that is set already, and whom it hits: see
// apply_parts.h.
#include "base/number.h"
#include "core/show.h"
#include "daemon/apply_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The place of an organisation in the list; for the field of a fault.
static size_t entry_of(const struct gr_apply_reading *reading, const json_t *list, uint32_t org)
{
    const char *name = gr_core_org_get(reading->trial, org)->name;
    size_t i = 0;
    while (i < json_array_size(list) &&
           strcmp(gr_apply_text_of(json_array_get(list, i), "name"), name) != 0) {
        i++;
    }
    return i;
}

// Limits of an organisation that are above those of one above it can never be reached.
static int check_limits(struct gr_apply_reading *reading, const json_t *list, uint32_t org)
{
    struct gr_core *core = reading->trial;
    struct gr_org_terms mine = gr_core_org_terms(core, org);
    for (uint32_t up = gr_core_org_get(core, org)->parent; up != UINT32_MAX;
         up = gr_core_org_get(core, up)->parent) {
        struct gr_org_terms over = gr_core_org_terms(core, up);
        bool of_jobs = over.running_max != 0 && mine.running_max > over.running_max;
        bool of_devices = over.held_milli_max != 0 && mine.held_milli_max > over.held_milli_max;
        size_t at = entry_of(reading, list, org);
        at = at < json_array_size(list) ? at : entry_of(reading, list, up);
        if ((of_jobs || of_devices) && at < json_array_size(list)) {
            char a[GR_NUMBER_TEXT_SIZE], b[GR_NUMBER_TEXT_SIZE];
            snprintf(reading->field, sizeof reading->field, "organisations[%zu]", at);
            snprintf(reading->text, sizeof reading->text,
                     "%.48s may have %s, but %.48s above it %s: at most that, or none",
                     gr_core_org_get(core, org)->name,
                     of_jobs ? gr_apply_count_text(mine.running_max, a)
                             : gr_apply_limit_text(mine.held_milli_max, a),
                     gr_core_org_get(core, up)->name,
                     of_jobs ? gr_apply_count_text(over.running_max, b)
                             : gr_apply_limit_text(over.held_milli_max, b));
            return gr_apply_reading_wrong(reading, of_jobs ? "limits.running" : "limits.devices",
                                          reading->text);
        }
    }
    return 0;
}

// Where a quota stands.
static void field_of_quota(struct gr_apply_reading *reading, const json_t *list,
                           const struct gr_quota *quota)
{
    size_t at = entry_of(reading, list, quota->org), q = 0;
    const json_t *quotas = json_object_get(json_array_get(list, at), "quotas");
    uint32_t variant = UINT32_MAX;
    for (q = 0; q < json_array_size(quotas); q++) {
        const char *kind = gr_apply_text_of(json_array_get(quotas, q), "kind");
        if (gr_apply_kind(reading, kind, &variant) == 0 && variant == quota->variant) {
            break;
        }
    }
    snprintf(reading->field, sizeof reading->field, "organisations[%zu].quotas[%zu]", at, q);
}

// Do the quotas that were set agree with all others, and with limits?
static int check_quota(struct gr_apply_reading *reading, const json_t *list,
                       const struct gr_quota *quota)
{
    struct gr_core *core = reading->trial;
    const char *key = gr_quota_wrong(core, quota, reading->text, sizeof reading->text);
    char b[GR_NUMBER_TEXT_SIZE];
    field_of_quota(reading, list, quota);
    for (uint32_t o = quota->org; key == NULL && o != UINT32_MAX;
         o = gr_core_org_get(core, o)->parent) {
        uint64_t most = gr_core_org_terms(core, o).held_milli_max;
        if (most != 0 && quota->nominal_milli > most) {
            key = "nominal";
            snprintf(reading->text, sizeof reading->text,
                     "more than limits.devices of %.48s, %s, lets it hold",
                     gr_core_org_get(core, o)->name, gr_apply_limit_text(most, b));
        }
    }
    if (key != NULL) {
        char text[sizeof reading->text + GR_NAME_SIZE];
        snprintf(text, sizeof text, "%s of %s: %s", key, gr_core_variant_get(core, quota->variant),
                 reading->text);
        return gr_apply_reading_wrong(reading, "", text);
    }
    return 0;
}

// Says where owners of a variant have more of their own than the pool has.
static int find_doubts(struct gr_apply_reading *reading, uint32_t variant)
{
    struct gr_core *core = reading->trial;
    const struct gr_place *place = gr_core_place(reading->pool->core);
    uint32_t count = gr_core_org_count(core);
    uint64_t *owned = calloc((size_t)count + 1, sizeof *owned); // by it or below it
    uint64_t all = 0, there = 0;
    char a[GR_NUMBER_TEXT_SIZE], b[GR_NUMBER_TEXT_SIZE];
    if (owned == NULL) {
        return -ENOMEM;
    }
    for (uint32_t o = count; o-- > 0;) { // a parent has a lower number
        struct gr_quota quota;
        uint64_t used;
        uint32_t parent = gr_core_org_get(core, o)->parent;
        owned[o] = gr_quota_find(core, o, variant, &quota, &used) ? quota.nominal_milli : owned[o];
        *(parent == UINT32_MAX ? &all : &owned[parent]) += owned[o];
    }
    free(owned);
    for (uint32_t n = 0; n < gr_place_node_count(place); n++) {
        const struct gr_node *node = gr_place_node_get(place, n);
        there += node->variant == variant ? (uint64_t)node->devices * GR_DEVICE_MILLI : 0;
    }
    return all > there
               ? gr_apply_note(reading->queue->doubts,
                               "nominal of %s adds up to %s, and the pool has %s: not all "
                               "can have their own at once",
                               gr_core_variant_get(core, variant), gr_apply_amount_text(all, "", a),
                               gr_apply_amount_text(there, "", b))
               : 0;
}

int gr_apply_check(struct gr_apply_reading *reading, const json_t *list)
{
    bool touched[GR_POOL_VARIANTS_MAX] = {false};
    int rc = 0;
    for (uint32_t o = 0; rc == 0 && o < gr_core_org_count(reading->trial); o++) {
        rc = check_limits(reading, list, o);
    }
    for (size_t i = 0; rc == 0 && i < reading->queue->count; i++) {
        if (reading->queue->facts[i].type == GR_QUOTA_SET) {
            rc = check_quota(reading, list, &reading->queue->facts[i].quota);
            touched[reading->queue->facts[i].quota.variant] = true;
        }
    }
    for (uint32_t v = 0; rc == 0 && v < GR_POOL_VARIANTS_MAX; v++) {
        rc = touched[v] ? find_doubts(reading, v) : 0;
    }
    return rc;
}

// Organisations that are new hold nothing.
int gr_apply_hits(struct gr_apply_reading *reading)
{
    struct gr_apply_queue *queue = reading->queue;
    struct gr_pool *pool = reading->pool;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < queue->count; i++) {
        const struct gr_event *event = &queue->facts[i];
        const struct gr_quota *quota = &event->quota;
        const struct gr_org_terms *terms = &event->org_terms;
        uint32_t count = gr_core_org_count(pool->core);
        if (event->type == GR_QUOTA_SET && quota->org < count &&
            quota->borrow_milli != GR_ANY_MILLI) {
            rc = gr_apply_hit(pool, queue->hits, quota->org, quota->variant, false,
                              quota->nominal_milli + quota->borrow_milli, "quota");
        } else if (event->type == GR_ORG_TERMS_SET && terms->org < count) {
            if (terms->running_max != 0) {
                rc = gr_apply_hit(pool, queue->hits, terms->org, UINT32_MAX, true,
                                  terms->running_max, "limits.running");
            }
            if (rc == 0 && terms->held_milli_max != 0) {
                rc = gr_apply_hit(pool, queue->hits, terms->org, UINT32_MAX, false,
                                  terms->held_milli_max, "limits.devices");
            }
        }
    }
    return rc;
}
