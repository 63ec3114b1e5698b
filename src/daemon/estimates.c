// Estimates and what came of them: see estimates.h.
#include "daemon/estimates.h"

#include "base/hash.h"
#include "base/rng.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// A band is at least so wide, and no scale smaller: nobody cares for less.
#define LEAST_MS 1000
// Ratios are cut there, in thousandths: what is 64 times too short is as wrong as can be.
#define RATIO_MOST 64000u
// How often questions are asked, and their part of the time.
#define ASK_MS 1000
#define ASK_PART 1000
// Candidates are taken as if no more were offered than this: newer ones have a better chance.
#define OFFERED_MOST 4096u

static const uint8_t magic[16] = "granary-estim-1\n";

void gr_estimates_init(struct gr_estimates *estimates)
{
    assert(estimates != NULL);
    memset(estimates, 0, sizeof *estimates);
}

// --- whom to ask about

void gr_estimates_offer(struct gr_estimates *estimates, uint64_t job)
{
    assert(job != 0);
    uint32_t count = estimates->candidate_count;
    estimates->offered += estimates->offered < OFFERED_MOST;
    if (count < GR_ESTIMATES_CANDIDATES) {
        estimates->candidates[estimates->candidate_count++] = job;
        return;
    }
    uint64_t at = gr_rng_next(&estimates->random) % estimates->offered;
    if (at < GR_ESTIMATES_CANDIDATES) {
        estimates->candidates[at] = job;
    }
}

int64_t gr_estimates_due(const struct gr_estimates *estimates, int64_t now_ms)
{
    int64_t left = estimates->next_ms - now_ms;
    return estimates->candidate_count == 0 ? INT64_MAX : left > 0 ? left : 0;
}

uint64_t gr_estimates_next(struct gr_estimates *estimates)
{
    if (estimates->candidate_count == 0) {
        return 0;
    }
    uint32_t at = (uint32_t)(gr_rng_next(&estimates->random) % estimates->candidate_count);
    uint64_t job = estimates->candidates[at];
    estimates->candidates[at] = estimates->candidates[--estimates->candidate_count];
    if (estimates->candidate_count == 0) {
        estimates->offered = 0;
    }
    return job;
}

// --- what comes of them

static struct gr_estimate_watch *watch_at(struct gr_estimates *estimates, uint64_t job)
{
    return &estimates->kept.watched[gr_rng_mix(job) % GR_ESTIMATES_WATCHED];
}

// `wait` over `of` in thousandths, both in milliseconds and not negative.
static uint32_t ratio_of(int64_t wait, int64_t of)
{
    unsigned __int128 ratio = (unsigned __int128)wait * 1000 / (uint64_t)(of < 1 ? 1 : of);
    return ratio > RATIO_MOST ? RATIO_MOST : (uint32_t)ratio;
}

static int64_t waited(const struct gr_estimate_watch *watch, int64_t at_ms)
{
    return at_ms > watch->asked_ms ? at_ms - watch->asked_ms : 0;
}

// An estimate is over: what came of it is kept.
static void check(struct gr_estimates *estimates, struct gr_estimate_watch *watch, int64_t at_ms,
                  bool is_open)
{
    struct gr_estimates_kept *kept = &estimates->kept;
    int64_t wait = waited(watch, at_ms);
    int64_t likely = watch->told.likely_ms;
    kept->rows[kept->next] = (struct gr_estimate_row){
        .ratio = ratio_of(wait, watch->scale_ms),
        .of_likely = ratio_of(wait, likely < LEAST_MS ? LEAST_MS : likely),
        .outcome = wait < watch->told.earliest_ms ? GR_ESTIMATE_EARLY
                   : wait > watch->told.latest_ms ? GR_ESTIMATE_LATE
                                                  : GR_ESTIMATE_INSIDE,
        .class = (uint8_t)watch->class,
        .is_open = is_open,
    };
    kept->next = (kept->next + 1) % GR_ESTIMATES_KEPT;
    kept->count += kept->count < GR_ESTIMATES_KEPT;
    kept->total++;
    *watch = (struct gr_estimate_watch){0};
    estimates->has_changed = true;
}

void gr_estimates_asked(struct gr_estimates *estimates, int64_t now_ms, int64_t cost_ns)
{
    int64_t rest_ms = cost_ns / 1000000 * ASK_PART;
    estimates->next_ms = now_ms + (rest_ms > ASK_MS ? rest_ms : ASK_MS);
    for (uint32_t i = 0; i < GR_ESTIMATES_WATCHED; i++) {
        struct gr_estimate_watch *watch = &estimates->kept.watched[i];
        if (watch->job != 0 && ratio_of(waited(watch, now_ms), watch->scale_ms) == RATIO_MOST) {
            check(estimates, watch, now_ms, true);
        }
    }
}

