// Tests of the catalogue: the shipped file, what loading refuses, and that writing gives it back.
#include "model/catalogue.h"

#include "base/number.h"
#include "model/shipped.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int load_shipped(void **state)
{
    struct gr_err err;
    static struct gr_catalogue catalogue;
    *state = &catalogue;
    return gr_catalogue_load(NULL, &catalogue, &err);
}

static int done_shipped(void **state)
{
    gr_catalogue_done(*state);
    return 0;
}

static const struct gr_variant *find(const struct gr_catalogue *catalogue, const char *name)
{
    int index = gr_catalogue_find(catalogue, gr_slice_of(name));
    assert_true(index >= 0);
    return &catalogue->variants[index];
}

static void assert_fact(const struct gr_variant *variant, enum gr_fact fact, const char *expected)
{
    int64_t value;
    char text[GR_NUMBER_TEXT_SIZE];
    assert_true(gr_variant_get(variant, fact, &value));
    assert_string_equal(gr_number_format(value, gr_fact_info(fact)->digits, text), expected);
}

static void the_shipped_file_has_its_variants_and_vendors(void **state)
{
    const struct gr_catalogue *catalogue = *state;
    assert_int_equal(catalogue->count, 107);
    size_t vendors = 0;
    for (size_t i = 0; i < catalogue->count; i++) {
        size_t j = 0;
        while (strcmp(catalogue->variants[j].text[GR_VARIANT_VENDOR],
                      catalogue->variants[i].text[GR_VARIANT_VENDOR]) != 0) {
            j++;
        }
        vendors += i == j;
    }
    assert_int_equal(vendors, 17);
}

static void facts_are_exact_and_flop_per_byte_is_computed(void **state)
{
    const struct gr_variant *h20 = find(*state, "h20");
    assert_string_equal(h20->text[GR_VARIANT_ID], "nv-h20-96");
    assert_fact(h20, GR_FACT_MEMORY, "96");
    assert_fact(h20, GR_FACT_BANDWIDTH, "4000");
    assert_fact(h20, GR_FACT_FP16, "148");
    assert_fact(h20, GR_FACT_FLOP_PER_BYTE, "37");
    assert_fact(h20, GR_FACT_DENSITY, "2.909");
    assert_fact(find(*state, "H100"), GR_FACT_FLOP_PER_BYTE, "295.373");
    assert_fact(find(*state, "lpu"), GR_FACT_MEMORY, "0.23");
    assert_fact(find(*state, "910b1"), GR_FACT_DIE, "665.61");
    assert_true(gr_variant_doubts(h20, GR_FACT_PRICE));
    assert_false(gr_variant_doubts(h20, GR_FACT_MEMORY));
}

static void unknown_is_not_zero(void **state)
{
    const struct gr_variant *unknown = find(*state, "seedchip");
    for (enum gr_fact fact = 0; fact < GR_FACT_COUNT; fact++) {
        int64_t value = 77;
        assert_int_equal(gr_variant_get(unknown, fact, &value), fact == GR_FACT_YEAR);
        assert_int_equal(value, fact == GR_FACT_YEAR ? 2026 : 77);
        assert_int_equal(gr_variant_doubts(unknown, fact), fact == GR_FACT_YEAR);
    }
    // FLOP per byte needs both: the C550 has a memory size and no more
    int64_t value = 77;
    assert_false(gr_variant_get(find(*state, "c550"), GR_FACT_FLOP_PER_BYTE, &value));
}

static void names_are_found_in_any_case_and_suggested(void **state)
{
    const struct gr_catalogue *catalogue = *state;
    assert_true(gr_catalogue_find(catalogue, gr_slice_of("NV-H20-96")) ==
                gr_catalogue_find(catalogue, gr_slice_of("h20-96")));
    assert_int_equal(gr_catalogue_find(catalogue, gr_slice_of("h2")), -ENOENT);
    assert_int_equal(gr_catalogue_find(catalogue, gr_slice_of("")), -ENOENT);
    assert_int_equal(gr_catalogue_find(catalogue, (struct gr_slice){"h20\0", 4}), -ENOENT);
    assert_string_equal(gr_catalogue_suggest(catalogue, gr_slice_of("mi300")), "mi300x");
}

static void every_source_is_explained(void **state)
{
    const struct gr_catalogue *catalogue = *state;
    struct gr_slice sources = gr_shipped_sources();
    for (size_t i = 0; i < catalogue->count; i++) {
        struct gr_slice rest = gr_slice_of(catalogue->variants[i].text[GR_VARIANT_SOURCES]);
        struct gr_slice code;
        assert_true(rest.size > 0);
        while (gr_variant_next(&rest, &code)) {
            char line[64];
            snprintf(line, sizeof line, "\n%.*s,", (int)code.size, code.text);
            assert_non_null(memmem(sources.text, sources.size, line, strlen(line)));
        }
    }
}

static void what_is_written_is_what_was_read(void **state)
{
    const struct gr_catalogue *catalogue = *state;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    gr_catalogue_write_head(file);
    for (size_t i = 0; i < catalogue->count; i++) {
        gr_catalogue_write(&catalogue->variants[i], file);
    }
    fclose(file);
    struct gr_slice shipped = gr_shipped_accelerators();
    assert_int_equal(size, shipped.size);
    assert_memory_equal(text, shipped.text, size);
    free(text);
}

#define HEAD                                                                                       \
    "id,names,vendor,model,architecture,year,form_factor,datacentre,memory_gib,memory_type,"       \
    "bandwidth_gbs,fp16_tflops,fp8_tflops,int8_tops,fp4_tflops,link_gbs,link,tdp_w,tpp,"           \
    "tpp_basis,die_mm2,price_usd,sharing,confidence,uncertain,sources,note\n"
