// Specs are read field by field, good and bad, and what is wrong is named.
#include "codec/spec_json.h"

#include "codec/spec_fields.h"
#include "codec/value.h"
#include "model/demand.h"
#include "model/spec_bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gr_arena arena;
static struct gr_spec_input input = {.arena = &arena};

// Reads `{"command": ["x"], ...}` with the fields put in.
static int read_fields(const char *fields, struct gr_spec *spec, struct gr_err *err)
{
    char *text = NULL;
    assert_true(asprintf(&text, "{\"command\":[\"x\"]%s%s}", fields[0] == '\0' ? "" : ",", fields) >
                0);
    gr_arena_reset(&arena);
    int code = gr_spec_from_json_bytes(&input, text, strlen(text), spec, err);
    free(text); // the spec must not point to it
    return code;
}

static struct gr_spec good(const char *fields)
{
    struct gr_spec spec;
    struct gr_err err = {0};
    if (read_fields(fields, &spec, &err) < 0) {
        fail_msg("%s: %s", fields, err.text);
    }
    return spec;
}

static void bad(const char *fields, const char *field, const char *text)
{
    struct gr_spec spec = {.name = "untouched"};
    struct gr_err err = {0};
    if (read_fields(fields, &spec, &err) == 0) {
        fail_msg("%s was taken", fields);
    }
    if (strcmp(input.field, field) != 0 || strstr(err.text, text) == NULL) {
        fail_msg("%s: field '%s', text '%s'", fields, input.field, err.text);
    }
    assert_string_equal(spec.name, "untouched");
}

static void a_whole_job_is_read(void **state)
{
    (void)state;
    struct gr_spec spec =
        good("\"name\":\"n\\u00e4ht\",\"kind\":\"h20|h200\",\"tasks\":4,\"devices\":8,\"cpu\":1.5,"
             "\"memory\":\"80GiB\",\"limit\":\"1h30m\",\"priority\":7,\"use\":\"train\","
             "\"after\":[{\"job\":12,\"how\":\"failed\"},{\"13\":\"any\"},14],"
             "\"array\":{\"first\":1,\"last\":100,\"step\":2,\"parallel\":5},"
             "\"requeue\":{\"attempts\":3,\"on\":[\"node\",\"reclaim\"]},"
             "\"stop\":{\"signal\":\"INT\",\"grace\":\"5s\"},"
             "\"notice\":{\"signal\":\"SIGUSR2\",\"before\":\"5m\"},\"image\":\"/i:t\","
             "\"directory\":\"/d\",\"output\":\"o.%j\",\"error\":\"e\",\"umask\":\"027\","
             "\"env\":{\"A\":\"1\",\"B\":\"\"},\"secrets\":{\"T\":\"/t\"}");
    assert_string_equal(spec.name, "n\xc3\xa4ht");
    assert_string_equal(spec.kind, "h20|h200");
    assert_int_equal(spec.tasks, 4);
    assert_int_equal(spec.devices, 8);
    assert_int_equal(spec.milli, 1000);
    assert_int_equal(spec.cpu_milli, 1500);
    assert_int_equal(spec.memory_mib, 81920);
    assert_int_equal(spec.limit_ms, 5400000);
    assert_int_equal(spec.priority, 7);
    assert_int_equal(spec.use, GR_USE_TRAIN);
    assert_int_equal(spec.after_count, 3);
    assert_int_equal(spec.after[0].job, 12);
    assert_int_equal(spec.after[0].how, GR_AFTER_FAILED);
    assert_int_equal(spec.after[1].job, 13);
    assert_int_equal(spec.after[1].how, GR_AFTER_ANY);
    assert_int_equal(spec.after[2].how, GR_AFTER_OK);
    assert_int_equal(spec.array_first, 1);
    assert_int_equal(spec.array_count, 50);
    assert_int_equal(spec.array_step, 2);
    assert_int_equal(spec.array_parallel, 5);
    assert_int_equal(spec.attempts, 3);
    assert_int_equal(spec.requeue_on, GR_REQUEUE_NODE | GR_REQUEUE_RECLAIM);
    assert_int_equal(spec.stop_signal, 2);
    assert_int_equal(spec.grace_ms, 5000);
    assert_int_equal(spec.notice_signal, 12);
    assert_int_equal(spec.notice_ms, 300000);
    assert_string_equal(spec.image, "/i:t");
    assert_string_equal(spec.directory, "/d");
    assert_string_equal(spec.output, "o.%j");
    assert_string_equal(spec.error, "e");
    assert_int_equal(spec.umask, 027);
    assert_int_equal(spec.env.count, 2);
    assert_string_equal(spec.env.items[0], "A=1");
    assert_string_equal(spec.env.items[1], "B=");
    assert_string_equal(spec.secrets.items[0], "T=/t");
    assert_int_equal(spec.uid, 0);
}

