// Room that is held for a job, and who goes for it, as the API shows them: see view.h.
#include "daemon/view.h"

#include "base/json.h"

const char *gr_view_stop(unsigned why)
{
    static const char *const names[GR_STOP_WHYS] = {
        [GR_STOP_NOT] = "not",   [GR_STOP_BY_USER] = "user",    [GR_STOP_TIME_LIMIT] = "time-limit",
        [GR_STOP_NODE] = "node", [GR_STOP_RECLAIM] = "reclaim", [GR_STOP_IDLE] = "held-idle",
        [GR_STOP_MOVE] = "move", [GR_STOP_WINDOW] = "window",
    };
    return why < GR_STOP_WHYS ? names[why] : "?";
}

static int set_goes(json_t *object, const struct gr_event *event)
{
    json_t *goes = json_array();
    int rc = 0;
    for (uint32_t i = 0; i < event->edge_count; i++) {
        json_t *one = json_object();
        rc |= gr_json_set_int(one, "job", (int64_t)event->edges[i].job);
        rc |= gr_json_set_text(one, "why", gr_slice_of(gr_view_stop(event->edges[i].how)));
        rc |= gr_json_append(goes, one);
    }
    return rc | gr_json_set(object, "goes", goes);
}

int gr_view_hold(json_t *object, const struct gr_event *event)
{
    static const char *const whys[GR_FREED_WHYS] = {
        [GR_FREED_LEFT] = "left",
        [GR_FREED_RIGHT] = "right",
        [GR_FREED_ROOM] = "room",
        [GR_FREED_TIME] = "time",
    };
    if (event->type == GR_ROOM_HELD) {
        int rc = gr_json_set_int(object, "until_ms", event->held.until_ms);
        return rc | set_goes(object, event);
    }
    if (event->type == GR_ROOM_FREED && event->freed.why < GR_FREED_WHYS) {
        return gr_json_set_text(object, "why", gr_slice_of(whys[event->freed.why]));
    }
    return event->type == GR_STOP_ASKED
               ? gr_json_set_text(object, "why", gr_slice_of(gr_view_stop(event->stop_asked.why)))
               : 0;
}
