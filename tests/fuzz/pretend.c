// Fuzzes the text of pretend devices: what is read has as many devices as it says, each of a known
// variant and with an address of its own; what is refused leaves nothing and says why.
#include "fuzz.h"

#include "device/pretend.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gr_catalogue catalogue; // loaded once: it does not change
    if (catalogue.count == 0) {
        assert(gr_catalogue_load(NULL, &catalogue, NULL) == 0);
    }
    char *text = malloc(size + 1);
    assert(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    struct gr_err err;
    struct gr_device *devices = NULL;
    size_t count = 0;
    gr_err_init(&err);
    int rc = gr_pretend_parse(text, &catalogue, &devices, &count, &err);
    assert(rc == 0 || (rc == -EINVAL && err.text[0] != '\0' && devices == NULL && count == 0));
    assert(count <= GR_DEVICES_MAX);
    for (size_t i = 0; i < count; i++) {
        char address[32];
        snprintf(address, sizeof address, "pretend:%zu", i);
        assert(devices[i].is_pretend && devices[i].path[0] == '\0');
        assert(strcmp(devices[i].address, address) == 0);
        assert(gr_catalogue_find(&catalogue, gr_slice_of(devices[i].variant)) >= 0);
    }
    free(devices);
    free(text);
    return 0;
}
