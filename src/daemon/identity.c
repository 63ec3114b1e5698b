// Who asks: see identity.h. Tokens are read again when their file changes, so that one that was
// removed stops working within a second; users are remembered for a minute, because the user
// database may be far away.
#include "daemon/identity.h"

#include "base/clock.h"
#include "daemon/identity_parts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define CACHE_SIZE 256
#define CACHE_SECONDS 60
// Bytes that a record of the user database may have.
#define RECORD_SIZE 16384
// A token is longer than a user's patience; more is not looked at.
#define TOKEN_SIZE_MAX 256

struct user {
    bool is_there;
    uid_t uid;
    gid_t gid;
    time_t until;
    char name[GR_IDENTITY_NAME_SIZE];
};

struct gr_identities {
    int folder;
    char *path;
    struct tokens tokens;
    time_t looked; // when the file was looked at
    struct user users[CACHE_SIZE];
    struct gr_identity answer;
};

static time_t now_seconds(void)
{
    return (time_t)(gr_clock_ms() / 1000);
}

// The first token: its text for the operator, its hash for us. In this order: if only the first
// was written, the next start makes a new one.
static int first_make(struct gr_identities *identities, struct gr_err *err)
{
    char text[65];
    int code = tokens_make(&identities->tokens, geteuid(), true, "first operator", text, err);
    if (code != 0) {
        return code;
    }
    size_t size = strlen(text);
    text[size++] = '\n';
    code = secret_write(identities->folder, identities->path, "operator.token", text, size, err);
    explicit_bzero(text, sizeof(text));
    if (code != 0) {
        return code;
    }
    return tokens_write(identities->folder, identities->path, &identities->tokens, err);
}

int gr_identities_open(const char *state_dir, struct gr_identities **ret_identities,
                       struct gr_err *err)
{
    struct gr_identities *identities = calloc(1, sizeof(*identities));
    if (identities == NULL) {
        return gr_fail(err, -ENOMEM, "read the tokens: no memory");
    }
    identities->path = strdup(state_dir);
    identities->folder = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = 0;
    if (identities->path == NULL) {
        code = gr_fail(err, -ENOMEM, "read the tokens: no memory");
    } else if (identities->folder < 0) {
        code = gr_fail_errno(err, "open the folder %s", state_dir);
    } else {
        code = tokens_read(identities->folder, state_dir, &identities->tokens, err);
        code = code == -ENOENT ? first_make(identities, err) : code;
    }
    if (code != 0) {
        gr_identities_close(identities);
        return code;
    }
    identities->looked = now_seconds();
    *ret_identities = identities;
    return 0;
}

void gr_identities_close(struct gr_identities *identities)
{
    if (identities == NULL) {
        return;
    }
    if (identities->folder >= 0) {
        close(identities->folder);
    }
    free(identities->tokens.all);
    free(identities->path);
    free(identities);
}

// Reads the file again if it is another. One that cannot be read lets nobody in.
static int tokens_refresh(struct gr_identities *identities, struct gr_err *err)
{
    if (!tokens_changed(identities->folder, &identities->tokens)) {
        return 0;
    }
    free(identities->tokens.all);
    identities->tokens = (struct tokens){.count = 0};
    int code = tokens_read(identities->folder, identities->path, &identities->tokens, err);
    return code == -ENOENT ? 0 : code;
}

static void user_look(struct user *user, uid_t uid)
{
    struct passwd record;
    struct passwd *found = NULL;
    char bytes[RECORD_SIZE];
    user->is_there = true;
    user->uid = uid;
    user->gid = (gid_t)uid;
    user->until = now_seconds() + CACHE_SECONDS;
    if (getpwuid_r(uid, &record, bytes, sizeof(bytes), &found) == 0 && found != NULL) {
        user->gid = record.pw_gid;
        if (strlen(record.pw_name) < sizeof(user->name)) {
            memcpy(user->name, record.pw_name, strlen(record.pw_name) + 1);
            return;
        }
    }
    snprintf(user->name, sizeof(user->name), "uid-%lu", (unsigned long)uid);
}

static const struct user *user_find(struct gr_identities *identities, uid_t uid)
{
    struct user *user = &identities->users[(uid * 2654435761u) >> 24 & (CACHE_SIZE - 1)];
    if (!user->is_there || user->uid != uid || user->until <= now_seconds()) {
        user_look(user, uid);
    }
    return user;
}

