// Watching checkpoint files: see checkpoints.h.
//
// Each attempt is in one of three lines, or only watched. In a line everybody waits equally long,
// so the first is always due first.
#include "engine/local/checkpoints.h"

#include "base/clock.h"
#include "engine/local/attempt.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

// Chains of each table; a power of two.
#define CHAINS 4096u
// Files that are looked at in one turn.
#define LOOKS_MAX 256u
// What a watch waits for: a changed time, content, owner or number of links.
#define EVENTS (IN_ATTRIB | IN_MODIFY | IN_DONT_FOLLOW | IN_ONESHOT)

// The lines, and being in none.
enum line { LINE_FIRST, LINE_PAUSE, LINE_LOOK, LINES, LINE_NONE = LINES };

static const struct gr_checkpoints_waits usual = {
    .first_ms = GR_CHECKPOINTS_FIRST_MS,
    .pause_ms = GR_CHECKPOINTS_PAUSE_MS,
    .look_ms = GR_CHECKPOINTS_LOOK_MS,
};

// An attempt that runs.
struct file {
    uint64_t job;
    uint32_t attempt;
    int watch; // -1: none
    enum line line;
    bool is_counted;  // among those watched, or resting after an event
    int64_t due_ms;   // monotonic, in a line
    int64_t known_ms; // Unix time: the newest touch that is known, at first the attempt's start
    struct file *next_by_id, *next_by_watch;
    struct file *previous, *next; // in its line
};

struct gr_checkpoints {
    char *dir;     // DIR/attempts
    int notify_fd; // -1: no inotify
    int timer_fd;
    int64_t timer_ms;   // what it is set to; 0: not set
    bool may_have_news; // a watch was added since nothing was to be read and none was left
    int64_t line_ms[LINES];
    uint32_t count, watched;
    struct file *by_id[CHAINS], *by_watch[CHAINS];
    struct file *first[LINES], *last[LINES];
};

// ---- tables and lines ---------------------------------------------------------------------------

static struct file **chain_of(struct gr_checkpoints *checkpoints, uint64_t job)
{
    return &checkpoints->by_id[(job * 0x9e3779b97f4a7c15u) >> 52];
}

static_assert(CHAINS == 1u << (64 - 52), "a chain for each hash");

static struct file **find(struct gr_checkpoints *checkpoints, uint64_t job, uint32_t attempt)
{
    struct file **at = chain_of(checkpoints, job);
    while (*at != NULL && ((*at)->job != job || (*at)->attempt != attempt)) {
        at = &(*at)->next_by_id;
    }
    return at;
}

static struct file **find_watch(struct gr_checkpoints *checkpoints, int watch)
{
    struct file **at = &checkpoints->by_watch[(unsigned)watch % CHAINS];
    while (*at != NULL && (*at)->watch != watch) {
        at = &(*at)->next_by_watch;
    }
    return at;
}

static void line_leave(struct gr_checkpoints *checkpoints, struct file *file)
{
    if (file->line == LINE_NONE) {
        return;
    }
    *(file->previous != NULL ? &file->previous->next : &checkpoints->first[file->line]) =
        file->next;
    *(file->next != NULL ? &file->next->previous : &checkpoints->last[file->line]) = file->previous;
    file->line = LINE_NONE;
}

static void line_join(struct gr_checkpoints *checkpoints, struct file *file, enum line line)
{
    line_leave(checkpoints, file);
    file->line = line;
    file->due_ms = gr_clock_ms() + checkpoints->line_ms[line];
    file->next = NULL;
    file->previous = checkpoints->last[line];
    *(file->previous != NULL ? &file->previous->next : &checkpoints->first[line]) = file;
    checkpoints->last[line] = file;
}

