// The daemon: pool, HTTP server, identities and streams in one event loop. For src/daemon only;
// outside, serve.h is the way in.
#pragma once

#include "base/arena.h"
#include "daemon/events.h"
#include "daemon/http.h"
#include "daemon/identity.h"
#include "daemon/pool.h"
#include "daemon/shares.h"
#include "daemon/verifier.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

// Checks of an engine at most; requests that wait for them at most.
#define GR_DAEMON_CHECKS 32

struct gr_log_stream; // a log that somebody follows; route_logs.c
struct gr_bulk;       // a submission of many lines; route_bulk.c

// See the head of this file.
struct gr_daemon {
    // Its parts, owned.
    struct gr_pool *pool;
    struct gr_http *http;
    struct gr_identities *identities;
    struct gr_events *events;
    struct gr_verifier *verifier; // NULL: it could not be started
    struct gr_shares shares;      // requests under way, by user

    struct gr_arena *arena;           // for specs that come in; reset for each
    struct gr_log_stream *logs;       // those that follow
    struct gr_http_request **paused;  // bulk submissions that wait for their turn
    size_t paused_count, paused_room; // of paused
    size_t answers_bytes;             // of all bulk submissions, not sent yet
    unsigned bulk_count;              // bulk submissions that are coming in or being answered
    struct gr_local_check checks[GR_DAEMON_CHECKS]; // what the engine can do here
    int check_count;                                // of checks
    bool is_checking; // a child still finds that out; requests for it wait
    struct gr_http_request *check_waiters[GR_DAEMON_CHECKS]; // who asked meanwhile
    unsigned check_waiter_count;                             // of check_waiters
    bool is_ending;                                          // asked to end
    bool stops_jobs;                                         // after all jobs were stopped
    uint64_t requests;                                       // served, for metrics
};

// The routes, ended by one without a method. Static memory. Their context is a struct gr_daemon.
extern const struct gr_http_route gr_daemon_routes[];

// What belongs to one request, as its data.
struct gr_caller {
    struct gr_identity who;
    struct gr_bulk *bulk;     // a submission of lines; NULL: none
    struct gr_shares *shares; // where it is counted
};

// Finds out who asks: gr_http_config.admit.
int gr_daemon_admit(void *context, struct gr_http_request *request, struct gr_err *err);

// --- helpers of the routes

// Who asks. Only in routes that are not open.
const struct gr_identity *gr_daemon_who(const struct gr_http_request *request);
// Replies when everything decided so far is durable. Takes the object; NULL is a lack of memory.
void gr_daemon_reply(struct gr_daemon *daemon, struct gr_http_request *request, unsigned status,
                     json_t *object);
// The same with a text from malloc, whose ownership moves.
void gr_daemon_reply_text(struct gr_daemon *daemon, struct gr_http_request *request,
                          unsigned status, const char *type, char *text, size_t size);
// Replies with a refusal when everything decided so far is durable: it may be for the sake of that.
void gr_daemon_refuse(struct gr_daemon *daemon, struct gr_http_request *request,
                      const struct gr_pool_refusal *refusal);
// Replies that a write cannot be decided now, if so. True: it did.
bool gr_daemon_is_refused(struct gr_daemon *daemon, struct gr_http_request *request);
// Replies that the query has a parameter that is not in `names` (NULL-terminated). True: it did.
bool gr_daemon_query_is_wrong(struct gr_http_request *request, const char *const *names);
// A query parameter that is a whole number from low to high; `ret_value` keeps its value if it is
// not there. False: a reply was made.
bool gr_daemon_query_int(struct gr_http_request *request, const char *name, int64_t low,
                         int64_t high, int64_t *ret_value);
// A query parameter "true" or "false"; false if it is not there. *ret_ok false: a reply was made.
bool gr_daemon_query_flag(struct gr_http_request *request, const char *name, bool *ret_ok);
// The body as a JSON object with these keys only (NULL-terminated), empty if there is no body. The
// caller owns it; NULL: a reply was made.
json_t *gr_daemon_body(struct gr_http_request *request, const char *const *keys);
// The key of a write, and what it stands for: 32 bytes. 0: none was given; 1: it is in `ret_key`;
// -1: a reply was made (the header is not well formed).
int gr_daemon_key(const struct gr_daemon *daemon, struct gr_http_request *request,
                  uint8_t ret_key[32]);
// The key of a write that is not a submission: whether it was used already, or may be used now, for
// something about fact `about` (0: only asked, not used). Returns 1: it was, for the same request,
// and the reply says so; 0: go on; -1: a reply was made.
int gr_daemon_key_take(struct gr_daemon *daemon, struct gr_http_request *request, uint64_t about);
// Whether a caller may know of what is of this organisation.
bool gr_daemon_may_see(struct gr_daemon *daemon, const struct gr_identity *who, uint32_t org);
// Whether a caller may act on what belongs to this uid.
bool gr_daemon_may(const struct gr_identity *who, uint32_t uid);

