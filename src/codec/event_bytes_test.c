// Facts survive the way to bytes and back, and damaged bytes are refused.
#include "codec/event_bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gr_event_room room;
static uint8_t bytes[GR_EVENT_BYTES_MAX], again[GR_EVENT_BYTES_MAX];

static struct gr_event fact(enum gr_event_type type)
{
    struct gr_event event;
    memset(&event, 0, sizeof event);
    event.sequence = 0x1122334455667788u;
    event.at_ms = -5;
    event.since_ms = INT64_MAX;
    event.epoch = 7;
    event.type = (uint16_t)type;
    event.version = gr_event_version(type);
    return event;
}

// One fact of each type with every field set to something.
static struct gr_event example(enum gr_event_type type)
{
    static const struct gr_range ranges[2] = {{0, 300}, {70000, 1}};
    static const struct gr_piece pieces[2] = {
        {.node = 1, .devices = 3, .milli = 1000, .cpu_milli = 5, .memory_mib = 6},
        {.node = 9, .devices = 0x8001, .milli = 1000, .cpu_milli = 5, .memory_mib = 6}};
    static const struct gr_mix_item items[1] = {
        {.shape = {1, 2, 3, 400, 1, 2, 0}, .count = UINT64_C(1) << 40, .label = 17}};
    static const struct gr_edge edges[2] = {{.job = UINT64_C(1) << 40, .how = GR_AFTER_ANY},
                                            {.job = 3, .how = GR_AFTER_OK}};
    static const struct gr_ending ending = {.began_ms = 5,
                                            .cpu_ms = UINT64_C(1) << 35,
                                            .peak_kib = 77,
                                            .outcome = GR_OUTCOME_LOST,
                                            .exit_code = -3,
                                            .signal = 9,
                                            .task = 4};
    static struct gr_mask mask;
    struct gr_event event = fact(type);
    mask.bits[63][1] = 0xdeadbeef;
    switch (type) {
    case GR_ORG_ADDED:
        event.org = (struct gr_org){UINT32_MAX, GR_ROLE_PROVIDER, "CN", "SG", {0}, "east"};
        break;
    case GR_SITE_ADDED:
        event.site = (struct gr_site){4, "AU", {0}, "brisbane"};
        break;
    case GR_VARIANT_ADDED:
        memcpy(event.variant, "nv-h20-96", 10);
        break;
    case GR_MASK_ADDED:
        event.mask = &mask;
        break;
    case GR_NODE_ADDED:
        event.node.row = (struct gr_node){.cpu_milli = 96000,
                                          .memory_mib = 1 << 20,
                                          .domain = {1, 2, GR_DOMAIN_INNER | 4, GR_DOMAIN_NONE},
                                          .variant = 3,
                                          .site = 2,
                                          .devices = 2,
                                          .free = {1000, 1000}};
        gr_node_summarise(&event.node.row);
        memcpy(event.node.name, "n17", 4);
        break;
    case GR_NODE_STATE_SET:
        event.node_state.node = 8;
        event.node_state.state = GR_NODE_BROKEN;
        break;
    case GR_MIX_SET:
        event.items = items;
        event.item_count = 1;
        break;
    case GR_JOB_SUBMITTED:
        event.submitted.tag = 99;
        event.submitted.limit_ms = 60000;
        event.submitted.demand = (struct gr_demand){{1, 2, 3, 1000, 8, 4, 0}, 16, 4, 2, 200, 1, 7};
        event.submitted.org = 3;
        event.submitted.verdict = 2;
        event.submitted.rules_version = 9;
        event.submitted.user = 17;
        event.submitted.attempts = 300;
        event.submitted.requeue_on = 5;
        event.submitted.array = (struct gr_array_of){UINT64_C(1) << 33, 5, 6, 7, 0};
        memset(event.submitted.commitment, 0xab, sizeof event.submitted.commitment);
        event.edges = edges;
        event.edge_count = 2;
        break;
    case GR_JOB_PLACED:
        event.placed.job = 12;
        event.placed.attempt = 2;
        event.placed.verdict = 1;
        event.placed.rules_version = 77;
        event.pieces = pieces;
        event.piece_count = 2;
        break;
    case GR_JOB_FINISHED:
        event.finished.job = 12;
        event.finished.attempt = 2;
        event.finished.ending = ending;
        break;
    case GR_JOB_DROPPED:
        event.dropped.job = 13;
        event.dropped.why = GR_REFUSED_BY_USER;
        break;
    case GR_ROOM_RESERVED:
        event.reserved.job = 14;
        event.reserved.start_ms = 123456;
        event.pieces = pieces;
        event.piece_count = 1;
        break;
    case GR_PREFERENCE_SET:
        event.preference_set.row = 200;
        gr_preference_put(&event.preference_set.preference, 9, 1);
        gr_preference_put(&event.preference_set.preference, 4, 15);
        break;
    case GR_USER_ADDED:
        event.user_added.org = 5;
        memset(event.user_added.commitment, 0xcd, sizeof event.user_added.commitment);
        break;
    case GR_EPOCH_BEGUN:
        memcpy(event.epoch_begun.version, "0.3.0", 6);
        break;
    case GR_JOB_STARTED:
        event.started.job = 15;
        event.started.attempt = 3;
        break;
    case GR_JOB_REQUEUED:
        event.requeued.job = 16;
        event.requeued.attempt = 4;
        event.requeued.ending = ending;
        break;
    case GR_STOP_ASKED:
        event.stop_asked.job = 17;
        event.stop_asked.attempt = 5;
        event.stop_asked.why = GR_STOP_IDLE;
        event.stop_asked.signal = 15;
        event.stop_asked.grace_ms = 30000;
        break;
    case GR_DEVICES_SET:
        event.devices_set.node = 3;
        event.devices_set.devices = 0x8005;
        event.devices_set.is_out = 1;
        event.devices_set.health = 4;
        break;
    case GR_KEY_USED:
        memset(event.key_used.key, 1, sizeof event.key_used.key);
        memset(event.key_used.request, 2, sizeof event.key_used.request);
        event.key_used.first = 90;
        event.key_used.last = UINT64_C(1) << 50;
        event.key_used.org = 6;
        event.key_used.code = 202;
        break;
    case GR_QUOTA_SET:
        event.quota = (struct gr_quota){7, 8, UINT64_C(1) << 40, GR_ANY_MILLI, 3};
        break;
    case GR_ORG_TERMS_SET:
        event.org_terms =
            (struct gr_org_terms){9, 1 << 19, 10, 11, UINT64_C(1) << 41, 12, 200, {0}};
        break;
    case GR_QUEUE_TERMS_SET:
        event.queue_terms = (struct gr_queue_terms){
            GR_QUEUE_MS_MAX, 30000, UINT64_C(1) << 33, UINT64_C(1) << 50, GR_RECLAIM_PRIORITY, 0};
        break;
    case GR_CHECKPOINTED:
        event.checkpointed.job = 18;
        event.checkpointed.attempt = 6;
        break;
    case GR_ROOM_HELD:
        event.held.job = 20;
        event.held.until_ms = INT64_C(1) << 42;
        event.pieces = pieces;
        event.piece_count = 2;
        event.edges = edges;
        event.edge_count = 2;
        break;
    case GR_ROOM_FREED:
        event.freed.job = 21;
        event.freed.why = GR_FREED_TIME;
        break;
    case GR_CLASS_SET:
        event.job_class =
            (struct gr_class){.name = "urgent", .limit_ms = INT64_C(1) << 36, .priority = 200};
        break;
    case GR_PART_LOST:
        event.part_lost.job = 22;
        event.part_lost.attempt = 7;
        event.part_lost.task = 65535;
        event.part_lost.part = 300;
        event.part_lost.node = 99999;
        event.part_lost.until_ms = INT64_C(1) << 41;
        event.part_lost.devices = 0x8001;
        break;
    case GR_PART_PLACED:
        event.part_placed.job = 22;
        event.part_placed.attempt = 7;
        event.part_placed.part = 301;
        event.part_placed.verdict = 3;
        event.part_placed.rules_version = UINT64_C(1) << 34;
        event.pieces = pieces;
        event.piece_count = 2;
        break;
    case GR_WINDOW_SET:
        event.window_set = (struct gr_window){.start_ms = INT64_C(1) << 43,
                                              .length_ms = 3600000,
                                              .every_ms = 86400000,
                                              .times = 300,
                                              .org = 22,
                                              .user = UINT32_MAX,
                                              .which = GR_WINDOW_RESERVATION,
                                              .name = "night"};
        event.ranges = ranges;
        event.range_count = 2;
        break;
    case GR_WINDOW_OPENED:
    case GR_WINDOW_CLOSED:
    case GR_WINDOW_ENDED:
        event.window_turn.window = UINT64_C(1) << 40;
        break;
    }
    return event;
}

