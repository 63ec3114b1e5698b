// `granary serve`: see serve.h. One loop over HTTP, journal, engine, signals and devices.
#include "daemon/serve.h"

#include "base/clock.h"
#include "daemon/daemon.h"
#include "daemon/limits.h"
#include "daemon/pace.h"
#include "daemon/sockets.h"
#include "daemon/tryout.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// How often followed logs are looked at, in milliseconds.
#define LOG_MS 50
// How long the daemon waits at its end for jobs that were asked to stop, beyond their grace.
#define END_SECONDS 90

struct serve {
    const struct gr_serve_config *config;
    struct gr_state_dir dir;
    struct gr_daemon daemon;
    struct gr_arena arena;
    struct gr_sockets sockets;
    struct gr_pace pace;
    int signal_fd;
    struct gr_tryout tryout; // of the engine
    pid_t snapshot_pid;      // the child that makes one; 0: none
    uint64_t snapshot_of;
    int64_t ending_ms;      // monotonic, when the end began; 0: it did not
    bool was_clock_doubted; // as was said last
    bool has_launched;      // the launcher is of this start's making, and nothing was served yet
    bool is_refused;        // the start has come to nothing so far
    bool is_idle;           // at the end: nothing runs that would need the launcher
};

struct gr_serve_config gr_serve_default(void)
{
    return (struct gr_serve_config){.listen = "127.0.0.1:7070",
                                    .pool = {.core = gr_limits_default(),
                                             .snapshot_every = 500000,
                                             .history_days = 90,
                                             .ended_most = 1u << 16,
                                             .spec_bytes_most = (size_t)128 << 20,
                                             .waiting_bytes_most = (size_t)64 << 20,
                                             .org_jobs_most = 1u << 20,
                                             .grace_most_ms = 600000,
                                             .idle_ms = 600000,
                                             .drain_percent = 20,
                                             .has_engine = true}};
}

void gr_serve_routes(void)
{
    for (const struct gr_http_route *route = gr_daemon_routes; route->method != NULL; route++) {
        printf("%s %s\n", route->method, route->path);
    }
}

// --- snapshots: by a child, so that nothing here waits

static void snapshot_begin(struct serve *serve)
{
    struct gr_pool *pool = serve->daemon.pool;
    uint64_t every = serve->config->pool.snapshot_every;
    // Not beyond what the history holds: a start tells it again what comes after the snapshot.
    uint64_t upto = gr_history_upto(pool->history);
    if (every == 0 || serve->snapshot_pid != 0 || upto < pool->snapshot_at + every) {
        return;
    }
    char program[] = "/proc/self/exe";
    char name[] = "granary";
    char command[] = "journal";
    char verb[] = "snapshot";
    char option[] = "--state";
    char to[] = "--to";
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)upto);
    char *argv[] = {name, command, verb, option, serve->dir.path, to, number, NULL};
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t none;
    sigemptyset(&none);
    if (posix_spawnattr_init(&attributes) != 0) {
        return;
    }
    if (posix_spawn_file_actions_init(&actions) != 0) {
        posix_spawnattr_destroy(&attributes);
        return;
    }
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t pid;
    // The daemon's log stays empty while all is well: only what fails is said, on standard error.
    if (posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
        posix_spawn(&pid, program, &actions, &attributes, argv, environ) == 0) {
        serve->snapshot_pid = pid;
        serve->snapshot_of = upto;
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
}

static void reap(struct serve *serve)
{
    // Only this child: others of this process are waited for by whoever made them.
    if (serve->snapshot_pid != 0 && waitpid(serve->snapshot_pid, NULL, WNOHANG) > 0) {
        serve->snapshot_pid = 0;
        // One that failed is tried again only after as many facts more: it said why itself.
        serve->daemon.pool->snapshot_at = serve->snapshot_of;
    }
}

// --- the journal as a whole: verified by a child, once we serve

