// The tables of PCI ids and of names: see ids.h.
#include "device/ids.h"

#include "base/csv.h"
#include "base/number.h"
#include "device/shipped.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ROWS_MAX = 512, LIST_SIZE = 96, NAME_SIZE = 64 };
// How far the memory that a driver reports may lie from the catalogue's figure: drivers keep some
// for themselves and for error correction, and makers round.
enum { MEMORY_LOW_PERCENT = 90, MEMORY_HIGH_PERCENT = 108 };

// A row of pci-ids.csv: of a device, or (device_id < 0) of a whole vendor.
struct pci_row {
    int32_t vendor_id;
    int32_t device_id;
    char classes[LIST_SIZE];
    char drivers[LIST_SIZE];
    char vendor[GR_NAME_SIZE];
    char variants[LIST_SIZE];
    char name[NAME_SIZE];
};

// A row of device-names.csv.
struct name_row {
    char vendor[GR_NAME_SIZE];
    char name[NAME_SIZE];
    char variants[LIST_SIZE];
};

struct gr_ids {
    struct gr_catalogue catalogue;
    size_t pci_count;
    size_t name_count;
    struct pci_row pci[ROWS_MAX];
    struct name_row names[ROWS_MAX];
};

// ---- reading ------------------------------------------------------------------------------------

// Four hexadecimal digits; -1 if the field is blank.
static int get_hex(const struct gr_csv *csv, size_t column, int32_t *ret_value, struct gr_err *err)
{
    struct gr_slice text = gr_csv_get(csv, column);
    int32_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit = strchr(digits, text.text[i]);
        if (digit == NULL || text.size != 4) {
            return gr_csv_fail(csv, column, err, "expected four hexadecimal digits");
        }
        value = value * 16 + (int32_t)(digit - digits);
    }
    *ret_value = text.size == 0 ? -1 : value;
    return 0;
}

static int get_text(const struct gr_csv *csv, size_t column, char *buffer, size_t size,
                    struct gr_err *err)
{
    return gr_csv_is_blank(csv, column) ? 0 : gr_csv_get_text(csv, column, buffer, size, err);
}

// Every variant of a list must be in the catalogue.
static int check_variants(const struct gr_ids *ids, const struct gr_csv *csv, size_t column,
                          const char *variants, struct gr_err *err)
{
    struct gr_slice rest = gr_slice_of(variants);
    struct gr_slice word;
    while (gr_variant_next(&rest, &word)) {
        if (gr_catalogue_find(&ids->catalogue, word) < 0) {
            return gr_csv_fail(csv, column, err, "'%.*s' is not in the catalogue", (int)word.size,
                               word.text);
        }
    }
    return 0;
}

static int read_pci_row(struct gr_ids *ids, const struct gr_csv *csv, struct gr_err *err)
{
    assert(ids->pci_count < ROWS_MAX);
    struct pci_row *row = &ids->pci[ids->pci_count++];
    int rc = get_hex(csv, 0, &row->vendor_id, err);
    if (rc == 0) {
        rc = get_hex(csv, 1, &row->device_id, err);
    }
    if (rc == 0) {
        rc = get_text(csv, 2, row->classes, sizeof row->classes, err);
    }
    if (rc == 0) {
        rc = get_text(csv, 3, row->drivers, sizeof row->drivers, err);
    }
    if (rc == 0) {
        rc = gr_csv_get_text(csv, 4, row->vendor, sizeof row->vendor, err);
    }
    if (rc == 0) {
        rc = get_text(csv, 5, row->variants, sizeof row->variants, err);
    }
    if (rc == 0) {
        rc = get_text(csv, 6, row->name, sizeof row->name, err);
    }
    return rc < 0 ? rc : check_variants(ids, csv, 5, row->variants, err);
}

static int read_name_row(struct gr_ids *ids, const struct gr_csv *csv, struct gr_err *err)
{
    assert(ids->name_count < ROWS_MAX);
    struct name_row *row = &ids->names[ids->name_count++];
    int rc = gr_csv_get_text(csv, 0, row->vendor, sizeof row->vendor, err);
    if (rc == 0) {
        rc = gr_csv_get_text(csv, 1, row->name, sizeof row->name, err);
    }
    if (rc == 0) {
        rc = gr_csv_get_text(csv, 2, row->variants, sizeof row->variants, err);
    }
    return rc < 0 ? rc : check_variants(ids, csv, 2, row->variants, err);
}