static void every_type_survives_the_way_there_and_back(void **state)
{
    (void)state;
    static long (*const forms[])(const struct gr_event *, uint8_t *,
                                 size_t) = {gr_event_encode, gr_event_encode_fixed};
    for (unsigned i = 0; i < 2 * (GR_EVENT_TYPES - 1); i++) {
        unsigned type = 1 + i / 2;
        struct gr_event event = example((enum gr_event_type)type);
        struct gr_event back;
        struct gr_err err = {0};
        long size = forms[i % 2](&event, bytes, sizeof bytes);
        assert_true(size > 20);
        assert_int_equal(bytes[3] >> 7, i % 2 == 0);
        assert_int_equal(gr_event_decode(bytes, (size_t)size, &room, &back, &err), size);
        assert_int_equal(back.type, type);
        assert_int_equal(back.sequence, event.sequence);
        assert_int_equal(back.at_ms, event.at_ms);
        assert_int_equal(back.since_ms, event.since_ms);
        assert_int_equal(back.epoch, event.epoch);
        assert_int_equal(forms[i % 2](&back, again, sizeof again), size);
        assert_memory_equal(bytes, again, (size_t)size);
        assert_memory_equal(&back.org, &event.org, sizeof event.node);
    }
}

// Room was held without saying who goes: what was written then is read.
static void room_held_of_the_first_version_names_nobody(void **state)
{
    (void)state;
    struct gr_event event = example(GR_ROOM_HELD);
    struct gr_event back;
    struct gr_err err = {0};
    long newer = gr_event_encode(&event, bytes, sizeof bytes);
    event.version = 1;
    long size = gr_event_encode(&event, bytes, sizeof bytes);
    assert_true(size < newer);
    assert_int_equal(gr_event_decode(bytes, (size_t)size, &room, &back, &err), size);
    assert_int_equal(back.version, 1);
    assert_int_equal(back.edge_count, 0);
    assert_int_equal(back.piece_count, 2);
    event.version = 3;
    size = gr_event_encode(&event, bytes, sizeof bytes);
    assert_true(size < 0);
}

