// Reading a catalogue: see catalogue.h. Must never turn a blank into a number or hand out half a
// file.
#include "model/catalogue.h"

#include "base/number.h"
#include "base/words.h"
#include "model/catalogue_columns.h"
#include "model/shipped.h"

#include <errno.h>
#include <stdlib.h>

enum { TEXT_MAX = 2000, LIST_MAX = 32 }; // bytes of a text, words of a list

static const char *const bases[] = {"fp16", "fp8", "int8", "fp4", "analyst", NULL};

// One load: the file, where texts go, and the column of each text for errors.
struct load {
    struct gr_csv *csv;
    struct gr_catalogue catalogue;
    size_t text_used;
    uint32_t *name_lines; // line of each name, for errors
};

static const char *keep_text(struct load *load, struct gr_slice text)
{
    char *copy = load->catalogue.text + load->text_used;
    if (text.size > 0) {
        memcpy(copy, text.text, text.size);
    }
    copy[text.size] = '\0';
    load->text_used += text.size + 1;
    return copy;
}

static int add_name(struct load *load, size_t column, struct gr_slice name, struct gr_err *err)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    struct gr_catalogue *catalogue = &load->catalogue;
    if (!gr_catalogue_is_name(name)) {
        return gr_csv_fail(load->csv, column, err,
                           "found %s, expected a name: up to %d of a-z 0-9 . - +, first a letter "
                           "or digit",
                           gr_words_quote(name, quote), GR_NAME_SIZE - 1);
    }
    uint32_t *slot = gr_catalogue_slot(catalogue, name);
    if (*slot != 0) {
        return gr_csv_fail(load->csv, column, err,
                           "found %s again, expected each id and name once (line %u has it)",
                           gr_words_quote(name, quote), load->name_lines[*slot - 1]);
    }
    load->name_lines[catalogue->name_count] = (uint32_t)gr_csv_line(load->csv);
    catalogue->names[catalogue->name_count] =
        (struct gr_variant_name){keep_text(load, name), (uint32_t)catalogue->count};
    *slot = (uint32_t)++catalogue->name_count;
    return 0;
}

