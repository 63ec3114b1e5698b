// Fuzzes durations, sizes and signals: any text is refused, or is read as a value that is written
// and read back as the same.
#include "fuzz.h"

#include "base/quantity.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_slice text = {size == 0 ? "" : (const char *)data, size};
    char buffer[GR_QUANTITY_TEXT_SIZE];
    int64_t value = -1;
    int64_t back = -1;
    uint32_t number = 0;
    uint32_t again = 0;
    int code = gr_duration_read(text, &value);
    if (code == 0) {
        assert(value >= 0);
        code = gr_duration_read(gr_slice_of(gr_duration_format(value, buffer)), &back);
        assert(code == 0 && back == value);
    } else {
        assert((code == -EINVAL || code == -EDOM || code == -ERANGE) && value == -1);
    }
    value = -1;
    code = gr_size_read(text, &value);
    assert(code == 0 ? value >= 0 : value == -1);
    if (code == 0) {
        code = gr_size_read(gr_slice_of(gr_size_format_mib(value >> 20, buffer)), &back);
        assert(code == 0 && back == value >> 20 << 20);
    }
    if (gr_signal_read(text, &number) == 0) {
        code = gr_signal_read(gr_slice_of(gr_signal_format(number, buffer)), &again);
        assert(code == 0 && again == number && number <= 64);
    }
    return 0;
}
