// Values of a declaration, read strictly: see apply_queue.h. A number may also be a text that holds
// one, as files have it. Functions return NULL or a sentence (without the field) that says what was
// expected; `text` has room for it, GR_APPLY_TEXT bytes.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

// Bytes of a sentence, NUL included.
#define GR_APPLY_TEXT 256

// A whole number from low to high. `none` (may be NULL) is a word that stands for 0.
const char *gr_apply_count(const json_t *value, int64_t low, int64_t high, const char *none,
                           uint32_t *ret_count, char *text);
// An amount of devices, in milli: at most GR_QUOTA_MILLI_MAX and three digits behind the point.
// `word` (may be NULL) stands for `of_word`; without that amount 0 is refused if `least` is 1.
const char *gr_apply_devices(const json_t *value, uint64_t least, const char *word,
                             uint64_t of_word, uint64_t *ret_milli, char *text);
// A duration in milliseconds, at most GR_QUEUE_MS_MAX.
const char *gr_apply_duration(const json_t *value, int64_t *ret_ms, char *text);
// "100 device-hours", or "any", in milli x milliseconds.
const char *gr_apply_lost_work(const json_t *value, uint64_t *ret_lost, char *text);
// A list of "borrowed" and "priority", each at most once; bits of enum gr_reclaim.
const char *gr_apply_reclaim(const json_t *value, uint32_t *ret_reclaim, char *text);
// The keys of an object are among `keys` (NULL-terminated), none of which need be there. *ret_key:
// the one that is not; borrowed. An object is expected.
const char *gr_apply_keys(const json_t *value, const char *const *keys, const char **ret_key,
                          char *text);
// An amount of milli as people write it: "1.5", or `word` for GR_ANY_MILLI. Returns `text`.
const char *gr_apply_amount_text(uint64_t milli, const char *word, char *text);
