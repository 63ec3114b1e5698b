// Tests of watching devices: what is found on machines made up in a folder, with cards that answer
// and cards that fail.
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

static void a_machine_without_devices_has_none(void **state)
{
    (void)state;
    open_with("", NULL);
    look();
    assert_int_equal(list.count, 0);
    machine_add("0000:00:1f.0", "8086:7a04", "0601", NULL, -1);
    look();
    assert_int_equal(list.count, 0);
}

static void a_card_is_wholly_known(void **state)
{
    (void)state;
    two_cards();
    machine_nvml("card " ONE "\nminor 3\nuuid GPU-aa\n" H200 "card " TWO
                 "\nminor 1\nuuid GPU-bb\necc 2\n" H200);
    open_with(GR_STANDIN, NULL);
    look();
    assert_int_equal(list.count, 2);
    const struct gr_device *device = &list.devices[0];
    assert_string_equal(device->address, ONE);
    assert_string_equal(device->variant, "nv-h200");
    assert_string_equal(device->name, "NVIDIA H200");
    assert_string_equal(device->vendor, "NVIDIA");
    assert_string_equal(device->uuid, "GPU-aa");
    assert_string_equal(device->path, "/dev/nvidia3");
    assert_string_equal(device->problem, "");
    assert_health(ONE, GR_HEALTH_GOOD, "");
    assert_false(device->is_pretend);
    assert_int_equal(device->index, 0);
    assert_int_equal(device->known, GR_DEVICE_MEMORY | GR_DEVICE_MEMORY_USED |
                                        GR_DEVICE_UTILISATION | GR_DEVICE_TEMPERATURE |
                                        GR_DEVICE_POWER | GR_DEVICE_ECC | GR_DEVICE_NUMA);
    assert_int_equal(device->memory_mib, 143771);
    assert_int_equal(device->memory_used_mib, 4);
    assert_int_equal(device->utilisation, 50);
    assert_int_equal(device->temperature, 31);
    assert_int_equal(device->power_mw, 76123);
    assert_int_equal(device->numa, 0);
    assert_int_equal(list.devices[1].index, 1);
    assert_int_equal(list.devices[1].numa, 1);
    assert_int_equal(list.devices[1].ecc_errors, 2);
}

static void one_failing_card_hides_no_other(void **state)
{
    (void)state;
    two_cards();
    machine_nvml("card " ONE "\nfail all 999\ncard " TWO "\nminor 1\n" H200);
    open_with(GR_STANDIN, NULL);
    look();
    assert_int_equal(list.count, 2);
    assert_health(ONE, GR_HEALTH_REPAIR, "no answer");
    assert_int_equal(at(ONE)->known, GR_DEVICE_NUMA);
    assert_health(TWO, GR_HEALTH_GOOD, "");
    assert_string_equal(at(TWO)->variant, "nv-h200");
}

static void a_question_that_fails_leaves_its_answer_unknown(void **state)
{
    (void)state;
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    machine_nvml("card " ONE "\nfail temperature 999\nfail power 3\n" H200);
    open_with(GR_STANDIN, NULL);
    look();
    assert_int_equal(at(ONE)->known, GR_DEVICE_MEMORY | GR_DEVICE_MEMORY_USED |
                                         GR_DEVICE_UTILISATION | GR_DEVICE_ECC);
    assert_string_equal(at(ONE)->problem,
                        "the temperature could not be asked: the library returned 999");
    assert_health(ONE, GR_HEALTH_GOOD, "");
}

static void an_old_library_is_asked_by_index(void **state)
{
    (void)state;
    two_cards();
    machine_nvml("xid " TWO " 31\ncard " TWO "\nminor 1\n" H200 "card " ONE "\nminor 0\n" H200);
    open_with(GR_STANDIN_OLD, NULL);
    look();
    assert_int_equal(list.count, 2);
    assert_string_equal(at(ONE)->variant, "nv-h200");
    assert_string_equal(at(ONE)->path, "/dev/nvidia0");
    assert_int_equal(at(ONE)->index, 1);
    assert_int_equal(at(TWO)->index, 0);
    assert_int_equal(at(TWO)->known & ~(unsigned)GR_DEVICE_XID,
                     GR_DEVICE_MEMORY | GR_DEVICE_MEMORY_USED | GR_DEVICE_TEMPERATURE |
                         GR_DEVICE_NUMA);
    assert_health(TWO, GR_HEALTH_APP, "XID 31");
    assert_health(ONE, GR_HEALTH_GOOD, "");
}

