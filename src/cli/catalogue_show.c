// `granary catalogue show` and `granary catalogue kinds`: single variants, comparisons, and kinds.
#include "base/csv.h"
#include "base/csv_write.h"
#include "base/json.h"
#include "base/number.h"
#include "base/text.h"
#include "cli/catalogue.h"
#include "model/shipped.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { COMPARE_MAX = 5, LABEL_WIDTH = 20, PAGE_WIDTH = 98 };

// Writes a fact with its unit: "unknown", or "4000 GB/s".
static const char *long_fact(const struct gr_variant *variant, enum gr_fact fact, char *buffer)
{
    const struct gr_fact_info *info = gr_fact_info(fact);
    char number[GR_NUMBER_TEXT_SIZE];
    int64_t value;
    if (!gr_variant_get(variant, fact, &value)) {
        return "unknown";
    }
    if (fact >= GR_FACT_READ_COUNT) { // computed: no more digits than mean something
        int64_t step = value < 100000 ? 10 : 1000;
        gr_number_format((value + step / 2) / step * step, info->digits, number);
    } else {
        gr_number_format(value, info->digits, number);
    }
    snprintf(buffer, GR_CLI_FACT_SIZE, "%s%s%s%s", number, info->unit[0] == '\0' ? "" : " ",
             info->unit, gr_variant_doubts(variant, fact) ? " ~" : "");
    return buffer;
}

// ---- one variant --------------------------------------------------------------------------------

// One line of the page: label, value, and what else belongs to it.
static void put_line(const struct gr_terminal *terminal, const char *label, const char *value,
                     const char *more)
{
    bool unknown = strcmp(value, "unknown") == 0;
    fprintf(stdout, "  %-*s%s%s%s%s%s\n", LABEL_WIDTH, label,
            unknown ? gr_terminal_style(terminal, GR_STYLE_FAINT) : "", value,
            unknown ? gr_terminal_style(terminal, GR_STYLE_PLAIN) : "", more[0] == '\0' ? "" : "  ",
            more);
}

static void put_fact(const struct gr_terminal *terminal, const struct gr_variant *variant,
                     enum gr_fact fact, const char *more)
{
    char buffer[GR_CLI_FACT_SIZE];
    const char *text = long_fact(variant, fact, buffer);
    bool doubtful = gr_variant_doubts(variant, fact);
    if (doubtful) {
        buffer[strlen(buffer) - 2] = '\0'; // words instead of the mark: there is room
    }
    char all[256];
    snprintf(all, sizeof all, "%s%s%s", more, doubtful && more[0] != '\0' ? "  " : "",
             doubtful ? "(not certain)" : "");
    const struct gr_fact_info *info = gr_fact_info(fact);
    put_line(terminal, fact == GR_FACT_FLOP_PER_BYTE ? "FLOP per byte" : info->text, text, all);
}

static const char *or_unknown(const char *text)
{
    return text[0] == '\0' ? "unknown" : text;
}

// A filled paragraph after a label.
static void put_paragraph(const char *label, const char *text)
{
    fprintf(stdout, "  %-*s", LABEL_WIDTH, label);
    gr_text_wrap(stdout, text, LABEL_WIDTH + 2, PAGE_WIDTH, LABEL_WIDTH + 2);
}

// Turns "a;b" into "a, b".
static void put_list(const char *label, const char *list)
{
    char text[2 * 2048];
    size_t used = 0;
    for (const char *c = list; *c != '\0' && used < sizeof text - 3; c++) {
        text[used++] = *c == ';' ? ',' : *c;
        if (*c == ';') {
            text[used++] = ' ';
        }
    }
    text[used] = '\0';
    put_paragraph(label, or_unknown(text));
}

// Where the variant stands among all of which FLOP per byte is known.
static const char *rank_text(const struct gr_catalogue *catalogue, const struct gr_variant *variant,
                             char *buffer, size_t size)
{
    size_t below = 0;
    size_t known = 0;
    int64_t own;
    int64_t other;
    if (!gr_variant_get(variant, GR_FACT_FLOP_PER_BYTE, &own)) {
        return "";
    }
    for (size_t i = 0; i < catalogue->count; i++) {
        if (gr_variant_get(&catalogue->variants[i], GR_FACT_FLOP_PER_BYTE, &other)) {
            known++;
            below += other < own;
        }
    }
    snprintf(buffer, size, "FP16 per byte of memory traffic; %zu of %zu known are lower", below,
             known);
    return buffer;
}

