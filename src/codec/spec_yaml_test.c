// Job files are read with the place of each fault, several jobs of a file may wait for each other,
// and every spec survives the way through JSON, YAML and bytes.
#include "codec/spec_yaml.h"

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
static struct gr_spec_input input = {.arena = &arena, .name = "job.yaml"};

static struct gr_spec_file read_good(const char *text)
{
    struct gr_spec_file file = {0};
    struct gr_err err = {0};
    if (gr_spec_file_read_bytes(&input, text, strlen(text), &file, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return file;
}

static void read_bad(const char *text, const char *message)
{
    struct gr_spec_file file = {0};
    struct gr_err err = {0};
    assert_true(gr_spec_file_read_bytes(&input, text, strlen(text), &file, &err) < 0);
    assert_null(file.specs);
    if (strstr(err.text, message) == NULL) {
        fail_msg("'%s' lacks '%s'", err.text, message);
    }
}

static void a_job_file_is_read(void **state)
{
    (void)state;
    struct gr_spec_file file = read_good("# a gang\n"
                                         "name: gang\n"
                                         "tasks: 4\n"
                                         "kind: [h20, h200]\n"
                                         "devices: 0.5\n"
                                         "memory: 80GiB\n"
                                         "limit: 01:30:00\n"
                                         "requeue: {attempts: 3, on: [node, reclaim]}\n"
                                         "stop:\n"
                                         "  signal: INT\n"
                                         "  grace: 5s\n"
                                         "after: [12: ok, 13: any]\n"
                                         "env:\n"
                                         "  SEED: 17\n"
                                         "  BLANK:\n"
                                         "umask: 027\n"
                                         "script: |\n"
                                         "  echo one\n"
                                         "  echo two\n");
    assert_int_equal(file.count, 1);
    const struct gr_spec *spec = file.specs;
    assert_string_equal(spec->name, "gang");
    assert_int_equal(spec->tasks, 4);
    assert_string_equal(spec->kind, "h20|h200");
    assert_int_equal(spec->milli, 500);
    assert_int_equal(spec->memory_mib, 81920);
    assert_int_equal(spec->limit_ms, 5400000);
    assert_int_equal(spec->attempts, 3);
    assert_int_equal(spec->stop_signal, 2);
    assert_int_equal(spec->after_count, 2);
    assert_int_equal(spec->after[1].job, 13);
    assert_int_equal(spec->after[1].how, GR_AFTER_ANY);
    assert_string_equal(spec->env.items[0], "SEED=17");
    assert_string_equal(spec->env.items[1], "BLANK=");
    assert_int_equal(spec->umask, 027);
    assert_string_equal(spec->argv.items[2], "echo one\necho two\n");
    gr_arena_reset(&arena);
}

static void faults_have_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"command: x\ntasks: 0\n",
         "job.yaml:2:8: tasks: found '0', expected a whole number from 1 to 65536"},
        {"command: x\ngpus: 8\n",
         "job.yaml:2:1: 'gpus' is not a key here; did you mean 'devices'?"},
        {"command: x\nstop:\n  grase: 5s\n",
         "job.yaml:3:3: 'grase' is not a key here; did you mean 'grace'?"},
        {"command: x\ncommand: y\n", "job.yaml:2:1: found the key 'command' again"},
        {"command: x\nenv: {A: [1]}\n", "job.yaml:2:10: env.A: found a list"},
        {"command: x\ndevices: 1\n", "job.yaml:1:1: kind: must be given with devices"},
        {"command: x\nkind: h20\n", "job.yaml:2:7: kind: is of use only with devices"},
        {"command: x\nlimit:\n", "limit: found nothing, expected a duration"},
        {"command: x\noutput: ../o\n", "job.yaml:2:9: output: must lie below"},
        {"command: x\nlimit: 1m\nnotice: {before: 2m}\n",
         "job.yaml:3:18: notice.before: must be above 0 and less than the limit"},
        {"tasks: 1\n", "job.yaml:1:1: command: must be given"},
        {"script: ''\n", "job.yaml:1:9: script: found nothing"},
        {"- command: x\n", "job.yaml:1:1: expected a mapping"},
        {"", "job.yaml:1:1: found an empty file"},
        {"command: [a, &x b]\n", "job.yaml:1:14: found an anchor"},
        {"command: !!str a\n", "found a tag"},
        {"command: a\n---\ncommand: b\n", "found a second document"},
        {"command: a\x01\n", "control character"},
        {"command: \"a\\u0007\"\n", "control character"},
        {"command: \xff\n", "job.yaml:1:10: found a byte that is not valid UTF-8"},
        {"command: x\nafter: {prepare: ok}\n",
         "job.yaml:2:18: after.prepare: found 'prepare', expected a job's number"},
        {"command: x\na: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}"
         "}}}}}}}}}\n",
         "nesting deeper than 16 levels"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_bad(cases[i].text, cases[i].message);
    }
    struct gr_spec_file file;
    struct gr_err err = {0};
    assert_int_equal(gr_spec_file_read(&input, "/nonexistent/job.yaml", &file, &err), -ENOENT);
    gr_arena_reset(&arena);
}

