// `granary serve`: options of the daemon, and ending one. See serve.h and docs/operate.
#include "cli/serve.h"

#include "cli/cli.h"
#include "cli/start.h"
#include "daemon/serve.h"
#include "place/policy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

// How long `--end` waits for the daemon, in seconds.
#define END_SECONDS 120

// What the options say.
struct serve_options {
    const char *state, *socket, *listen, *pretend, *policy, *checks;
    struct gr_options_list hosts;
    size_t queue;
    bool in_background, ends, shows_routes, is_quiet, has_no_engine, believes_clock, stops_jobs,
        is_dry;
    int64_t jobs, nodes, org_jobs, snapshot_every, idle_s, idle_stop_s, grace_s, journal_mib,
        pieces, orgs;
    int64_t drained_percent;
};

static const char *const queues[] = {"fair", "backfill", "fifo", NULL};

static const char about[] =
    "Serves the pool of this machine: finds its accelerators, takes jobs, places and runs them. "
    "Needs no configuration; all state is in one directory, and a daemon that is started there "
    "again goes on where the last one stopped, however that ended. Running jobs outlive it.\n\n"
    "As root it runs jobs of every user, each as that user; else only those of its own.";

static const char details[] =
    "It ends on SIGTERM or `granary serve --end`; jobs go on unless `--end --stop-jobs` says "
    "otherwise.\n"
    "\n"
    "examples:\n"
    "  granary serve                              the pool of this machine, in the foreground\n"
    "  granary serve --background --state ~/pool  a pool of one's own\n"
    "  granary serve --pretend 8xh20,4xh200       devices that exist only by name, for trying\n"
    "  granary serve --end --state ~/pool         end it; jobs go on\n";

static int fail(const struct gr_err *err)
{
    return gr_cli_fail("serve", err);
}

// Whether jobs may go on in a state directory that no daemon serves: the engine's launcher holds
// its lock, and attempts are written down of which no daemon has heard the end.
static bool jobs_may_go_on(const char *state)
{
    char path[GR_STATE_PATH_SIZE];
    if (gr_state_path(state, "engine/launcher.lock", path, NULL) != 0) {
        return false;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool is_held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0) {
        close(fd);
    }
    if (!is_held || gr_state_path(state, "engine/live", path, NULL) != 0) {
        return false;
    }
    DIR *live = opendir(path);
    const struct dirent *entry;
    bool is_any = false;
    while (live != NULL && (entry = readdir(live)) != NULL) {
        is_any |= entry->d_name[0] != '.';
    }
    if (live != NULL) {
        closedir(live);
    }
    return is_any;
}

// Asks the daemon of a state directory to end, and waits until it did.
static int end_daemon(const struct serve_options *options)
{
    struct gr_err err;
    char path[GR_STATE_PATH_SIZE];
    int rc = 0;
    if (options->state == NULL) {
        rc = gr_state_default(path, &err);
    } else {
        snprintf(path, sizeof path, "%s", options->state);
    }
    if (rc != 0) {
        return fail(&err);
    }
    pid_t pid = gr_state_dir_owner(path);
    if (pid <= 0 && options->stops_jobs && jobs_may_go_on(path)) {
        fprintf(stderr,
                "granary serve: no daemon serves %s, so none stops its jobs, and some may go on\n"
                "  next: serve it again (granary serve --background --state %s), then end it so\n",
                path, path);
        return GR_EXIT_FAILED;
    }
    if (pid <= 0) {
        printf("no pool is served from %s\n", path);
        return gr_cli_finish("serve");
    }
    if (options->is_dry) {
        printf("would end process %ld, which serves the pool of %s; its jobs would %s\n", (long)pid,
               path, options->stops_jobs ? "be stopped" : "go on");
        return gr_cli_finish("serve");
    }
    // SIGUSR1 asks for the jobs to be stopped first.
    if (kill(pid, options->stops_jobs ? SIGUSR1 : SIGTERM) != 0) {
        (void)gr_fail_errno(&err, "signal process %ld", (long)pid);
        return fail(&err);
    }
    const struct timespec pause = {.tv_nsec = 20000000};
    for (int i = 0; i < END_SECONDS * 50; i++) {
        if (gr_state_dir_owner(path) != pid) {
            printf("the pool of %s is served no more%s\n", path,
                   options->stops_jobs ? "; its jobs were stopped" : "; its jobs go on");
            return gr_cli_finish("serve");
        }
        nanosleep(&pause, NULL);
    }
    (void)gr_fail(&err, -ETIMEDOUT, "process %ld has not ended after %d s; look into %s/log",
                  (long)pid, END_SECONDS, path);
    return fail(&err);
}

