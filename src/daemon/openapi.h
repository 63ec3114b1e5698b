// The API's description, docs/api/openapi.json, as it was built into the program.
#pragma once

#include "base/slice.h"

// Static memory.
struct gr_slice gr_shipped_openapi(void);
