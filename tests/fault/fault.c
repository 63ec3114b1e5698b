// A small workload and its check: see fault.h.
#include "fault.h"

static unsigned whole;

void gr_fault_arguments(int argc, char **argv)
{
    whole = argc > 1 && strcmp(argv[1], "whole") == 0;
    // The shim knows what was synced; the real syncs around it would only take time.
    if (access("/dev/shm", W_OK) == 0) {
        (void)setenv("TMPDIR", "/dev/shm", 0);
    }
}

unsigned gr_fault_stride(unsigned slice)
{
    return whole != 0 ? 1 : slice;
}

// Hands a group over and waits. Returns what the journal says in the end.
static int add_group(struct gr_journal *journal, size_t size, struct gr_told *told)
{
    struct gr_journal_tip tip = gr_journal_tip_get(journal);
    uint64_t first = tip.sequence + 1;
    size_t payload_size = 1 + (size_t)(first * 7919 % size);
    size_t aside_size = first % 3 == 0 ? 0 : (size_t)(first * 104729 % size);
    static uint8_t payload[1 << 20];
    static uint8_t aside[1 << 20];
    struct gr_err err;
    const struct gr_journal_group group = {
        .first = first,
        .last = first + first % 3,
        .epoch = tip.epoch,
        .payload = payload,
        .payload_size = payload_size,
        .aside = aside,
        .aside_size = aside_size,
    };
    fixture_fill(payload, payload_size, first, 0);
    fixture_fill(aside, aside_size, first, 1);
    int rc = -ENOSPC;
    for (unsigned i = 0; i < 3 && rc == -ENOSPC; i++) {
        rc = gr_journal_append(journal, &group, tip.sequence, &err);
        told->attempted = rc == 0 ? group.last : told->attempted;
        rc = rc < 0 ? rc : gr_journal_wait(journal, &err);
        told->refusals += rc == -ENOSPC;
    }
    if (rc == 1) {
        told->durable = group.last;
    } else if (rc < 0 && rc != -ENOSPC) {
        // Final: nothing is taken any more.
        if (gr_journal_append(journal, &group, tip.sequence, &err) >= 0) {
            fail_msg("a journal that failed takes another group");
        }
    }
    return rc;
}

void gr_fault_write(const char *dir, unsigned groups, size_t size, struct gr_told *told)
{
    const struct gr_journal_config config = {.dir = dir, .checkpoint_mib = 1};
    struct gr_journal *journal;
    struct gr_err err;
    int rc = gr_journal_open(&config, &journal, &err);
    if (rc < 0) {
        told->failure = rc;
        assert_true(err.text[0] != '\0');
        return;
    }
    if (gr_journal_tip_get(journal).sequence < told->durable) {
        fail_msg("opened at %lu after %lu was durable",
                 (unsigned long)gr_journal_tip_get(journal).sequence, (unsigned long)told->durable);
    }
    for (unsigned i = 0; rc >= 0 && i < groups; i++) {
        rc = add_group(journal, size, told);
    }
    told->failure = rc < 0 ? rc : 0;
    gr_journal_close(journal);
}

void gr_fault_check(const char *dir, const struct gr_told *told, const char *where)
{
    struct gr_journal *journal;
    struct gr_journal_verified verified;
    struct fixture f = {0};
    const struct gr_journal_config config = {.dir = dir};
    snprintf(f.dir, sizeof f.dir, "%s", dir);
    int rc = gr_journal_open(&config, &journal, &f.err);
    if (rc < 0) {
        fail_msg("%s: does not open: %s", where, f.err.text);
    }
    uint64_t end = gr_journal_tip_get(journal).sequence;
    if (end < told->durable || end > told->attempted) {
        fail_msg("%s: ends at %lu; durable %lu, attempted %lu", where, (unsigned long)end,
                 (unsigned long)told->durable, (unsigned long)told->attempted);
    }
    rc = fixture_append(&f, journal, 1, 100, 100);
    gr_journal_close(journal);
    if (rc != 1 || gr_journal_verify(dir, NULL, NULL, &verified, &f.err) != 0 ||
        fixture_read(&f, dir, 1, NULL) != (int64_t)end + 1 || verified.last != end + 1) {
        fail_msg("%s: is not sound: %s", where, f.err.text);
    }
}
