// Lists of known words: see words.h.
#include "base/words.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <strings.h>

enum { WORD_MAX = 64 }; // longer words are compared by their beginning

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

// Edits (insert, remove, replace, swap neighbours) from one word to the other.
static unsigned distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    unsigned rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_size; j++) {
        rows[0][j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i - 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_size; j++) {
            bool same = lower(a[i - 1]) == lower(b[j - 1]);
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + !same);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1])) {
                row[j] = least(row[j], rows[(i - 2) % 3][j - 2] + 1);
            }
        }
    }
    return rows[a_size % 3][b_size];
}

const char *gr_words_nearest(struct gr_slice text, const char *const *words)
{
    assert(words != NULL);
    const char *best = NULL;
    unsigned best_score = 0;
    size_t size = text.size > WORD_MAX ? WORD_MAX : text.size;
    for (size_t i = 0; words[i] != NULL && size > 0; i++) {
        size_t word_size = strnlen(words[i], WORD_MAX);
        size_t longer = size > word_size ? size : word_size;
        size_t shorter = size > word_size ? word_size : size;
        bool begins = shorter >= 3 && strncasecmp(text.text, words[i], shorter) == 0;
        if (longer - shorter > longer / 3 && !begins) {
            continue; // so many letters more cannot be near
        }
        unsigned found = distance(text.text, size, words[i], word_size);
        unsigned score = 2 * found + !begins; // of equals, one that begins alike
        if ((found <= longer / 3 || begins) && (best == NULL || score < best_score)) {
            best = words[i];
            best_score = score;
        }
    }
    return best;
}

const char *gr_words_list(const char *const *words, char *buffer, size_t size)
{
    assert(size >= 4);
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; words[i] != NULL; i++) {
        const char *between = i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ";
        int wrote = snprintf(buffer + used, size - used, "%s%s", between, words[i]);
        if (wrote < 0 || (size_t)wrote >= size - used) {
            memcpy(buffer + size - 4, "...", 4);
            break;
        }
        used += (size_t)wrote;
    }
    return buffer;
}

const char *gr_words_quote(struct gr_slice text, char *buffer)
{
    size_t shown = gr_utf8_fit(text.text, text.size > 120 ? 120 : text.size, 40);
    // never end in the middle of a character that was cut by the byte limit
    shown = gr_utf8_check(text.text, shown);
    snprintf(buffer, GR_WORDS_QUOTE_SIZE, "'%.*s%s'", (int)shown, text.size == 0 ? "" : text.text,
             shown < text.size ? "..." : "");
    return buffer;
}