// Sets the timer to what is due next.
static void timer_set(struct gr_checkpoints *checkpoints)
{
    int64_t due_ms = 0;
    for (unsigned line = 0; line < LINES; line++) {
        const struct file *first = checkpoints->first[line];
        if (first != NULL && (due_ms == 0 || first->due_ms < due_ms)) {
            due_ms = first->due_ms;
        }
    }
    // One that comes too soon finds nothing to do; so an earlier one is left as it is.
    if (due_ms == 0 || (checkpoints->timer_ms != 0 && checkpoints->timer_ms <= due_ms)) {
        return;
    }
    int64_t left_ms = due_ms - gr_clock_ms();
    left_ms = left_ms < 1 ? 1 : left_ms;
    struct itimerspec when = {
        .it_value = {.tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000}};
    if (timerfd_settime(checkpoints->timer_fd, 0, &when, NULL) == 0) {
        checkpoints->timer_ms = due_ms;
    }
}

// ---- one file -----------------------------------------------------------------------------------

static bool path_of(const struct gr_checkpoints *checkpoints, const struct file *file,
                    char ret_path[PATH_MAX])
{
    char name[GR_ATTEMPT_NAME_SIZE];
    gr_attempt_name(file->job, file->attempt, name);
    int length =
        snprintf(ret_path, PATH_MAX, "%s/%s/%s", checkpoints->dir, name, GR_CHECKPOINTS_NAME);
    return length > 0 && length < PATH_MAX;
}

static void watch_forget(struct gr_checkpoints *checkpoints, struct file *file)
{
    if (file->watch >= 0) {
        struct file **at = find_watch(checkpoints, file->watch);
        *at = file->next_by_watch;
        file->watch = -1;
    }
}

static void count_set(struct gr_checkpoints *checkpoints, struct file *file, bool is_counted)
{
    checkpoints->watched += (uint32_t)is_counted - (uint32_t)file->is_counted;
    file->is_counted = is_counted;
}

// Watches the file for one event. Returns whether it is watched.
static bool watch_add(struct gr_checkpoints *checkpoints, struct file *file, const char *path)
{
    watch_forget(checkpoints, file);
    if (checkpoints->notify_fd < 0 ||
        (!file->is_counted && checkpoints->watched >= GR_CHECKPOINTS_WATCHES_MAX)) {
        return false;
    }
    int watch = inotify_add_watch(checkpoints->notify_fd, path, EVENTS);
    // One that is known already is another attempt's: somebody linked the files to each other.
    if (watch < 0 || *find_watch(checkpoints, watch) != NULL) {
        return false;
    }
    struct file **chain = &checkpoints->by_watch[(unsigned)watch % CHAINS];
    checkpoints->may_have_news = true;
    file->watch = watch;
    file->next_by_watch = *chain;
    *chain = file;
    return true;
}

static int64_t moment_ms(struct timespec moment)
{
    return moment.tv_sec > INT64_MAX / 1000 - 1 ? INT64_MAX
                                                : moment.tv_sec * 1000 + moment.tv_nsec / 1000000;
}

// Whether the file was touched since that was last known; then known_ms is when. A user may set a
// file's time to anything, but not when it was changed: the earlier of the two is meant.
static bool was_touched(struct file *file, const char *path)
{
    struct stat about;
    if (lstat(path, &about) != 0 || !S_ISREG(about.st_mode)) {
        return false;
    }
    int64_t touched_ms = moment_ms(about.st_mtim);
    int64_t changed_ms = moment_ms(about.st_ctim);
    int64_t now_ms = gr_clock_wall_ms();
    touched_ms = touched_ms > changed_ms ? changed_ms : touched_ms;
    touched_ms = touched_ms > now_ms ? now_ms : touched_ms;
    if (touched_ms <= file->known_ms) {
        return false;
    }
    file->known_ms = touched_ms;
    return true;
}

static void report_fill(const struct file *file, struct gr_engine_report *ret_report)
{
    *ret_report = (struct gr_engine_report){.type = GR_REPORT_CHECKPOINT,
                                            .job = file->job,
                                            .attempt = file->attempt,
                                            .since_ms = file->known_ms};
}

