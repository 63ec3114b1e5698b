// Submitters that keepers have looked up lately, so that not every start asks the name services
// anew. The launcher holds them but never looks anybody up itself: that may take long. A keeper
// finds them in the memory it was forked with, and says whom it had to look up.
#pragma once

#include "engine/local/person.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

// Persons that are kept, and for how long.
#define GR_PERSON_CACHE_MAX 32
#define GR_PERSON_CACHE_MS 60000
// Bytes of a person on its way at most: what a pipe takes whole, with a hint before it.
#define GR_PERSON_BYTES_MAX 3072

// The cache. Caller's memory, about 330 KiB; valid when zero.
struct gr_person_cache {
    struct gr_person persons[GR_PERSON_CACHE_MAX];
    int64_t found_ms[GR_PERSON_CACHE_MAX]; // monotonic; when each was added
    uint32_t count;                        // of persons
    uint32_t next;                         // whose place the next one takes when it is full
    struct timespec changed[2];            // of /etc/passwd and /etc/group when last looked at
};

// Empties the cache if the machine's own user files changed since the last call. Two stats.
void gr_person_cache_check(struct gr_person_cache *cache);
// The person, or NULL if it is not known or was added too long before `now_ms`. Borrowed.
const struct gr_person *gr_person_cache_find(const struct gr_person_cache *cache, uint32_t uid,
                                             uint32_t gid, int64_t now_ms);
// Adds a person, in place of the one with its uid and gid or the oldest.
void gr_person_cache_add(struct gr_person_cache *cache, const struct gr_person *person,
                         int64_t now_ms);

// Writes a person as bytes. Returns how many, at most GR_PERSON_BYTES_MAX; 0 if it needs more.
size_t gr_person_pack(const struct gr_person *person, uint8_t bytes[GR_PERSON_BYTES_MAX]);
// Reads what gr_person_pack wrote. Returns 0, or -EBADMSG; *ret_person is undefined then.
int gr_person_unpack(const uint8_t *bytes, size_t size, struct gr_person *ret_person);
