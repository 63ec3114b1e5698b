// Repeats a recording: what came from outside is fed to a core, which decides anew, and its
// decisions are compared with the recorded ones.
//
// From outside come submissions, ends, checkpoints, health, what operators did, and when. What the
// core decided is starts, reservations, room held and freed, stops asked for room, parts placed,
// and jobs that can never start. With nothing changed the same is decided, to the byte, or there is
// a defect. With another policy, order or terms it is not, and then the world goes on as it would
// have: an attempt lasts as long as it did in the recording, whenever it starts; what somebody
// asked for is asked at the same time.
#pragma once

#include "core/core.h"
#include "replay/recording.h"

// What is changed. Zero-initialise: nothing.
struct gr_repeat_config {
    const char *policy;                 // static text; NULL: as recorded
    int order;                          // enum gr_order + 1; 0: as recorded
    const struct gr_queue_terms *terms; // in place of all that were recorded; NULL: none
};

// Sorts of decisions that are compared.
enum gr_repeat_what {
    GR_REPEAT_START = 0, // of an attempt
    GR_REPEAT_PART,      // of lost parts of a running one
    GR_REPEAT_STOP,      // asked for its room
};

// A decision.
struct gr_repeat_decision {
    uint64_t job;         // id in the recording
    uint32_t attempt;     // of the job
    uint32_t what;        // enum gr_repeat_what
    int64_t at_ms;        // when
    size_t pieces;        // of a start: the first one's index in the log's pieces
    uint32_t piece_count; // 0: no start
    uint32_t order;       // among all decisions of its log
};

// All decisions of the recording, or of its repetition.
struct gr_repeat_log {
    struct gr_repeat_decision *decisions; // in order
    size_t count, decision_room;          // of decisions: in use, allocated
    struct gr_piece *pieces;              // of all starts
    size_t piece_count, piece_room;       // of pieces: in use, allocated
    uint64_t jobs, started, finished;     // submitted, started at least once, ended
    int64_t wait_mean_ms;                 // from submission to first start, of those that started
    int64_t wait_p50_ms;                  // half of them waited no longer
    int64_t wait_p95_ms;                  // 95 of 100 waited no longer
    uint32_t used_ppm;                    // of device-time between first and last fact
    uint64_t lost;                        // milli x milliseconds of devices, by stops for room
    uint8_t digest[GR_HASH_SIZE];         // of the state at the end
};

// How a decision differs.
enum gr_repeat_how {
    GR_REPEAT_ONLY_RECORDED = 0, // it was made only in the recording
    GR_REPEAT_ONLY_REPEATED,     // only in the repetition
    GR_REPEAT_OTHER_TIME,        // at another time (elsewhere, too, perhaps)
    GR_REPEAT_ELSEWHERE,         // at the same time, on other devices
    GR_REPEAT_OTHER_ORDER,       // the same, before or after other ones
};

// A difference.
struct gr_repeat_difference {
    enum gr_repeat_how how;
    struct gr_repeat_decision recorded, repeated; // zero where it was not made
};

// What came of a repetition. Heap; gr_repeat_done gives it back.
struct gr_repeat {
    struct gr_repeat_log recorded, repeated;
    struct gr_repeat_difference *differences; // in order of time
    size_t difference_count;
    bool is_changed;     // something was to be changed
    bool is_same;        // no difference, and the same state at the end
    uint64_t first_fact; // sequence of the first recorded fact that was decided otherwise; 0: none
    char first_text[96]; // what was decided in its place
};

// Repeats. Returns 0; -EINVAL for facts that cannot be read or do not follow from each other
// (`recording` is damaged though its hash fits); -ENOMEM; errors of gr_recording_core. Blocks for
// as long as it computes.
int gr_repeat_run(const struct gr_recording *recording, const struct gr_repeat_config *config,
                  struct gr_repeat *ret_repeat, struct gr_err *err);
// Gives it back. Safe on a zeroed one.
void gr_repeat_done(struct gr_repeat *repeat);
