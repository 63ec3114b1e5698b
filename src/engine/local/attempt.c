// The files of an attempt: see attempt.h. Names and places only; what is in the record is
// record.c's, and what a task writes is the submitter's.
#include "engine/local/attempt.h"

#include "base/file.h"
#include "engine/local.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Name of the file that says where the logs are.
#define LOGS_NAME "logs"
// Fields of it: uid, array index, working directory, output, error; each ends with a NUL.
#define LOGS_FIELDS 5
#define LOGS_SIZE_MAX ((size_t)4 * PATH_MAX)

void gr_attempt_name(uint64_t job, uint32_t attempt, char *ret_name)
{
    (void)snprintf(ret_name, GR_ATTEMPT_NAME_SIZE, "%" PRIu64 ".%" PRIu32, job, attempt);
}

int gr_attempt_name_parse(const char *name, uint64_t *ret_job, uint32_t *ret_attempt)
{
    if (name[0] < '0' || name[0] > '9' || strlen(name) >= GR_ATTEMPT_NAME_SIZE) {
        return -EINVAL;
    }
    char *end = NULL;
    uint64_t job = strtoull(name, &end, 10);
    if (*end != '.' || end[1] < '0' || end[1] > '9') {
        return -EINVAL;
    }
    uint32_t attempt = (uint32_t)strtoul(end + 1, NULL, 10);
    // What is too large or not written the one way differs from what it would be written as.
    char again[GR_ATTEMPT_NAME_SIZE];
    gr_attempt_name(job, attempt, again);
    if (strcmp(again, name) != 0) {
        return -EINVAL;
    }
    *ret_job = job;
    *ret_attempt = attempt;
    return 0;
}

int gr_local_attempt_dir(const char *dir, uint64_t job, uint32_t attempt, char *ret_path,
                         size_t size)
{
    char name[GR_ATTEMPT_NAME_SIZE];
    gr_attempt_name(job, attempt, name);
    int length = snprintf(ret_path, size, "%s/attempts/%s", dir, name);
    return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

void gr_attempt_log_name(enum gr_attempt_stream stream, uint32_t task, char *ret_name)
{
    (void)snprintf(ret_name, GR_ATTEMPT_NAME_SIZE, "%s.%" PRIu32,
                   stream == GR_ATTEMPT_OUTPUT ? "output" : "error", task);
}

// ---- patterns -----------------------------------------------------------------------------------

// A path in the making; `size` is PATH_MAX or more if it became too long.
struct path {
    char *text;
    size_t size;
};

static void path_add(struct path *path, const char *text, size_t size)
{
    if (size >= PATH_MAX - path->size) {
        path->size = PATH_MAX;
        return;
    }
    memcpy(path->text + path->size, text, size);
    path->size += size;
    path->text[path->size] = '\0';
}

// Adds what the pattern %`letter` stands for. Returns whether there is such a pattern.
static bool pattern_add(struct path *path, char letter, const struct gr_attempt_names *names)
{
    char text[24];
    uint64_t number = letter == 'j'   ? names->job
                      : letter == 'n' ? names->attempt
                      : letter == 'a' ? names->array_index
                                      : names->task;
    if (letter == '%') {
        path_add(path, "%", 1);
        return true;
    }
    if (letter != 'j' && letter != 'n' && letter != 'a' && letter != 't') {
        return false;
    }
    path_add(path, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, number));
    return true;
}

static void patterns_add(struct path *path, const char *text, const struct gr_attempt_names *names)
{
    for (const char *c = text; *c != '\0' && path->size < PATH_MAX; c++) {
        if (*c == '%' && pattern_add(path, c[1], names)) {
            c++;
        } else {
            path_add(path, c, 1);
        }
    }
}

int gr_attempt_log_path(const struct gr_spec *spec, enum gr_attempt_stream stream,
                        const struct gr_attempt_names *names, const char *work,
                        char ret_path[PATH_MAX], struct gr_err *err)
{
    bool is_error = stream == GR_ATTEMPT_ERROR && spec->error[0] != '\0';
    const char *pattern = is_error ? spec->error : spec->output;
    if (pattern[0] == '\0') {
        ret_path[0] = '\0';
        return 0;
    }
    char text[PATH_MAX] = "";
    struct path path = {.text = text};
    if (pattern[0] != '/') {
        path_add(&path, work, strlen(work));
        path_add(&path, "/", 1);
    }
    patterns_add(&path, pattern, names);
    if (path.size >= PATH_MAX) {
        return gr_fail(err, -ENAMETOOLONG, "%s file %.100s...: the path is longer than %d bytes",
                       stream == GR_ATTEMPT_ERROR ? "error" : "output", text, PATH_MAX - 1);
    }
    memcpy(ret_path, text, path.size + 1);
    return 0;
}

