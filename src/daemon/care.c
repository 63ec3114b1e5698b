// Care between holders: see care.h.
#include "daemon/care.h"

#include "base/clock.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// All scripts of one visit together may take so long.
#define SCRIPTS_MS 60000

// A visit under way: scripts, then the drivers if they are asked, then the scripts for devices that
// were reset.
struct visit {
    struct visit *next;
    enum { SCRIPTS = 0, DRIVERS, RETURN } stage;
    char name[GR_NAME_SIZE];        // of the node
    struct gr_node_checks *scripts; // NULL: over, or there were none
    struct gr_care_answer answer;
    struct gr_device *devices; // a copy, for the thread
    uint32_t device_count;
    bool checks_devices;
    bool is_with_thread; // in the thread's hands
    bool is_over;
};

// What was last seen in a folder of scripts, while it has not changed.
struct seen {
    struct timespec changed;
    ino_t inode;
    bool is_sure; // it had not changed just then, in which case a further change would not show
    bool has_any;
};

struct gr_care {
    char *checks;
    struct seen seen[GR_CHECKS_WHENS];
    int program;                   // that runs scripts; 0: none
    struct gr_device_watch *watch; // the thread's
    int64_t look_ms;
    int epoll_fd, event_fd;
    struct visit *visits; // all of them; the caller's side
    struct visit *over;   // whose answer was given last; its devices are lent
    pthread_t thread;
    bool has_thread;
    // Between the two sides, under the mutex.
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct visit *asked; // one at a time is with the thread
    char forget[16][32]; // addresses
    unsigned forget_count;
    struct gr_device_list found;
    bool ends;
};

// --- the thread

// How the device is now; as it was when the visit began if that is not known.
static enum gr_health health_now(const struct gr_device_list *now, const struct gr_device *device)
{
    for (size_t i = 0; i < now->count; i++) {
        if (strcmp(now->devices[i].address, device->address) == 0) {
            return now->devices[i].health;
        }
    }
    return device->health;
}

static struct gr_node_checks_device *unwell_find(struct gr_care_answer *answer, const char *address)
{
    for (uint32_t i = 0; i < answer->device_count; i++) {
        if (strcmp(answer->devices[i].address, address) == 0) {
            return &answer->devices[i];
        }
    }
    return NULL;
}

// Holds it against the device, unless something worse is already.
static void unwell_add(struct gr_care_answer *answer, const char *address, enum gr_health health,
                       const char *text)
{
    struct gr_node_checks_device *unwell = unwell_find(answer, address);
    if (unwell != NULL && unwell->health > health) {
        return;
    }
    if (unwell == NULL && answer->device_count == GR_NODE_CHECKS_DEVICES) {
        return;
    }
    unwell = unwell != NULL ? unwell : &answer->devices[answer->device_count++];
    *unwell = (struct gr_node_checks_device){.health = health};
    snprintf(unwell->address, sizeof unwell->address, "%s", address);
    snprintf(unwell->text, sizeof unwell->text, "%.250s", text);
}

// It was reset: what a reset takes away is not held against it any more.
static void reset_note(struct gr_care_answer *answer, const char *address)
{
    struct gr_node_checks_device *unwell = unwell_find(answer, address);
    if (answer->reset_count == GR_NODE_CHECKS_DEVICES) {
        return; // it stays out of use until somebody has looked
    }
    if (unwell != NULL && unwell->health <= GR_HEALTH_RESET) {
        *unwell = answer->devices[--answer->device_count];
    }
    snprintf(answer->resets[answer->reset_count++], sizeof answer->resets[0], "%s", address);
}

