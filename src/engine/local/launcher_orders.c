// Orders of the daemon, and reports to it: see launcher_parts.h. Reports are made from how attempts
// stand when there is room to send them, so that a daemon that does not read costs no memory.
#include "engine/local/launcher_parts.h"

#include "engine/local/attempt.h"
#include "engine/local/order.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Bytes that wait to be sent before no more reports are made.
#define OUT_MAX ((size_t)256 << 10)
// Replies that wait before no more orders are taken.
#define REPLIES_MAX 1024
// A keeper that said nothing for so long is looked at.
#define START_LOOK_MS 1000

// ---- epoch --------------------------------------------------------------------------------------

int gr_launcher_epoch_read(struct launcher *launcher, struct gr_err *err)
{
    char text[32];
    int fd = openat(launcher->dir_fd, "epoch", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : gr_fail_errno(err, "open %s/epoch", launcher->dir);
    }
    ssize_t size = read(fd, text, sizeof text - 1);
    (void)close(fd);
    text[size > 0 ? size : 0] = '\0';
    char *end = text;
    unsigned long epoch = strtoul(text, &end, 10);
    if (end == text || *end != '\n' || epoch > UINT32_MAX) {
        return gr_fail(err, -EBADMSG,
                       "%s/epoch is damaged: write the epoch of the newest journal writer into it",
                       launcher->dir);
    }
    launcher->epoch = (uint32_t)epoch;
    return 0;
}

