// The report of a replay: the page and its head. See report.h.
#include "replay/report.h"

#include "replay/report_parts.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

double gr_report_allocated(const struct gr_result *result, size_t load_percent)
{
    assert(load_percent < GR_CURVE_POINTS);
    double percent = gr_result_allocation_at(result, (unsigned)load_percent);
    return percent < 0 ? NAN : percent;
}

double gr_report_fragmented(const struct gr_result *result, size_t load_percent)
{
    assert(load_percent < GR_CURVE_POINTS);
    double percent = gr_result_fragmentation_at(result, (unsigned)load_percent);
    return percent < 0 ? NAN : percent;
}

size_t gr_report_last_load(const struct gr_report *what)
{
    size_t last = 0;
    for (size_t i = 0; i < what->result_count; i++) {
        for (size_t load = last + 1; load < GR_CURVE_POINTS; load++) {
            last = isfinite(gr_report_allocated(&what->results[i], load)) ? load : last;
        }
    }
    return last;
}

double gr_report_mean(const struct gr_page *page, size_t p, gr_report_get *get)
{
    double sum = 0;
    size_t known = 0;
    for (size_t i = 0; i < page->what->result_count; i++) {
        double value = page->policy_of[i] == p ? get(page, i) : NAN;
        if (isfinite(value)) {
            sum += value;
            known++;
        }
    }
    return known == 0 ? NAN : sum / (double)known;
}

double gr_report_ceiling(const struct gr_report *what, size_t i)
{
    assert(i < what->result_count);
    return what->ceilings == NULL ? NAN : what->ceilings[i];
}

size_t gr_report_series(const struct gr_page *page, size_t i)
{
    assert(i < page->what->result_count);
    return page->policies[page->policy_of[i]].series;
}

void gr_report_put_run(struct gr_page *page, size_t i)
{
    assert(i < page->what->result_count);
    gr_html_name(&page->html, page->what->results[i].policy);
    if (page->seeds) {
        gr_html_put(&page->html, ", seed %llu", (unsigned long long)page->what->results[i].seed);
    }
}

void gr_report_put_legend(struct gr_page *page)
{
    gr_html_put(&page->html, "<ul class=\"legend\">");
    for (size_t p = 0; p < page->policy_count; p++) {
        unsigned series = (unsigned)(page->policies[p].series % 8);
        gr_html_put(&page->html, "<li class=\"s%u\"><i class=\"k\"></i>", series);
        gr_html_name(&page->html, page->policies[p].name);
        gr_html_put(&page->html, "</li>");
    }
    gr_html_put(&page->html, "</ul>\n");
}

// Sorts the runs by policy and gives each policy its colour. 0 or -ENOMEM.
static int name_policies(struct gr_page *page, struct gr_err *err)
{
    const struct gr_report *what = page->what;
    page->policies = calloc(what->result_count, sizeof page->policies[0]);
    page->policy_of = calloc(what->result_count, sizeof page->policy_of[0]);
    if (page->policies == NULL || page->policy_of == NULL) {
        return gr_fail(err, -ENOMEM, "write the report: out of memory");
    }
    page->departs = gr_trace_has_departures(what->trace);
    page->load = gr_report_last_load(what) < 100 ? gr_report_last_load(what) : 100;
    size_t colour = 1;
    for (size_t i = 0; i < what->result_count; i++) {
        const char *name = what->results[i].policy;
        assert(name != NULL);
        size_t p = 0;
        while (p < page->policy_count && strcmp(page->policies[p].name, name) != 0) {
            p++;
        }
        if (p == page->policy_count) {
            size_t series = strcmp(name, "granary") == 0 ? 0 : colour++;
            page->policies[page->policy_count++] = (struct gr_report_policy){name, series, i};
        } else {
            page->seeds = true;
        }
        page->policy_of[i] = p;
    }
    return 0;
}

// The file's name without its folders.
static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL || slash[1] == '\0' ? path : slash + 1;
}

static void put_title(struct gr_page *page)
{
    if (page->what->title != NULL) {
        gr_html_text(&page->html, page->what->title, 200);
    } else {
        gr_html_put(&page->html, "Replay of ");
        gr_html_name(&page->html,
                     page->what->jobs != NULL ? last_part(page->what->jobs) : "a workload");
    }
}