static int read_names(struct load *load, size_t column, struct gr_slice text, struct gr_err *err)
{
    struct gr_slice name;
    for (unsigned count = 0; gr_variant_next(&text, &name); count++) {
        if (count == GR_VARIANT_NAMES_MAX) {
            return gr_csv_fail(load->csv, column, err, "found more than %d names, expected no more",
                               GR_VARIANT_NAMES_MAX);
        }
        int code = add_name(load, column, name, err);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

// Checks the words of a list: not blank, not too many.
static int check_list(const struct load *load, size_t column, struct gr_slice text,
                      struct gr_err *err)
{
    struct gr_slice word;
    unsigned count = 0;
    bool blank_end = text.size > 0 && text.text[text.size - 1] == ';';
    while (gr_variant_next(&text, &word)) {
        if (word.size == 0 || blank_end || ++count > LIST_MAX) {
            return gr_csv_fail(load->csv, column, err,
                               "found %s, expected at most %d words with one ';' between them",
                               count > LIST_MAX ? "a longer list" : "a blank word", LIST_MAX);
        }
    }
    return 0;
}

// The bit of a fact by its column's name; the bit above all facts for other columns of the file; 0
// if there is no such column.
static uint64_t column_bit(struct gr_slice name)
{
    for (size_t c = 0; c < GR_CATALOGUE_COLUMN_COUNT; c++) {
        if (gr_slice_is(name, gr_catalogue_columns[c].name)) {
            return gr_catalogue_columns[c].holds == GR_HOLDS_FACT
                       ? UINT64_C(1) << gr_catalogue_columns[c].index
                       : UINT64_C(1) << GR_FACT_COUNT;
        }
    }
    return 0;
}

static int read_uncertain(const struct load *load, size_t column, struct gr_slice text,
                          uint32_t *ret_doubtful, struct gr_err *err)
{
    struct gr_slice word;
    uint64_t bits = 0;
    while (gr_variant_next(&text, &word)) {
        uint64_t bit = gr_slice_is(word, "all") ? UINT32_MAX : column_bit(word);
        if (bit == 0) {
            char quote[GR_WORDS_QUOTE_SIZE];
            return gr_csv_fail(load->csv, column, err,
                               "found %s, expected names of columns with ';' between them, or all",
                               gr_words_quote(word, quote));
        }
        bits |= bit;
    }
    *ret_doubtful = (uint32_t)(bits & ((UINT64_C(1) << GR_FACT_COUNT) - 1));
    return 0;
}

static int read_text(struct load *load, size_t column, struct gr_variant *variant,
                     struct gr_err *err)
{
    enum gr_variant_text which = gr_catalogue_columns[column].index;
    struct gr_slice text = gr_csv_get(load->csv, column);
    size_t index;
    int code = 0;
    if (text.size > TEXT_MAX) {
        return gr_csv_fail(load->csv, column, err, "found a text of %zu bytes, expected at most %d",
                           text.size, TEXT_MAX);
    }
    switch (which) {
    case GR_VARIANT_ID:
        code = add_name(load, column, text, err);
        break;
    case GR_VARIANT_NAMES:
        code = check_list(load, column, text, err);
        code = code < 0 ? code : read_names(load, column, text, err);
        break;
    case GR_VARIANT_VENDOR:
    case GR_VARIANT_MODEL:
        if (text.size == 0) {
            code = gr_csv_fail(load->csv, column, err, "found a blank field, expected a text");
        }
        break;
    case GR_VARIANT_TPP_BASIS:
        code = text.size == 0 ? 0 : gr_csv_get_word(load->csv, column, bases, &index, err);
        break;
    case GR_VARIANT_UNCERTAIN:
        code = check_list(load, column, text, err);
        code = code < 0 ? code : read_uncertain(load, column, text, &variant->doubtful, err);
        break;
    case GR_VARIANT_SHARING:
    case GR_VARIANT_SOURCES:
        code = check_list(load, column, text, err);
        break;
    case GR_VARIANT_ARCHITECTURE:
    case GR_VARIANT_FORM:
    case GR_VARIANT_MEMORY_TYPE:
    case GR_VARIANT_LINK_TYPE:
    case GR_VARIANT_NOTE:
    case GR_VARIANT_TEXT_COUNT:
        break;
    }
    if (code == 0) {
        variant->text[which] = keep_text(load, text);
    }
    return code;
}

static int read_fact(const struct load *load, size_t column, struct gr_variant *variant,
                     struct gr_err *err)
{
    enum gr_fact fact = gr_catalogue_columns[column].index;
    if (gr_csv_is_blank(load->csv, column)) {
        return 0;
    }
    const struct gr_fact_info *info = gr_fact_info(fact);
    int code = gr_csv_get_decimal(load->csv, column, info->digits, info->low, info->high,
                                  &variant->facts[fact], err);
    if (code == 0) {
        variant->known |= UINT32_C(1) << fact;
    }
    return code;
}

// A stated TPP must be what its rate gives: rate x bits, to within one (sources round).
static int check_tpp(const struct load *load, const struct gr_variant *variant, struct gr_err *err)
{
    static const struct {
        const char *word;
        enum gr_fact rate;
        int64_t bits;
    } rates[] = {{"fp16", GR_FACT_FP16, 16},
                 {"fp8", GR_FACT_FP8, 8},
                 {"int8", GR_FACT_INT8, 8},
                 {"fp4", GR_FACT_FP4, 4}};
    enum { TPP_COLUMN = 18, BASIS_COLUMN = 19 };
    assert(gr_catalogue_columns[TPP_COLUMN].index == GR_FACT_TPP);
    assert(gr_catalogue_columns[BASIS_COLUMN].index == GR_VARIANT_TPP_BASIS);
    const char *basis = variant->text[GR_VARIANT_TPP_BASIS];
    int64_t tpp;
    int64_t rate;
    if (!gr_variant_get(variant, GR_FACT_TPP, &tpp)) {
        return basis[0] == '\0' ? 0
                                : gr_csv_fail(load->csv, BASIS_COLUMN, err,
                                              "found '%s', expected blank as tpp is", basis);
    }
    if (basis[0] == '\0') {
        return gr_csv_fail(load->csv, BASIS_COLUMN, err,
                           "found a blank field, expected what the tpp comes from");
    }
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        char text[GR_NUMBER_TEXT_SIZE];
        bool known = gr_variant_get(variant, rates[i].rate, &rate);
        int64_t product = known ? rate * rates[i].bits : 0;
        bool is_basis = strcmp(basis, rates[i].word) == 0;
        if (is_basis && !known) {
            return gr_csv_fail(load->csv, BASIS_COLUMN, err,
                               "found '%s', expected a rate that the "
                               "row has",
                               basis);
        }
        bool far = is_basis ? llabs(product - tpp) > 1000 : product > tpp + 1000;
        if (far && strcmp(basis, "analyst") != 0) {
            return gr_csv_fail(load->csv, TPP_COLUMN, err,
                               "found '%.*s', expected %s, the largest of rate x bits (%s)",
                               (int)gr_csv_get(load->csv, TPP_COLUMN).size,
                               gr_csv_get(load->csv, TPP_COLUMN).text,
                               gr_number_format(product, 3, text), rates[i].word);
        }
    }
    return 0;
}

// Computes `over` / `under` x factor, rounded half up, where both are known.
static void derive(struct gr_variant *variant, enum gr_fact fact, enum gr_fact over,
                   enum gr_fact under, int64_t factor)
{
    uint32_t needs = UINT32_C(1) << over | UINT32_C(1) << under;
    if ((variant->known & needs) != needs) {
        return;
    }
    int64_t divisor = variant->facts[under];
    assert(divisor > 0);
    assert(variant->facts[over] <= INT64_MAX / factor - divisor);
    variant->facts[fact] = (variant->facts[over] * factor + divisor / 2) / divisor;
    variant->known |= UINT32_C(1) << fact;
    if ((variant->doubtful & needs) != 0) {
        variant->doubtful |= UINT32_C(1) << fact;
    }
}

static int read_variant(struct load *load, struct gr_variant *variant, struct gr_err *err)
{
    for (size_t c = 0; c < GR_CATALOGUE_COLUMN_COUNT; c++) {
        size_t index = 0;
        int code = 0;
        switch (gr_catalogue_columns[c].holds) {
        case GR_HOLDS_TEXT:
            code = read_text(load, c, variant, err);
            break;
        case GR_HOLDS_FACT:
            code = read_fact(load, c, variant, err);
            break;
        case GR_HOLDS_DATACENTRE:
            code = gr_csv_get_word(load->csv, c, gr_catalogue_yes_no, &index, err);
            variant->datacentre = index == 0;
            break;
        case GR_HOLDS_CONFIDENCE:
            code = gr_csv_get_word(load->csv, c, gr_confidence_words, &index, err);
            variant->confidence = (enum gr_confidence)index;
            break;
        }
        if (code < 0) {
            return code;
        }
    }
    derive(variant, GR_FACT_DENSITY, GR_FACT_TPP, GR_FACT_DIE, 1000);
    // 10^12 FLOP/s over 10^9 byte/s, and the result in thousandths
    derive(variant, GR_FACT_FLOP_PER_BYTE, GR_FACT_FP16, GR_FACT_BANDWIDTH, 1000000);
    return check_tpp(load, variant, err);
}

static int allocate(struct load *load, struct gr_err *err)
{
    struct gr_catalogue *catalogue = &load->catalogue;
    size_t rows = gr_csv_rows_bound(load->csv);
    rows = rows > GR_VARIANTS_MAX ? GR_VARIANTS_MAX : rows;
    size_t names = rows * (GR_VARIANT_NAMES_MAX + 1);
    static_assert((size_t)GR_VARIANTS_MAX * (GR_VARIANT_NAMES_MAX + 1) < GR_CATALOGUE_SLOTS,
                  "the table is never full");
    size_t bytes;
    gr_csv_position(load->csv, NULL, &bytes);
    catalogue->variants = calloc(rows, sizeof *catalogue->variants);
    catalogue->names = calloc(names, sizeof *catalogue->names);
    catalogue->name_slots = calloc(GR_CATALOGUE_SLOTS, sizeof *catalogue->name_slots);
    // each text once, ids and names once more, and a NUL for each
    catalogue->text = malloc(2 * bytes + rows * GR_VARIANT_TEXT_COUNT + names);
    load->name_lines = calloc(names, sizeof *load->name_lines);
    if (catalogue->variants == NULL || catalogue->names == NULL || catalogue->name_slots == NULL ||
        catalogue->text == NULL || load->name_lines == NULL) {
        return gr_fail(err, -ENOMEM, "not enough memory for a catalogue");
    }
    return 0;
}

static int read_rows(struct load *load, struct gr_err *err)
{
    int code;
    while ((code = gr_csv_next(load->csv, err)) == 1) {
        if (load->catalogue.count == GR_VARIANTS_MAX) {
            return gr_csv_fail_line(load->csv, err, "found more than %d variants, expected no more",
                                    GR_VARIANTS_MAX);
        }
        code = read_variant(load, &load->catalogue.variants[load->catalogue.count], err);
        if (code < 0) {
            return code;
        }
        load->catalogue.count++;
    }
    if (code == 0 && load->catalogue.count == 0) {
        return gr_csv_fail_line(load->csv, err,
                                "found no variant, expected at least one line "
                                "after the names of the columns");
    }
    return code;
}

static void fill_columns(struct gr_csv_column *columns)
{
    for (size_t c = 0; c < GR_CATALOGUE_COLUMN_COUNT; c++) {
        columns[c] = (struct gr_csv_column){gr_catalogue_columns[c].name, true};
    }
}

// Reads an open file, closes it, and hands the catalogue out if all of it was right.
static int load_csv(struct gr_csv *csv, struct gr_catalogue *ret_catalogue, struct gr_err *err)
{
    struct load load = {.csv = csv};
    int code = allocate(&load, err);
    if (code == 0) {
        code = read_rows(&load, err);
    }
    free(load.name_lines);
    gr_csv_close(csv);
    if (code < 0) {
        gr_catalogue_done(&load.catalogue);
        return code;
    }
    *ret_catalogue = load.catalogue;
    return 0;
}

int gr_catalogue_load_bytes(const char *name, const char *bytes, size_t size,
                            struct gr_catalogue *ret_catalogue, struct gr_err *err)
{
    assert(ret_catalogue != NULL);
    struct gr_csv_column columns[GR_CATALOGUE_COLUMN_COUNT];
    struct gr_csv *csv = NULL;
    fill_columns(columns);
    int code = gr_csv_open_bytes(name, bytes, size, columns, GR_CATALOGUE_COLUMN_COUNT,
                                 GR_CSV_STRICT, &csv, err);
    return code < 0 ? code : load_csv(csv, ret_catalogue, err);
}

int gr_catalogue_load(const char *path, struct gr_catalogue *ret_catalogue, struct gr_err *err)
{
    assert(ret_catalogue != NULL);
    if (path == NULL) {
        struct gr_slice shipped = gr_shipped_accelerators();
        return gr_catalogue_load_bytes("data/accelerators.csv", shipped.text, shipped.size,
                                       ret_catalogue, err);
    }
    struct gr_csv_column columns[GR_CATALOGUE_COLUMN_COUNT];
    struct gr_csv *csv = NULL;
    fill_columns(columns);
    int code = gr_csv_open(path, columns, GR_CATALOGUE_COLUMN_COUNT, GR_CSV_STRICT, &csv, err);
    return code < 0 ? code : load_csv(csv, ret_catalogue, err);
}
