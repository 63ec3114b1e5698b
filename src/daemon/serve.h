// `granary serve`: the daemon from start to end.
#pragma once

#include "base/err.h"
#include "daemon/pool.h"

#include <stdbool.h>

// How to serve.
struct gr_serve_config {
    const char *state_dir;    // NULL: gr_state_default
    const char *socket;       // NULL: the default for this user; "": none
    const char *listen;       // "127.0.0.1:7070"; "": no TCP
    const char *const *hosts; // further names accepted in Host, NULL-terminated; NULL: none
    bool in_background;       // detach when it serves
    bool is_quiet;            // say nothing but errors
    struct gr_pool_config pool;
};

// A configuration with every default filled in.
struct gr_serve_config gr_serve_default(void);
// Serves until it is told to end by SIGTERM, SIGINT or the API; says on standard output where. With
// in_background it returns in the parent as soon as the pool serves. Returns 0, or -errno with a
// text; jobs go on in either case.
int gr_serve(const struct gr_serve_config *config, struct gr_err *err);
// Writes the routes, one a line: "METHOD PATH".
void gr_serve_routes(void);
// The socket that a daemon with this state directory serves by default.
int gr_serve_socket_default(const char *state_dir, char ret_path[GR_STATE_PATH_SIZE],
                            struct gr_err *err);
