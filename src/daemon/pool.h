// The live pool: core, journal and engine of this machine, held together. For src/daemon only.
//
// One thread. A request becomes facts (decide, admit, check), which are applied to the core at once
// and gathered for the journal; replies and effects wait until they are durable (commit.h). What
// the engine reports becomes facts the same way. Nothing here blocks after gr_pool_open.
#pragma once

#include "base/err.h"
#include "core/core.h"
#include "core/why.h"
#include "daemon/care.h"
#include "daemon/commit.h"
#include "daemon/ended.h"
#include "daemon/estimates.h"
#include "daemon/history.h"
#include "daemon/pool_clock.h"
#include "daemon/queue_counts.h"
#include "daemon/recover.h"
#include "daemon/specs.h"
#include "daemon/state_dir.h"
#include "daemon/timers.h"
#include "device/device.h"
#include "engine/engine.h"
#include "engine/local.h"
#include "engine/local/node_checks.h"
#include "model/catalogue.h"
#include "model/kind.h"
#include "model/spec.h"
#include "model/spec_bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// How a pool is made.
struct gr_pool_config {
    const char *pretend; // "8xh20": devices that exist only by name; NULL: none
    const char *checks;  // directory of node checks; NULL: none
    // Where jobs and containers reach the daemon (gr_local_config); NULL: nowhere.
    const char *server, *door;
    struct gr_core_config core;
    uint64_t snapshot_every;      // facts between snapshots; 0: none are made
    uint32_t history_days;        // how long jobs that ended are kept; 0: for ever
    uint32_t ended_most;          // jobs that ended, kept in memory
    size_t spec_bytes_most;       // specs kept in memory
    size_t waiting_bytes_most;    // bytes that may wait to be durable before requests are refused
    uint64_t journal_limit_bytes; // 0: none
    uint32_t org_jobs_most;       // jobs of one organisation, held, waiting and running
    int64_t grace_most_ms;    // longest grace where the pool itself stops a job; 0: as specs say
    int64_t idle_ms;          // held-idle is shown after so long; 0: never
    int64_t idle_stop_ms;     // and the job stopped after so long; 0: never
    uint32_t drain_percent;   // of the nodes at most drain by themselves
    struct gr_engine *engine; // instead of this machine's own, for simulations; borrowed; or NULL
    int64_t (*clock_ms)(void *context); // instead of the system's clock, for simulations; or NULL
    void *clock_context;                // handed to it
    bool believes_clock; // at the start, however far ahead of the last fact the machine's clock is
    bool has_engine;     // false: nothing is started here (benchmarks, restored copies)
};

// A node of this machine, by its number in the core.
struct gr_pool_node {
    bool is_here;          // the engine of this machine serves it
    uint32_t device_first; // into gr_pool.devices
    uint32_t device_count;
    char why[128];   // why it is out of use; ""
    bool is_by_care; // node checks or health took it out, nobody's hand
};

// Node checks before the start of an attempt.
enum gr_live_care { GR_LIVE_CARE_NONE = 0, GR_LIVE_CARE_BEFORE, GR_LIVE_CARE_DONE };

// What is known of a live job beside the core; an entry in a hash table. Looked at several times in
// each job's life, each time from anywhere in memory: two to a cache line.
struct gr_live {
    uint64_t job;         // 0: a free slot
    int64_t idle_ms;      // Unix time
    char *text;           // what the engine said last, or why it was given up; NULL: nothing
    uint32_t attempt;     // the one that the rest is about
    bool is_sent : 1;     // the engine has the order to start
    bool is_known : 1;    // the engine said that it knows the attempt
    bool is_given_up : 1; // it cannot start, as `text` says; the engine is to keep it from running
    bool is_unfit : 1;    // given up because its node or device is unfit
    bool is_idle : 1;     // held-idle, since idle_ms
    uint8_t care;         // enum gr_live_care
};
static_assert(sizeof(struct gr_live) == 32, "two to a cache line");

// An order for the engine that waits to be handed over.
struct gr_pool_order {
    // What the engine is told.
    enum {
        GR_POOL_ORDER_START = 1,
        GR_POOL_ORDER_STOP,
        GR_POOL_ORDER_KILL, // an attempt that should not run
        GR_POOL_ORDER_NOTICE,
        GR_POOL_ORDER_FORGET,
        GR_POOL_ORDER_PART_STOP,  // tasks that were asked to end singly
        GR_POOL_ORDER_PART_START, // tasks in the place of lost ones
    } type;
    uint32_t attempt; // of the job
    uint64_t job;     // id
};

