// Defragmentation: which running work would have to go elsewhere so that a waiting job fits. A
// question, and the fact that does it. docs/design/queue.md says what is looked at.
//
// Only work that is *restartable* moves: its submitter said `requeue.on: [move]`, or it has said in
// this attempt that its work is safe (a checkpoint); and it ran for the queue's min_run.
#pragma once

#include "core/core.h"

// Jobs of one answer.
#define GR_DEFRAG_MOVES 64

// What came of the question.
enum gr_defrag_answer {
    GR_DEFRAG_FOUND = 0,
    GR_DEFRAG_NOT_WAITING, // the job does not wait for room
    GR_DEFRAG_FITS,        // no move is needed: it fits, or will when those end that are stopping
    GR_DEFRAG_BARRED,      // limits or quotas hold it back
    GR_DEFRAG_FEW,         // not even all restartable work gone would make room
    GR_DEFRAG_NOWHERE,     // some moves would make room, but who moves fits nowhere else at once
    GR_DEFRAG_MANY,        // more moves are needed than are looked for
};
#define GR_DEFRAG_ANSWERS 7
// The stable name ("found", "no-room-elsewhere", ...) and one sentence for people. Static text.
const char *gr_defrag_name(enum gr_defrag_answer answer);
// See gr_defrag_name.
const char *gr_defrag_text(enum gr_defrag_answer answer);

// A job that goes elsewhere.
struct gr_defrag_move {
    uint64_t job;   // id
    uint64_t lost;  // work, in milli x milliseconds of devices
    uint32_t first; // of its pieces in `to`: where it would fit
    uint32_t count; // of these
};

// The answer.
struct gr_defrag {
    uint32_t answer;     // enum gr_defrag_answer
    uint32_t move_count; // GR_DEFRAG_FOUND: of `moves`
    uint32_t needed;     // fewest moves that make room, if who moves need not fit; 0: not known
    bool is_fewest;      // no fewer moves would do; else more sets there are than were looked at
    uint64_t lost;       // by all of them, in milli x milliseconds of devices
    struct gr_defrag_move moves[GR_DEFRAG_MOVES]; // in order of ids
};

// Asks for the fewest moves, and of these for the least lost work, with which a waiting job would
// fit and each job that moves would fit elsewhere at once: all together, neither into what is held
// or reserved for others nor onto the job's new nodes, within quotas. `pieces` and `to`: room for
// GR_TASKS_MAX each; where the job goes, and where those who move would. Looks at the nodes of one
// decision of taking back (4,096 a variant), and at no more than 65,536 sets of jobs. May do
// deferred index work; the state is the same afterwards.
void gr_core_defrag(struct gr_core *core, int64_t at_ms, uint64_t job, struct gr_piece *pieces,
                    struct gr_piece *to, struct gr_defrag *ret_defrag);
// The fact that does what gr_core_defrag has just answered: GR_ROOM_HELD for the job, which calls
// those who move. It borrows `pieces`.
struct gr_event gr_decide_defrag(struct gr_core *core, int64_t at_ms, uint64_t job,
                                 const struct gr_piece *pieces, const struct gr_defrag *defrag);
