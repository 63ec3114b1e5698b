// The file of tokens, one a line:
//
//     HASH UID operator|user SINCE NAME
//
// HASH is BLAKE2b-256 of the token's text in hexadecimal, SINCE a UTC time like
// 2026-11-22T10:40:00Z, NAME the rest of the line. Lines that begin with '#' and empty ones are
// kept out of it. The text itself is nowhere: it has 256 random bits, so that a plain hash hides
// it.
#include "base/file.h"
#include "base/number.h"
#include "base/utf8.h"
#include "daemon/identity_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

// What a token's text begins with, so that people and scanners know one when they see it.
#define PREFIX "granary_"
#define RANDOM_SIZE 32

int secret_write(int folder, const char *path, const char *name, const char *text, size_t size,
                 struct gr_err *err)
{
    char fresh[64];
    snprintf(fresh, sizeof(fresh), "%s.new", name);
    // One left by a run that was killed; a link that somebody planted is removed, not followed.
    if (unlinkat(folder, fresh, 0) < 0 && errno != ENOENT) {
        return gr_fail_errno(err, "remove %s/%s", path, fresh);
    }
    int fd = openat(folder, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return gr_fail_errno(err, "make %s/%s", path, fresh);
    }
    bool is_kept =
        fchmod(fd, 0600) == 0 && gr_file_write_all(fd, text, size) == 0 && fsync(fd) == 0;
    int code = is_kept ? 0 : gr_fail_errno(err, "write %s/%s", path, fresh);
    close(fd);
    if (code == 0 && renameat(folder, fresh, folder, name) < 0) {
        code = gr_fail_errno(err, "put %s/%s in its place", path, name);
    }
    if (code == 0 && fsync(folder) < 0) {
        code = gr_fail_errno(err, "write the folder %s", path);
    }
    if (code != 0) {
        unlinkat(folder, fresh, 0);
    }
    return code;
}

