// Facts: what can have happened to a pool, and the things they are about.
//
// A fact has a sequence, an epoch (one writer each), and two times: `at_ms`, the journal's, never
// goes back; `since_ms`, when it happened. The meaning of a type and version never changes. Facts
// carry what was decided, never what was asked.
#pragma once

#include "model/demand.h"
#include "model/node.h"
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
};
#define GR_EVENT_TYPES 13
#define GR_EVENT_VERSION 1

// Why a request or a fact is refused. Codes are for ever; texts in refusal.c.
enum gr_refusal {
    GR_REFUSED_NOTHING = 0,
    GR_REFUSED_SEQUENCE,     // not the next sequence
    GR_REFUSED_EPOCH,        // older epoch
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
};
#define GR_REFUSALS 24

// The code's stable name ("no-room") and one sentence for people. Static text.
const char *gr_refusal_name(enum gr_refusal refusal);
// See gr_refusal_name.
const char *gr_refusal_text(enum gr_refusal refusal);
// The type's stable name ("job-placed"). Static text; NULL for an unknown number.
const char *gr_event_type_name(unsigned type);

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

// How a job's attempt ended.
enum gr_outcome {
    GR_OUTCOME_DONE = 0,
    GR_OUTCOME_FAILED,
    GR_OUTCOME_STOPPED,
};
#define GR_OUTCOMES 3

// A job's state while the core holds it.
enum gr_job_state {
    GR_JOB_WAITING = 1,
    GR_JOB_RUNNING = 2,
};

// A job that waits or runs. Ids are the sequence of the fact that submitted it.
struct gr_job {
    uint64_t id;          // of the job, everywhere
    uint64_t tag;         // the submitter's own reference, never interpreted
    int64_t submitted_ms; // `since` of the fact that submitted it
    int64_t started_ms;   // 0 while waiting
    int64_t limit_ms;     // 0: none
    struct gr_demand demand;
    uint32_t org;        // who submitted it; index
    uint32_t attempt;    // 1 for the first start
    uint32_t allocation; // slot, or UINT32_MAX
    uint32_t next, prev; // of the queue while waiting; slots
    uint32_t state;      // enum gr_job_state; 0: a free slot
    uint32_t reserved;
};
static_assert(sizeof(struct gr_job) == 96, "no padding");

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
            uint64_t rules_version; // under which rules
        } submitted;
        // Of the `job` with this id, a start.
        struct {
            uint64_t job;
            uint32_t attempt;
            uint32_t verdict;       // what admit said; 0: nobody was asked
            uint64_t rules_version; // under which rules
        } placed;                   // and pieces
        // Of the `job` with this id, the end of an attempt.
        struct {
            uint64_t job;
            uint32_t attempt;
            uint32_t outcome; // enum gr_outcome
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
    };
    const struct gr_piece *pieces; // GR_JOB_PLACED, GR_ROOM_RESERVED: sorted by node, then devices
    uint32_t piece_count;
    uint32_t item_count;
    const struct gr_mix_item *items; // GR_MIX_SET
    const struct gr_mask *mask;      // GR_MASK_ADDED
};

// What is to be done in the world because of a fact. Doing it twice is doing it once.
enum gr_effect_type {
    GR_START_JOB = 1,
    GR_RELEASE_JOB = 2, // the devices are free again; whoever ran the job may forget it
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
