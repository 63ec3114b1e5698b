// Why there is no room for a demand, in a sentence for people: how many nodes each filter refuses,
// what the largest has, and what would fit. See place/explain.h, where the counting is done.
#pragma once

#include "daemon/pool.h"

#include <stddef.h>

// Bytes of a text and of a hint.
#define GR_SHORTAGE_TEXT_SIZE 240
#define GR_SHORTAGE_HINT_SIZE 96

// What lacks, and what is nearest.
struct gr_shortage {
    char text[GR_SHORTAGE_TEXT_SIZE]; // "no node has 12 h20; the largest has 8"
    char hint[GR_SHORTAGE_HINT_SIZE]; // "with 8 devices a task it would start now"; ""
};

// Of a demand that would not fit even if the pool were empty. `kind` is what the spec calls the
// devices, "" if it does not care. Visits every node.
void gr_shortage_ever(const struct gr_pool *pool, const struct gr_demand *demand,
                      const struct gr_mask *mask, const char *kind, struct gr_shortage *ret);
// Of a demand that does not fit now; its mask is part of the state. Visits every node many times:
// for one job at a time, not for lists.
void gr_shortage_now(struct gr_pool *pool, const struct gr_demand *demand, const char *kind,
                     struct gr_shortage *ret);

// Adds to a refusal of the core what is lacking, if that can be counted.
void gr_shortage_refuse(const struct gr_pool *pool, const struct gr_submission *submission,
                        const char *kind, struct gr_pool_refusal *refusal);
// Fills in what a submission would wait for that would be taken and not start: `submitted` is its
// fact, `edges` how many jobs it waits for, `is_known` whether its mask is part of the state.
void gr_shortage_wait(struct gr_pool *pool, const struct gr_event *submitted, uint32_t edges,
                      bool is_known, const char *kind, struct gr_pool_refusal *ret_refusal);
