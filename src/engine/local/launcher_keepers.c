// Keepers as the launcher sees them: forking, waking, finding again, and what is to be done when
// one dies without a word. See launcher_parts.h.
#include "engine/local/launcher_parts.h"

#include "base/clock.h"
#include "engine/local.h"
#include "engine/local/attempt.h"
#include "engine/local/container.h"
#include "engine/local/descendants.h"
#include "engine/local/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// How soon an attempt is looked at again.
#define FENCE_AGAIN_MS 20
#define START_AGAIN_MS 1000

void gr_launcher_settle_in(struct launcher *launcher, int64_t ms)
{
    int64_t at_ms = gr_clock_ms() + ms;
    launcher->settle_at_ms = at_ms < launcher->settle_at_ms ? at_ms : launcher->settle_at_ms;
}

// ---- forking and waking -------------------------------------------------------------------------

static _Noreturn void keeper_main(const struct launcher *launcher, pid_t pid, int record,
                                  const uint8_t *order, size_t size)
{
    struct gr_keeper_config config = {
        .dir = launcher->dir,
        .launcher = pid,
        .attempts = LAUNCHER_FD_ATTEMPTS,
        .record = LAUNCHER_FD_RECORD,
        .hints = LAUNCHER_FD_HINTS,
        .means = &launcher->means,
        .persons = &launcher->persons,
        .checks = launcher->checks,
        .crun = launcher->crun,
        .runc = launcher->runc,
        .server = launcher->server,
        .door = launcher->door,
        .idle_warn_ms = launcher->idle_warn_ms,
        .files = launcher->files,
        .oom_adjust = launcher->oom_adjust,
        .order = order,
        .order_size = size,
    };
    // The sockets above all: a daemon must see that the launcher is gone, though keepers live.
    if (dup3(record, LAUNCHER_FD_RECORD, O_CLOEXEC) < 0 ||
        syscall(SYS_close_range, (unsigned)LAUNCHER_FD_OWN, ~0U, 0U) != 0) {
        _exit(1);
    }
    gr_keeper_run(&config);
}

pid_t gr_launcher_fork(struct launcher *launcher, int record, const uint8_t *order, size_t size,
                       struct gr_err *err)
{
    gr_person_cache_check(&launcher->persons);
    gr_cgroup_pool_keep(&launcher->means);
    pid_t self = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        keeper_main(launcher, self, record, order, size);
    }
    return pid < 0 ? gr_fail_errno(err, "fork a keeper") : pid;
}

void gr_launcher_rest(struct launcher *launcher)
{
    for (size_t i = 0; launcher->means.is_pool_kept && i < launcher->table.size; i++) {
        for (struct launcher_attempt *at = launcher->table.by_id[i]; at != NULL;
             at = at->next_by_id) {
            if (at->state != STATE_OVER && at->state != STATE_LOST) {
                return; // its keeper counts on the group
            }
        }
    }
    gr_cgroup_pool_leave(&launcher->means);
}

void gr_launcher_wake(const struct launcher *launcher, const struct launcher_attempt *attempt)
{
    (void)launcher;
    if (attempt->pid != 0) {
        (void)kill(attempt->pid, GR_KEEPER_SIGNAL); // our child, not reaped yet: the number is its
    } else if (attempt->pid_fd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, attempt->pid_fd, GR_KEEPER_SIGNAL, NULL, 0U);
    }
}

// ---- when a keeper dies without a word ----------------------------------------------------------

// Who is not to be killed: keepers, and the dead that somebody who traces them holds back.
static bool is_spared(pid_t pid, void *context)
{
    const struct launcher *launcher = context;
    return gr_launcher_find_pid(&launcher->table, pid) != NULL || gr_descendants_is_corpse(pid);
}

// Bundles and layers of containers whose keeper was killed: nobody else removes them.
static void sweep(const char *attempt_dir)
{
    DIR *dir = opendir(attempt_dir);
    if (dir == NULL) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[PATH_MAX + 64];
        if (strncmp(entry->d_name, "task-", 5) == 0 &&
            snprintf(path, sizeof path, "%s/%.32s", attempt_dir, entry->d_name) <
                (int)sizeof path) {
            gr_container_sweep(path);
        }
    }
    (void)closedir(dir);
}