static void cards_that_the_bus_does_not_show_are_found_by_the_library(void **state)
{
    (void)state;
    machine_nvml("card " ONE "\nminor 0\n" H200);
    open_with(GR_STANDIN, NULL);
    look();
    assert_int_equal(list.count, 1);
    assert_string_equal(at(ONE)->variant, "nv-h200");
    assert_health(ONE, GR_HEALTH_GOOD, "");
}

static void a_card_that_the_library_does_not_list_is_not_given_out(void **state)
{
    (void)state;
    two_cards();
    machine_nvml("card " ONE "\n" H200);
    open_with(GR_STANDIN, NULL);
    look();
    assert_health(TWO, GR_HEALTH_REPAIR, "not listed");
    assert_false(gr_health_effect_of(at(TWO)->health).drains_node);
    assert_health(ONE, GR_HEALTH_GOOD, "");
}

static void a_missing_library_is_told_and_no_error(void **state)
{
    (void)state;
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    open_with("/nonexistent/libnvidia-ml.so.1", NULL);
    look();
    assert_health(ONE, GR_HEALTH_REPAIR, "no file");
    assert_non_null(strstr(at(ONE)->problem, "/nonexistent/libnvidia-ml.so.1"));
    assert_string_equal(at(ONE)->variant, "nv-h200"); // its PCI ids tell
}

static void a_library_whose_driver_comes_later_is_opened_later(void **state)
{
    (void)state;
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    machine_nvml("init 9\ncard " ONE "\n" H200);
    open_with(GR_STANDIN, NULL);
    look();
    assert_health(ONE, GR_HEALTH_REPAIR, "no file");
    machine_nvml("card " ONE "\n" H200);
    look();
    assert_health(ONE, GR_HEALTH_GOOD, "");
}

static void a_card_without_its_driver_needs_a_person(void **state)
{
    (void)state;
    machine_add(ONE, "10de:2335", "0302", NULL, -1);
    machine_add(TWO, "10de:2335", "0302", "vfio-pci", -1);
    open_with(GR_STANDIN, NULL);
    look();
    assert_health(ONE, GR_HEALTH_REPAIR, "no driver");
    assert_string_equal(at(ONE)->problem, "no driver is bound to it");
    assert_health(TWO, GR_HEALTH_REPAIR, "no driver");
    assert_string_equal(at(TWO)->problem, "its driver is vfio-pci: work cannot use it");
}

static void graphics_of_servers_are_no_accelerators(void **state)
{
    (void)state;
    machine_add("0000:02:00.0", "1a03:2000", "0300", "ast", -1);     // ASPEED
    machine_add("0000:03:00.0", "102b:0538", "0300", "mgag200", -1); // Matrox
    machine_add("0000:04:00.0", "19e5:1711", "0300", NULL, -1);      // Huawei's management chip
    machine_add("0000:05:00.0", "8086:4680", "0300", "i915", -1);    // Intel's desktop graphics
    machine_add("0000:06:00.0", "1002:164e", "0300", "amdgpu", -1);  // AMD's desktop graphics
    machine_add("0000:07:00.0", "10de:22ba", "0403", NULL, -1);      // sound of a graphics card
    machine_add("0000:08:00.0", "10de:22a3", "0680", "nvidia", -1);  // NVSwitch
    open_with("", NULL);
    look();
    assert_int_equal(list.count, 0);
}

