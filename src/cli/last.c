// The job submitted last from this terminal, in a small file of the user's: see reference.h.
//
// A file a terminal, in the user's own state directory; it holds daemon, session and job, so that a
// terminal whose number was used before, or another daemon, is never taken for the same.
#include "base/number.h"
#include "cli/reference.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_SIZE = 2048, PATH_SIZE = 1024 };

// The terminal's name with '-' for '/': "pts-3". False without a terminal.
static bool terminal_name(char *name, size_t size)
{
    static const int fds[] = {STDERR_FILENO, STDIN_FILENO, STDOUT_FILENO};
    char path[256];
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (ttyname_r(fds[i], path, sizeof path) == 0 && strncmp(path, "/dev/", 5) == 0) {
            int wrote = snprintf(name, size, "last-%s", path + 5);
            for (char *c = name; *c != '\0'; c++) {
                *c = *c == '/' ? '-' : *c;
            }
            return wrote > 0 && (size_t)wrote < size;
        }
    }
    return false;
}

// Opens the folder of the user's state, making what is missing. -1 if that cannot be.
static int open_folder(bool make)
{
    static const char *const below_home[] = {".local", "state", "granary", NULL};
    static const char *const below_state[] = {"granary", NULL};
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    bool has_state = state != NULL && state[0] == '/';
    const char *const *parts = has_state ? below_state : below_home;
    if (!has_state && (home == NULL || home[0] != '/')) {
        return -1;
    }
    int fd = open(has_state ? state : home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (; fd >= 0 && *parts != NULL; parts++) {
        if (make) {
            (void)mkdirat(fd, *parts, 0700);
        }
        int next = openat(fd, *parts, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        close(fd);
        fd = next;
    }
    return fd;
}

void gr_cli_last_set(const struct gr_client *client, uint64_t id)
{
    char name[128];
    char temporary[160];
    char text[TEXT_SIZE];
    int folder;
    if (!terminal_name(name, sizeof name) || (folder = open_folder(true)) < 0) {
        return;
    }
    int size = snprintf(text, sizeof text, "%s\n%d\n%" PRIu64 "\n", gr_client_where(client),
                        (int)getsid(0), id);
    snprintf(temporary, sizeof temporary, "%s.%d", name, (int)getpid());
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        bool is_whole = size > 0 && (size_t)size < sizeof text && write(fd, text, size) == size;
        close(fd);
        if (!is_whole || renameat(folder, temporary, folder, name) < 0) {
            (void)unlinkat(folder, temporary, 0);
        }
    }
    close(folder);
}

uint64_t gr_cli_last_get(const struct gr_client *client)
{
    char name[128];
    char text[TEXT_SIZE] = "";
    char wanted[TEXT_SIZE];
    int folder;
    int64_t id = 0;
    if (!terminal_name(name, sizeof name) || (folder = open_folder(false)) < 0) {
        return 0;
    }
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    close(folder);
    if (fd < 0) {
        return 0;
    }
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    int size = snprintf(wanted, sizeof wanted, "%s\n%d\n", gr_client_where(client), (int)getsid(0));
    if (got > size && size > 0 && memcmp(text, wanted, (size_t)size) == 0) {
        struct gr_slice number = {text + size, strcspn(text + size, "\n")};
        (void)gr_number_read_int(number, 1, INT64_MAX, &id);
    }
    return (uint64_t)id;
}
