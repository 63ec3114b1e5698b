// Specs are well formed or the first field that is not is named: every field at its limits.
#include "model/spec.h"

#include "model/demand.h"
#include "model/spec_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const command[] = {"/bin/true"};

// A small good spec.
static struct gr_spec good(void)
{
    struct gr_spec spec = gr_spec_default();
    spec.argv = (struct gr_spec_texts){command, 1};
    return spec;
}

static void assert_good(const struct gr_spec *spec)
{
    const char *why = "";
    const char *field = gr_spec_wrong(spec, &why);
    if (field != NULL) {
        fail_msg("%s %s", field, why);
    }
}

static void assert_wrong(const struct gr_spec *spec, const char *field)
{
    const char *why = NULL;
    const char *found = gr_spec_wrong(spec, &why);
    assert_non_null(found);
    assert_string_equal(found, field);
    assert_non_null(why);
    assert_true(strlen(why) > 5);
}

// A text of `size` times 'x' after `start`, which the caller frees.
static char *long_text(const char *start, size_t size)
{
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'x', size);
    memcpy(text, start, strlen(start));
    text[size] = '\0';
    return text;
}

static void the_default_lacks_only_a_command(void **state)
{
    (void)state;
    struct gr_spec spec = gr_spec_default();
    assert_wrong(&spec, "command");
    assert_int_equal(spec.tasks, 1);
    assert_int_equal(spec.cpu_milli, 1000);
    assert_int_equal(spec.devices, 0);
    assert_int_equal(spec.attempts, 1);
    assert_int_equal(spec.stop_signal, 15);
    assert_int_equal(spec.grace_ms, 30000);
    assert_int_equal(spec.umask, 022);
    spec.argv = (struct gr_spec_texts){command, 1};
    assert_good(&spec);
}

static void numbers_have_limits(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        size_t at;
        uint32_t low, high;
        bool below; // whether `low - 1` is to be tried
    } cases[] = {
        {"umask", offsetof(struct gr_spec, umask), 0, 0777, false},
        {"tasks", offsetof(struct gr_spec, tasks), 1, 65536, true},
        {"cpu", offsetof(struct gr_spec, cpu_milli), 0, 100000000, false},
        {"memory", offsetof(struct gr_spec, memory_mib), 0, 1000000000, false},
        {"priority", offsetof(struct gr_spec, priority), 0, 255, false},
        {"use", offsetof(struct gr_spec, use), 0, GR_USES - 1, false},
        {"uid", offsetof(struct gr_spec, uid), 0, UINT32_MAX - 1, false},
        {"gid", offsetof(struct gr_spec, gid), 0, UINT32_MAX - 1, false},
        {"stop.signal", offsetof(struct gr_spec, stop_signal), 34, 64, true},
        {"stop.signal", offsetof(struct gr_spec, stop_signal), 1, 31, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gr_spec spec = good();
        uint32_t *value = (uint32_t *)((char *)&spec + cases[i].at);
        *value = cases[i].low;
        assert_good(&spec);
        *value = cases[i].high;
        assert_good(&spec);
        *value = cases[i].high + 1;
        assert_wrong(&spec, cases[i].field);
        *value = cases[i].low - 1;
        if (cases[i].below) {
            assert_wrong(&spec, cases[i].field);
        }
    }
}

static void times_have_limits(void **state)
{
    (void)state;
    struct gr_spec spec = good();
    spec.limit_ms = GR_SPEC_MS_MAX;
    spec.grace_ms = GR_SPEC_MS_MAX;
    assert_good(&spec);
    spec.limit_ms = GR_SPEC_MS_MAX + 1;
    assert_wrong(&spec, "limit");
    spec.limit_ms = -1;
    assert_wrong(&spec, "limit");
    spec.limit_ms = 0;
    spec.grace_ms = GR_SPEC_MS_MAX + 1;
    assert_wrong(&spec, "stop.grace");
    spec.grace_ms = -1;
    assert_wrong(&spec, "stop.grace");
}

