// Server-sent events: see sse.h. Lines end with LF, CR or CR LF, as the format allows.
#include "client/sse.h"

#include "base/number.h"
#include "client/parts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gr_client_sse {
    struct gr_client_buffer line; // the line that is being read
    struct gr_client_buffer data; // of the event that is being read
    char name[GR_CLIENT_SSE_NAME];
    bool has_data; // even if it is empty
    bool has_id;
    uint64_t id;
    bool after_cr;  // an LF that follows belongs to the line end before it
    bool is_handed; // the event in `data` was given out: begin anew
};

struct gr_client_sse *gr_client_sse_new(void)
{
    struct gr_client_sse *sse = calloc(1, sizeof *sse);
    if (sse != NULL) {
        sse->line.limit = GR_CLIENT_SSE_MAX;
        sse->data.limit = GR_CLIENT_SSE_MAX;
    }
    return sse;
}

void gr_client_sse_free(struct gr_client_sse *sse)
{
    if (sse != NULL) {
        free(sse->line.bytes);
        free(sse->data.bytes);
        free(sse);
    }
}

static void begin_event(struct gr_client_sse *sse)
{
    sse->data.size = 0;
    sse->name[0] = '\0';
    sse->has_data = false;
    sse->has_id = false;
    sse->id = 0;
    sse->is_handed = false;
}

void gr_client_sse_restart(struct gr_client_sse *sse)
{
    begin_event(sse);
    sse->line.size = 0;
    sse->after_cr = false;
}

static int take_data(struct gr_client_sse *sse, struct gr_slice value)
{
    bool fits = (!sse->has_data || gr_client_buffer_add(&sse->data, "\n", 1)) &&
                (value.size == 0 || gr_client_buffer_add(&sse->data, value.text, value.size));
    sse->has_data = true;
    return fits ? 0 : sse->data.is_beyond ? -EFBIG : -ENOMEM;
}

// Reads one line. 1: an event is complete.
static int take_line(struct gr_client_sse *sse)
{
    struct gr_slice line = {sse->line.bytes, sse->line.size};
    sse->line.size = 0;
    if (line.size == 0) {
        if (!sse->has_data) {
            begin_event(sse); // an event without data is none
            return 0;
        }
        return 1;
    }
    const char *colon = memchr(line.text, ':', line.size);
    struct gr_slice name = {line.text, colon == NULL ? line.size : (size_t)(colon - line.text)};
    struct gr_slice value = {"", 0};
    if (colon != NULL) {
        size_t skip = name.size + 1;
        skip += skip < line.size && line.text[skip] == ' ';
        value = (struct gr_slice){line.text + skip, line.size - skip};
    }
    if (gr_slice_is(name, "data")) {
        return take_data(sse, value);
    }
    if (gr_slice_is(name, "event")) {
        snprintf(sse->name, sizeof sse->name, "%.*s", (int)value.size, value.text);
    } else if (gr_slice_is(name, "id")) {
        int64_t id;
        sse->has_id = gr_number_read_int(value, 0, INT64_MAX, &id) == 0;
        sse->id = sse->has_id ? (uint64_t)id : 0;
    }
    return 0; // comments (":...") keep the connection alive; other fields mean nothing to us
}

// Reads up to the end of a line. 1: the line is complete; 0: all was read.
static int take_bytes(struct gr_client_sse *sse, struct gr_slice bytes, size_t *used)
{
    if (sse->after_cr && *used < bytes.size) {
        *used += bytes.text[*used] == '\n';
        sse->after_cr = false;
    }
    size_t end = *used;
    while (end < bytes.size && bytes.text[end] != '\n' && bytes.text[end] != '\r') {
        end++;
    }
    if (end > *used && !gr_client_buffer_add(&sse->line, bytes.text + *used, end - *used)) {
        return sse->line.is_beyond ? -EFBIG : -ENOMEM;
    }
    *used = end;
    if (end == bytes.size) {
        return 0;
    }
    sse->after_cr = bytes.text[end] == '\r';
    *used = end + 1;
    return 1;
}

int gr_client_sse_feed(struct gr_client_sse *sse, struct gr_slice bytes, size_t *ret_used,
                       struct gr_client_sse_event *ret_event)
{
    assert(sse != NULL && ret_used != NULL && ret_event != NULL);
    size_t used = 0;
    int code;
    if (sse->is_handed) {
        begin_event(sse);
    }
    while ((code = take_bytes(sse, bytes, &used)) == 1) {
        code = take_line(sse);
        if (code == 1) {
            *ret_event = (struct gr_client_sse_event){
                .has_id = sse->has_id,
                .id = sse->id,
                .name = sse->name[0] == '\0' ? "message" : sse->name,
                .data = {sse->data.size == 0 ? "" : sse->data.bytes, sse->data.size},
            };
            sse->is_handed = true;
            break;
        }
        if (code < 0) {
            break;
        }
    }
    *ret_used = used;
    return code;
}