static void answer_set(struct gr_identities *identities, uid_t uid, const gid_t *gid,
                       bool is_operator)
{
    const struct user *user = user_find(identities, uid);
    struct gr_identity *answer = &identities->answer;
    answer->uid = uid;
    answer->gid = gid != NULL ? *gid : user->gid;
    answer->is_operator = is_operator;
    memcpy(answer->name, user->name, sizeof(answer->name));
}

int gr_identities_find(struct gr_identities *identities, const struct gr_http_peer *peer,
                       const struct gr_identity **ret_identity, struct gr_err *err)
{
    if (peer->is_unix) {
        if (peer->uid == (uid_t)UINT32_MAX) {
            gr_fail(err, -EACCES, "the kernel does not say who you are");
            return 401;
        }
        // Who wrote a container's image is trusted by nobody, whoever runs it.
        bool is_operator = !peer->is_door && (peer->uid == 0 || peer->uid == geteuid());
        answer_set(identities, peer->uid, &peer->gid, is_operator);
        *ret_identity = &identities->answer;
        return 0;
    }
    if (peer->token.size == 0) {
        gr_fail(err, -EACCES,
                "a token is needed: send the header 'Authorization: Bearer TOKEN' (the operator's "
                "is in %s/operator.token)",
                identities->path);
        return 401;
    }
    time_t now = now_seconds();
    if (identities->looked != now) {
        identities->looked = now;
        if (tokens_refresh(identities, err) != 0) {
            return 403;
        }
    }
    const struct token *token =
        peer->token.size > TOKEN_SIZE_MAX ? NULL : tokens_find(&identities->tokens, peer->token);
    if (token == NULL) {
        gr_fail(err, -EACCES, "this token is not known here");
        return 401;
    }
    answer_set(identities, token->uid, NULL, token->is_operator);
    *ret_identity = &identities->answer;
    return 0;
}

int gr_identities_tokens(struct gr_identities *identities,
                         void (*each)(void *context, const struct gr_identity_token *token),
                         void *context, struct gr_err *err)
{
    int code = tokens_refresh(identities, err);
    for (size_t i = 0; i < identities->tokens.count && code == 0; i++) {
        const struct token *token = &identities->tokens.all[i];
        const struct gr_identity_token shown = {.name = token->name,
                                                .since = token->since,
                                                .uid = token->uid,
                                                .is_operator = token->is_operator};
        each(context, &shown);
    }
    return code;
}

// Locks the folder against others that change the tokens, and takes the newest. Blocks meanwhile.
static int tokens_lock(struct gr_identities *identities, int *ret_lock, struct gr_err *err)
{
    // A description of its own: the lock goes when it is closed.
    int lock = openat(identities->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = -1;
    do {
        result = lock < 0 ? -1 : flock(lock, LOCK_EX);
    } while (result < 0 && lock >= 0 && errno == EINTR);
    if (result < 0) {
        int code = gr_fail_errno(err, "lock the folder %s", identities->path);
        if (lock >= 0) {
            close(lock);
        }
        return code;
    }
    int code = tokens_refresh(identities, err);
    if (code != 0) {
        close(lock);
        return code;
    }
    *ret_lock = lock;
    return 0;
}

int gr_identities_token_add(struct gr_identities *identities, uid_t uid, bool is_operator,
                            const char *name, char ret_token[64], struct gr_err *err)
{
    int lock;
    int code = tokens_lock(identities, &lock, err);
    if (code != 0) {
        return code;
    }
    char text[64];
    code = tokens_make(&identities->tokens, uid, is_operator, name, text, err);
    if (code == 0) {
        code = tokens_write(identities->folder, identities->path, &identities->tokens, err);
        if (code != 0) {
            identities->tokens.count--;
        } else {
            memcpy(ret_token, text, sizeof(text));
        }
    }
    explicit_bzero(text, sizeof(text));
    close(lock);
    return code;
}

int gr_identities_token_remove(struct gr_identities *identities, const char *name,
                               struct gr_err *err)
{
    int lock;
    int code = tokens_lock(identities, &lock, err);
    if (code != 0) {
        return code;
    }
    struct tokens *tokens = &identities->tokens;
    size_t kept = 0;
    for (size_t i = 0; i < tokens->count; i++) {
        if (strcmp(tokens->all[i].name, name) != 0) {
            tokens->all[kept++] = tokens->all[i];
        }
    }
    int removed = (int)(tokens->count - kept);
    tokens->count = kept;
    if (removed > 0) {
        code = tokens_write(identities->folder, identities->path, tokens, err);
        if (code != 0) { // what the file says holds
            tokens->file = (struct stat){.st_ino = 0};
        }
    }
    close(lock);
    return code != 0 ? code : removed;
}
