// What is free in a node: see node.h. Must never leave `whole` and `widest` behind `free`.
#include "model/node.h"

#include <stddef.h>

void gr_node_summarise(struct gr_node *node)
{
    assert(node != NULL);
    unsigned whole = 0;
    uint16_t widest = 0;
    for (unsigned i = 0; i < GR_NODE_DEVICES_MAX; i++) {
        assert(node->free[i] <= GR_DEVICE_MILLI);
        whole += node->free[i] == GR_DEVICE_MILLI;
        widest = node->free[i] > widest ? node->free[i] : widest;
    }
    node->whole = (uint8_t)whole;
    node->widest = widest;
}

// True if the piece is free, whatever the node's state.
static bool has_free(const struct gr_node *node, const struct gr_piece *piece)
{
    if (node->cpu_milli < piece->cpu_milli || node->memory_mib < piece->memory_mib) {
        return false;
    }
    for (unsigned bits = piece->devices; bits != 0; bits &= bits - 1) {
        if (node->free[__builtin_ctz(bits)] < piece->milli) {
            return false;
        }
    }
    return true;
}

bool gr_node_can_take(const struct gr_node *node, const struct gr_piece *piece)
{
    assert(node != NULL);
    assert(piece != NULL);
    return node->state == GR_NODE_UP && has_free(node, piece);
}

void gr_node_take(struct gr_node *node, const struct gr_piece *piece)
{
    assert(node != NULL);
    assert(piece != NULL);
    assert(has_free(node, piece));
    node->cpu_milli -= piece->cpu_milli;
    node->memory_mib -= piece->memory_mib;
    for (unsigned bits = piece->devices; bits != 0; bits &= bits - 1) {
        unsigned i = (unsigned)__builtin_ctz(bits);
        node->free[i] = (uint16_t)(node->free[i] - piece->milli);
    }
    gr_node_summarise(node);
}

void gr_node_give(struct gr_node *node, const struct gr_piece *piece)
{
    assert(node != NULL);
    assert(piece != NULL);
    node->cpu_milli += piece->cpu_milli;
    node->memory_mib += piece->memory_mib;
    for (unsigned bits = piece->devices; bits != 0; bits &= bits - 1) {
        unsigned i = (unsigned)__builtin_ctz(bits);
        assert(i < node->devices);
        assert(node->free[i] + piece->milli <= GR_DEVICE_MILLI);
        node->free[i] = (uint16_t)(node->free[i] + piece->milli);
    }
    gr_node_summarise(node);
}
