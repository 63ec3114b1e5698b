// The head file: the journal's end, written after each sync, so that a lost tail is noticed.
//
// DIR/head is 8192 bytes: two slots of 128 bytes at 0 and 4096, the rest zero. A slot is
//
//     0 magic "granhead"   8 u32 format 1   12 u32 epoch   16 u64 sequence   24 u64 counter
//     32 hash of the last group (32)        64 zeros (32)  96 BLAKE2b-256 of the 96 bytes before
//
// Slots are written in turn and in place; the good one with the higher counter counts. They lie in
// different sectors of any disk, so a torn write spoils the slot being written and not the other.
#pragma once

#include "journal/journal.h"

// Name of the file in the journal's directory.
#define GR_HEAD_NAME "head"

// An open head file; the caller's memory.
struct gr_head {
    int fd;           // -1: closed
    uint64_t counter; // of the newest slot
    char path[256];   // for texts, cut
};

// Makes the file in one step, durably, in place of what was there. Returns 0 or -errno.
int gr_head_create(const char *dir, const struct gr_journal_tip *tip, struct gr_err *err);
// Opens it, to write if `write`, and reads the newest slot. Returns 0; -ENOENT if there is none;
// -EBADMSG if no slot is good; -errno. On failure nothing is open.
int gr_head_open(const char *dir, bool write, struct gr_head *ret_head,
                 struct gr_journal_tip *ret_tip, struct gr_err *err);
// Writes the older slot. Not durable before gr_head_sync. Returns 0 or -errno.
int gr_head_write(struct gr_head *head, const struct gr_journal_tip *tip, struct gr_err *err);
// Makes what was written durable. May be called by another thread than gr_head_write.
int gr_head_sync(const struct gr_head *head, struct gr_err *err);
// Closed already is allowed.
void gr_head_close(struct gr_head *head);