// Answers that are asked for again and again, by what was asked.
#define GR_POOL_CACHED 256u

// The user of a uid; UINT32_MAX while unknown.
struct gr_pool_cached_user {
    uint32_t uid, user;
};

// How an array ended of which nothing lives any more; 0: nothing is cached.
struct gr_pool_cached_array {
    uint64_t array;
    bool is_well; // all of its elements
};

// Which of the pool's variants a kind means, while there are `variants` of them.
struct gr_pool_cached_kind {
    char kind[GR_NAME_SIZE]; // "" : nothing is cached
    uint32_t variants;
    uint32_t use;                             // enum gr_use
    uint64_t bits[GR_POOL_VARIANTS_MAX / 64]; // a bit a variant
    struct gr_preference preference;          // which of them first
};

// What is held against a device: what node checks and looking after it found, until somebody looked
// after it or it fades, beside what its driver says.
struct gr_pool_reported {
    enum gr_health health;
    char text[GR_DEVICE_TEXT_SIZE]; // why
    enum gr_node_checks_when when;  // whose scripts said it: what fades goes when they are content
    int64_t until_ms;               // when it fades, by gr_clock_ms; 0: it stays
    // What the driver said at the last look.
    enum gr_health driver;
    char driver_problem[GR_DEVICE_TEXT_SIZE];
    char driver_code[32];
    bool is_in_reset;      // a visit for that is under way
    bool is_reset_no_help; // it was tried, and nothing was better: a person is needed
};

struct gr_pool_held;  // pool_care.c
struct gr_pool_start; // pool_run.c
struct gr_pool_parts; // pool_part.c

// See the head of this file. Fields are for src/daemon to read; pool*.c change them.
struct gr_pool {
    struct gr_pool_config config;
    struct gr_state_dir dir;
    // Its parts, owned.
    struct gr_core *core;
    struct gr_journal *journal;
    struct gr_commit *commit;
    struct gr_specs *specs;
    struct gr_ended_ring *ended;
    struct gr_history *history;
    struct gr_device_watch *watch;
    struct gr_timers timers;
    struct gr_catalogue catalogue;
    struct gr_kinds kinds;
    struct gr_engine *engine;          // NULL: none
    bool engine_is_up;                 // reached, and its list was heard
    struct gr_device_list devices;     // of this machine, as last looked at
    struct gr_pool_reported *reported; // of each device
    struct gr_care *care;              // NULL: no engine of this machine
    struct gr_pool_held *held;         // ends that wait for their devices to be looked after
    int64_t reset_look_ms;             // when devices that need a reset are next looked for
    struct gr_pool_node *nodes;        // by number, room for all the core holds
    struct gr_live *live;              // hash table
    uint32_t live_size, live_count;
    struct gr_piece *pieces;          // room for one gang
    struct gr_spec_room *room;        // for decoding specs
    uint8_t *order_bytes;             // scratch for specs, GR_SPEC_BYTES_MAX
    struct gr_pool_start *start;      // scratch for orders to start; pool_run.c
    struct gr_pool_parts *parts;      // single tasks that were asked to end; NULL: none were
    uint32_t site_here, site_pretend; // numbers; UINT32_MAX: not there
    struct gr_pool_clock clock;       // the pool's time, unless config.clock_ms gives it
    int64_t heard_ms;                 // what it is while reports are heard; 0: none are
    int64_t started_ms;               // Unix time of this start
    struct gr_estimates *estimates;   // of starts, and what came of them
    int64_t estimates_saved_ms;       // when they were last written
    uint64_t snapshot_at;             // sequence of the newest snapshot that was asked for
    bool wants_schedule;              // room or demand changed since the last pass
    uint64_t mix_again;               // submitted_total from which on a new mix is thought of
    // Orders for the engine, in order, until it takes them.
    struct gr_pool_order *orders;
    size_t order_count, order_done, order_room;
    struct gr_pool_cached_array arrays[GR_POOL_CACHED];
    struct gr_pool_cached_user users[GR_POOL_CACHED];
    struct gr_pool_cached_kind kinds_cached[GR_POOL_CACHED];
    uint8_t salts[4096]; // random bytes for asides, used up from salts_left down
    size_t salts_left;
    const char *ending_text; // what the engine said of the job that the next fact ends; or NULL
    // Called when something that streams show became durable; set by whoever serves them.
    void (*on_durable)(void *context, const struct gr_journal_group *group);
    void *on_durable_context;
    struct gr_recovery recovery;                             // of this start
    struct gr_queue_counts counts;                           // since this start
    uint64_t submitted_total, placed_total, ended_total[16]; // by outcome; since this start
};

