// The inside of the shim: what was done to the disk, and whether the next thing fails.
#pragma once

#include "shim.h"

// Whether the path lies in the folder that is watched.
bool shim_watches(const char *path);
// Counts an operation. Returns 0 if it may go on, or the errno with which it fails. NULL as the
// path: not watched, never fails.
int shim_fails(enum gr_shim_kind kind, const char *path);
// Whether a file of that name is there, as far as was noted.
bool shim_exists(const char *path);
// Notes what was done; NULL as the path is not noted.
void shim_note_create(const char *path);
// See shim_note_create; a folder.
void shim_note_make_dir(const char *path);
// See shim_note_create.
void shim_note_write(const char *path, const void *bytes, size_t size, uint64_t offset);
// See shim_note_create.
void shim_note_truncate(const char *path, uint64_t size);
// See shim_note_create.
void shim_note_sync(const char *path);
// See shim_note_create. The folder that holds the path.
void shim_note_sync_dir_of(const char *path);
// See shim_note_create. The folder itself.
void shim_note_sync_dir(const char *path);
// See shim_note_create.
void shim_note_rename(const char *from, const char *to);
// See shim_note_create.
void shim_note_remove(const char *path);