static void what_is_not_given_has_its_default(void **state)
{
    (void)state;
    struct gr_spec standard = gr_spec_default();
    struct gr_spec spec = good("\"name\":null,\"tasks\":null,\"stop\":{\"grace\":null}");
    standard.argv = spec.argv;
    assert_int_equal(spec.argv.count, 1);
    uint8_t bytes[256];
    uint8_t expected[256];
    long size = gr_spec_encode(&spec, bytes, sizeof bytes);
    assert_int_equal(gr_spec_encode(&standard, expected, sizeof expected), size);
    assert_memory_equal(bytes, expected, (size_t)size);
}

static void numbers_keep_to_their_ranges(void **state)
{
    (void)state;
    assert_int_equal(good("\"tasks\":65536").tasks, 65536);
    assert_int_equal(good("\"priority\":255").priority, 255);
    assert_int_equal(good("\"cpu\":100000").cpu_milli, 100000000);
    assert_int_equal(good("\"cpu\":0.001").cpu_milli, 1);
    assert_int_equal(good("\"cpu\":0").cpu_milli, 0);
    bad("\"tasks\":0", "tasks", "found 0, expected a whole number from 1 to 65536");
    bad("\"tasks\":65537", "tasks", "found 65537, expected");
    bad("\"tasks\":-1", "tasks", "found -1");
    bad("\"tasks\":1.0", "tasks", "found 1.0");
    bad("\"tasks\":1e3", "tasks", "found 1e3");
    bad("\"tasks\":123456789012345678901234567890", "tasks", "found 1234567890");
    bad("\"tasks\":\"4\"", "tasks", "found '4', expected a whole number");
    bad("\"tasks\":true", "tasks", "found true");
    bad("\"tasks\":[1]", "tasks", "found a list");
    bad("\"tasks\":{}", "tasks", "found a mapping");
    bad("\"priority\":256", "priority", "0 to 255");
    assert_int_equal(good("\"cpu\":0.10000000000000001").cpu_milli, 100);
    assert_int_equal(good("\"cpu\":12263.050999999999").cpu_milli, 12263051);
    assert_int_equal(good("\"cpu\":99999.998999999996").cpu_milli, 99999999);
    bad("\"cpu\":0.1000000100", "cpu", "found 0.1000000100");
    bad("\"cpu\":0.10049999999999999", "cpu", "found 0.1004999");
    bad("\"cpu\":0.00000000000000001e2", "cpu", "found");
    bad("\"cpu\":100000.001", "cpu", "found 100000.001");
    bad("\"cpu\":0.0001", "cpu", "three decimal places");
    bad("\"cpu\":\"500m\"", "cpu", "(4, 0.5)");
}

