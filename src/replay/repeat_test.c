// Tests of recordings: a small history made by hand is written, read, repeated, damaged.
#include "replay/repeat.h"

#include "codec/event_bytes.h"
#include "core/save.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// A pool of one node of two devices, whose facts are kept as bytes.
struct day {
    struct gr_recording recording;
    struct gr_core *core;
    uint8_t facts[1 << 16];
    uint8_t state[1 << 20];
    struct gr_piece pieces[4];
    int64_t at_ms;
};

static void fact(struct day *day, const struct gr_event *event)
{
    assert_int_equal(gr_core_check(day->core, event), GR_REFUSED_NOTHING);
    long size = gr_event_encode(event, day->facts + day->recording.facts_size,
                                sizeof day->facts - day->recording.facts_size);
    assert_true(size > 0);
    day->recording.facts_size += (size_t)size;
    day->recording.last = event->sequence;
    (void)gr_core_apply(day->core, event, NULL);
}

static struct gr_event make(const struct day *day, enum gr_event_type type)
{
    return gr_decide_fact(day->core, day->at_ms, type);
}

static struct day *day_new(void)
{
    struct day *day = calloc(1, sizeof *day);
    assert_non_null(day);
    day->recording.config =
        (struct gr_core_config){.limits = {.place = {.nodes = 4, .masks = 4, .slots = 32},
                                           .jobs = 64,
                                           .orgs = 4,
                                           .sites = 1,
                                           .variants = 2,
                                           .users = 4},
                                .policy = "bestfit",
                                .order = GR_ORDER_FAIR};
    day->recording.first = 1;
    day->recording.facts = day->facts;
    assert_int_equal(gr_core_new(&day->recording.config, &day->core, NULL), 0);
    struct gr_event event = make(day, GR_ORG_ADDED);
    event.org = (struct gr_org){.parent = UINT32_MAX, .name = "lab"};
    fact(day, &event);
    event = make(day, GR_SITE_ADDED);
    event.site = (struct gr_site){.name = "site"};
    fact(day, &event);
    event = make(day, GR_VARIANT_ADDED);
    memset(event.variant, 0, sizeof event.variant);
    memcpy(event.variant, "x", 2);
    fact(day, &event);
    event = make(day, GR_NODE_ADDED);
    event.node.row = (struct gr_node){
        .cpu_milli = 64000,
        .memory_mib = 64000,
        .devices = 2,
        .free = {1000, 1000},
        .domain = {GR_DOMAIN_NONE, GR_DOMAIN_NONE, GR_DOMAIN_NONE, GR_DOMAIN_NONE}};
    gr_node_summarise(&event.node.row);
    memset(event.node.name, 0, sizeof event.node.name);
    memcpy(event.node.name, "n", 2);
    fact(day, &event);
    return day;
}

static void day_free(struct day *day)
{
    gr_core_free(day->core);
    free(day);
}

static uint64_t submit(struct day *day, unsigned devices, int64_t limit_ms)
{
    struct gr_submission submission = {.demand = {.shape = {.cpu_milli = 1000,
                                                            .memory_mib = 1,
                                                            .milli = 1000,
                                                            .devices = (uint8_t)devices},
                                                  .tasks = 1,
                                                  .priority = 100},
                                       .limit_ms = limit_ms,
                                       .user = UINT32_MAX};
    struct gr_event events[2];
    unsigned count = 0;
    gr_mask_fill(&submission.mask);
    assert_int_equal(gr_decide_submit(day->core, NULL, day->at_ms, &submission, events, &count),
                     GR_REFUSED_NOTHING);
    for (unsigned i = 0; i < count; i++) {
        fact(day, &events[i]);
    }
    return events[count - 1].sequence;
}

static void starts(struct day *day)
{
    struct gr_event event;
    while (gr_decide_start(day->core, NULL, day->at_ms, day->pieces, &event)) {
        fact(day, &event);
    }
}

static void ends(struct day *day, uint64_t job)
{
    struct gr_ending ending = {.outcome = GR_OUTCOME_DONE};
    struct gr_event event = gr_decide_end(day->core, day->at_ms, day->at_ms, job, &ending);
    fact(day, &event);
}

