// `granary backup` and `granary restore`: see journal.h and docs/operate/backup.md.
#include "base/file.h"
#include "cli/cli.h"
#include "cli/journal.h"
#include "cli/remote.h"
#include "cli/start.h"
#include "daemon/state_dir.h"
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// What a pool needs besides its journal, and who may read it. Snapshots are made anew.
static const struct {
    const char *name;
    mode_t mode;
} files[] = {{"salt", 0600},
             {"tokens", 0600},
             {"operator.token", 0600},
             {"limits.json", 0644},
             {"devices", 0644}};

// Copies a small file, durably. -ENOENT if there is none.
static int copy_file(const char *from, const char *to, mode_t mode, struct gr_err *err)
{
    char bytes[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0) {
        return gr_fail_errno(err, "open %s", from);
    }
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    int rc = out < 0 ? gr_fail_errno(err, "create %s", to) : 0;
    ssize_t got = 0;
    while (rc == 0 && (got = read(in, bytes, sizeof bytes)) > 0) {
        if (gr_file_write_all(out, bytes, (size_t)got) < 0) {
            rc = gr_fail_errno(err, "write %s", to);
        }
    }
    if (rc == 0 && got < 0) {
        rc = gr_fail_errno(err, "read %s", from);
    }
    if (rc == 0 && fsync(out) != 0) {
        rc = gr_fail_errno(err, "sync %s", to);
    }
    close(in);
    if (out >= 0) {
        close(out);
    }
    return rc;
}

static int copy_files(const char *from, const char *to, struct gr_err *err)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char source[GR_STATE_PATH_SIZE];
        char target[GR_STATE_PATH_SIZE];
        int rc = gr_state_path(from, files[i].name, source, err);
        rc = rc != 0 ? rc : gr_state_path(to, files[i].name, target, err);
        rc = rc != 0 ? rc : copy_file(source, target, files[i].mode, err);
        if (rc != 0 && rc != -ENOENT) {
            return rc;
        }
    }
    return 0;
}

