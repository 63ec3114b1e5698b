// Why nodes are out of use: see notes.h.
#include "daemon/notes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int gr_notes_read(struct gr_pool *pool, struct gr_err *err)
{
    char path[GR_STATE_PATH_SIZE];
    int rc = gr_state_path(pool->dir.path, "notes", path, err);
    FILE *file = rc != 0 ? NULL : fopen(path, "re");
    if (file == NULL) {
        return rc != 0 || errno == ENOENT ? rc : gr_fail_errno(err, "open %s", path);
    }
    char line[512];
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *rest = line;
        const char *name = strsep(&rest, "\t");
        const char *by = strsep(&rest, "\t");
        uint32_t node =
            by == NULL || rest == NULL ? UINT32_MAX : gr_pool_node_find(pool, gr_slice_of(name));
        if (node != UINT32_MAX) {
            pool->nodes[node].is_by_care = strcmp(by, "care") == 0;
            snprintf(pool->nodes[node].why, sizeof pool->nodes[node].why, "%.127s", rest);
        }
    }
    fclose(file);
    return 0;
}

int gr_notes_write(const struct gr_pool *pool, struct gr_err *err)
{
    char path[GR_STATE_PATH_SIZE];
    char beside[GR_STATE_PATH_SIZE];
    int rc = gr_state_path(pool->dir.path, "notes", path, err);
    rc = rc != 0 ? rc : gr_state_path(pool->dir.path, "notes.new", beside, err);
    FILE *file = rc != 0 ? NULL : fopen(beside, "we");
    if (file == NULL) {
        return rc != 0 ? rc : gr_fail_errno(err, "create %s", beside);
    }
    const struct gr_place *place = gr_core_place(pool->core);
    uint32_t count = gr_place_node_count(place);
    for (uint32_t n = 0; n < count; n++) {
        const struct gr_pool_node *node = &pool->nodes[n];
        if (gr_place_node_get(place, n)->state == GR_NODE_UP) {
            continue;
        }
        char why[sizeof node->why];
        snprintf(why, sizeof why, "%s", node->why);
        for (char *at = why; *at != '\0'; at++) {
            *at = (unsigned char)*at < ' ' ? ' ' : *at;
        }
        fprintf(file, "%s\t%s\t%s\n", gr_place_cold_get(place, n)->name,
                node->is_by_care ? "care" : "operator", why);
    }
    bool is_good = fflush(file) == 0 && !ferror(file);
    rc = is_good ? 0 : gr_fail_errno(err, "write %s", beside);
    fclose(file);
    return rc == 0 && rename(beside, path) != 0 ? gr_fail_errno(err, "rename %s", beside) : rc;
}
