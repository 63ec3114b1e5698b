// What the published policies have in common: integer scores of 0..100 and the constants of the
// simulator they come from (hkust-adsl/kubernetes-scheduler-simulator, 8f3d641).
#pragma once

#include "place/state.h"

// Largest cpu (milli) and device milli of one node, by which the policies normalise.
#define GR_PUBLISHED_CPU 128000.0
// See GR_PUBLISHED_CPU.
#define GR_PUBLISHED_MILLI 8000.0

// A score of 0..100, truncated and clamped, as the byte of the index (1..101).
static inline uint8_t gr_published_score(double score)
{
    return (uint8_t)(1 + (int)(score < 0 ? 0 : score > 100 ? 100 : score));
}

// Free milli of all devices.
static inline unsigned gr_published_free(const struct gr_node *node)
{
    unsigned milli = 0;
    for (unsigned i = 0; i < node->devices; i++) {
        milli += node->free[i];
    }
    return milli;
}

// Milli that a task takes in all.
static inline unsigned gr_published_asked(const struct gr_shape *shape)
{
    return (unsigned)shape->devices * shape->milli;
}
