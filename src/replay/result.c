// What a replay came to: see result.h.
#include "replay/result.h"

#include <stdlib.h>

void gr_result_done(struct gr_result *result)
{
    free(result->samples);
    free(result->fills);
    *result = (struct gr_result){0};
}
