// Tests of tables, wrapping and finishing. Colour and progress are tried by hand on a terminal.
#include "base/text.h"

#include "base/csv_write.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct gr_table_column columns[] = {
    {"name", GR_TABLE_FILL},
    {"memory\nGiB", GR_TABLE_RIGHT},
    {"note", GR_TABLE_LEFT},
};

static char *text;
static size_t text_size;

static FILE *open_text(void)
{
    free(text);
    text = NULL;
    return open_memstream(&text, &text_size);
}

static void write_table(struct gr_table *table, size_t column_count, bool colour)
{
    struct gr_err err;
    struct gr_terminal terminal = {
        .file = open_text(), .has_colour = colour, .column_count = column_count};
    assert_int_equal(gr_table_write(table, &terminal, &err), 0);
    fclose(terminal.file);
}

static struct gr_table *sample(void)
{
    struct gr_table *table = gr_table_new(columns, 3);
    gr_table_add(table, "\xe4\xb8\xad card");
    gr_table_addf(table, "%d", 80);
    gr_table_add(table, "");
    gr_table_add(table, "a rather long name");
    gr_table_add(table, "1,024");
    gr_table_add_styled(table, GR_STYLE_BAD, "b\033ad\xff");
    return table;
}

static void numbers_stand_right_and_lines_end_without_blanks(void **state)
{
    (void)state;
    struct gr_table *table = sample();
    write_table(table, 100, false);
    assert_string_equal(text, "                    memory\n"
                              "name                   GiB  note\n"
                              "\xe4\xb8\xad card                 80\n"
                              "a rather long name   1,024  b?ad?\n");
    gr_table_free(table);
}

static void a_wide_table_gives_way_where_it_may(void **state)
{
    (void)state;
    struct gr_table *table = sample();
    write_table(table, 24, false);
    assert_string_equal(text, "           memory\n"
                              "name          GiB  note\n"
                              "\xe4\xb8\xad card        80\n"
                              "a rather\xe2\x80\xa6   1,024  b?ad?\n");
    write_table(table, 5, false); // cannot fit: as narrow as it goes
    assert_non_null(strstr(text, "a rathe\xe2\x80\xa6"));
    gr_table_free(table);
}

static void styles_are_written_only_where_there_is_colour(void **state)
{
    (void)state;
    struct gr_table *table = sample();
    write_table(table, 100, true);
    assert_non_null(strstr(text, "\033[31mb?ad?\033[0m\n"));
    gr_table_free(table);
}

static void a_stream_that_is_no_terminal_has_no_colour(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    struct gr_terminal terminal;
    gr_terminal_init(&terminal, file);
    assert_false(terminal.is_terminal || terminal.has_colour);
    assert_int_equal(terminal.column_count, GR_TEXT_COLUMNS);
    assert_string_equal(gr_terminal_style(&terminal, GR_STYLE_BAD), "");
    fclose(file);
}

static void paragraphs_are_filled_and_indented(void **state)
{
    (void)state;
    FILE *file = open_text();
    fputs("--x  ", file);
    gr_text_wrap(file, "one two  three four\n\nfive", 6, 16, 5);
    fclose(file);
    assert_string_equal(text, "--x   one two\n      three four\n\n      five\n");
}

static void a_full_disk_is_noticed_at_the_end(void **state)
{
    (void)state;
    struct gr_err err;
    FILE *file = fopen("/dev/full", "w");
    for (int i = 0; i < 100000; i++) {
        fputs("text\n", file);
    }
    assert_int_equal(gr_text_finish(file, "standard output", &err), -ENOSPC);
    assert_string_equal(err.text, "write standard output: No space left on device");
    fclose(file);
}

static void csv_fields_are_quoted_where_they_must_be(void **state)
{
    (void)state;
    FILE *file = open_text();
    gr_csv_write(file, true, gr_slice_of("a"));
    gr_csv_write(file, false, gr_slice_of("b,\"c\""));
    gr_csv_write(file, false, gr_slice_of(""));
    gr_csv_write_end(file);
    fclose(file);
    assert_string_equal(text, "a,\"b,\"\"c\"\"\",\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_stand_right_and_lines_end_without_blanks),
        cmocka_unit_test(a_wide_table_gives_way_where_it_may),
        cmocka_unit_test(styles_are_written_only_where_there_is_colour),
        cmocka_unit_test(a_stream_that_is_no_terminal_has_no_colour),
        cmocka_unit_test(paragraphs_are_filled_and_indented),
        cmocka_unit_test(a_full_disk_is_noticed_at_the_end),
        cmocka_unit_test(csv_fields_are_quoted_where_they_must_be),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(text);
    return failed;
}
