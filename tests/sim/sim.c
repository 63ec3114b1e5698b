// The simulator: random facts and requests through decide, check and apply, compared after every
// step with books that share no code with the core.
//
//     sim --seed N --steps M            one run, reproducible
//     sim --seed N --seeds K --steps M  the runs of seeds N to N + K - 1
//
// A run of at least GOALS_FROM steps in all fails if something that can happen never did.
#include "drive.h"
#include "goals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOALS_FROM 100000

static uint64_t number(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0') {
        fprintf(stderr, "sim: '%s' is not a number\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, seeds = 1, steps = 10000;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--seed") == 0 && more) {
            seed = number(argv[++i]);
        } else if (strcmp(argv[i], "--seeds") == 0 && more) {
            seeds = number(argv[++i]);
        } else if (strcmp(argv[i], "--steps") == 0 && more) {
            steps = number(argv[++i]);
        } else if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else {
            fprintf(stderr, "usage: sim [--seed N] [--seeds K] [--steps M] [--verbose]\n");
            return 2;
        }
    }
    for (uint64_t s = seed; s < seed + seeds; s++) {
        drive_run(s, steps);
    }
    unsigned missed = goals_print(verbose);
    if (missed > 0 && seeds * steps >= GOALS_FROM) {
        printf("sim: %u goals were never reached in %llu steps\n", missed,
               (unsigned long long)(seeds * steps));
        return 1;
    }
    printf("sim: seeds %llu to %llu, %llu steps each: all agree\n", (unsigned long long)seed,
           (unsigned long long)(seed + seeds - 1), (unsigned long long)steps);
    return 0;
}
