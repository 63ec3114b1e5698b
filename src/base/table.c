// Tables on a terminal: see text.h. The whole table is kept, because widths are known at its end.
#include "base/text.h"

#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 64, GAP = 2, FILL_LEAST = 8 };

struct cell {
    size_t at;   // in `text`
    size_t size; // bytes
    enum gr_style style;
};

struct gr_table {
    const struct gr_table_column *columns;
    size_t column_count;
    struct cell *cells;
    size_t cell_count;
    size_t cell_room;
    char *text;
    size_t text_size;
    size_t text_room;
    bool failed; // memory ran out
};

struct gr_table *gr_table_new(const struct gr_table_column *columns, size_t count)
{
    assert(columns != NULL);
    assert(count > 0 && count <= COLUMNS_MAX);
    struct gr_table *table = calloc(1, sizeof *table);
    if (table != NULL) {
        table->columns = columns;
        table->column_count = count;
    }
    return table;
}

void gr_table_free(struct gr_table *table)
{
    if (table != NULL) {
        free(table->cells);
        free(table->text);
        free(table);
    }
}

// Grows a heap array so that it has room for `wanted` items; false if there is no memory.
static bool reserve(void **items, size_t *room, size_t wanted, size_t item_size)
{
    if (wanted <= *room) {
        return true;
    }
    size_t more = wanted * 2 < 64 ? 64 : wanted * 2;
    void *grown = reallocarray(*items, more, item_size);
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *room = more;
    return true;
}

// Copies text without control characters and those that turn a line around; they become '?', and so
// do bytes that are not UTF-8.
static size_t copy_clean(char *out, const char *text, size_t size)
{
    size_t used = 0;
    for (size_t at = 0; at < size;) {
        uint32_t point;
        size_t length = gr_utf8_read(text + at, size - at, &point);
        if (length == 0 || gr_utf8_is_unruly(point)) {
            out[used++] = '?';
            at += length == 0 ? 1 : length;
            continue;
        }
        memcpy(out + used, text + at, length);
        used += length;
        at += length;
    }
    return used;
}

void gr_table_add_styled(struct gr_table *table, enum gr_style style, const char *text)
{
    assert(table != NULL && text != NULL);
    size_t size = strlen(text);
    void *cells = table->cells;
    void *bytes = table->text;
    bool fits = reserve(&cells, &table->cell_room, table->cell_count + 1, sizeof *table->cells) &&
                reserve(&bytes, &table->text_room, table->text_size + size, 1);
    table->cells = cells;
    table->text = bytes;
    if (!fits) {
        table->failed = true;
        return;
    }
    size_t used = size == 0 ? 0 : copy_clean(table->text + table->text_size, text, size);
    table->cells[table->cell_count++] =
        (struct cell){.at = table->text_size, .size = used, .style = style};
    table->text_size += used;
}

void gr_table_add(struct gr_table *table, const char *text)
{
    gr_table_add_styled(table, GR_STYLE_PLAIN, text);
}

void gr_table_addf(struct gr_table *table, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    gr_table_add(table, text);
}

// ---- layout -------------------------------------------------------------------------------------

// One line of a heading: line `index` of `lines`, set against the bottom. Size 0 where it is blank.
static const char *head_line(const char *head, size_t index, size_t lines, size_t *ret_size)
{
    size_t own = 1;
    for (const char *c = head; *c != '\0'; c++) {
        own += *c == '\n';
    }
    *ret_size = 0;
    if (index < lines - own) {
        return head;
    }
    for (size_t skip = index - (lines - own); skip > 0; skip--) {
        head = strchr(head, '\n') + 1;
    }
    *ret_size = strcspn(head, "\n");
    return head;
}

static size_t head_lines(const struct gr_table *table)
{
    size_t lines = 1;
    for (size_t c = 0; c < table->column_count; c++) {
        size_t own = 1;
        for (const char *at = table->columns[c].head; *at != '\0'; at++) {
            own += *at == '\n';
        }
        lines = own > lines ? own : lines;
    }
    return lines;
}

