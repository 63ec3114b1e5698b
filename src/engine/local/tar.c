// Tar archives: see tar.h. Must never believe a size or a name before it was checked.
#include "engine/local/tar.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 512u
// Most bytes of an extended header.
#define EXTENDED_MAX 65536u
// Most bytes of one file, and entries of an archive: beyond them sums could wrap.
#define FILE_MAX (UINT64_C(1) << 50)
#define ENTRIES_MAX (UINT64_C(1) << 32)
// Most folders above a file.
#define DEPTH_MAX 200u

// A header as it stands in the archive (POSIX.1-1988, "ustar").
struct header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char sum[8];
    char type;
    char link[100];
    char magic[8]; // with the version
    char user[32];
    char group[32];
    char major[8];
    char minor[8];
    char prefix[155];
    char padding[12];
};
static_assert(sizeof(struct header) == BLOCK, "a header is one block");

void gr_tar_init(struct gr_tar *tar, gr_tar_source source, void *context)
{
    memset(tar, 0, sizeof(*tar));
    tar->source = source;
    tar->context = context;
}

// ---- bytes --------------------------------------------------------------------------------------

// Reads exactly `size` bytes. Returns 1, 0 if the source is at its end before the first, -errno.
static int read_all(struct gr_tar *tar, void *bytes, size_t size, struct gr_err *err)
{
    size_t have = 0;
    while (have < size) {
        long got = tar->source(tar->context, (uint8_t *)bytes + have, size - have, err);
        if (got < 0) {
            return (int)got;
        }
        if (got == 0) {
            return have == 0 ? 0 : gr_fail(err, -EINVAL, "the archive is cut off");
        }
        assert((size_t)got <= size - have);
        have += (size_t)got;
    }
    return 1;
}

static int skip(struct gr_tar *tar, uint64_t size, struct gr_err *err)
{
    uint8_t bytes[8192];
    while (size > 0) {
        size_t part = size < sizeof(bytes) ? (size_t)size : sizeof(bytes);
        int code = read_all(tar, bytes, part, err);
        if (code <= 0) {
            return code < 0 ? code : gr_fail(err, -EINVAL, "the archive is cut off");
        }
        size -= part;
    }
    return 0;
}

// A number in octal digits, padded by blanks or NULs, or in GNU's base 256.
static int number(const char *field, size_t size, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t at = 0;
    if (((uint8_t)field[0] & 0x80) != 0) {
        value = (uint8_t)field[0] & 0x7f;
        for (at = 1; at < size; at++) {
            if (value >> 55 != 0) {
                return -EINVAL;
            }
            value = value << 8 | (uint8_t)field[at];
        }
        *ret_value = value;
        return 0;
    }
    while (at < size && field[at] == ' ') {
        at++;
    }
    for (; at < size && field[at] >= '0' && field[at] <= '7'; at++) {
        if (value >> 60 != 0) {
            return -EINVAL;
        }
        value = value << 3 | (uint64_t)(field[at] - '0');
    }
    for (; at < size; at++) {
        if (field[at] != ' ' && field[at] != '\0') {
            return -EINVAL;
        }
    }
    *ret_value = value;
    return 0;
}

static bool sum_is_right(const struct header *header)
{
    const uint8_t *bytes = (const uint8_t *)header;
    uint64_t want;
    uint64_t sum = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        bool is_sum = i >= offsetof(struct header, sum) && i < offsetof(struct header, type);
        sum += is_sum ? ' ' : bytes[i];
    }
    return number(header->sum, sizeof(header->sum), &want) == 0 && want == sum;
}

