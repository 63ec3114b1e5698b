// Error texts: see err.h. Must never fail, allocate or print.
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void gr_err_init(struct gr_err *err)
{
    assert(err != NULL);
    err->code = 0;
    err->text[0] = '\0';
}

// Makes the text safe to print and marks a cut one.
static void text_finish(struct gr_err *err, int wanted)
{
    if (wanted >= GR_ERR_TEXT_SIZE) {
        memcpy(err->text + GR_ERR_TEXT_SIZE - 4, "...", 4);
    }
    for (char *c = err->text; *c != '\0'; c++) {
        // Terminals take U+0080 to U+009F for the beginning of commands, too.
        bool is_c1 = (unsigned char)c[0] == 0xc2 && (unsigned char)c[1] >= 0x80 &&
                     (unsigned char)c[1] < 0xa0;
        if (is_c1 || (unsigned char)*c < 0x20 || *c == 0x7f) {
            c[is_c1] = '?';
            *c = '?';
        }
    }
}

int gr_fail(struct gr_err *err, int code, const char *fmt, ...)
{
    assert(code < 0);
    assert(fmt != NULL);
    if (err == NULL) {
        return code;
    }
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    err->code = code;
    text_finish(err, wanted);
    return code;
}

int gr_fail_errno(struct gr_err *err, const char *fmt, ...)
{
    int code = errno == 0 ? -EIO : -errno;
    assert(fmt != NULL);
    if (err == NULL) {
        return code;
    }
    char what[GR_ERR_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return gr_fail(err, code, "%s: %s", what, strerror(-code));
}

int gr_err_prefix(struct gr_err *err, const char *fmt, ...)
{
    assert(fmt != NULL);
    if (err == NULL) {
        return -EIO;
    }
    assert(err->code < 0);
    char was[GR_ERR_TEXT_SIZE];
    char what[GR_ERR_TEXT_SIZE];
    memcpy(was, err->text, sizeof was);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return gr_fail(err, err->code, "%s: %s", what, was);
}
