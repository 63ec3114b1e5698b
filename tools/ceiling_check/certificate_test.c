// Tests of reading and checking certificates: a good one is proved, a changed one is not. The
// samples were written by granary; nothing of granary is linked here.
#include "certificate.h"
#include "proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// An instance in which cpu, memory and models all bind.
static const char sample[] = "granary-ceiling 1\n"
                             "instance 3 6 0 2 4096\n"
                             "node 0 2 16000 40000 3 16 0 6635520\n"
                             "node 1 4 48000 100000 2 50 3249 14629073\n"
                             "node 1 8 96000 393216 1 125 0 29575428\n"
                             "demand 1 810 3152 6000 ffffffffffffffff 10 0\n"
                             "demand 1 470 7000 30000 ffffffffffffffff 12 40960\n"
                             "demand 1 1000 11300 30000 2 14 422869\n"
                             "demand 1 230 4000 4000 ffffffffffffffff 20 0\n"
                             "demand 4 1000 32000 60000 2 2 1881852\n"
                             "demand 2 1000 12000 20000 1 2 1556480\n"
                             "bound 20846\n"
                             "end\n";
#define SAMPLE_BOUND 20846

// The same with a cut whose price matters: it allows the whole demands nothing.
static const char with_cut[] = "granary-ceiling 1\n"
                               "instance 3 6 1 2 4096\n"
                               "node 0 2 16000 40000 3 16 0 0\n"
                               "node 1 4 48000 100000 2 50 0 0\n"
                               "node 1 8 96000 393216 1 125 0 0\n"
                               "demand 1 810 3152 6000 ffffffffffffffff 10 11509760\n"
                               "demand 1 470 7000 30000 ffffffffffffffff 12 1925120\n"
                               "demand 1 1000 11300 30000 2 14 0\n"
                               "demand 1 230 4000 4000 ffffffffffffffff 20 942080\n"
                               "demand 4 1000 32000 60000 2 2 0\n"
                               "demand 2 1000 12000 20000 1 2 0\n"
                               "cut 0 0 2000 0 16777216\n"
                               "bound 19170\n"
                               "end\n";

static struct certificate read_good(const char *text)
{
    struct certificate certificate;
    struct reason why = {""};
    assert_true(certificate_read(text, strlen(text), &certificate, &why));
    return certificate;
}

static bool is_accepted(const char *text, size_t size)
{
    struct certificate certificate;
    struct reason why = {""};
    if (!certificate_read(text, size, &certificate, &why)) {
        assert_true(why.text[0] != '\0');
        return false;
    }
    bool is_proved = proof_check(&certificate, &why);
    assert_true(is_proved || why.text[0] != '\0');
    certificate_done(&certificate);
    return is_proved;
}

// Sets the bound to what the duals, right or wrong, come to: then only the proof itself can object.
static bool is_proved_for_its_sum(struct certificate *certificate)
{
    struct reason why = {""};
    __int128 sum = 0, whole = (__int128)certificate->scale * certificate->event_count;
    for (int t = 0; t < certificate->type_count; t++) {
        sum += (__int128)certificate->types[t].z * (int64_t)certificate->types[t].count *
               certificate->event_count;
    }
    for (int j = 0; j < certificate->demand_count; j++) {
        sum += (__int128)certificate->demands[j].y * (int64_t)certificate->demands[j].count;
    }
    for (int c = 0; c < certificate->cut_count; c++) {
        sum += (__int128)certificate->cuts[c].price * certificate->cuts[c].limit >> 12;
    }
    certificate->bound = (int64_t)((sum + whole - 1) / whole);
    return proof_check(certificate, &why);
}

static void a_good_certificate_is_proved(void **state)
{
    (void)state;
    struct certificate certificate = read_good(sample);
    struct reason why = {""};
    assert_true(proof_check(&certificate, &why));
    assert_int_equal(certificate.bound, SAMPLE_BOUND);
    certificate_done(&certificate);
    assert_true(is_accepted(with_cut, strlen(with_cut)));
}

static void a_lowered_z_is_refused(void **state)
{
    (void)state;
    struct certificate certificate = read_good(sample);
    for (int t = 0; t < certificate.type_count; t++) {
        assert_true(certificate.types[t].z > 0);
        certificate.types[t].z--;
        assert_false(is_proved_for_its_sum(&certificate));
        certificate.types[t].z++;
        assert_true(is_proved_for_its_sum(&certificate));
    }
    certificate_done(&certificate);
}