// Reads all rows of a shipped file with `read_row`.
static int read_file(struct gr_ids *ids, const char *name, struct gr_slice bytes,
                     const struct gr_csv_column *columns, size_t count,
                     int (*read_row)(struct gr_ids *, const struct gr_csv *, struct gr_err *),
                     struct gr_err *err)
{
    struct gr_csv *csv;
    int rc =
        gr_csv_open_bytes(name, bytes.text, bytes.size, columns, count, GR_CSV_STRICT, &csv, err);
    if (rc < 0) {
        return rc;
    }
    while ((rc = gr_csv_next(csv, err)) == 1) {
        rc = read_row(ids, csv, err);
        if (rc < 0) {
            break;
        }
    }
    gr_csv_close(csv);
    return rc;
}

int gr_ids_new(struct gr_ids **ret_ids, struct gr_err *err)
{
    static const struct gr_csv_column pci[] = {
        {"vendor_id", true}, {"device_id", true}, {"classes", true}, {"drivers", true},
        {"vendor", true},    {"variants", true},  {"name", true},    {"source", true}};
    static const struct gr_csv_column names[] = {
        {"vendor", true}, {"name", true}, {"variants", true}, {"source", true}};
    struct gr_ids *ids = calloc(1, sizeof *ids);
    if (ids == NULL) {
        return gr_fail(err, -ENOMEM, "read the table of PCI ids: out of memory");
    }
    int rc = gr_catalogue_load(NULL, &ids->catalogue, err);
    if (rc == 0) {
        rc = read_file(ids, "pci-ids.csv", gr_shipped_pci_ids(), pci, sizeof pci / sizeof *pci,
                       read_pci_row, err);
    }
    if (rc == 0) {
        rc = read_file(ids, "device-names.csv", gr_shipped_device_names(), names,
                       sizeof names / sizeof *names, read_name_row, err);
    }
    if (rc < 0) {
        gr_ids_free(ids);
        return rc;
    }
    *ret_ids = ids;
    return 0;
}

void gr_ids_free(struct gr_ids *ids)
{
    if (ids != NULL) {
        gr_catalogue_done(&ids->catalogue);
        free(ids);
    }
}

const struct gr_catalogue *gr_ids_catalogue(const struct gr_ids *ids)
{
    return &ids->catalogue;
}

// ---- questions ----------------------------------------------------------------------------------

static const struct pci_row *find_row(const struct gr_ids *ids, int32_t vendor_id,
                                      int32_t device_id)
{
    for (size_t i = 0; i < ids->pci_count; i++) {
        if (ids->pci[i].vendor_id == vendor_id && ids->pci[i].device_id == device_id) {
            return &ids->pci[i];
        }
    }
    return NULL;
}

// Whether the word is in the list.
static bool has_word(const char *list, const char *word)
{
    struct gr_slice rest = gr_slice_of(list);
    struct gr_slice next;
    while (gr_variant_next(&rest, &next)) {
        if (gr_slice_is(next, word)) {
            return true;
        }
    }
    return false;
}

bool gr_ids_is_accelerator(const struct gr_ids *ids, uint16_t vendor_id, uint16_t device_id,
                           uint16_t class_code)
{
    char text[8];
    const struct pci_row *vendor = find_row(ids, vendor_id, -1);
    snprintf(text, sizeof text, "%04x", class_code);
    if (vendor == NULL) {
        return false;
    }
    // A listed device counts under each class that displays and accelerators come with: firmware
    // chooses between them.
    bool is_compute = class_code >> 8 == 0x03 || class_code >> 8 == 0x12 || class_code == 0x0b40;
    return has_word(vendor->classes, text) ||
           (is_compute && find_row(ids, vendor_id, device_id) != NULL);
}

const char *gr_ids_vendor(const struct gr_ids *ids, uint16_t vendor_id)
{
    const struct pci_row *row = find_row(ids, vendor_id, -1);
    return row == NULL ? NULL : row->vendor;
}

const char *gr_ids_name(const struct gr_ids *ids, uint16_t vendor_id, uint16_t device_id)
{
    const struct pci_row *row = find_row(ids, vendor_id, device_id);
    return row == NULL ? "" : row->name;
}

