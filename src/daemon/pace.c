// When the loop waits for what: see pace.h.
#include "daemon/pace.h"

#include <assert.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

// From how many requests that wait at once on they are taken together.
#define MANY 8u
// How far apart groups are kept then, about what a good disk needs for one; and how long requests
// are left waiting for a disk that needs longer.
#define APART_NS INT64_C(300000)
#define DISK_NS INT64_C(2000000)

int gr_pace_open(struct gr_pace *pace, struct gr_err *err)
{
    pace->all_fd = epoll_create1(EPOLL_CLOEXEC);
    pace->others_fd = epoll_create1(EPOLL_CLOEXEC);
    return pace->all_fd < 0 || pace->others_fd < 0 ? gr_fail_errno(err, "make descriptors to wait")
                                                   : 0;
}

void gr_pace_close(struct gr_pace *pace)
{
    if (pace->all_fd >= 0) {
        close(pace->all_fd);
    }
    if (pace->others_fd >= 0) {
        close(pace->others_fd);
    }
    pace->all_fd = pace->others_fd = -1;
}

int gr_pace_watch(struct gr_pace *pace, int fd, bool is_http, struct gr_err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(pace->all_fd, EPOLL_CTL_ADD, fd, &event) != 0 ||
        (!is_http && epoll_ctl(pace->others_fd, EPOLL_CTL_ADD, fd, &event) != 0)) {
        return gr_fail_errno(err, "watch a descriptor");
    }
    return 0;
}

static bool is_busy(const struct gr_pace *pace, const struct gr_daemon *daemon)
{
    // Lines are taken in large groups anyway, and their sender must not be held up.
    return (pace->load >= MANY || pace->peak >= MANY) && daemon->bulk_count == 0;
}

void gr_pace_look(struct gr_pace *pace, struct gr_daemon *daemon)
{
    struct gr_commit *commit = daemon->pool->commit;
    uint64_t groups;
    uint64_t bytes;
    gr_commit_counts(commit, &groups, &bytes);
    if (groups != pace->groups) {
        pace->groups = groups;
        pace->load = pace->peak;
        pace->peak = 0;
    }
    unsigned waiting = gr_http_waiting(daemon->http);
    pace->peak = waiting > pace->peak ? waiting : pace->peak;
    gr_commit_gather(commit, is_busy(pace, daemon) ? APART_NS : 0);
}

// For how long only the others are waited for; 0: not at all.
static int64_t without_http_ns(const struct gr_pace *pace, const struct gr_daemon *daemon)
{
    const struct gr_commit *commit = daemon->pool->commit;
    if (!is_busy(pace, daemon) || gr_http_is_due(daemon->http)) {
        return 0;
    }
    int64_t gather_ns = gr_commit_gather_ns(commit);
    return gather_ns > 0 ? gather_ns : gr_commit_is_sending(commit) ? DISK_NS : 0;
}

int gr_pace_wait(const struct gr_pace *pace, const struct gr_daemon *daemon, int wait_ms,
                 struct epoll_event *ret_events, int most)
{
    assert(wait_ms >= 0);
    int64_t ns = wait_ms == 0 ? 0 : without_http_ns(pace, daemon);
    if (ns == 0) {
        return epoll_wait(pace->all_fd, ret_events, most, wait_ms);
    }
    struct timespec span = {.tv_nsec = ns};
    int count = epoll_pwait2(pace->others_fd, ret_events, most, &span, NULL);
    // Linux before 5.11 knows whole milliseconds only, and a sandbox may refuse what it does not
    // know with any error.
    return count < 0 && errno != EINTR ? epoll_wait(pace->others_fd, ret_events, most, 1) : count;
}
