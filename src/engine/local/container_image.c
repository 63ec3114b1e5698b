// Reads a container's image in a process that has only the submitter's rights; what comes back is
// looked at as if it came from outside.
#include "engine/local/container_parts.h"

#include "engine/local/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Bytes of what the image's reader says, at most.
#define ANSWER_MAX ((size_t)8 << 20)

// How often it is asked whether the container is still wanted.
#define ASK_MS 100

// What the reader says first: how much text follows, and how it went.
struct answer {
    int code;
    uint32_t size;
    uint32_t is_readonly;
    uint32_t has_lock;
};

static int rights_drop(const struct gr_container_config *config)
{
    gid_t groups[GR_SPEC_GROUPS_MAX];
    uint32_t count =
        config->group_count < GR_SPEC_GROUPS_MAX ? config->group_count : GR_SPEC_GROUPS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        groups[i] = config->groups[i];
    }
    const struct gr_spec *spec = config->spec;
    if (!gr_runtime_is_rootless() &&
        (setgroups(count, groups) != 0 || setresgid(spec->gid, spec->gid, spec->gid) != 0 ||
         setresuid(spec->uid, spec->uid, spec->uid) != 0)) {
        return -errno;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : -errno;
}

static int bytes_send(int fd, const void *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t sent = send(fd, (const char *)bytes + at, size - at, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return -errno;
        }
        at += sent < 0 ? 0 : (size_t)sent;
    }
    return 0;
}

// Waits for the reader's word. It may never come: the image and its locks are the submitter's.
static int word_await(const struct gr_container_config *config, int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    while (config->is_wanted == NULL || config->is_wanted(config->context)) {
        int count = poll(&wait, 1, ASK_MS);
        if (count > 0 || (count < 0 && errno != EINTR)) {
            return count > 0 ? 0 : -errno;
        }
    }
    return -EINTR;
}

static int bytes_receive(const struct gr_container_config *config, int fd, void *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        int code = word_await(config, fd);
        if (code < 0) {
            return code;
        }
        ssize_t got = recv(fd, (char *)bytes + at, size - at, 0);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return got == 0 ? -EPIPE : -errno;
        }
        at += got < 0 ? 0 : (size_t)got;
    }
    return 0;
}

