// A job's spec as bytes: see spec_bytes.h. Form 1, little-endian:
//
//     0    u32 version, u32 bytes of the whole
//     8    u32 uid, gid, umask, tasks, devices, milli, cpu, memory, priority, use, attempts,
//          requeue on, stop signal, notice signal, array first, count, step, parallel
//     80   i64 limit, notice, grace
//     104  u32 arguments, variables, secrets, jobs waited for: how many
//     120  each job waited for: u64 job, u32 how, u32 zero
//     then texts, each with its NUL: name, directory, image, output, error, kind, domain; the
//          arguments; the variables; the secrets
//
// Form 2 is form 1 with the class behind the domain. It is written only for a spec that has one, so
// that whoever knows form 1 alone reads all others.
//
// One table lists the fields for both directions, so that what is written is what is read. Bytes
// come from outside too: nothing is believed before it was checked.
#include "model/spec_bytes.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

enum { WORDS_AT = 8, WORDS = 18, TIMES = 3, TEXTS = 8, LISTS = 3, AFTER_SIZE = 16 };
enum { TIMES_AT = WORDS_AT + 4 * WORDS };
enum { COUNTS_AT = TIMES_AT + 8 * TIMES };
enum { HEADER_SIZE = COUNTS_AT + 4 * (LISTS + 1) };

#define AT(field) offsetof(struct gr_spec, field)

static const size_t words[WORDS] = {
    AT(uid),         AT(gid),        AT(umask),          AT(tasks),         AT(devices),
    AT(milli),       AT(cpu_milli),  AT(memory_mib),     AT(priority),      AT(use),
    AT(attempts),    AT(requeue_on), AT(stop_signal),    AT(notice_signal), AT(array_first),
    AT(array_count), AT(array_step), AT(array_parallel),
};
static const size_t times[TIMES] = {AT(limit_ms), AT(notice_ms), AT(grace_ms)};
static const size_t texts[TEXTS] = {AT(name),  AT(directory), AT(image),  AT(output),
                                    AT(error), AT(kind),      AT(domain), AT(class)};
static const struct {
    size_t at;
    uint32_t most;
    const char *wrong;
} lists[LISTS] = {
    {AT(argv), GR_SPEC_ARGS_MAX, "more arguments than 4096"},
    {AT(env), GR_SPEC_ENV_MAX, "more variables than 4096"},
    {AT(secrets), GR_SPEC_SECRETS_MAX, "more secrets than 64"},
};

// How many of the texts a form has.
static unsigned texts_of(uint32_t version)
{
    return version == 1 ? TEXTS - 1 : TEXTS;
}

static uint32_t version_of(const struct gr_spec *spec)
{
    return spec->class[0] == '\0' ? 1 : GR_SPEC_BYTES_VERSION;
}

// The field of a spec that lies at this offset.
static void *field_of(struct gr_spec *spec, size_t at)
{
    return (char *)spec + at;
}

static const void *field_in(const struct gr_spec *spec, size_t at)
{
    return (const char *)spec + at;
}

static const char *text_in(const struct gr_spec *spec, size_t at)
{
    return *(const char *const *)field_in(spec, at);
}

static void put_u32(uint8_t *bytes, uint32_t value)
{
    uint32_t little = htole32(value);
    memcpy(bytes, &little, sizeof little);
}

static void put_u64(uint8_t *bytes, uint64_t value)
{
    uint64_t little = htole64(value);
    memcpy(bytes, &little, sizeof little);
}

static uint32_t get_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static uint64_t get_u64(const uint8_t *bytes)
{
    return get_u32(bytes) | (uint64_t)get_u32(bytes + 4) << 32;
}

size_t gr_spec_size(const struct gr_spec *spec)
{
    size_t size = HEADER_SIZE + (size_t)spec->after_count * AFTER_SIZE;
    for (unsigned i = 0; i < texts_of(version_of(spec)); i++) {
        size += strlen(text_in(spec, texts[i])) + 1;
    }
    for (unsigned i = 0; i < LISTS; i++) {
        const struct gr_spec_texts *list = field_in(spec, lists[i].at);
        for (uint32_t j = 0; j < list->count; j++) {
            size += strlen(list->items[j]) + 1;
        }
    }
    return size;
}

