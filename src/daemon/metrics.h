// What the files that write metrics share: heads of families and labels, as OpenMetrics 1.0 wants
// them.
#pragma once

#include "daemon/daemon.h"

#include <stdio.h>

// Writes a family's head, before its samples. `unit` is "" if it has none.
void gr_metrics_family(FILE *out, const char *name, const char *type, const char *unit,
                       const char *help);
// Writes a label; of its value what must be escaped is.
void gr_metrics_label(FILE *out, const char *name, const char *value, bool is_first);
// Writes when a counter that begins anew with the daemon began: behind its sample. `labels` with
// braces, or "".
void gr_metrics_created(FILE *out, const char *name, const char *labels, int64_t created_ms);

// --- metrics_queue.c

// Writes what is taken back and lost, waits, quotas that `who` may see, holds, reserved room and
// estimates.
void gr_metrics_queue(FILE *out, struct gr_daemon *daemon, const struct gr_identity *who);
