// A device watch: opening, closing, and looking at every device. The PCI tree says which devices
// there are; the vendor's library, or its kernel driver, says how they are.
#include "device/watch.h"

#include "base/clock.h"
#include "device/amd.h"
#include "device/pretend.h"
#include "device/smi.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { XIDS_MAX = 256 }; // taken in one look; more are left for the next

uint64_t gr_watch_now_ms(const struct gr_device_watch *watch)
{
    return (uint64_t)gr_clock_ms() + watch->ahead_ms;
}

// ---- opening and closing ------------------------------------------------------------------------

void gr_watch_open_nvml(struct gr_device_watch *watch)
{
    struct gr_err err;
    gr_err_init(&err);
    if (watch->nvml != NULL || watch->nvml_path[0] == '\0') {
        return;
    }
    watch->nvml_problem[0] = '\0';
    if (gr_nvml_open(watch->nvml_path, &watch->nvml, &err) < 0) {
        snprintf(watch->nvml_problem, sizeof watch->nvml_problem, "%.255s", err.text);
    }
}

void gr_watch_close_nvml(struct gr_device_watch *watch)
{
    gr_nvml_close(watch->nvml);
    watch->nvml = NULL;
    for (size_t i = 0; i < watch->entry_count; i++) {
        watch->entries[i].handle = NULL;
        watch->entries[i].is_listening = false;
    }
}

static const char *smi_of(const struct gr_device_config *config)
{
    const char *found = config->smi != NULL ? config->smi : gr_smi_find();
    return found == NULL ? "" : found;
}

int gr_device_watch_open(const struct gr_device_config *config, struct gr_device_watch **ret_watch,
                         struct gr_err *err)
{
    struct gr_device_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        return gr_fail(err, -ENOMEM, "watch devices: out of memory");
    }
    int rc = pthread_mutex_init(&watch->lock, NULL);
    assert(rc == 0);
    watch->sysfs = strdup(config->sysfs == NULL ? "/sys" : config->sysfs);
    watch->nvml_path = strdup(config->nvml == NULL ? "libnvidia-ml.so.1" : config->nvml);
    watch->smi = strdup(smi_of(config));
    watch->entries = calloc(GR_DEVICES_MAX, sizeof *watch->entries);
    watch->found = calloc(GR_DEVICES_MAX, sizeof *watch->found);
    if (watch->sysfs == NULL || watch->nvml_path == NULL || watch->smi == NULL ||
        watch->entries == NULL || watch->found == NULL) {
        rc = gr_fail(err, -ENOMEM, "watch devices: out of memory");
    }
    if (rc == 0) {
        rc = gr_ids_new(&watch->ids, err);
    }
    if (rc == 0) {
        rc = gr_pretend_parse(config->pretend, gr_ids_catalogue(watch->ids), &watch->pretend,
                              &watch->pretend_count, err);
    }
    if (rc < 0) {
        gr_device_watch_close(watch);
        return rc;
    }
    *ret_watch = watch;
    return 0;
}