// Names of kinds that hold the variant.
static void put_kinds(const struct gr_cli_books *books, size_t variant)
{
    char text[4096] = "";
    size_t used = 0;
    for (size_t i = 0; i < books->kinds.count && used < sizeof text - 64; i++) {
        const struct gr_kind *kind = &books->kinds.items[i];
        if (gr_kind_has(kind, variant)) {
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used == 0 ? "" : ", ",
                                     kind->name);
        }
    }
    if (used > 0) {
        put_paragraph("in kinds", text);
    }
}

// Variants whose names go on from one of this one's names: h20 has the relative h20-141.
static void put_relatives(const struct gr_catalogue *catalogue, size_t variant)
{
    char text[2048] = "";
    size_t used = 0;
    struct gr_slice own = gr_variant_name(&catalogue->variants[variant]);
    for (size_t i = 0; i < catalogue->name_count && used < sizeof text - 64; i++) {
        const struct gr_variant_name *name = &catalogue->names[i];
        if (name->variant != variant && strncmp(name->name, own.text, own.size) == 0 &&
            name->name[own.size] == '-') {
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used == 0 ? "" : ", ",
                                     name->name);
        }
    }
    if (used > 0) {
        put_paragraph("see also", text);
    }
}

// What the codes of the row's sources stand for.
static int put_sources(const struct gr_variant *variant, struct gr_err *err)
{
    enum { CODE, KIND, TITLE, VERSION, DATE };
    static const struct gr_csv_column columns[] = {
        [CODE] = {"code", true},       [KIND] = {"kind", true}, [TITLE] = {"title", true},
        [VERSION] = {"version", true}, [DATE] = {"date", true},
    };
    struct gr_slice bytes = gr_shipped_sources();
    struct gr_slice rest = gr_slice_of(variant->text[GR_VARIANT_SOURCES]);
    struct gr_slice code;
    const char *label = "sources";
    while (gr_variant_next(&rest, &code)) {
        struct gr_csv *csv = NULL;
        int got = gr_csv_open_bytes("data/sources.csv", bytes.text, bytes.size, columns, 5,
                                    GR_CSV_STRICT, &csv, err);
        if (got < 0) {
            return got;
        }
        bool found = false;
        while (!found && (got = gr_csv_next(csv, err)) == 1) {
            found = gr_slice_equal(gr_csv_get(csv, CODE), code);
        }
        char text[1024];
        struct gr_slice title = found ? gr_csv_get(csv, TITLE) : (struct gr_slice){"", 0};
        struct gr_slice date = found ? gr_csv_get(csv, DATE) : title;
        snprintf(text, sizeof text, "%.*s%s%.*s%s%.*s%s", (int)code.size, code.text,
                 title.size > 0 ? ": " : "", (int)title.size, title.text, date.size > 0 ? " (" : "",
                 (int)date.size, date.text, date.size > 0 ? ")" : "");
        put_paragraph(label, text);
        label = "";
        gr_csv_close(csv);
        if (got < 0) {
            return got;
        }
    }
    return 0;
}

