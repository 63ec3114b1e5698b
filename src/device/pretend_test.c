// Tests of reading pretend devices: what is taken, and the text of each refusal.
#include "device/pretend.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gr_catalogue catalogue;

static int load(void **state)
{
    (void)state;
    return gr_catalogue_load(NULL, &catalogue, NULL);
}

static int done(void **state)
{
    (void)state;
    gr_catalogue_done(&catalogue);
    return 0;
}

static void counts_and_names_make_devices(void **state)
{
    (void)state;
    struct gr_device *devices;
    size_t count;
    assert_int_equal(
        gr_pretend_parse("2xh20,1xH200,1xnv-a100-80", &catalogue, &devices, &count, NULL), 0);
    assert_int_equal(count, 4);
    assert_string_equal(devices[0].variant, "nv-h20-96");
    assert_string_equal(devices[0].address, "pretend:0");
    assert_string_equal(devices[0].vendor, "NVIDIA");
    assert_string_equal(devices[1].variant, "nv-h20-96");
    assert_string_equal(devices[2].variant, "nv-h200");
    assert_string_equal(devices[3].variant, "nv-a100-80");
    assert_string_equal(devices[3].address, "pretend:3");
    for (size_t i = 0; i < count; i++) {
        assert_true(devices[i].is_pretend);
        assert_string_equal(devices[i].path, "");
        assert_int_equal(devices[i].known, GR_DEVICE_MEMORY);
        assert_int_equal(devices[i].health, GR_HEALTH_GOOD);
    }
    assert_int_equal(devices[0].memory_mib, 96 * 1024);
    free(devices);
}

static void nothing_makes_none(void **state)
{
    (void)state;
    struct gr_device *devices;
    size_t count = 7;
    assert_int_equal(gr_pretend_parse(NULL, &catalogue, &devices, &count, NULL), 0);
    assert_null(devices);
    assert_int_equal(count, 0);
    assert_int_equal(gr_pretend_parse("", &catalogue, &devices, &count, NULL), 0);
    assert_null(devices);
}

static void a_variant_without_known_memory_has_none(void **state)
{
    (void)state;
    struct gr_device *devices;
    size_t count;
    assert_int_equal(gr_pretend_parse("1xmlu590", &catalogue, &devices, &count, NULL), 0);
    assert_int_equal(devices[0].known, 0);
    free(devices);
}

static void assert_refused(const char *text, const char *expected)
{
    struct gr_err err;
    struct gr_device *devices = NULL;
    size_t count = 99;
    gr_err_init(&err);
    assert_int_equal(gr_pretend_parse(text, &catalogue, &devices, &count, &err), -EINVAL);
    assert_string_equal(err.text, expected);
    assert_null(devices);
    assert_int_equal(count, 99);
}

static void wrong_texts_are_refused_with_what_to_write(void **state)
{
    (void)state;
    assert_refused("h20", "pretend devices: found 'h20', expected such as 8xh20,4xh200");
    assert_refused("xh20", "pretend devices: found 'xh20', expected such as 8xh20,4xh200");
    assert_refused(" 8xh20", "pretend devices: found ' 8xh20', expected such as 8xh20,4xh200");
    assert_refused("+8xh20", "pretend devices: found '+8xh20', expected such as 8xh20,4xh200");
    assert_refused("8xh20,", "pretend devices: found '', expected such as 8xh20,4xh200");
    assert_refused(",8xh20", "pretend devices: found '', expected such as 8xh20,4xh200");
    assert_refused("0xh20", "pretend devices: found '0xh20', expected 1 to 1024 devices");
    assert_refused("-1xh20", "pretend devices: found '-1xh20', expected 1 to 1024 devices");
    assert_refused("8xh2o0",
                   "pretend devices: no variant 'h2o0' in the catalogue; did you mean h20?");
    assert_refused("8xzzzzzzzz", "pretend devices: no variant 'zzzzzzzz' in the catalogue");
    assert_refused("8x", "pretend devices: no variant '' in the catalogue");
    assert_refused("8xany-h20",
                   "pretend devices: 'any-h20' is a set of variants and a device is one variant: "
                   "write one of them, such as h20");
    assert_refused("8xh100|h200",
                   "pretend devices: 'h100|h200' is a set of variants and a device is one variant: "
                   "write one of them, such as h100");
}

static void the_limit_counts_all_items(void **state)
{
    (void)state;
    struct gr_device *devices;
    size_t count;
    assert_int_equal(gr_pretend_parse("1023xh20", &catalogue, &devices, &count, NULL), 0);
    assert_int_equal(count, GR_DEVICES_MAX - 1);
    free(devices);
    assert_int_equal(gr_pretend_parse("1024xh20", &catalogue, &devices, &count, NULL), 0);
    assert_int_equal(count, GR_DEVICES_MAX);
    assert_string_equal(devices[1023].address, "pretend:1023");
    free(devices);
    assert_refused("1025xh20", "pretend devices: found '1025xh20', expected 1 to 1024 devices");
    assert_refused("99999999999999999999xh20",
                   "pretend devices: found '99999999999999999999xh20', expected 1 to 1024 devices");
    assert_refused("1023xh20,2xh200", "pretend devices: 1025 in all, expected at most 1024");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_and_names_make_devices),
        cmocka_unit_test(nothing_makes_none),
        cmocka_unit_test(a_variant_without_known_memory_has_none),
        cmocka_unit_test(wrong_texts_are_refused_with_what_to_write),
        cmocka_unit_test(the_limit_counts_all_items),
    };
    return cmocka_run_group_tests(tests, load, done);
}
