// The specs of jobs: see specs.h.
//
// The cache is a ring of bytes: a spec is put behind the newest and written over when the ring has
// come round, so that nothing is allocated or freed and memory is gone through in order. A table
// says where a job's spec is.
#include "daemon/specs.h"

#include "base/hash.h"
#include "codec/event_bytes.h"
#include "daemon/aside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// The table: jobs with ids near each other are near each other in it. A job in four facts or a job
// a fact, it has a place for half a million before one takes the place of another, more than specs
// that fit into the default of 128 MiB.
#define WAYS 4u
#define BUCKETS (1u << 17)

struct place {
    uint64_t job;
    uint64_t at; // bytes put before it since the beginning, and one; 0: a free place
};

struct entry {
    uint64_t size;
    uint8_t bytes[];
};

struct gr_specs {
    char *dir;
    struct gr_journal_reader *reader; // NULL until first asked
    struct gr_event_room *room;       // the same
    uint8_t *ring;
    size_t ring_size;
    uint64_t end; // bytes put since the beginning, those left out at the ring's end too
    struct place places[BUCKETS][WAYS];
};

// In huge pages if it is large enough and the system has them: an eighth of a job's time were page
// faults until the ring had come round once.
static uint8_t *make_ring(size_t size)
{
    size_t huge = (size_t)2 << 20;
    if (size % huge != 0) {
        return malloc(size);
    }
    uint8_t *ring = aligned_alloc(huge, size);
    if (ring != NULL) {
        (void)madvise(ring, size, MADV_HUGEPAGE);
    }
    return ring;
}

int gr_specs_open(const char *dir, size_t most_bytes, struct gr_specs **ret_specs,
                  struct gr_err *err)
{
    assert(dir != NULL && most_bytes > 0 && ret_specs != NULL);
    struct gr_specs *specs = calloc(1, sizeof *specs);
    char *copy = strdup(dir);
    uint8_t *ring = make_ring(most_bytes);
    if (specs == NULL || copy == NULL || ring == NULL) {
        free(specs);
        free(copy);
        free(ring);
        return gr_fail(err, -ENOMEM, "no memory for the specs of jobs");
    }
    specs->dir = copy;
    specs->ring = ring;
    specs->ring_size = most_bytes;
    *ret_specs = specs;
    return 0;
}

void gr_specs_close(struct gr_specs *specs)
{
    if (specs == NULL) {
        return;
    }
    gr_journal_reader_close(specs->reader);
    free(specs->room);
    free(specs->ring);
    free(specs->dir);
    free(specs);
}

static struct place *bucket_of(struct gr_specs *specs, uint64_t job)
{
    return specs->places[job / WAYS % BUCKETS];
}

// Whether the spec that was put there has not been written over.
static bool is_kept(const struct gr_specs *specs, const struct place *place)
{
    return place->at != 0 && specs->end - (place->at - 1) <= specs->ring_size;
}

// The place of a new spec: the job's own, one that is free, or that of the oldest.
static struct place *place_for(struct gr_specs *specs, uint64_t job)
{
    struct place *bucket = bucket_of(specs, job);
    struct place *best = bucket;
    for (unsigned i = 0; i < WAYS; i++) {
        if (bucket[i].job == job) {
            return &bucket[i];
        }
        best = bucket[i].at < best->at ? &bucket[i] : best;
    }
    return best;
}

void gr_specs_put(struct gr_specs *specs, uint64_t job, const uint8_t *bytes, size_t size)
{
    assert(specs != NULL && bytes != NULL);
    if (size > specs->ring_size || specs->ring_size - size < sizeof(struct entry) + 7) {
        return;
    }
    size_t need = (sizeof(struct entry) + size + 7) & ~(size_t)7;
    size_t at = (size_t)(specs->end % specs->ring_size);
    if (specs->ring_size - at < need) { // it must not be in two parts
        specs->end += specs->ring_size - at;
        at = 0;
    }
    struct entry *entry = (struct entry *)(void *)(specs->ring + at);
    entry->size = size;
    memcpy(entry->bytes, bytes, size);
    *place_for(specs, job) = (struct place){.job = job, .at = specs->end + 1};
    specs->end += need;
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
    const struct place *bucket = bucket_of(specs, job);
    for (unsigned i = 0; i < WAYS; i++) {
        if (bucket[i].job == job && is_kept(specs, &bucket[i])) {
            size_t at = (size_t)((bucket[i].at - 1) % specs->ring_size);
            return (const struct entry *)(const void *)(specs->ring + at);
        }
    }
    return NULL;
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
