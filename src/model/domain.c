// Domains by name: see domain.h.
#include "model/domain.h"

#include "base/number.h"
#include "model/limits.h"

#include <assert.h>
#include <string.h>

const char *const gr_domain_names[] = {"fabric", "block", "rack", "link", NULL};
static_assert(sizeof gr_domain_names / sizeof(char *) == GR_DOMAIN_LEVELS + 1, "a name each");

static uint8_t level_of(struct gr_slice text)
{
    int64_t number;
    for (uint8_t l = 0; l < GR_DOMAIN_LEVELS; l++) {
        if (gr_slice_is(text, gr_domain_names[l])) {
            return (uint8_t)(l + 1);
        }
    }
    return gr_number_read_int(text, 1, GR_DOMAIN_LEVELS, &number) == 0 ? (uint8_t)number : 0;
}

const char *gr_domain_read(struct gr_slice text, uint32_t tasks, uint8_t *ret_level,
                           uint32_t *ret_domain_tasks)
{
    assert(ret_level != NULL && ret_domain_tasks != NULL);
    const char *colon = text.size == 0 ? NULL : memchr(text.text, ':', text.size);
    struct gr_slice name = {text.text, colon == NULL ? text.size : (size_t)(colon - text.text)};
    uint8_t level = level_of(name);
    int64_t each = 0;
    if (level == 0) {
        return "must be fabric, block, rack or link, or such as rack:8 for 8 tasks in each";
    }
    if (colon != NULL) {
        struct gr_slice count = {colon + 1, text.size - name.size - 1};
        if (gr_number_read_int(count, 1, GR_TASKS_MAX, &each) != 0) {
            return "must have the number of tasks in each behind its colon, such as rack:8";
        }
        if (each > tasks || tasks % each != 0) {
            return "must have a number behind its colon that divides 'tasks'";
        }
    }
    *ret_level = level;
    *ret_domain_tasks = (uint32_t)each;
    return NULL;
}
