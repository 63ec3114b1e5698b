// Options of a subcommand: see options.h. Must never accept what it does not understand.
#include "base/options.h"

#include "base/number.h"
#include "base/text.h"
#include "base/words.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { HELP_COLUMN = 28, HELP_WIDTH = 98 };

static const struct gr_option *find_name(const struct gr_options *options, struct gr_slice name)
{
    for (const struct gr_option *o = options->options; o->name != NULL; o++) {
        if (gr_slice_is(name, o->name)) {
            return o;
        }
    }
    return NULL;
}

static const struct gr_option *find_letter(const struct gr_options *options, char letter)
{
    for (const struct gr_option *o = options->options; o->name != NULL; o++) {
        if (o->letter != 0 && o->letter == letter) {
            return o;
        }
    }
    return NULL;
}

static int fail_unknown(const struct gr_options *options, struct gr_slice name, struct gr_err *err)
{
    const char *names[GR_OPTIONS_MAX + 2] = {"help"};
    size_t count = 1;
    for (const struct gr_option *o = options->options; o->name != NULL; o++) {
        assert(count <= GR_OPTIONS_MAX);
        names[count++] = o->name;
    }
    char quote[GR_WORDS_QUOTE_SIZE];
    const char *near = gr_words_nearest(name, names);
    gr_words_quote(name, quote);
    if (near != NULL) {
        return gr_fail(err, -EINVAL,
                       "there is no option --%.*s, perhaps --%s is meant; --help lists them",
                       (int)strlen(quote) - 2, quote + 1, near);
    }
    return gr_fail(err, -EINVAL, "there is no option --%.*s; --help lists them",
                   (int)strlen(quote) - 2, quote + 1);
}

static int fail_value(const struct gr_option *option, const char *value, const char *expected,
                      struct gr_err *err)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    return gr_fail(err, -EINVAL, "--%s: found %s, expected %s", option->name,
                   gr_words_quote(gr_slice_of(value), quote), expected);
}

static int store_number(const struct gr_option *option, const char *value, struct gr_err *err)
{
    unsigned digits = option->type == GR_OPTION_DECIMAL ? option->digits : 0;
    struct gr_slice text = gr_slice_of(value);
    int code = digits == 0
                   ? gr_number_read_int(text, option->low, option->high, option->store)
                   : gr_number_read_decimal(text, digits, option->low, option->high, option->store);
    if (code == 0) {
        return 0;
    }
    char a[GR_NUMBER_TEXT_SIZE];
    char b[GR_NUMBER_TEXT_SIZE];
    char expected[256];
    snprintf(expected, sizeof expected, "a %s from %s to %s",
             digits == 0 ? "whole number" : "number", gr_number_format(option->low, digits, a),
             gr_number_format(option->high, digits, b));
    if (code == -EDOM) {
        snprintf(expected, sizeof expected, "a number with at most %u digits after the point",
                 digits);
    }
    return fail_value(option, value, expected, err);
}

static int store_word(const struct gr_option *option, const char *value, struct gr_err *err)
{
    for (size_t i = 0; option->words[i] != NULL; i++) {
        if (strcmp(value, option->words[i]) == 0) {
            *(size_t *)option->store = i;
            return 0;
        }
    }
    char list[512];
    return fail_value(option, value, gr_words_list(option->words, list, sizeof list), err);
}

static int store_list(const struct gr_option *option, const char *value, struct gr_err *err)
{
    struct gr_options_list *list = option->store;
    if (list->count == GR_OPTIONS_LIST_MAX) {
        return gr_fail(err, -EINVAL, "--%s: found more than %d of it, expected no more",
                       option->name, GR_OPTIONS_LIST_MAX);
    }
    list->values[list->count++] = value;
    return 0;
}

static int store_value(const struct gr_option *option, const char *value, struct gr_err *err)
{
    assert(option->type != GR_OPTION_FLAG);
    if (value[0] == '\0') {
        return gr_fail(err, -EINVAL, "--%s: found an empty value, expected %s", option->name,
                       option->value);
    }
    switch (option->type) {
    case GR_OPTION_FLAG:
        break;
    case GR_OPTION_TEXT:
        *(const char **)option->store = value;
        return 0;
    case GR_OPTION_INT:
    case GR_OPTION_DECIMAL:
        return store_number(option, value, err);
    case GR_OPTION_WORD:
        return store_word(option, value, err);
    case GR_OPTION_LIST:
        return store_list(option, value, err);
    }
    return -EINVAL;
}

// The state of one parse: where in argv, and which options were seen.
struct parse {
    const struct gr_options *options;
    int argc;
    char **argv;
    int at;
    uint64_t seen; // one bit an option of the table
};

