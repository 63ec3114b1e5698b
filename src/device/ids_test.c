// Tests of the tables of PCI ids and names: they agree with the catalogue and with each other.
#include "device/ids.h"

#include "base/csv.h"
#include "device/shipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gr_ids *ids;

static int make(void **state)
{
    (void)state;
    return gr_ids_new(&ids, NULL);
}

static int take_down(void **state)
{
    (void)state;
    gr_ids_free(ids);
    return 0;
}

// Every variant of the list is one of the vendor's.
static void assert_variants(const char *variants, const char *vendor)
{
    const struct gr_catalogue *catalogue = gr_ids_catalogue(ids);
    struct gr_slice rest = gr_slice_of(variants);
    struct gr_slice word;
    while (gr_variant_next(&rest, &word)) {
        int index = gr_catalogue_find(catalogue, word);
        assert_true(index >= 0);
        assert_string_equal(catalogue->variants[index].text[GR_VARIANT_VENDOR], vendor);
        // the id, not a name: this is what a device's variant is set to
        assert_true(gr_slice_is(word, catalogue->variants[index].text[GR_VARIANT_ID]));
    }
}

static bool is_vendor(const char *vendor)
{
    const struct gr_catalogue *catalogue = gr_ids_catalogue(ids);
    for (size_t i = 0; i < catalogue->count; i++) {
        if (strcmp(catalogue->variants[i].text[GR_VARIANT_VENDOR], vendor) == 0) {
            return true;
        }
    }
    return false;
}

static void every_row_names_a_vendor_and_variants_of_the_catalogue(void **state)
{
    (void)state;
    static const struct gr_csv_column columns[] = {
        {"vendor_id", true}, {"device_id", true}, {"classes", true}, {"drivers", true},
        {"vendor", true},    {"variants", true},  {"name", true},    {"source", true}};
    struct gr_slice bytes = gr_shipped_pci_ids();
    struct gr_csv *csv;
    struct gr_slice seen[512];
    size_t seen_count = 0;
    assert_int_equal(gr_csv_open_bytes("pci-ids.csv", bytes.text, bytes.size, columns, 8,
                                       GR_CSV_STRICT, &csv, NULL),
                     0);
    while (gr_csv_next(csv, NULL) == 1) {
        char vendor[GR_NAME_SIZE];
        char variants[128] = "";
        struct gr_slice vendor_id = gr_csv_get(csv, 0);
        assert_int_equal(gr_csv_get_text(csv, 4, vendor, sizeof vendor, NULL), 0);
        assert_true(is_vendor(vendor));
        if (!gr_csv_is_blank(csv, 5)) {
            assert_int_equal(gr_csv_get_text(csv, 5, variants, sizeof variants, NULL), 0);
        }
        assert_variants(variants, vendor);
        assert_false(gr_csv_is_blank(csv, 7)); // a source
        // "vendor,device" of the file itself: ids are not quoted
        struct gr_slice key = {vendor_id.text, vendor_id.size + 1 + gr_csv_get(csv, 1).size};
        for (size_t i = 0; i < seen_count; i++) {
            assert_false(gr_slice_equal(seen[i], key));
        }
        assert_true(seen_count < 512);
        seen[seen_count++] = key;
    }
    gr_csv_close(csv);
    assert_true(seen_count > 80);
}

static void every_name_belongs_to_variants_of_its_vendor(void **state)
{
    (void)state;
    static const struct gr_csv_column columns[] = {
        {"vendor", true}, {"name", true}, {"variants", true}, {"source", true}};
    struct gr_slice bytes = gr_shipped_device_names();
    struct gr_csv *csv;
    assert_int_equal(gr_csv_open_bytes("device-names.csv", bytes.text, bytes.size, columns, 4,
                                       GR_CSV_STRICT, &csv, NULL),
                     0);
    while (gr_csv_next(csv, NULL) == 1) {
        char vendor[GR_NAME_SIZE];
        char variants[128];
        assert_int_equal(gr_csv_get_text(csv, 0, vendor, sizeof vendor, NULL), 0);
        assert_int_equal(gr_csv_get_text(csv, 2, variants, sizeof variants, NULL), 0);
        assert_variants(variants, vendor);
        assert_false(gr_csv_is_blank(csv, 3));
    }
    gr_csv_close(csv);
}

static void classes_and_listed_devices_make_an_accelerator(void **state)
{
    (void)state;
    assert_true(gr_ids_is_accelerator(ids, 0x10de, 0x2335, 0x0302));
    assert_true(gr_ids_is_accelerator(ids, 0x10de, 0xffff, 0x0300));
    assert_false(gr_ids_is_accelerator(ids, 0x10de, 0x2335, 0x0403));
    assert_true(gr_ids_is_accelerator(ids, 0x1002, 0x7408, 0x0380));
    assert_false(gr_ids_is_accelerator(ids, 0x1002, 0x164e, 0x0300));
    assert_true(gr_ids_is_accelerator(ids, 0x8086, 0x0bd5, 0x0380));
    assert_false(gr_ids_is_accelerator(ids, 0x8086, 0x7d1d, 0x1200)); // a desktop chip's NPU
    assert_false(gr_ids_is_accelerator(ids, 0x1234, 0x0001, 0x0302));
}

static void drivers_that_serve_work_are_told_from_others(void **state)
{
    (void)state;
    assert_true(gr_ids_has_driver(ids, 0x10de, "nvidia"));
    assert_false(gr_ids_has_driver(ids, 0x10de, "nouveau"));
    assert_false(gr_ids_has_driver(ids, 0x10de, "vfio-pci"));
    assert_false(gr_ids_has_driver(ids, 0x10de, ""));
    assert_true(gr_ids_has_driver(ids, 0x8086, "xe"));
    assert_true(gr_ids_has_driver(ids, 0xcabc, "whatever"));
    assert_false(gr_ids_has_driver(ids, 0xcabc, "vfio-pci"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_names_a_vendor_and_variants_of_the_catalogue),
        cmocka_unit_test(every_name_belongs_to_variants_of_its_vendor),
        cmocka_unit_test(classes_and_listed_devices_make_an_accelerator),
        cmocka_unit_test(drivers_that_serve_work_are_told_from_others),
    };
    return cmocka_run_group_tests(tests, make, take_down);
}
