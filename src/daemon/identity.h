// Who asks: peer credentials and bearer tokens become a user of this machine.
#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "daemon/http.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Bytes of a user's name, NUL included.
#define GR_IDENTITY_NAME_SIZE 64

// A user of this machine.
struct gr_identity {
    uid_t uid;        // of this machine
    gid_t gid;        // main group: the socket's word, else the user database's
    bool is_operator; // root, the daemon's own uid (not at the door), or an operator's
                      // token
    char name[GR_IDENTITY_NAME_SIZE]; // from the user database, or "uid-1234"
};

struct gr_identities; // opaque: tokens and a cache of users

// Loads STATE/tokens (one a line: BLAKE2b-256 of the token in hex, uid, "operator" or "user",
// since, a name for people). If there is none, makes the first operator token, writes it to
// STATE/operator.token (0600, owned by the daemon) and its hash to STATE/tokens (0600). Errors name
// file and line.
int gr_identities_open(const char *state_dir, struct gr_identities **ret_identities,
                       struct gr_err *err);
// NULL is allowed.
void gr_identities_close(struct gr_identities *identities);
// Who the peer is. Returns 0 and an identity borrowed until the next call of this function; 401
// with a reason (no token, unknown token; compared in constant time); 403 (known, and not allowed
// in). Looks into the user database; answers are cached for a minute.
int gr_identities_find(struct gr_identities *identities, const struct gr_http_peer *peer,
                       const struct gr_identity **ret_identity, struct gr_err *err);
// A token, without its text, which nobody has.
struct gr_identity_token {
    const char *name;  // for people, and to remove it by
    const char *since; // when it was made: "2026-11-22T10:40:00Z"
    uid_t uid;         // whom it stands for
    bool is_operator;  // and whether as an operator
};

// Calls `each` for every token, the oldest first; what it gets is borrowed during the call. Returns
// 0, or -errno with a text if the file cannot be read.
int gr_identities_tokens(struct gr_identities *identities,
                         void (*each)(void *context, const struct gr_identity_token *token),
                         void *context, struct gr_err *err);
// Makes a further token for `uid`; the text (NUL-terminated, 64 bytes) is shown once and never
// stored. Durable when it returns.
int gr_identities_token_add(struct gr_identities *identities, uid_t uid, bool is_operator,
                            const char *name, char ret_token[64], struct gr_err *err);
// Removes the tokens with this name. Returns how many, or -errno.
int gr_identities_token_remove(struct gr_identities *identities, const char *name,
                               struct gr_err *err);
