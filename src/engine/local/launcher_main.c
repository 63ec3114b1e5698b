// The launcher as a program of its own, `granary-launcher DIR [FD]`, and what runs node checks,
// `granary-launcher checks DIR WHEN MS`: nothing but the ways into them.
//
// It is carried inside granary (launch.c) and executed from memory, because a process that has
// none of granary's libraries mapped forks several times faster, and forks are all it does.
#include "base/number.h"
#include "engine/local/launcher.h"
#include "engine/local/node_checks_run.h"

#include <string.h>

int main(int argc, char **argv)
{
    struct gr_err err;
    int64_t ready = -1;
    gr_err_init(&err);
    if (argc == 5 && strcmp(argv[1], GR_NODE_CHECKS_WORD) == 0) {
        return gr_node_checks_main(argc, argv);
    }
    if (argc < 2 || argc > 3 ||
        (argc == 3 && gr_number_read_int(gr_slice_of(argv[2]), 0, 65535, &ready) != 0)) {
        return 2;
    }
    return gr_launcher_serve(argv[1], (int)ready, &err) == 0 ? 0 : 1;
}
