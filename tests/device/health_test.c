// Tests of how devices' health comes and goes, and of checking and resetting them.
#include "fixture.h"

#include "daemon/care.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void an_xid_is_kept_and_its_class_fades(void **state)
{
    (void)state;
    two_cards();
    machine_nvml("card " ONE "\n" H200 "card " TWO "\n" H200);
    open_with(GR_STANDIN, NULL);
    look();
    assert_false(at(ONE)->known & GR_DEVICE_XID);
    machine_nvml("xid " ONE " 13\nxid " ONE " 45\ncard " ONE "\n" H200 "card " TWO "\n" H200);
    look();
    assert_health(ONE, GR_HEALTH_APP, "XID 45");
    assert_int_equal(at(ONE)->xid, 45);
    assert_true(at(ONE)->known & GR_DEVICE_XID);
    assert_health(TWO, GR_HEALTH_GOOD, "");
    watch->ahead_ms += 599000;
    look();
    assert_health(ONE, GR_HEALTH_APP, "XID 45");
    watch->ahead_ms += 2000;
    look();
    assert_health(ONE, GR_HEALTH_GOOD, "");
    assert_int_equal(at(ONE)->xid, 45);
}

static void a_grave_xid_stays_until_somebody_does_something(void **state)
{
    (void)state;
    two_cards();
    machine_nvml("xid " ONE " 79\ncard " ONE "\n" H200 "card " TWO "\n" H200);
    open_with(GR_STANDIN, NULL);
    look();
    assert_health(ONE, GR_HEALTH_GONE, "XID 79");
    watch->ahead_ms += UINT32_MAX;
    look();
    assert_health(ONE, GR_HEALTH_GONE, "XID 79");
    assert_int_equal(gr_device_forget(watch, ONE, NULL), 0);
    look();
    assert_health(ONE, GR_HEALTH_GOOD, "");
}

static void an_xid_of_no_card_takes_none_out_of_use(void **state)
{
    (void)state;
    two_cards();
    machine_nvml("xid - 79\ncard " ONE "\n" H200 "card " TWO "\n" H200);
    open_with(GR_STANDIN, NULL);
    look();
    assert_health(ONE, GR_HEALTH_WATCH, "XID 79 (card?)");
    assert_health(TWO, GR_HEALTH_WATCH, "XID 79 (card?)");
}

static void the_drivers_advice_and_rows_are_asked_each_time(void **state)
{
    (void)state;
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    open_with(GR_STANDIN, NULL);
    machine_nvml("card " ONE "\nadvice 1\n" H200);
    look();
    assert_health(ONE, GR_HEALTH_RESET, "recovery reset");
    machine_nvml("card " ONE "\nadvice 2\n" H200);
    look();
    assert_health(ONE, GR_HEALTH_GONE, "recovery reboot");
    machine_nvml("card " ONE "\npending 1\n" H200);
    look();
    assert_health(ONE, GR_HEALTH_WATCH, "remap pending");
    machine_nvml("card " ONE "\nfailed 1\n" H200);
    look();
    assert_health(ONE, GR_HEALTH_REPAIR, "remap failed");
    machine_nvml("card " ONE "\n" H200);
    look();
    assert_health(ONE, GR_HEALTH_GOOD, "");
    machine_nvml("card " ONE "\nfail power 15\n" H200);
    look();
    assert_health(ONE, GR_HEALTH_GONE, "NVML 15");
    machine_nvml("card " ONE "\nfail handle 16\n" H200);
    look();
    assert_health(ONE, GR_HEALTH_RESET, "NVML 16");
}

static void a_device_that_disappears_is_gone_until_it_is_forgotten(void **state)
{
    (void)state;
    struct gr_err err;
    two_cards();
    machine_nvml("card " ONE "\nuuid GPU-aa\n" H200 "card " TWO "\n" H200);
    open_with(GR_STANDIN, NULL);
    look();
    machine_take(ONE);
    machine_nvml("card " TWO "\n" H200);
    look();
    assert_int_equal(list.count, 2);
    assert_health(ONE, GR_HEALTH_GONE, "missing");
    assert_string_equal(at(ONE)->uuid, "GPU-aa");
    assert_int_equal(at(ONE)->known, 0);
    assert_health(TWO, GR_HEALTH_GOOD, "");
    assert_int_equal(gr_device_forget(watch, ONE, NULL), 0);
    look();
    assert_int_equal(list.count, 1);
    assert_int_equal(gr_device_forget(watch, ONE, &err), -ENOENT);
    assert_string_equal(err.text, "no device at " ONE " was found");
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    machine_nvml("card " ONE "\n" H200 "card " TWO "\n" H200);
    look();
    assert_health(ONE, GR_HEALTH_GOOD, "");
}

