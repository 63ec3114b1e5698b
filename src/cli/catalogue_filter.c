// Choosing variants: see catalogue_filter.h.
#include "cli/catalogue_filter.h"

#include "base/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const gr_cli_sort_words[] = {
    "name", "vendor", "year", "memory", "bandwidth", "fp16",    "fp8",           "int8", "fp4",
    "link", "tdp",    "tpp",  "die",    "price",     "density", "flop-per-byte", NULL,
};
enum { SORT_NAME, SORT_VENDOR, SORT_FACTS }; // the others are facts, by their words

int gr_cli_books_open(const char *file, const char *kinds_file, struct gr_cli_books *ret_books,
                      struct gr_err *err)
{
    struct gr_cli_books books = {.kinds = {.count = 0}};
    int code = gr_catalogue_load(file, &books.catalogue, err);
    if (code < 0) {
        return code;
    }
    if (file == NULL || kinds_file != NULL) {
        code = gr_kinds_load(kinds_file, &books.catalogue, &books.kinds, err);
    }
    if (code < 0) {
        gr_catalogue_done(&books.catalogue);
        return code;
    }
    *ret_books = books;
    return 0;
}

void gr_cli_books_close(struct gr_cli_books *books)
{
    gr_kinds_done(&books->kinds);
    gr_catalogue_done(&books->catalogue);
}

bool gr_cli_filter_is_used(const struct gr_cli_filter *filter)
{
    bool used = filter->vendors.count > 0 || filter->name != NULL || filter->kind != NULL ||
                filter->datacentre || filter->is_sorted || filter->reverse;
    for (size_t i = 0; i < filter->bound_count; i++) {
        used = used || filter->bounds[i].given;
    }
    return used;
}

void gr_cli_choice_done(struct gr_cli_choice *choice)
{
    free(choice->variants);
    *choice = (struct gr_cli_choice){.count = 0};
}

// ---- vendors ------------------------------------------------------------------------------------

// Whether `asked` is the vendor's name or how it begins ("alibaba" for "Alibaba T-Head"), in any
// case, or a word of it ("t-head", "baidu").
static bool is_vendor(const char *vendor, const char *asked)
{
    size_t size = strlen(asked);
    for (const char *word = vendor; word != NULL; word = strpbrk(word, " (")) {
        word += strspn(word, " (");
        const char *after = word + size;
        if (strncasecmp(word, asked, size) == 0 &&
            (*after == '\0' || strchr(" )", *after) != NULL)) {
            return true;
        }
        if (*word == '\0') {
            break;
        }
    }
    return false;
}

static int check_vendors(const struct gr_catalogue *catalogue,
                         const struct gr_options_list *vendors, struct gr_err *err)
{
    const char *words[GR_VARIANTS_MAX + 1];
    size_t count = 0;
    for (size_t i = 0; i < catalogue->count; i++) {
        const char *vendor = catalogue->variants[i].text[GR_VARIANT_VENDOR];
        if (count == 0 || strcmp(words[count - 1], vendor) != 0) {
            words[count++] = vendor;
        }
    }
    words[count] = NULL;
    for (size_t v = 0; v < vendors->count; v++) {
        size_t i = 0;
        while (i < count && !is_vendor(words[i], vendors->values[v])) {
            i++;
        }
        if (i < count) {
            continue;
        }
        char quote[GR_WORDS_QUOTE_SIZE];
        char list[512];
        struct gr_slice asked = gr_slice_of(vendors->values[v]);
        const char *near = gr_words_nearest(asked, words);
        return gr_fail(err, -EINVAL, "--vendor: found %s, expected %s%s",
                       gr_words_quote(asked, quote), near == NULL ? "" : "perhaps ",
                       near == NULL ? gr_words_list(words, list, sizeof list) : near);
    }
    return 0;
}

// ---- matching -----------------------------------------------------------------------------------

static bool has_text(const struct gr_variant *variant, const char *part)
{
    static const enum gr_variant_text texts[] = {GR_VARIANT_ID, GR_VARIANT_NAMES, GR_VARIANT_MODEL,
                                                 GR_VARIANT_ARCHITECTURE};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcasestr(variant->text[texts[i]], part) != NULL) {
            return true;
        }
    }
    return false;
}

static bool has_words(const struct gr_variant *variant, const struct gr_cli_filter *filter)
{
    bool vendor = filter->vendors.count == 0;
    for (size_t i = 0; i < filter->vendors.count; i++) {
        vendor = vendor || is_vendor(variant->text[GR_VARIANT_VENDOR], filter->vendors.values[i]);
    }
    return vendor && (filter->name == NULL || has_text(variant, filter->name)) &&
           (!filter->datacentre || variant->datacentre);
}

enum match { MATCH_NO, MATCH_UNKNOWN, MATCH_YES };

static enum match keeps_bounds(const struct gr_variant *variant, const struct gr_cli_filter *filter)
{
    enum match match = MATCH_YES;
    for (size_t i = 0; i < filter->bound_count; i++) {
        const struct gr_cli_bound *bound = &filter->bounds[i];
        int64_t value;
        if (!bound->given) {
            continue;
        }
        if (!gr_variant_get(variant, bound->fact, &value)) {
            match = MATCH_UNKNOWN;
        } else if (bound->is_max ? value > bound->value : value < bound->value) {
            return MATCH_NO;
        }
    }
    return match;
}

// ---- order --------------------------------------------------------------------------------------

