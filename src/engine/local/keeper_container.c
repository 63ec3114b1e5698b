// Tasks that are OCI containers: see keeper_parts.h. They live by the same rules as processes; only
// how they are made, signalled and counted is container.h's.
#include "engine/local/checkpoints.h"
#include "engine/local/keeper_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static_assert(sizeof(gid_t) == sizeof(uint32_t), "groups are handed on as they are");

// The runtime: crun, else runc.
static const char *runtime_of(const struct gr_keeper_config *config)
{
    return config->crun[0] != '\0' ? config->crun : config->runc;
}

// Between the words of whoever reads the image.
static bool is_wanted(void *context)
{
    struct keeper *keeper = context;
    gr_keeper_obey(keeper);
    return !keeper->is_stopping;
}

int gr_keeper_container_create(struct keeper *keeper, uint32_t index, int output, int error,
                               struct gr_err *err)
{
    const struct gr_engine_start *start = &keeper->order.start;
    const struct gr_engine_task *task = &start->tasks[index];
    char name[GR_ATTEMPT_NAME_SIZE];
    char dir[PATH_MAX];
    char group[2 * GR_ATTEMPT_NAME_SIZE];
    char id[2 * GR_ATTEMPT_NAME_SIZE + 16];
    char checkpoint[PATH_MAX];
    if (runtime_of(keeper->config)[0] == '\0') {
        return gr_fail(err, -ENOENT,
                       "neither crun nor runc is on this machine: a job with an "
                       "image needs one of them");
    }
    (void)snprintf(name, sizeof name, "task-%u", task->task);
    (void)snprintf(group, sizeof group, "%s/%s", keeper->name, name);
    (void)snprintf(id, sizeof id, "granary-%s-%u", keeper->name, task->task);
    if (snprintf(dir, sizeof dir, "%s/%s", keeper->dir, name) >= (int)sizeof dir ||
        snprintf(checkpoint, sizeof checkpoint, "%s/%s", keeper->dir, GR_CHECKPOINTS_NAME) >=
            (int)sizeof checkpoint) {
        return gr_fail(err, -ENAMETOOLONG, "%s: the path is too long", keeper->dir);
    }
    if (mkdirat(keeper->dir_fd, name, 0711) != 0) {
        return gr_fail_errno(err, "make %s", dir);
    }
    struct gr_container_config config = {
        .engine = keeper->config->dir,
        .dir = dir,
        .work = keeper->work,
        .checkpoint = checkpoint,
        .door = keeper->config->door,
        .group = group,
        .id = id,
        .runtime = runtime_of(keeper->config),
        .spec = &keeper->spec,
        .env = (const char *const *)keeper->environment.items,
        .devices = start->devices + task->device_first,
        .device_count = task->device_count,
        .cpu_milli = task->cpu_milli,
        .memory_mib = task->memory_mib,
        .groups = keeper->person->groups,
        .group_count = keeper->person->group_count,
        .output = output,
        .error = error,
        .oom_adjust = keeper->config->oom_adjust,
        .means = keeper->config->means,
        .is_wanted = is_wanted,
        .context = keeper,
    };
    return gr_container_create(&config, &keeper->tasks[index].container, &keeper->tasks[index].pid,
                               err);
}

int gr_keeper_container_start(const struct keeper_task *task, struct gr_err *err)
{
    return gr_container_start(task->container, err);
}

void gr_keeper_container_kill(const struct keeper_task *task, int signal, bool all)
{
    struct gr_err err;
    gr_err_init(&err);
    (void)gr_container_kill(task->container, signal, all, &err); // it may have ended just now
}

void gr_keeper_container_usage(const struct keeper_task *task, struct gr_cgroup_usage *ret_usage)
{
    gr_container_usage(task->container, ret_usage);
}

void gr_keeper_container_done(struct keeper_task *task)
{
    gr_container_delete(task->container);
    task->container = NULL;
}
