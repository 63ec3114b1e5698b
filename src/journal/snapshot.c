// Snapshot files: see snapshot.h.
//
//     header, 128 bytes: 0 magic "gransnap"   8 u32 format 1   12 u32 zero   16 u64 sequence
//       24 u64 size of the bytes   32 hash of the journal's group (32)   64 zeros (64)
//     the bytes
//     BLAKE2b-256 of the bytes, then the header; nothing follows
//
// The header is hashed last since the size is not known before.
#include "journal/snapshot.h"

#include "journal/disk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER = 128, BLOCK = 1 << 20, DIGITS = 20, NAME_SIZE = 40 };

static const char magic[8] = {'g', 'r', 'a', 'n', 's', 'n', 'a', 'p'};
static const char suffix[] = ".snapshot";
static const char suffix_new[] = ".snapshot.new";

struct gr_snapshot_writer {
    struct gr_snapshot_mark mark;
    struct gr_hash hash;
    uint64_t size; // of the bytes so far
    size_t used;   // of the block
    uint8_t *block;
    int fd;
    char dir[GR_DISK_PATH_SIZE];
    char path[GR_DISK_PATH_SIZE]; // while it is written
};

struct gr_snapshot {
    struct gr_snapshot_mark mark;
    uint8_t *map; // of the whole file
    size_t map_size;
};

// --- names

static void format_name(uint64_t sequence, const char *ending, char ret_name[NAME_SIZE])
{
    (void)snprintf(ret_name, NAME_SIZE, "%020" PRIu64 "%s", sequence, ending);
}

// Whether the name is a sequence with this ending.
static bool parse_name(const char *name, const char *ending, uint64_t *ret_sequence)
{
    char again[NAME_SIZE];
    if (strlen(name) != DIGITS + strlen(ending)) {
        return false;
    }
    errno = 0;
    uint64_t sequence = strtoull(name, NULL, 10);
    format_name(sequence, ending, again);
    if (errno != 0 || strcmp(name, again) != 0) {
        return false;
    }
    *ret_sequence = sequence;
    return true;
}

static int compare_down(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left < right) - (left > right);
}

// Lists the sequences of files with this ending, the newest first; the caller frees.
static int list(const char *dir, const char *ending, uint64_t **ret_sequences, size_t *ret_count,
                struct gr_err *err)
{
    uint64_t *sequences = NULL;
    size_t count = 0;
    size_t room = 0;
    const struct dirent *entry;
    DIR *folder = opendir(dir);
    if (folder == NULL) {
        return gr_fail_errno(err, "open the folder %s", dir);
    }
    int rc = 0;
    while (rc == 0 && (errno = 0, entry = readdir(folder)) != NULL) {
        uint64_t sequence;
        if (!parse_name(entry->d_name, ending, &sequence)) {
            continue;
        }
        if (count == room) {
            room = room == 0 ? 16 : 2 * room;
            uint64_t *more = reallocarray(sequences, room, sizeof *sequences);
            if (more == NULL) {
                rc = gr_fail(err, -ENOMEM, "%s: no memory for its names", dir);
                break;
            }
            sequences = more;
        }
        sequences[count++] = sequence;
    }
    if (rc == 0 && errno != 0) {
        rc = gr_fail_errno(err, "read the folder %s", dir);
    }
    closedir(folder);
    if (rc < 0) {
        free(sequences);
        return rc;
    }
    if (count > 0) {
        qsort(sequences, count, sizeof *sequences, compare_down);
    }
    *ret_sequences = sequences;
    *ret_count = count;
    return 0;
}

static void encode_header(const struct gr_snapshot_mark *mark, uint64_t size,
                          uint8_t header[HEADER])
{
    memset(header, 0, HEADER);
    memcpy(header, magic, sizeof magic);
    gr_disk_put32(header + 8, GR_SNAPSHOT_FORMAT);
    gr_disk_put64(header + 16, mark->sequence);
    gr_disk_put64(header + 24, size);
    memcpy(header + 32, mark->hash, GR_HASH_SIZE);
}