static void a_device_in_use_or_with_errors_is_not_reset(void **state)
{
    (void)state;
    struct gr_err err;
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    machine_nvml("card " ONE "\nprocesses 2\n" H200);
    open_with(GR_STANDIN, NULL);
    look();
    assert_int_equal(gr_device_reset(watch, at(ONE), &err), -EBUSY);
    assert_string_equal(err.text, ONE ": 2 processes still use it");
    machine_nvml("card " ONE "\nfailed 1\n" H200);
    assert_int_equal(gr_device_reset(watch, at(ONE), &err), -EIO);
    assert_string_equal(err.text, ONE ": remap failed");
    machine_nvml("card " ONE "\necc 1\n" H200);
    assert_int_equal(gr_device_check(watch, at(ONE), &err), 0); // contained; shown as watch
    look();
    assert_health(ONE, GR_HEALTH_WATCH, "ecc errors");
    assert_int_equal(gr_device_reset(watch, at(ONE), &err), -ENOTSUP);
    assert_string_equal(err.text, "reset " ONE ": nvidia-smi is not installed");
}

static void a_check_between_holders_finds_what_was_left(void **state)
{
    (void)state;
    struct gr_err err;
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    machine_nvml("card " ONE "\n" H200);
    open_with(GR_STANDIN, "1xh20");
    look();
    assert_int_equal(gr_device_check(watch, at(ONE), &err), 0);
    assert_int_equal(gr_device_check(watch, at("pretend:0"), &err), 0);
    machine_nvml("card " ONE "\nprocesses 1\n" H200);
    assert_int_equal(gr_device_check(watch, at(ONE), &err), -EBUSY);
    machine_nvml("card " ONE "\n" H200 "used 20000\n");
    assert_int_equal(gr_device_check(watch, at(ONE), &err), -EIO);
    assert_string_equal(err.text, ONE ": 20000 MiB are in use by nobody");
    machine_nvml("card " ONE "\nfailed 1\n" H200);
    assert_int_equal(gr_device_check(watch, at(ONE), &err), -EIO);
    assert_string_equal(err.text, ONE ": remap failed");
    machine_nvml("card " ONE "\npending 1\n" H200); // new work is safe
    assert_int_equal(gr_device_check(watch, at(ONE), &err), 0);
    machine_nvml("");
    assert_int_equal(gr_device_check(watch, at(ONE), &err), -EIO);
    assert_string_equal(err.text, "ask about " ONE ": not listed");
}

static void a_card_without_a_handle_is_not_called_well(void **state)
{
    (void)state;
    struct gr_err err;
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    machine_nvml("card " ONE "\nfail handle 16\n" H200);
    open_with(GR_STANDIN, NULL);
    look();
    assert_health(ONE, GR_HEALTH_RESET, "NVML 16");
    assert_int_equal(gr_device_reset(watch, at(ONE), &err), -EIO); // no program for it here
    machine_nvml("card " ONE "\nfail handle 15\n" H200);
    assert_int_equal(gr_device_reset(watch, at(ONE), &err), -EIO);
    assert_string_equal(err.text, "ask about " ONE ": NVML 15");
}