static void verifier_hear(struct serve *serve)
{
    struct gr_verifier *verifier = serve->daemon.verifier;
    if (verifier == NULL || !gr_verifier_hear(verifier)) {
        return;
    }
    const struct gr_verified *verified = gr_verifier_get(verifier);
    if (verified->state == GR_VERIFIED_DAMAGED) {
        fprintf(stderr, "granary serve: DAMAGE: %s\n", verified->text);
    } else if (verified->state == GR_VERIFIED_FAILED) {
        fprintf(stderr, "granary serve: the journal could not be verified: %s\n", verified->text);
    }
    fflush(stderr);
}

// --- ending

static void stop_all_jobs(struct gr_pool *pool)
{
    uint32_t cursor = 0;
    const struct gr_job *job;
    while ((job = gr_core_job_next(pool->core, &cursor)) != NULL) {
        if (job->stop_why == GR_STOP_NOT) {
            (void)gr_pool_stop(pool, job->id, GR_STOP_BY_USER, 0, -1);
        }
    }
}

// Whether the loop may end now.
static bool may_end(struct serve *serve)
{
    struct gr_daemon *daemon = &serve->daemon;
    struct gr_pool *pool = daemon->pool;
    if (!daemon->is_ending) {
        return false;
    }
    if (serve->ending_ms == 0) {
        serve->ending_ms = gr_clock_ms();
    }
    if (!daemon->stops_jobs) {
        // A moment for replies that are on their way.
        return gr_http_waiting(daemon->http) == 0 || gr_clock_ms() - serve->ending_ms > 1000;
    }
    uint32_t live =
        gr_core_held(pool->core) + gr_core_waiting(pool->core) + gr_core_running(pool->core);
    if (live > 0) {
        stop_all_jobs(pool);
    }
    return live == 0 || gr_clock_ms() - serve->ending_ms > END_SECONDS * 1000;
}

static void take_signals(struct serve *serve)
{
    struct signalfd_siginfo info;
    while (read(serve->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            reap(serve);
        } else if (info.ssi_signo == SIGUSR1) {
            serve->daemon.is_ending = serve->daemon.stops_jobs = true;
        } else if (serve->daemon.is_ending) {
            serve->daemon.stops_jobs = false; // asked twice: at once
        } else {
            serve->daemon.is_ending = true;
        }
    }
}

// --- the loop

// To the log, when this machine's clock begins or ceases to be believed.
static void say_clock(struct serve *serve)
{
    const struct gr_pool *pool = serve->daemon.pool;
    if (pool->clock.is_doubted == serve->was_clock_doubted) {
        return;
    }
    serve->was_clock_doubted = pool->clock.is_doubted;
    fprintf(
        stderr,
        serve->was_clock_doubted
            ? "granary serve: this machine's clock is more than an hour from the pool's time and "
              "not believed; set it right, or start again with --believe-clock\n"
            : "granary serve: this machine's clock is believed again\n");
}

static int run(struct serve *serve, struct gr_err *err)
{
    struct gr_daemon *daemon = &serve->daemon;
    int wait_ms = 0;
    while (!may_end(serve)) {
        struct epoll_event events[16];
        int count = gr_pace_wait(&serve->pace, daemon, wait_ms, events, 16);
        if (count < 0 && errno != EINTR) {
            return gr_fail_errno(err, "wait for something to do");
        }
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == serve->signal_fd) {
                take_signals(serve);
            } else if (serve->tryout.fd >= 0 && events[i].data.fd == serve->tryout.fd) {
                gr_tryout_take(&serve->tryout, daemon);
            } else if (daemon->verifier != NULL &&
                       events[i].data.fd == gr_verifier_fd(daemon->verifier)) {
                verifier_hear(serve);
            }
        }
        int http_ms = gr_http_run(daemon->http);
        gr_pace_look(&serve->pace, daemon);
        int rc = gr_pool_run(daemon->pool, &wait_ms, err);
        if (rc != 0) {
            return rc;
        }
        say_clock(serve);
        gr_route_submit_resume(daemon);
        gr_events_wake(daemon->events);
        wait_ms = http_ms >= 0 && http_ms < wait_ms ? http_ms : wait_ms;
        wait_ms = gr_http_is_due(daemon->http) ? 0 : wait_ms;
        if (gr_logs_wake(daemon) && wait_ms > LOG_MS) {
            wait_ms = LOG_MS;
        }
        snapshot_begin(serve);
    }
    return 0;
}

