// `granary top`: the pool as it changes, on the whole terminal or once as text. See top.h.
//
// The daemon's events say when to look; nothing is asked oftener than the interval, and once in ten
// seconds at least, because shares and spans change without events.
#include "cli/top.h"

#include "base/clock.h"
#include "cli/output.h"
#include "cli/remote.h"
#include "cli/screen.h"
#include "cli/start.h"
#include "cli/units.h"
#include "client/stream.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 1000, LOOK_MS = 10000, ONCE_ROWS = 60 };
// Bounds of the interval, in thousandths of a second.
enum { INTERVAL_LEAST = 100, INTERVAL_MOST = 3600000 };

static const char *const formats[] = {"table", "json", NULL};

// What is asked for, and how it stands.
struct top {
    struct gr_cli_remote remote;
    int64_t interval_ms;
    bool is_once;
    size_t format; // index of `formats`
    struct top_data data;
    struct top_view view;
    struct gr_frame frame;
    struct gr_terminal terminal;
    bool has_utf8;
    struct gr_client_events *events;
    bool is_stale;   // something happened since the last look
    bool is_to_draw; // what is shown is not what is known
    bool is_over;
    int64_t looked_ms; // monotonic; the last look, or try
};

// Whether the locale writes UTF-8. The program itself keeps the C locale.
static bool locale_has_utf8(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    if (locale == (locale_t)0) {
        return false;
    }
    bool has_utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
    freelocale(locale);
    return has_utf8;
}

// ---- once ---------------------------------------------------------------------------------------

static int show_once(struct top *top, struct gr_err *err)
{
    int code = top_data_fetch(&top->data, top->remote.client, err);
    if (code != 0) {
        return code;
    }
    if (top->format == 1) {
        json_t *object = top_data_json(&top->data);
        code = object == NULL ? gr_fail(err, -ENOMEM, "not enough memory for the answer")
                              : gr_cli_object_write(object, false, stdout, err);
        json_decref(object);
        return code;
    }
    gr_frame_begin(&top->frame, top->terminal.column_count, ONCE_ROWS, top->terminal.has_colour,
                   top->has_utf8);
    top_draw(&top->data, &top->view, &top->frame);
    gr_frame_print(&top->frame, stdout);
    return gr_text_finish(stdout, "standard output", err);
}

// ---- live ---------------------------------------------------------------------------------------

static void lost(struct top *top, const struct gr_err *why)
{
    struct top_data *data = &top->data;
    data->lost_ms = data->lost_ms == 0 ? gr_cli_now_ms() : data->lost_ms;
    (void)gr_cli_clean(why->text, data->problem, sizeof data->problem);
    top->is_to_draw = true;
}

static void look(struct top *top)
{
    struct gr_err err;
    gr_err_init(&err);
    top->looked_ms = gr_clock_ms();
    if (top_data_fetch(&top->data, top->remote.client, &err) != 0) {
        lost(top, &err);
        return;
    }
    top->is_stale = false;
    top->is_to_draw = true;
}

// Takes in what the daemon says; asks it to say on if it had to be left.
static void hear(struct top *top)
{
    struct gr_client_event event;
    struct gr_err err;
    gr_err_init(&err);
    if (top->events == NULL &&
        gr_client_events_open(top->remote.client, -1, &top->events, &err) != 0) {
        top->events = NULL;
        lost(top, &err);
        return;
    }
    int code;
    while ((code = gr_client_events_next(top->events, &event, &err)) == 1) {
        top_data_event(&top->data, &event);
        top->is_stale = true;
    }
    if (code < 0) {
        gr_client_events_close(top->events);
        top->events = NULL;
        lost(top, &err);
    }
}

static void filter_key(struct top *top, int key)
{
    struct top_view *view = &top->view;
    size_t size = strlen(view->filter);
    if (key == GR_KEY_ESCAPE) {
        view->filter[0] = '\0';
        view->is_typing = false;
    } else if (key == '\n' || key == '\r') {
        view->is_typing = false;
    } else if ((key == 0x7f || key == '\b') && size > 0) {
        view->filter[size - 1] = '\0';
    } else if (key >= ' ' && key < 0x7f && size + 1 < sizeof view->filter) {
        view->filter[size] = (char)key;
        view->filter[size + 1] = '\0';
    }
    view->scroll = 0;
}

