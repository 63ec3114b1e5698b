// Kinds as the pool has them: see pool_kind.h.
#include "daemon/pool_kind.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// The row of a variant of the pool in the catalogue; NULL: it is not there.
static const struct gr_variant *row_of(const struct gr_pool *pool, uint32_t variant)
{
    const char *name = gr_core_variant_get(pool->core, variant);
    int row = gr_catalogue_find(&pool->catalogue, gr_slice_of(name));
    return row < 0 ? NULL : &pool->catalogue.variants[row];
}

struct gr_worth gr_pool_worth(const struct gr_pool *pool, uint32_t variant, enum gr_use use)
{
    const struct gr_variant *row = row_of(pool, variant);
    return row == NULL ? (struct gr_worth){0}
                       : (struct gr_worth){gr_speed_default(row, use), gr_cost_default(row)};
}

// The pool's variants of a kind, as it lists them.
struct members {
    uint32_t variants[GR_KIND_VARIANTS_MAX]; // of the pool
    struct gr_worth worth[GR_KIND_VARIANTS_MAX];
    uint16_t tiers[GR_KIND_VARIANTS_MAX];
    size_t count;
};

static void members_find(const struct gr_pool *pool, const struct gr_kind *kind, enum gr_use use,
                         struct members *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < kind->count; i++) {
        for (uint32_t v = 0; v < gr_core_variant_count(pool->core); v++) {
            if (row_of(pool, v) == &pool->catalogue.variants[kind->variants[i]]) {
                ret->variants[ret->count] = v;
                ret->worth[ret->count++] = gr_pool_worth(pool, v, use);
                break;
            }
        }
    }
    gr_worth_tiers(kind->order, ret->worth, ret->count, ret->tiers);
}

int gr_pool_kind_find(struct gr_pool *pool, const char *text, enum gr_use use,
                      struct gr_pool_cached_kind *ret_kind, struct gr_err *err)
{
    size_t size = strlen(text);
    uint32_t count = gr_core_variant_count(pool->core);
    unsigned at = (unsigned)use;
    for (size_t i = 0; i < size; i++) {
        at = at * 31 + (unsigned char)text[i];
    }
    struct gr_pool_cached_kind *cached = &pool->kinds_cached[at % GR_POOL_CACHED];
    if (cached->variants == count && cached->use == (uint32_t)use && size < sizeof cached->kind &&
        strcmp(cached->kind, text) == 0) {
        *ret_kind = *cached;
        return 0;
    }
    struct gr_kind kind;
    struct members members;
    int rc = gr_kind_resolve(&pool->catalogue, &pool->kinds, gr_slice_of(text), &kind, err);
    if (rc != 0) {
        return rc;
    }
    *ret_kind = (struct gr_pool_cached_kind){.variants = count, .use = (uint32_t)use};
    members_find(pool, &kind, use, &members);
    for (size_t i = 0; i < members.count; i++) {
        uint32_t v = members.variants[i];
        unsigned tier = members.tiers[i] < GR_TIERS_MAX ? members.tiers[i] : GR_TIERS_MAX;
        ret_kind->bits[v / 64] |= UINT64_C(1) << v % 64;
        gr_preference_put(&ret_kind->preference, v, tier);
    }
    if (!gr_preference_good(&ret_kind->preference)) { // one choice is none
        ret_kind->preference = (struct gr_preference){0};
    }
    if (size < sizeof ret_kind->kind) {
        memcpy(ret_kind->kind, text, size);
        *cached = *ret_kind;
    }
    return 0;
}

// --- for people

static void __attribute__((format(printf, 4, 5)))
append(char *text, size_t size, size_t *used, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int more = vsnprintf(text + *used, size - *used, fmt, args);
    va_end(args);
    *used = more < 0 || (size_t)more >= size - *used ? size - 1 : *used + (size_t)more;
}

// What a variant is ordered by: " (0.43 USD)", or nothing.
static void worth_append(const struct gr_worth *worth, enum gr_kind_order order, char *text,
                         size_t size, size_t *used)
{
    uint64_t cost = gr_worth_work_cost(worth);
    if (order == GR_KIND_CHEAPEST && cost != UINT64_MAX) {
        append(text, size, used, " (%" PRIu64 ".%02" PRIu64 " USD)", (cost + 5000) / 1000000,
               (cost + 5000) / 10000 % 100);
    } else if (order == GR_KIND_FASTEST && worth->speed != 0) {
        append(text, size, used, " (%" PRIu32 ".%02" PRIu32 ")", (worth->speed + 5) / 1000,
               (worth->speed + 5) / 10 % 100);
    } else if (order != GR_KIND_LISTED) {
        append(text, size, used, " (not known)");
    }
}

void gr_pool_kind_text(struct gr_pool *pool, const char *text, enum gr_use use,
                       const struct gr_preference *preference, char *ret, size_t size)
{
    struct gr_kind kind;
    size_t used = 0;
    unsigned tiers = gr_preference_tiers(preference);
    ret[0] = '\0';
    if (tiers == 0 ||
        gr_kind_resolve(&pool->catalogue, &pool->kinds, gr_slice_of(text), &kind, NULL) != 0) {
        return;
    }
    append(ret, size, &used, "%s",
           kind.order == GR_KIND_CHEAPEST  ? "cheapest first, by an hour of H100 work: "
           : kind.order == GR_KIND_FASTEST ? "fastest first, H100 being 1: "
                                           : "");
    for (unsigned t = 1; t <= tiers; t++) {
        bool first = true;
        for (uint32_t v = 0; v < gr_core_variant_count(pool->core); v++) {
            const struct gr_variant *row = row_of(pool, v);
            if (gr_preference_tier(preference, v) != t || row == NULL) {
                continue;
            }
            struct gr_slice name = gr_variant_name(row);
            struct gr_worth worth = gr_pool_worth(pool, v, use);
            append(ret, size, &used, "%s%.*s",
                   !first  ? " or "
                   : t > 1 ? ", then "
                           : "",
                   (int)name.size, name.text);
            worth_append(&worth, kind.order, ret, size, &used);
            first = false;
        }
    }
}

// Variants that are named when a pool has none of them.
#define ABSENT_NAMED 4

void gr_pool_kind_say(struct gr_pool *pool, const char *text, enum gr_use use, char *ret,
                      size_t size)
{
    struct gr_pool_cached_kind found;
    struct gr_kind kind;
    uint32_t absent = 0;
    ret[0] = '\0';
    if (text[0] == '\0' || gr_pool_kind_find(pool, text, use, &found, NULL) != 0 ||
        gr_kind_resolve(&pool->catalogue, &pool->kinds, gr_slice_of(text), &kind, NULL) != 0) {
        return;
    }
    gr_pool_kind_text(pool, text, use, &found.preference, ret, size);
    size_t used = strlen(ret);
    for (size_t i = 0; i < kind.count && kind.count > 1; i++) {
        const struct gr_variant *row = &pool->catalogue.variants[kind.variants[i]];
        struct gr_slice name = gr_variant_name(row);
        uint32_t v = 0;
        while (v < gr_core_variant_count(pool->core) && row_of(pool, v) != row) {
            v++;
        }
        if (v < gr_core_variant_count(pool->core)) {
            continue;
        }
        if (absent++ < ABSENT_NAMED) {
            append(ret, size, &used, "%s%.*s",
                   absent > 1 ? ", "
                   : used > 0 ? "; not in this pool: "
                              : "not in this pool: ",
                   (int)name.size, name.text);
        }
    }
    if (absent > ABSENT_NAMED) {
        append(ret, size, &used, " and %" PRIu32 " more", absent - ABSENT_NAMED);
    }
}
