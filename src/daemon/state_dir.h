// The state directory: where a pool lives on disk. One daemon at a time.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Bytes of a path in it, NUL included.
#define GR_STATE_PATH_SIZE 1024
// Bytes of the pool's secret salt.
#define GR_STATE_SALT_SIZE 32

// Where a daemon of this user keeps its state if nobody says otherwise: root /var/lib/granary, else
// $XDG_STATE_HOME/granary or ~/.local/state/granary. -ENAMETOOLONG, or -ENOENT without a home.
int gr_state_default(char ret_path[GR_STATE_PATH_SIZE], struct gr_err *err);
// DIR/NAME. Returns 0 or -ENAMETOOLONG.
int gr_state_path(const char *dir, const char *name, char ret_path[GR_STATE_PATH_SIZE],
                  struct gr_err *err);

// Makes the names in a directory durable: after a file was made or renamed there. Blocks.
int gr_state_sync(const char *dir, struct gr_err *err);

// A state directory that this process has.
struct gr_state_dir {
    char path[GR_STATE_PATH_SIZE];    // absolute
    int lock_fd;                      // holds the lock
    uint8_t salt[GR_STATE_SALT_SIZE]; // secret; makes pseudonyms of users
    bool is_made;                     // there was none: gr_state_dir_open made it
};

// Makes the directory with its parents if need be (0711: users may pass to what is theirs, not
// look), takes its lock and writes the process id into it, and reads or makes the salt (0600).
// -EBUSY with the other daemon's pid if somebody has it. Refuses a directory of another user.
int gr_state_dir_open(const char *path, struct gr_state_dir *ret_dir, struct gr_err *err);
// Takes a directory away that this process made and in which no job has ever been, with all that is
// in it; for a start that came to nothing. What cannot be removed stays. The lock is kept.
void gr_state_dir_remove(const struct gr_state_dir *dir);
// Gives the lock back. Safe on what gr_state_dir_open did not fill if lock_fd is -1.
void gr_state_dir_close(struct gr_state_dir *dir);
// Process id of the daemon that has the directory now; 0: none.
pid_t gr_state_dir_owner(const char *path);