// --- beginning

static void durable(void *context, const struct gr_journal_group *group)
{
    gr_events_add(context, group);
}

static int open_http(struct serve *serve, struct gr_err *err)
{
    const struct gr_serve_config *config = serve->config;
    struct gr_daemon *daemon = &serve->daemon;
    struct gr_http_config http = {
        .unix_path = serve->sockets.path[0] == '\0' ? NULL : serve->sockets.path,
        .door_path = serve->sockets.door_path[0] == '\0' ? NULL : serve->sockets.door_path,
        .address = config->listen[0] == '\0' ? NULL : config->listen,
        .routes = gr_daemon_routes,
        .context = daemon,
        .admit = gr_daemon_admit,
        .hosts = config->hosts};
    int rc = gr_identities_open(serve->dir.path, &daemon->identities, err);
    return rc != 0 ? rc : gr_http_open(&http, &daemon->http, err);
}

static void tell(const struct serve *serve)
{
    const struct gr_pool *pool = serve->daemon.pool;
    if (serve->config->is_quiet) {
        return;
    }
    uint32_t nodes = gr_place_node_count(gr_core_place(pool->core));
    size_t devices = pool->devices.count;
    printf("granary %s serves a pool of %u node%s and %zu device%s\n", GR_VERSION, nodes,
           nodes == 1 ? "" : "s", devices, devices == 1 ? "" : "s");
    printf("  state     %s\n", serve->dir.path);
    if (serve->sockets.path[0] != '\0') {
        printf("  socket    %s\n", serve->sockets.path);
    }
    if (gr_http_port(serve->daemon.http) != 0) {
        const char *colon = strrchr(serve->config->listen, ':');
        printf("  http      http://%.*s:%u  (token in %s/operator.token)\n",
               (int)(colon - serve->config->listen), serve->config->listen,
               gr_http_port(serve->daemon.http), serve->dir.path);
    }
    fflush(stdout);
}

static int open_all(struct serve *serve, struct gr_err *err)
{
    struct gr_daemon *daemon = &serve->daemon;
    struct gr_pace *pace = &serve->pace;
    const struct gr_serve_config *config = serve->config;
    struct gr_pool_config pool = config->pool;
    int rc = gr_limits_write(serve->dir.path, &config->pool.core, err);
    rc = rc != 0 ? rc
                 : gr_sockets_find(serve->dir.path, config->socket, pool.has_engine,
                                   &serve->sockets, err);
    pool.server = serve->sockets.server;
    pool.door = serve->sockets.door;
    rc = rc != 0 ? rc : gr_pool_open(&pool, &serve->dir, NULL, NULL, &daemon->pool, err);
    rc = rc != 0 ? rc : gr_events_open(daemon, (size_t)16 << 20, &daemon->events, err);
    if (rc != 0) {
        return rc;
    }
    daemon->pool->on_durable = durable;
    daemon->pool->on_durable_context = daemon->events;
    gr_arena_init(&serve->arena, 4 * GR_SPEC_BYTES_MAX);
    daemon->arena = &serve->arena;
    rc = open_http(serve, err);
    rc = rc != 0 ? rc : gr_pace_open(&serve->pace, err);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGUSR1);
    serve->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (rc == 0 && serve->signal_fd < 0) {
        rc = gr_fail_errno(err, "make a descriptor for signals");
    }
    if (rc == 0 && daemon->pool->care != NULL) {
        rc = gr_pace_watch(pace, gr_care_fd(daemon->pool->care), false, err);
    }
    rc = rc != 0 ? rc : gr_pace_watch(pace, serve->signal_fd, false, err);
    if (rc == 0 && serve->tryout.fd >= 0) {
        rc = gr_pace_watch(pace, serve->tryout.fd, false, err);
    }
    if (rc == 0 && daemon->verifier != NULL) {
        rc = gr_pace_watch(pace, gr_verifier_fd(daemon->verifier), false, err);
    }
    rc = rc != 0 ? rc : gr_pace_watch(pace, gr_http_fd(daemon->http), true, err);
    rc = rc != 0 ? rc : gr_pace_watch(pace, gr_journal_fd(daemon->pool->journal), false, err);
    if (rc == 0 && daemon->pool->engine != NULL) {
        rc = gr_pace_watch(pace, daemon->pool->engine->ops->fd(daemon->pool->engine), false, err);
    }
    return rc;
}