// Stores one option; `value` is what was attached to it (NULL if nothing was).
static int take_option(struct parse *parse, const struct gr_option *option, const char *value,
                       struct gr_err *err)
{
    size_t index = (size_t)(option - parse->options->options);
    assert(index < GR_OPTIONS_MAX);
    if ((parse->seen >> index & 1) != 0 && option->type != GR_OPTION_LIST) {
        return gr_fail(err, -EINVAL, "--%s: is given twice, expected once", option->name);
    }
    parse->seen |= (uint64_t)1 << index;
    if (option->given != NULL) {
        *option->given = true;
    }
    if (option->type == GR_OPTION_FLAG) {
        if (value != NULL) {
            return fail_value(option, value, "no value, it is a switch", err);
        }
        *(bool *)option->store = true;
        return 0;
    }
    if (value == NULL) {
        if (parse->at + 1 >= parse->argc || strncmp(parse->argv[parse->at + 1], "--", 2) == 0) {
            return gr_fail(err, -EINVAL, "--%s: found no value, expected --%s %s", option->name,
                           option->name, option->value);
        }
        value = parse->argv[++parse->at];
    }
    return store_value(option, value, err);
}

static int take_long(struct parse *parse, const char *text, struct gr_err *err)
{
    const char *equals = strchr(text, '=');
    struct gr_slice name = {text, equals == NULL ? strlen(text) : (size_t)(equals - text)};
    if (gr_slice_is(name, "help")) {
        return GR_OPTIONS_HELP;
    }
    const struct gr_option *option = find_name(parse->options, name);
    if (option == NULL) {
        return fail_unknown(parse->options, name, err);
    }
    return take_option(parse, option, equals == NULL ? NULL : equals + 1, err);
}

static int take_short(struct parse *parse, const char *text, struct gr_err *err)
{
    if (text[0] == 'h' && text[1] == '\0') {
        return GR_OPTIONS_HELP;
    }
    const struct gr_option *option = find_letter(parse->options, text[0]);
    if (option == NULL) {
        return gr_fail(err, -EINVAL, "there is no option -%c; --help lists them", text[0]);
    }
    return take_option(parse, option, text[1] == '\0' ? NULL : text + 1, err);
}

static int check_operands(const struct gr_options *options, size_t count, char **argv,
                          struct gr_err *err)
{
    char quote[GR_WORDS_QUOTE_SIZE];
    if (count < options->operands_min) {
        return gr_fail(err, -EINVAL, "found %zu operand%s, expected %s; --help explains", count,
                       count == 1 ? "" : "s", options->operands);
    }
    if (count > options->operands_max) {
        return gr_fail(err, -EINVAL, "found %s, expected %s%s; --help explains",
                       gr_words_quote(gr_slice_of(argv[1 + options->operands_max]), quote),
                       options->operands_max == 0 ? "" : "only ",
                       options->operands_max == 0 ? "no operand" : options->operands);
    }
    return 0;
}

int gr_options_parse(const struct gr_options *options, int argc, char **argv, size_t *ret_operands,
                     struct gr_err *err)
{
    assert(options != NULL && options->options != NULL);
    assert(argc >= 1);
    struct parse parse = {.options = options, .argc = argc, .argv = argv};
    size_t operands = 0;
    bool only_operands = false;
    for (parse.at = 1; parse.at < argc; parse.at++) {
        char *text = argv[parse.at];
        if (only_operands || text[0] != '-' || text[1] == '\0') {
            argv[1 + operands++] = text;
            only_operands = only_operands || options->operands_end;
            continue;
        }
        if (strcmp(text, "--") == 0) {
            only_operands = true;
            continue;
        }
        int code =
            text[1] == '-' ? take_long(&parse, text + 2, err) : take_short(&parse, text + 1, err);
        if (code != 0) {
            return code;
        }
    }
    int code = check_operands(options, operands, argv, err);
    if (code == 0) {
        *ret_operands = operands;
    }
    return code;
}

// ---- help ---------------------------------------------------------------------------------------

static void help_option(const struct gr_option *option, FILE *file)
{
    char head[128];
    char letter[8] = "    ";
    if (option->letter != 0) {
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    }
    int wrote =
        snprintf(head, sizeof head, "  %s--%s%s%s", letter, option->name,
                 option->value == NULL ? "" : " ", option->value == NULL ? "" : option->value);
    fputs(head, file);
    if (wrote < 0 || wrote > HELP_COLUMN - 2) {
        fputc('\n', file);
        wrote = 0;
    }
    gr_text_wrap(file, option->help, HELP_COLUMN, HELP_WIDTH, (size_t)wrote);
}

void gr_options_help(const struct gr_options *options, FILE *file)
{
    const char *usage = options->usage;
    const char *lead = "usage: ";
    while (*usage != '\0') {
        size_t size = strcspn(usage, "\n");
        fprintf(file, "%sgranary %.*s\n", lead, (int)size, usage);
        usage += size + (usage[size] == '\n');
        lead = "       ";
    }
    fputc('\n', file);
    gr_text_wrap(file, options->about, 0, HELP_WIDTH, 0);
    fputs("\noptions:\n", file);
    for (const struct gr_option *o = options->options; o->name != NULL; o++) {
        help_option(o, file);
    }
    static const struct gr_option help = {
        .name = "help", .letter = 'h', .help = "Show this and stop."};
    help_option(&help, file);
    if (options->details != NULL) {
        fprintf(file, "\n%s", options->details);
    }
}
