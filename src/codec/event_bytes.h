// Facts as bytes, for the journal and for recordings. Two forms, of which both are read for ever:
//
//     packed    u32 size of all that follows it, and bit 31 set
//     fixed     u32 size of all that follows it; what the first releases wrote
//
// and then in both
//
//     u16 type   u16 version   u64 sequence   i64 at_ms   i64 since_ms   u32 epoch   body by type,
//     as listed in event_bytes.c
//
// In the fixed form integers have their full size, little-endian. In the packed one u8 has, too;
// the others are LEB128 numbers (seven bits a byte, the lowest first, the high bit: more follow),
// in as few bytes as they take; those with a sign are folded, so that small ones of either sign are
// short (0, -1, 1, -2, ... are 0, 1, 2, 3); since_ms is the difference to at_ms, and an ending's
// began that to since_ms, both of which wrap. Most integers of a fact are small: the facts of a job
// take 160 bytes instead of 370, of which each is hashed, summed, copied and written twice.
//
// A decoded fact is well formed as bytes; whether it may become history is gr_core_check's
// question. The meaning of a type and version never changes; an unknown one is an error that names
// it.
#pragma once

#include "base/err.h"
#include "core/event.h"

#include <stddef.h>

// Bytes of the largest fact (a gang of GR_TASKS_MAX pieces for which GR_CALLED_MAX jobs go).
#define GR_EVENT_BYTES_MAX (64u + 21u * GR_TASKS_MAX + 15u * GR_CALLED_MAX + 64u)
// Edges of decoded facts together.
#define GR_EVENT_EDGES GR_CALLED_MAX

// Where the arrays of decoded facts go; about 1.6 MB, the caller's.
struct gr_event_room {
    uint32_t piece_count, item_count, edge_count, mask_count, range_count; // used so far
    struct gr_piece pieces[GR_TASKS_MAX];
    struct gr_mix_item items[GR_MIX_MAX];
    struct gr_mask mask;
    struct gr_edge edges[GR_EVENT_EDGES];
    struct gr_range ranges[GR_WINDOW_RANGES_MAX];
};

// Writes one fact to `bytes`, packed. Returns how many bytes it took, or -ENOSPC if `size` is too
// small (nothing useful is in `bytes` then). The fact's arrays are read. Pure.
long gr_event_encode(const struct gr_event *event, uint8_t *bytes, size_t size);

// The same in the fixed form: for tests of reading it.
long gr_event_encode_fixed(const struct gr_event *event, uint8_t *bytes, size_t size);

// Reads one fact from the beginning of `bytes`. Its arrays are put into `room` and borrowed from
// it. Returns how many bytes it took; 0 if `size` bytes are not a whole fact yet; -EINVAL with a
// text that says at which byte what is wrong; then *ret_event is untouched. What was in the room
// before is gone.
long gr_event_decode(const uint8_t *bytes, size_t size, struct gr_event_room *room,
                     struct gr_event *ret_event, struct gr_err *err);

// As gr_event_decode for several facts whose arrays share the room: as many as are whole and have
// room for their arrays, at most `most` (>= 1). *ret_count: how many. Returns how many bytes they
// took; 0 and no facts if `size` bytes are not a whole one; -EINVAL if there is something wrong
// with the first one (a wrong one behind good ones ends these and is told at the next call).
long gr_event_decode_many(const uint8_t *bytes, size_t size, struct gr_event_room *room,
                          struct gr_event *ret_events, uint32_t most, uint32_t *ret_count,
                          struct gr_err *err);