static void devices_that_cannot_be_read_are_left_out(void **state)
{
    (void)state;
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    machine_write("sys/bus/pci/devices/0000:01:00.0/vendor", "");
    machine_write("sys/bus/pci/devices/0000:02:00.0/class", "0x030200\n");
    machine_add("0000:03:00.0", "zzzz:2335", "0302", NULL, -1);
    machine_add("0000:04:00.0", "10de:233x", "0302", NULL, -1);
    machine_add("0000:05:00.0", "10de:2335", "9990302", NULL, -1);
    machine_write("sys/bus/pci/devices/not-a-folder", "");
    machine_write("sys/bus/pci/devices/0000:00:00.0-much-too-long-for-an-address/vendor", "");
    open_with("", NULL);
    look();
    assert_int_equal(list.count, 1);
}

static void the_scan_stops_at_its_limit(void **state)
{
    (void)state;
    struct gr_pci_device found[2];
    struct gr_ids *ids;
    struct gr_err err;
    size_t count = 0;
    assert_int_equal(gr_ids_new(&ids, NULL), 0);
    machine_add(TWO, "10de:2335", "0302", "nvidia", -1);
    assert_int_equal(gr_pci_scan(machine_sysfs(), ids, found, 2, &count, &err), 0);
    assert_int_equal(count, 1);
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    assert_int_equal(gr_pci_scan(machine_sysfs(), ids, found, 2, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_string_equal(found[0].address, ONE);
    machine_add("0000:99:00.0", "10de:2335", "0302", "nvidia", -1);
    assert_int_equal(gr_pci_scan(machine_sysfs(), ids, found, 2, &count, &err), -E2BIG);
    gr_ids_free(ids);
}

static void names_with_strange_bytes_are_made_harmless(void **state)
{
    (void)state;
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    machine_nvml("card " ONE "\nname NV\x1b[2JIDIA \xff\ntotal 143771\n");
    open_with(GR_STANDIN, NULL);
    look();
    assert_string_equal(at(ONE)->name, "NV?[2JIDIA ?");
}

static void virtual_functions_of_a_device_here_are_not_listed(void **state)
{
    (void)state;
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    machine_write("sys/bus/pci/devices/" ONE "/physfn", "");
    open_with("", NULL);
    look();
    assert_int_equal(list.count, 0);
}

static void devices_of_other_vendors_are_found_on_the_bus(void **state)
{
    (void)state;
    machine_add("0000:81:00.0", "19e5:d802", "1200", "devdrv_device_driver", 2);
    machine_add("0000:82:00.0", "cabc:0590", "1200", "cambricon-pci-drv", -1);
    machine_add("0000:83:00.0", "1ed5:0222", "0302", "mtgpu", -1);
    machine_write("sys/bus/pci/devices/0000:83:00.0/drm/renderD130/dev", "226:130\n");
    open_with("", NULL);
    look();
    assert_int_equal(list.count, 3);
    assert_string_equal(list.devices[0].vendor, "Huawei");
    assert_health("0000:81:00.0", GR_HEALTH_REPAIR, "no file");
    assert_int_equal(list.devices[0].numa, 2);
    assert_string_equal(list.devices[1].vendor, "Cambricon");
    assert_string_equal(list.devices[1].variant, "");
    assert_string_equal(list.devices[2].vendor, "Moore Threads");
    assert_string_equal(list.devices[2].variant, "mt-s3000");
    assert_string_equal(list.devices[2].path, "/dev/dri/renderD130");
    assert_health("0000:83:00.0", GR_HEALTH_WATCH, "no library");
}

static void amd_devices_tell_their_state_through_the_kernel(void **state)
{
    (void)state;
    machine_add(ONE, "1002:74a1", "1200", "amdgpu", 0);
    machine_add(TWO, "1002:74a1", "1200", "amdgpu", 0);
#define DEVICE "sys/bus/pci/devices/" TWO "/"
#define NODES "sys/class/kfd/kfd/topology/nodes/"
    machine_write(DEVICE "drm/renderD129/dev", "226:129\n");
    machine_write(DEVICE "mem_info_vram_total", "206141652992\n");
    machine_write(DEVICE "mem_info_vram_used", "297795584\n");
    machine_write(DEVICE "gpu_busy_percent", "7\n");
    machine_write(DEVICE "unique_id", "18fcb5d1f0d9a3c1\n");
    machine_write(DEVICE "hwmon/hwmon4/temp1_input", "41000\n");
    machine_write(DEVICE "hwmon/hwmon4/power1_input", "137000000\n");
    machine_write(DEVICE "ras/umc_err_count", "ue: 3\nce: 5\n");
    machine_write(NODES "0/properties", "cpu_cores_count 64\nsimd_count 0\n");
    machine_write(NODES "1/properties", "simd_count 1216\nlocation_id 23808\ndomain 0\n"); // 5d:00
    machine_write(NODES "2/properties", "simd_count 1216\nlocation_id 6912\ndomain 0\n");  // 1b:00
    open_with("", NULL);
    look();
    const struct gr_device *device = at(TWO);
    assert_string_equal(device->variant, "amd-mi300x");
    assert_string_equal(device->uuid, "GPU-18fcb5d1f0d9a3c1");
    assert_string_equal(device->path, "/dev/dri/renderD129");
    assert_int_equal(device->index, 0);
    assert_int_equal(at(ONE)->index, 1);
    assert_int_equal(device->memory_mib, 196592);
    assert_int_equal(device->memory_used_mib, 284);
    assert_int_equal(device->utilisation, 7);
    assert_int_equal(device->temperature, 41);
    assert_int_equal(device->power_mw, 137000);
    assert_int_equal(device->ecc_errors, 3);
    assert_health(TWO, GR_HEALTH_WATCH, "ecc errors");
    assert_health(ONE, GR_HEALTH_REPAIR, "no file");
}

static void assert_variant(const char *ids, const char *text, const char *variant,
                           const char *problem)
{
    machine_add(ONE, ids, "0302", "nvidia", -1);
    machine_nvml(text);
    look();
    assert_string_equal(at(ONE)->variant, variant);
    assert_string_equal(at(ONE)->problem, problem);
}

static void names_and_memory_tell_the_variant(void **state)
{
    (void)state;
    machine_add(ONE, "10de:2329", "0302", "nvidia", -1);
    open_with(GR_STANDIN, NULL);
    assert_variant("10de:2329", "card " ONE "\nname NVIDIA H20\ntotal 97871\n", "nv-h20-96", "");
    assert_variant("10de:232c", "card " ONE "\nname NVIDIA H20\ntotal 143771\n", "nv-h20-141", "");
    assert_variant("10de:20b2", "card " ONE "\nname NVIDIA A100-SXM4-80GB\ntotal 81920\n",
                   "nv-a100-80", "");
    assert_variant("10de:2236", "card " ONE "\nname NVIDIA A10\ntotal 23028\n", "nv-a10", "");
    assert_variant("10de:2330", "card " ONE "\nname NVIDIA H100 80GB HBM3\ntotal 81559\n",
                   "nv-h100", "");
    assert_variant("10de:3182", "card " ONE "\nname NVIDIA B300 SXM6 AC\ntotal 275040\n", "nv-b300",
                   "");
}

static void what_is_not_certain_stays_unknown(void **state)
{
    (void)state;
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    open_with(GR_STANDIN, NULL);
    assert_variant("10de:ffff", "card " ONE "\nname NVIDIA X1\ntotal 1000\n", "",
                   "no catalogue row for NVIDIA X1 (PCI 10de:ffff)");
    assert_variant("10de:2335", "card " ONE "\nname NVIDIA H200\ntotal 81559\n", "",
                   "81559 MiB is not the memory of nv-h200");
    assert_variant("10de:2330", "card " ONE "\nname NVIDIA H200\ntotal 143771\n", "",
                   "named as nv-h200, but its PCI ids are those of nv-h100");
    assert_variant("10de:ffff", "card " ONE "\nname NVIDIA H20\nfail memory 3\n", "",
                   "could be any of nv-h20-96;nv-h20-141: its memory is not known");
}

static void a_card_that_answers_slowly_says_so(void **state)
{
    (void)state;
    two_cards();
    machine_nvml("card " ONE "\nhang 120\n" H200 "card " TWO "\n" H200);
    open_with(GR_STANDIN, NULL);
    look();
    assert_in_range(at(ONE)->look_ms, 115, 60000);
}

static void pretend_devices_come_after_real_ones(void **state)
{
    (void)state;
    machine_add(ONE, "10de:2335", "0302", "nvidia", -1);
    machine_nvml("card " ONE "\n" H200);
    open_with(GR_STANDIN, "2xh20");
    look();
    assert_int_equal(list.count, 3);
    assert_string_equal(list.devices[0].address, ONE);
    assert_string_equal(list.devices[1].address, "pretend:0");
    assert_true(list.devices[2].is_pretend);
    assert_int_equal(gr_device_reset(watch, &list.devices[2], NULL), 0);
}

static void wrong_pretend_devices_stop_the_opening(void **state)
{
    (void)state;
    struct gr_err err;
    struct gr_device_config config = {.sysfs = machine_sysfs(), .nvml = "", .pretend = "8xany-h20"};
    assert_int_equal(gr_device_watch_open(&config, &watch, &err), -EINVAL);
    assert_null(watch);
}

static void connected_devices_are_grouped(void **state)
{
    (void)state;
    uint32_t domains[16];
    machine_add("0000:01:00.0", "10de:2335", "0302", "nvidia", -1);
    machine_add("0000:02:00.0", "10de:2335", "0302", "nvidia", -1);
    machine_add("0000:03:00.0", "10de:2335", "0302", "nvidia", -1);
    machine_add("0000:04:00.0", "10de:26b9", "0302", "nvidia", -1);
    machine_add("0000:05:00.0", "10de:26b9", "0302", "nvidia", -1);
    machine_add("0000:06:00.0", "10de:26b9", "0302", "nvidia", -1);
    machine_nvml("card 0000:01:00.0\nlink 0000:03:00.0\n"
                 "card 0000:02:00.0\nlink 0000:03:00.0\nnear 0000:04:00.0\n"
                 "card 0000:03:00.0\n"
                 "card 0000:04:00.0\nnear 0000:05:00.0\n"
                 "card 0000:05:00.0\ncard 0000:06:00.0\n");
    open_with(GR_STANDIN, "9xh20,1xh200");
    look();
    assert_int_equal(list.count, 16);
    gr_device_watch_domains(watch, &list, domains);
    assert_int_not_equal(domains[0], GR_DOMAIN_NONE);
    assert_int_equal(domains[1], domains[0]);
    assert_int_equal(domains[2], domains[0]);
    assert_int_not_equal(domains[3], domains[0]); // NVLink goes before a common switch
    assert_int_not_equal(domains[3], GR_DOMAIN_NONE);
    assert_int_equal(domains[4], domains[3]);
    assert_int_equal(domains[5], GR_DOMAIN_NONE);
    assert_int_equal(domains[6], domains[13]); // eight pretend ones are a machine
    assert_int_not_equal(domains[14], domains[13]);
    assert_int_not_equal(domains[15], domains[14]);
    assert_int_not_equal(domains[6], domains[3]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make, take_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_machine_without_devices_has_none),
        CASE(a_card_is_wholly_known),
        CASE(one_failing_card_hides_no_other),
        CASE(a_question_that_fails_leaves_its_answer_unknown),
        CASE(an_old_library_is_asked_by_index),
        CASE(cards_that_the_bus_does_not_show_are_found_by_the_library),
        CASE(a_card_that_the_library_does_not_list_is_not_given_out),
        CASE(a_missing_library_is_told_and_no_error),
        CASE(a_library_whose_driver_comes_later_is_opened_later),
        CASE(a_card_without_its_driver_needs_a_person),
        CASE(graphics_of_servers_are_no_accelerators),
        CASE(devices_that_cannot_be_read_are_left_out),
        CASE(the_scan_stops_at_its_limit),
        CASE(names_with_strange_bytes_are_made_harmless),
        CASE(virtual_functions_of_a_device_here_are_not_listed),
        CASE(devices_of_other_vendors_are_found_on_the_bus),
        CASE(amd_devices_tell_their_state_through_the_kernel),
        CASE(names_and_memory_tell_the_variant),
        CASE(what_is_not_certain_stays_unknown),
        CASE(a_card_that_answers_slowly_says_so),
        CASE(pretend_devices_come_after_real_ones),
        CASE(wrong_pretend_devices_stop_the_opening),
        CASE(connected_devices_are_grouped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
