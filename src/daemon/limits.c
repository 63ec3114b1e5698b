// Limits of the core of a state directory: see limits.h.
#include "daemon/limits.h"

#include "base/json.h"
#include "daemon/state_dir.h"
#include "place/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct gr_core_config gr_limits_default(void)
{
    return (struct gr_core_config){
        .limits = {.place = {.nodes = 4096,
                             .masks = 1024,
                             .slots = 128,
                             .domains = {64, 256, 1024, 1024}},
                   .jobs = 1u << 20,
                   .pieces = 1u << 20,
                   .orgs = 4096,
                   .sites = GR_SITES_MAX,
                   .variants = GR_POOL_VARIANTS_MAX,
                   .users = 65536,
                   .arrays = 65536,
                   .edges = 1u << 20,
                   // The command line uses one for each job: a day's worth of them.
                   .keys = 1u << 23,
                   .keys_per_org = 1u << 22},
        .policy = "granary",
        .order = GR_ORDER_FAIR,
        .learn_mix = true,
        .touch_nodes = 256,
        .touch_jobs = 16384,
        .touch_pieces = 16384,
    };
}

static const char *const orders[] = {
    [GR_ORDER_FIFO] = "fifo", [GR_ORDER_BACKFILL] = "backfill", [GR_ORDER_FAIR] = "fair"};
enum { ORDERS = sizeof orders / sizeof orders[0] };

// Every number of the file: its key, where it stands, how large it may be.
struct number {
    const char *key;
    size_t at; // in struct gr_core_limits
};

#define AT(field) offsetof(struct gr_core_limits, field)

static const struct number numbers[] = {
    {"nodes", AT(place.nodes)},
    {"masks", AT(place.masks)},
    {"slots", AT(place.slots)},
    {"domains_1", AT(place.domains[0])},
    {"domains_2", AT(place.domains[1])},
    {"domains_3", AT(place.domains[2])},
    {"domains_4", AT(place.domains[3])},
    {"jobs", AT(jobs)},
    {"pieces", AT(pieces)},
    {"organisations", AT(orgs)},
    {"sites", AT(sites)},
    {"variants", AT(variants)},
    {"users", AT(users)},
    {"arrays", AT(arrays)},
    {"edges", AT(edges)},
    {"keys", AT(keys)},
    {"keys_per_organisation", AT(keys_per_org)},
};
#define NUMBERS (sizeof numbers / sizeof numbers[0])

static uint32_t *number_at(struct gr_core_limits *limits, const struct number *number)
{
    return (uint32_t *)(void *)((char *)limits + number->at);
}

int gr_limits_write(const char *state_dir, const struct gr_core_config *config, struct gr_err *err)
{
    char path[GR_STATE_PATH_SIZE];
    char beside[GR_STATE_PATH_SIZE];
    struct gr_core_limits limits = config->limits;
    json_t *object = json_object();
    int rc = gr_json_set_text(object, "policy", gr_slice_of(config->policy));
    rc |= gr_json_set_text(object, "queue", gr_slice_of(orders[config->order]));
    for (size_t i = 0; i < NUMBERS; i++) {
        rc |= gr_json_set_int(object, numbers[i].key, *number_at(&limits, &numbers[i]));
    }
    if (rc != 0) {
        json_decref(object);
        return gr_fail(err, -ENOMEM, "no memory");
    }
    rc = gr_state_path(state_dir, "limits.json", path, err);
    rc = rc != 0 ? rc : gr_state_path(state_dir, "limits.json.new", beside, err);
    FILE *file = rc != 0 ? NULL : fopen(beside, "we");
    if (rc == 0 && file == NULL) {
        rc = gr_fail_errno(err, "create %s", beside);
    }
    rc = rc != 0 ? rc : gr_json_write(object, file, beside, err);
    json_decref(object);
    if (rc == 0 && fsync(fileno(file)) != 0) {
        rc = gr_fail_errno(err, "sync %s", beside);
    }
    if (file != NULL) {
        fclose(file);
    }
    if (rc == 0 && rename(beside, path) != 0) {
        rc = gr_fail_errno(err, "rename %s", beside);
    }
    return rc;
}

static int read_object(const json_t *object, const char *path, struct gr_core_config *config,
                       struct gr_err *err)
{
    const char *policy = json_string_value(json_object_get(object, "policy"));
    const char *queue = json_string_value(json_object_get(object, "queue"));
    if (policy == NULL || gr_policy_find(policy) == NULL) {
        return gr_fail(err, -EINVAL, "%s: policy is not a placement policy", path);
    }
    unsigned order = 0;
    while (order < ORDERS && (queue == NULL || strcmp(queue, orders[order]) != 0)) {
        order++;
    }
    if (order == ORDERS) {
        return gr_fail(err, -EINVAL, "%s: queue must be fair, backfill or fifo", path);
    }
    config->policy = gr_policy_find(policy)->name;
    config->order = (enum gr_order)order;
    for (size_t i = 0; i < NUMBERS; i++) {
        const json_t *value = json_object_get(object, numbers[i].key);
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) > UINT32_MAX) {
            return gr_fail(err, -EINVAL, "%s: %s must be a whole number", path, numbers[i].key);
        }
        *number_at(&config->limits, &numbers[i]) = (uint32_t)json_integer_value(value);
    }
    return 0;
}

int gr_limits_read(const char *state_dir, struct gr_core_config *ret_config, struct gr_err *err)
{
    char path[GR_STATE_PATH_SIZE];
    struct gr_core_config config = gr_limits_default();
    json_error_t error;
    int rc = gr_state_path(state_dir, "limits.json", path, err);
    if (rc != 0) {
        return rc;
    }
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        *ret_config = config;
        return 0;
    }
    json_t *object = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (object == NULL) {
        return gr_fail(err, -EINVAL, "%s:%d:%d: %s", path, error.line, error.column, error.text);
    }
    rc = read_object(object, path, &config, err);
    json_decref(object);
    if (rc == 0) {
        *ret_config = config;
    }
    return rc;
}
