// Fuzzes the reader of recordings: the head of a file whose hash fits. What is taken lies within
// the file, what is refused says what was found.
#include "fuzz.h"

#include "replay/recording.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_recording recording;
    struct gr_hash hash;
    struct gr_err err;
    uint8_t *bytes = malloc(size + GR_HASH_SIZE);
    assert(bytes != NULL);
    if (size > 0) {
        memcpy(bytes, data, size);
    }
    gr_hash_init(&hash);
    gr_hash_add(&hash, bytes, size);
    gr_hash_end(&hash, bytes + size);
    gr_err_init(&err);
    int code = gr_recording_read_bytes("r", bytes, size + GR_HASH_SIZE, &recording, &err);
    if (code < 0) {
        assert(strncmp(err.text, "r: ", 3) == 0);
    } else {
        assert(recording.config.policy != NULL && recording.first > 0);
        assert(recording.facts + recording.facts_size == bytes + size);
        assert(recording.state == NULL ||
               recording.state + recording.state_size == recording.facts);
    }
    free(bytes);
    return 0;
}