static void turn_to(struct top_view *view, int page)
{
    view->page = (enum top_page)((page + TOP_PAGES) % TOP_PAGES);
    view->scroll = 0;
    view->is_help = false;
}

static void scroll_by(struct top *top, int64_t rows)
{
    struct top_view *view = &top->view;
    int64_t at = (int64_t)view->scroll + rows;
    at = at > (int64_t)view->scroll_most ? (int64_t)view->scroll_most : at;
    view->scroll = at < 0 ? 0 : (size_t)at;
}

// Keys that move within a page.
static void move_key(struct top *top, int key)
{
    int64_t page = top->frame.rows > 6 ? (int64_t)top->frame.rows - 5 : 1;
    switch (key) {
    case GR_KEY_UP:
    case 'k':
        scroll_by(top, -1);
        break;
    case GR_KEY_DOWN:
    case 'j':
        scroll_by(top, 1);
        break;
    case GR_KEY_PAGE_UP:
        scroll_by(top, -page);
        break;
    case GR_KEY_PAGE_DOWN:
    case ' ':
        scroll_by(top, page);
        break;
    case GR_KEY_HOME:
        top->view.scroll = 0;
        break;
    case GR_KEY_END:
        top->view.scroll = top->view.scroll_most;
        break;
    default:
        break;
    }
}

static void interval_set(struct top *top, int64_t ms)
{
    top->interval_ms = ms < INTERVAL_LEAST  ? INTERVAL_LEAST
                       : ms > INTERVAL_MOST ? INTERVAL_MOST
                                            : ms;
    top->view.interval_s = (double)top->interval_ms / 1000;
}

static void command_key(struct top *top, int key)
{
    struct top_view *view = &top->view;
    if (key >= '1' && key < '1' + TOP_PAGES) {
        turn_to(view, key - '1');
    } else if (key == '\t' || key == GR_KEY_RIGHT) {
        turn_to(view, (int)view->page + 1);
    } else if (key == GR_KEY_BACK_TAB || key == GR_KEY_LEFT) {
        turn_to(view, (int)view->page - 1);
    } else if (key == 'q' || key == 'Q') {
        top->is_over = true;
    } else if (key == '/') {
        view->is_typing = true;
        view->is_help = false;
    } else if (key == GR_KEY_ESCAPE) {
        view->filter[0] = '\0';
        view->is_help = false;
    } else if (key == 'h' || key == '?') {
        view->is_help = !view->is_help;
    } else if (key == 'p') {
        view->is_paused = !view->is_paused;
    } else if (key == 'r') {
        top->looked_ms = 0;
        top->is_stale = true;
    } else if (key == '+' || key == '=') {
        interval_set(top, top->interval_ms * 2);
    } else if (key == '-') {
        interval_set(top, top->interval_ms / 2);
    } else {
        move_key(top, key);
    }
}

static void keys_take(struct top *top)
{
    int key;
    while (!top->is_over && (key = gr_screen_key()) != GR_KEY_NONE) {
        if (top->view.is_typing) {
            filter_key(top, key);
        } else {
            command_key(top, key);
        }
        top->is_to_draw = true;
    }
}

static int draw(struct top *top, struct gr_err *err)
{
    size_t rows;
    size_t columns;
    gr_screen_size(&rows, &columns);
    gr_frame_begin(&top->frame, columns, rows, top->terminal.has_colour, top->has_utf8);
    top_draw(&top->data, &top->view, &top->frame);
    gr_frame_draw(&top->frame, stdout);
    top->is_to_draw = false;
    return gr_text_finish(stdout, "standard output", err);
}

