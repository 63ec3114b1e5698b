// Setting up, looking at and taking down what tests of device watches share.
#include "fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct gr_device_watch *watch;
struct gr_device_list list;

int make(void **state)
{
    (void)state;
    machine_make();
    return 0;
}

int take_down(void **state)
{
    (void)state;
    gr_device_list_done(&list);
    gr_device_watch_close(watch);
    watch = NULL;
    machine_remove();
    return 0;
}

void open_with(const char *nvml, const char *pretend)
{
    struct gr_device_config config = {
        .sysfs = machine_sysfs(), .nvml = nvml, .smi = "", .pretend = pretend};
    assert_int_equal(gr_device_watch_open(&config, &watch, NULL), 0);
}

void look(void)
{
    struct gr_err err;
    gr_device_list_done(&list);
    assert_int_equal(gr_device_watch_look(watch, &list, &err), 0);
}

const struct gr_device *at(const char *address)
{
    for (size_t i = 0; i < list.count; i++) {
        if (strcmp(list.devices[i].address, address) == 0) {
            return &list.devices[i];
        }
    }
    fail_msg("no device at %s", address);
    return NULL;
}

void assert_health(const char *address, enum gr_health health, const char *code)
{
    assert_string_equal(at(address)->code, code);
    assert_int_equal(at(address)->health, health);
}

void two_cards(void)
{
    machine_add(ONE, "10de:2335", "0302", "nvidia", 0);
    machine_add(TWO, "10de:2335", "0302", "nvidia", 1);
}