static void put_head(struct gr_page *page)
{
    gr_html_put(
        &page->html,
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
        "<meta charset=\"utf-8\"/>\n<meta http-equiv=\"Content-Security-Policy\" "
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri "
        "'none'; form-action 'none'\"/>\n<meta name=\"viewport\" "
        "content=\"width=device-width, initial-scale=1\"/>\n<link rel=\"icon\" "
        "href=\"data:,\"/>\n<title>");
    put_title(page);
    gr_html_put(&page->html, " - granary</title>\n<style>\n%s</style>\n</head>\n<body>\n",
                gr_report_style);
}

// One of the figures under the title.
static void put_fact(struct gr_page *page, const char *name, uint64_t count)
{
    gr_html_put(&page->html, "<div><dt>%s</dt><dd>", name);
    gr_html_count(&page->html, count);
    gr_html_put(&page->html, "</dd></div>\n");
}

static void put_facts(struct gr_page *page)
{
    const struct gr_trace *trace = page->what->trace;
    uint64_t devices = 0;
    for (size_t i = 0; i < trace->node_count; i++) {
        devices += trace->nodes[i].devices;
    }
    gr_html_put(&page->html, "<dl class=\"facts\">\n");
    put_fact(page, "Nodes", trace->node_count);
    put_fact(page, "Accelerators", devices);
    put_fact(page, "Kinds", trace->model_count);
    if (trace->site_count > 1) {
        put_fact(page, "Sites", trace->site_count);
    }
    put_fact(page, "Jobs arrived", page->what->results[0].arrived);
    put_fact(page, page->what->result_count == 1 ? "Run" : "Runs", page->what->result_count);
    gr_html_put(&page->html, "</dl>\n");
    if (page->what->nodes != NULL && page->what->jobs != NULL) {
        gr_html_put(&page->html, "<p class=\"files\">nodes from ");
        gr_html_text(&page->html, page->what->nodes, 200);
        gr_html_put(&page->html, ", jobs from ");
        gr_html_text(&page->html, page->what->jobs, 200);
        gr_html_put(&page->html, "</p>\n");
    }
}

// What the headline compares runs by, in percent.
static double get_headline(const struct gr_page *page, size_t run)
{
    return page->what->results[run].allocation;
}

static double get_ceiling(const struct gr_page *page, size_t run)
{
    return gr_report_ceiling(page->what, run);
}

static double get_delay_mean(const struct gr_page *page, size_t run)
{
    return (double)page->what->results[run].delay_mean_ms;
}

// The policy that is best, or best but for `except`; policy_count if none is known.
static size_t best_policy(const struct gr_page *page, size_t except)
{
    size_t best = page->policy_count;
    double best_value = NAN;
    for (size_t p = 0; p < page->policy_count; p++) {
        double value = gr_report_mean(page, p, get_headline);
        if (p != except && isfinite(value) && !(value <= best_value)) {
            best = p;
            best_value = value;
        }
    }
    return best;
}

static void put_percent(struct gr_page *page, double value)
{
    gr_html_decimal(&page->html, value, 2);
    gr_html_put(&page->html, "&#160;%%");
}

// How the second best did.
static void put_next(struct gr_page *page, size_t next, double best)
{
    double value = gr_report_mean(page, next, get_headline);
    bool same = llround(value * 100) == llround(best * 100); // as far as a reader can see
    gr_html_put(&page->html, same ? "; just as much with " : "; the next best, ");
    gr_html_name(&page->html, page->policies[next].name);
    if (!same) {
        gr_html_put(&page->html, ", ");
        put_percent(page, value);
    }
}

