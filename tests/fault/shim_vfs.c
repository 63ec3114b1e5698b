// The shim as SQLite sees it: a VFS around the system's own. See shim.h.
#include "shim.h"
#include "shim_disk.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

// A file of SQLite's: ours, then the system's own.
struct file {
    sqlite3_file base;
    char *path;        // NULL: not watched
    bool is_new_log;   // its folder is synced with its first sync
    sqlite3_file real; // must be last: it is larger than its type
};

static sqlite3_vfs *system_vfs;

static struct file *file_of(sqlite3_file *base)
{
    return (struct file *)(void *)base;
}

static sqlite3_file *real_of(sqlite3_file *base)
{
    return &file_of(base)->real;
}

// SQLite's code for what the plan says.
static int code_for(int code, int io_code)
{
    return code == ENOSPC && io_code == SQLITE_IOERR_WRITE ? SQLITE_FULL : io_code;
}

static int file_close(sqlite3_file *base)
{
    int rc = real_of(base)->pMethods->xClose(real_of(base));
    free(file_of(base)->path);
    return rc;
}

static int file_read(sqlite3_file *base, void *bytes, int size, sqlite3_int64 offset)
{
    if (shim_fails(GR_SHIM_READ, file_of(base)->path) != 0) {
        return SQLITE_IOERR_READ;
    }
    return real_of(base)->pMethods->xRead(real_of(base), bytes, size, offset);
}

static int file_write(sqlite3_file *base, const void *bytes, int size, sqlite3_int64 offset)
{
    const struct file *file = file_of(base);
    int code = shim_fails(GR_SHIM_WRITE, file->path);
    if (code != 0) {
        return code_for(code, SQLITE_IOERR_WRITE);
    }
    shim_note_write(file->path, bytes, (size_t)size, (uint64_t)offset);
    return real_of(base)->pMethods->xWrite(real_of(base), bytes, size, offset);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    if (shim_fails(GR_SHIM_TRUNCATE, file_of(base)->path) != 0) {
        return SQLITE_IOERR_TRUNCATE;
    }
    shim_note_truncate(file_of(base)->path, (uint64_t)size);
    return real_of(base)->pMethods->xTruncate(real_of(base), size);
}

// The system's sync is left out: nobody pulls the plug while the test runs.
static int file_sync(sqlite3_file *base, int flags)
{
    struct file *file = file_of(base);
    (void)flags;
    if (shim_fails(GR_SHIM_SYNC, file->path) != 0) {
        return SQLITE_IOERR_FSYNC;
    }
    shim_note_sync(file->path);
    if (file->is_new_log) {
        shim_note_sync_dir_of(file->path);
        file->is_new_log = false;
    }
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    return real_of(base)->pMethods->xFileSize(real_of(base), size);
}

static int file_lock(sqlite3_file *base, int level)
{
    return real_of(base)->pMethods->xLock(real_of(base), level);
}

static int file_unlock(sqlite3_file *base, int level)
{
    return real_of(base)->pMethods->xUnlock(real_of(base), level);
}

static int file_check_lock(sqlite3_file *base, int *is_locked)
{
    return real_of(base)->pMethods->xCheckReservedLock(real_of(base), is_locked);
}

// Hints by which SQLite would write past this shim are not passed on.
static int file_control(sqlite3_file *base, int op, void *argument)
{
    if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE ||
        op == SQLITE_FCNTL_MMAP_SIZE) {
        return SQLITE_OK;
    }
    return real_of(base)->pMethods->xFileControl(real_of(base), op, argument);
}

static int file_sector(sqlite3_file *base)
{
    return real_of(base)->pMethods->xSectorSize(real_of(base));
}

static int file_traits(sqlite3_file *base)
{
    return real_of(base)->pMethods->xDeviceCharacteristics(real_of(base)) &
           ~SQLITE_IOCAP_BATCH_ATOMIC;
}

static int file_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **map)
{
    if (shim_fails(GR_SHIM_MAP, file_of(base)->path) != 0) {
        return SQLITE_IOERR_SHMMAP;
    }
    return real_of(base)->pMethods->xShmMap(real_of(base), region, size, extend, map);
}

static int file_shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    return real_of(base)->pMethods->xShmLock(real_of(base), offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *base)
{
    real_of(base)->pMethods->xShmBarrier(real_of(base));
}

static int file_shm_unmap(sqlite3_file *base, int remove)
{
    return real_of(base)->pMethods->xShmUnmap(real_of(base), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, // no memory mapping
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags,
                    int *ret_flags)
{
    struct file *file = file_of(base);
    (void)vfs;
    memset(file, 0, sizeof *file);
    bool is_watched = name != NULL && shim_watches(name);
    if (is_watched && shim_fails(GR_SHIM_OPEN, name) != 0) {
        return SQLITE_CANTOPEN;
    }
    bool is_new = is_watched && (flags & SQLITE_OPEN_CREATE) != 0 && !shim_exists(name);
    int rc = system_vfs->xOpen(system_vfs, name, &file->real, flags, ret_flags);
    if (rc != SQLITE_OK) {
        return rc;
    }
    if (is_new) {
        shim_note_create(name);
        file->is_new_log = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    }
    file->path = is_watched ? strdup(name) : NULL;
    file->base.pMethods = &methods;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    bool is_watched = shim_watches(name);
    if (is_watched && shim_fails(GR_SHIM_NAME, name) != 0) {
        return SQLITE_IOERR_DELETE;
    }
    int rc = system_vfs->xDelete(system_vfs, name, 0);
    if (rc == SQLITE_OK && is_watched) {
        shim_note_remove(name);
        if (sync_dir != 0) {
            shim_note_sync_dir_of(name);
        }
    }
    return rc;
}

void gr_shim_install(void)
{
    static sqlite3_vfs vfs;
    system_vfs = sqlite3_vfs_find(NULL);
    assert(system_vfs != NULL);
    vfs = *system_vfs; // what is not replaced calls the system's own, which asks for no instance
    vfs.pNext = NULL;
    vfs.zName = "granary-shim";
    vfs.szOsFile = (int)sizeof(struct file) + system_vfs->szOsFile;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    int rc = sqlite3_vfs_register(&vfs, 1);
    assert(rc == SQLITE_OK);
    (void)rc;
}
