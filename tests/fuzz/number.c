// Fuzzes numbers as text: what is read can be written and is then read as the same number. The
// first byte chooses the places after the point.
#include "fuzz.h"

#include "base/number.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    unsigned digits = data[0] % (GR_NUMBER_DIGITS_MAX + 1);
    struct gr_slice text = {(const char *)data + 1, size - 1};
    int64_t whole = 0;
    int rc = gr_number_read_int(text, INT64_MIN, INT64_MAX, &whole);
    assert(rc == 0 || rc == -EINVAL || rc == -ERANGE);

    int64_t value = 0;
    int again = gr_number_read_decimal(text, digits, INT64_MIN, INT64_MAX, &value);
    assert(again == 0 || again == -EINVAL || again == -ERANGE || again == -EDOM);
    assert(rc != -ERANGE || again == -ERANGE); // a whole number that does not fit, scaled or not
    if (rc == 0 && digits == 0) {
        assert(again == 0 && value == whole);
    }
    if (again == 0) {
        char buffer[GR_NUMBER_TEXT_SIZE];
        int64_t copy = ~value;
        gr_number_format(value, digits, buffer);
        assert(gr_number_read_decimal(gr_slice_of(buffer), digits, value, value, &copy) == 0);
        assert(copy == value);
        for (unsigned places = 0; places <= digits; places++) {
            gr_number_format_fixed(value, digits, places, buffer);
        }
    }
    return 0;
}
