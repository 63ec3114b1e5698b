// The journal: groups of bytes in their order, durable, hash-chained. It knows nothing of facts.
//
// A group is what one sync makes durable: sequences `first` to `last`, the writer's epoch, a
// payload that is part of the hash chain, and an aside that is not (personal data; the payload
// commits to it with salted hashes, so that it can be erased without breaking the chain). The
// interface is asynchronous: one group is on its way to the disk while the caller gathers the next.
// A store stands behind it (SQLite here); nothing above may know which.
//
//     hash of a group = BLAKE2b-256(hash of the one before | first | last | epoch | payload)
//
// with integers as 8 bytes little-endian; before the first group stand 32 zero bytes.
#pragma once

#include "base/err.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Largest payload, and largest aside, of one group, in bytes.
#define GR_JOURNAL_GROUP_BYTES_MAX ((size_t)256 << 20)

// The end of a journal: what the next group continues.
struct gr_journal_tip {
    uint64_t sequence;          // of the last fact; 0: nothing was ever written
    uint32_t epoch;             // of the last writer; 0: there was none
    uint8_t hash[GR_HASH_SIZE]; // of the last group; zeros before the first
};

// A group. Bytes are borrowed: from the caller until it is done, or from the reader until its next
// call.
struct gr_journal_group {
    uint64_t first, last;   // sequences; first <= last
    uint32_t epoch;         // of the writer
    const uint8_t *payload; // in the hash chain
    size_t payload_size;    // > 0
    const uint8_t *aside;   // not in it
    size_t aside_size;      // 0: none
};

// --- writing: one writer a directory

struct gr_journal; // opaque; has a thread that writes and one that checkpoints

// How a journal is opened for writing.
struct gr_journal_config {
    const char *dir;         // directory of the journal; made (0700) if it is not there
    uint64_t limit_bytes;    // of the file; a group beyond is refused with -ENOSPC; 0: none
    uint32_t checkpoint_mib; // write-ahead log size at which a checkpoint is made; 0: 16
};

// Opens the directory for writing and becomes its only writer: takes its lock (-EBUSY if another
// process has it), compares the last group with the head file (-EBADMSG if the journal ends before
// its head, or the last group's hash is wrong: the text names the sequences and says what to do),
// and claims the next epoch durably. Checks no more than the end: gr_journal_verify does the rest.
// Blocks. On failure nothing is left behind.
int gr_journal_open(const struct gr_journal_config *config, struct gr_journal **ret_journal,
                    struct gr_err *err);
// Waits for the group on its way, checkpoints, gives the lock back. NULL is allowed.
void gr_journal_close(struct gr_journal *journal);
// The end as it is durable now, with the epoch that this writer claimed.
struct gr_journal_tip gr_journal_tip_get(const struct gr_journal *journal);

// Hands over a group to be made durable. Its `first` must be expected_sequence + 1, which must be
// the tip's sequence; its epoch must be this writer's. Returns at once: 0; -EBUSY while another
// group is on its way; -ESTALE if sequence or epoch do not match. Bytes are borrowed until
// gr_journal_poll says that it is done.
int gr_journal_append(struct gr_journal *journal, const struct gr_journal_group *group,
                      uint64_t expected_sequence, struct gr_err *err);
// A file descriptor that is readable when gr_journal_poll has something to say. Borrowed.
int gr_journal_fd(const struct gr_journal *journal);
// Whether the group on its way is done. Returns 1 when it is durable (once a group), 0 while there
// is nothing new, -ENOSPC when the disk or limit is full: the group was not written, nothing is
// lost, and the same group may be handed over again later; any other -errno is final: the process
// must stop at once, since nobody knows what the disk holds. Does not block.
int gr_journal_poll(struct gr_journal *journal, struct gr_err *err);
// As gr_journal_poll, but waits for the group on its way.
int gr_journal_wait(struct gr_journal *journal, struct gr_err *err);

// --- reading: any number of readers, also beside a writer, also offline

struct gr_journal_reader; // opaque; one thread at a time

// Opens the directory for reading, to begin with the group that holds sequence `from` (1: the
// first). Sealed parts are read as if they were not sealed. -ENOENT if there is no journal;
// -ENODATA if `from` lies in a part that was moved away.
int gr_journal_reader_open(const char *dir, uint64_t from, struct gr_journal_reader **ret_reader,
                           struct gr_err *err);
// NULL is allowed.
void gr_journal_reader_close(struct gr_journal_reader *reader);
// Reads the next group and checks its hash against the one before. Returns 1 and the group; 0 at
// the end as it is now (call again later); -EBADMSG with the sequence and what to do if the chain
// does not hold; other -errno.
int gr_journal_reader_next(struct gr_journal_reader *reader, struct gr_journal_group *ret_group,
                           struct gr_err *err);
// Hash of the last group that was read, and of the group before `from` at first.
void gr_journal_reader_hash(const struct gr_journal_reader *reader, uint8_t ret_hash[GR_HASH_SIZE]);
// The group that holds sequence `sequence`, without moving the reader and without a check of the
// chain. Returns 1, 0 if there is none (moved away, or not written yet), or -errno.
int gr_journal_reader_find(struct gr_journal_reader *reader, uint64_t sequence,
                           struct gr_journal_group *ret_group, struct gr_err *err);

// --- care of the whole (offline unless said otherwise)

// What gr_journal_verify found.
struct gr_journal_verified {
    uint64_t first, last;       // sequences that are here
    uint64_t groups;            // their number
    uint64_t payload_bytes;     // in all
    uint64_t aside_bytes;       // in all
    uint64_t parts;             // sealed parts that were read
    uint8_t hash[GR_HASH_SIZE]; // of the last group
    bool is_whole;              // nothing was moved away: the chain was checked from sequence 1
};

// Checks everything: each byte of each group against the chain, no gap, the head file, the sealed
// parts. May run beside a writer (then up to the tip of that moment). `progress` may be NULL; it is
// called now and then with the sequence reached and the last one. -EBADMSG with the sequence and
// what to do.
int gr_journal_verify(const char *dir, void (*progress)(void *context, uint64_t at, uint64_t last),
                      void *context, struct gr_journal_verified *ret_verified, struct gr_err *err);
// Moves all groups that end before `before` into a sealed part, a file in DIR/sealed named
// FIRST-LAST.sealed, verified before anything is removed; a stop at any moment loses nothing. The
// file may then be moved away. Takes the writer's lock. Returns 1, or 0 if there was nothing to
// seal.
int gr_journal_seal(const char *dir, uint64_t before, struct gr_err *err);
// Copies journal, sealed parts and head to the new directory `to`, beside a running writer, as of
// one moment; the copy is verified and synced. -EEXIST if `to` is there.
int gr_journal_backup(const char *dir, const char *to, struct gr_err *err);
// The reverse, into a directory that holds no journal yet. The copy is verified first. The restored
// journal's next writer claims an epoch higher than any it holds by 1,000, so that engines refuse a
// writer that is still running on the original.
int gr_journal_restore(const char *from, const char *dir, struct gr_err *err);
