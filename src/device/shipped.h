// The data files about devices that are built into the program (data/ in the source tree).
#pragma once

#include "base/slice.h"

// data/isolation.csv: how work is shown its devices. Static memory, as are all below.
struct gr_slice gr_shipped_isolation(void);

// data/pci-ids.csv: which devices on the bus are accelerators, and of which variant.
struct gr_slice gr_shipped_pci_ids(void);

// data/device-names.csv: which variant is meant by the name that a vendor's library gives.
struct gr_slice gr_shipped_device_names(void);

// data/health.csv: the class of each code.
struct gr_slice gr_shipped_health(void);

// data/health-classes.csv: what a class does to work.
struct gr_slice gr_shipped_health_classes(void);
