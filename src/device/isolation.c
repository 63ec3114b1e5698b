// Isolation: the table of data/isolation.csv, read once, and what follows from it for one task.
#include "device/isolation.h"

#include "base/csv.h"
#include "device/shipped.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Rows of the table, at most; it is our own file, so more is a fault of ours.
#define ROWS_MAX 128
// Bytes of an environment entry: GR_DEVICES_MAX addresses of 32 bytes fit.
#define ENTRY_SIZE (GR_DEVICES_MAX * 33 + 128)
// Entries and paths of one task, at most.
#define ITEMS_MAX 4096

// What a row is about; in the order of part_words.
enum part {
    PART_PROCESS,   // a variable that the vendor's runtime reads
    PART_FIXED,     // a variable that work with devices of the vendor needs, with its value
    PART_CONTAINER, // a variable by which a container hook would add devices by itself
    PART_COMMON,    // a device file that all work with devices of the vendor needs
    PART_DRM,       // devices have files below /dev/dri
    PART_CDI,       // the kind's name in CDI
};
static const char *const part_words[] = {"process", "fixed", "container", "common",
                                         "drm",     "cdi",   NULL};

struct row {
    char vendor[GR_NAME_SIZE];
    enum part part;
    char name[64];
    char value[32];
    char hide[16];
};

struct table {
    size_t count;
    struct row rows[ROWS_MAX];
};

enum column { COLUMN_VENDOR, COLUMN_PART, COLUMN_NAME, COLUMN_VALUE, COLUMN_HIDE, COLUMN_SOURCE };
static const struct gr_csv_column columns[] = {{"vendor", true}, {"part", true}, {"name", true},
                                               {"value", true},  {"hide", true}, {"source", true}};

static int read_row(const struct gr_csv *csv, struct row *row, struct gr_err *err)
{
    size_t part = 0;
    int rc = gr_csv_get_word(csv, COLUMN_PART, part_words, &part, err);
    if (rc == 0) {
        rc = gr_csv_get_text(csv, COLUMN_VENDOR, row->vendor, sizeof row->vendor, err);
    }
    if (rc == 0) {
        rc = gr_csv_get_text(csv, COLUMN_NAME, row->name, sizeof row->name, err);
    }
    if (rc == 0 && !gr_csv_is_blank(csv, COLUMN_VALUE)) {
        rc = gr_csv_get_text(csv, COLUMN_VALUE, row->value, sizeof row->value, err);
    }
    if (rc == 0 && !gr_csv_is_blank(csv, COLUMN_HIDE)) {
        rc = gr_csv_get_text(csv, COLUMN_HIDE, row->hide, sizeof row->hide, err);
    }
    row->part = (enum part)part;
    return rc;
}

// Written once under `once`, then only read. `table_error` is 0 or why it could not be read.
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct table table;
static struct gr_err table_error;

static int read_rows(struct gr_csv *csv, struct gr_err *err)
{
    int rc;
    while ((rc = gr_csv_next(csv, err)) == 1) {
        assert(table.count < ROWS_MAX);
        rc = read_row(csv, &table.rows[table.count++], err);
        if (rc < 0) {
            break;
        }
    }
    return rc;
}

static void read_table(void)
{
    struct gr_slice bytes = gr_shipped_isolation();
    struct gr_csv *csv;
    int rc = gr_csv_open_bytes("isolation.csv", bytes.text, bytes.size, columns,
                               sizeof columns / sizeof *columns, GR_CSV_STRICT, &csv, &table_error);
    if (rc == 0) {
        rc = read_rows(csv, &table_error);
        gr_csv_close(csv);
    }
    assert(rc == table_error.code);
}

// Returns 0 if the shipped table can be used, -ENOMEM if there was no memory to read it.
static int need_table(struct gr_err *err)
{
    int rc = pthread_once(&once, read_table);
    assert(rc == 0);
    return table_error.code == 0 ? 0 : gr_fail(err, table_error.code, "%s", table_error.text);
}

void gr_isolation_list_done(struct gr_isolation_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct gr_isolation_list){0};
}

static int list_add(struct gr_isolation_list *list, const char *text, struct gr_err *err)
{
    assert(list->count < ITEMS_MAX);
    char *copy = strdup(text);
    char **items = realloc(list->items, (list->count + 2) * sizeof *items);
    if (items != NULL) {
        list->items = items;
    }
    if (copy == NULL || items == NULL) {
        free(copy);
        return gr_fail(err, -ENOMEM, "list what a task needs: out of memory");
    }
    items[list->count++] = copy;
    items[list->count] = NULL;
    return 0;
}

// Whether an entry of this name ("NAME" for "NAME=...", or the whole text) is in the list.
static bool list_has(const struct gr_isolation_list *list, const char *name)
{
    size_t size = strlen(name);
    for (uint32_t i = 0; i < list->count; i++) {
        char after = '\0';
        if (strncmp(list->items[i], name, size) == 0) {
            after = list->items[i][size];
        } else {
            continue;
        }
        if (after == '=' || after == '\0') {
            return true;
        }
    }
    return false;
}

