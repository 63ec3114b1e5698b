// The tree of organisations that a declaration names: see apply_parts.h.
#include "daemon/apply_parts.h"

#include "base/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int gr_apply_wrong(struct gr_apply_fault *fault, const char *field, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(fault->text, sizeof fault->text, fmt, args);
    va_end(args);
    snprintf(fault->field, sizeof fault->field, "%s", field);
    return -EINVAL;
}

const char *gr_apply_text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

uint32_t gr_apply_org_find(const struct gr_core *core, const char *name)
{
    uint32_t count = gr_core_org_count(core);
    for (uint32_t o = 0; name[0] != '\0' && o < count; o++) {
        if (strcmp(gr_core_org_get(core, o)->name, name) == 0) {
            return o;
        }
    }
    return UINT32_MAX;
}

// The entry that declares this name; the size of the list: none does.
static size_t entry_find(const json_t *list, const char *name)
{
    size_t i = 0;
    while (i < json_array_size(list) &&
           strcmp(gr_apply_text_of(json_array_get(list, i), "name"), name) != 0) {
        i++;
    }
    return i;
}

// Writes "a -> b -> a" if the parents of an entry lead back to it.
static bool is_loop(const json_t *list, size_t entry, char *text, size_t size)
{
    size_t count = json_array_size(list), at = entry, used = 0;
    for (size_t steps = 0; steps <= count && at < count; steps++) {
        const json_t *object = json_array_get(list, at);
        int more = snprintf(text + used, size - used, "%s -> ", gr_apply_text_of(object, "name"));
        used = (size_t)more >= size - used ? size - 1 : used + (size_t)more;
        at = entry_find(list, gr_apply_text_of(object, "parent"));
        if (at == entry) {
            snprintf(text + used, size - used, "%s",
                     gr_apply_text_of(json_array_get(list, at), "name"));
            return true;
        }
    }
    return false;
}

// The name that may be meant by one that is not known, or NULL.
static const char *nearest_org(const struct gr_core *core, const json_t *list, const char *name)
{
    uint32_t there = gr_core_org_count(core);
    size_t count = there + json_array_size(list);
    const char **names = calloc(count + 1, sizeof *names);
    for (size_t i = 0; names != NULL && i < count; i++) {
        names[i] = i < there ? gr_core_org_get(core, (uint32_t)i)->name
                             : gr_apply_text_of(json_array_get(list, i - there), "name");
    }
    const char *nearest = names == NULL ? NULL : gr_words_nearest(gr_slice_of(name), names);
    free(names);
    return nearest;
}

static int check_parent(const struct gr_core *core, const json_t *list, size_t i,
                        struct gr_apply_fault *fault)
{
    const char *name = gr_apply_text_of(json_array_get(list, i), "name");
    const char *parent = gr_apply_text_of(json_array_get(list, i), "parent");
    uint32_t org = gr_apply_org_find(core, name);
    uint32_t above = gr_apply_org_find(core, parent);
    size_t declared = entry_find(list, parent);
    char field[64], loop[160];
    snprintf(field, sizeof field, "organisations[%zu].parent", i);
    bool is_later = declared >= i && declared < json_array_size(list); // as in every loop
    if (is_later && is_loop(list, i, loop, sizeof loop)) {
        return gr_apply_wrong(fault, field, "%s is a loop: an organisation cannot be above itself",
                              loop);
    }
    if (org != UINT32_MAX && above != gr_core_org_get(core, org)->parent) {
        uint32_t now = gr_core_org_get(core, org)->parent;
        return gr_apply_wrong(fault, field, "organisation %s %s%s, which cannot be changed", name,
                              now == UINT32_MAX ? "is a root" : "belongs to ",
                              now == UINT32_MAX ? "" : gr_core_org_get(core, now)->name);
    }
    if (above != UINT32_MAX || declared < i) {
        return 0;
    }
    if (is_later) {
        return gr_apply_wrong(
            fault, field, "organisation %s is declared after %s; declare it before", parent, name);
    }
    const char *nearest = nearest_org(core, list, parent);
    return gr_apply_wrong(
        fault, field, "there is no organisation '%.48s'%s%s; declare it before %s", parent,
        nearest == NULL ? "" : ", perhaps ", nearest == NULL ? "" : nearest, name);
}

int gr_apply_tree_check(const struct gr_core *core, const json_t *list,
                        struct gr_apply_fault *fault)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *object = json_array_get(list, i);
        const char *name = gr_apply_text_of(object, "name");
        size_t first = entry_find(list, name);
        char field[64];
        snprintf(field, sizeof field, "organisations[%zu].name", i);
        if (name[0] != '\0' && first < i) {
            return gr_apply_wrong(fault, field,
                                  "organisation %.48s stands here twice; organisations[%zu] is the "
                                  "first",
                                  name, first);
        }
        int rc = gr_apply_text_of(object, "parent")[0] == '\0' || name[0] == '\0'
                     ? 0
                     : check_parent(core, list, i, fault);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}