static void measure(const struct gr_table *table, size_t lines, size_t *widths)
{
    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = 0;
        for (size_t line = 0; line < lines; line++) {
            size_t size;
            const char *head = head_line(table->columns[c].head, line, lines, &size);
            size_t width = gr_utf8_width(head, size);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t c = i % table->column_count;
        size_t width = gr_utf8_width(table->text + table->cells[i].at, table->cells[i].size);
        widths[c] = width > widths[c] ? width : widths[c];
    }
}

// Takes columns away from the widest of those that fill, until the table fits or none can give.
static void shrink(const struct gr_table *table, size_t limit, size_t *widths)
{
    size_t total = GAP * (table->column_count - 1);
    for (size_t c = 0; c < table->column_count; c++) {
        total += widths[c];
    }
    while (total > limit) {
        size_t widest = table->column_count;
        for (size_t c = 0; c < table->column_count; c++) {
            if (table->columns[c].align == GR_TABLE_FILL && widths[c] > FILL_LEAST &&
                (widest == table->column_count || widths[c] > widths[widest])) {
                widest = c;
            }
        }
        if (widest == table->column_count) {
            return;
        }
        widths[widest]--;
        total--;
    }
}

// The state of writing one line: blanks are held back, so that none end a line.
struct line {
    FILE *file;
    size_t blanks;
};

static void put_cell(struct line *line, const struct gr_terminal *terminal, enum gr_style style,
                     enum gr_table_align align, size_t width, const char *text, size_t size)
{
    size_t own = gr_utf8_width(text, size);
    bool cut = own > width;
    if (cut) {
        size = gr_utf8_fit(text, size, width - 1);
        own = gr_utf8_width(text, size) + 1;
    }
    size_t pad = width - own;
    line->blanks += align == GR_TABLE_RIGHT ? pad : 0;
    if (size > 0 || cut) {
        fprintf(line->file, "%*s", (int)line->blanks, "");
        line->blanks = 0;
        bool styled = style != GR_STYLE_PLAIN;
        fputs(styled ? gr_terminal_style(terminal, style) : "", line->file);
        fwrite(text, 1, size, line->file);
        fputs(cut ? "…" : "", line->file);
        fputs(styled ? gr_terminal_style(terminal, GR_STYLE_PLAIN) : "", line->file);
    }
    line->blanks += (align == GR_TABLE_RIGHT ? 0 : pad) + GAP;
}

int gr_table_write(const struct gr_table *table, const struct gr_terminal *terminal,
                   struct gr_err *err)
{
    if (table == NULL || table->failed) {
        return gr_fail(err, -ENOMEM, "not enough memory for a table");
    }
    assert(table->cell_count % table->column_count == 0);
    size_t widths[COLUMNS_MAX];
    size_t lines = head_lines(table);
    measure(table, lines, widths);
    shrink(table, terminal->column_count, widths);
    for (size_t i = 0; i < lines; i++) {
        struct line line = {.file = terminal->file};
        for (size_t c = 0; c < table->column_count; c++) {
            size_t size;
            const char *head = head_line(table->columns[c].head, i, lines, &size);
            put_cell(&line, terminal, GR_STYLE_HEAD, table->columns[c].align, widths[c], head,
                     size);
        }
        fputc('\n', terminal->file);
    }
    for (size_t i = 0; i < table->cell_count; i += table->column_count) {
        struct line line = {.file = terminal->file};
        for (size_t c = 0; c < table->column_count; c++) {
            const struct cell *cell = &table->cells[i + c];
            put_cell(&line, terminal, cell->style, table->columns[c].align, widths[c],
                     table->text + cell->at, cell->size);
        }
        fputc('\n', terminal->file);
    }
    return 0;
}
