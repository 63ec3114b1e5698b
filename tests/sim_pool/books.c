// The auditor's own books: made from the bytes that reached the disk, from the orders that left the
// pool and from what it told those who asked, and compared with what really ran. No code is shared
// with the core but the reading of facts.
#include "parts.h"

#include "codec/event_bytes.h"

#include <stdlib.h>
#include <string.h>

static struct books *const books = &sim.books;

// Codes of goals that are not enums of their own.
enum order_goal { ORDER_GOAL_KILL = 6, ORDER_GOAL_GIVEN_UP };

void books_init(void)
{
    struct gr_event_room *room =
        books->room != NULL ? books->room : malloc(sizeof(struct gr_event_room));
    memset(books, 0, sizeof *books);
    books->room = room;
    if (room == NULL) {
        sim_wrong("no memory");
    }
}

struct book_job *books_job(uint64_t id)
{
    uint32_t low = 0, high = books->job_count; // ids rise
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (books->jobs[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < books->job_count && books->jobs[low].id == id ? &books->jobs[low] : NULL;
}

static struct book_job *job_of(uint64_t id, const char *what)
{
    struct book_job *job = books_job(id);
    if (job == NULL || job->has_ended) {
        sim_wrong("%s: job %llu %s", what, (unsigned long long)id,
                  job == NULL ? "was never submitted" : "has ended");
    }
    return job;
}

static struct book_job *placed_of(uint64_t id, uint32_t attempt, const char *what)
{
    struct book_job *job = job_of(id, what);
    if (!job->is_placed || job->attempt != attempt) {
        sim_wrong("%s: attempt %llu.%u was not placed", what, (unsigned long long)id, attempt);
    }
    return job;
}

// --- what is held

static void hold(const struct book_job *job, bool takes)
{
    for (uint32_t i = 0; i < job->piece_count; i++) {
        const struct gr_piece *piece = &job->pieces[i];
        struct book_node *node = &books->node[piece->node];
        if (takes && node->state != GR_NODE_UP) {
            sim_wrong("job %llu is placed on node %u, which takes no new work",
                      (unsigned long long)job->id, piece->node);
        }
        for (uint32_t d = 0; d < GR_NODE_DEVICES_MAX; d++) {
            if ((piece->devices >> d & 1u) == 0) {
                continue;
            }
            node->held[d] += takes ? piece->milli : -(uint32_t)piece->milli;
            if (d >= node->devices || node->held[d] > GR_DEVICE_MILLI ||
                (takes && (node->out >> d & 1u) != 0)) {
                sim_wrong("job %llu cannot have device %u of node %u", (unsigned long long)job->id,
                          d, piece->node);
            }
        }
    }
}

// Time goes by: device-time is counted.
static void advance(int64_t at_ms)
{
    if (at_ms < books->at_ms) {
        sim_wrong("time went back in the journal");
    }
    unsigned __int128 ms = (unsigned __int128)(at_ms - books->at_ms);
    for (uint32_t n = 0; n < books->nodes; n++) {
        const struct book_node *node = &books->node[n];
        books->all += ms * node->devices * GR_DEVICE_MILLI;
        for (uint32_t d = 0; d < node->devices && node->state != GR_NODE_BROKEN; d++) {
            // What is held of a device that is out of use is broken, not used.
            books->used += (node->out >> d & 1u) != 0 ? 0 : ms * node->held[d];
        }
    }
    books->at_ms = at_ms;
}

// --- facts

static void submitted(const struct gr_event *event)
{
    if (books->job_count == SIM_JOBS) {
        sim_wrong("more jobs than the simulator keeps");
    }
    books->jobs[books->job_count++] = (struct book_job){.id = event->sequence,
                                                        .array = event->submitted.array.array,
                                                        .attempts = event->submitted.attempts,
                                                        .limit_ms = event->submitted.limit_ms,
                                                        .tasks = event->submitted.demand.tasks};
}

static void placed(const struct gr_event *event)
{
    struct book_job *job = job_of(event->placed.job, "placed");
    if (job->is_placed || event->placed.attempt != job->attempt + 1 ||
        event->placed.attempt > job->attempts) {
        sim_wrong("job %llu is placed for attempt %u after attempt %u%s",
                  (unsigned long long)job->id, event->placed.attempt, job->attempt,
                  job->is_placed ? ", which has not ended" : "");
    }
    if (job->stop_told) {
        sim_wrong("job %llu is placed again, though its user stopped it",
                  (unsigned long long)job->id);
    }
    if (event->piece_count > 16) {
        sim_wrong("a gang of %u tasks is more than the books hold", event->piece_count);
    }
    job->is_placed = true;
    job->has_begun = job->is_given_up = false;
    job->began_ms = job->safe_ms = 0;
    job->why = GR_STOP_NOT;
    job->attempt = event->placed.attempt;
    job->piece_count = event->piece_count;
    memcpy(job->pieces, event->pieces, event->piece_count * sizeof *job->pieces);
    hold(job, true);
}

static void started(const struct gr_event *event)
{
    struct book_job *job = placed_of(event->started.job, event->started.attempt, "started");
    const struct world_attempt *at = world_find(job->id, job->attempt);
    if (at == NULL || at->starts != 1 || job->has_begun) {
        sim_wrong("attempt %llu.%u is said to have begun", (unsigned long long)job->id,
                  job->attempt);
    }
    job->has_begun = true;
    job->began_ms = event->since_ms;
}

// Never of the future, nor from before the work began, nor taken back.
static void checkpointed(const struct gr_event *event)
{
    struct book_job *job =
        placed_of(event->checkpointed.job, event->checkpointed.attempt, "checkpointed");
    if (!job->has_begun || event->since_ms <= job->began_ms || event->since_ms > event->at_ms ||
        event->since_ms <= job->safe_ms) {
        sim_wrong("work of %llu.%u is said to be safe up to %lld", (unsigned long long)job->id,
                  job->attempt, (long long)event->since_ms);
    }
    job->safe_ms = event->since_ms;
}

// What an outcome must have behind it in the world.
static bool is_true(const struct book_job *job, const struct gr_ending *ending)
{
    const struct world_attempt *at = world_find(job->id, job->attempt);
    enum world_state state = at == NULL ? WORLD_KEPT_OUT : at->state;
    bool never = at == NULL || at->starts == 0;
    bool is_end = at != NULL && state == WORLD_ENDED && ending->exit_code == at->end.exit_code &&
                  ending->signal == at->end.signal;
    if (state == WORLD_RUNNING || state == WORLD_STARTING) {
        return false;
    }
    switch ((enum gr_outcome)ending->outcome) {
    case GR_OUTCOME_DONE:
        return is_end && ending->exit_code == 0 && ending->signal == 0;
    case GR_OUTCOME_FAILED:
        return is_end && !at->end.is_out_of_memory &&
               (ending->exit_code != 0 || ending->signal != 0);
    case GR_OUTCOME_OUT_OF_MEMORY:
        return is_end && at->end.is_out_of_memory;
    case GR_OUTCOME_STOPPED:
        return job->stop_wanted && (is_end || never || at->is_wiped);
    case GR_OUTCOME_TIME_LIMIT:
        return is_end && job->why == GR_STOP_TIME_LIMIT;
    case GR_OUTCOME_NODE:
        // Or its node was found unwell before it could begin.
        return (is_end && job->why == GR_STOP_NODE) || (never && job->is_given_up);
    case GR_OUTCOME_RECLAIMED:
        return is_end && (job->why == GR_STOP_RECLAIM || job->why == GR_STOP_IDLE);
    case GR_OUTCOME_LOST:
        return state == WORLD_LOST;
    case GR_OUTCOME_NOT_STARTED:
        return never || at->is_wiped;
    }
    return false;
}

static void attempt_over(struct book_job *job, const struct gr_ending *ending)
{
    if (!is_true(job, ending)) {
        const struct world_attempt *at = world_find(job->id, job->attempt);
        sim_wrong("attempt %llu.%u did not end as outcome %u exit %d signal %u: in the world it is "
                  "in state %d, began %u times, exit %d signal %u, why %u",
                  (unsigned long long)job->id, job->attempt, ending->outcome, ending->exit_code,
                  ending->signal, at == NULL ? 0 : (int)at->state, at == NULL ? 0 : at->starts,
                  at == NULL ? 0 : at->end.exit_code, at == NULL ? 0 : at->end.signal, job->why);
    }
    hold(job, false);
    job->is_placed = false;
}

static void finished(const struct gr_event *event)
{
    struct book_job *job = placed_of(event->finished.job, event->finished.attempt, "finished");
    goal_reach("finished", event->finished.ending.outcome);
    attempt_over(job, &event->finished.ending);
    job->has_ended = true;
}

static void requeued(const struct gr_event *event)
{
    struct book_job *job = placed_of(event->requeued.job, event->requeued.attempt, "requeued");
    goal_reach("requeued", event->requeued.ending.outcome);
    if (job->attempt >= job->attempts || job->why == GR_STOP_BY_USER ||
        job->why == GR_STOP_TIME_LIMIT) {
        sim_wrong("job %llu must not be tried again", (unsigned long long)job->id);
    }
    attempt_over(job, &event->requeued.ending);
}

static void dropped(const struct gr_event *event)
{
    struct book_job *job = job_of(event->dropped.job, "dropped");
    bool may = event->dropped.why == GR_REFUSED_AFTER ||
               (event->dropped.why == GR_REFUSED_BY_USER && job->stop_wanted);
    goal_reach("dropped", event->dropped.why);
    if (job->is_placed || !may) {
        sim_wrong("job %llu was dropped (%s)", (unsigned long long)job->id,
                  gr_refusal_name(event->dropped.why));
    }
    job->has_ended = true;
}

static void stop_asked(const struct gr_event *event)
{
    struct book_job *job = placed_of(event->stop_asked.job, event->stop_asked.attempt, "stop");
    job->why = event->stop_asked.why;
    goal_reach("stop asked", job->why);
    bool may = true;
    if (job->why == GR_STOP_BY_USER) {
        may = job->stop_wanted;
    } else if (job->why == GR_STOP_TIME_LIMIT) {
        may =
            job->limit_ms > 0 && (!job->has_begun || event->at_ms >= job->began_ms + job->limit_ms);
    } else if (job->why == GR_STOP_NODE) {
        may = false;
        for (uint32_t i = 0; i < job->piece_count; i++) {
            const struct book_node *node = &books->node[job->pieces[i].node];
            may = may || node->was_drained || (node->out & job->pieces[i].devices) != 0;
        }
    }
    if (!may) {
        sim_wrong("job %llu was stopped without a reason (%u)", (unsigned long long)job->id,
                  job->why);
    }
}

static void apply(const struct gr_event *event)
{
    if (event->sequence != books->sequence + 1) {
        sim_wrong("fact %llu follows %llu", (unsigned long long)event->sequence,
                  (unsigned long long)books->sequence);
    }
    advance(event->at_ms);
    books->sequence = event->sequence;
    goal_reach("fact", event->type);
    switch ((enum gr_event_type)event->type) {
    case GR_NODE_ADDED:
        if (books->nodes == SIM_NODES) {
            sim_wrong("more nodes than the books hold");
        }
        books->node[books->nodes++] = (struct book_node){.devices = event->node.row.devices};
        break;
    case GR_NODE_STATE_SET:
        if (event->node_state.state == GR_NODE_BROKEN ||
            books->node[event->node_state.node].state == GR_NODE_BROKEN) {
            goal_reach("node vanished", event->node_state.state == GR_NODE_BROKEN);
        }
        books->node[event->node_state.node].state = event->node_state.state;
        books->node[event->node_state.node].was_drained |= event->node_state.state != GR_NODE_UP;
        break;
    case GR_DEVICES_SET: {
        uint32_t *out = &books->node[event->devices_set.node].out;
        *out = event->devices_set.is_out ? *out | event->devices_set.devices
                                         : *out & ~(uint32_t)event->devices_set.devices;
        goal_reach("device class", event->devices_set.health);
        break;
    }
    case GR_EPOCH_BEGUN:
        if (event->epoch <= books->epoch) {
            sim_wrong("epoch %u follows %u", event->epoch, books->epoch);
        }
        books->epoch = event->epoch;
        break;
    case GR_JOB_SUBMITTED:
        submitted(event);
        break;
    case GR_JOB_PLACED:
        placed(event);
        break;
    case GR_JOB_STARTED:
        started(event);
        break;
    case GR_JOB_FINISHED:
        finished(event);
        break;
    case GR_JOB_REQUEUED:
        requeued(event);
        break;
    case GR_JOB_DROPPED:
        dropped(event);
        break;
    case GR_STOP_ASKED:
        stop_asked(event);
        break;
    case GR_CHECKPOINTED:
        checkpointed(event);
        break;
    case GR_ORG_ADDED:
        books->orgs++;
        break;
    case GR_SITE_ADDED:
    case GR_VARIANT_ADDED:
    case GR_MASK_ADDED:
    case GR_MIX_SET:
    case GR_ROOM_RESERVED:
    case GR_USER_ADDED:
    case GR_KEY_USED:
    case GR_QUOTA_SET:
    case GR_ORG_TERMS_SET:
    case GR_QUEUE_TERMS_SET:
    case GR_CLASS_SET:
    case GR_ROOM_HELD:
    case GR_ROOM_FREED:
    case GR_PART_LOST:
    case GR_PART_PLACED:
    case GR_PREFERENCE_SET:
    case GR_WINDOW_SET:
    case GR_WINDOW_OPENED:
    case GR_WINDOW_CLOSED:
    case GR_WINDOW_ENDED:
        break;
    }
}

void books_group(const struct gr_journal_group *group)
{
    size_t at = 0;
    while (at < group->payload_size) {
        struct gr_event event;
        struct gr_err err;
        long took = gr_event_decode(group->payload + at, group->payload_size - at, books->room,
                                    &event, &err);
        if (took <= 0) {
            sim_wrong("a fact cannot be read: %s", took < 0 ? err.text : "cut off");
        }
        at += (size_t)took;
        apply(&event);
    }
    if (books->sequence != group->last) {
        sim_wrong("a group ends with another fact than it says");
    }
}

// --- what somebody was told

void books_told(void *context, uint64_t number)
{
    struct book_ask *ask = &books->asks[number];
    (void)context;
    if (sim.is_dead) {
        return;
    }
    for (uint64_t id = ask->first; id <= ask->last; id++) {
        // Between the elements of an array lies, at most, the fact of a new mask.
        const struct book_job *job = books_job(id);
        if (job == NULL && (id == ask->first || id == ask->last)) {
            sim_wrong("job %llu was acknowledged and is not durable", (unsigned long long)id);
        }
    }
    ask->is_told = true;
}

void books_stop_told(void *context, uint64_t id)
{
    struct book_job *job = books_job(id);
    (void)context;
    if (sim.is_dead) {
        return;
    }
    if (job == NULL || (!job->has_ended && (!job->is_placed || job->why == GR_STOP_NOT))) {
        sim_wrong("the stop of job %llu was acknowledged and is not durable",
                  (unsigned long long)id);
    }
    job->stop_told = true;
}

void books_order(enum world_order_type type, uint64_t id, uint32_t attempt, uint32_t signal,
                 int64_t grace_ms)
{
    const struct book_job *job = books_job(id);
    bool is_placed = job != NULL && job->is_placed && job->attempt == attempt;
    bool is_over =
        job != NULL && (job->attempt > attempt || (job->attempt == attempt && !is_placed));
    bool may = false;
    switch (type) {
    case ORDER_START:
        may = is_placed;
        break;
    case ORDER_STOP:
        if (signal == 9 && grace_ms == 0) {
            may = !is_placed || job->is_given_up;
            goal_reach("order", may && is_placed ? ORDER_GOAL_GIVEN_UP : ORDER_GOAL_KILL);
            break;
        }
        may = is_placed && job->why != GR_STOP_NOT;
        break;
    case ORDER_SIGNAL:
        may = is_placed;
        break;
    case ORDER_FORGET:
        may = is_over;
        break;
    case ORDER_LIST:
        break;
    }
    goal_reach("order", type);
    if (!may) {
        sim_wrong("order %d about %llu.%u does not follow from what is durable", (int)type,
                  (unsigned long long)id, attempt);
    }
}

// --- comparing

void books_look(bool counts)
{
    for (uint32_t i = 0; i < books->job_count; i++) {
        struct book_job *job = &books->jobs[i];
        const struct gr_job *row = gr_core_job_find(sim.pool->core, job->id);
        uint8_t now = row == NULL ? 0 : row->state;
        if (now != job->seen && counts) {
            goal_reach("job went", 4u * job->seen + now);
        }
        job->seen = now;
    }
}

static void compare_job(const struct book_job *job, bool is_clean)
{
    const struct gr_job *row = gr_core_job_find(sim.pool->core, job->id);
    if (!is_clean) {
        return;
    }
    bool is_placed = row != NULL && row->state == GR_JOB_RUNNING;
    if ((row == NULL) != job->has_ended || is_placed != job->is_placed ||
        (row != NULL && row->attempt != job->attempt) || (is_placed && row->stop_why != job->why)) {
        sim_wrong("job %llu is not what its durable facts say", (unsigned long long)job->id);
    }
}

static void compare_time(void)
{
    struct gr_device_time time = gr_core_device_time(sim.pool->core);
    if (time.used + time.idle + time.maintenance + time.broken != books->all ||
        time.used != books->used) {
        sim_wrong("device-time does not add up: used %llu, by the books %llu",
                  (unsigned long long)time.used, (unsigned long long)books->used);
    }
}

void books_compare(bool is_clean)
{
    for (uint32_t i = 0; i < books->job_count; i++) {
        compare_job(&books->jobs[i], is_clean);
    }
    for (uint32_t i = 0; i < books->ask_count; i++) {
        const struct book_ask *ask = &books->asks[i];
        struct gr_ended ended;
        if (ask->is_told && gr_core_job_find(sim.pool->core, ask->first) == NULL &&
            !gr_pool_ended_find(sim.pool, ask->first, &ended)) {
            sim_wrong("job %llu was acknowledged and is forgotten", (unsigned long long)ask->first);
        }
    }
    if (is_clean) {
        if (gr_core_next_sequence(sim.pool->core) != books->sequence + 1) {
            sim_wrong("the pool knows of facts that nobody wrote");
        }
        compare_time();
    }
}

void books_calm(void)
{
    for (uint32_t i = 0; i < books->job_count; i++) {
        if (!books->jobs[i].has_ended) {
            sim_wrong("job %llu never ends", (unsigned long long)books->jobs[i].id);
        }
    }
    for (uint32_t i = 0; i < sim.world.attempt_count; i++) {
        const struct world_attempt *at = &sim.world.attempts[i];
        if (at->state == WORLD_RUNNING || at->state == WORLD_STARTING) {
            sim_wrong("attempt %llu.%u runs for ever", (unsigned long long)at->job, at->attempt);
        }
        if (!at->is_forgotten && at->state != WORLD_KEPT_OUT) {
            sim_wrong("the record of attempt %llu.%u is kept for ever", (unsigned long long)at->job,
                      at->attempt);
        }
    }
}
