// The nodes of this machine: enrolment, states, devices that come and go. See pool.h.
#include "base/clock.h"
#include "core/windows.h"
#include "daemon/notes.h"
#include "daemon/pool.h"
#include "daemon/seats.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

// What a pretend device brings along; pretended too.
#define PRETEND_CPU_MILLI 16000u
#define PRETEND_MEMORY_MIB (128u << 10)

uint32_t gr_pool_node_find(const struct gr_pool *pool, struct gr_slice name)
{
    const struct gr_place *place = gr_core_place(pool->core);
    uint32_t count = gr_place_node_count(place);
    for (uint32_t i = 0; i < count; i++) {
        if (gr_slice_is(name, gr_place_cold_get(place, i)->name)) {
            return i;
        }
    }
    return UINT32_MAX;
}

// A fact of enrolment; a refusal is a limit that is too small.
static int enrol_fact(struct gr_pool *pool, const struct gr_event *event, const char *what,
                      struct gr_err *err)
{
    enum gr_refusal refusal = gr_core_check(pool->core, event);
    if (refusal != GR_REFUSED_NOTHING) {
        return gr_fail(err, -ENOSPC, "add %s: %s", what, gr_refusal_text(refusal));
    }
    gr_pool_fact(pool, event);
    return 0;
}

static int take_site(struct gr_pool *pool, const char *name, uint32_t *ret_site, struct gr_err *err)
{
    uint32_t count = gr_core_site_count(pool->core);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(gr_core_site_get(pool->core, i)->name, name) == 0) {
            *ret_site = i;
            return 0;
        }
    }
    struct gr_event event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_SITE_ADDED);
    event.site = (struct gr_site){.owner = 0};
    snprintf(event.site.name, sizeof event.site.name, "%s", name);
    int rc = enrol_fact(pool, &event, name, err);
    if (rc == 0) {
        *ret_site = count;
    }
    return rc;
}

static int take_variant(struct gr_pool *pool, const char *name, uint8_t *ret_variant,
                        struct gr_err *err)
{
    uint32_t count = gr_core_variant_count(pool->core);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(gr_core_variant_get(pool->core, i), name) == 0) {
            *ret_variant = (uint8_t)i;
            return 0;
        }
    }
    struct gr_event event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_VARIANT_ADDED);
    memset(event.variant, 0, sizeof event.variant);
    snprintf(event.variant, sizeof event.variant, "%s", name);
    int rc = enrol_fact(pool, &event, name, err);
    if (rc == 0) {
        *ret_variant = (uint8_t)count;
    }
    return rc;
}

// Devices of this machine that make one node: same variant, real or pretend, at most
// GR_NODE_DEVICES_MAX.
struct bunch {
    const char *variant; // "" without devices
    bool is_pretend;
    uint32_t first, count; // into pool->devices
    char name[GR_NAME_SIZE];
    uint32_t cpu_milli, memory_mib;
    uint32_t link; // devices of one group on one fast connection; 0: not known, or groups differ
};

// Devices that the groups of a bunch have, if all have as many and each lies together; else 0.
static uint32_t link_of(const uint32_t *groups, uint32_t count)
{
    uint32_t size = 0;
    while (size < count && groups[size] != GR_DOMAIN_NONE && groups[size] == groups[0]) {
        size++;
    }
    bool are_alike = size > 0 && count % size == 0;
    for (uint32_t d = 0; d < count && are_alike; d++) {
        are_alike = groups[d] != GR_DOMAIN_NONE && groups[d] == groups[d - d % size] &&
                    (d < size || groups[d] != groups[d - size]);
    }
    return are_alike ? size : 0;
}