// Opens the file if it is one that nobody else can have written or read.
static int tokens_file_open(int folder, const char *path, struct stat *ret_info, struct gr_err *err)
{
    int fd = openat(folder, "tokens", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? -ENOENT : gr_fail_errno(err, "open %s/tokens", path);
    }
    int code = 0;
    if (fstat(fd, ret_info) < 0) {
        code = gr_fail_errno(err, "look at %s/tokens", path);
    } else if (!S_ISREG(ret_info->st_mode) || ret_info->st_size > TOKENS_SIZE_MAX) {
        code = gr_fail(err, -EINVAL, "%s/tokens: not a file of at most %d bytes", path,
                       TOKENS_SIZE_MAX);
    } else if (ret_info->st_uid != geteuid() || (ret_info->st_mode & 077) != 0) {
        code =
            gr_fail(err, -EPERM,
                    "%s/tokens: others may read or write it; make it yours and chmod 600 it", path);
    }
    if (code != 0) {
        close(fd);
        return code;
    }
    return fd;
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool hash_parse(struct gr_slice text, uint8_t ret_hash[GR_HASH_SIZE])
{
    if (text.size != (size_t)2 * GR_HASH_SIZE) {
        return false;
    }
    for (size_t i = 0; i < GR_HASH_SIZE; i++) {
        int high = hex_digit(text.text[2 * i]);
        int low = hex_digit(text.text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret_hash[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static bool text_keep(struct gr_slice text, char *place, size_t size)
{
    if (text.size == 0 || text.size >= size || gr_utf8_check(text.text, text.size) != text.size) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.text[i] < ' ' || text.text[i] == 0x7f) {
            return false;
        }
    }
    memcpy(place, text.text, text.size);
    place[text.size] = '\0';
    return true;
}

// Takes what stands before the next blank off the front.
static struct gr_slice word_take(struct gr_slice *line)
{
    const char *blank = memchr(line->text, ' ', line->size);
    struct gr_slice word = {line->text, blank == NULL ? line->size : (size_t)(blank - line->text)};
    size_t skip = word.size + (blank != NULL);
    *line = (struct gr_slice){line->text + skip, line->size - skip};
    return word;
}

// Reads one line. Returns NULL or what is wrong with it.
static const char *line_parse(struct gr_slice line, struct token *token)
{
    struct gr_slice hash = word_take(&line);
    struct gr_slice uid = word_take(&line);
    struct gr_slice role = word_take(&line);
    struct gr_slice since = word_take(&line);
    int64_t number;
    if (!hash_parse(hash, token->hash)) {
        return "expected the hash of a token, 64 hexadecimal digits";
    }
    if (gr_number_read_int(uid, 0, UINT32_MAX - 1, &number) != 0) {
        return "expected a uid after the hash";
    }
    if (!gr_slice_is(role, "operator") && !gr_slice_is(role, "user")) {
        return "expected 'operator' or 'user' after the uid";
    }
    if (!text_keep(since, token->since, sizeof(token->since))) {
        return "expected a time after the role";
    }
    if (!text_keep(line, token->name, sizeof(token->name))) {
        return "expected a name of 1 to 63 bytes at the end";
    }
    token->uid = (uid_t)number;
    token->is_operator = gr_slice_is(role, "operator");
    return NULL;
}

static int lines_parse(const char *path, struct gr_slice text, struct tokens *tokens,
                       struct gr_err *err)
{
    for (unsigned number = 1; text.size > 0; number++) {
        const char *end = memchr(text.text, '\n', text.size);
        struct gr_slice line = {text.text, end == NULL ? text.size : (size_t)(end - text.text)};
        size_t skip = line.size + (end != NULL);
        text = (struct gr_slice){text.text + skip, text.size - skip};
        if (line.size == 0 || line.text[0] == '#') {
            continue;
        }
        const char *wrong = tokens->count == TOKENS_MAX
                                ? "too many tokens"
                                : line_parse(line, &tokens->all[tokens->count]);
        if (wrong != NULL) {
            return gr_fail(err, -EINVAL, "%s/tokens:%u: %s", path, number, wrong);
        }
        tokens->count++;
    }
    return 0;
}

static int bytes_read(int fd, char *bytes, size_t size, size_t *ret_size)
{
    *ret_size = 0;
    while (*ret_size < size) {
        ssize_t got = read(fd, bytes + *ret_size, size - *ret_size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return (int)got;
        }
        *ret_size += (size_t)got;
    }
    return 0;
}

int tokens_read(int folder, const char *path, struct tokens *ret_tokens, struct gr_err *err)
{
    struct tokens tokens = {.count = 0};
    int fd = tokens_file_open(folder, path, &tokens.file, err);
    if (fd < 0) {
        return fd;
    }
    size_t size = 0;
    char *bytes = malloc(TOKENS_SIZE_MAX);
    tokens.all = calloc(TOKENS_MAX, sizeof(*tokens.all));
    int code = 0;
    if (bytes == NULL || tokens.all == NULL) {
        code = gr_fail(err, -ENOMEM, "read %s/tokens: no memory", path);
    } else if (bytes_read(fd, bytes, TOKENS_SIZE_MAX, &size) < 0) {
        code = gr_fail_errno(err, "read %s/tokens", path);
    } else {
        code = lines_parse(path, (struct gr_slice){bytes, size}, &tokens, err);
    }
    close(fd);
    free(bytes);
    if (code != 0) {
        free(tokens.all);
        return code;
    }
    *ret_tokens = tokens;
    return 0;
}

int tokens_write(int folder, const char *path, struct tokens *tokens, struct gr_err *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (file == NULL) {
        return gr_fail_errno(err, "write %s/tokens", path);
    }
    fputs("# Tokens of the HTTP API: hash, uid, role, since, name. The texts are kept nowhere.\n",
          file);
    for (size_t i = 0; i < tokens->count; i++) {
        const struct token *token = &tokens->all[i];
        char hash[2 * GR_HASH_SIZE + 1];
        gr_hash_text(token->hash, hash);
        fprintf(file, "%s %lu %s %s %s\n", hash, (unsigned long)token->uid,
                token->is_operator ? "operator" : "user", token->since, token->name);
    }
    int code = fclose(file) != 0 ? gr_fail_errno(err, "write %s/tokens", path)
                                 : secret_write(folder, path, "tokens", text, size, err);
    free(text);
    if (code == 0 && fstatat(folder, "tokens", &tokens->file, AT_SYMLINK_NOFOLLOW) < 0) {
        tokens->file = (struct stat){.st_ino = 0};
    }
    return code;
}

bool tokens_changed(int folder, const struct tokens *tokens)
{
    struct stat info = {.st_ino = 0};
    if (fstatat(folder, "tokens", &info, AT_SYMLINK_NOFOLLOW) < 0) {
        info = (struct stat){.st_ino = 0};
    }
    const struct stat *known = &tokens->file;
    return info.st_ino != known->st_ino || info.st_size != known->st_size ||
           info.st_mtim.tv_sec != known->st_mtim.tv_sec ||
           info.st_mtim.tv_nsec != known->st_mtim.tv_nsec;
}

static int random_fill(uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t got = getrandom(bytes, size, 0);
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        if (got > 0) {
            bytes += got;
            size -= (size_t)got;
        }
    }
    return 0;
}

// Six bits a letter, of letters that need no escape anywhere.
static void text_make(const uint8_t random[RANDOM_SIZE], char ret_text[64])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t used = sizeof(PREFIX) - 1;
    memset(ret_text, 0, 64);
    memcpy(ret_text, PREFIX, used);
    unsigned bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < RANDOM_SIZE; i++) {
        bits = (bits << 8 | random[i]) & 0xffff;
        for (have += 8; have >= 6; have -= 6) {
            ret_text[used++] = letters[bits >> (have - 6) & 63];
        }
    }
    ret_text[used] = letters[bits << (6 - have) & 63];
}

