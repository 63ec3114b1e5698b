// `granary top`: the pool as it changes. What it knows (top_data.c), how that is shown
// (top_view.c), and the loop around both (top.c).
#pragma once

#include "base/err.h"
#include "cli/command.h"
#include "cli/frame.h"
#include "client/client.h"
#include "client/events.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// See command.h.
extern const struct gr_command gr_cli_top;

// Kinds that are told apart, events that are remembered, reasons that are counted.
enum { TOP_KINDS = 64, TOP_EVENTS = 64, TOP_REASONS = 16 };
// Rows of the queue, and running jobs, that are asked for.
enum { TOP_QUEUE = 500, TOP_RUNNING = 1000 };

// The devices of one variant, in thousandths of a device.
struct top_kind {
    char name[64];   // of the variant
    int64_t whole;   // all of them
    int64_t used;    // held by running jobs
    int64_t idle;    // the part of it whose jobs are held-idle
    int64_t free;    // to be had
    int64_t out;     // of devices out of use; free ones of nodes that take no work
    int64_t nodes;   // that have such devices
    bool is_pretend; // all of them
};

// Why jobs wait, and how many of those that were asked for.
struct top_reason {
    const char *text; // borrowed from the answer
    int64_t count;    // of jobs
};

// An event, as a line.
struct top_event {
    int64_t at_ms;  // Unix time
    char text[160]; // may hold anything that is no control character
};

// What is known of the pool.
struct top_data {
    // Answers as the API has them; NULL before the first.
    json_t *pool, *nodes, *quotas, *shares, *queue;
    json_t *held_idle; // a list of jobs
    struct top_kind kinds[TOP_KINDS];
    size_t kind_count; // of them
    struct top_reason reasons[TOP_REASONS];
    size_t reason_count;                 // of them
    struct top_event events[TOP_EVENTS]; // a ring
    size_t event_count, event_next;      // of it; the newest is before event_next
    int64_t now_ms;                      // when it was asked, Unix time; 0: never
    int64_t lost_ms;                     // since when the daemon does not answer; 0: it does
    char problem[256];                   // what it or the way to it says then
};

// Frees what it holds.
void top_data_done(struct top_data *data);
// Asks the daemon for all of it. 0; or -errno with a text, and what was known stays. Blocks.
int top_data_fetch(struct top_data *data, struct gr_client *client, struct gr_err *err);
// Remembers an event, the oldest goes.
void top_data_event(struct top_data *data, const struct gr_client_event *event);
// All of it as one object, which the caller owns; NULL without memory.
json_t *top_data_json(const struct top_data *data);

// What is looked at.
enum top_page { TOP_ALL = 0, TOP_QUEUE_PAGE, TOP_SHARES, TOP_FLEET, TOP_PAGES };

// How it is looked at.
struct top_view {
    enum top_page page;
    size_t scroll;      // rows of a list that are above the screen
    size_t scroll_most; // set by drawing: more makes no sense
    char filter[64];    // rows that do not hold it are left out; "": none
    bool is_typing;     // keys go to the filter
    bool is_paused;     // the picture stays
    bool is_help;       // the keys are explained
    double interval_s;  // at least so long between two looks; 0: there is one only
    const char *where;  // the daemon's address; borrowed
};

// Draws a whole picture; corrects `scroll`.
void top_draw(const struct top_data *data, struct top_view *view, struct gr_frame *frame);
