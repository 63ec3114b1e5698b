// Pictures: no line wider than the terminal, nothing that moves its cursor, whatever is put in.
#include "cli/frame.h"

#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// What the picture prints; the caller frees it.
static char *printed(const struct gr_frame *frame)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    gr_frame_print(frame, file);
    (void)fclose(file);
    return text;
}

static void assert_prints(const struct gr_frame *frame, const char *expected)
{
    char *text = printed(frame);
    assert_string_equal(text, expected);
    free(text);
}

static void a_line_ends_where_the_terminal_does(void **state)
{
    struct gr_frame frame = {0};
    (void)state;
    gr_frame_begin(&frame, 5, 3, false, true);
    gr_frame_put(&frame, GR_STYLE_PLAIN, "abc");
    gr_frame_put(&frame, GR_STYLE_BAD, "defgh");
    gr_frame_put(&frame, GR_STYLE_PLAIN, "i");
    gr_frame_end(&frame);
    gr_frame_put(&frame, GR_STYLE_PLAIN, "四角い");
    gr_frame_end(&frame);
    assert_prints(&frame, "abcde\n四角\n");
    gr_frame_done(&frame);
}

static void a_picture_has_no_more_lines_than_the_terminal(void **state)
{
    struct gr_frame frame = {0};
    (void)state;
    gr_frame_begin(&frame, 10, 2, false, true);
    for (int i = 0; i < 5; i++) {
        gr_frame_put(&frame, GR_STYLE_PLAIN, "line");
        gr_frame_end(&frame);
    }
    assert_int_equal(gr_frame_left(&frame), 0);
    assert_prints(&frame, "line\nline\n");
    gr_frame_done(&frame);
}

static void nothing_that_is_put_in_moves_the_cursor(void **state)
{
    struct gr_frame frame = {0};
    (void)state;
    gr_frame_begin(&frame, 40, 2, false, true);
    gr_frame_put(&frame, GR_STYLE_PLAIN,
                 "a\033[2Jb\r\nc\x07\x7f"
                 "d\xc2\x9b"
                 "e\xe2\x80\xae"
                 "f\xff"
                 "g");
    gr_frame_end(&frame);
    assert_prints(&frame, "a?[2Jb??c??d?e?f?g\n");
    gr_frame_done(&frame);
}

static void without_utf8_only_ascii_is_shown(void **state)
{
    struct gr_frame frame = {0};
    (void)state;
    gr_frame_begin(&frame, 10, 1, false, false);
    gr_frame_put(&frame, GR_STYLE_PLAIN, "Müller");
    gr_frame_end(&frame);
    assert_prints(&frame, "M?ller\n");
    gr_frame_done(&frame);
}

static void a_cell_is_as_wide_as_it_says(void **state)
{
    struct gr_frame frame = {0};
    (void)state;
    gr_frame_begin(&frame, 40, 1, false, true);
    gr_frame_cell(&frame, GR_STYLE_PLAIN, 6, false, "ab");
    gr_frame_cell(&frame, GR_STYLE_PLAIN, 6, true, "cd");
    gr_frame_cell(&frame, GR_STYLE_PLAIN, 6, false, "abcdefgh");
    gr_frame_cell(&frame, GR_STYLE_PLAIN, 6, false, "四角い字");
    gr_frame_put(&frame, GR_STYLE_PLAIN, "|");
    gr_frame_end(&frame);
    assert_prints(&frame, "ab         cd abcd.. 四角.. |\n");
    gr_frame_done(&frame);
}

static void a_line_ends_without_blanks(void **state)
{
    struct gr_frame frame = {0};
    (void)state;
    gr_frame_begin(&frame, 20, 3, false, true);
    gr_frame_cell(&frame, GR_STYLE_PLAIN, 10, false, "a");
    gr_frame_end(&frame);
    gr_frame_to(&frame, 5);
    gr_frame_end(&frame);
    assert_prints(&frame, "a\n\n");
    gr_frame_done(&frame);
}

static void a_bar_shows_the_smallest_part(void **state)
{
    static const enum gr_style styles[] = {GR_STYLE_PLAIN, GR_STYLE_PLAIN, GR_STYLE_PLAIN};
    struct gr_frame frame = {0};
    (void)state;
    gr_frame_begin(&frame, 20, 4, false, true);
    gr_frame_bar(&frame, 10, 1000, (int64_t[]){500, 1, 250}, styles, "#~x", 3);
    gr_frame_end(&frame);
    gr_frame_bar(&frame, 10, 1000, (int64_t[]){1000, 0, 0}, styles, "#~x", 3);
    gr_frame_end(&frame);
    gr_frame_bar(&frame, 10, 0, (int64_t[]){0, 0, 0}, styles, "#~x", 3);
    gr_frame_end(&frame);
    assert_prints(&frame, "#####~xx..\n##########\n..........\n");
    gr_frame_done(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_ends_where_the_terminal_does),
        cmocka_unit_test(a_picture_has_no_more_lines_than_the_terminal),
        cmocka_unit_test(nothing_that_is_put_in_moves_the_cursor),
        cmocka_unit_test(without_utf8_only_ascii_is_shown),
        cmocka_unit_test(a_cell_is_as_wide_as_it_says),
        cmocka_unit_test(a_line_ends_without_blanks),
        cmocka_unit_test(a_bar_shows_the_smallest_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
