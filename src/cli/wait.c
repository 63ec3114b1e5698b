// Waiting for jobs: see wait.h.
#include "cli/wait.h"

#include "cli/reference.h"
#include "cli/signals.h"
#include "cli/units.h"
#include "client/events.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { TICK_MS = 60000, PAUSE_MS = 200, TRIES_MAX = 150 };

struct waiter {
    const struct gr_cli_wait *wait;
    bool *is_over; // of each job
    size_t left;
};

// Asks what the job is now; a daemon that is being started anew is waited for.
static int get_job(const struct waiter *waiter, uint64_t id, json_t **ret_job, struct gr_err *err)
{
    int code = gr_cli_job_get(waiter->wait->client, id, ret_job, err);
    for (int tried = 0;
         tried < TRIES_MAX && (code == -ECONNREFUSED || code == -EIO || code == -EAGAIN); tried++) {
        struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
        code = gr_cli_job_get(waiter->wait->client, id, ret_job, err);
    }
    return code;
}

static int look_at(struct waiter *waiter, size_t index, struct gr_err *err)
{
    json_t *job = NULL;
    if (waiter->is_over[index]) {
        return 0;
    }
    int code = get_job(waiter, waiter->wait->jobs[index], &job, err);
    if (code == 0 && waiter->wait->is_enough(waiter->wait->context, job)) {
        waiter->is_over[index] = true;
        waiter->left--;
    }
    json_decref(job);
    return code;
}

// Which of the jobs an event is about; `count` if none.
static size_t find(const struct gr_cli_wait *wait, const json_t *data)
{
    int64_t id;
    if (!gr_cli_get_int(data, "job", &id)) {
        return wait->count;
    }
    size_t low = 0;
    for (size_t high = wait->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (wait->jobs[middle] < (uint64_t)id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < wait->count && wait->jobs[low] == (uint64_t)id ? low : wait->count;
}

static int take_events(struct waiter *waiter, struct gr_client_events *events, struct gr_err *err)
{
    struct gr_client_event event;
    int code;
    while (waiter->left > 0 && (code = gr_client_events_next(events, &event, err)) != 0) {
        size_t index = code == 1 ? find(waiter->wait, event.data) : 0;
        if (code == 1 && index < waiter->wait->count) {
            code = look_at(waiter, index, err);
        }
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

static int look_at_all(struct waiter *waiter, struct gr_err *err)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < waiter->wait->count; i++) {
        code = look_at(waiter, i, err);
    }
    return code;
}

static int loop(struct waiter *waiter, struct gr_client_events *events, struct gr_err *err)
{
    const struct gr_cli_wait *wait = waiter->wait;
    unsigned looked = 0; // at which connection all jobs were looked at
    while (waiter->left > 0) {
        int code = take_events(waiter, events, err);
        if (code == 0 && wait->from < 0 && gr_client_events_connects(events) != looked) {
            looked = gr_client_events_connects(events);
            code = look_at_all(waiter, err);
        }
        if (code == 0 && waiter->left > 0) {
            code = gr_client_events_wait(events, wait->signals, TICK_MS, err);
        }
        if (code < 0) {
            return code;
        }
        int number = wait->signals < 0 ? 0 : gr_cli_signals_take(wait->signals);
        if (number != 0 && !wait->signal(wait->context, number)) {
            return 1;
        }
    }
    return 0;
}

int gr_cli_wait_run(const struct gr_cli_wait *wait, struct gr_err *err)
{
    assert(wait->count > 0);
    assert(wait->signals < 0 || wait->signal != NULL);
    struct waiter waiter = {
        .wait = wait, .is_over = calloc(wait->count, sizeof(bool)), .left = wait->count};
    struct gr_client_events *events = NULL;
    if (waiter.is_over == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory to wait for %zu jobs", wait->count);
    }
    int code = gr_client_events_open(wait->client, wait->from, &events, err);
    if (code == 0) {
        code = loop(&waiter, events, err);
    }
    gr_client_events_close(events);
    free(waiter.is_over);
    return code;
}
