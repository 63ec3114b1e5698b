// Tests of health: every class is reached, every code is well formed, and harmless codes fade.
#include "device/health.h"

#include "base/csv.h"
#include "device/shipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void codes_have_the_class_of_the_table(void **state)
{
    (void)state;
    assert_int_equal(gr_health_of("NVIDIA", "XID 13"), GR_HEALTH_APP);
    assert_int_equal(gr_health_of("nvidia", "XID 31"), GR_HEALTH_APP);
    assert_int_equal(gr_health_of("NVIDIA", "XID 43"), GR_HEALTH_APP);
    assert_int_equal(gr_health_of("NVIDIA", "XID 45"), GR_HEALTH_APP);
    assert_int_equal(gr_health_of("NVIDIA", "XID 63"), GR_HEALTH_WATCH);
    assert_int_equal(gr_health_of("NVIDIA", "XID 94"), GR_HEALTH_WATCH);
    assert_int_equal(gr_health_of("NVIDIA", "XID 48"), GR_HEALTH_RESET);
    assert_int_equal(gr_health_of("NVIDIA", "XID 95"), GR_HEALTH_RESET);
    assert_int_equal(gr_health_of("NVIDIA", "XID 119"), GR_HEALTH_RESET);
    assert_int_equal(gr_health_of("NVIDIA", "XID 64"), GR_HEALTH_REPAIR);
    assert_int_equal(gr_health_of("NVIDIA", "XID 74"), GR_HEALTH_REPAIR);
    assert_int_equal(gr_health_of("NVIDIA", "XID 79"), GR_HEALTH_GONE);
    assert_int_equal(gr_health_of("AMD", "no driver"), GR_HEALTH_REPAIR);
}

static void an_unknown_code_is_watched(void **state)
{
    (void)state;
    assert_int_equal(gr_health_of("NVIDIA", "XID 9999"), GR_HEALTH_WATCH);
    assert_int_equal(gr_health_of("NVIDIA", "XID 7"), GR_HEALTH_WATCH);
    assert_int_equal(gr_health_of("nobody", "XID 79"), GR_HEALTH_WATCH);
    assert_int_equal(gr_health_of("", ""), GR_HEALTH_WATCH);
}

static void every_row_is_read_and_every_class_is_reached(void **state)
{
    (void)state;
    static const struct gr_csv_column columns[] = {
        {"vendor", true}, {"code", true}, {"class", true}, {"meaning", true}, {"source", true}};
    struct gr_slice bytes = gr_shipped_health();
    struct gr_csv *csv;
    struct gr_err err;
    unsigned reached = 1u << GR_HEALTH_GOOD;
    assert_int_equal(gr_csv_open_bytes("health.csv", bytes.text, bytes.size, columns, 5,
                                       GR_CSV_STRICT, &csv, &err),
                     0);
    while (gr_csv_next(csv, &err) == 1) {
        char vendor[GR_NAME_SIZE];
        char code[GR_HEALTH_CODE_SIZE];
        struct gr_slice word = gr_csv_get(csv, 2);
        assert_int_equal(gr_csv_get_text(csv, 0, vendor, sizeof vendor, &err), 0);
        assert_int_equal(gr_csv_get_text(csv, 1, code, sizeof code, &err), 0);
        enum gr_health health = gr_health_of(vendor, code);
        assert_true(gr_slice_is(word, gr_health_name(health))); // so no code comes twice
        assert_false(gr_csv_is_blank(csv, 3));
        assert_false(gr_csv_is_blank(csv, 4));
        reached |= 1u << health;
    }
    gr_csv_close(csv);
    assert_int_equal(reached, (1u << GR_HEALTHS) - 1);
}

static void classes_get_worse_in_what_they_do(void **state)
{
    (void)state;
    for (int i = 0; i < GR_HEALTHS; i++) {
        struct gr_health_effect effect = gr_health_effect_of((enum gr_health)i);
        assert_int_equal(effect.takes_new, i <= GR_HEALTH_WATCH);
        assert_int_equal(effect.stops_running, i == GR_HEALTH_GONE);
        assert_int_equal(effect.drains_node, i == GR_HEALTH_GONE);
    }
}

static void the_worst_code_that_counts_is_told(void **state)
{
    (void)state;
    struct gr_health_record record = {0};
    const char *code;
    assert_int_equal(gr_health_record_worst(&record, 5, &code), GR_HEALTH_GOOD);
    assert_string_equal(code, "");
    gr_health_record_note(&record, "NVIDIA", "XID 48", 10);
    gr_health_record_note(&record, "NVIDIA", "XID 31", 20);
    assert_int_equal(gr_health_record_worst(&record, 30, &code), GR_HEALTH_RESET);
    assert_string_equal(code, "XID 48");
    gr_health_record_clear(&record, GR_HEALTH_RESET);
    assert_int_equal(gr_health_record_worst(&record, 30, &code), GR_HEALTH_GOOD);
}

static void harmless_codes_fade_and_harmful_ones_stay(void **state)
{
    (void)state;
    struct gr_health_record record = {0};
    const char *code;
    gr_health_record_note(&record, "NVIDIA", "XID 13", 1000);
    assert_int_equal(gr_health_record_worst(&record, 1000 + 599999, &code), GR_HEALTH_APP);
    assert_int_equal(gr_health_record_worst(&record, 1000 + 600000, &code), GR_HEALTH_GOOD);
    gr_health_record_note(&record, "NVIDIA", "XID 92", 1000);
    assert_int_equal(gr_health_record_worst(&record, 1000 + 3599999, &code), GR_HEALTH_WATCH);
    assert_int_equal(gr_health_record_worst(&record, 1000 + 3600000, &code), GR_HEALTH_GOOD);
    gr_health_record_note(&record, "NVIDIA", "XID 13", 600000); // again: counts anew
    assert_int_equal(gr_health_record_worst(&record, 1199999, &code), GR_HEALTH_WATCH);
    gr_health_record_note(&record, "NVIDIA", "XID 64", 0);
    assert_int_equal(gr_health_record_worst(&record, UINT64_MAX / 2, &code), GR_HEALTH_REPAIR);
}

static void clearing_leaves_what_is_worse(void **state)
{
    (void)state;
    struct gr_health_record record = {0};
    const char *code;
    gr_health_record_note(&record, "NVIDIA", "XID 79", 0);
    gr_health_record_note(&record, "NVIDIA", "XID 119", 0);
    gr_health_record_clear(&record, GR_HEALTH_RESET);
    assert_int_equal(gr_health_record_worst(&record, 1, &code), GR_HEALTH_GONE);
    gr_health_record_clear(&record, GR_HEALTH_GONE);
    assert_int_equal(gr_health_record_worst(&record, 1, &code), GR_HEALTH_GOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_the_class_of_the_table),
        cmocka_unit_test(an_unknown_code_is_watched),
        cmocka_unit_test(every_row_is_read_and_every_class_is_reached),
        cmocka_unit_test(classes_get_worse_in_what_they_do),
        cmocka_unit_test(the_worst_code_that_counts_is_told),
        cmocka_unit_test(harmless_codes_fade_and_harmful_ones_stay),
        cmocka_unit_test(clearing_leaves_what_is_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
