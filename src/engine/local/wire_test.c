// Tests of frames: whole and in pieces, wrong ones, full sockets, reports there and back.
#include "engine/local/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void frames_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct gr_wire_buffer buffer = {0};
    const uint8_t *body = NULL;
    size_t size = 0;
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(gr_wire_take(&buffer, &body, &size), 0);
        assert_int_equal(gr_wire_add(&buffer, GR_WIRE_LIST, NULL, 0), 0);
        assert_int_equal(gr_wire_add(&buffer, GR_WIRE_START, "abc", 3), 0);
        assert_int_equal(gr_wire_take(&buffer, &body, &size), GR_WIRE_LIST);
        assert_int_equal(size, 0);
        assert_int_equal(gr_wire_take(&buffer, &body, &size), GR_WIRE_START);
        assert_int_equal(size, 3);
        assert_memory_equal(body, "abc", 3);
    }
    gr_wire_buffer_done(&buffer);
}

static void a_frame_is_there_when_its_last_byte_is(void **state)
{
    (void)state;
    struct gr_wire_buffer whole = {0};
    struct gr_wire_buffer buffer = {0};
    const uint8_t *body = NULL;
    size_t size = 0;
    assert_int_equal(gr_wire_add(&whole, GR_WIRE_STOP, "0123456789", 10), 0);
    for (size_t i = 0; i < gr_wire_buffer_size(&whole); i++) {
        assert_int_equal(gr_wire_take(&buffer, &body, &size), 0);
        *gr_wire_buffer_more(&buffer, 1) = whole.bytes[i];
        buffer.end++;
    }
    assert_int_equal(gr_wire_take(&buffer, &body, &size), GR_WIRE_STOP);
    assert_int_equal(size, 10);
    gr_wire_buffer_done(&whole);
    gr_wire_buffer_done(&buffer);
}

static void what_can_be_no_frame_is_an_error(void **state)
{
    (void)state;
    static const struct gr_wire_head heads[] = {
        {.size = 7, .type = GR_WIRE_LIST},
        {.size = 0, .type = GR_WIRE_LIST},
        {.size = GR_WIRE_FRAME_MAX + 1, .type = GR_WIRE_LIST},
        {.size = UINT32_MAX, .type = GR_WIRE_LIST},
        {.size = 8, .type = 0},
        {.size = 8, .type = 66},
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct gr_wire_buffer buffer = {0};
        const uint8_t *body = NULL;
        size_t size = 0;
        memcpy(gr_wire_buffer_more(&buffer, sizeof heads[i]), &heads[i], sizeof heads[i]);
        buffer.end += sizeof heads[i];
        assert_int_equal(gr_wire_take(&buffer, &body, &size), -EBADMSG);
        gr_wire_buffer_done(&buffer);
    }
}

static void a_full_socket_loses_nothing_and_does_not_block(void **state)
{
    (void)state;
    struct gr_wire_buffer out = {0};
    struct gr_wire_buffer in = {0};
    int sockets[2];
    unsigned taken = 0;
    enum { FRAMES = 5000, SIZE = 1000 };
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets),
                     0);
    for (unsigned i = 0; i < FRAMES; i++) {
        uint8_t bytes[SIZE];
        memset(bytes, (int)(i % 251), sizeof bytes);
        assert_int_equal(gr_wire_add(&out, GR_WIRE_START, bytes, sizeof bytes), 0);
        assert_int_equal(gr_wire_send(&out, sockets[0]), 0);
    }
    assert_true(gr_wire_buffer_size(&out) > 0);
    while (taken < FRAMES) {
        const uint8_t *body = NULL;
        size_t size = 0;
        int type = gr_wire_take(&in, &body, &size);
        if (type == 0) {
            assert_int_equal(gr_wire_send(&out, sockets[0]), 0);
            assert_true(gr_wire_receive(&in, sockets[1], 3000) > 0);
            continue;
        }
        assert_int_equal(type, GR_WIRE_START);
        assert_int_equal(size, SIZE);
        assert_int_equal(body[0], taken % 251);
        assert_int_equal(body[SIZE - 1], taken % 251);
        taken++;
    }
    assert_int_equal(gr_wire_receive(&in, sockets[1], 3000), -EAGAIN);
    (void)close(sockets[0]);
    assert_int_equal(gr_wire_receive(&in, sockets[1], 3000), -ECONNRESET);
    (void)close(sockets[1]);
    gr_wire_buffer_done(&in);
    gr_wire_buffer_done(&out);
}

static void reports_come_back_as_they_were(void **state)
{
    (void)state;
    struct gr_engine_report report = {
        .type = GR_REPORT_ENDED,
        .job = 1,
        .attempt = 2,
        .since_ms = 3,
        .started_ms = 4,
        .end = {.exit_code = 5,
                .signal = 6,
                .task = 7,
                .is_out_of_memory = true,
                .is_stopped = true,
                .cpu_ms = 8,
                .peak_kib = 9},
        .text = "text",
    };
    struct gr_wire_report wire;
    struct gr_engine_report back;
    gr_wire_report_from(&report, &wire);
    assert_int_equal(gr_wire_report_to((uint8_t *)&wire, sizeof wire, &back), 0);
    assert_true(back.type == GR_REPORT_ENDED && back.job == 1 && back.attempt == 2);
    assert_true(back.since_ms == 3 && back.started_ms == 4 && back.end.exit_code == 5);
    assert_true(back.end.signal == 6 && back.end.task == 7 && back.end.is_out_of_memory);
    assert_true(back.end.is_stopped && back.end.cpu_ms == 8 && back.end.peak_kib == 9);
    assert_string_equal(back.text, "text");
    assert_int_equal(gr_wire_report_to((uint8_t *)&wire, sizeof wire - 1, &back), -EBADMSG);
    wire.type = 0;
    assert_int_equal(gr_wire_report_to((uint8_t *)&wire, sizeof wire, &back), -EBADMSG);
}

static void nobody_listens_where_no_socket_is(void **state)
{
    (void)state;
    char dir[] = "/tmp/granary-wire-XXXXXX";
    struct gr_err err;
    gr_err_init(&err);
    assert_non_null(mkdtemp(dir));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(gr_wire_connect(fd, &err), -ENOENT);
    int listening = gr_wire_listen(fd, &err);
    assert_true(listening >= 0);
    assert_int_equal(gr_wire_accept(listening), -EAGAIN);
    int client = gr_wire_connect(fd, &err);
    int server = gr_wire_accept(listening);
    assert_true(client >= 0 && server >= 0);
    (void)close(listening);
    assert_int_equal(gr_wire_connect(fd, &err), -ECONNREFUSED);
    listening = gr_wire_listen(fd, &err); // takes the place of the dead one
    assert_true(listening >= 0);
    (void)close(listening);
    (void)close(client);
    (void)close(server);
    (void)unlinkat(fd, "launcher.sock", 0);
    (void)close(fd);
    (void)rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_as_they_went_in),
        cmocka_unit_test(a_frame_is_there_when_its_last_byte_is),
        cmocka_unit_test(what_can_be_no_frame_is_an_error),
        cmocka_unit_test(a_full_socket_loses_nothing_and_does_not_block),
        cmocka_unit_test(reports_come_back_as_they_were),
        cmocka_unit_test(nobody_listens_where_no_socket_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