static void text_hash(struct gr_slice text, uint8_t ret_hash[GR_HASH_SIZE])
{
    struct gr_hash hash;
    gr_hash_init(&hash);
    gr_hash_add(&hash, text.text, text.size);
    gr_hash_end(&hash, ret_hash);
}

int tokens_make(struct tokens *tokens, uid_t uid, bool is_operator, const char *name,
                char ret_text[64], struct gr_err *err)
{
    uint8_t random[RANDOM_SIZE];
    struct token token = {.uid = uid, .is_operator = is_operator};
    if (tokens->count == TOKENS_MAX) {
        return gr_fail(err, -ENOSPC, "there are %d tokens already; remove one first", TOKENS_MAX);
    }
    if (name[0] == '#' || !text_keep(gr_slice_of(name), token.name, sizeof(token.name))) {
        return gr_fail(err, -EINVAL, "a token's name has 1 to %d bytes and no control characters",
                       TOKEN_NAME_SIZE - 1);
    }
    if (random_fill(random, sizeof(random)) < 0) {
        return gr_fail_errno(err, "make a token: no random numbers");
    }
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(token.since, sizeof(token.since), "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (tokens->all == NULL) {
        tokens->all = calloc(TOKENS_MAX, sizeof(*tokens->all));
        if (tokens->all == NULL) {
            return gr_fail(err, -ENOMEM, "make a token: no memory");
        }
    }
    text_make(random, ret_text);
    text_hash(gr_slice_of(ret_text), token.hash);
    explicit_bzero(random, sizeof(random));
    tokens->all[tokens->count++] = token;
    return 0;
}

const struct token *tokens_find(const struct tokens *tokens, struct gr_slice text)
{
    uint8_t hash[GR_HASH_SIZE];
    const struct token *found = NULL;
    text_hash(text, hash);
    for (size_t i = 0; i < tokens->count; i++) {
        const volatile uint8_t *known = tokens->all[i].hash;
        unsigned differs = 0;
        for (size_t k = 0; k < GR_HASH_SIZE; k++) {
            differs |= (unsigned)(known[k] ^ hash[k]);
        }
        found = differs == 0 ? &tokens->all[i] : found;
    }
    return found;
}