static int add_node(struct gr_pool *pool, const struct bunch *bunch, uint8_t variant,
                    struct gr_err *err)
{
    struct gr_event event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_NODE_ADDED);
    memset(&event.node, 0, sizeof event.node);
    struct gr_node *row = &event.node.row;
    row->variant = variant;
    row->site = (uint8_t)(bunch->is_pretend ? pool->site_pretend : pool->site_here);
    row->devices = (uint8_t)bunch->count;
    row->cpu_milli = bunch->cpu_milli;
    row->memory_mib = bunch->memory_mib;
    // One machine lies in one rack, one block, one fabric: those of its site.
    for (uint32_t l = 0; l < GR_DOMAIN_LEVELS; l++) {
        bool is_known =
            l + 1 < GR_DOMAIN_LEVELS && pool->config.core.limits.place.domains[l] > row->site;
        row->domain[l] = is_known ? row->site : GR_DOMAIN_NONE;
    }
    if (bunch->link > 0) {
        row->domain[GR_DOMAIN_LEVELS - 1] = GR_DOMAIN_INNER | bunch->link;
    }
    for (uint32_t d = 0; d < bunch->count; d++) {
        row->free[d] = GR_DEVICE_MILLI;
    }
    gr_node_summarise(row);
    memcpy(event.node.name, bunch->name, sizeof event.node.name);
    return enrol_fact(pool, &event, bunch->name, err);
}

// Adds the node of a bunch, or takes the one of that name in again.
static int enrol_bunch(struct gr_pool *pool, const struct bunch *bunch, struct gr_err *err)
{
    const struct gr_place *place = gr_core_place(pool->core);
    uint32_t number = gr_pool_node_find(pool, gr_slice_of(bunch->name));
    if (number == UINT32_MAX) {
        uint8_t variant;
        // A machine without devices carries the variant "none".
        int rc = take_variant(pool, bunch->count == 0 ? "none" : bunch->variant, &variant, err);
        rc = rc != 0 ? rc : add_node(pool, bunch, variant, err);
        if (rc != 0) {
            return rc;
        }
        number = gr_place_node_count(place) - 1;
    }
    pool->nodes[number].is_here = true;
    pool->nodes[number].device_first = bunch->first;
    pool->nodes[number].device_count = bunch->count;
    return 0;
}

// Facts about which devices of a node are out of use, from their health.
static void set_devices_out(struct gr_pool *pool, uint32_t number)
{
    const struct gr_node *row = gr_place_node_get(gr_core_place(pool->core), number);
    const struct gr_node_cold *cold = gr_place_cold_get(gr_core_place(pool->core), number);
    const struct gr_pool_node *node = &pool->nodes[number];
    for (uint32_t d = 0; d < row->devices; d++) {
        enum gr_health health = d < node->device_count
                                    ? pool->devices.devices[node->device_first + d].health
                                    : GR_HEALTH_GONE;
        bool is_out = !gr_health_effect_of(health).takes_new;
        if (is_out == ((cold->out >> d & 1u) != 0)) {
            continue;
        }
        struct gr_event event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_DEVICES_SET);
        event.devices_set.node = number;
        event.devices_set.devices = (uint16_t)(1u << d);
        event.devices_set.is_out = is_out;
        event.devices_set.health = (uint8_t)health;
        gr_pool_fact(pool, &event);
    }
}

// Nodes of this machine's sites that were not found this time are out of use; those that are back
// are taken in again. Who drained one by hand is not overruled.
static void set_found(struct gr_pool *pool)
{
    const struct gr_place *place = gr_core_place(pool->core);
    uint32_t count = gr_place_node_count(place);
    for (uint32_t i = 0; i < count; i++) {
        const struct gr_node *row = gr_place_node_get(place, i);
        if (row->site != pool->site_here && row->site != pool->site_pretend) {
            continue;
        }
        bool is_here = pool->nodes[i].is_here;
        if (!is_here && row->state != GR_NODE_BROKEN) {
            gr_pool_node_set(pool, i, GR_NODE_BROKEN, true, -1, "not found on this machine");
        } else if (is_here && row->state == GR_NODE_BROKEN) {
            gr_pool_node_set(pool, i, GR_NODE_UP, false, -1, "");
        }
        pool->nodes[i].is_here = true; // its jobs are this engine's, if any are left
        if (is_here) {
            set_devices_out(pool, i);
        }
    }
}

