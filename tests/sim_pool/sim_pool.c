// The simulator of the whole live pool, without processes: the daemon's pool with a real journal, a
// simulated engine, clock and machine, killed at any moment and opened again, beside books of its
// own (books.c).
//
//     sim_pool --seed N --steps M            one run, reproducible
//     sim_pool --seed N --seeds K --steps M  the runs of seeds N to N + K - 1
//     sim_pool ... --verbose                 the story of each, and what was reached
//
// A run of at least GOALS_FROM steps in all fails if something that can happen never did.
#include "parts.h"

#include "daemon/limits.h"
#include "journal/disk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOALS_FROM 20000

enum clock_fault { FAULT_CLOCK_FORWARD = 18, FAULT_CLOCK_BACK = 19 };

static bool is_verbose;

static void remove_dir(void)
{
    if (sim.dir[0] != '\0') {
        (void)gr_disk_remove_dir(sim.dir, NULL);
    }
}

void sim_wrong(const char *fmt, ...)
{
    va_list args;
    fflush(stdout);
    fprintf(stderr, "sim_pool: seed %llu, step %llu: ", (unsigned long long)sim.seed,
            (unsigned long long)sim.step);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\n");
    remove_dir(); // the seed makes it again
    exit(1);
}

void sim_tell(const char *fmt, ...)
{
    if (is_verbose) {
        va_list args;
        printf("%llu %lld ", (unsigned long long)sim.step, (long long)sim_clock_ms(NULL));
        va_start(args, fmt);
        vprintf(fmt, args);
        va_end(args);
        printf("\n");
    }
}

int64_t sim_clock_ms(void *context)
{
    (void)context;
    return sim.true_ms + sim.offset_ms;
}

// --- opening and stopping

static void compare_digests(const uint8_t a[32], const uint8_t b[32], const char *what)
{
    if (memcmp(a, b, 32) != 0) {
        sim_wrong("%s", what);
    }
}

// The core from all of the journal, without snapshots, and from snapshot and tail.
static void recovered_digests(uint8_t ret_whole[32], uint8_t ret_tail[32])
{
    char path[128];
    struct gr_err err;
    for (unsigned i = 0; i < 2; i++) {
        struct gr_recovery recovery = {0};
        struct gr_core *core = NULL;
        snprintf(path, sizeof path, "%s%s", sim.dir, i == 0 ? "/bare" : "");
        if (gr_recover(path, &sim.config.core, &recovery, &core, &err) != 0) {
            sim_wrong("recovering: %s", err.text);
        }
        gr_core_digest(core, i == 0 ? ret_whole : ret_tail);
        gr_core_free(core);
    }
}

static void open_pool(void)
{
    struct gr_err err;
    sim.config.pretend = sim.pretend;
    for (;;) {
        gr_err_init(&err);
        sim.is_dead = sim.is_killed = false;
        sim.calls_left = sim.step > 0 && sim_chance(10) ? 1 + sim_below(6) : 0;
        sim_tell("opens the pool as %s with %s", sim.host, sim.pretend);
        int rc = gr_pool_open(&sim.config, &sim.state, NULL, NULL, &sim.pool, &err);
        bool was_killed = sim.is_killed;
        sim.calls_left = 0;
        if (rc == 0 && !was_killed) {
            return;
        }
        if (rc == 0) {
            gr_pool_free(sim.pool);
        } else if (!was_killed) {
            sim_wrong("opening the pool: %s", err.text);
        }
        goal_reach("killed", KILL_OPENING);
        sim.has_pending = false;
        world_orphan();
    }
}

static void opened(void)
{
    uint8_t live[32], whole[32], tail[32];
    struct gr_err err;
    // Nodes that wait for their checks are taken out of use by facts of the opening itself.
    if (gr_commit_flush(sim.pool->commit, &err) != 0) {
        sim_wrong("flush: %s", err.text);
    }
    gr_core_digest(sim.pool->core, live);
    recovered_digests(whole, tail);
    compare_digests(whole, tail, "snapshot and tail make another core than the journal alone");
    compare_digests(live, whole, "the pool was opened as another than the journal says");
    goal_reach("digest agreed", 2);
    books_look(false);
    books_compare(true);
    for (uint32_t i = 0; i < sim.books.ask_count; i++) {
        struct gr_spec spec;
        if (sim.books.asks[i].is_told && sim_chance(10) &&
            gr_pool_spec(sim.pool, sim.books.asks[i].first, &spec, &err) != 0) {
            sim_wrong("the spec of job %llu: %s", (unsigned long long)sim.books.asks[i].first,
                      err.text);
        }
    }
}

