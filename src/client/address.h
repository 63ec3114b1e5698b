// Where the daemon is: from the command line, the environment, or where a daemon stands by default.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

// Bytes of an address, NUL included.
#define GR_CLIENT_ADDRESS_SIZE 1024

// One address.
struct gr_client_address {
    bool is_unix;                      // `text` is the path of a socket; else a URL without path
    char text[GR_CLIENT_ADDRESS_SIZE]; // NUL-terminated; a URL does not end in '/'
};

// Reads `unix:PATH`, an absolute PATH, `http://HOST:PORT` or `https://HOST:PORT`. `what` names
// where the text was found, for errors ("--server"). 0, or -EINVAL with a text that says what was
// expected. Looks at no file.
int gr_client_address_parse(const char *what, const char *text, struct gr_client_address *ret,
                            struct gr_err *err);

// Where a daemon of this user makes its socket unless told otherwise: for root
// /run/granary/granary.sock, else granary.sock in the user's own state directory ($XDG_STATE_HOME
// or ~/.local/state, then /granary). 0, or -ENOENT if the environment names no home.
int gr_client_address_default(bool as_root, char *ret_path, size_t size, struct gr_err *err);

// Finds the address: `server` (NULL: not given), else $GRANARY_SERVER, else this user's own socket
// if it exists, else root's if it exists. 0, or -EINVAL for an address that is none; -ECONNREFUSED
// if there is no socket, with a text that says where was looked. Does not connect.
int gr_client_address_find(const char *server, struct gr_client_address *ret, struct gr_err *err);