static void configure(const struct serve_options *options, const char **hosts,
                      struct gr_serve_config *config)
{
    struct gr_pool_config *pool = &config->pool;
    config->state_dir = options->state;
    config->socket = options->socket == NULL                ? NULL
                     : strcmp(options->socket, "none") == 0 ? ""
                                                            : options->socket;
    config->listen = strcmp(options->listen, "none") == 0 ? "" : options->listen;
    config->in_background = options->in_background;
    config->is_quiet = options->is_quiet;
    for (size_t i = 0; i < options->hosts.count; i++) {
        hosts[i] = options->hosts.values[i];
    }
    config->hosts = options->hosts.count == 0 ? NULL : hosts;
    pool->pretend = options->pretend;
    pool->checks = options->checks;
    pool->believes_clock = options->believes_clock;
    pool->has_engine = !options->has_no_engine;
    pool->core.policy = options->policy;
    pool->core.order = options->queue == 0   ? GR_ORDER_FAIR
                       : options->queue == 1 ? GR_ORDER_BACKFILL
                                             : GR_ORDER_FIFO;
    pool->core.limits.jobs = (uint32_t)options->jobs;
    pool->core.limits.pieces = (uint32_t)options->pieces;
    pool->core.limits.place.nodes = (uint32_t)options->nodes;
    pool->core.limits.orgs = (uint32_t)options->orgs;
    pool->org_jobs_most = (uint32_t)options->org_jobs;
    pool->snapshot_every = (uint64_t)options->snapshot_every;
    pool->journal_limit_bytes = (uint64_t)options->journal_mib << 20;
    pool->drain_percent = (uint32_t)options->drained_percent;
    pool->grace_most_ms = options->grace_s * 1000;
    pool->idle_ms = options->idle_s * 1000;
    pool->idle_stop_ms = options->idle_stop_s * 1000;
}

// Where it is, how it begins and ends, and who reaches it.
static size_t add_ways(struct serve_options *options, struct gr_option *table, size_t count)
{
    const struct gr_option part[] = {
        {.name = "state",
         .type = GR_OPTION_TEXT,
         .value = "DIR",
         .store = &options->state,
         .help = "Directory of the pool. Root: /var/lib/granary; else ~/.local/state/granary."},
        {.name = "background",
         .type = GR_OPTION_FLAG,
         .store = &options->in_background,
         .help = "Return as soon as the pool serves; messages go to DIR/log."},
        {.name = "end",
         .type = GR_OPTION_FLAG,
         .store = &options->ends,
         .help = "End the daemon of DIR, and wait until it has."},
        {.name = "stop-jobs",
         .type = GR_OPTION_FLAG,
         .store = &options->stops_jobs,
         .help = "With --end: stop all jobs first."},
        {.name = "dry-run",
         .type = GR_OPTION_FLAG,
         .store = &options->is_dry,
         .help = "With --end: say what would happen, and do nothing."},
        {.name = "pretend",
         .type = GR_OPTION_TEXT,
         .value = "LIST",
         .store = &options->pretend,
         .help = "Devices that exist only by name, such as 8xh20,4xh200. Shown as pretend."},
        {.name = "socket",
         .type = GR_OPTION_TEXT,
         .value = "PATH",
         .store = &options->socket,
         .help = "Unix socket; none: no socket. The default is DIR/granary.sock; for "
                 "/var/lib/granary it is /run/granary/granary.sock."},
        {.name = "listen",
         .type = GR_OPTION_TEXT,
         .value = "HOST:PORT",
         .store = &options->listen,
         .help = "Address for HTTP; none: no TCP. The default is 127.0.0.1:7070."},
        {.name = "host",
         .type = GR_OPTION_LIST,
         .value = "NAME",
         .store = &options->hosts,
         .help = "A further name by which clients may call this server (header Host)."},
    };
    return GR_CLI_OPTIONS_ADD(table, count, part);
}