static void killed(enum sim_kill how)
{
    goal_reach("killed", how);
    if (!sim.world.is_up) {
        goal_reach("killed", KILL_DOWN);
    }
    if (sim.is_full) {
        goal_reach("killed", KILL_FULL);
    }
    sim_tell("killed (%d)", (int)how);
    sim.is_dead = true; // nothing that waited happens
    gr_pool_free(sim.pool);
    sim.pool = NULL;
    sim.has_pending = false;
    // What was submitted and not told may be gone, or not; nobody can say.
    world_orphan();
    sim.is_full = sim.is_slow = false;
    open_pool();
    opened();
}

static void kill_now(void)
{
    bool arrives = sim_chance(50);
    bool was_pending = sim.has_pending;
    enum sim_kill how = KILL_QUIET;
    if (sim.is_killed) {
        how = KILL_MIDDLE;
    } else if (was_pending) {
        how = arrives && !sim.is_full ? KILL_ARRIVED : KILL_LOST;
        wrap_settle(how == KILL_ARRIVED);
    } else if (gr_commit_bytes(sim.pool->commit) > 0) {
        how = KILL_GATHERING;
    }
    killed(how);
}

static void close_clean(void)
{
    uint8_t live[32], whole[32], tail[32];
    struct gr_err err;
    sim.is_slow = sim.is_full = false;
    sim.calls_left = 0; // it is not killed now
    if (gr_commit_flush(sim.pool->commit, &err) != 0) {
        sim_wrong("flush: %s", err.text);
    }
    gr_core_digest(sim.pool->core, live);
    recovered_digests(whole, tail);
    compare_digests(live, whole, "the journal makes another core than the live one");
    goal_reach("digest agreed", 0);
    compare_digests(live, tail, "snapshot and tail make another core than the live one");
    goal_reach("digest agreed", 1);
    books_compare(true);
    goal_reach("killed", KILL_CLEAN);
    sim_tell("ends");
    gr_pool_close(sim.pool);
    sim.pool = NULL;
    world_orphan();
}

static void snapshot(void)
{
    struct gr_recovery recovery = {0};
    struct gr_err err;
    if (gr_recover_and_save(sim.dir, &sim.config.core, &recovery, &err) != 0) {
        sim_wrong("snapshot: %s", err.text);
    }
    sim_tell("snapshot of %llu", (unsigned long long)recovery.sequence);
    if (sim_chance(20)) {
        goal_reach("killed", KILL_SNAPSHOT);
        kill_now();
    }
}

// Another name, or other devices, at the next start.
static void change_machine(void)
{
    static const char *const hosts[] = {"alpha", "alpha", "beta"};
    static const char *const pretends[] = {"8xh20,4xh200", "8xh20,4xh200", "8xh20",
                                           "8xh20,4xh200,2xa100"};
    sim.host = hosts[sim_below(3)];
    sim.pretend = pretends[sim_below(3 + (sim.seed % 3 == 0))];
}

// --- a step

static void pass(uint32_t ms)
{
    sim.true_ms += ms;
    sim.monotonic_ns += (int64_t)ms * 1000000;
}

static void change_health(void)
{
    uint32_t device = sim_below(12);
    sim.health[device] = (uint8_t)(sim_chance(50) ? GR_HEALTH_GOOD : sim_below(GR_HEALTHS + 1));
    ask_devices();
}

static void jump(void)
{
    static const int64_t jumps[] = {1000, 60000, 3600000, 90000000};
    bool is_back = sim_chance(50);
    int64_t by_ms = jumps[sim_below(4)];
    goal_reach("fault", is_back ? FAULT_CLOCK_BACK : FAULT_CLOCK_FORWARD);
    // A clock can be wrong by a few days; it never was before the epoch.
    sim.offset_ms += is_back ? -by_ms : by_ms;
    sim_tell("the clock jumps");
}

static void restart(void)
{
    if (sim_chance(40)) {
        change_machine();
    }
    if (sim_chance(25)) {
        close_clean();
        open_pool();
        opened();
    } else {
        kill_now();
    }
}

