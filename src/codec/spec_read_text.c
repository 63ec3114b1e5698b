// Texts of a spec: see spec_read.h. Names and paths, commands and scripts, environments and
// secrets, kinds. All are copied into the arena, each with its NUL.
#include "base/words.h"
#include "codec/spec_read.h"

#include <assert.h>
#include <errno.h>

// Where the field that is being read lies.
static void *place_of(struct gr_spec_reader *reader, const struct gr_spec_field *field)
{
    return (char *)&reader->spec + field->at;
}

// ---- texts --------------------------------------------------------------------------------------

// Stores a copy of `front`, `between` and `text`, one after the other, with a NUL.
static int keep(struct gr_spec_reader *reader, struct gr_slice front, const char *between,
                struct gr_slice text, const char **ret_text)
{
    size_t size = strlen(between);
    char *copy = gr_arena_take(reader->input->arena, front.size + size + text.size + 1);
    if (copy == NULL) {
        return gr_spec_read_memory(reader);
    }
    memcpy(copy, front.text, front.size);
    memcpy(copy + front.size, between, size);
    memcpy(copy + front.size + size, text.text, text.size);
    copy[front.size + size + text.size] = '\0';
    *ret_text = copy;
    return 0;
}

static const struct gr_slice blank = {"", 0};

static int read_text(struct gr_spec_reader *reader, const struct gr_value *value,
                     const char *expected, const char **ret_text)
{
    if (!gr_value_is_text(value)) {
        return gr_spec_read_unlike(reader, value, expected);
    }
    return keep(reader, blank, "", value->text, ret_text);
}

// The path as given if it is absolute, else below input->base if there is one.
static struct gr_slice base_of(const struct gr_spec_reader *reader, struct gr_slice *path,
                               const char **ret_between)
{
    *ret_between = "";
    if (path->size == 0 || path->text[0] == '/' || reader->input->base == NULL) {
        return blank;
    }
    while (path->size >= 2 && memcmp(path->text, "./", 2) == 0) {
        *path = (struct gr_slice){path->text + 2, path->size - 2};
    }
    if (gr_slice_is(*path, ".")) {
        path->size = 0;
    }
    size_t size = strlen(reader->input->base);
    bool ends = size > 0 && reader->input->base[size - 1] == '/';
    *ret_between = ends || path->size == 0 ? "" : "/";
    return (struct gr_slice){reader->input->base, size};
}

static int read_path(struct gr_spec_reader *reader, const struct gr_value *value,
                     const char **ret_text)
{
    struct gr_slice path = value->text;
    const char *between;
    if (!gr_value_is_text(value)) {
        return gr_spec_read_unlike(reader, value, "a path");
    }
    struct gr_slice base = base_of(reader, &path, &between);
    return keep(reader, base, between, path, ret_text);
}

static int read_directory(struct gr_spec_reader *reader, const struct gr_value *value)
{
    if (gr_value_is_text(value) && gr_slice_is(value->text, "new")) {
        reader->spec.directory = gr_spec_new;
        return 0;
    }
    return read_path(reader, value, &reader->spec.directory);
}

// Room for `count` texts and one more, or NULL.
static const char **new_texts(struct gr_spec_reader *reader, size_t count)
{
    return gr_arena_take(reader->input->arena, (count + 1) * sizeof(char *));
}

static int read_shell(struct gr_spec_reader *reader, const struct gr_value *value)
{
    const char **texts = new_texts(reader, 3);
    if (texts == NULL) {
        return gr_spec_read_memory(reader);
    }
    texts[0] = "/bin/sh";
    texts[1] = "-c";
    reader->spec.argv = (struct gr_spec_texts){texts, 3};
    if (value->text.size == 0) {
        return gr_spec_read_unlike(reader, value, "what each task is to run");
    }
    return keep(reader, blank, "", value->text, &texts[2]);
}

