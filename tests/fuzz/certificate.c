// Fuzzes the checker of ceilings: what it reads can be written in one way only, byte for byte what
// was read; small instances are also proved or refused.
#include "fuzz.h"

#include "certificate.h"
#include "proof.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_again(const struct certificate *certificate, FILE *out)
{
    fprintf(out, "granary-ceiling 1\ninstance %d %d %d %" PRId64 " %" PRId64 "\n",
            certificate->type_count, certificate->demand_count, certificate->cut_count,
            certificate->event_count, certificate->scale);
    for (int t = 0; t < certificate->type_count; t++) {
        const struct node_type *node = &certificate->types[t];
        fprintf(out, "node %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, node->model,
                node->devices, node->cpu, node->memory, node->count);
        fprintf(out, " %" PRId64 " %" PRId64 " %" PRId64 "\n", node->unit, node->mu, node->z);
    }
    for (int j = 0; j < certificate->demand_count; j++) {
        const struct demand *demand = &certificate->demands[j];
        fprintf(out, "demand %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIx64,
                demand->devices, demand->milli, demand->cpu, demand->memory, demand->models);
        fprintf(out, " %" PRIu64 " %" PRId64 "\n", demand->count, demand->y);
    }
    for (int c = 0; c < certificate->cut_count; c++) {
        const struct cut *cut = &certificate->cuts[c];
        fprintf(out, "cut %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
                cut->pivot, cut->kind, cut->beta, cut->limit, cut->price);
    }
    fprintf(out, "bound %" PRId64 "\nend\n", certificate->bound);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct certificate certificate;
    struct reason why = {""};
    if (!certificate_read(size > 0 ? (const char *)data : "", size, &certificate, &why)) {
        assert(why.text[0] != '\0');
        return 0;
    }
    char *text = NULL;
    size_t written = 0;
    FILE *out = open_memstream(&text, &written);
    assert(out != NULL);
    write_again(&certificate, out);
    fclose(out);
    assert(written == size && memcmp(text, data, size) == 0);
    free(text);
    // A proof takes types x grains x units of cpu x demands steps: seconds, at the limits.
    uint64_t steps = 1;
    for (int t = 0; t < certificate.type_count; t++) {
        steps += certificate.types[t].cpu / (uint64_t)certificate.types[t].unit;
    }
    if (steps * (uint64_t)(certificate.demand_count + 1) < 4000 &&
        !proof_check(&certificate, &why)) {
        assert(why.text[0] != '\0');
    }
    certificate_done(&certificate);
    return 0;
}
