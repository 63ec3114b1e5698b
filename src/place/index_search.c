// Decisions by the candidate index, and whether it is what it should be: see index.c, which makes
// it.
#include "place/state.h"

#include <string.h>

// Rows at the top level that are in use.
static uint32_t top_rows(const struct gr_place *place)
{
    return (uint32_t)place->row_count[place->levels - 1];
}

// The first of the GR_FAN rows from `row` on whose score is the highest, and that score.
static uint32_t row_best(const struct gr_place *place, unsigned level, uint32_t row, unsigned slot,
                         uint8_t *ret_score)
{
    const uint8_t *scores = gr_chunk_at(place, level, row, slot / GR_LANES) + slot % GR_LANES;
    uint32_t best = 0;
    uint8_t most = 0;
    for (uint32_t i = 0; i < GR_FAN; i++) {
        if (scores[i * GR_LANES] > most) {
            most = scores[i * GR_LANES];
            best = i;
        }
    }
    *ret_score = most;
    return row + best;
}

// The first of the GR_FAN rows from `row` on whose score is `score`; the caller knows there is one.
static uint32_t row_first(const struct gr_place *place, unsigned level, uint32_t row, unsigned slot,
                          uint8_t score)
{
    const uint8_t *scores = gr_chunk_at(place, level, row, slot / GR_LANES) + slot % GR_LANES;
    uint32_t i = 0;
    while (scores[i * GR_LANES] != score) {
        i++;
        assert(i < GR_FAN);
    }
    return row + i;
}

// True if all nodes below a row, of level 1 or 2, are passed over; rows above are not asked.
static bool skips_all(const struct gr_place *place, int level, uint32_t row)
{
    const uint64_t *bits = gr_at(place, place->skip_at);
    if (place->skipping == 0 || level == 0 || level > 2) {
        return false;
    }
    if (level == 1) {
        return (bits[row / 4] >> row % 4 * 16 & 0xffff) == 0xffff;
    }
    return (bits[row * 4] & bits[row * 4 + 1] & bits[row * 4 + 2] & bits[row * 4 + 3]) ==
           UINT64_MAX;
}

// The first leaf with enough memory, which is not passed over, whose score is the highest from
// `least` to `most`, or UINT32_MAX; then *ret_next is the highest score below `least` that was met.
// The caller knows that no leaf above `most` has enough. Depth-first, without recursion.
static uint32_t search(const struct gr_place *place, unsigned slot, uint32_t memory_mib,
                       uint8_t least, uint8_t most, uint8_t *ret_next)
{
    assert(least >= 1 && least <= most);
    uint32_t at[GR_LEVELS] = {0};
    int level = (int)place->levels - 1;
    int top = level;
    uint32_t found = UINT32_MAX;
    uint8_t best = (uint8_t)(least - 1);
    *ret_next = 0;
    while (level <= top) {
        uint32_t row = at[level];
        if (level == top ? row == top_rows(place) : row / GR_FAN != at[level + 1]) {
            level++;
            if (level <= top) {
                at[level]++;
            }
            continue;
        }
        uint8_t byte = gr_score_at(place, (unsigned)level, row, slot);
        if (byte <= best) {
            *ret_next = byte > *ret_next ? byte : *ret_next;
        } else if (skips_all(place, level, row)) {
            at[level]++;
            continue;
        } else if (level > 0) {
            level--;
            at[level] = row * GR_FAN;
            continue;
        } else if (byte <= most && gr_node_at(place, row)->memory_mib >= memory_mib &&
                   !gr_skips(place, row)) {
            if (byte == most) {
                return row;
            }
            found = row;
            best = byte;
        }
        at[level]++;
    }
    return found;
}

// Scores that are searched one by one before all others are at once: mostly the next few have a
// node with enough memory, and then few rows are looked at.
#define EXACT_SEARCHES 3

bool gr_index_best(const struct gr_place *place, unsigned slot, const struct gr_shape *shape,
                   uint32_t *ret_node)
{
    assert(slot < place->slot_count);
    assert(place->dirty_count == 0 && !place->stale);
    unsigned level = place->levels - 1;
    uint8_t score;
    uint32_t row = row_best(place, level, 0, slot, &score);
    if (score == 0) {
        return false;
    }
    while (level > 0) {
        level--;
        row = row_first(place, level, row * GR_FAN, slot, score);
    }
    if (gr_node_at(place, row)->memory_mib >= shape->memory_mib && !gr_skips(place, row)) {
        *ret_node = row;
        return true;
    }
    for (unsigned searches = 0; score > 0; searches++) {
        uint8_t next, least = searches < EXACT_SEARCHES ? score : 1;
        row = search(place, slot, shape->memory_mib, least, score, &next);
        if (row != UINT32_MAX) {
            *ret_node = row;
            return true;
        }
        score = next;
    }
    return false;
}

const char *gr_index_audit(const struct gr_place *place)
{
    if (place->stale) {
        return NULL;
    }
    const uint8_t *flags = gr_at(place, place->flags_at);
    for (uint32_t n = 0; n < place->node_count; n++) {
        for (uint32_t s = 0; s < place->slot_count && flags[n] == 0; s++) {
            if (gr_score_at(place, 0, n, s) !=
                gr_choose_score(place, n, &gr_slot_at(place, s)->shape)) {
                return "a score in the index is not the policy's";
            }
        }
    }
    for (unsigned l = 1; l < place->levels && place->dirty_count == 0; l++) {
        for (uint32_t r = 0; r < place->row_count[l - 1] / GR_FAN; r++) {
            for (uint32_t s = 0; s < place->slot_count; s++) {
                uint8_t score;
                (void)row_best(place, l - 1, r * GR_FAN, s, &score);
                if (score != gr_score_at(place, l, r, s)) {
                    return "an inner row of the index is not the maximum below";
                }
            }
        }
    }
    return NULL;
}
