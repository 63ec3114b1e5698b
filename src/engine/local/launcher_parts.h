// The inside of the launcher, for launcher*.c only.
#pragma once

#include "engine/engine.h"
#include "engine/local/cgroup.h"
#include "engine/local/keeper.h"
#include "engine/local/person_cache.h"
#include "engine/local/record.h"
#include "engine/local/wire.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

// File descriptors that a keeper keeps; everything above them is the launcher's alone.
enum launcher_fd {
    LAUNCHER_FD_ATTEMPTS = 3, // DIR/attempts
    LAUNCHER_FD_HINTS = 4,    // write end of the pipe DIR/hints
    LAUNCHER_FD_RECORD = 5,   // in a keeper: its record
    LAUNCHER_FD_PROGRAM = 6,  // what limits the devices of tasks that have none (cgroup.h)
    LAUNCHER_FD_OWN = 7,      // from here on the launcher's own
};

// How an attempt stands.
enum launcher_state {
    STATE_STARTING = 0, // a keeper lives, and nothing runs yet
    STATE_STARTED,
    STATE_OVER,    // the end stands in the record
    STATE_FENCING, // the keeper died without a word; what it left is being killed
    STATE_LOST,
};

// What is still to be told about an attempt; bits.
enum launcher_news {
    NEWS_STARTED = 1u << 0,
    NEWS_IDLE = 1u << 1,
    NEWS_END = 1u << 2, // ENDED, REFUSED or LOST
    NEWS_PARTS = 1u << 3,
};

// An attempt that the launcher knows.
struct launcher_attempt {
    uint64_t job;     // id
    uint32_t attempt; // of the job
    uint32_t news;    // enum launcher_news
    enum launcher_state state;
    pid_t pid;             // of the keeper if it is our child, else 0
    int pid_fd;            // of a keeper that another launcher forked; -1: none
    bool is_ours;          // the keeper is or was our child
    bool is_listed;        // in the list of news
    int64_t started_ms;    // Unix time; 0: not yet
    int64_t idle_ms;       // held-idle since; 0: not
    int64_t lost_ms;       // when it was found lost
    uint32_t fences;       // how often it was tried to kill what was left
    uint32_t part_orders;  // about single tasks, given so far
    bool is_parting;       // there are some
    uint64_t part_version; // of the file `parts` that was told last
    // Neighbours in the table, and in the list of those with news.
    struct launcher_attempt *next_by_id, *next_by_pid, *next_news, *previous_news;
};

// Attempts by number, and by their keeper's pid.
struct launcher_table {
    struct launcher_attempt **by_id, **by_pid; // heap; `size` of each, a power of two
    size_t size;
    size_t count;
    struct launcher_attempt *news_first, *news_last; // in the order in which they came up
};

// A report about what is no attempt in the table.
struct launcher_reply {
    struct launcher_reply *next;
    struct gr_engine_report report;
};

// A connection.
struct launcher_peer {
    int socket;                    // -1: none
    struct gr_wire_buffer in, out; // bytes read and not taken; made and not sent
    uint32_t watched;              // events of epoll that are asked for
    bool has_more;                 // `in` may hold another whole frame
};

// Everything of the launcher.
struct launcher {
    char dir[PATH_MAX]; // absolute
    // DIR, DIR/live, the lock, the socket, epoll, signals, the read end of the hints: all open.
    int dir_fd, live_fd, lock_fd, listen_fd, poll_fd, signal_fd, hints_fd;
    struct launcher_peer daemon; // who gives orders
    struct launcher_peer next;   // who has not said its name yet
    bool is_over;                // told to end
    int64_t settle_at_ms;        // monotonic; next gr_launcher_settle; INT64_MAX: none
    uint32_t epoch;              // newest seen; kept in DIR/epoch
    // As the daemon's greeting has them.
    int64_t idle_warn_ms;
    char checks[GR_WIRE_PATH_SIZE], crun[GR_WIRE_PATH_SIZE], runc[GR_WIRE_PATH_SIZE];
    char server[GR_WIRE_PATH_SIZE], door[GR_WIRE_PATH_SIZE];

    uint8_t boot[GR_RECORD_BOOT_SIZE]; // this machine's
    struct gr_cgroup_means means;
    struct rlimit files; // limit of open files as it was
    int oom_adjust;      // for tasks: as it was, at least 0; INT_MIN: unchanged
    struct gr_person_cache persons;
    uint8_t hints[16384]; // what keepers said and was not taken in yet
    size_t hints_size;    // bytes of it
    struct launcher_table table;
    struct launcher_reply *reply_first, *reply_last; // a list
    size_t reply_count;
    bool is_list_open; // LISTED is owed when the news are told
};

// ---- the table (launcher_table.c) ---------------------------------------------------------------

