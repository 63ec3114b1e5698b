// How `granary top` shows what it knows: see top.h. Everything that came from elsewhere goes
// through gr_frame_put, which lets nothing move the cursor.
#include "cli/top.h"

#include "base/number.h"
#include "cli/units.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HEAD_LINES = 2, FOOT_LINES = 1, SECTIONS = 5 };

static const char *const page_names[TOP_PAGES] = {"all", "queue", "shares", "fleet"};

// ---- cells --------------------------------------------------------------------------------------

static void put_cell(struct gr_frame *frame, size_t width, const char *text)
{
    gr_frame_cell(frame, GR_STYLE_PLAIN, width, false, text);
}

static void put_right(struct gr_frame *frame, enum gr_style style, size_t width, const char *text)
{
    gr_frame_cell(frame, style, width, true, text);
}

static void put_number(struct gr_frame *frame, size_t width, const json_t *row, const char *key,
                       const char *none)
{
    char text[GR_CLI_UNIT_SIZE];
    put_right(frame, GR_STYLE_PLAIN, width, gr_cli_get_decimal(row, key, none, text));
}

// An amount in thousandths, as devices.
static void put_milli(struct gr_frame *frame, enum gr_style style, const char *word, int64_t milli)
{
    char text[GR_NUMBER_TEXT_SIZE];
    gr_frame_putf(frame, milli == 0 ? GR_STYLE_FAINT : style, "  %s %s", word,
                  gr_number_format(milli, 3, text));
}

static void put_title(struct gr_frame *frame, const char *title)
{
    gr_frame_put(frame, GR_STYLE_HEAD, title);
    gr_frame_put(frame, GR_STYLE_PLAIN, " ");
}

// Whether one of the texts holds the filter; large and small letters are alike.
static bool is_wanted(const struct top_view *view, const char *const *texts, size_t count)
{
    size_t size = strlen(view->filter);
    if (size == 0) {
        return true;
    }
    for (size_t t = 0; t < count; t++) {
        for (const char *at = texts[t]; at != NULL && *at != '\0'; at++) {
            if (strncasecmp(at, view->filter, size) == 0) {
                return true;
            }
        }
    }
    return false;
}

// ---- rows ---------------------------------------------------------------------------------------

// A list of rows on a page: which are above the screen, which are beyond it.
struct rows {
    const struct top_view *view;
    struct gr_frame *frame;
    size_t skip, most; // rows to leave out, and to draw
    size_t seen;       // rows that the filter lets by
};

// Whether the next row that the filter lets by is to be drawn.
static bool row_begins(struct rows *rows, const char *const *texts, size_t count)
{
    if (!is_wanted(rows->view, texts, count)) {
        return false;
    }
    size_t at = rows->seen++;
    return at >= rows->skip && at - rows->skip < rows->most;
}

// ---- fleet --------------------------------------------------------------------------------------

static void draw_kind(const struct top_kind *kind, struct gr_frame *frame)
{
    static const enum gr_style styles[] = {GR_STYLE_GOOD, GR_STYLE_WARN, GR_STYLE_BAD};
    int64_t parts[] = {kind->used - kind->idle, kind->idle, kind->out};
    size_t width = frame->columns > 100 ? frame->columns - 76 : 24;
    char text[GR_NUMBER_TEXT_SIZE];
    put_cell(frame, 15, kind->name);
    gr_frame_put(frame, GR_STYLE_PLAIN, "[");
    gr_frame_bar(frame, width, kind->whole, parts, styles, "#~x", 3);
    gr_frame_put(frame, GR_STYLE_PLAIN, "]");
    gr_frame_putf(frame, GR_STYLE_PLAIN, " %s", gr_number_format(kind->whole, 3, text));
    put_milli(frame, GR_STYLE_PLAIN, "used", kind->used);
    if (kind->idle > 0) {
        put_milli(frame, GR_STYLE_WARN, "held-idle", kind->idle);
    }
    put_milli(frame, GR_STYLE_GOOD, "free", kind->free);
    if (kind->out > 0) {
        put_milli(frame, GR_STYLE_BAD, "out", kind->out);
    }
    gr_frame_put(frame, GR_STYLE_FAINT, kind->is_pretend ? "  pretend" : "");
    gr_frame_end(frame);
}

