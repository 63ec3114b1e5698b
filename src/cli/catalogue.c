// `granary catalogue`: which accelerators are known, and what of them. Offline: reads files only.
// Must never show an unknown fact as a number. Listing is here, choosing in catalogue_filter.c,
// single variants in catalogue_show.c.
#include "cli/catalogue.h"

#include "base/json.h"
#include "base/number.h"
#include "base/text.h"
#include "cli/catalogue_filter.h"
#include "cli/start.h"

#include <errno.h>
#include <stdlib.h>

static const char *const formats[] = {"table", "json", "csv", NULL};

// ---- one fact -----------------------------------------------------------------------------------

// Writes a fact for a narrow table: "-" if unknown, "~" before a doubtful one.
static const char *short_fact(const struct gr_variant *variant, enum gr_fact fact, char *buffer)
{
    char number[GR_NUMBER_TEXT_SIZE];
    unsigned digits = gr_fact_info(fact)->digits;
    int64_t value;
    if (!gr_variant_get(variant, fact, &value)) {
        return "-";
    }
    // whole above 10, two digits of a fraction below
    bool whole = digits == 0 || value >= 10000 || value % 1000 == 0;
    gr_number_format_fixed(value, digits, whole ? 0 : digits - 1, number);
    snprintf(buffer, GR_CLI_FACT_SIZE, "%s%s", gr_variant_doubts(variant, fact) ? "~" : "", number);
    return buffer;
}

// ---- tables -------------------------------------------------------------------------------------

// The columns of the list and the width from which they are shown: a narrow terminal gets fewer.
// A column without a fact is the name (first) or the vendor.
static const struct {
    struct gr_table_column column;
    size_t least_width; // of the terminal
    enum gr_fact fact;
} list_columns[] = {
    {{"name", GR_TABLE_LEFT}, 0, GR_FACT_COUNT},
    {{"vendor", GR_TABLE_FILL}, 84, GR_FACT_COUNT},
    {{"memory\nGiB", GR_TABLE_RIGHT}, 0, GR_FACT_MEMORY},
    {{"memory\nGB/s", GR_TABLE_RIGHT}, 0, GR_FACT_BANDWIDTH},
    {{"FP16\nTFLOPS", GR_TABLE_RIGHT}, 0, GR_FACT_FP16},
    {{"FP8\nTFLOPS", GR_TABLE_RIGHT}, 0, GR_FACT_FP8},
    {{"INT8\nTOPS", GR_TABLE_RIGHT}, 74, GR_FACT_INT8},
    {{"FP4\nTFLOPS", GR_TABLE_RIGHT}, 74, GR_FACT_FP4},
    {{"FLOP/\nbyte", GR_TABLE_RIGHT}, 0, GR_FACT_FLOP_PER_BYTE},
    {{"TDP\nW", GR_TABLE_RIGHT}, 0, GR_FACT_TDP},
    {{"year", GR_TABLE_RIGHT}, 90, GR_FACT_YEAR},
    {{"price\nUSD", GR_TABLE_RIGHT}, 97, GR_FACT_PRICE},
};
enum { LIST_COLUMNS = sizeof list_columns / sizeof list_columns[0] };

static void add_list_cell(struct gr_table *table, const struct gr_variant *variant, size_t column)
{
    struct gr_slice name = gr_variant_name(variant);
    char buffer[GR_CLI_FACT_SIZE];
    if (column == 0) {
        gr_table_addf(table, "%.*s", (int)name.size, name.text);
    } else if (list_columns[column].fact == GR_FACT_COUNT) {
        gr_table_add(table, variant->text[GR_VARIANT_VENDOR]);
    } else {
        const char *text = short_fact(variant, list_columns[column].fact, buffer);
        gr_table_add_styled(table, text == buffer ? GR_STYLE_PLAIN : GR_STYLE_FAINT, text);
    }
}

