// Starting processes: the local engine alone (orders straight to it, no daemon, no journal) against
// a bare loop of posix_spawn and wait in the same run, and how soon a job's first instruction runs.
#include "bench.h"

#include "engine/local.h"
#include "model/spec_bytes.h"

#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// Jobs of one run, in turns with the bare loop; how many are on their way at a time.
#define JOBS 400
#define TURNS 4
#define WINDOW 8
// Starts of which the latency is taken, one after the other.
#define STARTS 100

extern char **environ;

// What all runs share.
struct context {
    char dir[64];
    struct gr_engine *engine;
    uint64_t next_job;
    uint64_t ended; // well, of all
    uint8_t spec[4096], spec_first[4096];
    size_t spec_size, spec_first_size;
};

static size_t spec_make(const char *program, uint8_t *bytes, size_t size)
{
    const char *argv[] = {program};
    struct gr_spec spec = gr_spec_default();
    spec.argv = (struct gr_spec_texts){argv, 1};
    spec.uid = geteuid();
    spec.gid = getegid();
    long length = gr_spec_encode(&spec, bytes, size);
    return length < 0 ? 0 : (size_t)length;
}

static int begin(void *opaque, struct gr_err *err)
{
    struct context *context = opaque;
    struct gr_local_config config = {.dir = context->dir, .checks = "", .epoch = 1};
    (void)snprintf(context->dir, sizeof context->dir, "/tmp/granary-spawn-XXXXXX");
    if (mkdtemp(context->dir) == NULL) {
        return gr_fail_errno(err, "make %s", context->dir);
    }
    context->next_job = 1;
    context->spec_size = spec_make("/bin/true", context->spec, sizeof context->spec);
    context->spec_first_size =
        spec_make(GR_SPAWN_FIRST, context->spec_first, sizeof context->spec_first);
    int code = gr_local_launch(&config, err);
    return code != 0 ? code : gr_local_open(&config, &context->engine, err);
}

static void end(void *opaque)
{
    struct context *context = opaque;
    struct gr_err err;
    char command[128];
    gr_err_init(&err);
    if (context->engine != NULL) {
        context->engine->ops->close(context->engine);
    }
    if (context->dir[0] != '\0') {
        (void)gr_local_launcher_stop(context->dir, &err);
        (void)snprintf(command, sizeof command, "rm -rf %s", context->dir);
        if (system(command) != 0) {
            (void)fprintf(stderr, "%s is left\n", context->dir);
        }
    }
}

static int order(struct context *context, const uint8_t *spec, size_t size, struct gr_err *err)
{
    static const struct gr_engine_task task = {.milli = 1000, .cpu_milli = 1000, .node = "node"};
    static const char *const nodes[] = {"node"};
    struct gr_engine_start start = {
        .job = context->next_job++,
        .attempt = 1,
        .epoch = 1,
        .task_count_all = 1,
        .user = "",
        .spec = spec,
        .spec_size = size,
        .tasks = &task,
        .task_count = 1,
        .nodes = nodes,
        .node_count = 1,
    };
    return context->engine->ops->start(context->engine, &start, err);
}

// Waits for reports and forgets what ended. Returns how many did, or -errno.
static int ends_take(struct context *context, struct gr_err *err)
{
    struct gr_engine_report reports[64];
    struct gr_engine *engine = context->engine;
    struct pollfd poll_fd = {.fd = engine->ops->fd(engine), .events = POLLIN};
    int ended = 0;
    if (poll(&poll_fd, 1, 60000) <= 0) {
        return gr_fail(err, -ETIMEDOUT, "no report came for a minute");
    }
    int count = engine->ops->poll(engine, reports, 64, err);
    for (int i = 0; i < count; i++) {
        const struct gr_engine_report *report = &reports[i];
        if (report->type == GR_REPORT_REFUSED || report->type == GR_REPORT_LOST) {
            return gr_fail(err, -EIO, "a job did not run: %s", report->text);
        }
        if (report->type == GR_REPORT_ENDED) {
            ended++;
            context->ended += report->end.exit_code == 0 && report->end.signal == 0;
            int code = engine->ops->forget(engine, report->job, 1, 1, err);
            if (code != 0) {
                return code;
            }
        }
    }
    return count < 0 ? count : ended;
}

