// What the parts of the pool's simulator share: one run, its random numbers, its clocks, and who
// plays what. The pool under test sees only `world.engine`, the simulated clock and the wrapped
// calls of wrap.c; the books see only what left the pool.
#pragma once

#include "base/rng.h"
#include "daemon/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_DEVICES 32
#define SIM_NODES 10
#define SIM_ATTEMPTS 8192
#define SIM_ORDERS 512
#define SIM_REPORTS 4096
#define SIM_ASKS 2048
#define SIM_JOBS 8192
#define SIM_NEVER INT64_MAX

// --- the world: what the engine was told, and what really runs

enum world_state {
    WORLD_KEPT_OUT = 1, // asked to stop before it was started: never starts
    WORLD_REFUSED,
    WORLD_STARTING,
    WORLD_RUNNING,
    WORLD_ENDED,
    WORLD_LOST,
};

// What an attempt holds of one device.
struct world_hold {
    uint32_t device, milli;
};

// An attempt, for ever: what happened cannot be undone by forgetting it.
struct world_attempt {
    uint64_t job;
    uint32_t attempt, starts; // starts: how often it really began
    enum world_state state;
    bool is_forgotten; // the engine's record is gone
    bool is_wiped;     // and it went by accident
    bool is_stopped, was_asked;
    int64_t start_ms, began_ms, end_ms, kill_ms, ended_ms;
    uint32_t stop_signal;
    struct gr_engine_end end;
    uint32_t hold_count, tasks;
    struct world_hold holds[SIM_DEVICES];
};

// What goes wrong, as the goal "fault" counts it; 0 is a full disk (wrap.c), 18 and 19 are the
// clock's (sim_pool.c).
enum fault {
    FAULT_ORDER_LOST = 1,
    FAULT_ORDER_TWICE,
    FAULT_ORDER_OVERTAKES,
    FAULT_REPORT_LOST,
    FAULT_REPORT_TWICE,
    FAULT_REPORT_OVERTAKES,
    FAULT_STREAM_FULL,
    FAULT_IMPOSSIBLE,
    FAULT_REFUSED,
    FAULT_DOWN,
    FAULT_UP,
    FAULT_REBOOT,
    FAULT_WIPED,
    FAULT_LOST,
    FAULT_OLD_WRITER,
    FAULT_MEMORY,
    FAULT_IDLE,
    FAULT_CHECKPOINT = 20,
};

enum world_order_type { ORDER_START = 1, ORDER_STOP, ORDER_SIGNAL, ORDER_FORGET, ORDER_LIST };

// An order on its way.
struct world_order {
    enum world_order_type type;
    uint64_t job;
    uint32_t attempt, epoch, signal, tasks;
    int64_t grace_ms, due_ms;
    uint32_t hold_count;
    struct world_hold holds[SIM_DEVICES];
};

// A report on its way.
struct world_report {
    int64_t due_ms;
    struct gr_engine_report report;
};

struct world {
    struct gr_engine engine; // first: what the pool is given
    bool is_up, is_rough;
    uint32_t epoch, hello_epoch; // newest that gave orders; of the pool that connects
    uint32_t attempt_count, order_count, report_count;
    struct world_attempt attempts[SIM_ATTEMPTS];
    struct world_order orders[SIM_ORDERS];
    struct world_report reports[SIM_REPORTS];
};

// --- the books: what the journal holds and what somebody was told

struct book_ask { // one submission
    bool is_taken, is_told;
    uint64_t first, last;
    uint32_t tasks, devices, milli, attempts;
    bool has_key;
    uint8_t key[32];
    int64_t told_ms; // by the core's clock, of the facts
};

struct book_job {
    uint64_t id, array;
    bool is_placed, has_begun, has_ended;
    bool is_given_up;            // an order to start this attempt was found impossible
    bool stop_wanted, stop_told; // by its user: asked, and acknowledged
    uint32_t attempt, attempts, why, tasks;
    int64_t began_ms, limit_ms;
    int64_t safe_ms; // of this attempt's newest checkpoint; 0: none
    uint32_t piece_count;
    struct gr_piece pieces[16];
    uint8_t seen; // state at the last look, as in goals
};

struct book_node {
    uint32_t devices, state, out;
    bool was_drained; // since the start of time
    uint32_t held[GR_NODE_DEVICES_MAX];
};

struct books {
    uint64_t sequence; // of the last durable fact
    uint32_t epoch, nodes, orgs;
    int64_t at_ms;
    struct book_node node[SIM_NODES];
    uint32_t job_count, ask_count;
    struct book_job jobs[SIM_JOBS];
    struct book_ask asks[SIM_ASKS];
    unsigned __int128 used, all; // device-time
    struct gr_event_room *room;
};

// --- one run

