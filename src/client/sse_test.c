// Tests of the reader of server-sent events: every cut of the bytes gives the same events.
#include "client/sse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Feeds bytes in pieces of `step`; writes "id|name|data;" for each event.
static int read_all(const char *bytes, size_t size, size_t step, char *out, size_t out_size)
{
    struct gr_client_sse *sse = gr_client_sse_new();
    struct gr_client_sse_event event;
    size_t wrote = 0;
    int code = 0;
    assert_non_null(sse);
    out[0] = '\0';
    for (size_t at = 0; at < size && code >= 0;) {
        size_t end = at + step < size ? at + step : size;
        while (at < end) {
            size_t used = 0;
            code = gr_client_sse_feed(sse, (struct gr_slice){bytes + at, end - at}, &used, &event);
            at += used;
            if (code != 1) {
                break;
            }
            wrote += (size_t)snprintf(out + wrote, out_size - wrote, "%llu%s|%s|%.*s;",
                                      (unsigned long long)event.id, event.has_id ? "" : "?",
                                      event.name, (int)event.data.size, event.data.text);
        }
    }
    gr_client_sse_free(sse);
    return code;
}

static void every_cut_gives_the_same_events(void **state)
{
    (void)state;
    static const char text[] = ": hello\n\n"
                               "id: 7\nevent: job-placed\ndata: {\"a\":\ndata: 1}\n\n"
                               "id:8\r\ndata\r\n\r\n"
                               "data: x\rid: nine\r\r"
                               "event: none\n\n"
                               "retry: 10\nother: y\ndata:  two blanks\n\n"
                               "id: 11\ndata: cut off";
    static const char wanted[] = "7|job-placed|{\"a\":\n1};8|message|;0?|message|x;"
                                 "0?|message| two blanks;";
    char out[512];
    for (size_t step = 1; step <= sizeof text; step++) {
        assert_int_equal(read_all(text, sizeof text - 1, step, out, sizeof out), 0);
        assert_string_equal(out, wanted);
    }
}

static void a_line_that_is_too_long_is_refused(void **state)
{
    (void)state;
    size_t size = GR_CLIENT_SSE_MAX + 16;
    char *text = malloc(size);
    char out[64];
    assert_non_null(text);
    memset(text, 'x', size);
    memcpy(text, "data: ", 6);
    assert_int_equal(read_all(text, size, 4096, out, sizeof out), -EFBIG);
    free(text);
}

static void an_event_of_many_lines_is_refused_when_it_is_too_long(void **state)
{
    (void)state;
    static const char line[] = "data: 0123456789\n";
    struct gr_client_sse *sse = gr_client_sse_new();
    struct gr_client_sse_event event;
    int code = 0;
    for (size_t i = 0; code == 0 && i < GR_CLIENT_SSE_MAX; i++) {
        size_t used;
        code = gr_client_sse_feed(sse, gr_slice_of(line), &used, &event);
    }
    assert_int_equal(code, -EFBIG);
    gr_client_sse_free(sse);
}

static void a_restart_forgets_what_was_cut_off(void **state)
{
    (void)state;
    struct gr_client_sse *sse = gr_client_sse_new();
    struct gr_client_sse_event event;
    size_t used;
    assert_int_equal(gr_client_sse_feed(sse, gr_slice_of("id: 1\ndata: a\nda"), &used, &event), 0);
    gr_client_sse_restart(sse);
    assert_int_equal(gr_client_sse_feed(sse, gr_slice_of("data: b\n\n"), &used, &event), 1);
    assert_false(event.has_id);
    assert_true(gr_slice_is(event.data, "b"));
    gr_client_sse_free(sse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_gives_the_same_events),
        cmocka_unit_test(a_line_that_is_too_long_is_refused),
        cmocka_unit_test(an_event_of_many_lines_is_refused_when_it_is_too_long),
        cmocka_unit_test(a_restart_forgets_what_was_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