// Makes the table. -ENOMEM with a text.
int gr_launcher_table_init(struct launcher_table *table, struct gr_err *err);
// The attempt, or NULL.
struct launcher_attempt *gr_launcher_find(const struct launcher_table *table, uint64_t job,
                                          uint32_t attempt);
// The attempt with this keeper, or NULL.
struct launcher_attempt *gr_launcher_find_pid(const struct launcher_table *table, pid_t pid);
// Adds an attempt that is not there. NULL without memory.
struct launcher_attempt *gr_launcher_add(struct launcher_table *table, uint64_t job,
                                         uint32_t attempt);
// Says which process its keeper is; 0: none any more.
void gr_launcher_pid_set(struct launcher_table *table, struct launcher_attempt *attempt, pid_t pid);
// Takes an attempt out and frees it.
void gr_launcher_drop(struct launcher_table *table, struct launcher_attempt *attempt);
// Notes that there is something to tell about it.
void gr_launcher_news_add(struct launcher_table *table, struct launcher_attempt *attempt,
                          uint32_t news);
// Takes it off the list of those with news.
void gr_launcher_news_done(struct launcher_table *table, struct launcher_attempt *attempt);

// ---- orders and reports (launcher_orders.c) -----------------------------------------------------

// Carries out one frame of the daemon. -errno with a text: the connection is to be closed.
int gr_launcher_obey(struct launcher *launcher, int type, const uint8_t *body, size_t size,
                     struct gr_err *err);
// Whether so much is waiting to be told that no further orders should be taken.
bool gr_launcher_is_full(const struct launcher *launcher);
// Puts reports into the daemon's outgoing bytes as long as there is room for them.
void gr_launcher_tell(struct launcher *launcher);
// Asks for a report on every attempt.
void gr_launcher_list(struct launcher *launcher);
// Bits of enum gr_engine_can.
uint32_t gr_launcher_can(const struct launcher *launcher);
// Reads the newest epoch from DIR/epoch. Returns 0 or -errno with a text.
int gr_launcher_epoch_read(struct launcher *launcher, struct gr_err *err);
// Keeps a newer epoch, durably. Returns 0 or -errno with a text.
int gr_launcher_epoch_raise(struct launcher *launcher, uint32_t epoch, struct gr_err *err);

// ---- single tasks (launcher_tasks.c)
// --------------------------------------------------------------

// Hands an order about single tasks on to the keeper.
int gr_launcher_obey_part(struct launcher *launcher, int type, const uint8_t *body, size_t size,
                          struct gr_err *err);
// Queues a report about what is no attempt in the table, or about one of its tasks.
void gr_launcher_reply(struct launcher *launcher, const struct gr_engine_report *report);
// Adds a report to what goes out now.
void gr_launcher_report(struct launcher *launcher, const struct gr_engine_report *report);
// Says how the single tasks of an attempt stand.
void gr_launcher_parts_tell(struct launcher *launcher, struct launcher_attempt *attempt);
// Finds out whether there were orders about single tasks of an attempt that was found again.
void gr_launcher_parts_adopt(struct launcher_attempt *attempt);
// Looks whether there is news of them that was not told, for a hint may be lost.
void gr_launcher_parts_look(struct launcher *launcher, struct launcher_attempt *attempt);
// Removes the files about single tasks.
void gr_launcher_parts_forget(uint64_t job, uint32_t attempt);

// ---- keepers (launcher_keepers.c) ---------------------------------------------------------------

// Forks a keeper for the attempt, whose record is `record`. Returns its pid or -errno with a text.
pid_t gr_launcher_fork(struct launcher *launcher, int record, const uint8_t *order, size_t size,
                       struct gr_err *err);
// To be called when nothing happened for a while: gives back what is kept ready for the next
// keeper, unless one lives.
void gr_launcher_rest(struct launcher *launcher);
// Wakes the keeper, so that it looks at its wish.
void gr_launcher_wake(const struct launcher *launcher, const struct launcher_attempt *attempt);
// Finds all attempts of DIR/live. Returns 0 or -errno with a text.
int gr_launcher_adopt(struct launcher *launcher, struct gr_err *err);
// Reaps children that ended, keepers or what dead keepers left.
void gr_launcher_reap(struct launcher *launcher);
// A keeper ended: finds out how. `attempt` may be one whose keeper lives still.
void gr_launcher_keeper_ended(struct launcher *launcher, struct launcher_attempt *attempt);
// Takes in what keepers said.
void gr_launcher_hints_read(struct launcher *launcher);
// Looks again at attempts that are starting, or being fenced. To be called at settle_at_ms.
void gr_launcher_settle(struct launcher *launcher);
// Asks for gr_launcher_settle in at most `ms`.
void gr_launcher_settle_in(struct launcher *launcher, int64_t ms);