static int read_command(struct gr_spec_reader *reader, const struct gr_value *value)
{
    static const char expected[] = "a list of texts, or one text for /bin/sh -c";
    if (gr_value_is_text(value)) {
        return read_shell(reader, value);
    }
    if (value->type != GR_VALUE_LIST || value->count == 0) {
        return gr_spec_read_unlike(reader, value, expected);
    }
    if (value->count > GR_SPEC_ARGS_MAX) {
        return gr_spec_read_fail(reader, value, "has %u arguments, expected at most %d",
                                 value->count, GR_SPEC_ARGS_MAX);
    }
    const char **texts = new_texts(reader, value->count);
    if (texts == NULL) {
        return gr_spec_read_memory(reader);
    }
    reader->spec.argv = (struct gr_spec_texts){texts, value->count};
    reader->index = 0;
    for (const struct gr_value *item = value->first; item != NULL; item = item->next) {
        int code =
            read_text(reader, item, "a text (in quotes, if it is a number)", &texts[reader->index]);
        if (code < 0) {
            return code;
        }
        reader->index++;
    }
    return 0;
}

// The next word of a line that is taken apart at blanks; empty at its end.
static struct gr_slice take_word(struct gr_slice *line)
{
    while (line->size > 0 && (line->text[0] == ' ' || line->text[0] == '\t')) {
        *line = (struct gr_slice){line->text + 1, line->size - 1};
    }
    struct gr_slice word = {line->text, 0};
    while (word.size < line->size && line->text[word.size] != ' ' &&
           line->text[word.size] != '\t') {
        word.size++;
    }
    *line = (struct gr_slice){line->text + word.size, line->size - word.size};
    return word;
}

// The option with which an interpreter takes a program as an argument.
static const char *option_of(struct gr_slice program)
{
    static const char *const with_e[] = {"perl", "ruby", "node", "lua", "julia", "Rscript"};
    for (size_t i = program.size; i-- > 0;) {
        if (program.text[i] == '/') {
            program = (struct gr_slice){program.text + i + 1, program.size - i - 1};
            break;
        }
    }
    for (size_t i = 0; i < sizeof with_e / sizeof *with_e; i++) {
        if (gr_slice_is(program, with_e[i])) {
            return "-e";
        }
    }
    return "-c";
}

// A program text: the interpreter that its first line names, with its arguments, and the text.
static int read_script(struct gr_spec_reader *reader, const struct gr_value *value)
{
    if (!gr_value_is_text(value)) {
        return gr_spec_read_unlike(reader, value, "a program text");
    }
    if (value->text.size < 2 || memcmp(value->text.text, "#!", 2) != 0) {
        return read_shell(reader, value);
    }
    const char *end = memchr(value->text.text, '\n', value->text.size);
    struct gr_slice line = {value->text.text + 2, 0};
    line.size = (end == NULL ? value->text.size : (size_t)(end - value->text.text)) - 2;
    const char **texts = new_texts(reader, 2 + line.size);
    if (texts == NULL) {
        return gr_spec_read_memory(reader);
    }
    uint32_t count = 0;
    struct gr_slice last = blank;
    for (struct gr_slice word = take_word(&line); word.size > 0; word = take_word(&line)) {
        int code = keep(reader, blank, "", word, &texts[count++]);
        if (code < 0) {
            return code;
        }
        last = word.text[0] == '-' ? last : word; // `env python3`: the program is the last word
    }
    if (count == 0 || count > GR_SPEC_ARGS_MAX - 2) {
        return gr_spec_read_fail(reader, value, "names no program after #!");
    }
    texts[count] = option_of(last);
    reader->spec.argv = (struct gr_spec_texts){texts, count + 2};
    return keep(reader, blank, "", value->text, &texts[count + 1]);
}

// ---- names and values ---------------------------------------------------------------------------

