// Paths of requests: see path.h.
#include "client/path.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put(struct gr_client_path *path, const char *text, size_t size)
{
    if (size >= sizeof path->text - path->size) {
        path->is_cut = true;
        return;
    }
    memcpy(path->text + path->size, text, size);
    path->size += size;
    path->text[path->size] = '\0';
}

static void put_escaped(struct gr_client_path *path, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (; *text != '\0'; text++) {
        char escaped[4];
        if (strchr(plain, *text) != NULL) {
            put(path, text, 1);
        } else {
            snprintf(escaped, sizeof escaped, "%%%02X", (unsigned)(unsigned char)*text);
            put(path, escaped, 3);
        }
    }
}

void gr_client_path_init(struct gr_client_path *path, const char *start)
{
    assert(path != NULL && start[0] == '/');
    path->size = 0;
    path->text[0] = '\0';
    path->is_cut = false;
    path->has_query = strchr(start, '?') != NULL;
    put(path, start, strlen(start));
}

void gr_client_path_add(struct gr_client_path *path, const char *segment)
{
    assert(!path->has_query);
    put(path, "/", 1);
    put_escaped(path, segment);
}

void gr_client_path_add_id(struct gr_client_path *path, uint64_t id)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, id);
    gr_client_path_add(path, text);
}

void gr_client_path_query(struct gr_client_path *path, const char *name, const char *value)
{
    if (value != NULL) {
        put(path, path->has_query ? "&" : "?", 1);
        path->has_query = true;
        put(path, name, strlen(name));
        put(path, "=", 1);
        put_escaped(path, value);
    }
}

void gr_client_path_query_int(struct gr_client_path *path, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    gr_client_path_query(path, name, text);
}
