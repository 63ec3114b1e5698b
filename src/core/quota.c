// Quotas: who may hold how much of which variant, over the tree of organisations. The rows that
// facts set are state, dense, in the order in which they came; what follows from them and from the
// jobs is kept beside them, a place for each organisation of each variant. Sums over the tree are
// kept only for variants that have a quota: of the others each organisation counts what it holds
// itself. Every change walks from the organisation to its root and costs its depth; the first quota
// of a variant, and the last to go, cost the number of organisations.
#include "core/queue.h"

#include <string.h>

#include <stdlib.h>

// What follows for an organisation and a variant.
struct use {
    uint64_t used;        // milli held by it and, with quotas, by those below it
    uint64_t kept_below;  // sum of `kept` of its children
    uint64_t owned_below; // sum of `owned` of its children
    uint32_t row;         // of its quota plus 1; 0: it has none
    uint32_t reserved;
};

// What follows for a variant.
struct variant {
    struct use all;   // above the roots: their `kept` and `owned`
    uint32_t rows;    // quotas
    uint32_t keepers; // of these, that do not lend all
};

static struct variant *variant_at(const struct gr_core *core, uint32_t variant)
{
    return (struct variant *)gr_core_at(core, core->quota_use_at) + variant;
}

static struct use *use_at(const struct gr_core *core, uint32_t org, uint32_t variant)
{
    struct use *first = (struct use *)(void *)variant_at(core, core->limits.variants);
    return first + (uint64_t)variant * core->limits.orgs + org;
}

static uint32_t parent_of(const struct gr_core *core, uint32_t org)
{
    return ((const struct gr_org *)gr_core_at(core, core->orgs_at))[org].parent;
}

// The place above an organisation: its parent's, or that above all roots.
static struct use *above(const struct gr_core *core, uint32_t org, uint32_t variant)
{
    uint32_t parent = parent_of(core, org);
    return parent == GR_NONE ? &variant_at(core, variant)->all : use_at(core, parent, variant);
}

static const struct gr_quota *quota_of(const struct gr_core *core, const struct use *use)
{
    return use->row == 0 ? NULL : gr_quota_at(core, use->row - 1);
}

// Of nominal, what nobody else may hold.
static uint64_t unlent(const struct gr_quota *quota)
{
    return quota->lend_milli >= quota->nominal_milli ? 0 : quota->nominal_milli - quota->lend_milli;
}

// What must stay free for an organisation and those below it.
static uint64_t kept(const struct gr_core *core, const struct use *use)
{
    const struct gr_quota *quota = quota_of(core, use);
    uint64_t own = quota == NULL ? 0 : unlent(quota);
    own = own > use->used ? own - use->used : 0;
    return own > use->kept_below ? own : use->kept_below;
}

// What an organisation has of its own: nominal, or without a quota what those below it have.
static uint64_t owned(const struct gr_core *core, const struct use *use)
{
    const struct gr_quota *quota = quota_of(core, use);
    return quota == NULL ? use->owned_below : quota->nominal_milli;
}

uint64_t gr_quota_bytes(const struct gr_core_limits *limits)
{
    return limits->variants * sizeof(struct variant) +
           (uint64_t)limits->variants * limits->orgs * sizeof(struct use);
}

// --- what is used

// Adds `milli` (modulo 2^64: or takes it away) to what an organisation and those above it use.
static void used_add(struct gr_core *core, uint32_t org, uint32_t variant, uint64_t milli)
{
    const struct variant *sums = variant_at(core, variant);
    if (sums->rows == 0) {
        use_at(core, org, variant)->used += milli;
        return;
    }
    if (sums->keepers == 0) {
        for (uint32_t o = org; o != GR_NONE; o = parent_of(core, o)) {
            use_at(core, o, variant)->used += milli;
        }
        return;
    }
    uint64_t more = 0; // is kept by the one below, modulo 2^64
    for (uint32_t o = org; o != GR_NONE; o = parent_of(core, o)) {
        struct use *use = use_at(core, o, variant);
        uint64_t before = kept(core, use);
        use->used += milli;
        use->kept_below += more;
        more = kept(core, use) - before;
    }
    variant_at(core, variant)->all.kept_below += more;
}