// --- routes by file

// --- route_jobs.c

// POST /v1/jobs
void gr_route_submit(void *context, struct gr_http_request *request);
// GET /v1/jobs/{id}
void gr_route_job(void *context, struct gr_http_request *request);
// POST /v1/jobs/{id}/stop
void gr_route_stop(void *context, struct gr_http_request *request);
// Reads a spec that is these bytes, as the caller's. False: *ret_refusal says why not. The spec
// lies in the daemon's arena.
bool gr_route_spec_read(struct gr_daemon *daemon, struct gr_http_request *request,
                        struct gr_slice bytes, struct gr_spec *ret_spec,
                        struct gr_pool_refusal *ret_refusal);

// --- route_list.c

// GET /v1/jobs
void gr_route_jobs(void *context, struct gr_http_request *request);

// --- route_queue.c

// GET /v1/quotas
void gr_route_quotas(void *context, struct gr_http_request *request);
// See gr_route_quotas.
void gr_route_classes(void *context, struct gr_http_request *request);
// GET /v1/shares
void gr_route_shares(void *context, struct gr_http_request *request);
// GET /v1/queue
void gr_route_queue(void *context, struct gr_http_request *request);
// POST /v1/jobs/{id}/checkpoint
void gr_route_checkpoint(void *context, struct gr_http_request *request);

// --- route_why.c

// GET /v1/jobs/{id}/why
void gr_route_why(void *context, struct gr_http_request *request);
// GET /v1/estimates
void gr_route_estimates(void *context, struct gr_http_request *request);

// --- route_windows.c

// GET /v1/windows
void gr_route_windows(void *context, struct gr_http_request *request);
// POST /v1/windows
void gr_route_window_set(void *context, struct gr_http_request *request);
// GET /v1/windows/{window}
void gr_route_window(void *context, struct gr_http_request *request);
// POST /v1/windows/{window}/end
void gr_route_window_end(void *context, struct gr_http_request *request);

// --- route_bulk.c

// A line of POST /v1/jobs with many: gr_http_route.line.
bool gr_route_submit_line(void *context, struct gr_http_request *request, struct gr_slice line);
// The end of a submission of lines: all answers, when all are durable.
void gr_route_submit_end(struct gr_daemon *daemon, struct gr_http_request *request);
// Lets submissions of lines go on that waited for the disk.
void gr_route_submit_resume(struct gr_daemon *daemon);
// Frees what gr_caller.bulk holds. NULL is allowed.
void gr_bulk_free(struct gr_bulk *bulk);

// --- route_nodes.c

// GET /v1/nodes
void gr_route_nodes(void *context, struct gr_http_request *request);
// GET /v1/nodes/{name}
void gr_route_node(void *context, struct gr_http_request *request);
// POST /v1/nodes/{name}/cordon
void gr_route_cordon(void *context, struct gr_http_request *request);
// POST /v1/nodes/{name}/uncordon
void gr_route_uncordon(void *context, struct gr_http_request *request);
// POST /v1/nodes/{name}/drain
void gr_route_drain(void *context, struct gr_http_request *request);
// GET /v1/devices
void gr_route_devices(void *context, struct gr_http_request *request);
// POST /v1/defrag
void gr_route_defrag(void *context, struct gr_http_request *request);
// POST /v1/apply
void gr_route_apply(void *context, struct gr_http_request *request);

// --- route_pool.c

// GET /v1/pool
void gr_route_pool(void *context, struct gr_http_request *request);
// Answers those who waited for the engine's checks.
void gr_route_engines_ready(struct gr_daemon *daemon);
// GET /v1/engines
void gr_route_engines(void *context, struct gr_http_request *request);
// GET /v1/health
void gr_route_health(void *context, struct gr_http_request *request);
// GET /v1/whoami
void gr_route_whoami(void *context, struct gr_http_request *request);
// POST /v1/shutdown
void gr_route_shutdown(void *context, struct gr_http_request *request);
// GET /metrics
void gr_route_metrics(void *context, struct gr_http_request *request);
// GET /v1/openapi.json
void gr_route_openapi(void *context, struct gr_http_request *request);

// --- route_tokens.c

// GET /v1/tokens
void gr_route_tokens(void *context, struct gr_http_request *request);
// POST /v1/tokens
void gr_route_token_add(void *context, struct gr_http_request *request);
// POST /v1/tokens/{token}/remove
void gr_route_token_remove(void *context, struct gr_http_request *request);

// --- route_logs.c

// GET /v1/jobs/{id}/logs
void gr_route_logs(void *context, struct gr_http_request *request);
// Wakes all streams that follow a log. Returns whether there are any.
bool gr_logs_wake(struct gr_daemon *daemon);

// --- events.c

// GET /v1/events
void gr_route_events(void *context, struct gr_http_request *request);
