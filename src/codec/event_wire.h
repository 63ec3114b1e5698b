// Integers and bytes of facts, written or read through one cursor: for event_bytes.c, which says
// what a fact is made of, in the two forms that event_bytes.h describes.
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// A cursor that writes or reads. After a failure it does nothing more. The caller's memory.
struct wire {
    uint8_t *out;      // writing, else NULL
    const uint8_t *in; // reading, else NULL
    size_t at, size;   // of the bytes
    const char *wrong; // what failed, or NULL
    bool is_packed;    // see event_bytes.h
};

// What is wrong with a fact whose bytes end in the middle of a field.
static const char too_early[] = "the fact ends too early";

// So many bytes, as they are.
static inline void bytes_pass(struct wire *wire, void *bytes, size_t count)
{
    if (wire->wrong != NULL) {
        return;
    }
    if (wire->size - wire->at < count) {
        wire->wrong = too_early;
        return;
    }
    if (wire->out != NULL) {
        memcpy(wire->out + wire->at, bytes, count);
    } else {
        memcpy(bytes, wire->in + wire->at, count);
    }
    wire->at += count;
}

// An integer of `count` bytes, the lowest first. Each fact has dozens of these, so the compiler is
// to know `count` everywhere.
__attribute__((always_inline)) static inline uint64_t fixed_pass(struct wire *wire, uint64_t value,
                                                                 size_t count)
{
    uint64_t bytes = htole64(value);
    if (wire->wrong != NULL || wire->size - wire->at < count) {
        wire->wrong = wire->wrong != NULL ? wire->wrong : too_early;
        return value;
    }
    if (wire->out != NULL) {
        memcpy(wire->out + wire->at, &bytes, count);
    } else {
        bytes = 0;
        memcpy(&bytes, wire->in + wire->at, count);
        value = le64toh(bytes);
    }
    wire->at += count;
    return value;
}

// Writes a packed number; no room is too_early.
static inline void number_write(struct wire *wire, uint64_t value)
{
    unsigned count = (70u - (unsigned)__builtin_clzll(value | 1)) / 7;
    if (wire->size - wire->at < count) {
        wire->wrong = too_early;
        return;
    }
    uint8_t *out = wire->out + wire->at;
    wire->at += count;
    for (; value >= 0x80; value >>= 7) {
        *out++ = (uint8_t)(value | 0x80);
    }
    *out = (uint8_t)value;
}

// A number of at most `most`, in as few bytes as it takes: there is one way to write a fact.
static inline uint64_t number_read(struct wire *wire, uint64_t most)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (wire->at == wire->size) {
            wire->wrong = too_early;
            return 0;
        }
        uint8_t byte = wire->in[wire->at++];
        if (byte == 0 && shift > 0) {
            wire->wrong = "a number is longer than it need be";
            return 0;
        }
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            wire->wrong = value > most ? "a number is too large for its field" : wire->wrong;
            return value;
        }
    }
    wire->wrong = "a number is too large for its field";
    return 0;
}

// An integer of at most `count` bytes, in the form of the fact.
__attribute__((always_inline)) static inline uint64_t integer_pass(struct wire *wire,
                                                                   uint64_t value, size_t count)
{
    if (!wire->is_packed) {
        return fixed_pass(wire, value, count);
    }
    if (wire->wrong != NULL) {
        return value;
    }
    // Most are less than 128.
    if (wire->out == NULL) {
        bool is_short = wire->at < wire->size && wire->in[wire->at] < 0x80;
        return is_short ? wire->in[wire->at++] : number_read(wire, UINT64_MAX >> (64 - 8 * count));
    }
    if (value < 0x80 && wire->at < wire->size) {
        wire->out[wire->at++] = (uint8_t)value;
    } else {
        number_write(wire, value);
    }
    return value;
}

// One byte in both forms.
static inline void u8_pass(struct wire *wire, uint8_t *value)
{
    *value = (uint8_t)fixed_pass(wire, *value, 1);
}

// See integer_pass.
static inline void u16_pass(struct wire *wire, uint16_t *value)
{
    *value = (uint16_t)integer_pass(wire, *value, 2);
}

// See integer_pass.
static inline void u32_pass(struct wire *wire, uint32_t *value)
{
    *value = (uint32_t)integer_pass(wire, *value, 4);
}

// See integer_pass.
static inline void u64_pass(struct wire *wire, uint64_t *value)
{
    *value = integer_pass(wire, *value, 8);
}

// A time; packed, as the difference to `base`.
static inline void time_pass(struct wire *wire, int64_t *value, int64_t base)
{
    if (!wire->is_packed) {
        *value = (int64_t)fixed_pass(wire, (uint64_t)*value, 8);
        return;
    }
    uint64_t change = (uint64_t)*value - (uint64_t)base;
    uint64_t folded = integer_pass(wire, change << 1 ^ (0 - (change >> 63)), 8);
    *value = (int64_t)((folded >> 1 ^ (0 - (folded & 1))) + (uint64_t)base);
}

// An integer with a sign; packed, folded.
static inline void i64_pass(struct wire *wire, int64_t *value)
{
    time_pass(wire, value, 0);
}