// Asks the driver about one device, and resets it if the driver, a script or the pool say that it
// needs that: in `now` is how all are.
static void ask_driver(struct gr_care *care, struct visit *visit, const struct gr_device *device,
                       const struct gr_device_list *now)
{
    struct gr_care_answer *answer = &visit->answer;
    const struct gr_node_checks_device *said = unwell_find(answer, device->address);
    bool needs_reset = answer->is_reset || device->health == GR_HEALTH_RESET ||
                       health_now(now, device) == GR_HEALTH_RESET ||
                       (said != NULL && said->health == GR_HEALTH_RESET);
    struct gr_err err;
    gr_err_init(&err);
    int rc = gr_device_check(care->watch, device, &err);
    enum gr_health health = rc == -EBUSY ? GR_HEALTH_RESET : GR_HEALTH_REPAIR;
    if ((rc == 0 || rc == -EIO || rc == -ENOTSUP) && needs_reset) {
        rc = gr_device_reset(care->watch, device, &err);
        health = GR_HEALTH_RESET;
        if (rc == 0) {
            reset_note(answer, device->address);
        }
    }
    // Where nobody can be asked there is nothing more to hold against it.
    if (rc != 0 && rc != -ENOTSUP) {
        unwell_add(answer, device->address, health, err.text);
    }
}

// Asks the drivers about each device of a visit. What a device reported once, an XID, is in no
// answer of its driver, so it is looked at too, and now: the job that just ended may have met it.
static void ask_drivers(struct gr_care *care, struct visit *visit)
{
    struct gr_device_list now = {0};
    if (gr_device_watch_look(care->watch, &now, NULL) != 0) {
        now = (struct gr_device_list){0};
    }
    for (uint32_t i = 0; i < visit->device_count; i++) {
        ask_driver(care, visit, &visit->devices[i], &now);
    }
    gr_device_list_done(&now);
}

static void tell(struct gr_care *care)
{
    uint64_t one = 1;
    ssize_t written = write(care->event_fd, &one, sizeof one);
    (void)written; // a counter that is full has been heard of
}

// What is to be done first: forget, ask, look. Called with the mutex held; gives it up meanwhile.
static void work(struct gr_care *care, bool looks)
{
    while (care->forget_count > 0) {
        char address[32];
        memcpy(address, care->forget[--care->forget_count], sizeof address);
        pthread_mutex_unlock(&care->mutex);
        (void)gr_device_forget(care->watch, address, NULL);
        pthread_mutex_lock(&care->mutex);
        looks = true;
    }
    struct visit *visit = care->asked;
    if (visit != NULL && !visit->is_over) {
        pthread_mutex_unlock(&care->mutex);
        ask_drivers(care, visit);
        pthread_mutex_lock(&care->mutex);
        visit->is_over = true;
        if (visit->answer.reset_count > 0) {
            gr_device_list_done(&care->found); // of a look before the reset
            looks = true;
        }
        tell(care);
    }
    if (looks && care->found.devices == NULL) {
        struct gr_device_list found = {0};
        pthread_mutex_unlock(&care->mutex);
        int rc = gr_device_watch_look(care->watch, &found, NULL);
        pthread_mutex_lock(&care->mutex);
        if (rc == 0) {
            care->found = found;
            tell(care);
        }
    }
}

static void *run(void *context)
{
    struct gr_care *care = context;
    struct timespec until;
    gr_clock_after(0, &until);
    pthread_mutex_lock(&care->mutex);
    while (!care->ends) {
        int rc = 0;
        bool has_work = care->forget_count > 0 || (care->asked != NULL && !care->asked->is_over);
        if (!has_work) {
            rc = pthread_cond_clockwait(&care->wake, &care->mutex, CLOCK_MONOTONIC, &until);
        }
        bool looks = rc == ETIMEDOUT;
        if (!care->ends) {
            work(care, looks);
        }
        if (looks) {
            gr_clock_after((int64_t)care->look_ms, &until);
        }
    }
    pthread_mutex_unlock(&care->mutex);
    return NULL;
}

// --- opening

static int open_fds(struct gr_care *care, struct gr_err *err)
{
    care->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    care->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};
    if (care->epoll_fd < 0 || care->event_fd < 0 ||
        epoll_ctl(care->epoll_fd, EPOLL_CTL_ADD, care->event_fd, &event) != 0) {
        return gr_fail_errno(err, "make descriptors for the care of nodes");
    }
    return 0;
}

