// Reading what pretend devices there are: see pretend.h.
#include "device/pretend.h"

#include "base/number.h"
#include "base/words.h"
#include "model/kind.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What a set is refused with, or 0 if the name is no set.
static int refuse_kind(const struct gr_catalogue *catalogue, struct gr_slice name,
                       struct gr_err *err)
{
    struct gr_kinds kinds = {0};
    struct gr_kind kind;
    int rc = gr_kinds_load(NULL, catalogue, &kinds, err);
    if (rc < 0) {
        return rc;
    }
    bool is_set = gr_kinds_find(&kinds, name) != NULL || memchr(name.text, '|', name.size) != NULL;
    if (is_set && gr_kind_resolve(catalogue, &kinds, name, &kind, NULL) == 0) {
        struct gr_slice first = gr_variant_name(&catalogue->variants[kind.variants[0]]);
        rc = gr_fail(err, -EINVAL,
                     "pretend devices: '%.*s' is a set of variants and a device is one variant: "
                     "write one of them, such as %.*s",
                     (int)name.size, name.text, (int)first.size, first.text);
    }
    gr_kinds_done(&kinds);
    return rc;
}

static int find_variant(const struct gr_catalogue *catalogue, struct gr_slice name,
                        struct gr_err *err)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    int index = gr_catalogue_find(catalogue, name);
    if (index >= 0) {
        return index;
    }
    int rc = refuse_kind(catalogue, name, err);
    if (rc < 0) {
        return rc;
    }
    const char *near = gr_catalogue_suggest(catalogue, name);
    return gr_fail(err, -EINVAL, "pretend devices: no variant %s in the catalogue%s%s%s",
                   gr_words_quote(name, quote), near == NULL ? "" : "; did you mean ",
                   near == NULL ? "" : near, near == NULL ? "" : "?");
}

// Takes "8xh20" apart.
static int read_item(struct gr_slice item, const struct gr_catalogue *catalogue, int64_t *ret_count,
                     int *ret_variant, struct gr_err *err)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    const char *times = item.size == 0 ? NULL : memchr(item.text, 'x', item.size);
    size_t digits = times == NULL ? 0 : (size_t)(times - item.text);
    int rc = gr_number_read_int((struct gr_slice){item.text, digits}, 1, GR_DEVICES_MAX, ret_count);
    if (times == NULL || rc == -EINVAL) {
        return gr_fail(err, -EINVAL, "pretend devices: found %s, expected such as 8xh20,4xh200",
                       gr_words_quote(item, quote));
    }
    if (rc < 0) {
        return gr_fail(err, -EINVAL, "pretend devices: found %s, expected 1 to %d devices",
                       gr_words_quote(item, quote), GR_DEVICES_MAX);
    }
    *ret_variant =
        find_variant(catalogue, (struct gr_slice){times + 1, item.size - digits - 1}, err);
    return *ret_variant < 0 ? *ret_variant : 0;
}

static void make_device(const struct gr_variant *variant, uint32_t number,
                        struct gr_device *ret_device)
{
    int64_t memory; // GiB in thousandths
    *ret_device = (struct gr_device){.is_pretend = true, .index = number};
    snprintf(ret_device->variant, sizeof ret_device->variant, "%s", variant->text[GR_VARIANT_ID]);
    snprintf(ret_device->name, sizeof ret_device->name, "%s", variant->text[GR_VARIANT_MODEL]);
    snprintf(ret_device->vendor, sizeof ret_device->vendor, "%s", variant->text[GR_VARIANT_VENDOR]);
    snprintf(ret_device->address, sizeof ret_device->address, "pretend:%u", number);
    if (gr_variant_get(variant, GR_FACT_MEMORY, &memory)) {
        assert(gr_fact_info(GR_FACT_MEMORY)->digits == 3);
        ret_device->memory_mib = (uint64_t)memory * 1024 / 1000;
        ret_device->known = GR_DEVICE_MEMORY;
    }
}

// Reads the items one after the other into `devices` (room for GR_DEVICES_MAX).
static int read_items(const char *text, const struct gr_catalogue *catalogue,
                      struct gr_device *devices, size_t *ret_count, struct gr_err *err)
{
    size_t count = 0;
    for (;;) {
        int64_t add;
        int variant = -1;
        size_t size = strcspn(text, ",");
        int rc = read_item((struct gr_slice){text, size}, catalogue, &add, &variant, err);
        if (rc < 0) {
            return rc;
        }
        if (count + (size_t)add > GR_DEVICES_MAX) {
            return gr_fail(err, -EINVAL, "pretend devices: %zu in all, expected at most %d",
                           count + (size_t)add, GR_DEVICES_MAX);
        }
        for (int64_t i = 0; i < add; i++, count++) {
            make_device(&catalogue->variants[variant], (uint32_t)count, &devices[count]);
        }
        if (text[size] == '\0') {
            *ret_count = count;
            return 0;
        }
        text += size + 1;
    }
}

int gr_pretend_parse(const char *text, const struct gr_catalogue *catalogue,
                     struct gr_device **ret_devices, size_t *ret_count, struct gr_err *err)
{
    size_t count = 0;
    if (text == NULL || text[0] == '\0') {
        *ret_devices = NULL;
        *ret_count = 0;
        return 0;
    }
    struct gr_device *devices = calloc(GR_DEVICES_MAX, sizeof *devices);
    if (devices == NULL) {
        return gr_fail(err, -ENOMEM, "pretend devices: out of memory");
    }
    int rc = read_items(text, catalogue, devices, &count, err);
    if (rc < 0) {
        free(devices);
        return rc;
    }
    *ret_devices = devices;
    *ret_count = count;
    return 0;
}