#define TAIL ",,,,,,,,,,,,high,,E,\n" // from fp16 on, all unknown
#define ROW "a1,a;b,V,M,,,,yes,8,,9,"

static void what_is_impossible_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"", "f:1:1: found an empty file, expected a first line that names the columns"},
        {HEAD,
         "f:1:1: found no variant, expected at least one line after the names of the columns"},
        {"id,nmaes\n", "f:1:4: found the unknown column 'nmaes', expected perhaps 'names'"},
        {HEAD "A1,a,V,M,,,,yes,8,,9," TAIL, "f:2:1: column 'id': found 'A1', expected a name: up "
                                            "to 47 of a-z 0-9 . - +, first a letter "
                                            "or digit"},
        {HEAD "a1,a;a1,V,M,,,,yes,8,,9," TAIL,
         "f:2:4: column 'names': found 'a1' again, expected each id and name once (line 2 has it)"},
        {HEAD ROW TAIL "a2,b,V,M,,,,yes,8,,9," TAIL,
         "f:3:4: column 'names': found 'b' again, expected each id and name once (line 2 has it)"},
        {HEAD "a1,a;,V,M,,,,yes,8,,9," TAIL, "f:2:4: column 'names': found a blank word, expected "
                                             "at most 32 words with one ';' between "
                                             "them"},
        {HEAD "a1,a,,M,,,,yes,8,,9," TAIL,
         "f:2:6: column 'vendor': found a blank field, expected a text"},
        {HEAD "a1,a,V,M,,1066,,yes,8,,9," TAIL,
         "f:2:11: column 'year': found '1066', expected a whole number from 1990 to 2100"},
        {HEAD "a1,a,V,M,,,,maybe,8,,9," TAIL,
         "f:2:13: column 'datacentre': found 'maybe', expected yes or no"},
        {HEAD "a1,a,V,M,,,,yes,0,,9," TAIL, "f:2:17: column 'memory_gib': found '0', expected a "
                                            "number from 0.001 to 100000 with at most "
                                            "3 digits after the point"},
        {HEAD "a1,a,V,M,,,,yes,-8,,9," TAIL,
         "f:2:17: column 'memory_gib': found '-8', expected a number from 0.001 to 100000 with at "
         "most 3 digits after the point"},
        {HEAD "a1,a,V,M,,,,yes,8,,1e99," TAIL,
         "f:2:20: column 'bandwidth_gbs': found '1e99', expected a number from 0.001 to 100000000 "
         "with at most 3 digits after the point"},
        {HEAD ROW "10,,,,,,,170,fp16,,,,high,,E,\n",
         "f:2:33: column 'tpp': found '170', expected 160, the largest of rate x bits (fp16)"},
        {HEAD ROW "10,30,,,,,,160,fp16,,,,high,,E,\n",
         "f:2:35: column 'tpp': found '160', expected 240, the largest of rate x bits (fp8)"},
        {HEAD ROW ",,,,,,,160,fp16,,,,high,,E,\n",
         "f:2:35: column 'tpp_basis': found 'fp16', expected a rate that the row has"},
        {HEAD ROW ",,,,,,,160,,,,,high,,E,\n",
         "f:2:35: column 'tpp_basis': found a blank field, expected what the tpp comes from"},
        {HEAD ROW ",,,,,,,,fp8,,,,high,,E,\n",
         "f:2:32: column 'tpp_basis': found 'fp8', expected blank as tpp is"},
        {HEAD ROW ",,,,,,,,,,,,sure,,E,\n",
         "f:2:36: column 'confidence': found 'sure', expected high, medium or low"},
        {HEAD ROW ",,,,,,,,,,,,high,colour,E,\n",
         "f:2:41: column 'uncertain': found 'colour', expected names of columns with ';' between "
         "them, or all"},
        {HEAD "a1,a,V,M\n", "f:2:1: found 4 fields, expected 27 as in the first line"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gr_err err;
        struct gr_catalogue catalogue = {.count = 7};
        assert_int_equal(
            gr_catalogue_load_bytes("f", cases[i].text, strlen(cases[i].text), &catalogue, &err),
            -EINVAL);
        assert_string_equal(err.text, cases[i].error);
        assert_int_equal(catalogue.count, 7);
    }
}

static void doubt_in_a_fact_is_doubt_in_what_is_computed_from_it(void **state)
{
    (void)state;
    const char text[] = HEAD ROW "10,,,,,,,,,,,,high,fp16_tflops;note,E,\n";
    struct gr_err err;
    struct gr_catalogue catalogue;
    assert_int_equal(gr_catalogue_load_bytes("f", text, sizeof text - 1, &catalogue, &err), 0);
    assert_true(gr_variant_doubts(&catalogue.variants[0], GR_FACT_FP16));
    assert_true(gr_variant_doubts(&catalogue.variants[0], GR_FACT_FLOP_PER_BYTE));
    assert_false(gr_variant_doubts(&catalogue.variants[0], GR_FACT_BANDWIDTH));
    assert_fact(&catalogue.variants[0], GR_FACT_FLOP_PER_BYTE, "1111.111");
    gr_catalogue_done(&catalogue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_file_has_its_variants_and_vendors),
        cmocka_unit_test(facts_are_exact_and_flop_per_byte_is_computed),
        cmocka_unit_test(unknown_is_not_zero),
        cmocka_unit_test(names_are_found_in_any_case_and_suggested),
        cmocka_unit_test(every_source_is_explained),
        cmocka_unit_test(what_is_written_is_what_was_read),
        cmocka_unit_test(what_is_impossible_is_refused_with_its_place),
        cmocka_unit_test(doubt_in_a_fact_is_doubt_in_what_is_computed_from_it),
    };
    return cmocka_run_group_tests(tests, load_shipped, done_shipped);
}