// --- writing

int gr_snapshot_create(const char *dir, const struct gr_snapshot_mark *mark,
                       struct gr_snapshot_writer **ret_writer, struct gr_err *err)
{
    assert(dir != NULL && mark != NULL);
    char name[NAME_SIZE];
    struct gr_snapshot_writer *writer = calloc(1, sizeof *writer);
    uint8_t *block = malloc(BLOCK);
    if (writer == NULL || block == NULL || strlen(dir) >= sizeof writer->dir) {
        free(writer);
        free(block);
        return gr_fail(err, -ENOMEM, "%.200s: no memory to write a snapshot", dir);
    }
    memcpy(writer->dir, dir, strlen(dir) + 1);
    writer->mark = *mark;
    writer->block = block;
    writer->fd = -1;
    gr_hash_init(&writer->hash);
    format_name(mark->sequence, suffix_new, name);
    int rc = gr_disk_make_dir(dir, err);
    rc = rc < 0 ? rc : gr_disk_path(dir, name, writer->path, err);
    if (rc == 0) {
        writer->fd = gr_disk_open(writer->path, O_WRONLY | O_CREAT | O_TRUNC, err);
        rc = writer->fd < 0 ? writer->fd : 0;
    }
    if (rc < 0) {
        writer->path[0] = '\0';
        gr_snapshot_abort(writer);
        return rc;
    }
    *ret_writer = writer;
    return 0;
}

static int flush(struct gr_snapshot_writer *writer, struct gr_err *err)
{
    uint64_t offset = HEADER + writer->size - writer->used;
    int rc = gr_disk_write(writer->fd, writer->block, writer->used, offset, writer->path, err);
    writer->used = 0;
    return rc;
}

int gr_snapshot_write(void *context, const void *bytes, size_t size, struct gr_err *err)
{
    struct gr_snapshot_writer *writer = context;
    const uint8_t *at = bytes;
    assert(writer != NULL);
    assert(bytes != NULL || size == 0);
    gr_hash_add(&writer->hash, bytes, size);
    while (size > 0) {
        size_t part = BLOCK - writer->used < size ? BLOCK - writer->used : size;
        memcpy(writer->block + writer->used, at, part);
        writer->used += part;
        writer->size += part;
        at += part;
        size -= part;
        if (writer->used == BLOCK) {
            int rc = flush(writer, err);
            if (rc < 0) {
                return rc;
            }
        }
    }
    return 0;
}

static int write_end(struct gr_snapshot_writer *writer, struct gr_err *err)
{
    uint8_t header[HEADER];
    uint8_t digest[GR_HASH_SIZE];
    encode_header(&writer->mark, writer->size, header);
    gr_hash_add(&writer->hash, header, sizeof header);
    gr_hash_end(&writer->hash, digest);
    int rc = flush(writer, err);
    if (rc == 0) {
        rc = gr_disk_write(writer->fd, digest, sizeof digest, HEADER + writer->size, writer->path,
                           err);
    }
    if (rc == 0) {
        rc = gr_disk_write(writer->fd, header, sizeof header, 0, writer->path, err);
    }
    return rc < 0 ? rc : gr_disk_sync(writer->fd, writer->path, err);
}

static int remove_named(const char *dir, uint64_t sequence, const char *ending, struct gr_err *err)
{
    char name[NAME_SIZE];
    char path[GR_DISK_PATH_SIZE];
    format_name(sequence, ending, name);
    int rc = gr_disk_path(dir, name, path, err);
    rc = rc < 0 ? rc : gr_disk_remove(path, err);
    return rc < 0 ? rc : 0;
}

