// Tests of the tar reader: archives built here byte by byte, and each of them cut off and damaged.
// What GNU tar and Python write is read in image_test.c.
#include "engine/local/tar.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t archive[65536];
static size_t archive_size;

// Where a read goes on, and how many bytes at a time.
struct place {
    size_t at, size, step;
};

static long source(void *context, uint8_t *bytes, size_t size, struct gr_err *err)
{
    struct place *place = context;
    size_t left = place->size - place->at;
    (void)err;
    size = size < left ? size : left;
    size = size < place->step ? size : place->step;
    memcpy(bytes, archive + place->at, size);
    place->at += size;
    return (long)size;
}

static void sum(uint8_t *block)
{
    unsigned total = 0;
    memset(block + 148, ' ', 8);
    for (int i = 0; i < 512; i++) {
        total += block[i];
    }
    snprintf((char *)block + 148, 8, "%06o", total);
}

static uint8_t *put(const char *name, char type, const char *link, const char *data)
{
    uint8_t *block = archive + archive_size;
    memset(block, 0, 512);
    snprintf((char *)block, 100, "%s", name);
    snprintf((char *)block + 100, 8, "%07o", 0644);
    snprintf((char *)block + 124, 12, "%011o", (unsigned)strlen(data));
    block[156] = (uint8_t)type;
    snprintf((char *)block + 157, 100, "%s", link);
    memcpy(block + 257, "ustar\00000", 8);
    sum(block);
    archive_size += 512;
    memset(archive + archive_size, 0, (strlen(data) + 511) / 512 * 512);
    memcpy(archive + archive_size, data, strlen(data));
    archive_size += (strlen(data) + 511) / 512 * 512;
    return block;
}

static void begin(void)
{
    archive_size = 0;
}

static void finish(void)
{
    memset(archive + archive_size, 0, 1024);
    archive_size += 1024;
}

// Reads all. Returns how many entries, or the error; the last entry and its content are kept.
static struct gr_tar_entry last;
static char content[4096];

static int read_archive(size_t size, size_t step, struct gr_err *err)
{
    static struct gr_tar tar;
    struct place place = {.size = size, .step = step};
    int count = 0;
    int code;
    gr_tar_init(&tar, source, &place);
    while ((code = gr_tar_next(&tar, &last, err)) > 0) {
        size_t have = 0;
        long got;
        while ((got = gr_tar_read(&tar, (uint8_t *)content + have,
                                  have < sizeof(content) ? sizeof(content) - have : 0, err)) > 0) {
            have += (size_t)got;
        }
        if (got < 0) {
            return (int)got;
        }
        content[have < sizeof(content) ? have : sizeof(content) - 1] = '\0';
        count++;
    }
    return code < 0 ? code : count;
}

static int read_whole(struct gr_err *err)
{
    gr_err_init(err);
    return read_archive(archive_size, 4096, err);
}

static void entries_of_all_kinds_are_read(void **state)
{
    static const struct {
        char type;
        enum gr_tar_type is;
    } kinds[] = {
        {'0', GR_TAR_FILE},     {'\0', GR_TAR_FILE}, {'5', GR_TAR_DIRECTORY}, {'2', GR_TAR_SYMLINK},
        {'1', GR_TAR_HARDLINK}, {'6', GR_TAR_FIFO},  {'3', GR_TAR_DEVICE},    {'4', GR_TAR_DEVICE},
    };
    struct gr_err err;
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        begin();
        put("./a//b/./c", kinds[i].type, "x/y", "");
        finish();
        assert_int_equal(read_whole(&err), 1);
        assert_int_equal(last.type, kinds[i].is);
        assert_string_equal(last.name, "a/b/c");
        assert_int_equal(last.mode, 0644);
    }
    begin();
    put("file", '0', "", "some words");
    finish();
    for (size_t step = 1; step < 700; step += 97) {
        gr_err_init(&err);
        assert_int_equal(read_archive(archive_size, step, &err), 1);
        assert_string_equal(content, "some words");
    }
}

static void long_names_come_in_three_ways(void **state)
{
    struct gr_err err;
    char name[300];
    char record[400];
    (void)state;
    memset(name, 'n', sizeof(name));
    name[200] = '/';
    name[299] = '\0';
    begin();
    put("././@LongLink", 'L', "", name);
    put("cut", '0', "", "gnu");
    finish();
    assert_int_equal(read_whole(&err), 1);
    assert_string_equal(last.name, name);
    begin();
    snprintf(record, sizeof(record), "309 path=%s\n", name);
    assert_int_equal(strlen(record), 309);
    put("PaxHeaders/x", 'x', "", record);
    put("cut", '0', "", "pax");
    put("plain", '0', "", "next");
    finish();
    assert_int_equal(read_whole(&err), 2);
    assert_string_equal(last.name, "plain"); // it held for one entry
    begin();
    uint8_t *block = put("end", '0', "", "");
    snprintf((char *)block + 345, 155, "some/prefix");
    sum(block);
    finish();
    assert_int_equal(read_whole(&err), 1);
    assert_string_equal(last.name, "some/prefix/end");
}

