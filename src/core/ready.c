// When a blocked job finds room, and where: each node is ready for a task when enough of those who
// hold it are expected to have ended. A gang takes the tasks that are ready first; one whose tasks
// share domains the blocks that are. Nothing is tried out in the pool.
#include "core/prefer.h"
#include "core/reclaim.h"
#include "core/tenants.h"
#include "core/window_parts.h"

#define NONE UINT32_MAX
// Ends on a node that are told apart; those that come later count as the last of them all.
#define ENDS 64

// --- notes: a time and a node or domain, in the room of a piece

static struct gr_piece note_make(int64_t time, uint32_t of)
{
    return (struct gr_piece){
        .node = of, .cpu_milli = (uint32_t)((uint64_t)time >> 32), .memory_mib = (uint32_t)time};
}

static int64_t note_time(const struct gr_piece *note)
{
    return (int64_t)((uint64_t)note->cpu_milli << 32 | note->memory_mib);
}

typedef bool before_function(const struct gr_piece *a, const struct gr_piece *b);

static bool by_time(const struct gr_piece *a, const struct gr_piece *b)
{
    return note_time(a) != note_time(b) ? note_time(a) < note_time(b) : a->node < b->node;
}

static bool by_node(const struct gr_piece *a, const struct gr_piece *b)
{
    return a->node != b->node ? a->node < b->node : a->devices < b->devices;
}

// The last in order comes to the top.
static void sift(struct gr_piece *notes, uint32_t root, uint32_t count, before_function *before)
{
    struct gr_piece moving = notes[root];
    for (uint32_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && before(&notes[child], &notes[child + 1])) {
            child++;
        }
        if (!before(&moving, &notes[child])) {
            break;
        }
        notes[root] = notes[child];
        root = child;
    }
    notes[root] = moving;
}

static void notes_sort(struct gr_piece *notes, uint32_t count, before_function *before)
{
    for (uint32_t root = count / 2; root-- > 0;) {
        sift(notes, root, count, before);
    }
    for (uint32_t left = count; left > 1; left--) {
        struct gr_piece last = notes[left - 1];
        notes[left - 1] = notes[0];
        notes[0] = last;
        sift(notes, 0, left - 1, before);
    }
}

// The earliest notes, `most` of them: a heap with the latest on top.
struct notes {
    struct gr_piece *at;
    uint32_t count, most;
};

static void note_add(struct notes *notes, int64_t time, uint32_t of)
{
    struct gr_piece note = note_make(time, of);
    if (notes->count < notes->most) {
        uint32_t i = notes->count++;
        for (; i > 0 && by_time(&notes->at[(i - 1) / 2], &note); i = (i - 1) / 2) {
            notes->at[i] = notes->at[(i - 1) / 2];
        }
        notes->at[i] = note;
    } else if (by_time(&note, &notes->at[0])) {
        notes->at[0] = note;
        sift(notes->at, 0, notes->count, by_time);
    }
}

// True if nothing at this time would be among them any more.
static bool is_late(const struct notes *notes, int64_t time)
{
    return notes->count == notes->most && time > note_time(&notes->at[0]);
}

// --- nodes

// A question.
struct ready {
    const struct gr_core *core;
    const struct gr_job *job;
    int64_t at_ms;
};

static int64_t end_of(const struct ready *ready, uint32_t tenant)
{
    const struct gr_job *job = gr_job_at(ready->core, gr_tenant_slot(ready->core, tenant));
    return gr_reserve_end(ready->core, job, ready->at_ms);
}

// The row of a node as it will be when all have ended that do by then.
static struct gr_node row_at(const struct ready *ready, uint32_t node, int64_t time)
{
    const struct gr_core *core = ready->core;
    struct gr_node row = *gr_place_node_get(gr_pool(core), node);
    for (uint32_t t = gr_tenants_first(core, node); t != NONE; t = gr_tenants_next(core, t)) {
        int64_t end = end_of(ready, t);
        if (end <= time && end != INT64_MAX) {
            gr_tenant_give(core, t, &row);
        }
    }
    return row;
}

