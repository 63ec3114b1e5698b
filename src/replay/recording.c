// Recordings as files: see recording.h.
#include "replay/recording.h"

#include "base/number.h"
#include "base/slice.h"
#include "base/words.h"
#include "core/save.h"
#include "place/policy.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC_SIZE (sizeof GR_RECORDING_MAGIC - 1)

static const char *const orders[] = {
    [GR_ORDER_FIFO] = "fifo", [GR_ORDER_BACKFILL] = "backfill", [GR_ORDER_FAIR] = "fair"};
#define ORDERS (sizeof orders / sizeof orders[0])

// The limits by name.
static const struct {
    const char *name;
    size_t at; // in struct gr_core_limits
} limits[] = {
#define LIMIT(name, field)                                                                         \
    {                                                                                              \
        name, offsetof(struct gr_core_limits, field)                                               \
    }
    LIMIT("nodes", place.nodes),
    LIMIT("masks", place.masks),
    LIMIT("slots", place.slots),
    LIMIT("domains-1", place.domains[0]),
    LIMIT("domains-2", place.domains[1]),
    LIMIT("domains-3", place.domains[2]),
    LIMIT("domains-4", place.domains[3]),
    LIMIT("jobs", jobs),
    LIMIT("pieces", pieces),
    LIMIT("organisations", orgs),
    LIMIT("sites", sites),
    LIMIT("variants", variants),
    LIMIT("users", users),
    LIMIT("arrays", arrays),
    LIMIT("edges", edges),
    LIMIT("keys", keys),
    LIMIT("keys-per-organisation", keys_per_org),
    LIMIT("queues", queues),
    LIMIT("needs", needs),
    LIMIT("quotas", quotas),
#undef LIMIT
};
#define LIMITS (sizeof limits / sizeof limits[0])

static uint32_t *limit_at(struct gr_core_limits *of, size_t i)
{
    return (uint32_t *)(void *)((char *)of + limits[i].at);
}

// ---- writing ------------------------------------------------------------------------------------

// A stream and the hash of what was written to it.
struct output {
    FILE *file;
    struct gr_hash hash;
};

static void put(struct output *output, const void *bytes, size_t size)
{
    gr_hash_add(&output->hash, bytes, size);
    if (size > 0) {
        (void)fwrite(bytes, 1, size, output->file); // errors stay on the stream
    }
}

static void put_line(struct output *output, const char *key, const char *value)
{
    char line[256];
    int size = snprintf(line, sizeof line, "%s %s\n", key, value);
    assert(size > 0 && (size_t)size < sizeof line);
    put(output, line, (size_t)size);
}

static void put_number(struct output *output, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    put_line(output, key, text);
}

int gr_recording_write(const struct gr_recording *recording, FILE *file)
{
    struct output output = {.file = file};
    struct gr_core_limits all = recording->config.limits;
    char text[2 * GR_HASH_SIZE + 1];
    uint8_t digest[GR_HASH_SIZE];
    gr_hash_init(&output.hash);
    put(&output, GR_RECORDING_MAGIC, MAGIC_SIZE);
    put_line(&output, "policy", recording->config.policy);
    put_line(&output, "queue", orders[recording->config.order]);
    put_number(&output, "seed", recording->config.seed);
    put_number(&output, "learn-mix", recording->config.learn_mix);
    put_number(&output, "first", recording->first);
    put_number(&output, "last", recording->last);
    gr_hash_text(recording->digest, text);
    put_line(&output, "digest", text);
    put_number(&output, "state", recording->state_size);
    put_number(&output, "facts", recording->facts_size);
    for (size_t i = 0; i < LIMITS; i++) {
        char key[64];
        snprintf(key, sizeof key, "limit %s", limits[i].name);
        put_number(&output, key, *limit_at(&all, i));
    }
    put(&output, "\n", 1);
    put(&output, recording->state, recording->state_size);
    put(&output, recording->facts, recording->facts_size);
    gr_hash_end(&output.hash, digest);
    (void)fwrite(digest, 1, sizeof digest, file);
    errno = 0;
    return fflush(file) == 0 && ferror(file) == 0 ? 0 : -(errno != 0 ? errno : EIO);
}

// ---- reading ------------------------------------------------------------------------------------

static int wrong(const char *name, struct gr_err *err, const char *what)
{
    return gr_fail(err, -EINVAL, "%s: %s", name, what);
}