// Ends the launcher if it was asked to go, if nothing runs, or if this start made it and came to
// nothing. Jobs go on.
static void stop_launcher(const struct serve *serve)
{
    char path[GR_STATE_PATH_SIZE];
    if ((serve->daemon.stops_jobs || serve->has_launched || serve->is_idle) &&
        gr_state_path(serve->dir.path, "engine", path, NULL) == 0) {
        (void)gr_local_launcher_stop(path, NULL);
    }
}

static void close_all(struct serve *serve)
{
    struct gr_daemon *daemon = &serve->daemon;
    struct gr_pool *pool = daemon->pool;
    // Replies and streams hear of the last group while they are there, and of nothing afterwards.
    if (pool != NULL) {
        gr_pool_estimates_save(pool);
    }
    if (pool != NULL && pool->commit != NULL && gr_commit_flush(pool->commit, NULL) == 0 &&
        daemon->http != NULL) {
        (void)gr_http_run(daemon->http);
    }
    gr_http_close(daemon->http); // ends streams and requests: their data goes first
    gr_shares_done(&daemon->shares);
    gr_events_close(daemon->events);
    gr_identities_close(daemon->identities);
    gr_verifier_close(daemon->verifier);
    serve->is_idle = pool != NULL && pool->core != NULL && gr_core_running(pool->core) == 0;
    gr_pool_free(pool);
    gr_arena_done(&serve->arena);
    free(daemon->paused);
    if (serve->snapshot_pid != 0) {
        kill(serve->snapshot_pid, SIGTERM);
        (void)waitpid(serve->snapshot_pid, NULL, 0);
    }
    // A start that came to nothing leaves no directory that it made.
    bool removes = serve->is_refused && serve->dir.lock_fd >= 0 && serve->dir.is_made;
    removes = removes && gr_tryout_wait(&serve->tryout);
    gr_tryout_close(&serve->tryout);
    gr_pace_close(&serve->pace);
    if (serve->signal_fd >= 0) {
        close(serve->signal_fd);
    }
    stop_launcher(serve); // while nobody else may start on this state
    if (removes) {
        gr_state_dir_remove(&serve->dir);
    }
    gr_state_dir_close(&serve->dir);
}

// The engine's launcher must be forked while this process is small and has one thread.
static int launch(struct serve *serve, struct gr_err *err)
{
    char path[GR_STATE_PATH_SIZE];
    if (!serve->config->pool.has_engine) {
        return 0;
    }
    int rc = gr_state_path(serve->dir.path, "engine", path, err);
    struct gr_local_config config = {.dir = path, .checks = serve->config->pool.checks};
    bool was_there = rc == 0 && gr_local_launcher_answers(path);
    rc = rc != 0 ? rc : gr_local_launch(&config, err);
    serve->has_launched = rc == 0 && !was_there;
    return rc;
}

static void block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

// In the background what is still to be said goes to STATE/log.
static int log_to_file(const struct serve *serve, struct gr_err *err)
{
    char path[GR_STATE_PATH_SIZE];
    int rc = gr_state_path(serve->dir.path, "log", path, err);
    if (rc != 0) {
        return rc;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return gr_fail_errno(err, "open %s", path);
    }
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    return 0;
}