// Gives back what ends next after `last`, and says when; INT64_MAX: nothing does. `all`: and all
// that ends later, too.
static int64_t next_give(const struct ready *ready, uint32_t node, int64_t last, bool all,
                         struct gr_node *row)
{
    const struct gr_core *core = ready->core;
    int64_t next = INT64_MAX, latest = last;
    for (uint32_t t = gr_tenants_first(core, node); t != NONE; t = gr_tenants_next(core, t)) {
        int64_t end = end_of(ready, t);
        next = end > last && end < next ? end : next;
        latest = end != INT64_MAX && end > latest ? end : latest;
    }
    next = all && next != INT64_MAX ? latest : next;
    for (uint32_t t = gr_tenants_first(core, node); t != NONE && next != INT64_MAX;
         t = gr_tenants_next(core, t)) {
        int64_t end = end_of(ready, t);
        if (end > last && end <= next) {
            gr_tenant_give(core, t, row);
        }
    }
    return next;
}

// Notes when a node is ready for each task that it can hold.
static void node_ready(const struct ready *ready, uint32_t node, struct notes *notes)
{
    const struct gr_place *place = gr_pool(ready->core);
    const struct gr_demand *demand = &ready->job->demand;
    struct gr_node row = *gr_place_node_get(place, node);
    uint32_t tasks = 0;
    int64_t time = ready->at_ms;
    if (gr_place_task_filter(place, node, demand) < GR_FILTER_DEVICES ||
        gr_hold_keeps(ready->core, node, ready->job->id)) {
        return; // not even if it were empty
    }
    for (unsigned step = 0; time != INT64_MAX && !is_late(notes, time); step++) {
        uint32_t now = gr_place_row_tasks(place, node, &row, demand, notes->most, NULL);
        int64_t open = gr_window_free_ms(ready->core, ready->job, node, time);
        for (; tasks < now && open != INT64_MAX; tasks++) {
            note_add(notes, open, node);
        }
        tasks = now;
        time = tasks == notes->most
                   ? INT64_MAX
                   : next_give(ready, node, step == 0 ? INT64_MIN : time, step >= ENDS, &row);
    }
}

// Pieces of so many tasks on a node as it will be then, in order.
static uint32_t node_fill(const struct ready *ready, uint32_t node, int64_t time, uint32_t most,
                          struct gr_piece *pieces)
{
    if (gr_hold_keeps(ready->core, node, ready->job->id)) {
        return 0;
    }
    struct gr_node row = row_at(ready, node, time);
    return gr_place_row_tasks(gr_pool(ready->core), node, &row, &ready->job->demand, most, pieces);
}

// --- tasks one by one, and blocks of them

static bool spread_ready(const struct ready *ready, struct gr_piece *pieces, int64_t *ret_start_ms)
{
    uint32_t tasks = ready->job->demand.tasks;
    struct notes notes = {.at = pieces, .most = tasks};
    for (uint32_t n = 0; n < gr_place_node_count(gr_pool(ready->core)); n++) {
        node_ready(ready, n, &notes);
    }
    if (notes.count < tasks) {
        return false;
    }
    *ret_start_ms = note_time(&pieces[0]);
    notes_sort(pieces, tasks, by_node);
    for (uint32_t i = 0, end; i < tasks; i = end) { // a node's notes give way to its pieces
        uint32_t node = pieces[i].node;
        for (end = i + 1; end < tasks && pieces[end].node == node; end++) {
        }
        uint32_t filled = node_fill(ready, node, *ret_start_ms, end - i, pieces + i);
        assert(filled == end - i);
        (void)filled;
    }
    return true;
}

