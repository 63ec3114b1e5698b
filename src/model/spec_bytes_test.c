// Specs survive the way to bytes and back; bytes that are not a spec are refused with the place.
#include "model/spec_bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gr_spec_room room;
static uint8_t bytes[GR_SPEC_BYTES_MAX], again[GR_SPEC_BYTES_MAX];

static const char *const argv[] = {"train", "--rate", "", "line\nline"};
static const char *const env[] = {"A=1", "B=", "C==x"};
static const char *const secrets[] = {"TOKEN=/srv/a/token"};
static const struct gr_spec_after after[] = {{.job = 12}, {.job = 13, .how = GR_AFTER_ANY}};

// A spec in which every field is set to something of its own.
static struct gr_spec full(void)
{
    return (struct gr_spec){
        .name = "night run",
        .argv = {argv, 4},
        .env = {env, 3},
        .secrets = {secrets, 1},
        .directory = "/srv/a",
        .image = "/images/b:v1",
        .output = "out.%j",
        .error = "err.%j",
        .uid = 1000,
        .gid = 1001,
        .umask = 077,
        .kind = "h20|h200",
        .class = "urgent",
        .domain = "rack:2",
        .tasks = 4,
        .devices = 1,
        .milli = 250,
        .cpu_milli = 1500,
        .memory_mib = 2048,
        .priority = 9,
        .use = 3,
        .attempts = 5,
        .requeue_on = GR_REQUEUE_NODE | GR_REQUEUE_FAILED,
        .limit_ms = 3600000,
        .stop_signal = 2,
        .notice_signal = 10,
        .notice_ms = 60000,
        .grace_ms = 5000,
        .array_first = 3,
        .array_count = 7,
        .array_step = 2,
        .array_parallel = 4,
        .after = after,
        .after_count = 2,
    };
}

static void assert_texts(const struct gr_spec_texts *a, const struct gr_spec_texts *b)
{
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        assert_string_equal(a->items[i], b->items[i]);
    }
}

static void assert_same(const struct gr_spec *a, const struct gr_spec *b)
{
    assert_string_equal(a->name, b->name);
    assert_texts(&a->argv, &b->argv);
    assert_texts(&a->env, &b->env);
    assert_texts(&a->secrets, &b->secrets);
    assert_string_equal(a->directory, b->directory);
    assert_string_equal(a->image, b->image);
    assert_string_equal(a->output, b->output);
    assert_string_equal(a->error, b->error);
    assert_string_equal(a->kind, b->kind);
    assert_string_equal(a->class, b->class);
    assert_string_equal(a->domain, b->domain);
    const uint32_t left[] = {
        a->uid,         a->gid,        a->umask,          a->tasks,         a->devices,
        a->milli,       a->cpu_milli,  a->memory_mib,     a->priority,      a->use,
        a->attempts,    a->requeue_on, a->stop_signal,    a->notice_signal, a->array_first,
        a->array_count, a->array_step, a->array_parallel, a->after_count};
    const uint32_t right[] = {
        b->uid,         b->gid,        b->umask,          b->tasks,         b->devices,
        b->milli,       b->cpu_milli,  b->memory_mib,     b->priority,      b->use,
        b->attempts,    b->requeue_on, b->stop_signal,    b->notice_signal, b->array_first,
        b->array_count, b->array_step, b->array_parallel, b->after_count};
    assert_memory_equal(left, right, sizeof left);
    assert_int_equal(a->limit_ms, b->limit_ms);
    assert_int_equal(a->notice_ms, b->notice_ms);
    assert_int_equal(a->grace_ms, b->grace_ms);
    assert_memory_equal(a->after, b->after, a->after_count * sizeof a->after[0]);
}

static long encode(const struct gr_spec *spec)
{
    long size = gr_spec_encode(spec, bytes, sizeof bytes);
    assert_true(size > 0);
    assert_int_equal(size, gr_spec_size(spec));
    return size;
}

static void assert_refused(const uint8_t *data, size_t size, const char *text)
{
    struct gr_spec spec = {.name = "untouched"};
    struct gr_err err = {0};
    assert_int_equal(gr_spec_decode(data, size, &room, &spec, &err), -EINVAL);
    assert_string_equal(spec.name, "untouched");
    if (strstr(err.text, text) == NULL) {
        fail_msg("'%s' lacks '%s'", err.text, text);
    }
}