// Removes snapshots beyond the newest `keep`, and beginnings of older ones that were given up.
static int prune(const char *dir, uint64_t newest, unsigned keep, struct gr_err *err)
{
    uint64_t *sequences = NULL;
    size_t count = 0;
    int rc = list(dir, suffix, &sequences, &count, err);
    for (size_t i = keep; rc == 0 && i < count; i++) {
        rc = remove_named(dir, sequences[i], suffix, err);
    }
    free(sequences);
    sequences = NULL;
    rc = rc < 0 ? rc : list(dir, suffix_new, &sequences, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (sequences[i] < newest) {
            rc = remove_named(dir, sequences[i], suffix_new, err);
        }
    }
    free(sequences);
    return rc;
}

int gr_snapshot_commit(struct gr_snapshot_writer *writer, unsigned keep, struct gr_err *err)
{
    assert(writer != NULL);
    assert(keep >= 1);
    char name[NAME_SIZE];
    char name_new[NAME_SIZE];
    format_name(writer->mark.sequence, suffix, name);
    format_name(writer->mark.sequence, suffix_new, name_new);
    int rc = write_end(writer, err);
    if (rc == 0) {
        rc = gr_disk_rename(writer->dir, name_new, name, err);
    }
    if (rc == 0) {
        writer->path[0] = '\0'; // it has its name: nothing to remove
        rc = prune(writer->dir, writer->mark.sequence, keep, err);
    }
    gr_snapshot_abort(writer);
    return rc;
}

void gr_snapshot_abort(struct gr_snapshot_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (writer->fd >= 0) {
        close(writer->fd);
    }
    if (writer->path[0] != '\0') {
        (void)gr_disk_remove(writer->path, NULL);
    }
    free(writer->block);
    free(writer);
}

// --- reading

static int bad(const char *path, const char *what, struct gr_err *err)
{
    return gr_fail(err, -EBADMSG, "%s: the snapshot is damaged: %s", path, what);
}

// Checks the file's hash with reads, not through the map: an input error must be an error code.
static int check_bytes(int fd, const char *path, uint64_t size, const uint8_t header[HEADER],
                       struct gr_err *err)
{
    struct gr_hash hash;
    uint8_t digest[GR_HASH_SIZE];
    uint8_t stored[GR_HASH_SIZE];
    uint8_t *block = malloc(BLOCK);
    if (block == NULL) {
        return gr_fail(err, -ENOMEM, "%s: no memory to read it", path);
    }
    int rc = 0;
    gr_hash_init(&hash);
    for (uint64_t at = 0; rc == 0 && at < size; at += BLOCK) {
        size_t part = size - at < BLOCK ? (size_t)(size - at) : BLOCK;
        rc = gr_disk_read(fd, block, part, HEADER + at, path, err);
        if (rc == 0) {
            gr_hash_add(&hash, block, part);
        }
    }
    free(block);
    gr_hash_add(&hash, header, HEADER);
    gr_hash_end(&hash, digest);
    if (rc == 0) {
        rc = gr_disk_read(fd, stored, sizeof stored, HEADER + size, path, err);
    }
    if (rc == 0 && memcmp(digest, stored, GR_HASH_SIZE) != 0) {
        rc = bad(path, "its hash is wrong", err);
    }
    return rc;
}