static void draw_fleet(const struct top_data *data, const struct top_view *view, size_t lines,
                       struct gr_frame *frame)
{
    put_title(frame, "fleet");
    if (data->kind_count == 0) {
        gr_frame_put(frame, GR_STYLE_FAINT, "no accelerators");
    } else if (data->kind_count + 1 > lines) {
        gr_frame_putf(frame, GR_STYLE_FAINT, "%zu of %zu kinds (4 shows all)", lines - 1,
                      data->kind_count);
    } else {
        gr_frame_put(frame, GR_STYLE_FAINT, "# used  ~ held-idle  x out of use  . free");
    }
    gr_frame_end(frame);
    for (size_t i = 0; i < data->kind_count && i + 1 < lines; i++) {
        const char *texts[] = {data->kinds[i].name};
        if (is_wanted(view, texts, 1)) {
            draw_kind(&data->kinds[i], frame);
        }
    }
}

static void draw_node(struct rows *rows, const json_t *node)
{
    struct gr_frame *frame = rows->frame;
    const char *state = gr_cli_get_text(node, "state", "?");
    const char *texts[] = {gr_cli_get_text(node, "name", "?"), gr_cli_get_text(node, "variant", ""),
                           state, gr_cli_get_text(node, "site", "")};
    if (!row_begins(rows, texts, 4)) {
        return;
    }
    int64_t free = 0;
    const json_t *left = json_object_get(node, "free_milli");
    for (size_t i = 0; i < json_array_size(left); i++) {
        free += json_integer_value(json_array_get(left, i));
    }
    char text[GR_NUMBER_TEXT_SIZE];
    put_cell(frame, frame->columns > 100 ? 40 : 24, texts[0]);
    put_cell(frame, 14, texts[1]);
    gr_frame_cell(frame, strcmp(state, "up") == 0 ? GR_STYLE_GOOD : GR_STYLE_BAD, 7, false, state);
    put_number(frame, 7, node, "devices", "0");
    put_right(frame, GR_STYLE_PLAIN, 8, gr_number_format(free, 3, text));
    put_number(frame, 6, node, "jobs", "0");
    gr_frame_put(frame, GR_STYLE_WARN, gr_cli_get_text(node, "why", ""));
    gr_frame_end(frame);
}

// ---- the queue ----------------------------------------------------------------------------------

static void asks_of(const json_t *job, char *text, size_t size)
{
    int64_t tasks = gr_cli_get_int_or(job, "tasks", 1);
    int64_t devices = gr_cli_get_int_or(job, "devices", 0);
    int64_t milli = gr_cli_get_int_or(job, "milli", 1000);
    const char *kind = gr_cli_get_text(job, "kind", "");
    char many[24] = "";
    if (tasks > 1) {
        snprintf(many, sizeof many, "%" PRId64 " x ", tasks);
    }
    if (devices == 0) {
        snprintf(text, size, "%scpu only", many);
    } else if (milli < 1000) {
        snprintf(text, size, "%s0.%03" PRId64 " %.40s", many, milli, kind);
    } else {
        snprintf(text, size, "%s%" PRId64 " %.40s", many, devices, kind);
    }
}

static void draw_waiting(struct rows *rows, const json_t *row, int64_t now_ms)
{
    struct gr_frame *frame = rows->frame;
    const json_t *job = json_object_get(row, "job");
    bool is_wide = frame->columns > 100;
    char asks[96];
    char id[24];
    char span[GR_CLI_UNIT_SIZE];
    asks_of(job, asks, sizeof asks);
    snprintf(id, sizeof id, "%" PRId64, gr_cli_get_int_or(row, "id", 0));
    const char *texts[] = {id,
                           gr_cli_get_text(job, "name", ""),
                           gr_cli_get_text(job, "user", ""),
                           gr_cli_get_text(job, "organisation", ""),
                           asks,
                           gr_cli_get_text_in(job, "reason", "text", "")};
    if (!row_begins(rows, texts, 6)) {
        return;
    }
    put_number(frame, 5, row, "position", "");
    put_right(frame, GR_STYLE_PLAIN, 8, id);
    put_cell(frame, is_wide ? 20 : 10, texts[1]);
    put_cell(frame, is_wide ? 16 : 9, texts[3]);
    put_cell(frame, is_wide ? 18 : 11, asks);
    put_right(frame, GR_STYLE_PLAIN, 6,
              gr_cli_span(now_ms - gr_cli_get_int_or(job, "submitted_ms", now_ms), span));
    gr_frame_put(frame, GR_STYLE_FAINT, texts[5]);
    gr_frame_end(frame);
}