// Looks at a file whose time has come. Returns whether it was touched.
static bool look(struct gr_checkpoints *checkpoints, struct file *file)
{
    char path[PATH_MAX];
    bool is_path = path_of(checkpoints, file, path);
    // First the watch: a touch between the two is seen by one of them.
    bool is_watched = is_path && watch_add(checkpoints, file, path);
    bool is_touched = is_path && was_touched(file, path);
    count_set(checkpoints, file, is_watched);
    if (is_watched) {
        line_leave(checkpoints, file);
    } else {
        line_join(checkpoints, file, is_touched ? LINE_PAUSE : LINE_LOOK);
    }
    return is_touched;
}

// ---- what happened ------------------------------------------------------------------------------

// Events got lost: whoever is watched is looked at, soon.
static void all_look(struct gr_checkpoints *checkpoints)
{
    for (unsigned i = 0; i < CHAINS; i++) {
        for (struct file *file = checkpoints->by_id[i]; file != NULL; file = file->next_by_id) {
            if (file->line == LINE_NONE) {
                line_join(checkpoints, file, LINE_PAUSE);
            }
        }
    }
}

// One event: its file rests, and is looked at after that.
static bool event_take(struct gr_checkpoints *checkpoints, const struct inotify_event *event,
                       struct gr_engine_report *ret_report)
{
    char path[PATH_MAX];
    if ((event->mask & IN_Q_OVERFLOW) != 0) {
        all_look(checkpoints);
        return false;
    }
    struct file *file = *find_watch(checkpoints, event->wd);
    if (file == NULL) {
        return false; // the word that a watch is over, which we knew
    }
    watch_forget(checkpoints, file);
    line_join(checkpoints, file, LINE_PAUSE);
    if (!path_of(checkpoints, file, path) || !was_touched(file, path)) {
        return false;
    }
    report_fill(file, ret_report);
    return true;
}

static unsigned events_take(struct gr_checkpoints *checkpoints,
                            struct gr_engine_report *ret_reports, unsigned most)
{
    // As many as can be reported: each event has at least its head.
    _Alignas(struct inotify_event) char bytes[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
    unsigned count = 0;
    while (checkpoints->may_have_news && count < most) {
        size_t room = (most - count) * sizeof(struct inotify_event);
        // Watched are files, not folders, so no event has a name behind it.
        ssize_t size =
            read(checkpoints->notify_fd, bytes, room < sizeof bytes ? room : sizeof bytes);
        for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= size;) {
            struct inotify_event event;
            memcpy(&event, bytes + at, sizeof event);
            count += event_take(checkpoints, &event, &ret_reports[count]);
            at += (ssize_t)(sizeof event + event.len);
        }
        if (size <= 0) {
            checkpoints->may_have_news = checkpoints->watched > 0;
            break;
        }
    }
    return count;
}

// The file that is due, or NULL.
static struct file *due_find(const struct gr_checkpoints *checkpoints, int64_t now_ms)
{
    for (unsigned line = 0; line < LINES; line++) {
        struct file *first = checkpoints->first[line];
        if (first != NULL && first->due_ms <= now_ms) {
            return first;
        }
    }
    return NULL;
}

unsigned gr_checkpoints_take(struct gr_checkpoints *checkpoints,
                             struct gr_engine_report *ret_reports, unsigned most)
{
    uint64_t ticks;
    int64_t now_ms = gr_clock_ms();
    if (checkpoints->timer_ms != 0 && checkpoints->timer_ms <= now_ms &&
        read(checkpoints->timer_fd, &ticks, sizeof ticks) == (ssize_t)sizeof ticks) {
        checkpoints->timer_ms = 0;
    }
    unsigned count = events_take(checkpoints, ret_reports, most);
    struct file *file;
    for (unsigned i = 0; i < LOOKS_MAX && count < most; i++) {
        if ((file = due_find(checkpoints, now_ms)) == NULL) {
            break;
        }
        if (look(checkpoints, file)) {
            report_fill(file, &ret_reports[count++]);
        }
    }
    timer_set(checkpoints);
    return count;
}