static void a_notice_comes_before_the_limit(void **state)
{
    (void)state;
    struct gr_spec spec = good();
    spec.limit_ms = 1000;
    spec.notice_ms = 999;
    assert_wrong(&spec, "notice.before");
    spec.notice_signal = 10;
    assert_good(&spec);
    spec.notice_ms = 1000;
    assert_wrong(&spec, "notice.before");
    spec.notice_ms = 0;
    assert_wrong(&spec, "notice.before");
    spec.notice_ms = INT64_MIN;
    assert_wrong(&spec, "notice.before");
    spec.notice_ms = 1;
    spec.notice_signal = 65;
    assert_wrong(&spec, "notice.signal");
}

static void devices_need_a_kind_and_a_kind_devices(void **state)
{
    (void)state;
    struct gr_spec spec = good();
    spec.devices = 16;
    assert_wrong(&spec, "kind");
    spec.kind = "h20";
    assert_good(&spec);
    spec.devices = 17;
    assert_wrong(&spec, "devices");
    spec.devices = 0;
    assert_wrong(&spec, "kind");
    spec.devices = 1;
    spec.milli = 1;
    assert_good(&spec);
    spec.milli = 0;
    assert_wrong(&spec, "milli");
    spec.milli = 1001;
    assert_wrong(&spec, "milli");
    spec.milli = 999;
    spec.devices = 2;
    assert_wrong(&spec, "milli");
    spec.milli = 1000;
    assert_good(&spec);
    spec.kind = "h\n20";
    assert_wrong(&spec, "kind");
    spec.kind = "h20";
    spec.domain = "rack";
    assert_good(&spec);
    spec.domain = "racks";
    assert_wrong(&spec, "domain");
    spec.domain = "rack:2"; // of one task
    assert_wrong(&spec, "domain");
    spec.tasks = 4;
    assert_good(&spec);
}

static void attempts_and_their_reasons_go_together(void **state)
{
    (void)state;
    struct gr_spec spec = good();
    assert_int_equal(spec.requeue_on, GR_REQUEUE_RECLAIM);
    spec.requeue_on |= GR_REQUEUE_MOVE; // no attempt is counted for these
    assert_good(&spec);
    spec.requeue_on = 0;
    assert_good(&spec);
    spec.requeue_on = GR_REQUEUE_NODE;
    assert_wrong(&spec, "requeue.on");
    spec.attempts = GR_SPEC_ATTEMPTS_MAX;
    assert_good(&spec);
    spec.attempts = GR_SPEC_ATTEMPTS_MAX + 1;
    assert_wrong(&spec, "requeue.attempts");
    spec.attempts = 0;
    assert_wrong(&spec, "requeue.attempts");
    spec.attempts = 2;
    spec.requeue_on = 128;
    assert_wrong(&spec, "requeue.on");
    spec.requeue_on = 0;
    assert_wrong(&spec, "requeue.on");
}

static void arrays_have_limits(void **state)
{
    (void)state;
    struct gr_spec spec = good();
    spec.array_first = 1;
    assert_wrong(&spec, "array");
    spec.array_count = GR_SPEC_ARRAY_MAX;
    assert_good(&spec);
    spec.array_count++;
    assert_wrong(&spec, "array");
    spec.array_count = 2;
    spec.array_first = INT32_MAX - 1;
    assert_good(&spec);
    spec.array_step = 2;
    assert_wrong(&spec, "array.last");
    spec.array_first = UINT32_MAX;
    spec.array_step = UINT32_MAX;
    assert_wrong(&spec, "array.last");
    spec.array_first = 0;
    spec.array_step = 0;
    assert_wrong(&spec, "array.step");
    spec.array_step = 1;
    spec.array_parallel = GR_SPEC_ARRAY_MAX;
    assert_good(&spec);
    spec.array_parallel++;
    assert_wrong(&spec, "array.parallel");
}

