// What the engine carries with it in the program.
#pragma once

#include "base/slice.h"

// The program granary-launcher (local/launcher_main.c), an executable file. Static memory.
struct gr_slice gr_shipped_launcher(void);