// ---- writing ------------------------------------------------------------------------------------

// Copies a text with its NUL. Returns where the next one goes, NULL if there is no room (or `to`
// was NULL already).
static uint8_t *put_text(uint8_t *to, const uint8_t *end, const char *text)
{
    if (to == NULL || to == end) {
        return NULL;
    }
    if (text[0] == '\0') { // as many are
        *to = 0;
        return to + 1;
    }
    size_t size = strlen(text) + 1;
    if (size > (size_t)(end - to)) {
        return NULL;
    }
    memcpy(to, text, size);
    return to + size;
}

static void put_header(const struct gr_spec *spec, uint8_t *bytes)
{
    put_u32(bytes, version_of(spec));
    for (unsigned i = 0; i < WORDS; i++) {
        put_u32(bytes + WORDS_AT + 4 * i, *(const uint32_t *)field_in(spec, words[i]));
    }
    for (unsigned i = 0; i < TIMES; i++) {
        put_u64(bytes + TIMES_AT + 8 * i, (uint64_t) * (const int64_t *)field_in(spec, times[i]));
    }
    for (unsigned i = 0; i < LISTS; i++) {
        const struct gr_spec_texts *list = field_in(spec, lists[i].at);
        assert(list->count <= lists[i].most);
        put_u32(bytes + COUNTS_AT + 4 * i, list->count);
    }
    put_u32(bytes + COUNTS_AT + 4 * LISTS, spec->after_count);
}

long gr_spec_encode(const struct gr_spec *spec, uint8_t *bytes, size_t size)
{
    assert(spec != NULL && bytes != NULL);
    assert(spec->after_count <= GR_SPEC_AFTER_MAX);
    size = size > GR_SPEC_BYTES_MAX ? GR_SPEC_BYTES_MAX : size;
    size_t at = HEADER_SIZE + (size_t)spec->after_count * AFTER_SIZE;
    if (size < at) {
        return -ENOSPC;
    }
    put_header(spec, bytes);
    for (uint32_t i = 0; i < spec->after_count; i++) {
        uint8_t *after = bytes + HEADER_SIZE + (size_t)i * AFTER_SIZE;
        put_u64(after, spec->after[i].job);
        put_u32(after + 8, spec->after[i].how);
        put_u32(after + 12, 0);
    }
    uint8_t *to = bytes + at;
    const uint8_t *end = bytes + size;
    for (unsigned i = 0; i < texts_of(version_of(spec)); i++) {
        to = put_text(to, end, text_in(spec, texts[i]));
    }
    for (unsigned i = 0; i < LISTS; i++) {
        const struct gr_spec_texts *list = field_in(spec, lists[i].at);
        for (uint32_t j = 0; j < list->count && to != NULL; j++) {
            to = put_text(to, end, list->items[j]);
        }
    }
    if (to == NULL) {
        return -ENOSPC;
    }
    put_u32(bytes + 4, (uint32_t)(to - bytes));
    return to - bytes;
}

// ---- reading ------------------------------------------------------------------------------------

// What is read, and where reading stands.
struct cursor {
    const char *bytes;
    size_t at, size;
    const char *wrong; // NULL, or what stopped it
};

// The next text; its NUL exists because the last byte of all is one. "" once all bytes are used up.
static const char *get_text(struct cursor *cursor)
{
    if (cursor->at >= cursor->size) {
        cursor->wrong = "the texts end too early";
        return "";
    }
    const char *text = cursor->bytes + cursor->at;
    cursor->at += strlen(text) + 1;
    return text;
}

static void get_lists(struct cursor *cursor, const uint8_t *bytes, struct gr_spec_room *room,
                      struct gr_spec *spec)
{
    const char **to = room->texts;
    for (unsigned i = 0; i < LISTS && cursor->wrong == NULL; i++) {
        struct gr_spec_texts *list = field_of(spec, lists[i].at);
        *list = (struct gr_spec_texts){to, get_u32(bytes + COUNTS_AT + 4 * i)};
        if (list->count > lists[i].most) {
            cursor->wrong = lists[i].wrong;
            return;
        }
        for (uint32_t j = 0; j < list->count && cursor->wrong == NULL; j++) {
            *to++ = get_text(cursor);
        }
    }
}

