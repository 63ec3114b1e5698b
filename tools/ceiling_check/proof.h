// The proof that a certificate claims, checked in integers. The theorem is in
// docs/design/ceiling.md.
#pragma once

#include "certificate.h"

// Whether `demand` dominates `other`: wherever it fits, `other` fits.
bool demand_dominates(const struct demand *demand, const struct demand *other);

// The coefficient in a cut of a demand of this size, milli; `is_pivot` says that it is the pivot
// itself.
int64_t cut_weight(const struct cut *cut, const struct demand *pivot, const struct demand *demand,
                   bool is_pivot);

// Whether the duals prove the bound for the instance of the certificate, if its cuts are true. If
// not, why.
bool proof_check(const struct certificate *certificate, struct reason *ret_why);
