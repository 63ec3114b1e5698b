// An order to start an attempt as bytes: body of a GR_WIRE_START frame, and what a record keeps.
//
// A fixed head, then tasks, devices, names, spec. In the machine's own byte order (see wire.h).
#pragma once

#include "base/err.h"
#include "engine/engine.h"
#include "engine/local/wire.h"
#include "model/spec.h"

#include <stddef.h>
#include <stdint.h>

// Begins an order; all that the launcher reads of it.
struct gr_order_head {
    // As in struct gr_engine_start.
    uint64_t job, array;
    uint32_t attempt, epoch, array_index, task_count_all;
    uint32_t task_count, device_count, node_count, spec_size; // what follows
};

// A decoded order. Texts and spec borrow from the bytes, arrays are its own.
struct gr_order {
    struct gr_engine_start start;
    // On the heap; `start` points to them.
    struct gr_engine_task *tasks;
    struct gr_device *devices;
    const char **nodes;
};

// Adds the order as a frame of this type (GR_WIRE_START, GR_WIRE_PART_START) to the buffer. Returns
// 0, -EINVAL with a text if it is no sound order (no task, tasks whose devices are not there, too
// large), -ENOMEM.
int gr_order_add(struct gr_wire_buffer *buffer, enum gr_wire_type type,
                 const struct gr_engine_start *start, struct gr_err *err);
// Reads the head alone. -EBADMSG if the bytes are too few.
int gr_order_head_read(const uint8_t *bytes, size_t size, struct gr_order_head *ret_head);
// Reads an order. -EBADMSG with a text if it is not sound; -ENOMEM. On success the caller calls
// gr_order_done.
int gr_order_decode(const uint8_t *bytes, size_t size, struct gr_order *ret_order,
                    struct gr_err *err);
// Frees what gr_order_decode made.
void gr_order_done(struct gr_order *order);