// Recovers the pool in an open state directory, or makes a new one: claims an epoch, enrols this
// machine, connects to the engine. Blocks; progress on `progress` (may be NULL). The engine's
// launcher must run already (gr_local_launch). On failure nothing is left behind but what is on
// disk.
int gr_pool_open(const struct gr_pool_config *config, const struct gr_state_dir *dir,
                 void (*progress)(void *context, uint64_t at, uint64_t last), void *context,
                 struct gr_pool **ret_pool, struct gr_err *err);
// Makes what was decided durable, lets go of engine and journal. Jobs go on. NULL is allowed.
void gr_pool_close(struct gr_pool *pool);
// The same without the first: what was gathered and not handed to the journal is lost, and nothing
// that waited for it happens, as when the process is killed. NULL is allowed.
void gr_pool_free(struct gr_pool *pool);

// Does what is to be done: journal, engine, timers, starts. Called after every turn of the loop.
// Returns 0 with the milliseconds after which it must be called again (-1: no need) or a final
// error: the process must end.
int gr_pool_run(struct gr_pool *pool, int *ret_wait_ms, struct gr_err *err);
// Unix time in milliseconds, never before the last fact's.
int64_t gr_pool_now(const struct gr_pool *pool);
// Whether requests that write may be decided now. 0, or the HTTP status with code and text: 507 the
// disk is full, 503 too much waits to be durable.
unsigned gr_pool_refuses(const struct gr_pool *pool, const char **ret_code, const char **ret_text);

// Checks, applies and gathers a fact that was decided. Asserts that the core takes it.
void gr_pool_fact(struct gr_pool *pool, const struct gr_event *event);

// --- users

// Number of the user with this uid, who is added if need be (to the first organisation). Returns
// UINT32_MAX when the core holds no more users.
uint32_t gr_pool_user_take(struct gr_pool *pool, uid_t uid);
// The same without adding; UINT32_MAX: not known.
uint32_t gr_pool_user_find(struct gr_pool *pool, uid_t uid);
// Moves a user to an organisation (adding it if need be). False when the core holds no more users.
bool gr_pool_user_move(struct gr_pool *pool, uid_t uid, uint32_t org);

// --- jobs

// What became of a submission.
struct gr_pool_submitted {
    uint64_t first, last; // ids of the jobs; first == last without an array
    uint64_t sequence;    // of the last fact
    uint32_t count;
};

// A refusal for people. Texts are static or in `text`.
struct gr_pool_refusal {
    enum gr_refusal refusal;
    unsigned status;   // HTTP
    const char *code;  // refusal's name, or another of docs/api
    char text[320];    // a sentence
    char hint[160];    // what to do, or ""
    const char *field; // of the spec, or NULL
};

// Decides a submission. `spec` carries the submitter's uid and gid, and is as its reader leaves it:
// gr_spec_wrong has nothing to say, and is not asked again. `key` may be NULL: 32 bytes,
// the hash of the idempotency key and of the request. Dry: decides and changes nothing. Returns
// true and what became of it, or false and why not. The reply must wait for gr_commit_then.
bool gr_pool_submit(struct gr_pool *pool, const struct gr_spec *spec, const uint8_t *key,
                    struct gr_pool_submitted *ret_submitted, struct gr_pool_refusal *ret_refusal);
// Gives a spec that names a class what that says: its priority, and its time limit if the spec
// gives none. False and why: there is no such class, or the spec asks for what it does not allow.
bool gr_pool_class_take(const struct gr_pool *pool, struct gr_spec *spec,
                        struct gr_pool_refusal *ret_refusal);
// Whether a submission would be taken, and whether it would start now: for --dry-run. Nothing is
// changed. On true, *ret_starts says if it would start at once, and *ret_places if it is known
// where: its pieces are in pool->pieces then. On true without a start *ret_refusal says what it
// would wait for.
bool gr_pool_submit_try(struct gr_pool *pool, const struct gr_spec *spec, bool *ret_starts,
                        bool *ret_places, struct gr_pool_refusal *ret_refusal);
// The answer to a key that was used already. Returns 1 and what it did then; 0: the key is new; -1:
// it was used for another request.
int gr_pool_key_find(const struct gr_pool *pool, const uint8_t key[32],
                     struct gr_pool_submitted *ret_submitted);