// KILLs what is left of an attempt. Returns whether something was left.
static bool fence(struct launcher *launcher, const struct launcher_attempt *attempt)
{
    char name[GR_ATTEMPT_NAME_SIZE];
    bool was_left = false;
    struct gr_cgroup *group = NULL;
    struct gr_err err;
    gr_err_init(&err);
    gr_attempt_name(attempt->job, attempt->attempt, name);
    if (launcher->means.has_group && gr_cgroup_find(&launcher->means, name, &group, &err) == 0) {
        (void)gr_cgroup_kill(group);
        was_left = gr_cgroup_is_populated(group);
        if (was_left) {
            gr_cgroup_release(group);
        } else {
            gr_cgroup_remove(group);
        }
    }
    // What a keeper of ours leaves becomes our child.
    was_left = gr_descendants_kill(is_spared, launcher) > 0 || was_left;
    char path[PATH_MAX];
    (void)gr_local_attempt_dir(launcher->dir, attempt->job, attempt->attempt, path, sizeof path);
    if (!attempt->is_ours) {
        char marker[PATH_MAX + 32];
        (void)snprintf(marker, sizeof marker, "GRANARY_JOB_DIR=%s", path);
        was_left = gr_descendants_marked_kill(marker) > 0 || was_left;
    }
    if (!was_left) {
        sweep(path);
    }
    return was_left;
}

static void pid_fd_close(const struct launcher *launcher, struct launcher_attempt *attempt)
{
    if (attempt->pid_fd >= 0) {
        // A keeper that was just forked may have a copy open, and epoll would go on telling of it.
        (void)epoll_ctl(launcher->poll_fd, EPOLL_CTL_DEL, attempt->pid_fd, NULL);
        (void)close(attempt->pid_fd);
        attempt->pid_fd = -1;
    }
}

static void started(struct launcher *launcher, struct launcher_attempt *attempt, int64_t since_ms)
{
    if (attempt->state == STATE_STARTING) {
        attempt->state = STATE_STARTED;
        attempt->started_ms = since_ms;
        gr_launcher_news_add(&launcher->table, attempt, NEWS_STARTED);
    } else if (attempt->state == STATE_STARTED && attempt->idle_ms != 0) {
        attempt->idle_ms = 0; // it moves again: told as a start, which it was
        gr_launcher_news_add(&launcher->table, attempt, NEWS_STARTED);
    }
}

// Reads the record of an attempt. On failure *ret_record is zero.
static int record_get(const struct launcher *launcher, const struct launcher_attempt *attempt,
                      struct gr_record *ret_record)
{
    struct gr_err err;
    int fd = -1;
    gr_err_init(&err);
    *ret_record = (struct gr_record){0};
    int code = gr_record_open(launcher->live_fd, attempt->job, attempt->attempt, &fd, &err);
    if (code == 0) {
        code = gr_record_read(fd, ret_record, &err);
        (void)close(fd);
    }
    return code;
}

void gr_launcher_keeper_ended(struct launcher *launcher, struct launcher_attempt *attempt)
{
    struct gr_record record;
    pid_fd_close(launcher, attempt);
    (void)record_get(launcher, attempt, &record);
    if (record.life.started_ms != 0) {
        started(launcher, attempt, record.life.started_ms);
    }
    if (record.end.type != 0) {
        attempt->state = STATE_OVER;
        gr_launcher_news_add(&launcher->table, attempt, NEWS_END);
        return;
    }
    attempt->state = STATE_FENCING;
    attempt->lost_ms = gr_clock_wall_ms();
    (void)fence(launcher, attempt);
    gr_launcher_settle_in(launcher, FENCE_AGAIN_MS);
}

void gr_launcher_reap(struct launcher *launcher)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0) {
            return;
        }
        struct launcher_attempt *attempt = gr_launcher_find_pid(&launcher->table, pid);
        if (attempt == NULL) {
            continue;
        }
        gr_launcher_pid_set(&launcher->table, attempt, 0);
        // Its end may have been seen in the record already.
        if (attempt->state == STATE_STARTING || attempt->state == STATE_STARTED) {
            gr_launcher_keeper_ended(launcher, attempt);
        }
    }
}

// ---- news ---------------------------------------------------------------------------------------

