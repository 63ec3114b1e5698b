// The specs of jobs: see specs.h.
#include "daemon/specs.h"

#include "base/hash.h"
#include "codec/event_bytes.h"
#include "daemon/aside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// More than specs that fit into the default of 128 MiB: the oldest is the last of its bucket, and
// each one before it is a wait for memory.
#define BUCKET_BITS 19
#define BUCKETS (1u << BUCKET_BITS)

struct entry {
    uint64_t job;
    struct entry *next;  // of the bucket
    struct entry *newer; // in order of coming
    size_t size;
    uint8_t bytes[];
};

struct gr_specs {
    char *dir;
    struct gr_journal_reader *reader; // NULL until first asked
    struct gr_event_room *room;       // the same
    size_t most_bytes, held_bytes;
    struct entry *oldest, *newest;
    struct entry *buckets[BUCKETS];
};

static struct entry **bucket_of(struct gr_specs *specs, uint64_t job)
{
    return &specs->buckets[(job * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - BUCKET_BITS)];
}

int gr_specs_open(const char *dir, size_t most_bytes, struct gr_specs **ret_specs,
                  struct gr_err *err)
{
    assert(dir != NULL && ret_specs != NULL);
    struct gr_specs *specs = calloc(1, sizeof *specs);
    char *copy = strdup(dir);
    if (specs == NULL || copy == NULL) {
        free(specs);
        free(copy);
        return gr_fail(err, -ENOMEM, "no memory for the specs of jobs");
    }
    specs->dir = copy;
    specs->most_bytes = most_bytes;
    *ret_specs = specs;
    return 0;
}

static void drop_oldest(struct gr_specs *specs)
{
    struct entry *entry = specs->oldest;
    struct entry **at = bucket_of(specs, entry->job);
    while (*at != entry) {
        at = &(*at)->next;
    }
    *at = entry->next;
    specs->oldest = entry->newer;
    if (specs->oldest == NULL) {
        specs->newest = NULL;
    }
    specs->held_bytes -= sizeof *entry + entry->size;
    free(entry);
}

void gr_specs_close(struct gr_specs *specs)
{
    if (specs == NULL) {
        return;
    }
    while (specs->oldest != NULL) {
        drop_oldest(specs);
    }
    gr_journal_reader_close(specs->reader);
    free(specs->room);
    free(specs->dir);
    free(specs);
}

void gr_specs_put(struct gr_specs *specs, uint64_t job, const uint8_t *bytes, size_t size)
{
    assert(specs != NULL && bytes != NULL);
    struct entry *entry = malloc(sizeof *entry + size);
    if (entry == NULL || sizeof *entry + size > specs->most_bytes) {
        free(entry);
        return;
    }
    while (specs->held_bytes + sizeof *entry + size > specs->most_bytes) {
        drop_oldest(specs);
    }
    struct entry **bucket = bucket_of(specs, job);
    *entry = (struct entry){.job = job, .next = *bucket, .size = size};
    memcpy(entry->bytes, bytes, size);
    *bucket = entry;
    if (specs->newest != NULL) {
        specs->newest->newer = entry;
    } else {
        specs->oldest = entry;
    }
    specs->newest = entry;
    specs->held_bytes += sizeof *entry + size;
}

// Whether the bytes are what the fact of the submission has committed to. The aside is not in the
// chain: without this, who can write the file could have jobs run other commands as other users.
static int check_commitment(struct gr_specs *specs, const struct gr_journal_group *group,
                            uint64_t job, const uint8_t *bytes, size_t size, struct gr_err *err)
{
    uint8_t digest[GR_HASH_SIZE];
    struct gr_hash hash;
    gr_hash_init(&hash);
    gr_hash_add(&hash, bytes, size);
    gr_hash_end(&hash, digest);
    for (size_t at = 0; at < group->payload_size;) {
        struct gr_event event;
        long took = gr_event_decode(group->payload + at, group->payload_size - at, specs->room,
                                    &event, err);
        if (took <= 0) {
            return took == 0 ? gr_fail(err, -EBADMSG, "the group of job %llu ends in a fact",
                                       (unsigned long long)job)
                             : (int)took;
        }
        if (event.sequence == job) {
            bool is_it = event.type == GR_JOB_SUBMITTED &&
                         memcmp(event.submitted.commitment, digest, sizeof digest) == 0;
            return is_it ? 0
                         : gr_fail(err, -EBADMSG,
                                   "the spec of job %llu is not the one that was submitted: the "
                                   "journal's aside was changed; restore the newest backup "
                                   "(docs/operate/backup.md)",
                                   (unsigned long long)job);
        }
        at += (size_t)took;
    }
    return gr_fail(err, -ENOENT, "job %llu is not in the journal", (unsigned long long)job);
}

