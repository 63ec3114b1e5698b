// Terms of a replay's queue: see terms_text.h.
#include "replay/terms_text.h"

#include "base/number.h"
#include "base/quantity.h"
#include "base/slice.h"
#include "base/words.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

// Milli x milliseconds of devices in a thousandth of a device-hour.
#define MILLI_HOUR UINT64_C(3600000)

static const char *const keys[] = {"half-life",          "notice",  "min-run",
                                   "lost-work-per-hour", "reclaim", NULL};
enum { HALF_LIFE, NOTICE, MIN_RUN, LOST, RECLAIM };

struct gr_queue_terms gr_terms_default(void)
{
    return (struct gr_queue_terms){.half_life_ms = GR_HALF_LIFE_DEFAULT_MS,
                                   .notice_ms = GR_NOTICE_DEFAULT_MS,
                                   .lost_per_hour = GR_ANY_MILLI,
                                   .reclaim = GR_RECLAIM_BORROWED};
}

static int wrong(struct gr_slice part, const char *expected, struct gr_err *err)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    return gr_fail(err, -EINVAL, "--terms: found %s, expected %s", gr_words_quote(part, quote),
                   expected);
}

static int read_reclaim(struct gr_slice part, struct gr_slice value, uint32_t *ret_bits,
                        struct gr_err *err)
{
    static const struct {
        const char *word;
        uint32_t bits;
    } words[] = {{"nothing", 0},
                 {"borrowed", GR_RECLAIM_BORROWED},
                 {"priority", GR_RECLAIM_PRIORITY},
                 {"borrowed+priority", GR_RECLAIM_BORROWED | GR_RECLAIM_PRIORITY}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (gr_slice_is(value, words[i].word)) {
            *ret_bits = words[i].bits;
            return 0;
        }
    }
    return wrong(part, "reclaim=nothing, borrowed, priority or borrowed+priority", err);
}

static int read_lost(struct gr_slice part, struct gr_slice value, uint64_t *ret_lost,
                     struct gr_err *err)
{
    int64_t milli_hours = 0;
    if (gr_slice_is(value, "any")) {
        *ret_lost = GR_ANY_MILLI;
        return 0;
    }
    if (gr_number_read_decimal(value, 3, 0, (int64_t)GR_QUOTA_MILLI_MAX, &milli_hours) < 0) {
        return wrong(part, "lost-work-per-hour=DEVICE-HOURS or any", err);
    }
    *ret_lost = (uint64_t)milli_hours * MILLI_HOUR;
    return 0;
}

static int read_part(struct gr_slice part, struct gr_queue_terms *terms, struct gr_err *err)
{
    const char *mark = memchr(part.text, '=', part.size);
    struct gr_slice key = {part.text, mark == NULL ? part.size : (size_t)(mark - part.text)};
    struct gr_slice value = mark == NULL ? (struct gr_slice){"", 0}
                                         : (struct gr_slice){mark + 1, part.size - key.size - 1};
    size_t which = 0;
    while (keys[which] != NULL && !gr_slice_is(key, keys[which])) {
        which++;
    }
    if (keys[which] == NULL || mark == NULL) {
        return wrong(part, "half-life=, notice=, min-run=, lost-work-per-hour= or reclaim=", err);
    }
    if (which == RECLAIM) {
        return read_reclaim(part, value, &terms->reclaim, err);
    }
    if (which == LOST) {
        return read_lost(part, value, &terms->lost_per_hour, err);
    }
    int64_t ms = 0;
    if (gr_duration_read(value, &ms) < 0 || ms > GR_QUEUE_MS_MAX) {
        return wrong(part, "a duration such as 30s, 10m, 7d or 0, at most ten years", err);
    }
    *(which == HALF_LIFE ? &terms->half_life_ms
      : which == NOTICE  ? &terms->notice_ms
                         : &terms->min_run_ms) = ms;
    return 0;
}

int gr_terms_read(const char *text, struct gr_queue_terms *terms, struct gr_err *err)
{
    struct gr_queue_terms read = *terms;
    for (const char *at = text;; at++) {
        size_t size = strcspn(at, ",");
        int code = read_part((struct gr_slice){at, size}, &read, err);
        if (code < 0) {
            return code;
        }
        at += size;
        if (*at == '\0') {
            break;
        }
    }
    *terms = read;
    return 0;
}