int gr_care_open(const char *checks, struct gr_device_watch *watch, int64_t look_ms,
                 struct gr_care **ret_care, struct gr_err *err)
{
    assert(checks != NULL && watch != NULL && ret_care != NULL);
    struct gr_care *care = calloc(1, sizeof *care);
    if (care == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the care of nodes");
    }
    care->epoll_fd = care->event_fd = -1;
    care->watch = watch;
    care->look_ms = look_ms;
    pthread_mutex_init(&care->mutex, NULL);
    pthread_cond_init(&care->wake, NULL);
    care->checks = strdup(checks);
    if (checks[0] != '\0') {
        int program = gr_node_checks_program(NULL);
        care->program = program < 0 ? 0 : program; // slower without
    }
    int rc = care->checks == NULL ? gr_fail(err, -ENOMEM, "no memory for the care of nodes")
                                  : open_fds(care, err);
    if (rc == 0) {
        int code = pthread_create(&care->thread, NULL, run, care);
        care->has_thread = code == 0;
        rc = code == 0 ? 0 : gr_fail(err, -code, "start the thread that asks the drivers");
    }
    if (rc != 0) {
        gr_care_close(care);
        return rc;
    }
    *ret_care = care;
    return 0;
}

static void visit_free(struct visit *visit)
{
    if (visit == NULL) {
        return;
    }
    gr_node_checks_close(visit->scripts);
    free(visit->devices);
    free(visit);
}

void gr_care_close(struct gr_care *care)
{
    if (care == NULL) {
        return;
    }
    if (care->has_thread) {
        pthread_mutex_lock(&care->mutex);
        care->ends = true;
        pthread_cond_signal(&care->wake);
        pthread_mutex_unlock(&care->mutex);
        pthread_join(care->thread, NULL);
    }
    visit_free(care->over);
    while (care->visits != NULL) {
        struct visit *visit = care->visits;
        care->visits = visit->next;
        visit_free(visit);
    }
    gr_device_list_done(&care->found);
    if (care->epoll_fd >= 0) {
        close(care->epoll_fd);
    }
    if (care->event_fd >= 0) {
        close(care->event_fd);
    }
    if (care->program > 0) {
        close(care->program);
    }
    pthread_mutex_destroy(&care->mutex);
    pthread_cond_destroy(&care->wake);
    free(care->checks);
    free(care);
}

int gr_care_fd(const struct gr_care *care)
{
    return care->epoll_fd;
}

// Whether the folder has any file that could be a script; one that cannot be read must not be
// passed over.
static bool folder_has(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return errno != ENOENT;
    }
    bool has_any = false;
    for (struct dirent *entry; !has_any && (entry = readdir(dir)) != NULL;) {
        has_any = entry->d_name[0] != '.';
    }
    closedir(dir);
    return has_any;
}

bool gr_care_has(struct gr_care *care, enum gr_node_checks_when when)
{
    char path[1024];
    struct stat st;
    if (care->checks[0] == '\0' || snprintf(path, sizeof path, "%s/%s", care->checks,
                                            gr_node_checks_folder(when)) >= (int)sizeof path) {
        return care->checks[0] != '\0';
    }
    if (stat(path, &st) != 0) {
        return errno != ENOENT;
    }
    struct seen *seen = &care->seen[when];
    if (!seen->is_sure || seen->inode != st.st_ino ||
        memcmp(&seen->changed, &st.st_mtim, sizeof st.st_mtim) != 0) {
        // A folder's time has the grain of a tick: what is this fresh may change unseen.
        seen->is_sure = gr_clock_wall_ms() / 1000 - st.st_mtim.tv_sec > 2;
        seen->inode = st.st_ino;
        seen->changed = st.st_mtim;
        seen->has_any = folder_has(path);
    }
    return seen->has_any;
}

// --- visits

