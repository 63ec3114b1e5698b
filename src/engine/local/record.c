// The record of an attempt: see record.h for its form.
#include "engine/local/record.h"

#include "base/clock.h"
#include "engine/local/attempt.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

// Begins every record; the digit is the version of the form.
static const char magic[8] = "GRANREC1";

enum {
    HEAD_AT = 0,
    LIFE_AT = 128,
    WISH_AT = 192,
    END_AT = 512,
};

// Bytes of a part with its checksum behind it.
#define SUM_SIZE sizeof(uint64_t)
static_assert(sizeof magic + sizeof(struct gr_record_head) + SUM_SIZE <= LIFE_AT - HEAD_AT, "head");
static_assert(sizeof(struct gr_record_life) + SUM_SIZE <= WISH_AT - LIFE_AT, "life");
static_assert(sizeof(struct gr_record_wish) + SUM_SIZE <= END_AT - WISH_AT, "wish");
static_assert(sizeof(struct gr_record_end) + SUM_SIZE <= GR_RECORD_ORDER_AT - END_AT, "end");

int gr_record_boot_read(uint8_t *ret_boot, struct gr_err *err)
{
    const char *path = "/proc/sys/kernel/random/boot_id";
    char text[64];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (size < 0) {
        int code = gr_fail_errno(err, "read %s", path);
        if (fd >= 0) {
            (void)close(fd);
        }
        return code;
    }
    (void)close(fd);
    text[size] = '\0';
    unsigned nibbles = 0;
    memset(ret_boot, 0, GR_RECORD_BOOT_SIZE);
    for (const char *c = text; *c != '\0' && nibbles < 2 * GR_RECORD_BOOT_SIZE; c++) {
        int digit = *c >= '0' && *c <= '9' ? *c - '0' : *c >= 'a' && *c <= 'f' ? *c - 'a' + 10 : -1;
        if (digit >= 0) {
            ret_boot[nibbles / 2] = (uint8_t)(ret_boot[nibbles / 2] * 16 + digit);
            nibbles++;
        }
    }
    return nibbles == 2 * GR_RECORD_BOOT_SIZE ? 0
                                              : gr_fail(err, -EBADMSG, "%s: is no boot id", path);
}

// FNV-1a, never 0, so that bytes that were never written are no part. Against torn and lost writes,
// not against people: whoever may write here may do anything.
static uint64_t sum_of(const void *bytes, size_t size)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++) {
        sum = (sum ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    }
    return sum == 0 ? 1 : sum;
}

// Lays a part and its checksum out at `to`.
static void part_put(uint8_t *to, const void *part, size_t size)
{
    uint64_t sum = sum_of(part, size);
    memcpy(to, part, size);
    memcpy(to + size, &sum, sizeof sum);
}

// Takes a part out, or zeroes *ret_part if it is not whole.
static bool part_get(const uint8_t *from, void *ret_part, size_t size)
{
    uint64_t sum;
    memcpy(&sum, from + size, sizeof sum);
    if (sum != sum_of(from, size)) {
        memset(ret_part, 0, size);
        return false;
    }
    memcpy(ret_part, from, size);
    return true;
}

// ---- making -------------------------------------------------------------------------------------

// Writes `size` bytes of `bytes` behind `at`. Returns 0 or -errno.
static int write_at(int fd, const uint8_t *bytes, size_t size, off_t at)
{
    while (size > 0) {
        ssize_t count = pwrite(fd, bytes, size, at);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return count < 0 ? -errno : -EIO;
        }
        bytes += count;
        at += count;
        size -= (size_t)count;
    }
    return 0;
}

static int content_write(int fd, const struct gr_record_head *head, const uint8_t *order,
                         size_t size)
{
    uint8_t bytes[GR_RECORD_ORDER_AT] = {0};
    struct gr_record_head whole = *head;
    whole.order_size = (uint32_t)size;
    whole.made_ms = gr_clock_wall_ms();
    memcpy(bytes, magic, sizeof magic);
    part_put(bytes + sizeof magic, &whole, sizeof whole);
    struct iovec parts[2] = {
        {.iov_base = bytes, .iov_len = sizeof bytes},
        {.iov_base = (void *)(uintptr_t)order, .iov_len = size},
    };
    ssize_t count = writev(fd, parts, 2);
    if (count == (ssize_t)(sizeof bytes + size)) {
        return 0;
    }
    if (count < 0) {
        return -errno;
    }
    // Cut short: by a signal, or because the disk is full, which the next write says.
    int code = write_at(fd, bytes, sizeof bytes, 0);
    return code != 0 ? code : write_at(fd, order, size, sizeof bytes);
}

