// Opens a task's output for reading: see gr_local_log_open in local.h. Must never give out a file
// that is not the submitter's, whatever links he laid.
#include "engine/local.h"
#include "engine/local/attempt.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

// Whether it may be read: a file, and if its place was chosen by the submitter, his own. Asked of a
// descriptor that has opened nothing yet (O_PATH): opening a device or a pipe already does things.
static int file_check(int fd, const char *path, bool is_chosen, uint32_t uid, struct gr_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return gr_fail_errno(err, "%s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return gr_fail(err, -EACCES, "%s: is no plain file, and so it is not shown", path);
    }
    if (is_chosen && st.st_uid != uid) {
        return gr_fail(err, -EACCES, "%s: is not a file of the job's user, and so it is not shown",
                       path);
    }
    return 0;
}

int gr_local_log_open(const char *dir, uint64_t job, uint32_t attempt, uint32_t task,
                      unsigned stream, struct gr_err *err)
{
    assert(stream == GR_ATTEMPT_OUTPUT || stream == GR_ATTEMPT_ERROR);
    char path[PATH_MAX];
    char again[64];
    bool is_chosen = false;
    uint32_t uid = 0;
    int code = gr_attempt_logs_find(dir, job, attempt, task, (enum gr_attempt_stream)stream, path,
                                    &is_chosen, &uid, err);
    if (code < 0) {
        return code;
    }
    int found = open(path, O_PATH | O_CLOEXEC | (is_chosen ? 0 : O_NOFOLLOW));
    if (found < 0) {
        return gr_fail_errno(err, "open %s", path);
    }
    code = file_check(found, path, is_chosen, uid, err);
    if (code == 0) {
        (void)snprintf(again, sizeof(again), "/proc/self/fd/%d", found);
        // Who holds a lease on his own file (F_SETLEASE) must not make a caller wait until it ends.
        code = open(again, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        code = code >= 0 ? code : gr_fail_errno(err, "open %s", path);
    }
    close(found);
    return code;
}