static void jobs_of_a_file_wait_for_each_other(void **state)
{
    (void)state;
    struct gr_spec_file file =
        read_good("jobs:\n"
                  "  - {name: prepare, command: a}\n"
                  "  - {name: each, command: b, after: {prepare: ok, 7: any}}\n"
                  "  - {command: c, after: [each, {job: prepare, how: any}]}\n");
    assert_int_equal(file.count, 3);
    assert_false(gr_spec_has_sibling(&file.specs[0]));
    assert_true(gr_spec_has_sibling(&file.specs[1]));
    assert_true(file.specs[1].after[0].job == GR_SPEC_SIBLING(0));
    const char *why;
    assert_string_equal(gr_spec_wrong(&file.specs[1], &why), "after");
    const uint64_t ids[] = {100, 200};
    assert_int_equal(gr_spec_link(&file.specs[0], ids, &arena), 0);
    assert_int_equal(gr_spec_link(&file.specs[1], ids, &arena), 0);
    assert_int_equal(gr_spec_link(&file.specs[2], ids, &arena), 0);
    assert_int_equal(file.specs[1].after[0].job, 100);
    assert_int_equal(file.specs[1].after[1].job, 7);
    assert_int_equal(file.specs[2].after[0].job, 200);
    assert_int_equal(file.specs[2].after[1].job, 100);
    assert_int_equal(file.specs[2].after[1].how, GR_AFTER_ANY);
    assert_null(gr_spec_wrong(&file.specs[1], &why));
    gr_arena_reset(&arena);
}

static void faults_of_several_jobs_are_told(void **state)
{
    (void)state;
    read_bad(
        "jobs:\n- {name: a, command: x, after: {b: ok}}\n- {name: b, command: x}\n",
        "job.yaml:2:36: after.b: found 'b', expected a job's number, or the name of a job above");
    read_bad("jobs:\n- {name: a, command: x}\n- {name: a, command: x}\n",
             "job.yaml:3:10: name: an earlier job of the file has this name (line 2)");
    read_bad("jobs:\n- {command: x}\ntasks: 2\n", "job.yaml:3:1: found a key beside 'jobs'");
    read_bad("jobs: []\n", "jobs: expected a list of 1 to 1000 jobs");
    read_bad("jobs: {command: x}\n", "jobs: expected a list");
    read_bad("jobs:\n- {command: x, after: {'': ok}}\n", "found ''");
    read_bad("jobs:\n- {name: a, command: x}\n- {command: x, after: [a, a]}\n", "a job twice");
    char *many = malloc(32768);
    for (int count = GR_SPEC_FILE_MAX - 1; count <= GR_SPEC_FILE_MAX + 1; count++) {
        size_t used = (size_t)sprintf(many, "jobs:\n");
        for (int i = 0; i < count; i++) {
            used += (size_t)sprintf(many + used, "- {command: x}\n");
        }
        if (count <= GR_SPEC_FILE_MAX) {
            assert_int_equal(read_good(many).count, count);
        } else {
            read_bad(many, "1 to 1000 jobs");
        }
    }
    free(many);
    gr_arena_reset(&arena);
}

