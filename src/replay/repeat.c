// The loop of a repetition: see repeat.h.
#include "replay/repeat_run.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// ---- what comes: a binary heap ------------------------------------------------------------------

static bool comes_before(const struct gr_repeat_coming *a, const struct gr_repeat_coming *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

int gr_repeat_come(struct gr_repeat_run *run, struct gr_repeat_coming coming, struct gr_err *err)
{
    int code = gr_repeat_grow(&run->coming, run->coming_count, &run->coming_room,
                              sizeof *run->coming, err);
    if (code < 0) {
        return code;
    }
    size_t at = run->coming_count++;
    while (at > 0 && comes_before(&coming, &run->coming[(at - 1) / 2])) {
        run->coming[at] = run->coming[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    run->coming[at] = coming;
    return 0;
}

static struct gr_repeat_coming take_first(struct gr_repeat_run *run)
{
    struct gr_repeat_coming first = run->coming[0];
    struct gr_repeat_coming moving = run->coming[--run->coming_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= run->coming_count) {
            break;
        }
        if (child + 1 < run->coming_count &&
            comes_before(&run->coming[child + 1], &run->coming[child])) {
            child++;
        }
        if (!comes_before(&run->coming[child], &moving)) {
            break;
        }
        run->coming[at] = run->coming[child];
        at = child;
    }
    run->coming[at] = moving;
    return first;
}

// ---- facts --------------------------------------------------------------------------------------

uint32_t gr_repeat_job_now(const struct gr_repeat_run *run, uint64_t now)
{
    size_t low = 0, high = run->id_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run->ids[middle].now < now) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < run->id_count && run->ids[low].now == now ? run->ids[low].job : GR_REPEAT_NONE;
}

bool gr_repeat_is_recorded(const struct gr_repeat_run *run, const struct gr_event *event,
                           size_t offset)
{
    static _Thread_local uint8_t bytes[GR_EVENT_BYTES_MAX];
    const struct gr_recording *recording = run->plan->recording;
    long size = gr_event_encode(event, bytes, sizeof bytes);
    return size > 0 && (size_t)size <= recording->facts_size - offset &&
           memcmp(bytes, recording->facts + offset, (size_t)size) == 0;
}

void gr_repeat_part_ways(struct gr_repeat_run *run, uint64_t sequence, const struct gr_event *event)
{
    struct gr_repeat *repeat = run->repeat;
    if (run->is_exact) {
        repeat->first_fact = sequence;
        snprintf(repeat->first_text, sizeof repeat->first_text, "%s",
                 event == NULL ? "nothing" : gr_event_type_name(event->type));
        run->is_exact = false;
        run->is_dirty = true;
    }
}

// The job, as the recording numbers it, that a decision is about.
static uint64_t recorded_job(const struct gr_repeat_run *run, const struct gr_event *event)
{
    uint64_t now = event->type == GR_JOB_PLACED    ? event->placed.job
                   : event->type == GR_PART_PLACED ? event->part_placed.job
                                                   : event->stop_asked.job;
    uint32_t job = gr_repeat_job_now(run, now);
    return job == GR_REPEAT_NONE ? 0 : run->plan->jobs[job].recorded;
}

int gr_repeat_apply(struct gr_repeat_run *run, const struct gr_event *event, struct gr_err *err)
{
    if (gr_core_check(run->core, event) != GR_REFUSED_NOTHING) {
        gr_repeat_part_ways(run, event->sequence, NULL);
        return 0;
    }
    struct gr_repeat_log *log = &run->repeat->repeated;
    int code = gr_repeat_is_decided(event)
                   ? gr_repeat_log_add(log, event, recorded_job(run, event), err)
                   : 0;
    (void)gr_core_apply(run->core, event, NULL);
    run->is_dirty = true;
    log->finished += event->type == GR_JOB_FINISHED;
    if (code == 0 && event->type == GR_JOB_PLACED) {
        code = gr_repeat_begun(run, event, err);
    } else if (code == 0 && event->type == GR_STOP_ASKED) {
        code = gr_repeat_stopped(run, event, err);
    }
    return code;
}

// ---- decisions ----------------------------------------------------------------------------------

// In the order in which the live pool asks.
static bool decide(struct gr_repeat_run *run, struct gr_event *ret_event)
{
    return gr_decide_doomed(run->core, run->now_ms, ret_event) ||
           gr_decide_start(run->core, NULL, run->now_ms, run->pieces, ret_event);
}

static int ask_all(struct gr_repeat_run *run, struct gr_err *err)
{
    struct gr_event event;
    int code = 0;
    while (code == 0 && decide(run, &event)) {
        code = gr_repeat_apply(run, &event, err);
    }
    run->is_dirty = false;
    return code;
}

// Whether what the core would decide beyond what it had decided here comes next in the recording:
// the live pool stops deciding after a while, and goes on in its next turn.
static bool is_put_off(const struct gr_repeat_run *run, const struct gr_event *event)
{
    struct gr_event next;
    if (run->expect == run->plan->expected_count) {
        return false;
    }
    uint32_t pieces = event->piece_count;
    size_t offset = run->plan->expected[run->expect].offset;
    gr_repeat_fact_get(run->plan, offset, &next);
    return next.type == event->type && next.piece_count == pieces &&
           (next.type != GR_JOB_PLACED || next.placed.job == event->placed.job);
}

// As many decisions as were made here, each of them the recorded one.
static int ask_exact(struct gr_repeat_run *run, const struct gr_repeat_step *step,
                     struct gr_err *err)
{
    struct gr_event event;
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < step->decisions && run->is_exact; i++) {
        const struct gr_repeat_expected *expected = &run->plan->expected[run->expect++];
        bool decides = decide(run, &event);
        if (!decides || !gr_repeat_is_recorded(run, &event, expected->offset)) {
            gr_repeat_part_ways(run, expected->sequence, decides ? &event : NULL);
        }
        code = decides ? gr_repeat_apply(run, &event, err) : 0;
    }
    if (code == 0 && run->is_exact && decide(run, &event) && !is_put_off(run, &event)) {
        gr_repeat_part_ways(run, event.sequence, &event);
    }
    return code;
}

