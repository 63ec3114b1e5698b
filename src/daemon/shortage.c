// Why there is no room for a demand: see shortage.h.
#include "daemon/shortage.h"

#include "base/number.h"
#include "place/explain.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { AMOUNT_SIZE = 64 };

// --- amounts

// "8 h20", "0.25 of a device", "1 device".
static const char *devices_text(uint32_t devices, uint32_t milli, const char *kind, char *room)
{
    char part[GR_NUMBER_TEXT_SIZE];
    if (devices == 1 && milli < GR_DEVICE_MILLI) {
        snprintf(room, AMOUNT_SIZE, "%.8s of a %.40s", gr_number_format(milli, 3, part),
                 kind[0] == '\0' ? "device" : kind);
    } else if (kind[0] == '\0') {
        snprintf(room, AMOUNT_SIZE, "%" PRIu32 " device%s", devices, devices == 1 ? "" : "s");
    } else {
        snprintf(room, AMOUNT_SIZE, "%" PRIu32 " %.40s", devices, kind);
    }
    return room;
}

static const char *cpu_text(uint32_t milli, char *room)
{
    char number[GR_NUMBER_TEXT_SIZE];
    snprintf(room, AMOUNT_SIZE, "%s cpu%s", gr_number_format(milli, 3, number),
             milli == 1000 ? "" : "s");
    return room;
}

static const char *memory_text(uint32_t mib, char *room)
{
    bool is_round = mib >= 1024 && (mib % 1024 == 0 || mib >= 100 * 1024);
    snprintf(room, AMOUNT_SIZE, "%" PRIu32 " %s", is_round ? mib / 1024 : mib,
             is_round ? "GiB" : "MiB");
    return room;
}

static const char *largest_text(uint32_t count, char *room)
{
    snprintf(room, AMOUNT_SIZE, count == 0 ? "none" : "%" PRIu32, count);
    return room;
}

// --- ever

// The most of each that a node has among those where the demand may go.
struct most {
    uint32_t nodes, devices, cpu_milli, memory_mib;
    uint32_t fitting; // nodes that would take a task if they were empty
    uint64_t tasks;   // that would fit in all of them
};

// Tasks that the node would take if it were empty.
static uint32_t capacity(const struct gr_node *row, const struct gr_node_cold *cold,
                         const struct gr_shape *shape)
{
    uint64_t most = UINT32_MAX;
    if (shape->devices > 0) {
        most = shape->milli < GR_DEVICE_MILLI
                   ? (uint64_t)row->devices * (GR_DEVICE_MILLI / shape->milli)
                   : (uint64_t)row->devices / shape->devices;
    }
    if (shape->cpu_milli > 0 && cold->cpu_milli / shape->cpu_milli < most) {
        most = cold->cpu_milli / shape->cpu_milli;
    }
    if (shape->memory_mib > 0 && cold->memory_mib / shape->memory_mib < most) {
        most = cold->memory_mib / shape->memory_mib;
    }
    return (uint32_t)most;
}

static struct most find_most(const struct gr_place *place, const struct gr_shape *shape,
                             const struct gr_mask *mask)
{
    struct most most = {0};
    uint32_t count = gr_place_node_count(place);
    for (uint32_t n = 0; n < count; n++) {
        const struct gr_node *row = gr_place_node_get(place, n);
        const struct gr_node_cold *cold = gr_place_cold_get(place, n);
        if (!gr_mask_has(mask, row->site, row->variant)) {
            continue;
        }
        uint32_t tasks = capacity(row, cold, shape);
        most.nodes++;
        most.devices = row->devices > most.devices ? row->devices : most.devices;
        most.cpu_milli = cold->cpu_milli > most.cpu_milli ? cold->cpu_milli : most.cpu_milli;
        most.memory_mib = cold->memory_mib > most.memory_mib ? cold->memory_mib : most.memory_mib;
        most.fitting += tasks > 0;
        most.tasks += tasks;
    }
    return most;
}