static void draw_queue(const struct top_data *data, const struct top_view *view, size_t lines,
                       struct gr_frame *frame)
{
    const json_t *jobs = json_object_get(data->queue, "jobs");
    int64_t waiting = gr_cli_get_int_or(data->queue, "waiting", 0);
    size_t asked = json_array_size(jobs);
    put_title(frame, "queue");
    gr_frame_putf(frame, GR_STYLE_FAINT, "%" PRId64 " wait", waiting);
    if ((int64_t)asked < waiting) {
        gr_frame_putf(frame, GR_STYLE_FAINT, "; why, of the first %zu", asked);
    }
    gr_frame_end(frame);
    size_t used = 1;
    size_t reasons = lines > 6 ? lines / 4 : lines > 3 ? 1 : 0;
    for (size_t r = 0; r < data->reason_count && r < reasons; r++, used++) {
        gr_frame_putf(frame, GR_STYLE_PLAIN, "%14" PRId64 "  ", data->reasons[r].count);
        gr_frame_put(frame, GR_STYLE_WARN, data->reasons[r].text);
        gr_frame_end(frame);
    }
    struct rows rows = {.view = view, .frame = frame, .most = lines > used ? lines - used : 0};
    size_t index;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)jobs, index, row)
    {
        draw_waiting(&rows, row, data->now_ms);
    }
}

// ---- shares and quotas --------------------------------------------------------------------------

// Sums of an organisation's quotas: what it owns, holds, borrows, and lends now.
struct owned {
    double nominal, used, borrowed, lent;
    bool is_any;
};

static double number_of(const json_t *row, const char *key)
{
    return json_number_value(json_object_get(row, key));
}

// What is lent is not said: it is what others borrow, at most what this one leaves.
static struct owned owned_of(const struct top_data *data, const char *name)
{
    struct owned owned = {.is_any = false};
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(data->quotas, "quotas"), index, row)
    {
        if (strcmp(gr_cli_get_text(row, "organisation", ""), name) != 0) {
            continue;
        }
        double borrowed = 0;
        size_t other;
        json_t *each;
        json_array_foreach(json_object_get(data->quotas, "quotas"), other, each)
        {
            if (each != row && strcmp(gr_cli_get_text(each, "variant", ""),
                                      gr_cli_get_text(row, "variant", "?")) == 0) {
                borrowed += number_of(each, "borrowed");
            }
        }
        double left = number_of(row, "nominal") - number_of(row, "used");
        left = left < 0 ? 0 : left;
        owned.is_any = true;
        owned.nominal += number_of(row, "nominal");
        owned.used += number_of(row, "used");
        owned.borrowed += number_of(row, "borrowed");
        owned.lent += left < borrowed ? left : borrowed;
    }
    return owned;
}

static void put_owned(struct gr_frame *frame, size_t width, bool is_any, double value,
                      enum gr_style style)
{
    char text[GR_CLI_UNIT_SIZE];
    snprintf(text, sizeof text, "%.15g", value);
    put_right(frame, is_any && value > 0 ? style : GR_STYLE_FAINT, width, is_any ? text : "-");
}

static void head_shares(struct gr_frame *frame)
{
    put_cell(frame, frame->columns > 100 ? 30 : 20, "organisation");
    static const char *const heads[] = {"weight", "share",    "runs", "waits",
                                        "own",    "borrowed", "lent"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        put_right(frame, GR_STYLE_FAINT, i == 5 ? 8 : 7, heads[i]);
    }
}

static void draw_share(struct rows *rows, const struct top_data *data, const json_t *row)
{
    struct gr_frame *frame = rows->frame;
    const char *user = gr_cli_get_text(row, "user", "");
    const char *name = gr_cli_get_text(row, "organisation", "?");
    const char *texts[] = {name, user};
    char both[256];
    if (!row_begins(rows, texts, 2)) {
        return;
    }
    snprintf(both, sizeof both, "%s%.100s", user[0] == '\0' ? "" : "  ",
             user[0] == '\0' ? name : user);
    struct owned owned = {.is_any = false};
    if (user[0] == '\0') {
        owned = owned_of(data, name);
    }
    put_cell(frame, frame->columns > 100 ? 30 : 20, both);
    put_number(frame, 7, row, "weight", "-");
    put_number(frame, 7, row, "share", "-");
    put_number(frame, 7, row, "running", "-");
    put_number(frame, 7, row, "waiting", "-");
    put_owned(frame, 7, owned.is_any, owned.nominal, GR_STYLE_PLAIN);
    put_owned(frame, 8, owned.is_any, owned.borrowed, GR_STYLE_WARN);
    put_owned(frame, 7, owned.is_any, owned.lent, GR_STYLE_GOOD);
    gr_frame_end(frame);
}