static const struct entry *find_entry(struct gr_specs *specs, uint64_t job)
{
    const struct entry *entry = *bucket_of(specs, job);
    while (entry != NULL && entry->job != job) {
        entry = entry->next;
    }
    return entry;
}

// Keeps the specs of all jobs that were submitted in a group: who asks for one after a restart
// mostly asks for its neighbours next, and reading a group for each of thousands takes minutes.
// Facts and items of the aside are in the same order.
static void keep_group(struct gr_specs *specs, const struct gr_journal_group *group)
{
    size_t item = 0;
    for (size_t at = 0; at < group->payload_size;) {
        struct gr_event event;
        long took = gr_event_decode(group->payload + at, group->payload_size - at, specs->room,
                                    &event, NULL);
        if (took <= 0) {
            return;
        }
        at += (size_t)took;
        if (event.type != GR_JOB_SUBMITTED) {
            continue;
        }
        const uint8_t *bytes;
        size_t size;
        uint64_t sequence = 0;
        while (sequence < event.sequence) {
            size_t next = item;
            if (!gr_aside_next(group->aside, group->aside_size, &next, &sequence, &bytes, &size)) {
                return;
            }
            item = sequence > event.sequence ? item : next;
        }
        uint8_t digest[GR_HASH_SIZE];
        struct gr_hash hash;
        gr_hash_init(&hash);
        gr_hash_add(&hash, bytes, size);
        gr_hash_end(&hash, digest);
        if (sequence == event.sequence && size >= GR_ASIDE_SALT_BYTES &&
            memcmp(event.submitted.commitment, digest, sizeof digest) == 0 &&
            find_entry(specs, sequence) == NULL) {
            gr_specs_put(specs, sequence, bytes + GR_ASIDE_SALT_BYTES, size - GR_ASIDE_SALT_BYTES);
        }
    }
}

// From the aside of the journal's group that holds the submission.
static int read_aside(struct gr_specs *specs, uint64_t job, const uint8_t **ret_bytes,
                      size_t *ret_size, struct gr_err *err)
{
    int rc = 0;
    if (specs->reader == NULL) {
        rc = gr_journal_reader_open(specs->dir, job, &specs->reader, err);
    }
    if (rc == 0 && specs->room == NULL) {
        specs->room = malloc(sizeof *specs->room);
        rc = specs->room == NULL ? gr_fail(err, -ENOMEM, "no memory to read the journal") : 0;
    }
    struct gr_journal_group group;
    rc = rc != 0 ? rc : gr_journal_reader_find(specs->reader, job, &group, err);
    if (rc < 0) {
        return rc;
    }
    if (rc == 1) {
        keep_group(specs, &group);
        const struct entry *entry = find_entry(specs, job);
        if (entry != NULL) {
            *ret_bytes = entry->bytes;
            *ret_size = entry->size;
            return 0;
        }
    }
    const uint8_t *bytes;
    size_t size;
    if (rc == 0 || !gr_aside_find(group.aside, group.aside_size, job, &bytes, &size) ||
        size < GR_ASIDE_SALT_BYTES) {
        return gr_fail(err, -ENOENT,
                       "the spec of job %llu is not in the journal any more: its part was moved "
                       "away or its personal data erased",
                       (unsigned long long)job);
    }
    rc = check_commitment(specs, &group, job, bytes, size, err);
    if (rc == 0) {
        *ret_bytes = bytes + GR_ASIDE_SALT_BYTES;
        *ret_size = size - GR_ASIDE_SALT_BYTES;
    }
    return rc;
}

int gr_specs_get(struct gr_specs *specs, uint64_t job, const uint8_t **ret_bytes, size_t *ret_size,
                 struct gr_err *err)
{
    assert(specs != NULL && ret_bytes != NULL && ret_size != NULL);
    const struct entry *entry = find_entry(specs, job);
    if (entry != NULL) {
        *ret_bytes = entry->bytes;
        *ret_size = entry->size;
        return 0;
    }
    return read_aside(specs, job, ret_bytes, ret_size, err);
}
