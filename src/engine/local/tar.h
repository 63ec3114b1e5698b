// Reads tar archives, strictly: ustar, with the pax and GNU forms of long names. An archive comes
// from outside and is not believed: every name is relative, without "..", and bounded.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of a name or of a link's target, NUL included.
#define GR_TAR_NAME_SIZE 4096

// What an entry is.
enum gr_tar_type {
    GR_TAR_FILE = 1,
    GR_TAR_DIRECTORY,
    GR_TAR_SYMLINK,
    GR_TAR_HARDLINK,
    GR_TAR_FIFO,
    GR_TAR_DEVICE, // character or block
};

// One entry. Valid until the next gr_tar_next.
struct gr_tar_entry {
    enum gr_tar_type type;
    uint32_t mode;               // permission bits 0..07777
    uint64_t size;               // bytes of a file's content; 0 for all else
    char name[GR_TAR_NAME_SIZE]; // "a/b": no "." or ".." or empty component; "" is the root itself
    char link[GR_TAR_NAME_SIZE]; // SYMLINK: target as it is; HARDLINK: in the form of `name`
};

// Where the bytes come from: returns how many (at most `size`) were put into `bytes`, 0 at the end,
// -errno with a text.
typedef long (*gr_tar_source)(void *context, uint8_t *bytes, size_t size, struct gr_err *err);

// A reader. The caller's memory, about 13 KiB; zero-initialise `source` and `context`, no more.
struct gr_tar {
    gr_tar_source source; // see the type
    void *context;        // for source
    uint64_t left;        // of the entry's content, not read yet
    uint64_t padding;     // after it
    uint64_t entries;     // so far
    bool is_over;         // the end was seen
    // What an extended header said of the entry to come; "" and false: nothing.
    char long_name[GR_TAR_NAME_SIZE];
    char long_link[GR_TAR_NAME_SIZE];
    bool has_size;
    uint64_t size; // if has_size
};

// Begins. Never fails.
void gr_tar_init(struct gr_tar *tar, gr_tar_source source, void *context);
// The next entry; what is left of the one before is passed over. Returns 1, 0 at the end of the
// archive (then every byte of the source was read), or -errno: -EINVAL with a text for an archive
// that is wrong or has what we do not take (sparse files, absolute names, "..").
int gr_tar_next(struct gr_tar *tar, struct gr_tar_entry *ret_entry, struct gr_err *err);
// Content of a file: how many bytes were put into `bytes`, 0 at its end, or -errno.
long gr_tar_read(struct gr_tar *tar, uint8_t *bytes, size_t size, struct gr_err *err);
// Brings a name into the form of gr_tar_entry.name. Returns 0, or -EINVAL with a text if it is
// absolute, has a ".." or is too long. Pure.
int gr_tar_name(const char *name, char ret_name[GR_TAR_NAME_SIZE], struct gr_err *err);