int gr_record_make(int live, const struct gr_record_head *head, const uint8_t *order, size_t size,
                   int *ret_fd, struct gr_err *err)
{
    assert(size <= UINT32_MAX);
    char name[GR_ATTEMPT_NAME_SIZE];
    gr_attempt_name(head->job, head->attempt, name);
    int fd = openat(live, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return gr_fail_errno(err, "make live/%s", name);
    }
    int code = flock(fd, LOCK_EX | LOCK_NB) != 0 ? -errno : content_write(fd, head, order, size);
    if (code != 0) {
        errno = -code;
        code = gr_fail_errno(err, "write live/%s", name);
        (void)unlinkat(live, name, 0);
        (void)close(fd);
        return code;
    }
    *ret_fd = fd;
    return 0;
}

int gr_record_open(int live, uint64_t job, uint32_t attempt, int *ret_fd, struct gr_err *err)
{
    char name[GR_ATTEMPT_NAME_SIZE];
    gr_attempt_name(job, attempt, name);
    int fd = openat(live, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return gr_fail_errno(err, "open live/%s", name);
    }
    *ret_fd = fd;
    return 0;
}

// ---- reading and writing parts ------------------------------------------------------------------

int gr_record_read(int fd, struct gr_record *ret_record, struct gr_err *err)
{
    uint8_t bytes[GR_RECORD_ORDER_AT];
    ssize_t size = pread(fd, bytes, sizeof bytes, 0);
    if (size < 0) {
        return gr_fail_errno(err, "read a record");
    }
    if (size != (ssize_t)sizeof bytes || memcmp(bytes, magic, sizeof magic) != 0) {
        return gr_fail(err, -EBADMSG, "is no record of an attempt, or one of another version");
    }
    struct gr_record record;
    if (!part_get(bytes + sizeof magic, &record.head, sizeof record.head)) {
        return gr_fail(err, -EBADMSG, "the head of a record is damaged");
    }
    (void)part_get(bytes + LIFE_AT, &record.life, sizeof record.life);
    (void)part_get(bytes + WISH_AT, &record.wish, sizeof record.wish);
    (void)part_get(bytes + END_AT, &record.end, sizeof record.end);
    record.end.text[sizeof record.end.text - 1] = '\0';
    *ret_record = record;
    return 0;
}

bool gr_record_is_held(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return true;
    }
    (void)flock(fd, LOCK_UN);
    return false;
}

static int part_write(int fd, const void *part, size_t size, off_t at, struct gr_err *err)
{
    uint8_t bytes[GR_RECORD_ORDER_AT];
    assert(size + SUM_SIZE <= sizeof bytes);
    part_put(bytes, part, size);
    int code = write_at(fd, bytes, size + SUM_SIZE, at);
    errno = -code;
    return code == 0 ? 0 : gr_fail_errno(err, "write a record");
}

int gr_record_life_write(int fd, const struct gr_record_life *life, struct gr_err *err)
{
    return part_write(fd, life, sizeof *life, LIFE_AT, err);
}

int gr_record_wish_write(int fd, const struct gr_record_wish *wish, struct gr_err *err)
{
    return part_write(fd, wish, sizeof *wish, WISH_AT, err);
}

int gr_record_end_write(int fd, const struct gr_record_end *end, struct gr_err *err)
{
    return part_write(fd, end, sizeof *end, END_AT, err);
}

void gr_record_wish_read(int fd, struct gr_record_wish *ret_wish)
{
    uint8_t bytes[sizeof *ret_wish + SUM_SIZE];
    if (pread(fd, bytes, sizeof bytes, WISH_AT) != (ssize_t)sizeof bytes ||
        !part_get(bytes, ret_wish, sizeof *ret_wish)) {
        memset(ret_wish, 0, sizeof *ret_wish);
    }
}