bool gr_ids_has_driver(const struct gr_ids *ids, uint16_t vendor_id, const char *driver)
{
    const struct pci_row *row = find_row(ids, vendor_id, -1);
    if (row == NULL || driver[0] == '\0') {
        return false;
    }
    // Drivers that hand the device on to a virtual machine serve no work here.
    if (row->drivers[0] == '\0') {
        return strcmp(driver, "vfio-pci") != 0 && strcmp(driver, "pci-stub") != 0;
    }
    return has_word(row->drivers, driver);
}

// ---- identifying --------------------------------------------------------------------------------

static const char *name_variants(const struct gr_ids *ids, const struct gr_device *device)
{
    for (size_t i = 0; i < ids->name_count; i++) {
        if (strcmp(ids->names[i].vendor, device->vendor) == 0 &&
            strcasecmp(ids->names[i].name, device->name) == 0) {
            return ids->names[i].variants;
        }
    }
    return "";
}

// Whether the memory that the driver reports can be this variant's. Unknown contradicts nothing.
static bool memory_agrees(const struct gr_variant *variant, const struct gr_device *device)
{
    int64_t memory; // GiB in thousandths
    if ((device->known & GR_DEVICE_MEMORY) == 0 ||
        !gr_variant_get(variant, GR_FACT_MEMORY, &memory)) {
        return true;
    }
    assert(gr_fact_info(GR_FACT_MEMORY)->digits == 3);
    uint64_t reported = device->memory_mib * 1000 * 100 / 1024;
    return reported >= (uint64_t)memory * MEMORY_LOW_PERCENT &&
           reported <= (uint64_t)memory * MEMORY_HIGH_PERCENT;
}

// Says what is wrong, cut to the field's size, unless something is said already.
static void __attribute__((format(printf, 2, 3)))
explain(struct gr_device *device, const char *fmt, ...)
{
    if (device->problem[0] == '\0') {
        va_list args;
        va_start(args, fmt);
        vsnprintf(device->problem, sizeof device->problem, fmt, args);
        va_end(args);
    }
}

// The one variant of the list whose memory agrees, or NULL; counts those that were left.
static const struct gr_variant *choose(const struct gr_ids *ids, const char *variants,
                                       const struct gr_device *device, size_t *ret_left)
{
    struct gr_slice rest = gr_slice_of(variants);
    struct gr_slice word;
    const struct gr_variant *found = NULL;
    *ret_left = 0;
    while (gr_variant_next(&rest, &word)) {
        int index = gr_catalogue_find(&ids->catalogue, word);
        assert(index >= 0);
        if (memory_agrees(&ids->catalogue.variants[index], device)) {
            found = &ids->catalogue.variants[index];
            (*ret_left)++;
        }
    }
    return *ret_left == 1 ? found : NULL;
}

void gr_ids_identify(const struct gr_ids *ids, uint16_t vendor_id, uint16_t device_id,
                     struct gr_device *device)
{
    const struct pci_row *row = find_row(ids, vendor_id, device_id);
    const char *by_name = name_variants(ids, device);
    const char *by_pci = row == NULL ? "" : row->variants;
    const char *variants = by_name[0] != '\0' ? by_name : by_pci;
    device->variant[0] = '\0';
    if (variants[0] == '\0') {
        explain(device, "no catalogue row for %.48s (PCI %04x:%04x)",
                device->name[0] != '\0' ? device->name : "it", vendor_id, device_id);
        return;
    }
    size_t left;
    const struct gr_variant *variant = choose(ids, variants, device, &left);
    if (variant == NULL && left == 0) {
        explain(device, "%llu MiB is not the memory of %.48s",
                (unsigned long long)device->memory_mib, variants);
    } else if (variant == NULL) {
        explain(device, "could be any of %.48s: its memory is not known", variants);
    } else if (by_pci[0] != '\0' && !has_word(by_pci, variant->text[GR_VARIANT_ID])) {
        explain(device, "named as %.32s, but its PCI ids are those of %.32s",
                variant->text[GR_VARIANT_ID], by_pci);
    } else {
        snprintf(device->variant, sizeof device->variant, "%s", variant->text[GR_VARIANT_ID]);
    }
}
