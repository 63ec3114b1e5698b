// What was done to the disk, and what a power cut may leave of it. See shim.h.
//
// A file is an inode: bytes that were synced, and what was done since. A name is durable once its
// folder was synced; of the names that changed since, a cut leaves those up to some moment, as a
// file system with a journal does. Within a write each sector is there, not there, or nonsense.
#include "shim_disk.h"

#include "base/rng.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INODES = 256, NAMES = 256, CHANGES = 1024, SECTOR = 512, PATH_SIZE = 512 };

struct change { // of an inode, not synced
    uint64_t offset;
    size_t size;    // of the bytes
    uint8_t *bytes; // NULL: the file was cut or stretched to `offset`
};

struct inode {
    uint8_t *bytes; // synced
    size_t size;
    struct change *changes;
    size_t change_count, change_room;
};

struct name {
    char path[PATH_SIZE];
    int inode; // -1: a folder
};

struct names {
    struct name list[NAMES];
    size_t count;
};

struct name_change {
    enum { MADE, RENAMED, REMOVED } what;
    char path[PATH_SIZE];
    char to[PATH_SIZE];
    int inode;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const char *_Atomic watched; // folder; NULL: none
static atomic_bool is_idle;         // of the plan
static struct gr_shim_plan plan;
static uint64_t counts[GR_SHIM_KINDS];
static bool is_reached, is_dead;
static struct inode inodes[INODES];
static int inode_count;
static struct names live, durable;
static struct name_change changes[CHANGES];
static size_t change_count;

// --- names

static struct name *name_find(struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i].path, path) == 0) {
            return &names->list[i];
        }
    }
    return NULL;
}

static void name_set(struct names *names, const char *path, int inode)
{
    struct name *name = name_find(names, path);
    if (name == NULL) {
        assert(names->count < NAMES);
        name = &names->list[names->count++];
        assert(strlen(path) < PATH_SIZE);
        snprintf(name->path, sizeof name->path, "%s", path);
    }
    name->inode = inode;
}

static void name_drop(struct names *names, const char *path)
{
    struct name *name = name_find(names, path);
    if (name != NULL) {
        *name = names->list[--names->count];
    }
}

// A folder that is renamed takes what is in it along.
static void name_move(struct names *names, const char *from, const char *to)
{
    size_t length = strlen(from);
    name_drop(names, to);
    for (size_t i = 0; i < names->count; i++) {
        char *path = names->list[i].path;
        if (strncmp(path, from, length) == 0 && (path[length] == '\0' || path[length] == '/')) {
            char moved[2 * PATH_SIZE];
            snprintf(moved, sizeof moved, "%s%s", to, path + length);
            assert(strlen(moved) < PATH_SIZE);
            memcpy(path, moved, strlen(moved) + 1);
        }
    }
}

static void name_apply(struct names *names, const struct name_change *change)
{
    switch (change->what) {
    case MADE:
        name_set(names, change->path, change->inode);
        break;
    case RENAMED:
        name_move(names, change->path, change->to);
        break;
    case REMOVED:
        name_drop(names, change->path);
        break;
    }
}

static void name_change(int what, const char *path, const char *to, int inode)
{
    assert(change_count < CHANGES);
    struct name_change *change = &changes[change_count++];
    memset(change, 0, sizeof *change);
    change->what = (unsigned)what;
    change->inode = inode;
    snprintf(change->path, sizeof change->path, "%s", path);
    snprintf(change->to, sizeof change->to, "%s", to);
    name_apply(&live, change);
}

// --- inodes

static struct inode *inode_of(const char *path)
{
    const struct name *name = name_find(&live, path);
    return name == NULL || name->inode < 0 ? NULL : &inodes[name->inode];
}

static int inode_new(void)
{
    assert(inode_count < INODES);
    memset(&inodes[inode_count], 0, sizeof inodes[0]);
    return inode_count++;
}

static void inode_change(struct inode *inode, uint64_t offset, const void *bytes, size_t size)
{
    if (inode->change_count == inode->change_room) {
        inode->change_room = inode->change_room == 0 ? 64 : 2 * inode->change_room;
        inode->changes = reallocarray(inode->changes, inode->change_room, sizeof(struct change));
        assert(inode->changes != NULL);
    }
    struct change *change = &inode->changes[inode->change_count++];
    *change = (struct change){.offset = offset, .size = size};
    if (bytes != NULL) {
        change->bytes = malloc(size + 1);
        assert(change->bytes != NULL);
        memcpy(change->bytes, bytes, size);
    }
}

static void resize(uint8_t **bytes, size_t *size, size_t wanted)
{
    if (wanted > *size) {
        *bytes = realloc(*bytes, wanted);
        assert(*bytes != NULL);
        memset(*bytes + *size, 0, wanted - *size);
    }
    *size = wanted;
}

// Numbers that follow from a seed (splitmix64).
static uint64_t draw(uint64_t *seed)
{
    return gr_rng_next(seed);
}

