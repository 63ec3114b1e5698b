// Windows: calendar reservations and maintenance. Nodes that are for one organisation, or for
// nobody, from a time on, for a time, once or again and again; docs/design/windows.md.
//
// The next time of a window is `every_ms` after the last one: elapsed time, not civil time. Windows
// open and close by facts, which gr_decide_start makes when it is time; gr_core_wake_ms says when.
#pragma once

#include "core/core.h"

// That a core holds at a time.
#define GR_WINDOWS_MAX 1024u

// --- what is there (pure)

// Windows one after the other: *cursor 0 to begin; NULL at the end. Borrowed until the next
// gr_core_apply.
const struct gr_window *gr_core_window_next(const struct gr_core *core, uint32_t *cursor);
// The window of this name, or NULL. See gr_core_window_next.
const struct gr_window *gr_core_window_named(const struct gr_core *core, const char *name);
// The window with this id, or NULL. See gr_core_window_next.
const struct gr_window *gr_core_window_find(const struct gr_core *core, uint64_t id);
// True if a node is one of the window's, which must be there.
bool gr_core_window_has(const struct gr_core *core, uint64_t id, uint32_t node);
// The window whose time is now on a node, else the one that begins there next; NULL: none.
const struct gr_window *gr_core_node_window(const struct gr_core *core, uint32_t node);
// A node's state as facts set it: maintenance by a window takes nodes that are up out of use, and
// gives them back.
enum gr_node_state gr_core_node_state(const struct gr_core *core, uint32_t node);
// Devices of a window's nodes, which must be there.
uint64_t gr_core_window_devices(const struct gr_core *core, uint64_t id);
// When the time of a window ends that is now or comes next.
int64_t gr_window_end_ms(const struct gr_window *window);
// May work of this organisation and user use the window's nodes while it is open?
bool gr_core_window_lets(const struct gr_core *core, const struct gr_window *window, uint32_t org,
                         uint32_t user);

// --- what may be set (pure)

// What stands against a window, as if it were set at `at_ms`: fields in their ranges, a name that
// no other has, a start that is not past, nodes that are there and that no other window has at any
// of these times. Returns NULL, or the field that is wrong ("name", "from", "length", "every",
// "times", "for", "user", "nodes"; static text) and writes a sentence for people, which says what
// would be right, to `text` (`size` bytes, cut if need be). Windows that come again without end are
// compared for ever; of more than GR_WINDOW_TIMES_COMPARED times, as if they were without end.
const char *gr_window_wrong(const struct gr_core *core, int64_t at_ms,
                            const struct gr_window *window, const struct gr_range *ranges,
                            uint32_t count, char *text, size_t size);
#define GR_WINDOW_TIMES_COMPARED 4096u

// Chooses whole nodes with at least `devices` devices of those that a mask names, for a window:
// nodes that are up and of no other window at any of its times; first those without work, then
// those whose work is the organisation's or ends in time, then the others; by number. Writes ranges
// (room for `most`) and returns how many; 0: there are not enough, and *ret_devices says how many
// devices it could have.
uint32_t gr_window_choose(const struct gr_core *core, int64_t at_ms, const struct gr_window *window,
                          const struct gr_mask *mask, uint64_t devices, struct gr_range *ret_ranges,
                          uint32_t most, uint64_t *ret_devices);

// The jobs that run now on a window's nodes and would be asked to stop when it opens: those that it
// does not let and that are not expected to end before. Writes at most `most` ids, in no order, and
// returns how many there are.
uint32_t gr_window_hits(const struct gr_core *core, int64_t at_ms, const struct gr_window *window,
                        const struct gr_range *ranges, uint32_t count, uint64_t *ret_jobs,
                        uint32_t most);
