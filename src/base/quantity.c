// Durations, sizes and signals: see quantity.h. Whole numbers only; nothing is rounded.
#include "base/quantity.h"

#include "base/number.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

// Milliseconds beyond which nothing is read: what a reader's double holds exactly.
static const int64_t ms_max = (INT64_C(1) << 53) - 1;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Takes the decimal number at the front away. Empty if there is none.
static struct gr_slice take_number(struct gr_slice *text)
{
    struct gr_slice number = {text->text, 0};
    while (number.size < text->size &&
           (is_digit(text->text[number.size]) || text->text[number.size] == '.')) {
        number.size++;
    }
    text->text += number.size;
    text->size -= number.size;
    return number;
}

static bool take_text(struct gr_slice *text, const char *word)
{
    size_t size = strlen(word);
    if (text->size < size || memcmp(text->text, word, size) != 0) {
        return false;
    }
    text->text += size;
    text->size -= size;
    return true;
}

// A decimal number of units: `number` (at most nine places) times `unit`, exactly.
static int read_scaled(struct gr_slice number, int64_t unit, int64_t most, int64_t *ret_value)
{
    int64_t scaled;
    int code = gr_number_read_decimal(number, 9, 0, INT64_MAX, &scaled);
    if (code == -ERANGE) { // too many digits before the point: then there may be none behind it
        code = gr_number_read_decimal(number, 0, 0, INT64_MAX, &scaled);
        if (code < 0 || __builtin_mul_overflow(scaled, unit, &scaled) || scaled > most) {
            return -ERANGE;
        }
        *ret_value = scaled;
        return 0;
    }
    if (code < 0) {
        return code;
    }
    __int128 value = (__int128)scaled * unit;
    if (value % 1000000000 != 0) {
        return -EDOM;
    }
    if (value / 1000000000 > most) {
        return -ERANGE;
    }
    *ret_value = (int64_t)(value / 1000000000);
    return 0;
}

// ---- durations ----------------------------------------------------------------------------------

static const struct {
    const char *name;
    int64_t ms;
} durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

enum { DURATIONS = sizeof durations / sizeof *durations };

// "1h30m": numbers with units.
static int read_units(struct gr_slice text, int64_t *ret_ms)
{
    int64_t total = 0;
    for (unsigned next = 0; text.size > 0;) {
        struct gr_slice number = take_number(&text);
        unsigned unit = next;
        while (unit < DURATIONS) {
            // "m" must not take the front of "ms"
            bool whole = text.size >= 2 && text.text[0] == 'm' && text.text[1] == 's';
            if ((!whole || durations[unit].ms == 1) && take_text(&text, durations[unit].name)) {
                break;
            }
            unit++;
        }
        if (number.size == 0 || unit == DURATIONS) {
            return -EINVAL;
        }
        next = unit + 1;
        int64_t ms;
        int code = read_scaled(number, durations[unit].ms, ms_max, &ms);
        if (code < 0) {
            return code;
        }
        total += ms;
        if (total > ms_max) {
            return -ERANGE;
        }
    }
    *ret_ms = total;
    return 0;
}

// "HH:MM:SS" or "D-HH:MM:SS".
static int read_clock(struct gr_slice text, int64_t *ret_ms)
{
    static const int64_t most[] = {100000, 100000, 59, 59};
    static const int64_t unit[] = {86400000, 3600000, 60000, 1000};
    int64_t total = 0;
    bool has_days = memchr(text.text, '-', text.size) != NULL;
    for (unsigned i = has_days ? 0 : 1; i < 4; i++) {
        struct gr_slice number = take_number(&text);
        int64_t value;
        bool wide = i < 2 || number.size == 2;
        int code = gr_number_read_int(number, 0, i == 1 && has_days ? 23 : most[i], &value);
        if (code < 0 || !wide || (i < 3 && !take_text(&text, i == 0 ? "-" : ":"))) {
            return code == -ERANGE && i < 2 ? -ERANGE : -EINVAL;
        }
        total += value * unit[i];
    }
    if (text.size > 0) {
        return -EINVAL;
    }
    *ret_ms = total;
    return 0;
}

int gr_duration_read(struct gr_slice text, int64_t *ret_ms)
{
    assert(ret_ms != NULL);
    if (gr_slice_is(text, "0")) {
        *ret_ms = 0;
        return 0;
    }
    if (text.size == 0) {
        return -EINVAL;
    }
    return memchr(text.text, ':', text.size) != NULL ? read_clock(text, ret_ms)
                                                     : read_units(text, ret_ms);
}

const char *gr_duration_format(int64_t ms, char *buffer)
{
    assert(ms >= 0);
    size_t used = 0;
    for (unsigned i = 0; i < DURATIONS; i++) {
        int64_t count = ms / durations[i].ms;
        ms %= durations[i].ms;
        if (count > 0) {
            used += (size_t)snprintf(buffer + used, GR_QUANTITY_TEXT_SIZE - used, "%" PRId64 "%s",
                                     count, durations[i].name);
        }
    }
    if (used == 0) {
        snprintf(buffer, GR_QUANTITY_TEXT_SIZE, "0s");
    }
    return buffer;
}

