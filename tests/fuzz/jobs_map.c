// Fuzzes the reader of maps: what is taken ends inside its buffers, what is refused has a text.
#include "fuzz.h"

#include "replay/jobs_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(size + 1, 1);
    assert(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    struct gr_jobs_map map;
    struct gr_err err;
    gr_err_init(&err);
    if (gr_jobs_map_parse(text, &map, &err) < 0) {
        assert(strncmp(err.text, "map entry ", 10) == 0);
    } else {
        for (size_t i = 0; i < GR_JOBS_FIELDS; i++) {
            assert(memchr(map.sources[i].column, '\0', GR_JOBS_TEXT_SIZE) != NULL);
            assert(memchr(map.sources[i].text, '\0', GR_JOBS_TEXT_SIZE) != NULL);
        }
    }
    free(text);
    return 0;
}
