// The world behind the engine: orders arrive late, twice, in another order or not at all; attempts
// begin, run and end; reports come back in the same way. It keeps what the contract of
// engine/engine.h says an engine keeps: an attempt starts at most once, an older writer's order is
// not done, after a list comes all that is known, then the word that this was all.
#include "parts.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct world *const world = &sim.world;
static bool is_listing; // all that is known is being told

static int64_t now(void)
{
    return sim_clock_ms(NULL);
}

struct world_attempt *world_find(uint64_t job, uint32_t attempt)
{
    for (uint32_t i = world->attempt_count; i > 0; i--) {
        struct world_attempt *at = &world->attempts[i - 1];
        if (at->job == job && at->attempt == attempt) {
            return at;
        }
    }
    return NULL;
}

static struct world_attempt *add_attempt(uint64_t job, uint32_t attempt, enum world_state state)
{
    if (world->attempt_count == SIM_ATTEMPTS) {
        sim_wrong("more attempts than the simulator keeps");
    }
    struct world_attempt *at = &world->attempts[world->attempt_count++];
    *at = (struct world_attempt){
        .job = job, .attempt = attempt, .state = state, .end_ms = SIM_NEVER, .kill_ms = SIM_NEVER};
    return at;
}

// --- reports

static void put_report(const struct gr_engine_report *report)
{
    if (!world->is_up && report->type != GR_REPORT_DOWN) {
        return; // nobody is there to hear it; a list brings it again
    }
    if (world->report_count == SIM_REPORTS) {
        sim_wrong("more reports than the simulator keeps");
    }
    uint32_t delay_ms = world->is_rough ? sim_below(400) : 1;
    world->reports[world->report_count++] =
        (struct world_report){.due_ms = sim.true_ms + delay_ms, .report = *report};
}

// Ends of lists and of connections keep their place; between them anything may overtake.
static bool is_mark(enum gr_engine_report_type type)
{
    return type == GR_REPORT_LISTED || type == GR_REPORT_DOWN || type == GR_REPORT_UP;
}

static void report(const struct gr_engine_report *what)
{
    if (!world->is_rough) {
        put_report(what);
        return;
    }
    // Within a list nothing is lost while the connection holds.
    if (!is_listing && sim_chance(3) && !is_mark(what->type)) {
        goal_reach("fault", FAULT_REPORT_LOST);
        return;
    }
    put_report(what);
    if (sim_chance(8) && !is_mark(what->type)) {
        goal_reach("fault", FAULT_REPORT_TWICE);
        put_report(what);
    }
    uint32_t count = world->report_count;
    if (count >= 2 && sim_chance(20) && !is_mark(what->type) &&
        !is_mark(world->reports[count - 2].report.type)) {
        goal_reach("fault", FAULT_REPORT_OVERTAKES);
        struct world_report last = world->reports[count - 1];
        world->reports[count - 1] = world->reports[count - 2];
        world->reports[count - 2] = last;
    }
}

static void report_attempt(const struct world_attempt *at)
{
    struct gr_engine_report what = {.job = at->job, .attempt = at->attempt, .since_ms = now()};
    if (at->state == WORLD_KEPT_OUT && is_listing) {
        return; // no more than a name that is taken
    }
    switch (at->state) {
    case WORLD_STARTING:
        return; // comes by itself
    case WORLD_KEPT_OUT:
    case WORLD_REFUSED:
        what.type = GR_REPORT_REFUSED;
        snprintf(what.text, sizeof what.text, "refused in a simulated way");
        break;
    case WORLD_RUNNING:
        what.type = GR_REPORT_STARTED;
        what.since_ms = at->began_ms;
        break;
    case WORLD_ENDED:
        what.type = GR_REPORT_ENDED;
        what.since_ms = at->ended_ms;
        what.started_ms = at->began_ms;
        what.end = at->end;
        break;
    case WORLD_LOST:
        what.type = GR_REPORT_LOST;
        what.since_ms = at->ended_ms;
        break;
    }
    report(&what);
}

// --- what runs

// No device is held by more than it has: of all promises the first that a world would notice.
static void check_holds(const struct world_attempt *added)
{
    uint32_t held[SIM_DEVICES] = {0};
    for (uint32_t i = 0; i < world->attempt_count; i++) {
        const struct world_attempt *at = &world->attempts[i];
        if (at->state != WORLD_RUNNING) {
            continue;
        }
        if (at != added && at->job == added->job) {
            sim_wrong("attempts %u and %u of job %llu run at the same time", at->attempt,
                      added->attempt, (unsigned long long)at->job);
        }
        for (uint32_t h = 0; h < at->hold_count; h++) {
            held[at->holds[h].device] += at->holds[h].milli;
            if (held[at->holds[h].device] > GR_DEVICE_MILLI) {
                sim_wrong("device %u is held twice when attempt %llu.%u begins",
                          at->holds[h].device, (unsigned long long)added->job, added->attempt);
            }
        }
    }
}

