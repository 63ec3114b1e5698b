// The data files that are built into the program (data/ in the source tree), so that it works from
// any folder.
#pragma once

#include "base/slice.h"

// data/accelerators.csv. Static memory, as are all below.
struct gr_slice gr_shipped_accelerators(void);

// data/sources.csv: what the source codes of the catalogue stand for.
struct gr_slice gr_shipped_sources(void);

// data/kinds.yaml
struct gr_slice gr_shipped_kinds(void);
