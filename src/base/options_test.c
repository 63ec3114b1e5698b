// Tests of the option parser: every form it takes, every refusal with its text, and the help.
#include "base/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const formats[] = {"table", "json", NULL};
static struct {
    bool all;
    bool limit_given;
    const char *file;
    int64_t limit;
    int64_t share;
    size_t format;
    struct gr_options_list kinds;
} got;

static const struct gr_option table[] = {
    {.name = "all",
     .letter = 'a',
     .type = GR_OPTION_FLAG,
     .store = &got.all,
     .help = "Everything."},
    {.name = "file",
     .type = GR_OPTION_TEXT,
     .value = "FILE",
     .store = &got.file,
     .help = "Reads it."},
    {.name = "limit",
     .type = GR_OPTION_INT,
     .value = "N",
     .store = &got.limit,
     .low = -5,
     .high = 9,
     .given = &got.limit_given,
     .help = "At most N."},
    {.name = "share",
     .type = GR_OPTION_DECIMAL,
     .value = "PERCENT",
     .digits = 1,
     .low = 0,
     .high = 1000,
     .store = &got.share,
     .help = "A share."},
    {.name = "output",
     .letter = 'o',
     .type = GR_OPTION_WORD,
     .value = "FORMAT",
     .words = formats,
     .store = &got.format,
     .help = "How."},
    {.name = "kind",
     .type = GR_OPTION_LIST,
     .value = "KIND",
     .store = &got.kinds,
     .help = "Which."},
    {.name = NULL},
};
static const struct gr_options options = {
    .usage = "try [OPTIONS] NAME\ntry other",
    .about = "Tries.",
    .options = table,
    .operands_max = 2,
    .operands = "at most two names",
};

// Parses up to seven words; *ret_argv is what became of them.
static int parse(struct gr_err *err, size_t *ret_operands, char **argv, const char *const *words)
{
    static char copies[8][64];
    int argc = 1;
    argv[0] = copies[0];
    memset(&got, 0, sizeof got);
    gr_err_init(err);
    for (size_t i = 0; words[i] != NULL; i++) {
        snprintf(copies[argc], sizeof copies[argc], "%s", words[i]);
        argv[argc] = copies[argc];
        argc++;
    }
    return gr_options_parse(&options, argc, argv, ret_operands, err);
}

#define PARSE(...) parse(&err, &operands, argv, (const char *const[]){__VA_ARGS__, NULL})

static void every_form_is_taken(void **state)
{
    (void)state;
    struct gr_err err;
    size_t operands = 9;
    char *argv[9];
    assert_int_equal(PARSE("-a", "x", "--file=f", "--limit", "-5", "-ojson", "y"), 0);
    assert_int_equal(operands, 2);
    assert_string_equal(argv[1], "x");
    assert_string_equal(argv[2], "y");
    assert_true(got.all && got.limit_given);
    assert_string_equal(got.file, "f");
    assert_int_equal(got.limit, -5);
    assert_int_equal(got.format, 1);
    assert_int_equal(PARSE("--share", "12.5", "--kind", "a", "--kind=b", "--", "--all"), 0);
    assert_int_equal(got.share, 125);
    assert_int_equal(got.kinds.count, 2);
    assert_string_equal(got.kinds.values[1], "b");
    assert_int_equal(operands, 1);
    assert_string_equal(argv[1], "--all");
    assert_int_equal(PARSE("-"), 0);
    assert_int_equal(operands, 1);
    assert_int_equal(PARSE("x", "--help", "--nonsense"), GR_OPTIONS_HELP);
    assert_int_equal(PARSE("-h"), GR_OPTIONS_HELP);
}

static void after_the_first_operand_a_command_line_keeps_its_own_options(void **state)
{
    (void)state;
    struct gr_err err;
    char name[] = "try", all[] = "-a", program[] = "x", own[] = "--unknown", dashes[] = "--";
    char *argv[] = {name, all, program, own, dashes, NULL};
    struct gr_options command = options;
    size_t operands = 0;
    command.operands_end = true;
    command.operands_max = 9;
    gr_err_init(&err);
    memset(&got, 0, sizeof got);
    assert_int_equal(gr_options_parse(&command, 5, argv, &operands, &err), 0);
    assert_true(got.all);
    assert_int_equal(operands, 3);
    assert_string_equal(argv[2], "--unknown");
    assert_string_equal(argv[3], "--");
}

static void every_refusal_says_what_to_do(void **state)
{
    (void)state;
    static const struct {
        const char *words[4];
        const char *text;
    } cases[] = {
        {{"--kinds"}, "there is no option --kinds, perhaps --kind is meant; --help lists them"},
        {{"--zzz=1"}, "there is no option --zzz; --help lists them"},
        {{"-z"}, "there is no option -z; --help lists them"},
        {{"--limit"}, "--limit: found no value, expected --limit N"},
        {{"--file", "--all"}, "--file: found no value, expected --file FILE"},
        {{"--file="}, "--file: found an empty value, expected FILE"},
        {{"--limit", "10"}, "--limit: found '10', expected a whole number from -5 to 9"},
        {{"--limit", "1x"}, "--limit: found '1x', expected a whole number from -5 to 9"},
        {{"--share", "1.25"},
         "--share: found '1.25', expected a number with at most 1 digits after the point"},
        {{"--share", "101"}, "--share: found '101', expected a number from 0 to 100"},
        {{"-o", "xml"}, "--output: found 'xml', expected table or json"},
        {{"--all=yes"}, "--all: found 'yes', expected no value, it is a switch"},
        {{"-a", "-a"}, "--all: is given twice, expected once"},
        {{"a", "b", "c"}, "found 'c', expected only at most two names; --help explains"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gr_err err;
        size_t operands = 9;
        char *argv[9];
        assert_int_equal(parse(&err, &operands, argv, cases[i].words), -EINVAL);
        assert_string_equal(err.text, cases[i].text);
        assert_int_equal(operands, 9);
    }
}

static void the_help_is_written_from_the_table(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    gr_options_help(&options, file);
    fclose(file);
    assert_string_equal(text, "usage: granary try [OPTIONS] NAME\n"
                              "       granary try other\n\n"
                              "Tries.\n\n"
                              "options:\n"
                              "  -a, --all                 Everything.\n"
                              "      --file FILE           Reads it.\n"
                              "      --limit N             At most N.\n"
                              "      --share PERCENT       A share.\n"
                              "  -o, --output FORMAT       How.\n"
                              "      --kind KIND           Which.\n"
                              "  -h, --help                Show this and stop.\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_taken),
        cmocka_unit_test(after_the_first_operand_a_command_line_keeps_its_own_options),
        cmocka_unit_test(every_refusal_says_what_to_do),
        cmocka_unit_test(the_help_is_written_from_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
