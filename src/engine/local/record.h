// The record of an attempt: one file, DIR/live/JOB.ATTEMPT, from the order until it is forgotten.
//
//     0     head     what and when, the machine's boot; written once, with the order
//     128   life     by the keeper: pid, since when its tasks run, since when they are idle
//     192   wish     by the launcher: stop, and signals to send
//     512   end      by the keeper: how it ended; the room is taken at the start, so that a full
//                    disk refuses a start and loses no end
//     1024  order    the bytes of the order (wire.h)
//
// Each part has one writer and a checksum of its own; a part that is not whole counts as not
// written. Numbers are in the machine's own order: a record never leaves it. The keeper holds a
// lock on the file (flock) for as long as it lives, so nobody has to trust a pid.
#pragma once

#include "base/err.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of a boot's id.
#define GR_RECORD_BOOT_SIZE 16
// Signals that a wish can hold: 1..64.
#define GR_RECORD_SIGNALS 65
// Bytes before the order.
#define GR_RECORD_ORDER_AT 1024

// What and when.
struct gr_record_head {
    uint64_t job;                      // id
    uint32_t attempt;                  // of the job
    uint32_t epoch;                    // of the order
    uint8_t boot[GR_RECORD_BOOT_SIZE]; // the machine's when it was made
    int64_t made_ms;                   // Unix time
    uint32_t order_size;               // bytes
    uint32_t has_parts;                // its keeper knows orders about single tasks
};

// How far the keeper is.
struct gr_record_life {
    int64_t started_ms; // 0: nothing was started yet
    int64_t idle_ms;    // held-idle since; 0: not
    int32_t pid;        // of the keeper
    uint32_t reserved;
};

// What the keeper shall do. Signals are counted, so that one that was seen is not taken for a new
// one.
struct gr_record_wish {
    uint32_t stop_signal; // 0: no stop
    uint32_t reserved;
    int64_t grace_ms; // from the stop signal to KILL
    // How often each was to be sent, by its number.
    uint8_t signals[GR_RECORD_SIGNALS + 7];
};

// How it ended.
struct gr_record_end {
    uint32_t type; // enum gr_engine_report_type: GR_REPORT_ENDED or GR_REPORT_REFUSED
    uint32_t reserved;
    // As in a report (struct gr_engine_report, struct gr_engine_end).
    int64_t ended_ms;
    int64_t started_ms;
    int32_t exit_code;
    uint32_t signal;
    uint32_t task;
    uint8_t is_out_of_memory;
    uint8_t is_stopped;
    uint8_t padding[2];
    uint64_t cpu_ms;
    uint64_t peak_kib;
    char text[256];
};

// A record as it was read. A part that is not there (yet) is zero.
struct gr_record {
    struct gr_record_head head;
    struct gr_record_life life;
    struct gr_record_wish wish;
    struct gr_record_end end;
};

// Reads this boot's id into ret_boot (GR_RECORD_BOOT_SIZE bytes). Returns 0 or -errno with a text.
int gr_record_boot_read(uint8_t *ret_boot, struct gr_err *err);

// Makes the record of an attempt in the open directory `live` and locks it; `head` without sizes
// and time is filled in. Returns 0 with a file descriptor that holds the lock (handed on by fork);
// -EEXIST if there is one; other -errno with a text, and nothing is left.
int gr_record_make(int live, const struct gr_record_head *head, const uint8_t *order, size_t size,
                   int *ret_fd, struct gr_err *err);
// Opens a record to read and write. Returns 0, -ENOENT or other -errno with a text.
int gr_record_open(int live, uint64_t job, uint32_t attempt, int *ret_fd, struct gr_err *err);
// Reads all parts. -EBADMSG with a text if the head is no record's.
int gr_record_read(int fd, struct gr_record *ret_record, struct gr_err *err);
// Whether a keeper holds the lock.
bool gr_record_is_held(int fd);

// Each writes one part whole. Returns 0 or -errno with a text.
int gr_record_life_write(int fd, const struct gr_record_life *life, struct gr_err *err);
// See gr_record_life_write.
int gr_record_wish_write(int fd, const struct gr_record_wish *wish, struct gr_err *err);
// See gr_record_life_write.
int gr_record_end_write(int fd, const struct gr_record_end *end, struct gr_err *err);
// Reads the wish alone, for the keeper; zero if it is not whole (it is read again then).
void gr_record_wish_read(int fd, struct gr_record_wish *ret_wish);
