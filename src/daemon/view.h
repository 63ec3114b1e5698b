// Things as the API shows them: JSON made from the pool's state (docs/api). Projections only: no
// environment, no secrets, and what a caller may not see is decided by who calls.
#pragma once

#include "core/windows.h"
#include "daemon/pool.h"

#include <jansson.h>
#include <stdint.h>

// Names of the states of jobs, as shown: "running", "done", ... Static text.
const char *gr_view_job_state(const struct gr_pool *pool, const struct gr_job *job);
// The state of a job that ended. Static text.
const char *gr_view_ended_state(const struct gr_ended *ended);
// All states, NULL-terminated: those that are not over first. Static memory.
extern const char *const gr_view_states[];

// A live job. `is_full`: with places and what it waits for. The caller owns it; NULL: no memory.
json_t *gr_view_job(struct gr_pool *pool, const struct gr_job *job, bool is_full);
// A job that ended. The caller owns it; NULL: no memory.
json_t *gr_view_ended(struct gr_pool *pool, const struct gr_ended *ended, bool is_full);
// How many jobs run on each node: adds to `ret_counts`, zeros with room for all nodes. Visits every
// job once, whatever the number of nodes.
void gr_view_jobs_count(struct gr_pool *pool, uint32_t *ret_counts);
// A node by number, with what gr_view_jobs_count found; NULL: with the jobs that run there, for
// which it visits every job.
json_t *gr_view_node(struct gr_pool *pool, uint32_t node, const uint32_t *counts);
// Devices of this machine, in the order of nodes: `limit` of them from number `first` on, counted
// from 0. *ret_next is the number of the one that comes after them; 0: there is none.
json_t *gr_view_devices(struct gr_pool *pool, uint32_t first, uint32_t limit, uint32_t *ret_next);
// The pool as a whole.
json_t *gr_view_pool(struct gr_pool *pool);
// Where a band comes from ("class"). Static text.
const char *gr_view_estimate_from(enum gr_estimate_from from);
// How good estimates of starts were; `is_full`: with all that is known. The caller owns it; NULL:
// no memory.
json_t *gr_view_estimates(const struct gr_pool *pool, bool is_full);
// What organisations and variants, which facts name by number, are called; NULL: not known here.
struct gr_view_names {
    const void *context;                                         // handed to both
    const char *(*org)(const void *context, uint32_t index);     // of an organisation
    const char *(*variant)(const void *context, uint32_t index); // of a catalogue row
};
// The names that a core knows. Borrowed from it.
struct gr_view_names gr_view_names_of(const struct gr_core *core);
// A fact, as streams show it; what has no name is "#NUMBER". NULL: no memory.
json_t *gr_view_event(const struct gr_view_names *names, const struct gr_event *event);
// Adds to `object` what the facts about quotas, shares and the queue say, and nothing for others.
// As the setters of base/json.h.
int gr_view_terms(json_t *object, const struct gr_view_names *names, const struct gr_event *event);
// Adds what the facts say of room that is held, freed, or taken from a job that is asked to stop;
// as gr_view_terms.
int gr_view_hold(json_t *object, const struct gr_event *event);
// The word for why a job is asked to stop (enum gr_stop_why). Static text.
const char *gr_view_stop(unsigned why);
// A window: what it is, when it is next (or now), and with `is_full` its nodes. The caller owns it;
// NULL: no memory.
json_t *gr_view_window(const struct gr_core *core, const struct gr_window *window, bool is_full);
// Adds what facts about windows say, and nothing for others; as gr_view_terms.
int gr_view_window_event(json_t *object, const struct gr_view_names *names,
                         const struct gr_event *event);
// Adds nominal, borrow and lend; as gr_view_terms.
int gr_view_quota_terms(json_t *object, const struct gr_quota *quota);
// Adds weight and limits; as gr_view_terms.
int gr_view_org_terms(json_t *object, const struct gr_org_terms *terms);
// Adds half-life, notice, caps and what may be taken back; as gr_view_terms.
int gr_view_queue_terms(json_t *object, const struct gr_queue_terms *terms);
// Adds name, priority and time limit of a class; as gr_view_terms.
int gr_view_class(json_t *object, const struct gr_class *of);
// Name of a uid, or "uid-N"; borrowed until the next call.
const char *gr_view_user(uint32_t uid);
// The uid of a user's name, of "uid-N" or of a number. False: there is no such user.
bool gr_view_uid(struct gr_slice name, uint32_t *ret_uid);
