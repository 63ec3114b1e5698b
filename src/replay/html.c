// A growing buffer of HTML: see html.h.
#include "replay/html.h"

#include "base/file.h"
#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void gr_html_done(struct gr_html *html)
{
    assert(html != NULL);
    free(html->text);
    *html = (struct gr_html){0};
}

// Makes room for `more` bytes; false, and remembered, when there is none.
static bool reserve(struct gr_html *html, size_t more)
{
    if (html->failed != 0) {
        return false;
    }
    if (html->room - html->size >= more) {
        return true;
    }
    size_t room = html->room < 4096 ? 4096 : html->room;
    while (room - html->size < more && room <= SIZE_MAX / 2) {
        room *= 2;
    }
    char *text = room - html->size < more ? NULL : realloc(html->text, room);
    if (text == NULL) {
        html->failed = -ENOMEM;
        return false;
    }
    html->text = text;
    html->room = room;
    return true;
}

static void append(struct gr_html *html, const char *bytes, size_t size)
{
    if (reserve(html, size)) {
        memcpy(html->text + html->size, bytes, size);
        html->size += size;
    }
}

void gr_html_put(struct gr_html *html, const char *fmt, ...)
{
    assert(fmt != NULL);
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(wanted >= 0);
    if (!reserve(html, (size_t)wanted + 1)) { // vsnprintf ends with a NUL that is not kept
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(html->text + html->size, (size_t)wanted + 1, fmt, args);
    va_end(args);
    html->size += (size_t)wanted;
}

// Characters that XML forbids, that move a cursor, or that reorder the text around them.
static bool is_harmful(uint32_t point)
{
    return gr_utf8_is_unruly(point) || (point & 0xfffe) == 0xfffe || point == 0xfeff;
}

static void append_point(struct gr_html *html, const char *bytes, size_t size, uint32_t point)
{
    const char *instead = NULL;
    switch (point) {
    case '&':
        instead = "&amp;";
        break;
    case '<':
        instead = "&lt;";
        break;
    case '>':
        instead = "&gt;";
        break;
    case '"':
        instead = "&quot;";
        break;
    case '\'':
        instead = "&#39;";
        break;
    default:
        instead = is_harmful(point) ? "\xef\xbf\xbd" : NULL;
        break;
    }
    append(html, instead != NULL ? instead : bytes, instead != NULL ? strlen(instead) : size);
}

void gr_html_text(struct gr_html *html, const char *text, size_t chars_max)
{
    if (text == NULL) {
        return;
    }
    size_t size = strlen(text);
    for (size_t chars = 0; size > 0; chars++) {
        if (chars == chars_max) {
            append(html, "\xe2\x80\xa6", 3);
            return;
        }
        uint32_t point = 0xffff; // harmful, so that a bad byte shows as U+FFFD
        size_t length = gr_utf8_read(text, size, &point);
        length = length == 0 ? 1 : length;
        append_point(html, text, length, point);
        text += length;
        size -= length;
    }
}

void gr_html_name(struct gr_html *html, const char *name)
{
    gr_html_text(html, name, GR_HTML_NAME_CHARS);
}

// Digits with a comma every three.
static void append_grouped(struct gr_html *html, uint64_t value)
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    assert(count > 0);
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) {
            append(html, ",", 1);
        }
        append(html, digits + i, 1);
    }
}

void gr_html_count(struct gr_html *html, uint64_t count)
{
    append_grouped(html, count);
}

void gr_html_decimal(struct gr_html *html, double value, unsigned places)
{
    assert(places <= 6);
    if (!isfinite(value) || fabs(value) > 1e15) {
        append(html, "\xe2\x80\x93", 3);
        return;
    }
    uint64_t scale = 1;
    for (unsigned i = 0; i < places; i++) {
        scale *= 10;
    }
    uint64_t whole = (uint64_t)floor(fabs(value));
    uint64_t part = (uint64_t)llround((fabs(value) - (double)whole) * (double)scale);
    whole += part / scale;
    part %= scale;
    if (value < 0 && (whole > 0 || part > 0)) {
        append(html, "\xe2\x88\x92", 3); // a minus sign, not a hyphen
    }
    append_grouped(html, whole);
    if (places > 0) {
        gr_html_put(html, ".%0*llu", (int)places, (unsigned long long)part);
    }
}

