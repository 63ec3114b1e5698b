// Levels of domains by name, and what a job says of the domain that its tasks share.
#pragma once

#include "base/slice.h"

#include <stdint.h>

// Names of the levels, wide to narrow, NULL-terminated: level l has the name at l - 1. Static
// memory.
extern const char *const gr_domain_names[];

// Reads "rack" (all tasks share one domain of that level) or "rack:8" (each 8 share one); a level
// may also be its number, 1 to 4. `tasks`: of the job. Returns NULL and level (1 to
// GR_DOMAIN_LEVELS) and tasks a domain (0: all of them), or a phrase that says what it must be;
// static text, and nothing is stored.
const char *gr_domain_read(struct gr_slice text, uint32_t tasks, uint8_t *ret_level,
                           uint32_t *ret_domain_tasks);
