// Classes of a declaration: see apply_parts.h.
#include "base/json.h"
#include "base/quantity.h"
#include "core/show.h"
#include "daemon/apply_parts.h"

#include <stdio.h>
#include <string.h>

// Says what became of a class, one line.
static int tell(struct gr_apply_reading *reading, const struct gr_class *old,
                const struct gr_class *now)
{
    char was[96] = "none", a[GR_QUANTITY_TEXT_SIZE], b[GR_QUANTITY_TEXT_SIZE];
    if (old != NULL) {
        snprintf(was, sizeof was, "priority %u, limit %s", old->priority,
                 old->limit_ms == 0 ? "none" : gr_duration_format(old->limit_ms, a));
    }
    return gr_apply_note(reading->queue->changed, "class %s: %s -> priority %u, limit %s",
                         now->name, was, now->priority,
                         now->limit_ms == 0 ? "none" : gr_duration_format(now->limit_ms, b));
}

static const char *read_limit(const json_t *value, int64_t *ret_ms, char *text)
{
    const char *word = json_string_value(value);
    if (word != NULL && strcmp(word, "none") == 0) {
        *ret_ms = 0;
        return NULL;
    }
    return gr_apply_duration(value, ret_ms, text);
}

static int read_class(struct gr_apply_reading *reading, const json_t *entry)
{
    static const char *const keys[] = {"name", "priority", "limit", NULL};
    const char *key = "";
    const char *text = gr_apply_keys(entry, keys, &key, reading->text);
    const char *name = gr_apply_text_of(entry, "name");
    const json_t *priority = json_object_get(entry, "priority");
    const json_t *limit = json_object_get(entry, "limit");
    struct gr_class now = {0};
    uint32_t level = 0;
    if (text == NULL && !gr_catalogue_is_name(gr_slice_of(name))) {
        key = "name";
        text = "expected 1 to 47 of a-z 0-9 . - +";
    }
    if (text != NULL) {
        return gr_apply_reading_wrong(reading, key, text);
    }
    const struct gr_class *old = gr_core_class_find(reading->trial, name);
    if (old == NULL && priority == NULL) {
        return gr_apply_reading_wrong(reading, "priority", "must be given for a new class");
    }
    now = old == NULL ? now : *old;
    level = now.priority;
    memcpy(now.name, name, strlen(name));
    key = "priority";
    text = priority == NULL
               ? NULL
               : gr_apply_count(priority, 0, GR_PRIORITY_MAX, NULL, &level, reading->text);
    if (text == NULL && limit != NULL) {
        key = "limit";
        text = read_limit(limit, &now.limit_ms, reading->text);
    }
    if (text != NULL) {
        return gr_apply_reading_wrong(reading, key, text);
    }
    now.priority = (uint8_t)level;
    if (old != NULL && memcmp(old, &now, sizeof now) == 0) {
        reading->queue->unchanged++;
        return 0;
    }
    struct gr_class was = old == NULL ? (struct gr_class){0} : *old;
    struct gr_event event =
        gr_decide_fact(reading->trial, gr_pool_now(reading->pool), GR_CLASS_SET);
    event.job_class = now;
    int rc = gr_apply_try(reading, &event);
    return rc != 0 ? rc : tell(reading, old == NULL ? NULL : &was, &now) == 0 ? 0 : -ENOMEM;
}

int gr_apply_classes(struct gr_apply_reading *reading, const json_t *list)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        const char *name = gr_apply_text_of(json_array_get(list, i), "name");
        snprintf(reading->field, sizeof reading->field, "classes[%zu]", i);
        for (size_t j = 0; rc == 0 && j < i; j++) {
            if (strcmp(name, gr_apply_text_of(json_array_get(list, j), "name")) == 0) {
                rc = gr_apply_reading_wrong(reading, "name", "this class is named twice");
            }
        }
        rc = rc != 0 ? rc : read_class(reading, json_array_get(list, i));
    }
    return rc;
}
