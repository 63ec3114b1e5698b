// Writing CSV: the counterpart of csv.h for `-o csv`. Lines end with LF.
#pragma once

#include "base/slice.h"

#include <stdio.h>

// Writes one field, in quotes where it needs them, with a comma before it unless it is the `first`
// of its line. Write errors are left on the stream (gr_text_finish finds them).
void gr_csv_write(FILE *file, bool first, struct gr_slice text);

// Ends the line.
void gr_csv_write_end(FILE *file);
