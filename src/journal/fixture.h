// Small journals for the tests: a folder of its own, groups whose bytes follow from their number.
#pragma once

#include "journal/journal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal/disk.h"

// A folder for one test, and the journal in it; the caller's memory.
struct fixture {
    char root[64];  // removed at the end
    char dir[80];   // root/journal
    char other[80]; // root/other
    struct gr_err err;
};

// Makes the folder; the directories in it are not made.
static inline void fixture_init(struct fixture *fixture)
{
    const char *temporary = getenv("TMPDIR");
    memset(fixture, 0, sizeof *fixture);
    snprintf(fixture->root, sizeof fixture->root, "%.30s/granary-XXXXXX",
             temporary != NULL ? temporary : "/tmp");
    assert_non_null(mkdtemp(fixture->root));
    snprintf(fixture->dir, sizeof fixture->dir, "%s/journal", fixture->root);
    snprintf(fixture->other, sizeof fixture->other, "%s/other", fixture->root);
}

// Removes all of it.
static inline void fixture_done(struct fixture *fixture)
{
    assert_int_equal(gr_disk_remove_dir(fixture->dir, &fixture->err), 0);
    assert_int_equal(gr_disk_remove_dir(fixture->other, &fixture->err), 0);
    assert_int_equal(gr_disk_remove_dir(fixture->root, &fixture->err), 0);
}

// Opens the journal with the defaults.
static inline struct gr_journal *fixture_open(struct fixture *fixture)
{
    const struct gr_journal_config config = {.dir = fixture->dir};
    struct gr_journal *journal = NULL;
    int rc = gr_journal_open(&config, &journal, &fixture->err);
    if (rc != 0) {
        fail_msg("%d: %s", rc, fixture->err.text);
    }
    return journal;
}

// The byte at place `at` of the payload (or aside: `salt` 1) of the group that begins at `first`.
static inline uint8_t fixture_byte(uint64_t first, size_t at, unsigned salt)
{
    return (uint8_t)(first * 31 + at * 7 + (at >> 8) + salt * 101);
}

// Fills bytes with them.
static inline void fixture_fill(uint8_t *bytes, size_t size, uint64_t first, unsigned salt)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = fixture_byte(first, i, salt);
    }
}

// Appends a group of so many facts and waits for it. Returns what gr_journal_wait does.
static inline int fixture_append(struct fixture *fixture, struct gr_journal *journal,
                                 uint64_t facts, size_t payload_size, size_t aside_size)
{
    struct gr_journal_tip tip = gr_journal_tip_get(journal);
    uint8_t *payload = malloc(payload_size + 1);
    uint8_t *aside = malloc(aside_size + 1);
    assert_non_null(payload);
    assert_non_null(aside);
    struct gr_journal_group group = {
        .first = tip.sequence + 1,
        .last = tip.sequence + facts,
        .epoch = tip.epoch,
        .payload = payload,
        .payload_size = payload_size,
        .aside = aside,
        .aside_size = aside_size,
    };
    fixture_fill(payload, payload_size, group.first, 0);
    fixture_fill(aside, aside_size, group.first, 1);
    int rc = gr_journal_append(journal, &group, tip.sequence, &fixture->err);
    rc = rc < 0 ? rc : gr_journal_wait(journal, &fixture->err);
    free(payload);
    free(aside);
    return rc;
}

// Asserts that a group holds the bytes that belong to it.
static inline void fixture_expect(const struct gr_journal_group *group)
{
    for (size_t i = 0; i < group->payload_size; i++) {
        if (group->payload[i] != fixture_byte(group->first, i, 0)) {
            fail_msg("payload of %lu differs at %zu", (unsigned long)group->first, i);
        }
    }
    for (size_t i = 0; i < group->aside_size; i++) {
        if (group->aside[i] != fixture_byte(group->first, i, 1)) {
            fail_msg("aside of %lu differs at %zu", (unsigned long)group->first, i);
        }
    }
}

// Reads all groups from `from` on. Returns the last sequence, or -errno where reading stopped.
static inline int64_t fixture_read(struct fixture *fixture, const char *dir, uint64_t from,
                                   uint64_t *ret_groups)
{
    struct gr_journal_reader *reader;
    struct gr_journal_group group = {0};
    uint64_t groups = 0;
    int rc = gr_journal_reader_open(dir, from, &reader, &fixture->err);
    if (rc < 0) {
        return rc;
    }
    while ((rc = gr_journal_reader_next(reader, &group, &fixture->err)) == 1) {
        fixture_expect(&group);
        groups++;
    }
    uint64_t last = group.last;
    gr_journal_reader_close(reader);
    if (ret_groups != NULL) {
        *ret_groups = groups;
    }
    return rc < 0 ? rc : (int64_t)last;
}
