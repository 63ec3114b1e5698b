// The catalogue: what is asked of it and written from it; see catalogue.h. catalogue_load.c reads
// it.
#include "model/catalogue.h"

#include "base/csv_write.h"
#include "base/number.h"
#include "base/words.h"
#include "model/catalogue_columns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MILLI(x) (INT64_C(1000) * (x))

// Ranges are wide: they hold what could be built in the coming years, from a chip's SRAM to a
// wafer, and refuse slips of unit and sign. Zero is in none of them: a fact that is zero is not
// known.
static const struct gr_fact_info infos[GR_FACT_COUNT] = {
    [GR_FACT_YEAR] = {"year", "year", "", "year of release", 0, 1990, 2100},
    [GR_FACT_MEMORY] = {"memory_gib", "memory", "GiB", "memory", 3, 1, MILLI(100000)},
    [GR_FACT_BANDWIDTH] = {"bandwidth_gbs", "bandwidth", "GB/s", "memory bandwidth", 3, 1,
                           MILLI(100000000)},
    [GR_FACT_FP16] = {"fp16_tflops", "fp16", "TFLOPS", "FP16 dense", 3, 1, MILLI(100000000)},
    [GR_FACT_FP8] = {"fp8_tflops", "fp8", "TFLOPS", "FP8 dense", 3, 1, MILLI(100000000)},
    [GR_FACT_INT8] = {"int8_tops", "int8", "TOPS", "INT8 dense", 3, 1, MILLI(100000000)},
    [GR_FACT_FP4] = {"fp4_tflops", "fp4", "TFLOPS", "FP4 dense", 3, 1, MILLI(100000000)},
    [GR_FACT_LINK] = {"link_gbs", "link", "GB/s", "chip-to-chip link", 3, 1, MILLI(100000000)},
    [GR_FACT_TDP] = {"tdp_w", "tdp", "W", "design power", 3, MILLI(1), MILLI(1000000)},
    [GR_FACT_TPP] = {"tpp", "tpp", "", "TPP", 3, 1, MILLI(1600000000)},
    [GR_FACT_DIE] = {"die_mm2", "die", "mm2", "logic die area", 3, MILLI(1), MILLI(1000000)},
    [GR_FACT_PRICE] = {"price_usd", "price", "USD", "purchase price", 3, MILLI(1),
                       MILLI(1000000000)},
    [GR_FACT_DENSITY] = {"density", "density", "", "TPP per mm2 of die", 3, 0, INT64_MAX},
    [GR_FACT_FLOP_PER_BYTE] = {"flop_per_byte", "flop-per-byte", "",
                               "FP16 FLOP per byte of memory traffic", 3, 0, INT64_MAX},
};

const struct gr_fact_info *gr_fact_info(enum gr_fact fact)
{
    assert(fact < GR_FACT_COUNT);
    return &infos[fact];
}

const char *const gr_confidence_words[] = {"high", "medium", "low", NULL};
const char *const gr_catalogue_yes_no[] = {"yes", "no", NULL};

const struct gr_catalogue_column gr_catalogue_columns[GR_CATALOGUE_COLUMN_COUNT] = {
    {"id", GR_HOLDS_TEXT, GR_VARIANT_ID},
    {"names", GR_HOLDS_TEXT, GR_VARIANT_NAMES},
    {"vendor", GR_HOLDS_TEXT, GR_VARIANT_VENDOR},
    {"model", GR_HOLDS_TEXT, GR_VARIANT_MODEL},
    {"architecture", GR_HOLDS_TEXT, GR_VARIANT_ARCHITECTURE},
    {"year", GR_HOLDS_FACT, GR_FACT_YEAR},
    {"form_factor", GR_HOLDS_TEXT, GR_VARIANT_FORM},
    {"datacentre", GR_HOLDS_DATACENTRE, 0},
    {"memory_gib", GR_HOLDS_FACT, GR_FACT_MEMORY},
    {"memory_type", GR_HOLDS_TEXT, GR_VARIANT_MEMORY_TYPE},
    {"bandwidth_gbs", GR_HOLDS_FACT, GR_FACT_BANDWIDTH},
    {"fp16_tflops", GR_HOLDS_FACT, GR_FACT_FP16},
    {"fp8_tflops", GR_HOLDS_FACT, GR_FACT_FP8},
    {"int8_tops", GR_HOLDS_FACT, GR_FACT_INT8},
    {"fp4_tflops", GR_HOLDS_FACT, GR_FACT_FP4},
    {"link_gbs", GR_HOLDS_FACT, GR_FACT_LINK},
    {"link", GR_HOLDS_TEXT, GR_VARIANT_LINK_TYPE},
    {"tdp_w", GR_HOLDS_FACT, GR_FACT_TDP},
    {"tpp", GR_HOLDS_FACT, GR_FACT_TPP},
    {"tpp_basis", GR_HOLDS_TEXT, GR_VARIANT_TPP_BASIS},
    {"die_mm2", GR_HOLDS_FACT, GR_FACT_DIE},
    {"price_usd", GR_HOLDS_FACT, GR_FACT_PRICE},
    {"sharing", GR_HOLDS_TEXT, GR_VARIANT_SHARING},
    {"confidence", GR_HOLDS_CONFIDENCE, 0},
    {"uncertain", GR_HOLDS_TEXT, GR_VARIANT_UNCERTAIN},
    {"sources", GR_HOLDS_TEXT, GR_VARIANT_SOURCES},
    {"note", GR_HOLDS_TEXT, GR_VARIANT_NOTE},
};

