// The checkpoint files of running attempts: DIR/attempts/JOB.ATTEMPT/checkpoint, made by the
// keeper, owned by the submitter. Touching it says that the work up to then is safe.
//
// Files are watched with inotify, each watch good for one event: after it the file is left alone
// for GR_CHECKPOINTS_PAUSE_MS, then looked at and watched again, so that a file that is touched all
// the time costs no more than one that is touched now and then, and the last touch counts. What
// cannot be watched is looked at every GR_CHECKPOINTS_LOOK_MS. Nothing is remembered on disk: after
// a restart the file's time tells what was missed.
#pragma once

#include "base/err.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stdint.h>

// Name of the file in an attempt's directory.
#define GR_CHECKPOINTS_NAME "checkpoint"
// From an attempt's start to the first look: what is over sooner has little to lose.
#define GR_CHECKPOINTS_FIRST_MS 1000
// From one report to the next of the same attempt.
#define GR_CHECKPOINTS_PAUSE_MS 5000
// Between looks at what is not watched.
#define GR_CHECKPOINTS_LOOK_MS 30000
// Files that are watched at a time; those beyond are looked at.
#define GR_CHECKPOINTS_WATCHES_MAX 65536

// Other waits than those above, for tests.
struct gr_checkpoints_waits {
    int64_t first_ms, pause_ms, look_ms; // see GR_CHECKPOINTS_FIRST_MS and the others
    bool is_blind;                       // as if there were no inotify
};

struct gr_checkpoints; // opaque

// Begins, with no attempt, in the engine's directory `dir` (copied). What is to be waited for is
// added to the epoll descriptor `poll_fd`. Without inotify all files are looked at. `waits`: NULL
// for those above. Returns 0 or -errno with a text.
int gr_checkpoints_open(const char *dir, int poll_fd, const struct gr_checkpoints_waits *waits,
                        struct gr_checkpoints **ret_checkpoints, struct gr_err *err);
// Lets go of all; NULL is allowed.
void gr_checkpoints_close(struct gr_checkpoints *checkpoints);
// An attempt runs since `started_ms` (Unix time): its file counts from now on. Known already:
// nothing happens. Without memory it has no checkpoints.
void gr_checkpoints_begin(struct gr_checkpoints *checkpoints, uint64_t job, uint32_t attempt,
                          int64_t started_ms);
// An attempt ended. Returns whether its file was touched since it was last looked at: then
// *ret_report says so.
bool gr_checkpoints_end(struct gr_checkpoints *checkpoints, uint64_t job, uint32_t attempt,
                        struct gr_engine_report *ret_report);
// Reports of files that were touched: at most `most`. Returns how many. Never waits. To be called
// when `poll_fd` is readable.
unsigned gr_checkpoints_take(struct gr_checkpoints *checkpoints,
                             struct gr_engine_report *ret_reports, unsigned most);
// Attempts that are known, and how many of their files are watched or rest after an event.
void gr_checkpoints_count(const struct gr_checkpoints *checkpoints, uint32_t *ret_known,
                          uint32_t *ret_watched);
