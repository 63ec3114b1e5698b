// Resetting a device between holders and checking its memory, and forgetting what was held against
// it. NVIDIA's library has no call that resets; its program nvidia-smi does, for root, while nobody
// has the device open - and this process does while the library is open.
#include "device/watch.h"

#include "device/smi.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

// With nobody on it a card may still use this part of its memory: the driver, a display.
enum { LEFT_OVER_PART = 8 };

int gr_device_forget(struct gr_device_watch *watch, const char *address, struct gr_err *err)
{
    int rc = 0;
    pthread_mutex_lock(&watch->lock);
    struct gr_watch_entry *entry = gr_watch_find(watch, address);
    if (entry == NULL) {
        rc = gr_fail(err, -ENOENT, "no device at %s was found", address);
    } else if (entry->is_present) {
        gr_health_record_clear(&entry->record, GR_HEALTH_GONE);
    } else {
        size_t at = (size_t)(entry - watch->entries);
        watch->entry_count--;
        memmove(entry, entry + 1, (watch->entry_count - at) * sizeof *entry);
    }
    pthread_mutex_unlock(&watch->lock);
    return rc;
}

// What the library says of the card's memory now. 0: nothing wrong. Errors that were met and
// contained do not speak against new work; after a reset (`is_fresh`) there must be none.
static int check_memory(struct gr_nvml *nvml, const struct gr_nvml_card *card, bool is_fresh,
                        struct gr_err *err)
{
    const struct gr_device *device = &card->device;
    int processes = gr_nvml_processes(nvml, card->handle);
    if (processes > 0) {
        return gr_fail(err, -EBUSY, "%s: %d processes still use it", device->address, processes);
    }
    if (processes == 0 && (device->known & GR_DEVICE_MEMORY_USED) != 0 &&
        device->memory_used_mib > device->memory_mib / LEFT_OVER_PART) {
        return gr_fail(err, -EIO, "%s: %llu MiB are in use by nobody", device->address,
                       (unsigned long long)device->memory_used_mib);
    }
    for (size_t i = 0; i < card->code_count; i++) {
        if (!gr_health_effect_of(gr_health_of("NVIDIA", card->codes[i])).takes_new) {
            return gr_fail(err, -EIO, "%s: %s", device->address, card->codes[i]);
        }
    }
    if (is_fresh && (device->known & GR_DEVICE_ECC) != 0 && device->ecc_errors > 0) {
        return gr_fail(err, -EIO, "%s: %llu uncorrected memory errors", device->address,
                       (unsigned long long)device->ecc_errors);
    }
    return 0;
}

// Asks about the card. If the library has no handle for it, `code` says why (else it is "").
static int read_card(struct gr_device_watch *watch, const char *address,
                     struct gr_nvml_card *ret_card, char code[GR_HEALTH_CODE_SIZE],
                     struct gr_err *err)
{
    code[0] = '\0';
    gr_watch_open_nvml(watch);
    if (watch->nvml == NULL) {
        return gr_fail(err, -ENOTSUP, "ask about %s: %s", address,
                       watch->nvml_problem[0] != '\0' ? watch->nvml_problem
                                                      : "no library is asked");
    }
    int rc = gr_nvml_read_at(watch->nvml, address, ret_card, code);
    if (rc == -ENOSYS) {
        return gr_fail(err, -ENOTSUP, "ask about %s: the library is too old", address);
    }
    return rc < 0 ? gr_fail(err, -EIO, "ask about %s: %s", address, code) : 0;
}

// Why nvidia-smi cannot be run, or NULL.
static const char *lacks(const struct gr_device_watch *watch)
{
    if (watch->smi[0] == '\0') {
        return "nvidia-smi is not installed";
    }
    return geteuid() == 0 ? NULL : "only root may reset devices";
}

// Errors that a reset would take away do not speak against one; that somebody uses it does.
static int reset_nvidia(struct gr_device_watch *watch, const char *address, struct gr_err *err)
{
    struct gr_nvml_card card;
    char code[GR_HEALTH_CODE_SIZE];
    const char *missing = lacks(watch);
    int rc = read_card(watch, address, &card, code, err);
    bool asks_for_it = code[0] != '\0' && gr_health_of("NVIDIA", code) == GR_HEALTH_RESET;
    if (rc < 0 && !asks_for_it) {
        return rc;
    }
    if (rc == 0) {
        rc = check_memory(watch->nvml, &card, false, err);
    }
    if (rc == -EBUSY || (rc < 0 && missing != NULL)) {
        return rc;
    }
    if (missing != NULL) {
        return gr_fail(err, -ENOTSUP, "reset %s: %s", address, missing);
    }
    gr_watch_close_nvml(watch);
    int reset = gr_smi_reset(watch->smi, address, GR_SMI_RESET_MS, err);
    if (reset == -EBUSY) {
        reset = -ENOTSUP; // no work is on it: a service of the machine keeps it open
    }
    if (reset < 0 && reset != -ENOTSUP) {
        return reset;
    }
    struct gr_err check_err;
    gr_err_init(&check_err);
    rc = read_card(watch, address, &card, code, &check_err);
    if (rc == 0) {
        rc = check_memory(watch->nvml, &card, reset == 0, &check_err);
    }
    if (rc < 0) {
        return gr_fail(err, rc, "after the reset: %s", check_err.text);
    }
    return reset;
}

int gr_device_check(struct gr_device_watch *watch, const struct gr_device *device,
                    struct gr_err *err)
{
    struct gr_nvml_card card;
    char code[GR_HEALTH_CODE_SIZE];
    if (device->is_pretend) {
        return 0;
    }
    if (strcmp(device->vendor, "NVIDIA") != 0) {
        return gr_fail(err, -ENOTSUP, "check %s: no way is known to check devices of %s",
                       device->address, device->vendor);
    }
    pthread_mutex_lock(&watch->lock);
    int rc = read_card(watch, device->address, &card, code, err);
    if (rc == 0) {
        rc = check_memory(watch->nvml, &card, false, err);
    }
    pthread_mutex_unlock(&watch->lock);
    return rc;
}

int gr_device_reset(struct gr_device_watch *watch, const struct gr_device *device,
                    struct gr_err *err)
{
    if (device->is_pretend) {
        return 0;
    }
    if (strcmp(device->vendor, "NVIDIA") != 0) {
        return gr_fail(err, -ENOTSUP, "reset %s: no way is known to reset devices of %s",
                       device->address, device->vendor);
    }
    pthread_mutex_lock(&watch->lock);
    int rc = reset_nvidia(watch, device->address, err);
    struct gr_watch_entry *entry = gr_watch_find(watch, device->address);
    if (rc == 0 && entry != NULL) {
        gr_health_record_clear(&entry->record, GR_HEALTH_RESET);
    }
    pthread_mutex_unlock(&watch->lock);
    return rc;
}