void gr_shortage_ever(const struct gr_pool *pool, const struct gr_demand *demand,
                      const struct gr_mask *mask, const char *kind, struct gr_shortage *ret)
{
    const struct gr_shape *shape = &demand->shape;
    struct most most = find_most(gr_core_place(pool->core), shape, mask);
    char asked[AMOUNT_SIZE];
    char largest[AMOUNT_SIZE];
    const char *of = kind[0] == '\0' ? "" : " with ";
    *ret = (struct gr_shortage){0};
    if (most.nodes == 0) {
        snprintf(ret->text, sizeof ret->text, "no node%s%.40s is in this pool", of, kind);
    } else if (shape->devices > most.devices) {
        snprintf(ret->text, sizeof ret->text, "no node has %s; the largest has %s",
                 devices_text(shape->devices, shape->milli, kind, asked),
                 largest_text(most.devices, largest));
    } else if (shape->cpu_milli > most.cpu_milli) {
        snprintf(ret->text, sizeof ret->text, "no node%s%.40s has %s; the largest has %s", of, kind,
                 cpu_text(shape->cpu_milli, asked), cpu_text(most.cpu_milli, largest));
    } else if (shape->memory_mib > most.memory_mib) {
        snprintf(ret->text, sizeof ret->text, "no node%s%.40s has %s of memory; the largest has %s",
                 of, kind, memory_text(shape->memory_mib, asked),
                 memory_text(most.memory_mib, largest));
    } else if (most.fitting == 0) {
        snprintf(ret->text, sizeof ret->text,
                 "no node%s%.40s has the devices, cpus and memory of one task together", of, kind);
    } else if (most.tasks < demand->tasks) {
        snprintf(ret->text, sizeof ret->text,
                 "all nodes%s%.40s together hold %" PRIu64 " of its %" PRIu32 " tasks", of, kind,
                 most.tasks, demand->tasks);
        snprintf(ret->hint, sizeof ret->hint, "ask for at most %" PRIu64 " tasks", most.tasks);
    } else {
        snprintf(ret->text, sizeof ret->text,
                 "no group of nodes that are as near to each other as it asks holds its tasks");
    }
}

// --- now

static void __attribute__((format(printf, 3, 4)))
append(char *text, size_t size, const char *fmt, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text + used, size - used, fmt, args);
    va_end(args);
}

// "of 4 nodes 1 is drained or broken, 2 are not of its kind".
static void count_lost(const struct gr_explanation *why, struct gr_shortage *ret)
{
    static const char *const lacks[GR_FILTERS] = {
        [GR_FILTER_STATE] = "drained or broken",       [GR_FILTER_MASK] = "not of its kind",
        [GR_FILTER_DOMAIN] = "in no domain",           [GR_FILTER_CAPACITY] = "too small",
        [GR_FILTER_DEVICES] = "short of free devices", [GR_FILTER_CPU] = "short of free cpus",
        [GR_FILTER_MEMORY] = "short of free memory",
    };
    append(ret->text, sizeof ret->text, "of %" PRIu32 " node%s ", why->nodes,
           why->nodes == 1 ? "" : "s");
    bool is_first = true;
    for (unsigned f = 0; f < GR_FILTER_NONE; f++) {
        if (why->lost[f] > 0) {
            append(ret->text, sizeof ret->text, "%s%" PRIu32 " %s %s", is_first ? "" : ", ",
                   why->lost[f], why->lost[f] == 1 ? "is" : "are", lacks[f]);
            is_first = false;
        }
    }
    if (why->tasks_fit > 0) {
        append(ret->text, sizeof ret->text, "%s%" PRIu32 " of its tasks would fit",
               is_first ? "" : "; ", why->tasks_fit);
    }
}