// How long nothing needs to be done.
static int wait_ms(const struct top *top)
{
    int64_t until_ms = gr_clock_ms() - top->looked_ms;
    bool is_due = top->is_stale || top->data.lost_ms != 0;
    int64_t left_ms = (is_due ? top->interval_ms : LOOK_MS) - until_ms;
    left_ms = top->view.is_paused || left_ms > TICK_MS ? TICK_MS : left_ms;
    return left_ms < 0 ? 0 : (int)left_ms;
}

static int live(struct top *top, struct gr_err *err)
{
    int fd = -1;
    int code = gr_screen_open(&fd, err);
    while (code == 0 && !top->is_over) {
        hear(top);
        enum gr_screen_event event = gr_screen_signal();
        if (event == GR_SCREEN_ENDED) {
            break;
        }
        keys_take(top);
        int64_t passed_ms = gr_clock_ms() - top->looked_ms;
        bool is_due = top->is_stale || top->data.lost_ms != 0;
        if (!top->is_over && !top->view.is_paused &&
            passed_ms >= (is_due ? top->interval_ms : LOOK_MS)) {
            look(top);
        }
        bool is_to_draw = top->is_to_draw || event == GR_SCREEN_RESIZED || top->data.lost_ms != 0;
        code = is_to_draw && !top->is_over ? draw(top, err) : 0;
        if (code == 0 && !top->is_over) {
            code = top->events != NULL ? gr_client_events_wait(top->events, fd, wait_ms(top), err)
                                       : gr_client_wait(top->remote.client, fd, wait_ms(top), err);
        }
    }
    gr_screen_close();
    return code;
}

static int show(void *context, char **operands, size_t count)
{
    struct top *top = context;
    struct gr_err err;
    (void)operands;
    (void)count;
    gr_err_init(&err);
    gr_terminal_init(&top->terminal, stdout);
    top->has_utf8 = locale_has_utf8();
    top->view.where = gr_client_where(top->remote.client);
    bool is_once = top->is_once || top->format == 1 || !gr_screen_is_possible();
    int code;
    if (is_once) {
        code = show_once(top, &err);
    } else {
        interval_set(top, top->interval_ms);
        // A pool that is not there is said as everywhere, before the screen is taken.
        code = top_data_fetch(&top->data, top->remote.client, &err);
        top->looked_ms = gr_clock_ms();
        top->is_to_draw = true;
        code = code != 0 ? code : live(top, &err);
    }
    gr_client_events_close(top->events);
    top_data_done(&top->data);
    gr_frame_done(&top->frame);
    return code != 0 ? gr_cli_remote_fail(&top->remote, &err) : gr_cli_finish("top");
}

static int run(int argc, char **argv)
{
    struct top top = {.remote = {.command = "top"}, .interval_ms = 1000};
    const struct gr_option table[] = {
        {.name = "once",
         .letter = '1',
         .type = GR_OPTION_FLAG,
         .store = &top.is_once,
         .help = "One picture as text, and end. So it is also where there is no terminal."},
        {.name = "interval",
         .letter = 'i',
         .type = GR_OPTION_DECIMAL,
         .value = "SECONDS",
         .low = INTERVAL_LEAST,
         .high = INTERVAL_MOST,
         .digits = 3,
         .store = &top.interval_ms,
         .help = "Ask the daemon at most so often, however much happens. The default is 1."},
        {.name = "format",
         .letter = 'o',
         .type = GR_OPTION_WORD,
         .value = "FORMAT",
         .words = formats,
         .store = &top.format,
         .help = "table (default), or json: one object, once."},
        GR_CLI_REMOTE_OPTIONS(&top.remote),
        {.name = NULL},
    };
    const struct gr_options options = {
        .usage = "top [OPTIONS]",
        .about = "Shows the pool as it changes: the fleet by kind, the queue and why jobs wait, "
                 "shares and quotas, what is held idle, the last events. h explains the keys, q "
                 "ends it.",
        .options = table,
        .operands = "no operand",
    };
    return gr_cli_remote_run(&top.remote, &options, argc, argv, show, &top);
}

const struct gr_command gr_cli_top = {
    .name = "top",
    .summary = "the pool as it changes, on the whole terminal",
    .run = run,
};
