// Columns and fields of a jobs file: see jobs_map.h.
#include "replay/jobs_map.h"

#include "base/number.h"
#include "base/words.h"
#include "model/demand.h"
#include "replay/trace.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct gr_jobs_unit times[] = {{"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct gr_jobs_unit cpus[] = {{"milli", 1}, {"cpus", 1000}, {NULL, 0}};
static const struct gr_jobs_unit memories[] = {{"mib", 1}, {"gib", 1024}, {NULL, 0}};
static const struct gr_jobs_unit plain[] = {{"", 1}, {NULL, 0}};

// A job's devices over all its tasks.
#define DEVICES_MAX ((int64_t)GR_TASKS_MAX * GR_NODE_DEVICES_MAX)

const struct gr_jobs_field_info gr_jobs_fields[GR_JOBS_FIELDS] = {
    [GR_JOBS_NAME] = {"name", NULL, 0, 0, "what reports call the job"},
    [GR_JOBS_SUBMIT] = {"submit", times, 0, GR_JOBS_TIME_MAX_MS, "when it arrives"},
    [GR_JOBS_DURATION] = {"duration", times, 0, GR_JOBS_TIME_MAX_MS, "how long it runs"},
    [GR_JOBS_END] = {"end", times, 0, GR_JOBS_TIME_MAX_MS, "submit + duration, in its place"},
    [GR_JOBS_LIMIT] = {"limit", times, 0, GR_JOBS_TIME_MAX_MS, "its time limit"},
    [GR_JOBS_TASKS] = {"tasks", plain, 1, GR_TASKS_MAX, "tasks in the gang"},
    [GR_JOBS_DEVICES] = {"devices", plain, 0, DEVICES_MAX, "accelerators"},
    [GR_JOBS_MILLI] = {"milli", plain, 0, GR_DEVICE_MILLI, "of one device, 1/1000"},
    [GR_JOBS_KIND] = {"kind", NULL, 0, 0, "models it accepts, joined by '|'"},
    [GR_JOBS_CPU] = {"cpu", cpus, 0, GR_CPU_MILLI_MAX, "cpu"},
    [GR_JOBS_CPU_PER_DEVICE] = {"cpu_per_device", cpus, 0, GR_CPU_MILLI_MAX, "in its place"},
    [GR_JOBS_MEMORY] = {"memory", memories, 0, GR_MEMORY_MIB_MAX, "memory"},
    [GR_JOBS_MEMORY_PER_DEVICE] = {"memory_per_device", memories, 0, GR_MEMORY_MIB_MAX,
                                   "in its place"},
    [GR_JOBS_USER] = {"user", NULL, 0, 0, "whose it is"},
    [GR_JOBS_QUEUE] = {"queue", NULL, 0, 0, "its queue's name"},
    [GR_JOBS_USE] = {"use", plain, 0, GR_USES - 1, "what it is for"},
    [GR_JOBS_PRIORITY] = {"priority", plain, 0, UINT8_MAX, "higher first"},
    [GR_JOBS_DOMAIN] = {"domain", plain, 0, GR_DOMAIN_LEVELS, "topology level its tasks share"},
    [GR_JOBS_CHECKPOINT] = {"checkpoint", times, 0, GR_JOBS_TIME_MAX_MS,
                            "how long it runs from one checkpoint to the next"},
};

static const char *const uses[] = {
    [GR_USE_OTHER] = "other",   [GR_USE_TRAIN] = "train", [GR_USE_SERVE] = "serve",
    [GR_USE_RENDER] = "render", [GR_USE_BATCH] = "batch", [GR_USES] = NULL,
};

// ---- values -------------------------------------------------------------------------------------

bool gr_jobs_is_date(struct gr_slice text)
{
    return text.size > 4 && text.text[4] == '-';
}

// Reads `digits` decimal digits at `at`; -1 if there is anything else.
static int digits_at(struct gr_slice text, size_t at, size_t digits)
{
    int value = 0;
    for (size_t i = at; i < at + digits; i++) {
        if (i >= text.size || text.text[i] < '0' || text.text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text.text[i] - '0');
    }
    return value;
}

// Days from 1970-01-01 to a day of the Gregorian calendar, year >= 1970.
static int64_t days_to(int year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y = year - 1;
    int64_t leaps = y / 4 - y / 100 + y / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return (int64_t)(year - 1970) * 365 + leaps + before[month - 1] + (is_leap && month > 2) + day -
           1;
}

