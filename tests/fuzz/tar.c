// Fuzzes the tar reader: any bytes either fail with a text or give entries whose names stay inside:
// relative, no "." or "..", bounded; read in pieces of any size they give the same.
#include "fuzz.h"

#include "engine/local/tar.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

// Where the archive is read from, and how many bytes at a time.
struct place {
    const uint8_t *bytes;
    size_t left, step;
};

static long source(void *context, uint8_t *bytes, size_t size, struct gr_err *err)
{
    struct place *place = context;
    (void)err;
    size = size < place->left ? size : place->left;
    size = size < place->step ? size : place->step;
    if (size > 0) {
        memcpy(bytes, place->bytes, size);
    }
    place->bytes += size;
    place->left -= size;
    return (long)size;
}

static void check_name(const char *name)
{
    char again[GR_TAR_NAME_SIZE];
    struct gr_err err = {0};
    int code = gr_tar_name(name, again, &err);
    assert(code == 0);
    assert(strcmp(name, again) == 0);
    assert(name[0] != '/' && strstr(name, "//") == NULL);
}

// Reads all. Returns a sum over what was read, or the error.
static int64_t read_all(const uint8_t *data, size_t size, size_t step)
{
    static struct gr_tar tar;
    static struct gr_tar_entry entry;
    struct place place = {data, size, step};
    struct gr_err err = {0};
    uint8_t bytes[1024];
    uint64_t sum = 1;
    int code;
    gr_tar_init(&tar, source, &place);
    while ((code = gr_tar_next(&tar, &entry, &err)) > 0) {
        uint64_t total = 0;
        long got;
        check_name(entry.name);
        if (entry.type == GR_TAR_HARDLINK) {
            check_name(entry.link);
        }
        assert(entry.type >= GR_TAR_FILE && entry.type <= GR_TAR_DEVICE && entry.mode <= 07777);
        while ((got = gr_tar_read(&tar, bytes, sizeof(bytes), &err)) > 0) {
            total += (uint64_t)got;
        }
        if (got < 0) {
            code = (int)got;
            break;
        }
        assert(total == entry.size);
        sum = sum * 31 + total + strlen(entry.name);
    }
    if (code < 0) {
        assert(code == -EINVAL && err.text[0] != '\0');
        return code;
    }
    return (int64_t)(sum >> 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t once = read_all(data, size, 65536);
    int64_t again = read_all(data, size, 7);
    assert(once == again);
    (void)once;
    (void)again;
    return 0;
}
