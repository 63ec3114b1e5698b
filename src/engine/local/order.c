// Orders as bytes: see order.h.
#include "engine/local/order.h"

#include "model/spec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A task in an order; the name of its node follows all of them.
struct task_bytes {
    uint32_t task, device_first, device_count, milli, cpu_milli, memory_mib, part;
};

// ---- writing ------------------------------------------------------------------------------------

// Phrase about what is not sound in an order, or NULL.
static const char *order_wrong(const struct gr_engine_start *start)
{
    if (start->task_count < 1 || start->task_count > GR_TASKS_MAX ||
        start->task_count > start->task_count_all) {
        return "has no task, or too many";
    }
    if (start->device_count > GR_DEVICES_MAX) {
        return "has too many devices";
    }
    if (start->node_count > GR_TASKS_MAX) {
        return "has too many nodes";
    }
    if (start->spec_size < 1 || start->spec_size > GR_SPEC_BYTES_MAX) {
        return "has no spec, or one that is too large";
    }
    for (uint32_t i = 0; i < start->task_count; i++) {
        const struct gr_engine_task *task = &start->tasks[i];
        if (task->device_first > start->device_count ||
            task->device_count > start->device_count - task->device_first) {
            return "has a task whose devices are not in it";
        }
    }
    return NULL;
}

static size_t order_size(const struct gr_engine_start *start)
{
    size_t size = sizeof(struct gr_order_head) + start->spec_size + strlen(start->user) + 1 +
                  start->task_count * sizeof(struct task_bytes) +
                  start->device_count * sizeof(struct gr_device);
    for (uint32_t i = 0; i < start->task_count; i++) {
        size += strlen(start->tasks[i].node) + 1;
    }
    for (uint32_t i = 0; i < start->node_count; i++) {
        size += strlen(start->nodes[i]) + 1;
    }
    return size;
}

static uint8_t *put(uint8_t *to, const void *bytes, size_t size)
{
    if (size > 0) {
        memcpy(to, bytes, size);
    }
    return to + size;
}

static uint8_t *put_text(uint8_t *to, const char *text)
{
    return put(to, text, strlen(text) + 1);
}

static uint8_t *order_put(uint8_t *to, const struct gr_engine_start *start)
{
    struct gr_order_head head = {
        .job = start->job,
        .array = start->array,
        .attempt = start->attempt,
        .epoch = start->epoch,
        .array_index = start->array_index,
        .task_count_all = start->task_count_all,
        .task_count = start->task_count,
        .device_count = start->device_count,
        .node_count = start->node_count,
        .spec_size = (uint32_t)start->spec_size,
    };
    to = put(to, &head, sizeof head);
    for (uint32_t i = 0; i < start->task_count; i++) {
        const struct gr_engine_task *task = &start->tasks[i];
        struct task_bytes bytes = {task->task,  task->device_first, task->device_count,
                                   task->milli, task->cpu_milli,    task->memory_mib,
                                   task->part};
        to = put(to, &bytes, sizeof bytes);
    }
    to = put(to, start->devices, start->device_count * sizeof *start->devices);
    to = put(to, start->spec, start->spec_size);
    to = put_text(to, start->user);
    for (uint32_t i = 0; i < start->task_count; i++) {
        to = put_text(to, start->tasks[i].node);
    }
    for (uint32_t i = 0; i < start->node_count; i++) {
        to = put_text(to, start->nodes[i]);
    }
    return to;
}

int gr_order_add(struct gr_wire_buffer *buffer, enum gr_wire_type type,
                 const struct gr_engine_start *start, struct gr_err *err)
{
    const char *wrong = order_wrong(start);
    size_t size = wrong == NULL ? order_size(start) : 0;
    struct gr_wire_head head = {.type = type};
    if (wrong != NULL || size > GR_WIRE_FRAME_MAX - sizeof head) {
        return gr_fail(err, -EINVAL, "the order to start job %llu %s",
                       (unsigned long long)start->job, wrong != NULL ? wrong : "is too large");
    }
    head.size = (uint32_t)(sizeof head + size);
    uint8_t *to = gr_wire_buffer_more(buffer, head.size);
    if (to == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for an order of %zu bytes", size);
    }
    uint8_t *end = order_put(put(to, &head, sizeof head), start);
    assert((size_t)(end - to) == head.size);
    buffer->end += (size_t)(end - to);
    return 0;
}

// ---- reading ------------------------------------------------------------------------------------

// What is left to read. `bytes` is NULL once something was missing.
struct rest {
    const uint8_t *bytes;
    size_t size;
};

// Takes `size` bytes off the front, or returns NULL.
static const uint8_t *take(struct rest *rest, size_t size)
{
    if (rest->bytes == NULL || size > rest->size) {
        rest->bytes = NULL;
        return NULL;
    }
    const uint8_t *bytes = rest->bytes;
    rest->bytes += size;
    rest->size -= size;
    return bytes;
}

