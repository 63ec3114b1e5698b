// The launcher as a program of its own, `granary-launcher DIR [FD]`: nothing but the way into it.
//
// It is carried inside granary (launch.c) and executed from memory, because a process that has
// none of granary's libraries mapped forks several times faster, and forks are all it does.
#include "base/number.h"
#include "engine/local/launcher.h"

int main(int argc, char **argv)
{
    struct gr_err err;
    int64_t ready = -1;
    gr_err_init(&err);
    if (argc < 2 || argc > 3 ||
        (argc == 3 && gr_number_read_int(gr_slice_of(argv[2]), 0, 65535, &ready) != 0)) {
        return 2;
    }
    return gr_launcher_serve(argv[1], (int)ready, &err) == 0 ? 0 : 1;
}
