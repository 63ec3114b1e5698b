// Jobs that ended, as bytes: see ended_bytes.h.
#include "daemon/ended_bytes.h"

#include <assert.h>
#include <string.h>

#define TEXT_BIT GR_ENDED_NUMBERS
#define NODES_BIT (TEXT_BIT + 1)
static_assert(NODES_BIT < 28, "a mask is at most four bytes");

static void numbers_of(const struct gr_ended *e, uint64_t ret_numbers[GR_ENDED_NUMBERS])
{
    const uint64_t numbers[] = {e->id,
                                e->array,
                                e->array_index,
                                e->org,
                                e->user,
                                (uint64_t)e->submitted_ms,
                                (uint64_t)e->placed_ms,
                                (uint64_t)e->ended_ms,
                                (uint64_t)e->limit_ms,
                                e->demand.shape.cpu_milli,
                                e->demand.shape.memory_mib,
                                e->demand.shape.milli,
                                e->demand.shape.devices,
                                e->demand.tasks,
                                e->demand.priority,
                                e->demand.use,
                                e->attempt,
                                e->attempts,
                                e->dropped,
                                e->ending.outcome,
                                (uint64_t)e->ending.began_ms,
                                e->ending.cpu_ms,
                                e->ending.peak_kib,
                                (uint64_t)(int64_t)e->ending.exit_code,
                                e->ending.signal,
                                e->ending.task};
    static_assert(sizeof numbers == sizeof((struct gr_ended_before *)0)->numbers, "all of them");
    memcpy(ret_numbers, numbers, sizeof numbers);
}

static struct gr_ended ended_of(const uint64_t v[GR_ENDED_NUMBERS])
{
    return (struct gr_ended){.id = v[0],
                             .array = v[1],
                             .array_index = (uint32_t)v[2],
                             .org = (uint32_t)v[3],
                             .user = (uint32_t)v[4],
                             .submitted_ms = (int64_t)v[5],
                             .placed_ms = (int64_t)v[6],
                             .ended_ms = (int64_t)v[7],
                             .limit_ms = (int64_t)v[8],
                             .demand = {.shape = {.cpu_milli = (uint32_t)v[9],
                                                  .memory_mib = (uint32_t)v[10],
                                                  .milli = (uint16_t)v[11],
                                                  .devices = (uint8_t)v[12]},
                                        .tasks = (uint32_t)v[13],
                                        .priority = (uint8_t)v[14],
                                        .use = (uint8_t)v[15]},
                             .attempt = (uint32_t)v[16],
                             .attempts = (uint32_t)v[17],
                             .dropped = (uint32_t)v[18],
                             .ending = {.outcome = (uint32_t)v[19],
                                        .began_ms = (int64_t)v[20],
                                        .cpu_ms = v[21],
                                        .peak_kib = v[22],
                                        .exit_code = (int32_t)v[23],
                                        .signal = (uint32_t)v[24],
                                        .task = (uint32_t)v[25]}};
}

static size_t put_number(uint8_t *at, uint64_t value)
{
    size_t size = 0;
    for (; value >= 0x80; value >>= 7) {
        at[size++] = (uint8_t)(value | 0x80);
    }
    at[size++] = (uint8_t)value;
    return size;
}

static bool get_number(const uint8_t *bytes, size_t size, size_t *at, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && *at < size; shift += 7) {
        uint8_t byte = bytes[(*at)++];
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static bool has_other_nodes(const struct gr_ended_before *before, const struct gr_ended *ended)
{
    return ended->node_count != before->node_count ||
           memcmp(ended->nodes, before->nodes, ended->node_count * sizeof ended->nodes[0]) != 0;
}

static size_t put_nodes(uint8_t *at, struct gr_ended_before *before, const struct gr_ended *ended)
{
    size_t size = put_number(at, ended->node_count);
    for (uint32_t i = 0; i < ended->node_count; i++) {
        size += put_number(at + size, ended->nodes[i]);
    }
    before->node_count = ended->node_count;
    memcpy(before->nodes, ended->nodes, sizeof before->nodes);
    return size;
}

static bool get_nodes(const uint8_t *bytes, size_t size, size_t *at, struct gr_ended_before *before)
{
    uint64_t count;
    if (!get_number(bytes, size, at, &count) || count > GR_ENDED_NODES) {
        return false;
    }
    before->node_count = (uint32_t)count;
    for (uint32_t i = 0; i < before->node_count; i++) {
        uint64_t node;
        if (!get_number(bytes, size, at, &node) || node > UINT32_MAX) {
            return false;
        }
        before->nodes[i] = (uint32_t)node;
    }
    return true;
}

size_t gr_ended_bytes_write(struct gr_ended_before *before, const struct gr_ended *ended,
                            uint8_t *ret_bytes)
{
    assert(before != NULL && ended != NULL && ret_bytes != NULL);
    uint64_t numbers[GR_ENDED_NUMBERS];
    uint32_t mask = 0;
    numbers_of(ended, numbers);
    for (unsigned i = 0; i < GR_ENDED_NUMBERS; i++) {
        mask |= (uint32_t)(numbers[i] != before->numbers[i]) << i;
    }
    size_t text_size = strnlen(ended->text, sizeof ended->text - 1);
    mask |= (uint32_t)(text_size > 0) << TEXT_BIT;
    mask |= (uint32_t)has_other_nodes(before, ended) << NODES_BIT;
    size_t size = put_number(ret_bytes, mask);
    for (uint32_t rest = mask & ((1u << TEXT_BIT) - 1); rest != 0; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctz(rest);
        uint64_t change = numbers[i] - before->numbers[i];
        size += put_number(ret_bytes + size, change << 1 ^ (0 - (change >> 63)));
    }
    if ((mask >> NODES_BIT & 1) != 0) {
        size += put_nodes(ret_bytes + size, before, ended);
    }
    if (text_size > 0) {
        size += put_number(ret_bytes + size, text_size);
        memcpy(ret_bytes + size, ended->text, text_size);
        size += text_size;
    }
    assert(size <= GR_ENDED_BYTES_MAX);
    memcpy(before->numbers, numbers, sizeof numbers);
    return size;
}

bool gr_ended_bytes_read(struct gr_ended_before *before, const uint8_t *bytes, size_t size,
                         size_t *at, struct gr_ended *ret_ended)
{
    assert(before != NULL && bytes != NULL && at != NULL && ret_ended != NULL);
    uint64_t mask;
    if (!get_number(bytes, size, at, &mask) || mask >> (NODES_BIT + 1) != 0) {
        return false;
    }
    for (uint32_t rest = (uint32_t)mask & ((1u << TEXT_BIT) - 1); rest != 0; rest &= rest - 1) {
        uint64_t folded;
        if (!get_number(bytes, size, at, &folded)) {
            return false;
        }
        before->numbers[__builtin_ctz(rest)] += folded >> 1 ^ (0 - (folded & 1));
    }
    if ((mask >> NODES_BIT & 1) != 0 && !get_nodes(bytes, size, at, before)) {
        return false;
    }
    struct gr_ended ended = ended_of(before->numbers);
    ended.node_count = before->node_count;
    memcpy(ended.nodes, before->nodes, ended.node_count * sizeof ended.nodes[0]);
    if ((mask >> TEXT_BIT & 1) != 0) {
        uint64_t text_size;
        if (!get_number(bytes, size, at, &text_size) || text_size >= sizeof ended.text ||
            text_size > size - *at) {
            return false;
        }
        memcpy(ended.text, bytes + *at, (size_t)text_size);
        *at += (size_t)text_size;
    }
    *ret_ended = ended;
    return true;
}
