// Making up a machine: see machine.h.
#include "machine.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[128];
static char sysfs[160];

static void make_folders(char *path)
{
    for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static void remove_all(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void machine_make(void)
{
    const char *below = getenv("TMPDIR");
    char path[256];
    snprintf(folder, sizeof folder, "%.100s/granary-device-XXXXXX", below == NULL ? "/tmp" : below);
    assert_non_null(mkdtemp(folder));
    snprintf(sysfs, sizeof sysfs, "%s/sys", folder);
    snprintf(path, sizeof path, "%s/nvml", folder);
    assert_int_equal(setenv("GRANARY_NVML_STANDIN", path, 1), 0);
    machine_nvml("");
}

void machine_remove(void)
{
    remove_all(folder);
}

const char *machine_sysfs(void)
{
    return sysfs;
}

const char *machine_folder(void)
{
    return folder;
}

void machine_write(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", folder, path);
    make_folders(full);
    FILE *file = fopen(full, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void machine_add(const char *address, const char *ids, const char *class_code, const char *driver,
                 int numa)
{
    char path[256];
    char text[64];
    snprintf(path, sizeof path, "sys/bus/pci/devices/%s/vendor", address);
    snprintf(text, sizeof text, "0x%.4s\n", ids);
    machine_write(path, text);
    snprintf(path, sizeof path, "sys/bus/pci/devices/%s/device", address);
    snprintf(text, sizeof text, "0x%s\n", ids + 5);
    machine_write(path, text);
    snprintf(path, sizeof path, "sys/bus/pci/devices/%s/class", address);
    snprintf(text, sizeof text, "0x%s00\n", class_code);
    machine_write(path, text);
    snprintf(path, sizeof path, "sys/bus/pci/devices/%s/numa_node", address);
    snprintf(text, sizeof text, "%d\n", numa);
    machine_write(path, text);
    snprintf(path, sizeof path, "%s/bus/pci/devices/%s/driver", sysfs, address);
    unlink(path);
    if (driver != NULL) {
        snprintf(text, sizeof text, "../../../bus/pci/drivers/%s", driver);
        assert_int_equal(symlink(text, path), 0);
    }
}

void machine_take(const char *address)
{
    char path[256];
    snprintf(path, sizeof path, "%s/bus/pci/devices/%s", sysfs, address);
    remove_all(path);
}

void machine_nvml(const char *text)
{
    machine_write("nvml", text);
}