// What would fit now, by the smallest change.
static void suggest(const struct gr_pool *pool, const struct gr_suggestion *nearest,
                    const char *kind, struct gr_shortage *ret)
{
    char amount[AMOUNT_SIZE];
    const struct gr_place *place = gr_core_place(pool->core);
    switch (nearest->change) {
    case GR_CHANGE_CPU:
        cpu_text(nearest->to, amount);
        break;
    case GR_CHANGE_MEMORY:
        memory_text(nearest->to, amount);
        break;
    case GR_CHANGE_MILLI:
        devices_text(1, nearest->to, kind, amount);
        break;
    case GR_CHANGE_DEVICES:
        devices_text(nearest->to, GR_DEVICE_MILLI, kind, amount);
        break;
    case GR_CHANGE_TASKS:
        snprintf(ret->hint, sizeof ret->hint, "with %" PRIu32 " task%s it would fit now",
                 nearest->to, nearest->to == 1 ? "" : "s");
        return;
    case GR_CHANGE_DOMAIN:
        snprintf(ret->hint, sizeof ret->hint, "without a shared domain it would fit now");
        return;
    case GR_CHANGE_KIND:
        snprintf(ret->hint, sizeof ret->hint, "there is room on %.40s, of another kind",
                 gr_place_cold_get(place, nearest->node)->name);
        return;
    case GR_CHANGE_STATE:
        snprintf(ret->hint, sizeof ret->hint, "there is room on nodes that are drained or broken");
        return;
    }
    snprintf(ret->hint, sizeof ret->hint, "with %.60s a task it would fit now", amount);
}

void gr_shortage_now(struct gr_pool *pool, const struct gr_demand *demand, const char *kind,
                     struct gr_shortage *ret)
{
    struct gr_explanation why;
    *ret = (struct gr_shortage){0};
    gr_place_explain(gr_core_place_refresh(pool->core), demand, &why);
    if (why.fits) {
        snprintf(ret->text, sizeof ret->text, "there is room");
        return;
    }
    count_lost(&why, ret);
    if (why.suggestion_count > 0) {
        suggest(pool, &why.suggestions[0], kind, ret);
    }
}

// --- of submissions

void gr_shortage_refuse(const struct gr_pool *pool, const struct gr_submission *submission,
                        const char *kind, struct gr_pool_refusal *refusal)
{
    struct gr_shortage shortage;
    if (refusal->refusal != GR_REFUSED_NEVER) {
        return;
    }
    gr_shortage_ever(pool, &submission->demand, &submission->mask, kind, &shortage);
    snprintf(refusal->text, sizeof refusal->text, "%s: %s", gr_refusal_text(GR_REFUSED_NEVER),
             shortage.text);
    if (shortage.hint[0] != '\0') {
        snprintf(refusal->hint, sizeof refusal->hint, "%s", shortage.hint);
    }
}

void gr_shortage_wait(struct gr_pool *pool, const struct gr_event *submitted, uint32_t edges,
                      bool is_known, const char *kind, struct gr_pool_refusal *ret_refusal)
{
    uint32_t waiting = gr_core_waiting(pool->core);
    struct gr_shortage shortage = {.hint = "`granary ps` shows what runs"};
    *ret_refusal = (struct gr_pool_refusal){.refusal = GR_REFUSED_NO_ROOM, .status = 503};
    if (edges > 0) {
        ret_refusal->code = "after";
        snprintf(ret_refusal->text, sizeof ret_refusal->text, "it would wait for other jobs");
    } else if (waiting > 0) {
        ret_refusal->code = "turn";
        snprintf(ret_refusal->text, sizeof ret_refusal->text, "%" PRIu32 " job%s before it",
                 waiting, waiting == 1 ? " waits" : "s wait");
    } else {
        ret_refusal->code = gr_refusal_name(GR_REFUSED_NO_ROOM);
        if (is_known) {
            gr_shortage_now(pool, &submitted->submitted.demand, kind, &shortage);
        }
        snprintf(ret_refusal->text, sizeof ret_refusal->text, "there is no room for it now%s%s",
                 is_known ? ": " : "", shortage.text);
    }
    snprintf(ret_refusal->hint, sizeof ret_refusal->hint, "%s", shortage.hint);
}
