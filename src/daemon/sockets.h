// Where a daemon is reached over unix sockets: by everybody, by its jobs, and from containers.
#pragma once

#include "base/err.h"
#include "daemon/state_dir.h"

#include <stdbool.h>

// The paths; "" stands for none.
struct gr_sockets {
    char path[GR_STATE_PATH_SIZE];       // of the socket
    char server[GR_STATE_PATH_SIZE + 8]; // the same as jobs are told: unix:, and absolute
    // A folder with a socket of its own for containers, which see it in place of the other: a
    // container outlives the daemon, and the file of a socket does not.
    char door[GR_STATE_PATH_SIZE];
    char door_path[GR_STATE_PATH_SIZE]; // of that socket
};

// Finds out where they are to be for a pool in `state_dir`. `socket`: as the command line has it,
// "" for none; NULL: see gr_serve_socket_default, and its folder is made if it is not there. Only
// if `has_door` a door is made, in the engine's folder; where that cannot be, there is none.
// Returns 0 or -errno with a text.
int gr_sockets_find(const char *state_dir, const char *socket, bool has_door,
                    struct gr_sockets *ret_sockets, struct gr_err *err);