// Organisations; on their own page with their users below them.
static void draw_shares(const struct top_data *data, struct rows *rows, bool has_users)
{
    const json_t *list = json_object_get(data->shares, "shares");
    size_t index;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)list, index, row)
    {
        if (json_is_string(json_object_get(row, "user"))) {
            continue;
        }
        draw_share(rows, data, row);
        size_t other;
        json_t *user;
        const char *name = gr_cli_get_text(row, "organisation", "?");
        json_array_foreach((json_t *)(uintptr_t)list, other, user)
        {
            if (has_users && json_is_string(json_object_get(user, "user")) &&
                strcmp(gr_cli_get_text(user, "organisation", ""), name) == 0) {
                draw_share(rows, data, user);
            }
        }
    }
}

static void draw_top_shares(const struct top_data *data, const struct top_view *view, size_t lines,
                            struct gr_frame *frame)
{
    struct rows rows = {.view = view, .frame = frame, .most = lines > 0 ? lines - 1 : 0};
    head_shares(frame);
    gr_frame_end(frame);
    draw_shares(data, &rows, false);
}

// ---- held-idle and events -----------------------------------------------------------------------

static void draw_idle_job(struct rows *rows, const json_t *job, int64_t now_ms)
{
    struct gr_frame *frame = rows->frame;
    char asks[96];
    char span[GR_CLI_UNIT_SIZE];
    char id[24];
    asks_of(job, asks, sizeof asks);
    snprintf(id, sizeof id, "%" PRId64, gr_cli_get_int_or(job, "id", 0));
    const char *texts[] = {id, gr_cli_get_text(job, "name", ""), gr_cli_get_text(job, "user", ""),
                           asks};
    if (!row_begins(rows, texts, 4)) {
        return;
    }
    const json_t *idle = json_object_get(job, "held_idle");
    put_right(frame, GR_STYLE_PLAIN, 8, id);
    put_cell(frame, 14, texts[1]);
    put_cell(frame, 12, texts[2]);
    put_cell(frame, 14, asks);
    put_right(frame, GR_STYLE_WARN, 6,
              gr_cli_span(now_ms - gr_cli_get_int_or(idle, "since_ms", now_ms), span));
    gr_frame_put(frame, GR_STYLE_FAINT, gr_cli_get_text(idle, "text", ""));
    gr_frame_end(frame);
}

static void draw_idle(const struct top_data *data, const struct top_view *view, size_t lines,
                      struct gr_frame *frame)
{
    struct rows rows = {.view = view, .frame = frame, .most = lines > 0 ? lines - 1 : 0};
    size_t index;
    json_t *row;
    put_title(frame, "held-idle");
    gr_frame_putf(frame, GR_STYLE_FAINT, "%zu hold devices and use no cpu",
                  json_array_size(data->held_idle));
    gr_frame_end(frame);
    json_array_foreach(data->held_idle, index, row)
    {
        draw_idle_job(&rows, row, data->now_ms);
    }
}

static void draw_events(const struct top_data *data, const struct top_view *view, size_t lines,
                        struct gr_frame *frame)
{
    (void)view;
    put_title(frame, "events");
    gr_frame_put(frame, GR_STYLE_FAINT, data->event_count == 0 ? "none since this began" : "");
    gr_frame_end(frame);
    for (size_t i = 1; i <= data->event_count && i < lines; i++) {
        const struct top_event *event =
            &data->events[(data->event_next + TOP_EVENTS - i) % TOP_EVENTS];
        char moment[GR_CLI_UNIT_SIZE];
        const char *clock = gr_cli_moment(event->at_ms, moment);
        gr_frame_putf(frame, GR_STYLE_FAINT, "%s ", strlen(clock) == 19 ? clock + 11 : clock);
        gr_frame_put(frame, GR_STYLE_PLAIN, event->text);
        gr_frame_end(frame);
    }
}