void gr_quota_more(struct gr_core *core, uint32_t org, uint32_t variant, uint64_t milli)
{
    assert(org < core->org_count && variant < core->variant_count);
    assert(use_at(core, org, variant)->used <= UINT64_MAX - milli);
    used_add(core, org, variant, milli);
}

void gr_quota_less(struct gr_core *core, uint32_t org, uint32_t variant, uint64_t milli)
{
    assert(org < core->org_count && variant < core->variant_count);
    assert(use_at(core, org, variant)->used >= milli);
    used_add(core, org, variant, -milli);
}

// Each organisation's own use becomes the sum over those below it too. A parent has a lower index
// than its children.
static void sums_make(struct gr_core *core, uint32_t variant)
{
    for (uint32_t o = core->org_count; o-- > 0;) {
        uint32_t parent = parent_of(core, o);
        if (parent != GR_NONE) {
            use_at(core, parent, variant)->used += use_at(core, o, variant)->used;
        }
    }
}

// The reverse.
static void sums_undo(struct gr_core *core, uint32_t variant)
{
    for (uint32_t o = 0; o < core->org_count; o++) {
        uint32_t parent = parent_of(core, o);
        if (parent != GR_NONE) {
            use_at(core, parent, variant)->used -= use_at(core, o, variant)->used;
        }
    }
}

// --- what is set

enum gr_refusal gr_quota_check(const struct gr_core *core, const struct gr_quota *quota)
{
    if (quota->org >= core->org_count) {
        return GR_REFUSED_ORG;
    }
    if (quota->variant >= core->variant_count) {
        return GR_REFUSED_VARIANT;
    }
    if (quota->nominal_milli > GR_QUOTA_MILLI_MAX ||
        (quota->borrow_milli > GR_QUOTA_MILLI_MAX && quota->borrow_milli != GR_ANY_MILLI) ||
        (quota->lend_milli > quota->nominal_milli && quota->lend_milli != GR_ANY_MILLI)) {
        return GR_REFUSED_FIELD;
    }
    bool is_new = use_at(core, quota->org, quota->variant)->row == 0 && !gr_quota_is_nothing(quota);
    return is_new && core->quota_count == core->limits.quotas ? GR_REFUSED_LIMIT_OTHER
                                                              : GR_REFUSED_NOTHING;
}

// What was kept and owned at a place has changed from this: those above follow.
static void climb(struct gr_core *core, uint32_t org, uint32_t variant, uint64_t was_kept,
                  uint64_t was_owned)
{
    const struct use *use = use_at(core, org, variant);
    uint64_t more_kept = kept(core, use) - was_kept; // modulo 2^64
    uint64_t more_owned = owned(core, use) - was_owned;
    for (uint32_t o = org; o != GR_NONE && (more_kept | more_owned) != 0; o = parent_of(core, o)) {
        struct use *up = above(core, o, variant);
        was_kept = kept(core, up);
        was_owned = owned(core, up);
        up->kept_below += more_kept;
        up->owned_below += more_owned;
        more_kept = kept(core, up) - was_kept;
        more_owned = owned(core, up) - was_owned;
    }
}

static void row_add(struct gr_core *core, const struct gr_quota *quota)
{
    struct variant *sums = variant_at(core, quota->variant);
    assert(core->quota_count < core->limits.quotas);
    if (sums->rows++ == 0) {
        sums_make(core, quota->variant);
    }
    *gr_quota_at(core, core->quota_count) = *quota;
    use_at(core, quota->org, quota->variant)->row = ++core->quota_count;
}

// The last row moves to the place of one that goes.
static void row_remove(struct gr_core *core, struct use *use)
{
    struct gr_quota *hole = gr_quota_at(core, use->row - 1);
    struct gr_quota *last = gr_quota_at(core, core->quota_count - 1);
    uint32_t place = use->row;
    assert(core->quota_count > 0);
    use->row = 0;
    if (hole != last) {
        *hole = *last;
        use_at(core, hole->org, hole->variant)->row = place;
    }
    *last = (struct gr_quota){0};
    core->quota_count--;
}

