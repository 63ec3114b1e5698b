// Asking NVIDIA's management library: see nvml.h.
#include "device/nvml.h"

#include "device/nvml_api.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The functions; NULL where the library has none.
struct calls {
    int (*init)(void);
    int (*shutdown)(void);
    int (*count)(unsigned *);
    int (*by_index)(unsigned, nvml_handle *);
    int (*by_address)(const char *, nvml_handle *);
    int (*index)(nvml_handle, unsigned *);
    int (*pci)(nvml_handle, struct nvml_pci *);
    int (*name)(nvml_handle, char *, unsigned);
    int (*uuid)(nvml_handle, char *, unsigned);
    int (*minor)(nvml_handle, unsigned *);
    int (*memory_v2)(nvml_handle, struct nvml_memory_v2 *);
    int (*memory)(nvml_handle, struct nvml_memory *);
    int (*utilisation)(nvml_handle, struct nvml_utilisation *);
    int (*temperature_v)(nvml_handle, struct nvml_temperature *);
    int (*temperature)(nvml_handle, unsigned, unsigned *);
    int (*power)(nvml_handle, unsigned *);
    int (*ecc)(nvml_handle, unsigned, unsigned, unsigned long long *);
    int (*remapped)(nvml_handle, unsigned *, unsigned *, unsigned *, unsigned *);
    int (*retired_pending)(nvml_handle, unsigned *);
    int (*fields)(nvml_handle, int, struct nvml_field *);
    int (*mig)(nvml_handle, unsigned *, unsigned *);
    int (*processes)(nvml_handle, unsigned *, void *);
    int (*event_create)(nvml_handle *);
    int (*event_listen)(nvml_handle, unsigned long long, nvml_handle);
    int (*event_wait)(nvml_handle, struct nvml_event *, unsigned);
    int (*event_free)(nvml_handle);
    int (*ancestor)(nvml_handle, nvml_handle, unsigned *);
    int (*p2p)(nvml_handle, nvml_handle, unsigned, unsigned *);
};

