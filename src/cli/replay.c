// `granary replay`: runs a recorded workload through the core. Offline: reads files only. The
// command line is here, the work in replay_work.c, what it prints in replay_output.c.
#include "cli/replay.h"

#include "base/quantity.h"
#include "cli/start.h"
#include "place/policy.h"
#include "replay/jobs_map.h"
#include "replay/recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEED_DEFAULT 42

static const char *const formats[] = {"table", "json", "csv", NULL};
static const char *const queues[] = {"fifo", "backfill", "fair", NULL};
static const char *const mixes[] = {"given", "learned", NULL};
static const char *const ceilings[] = {"offline", "protocol", "none", NULL};
static const char *const benches[] = {"openb", NULL};

// ---- policies and seeds -------------------------------------------------------------------------

static int add_policy(struct gr_cli_replay_policies *policies, const char *name, size_t size,
                      struct gr_err *err)
{
    for (size_t i = 0; gr_policies[i] != NULL; i++) {
        const char *known = gr_policies[i]->name;
        if (strlen(known) != size || memcmp(known, name, size) != 0) {
            continue;
        }
        for (size_t p = 0; p < policies->count; p++) {
            if (policies->names[p] == known) {
                return gr_fail(err, -EINVAL, "found the policy %s twice, expected it once", known);
            }
        }
        if (policies->count == GR_BENCH_POLICIES_MAX) {
            return gr_fail(err, -EINVAL, "found more than %d policies", GR_BENCH_POLICIES_MAX);
        }
        policies->names[policies->count++] = known;
        return 0;
    }
    char list[256] = "";
    for (size_t i = 0, at = 0; gr_policies[i] != NULL && at < sizeof list; i++) {
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i > 0 ? ", " : "",
                               gr_policies[i]->name);
    }
    return gr_fail(err, -EINVAL, "found the policy '%.*s', expected %s, or all", (int)size, name,
                   list);
}

// Each value is names joined by ','; "all" is every policy.
static int choose_policies(const struct gr_options_list *values,
                           struct gr_cli_replay_policies *policies, struct gr_err *err)
{
    for (size_t i = 0; i < values->count; i++) {
        if (strcmp(values->values[i], "all") == 0) {
            for (size_t p = 0; gr_policies[p] != NULL; p++) {
                const char *name = gr_policies[p]->name;
                int code = add_policy(policies, name, strlen(name), err);
                if (code < 0) {
                    return code;
                }
            }
            continue;
        }
        for (const char *at = values->values[i]; at != NULL;) {
            const char *comma = strchr(at, ',');
            int code =
                add_policy(policies, at, comma != NULL ? (size_t)(comma - at) : strlen(at), err);
            if (code < 0) {
                return code;
            }
            at = comma != NULL ? comma + 1 : NULL;
        }
    }
    return 0;
}

static int read_seeds(const struct gr_options_list *values, uint64_t seeds[GR_OPTIONS_LIST_MAX],
                      struct gr_err *err)
{
    for (size_t i = 0; i < values->count; i++) {
        char *end = NULL;
        errno = 0;
        long long seed = strtoll(values->values[i], &end, 10);
        if (values->values[i][0] < '0' || values->values[i][0] > '9' || *end != '\0' ||
            errno != 0) {
            return gr_fail(err, -EINVAL, "found the seed '%s', expected a whole number from 0",
                           values->values[i]);
        }
        seeds[i] = (uint64_t)seed;
    }
    return 0;
}

// Joins all of --map with ','. 0 or -ENOMEM.
static int join_maps(struct gr_cli_replay_request *request, struct gr_err *err)
{
    size_t size = 1;
    for (size_t i = 0; i < request->maps.count; i++) {
        size += strlen(request->maps.values[i]) + 1;
    }
    request->map = calloc(size, 1);
    if (request->map == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the map");
    }
    for (size_t i = 0, at = 0; i < request->maps.count; i++) {
        at += (size_t)snprintf(request->map + at, size - at, "%s%s", i > 0 ? "," : "",
                               request->maps.values[i]);
    }
    request->load.map = request->maps.count > 0 ? request->map : NULL;
    return 0;
}

// ---- the command --------------------------------------------------------------------------------