void gr_quota_set(struct gr_core *core, const struct gr_quota *quota)
{
    assert(gr_quota_check(core, quota) == GR_REFUSED_NOTHING);
    struct variant *sums = variant_at(core, quota->variant);
    struct use *use = use_at(core, quota->org, quota->variant);
    uint64_t was_kept = kept(core, use);
    uint64_t was_owned = owned(core, use);
    if (use->row != 0) {
        sums->keepers -= unlent(quota_of(core, use)) > 0;
    }
    if (!gr_quota_is_nothing(quota)) {
        sums->keepers += unlent(quota) > 0;
        if (use->row == 0) {
            row_add(core, quota);
        } else {
            *gr_quota_at(core, use->row - 1) = *quota;
        }
    } else if (use->row != 0) {
        row_remove(core, use);
        sums->rows--;
    } else {
        return;
    }
    climb(core, quota->org, quota->variant, was_kept, was_owned);
    if (sums->rows == 0) {
        assert(sums->keepers == 0 && sums->all.kept_below == 0 && sums->all.owned_below == 0);
        sums_undo(core, quota->variant);
    }
}

// --- what is left

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t rest(uint64_t all, uint64_t used)
{
    return all > used ? all - used : 0;
}

// Within nominal + borrow of an organisation and of all above it.
static uint64_t left_allowed(const struct gr_core *core, uint32_t org, uint32_t variant)
{
    uint64_t left = GR_ANY_MILLI;
    for (uint32_t o = org; o != GR_NONE; o = parent_of(core, o)) {
        const struct use *use = use_at(core, o, variant);
        const struct gr_quota *quota = quota_of(core, use);
        if (quota != NULL && quota->borrow_milli != GR_ANY_MILLI) {
            left = least(left, rest(quota->nominal_milli + quota->borrow_milli, use->used));
        }
    }
    return left;
}

// Within nominal from the first organisation on the way up that has some.
static uint64_t left_own(const struct gr_core *core, uint32_t org, uint32_t variant)
{
    uint64_t left = 0;
    bool has_own = false;
    for (uint32_t o = org; o != GR_NONE; o = parent_of(core, o)) {
        const struct use *use = use_at(core, o, variant);
        const struct gr_quota *quota = quota_of(core, use);
        if (quota != NULL && (has_own || quota->nominal_milli > 0)) {
            uint64_t here = rest(quota->nominal_milli, use->used);
            left = has_own ? least(left, here) : here;
            has_own = true;
        }
    }
    return left;
}

// What must stay free for all who are not above an organisation: those below it, its siblings and
// those of each above it.
static uint64_t kept_beside(const struct gr_core *core, uint32_t org, uint32_t variant)
{
    uint64_t beside = use_at(core, org, variant)->kept_below;
    for (uint32_t o = org; o != GR_NONE; o = parent_of(core, o)) {
        uint64_t here = kept(core, use_at(core, o, variant));
        assert(above(core, o, variant)->kept_below >= here);
        beside += above(core, o, variant)->kept_below - here;
    }
    return beside;
}

uint64_t gr_quota_room(const struct gr_core *core, uint32_t org, uint32_t variant)
{
    assert(org < core->org_count && variant < core->variant_count);
    bool any = variant_at(core, variant)->keepers > 0;
    uint64_t beside = any ? kept_beside(core, org, variant) : 0;
    return beside == 0 ? GR_ANY_MILLI : rest(gr_place_variant_free(gr_pool(core), variant), beside);
}

uint64_t gr_quota_left(const struct gr_core *core, uint32_t org, uint32_t variant, bool own)
{
    assert(org < core->org_count && variant < core->variant_count);
    const struct variant *sums = variant_at(core, variant);
    if (sums->rows == 0) {
        return GR_ANY_MILLI;
    }
    uint64_t left = left_allowed(core, org, variant);
    if (own) {
        return left == 0 ? 0 : least(left, left_own(core, org, variant));
    }
    return left == 0 ? 0 : least(left, gr_quota_room(core, org, variant));
}

