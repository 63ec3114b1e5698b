// The inside of a device watch, shared by the files that look, reset and group. Outside of
// src/device nobody includes this.
#pragma once

#include "device/device.h"
#include "device/health.h"
#include "device/ids.h"
#include "device/nvml.h"
#include "device/pci.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Most codes that hold of a device at one time: the library's and our own.
#define GR_WATCH_CODES_MAX (GR_NVML_CODES_MAX + 3)

// A real device that some look found.
struct gr_watch_entry {
    struct gr_device device; // as of the last look that found it
    struct gr_health_record record;
    char codes[GR_WATCH_CODES_MAX][GR_HEALTH_CODE_SIZE]; // that hold now
    size_t code_count;                                   // of codes
    void *handle;      // the library's, NULL if it has none or was closed since
    bool is_listening; // its XIDs are kept by the library that is open now
    bool is_present;   // the look under way, or else the last one, found it
};

// A watch: what it opened, and what it found. Everything after `lock` is used with it held.
struct gr_device_watch {
    pthread_mutex_t lock;
    struct gr_ids *ids;        // owned, as all below
    char *sysfs;               // where to look instead of /sys
    char *nvml_path;           // "" for none
    char *smi;                 // program that resets; "" for none
    struct gr_device *pretend; // that exist only by name
    size_t pretend_count;
    struct gr_nvml *nvml;           // NULL: not open
    char nvml_problem[256];         // why not
    struct gr_watch_entry *entries; // sorted by address; room for GR_DEVICES_MAX
    size_t entry_count;             // of entries
    struct gr_pci_device *found;    // of one scan; room for GR_DEVICES_MAX
    uint64_t ahead_ms;              // added to the clock (tests)
};

// Opens the library if it is not open. What it lacks is told in nvml_problem.
void gr_watch_open_nvml(struct gr_device_watch *watch);

// Closes the library; no entry has a handle after that.
void gr_watch_close_nvml(struct gr_device_watch *watch);

// The entry at this PCI address, or NULL. Borrowed until the next look.
struct gr_watch_entry *gr_watch_find(struct gr_device_watch *watch, const char *address);

// The watch's clock: CLOCK_MONOTONIC, milliseconds.
uint64_t gr_watch_now_ms(const struct gr_device_watch *watch);
