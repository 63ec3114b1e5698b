// Unpacks layers: see unpack.h. Every path is opened below the folder by the kernel itself
// (RESOLVE_IN_ROOT), so that no link, whoever made it, leads out.
#include "engine/local/unpack.h"

#include "base/file.h"
#include "engine/local/tar.h"
#include "engine/local/tree.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define BUFFER_SIZE 65536

// ---- digests ------------------------------------------------------------------------------------

static int hex(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

int gr_sha256_parse(const char *text, uint8_t ret_digest[GR_SHA256_SIZE])
{
    uint8_t digest[GR_SHA256_SIZE];
    if (strncmp(text, "sha256:", 7) != 0 || strlen(text) != GR_SHA256_TEXT_SIZE - 1) {
        return -EINVAL;
    }
    for (size_t i = 0; i < GR_SHA256_SIZE; i++) {
        int high = hex(text[7 + 2 * i]);
        int low = hex(text[8 + 2 * i]);
        if (high < 0 || low < 0) {
            return -EINVAL;
        }
        digest[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(ret_digest, digest, sizeof(digest));
    return 0;
}

bool gr_sha256_is(const void *bytes, size_t size, const uint8_t digest[GR_SHA256_SIZE])
{
    uint8_t found[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(found, bytes, size);
    return memcmp(found, digest, sizeof(found)) == 0;
}

// ---- the stream of a layer ----------------------------------------------------------------------

// Blob to tar: read, hashed, inflated, hashed again.
struct stream {
    const struct gr_unpack_layer *layer;
    crypto_hash_sha256_state blob_hash;
    crypto_hash_sha256_state tar_hash;
    z_stream inflater;
    bool is_blob_over;   // the blob was read to its end
    bool is_member_over; // a gzip member ended; another may follow
    uint8_t input[BUFFER_SIZE];
};

// Reads the blob. Returns how many bytes, 0 at the end, -errno.
static long blob_read(struct stream *stream, uint8_t *bytes, size_t size, struct gr_err *err)
{
    ssize_t got;
    do {
        got = read(stream->layer->blob, bytes, size);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return gr_fail_errno(err, "read the blob");
    }
    if (got == 0) {
        stream->is_blob_over = true;
    }
    crypto_hash_sha256_update(&stream->blob_hash, bytes, (unsigned long long)got);
    return (long)got;
}

// Fills the inflater's input. Returns 1, 0 at the blob's end, -errno.
static int input_fill(struct stream *stream, struct gr_err *err)
{
    if (stream->inflater.avail_in > 0) {
        return 1;
    }
    long got =
        stream->is_blob_over ? 0 : blob_read(stream, stream->input, sizeof(stream->input), err);
    if (got <= 0) {
        return (int)got;
    }
    stream->inflater.next_in = stream->input;
    stream->inflater.avail_in = (unsigned)got;
    return 1;
}

static long inflate_read(struct stream *stream, uint8_t *bytes, size_t size, struct gr_err *err)
{
    z_stream *inflater = &stream->inflater;
    inflater->next_out = bytes;
    inflater->avail_out = size > BUFFER_SIZE ? BUFFER_SIZE : (unsigned)size;
    unsigned room = inflater->avail_out;
    while (inflater->avail_out == room) {
        int code = input_fill(stream, err);
        if (code < 0) {
            return code;
        }
        if (code == 0) {
            return stream->is_member_over ? 0
                                          : gr_fail(err, -EINVAL, "the compressed data is cut off");
        }
        if (stream->is_member_over && inflateReset(inflater) != Z_OK) {
            return gr_fail(err, -EINVAL, "the compressed data is damaged");
        }
        stream->is_member_over = false;
        code = inflate(inflater, Z_NO_FLUSH);
        if (code == Z_STREAM_END) {
            stream->is_member_over = true;
        } else if (code != Z_OK && code != Z_BUF_ERROR) {
            return gr_fail(err, -EINVAL, "the compressed data is damaged: %s",
                           inflater->msg == NULL ? "" : inflater->msg);
        }
    }
    return (long)(room - inflater->avail_out);
}

// The source of the tar reader.
static long stream_read(void *context, uint8_t *bytes, size_t size, struct gr_err *err)
{
    struct stream *stream = context;
    long got = stream->layer->is_gzip ? inflate_read(stream, bytes, size, err)
                                      : blob_read(stream, bytes, size, err);
    if (got > 0) {
        crypto_hash_sha256_update(&stream->tar_hash, bytes, (unsigned long long)got);
    }
    return got;
}

static int stream_init(struct stream *stream, const struct gr_unpack_layer *layer,
                       struct gr_err *err)
{
    memset(stream, 0, sizeof(*stream));
    stream->layer = layer;
    crypto_hash_sha256_init(&stream->blob_hash);
    crypto_hash_sha256_init(&stream->tar_hash);
    if (layer->is_gzip && inflateInit2(&stream->inflater, 15 + 16) != Z_OK) {
        return gr_fail(err, -ENOMEM, "not enough memory to decompress");
    }
    return 0;
}

// After the tar's end: both digests. The tar reader has read the stream to its end.
static int stream_check(struct stream *stream, struct gr_err *err)
{
    uint8_t digest[GR_SHA256_SIZE];
    crypto_hash_sha256_final(&stream->blob_hash, digest);
    if (memcmp(digest, stream->layer->digest, sizeof(digest)) != 0) {
        return gr_fail(err, -EINVAL, "the blob does not have the digest of its name");
    }
    crypto_hash_sha256_final(&stream->tar_hash, digest);
    if (memcmp(digest, stream->layer->diff_id, sizeof(digest)) != 0) {
        return gr_fail(err, -EINVAL,
                       "the layer does not have the digest that the image's "
                       "configuration names (diff_ids)");
    }
    return 0;
}

// ---- what this layer made -----------------------------------------------------------------------

// Hashes of the paths that the layer made: what it deletes is what was below, never its own.
struct made {
    uint64_t *slots; // 0: free
    size_t count;    // used
    size_t size;     // a power of two, or 0
};

static uint64_t path_hash(const char *path)
{
    uint64_t hash = 14695981039346656037u; // FNV-1a
    for (; *path != '\0'; path++) {
        hash = (hash ^ (uint8_t)*path) * 1099511628211u;
    }
    return hash == 0 ? 1 : hash;
}

static bool made_has(const struct made *made, const char *path)
{
    uint64_t hash = path_hash(path);
    for (size_t i = 0; i < made->size; i++) {
        uint64_t slot = made->slots[(hash + i) & (made->size - 1)];
        if (slot == 0 || slot == hash) {
            return slot == hash;
        }
    }
    return false;
}

static void made_put(struct made *made, uint64_t hash)
{
    size_t at = hash & (made->size - 1);
    while (made->slots[at] != 0 && made->slots[at] != hash) {
        at = (at + 1) & (made->size - 1);
    }
    made->count += made->slots[at] == 0;
    made->slots[at] = hash;
}

static int made_add(struct made *made, const char *path, struct gr_err *err)
{
    if (2 * made->count >= made->size) {
        struct made more = {.size = made->size == 0 ? 1024 : 2 * made->size};
        more.slots = calloc(more.size, sizeof(*more.slots));
        if (more.slots == NULL) {
            return gr_fail(err, -ENOMEM, "not enough memory for the names of a layer");
        }
        for (size_t i = 0; i < made->size; i++) {
            if (made->slots[i] != 0) {
                made_put(&more, made->slots[i]);
            }
        }
        free(made->slots);
        *made = more;
    }
    made_put(made, path_hash(path));
    return 0;
}

// ---- entries ------------------------------------------------------------------------------------

// A layer being unpacked.
struct unpack {
    int root;
    struct gr_tar tar;
    struct gr_tar_entry entry;
    struct made made;
    struct gr_unpack_room *room;
    struct stream stream;
};

// Opens a path below the root; links are followed as if the root were "/".
static int open_in(int root, const char *path, uint64_t flags)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    int fd;
    do {
        fd = (int)syscall(SYS_openat2, root, path[0] == '\0' ? "." : path, &how, sizeof(how));
    } while (fd < 0 && (errno == EAGAIN || errno == EINTR));
    return fd < 0 ? -errno : fd;
}

// Splits "a/b/c": opens the folder "a/b", which is made if it is not there, and points *ret_name
// to "c". Returns a file descriptor or -errno.
static int parent_open(int root, const char *path, const char **ret_name)
{
    char parent[GR_TAR_NAME_SIZE];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    memcpy(parent, path, size);
    parent[size] = '\0';
    *ret_name = slash == NULL ? path : slash + 1;
    int fd = open_in(root, parent, O_DIRECTORY | O_RDONLY);
    if (fd != -ENOENT || size == 0) {
        return fd;
    }
    const char *name;
    int above = parent_open(root, parent, &name);
    if (above < 0) {
        return above;
    }
    int code = mkdirat(above, name, 0755) == 0 || errno == EEXIST ? 0 : -errno;
    close(above);
    return code < 0 ? code : open_in(root, parent, O_DIRECTORY | O_RDONLY);
}

static int content_write(struct unpack *unpack, int fd, struct gr_err *err)
{
    uint8_t bytes[BUFFER_SIZE];
    long got;
    while ((got = gr_tar_read(&unpack->tar, bytes, sizeof(bytes), err)) > 0) {
        if (gr_file_write_all(fd, bytes, (size_t)got) < 0) {
            return gr_fail_errno(err, "write %.200s", unpack->entry.name);
        }
    }
    return (int)got;
}

static int file_make(struct unpack *unpack, int dir, const char *name, struct gr_err *err)
{
    const struct gr_tar_entry *entry = &unpack->entry;
    // Set-id bits go: everything belongs to the submitter, and nobody shall become him.
    mode_t mode = (entry->mode & 0777u) | 0400u;
    if (entry->size > unpack->room->bytes) {
        return gr_fail(err, -EFBIG, "the image is larger than what may be unpacked");
    }
    unpack->room->bytes -= entry->size;
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return gr_fail_errno(err, "make %.200s", entry->name);
    }
    int code = content_write(unpack, fd, err);
    if (code == 0 && fchmod(fd, mode) != 0) {
        code = gr_fail_errno(err, "chmod %.200s", entry->name);
    }
    close(fd);
    return code;
}

static int hardlink_make(struct unpack *unpack, int dir, const char *name, struct gr_err *err)
{
    const struct gr_tar_entry *entry = &unpack->entry;
    const char *target;
    struct stat st;
    int from = parent_open(unpack->root, entry->link, &target);
    if (from < 0) {
        return gr_fail(err, from, "link %.200s to %.200s: %s", entry->name, entry->link,
                       strerror(-from));
    }
    int code = 0;
    if (fstatat(from, target, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        code = gr_fail_errno(err, "link %.200s to %.200s", entry->name, entry->link);
    } else if (S_ISDIR(st.st_mode)) {
        code = gr_fail(err, -EINVAL, "%.200s is a link to a folder", entry->name);
    } else if (linkat(from, target, dir, name, 0) != 0) {
        code = gr_fail_errno(err, "link %.200s to %.200s", entry->name, entry->link);
    }
    close(from);
    return code;
}

// A folder keeps what is in it. Its owner can always write: layers to come may put things there.
static int folder_make(struct unpack *unpack, int dir, const char *name, struct gr_err *err)
{
    const struct gr_tar_entry *entry = &unpack->entry;
    mode_t mode = (entry->mode & 01777u) | 0700u;
    struct stat st;
    bool is_there = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (is_there && !S_ISDIR(st.st_mode)) {
        (void)gr_tree_remove(dir, name);
        is_there = false;
    }
    if ((!is_there && mkdirat(dir, name, mode) != 0) || fchmodat(dir, name, mode, 0) != 0) {
        return gr_fail_errno(err, "make %.200s", entry->name);
    }
    return 0;
}

static int other_make(struct unpack *unpack, int dir, const char *name, struct gr_err *err)
{
    const struct gr_tar_entry *entry = &unpack->entry;
    int code = gr_tree_remove(dir, name);
    if (code < 0) {
        return gr_fail(err, code, "replace %.200s: %s", entry->name, strerror(-code));
    }
    switch (entry->type) {
    case GR_TAR_FILE:
        return file_make(unpack, dir, name, err);
    case GR_TAR_HARDLINK:
        return hardlink_make(unpack, dir, name, err);
    case GR_TAR_SYMLINK:
        code = symlinkat(entry->link, dir, name);
        break;
    case GR_TAR_FIFO:
        code = mkfifoat(dir, name, (entry->mode & 0777u) | 0400u);
        break;
    case GR_TAR_DIRECTORY:
    case GR_TAR_DEVICE:
        return gr_fail(err, -EINVAL, "%.200s is a device file, which no image may bring",
                       entry->name);
    }
    return code == 0 ? 0 : gr_fail_errno(err, "make %.200s", entry->name);
}

// ---- whiteouts ----------------------------------------------------------------------------------

// Removes NAME in the folder unless this layer made it; of a folder that it made, what it did not.
static int lower_remove(struct unpack *unpack, int dir, const char *path, const char *name,
                        struct gr_err *err);

static int lower_empty(struct unpack *unpack, int fd, const char *path, struct gr_err *err)
{
    DIR *list = fdopendir(fd); // takes it
    if (list == NULL) {
        close(fd);
        return gr_fail_errno(err, "read %.200s", path);
    }
    struct dirent *entry;
    int code = 0;
    while (code == 0 && (entry = readdir(list)) != NULL) {
        char below[GR_TAR_NAME_SIZE];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (snprintf(below, sizeof(below), "%s%s%s", path, path[0] == '\0' ? "" : "/",
                     entry->d_name) >= (int)sizeof(below)) {
            code = gr_fail(err, -EINVAL, "%.200s...: the path is too long", path);
        } else {
            code = lower_remove(unpack, fd, below, entry->d_name, err);
        }
    }
    closedir(list);
    return code;
}

static int lower_remove(struct unpack *unpack, int dir, const char *path, const char *name,
                        struct gr_err *err)
{
    struct stat st;
    if (!made_has(&unpack->made, path)) {
        int code = gr_tree_remove(dir, name);
        return code == 0 ? 0 : gr_fail(err, code, "remove %.200s: %s", path, strerror(-code));
    }
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode)) {
        return 0;
    }
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? gr_fail_errno(err, "read %.200s", path) : lower_empty(unpack, fd, path, err);
}

static int whiteout(struct unpack *unpack, int dir, const char *name, struct gr_err *err)
{
    const char *path = unpack->entry.name;
    size_t above = (size_t)(name - path); // with its slash
    char lower[GR_TAR_NAME_SIZE];
    if (strcmp(name, OPAQUE) == 0) {
        memcpy(lower, path, above);
        lower[above > 0 ? above - 1 : 0] = '\0';
        int copy = fcntl(dir, F_DUPFD_CLOEXEC, 0);
        return copy < 0 ? gr_fail_errno(err, "read %.200s", lower)
                        : lower_empty(unpack, copy, lower, err);
    }
    const char *hidden = name + strlen(WHITEOUT);
    if (hidden[0] == '\0' || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0 ||
        strncmp(hidden, WHITEOUT, strlen(WHITEOUT)) == 0) {
        return gr_fail(err, -EINVAL, "%.200s hides nothing that can be named", path);
    }
    snprintf(lower, sizeof(lower), "%.*s%s", (int)above, path, hidden);
    return made_has(&unpack->made, lower) ? 0 : lower_remove(unpack, dir, lower, hidden, err);
}

// ---- a layer ------------------------------------------------------------------------------------

static int entry_make(struct unpack *unpack, struct gr_err *err)
{
    const struct gr_tar_entry *entry = &unpack->entry;
    const char *name;
    if (unpack->room->entries == 0) {
        return gr_fail(err, -EFBIG, "the image has more files than may be unpacked");
    }
    unpack->room->entries--;
    if (entry->name[0] == '\0') {
        return 0; // the root itself
    }
    int dir = parent_open(unpack->root, entry->name, &name);
    if (dir < 0) {
        return gr_fail(err, dir, "open the folder of %.200s: %s", entry->name, strerror(-dir));
    }
    int code;
    if (strncmp(name, WHITEOUT, strlen(WHITEOUT)) == 0) {
        code = whiteout(unpack, dir, name, err);
    } else {
        code = entry->type == GR_TAR_DIRECTORY ? folder_make(unpack, dir, name, err)
                                               : other_make(unpack, dir, name, err);
        code = code == 0 ? made_add(&unpack->made, entry->name, err) : code;
    }
    close(dir);
    return code;
}

int gr_unpack_layer(int root, const struct gr_unpack_layer *layer, struct gr_unpack_room *room,
                    struct gr_err *err)
{
    assert(root >= 0 && layer != NULL && room != NULL);
    struct unpack *unpack = calloc(1, sizeof(*unpack));
    if (unpack == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory to unpack");
    }
    unpack->root = root;
    unpack->room = room;
    int code = stream_init(&unpack->stream, layer, err);
    if (code == 0) {
        gr_tar_init(&unpack->tar, stream_read, &unpack->stream);
        while ((code = gr_tar_next(&unpack->tar, &unpack->entry, err)) > 0) {
            code = entry_make(unpack, err);
            if (code < 0) {
                break;
            }
        }
        code = code < 0 ? code : stream_check(&unpack->stream, err);
        if (layer->is_gzip) {
            inflateEnd(&unpack->stream.inflater);
        }
    }
    free(unpack->made.slots);
    free(unpack);
    return code;
}
