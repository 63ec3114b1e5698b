// Moments as people write them: see when.h.
#include "cli/when.h"

#include "base/quantity.h"
#include "cli/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int wrong(const char *text, const char *what, struct gr_err *err)
{
    return gr_fail(err, -EINVAL, "%s: found '%.64s', expected %s", what, text, GR_CLI_WHEN_FORMS);
}

// Local time, whether or not the clocks are forward then. A day and time that no clock shows is
// moved on by mktime, as clocks are.
static int64_t local_ms(struct tm *parts)
{
    parts->tm_isdst = -1;
    return (int64_t)mktime(parts) * 1000;
}

// "Z", "+08:00" or nothing (local), up to the end. False: something else.
static bool zone_read(const char *text, struct tm *parts, int64_t *ret_ms)
{
    struct tm zone = {0};
    if (*text == '\0') {
        *ret_ms = local_ms(parts);
        return true;
    }
    const char *end = strptime(text, "%z", &zone); // takes Z, too
    if (end == NULL || *end != '\0') {
        return false;
    }
    *ret_ms = ((int64_t)timegm(parts) - zone.tm_gmtoff) * 1000;
    return true;
}

// A time of day on a day that is `days` after today; -1: today, or tomorrow if it has passed.
static bool clock_read(const char *text, int64_t now_ms, int days, int64_t *ret_ms)
{
    time_t now = (time_t)(now_ms / 1000);
    struct tm parts, today;
    if (localtime_r(&now, &today) == NULL) {
        return false;
    }
    parts = today;
    parts.tm_sec = 0;
    const char *end = strptime(text, "%H:%M", &parts);
    end = end != NULL && *end == ':' ? strptime(end, ":%S", &parts) : end;
    if (end == NULL || *end != '\0') {
        return false;
    }
    struct tm there = parts;
    there.tm_mday += days < 0 ? 0 : days;
    *ret_ms = local_ms(&there);
    if (days < 0 && *ret_ms <= now_ms) {
        parts.tm_mday++;
        *ret_ms = local_ms(&parts);
    }
    return true;
}

static bool date_read(const char *text, int64_t *ret_ms)
{
    struct tm parts = {0};
    const char *end = strptime(text, "%Y-%m-%d", &parts);
    if (end == NULL || (*end != ' ' && *end != 'T')) {
        return false;
    }
    end = strptime(end + 1, "%H:%M", &parts);
    end = end != NULL && *end == ':' ? strptime(end, ":%S", &parts) : end;
    return end != NULL && zone_read(end, &parts, ret_ms);
}

int gr_cli_when_read(const char *text, int64_t now_ms, const char *what, int64_t *ret_ms,
                     struct gr_err *err)
{
    int64_t ms;
    if (strcmp(text, "now") == 0) {
        *ret_ms = now_ms;
        return 0;
    }
    if (text[0] == '+') {
        int64_t span;
        if (gr_duration_read(gr_slice_of(text + 1), &span) < 0 || span > INT64_MAX - now_ms) {
            return wrong(text, what, err);
        }
        *ret_ms = now_ms + span;
        return 0;
    }
    bool good = strncmp(text, "today ", 6) == 0 ? clock_read(text + 6, now_ms, 0, &ms)
                : strncmp(text, "tomorrow ", 9) == 0
                    ? clock_read(text + 9, now_ms, 1, &ms)
                    : clock_read(text, now_ms, -1, &ms) || date_read(text, &ms);
    if (!good || ms < 0) {
        return wrong(text, what, err);
    }
    *ret_ms = ms;
    return 0;
}

const char *gr_cli_when_format(int64_t ms, char *buffer)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm local;
    if (localtime_r(&seconds, &local) == NULL ||
        strftime(buffer, GR_CLI_UNIT_SIZE, "%Y-%m-%d %H:%M:%S %Z", &local) == 0) {
        snprintf(buffer, GR_CLI_UNIT_SIZE, "%" PRId64 " ms", ms);
    }
    return buffer;
}
