// The submitter on this machine: what a login would give to that uid.
#pragma once

#include "base/err.h"
#include "model/spec.h"

#include <stdint.h>
#include <sys/types.h>

// A person. Caller's memory, about 10 KiB.
struct gr_person {
    uint32_t uid, gid;                // numbers, as the spec has them
    char name[256];                   // "" if the machine knows no such user
    char home[4096];                  // "/" then
    char shell[4096];                 // "/bin/sh" then
    gid_t groups[GR_SPEC_GROUPS_MAX]; // supplementary, `gid` among them
    uint32_t group_count;
};

// Finds name, home, shell and groups of `uid`, with `gid` as the first group. A uid that the
// machine does not know is no error: it has that one group only. -E2BIG with a text if it is in
// more groups than GR_SPEC_GROUPS_MAX. Asks the name service: may block.
int gr_person_find(uint32_t uid, uint32_t gid, struct gr_person *ret_person, struct gr_err *err);
// Takes on a person's groups, gid and uid in the calling process, for good, and checks that there
// is no way back. A process that is not root must have that uid already; its groups stay. Returns 0
// or -errno with a text: then the process must not go on.
int gr_person_become(const struct gr_person *person, struct gr_err *err);
// Takes on a person's rights on files only, to open something in its name; with NULL back to the
// process's own. Only for root; for others nothing happens. Returns 0 or -errno with a text.
int gr_person_act(const struct gr_person *person, struct gr_err *err);