void gr_device_watch_close(struct gr_device_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    gr_nvml_close(watch->nvml);
    gr_ids_free(watch->ids);
    free(watch->sysfs);
    free(watch->nvml_path);
    free(watch->smi);
    free(watch->pretend);
    free(watch->entries);
    free(watch->found);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

// ---- entries ------------------------------------------------------------------------------------

// Where the address is or would be.
static size_t place_of(const struct gr_device_watch *watch, const char *address)
{
    size_t at = 0;
    while (at < watch->entry_count && strcmp(watch->entries[at].device.address, address) < 0) {
        at++;
    }
    return at;
}

struct gr_watch_entry *gr_watch_find(struct gr_device_watch *watch, const char *address)
{
    size_t at = place_of(watch, address);
    bool found = at < watch->entry_count && strcmp(watch->entries[at].device.address, address) == 0;
    return found ? &watch->entries[at] : NULL;
}

// The entry of a device that is there now, a new one if need be. Its measurements begin anew. NULL
// if there are too many.
static struct gr_watch_entry *begin_entry(struct gr_device_watch *watch, const char *address)
{
    struct gr_watch_entry *entry = gr_watch_find(watch, address);
    if (entry == NULL) {
        size_t at = place_of(watch, address);
        if (watch->entry_count + watch->pretend_count >= GR_DEVICES_MAX) {
            return NULL;
        }
        memmove(&watch->entries[at + 1], &watch->entries[at],
                (watch->entry_count - at) * sizeof *watch->entries);
        watch->entry_count++;
        entry = &watch->entries[at];
        *entry = (struct gr_watch_entry){0};
    }
    uint32_t xid = entry->device.xid;
    uint32_t known = entry->device.known & GR_DEVICE_XID;
    entry->device = (struct gr_device){.xid = xid, .known = known};
    snprintf(entry->device.address, sizeof entry->device.address, "%s", address);
    entry->code_count = 0;
    entry->handle = NULL;
    entry->is_present = true;
    return entry;
}

static void hold(struct gr_watch_entry *entry, const char *code)
{
    if (entry->code_count < GR_WATCH_CODES_MAX) {
        snprintf(entry->codes[entry->code_count++], GR_HEALTH_CODE_SIZE, "%s", code);
    }
}

static void __attribute__((format(printf, 2, 3)))
explain(struct gr_watch_entry *entry, const char *fmt, ...)
{
    if (entry->device.problem[0] == '\0') {
        va_list args;
        va_start(args, fmt);
        vsnprintf(entry->device.problem, sizeof entry->device.problem, fmt, args);
        va_end(args);
    }
}

// ---- looking ------------------------------------------------------------------------------------

// Takes over what the library says of the card; what only the bus knows stays.
static void take_card(struct gr_device_watch *watch, struct gr_watch_entry *entry,
                      const struct gr_nvml_card *card)
{
    struct gr_device before = entry->device;
    entry->device = card->device;
    entry->code_count = 0;
    memcpy(entry->device.address, before.address, sizeof before.address);
    entry->device.numa = before.numa;
    entry->device.xid = before.xid;
    entry->device.known |= before.known;
    if (entry->device.name[0] == '\0') {
        memcpy(entry->device.name, before.name, sizeof before.name);
    }
    for (size_t i = 0; i < card->code_count; i++) {
        hold(entry, card->codes[i]);
    }
    entry->handle = card->handle;
    if (!entry->is_listening) {
        gr_nvml_listen(watch->nvml, card);
        entry->is_listening = true;
    }
}

static void ask_nvml(struct gr_device_watch *watch, struct gr_watch_entry *entry)
{
    struct gr_nvml_card card;
    char code[GR_HEALTH_CODE_SIZE];
    if (watch->nvml == NULL) {
        hold(entry, "no library");
        explain(entry, "%s",
                watch->nvml_problem[0] != '\0' ? watch->nvml_problem : "no library is asked");
        return;
    }
    int rc = gr_nvml_read_at(watch->nvml, entry->device.address, &card, code);
    if (rc == -ENODEV) {
        hold(entry, code);
        if (strcmp(code, "not listed") == 0) {
            explain(entry, "the library does not list it: of another container, or failed");
        }
        explain(entry, "the library has no handle for it");
    } else if (rc == 0) {
        take_card(watch, entry, &card);
    }
}

// Asks by index about the cards that were not asked about by address: the bus did not show them,
// or the library is too old to look up by address.
static void ask_nvml_rest(struct gr_device_watch *watch)
{
    unsigned count = watch->nvml == NULL ? 0 : gr_nvml_count(watch->nvml);
    for (unsigned i = 0; i < count; i++) {
        char address[32];
        uint16_t vendor_id;
        uint16_t device_id;
        struct gr_nvml_card card;
        if (gr_nvml_address_of(watch->nvml, i, address, &vendor_id, &device_id) < 0) {
            continue;
        }
        struct gr_watch_entry *entry = gr_watch_find(watch, address);
        if (entry != NULL && entry->is_present && entry->handle != NULL) {
            continue;
        }
        uint64_t began_ms = gr_watch_now_ms(watch);
        if (entry == NULL || !entry->is_present) {
            entry = begin_entry(watch, address);
        }
        if (entry == NULL || gr_nvml_read_index(watch->nvml, i, &card) < 0) {
            continue;
        }
        take_card(watch, entry, &card);
        gr_ids_identify(watch->ids, vendor_id, device_id, &entry->device);
        entry->device.look_ms = (uint32_t)(gr_watch_now_ms(watch) - began_ms);
    }
}

// Devices whose library is not known here: what the kernel shows of them.
static void ask_kernel(struct gr_device_watch *watch, struct gr_watch_entry *entry,
                       const struct gr_pci_device *pci)
{
    bool is_kfd =
        strcmp(entry->device.vendor, "AMD") == 0 || strcmp(entry->device.vendor, "Hygon") == 0;
    snprintf(entry->device.path, sizeof entry->device.path, "%s", pci->render);
    if (strcmp(pci->driver, "amdgpu") == 0) {
        gr_amd_read(watch->sysfs, &entry->device);
    } else {
        hold(entry, "no library");
        explain(entry, "its vendor's library is not asked: memory and health are not known");
    }
    if (is_kfd) {
        gr_amd_index(watch->sysfs, pci->address, &entry->device.index);
    }
}

// The number among the vendor's devices in the order of their addresses: what most runtimes count
// by. Where the driver or the library says otherwise, that goes before.
static uint32_t order_of(const struct gr_device_watch *watch, size_t at)
{
    uint32_t order = 0;
    for (size_t i = 0; i < at; i++) {
        order += watch->found[i].vendor_id == watch->found[at].vendor_id;
    }
    return order;
}

static void look_at(struct gr_device_watch *watch, size_t at)
{
    const struct gr_pci_device *pci = &watch->found[at];
    uint64_t began_ms = gr_watch_now_ms(watch);
    struct gr_watch_entry *entry = begin_entry(watch, pci->address);
    if (entry == NULL) {
        return;
    }
    struct gr_device *device = &entry->device;
    const char *vendor = gr_ids_vendor(watch->ids, pci->vendor_id);
    assert(vendor != NULL);
    snprintf(device->vendor, sizeof device->vendor, "%s", vendor);
    snprintf(device->name, sizeof device->name, "%s",
             gr_ids_name(watch->ids, pci->vendor_id, pci->device_id));
    device->index = order_of(watch, at);
    if (pci->numa >= 0) {
        device->numa = (uint32_t)pci->numa;
        device->known |= GR_DEVICE_NUMA;
    }
    if (!gr_ids_has_driver(watch->ids, pci->vendor_id, pci->driver)) {
        hold(entry, "no driver");
        if (pci->driver[0] == '\0') {
            explain(entry, "no driver is bound to it");
        }
        explain(entry, "its driver is %s: work cannot use it", pci->driver);
    } else if (strcmp(vendor, "NVIDIA") == 0) {
        ask_nvml(watch, entry);
    } else {
        ask_kernel(watch, entry, pci);
    }
    gr_ids_identify(watch->ids, pci->vendor_id, pci->device_id, device);
    device->look_ms = (uint32_t)(gr_watch_now_ms(watch) - began_ms);
}

// ---- health -------------------------------------------------------------------------------------

// An XID is held against its card; one whose card the library cannot name is shown on all of them,
// but takes none out of use: one bad message must not empty a machine.
static void note_xid(struct gr_device_watch *watch, const struct gr_nvml_xid *xid)
{
    char code[GR_HEALTH_CODE_SIZE];
    uint64_t now_ms = gr_watch_now_ms(watch);
    snprintf(code, sizeof code, "XID %u%s", xid->number, xid->address[0] == '\0' ? " (card?)" : "");
    for (size_t i = 0; i < watch->entry_count; i++) {
        struct gr_watch_entry *entry = &watch->entries[i];
        bool is_its = xid->address[0] == '\0' ? strcmp(entry->device.vendor, "NVIDIA") == 0
                                              : strcmp(entry->device.address, xid->address) == 0;
        if (is_its) {
            entry->device.xid = xid->number;
            entry->device.known |= GR_DEVICE_XID;
            gr_health_record_note(&entry->record, "NVIDIA", code, now_ms);
        }
    }
}

static void take_xids(struct gr_device_watch *watch)
{
    struct gr_nvml_xid xids[XIDS_MAX];
    size_t count = watch->nvml == NULL ? 0 : gr_nvml_take_xids(watch->nvml, xids, XIDS_MAX);
    for (size_t i = 0; i < count; i++) {
        note_xid(watch, &xids[i]);
    }
}

// What nobody asked about is unknown, and the bus does not show it any more.
static void mark_missing(struct gr_watch_entry *entry)
{
    struct gr_device *device = &entry->device;
    uint32_t xid = device->xid;
    device->known &= GR_DEVICE_XID;
    device->memory_mib = device->memory_used_mib = device->ecc_errors = 0;
    device->utilisation = device->temperature = device->power_mw = device->numa = 0;
    device->look_ms = 0;
    device->xid = xid;
    device->problem[0] = '\0';
    entry->handle = NULL;
    entry->is_listening = false;
    entry->code_count = 0;
    hold(entry, "missing");
    explain(entry, "it was found earlier and is not there any more");
}

// Whether something that holds already keeps the device from new work.
static bool is_out(const struct gr_watch_entry *entry)
{
    for (size_t i = 0; i < entry->code_count; i++) {
        if (!gr_health_effect_of(gr_health_of(entry->device.vendor, entry->codes[i])).takes_new) {
            return true;
        }
    }
    return false;
}

static void judge(const struct gr_device_watch *watch, struct gr_watch_entry *entry)
{
    uint64_t now_ms = gr_watch_now_ms(watch);
    struct gr_health_record record = entry->record; // what holds now counts now only
    const char *code;
    if (entry->device.path[0] == '\0' && !is_out(entry)) {
        hold(entry, "no file");
        explain(entry, "the device file that work needs is not known");
    }
    if ((entry->device.known & GR_DEVICE_ECC) != 0 && entry->device.ecc_errors > 0) {
        hold(entry, "ecc errors");
    }
    for (size_t i = entry->code_count; i > 0; i--) { // of one class the first counts
        gr_health_record_note(&record, entry->device.vendor, entry->codes[i - 1], now_ms);
    }
    entry->device.health = gr_health_record_worst(&record, now_ms, &code);
    snprintf(entry->device.code, sizeof entry->device.code, "%s", code);
}

// What drivers and libraries call a thing is shown on terminals and sent as JSON.
static void clean(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < 0x20 || *text > 0x7e) {
            *text = '?';
        }
    }
}