static const char about[] =
    "Runs a recorded workload through the very core that runs a live pool, on a virtual clock, and "
    "says how full the pool became and how long jobs waited. Jobs that never leave (openb's) are "
    "placed when they arrive or dropped for good; a trace with durations has a queue."
    "\n\n"
    "The second form repeats a recording that `granary export trace` wrote: the same decisions as "
    "in the live pool, or how others would have differed."
    "\n\n"
    "The third form runs the published openb benchmark: every trace, policy and seed that the "
    "folder holds, compared with its published curves and with a proven ceiling.";

static const char details[] =
    "A map is FIELD=COLUMN[:UNIT] or FIELD=default:VALUE[:UNIT], joined by ','. Fields: submit,\n"
    "duration or end, limit (s, ms; submit also as YYYY-MM-DD HH:MM:SS), devices, milli, tasks,\n"
    "kind, cpu or cpu_per_device (milli, cpus), memory or memory_per_device (mib, gib), user,\n"
    "queue, use, priority, domain, checkpoint (s, ms), name. A job of more devices than a node "
    "has\n"
    "becomes a gang of the fewest equal tasks. All of it: docs/formats/trace.md.\n"
    "\n"
    "Of the benchmark's JSON, an array of objects: mean_at_100 is our allocation in % at 100 %\n"
    "arrived load, mean over the seeds; published_at_100 the published one of the same policy and\n"
    "seeds, and for a policy that nobody published (granary) that of FGD, its rival;\n"
    "max_difference the largest difference to the published curves over all points and seeds (for\n"
    "random, whose draws differ, of the mean over the seeds), null where nothing is published;\n"
    "ceiling_at_100 the mean of the proven bounds on any packing, protocol_ceiling_at_100 that on\n"
    "policies that reject only what fits nowhere (with --ceiling protocol); seeds_better on how\n"
    "many seeds it is above published FGD at 100 %, both to 0.01 (where nothing is published:\n"
    "above our own fgd run, if it is among the policies). A run above its ceiling is an error,\n"
    "exit code 1.\n"
    "\n"
    "examples:\n"
    "  granary replay --pool 64x8xh100 --jobs jobs.csv --policy granary,fgd --queue backfill\n"
    "  granary replay --nodes nodes.csv --jobs pods.csv --order order.txt --node-ranks ranks.txt "
    "\\\n"
    "      --seed 42 --policy all --report fill.html\n"
    "  granary replay --pool 500x8xgpu --jobs philly_jobs.csv --queue backfill \\\n"
    "      --map submit=timestamp,duration=duration,devices=num_gpus,user=cluster \\\n"
    "      --map cpu_per_device=default:4:cpus,memory_per_device=default:32:gib\n"
    "  granary replay --nodes nodes.csv --jobs jobs.csv --queue fair --what-if '+64 h20'\n"
    "  granary replay --bench openb DIR --policy granary,fgd -o json\n";

// That the options given belong to the benchmark.
static int check_bench_form(const struct gr_cli_replay_request *request, size_t operands,
                            struct gr_err *err)
{
    const struct gr_load *load = &request->load;
    if (operands != 1) {
        return gr_fail(err, -EINVAL, "--bench openb: expected one folder after it");
    }
    if (load->nodes != NULL || load->pool != NULL || load->jobs != NULL ||
        request->maps.count > 0 || load->order != NULL || load->node_ranks != NULL ||
        request->report != NULL || request->has_queue || request->verify || request->has_arrivals ||
        request->terms_text != NULL || request->what_ifs.count > 0 || load->quotas != NULL ||
        request->checkpoint_every != NULL) {
        return gr_fail(err, -EINVAL,
                       "--bench openb: found an option of a single replay, expected only "
                       "--policy, --trace, --seed, --mix, --threads, --ceiling, --certificates, "
                       "--timing, -o");
    }
    if (request->certificates != NULL && request->ceiling == GR_CLI_REPLAY_NONE) {
        return gr_fail(err, -EINVAL,
                       "found --certificates with --ceiling none, expected a "
                       "ceiling to certify");
    }
    return 0;
}

