// Orders about single tasks of an attempt, handed on to its keeper, and what it says of them: see
// launcher_parts.h and part_files.h.
#include "engine/local/launcher_parts.h"

#include "engine/local/attempt.h"
#include "engine/local/order.h"
#include "engine/local/part_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// How soon a keeper is looked at that may have said something which was lost.
#define LOOK_AGAIN_MS 1000

static int dir_open(uint64_t job, uint32_t attempt)
{
    char name[GR_ATTEMPT_NAME_SIZE];
    gr_attempt_name(job, attempt, name);
    return openat(LAUNCHER_FD_ATTEMPTS, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

// Whether the keeper of a running attempt knows such orders: one of an earlier release does not.
static bool has_parts(const struct launcher *launcher, const struct launcher_attempt *attempt)
{
    struct gr_record record;
    struct gr_err err;
    int fd = -1;
    gr_err_init(&err);
    bool knows =
        gr_record_open(launcher->live_fd, attempt->job, attempt->attempt, &fd, &err) == 0 &&
        gr_record_read(fd, &record, &err) == 0 && record.head.has_parts != 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return knows;
}

static int order_hand_on(struct launcher *launcher, struct launcher_attempt *attempt, int type,
                         const uint8_t *body, size_t size, struct gr_err *err)
{
    if (!has_parts(launcher, attempt)) {
        return gr_fail(err, -ENOSYS, "its keeper is of an earlier release, and ends it as a whole");
    }
    int dir = dir_open(attempt->job, attempt->attempt);
    if (dir < 0) {
        return gr_fail_errno(err, "open the attempt's directory");
    }
    uint32_t number =
        attempt->part_orders > 0 ? attempt->part_orders + 1 : gr_part_files_order_next(dir);
    int code = gr_part_files_order_write(dir, number, (uint32_t)type, body, size, err);
    (void)close(dir);
    if (code == 0) {
        attempt->part_orders = number;
        attempt->is_parting = true;
        gr_launcher_wake(launcher, attempt);
        gr_launcher_settle_in(launcher, LOOK_AGAIN_MS);
    }
    return code;
}

int gr_launcher_obey_part(struct launcher *launcher, int type, const uint8_t *body, size_t size,
                          struct gr_err *err)
{
    struct gr_order_head head = {0};
    struct gr_wire_part part = {0};
    bool is_start = type == GR_WIRE_PART_START;
    if (is_start ? gr_order_head_read(body, size, &head) != 0 : size != sizeof part) {
        return gr_fail(err, -EBADMSG, "an order is not whole");
    }
    if (!is_start) {
        memcpy(&part, body, sizeof part);
        head = (struct gr_order_head){
            .job = part.ask.job, .attempt = part.ask.attempt, .epoch = part.ask.epoch};
        if (part.ask.signal < 1 || part.ask.signal >= GR_RECORD_SIGNALS) {
            return gr_fail(err, -EBADMSG, "there is no such signal");
        }
    }
    struct launcher_attempt *attempt = gr_launcher_find(&launcher->table, head.job, head.attempt);
    if (attempt == NULL || attempt->state != STATE_STARTED || head.epoch < launcher->epoch) {
        return 0; // it is over, or the order an older writer's: reports say so, or said so
    }
    struct gr_err why;
    gr_err_init(&why);
    if (order_hand_on(launcher, attempt, type, body, size, &why) != 0) {
        struct gr_engine_report refused = {.type = GR_REPORT_PART_REFUSED,
                                           .job = head.job,
                                           .attempt = head.attempt,
                                           .part = part.part,
                                           .end = {.task = part.task}};
        (void)snprintf(refused.text, sizeof refused.text, "%.255s", why.text);
        gr_launcher_reply(launcher, &refused);
    }
    return 0;
}

void gr_launcher_parts_tell(struct launcher *launcher, struct launcher_attempt *attempt)
{
    struct gr_part_entry *entries = NULL;
    uint32_t count = 0;
    int dir = dir_open(attempt->job, attempt->attempt);
    int code = dir < 0 ? -errno
                       : gr_part_files_entries_read(dir, &entries, &count, &attempt->part_version);
    for (uint32_t i = 0; code == 0 && i < count; i++) {
        bool is_over = entries[i].state == GR_PART_ENDED;
        struct gr_engine_report report = {.type = is_over ? GR_REPORT_PART_ENDED
                                                          : GR_REPORT_PART_STARTED,
                                          .job = attempt->job,
                                          .attempt = attempt->attempt,
                                          .since_ms = entries[i].since_ms,
                                          .part = entries[i].part,
                                          .end = {.task = entries[i].task, .is_stopped = is_over}};
        gr_launcher_report(launcher, &report);
    }
    free(entries);
    if (dir >= 0) {
        (void)close(dir);
    }
}

void gr_launcher_parts_adopt(struct launcher_attempt *attempt)
{
    int dir = attempt->is_parting ? -1 : dir_open(attempt->job, attempt->attempt);
    if (dir >= 0) {
        attempt->part_orders = gr_part_files_order_next(dir) - 1;
        attempt->is_parting = attempt->part_orders > 0;
        (void)close(dir);
    }
}

void gr_launcher_parts_look(struct launcher *launcher, struct launcher_attempt *attempt)
{
    int dir = dir_open(attempt->job, attempt->attempt);
    if (dir >= 0) {
        if (gr_part_files_version(dir) != attempt->part_version) {
            gr_launcher_news_add(&launcher->table, attempt, NEWS_PARTS);
        }
        (void)close(dir);
    }
}

void gr_launcher_parts_forget(uint64_t job, uint32_t attempt)
{
    int dir = dir_open(job, attempt);
    if (dir >= 0) {
        gr_part_files_remove(dir);
        (void)close(dir);
    }
}
