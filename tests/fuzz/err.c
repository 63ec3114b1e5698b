// Fuzzes error texts: whatever name or field gets into one, the text stays one line, ends with a
// NUL inside its buffer, and holds nothing that moves a terminal's cursor.
#include "fuzz.h"

#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static void check_text(const struct gr_err *err)
{
    assert(memchr(err->text, '\0', sizeof(err->text)) != NULL);
    for (const char *c = err->text; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;
        assert(byte >= 0x20);
        assert(byte != 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_err err;
    gr_err_init(&err);
    int code = gr_fail(&err, -EINVAL, "%.*s", (int)size, (const char *)data);
    assert(code == -EINVAL);
    check_text(&err);
    code = gr_err_prefix(&err, "%.*s", (int)size, (const char *)data);
    assert(code == -EINVAL);
    check_text(&err);
    return 0;
}
