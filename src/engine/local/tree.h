// Removes folders that others have filled: never follows a link, never leaves the folder.
#pragma once

#include <stdbool.h>

// Removes `name` (a file, a link, or a folder with all in it) from the folder behind `dir_fd`. A
// mount below stays, with -EBUSY. Works for trees of any depth with a bounded number of file
// descriptors. Returns 0 (also if there was nothing) or the first -errno, with the rest removed.
int gr_tree_remove(int dir_fd, const char *name);
// Makes the path (below `dir_fd`, or absolute) with all folders above it, mode `mode`. Returns 0
// also if it is there, or -errno.
int gr_tree_make(int dir_fd, const char *path, unsigned mode);