// Takes away what a copy that failed has left in a directory that it made itself, so that it can be
// tried again. The journal does so with its own part; a directory that holds more stays.
static void forget(const char *dir)
{
    char path[GR_STATE_PATH_SIZE];
    struct gr_err ignored;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (gr_state_path(dir, files[i].name, path, &ignored) == 0) {
            (void)unlink(path);
        }
    }
    if (gr_state_path(dir, "lock", path, &ignored) == 0) {
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

struct backup_options {
    const char *state;
    bool is_dry;
    char dir[GR_STATE_PATH_SIZE], journal[GR_STATE_PATH_SIZE], other[GR_STATE_PATH_SIZE];
};

static int find_dirs(struct backup_options *options, const char *other, struct gr_err *err)
{
    int rc = 0;
    if (options->state == NULL) {
        rc = gr_state_default(options->dir, err);
    } else if (snprintf(options->dir, sizeof options->dir, "%s", options->state) >=
               (int)sizeof options->dir) {
        rc = gr_fail(err, -ENAMETOOLONG, "%s: the path is too long", options->state);
    }
    rc = rc != 0 ? rc : gr_state_path(options->dir, "journal", options->journal, err);
    return rc != 0 ? rc : gr_state_path(other, "journal", options->other, err);
}

static int back_up(struct backup_options *options, const char *to, struct gr_err *err)
{
    if (options->is_dry) {
        return access(to, F_OK) == 0 ? gr_fail(err, -EEXIST, "%s is there already", to)
               : access(options->journal, F_OK) != 0
                   ? gr_fail_errno(err, "find the journal %s", options->journal)
                   : 0;
    }
    if (mkdir(to, 0700) != 0) {
        return gr_fail_errno(err, "make directory %s", to);
    }
    int rc = gr_journal_backup(options->journal, options->other, err);
    rc = rc != 0 ? rc : copy_files(options->dir, to, err);
    if (rc != 0) {
        forget(to);
    }
    return rc;
}

// Fills the directory of `options` with what the backup holds.
static int fill(const struct backup_options *options, const char *from, struct gr_err *err)
{
    struct gr_state_dir dir;
    int rc = copy_files(from, options->dir, err);
    rc = rc != 0 ? rc : gr_state_dir_open(options->dir, &dir, err);
    if (rc != 0) {
        return rc;
    }
    rc = gr_journal_restore(options->other, options->journal, err);
    gr_state_dir_close(&dir);
    return rc;
}

static int restore(struct backup_options *options, const char *from, struct gr_err *err)
{
    if (access(options->journal, F_OK) == 0) {
        return gr_fail(err, -EEXIST,
                       "%s holds a journal already; restore into a new directory, or "
                       "move the old one away first",
                       options->dir);
    }
    if (access(options->other, F_OK) != 0) {
        return gr_fail(err, -ENOENT, "%s: there is no journal here", options->other);
    }
    if (options->is_dry) {
        struct gr_journal_verified found;
        return gr_journal_verify(options->other, NULL, NULL, &found, err);
    }
    // The salt comes from the backup, so it must be there before the directory is opened as a pool.
    bool is_made = mkdir(options->dir, 0711) == 0;
    if (!is_made && errno != EEXIST) {
        return gr_fail_errno(err, "make directory %s", options->dir);
    }
    int rc = fill(options, from, err);
    if (rc != 0 && is_made) {
        forget(options->dir);
    }
    return rc;
}

// What went wrong as an exit code (docs/cli.md). What gr_cli_fail knows of is a matter of the
// machine; here files have their own meaning.
static int exit_of(const char *name, const struct gr_err *err)
{
    int code = gr_cli_fail(name, err);
    switch (-err->code) {
    case ENOENT:
        return GR_EXIT_NOT_FOUND;
    case EACCES:
    case EPERM:
        return GR_EXIT_REFUSED;
    case EEXIST:
    case EBUSY:
        return GR_EXIT_CONFLICT;
    case EBADMSG:
    case ENODATA:
    case EROFS:
        return GR_EXIT_FAILED;
    default:
        return code;
    }
}

static int run_either(int argc, char **argv, bool is_backup)
{
    struct backup_options options = {0};
    const char *name = is_backup ? "backup" : "restore";
    const struct gr_option table[] = {
        {.name = "state",
         .type = GR_OPTION_TEXT,
         .value = "DIR",
         .store = &options.state,
         .help = "Directory of the pool. Root: /var/lib/granary; else ~/.local/state/granary."},
        GR_CLI_DRY_RUN_OPTION(&options.is_dry),
        {0}};
    const struct gr_options command = {
        .usage = is_backup ? "backup [--state DIR] TO" : "restore [--state DIR] FROM",
        .about =
            is_backup
                ? "Copies a pool's journal with its sealed parts, limits, salt and tokens to "
                  "the new directory TO, as of one moment, beside a running daemon. The copy "
                  "is verified. Logs of jobs are not copied."
                : "Makes a state directory from a backup. The copy is verified first. The next "
                  "daemon writes under an epoch far above the backup's, so that a daemon "
                  "that still runs on the original is refused by engines.",
        .options = table,
        .operands_min = 1,
        .operands_max = 1,
        .operands = is_backup ? "the directory to make" : "the directory of the backup"};
    size_t operands;
    int code;
    struct gr_err err;
    if (!gr_cli_start(&command, argc, argv, &operands, &code)) {
        return code;
    }
    int rc = find_dirs(&options, argv[1], &err);
    rc = rc != 0     ? rc
         : is_backup ? back_up(&options, argv[1], &err)
                     : restore(&options, argv[1], &err);
    if (rc != 0) {
        return exit_of(name, &err);
    }
    if (options.is_dry) {
        printf(is_backup ? "%s: would be copied to %s\n"
                         : "%s: would be restored from %s, which is well\n",
               options.dir, argv[1]);
        return gr_cli_finish(name);
    }
    printf(is_backup ? "%s: a verified copy is in %s\n" : "%s: restored from %s\n", options.dir,
           argv[1]);
    return gr_cli_finish(name);
}

static int run_backup(int argc, char **argv)
{
    return run_either(argc, argv, true);
}

static int run_restore(int argc, char **argv)
{
    return run_either(argc, argv, false);
}

const struct gr_command gr_cli_backup = {
    .name = "backup", .summary = "copy a pool's history while it runs", .run = run_backup};
const struct gr_command gr_cli_restore = {
    .name = "restore", .summary = "make a state directory from a backup", .run = run_restore};
