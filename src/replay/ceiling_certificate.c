// Writes certificates. The format is in docs/formats/certificate.md; what reads them shares no code
// with this.
#include "replay/ceiling_parts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

static void write_types(const struct gr_ceiling *ceiling, FILE *out)
{
    for (int t = 0; t < ceiling->type_count; t++) {
        const struct gr_ceiling_node_type *type = &ceiling->types[t];
        fprintf(out, "node %" PRIu32 " %" PRIu32 " %" PRId64 " %" PRId64 " %" PRIu32, type->model,
                type->devices, type->cpu_milli, type->memory_mib, type->count);
        fprintf(out, " %" PRId64 " %" PRId64 " %" PRId64 "\n", ceiling->unit[t],
                ceiling->best.mu[t], ceiling->best.z[t]);
    }
}

static void write_demands(const struct gr_ceiling *ceiling, FILE *out)
{
    for (int j = 0; j < ceiling->demand_count; j++) {
        const struct gr_ceiling_demand *demand = &ceiling->demands[j];
        fprintf(out, "demand %" PRIu32 " %" PRIu32 " %" PRId64 " %" PRId64 " %" PRIx64,
                demand->devices, demand->milli, demand->cpu_milli, demand->memory_mib,
                demand->models);
        fprintf(out, " %" PRId64 " %" PRId64 "\n", ceiling->count_sums[j], ceiling->best.y[j]);
    }
}

static void write_cuts(const struct gr_ceiling *ceiling, FILE *out)
{
    for (int c = 0; c < ceiling->cut_count; c++) {
        const struct gr_ceiling_cut *cut = &ceiling->cuts[c];
        fprintf(out, "cut %" PRIu32 " %d %" PRId64 " %" PRId64 " %" PRId64 "\n", cut->pivot,
                (int)cut->kind, cut->beta_milli, cut->limit_sum, ceiling->best.price[c]);
    }
}

int gr_ceiling_write(const struct gr_ceiling *ceiling, FILE *out, struct gr_err *err)
{
    assert(out != NULL);
    if (!ceiling->is_solved) {
        return gr_fail(err, -ENODATA, "there is no ceiling to write a certificate of");
    }
    fprintf(out, "granary-ceiling 1\ninstance %d %d %d %" PRId64 " %d\n", ceiling->type_count,
            ceiling->demand_count, ceiling->cut_count, ceiling->event_count, GR_CEILING_SCALE);
    write_types(ceiling, out);
    write_demands(ceiling, out);
    write_cuts(ceiling, out);
    fprintf(out, "bound %" PRId64 "\nend\n", ceiling->bound_milli);
    return ferror(out) ? gr_fail(err, -EIO, "writing a certificate failed") : 0;
}