// Takes a text off the front; "" if there is none.
static const char *take_text(struct rest *rest)
{
    const uint8_t *end = rest->bytes == NULL ? NULL : memchr(rest->bytes, '\0', rest->size);
    if (end == NULL) {
        rest->bytes = NULL;
        return "";
    }
    return (const char *)take(rest, (size_t)(end - rest->bytes) + 1);
}

int gr_order_head_read(const uint8_t *bytes, size_t size, struct gr_order_head *ret_head)
{
    if (size < sizeof *ret_head) {
        return -EBADMSG;
    }
    memcpy(ret_head, bytes, sizeof *ret_head);
    return 0;
}

void gr_order_done(struct gr_order *order)
{
    free(order->tasks);
    free(order->devices);
    free(order->nodes);
    *order = (struct gr_order){0};
}

// Copies the devices and ends their texts.
static void devices_read(struct gr_order *order, struct rest *rest, uint32_t count)
{
    const uint8_t *bytes = take(rest, count * sizeof *order->devices);
    if (bytes == NULL || count == 0) {
        return;
    }
    memcpy(order->devices, bytes, count * sizeof *order->devices);
    for (uint32_t i = 0; i < count; i++) {
        struct gr_device *device = &order->devices[i];
        device->variant[sizeof device->variant - 1] = '\0';
        device->name[sizeof device->name - 1] = '\0';
        device->vendor[sizeof device->vendor - 1] = '\0';
        device->uuid[sizeof device->uuid - 1] = '\0';
        device->address[sizeof device->address - 1] = '\0';
        device->path[sizeof device->path - 1] = '\0';
        device->problem[sizeof device->problem - 1] = '\0';
        device->code[sizeof device->code - 1] = '\0';
        unsigned char truth; // a bool of another making may be neither
        memcpy(&truth, &device->is_pretend, 1);
        device->is_pretend = truth != 0;
    }
}

static void tasks_read(struct gr_order *order, struct rest *rest, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct task_bytes bytes;
        const uint8_t *from = take(rest, sizeof bytes);
        if (from == NULL) {
            return;
        }
        memcpy(&bytes, from, sizeof bytes);
        order->tasks[i] = (struct gr_engine_task){
            .task = bytes.task,
            .device_first = bytes.device_first,
            .device_count = bytes.device_count,
            .milli = bytes.milli,
            .cpu_milli = bytes.cpu_milli,
            .memory_mib = bytes.memory_mib,
            .part = bytes.part,
        };
    }
}

static void names_read(struct gr_order *order, struct rest *rest, const struct gr_order_head *head)
{
    order->start.user = take_text(rest);
    for (uint32_t i = 0; i < head->task_count; i++) {
        order->tasks[i].node = take_text(rest);
    }
    for (uint32_t i = 0; i < head->node_count; i++) {
        order->nodes[i] = take_text(rest);
    }
}

int gr_order_decode(const uint8_t *bytes, size_t size, struct gr_order *ret_order,
                    struct gr_err *err)
{
    struct gr_order_head head;
    struct rest rest = {.bytes = bytes, .size = size};
    if (gr_order_head_read(bytes, size, &head) != 0 || head.task_count > GR_TASKS_MAX ||
        head.device_count > GR_DEVICES_MAX || head.node_count > GR_TASKS_MAX) {
        return gr_fail(err, -EBADMSG, "the head of an order is not sound");
    }
    (void)take(&rest, sizeof head);
    struct gr_order order = {
        .tasks = calloc(head.task_count + (size_t)1, sizeof *order.tasks),
        .devices = calloc(head.device_count + (size_t)1, sizeof *order.devices),
        .nodes = calloc(head.node_count + (size_t)1, sizeof *order.nodes),
    };
    if (order.tasks == NULL || order.devices == NULL || order.nodes == NULL) {
        gr_order_done(&order);
        return gr_fail(err, -ENOMEM, "no memory for an order");
    }
    tasks_read(&order, &rest, head.task_count);
    devices_read(&order, &rest, head.device_count);
    order.start = (struct gr_engine_start){
        .job = head.job,
        .attempt = head.attempt,
        .epoch = head.epoch,
        .array = head.array,
        .array_index = head.array_index,
        .task_count_all = head.task_count_all,
        .spec = take(&rest, head.spec_size),
        .spec_size = head.spec_size,
        .tasks = order.tasks,
        .task_count = head.task_count,
        .devices = order.devices,
        .device_count = head.device_count,
        .nodes = order.nodes,
        .node_count = head.node_count,
    };
    names_read(&order, &rest, &head);
    const char *wrong =
        rest.bytes == NULL || rest.size != 0 ? "is not whole" : order_wrong(&order.start);
    if (wrong != NULL) {
        gr_order_done(&order);
        return gr_fail(err, -EBADMSG, "the order to start job %llu %s",
                       (unsigned long long)head.job, wrong);
    }
    *ret_order = order;
    return 0;
}
