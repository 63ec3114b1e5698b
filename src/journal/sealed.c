// Reading sealed parts: see sealed.h. A part comes from anywhere: nothing in it is believed before
// its hash is.
#include "journal/sealed.h"

#include "journal/chain.h"
#include "journal/disk.h"
#include "journal/sealed_form.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPLACE "put a good copy of it in its place (docs/operate/backup.md)"

struct gr_sealed {
    int fd;
    struct gr_sealed_name name;
    struct gr_journal_tip before;
    uint64_t count;
    uint64_t index_at; // offset of the index
    char path[GR_DISK_PATH_SIZE];
};

// --- names

void gr_sealed_name(uint64_t first, uint64_t last, char ret_name[GR_SEALED_NAME_SIZE])
{
    (void)snprintf(ret_name, GR_SEALED_NAME_SIZE, "%020" PRIu64 "-%020" PRIu64 ".sealed", first,
                   last);
}

// Reads a name; false if it is not exactly what gr_sealed_name makes.
static bool parse_name(const char *text, struct gr_sealed_name *ret_name)
{
    struct gr_sealed_name name;
    char again[GR_SEALED_NAME_SIZE];
    if (strlen(text) != GR_SEALED_NAME_SIZE - 1 || text[20] != '-') {
        return false;
    }
    errno = 0;
    name.first = strtoull(text, NULL, 10);
    name.last = strtoull(text + 21, NULL, 10);
    gr_sealed_name(name.first, name.last, again);
    if (errno != 0 || strcmp(text, again) != 0 || name.first < 1 || name.first > name.last ||
        name.last >= INT64_MAX) {
        return false;
    }
    *ret_name = name;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    const struct gr_sealed_name *left = a;
    const struct gr_sealed_name *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

// Reads the folder's names into an array that grows.
static int read_names(DIR *folder, const char *path, struct gr_sealed_name **names, size_t *count,
                      struct gr_err *err)
{
    size_t room = 0;
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(folder)) != NULL) {
        struct gr_sealed_name name;
        if (!parse_name(entry->d_name, &name)) {
            continue;
        }
        if (*count == room) {
            room = room == 0 ? 16 : room * 2;
            struct gr_sealed_name *more = reallocarray(*names, room, sizeof **names);
            if (more == NULL) {
                return gr_fail(err, -ENOMEM, "%s: no memory for its names", path);
            }
            *names = more;
        }
        (*names)[(*count)++] = name;
    }
    return errno != 0 ? gr_fail_errno(err, "read the folder %s", path) : 0;
}

int gr_sealed_list(const char *dir, struct gr_sealed_name **ret_names, size_t *ret_count,
                   struct gr_err *err)
{
    char path[GR_DISK_PATH_SIZE];
    int rc = gr_disk_path(dir, GR_SEALED_DIR, path, err);
    if (rc < 0) {
        return rc;
    }
    struct gr_sealed_name *names = NULL;
    size_t count = 0;
    DIR *folder = opendir(path);
    if (folder == NULL && errno != ENOENT) {
        return gr_fail_errno(err, "open the folder %s", path);
    }
    if (folder != NULL) {
        rc = read_names(folder, path, &names, &count, err);
        closedir(folder);
    }
    if (rc < 0) {
        free(names);
        return rc;
    }
    if (count > 0) {
        qsort(names, count, sizeof names[0], compare_names);
    }
    *ret_names = names;
    *ret_count = count;
    return 0;
}

int gr_sealed_room_grow(struct gr_sealed_room *room, size_t size, struct gr_err *err)
{
    if (size <= room->size) {
        return 0;
    }
    size_t wanted = room->size > size / 2 ? 2 * room->size : size; // not a little each time
    free(room->bytes);
    room->bytes = malloc(wanted);
    room->size = room->bytes == NULL ? 0 : wanted;
    return room->bytes == NULL ? gr_fail(err, -ENOMEM, "no memory for a group of %zu bytes", size)
                               : 0;
}

// --- opening

static int damaged(const struct gr_sealed *part, const char *what, struct gr_err *err)
{
    return gr_fail(err, -EBADMSG, "%s: the sealed part is damaged: %s; %s", part->path, what,
                   REPLACE);
}

// A file that ends too early is a damaged part.
static int read_at(const struct gr_sealed *part, void *bytes, size_t size, uint64_t offset,
                   struct gr_err *err)
{
    int rc = gr_disk_read(part->fd, bytes, size, offset, part->path, err);
    return rc == -ENODATA ? damaged(part, "it is too short", err) : rc;
}

