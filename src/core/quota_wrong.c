// Does a quota agree with those that are set? Questions for whoever sets quotas, with answers for
// people. No part of the history: facts are not refused for it.
#include "base/number.h"
#include "core/queue.h"

#include <stdio.h>

// A quota in question, and where the answer goes.
struct question {
    const struct gr_core *core;
    const struct gr_quota *quota;
    char *text;
    size_t size;
};

// Devices as people write them: 1500 milli are "1.5".
struct devices {
    char text[GR_NUMBER_TEXT_SIZE];
};

static struct devices devices(uint64_t milli)
{
    struct devices figure;
    (void)gr_number_format((int64_t)milli, 3, figure.text);
    return figure;
}

// What it lets its organisation hold at most.
static uint64_t limit_of(const struct gr_quota *quota)
{
    return quota->borrow_milli == GR_ANY_MILLI ? GR_ANY_MILLI
                                               : quota->nominal_milli + quota->borrow_milli;
}

// What its organisation and those below it have of their own now.
static uint64_t owned_now(const struct gr_core *core, const struct gr_quota *quota)
{
    struct gr_quota set;
    uint64_t used;
    return gr_quota_find(core, quota->org, quota->variant, &set, &used)
               ? set.nominal_milli
               : gr_quota_owned_below(core, quota->org, quota->variant);
}

// What they will have with it.
static uint64_t owned_then(const struct gr_core *core, const struct gr_quota *quota)
{
    return gr_quota_is_nothing(quota) ? gr_quota_owned_below(core, quota->org, quota->variant)
                                      : quota->nominal_milli;
}

// The next quota above that of its organisation. False: there is none.
static bool above_find(const struct gr_core *core, const struct gr_quota *quota,
                       struct gr_quota *ret_above)
{
    uint64_t used;
    uint32_t o = gr_core_org_get(core, quota->org)->parent;
    while (o != GR_NONE && !gr_quota_find(core, o, quota->variant, ret_above, &used)) {
        o = gr_core_org_get(core, o)->parent;
    }
    return o != GR_NONE;
}

static const char *amounts_wrong(const struct question *question)
{
    const struct gr_quota *quota = question->quota;
    uint64_t most = GR_QUOTA_MILLI_MAX;
    const char *field = quota->nominal_milli > most ? "nominal"
                        : quota->borrow_milli > most && quota->borrow_milli != GR_ANY_MILLI
                            ? "borrow"
                            : NULL;
    if (field != NULL) {
        (void)snprintf(question->text, question->size, "it is more than %s devices",
                       devices(most).text);
        return field;
    }
    if (quota->lend_milli > quota->nominal_milli && quota->lend_milli != GR_ANY_MILLI) {
        (void)snprintf(question->text, question->size,
                       "only what is nominal can be lent: at most %s, or all of it",
                       devices(quota->nominal_milli).text);
        return "lend";
    }
    return NULL;
}

static const char *below_wrong(const struct question *question)
{
    const struct gr_quota *quota = question->quota;
    uint64_t below = gr_quota_owned_below(question->core, quota->org, quota->variant);
    if (gr_quota_is_nothing(quota) || below <= limit_of(quota)) {
        return NULL;
    }
    (void)snprintf(question->text, question->size,
                   "organisations below %s have %s %s of their own, but nominal %s and borrow %s "
                   "let it hold %s: make them %s together, or give those below less",
                   gr_core_org_get(question->core, quota->org)->name, devices(below).text,
                   gr_core_variant_get(question->core, quota->variant),
                   devices(quota->nominal_milli).text, devices(quota->borrow_milli).text,
                   devices(limit_of(quota)).text, devices(below).text);
    return "nominal";
}

// Against the next organisation above that has a quota.
static const char *above_wrong(const struct question *question)
{
    const struct gr_core *core = question->core;
    const struct gr_quota *quota = question->quota;
    struct gr_quota up;
    if (!above_find(core, quota, &up)) {
        return NULL;
    }
    uint64_t others = gr_quota_owned_below(core, up.org, up.variant) - owned_now(core, quota);
    uint64_t below = others + owned_then(core, quota);
    if (below <= limit_of(&up)) {
        return NULL;
    }
    const char *name = gr_core_org_get(core, up.org)->name;
    (void)snprintf(question->text, question->size,
                   "organisations below %s would have %s %s of their own, but its nominal %s and "
                   "borrow %s let it hold %s: %s at most here, or give %s more",
                   name, devices(below).text, gr_core_variant_get(core, quota->variant),
                   devices(up.nominal_milli).text, devices(up.borrow_milli).text,
                   devices(limit_of(&up)).text,
                   devices(others < limit_of(&up) ? limit_of(&up) - others : 0).text, name);
    return "nominal";
}

const char *gr_quota_wrong(const struct gr_core *core, const struct gr_quota *quota, char *text,
                           size_t size)
{
    assert(core != NULL && quota != NULL && text != NULL && size > 0);
    assert(quota->org < core->org_count && quota->variant < core->variant_count);
    struct question question = {core, quota, text, size};
    const char *field = amounts_wrong(&question);
    field = field != NULL ? field : below_wrong(&question);
    return field != NULL ? field : above_wrong(&question);
}

// Devices of a variant, in milli, whatever state they are in.
static uint64_t pool_milli(const struct gr_core *core, uint32_t variant)
{
    uint64_t milli = 0;
    for (uint32_t n = 0; n < gr_place_node_count(gr_pool(core)); n++) {
        const struct gr_node *node = gr_place_node_get(gr_pool(core), n);
        milli += node->variant == variant ? node->devices * (uint64_t)GR_DEVICE_MILLI : 0;
    }
    return milli;
}

const char *gr_quota_doubtful(const struct gr_core *core, const struct gr_quota *quota, char *text,
                              size_t size)
{
    assert(core != NULL && quota != NULL && text != NULL && size > 0);
    assert(quota->org < core->org_count && quota->variant < core->variant_count);
    uint64_t pool = pool_milli(core, quota->variant);
    uint64_t all = gr_quota_owned_below(core, GR_NONE, quota->variant);
    struct gr_quota up;
    if (!above_find(core, quota, &up)) { // else that of the one above counts
        all = all - owned_now(core, quota) + owned_then(core, quota);
    }
    all = all < quota->nominal_milli ? quota->nominal_milli : all;
    if (all <= pool || quota->nominal_milli == 0) {
        return NULL;
    }
    (void)snprintf(text, size,
                   "organisations would have %s %s of their own, but the pool has %s: they cannot "
                   "all have what is theirs at a time",
                   devices(all).text, gr_core_variant_get(core, quota->variant),
                   devices(pool).text);
    return "nominal";
}
