// Checks proofs: see proof.h. For each type of node an exhaustive table gives the most that what
// fits into it can be worth beyond what it pays; the type's z must be at least that.
#include "proof.h"

#include <stdlib.h>
#include <string.h>

// Worth beyond which sums over a node (16,000 demands at most) might not fit.
#define WORTH_MAX (INT64_C(1) << 44)

// A demand on one type of node: what it takes, and what it is worth beyond what it pays.
struct offer {
    int devices, grains, steps;
    int64_t worth;
};

// Memory for one check.
struct proof {
    const struct certificate *certificate;
    int grain;       // milli: divides 1000 and every demand's
    int grain_count; // of a device
    struct offer *offers;
    __int128 *paid;       // [demand] for its cuts
    int64_t *device;      // [grain_count + 1][STEPS_MAX + 1]
    int64_t *best_device; // [STEPS_MAX + 1] its last row
    int64_t *node;        // [DEVICES_MAX + 1][STEPS_MAX + 1]
};

// ---- cuts ---------------------------------------------------------------------------------------

bool demand_dominates(const struct demand *demand, const struct demand *other)
{
    return demand->cpu >= other->cpu && demand->memory >= other->memory &&
           demand->devices >= other->devices && demand->milli >= other->milli &&
           (demand->models | other->models) == other->models;
}

int64_t cut_weight(const struct cut *cut, const struct demand *pivot, const struct demand *demand,
                   bool is_pivot)
{
    bool is_whole = demand->milli == 1000;
    if (is_pivot) {
        return -cut->beta;
    }
    if (demand->devices == 0 || !demand_dominates(demand, pivot) || (cut->kind == 1 && is_whole) ||
        (cut->kind == 2 && !is_whole)) {
        return 0;
    }
    return (int64_t)(demand->devices * demand->milli);
}

// What demand j pays for the cuts it is in; within +-2^119.
static __int128 pays_for_cuts(const struct certificate *certificate, int j)
{
    __int128 sum = 0;
    for (int c = 0; c < certificate->cut_count; c++) {
        const struct cut *cut = &certificate->cuts[c];
        int64_t weight = cut_weight(cut, &certificate->demands[cut->pivot],
                                    &certificate->demands[j], cut->pivot == (uint64_t)j);
        sum += (__int128)cut->price * weight >> 12;
    }
    return sum;
}

// A pivot is known by its number here and by its size in the trace: both must mean the same.
static bool are_distinct(const struct certificate *certificate)
{
    for (int i = 0; i < certificate->demand_count; i++) {
        for (int j = 0; j < i; j++) {
            const struct demand *a = &certificate->demands[i], *b = &certificate->demands[j];
            if (demand_dominates(a, b) && demand_dominates(b, a)) {
                return false;
            }
        }
    }
    return true;
}

// ---- one type of node ---------------------------------------------------------------------------

static bool fits(const struct demand *demand, const struct node_type *node)
{
    return demand->devices <= node->devices && demand->cpu <= node->cpu &&
           demand->memory <= node->memory && ((demand->models >> node->model) & 1) != 0;
}

// Adds an offer; of those that take the same, the best is kept. Returns how many there are now.
static int add_offer(struct offer *offers, int count, const struct offer *offer)
{
    for (int i = 0; i < count; i++) {
        if (offers[i].devices == offer->devices && offers[i].grains == offer->grains &&
            offers[i].steps == offer->steps) {
            offers[i].worth = offers[i].worth > offer->worth ? offers[i].worth : offer->worth;
            return count;
        }
    }
    offers[count] = *offer;
    return count + 1;
}

// Lists what is worth more than nothing on type t; -1 if something is worth more than WORTH_MAX.
static int list_offers(struct proof *proof, int t)
{
    const struct certificate *certificate = proof->certificate;
    const struct node_type *node = &certificate->types[t];
    int count = 0;
    for (int j = 0; j < certificate->demand_count; j++) {
        const struct demand *demand = &certificate->demands[j];
        if (!fits(demand, node)) {
            continue;
        }
        __int128 worth = (__int128)certificate->scale * (int64_t)(demand->devices * demand->milli) -
                         demand->y - proof->paid[j] -
                         ((__int128)node->mu * (int64_t)demand->memory >> 10);
        if (worth > WORTH_MAX) {
            return -1;
        }
        struct offer offer = {.devices = (int)demand->devices,
                              .grains = (int)demand->milli / proof->grain,
                              .steps = (int)(demand->cpu / (uint64_t)node->unit),
                              .worth = worth > 0 ? (int64_t)worth : 0};
        if (worth > 0) {
            count = add_offer(proof->offers, count, &offer);
        }
    }
    return count;
}

// Raises row[k] to below[k - used] + worth where that is more.
static void raise_row(int64_t *row, const int64_t *below, int used, int64_t worth, int steps)
{
    for (int k = used; k <= steps; k++) {
        int64_t with = below[k - used] + worth;
        if (with > row[k]) {
            row[k] = with;
        }
    }
}