static void devices_are_whole_or_a_part_of_one(void **state)
{
    (void)state;
    assert_int_equal(good("\"kind\":\"a\",\"devices\":16").devices, 16);
    struct gr_spec spec = good("\"kind\":\"a\",\"devices\":0.25");
    assert_int_equal(spec.devices, 1);
    assert_int_equal(spec.milli, 250);
    spec = good("\"kind\":\"a\",\"milli\":999");
    assert_int_equal(spec.devices, 1);
    assert_int_equal(spec.milli, 999);
    assert_int_equal(good("\"kind\":\"a\",\"milli\":1,\"devices\":1").milli, 1);
    assert_int_equal(good("\"devices\":0").devices, 0);
    bad("\"kind\":\"a\",\"devices\":17", "devices", "0 to 16");
    bad("\"kind\":\"a\",\"devices\":1.5", "devices", "found 1.5");
    bad("\"kind\":\"a\",\"devices\":0.0005", "devices", "found 0.0005");
    bad("\"kind\":\"a\",\"devices\":-1", "devices", "found -1");
    bad("\"kind\":\"a\",\"devices\":0.5,\"milli\":500", "milli", "only one of");
    bad("\"kind\":\"a\",\"devices\":2,\"milli\":500", "milli", "with one device");
    bad("\"kind\":\"a\",\"milli\":0", "milli", "1 to 1000");
    bad("\"kind\":\"a\",\"milli\":1001", "milli", "1 to 1000");
    bad("\"devices\":1", "kind", "must be given with devices");
    bad("\"kind\":\"a\"", "kind", "only with devices");
}

static void kinds_have_the_form_of_names(void **state)
{
    (void)state;
    assert_string_equal(good("\"devices\":1,\"kind\":[\"h100\",\"h200\"]").kind, "h100|h200");
    assert_string_equal(good("\"devices\":1,\"kind\":\"cheapest:a|b\"").kind, "cheapest:a|b");
    assert_string_equal(good("\"devices\":1,\"kind\":\"fastest:a|b\"").kind, "fastest:a|b");
    bad("\"devices\":1,\"kind\":\"\"", "kind", "expected a kind");
    bad("\"devices\":1,\"kind\":\"a||b\"", "kind", "found 'a||b'");
    bad("\"devices\":1,\"kind\":\"|a\"", "kind", "expected a kind");
    bad("\"devices\":1,\"kind\":\"a b\"", "kind", "expected a kind");
    bad("\"devices\":1,\"kind\":[]", "kind", "found a list");
    bad("\"devices\":1,\"kind\":[\"a\",2]", "kind[1]", "found 2");
    bad("\"devices\":1,\"kind\":20", "kind", "found 20");
}

static void sizes_and_times_need_their_units(void **state)
{
    (void)state;
    assert_int_equal(good("\"memory\":\"1000000000MiB\"").memory_mib, 1000000000);
    assert_int_equal(good("\"memory\":\"80GB\"").memory_mib, 76294); // rounded up
    assert_int_equal(good("\"memory\":\"1KiB\"").memory_mib, 1);
    assert_int_equal(good("\"memory\":0").memory_mib, 0);
    bad("\"memory\":2048", "memory", "with its unit (80GiB");
    bad("\"memory\":\"80G\"", "memory", "found '80G'");
    bad("\"memory\":\"1000000001MiB\"", "memory", "at most");
    bad("\"memory\":\"8000PiB\"", "memory", "at most");
    assert_int_equal(good("\"limit\":\"02:00:00\"").limit_ms, 7200000);
    assert_int_equal(good("\"limit\":0").limit_ms, 0);
    assert_int_equal(good("\"limit\":\"3650d\"").limit_ms, GR_SPEC_MS_MAX);
    bad("\"limit\":\"3650d1ms\"", "limit", "at most 3650d");
    bad("\"limit\":90", "limit", "with its units");
    bad("\"limit\":\"10:30\"", "limit", "found '10:30'");
    bad("\"limit\":null,\"limit\":\"1s\",\"limit\":\"1s\"", "limit", "again");
}

