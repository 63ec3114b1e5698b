// The progress line: see text.h. Must never write when standard error is not a terminal.
#include "base/text.h"

#include "base/clock.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

enum { BAR_WIDTH = 24, LINE_SIZE = 512 };

void gr_progress_init(struct gr_progress *progress, const char *label, const char *unit,
                      uint64_t total)
{
    assert(label != NULL && unit != NULL);
    *progress = (struct gr_progress){.label = label, .unit = unit, .total = total};
    gr_terminal_init(&progress->terminal, stderr);
    progress->started_ns = (uint64_t)gr_clock_ns();
}

// Counts above 10,000 are shown in thousands or millions.
static void format_rate(double rate, char *buffer, size_t size)
{
    if (rate >= 1e7) {
        snprintf(buffer, size, "%.1f M", rate / 1e6);
    } else if (rate >= 1e4) {
        snprintf(buffer, size, "%.1f k", rate / 1e3);
    } else {
        snprintf(buffer, size, rate >= 10 ? "%.0f " : "%.1f ", rate);
    }
}

static void format_time(double seconds, char *buffer, size_t size)
{
    uint64_t whole = (uint64_t)(seconds + 0.5);
    if (whole >= 3600) {
        snprintf(buffer, size, "%" PRIu64 " h %02" PRIu64 " min", whole / 3600, whole / 60 % 60);
    } else if (whole >= 60) {
        snprintf(buffer, size, "%" PRIu64 " min %02" PRIu64 " s", whole / 60, whole % 60);
    } else {
        snprintf(buffer, size, "%" PRIu64 " s", whole);
    }
}

static void format_line(const struct gr_progress *progress, uint64_t done, double seconds,
                        char *line)
{
    char rate_text[32];
    char left_text[32];
    double rate = (double)done / seconds;
    format_rate(rate, rate_text, sizeof rate_text);
    if (progress->total == 0) {
        snprintf(line, LINE_SIZE, "%s  %" PRIu64 " %s  %s%s/s", progress->label, done,
                 progress->unit, rate_text, progress->unit);
        return;
    }
    if (done > progress->total) {
        done = progress->total;
    }
    double share = (double)done / (double)progress->total;
    char bar[BAR_WIDTH + 1];
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)(share * BAR_WIDTH));
    bar[BAR_WIDTH] = '\0';
    format_time(rate > 0 ? (double)(progress->total - done) / rate : 0, left_text,
                sizeof left_text);
    snprintf(line, LINE_SIZE, "%s  [%s] %3.0f %%  %s%s/s  %s left", progress->label, bar,
             share * 100, rate_text, progress->unit, done == 0 ? "?" : left_text);
}

void gr_progress_set(struct gr_progress *progress, uint64_t done)
{
    if (!progress->terminal.is_terminal) {
        return;
    }
    uint64_t now = (uint64_t)gr_clock_ns();
    uint64_t last =
        progress->shown_ns == 0 ? progress->started_ns + 150 * 1000 * 1000 : progress->shown_ns;
    if (now < last + 100 * 1000 * 1000) {
        return;
    }
    progress->shown_ns = now;
    char line[LINE_SIZE];
    format_line(progress, done, (double)(now - progress->started_ns) / (double)SECOND_NS, line);
    fprintf(stderr, "\r\033[K%.*s", (int)progress->terminal.column_count - 1, line);
    fflush(stderr);
}

void gr_progress_done(struct gr_progress *progress)
{
    if (progress->shown_ns != 0) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        progress->shown_ns = 0;
    }
}