// best_device[k] := the most on one device within k steps. Exhaustive: device[m][k] is the most
// within m grains and k steps, and any content of a device is one of its demands on top of a
// smaller content.
static void fill_device(struct proof *proof, int offer_count, int steps)
{
    size_t width = (size_t)steps + 1;
    memset(proof->device, 0, ((size_t)proof->grain_count + 1) * width * sizeof *proof->device);
    for (int m = 1; m <= proof->grain_count; m++) {
        for (int i = 0; i < offer_count; i++) {
            const struct offer *offer = &proof->offers[i];
            if (offer->devices == 1 && offer->grains <= m) {
                raise_row(proof->device + (size_t)m * width,
                          proof->device + (size_t)(m - offer->grains) * width, offer->steps,
                          offer->worth, steps);
            }
        }
    }
    memcpy(proof->best_device, proof->device + (size_t)proof->grain_count * width,
           width * sizeof *proof->best_device);
}

// The most on `devices` devices within `steps`: the last one by itself, or a demand for several on
// the last ones.
static int64_t fill_node(struct proof *proof, int offer_count, int devices, int steps)
{
    size_t width = (size_t)steps + 1;
    memset(proof->node, 0, ((size_t)devices + 1) * width * sizeof *proof->node);
    for (int g = 1; g <= devices; g++) {
        int64_t *row = proof->node + (size_t)g * width;
        for (int k = 0; k <= steps; k++) {
            if (k == 0 || proof->best_device[k] != proof->best_device[k - 1]) {
                raise_row(row, row - width, k, proof->best_device[k], steps);
            }
        }
        for (int i = 0; i < offer_count; i++) {
            const struct offer *offer = &proof->offers[i];
            if (offer->devices > 1 && offer->devices <= g) {
                raise_row(row, row - (size_t)offer->devices * width, offer->steps, offer->worth,
                          steps);
            }
        }
    }
    return proof->node[(size_t)devices * width + (size_t)steps];
}

static bool check_type(struct proof *proof, int t, struct reason *ret_why)
{
    const struct node_type *node = &proof->certificate->types[t];
    int steps = (int)(node->cpu / (uint64_t)node->unit);
    int count = list_offers(proof, t);
    if (count < 0) {
        return refuse(ret_why, "node type %d: duals out of range", t);
    }
    fill_device(proof, count, steps);
    __int128 needed = fill_node(proof, count, (int)node->devices, steps);
    needed += (__int128)node->mu * (int64_t)node->memory >> 10;
    if (node->z < needed) {
        return refuse(ret_why, "node type %d: z is too low for what a node can hold", t);
    }
    return true;
}

// ---- the whole ----------------------------------------------------------------------------------

static int common_divisor(int a, int b)
{
    while (b != 0) {
        int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// What the duals bound the sum over the events by, in 1/scale milli.
static __int128 sum_of(const struct certificate *certificate)
{
    __int128 sum = 0;
    for (int t = 0; t < certificate->type_count; t++) {
        const struct node_type *node = &certificate->types[t];
        sum += (__int128)node->z * (int64_t)node->count * certificate->event_count;
    }
    for (int j = 0; j < certificate->demand_count; j++) {
        sum += (__int128)certificate->demands[j].y * (int64_t)certificate->demands[j].count;
    }
    for (int c = 0; c < certificate->cut_count; c++) {
        sum += (__int128)certificate->cuts[c].price * certificate->cuts[c].limit >> 12;
    }
    return sum;
}

static bool check_all(struct proof *proof, struct reason *ret_why)
{
    const struct certificate *certificate = proof->certificate;
    if (certificate->cut_count > 0 && !are_distinct(certificate)) {
        return refuse(ret_why, "cuts over demands that are not distinct");
    }
    for (int j = 0; j < certificate->demand_count; j++) {
        proof->paid[j] = pays_for_cuts(certificate, j);
    }
    for (int t = 0; t < certificate->type_count; t++) {
        if (!check_type(proof, t, ret_why)) {
            return false;
        }
    }
    __int128 whole = (__int128)certificate->scale * certificate->event_count;
    if ((sum_of(certificate) + whole - 1) / whole != certificate->bound) {
        return refuse(ret_why, "the bound is not the one that the duals prove");
    }
    return true;
}

bool proof_check(const struct certificate *certificate, struct reason *ret_why)
{
    size_t width = STEPS_MAX + 1, demands = (size_t)certificate->demand_count + 1;
    struct proof proof = {.certificate = certificate, .grain = 1000};
    for (int j = 0; j < certificate->demand_count; j++) {
        proof.grain = common_divisor(proof.grain, (int)certificate->demands[j].milli);
    }
    proof.grain_count = 1000 / proof.grain;
    proof.offers = calloc(demands, sizeof *proof.offers);
    proof.paid = calloc(demands, sizeof *proof.paid);
    proof.device = malloc(((size_t)proof.grain_count + 1) * width * sizeof *proof.device);
    proof.best_device = malloc(width * sizeof *proof.best_device);
    proof.node = malloc((DEVICES_MAX + 1) * width * sizeof *proof.node);
    bool is_proved = proof.offers != NULL && proof.paid != NULL && proof.device != NULL &&
                             proof.best_device != NULL && proof.node != NULL
                         ? check_all(&proof, ret_why)
                         : refuse(ret_why, "not enough memory");
    free(proof.offers);
    free(proof.paid);
    free(proof.device);
    free(proof.best_device);
    free(proof.node);
    return is_proved;
}