static void a_spec_survives_the_way_there_and_back(void **state)
{
    (void)state;
    struct gr_spec spec = full();
    struct gr_spec back;
    struct gr_err err = {0};
    long size = encode(&spec);
    assert_int_equal(gr_spec_decode(bytes, (size_t)size, &room, &back, &err), 0);
    assert_same(&spec, &back);
    assert_int_equal(gr_spec_encode(&back, again, sizeof again), size);
    assert_memory_equal(bytes, again, (size_t)size);
    assert_true(back.name >= (const char *)bytes && back.name < (const char *)bytes + size);
}

static void the_form_does_not_change(void **state)
{
    (void)state;
    struct gr_spec spec = gr_spec_default();
    spec.argv = (struct gr_spec_texts){(const char *[]){"a"}, 1};
    static const uint8_t form[] = {
        1,    0,    0, 0, 129, 0, 0, 0,                  // version, bytes
        0,    0,    0, 0, 0,   0, 0, 0,   18,   0, 0, 0, // uid, gid, umask
        1,    0,    0, 0, 0,   0, 0, 0,   0xe8, 3, 0, 0, // tasks, devices, milli
        0xe8, 3,    0, 0, 0,   0, 0, 0,                  // cpu, memory
        0,    0,    0, 0, 0,   0, 0, 0,   1,    0, 0, 0,
        4,    0,    0, 0,               // priority, use, attempts, requeue on
        15,   0,    0, 0, 0,   0, 0, 0, // stop signal, notice signal
        0,    0,    0, 0, 0,   0, 0, 0,   1,    0, 0, 0,
        0,    0,    0, 0, // array
        0,    0,    0, 0, 0,   0, 0, 0,   0,    0, 0, 0,
        0,    0,    0, 0,               // limit, notice
        0x30, 0x75, 0, 0, 0,   0, 0, 0, // grace
        1,    0,    0, 0, 0,   0, 0, 0,   0,    0, 0, 0,
        0,    0,    0, 0,                    // counts
        0,    0,    0, 0, 0,   0, 0, 'a', 0, // texts
    };
    assert_int_equal(encode(&spec), sizeof form);
    assert_memory_equal(bytes, form, sizeof form);
}

static void only_a_class_needs_the_second_form(void **state)
{
    (void)state;
    struct gr_spec spec = full();
    struct gr_spec back;
    long size = encode(&spec);
    assert_int_equal(bytes[0], 2);
    bytes[0] = 1; // its texts do not add up then
    assert_int_not_equal(gr_spec_decode(bytes, (size_t)size, &room, &back, NULL), 0);
    spec.class = "";
    size = encode(&spec);
    assert_int_equal(bytes[0], 1);
    assert_int_equal(gr_spec_decode(bytes, (size_t)size, &room, &back, NULL), 0);
    assert_string_equal(back.class, "");
    bytes[0] = 0;
    assert_refused(bytes, (size_t)size, "version");
    bytes[0] = 3;
    assert_refused(bytes, (size_t)size, "version");
}

static void too_little_room_is_told(void **state)
{
    (void)state;
    struct gr_spec spec = full();
    long size = encode(&spec);
    for (long i = 0; i < size; i++) {
        assert_int_equal(gr_spec_encode(&spec, again, (size_t)i), -ENOSPC);
    }
    assert_int_equal(gr_spec_encode(&spec, again, (size_t)size), size);
}

static void a_cut_or_longer_spec_is_refused(void **state)
{
    (void)state;
    struct gr_spec spec = full();
    long size = encode(&spec);
    for (long i = 0; i < size; i++) {
        uint8_t *cut = malloc((size_t)i + 1); // of its own, so that a sanitizer sees reads behind
        memcpy(cut, bytes, (size_t)i);
        assert_refused(cut, (size_t)i, "byte ");
        if (i >= 8) { // and one that says it is whole
            cut[4] = (uint8_t)i;
            cut[5] = (uint8_t)(i >> 8);
            assert_refused(cut, (size_t)i, "byte ");
        }
        free(cut);
    }
    bytes[size] = 0;
    assert_refused(bytes, (size_t)size + 1, "another size");
    bytes[4]++;
    assert_refused(bytes, (size_t)size + 1, "left over");
    assert_refused(NULL, 0, "ends too early");
}