bool gr_estimates_watch(struct gr_estimates *estimates, uint64_t job, int64_t now_ms,
                        unsigned class, const struct gr_estimate_band *band)
{
    struct gr_estimate_watch *watch = watch_at(estimates, job);
    assert(job != 0 && class < GR_ESTIMATES_CLASSES);
    assert(band->earliest_ms >= 0 && band->latest_ms >= band->earliest_ms);
    if (watch->job != 0) {
        return false;
    }
    struct gr_estimate_watch made = {.job = job, .asked_ms = now_ms, .class = class};
    made.scale_ms = band->latest_ms < LEAST_MS ? LEAST_MS : band->latest_ms;
    (void)gr_estimates_band(estimates, class, now_ms, band, &made.told);
    *watch = made;
    estimates->has_changed = true;
    return true;
}

void gr_estimates_started(struct gr_estimates *estimates, uint64_t job, int64_t at_ms)
{
    struct gr_estimate_watch *watch = watch_at(estimates, job);
    if (watch->job == job) {
        check(estimates, watch, at_ms, false);
    }
}

void gr_estimates_left(struct gr_estimates *estimates, uint64_t job, int64_t at_ms)
{
    struct gr_estimate_watch *watch = watch_at(estimates, job);
    if (watch->job != job) {
        return;
    }
    if (waited(watch, at_ms) > watch->told.latest_ms) {
        check(estimates, watch, at_ms, true);
    } else {
        *watch = (struct gr_estimate_watch){0};
        estimates->has_changed = true;
    }
}

// --- ratios in order

struct item {
    uint32_t ratio;
    bool is_open; // it is no smaller than that
};

static int by_ratio(const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    return left->ratio != right->ratio ? (left->ratio < right->ratio ? -1 : 1)
                                       : (int)left->is_open - (int)right->is_open;
}

// Ratios of a class (GR_ESTIMATES_CLASSES: of all); *ret_checked: how many of them are checked.
static uint32_t items_make(const struct gr_estimates *estimates, unsigned class, int64_t now_ms,
                           struct item *items, uint32_t *ret_checked)
{
    const struct gr_estimates_kept *kept = &estimates->kept;
    uint32_t count = 0;
    for (uint32_t i = 0; i < kept->count; i++) {
        if (class == GR_ESTIMATES_CLASSES || kept->rows[i].class == class) {
            items[count++] = (struct item){kept->rows[i].ratio, kept->rows[i].is_open != 0};
        }
    }
    *ret_checked = count;
    for (uint32_t i = 0; i < GR_ESTIMATES_WATCHED; i++) {
        const struct gr_estimate_watch *watch = &kept->watched[i];
        if (watch->job != 0 && (class == GR_ESTIMATES_CLASSES || watch->class == class)) {
            items[count++] = (struct item){ratio_of(waited(watch, now_ms), watch->scale_ms), true};
        }
    }
    qsort(items, count, sizeof *items, by_ratio);
    return count;
}

// The ratios below which a tenth, half and nine tenths lie, by the product-limit estimator: what is
// open lowers the number of those who can still be longer, not the chance to be.
static struct gr_estimate_spread spread_find(const struct gr_estimates *estimates, unsigned class,
                                             int64_t now_ms)
{
    struct item items[GR_ESTIMATES_KEPT + GR_ESTIMATES_WATCHED];
    struct gr_estimate_spread spread = {0};
    uint32_t count = items_make(estimates, class, now_ms, items, &spread.checked);
    if (spread.checked < GR_ESTIMATES_ENOUGH) {
        return spread;
    }
    const uint64_t one = UINT64_C(1) << 32;
    uint64_t longer = one; // the part of waits that is longer than those so far
    uint64_t n = spread.checked, tenth = (n + 1) * one / 10 / n;
    bool has_low = false, has_middle = false;
    spread.high = items[count - 1].ratio; // if all else is open
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].is_open) {
            continue;
        }
        longer = longer * (count - i - 1) / (count - i);
        if (!has_low && one - longer + one / n > tenth) {
            spread.low = items[i].ratio;
            has_low = true;
        }
        if (!has_middle && longer <= one / 2) {
            spread.middle = items[i].ratio;
            has_middle = true;
        }
        if (longer <= one - tenth * 9) {
            spread.high = items[i].ratio;
            break;
        }
    }
    spread.low = has_low ? spread.low : spread.high;
    spread.middle = has_middle ? spread.middle : spread.high;
    return spread;
}

// --- what they are worth

static int64_t part_of(int64_t scale_ms, uint32_t ratio)
{
    __int128 part = (__int128)scale_ms * ratio / 1000;
    return part > INT64_MAX ? INT64_MAX : (int64_t)part;
}

