// Which devices share their fastest connection: NVLink first, then PCIe switches. Pretend devices
// come in eights, as machines of them do.
#include "device/watch.h"

#include "model/node.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PRETEND_GROUP = 8 };

// One question: the devices, the library's handles of them (NULL: none), and the groups so far.
struct grouping {
    const struct gr_device_list *list;
    void **handles;
    uint32_t *domains;
    uint32_t next; // number of the next group
};

static void join(struct grouping *grouping, size_t a, size_t b)
{
    uint32_t *domains = grouping->domains;
    if (domains[a] == GR_DOMAIN_NONE && domains[b] == GR_DOMAIN_NONE) {
        domains[a] = domains[b] = grouping->next++;
        return;
    }
    uint32_t keep = domains[a] != GR_DOMAIN_NONE ? domains[a] : domains[b];
    uint32_t lose = domains[a] != GR_DOMAIN_NONE ? domains[b] : domains[a];
    domains[a] = domains[b] = keep;
    for (size_t i = 0; lose != GR_DOMAIN_NONE && i < grouping->list->count; i++) {
        if (domains[i] == lose) {
            domains[i] = keep;
        }
    }
}

// Joins devices that the library says are connected; by switches only such as have no NVLink.
static void join_real(struct gr_nvml *nvml, struct grouping *grouping, bool by_link)
{
    size_t count = grouping->list->count;
    uint32_t linked = grouping->next; // groups below were made by NVLink
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            void *a = grouping->handles[i];
            void *b = grouping->handles[j];
            bool is_free =
                by_link ||
                ((grouping->domains[i] == GR_DOMAIN_NONE || grouping->domains[i] >= linked) &&
                 (grouping->domains[j] == GR_DOMAIN_NONE || grouping->domains[j] >= linked));
            if (a != NULL && b != NULL && is_free && gr_nvml_connected(nvml, a, b, by_link)) {
                join(grouping, i, j);
            }
        }
    }
}

static void group_pretend(struct grouping *grouping)
{
    const struct gr_device_list *list = grouping->list;
    size_t in_group = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (!list->devices[i].is_pretend) {
            continue;
        }
        bool is_new = in_group == 0 || in_group == PRETEND_GROUP || i == 0 ||
                      strcmp(list->devices[i].variant, list->devices[i - 1].variant) != 0;
        if (is_new) {
            in_group = 0;
            grouping->next++;
        }
        grouping->domains[i] = grouping->next - 1;
        in_group++;
    }
}

void gr_device_watch_domains(struct gr_device_watch *watch, const struct gr_device_list *list,
                             uint32_t *ret_domains)
{
    for (size_t i = 0; i < list->count; i++) {
        ret_domains[i] = GR_DOMAIN_NONE;
    }
    void **handles = calloc(list->count == 0 ? 1 : list->count, sizeof *handles);
    if (handles == NULL) {
        return; // unknown
    }
    struct grouping grouping = {list, handles, ret_domains, 0};
    pthread_mutex_lock(&watch->lock);
    for (size_t i = 0; i < list->count; i++) {
        const struct gr_watch_entry *entry =
            list->devices[i].is_pretend ? NULL : gr_watch_find(watch, list->devices[i].address);
        handles[i] = entry == NULL ? NULL : entry->handle;
    }
    if (watch->nvml != NULL) {
        join_real(watch->nvml, &grouping, true);
        join_real(watch->nvml, &grouping, false);
    }
    pthread_mutex_unlock(&watch->lock);
    group_pretend(&grouping);
    free(handles);
}
