// What a device's free milli are worth, by prices that clear.
//
// A device with r milli free meets `KNOCKS` demands drawn from the mix and takes those that pay:
//   V_0(r) = 0
//   V_n(r) = V_{n-1}(r) + sum over items i of weight_i x soft(m_i - y_i + V_{n-1}(r - m_i)
//                                                                      - V_{n-1}(r))
// soft(x) is 0 below -h, x above h, and a parabola between: who gains x accepts with probability
// (x + h) / 2h. The price y_i is what the demand would bring elsewhere: it is raised while the
// fleet would accept more of item i than is asked for, and lowered, down to 0, while it would
// accept less, when as much is asked for as there is (load 1). So gaps that match a scarce demand
// and groups that a choosy demand needs get a value of their own. Single-precision arithmetic in
// one fixed order, without functions of libm: the same on every machine and compiler.
#include "place/value.h"

#include <string.h>

#define KNOCKS 64 // half as many cost 0.1 point on average; more cost time
#define LANES 4
#define WIDTH 104       // GR_VALUE_STEPS, padded to lanes
#define ROUNDS 100      // of price changes
#define ROUNDS_LEAST 25 // when there are very many items
#define STEP 100.0f     // milli a price may move in the first round
#define STEP_DECAY 0.05f
#define HALF_FIRST 140.0f // h: wide at first, so that prices find their way
#define HALF_LAST 28.0f

static_assert(WIDTH >= GR_VALUE_STEPS && WIDTH % LANES == 0, "padded to lanes");

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t choice __attribute__((vector_size(LANES * sizeof(int32_t))));

// A table by steps that begins at WIDTH: what r - m_i below 0 reads lies before.
struct row {
    float at[2 * WIDTH];
};

static lanes load(const float *from)
{
    lanes x;
    memcpy(&x, from, sizeof x);
    return x;
}

static void store(float *to, lanes x)
{
    memcpy(to, &x, sizeof x);
}

static lanes spread(float x)
{
    return (lanes){x, x, x, x};
}

static lanes choose(choice which, lanes yes, lanes no)
{
    return (lanes)((which & (choice)yes) | (~which & (choice)no));
}

// Chance that a gain of x is accepted.
static lanes chance(lanes x, lanes half, lanes inverse)
{
    lanes p = (x + half) * inverse;
    p = choose(p > 0, p, spread(0));
    return choose(p < 1, p, spread(1));
}

// Values after each number of knocks, rows[0..KNOCKS].
static void values_find(const struct gr_market *market, uint32_t g, float half, struct row *rows)
{
    const lanes wide = spread(half), inverse = spread(0.5f / half);
    for (unsigned n = 0; n <= KNOCKS; n++) {
        for (unsigned r = 0; r < 2 * WIDTH; r++) {
            rows[n].at[r] = r < WIDTH ? -1e9f : n == 0 ? 0 : rows[n - 1].at[r];
        }
        for (uint32_t i = 0; n > 0 && i < market->item_count; i++) {
            const struct gr_market_item *item = &market->items[i];
            if ((item->groups >> g & 1) == 0) {
                continue;
            }
            const lanes gain = spread((float)item->milli - item->price);
            const lanes weight = spread(item->weight);
            const float *was = rows[n - 1].at + WIDTH;
            float *now = rows[n].at + WIDTH;
            for (unsigned r = 0; r < WIDTH; r += LANES) {
                lanes x = gain + load(was + r - item->steps) - load(was + r);
                lanes p = chance(x, wide, inverse);
                lanes more = choose(x > wide, x - wide, spread(0));
                store(now + r, load(now + r) + weight * (wide * p * p + more));
            }
        }
    }
}

// How often each item is accepted by one device that begins wholly free.
static void accepts_count(const struct gr_market *market, uint32_t g, float half,
                          const struct row *rows, float *ret_accepted)
{
    const lanes wide = spread(half), inverse = spread(0.5f / half);
    struct row states[2];
    memset(states, 0, sizeof states);
    states[KNOCKS % 2].at[WIDTH + GR_VALUE_STEPS - 1] = 1;
    for (unsigned n = KNOCKS; n > 0; n--) {
        const float *from = states[n % 2].at + WIDTH, *was = rows[n - 1].at + WIDTH;
        float *to = states[(n - 1) % 2].at + WIDTH;
        float stay[WIDTH];
        memcpy(stay, from, sizeof stay);
        memset(&states[(n - 1) % 2], 0, sizeof states[0]);
        for (uint32_t i = 0; i < market->item_count; i++) {
            const struct gr_market_item *item = &market->items[i];
            if ((item->groups >> g & 1) == 0) {
                continue;
            }
            const lanes gain = spread((float)item->milli - item->price);
            const lanes weight = spread(item->weight);
            lanes sum = spread(0);
            for (unsigned r = 0; r < WIDTH; r += LANES) {
                lanes x = gain + load(was + r - item->steps) - load(was + r);
                lanes taken = weight * chance(x, wide, inverse) * load(from + r);
                sum += taken;
                store(stay + r, load(stay + r) - taken);
                float *less = to + r - item->steps;
                store(less, load(less) + taken);
            }
            ret_accepted[i] += (sum[0] + sum[1]) + (sum[2] + sum[3]);
        }
        for (unsigned r = 0; r < WIDTH; r++) {
            to[r] += stay[r];
        }
    }
}