enum gr_estimate_from gr_estimates_band(const struct gr_estimates *estimates, unsigned class,
                                        int64_t now_ms, const struct gr_estimate_band *band,
                                        struct gr_estimate_band *ret_band)
{
    assert(class < GR_ESTIMATES_CLASSES);
    enum gr_estimate_from from = GR_FROM_CLASS;
    struct gr_estimate_spread spread = spread_find(estimates, class, now_ms);
    if (spread.checked < GR_ESTIMATES_ENOUGH) {
        from = GR_FROM_ALL;
        spread = spread_find(estimates, GR_ESTIMATES_CLASSES, now_ms);
    }
    struct gr_estimate_band told = *band;
    if (spread.checked < GR_ESTIMATES_ENOUGH) {
        from = GR_FROM_CONVENTION;
    } else {
        int64_t scale_ms = band->latest_ms < LEAST_MS ? LEAST_MS : band->latest_ms;
        told = (struct gr_estimate_band){part_of(scale_ms, spread.low),
                                         part_of(scale_ms, spread.middle),
                                         part_of(scale_ms, spread.high)};
    }
    if (told.latest_ms - told.earliest_ms < LEAST_MS) {
        told.latest_ms =
            told.earliest_ms > INT64_MAX - LEAST_MS ? INT64_MAX : told.earliest_ms + LEAST_MS;
    }
    *ret_band = told;
    return from;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

static uint32_t step_of(uint32_t of_likely)
{
    uint32_t step = 0;
    for (uint32_t upto = 125; step < GR_ESTIMATES_STEPS - 1 && of_likely > upto; upto *= 2) {
        step++;
    }
    return step;
}

void gr_estimates_sum(const struct gr_estimates *estimates, int64_t now_ms,
                      struct gr_estimates_sum *ret_sum)
{
    const struct gr_estimates_kept *kept = &estimates->kept;
    struct gr_estimates_sum sum = {.total = kept->total, .checked = kept->count};
    uint32_t of_likely[GR_ESTIMATES_KEPT];
    for (uint32_t i = 0; i < GR_ESTIMATES_WATCHED; i++) {
        sum.watched += kept->watched[i].job != 0;
    }
    for (uint32_t i = 0; i < kept->count; i++) {
        of_likely[i] = kept->rows[i].of_likely;
        sum.outcomes[kept->rows[i].outcome]++;
        sum.steps[step_of(of_likely[i])]++;
    }
    if (kept->count > 0) {
        qsort(of_likely, kept->count, sizeof *of_likely, by_number);
        sum.error_percent = ((int32_t)of_likely[kept->count / 2] - 1000) / 10;
        sum.inside_percent =
            (sum.outcomes[GR_ESTIMATE_INSIDE] * 100 + kept->count / 2) / kept->count;
    }
    sum.all = spread_find(estimates, GR_ESTIMATES_CLASSES, now_ms);
    for (unsigned c = 0; c < GR_ESTIMATES_CLASSES; c++) {
        sum.classes[c] = spread_find(estimates, c, now_ms);
    }
    *ret_sum = sum;
}

// --- a file's bytes

static void bytes_hash(const uint8_t *bytes, uint8_t ret_digest[GR_HASH_SIZE])
{
    struct gr_hash hash;
    gr_hash_init(&hash);
    gr_hash_add(&hash, bytes, GR_ESTIMATES_BYTES - GR_HASH_SIZE);
    gr_hash_end(&hash, ret_digest);
}

void gr_estimates_save(const struct gr_estimates *estimates, uint8_t ret_bytes[GR_ESTIMATES_BYTES])
{
    memcpy(ret_bytes, magic, sizeof magic);
    memcpy(ret_bytes + sizeof magic, &estimates->kept, sizeof estimates->kept);
    bytes_hash(ret_bytes, ret_bytes + GR_ESTIMATES_BYTES - GR_HASH_SIZE);
}

// Is everything in its range? The hash tells damage, not what another program wrote.
static bool is_sound(const struct gr_estimates_kept *kept)
{
    bool sound = kept->count <= GR_ESTIMATES_KEPT && kept->next < GR_ESTIMATES_KEPT;
    for (uint32_t i = 0; i < GR_ESTIMATES_KEPT; i++) {
        const struct gr_estimate_row *row = &kept->rows[i];
        sound = sound && row->ratio <= RATIO_MOST && row->of_likely <= RATIO_MOST &&
                row->outcome < GR_ESTIMATE_OUTCOMES && row->class < GR_ESTIMATES_CLASSES;
    }
    for (uint32_t i = 0; i < GR_ESTIMATES_WATCHED; i++) {
        const struct gr_estimate_watch *watch = &kept->watched[i];
        sound = sound && (watch->job == 0 ||
                          (watch->class < GR_ESTIMATES_CLASSES && watch->scale_ms >= LEAST_MS &&
                           watch->asked_ms >= 0 && watch->told.earliest_ms >= 0 &&
                           watch->told.likely_ms >= 0 && watch->told.latest_ms >= 0 &&
                           gr_rng_mix(watch->job) % GR_ESTIMATES_WATCHED == i));
    }
    return sound;
}

bool gr_estimates_load(struct gr_estimates *estimates, const uint8_t *bytes, size_t size)
{
    uint8_t digest[GR_HASH_SIZE];
    gr_estimates_init(estimates);
    if (size != GR_ESTIMATES_BYTES || memcmp(bytes, magic, sizeof magic) != 0) {
        return false;
    }
    bytes_hash(bytes, digest);
    if (memcmp(digest, bytes + GR_ESTIMATES_BYTES - GR_HASH_SIZE, GR_HASH_SIZE) != 0) {
        return false;
    }
    memcpy(&estimates->kept, bytes + sizeof magic, sizeof estimates->kept);
    if (!is_sound(&estimates->kept)) {
        gr_estimates_init(estimates);
        return false;
    }
    return true;
}