// Terms, quotas and checkpoints: only the fair queue takes room back.
static int read_terms(struct gr_cli_replay_request *request, bool is_recording, struct gr_err *err)
{
    bool is_fair = is_recording || (request->has_queue && request->queue == GR_ORDER_FAIR);
    const char *found = request->terms_text != NULL         ? "--terms"
                        : request->load.quotas != NULL      ? "--quotas"
                        : request->checkpoint_every != NULL ? "--checkpoint-every"
                                                            : NULL;
    if (found != NULL && !is_fair) {
        return gr_fail(err, -EINVAL, "found %s, expected it with --queue fair only", found);
    }
    request->terms = gr_terms_default();
    if (request->checkpoint_every != NULL &&
        (gr_duration_read(gr_slice_of(request->checkpoint_every), &request->load.checkpoint_ms) <
             0 ||
         request->load.checkpoint_ms > GR_JOBS_TIME_MAX_MS)) {
        return gr_fail(err, -EINVAL,
                       "--checkpoint-every: found '%.40s', expected a duration such as 1h or 30m",
                       request->checkpoint_every);
    }
    return request->terms_text != NULL ? gr_terms_read(request->terms_text, &request->terms, err)
                                       : 0;
}

// That they belong to the form of the command.
static int check_form(const struct gr_cli_replay_request *request, size_t operands,
                      struct gr_err *err)
{
    const struct gr_load *load = &request->load;
    if (request->is_bench) {
        return check_bench_form(request, operands, err);
    }
    if (operands != 0) {
        return gr_fail(err, -EINVAL,
                       "found a word without an option that is no recording, expected it after "
                       "--jobs or --bench openb, or what granary export trace wrote");
    }
    if ((load->nodes != NULL) == (load->pool != NULL)) {
        return gr_fail(err, -EINVAL, "found %s, expected --nodes FILE or --pool SPEC",
                       load->nodes != NULL ? "both --nodes and --pool" : "no nodes");
    }
    if (load->jobs == NULL) {
        return gr_fail(err, -EINVAL, "found no jobs, expected --jobs FILE");
    }
    if (request->traces.count > 0 || request->seeds.count > 1) {
        return gr_fail(err, -EINVAL, "found %s, expected it with --bench only",
                       request->traces.count > 0 ? "--trace" : "more than one --seed");
    }
    if (request->certificates != NULL || request->ceiling == GR_CLI_REPLAY_PROTOCOL) {
        return gr_fail(err, -EINVAL, "found %s, expected it with --bench only",
                       request->certificates != NULL ? "--certificates" : "--ceiling protocol");
    }
    if (load->order == NULL && request->has_arrivals) {
        return gr_fail(err, -EINVAL, "found --arrivals, expected it with --order only");
    }
    return 0;
}

static int run_request(struct gr_cli_replay_request *request, size_t operands, char **argv,
                       struct gr_err *err)
{
    struct gr_cli_replay_policies policies = {0};
    uint64_t seeds[GR_OPTIONS_LIST_MAX] = {0};
    bool is_recording = !request->is_bench && operands == 1 && gr_recording_is(argv[1]);
    int code = is_recording ? 0 : check_form(request, operands, err);
    if (code == 0) {
        code = choose_policies(&request->policies, &policies, err);
    }
    if (code == 0) {
        code = read_seeds(&request->seeds, seeds, err);
    }
    if (code == 0) {
        code = read_terms(request, is_recording, err);
    }
    if (code == 0) {
        code = join_maps(request, err);
    }
    if (code < 0) {
        return code;
    }
    if (is_recording) {
        return gr_cli_replay_recording(request, argv[1], &policies, err);
    }
    if (request->is_bench) {
        return gr_cli_replay_bench(request, argv[1], &policies, seeds, err);
    }
    if (policies.count == 0) {
        policies.names[policies.count++] = gr_policies[0]->name;
    }
    request->load.seed = request->seeds.count > 0 ? seeds[0] : SEED_DEFAULT;
    request->load.arrivals = (uint32_t)request->arrivals;
    request->load.node_devices = (uint32_t)request->node_devices;
    return request->what_ifs.count > 0 ? gr_cli_replay_what_if(request, &policies, err)
                                       : gr_cli_replay_trace(request, &policies, err);
}

