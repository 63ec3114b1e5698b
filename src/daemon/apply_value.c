// Values of a declaration: see apply_value.h.
#include "daemon/apply_value.h"

#include "base/number.h"
#include "base/quantity.h"
#include "base/words.h"
#include "core/terms.h"

#include <stdio.h>
#include <string.h>

// The text of a value: its own, or a number's. Empty if it is neither.
static struct gr_slice text_of(const json_t *value, char *room, size_t size)
{
    if (json_is_string(value)) {
        return (struct gr_slice){json_string_value(value), json_string_length(value)};
    }
    room[0] = '\0';
    if (json_is_integer(value)) {
        snprintf(room, size, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        snprintf(room, size, "%.9g", json_real_value(value));
    }
    return gr_slice_of(room);
}

// What was found, for the end of a sentence.
static const char *found(const json_t *value, char quote[GR_WORDS_QUOTE_SIZE])
{
    char room[64];
    struct gr_slice text = text_of(value, room, sizeof room);
    return text.size > 0           ? gr_words_quote(text, quote)
           : json_is_string(value) ? "an empty text"
           : json_is_array(value)  ? "a list"
           : json_is_object(value) ? "a mapping"
                                   : "nothing that is one";
}

const char *gr_apply_count(const json_t *value, int64_t low, int64_t high, const char *none,
                           uint32_t *ret_count, char *text)
{
    char room[64], quote[GR_WORDS_QUOTE_SIZE];
    int64_t number;
    struct gr_slice slice = text_of(value, room, sizeof room);
    if (none != NULL && gr_slice_is(slice, none)) {
        *ret_count = 0;
        return NULL;
    }
    if (gr_number_read_int(slice, low, high, &number) == 0) {
        *ret_count = (uint32_t)number;
        return NULL;
    }
    snprintf(text, GR_APPLY_TEXT, "expected a whole number from %lld to %lld%s%s, found %s",
             (long long)low, (long long)high, none == NULL ? "" : ", or ", none == NULL ? "" : none,
             found(value, quote));
    return text;
}

const char *gr_apply_devices(const json_t *value, uint64_t least, const char *word,
                             uint64_t of_word, uint64_t *ret_milli, char *text)
{
    char room[64], quote[GR_WORDS_QUOTE_SIZE], most[GR_NUMBER_TEXT_SIZE];
    int64_t milli;
    struct gr_slice slice = text_of(value, room, sizeof room);
    if (word != NULL && gr_slice_is(slice, word)) {
        *ret_milli = of_word;
        return NULL;
    }
    if (gr_number_read_decimal(slice, 3, (int64_t)least, (int64_t)GR_QUOTA_MILLI_MAX, &milli) ==
        0) {
        *ret_milli = (uint64_t)milli;
        return NULL;
    }
    snprintf(text, GR_APPLY_TEXT,
             "expected a number of devices (at least %s, at most %s, three digits behind the "
             "point)%s%s, found %s",
             least == 0 ? "0" : "0.001",
             gr_number_format((int64_t)GR_QUOTA_MILLI_MAX / 1000, 0, most),
             word == NULL ? "" : ", or ", word == NULL ? "" : word, found(value, quote));
    return text;
}

const char *gr_apply_duration(const json_t *value, int64_t *ret_ms, char *text)
{
    char room[64], quote[GR_WORDS_QUOTE_SIZE];
    int64_t ms;
    if (gr_duration_read(text_of(value, room, sizeof room), &ms) == 0 && ms <= GR_QUEUE_MS_MAX) {
        *ret_ms = ms;
        return NULL;
    }
    snprintf(text, GR_APPLY_TEXT,
             "expected a duration of at most ten years, such as 7d, 1h30m or 0, found %s",
             found(value, quote));
    return text;
}

const char *gr_apply_lost_work(const json_t *value, uint64_t *ret_lost, char *text)
{
    static const char unit[] = " device-hours";
    char room[64], quote[GR_WORDS_QUOTE_SIZE];
    struct gr_slice slice = text_of(value, room, sizeof room);
    size_t size = sizeof unit - 1;
    int64_t hours_milli;
    if (gr_slice_is(slice, "any")) {
        *ret_lost = GR_ANY_MILLI;
        return NULL;
    }
    if (slice.size > size && memcmp(slice.text + slice.size - size, unit, size) == 0 &&
        gr_number_read_decimal((struct gr_slice){slice.text, slice.size - size}, 3, 0,
                               INT64_C(1000000000), &hours_milli) == 0) {
        *ret_lost = (uint64_t)hours_milli * UINT64_C(3600000); // milli x milliseconds
        return NULL;
    }
    snprintf(text, GR_APPLY_TEXT,
             "expected an amount of work such as '100 device-hours' (at most 1000000), or any, "
             "found %s",
             found(value, quote));
    return text;
}

const char *gr_apply_reclaim(const json_t *value, uint32_t *ret_reclaim, char *text)
{
    static const struct {
        const char *word;
        uint32_t bit;
    } words[] = {{"borrowed", GR_RECLAIM_BORROWED}, {"priority", GR_RECLAIM_PRIORITY}};
    char quote[GR_WORDS_QUOTE_SIZE];
    uint32_t bits = 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *word = json_array_get(value, i);
        uint32_t bit = 0;
        for (size_t w = 0; w < sizeof words / sizeof *words && json_is_string(word); w++) {
            bit |= strcmp(json_string_value(word), words[w].word) == 0 ? words[w].bit : 0;
        }
        if (bit == 0 || (bits & bit) != 0) {
            snprintf(text, GR_APPLY_TEXT,
                     "expected borrowed and priority, each at most once, "
                     "found %s%s",
                     found(word, quote), bit == 0 ? "" : " again");
            return text;
        }
        bits |= bit;
    }
    if (!json_is_array(value)) {
        snprintf(text, GR_APPLY_TEXT, "expected a list of borrowed and priority, found %s",
                 found(value, quote));
        return text;
    }
    *ret_reclaim = bits;
    return NULL;
}

const char *gr_apply_keys(const json_t *value, const char *const *keys, const char **ret_key,
                          char *text)
{
    char quote[GR_WORDS_QUOTE_SIZE], list[160];
    const char *key;
    json_t *inner;
    *ret_key = "";
    if (!json_is_object(value)) {
        snprintf(text, GR_APPLY_TEXT, "expected a mapping with the keys %s, found %s",
                 gr_words_list(keys, list, sizeof list), found(value, quote));
        return text;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, inner)
    {
        size_t k = 0;
        while (keys[k] != NULL && strcmp(keys[k], key) != 0) {
            k++;
        }
        if (keys[k] == NULL) {
            const char *nearest = gr_words_nearest(gr_slice_of(key), keys);
            *ret_key = key;
            snprintf(text, GR_APPLY_TEXT, "unknown key %s, expected %s%s",
                     gr_words_quote(gr_slice_of(key), quote), nearest == NULL ? "" : "perhaps ",
                     nearest == NULL ? gr_words_list(keys, list, sizeof list) : nearest);
            return text;
        }
    }
    return NULL;
}

const char *gr_apply_amount_text(uint64_t milli, const char *word, char *text)
{
    if (milli == GR_ANY_MILLI || milli > INT64_MAX) {
        snprintf(text, GR_NUMBER_TEXT_SIZE, "%s", word);
        return text;
    }
    return gr_number_format((int64_t)milli, 3, text);
}