// Does some of the change: each sector of it is done, left out, or nonsense.
static void apply_torn(const struct change *change, uint8_t **bytes, size_t *size, uint64_t *seed)
{
    size_t at = 0;
    while (at < change->size) {
        size_t offset = (size_t)change->offset + at;
        size_t part = SECTOR - offset % SECTOR;
        part = part < change->size - at ? part : change->size - at;
        uint64_t fate = draw(seed) % 8;
        if (fate != 0 && offset + part > *size) {
            resize(bytes, size, offset + part);
        }
        if (fate > 3) {
            memcpy(*bytes + offset, change->bytes + at, part);
        } else if (fate == 1) {
            memset(*bytes + offset, (int)draw(seed), part);
        }
        at += part;
    }
}

static void apply(const struct change *change, uint8_t **bytes, size_t *size, uint64_t how,
                  uint64_t *seed)
{
    uint64_t fate = how < 2 ? how : draw(seed) % 4; // 0 not, 1 whole, else torn
    if (fate == 0 || (change->bytes == NULL && fate > 2)) {
        return;
    }
    if (change->bytes == NULL) {
        resize(bytes, size, (size_t)change->offset);
    } else if (fate > 1) {
        apply_torn(change, bytes, size, seed);
    } else {
        if (change->offset + change->size > *size) {
            resize(bytes, size, (size_t)change->offset + change->size);
        }
        memcpy(*bytes + change->offset, change->bytes, change->size);
    }
}

// --- what is noted

bool shim_watches(const char *path)
{
    const char *folder = watched;
    size_t length = folder == NULL ? 0 : strlen(folder);
    return length > 0 && path != NULL && strncmp(path, folder, length) == 0 && path[length] == '/';
}

static bool is_change(enum gr_shim_kind kind)
{
    return kind == GR_SHIM_WRITE || kind == GR_SHIM_SYNC || kind == GR_SHIM_TRUNCATE ||
           kind == GR_SHIM_NAME;
}

int shim_fails(enum gr_shim_kind kind, const char *path)
{
    int code = 0;
    if (path == NULL || watched == NULL) {
        return 0;
    }
    pthread_mutex_lock(&mutex);
    if (plan.only == NULL || strstr(path, plan.only) != NULL) {
        uint64_t count = ++counts[kind];
        uint64_t all = is_change(kind) ? ++counts[GR_SHIM_ANY] : 0;
        bool is_it =
            plan.is_power || plan.kind == GR_SHIM_ANY
                ? all != 0 && (all == plan.nth || (plan.for_ever && all > plan.nth))
                : kind == plan.kind && (count == plan.nth || (plan.for_ever && count > plan.nth));
        if (plan.nth != 0 && is_it) {
            is_reached = true;
            is_dead = plan.is_power;
            code = plan.code;
        }
    }
    code = is_dead ? EIO : code;
    pthread_mutex_unlock(&mutex);
    return code;
}

bool shim_exists(const char *path)
{
    pthread_mutex_lock(&mutex);
    bool is_there = name_find(&live, path) != NULL;
    pthread_mutex_unlock(&mutex);
    return is_there;
}

void shim_note_create(const char *path)
{
    if (is_idle) {
        return;
    }
    pthread_mutex_lock(&mutex);
    name_change(MADE, path, "", inode_new());
    pthread_mutex_unlock(&mutex);
}

void shim_note_make_dir(const char *path)
{
    if (is_idle) {
        return;
    }
    pthread_mutex_lock(&mutex);
    name_change(MADE, path, "", -1);
    pthread_mutex_unlock(&mutex);
}

void shim_note_write(const char *path, const void *bytes, size_t size, uint64_t offset)
{
    if (is_idle) {
        return;
    }
    pthread_mutex_lock(&mutex);
    struct inode *inode = path == NULL ? NULL : inode_of(path);
    if (inode != NULL) {
        inode_change(inode, offset, bytes, size);
    }
    pthread_mutex_unlock(&mutex);
}

void shim_note_truncate(const char *path, uint64_t size)
{
    if (is_idle) {
        return;
    }
    pthread_mutex_lock(&mutex);
    struct inode *inode = path == NULL ? NULL : inode_of(path);
    if (inode != NULL) {
        inode_change(inode, size, NULL, 0);
    }
    pthread_mutex_unlock(&mutex);
}

void shim_note_sync(const char *path)
{
    if (is_idle) {
        return;
    }
    pthread_mutex_lock(&mutex);
    struct inode *inode = path == NULL ? NULL : inode_of(path);
    for (size_t i = 0; inode != NULL && i < inode->change_count; i++) {
        apply(&inode->changes[i], &inode->bytes, &inode->size, 1, NULL);
        free(inode->changes[i].bytes);
    }
    if (inode != NULL) {
        inode->change_count = 0;
    }
    pthread_mutex_unlock(&mutex);
}

// Length of the folder's part of the path.
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path);
}

