// NVIDIA's management library, opened with dlopen: what it says of one card at a time. A call that
// fails leaves its measurement unknown and is told in `problem`; it never hides another card.
#pragma once

#include "base/err.h"
#include "device/device.h"
#include "device/health.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The open library. Opaque, heap; one thread at a time.
struct gr_nvml;

// Most codes that can hold of a card at one time.
#define GR_NVML_CODES_MAX 6

// What one card says.
struct gr_nvml_card {
    void *handle;            // the library's, until gr_nvml_close
    struct gr_device device; // address, index, name, uuid, path, measurements, known, problem
    char codes[GR_NVML_CODES_MAX][GR_HEALTH_CODE_SIZE]; // that hold now: "remap pending"
    size_t code_count;                                  // of codes
};

// An XID that came.
struct gr_nvml_xid {
    char address[32]; // PCI address; "" if the library did not say of which card
    uint32_t number;  // the XID
};

// Opens and initialises the library at `path`. -ENOENT if there is none, -ENXIO if it has no
// driver to talk to or lacks a function that nothing works without. The caller closes *ret_nvml.
int gr_nvml_open(const char *path, struct gr_nvml **ret_nvml, struct gr_err *err);

// Shuts the library down, so that this process holds no device any more. NULL is allowed.
void gr_nvml_close(struct gr_nvml *nvml);

// Number of cards the library lists; 0 if it cannot say.
unsigned gr_nvml_count(struct gr_nvml *nvml);

// Asks about the card at a PCI address. -ENODEV if the library has no handle for it: then
// ret_code (GR_HEALTH_CODE_SIZE bytes) says what that means for its health. -ENOSYS if the library
// cannot look up by address. May block for as long as the driver does.
int gr_nvml_read_at(struct gr_nvml *nvml, const char *address, struct gr_nvml_card *ret_card,
                    char *ret_code);

// The PCI address and ids of the card with this index, without asking for more. -ENODEV if the
// library does not say.
int gr_nvml_address_of(struct gr_nvml *nvml, unsigned index, char ret_address[32],
                       uint16_t *ret_vendor_id, uint16_t *ret_device_id);

// As gr_nvml_read_at by index.
int gr_nvml_read_index(struct gr_nvml *nvml, unsigned index, struct gr_nvml_card *ret_card);

// From now on XIDs of this card are kept for gr_nvml_take_xids. Once for each card and each time
// the library was opened. Cards without events: no error.
void gr_nvml_listen(struct gr_nvml *nvml, const struct gr_nvml_card *card);

// Takes up to `max` XIDs that came, oldest first, without waiting. Returns how many.
size_t gr_nvml_take_xids(struct gr_nvml *nvml, struct gr_nvml_xid *ret_xids, size_t max);

// Whether the two cards share a fast connection: NVLink if `by_link`, else no more than PCIe
// switches between them. False if the library does not say.
bool gr_nvml_connected(struct gr_nvml *nvml, void *a, void *b, bool by_link);

// Processes that compute on the card; -1 if the library does not say.
int gr_nvml_processes(struct gr_nvml *nvml, void *handle);