// Nodes and jobs.
static size_t add_workload(struct gr_cli_replay_request *request, struct gr_option *table,
                           size_t count)
{
    const struct gr_option part[] = {
        {.name = "nodes",
         .type = GR_OPTION_TEXT,
         .value = "FILE",
         .store = &request->load.nodes,
         .help = "CSV of nodes: openb's, or name, kind, devices, cpu_milli, memory_mib, site, "
                 "domain1 to domain4."},
        {.name = "pool",
         .type = GR_OPTION_TEXT,
         .value = "SPEC",
         .store = &request->load.pool,
         .help = "Nodes made up: NODESxDEVICESxKIND[:cpu=MILLI][:memory=MIB][:site=NAME]"
                 "[:domain=NODES], joined by ','. Default cpu and memory: 12 cpus and 128 GiB a "
                 "device."},
        {.name = "jobs",
         .type = GR_OPTION_TEXT,
         .value = "FILE",
         .store = &request->load.jobs,
         .help = "CSV of jobs: openb's, or any that --map describes."},
        {.name = "map",
         .type = GR_OPTION_LIST,
         .value = "MAP",
         .store = &request->maps,
         .help = "Names columns and gives defaults; may be given again; see below."},
        {.name = "node-devices",
         .type = GR_OPTION_INT,
         .value = "N",
         .low = 1,
         .high = GR_NODE_DEVICES_MAX,
         .store = &request->node_devices,
         .help = "Devices a task has at most when a wide job becomes a gang. Default: the widest "
                 "node's of its kind."},
    };
    return GR_CLI_OPTIONS_ADD(table, count, part);
}

// What is done with them, in which order.
static size_t add_ways(struct gr_cli_replay_request *request, struct gr_option *table, size_t count)
{
    const struct gr_option part[] = {
        {.name = "order",
         .type = GR_OPTION_TEXT,
         .value = "FILE",
         .store = &request->load.order,
         .help = "Recorded orders of arrival, one line a seed."},
        {.name = "node-ranks",
         .type = GR_OPTION_TEXT,
         .value = "FILE",
         .store = &request->load.node_ranks,
         .help = "Recorded ranks of the nodes, one line a seed; the lowest rank wins ties. "
                 "Default: the file's order."},
        {.name = "arrivals",
         .type = GR_OPTION_INT,
         .value = "N",
         .low = 1,
         .high = GR_TRACE_JOBS_MAX,
         .store = &request->arrivals,
         .given = &request->has_arrivals,
         .help = "Entries of the order that count. Default: what the runs.csv beside it says, else "
                 "all."},
        {.name = "seed",
         .type = GR_OPTION_LIST,
         .value = "N",
         .store = &request->seeds,
         .help = "Line of the recorded files, and of the random policy's draws. Default 42; with "
                 "--bench all, and may be given again."},
        {.name = "policy",
         .letter = 'p',
         .type = GR_OPTION_LIST,
         .value = "NAME",
         .store = &request->policies,
         .help =
             "Placement policy: granary, fgd, packing, clustering, dotprod, bestfit, firstfit or "
             "random; several side by side, joined by ',' or given again; or all. Default: "
             "granary; with --bench the published ones and granary."},
        {.name = "queue",
         .letter = 'q',
         .type = GR_OPTION_WORD,
         .value = "WORD",
         .words = queues,
         .store = &request->queue,
         .given = &request->has_queue,
         .help =
             "fifo (the default): the first job that does not fit blocks the rest; backfill: "
             "later ones may start if they do not delay it; fair: by priority, then by what each "
             "queue and user of the trace holds and held; backfill, too."},
        {.name = "quotas",
         .type = GR_OPTION_TEXT,
         .value = "FILE",
         .store = &request->load.quotas,
         .help = "CSV of quotas of the trace's queues: queue, kind, nominal, borrow, lend. With "
                 "--queue fair."},
        {.name = "terms",
         .type = GR_OPTION_TEXT,
         .value = "TERMS",
         .store = &request->terms_text,
         .help = "How the queue is run: half-life=, notice=, min-run=, lost-work-per-hour=, "
                 "reclaim=, joined by ','. With --queue fair. Default: those of a new pool."},
        {.name = "checkpoint-every",
         .type = GR_OPTION_TEXT,
         .value = "TIME",
         .store = &request->checkpoint_every,
         .help = "Jobs that state no checkpoint of their own have one each time they ran for so "
                 "long (1h): work whose room is taken back goes on from there. Default: none, it "
                 "starts over."},
        {.name = "what-if",
         .type = GR_OPTION_LIST,
         .value = "CHANGES",
         .store = &request->what_ifs,
         .help = "Replays the jobs a second time with these changes, and shows the difference: "
                 "'+1000 h20', '-200 h20', h20=5000 (devices), '+10 nodes like NAME', policy=NAME, "
                 "queue=WORD, quotas=FILE, terms such as notice=5m; joined by ',' or given again."},
        {.name = "mix",
         .type = GR_OPTION_WORD,
         .value = "WORD",
         .words = mixes,
         .store = &request->mix,
         .help = "The popularity of demands that policies may use: given (the default), counted "
                 "over the whole trace, or learned from the arrivals so far."},
        {.name = "verify",
         .type = GR_OPTION_FLAG,
         .store = &request->verify,
         .help = "Records all facts as bytes, applies them to a fresh core, compares the digests "
                 "and audits both."},
    };
    return GR_CLI_OPTIONS_ADD(table, count, part);
}