// Begins the scripts of this moment about these devices, if there are any.
static int begin_scripts(struct gr_care *care, struct visit *visit, enum gr_node_checks_when when,
                         const char *user, const struct gr_device *devices, uint32_t count,
                         struct gr_err *err)
{
    if (!gr_care_has(care, when)) {
        return 0;
    }
    bool has_job = when != GR_CHECKS_RETURN;
    struct gr_node_checks_config scripts = {.dir = care->checks,
                                            .when = when,
                                            .node = visit->name,
                                            .devices = devices,
                                            .device_count = count,
                                            .job = has_job ? visit->answer.job : 0,
                                            .attempt = has_job ? visit->answer.attempt : 0,
                                            .user = user,
                                            .limit_ms = SCRIPTS_MS,
                                            .program = care->program};
    int rc = gr_node_checks_open(&scripts, &visit->scripts, err);
    struct epoll_event event = {.events = EPOLLIN};
    if (rc == 0 &&
        epoll_ctl(care->epoll_fd, EPOLL_CTL_ADD, gr_node_checks_fd(visit->scripts), &event) != 0) {
        rc = gr_fail_errno(err, "watch node checks");
    }
    return rc;
}

int gr_care_begin(struct gr_care *care, const struct gr_care_visit *config, struct gr_err *err)
{
    assert(care != NULL && config != NULL);
    struct visit *visit = calloc(1, sizeof *visit);
    if (visit == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for node checks");
    }
    visit->answer = (struct gr_care_answer){.when = config->when,
                                            .node = config->node,
                                            .job = config->job,
                                            .attempt = config->attempt,
                                            .is_reset = config->is_reset,
                                            .is_well = true};
    visit->checks_devices = config->checks_devices && config->device_count > 0;
    visit->stage = config->is_reset ? DRIVERS : SCRIPTS;
    snprintf(visit->name, sizeof visit->name, "%s", config->name);
    visit->device_count = config->device_count;
    int rc = 0;
    if (config->device_count > 0) {
        visit->devices = malloc(config->device_count * sizeof *visit->devices);
        if (visit->devices == NULL) {
            rc = gr_fail(err, -ENOMEM, "no memory for node checks");
        } else {
            memcpy(visit->devices, config->devices, config->device_count * sizeof *visit->devices);
        }
    }
    if (rc == 0 && visit->stage == SCRIPTS) {
        rc = begin_scripts(care, visit, config->when, config->user, visit->devices,
                           visit->device_count, err);
    }
    if (rc != 0) {
        visit_free(visit);
        return rc;
    }
    visit->next = care->visits;
    care->visits = visit;
    tell(care); // it may be over already
    return 0;
}

// The scripts of a visit have ended: what they said.
static void take_result(struct visit *visit, const struct gr_node_checks_result *result)
{
    struct gr_care_answer *answer = &visit->answer;
    char text[GR_NODE_CHECKS_TEXT_SIZE];
    snprintf(text, sizeof text, "%.60s: %.180s",
             result->script[0] == '\0' ? "node checks" : result->script,
             result->is_late ? "did not end in time" : result->text);
    answer->has_run |= result->ran > 0;
    for (uint32_t i = 0; i < result->device_count; i++) {
        unwell_add(answer, result->devices[i].address, result->devices[i].health,
                   result->devices[i].text);
    }
    if (!result->is_well && visit->stage == RETURN) {
        // The reset did not help: these devices do not come back, the node stays.
        for (uint32_t i = 0; i < answer->reset_count; i++) {
            unwell_add(answer, answer->resets[i], GR_HEALTH_REPAIR, text);
        }
    } else if (!result->is_well) {
        answer->is_well = false;
        memcpy(answer->text, text, sizeof text);
    }
}

// Hears the scripts. False: they go on.
static bool scripts_end(struct visit *visit)
{
    struct gr_node_checks_result result = {0};
    struct gr_err err;
    gr_err_init(&err);
    int rc = gr_node_checks_poll(visit->scripts, &result, &err);
    if (rc == 0) {
        return false;
    }
    if (rc < 0) {
        snprintf(result.text, sizeof result.text, "%.200s", err.text);
    }
    take_result(visit, &result);
    gr_node_checks_close(visit->scripts); // leaves the epoll set with its descriptor
    visit->scripts = NULL;
    return true;
}