// Takes in one hint and the person behind it, if any.
static void hint_take(struct launcher *launcher, const struct gr_keeper_hint *hint,
                      const uint8_t *more, size_t size)
{
    static struct gr_person person;
    if (hint->type == GR_KEEPER_HINT_PERSON) {
        if (gr_person_unpack(more, size, &person) == 0) {
            gr_person_cache_add(&launcher->persons, &person, gr_clock_ms());
        }
        return;
    }
    struct launcher_attempt *attempt = gr_launcher_find(&launcher->table, hint->job, hint->attempt);
    if (attempt == NULL) {
        return;
    }
    if (hint->type == GR_REPORT_STARTED) {
        started(launcher, attempt, hint->since_ms);
    } else if (hint->type == GR_KEEPER_HINT_PARTS) {
        gr_launcher_parts_look(launcher, attempt);
    } else if (attempt->state == STATE_STARTED && attempt->idle_ms != hint->since_ms) {
        attempt->idle_ms = hint->since_ms;
        gr_launcher_news_add(&launcher->table, attempt, NEWS_IDLE);
    }
}

// Takes in all hints that are whole, and keeps the rest for later.
static void hints_take(struct launcher *launcher)
{
    size_t at = 0;
    while (launcher->hints_size - at >= sizeof(struct gr_keeper_hint)) {
        struct gr_keeper_hint hint;
        memcpy(&hint, launcher->hints + at, sizeof hint);
        bool has_more = hint.type == GR_KEEPER_HINT_PERSON;
        if (has_more && (hint.since_ms < 0 || hint.since_ms > GR_PERSON_BYTES_MAX)) {
            at = launcher->hints_size; // no keeper of this form: none of it can be trusted
            break;
        }
        size_t size = has_more ? (size_t)hint.since_ms : 0;
        if (launcher->hints_size - at - sizeof hint < size) {
            break;
        }
        hint_take(launcher, &hint, launcher->hints + at + sizeof hint, size);
        at += sizeof hint + size;
    }
    memmove(launcher->hints, launcher->hints + at, launcher->hints_size - at);
    launcher->hints_size -= at;
}

void gr_launcher_hints_read(struct launcher *launcher)
{
    ssize_t size;
    size_t room;
    do {
        room = sizeof launcher->hints - launcher->hints_size;
        size = read(launcher->hints_fd, launcher->hints + launcher->hints_size, room);
        launcher->hints_size += size > 0 ? (size_t)size : 0;
        hints_take(launcher);
    } while (size == (ssize_t)room);
}

// ---- finding again ------------------------------------------------------------------------------

