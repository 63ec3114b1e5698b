// A program whose first instruction is a look at the clock: prints it in nanoseconds. Linked
// statically, so that nothing is loaded before that.
#include <stdio.h>
#include <time.h>

int main(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return 1;
    }
    return printf("%lld\n", (long long)now.tv_sec * 1000000000 + now.tv_nsec) > 0 ? 0 : 1;
}
