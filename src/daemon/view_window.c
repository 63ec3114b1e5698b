// Windows as the API shows them: see view.h.
#include "base/json.h"
#include "daemon/view.h"

#include <stdlib.h>

static const char *which_of(const struct gr_window *window)
{
    return window->which == GR_WINDOW_MAINTENANCE ? "maintenance" : "reservation";
}

// What it says of times.
static int set_times(json_t *object, const struct gr_window *window)
{
    int rc = gr_json_set_int(object, "start_ms", window->start_ms);
    rc |= gr_json_set_int(object, "end_ms", gr_window_end_ms(window));
    rc |= gr_json_set_int(object, "length_ms", window->length_ms);
    rc |= window->every_ms == 0 ? gr_json_set_null(object, "every_ms")
                                : gr_json_set_int(object, "every_ms", window->every_ms);
    return rc | (window->times == 0 ? gr_json_set_null(object, "times_left")
                                    : gr_json_set_int(object, "times_left", window->times));
}

static json_t *nodes_of(const struct gr_core *core, uint64_t id)
{
    json_t *nodes = json_array();
    const struct gr_place *place = gr_core_place(core);
    for (uint32_t n = 0; n < gr_place_node_count(place); n++) {
        if (gr_core_window_has(core, id, n)) {
            (void)gr_json_append(nodes,
                                 gr_json_text(gr_slice_of(gr_place_cold_get(place, n)->name)));
        }
    }
    return nodes;
}

json_t *gr_view_window(const struct gr_core *core, const struct gr_window *window, bool is_full)
{
    json_t *object = json_object();
    int rc = gr_json_set_text(object, "name", gr_slice_of(window->name));
    rc |= gr_json_set_int(object, "id", (int64_t)window->id);
    rc |= gr_json_set_text(object, "which", gr_slice_of(which_of(window)));
    rc |= window->org == UINT32_MAX
              ? gr_json_set_null(object, "organisation")
              : gr_json_set_text(object, "organisation",
                                 gr_slice_of(gr_core_org_get(core, window->org)->name));
    rc |= gr_json_set_bool(object, "for_one_user", window->user != UINT32_MAX);
    rc |= gr_json_set_bool(object, "open", window->is_open != 0);
    rc |= set_times(object, window);
    rc |= gr_json_set_int(object, "node_count", window->nodes);
    if (is_full) {
        rc |= gr_json_set_int(object, "devices", (int64_t)gr_core_window_devices(core, window->id));
        rc |= gr_json_set(object, "nodes", nodes_of(core, window->id));
    }
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

int gr_view_window_event(json_t *object, const struct gr_view_names *names,
                         const struct gr_event *event)
{
    if (event->type == GR_WINDOW_OPENED || event->type == GR_WINDOW_CLOSED ||
        event->type == GR_WINDOW_ENDED) {
        return gr_json_set_int(object, "window", (int64_t)event->window_turn.window);
    }
    if (event->type != GR_WINDOW_SET) {
        return 0;
    }
    const struct gr_window *window = &event->window_set;
    const char *org = window->org == UINT32_MAX || names->org == NULL
                          ? NULL
                          : names->org(names->context, window->org);
    uint64_t nodes = 0;
    for (uint32_t i = 0; i < event->range_count; i++) {
        nodes += event->ranges[i].count;
    }
    int rc = gr_json_set_int(object, "window", (int64_t)event->sequence);
    rc |= gr_json_set_text(object, "name", gr_slice_of(window->name));
    rc |= gr_json_set_text(object, "which", gr_slice_of(which_of(window)));
    rc |= org == NULL ? gr_json_set_null(object, "organisation")
                      : gr_json_set_text(object, "organisation", gr_slice_of(org));
    rc |= set_times(object, window);
    return rc | gr_json_set_int(object, "node_count", (int64_t)nodes);
}