// ---- pages --------------------------------------------------------------------------------------

static size_t count_organisations(const struct top_data *data)
{
    const json_t *list = json_object_get(data->shares, "shares");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        count += !json_is_string(json_object_get(json_array_get(list, i), "user"));
    }
    return count;
}

// How many lines each section gets: first what it needs to be of use, then one after another as
// much as it can fill.
static void plan(const struct top_data *data, size_t room, size_t lines[SECTIONS])
{
    size_t jobs = json_array_size(json_object_get(data->queue, "jobs"));
    size_t idle = json_array_size(data->held_idle);
    size_t wanted[SECTIONS] = {
        1 + data->kind_count, 1 + jobs + (data->reason_count < 4 ? data->reason_count : 4),
        1 + count_organisations(data), idle == 0 ? 0 : 1 + idle, 1 + data->event_count};
    static const size_t least[SECTIONS] = {3, 5, 4, 2, 3};
    for (size_t s = 0; s < SECTIONS; s++) {
        lines[s] = wanted[s] < least[s] ? wanted[s] : least[s];
        lines[s] = lines[s] < room ? lines[s] : room;
        room -= lines[s];
    }
    for (bool is_any = true; room > 0 && is_any;) {
        is_any = false;
        for (size_t s = 0; s < SECTIONS && room > 0; s++) {
            if (lines[s] < wanted[s]) {
                lines[s]++;
                room--;
                is_any = true;
            }
        }
    }
}

static void draw_all(const struct top_data *data, const struct top_view *view,
                     struct gr_frame *frame)
{
    static void (*const draw[SECTIONS])(const struct top_data *, const struct top_view *, size_t,
                                        struct gr_frame *) = {
        draw_fleet, draw_queue, draw_top_shares, draw_idle, draw_events};
    size_t lines[SECTIONS];
    plan(data, gr_frame_left(frame) - FOOT_LINES, lines);
    for (size_t s = 0; s < SECTIONS; s++) {
        if (lines[s] > 0) {
            draw[s](data, view, lines[s], frame);
        }
    }
}

// A page that is one list: its head, and the rows from `scroll` on.
static void draw_list(const struct top_data *data, struct top_view *view, struct gr_frame *frame)
{
    size_t index;
    json_t *row;
    struct rows rows = {.view = view, .frame = frame, .skip = view->scroll};
    if (view->page == TOP_QUEUE_PAGE) {
        gr_frame_putf(frame, GR_STYLE_HEAD, "%5s %8s %-*s %-*s %-*s %6s %s", "turn", "job",
                      frame->columns > 100 ? 20 : 10, "name", frame->columns > 100 ? 16 : 9, "org",
                      frame->columns > 100 ? 18 : 11, "asks for", "waits", "why");
    } else if (view->page == TOP_SHARES) {
        head_shares(frame);
    } else {
        for (size_t i = 0; i < data->kind_count && gr_frame_left(frame) > 8; i++) {
            draw_kind(&data->kinds[i], frame);
        }
        gr_frame_putf(frame, GR_STYLE_HEAD, "%-*s %-14s %-7s %7s %8s %6s %s",
                      frame->columns > 100 ? 40 : 24, "node", "variant", "state", "devices", "free",
                      "jobs", "why");
    }
    gr_frame_end(frame);
    rows.most = gr_frame_left(frame) > FOOT_LINES ? gr_frame_left(frame) - FOOT_LINES : 0;
    if (view->page == TOP_QUEUE_PAGE) {
        json_array_foreach(json_object_get(data->queue, "jobs"), index, row)
        {
            draw_waiting(&rows, row, data->now_ms);
        }
    } else if (view->page == TOP_SHARES) {
        draw_shares(data, &rows, true);
    } else {
        json_array_foreach(data->held_idle, index, row)
        {
            draw_idle_job(&rows, row, data->now_ms);
        }
        json_array_foreach(data->nodes, index, row)
        {
            draw_node(&rows, row);
        }
    }
    view->scroll_most = rows.seen > rows.most ? rows.seen - rows.most : 0;
}