static void begin_attempt(struct world_attempt *at)
{
    at->state = WORLD_RUNNING;
    at->starts++;
    at->began_ms = now();
    static const uint32_t lengths[] = {50, 500, 4000, 20000, 60000, 200000};
    uint32_t length = lengths[sim_below(6)];
    // Some never end by themselves: a stop whose order is lost for ever would show.
    at->end_ms = sim_chance(6) ? SIM_NEVER : sim.true_ms + 1 + sim_below(length);
    if (at->starts > 1) {
        sim_wrong("attempt %llu.%u began twice", (unsigned long long)at->job, at->attempt);
    }
    check_holds(at);
    sim_tell("  begins %llu.%u", (unsigned long long)at->job, at->attempt);
    report_attempt(at);
}

static void end_attempt(struct world_attempt *at, bool is_killed)
{
    bool began = at->state == WORLD_RUNNING;
    at->state = WORLD_ENDED;
    at->ended_ms = now();
    at->end = (struct gr_engine_end){.cpu_ms = sim_below(1000), .peak_kib = sim_below(100000)};
    at->end.is_stopped = at->was_asked;
    if (is_killed || !began) {
        at->end.signal = at->stop_signal;
    } else if (sim_chance(25)) {
        at->end.exit_code = 1 + (int)sim_below(255);
        at->end.task = sim_below(at->tasks);
    } else if (sim_chance(10)) {
        at->end.signal = SIGKILL;
        at->end.is_out_of_memory = true;
        goal_reach("fault", FAULT_MEMORY);
    }
    sim_tell("  ends %llu.%u exit %d signal %u", (unsigned long long)at->job, at->attempt,
             at->end.exit_code, at->end.signal);
    report_attempt(at);
}

static void lose_attempt(struct world_attempt *at)
{
    at->state = WORLD_LOST;
    at->ended_ms = now();
    report_attempt(at);
}

void world_reboot(void)
{
    goal_reach("fault", FAULT_REBOOT);
    sim_tell("  the machine starts anew");
    world_down();
    for (uint32_t i = 0; i < world->attempt_count; i++) {
        if (world->attempts[i].state == WORLD_RUNNING ||
            world->attempts[i].state == WORLD_STARTING) {
            lose_attempt(&world->attempts[i]);
        }
    }
}

void world_accident(void)
{
    for (uint32_t i = 0; i < world->attempt_count; i++) {
        struct world_attempt *at = &world->attempts[i];
        if (at->state != WORLD_RUNNING || !sim_chance(30)) {
            continue;
        }
        const struct book_job *job = books_job(at->job);
        if (sim_chance(50)) {
            goal_reach("fault", FAULT_LOST);
            sim_tell("  lost %llu.%u", (unsigned long long)at->job, at->attempt);
            lose_attempt(at);
        } else if (job != NULL && job->has_begun && job->attempt == at->attempt) {
            goal_reach("fault", FAULT_WIPED);
            sim_tell("  wiped %llu.%u", (unsigned long long)at->job, at->attempt);
            at->state = WORLD_LOST;
            at->is_forgotten = at->is_wiped = true;
        }
        return;
    }
}

void world_idle(void)
{
    for (uint32_t i = world->attempt_count; i > 0; i--) {
        const struct world_attempt *at = &world->attempts[i - 1];
        if (at->state == WORLD_RUNNING && sim_chance(50)) {
            struct gr_engine_report idle = {.type = GR_REPORT_IDLE,
                                            .job = at->job,
                                            .attempt = at->attempt,
                                            .since_ms = now() - sim_below(100000)};
            goal_reach("fault", FAULT_IDLE);
            report(&idle);
            return;
        }
    }
}

void world_checkpoint(void)
{
    for (uint32_t i = world->attempt_count; i > 0; i--) {
        const struct world_attempt *at = &world->attempts[i - 1];
        if (!at->is_forgotten && sim_chance(30)) {
            // Of an attempt that is over, too; from before it began, and from the future.
            struct gr_engine_report touched = {.type = GR_REPORT_CHECKPOINT,
                                               .job = at->job,
                                               .attempt = at->attempt,
                                               .since_ms = now() + 20000 - sim_below(100000)};
            goal_reach("fault", FAULT_CHECKPOINT);
            report(&touched);
            return;
        }
    }
}

// --- orders

static void obey_start(const struct world_order *order)
{
    struct world_attempt *at = world_find(order->job, order->attempt);
    if (at != NULL) {
        if (!at->is_forgotten) {
            report_attempt(at);
        }
        return;
    }
    bool is_refused = world->is_rough && sim_chance(5);
    at = add_attempt(order->job, order->attempt, is_refused ? WORLD_REFUSED : WORLD_STARTING);
    if (is_refused) {
        goal_reach("fault", FAULT_REFUSED);
        report_attempt(at);
        return;
    }
    at->tasks = order->tasks;
    at->hold_count = order->hold_count;
    memcpy(at->holds, order->holds, sizeof at->holds);
    at->start_ms = sim.true_ms + (world->is_rough && sim_chance(30) ? sim_below(2000) : 0);
}

