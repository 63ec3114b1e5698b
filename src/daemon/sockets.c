// Paths of the daemon's unix sockets: see sockets.h.
#include "daemon/sockets.h"

#include "daemon/serve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int gr_serve_socket_default(const char *state_dir, char ret_path[GR_STATE_PATH_SIZE],
                            struct gr_err *err)
{
    char standard[GR_STATE_PATH_SIZE];
    // The system's pool has the system's socket; every other pool keeps its own beside its state.
    if (geteuid() == 0 && gr_state_default(standard, NULL) == 0 &&
        strcmp(standard, state_dir) == 0) {
        return gr_state_path("/run/granary", "granary.sock", ret_path, err);
    }
    return gr_state_path(state_dir, "granary.sock", ret_path, err);
}

static int make_run_dir(const char *socket, struct gr_err *err)
{
    char dir[GR_STATE_PATH_SIZE];
    snprintf(dir, sizeof dir, "%s", socket);
    char *slash = strrchr(dir, '/');
    if (slash == NULL || slash == dir) {
        return 0;
    }
    *slash = '\0';
    return mkdir(dir, 0755) == 0 || errno == EEXIST ? 0 : gr_fail_errno(err, "make %s", dir);
}

// How jobs are told: by an absolute path, for they run in other directories.
static int find_server(struct gr_sockets *sockets, struct gr_err *err)
{
    char here[GR_STATE_PATH_SIZE] = "";
    if (sockets->path[0] != '/' && getcwd(here, sizeof here) == NULL) {
        return gr_fail_errno(err, "find out where the socket %s is", sockets->path);
    }
    int size = snprintf(sockets->server, sizeof sockets->server, "unix:%s%s%s", here,
                        here[0] == '\0' ? "" : "/", sockets->path);
    if (size < 0 || (size_t)size >= sizeof sockets->server) {
        return gr_fail(err, -ENAMETOOLONG, "%s/%s: the path is too long", here, sockets->path);
    }
    return 0;
}

static void make_door(const char *state_dir, struct gr_sockets *sockets)
{
    if (gr_state_path(state_dir, "engine/door", sockets->door, NULL) != 0 ||
        gr_state_path(sockets->door, "granary.sock", sockets->door_path, NULL) != 0 ||
        (mkdir(sockets->door, 0711) != 0 && errno != EEXIST)) {
        sockets->door[0] = sockets->door_path[0] = '\0';
    }
}

int gr_sockets_find(const char *state_dir, const char *socket, bool has_door,
                    struct gr_sockets *ret_sockets, struct gr_err *err)
{
    *ret_sockets = (struct gr_sockets){.path = ""};
    int rc = 0;
    if (socket == NULL) {
        rc = gr_serve_socket_default(state_dir, ret_sockets->path, err);
        rc = rc != 0 ? rc : make_run_dir(ret_sockets->path, err);
    } else {
        (void)snprintf(ret_sockets->path, sizeof ret_sockets->path, "%s", socket);
    }
    if (rc != 0 || ret_sockets->path[0] == '\0') {
        return rc;
    }
    if (has_door) {
        make_door(state_dir, ret_sockets);
    }
    return find_server(ret_sockets, err);
}
