// Tests of the cache of specs before the journal's asides.
#include "daemon/specs.h"

#include "base/hash.h"
#include "codec/event_bytes.h"
#include "daemon/aside.h"
#include "daemon/fixture.h"

#include <errno.h>

static struct gr_err err;

// Writes a journal whose facts 1 to `count` are submissions, each with an aside of its own; of fact
// `other` the commitment is to something else.
static void write_journal(uint64_t count, uint64_t other)
{
    struct gr_journal *journal;
    struct gr_journal_config config = {.dir = fixture_path("journal")};
    fixture_good(gr_journal_open(&config, &journal, &err), &err);
    for (uint64_t i = 1; i <= count; i++) {
        uint8_t payload[1024], item[64], aside[128];
        struct gr_event event;
        struct gr_hash hash;
        memset(&event, 0, sizeof event);
        memset(item, 7, GR_ASIDE_SALT_BYTES);
        int size =
            snprintf((char *)item + GR_ASIDE_SALT_BYTES, 32, "spec %llu", (unsigned long long)i);
        gr_hash_init(&hash);
        gr_hash_add(&hash, item, GR_ASIDE_SALT_BYTES + (size_t)size);
        event.sequence = i;
        event.epoch = gr_journal_tip_get(journal).epoch;
        event.type = GR_JOB_SUBMITTED;
        event.version = GR_EVENT_VERSION;
        event.submitted.attempts = 1;
        event.submitted.demand.tasks = 1;
        gr_hash_end(&hash, event.submitted.commitment);
        event.submitted.commitment[5] ^= i == other;
        long took = gr_event_encode(&event, payload, sizeof payload);
        assert_true(took > 0);
        struct gr_journal_group group = {
            .first = i,
            .last = i,
            .epoch = event.epoch,
            .payload = payload,
            .payload_size = (size_t)took,
            .aside = aside,
            .aside_size = gr_aside_write(aside, i, item, GR_ASIDE_SALT_BYTES + (size_t)size)};
        fixture_good(gr_journal_append(journal, &group, i - 1, &err), &err);
        assert_int_equal(gr_journal_wait(journal, &err), 1);
    }
    gr_journal_close(journal);
}

static void expect(struct gr_specs *specs, uint64_t job, const char *text)
{
    const uint8_t *bytes;
    size_t size;
    fixture_good(gr_specs_get(specs, job, &bytes, &size, &err), &err);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(bytes, text, size);
}

static void what_is_not_in_the_cache_comes_from_the_journal(void **state)
{
    (void)state;
    struct gr_specs *specs;
    write_journal(5, 0);
    fixture_good(gr_specs_open(fixture_path("journal"), 1000, &specs, &err), &err);
    gr_specs_put(specs, 3, (const uint8_t *)"cached", 6);
    expect(specs, 3, "cached");
    expect(specs, 1, "spec 1");
    expect(specs, 5, "spec 5");
    expect(specs, 2, "spec 2"); // before the one that was read first
    const uint8_t *bytes;
    size_t size;
    assert_int_equal(gr_specs_get(specs, 6, &bytes, &size, &err), -ENOENT);
    gr_specs_close(specs);
    gr_specs_close(NULL);
}

static void the_oldest_give_way_to_the_newest(void **state)
{
    (void)state;
    struct gr_specs *specs;
    uint8_t spec[100] = {0};
    const uint8_t *bytes;
    size_t size;
    write_journal(1, 0);
    // Room for two and their headers, to the byte: found by trying.
    size_t two = 0;
    for (size_t most = 100; two == 0; most++) {
        fixture_good(gr_specs_open(fixture_path("journal"), most, &specs, &err), &err);
        gr_specs_put(specs, 10, spec, sizeof spec);
        gr_specs_put(specs, 11, spec, sizeof spec);
        if (gr_specs_get(specs, 10, &bytes, &size, &err) == 0 &&
            gr_specs_get(specs, 11, &bytes, &size, &err) == 0) {
            two = most;
        }
        gr_specs_close(specs);
    }
    for (size_t most = two - 1; most <= two + 1; most++) {
        fixture_good(gr_specs_open(fixture_path("journal"), most, &specs, &err), &err);
        for (uint64_t job = 10; job < 20; job++) {
            gr_specs_put(specs, job, spec, sizeof spec);
            assert_int_equal(gr_specs_get(specs, job, &bytes, &size, &err), 0);
            assert_int_equal(size, sizeof spec);
            assert_int_equal(gr_specs_get(specs, job - 1, &bytes, &size, &err) == 0,
                             job > 10 && most >= two);
            assert_int_not_equal(gr_specs_get(specs, job - 2, &bytes, &size, &err), 0);
        }
        gr_specs_close(specs);
    }
    fixture_good(gr_specs_open(fixture_path("journal"), 64, &specs, &err), &err);
    gr_specs_put(specs, 10, spec, sizeof spec); // larger than all there is: not kept
    assert_int_not_equal(gr_specs_get(specs, 10, &bytes, &size, &err), 0);
    gr_specs_close(specs);
}

static void an_aside_that_was_changed_is_not_believed(void **state)
{
    (void)state;
    struct gr_specs *specs;
    const uint8_t *bytes;
    size_t size;
    write_journal(3, 2);
    fixture_good(gr_specs_open(fixture_path("journal"), 1000, &specs, &err), &err);
    expect(specs, 1, "spec 1");
    assert_int_equal(gr_specs_get(specs, 2, &bytes, &size, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "backup"));
    expect(specs, 3, "spec 3");
    gr_specs_close(specs);
}

static void without_a_journal_there_is_an_error(void **state)
{
    (void)state;
    struct gr_specs *specs;
    const uint8_t *bytes;
    size_t size;
    fixture_good(gr_specs_open(fixture_path("nowhere"), 1000, &specs, &err), &err);
    assert_int_equal(gr_specs_get(specs, 1, &bytes, &size, &err), -ENOENT);
    gr_specs_close(specs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(what_is_not_in_the_cache_comes_from_the_journal),
        fixture_test(the_oldest_give_way_to_the_newest),
        fixture_test(an_aside_that_was_changed_is_not_believed),
        fixture_test(without_a_journal_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