// Names and texts, or names and paths, as "NAME=TEXT".
static int read_map(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                    const struct gr_value *value)
{
    bool files = field->type == GR_SPEC_FILES;
    uint32_t most = files ? GR_SPEC_SECRETS_MAX : GR_SPEC_ENV_MAX;
    if (value->type != GR_VALUE_MAP) {
        return gr_spec_read_unlike(reader, value,
                                   files ? "a mapping of names to paths (TOKEN: /srv/a/token)"
                                         : "a mapping of names to texts (SEED: \"17\")");
    }
    if (value->count > most) {
        return gr_spec_read_fail(reader, value, "has %u entries, expected at most %u", value->count,
                                 most);
    }
    const char **texts = new_texts(reader, value->count);
    if (texts == NULL) {
        return gr_spec_read_memory(reader);
    }
    *(struct gr_spec_texts *)place_of(reader, field) = (struct gr_spec_texts){texts, value->count};
    for (const struct gr_value *entry = value->first; entry != NULL; entry = entry->next) {
        struct gr_slice text = entry->text;
        const char *between = "=";
        struct gr_slice front = entry->key;
        reader->item = entry->key;
        if (!gr_value_is_text(entry)) {
            return gr_spec_read_unlike(reader, entry,
                                       files ? "a path" : "a text (in quotes, if it is a number)");
        }
        if (front.size == 0 || memchr(front.text, '=', front.size) != NULL) {
            return gr_spec_read_fail(reader, entry, "expected a name without '='");
        }
        struct gr_slice base = files ? base_of(reader, &text, &between) : blank;
        const char *whole;
        int code = 0;
        if (base.size > 0) {
            code = keep(reader, base, between, text, &whole);
            text = code < 0 ? text : gr_slice_of(whole);
        }
        code = code < 0 ? code : keep(reader, front, "=", text, texts++);
        if (code < 0) {
            return code;
        }
    }
    reader->item.text = NULL;
    return 0;
}

// Whether a kind's text has the form of names with one '|' between them; whether they exist is for
// who knows the pool.
static bool is_kind(struct gr_slice text)
{
    static const char *const orders[] = {"cheapest:", "fastest:"};
    size_t at = 0;
    for (size_t o = 0; o < sizeof orders / sizeof *orders && at == 0; o++) {
        size_t size = strlen(orders[o]);
        at = text.size >= size && memcmp(text.text, orders[o], size) == 0 ? size : 0;
    }
    size_t name = 0;
    for (; at < text.size; at++) {
        char c = text.text[at];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.' || c == '_' || c == '+';
        if (!letter && (c != '|' || name == 0)) {
            return false;
        }
        name = letter ? name + 1 : 0;
    }
    return name > 0;
}

static int read_kind(struct gr_spec_reader *reader, const struct gr_value *value)
{
    static const char expected[] =
        "a kind: the name of a variant or set (h20, any-hopper), or several (h100|h200)";
    const char *kind = "";
    if (value->type == GR_VALUE_LIST && value->count > 0) {
        reader->index = 0;
        for (const struct gr_value *item = value->first; item != NULL; item = item->next) {
            if (!gr_value_is_text(item) || !is_kind(item->text)) {
                return gr_spec_read_unlike(reader, item, expected);
            }
            int code =
                keep(reader, gr_slice_of(kind), kind[0] == '\0' ? "" : "|", item->text, &kind);
            if (code < 0) {
                return code;
            }
            if (strlen(kind) > 4096) {
                return gr_spec_read_fail(reader, item, "has too many names");
            }
            reader->index++;
        }
        reader->index = -1;
        reader->spec.kind = kind;
        return 0;
    }
    if (!gr_value_is_text(value) || !is_kind(value->text)) {
        return gr_spec_read_unlike(reader, value, expected);
    }
    return keep(reader, blank, "", value->text, &reader->spec.kind);
}

// ---- all ----------------------------------------------------------------------------------------

int gr_spec_read_text(struct gr_spec_reader *reader, const struct gr_spec_field *field,
                      const struct gr_value *value)
{
    switch ((int)field->type) {
    case GR_SPEC_TEXT:
        return read_text(reader, value, "a text", place_of(reader, field));
    case GR_SPEC_PATH:
        return read_path(reader, value, place_of(reader, field));
    case GR_SPEC_DIRECTORY:
        return read_directory(reader, value);
    case GR_SPEC_COMMAND:
        return read_command(reader, value);
    case GR_SPEC_SCRIPT:
        return read_script(reader, value);
    case GR_SPEC_KIND:
        return read_kind(reader, value);
    default:
        assert(field->type == GR_SPEC_MAP || field->type == GR_SPEC_FILES);
        return read_map(reader, field, value);
    }
}