// Named after the host and, if it has devices, by what users call them: "gpu7/h20", "gpu7/h20-2".
static void name_bunch(const struct gr_pool *pool, struct bunch *bunch, const char *host,
                       uint32_t number)
{
    char suffix[16] = "";
    int row = gr_catalogue_find(&pool->catalogue, gr_slice_of(bunch->variant));
    struct gr_slice kind =
        row < 0 ? gr_slice_of(bunch->variant) : gr_variant_name(&pool->catalogue.variants[row]);
    int most = kind.size > 17 ? 17 : (int)kind.size;
    if (number > 0) {
        snprintf(suffix, sizeof suffix, "-%u", (number + 1) % 10000);
    }
    // Hosts have at most 23 characters here; the variant gives way.
    snprintf(bunch->name, sizeof bunch->name, "%.23s%s%.*s%.6s", host, most == 0 ? "" : "/", most,
             kind.text, suffix);
}

// The machine's own cpus and memory go to its node without devices, or are divided among the nodes
// of its real devices.
static void size_bunch(struct bunch *bunch, uint32_t real_devices)
{
    if (bunch->is_pretend) {
        bunch->cpu_milli = PRETEND_CPU_MILLI * bunch->count;
        bunch->memory_mib = PRETEND_MEMORY_MIB * bunch->count;
        return;
    }
    struct sysinfo info;
    uint64_t memory_mib =
        sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit >> 20 : 1024;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t cpu_milli = cpus > 0 ? (uint64_t)cpus * 1000 : 1000;
    uint64_t share = bunch->count == 0 ? 1 : bunch->count;
    uint64_t all = real_devices == 0 ? 1 : real_devices;
    bunch->cpu_milli = (uint32_t)(cpu_milli * share / all);
    bunch->memory_mib = (uint32_t)(memory_mib * share / all);
}

