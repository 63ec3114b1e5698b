// FGD as published, with its buckets: trunc(100 * sigmoid((F before - F after) / 1000)), F in milli
// ("Beware of Fragmentation", USENIX ATC 2023, algorithm 1; the buckets are the simulator's).
//
// F is kept in exact integers (frag.h), so that a change of nothing is exactly the bucket 50; the
// buckets' borders are found once by bisection.
#include "place/policies.h"

#include "place/frag.h"

#include <math.h>
#include <string.h>

// A gain of this many milli and more is in the last bucket, and a loss in the first.
#define GAIN_MAX 16384

struct tables {
    int64_t border[102];              // least gain x total of each bucket; [101] is out of reach
    uint8_t bucket[2 * GAIN_MAX + 1]; // bucket of the gain's floor in milli
    uint32_t ready;
};

static int bucket_exact(double gain_milli)
{
    return (int)(100.0 * (1.0 / (1.0 + exp(-gain_milli / 1000.0))));
}

static void prepare(struct gr_place *place)
{
    struct tables *tables = gr_tables_at(place);
    memset(tables, 0, sizeof *tables);
    int64_t total = gr_frag_get(place)->total;
    if (total == 0) {
        return;
    }
    tables->border[0] = INT64_MIN;
    tables->border[101] = INT64_MAX;
    for (int b = 1; b <= 100; b++) {
        int64_t low = -(int64_t)GAIN_MAX * 8 * total, high = (int64_t)GAIN_MAX * 8 * total;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (bucket_exact((double)middle / (double)total) >= b) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        tables->border[b] = low;
    }
    for (int m = -GAIN_MAX; m <= GAIN_MAX; m++) {
        tables->bucket[m + GAIN_MAX] = (uint8_t)bucket_exact(m);
        while (tables->bucket[m + GAIN_MAX] > 0 &&
               tables->border[tables->bucket[m + GAIN_MAX]] > m * total) {
            tables->bucket[m + GAIN_MAX]--;
        }
    }
    tables->ready = 1;
}

// Bucket of a gain (times total), plus one.
static uint8_t score_of(const struct tables *tables, int64_t gain, int64_t total)
{
    int64_t milli = gain >= 0 ? gain / total : -((-gain + total - 1) / total);
    milli = milli < -GAIN_MAX ? -GAIN_MAX : milli > GAIN_MAX ? GAIN_MAX : milli;
    unsigned bucket = tables->bucket[milli + GAIN_MAX];
    while (gain >= tables->border[bucket + 1]) {
        bucket++;
    }
    return (uint8_t)(1 + bucket);
}

// What does not change from slot to slot on one node.
struct view {
    const struct tables *tables;
    const struct gr_frag *frag;
    const struct gr_node *node;
    struct gr_frag_node by_type;
    int64_t usable;
    unsigned milli;   // free in all
    double published; // F of the row in the published doubles; below 0: not computed yet
    const struct gr_place *place;
};

static void view_fill(const struct gr_place *place, uint32_t number, struct view *view)
{
    view->place = place;
    view->published = -1;
    view->tables = gr_tables_at(place);
    view->frag = gr_frag_get(place);
    view->node = gr_node_at(place, number);
    view->milli = 0;
    for (unsigned i = 0; i < view->node->devices; i++) {
        view->milli += view->node->free[i];
    }
    if (view->tables->ready) {
        gr_frag_node_fill(view->frag, view->node, &view->by_type);
        view->usable = gr_frag_usable(
            view->frag, gr_frag_weights(view->frag, view->node, view->node->cpu_milli),
            &view->by_type);
    }
}

// Bucket of an exact zero. The published doubles make 49 of it where rounding leaves less than
// nothing; to choose as published the same sums are made here, for zeros alone.
static uint8_t score_zero(struct view *view, const struct gr_shape *shape, unsigned device)
{
    struct gr_node after = *view->node;
    after.cpu_milli -= shape->cpu_milli;
    if (gr_shape_is_fraction(shape)) {
        after.free[device] = (uint16_t)(after.free[device] - shape->milli);
    } else {
        for (unsigned i = 0, left = shape->devices; left > 0; i++) {
            assert(i < after.devices);
            if (after.free[i] == GR_DEVICE_MILLI) {
                after.free[i] = 0;
                left--;
            }
        }
    }
    if (view->published < 0) {
        view->published = gr_frag_published(view->place, view->node);
    }
    double gain = view->published - gr_frag_published(view->place, &after);
    return (uint8_t)(1 + bucket_exact(gain));
}

// Bucket of a gain for one choice of device.
static uint8_t score_gain(struct view *view, const struct gr_shape *shape, unsigned device,
                          int64_t gain)
{
    return gain == 0 && view->milli > 0 ? score_zero(view, shape, device)
                                        : score_of(view->tables, gain, view->frag->total);
}

// Score of a shape that fits, and the device for a fraction.
static uint8_t view_score(struct view *view, const struct gr_shape *shape, unsigned *ret_device)
{
    if (!view->tables->ready) {
        *ret_device =
            gr_shape_is_fraction(shape) ? gr_choose_tightest(view->node, shape->milli) : 0;
        return 51;
    }
    const struct gr_frag *frag = view->frag;
    const int32_t *weights =
        gr_frag_weights(frag, view->node, view->node->cpu_milli - shape->cpu_milli);
    int64_t taken = (int64_t)shape->devices * shape->milli * frag->total;
    if (!gr_shape_is_fraction(shape)) {
        int64_t after = gr_frag_usable_less(frag, weights, &view->by_type, shape->devices);
        return score_gain(view, shape, 0, taken - view->usable + after);
    }
    uint8_t best = 0;
    for (unsigned i = 0; i < view->node->devices; i++) {
        int32_t was = view->node->free[i];
        bool seen = false; // an earlier device with as much free has the same score
        for (unsigned e = 0; e < i && !seen; e++) {
            seen = view->node->free[e] == was;
        }
        if (was < shape->milli || seen) {
            continue;
        }
        int64_t after = gr_frag_usable_part(frag, weights, &view->by_type, was, was - shape->milli);
        uint8_t score = score_gain(view, shape, i, taken - view->usable + after);
        if (score > best) {
            best = score;
            *ret_device = i;
        }
    }
    return best;
}

static uint8_t score(const struct gr_place *place, uint32_t node, const struct gr_shape *shape)
{
    struct view view;
    unsigned device;
    view_fill(place, node, &view);
    return view_score(&view, shape, &device);
}

static void score_slots(const struct gr_place *place, uint32_t node, const uint8_t *fits,
                        uint8_t *ret_scores)
{
    struct view view;
    unsigned device;
    view_fill(place, node, &view);
    memset(ret_scores, 0, place->stride);
    for (uint32_t s = 0; s < place->slot_count; s++) {
        if (fits[s] != 0) {
            ret_scores[s] = view_score(&view, &gr_slot_at(place, s)->shape, &device);
        }
    }
}

static unsigned device(const struct gr_place *place, uint32_t node, const struct gr_shape *shape)
{
    struct view view;
    unsigned chosen = 0;
    view_fill(place, node, &view);
    (void)view_score(&view, shape, &chosen);
    return chosen;
}

const struct gr_policy gr_policy_fgd = {
    .name = "fgd",
    .summary = "least growth of fragmentation for the demand mix (FGD, as published)",
    .tables_size = sizeof(struct tables),
    .prepare = prepare,
    .score = score,
    .score_slots = score_slots,
    .device = device,
};
