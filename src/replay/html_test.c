// Tests of the page buffer: what strangers' text becomes, how numbers look, how files are replaced.
#include "replay/html.h"

#include "replay/markup_check.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// Ends the page's text with a NUL, for comparing.
static const char *text_of(struct gr_html *html)
{
    static char copy[4096];
    assert_int_equal(html->failed, 0);
    assert_true(html->size < sizeof copy);
    memcpy(copy, html->text, html->size);
    copy[html->size] = '\0';
    gr_html_done(html);
    return copy;
}

static const char *escaped(const char *text, size_t chars_max)
{
    struct gr_html html = {0};
    gr_html_put(&html, "[");
    gr_html_text(&html, text, chars_max);
    gr_html_put(&html, "]");
    return text_of(&html);
}

static void strangers_text_never_becomes_markup(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", "[]"},
        {"h200", "[h200]"},
        {"</svg><script>", "[&lt;/svg&gt;&lt;script&gt;]"},
        {"\" onload='x'", "[&quot; onload=&#39;x&#39;]"},
        {"]]>&amp;", "[]]&gt;&amp;amp;]"},
        {"昇腾910", "[昇腾910]"},
        {"a\xff\xc0\xaf"
         "b",
         "[a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
         "b]"},
        {"a\nb\x1b[2J", "[a\xef\xbf\xbd"
                        "b\xef\xbf\xbd[2J]"},
        {"\xe2\x80\xae"
         "drawkcab",
         "[\xef\xbf\xbd"
         "drawkcab]"},
        {"\xef\xbf\xbf", "[\xef\xbf\xbd]"},
        {"\xf0\x9f\x8c\xbe", "[\xf0\x9f\x8c\xbe]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(escaped(cases[i].text, 100), cases[i].expected);
    }
    assert_string_equal(escaped(NULL, 100), "[]");
}

static void long_names_are_cut_between_characters(void **state)
{
    (void)state;
    assert_string_equal(escaped("abcd", 4), "[abcd]");
    assert_string_equal(escaped("abcde", 4), "[abcd…]");
    assert_string_equal(escaped("昇腾昇腾昇", 2), "[昇腾…]");
    assert_string_equal(escaped("a", 0), "[…]");
}

static const char *decimal(double value, unsigned places)
{
    struct gr_html html = {0};
    gr_html_decimal(&html, value, places);
    return text_of(&html);
}

static void numbers_are_rounded_and_grouped(void **state)
{
    (void)state;
    assert_string_equal(decimal(0, 0), "0");
    assert_string_equal(decimal(96.934, 2), "96.93");
    assert_string_equal(decimal(99.999, 2), "100.00");
    assert_string_equal(decimal(999.5, 0), "1,000");
    assert_string_equal(decimal(1234567, 0), "1,234,567");
    assert_string_equal(decimal(-3.06, 1), "−3.1");
    assert_string_equal(decimal(-0.001, 2), "0.00");
    assert_string_equal(decimal(5.004, 2), "5.00");
    assert_string_equal(decimal(NAN, 2), "–");
    assert_string_equal(decimal(INFINITY, 2), "–");
    assert_string_equal(decimal(1e300, 2), "–");
}

static const char *coordinate(double value)
{
    struct gr_html html = {0};
    gr_html_coordinate(&html, value);
    return text_of(&html);
}

static void coordinates_are_short(void **state)
{
    (void)state;
    assert_string_equal(coordinate(0), "0");
    assert_string_equal(coordinate(12.34), "12.3");
    assert_string_equal(coordinate(-12.96), "-13");
    assert_string_equal(coordinate(-0.5), "-0.5");
    assert_string_equal(coordinate(-0.04), "0");
    assert_string_equal(coordinate(100000), "100000");
}

static const char *duration(int64_t ms)
{
    struct gr_html html = {0};
    gr_html_duration(&html, ms);
    return text_of(&html);
}

static void durations_are_told_in_two_units(void **state)
{
    (void)state;
    assert_string_equal(duration(0), "0 s");
    assert_string_equal(duration(350), "350 ms");
    assert_string_equal(duration(12400), "12 s");
    assert_string_equal(duration(725000), "12 min 5 s");
    assert_string_equal(duration(3600000), "1 h");
    assert_string_equal(duration(3840000), "1 h 4 min");
    assert_string_equal(duration(273600000), "3 d 4 h");
    assert_string_equal(duration(-1), "–");
    assert_string_equal(duration(INT64_MAX), "106,751,991,167 d 7 h");
}

// A folder of its own for a test; removed by leave().
static char folder[] = "/tmp/granary-html-XXXXXX";

