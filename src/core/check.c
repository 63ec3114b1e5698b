// May a fact become part of this history? Structural invariants only: they never tighten, so that
// old history stays valid. Pure. The order of the questions is part of the answer: the first no
// counts.
#include "core/prefer.h"
#include "core/queue.h"
#include "core/state.h"
#include "core/window_parts.h"

#include <string.h>

// A name: at least one character, NUL-terminated, zeros behind, no control characters.
static bool name_good(const char name[GR_NAME_SIZE])
{
    size_t length = strnlen(name, GR_NAME_SIZE);
    if (length == 0 || length == GR_NAME_SIZE) {
        return false;
    }
    for (size_t i = 0; i < GR_NAME_SIZE; i++) {
        unsigned char c = (unsigned char)name[i];
        if (i < length ? c < 0x20 || c == 0x7f : c != 0) {
            return false;
        }
    }
    return true;
}

// Two capital letters and a NUL, or (if allowed) nothing.
static bool country_good(const char country[3], bool may_be_unknown)
{
    if (country[0] == '\0') {
        return may_be_unknown && country[1] == '\0' && country[2] == '\0';
    }
    return country[0] >= 'A' && country[0] <= 'Z' && country[1] >= 'A' && country[1] <= 'Z' &&
           country[2] == '\0';
}