enum sim_kill {
    KILL_QUIET = 0, // nothing waited
    KILL_GATHERING, // something waited to be handed over
    KILL_LOST,      // a group was on its way, and did not arrive
    KILL_ARRIVED,   // it arrived, and nobody was told
    KILL_MIDDLE,    // in the middle of a turn
    KILL_OPENING,   // while the pool was opened
    KILL_FULL,      // while the disk was full
    KILL_DOWN,      // while the engine could not be reached
    KILL_SNAPSHOT,  // right after a snapshot
    KILL_CLEAN,     // asked to end
};
#define SIM_KILLS 10

struct sim {
    uint64_t random, seed, step;
    char dir[64];
    struct gr_pool_config config;
    struct gr_state_dir state;
    struct gr_pool *pool;
    struct world world;
    struct books books;
    const char *host;    // of this machine, at the next start
    const char *pretend; // what it pretends to have, at the next start
    int64_t true_ms, offset_ms;
    int64_t monotonic_ns;
    bool is_full;        // the disk
    bool is_dead;        // killed in the middle: nothing leaves the pool any more
    bool is_killed;      // the same, found by whoever looks after the turn
    uint32_t calls_left; // calls to the outside before it is killed; 0: it is not to be
    struct gr_journal_group pending;
    uint64_t pending_expected;
    bool has_pending;
    bool is_slow;                // nothing becomes durable for now
    uint8_t scripts;             // moments that have node checks, as bits
    uint8_t health[SIM_DEVICES]; // by pretend number; GR_HEALTHS: missing from the list
};

extern struct sim sim;

// The next random number (SplitMix64).
static inline uint64_t sim_draw(void)
{
    return gr_rng_next(&sim.random);
}

// A random number below `limit`.
static inline uint32_t sim_below(uint32_t limit)
{
    return (uint32_t)(sim_draw() % limit);
}

// True in so many of a hundred cases.
static inline bool sim_chance(uint32_t of_hundred)
{
    return sim_below(100) < of_hundred;
}

// --- sim_pool.c

// Says what is wrong, with seed and step, and ends the program.
void sim_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
// Tells a line of the story if it is wanted.
void sim_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
// Runs one seed.
void sim_run(uint64_t seed, uint64_t steps);
// The machine's clock.
int64_t sim_clock_ms(void *context);

// --- wrap.c

// A group that is on its way reaches the disk (true) or is lost.
void wrap_settle(bool arrives);
// Something leaves the pool. False: it was killed before.
bool wrap_leaves(void);

// --- world.c

// Empties the world.
void world_init(void);
// What happens until now: orders arrive, attempts begin and end.
void world_step(void);
// The connection breaks, or comes back.
void world_down(void);
// See world_down.
void world_up(void);
// The pool's process is gone: reports are lost, orders may still arrive.
void world_orphan(void);
// All that runs is lost at once.
void world_reboot(void);
// An accident to one running attempt.
void world_accident(void);
// Finds an attempt or NULL.
struct world_attempt *world_find(uint64_t job, uint32_t attempt);
// A report that an attempt is held idle, perhaps.
void world_idle(void);
// A report that a checkpoint file was touched, at any time at all, perhaps.
void world_checkpoint(void);

// --- books.c

// Empties the books.
void books_init(void);
// A group is durable.
void books_group(const struct gr_journal_group *group);
// Finds a job or NULL.
struct book_job *books_job(uint64_t id);
// Somebody was told that a submission was taken.
void books_told(void *context, uint64_t ask);
// Somebody was told that a stop was asked for.
void books_stop_told(void *context, uint64_t job);
// An order left the pool: it must follow from what is durable.
void books_order(enum world_order_type type, uint64_t job, uint32_t attempt, uint32_t signal,
                 int64_t grace_ms);
// Compares what the pool shows with the books. `is_clean`: all that it knows is durable.
void books_compare(bool is_clean);
// Notes in which state each job is; counts the ways they went, unless what was not durable is lost.
void books_look(bool counts);
// Nothing goes on any more: everything has its end.
void books_calm(void);

// --- care.c: node checks

// What the goal "care" counts beside the answers: twice the moment, and 1 more for an unwell one.
enum care_goal { CARE_GOAL_NOT_BEGUN = 2 * GR_CHECKS_WHENS, CARE_GOAL_DEVICE, CARE_GOAL_RESET };
// An order to start left the pool: the checks must have said that it may.
void care_starts(uint64_t job, uint32_t attempt);

// --- asks.c: what users and operators do

// A random submission.
void ask_submit(void);
// The same request as before, by its key.
void ask_again(void);
// A question that must change nothing.
void ask_try(void);
// A stop by the user.
void ask_stop(void);
// A node is drained, cordoned or taken back.
void ask_node(void);
// Devices change their health.
void ask_devices(void);
// A user changes the organisation.
void ask_move(void);

// --- goals.c

// Counts one more of this goal; `detail` tells goals of one name apart.
void goal_reach(const char *name, uint32_t detail);
// Prints what was reached; returns how many goals never were.
unsigned goals_print(bool all);
