// What is held against one device: codes that came as events and fade, or stay until somebody does
// something, and codes that hold now. Pure: time comes in. How a class is left again is written in
// docs/design/device.md.
#pragma once

#include "device/device.h"

#include <stdbool.h>
#include <stdint.h>

// Bytes of a vendor's raw code, terminating NUL included; as in struct gr_device.
#define GR_HEALTH_CODE_SIZE 32

// The latest code of each class. Zero-initialised: nothing is held against the device.
struct gr_health_record {
    struct {
        char code[GR_HEALTH_CODE_SIZE]; // "" if there is none
        uint64_t at_ms;                 // when it came last, CLOCK_MONOTONIC
    } of[GR_HEALTHS];                   // by class
};

// Notes that the code came. A code of class good takes nothing away.
void gr_health_record_note(struct gr_health_record *record, const char *vendor, const char *code,
                           uint64_t now_ms);

// The worst class that still counts at `now_ms`, with its code in *ret_code (borrowed from the
// record; "" for good). Classes that fade (data/health-classes.csv) count for so long after the
// last code of theirs, and no longer.
enum gr_health gr_health_record_worst(const struct gr_health_record *record, uint64_t now_ms,
                                      const char **ret_code);

// Takes away the codes of all classes up to `health`, that one included.
void gr_health_record_clear(struct gr_health_record *record, enum gr_health health);

// How long a code of this class counts after it came last, in milliseconds; 0: until somebody does
// something. From data/health-classes.csv. Never fails.
int64_t gr_health_fades_ms(enum gr_health health);
