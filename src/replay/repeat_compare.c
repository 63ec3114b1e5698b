// Two logs of decisions, their figures and their differences: see repeat_parts.h.
#include "replay/repeat_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// ---- logs ---------------------------------------------------------------------------------------

int gr_repeat_log_add(struct gr_repeat_log *log, const struct gr_event *event, uint64_t job,
                      struct gr_err *err)
{
    struct gr_repeat_decision decision = {.job = job, .at_ms = event->at_ms};
    switch (event->type) {
    case GR_JOB_PLACED:
        decision.what = GR_REPEAT_START;
        decision.attempt = event->placed.attempt;
        break;
    case GR_PART_PLACED:
        decision.what = GR_REPEAT_PART;
        decision.attempt = event->part_placed.attempt;
        break;
    case GR_STOP_ASKED:
        decision.what = GR_REPEAT_STOP;
        decision.attempt = event->stop_asked.attempt;
        break;
    default:
        return 0;
    }
    int code = gr_repeat_grow(&log->decisions, log->count, &log->decision_room,
                              sizeof *log->decisions, err);
    decision.pieces = log->piece_count;
    decision.piece_count = decision.what == GR_REPEAT_STOP ? 0 : event->piece_count;
    decision.order = (uint32_t)log->count;
    for (uint32_t i = 0; code == 0 && i < decision.piece_count; i++) {
        code = gr_repeat_grow(&log->pieces, log->piece_count, &log->piece_room, sizeof *log->pieces,
                              err);
        if (code == 0) {
            log->pieces[log->piece_count++] = event->pieces[i];
        }
    }
    if (code == 0) {
        log->decisions[log->count++] = decision;
    }
    return code;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void find_waits(struct gr_repeat_log *log, int64_t *waits, size_t count)
{
    __int128 sum = 0;
    if (count == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        sum += waits[i];
    }
    qsort(waits, count, sizeof *waits, compare_times);
    log->wait_mean_ms = (int64_t)(sum / (__int128)count);
    log->wait_p50_ms = waits[(count * 50 + 99) / 100 - 1];
    log->wait_p95_ms = waits[(count * 95 + 99) / 100 - 1];
}

int gr_repeat_log_end(const struct gr_repeat_plan *plan, const struct gr_core *core,
                      const struct gr_device_time *before, struct gr_repeat_log *log,
                      struct gr_err *err)
{
    int64_t *waits = calloc(log->count + 1, sizeof *waits);
    size_t count = 0;
    if (waits == NULL) {
        return gr_fail(err, -ENOMEM, "no memory to repeat the recording");
    }
    for (size_t i = 0; i < log->count; i++) {
        const struct gr_repeat_decision *decision = &log->decisions[i];
        uint32_t job = gr_repeat_job_find(plan, decision->job);
        if (decision->what == GR_REPEAT_START && decision->attempt == 1 && job != GR_REPEAT_NONE &&
            plan->jobs[job].submit_ms != INT64_MIN) {
            waits[count++] = decision->at_ms - plan->jobs[job].submit_ms;
        }
    }
    log->jobs = plan->job_count;
    log->started = count;
    find_waits(log, waits, count);
    free(waits);
    struct gr_device_time now = gr_core_device_time(core);
    unsigned __int128 used = now.used - before->used;
    unsigned __int128 all = used + (now.idle - before->idle) +
                            (now.maintenance - before->maintenance) + (now.broken - before->broken);
    log->used_ppm = all > 0 ? (uint32_t)(used * 1000000 / all) : 0;
    gr_core_digest(core, log->digest);
    return 0;
}

// ---- differences --------------------------------------------------------------------------------

static int compare_decisions(const void *a, const void *b)
{
    const struct gr_repeat_decision *x = a, *y = b;
    if (x->job != y->job) {
        return x->job < y->job ? -1 : 1;
    }
    if (x->attempt != y->attempt) {
        return x->attempt < y->attempt ? -1 : 1;
    }
    if (x->what != y->what) {
        return x->what < y->what ? -1 : 1;
    }
    return (x->order > y->order) - (x->order < y->order);
}

// Of the same job, attempt and sort.
static int compare_keys(const struct gr_repeat_decision *a, const struct gr_repeat_decision *b)
{
    struct gr_repeat_decision x = *a, y = *b;
    x.order = y.order = 0;
    return compare_decisions(&x, &y);
}

static struct gr_repeat_decision *sorted(const struct gr_repeat_log *log)
{
    struct gr_repeat_decision *copy = calloc(log->count + 1, sizeof *copy);
    if (copy != NULL && log->count > 0) {
        memcpy(copy, log->decisions, log->count * sizeof *copy);
        qsort(copy, log->count, sizeof *copy, compare_decisions);
    }
    return copy;
}

static bool is_there(const struct gr_repeat *repeat, const struct gr_repeat_decision *a,
                     const struct gr_repeat_decision *b)
{
    if (a->piece_count != b->piece_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->piece_count; i++) {
        const struct gr_piece *x = &repeat->recorded.pieces[a->pieces + i];
        const struct gr_piece *y = &repeat->repeated.pieces[b->pieces + i];
        if (x->node != y->node || x->devices != y->devices || x->milli != y->milli) {
            return false;
        }
    }
    return true;
}

static int add_difference(struct gr_repeat *repeat, size_t *room, enum gr_repeat_how how,
                          const struct gr_repeat_decision *recorded,
                          const struct gr_repeat_decision *repeated, struct gr_err *err)
{
    int code = gr_repeat_grow(&repeat->differences, repeat->difference_count, room,
                              sizeof *repeat->differences, err);
    if (code == 0) {
        struct gr_repeat_difference *row = &repeat->differences[repeat->difference_count++];
        *row = (struct gr_repeat_difference){.how = how};
        row->recorded = recorded != NULL ? *recorded : row->recorded;
        row->repeated = repeated != NULL ? *repeated : row->repeated;
    }
    return code;
}

static int64_t time_of(const struct gr_repeat_difference *difference)
{
    return difference->how == GR_REPEAT_ONLY_REPEATED ? difference->repeated.at_ms
                                                      : difference->recorded.at_ms;
}

static int compare_differences(const void *a, const void *b)
{
    const struct gr_repeat_difference *x = a, *y = b;
    if (time_of(x) != time_of(y)) {
        return time_of(x) < time_of(y) ? -1 : 1;
    }
    uint64_t one = x->recorded.job != 0 ? x->recorded.job : x->repeated.job;
    uint64_t two = y->recorded.job != 0 ? y->recorded.job : y->repeated.job;
    return (one > two) - (one < two);
}

// Decisions of the same jobs made in another order, with no other difference.
static int find_order(struct gr_repeat *repeat, size_t *room, struct gr_err *err)
{
    for (size_t i = 0; i < repeat->recorded.count && i < repeat->repeated.count; i++) {
        const struct gr_repeat_decision *a = &repeat->recorded.decisions[i];
        const struct gr_repeat_decision *b = &repeat->repeated.decisions[i];
        if (compare_keys(a, b) != 0) {
            return add_difference(repeat, room, GR_REPEAT_OTHER_ORDER, a, b, err);
        }
    }
    return 0;
}

// Walks both logs, sorted alike.
static int find_differences(struct gr_repeat *repeat, const struct gr_repeat_decision *a,
                            const struct gr_repeat_decision *b, size_t *room, struct gr_err *err)
{
    size_t i = 0, j = 0;
    int code = 0;
    while (code == 0 && (i < repeat->recorded.count || j < repeat->repeated.count)) {
        int order = i == repeat->recorded.count   ? 1
                    : j == repeat->repeated.count ? -1
                                                  : compare_keys(&a[i], &b[j]);
        if (order < 0) {
            code = add_difference(repeat, room, GR_REPEAT_ONLY_RECORDED, &a[i++], NULL, err);
        } else if (order > 0) {
            code = add_difference(repeat, room, GR_REPEAT_ONLY_REPEATED, NULL, &b[j++], err);
        } else {
            if (a[i].at_ms != b[j].at_ms) {
                code = add_difference(repeat, room, GR_REPEAT_OTHER_TIME, &a[i], &b[j], err);
            } else if (!is_there(repeat, &a[i], &b[j])) {
                code = add_difference(repeat, room, GR_REPEAT_ELSEWHERE, &a[i], &b[j], err);
            }
            i++;
            j++;
        }
    }
    return code;
}

int gr_repeat_compare(struct gr_repeat *repeat, struct gr_err *err)
{
    struct gr_repeat_decision *a = sorted(&repeat->recorded), *b = sorted(&repeat->repeated);
    size_t room = 0;
    int code = a == NULL || b == NULL ? gr_fail(err, -ENOMEM, "no memory to compare decisions") : 0;
    code = code < 0 ? code : find_differences(repeat, a, b, &room, err);
    if (code == 0 && repeat->difference_count == 0) {
        code = find_order(repeat, &room, err);
    }
    if (code == 0 && repeat->difference_count > 0) {
        qsort(repeat->differences, repeat->difference_count, sizeof *repeat->differences,
              compare_differences);
    }
    free(a);
    free(b);
    repeat->is_same = repeat->difference_count == 0 &&
                      memcmp(repeat->recorded.digest, repeat->repeated.digest, GR_HASH_SIZE) == 0;
    return code;
}