// The forms are for ever.
static void the_bytes_of_both_forms_are_these(void **state)
{
    (void)state;
    struct gr_event event = fact(GR_JOB_FINISHED);
    struct gr_event back;
    struct gr_err err = {0};
    event.sequence = 300;
    event.at_ms = 1000;
    event.since_ms = 999;
    event.finished.job = 127;
    event.finished.attempt = 1;
    event.finished.ending = (struct gr_ending){
        .began_ms = 989, .cpu_ms = 128, .outcome = GR_OUTCOME_FAILED, .exit_code = -1};
    static const uint8_t packed[] = {22, 0,  0,    0x80, 10, 1, 0xac, 2,    0xd0, 15,   1,  7, 127,
                                     1,  19, 0x80, 1,    0,  1, 0xff, 0xff, 0xff, 0xff, 15, 0, 0};
    assert_int_equal(gr_event_encode(&event, bytes, sizeof bytes), sizeof packed);
    assert_memory_equal(bytes, packed, sizeof packed);
    static const uint8_t fixed[] = {
        84, 0, 0,    0, 10,   0, 1, 0, 44, 1, 0,    0,    0,    0,    0,   0, 0xe8, 3, 0, 0, 0, 0,
        0,  0, 0xe7, 3, 0,    0, 0, 0, 0,  0, 7,    0,    0,    0,    127, 0, 0,    0, 0, 0, 0, 0,
        1,  0, 0,    0, 0xdd, 3, 0, 0, 0,  0, 0,    0,    128,  0,    0,   0, 0,    0, 0, 0, 0, 0,
        0,  0, 0,    0, 0,    0, 1, 0, 0,  0, 0xff, 0xff, 0xff, 0xff, 0,   0, 0,    0, 0, 0, 0, 0};
    assert_int_equal(gr_event_decode(fixed, sizeof fixed, &room, &back, &err), sizeof fixed);
    assert_memory_equal(&back.finished, &event.finished, sizeof event.finished);
    assert_int_equal(back.since_ms, 999);
    assert_int_equal(gr_event_encode_fixed(&event, bytes, sizeof bytes), sizeof fixed);
    assert_memory_equal(bytes, fixed, sizeof fixed);
}

