// Numbers as text: see number.h. Must never round on reading or use floating point.
#include "base/number.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Appends one digit to a number that is kept negative, where 64 bits reach one further.
static bool push_digit(int64_t *value, char c)
{
    return !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_sub_overflow(*value, c - '0', value);
}

int gr_number_read_decimal(struct gr_slice text, unsigned digits, int64_t low, int64_t high,
                           int64_t *ret_value)
{
    assert(digits <= GR_NUMBER_DIGITS_MAX);
    assert(low <= high);
    assert(ret_value != NULL);
    size_t at = 0;
    bool minus = text.size > 0 && text.text[0] == '-';
    at += minus;
    size_t start = at;
    int64_t value = 0;
    bool fits = true;
    for (; at < text.size && is_digit(text.text[at]); at++) {
        fits = fits && push_digit(&value, text.text[at]);
    }
    if (at == start) {
        return -EINVAL;
    }
    unsigned places = 0;
    bool surplus = false;
    if (at < text.size && text.text[at] == '.') {
        size_t point = at++;
        for (; at < text.size && is_digit(text.text[at]); at++) {
            if (places < digits) {
                fits = fits && push_digit(&value, text.text[at]);
                places++;
            } else {
                surplus = surplus || text.text[at] != '0';
            }
        }
        if (at == point + 1) {
            return -EINVAL;
        }
    }
    if (at != text.size) {
        return -EINVAL;
    }
    if (surplus) {
        return -EDOM;
    }
    for (; places < digits; places++) {
        fits = fits && push_digit(&value, '0');
    }
    if (!minus) {
        fits = fits && !__builtin_sub_overflow((int64_t)0, value, &value);
    }
    if (!fits || value < low || value > high) {
        return -ERANGE;
    }
    *ret_value = value;
    return 0;
}

int gr_number_read_int(struct gr_slice text, int64_t low, int64_t high, int64_t *ret_value)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.text[i] == '.') {
            return -EINVAL;
        }
    }
    return gr_number_read_decimal(text, 0, low, high, ret_value);
}

static uint64_t power_of_ten(unsigned digits)
{
    uint64_t power = 1;
    for (unsigned i = 0; i < digits; i++) {
        power *= 10;
    }
    return power;
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

const char *gr_number_format_fixed(int64_t value, unsigned digits, unsigned places, char *buffer)
{
    assert(digits <= GR_NUMBER_DIGITS_MAX);
    assert(places <= digits);
    uint64_t step = power_of_ten(digits - places);
    uint64_t size = magnitude(value);
    uint64_t scaled = size / step + (size % step >= step - size % step && step > 1);
    uint64_t unit = power_of_ten(places);
    const char *sign = value < 0 && scaled > 0 ? "-" : "";
    if (places == 0) {
        snprintf(buffer, GR_NUMBER_TEXT_SIZE, "%s%" PRIu64, sign, scaled);
    } else {
        snprintf(buffer, GR_NUMBER_TEXT_SIZE, "%s%" PRIu64 ".%0*" PRIu64, sign, scaled / unit,
                 (int)places, scaled % unit);
    }
    return buffer;
}

const char *gr_number_format(int64_t value, unsigned digits, char *buffer)
{
    uint64_t size = magnitude(value);
    unsigned places = digits;
    while (places > 0 && size % 10 == 0) {
        size /= 10;
        places--;
    }
    return gr_number_format_fixed(value, digits, places, buffer);
}