// Notes that a key was used for something about a job, before that is done. False: the organisation
// has used as many keys as are kept of one.
bool gr_pool_key_use(struct gr_pool *pool, const uint8_t key[32], uint32_t org, uint64_t job);
// Asks a job to stop: held and waiting ones leave, running ones are stopped. signal 0 and grace -1:
// as its spec says. False: there is no such live job.
bool gr_pool_stop(struct gr_pool *pool, uint64_t job, enum gr_stop_why why, uint32_t signal,
                  int64_t grace_ms);
// The spec of a live or ended job. Borrowed until the next question about any spec.
int gr_pool_spec(struct gr_pool *pool, uint64_t job, struct gr_spec *ret_spec, struct gr_err *err);
// A job that ended, from memory or from the history. True: a copy is in *ret_ended. May read from
// the disk.
bool gr_pool_ended_find(struct gr_pool *pool, uint64_t job, struct gr_ended *ret_ended);
// Calls `each` for every job that ended and fits the query, once, also while the history is being
// written: first for those in memory, in any order, whatever it returns and however many there are;
// then for the others as gr_history_list does. Returns 0 or -errno; then some may not be told of.
int gr_pool_ended_list(struct gr_pool *pool, const struct gr_history_query *query,
                       bool (*each)(void *context, const struct gr_ended *ended), void *context,
                       struct gr_err *err);
// What is known of a live job beside the core, or NULL.
const struct gr_live *gr_pool_live_find(const struct gr_pool *pool, uint64_t job);

// --- nodes

// Number of a node by name; UINT32_MAX: none.
uint32_t gr_pool_node_find(const struct gr_pool *pool, struct gr_slice name);
// Sets a node's state. Stops what runs there if `drain` (grace -1: as the specs say).
void gr_pool_node_set(struct gr_pool *pool, uint32_t node, enum gr_node_state state, bool drain,
                      int64_t grace_ms, const char *why);
// Takes in what a new look at the devices found; owns `devices` from then on.
void gr_pool_devices_take(struct gr_pool *pool, struct gr_device_list *devices);
// Takes a node back into use: what was held against its devices is forgotten, and if there are node
// checks for that moment they come first.
void gr_pool_node_return(struct gr_pool *pool, uint32_t node);

// --- estimates of starts

// The class of the estimate in an answer about a waiting job.
unsigned gr_pool_estimate_class(const struct gr_job *job, const struct gr_why *why);
// The band in an answer that has an estimate, from `now_ms` on, when it was asked for: by the
// convention.
struct gr_estimate_band gr_pool_estimate_convention(const struct gr_why *why, int64_t now_ms);
// Makes room for estimates and reads those that were kept. Returns 0 or -ENOMEM.
int gr_pool_estimates_open(struct gr_pool *pool, struct gr_err *err);
// Writes what is new, if it can be written.
void gr_pool_estimates_save(struct gr_pool *pool);
// A fact was applied.
void gr_pool_estimates_fact(struct gr_pool *pool, const struct gr_event *event);
// Asks about one of those that began to wait, if it is time, and writes what is new once a minute.
void gr_pool_estimates_run(struct gr_pool *pool);

// --- inside: pool_run.c, pool_turn.c and pool_nodes.c, for pool.c

// Adds facts for organisation, sites, variants and nodes of this machine that are not there yet.
int gr_pool_enrol(struct gr_pool *pool, struct gr_err *err);
// Notes what the drivers said of the devices as they are in the list now.
void gr_pool_devices_note(struct gr_pool *pool);
// Facts that follow from how the devices are: out of use, back, what runs on them stopped.
void gr_pool_devices_apply(struct gr_pool *pool);
// Node checks before an attempt. 0: it may start; 1: not yet; -errno: it cannot.
int gr_pool_care_before(struct gr_pool *pool, const struct gr_job *job, struct gr_err *err);
// Whether the end that was reported must wait until its devices were looked after; then it is kept.
bool gr_pool_care_after(struct gr_pool *pool, const struct gr_job *job,
                        const struct gr_engine_report *report);