void gr_html_coordinate(struct gr_html *html, double value)
{
    assert(isfinite(value));
    assert(fabs(value) <= 1e9);
    long long tenths = llround(value * 10);
    unsigned long long size = (unsigned long long)(tenths < 0 ? -tenths : tenths);
    gr_html_put(html, tenths < 0 ? "-%llu" : "%llu", size / 10);
    if (size % 10 != 0) {
        gr_html_put(html, ".%llu", size % 10);
    }
}

void gr_html_duration(struct gr_html *html, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    if (ms < 0) {
        append(html, "\xe2\x80\x93", 3);
        return;
    }
    if (ms == 0) {
        gr_html_put(html, "0 s");
        return;
    }
    size_t first = 0;
    while (ms < units[first].ms) {
        first++;
    }
    append_grouped(html, (uint64_t)(ms / units[first].ms));
    gr_html_put(html, " %s", units[first].name);
    // A second unit where it still says something: not the milliseconds beside minutes.
    if (first < 3) {
        int64_t rest = ms % units[first].ms / units[first + 1].ms;
        if (rest > 0) {
            gr_html_put(html, " %lld %s", (long long)rest, units[first + 1].name);
        }
    }
}

// Writes and closes `fd`; a close that fails counts as a write that failed. 0 or -errno.
static int fill(const struct gr_html *html, int fd)
{
    int rc = gr_file_write_all(fd, html->text, html->size);
    if (rc == 0 && fsync(fd) < 0 && errno != EINVAL && errno != EROFS) { // a pipe has no sync
        rc = -errno;
    }
    if (close(fd) < 0 && rc == 0) {
        rc = -errno;
    }
    return rc;
}

// Opens a new file beside `path`, with the permissions that new files get; its name goes to `name`.
// The descriptor or -errno.
static int open_beside(const char *path, char name[PATH_MAX])
{
    for (int attempt = 0; attempt < 100; attempt++) {
        int wanted = snprintf(name, PATH_MAX, "%s.%ld-%d.tmp", path, (long)getpid(), attempt);
        if (wanted < 0 || wanted >= PATH_MAX) {
            return -ENAMETOOLONG;
        }
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) {
            return fd >= 0 ? fd : -errno;
        }
    }
    return -EEXIST;
}

// Replaces `path`, a regular file with the permissions of `*old`, or a new one if `old` is NULL.
// The rename is not synced: after a loss of power there is the old page or the new one, whole.
// 0 or -errno.
static int replace(const struct gr_html *html, const char *path, const struct stat *old)
{
    char temporary[PATH_MAX];
    int fd = open_beside(path, temporary);
    if (fd < 0) {
        return fd;
    }
    int rc = old != NULL && fchmod(fd, old->st_mode & 0777) < 0 ? -errno : 0;
    int filled = fill(html, fd); // closes it
    rc = rc == 0 ? filled : rc;
    if (rc == 0 && rename(temporary, path) < 0) {
        rc = -errno;
    }
    if (rc < 0) {
        (void)unlink(temporary); // the first error is the one to tell
    }
    return rc;
}

int gr_html_save(const struct gr_html *html, const char *path, struct gr_err *err)
{
    assert(html != NULL);
    assert(path != NULL);
    if (html->failed != 0) {
        return gr_fail(err, html->failed, "write %s: out of memory for the page", path);
    }
    char real[PATH_MAX];
    struct stat st;
    int rc;
    if (stat(path, &st) < 0) {
        // A new file; also what a dangling link names, which rename replaces by the page.
        rc = errno == ENOENT ? replace(html, path, NULL) : -errno;
    } else if (S_ISREG(st.st_mode)) {
        rc = realpath(path, real) == NULL ? -errno : replace(html, real, &st);
    } else {
        int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        rc = fd < 0 ? -errno : fill(html, fd);
    }
    if (rc < 0) {
        errno = -rc;
        return gr_fail_errno(err, "write %s", path);
    }
    return 0;
}