// ---- where the logs are -------------------------------------------------------------------------

int gr_attempt_logs_write(int attempt_dir, const struct gr_spec *spec,
                          const struct gr_attempt_names *names, const char *work,
                          struct gr_err *err)
{
    if (spec->output[0] == '\0' && spec->error[0] == '\0') {
        return 0;
    }
    char text[LOGS_SIZE_MAX];
    int length = snprintf(text, sizeof text, "%" PRIu32 "%c%" PRIu32 "%c%s%c%s%c%s", spec->uid, 0,
                          names->array_index, 0, work, 0, spec->output, 0, spec->error);
    if (length < 0 || (size_t)length >= sizeof text) {
        return gr_fail(err, -ENAMETOOLONG, "the paths of output and error are too long");
    }
    int fd =
        openat(attempt_dir, LOGS_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return gr_fail_errno(err, "make %s", LOGS_NAME);
    }
    errno = -gr_file_write_all(fd, text, (size_t)length + 1);
    int code = errno == 0 ? 0 : gr_fail_errno(err, "write %s", LOGS_NAME);
    (void)close(fd);
    return code;
}

// Reads a small file whole and puts a NUL behind it. Returns its size or -errno.
static long read_whole(const char *path, char *bytes, size_t size)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    size_t at = 0;
    ssize_t count = 1;
    while (at < size - 1 && count != 0) {
        count = read(fd, bytes + at, size - 1 - at);
        if (count < 0 && errno != EINTR) {
            break;
        }
        at += count > 0 ? (size_t)count : 0;
    }
    long result = count < 0 ? -errno : (long)at;
    bytes[at] = '\0';
    (void)close(fd);
    return result;
}

// Splits the file's bytes into its fields. Returns whether they are whole.
static bool fields_split(const char *bytes, long size, const char *fields[LOGS_FIELDS])
{
    long at = 0;
    for (unsigned i = 0; i < LOGS_FIELDS; i++) {
        if (at >= size) {
            return false;
        }
        fields[i] = bytes + at;
        at += (long)strlen(bytes + at) + 1;
    }
    return at == size;
}

int gr_attempt_logs_find(const char *dir, uint64_t job, uint32_t attempt, uint32_t task,
                         enum gr_attempt_stream stream, char ret_path[PATH_MAX],
                         bool *ret_is_chosen, uint32_t *ret_uid, struct gr_err *err)
{
    assert(stream == GR_ATTEMPT_OUTPUT || stream == GR_ATTEMPT_ERROR);
    char place[PATH_MAX];
    char path[PATH_MAX];
    char bytes[LOGS_SIZE_MAX];
    char name[GR_ATTEMPT_NAME_SIZE];
    const char *fields[LOGS_FIELDS] = {"0", "0", "", "", ""};
    if (gr_local_attempt_dir(dir, job, attempt, place, sizeof place) != 0 ||
        snprintf(path, sizeof path, "%s/" LOGS_NAME, place) >= (int)sizeof path) {
        return gr_fail(err, -ENAMETOOLONG, "%s: the path is too long", dir);
    }
    if (access(place, F_OK) != 0) {
        return gr_fail_errno(err, "attempt %" PRIu32 " of job %" PRIu64, attempt, job);
    }
    long size = read_whole(path, bytes, sizeof bytes);
    if (size < 0 && size != -ENOENT) {
        errno = (int)-size;
        return gr_fail_errno(err, "read %s", path);
    }
    if (size >= 0 && !fields_split(bytes, size, fields)) {
        return gr_fail(err, -EBADMSG, "%s: is damaged", path);
    }
    struct gr_spec spec = {.output = fields[3], .error = fields[4]};
    struct gr_attempt_names names = {
        .job = job,
        .attempt = attempt,
        .array_index = (uint32_t)strtoul(fields[1], NULL, 10),
        .task = task,
    };
    int code = gr_attempt_log_path(&spec, stream, &names, fields[2], path, err);
    if (code != 0) {
        return code;
    }
    *ret_is_chosen = path[0] != '\0';
    *ret_uid = (uint32_t)strtoul(fields[0], NULL, 10);
    gr_attempt_log_name(stream, task, name);
    if (*ret_is_chosen) {
        memcpy(ret_path, path, strlen(path) + 1);
    } else if (snprintf(ret_path, PATH_MAX, "%s/%s", place, name) >= PATH_MAX) {
        return gr_fail(err, -ENAMETOOLONG, "%s: the path is too long", place);
    }
    return 0;
}
