// For a person at a machine with real accelerators: prints what is found there, what work on each
// would be given, and how they are connected. Changes nothing. `device_show [SECONDS]` looks again
// every so many seconds.
#include "device/device.h"
#include "device/isolation.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void show_measured(const struct gr_device *device)
{
    if (device->known & GR_DEVICE_MEMORY) {
        printf("  memory %llu MiB", (unsigned long long)device->memory_mib);
    }
    if (device->known & GR_DEVICE_MEMORY_USED) {
        printf(", %llu used", (unsigned long long)device->memory_used_mib);
    }
    if (device->known & GR_DEVICE_UTILISATION) {
        printf(", use %u %%", device->utilisation);
    }
    if (device->known & GR_DEVICE_TEMPERATURE) {
        printf(", %u C", device->temperature);
    }
    if (device->known & GR_DEVICE_POWER) {
        printf(", %u mW", device->power_mw);
    }
    if (device->known & GR_DEVICE_ECC) {
        printf(", uncorrected errors %llu", (unsigned long long)device->ecc_errors);
    }
    if (device->known & GR_DEVICE_XID) {
        printf(", last XID %u", device->xid);
    }
    if (device->known & GR_DEVICE_NUMA) {
        printf(", NUMA node %u", device->numa);
    }
    printf("; asked in %u ms\n", device->look_ms);
}

static void show_needs(const struct gr_device *device)
{
    struct gr_err err;
    struct gr_isolation_list list = {0};
    gr_err_init(&err);
    if (gr_isolation_environment(device, 1, GR_ISOLATION_HOST, &list, &err) < 0) {
        printf("  no environment: %s\n", err.text);
    }
    for (uint32_t i = 0; i < list.count; i++) {
        printf("  %s\n", list.items[i]);
    }
    gr_isolation_list_done(&list);
    if (gr_isolation_paths(device, 1, NULL, &list, &err) < 0) {
        printf("  no files: %s\n", err.text);
    }
    for (uint32_t i = 0; i < list.count; i++) {
        printf("  %s\n", list.items[i]);
    }
    gr_isolation_list_done(&list);
}

static int show(struct gr_device_watch *watch)
{
    struct gr_device_list list;
    struct gr_err err;
    if (gr_device_watch_look(watch, &list, &err) < 0) {
        fprintf(stderr, "device_show: %s\n", err.text);
        return 1;
    }
    uint32_t *domains = calloc(list.count + 1, sizeof *domains);
    if (domains == NULL) {
        gr_device_list_done(&list);
        return 1;
    }
    gr_device_watch_domains(watch, &list, domains);
    printf("%zu devices\n", list.count);
    for (size_t i = 0; i < list.count; i++) {
        const struct gr_device *device = &list.devices[i];
        printf("%s %s, variant %s, %s, index %u, group %d\n", device->address, device->name,
               device->variant[0] == '\0' ? "unknown" : device->variant,
               device->path[0] == '\0' ? "no file" : device->path, device->index, (int)domains[i]);
        printf("  %s %s; %s\n", gr_health_name(device->health), device->code, device->problem);
        show_measured(device);
        show_needs(device);
    }
    free(domains);
    gr_device_list_done(&list);
    return 0;
}

int main(int argc, char **argv)
{
    struct gr_device_config config = {.pretend = getenv("PRETEND")};
    struct gr_device_watch *watch;
    struct gr_err err;
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    if (gr_device_watch_open(&config, &watch, &err) < 0) {
        fprintf(stderr, "device_show: %s\n", err.text);
        return 1;
    }
    int rc = show(watch);
    while (rc == 0 && seconds > 0) {
        fflush(stdout);
        sleep(seconds);
        rc = show(watch);
    }
    gr_device_watch_close(watch);
    return rc;
}