// What may get a meaning later must be zero until then.
static bool zeros(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static enum gr_refusal check_org(const struct gr_core *core, const struct gr_org *org)
{
    if (core->org_count == core->limits.orgs) {
        return GR_REFUSED_LIMIT_OTHER;
    }
    if (org->parent != UINT32_MAX && org->parent >= core->org_count) {
        return GR_REFUSED_ORG;
    }
    return name_good(org->name) && org->role < GR_ROLES && country_good(org->seat, true) &&
                   country_good(org->ultimate_parent, true) &&
                   zeros(org->reserved, sizeof org->reserved)
               ? GR_REFUSED_NOTHING
               : GR_REFUSED_FIELD;
}

static enum gr_refusal check_site(const struct gr_core *core, const struct gr_site *site)
{
    if (core->site_count == core->limits.sites) {
        return GR_REFUSED_LIMIT_OTHER;
    }
    if (site->owner >= core->org_count) {
        return GR_REFUSED_ORG;
    }
    return name_good(site->name) && country_good(site->country, true) &&
                   zeros(site->reserved, sizeof site->reserved)
               ? GR_REFUSED_NOTHING
               : GR_REFUSED_FIELD;
}

// Outer domains before inner ones, inner groups that divide the node and each other, numbers within
// the limits, and outer domains that nest: nodes that share one share all wider ones.
static enum gr_refusal check_domains(const struct gr_core *core, const struct gr_node *node)
{
    bool inner = false;
    uint32_t group = node->devices;
    for (unsigned l = 0; l < GR_DOMAIN_LEVELS; l++) {
        uint32_t domain = node->domain[l];
        if (domain == GR_DOMAIN_NONE) {
            continue;
        }
        if ((domain & GR_DOMAIN_INNER) != 0) {
            uint32_t size = domain & ~GR_DOMAIN_INNER;
            if (size == 0 || size > group || group % size != 0) {
                return GR_REFUSED_DOMAIN;
            }
            inner = true;
            group = size;
            continue;
        }
        if (inner || domain >= core->limits.place.domains[l]) {
            return GR_REFUSED_DOMAIN;
        }
        const struct gr_node *other = gr_place_domain_first(gr_pool(core), l, domain);
        for (unsigned wider = 0; other != NULL && wider < l; wider++) {
            if (other->domain[wider] != node->domain[wider]) {
                return GR_REFUSED_DOMAIN;
            }
        }
    }
    return GR_REFUSED_NOTHING;
}

static enum gr_refusal check_node(const struct gr_core *core, const struct gr_event *event)
{
    const struct gr_node *node = &event->node.row;
    if (gr_place_node_count(gr_pool(core)) == core->limits.place.nodes) {
        return GR_REFUSED_LIMIT_OTHER;
    }
    if (node->site >= core->site_count) {
        return GR_REFUSED_SITE;
    }
    if (node->variant >= core->variant_count) {
        return GR_REFUSED_VARIANT;
    }
    if (!name_good(event->node.name) || node->devices > GR_NODE_DEVICES_MAX ||
        node->state >= GR_NODE_STATES || node->cpu_milli > GR_CPU_MILLI_MAX ||
        node->memory_mib > GR_MEMORY_MIB_MAX || node->reserved != 0) {
        return GR_REFUSED_FIELD;
    }
    for (unsigned i = 0; i < GR_NODE_DEVICES_MAX; i++) { // a new node is wholly free
        if (node->free[i] != (i < node->devices ? GR_DEVICE_MILLI : 0)) {
            return GR_REFUSED_FIELD;
        }
    }
    return check_domains(core, node);
}

static enum gr_refusal check_mask(const struct gr_core *core, const struct gr_event *event)
{
    if (event->mask == NULL) {
        return GR_REFUSED_FIELD;
    }
    if (gr_place_mask_count(gr_pool(core)) == core->limits.place.masks) {
        return GR_REFUSED_LIMIT_OTHER;
    }
    return gr_place_mask_find(gr_pool(core), event->mask) < 0 ? GR_REFUSED_NOTHING
                                                              : GR_REFUSED_MASK;
}

static enum gr_refusal check_mix(const struct gr_core *core, const struct gr_event *event)
{
    if (event->item_count > GR_MIX_MAX || (event->item_count > 0 && event->items == NULL)) {
        return GR_REFUSED_FIELD;
    }
    for (uint32_t i = 0; i < event->item_count; i++) {
        struct gr_demand demand = {.shape = event->items[i].shape, .tasks = 1};
        if (demand.shape.mask >= gr_place_mask_count(gr_pool(core))) {
            return GR_REFUSED_MASK;
        }
        if (gr_demand_wrong(&demand) != NULL || event->items[i].count > UINT64_C(1) << 40) {
            return GR_REFUSED_FIELD;
        }
    }
    return GR_REFUSED_NOTHING;
}

static enum gr_refusal check_user(const struct gr_core *core, const struct gr_user *user)
{
    if (core->user_count == core->limits.users) {
        return GR_REFUSED_LIMIT_OTHER;
    }
    if (user->org >= core->org_count) {
        return GR_REFUSED_ORG;
    }
    return user->reserved == 0 ? GR_REFUSED_NOTHING : GR_REFUSED_FIELD;
}

static enum gr_refusal check_devices(const struct gr_core *core, const struct gr_event *event)
{
    if (event->devices_set.node >= gr_place_node_count(gr_pool(core))) {
        return GR_REFUSED_NODE;
    }
    unsigned devices = gr_place_node_get(gr_pool(core), event->devices_set.node)->devices;
    if (event->devices_set.devices == 0 || event->devices_set.devices >> devices != 0) {
        return GR_REFUSED_DEVICE;
    }
    return event->devices_set.is_out <= 1 && event->devices_set.health < GR_DEVICE_HEALTHS
               ? GR_REFUSED_NOTHING
               : GR_REFUSED_FIELD;
}

// NUL-terminated, zeros behind, printable; may be empty.
static bool version_good(const char version[16])
{
    size_t length = strnlen(version, 16);
    for (size_t i = 0; i < 16; i++) {
        unsigned char c = (unsigned char)version[i];
        if (i < length ? c < 0x21 || c > 0x7e : c != 0) {
            return false;
        }
    }
    return length < 16;
}

enum gr_refusal gr_core_check(const struct gr_core *core, const struct gr_event *event)
{
    assert(core != NULL);
    assert(event != NULL);
    if (event->sequence != core->sequence + 1) {
        return GR_REFUSED_SEQUENCE;
    }
    if (event->type == GR_EPOCH_BEGUN ? event->epoch <= core->epoch : event->epoch != core->epoch) {
        return GR_REFUSED_EPOCH;
    }
    if (event->version < 1 || event->version > gr_event_version(event->type)) {
        return GR_REFUSED_TYPE;
    }
    if (event->at_ms < core->now_ms) { // 0 before the first fact: there are no times before it
        return GR_REFUSED_TIME;
    }
    if (event->since_ms < 0 ||
        event->since_ms > event->at_ms) { // it happened before it was written
        return GR_REFUSED_FIELD;
    }
    switch ((enum gr_event_type)event->type) {
    case GR_ORG_ADDED:
        return check_org(core, &event->org);
    case GR_SITE_ADDED:
        return check_site(core, &event->site);
    case GR_VARIANT_ADDED:
        return core->variant_count == core->limits.variants ? GR_REFUSED_LIMIT_OTHER
               : name_good(event->variant)                  ? GR_REFUSED_NOTHING
                                                            : GR_REFUSED_FIELD;
    case GR_MASK_ADDED:
        return check_mask(core, event);
    case GR_NODE_ADDED:
        return check_node(core, event);
    case GR_NODE_STATE_SET:
        return event->node_state.node >= gr_place_node_count(gr_pool(core)) ? GR_REFUSED_NODE
               : event->node_state.state >= GR_NODE_STATES                  ? GR_REFUSED_FIELD
                                                                            : GR_REFUSED_NOTHING;
    case GR_MIX_SET:
        return check_mix(core, event);
    case GR_JOB_SUBMITTED:
    case GR_JOB_PLACED:
    case GR_JOB_FINISHED:
    case GR_JOB_DROPPED:
    case GR_ROOM_RESERVED:
    case GR_JOB_STARTED:
    case GR_JOB_REQUEUED:
    case GR_STOP_ASKED:
    case GR_CHECKPOINTED:
    case GR_ROOM_HELD:
    case GR_ROOM_FREED:
    case GR_PART_LOST:
    case GR_PART_PLACED:
        return gr_check_job(core, event);
    case GR_USER_ADDED:
        return check_user(core, &event->user_added);
    case GR_EPOCH_BEGUN:
        return version_good(event->epoch_begun.version) ? GR_REFUSED_NOTHING : GR_REFUSED_FIELD;
    case GR_DEVICES_SET:
        return check_devices(core, event);
    case GR_KEY_USED:
        return gr_keys_check(core, event);
    case GR_QUOTA_SET:
        return gr_quota_check(core, &event->quota);
    case GR_ORG_TERMS_SET:
    case GR_QUEUE_TERMS_SET:
        return gr_terms_check(core, event);
    case GR_PREFERENCE_SET:
        return gr_prefer_set_check(core, event);
    case GR_CLASS_SET:
        return name_good(event->job_class.name) ? gr_class_check(core, &event->job_class)
                                                : GR_REFUSED_FIELD;
    case GR_WINDOW_SET:
        return name_good(event->window_set.name) ? gr_window_check_set(core, event)
                                                 : GR_REFUSED_FIELD;
    case GR_WINDOW_OPENED:
    case GR_WINDOW_CLOSED:
    case GR_WINDOW_ENDED:
        return gr_window_check_turn(core, event);
    }
    return GR_REFUSED_TYPE;
}