static void any_changed_byte_is_refused_or_another_spec(void **state)
{
    (void)state;
    struct gr_spec spec = full();
    long size = encode(&spec);
    for (long i = 0; i < size; i++) {
        for (unsigned value = 0; value < 256; value += i < 136 ? 1 : 17) {
            uint8_t was = bytes[i];
            struct gr_spec back;
            struct gr_err err = {0};
            bytes[i] = (uint8_t)value;
            if (gr_spec_decode(bytes, (size_t)size, &room, &back, &err) == 0) {
                assert_int_equal(gr_spec_encode(&back, again, sizeof again), size);
                assert_memory_equal(bytes, again, (size_t)size);
            } else {
                assert_true(strncmp(err.text, "byte ", 5) == 0);
            }
            bytes[i] = was;
        }
    }
}

static void counts_beyond_their_limits_are_refused(void **state)
{
    (void)state;
    struct gr_spec spec = full();
    long size = encode(&spec);
    static const struct {
        size_t at;
        const char *text;
    } counts[] = {{104, "arguments"}, {108, "variables"}, {112, "secrets"}, {116, "wait for"}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        uint8_t was[4];
        memcpy(was, bytes + counts[i].at, 4);
        memset(bytes + counts[i].at, 0xff, 4);
        assert_refused(bytes, (size_t)size, counts[i].text);
        memcpy(bytes + counts[i].at, was, 4);
    }
    bytes[0] = 3;
    assert_refused(bytes, (size_t)size, "version");
}

static void an_ill_formed_spec_is_refused_by_its_field(void **state)
{
    (void)state;
    struct gr_spec spec = full();
    spec.tasks = 0;
    long size = encode(&spec);
    assert_refused(bytes, (size_t)size, "tasks must be 1 to 65536");
}

static void the_largest_spec_passes_and_one_byte_more_does_not(void **state)
{
    (void)state;
    struct gr_spec spec = gr_spec_default();
    static char text[131072];
    const char *many[9] = {text, text, text, text, text, text, text, "", "x"};
    memset(text, 'x', sizeof text - 1);
    spec.argv = (struct gr_spec_texts){many, 8};
    size_t rest = GR_SPEC_BYTES_MAX - gr_spec_size(&spec);
    assert_true(rest < sizeof text);
    many[7] = text + sizeof text - 1 - rest;
    struct gr_spec back;
    struct gr_err err = {0};
    assert_int_equal(encode(&spec), GR_SPEC_BYTES_MAX);
    assert_int_equal(gr_spec_decode(bytes, GR_SPEC_BYTES_MAX, &room, &back, &err), 0);
    many[7]--;
    const char *why;
    assert_string_equal(gr_spec_wrong(&spec, &why), "command");
    uint8_t *large = malloc(GR_SPEC_BYTES_MAX + 1);
    assert_int_equal(gr_spec_encode(&spec, large, GR_SPEC_BYTES_MAX + 1), -ENOSPC);
    memcpy(large, bytes, GR_SPEC_BYTES_MAX);
    large[GR_SPEC_BYTES_MAX] = 0;
    assert_refused(large, GR_SPEC_BYTES_MAX + 1, "larger than 1 MiB");
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spec_survives_the_way_there_and_back),
        cmocka_unit_test(the_form_does_not_change),
        cmocka_unit_test(only_a_class_needs_the_second_form),
        cmocka_unit_test(too_little_room_is_told),
        cmocka_unit_test(a_cut_or_longer_spec_is_refused),
        cmocka_unit_test(any_changed_byte_is_refused_or_another_spec),
        cmocka_unit_test(counts_beyond_their_limits_are_refused),
        cmocka_unit_test(an_ill_formed_spec_is_refused_by_its_field),
        cmocka_unit_test(the_largest_spec_passes_and_one_byte_more_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