static void clean_texts(struct gr_device *device)
{
    clean(device->name);
    clean(device->uuid);
    clean(device->path);
    clean(device->problem);
}

static int copy_out(const struct gr_device_watch *watch, struct gr_device_list *ret_list,
                    struct gr_err *err)
{
    size_t count = watch->entry_count + watch->pretend_count;
    struct gr_device *devices = calloc(count == 0 ? 1 : count, sizeof *devices);
    if (devices == NULL) {
        return gr_fail(err, -ENOMEM, "look at devices: out of memory");
    }
    for (size_t i = 0; i < watch->entry_count; i++) {
        devices[i] = watch->entries[i].device;
    }
    if (watch->pretend_count > 0) {
        memcpy(devices + watch->entry_count, watch->pretend,
               watch->pretend_count * sizeof *devices);
    }
    *ret_list = (struct gr_device_list){devices, count};
    return 0;
}

static int look(struct gr_device_watch *watch, struct gr_device_list *ret_list, struct gr_err *err)
{
    size_t count = 0;
    int rc = gr_pci_scan(watch->sysfs, watch->ids, watch->found,
                         GR_DEVICES_MAX - watch->pretend_count, &count, err);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < watch->entry_count; i++) {
        watch->entries[i].is_present = false;
    }
    gr_watch_open_nvml(watch);
    for (size_t i = 0; i < count; i++) {
        look_at(watch, i);
    }
    ask_nvml_rest(watch);
    take_xids(watch);
    for (size_t i = 0; i < watch->entry_count; i++) {
        if (!watch->entries[i].is_present) {
            mark_missing(&watch->entries[i]);
        }
        judge(watch, &watch->entries[i]);
        clean_texts(&watch->entries[i].device);
    }
    return copy_out(watch, ret_list, err);
}

int gr_device_watch_look(struct gr_device_watch *watch, struct gr_device_list *ret_list,
                         struct gr_err *err)
{
    pthread_mutex_lock(&watch->lock);
    int rc = look(watch, ret_list, err);
    pthread_mutex_unlock(&watch->lock);
    return rc;
}

void gr_device_list_done(struct gr_device_list *list)
{
    free(list->devices);
    *list = (struct gr_device_list){0};
}
