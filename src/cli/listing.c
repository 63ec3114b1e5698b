// Lists and pages, shown once or watched: see listing.h.
#include "cli/listing.h"

#include "base/clock.h"
#include "cli/signals.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/events.h"
#include "client/path.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// At most so often is the daemon asked again, whatever goes on; and ages grow once a second.
enum { LEAST_MS = 200, TICK_MS = 1000 };

// The state of one command.
struct view {
    const struct gr_cli_listing *listing;
    struct gr_cli_remote *remote;
    enum gr_cli_output format;
    struct gr_terminal terminal;
    bool is_watch;
    bool is_drawn_over; // watched on a terminal, as a table or page
    json_t *shown;      // what was fetched last
    size_t lines;       // of the picture that stands on the terminal
};

static bool is_picture(enum gr_cli_output format)
{
    return format == GR_CLI_OUTPUT_TABLE || format == GR_CLI_OUTPUT_WIDE;
}

// ---- writing ------------------------------------------------------------------------------------

static int write_page(const struct view *view, const struct gr_terminal *terminal,
                      const json_t *page, struct gr_err *err)
{
    const struct gr_cli_listing *listing = view->listing;
    switch (view->format) {
    case GR_CLI_OUTPUT_TABLE:
    case GR_CLI_OUTPUT_WIDE:
        listing->page(listing->context, page, gr_cli_now_ms(), terminal);
        return 0;
    case GR_CLI_OUTPUT_JSON:
    case GR_CLI_OUTPUT_JSONL:
        return gr_cli_object_write(page, view->is_watch || view->format == GR_CLI_OUTPUT_JSONL,
                                   terminal->file, err);
    case GR_CLI_OUTPUT_CSV:
        gr_cli_object_write_csv(page, terminal->file);
        return 0;
    }
    return -EINVAL;
}

static int write_rows(const struct view *view, const struct gr_terminal *terminal,
                      const json_t *rows, bool has_head, struct gr_err *err)
{
    const struct gr_cli_listing *listing = view->listing;
    enum gr_cli_output format =
        view->is_watch && view->format == GR_CLI_OUTPUT_JSON ? GR_CLI_OUTPUT_JSONL : view->format;
    int code =
        gr_cli_rows_write(listing->noun, rows, format, has_head, gr_cli_now_ms(), terminal, err);
    if (code == 0 && is_picture(format)) {
        if (json_array_size(rows) == 0) {
            // Not on a pipe: there, no rows are no lines.
            fprintf(view->is_drawn_over ? terminal->file : stderr, "%s\n", listing->noun->none);
        } else if (listing->foot != NULL) {
            listing->foot(listing->context, rows, terminal);
        }
    }
    return code;
}

static int write_whole(const struct view *view, const struct gr_terminal *terminal,
                       const json_t *value, struct gr_err *err)
{
    return view->listing->noun == NULL ? write_page(view, terminal, value, err)
                                       : write_rows(view, terminal, value, true, err);
}

// Draws over the last picture: every line is written and its rest cleared, then what is left of
// the old picture; nothing is ever blank in between. Lines beyond the terminal's height are left
// out, because the cursor could not get back over them.
static int draw_over(struct view *view, const json_t *value, struct gr_err *err)
{
    char *text = NULL;
    size_t size = 0;
    struct gr_terminal canvas;
    gr_terminal_init(&view->terminal, stdout); // its width may have changed
    canvas = view->terminal;
    canvas.file = open_memstream(&text, &size);
    if (canvas.file == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory for a picture");
    }
    int code = write_whole(view, &canvas, value, err);
    fclose(canvas.file);
    size_t most = gr_cli_terminal_lines();
    if (code == 0 && view->lines > 0) {
        fprintf(stdout, "\033[%zuA\r", view->lines);
    }
    view->lines = 0;
    fputs("\033[?7l", stdout); // a line that is too long must not become two
    for (const char *at = text; code == 0 && *at != '\0' && view->lines + 1 < most;) {
        size_t length = strcspn(at, "\n");
        fwrite(at, 1, length, stdout);
        fputs("\033[K\n", stdout);
        view->lines++;
        at += length + (at[length] == '\n');
    }
    fputs("\033[J\033[?7h", stdout);
    free(text);
    return code < 0 ? code : gr_text_finish(stdout, "standard output", err);
}

// ---- what changed -------------------------------------------------------------------------------