// Notes when each block of tasks is ready in one domain; `room` is for its own notes.
static void domain_ready(const struct ready *ready, uint32_t domain, uint32_t block,
                         struct gr_piece *room, struct notes *blocks)
{
    const struct gr_demand *demand = &ready->job->demand;
    const struct gr_place *place = gr_pool(ready->core);
    unsigned level = demand->domain_level - 1u;
    struct notes notes = {.at = room, .most = demand->tasks};
    for (uint32_t n = gr_place_domain_head(place, level, domain); n != NONE;
         n = gr_place_domain_next(place, level, n)) {
        node_ready(ready, n, &notes);
    }
    notes_sort(room, notes.count, by_time);
    for (uint32_t i = block; i <= notes.count; i += block) {
        note_add(blocks, note_time(&room[i - 1]), domain);
    }
}

static bool domains_ready(const struct ready *ready, uint32_t block, struct gr_piece *pieces,
                          int64_t *ret_start_ms)
{
    const struct gr_demand *demand = &ready->job->demand;
    const struct gr_place *place = gr_pool(ready->core);
    unsigned level = demand->domain_level - 1u;
    struct notes blocks = {.at = pieces + demand->tasks, .most = demand->tasks / block};
    for (uint32_t d = 0; d < gr_place_limits_get(place)->domains[level]; d++) {
        domain_ready(ready, d, block, pieces, &blocks);
    }
    if (blocks.count < blocks.most) {
        return false;
    }
    *ret_start_ms = note_time(&blocks.at[0]);
    notes_sort(blocks.at, blocks.count, by_node);
    uint32_t filled = 0;
    for (uint32_t b = 0, end; b < blocks.count; b = end) {
        uint32_t domain = blocks.at[b].node;
        for (end = b + 1; end < blocks.count && blocks.at[end].node == domain; end++) {
        }
        uint32_t until = end * block;
        for (uint32_t n = gr_place_domain_head(place, level, domain); n != NONE && filled < until;
             n = gr_place_domain_next(place, level, n)) {
            filled += node_fill(ready, n, *ret_start_ms, until - filled, pieces + filled);
        }
        assert(filled == until);
    }
    return true;
}

// gr_ready_find for a demand of one tier.
static bool tier_ready(const struct gr_core *core, int64_t at_ms, const struct gr_job *job,
                       struct gr_piece *pieces, int64_t *ret_start_ms)
{
    const struct gr_demand *demand = &job->demand;
    struct ready ready = {core, job, at_ms};
    uint32_t block = demand->domain_tasks != 0 ? demand->domain_tasks : demand->tasks;
    bool shares = demand->domain_level != 0 && block > 1;
    // The notes of blocks lie behind those of tasks; a gang too large for that gets no answer.
    bool found = !shares ? spread_ready(&ready, pieces, ret_start_ms)
                 : demand->tasks + demand->tasks / block > GR_TASKS_MAX
                     ? false
                     : domains_ready(&ready, block, pieces, ret_start_ms);
    if (found) {
        notes_sort(pieces, demand->tasks, by_node);
    }
    return found;
}

bool gr_ready_find(const struct gr_core *core, int64_t at_ms, const struct gr_job *job,
                   struct gr_piece *pieces, int64_t *ret_start_ms)
{
    struct gr_tiers tiers;
    struct gr_job part = *job;
    uint32_t best = GR_NONE, last = GR_NONE;
    int64_t start_ms;
    int missing = gr_prefer_tiers(core, &job->demand, &tiers, NULL);
    for (uint32_t t = 0; missing < 0 && t < tiers.count; t++) {
        part.demand.shape.mask = tiers.masks[t];
        last = t;
        if (tier_ready(core, at_ms, &part, pieces, &start_ms) &&
            (best == GR_NONE || start_ms < *ret_start_ms)) { // the first choice of equal times
            best = t;
            *ret_start_ms = start_ms;
        }
    }
    if (best != GR_NONE && best != last) { // the notes of later tiers took the place of its pieces
        part.demand.shape.mask = tiers.masks[best];
        bool found = tier_ready(core, at_ms, &part, pieces, &start_ms);
        assert(found && start_ms == *ret_start_ms);
        (void)found;
    }
    return best != GR_NONE;
}
