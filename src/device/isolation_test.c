// Tests of isolation: what each vendor's work is told, and that pretend work is shown nothing.
#include "device/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct gr_device real(const char *vendor, const char *address, uint32_t index)
{
    struct gr_device device = {.index = index};
    snprintf(device.vendor, sizeof device.vendor, "%s", vendor);
    snprintf(device.address, sizeof device.address, "%s", address);
    snprintf(device.path, sizeof device.path, "/dev/nvidia%u", index);
    return device;
}

static struct gr_device pretend(uint32_t index)
{
    struct gr_device device = {.index = index, .is_pretend = true};
    snprintf(device.vendor, sizeof device.vendor, "NVIDIA");
    snprintf(device.address, sizeof device.address, "pretend:%u", index);
    return device;
}

// The value of the variable, or NULL.
static const char *value_of(const struct gr_isolation_list *list, const char *name)
{
    const char *found = NULL;
    size_t size = strlen(name);
    for (uint32_t i = 0; i < list->count; i++) {
        if (strncmp(list->items[i], name, size) == 0 && list->items[i][size] == '=') {
            assert_null(found); // each name once
            found = list->items[i] + size + 1;
        }
    }
    return found;
}

static void assert_value(const struct gr_isolation_list *list, const char *name, const char *value)
{
    assert_non_null(value_of(list, name));
    assert_string_equal(value_of(list, name), value);
}

