// The hash chain: what a group's hash is made of. For this folder only.
#pragma once

#include "journal/journal.h"

// Hash of the group, which follows the one whose hash is `before` (32 zero bytes: none). Never
// fails.
void gr_chain_next(const uint8_t before[GR_HASH_SIZE], const struct gr_journal_group *group,
                   uint8_t ret_hash[GR_HASH_SIZE]);
// Hash that guards the aside of the group that ends at `last` against damage. Not part of the
// chain. Never fails.
void gr_chain_aside(uint64_t last, const void *aside, size_t size, uint8_t ret_hash[GR_HASH_SIZE]);