static int show_one(const struct gr_cli_books *books, size_t index, struct gr_err *err)
{
    const struct gr_variant *variant = &books->catalogue.variants[index];
    const char *const *text = variant->text;
    struct gr_terminal terminal;
    char rank[128];
    char head[256];
    gr_terminal_init(&terminal, stdout);
    struct gr_slice name = gr_variant_name(variant);
    snprintf(head, sizeof head, "%.*s  %s %s", (int)name.size, name.text, text[GR_VARIANT_VENDOR],
             text[GR_VARIANT_MODEL]);
    fprintf(stdout, "%s%s%s\n\n", gr_terminal_style(&terminal, GR_STYLE_HEAD), head,
            gr_terminal_style(&terminal, GR_STYLE_PLAIN));
    put_line(&terminal, "id", text[GR_VARIANT_ID], "");
    put_list("names", text[GR_VARIANT_NAMES]);
    put_relatives(&books->catalogue, index);
    put_kinds(books, index);
    put_line(&terminal, "architecture", or_unknown(text[GR_VARIANT_ARCHITECTURE]), "");
    put_line(&terminal, "form factor", or_unknown(text[GR_VARIANT_FORM]),
             variant->datacentre ? "for data centres" : "not sold for data centres");
    put_fact(&terminal, variant, GR_FACT_YEAR, "");
    fputc('\n', stdout);
    put_fact(&terminal, variant, GR_FACT_MEMORY, text[GR_VARIANT_MEMORY_TYPE]);
    put_fact(&terminal, variant, GR_FACT_BANDWIDTH, "");
    put_fact(&terminal, variant, GR_FACT_FP16, "");
    put_fact(&terminal, variant, GR_FACT_FP8, "");
    put_fact(&terminal, variant, GR_FACT_INT8, "");
    put_fact(&terminal, variant, GR_FACT_FP4, "");
    put_fact(&terminal, variant, GR_FACT_FLOP_PER_BYTE,
             rank_text(&books->catalogue, variant, rank, sizeof rank));
    put_fact(&terminal, variant, GR_FACT_LINK, text[GR_VARIANT_LINK_TYPE]);
    put_fact(&terminal, variant, GR_FACT_TDP, "");
    put_list("sharing", text[GR_VARIANT_SHARING]);
    fputc('\n', stdout);
    put_fact(&terminal, variant, GR_FACT_TPP, text[GR_VARIANT_TPP_BASIS]);
    put_fact(&terminal, variant, GR_FACT_DIE, "");
    put_fact(&terminal, variant, GR_FACT_DENSITY, "");
    put_fact(&terminal, variant, GR_FACT_PRICE, "");
    fputc('\n', stdout);
    put_line(&terminal, "confidence", gr_confidence_words[variant->confidence], "");
    if (text[GR_VARIANT_UNCERTAIN][0] != '\0') {
        put_list("not certain", text[GR_VARIANT_UNCERTAIN]);
    }
    if (text[GR_VARIANT_NOTE][0] != '\0') {
        put_paragraph("note", text[GR_VARIANT_NOTE]);
    }
    return put_sources(variant, err);
}

// ---- several side by side -----------------------------------------------------------------------

static int compare_few(const struct gr_cli_books *books, const struct gr_cli_choice *choice,
                       struct gr_err *err)
{
    static const enum gr_fact facts[] = {
        GR_FACT_YEAR, GR_FACT_MEMORY, GR_FACT_BANDWIDTH,     GR_FACT_FP16,  GR_FACT_FP8,
        GR_FACT_INT8, GR_FACT_FP4,    GR_FACT_FLOP_PER_BYTE, GR_FACT_LINK,  GR_FACT_TDP,
        GR_FACT_TPP,  GR_FACT_DIE,    GR_FACT_DENSITY,       GR_FACT_PRICE,
    };
    struct gr_table_column columns[COMPARE_MAX + 1] = {{"", GR_TABLE_LEFT}};
    char heads[COMPARE_MAX][GR_NAME_SIZE];
    for (size_t i = 0; i < choice->count; i++) {
        struct gr_slice name = gr_variant_name(&books->catalogue.variants[choice->variants[i]]);
        snprintf(heads[i], sizeof heads[i], "%.*s", (int)name.size, name.text);
        columns[i + 1] = (struct gr_table_column){heads[i], GR_TABLE_RIGHT};
    }
    struct gr_terminal terminal;
    gr_terminal_init(&terminal, stdout);
    struct gr_table *table = gr_table_new(columns, choice->count + 1);
    for (size_t f = 0; table != NULL && f < sizeof facts / sizeof facts[0]; f++) {
        bool short_name = facts[f] == GR_FACT_FLOP_PER_BYTE;
        gr_table_add(table, short_name ? "FLOP per byte" : gr_fact_info(facts[f])->text);
        for (size_t i = 0; i < choice->count; i++) {
            const struct gr_variant *variant = &books->catalogue.variants[choice->variants[i]];
            char buffer[GR_CLI_FACT_SIZE];
            const char *text = long_fact(variant, facts[f], buffer);
            gr_table_add_styled(table, text == buffer ? GR_STYLE_PLAIN : GR_STYLE_FAINT, text);
        }
    }
    for (size_t i = 0; table != NULL && i <= choice->count; i++) {
        gr_table_add(table,
                     i == 0 ? "confidence"
                            : gr_confidence_words[books->catalogue.variants[choice->variants[i - 1]]
                                                      .confidence]);
    }
    int code = gr_table_write(table, &terminal, err);
    gr_table_free(table);
    if (code == 0) {
        fputs("\n~ not certain\n", stdout);
    }
    return code;
}

int gr_cli_catalogue_show(const struct gr_cli_books *books, const struct gr_cli_choice *choice,
                          struct gr_err *err)
{
    assert(choice->count > 0);
    if (choice->count == 1) {
        return show_one(books, choice->variants[0], err);
    }
    if (choice->count <= COMPARE_MAX) {
        return compare_few(books, choice, err);
    }
    return gr_cli_catalogue_table(&books->catalogue, choice, err);
}