// What happens in one step besides time and the pool's own work.
static void act(void)
{
    uint32_t what = sim_below(1000);
    static const struct {
        uint32_t weight;
        void (*act)(void);
    } acts[] = {
        {330, ask_submit}, {100, ask_stop},     {40, ask_again},      {20, ask_try},
        {40, ask_node},    {40, change_health}, {15, ask_move},       {25, world_down},
        {60, world_up},    {6, world_reboot},   {20, world_accident}, {25, world_idle},
        {12, jump},        {25, snapshot},      {35, restart},        {25, world_checkpoint},
    };
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        if (what < acts[i].weight) {
            acts[i].act();
            return;
        }
        what -= acts[i].weight;
    }
    if (what < 20) {
        sim.is_full = !sim.is_full;
        sim_tell("the disk is %s", sim.is_full ? "full" : "not full any more");
    } else if (what < 60) {
        sim.is_slow = !sim.is_slow;
    }
}

static void pool_turn(void)
{
    struct gr_err err;
    int wait_ms;
    int rc = gr_pool_run(sim.pool, &wait_ms, &err);
    if (rc != 0 && !sim.is_killed) {
        sim_wrong("the pool: %s", err.text);
    }
}

static void check_all(void)
{
    const char *phrase = gr_core_audit(sim.pool->core);
    if (phrase != NULL) {
        sim_wrong("the auditor says: %s", phrase);
    }
    books_look(true);
    books_compare(gr_commit_bytes(sim.pool->commit) == 0);
}

static void step(void)
{
    static const uint32_t lengths[] = {1, 10, 100, 1000, 5000};
    pass(sim_below(lengths[sim_below(5)]));
    sim.calls_left = sim_chance(3) ? 1 + sim_below(12) : 0;
    act();
    for (uint32_t turns = 1 + sim_below(3); turns > 0 && !sim.is_killed; turns--) {
        world_step();
        pool_turn();
    }
    sim.calls_left = 0;
    if (sim.is_killed) {
        kill_now();
    }
    check_all();
}

// --- at the end nothing goes wrong any more, and everything ends

// What fits only with machines that are gone, and what runs until somebody stops it. Who was asked
// to stop before is not asked again.
static void stop_the_rest(void)
{
    for (uint32_t i = 0; i < sim.books.job_count; i++) {
        struct book_job *job = &sim.books.jobs[i];
        const struct gr_job *row = gr_core_job_find(sim.pool->core, job->id);
        if (row != NULL && row->stop_why == GR_STOP_NOT) {
            job->stop_wanted = true;
            (void)gr_pool_stop(sim.pool, job->id, GR_STOP_BY_USER, 0, -1);
        }
    }
}

static void calm_begin(void)
{
    sim.is_full = sim.is_slow = false;
    sim.world.is_rough = false;
    memset(sim.health, 0, sizeof sim.health);
    sim.host = "alpha";
    sim.pretend = "8xh20,4xh200";
    kill_now();
    ask_devices();
    uint32_t count = gr_place_node_count(gr_core_place(sim.pool->core));
    for (uint32_t n = 0; n < count; n++) {
        if (gr_place_node_get(gr_core_place(sim.pool->core), n)->state == GR_NODE_DRAINED) {
            gr_pool_node_set(sim.pool, n, GR_NODE_UP, false, -1, "");
        }
    }
    world_down(); // what got lost on the way is told again after a list
    world_up();
}

static uint32_t live_jobs(void)
{
    return gr_core_held(sim.pool->core) + gr_core_waiting(sim.pool->core) +
           gr_core_running(sim.pool->core);
}

static void calm(void)
{
    calm_begin();
    for (unsigned i = 0;
         i < 4000 && (live_jobs() > 0 || sim.world.order_count > 0 || sim.world.report_count > 0 ||
                      gr_commit_bytes(sim.pool->commit) > 0);
         i++) {
        pass(500);
        world_step();
        pool_turn();
        if (i > 1000 && i % 100 == 0) {
            stop_the_rest();
        }
    }
    for (unsigned i = 0; i < 50; i++) { // the last orders
        pass(500);
        world_step();
        pool_turn();
    }
    check_all();
    books_calm();
    goal_reach("calm", 0);
}

// --- a run

static void make_dir(void)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                       : getenv("TMPDIR") != NULL    ? getenv("TMPDIR")
                                                     : "/tmp";
    char path[128];
    snprintf(sim.dir, sizeof sim.dir, "%.40s/granary-sim-XXXXXX", base);
    if (mkdtemp(sim.dir) == NULL) {
        sim.dir[0] = '\0';
        sim_wrong("no folder in %s: %s", base, strerror(errno));
    }
    // The same journal, without snapshots.
    snprintf(path, sizeof path, "%s/bare", sim.dir);
    char link[160];
    snprintf(link, sizeof link, "%s/journal", path);
    if (mkdir(path, 0700) != 0 || symlink("../journal", link) != 0) {
        sim_wrong("no folder %s: %s", path, strerror(errno));
    }
}