static void jobs_to_wait_for_are_named_once(void **state)
{
    (void)state;
    static struct gr_spec_after after[GR_SPEC_AFTER_MAX + 1];
    for (uint32_t i = 0; i <= GR_SPEC_AFTER_MAX; i++) {
        after[i] = (struct gr_spec_after){.job = i + 1, .how = i % GR_AFTERS};
    }
    struct gr_spec spec = good();
    spec.after = after;
    spec.after_count = GR_SPEC_AFTER_MAX;
    assert_good(&spec);
    spec.after_count++;
    assert_wrong(&spec, "after");
    spec.after_count = 2;
    after[1].job = 1;
    assert_wrong(&spec, "after");
    after[1].job = 0;
    assert_wrong(&spec, "after");
    after[1] = (struct gr_spec_after){.job = 2, .how = GR_AFTERS};
    assert_wrong(&spec, "after");
    after[1] = (struct gr_spec_after){.job = 2, .reserved = 1};
    assert_wrong(&spec, "after");
}

static void texts_are_utf8_without_surprises(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80", "ab\xff", "12345678\xc0\xaf", "\xed\xa0\x80",
                                      "123456789\xf4\x90\x80\x80"};
    static const char *const odd[] = {"\n",   "a\tb",        "12345678\x1b[2J",
                                      "\x7f", "1234567\x01", "\xc2\x85"};
    struct gr_spec spec = good();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spec = good();
        spec.name = bad[i];
        assert_wrong(&spec, "name");
        spec = good();
        spec.argv = (struct gr_spec_texts){(const char *[]){"x", bad[i]}, 2};
        assert_wrong(&spec, "command");
    }
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        spec = good();
        spec.name = odd[i];
        assert_wrong(&spec, "name");
        spec.name = "";
        spec.argv = (struct gr_spec_texts){(const char *[]){"x", odd[i]}, 2};
        assert_good(&spec); // a program may be given any text
    }
    spec = good();
    spec.name = "Größe 大 \xf0\x9f\x90\x87";
    assert_good(&spec);
}

static void names_and_paths_have_limits(void **state)
{
    (void)state;
    struct gr_spec spec = good();
    char *name = long_text("", GR_SPEC_NAME_SIZE);
    char *path = long_text("/", 4096);
    spec.name = name;
    assert_wrong(&spec, "name");
    name[GR_SPEC_NAME_SIZE - 1] = '\0';
    assert_good(&spec);
    spec.directory = path;
    assert_wrong(&spec, "directory");
    path[4095] = '\0';
    assert_good(&spec);
    spec.directory = "here";
    assert_wrong(&spec, "directory");
    spec.directory = "";
    spec.image = "image";
    assert_wrong(&spec, "image");
    spec.image = "/images/a:v1";
    assert_good(&spec);
    free(name);
    free(path);
}

static void output_stays_below_the_directory(void **state)
{
    (void)state;
    static const char *const fine[] = {"a",     "%j.%a.%t.%n", "/dev/null", "a..b",
                                       "..a/b", "100%%",       "a/b/c",     "/../x",
                                       "...",   "a/...",       "%%%j"};
    static const char *const bad[] = {"..", "../a", "a/../b", "a/..", "%", "%x", "a%%%", "%j%"};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        struct gr_spec spec = good();
        spec.output = fine[i];
        assert_good(&spec);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct gr_spec spec = good();
        spec.output = bad[i];
        assert_wrong(&spec, "output");
        spec.output = "";
        spec.error = bad[i];
        assert_wrong(&spec, "error");
    }
}