// ---- the loop -----------------------------------------------------------------------------------

// The next step that comes at its own time; step_count: none.
static size_t next_fixed(const struct gr_repeat_plan *plan, size_t at)
{
    while (at < plan->step_count && plan->steps[at].attempt != GR_REPEAT_NONE) {
        at++;
    }
    return at;
}

// When room that is held is given up: the core is asked then, too. INT64_MAX: none is.
static int64_t hold_ends(const struct gr_repeat_run *run)
{
    int64_t first_ms = INT64_MAX;
    struct gr_core_hold hold;
    for (uint32_t cursor = 0; gr_core_hold_next(run->core, &cursor, &hold);) {
        first_ms =
            hold.until_ms < first_ms && hold.until_ms > run->now_ms ? hold.until_ms : first_ms;
    }
    return first_ms;
}

static int run_fixed(struct gr_repeat_run *run, const struct gr_repeat_step *step,
                     struct gr_err *err)
{
    run->now_ms = step->at_ms;
    if (step->type != 0) {
        return gr_repeat_outside(run, step, err);
    }
    run->is_dirty = true;
    return run->is_exact ? ask_exact(run, step, err) : 0;
}

static int run_all(struct gr_repeat_run *run, struct gr_err *err)
{
    const struct gr_repeat_plan *plan = run->plan;
    int64_t last_ms = plan->step_count > 0 ? plan->steps[plan->step_count - 1].at_ms : 0;
    int code = gr_repeat_begin(run, err);
    for (size_t fixed = 0; code == 0;) {
        fixed = next_fixed(plan, fixed);
        const struct gr_repeat_step *step = fixed < plan->step_count ? &plan->steps[fixed] : NULL;
        const struct gr_repeat_coming *first = run->coming_count > 0 ? run->coming : NULL;
        bool is_fixed =
            first == NULL ||
            (step != NULL && (step->at_ms < first->at_ms ||
                              (step->at_ms == first->at_ms && step->sequence < first->order)));
        int64_t at_ms = is_fixed ? (step != NULL ? step->at_ms : INT64_MAX) : first->at_ms;
        int64_t hold_ms = run->is_exact ? INT64_MAX : hold_ends(run);
        if (!run->is_exact && run->is_dirty && at_ms > run->now_ms) {
            code = ask_all(run, err);
        } else if (hold_ms < at_ms && hold_ms <= last_ms) {
            run->now_ms = hold_ms;
            run->is_dirty = true;
        } else if (at_ms > last_ms) {
            break; // what comes later was not recorded
        } else if (is_fixed) {
            fixed++;
            code = run_fixed(run, step, err);
        } else {
            struct gr_repeat_coming coming = take_first(run);
            run->now_ms = coming.at_ms;
            code = gr_repeat_inside(run, &coming, err);
        }
    }
    return code;
}

