// The data files about devices that are built into the program (data/ in the source tree).
#pragma once

#include "base/slice.h"

// data/isolation.csv: how work is shown its devices. Static memory, as are all below.
struct gr_slice gr_shipped_isolation(void);