static int answer_send(int fd, const struct answer *answer, const int *fds, size_t fd_count)
{
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {(void *)(uintptr_t)answer, sizeof(*answer)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    memset(&control, 0, sizeof(control));
    if (fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)sizeof(*answer) ? 0 : -EIO;
}

// Body of the reader.
static void reader_run(const struct gr_container_config *config, int cache, bool is_cache, int fd)
{
    struct gr_err err = {0};
    struct gr_image image = {.root = -1, .lock = -1};
    struct answer answer = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    umask(022);
    int code = rights_drop(config);
    if (code < 0) {
        gr_fail(&err, code, "become the submitter: %s", strerror(-code));
    } else {
        code = gr_image_open(config->spec->image, cache, is_cache, &image, &err);
    }
    char *text = code < 0 ? strdup(err.text) : NULL;
    if (code == 0) {
        json_t *both = json_pack("{s:O, s:O}", "env", image.env, "cwd", image.cwd);
        text = both == NULL ? NULL : json_dumps(both, JSON_COMPACT);
        code = text == NULL ? -ENOMEM : 0;
    }
    int fds[2] = {image.root, image.lock};
    answer.code = code;
    answer.size = text == NULL ? 0 : (uint32_t)strlen(text);
    answer.is_readonly = image.is_readonly;
    answer.has_lock = image.lock >= 0;
    if (answer_send(fd, &answer, fds,
                    code < 0          ? 0
                    : answer.has_lock ? 2
                                      : 1) < 0 ||
        bytes_send(fd, text == NULL ? "" : text, answer.size) < 0) {
        _exit(1);
    }
    _exit(0);
}

// Receives the answer with its file descriptors.
static int answer_receive(int fd, struct answer *ret_answer, int ret_fds[2])
{
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {ret_answer, sizeof(*ret_answer)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t got;
    do {
        got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    struct cmsghdr *header = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
        size_t size = header->cmsg_len - CMSG_LEN(0);
        memcpy(ret_fds, CMSG_DATA(header), size < 2 * sizeof(int) ? size : 2 * sizeof(int));
    }
    if (got < 0) {
        return -errno;
    }
    return (size_t)got == sizeof(*ret_answer) && ret_answer->size <= ANSWER_MAX ? 0 : -EPIPE;
}

// The reader's word is the submitter's: looked at as if it came from outside.
static int answer_take(const struct answer *answer, const char *text, int fds[2],
                       struct gr_image *image, struct gr_err *err)
{
    struct stat st;
    if (answer->code < 0) {
        return gr_fail(err, answer->code, "%s", text);
    }
    json_t *both = gr_image_json(text, answer->size, "image", err);
    json_t *wrapped =
        both == NULL ? NULL
                     : json_pack("{s:{s:s}, s:{s:O?, s:O?}}", "root", "path", "r", "process", "env",
                                 json_object_get(both, "env"), "cwd", json_object_get(both, "cwd"));
    const char *path;
    int code = wrapped == NULL ? -EINVAL : gr_image_bundle_read(wrapped, image, &path, err);
    json_decref(wrapped);
    json_decref(both);
    if (code < 0) {
        return code;
    }
    if (fds[0] < 0 || fstat(fds[0], &st) != 0 || !S_ISDIR(st.st_mode)) {
        return gr_fail(err, -EINVAL, "the image has no root");
    }
    image->is_readonly = answer->is_readonly != 0;
    image->root = fds[0];
    image->lock = fds[1];
    fds[0] = fds[1] = -1;
    return 0;
}

static int reader_hear(const struct gr_container_config *config, int fd, struct gr_image *image,
                       struct gr_err *err)
{
    struct answer answer = {0};
    int fds[2] = {-1, -1};
    int code = word_await(config, fd);
    code = code == 0 ? answer_receive(fd, &answer, fds) : code;
    char *text = code == 0 ? calloc(1, (size_t)answer.size + 1) : NULL;
    if (code == 0) {
        code = text == NULL ? -ENOMEM : bytes_receive(config, fd, text, answer.size);
    }
    code = code == -EINTR ? gr_fail(err, code, "stopped while its image was read")
           : code < 0     ? gr_fail(err, code, "the process that read the image died")
                          : answer_take(&answer, text, fds, image, err);
    free(text);
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    return code;
}

// Opens the image in a process with the submitter's rights.
int gr_container_image_read(const struct gr_container_config *config, int cache, bool is_cache,
                            struct gr_image *image, struct gr_err *err)
{
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
        return gr_fail_errno(err, "make a socket");
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(sockets[0]);
        reader_run(config, cache, is_cache, sockets[1]);
    }
    close(sockets[1]);
    int code = pid < 0 ? gr_fail_errno(err, "start a process")
                       : reader_hear(config, sockets[0], image, err);
    close(sockets[0]);
    if (pid > 0 && code == -EINTR) {
        (void)kill(pid, SIGKILL);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return code;
}

// A folder that belongs to the submitter, made if it is not there. Returns a descriptor or -errno.
int gr_container_owned_open(int parent, const char *name, const struct gr_spec *spec, mode_t mode)
{
    bool is_new = mkdirat(parent, name, mode) == 0;
    if (!is_new && errno != EEXIST) {
        return -errno;
    }
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    if (is_new && !gr_runtime_is_rootless() &&
        (fchown(fd, spec->uid, spec->gid) != 0 || fchmod(fd, mode) != 0)) {
        int code = -errno;
        close(fd);
        return code;
    }
    return fd;
}

// The folder of the submitter's unpacked images.
int gr_container_cache_open(const struct gr_container_config *config, struct gr_err *err)
{
    char name[16];
    snprintf(name, sizeof(name), "%u", config->spec->uid);
    int engine = open(config->engine, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (engine < 0) {
        return gr_fail_errno(err, "open %.200s", config->engine);
    }
    int images = -1;
    if (mkdirat(engine, "images", 0711) == 0 || errno == EEXIST) {
        images = openat(engine, "images", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    int fd = images < 0 ? -errno : gr_container_owned_open(images, name, config->spec, 0700);
    close(engine);
    if (images >= 0) {
        close(images);
    }
    return fd < 0 ? gr_fail(err, fd, "%.200s/images: %s", config->engine, strerror(-fd)) : fd;
}