// As root this resets with a program that changes the machine; else it says that root is needed.
static void a_reset_takes_away_what_it_cures(void **state)
{
    (void)state;
    struct gr_err err;
    char program[256];
    char text[512];
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    machine_nvml("xid " ONE " 119\ncard " ONE "\necc 4\n" H200);
    machine_write("after", "card " ONE "\n" H200);
    snprintf(text, sizeof text, "#!/bin/sh\necho \"$@\" > %s/arguments\n/bin/cp %s/after %s/nvml\n",
             machine_folder(), machine_folder(), machine_folder());
    machine_write("smi", text);
    snprintf(program, sizeof program, "%s/smi", machine_folder());
    assert_int_equal(chmod(program, 0755), 0);
    struct gr_device_config config = {.sysfs = machine_sysfs(), .nvml = GR_STANDIN, .smi = program};
    assert_int_equal(gr_device_watch_open(&config, &watch, NULL), 0);
    look();
    assert_health(ONE, GR_HEALTH_RESET, "XID 119");
    int rc = gr_device_reset(watch, at(ONE), &err);
    if (geteuid() != 0) {
        assert_int_equal(rc, -ENOTSUP);
        assert_string_equal(err.text, "reset " ONE ": only root may reset devices");
        look();
        assert_health(ONE, GR_HEALTH_RESET, "XID 119");
        return;
    }
    assert_int_equal(rc, 0);
    look();
    assert_health(ONE, GR_HEALTH_GOOD, "");
    assert_int_equal(at(ONE)->ecc_errors, 0);
    machine_write("after", "card " ONE "\necc 1\n" H200); // errors right after a reset: broken
    assert_int_equal(gr_device_reset(watch, at(ONE), &err), -EIO);
    assert_string_equal(err.text, "after the reset: " ONE ": 1 uncorrected memory errors");
    machine_write("after", "card " ONE "\n" H200);
    machine_nvml("card " ONE "\nfail handle 16\n" H200); // a card that only a reset brings back
    look();
    assert_health(ONE, GR_HEALTH_RESET, "NVML 16");
    assert_int_equal(gr_device_reset(watch, at(ONE), &err), 0);
    look();
    assert_health(ONE, GR_HEALTH_GOOD, "");
}

// What happens between holders, as the daemon does it.
static void a_visit_resets_a_card_whose_job_met_an_xid_that_asks_for_it(void **state)
{
    (void)state;
    char text[512];
    char program[256];
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    machine_nvml("card " ONE "\n" H200);
    snprintf(text, sizeof text, "#!/bin/sh\necho \"$@\" > %s/arguments\n", machine_folder());
    machine_write("smi", text);
    snprintf(program, sizeof program, "%s/smi", machine_folder());
    assert_int_equal(chmod(program, 0755), 0);
    struct gr_device_config config = {.sysfs = machine_sysfs(), .nvml = GR_STANDIN, .smi = program};
    assert_int_equal(gr_device_watch_open(&config, &watch, NULL), 0);
    look();
    assert_health(ONE, GR_HEALTH_GOOD, "");
    machine_nvml("xid " ONE " 119\ncard " ONE "\n" H200);
    struct gr_care *care = NULL;
    assert_int_equal(gr_care_open("", watch, 3600000, &care, NULL), 0);
    struct gr_care_visit visit = {.when = GR_CHECKS_AFTER,
                                  .name = "n",
                                  .user = "",
                                  .devices = at(ONE),
                                  .device_count = 1,
                                  .checks_devices = true};
    struct gr_care_answer answer;
    struct pollfd poll_fd = {.fd = gr_care_fd(care), .events = POLLIN};
    assert_int_equal(gr_care_begin(care, &visit, NULL), 0);
    while (gr_care_poll(care, &answer) == 0) {
        assert_int_equal(poll(&poll_fd, 1, 20000), 1);
    }
    gr_care_close(care);
    assert_int_equal(answer.device_count, 0);
    snprintf(program, sizeof program, "%s/arguments", machine_folder());
    assert_int_equal(access(program, F_OK) == 0, geteuid() == 0); // only root may
}

static void devices_of_vendors_without_a_way_are_not_reset(void **state)
{
    (void)state;
    struct gr_err err;
    machine_add(ONE, "1002:74a1", "1200", "amdgpu", 0);
    open_with("", NULL);
    look();
    assert_int_equal(gr_device_reset(watch, at(ONE), &err), -ENOTSUP);
    assert_string_equal(err.text, "reset " ONE ": no way is known to reset devices of AMD");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make, take_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_xid_is_kept_and_its_class_fades),
        CASE(a_grave_xid_stays_until_somebody_does_something),
        CASE(an_xid_of_no_card_takes_none_out_of_use),
        CASE(the_drivers_advice_and_rows_are_asked_each_time),
        CASE(a_device_that_disappears_is_gone_until_it_is_forgotten),
        CASE(a_device_in_use_or_with_errors_is_not_reset),
        CASE(a_check_between_holders_finds_what_was_left),
        CASE(a_card_without_a_handle_is_not_called_well),
        CASE(a_reset_takes_away_what_it_cures),
        CASE(a_visit_resets_a_card_whose_job_met_an_xid_that_asks_for_it),
        CASE(devices_of_vendors_without_a_way_are_not_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