// Whether the end of this job waits so.
bool gr_pool_care_holds(const struct gr_pool *pool, uint64_t job);
// Hears what became of checks and looks.
void gr_pool_care_run(struct gr_pool *pool);
// At a start: nodes wait for their checks, or take work at once.
void gr_pool_care_begin(struct gr_pool *pool);
// Takes a node out of use by itself, within the limit.
void gr_pool_care_drain(struct gr_pool *pool, uint32_t node, const char *why);
// Frees ends that wait.
void gr_pool_held_free(struct gr_pool *pool);
// Ends an attempt as the engine reported it, its devices looked after.
void gr_pool_end_reported(struct gr_pool *pool, const struct gr_engine_report *report);
// Ends an attempt that must not start because its node or device is unfit, once the engine has said
// that it does not run.
void gr_pool_end_unfit(struct gr_pool *pool, const struct gr_job *job, const char *text);
// Hears from the engine. Returns 0 or a final error.
int gr_pool_hear(struct gr_pool *pool, struct gr_err *err);
// Sets the timers of a running job.
void gr_pool_timers_set(struct gr_pool *pool, const struct gr_job *job);
// Whether the attempt that a timer is about still runs: what pool->timers asks. `context`: the
// pool.
bool gr_pool_timer_matters(const void *context, const struct gr_timer *timer);
// Puts an order at the end of the queue once everything so far is durable: an engine must never
// know more than the journal.
void gr_pool_order_then(struct gr_pool *pool, int type, uint64_t job, uint32_t attempt);
// The scratch for an order to start, with room for so many tasks, and the order's tasks and nodes
// pointing into it; NULL without memory.
struct gr_pool_start *gr_pool_start_take(struct gr_pool *pool, uint32_t count,
                                         struct gr_engine_start *ret_order);
// Adds a task to the order: its piece, and the part in which it was placed. -errno with a text: it
// can never start there.
int gr_pool_start_add(struct gr_pool *pool, struct gr_pool_start *start,
                      struct gr_engine_start *order, uint32_t task, uint32_t part,
                      const struct gr_piece *piece, struct gr_err *err);
// The devices of all tasks that were added. Borrowed until the next one is.
const struct gr_device *gr_pool_start_devices(const struct gr_pool_start *start);
// Frees the scratch for orders to start. NULL is allowed.
void gr_pool_start_free(struct gr_pool_start *start);
// Hands orders over until the engine takes no more.
void gr_pool_orders_run(struct gr_pool *pool);
// Whether time limits may be acted on. Not before the engine has told what it knows: a job that
// ended by itself before its limit, while nobody was here to see it, did not reach the limit.
bool gr_pool_may_tick(const struct gr_pool *pool);
// Timers that are due.
void gr_pool_tick(struct gr_pool *pool);
// Starts what can start, for a bounded time; sets wants_schedule if it did not come to an end.
void gr_pool_schedule(struct gr_pool *pool);
// The entry of a live job, added if it is not there; NULL without memory.
struct gr_live *gr_pool_live_take(struct gr_pool *pool, uint64_t job);
// Keeps a copy of what is to be said of a live job; without memory nothing is.
void gr_pool_live_say(struct gr_live *live, const char *text);
// Forgets an entry. No entry is no error.
void gr_pool_live_drop(struct gr_pool *pool, uint64_t job);

// --- inside: pool_part.c, single tasks of running gangs

// Asks those tasks of a running job to end that hold one of `devices` (bits; 0: anything) of a
// node, so that they are replaced while the others run on. False: the job does not want that, or
// cannot, and is to be stopped as a whole.
bool gr_pool_part_stop(struct gr_pool *pool, const struct gr_job *job, uint32_t node,
                       uint32_t devices, int64_t grace_ms);
// Hands these orders over. 0, or -errno: later.
int gr_pool_part_send_stop(struct gr_pool *pool, const struct gr_pool_order *which, uint32_t epoch);
// See gr_pool_part_send_stop.
int gr_pool_part_send_start(struct gr_pool *pool, const struct gr_pool_order *which,
                            uint32_t epoch);
// The engine has told all that it knows: what may have been lost is ordered again.
void gr_pool_parts_listed(struct gr_pool *pool);
// Hears a report about a single task.
void gr_pool_part_hear(struct gr_pool *pool, const struct gr_engine_report *report);
// A job that lacked tasks for too long is stopped as its spec says.
void gr_pool_part_stop_fill(struct gr_pool *pool, struct gr_event *event);
// Remembers a fact for gr_pool_part_text; before it is applied.
void gr_pool_part_note(struct gr_pool *pool, const struct gr_event *event);
// What a running job has lost and got again, for people; "" if nothing.
void gr_pool_part_text(const struct gr_pool *pool, const struct gr_job *job, char *text,
                       size_t size);
// Tasks that were replaced since this start.
uint64_t gr_pool_parts_replaced(const struct gr_pool *pool);
// Frees all of it.
void gr_pool_parts_free(struct gr_pool *pool);
