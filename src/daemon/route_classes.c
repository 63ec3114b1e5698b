// Classes of jobs over HTTP: see daemon.h and docs/api.
#include "base/json.h"
#include "core/show.h"
#include "daemon/daemon.h"
#include "daemon/view.h"

void gr_route_classes(void *context, struct gr_http_request *request)
{
    static const char *const no_names[] = {NULL};
    struct gr_daemon *daemon = context;
    if (gr_daemon_query_is_wrong(request, no_names)) {
        return;
    }
    json_t *rows = json_array();
    json_t *object = json_object();
    const struct gr_class *of;
    int rc = 0;
    for (uint32_t i = 0; (of = gr_core_class_get(daemon->pool->core, i)) != NULL; i++) {
        json_t *row = json_object();
        rc |= gr_view_class(row, of);
        rc |= gr_json_append(rows, row);
    }
    rc |= gr_json_set(object, "classes", rows);
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    gr_daemon_reply(daemon, request, 200, object);
}