static int open_file(int fd, const char *path, uint64_t sequence, struct gr_snapshot *snapshot,
                     struct gr_err *err)
{
    struct stat st;
    uint8_t header[HEADER];
    uint8_t expected[HEADER];
    if (fstat(fd, &st) < 0) {
        return gr_fail_errno(err, "%s", path);
    }
    if (!S_ISREG(st.st_mode) || st.st_size < HEADER + GR_HASH_SIZE) {
        return bad(path, "it is too short", err);
    }
    int rc = gr_disk_read(fd, header, sizeof header, 0, path, err);
    if (rc < 0) {
        return rc;
    }
    uint64_t size = (uint64_t)st.st_size - HEADER - GR_HASH_SIZE;
    if (memcmp(header, magic, sizeof magic) == 0 &&
        gr_disk_get32(header + 8) > GR_SNAPSHOT_FORMAT) {
        return gr_fail(err, -EPROTO, "%s: its format is %u and this build knows %u", path,
                       gr_disk_get32(header + 8), GR_SNAPSHOT_FORMAT);
    }
    snapshot->mark.sequence = sequence;
    memcpy(snapshot->mark.hash, header + 32, GR_HASH_SIZE);
    encode_header(&snapshot->mark, size, expected);
    if (memcmp(header, expected, sizeof header) != 0) {
        return bad(path, "its name or size does not match its header", err);
    }
    rc = check_bytes(fd, path, size, header, err);
    if (rc < 0) {
        return rc;
    }
    snapshot->map_size = (size_t)st.st_size;
    snapshot->map = mmap(NULL, snapshot->map_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (snapshot->map == MAP_FAILED) {
        return gr_fail_errno(err, "map %s", path);
    }
    return 0;
}

// Opens one file. Returns 0 or -errno.
static int open_one(const char *dir, uint64_t sequence, struct gr_snapshot **ret_snapshot,
                    struct gr_err *err)
{
    char name[NAME_SIZE];
    char path[GR_DISK_PATH_SIZE];
    format_name(sequence, suffix, name);
    int rc = gr_disk_path(dir, name, path, err);
    if (rc < 0) {
        return rc;
    }
    struct gr_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL) {
        return gr_fail(err, -ENOMEM, "%s: no memory to open it", path);
    }
    int fd = gr_disk_open(path, O_RDONLY | O_NONBLOCK, err);
    rc = fd < 0 ? fd : open_file(fd, path, sequence, snapshot, err);
    if (fd >= 0) {
        close(fd);
    }
    if (rc < 0) {
        free(snapshot);
        return rc;
    }
    *ret_snapshot = snapshot;
    return 0;
}

// Adds a name to the list of those that were passed over, if there is room for all of it.
static void note_passed(char *passed, size_t passed_size, uint64_t sequence)
{
    char name[NAME_SIZE];
    format_name(sequence, suffix, name);
    size_t used = passed == NULL ? 0 : strlen(passed);
    if (passed != NULL && used + strlen(name) + 2 <= passed_size) {
        (void)snprintf(passed + used, passed_size - used, "%s\n", name);
    }
}

int gr_snapshot_open(const char *dir, uint64_t most, char *ret_passed, size_t passed_size,
                     struct gr_snapshot **ret_snapshot, struct gr_err *err)
{
    assert(dir != NULL && ret_snapshot != NULL);
    assert(ret_passed == NULL || passed_size > 0);
    uint64_t *sequences = NULL;
    size_t count = 0;
    if (ret_passed != NULL) {
        ret_passed[0] = '\0';
    }
    int rc = list(dir, suffix, &sequences, &count, err);
    if (rc < 0) {
        return rc;
    }
    bool is_found = false;
    for (size_t i = 0; i < count && !is_found; i++) {
        if (sequences[i] > most) {
            continue;
        }
        rc = open_one(dir, sequences[i], ret_snapshot, err);
        is_found = rc == 0;
        if (rc == -ENOMEM) {
            break; // nothing is wrong with the file
        }
        if (rc < 0) {
            note_passed(ret_passed, passed_size, sequences[i]);
        }
    }
    free(sequences);
    if (is_found || rc == -ENOMEM) {
        return rc;
    }
    return gr_fail(err, -ENOENT, "%s: there is no good snapshot at or before sequence %" PRIu64,
                   dir, most);
}

struct gr_snapshot_mark gr_snapshot_mark_get(const struct gr_snapshot *snapshot)
{
    return snapshot->mark;
}

const uint8_t *gr_snapshot_bytes(const struct gr_snapshot *snapshot, size_t *ret_size)
{
    *ret_size = snapshot->map_size - HEADER - GR_HASH_SIZE;
    return snapshot->map + HEADER;
}

void gr_snapshot_close(struct gr_snapshot *snapshot)
{
    if (snapshot != NULL) {
        (void)munmap(snapshot->map, snapshot->map_size);
        free(snapshot);
    }
}
