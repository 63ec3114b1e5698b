// Arrays and the jobs that a job waits for: see spec_read.h.
#include "base/number.h"
#include "base/words.h"
#include "codec/spec_read.h"
#include "codec/spec_yaml.h"

#include <stdio.h>

// Takes the whole number at the front away, 0 to `most`.
static bool take_number(struct gr_slice *text, int64_t most, int64_t *ret_value)
{
    struct gr_slice digits = {text->text, 0};
    while (digits.size < text->size && digits.text[digits.size] >= '0' &&
           digits.text[digits.size] <= '9') {
        digits.size++;
    }
    *text = (struct gr_slice){text->text + digits.size, text->size - digits.size};
    return gr_number_read_int(digits, 0, most, ret_value) == 0;
}

static bool take_sign(struct gr_slice *text, char sign)
{
    if (text->size == 0 || text->text[0] != sign) {
        return false;
    }
    *text = (struct gr_slice){text->text + 1, text->size - 1};
    return true;
}

// "FIRST-LAST", ":STEP", "%PARALLEL".
int gr_spec_read_range(struct gr_spec_reader *reader, const struct gr_value *value)
{
    struct gr_slice text = value->text;
    int64_t first = 0;
    int64_t last = 0;
    int64_t step = 1;
    int64_t parallel = 0;
    bool good = gr_value_is_text(value) && take_number(&text, INT32_MAX, &first) &&
                take_sign(&text, '-') && take_number(&text, INT32_MAX, &last);
    good = good && (!take_sign(&text, ':') || take_number(&text, INT32_MAX, &step));
    good = good && (!take_sign(&text, '%') || take_number(&text, GR_SPEC_ARRAY_MAX, &parallel));
    if (!good || text.size > 0 || last < first || step == 0) {
        return gr_spec_read_unlike(reader, value,
                                   "FIRST-LAST, with :STEP and %PARALLEL if needed (1-100:2%5), or "
                                   "a mapping with first, last, step and parallel");
    }
    reader->spec.array_first = (uint32_t)first;
    reader->spec.array_step = (uint32_t)step;
    reader->spec.array_parallel = (uint32_t)parallel;
    reader->spec.array_count = (uint32_t)((last - first) / step) + 1;
    return 0;
}

// A job's number, or the name of an earlier job of the same file.
static int read_job(struct gr_spec_reader *reader, const struct gr_value *value,
                    struct gr_slice text, uint64_t *ret_job)
{
    int64_t number;
    if (gr_number_read_int(text, 1, INT64_MAX, &number) == 0) {
        *ret_job = (uint64_t)number;
        return 0;
    }
    for (uint32_t i = 0; i < reader->sibling_count; i++) {
        const struct gr_value *name = gr_value_find(reader->siblings[i], gr_slice_of("name"));
        if (name != NULL && text.size > 0 && gr_slice_equal(name->text, text)) {
            *ret_job = GR_SPEC_SIBLING(i);
            return 0;
        }
    }
    char quote[GR_WORDS_QUOTE_SIZE];
    gr_words_quote(text, quote);
    return gr_spec_read_fail(reader, value,
                             reader->siblings != NULL
                                 ? "found %s, expected a job's number, or the name of a job above "
                                   "it in this file"
                                 : "found %s, expected a job's number",
                             quote);
}

static int read_how(struct gr_spec_reader *reader, const struct gr_value *value, uint32_t *ret_how)
{
    return gr_spec_read_word(reader, value, gr_spec_after_words, ret_how);
}

// {job: 12, how: ok}
static int read_after_fields(struct gr_spec_reader *reader, const struct gr_value *value,
                             struct gr_spec_after *after)
{
    bool has_job = false;
    bool has_how = false;
    for (const struct gr_value *entry = value->first; entry != NULL; entry = entry->next) {
        bool job = gr_slice_is(entry->key, "job");
        if ((!job && !gr_slice_is(entry->key, "how")) || (job ? has_job : has_how)) {
            char quote[GR_WORDS_QUOTE_SIZE];
            return gr_spec_read_fail(reader, entry, "found %s, expected 'job' and 'how', each once",
                                     gr_words_quote(entry->key, quote));
        }
        int code = !job ? read_how(reader, entry, &after->how)
                   : gr_value_is_scalar(entry)
                       ? read_job(reader, entry, entry->text, &after->job)
                       : gr_spec_read_unlike(reader, entry, "a job's number");
        if (code < 0) {
            return code;
        }
        has_job = has_job || job;
        has_how = has_how || !job;
    }
    return has_job ? 0 : gr_spec_read_fail(reader, value, "lacks 'job', the job's number");
}

// One item of a list: 12, {12: ok} or {job: 12, how: ok}.
static int read_after_item(struct gr_spec_reader *reader, const struct gr_value *item,
                           struct gr_spec_after *after)
{
    if (gr_value_is_scalar(item)) {
        return read_job(reader, item, item->text, &after->job);
    }
    if (item->type != GR_VALUE_MAP) {
        return gr_spec_read_unlike(reader, item, "a job's number, or a mapping (12: ok)");
    }
    if (item->count == 1 && !gr_slice_is(item->first->key, "job")) {
        int code = read_job(reader, item, item->first->key, &after->job);
        return code < 0 ? code : read_how(reader, item->first, &after->how);
    }
    return read_after_fields(reader, item, after);
}

int gr_spec_read_after(struct gr_spec_reader *reader, const struct gr_value *value)
{
    bool single = gr_value_is_scalar(value);
    uint32_t count = single ? 1 : value->count;
    if (!single && value->type != GR_VALUE_LIST && value->type != GR_VALUE_MAP) {
        return gr_spec_read_unlike(reader, value, "jobs to wait for: {12: ok, 13: any}");
    }
    if (count > GR_SPEC_AFTER_MAX) {
        return gr_spec_read_fail(reader, value, "has %u jobs, expected at most %d", count,
                                 GR_SPEC_AFTER_MAX);
    }
    struct gr_spec_after *after = gr_arena_take(reader->input->arena, (count + 1) * sizeof *after);
    if (after == NULL) {
        return gr_spec_read_memory(reader);
    }
    memset(after, 0, (count + 1) * sizeof *after);
    reader->spec.after = after;
    reader->spec.after_count = count;
    if (single) {
        return read_job(reader, value, value->text, &after->job);
    }
    reader->index = 0;
    for (const struct gr_value *item = value->first; item != NULL; item = item->next) {
        int code;
        if (value->type == GR_VALUE_MAP) {
            reader->item = item->key;
            code = read_job(reader, item, item->key, &after->job);
            code = code < 0 ? code : read_how(reader, item, &after->how);
        } else {
            code = read_after_item(reader, item, after);
        }
        if (code < 0) {
            return code;
        }
        reader->index++;
        after++;
    }
    reader->index = -1;
    reader->item.text = NULL;
    return 0;
}
