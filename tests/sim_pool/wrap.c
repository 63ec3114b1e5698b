// What the pool asks of the machine and of the journal, played by the simulator: the linker puts
// these in place of the functions they are named after.
//
// A group that is handed over waits here until the run's random numbers say that it is durable;
// only then the real journal writes it, and this waits until it has. So the journal's thread
// decides nothing, a group can be lost on its way, and a seed is a run.
#include "parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

int __real_gr_journal_append(struct gr_journal *journal, const struct gr_journal_group *group,
                             uint64_t expected_sequence, struct gr_err *err);
int __real_gr_journal_wait(struct gr_journal *journal, struct gr_err *err);
int __real_gr_journal_open(const struct gr_journal_config *config, struct gr_journal **ret_journal,
                           struct gr_err *err);
int __real_gr_device_watch_open(const struct gr_device_config *config,
                                struct gr_device_watch **ret_watch, struct gr_err *err);
int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
long __real_sysconf(int name);

int __wrap_gr_journal_append(struct gr_journal *journal, const struct gr_journal_group *group,
                             uint64_t expected_sequence, struct gr_err *err);
int __wrap_gr_journal_poll(struct gr_journal *journal, struct gr_err *err);
int __wrap_gr_journal_wait(struct gr_journal *journal, struct gr_err *err);
int __wrap_gr_journal_open(const struct gr_journal_config *config, struct gr_journal **ret_journal,
                           struct gr_err *err);
int __wrap_gr_device_watch_open(const struct gr_device_config *config,
                                struct gr_device_watch **ret_watch, struct gr_err *err);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
long __wrap_sysconf(int name);
int __wrap_sysinfo(struct sysinfo *ret_info);
int __wrap_gethostname(char *name, size_t size);
uid_t __wrap_geteuid(void);

static struct gr_journal *journal_now;

bool wrap_leaves(void)
{
    if (!sim.is_dead && sim.calls_left > 0 && --sim.calls_left == 0) {
        sim.is_dead = sim.is_killed = true;
        sim_tell("killed in the middle");
    }
    return !sim.is_dead;
}

static void write_pending(void)
{
    struct gr_err err;
    gr_err_init(&err);
    if (__real_gr_journal_append(journal_now, &sim.pending, sim.pending_expected, &err) != 0 ||
        __real_gr_journal_wait(journal_now, &err) != 1) {
        sim_wrong("the journal: %s", err.text);
    }
    sim.has_pending = false;
    books_group(&sim.pending);
}

void wrap_settle(bool arrives)
{
    if (sim.has_pending && arrives) {
        write_pending();
    }
    sim.has_pending = false;
}

int __wrap_gr_journal_append(struct gr_journal *journal, const struct gr_journal_group *group,
                             uint64_t expected_sequence, struct gr_err *err)
{
    (void)err;
    if (sim.has_pending) {
        sim_wrong("two groups are on their way");
    }
    if (!wrap_leaves()) {
        return 0;
    }
    journal_now = journal;
    sim.pending = *group;
    sim.pending_expected = expected_sequence;
    sim.has_pending = true;
    return 0;
}

int __wrap_gr_journal_poll(struct gr_journal *journal, struct gr_err *err)
{
    (void)journal;
    if (!sim.has_pending || sim.is_dead || sim.is_slow || sim_chance(40)) {
        return 0;
    }
    if (sim.is_full) {
        sim.has_pending = false;
        goal_reach("fault", 0);
        return gr_fail(err, -ENOSPC, "the simulated disk is full");
    }
    if (!wrap_leaves()) {
        sim.has_pending = false;
        return 0;
    }
    write_pending();
    return 1;
}

int __wrap_gr_journal_wait(struct gr_journal *journal, struct gr_err *err)
{
    (void)journal;
    if (sim.is_dead || !wrap_leaves()) {
        sim.has_pending = false;
        return gr_fail(err, -EIO, "killed");
    }
    if (!sim.has_pending) {
        return 0;
    }
    if (sim.is_full) {
        sim.has_pending = false;
        return gr_fail(err, -ENOSPC, "the simulated disk is full");
    }
    write_pending();
    return 1;
}

int __wrap_gr_journal_open(const struct gr_journal_config *config, struct gr_journal **ret_journal,
                           struct gr_err *err)
{
    int rc = __real_gr_journal_open(config, ret_journal, err);
    if (rc == 0) {
        journal_now = *ret_journal;
        sim.world.hello_epoch = gr_journal_tip_get(*ret_journal).epoch;
    }
    return rc;
}

int __wrap_gr_device_watch_open(const struct gr_device_config *config,
                                struct gr_device_watch **ret_watch, struct gr_err *err)
{
    struct gr_device_config nothing = *config;
    nothing.sysfs = sim.dir; // no PCI devices are there
    nothing.nvml = nothing.smi = "";
    return __real_gr_device_watch_open(&nothing, ret_watch, err);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    if (clock != CLOCK_MONOTONIC || gettid() != getpid()) {
        return __real_clock_gettime(clock, ret_time);
    }
    // How much is done in one turn must not hang on the machine.
    sim.monotonic_ns += 50000;
    *ret_time = (struct timespec){.tv_sec = sim.monotonic_ns / 1000000000,
                                  .tv_nsec = sim.monotonic_ns % 1000000000};
    return 0;
}

long __wrap_sysconf(int name)
{
    return name == _SC_NPROCESSORS_ONLN ? 8 : __real_sysconf(name);
}

int __wrap_sysinfo(struct sysinfo *ret_info)
{
    *ret_info = (struct sysinfo){.totalram = 64ul << 30, .mem_unit = 1};
    return 0;
}

int __wrap_gethostname(char *name, size_t size)
{
    snprintf(name, size, "%s", sim.host);
    return 0;
}

uid_t __wrap_geteuid(void)
{
    return 0; // any user's jobs are taken
}