// Where each function goes, and its names, the newest first. All of a row's have one signature.
static const struct {
    size_t offset;
    const char *names[3];
} symbols[] = {
    {offsetof(struct calls, init), {"nvmlInit_v2", "nvmlInit"}},
    {offsetof(struct calls, shutdown), {"nvmlShutdown"}},
    {offsetof(struct calls, count), {"nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"}},
    {offsetof(struct calls, by_index),
     {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"}},
    {offsetof(struct calls, by_address),
     {"nvmlDeviceGetHandleByPciBusId_v2", "nvmlDeviceGetHandleByPciBusId"}},
    {offsetof(struct calls, index), {"nvmlDeviceGetIndex"}},
    {offsetof(struct calls, pci), {"nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2"}},
    {offsetof(struct calls, name), {"nvmlDeviceGetName"}},
    {offsetof(struct calls, uuid), {"nvmlDeviceGetUUID"}},
    {offsetof(struct calls, minor), {"nvmlDeviceGetMinorNumber"}},
    {offsetof(struct calls, memory_v2), {"nvmlDeviceGetMemoryInfo_v2"}},
    {offsetof(struct calls, memory), {"nvmlDeviceGetMemoryInfo"}},
    {offsetof(struct calls, utilisation), {"nvmlDeviceGetUtilizationRates"}},
    {offsetof(struct calls, temperature_v), {"nvmlDeviceGetTemperatureV"}},
    {offsetof(struct calls, temperature), {"nvmlDeviceGetTemperature"}},
    {offsetof(struct calls, power), {"nvmlDeviceGetPowerUsage"}},
    {offsetof(struct calls, ecc), {"nvmlDeviceGetTotalEccErrors"}},
    {offsetof(struct calls, remapped), {"nvmlDeviceGetRemappedRows"}},
    {offsetof(struct calls, retired_pending), {"nvmlDeviceGetRetiredPagesPendingStatus"}},
    {offsetof(struct calls, fields), {"nvmlDeviceGetFieldValues"}},
    {offsetof(struct calls, mig), {"nvmlDeviceGetMigMode"}},
    {offsetof(struct calls, processes),
     {"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2",
      "nvmlDeviceGetComputeRunningProcesses"}},
    {offsetof(struct calls, event_create), {"nvmlEventSetCreate"}},
    {offsetof(struct calls, event_listen), {"nvmlDeviceRegisterEvents"}},
    {offsetof(struct calls, event_wait), {"nvmlEventSetWait_v2", "nvmlEventSetWait"}},
    {offsetof(struct calls, event_free), {"nvmlEventSetFree"}},
    {offsetof(struct calls, ancestor), {"nvmlDeviceGetTopologyCommonAncestor"}},
    {offsetof(struct calls, p2p), {"nvmlDeviceGetP2PStatus"}},
};

struct gr_nvml {
    void *library;
    struct calls calls;
    nvml_handle events; // NULL: no events
};

static void look_up(struct gr_nvml *nvml)
{
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *found = NULL;
        for (size_t j = 0; j < 3 && symbols[i].names[j] != NULL && found == NULL; j++) {
            found = dlsym(nvml->library, symbols[i].names[j]);
        }
        memcpy((char *)&nvml->calls + symbols[i].offset, &found, sizeof found);
    }
}

int gr_nvml_open(const char *path, struct gr_nvml **ret_nvml, struct gr_err *err)
{
    struct gr_nvml *nvml = calloc(1, sizeof *nvml);
    if (nvml == NULL) {
        return gr_fail(err, -ENOMEM, "open %s: out of memory", path);
    }
    // Local: another vendor's library has functions of the same names.
    nvml->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (nvml->library == NULL) {
        free(nvml);
        return gr_fail(err, -ENOENT, "%s", dlerror());
    }
    look_up(nvml);
    const struct calls *calls = &nvml->calls;
    if (calls->init == NULL || calls->shutdown == NULL ||
        (calls->by_index == NULL && calls->by_address == NULL)) {
        dlclose(nvml->library);
        free(nvml);
        return gr_fail(err, -ENXIO, "%s lacks functions that are needed", path);
    }
    int result = calls->init();
    if (result != NVML_OK) {
        dlclose(nvml->library);
        free(nvml);
        return gr_fail(err, -ENXIO, "%s could not be initialised: it returned %d%s", path, result,
                       result == NVML_NO_DRIVER ? " (the driver is not loaded)" : "");
    }
    if (calls->event_create != NULL && calls->event_create(&nvml->events) != NVML_OK) {
        nvml->events = NULL;
    }
    *ret_nvml = nvml;
    return 0;
}

void gr_nvml_close(struct gr_nvml *nvml)
{
    if (nvml == NULL) {
        return;
    }
    if (nvml->events != NULL && nvml->calls.event_free != NULL) {
        nvml->calls.event_free(nvml->events);
    }
    nvml->calls.shutdown();
    dlclose(nvml->library);
    free(nvml);
}

unsigned gr_nvml_count(struct gr_nvml *nvml)
{
    unsigned count = 0;
    if (nvml->calls.count == NULL || nvml->calls.count(&count) != NVML_OK) {
        return 0;
    }
    return count < GR_DEVICES_MAX ? count : GR_DEVICES_MAX;
}

// ---- one card -----------------------------------------------------------------------------------

static void add_code(struct gr_nvml_card *card, const char *code)
{
    for (size_t i = 0; i < card->code_count; i++) {
        if (strcmp(card->codes[i], code) == 0) {
            return;
        }
    }
    if (card->code_count < GR_NVML_CODES_MAX) {
        snprintf(card->codes[card->code_count++], GR_HEALTH_CODE_SIZE, "%s", code);
    }
}

// Whether the answer may be used. A card that does not have the thing asked for is no problem;
// other failures are told, the first of them in `problem`, the grave ones as codes.
static bool answered(struct gr_nvml_card *card, const char *what, int result)
{
    if (result == NVML_OK) {
        return true;
    }
    if (result == NVML_NOT_SUPPORTED || result == NVML_NO_FUNCTION) {
        return false;
    }
    if (result == NVML_LOST || result == NVML_RESET_REQUIRED) {
        add_code(card, result == NVML_LOST ? "NVML 15" : "NVML 16");
    }
    if (card->device.problem[0] == '\0') {
        snprintf(card->device.problem, sizeof card->device.problem,
                 "%s could not be asked: the library returned %d", what, result);
    }
    return false;
}

static void read_address(struct nvml_pci *pci, char *address)
{
    snprintf(address, 32, "%04x:%02x:%02x.0", pci->domain & 0xffffffffu, pci->bus & 0xffu,
             pci->device & 0x1fu);
}

static void read_identity(const struct calls *calls, struct gr_nvml_card *card)
{
    struct gr_device *device = &card->device;
    char text[GR_DEVICE_TEXT_SIZE] = "";
    unsigned number;
    if (calls->name != NULL &&
        answered(card, "the name", calls->name(card->handle, text, sizeof text))) {
        text[sizeof text - 1] = '\0';
        memcpy(device->name, text, sizeof text);
    }
    memset(text, 0, sizeof text);
    if (calls->uuid != NULL &&
        answered(card, "the uuid", calls->uuid(card->handle, text, sizeof text))) {
        text[sizeof text - 1] = '\0';
        memcpy(device->uuid, text, sizeof text);
    }
    if (calls->minor != NULL &&
        answered(card, "the minor number", calls->minor(card->handle, &number))) {
        snprintf(device->path, sizeof device->path, "/dev/nvidia%u", number);
    }
    if (calls->index != NULL && answered(card, "the index", calls->index(card->handle, &number))) {
        device->index = number;
    }
}

static void read_memory(const struct calls *calls, struct gr_nvml_card *card)
{
    struct gr_device *device = &card->device;
    struct nvml_memory_v2 v2 = {.version = NVML_VERSION(struct nvml_memory_v2, 2)};
    struct nvml_memory v1;
    if (calls->memory_v2 != NULL && calls->memory_v2(card->handle, &v2) == NVML_OK) {
        device->memory_mib = v2.total >> 20;
        device->memory_used_mib = v2.used >> 20;
        device->known |= GR_DEVICE_MEMORY | GR_DEVICE_MEMORY_USED;
    } else if (calls->memory != NULL &&
               answered(card, "the memory", calls->memory(card->handle, &v1))) {
        device->memory_mib = v1.total >> 20;
        device->memory_used_mib = v1.used >> 20;
        device->known |= GR_DEVICE_MEMORY | GR_DEVICE_MEMORY_USED;
    }
}

static void read_temperature(const struct calls *calls, struct gr_nvml_card *card)
{
    struct nvml_temperature v = {.version = NVML_VERSION(struct nvml_temperature, 1),
                                 .sensor = NVML_SENSOR_GPU};
    unsigned old;
    if (calls->temperature_v != NULL && calls->temperature_v(card->handle, &v) == NVML_OK &&
        v.temperature >= 0) {
        card->device.temperature = (uint32_t)v.temperature;
        card->device.known |= GR_DEVICE_TEMPERATURE;
    } else if (calls->temperature != NULL &&
               answered(card, "the temperature",
                        calls->temperature(card->handle, NVML_SENSOR_GPU, &old))) {
        card->device.temperature = old;
        card->device.known |= GR_DEVICE_TEMPERATURE;
    }
}

static void read_use(const struct calls *calls, struct gr_nvml_card *card)
{
    struct gr_device *device = &card->device;
    struct nvml_utilisation use;
    unsigned power;
    unsigned long long errors;
    if (calls->utilisation != NULL &&
        answered(card, "the use", calls->utilisation(card->handle, &use)) && use.gpu <= 100) {
        device->utilisation = use.gpu;
        device->known |= GR_DEVICE_UTILISATION;
    }
    if (calls->power != NULL && answered(card, "the power", calls->power(card->handle, &power))) {
        device->power_mw = power;
        device->known |= GR_DEVICE_POWER;
    }
    if (calls->ecc != NULL &&
        answered(card, "the memory errors",
                 calls->ecc(card->handle, NVML_ECC_UNCORRECTED, NVML_ECC_VOLATILE, &errors))) {
        device->ecc_errors = errors;
        device->known |= GR_DEVICE_ECC;
    }
}

// The driver's own advice, where it is new enough to give one: it goes before any table.
static void read_advice(const struct calls *calls, struct gr_nvml_card *card)
{
    static const char *const advice[] = {NULL, "recovery reset", "recovery reboot",
                                         "recovery drain", "recovery drain-reset"};
    struct nvml_field field = {.id = NVML_FIELD_RECOVERY};
    if (calls->fields != NULL && calls->fields(card->handle, 1, &field) == NVML_OK &&
        field.result == NVML_OK && field.type == 1 && field.value.u > 0 &&
        field.value.u < sizeof advice / sizeof *advice) {
        add_code(card, advice[field.value.u]);
    }
}

static void read_standing(const struct calls *calls, struct gr_nvml_card *card)
{
    unsigned corrected;
    unsigned uncorrected;
    unsigned pending = 0;
    unsigned failed = 0;
    unsigned current = 0;
    if (calls->remapped != NULL &&
        calls->remapped(card->handle, &corrected, &uncorrected, &pending, &failed) == NVML_OK) {
        if (pending != 0) {
            add_code(card, "remap pending");
        }
        if (failed != 0) {
            add_code(card, "remap failed");
        }
    } else if (calls->retired_pending != NULL &&
               calls->retired_pending(card->handle, &pending) == NVML_OK && pending != 0) {
        add_code(card, "retire pending");
    }
    if (calls->mig != NULL && calls->mig(card->handle, &current, &pending) == NVML_OK &&
        current != 0 && card->device.problem[0] == '\0') {
        snprintf(card->device.problem, sizeof card->device.problem,
                 "MIG is on: work cannot use the device as a whole");
    }
    read_advice(calls, card);
}

static void read_card(const struct calls *calls, struct gr_nvml_card *card)
{
    snprintf(card->device.vendor, sizeof card->device.vendor, "NVIDIA");
    read_identity(calls, card);
    read_memory(calls, card);
    read_use(calls, card);
    read_temperature(calls, card);
    read_standing(calls, card);
    if (card->device.name[0] == '\0' && card->device.uuid[0] == '\0' && card->device.known == 0) {
        add_code(card, "no answer");
    }
}

int gr_nvml_read_at(struct gr_nvml *nvml, const char *address, struct gr_nvml_card *ret_card,
                    char *ret_code)
{
    if (nvml->calls.by_address == NULL) {
        return -ENOSYS;
    }
    struct gr_nvml_card card = {0};
    int result = nvml->calls.by_address(address, &card.handle);
    if (result != NVML_OK) {
        snprintf(ret_code, GR_HEALTH_CODE_SIZE, "%s",
                 result == NVML_LOST                                        ? "NVML 15"
                 : result == NVML_RESET_REQUIRED                            ? "NVML 16"
                 : result == NVML_NOT_FOUND || result == NVML_NO_PERMISSION ? "not listed"
                                                                            : "no answer");
        return -ENODEV;
    }
    snprintf(card.device.address, sizeof card.device.address, "%s", address);
    read_card(&nvml->calls, &card);
    *ret_card = card;
    return 0;
}

int gr_nvml_address_of(struct gr_nvml *nvml, unsigned index, char ret_address[32],
                       uint16_t *ret_vendor_id, uint16_t *ret_device_id)
{
    nvml_handle handle;
    struct nvml_pci pci = {0};
    if (nvml->calls.by_index == NULL || nvml->calls.pci == NULL ||
        nvml->calls.by_index(index, &handle) != NVML_OK ||
        nvml->calls.pci(handle, &pci) != NVML_OK) {
        return -ENODEV;
    }
    read_address(&pci, ret_address);
    *ret_vendor_id = (uint16_t)(pci.ids & 0xffff);
    *ret_device_id = (uint16_t)(pci.ids >> 16);
    return 0;
}

int gr_nvml_read_index(struct gr_nvml *nvml, unsigned index, struct gr_nvml_card *ret_card)
{
    struct gr_nvml_card card = {0};
    struct nvml_pci pci = {0};
    if (nvml->calls.by_index == NULL || nvml->calls.pci == NULL ||
        nvml->calls.by_index(index, &card.handle) != NVML_OK ||
        nvml->calls.pci(card.handle, &pci) != NVML_OK) {
        return -ENODEV;
    }
    read_address(&pci, card.device.address);
    card.device.index = index;
    read_card(&nvml->calls, &card);
    *ret_card = card;
    return 0;
}

// ---- events, connections, processes -------------------------------------------------------------

void gr_nvml_listen(struct gr_nvml *nvml, const struct gr_nvml_card *card)
{
    if (nvml->events != NULL && nvml->calls.event_listen != NULL) {
        nvml->calls.event_listen(card->handle, NVML_EVENT_XID, nvml->events);
    }
}

size_t gr_nvml_take_xids(struct gr_nvml *nvml, struct gr_nvml_xid *ret_xids, size_t max)
{
    size_t count = 0;
    bool can_wait = nvml->events != NULL && nvml->calls.event_wait != NULL;
    for (size_t tries = 0; can_wait && count < max && tries < 2 * max; tries++) {
        struct nvml_event event = {0};
        struct nvml_pci pci = {0};
        if (nvml->calls.event_wait(nvml->events, &event, 0) != NVML_OK) {
            break;
        }
        if (event.type != NVML_EVENT_XID) {
            continue;
        }
        struct gr_nvml_xid *xid = &ret_xids[count++];
        *xid = (struct gr_nvml_xid){.number = (uint32_t)event.data};
        if (event.device != NULL && nvml->calls.pci != NULL &&
            nvml->calls.pci(event.device, &pci) == NVML_OK) {
            read_address(&pci, xid->address);
        }
    }
    return count;
}

bool gr_nvml_connected(struct gr_nvml *nvml, void *a, void *b, bool by_link)
{
    unsigned answer;
    if (by_link) {
        return nvml->calls.p2p != NULL &&
               nvml->calls.p2p(a, b, NVML_P2P_NVLINK, &answer) == NVML_OK && answer == 0;
    }
    return nvml->calls.ancestor != NULL && nvml->calls.ancestor(a, b, &answer) == NVML_OK &&
           answer <= NVML_ANCESTOR_SWITCHES;
}

int gr_nvml_processes(struct gr_nvml *nvml, void *handle)
{
    unsigned count = 0;
    if (nvml->calls.processes == NULL) {
        return -1;
    }
    // Without room for the list the library says how long it would be.
    int result = nvml->calls.processes(handle, &count, NULL);
    if (result == NVML_OK) {
        return 0;
    }
    return result == NVML_TOO_SMALL && count <= INT32_MAX ? (int)count : -1;
}