static void configure(void)
{
    static const char *const policies[] = {"granary", "bestfit", "firstfit", "packing"};
    struct gr_core_config core = gr_limits_default();
    core.limits = (struct gr_core_limits){.place = {.nodes = SIM_NODES,
                                                    .masks = 5 + sim_below(3),
                                                    .slots = 32,
                                                    .domains = {2, 2, 2, 2}},
                                          .jobs = 12 + sim_below(20),
                                          .pieces = sim_below(12),
                                          .orgs = 3,
                                          .sites = 4,
                                          .variants = 5,
                                          .users = 3 + sim_below(6),
                                          .arrays = 2 + sim_below(3),
                                          .edges = 2 + sim_below(10),
                                          .keys = 4 + sim_below(4),
                                          .keys_per_org = 2 + sim_below(4)};
    core.touch_jobs = core.touch_pieces = core.touch_nodes = 0;
    core.policy = policies[sim_below(4)];
    core.seed = sim.seed;
    core.order = sim_chance(60) ? GR_ORDER_BACKFILL : GR_ORDER_FIFO;
    sim.config = (struct gr_pool_config){.core = core,
                                         .ended_most = SIM_JOBS,
                                         .spec_bytes_most = sim_chance(50) ? 4096 : 1 << 20,
                                         .waiting_bytes_most = 3000 + sim_below(10000),
                                         .org_jobs_most = 8 + sim_below(16),
                                         .idle_ms = 10000,
                                         .idle_stop_ms = sim_chance(50) ? 50000 : 0,
                                         .checks = sim.seed % 2 == 0 ? "simulated" : NULL,
                                         .drain_percent = 60,
                                         .engine = &sim.world.engine,
                                         .clock_ms = sim_clock_ms,
                                         .has_engine = true};
}

void sim_run(uint64_t seed, uint64_t steps)
{
    sim.random = seed * 0x9e3779b97f4a7c15u;
    sim.seed = seed;
    sim.step = 0;
    sim.true_ms = INT64_C(1800000000000);
    sim.offset_ms = 0;
    sim.monotonic_ns = 0;
    sim.is_full = sim.is_slow = sim.is_dead = sim.is_killed = sim.has_pending = false;
    sim.calls_left = 0;
    sim.host = "alpha";
    sim.pretend = "8xh20,4xh200";
    memset(sim.health, 0, sizeof sim.health);
    world_init();
    books_init();
    configure();
    sim.scripts = (uint8_t)(seed % 8 == 0 ? 0xf : seed / 2 % 16);
    make_dir();
    sim.state = (struct gr_state_dir){.lock_fd = -1};
    snprintf(sim.state.path, sizeof sim.state.path, "%s", sim.dir);
    open_pool();
    opened();
    for (sim.step = 1; sim.step <= steps; sim.step++) {
        step();
    }
    calm();
    close_clean();
    remove_dir();
}

static uint64_t number(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0') {
        fprintf(stderr, "sim_pool: '%s' is not a number\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, seeds = 1, steps = 300;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--seed") == 0 && more) {
            seed = number(argv[++i]);
        } else if (strcmp(argv[i], "--seeds") == 0 && more) {
            seeds = number(argv[++i]);
        } else if (strcmp(argv[i], "--steps") == 0 && more) {
            steps = number(argv[++i]);
        } else if (strcmp(argv[i], "--verbose") == 0) {
            is_verbose = true;
        } else {
            fprintf(stderr, "usage: sim_pool [--seed N] [--seeds K] [--steps M] [--verbose]\n");
            return 2;
        }
    }
    for (uint64_t s = seed; s < seed + seeds; s++) {
        sim_run(s, steps);
    }
    free(sim.books.room);
    unsigned missed = goals_print(is_verbose);
    if (missed > 0 && seeds * steps >= GOALS_FROM) {
        printf("sim_pool: %u goals were never reached in %llu steps\n", missed,
               (unsigned long long)(seeds * steps));
        return 1;
    }
    printf("sim_pool: seeds %llu to %llu, %llu steps each: all agree\n", (unsigned long long)seed,
           (unsigned long long)(seed + seeds - 1), (unsigned long long)steps);
    return 0;
}