// ---- there and back -----------------------------------------------------------------------------

static uint64_t seed;

// A number below `below`, from a small generator.
static uint32_t draw(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 16) % below);
}

static char *new_text(size_t size)
{
    char *text = gr_arena_take(&arena, size + 1);
    assert_non_null(text);
    text[size] = '\0';
    return text;
}

// A text of what JSON and YAML find hard. `line`: no line ends.
static const char *draw_text(const char *front, bool line)
{
    static const char *const parts[] = {"a",  "Z",    "0", " ",  "\"", "\\", "'",  ":", "#",
                                        "- ", "{",    "}", "[",  "%%", "&",  "*",  "!", "|",
                                        ">",  "true", "~", "12", "/",  "ä",  "大", "🐇", "\\n"};
    char *text = new_text(128);
    size_t used = (size_t)sprintf(text, "%s", front);
    for (uint32_t count = draw(8); count > 0; count--) {
        bool end = !line && draw(6) == 0;
        used += (size_t)sprintf(text + used, "%s",
                                end ? (draw(2) == 0 ? "\n" : "\t")
                                    : parts[draw(sizeof parts / sizeof *parts)]);
    }
    return text;
}

static struct gr_spec_texts draw_texts(const char *front, uint32_t most, uint32_t least)
{
    uint32_t count = least + draw(most - least + 1);
    const char **items = gr_arena_take(&arena, (count + 1) * sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        char name[64] = "";
        if (front[0] != '\0') {
            snprintf(name, sizeof name, "%s%u=%s", front, i, front[0] == 'S' ? "/" : "");
        }
        items[i] = draw_text(i == 0 && front[0] == '\0' ? "p" : name, front[0] == 'S');
    }
    return (struct gr_spec_texts){items, count};
}

static void draw_demand(struct gr_spec *spec)
{
    spec->tasks = 1 + draw(GR_TASKS_MAX);
    spec->devices = draw(GR_NODE_DEVICES_MAX + 1);
    spec->milli = spec->devices == 1 ? 1 + draw(GR_DEVICE_MILLI) : GR_DEVICE_MILLI;
    spec->kind = spec->devices == 0 ? "" : draw(2) == 0 ? "h20" : "cheapest:a-1|b.2|c_3";
    spec->cpu_milli = draw(2) == 0 ? draw(10000) : draw(GR_CPU_MILLI_MAX + 1);
    spec->memory_mib = draw(2) == 0 ? draw(4096) * 1024 : draw(GR_MEMORY_MIB_MAX + 1);
    spec->priority = draw(256);
    spec->use = draw(GR_USES);
    spec->umask = draw(01000);
}

static uint32_t draw_signal(void)
{
    uint32_t signal = 1 + draw(62);
    return signal >= 32 ? signal + 2 : signal;
}

static void draw_times(struct gr_spec *spec)
{
    spec->attempts = draw(2) == 0 ? 1 : 2 + draw(GR_SPEC_ATTEMPTS_MAX - 1);
    spec->requeue_on = spec->attempts == 1 ? draw(4) << 2 : 1 + draw(15);
    spec->limit_ms = draw(3) == 0 ? 0 : (int64_t)draw(UINT32_MAX) * (1 + draw(73));
    spec->stop_signal = draw_signal();
    spec->grace_ms = draw(2) == 0 ? 30000 : draw(100000000);
    if (spec->limit_ms > 1 && draw(2) == 0) {
        spec->notice_signal = draw_signal();
        spec->notice_ms = 1 + spec->limit_ms / (2 + draw(9));
        spec->notice_ms = spec->notice_ms < spec->limit_ms ? spec->notice_ms : 1;
    }
    if (draw(2) == 0) {
        spec->array_count = 1 + draw(GR_SPEC_ARRAY_MAX);
        spec->array_step = 1 + draw(1000);
        spec->array_first = draw(1000000000);
        spec->array_parallel = draw(GR_SPEC_ARRAY_MAX + 1);
    }
}

