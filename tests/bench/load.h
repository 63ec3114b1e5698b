// A client that puts an HTTP server under load: many connections, one thread, one epoll.
//
// Open loop: requests are due at fixed times whatever the server does, and a latency counts from
// when its request was due, so that a server that stalls is charged for everybody it kept waiting.
// Closed loop: each connection asks again as soon as it has its reply.
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

// Most connections of one load.
#define GR_LOAD_CONNECTIONS_MAX 4096

// What is asked, of whom and how often. Texts are borrowed.
struct gr_load_config {
    const char *unix_path; // socket of the server; NULL: TCP
    unsigned port;         // on 127.0.0.1, without a unix_path
    const char *method;    // "GET", "POST"
    const char *path;      // with the query; every "{n}" becomes the request's number
    const char *headers;   // further header lines, each with "\r\n"; "" for none; "{n}" too
    const char *body;      // NULL: none; "{n}" too
    unsigned connections;  // 1 to GR_LOAD_CONNECTIONS_MAX
    double rate;           // requests a second; 0: closed loop
    double seconds;        // how long requests are due
};

// What came of it.
struct gr_load_result {
    uint64_t sent;         // requests that were sent
    uint64_t replied;      // replies that were read whole
    uint64_t ok;           // of them with a status of 2xx
    unsigned other_status; // of the first that was not, or 0
    double seconds;        // from the first request until the last reply
    uint64_t *latencies;   // of each reply, nanoseconds; gr_load_result_done frees it
};

// Puts the load on. Requests that are due and find no free connection wait for one. After the time
// it waits up to ten seconds for what is out. Returns 0, or a negative errno with a text: the
// server cannot be reached, closed a connection, or sent what is no HTTP. Blocks meanwhile.
int gr_load_run(const struct gr_load_config *config, struct gr_load_result *ret_result,
                struct gr_err *err);
// Frees what it holds.
void gr_load_result_done(struct gr_load_result *result);
