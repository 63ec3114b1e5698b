// Health: the tables of codes and classes, read once from the shipped files, and the record of what
// is held against a device.
#include "device/health.h"

#include "base/csv.h"
#include "device/shipped.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { CODES_MAX = 256 };

static const char *const class_words[] = {"good", "app", "watch", "reset", "repair", "gone", NULL};
static const char *const yes_words[] = {"no", "yes", NULL};

struct code_row {
    char vendor[GR_NAME_SIZE]; // "any" for all
    char code[GR_HEALTH_CODE_SIZE];
    enum gr_health health;
};

struct class_row {
    struct gr_health_effect effect;
    uint64_t fades_ms; // 0: stays
};

// Written once under `once`, then only read.
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct code_row codes[CODES_MAX];
static size_t code_count;
static struct class_row classes[GR_HEALTHS];

static bool get_yes(const struct gr_csv *csv, size_t column)
{
    size_t index = 0;
    int rc = gr_csv_get_word(csv, column, yes_words, &index, NULL);
    assert(rc == 0);
    return index == 1;
}

static void read_class(const struct gr_csv *csv)
{
    size_t health = 0;
    int64_t fades_s = 0;
    int rc = gr_csv_get_word(csv, 0, class_words, &health, NULL);
    assert(rc == 0);
    if (!gr_csv_is_blank(csv, 4)) {
        rc = gr_csv_get_int(csv, 4, 1, 86400, &fades_s, NULL);
        assert(rc == 0);
    }
    classes[health].effect = (struct gr_health_effect){
        .takes_new = get_yes(csv, 1),
        .stops_running = get_yes(csv, 2),
        .drains_node = get_yes(csv, 3),
    };
    classes[health].fades_ms = (uint64_t)fades_s * 1000;
}

static void read_code(const struct gr_csv *csv)
{
    assert(code_count < CODES_MAX);
    struct code_row *row = &codes[code_count++];
    size_t health = 0;
    int rc = gr_csv_get_text(csv, 0, row->vendor, sizeof row->vendor, NULL);
    assert(rc == 0);
    rc = gr_csv_get_text(csv, 1, row->code, sizeof row->code, NULL);
    assert(rc == 0);
    rc = gr_csv_get_word(csv, 2, class_words, &health, NULL);
    assert(rc == 0);
    row->health = (enum gr_health)health;
}

// The files are our own and tested: a fault in them, or no memory for a few kilobytes at the first
// question, is ours.
static void read_file(struct gr_slice bytes, const struct gr_csv_column *columns, size_t count,
                      void (*read_row)(const struct gr_csv *))
{
    struct gr_csv *csv = NULL;
    int rc = gr_csv_open_bytes("health", bytes.text, bytes.size, columns, count, GR_CSV_STRICT,
                               &csv, NULL);
    assert(rc == 0);
    while ((rc = gr_csv_next(csv, NULL)) == 1) {
        read_row(csv);
    }
    assert(rc == 0);
    gr_csv_close(csv);
}

static void read_tables(void)
{
    static const struct gr_csv_column class_columns[] = {
        {"class", true},       {"takes_new", true}, {"stops_running", true},
        {"drains_node", true}, {"fades_s", true},   {"meaning", true}};
    static const struct gr_csv_column code_columns[] = {
        {"vendor", true}, {"code", true}, {"class", true}, {"meaning", true}, {"source", true}};
    read_file(gr_shipped_health_classes(), class_columns,
              sizeof class_columns / sizeof *class_columns, read_class);
    read_file(gr_shipped_health(), code_columns, sizeof code_columns / sizeof *code_columns,
              read_code);
}

static void need_tables(void)
{
    int rc = pthread_once(&once, read_tables);
    assert(rc == 0);
}

const char *gr_health_name(enum gr_health health)
{
    assert((unsigned)health < GR_HEALTHS);
    return class_words[health];
}

struct gr_health_effect gr_health_effect_of(enum gr_health health)
{
    assert((unsigned)health < GR_HEALTHS);
    need_tables();
    return classes[health].effect;
}

int64_t gr_health_fades_ms(enum gr_health health)
{
    assert((unsigned)health < GR_HEALTHS);
    need_tables();
    return (int64_t)classes[health].fades_ms;
}

enum gr_health gr_health_of(const char *vendor, const char *code)
{
    need_tables();
    for (size_t i = 0; i < code_count; i++) {
        bool is_vendors =
            strcmp(codes[i].vendor, "any") == 0 || strcasecmp(codes[i].vendor, vendor) == 0;
        if (is_vendors && strcmp(codes[i].code, code) == 0) {
            return codes[i].health;
        }
    }
    return GR_HEALTH_WATCH;
}

// ---- record -------------------------------------------------------------------------------------

void gr_health_record_note(struct gr_health_record *record, const char *vendor, const char *code,
                           uint64_t now_ms)
{
    enum gr_health health = gr_health_of(vendor, code);
    assert(strlen(code) < GR_HEALTH_CODE_SIZE);
    if (health != GR_HEALTH_GOOD) {
        snprintf(record->of[health].code, GR_HEALTH_CODE_SIZE, "%s", code);
        record->of[health].at_ms = now_ms;
    }
}

enum gr_health gr_health_record_worst(const struct gr_health_record *record, uint64_t now_ms,
                                      const char **ret_code)
{
    need_tables();
    for (int health = GR_HEALTHS - 1; health > GR_HEALTH_GOOD; health--) {
        uint64_t fades_ms = classes[health].fades_ms;
        bool counts = record->of[health].code[0] != '\0' &&
                      (fades_ms == 0 || now_ms - record->of[health].at_ms < fades_ms);
        if (counts) {
            *ret_code = record->of[health].code;
            return (enum gr_health)health;
        }
    }
    *ret_code = "";
    return GR_HEALTH_GOOD;
}

void gr_health_record_clear(struct gr_health_record *record, enum gr_health health)
{
    for (int i = 0; i <= (int)health; i++) {
        record->of[i].code[0] = '\0';
    }
}
