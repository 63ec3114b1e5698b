// What the readers of documents share; for value*.c only.
#pragma once

#include "codec/value.h"

// What a tree is made with.
struct gr_value_maker {
    struct gr_arena *arena; // where its values go
    uint32_t count;         // of values made
    struct gr_err *err;     // never NULL
};

// A zeroed value of this type. NULL, with the reason in maker->err, if there are too many or no
// memory.
struct gr_value *gr_value_new(struct gr_value_maker *maker, enum gr_value_type type);

// The line and column, from 1, of an offset in the document's bytes.
void gr_document_place(const struct gr_document *document, size_t offset, size_t *ret_line,
                       size_t *ret_column);
