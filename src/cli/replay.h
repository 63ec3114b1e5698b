// `granary replay`: what its files share, and the command itself.
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/options.h"
#include "cli/command.h"
#include "replay/bench_openb.h"
#include "replay/load.h"
#include "replay/result.h"
#include "replay/terms_text.h"
#include "replay/trace.h"

#include <stdio.h>

// The subcommand, for the table in cli.c.
extern const struct gr_command gr_cli_replay;

// Which ceilings are computed: indexes into the words of --ceiling.
enum gr_cli_replay_ceiling {
    GR_CLI_REPLAY_OFFLINE,
    GR_CLI_REPLAY_PROTOCOL, // and the offline one
    GR_CLI_REPLAY_NONE,
};

// How results are written: indexes into the words of -o.
enum gr_cli_replay_format {
    GR_CLI_REPLAY_TABLE,
    GR_CLI_REPLAY_JSON,
    GR_CLI_REPLAY_CSV,
};

// What the command line says. Texts are borrowed from argv.
struct gr_cli_replay_request {
    struct gr_load load;             // where the trace comes from
    struct gr_options_list policies; // --policy, each names joined by ','
    struct gr_options_list traces;   // --trace
    struct gr_options_list seeds;    // --seed
    struct gr_options_list maps;     // --map
    const char *checkpoint_every;    // --checkpoint-every, or NULL
    const char *terms_text;          // --terms, or NULL
    struct gr_queue_terms terms;     // what that says
    struct gr_options_list what_ifs; // --what-if
    char *map;                       // all of them joined; the request's own
    int64_t arrivals;                // 0: not given
    int64_t node_devices;            // 0: not given
    int64_t threads;                 // 0: one a processor
    size_t queue;                    // enum gr_order
    size_t mix;                      // 0: given, 1: learned
    size_t format;                   // enum gr_cli_replay_format
    size_t bench;                    // 0: openb
    bool is_bench;                   // --bench is given
    bool has_queue, has_arrivals;    // given
    size_t ceiling;                  // enum gr_cli_replay_ceiling
    bool verify, timing;             // flags
    const char *certificates;        // a folder, or NULL
    const char *report;              // a file, or NULL
};

// The chosen policies, each once.
struct gr_cli_replay_policies {
    const char *names[GR_BENCH_POLICIES_MAX]; // static texts
    size_t count;
};

// Replays one trace under each policy and writes what came out. 0 or -errno with a text.
int gr_cli_replay_trace(const struct gr_cli_replay_request *request,
                        const struct gr_cli_replay_policies *policies, struct gr_err *err);

// Replays one trace as it is and with the changes of --what-if, and writes the difference. 0 or
// -errno with a text.
int gr_cli_replay_what_if(const struct gr_cli_replay_request *request,
                          const struct gr_cli_replay_policies *policies, struct gr_err *err);

// Repeats a recording of a live pool and writes how its decisions compare. 0 or -errno with a text;
// -EPROTO if they differ though nothing was changed and --verify was given.
int gr_cli_replay_recording(const struct gr_cli_replay_request *request, const char *path,
                            const struct gr_cli_replay_policies *policies, struct gr_err *err);

// Runs the openb benchmark on `folder` and writes its rows; no policies: those that it compares by
// default. `seeds` are those of the request, as numbers. 0 or -errno with a text.
int gr_cli_replay_bench(const struct gr_cli_replay_request *request, const char *folder,
                        const struct gr_cli_replay_policies *policies, const uint64_t *seeds,
                        struct gr_err *err);

// Writes the results of one trace, one line a policy, to standard output. With `timing` the time
// each took is written too, and the output is not the same twice. Returns 0 or -errno; write errors
// of table and CSV are left on the stream.
int gr_cli_replay_results(const struct gr_trace *trace, const struct gr_result *results,
                          size_t count, enum gr_cli_replay_format format, bool timing,
                          struct gr_err *err);

// A span of time in the unit that suits it, at most 47 bytes, into `buffer`. Returns `buffer`.
const char *gr_cli_replay_span(int64_t ms, char *buffer);
// One result as an object; the caller owns it; NULL if there is no memory.
json_t *gr_cli_replay_result_json(const struct gr_result *result, bool timing);

// Writes the rows of the openb benchmark; the rest as gr_cli_replay_results.
int gr_cli_replay_rows(const struct gr_bench_row *rows, size_t count,
                       enum gr_cli_replay_format format, bool timing, struct gr_err *err);