// A fact with its size set and its bytes changed.
static long decode_changed(const uint8_t *fact, size_t size, struct gr_err *err)
{
    struct gr_event back;
    memcpy(again, fact, size);
    again[0] = (uint8_t)(size - 4);
    again[1] = again[2] = 0;
    again[3] = 0x80;
    return gr_event_decode(again, size, &room, &back, err);
}

static void a_number_has_one_way_to_be_written(void **state)
{
    (void)state;
    struct gr_err err = {0};
    // A user's fact up to its sequence; then at, since, epoch, and job and attempt.
    static const uint8_t good[] = {0, 0, 0, 0, 15, 1, 5, 0, 0, 1, 9, 2};
    static const uint8_t longer[] = {0, 0, 0, 0, 15, 1, 0x85, 0, 0, 0, 1, 9, 2};
    static const uint8_t large[] = {0, 0, 0, 0, 15, 1, 5, 0, 0, 0xff, 0xff, 0xff, 0xff, 31, 9, 2};
    static const uint8_t eleven[] = {0,    0,    0,    0,    15,   1, 0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 1, 0,    0,    1,    9,    2};
    static const uint8_t over[] = {0,    0,    0,    0,    15, 1, 0xff, 0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 2,  0, 0,    1,    9,    2};
    static const uint8_t most[] = {0,    0,    0,    0,    15, 1, 0xff, 0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 1,  0, 0,    1,    9,    2};
    static const uint8_t cut[] = {0, 0, 0, 0, 15, 1, 5, 0, 0, 1, 9, 0x82};
    assert_int_equal(decode_changed(good, sizeof good, &err), sizeof good);
    assert_int_equal(decode_changed(most, sizeof most, &err), sizeof most);
    assert_int_equal(decode_changed(longer, sizeof longer, &err), -EINVAL);
    assert_non_null(strstr(err.text, "longer than it need be"));
    assert_int_equal(decode_changed(large, sizeof large, &err), -EINVAL);
    assert_non_null(strstr(err.text, "too large"));
    assert_int_equal(decode_changed(eleven, sizeof eleven, &err), -EINVAL);
    assert_int_equal(decode_changed(over, sizeof over, &err), -EINVAL);
    assert_int_equal(decode_changed(cut, sizeof cut, &err), -EINVAL);
    assert_non_null(strstr(err.text, "too early"));
}

static void many_facts_are_read_as_far_as_they_go(void **state)
{
    (void)state;
    static uint8_t many[64 * 4096];
    static struct gr_event events[64];
    struct gr_err err = {0};
    size_t size = 0;
    uint32_t count = 99;
    for (unsigned i = 0; i < 3 * (GR_EVENT_TYPES - 1); i++) { // the masks and mixes end a turn
        struct gr_event event = example((enum gr_event_type)(1 + i % (GR_EVENT_TYPES - 1)));
        event.sequence = i + 1;
        size += (size_t)gr_event_encode(&event, many + size, sizeof many - size);
    }
    size_t at = 0;
    uint64_t seen = 0;
    unsigned turns = 0;
    while (at < size) {
        long used = gr_event_decode_many(many + at, size - at, &room, events, 64, &count, &err);
        assert_true(used > 0 && count > 0);
        size_t again_at = at;
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(events[i].sequence, ++seen);
            long one = gr_event_encode(&events[i], again, sizeof again);
            assert_memory_equal(again, many + again_at, (size_t)one);
            again_at += (size_t)one;
        }
        assert_int_equal(again_at, at + (size_t)used);
        at = again_at;
        turns++;
    }
    assert_int_equal(turns, 3);
    assert_int_equal(gr_event_decode_many(many, 10, &room, events, 64, &count, &err), 0);
    assert_int_equal(count, 0);
    long first = gr_event_decode_many(many, size, &room, events, 1, &count, &err);
    assert_int_equal(count, 1);
    many[first + 4] = 100; // a wrong one behind a good one
    assert_int_equal(gr_event_decode_many(many, size, &room, events, 64, &count, &err), first);
    assert_int_equal(count, 1);
    assert_int_equal(
        gr_event_decode_many(many + first, size - (size_t)first, &room, events, 64, &count, &err),
        -EINVAL);
    assert_non_null(strstr(err.text, "type 100"));
}

