// A safe part of YAML as a tree, for files that people write: every node knows its line and column.
//
// Taken: one document of mappings (keys are plain or quoted texts), sequences and scalars, in block
// or flow style. Refused, with file, line and column: anchors, aliases, tags, directives, a second
// document, a key given twice, control characters, invalid UTF-8, nesting deeper than
// GR_YAML_DEPTH_MAX, more than GR_YAML_CHILDREN_MAX entries, files above GR_YAML_SIZE_MAX. A scalar
// is a text; what it means is for the caller's schema to say, which must refuse keys that it does
// not know (gr_yaml_fail).
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Largest file, in bytes.
#define GR_YAML_SIZE_MAX ((size_t)1 << 20)

// Deepest nesting.
#define GR_YAML_DEPTH_MAX 16

// Most entries of one mapping or items of one sequence.
#define GR_YAML_CHILDREN_MAX 10000

// What a node is.
enum gr_yaml_type {
    GR_YAML_SCALAR,
    GR_YAML_SEQUENCE,
    GR_YAML_MAPPING,
};

// A node: an entry of a mapping (then it has a key), an item of a sequence, or the root. Owned by
// its document. Texts are valid UTF-8 without control characters but tab and line feed.
struct gr_yaml_node {
    enum gr_yaml_type type;
    uint32_t line;              // of the value, from 1
    uint32_t column;            // of the value, in characters from 1
    struct gr_slice text;       // of a scalar
    struct gr_slice key;        // of a mapping's entry
    uint32_t key_line;          // of the key; 0 without one
    uint32_t key_column;        // the same
    struct gr_yaml_node *first; // of the entries or items, in the order of the file; NULL if none
    struct gr_yaml_node *next;  // entry or item of the same parent
};

// A document and its nodes. Heap.
struct gr_yaml;

// Reads `path`. On success the caller owns *ret_yaml, whose root exists; on failure (-EINVAL for
// content, other -errno for reading) nothing is left behind. Blocks while reading.
int gr_yaml_open(const char *path, struct gr_yaml **ret_yaml, struct gr_err *err);

// As gr_yaml_open on bytes in memory, borrowed during the call; `name` stands for the file in error
// texts and is copied.
int gr_yaml_open_bytes(const char *name, const char *bytes, size_t size, struct gr_yaml **ret_yaml,
                       struct gr_err *err);

// Releases the document with all nodes. NULL is allowed.
void gr_yaml_close(struct gr_yaml *yaml);

// The root. Borrowed until close.
const struct gr_yaml_node *gr_yaml_root(const struct gr_yaml *yaml);

// The entry of a mapping with this key, or NULL. Borrowed until close.
const struct gr_yaml_node *gr_yaml_find(const struct gr_yaml_node *mapping, const char *key);

// An error about a node's value: `FILE:LINE:COLUMN: ` and the formatted text. Returns -EINVAL.
int gr_yaml_fail(const struct gr_yaml *yaml, const struct gr_yaml_node *node, struct gr_err *err,
                 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

// As gr_yaml_fail, at the node's key.
int gr_yaml_fail_key(const struct gr_yaml *yaml, const struct gr_yaml_node *node,
                     struct gr_err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

// Checks that the node has the type; -EINVAL with "found a list, expected WHAT" if not.
int gr_yaml_expect(const struct gr_yaml *yaml, const struct gr_yaml_node *node,
                   enum gr_yaml_type type, const char *what, struct gr_err *err);

// Checks that a mapping has no keys but `keys` (NULL-terminated); -EINVAL at the first other one,
// with the nearest key that is known.
int gr_yaml_expect_keys(const struct gr_yaml *yaml, const struct gr_yaml_node *mapping,
                        const char *const *keys, struct gr_err *err);