static bool is_same(const json_t *a, const json_t *b, const char *key)
{
    return key == NULL || json_equal(json_object_get(a, key), json_object_get(b, key));
}

static const json_t *find_row(const json_t *rows, const struct gr_cli_noun *noun,
                              const json_t *wanted)
{
    size_t index;
    const json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, index, row)
    {
        if (is_same(row, wanted, noun->id) && is_same(row, wanted, noun->id_two)) {
            return row;
        }
    }
    return NULL;
}

// The rows that are new or different, and those that left. NULL if there is no memory.
static json_t *changed_rows(struct view *view, const json_t *rows)
{
    const struct gr_cli_listing *listing = view->listing;
    json_t *changed = json_array();
    size_t index;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)view->shown, index, row)
    {
        if (listing->gone != NULL && find_row(rows, listing->noun, row) == NULL) {
            json_t *last = listing->gone(listing->context, view->remote->client, row);
            if (last != NULL) {
                (void)json_array_append_new(changed, last);
            }
        }
    }
    json_array_foreach((json_t *)(uintptr_t)rows, index, row)
    {
        const json_t *before = find_row(view->shown, listing->noun, row);
        if (before == NULL || !json_equal((json_t *)(uintptr_t)before, row)) {
            (void)json_array_append(changed, row);
        }
    }
    return changed;
}

static int write_changed_rows(struct view *view, const json_t *rows, struct gr_err *err)
{
    json_t *changed = changed_rows(view, rows);
    int code = 0;
    if (changed == NULL) {
        code = gr_fail(err, -ENOMEM, "not enough memory for a list");
    } else if (json_array_size(changed) > 0) {
        enum gr_cli_output format =
            view->format == GR_CLI_OUTPUT_JSON ? GR_CLI_OUTPUT_JSONL : view->format;
        code = gr_cli_rows_write(view->listing->noun, changed, format, false, gr_cli_now_ms(),
                                 &view->terminal, err);
    }
    json_decref(changed);
    return code;
}

static int write_changed(struct view *view, const json_t *value, struct gr_err *err)
{
    int code = 0;
    if (view->listing->noun != NULL) {
        code = write_changed_rows(view, value, err);
    } else if (!json_equal(view->shown, (json_t *)(uintptr_t)value)) {
        if (is_picture(view->format)) {
            fputc('\n', stdout);
        }
        code = write_page(view, &view->terminal, value, err);
    }
    return code < 0 ? code : gr_text_finish(stdout, "standard output", err);
}

// ---- watching -----------------------------------------------------------------------------------

// Gets it anew and shows it.
static int refresh(struct view *view, struct gr_err *err)
{
    json_t *value = NULL;
    int code = view->listing->fetch(view->listing->context, view->remote->client, &value, err);
    if (code < 0) {
        return code;
    }
    if (view->is_drawn_over) {
        code = draw_over(view, value, err);
    } else if (view->shown == NULL) {
        code = write_whole(view, &view->terminal, value, err);
        code = code < 0 ? code : gr_text_finish(stdout, "standard output", err);
    } else {
        code = write_changed(view, value, err);
    }
    json_decref(view->shown);
    view->shown = value;
    return code;
}

static bool is_over(const struct view *view)
{
    return view->listing->is_over != NULL && view->shown != NULL &&
           view->listing->is_over(view->listing->context, view->shown);
}

// Takes all events that are there. 1: there were some, or the stream is connected anew.
static int drain(struct gr_client_events *events, unsigned *connects, struct gr_err *err)
{
    struct gr_client_event event;
    bool any = false;
    int code;
    while ((code = gr_client_events_next(events, &event, err)) == 1) {
        any = true;
    }
    if (gr_client_events_connects(events) != *connects) {
        *connects = gr_client_events_connects(events);
        any = true;
    }
    return code < 0 ? code : any;
}

// A daemon that is being started anew is no reason to stop watching.
static bool is_passing(const struct view *view, int code)
{
    return view->shown != NULL &&
           (code == -ECONNREFUSED || code == -EIO || code == -EAGAIN || code == -ETIMEDOUT) &&
           ferror(stdout) == 0;
}

