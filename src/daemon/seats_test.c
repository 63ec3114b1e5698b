// Tests of seats: which device is which, whatever is found.
#include "daemon/seats.h"

#include "daemon/fixture.h"

#include <errno.h>

static struct gr_device device(const char *address, const char *variant, bool is_pretend)
{
    struct gr_device made = {.is_pretend = is_pretend};
    snprintf(made.address, sizeof made.address, "%s", address);
    snprintf(made.variant, sizeof made.variant, "%s", variant);
    return made;
}

static struct gr_device_list list_of(const struct gr_device *devices, size_t count)
{
    struct gr_device_list list = {.devices = malloc((count + 1) * sizeof *devices), .count = count};
    assert_non_null(list.devices);
    memcpy(list.devices, devices, count * sizeof *devices);
    return list;
}

static void no_file_means_no_seats(void **state)
{
    (void)state;
    struct gr_seats seats = {.count = 7};
    struct gr_err err;
    fixture_good(gr_seats_read(fixture_dir, &seats, &err), &err);
    assert_int_equal(seats.count, 0);
    gr_seats_done(&seats);
}

static void what_was_written_is_read_again(void **state)
{
    (void)state;
    struct gr_seats seats = {0}, read = {0};
    struct gr_err err;
    struct gr_device real = device("0000:3b:00.0", "nvidia-h20", false);
    struct gr_device pretend = device("pretend:15", "nvidia-h200", true);
    fixture_good(gr_seats_add(&seats, "gpu7/h20", 0, &real, &err), &err);
    fixture_good(gr_seats_add(&seats, "gpu7/h200", GR_NODE_DEVICES_MAX - 1, &pretend, &err), &err);
    fixture_good(gr_seats_write(fixture_dir, &seats, &err), &err);
    fixture_good(gr_seats_read(fixture_dir, &read, &err), &err);
    assert_int_equal(read.count, 2);
    assert_memory_equal(read.items, seats.items, 2 * sizeof *read.items);
    gr_seats_done(&seats);
    gr_seats_done(&read);
    assert_int_equal(access(fixture_path("devices.new"), F_OK), -1);
}

static void a_line_that_is_damaged_is_named(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "n\t0\ta\tv",                                      // too few
        "n\t0\ta\tv\treal\tmore",                          // too many
        "n\t0\t\tv\treal",                                 // empty
        "n\t16\ta\tv\treal",                               // one beyond the last device of a node
        "n\t-1\ta\tv\treal",                               //
        "n\t0x\ta\tv\treal",                               //
        "n\t0\ta\tv\tunreal",                              //
        "n\t0\t0123456789012345678901234567890x\tv\treal", // 32 bytes: no room for the NUL
    };
    struct gr_err err;
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[256];
        struct gr_seats seats = {0};
        snprintf(text, sizeof text, "n\t15\t012345678901234567890123456789x\tv\treal\n%s\n",
                 lines[i]);
        fixture_write("devices", text);
        assert_int_equal(gr_seats_read(fixture_dir, &seats, &err), -EINVAL);
        assert_non_null(strstr(err.text, "devices:2:"));
        assert_int_equal(seats.count, 0);
    }
}

static void as_many_seats_as_there_can_be_devices_are_read_and_no_more(void **state)
{
    (void)state;
    struct gr_err err;
    for (unsigned count = GR_DEVICES_MAX - 1; count <= GR_DEVICES_MAX + 1; count++) {
        struct gr_seats seats = {0};
        FILE *file = fopen(fixture_path("devices"), "we");
        assert_non_null(file);
        for (unsigned i = 0; i < count; i++) {
            fprintf(file, "node-%u\t%u\tpretend:%u\tv\tpretend\n", i / 16, i % 16, i);
        }
        fclose(file);
        int rc = gr_seats_read(fixture_dir, &seats, &err);
        assert_int_equal(rc, count <= GR_DEVICES_MAX ? 0 : -EINVAL);
        assert_int_equal(seats.count, rc == 0 ? count : 0);
        gr_seats_done(&seats);
    }
}

static void devices_take_their_seats_and_new_ones_come_last(void **state)
{
    (void)state;
    struct gr_err err;
    struct gr_seats seats = {0};
    struct gr_device a = device("0000:01:00.0", "v1", false);
    struct gr_device b = device("0000:02:00.0", "v1", false);
    struct gr_device p = device("pretend:0", "v2", true);
    fixture_good(gr_seats_add(&seats, "n", 0, &b, &err), &err); // not in order of addresses
    fixture_good(gr_seats_add(&seats, "n", 1, &a, &err), &err);
    fixture_good(gr_seats_add(&seats, "p", 0, &p, &err), &err);
    struct gr_device now[] = {device("pretend:10", "v2", true),
                              device("pretend:9", "v2", true),
                              device("0000:01:00.0", "v1", false),
                              device("pretend:0", "v2", true),
                              device("0000:03:00.0", "v1", false),
                              device("0000:02:00.0", "other", false)}; // swapped for another card
    struct gr_device_list list = list_of(now, 6);
    fixture_good(gr_seats_order(&seats, &list, &err), &err);
    static const char *const expected[] = {"0000:02:00.0", "0000:01:00.0", "pretend:0",
                                           "0000:02:00.0", "0000:03:00.0", "pretend:9",
                                           "pretend:10"};
    assert_int_equal(list.count, 7);
    for (unsigned i = 0; i < 7; i++) {
        assert_string_equal(list.devices[i].address, expected[i]);
        assert_int_equal(list.devices[i].health == GR_HEALTH_GONE, i == 0);
    }
    assert_string_equal(list.devices[0].variant, "v1");
    assert_string_equal(list.devices[3].variant, "other");
    gr_device_list_done(&list);
    gr_seats_done(&seats);
}

static void with_nothing_found_every_seat_is_kept(void **state)
{
    (void)state;
    struct gr_err err;
    struct gr_seats seats = {0};
    struct gr_device a = device("0000:01:00.0", "v1", false);
    struct gr_device_list list = list_of(&a, 0);
    fixture_good(gr_seats_order(&seats, &list, &err), &err);
    assert_int_equal(list.count, 0);
    fixture_good(gr_seats_add(&seats, "n", 0, &a, &err), &err);
    fixture_good(gr_seats_order(&seats, &list, &err), &err);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.devices[0].health, GR_HEALTH_GONE);
    gr_device_list_done(&list);
    gr_seats_done(&seats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(no_file_means_no_seats),
        fixture_test(what_was_written_is_read_again),
        fixture_test(a_line_that_is_damaged_is_named),
        fixture_test(as_many_seats_as_there_can_be_devices_are_read_and_no_more),
        fixture_test(devices_take_their_seats_and_new_ones_come_last),
        fixture_test(with_nothing_found_every_seat_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