// What a question is about: whose devices, and whether they exist. One vendor a task: a node has
// devices of one variant.
struct holder {
    const struct gr_device *devices;
    size_t count;
    const char *vendor; // "" if there are none, or pretend ones
    bool is_pretend;
};

static int holder_init(struct holder *holder, const struct gr_device *devices, size_t count,
                       struct gr_err *err)
{
    *holder = (struct holder){devices, count, "", false};
    if (count > GR_DEVICES_MAX) {
        return gr_fail(err, -EINVAL, "a task with %zu devices: at most %d", count, GR_DEVICES_MAX);
    }
    if (count == 0) {
        return 0;
    }
    holder->is_pretend = devices[0].is_pretend;
    for (size_t i = 1; i < count; i++) {
        if (devices[i].is_pretend != holder->is_pretend) {
            return gr_fail(err, -EINVAL, "a task with pretend and real devices (%s, %s)",
                           devices[0].address, devices[i].address);
        }
        if (!holder->is_pretend && strcmp(devices[i].vendor, devices[0].vendor) != 0) {
            return gr_fail(err, -EINVAL, "a task with devices of %s and of %s", devices[0].vendor,
                           devices[i].vendor);
        }
    }
    if (!holder->is_pretend) {
        holder->vendor = devices[0].vendor;
    }
    return 0;
}

// ---- environment --------------------------------------------------------------------------------

// Adds "NAME=" and the devices' numbers, as the machine or (`from_zero`) the task counts them.
static int add_numbers(struct gr_isolation_list *list, const char *name,
                       const struct holder *holder, bool from_zero, struct gr_err *err)
{
    char *entry = malloc(ENTRY_SIZE);
    if (entry == NULL) {
        return gr_fail(err, -ENOMEM, "list what a task needs: out of memory");
    }
    size_t at = (size_t)snprintf(entry, ENTRY_SIZE, "%s=", name);
    for (size_t i = 0; i < holder->count; i++) {
        uint32_t number = from_zero ? (uint32_t)i : holder->devices[i].index;
        at += (size_t)snprintf(entry + at, ENTRY_SIZE - at, "%s%u", i > 0 ? "," : "", number);
    }
    int rc = list_add(list, entry, err);
    free(entry);
    return rc;
}

// Adds "NAME=" and the devices' addresses, or "NAME=" alone if they are not of this sort.
static int add_addresses(struct gr_isolation_list *list, const char *name,
                         const struct holder *holder, bool is_pretend, struct gr_err *err)
{
    char *entry = malloc(ENTRY_SIZE);
    if (entry == NULL) {
        return gr_fail(err, -ENOMEM, "list what a task needs: out of memory");
    }
    size_t at = (size_t)snprintf(entry, ENTRY_SIZE, "%s=", name);
    for (size_t i = 0; i < holder->count && holder->is_pretend == is_pretend; i++) {
        at += (size_t)snprintf(entry + at, ENTRY_SIZE - at, "%s%.31s", i > 0 ? "," : "",
                               holder->devices[i].address);
    }
    int rc = list_add(list, entry, err);
    free(entry);
    return rc;
}

// Adds the variable with the value that shows no device, unless it is set already or has no such
// value.
static int add_hidden(struct gr_isolation_list *list, const struct row *row, struct gr_err *err)
{
    if (strcmp(row->hide, "cannot") == 0 || list_has(list, row->name)) {
        return 0;
    }
    char entry[128];
    snprintf(entry, sizeof entry, "%s=%s", row->name,
             strcmp(row->hide, "empty") == 0 ? "" : row->hide);
    return list_add(list, entry, err);
}

// The variables of the vendor whose devices are held.
static int add_own(struct gr_isolation_list *list, const struct holder *holder,
                   enum gr_isolation_view view, struct gr_err *err)
{
    bool shown = false;
    int rc = 0;
    for (size_t i = 0; i < table.count && rc == 0; i++) {
        const struct row *row = &table.rows[i];
        if (strcmp(row->vendor, holder->vendor) != 0) {
            continue;
        }
        if (row->part == PART_PROCESS) {
            bool from_zero = view == GR_ISOLATION_OWN || strcmp(row->value, "ordinal") == 0;
            rc = add_numbers(list, row->name, holder, from_zero, err);
            shown = true;
        } else if (row->part == PART_FIXED) {
            char entry[128];
            snprintf(entry, sizeof entry, "%s=%s", row->name, row->value);
            rc = list_add(list, entry, err);
        }
    }
    if (rc == 0 && !shown) {
        return gr_fail(err, -ENOTSUP, "no way is known to show work the devices of %s",
                       holder->vendor);
    }
    return rc;
}

