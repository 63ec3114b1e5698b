// Reading amdgpu's and kfd's files in sysfs: see amd.h.
#include "device/amd.h"

#include "base/number.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Most nodes of the compute driver that are looked at: processors and devices.
enum { NODES_MAX = 2048 };

// Reads a file of at most `size` - 1 bytes below `folder`; false if it cannot be read.
static bool read_file(const char *folder, const char *name, char *buffer, size_t size)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = length < 0 || (size_t)length >= sizeof path ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t got;
    do {
        got = read(fd, buffer, size - 1);
    } while (got < 0 && errno == EINTR);
    close(fd);
    if (got < 0) {
        return false;
    }
    buffer[got] = '\0';
    return true;
}

static bool read_number(const char *folder, const char *name, int64_t *ret_value)
{
    char text[64];
    if (!read_file(folder, name, text, sizeof text)) {
        return false;
    }
    text[strcspn(text, "\n")] = '\0';
    return gr_number_read_int(gr_slice_of(text), 0, INT64_MAX, ret_value) == 0;
}

// The folder of the driver's sensors; false if there is none.
static bool find_sensors(const char *folder, char *ret_path, size_t size)
{
    char path[PATH_MAX];
    bool found = false;
    if (snprintf(path, sizeof path, "%s/hwmon", folder) >= (int)sizeof path) {
        return false;
    }
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
        found = strncmp(entry->d_name, "hwmon", 5) == 0 &&
                snprintf(ret_path, size, "%s/%s", path, entry->d_name) < (int)size;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return found;
}

static void read_sensors(const char *folder, struct gr_device *device)
{
    char sensors[PATH_MAX];
    int64_t value;
    if (!find_sensors(folder, sensors, sizeof sensors)) {
        return;
    }
    if (read_number(sensors, "temp1_input", &value) && value / 1000 <= UINT32_MAX) {
        device->temperature = (uint32_t)(value / 1000); // millidegrees
        device->known |= GR_DEVICE_TEMPERATURE;
    }
    if ((read_number(sensors, "power1_average", &value) ||
         read_number(sensors, "power1_input", &value)) &&
        value / 1000 <= UINT32_MAX) {
        device->power_mw = (uint32_t)(value / 1000); // microwatt
        device->known |= GR_DEVICE_POWER;
    }
}

// "ue: 0" and "ce: 3" on lines of their own: uncorrected and corrected errors of the memory.
static void read_errors(const char *folder, struct gr_device *device)
{
    char text[128];
    uint64_t errors;
    if (read_file(folder, "ras/umc_err_count", text, sizeof text) &&
        sscanf(text, "ue: %" SCNu64, &errors) == 1) {
        device->ecc_errors = errors;
        device->known |= GR_DEVICE_ECC;
    }
}

void gr_amd_read(const char *sysfs, struct gr_device *device)
{
    char folder[PATH_MAX];
    char text[64];
    int64_t value;
    if (snprintf(folder, sizeof folder, "%s/bus/pci/devices/%s", sysfs, device->address) >=
        (int)sizeof folder) {
        return;
    }
    if (read_number(folder, "mem_info_vram_total", &value)) {
        device->memory_mib = (uint64_t)value >> 20;
        device->known |= GR_DEVICE_MEMORY;
    }
    if (read_number(folder, "mem_info_vram_used", &value)) {
        device->memory_used_mib = (uint64_t)value >> 20;
        device->known |= GR_DEVICE_MEMORY_USED;
    }
    if (read_number(folder, "gpu_busy_percent", &value) && value <= 100) {
        device->utilisation = (uint32_t)value;
        device->known |= GR_DEVICE_UTILISATION;
    }
    if (read_file(folder, "unique_id", text, sizeof text)) {
        text[strcspn(text, "\n")] = '\0';
        snprintf(device->uuid, sizeof device->uuid, "GPU-%s", text);
    }
    read_sensors(folder, device);
    read_errors(folder, device);
}

// The value of a line "NAME VALUE" of a node's properties; 0 if there is none.
static uint64_t property(const char *properties, const char *name)
{
    size_t size = strlen(name);
    for (const char *line = properties; line != NULL && *line != '\0';) {
        if (strncmp(line, name, size) == 0 && line[size] == ' ') {
            return strtoull(line + size + 1, NULL, 10);
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return 0;
}

int gr_amd_index(const char *sysfs, const char *address, uint32_t *ret_index)
{
    unsigned domain;
    unsigned bus;
    unsigned slot;
    unsigned function;
    uint32_t index = 0;
    if (sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4) {
        return -ENOENT;
    }
    for (unsigned node = 0; node < NODES_MAX; node++) {
        char folder[PATH_MAX];
        char properties[4096];
        if (snprintf(folder, sizeof folder, "%s/class/kfd/kfd/topology/nodes/%u", sysfs, node) >=
                (int)sizeof folder ||
            !read_file(folder, "properties", properties, sizeof properties)) {
            return -ENOENT;
        }
        if (property(properties, "simd_count") == 0) {
            continue; // a processor
        }
        if (property(properties, "domain") == domain &&
            property(properties, "location_id") == (bus << 8 | slot << 3 | function)) {
            *ret_index = index;
            return 0;
        }
        index++;
    }
    return -ENOENT;
}