static void a_demand_that_no_longer_pays_is_refused(void **state)
{
    (void)state;
    struct certificate certificate = read_good(sample);
    int refused = 0, paying = 0;
    for (int j = 0; j < certificate.demand_count; j++) {
        int64_t y = certificate.demands[j].y;
        paying += y > 0;
        certificate.demands[j].y = 0;
        refused += y > 0 && !is_proved_for_its_sum(&certificate);
        certificate.demands[j].y = y;
    }
    assert_int_equal(paying, 4);
    assert_int_equal(refused, 4);
    certificate_done(&certificate);
}

static void larger_nodes_and_smaller_demands_are_refused(void **state)
{
    (void)state;
    struct certificate certificate = read_good(sample);
    for (int t = 0; t < certificate.type_count; t++) {
        struct node_type saved = certificate.types[t];
        certificate.types[t].devices *= 2;
        certificate.types[t].cpu *= 2;
        assert_false(is_proved_for_its_sum(&certificate));
        certificate.types[t] = saved;
        certificate.types[t].memory *= 2;
        assert_true(is_proved_for_its_sum(&certificate) == (saved.mu == 0));
        certificate.types[t] = saved;
    }
    struct demand saved = certificate.demands[2];
    certificate.demands[2].cpu = 0;
    certificate.demands[2].memory = 0;
    assert_false(is_proved_for_its_sum(&certificate));
    certificate.demands[2] = saved;
    certificate.demands[2].models = UINT64_MAX;
    assert_false(is_proved_for_its_sum(&certificate));
    certificate_done(&certificate);
}

static void a_changed_bound_or_count_is_refused(void **state)
{
    (void)state;
    struct certificate certificate = read_good(sample);
    struct reason why = {""};
    certificate.bound--;
    assert_false(proof_check(&certificate, &why));
    certificate.bound += 2;
    assert_false(proof_check(&certificate, &why));
    certificate.bound = SAMPLE_BOUND;
    for (int t = 0; t < certificate.type_count; t++) {
        certificate.types[t].count++;
        assert_false(proof_check(&certificate, &why));
        certificate.types[t].count--;
    }
    for (int j = 0; j < certificate.demand_count; j++) {
        certificate.demands[j].count += 1000;
        assert_true(certificate.demands[j].y == 0 || !proof_check(&certificate, &why));
        certificate.demands[j].count -= 1000;
    }
    assert_true(proof_check(&certificate, &why));
    certificate_done(&certificate);
}

static void a_changed_cut_is_refused(void **state)
{
    (void)state;
    struct certificate certificate = read_good(with_cut);
    struct reason why = {""};
    struct cut saved = certificate.cuts[0];
    certificate.cuts[0].price = 0;
    assert_false(is_proved_for_its_sum(&certificate));
    certificate.cuts[0] = saved;
    certificate.cuts[0].beta *= 2;
    assert_false(is_proved_for_its_sum(&certificate));
    certificate.cuts[0] = saved;
    certificate.cuts[0].kind = 1; // without the whole ones, which were to be held down
    assert_false(is_proved_for_its_sum(&certificate));
    certificate.cuts[0] = saved;
    certificate.bound = 19170;
    certificate.cuts[0].limit = 1000;
    assert_false(proof_check(&certificate, &why));
    certificate.cuts[0] = saved;
    assert_true(proof_check(&certificate, &why));
    certificate.demands[1] = certificate.demands[0]; // which of the two is the pivot?
    assert_false(proof_check(&certificate, &why));
    assert_string_equal(why.text, "cuts over demands that are not distinct");
    certificate_done(&certificate);
}

static void duals_too_large_to_add_up_are_refused(void **state)
{
    (void)state;
    struct certificate certificate = read_good(with_cut);
    struct reason why = {""};
    certificate.cuts[0].price = (int64_t)DUAL_MAX;
    certificate.cuts[0].beta = (int64_t)AMOUNT_MAX; // the pivot is worth 2^78
    assert_false(proof_check(&certificate, &why));
    assert_string_equal(why.text, "node type 0: duals out of range");
    certificate_done(&certificate);
}

