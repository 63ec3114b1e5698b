// What must be reached before a long run counts: every kind of fact, refusal, outcome, fault,
// moment of a stop. What nothing can reach is not listed, with the reason where the list is made.
#include "parts.h"

#include <stdio.h>
#include <string.h>

#define DETAILS 32

static struct {
    const char *name;
    uint32_t details; // that can be reached, as bits
    uint64_t counts[DETAILS];
} goals[] = {
    {.name = "fact",
     .details = 0xffffe | 1u << GR_CHECKPOINTED | 1u << GR_PREFERENCE_SET}, // by type
    {.name = "finished", .details = 0x1ff},                                 // by outcome
    {.name = "requeued",
     .details = 0x1fe & ~(1u << GR_OUTCOME_STOPPED |    // what was stopped or
                          1u << GR_OUTCOME_TIME_LIMIT | // took too long is not
                          1u << GR_OUTCOME_RECLAIMED)}, // tried again
    {.name = "dropped", .details = 1u << GR_REFUSED_BY_USER | 1u << GR_REFUSED_AFTER},
    // By why. Nothing reclaims room yet.
    {.name = "stop asked", .details = 0x3e & ~(1u << GR_STOP_RECLAIM)},
    {.name = "refused",
     .details = 1u << GR_REFUSED_NOTHING | 1u << GR_REFUSED_FIELD | 1u << GR_REFUSED_LIMIT_JOBS |
                1u << GR_REFUSED_LIMIT_OTHER | 1u << GR_REFUSED_NEVER | 1u << GR_REFUSED_AFTER |
                1u << GR_REFUSED_LIMIT_KEYS | 1u << GR_REFUSED_LIMIT_ORG},
    {.name = "not now", .details = 0x3},       // 0: too much waits, 1: the disk is full
    {.name = "tried", .details = 0x7},         // 0: would wait, 1: would start, 2: refused
    {.name = "again", .details = 0x7},         // 0: the same answer, 1: another request, 2: too old
    {.name = "stop answered", .details = 0x3}, // 0: no such job, 1: it is stopped
    {.name = "node set", .details = 0xf},
    {.name = "device taken", .details = 0x3f}, // by class
    {.name = "device class", .details = 0x3f}, // of facts
    {.name = "user moved", .details = 0x7},    // 0: is there already, 1: moved, 2: no more users
    // 4 * from + to: 1 waiting, 2 running, 3 held, 0 not there.
    {.name = "job went",
     .details = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 6 | 1u << 8 | 1u << 9 | 1u << 12 |
                1u << 13 | 1u << 14},
    {.name = "order", .details = 0xde},        // start, stop, signal, forget; 6: kill, 7: given up
    {.name = "fault", .details = 0x1fffff},    // as world.c, wrap.c and sim_pool.c number them
    {.name = "killed", .details = 0x3ff},      // enum sim_kill
    {.name = "digest agreed", .details = 0x7}, // live = journal, snapshot + tail, after a kill
    {.name = "node vanished", .details = 0x3}, // 0: back again, 1: gone
    {.name = "care", .details = 0x7ff},        // moments, well or not; see enum care_goal
    {.name = "calm", .details = 0x1},
};

void goal_reach(const char *name, uint32_t detail)
{
    for (size_t g = 0; g < sizeof goals / sizeof *goals; g++) {
        if (strcmp(goals[g].name, name) == 0) {
            if (detail >= DETAILS || (goals[g].details >> detail & 1) == 0) {
                sim_wrong("goal '%s' was reached with %u, which was thought impossible", name,
                          detail);
            }
            goals[g].counts[detail]++;
            return;
        }
    }
    sim_wrong("no goal is called '%s'", name);
}

unsigned goals_print(bool all)
{
    unsigned missed = 0;
    for (size_t g = 0; g < sizeof goals / sizeof *goals; g++) {
        for (uint32_t d = 0; d < DETAILS; d++) {
            bool is_missed = (goals[g].details >> d & 1) != 0 && goals[g].counts[d] == 0;
            missed += is_missed;
            if (is_missed || (all && goals[g].counts[d] > 0)) {
                printf("  %-16s %2u  %llu%s\n", goals[g].name, d,
                       (unsigned long long)goals[g].counts[d], is_missed ? "  NEVER" : "");
            }
        }
    }
    return missed;
}