static void obey_stop(const struct world_order *order)
{
    struct world_attempt *at = world_find(order->job, order->attempt);
    if (at == NULL || at->state == WORLD_KEPT_OUT || at->is_forgotten) {
        struct gr_engine_report what = {.type = GR_REPORT_UNKNOWN,
                                        .job = order->job,
                                        .attempt = order->attempt,
                                        .since_ms = now()};
        if (at == NULL) {
            (void)add_attempt(order->job, order->attempt, WORLD_KEPT_OUT);
        }
        report(&what);
        return;
    }
    if (at->state != WORLD_RUNNING && at->state != WORLD_STARTING) {
        report_attempt(at);
        return;
    }
    at->was_asked = true;
    at->stop_signal = order->signal;
    int64_t kill_ms = sim.true_ms + (order->grace_ms == 0 ? 0 : sim_below(5000));
    at->kill_ms = kill_ms < at->kill_ms ? kill_ms : at->kill_ms;
}

static void obey_list(void)
{
    struct gr_engine_report what = {.type = GR_REPORT_LISTED};
    is_listing = true;
    for (uint32_t i = 0; i < world->attempt_count; i++) {
        if (!world->attempts[i].is_forgotten) {
            report_attempt(&world->attempts[i]);
        }
    }
    is_listing = false;
    report(&what);
}

static void obey(const struct world_order *order)
{
    if (order->type != ORDER_LIST && order->epoch < world->epoch) {
        goal_reach("fault", FAULT_OLD_WRITER);
        return;
    }
    if (order->type != ORDER_LIST) {
        world->epoch = order->epoch;
    }
    struct world_attempt *at = world_find(order->job, order->attempt);
    switch (order->type) {
    case ORDER_START:
        obey_start(order);
        break;
    case ORDER_STOP:
        obey_stop(order);
        break;
    case ORDER_SIGNAL:
        break;
    case ORDER_FORGET:
        if (at != NULL && at->state != WORLD_RUNNING && at->state != WORLD_STARTING) {
            at->is_forgotten = true;
        }
        break;
    case ORDER_LIST:
        obey_list();
        break;
    }
}

static void arrive(void)
{
    uint32_t kept = 0;
    struct world_order due[SIM_ORDERS];
    uint32_t due_count = 0;
    for (uint32_t i = 0; i < world->order_count; i++) {
        const struct world_order *order = &world->orders[i];
        if (order->due_ms <= sim.true_ms) {
            due[due_count++] = *order;
        } else {
            world->orders[kept++] = *order;
        }
    }
    world->order_count = kept;
    for (uint32_t i = 0; i < due_count; i++) {
        uint32_t other = i + sim_below(due_count - i);
        if (world->is_rough && other != i && sim_chance(20) && due[i].type != ORDER_LIST &&
            due[other].type != ORDER_LIST) {
            goal_reach("fault", FAULT_ORDER_OVERTAKES);
            struct world_order first = due[i];
            due[i] = due[other];
            due[other] = first;
        }
        obey(&due[i]);
        if (world->is_rough && sim_chance(8)) {
            goal_reach("fault", FAULT_ORDER_TWICE);
            obey(&due[i]);
        }
    }
}

void world_step(void)
{
    arrive();
    for (uint32_t i = 0; i < world->attempt_count; i++) {
        struct world_attempt *at = &world->attempts[i];
        if (at->state == WORLD_STARTING && at->kill_ms <= sim.true_ms) {
            end_attempt(at, true);
        } else if (at->state == WORLD_STARTING && at->start_ms <= sim.true_ms) {
            begin_attempt(at);
        } else if (at->state == WORLD_RUNNING && at->end_ms <= sim.true_ms) {
            end_attempt(at, false);
        } else if (at->state == WORLD_RUNNING && at->kill_ms <= sim.true_ms) {
            end_attempt(at, true);
        }
    }
}

// --- the connection

static void break_off(void)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < world->order_count; i++) {
        if (sim_chance(50)) {
            world->orders[kept++] = world->orders[i];
        } else {
            goal_reach("fault", FAULT_ORDER_LOST);
        }
    }
    world->order_count = kept;
    world->report_count = 0;
}

void world_down(void)
{
    struct gr_engine_report what = {.type = GR_REPORT_DOWN};
    if (world->is_up) {
        goal_reach("fault", FAULT_DOWN);
        sim_tell("  the engine is away");
        break_off();
        world->is_up = false;
        report(&what);
    }
}

void world_up(void)
{
    struct gr_engine_report what = {.type = GR_REPORT_UP};
    if (!world->is_up) {
        goal_reach("fault", FAULT_UP);
        sim_tell("  the engine is back");
        world->is_up = true;
        report(&what);
    }
}

void world_orphan(void)
{
    break_off();
}

void world_init(void)
{
    const struct gr_engine_ops *ops = world->engine.ops;
    memset(world, 0, sizeof *world);
    world->engine.ops = ops;
    world->is_up = world->is_rough = true;
}
