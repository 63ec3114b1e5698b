// For tests only: a strict reader of the pages that granary writes.
//
// Promises: what it passes is well-formed XML of elements and attributes from a short list, none of
// which can run a script or load anything. Never lenient: a page that any browser would forgive
// fails here.
#pragma once

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

// The text at hand and the open elements.
struct gr_markup {
    const char *at, *end; // where the check stands; the end of the text
    const char *open[32]; // names of open elements, each `size` bytes
    size_t sizes[32];     // bytes of these names
    size_t depth;         // open elements
    char wrong[256];      // what is wrong, "" if nothing
};

// Notes what is wrong, with the text around it. Returns false.
static inline bool gr_markup_wrong(struct gr_markup *markup, const char *what)
{
    size_t left = (size_t)(markup->end - markup->at);
    (void)snprintf(markup->wrong, sizeof markup->wrong, "%s at '%.*s'", what,
                   (int)(left < 80 ? left : 80), markup->at);
    return false;
}

// Whether `name` of `size` bytes is one of the words in `list` (separated by blanks).
static inline bool gr_markup_listed(const char *list, const char *name, size_t size)
{
    while (*list != '\0') {
        size_t length = strcspn(list, " ");
        if (length == size && memcmp(list, name, size) == 0) {
            return true;
        }
        list += length + (list[length] == ' ' ? 1 : 0);
    }
    return false;
}

// Reads a name; its size, 0 if there is none.
static inline size_t gr_markup_name(struct gr_markup *markup)
{
    const char *start = markup->at;
    while (markup->at < markup->end &&
           (isalnum((unsigned char)*markup->at) || *markup->at == '-')) {
        markup->at++;
    }
    return (size_t)(markup->at - start);
}

// Reads one character of text or of a value: no '<', an '&' only as a known reference, no control
// character.
static inline bool gr_markup_character(struct gr_markup *markup)
{
    unsigned char c = (unsigned char)*markup->at;
    if (c == '<' || (c < 0x20 && c != '\n') || c == 0x7f) {
        return gr_markup_wrong(markup, "a character that must not stand there");
    }
    if (c != '&') {
        markup->at++;
        return true;
    }
    static const char *const references[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#160;"};
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++) {
        size_t size = strlen(references[i]);
        if ((size_t)(markup->end - markup->at) >= size &&
            memcmp(markup->at, references[i], size) == 0) {
            markup->at += size;
            return true;
        }
    }
    return gr_markup_wrong(markup, "an unknown reference");
}

// Reads ` name="value"`.
static inline bool gr_markup_attribute(struct gr_markup *markup)
{
    const char *name = markup->at;
    size_t size = gr_markup_name(markup);
    if (!gr_markup_listed(
            "lang xmlns charset http-equiv content name rel href class role viewBox x y "
            "width height d aria-label aria-hidden preserveAspectRatio scope title "
            "overflow",
            name, size)) {
        markup->at = name;
        return gr_markup_wrong(markup, "an attribute that is not on the list");
    }
    if (markup->end - markup->at < 2 || memcmp(markup->at, "=\"", 2) != 0) {
        return gr_markup_wrong(markup, "an attribute without a quoted value");
    }
    markup->at += 2;
    const char *value = markup->at;
    while (markup->at < markup->end && *markup->at != '"') {
        if (!gr_markup_character(markup)) {
            return false;
        }
    }
    if (markup->at == markup->end) {
        return gr_markup_wrong(markup, "a value that does not end");
    }
    if (gr_markup_listed("href", name, size) && memcmp(value, "data:,\"", 7) != 0) {
        return gr_markup_wrong(markup, "a link");
    }
    markup->at++;
    return true;
}

// Reads an opening tag after its '<'.
static inline bool gr_markup_open(struct gr_markup *markup)
{
    const char *name = markup->at;
    size_t size = gr_markup_name(markup);
    if (!gr_markup_listed(
            "html head meta link title style body header main section footer h1 h2 p b "
            "i span dl div dt dd table thead tbody tr th td ul li figure figcaption "
            "details summary svg path text",
            name, size)) {
        markup->at = name;
        return gr_markup_wrong(markup, "an element that is not on the list");
    }
    while (markup->at < markup->end && *markup->at == ' ') {
        markup->at++;
        if (!gr_markup_attribute(markup)) {
            return false;
        }
    }
    if (markup->end - markup->at >= 2 && memcmp(markup->at, "/>", 2) == 0) {
        markup->at += 2;
        return true;
    }
    if (markup->at == markup->end || *markup->at != '>' || markup->depth == 32) {
        return gr_markup_wrong(markup, "a tag that does not end, or too deep");
    }
    markup->at++;
    markup->open[markup->depth] = name;
    markup->sizes[markup->depth++] = size;
    return true;
}

// Reads a closing tag after its "</".
static inline bool gr_markup_close(struct gr_markup *markup)
{
    const char *name = markup->at;
    size_t size = gr_markup_name(markup);
    if (markup->depth == 0 || markup->sizes[markup->depth - 1] != size ||
        memcmp(markup->open[markup->depth - 1], name, size) != 0 || markup->at == markup->end ||
        *markup->at != '>') {
        markup->at = name;
        return gr_markup_wrong(markup, "an end that fits no beginning");
    }
    markup->at++;
    markup->depth--;
    return true;
}

// Checks a piece of markup (elements and text). Returns true, or false with markup->wrong set.
// `text` is borrowed for the call; the struct is the caller's and need not be initialised.
static inline bool gr_markup_check(struct gr_markup *markup, const char *text, size_t size)
{
    static const char doctype[] = "<!DOCTYPE html>\n";
    *markup = (struct gr_markup){.at = text, .end = text + size};
    if (size >= strlen(doctype) && memcmp(text, doctype, strlen(doctype)) == 0) {
        markup->at += strlen(doctype);
    }
    while (markup->at < markup->end) {
        bool right;
        if (*markup->at != '<') {
            right = gr_markup_character(markup);
        } else if (markup->end - markup->at > 1 && markup->at[1] == '/') {
            markup->at += 2;
            right = gr_markup_close(markup);
        } else {
            markup->at++;
            right = gr_markup_open(markup);
        }
        if (!right) {
            return false;
        }
    }
    return markup->depth == 0 || gr_markup_wrong(markup, "an element that is not closed");
}
