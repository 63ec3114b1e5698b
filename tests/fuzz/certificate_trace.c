// Fuzzes the checker's reader of traces: nodes, jobs and order, divided by form feeds.
#include "fuzz.h"

#include "certificate.h"
#include "trace.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// The trace is asked about this, which need not match.
static const char about[] = "granary-ceiling 1\n"
                            "instance 1 2 1 1 1\n"
                            "node 0 1 8000 100 1 8 0 1000\n"
                            "demand 1 500 1 1 1 1 0\n"
                            "demand 1 1000 2 2 1 1 0\n"
                            "cut 0 0 500 1000 0\n"
                            "bound 1000\n"
                            "end\n";

// Ends the part at *text where the next one begins. Returns the part.
static char *next_part(char **text)
{
    char *part = *text;
    *text += strcspn(*text, "\f");
    if (**text != '\0') {
        *(*text)++ = '\0';
    }
    return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct certificate certificate;
    struct trace trace;
    struct reason why = {""};
    char *text = calloc(1, size + 1), *rest = text;
    assert(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    char *nodes = next_part(&rest), *jobs = next_part(&rest), *order = next_part(&rest);
    bool is_read = certificate_read(about, strlen(about), &certificate, &why);
    assert(is_read);
    bool is_match = trace_read(nodes, jobs, &trace, &why) &&
                    trace_play(&trace, &certificate, order, 7, 3, 100, &why) &&
                    trace_matches(&trace, &certificate, &why);
    assert(is_match || why.text[0] != '\0');
    trace_done(&trace);
    certificate_done(&certificate);
    free(text);
    return 0;
}
