// Facts: what can have happened to a pool, and the things they are about.
//
// A fact has a sequence, an epoch (one writer each), and two times: `at_ms`, the journal's, never
// goes back; `since_ms`, when it happened. The meaning of a type and version never changes. Facts
// carry what was decided, never what was asked.
#pragma once

#include "core/terms.h"
#include "model/demand.h"
#include "model/node.h"
#include "model/preference.h"
#include "model/spec.h"
#include "place/place.h"

// Types, numbered for ever.
enum gr_event_type {
    GR_ORG_ADDED = 1,
    GR_SITE_ADDED = 2,
    GR_VARIANT_ADDED = 3,
    GR_MASK_ADDED = 4,
    GR_NODE_ADDED = 5,
    GR_NODE_STATE_SET = 6,
    GR_MIX_SET = 7,
    GR_JOB_SUBMITTED = 8,
    GR_JOB_PLACED = 9,
    GR_JOB_FINISHED = 10,
    GR_JOB_DROPPED = 11,
    GR_ROOM_RESERVED = 12,
    GR_USER_ADDED = 13,
    GR_EPOCH_BEGUN = 14, // a new writer; its facts follow
    GR_JOB_STARTED = 15, // the first instruction of an attempt
    GR_JOB_REQUEUED = 16,
    GR_STOP_ASKED = 17,
    GR_DEVICES_SET = 18,
    GR_KEY_USED = 19,
    GR_QUOTA_SET = 20,
    GR_ORG_TERMS_SET = 21,
    GR_QUEUE_TERMS_SET = 22,
    GR_CHECKPOINTED = 23,   // an attempt's work up to since_ms is safe
    GR_ROOM_HELD = 24,      // nodes are for one job while room is made for it there
    GR_ROOM_FREED = 25,     // such a hold ends unused
    GR_PART_LOST = 26,      // a task of a running gang is over, and its place given back
    GR_PART_PLACED = 27,    // all tasks that a running gang lacks have a place again
    GR_PREFERENCE_SET = 28, // the order in which jobs that name it take variants
    GR_CLASS_SET = 29,      // a class of jobs is there from now on, or has other terms
    GR_WINDOW_SET = 30,     // a calendar reservation or maintenance: see windows.h
    GR_WINDOW_OPENED = 31,  // its time has come
    GR_WINDOW_CLOSED = 32,  // its time is over, or was missed; the last time, it is gone
    GR_WINDOW_ENDED = 33,   // taken away
};
#define GR_EVENT_TYPES 34
#define GR_EVENT_VERSION 1 // of most types; see gr_event_version

// Why a request or a fact is refused. Codes are for ever; texts in refusal.c.
enum gr_refusal {
    GR_REFUSED_NOTHING = 0,
    GR_REFUSED_SEQUENCE,     // not the next sequence
    GR_REFUSED_EPOCH,        // not the writer's epoch
    GR_REFUSED_TIME,         // before the last fact
    GR_REFUSED_TYPE,         // unknown event type or version
    GR_REFUSED_FIELD,        // a field outside its range
    GR_REFUSED_ORG,          // no such organisation
    GR_REFUSED_SITE,         // no such site
    GR_REFUSED_VARIANT,      // no such variant
    GR_REFUSED_MASK,         // no such mask, or it is there already
    GR_REFUSED_NODE,         // no such node
    GR_REFUSED_DOMAIN,       // domains do not nest or are beyond the limit
    GR_REFUSED_JOB,          // no such job
    GR_REFUSED_STATE,        // the job is not in the state that this needs
    GR_REFUSED_PIECES,       // pieces do not match the demand
    GR_REFUSED_HELD,         // a piece is not free
    GR_REFUSED_LIMIT_JOBS,   // as many jobs as the core holds
    GR_REFUSED_LIMIT_PIECES, // as many pieces as the core holds
    GR_REFUSED_LIMIT_OTHER,  // as many nodes, organisations, sites, variants or masks as it holds
    GR_REFUSED_NOWHERE,      // nowhere that kind, rules and quotas allow
    GR_REFUSED_NEVER,        // it would not fit an empty pool
    GR_REFUSED_NO_ROOM,      // no room now
    GR_REFUSED_RULES,        // a rule or quota says no
    GR_REFUSED_BY_USER,      // withdrawn by its owner
    GR_REFUSED_USER,         // no such user, or of another organisation
    GR_REFUSED_AFTER,        // a job it waits for ended in another way, or is not known
    GR_REFUSED_KEY,          // the key is there already
    GR_REFUSED_LIMIT_KEYS,   // as many keys of this organisation, or in all, as are kept
    GR_REFUSED_LIMIT_ORG,    // the organisation has as many jobs as it may
    GR_REFUSED_DEVICE,       // no such device
    GR_REFUSED_QUOTA,        // quotas leave it nothing now
    GR_REFUSED_TERMS,        // against the limits of its organisation or user now
    GR_REFUSED_PRIORITY,     // its organisation may not ask for that priority
    GR_REFUSED_WINDOW,       // no such window
};
#define GR_REFUSALS 34

