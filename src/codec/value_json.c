// JSON as a tree, straight from its bytes: see value.h. A request is read ten thousand times a
// second and more, so texts are not copied unless they hold an escape, and one pass does all.
#include "base/utf8.h"
#include "codec/value_parts.h"

#include <assert.h>
#include <errno.h>

// What is read and where reading stands. After a failure `wrong` says what, at `at`.
struct json {
    const char *bytes;
    size_t at, size;
    struct gr_value_maker maker;
    const char *wrong; // NULL, or a phrase; "" if maker.err says it
};

static struct gr_value *fail(struct json *json, const char *wrong)
{
    if (json->wrong == NULL) {
        json->wrong = wrong;
    }
    return NULL;
}

// The next byte, or NUL at the end, which no JSON has outside of its texts.
static char peek(const struct json *json)
{
    return json->at < json->size ? json->bytes[json->at] : '\0';
}

static void skip_blanks(struct json *json)
{
    while (json->at < json->size) {
        char c = json->bytes[json->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
            return;
        }
        json->at++;
    }
}

// ---- texts --------------------------------------------------------------------------------------

// Four hexadecimal digits at `at`, or -1.
static int32_t read_hex(const struct json *json, size_t at)
{
    int32_t value = 0;
    if (json->size - at < 4) {
        return -1;
    }
    for (size_t i = at; i < at + 4; i++) {
        char c = json->bytes[i];
        int32_t digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static size_t put_utf8(char *to, uint32_t point)
{
    if (point < 0x80) {
        to[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; i-- > 1; point >>= 6) {
        to[i] = (char)(0x80 | (point & 0x3f));
    }
    to[0] = (char)(lead[length] | point);
    return length;
}

// The character of "\uXXXX" whose digits begin at json->at, with the second half of a pair; 0 with
// a failure.
static uint32_t read_point(struct json *json)
{
    int32_t high = read_hex(json, json->at);
    if (high < 0) {
        fail(json, "expected four hexadecimal digits after \\u");
        return 0;
    }
    if (high == 0) {
        fail(json, "found a NUL character in a text, expected none");
        return 0;
    }
    json->at += 4;
    if (high < 0xd800 || high > 0xdfff) {
        return (uint32_t)high;
    }
    bool pair = high < 0xdc00 && json->size - json->at >= 6 && json->bytes[json->at] == '\\' &&
                json->bytes[json->at + 1] == 'u';
    int32_t low = pair ? read_hex(json, json->at + 2) : -1;
    if (low < 0xdc00 || low > 0xdfff) {
        fail(json, "found half of a surrogate pair, expected both halves");
        return 0;
    }
    json->at += 6;
    return 0x10000 + (((uint32_t)high - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
}

// One escape, behind its backslash. Returns how many bytes it put, 0 with a failure.
static size_t read_escape(struct json *json, char *to)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    char c = peek(json);
    const char *name = c == '\0' ? NULL : strchr(names, c);
    json->at++;
    if (name != NULL) {
        *to = values[name - names];
        return 1;
    }
    if (c != 'u') {
        json->at--;
        fail(json, "expected one of \" \\ / b f n r t u after a backslash");
        return 0;
    }
    uint32_t point = read_point(json);
    return point == 0 ? 0 : put_utf8(to, point);
}

// Whether a byte of a text needs no attention: not a quote, backslash, control, or beyond ASCII.
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

// Moves over the plain and non-ASCII characters of a text. Returns the byte that stopped it, or NUL
// with a failure.
static char skip_plain(struct json *json)
{
    for (;;) {
        while (json->at < json->size && is_plain((unsigned char)json->bytes[json->at])) {
            json->at++;
        }
        if (json->at == json->size) {
            fail(json, "the text has no end");
            return '\0';
        }
        unsigned char c = (unsigned char)json->bytes[json->at];
        uint32_t point;
        if (c < 0x20) {
            fail(json, "found a control character in a text, expected an escape (\\n, \\u001b)");
            return '\0';
        }
        if (c < 0x80) {
            return (char)c;
        }
        size_t length = gr_utf8_read(json->bytes + json->at, json->size - json->at, &point);
        if (length == 0) {
            fail(json, "found a byte that is not valid UTF-8");
            return '\0';
        }
        json->at += length;
    }
}

// The rest of a text with escapes, whose plain beginning is [start, json->at).
static struct gr_slice read_escaped(struct json *json, size_t start)
{
    // No escape makes more bytes than it has, so the text is no longer than up to its quote.
    size_t end = json->at;
    while (end < json->size && json->bytes[end] != '"') {
        end += json->bytes[end] == '\\' ? 2 : 1;
    }
    char *copy = gr_arena_take(json->maker.arena, (end < json->size ? end : json->size) - start);
    size_t used = json->at - start;
    if (copy == NULL) {
        gr_fail(json->maker.err, -ENOMEM, "not enough memory");
        fail(json, "");
        return (struct gr_slice){NULL, 0};
    }
    memcpy(copy, json->bytes + start, used);
    while (json->wrong == NULL) {
        size_t from = json->at;
        char c = skip_plain(json);
        memcpy(copy + used, json->bytes + from, json->at - from);
        used += json->at - from;
        if (c == '"') {
            json->at++;
            return (struct gr_slice){copy, used};
        }
        if (c == '\\') {
            json->at++;
            used += read_escape(json, copy + used);
        }
    }
    return (struct gr_slice){NULL, 0};
}

// A text whose opening quote is the next byte. On failure json->wrong says why.
static struct gr_slice read_text(struct json *json)
{
    size_t start = ++json->at;
    char c = skip_plain(json);
    if (c == '"') {
        return (struct gr_slice){json->bytes + start, json->at++ - start};
    }
    return c == '\0' ? (struct gr_slice){NULL, 0} : read_escaped(json, start);
}

// ---- values -------------------------------------------------------------------------------------

static bool skip_digits(struct json *json)
{
    size_t start = json->at;
    while (peek(json) >= '0' && peek(json) <= '9') {
        json->at++;
    }
    return json->at > start;
}

static struct gr_value *read_number(struct json *json)
{
    struct gr_value *value = gr_value_new(&json->maker, GR_VALUE_NUMBER);
    size_t start = json->at;
    if (value == NULL) {
        return fail(json, "");
    }
    json->at += peek(json) == '-';
    bool zero = peek(json) == '0';
    size_t whole = json->at;
    bool good = skip_digits(json) && !(zero && json->at > whole + 1);
    if (good && peek(json) == '.') {
        json->at++;
        good = skip_digits(json);
    }
    if (good && (peek(json) == 'e' || peek(json) == 'E')) {
        json->at++;
        json->at += peek(json) == '+' || peek(json) == '-';
        good = skip_digits(json);
    }
    if (!good) {
        return fail(json, "expected a number as JSON writes it");
    }
    value->text = (struct gr_slice){json->bytes + start, json->at - start};
    return value;
}

static struct gr_value *read_word(struct json *json, const char *word, enum gr_value_type type)
{
    size_t size = strlen(word);
    if (json->size - json->at < size || memcmp(json->bytes + json->at, word, size) != 0) {
        return fail(json, "expected a value");
    }
    struct gr_value *value = gr_value_new(&json->maker, type);
    if (value == NULL) {
        return fail(json, "");
    }
    value->text = (struct gr_slice){json->bytes + json->at, size};
    json->at += size;
    return value;
}

static struct gr_value *read_value(struct json *json, unsigned depth);

// A key, its colon and its value, at the key's quote.
static struct gr_value *read_entry(struct json *json, unsigned depth)
{
    if (peek(json) != '"') {
        return fail(json, "expected a key in double quotes");
    }
    size_t at = json->at;
    struct gr_slice key = read_text(json);
    skip_blanks(json);
    if (json->wrong != NULL || peek(json) != ':') {
        return fail(json, "expected ':' after a key");
    }
    json->at++;
    struct gr_value *value = read_value(json, depth);
    if (value != NULL) {
        value->key = key;
        value->key_column = (uint32_t)at;
    }
    return value;
}

// A list or mapping, at its bracket.
static struct gr_value *read_children(struct json *json, unsigned depth)
{
    bool map = json->bytes[json->at] == '{';
    char close = map ? '}' : ']';
    struct gr_value *parent = gr_value_new(&json->maker, map ? GR_VALUE_MAP : GR_VALUE_LIST);
    if (parent == NULL) {
        return fail(json, "");
    }
    if (depth > GR_VALUE_DEPTH_MAX) {
        return fail(json, "found nesting deeper than 16 levels");
    }
    json->at++;
    skip_blanks(json);
    if (peek(json) == close) {
        json->at++;
        return parent;
    }
    for (struct gr_value **tail = &parent->first;; tail = &(*tail)->next) {
        if (parent->count++ == GR_VALUE_CHILDREN_MAX) {
            return fail(json, "found more than 10000 entries or items");
        }
        skip_blanks(json);
        *tail = map ? read_entry(json, depth + 1) : read_value(json, depth + 1);
        if (*tail == NULL) {
            return NULL;
        }
        skip_blanks(json);
        char c = peek(json);
        if (c != close && c != ',') {
            return fail(json, map ? "expected ',' or '}'" : "expected ',' or ']'");
        }
        json->at++;
        if (c == close) {
            return parent;
        }
    }
}

static struct gr_value *read_value(struct json *json, unsigned depth)
{
    skip_blanks(json);
    size_t at = json->at;
    struct gr_value *value = NULL;
    switch (peek(json)) {
    case '{':
    case '[':
        value = read_children(json, depth);
        break;
    case '"':
        value = gr_value_new(&json->maker, GR_VALUE_TEXT);
        if (value == NULL) {
            return fail(json, "");
        }
        value->text = read_text(json);
        break;
    case 't':
        value = read_word(json, "true", GR_VALUE_BOOL);
        break;
    case 'f':
        value = read_word(json, "false", GR_VALUE_BOOL);
        break;
    case 'n':
        value = read_word(json, "null", GR_VALUE_NULL);
        break;
    case '-':
    case '0' ... '9':
        value = read_number(json);
        break;
    default:
        return fail(json, json->at < json->size ? "expected a value" : "ends too early");
    }
    if (json->wrong != NULL) {
        return NULL;
    }
    value->column = (uint32_t)at;
    return value;
}

static int fail_json(const struct json *json, const struct gr_document *document,
                     struct gr_err *err)
{
    const struct gr_err *inner = json->maker.err;
    const char *wrong = json->wrong[0] == '\0' ? inner->text : json->wrong;
    int code = json->wrong[0] == '\0' ? inner->code : -EINVAL;
    size_t line;
    size_t column;
    if (document->name == NULL) {
        return gr_fail(err, code, "not the JSON expected here: byte %zu: %s", json->at, wrong);
    }
    gr_document_place(document, json->at, &line, &column);
    return gr_fail(err, code, "%s:%zu:%zu: %s", document->name, line, column, wrong);
}

int gr_document_read_json(const char *name, const char *bytes, size_t size, struct gr_arena *arena,
                          struct gr_document *ret_document, struct gr_err *err)
{
    struct gr_err inner = {0};
    struct gr_document document = {.name = name, .bytes = bytes, .size = size};
    struct json json = {.bytes = bytes, .size = size, .maker = {.arena = arena, .err = &inner}};
    assert(arena != NULL && ret_document != NULL);
    if (size > UINT32_MAX) {
        return gr_fail(err, -EINVAL, "a document of more than 4 GiB");
    }
    document.root = read_value(&json, 1);
    if (document.root != NULL) {
        skip_blanks(&json);
        if (json.at < size) {
            fail(&json, "expected the end");
        }
    }
    if (json.wrong != NULL) {
        return fail_json(&json, &document, err);
    }
    *ret_document = document;
    return 0;
}