// Whether the drivers are to be asked: always if that was ordered, else about a reset.
static bool wants_drivers(const struct visit *visit)
{
    bool wants = visit->checks_devices;
    for (uint32_t i = 0; i < visit->answer.device_count; i++) {
        wants |= visit->answer.devices[i].health == GR_HEALTH_RESET;
    }
    for (uint32_t i = 0; i < visit->device_count; i++) {
        wants |= visit->devices[i].health == GR_HEALTH_RESET;
    }
    // At other moments somebody may hold them: the pool sees to a reset when nobody does.
    return wants && visit->device_count > 0 && visit->answer.when == GR_CHECKS_AFTER;
}

// Lets the thread ask the drivers. False: it is not done yet.
static bool drivers_end(struct gr_care *care, struct visit *visit)
{
    pthread_mutex_lock(&care->mutex);
    if (!visit->is_with_thread && care->asked == NULL) {
        care->asked = visit;
        visit->is_with_thread = true;
        pthread_cond_signal(&care->wake);
    }
    bool is_over = visit->is_over;
    if (is_over && care->asked == visit) {
        care->asked = NULL;
    }
    pthread_mutex_unlock(&care->mutex);
    return is_over;
}

// Begins the scripts for devices that were reset. That they cannot be begun is held against them.
static void return_begin(struct gr_care *care, struct visit *visit)
{
    struct gr_care_answer *answer = &visit->answer;
    struct gr_device *devices = calloc(GR_NODE_CHECKS_DEVICES, sizeof *devices);
    struct gr_err err;
    gr_err_init(&err);
    int rc = devices == NULL ? gr_fail(&err, -ENOMEM, "no memory for node checks") : 0;
    for (uint32_t i = 0; i < answer->reset_count && devices != NULL; i++) {
        memcpy(devices[i].address, answer->resets[i], sizeof devices[i].address);
    }
    rc = rc != 0
             ? rc
             : begin_scripts(care, visit, GR_CHECKS_RETURN, "", devices, answer->reset_count, &err);
    for (uint32_t i = 0; i < answer->reset_count && rc != 0; i++) {
        unwell_add(answer, answer->resets[i], GR_HEALTH_REPAIR, err.text);
    }
    free(devices);
}

// Brings one visit further. True: it is over.
static bool go_on(struct gr_care *care, struct visit *visit)
{
    if (visit->scripts != NULL && !scripts_end(visit)) {
        return false;
    }
    if (visit->stage == SCRIPTS) {
        if (!wants_drivers(visit)) {
            return true;
        }
        visit->stage = DRIVERS;
    }
    if (visit->stage == DRIVERS) {
        if (!drivers_end(care, visit)) {
            return false;
        }
        visit->stage = RETURN;
        if (visit->answer.reset_count > 0) {
            return_begin(care, visit);
        }
        return visit->scripts == NULL;
    }
    return true;
}

int gr_care_poll(struct gr_care *care, struct gr_care_answer *ret_answer)
{
    assert(care != NULL && ret_answer != NULL);
    uint64_t count;
    ssize_t got = read(care->event_fd, &count, sizeof count);
    (void)got; // nothing there: fine
    visit_free(care->over);
    care->over = NULL;
    for (struct visit **at = &care->visits; *at != NULL; at = &(*at)->next) {
        struct visit *visit = *at;
        if (go_on(care, visit)) {
            *at = visit->next;
            *ret_answer = visit->answer;
            ret_answer->about = visit->devices;
            ret_answer->about_count = visit->device_count;
            care->over = visit;
            if (care->visits != NULL) {
                tell(care); // another may have waited for the thread
            }
            return 1;
        }
    }
    return 0;
}

bool gr_care_found(struct gr_care *care, struct gr_device_list *ret_list)
{
    pthread_mutex_lock(&care->mutex);
    bool is_new = care->found.devices != NULL;
    if (is_new) {
        *ret_list = care->found;
        care->found = (struct gr_device_list){0};
    }
    pthread_mutex_unlock(&care->mutex);
    return is_new;
}

void gr_care_forget(struct gr_care *care, const char *address)
{
    pthread_mutex_lock(&care->mutex);
    if (care->forget_count < sizeof care->forget / sizeof care->forget[0]) {
        snprintf(care->forget[care->forget_count++], sizeof care->forget[0], "%s", address);
        pthread_cond_signal(&care->wake);
    }
    pthread_mutex_unlock(&care->mutex);
}
