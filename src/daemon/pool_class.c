// Classes of jobs: what a spec that names one gets of it. See pool.h.
#include "base/quantity.h"
#include "core/show.h"
#include "daemon/pool.h"

#include <stdio.h>
#include <string.h>

static bool refuse(struct gr_pool_refusal *ret, const char *code, const char *field)
{
    ret->refusal = GR_REFUSED_FIELD;
    ret->status = 422;
    ret->code = code;
    ret->field = field;
    return false;
}

// The classes that there are, for people.
static void names_of(const struct gr_core *core, char *text, size_t size)
{
    const struct gr_class *of;
    size_t used = (size_t)snprintf(text, size, "`granary classes` lists them");
    for (uint32_t i = 0; (of = gr_core_class_get(core, i)) != NULL && used < size; i++) {
        int more = snprintf(text + used, size - used, "%s%s", i == 0 ? ": " : ", ", of->name);
        if (used + (size_t)more >= size) { // a name is never cut in two
            text[used] = '\0';
            return;
        }
        used += (size_t)more;
    }
}

bool gr_pool_class_take(const struct gr_pool *pool, struct gr_spec *spec,
                        struct gr_pool_refusal *ret)
{
    char a[GR_QUANTITY_TEXT_SIZE], b[GR_QUANTITY_TEXT_SIZE];
    if (spec->class[0] == '\0') {
        return true;
    }
    const struct gr_class *of = gr_core_class_find(pool->core, spec->class);
    if (of == NULL) {
        snprintf(ret->text, sizeof ret->text, "there is no class '%s'", spec->class);
        names_of(pool->core, ret->hint, sizeof ret->hint);
        return refuse(ret, "bad-spec", "class");
    }
    if (spec->priority != 0 && spec->priority != of->priority) {
        snprintf(ret->text, sizeof ret->text,
                 "priority %u is not that of class '%s', which says %u", spec->priority, of->name,
                 of->priority);
        snprintf(ret->hint, sizeof ret->hint, "give the class alone, or the priority alone");
        return refuse(ret, "bad-spec", "priority");
    }
    if (of->limit_ms > 0 && spec->limit_ms > of->limit_ms) {
        snprintf(ret->text, sizeof ret->text, "class '%s' may run for at most %s, not for %s",
                 of->name, gr_duration_format(of->limit_ms, a),
                 gr_duration_format(spec->limit_ms, b));
        snprintf(ret->hint, sizeof ret->hint, "ask for a shorter limit, or another class");
        return refuse(ret, gr_refusal_name(GR_REFUSED_RULES), "limit");
    }
    spec->priority = of->priority;
    spec->limit_ms = spec->limit_ms == 0 ? of->limit_ms : spec->limit_ms;
    return true;
}
