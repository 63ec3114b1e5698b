// Speeds and costs: see speed.h.
#include "model/speed.h"

// The figures of GR_SPEED_ONE's device, in the scale of the catalogue's facts below.
#define ONE_TFLOPS 989
#define ONE_GBS 3350
// Of the time that serving takes on it, in thousandths: decoding, which reads memory, and the rest.
#define DECODES 700u
#define PREFILLS 300u

// Ten to the number of digits that a fact is scaled by.
static uint64_t scale_of(enum gr_fact fact)
{
    uint64_t scale = 1;
    for (unsigned d = 0; d < gr_fact_info(fact)->digits; d++) {
        scale *= 10;
    }
    return scale;
}

// A fact as a whole multiple of 1/1000 of `one`; 0: unknown.
static uint64_t relative(const struct gr_variant *variant, enum gr_fact fact, uint64_t one)
{
    int64_t value = 0;
    bool known = gr_variant_get(variant, fact, &value) && value > 0;
    return known ? (uint64_t)value * GR_SPEED_ONE / (one * scale_of(fact)) : 0;
}

uint32_t gr_speed_default(const struct gr_variant *variant, enum gr_use use)
{
    uint64_t compute = relative(variant, GR_FACT_FP16, ONE_TFLOPS);
    uint64_t memory = relative(variant, GR_FACT_BANDWIDTH, ONE_GBS);
    uint64_t speed = compute;
    if (use == GR_USE_SERVE) { // the weighted harmonic mean: times add up, not rates
        speed = compute == 0 || memory == 0 ? 0
                                            : (DECODES + PREFILLS) * compute * memory /
                                                  (DECODES * compute + PREFILLS * memory);
    }
    return speed > UINT32_MAX ? UINT32_MAX : (uint32_t)speed;
}

uint64_t gr_cost_default(const struct gr_variant *variant)
{
    int64_t price = 0;
    bool known = gr_variant_get(variant, GR_FACT_PRICE, &price) && price > 0;
    return known ? (uint64_t)price * (1000000u / scale_of(GR_FACT_PRICE)) / GR_COST_HOURS : 0;
}

uint64_t gr_worth_work_cost(const struct gr_worth *worth)
{
    unsigned __int128 cost = (unsigned __int128)worth->hour_cost * GR_SPEED_ONE;
    return worth->hour_cost == 0 || worth->speed == 0 ? UINT64_MAX
           : cost / worth->speed >= UINT64_MAX        ? UINT64_MAX - 1
                                                      : (uint64_t)(cost / worth->speed);
}

// What is compared: smaller comes first, UINT64_MAX is unknown.
static uint64_t key_of(enum gr_kind_order order, const struct gr_worth *worth)
{
    return order == GR_KIND_LISTED     ? UINT64_MAX
           : order == GR_KIND_CHEAPEST ? gr_worth_work_cost(worth)
           : worth->speed == 0         ? UINT64_MAX
                                       : UINT32_MAX - worth->speed;
}

void gr_worth_tiers(enum gr_kind_order order, const struct gr_worth *worth, size_t count,
                    uint16_t *ret_tiers)
{
    uint16_t tier = 0;
    for (size_t i = 0; i < count; i++) {
        ret_tiers[i] = 0;
    }
    for (size_t left = count; left > 0;) {
        uint64_t least = UINT64_MAX;
        size_t first = count;
        for (size_t i = 0; i < count; i++) {
            uint64_t key = ret_tiers[i] != 0 ? UINT64_MAX : key_of(order, &worth[i]);
            first = ret_tiers[i] == 0 && (first == count || key < least) ? i : first;
            least = key < least ? key : least;
        }
        tier++;
        for (size_t i = first; i < count; i++) {
            bool alike =
                ret_tiers[i] == 0 && least != UINT64_MAX && key_of(order, &worth[i]) == least;
            if (i == first || alike) {
                ret_tiers[i] = tier;
                left--;
            }
        }
    }
}
