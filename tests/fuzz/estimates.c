// Fuzzes the reader of checked estimates: a file whose magic and hash fit, and whose rows are the
// input, over and over. Whatever is taken makes bands in order, can be gone on with, and can be
// written and read again.
#include "fuzz.h"

#include "base/hash.h"
#include "daemon/estimates.h"

#include <assert.h>
#include <string.h>

#define KEPT sizeof(struct gr_estimates_kept)

// The time of questions: the input's are around it, as far as the input says so.
#define NOW_MS 1800000000000

static void band_check(const struct gr_estimates *estimates, int64_t latest_ms)
{
    const struct gr_estimate_band band = {0, latest_ms / 2, latest_ms};
    for (unsigned class = 0; class < GR_ESTIMATES_CLASSES; class ++) {
        struct gr_estimate_band told;
        (void)gr_estimates_band(estimates, class, NOW_MS, &band, &told);
        assert(told.earliest_ms >= 0 && told.earliest_ms <= told.likely_ms);
        assert(told.likely_ms <= told.latest_ms);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[GR_ESTIMATES_BYTES];
    static struct gr_estimates estimates;
    struct gr_estimates_sum sum;
    struct gr_hash hash;
    gr_estimates_init(&estimates);
    gr_estimates_save(&estimates, bytes); // for its magic
    for (size_t at = 0; at < KEPT && size > 0; at += size) {
        memcpy(bytes + 16 + at, data, size < KEPT - at ? size : KEPT - at);
    }
    gr_hash_init(&hash);
    gr_hash_add(&hash, bytes, GR_ESTIMATES_BYTES - GR_HASH_SIZE);
    gr_hash_end(&hash, bytes + GR_ESTIMATES_BYTES - GR_HASH_SIZE);
    if (!gr_estimates_load(&estimates, bytes, sizeof bytes)) {
        return 0;
    }
    gr_estimates_sum(&estimates, NOW_MS, &sum);
    assert(sum.checked <= GR_ESTIMATES_KEPT && sum.inside_percent <= 100);
    band_check(&estimates, 0);
    band_check(&estimates, INT64_MAX);
    gr_estimates_asked(&estimates, NOW_MS, INT64_MAX);
    for (unsigned i = 0; i < GR_ESTIMATES_WATCHED; i++) {
        uint64_t job = estimates.kept.watched[i].job;
        if (job != 0 && i % 2 == 0) {
            gr_estimates_started(&estimates, job, NOW_MS);
        } else if (job != 0) {
            gr_estimates_left(&estimates, job, INT64_MAX);
        }
    }
    gr_estimates_save(&estimates, bytes);
    bool is_read = gr_estimates_load(&estimates, bytes, sizeof bytes);
    assert(is_read);
    return 0;
}
