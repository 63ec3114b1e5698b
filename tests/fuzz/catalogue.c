// Fuzzes the loader of catalogues: any bytes either fail with a text that names the file, or make a
// catalogue that, written and loaded again, is written the same. Input that begins with 'R' is
// taken as rows, with the proper first line put before it, so that the fuzzer need not find that
// line.
#include "fuzz.h"

#include "model/catalogue.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Writes the catalogue into memory that the caller frees.
static char *write_text(const struct gr_catalogue *catalogue, size_t *ret_size)
{
    char *text = NULL;
    FILE *file = open_memstream(&text, ret_size);
    assert(file != NULL);
    gr_catalogue_write_head(file);
    for (size_t i = 0; i < catalogue->count; i++) {
        gr_catalogue_write(&catalogue->variants[i], file);
    }
    fclose(file);
    return text;
}

static void check_variant(const struct gr_catalogue *catalogue, size_t index)
{
    const struct gr_variant *variant = &catalogue->variants[index];
    assert(gr_catalogue_find(catalogue, gr_variant_name(variant)) == (int)index);
    for (enum gr_fact fact = 0; fact < GR_FACT_COUNT; fact++) {
        int64_t value = -1;
        if (gr_variant_get(variant, fact, &value)) {
            assert(value >= gr_fact_info(fact)->low && value <= gr_fact_info(fact)->high);
        } else {
            assert(value == -1);
            assert(!gr_variant_doubts(variant, fact));
        }
    }
}

static void check_round_trip(const struct gr_catalogue *catalogue)
{
    struct gr_err err = {0};
    struct gr_catalogue again;
    size_t size = 0;
    size_t size_again = 0;
    char *text = write_text(catalogue, &size);
    int code = gr_catalogue_load_bytes("written", text, size, &again, &err);
    assert(code == 0);
    char *text_again = write_text(&again, &size_again);
    assert(size == size_again);
    assert(memcmp(text, text_again, size) == 0);
    free(text);
    free(text_again);
    gr_catalogue_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_err err = {0};
    struct gr_catalogue catalogue;
    char *text = NULL;
    size_t text_size = 0;
    FILE *file = open_memstream(&text, &text_size);
    assert(file != NULL);
    if (size > 0 && data[0] == 'R') {
        gr_catalogue_write_head(file);
        data++;
        size--;
    }
    if (size > 0) {
        fwrite(data, 1, size, file);
    }
    fclose(file);
    int code = gr_catalogue_load_bytes("input", text, text_size, &catalogue, &err);
    if (code < 0) {
        assert(code == -EINVAL && err.code == code);
        assert(strncmp(err.text, "input:", 6) == 0);
    } else {
        for (size_t i = 0; i < catalogue.count; i++) {
            check_variant(&catalogue, i);
        }
        check_round_trip(&catalogue);
        gr_catalogue_done(&catalogue);
    }
    free(text);
    return 0;
}
