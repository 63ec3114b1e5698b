// Sealed parts: old groups in a file of their own, which may be moved away. For this folder only.
//
//     header, 128 bytes:
//       0 magic "granseal"   8 u32 format 1   12 u32 epoch of the group before   16 u64 first
//      24 u64 last   32 u64 groups   40 u64 offset of the index   48 hash of the group before (32)
//      80 zeros (16)   96 BLAKE2b-256 of the 96 bytes before
//     groups, one after the other, 104 bytes and what they count:
//       0 u64 first   8 u64 last   16 u32 epoch   20 u32 zero   24 u64 payload bytes
//      32 u64 aside bytes   40 hash of the group (32)   72 hash of the aside (32)
//     104 payload, aside
//     index: for each group u64 last, u64 offset; then BLAKE2b-256 of these; nothing follows
//
// Each byte is under some hash: those of the header and the index, the chain, or the aside's.
#pragma once

#include "journal/journal.h"

// Folder of the parts in the journal's directory.
#define GR_SEALED_DIR "sealed"
// Bytes of a part's name, "FIRST-LAST.sealed" with 20 digits each, NUL included.
#define GR_SEALED_NAME_SIZE 49

// What the name of a part says.
struct gr_sealed_name {
    uint64_t first, last; // sequences
};

// Formats the name of a part.
void gr_sealed_name(uint64_t first, uint64_t last, char ret_name[GR_SEALED_NAME_SIZE]);
// Lists the parts of the journal at `dir` by their first sequences; the caller frees. No folder: 0
// parts. Other files are passed over. Returns 0 or -errno.
int gr_sealed_list(const char *dir, struct gr_sealed_name **ret_names, size_t *ret_count,
                   struct gr_err *err);

// Bytes that are kept from call to call; the caller's memory, zeros at first.
struct gr_sealed_room {
    uint8_t *bytes; // the caller frees
    size_t size;
};

// Makes the room at least so large. Returns 0 or -ENOMEM.
int gr_sealed_room_grow(struct gr_sealed_room *room, size_t size, struct gr_err *err);

struct gr_sealed; // opaque; an open part

// Opens a part and checks its header and its size. Returns 0; -EBADMSG; -EPROTO if its format is
// newer; -errno.
int gr_sealed_open(const char *dir, const struct gr_sealed_name *name, struct gr_sealed **ret_part,
                   struct gr_err *err);
// NULL is allowed.
void gr_sealed_close(struct gr_sealed *part);
// The end that the part continues.
struct gr_journal_tip gr_sealed_before(const struct gr_sealed *part);
// Number of its groups.
uint64_t gr_sealed_count(const struct gr_sealed *part);
// Number (from 0) of the group that holds the sequence, which must lie in the part.
int gr_sealed_find(const struct gr_sealed *part, uint64_t sequence, uint64_t *ret_index,
                   struct gr_err *err);
// Reads a group and checks all of it but the chain. Its bytes are borrowed from the room.
int gr_sealed_read(const struct gr_sealed *part, uint64_t index, struct gr_sealed_room *room,
                   struct gr_journal_group *ret_group, uint8_t ret_hash[GR_HASH_SIZE],
                   struct gr_err *err);
// Checks the index: its hash, and that the groups lie one after the other without a gap.
int gr_sealed_check_index(const struct gr_sealed *part, struct gr_err *err);

struct gr_sealed_writer; // opaque

// Begins a part as the file `path`, replacing one that is there. `before` is the end it continues.
int gr_sealed_create(const char *path, const struct gr_journal_tip *before,
                     struct gr_sealed_writer **ret_writer, struct gr_err *err);
// Adds the next group.
int gr_sealed_add(struct gr_sealed_writer *writer, const struct gr_journal_group *group,
                  const uint8_t hash[GR_HASH_SIZE], struct gr_err *err);
// Ends the file durably and frees the writer, also on failure. There is at least one group.
int gr_sealed_commit(struct gr_sealed_writer *writer, struct gr_err *err);
// Gives it up and frees the writer; the file stays. NULL is allowed.
void gr_sealed_abort(struct gr_sealed_writer *writer);
