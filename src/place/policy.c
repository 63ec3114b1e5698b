// The table of policies: see policy.h.
#include "place/policy.h"

#include "place/policies.h"

#include <stddef.h>
#include <string.h>

const struct gr_policy *const gr_policies[] = {
    &gr_policy_granary,    &gr_policy_random,   &gr_policy_dotprod,
    &gr_policy_clustering, &gr_policy_packing,  &gr_policy_bestfit,
    &gr_policy_fgd,        &gr_policy_firstfit, NULL,
};

const struct gr_policy *gr_policy_find(const char *name)
{
    assert(name != NULL);
    for (size_t i = 0; gr_policies[i] != NULL; i++) {
        if (strcmp(gr_policies[i]->name, name) == 0) {
            return gr_policies[i];
        }
    }
    return NULL;
}