static void write_legend(const struct gr_terminal *terminal, const struct gr_cli_choice *choice,
                         size_t total)
{
    fprintf(stdout, "%s%s%zu of %zu variants", choice->count > 0 ? "\n" : "",
            gr_terminal_style(terminal, GR_STYLE_FAINT), choice->count, total);
    if (choice->unknown_count > 0) {
        fprintf(stdout, "; %zu more left out because a figure asked for is unknown",
                choice->unknown_count);
    }
    fprintf(stdout,
            ".\n- unknown   ~ not certain   rates are dense peaks   FLOP/byte: FP16 per byte of "
            "memory traffic;\nlow suits serving (decoding reads memory), high suits training.%s\n",
            gr_terminal_style(terminal, GR_STYLE_PLAIN));
}

int gr_cli_catalogue_table(const struct gr_catalogue *catalogue, const struct gr_cli_choice *choice,
                           struct gr_err *err)
{
    struct gr_terminal terminal;
    struct gr_table_column columns[LIST_COLUMNS];
    size_t shown[LIST_COLUMNS];
    size_t count = 0;
    gr_terminal_init(&terminal, stdout);
    for (size_t c = 0; c < LIST_COLUMNS; c++) {
        if (terminal.column_count >= list_columns[c].least_width) {
            columns[count] = list_columns[c].column;
            shown[count++] = c;
        }
    }
    struct gr_table *table = gr_table_new(columns, count);
    for (size_t i = 0; table != NULL && i < choice->count; i++) {
        for (size_t c = 0; c < count; c++) {
            add_list_cell(table, &catalogue->variants[choice->variants[i]], shown[c]);
        }
    }
    int code = choice->count == 0 && table != NULL ? 0 : gr_table_write(table, &terminal, err);
    gr_table_free(table);
    if (code == 0) {
        write_legend(&terminal, choice, catalogue->count);
    }
    return code;
}

// ---- JSON and CSV -------------------------------------------------------------------------------

static json_t *list_json(const char *text)
{
    json_t *array = json_array();
    struct gr_slice rest = gr_slice_of(text);
    struct gr_slice word;
    int code = 0;
    while (gr_variant_next(&rest, &word)) {
        code |= gr_json_append(array, gr_json_text(word));
    }
    if (code < 0) {
        json_decref(array);
        return NULL;
    }
    return array;
}

static int set_text(json_t *object, const char *key, const char *text)
{
    return text[0] == '\0' ? gr_json_set_null(object, key)
                           : gr_json_set_text(object, key, gr_slice_of(text));
}

