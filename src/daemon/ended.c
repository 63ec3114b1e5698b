// Jobs that ended: see ended.h. A ring with a chained hash of ids over it.
#include "daemon/ended.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

void gr_ended_copy(struct gr_ended *ret_ended, const struct gr_ended *ended)
{
    size_t text_size = strnlen(ended->text, sizeof ended->text - 1);
    memcpy(ret_ended, ended, offsetof(struct gr_ended, text) + text_size);
    ret_ended->text[text_size] = '\0';
}

struct gr_ended_ring {
    uint32_t most, count, next; // next: slot that is written next
    struct gr_ended *rows;
    uint32_t *chain;   // of a row: the next row of its bucket
    uint32_t *buckets; // first row
    uint32_t mask;
};

int gr_ended_ring_new(uint32_t most, struct gr_ended_ring **ret_ring, struct gr_err *err)
{
    assert(most > 0 && most <= UINT32_C(1) << 24 && ret_ring != NULL);
    uint32_t buckets = 64;
    while (buckets < most) {
        buckets *= 2;
    }
    struct gr_ended_ring *ring = calloc(1, sizeof *ring);
    if (ring != NULL) {
        ring->rows = calloc(most, sizeof *ring->rows);
        ring->chain = malloc(most * sizeof *ring->chain);
        ring->buckets = malloc(buckets * sizeof *ring->buckets);
    }
    if (ring == NULL || ring->rows == NULL || ring->chain == NULL || ring->buckets == NULL) {
        gr_ended_ring_free(ring);
        return gr_fail(err, -ENOMEM, "no memory for the jobs that ended");
    }
    ring->most = most;
    ring->mask = buckets - 1;
    for (uint32_t i = 0; i < buckets; i++) {
        ring->buckets[i] = NONE;
    }
    *ret_ring = ring;
    return 0;
}

void gr_ended_ring_free(struct gr_ended_ring *ring)
{
    if (ring != NULL) {
        free(ring->rows);
        free(ring->chain);
        free(ring->buckets);
        free(ring);
    }
}

static uint32_t *bucket_of(const struct gr_ended_ring *ring, uint64_t job)
{
    return &ring->buckets[(uint32_t)((job * UINT64_C(0x9E3779B97F4A7C15)) >> 40) & ring->mask];
}

static void unlink_row(struct gr_ended_ring *ring, uint32_t row)
{
    uint32_t *at = bucket_of(ring, ring->rows[row].id);
    while (*at != row) {
        assert(*at != NONE);
        at = &ring->chain[*at];
    }
    *at = ring->chain[row];
}

struct gr_ended *gr_ended_ring_add(struct gr_ended_ring *ring, const struct gr_ended *ended)
{
    assert(ring != NULL && ended != NULL && ended->id != 0);
    uint32_t row = ring->next;
    ring->next = (row + 1) % ring->most;
    if (ring->count == ring->most) {
        unlink_row(ring, row);
    } else {
        ring->count++;
    }
    gr_ended_copy(&ring->rows[row], ended);
    // The next row was written long ago: it is fetched while other things are done.
    for (size_t at = 0; at < offsetof(struct gr_ended, text); at += 64) {
        __builtin_prefetch((const char *)&ring->rows[ring->next] + at, 1);
    }
    uint32_t *bucket = bucket_of(ring, ended->id);
    ring->chain[row] = *bucket;
    *bucket = row;
    return &ring->rows[row];
}

const struct gr_ended *gr_ended_ring_find(const struct gr_ended_ring *ring, uint64_t job)
{
    assert(ring != NULL);
    for (uint32_t row = *bucket_of(ring, job); row != NONE; row = ring->chain[row]) {
        if (ring->rows[row].id == job) {
            return &ring->rows[row];
        }
    }
    return NULL;
}

const struct gr_ended *gr_ended_ring_back(const struct gr_ended_ring *ring, uint32_t back)
{
    assert(ring != NULL);
    if (back >= ring->count) {
        return NULL;
    }
    return &ring->rows[(ring->next + ring->most - 1 - back) % ring->most];
}

// Pieces that are looked at for where a job ran: more nodes than are kept are seldom among them.
#define PIECES_SEEN 64

// Notes where a running job runs.
static void note_nodes(const struct gr_core *core, uint64_t job, struct gr_ended *ended)
{
    struct gr_piece pieces[PIECES_SEEN];
    uint32_t count = gr_core_job_pieces(core, job, pieces, PIECES_SEEN);
    count = count < PIECES_SEEN ? count : PIECES_SEEN;
    for (uint32_t i = 0; i < count && ended->node_count < GR_ENDED_NODES; i++) {
        uint32_t k = 0;
        while (k < ended->node_count && ended->nodes[k] != pieces[i].node) {
            k++;
        }
        if (k == ended->node_count) {
            ended->nodes[ended->node_count++] = pieces[i].node;
        }
    }
}

void gr_ended_from(const struct gr_core *core, const struct gr_event *event,
                   struct gr_ended *ret_ended)
{
    bool is_dropped = event->type == GR_JOB_DROPPED;
    assert(is_dropped || event->type == GR_JOB_FINISHED);
    uint64_t id = is_dropped ? event->dropped.job : event->finished.job;
    const struct gr_job *job = gr_core_job_find(core, id);
    assert(job != NULL);
    struct gr_job_more more;
    gr_core_job_more(core, id, &more);
    *ret_ended = (struct gr_ended){.id = id,
                                   .sequence = event->sequence,
                                   .array = more.array,
                                   .array_index = more.array_index,
                                   .submitted_ms = job->submitted_ms,
                                   .placed_ms = job->started_ms,
                                   .ended_ms = event->since_ms,
                                   .limit_ms = job->limit_ms,
                                   .demand = job->demand,
                                   .org = job->org,
                                   .user = job->user,
                                   .attempt = job->attempt,
                                   .attempts = job->attempts};
    if (is_dropped) {
        ret_ended->dropped = event->dropped.why;
    } else {
        ret_ended->ending = event->finished.ending;
        note_nodes(core, id, ret_ended);
    }
}
