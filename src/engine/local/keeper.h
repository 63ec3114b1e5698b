// A keeper: the process that starts an attempt's tasks, waits for them and writes down how they
// ended. One an attempt, forked from the launcher without exec; it needs nobody: it outlives the
// launcher and the daemon, and hears of wishes through the record and a signal.
#pragma once

#include "engine/local/cgroup.h"
#include "engine/local/person_cache.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

// The signal that says: look at the wish in your record.
#define GR_KEEPER_SIGNAL SIGUSR1

// Type of a hint that is followed by a person (gr_person_pack) of `since_ms` bytes.
#define GR_KEEPER_HINT_PERSON 100u

// Type of a hint that the file `parts` (part_files.h) is another.
#define GR_KEEPER_HINT_PARTS 101u

// What a keeper says to the launcher through a pipe: "there is news in my record". May be lost; the
// record counts.
struct gr_keeper_hint {
    uint64_t job;     // id
    uint32_t attempt; // of the job
    uint32_t type;    // GR_REPORT_STARTED or GR_REPORT_IDLE, or GR_KEEPER_HINT_*
    int64_t since_ms; // since when, Unix time
};

// What a keeper gets from the launcher. Borrowed; the process is the keeper's own.
struct gr_keeper_config {
    const char *dir;                       // the engine's directory, absolute
    pid_t launcher;                        // who forked it
    int attempts;                          // DIR/attempts, open
    int record;                            // the attempt's record, open and locked
    int hints;                             // pipe to the launcher, non-blocking
    const struct gr_cgroup_means *means;   // what control groups can do
    const struct gr_person_cache *persons; // submitters that are known
    const char *checks;                    // see gr_local_config
    const char *crun, *runc;               // paths of the programs; "": none
    const char *server, *door;             // see gr_local_config; "": none
    int64_t idle_warn_ms;                  // 0: never
    struct rlimit files;                   // limit of open files that tasks get
    int oom_adjust;                        // that tasks get; INT_MIN: as it is
    const uint8_t *order;                  // bytes (order.h)
    size_t order_size;
};

// Runs the attempt and ends the process. GR_KEEPER_SIGNAL and SIGCHLD must be blocked and have
// handlers. Never returns.
_Noreturn void gr_keeper_run(const struct gr_keeper_config *config);