static int enter(void **state)
{
    (void)state;
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int leave(void **state)
{
    (void)state;
    return rmdir(folder); // fails if a test left something behind
}

static const char *inside(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_holds(const char *path, const char *expected)
{
    char text[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    assert_int_equal(fclose(file), 0);
    text[size] = '\0';
    assert_string_equal(text, expected);
}

static int save(const char *path, const char *text, struct gr_err *err)
{
    struct gr_html html = {0};
    gr_err_init(err);
    gr_html_put(&html, "%s", text);
    int rc = gr_html_save(&html, path, err);
    gr_html_done(&html);
    return rc;
}

static void saving_replaces_a_file_and_keeps_its_permissions(void **state)
{
    (void)state;
    struct gr_err err;
    struct stat st;
    assert_int_equal(save(inside("page"), "one", &err), 0);
    assert_holds(inside("page"), "one");
    assert_int_equal(chmod(inside("page"), 0640), 0);
    assert_int_equal(save(inside("page"), "two", &err), 0);
    assert_holds(inside("page"), "two");
    assert_int_equal(stat(inside("page"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(unlink(inside("page")), 0);
}

static void saving_through_a_link_keeps_the_link(void **state)
{
    (void)state;
    struct gr_err err;
    struct stat st;
    write_text(inside("page"), "one");
    assert_int_equal(symlink("page", inside("link")), 0);
    assert_int_equal(save(inside("link"), "two", &err), 0);
    assert_holds(inside("page"), "two");
    assert_int_equal(lstat(inside("link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(unlink(inside("link")), 0);
    assert_int_equal(unlink(inside("page")), 0);
}

static void a_disk_that_fills_up_leaves_the_old_file(void **state)
{
    (void)state;
    // A limit on file size stands in for the disk: the write fails after some bytes went through.
    struct rlimit was;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    write_text(inside("page"), "old");
    struct gr_html html = {0};
    for (int i = 0; i < 10000; i++) {
        gr_html_put(&html, "0123456789");
    }
    struct rlimit small = {.rlim_cur = 50000, .rlim_max = was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct gr_err err = {0};
    int rc = gr_html_save(&html, inside("page"), &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    signal(SIGXFSZ, handler);
    gr_html_done(&html);
    assert_int_equal(rc, -EFBIG);
    assert_non_null(strstr(err.text, "/page: File too large"));
    assert_holds(inside("page"), "old");
    assert_int_equal(unlink(inside("page")), 0); // and leave() finds no temporary file
}

static void errors_of_saving_name_the_file(void **state)
{
    (void)state;
    struct gr_err err;
    assert_int_equal(save("/dev/full", "page", &err), -ENOSPC);
    assert_string_equal(err.text, "write /dev/full: No space left on device");
    assert_int_equal(save(inside("missing/page"), "page", &err), -ENOENT);
    assert_non_null(strstr(err.text, "missing/page: No such file or directory"));
    assert_int_equal(save(folder, "page", &err), -EISDIR);
    assert_int_equal(save("/dev/null", "page", &err), 0);
    struct stat st;
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode)); // it was written to, not replaced
}

static void a_page_that_ran_out_of_memory_is_not_saved(void **state)
{
    (void)state;
    struct gr_err err = {0};
    struct gr_html html = {.failed = -ENOMEM};
    gr_html_put(&html, "more");
    assert_int_equal(html.size, 0);
    assert_int_equal(gr_html_save(&html, inside("page"), &err), -ENOMEM);
    assert_int_equal(access(inside("page"), F_OK), -1);
}

static void the_strict_reader_objects(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "<p>",          "</p>",
        "<p></b>",      "<p><b></p></b>",
        "<script/>",    "<p onclick=\"x\"/>",
        "<p class=x/>", "<p class=\"a<b\"/>",
        "<p class=\"a", "<p",
        "a & b",        "&nbsp;",
        "a < b",        "<link href=\"http://example.com/\"/>",
        "a\x01",
    };
    struct gr_markup markup;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(gr_markup_check(&markup, bad[i], strlen(bad[i])));
    }
    const char *good = "<p class=\"a\">x &amp; <b>y</b></p>\n";
    assert_true(gr_markup_check(&markup, good, strlen(good)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_text_never_becomes_markup),
        cmocka_unit_test(long_names_are_cut_between_characters),
        cmocka_unit_test(numbers_are_rounded_and_grouped),
        cmocka_unit_test(coordinates_are_short),
        cmocka_unit_test(durations_are_told_in_two_units),
        cmocka_unit_test_setup_teardown(saving_replaces_a_file_and_keeps_its_permissions, enter,
                                        leave),
        cmocka_unit_test_setup_teardown(saving_through_a_link_keeps_the_link, enter, leave),
        cmocka_unit_test_setup_teardown(a_disk_that_fills_up_leaves_the_old_file, enter, leave),
        cmocka_unit_test_setup_teardown(errors_of_saving_name_the_file, enter, leave),
        cmocka_unit_test_setup_teardown(a_page_that_ran_out_of_memory_is_not_saved, enter, leave),
        cmocka_unit_test(the_strict_reader_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