// The code's stable name ("no-room") and one sentence for people. Static text.
const char *gr_refusal_name(enum gr_refusal refusal);
// See gr_refusal_name.
const char *gr_refusal_text(enum gr_refusal refusal);
// The type's stable name ("job-placed"). Static text; NULL for an unknown number.
const char *gr_event_type_name(unsigned type);
// The newest version of a type, which new facts have; those from 1 on are known, too.
static inline uint16_t gr_event_version(unsigned type)
{
    return type == GR_ROOM_HELD ? 2 : GR_EVENT_VERSION; // 1: who goes was found out anew
}

// What an organisation is to the pool.
enum gr_role {
    GR_ROLE_OWNER = 0,
    GR_ROLE_CUSTOMER,
    GR_ROLE_PROVIDER,
};
#define GR_ROLES 3

// An organisation; index 0 is the first added, a root.
struct gr_org {
    uint32_t parent;         // index, or UINT32_MAX for a root
    uint8_t role;            // enum gr_role
    char seat[3];            // ISO 3166 alpha-2, NUL; "" unknown
    char ultimate_parent[3]; // country of the ultimate parent
    uint8_t reserved[5];     // zero
    char name[GR_NAME_SIZE]; // NUL-terminated, the rest zero
};
static_assert(sizeof(struct gr_org) == 64, "no padding");

// A place with machines.
struct gr_site {
    uint32_t owner;          // organisation
    char country[3];         // ISO 3166 alpha-2, NUL
    uint8_t reserved[9];     // zero
    char name[GR_NAME_SIZE]; // NUL-terminated, the rest zero
};
static_assert(sizeof(struct gr_site) == 64, "no padding");

// A user of the pool, as a pseudonym: name and uid are in the journal's aside.
struct gr_user {
    uint32_t org;           // index
    uint32_t reserved;      // zero
    uint8_t commitment[32]; // to what the aside says of the user
};
static_assert(sizeof(struct gr_user) == 40, "no padding");

// An element's place in its array. All zero: of no array. Elements are submitted one after the
// other, their indexes ascending.
struct gr_array_of {
    uint64_t array;    // id of the first element; of the first itself: its own sequence
    uint32_t index;    // as its submitter numbers it
    uint32_t count;    // elements of the array
    uint32_t parallel; // elements that may wait or run at a time; 0: all
    uint32_t reserved; // zero
};
static_assert(sizeof(struct gr_array_of) == 24, "no padding");

// What a job waits for.
struct gr_edge {
    uint64_t job;      // a live job, or the first element of a live array: the whole array
    uint32_t how;      // enum gr_after
    uint32_t reserved; // zero
};
static_assert(sizeof(struct gr_edge) == 16, "no padding");

// How a job's attempt ended.
enum gr_outcome {
    GR_OUTCOME_DONE = 0,
    GR_OUTCOME_FAILED,
    GR_OUTCOME_STOPPED,
    GR_OUTCOME_TIME_LIMIT,
    GR_OUTCOME_OUT_OF_MEMORY,
    GR_OUTCOME_NODE,        // the node or a device failed
    GR_OUTCOME_LOST,        // nobody knows how it ended
    GR_OUTCOME_NOT_STARTED, // the engine could not start it
    GR_OUTCOME_RECLAIMED,   // the pool took the room back
};
#define GR_OUTCOMES 9

// The end of an attempt, as the engine saw it.
struct gr_ending {
    int64_t began_ms;  // first instruction; 0: never
    uint64_t cpu_ms;   // of all tasks together
    uint64_t peak_kib; // most memory of one task
    uint32_t outcome;  // enum gr_outcome
    int32_t exit_code; // of the task that decided the outcome
    uint32_t signal;   // that ended it; 0: none
    uint32_t task;     // which task that was
};
static_assert(sizeof(struct gr_ending) == 40, "no padding");