static void get_after(struct cursor *cursor, const uint8_t *bytes, struct gr_spec_room *room,
                      struct gr_spec *spec)
{
    uint32_t count = get_u32(bytes + COUNTS_AT + 4 * LISTS);
    if (count > GR_SPEC_AFTER_MAX) {
        cursor->wrong = "more jobs to wait for than 256";
        return;
    }
    if ((cursor->size - cursor->at) / AFTER_SIZE < count) {
        cursor->wrong = "the jobs to wait for end too early";
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *after = bytes + cursor->at;
        room->after[i] = (struct gr_spec_after){
            .job = get_u64(after), .how = get_u32(after + 8), .reserved = get_u32(after + 12)};
        cursor->at += AFTER_SIZE;
    }
    spec->after = room->after;
    spec->after_count = count;
}

// The header's numbers, of which at least HEADER_SIZE bytes exist.
static void get_header(const uint8_t *bytes, struct gr_spec *spec)
{
    for (unsigned i = 0; i < WORDS; i++) {
        *(uint32_t *)field_of(spec, words[i]) = get_u32(bytes + WORDS_AT + 4 * i);
    }
    for (unsigned i = 0; i < TIMES; i++) {
        *(int64_t *)field_of(spec, times[i]) = (int64_t)get_u64(bytes + TIMES_AT + 8 * i);
    }
}

// What can be told before anything is read, or NULL.
static const char *frame_wrong(const uint8_t *bytes, size_t size)
{
    if (size < HEADER_SIZE) {
        return "the spec ends too early";
    }
    if (get_u32(bytes) < 1 || get_u32(bytes) > GR_SPEC_BYTES_VERSION) {
        return "the version of the spec is not known";
    }
    if (size > GR_SPEC_BYTES_MAX) {
        return "the spec is larger than 1 MiB";
    }
    if (get_u32(bytes + 4) != size) {
        return "the spec says that it has another size";
    }
    return bytes[size - 1] == '\0' ? NULL : "the last text has no end";
}

int gr_spec_decode(const uint8_t *bytes, size_t size, struct gr_spec_room *room,
                   struct gr_spec *ret_spec, struct gr_err *err)
{
    assert(bytes != NULL || size == 0);
    assert(room != NULL && ret_spec != NULL);
    struct gr_spec spec = {.name = "", .class = ""};
    struct cursor cursor = {.bytes = (const char *)bytes, .size = size};
    cursor.wrong = frame_wrong(bytes, size);
    if (cursor.wrong == NULL) {
        cursor.at = HEADER_SIZE;
        get_header(bytes, &spec);
        get_after(&cursor, bytes, room, &spec);
    }
    unsigned text_count = cursor.wrong == NULL ? texts_of(get_u32(bytes)) : 0;
    for (unsigned i = 0; i < text_count && cursor.wrong == NULL; i++) {
        *(const char **)field_of(&spec, texts[i]) = get_text(&cursor);
    }
    if (cursor.wrong == NULL) {
        get_lists(&cursor, bytes, room, &spec);
    }
    if (cursor.wrong == NULL && get_u32(bytes) > 1 && spec.class[0] == '\0') {
        cursor.wrong = "form 2 without a class"; // one spec, one form: its hash depends on it
    }
    if (cursor.wrong == NULL && cursor.at != size) {
        cursor.wrong = "the spec has bytes left over";
    }
    if (cursor.wrong != NULL) {
        return gr_fail(err, -EINVAL, "byte %zu: %s", cursor.at, cursor.wrong);
    }
    const char *why;
    const char *field = gr_spec_wrong(&spec, &why);
    if (field != NULL) {
        return gr_fail(err, -EINVAL, "byte 0: a spec whose %s %s", field, why);
    }
    *ret_spec = spec;
    return 0;
}