static void work_on_the_host_gets_the_machines_numbers(void **state)
{
    (void)state;
    struct gr_device devices[] = {real("NVIDIA", "0000:1b:00.0", 1),
                                  real("NVIDIA", "0000:5d:00.0", 3)};
    struct gr_isolation_list list;
    struct gr_err err;
    assert_int_equal(gr_isolation_environment(devices, 2, GR_ISOLATION_HOST, &list, &err), 0);
    assert_value(&list, "CUDA_VISIBLE_DEVICES", "1,3");
    assert_value(&list, "CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    assert_value(&list, "NVIDIA_VISIBLE_DEVICES", "void");
    assert_value(&list, "ROCR_VISIBLE_DEVICES", "");
    assert_value(&list, "HIP_VISIBLE_DEVICES", "-1");
    assert_value(&list, "GRANARY_DEVICES", "0000:1b:00.0,0000:5d:00.0");
    assert_null(value_of(&list, "GRANARY_PRETEND_DEVICES"));
    assert_null(list.items[list.count]);
    gr_isolation_list_done(&list);
    assert_int_equal(list.count, 0);
}

static void work_that_can_open_its_own_devices_only_counts_from_zero(void **state)
{
    (void)state;
    struct gr_device devices[] = {real("NVIDIA", "a", 5), real("NVIDIA", "b", 7)};
    struct gr_isolation_list list;
    assert_int_equal(gr_isolation_environment(devices, 2, GR_ISOLATION_OWN, &list, NULL), 0);
    assert_value(&list, "CUDA_VISIBLE_DEVICES", "0,1");
    gr_isolation_list_done(&list);
}

static void amd_work_is_not_hidden_from_itself_by_the_variable_that_hip_shares(void **state)
{
    (void)state;
    struct gr_device devices[] = {real("AMD", "a", 4), real("AMD", "b", 6)};
    struct gr_isolation_list list;
    assert_int_equal(gr_isolation_environment(devices, 2, GR_ISOLATION_HOST, &list, NULL), 0);
    assert_value(&list, "ROCR_VISIBLE_DEVICES", "4,6");
    assert_value(&list, "HIP_VISIBLE_DEVICES", "0,1");
    assert_value(&list, "CUDA_VISIBLE_DEVICES", "0,1");
    assert_null(value_of(&list, "CUDA_DEVICE_ORDER"));
    gr_isolation_list_done(&list);
}

static void assert_shows_nothing(const struct gr_isolation_list *list)
{
    static const char *const names[] = {"CUDA_VISIBLE_DEVICES",      "ROCR_VISIBLE_DEVICES",
                                        "ASCEND_RT_VISIBLE_DEVICES", "MLU_VISIBLE_DEVICES",
                                        "MUSA_VISIBLE_DEVICES",      "GRANARY_DEVICES"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_value(list, names[i], "");
    }
    assert_value(list, "HIP_VISIBLE_DEVICES", "-1");
    assert_value(list, "NVIDIA_VISIBLE_DEVICES", "void");
}

static void pretend_devices_show_no_real_one(void **state)
{
    (void)state;
    struct gr_device devices[] = {pretend(0), pretend(9)};
    struct gr_isolation_list list;
    assert_int_equal(gr_isolation_environment(devices, 2, GR_ISOLATION_HOST, &list, NULL), 0);
    assert_shows_nothing(&list);
    assert_value(&list, "GRANARY_PRETEND_DEVICES", "pretend:0,pretend:9");
    gr_isolation_list_done(&list);
    assert_int_equal(gr_isolation_paths(devices, 2, NULL, &list, NULL), 0);
    assert_int_equal(list.count, 0);
}

static void work_without_devices_is_shown_none(void **state)
{
    (void)state;
    struct gr_isolation_list list;
    assert_int_equal(gr_isolation_environment(NULL, 0, GR_ISOLATION_HOST, &list, NULL), 0);
    assert_shows_nothing(&list);
    assert_null(value_of(&list, "GRANARY_PRETEND_DEVICES"));
    gr_isolation_list_done(&list);
    assert_int_equal(gr_isolation_paths(NULL, 0, NULL, &list, NULL), 0);
    assert_int_equal(list.count, 0);
}

static void mixtures_and_unknown_vendors_are_refused(void **state)
{
    (void)state;
    struct gr_err err;
    struct gr_isolation_list list = {0};
    struct gr_device mixed[] = {real("NVIDIA", "a", 0), pretend(0)};
    assert_int_equal(gr_isolation_environment(mixed, 2, GR_ISOLATION_HOST, &list, &err), -EINVAL);
    assert_string_equal(err.text, "a task with pretend and real devices (a, pretend:0)");
    struct gr_device two[] = {real("NVIDIA", "a", 0), real("AMD", "b", 0)};
    assert_int_equal(gr_isolation_paths(two, 2, NULL, &list, &err), -EINVAL);
    assert_string_equal(err.text, "a task with devices of NVIDIA and of AMD");
    struct gr_device other[] = {real("Groq", "a", 0)};
    assert_int_equal(gr_isolation_environment(other, 1, GR_ISOLATION_HOST, &list, &err), -ENOTSUP);
    assert_string_equal(err.text, "no way is known to show work the devices of Groq");
    assert_null(list.items);
}

static void as_many_devices_as_a_machine_may_have_fit(void **state)
{
    (void)state;
    struct gr_device *devices = calloc(GR_DEVICES_MAX + 1, sizeof *devices);
    assert_non_null(devices);
    for (uint32_t i = 0; i <= GR_DEVICES_MAX; i++) {
        devices[i] = real("NVIDIA", "ffffffff:ff:ff.ffffffffffffffff", i);
    }
    struct gr_isolation_list list;
    assert_int_equal(
        gr_isolation_environment(devices, GR_DEVICES_MAX, GR_ISOLATION_HOST, &list, NULL), 0);
    assert_int_equal(strlen(value_of(&list, "GRANARY_DEVICES")), GR_DEVICES_MAX * 32 - 1);
    gr_isolation_list_done(&list);
    assert_int_equal(
        gr_isolation_environment(devices, GR_DEVICES_MAX + 1, GR_ISOLATION_HOST, &list, NULL),
        -EINVAL);
    free(devices);
}

// ---- device files -------------------------------------------------------------------------------

static char root[64];

static void make(const char *path)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
    int fd = open(full, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    close(fd);
}

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/granary-isolation-XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf -- '%s'", root);
    return system(command);
}

