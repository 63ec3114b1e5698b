// The columns of a catalogue file: shared by reading (catalogue_load.c) and writing (catalogue.c).
// Private to the catalogue.
#pragma once

#include "model/catalogue.h"

// Columns of the file.
#define GR_CATALOGUE_COLUMN_COUNT 27

// What a column holds.
enum gr_catalogue_holds {
    GR_HOLDS_TEXT,
    GR_HOLDS_FACT,
    GR_HOLDS_DATACENTRE,
    GR_HOLDS_CONFIDENCE,
};

// One column.
struct gr_catalogue_column {
    const char *name;              // in the first line
    enum gr_catalogue_holds holds; // what its fields are
    unsigned index;                // enum gr_variant_text or enum gr_fact
};

// The columns in the order of the file. Static memory.
extern const struct gr_catalogue_column gr_catalogue_columns[GR_CATALOGUE_COLUMN_COUNT];

// The words of yes and no, NULL-terminated. Static memory.
extern const char *const gr_catalogue_yes_no[];

// The slot of the hash table where the name is (case ignored) or would be. The table is never full.
uint32_t *gr_catalogue_slot(const struct gr_catalogue *catalogue, struct gr_slice name);