// The sentence that says how it went.
static void put_lead(struct gr_page *page)
{
    struct gr_html *html = &page->html;
    size_t best = best_policy(page, page->policy_count);
    if (best == page->policy_count) {
        return;
    }
    gr_html_put(html, "<p class=\"lead\"><b>");
    gr_html_name(html, page->policies[best].name);
    gr_html_put(html, page->departs ? " kept " : " had ");
    put_percent(page, gr_report_mean(page, best, get_headline));
    if (page->departs) {
        bool waited = page->what->results[page->policies[best].first].delay_max_ms > 0;
        gr_html_put(html, "</b> of the accelerators allocated%s",
                    waited ? " while jobs waited" : ", and no job waited");
    } else {
        gr_html_put(html, "</b> of the accelerators allocated at %zu&#160;%% load", page->load);
    }
    gr_html_put(html, page->seeds ? " (mean over its runs)" : "");
    size_t next = best_policy(page, best);
    if (next < page->policy_count) {
        put_next(page, next, gr_report_mean(page, best, get_headline));
    }
    double ceiling = gr_report_mean(page, best, get_ceiling);
    if (page->departs) {
        gr_html_put(html, ". With ");
        gr_html_name(html, page->policies[best].name);
        gr_html_put(html, ", jobs waited ");
        gr_html_duration(html, (int64_t)gr_report_mean(page, best, get_delay_mean));
        gr_html_put(html, " on average");
    } else if (isfinite(ceiling)) {
        gr_html_put(html, ". No policy can pass ");
        put_percent(page, ceiling);
    }
    gr_html_put(html, ".</p>\n");
}

// The mark: a pool of nine, six of them at work.
static void put_brand(struct gr_page *page)
{
    gr_html_put(&page->html, "<p class=\"brand\"><svg aria-hidden=\"true\" viewBox=\"0 0 22 22\">");
    for (unsigned i = 0; i < 9; i++) {
        gr_html_put(&page->html, "<path class=\"h%u\" d=\"M%u %uh6v6h-6z\"/>", i < 6 ? 9u : 2u,
                    i % 3 * 8, 16 - i / 3 * 8);
    }
    gr_html_put(&page->html, "</svg>granary replay</p>\n");
}

// What the table's first columns mean.
static void put_policies_intro(struct gr_page *page)
{
    if (page->departs) {
        gr_html_put(&page->html,
                    "<p>Allocated, unallocated, fragmented: means over the time in which "
                    "jobs waited, as shares of all accelerators. Utilisation: of all "
                    "device-time. The best of each column is bold.</p>\n");
    } else if (page->load > 0) {
        gr_html_put(&page->html,
                    "<p>Shares of all accelerators, at %zu&#160;%% arrived load. The best "
                    "of each column is bold.</p>\n",
                    page->load);
    }
}

static int put_body(struct gr_page *page, struct gr_err *err)
{
    gr_html_put(&page->html, "<header>\n");
    put_brand(page);
    gr_html_put(&page->html, "<h1>");
    put_title(page);
    gr_html_put(&page->html, "</h1>\n");
    put_lead(page);
    put_facts(page);
    gr_html_put(&page->html, "</header>\n<main>\n<section><h2>Policies</h2>\n");
    put_policies_intro(page);
    gr_report_put_table(page);
    gr_html_put(&page->html, "</section>\n");
    gr_report_put_what_if(page);
    int rc = page->departs ? gr_report_put_times(page, err) : gr_report_put_curves(page, err);
    if (rc == 0) {
        rc = page->departs ? gr_report_put_curves(page, err) : gr_report_put_times(page, err);
    }
    if (rc == 0) {
        rc = gr_report_put_fleets(page, err);
    }
    if (rc < 0) {
        return rc;
    }
    gr_html_put(&page->html, "<section><h2>To repeat it</h2>\n");
    gr_report_put_runs(page);
    gr_html_put(&page->html, "</section>\n</main>\n<footer><p>This page is one file: it loads "
                             "nothing and runs no script.</p></footer>\n</body>\n</html>\n");
    return 0;
}

int gr_report_write(const char *path, const struct gr_report *what, struct gr_err *err)
{
    assert(path != NULL);
    assert(what != NULL && what->trace != NULL);
    assert(what->result_count > 0);
    struct gr_page page = {.what = what};
    int rc = name_policies(&page, err);
    if (rc == 0) {
        put_head(&page);
        rc = put_body(&page, err);
    }
    if (rc == 0) {
        rc = gr_html_save(&page.html, path, err);
    }
    gr_html_done(&page.html);
    free(page.policies);
    free(page.policy_of);
    return rc;
}