static int days_in(int year, int month)
{
    return month == 12 ? 31 : (int)(days_to(year, month + 1, 1) - days_to(year, month, 1));
}

static int read_date(struct gr_slice text, int64_t *ret_ms)
{
    static const char marks[] = "    -  -     :  :  "; // at 10: a blank or a T
    if (text.size != sizeof marks - 1 || (text.text[10] != ' ' && text.text[10] != 'T')) {
        return -EINVAL;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (marks[i] != ' ' && text.text[i] != marks[i]) {
            return -EINVAL;
        }
    }
    int year = digits_at(text, 0, 4), month = digits_at(text, 5, 2), day = digits_at(text, 8, 2);
    int hour = digits_at(text, 11, 2), minute = digits_at(text, 14, 2);
    int second = digits_at(text, 17, 2);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) ||
        hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) {
        return -EINVAL;
    }
    *ret_ms = (((days_to(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000;
    return 0;
}

static int read_use(struct gr_slice text, int64_t *ret_value)
{
    for (int64_t i = 0; i < GR_USES; i++) {
        if (gr_slice_is(text, uses[i])) {
            *ret_value = i;
            return 0;
        }
    }
    return -EINVAL;
}

// Decimal digits that a unit may have so that the value stays whole.
static unsigned unit_digits(int64_t factor)
{
    return factor == 1 ? 0 : 3;
}

int gr_jobs_value(enum gr_jobs_field field, unsigned unit, struct gr_slice text, int64_t *ret_value)
{
    const struct gr_jobs_field_info *info = &gr_jobs_fields[field];
    assert(info->units != NULL);
    if (field == GR_JOBS_USE) {
        return read_use(text, ret_value);
    }
    if (field == GR_JOBS_DURATION && gr_slice_is(text, "forever")) {
        *ret_value = GR_TRACE_FOREVER;
        return 0;
    }
    if ((field == GR_JOBS_SUBMIT || field == GR_JOBS_END) && gr_jobs_is_date(text)) {
        return read_date(text, ret_value);
    }
    int64_t factor = info->units[unit].factor;
    unsigned digits = unit_digits(factor);
    int64_t scale = digits == 0 ? 1 : 1000, value = 0;
    // In 1/scale of the unit: what is in range then, times factor / scale, cannot overflow.
    int code = gr_number_read_decimal(text, digits, 0, info->high / factor * scale + scale, &value);
    if (code < 0 || value * factor % scale != 0) {
        return -EINVAL;
    }
    value = value * factor / scale;
    if (value < info->low || value > info->high) {
        return -EINVAL;
    }
    *ret_value = value;
    return 0;
}

const char *gr_jobs_expected(enum gr_jobs_field field, unsigned unit, char *buffer, size_t size)
{
    const struct gr_jobs_field_info *info = &gr_jobs_fields[field];
    char list[GR_WORDS_QUOTE_SIZE];
    if (field == GR_JOBS_USE) {
        snprintf(buffer, size, "%s", gr_words_list(uses, list, sizeof list));
        return buffer;
    }
    const struct gr_jobs_unit *what = &info->units[unit];
    char low[GR_NUMBER_TEXT_SIZE], high[GR_NUMBER_TEXT_SIZE];
    gr_number_format(info->low / what->factor, 0, low);
    gr_number_format(info->high / what->factor, 0, high);
    snprintf(buffer, size, "a %snumber from %s to %s%s%s%s",
             unit_digits(what->factor) == 0 ? "whole " : "", low, high,
             what->word[0] != '\0' ? " " : "", what->word,
             field == GR_JOBS_SUBMIT || field == GR_JOBS_END ? ", or YYYY-MM-DD HH:MM:SS"
             : field == GR_JOBS_DURATION                     ? ", or forever"
                                                             : "");
    return buffer;
}

// ---- the map ------------------------------------------------------------------------------------

static const char *const field_words[] = {
    "name",
    "submit",
    "duration",
    "end",
    "limit",
    "tasks",
    "devices",
    "milli",
    "kind",
    "cpu",
    "cpu_per_device",
    "memory",
    "memory_per_device",
    "user",
    "queue",
    "use",
    "priority",
    "domain",
    "checkpoint",
    NULL,
};
static_assert(sizeof field_words / sizeof field_words[0] == GR_JOBS_FIELDS + 1, "one word a field");

static int wrong(struct gr_slice entry, struct gr_err *err, const char *expected)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    return gr_fail(err, -EINVAL, "map entry %s: expected %s", gr_words_quote(entry, quote),
                   expected);
}

static int find_field(struct gr_slice entry, struct gr_slice word, enum gr_jobs_field *ret_field,
                      struct gr_err *err)
{
    for (unsigned i = 0; i < GR_JOBS_FIELDS; i++) {
        assert(strcmp(field_words[i], gr_jobs_fields[i].word) == 0);
        if (gr_slice_is(word, field_words[i])) {
            *ret_field = i;
            return 0;
        }
    }
    char list[256], text[320];
    const char *near = gr_words_nearest(word, field_words);
    snprintf(text, sizeof text, "%s%s before '='", near != NULL ? "perhaps " : "",
             near != NULL ? near : gr_words_list(field_words, list, sizeof list));
    return wrong(entry, err, text);
}

// Takes a trailing ":UNIT" off `text` if it is one of the field's units.
static unsigned take_unit(enum gr_jobs_field field, struct gr_slice *text)
{
    const struct gr_jobs_unit *units = gr_jobs_fields[field].units;
    const char *colon = text->size > 0 ? memrchr(text->text, ':', text->size) : NULL;
    if (units == NULL || colon == NULL) {
        return 0;
    }
    struct gr_slice word = {colon + 1, text->size - (size_t)(colon + 1 - text->text)};
    for (unsigned i = 0; units[i].word != NULL; i++) {
        if (units[i].word[0] != '\0' && gr_slice_is(word, units[i].word)) {
            text->size = (size_t)(colon - text->text);
            return i;
        }
    }
    return 0;
}

static int read_default(struct gr_slice entry, enum gr_jobs_field field, struct gr_slice value,
                        struct gr_jobs_source *source, struct gr_err *err)
{
    if (source->has_default) {
        return wrong(entry, err, "one default a field");
    }
    source->has_default = true;
    if (gr_jobs_fields[field].units == NULL) {
        if (value.size >= sizeof source->text) {
            return wrong(entry, err, "a text below 128 bytes");
        }
        memcpy(source->text, value.text, value.size);
        source->text[value.size] = '\0';
        return 0;
    }
    unsigned unit = take_unit(field, &value);
    if (gr_jobs_value(field, unit, value, &source->value) < 0) {
        char expected[256];
        return wrong(entry, err, gr_jobs_expected(field, unit, expected, sizeof expected));
    }
    return 0;
}

static int read_entry(struct gr_slice entry, struct gr_jobs_map *map, struct gr_err *err)
{
    const char *equals = entry.size > 0 ? memchr(entry.text, '=', entry.size) : NULL;
    if (equals == NULL) {
        return wrong(entry, err, "FIELD=COLUMN or FIELD=default:VALUE");
    }
    struct gr_slice word = {entry.text, (size_t)(equals - entry.text)};
    struct gr_slice value = {equals + 1, entry.size - word.size - 1};
    enum gr_jobs_field field = GR_JOBS_NAME;
    int code = find_field(entry, word, &field, err);
    if (code < 0) {
        return code;
    }
    struct gr_jobs_source *source = &map->sources[field];
    static const char mark[] = "default:";
    if (value.size >= sizeof mark - 1 && memcmp(value.text, mark, sizeof mark - 1) == 0) {
        value = (struct gr_slice){value.text + sizeof mark - 1, value.size - (sizeof mark - 1)};
        return read_default(entry, field, value, source, err);
    }
    if (source->column[0] != '\0') {
        return wrong(entry, err, "one column a field");
    }
    source->unit = take_unit(field, &value);
    if (value.size == 0 || value.size >= sizeof source->column) {
        return wrong(entry, err, "a column's name of 1 to 127 bytes after '='");
    }
    memcpy(source->column, value.text, value.size);
    source->column[value.size] = '\0';
    return 0;
}

int gr_jobs_map_parse(const char *text, struct gr_jobs_map *ret_map, struct gr_err *err)
{
    struct gr_jobs_map map = {0};
    for (const char *at = text; at != NULL;) {
        const char *comma = strchr(at, ',');
        struct gr_slice entry = {at, comma == NULL ? strlen(at) : (size_t)(comma - at)};
        int code = read_entry(entry, &map, err);
        if (code < 0) {
            return code;
        }
        at = comma == NULL ? NULL : comma + 1;
    }
    *ret_map = map;
    return 0;
}