static void commands_have_limits(void **state)
{
    (void)state;
    static const char *many[GR_SPEC_ARGS_MAX + 1];
    for (size_t i = 0; i <= GR_SPEC_ARGS_MAX; i++) {
        many[i] = "x";
    }
    struct gr_spec spec = good();
    spec.argv = (struct gr_spec_texts){many, GR_SPEC_ARGS_MAX};
    assert_good(&spec);
    spec.argv.count++;
    assert_wrong(&spec, "command");
    spec.argv = (struct gr_spec_texts){(const char *[]){""}, 1};
    assert_wrong(&spec, "command");
    char *text = long_text("", 131072);
    spec.argv = (struct gr_spec_texts){(const char *[]){"x", text, ""}, 3};
    assert_wrong(&spec, "command");
    text[131071] = '\0';
    assert_good(&spec);
    for (size_t i = 0; i < 8; i++) {
        many[i] = text;
    }
    spec.argv = (struct gr_spec_texts){many, 8}; // 1 MiB with the NULs, and the rest
    assert_wrong(&spec, "command");
    spec.argv.count = 7;
    assert_good(&spec);
    free(text);
}

static void variables_have_names_each_once(void **state)
{
    (void)state;
    static char room[GR_SPEC_ENV_MAX + 1][16];
    static const char *many[GR_SPEC_ENV_MAX + 1];
    struct gr_spec spec = good();
    for (size_t i = 0; i <= GR_SPEC_ENV_MAX; i++) {
        snprintf(room[i], sizeof room[i], "N%zu=v", i);
        many[i] = room[i];
    }
    spec.env = (struct gr_spec_texts){many, GR_SPEC_ENV_MAX};
    assert_good(&spec);
    many[GR_SPEC_ENV_MAX - 1] = "N7="; // a name twice, far apart
    assert_wrong(&spec, "env");
    many[GR_SPEC_ENV_MAX - 1] = "N7x=";
    spec.env.count++;
    assert_wrong(&spec, "env");
    spec.env = (struct gr_spec_texts){(const char *[]){"A=1", "B=2", "A="}, 3};
    assert_wrong(&spec, "env");
    spec.env.count = 2;
    assert_good(&spec);
    static const char *const bad[] = {"", "A", "=", "=x", "A\n=1", "A=\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spec.env = (struct gr_spec_texts){&bad[i], 1};
        assert_wrong(&spec, "env");
    }
}

static void secrets_name_files(void **state)
{
    (void)state;
    static const char *const bad[] = {"A", "A=", "=/f", "A=f", "A=/f\n", "A=./f"};
    static const char *many[GR_SPEC_SECRETS_MAX + 1];
    static char room[GR_SPEC_SECRETS_MAX + 1][16];
    struct gr_spec spec = good();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spec.secrets = (struct gr_spec_texts){&bad[i], 1};
        assert_wrong(&spec, "secrets");
    }
    for (size_t i = 0; i <= GR_SPEC_SECRETS_MAX; i++) {
        snprintf(room[i], sizeof room[i], "S%zu=/f", i);
        many[i] = room[i];
    }
    spec.secrets = (struct gr_spec_texts){many, GR_SPEC_SECRETS_MAX};
    assert_good(&spec);
    spec.secrets.count++;
    assert_wrong(&spec, "secrets");
    spec.secrets.count = 1;
    spec.env = (struct gr_spec_texts){(const char *[]){"S0=1"}, 1};
    assert_wrong(&spec, "env"); // given as a secret too
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_lacks_only_a_command),
        cmocka_unit_test(numbers_have_limits),
        cmocka_unit_test(times_have_limits),
        cmocka_unit_test(a_notice_comes_before_the_limit),
        cmocka_unit_test(devices_need_a_kind_and_a_kind_devices),
        cmocka_unit_test(attempts_and_their_reasons_go_together),
        cmocka_unit_test(arrays_have_limits),
        cmocka_unit_test(jobs_to_wait_for_are_named_once),
        cmocka_unit_test(texts_are_utf8_without_surprises),
        cmocka_unit_test(names_and_paths_have_limits),
        cmocka_unit_test(output_stays_below_the_directory),
        cmocka_unit_test(commands_have_limits),
        cmocka_unit_test(variables_have_names_each_once),
        cmocka_unit_test(secrets_name_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
