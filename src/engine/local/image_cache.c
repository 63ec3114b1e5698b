// Unpacked images, one folder each under the digest of its manifest:
//
//     HEX.lock     held exclusively while it is unpacked or removed, shared by those who use it
//     HEX/rootfs   its files; HEX/size, their bytes as text; HEX's time: when it was last wanted
//     HEX.new      being unpacked; left by a process that died, removed by the next
//
// The folder belongs to one user. What is in it is that user's own word: root must not trust it.
#include "engine/local/image_parts.h"
#include "engine/local/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

// Bytes of HEX with an ending.
#define NAME_SIZE 80

static void hex_write(const uint8_t digest[GR_SHA256_SIZE], char ret_hex[NAME_SIZE])
{
    for (size_t i = 0; i < GR_SHA256_SIZE; i++) {
        snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
    }
}

static int lock_take(int fd, int how)
{
    int code;
    do {
        code = flock(fd, how);
    } while (code != 0 && errno == EINTR);
    return code == 0 ? 0 : -errno;
}

// Opens and locks HEX.lock. A lock that was removed while we waited guards nothing: then anew.
// Returns a file descriptor or -errno.
static int lock_open(int cache, const char *hex, int how)
{
    char name[NAME_SIZE + 8];
    snprintf(name, sizeof(name), "%s.lock", hex);
    for (;;) {
        struct stat st;
        int fd = openat(cache, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0) {
            return -errno;
        }
        int code = lock_take(fd, how);
        if (code == 0 && (fstat(fd, &st) != 0 || st.st_nlink > 0)) {
            return fd;
        }
        close(fd);
        if (code < 0) {
            return code;
        }
    }
}

// ---- unpacking ----------------------------------------------------------------------------------

static int layers_unpack(const struct gr_image_plan *plan, int root, uint64_t *ret_bytes,
                         struct gr_err *err)
{
    struct gr_unpack_room room = {GR_IMAGE_BYTES_MAX, GR_IMAGE_ENTRIES_MAX};
    for (size_t i = 0; i < plan->layer_count; i++) {
        uint64_t size;
        struct gr_unpack_layer layer = plan->layers[i];
        layer.blob = gr_image_file_open(plan->layout, plan->paths[i], &size, err);
        if (layer.blob < 0) {
            return layer.blob;
        }
        int code = gr_unpack_layer(root, &layer, &room, err);
        close(layer.blob);
        if (code < 0) {
            return gr_err_prefix(err, "layer %zu", i + 1);
        }
    }
    *ret_bytes = GR_IMAGE_BYTES_MAX - room.bytes;
    return 0;
}

static int size_write(int dir, uint64_t bytes)
{
    char text[32];
    int size = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)bytes);
    int fd = openat(dir, "size", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int code = fd >= 0 && write(fd, text, (size_t)size) == size ? 0 : -EIO;
    if (fd >= 0) {
        close(fd);
    }
    return code;
}

