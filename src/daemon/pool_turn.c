// What a turn of the loop does by itself: acts on time limits, decides starts. See pool.h.
#include "daemon/pool.h"

#include "base/clock.h"

// --- time limits

// When a timer of this kind is due: counted from the first instruction; until that is known, from
// the placement.
static int64_t due_ms(const struct gr_job *job, enum gr_timer_kind kind)
{
    int64_t from_ms = job->began_ms != 0 ? job->began_ms : job->started_ms;
    int64_t notice_ms = (int64_t)(job->tag & ((UINT64_C(1) << 40) - 1));
    return from_ms + job->limit_ms - (kind == GR_TIMER_NOTICE ? notice_ms : 0);
}

// The job that a timer is about, if it still runs and nobody asked it to stop.
static const struct gr_job *job_of(const struct gr_core *core, const struct gr_timer *timer)
{
    const struct gr_job *job = gr_core_job_find(core, timer->job);
    bool is_it = job != NULL && job->state == GR_JOB_RUNNING && job->attempt == timer->attempt &&
                 job->stop_why == GR_STOP_NOT;
    return is_it ? job : NULL;
}

bool gr_pool_timer_matters(const void *context, const struct gr_timer *timer)
{
    const struct gr_pool *pool = context;
    return job_of(pool->core, timer) != NULL;
}

void gr_pool_timers_set(struct gr_pool *pool, const struct gr_job *job)
{
    if (job->limit_ms == 0) {
        return;
    }
    struct gr_timer timer = {.at_ms = due_ms(job, GR_TIMER_LIMIT),
                             .job = job->id,
                             .attempt = job->attempt,
                             .kind = GR_TIMER_LIMIT};
    int rc = gr_timers_add(&pool->timers, &timer);
    if (rc == 0 && due_ms(job, GR_TIMER_NOTICE) < timer.at_ms) {
        timer.at_ms = due_ms(job, GR_TIMER_NOTICE);
        timer.kind = GR_TIMER_NOTICE;
        rc = gr_timers_add(&pool->timers, &timer);
    }
    if (rc != 0) { // no memory to wait: at its limit at once would be wrong, never would be too
        gr_pool_stop(pool, job->id, GR_STOP_TIME_LIMIT, 0, -1);
    }
}

// A job that is still held-idle after as long as the policy allows is reclaimed.
static void reclaim_idle(struct gr_pool *pool, const struct gr_job *job)
{
    const struct gr_live *live = gr_pool_live_find(pool, job->id);
    bool is_long = live != NULL && live->is_idle &&
                   gr_pool_now(pool) - live->idle_ms >= pool->config.idle_stop_ms;
    if (is_long) {
        gr_pool_stop(pool, job->id, GR_STOP_IDLE, 0, -1);
    }
}

bool gr_pool_may_tick(const struct gr_pool *pool)
{
    return pool->engine == NULL || pool->engine_is_up;
}

void gr_pool_tick(struct gr_pool *pool)
{
    struct gr_timer timer;
    if (!gr_pool_may_tick(pool)) {
        return;
    }
    int64_t now_ms = gr_pool_now(pool);
    while (gr_timers_take(&pool->timers, now_ms, &timer)) {
        const struct gr_job *job = job_of(pool->core, &timer);
        if (job == NULL) {
            continue; // it is over
        }
        if (timer.kind == GR_TIMER_IDLE) {
            reclaim_idle(pool, job);
            continue;
        }
        if (due_ms(job, timer.kind) > now_ms) {
            continue; // it began later than was thought, and has another timer
        }
        if (timer.kind == GR_TIMER_NOTICE) {
            gr_pool_order_then(pool, GR_POOL_ORDER_NOTICE, timer.job, timer.attempt);
        } else {
            gr_pool_stop(pool, timer.job, GR_STOP_TIME_LIMIT, 0, -1);
        }
    }
}

// --- starts

// Starts decided in one turn of the loop, in nanoseconds.
#define SCHEDULE_NS INT64_C(3000000)

// A new mix has the policy make all its tables and the index anew, which holds up everything for
// many milliseconds: it is not worth that while people ask for about the same things as before.
static bool decide_mix(struct gr_pool *pool, int64_t now_ms, struct gr_event *ret_event)
{
    if (pool->submitted_total < pool->mix_again || !gr_decide_mix(pool->core, now_ms, ret_event)) {
        return false;
    }
    if (gr_core_mix_is_near(pool->core)) {
        pool->mix_again = pool->submitted_total + pool->submitted_total / 16 + 16;
        return false;
    }
    return true;
}

void gr_pool_schedule(struct gr_pool *pool)
{
    if (!pool->wants_schedule) {
        return;
    }
    const char *code;
    const char *text;
    int64_t until_ns = gr_clock_ns() + SCHEDULE_NS;
    // One time for all: room that is kept until a job over its limit ends is kept until the next
    // millisecond, and would be looked for again and again if that came meanwhile.
    int64_t now_ms = gr_pool_now(pool);
    struct gr_event event;
    for (unsigned n = 1;; n++) {
        if (gr_pool_refuses(pool, &code, &text) != 0 ||
            (n % 16 == 0 && gr_clock_ns() >= until_ns)) {
            return; // goes on in the next turn
        }
        // First those that can never start, of which one end may make very many; then what is asked
        // for lately, so that the policy leaves room of the right sort.
        if (!gr_decide_doomed(pool->core, now_ms, &event) && !decide_mix(pool, now_ms, &event) &&
            !gr_decide_start(pool->core, NULL, now_ms, pool->pieces, &event)) {
            break;
        }
        pool->placed_total += event.type == GR_JOB_PLACED;
        gr_pool_part_stop_fill(pool, &event);
        gr_pool_fact(pool, &event);
    }
    pool->wants_schedule = false;
}