static int read_header(struct gr_sealed *part, struct gr_err *err)
{
    uint8_t header[SEALED_HEADER];
    uint8_t check[GR_HASH_SIZE];
    struct stat st;
    if (fstat(part->fd, &st) < 0) {
        return gr_fail_errno(err, "%s", part->path);
    }
    int rc = read_at(part, header, sizeof header, 0, err);
    if (rc < 0) {
        return rc;
    }
    sealed_hash(header, 96, check);
    if (memcmp(header, sealed_magic, sizeof sealed_magic) != 0 ||
        memcmp(header + 96, check, GR_HASH_SIZE) != 0) {
        return damaged(part, "its header", err);
    }
    if (gr_disk_get32(header + 8) != SEALED_FORMAT) {
        return gr_fail(err, -EPROTO, "%s: its format is %u and this build knows %d", part->path,
                       gr_disk_get32(header + 8), SEALED_FORMAT);
    }
    part->before.epoch = gr_disk_get32(header + 12);
    part->before.sequence = part->name.first - 1;
    part->count = gr_disk_get64(header + 32);
    part->index_at = gr_disk_get64(header + 40);
    memcpy(part->before.hash, header + 48, GR_HASH_SIZE);
    uint64_t size = (uint64_t)st.st_size;
    if (gr_disk_get64(header + 16) != part->name.first ||
        gr_disk_get64(header + 24) != part->name.last || part->count == 0 ||
        part->count > size / SEALED_GROUP || part->index_at > size ||
        size - part->index_at != part->count * SEALED_ENTRY + GR_HASH_SIZE) {
        return damaged(part, "its name or size does not match its header", err);
    }
    return 0;
}

int gr_sealed_open(const char *dir, const struct gr_sealed_name *name, struct gr_sealed **ret_part,
                   struct gr_err *err)
{
    char text[sizeof GR_SEALED_DIR + GR_SEALED_NAME_SIZE];
    struct gr_sealed *part = calloc(1, sizeof *part);
    if (part == NULL) {
        return gr_fail(err, -ENOMEM, "%s: no memory to open a sealed part", dir);
    }
    part->name = *name;
    memcpy(text, GR_SEALED_DIR "/", sizeof GR_SEALED_DIR);
    gr_sealed_name(name->first, name->last, text + sizeof GR_SEALED_DIR);
    int rc = gr_disk_path(dir, text, part->path, err);
    if (rc == 0) {
        part->fd = gr_disk_open(part->path, O_RDONLY, err);
        rc = part->fd < 0 ? part->fd : read_header(part, err);
        if (rc < 0 && part->fd >= 0) {
            close(part->fd);
        }
    }
    if (rc < 0) {
        free(part);
        return rc;
    }
    *ret_part = part;
    return 0;
}

void gr_sealed_close(struct gr_sealed *part)
{
    if (part != NULL) {
        close(part->fd);
        free(part);
    }
}

struct gr_journal_tip gr_sealed_before(const struct gr_sealed *part)
{
    return part->before;
}

uint64_t gr_sealed_count(const struct gr_sealed *part)
{
    return part->count;
}

// --- groups

// Reads an entry of the index.
static int entry(const struct gr_sealed *part, uint64_t index, uint64_t *ret_last,
                 uint64_t *ret_offset, struct gr_err *err)
{
    assert(index < part->count);
    uint8_t bytes[SEALED_ENTRY];
    int rc = read_at(part, bytes, sizeof bytes, part->index_at + index * SEALED_ENTRY, err);
    if (rc == 0) {
        *ret_last = gr_disk_get64(bytes);
        *ret_offset = gr_disk_get64(bytes + 8);
    }
    return rc;
}

