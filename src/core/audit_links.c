// The auditor's second half: edges, arrays, the doomed, keys, and what organisations have, all
// counted again from the jobs up. See audit.c.
#include "core/state.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

// What the jobs say about one array.
struct members {
    uint32_t live, active, held;
};

struct tally {
    struct members *arrays; // a row each
    struct gr_org_use *orgs;
    uint32_t own, ring, lost; // edges in lists of waiters, in rings of targets, with no target
    uint32_t doomed;
};

// The edges that one job waits for.
static const char *own_count(const struct gr_core *core, uint32_t slot,
                             const struct gr_links *links, struct tally *tally)
{
    uint32_t edges = 0, lost = 0;
    for (uint32_t e = links->edges; e != NONE; e = gr_edge_at(core, e)->next_own) {
        if (e >= core->edge_top || gr_edge_at(core, e)->waiter != slot || edges > core->edge_used) {
            return "an edge is not its waiter's";
        }
        edges++;
        lost += gr_edge_at(core, e)->target == NONE;
    }
    bool no_place = links->array != NONE && (links->flags & GR_LINKS_PLACE) == 0;
    if (links->pending != edges + no_place) {
        return "a job miscounts what it waits for";
    }
    if (((links->flags & GR_LINKS_DOOMED) != 0) != (lost > 0)) {
        return "a job is doomed without a reason, or not doomed with one";
    }
    tally->own += edges;
    tally->lost += lost;
    tally->doomed += lost > 0;
    return NULL;
}

// A ring of edges that wait for one target.
static const char *ring_count(const struct gr_core *core, uint32_t first, uint32_t target,
                              bool to_array, struct tally *tally)
{
    uint32_t e = first;
    while (e != NONE) {
        const struct gr_edge_row *edge = gr_edge_at(core, e);
        if (edge->target != target || edge->to_array != to_array ||
            gr_edge_at(core, edge->next)->prev != e || tally->ring > core->edge_used) {
            return "a ring of edges is broken";
        }
        tally->ring++;
        e = edge->next == first ? NONE : edge->next;
    }
    return NULL;
}

static const char *job_count(const struct gr_core *core, uint32_t slot, struct tally *tally)
{
    const struct gr_job *job = gr_job_at(core, slot);
    const struct gr_links *links = gr_links_at(core, slot);
    if (job->org >= core->org_count) {
        return "a job is of no organisation";
    }
    tally->orgs[job->org].jobs++;
    bool held = job->state == GR_JOB_HELD;
    if (held != (job->is_linked && links->pending > 0)) {
        return "a job is held for nothing, or goes on too early";
    }
    if (!job->is_linked) {
        return NULL;
    }
    if (links->array != NONE) {
        bool place = (links->flags & GR_LINKS_PLACE) != 0;
        if (links->array >= core->array_top || gr_array_at(core, links->array)->id == 0) {
            return "a job is of an array that is not there";
        }
        tally->arrays[links->array].live++;
        tally->arrays[links->array].active += place;
        tally->arrays[links->array].held += !place;
    }
    const char *wrong = own_count(core, slot, links, tally);
    return wrong != NULL ? wrong : ring_count(core, links->waiters, slot, false, tally);
}

// One array, against what its elements say.
static const char *array_count(const struct gr_core *core, uint32_t row,
                               const struct members *members)
{
    const struct gr_array_row *array = gr_array_at(core, row);
    uint32_t held = 0, prev = NONE;
    for (uint32_t s = array->held_first; s != NONE; s = gr_job_at(core, s)->next) {
        if (gr_links_at(core, s)->array != row || gr_job_at(core, s)->prev != prev ||
            held > members->held) {
            return "an array's held elements are not its own";
        }
        prev = s;
        held++;
    }
    if (held != members->held || prev != array->held_last) {
        return "an array misses a held element";
    }
    bool is_open = array->submitted < array->count;
    if (array->live != members->live || array->active != members->active ||
        (array->live == 0 && !is_open) || array->submitted > array->count ||
        array->live + array->bad > array->submitted) {
        return "an array miscounts its elements";
    }
    if (array->parallel != 0 &&
        (array->active > array->parallel || (held > 0 && array->active < array->parallel))) {
        return "an array lets too many elements go on, or too few";
    }
    return gr_links_array(core, array->id) == row ? NULL
                                                  : "the index of arrays does not lead to an array";
}

