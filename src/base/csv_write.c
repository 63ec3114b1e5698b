// Writing CSV: see csv_write.h.
#include "base/csv_write.h"

static bool needs_quotes(struct gr_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (strchr(",\"\r\n", text.text[i]) != NULL) {
            return true;
        }
    }
    return false;
}

void gr_csv_write(FILE *file, bool first, struct gr_slice text)
{
    if (!first) {
        fputc(',', file);
    }
    if (!needs_quotes(text)) {
        fwrite(text.text, 1, text.size, file);
        return;
    }
    fputc('"', file);
    for (size_t i = 0; i < text.size; i++) {
        if (text.text[i] == '"') {
            fputc('"', file);
        }
        fputc(text.text[i], file);
    }
    fputc('"', file);
}

void gr_csv_write_end(FILE *file)
{
    fputc('\n', file);
}