void shim_note_sync_dir(const char *path)
{
    if (is_idle) {
        return;
    }
    size_t kept = 0;
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < change_count; i++) {
        size_t length = folder_length(changes[i].path);
        if (length == strlen(path) && strncmp(changes[i].path, path, length) == 0) {
            name_apply(&durable, &changes[i]);
        } else {
            changes[kept++] = changes[i];
        }
    }
    change_count = kept;
    pthread_mutex_unlock(&mutex);
}

void shim_note_sync_dir_of(const char *path)
{
    char folder[PATH_SIZE];
    if (path != NULL) {
        snprintf(folder, sizeof folder, "%.*s", (int)folder_length(path), path);
        shim_note_sync_dir(folder);
    }
}

void shim_note_rename(const char *from, const char *to)
{
    if (is_idle) {
        return;
    }
    pthread_mutex_lock(&mutex);
    name_change(RENAMED, from, to, 0);
    pthread_mutex_unlock(&mutex);
}

void shim_note_remove(const char *path)
{
    if (is_idle) {
        return;
    }
    pthread_mutex_lock(&mutex);
    name_change(REMOVED, path, "", 0);
    pthread_mutex_unlock(&mutex);
}

// --- runs

static void forget(void)
{
    for (int i = 0; i < inode_count; i++) {
        for (size_t k = 0; k < inodes[i].change_count; k++) {
            free(inodes[i].changes[k].bytes);
        }
        free(inodes[i].changes);
        free(inodes[i].bytes);
    }
    inode_count = 0;
    live.count = durable.count = change_count = 0;
}

// What is in the folder already is durable.
static void load(const char *folder, int depth)
{
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        char path[PATH_SIZE];
        struct stat st;
        snprintf(path, sizeof path, "%.250s/%.200s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || lstat(path, &st) < 0) {
            continue;
        }
        int inode = S_ISDIR(st.st_mode) ? -1 : inode_new();
        name_set(&live, path, inode);
        name_set(&durable, path, inode);
        if (inode < 0) {
            if (depth > 0) {
                load(path, depth - 1);
            }
            continue;
        }
        FILE *file = fopen(path, "rbe");
        assert(file != NULL);
        resize(&inodes[inode].bytes, &inodes[inode].size, (size_t)st.st_size);
        size_t got = fread(inodes[inode].bytes, 1, inodes[inode].size, file);
        assert(got == inodes[inode].size);
        (void)got;
        fclose(file);
    }
    if (entries != NULL) {
        closedir(entries);
    }
}

void gr_shim_begin(const char *folder, const struct gr_shim_plan *new_plan)
{
    pthread_mutex_lock(&mutex);
    forget();
    if (!new_plan->is_idle) {
        load(folder, 2);
    }
    plan = *new_plan;
    is_idle = plan.is_idle;
    memset(counts, 0, sizeof counts);
    is_reached = is_dead = false;
    watched = folder;
    pthread_mutex_unlock(&mutex);
}

bool gr_shim_end(void)
{
    pthread_mutex_lock(&mutex);
    watched = NULL;
    is_dead = false;
    bool was_reached = is_reached;
    pthread_mutex_unlock(&mutex);
    return was_reached;
}

static void leave_file(const char *path, const struct inode *inode, uint64_t how, uint64_t *seed)
{
    uint8_t *bytes = malloc(inode->size + 1);
    size_t size = inode->size;
    assert(bytes != NULL);
    if (size > 0) {
        memcpy(bytes, inode->bytes, size);
    }
    for (size_t i = 0; i < inode->change_count; i++) {
        apply(&inode->changes[i], &bytes, &size, how, seed);
    }
    FILE *file = fopen(path, "wbe");
    if (file != NULL) { // else its folder was not durable
        size_t put = fwrite(bytes, 1, size, file);
        assert(put == size);
        (void)put;
        fclose(file);
    }
    free(bytes);
}

static int compare_lengths(const void *a, const void *b)
{
    size_t left = strlen(((const struct name *)a)->path);
    size_t right = strlen(((const struct name *)b)->path);
    return (left > right) - (left < right);
}

void gr_shim_remains(const char *from, const char *to, uint64_t seed)
{
    static struct names left;
    uint64_t state = seed;
    left = durable;
    size_t kept = seed == 0 ? 0 : seed == 1 ? change_count : draw(&state) % (change_count + 1);
    for (size_t i = 0; i < kept; i++) {
        name_apply(&left, &changes[i]);
    }
    qsort(left.list, left.count, sizeof left.list[0], compare_lengths); // folders before files
    for (size_t i = 0; i < left.count; i++) {
        char path[2 * PATH_SIZE];
        const char *rest = left.list[i].path + strlen(from);
        snprintf(path, sizeof path, "%s%s", to, rest);
        if (left.list[i].inode < 0) {
            (void)mkdir(path, 0700);
        } else {
            leave_file(path, &inodes[left.list[i].inode], seed, &state);
        }
    }
}
