// Scanning the PCI tree of sysfs: see pci.h. Everything is read relative to the folder of the
// device, so that a device that goes away in between is an error and not another device.
#include "device/pci.h"

#include "base/number.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Reads a small file without its line end. Returns -errno, or 0 with a text that was cut to size.
static int read_text(int folder, const char *name, char *buffer, size_t size)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    ssize_t got;
    do {
        got = read(fd, buffer, size - 1);
    } while (got < 0 && errno == EINTR);
    int rc = got < 0 ? -errno : 0;
    close(fd);
    if (rc == 0) {
        buffer[got] = '\0';
        buffer[strcspn(buffer, "\n")] = '\0';
    }
    return rc;
}

// A hexadecimal number such as sysfs writes: "0x10de".
static int read_hex(int folder, const char *name, uint32_t *ret_value)
{
    char text[32];
    char *end;
    int rc = read_text(folder, name, text, sizeof text);
    if (rc < 0) {
        return rc;
    }
    unsigned long value = strtoul(text, &end, 16);
    if (end == text || *end != '\0' || value > UINT32_MAX) {
        return -EINVAL;
    }
    *ret_value = (uint32_t)value;
    return 0;
}

// The last part of what the link points to; "" if there is no such link.
static void read_link_name(int folder, const char *name, char *buffer, size_t size)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(folder, name, target, sizeof target - 1);
    buffer[0] = '\0';
    if (length > 0) {
        target[length] = '\0';
        const char *slash = strrchr(target, '/');
        const char *last = slash == NULL ? target : slash + 1;
        if (strlen(last) < size) {
            memcpy(buffer, last, strlen(last) + 1);
        }
    }
}

static void read_render(int folder, char *buffer, size_t size)
{
    buffer[0] = '\0';
    int fd = openat(folder, "drm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, "renderD", 7) == 0 && strlen(entry->d_name) < 24) {
            snprintf(buffer, size, "/dev/dri/%s", entry->d_name);
        }
    }
    closedir(dir);
}

// Reads the device. False if it is no accelerator, or cannot be read.
static bool read_device(int bus, const char *name, const struct gr_ids *ids,
                        struct gr_pci_device *ret_device)
{
    uint32_t vendor_id;
    uint32_t device_id;
    uint32_t class_code; // base, sub, interface
    char numa[32];
    int64_t node;
    int folder = openat(bus, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return false;
    }
    struct gr_pci_device device = {.numa = -1};
    bool counts = strlen(name) < sizeof device.address &&
                  read_hex(folder, "vendor", &vendor_id) == 0 && vendor_id <= UINT16_MAX &&
                  read_hex(folder, "device", &device_id) == 0 && device_id <= UINT16_MAX &&
                  read_hex(folder, "class", &class_code) == 0 && class_code <= 0xffffff &&
                  gr_ids_is_accelerator(ids, (uint16_t)vendor_id, (uint16_t)device_id,
                                        (uint16_t)(class_code >> 8)) &&
                  faccessat(folder, "physfn", F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    if (counts) {
        memcpy(device.address, name, strlen(name) + 1);
        device.vendor_id = (uint16_t)vendor_id;
        device.device_id = (uint16_t)device_id;
        if (read_text(folder, "numa_node", numa, sizeof numa) == 0 &&
            gr_number_read_int(gr_slice_of(numa), 0, 65535, &node) == 0) {
            device.numa = (int32_t)node;
        }
        read_link_name(folder, "driver", device.driver, sizeof device.driver);
        read_render(folder, device.render, sizeof device.render);
        *ret_device = device;
    }
    close(folder);
    return counts;
}

static int by_address(const void *a, const void *b)
{
    const struct gr_pci_device *left = a;
    const struct gr_pci_device *right = b;
    return strcmp(left->address, right->address);
}

int gr_pci_scan(const char *sysfs, const struct gr_ids *ids, struct gr_pci_device *devices,
                size_t max, size_t *ret_count, struct gr_err *err)
{
    char path[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s/bus/pci/devices", sysfs);
    if (size < 0 || (size_t)size >= sizeof path) {
        return gr_fail(err, -ENAMETOOLONG, "open %s: the path is too long", sysfs);
    }
    DIR *dir = opendir(path);
    if (dir == NULL && errno != ENOENT && errno != ENOTDIR) {
        return gr_fail_errno(err, "open %s", path);
    }
    size_t count = 0;
    int rc = 0;
    struct dirent *entry;
    while (dir != NULL && rc == 0 && (entry = readdir(dir)) != NULL) {
        struct gr_pci_device device;
        if (entry->d_name[0] == '.' || !read_device(dirfd(dir), entry->d_name, ids, &device)) {
            continue;
        }
        if (count == max) {
            rc = gr_fail(err, -E2BIG, "%s: more than %zu accelerators", path, max);
        } else {
            devices[count++] = device;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    if (rc == 0) {
        qsort(devices, count, sizeof *devices, by_address);
        *ret_count = count;
    }
    return rc;
}