// Gets a hold of a keeper that another launcher forked.
static void keeper_watch(struct launcher *launcher, struct launcher_attempt *attempt, int record,
                         pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0U);
    if (fd < 0) {
        return;
    }
    // The number is the keeper's only if the keeper lived until after it was taken hold of.
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = attempt};
    if (!gr_record_is_held(record) ||
        epoll_ctl(launcher->poll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        (void)close(fd);
        return;
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    attempt->pid_fd = fd;
}

// Finds out from its record how an attempt stands whose keeper is not our child.
static void attempt_look(struct launcher *launcher, struct launcher_attempt *attempt)
{
    struct gr_record record;
    struct gr_err err;
    int fd = -1;
    gr_err_init(&err);
    int code = gr_record_open(launcher->live_fd, attempt->job, attempt->attempt, &fd, &err);
    bool may_live = attempt->pid != 0 || attempt->pid_fd >= 0 ||
                    (fd >= 0 ? gr_record_is_held(fd) : code != -ENOENT);
    code = code != 0 ? code : gr_record_read(fd, &record, &err);
    if (code != 0 && may_live) {
        // Whatever keeps us from reading it: nobody may have its devices. It is looked at again.
    } else if (code != 0) {
        gr_launcher_keeper_ended(launcher, attempt);
    } else if (memcmp(record.head.boot, launcher->boot, sizeof launcher->boot) != 0) {
        // Nothing survives the machine; numbers in this record may be anybody's now.
        attempt->state = record.end.type != 0 ? STATE_OVER : STATE_LOST;
        attempt->started_ms = record.life.started_ms;
        attempt->lost_ms = gr_clock_wall_ms();
        gr_launcher_news_add(&launcher->table, attempt, NEWS_END);
    } else if (gr_record_is_held(fd)) {
        if (record.life.started_ms != 0) {
            started(launcher, attempt, record.life.started_ms);
            gr_launcher_parts_adopt(attempt);
        }
        if (attempt->pid == 0 && attempt->pid_fd < 0 && record.life.pid > 0) {
            keeper_watch(launcher, attempt, fd, record.life.pid);
        }
        attempt->idle_ms = record.life.idle_ms;
    } else {
        gr_launcher_keeper_ended(launcher, attempt);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

// Whether the launcher died between writing the order down and forking a keeper: nobody holds the
// record, and the directory that a keeper makes before anything else is not there.
static bool was_never_begun(const struct launcher *launcher, uint64_t job, uint32_t number)
{
    char name[GR_ATTEMPT_NAME_SIZE];
    struct gr_record record;
    struct gr_err err;
    struct stat about;
    int fd = -1;
    gr_err_init(&err);
    gr_attempt_name(job, number, name);
    if (gr_record_open(launcher->live_fd, job, number, &fd, &err) != 0) {
        return false;
    }
    bool is_bare = !gr_record_is_held(fd) && gr_record_read(fd, &record, &err) == 0 &&
                   record.life.pid == 0 && record.end.type == 0;
    (void)close(fd);
    return is_bare && fstatat(LAUNCHER_FD_ATTEMPTS, name, &about, AT_SYMLINK_NOFOLLOW) != 0 &&
           errno == ENOENT;
}

// Takes up one file of DIR/live.
static int record_adopt(struct launcher *launcher, const char *name, struct gr_err *err)
{
    uint64_t job;
    uint32_t number;
    struct stat about;
    if (gr_attempt_name_parse(name, &job, &number) != 0 ||
        fstatat(launcher->live_fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0) {
        return 0; // not ours
    }
    if (about.st_size < GR_RECORD_ORDER_AT || was_never_begun(launcher, job, number)) {
        // The daemon will see that it is not known, and order it again.
        (void)unlinkat(launcher->live_fd, name, 0);
        return 0;
    }
    struct launcher_attempt *attempt = gr_launcher_add(&launcher->table, job, number);
    if (attempt == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the attempts");
    }
    attempt_look(launcher, attempt);
    return 0;
}

int gr_launcher_adopt(struct launcher *launcher, struct gr_err *err)
{
    int fd = openat(launcher->live_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *live = fd < 0 ? NULL : fdopendir(fd);
    int code = live == NULL ? gr_fail_errno(err, "read %s/live", launcher->dir) : 0;
    struct dirent *entry;
    while (code == 0 && (entry = readdir(live)) != NULL) {
        code = record_adopt(launcher, entry->d_name, err);
    }
    if (live != NULL) {
        (void)closedir(live);
    }
    gr_launcher_settle_in(launcher, START_AGAIN_MS);
    return code;
}

// ---- by time ------------------------------------------------------------------------------------

// Looks at one attempt again. Returns in how many milliseconds it should be looked at next; 0: not.
static int64_t attempt_settle(struct launcher *launcher, struct launcher_attempt *attempt)
{
    bool is_unwatched = attempt->pid == 0 && attempt->pid_fd < 0;
    if (attempt->state == STATE_STARTING || (attempt->state == STATE_STARTED && is_unwatched)) {
        attempt_look(launcher, attempt);
    } else if (attempt->state == STATE_FENCING && !fence(launcher, attempt)) {
        // Its end may stand there all the same, if it could not be read when the keeper ended.
        struct gr_record record;
        int code = record_get(launcher, attempt, &record);
        if (code == 0 || code == -ENOENT || code == -EBADMSG) {
            attempt->state = record.end.type != 0 ? STATE_OVER : STATE_LOST;
            gr_launcher_news_add(&launcher->table, attempt, NEWS_END);
        }
    }
    is_unwatched = attempt->pid == 0 && attempt->pid_fd < 0;
    if (attempt->state == STATE_STARTED && attempt->is_parting) {
        gr_launcher_parts_look(launcher, attempt);
        return START_AGAIN_MS;
    }
    return attempt->state == STATE_FENCING                   ? FENCE_AGAIN_MS
           : attempt->state == STATE_STARTING                ? START_AGAIN_MS
           : attempt->state == STATE_STARTED && is_unwatched ? START_AGAIN_MS
                                                             : 0;
}

void gr_launcher_settle(struct launcher *launcher)
{
    launcher->settle_at_ms = INT64_MAX;
    for (size_t i = 0; i < launcher->table.size; i++) {
        for (struct launcher_attempt *at = launcher->table.by_id[i]; at != NULL;
             at = at->next_by_id) {
            int64_t again_ms = attempt_settle(launcher, at);
            if (again_ms > 0) {
                gr_launcher_settle_in(launcher, again_ms);
            }
        }
    }
}