uint64_t gr_quota_allowed(const struct gr_core *core, uint32_t org, uint32_t variant)
{
    assert(org < core->org_count && variant < core->variant_count);
    return variant_at(core, variant)->rows == 0 ? GR_ANY_MILLI : left_allowed(core, org, variant);
}

uint64_t gr_quota_owned_below(const struct gr_core *core, uint32_t org, uint32_t variant)
{
    assert((org < core->org_count || org == GR_NONE) && variant < core->variant_count);
    return org == GR_NONE ? variant_at(core, variant)->all.owned_below
                          : use_at(core, org, variant)->owned_below;
}

bool gr_quota_variants(const struct gr_core *core, const struct gr_need *need, uint32_t org,
                       uint64_t milli, bool own, uint64_t ret_variants[GR_VARIANT_WORDS])
{
    bool any = false;
    memcpy(ret_variants, need->variants, sizeof need->variants);
    if (milli == 0 || core->quota_count == 0) {
        return true;
    }
    for (unsigned v = 0; v < core->variant_count; v++) {
        uint64_t bit = UINT64_C(1) << v % 64;
        if ((ret_variants[v / 64] & bit) != 0) {
            bool left = gr_quota_left(core, org, v, own) >= milli;
            ret_variants[v / 64] &= left ? UINT64_MAX : ~bit;
            any = any || left;
        }
    }
    return any;
}

bool gr_quota_has(const struct gr_core *core, uint32_t variant)
{
    assert(variant < core->variant_count);
    return variant_at(core, variant)->rows > 0;
}

bool gr_quota_find(const struct gr_core *core, uint32_t org, uint32_t variant,
                   struct gr_quota *ret_quota, uint64_t *ret_used)
{
    if (org >= core->org_count || variant >= core->variant_count) {
        return false;
    }
    const struct use *use = use_at(core, org, variant);
    if (use->row == 0) {
        return false;
    }
    *ret_quota = *quota_of(core, use);
    *ret_used = use->used;
    return true;
}

// --- all anew

// What one organisation holds.
struct holding {
    struct gr_core *core;
    uint32_t org;
};

static void piece_use(void *context, const struct gr_piece *piece)
{
    const struct holding *holding = context;
    uint32_t variant = gr_place_node_get(gr_pool(holding->core), piece->node)->variant;
    use_at(holding->core, holding->org, variant)->used +=
        (uint64_t)__builtin_popcount(piece->devices) * piece->milli;
}

// Zeros, and what each organisation holds itself. Rows that are zero are not written, so that they
// need not become real.
static void own_count(struct gr_core *core)
{
    for (uint32_t v = 0; v < core->variant_count; v++) {
        *variant_at(core, v) = (struct variant){0};
        for (uint32_t o = 0; o < core->org_count; o++) {
            struct use *use = use_at(core, o, v);
            if ((use->used | use->kept_below | use->owned_below | use->row) != 0) {
                *use = (struct use){0};
            }
        }
    }
    for (uint32_t s = 0; s < core->job_top; s++) {
        struct holding holding = {core, gr_job_at(core, s)->org};
        if (gr_job_at(core, s)->state == GR_JOB_RUNNING) {
            gr_jobs_pieces(core, gr_allocation_at(core, s), piece_use, &holding);
        }
    }
}

void gr_quota_rebuild(struct gr_core *core)
{
    own_count(core);
    for (uint32_t r = 0; r < core->quota_count; r++) {
        const struct gr_quota *quota = gr_quota_at(core, r);
        struct variant *sums = variant_at(core, quota->variant);
        sums->rows++;
        sums->keepers += unlent(quota) > 0;
        use_at(core, quota->org, quota->variant)->row = r + 1;
    }
    for (uint32_t v = 0; v < core->variant_count; v++) {
        if (variant_at(core, v)->rows == 0) {
            continue;
        }
        sums_make(core, v);
        for (uint32_t o = core->org_count; o-- > 0;) {
            above(core, o, v)->kept_below += kept(core, use_at(core, o, v));
            above(core, o, v)->owned_below += owned(core, use_at(core, o, v));
        }
    }
}