static void words_come_from_their_lists(void **state)
{
    (void)state;
    assert_int_equal(good("\"use\":\"batch\"").use, GR_USE_BATCH);
    bad("\"use\":\"training\"", "use", "expected other, train, serve, render or batch");
    bad("\"use\":1", "use", "found 1");
    bad("\"requeue\":{\"attempts\":2,\"on\":[\"node\",\"nod\"]}", "requeue.on[1]", "found 'nod'");
    bad("\"requeue\":{\"attempts\":2,\"on\":[]}", "requeue.on", "must be some of");
    bad("\"requeue\":{\"on\":[\"node\"]}", "requeue.on", "more than one attempt");
    assert_int_equal(good("\"name\":\"n\"").requeue_on, GR_REQUEUE_RECLAIM);
    assert_int_equal(good("\"requeue\":{\"on\":[]}").requeue_on, 0);
    assert_int_equal(good("\"requeue\":{\"on\":[\"move\"]}").requeue_on, GR_REQUEUE_MOVE);
    bad("\"requeue\":{\"attempts\":1001}", "requeue.attempts", "from 1 to 1000");
    bad("\"requeue\":{\"attempts\":2,\"on\":3}", "requeue.on",
        "a list of failed, node, reclaim or move");
    assert_int_equal(good("\"requeue\":{\"attempts\":2}").requeue_on, 7);
    assert_int_equal(good("\"requeue\":{\"attempts\":2,\"on\":\"node\"}").requeue_on, 2);
}

static void groups_are_mappings(void **state)
{
    (void)state;
    bad("\"requeue\":3", "requeue", "found 3, expected a mapping with attempts, on or part");
    bad("\"stop\":\"INT\"", "stop", "found 'INT', expected a mapping with signal or grace");
    bad("\"stop\":{\"sginal\":\"INT\"}", "stop.sginal", "did you mean 'signal'?");
    bad("\"stop\":{\"zzz\":1}", "stop.zzz", "known are signal or grace");
    bad("\"stop\":{\"signal\":\"FOO\"}", "stop.signal", "found 'FOO'");
    bad("\"stop\":{\"signal\":33}", "stop.signal", "found 33");
    bad("\"stop\":{\"signal\":1,\"signal\":2}", "stop.signal", "again");
    bad("\"stop\":{\"grace\":-1}", "stop.grace", "found -1");
    assert_int_equal(good("\"stop\":{\"signal\":10}").stop_signal, 10);
    assert_int_equal(good("\"limit\":\"1h\",\"notice\":{\"before\":\"1m\"}").notice_signal, 10);
    bad("\"notice\":{\"before\":\"1m\"}", "notice.before", "less than the limit");
    bad("\"notice\":{\"signal\":\"USR1\"}", "notice", "lacks 'before'");
    bad("\"limit\":\"1h\",\"notice\":{\"before\":0}", "notice.before", "found 0");
}

static void arrays_are_ranges(void **state)
{
    (void)state;
    struct gr_spec spec = good("\"array\":\"1-100:2%5\"");
    assert_int_equal(spec.array_first, 1);
    assert_int_equal(spec.array_count, 50);
    assert_int_equal(spec.array_step, 2);
    assert_int_equal(spec.array_parallel, 5);
    assert_int_equal(good("\"array\":\"0-65535\"").array_count, 65536);
    assert_int_equal(good("\"array\":\"7-7\"").array_count, 1);
    assert_int_equal(good("\"array\":{\"last\":5}").array_count, 6);
    assert_int_equal(good("\"array\":{\"last\":2147483647,\"first\":2147483647}").array_count, 1);
    bad("\"array\":\"0-65536\"", "array", "at most 65536");
    bad("\"array\":\"5-1\"", "array", "FIRST-LAST");
    bad("\"array\":\"1,3,5\"", "array", "found '1,3,5'");
    bad("\"array\":\"1-5:0\"", "array", "FIRST-LAST");
    bad("\"array\":\"1-5%\"", "array", "FIRST-LAST");
    bad("\"array\":\"1-2147483648\"", "array", "FIRST-LAST");
    bad("\"array\":6", "array", "FIRST-LAST");
    bad("\"array\":{\"first\":1}", "array", "lacks 'last'");
    bad("\"array\":{\"first\":2,\"last\":1}", "array", "before its first");
    bad("\"array\":{\"last\":1,\"step\":0}", "array.step", "found 0");
    bad("\"array\":{\"last\":1,\"parallel\":65537}", "array.parallel", "found 65537");
}

