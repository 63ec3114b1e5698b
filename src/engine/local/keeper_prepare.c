// What a keeper makes ready before it starts tasks: see keeper_parts.h. Nothing here runs anything
// of the submitter's.
#include "engine/local/keeper_parts.h"

#include "device/isolation.h"
#include "engine/local.h"
#include "engine/local/checkpoints.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// Where tasks of a gang may meet: ports below those that clients get by chance.
#define PORT_FIRST 10000u
#define PORTS 20000u
#define PORT_TRIES 64u

// ---- directories --------------------------------------------------------------------------------

static int attempt_dir_make(struct keeper *keeper, struct gr_err *err)
{
    const struct gr_keeper_config *config = keeper->config;
    if (gr_local_attempt_dir(config->dir, keeper->order.start.job, keeper->order.start.attempt,
                             keeper->dir, sizeof keeper->dir) != 0) {
        return gr_fail(err, -ENAMETOOLONG, "%s: the path is too long", config->dir);
    }
    // This is what makes an attempt start at most once.
    if (mkdirat(config->attempts, keeper->name, 0711) != 0) {
        return errno == EEXIST
                   ? gr_fail(err, -EEXIST,
                             "%s is there already: this attempt was started or stopped before, or "
                             "somebody else made it; nothing is started in it",
                             keeper->dir)
                   : gr_fail_errno(err, "make %s", keeper->dir);
    }
    keeper->dir_fd =
        openat(config->attempts, keeper->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (keeper->dir_fd < 0) {
        return gr_fail_errno(err, "open %s", keeper->dir);
    }
    return 0;
}

// The spec's working directory, or one of the attempt's own.
static int work_make(struct keeper *keeper, struct gr_err *err)
{
    const struct gr_spec *spec = &keeper->spec;
    bool is_own = spec->directory[0] == '\0';
    int length = snprintf(keeper->work, sizeof keeper->work, "%s%s",
                          is_own ? keeper->dir : spec->directory, is_own ? "/work" : "");
    if (length < 0 || (size_t)length >= sizeof keeper->work) {
        return gr_fail(err, -ENAMETOOLONG, "the path of the working directory is too long");
    }
    if (!is_own) {
        return 0;
    }
    if (mkdirat(keeper->dir_fd, "work", 0700) != 0) {
        return gr_fail_errno(err, "make %s", keeper->work);
    }
    keeper->work_fd =
        openat(keeper->dir_fd, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (keeper->work_fd < 0 ||
        (geteuid() == 0 && spec->uid != 0 && fchown(keeper->work_fd, spec->uid, spec->gid) != 0)) {
        return gr_fail_errno(err, "give user %u %s", spec->uid, keeper->work);
    }
    return 0;
}

// The file whose touch says that the work is safe: the submitter's, in a folder where nobody but
// the engine can put anything else in its place.
static int checkpoint_make(const struct keeper *keeper, struct gr_err *err)
{
    const struct gr_spec *spec = &keeper->spec;
    if (mknodat(keeper->dir_fd, GR_CHECKPOINTS_NAME, S_IFREG | 0600, 0) != 0 ||
        (geteuid() == 0 && spec->uid != 0 &&
         fchownat(keeper->dir_fd, GR_CHECKPOINTS_NAME, spec->uid, spec->gid, AT_SYMLINK_NOFOLLOW) !=
             0)) {
        return gr_fail_errno(err, "make %s/%s", keeper->dir, GR_CHECKPOINTS_NAME);
    }
    return 0;
}

// ---- environment --------------------------------------------------------------------------------

// Sets what the job did not set itself.
static int environment_default(struct gr_environment *environment, const char *name,
                               const char *value)
{
    return gr_environment_get(environment, name) != NULL
               ? 0
               : gr_environment_set(environment, name, "%s", value);
}

// A port that is free now, the same for all tasks of the attempt.
static unsigned port_choose(const struct gr_engine_start *start)
{
    unsigned first = (unsigned)((start->job * 31 + start->attempt) % PORTS);
    for (unsigned i = 0; i < PORT_TRIES; i++) {
        unsigned port = PORT_FIRST + (first + i) % PORTS;
        struct sockaddr_in address = {
            .sin_family = AF_INET,
            .sin_port = htons((uint16_t)port),
            .sin_addr.s_addr = htonl(INADDR_ANY),
        };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_free = fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
        if (fd >= 0) {
            (void)close(fd);
        }
        if (is_free) {
            return port;
        }
    }
    return PORT_FIRST + first;
}

// Names of the gang's nodes, joined by commas; the caller frees it. NULL without memory.
static char *nodes_join(const struct gr_engine_start *start)
{
    size_t size = 1;
    for (uint32_t i = 0; i < start->node_count; i++) {
        size += strlen(start->nodes[i]) + 1;
    }
    char *text = malloc(size);
    size_t at = 0;
    for (uint32_t i = 0; text != NULL && i < start->node_count; i++) {
        at += (size_t)snprintf(text + at, size - at, "%s%s", i > 0 ? "," : "", start->nodes[i]);
    }
    if (text != NULL) {
        text[at] = '\0';
    }
    return text;
}

// How the job reaches the pool, and says that its work is safe.
static int environment_ways(struct keeper *keeper)
{
    struct gr_environment *environment = &keeper->environment;
    const struct gr_keeper_config *config = keeper->config;
    if (keeper->spec.image[0] == '\0') {
        int code = gr_environment_set(environment, "GRANARY_CHECKPOINT", "%s/%s", keeper->dir,
                                      GR_CHECKPOINTS_NAME);
        return config->server[0] == '\0'
                   ? code
                   : code | gr_environment_set(environment, "GRANARY_SERVER", "%s", config->server);
    }
    int code = gr_environment_set(environment, "GRANARY_CHECKPOINT", "%s", GR_CONTAINER_CHECKPOINT);
    return config->door[0] == '\0'
               ? code
               : code | gr_environment_set(environment, "GRANARY_SERVER", "unix:%s/granary.sock",
                                           GR_CONTAINER_DOOR);
}

// What the pool says about the job; the job's own variables of these names do not count.
static int environment_pool(struct keeper *keeper)
{
    struct gr_environment *environment = &keeper->environment;
    const struct gr_engine_start *start = &keeper->order.start;
    char *nodes = nodes_join(start);
    int code =
        nodes == NULL ? -ENOMEM : gr_environment_set(environment, "GRANARY_NODES", "%s", nodes);
    free(nodes);
    code |=
        gr_environment_set(environment, "GRANARY_JOB_ID", "%llu", (unsigned long long)start->job);
    code |= gr_environment_set(environment, "GRANARY_ATTEMPT", "%u", start->attempt);
    code |= gr_environment_set(environment, "GRANARY_TASKS", "%u", start->task_count_all);
    code |= gr_environment_set(environment, "GRANARY_JOB_DIR", "%s", keeper->dir);
    code |= environment_ways(keeper);
    if (start->array != 0) {
        code |= gr_environment_set(environment, "GRANARY_ARRAY_ID", "%llu",
                                   (unsigned long long)start->array);
        code |= gr_environment_set(environment, "GRANARY_ARRAY_INDEX", "%u", start->array_index);
    }
    if (start->task_count_all > 1) {
        code |= gr_environment_set(environment, "GRANARY_MASTER_ADDR", "127.0.0.1");
        code |= gr_environment_set(environment, "GRANARY_MASTER_PORT", "%u", port_choose(start));
    }
    return code;
}

static int environment_make(struct keeper *keeper, struct gr_err *err)
{
    struct gr_environment *environment = &keeper->environment;
    const struct gr_person *person = keeper->person;
    const char *name = person->name[0] != '\0' ? person->name : keeper->order.start.user;
    int code = 0;
    for (uint32_t i = 0; i < keeper->spec.env.count; i++) {
        code |= gr_environment_append(environment, keeper->spec.env.items[i]);
    }
    code |= environment_default(environment, "PATH", "/usr/local/bin:/usr/bin:/bin");
    code |= environment_default(environment, "HOME", person->home);
    code |= environment_default(environment, "SHELL", person->shell);
    if (name[0] != '\0') {
        code |= environment_default(environment, "USER", name);
        code |= environment_default(environment, "LOGNAME", name);
    }
    code |= gr_environment_set(environment, "PWD", "%s", keeper->work);
    code |= environment_pool(keeper);
    return code == 0 ? 0 : gr_fail(err, -ENOMEM, "no memory for the job's environment");
}

// ---- all of it ----------------------------------------------------------------------------------

static int groups_make(struct keeper *keeper, struct gr_err *err)
{
    // With one process the attempt's group is the task's, and is made with its limits.
    if (!keeper->config->means->has_group ||
        (keeper->task_count == 1 && keeper->spec.image[0] == '\0')) {
        return 0;
    }
    return gr_cgroup_make_new(keeper->config->means, keeper->name, NULL, &keeper->group, err);
}

static int submitter_find(struct keeper *keeper, struct gr_err *err)
{
    const struct gr_spec *spec = &keeper->spec;
    if (geteuid() != 0 && (spec->uid != geteuid() || getuid() != geteuid())) {
        return gr_fail(err, -EPERM,
                       "this daemon runs as user %u and can start work of no other, and the job is "
                       "of user %u: run the daemon as root",
                       (unsigned)geteuid(), spec->uid);
    }
    keeper->person = gr_person_cache_find(keeper->config->persons, spec->uid, spec->gid,
                                          gr_keeper_monotonic_ms());
    if (keeper->person != NULL) {
        return 0;
    }
    keeper->person = &keeper->found;
    int code = gr_person_find(spec->uid, spec->gid, &keeper->found, err);
    if (code == 0) {
        gr_keeper_person_send(keeper);
    }
    return code;
}

int gr_keeper_prepare(struct keeper *keeper, struct gr_err *err)
{
    const struct gr_keeper_config *config = keeper->config;
    int code = gr_order_decode(config->order, config->order_size, &keeper->order, err);
    if (code != 0) {
        return code;
    }
    const struct gr_engine_start *start = &keeper->order.start;
    gr_attempt_name(start->job, start->attempt, keeper->name);
    code = gr_spec_decode(start->spec, start->spec_size, &keeper->room, &keeper->spec, err);
    if (code != 0) {
        return code;
    }
    keeper->tasks = calloc(start->task_count, sizeof *keeper->tasks);
    if (keeper->tasks == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for %u tasks", start->task_count);
    }
    keeper->task_count = start->task_count;
    struct gr_attempt_names names = {
        .job = start->job, .attempt = start->attempt, .array_index = start->array_index};
    code = submitter_find(keeper, err);
    code = code != 0 ? code : attempt_dir_make(keeper, err);
    code = code != 0 ? code : work_make(keeper, err);
    code = code != 0 ? code : checkpoint_make(keeper, err);
    code = code != 0
               ? code
               : gr_attempt_logs_write(keeper->dir_fd, &keeper->spec, &names, keeper->work, err);
    code = code != 0 ? code : environment_make(keeper, err);
    return code != 0 ? code : groups_make(keeper, err);
}
