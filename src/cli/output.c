// How lists are written: see output.h.
#include "cli/output.h"

#include "base/csv_write.h"
#include "base/json.h"
#include "cli/units.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 64, FLAGS = JSON_COMPACT | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY };

const char *const gr_cli_output_words[] = {"table", "wide", "json", "jsonl", "csv", NULL};

// The value of "a.b": b of a.
static const json_t *look_up(const json_t *row, const char *key)
{
    char first[64];
    const char *dot = strchr(key, '.');
    if (dot == NULL) {
        return json_object_get(row, key);
    }
    snprintf(first, sizeof first, "%.*s", (int)(dot - key), key);
    return json_object_get(json_object_get(row, first), dot + 1);
}

// A value as CSV writes it: lists joined by ';', what is not known as nothing. Heap, or NULL.
static char *value_text(const json_t *value)
{
    if (value == NULL || json_is_null(value)) {
        return strdup("");
    }
    if (json_is_string(value)) {
        // CSV has no escapes: a control character would reach the reader's terminal as it is.
        size_t size = json_string_length(value) + 4;
        char *text = malloc(size);
        return text == NULL ? NULL
                            : (char *)(uintptr_t)gr_cli_clean(json_string_value(value), text, size);
    }
    if (!json_is_array(value)) {
        return json_dumps(value, FLAGS);
    }
    char *text = NULL;
    size_t size = 0;
    size_t index;
    const json_t *item;
    FILE *file = open_memstream(&text, &size);
    if (file == NULL) {
        return NULL;
    }
    json_array_foreach((json_t *)(uintptr_t)value, index, item)
    {
        fputs(index == 0 ? "" : ";", file);
        char clean[1024];
        if (json_is_string(item)) {
            fputs(gr_cli_clean(json_string_value(item), clean, sizeof clean), file);
        } else {
            (void)json_dumpf(item, file, FLAGS);
        }
    }
    fclose(file);
    return text;
}

// A spreadsheet takes cells that begin so for formulas; text of other people must never become one.
static void write_field(FILE *file, bool first, const json_t *value, const char *text)
{
    char *safe = NULL;
    if (json_is_string(value) && text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL &&
        asprintf(&safe, "'%s", text) < 0) {
        safe = NULL;
    }
    gr_csv_write(file, first, gr_slice_of(safe == NULL ? text : safe));
    free(safe);
}

static int rows_csv(const struct gr_cli_noun *noun, const json_t *rows, bool has_head, FILE *file,
                    struct gr_err *err)
{
    bool first = true;
    for (size_t c = 0; has_head && c < noun->count; c++) {
        if ((noun->columns[c].where & GR_CLI_IN_CSV) != 0) {
            gr_csv_write(file, first, gr_slice_of(noun->columns[c].key));
            first = false;
        }
    }
    if (has_head) {
        gr_csv_write_end(file);
    }
    size_t index;
    const json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, index, row)
    {
        first = true;
        for (size_t c = 0; c < noun->count; c++) {
            if ((noun->columns[c].where & GR_CLI_IN_CSV) == 0) {
                continue;
            }
            const json_t *value = look_up(row, noun->columns[c].key);
            char *text = value_text(value);
            if (text == NULL) {
                return gr_fail(err, -ENOMEM, "not enough memory for CSV");
            }
            write_field(file, first, value, text);
            first = false;
            free(text);
        }
        gr_csv_write_end(file);
    }
    return 0;
}

void gr_cli_object_write_csv(const json_t *object, FILE *file)
{
    const char *key;
    json_t *value;
    bool first = true;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (!json_is_object(value)) {
            gr_csv_write(file, first, gr_slice_of(key));
            first = false;
        }
    }
    gr_csv_write_end(file);
    first = true;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (!json_is_object(value)) {
            char *text = value_text(value);
            write_field(file, first, value, text == NULL ? "" : text);
            first = false;
            free(text);
        }
    }
    gr_csv_write_end(file);
}

int gr_cli_object_write(const json_t *object, bool on_one_line, FILE *file, struct gr_err *err)
{
    if (!on_one_line) {
        return gr_json_write(object, file, "standard output", err);
    }
    errno = 0;
    if (json_dumpf(object, file, FLAGS) != 0 && ferror(file) == 0) {
        return gr_fail(err, -ENOMEM, "not enough memory for JSON");
    }
    fputc('\n', file);
    return 0;
}

static int rows_jsonl(const json_t *rows, FILE *file, struct gr_err *err)
{
    size_t index;
    const json_t *row;
    int code = 0;
    json_array_foreach((json_t *)(uintptr_t)rows, index, row)
    {
        code = code < 0 ? code : gr_cli_object_write(row, true, file, err);
    }
    return code;
}

// ---- tables -------------------------------------------------------------------------------------

static void add_cell(struct gr_table *table, const struct gr_cli_column *column, const json_t *row,
                     int64_t now_ms)
{
    struct gr_cli_cell cell = {.text = "", .style = GR_STYLE_PLAIN};
    if (column->show != NULL) {
        column->show(row, now_ms, &cell);
        gr_table_add_styled(table, cell.style, cell.text);
        return;
    }
    char *text = value_text(look_up(row, column->key));
    bool is_blank = text == NULL || text[0] == '\0';
    gr_table_add_styled(table, is_blank ? GR_STYLE_FAINT : GR_STYLE_PLAIN, is_blank ? "-" : text);
    free(text);
}

static int rows_table(const struct gr_cli_noun *noun, const json_t *rows, bool is_wide,
                      int64_t now_ms, const struct gr_terminal *terminal, struct gr_err *err)
{
    struct gr_table_column columns[COLUMNS_MAX];
    const struct gr_cli_column *shown[COLUMNS_MAX];
    size_t count = 0;
    unsigned wanted = is_wide ? GR_CLI_IN_WIDE : GR_CLI_IN_TABLE;
    for (size_t c = 0; c < noun->count && count < COLUMNS_MAX; c++) {
        const struct gr_cli_column *column = &noun->columns[c];
        if ((column->where & wanted) != 0 &&
            (is_wide || column->least_width <= terminal->column_count)) {
            // wide means that nothing is cut
            enum gr_table_align align =
                is_wide && column->align == GR_TABLE_FILL ? GR_TABLE_LEFT : column->align;
            columns[count] = (struct gr_table_column){column->head, align};
            shown[count++] = column;
        }
    }
    struct gr_table *table = gr_table_new(columns, count);
    size_t index;
    const json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, index, row)
    {
        for (size_t c = 0; table != NULL && c < count; c++) {
            add_cell(table, shown[c], row, now_ms);
        }
    }
    int code = gr_table_write(table, terminal, err);
    gr_table_free(table);
    return code;
}

int gr_cli_rows_write(const struct gr_cli_noun *noun, const json_t *rows, enum gr_cli_output format,
                      bool has_head, int64_t now_ms, const struct gr_terminal *terminal,
                      struct gr_err *err)
{
    assert(json_is_array(rows));
    switch (format) {
    case GR_CLI_OUTPUT_TABLE:
    case GR_CLI_OUTPUT_WIDE:
        return json_array_size(rows) == 0
                   ? 0
                   : rows_table(noun, rows, format == GR_CLI_OUTPUT_WIDE, now_ms, terminal, err);
    case GR_CLI_OUTPUT_JSON:
        return gr_cli_object_write(rows, false, terminal->file, err);
    case GR_CLI_OUTPUT_JSONL:
        return rows_jsonl(rows, terminal->file, err);
    case GR_CLI_OUTPUT_CSV:
        return rows_csv(noun, rows, has_head, terminal->file, err);
    }
    return -EINVAL;
}