// Three jobs of one, two and one devices; the second waits for the first, and the third is short
// enough to go before it.
static void live(struct day *day, uint64_t ids[3])
{
    day->at_ms = 1000;
    ids[0] = submit(day, 1, 0);
    starts(day);
    day->at_ms = 2000;
    ids[1] = submit(day, 2, 0);
    ids[2] = submit(day, 1, 4000);
    starts(day);
    day->at_ms = 5000;
    ends(day, ids[0]);
    starts(day);
    day->at_ms = 7000;
    ends(day, ids[1] < ids[2] && gr_core_job_find(day->core, ids[2])->state == GR_JOB_RUNNING
                  ? ids[2]
                  : ids[1]);
    starts(day);
    gr_core_digest(day->core, day->recording.digest);
}

static struct gr_repeat repeat(const struct day *day, struct gr_repeat_config config)
{
    struct gr_repeat result;
    struct gr_err err;
    gr_err_init(&err);
    int code = gr_repeat_run(&day->recording, &config, &result, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(code, 0);
    return result;
}

static void a_history_repeats_to_the_same_decisions_and_state(void **state)
{
    (void)state;
    struct day *day = day_new();
    uint64_t ids[3];
    live(day, ids);
    struct gr_repeat result = repeat(day, (struct gr_repeat_config){0});
    assert_true(result.is_same);
    assert_false(result.is_changed);
    assert_int_equal(result.difference_count, 0);
    assert_int_equal(result.recorded.count, 3);
    assert_int_equal(result.recorded.finished, 2);
    assert_int_equal(result.first_fact, 0);
    gr_repeat_done(&result);
    day_free(day);
}

static void another_order_differs_and_the_world_goes_on(void **state)
{
    (void)state;
    struct day *day = day_new();
    uint64_t ids[3];
    live(day, ids);
    // First come, first served: the third waits behind the second.
    struct gr_repeat result = repeat(day, (struct gr_repeat_config){.order = GR_ORDER_FIFO + 1});
    assert_true(result.is_changed);
    assert_false(result.is_same);
    assert_true(result.difference_count > 0);
    bool is_later = false;
    for (size_t i = 0; i < result.difference_count; i++) {
        const struct gr_repeat_difference *row = &result.differences[i];
        is_later |= row->recorded.job == ids[2] || row->repeated.job == ids[2];
    }
    assert_true(is_later);
    gr_repeat_done(&result);
    day_free(day);
}

static void a_decision_that_the_core_would_not_make_is_found(void **state)
{
    (void)state;
    struct day *day = day_new();
    struct gr_event event;
    day->at_ms = 1000;
    uint64_t first = submit(day, 1, 0);
    assert_true(gr_decide_start(day->core, NULL, day->at_ms, day->pieces, &event));
    day->pieces[0].devices = day->pieces[0].devices == 1 ? 2 : 1; // the other device
    fact(day, &event);
    gr_core_digest(day->core, day->recording.digest);
    struct gr_repeat result = repeat(day, (struct gr_repeat_config){0});
    assert_false(result.is_same);
    assert_int_equal(result.difference_count, 1);
    assert_int_equal(result.differences[0].how, GR_REPEAT_ELSEWHERE);
    assert_int_equal(result.differences[0].recorded.job, first);
    assert_int_equal(result.first_fact, event.sequence);
    gr_repeat_done(&result);
    day_free(day);
}

static int write_state(void *context, const void *bytes, size_t size, struct gr_err *err)
{
    struct day *day = context;
    (void)err;
    assert_true(day->recording.state_size + size <= sizeof day->state);
    memcpy(day->state + day->recording.state_size, bytes, size);
    day->recording.state_size += size;
    return 0;
}

static void a_part_of_a_history_begins_with_a_state(void **state)
{
    (void)state;
    struct day *day = day_new();
    day->at_ms = 500;
    uint64_t before = submit(day, 1, 0);
    starts(day);
    assert_int_equal(gr_core_save(day->core, write_state, day, NULL), 0);
    day->recording.state = day->state;
    day->recording.first = gr_core_next_sequence(day->core);
    day->recording.facts_size = 0;
    day->at_ms = 1000;
    uint64_t waits = submit(day, 2, 0);
    starts(day);
    day->at_ms = 3000;
    ends(day, before);
    starts(day);
    day->at_ms = 4000;
    ends(day, waits);
    gr_core_digest(day->core, day->recording.digest);
    struct gr_repeat result = repeat(day, (struct gr_repeat_config){0});
    assert_true(result.is_same);
    assert_int_equal(result.recorded.count, 1);
    assert_int_equal(result.recorded.wait_mean_ms, 2000);
    gr_repeat_done(&result);
    day_free(day);
}

// The recording's file in memory.
static char *file_of(const struct day *day, size_t *ret_size)
{
    char *bytes = NULL;
    FILE *file = open_memstream(&bytes, ret_size);
    assert_non_null(file);
    assert_int_equal(gr_recording_write(&day->recording, file), 0);
    fclose(file);
    return bytes;
}

static void what_was_written_is_read_again(void **state)
{
    (void)state;
    struct day *day = day_new();
    struct gr_recording read;
    struct gr_err err;
    uint64_t ids[3];
    size_t size;
    live(day, ids);
    char *bytes = file_of(day, &size);
    gr_err_init(&err);
    int code = gr_recording_read_bytes("r", (uint8_t *)bytes, size, &read, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(code, 0);
    assert_string_equal(read.config.policy, "bestfit");
    assert_int_equal(read.config.order, GR_ORDER_FAIR);
    assert_int_equal(read.config.limits.jobs, 64);
    assert_int_equal(read.last, day->recording.last);
    assert_int_equal(read.facts_size, day->recording.facts_size);
    assert_memory_equal(read.facts, day->facts, read.facts_size);
    assert_memory_equal(read.digest, day->recording.digest, GR_HASH_SIZE);
    free(bytes);
    day_free(day);
}

static void a_file_that_was_cut_off_or_changed_is_refused(void **state)
{
    (void)state;
    struct day *day = day_new();
    struct gr_recording read;
    struct gr_err err;
    uint64_t ids[3];
    size_t size;
    live(day, ids);
    char *bytes = file_of(day, &size);
    for (size_t i = 0; i < size; i++) {
        gr_err_init(&err);
        assert_true(gr_recording_read_bytes("r", (uint8_t *)bytes, i, &read, &err) < 0);
        assert_memory_equal(err.text, "r: ", 3);
        bytes[i] ^= 1;
        gr_err_init(&err);
        assert_true(gr_recording_read_bytes("r", (uint8_t *)bytes, size, &read, &err) < 0);
        bytes[i] ^= 1;
    }
    free(bytes);
    day_free(day);
}

static void facts_that_do_not_follow_are_an_error(void **state)
{
    (void)state;
    struct day *day = day_new();
    struct gr_repeat result;
    struct gr_err err;
    uint64_t ids[3];
    live(day, ids);
    struct gr_recording cut = day->recording;
    cut.facts_size -= 3;
    gr_err_init(&err);
    assert_true(gr_repeat_run(&cut, &(struct gr_repeat_config){0}, &result, &err) < 0);
    assert_non_null(strstr(err.text, "ends in the middle of a fact"));
    cut = day->recording;
    cut.digest[0] ^= 1;
    gr_err_init(&err);
    assert_true(gr_repeat_run(&cut, &(struct gr_repeat_config){0}, &result, &err) < 0);
    assert_non_null(strstr(err.text, "another state"));
    day_free(day);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_history_repeats_to_the_same_decisions_and_state),
        cmocka_unit_test(another_order_differs_and_the_world_goes_on),
        cmocka_unit_test(a_decision_that_the_core_would_not_make_is_found),
        cmocka_unit_test(a_part_of_a_history_begins_with_a_state),
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(a_file_that_was_cut_off_or_changed_is_refused),
        cmocka_unit_test(facts_that_do_not_follow_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
