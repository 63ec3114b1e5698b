// What identity.c and identity_tokens.c share; nobody else includes it.
#pragma once

#include "base/err.h"
#include "base/hash.h"
#include "daemon/identity.h"

#include <sys/stat.h>

// Most tokens of one daemon, and most bytes of their file.
#define TOKENS_MAX 4096
#define TOKENS_SIZE_MAX (TOKENS_MAX * 256)
// Bytes of a token's name, NUL included, and of its time.
#define TOKEN_NAME_SIZE 64
#define TOKEN_SINCE_SIZE 24

// A token as it is kept.
struct token {
    uint8_t hash[GR_HASH_SIZE];   // of its text
    uid_t uid;                    // whom it stands for
    bool is_operator;             // and whether as an operator
    char since[TOKEN_SINCE_SIZE]; // when it was made, UTC
    char name[TOKEN_NAME_SIZE];   // for people
};

// All of them, and the file they were read from.
struct tokens {
    struct token *all; // owned, TOKENS_MAX of room; NULL: none
    size_t count;      // of them
    struct stat file;  // st_ino 0: there was none
};

// Reads the file `tokens` of the folder; -ENOENT if there is none. Errors begin with `path`/tokens.
int tokens_read(int folder, const char *path, struct tokens *ret_tokens, struct gr_err *err);
// Replaces the file, durably, and notes what it is now.
int tokens_write(int folder, const char *path, struct tokens *tokens, struct gr_err *err);
// Whether the file is another than the one that was read.
bool tokens_changed(int folder, const struct tokens *tokens);
// Appends a token with a new text, in memory only.
int tokens_make(struct tokens *tokens, uid_t uid, bool is_operator, const char *name,
                char ret_text[64], struct gr_err *err);
// The token with this text, or NULL. Takes as long wherever it stands and however much agrees.
const struct token *tokens_find(const struct tokens *tokens, struct gr_slice text);
// Writes a small secret file (0600), durably, in place of what was there.
int secret_write(int folder, const char *path, const char *name, const char *text, size_t size,
                 struct gr_err *err);
