// The list of what must be reached: see goals.h.
#include "goals.h"

#include "core/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define DETAILS 64

// Each goal with the details that can be reached, as bits.
static const struct {
    const char *name;
    uint64_t details;
    uint64_t seldom; // of these, too seldom for a run of this length to have to reach them
} goals[] = {
    {.name = "applied", // by event type; room is taken back seldom: core/reclaim_walk_test.c does
     .details = 0xffffffe | 1u << GR_PREFERENCE_SET | 1u << GR_CLASS_SET,
     .seldom = 1u << GR_ROOM_HELD | 1u << GR_ROOM_FREED},
    {.name = "check says", // up to GR_REFUSED_LIMIT_OTHER, and the later ones
     .details = ((1u << 19) - 1) | 1u << GR_REFUSED_USER | 1u << GR_REFUSED_AFTER |
                1u << GR_REFUSED_KEY | 1u << GR_REFUSED_LIMIT_KEYS | 1u << GR_REFUSED_DEVICE},
    {.name = "submission answered", //
     .details = 1u << GR_REFUSED_NOTHING | 1u << GR_REFUSED_FIELD | 1u << GR_REFUSED_ORG |
                1u << GR_REFUSED_LIMIT_JOBS | 1u << GR_REFUSED_LIMIT_OTHER |
                1u << GR_REFUSED_NOWHERE | 1u << GR_REFUSED_NEVER | 1u << GR_REFUSED_RULES |
                1u << GR_REFUSED_USER | 1u << GR_REFUSED_AFTER | 1u << GR_REFUSED_LIMIT_ORG |
                UINT64_C(1) << GR_REFUSED_PRIORITY},
    {.name = "start of one job answered",
     .details = 1u << GR_REFUSED_NOTHING | 1u << GR_REFUSED_JOB | 1u << GR_REFUSED_STATE |
                1u << GR_REFUSED_LIMIT_PIECES | 1u << GR_REFUSED_NO_ROOM | 1u << GR_REFUSED_RULES},
    {.name = "node went", .details = 0x1ff}, // 3 * from + to
    {.name = "job ended", .details = 0x1ff}, // by outcome
    {.name = "job dropped",
     .details = 1u << GR_REFUSED_BY_USER | 1u << GR_REFUSED_NO_ROOM | 1u << GR_REFUSED_AFTER},
    {.name = "job requeued", .details = 0x1fe}, // by outcome; what is done is done
    {.name = "stop asked", .details = 0xfe},    // by why
    {.name = "devices set", .details = 0x3},    // 0: in use again, 1: out
    {.name = "quota set", .details = 0xf}, // 0: none any more, 1: new, 2: another, 3: a full table
    {.name = "class set", .details = 0x3}, // 1: of one that is there
    {.name = "terms of the queue set", .details = 0x3}, // 0: what was held is forgotten at once
    // Placed in the first choice, in a later one; a row set, a row set anew; no row left; two tiers
    // wanted by a gang.
    {.name = "preference", .details = 0x3f},
    {.name = "checkpoint", .details = 0x3}, // 0: the first of an attempt, 1: another
    {.name = "state loaded", .details = 0x1},
    // 4 * from + to: 1 waiting, 2 running, 3 held, 0 not there. A job is held only at first.
    {.name = "job went",
     .details = 1u << 1 | 1u << 3 | 1u << 4 | 1u << 6 | 1u << 8 | 1u << 9 | 1u << 12 | 1u << 13},
    {.name = "first in the queue started", .details = 0x3},  // by order
    {.name = "queue blocked", .details = 0x3},               // by order
    {.name = "fair", .details = 0x3ff},                      // enum fair in answer_fair.c
    {.name = "hold ended", .details = 0x1f, .seldom = 0x1f}, // by enum gr_freed_why; 4: it was used
    {.name = "job taken back",
     .details = 0x7,
     .seldom = 0x7}, // 0: borrowed, 1: of lower priority, 2: moved
    {.name = "moves asked for", .details = 0x7f, .seldom = 0x40}, // enum gr_defrag_answer
    {.name = "rest", .details = 0x1f, .seldom = 0xa},             // enum rest in answer_rest.c
    {.name = "room reserved", .details = 0x3},                    // 0: no end makes room, 1: kept
    {.name = "job backfilled", .details = 0x3},                   // 0: before the start, 1: beside
    // enum part in answer_part.c; that there is no room, for a while or too long, is seldom
    {.name = "part", .details = 0x7ff, .seldom = 1u << 2 | 1u << 6 | 1u << 8},
    {.name = "promise of a start held", .details = 0x1},
    {.name = "shape placed", .details = 0x1f}, // by width: see width_of in drive.c
    {.name = "gang placed", .details = 0xf},   // spread, one domain, blocks, inner
    {.name = "mix learned", .details = 0x3},
    {.name = "clone agreed", .details = 0x1},
    {.name = "history replayed", .details = 0x1},
    {.name = "index asked", .details = 0x3}, // 0: fits nowhere, 1: found
    {.name = "effect", .details = 0x1e},     // by type
};

#define GOALS (sizeof goals / sizeof *goals)

// How often each was reached, by process; shared by all of them.
static uint64_t (*counts)[GOALS][DETAILS];
static unsigned mine, processes;

int goals_begin(unsigned count)
{
    void *shared = mmap(NULL, count * sizeof *counts, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    counts = shared == MAP_FAILED ? NULL : shared;
    processes = count;
    return counts == NULL ? -1 : 0;
}

void goals_process(unsigned process)
{
    mine = process;
}

static uint64_t reached(size_t goal, uint32_t detail)
{
    uint64_t sum = 0;
    for (unsigned p = 0; p < processes; p++) {
        sum += counts[p][goal][detail];
    }
    return sum;
}

void goal_reach(const char *name, uint32_t detail)
{
    for (size_t g = 0; g < GOALS; g++) {
        if (strcmp(goals[g].name, name) == 0) {
            if (detail >= DETAILS || (goals[g].details >> detail & 1) == 0) {
                break;
            }
            counts[mine][g][detail]++;
            return;
        }
    }
    fprintf(stderr, "sim: '%s' %u is no goal\n", name, detail);
    abort();
}

static const char *detail_name(const char *goal, uint32_t detail)
{
    if (strcmp(goal, "applied") == 0) {
        return gr_event_type_name(detail);
    }
    if (strstr(goal, "says") != NULL || strstr(goal, "answered") != NULL ||
        strcmp(goal, "job dropped") == 0) {
        return gr_refusal_name((enum gr_refusal)detail);
    }
    return "";
}

unsigned goals_print(bool all)
{
    unsigned missed = 0;
    for (size_t g = 0; g < GOALS; g++) {
        for (uint32_t d = 0; d < DETAILS; d++) {
            bool wanted = (goals[g].details >> d & 1) != 0;
            bool is_missed = wanted && (goals[g].seldom >> d & 1) == 0 && reached(g, d) == 0;
            missed += is_missed;
            if (wanted && (all || is_missed)) {
                printf("%12llu  %s %u %s\n", (unsigned long long)reached(g, d), goals[g].name, d,
                       detail_name(goals[g].name, d));
            }
        }
    }
    return missed;
}
