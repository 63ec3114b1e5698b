// Fuzzes the reader of recorded orders: what is taken is in range, what is refused has a place.
#include "fuzz.h"

#include "replay/order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t *numbers = NULL;
    size_t count = 0;
    struct gr_err err;
    gr_err_init(&err);
    int code = gr_order_read_bytes("o.txt", size > 0 ? (const char *)data : "", size, 42, 100, 50,
                                   &numbers, &count, &err);
    if (code < 0) {
        assert(strncmp(err.text, "o.txt:", 6) == 0);
        assert(numbers == NULL);
    } else {
        assert(count >= 1 && count <= 50);
        for (size_t i = 0; i < count; i++) {
            assert(numbers[i] < 100);
        }
        free(numbers);
    }
    return 0;
}