// What it decides by.
static size_t add_rules(struct serve_options *options, struct gr_option *table, size_t count)
{
    const struct gr_option part[] = {
        {.name = "policy",
         .type = GR_OPTION_TEXT,
         .value = "NAME",
         .store = &options->policy,
         .help = "Placement policy; `granary replay --help` lists them. The default is granary."},
        {.name = "queue",
         .type = GR_OPTION_WORD,
         .value = "ORDER",
         .words = queues,
         .store = &options->queue,
         .help = "fair (the default: quotas, priorities, shares), backfill or fifo."},
        {.name = "checks",
         .type = GR_OPTION_TEXT,
         .value = "DIR",
         .store = &options->checks,
         .help = "Node checks: scripts in start.d, before.d, after.d and return.d."},
        {.name = "max-drained",
         .type = GR_OPTION_INT,
         .value = "PERCENT",
         .low = 0,
         .high = 100,
         .store = &options->drained_percent,
         .help = "Nodes that checks and health alone may take out of use, of all; 0: none, else at "
                 "least one. The default is 20."},
        {.name = "idle",
         .type = GR_OPTION_INT,
         .value = "SECONDS",
         .low = 0,
         .high = 31536000,
         .store = &options->idle_s,
         .help = "Show a job as held-idle after so long without cpu use. The default is 600; 0: "
                 "never."},
        {.name = "idle-stop",
         .type = GR_OPTION_INT,
         .value = "SECONDS",
         .low = 0,
         .high = 31536000,
         .store = &options->idle_stop_s,
         .help = "Stop a job that is held-idle for so long. The default is 0: never."},
        {.name = "max-grace",
         .type = GR_OPTION_INT,
         .value = "SECONDS",
         .low = 0,
         .high = 315360000,
         .store = &options->grace_s,
         .help = "Longest time from the signal to KILL where the pool stops a job by itself (time "
                 "limit, drain, held-idle), whatever the job asks for. The default is 600; 0: no "
                 "bound."},
    };
    return GR_CLI_OPTIONS_ADD(table, count, part);
}

// How much it takes.
static size_t add_limits(struct serve_options *options, struct gr_option *table, size_t count)
{
    const struct gr_option part[] = {
        {.name = "max-jobs",
         .type = GR_OPTION_INT,
         .value = "N",
         .low = 1,
         .high = 16777216,
         .store = &options->jobs,
         .help = "Jobs that may be held, wait or run. The default is 1048576."},
        {.name = "max-organisation-jobs",
         .type = GR_OPTION_INT,
         .value = "N",
         .low = 1,
         .high = 16777216,
         .store = &options->org_jobs,
         .help = "The same of one organisation. The default is 1048576."},
        {.name = "max-pieces",
         .type = GR_OPTION_INT,
         .value = "N",
         .low = 1,
         .high = 16777216,
         .store = &options->pieces,
         .help = "Tasks of running gangs in all. The default is 1048576."},
        {.name = "max-nodes",
         .type = GR_OPTION_INT,
         .value = "N",
         .low = 1,
         .high = 262144,
         .store = &options->nodes,
         .help = "Nodes. The default is 4096."},
        {.name = "max-organisations",
         .type = GR_OPTION_INT,
         .value = "N",
         .low = 1,
         .high = 65536,
         .store = &options->orgs,
         .help = "Organisations. The default is 4096."},
        {.name = "max-journal",
         .type = GR_OPTION_INT,
         .value = "MIB",
         .low = 0,
         .high = INT64_C(1) << 30,
         .store = &options->journal_mib,
         .help = "Size of the journal above which requests that write are refused. The default "
                 "is 0: as large as the disk."},
        {.name = "snapshot-every",
         .type = GR_OPTION_INT,
         .value = "FACTS",
         .low = 0,
         .high = INT64_C(1) << 40,
         .store = &options->snapshot_every,
         .help = "Make a snapshot after so many facts. The default is 500000; 0: never."},
    };
    return GR_CLI_OPTIONS_ADD(table, count, part);
}