static json_t *variant_json(const struct gr_variant *variant)
{
    static const struct {
        const char *key;
        enum gr_variant_text text;
        bool is_list;
    } texts[] = {
        {"id", GR_VARIANT_ID, false},
        {"names", GR_VARIANT_NAMES, true},
        {"vendor", GR_VARIANT_VENDOR, false},
        {"model", GR_VARIANT_MODEL, false},
        {"architecture", GR_VARIANT_ARCHITECTURE, false},
        {"form_factor", GR_VARIANT_FORM, false},
        {"memory_type", GR_VARIANT_MEMORY_TYPE, false},
        {"link", GR_VARIANT_LINK_TYPE, false},
        {"tpp_basis", GR_VARIANT_TPP_BASIS, false},
        {"sharing", GR_VARIANT_SHARING, true},
        {"uncertain", GR_VARIANT_UNCERTAIN, true},
        {"sources", GR_VARIANT_SOURCES, true},
        {"note", GR_VARIANT_NOTE, false},
    };
    json_t *object = json_object();
    int code = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *text = variant->text[texts[i].text];
        code |= texts[i].is_list ? gr_json_set(object, texts[i].key, list_json(text))
                                 : set_text(object, texts[i].key, text);
    }
    code |= gr_json_set_bool(object, "datacentre", variant->datacentre);
    code |= set_text(object, "confidence", gr_confidence_words[variant->confidence]);
    for (enum gr_fact fact = 0; fact < GR_FACT_COUNT; fact++) {
        const struct gr_fact_info *info = gr_fact_info(fact);
        int64_t value;
        code |= gr_variant_get(variant, fact, &value)
                    ? gr_json_set_decimal(object, info->name, value, info->digits)
                    : gr_json_set_null(object, info->name);
    }
    if (code < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

int gr_cli_catalogue_json(const struct gr_catalogue *catalogue, const struct gr_cli_choice *choice,
                          struct gr_err *err)
{
    json_t *array = json_array();
    int code = 0;
    for (size_t i = 0; code == 0 && i < choice->count; i++) {
        code = gr_json_append(array, variant_json(&catalogue->variants[choice->variants[i]]));
    }
    code = code < 0 || array == NULL ? gr_fail(err, -ENOMEM, "not enough memory for JSON")
                                     : gr_json_write(array, stdout, "standard output", err);
    json_decref(array);
    return code;
}

static int write_choice(const struct gr_catalogue *catalogue, const struct gr_cli_choice *choice,
                        enum gr_cli_format format, struct gr_err *err)
{
    switch (format) {
    case GR_CLI_TABLE:
        return gr_cli_catalogue_table(catalogue, choice, err);
    case GR_CLI_JSON:
        return gr_cli_catalogue_json(catalogue, choice, err);
    case GR_CLI_CSV:
        gr_catalogue_write_head(stdout);
        for (size_t i = 0; i < choice->count; i++) {
            gr_catalogue_write(&catalogue->variants[choice->variants[i]], stdout);
        }
        return 0;
    }
    return -EINVAL;
}

// ---- the command --------------------------------------------------------------------------------

#define NUMBER(option, bound, unit, text)                                                          \
    {                                                                                              \
        .name = option, .type = GR_OPTION_DECIMAL, .value = unit, .digits = 3, .low = 0,           \
        .high = INT64_C(1000000000000), .store = &bounds[bound].value,                             \
        .given = &bounds[bound].given, .help = text                                                \
    }

enum bound {
    MIN_MEMORY,
    MAX_MEMORY,
    MIN_BANDWIDTH,
    MIN_FP16,
    MIN_FP8,
    MIN_LINK,
    MIN_FLOP_PER_BYTE,
    MAX_FLOP_PER_BYTE,
    MAX_TDP,
    MAX_PRICE,
    MAX_TPP,
    MIN_YEAR,
    BOUND_COUNT,
};

static const char details[] =
    "NAME is an id (nv-h20-96), a short name (h20), or a kind: a set from `granary catalogue\n"
    "kinds`, or several names with '|' between them in order of preference (h100|h200).\n"
    "\n"
    "examples:\n"
    "  granary catalogue --datacentre --min-memory-gib 96 --sort flop-per-byte\n"
    "  granary catalogue show h20\n"
    "  granary catalogue show h20 h100 mi300x\n"
    "  granary catalogue --kind any-decoder -o json\n"
    "\n"
    "Every variant is one exact product: docs/formats/catalogue.md says what the columns mean.\n";

static int run_list(const struct gr_cli_books *books, const struct gr_cli_filter *filter,
                    enum gr_cli_format format, struct gr_err *err)
{
    struct gr_cli_choice choice;
    int code = gr_cli_choose(books, filter, &choice, err);
    if (code == 0) {
        code = write_choice(&books->catalogue, &choice, format, err);
        gr_cli_choice_done(&choice);
    }
    return code;
}

static int run_show(const struct gr_cli_books *books, char **names, size_t count,
                    enum gr_cli_format format, struct gr_err *err)
{
    struct gr_cli_choice choice;
    int code = gr_cli_choose_names(books, names, count, &choice, err);
    if (code == 0) {
        code = format == GR_CLI_TABLE ? gr_cli_catalogue_show(books, &choice, err)
                                      : write_choice(&books->catalogue, &choice, format, err);
        gr_cli_choice_done(&choice);
    }
    return code;
}

// What the first operand asks for.
static int run_operands(const struct gr_cli_books *books, const struct gr_cli_filter *filter,
                        char **operands, size_t count, enum gr_cli_format format,
                        struct gr_err *err)
{
    if (count == 0) {
        return run_list(books, filter, format, err);
    }
    if (gr_cli_filter_is_used(filter)) {
        return gr_fail(err, -EINVAL, "found a filter with '%s', expected it with the list only",
                       operands[0]);
    }
    if (strcmp(operands[0], "kinds") == 0) {
        return count > 1
                   ? gr_fail(err, -EINVAL, "found '%s' after kinds, expected nothing", operands[1])
                   : gr_cli_catalogue_kinds(books, format, err);
    }
    if (strcmp(operands[0], "show") != 0) {
        return gr_fail(err, -EINVAL,
                       "found '%s', expected show NAME, kinds, or options that filter the list%s%s",
                       operands[0], count == 1 ? "; perhaps: granary catalogue show " : "",
                       count == 1 ? operands[0] : "");
    }
    return count == 1 ? gr_fail(err, -EINVAL, "show: found no name, expected at least one (h20)")
                      : run_show(books, operands + 1, count - 1, format, err);
}

// Which variants.
static size_t add_filters(struct gr_cli_filter *filter, struct gr_cli_bound *bounds,
                          struct gr_option *table, size_t count)
{
    const struct gr_option part[] = {
        {.name = "vendor",
         .type = GR_OPTION_LIST,
         .value = "NAME",
         .store = &filter->vendors,
         .help = "Only this vendor's (nvidia, huawei, ...); may be given again for several."},
        {.name = "name",
         .type = GR_OPTION_TEXT,
         .value = "TEXT",
         .store = &filter->name,
         .help = "Only those with this text in their id, names, model or architecture."},
        {.name = "kind",
         .type = GR_OPTION_TEXT,
         .value = "KIND",
         .store = &filter->kind,
         .help = "Only those of this kind: any-h20, or h100|h200."},
        {.name = "datacentre",
         .type = GR_OPTION_FLAG,
         .store = &filter->datacentre,
         .help = "Only those made and sold for data centres."},
        NUMBER("min-memory-gib", MIN_MEMORY, "GIB", "At least so much memory."),
        NUMBER("max-memory-gib", MAX_MEMORY, "GIB", "At most so much memory."),
        NUMBER("min-bandwidth-gbs", MIN_BANDWIDTH, "GB/S", "At least this memory bandwidth."),
        NUMBER("min-fp16-tflops", MIN_FP16, "TFLOPS", "At least this dense FP16 rate."),
        NUMBER("min-fp8-tflops", MIN_FP8, "TFLOPS", "At least this dense FP8 rate."),
        NUMBER("min-link-gbs", MIN_LINK, "GB/S", "At least this chip-to-chip link."),
        NUMBER("min-flop-per-byte", MIN_FLOP_PER_BYTE, "N", "At least N FP16 FLOP per byte."),
        NUMBER("max-flop-per-byte", MAX_FLOP_PER_BYTE, "N", "At most N FP16 FLOP per byte."),
        NUMBER("max-tdp-w", MAX_TDP, "W", "At most this design power."),
        NUMBER("max-price-usd", MAX_PRICE, "USD", "At most this purchase price."),
        NUMBER("max-tpp", MAX_TPP, "TPP", "At most this total processing performance."),
        {.name = "min-year",
         .type = GR_OPTION_INT,
         .value = "YEAR",
         .low = 1990,
         .high = 2100,
         .store = &bounds[MIN_YEAR].value,
         .given = &bounds[MIN_YEAR].given,
         .help = "Released in this year or later."},
    };
    return GR_CLI_OPTIONS_ADD(table, count, part);
}

// What is asked for beside a filter.
struct request {
    const char *file, *kinds_file;
    size_t format; // enum gr_cli_format
};

// In which order and form, and from which files.
static size_t add_others(struct gr_cli_filter *filter, struct request *request,
                         struct gr_option *table, size_t count)
{
    const struct gr_option part[] = {
        {.name = "sort",
         .type = GR_OPTION_WORD,
         .value = "FIELD",
         .store = &filter->sort,
         .given = &filter->is_sorted,
         .words = gr_cli_sort_words,
         .help =
             "Order by name, vendor, year, memory, bandwidth, fp16, fp8, int8, fp4, link, tdp, "
             "tpp, die, price, density or flop-per-byte, smallest first; unknown last. Default: "
             "the order of the file."},
        {.name = "reverse",
         .type = GR_OPTION_FLAG,
         .store = &filter->reverse,
         .help = "The greatest first; unknown stays last."},
        {.name = "format",
         .letter = 'o',
         .type = GR_OPTION_WORD,
         .value = "FORMAT",
         .store = &request->format,
         .words = formats,
         .help = "table (default); json: an array, null where unknown, with the computed facts; "
                 "csv: the columns of the file, so that it can be read again."},
        {.name = "file",
         .type = GR_OPTION_TEXT,
         .value = "FILE",
         .store = &request->file,
         .help = "Another catalogue than the one that comes with granary."},
        {.name = "kinds-file",
         .type = GR_OPTION_TEXT,
         .value = "FILE",
         .store = &request->kinds_file,
         .help = "Other kinds than those that come with granary."},
    };
    return GR_CLI_OPTIONS_ADD(table, count, part);
}

static int run(int argc, char **argv)
{
    struct gr_cli_bound bounds[BOUND_COUNT] = {
        [MIN_MEMORY] = {.fact = GR_FACT_MEMORY},
        [MAX_MEMORY] = {.fact = GR_FACT_MEMORY, .is_max = true},
        [MIN_BANDWIDTH] = {.fact = GR_FACT_BANDWIDTH},
        [MIN_FP16] = {.fact = GR_FACT_FP16},
        [MIN_FP8] = {.fact = GR_FACT_FP8},
        [MIN_LINK] = {.fact = GR_FACT_LINK},
        [MIN_FLOP_PER_BYTE] = {.fact = GR_FACT_FLOP_PER_BYTE},
        [MAX_FLOP_PER_BYTE] = {.fact = GR_FACT_FLOP_PER_BYTE, .is_max = true},
        [MAX_TDP] = {.fact = GR_FACT_TDP, .is_max = true},
        [MAX_PRICE] = {.fact = GR_FACT_PRICE, .is_max = true},
        [MAX_TPP] = {.fact = GR_FACT_TPP, .is_max = true},
        [MIN_YEAR] = {.fact = GR_FACT_YEAR},
    };
    struct gr_cli_filter filter = {.bounds = bounds, .bound_count = BOUND_COUNT};
    struct request request = {.format = GR_CLI_TABLE};
    struct gr_option table[GR_OPTIONS_MAX + 1] = {{0}};
    (void)add_others(&filter, &request, table, add_filters(&filter, bounds, table, 0));
    const struct gr_options options = {
        .usage = "catalogue [FILTERS] [--sort FIELD] [-o FORMAT]\n"
                 "catalogue show NAME... [-o FORMAT]\n"
                 "catalogue kinds [-o FORMAT]",
        .about =
            "Lists the accelerator variants that are known, shows all that is known of one or "
            "compares several, or lists the kinds by which users ask. A fact that is not known "
            "is shown as unknown, never as 0, and does not pass a filter.",
        .options = table,
        .details = details,
        .operands_max = (size_t)argc,
        .operands = "show, kinds or nothing",
    };
    size_t operand_count = 0;
    int exit_code = GR_EXIT_OK;
    if (!gr_cli_start(&options, argc, argv, &operand_count, &exit_code)) {
        return exit_code;
    }
    struct gr_err err;
    struct gr_cli_books books;
    gr_err_init(&err);
    int code = gr_cli_books_open(request.file, request.kinds_file, &books, &err);
    if (code == 0) {
        code = run_operands(&books, &filter, argv + 1, operand_count,
                            (enum gr_cli_format)request.format, &err);
        gr_cli_books_close(&books);
    }
    return code < 0 ? gr_cli_fail(argv[0], &err) : gr_cli_finish(argv[0]);
}

const struct gr_command gr_cli_catalogue = {
    .name = "catalogue",
    .summary = "list accelerator variants and kinds, show what is known",
    .run = run,
};
