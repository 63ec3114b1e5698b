// What `granary why` says about when a job may start, checked against when it does: some waiting
// jobs are asked about early in their wait, what they would have been told is kept, and compared
// when they start. From how that came out the next bands are made.
//
// A band of the core (core/why.h) is made of conventions. Its end, counted from the question, is
// the *scale*; a wait over its scale is a *ratio*. What lies between the tenth and the ninetieth of
// a hundred ratios is the band that is told: eight of ten start within, if the future is like the
// past. Jobs that still wait count as what they are, not over yet (Kaplan and Meier, "Nonparametric
// Estimation from Incomplete Observations", JASA 1958): else those that start soon, of which one
// hears first, would make bands too short. Ranks leave room for the next one (Vovk, Gammerman,
// Shafer, "Algorithmic Learning in a Random World", 2005).
//
// Pure: no clock, no I/O, no memory of its own; the same calls make the same bytes.
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How many checked estimates are kept, the newest; and how many are under watch at most.
#define GR_ESTIMATES_KEPT 1024u
#define GR_ESTIMATES_WATCHED 512u
// So many of a class, or of all, and bands are made from them.
#define GR_ESTIMATES_ENOUGH 40u
// Percent of starts that a band is meant to hold.
#define GR_ESTIMATES_STATED 80u
// Classes: a bit for estimates that rest on guessed ends, a bit for gangs.
#define GR_ESTIMATES_CLASSES 4u
#define GR_ESTIMATES_GUESSED 1u
#define GR_ESTIMATES_GANG 2u
// Jobs that wait to be asked about.
#define GR_ESTIMATES_CANDIDATES 64u
// Steps of the histogram of waits over likely waits: up to 1/8, 1/4, 1/2, 1, 2, 4, 8, and beyond.
#define GR_ESTIMATES_STEPS 8u

// From the question on, in milliseconds, in order.
struct gr_estimate_band {
    int64_t earliest_ms; // it hardly starts before
    int64_t likely_ms;   // it starts as likely before as after
    int64_t latest_ms;   // it hardly starts after
};

// What came of an estimate.
enum gr_estimate_outcome {
    GR_ESTIMATE_EARLY = 0, // it started before the band
    GR_ESTIMATE_INSIDE,    // in it
    GR_ESTIMATE_LATE,      // after it, or not at all and longer than that
};
#define GR_ESTIMATE_OUTCOMES 3

// A checked estimate.
struct gr_estimate_row {
    uint32_t ratio;     // of the wait to the scale, in thousandths
    uint32_t of_likely; // of the wait to what was said to be likely, in thousandths
    uint8_t outcome;    // enum gr_estimate_outcome
    uint8_t class;      // bits
    uint8_t is_open;    // it left unstarted: the wait would have been longer
    uint8_t reserved;   // zero
};

// An estimate whose job still waits.
struct gr_estimate_watch {
    uint64_t job;     // id; 0: a free row
    int64_t asked_ms; // Unix time of the question
    int64_t scale_ms; // end of the band by convention
    struct gr_estimate_band told;
    uint32_t class; // bits
    uint32_t reserved;
};

// What a file may keep.
struct gr_estimates_kept {
    uint64_t total;       // checked, ever
    uint32_t count, next; // of rows, and where the next goes
    struct gr_estimate_row rows[GR_ESTIMATES_KEPT];
    struct gr_estimate_watch watched[GR_ESTIMATES_WATCHED]; // by hash of the job
};
static_assert(sizeof(struct gr_estimates_kept) == 16 + 12 * 1024 + 56 * 512, "no padding");

// All of it. For estimates.c to write.
struct gr_estimates {
    struct gr_estimates_kept kept;
    uint64_t candidates[GR_ESTIMATES_CANDIDATES]; // ids of jobs that began to wait
    uint32_t candidate_count;
    uint32_t offered; // since there were none
    uint64_t random;  // state of the generator
    int64_t next_ms;  // not before then is the next one asked about
    bool has_changed; // since it was last written
};

// Nothing is known.
void gr_estimates_init(struct gr_estimates *estimates);

// --- whom to ask about

// A job begins to wait. Some are kept to be asked about, each as likely as any other.
void gr_estimates_offer(struct gr_estimates *estimates, uint64_t job);
// Milliseconds until the next one may be asked about, 0: now; INT64_MAX: there is none.
int64_t gr_estimates_due(const struct gr_estimates *estimates, int64_t now_ms);
// Takes one that may be asked about now; 0: none. It may wait no more.
uint64_t gr_estimates_next(struct gr_estimates *estimates);
// A question took so long: the next one is put off, so that questions take a thousandth of the time
// and come once a second at most. Estimates that were far too short are given up as late.
void gr_estimates_asked(struct gr_estimates *estimates, int64_t now_ms, int64_t cost_ns);

// --- what comes of them

// A job that waits was asked about: this is the band by convention. False: as many as may be, or
// this one, are watched already.
bool gr_estimates_watch(struct gr_estimates *estimates, uint64_t job, int64_t now_ms,
                        unsigned class, const struct gr_estimate_band *band);
// A job started. Nothing happens if it is not watched.
void gr_estimates_started(struct gr_estimates *estimates, uint64_t job, int64_t at_ms);
// A job waits no more and did not start: that tells something only if it was late already.
void gr_estimates_left(struct gr_estimates *estimates, uint64_t job, int64_t at_ms);

// --- what they are worth

// Where a band comes from.
enum gr_estimate_from {
    GR_FROM_CONVENTION = 0, // too few were checked
    GR_FROM_ALL,            // all that were checked
    GR_FROM_CLASS,          // those of its class
};
// Says what to tell: the band, by what was learned. At least a second wide.
enum gr_estimate_from gr_estimates_band(const struct gr_estimates *estimates, unsigned class,
                                        int64_t now_ms, const struct gr_estimate_band *band,
                                        struct gr_estimate_band *ret_band);

// Ratios, in thousandths: a tenth is smaller than `low`, half than `middle`, a tenth larger than
// `high`.
struct gr_estimate_spread {
    uint32_t checked;
    uint32_t low, middle, high; // 0 with fewer than GR_ESTIMATES_ENOUGH
};
// How good estimates were.
struct gr_estimates_sum {
    uint64_t total;                          // checked, ever
    uint32_t checked;                        // of these the newest, which the rest is about
    uint32_t watched;                        // whose jobs still wait
    uint32_t outcomes[GR_ESTIMATE_OUTCOMES]; // how many of each
    uint32_t inside_percent;                 // of the checked
    int32_t error_percent;                   // median of how much longer than likely
    uint32_t steps[GR_ESTIMATES_STEPS];      // waits over likely waits
    struct gr_estimate_spread all;           // of all classes together
    struct gr_estimate_spread classes[GR_ESTIMATES_CLASSES]; // of each
};
// See struct gr_estimates_sum.
void gr_estimates_sum(const struct gr_estimates *estimates, int64_t now_ms,
                      struct gr_estimates_sum *ret_sum);

// --- a file's bytes

// Bytes of the file.
#define GR_ESTIMATES_BYTES (16u + sizeof(struct gr_estimates_kept) + 32u)
// Writes what is to be kept: a magic, struct gr_estimates_kept as it is, BLAKE2b-256 of both.
void gr_estimates_save(const struct gr_estimates *estimates, uint8_t ret_bytes[GR_ESTIMATES_BYTES]);
// Reads it. False if the bytes are damaged, or another release's: then nothing is known.
bool gr_estimates_load(struct gr_estimates *estimates, const uint8_t *bytes, size_t size);