// Unpacks into HEX.new and gives it its name, whole and on disk.
static int fresh_make(const struct gr_image_plan *plan, int cache, const char *hex,
                      struct gr_err *err)
{
    char new[NAME_SIZE + 8];
    uint64_t bytes = 0;
    snprintf(new, sizeof(new), "%s.new", hex);
    int code = gr_tree_remove(cache, new);
    if (code < 0 || mkdirat(cache, new, 0700) != 0) {
        return gr_fail(err, code < 0 ? code : -errno, "make the folder for the image: %s",
                       strerror(code < 0 ? -code : errno));
    }
    int dir = openat(cache, new, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int root = -1;
    if (dir >= 0 && mkdirat(dir, "rootfs", 0755) == 0) {
        root = openat(dir, "rootfs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (root < 0) {
        code = gr_fail_errno(err, "make the folder for the image");
    } else {
        (void)fchmod(root, 0755); // whatever the umask
        code = layers_unpack(plan, root, &bytes, err);
    }
    if (code == 0 && (size_write(dir, bytes) < 0 || syncfs(root) != 0)) {
        code = gr_fail(err, -EIO, "the unpacked image could not be written to disk");
    }
    if (code == 0 && renameat(cache, new, cache, hex) != 0) {
        code = gr_fail_errno(err, "name the unpacked image");
    }
    if (root >= 0) {
        close(root);
    }
    if (dir >= 0) {
        close(dir);
    }
    if (code < 0) {
        (void)gr_tree_remove(cache, new);
    }
    return code;
}

// ---- what is kept -------------------------------------------------------------------------------

// An unpacked image.
struct kept {
    char hex[NAME_SIZE];
    uint64_t bytes;
    struct timespec wanted;
};

static bool is_hex(const char *name)
{
    return strlen(name) == 2 * GR_SHA256_SIZE && strspn(name, "0123456789abcdef") == strlen(name);
}

static int kept_compare(const void *a, const void *b)
{
    const struct timespec *left = &((const struct kept *)a)->wanted;
    const struct timespec *right = &((const struct kept *)b)->wanted;
    if (left->tv_sec != right->tv_sec) {
        return left->tv_sec < right->tv_sec ? 1 : -1;
    }
    return (left->tv_nsec < right->tv_nsec) - (left->tv_nsec > right->tv_nsec);
}

static void kept_read(int cache, const char *hex, struct kept *ret_kept)
{
    char path[NAME_SIZE + 8];
    char text[32] = "";
    struct stat st;
    *ret_kept = (struct kept){0};
    snprintf(ret_kept->hex, sizeof(ret_kept->hex), "%.64s", hex);
    if (fstatat(cache, hex, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        ret_kept->wanted = st.st_mtim;
    }
    snprintf(path, sizeof(path), "%.64s/size", hex);
    int fd = openat(cache, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t got = read(fd, text, sizeof(text) - 1);
        ret_kept->bytes = got > 0 ? strtoull(text, NULL, 10) : 0;
        close(fd);
    }
}

// Removes an image that nobody uses.
static void kept_drop(int cache, const char *hex)
{
    char name[NAME_SIZE + 8];
    int lock = lock_open(cache, hex, LOCK_EX | LOCK_NB);
    if (lock < 0) {
        return;
    }
    (void)gr_tree_remove(cache, hex);
    snprintf(name, sizeof(name), "%.64s.new", hex);
    (void)gr_tree_remove(cache, name);
    snprintf(name, sizeof(name), "%.64s.lock", hex);
    (void)unlinkat(cache, name, 0);
    close(lock);
}

// Keeps the images that were wanted last, as far as they are few and small enough.
static void tidy(int cache)
{
    size_t count = 0;
    size_t room = 0;
    struct kept *all = NULL;
    int copy = openat(cache, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (!is_hex(entry->d_name)) {
            continue;
        }
        if (count == room) {
            room = room == 0 ? 32 : 2 * room;
            struct kept *more = reallocarray(all, room, sizeof(*all));
            if (more == NULL) {
                break; // the next image tidies
            }
            all = more;
        }
        kept_read(cache, entry->d_name, &all[count++]);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    if (count > 1) {
        qsort(all, count, sizeof(*all), kept_compare);
    }
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_over =
            __builtin_add_overflow(bytes, all[i].bytes, &bytes) || bytes > GR_IMAGES_KEPT_BYTES;
        if (i >= GR_IMAGES_KEPT || (i > 0 && is_over)) {
            kept_drop(cache, all[i].hex);
        }
    }
    free(all);
}

// ---- the way in ---------------------------------------------------------------------------------

// Opens HEX/rootfs if it is there and holds it; -ENOENT if it is not.
static int kept_open(int cache, const char *hex, struct gr_image *image)
{
    char path[NAME_SIZE + 8];
    snprintf(path, sizeof(path), "%s/rootfs", hex);
    int lock = lock_open(cache, hex, LOCK_SH);
    if (lock < 0) {
        return lock;
    }
    int root = openat(cache, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (root < 0) {
        int code = -errno;
        close(lock);
        return code;
    }
    (void)utimensat(cache, hex, NULL, AT_SYMLINK_NOFOLLOW);
    image->root = root;
    image->lock = lock;
    return 0;
}

// Unpacks the image unless another process did so while we waited.
static int kept_make(const struct gr_image_plan *plan, int cache, const char *hex,
                     struct gr_err *err)
{
    int lock = lock_open(cache, hex, LOCK_EX);
    if (lock < 0) {
        return gr_fail(err, lock, "lock the image: %s", strerror(-lock));
    }
    int code = faccessat(cache, hex, F_OK, AT_SYMLINK_NOFOLLOW) == 0
                   ? 0
                   : fresh_make(plan, cache, hex, err);
    if (code < 0) {
        char name[NAME_SIZE + 8];
        snprintf(name, sizeof(name), "%s.lock", hex);
        (void)unlinkat(cache, name, 0);
    }
    close(lock);
    return code;
}

static int cached_open(const struct gr_image_plan *plan, int cache, struct gr_image *image,
                       struct gr_err *err)
{
    char hex[NAME_SIZE];
    hex_write(plan->digest, hex);
    // Between unpacking and holding it, another process may remove it again to make room.
    for (int i = 0; i < 8; i++) {
        int code = kept_open(cache, hex, image);
        if (code == 0) {
            tidy(cache);
            return 0;
        }
        if (code != -ENOENT) {
            return gr_fail(err, code, "open the unpacked image: %s", strerror(-code));
        }
        code = kept_make(plan, cache, hex, err);
        if (code < 0) {
            return code;
        }
    }
    return gr_fail(err, -EBUSY, "the unpacked image was removed again and again");
}

int gr_image_unpack(const struct gr_image_plan *plan, int cache, bool is_cache,
                    struct gr_image *image, struct gr_err *err)
{
    if (is_cache) {
        return cached_open(plan, cache, image, err);
    }
    uint64_t bytes;
    int code = layers_unpack(plan, cache, &bytes, err);
    if (code == 0) {
        image->root = openat(cache, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        code = image->root >= 0 ? 0 : gr_fail_errno(err, "open the unpacked image");
    }
    return code;
}