static int run_new(const struct gr_recording *recording, struct gr_repeat_run *run,
                   struct gr_err *err)
{
    const struct gr_repeat_config *config = run->config;
    run->core_config = recording->config;
    run->core_config.policy = config->policy != NULL ? config->policy : run->core_config.policy;
    if (config->order > 0) {
        run->core_config.order = (enum gr_order)(config->order - 1);
    }
    run->is_exact = run->core_config.order == recording->config.order && config->terms == NULL &&
                    strcmp(run->core_config.policy, recording->config.policy) == 0;
    run->repeat->is_changed = !run->is_exact;
    run->pieces = calloc(GR_TASKS_MAX, sizeof *run->pieces);
    return run->pieces == NULL ? gr_fail(err, -ENOMEM, "no memory to repeat the recording")
                               : gr_recording_core(recording, &run->core_config, &run->core, err);
}

static int repeat_plan(const struct gr_recording *recording, struct gr_repeat_plan *plan,
                       const struct gr_repeat_config *config, struct gr_repeat *repeat,
                       struct gr_err *err)
{
    struct gr_repeat_run run = {.plan = plan, .config = config, .repeat = repeat};
    int code = run_new(recording, &run, err);
    struct gr_device_time before = {0};
    if (code == 0) {
        before = gr_core_device_time(run.core);
        code = run_all(&run, err);
    }
    if (code == 0) {
        repeat->repeated.lost = gr_core_lost(run.core, gr_core_now(run.core)).total;
        code = gr_repeat_log_end(plan, run.core, &before, &repeat->repeated, err);
    }
    gr_core_free(run.core);
    free(run.pieces);
    free(run.coming);
    free(run.ids);
    return code;
}

int gr_repeat_run(const struct gr_recording *recording, const struct gr_repeat_config *config,
                  struct gr_repeat *ret_repeat, struct gr_err *err)
{
    struct gr_repeat repeat = {0};
    struct gr_repeat_plan plan = {0};
    struct gr_core *core = NULL;
    int code = gr_recording_core(recording, NULL, &core, err);
    if (code == 0) {
        struct gr_device_time before = gr_core_device_time(core);
        code = gr_repeat_plan_make(recording, core, &plan, &repeat.recorded, err);
        repeat.recorded.lost = code < 0 ? 0 : gr_core_lost(core, gr_core_now(core)).total;
        code = code < 0 ? code : gr_repeat_log_end(&plan, core, &before, &repeat.recorded, err);
    }
    gr_core_free(core);
    if (code == 0 && memcmp(repeat.recorded.digest, recording->digest, GR_HASH_SIZE) != 0) {
        code = gr_fail(err, -EINVAL, "the recorded facts lead to another state than was recorded");
    }
    code = code < 0 ? code : repeat_plan(recording, &plan, config, &repeat, err);
    code = code < 0 ? code : gr_repeat_compare(&repeat, err);
    gr_repeat_plan_done(&plan);
    if (code < 0) {
        gr_repeat_done(&repeat);
        return code;
    }
    *ret_repeat = repeat;
    return 0;
}

void gr_repeat_done(struct gr_repeat *repeat)
{
    free(repeat->recorded.decisions);
    free(repeat->recorded.pieces);
    free(repeat->repeated.decisions);
    free(repeat->repeated.pieces);
    free(repeat->differences);
    *repeat = (struct gr_repeat){0};
}