static const char *arrays_count(const struct gr_core *core, struct tally *tally)
{
    uint32_t used = 0, is_open = 0;
    for (uint32_t row = core->open_first; row != NONE; row = gr_array_at(core, row)->next) {
        if (gr_array_at(core, row)->submitted == gr_array_at(core, row)->count ||
            is_open > core->array_used) {
            return "the list of open arrays is broken";
        }
        is_open++;
    }
    for (uint32_t row = 0; row < core->array_top; row++) {
        const struct gr_array_row *array = gr_array_at(core, row);
        if (array->id == 0) {
            continue;
        }
        used++;
        is_open -= array->submitted < array->count;
        const char *wrong = array_count(core, row, &tally->arrays[row]);
        wrong = wrong != NULL ? wrong : ring_count(core, array->waiters, row, true, tally);
        if (wrong != NULL) {
            return wrong;
        }
    }
    return used == core->array_used && is_open == 0 ? NULL : "the arrays are miscounted";
}

static const char *doomed_count(const struct gr_core *core, const struct tally *tally)
{
    uint32_t seen = 0, prev = NONE;
    for (uint32_t s = core->doomed_first; s != NONE; s = gr_links_at(core, s)->doomed_next) {
        const struct gr_links *links = gr_links_at(core, s);
        if ((links->flags & GR_LINKS_DOOMED) == 0 || links->doomed_prev != prev ||
            seen > tally->doomed) {
            return "the list of the doomed is broken";
        }
        prev = s;
        seen++;
    }
    return seen == tally->doomed && prev == core->doomed_last ? NULL
                                                              : "the list of the doomed misses one";
}

static const char *keys_count(const struct gr_core *core, struct tally *tally)
{
    int64_t before = 0;
    for (uint32_t k = 0; k < core->key_count; k++) {
        const struct gr_key *key = gr_keys_get(core, k);
        struct gr_key found;
        if (key->org >= core->org_count || key->at_ms < before ||
            core->now_ms - key->at_ms >= GR_KEY_MS) {
            return "a key is out of order or too old";
        }
        if (!gr_core_key_find(core, key->key, &found) || memcmp(&found, key, sizeof found) != 0) {
            return "the index of keys does not lead to a key";
        }
        before = key->at_ms;
        tally->orgs[key->org].keys++;
    }
    return NULL;
}

static const char *all_count(const struct gr_core *core, struct tally *tally)
{
    for (uint32_t s = 0; s < core->job_top; s++) {
        const char *wrong = gr_job_at(core, s)->state == 0 ? NULL : job_count(core, s, tally);
        if (wrong != NULL) {
            return wrong;
        }
    }
    const char *wrong = arrays_count(core, tally);
    if (wrong == NULL &&
        (tally->own != core->edge_used || tally->ring + tally->lost != tally->own)) {
        wrong = "the edges are miscounted";
    }
    wrong = wrong != NULL ? wrong : doomed_count(core, tally);
    wrong = wrong != NULL ? wrong : keys_count(core, tally);
    for (uint32_t o = 0; o < core->org_count && wrong == NULL; o++) {
        if (memcmp(&tally->orgs[o], gr_org_use_at(core, o), sizeof *tally->orgs) != 0) {
            wrong = "the jobs or keys of an organisation are miscounted";
        }
    }
    return wrong;
}

const char *gr_audit_links(const struct gr_core *core)
{
    struct tally tally = {.arrays = calloc(core->array_top + 1u, sizeof *tally.arrays),
                          .orgs = calloc(core->org_count + 1u, sizeof *tally.orgs)};
    const char *wrong = tally.arrays == NULL || tally.orgs == NULL ? "no memory for the audit"
                                                                   : all_count(core, &tally);
    free(tally.arrays);
    free(tally.orgs);
    return wrong;
}