static void wrong_archives_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *name;
        char type;
        const char *link, *data, *says;
    } cases[] = {
        {"/etc/passwd", '0', "", "", "absolute"},
        {"a/../b", '0', "", "", "upwards"},
        {"..", '5', "", "", "upwards"},
        {"x", '1', "../y", "", "upwards"},
        {"x", '1', "/y", "", "absolute"},
        {"x", '2', "", "", "nowhere"},
        {"x", 'S', "", "", "not taken"},
        {"", '0', "", "", "no name"},
        {"x", 'x', "", "nonsense", "well formed"},
        {"x", 'x', "", "9999 path=a\n", "well formed"},
        {"x", 'x', "", "5 a=\nx", "well formed"},
        {"x", 'x', "", "0 a=b\n", "well formed"},
        {"x", 'x', "", "12 size=-10\n", "no number"},
        {"x", 'x', "", "22 GNU.sparse.major=1\n", "sparse"},
    };
    struct gr_err err;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        put(cases[i].name, cases[i].type, cases[i].link, cases[i].data);
        put("next", '0', "", "");
        finish();
        int code = read_whole(&err);
        if (code != -EINVAL || strstr(err.text, cases[i].says) == NULL) {
            fail_msg("case %zu: %d \"%s\" does not say \"%s\"", i, code, err.text, cases[i].says);
        }
    }
}

static void names_are_bounded_in_length_and_depth(void **state)
{
    struct gr_err err = {0};
    static char name[3 * GR_TAR_NAME_SIZE];
    char made[GR_TAR_NAME_SIZE];
    (void)state;
    for (int depth = 1; depth < 400; depth++) {
        size_t used = 0;
        for (int i = 0; i < depth; i++) {
            used += (size_t)snprintf(name + used, sizeof(name) - used, "d/");
        }
        assert_int_equal(gr_tar_name(name, made, &err), depth <= 201 ? 0 : -EINVAL);
    }
    memset(name, 'x', 300);
    name[255] = '\0';
    assert_int_equal(gr_tar_name(name, made, &err), 0);
    name[255] = 'x';
    name[256] = '\0';
    assert_int_equal(gr_tar_name(name, made, &err), -EINVAL);
    assert_int_equal(gr_tar_name("./.", made, &err), 0);
    assert_string_equal(made, "");
}

static void sizes_that_cannot_be_are_refused(void **state)
{
    struct gr_err err;
    (void)state;
    begin();
    uint8_t *block = put("big", '0', "", "");
    memset(block + 124, 0xff, 12); // base 256, all ones
    sum(block);
    finish();
    assert_int_equal(read_whole(&err), -EINVAL);
    begin();
    block = put("big", '0', "", "");
    memcpy(block + 124, "77777777777", 11); // 8 GiB that are not there
    sum(block);
    finish();
    assert_int_equal(read_whole(&err), -EINVAL);
    assert_non_null(strstr(err.text, "cut off"));
    begin();
    block = put("odd", '0', "", "");
    memcpy(block + 124, "0x10", 4);
    sum(block);
    finish();
    assert_int_equal(read_whole(&err), -EINVAL);
}

static void cut_off_or_damaged_headers_never_pass(void **state)
{
    struct gr_err err;
    (void)state;
    begin();
    put("one", '0', "", "words");
    put("two", '5', "", "");
    finish();
    for (size_t size = 0; size < archive_size - 1024; size += 1) {
        gr_err_init(&err);
        assert_int_equal(read_archive(size, 4096, &err), -EINVAL);
    }
    for (size_t at = 0; at < 512; at++) {
        archive[at] ^= 0x01;
        assert_int_equal(read_whole(&err), -EINVAL); // its sum does not fit
        archive[at] ^= 0x01;
    }
    assert_int_equal(read_whole(&err), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_of_all_kinds_are_read),
        cmocka_unit_test(long_names_come_in_three_ways),
        cmocka_unit_test(wrong_archives_are_refused_with_a_reason),
        cmocka_unit_test(names_are_bounded_in_length_and_depth),
        cmocka_unit_test(sizes_that_cannot_be_are_refused),
        cmocka_unit_test(cut_off_or_damaged_headers_never_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
