// Spans, moments, sizes and values of JSON objects for people: see units.h.
#include "cli/units.h"

#include "base/clock.h"
#include "base/number.h"
#include "base/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

int64_t gr_cli_now_ms(void)
{
    return gr_clock_wall_ms();
}

const char *gr_cli_span(int64_t ms, char *buffer)
{
    int64_t seconds = ms < 0 ? 0 : ms / 1000;
    int64_t minutes = seconds / 60;
    int64_t hours = minutes / 60;
    int64_t days = hours / 24;
    if (minutes == 0) {
        snprintf(buffer, GR_CLI_UNIT_SIZE, "%" PRId64 "s", seconds);
    } else if (hours == 0) {
        snprintf(buffer, GR_CLI_UNIT_SIZE, "%" PRId64 "m%02" PRId64 "s", minutes, seconds % 60);
    } else if (days == 0) {
        snprintf(buffer, GR_CLI_UNIT_SIZE, "%" PRId64 "h%02" PRId64 "m", hours, minutes % 60);
    } else if (days < 100) {
        snprintf(buffer, GR_CLI_UNIT_SIZE, "%" PRId64 "d%02" PRId64 "h", days, hours % 24);
    } else {
        snprintf(buffer, GR_CLI_UNIT_SIZE, "%" PRId64 "d", days);
    }
    return buffer;
}

const char *gr_cli_moment(int64_t ms, char *buffer)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm local;
    if (localtime_r(&seconds, &local) == NULL ||
        strftime(buffer, GR_CLI_UNIT_SIZE, "%Y-%m-%d %H:%M:%S", &local) == 0) {
        snprintf(buffer, GR_CLI_UNIT_SIZE, "%" PRId64 " ms", ms);
    }
    return buffer;
}

const char *gr_cli_memory(int64_t mib, char *buffer)
{
    static const char *const units[] = {"MiB", "GiB", "TiB", "PiB"};
    char number[GR_NUMBER_TEXT_SIZE];
    int64_t tenths = mib < 0 ? 0 : mib > INT64_MAX / 20 ? INT64_MAX / 2 : mib * 10;
    size_t unit = 0;
    while (tenths >= 10240 && unit + 1 < sizeof units / sizeof units[0]) {
        tenths = (tenths + 512) / 1024;
        unit++;
    }
    gr_number_format(tenths >= 1000 ? tenths / 10 * 10 : tenths, 1, number);
    snprintf(buffer, GR_CLI_UNIT_SIZE, "%s %s", number, units[unit]);
    return buffer;
}

bool gr_cli_get_int(const json_t *object, const char *key, int64_t *ret_value)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value)) {
        return false;
    }
    *ret_value = json_integer_value(value);
    return true;
}

int64_t gr_cli_get_int_or(const json_t *object, const char *key, int64_t otherwise)
{
    int64_t value = otherwise;
    (void)gr_cli_get_int(object, key, &value);
    return value;
}

const char *gr_cli_get_text(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? otherwise : text;
}

const char *gr_cli_get_text_in(const json_t *object, const char *key, const char *inner,
                               const char *otherwise)
{
    return gr_cli_get_text(json_object_get(object, key), inner, otherwise);
}

const char *gr_cli_get_decimal(const json_t *object, const char *key, const char *otherwise,
                               char *buffer)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) {
        return otherwise;
    }
    snprintf(buffer, GR_CLI_UNIT_SIZE, "%.15g", json_number_value(value));
    return buffer;
}

const char *gr_cli_clean(const char *text, char *buffer, size_t size)
{
    assert(size >= 4);
    size_t used = 0;
    size_t all = strlen(text);
    for (size_t at = 0; at < all;) {
        uint32_t point;
        size_t length = gr_utf8_read(text + at, all - at, &point);
        size_t step = length == 0 ? 1 : length;
        bool is_bad = length == 0 || gr_utf8_is_unruly(point);
        bool rest_fits = used + (all - at) < size;
        if (!rest_fits && used + (is_bad ? 1 : step) + 4 > size) {
            memcpy(buffer + used, "...", 4);
            return buffer;
        }
        if (is_bad) {
            buffer[used++] = '?';
        } else {
            memcpy(buffer + used, text + at, step);
            used += step;
        }
        at += step;
    }
    buffer[used] = '\0';
    return buffer;
}

size_t gr_cli_terminal_lines(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1 ? size.ws_row : 24;
}