// What comes of it.
static size_t add_results(struct gr_cli_replay_request *request, struct gr_option *table,
                          size_t count)
{
    const struct gr_option part[] = {
        {.name = "report",
         .type = GR_OPTION_TEXT,
         .value = "FILE",
         .store = &request->report,
         .help = "Writes one self-contained HTML page with the curves."},
        {.name = "format",
         .letter = 'o',
         .type = GR_OPTION_WORD,
         .value = "FORMAT",
         .words = formats,
         .store = &request->format,
         .help = "table (the default), json or csv."},
        {.name = "timing",
         .type = GR_OPTION_FLAG,
         .store = &request->timing,
         .help = "Adds the time that each replay took."},
        {.name = "bench",
         .type = GR_OPTION_WORD,
         .value = "NAME",
         .words = benches,
         .store = &request->bench,
         .given = &request->is_bench,
         .help = "Runs a published benchmark: openb."},
        {.name = "trace",
         .type = GR_OPTION_LIST,
         .value = "NAME",
         .store = &request->traces,
         .help = "With --bench: only this trace; may be given again."},
        {.name = "threads",
         .type = GR_OPTION_INT,
         .value = "N",
         .low = 1,
         .high = 256,
         .store = &request->threads,
         .help = "With --bench. Default: one a processor."},
        {.name = "ceiling",
         .type = GR_OPTION_WORD,
         .value = "WORD",
         .words = ceilings,
         .store = &request->ceiling,
         .help = "The proven upper bound of --bench and --report: offline (the default), of any "
                 "packing; protocol, with --bench also that of policies that reject only what fits "
                 "nowhere; none."},
        {.name = "certificates",
         .type = GR_OPTION_TEXT,
         .value = "FOLDER",
         .store = &request->certificates,
         .help = "With --bench: a certificate of each run's ceiling, for ceiling_check."},
    };
    return GR_CLI_OPTIONS_ADD(table, count, part);
}

static int run(int argc, char **argv)
{
    struct gr_cli_replay_request request = {0};
    struct gr_option options[GR_OPTIONS_MAX + 1] = {{0}};
    size_t count = add_workload(&request, options, 0);
    count = add_ways(&request, options, count);
    (void)add_results(&request, options, count);
    const struct gr_options table = {
        .usage = "replay --nodes FILE --jobs FILE [OPTIONS]\n"
                 "replay RECORDING [OPTIONS]\n"
                 "replay --bench openb DIR [OPTIONS]",
        .about = about,
        .options = options,
        .details = details,
        .operands_max = 1,
        .operands = "a recording, or the folder of the benchmark",
    };
    size_t operands = 0;
    int exit_code = GR_EXIT_OK;
    if (!gr_cli_start(&table, argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    struct gr_err err;
    gr_err_init(&err);
    int code = run_request(&request, operands, argv, &err);
    free(request.map);
    return code < 0 ? gr_cli_fail("replay", &err) : gr_cli_finish("replay");
}

const struct gr_command gr_cli_replay = {
    .name = "replay",
    .summary = "run a recorded workload through the core",
    .run = run,
};