// ---- sizes --------------------------------------------------------------------------------------

int gr_size_read(struct gr_slice text, int64_t *ret_bytes)
{
    static const char letters[] = "kmgtp";
    assert(ret_bytes != NULL);
    if (text.size == 0) {
        return -EINVAL;
    }
    struct gr_slice number = take_number(&text);
    char first = text.size == 0 ? '\0' : (char)(text.text[0] | 0x20);
    const char *letter = first == '\0' ? NULL : strchr(letters, first);
    if (number.size == 0 || letter == NULL || text.size < 2 || text.size > 3) {
        return -EINVAL;
    }
    bool binary = (text.text[1] | 0x20) == 'i';
    bool b = (text.text[text.size - 1] | 0x20) == 'b';
    if (text.size == 3 ? !binary || !b : !binary && !b) {
        return -EINVAL;
    }
    int64_t unit = 1;
    for (const char *c = letters; c <= letter; c++) {
        unit *= binary ? 1024 : 1000;
    }
    return read_scaled(number, unit, INT64_MAX, ret_bytes);
}

const char *gr_size_format_mib(int64_t mib, char *buffer)
{
    static const char *const units[] = {"MiB", "GiB", "TiB", "PiB"};
    unsigned unit = 0;
    assert(mib >= 0);
    while (unit < 3 && mib > 0 && mib % 1024 == 0) {
        mib /= 1024;
        unit++;
    }
    snprintf(buffer, GR_QUANTITY_TEXT_SIZE, "%" PRId64 "%s", mib, units[unit]);
    return buffer;
}

// ---- signals ------------------------------------------------------------------------------------

// The first and last real-time signal that programs see on Linux with glibc.
enum { RT_FIRST = 34, RT_LAST = 64 };

// By number. Linux on x86 and Arm.
static const char *const signals[] = {
    NULL,   "HUP",  "INT",  "QUIT", "ILL",    "TRAP",   "ABRT",  "BUS",  "FPE",  "KILL", "USR1",
    "SEGV", "USR2", "PIPE", "ALRM", "TERM",   "STKFLT", "CHLD",  "CONT", "STOP", "TSTP", "TTIN",
    "TTOU", "URG",  "XCPU", "XFSZ", "VTALRM", "PROF",   "WINCH", "IO",   "PWR",  "SYS",
};
static_assert(sizeof signals / sizeof *signals == 32, "numbers 0 to 31");

static bool is_word(struct gr_slice text, const char *word)
{
    return text.size == strlen(word) && strncasecmp(text.text, word, text.size) == 0;
}

static bool begins(struct gr_slice text, const char *word)
{
    return text.size >= strlen(word) && strncasecmp(text.text, word, strlen(word)) == 0;
}

// "RTMIN+2", "RTMAX-1", "RTMIN", "RTMAX".
static int read_real_time(struct gr_slice text, uint32_t *ret_number)
{
    bool up = begins(text, "RTMIN");
    if (!up && !begins(text, "RTMAX")) {
        return -EINVAL;
    }
    int64_t away = 0;
    if (text.size > 5 && (text.text[5] != (up ? '+' : '-') ||
                          gr_number_read_int((struct gr_slice){text.text + 6, text.size - 6}, 0,
                                             RT_LAST - RT_FIRST, &away) < 0)) {
        return -EINVAL;
    }
    *ret_number = (uint32_t)(up ? RT_FIRST + away : RT_LAST - away);
    return 0;
}

int gr_signal_read(struct gr_slice text, uint32_t *ret_number)
{
    assert(ret_number != NULL);
    int64_t number;
    if (gr_number_read_int(text, 1, RT_LAST, &number) == 0) {
        if (number > 31 && number < RT_FIRST) {
            return -EINVAL;
        }
        *ret_number = (uint32_t)number;
        return 0;
    }
    if (begins(text, "SIG")) {
        text = (struct gr_slice){text.text + 3, text.size - 3};
    }
    for (uint32_t i = 1; i < sizeof signals / sizeof *signals; i++) {
        if (is_word(text, signals[i])) {
            *ret_number = i;
            return 0;
        }
    }
    return read_real_time(text, ret_number);
}

const char *gr_signal_format(uint32_t number, char *buffer)
{
    if (number >= 1 && number < sizeof signals / sizeof *signals) {
        snprintf(buffer, GR_QUANTITY_TEXT_SIZE, "%s", signals[number]);
    } else if (number >= RT_FIRST && number <= RT_LAST) {
        snprintf(buffer, GR_QUANTITY_TEXT_SIZE, "RTMIN%+d", (int)number - RT_FIRST);
        buffer[number == RT_FIRST ? 5 : strlen(buffer)] = '\0';
    } else {
        snprintf(buffer, GR_QUANTITY_TEXT_SIZE, "%u", number);
    }
    return buffer;
}