// A directory of node checks that is not there would mean that none run.
static int find_checks(const struct gr_serve_config *config, struct gr_err *err)
{
    struct stat found;
    const char *dir = config->pool.checks;
    if (dir == NULL) {
        return 0;
    }
    if (stat(dir, &found) != 0) {
        return gr_fail_errno(err, "--checks %s", dir);
    }
    return S_ISDIR(found.st_mode) ? 0 : gr_fail(err, -ENOTDIR, "--checks %s is no directory", dir);
}

// Everything in this process. `ready_fd` hears when the pool serves; -1: nobody waits.
static int serve_here(const struct gr_serve_config *config, int ready_fd, struct gr_err *err)
{
    struct serve *serve = calloc(1, sizeof *serve);
    char path[GR_STATE_PATH_SIZE];
    if (serve == NULL) {
        return gr_fail(err, -ENOMEM, "no memory");
    }
    serve->config = config;
    serve->pace.all_fd = serve->pace.others_fd = -1;
    serve->signal_fd = serve->tryout.fd = serve->dir.lock_fd = -1;
    int rc = config->state_dir == NULL ? gr_state_default(path, err) : 0;
    rc = rc != 0 ? rc
                 : gr_state_dir_open(config->state_dir == NULL ? path : config->state_dir,
                                     &serve->dir, err);
    serve->is_refused = true; // until all is well
    rc = rc != 0 ? rc : find_checks(config, err);
    rc = rc != 0 ? rc : launch(serve, err);
    if (rc == 0) {
        if (config->pool.has_engine) {
            gr_tryout_begin(&serve->tryout, &serve->daemon, serve->dir.path, config->pool.checks);
        }
        // Without it the daemon serves, and says that nothing was verified.
        (void)gr_verifier_open(serve->dir.path, &serve->daemon.verifier, NULL);
        block_signals();
        rc = open_all(serve, err);
    }
    if (rc == 0) {
        tell(serve);
        rc = config->in_background ? log_to_file(serve, err) : 0;
    }
    if (rc == 0) {
        serve->has_launched = serve->is_refused = false; // it stays from now on
        if (ready_fd >= 0) {
            ssize_t written = write(ready_fd, "1", 1);
            (void)written;
            close(ready_fd);
        }
        if (serve->daemon.verifier != NULL) {
            gr_verifier_begin(serve->daemon.verifier);
        }
        rc = run(serve, err);
        if (rc != 0) {
            // Nobody knows what the disk holds: nothing may be written any more, not even in
            // parting.
            fprintf(stderr, "granary serve: %s\n", err->text);
            fflush(stderr);
            _exit(1);
        }
    }
    close_all(serve);
    free(serve);
    return rc;
}

// In the child: lets go of the terminal, but not of the log.
static int detach(struct gr_err *err)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (setsid() < 0 || null < 0) {
        return gr_fail_errno(err, "let go of the terminal");
    }
    dup2(null, STDIN_FILENO);
    close(null);
    return 0;
}

static int serve_in_background(const struct gr_serve_config *config, struct gr_err *err)
{
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) {
        return gr_fail_errno(err, "make a pipe");
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        return gr_fail_errno(err, "fork");
    }
    if (pid == 0) {
        close(ready[0]);
        int rc = detach(err);
        rc = rc != 0 ? rc : serve_here(config, ready[1], err);
        if (rc != 0) {
            fprintf(stderr, "granary serve: %s\n", err->text);
        }
        exit(rc == 0 ? 0 : 1);
    }
    close(ready[1]);
    char byte;
    ssize_t got = read(ready[0], &byte, 1);
    close(ready[0]);
    if (got == 1) {
        return 0;
    }
    (void)waitpid(pid, NULL, 0);
    return gr_fail(err, -ECHILD, "the daemon could not start: it said why above");
}

int gr_serve(const struct gr_serve_config *config, struct gr_err *err)
{
    assert(config != NULL);
    // Whatever the umask of who starts it: users come to the socket, and change nothing.
    (void)umask(022);
    return config->in_background ? serve_in_background(config, err) : serve_here(config, -1, err);
}
