// How the queue of a replay is run, from a text: KEY=VALUE joined by ',', with the keys that a
// declaration has (docs/formats/declaration.md):
//   half-life, notice, min-run   durations ("30s", "7d", "0")
//   lost-work-per-hour           device-hours, at most three digits behind the point; or "any"
//   reclaim                      "borrowed", "priority", "borrowed+priority" or "nothing"
#pragma once

#include "base/err.h"
#include "core/terms.h"

// What holds until something is said.
struct gr_queue_terms gr_terms_default(void);
// Reads the text over what *terms says. Returns 0, or -EINVAL with a text that quotes the part that
// is wrong and says what was expected; *terms is untouched then.
int gr_terms_read(const char *text, struct gr_queue_terms *terms, struct gr_err *err);