// ---- kinds --------------------------------------------------------------------------------------

// The names of a kind's variants in the order in which they are tried, with `between` between them.
static void kind_names(const struct gr_cli_books *books, const struct gr_kind *kind,
                       const char *between, char *buffer, size_t size)
{
    uint16_t ranked[GR_KIND_VARIANTS_MAX];
    size_t used = 0;
    gr_kind_rank(kind, &books->catalogue, ranked);
    buffer[0] = '\0';
    for (size_t i = 0; i < kind->count; i++) {
        struct gr_slice name = gr_variant_name(&books->catalogue.variants[ranked[i]]);
        assert(used + name.size + 2 < size);
        used += (size_t)snprintf(buffer + used, size - used, "%s%.*s", i == 0 ? "" : between,
                                 (int)name.size, name.text);
    }
}

enum { NAMES_SIZE = GR_KIND_VARIANTS_MAX * (GR_NAME_SIZE + 2) };

static void kinds_table(const struct gr_cli_books *books)
{
    struct gr_terminal terminal;
    gr_terminal_init(&terminal, stdout);
    for (size_t i = 0; i < books->kinds.count; i++) {
        const struct gr_kind *kind = &books->kinds.items[i];
        char names[NAMES_SIZE];
        kind_names(books, kind, " ", names, sizeof names);
        fprintf(stdout, "%s%s%s  %s\n", gr_terminal_style(&terminal, GR_STYLE_HEAD), kind->name,
                gr_terminal_style(&terminal, GR_STYLE_PLAIN), kind->summary);
        fprintf(stdout, "    %-9s ",
                kind->order == GR_KIND_CHEAPEST  ? "cheapest:"
                : kind->order == GR_KIND_FASTEST ? "fastest:"
                                                 : "in order:");
        gr_text_wrap(stdout, names, 14, PAGE_WIDTH, 14);
    }
    fprintf(stdout,
            "%s%zu kinds. Every variant's name is a kind as well (h20), and so is a list of them "
            "(h100|h200).\n",
            books->kinds.count > 0 ? "\n" : "", books->kinds.count);
}

static int kinds_json(const struct gr_cli_books *books, struct gr_err *err)
{
    json_t *array = json_array();
    int code = 0;
    for (size_t i = 0; i < books->kinds.count; i++) {
        const struct gr_kind *kind = &books->kinds.items[i];
        uint16_t ranked[GR_KIND_VARIANTS_MAX];
        json_t *object = json_object();
        json_t *ids = json_array();
        gr_kind_rank(kind, &books->catalogue, ranked);
        for (size_t v = 0; v < kind->count; v++) {
            const char *id = books->catalogue.variants[ranked[v]].text[GR_VARIANT_ID];
            code |= gr_json_append(ids, gr_json_text(gr_slice_of(id)));
        }
        code |= gr_json_set_text(object, "name", gr_slice_of(kind->name));
        code |= gr_json_set_text(object, "summary", gr_slice_of(kind->summary));
        code |= gr_json_set_text(object, "order", gr_slice_of(gr_kind_order_words[kind->order]));
        code |= gr_json_set(object, "variants", ids);
        code |= gr_json_append(array, object);
    }
    code = code < 0 || array == NULL ? gr_fail(err, -ENOMEM, "not enough memory for JSON")
                                     : gr_json_write(array, stdout, "standard output", err);
    json_decref(array);
    return code;
}

int gr_cli_catalogue_kinds(const struct gr_cli_books *books, enum gr_cli_format format,
                           struct gr_err *err)
{
    if (format == GR_CLI_TABLE) {
        kinds_table(books);
        return 0;
    }
    if (format == GR_CLI_JSON) {
        return kinds_json(books, err);
    }
    fputs("name,order,variants,summary\n", stdout);
    for (size_t i = 0; i < books->kinds.count; i++) {
        const struct gr_kind *kind = &books->kinds.items[i];
        char names[NAMES_SIZE];
        kind_names(books, kind, ";", names, sizeof names);
        gr_csv_write(stdout, true, gr_slice_of(kind->name));
        gr_csv_write(stdout, false, gr_slice_of(gr_kind_order_words[kind->order]));
        gr_csv_write(stdout, false, gr_slice_of(names));
        gr_csv_write(stdout, false, gr_slice_of(kind->summary));
        gr_csv_write_end(stdout);
    }
    return 0;
}