static struct gr_spec draw_spec(void)
{
    struct gr_spec spec = gr_spec_default();
    draw_demand(&spec);
    draw_times(&spec);
    spec.name = draw_text("", true);
    spec.argv = draw_texts("", 5, 1);
    spec.env = draw_texts("N", 5, 0);
    spec.secrets = draw_texts("S", 3, 0);
    spec.directory = draw(2) == 0 ? "" : draw_text("/", true);
    spec.image = draw(2) == 0 ? "" : draw_text("/", true);
    spec.output = draw(2) == 0 ? "" : draw_text("o%j-", true);
    spec.error = draw(2) == 0 ? "" : draw_text("/e", true);
    spec.after_count = draw(4);
    struct gr_spec_after *after = gr_arena_take(&arena, 4 * sizeof *after);
    for (uint32_t i = 0; i < spec.after_count; i++) {
        after[i] = (struct gr_spec_after){.job = 1 + i + (uint64_t)draw(9) * 1000000000000,
                                          .how = draw(GR_AFTERS)};
    }
    spec.after = after;
    return spec;
}

static uint8_t bytes[GR_SPEC_BYTES_MAX], again[GR_SPEC_BYTES_MAX];

static void assert_same_bytes(const struct gr_spec *spec, long size, uint64_t from)
{
    if (gr_spec_encode(spec, again, sizeof again) != size ||
        memcmp(bytes, again, (size_t)size) != 0) {
        fail_msg("the spec of seed %llu came back changed", (unsigned long long)from);
    }
}

static void every_spec_survives_json_yaml_and_bytes(void **state)
{
    (void)state;
    static struct gr_spec_room room;
    for (uint64_t from = 1; from <= 3000; from++) {
        seed = from * UINT64_C(0x9e3779b97f4a7c15);
        struct gr_spec spec = draw_spec();
        struct gr_spec back;
        struct gr_err err = {0};
        const char *why = "";
        const char *wrong = gr_spec_wrong(&spec, &why);
        if (wrong != NULL) {
            assert_string_equal(wrong, "after"); // the same job drawn twice
            continue;
        }
        long size = gr_spec_encode(&spec, bytes, sizeof bytes);
        json_t *json = gr_spec_to_json(&spec, GR_SPEC_SHOW_ENV | GR_SPEC_SHOW_SECRETS);
        char *text = json_dumps(json, JSON_COMPACT | (from % 2 == 0 ? JSON_ENSURE_ASCII : 0));
        char *yaml = gr_spec_to_yaml(&spec, GR_SPEC_SHOW_ENV | GR_SPEC_SHOW_SECRETS);
        if (gr_spec_from_json_bytes(&input, text, strlen(text), &back, &err) < 0) {
            fail_msg("seed %llu: %s: %s", (unsigned long long)from, err.text, text);
        }
        assert_same_bytes(&back, size, from);
        assert_int_equal(gr_spec_from_json(&input, json, &back, &err), 0);
        assert_same_bytes(&back, size, from);
        assert_int_equal(gr_spec_decode(bytes, (size_t)size, &room, &back, &err), 0);
        assert_same_bytes(&back, size, from);
        struct gr_spec_file file = {0};
        if (gr_spec_file_read_bytes(&input, yaml, strlen(yaml), &file, &err) < 0) {
            fail_msg("seed %llu: %s:\n%s", (unsigned long long)from, err.text, yaml);
        }
        assert_same_bytes(&file.specs[0], size, from);
        json_decref(json);
        free(text);
        free(yaml);
        gr_arena_reset(&arena);
    }
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
        cmocka_unit_test(a_job_file_is_read),
        cmocka_unit_test(faults_have_line_and_column),
        cmocka_unit_test(jobs_of_a_file_wait_for_each_other),
        cmocka_unit_test(faults_of_several_jobs_are_told),
        cmocka_unit_test(every_spec_survives_json_yaml_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