static int read_digest(struct gr_slice value, uint8_t ret_digest[GR_HASH_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    if (value.size != (size_t)2 * GR_HASH_SIZE) {
        return -EINVAL;
    }
    for (size_t i = 0; i < value.size; i++) {
        const char *digit = memchr(digits, value.text[i], 16);
        if (digit == NULL) {
            return -EINVAL;
        }
        unsigned nibble = (unsigned)(digit - digits);
        ret_digest[i / 2] =
            (uint8_t)(i % 2 == 0 ? nibble << 4 : (unsigned)ret_digest[i / 2] | nibble);
    }
    return 0;
}

static int read_u64(struct gr_slice value, uint64_t most, uint64_t *ret_value)
{
    int64_t number = 0;
    int code = gr_number_read_int(value, 0, most > INT64_MAX ? INT64_MAX : (int64_t)most, &number);
    *ret_value = code == 0 ? (uint64_t)number : *ret_value;
    return code;
}

static int read_size(struct gr_slice value, size_t *ret_size)
{
    uint64_t size = 0;
    int code = read_u64(value, GR_RECORDING_BYTES_MAX, &size);
    *ret_size = (size_t)size;
    return code;
}

static int read_limit(struct gr_slice key, struct gr_slice value, struct gr_core_limits *of)
{
    struct gr_slice name = {key.text + 6, key.size - 6}; // after "limit "
    for (size_t i = 0; i < LIMITS; i++) {
        uint64_t number = 0;
        if (gr_slice_is(name, limits[i].name)) {
            int code = read_u64(value, UINT32_MAX, &number);
            *limit_at(of, i) = (uint32_t)number;
            return code;
        }
    }
    return -EINVAL;
}

static int read_order(struct gr_slice value, enum gr_order *ret_order)
{
    for (size_t i = 0; i < ORDERS; i++) {
        if (gr_slice_is(value, orders[i])) {
            *ret_order = (enum gr_order)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int read_policy(struct gr_slice value, const char **ret_policy)
{
    for (size_t i = 0; gr_policies[i] != NULL; i++) {
        if (gr_slice_is(value, gr_policies[i]->name)) {
            *ret_policy = gr_policies[i]->name;
            return 0;
        }
    }
    return -EINVAL;
}

// Bits of what must be there.
enum { POLICY = 1, QUEUE = 2, FIRST = 4, LAST = 8, DIGEST = 16, STATE = 32, FACTS = 64, ALL = 127 };

static int read_key(struct gr_slice key, struct gr_slice value, struct gr_recording *recording,
                    unsigned *seen)
{
    uint64_t number = 0;
    if (key.size > 6 && memcmp(key.text, "limit ", 6) == 0) {
        return read_limit(key, value, &recording->config.limits);
    }
    if (gr_slice_is(key, "policy")) {
        *seen |= POLICY;
        return read_policy(value, &recording->config.policy);
    }
    if (gr_slice_is(key, "queue")) {
        *seen |= QUEUE;
        return read_order(value, &recording->config.order);
    }
    if (gr_slice_is(key, "seed")) {
        return read_u64(value, UINT64_MAX, &recording->config.seed);
    }
    if (gr_slice_is(key, "learn-mix")) {
        int code = read_u64(value, 1, &number);
        recording->config.learn_mix = number == 1;
        return code;
    }
    if (gr_slice_is(key, "first")) {
        *seen |= FIRST;
        return read_u64(value, UINT64_MAX, &recording->first);
    }
    if (gr_slice_is(key, "last")) {
        *seen |= LAST;
        return read_u64(value, UINT64_MAX, &recording->last);
    }
    if (gr_slice_is(key, "digest")) {
        *seen |= DIGEST;
        return read_digest(value, recording->digest);
    }
    if (gr_slice_is(key, "state")) {
        *seen |= STATE;
        return read_size(value, &recording->state_size);
    }
    if (gr_slice_is(key, "facts")) {
        *seen |= FACTS;
        return read_size(value, &recording->facts_size);
    }
    return -EINVAL;
}

// Reads the lines up to the blank one. *ret_at: what follows it.
static int read_head(const char *name, const uint8_t *bytes, size_t size,
                     struct gr_recording *recording, size_t *ret_at, struct gr_err *err)
{
    unsigned seen = 0;
    for (size_t at = MAGIC_SIZE;;) {
        const uint8_t *end = memchr(bytes + at, '\n', size - at);
        if (end == NULL) {
            return wrong(name, err, "the recording is cut off");
        }
        struct gr_slice line = {(const char *)bytes + at, (size_t)(end - bytes) - at};
        at = (size_t)(end - bytes) + 1;
        if (line.size == 0) {
            *ret_at = at;
            return seen == ALL ? 0 : wrong(name, err, "the recording's head lacks a line");
        }
        size_t split = line.size; // the last blank
        while (split > 0 && line.text[split - 1] != ' ') {
            split--;
        }
        struct gr_slice key = {line.text, split > 0 ? split - 1 : 0};
        struct gr_slice value = {line.text + split, line.size - split};
        if (read_key(key, value, recording, &seen) < 0) {
            char quote[GR_WORDS_QUOTE_SIZE];
            return gr_fail(err, -EINVAL,
                           "%s: the recording says %s, which this release does not know", name,
                           gr_words_quote(line, quote));
        }
    }
}

int gr_recording_read_bytes(const char *name, const uint8_t *bytes, size_t size,
                            struct gr_recording *ret_recording, struct gr_err *err)
{
    struct gr_recording recording = {0};
    struct gr_hash hash;
    uint8_t digest[GR_HASH_SIZE];
    size_t at = 0;
    if (size < MAGIC_SIZE || memcmp(bytes, GR_RECORDING_MAGIC, MAGIC_SIZE) != 0) {
        return wrong(name, err, "is no recording: expected what granary export trace writes");
    }
    int code = read_head(name, bytes, size, &recording, &at, err);
    if (code < 0) {
        return code;
    }
    size_t left = size - at;
    if (left < GR_HASH_SIZE || recording.state_size > left - GR_HASH_SIZE ||
        recording.facts_size != left - GR_HASH_SIZE - recording.state_size) {
        return wrong(name, err, "the recording is cut off, or longer than it says");
    }
    gr_hash_init(&hash);
    gr_hash_add(&hash, bytes, size - GR_HASH_SIZE);
    gr_hash_end(&hash, digest);
    if (memcmp(digest, bytes + size - GR_HASH_SIZE, GR_HASH_SIZE) != 0) {
        return wrong(name, err, "the recording was changed: its hash does not fit");
    }
    if (recording.first == 0 || recording.last < recording.first - 1 ||
        recording.last == UINT64_MAX) {
        return wrong(name, err, "the recording's first and last fact do not fit together");
    }
    recording.state = recording.state_size > 0 ? bytes + at : NULL;
    recording.facts = bytes + at + recording.state_size;
    *ret_recording = recording;
    return 0;
}

// All of a file, bytes of any sort.
static int read_file(const char *path, uint8_t **ret_bytes, size_t *ret_size, struct gr_err *err)
{
    FILE *file = fopen(path, "re");
    size_t size = 0, room = 0;
    uint8_t *bytes = NULL;
    if (file == NULL) {
        return gr_fail_errno(err, "open %s", path);
    }
    for (;;) {
        if (size == room) {
            room = room == 0 ? 1u << 16 : room * 2;
            uint8_t *grown = room > 2 * GR_RECORDING_BYTES_MAX ? NULL : realloc(bytes, room);
            if (grown == NULL) {
                free(bytes);
                fclose(file);
                return gr_fail(err, -ENOMEM, "%s: no memory for the recording", path);
            }
            bytes = grown;
        }
        size_t got = fread(bytes + size, 1, room - size, file);
        size += got;
        if (got == 0) {
            break;
        }
    }
    int code = ferror(file) != 0 ? gr_fail_errno(err, "read %s", path) : 0;
    fclose(file);
    if (code < 0) {
        free(bytes);
        return code;
    }
    *ret_bytes = bytes;
    *ret_size = size;
    return 0;
}

bool gr_recording_is(const char *path)
{
    char magic[MAGIC_SIZE];
    FILE *file = fopen(path, "re");
    bool is = file != NULL && fread(magic, 1, MAGIC_SIZE, file) == MAGIC_SIZE &&
              memcmp(magic, GR_RECORDING_MAGIC, MAGIC_SIZE) == 0;
    if (file != NULL) {
        fclose(file);
    }
    return is;
}

int gr_recording_read(const char *path, struct gr_recording *ret_recording, struct gr_err *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int code = read_file(path, &bytes, &size, err);
    code = code < 0 ? code : gr_recording_read_bytes(path, bytes, size, ret_recording, err);
    if (code < 0) {
        free(bytes);
        return code;
    }
    ret_recording->memory = bytes;
    return 0;
}

void gr_recording_done(struct gr_recording *recording)
{
    free(recording->memory);
    *recording = (struct gr_recording){0};
}

int gr_recording_core(const struct gr_recording *recording, const struct gr_core_config *config,
                      struct gr_core **ret_core, struct gr_err *err)
{
    struct gr_core_config used = config != NULL ? *config : recording->config;
    int code = recording->state == NULL
                   ? gr_core_new(&used, ret_core, err)
                   : gr_core_load(&used, recording->state, recording->state_size, ret_core, err);
    return code == 0 ? 0 : gr_err_prefix(err, "the recording's first state");
}