static int engine_loop(struct context *context, unsigned jobs, struct gr_err *err)
{
    unsigned ordered = 0;
    unsigned ended = 0;
    while (ended < jobs) {
        while (ordered < jobs && ordered - ended < WINDOW) {
            int code = order(context, context->spec, context->spec_size, err);
            if (code != 0) {
                return code;
            }
            ordered++;
        }
        int count = ends_take(context, err);
        if (count < 0) {
            return count;
        }
        ended += (unsigned)count;
    }
    return 0;
}

static int bare_loop(unsigned jobs, struct gr_err *err)
{
    char *argv[] = {(char[]){"/bin/true"}, NULL};
    for (unsigned i = 0; i < jobs; i++) {
        pid_t pid;
        int status = 1;
        errno = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
        if (errno != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            return gr_fail_errno(err, "run /bin/true");
        }
    }
    return 0;
}

// Time from the order to the job's first instruction, which it printed.
static int start_take(struct context *context, uint64_t *ret_ns, struct gr_err *err)
{
    char path[192];
    uint64_t job = context->next_job;
    uint64_t from_ns = gr_bench_now_ns();
    int count = order(context, context->spec_first, context->spec_first_size, err);
    while (count == 0) {
        count = ends_take(context, err);
    }
    if (count < 0) {
        return count;
    }
    (void)snprintf(path, sizeof path, "%s/attempts/%llu.1/output.0", context->dir,
                   (unsigned long long)job);
    FILE *file = fopen(path, "re");
    unsigned long long at_ns = 0;
    int fields = file == NULL ? 0 : fscanf(file, "%llu", &at_ns);
    if (file != NULL) {
        (void)fclose(file);
    }
    if (fields != 1 || at_ns < from_ns) {
        return gr_fail(err, -EIO, "%s holds no time", path);
    }
    *ret_ns = at_ns - from_ns;
    return 0;
}

static int run(void *opaque, double *ret_values, struct gr_err *err)
{
    struct context *context = opaque;
    static uint64_t starts[STARTS];
    double bare_s = 0;
    double engine_s = 0;
    int code = 0;
    for (unsigned turn = 0; turn < TURNS && code == 0; turn++) {
        double from_s = gr_bench_now_s();
        code = bare_loop(JOBS / TURNS, err);
        double middle_s = gr_bench_now_s();
        code = code != 0 ? code : engine_loop(context, JOBS / TURNS, err);
        bare_s += middle_s - from_s;
        engine_s += gr_bench_now_s() - middle_s;
    }
    for (unsigned i = 0; i < STARTS && code == 0; i++) {
        code = start_take(context, &starts[i], err);
    }
    if (code == 0) {
        ret_values[0] = JOBS / bare_s;
        ret_values[1] = bare_s / engine_s;
        ret_values[2] = (double)gr_bench_percentile(starts, STARTS, 1, 2) / 1e6;
    }
    return code;
}

static int audit(void *opaque, struct gr_err *err)
{
    struct context *context = opaque;
    return context->ended == context->next_job - 1
               ? 0
               : gr_fail(err, -EIO, "%llu of %llu jobs ended well",
                         (unsigned long long)context->ended,
                         (unsigned long long)context->next_job - 1);
}

static struct context context;

static const struct gr_bench_figure figures[] = {
    {"bare_spawn_per_s", "jobs/s", "limit", 100},
    {"engine_spawn_ratio", "of-bare", "limit", 0.5},
    {"engine_start_ms", "ms", "limit", 5},
};
static const struct gr_bench benches[] = {{figures, 3, 5, &context, begin, run, audit, end}};

int main(int argc, char **argv)
{
    struct gr_err err;
    gr_err_init(&err);
    if (argc == 4 && strcmp(argv[1], "engine") == 0 && strcmp(argv[2], "launcher") == 0) {
        return gr_local_launcher_main(argv[3], &err);
    }
    return gr_bench_main(argc, argv, benches, 1);
}