// Why a running job is asked to stop.
enum gr_stop_why {
    GR_STOP_NOT = 0, // it is not
    GR_STOP_BY_USER,
    GR_STOP_TIME_LIMIT,
    GR_STOP_NODE,    // node or device must be empty
    GR_STOP_RECLAIM, // the room is needed
    GR_STOP_IDLE,    // it holds devices and does nothing
    GR_STOP_MOVE,    // another fits if it goes elsewhere
    GR_STOP_WINDOW,  // a reservation of others or maintenance begins there
};
#define GR_STOP_WHYS 8

// Why room that was held for a job is for anybody again.
enum gr_freed_why {
    GR_FREED_LEFT = 0, // the job waits no more
    GR_FREED_RIGHT,    // it has no right to so much any more
    GR_FREED_ROOM,     // it does not fit there, and nobody else may be asked to go
    GR_FREED_TIME,     // it took too long
};
#define GR_FREED_WHYS 4

// Jobs that are called to make room for one: those that a GR_ROOM_HELD names, at most.
#define GR_CALLED_MAX 4096
// What a window is for.
enum gr_window_which {
    GR_WINDOW_RESERVATION = 0, // only work of one organisation and those below it
    GR_WINDOW_MAINTENANCE,     // no work
};
#define GR_WINDOW_WHICHS 2

// Nodes that are for one organisation, or for nobody, for a time that may come again: as it is set
// by a fact, and as it stands.
struct gr_window {
    uint64_t id;             // sequence of the fact that set it; zero in that fact
    int64_t start_ms;        // of the time that is now, or comes next
    int64_t length_ms;       // 1..GR_WINDOW_MS_MAX
    int64_t every_ms;        // from start to start, at least length_ms; 0: once
    uint32_t times;          // that are left, this one with them; 0: without end
    uint32_t org;            // whose; index. Maintenance: UINT32_MAX
    uint32_t user;           // of that organisation alone; UINT32_MAX: any
    uint8_t which;           // enum gr_window_which
    uint8_t is_open;         // 1: its time is now; zero in the fact
    uint8_t reserved[2];     // zero
    uint32_t nodes;          // how many; zero in the fact
    uint32_t reserved_too;   // zero
    char name[GR_NAME_SIZE]; // NUL-terminated, the rest zero
};
static_assert(sizeof(struct gr_window) == 104, "no padding");
// Longest length and interval: ten years. A start lies at most so far ahead of the fact.
#define GR_WINDOW_MS_MAX INT64_C(315360000000)

// Neighbouring nodes.
struct gr_range {
    uint32_t first, count;
};
// Of one window, at most.
#define GR_WINDOW_RANGES_MAX 65536

// Signals are numbered below this.
#define GR_SIGNALS 128

// Classes of a device's health: enum gr_health of device/device.h.
#define GR_DEVICE_HEALTHS 6

// How long a key is kept, by `at` of the facts: 24 hours.
#define GR_KEY_MS INT64_C(86400000)

// An idempotency key, and what came of the request that carried it.
struct gr_key {
    uint8_t key[16];      // bytes that look random (a hash)
    uint8_t request[16];  // a hash of what was asked, to tell another request of the same key
    uint64_t first, last; // sequences of the facts that came of it
    uint32_t org;         // who asked; index
    uint32_t code;        // the answer, for the caller
    int64_t at_ms;        // of the fact; zero in the fact's own body
};
static_assert(sizeof(struct gr_key) == 64, "no padding");

// A job's state while the core holds it.
enum gr_job_state {
    GR_JOB_WAITING = 1,
    GR_JOB_RUNNING = 2,
    GR_JOB_HELD = 3, // waits for other jobs, or for a place in its array
};
#define GR_JOB_STATES 4

