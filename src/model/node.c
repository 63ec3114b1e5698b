// What is free in a node: see node.h. Must never leave `whole` and `widest` behind `free`.
#include "model/node.h"

#include <stddef.h>
#include <string.h>

typedef uint16_t eight __attribute__((vector_size(16)));
static_assert(GR_NODE_DEVICES_MAX == 16, "a row of devices is two vectors");

// Eight devices at a time: this runs for every piece that is taken or given back.
void gr_node_summarise(struct gr_node *node)
{
    assert(node != NULL);
    const uint16_t m = GR_DEVICE_MILLI;
    const eight all = {m, m, m, m, m, m, m, m};
    eight low, high;
    memcpy(&low, node->free, sizeof low);
    memcpy(&high, node->free + 8, sizeof high);
    eight whole = (eight)(low == all) + (eight)(high == all); // each match counts -1
    eight higher = (eight)(high > low);
    eight widest = (high & higher) | (low & ~higher);
    uint16_t count = 0, most = 0;
    for (unsigned i = 0; i < 8; i++) {
        count = (uint16_t)(count - whole[i]);
        most = widest[i] > most ? widest[i] : most;
    }
    assert(most <= GR_DEVICE_MILLI);
    node->whole = (uint8_t)count;
    node->widest = most;
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
