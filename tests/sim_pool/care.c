// Node checks and drivers, played by the simulator: the linker puts these in place of the functions
// of daemon/care.h. A visit takes its time and finds what the run's random numbers say. Whoever
// starts an attempt must have had the word of the checks before it.
#include "parts.h"

#include "daemon/care.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VISITS 256
#define CLEARED 4096

int __wrap_gr_care_open(const char *checks, struct gr_device_watch *watch, int64_t look_ms,
                        struct gr_care **ret_care, struct gr_err *err);
void __wrap_gr_care_close(struct gr_care *care);
bool __wrap_gr_care_has(const struct gr_care *care, enum gr_node_checks_when when);
int __wrap_gr_care_begin(struct gr_care *care, const struct gr_care_visit *visit,
                         struct gr_err *err);
int __wrap_gr_care_poll(struct gr_care *care, struct gr_care_answer *ret_answer);
bool __wrap_gr_care_found(struct gr_care *care, struct gr_device_list *ret_list);
void __wrap_gr_care_forget(struct gr_care *care, const char *address);

struct visit {
    int64_t due_ms;
    struct gr_care_visit what; // its texts and devices are not kept
    struct gr_device devices[SIM_DEVICES];
};

static struct visit visits[VISITS];
static unsigned visit_count;
static struct visit answered; // whose devices were lent to the pool
// Attempts that may start, in the life of this pool.
static struct {
    uint64_t job;
    uint32_t attempt;
} cleared[CLEARED];
static unsigned cleared_count;

// A thing to point at: the pool never looks inside.
static struct gr_care *the_care(void)
{
    static int care;
    return (struct gr_care *)(void *)&care;
}

int __wrap_gr_care_open(const char *checks, struct gr_device_watch *watch, int64_t look_ms,
                        struct gr_care **ret_care, struct gr_err *err)
{
    (void)checks, (void)watch, (void)look_ms, (void)err;
    visit_count = cleared_count = 0;
    *ret_care = the_care();
    return 0;
}

void __wrap_gr_care_close(struct gr_care *care)
{
    (void)care;
    visit_count = cleared_count = 0;
}

bool __wrap_gr_care_has(const struct gr_care *care, enum gr_node_checks_when when)
{
    (void)care;
    return (sim.scripts >> when & 1u) != 0;
}

int __wrap_gr_care_begin(struct gr_care *care, const struct gr_care_visit *visit,
                         struct gr_err *err)
{
    (void)care;
    if (visit->device_count > SIM_DEVICES || visit->name[0] == '\0' ||
        (visit->when == GR_CHECKS_BEFORE) !=
            (visit->job != 0 && !visit->checks_devices && visit->when != GR_CHECKS_AFTER)) {
        sim_wrong("a visit to node %u makes no sense", visit->node);
    }
    if (visit_count == VISITS || (sim.world.is_rough && sim_chance(2))) {
        struct book_job *job = books_job(visit->job);
        if (job != NULL && visit->when == GR_CHECKS_BEFORE) {
            job->is_given_up = true;
        }
        goal_reach("care", CARE_GOAL_NOT_BEGUN);
        return gr_fail(err, -ENOMEM, "no memory for a simulated visit");
    }
    struct visit *mine = &visits[visit_count++];
    memset(mine, 0, sizeof *mine);
    mine->due_ms = sim.true_ms + (sim.world.is_rough ? sim_below(3000) : 1);
    mine->what = *visit;
    if (visit->device_count > 0) {
        memcpy(mine->devices, visit->devices, visit->device_count * sizeof *visit->devices);
    }
    mine->what.name = mine->what.user = "";
    mine->what.devices = NULL;
    return 0;
}

// What is found of the visit that is `answered` now.
static void find(struct gr_care_answer *answer)
{
    const struct visit *visit = &answered;
    bool is_rough = sim.world.is_rough;
    answer->has_run = (sim.scripts >> visit->what.when & 1u) != 0;
    answer->is_well = !answer->has_run || !is_rough || !sim_chance(15);
    snprintf(answer->text, sizeof answer->text, "%s", answer->is_well ? "" : "simulated: unwell");
    for (uint32_t i = 0; i < visit->what.device_count; i++) {
        bool is_unwell = is_rough && sim_chance(5);
        if (is_unwell) {
            struct gr_node_checks_device *unwell = &answer->devices[answer->device_count++];
            unwell->health = 1 + sim_below(GR_HEALTHS - 1);
            memcpy(unwell->address, visit->devices[i].address, sizeof unwell->address);
            snprintf(unwell->text, sizeof unwell->text, "simulated");
            goal_reach("care", CARE_GOAL_DEVICE);
        } else if (visit->what.is_reset) {
            snprintf(answer->resets[answer->reset_count++], sizeof answer->resets[0], "%s",
                     visit->devices[i].address);
            goal_reach("care", CARE_GOAL_RESET);
        }
    }
    goal_reach("care", 2 * (uint32_t)visit->what.when + !answer->is_well);
}

int __wrap_gr_care_poll(struct gr_care *care, struct gr_care_answer *ret_answer)
{
    (void)care;
    unsigned at = 0;
    while (at < visit_count && visits[at].due_ms > sim.true_ms) {
        at++;
    }
    if (at == visit_count || !wrap_leaves()) {
        return 0;
    }
    answered = visits[at];
    visits[at] = visits[--visit_count];
    const struct gr_care_visit *what = &answered.what;
    *ret_answer = (struct gr_care_answer){.when = what->when,
                                          .node = what->node,
                                          .job = what->job,
                                          .attempt = what->attempt,
                                          .is_reset = what->is_reset,
                                          .about = answered.devices,
                                          .about_count = what->device_count};
    find(ret_answer);
    sim_tell("  care: %u of node %u for %llu.%u: %s, %u devices unwell", (unsigned)what->when,
             what->node, (unsigned long long)what->job, what->attempt,
             ret_answer->is_well ? "well" : "unwell", ret_answer->device_count);
    if (what->when == GR_CHECKS_BEFORE) {
        struct book_job *job = books_job(what->job);
        if (!ret_answer->is_well || ret_answer->device_count > 0) {
            if (job != NULL && job->attempt == what->attempt) {
                job->is_given_up = true;
            }
        } else if (cleared_count < CLEARED) {
            cleared[cleared_count].job = what->job;
            cleared[cleared_count++].attempt = what->attempt;
        }
    }
    return 1;
}

bool __wrap_gr_care_found(struct gr_care *care, struct gr_device_list *ret_list)
{
    (void)care, (void)ret_list;
    return false; // looks are asks.c's
}

void __wrap_gr_care_forget(struct gr_care *care, const char *address)
{
    (void)care, (void)address;
}

void care_starts(uint64_t job, uint32_t attempt)
{
    if (sim.config.checks == NULL || (sim.scripts >> GR_CHECKS_BEFORE & 1u) == 0) {
        return;
    }
    for (unsigned i = 0; i < cleared_count; i++) {
        if (cleared[i].job == job && cleared[i].attempt == attempt) {
            return;
        }
    }
    sim_wrong("attempt %llu.%u is started, and no check was asked before", (unsigned long long)job,
              attempt);
}
