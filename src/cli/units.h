// Spans of time, moments and sizes, as tables and pages show them to people.
#pragma once

#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes that hold whatever this file writes, NUL included.
#define GR_CLI_UNIT_SIZE 64

// The time now, Unix milliseconds.
int64_t gr_cli_now_ms(void);
// A span in at most six characters: "0s", "12s", "5m12s", "3h05m", "4d07h", "123d". Negative spans
// (clocks differ) are "0s". Returns `buffer`, of GR_CLI_UNIT_SIZE bytes.
const char *gr_cli_span(int64_t ms, char *buffer);
// A moment, Unix milliseconds, in local time: "2026-11-22 10:18:38". Returns `buffer`.
const char *gr_cli_moment(int64_t ms, char *buffer);
// MiB with a unit: "512 MiB", "1.5 GiB", "96 GiB", "2 TiB". Returns `buffer`.
const char *gr_cli_memory(int64_t mib, char *buffer);

// A whole number of a JSON object; false if it is missing, null or none.
bool gr_cli_get_int(const json_t *object, const char *key, int64_t *ret_value);
// The same, with a default.
int64_t gr_cli_get_int_or(const json_t *object, const char *key, int64_t otherwise);
// A text of a JSON object; `otherwise` if it is missing or none. Borrowed.
const char *gr_cli_get_text(const json_t *object, const char *key, const char *otherwise);
// A text of an object inside the object; as gr_cli_get_text.
const char *gr_cli_get_text_in(const json_t *object, const char *key, const char *inner,
                               const char *otherwise);
// A number that may have a fraction, as text ("1.5"); `otherwise` if it is missing or none. Returns
// `buffer` or `otherwise`.
const char *gr_cli_get_decimal(const json_t *object, const char *key, const char *otherwise,
                               char *buffer);
// Copies text that came from elsewhere, so that it can be printed: control characters, those
// that end a line or change the direction of writing, and bytes that are not UTF-8 become '?'; cut
// at a character, with "...", if it does not fit. Returns `buffer`.
const char *gr_cli_clean(const char *text, char *buffer, size_t size);
// Lines of the terminal at standard output; 24 if it is none or does not say.
size_t gr_cli_terminal_lines(void);