// ---- asking -------------------------------------------------------------------------------------

bool gr_variant_get(const struct gr_variant *variant, enum gr_fact fact, int64_t *ret_value)
{
    assert(fact < GR_FACT_COUNT);
    if ((variant->known >> fact & 1) == 0) {
        return false;
    }
    *ret_value = variant->facts[fact];
    return true;
}

bool gr_variant_doubts(const struct gr_variant *variant, enum gr_fact fact)
{
    assert(fact < GR_FACT_COUNT);
    return (variant->known & variant->doubtful) >> fact & 1;
}

bool gr_variant_next(struct gr_slice *rest, struct gr_slice *ret_word)
{
    if (rest->size == 0) {
        return false;
    }
    const char *end = memchr(rest->text, ';', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->text);
    *ret_word = (struct gr_slice){rest->text, size};
    size_t taken = end == NULL ? size : size + 1;
    *rest = (struct gr_slice){rest->text + taken, rest->size - taken};
    return true;
}

struct gr_slice gr_variant_name(const struct gr_variant *variant)
{
    struct gr_slice rest = gr_slice_of(variant->text[GR_VARIANT_NAMES]);
    struct gr_slice name = gr_slice_of(variant->text[GR_VARIANT_ID]);
    (void)gr_variant_next(&rest, &name);
    return name;
}

bool gr_catalogue_is_name(struct gr_slice text)
{
    if (text.size == 0 || text.size >= GR_NAME_SIZE) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        char c = text.text[i];
        bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (i == 0 || (c != '.' && c != '-' && c != '+'))) {
            return false;
        }
    }
    return true;
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

uint32_t *gr_catalogue_slot(const struct gr_catalogue *catalogue, struct gr_slice name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); // FNV-1a
    for (size_t i = 0; i < name.size; i++) {
        hash = (hash ^ (unsigned char)lower(name.text[i])) * UINT64_C(0x100000001b3);
    }
    for (size_t at = hash % GR_CATALOGUE_SLOTS;; at = (at + 1) % GR_CATALOGUE_SLOTS) {
        uint32_t *slot = &catalogue->name_slots[at];
        if (*slot == 0) {
            return slot;
        }
        const char *known = catalogue->names[*slot - 1].name;
        size_t i = 0;
        while (i < name.size && known[i] == lower(name.text[i])) {
            i++;
        }
        if (i == name.size && known[i] == '\0') {
            return slot;
        }
    }
}

int gr_catalogue_find(const struct gr_catalogue *catalogue, struct gr_slice name)
{
    if (name.size == 0 || memchr(name.text, '\0', name.size) != NULL) {
        return -ENOENT;
    }
    uint32_t slot = *gr_catalogue_slot(catalogue, name);
    return slot == 0 ? -ENOENT : (int)catalogue->names[slot - 1].variant;
}

const char *gr_catalogue_suggest(const struct gr_catalogue *catalogue, struct gr_slice name)
{
    const char **words = calloc(catalogue->name_count + 1, sizeof *words);
    if (words == NULL) {
        return NULL; // a suggestion is a courtesy
    }
    for (size_t i = 0; i < catalogue->name_count; i++) {
        words[i] = catalogue->names[i].name;
    }
    const char *near = gr_words_nearest(name, words);
    free(words);
    return near;
}

void gr_catalogue_done(struct gr_catalogue *catalogue)
{
    free(catalogue->variants);
    free(catalogue->names);
    free(catalogue->name_slots);
    free(catalogue->text);
    *catalogue = (struct gr_catalogue){.count = 0};
}

// ---- writing ------------------------------------------------------------------------------------

void gr_catalogue_write_head(FILE *file)
{
    for (size_t c = 0; c < GR_CATALOGUE_COLUMN_COUNT; c++) {
        gr_csv_write(file, c == 0, gr_slice_of(gr_catalogue_columns[c].name));
    }
    gr_csv_write_end(file);
}

void gr_catalogue_write(const struct gr_variant *variant, FILE *file)
{
    for (size_t c = 0; c < GR_CATALOGUE_COLUMN_COUNT; c++) {
        char number[GR_NUMBER_TEXT_SIZE];
        const char *text = "";
        int64_t value;
        switch (gr_catalogue_columns[c].holds) {
        case GR_HOLDS_TEXT:
            text = variant->text[gr_catalogue_columns[c].index];
            break;
        case GR_HOLDS_FACT:
            if (gr_variant_get(variant, gr_catalogue_columns[c].index, &value)) {
                text = gr_number_format(value, infos[gr_catalogue_columns[c].index].digits, number);
            }
            break;
        case GR_HOLDS_DATACENTRE:
            text = gr_catalogue_yes_no[variant->datacentre ? 0 : 1];
            break;
        case GR_HOLDS_CONFIDENCE:
            text = gr_confidence_words[variant->confidence];
            break;
        }
        gr_csv_write(file, c == 0, gr_slice_of(text));
    }
    gr_csv_write_end(file);
}