static void jobs_to_wait_for_have_several_forms(void **state)
{
    (void)state;
    assert_int_equal(good("\"after\":12").after[0].job, 12);
    assert_int_equal(good("\"after\":\"12\"").after[0].job, 12);
    assert_int_equal(good("\"after\":{\"12\":\"any\"}").after[0].how, GR_AFTER_ANY);
    assert_int_equal(good("\"after\":[]").after_count, 0);
    assert_int_equal(good("\"after\":[{\"job\":9223372036854775807}]").after[0].job, INT64_MAX);
    bad("\"after\":[9223372036854775808]", "after[0]", "a job's number");
    bad("\"after\":[0]", "after[0]", "found '0'");
    bad("\"after\":\"afterok:12\"", "after", "found 'afterok:12'");
    bad("\"after\":true", "after", "found true");
    bad("\"after\":{\"12\":\"okay\"}", "after.12", "expected ok, failed or any");
    bad("\"after\":[{\"how\":\"ok\",\"job\":1},{\"how\":\"ok\",\"jub\":1}]", "after[1]", "'jub'");
    bad("\"after\":[{\"job\":1,\"job\":2}]", "after[0]", "each once");
    bad("\"after\":[{}]", "after[0]", "lacks 'job'");
    bad("\"after\":[[1]]", "after[0]", "found a list");
    bad("\"after\":[12,12]", "after", "a job twice");
    char many[4096] = "\"after\":[1";
    for (int i = 2; i <= 256; i++) {
        size_t used = strlen(many);
        snprintf(many + used, sizeof many - used, ",%d", i);
    }
    size_t used = strlen(many);
    snprintf(many + used, sizeof many - used, "]");
    assert_int_equal(good(many).after_count, 256);
    snprintf(many + used, sizeof many - used, ",257]");
    bad(many, "after", "at most 256");
}