// The rest.
static size_t add_others(struct serve_options *options, struct gr_option *table, size_t count)
{
    const struct gr_option part[] = {
        {.name = "no-engine",
         .type = GR_OPTION_FLAG,
         .store = &options->has_no_engine,
         .help = "Start nothing on this machine: for looking at a restored copy."},
        {.name = "believe-clock",
         .type = GR_OPTION_FLAG,
         .store = &options->believes_clock,
         .help = "This machine's clock is right, though the last fact is more than 30 days old."},
        {.name = "routes",
         .type = GR_OPTION_FLAG,
         .store = &options->shows_routes,
         .help = "Write the routes of the API, one a line, and end."},
        {.name = "quiet",
         .letter = 'q',
         .type = GR_OPTION_FLAG,
         .store = &options->is_quiet,
         .help = "Say nothing but errors."},
    };
    return GR_CLI_OPTIONS_ADD(table, count, part);
}

static int run(int argc, char **argv)
{
    struct gr_serve_config config = gr_serve_default();
    const struct gr_core_limits *limits = &config.pool.core.limits;
    struct serve_options options = {.listen = config.listen,
                                    .policy = config.pool.core.policy,
                                    .jobs = limits->jobs,
                                    .pieces = limits->pieces,
                                    .nodes = limits->place.nodes,
                                    .orgs = limits->orgs,
                                    .org_jobs = config.pool.org_jobs_most,
                                    .snapshot_every = (int64_t)config.pool.snapshot_every,
                                    .drained_percent = config.pool.drain_percent,
                                    .grace_s = config.pool.grace_most_ms / 1000,
                                    .idle_s = config.pool.idle_ms / 1000};
    struct gr_option table[GR_OPTIONS_MAX + 1] = {{0}};
    size_t count = add_ways(&options, table, 0);
    count = add_rules(&options, table, count);
    count = add_limits(&options, table, count);
    (void)add_others(&options, table, count);
    const struct gr_options command = {
        .usage = "serve [OPTIONS]", .about = about, .options = table, .details = details};
    size_t operands;
    int code;
    if (!gr_cli_start(&command, argc, argv, &operands, &code)) {
        return code;
    }
    if (options.shows_routes) {
        gr_serve_routes();
        return gr_cli_finish("serve");
    }
    if (options.ends) {
        return end_daemon(&options);
    }
    if (options.is_dry || options.stops_jobs) {
        fprintf(stderr, "granary serve: --dry-run and --stop-jobs go with --end\n");
        return GR_EXIT_USAGE;
    }
    const char *hosts[GR_OPTIONS_LIST_MAX + 1] = {NULL};
    configure(&options, hosts, &config);
    struct gr_err err;
    gr_err_init(&err);
    return gr_serve(&config, &err) == 0 ? GR_EXIT_OK : fail(&err);
}

const struct gr_command gr_cli_serve = {
    .name = "serve", .summary = "serve the pool of this machine", .run = run};