static int watch(struct view *view, struct gr_client_events *events, int signals,
                 struct gr_err *err)
{
    unsigned connects = 0;
    bool is_due = false;
    int64_t fetched_ms = 0;
    int code = 0;
    while (!is_over(view)) {
        int64_t now_ms = gr_clock_ms();
        int refresh_ms = view->listing->refresh_ms;
        is_due = is_due || (refresh_ms > 0 && fetched_ms > 0 && now_ms - fetched_ms >= refresh_ms);
        if (is_due && now_ms - fetched_ms >= LEAST_MS) {
            code = refresh(view, err);
            is_due = code < 0;
            fetched_ms = gr_clock_ms();
            if (code < 0 && !is_passing(view, code)) {
                return code;
            }
            continue;
        }
        code = gr_client_events_wait(events, signals, is_due ? LEAST_MS : TICK_MS, err);
        if (code == 0) {
            code = drain(events, &connects, err);
        }
        if (code < 0) {
            return code;
        }
        is_due = is_due || code == 1;
        if (gr_cli_signals_take(signals) != 0) {
            return 0;
        }
        if (!is_due && view->is_drawn_over && view->shown != NULL) {
            code = draw_over(view, view->shown, err); // ages grow
            if (code < 0) {
                return code;
            }
        }
    }
    return 0;
}

static int watch_open(struct view *view, struct gr_err *err)
{
    struct gr_client_events *events = NULL;
    int signals = gr_cli_signals_open(err);
    if (signals < 0) {
        return err->code;
    }
    // First the stream, then the list: nothing can happen unseen between them.
    int code = gr_client_events_open(view->remote->client, -1, &events, err);
    if (code == 0) {
        code = watch(view, events, signals, err);
        gr_client_events_close(events);
    }
    close(signals);
    return code;
}

int gr_cli_listing_run(const struct gr_cli_listing *listing, struct gr_cli_remote *remote,
                       enum gr_cli_output format, bool is_watch)
{
    struct view view = {
        .listing = listing, .remote = remote, .format = format, .is_watch = is_watch};
    struct gr_err err;
    assert((listing->noun == NULL) == (listing->page != NULL));
    gr_err_init(&err);
    gr_terminal_init(&view.terminal, stdout);
    view.is_drawn_over = is_watch && view.terminal.is_terminal && is_picture(format);
    int code = is_watch ? watch_open(&view, &err) : refresh(&view, &err);
    json_decref(view.shown);
    return code < 0 ? gr_cli_remote_fail(remote, &err) : gr_cli_finish(remote->command);
}

// Takes the list under `key` out of a reply, which it frees.
static int take_rows(struct gr_client *client, json_t *object, const char *key, json_t **ret_rows,
                     struct gr_err *err)
{
    json_t *rows = json_incref(json_object_get(object, key));
    json_decref(object);
    if (!json_is_array(rows)) {
        json_decref(rows);
        return gr_fail(err, -EPROTO, "%s: the reply holds no list of %s", gr_client_where(client),
                       key);
    }
    *ret_rows = rows;
    return 0;
}

int gr_cli_fetch_list(struct gr_client *client, const struct gr_client_path *path, const char *key,
                      json_t **ret_rows, struct gr_err *err)
{
    json_t *object = NULL;
    int code = gr_client_get(client, path, &object, err);
    return code < 0 ? code : take_rows(client, object, key, ret_rows, err);
}

// Rows of a page; as many as the daemon gives.
enum { PAGE = 1000 };

int gr_cli_fetch_pages(struct gr_client *client, const struct gr_client_path *path, const char *key,
                       json_t **ret_rows, struct gr_err *err)
{
    json_t *all = json_array();
    int code = all == NULL ? gr_fail(err, -ENOMEM, "not enough memory for a list") : 0;
    int64_t after = 0;
    bool has_more = code == 0;
    while (has_more) {
        struct gr_client_path page = *path;
        json_t *object = NULL;
        json_t *rows = NULL;
        gr_client_path_query_int(&page, "limit", PAGE);
        if (after > 0) {
            gr_client_path_query_int(&page, "after", after);
        }
        code = gr_client_get(client, &page, &object, err);
        int64_t next = code < 0 ? 0 : gr_cli_get_int_or(object, "next", 0);
        code = code < 0 ? code : take_rows(client, object, key, &rows, err);
        if (code == 0 && json_array_extend(all, rows) != 0) {
            code = gr_fail(err, -ENOMEM, "not enough memory for a list");
        }
        json_decref(rows);
        has_more = code == 0 && next > after; // who sends us round in circles is left
        after = next;
    }
    if (code < 0) {
        json_decref(all);
        return code;
    }
    *ret_rows = all;
    return 0;
}