int gr_launcher_epoch_raise(struct launcher *launcher, uint32_t epoch, struct gr_err *err)
{
    char text[32];
    if (epoch <= launcher->epoch) {
        return 0;
    }
    int fd = openat(launcher->dir_fd, "epoch.new",
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int length = snprintf(text, sizeof text, "%" PRIu32 "\n", epoch);
    bool is_done = fd >= 0 && write(fd, text, (size_t)length) == length && fsync(fd) == 0 &&
                   renameat(launcher->dir_fd, "epoch.new", launcher->dir_fd, "epoch") == 0 &&
                   fsync(launcher->dir_fd) == 0;
    int code = is_done ? 0 : gr_fail_errno(err, "write %s/epoch", launcher->dir);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (code == 0) {
        launcher->epoch = epoch;
    }
    return code;
}

// ---- replies ------------------------------------------------------------------------------------

void gr_launcher_reply(struct launcher *launcher, const struct gr_engine_report *report)
{
    struct launcher_reply *added = calloc(1, sizeof *added);
    if (added == NULL) {
        return; // as if lost on the way: the daemon asks again
    }
    added->report = *report;
    *(launcher->reply_last != NULL ? &launcher->reply_last->next : &launcher->reply_first) = added;
    launcher->reply_last = added;
    launcher->reply_count++;
}

static void reply(struct launcher *launcher, enum gr_engine_report_type type, uint64_t job,
                  uint32_t attempt, const char *text)
{
    struct gr_engine_report report = {.type = type, .job = job, .attempt = attempt};
    (void)snprintf(report.text, sizeof report.text, "%.255s", text);
    gr_launcher_reply(launcher, &report);
}

bool gr_launcher_is_full(const struct launcher *launcher)
{
    return launcher->reply_count >= REPLIES_MAX;
}

// ---- orders -------------------------------------------------------------------------------------

// Notes what is to be told about an attempt whatever was told before.
static void retell(struct launcher *launcher, struct launcher_attempt *attempt)
{
    uint32_t news = 0;
    switch (attempt->state) {
    case STATE_STARTING:
        return; // comes by itself
    case STATE_STARTED:
        news = NEWS_STARTED | (attempt->idle_ms != 0 ? NEWS_IDLE : 0) |
               (attempt->is_parting ? NEWS_PARTS : 0);
        break;
    case STATE_FENCING: // it still holds what it had
        news = NEWS_STARTED;
        break;
    case STATE_OVER:
    case STATE_LOST:
        news = NEWS_END;
        break;
    }
    gr_launcher_news_add(&launcher->table, attempt, news);
}

void gr_launcher_list(struct launcher *launcher)
{
    for (size_t i = 0; i < launcher->table.size; i++) {
        for (struct launcher_attempt *at = launcher->table.by_id[i]; at != NULL;
             at = at->next_by_id) {
            retell(launcher, at);
        }
    }
    launcher->is_list_open = true;
}

// Makes the record and forks the keeper. On failure nothing is left.
static int attempt_begin(struct launcher *launcher, const struct gr_order_head *head,
                         const uint8_t *order, size_t size, struct gr_err *err)
{
    struct gr_record_head record_head = {
        .job = head->job, .attempt = head->attempt, .epoch = head->epoch, .has_parts = 1};
    struct launcher_attempt *attempt = gr_launcher_add(&launcher->table, head->job, head->attempt);
    int fd = -1;
    memcpy(record_head.boot, launcher->boot, sizeof record_head.boot);
    int code = attempt == NULL ? gr_fail(err, -ENOMEM, "no memory for another attempt") : 0;
    if (code == 0) {
        code = gr_record_make(launcher->live_fd, &record_head, order, size, &fd, err);
    }
    pid_t pid = code == 0 ? gr_launcher_fork(launcher, fd, order, size, err) : code;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (pid < 0) {
        char name[GR_ATTEMPT_NAME_SIZE];
        gr_attempt_name(head->job, head->attempt, name);
        if (code == 0) {
            (void)unlinkat(launcher->live_fd, name, 0);
        }
        if (attempt != NULL) {
            gr_launcher_drop(&launcher->table, attempt);
        }
        return pid;
    }
    attempt->is_ours = true;
    gr_launcher_pid_set(&launcher->table, attempt, pid);
    gr_launcher_settle_in(launcher, START_LOOK_MS);
    return 0;
}

static int obey_start(struct launcher *launcher, const uint8_t *body, size_t size,
                      struct gr_err *err)
{
    struct gr_order_head head;
    struct gr_err why;
    gr_err_init(&why);
    if (gr_order_head_read(body, size, &head) != 0) {
        return gr_fail(err, -EBADMSG, "an order is not whole");
    }
    if (head.epoch < launcher->epoch) {
        (void)gr_fail(&why, -ESTALE,
                      "an order of epoch %" PRIu32 "; the newest writer has epoch %" PRIu32,
                      head.epoch, launcher->epoch);
        reply(launcher, GR_REPORT_REFUSED, head.job, head.attempt, why.text);
        return 0;
    }
    struct launcher_attempt *attempt = gr_launcher_find(&launcher->table, head.job, head.attempt);
    if (attempt != NULL) {
        retell(launcher, attempt);
    } else if (attempt_begin(launcher, &head, body, size, &why) != 0) {
        reply(launcher, GR_REPORT_REFUSED, head.job, head.attempt, why.text);
    }
    return 0;
}

// Changes the wish in an attempt's record and wakes its keeper.
static void wish_change(struct launcher *launcher, const struct launcher_attempt *attempt,
                        enum gr_wire_type type, const struct gr_wire_ask *ask)
{
    struct gr_record_wish wish;
    struct gr_err err;
    int fd = -1;
    gr_err_init(&err);
    if (gr_record_open(launcher->live_fd, attempt->job, attempt->attempt, &fd, &err) != 0) {
        return; // its keeper's end will show what is wrong
    }
    gr_record_wish_read(fd, &wish);
    if (type == GR_WIRE_STOP) {
        wish.stop_signal = ask->signal;
        wish.grace_ms = ask->grace_ms;
    } else {
        wish.signals[ask->signal]++;
    }
    if (gr_record_wish_write(fd, &wish, &err) == 0) {
        gr_launcher_wake(launcher, attempt);
    }
    (void)close(fd);
}

static void obey_stop(struct launcher *launcher, enum gr_wire_type type,
                      const struct gr_wire_ask *ask)
{
    struct launcher_attempt *attempt = gr_launcher_find(&launcher->table, ask->job, ask->attempt);
    if (attempt != NULL && (attempt->state == STATE_STARTING || attempt->state == STATE_STARTED)) {
        wish_change(launcher, attempt, type, ask);
    } else if (attempt != NULL && type == GR_WIRE_STOP) {
        retell(launcher, attempt);
    } else if (type == GR_WIRE_STOP) {
        // Its directory, empty, keeps it from ever starting.
        char name[GR_ATTEMPT_NAME_SIZE];
        gr_attempt_name(ask->job, ask->attempt, name);
        bool is_kept = mkdirat(LAUNCHER_FD_ATTEMPTS, name, 0711) == 0 || errno == EEXIST;
        reply(launcher, GR_REPORT_UNKNOWN, ask->job, ask->attempt,
              is_kept ? "it was never started" : "it was never started; that could not be noted");
    }
}

static void obey_forget(struct launcher *launcher, const struct gr_wire_ask *ask)
{
    char name[GR_ATTEMPT_NAME_SIZE];
    struct launcher_attempt *attempt = gr_launcher_find(&launcher->table, ask->job, ask->attempt);
    gr_attempt_name(ask->job, ask->attempt, name);
    if (attempt != NULL) {
        if (attempt->state != STATE_OVER && attempt->state != STATE_LOST) {
            return;
        }
        (void)unlinkat(launcher->live_fd, name, 0);
        gr_launcher_drop(&launcher->table, attempt);
    }
    gr_launcher_parts_forget(ask->job, ask->attempt);
    (void)unlinkat(LAUNCHER_FD_ATTEMPTS, name, AT_REMOVEDIR); // only if there are no logs in it
}

static int ask_read(const uint8_t *body, size_t size, struct gr_wire_ask *ret_ask,
                    struct gr_err *err)
{
    if (size != sizeof *ret_ask) {
        return gr_fail(err, -EBADMSG, "an order is not whole");
    }
    memcpy(ret_ask, body, sizeof *ret_ask);
    return ret_ask->signal < GR_RECORD_SIGNALS ? 0
                                               : gr_fail(err, -EBADMSG, "there is no such signal");
}

int gr_launcher_obey(struct launcher *launcher, int type, const uint8_t *body, size_t size,
                     struct gr_err *err)
{
    struct gr_wire_ask ask = {0};
    switch (type) {
    case GR_WIRE_START:
        return obey_start(launcher, body, size, err);
    case GR_WIRE_STOP:
    case GR_WIRE_SIGNAL:
    case GR_WIRE_FORGET:
        break;
    case GR_WIRE_LIST:
        gr_launcher_list(launcher);
        return 0;
    case GR_WIRE_PART_STOP:
    case GR_WIRE_PART_START:
        return gr_launcher_obey_part(launcher, type, body, size, err);
    default:
        return gr_fail(err, -EBADMSG, "an order of unknown type %d", type);
    }
    int code = ask_read(body, size, &ask, err);
    if (code != 0 || ask.epoch < launcher->epoch) {
        return code; // what an older writer wants is not done
    }
    if (type == GR_WIRE_FORGET) {
        obey_forget(launcher, &ask);
    } else if (ask.signal > 0) {
        obey_stop(launcher, (enum gr_wire_type)type, &ask);
    }
    return 0;
}

// ---- reports ------------------------------------------------------------------------------------

void gr_launcher_report(struct launcher *launcher, const struct gr_engine_report *report)
{
    struct gr_wire_report wire;
    gr_wire_report_from(report, &wire);
    // Without memory the report is lost, as on a broken connection; listing brings it again.
    (void)gr_wire_add(&launcher->daemon.out, GR_WIRE_REPORT, &wire, sizeof wire);
}

static void end_add(struct launcher *launcher, const struct launcher_attempt *attempt)
{
    struct gr_engine_report report = {
        .type = GR_REPORT_LOST,
        .job = attempt->job,
        .attempt = attempt->attempt,
        .since_ms = attempt->lost_ms,
        .started_ms = attempt->started_ms,
        .text = "its keeper is gone and left no word how it ended; nothing of it runs any more",
    };
    struct gr_record record;
    struct gr_err err;
    int fd = -1;
    gr_err_init(&err);
    if (attempt->state == STATE_OVER &&
        gr_record_open(launcher->live_fd, attempt->job, attempt->attempt, &fd, &err) == 0) {
        if (gr_record_read(fd, &record, &err) == 0 && record.end.type != 0) {
            report.type = record.end.type == GR_REPORT_ENDED ? GR_REPORT_ENDED : GR_REPORT_REFUSED;
            report.since_ms = record.end.ended_ms;
            report.started_ms = record.end.started_ms;
            report.end = (struct gr_engine_end){
                .exit_code = record.end.exit_code,
                .signal = record.end.signal,
                .task = record.end.task,
                .is_out_of_memory = record.end.is_out_of_memory != 0,
                .is_stopped = record.end.is_stopped != 0,
                .cpu_ms = record.end.cpu_ms,
                .peak_kib = record.end.peak_kib,
            };
            memcpy(report.text, record.end.text, sizeof report.text);
        }
        (void)close(fd);
    }
    gr_launcher_report(launcher, &report);
}

static void news_tell(struct launcher *launcher, struct launcher_attempt *attempt)
{
    struct gr_engine_report report = {.job = attempt->job, .attempt = attempt->attempt};
    uint32_t news = attempt->news;
    attempt->news = 0;
    gr_launcher_news_done(&launcher->table, attempt);
    if ((news & NEWS_STARTED) != 0) {
        report.type = GR_REPORT_STARTED;
        report.since_ms = attempt->started_ms;
        report.started_ms = attempt->started_ms;
        gr_launcher_report(launcher, &report);
    }
    if ((news & NEWS_IDLE) != 0 && attempt->state == STATE_STARTED) {
        report.type = GR_REPORT_IDLE;
        report.since_ms = attempt->idle_ms;
        gr_launcher_report(launcher, &report);
    }
    if ((news & NEWS_PARTS) != 0 && attempt->state == STATE_STARTED) {
        gr_launcher_parts_tell(launcher, attempt);
    }
    if ((news & NEWS_END) != 0) {
        end_add(launcher, attempt);
    }
}

void gr_launcher_tell(struct launcher *launcher)
{
    struct launcher_peer *daemon = &launcher->daemon;
    while (daemon->socket >= 0 && gr_wire_buffer_size(&daemon->out) < OUT_MAX) {
        struct launcher_reply *first = launcher->reply_first;
        if (first != NULL) {
            gr_launcher_report(launcher, &first->report);
            launcher->reply_first = first->next;
            launcher->reply_last = first->next == NULL ? NULL : launcher->reply_last;
            launcher->reply_count--;
            free(first);
        } else if (launcher->table.news_first != NULL) {
            news_tell(launcher, launcher->table.news_first);
        } else if (launcher->is_list_open) {
            struct gr_engine_report listed = {.type = GR_REPORT_LISTED};
            launcher->is_list_open = false;
            gr_launcher_report(launcher, &listed);
        } else {
            return;
        }
    }
}

uint32_t gr_launcher_can(const struct launcher *launcher)
{
    const struct gr_cgroup_means *means = &launcher->means;
    uint32_t can = GR_CAN_CHOOSE_DEVICE | GR_CAN_FRACTION | GR_CAN_PUSH | GR_CAN_FENCE |
                   GR_CAN_LOGS | GR_CAN_KILL_TREE | GR_CAN_PART;
    can |= launcher->crun[0] != '\0' || launcher->runc[0] != '\0' ? GR_CAN_CONTAINER : 0;
    can |= means->has_cpu ? GR_CAN_CPU_LIMIT : 0;
    can |= means->has_memory ? GR_CAN_MEMORY_LIMIT : 0;
    can |= means->has_devices ? GR_CAN_DEVICE_LIMIT : 0;
    can |= geteuid() == 0 ? GR_CAN_USERS : 0;
    return can;
}
