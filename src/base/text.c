// Text for terminals: see text.h. Tables and progress have files of their own (table.c,
// progress.c). Must never write an escape sequence to a stream without colour.
#include "base/text.h"

#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void gr_terminal_init(struct gr_terminal *terminal, FILE *file)
{
    assert(terminal != NULL && file != NULL);
    int fd = fileno(file);
    *terminal = (struct gr_terminal){.file = file, .column_count = GR_TEXT_COLUMNS};
    if (fd < 0 || isatty(fd) != 1) {
        return;
    }
    const char *type = getenv("TERM");
    const char *no_colour = getenv("NO_COLOR");
    bool dumb = type == NULL || strcmp(type, "dumb") == 0;
    struct winsize size;
    terminal->is_terminal = !dumb;
    terminal->has_colour = !dumb && (no_colour == NULL || no_colour[0] == '\0');
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        terminal->column_count = size.ws_col < 40 ? 40 : size.ws_col;
    }
}

const char *gr_terminal_style(const struct gr_terminal *terminal, enum gr_style style)
{
    if (!terminal->has_colour) {
        return "";
    }
    switch (style) {
    case GR_STYLE_PLAIN:
        return "\033[0m";
    case GR_STYLE_HEAD:
        return "\033[1m";
    case GR_STYLE_FAINT:
        return "\033[2m";
    case GR_STYLE_GOOD:
        return "\033[32m";
    case GR_STYLE_WARN:
        return "\033[33m";
    case GR_STYLE_BAD:
        return "\033[31m";
    }
    return "";
}

int gr_text_finish(FILE *file, const char *name, struct gr_err *err)
{
    bool failed_before = ferror(file) != 0;
    errno = 0;
    if (fflush(file) != 0) {
        return gr_fail_errno(err, "write %s", name);
    }
    if (failed_before) {
        return gr_fail(err, -EIO, "write %s: part of it could not be written", name);
    }
    return 0;
}

void gr_text_wrap(FILE *file, const char *text, size_t indent, size_t width, size_t used)
{
    assert(indent < width);
    bool fresh = true; // nothing of the text is on this line yet
    while (*text != '\0') {
        size_t size = strcspn(text, " \n");
        if (size == 0) {
            if (*text++ == '\n') {
                fputc('\n', file);
                used = 0;
                fresh = true;
            }
            continue;
        }
        size_t columns = gr_utf8_width(text, size);
        if (!fresh && used + 1 + columns > width) {
            fputc('\n', file);
            used = 0;
            fresh = true;
        }
        size_t gap = !fresh ? 1 : used < indent ? indent - used : 0;
        fprintf(file, "%*s%.*s", (int)gap, "", (int)size, text);
        used += gap + columns;
        text += size;
        fresh = false;
    }
    if (!fresh) {
        fputc('\n', file);
    }
}