// ---- attempts -----------------------------------------------------------------------------------

void gr_checkpoints_begin(struct gr_checkpoints *checkpoints, uint64_t job, uint32_t attempt,
                          int64_t started_ms)
{
    struct file **at = find(checkpoints, job, attempt);
    struct file *file = *at != NULL ? NULL : calloc(1, sizeof *file);
    if (file == NULL) {
        return;
    }
    file->job = job;
    file->attempt = attempt;
    file->watch = -1;
    file->line = LINE_NONE;
    file->known_ms = started_ms;
    *at = file;
    checkpoints->count++;
    line_join(checkpoints, file, LINE_FIRST);
    timer_set(checkpoints);
}

bool gr_checkpoints_end(struct gr_checkpoints *checkpoints, uint64_t job, uint32_t attempt,
                        struct gr_engine_report *ret_report)
{
    struct file **at = find(checkpoints, job, attempt);
    struct file *file = *at;
    char path[PATH_MAX];
    if (file == NULL) {
        return false;
    }
    bool is_touched =
        file->line != LINE_FIRST && path_of(checkpoints, file, path) && was_touched(file, path);
    if (is_touched) {
        report_fill(file, ret_report);
    }
    *at = file->next_by_id;
    if (file->watch >= 0) {
        (void)inotify_rm_watch(checkpoints->notify_fd, file->watch);
        watch_forget(checkpoints, file);
    }
    line_leave(checkpoints, file);
    count_set(checkpoints, file, false);
    checkpoints->count--;
    free(file);
    return is_touched;
}

void gr_checkpoints_count(const struct gr_checkpoints *checkpoints, uint32_t *ret_known,
                          uint32_t *ret_watched)
{
    *ret_known = checkpoints->count;
    *ret_watched = checkpoints->watched;
}

// ---- opening and closing ------------------------------------------------------------------------

void gr_checkpoints_close(struct gr_checkpoints *checkpoints)
{
    if (checkpoints == NULL) {
        return;
    }
    for (unsigned i = 0; i < CHAINS; i++) {
        while (checkpoints->by_id[i] != NULL) {
            struct file *file = checkpoints->by_id[i];
            checkpoints->by_id[i] = file->next_by_id;
            free(file);
        }
    }
    if (checkpoints->notify_fd >= 0) {
        (void)close(checkpoints->notify_fd);
    }
    if (checkpoints->timer_fd >= 0) {
        (void)close(checkpoints->timer_fd);
    }
    free(checkpoints->dir);
    free(checkpoints);
}

int gr_checkpoints_open(const char *dir, int poll_fd, const struct gr_checkpoints_waits *waits,
                        struct gr_checkpoints **ret_checkpoints, struct gr_err *err)
{
    waits = waits == NULL ? &usual : waits;
    struct gr_checkpoints *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the checkpoints");
    }
    made->line_ms[LINE_FIRST] = waits->first_ms;
    made->line_ms[LINE_PAUSE] = waits->pause_ms;
    made->line_ms[LINE_LOOK] = waits->look_ms;
    made->notify_fd = waits->is_blind ? -1 : inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    made->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = made->timer_fd};
    struct epoll_event news = {.events = EPOLLIN, .data.fd = made->notify_fd};
    int code = 0;
    if (asprintf(&made->dir, "%s/attempts", dir) < 0) {
        made->dir = NULL;
        code = gr_fail(err, -ENOMEM, "no memory for the checkpoints");
    } else if (made->timer_fd < 0 ||
               epoll_ctl(poll_fd, EPOLL_CTL_ADD, made->timer_fd, &event) != 0 ||
               (made->notify_fd >= 0 &&
                epoll_ctl(poll_fd, EPOLL_CTL_ADD, made->notify_fd, &news) != 0)) {
        code = gr_fail_errno(err, "make a timer for checkpoints");
    }
    if (code != 0) {
        gr_checkpoints_close(made);
        return code;
    }
    *ret_checkpoints = made;
    return 0;
}
