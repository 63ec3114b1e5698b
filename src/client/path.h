// Paths of requests, percent-encoded piece by piece, so that no name can become a path or a query.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of a path with its query, NUL included.
#define GR_CLIENT_PATH_SIZE 8192

// A path in the making. The caller's memory; begun by gr_client_path_init.
struct gr_client_path {
    char text[GR_CLIENT_PATH_SIZE]; // NUL-terminated
    size_t size;                    // bytes of `text` before its NUL
    bool has_query;                 // a '?' was written
    bool is_cut; // something did not fit: the request will be refused with -ENAMETOOLONG
};

// Begins with `start` as it is ("/v1/jobs").
void gr_client_path_init(struct gr_client_path *path, const char *start);
// Adds "/" and a segment, in which everything but letters, digits and "-._~" is percent-encoded.
void gr_client_path_add(struct gr_client_path *path, const char *segment);
// As gr_client_path_add, of a number.
void gr_client_path_add_id(struct gr_client_path *path, uint64_t id);
// Adds a query parameter; `name` as it is, `value` percent-encoded. NULL: adds nothing.
void gr_client_path_query(struct gr_client_path *path, const char *name, const char *value);
// As gr_client_path_query, of a number.
void gr_client_path_query_int(struct gr_client_path *path, const char *name, int64_t value);