// --- the books

// What follows, counted again from rows and jobs: a place for each organisation of each variant.
struct tally {
    const struct gr_core *core;
    struct use *uses;
    uint32_t org;
};

static struct use *tally_at(const struct tally *tally, uint32_t org, uint32_t variant)
{
    return &tally->uses[(uint64_t)variant * tally->core->org_count + org];
}

static void piece_tally(void *context, const struct gr_piece *piece)
{
    const struct tally *tally = context;
    uint32_t variant = gr_place_node_get(gr_pool(tally->core), piece->node)->variant;
    bool sums = gr_quota_has(tally->core, variant);
    for (unsigned bits = piece->devices; bits != 0; bits &= bits - 1) {
        for (uint32_t o = tally->org; o != GR_NONE;
             o = sums ? parent_of(tally->core, o) : GR_NONE) {
            tally_at(tally, o, variant)->used += piece->milli;
        }
    }
}

static const char *rows_tally(const struct gr_core *core, const struct tally *tally)
{
    for (uint32_t r = 0; r < core->quota_count; r++) {
        const struct gr_quota *quota = gr_quota_at(core, r);
        if (quota->org >= core->org_count || quota->variant >= core->variant_count) {
            return "a quota is of nobody, or of nothing";
        }
        tally_at(tally, quota->org, quota->variant)->row = r + 1;
        if (use_at(core, quota->org, quota->variant)->row != r + 1) {
            return "a quota is not found, or is there twice";
        }
    }
    return NULL;
}

static const char *variant_compare(const struct gr_core *core, const struct tally *tally,
                                   uint32_t variant)
{
    const struct variant *sums = variant_at(core, variant);
    struct variant counted = {0};
    for (uint32_t o = core->org_count; o-- > 0;) { // those below before those above
        const struct use *use = tally_at(tally, o, variant);
        const struct use *is = use_at(core, o, variant);
        const struct gr_quota *quota = quota_of(core, use);
        uint32_t parent = parent_of(core, o);
        struct use *up = parent == GR_NONE ? &counted.all : tally_at(tally, parent, variant);
        counted.rows += quota != NULL;
        counted.keepers += quota != NULL && unlent(quota) > 0;
        up->kept_below += kept(core, use);
        up->owned_below += owned(core, use);
        if (is->used != use->used) {
            return "what is used of a quota is miscounted";
        }
        if (is->row != use->row || is->owned_below != use->owned_below ||
            is->kept_below != use->kept_below) {
            return "what organisations own or do not lend is miscounted";
        }
    }
    return counted.rows == sums->rows && counted.keepers == sums->keepers &&
                   counted.all.kept_below == sums->all.kept_below &&
                   counted.all.owned_below == sums->all.owned_below
               ? NULL
               : "the quotas of a variant are miscounted";
}

const char *gr_quota_audit(const struct gr_core *core)
{
    size_t count = (size_t)core->org_count * core->variant_count;
    struct tally tally = {.core = core, .uses = calloc(count + 1, sizeof(struct use))};
    if (tally.uses == NULL) {
        return "no memory for the audit";
    }
    const char *wrong = rows_tally(core, &tally);
    for (uint32_t s = 0; s < core->job_top && wrong == NULL; s++) {
        tally.org = gr_job_at(core, s)->org;
        if (gr_job_at(core, s)->state == GR_JOB_RUNNING) {
            gr_jobs_pieces(core, gr_allocation_at(core, s), piece_tally, &tally);
        }
    }
    for (uint32_t v = 0; v < core->variant_count && wrong == NULL; v++) {
        wrong = variant_compare(core, &tally, v);
    }
    free(tally.uses);
    return wrong;
}
