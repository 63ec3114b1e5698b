// The simulator: random facts and requests through decide, check and apply, compared after every
// step with books that share no code with the core.
//
//     sim --seed N --steps M            one run, reproducible
//     sim --seed N --seeds K --steps M  the runs of seeds N to N + K - 1
//     ... --processes P                 the same, spread over P processes; says how far it is
//
// A run of at least GOALS_FROM steps in all fails if something that can happen never did.
#include "drive.h"
#include "goals.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GOALS_FROM 100000
#define PROCESSES_MAX 64
// How often it says how far it is, if runs are spread.
#define REPORTS 20

// What was asked for.
struct order {
    uint64_t seed, seeds, steps, processes;
    bool verbose;
};

// What processes share.
struct shared {
    _Atomic uint64_t next, done; // runs
    atomic_bool failed;
};

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

static struct order order_read(int argc, char **argv)
{
    struct order order = {.seed = 1, .seeds = 1, .steps = 10000, .processes = 1};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--seed") == 0 && more) {
            order.seed = number(argv[++i]);
        } else if (strcmp(argv[i], "--seeds") == 0 && more) {
            order.seeds = number(argv[++i]);
        } else if (strcmp(argv[i], "--steps") == 0 && more) {
            order.steps = number(argv[++i]);
        } else if (strcmp(argv[i], "--processes") == 0 && more) {
            order.processes = number(argv[++i]);
        } else if (strcmp(argv[i], "--verbose") == 0) {
            order.verbose = true;
        } else {
            fprintf(stderr, "usage: sim [--seed N] [--seeds K] [--steps M] [--processes P] "
                            "[--verbose]\n");
            exit(2);
        }
    }
    if (order.processes < 1 || order.processes > PROCESSES_MAX) {
        fprintf(stderr, "sim: between 1 and %d processes\n", PROCESSES_MAX);
        exit(2);
    }
    return order;
}

static double now_s(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void progress_say(const struct order *order, uint64_t done, double begun)
{
    if (order->processes == 1 ||
        done * REPORTS / order->seeds == (done - 1) * REPORTS / order->seeds) {
        return;
    }
    double steps = (double)(done * order->steps);
    printf("sim: %llu of %llu runs, %.0f steps in %.0f s, %.0f steps/s\n", (unsigned long long)done,
           (unsigned long long)order->seeds, steps, now_s() - begun, steps / (now_s() - begun));
    (void)fflush(stdout);
}

// Runs one seed after the other until none is left, or somebody failed.
static void runs_make(const struct order *order, struct shared *shared, double begun)
{
    uint64_t run;
    while (!shared->failed && (run = shared->next++) < order->seeds) {
        drive_run(order->seed + run, order->steps);
        progress_say(order, ++shared->done, begun);
    }
}

// The same in processes of their own. A failure has said why, and ends its process.
static void runs_spread(const struct order *order, struct shared *shared, double begun)
{
    uint64_t running = 0;
    for (unsigned p = 0; p < order->processes; p++) {
        pid_t child = fork();
        if (child == 0) {
            goals_process(p);
            runs_make(order, shared, begun);
            exit(0);
        }
        running += child > 0;
        shared->failed = shared->failed || child < 0;
    }
    for (int status; running > 0 && wait(&status) > 0; running--) {
        shared->failed = shared->failed || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
}

int main(int argc, char **argv)
{
    struct order order = order_read(argc, argv);
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double begun = now_s();
    if (shared == MAP_FAILED || goals_begin((unsigned)order.processes) != 0) {
        fprintf(stderr, "sim: no memory\n");
        return 1;
    }
    if (order.processes == 1) {
        runs_make(&order, shared, begun);
    } else {
        runs_spread(&order, shared, begun);
    }
    unsigned missed = goals_print(order.verbose);
    if (shared->failed) {
        printf("sim: failed after %llu runs\n", (unsigned long long)shared->done);
        return 1;
    }
    if (missed > 0 && order.seeds * order.steps >= GOALS_FROM) {
        printf("sim: %u goals were never reached in %llu steps\n", missed,
               (unsigned long long)(order.seeds * order.steps));
        return 1;
    }
    printf("sim: seeds %llu to %llu, %llu steps each, %.0f s: all agree\n",
           (unsigned long long)order.seed, (unsigned long long)(order.seed + order.seeds - 1),
           (unsigned long long)order.steps, now_s() - begun);
    return 0;
}
