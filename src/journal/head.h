// The head file: the journal's end, written after each sync, so that a lost tail is noticed.
//
// DIR/head is 12288 bytes: three slots of 128 bytes at 0, 4096 and 8192, the rest zero. A slot is
//
//     0 magic "granhead"   8 u32 format 1   12 u32 epoch   16 u64 sequence   24 u64 counter
//     32 hash of the last group (32)        64 zeros (32)  96 BLAKE2b-256 of the 96 bytes before
//
// The good slot with the highest counter counts. Slots are written in place. Each sync begins a new
// slot: while one is being synced and one is being written, the third holds what was synced before,
// so that a power cut spoils two at most. They lie in different sectors of any disk.
#pragma once

#include "journal/journal.h"

#include <pthread.h>

// Name of the file in the journal's directory.
#define GR_HEAD_NAME "head"

// An open head file; the caller's memory.
struct gr_head {
    int fd;                // -1: closed
    uint64_t counter;      // of the newest slot; the writer's
    pthread_mutex_t mutex; // of `slot`, and held while a slot is written
    unsigned slot;         // where is written
    char path[256];        // for texts, cut
};

// Makes the file in one step, durably, in place of what was there. Returns 0 or -errno.
int gr_head_create(const char *dir, const struct gr_journal_tip *tip, struct gr_err *err);
// Opens it, to write if `write`, and reads the newest slot. Returns 0; -ENOENT if there is none;
// -EBADMSG if no slot is good; -errno. On failure nothing is open.
int gr_head_open(const char *dir, bool write, struct gr_head *ret_head,
                 struct gr_journal_tip *ret_tip, struct gr_err *err);
// Writes the slot that is in turn. Not durable before gr_head_sync. Returns 0 or -errno.
int gr_head_write(struct gr_head *head, const struct gr_journal_tip *tip, struct gr_err *err);
// Makes what was written durable; what is written from now on goes to the next slot. May be called
// by another thread than gr_head_write.
int gr_head_sync(struct gr_head *head, struct gr_err *err);
// Closed already is allowed.
void gr_head_close(struct gr_head *head);
