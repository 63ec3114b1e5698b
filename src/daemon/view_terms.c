// Quotas, shares and how the queue is run, as the API shows them: see view.h. Amounts are in
// devices, null where there is no limit.
#include "daemon/view.h"

#include "base/json.h"

#include <stdio.h>

// Milli x milliseconds of devices in a thousandth of a device-hour.
#define MILLI_HOUR UINT64_C(3600000)

// An amount in thousandths, or null if there is none to be named.
static int set_amount(json_t *object, const char *key, uint64_t milli, uint64_t none)
{
    return milli == none || milli > INT64_MAX ? gr_json_set_null(object, key)
                                              : gr_json_set_decimal(object, key, (int64_t)milli, 3);
}

static int set_count(json_t *object, const char *key, uint32_t count)
{
    return count == 0 ? gr_json_set_null(object, key) : gr_json_set_int(object, key, count);
}

int gr_view_quota_terms(json_t *object, const struct gr_quota *quota)
{
    int rc = set_amount(object, "nominal", quota->nominal_milli, GR_ANY_MILLI);
    rc |= set_amount(object, "borrow", quota->borrow_milli, GR_ANY_MILLI);
    rc |= set_amount(object, "lend", quota->lend_milli, GR_ANY_MILLI);
    return rc;
}

int gr_view_org_terms(json_t *object, const struct gr_org_terms *terms)
{
    json_t *limits = json_object();
    int rc = gr_json_set_int(object, "weight", terms->weight);
    rc |= set_count(limits, "running", terms->running_max);
    rc |= set_amount(limits, "devices", terms->held_milli_max, 0);
    rc |= set_count(limits, "user_running", terms->user_running_max);
    rc |= set_amount(limits, "user_devices", terms->user_held_milli_max, 0);
    rc |= gr_json_set_int(limits, "priority", terms->priority_max);
    rc |= gr_json_set(object, "limits", limits);
    return rc;
}

int gr_view_queue_terms(json_t *object, const struct gr_queue_terms *terms)
{
    json_t *reclaim = json_array();
    int rc = gr_json_set_int(object, "half_life_ms", terms->half_life_ms);
    rc |= gr_json_set_int(object, "notice_ms", terms->notice_ms);
    rc |= gr_json_set_int(object, "min_run_ms", terms->min_run_ms);
    uint64_t lost = terms->lost_per_hour;
    rc |= set_amount(object, "lost_work_per_hour",
                     lost == GR_ANY_MILLI ? GR_ANY_MILLI : lost / MILLI_HOUR, GR_ANY_MILLI);
    if ((terms->reclaim & GR_RECLAIM_BORROWED) != 0) {
        rc |= gr_json_append(reclaim, gr_json_text(gr_slice_of("borrowed")));
    }
    if ((terms->reclaim & GR_RECLAIM_PRIORITY) != 0) {
        rc |= gr_json_append(reclaim, gr_json_text(gr_slice_of("priority")));
    }
    rc |= gr_json_set(object, "reclaim", reclaim);
    return rc;
}

static int set_name(json_t *object, const char *key, const char *name, uint32_t number)
{
    char text[16];
    snprintf(text, sizeof text, "#%u", number);
    return gr_json_set_text(object, key, gr_slice_of(name == NULL ? text : name));
}

int gr_view_class(json_t *object, const struct gr_class *of)
{
    int rc = gr_json_set_text(object, "name", gr_slice_of(of->name));
    rc |= gr_json_set_int(object, "priority", of->priority);
    rc |= of->limit_ms == 0 ? gr_json_set_null(object, "limit_ms")
                            : gr_json_set_int(object, "limit_ms", of->limit_ms);
    return rc;
}

int gr_view_terms(json_t *object, const struct gr_view_names *names, const struct gr_event *event)
{
    int rc = 0;
    if (event->type == GR_QUOTA_SET) {
        const struct gr_quota *quota = &event->quota;
        rc |= set_name(object, "organisation", names->org(names->context, quota->org), quota->org);
        rc |= set_name(object, "variant", names->variant(names->context, quota->variant),
                       quota->variant);
        rc |= gr_view_quota_terms(object, quota);
    } else if (event->type == GR_ORG_TERMS_SET) {
        uint32_t org = event->org_terms.org;
        rc |= set_name(object, "organisation", names->org(names->context, org), org);
        rc |= gr_view_org_terms(object, &event->org_terms);
    } else if (event->type == GR_QUEUE_TERMS_SET) {
        rc |= gr_view_queue_terms(object, &event->queue_terms);
    } else if (event->type == GR_CLASS_SET) {
        rc |= gr_view_class(object, &event->job_class);
    }
    return rc;
}

static const char *org_name(const void *context, uint32_t index)
{
    const struct gr_org *org = gr_core_org_get(context, index);
    return org == NULL ? NULL : org->name;
}

static const char *variant_name(const void *context, uint32_t index)
{
    return gr_core_variant_get(context, index);
}

struct gr_view_names gr_view_names_of(const struct gr_core *core)
{
    return (struct gr_view_names){core, org_name, variant_name};
}
