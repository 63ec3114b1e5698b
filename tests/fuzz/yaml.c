// Fuzzes the YAML reader: any bytes either become a tree whose nodes say where they stand, or fail
// with a text that names line and column.
#include "fuzz.h"

#include "base/utf8.h"
#include "base/yaml.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

static void check_text(struct gr_slice text)
{
    assert(text.size == 0 || text.text != NULL);
    assert(gr_utf8_check(text.text, text.size) == text.size);
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.text[i];
        assert(byte >= 0x20 || byte == '\t' || byte == '\n');
    }
}

static void check_node(const struct gr_yaml_node *node, unsigned depth)
{
    assert(depth <= GR_YAML_DEPTH_MAX || node->type == GR_YAML_SCALAR);
    assert(node->line >= 1 && node->column >= 1);
    check_text(node->text);
    check_text(node->key);
    assert(node->type != GR_YAML_SCALAR || node->first == NULL);
    for (const struct gr_yaml_node *child = node->first; child != NULL; child = child->next) {
        if (node->type == GR_YAML_MAPPING) {
            assert(child->key_line >= 1 && child->key_column >= 1);
            for (const struct gr_yaml_node *other = child->next; other; other = other->next) {
                assert(!gr_slice_equal(child->key, other->key));
            }
        }
        check_node(child, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_err err = {0};
    struct gr_yaml *yaml = NULL;
    int rc = gr_yaml_open_bytes("input", (const char *)data, size, &yaml, &err);
    if (rc < 0) {
        unsigned line = 0;
        unsigned column = 0;
        assert(yaml == NULL);
        assert(rc == -EINVAL && err.code == rc);
        assert(sscanf(err.text, "input:%u:%u: ", &line, &column) == 2);
        assert(line >= 1 && column >= 1);
        return 0;
    }
    assert(yaml != NULL && gr_yaml_root(yaml) != NULL);
    check_node(gr_yaml_root(yaml), 1);
    gr_yaml_close(yaml);
    return 0;
}