// Moves every price towards where the fleet accepts what is asked for. `scale`: devices asked for
// at load 1.
static void prices_move(struct gr_market *market, float scale, float step)
{
    for (uint32_t i = 0; i < market->item_count; i++) {
        struct gr_market_item *item = &market->items[i];
        float excess = item->accepted / (scale * item->weight) - 1;
        float price = item->price + step * (excess > 1 ? 1 : excess);
        float most = (float)item->milli;
        item->price = price < 0 ? 0 : price > most ? most : price;
    }
}

static int16_t rounded(float value)
{
    return (int16_t)(value + 0.5f);
}

// The least loss, cpu apart, on any group whose nodes are wide enough.
static void bases_fill(const struct gr_market *market, struct gr_value *value)
{
    for (int32_t steps = 0; steps < GR_VALUE_STEPS; steps++) {
        int32_t least = INT32_MAX;
        for (uint32_t g = 0; g < value->group_count; g++) {
            const int16_t *worth = value->groups[g].worth;
            for (int32_t r = steps; r < GR_VALUE_STEPS && market->node_devices[g] > 0; r++) {
                int32_t loss = worth[r] - worth[r - steps];
                least = loss < least ? loss : least;
            }
        }
        value->base_part[steps] = least == INT32_MAX ? 0 : least;
    }
    for (int32_t k = 0; k <= GR_NODE_DEVICES_MAX; k++) {
        int32_t least = INT32_MAX;
        for (uint32_t g = 0; g < value->group_count; g++) {
            int32_t loss = k * value->groups[g].worth[GR_VALUE_STEPS - 1];
            least = loss < least && market->node_devices[g] >= (uint32_t)k ? loss : least;
        }
        value->base_whole[k] = least == INT32_MAX ? 0 : least;
    }
}

// Rounds of price changes: fewer where a round is very long, so that the time stays in bounds.
static unsigned rounds_count(const struct gr_market *market)
{
    unsigned pairs = 0;
    for (uint32_t i = 0; i < market->item_count; i++) {
        pairs += (unsigned)__builtin_popcount(market->items[i].groups);
    }
    unsigned rounds = pairs == 0 ? ROUNDS : ROUNDS * 500 / pairs;
    return rounds < ROUNDS_LEAST ? ROUNDS_LEAST : rounds > ROUNDS ? ROUNDS : rounds;
}

void gr_value_price(struct gr_market *market, struct gr_value *ret_value)
{
    assert(market != NULL && ret_value != NULL);
    struct row rows[KNOCKS + 1];
    float accepted[GR_MARKET_ITEMS];
    double capacity = 0, mean = 0;
    for (uint32_t i = 0; i < market->item_count; i++) {
        mean += (double)market->items[i].weight * market->items[i].milli;
    }
    memset(ret_value->group_of, UINT8_MAX, sizeof ret_value->group_of);
    for (uint32_t t = 0; t < market->type_count; t++) {
        const struct gr_market_type *type = &market->types[t];
        ret_value->group_of[type->site][type->variant] = type->group;
    }
    ret_value->group_count = market->group_count;
    for (uint32_t g = 0; g < market->group_count; g++) {
        capacity += (double)market->devices[g] * GR_DEVICE_MILLI;
    }
    float scale = (float)(capacity / mean);
    unsigned rounds = rounds_count(market);
    for (unsigned round = 0; round <= rounds; round++) {
        float left = (float)(rounds - round) / (float)rounds;
        float half = HALF_LAST + (HALF_FIRST - HALF_LAST) * left;
        for (uint32_t i = 0; i < market->item_count; i++) {
            market->items[i].accepted = 0;
        }
        for (uint32_t g = 0; g < market->group_count; g++) {
            memset(accepted, 0, sizeof accepted);
            values_find(market, g, half, rows);
            accepts_count(market, g, half, rows, accepted);
            for (uint32_t i = 0; i < market->item_count; i++) {
                struct gr_market_item *item = &market->items[i];
                float all = accepted[i] * market->devices[g];
                item->accepted += all;
                item->share[g] = all / (scale * item->weight);
            }
            for (unsigned r = 0; r < GR_VALUE_STEPS; r++) {
                ret_value->groups[g].worth[r] = rounded(rows[KNOCKS].at[WIDTH + r]);
            }
        }
        if (round < rounds) {
            prices_move(market, scale, STEP / (1 + (float)round * STEP_DECAY));
        }
    }
    bases_fill(market, ret_value);
}