static void the_files_of_a_device_and_of_its_vendor_are_listed(void **state)
{
    (void)state;
    make("dev/nvidia2");
    make("dev/nvidia3");
    make("dev/nvidiactl");
    make("dev/nvidia-uvm");
    struct gr_device devices[] = {real("NVIDIA", "a", 2)};
    struct gr_isolation_list list;
    assert_int_equal(gr_isolation_paths(devices, 1, root, &list, NULL), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0], "/dev/nvidia2");
    assert_string_equal(list.items[1], "/dev/nvidiactl");
    assert_string_equal(list.items[2], "/dev/nvidia-uvm");
    assert_null(list.items[3]);
    gr_isolation_list_done(&list);
}

static void files_below_dri_are_found_by_the_address(void **state)
{
    (void)state;
    make("sys/bus/pci/devices/0000:03:00.0/drm/card1/dev");
    make("sys/bus/pci/devices/0000:03:00.0/drm/renderD129/dev");
    make("dev/dri/card1");
    make("dev/dri/renderD128");
    make("dev/dri/renderD129");
    make("dev/kfd");
    struct gr_device device = real("AMD", "0000:03:00.0", 0);
    snprintf(device.path, sizeof device.path, "/dev/dri/renderD129");
    struct gr_isolation_list list;
    assert_int_equal(gr_isolation_paths(&device, 1, root, &list, NULL), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0], "/dev/dri/renderD129");
    assert_string_equal(list.items[1], "/dev/dri/card1");
    assert_string_equal(list.items[2], "/dev/kfd");
    gr_isolation_list_done(&list);
}

static void a_device_whose_file_is_missing_cannot_be_given(void **state)
{
    (void)state;
    struct gr_err err;
    struct gr_isolation_list list = {0};
    struct gr_device device = real("NVIDIA", "0000:41:00.0", 8);
    assert_int_equal(gr_isolation_paths(&device, 1, root, &list, &err), -ENODEV);
    assert_string_equal(err.text, "/dev/nvidia8 of the device at 0000:41:00.0 is not there");
    device.path[0] = '\0';
    assert_int_equal(gr_isolation_paths(&device, 1, root, &list, &err), -ENODEV);
    assert_string_equal(err.text, "the device file of NVIDIA at 0000:41:00.0 is not known");
    assert_null(list.items);
}

static void the_kind_in_cdi_is_the_vendors(void **state)
{
    (void)state;
    char kind[GR_ISOLATION_KIND_SIZE] = "";
    assert_int_equal(gr_isolation_cdi_kind("NVIDIA", kind), 0);
    assert_string_equal(kind, "nvidia.com/gpu");
    assert_int_equal(gr_isolation_cdi_kind("Groq", kind), -ENOENT);
    assert_string_equal(kind, "nvidia.com/gpu");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_on_the_host_gets_the_machines_numbers),
        cmocka_unit_test(work_that_can_open_its_own_devices_only_counts_from_zero),
        cmocka_unit_test(amd_work_is_not_hidden_from_itself_by_the_variable_that_hip_shares),
        cmocka_unit_test(pretend_devices_show_no_real_one),
        cmocka_unit_test(work_without_devices_is_shown_none),
        cmocka_unit_test(mixtures_and_unknown_vendors_are_refused),
        cmocka_unit_test(as_many_devices_as_a_machine_may_have_fit),
        cmocka_unit_test_setup_teardown(the_files_of_a_device_and_of_its_vendor_are_listed,
                                        make_root, remove_root),
        cmocka_unit_test_setup_teardown(files_below_dri_are_found_by_the_address, make_root,
                                        remove_root),
        cmocka_unit_test_setup_teardown(a_device_whose_file_is_missing_cannot_be_given, make_root,
                                        remove_root),
        cmocka_unit_test(the_kind_in_cdi_is_the_vendors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
