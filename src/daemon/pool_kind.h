// What a kind means in this pool: which of its variants, and which of them first.
#pragma once

#include "daemon/pool.h"
#include "model/speed.h"

// Bytes of a text about an order.
#define GR_POOL_KIND_TEXT_SIZE 400

// Which of the pool's variants a kind means for work of a use, and in which order: all zero where
// all are alike (one variant). Cheapest and fastest by what is known now. -EINVAL or -E2BIG as
// gr_kind_resolve.
int gr_pool_kind_find(struct gr_pool *pool, const char *kind, enum gr_use use,
                      struct gr_pool_cached_kind *ret_kind, struct gr_err *err);
// What is known of a variant of the pool (by its index) for a use.
struct gr_worth gr_pool_worth(const struct gr_pool *pool, uint32_t variant, enum gr_use use);
// Writes the order of a preference for people, first choice first: "h200, then h100 or h800"; with
// the cost of an hour of H100 work where the kind goes by cost, or the speed where it goes by that.
// "" for a kind without an order.
void gr_pool_kind_text(struct gr_pool *pool, const char *kind, enum gr_use use,
                       const struct gr_preference *preference, char *text, size_t size);
// The same for a kind as it would be ordered now, and which of its variants the pool has none of.
// "" if it is not known, or one variant.
void gr_pool_kind_say(struct gr_pool *pool, const char *kind, enum gr_use use, char *text,
                      size_t size);