int gr_sealed_find(const struct gr_sealed *part, uint64_t sequence, uint64_t *ret_index,
                   struct gr_err *err)
{
    assert(sequence >= part->name.first && sequence <= part->name.last);
    uint64_t low = 0;
    uint64_t high = part->count - 1; // the answer lies in low..high
    while (low < high) {
        uint64_t last = 0;
        uint64_t offset = 0;
        uint64_t middle = low + (high - low) / 2;
        int rc = entry(part, middle, &last, &offset, err);
        if (rc < 0) {
            return rc;
        }
        if (last < sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_index = low;
    return 0;
}

// Decodes what stands before a group's bytes; false if it cannot be.
static bool decode_group(const struct gr_sealed *part, const uint8_t *bytes, uint64_t offset,
                         struct gr_journal_group *group)
{
    group->first = gr_disk_get64(bytes);
    group->last = gr_disk_get64(bytes + 8);
    group->epoch = gr_disk_get32(bytes + 16);
    uint64_t payload_size = gr_disk_get64(bytes + 24);
    uint64_t aside_size = gr_disk_get64(bytes + 32);
    group->payload_size = (size_t)payload_size;
    group->aside_size = (size_t)aside_size;
    return gr_disk_get32(bytes + 20) == 0 && group->first >= part->name.first &&
           group->first <= group->last && group->last <= part->name.last && payload_size > 0 &&
           payload_size <= GR_JOURNAL_GROUP_BYTES_MAX && aside_size <= GR_JOURNAL_GROUP_BYTES_MAX &&
           payload_size + aside_size <= part->index_at - offset - SEALED_GROUP;
}

int gr_sealed_read(const struct gr_sealed *part, uint64_t index, struct gr_sealed_room *room,
                   struct gr_journal_group *ret_group, uint8_t ret_hash[GR_HASH_SIZE],
                   struct gr_err *err)
{
    uint64_t last = 0;
    uint64_t offset = 0;
    uint8_t head[SEALED_GROUP];
    uint8_t check[GR_HASH_SIZE];
    struct gr_journal_group group = {0};
    int rc = entry(part, index, &last, &offset, err);
    if (rc == 0 && (offset < SEALED_HEADER || part->index_at < SEALED_GROUP ||
                    offset > part->index_at - SEALED_GROUP)) {
        rc = damaged(part, "its index", err);
    }
    if (rc == 0) {
        rc = read_at(part, head, sizeof head, offset, err);
    }
    if (rc == 0 && (!decode_group(part, head, offset, &group) || group.last != last)) {
        return gr_fail(err, -EBADMSG,
                       "%s: the sealed part is damaged at the group that ends with sequence "
                       "%" PRIu64 "; %s",
                       part->path, last, REPLACE);
    }
    size_t size = group.payload_size + group.aside_size;
    if (rc == 0) {
        rc = gr_sealed_room_grow(room, size, err);
    }
    if (rc == 0) {
        rc = read_at(part, room->bytes, size, offset + SEALED_GROUP, err);
    }
    if (rc < 0) {
        return rc;
    }
    group.payload = room->bytes;
    group.aside = group.aside_size == 0 ? NULL : room->bytes + group.payload_size;
    gr_chain_aside(group.last, group.aside, group.aside_size, check);
    if (memcmp(check, head + 72, GR_HASH_SIZE) != 0) {
        return gr_fail(err, -EBADMSG,
                       "%s: the sealed part is damaged: the aside of the group that ends with "
                       "sequence %" PRIu64 "; %s",
                       part->path, last, REPLACE);
    }
    memcpy(ret_hash, head + 40, GR_HASH_SIZE);
    *ret_group = group;
    return 0;
}

int gr_sealed_check_index(const struct gr_sealed *part, struct gr_err *err)
{
    struct gr_hash hash;
    uint8_t check[GR_HASH_SIZE];
    uint8_t stored[GR_HASH_SIZE];
    uint64_t expected = SEALED_HEADER;
    gr_hash_init(&hash);
    for (uint64_t i = 0; i < part->count; i++) {
        uint8_t bytes[SEALED_ENTRY];
        uint8_t sizes[16];
        int rc = read_at(part, bytes, sizeof bytes, part->index_at + i * SEALED_ENTRY, err);
        if (rc < 0) {
            return rc;
        }
        gr_hash_add(&hash, bytes, sizeof bytes);
        if (gr_disk_get64(bytes + 8) != expected) {
            return damaged(part, "its index", err);
        }
        rc = read_at(part, sizes, sizeof sizes, expected + 24, err);
        if (rc < 0) {
            return rc;
        }
        uint64_t payload_size = gr_disk_get64(sizes);
        uint64_t aside_size = gr_disk_get64(sizes + 8);
        if (payload_size > GR_JOURNAL_GROUP_BYTES_MAX || aside_size > GR_JOURNAL_GROUP_BYTES_MAX) {
            return damaged(part, "the size of a group", err);
        }
        expected += SEALED_GROUP + payload_size + aside_size;
    }
    gr_hash_end(&hash, check);
    int rc = read_at(part, stored, sizeof stored, part->index_at + part->count * SEALED_ENTRY, err);
    if (rc == 0 && (expected != part->index_at || memcmp(check, stored, GR_HASH_SIZE) != 0)) {
        rc = damaged(part, "its index", err);
    }
    return rc;
}