// A job that is held, waits or runs. Ids are the sequence of the fact that submitted it. What a
// start and an end touch lies in the first cache line.
struct gr_job {
    uint64_t id;        // of the job, everywhere
    int64_t started_ms; // when it was placed; 0 while it does not run
    int64_t limit_ms;   // of an attempt; 0: none
    struct gr_demand demand;
    uint32_t next, prev;  // slots: of the queue while waiting, of the array's held elements
    uint16_t attempt;     // 1 for the first start
    uint8_t state;        // enum gr_job_state; 0: a free slot
    uint8_t requeue_on;   // bits, enum gr_requeue
    uint64_t tag;         // the submitter's own reference, never interpreted
    int64_t submitted_ms; // `since` of the fact that submitted it
    int64_t began_ms;     // first instruction of this attempt; 0: not yet
    int64_t stop_ms;      // `since` of the last request to stop; 0: none
    int64_t grace_ms;     // between the signal of that request and KILL
    int64_t safe_ms;      // work of this attempt before this is safe; 0: none is
    uint32_t org;         // who submitted it; index
    uint32_t user;        // index; UINT32_MAX: none
    uint16_t attempts;    // at most
    uint8_t stop_why;     // enum gr_stop_why
    uint8_t stop_signal;  // number
    uint8_t is_linked;    // it has edges, waiters or an array: a row in the table of links
    uint8_t is_parted;    // this attempt has lost a part: a row in the table of parts
    uint16_t called_for;  // row plus 1 of the hold for which it goes; 0: none
};
static_assert(sizeof(struct gr_job) == 128, "two cache lines, no padding");
static_assert(sizeof(struct gr_demand) == 28, "no padding");