static bool is_zero(const struct header *header)
{
    const uint8_t *bytes = (const uint8_t *)header;
    for (size_t i = 0; i < BLOCK; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

// ---- names --------------------------------------------------------------------------------------

int gr_tar_name(const char *name, char ret_name[GR_TAR_NAME_SIZE], struct gr_err *err)
{
    size_t used = 0;
    unsigned depth = 0;
    if (name[0] == '/') {
        return gr_fail(err, -EINVAL, "name %.200s is absolute", name);
    }
    for (const char *at = name; *at != '\0';) {
        size_t size = strcspn(at, "/");
        bool is_dot = size == 1 && at[0] == '.';
        if (size == 2 && at[0] == '.' && at[1] == '.') {
            return gr_fail(err, -EINVAL, "name %.200s leads upwards", name);
        }
        if (size > NAME_MAX || used + size + 2 > GR_TAR_NAME_SIZE || depth > DEPTH_MAX) {
            return gr_fail(err, -EINVAL, "name %.60s... is too long", name);
        }
        if (size > 0 && !is_dot) {
            if (used > 0) {
                ret_name[used++] = '/';
            }
            memcpy(ret_name + used, at, size);
            used += size;
            depth++;
        }
        at += size + (at[size] == '/');
    }
    ret_name[used] = '\0';
    return 0;
}

// Copies bytes that may lack a NUL; -EINVAL if there is one inside or they are too many.
static int text_copy(char ret_text[GR_TAR_NAME_SIZE], const char *bytes, size_t size,
                     struct gr_err *err)
{
    if (size >= GR_TAR_NAME_SIZE || memchr(bytes, '\0', size) != NULL) {
        return gr_fail(err, -EINVAL, "a name in an extended header is too long or has a NUL");
    }
    memcpy(ret_text, bytes, size);
    ret_text[size] = '\0';
    return 0;
}

// ---- extended headers ---------------------------------------------------------------------------

// One pax record: KEY=VALUE.
static int record_take(struct gr_tar *tar, const char *key, size_t key_size, const char *value,
                       size_t value_size, struct gr_err *err)
{
    if (key_size == 4 && memcmp(key, "path", 4) == 0) {
        return text_copy(tar->long_name, value, value_size, err);
    }
    if (key_size == 8 && memcmp(key, "linkpath", 8) == 0) {
        return text_copy(tar->long_link, value, value_size, err);
    }
    if (key_size >= 10 && memcmp(key, "GNU.sparse", 10) == 0) {
        return gr_fail(err, -EINVAL, "sparse files are not taken");
    }
    if (key_size != 4 || memcmp(key, "size", 4) != 0) {
        return 0; // times, owners, attributes: not used
    }
    uint64_t size = 0;
    for (size_t i = 0; i < value_size; i++) {
        if (value[i] < '0' || value[i] > '9' || size > FILE_MAX) {
            return gr_fail(err, -EINVAL, "the size in an extended header is no number");
        }
        size = size * 10 + (uint64_t)(value[i] - '0');
    }
    tar->has_size = value_size > 0;
    tar->size = size;
    return 0;
}

// Records "LENGTH KEY=VALUE\n", one after the other.
static int records_take(struct gr_tar *tar, const char *bytes, size_t size, struct gr_err *err)
{
    for (size_t at = 0; at < size;) {
        size_t length = 0;
        size_t key = at;
        for (; key < size && bytes[key] >= '0' && bytes[key] <= '9' && length <= size; key++) {
            length = length * 10 + (size_t)(bytes[key] - '0');
        }
        if (key == at || key >= size || bytes[key] != ' ' || length > size - at ||
            length < key - at + 3 || bytes[at + length - 1] != '\n') {
            return gr_fail(err, -EINVAL, "an extended header is not well formed");
        }
        key++;
        size_t end = at + length - 1;
        const char *equals = memchr(bytes + key, '=', end - key);
        if (equals == NULL) {
            return gr_fail(err, -EINVAL, "an extended header is not well formed");
        }
        size_t value = (size_t)(equals - bytes) + 1;
        int code = record_take(tar, bytes + key, value - 1 - key, bytes + value, end - value, err);
        if (code < 0) {
            return code;
        }
        at += length;
    }
    return 0;
}

// Reads the content of an extended header of type x, g, L or K.
static int extended_take(struct gr_tar *tar, char type, uint64_t size, struct gr_err *err)
{
    char bytes[EXTENDED_MAX];
    if (size > EXTENDED_MAX) {
        return gr_fail(err, -EINVAL, "an extended header has %llu bytes, more than %u",
                       (unsigned long long)size, EXTENDED_MAX);
    }
    int code = size == 0 ? 1 : read_all(tar, bytes, (size_t)size, err);
    if (code <= 0) {
        return code < 0 ? code : gr_fail(err, -EINVAL, "the archive is cut off");
    }
    code = skip(tar, (BLOCK - size % BLOCK) % BLOCK, err);
    if (code < 0 || type == 'g') {
        return code; // what holds for all entries is nothing that we use
    }
    if (type == 'x') {
        return records_take(tar, bytes, (size_t)size, err);
    }
    size_t length = strnlen(bytes, (size_t)size);
    return text_copy(type == 'L' ? tar->long_name : tar->long_link, bytes, length, err);
}

// ---- entries ------------------------------------------------------------------------------------

static int names_take(struct gr_tar *tar, const struct header *header, struct gr_tar_entry *entry,
                      struct gr_err *err)
{
    char name[sizeof(header->prefix) + sizeof(header->name) + 2];
    char link[sizeof(header->link) + 1];
    bool has_prefix = memcmp(header->magic, "ustar\0", 6) == 0 && header->prefix[0] != '\0';
    snprintf(name, sizeof(name), "%.*s%s%.*s", has_prefix ? (int)sizeof(header->prefix) : 0,
             header->prefix, has_prefix ? "/" : "", (int)sizeof(header->name), header->name);
    snprintf(link, sizeof(link), "%.*s", (int)sizeof(header->link), header->link);
    int code = gr_tar_name(tar->long_name[0] != '\0' ? tar->long_name : name, entry->name, err);
    const char *target = tar->long_link[0] != '\0' ? tar->long_link : link;
    if (code == 0 && entry->type == GR_TAR_HARDLINK) {
        code = gr_tar_name(target, entry->link, err);
    } else if (code == 0) {
        snprintf(entry->link, sizeof(entry->link), "%s", target);
    }
    if (code == 0 && entry->type == GR_TAR_SYMLINK && entry->link[0] == '\0') {
        code = gr_fail(err, -EINVAL, "link %.200s leads nowhere", entry->name);
    }
    return code;
}

static enum gr_tar_type type_of(char type)
{
    switch (type) {
    case '\0':
    case '0':
    case '7':
        return GR_TAR_FILE;
    case '1':
        return GR_TAR_HARDLINK;
    case '2':
        return GR_TAR_SYMLINK;
    case '3':
    case '4':
        return GR_TAR_DEVICE;
    case '5':
        return GR_TAR_DIRECTORY;
    case '6':
        return GR_TAR_FIFO;
    default:
        return 0;
    }
}

static int entry_take(struct gr_tar *tar, const struct header *header, uint64_t size,
                      struct gr_tar_entry *entry, struct gr_err *err)
{
    uint64_t mode;
    entry->type = type_of(header->type);
    if (entry->type == 0) {
        return gr_fail(err, -EINVAL, "entry of type '%c' (%#x): not taken",
                       header->type >= ' ' && header->type <= '~' ? header->type : '?',
                       (unsigned)(uint8_t)header->type);
    }
    if (number(header->mode, sizeof(header->mode), &mode) < 0) {
        return gr_fail(err, -EINVAL, "the mode of an entry is no number");
    }
    int code = names_take(tar, header, entry, err);
    if (code < 0) {
        return code;
    }
    if (entry->type != GR_TAR_FILE && entry->name[0] == '\0' && entry->type != GR_TAR_DIRECTORY) {
        return gr_fail(err, -EINVAL, "an entry has no name");
    }
    if (entry->type == GR_TAR_FILE && entry->name[0] == '\0') {
        return gr_fail(err, -EINVAL, "a file has no name");
    }
    size = tar->has_size ? tar->size : size;
    // Some writers put a size where there is no content.
    size = entry->type == GR_TAR_FILE ? size : 0;
    if (size > FILE_MAX || ++tar->entries > ENTRIES_MAX) {
        return gr_fail(err, -EINVAL, "file %.200s is too large", entry->name);
    }
    entry->mode = (uint32_t)(mode & 07777);
    entry->size = size;
    tar->left = size;
    tar->padding = (BLOCK - size % BLOCK) % BLOCK;
    tar->long_name[0] = tar->long_link[0] = '\0';
    tar->has_size = false;
    return 1;
}

// After the two blocks of zeros: reads to the end of the source, whatever comes.
static int rest_pass(struct gr_tar *tar, struct gr_err *err)
{
    uint8_t bytes[8192];
    long got;
    do {
        got = tar->source(tar->context, bytes, sizeof(bytes), err);
    } while (got > 0);
    tar->is_over = got == 0;
    return (int)got;
}

int gr_tar_next(struct gr_tar *tar, struct gr_tar_entry *ret_entry, struct gr_err *err)
{
    assert(tar->source != NULL);
    int code = tar->is_over ? 0 : skip(tar, tar->left + tar->padding, err);
    tar->left = tar->padding = 0;
    while (code == 0 && !tar->is_over) {
        struct header header;
        uint64_t size;
        code = read_all(tar, &header, sizeof(header), err);
        if (code <= 0) {
            return code < 0 ? code : gr_fail(err, -EINVAL, "the archive has no end");
        }
        if (is_zero(&header)) {
            return rest_pass(tar, err);
        }
        if (!sum_is_right(&header)) {
            return gr_fail(err, -EINVAL, "a header of the archive has a wrong sum");
        }
        if (number(header.size, sizeof(header.size), &size) < 0) {
            return gr_fail(err, -EINVAL, "the size of an entry is no number");
        }
        if (strchr("xgLK", header.type) == NULL || header.type == '\0') {
            return entry_take(tar, &header, size, ret_entry, err);
        }
        code = extended_take(tar, header.type, size, err);
    }
    return code;
}

long gr_tar_read(struct gr_tar *tar, uint8_t *bytes, size_t size, struct gr_err *err)
{
    if (tar->left == 0) {
        return 0;
    }
    size = size < tar->left ? size : (size_t)tar->left;
    long got = tar->source(tar->context, bytes, size, err);
    if (got == 0) {
        return gr_fail(err, -EINVAL, "the archive is cut off");
    }
    if (got > 0) {
        tar->left -= (uint64_t)got;
    }
    return got;
}