static void a_cut_fact_is_not_whole_yet(void **state)
{
    (void)state;
    struct gr_event event = example(GR_JOB_PLACED);
    struct gr_event back = {0};
    struct gr_err err = {0};
    long size = gr_event_encode(&event, bytes, sizeof bytes);
    for (long cut = 0; cut < size; cut++) {
        assert_int_equal(gr_event_decode(bytes, (size_t)cut, &room, &back, &err), 0);
    }
    assert_int_equal(back.sequence, 0);
}

static void too_little_room_is_told(void **state)
{
    (void)state;
    struct gr_event event = example(GR_JOB_PLACED);
    long size = gr_event_encode(&event, bytes, sizeof bytes);
    for (long room_bytes = 0; room_bytes < size; room_bytes++) {
        assert_int_equal(gr_event_encode(&event, again, (size_t)room_bytes), -ENOSPC);
    }
}

static void an_unknown_type_or_version_is_named(void **state)
{
    (void)state;
    struct gr_event event = example(GR_JOB_DROPPED);
    struct gr_event back = {0};
    struct gr_err err = {0};
    long size = gr_event_encode(&event, bytes, sizeof bytes);
    bytes[4] = 100;
    assert_int_equal(gr_event_decode(bytes, (size_t)size, &room, &back, &err), -EINVAL);
    assert_non_null(strstr(err.text, "type 100"));
    bytes[4] = GR_JOB_DROPPED;
    bytes[5] = 9;
    assert_int_equal(gr_event_decode(bytes, (size_t)size, &room, &back, &err), -EINVAL);
    assert_non_null(strstr(err.text, "version 9"));
}

static void lists_beyond_their_limit_and_leftovers_are_refused(void **state)
{
    (void)state;
    struct gr_event event = example(GR_ROOM_RESERVED);
    struct gr_event back = {0};
    struct gr_err err = {0};
    long size = gr_event_encode_fixed(&event, bytes, sizeof bytes);
    memset(bytes + 36 + 16, 0xff, 4); // the count of pieces
    assert_int_equal(gr_event_decode(bytes, (size_t)size, &room, &back, &err), -EINVAL);
    event.piece_count = 0;
    size = gr_event_encode(&event, bytes, sizeof bytes);
    bytes[0]++;
    assert_int_equal(gr_event_decode(bytes, (size_t)size + 1, &room, &back, &err), -EINVAL);
    assert_non_null(strstr(err.text, "left over"));
    memset(bytes, 0xff, 4);
    assert_int_equal(gr_event_decode(bytes, (size_t)size, &room, &back, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_survives_the_way_there_and_back),
        cmocka_unit_test(room_held_of_the_first_version_names_nobody),
        cmocka_unit_test(the_bytes_of_both_forms_are_these),
        cmocka_unit_test(a_number_has_one_way_to_be_written),
        cmocka_unit_test(many_facts_are_read_as_far_as_they_go),
        cmocka_unit_test(a_cut_fact_is_not_whole_yet),
        cmocka_unit_test(too_little_room_is_told),
        cmocka_unit_test(an_unknown_type_or_version_is_named),
        cmocka_unit_test(lists_beyond_their_limit_and_leftovers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