// What the comparison needs besides two variants.
struct order {
    const struct gr_catalogue *catalogue;
    size_t sort;
    bool reverse;
    enum gr_fact fact;
};

static int compare_texts(const struct order *order, const struct gr_variant *a,
                         const struct gr_variant *b)
{
    if (order->sort == SORT_VENDOR) {
        return strcasecmp(a->text[GR_VARIANT_VENDOR], b->text[GR_VARIANT_VENDOR]);
    }
    struct gr_slice x = gr_variant_name(a);
    struct gr_slice y = gr_variant_name(b);
    int found = memcmp(x.text, y.text, x.size < y.size ? x.size : y.size);
    return found != 0 ? found : (x.size > y.size) - (x.size < y.size);
}

static int compare(const void *left, const void *right, void *context)
{
    const struct order *order = context;
    uint16_t i = *(const uint16_t *)left;
    uint16_t j = *(const uint16_t *)right;
    const struct gr_variant *a = &order->catalogue->variants[i];
    const struct gr_variant *b = &order->catalogue->variants[j];
    int found = 0;
    if (order->sort < SORT_FACTS) {
        found = compare_texts(order, a, b);
    } else {
        int64_t x = 0;
        int64_t y = 0;
        bool x_known = gr_variant_get(a, order->fact, &x);
        bool y_known = gr_variant_get(b, order->fact, &y);
        if (x_known != y_known) {
            return x_known ? -1 : 1; // unknown last, whichever way round
        }
        found = (x > y) - (x < y);
    }
    found = order->reverse ? -found : found;
    return found != 0 ? found : (i > j) - (i < j);
}

static void sort_choice(const struct gr_catalogue *catalogue, const struct gr_cli_filter *filter,
                        struct gr_cli_choice *choice)
{
    struct order order = {.catalogue = catalogue, .sort = filter->sort, .reverse = filter->reverse};
    if (!filter->is_sorted) {
        for (size_t i = 0; filter->reverse && i < choice->count / 2; i++) {
            uint16_t first = choice->variants[i];
            choice->variants[i] = choice->variants[choice->count - 1 - i];
            choice->variants[choice->count - 1 - i] = first;
        }
        return;
    }
    while (filter->sort >= SORT_FACTS &&
           strcmp(gr_fact_info(order.fact)->word, gr_cli_sort_words[filter->sort]) != 0) {
        order.fact++;
        assert(order.fact < GR_FACT_COUNT);
    }
    qsort_r(choice->variants, choice->count, sizeof *choice->variants, compare, &order);
}

// ---- choosing -----------------------------------------------------------------------------------

static int choice_init(size_t room, struct gr_cli_choice *ret_choice, struct gr_err *err)
{
    *ret_choice = (struct gr_cli_choice){.variants = calloc(room + 1, sizeof(uint16_t))};
    return ret_choice->variants != NULL ? 0 : gr_fail(err, -ENOMEM, "not enough memory");
}

int gr_cli_choose(const struct gr_cli_books *books, const struct gr_cli_filter *filter,
                  struct gr_cli_choice *ret_choice, struct gr_err *err)
{
    const struct gr_catalogue *catalogue = &books->catalogue;
    struct gr_kind kind = {.count = 0};
    struct gr_cli_choice choice;
    int code = check_vendors(catalogue, &filter->vendors, err);
    if (code == 0 && filter->kind != NULL) {
        code = gr_kind_resolve(catalogue, &books->kinds, gr_slice_of(filter->kind), &kind, err);
        code = code < 0 ? gr_err_prefix(err, "--kind") : code;
    }
    code = code < 0 ? code : choice_init(catalogue->count, &choice, err);
    if (code < 0) {
        return code;
    }
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct gr_variant *variant = &catalogue->variants[i];
        if (!has_words(variant, filter) || (filter->kind != NULL && !gr_kind_has(&kind, i))) {
            continue;
        }
        enum match match = keeps_bounds(variant, filter);
        choice.unknown_count += match == MATCH_UNKNOWN;
        if (match == MATCH_YES) {
            choice.variants[choice.count++] = (uint16_t)i;
        }
    }
    sort_choice(catalogue, filter, &choice);
    *ret_choice = choice;
    return 0;
}

static bool choice_has(const struct gr_cli_choice *choice, uint16_t variant)
{
    for (size_t i = 0; i < choice->count; i++) {
        if (choice->variants[i] == variant) {
            return true;
        }
    }
    return false;
}

int gr_cli_choose_names(const struct gr_cli_books *books, char *const *names, size_t count,
                        struct gr_cli_choice *ret_choice, struct gr_err *err)
{
    struct gr_cli_choice choice;
    int code = choice_init(books->catalogue.count, &choice, err);
    for (size_t n = 0; code == 0 && n < count; n++) {
        struct gr_kind kind;
        uint16_t ranked[GR_KIND_VARIANTS_MAX];
        code = gr_kind_resolve(&books->catalogue, &books->kinds, gr_slice_of(names[n]), &kind, err);
        if (code < 0) {
            break;
        }
        gr_kind_rank(&kind, &books->catalogue, ranked);
        for (size_t i = 0; i < kind.count; i++) {
            if (!choice_has(&choice, ranked[i])) {
                choice.variants[choice.count++] = ranked[i];
            }
        }
    }
    if (code < 0) {
        gr_cli_choice_done(&choice);
        return code;
    }
    *ret_choice = choice;
    return 0;
}
