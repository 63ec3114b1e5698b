// What a declaration says of shares, quotas and the queue: read strictly, tried out on a copy of
// the core, and made facts of only if all of it is right. For route_apply.c.
#pragma once

#include "daemon/pool.h"

#include <jansson.h>

// What is wrong with a declaration.
struct gr_apply_fault {
    char text[320]; // a sentence; "" while all is well
    char field[96]; // where: "organisations[1].quotas[0].lend"
};

// What is to become of a declaration; opaque.
struct gr_apply_queue;

// Reads and checks the tree of organisations, weights, limits, quotas, `queue` and `classes` of a
// declaration (borrowed during the call). Keys that are not of these are passed over. Changes
// nothing. Returns 0 and what is to be done, to be freed with gr_apply_queue_free (NULL: nothing);
// -EINVAL with a fault; -ENOMEM.
int gr_apply_queue_new(struct gr_pool *pool, const json_t *body, struct gr_apply_queue **ret_queue,
                       struct gr_apply_fault *ret_fault);
// Adds a text for each change to the array `changed`, old and new, and to `reply` the lists "hits"
// (whom it hits: jobs that run beyond what is allowed from then on) and "doubts". Returns 0 or
// -ENOMEM.
int gr_apply_queue_tell(const struct gr_apply_queue *queue, json_t *changed, json_t *reply);
// How many statements say what is so already.
int64_t gr_apply_queue_unchanged(const struct gr_apply_queue *queue);
// Makes the facts. The organisations that the declaration adds must have been added.
void gr_apply_queue_do(const struct gr_apply_queue *queue, struct gr_pool *pool);
// Frees it. NULL is allowed.
void gr_apply_queue_free(struct gr_apply_queue *queue);
