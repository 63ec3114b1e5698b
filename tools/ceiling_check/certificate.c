// Reads certificates: see certificate.h. Must never accept two texts for one certificate.
#include "certificate.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool refuse(struct reason *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof why->text, format, arguments);
    va_end(arguments);
    return false;
}

// ---- words and numbers --------------------------------------------------------------------------

bool cursor_word(struct cursor *cursor, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(cursor->end - cursor->at) < size || memcmp(cursor->at, word, size) != 0) {
        return false;
    }
    cursor->at += size;
    cursor->line += size > 0 && word[size - 1] == '\n';
    return true;
}

static unsigned digit_of(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return (unsigned)(byte - '0');
    }
    return byte >= 'a' && byte <= 'f' ? (unsigned)(byte - 'a') + 10 : 99;
}

bool cursor_number(struct cursor *cursor, unsigned base, uint64_t max, const char *after,
                   uint64_t *ret_value)
{
    const char *from = cursor->at;
    uint64_t value = 0;
    for (; cursor->at < cursor->end && digit_of(*cursor->at) < base; cursor->at++) {
        if (cursor->at > from && *from == '0') {
            return false;
        }
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit_of(*cursor->at), &value) || value > max) {
            return false;
        }
    }
    if (cursor->at == from || !cursor_word(cursor, after)) {
        return false;
    }
    *ret_value = value;
    return true;
}

static bool number(struct cursor *cursor, uint64_t max, const char *after, uint64_t *ret_value)
{
    return cursor_number(cursor, 10, max, after, ret_value);
}

static bool integer(struct cursor *cursor, uint64_t max, const char *after, int64_t *ret_value)
{
    uint64_t value = 0;
    assert(max <= INT64_MAX);
    if (!cursor_number(cursor, 10, max, after, &value)) {
        return false;
    }
    *ret_value = (int64_t)value;
    return true;
}

// ---- records ------------------------------------------------------------------------------------

static bool read_node(struct cursor *cursor, struct node_type *node)
{
    return cursor_word(cursor, "node ") && number(cursor, 63, " ", &node->model) &&
           number(cursor, DEVICES_MAX, " ", &node->devices) &&
           number(cursor, AMOUNT_MAX, " ", &node->cpu) &&
           number(cursor, AMOUNT_MAX, " ", &node->memory) &&
           number(cursor, NODES_MAX, " ", &node->count) &&
           integer(cursor, AMOUNT_MAX, " ", &node->unit) &&
           integer(cursor, DUAL_MAX, " ", &node->mu) && integer(cursor, DUAL_MAX, "\n", &node->z) &&
           node->unit >= 1 && node->cpu / (uint64_t)node->unit <= STEPS_MAX;
}

static bool read_demand(struct cursor *cursor, struct demand *demand)
{
    return cursor_word(cursor, "demand ") && number(cursor, DEVICES_MAX, " ", &demand->devices) &&
           number(cursor, 1000, " ", &demand->milli) &&
           number(cursor, AMOUNT_MAX, " ", &demand->cpu) &&
           number(cursor, AMOUNT_MAX, " ", &demand->memory) &&
           cursor_number(cursor, 16, UINT64_MAX, " ", &demand->models) &&
           number(cursor, AMOUNT_MAX, " ", &demand->count) &&
           integer(cursor, DUAL_MAX, "\n", &demand->y) && demand->devices >= 1 &&
           demand->milli >= 1 && (demand->devices == 1 || demand->milli == 1000);
}

static bool read_cut(struct cursor *cursor, int demand_count, struct cut *cut)
{
    return demand_count > 0 && cursor_word(cursor, "cut ") &&
           number(cursor, (uint64_t)demand_count - 1, " ", &cut->pivot) &&
           number(cursor, 2, " ", &cut->kind) && integer(cursor, AMOUNT_MAX, " ", &cut->beta) &&
           integer(cursor, DUAL_MAX, " ", &cut->limit) &&
           integer(cursor, DUAL_MAX, "\n", &cut->price);
}

static bool read_head(struct cursor *cursor, struct certificate *certificate)
{
    uint64_t types = 0, demands = 0, cuts = 0;
    if (!cursor_word(cursor, "granary-ceiling 1\n") || !cursor_word(cursor, "instance ") ||
        !number(cursor, NODE_TYPES_MAX, " ", &types) ||
        !number(cursor, DEMANDS_MAX, " ", &demands) || !number(cursor, CUTS_MAX, " ", &cuts) ||
        !integer(cursor, AMOUNT_MAX, " ", &certificate->event_count) ||
        !integer(cursor, SCALE_MAX, "\n", &certificate->scale) || certificate->event_count < 1 ||
        certificate->scale < 1) {
        return false;
    }
    certificate->type_count = (int)types;
    certificate->demand_count = (int)demands;
    certificate->cut_count = (int)cuts;
    return true;
}

static bool read_records(struct cursor *cursor, struct certificate *certificate,
                         struct reason *ret_why)
{
    for (int t = 0; t < certificate->type_count; t++) {
        if (!read_node(cursor, &certificate->types[t])) {
            return refuse(ret_why, "line %d: expected a node", cursor->line);
        }
    }
    for (int j = 0; j < certificate->demand_count; j++) {
        if (!read_demand(cursor, &certificate->demands[j])) {
            return refuse(ret_why, "line %d: expected a demand", cursor->line);
        }
    }
    for (int c = 0; c < certificate->cut_count; c++) {
        if (!read_cut(cursor, certificate->demand_count, &certificate->cuts[c])) {
            return refuse(ret_why, "line %d: expected a cut", cursor->line);
        }
    }
    if (!cursor_word(cursor, "bound ") || !integer(cursor, INT64_MAX, "\n", &certificate->bound) ||
        !cursor_word(cursor, "end\n") || cursor->at != cursor->end) {
        return refuse(ret_why, "line %d: expected the bound and the end", cursor->line);
    }
    return true;
}

bool certificate_read(const char *text, size_t size, struct certificate *ret_certificate,
                      struct reason *ret_why)
{
    struct cursor cursor = {.at = text, .end = text + size, .line = 1};
    struct certificate read = {0};
    if (!read_head(&cursor, &read)) {
        return refuse(ret_why, "line %d: expected the head of a certificate", cursor.line);
    }
    read.types = calloc((size_t)read.type_count + 1, sizeof *read.types);
    read.demands = calloc((size_t)read.demand_count + 1, sizeof *read.demands);
    read.cuts = calloc((size_t)read.cut_count + 1, sizeof *read.cuts);
    bool is_read = read.types != NULL && read.demands != NULL && read.cuts != NULL
                       ? read_records(&cursor, &read, ret_why)
                       : refuse(ret_why, "not enough memory");
    if (!is_read) {
        certificate_done(&read);
        return false;
    }
    *ret_certificate = read;
    return true;
}

void certificate_done(struct certificate *certificate)
{
    free(certificate->types);
    free(certificate->demands);
    free(certificate->cuts);
    *certificate = (struct certificate){0};
}