// A node for each run of seats that name it; then new nodes for devices that have no seat yet.
static int enrol_seated(struct gr_pool *pool, const struct gr_seats *seats, const uint32_t *groups,
                        uint32_t real, struct gr_err *err)
{
    for (size_t at = 0; at < seats->count;) {
        const struct gr_seat *first = &seats->items[at];
        struct bunch bunch = {
            .variant = first->variant, .is_pretend = first->is_pretend, .first = (uint32_t)at};
        memcpy(bunch.name, first->node, sizeof bunch.name);
        while (at < seats->count && strcmp(seats->items[at].node, first->node) == 0) {
            bunch.count++;
            at++;
        }
        bunch.link = link_of(groups + bunch.first, bunch.count);
        size_bunch(&bunch, real);
        int rc = enrol_bunch(pool, &bunch, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int enrol_new(struct gr_pool *pool, const char *host, const uint32_t *groups, uint32_t real,
                     struct gr_seats *seats, struct gr_err *err)
{
    const struct gr_device_list *list = &pool->devices;
    for (size_t at = seats->count; at < list->count;) {
        const struct gr_device *first = &list->devices[at];
        struct bunch bunch = {
            .variant = first->variant, .is_pretend = first->is_pretend, .first = (uint32_t)at};
        while (at < list->count && bunch.count < GR_NODE_DEVICES_MAX &&
               list->devices[at].is_pretend == first->is_pretend &&
               strcmp(list->devices[at].variant, first->variant) == 0) {
            bunch.count++;
            at++;
        }
        if (first->variant[0] == '\0') {
            continue; // nothing is known about it: shown, never given
        }
        uint32_t number = 0;
        do { // the first name that no node has
            name_bunch(pool, &bunch, host, number++);
        } while (gr_pool_node_find(pool, gr_slice_of(bunch.name)) != UINT32_MAX);
        bunch.link = link_of(groups + bunch.first, bunch.count);
        size_bunch(&bunch, real);
        int rc = enrol_bunch(pool, &bunch, err);
        for (uint32_t d = 0; d < bunch.count && rc == 0; d++) {
            rc = gr_seats_add(seats, bunch.name, d, &list->devices[bunch.first + d], err);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int enrol_devices(struct gr_pool *pool, const char *host, struct gr_err *err)
{
    struct gr_seats seats = {0};
    int rc = gr_seats_read(pool->dir.path, &seats, err);
    rc = rc != 0 ? rc : gr_seats_order(&seats, &pool->devices, err);
    uint32_t real = 0;
    uint32_t *groups = calloc(pool->devices.count + 1, sizeof *groups);
    if (groups == NULL) {
        rc = rc != 0 ? rc : gr_fail(err, -ENOMEM, "out of memory");
    } else {
        gr_device_watch_domains(pool->watch, &pool->devices, groups);
    }
    for (size_t i = 0; i < pool->devices.count; i++) {
        const struct gr_device *device = &pool->devices.devices[i];
        real += !device->is_pretend && device->variant[0] != '\0';
    }
    struct bunch none = {.variant = ""};
    if (rc == 0 && real == 0) {
        name_bunch(pool, &none, host, 0);
        size_bunch(&none, 0);
        rc = enrol_bunch(pool, &none, err);
    }
    size_t before = seats.count;
    rc = rc != 0 ? rc : enrol_seated(pool, &seats, groups, real, err);
    rc = rc != 0 ? rc : enrol_new(pool, host, groups, real, &seats, err);
    // Written before the facts about new nodes are durable: a seat without its node is made good at
    // the next start, a node without seats would not be.
    if (rc == 0 && seats.count > before) {
        rc = gr_seats_write(pool->dir.path, &seats, err);
    }
    gr_seats_done(&seats);
    free(groups);
    return rc;
}

int gr_pool_enrol(struct gr_pool *pool, struct gr_err *err)
{
    pool->site_here = pool->site_pretend = UINT32_MAX;
    if (gr_core_org_count(pool->core) == 0) {
        struct gr_event event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_ORG_ADDED);
        event.org = (struct gr_org){.parent = UINT32_MAX, .name = "owner"};
        int rc = enrol_fact(pool, &event, "the owner's organisation", err);
        if (rc != 0) {
            return rc;
        }
    }
    if (!pool->config.has_engine) {
        return 0;
    }
    char host[GR_NAME_SIZE] = "";
    if (gethostname(host, 24) != 0 || host[0] == '\0') {
        snprintf(host, sizeof host, "localhost");
    }
    host[23] = '\0';
    int rc = gr_device_watch_look(pool->watch, &pool->devices, err);
    rc = rc != 0 ? rc : take_site(pool, "local", &pool->site_here, err);
    rc = rc != 0 ? rc : take_site(pool, "pretend", &pool->site_pretend, err);
    if (rc != 0) {
        return rc;
    }
    rc = enrol_devices(pool, host, err);
    if (rc != 0) {
        return rc;
    }
    pool->reported = calloc(pool->devices.count + 1, sizeof *pool->reported);
    if (pool->reported == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the devices");
    }
    gr_pool_devices_note(pool);
    rc = gr_notes_read(pool, err);
    if (rc == 0) {
        set_found(pool);
    }
    return rc;
}

// Stops what holds one of `devices`, or only the tasks that do, where the job can go on without
// them, (bits) of a node, or anything of it if they are 0.
static void stop_on_node(struct gr_pool *pool, uint32_t node, uint32_t devices, int64_t grace_ms)
{
    uint32_t cursor = 0;
    const struct gr_job *job;
    while ((job = gr_core_job_next(pool->core, &cursor)) != NULL) {
        if (job->state != GR_JOB_RUNNING || job->stop_why != GR_STOP_NOT) {
            continue;
        }
        uint32_t count = gr_core_job_pieces(pool->core, job->id, pool->pieces, job->demand.tasks);
        for (uint32_t i = 0; i < count; i++) {
            const struct gr_piece *piece = &pool->pieces[i];
            if (piece->node == node && (devices == 0 || (piece->devices & devices) != 0)) {
                if (!gr_pool_part_stop(pool, job, node, devices, grace_ms)) {
                    gr_pool_stop(pool, job->id, GR_STOP_NODE, 0, grace_ms);
                }
                break;
            }
        }
    }
}

void gr_pool_node_set(struct gr_pool *pool, uint32_t node, enum gr_node_state state, bool drain,
                      int64_t grace_ms, const char *why)
{
    // As facts set it: maintenance by a window hides it.
    if (gr_core_node_state(pool->core, node) != state) {
        struct gr_event event = gr_decide_fact(pool->core, gr_pool_now(pool), GR_NODE_STATE_SET);
        event.node_state.node = node;
        event.node_state.state = state;
        gr_pool_fact(pool, &event);
    }
    snprintf(pool->nodes[node].why, sizeof pool->nodes[node].why, "%s", why);
    pool->nodes[node].is_by_care = false;
    (void)gr_notes_write(pool, NULL); // only for people: the fact says what counts
    if (drain) {
        stop_on_node(pool, node, 0, grace_ms);
    }
}

void gr_pool_devices_note(struct gr_pool *pool)
{
    for (size_t i = 0; i < pool->devices.count; i++) {
        const struct gr_device *device = &pool->devices.devices[i];
        struct gr_pool_reported *reported = &pool->reported[i];
        reported->driver = device->health;
        memcpy(reported->driver_problem, device->problem, sizeof reported->driver_problem);
        memcpy(reported->driver_code, device->code, sizeof reported->driver_code);
    }
}

// What scripts reported counts beside what the driver says: the worse of the two, until it fades.
static void merge_reported(struct gr_pool *pool)
{
    int64_t now_ms = gr_clock_ms();
    for (size_t i = 0; i < pool->devices.count; i++) {
        struct gr_device *device = &pool->devices.devices[i];
        struct gr_pool_reported *reported = &pool->reported[i];
        if (reported->until_ms != 0 && reported->until_ms <= now_ms) {
            reported->health = GR_HEALTH_GOOD;
            reported->until_ms = 0;
        }
        bool is_drivers = reported->health <= reported->driver;
        device->health = is_drivers ? reported->driver : reported->health;
        memcpy(device->problem, is_drivers ? reported->driver_problem : reported->text,
               sizeof device->problem);
        snprintf(device->code, sizeof device->code, "%s",
                 is_drivers ? reported->driver_code : "node-check");
        if (reported->is_in_reset && device->health < GR_HEALTH_RESET) {
            // Whoever says meanwhile that it is well: a job on it would be hit.
            device->health = GR_HEALTH_RESET;
            snprintf(device->problem, sizeof device->problem, "it is being reset");
        }
        if (device->health != GR_HEALTH_RESET) {
            reported->is_reset_no_help = false;
        }
    }
}

void gr_pool_devices_apply(struct gr_pool *pool)
{
    merge_reported(pool);
    const struct gr_place *place = gr_core_place(pool->core);
    uint32_t count = gr_place_node_count(place);
    for (uint32_t n = 0; n < count; n++) {
        const struct gr_pool_node *node = &pool->nodes[n];
        if (node->device_count == 0) {
            continue;
        }
        set_devices_out(pool, n);
        for (uint32_t d = 0; d < node->device_count; d++) {
            const struct gr_device *device = &pool->devices.devices[node->device_first + d];
            struct gr_health_effect effect = gr_health_effect_of(device->health);
            if (effect.stops_running) {
                stop_on_node(pool, n, 1u << d, -1);
            }
            if (effect.drains_node) {
                char why[128];
                snprintf(why, sizeof why, "device %s: %s %.60s", device->address,
                         gr_health_name(device->health), device->problem);
                gr_pool_care_drain(pool, n, why);
            }
        }
    }
}

void gr_pool_devices_take(struct gr_pool *pool, struct gr_device_list *devices)
{
    // Devices are known by their address; what is new takes part after the next start.
    for (size_t i = 0; i < pool->devices.count; i++) {
        struct gr_device *mine = &pool->devices.devices[i];
        const struct gr_device *now = NULL;
        for (size_t k = 0; k < devices->count && now == NULL; k++) {
            now = strcmp(devices->devices[k].address, mine->address) == 0 ? &devices->devices[k]
                                                                          : NULL;
        }
        if (now != NULL) {
            char variant[GR_NAME_SIZE];
            memcpy(variant, mine->variant, sizeof variant);
            *mine = *now;
            memcpy(mine->variant, variant, sizeof variant);
        } else {
            mine->health = GR_HEALTH_GONE;
        }
    }
    gr_device_list_done(devices);
    gr_pool_devices_note(pool);
    gr_pool_devices_apply(pool);
}
