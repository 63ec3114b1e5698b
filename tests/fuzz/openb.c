// Fuzzes the two lists of an openb folder, runs and published curves: what is taken is in range,
// what is refused has a place. The input is both, with a line of three dashes between.
#include "fuzz.h"

#include "replay/openb.h"

#include <assert.h>
#include <string.h>

static const char mark[] = "\n---\n";

// Splits the input at the mark; without one there are no curves.
static void split(const char *data, size_t size, struct gr_slice *ret_runs,
                  struct gr_slice *ret_curves)
{
    const char *at = size > 0 ? memmem(data, size, mark, sizeof mark - 1) : NULL;
    size_t runs = at == NULL ? size : (size_t)(at - data) + 1;
    *ret_runs = (struct gr_slice){data, runs};
    *ret_curves = (struct gr_slice){NULL, 0};
    if (at != NULL) {
        const char *rest = at + sizeof mark - 1;
        *ret_curves = (struct gr_slice){rest, size - (size_t)(rest - data)};
    }
}

static void check(const struct gr_openb *openb)
{
    assert(openb->run_count > 0);
    for (size_t i = 0; i < openb->run_count; i++) {
        assert(openb->runs[i].trace < openb->trace_count);
        assert(openb->runs[i].arrivals > 0);
        assert(strchr(openb->runs[i].order_file, '/') == NULL);
        assert(strchr(openb->runs[i].rank_file, '/') == NULL);
    }
    for (size_t i = 0; i < openb->curve_count; i++) {
        const struct gr_openb_curve *curve = &openb->curves[i];
        assert(gr_openb_curve_find(openb, curve->trace, curve->seed, curve->policy) == curve);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_slice runs, curves;
    struct gr_openb openb;
    struct gr_err err;
    gr_err_init(&err);
    split(size > 0 ? (const char *)data : "", size, &runs, &curves);
    if (gr_openb_open_bytes(runs, curves, &openb, &err) < 0) {
        assert(strncmp(err.text, "arrivals/runs.csv:", 18) == 0 ||
               strncmp(err.text, "expected/", 9) == 0);
    } else {
        check(&openb);
        gr_openb_close(&openb);
    }
    return 0;
}
