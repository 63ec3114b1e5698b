// The hash chain: see chain.h. Its form is published (docs/formats/journal.md) and must never
// change.
#include "journal/chain.h"

#include "journal/disk.h"

#include <assert.h>

void gr_chain_next(const uint8_t before[GR_HASH_SIZE], const struct gr_journal_group *group,
                   uint8_t ret_hash[GR_HASH_SIZE])
{
    assert(group->first >= 1 && group->first <= group->last);
    assert(group->payload != NULL && group->payload_size > 0);
    uint8_t numbers[24];
    struct gr_hash hash;
    gr_disk_put64(numbers, group->first);
    gr_disk_put64(numbers + 8, group->last);
    gr_disk_put64(numbers + 16, group->epoch);
    gr_hash_init(&hash);
    gr_hash_add(&hash, before, GR_HASH_SIZE);
    gr_hash_add(&hash, numbers, sizeof numbers);
    gr_hash_add(&hash, group->payload, group->payload_size);
    gr_hash_end(&hash, ret_hash);
}

void gr_chain_aside(uint64_t last, const void *aside, size_t size, uint8_t ret_hash[GR_HASH_SIZE])
{
    uint8_t number[8];
    struct gr_hash hash;
    gr_disk_put64(number, last);
    gr_hash_init(&hash);
    gr_hash_add(&hash, number, sizeof number);
    gr_hash_add(&hash, aside, size);
    gr_hash_end(&hash, ret_hash);
}
