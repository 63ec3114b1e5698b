// Pictures of a terminal: see frame.h.
#include "cli/frame.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void gr_frame_begin(struct gr_frame *frame, size_t columns, size_t rows, bool has_colour,
                    bool has_utf8)
{
    char *text = frame->text;
    size_t room = frame->room;
    *frame = (struct gr_frame){.columns = columns,
                               .rows = rows,
                               .has_colour = has_colour,
                               .has_utf8 = has_utf8,
                               .text = text,
                               .room = room};
}

void gr_frame_done(struct gr_frame *frame)
{
    free(frame->text);
    *frame = (struct gr_frame){0};
}

// Adds bytes as they are.
static void bytes_add(struct gr_frame *frame, const char *bytes, size_t size)
{
    if (frame->room - frame->size < size) {
        size_t room = frame->room * 2 + size + 4096;
        char *text = realloc(frame->text, room);
        if (text == NULL) {
            frame->has_failed = true;
            return;
        }
        frame->text = text;
        frame->room = room;
    }
    if (size > 0) { // there may be no room at all yet
        memcpy(frame->text + frame->size, bytes, size);
    }
    frame->size += size;
}

static void style_add(struct gr_frame *frame, enum gr_style style)
{
    const struct gr_terminal terminal = {.has_colour = frame->has_colour};
    const char *text = gr_terminal_style(&terminal, style);
    bytes_add(frame, text, strlen(text));
}

// Adds what fits of the text. Returns the columns that it took.
static size_t text_add(struct gr_frame *frame, const char *text, size_t columns)
{
    size_t all = strlen(text);
    size_t used = 0;
    for (size_t at = 0; at < all && used < columns;) {
        uint32_t point;
        size_t length = gr_utf8_read(text + at, all - at, &point);
        bool is_shown = length > 0 && !gr_utf8_is_unruly(point) && (length == 1 || frame->has_utf8);
        size_t width = is_shown ? gr_utf8_width(text + at, length) : 1;
        if (used + width > columns) {
            break;
        }
        bytes_add(frame, is_shown ? text + at : "?", is_shown ? length : 1);
        used += width;
        at += length == 0 ? 1 : length;
    }
    return used;
}

static size_t columns_left(const struct gr_frame *frame)
{
    return frame->row < frame->rows ? frame->columns - frame->column : 0;
}

static void put_within(struct gr_frame *frame, enum gr_style style, const char *text,
                       size_t columns)
{
    size_t left = columns_left(frame);
    if (left == 0 || text[0] == '\0') {
        return;
    }
    bool is_plain = style == GR_STYLE_PLAIN;
    if (!is_plain) {
        style_add(frame, style);
    }
    frame->column += text_add(frame, text, columns < left ? columns : left);
    if (!is_plain) {
        style_add(frame, GR_STYLE_PLAIN);
    }
}

void gr_frame_put(struct gr_frame *frame, enum gr_style style, const char *text)
{
    put_within(frame, style, text, frame->columns);
}

void gr_frame_putf(struct gr_frame *frame, enum gr_style style, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    gr_frame_put(frame, style, text);
}

static void blanks(struct gr_frame *frame, size_t count)
{
    size_t left = columns_left(frame);
    count = count < left ? count : left;
    for (size_t i = 0; i < count; i++) {
        bytes_add(frame, " ", 1);
    }
    frame->column += count;
}

void gr_frame_to(struct gr_frame *frame, size_t column)
{
    if (column > frame->column) {
        blanks(frame, column - frame->column);
    }
}

void gr_frame_cell(struct gr_frame *frame, enum gr_style style, size_t width, bool is_right,
                   const char *text)
{
    size_t size = strlen(text);
    size_t wide = gr_utf8_width(text, size);
    size_t from = frame->column;
    if (wide > width && width > 2) {
        put_within(frame, style, text, width - 2);
        gr_frame_put(frame, style, "..");
    } else {
        blanks(frame, is_right && wide < width ? width - wide : 0);
        put_within(frame, style, text, width);
    }
    gr_frame_to(frame, from + width + 1);
}

void gr_frame_bar(struct gr_frame *frame, size_t width, int64_t whole, const int64_t *parts,
                  const enum gr_style *styles, const char *marks, size_t count)
{
    size_t done = 0;
    int64_t upto = 0;
    for (size_t p = 0; p < count && whole > 0; p++) {
        upto += parts[p];
        // In doubles: it is a picture, and amounts may be large.
        size_t end = (size_t)((double)width * (double)upto / (double)whole + 0.5);
        end = parts[p] > 0 && end <= done ? done + 1 : end;
        end = end > width ? width : end;
        char text[512];
        size_t cells = end > done ? end - done : 0;
        cells = cells < sizeof text ? cells : sizeof text - 1;
        memset(text, marks[p], cells);
        text[cells] = '\0';
        gr_frame_put(frame, styles[p], text);
        done += cells;
    }
    char rest[512];
    size_t cells = width - done < sizeof rest ? width - done : sizeof rest - 1;
    memset(rest, '.', cells);
    rest[cells] = '\0';
    gr_frame_put(frame, GR_STYLE_FAINT, rest);
}

void gr_frame_end(struct gr_frame *frame)
{
    if (frame->row < frame->rows) {
        while (frame->size > 0 && frame->text[frame->size - 1] == ' ') {
            frame->size--; // blanks at a line's end say nothing
        }
        bytes_add(frame, "\n", 1);
        frame->row++;
        frame->column = 0;
    }
}

size_t gr_frame_left(const struct gr_frame *frame)
{
    return frame->rows - frame->row;
}

void gr_frame_draw(const struct gr_frame *frame, FILE *file)
{
    if (frame->has_failed) {
        return;
    }
    fputs("\033[H\033[?7l", file);
    size_t row = 0;
    for (size_t at = 0; at < frame->size && row < frame->rows; row++) {
        const char *line = frame->text + at;
        const char *end = memchr(line, '\n', frame->size - at);
        size_t size = end == NULL ? frame->size - at : (size_t)(end - line);
        fwrite(line, 1, size, file);
        // The last line has none behind it: the terminal must not scroll.
        fputs(row + 1 < frame->rows ? "\033[K\r\n" : "\033[K", file);
        at += size + (end != NULL);
    }
    fputs("\033[J\033[?7h", file);
}

void gr_frame_print(const struct gr_frame *frame, FILE *file)
{
    if (!frame->has_failed && frame->size > 0) {
        fwrite(frame->text, 1, frame->size, file);
    }
}
