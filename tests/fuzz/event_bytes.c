// Fuzzes the reader of facts: any bytes are no whole fact yet, a fact that is written again as the
// same bytes, or an error with a text.
#include "fuzz.h"

#include "codec/event_bytes.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static struct gr_event_room room;
static uint8_t again[GR_EVENT_BYTES_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 0;
    for (;;) {
        struct gr_event event;
        struct gr_err err = {0};
        long used = gr_event_decode(data + at, size - at, &room, &event, &err);
        if (used < 0) {
            assert(used == -EINVAL && err.text[0] != '\0');
            return 0;
        }
        if (used == 0) {
            return 0;
        }
        bool is_packed = (data[at + 3] & 0x80) != 0;
        long size_again = is_packed ? gr_event_encode(&event, again, sizeof again)
                                    : gr_event_encode_fixed(&event, again, sizeof again);
        assert(size_again == used);
        assert(memcmp(again, data + at, (size_t)used) == 0);
        at += (size_t)used;
    }
}