int gr_isolation_environment(const struct gr_device *devices, size_t count,
                             enum gr_isolation_view view, struct gr_isolation_list *ret_list,
                             struct gr_err *err)
{
    struct holder holder;
    int rc = holder_init(&holder, devices, count, err);
    if (rc < 0) {
        return rc;
    }
    rc = need_table(err);
    if (rc < 0) {
        return rc;
    }
    struct gr_isolation_list list = {0};
    if (holder.vendor[0] != '\0') {
        rc = add_own(&list, &holder, view, err);
    }
    for (size_t i = 0; i < table.count && rc == 0; i++) {
        const struct row *row = &table.rows[i];
        if (row->part == PART_PROCESS || row->part == PART_CONTAINER) {
            rc = add_hidden(&list, row, err);
        }
    }
    if (rc == 0) {
        rc = add_addresses(&list, "GRANARY_DEVICES", &holder, false, err);
    }
    if (rc == 0 && holder.is_pretend) {
        rc = add_addresses(&list, "GRANARY_PRETEND_DEVICES", &holder, true, err);
    }
    if (rc < 0) {
        gr_isolation_list_done(&list);
        return rc;
    }
    *ret_list = list;
    return 0;
}

// ---- device files -------------------------------------------------------------------------------

// Whether the path is there, and (outside of tests, which cannot make such files) a device.
static bool is_device_file(const char *root, const char *path)
{
    char full[PATH_MAX];
    struct stat info;
    int size = snprintf(full, sizeof full, "%s%s", root == NULL ? "" : root, path);
    if (size < 0 || (size_t)size >= sizeof full || stat(full, &info) < 0) {
        return false;
    }
    return S_ISCHR(info.st_mode) || (root != NULL && S_ISREG(info.st_mode));
}

// Adds what /sys says are the card and render files of the device below /dev/dri.
static int add_drm(struct gr_isolation_list *list, const struct gr_device *device, const char *root,
                   struct gr_err *err)
{
    char folder[PATH_MAX];
    int size = snprintf(folder, sizeof folder, "%s/sys/bus/pci/devices/%s/drm",
                        root == NULL ? "" : root, device->address);
    assert(size > 0);
    DIR *dir = (size_t)size < sizeof folder ? opendir(folder) : NULL;
    if (dir == NULL) {
        return 0; // its own file, which must be there, is looked at by the caller
    }
    int rc = 0;
    struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        char path[PATH_MAX];
        if (strncmp(entry->d_name, "card", 4) != 0 && strncmp(entry->d_name, "renderD", 7) != 0) {
            continue;
        }
        snprintf(path, sizeof path, "/dev/dri/%s", entry->d_name);
        if (is_device_file(root, path) && !list_has(list, path)) {
            rc = list_add(list, path, err);
        }
    }
    closedir(dir);
    return rc;
}

static int add_own_files(struct gr_isolation_list *list, const struct gr_device *device,
                         const char *root, struct gr_err *err)
{
    if (device->path[0] == '\0') {
        return gr_fail(err, -ENODEV, "the device file of %s at %s is not known", device->vendor,
                       device->address);
    }
    if (!is_device_file(root, device->path)) {
        return gr_fail(err, -ENODEV, "%s of the device at %s is not there", device->path,
                       device->address);
    }
    int rc = list_has(list, device->path) ? 0 : list_add(list, device->path, err);
    for (size_t i = 0; i < table.count && rc == 0; i++) {
        const struct row *row = &table.rows[i];
        if (row->part == PART_DRM && strcmp(row->vendor, device->vendor) == 0) {
            rc = add_drm(list, device, root, err);
        }
    }
    return rc;
}

int gr_isolation_paths(const struct gr_device *devices, size_t count, const char *root,
                       struct gr_isolation_list *ret_list, struct gr_err *err)
{
    struct holder holder;
    int rc = holder_init(&holder, devices, count, err);
    if (rc < 0) {
        return rc;
    }
    struct gr_isolation_list list = {0};
    if (holder.vendor[0] == '\0') {
        *ret_list = list;
        return 0;
    }
    rc = need_table(err);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = add_own_files(&list, &devices[i], root, err);
    }
    for (size_t i = 0; i < table.count && rc == 0; i++) {
        const struct row *row = &table.rows[i];
        if (row->part == PART_COMMON && strcmp(row->vendor, holder.vendor) == 0 &&
            is_device_file(root, row->name)) {
            rc = list_add(&list, row->name, err);
        }
    }
    if (rc < 0) {
        gr_isolation_list_done(&list);
        return rc;
    }
    *ret_list = list;
    return 0;
}

int gr_isolation_cdi_kind(const char *vendor, char *ret_kind)
{
    int rc = need_table(NULL) < 0 ? -ENOMEM : -ENOENT;
    for (size_t i = 0; rc != -ENOMEM && i < table.count; i++) {
        if (table.rows[i].part == PART_CDI && strcmp(table.rows[i].vendor, vendor) == 0) {
            static_assert(sizeof table.rows[i].name == GR_ISOLATION_KIND_SIZE, "room for a name");
            memcpy(ret_kind, table.rows[i].name, GR_ISOLATION_KIND_SIZE);
            rc = 0;
        }
    }
    return rc;
}
