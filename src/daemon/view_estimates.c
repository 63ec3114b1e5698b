// How good estimates of starts were, as the API shows it: see view.h.
#include "base/json.h"
#include "daemon/view.h"

// What is "-" before there is anything to tell.
static int set_part(json_t *object, const char *key, bool is_known, int64_t value)
{
    return is_known ? gr_json_set_int(object, key, value) : gr_json_set_null(object, key);
}

static int set_ratio(json_t *object, const char *key, bool is_known, uint32_t ratio)
{
    return is_known ? gr_json_set_decimal(object, key, ratio, 3) : gr_json_set_null(object, key);
}

static int set_short(json_t *object, const struct gr_estimates_sum *sum)
{
    bool any = sum->checked > 0;
    int rc = gr_json_set_int(object, "checked", sum->checked);
    rc |= set_part(object, "inside_percent", any, sum->inside_percent);
    rc |= set_part(object, "error_percent", any, sum->error_percent);
    return rc | gr_json_set_int(object, "stated_percent", GR_ESTIMATES_STATED);
}

static json_t *view_steps(const struct gr_estimates_sum *sum)
{
    json_t *rows = json_array();
    int rc = 0;
    for (uint32_t s = 0, upto = 125; s < GR_ESTIMATES_STEPS; s++, upto *= 2) {
        json_t *row = json_object();
        rc |= set_ratio(row, "upto", s + 1 < GR_ESTIMATES_STEPS, upto);
        rc |= gr_json_set_int(row, "count", sum->steps[s]);
        rc |= gr_json_append(rows, row);
    }
    if (rc != 0) {
        json_decref(rows);
        return NULL;
    }
    return rows;
}

static json_t *view_bands(const struct gr_estimates_sum *sum)
{
    json_t *rows = json_array();
    int rc = 0;
    for (unsigned c = 0; c < GR_ESTIMATES_CLASSES; c++) {
        bool own = sum->classes[c].checked >= GR_ESTIMATES_ENOUGH;
        bool any = own || sum->all.checked >= GR_ESTIMATES_ENOUGH;
        const struct gr_estimate_spread *spread = own ? &sum->classes[c] : &sum->all;
        json_t *row = json_object();
        rc |= gr_json_set_bool(row, "guessed", (c & GR_ESTIMATES_GUESSED) != 0);
        rc |= gr_json_set_bool(row, "gang", (c & GR_ESTIMATES_GANG) != 0);
        rc |= gr_json_set_int(row, "checked", sum->classes[c].checked);
        enum gr_estimate_from from = own ? GR_FROM_CLASS : any ? GR_FROM_ALL : GR_FROM_CONVENTION;
        rc |= gr_json_set_text(row, "from", gr_slice_of(gr_view_estimate_from(from)));
        rc |= set_ratio(row, "earliest", any, spread->low);
        rc |= set_ratio(row, "likely", any, spread->middle);
        rc |= set_ratio(row, "latest", any, spread->high);
        rc |= gr_json_append(rows, row);
    }
    if (rc != 0) {
        json_decref(rows);
        return NULL;
    }
    return rows;
}

const char *gr_view_estimate_from(enum gr_estimate_from from)
{
    static const char *const names[] = {
        [GR_FROM_CONVENTION] = "convention", [GR_FROM_ALL] = "all", [GR_FROM_CLASS] = "class"};
    return names[from];
}

json_t *gr_view_estimates(const struct gr_pool *pool, bool is_full)
{
    struct gr_estimates_sum sum;
    gr_estimates_sum(pool->estimates, gr_pool_now(pool), &sum);
    json_t *object = json_object();
    int rc = set_short(object, &sum);
    if (is_full) {
        rc |= gr_json_set_int(object, "total", (int64_t)sum.total);
        rc |= gr_json_set_int(object, "watched", sum.watched);
        rc |= gr_json_set_int(object, "early", sum.outcomes[GR_ESTIMATE_EARLY]);
        rc |= gr_json_set_int(object, "inside", sum.outcomes[GR_ESTIMATE_INSIDE]);
        rc |= gr_json_set_int(object, "late", sum.outcomes[GR_ESTIMATE_LATE]);
        rc |= gr_json_set(object, "steps", view_steps(&sum));
        rc |= gr_json_set(object, "bands", view_bands(&sum));
    }
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}