static void a_text_with_any_other_byte_is_refused(void **state)
{
    (void)state;
    size_t size = strlen(with_cut);
    char text[sizeof with_cut + 1];
    memcpy(text, with_cut, sizeof with_cut);
    for (size_t cut = 0; cut < size; cut++) {
        assert_false(is_accepted(text, cut));
    }
    for (size_t i = 0; i < size; i++) {
        char saved = text[i];
        const char bad[] = {'-', '+', 'x', '\0', '\t', '\r', saved == ' ' ? '\n' : ' '};
        for (size_t k = 0; k < sizeof bad; k++) {
            text[i] = bad[k];
            assert_true(bad[k] == saved || !is_accepted(text, size));
        }
        text[i] = saved;
    }
    text[size] = '\n';
    assert_false(is_accepted(text, size + 1));
    assert_true(is_accepted(text, size));
}

static void numbers_are_written_in_one_way_only(void **state)
{
    (void)state;
    static const char *const good[] = {"0 ", "7 ", "18446744073709551615 "};
    static const char *const bad[] = {"",
                                      " ",
                                      "00 ",
                                      "07 ",
                                      "7",
                                      "7\n",
                                      "-7 ",
                                      "+7 ",
                                      "18446744073709551616 ",
                                      "99999999999999999999 ",
                                      "a "};
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct cursor cursor = {.at = good[i], .end = good[i] + strlen(good[i]), .line = 1};
        assert_true(cursor_number(&cursor, 10, UINT64_MAX, " ", &value));
        assert_true(cursor.at == cursor.end);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct cursor cursor = {.at = bad[i], .end = bad[i] + strlen(bad[i]), .line = 1};
        assert_false(cursor_number(&cursor, 10, UINT64_MAX, " ", &value));
    }
    struct cursor cursor = {.at = "ff\n", .end = NULL, .line = 1};
    cursor.end = cursor.at + 3;
    assert_true(cursor_number(&cursor, 16, 255, "\n", &value));
    assert_int_equal(value, 255);
    assert_int_equal(cursor.line, 2);
}

// Whatever is proved for this very instance is at least the optimum of the linear program, and so
// was the bound, but for rounding.
static void a_changed_digit_proves_no_less_for_the_same_instance(void **state)
{
    (void)state;
    char text[sizeof sample];
    int proved = 0;
    memcpy(text, sample, sizeof sample);
    for (size_t i = 0; i + 1 < sizeof sample; i++) {
        for (char digit = '0'; digit <= '9'; digit++) {
            struct certificate certificate;
            struct reason why = {""};
            if (sample[i] < '0' || sample[i] > '9' || digit == sample[i]) {
                continue;
            }
            text[i] = digit;
            if (certificate_read(text, sizeof sample - 1, &certificate, &why)) {
                struct certificate own = read_good(sample);
                bool is_same = own.event_count == certificate.event_count;
                for (int t = 0; t < own.type_count; t++) {
                    own.types[t].unit = certificate.types[t].unit;
                    own.types[t].mu = certificate.types[t].mu;
                    own.types[t].z = certificate.types[t].z;
                    is_same = is_same && memcmp(&own.types[t], &certificate.types[t],
                                                sizeof own.types[t]) == 0;
                }
                for (int j = 0; j < own.demand_count; j++) {
                    own.demands[j].y = certificate.demands[j].y;
                    is_same = is_same && memcmp(&own.demands[j], &certificate.demands[j],
                                                sizeof own.demands[j]) == 0;
                }
                if (is_same && is_proved_for_its_sum(&certificate)) {
                    proved++;
                    assert_true(certificate.bound >= SAMPLE_BOUND - 1);
                }
                certificate_done(&own);
                certificate_done(&certificate);
            }
            text[i] = sample[i];
        }
    }
    assert_true(proved > 50); // duals may be raised
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_certificate_is_proved),
        cmocka_unit_test(a_lowered_z_is_refused),
        cmocka_unit_test(a_demand_that_no_longer_pays_is_refused),
        cmocka_unit_test(larger_nodes_and_smaller_demands_are_refused),
        cmocka_unit_test(a_changed_bound_or_count_is_refused),
        cmocka_unit_test(a_changed_cut_is_refused),
        cmocka_unit_test(duals_too_large_to_add_up_are_refused),
        cmocka_unit_test(a_text_with_any_other_byte_is_refused),
        cmocka_unit_test(numbers_are_written_in_one_way_only),
        cmocka_unit_test(a_changed_digit_proves_no_less_for_the_same_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
