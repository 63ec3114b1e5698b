// UTF-8: see utf8.h. Must never read past the given size, allocate or look at the locale.
#include "base/utf8.h"

#include <assert.h>

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

size_t gr_utf8_read(const char *text, size_t size, uint32_t *ret_point)
{
    assert(size > 0);
    assert(ret_point != NULL);
    unsigned char first = (unsigned char)text[0];
    if (first < 0x80) {
        *ret_point = first;
        return 1;
    }
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length > size) {
        return 0;
    }
    uint32_t point = first & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if (!is_continuation(text[i])) {
            return 0;
        }
        point = point << 6 | ((unsigned char)text[i] & 0x3fU);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return 0;
    }
    *ret_point = point;
    return length;
}

size_t gr_utf8_check(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        uint32_t point;
        size_t length =
            (unsigned char)text[at] < 0x80 ? 1 : gr_utf8_read(text + at, size - at, &point);
        if (length == 0) {
            return at;
        }
        at += length;
    }
    return size;
}

size_t gr_utf8_count(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        count += !is_continuation(text[i]);
    }
    return count;
}

bool gr_utf8_is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

bool gr_utf8_is_unruly(uint32_t point)
{
    return gr_utf8_is_control(point) || point == 0x061c || (point >= 0x200e && point <= 0x200f) ||
           (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

struct range {
    uint32_t first;
    uint32_t last;
};

static bool in_ranges(uint32_t point, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (point >= ranges[i].first && point <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

// Blocks of combining marks and of wide characters, from the Unicode block list; whole blocks, so
// an unassigned character inside one counts as its neighbours do.
static size_t point_width(uint32_t point)
{
    static const struct range none[] = {
        {0x0300, 0x036f}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f},
        {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
    };
    static const struct range wide[] = {
        {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xac00, 0xd7a3},
        {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
        {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
    };
    if (point < 0x0300) {
        return 1;
    }
    if (in_ranges(point, none, sizeof none / sizeof none[0])) {
        return 0;
    }
    return in_ranges(point, wide, sizeof wide / sizeof wide[0]) ? 2 : 1;
}

size_t gr_utf8_width(const char *text, size_t size)
{
    size_t width = 0;
    for (size_t at = 0; at < size;) {
        uint32_t point;
        size_t length = gr_utf8_read(text + at, size - at, &point);
        width += length == 0 ? 1 : point_width(point);
        at += length == 0 ? 1 : length;
    }
    return width;
}

size_t gr_utf8_fit(const char *text, size_t size, size_t columns)
{
    size_t width = 0;
    size_t at = 0;
    while (at < size) {
        uint32_t point;
        size_t length = gr_utf8_read(text + at, size - at, &point);
        width += length == 0 ? 1 : point_width(point);
        if (width > columns) {
            break;
        }
        at += length == 0 ? 1 : length;
    }
    return at;
}