static void commands_are_lists_or_for_the_shell(void **state)
{
    (void)state;
    struct gr_err err = {0};
    struct gr_spec spec;
    static const struct {
        const char *json;
        uint32_t count;
        const char *last_but_one;
    } cases[] = {
        {"{\"command\":\"echo $X\"}", 3, "-c"},
        {"{\"script\":\"echo 1\\necho 2\\n\"}", 3, "-c"},
        {"{\"script\":\"#!/bin/bash\\necho\"}", 3, "-c"},
        {"{\"script\":\"#! /bin/sh -eu\\necho\"}", 4, "-c"},
        {"{\"script\":\"#!/usr/bin/env python3\\nprint()\"}", 4, "-c"},
        {"{\"script\":\"#!/usr/bin/perl -w\\nprint 1\"}", 4, "-e"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int code =
            gr_spec_from_json_bytes(&input, cases[i].json, strlen(cases[i].json), &spec, &err);
        assert_int_equal(code, 0);
        assert_int_equal(spec.argv.count, cases[i].count);
        assert_string_equal(spec.argv.items[spec.argv.count - 2], cases[i].last_but_one);
    }
    static const struct {
        const char *json, *field, *text;
    } wrong[] = {
        {"{}", "command", "must be given"},
        {"{\"command\":[]}", "command", "found a list"},
        {"{\"command\":\"\"}", "command", "found nothing"},
        {"{\"command\":[\"\"]}", "command", "must be given"},
        {"{\"command\":[\"sleep\",10]}", "command[1]", "found 10, expected a text (in quotes"},
        {"{\"command\":{\"a\":1}}", "command", "found a mapping"},
        {"{\"command\":\"a\",\"script\":\"b\"}", "script", "beside 'command'"},
        {"{\"script\":\"#!\\n\"}", "script", "names no program"},
        {"{\"script\":[\"a\"]}", "script", "a program text"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(
            gr_spec_from_json_bytes(&input, wrong[i].json, strlen(wrong[i].json), &spec, &err),
            -EINVAL);
        print_message("%s: %s\n", wrong[i].json, err.text);
        assert_string_equal(input.field, wrong[i].field);
        assert_non_null(strstr(err.text, wrong[i].text));
    }
}

static void environments_are_mappings_of_texts(void **state)
{
    (void)state;
    bad("\"env\":[\"A=1\"]", "env", "a mapping of names to texts");
    bad("\"env\":{\"A\":1}", "env.A", "found 1, expected a text (in quotes");
    bad("\"env\":{\"A\":null}", "env.A", "found nothing");
    bad("\"env\":{\"A=B\":\"1\"}", "env.A=B", "without '='");
    bad("\"env\":{\"\":\"1\"}", "env.", "without '='");
    bad("\"env\":{\"A\":\"1\",\"A\":\"2\"}", "env", "a name twice");
    bad("\"env\":{\"A\":\"1\"},\"secrets\":{\"A\":\"/f\"}", "env", "once in secrets");
    bad("\"secrets\":{\"A\":\"f\"}", "secrets", "absolute path");
    bad("\"secrets\":{\"A\":{\"file\":\"/f\"}}", "secrets.A", "a path");
    bad("\"umask\":18", "umask", "octal digits in quotes");
    bad("\"umask\":\"1000\"", "umask", "octal");
    bad("\"umask\":\"8\"", "umask", "octal");
    assert_int_equal(good("\"umask\":\"0777\"").umask, 0777);
    assert_int_equal(good("\"umask\":\"0\"").umask, 0);
}

static void relative_paths_begin_at_the_base(void **state)
{
    (void)state;
    static const char fields[] =
        "\"directory\":\".\",\"image\":\"./a/b:t\",\"secrets\":{\"T\":\"t\"},"
        "\"output\":\"o\"";
    input.base = "/srv/a";
    struct gr_spec spec = good(fields);
    assert_string_equal(spec.directory, "/srv/a");
    assert_string_equal(spec.image, "/srv/a/a/b:t");
    assert_string_equal(spec.secrets.items[0], "T=/srv/a/t");
    assert_string_equal(spec.output, "o");
    assert_string_equal(good("\"directory\":\"/x\"").directory, "/x");
    assert_string_equal(good("\"directory\":\"new\"").directory, "");
    assert_ptr_equal(good("\"directory\":\"new\"").directory, gr_spec_new);
    spec = good("\"directory\":\"new\"");
    json_t *json = gr_spec_to_json(&spec, 0);
    assert_string_equal(json_string_value(json_object_get(json, "directory")), "new");
    json_decref(json);
    assert_string_equal(good("\"directory\":\"./new\"").directory, "/srv/a/new");
    input.base = "/";
    assert_string_equal(good("\"directory\":\"x\"").directory, "/x");
    input.base = NULL;
    bad(fields, "secrets", "absolute path");
    bad("\"directory\":\".\"", "directory", "absolute path");
}

static void other_systems_words_are_understood(void **state)
{
    (void)state;
    bad("\"gpus\":1", "gpus", "'gpus' is not a key here; did you mean 'devices'?");
    bad("\"cpus-per-task\":1", "cpus-per-task", "did you mean 'cpu'?");
    bad("\"jobName\":1", "jobName", "did you mean 'name'?");
    bad("\"workDir\":1", "workDir", "did you mean 'directory'?");
    bad("\"tsaks\":1", "tsaks", "did you mean 'tasks'?");
    bad("\"resources\":1", "resources", "at the outermost level");
    bad("\"qqq\":1", "qqq", "known are name, kind,");
    bad("\"\":1", "", "known are");
    bad("\"tasks\":1,\"tasks\":1", "tasks", "found the key again");
}

static int done(void **state)
{
    (void)state;
    gr_arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_job_is_read),
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(numbers_keep_to_their_ranges),
        cmocka_unit_test(devices_are_whole_or_a_part_of_one),
        cmocka_unit_test(kinds_have_the_form_of_names),
        cmocka_unit_test(sizes_and_times_need_their_units),
        cmocka_unit_test(words_come_from_their_lists),
        cmocka_unit_test(groups_are_mappings),
        cmocka_unit_test(arrays_are_ranges),
        cmocka_unit_test(jobs_to_wait_for_have_several_forms),
        cmocka_unit_test(commands_are_lists_or_for_the_shell),
        cmocka_unit_test(environments_are_mappings_of_texts),
        cmocka_unit_test(relative_paths_begin_at_the_base),
        cmocka_unit_test(other_systems_words_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