// A fact. Arrays are borrowed by whoever handed it over.
struct gr_event {
    uint64_t sequence; // 1, 2, 3, ...: no gaps
    int64_t at_ms;     // the journal's time, since the Unix epoch or a trace's start
    int64_t since_ms;  // when it happened, by the clock that saw it
    uint32_t epoch;    // of the writer
    uint16_t type;     // enum gr_event_type
    uint16_t version;  // of the type
    union {
        struct gr_org org;
        struct gr_site site;
        char variant[GR_NAME_SIZE]; // the catalogue's id, NUL-terminated, the rest zero
        // A node that was added: `name` as in gr_node_cold.
        struct {
            struct gr_node row; // all free
            char name[GR_NAME_SIZE];
        } node;
        // Of a `node`, by number.
        struct {
            uint32_t node;
            uint32_t state; // enum gr_node_state
        } node_state;
        // A job: `tag`, limit and `org` as in gr_job.
        struct {
            uint64_t tag;
            int64_t limit_ms;
            struct gr_demand demand;
            uint32_t org;
            uint32_t verdict;       // what admit said; 0: nobody was asked
            uint32_t user;          // index; UINT32_MAX: none
            uint64_t rules_version; // under which rules
            struct gr_array_of array;
            uint16_t attempts;  // at most, >= 1
            uint8_t requeue_on; // bits, enum gr_requeue
            uint8_t commitment[32];
        } submitted; // and edges
        // Of the `job` with this id, a start.
        struct {
            uint64_t job;
            uint32_t attempt;
            uint32_t verdict;       // what admit said; 0: nobody was asked
            uint64_t rules_version; // under which rules
        } placed;                   // and pieces
        // Of the `job` with this id, the end of an attempt, and of the job.
        struct {
            uint64_t job;
            uint32_t attempt;
            uint32_t reserved; // zero
            struct gr_ending ending;
        } finished;
        // Of the `job` with this id, the end without a start.
        struct {
            uint64_t job;
            uint32_t why; // enum gr_refusal
            uint32_t reserved;
        } dropped;
        // Of the `job` with this id, room kept for it.
        struct {
            uint64_t job;
            int64_t start_ms; // when it can start at the latest, if limits hold
        } reserved;           // and pieces
        struct gr_user user_added;
        // A writer that begins: the header's epoch is higher than the last one.
        struct {
            char version[16]; // of the program, NUL-terminated, the rest zero
        } epoch_begun;
        // Of the `job` with this id, the first instruction of an attempt, at since_ms.
        struct {
            uint64_t job;
            uint32_t attempt;
            uint32_t reserved; // zero
        } started;
        // Of the `job` with this id, the end of an attempt; the job waits again, before all others
        // of its priority.
        struct {
            uint64_t job;
            uint32_t attempt;
            uint32_t reserved; // zero
            struct gr_ending ending;
        } requeued;
        // Of the running `job` with this id. May come again: the last one counts.
        struct {
            uint64_t job;
            uint32_t attempt;
            uint32_t why;     // enum gr_stop_why
            int64_t grace_ms; // between the signal and KILL
            uint32_t signal;  // number
            uint32_t reserved;
        } stop_asked;
        // Of a node: some of its devices are out of use (nothing new is placed on them, what holds
        // them goes on), or in use again.
        struct {
            uint32_t node;
            uint16_t devices; // bit i: device i
            uint8_t is_out;   // 1: out of use
            uint8_t health;   // class, below GR_DEVICE_HEALTHS
        } devices_set;
        struct gr_key key_used; // at_ms zero
        // Takes the place of what was set before for that organisation and variant. Nominal 0,
        // borrow and lend GR_ANY_MILLI: as if none had been set.
        struct gr_quota quota;
        struct gr_org_terms org_terms;
        struct gr_queue_terms queue_terms;
        struct gr_class job_class; // takes the place of the one of this name
        // Of the running `job` with this id.
        struct {
            uint64_t job;
            uint32_t attempt;
            uint32_t reserved; // zero
        } checkpointed;
        // Of the waiting `job` with this id: where it will start when those have ended who are
        // asked to stop for it. Until then, or GR_ROOM_FREED, nobody else starts on these nodes.
        // From version 2 on, edges name who is asked: running jobs, in order of their ids, that
        // hold something on these nodes; how: enum gr_stop_why, the same of all.
        struct {
            uint64_t job;
            int64_t until_ms; // then the hold ends
        } held;               // and pieces, and edges
        // Of the `job` with this id, which has a hold.
        struct {
            uint64_t job;
            uint32_t why;      // enum gr_freed_why
            uint32_t reserved; // zero
        } freed;
        // Of the running `job` with this id: a task that has ended with its node or device. The
        // job goes on without it until GR_PART_PLACED.
        struct {
            uint64_t job;
            uint32_t attempt;
            uint32_t task;    // number within the gang
            uint32_t part;    // in which it was placed; 0: at the start
            uint32_t node;    // where it was
            int64_t until_ms; // then the job does not wait for another place any more
            uint16_t devices; // that it held of the node
            uint16_t reserved;
            uint32_t reserved_too; // both zero
        } part_lost;
        // Of the running `job` with this id: its lacking tasks, in order of their numbers, get the
        // pieces in theirs. Begins as `placed` does, for those who admit.
        struct {
            uint64_t job;
            uint32_t attempt;
            uint32_t verdict;       // what admit said; 0: nobody was asked
            uint64_t rules_version; // under which rules
            uint32_t part;          // 1, 2, ... in each attempt
            uint32_t reserved;      // zero
        } part_placed;              // and pieces
        // A row of the table of preferences: a new one, or one that no live job names.
        struct {
            uint32_t row;
            struct gr_preference preference;
        } preference_set;
        struct gr_window window_set; // and ranges
        // GR_WINDOW_OPENED, GR_WINDOW_CLOSED, GR_WINDOW_ENDED: of the `window` with this id.
        struct {
            uint64_t window;
        } window_turn;
    };
    // GR_JOB_PLACED, GR_ROOM_RESERVED, GR_ROOM_HELD, GR_PART_PLACED: sorted by node, then devices
    const struct gr_piece *pieces;
    uint32_t piece_count;
    uint32_t item_count;
    const struct gr_mix_item *items; // GR_MIX_SET
    const struct gr_mask *mask;      // GR_MASK_ADDED
    // GR_JOB_SUBMITTED: at most GR_SPEC_AFTER_MAX; GR_ROOM_HELD: at most GR_CALLED_MAX
    const struct gr_edge *edges;
    uint32_t edge_count;
    uint32_t range_count;
    const struct gr_range *ranges; // GR_WINDOW_SET: ascending, apart; 1..GR_WINDOW_RANGES_MAX
};

// What is to be done in the world because of a fact. Doing it twice is doing it once.
enum gr_effect_type {
    GR_START_JOB = 1,
    GR_RELEASE_JOB = 2, // the devices are free again; whoever ran the attempt may forget it
    GR_STOP_JOB = 3,    // as the job's stop_why, stop_signal and grace_ms say
    GR_START_PART = 4,  // tasks of a running attempt that have a new place
};

// An effect; carries the epoch so that engines can refuse an older one.
struct gr_effect {
    enum gr_effect_type type;
    uint32_t epoch;
    uint64_t job; // id
    uint32_t attempt;
};
// Effects of one fact at most.
#define GR_EFFECTS_MAX 1