static void draw_help(struct gr_frame *frame)
{
    static const char *const lines[] = {
        "",
        "  1 2 3 4, tab     all, the queue, shares and quotas, the fleet node by node",
        "  arrows, page     up and down in a list; home, end",
        "  /                show only rows that hold a text; return keeps it, escape drops it",
        "  p                pause: the picture stays as it is",
        "  + -              look less or more often (at least so long between two looks)",
        "  r                look again now",
        "  h ?              this help",
        "  q, Ctrl-C        end",
        "",
        "  The pool says when something changed. own, borrowed, lent: devices by quota, of all",
        "  kinds; share: what is held and was held, for the weight; the smaller one comes first.",
        "  held-idle: running, and no process has used a cpu for long.",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (gr_frame_left(frame) > FOOT_LINES) {
            gr_frame_put(frame, GR_STYLE_PLAIN, lines[i]);
            gr_frame_end(frame);
        }
    }
}

// ---- head and foot ------------------------------------------------------------------------------

static int64_t inner(const struct top_data *data, const char *key, const char *name)
{
    return gr_cli_get_int_or(json_object_get(data->pool, key), name, 0);
}

static void draw_head(const struct top_data *data, const struct top_view *view,
                      struct gr_frame *frame)
{
    char text[GR_CLI_UNIT_SIZE];
    gr_frame_putf(frame, GR_STYLE_HEAD, "granary %s",
                  gr_cli_get_text(data->pool, "version", GR_VERSION));
    gr_frame_putf(frame, GR_STYLE_PLAIN, "  %s  ", view->where);
    gr_frame_put(frame, GR_STYLE_FAINT, data->now_ms == 0 ? "" : gr_cli_moment(data->now_ms, text));
    gr_frame_put(frame, GR_STYLE_WARN, view->is_paused ? "  paused" : "");
    gr_frame_end(frame);
    if (data->lost_ms != 0) {
        char span[GR_CLI_UNIT_SIZE];
        gr_frame_putf(frame, GR_STYLE_BAD, "connection lost since %s (%s), trying again: %s",
                      gr_cli_moment(data->lost_ms, text) + 11,
                      gr_cli_span(gr_cli_now_ms() - data->lost_ms, span), data->problem);
    } else {
        gr_frame_putf(frame, GR_STYLE_PLAIN,
                      "nodes %" PRId64 " up, %" PRId64 " drained, %" PRId64 " broken   "
                      "jobs %" PRId64 " running, %" PRId64 " waiting, %" PRId64 " held",
                      inner(data, "nodes", "up"), inner(data, "nodes", "drained"),
                      inner(data, "nodes", "broken"), inner(data, "jobs", "running"),
                      inner(data, "jobs", "waiting"), inner(data, "jobs", "held"));
    }
    gr_frame_end(frame);
}

static void draw_foot(const struct top_view *view, struct gr_frame *frame)
{
    while (gr_frame_left(frame) > FOOT_LINES) {
        gr_frame_end(frame);
    }
    if (view->is_typing) {
        gr_frame_putf(frame, GR_STYLE_HEAD, "/%s_", view->filter);
        gr_frame_end(frame);
        return;
    }
    for (size_t i = 0; i < TOP_PAGES; i++) {
        gr_frame_putf(frame, i == (size_t)view->page ? GR_STYLE_HEAD : GR_STYLE_FAINT,
                      i == (size_t)view->page ? "[%zu %s] " : " %zu %s  ", i + 1, page_names[i]);
    }
    bool is_filtered = view->filter[0] != '\0';
    gr_frame_putf(frame, is_filtered ? GR_STYLE_WARN : GR_STYLE_FAINT, " /%s",
                  is_filtered ? view->filter : " filter");
    gr_frame_putf(frame, GR_STYLE_FAINT, "  p pause  h help  q end  %.3gs", view->interval_s);
    gr_frame_end(frame);
}

void top_draw(const struct top_data *data, struct top_view *view, struct gr_frame *frame)
{
    bool has_foot = view->interval_s > 0;
    view->scroll_most = 0;
    draw_head(data, view, frame);
    if (gr_frame_left(frame) > FOOT_LINES) {
        if (view->is_help) {
            draw_help(frame);
        } else if (data->pool == NULL) {
            gr_frame_put(frame, GR_STYLE_PLAIN, "waiting for the pool");
            gr_frame_end(frame);
        } else if (view->page == TOP_ALL) {
            draw_all(data, view, frame);
        } else {
            draw_list(data, view, frame);
        }
    }
    if (has_foot) {
        draw_foot(view, frame);
    }
    view->scroll = view->scroll > view->scroll_most ? view->scroll_most : view->scroll;
}
