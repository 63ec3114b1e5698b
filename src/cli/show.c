// `granary show`: all that is known of a job, why it is where it is, and what to type next. See
// show.h.
#include "cli/show.h"

#include "base/quantity.h"
#include "cli/jobs.h"
#include "cli/listing.h"
#include "cli/page.h"
#include "cli/reference.h"
#include "cli/start.h"
#include "cli/units.h"

#include <inttypes.h>
#include <string.h>

enum { PLACES_SHOWN = 16, TEXT_SIZE = 1024, COMMAND_SIZE = 8192 };

static void put_time(const struct gr_cli_page *page, const char *label, const json_t *job,
                     const char *key, int64_t now_ms)
{
    char moment[GR_CLI_UNIT_SIZE];
    char span[GR_CLI_UNIT_SIZE];
    char text[TEXT_SIZE];
    int64_t at;
    if (gr_cli_get_int(job, key, &at)) {
        snprintf(text, sizeof text, "%s, %s ago", gr_cli_moment(at, moment),
                 gr_cli_span(now_ms - at, span));
        gr_cli_page_put(page, label, text);
    }
}

static void put_head(const struct gr_cli_page *page, const json_t *job)
{
    const char *state = gr_cli_get_text(job, "state", "?");
    char name[256];
    int64_t array;
    FILE *file = page->terminal->file;
    fprintf(file, "%sjob %" PRId64 "%s  %s  %s%s%s",
            gr_terminal_style(page->terminal, GR_STYLE_HEAD), gr_cli_get_int_or(job, "id", 0),
            gr_terminal_style(page->terminal, GR_STYLE_PLAIN),
            gr_cli_clean(gr_cli_get_text(job, "name", ""), name, sizeof name),
            gr_terminal_style(page->terminal, gr_cli_job_style(state)), state,
            gr_terminal_style(page->terminal, GR_STYLE_PLAIN));
    if (gr_cli_get_int(job, "array", &array)) {
        fprintf(file, "  (%" PRId64 "_%" PRId64 " of an array)", array,
                gr_cli_get_int_or(job, "array_index", 0));
    }
    fputc('\n', file);
}

static void put_request(const struct gr_cli_page *page, const json_t *job)
{
    char text[TEXT_SIZE];
    char asks[256];
    char memory[GR_CLI_UNIT_SIZE];
    char cpu[GR_CLI_UNIT_SIZE];
    char duration[GR_QUANTITY_TEXT_SIZE];
    int64_t mib = gr_cli_get_int_or(job, "memory_mib", 0);
    int64_t limit;
    snprintf(text, sizeof text, "%s of %s", gr_cli_get_text(job, "user", "?"),
             gr_cli_get_text(job, "organisation", "?"));
    gr_cli_page_put(page, "user", text);
    snprintf(text, sizeof text, "%s; each task %s cpu, %s", gr_cli_job_asks(job, asks, sizeof asks),
             gr_cli_get_decimal(job, "cpu", "?", cpu),
             mib > 0 ? gr_cli_memory(mib, memory) : "no memory limit");
    gr_cli_page_put(page, "asks for", text);
    if (gr_cli_get_int(job, "limit_ms", &limit) && limit > 0) {
        gr_cli_page_put(page, "time limit", gr_duration_format(limit, duration));
    }
    if (gr_cli_get_text(job, "class", "")[0] != '\0') {
        gr_cli_page_put(page, "class", gr_cli_get_text(job, "class", ""));
    }
    if (gr_cli_get_text(job, "domain", "")[0] != '\0') {
        gr_cli_page_put(page, "domain", gr_cli_get_text(job, "domain", ""));
    }
    if (gr_cli_get_int_or(job, "priority", 0) != 0) {
        snprintf(text, sizeof text, "%" PRId64, gr_cli_get_int_or(job, "priority", 0));
        gr_cli_page_put(page, "priority", text);
    }
    if (gr_cli_get_int_or(job, "attempts", 1) > 1 || gr_cli_get_int_or(job, "attempt", 1) > 1) {
        snprintf(text, sizeof text, "%" PRId64 " of at most %" PRId64,
                 gr_cli_get_int_or(job, "attempt", 0), gr_cli_get_int_or(job, "attempts", 1));
        gr_cli_page_put(page, "attempt", text);
    }
}

static void put_after(const struct gr_cli_page *page, const json_t *job)
{
    char text[TEXT_SIZE] = "";
    size_t used = 0;
    size_t index;
    const json_t *item;
    json_array_foreach(json_object_get(job, "after"), index, item)
    {
        int wrote = snprintf(text + used, sizeof text - used, "%sjob %" PRId64 " %s",
                             index == 0 ? "" : ", ", gr_cli_get_int_or(item, "job", 0),
                             gr_cli_get_text(item, "how", "ok"));
        if (wrote < 0 || (size_t)wrote >= sizeof text - used) {
            break;
        }
        used += (size_t)wrote;
    }
    gr_cli_page_put(page, "waits for", text);
}

// "host/h20: task 0 on devices 0, 1 (pretend)".
static void put_place(const struct gr_cli_page *page, const json_t *place, bool first)
{
    char text[TEXT_SIZE];
    const json_t *devices = json_object_get(place, "devices");
    size_t index;
    const json_t *device;
    int used = snprintf(text, sizeof text, "task %" PRId64 " on %.200s",
                        gr_cli_get_int_or(place, "task", 0), gr_cli_get_text(place, "node", "?"));
    json_array_foreach((json_t *)(uintptr_t)devices, index, device)
    {
        const char *between = index == 0 ? ", devices " : ", ";
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%" JSON_INTEGER_FORMAT,
                         between, json_integer_value(device));
        if ((size_t)used > sizeof text - 64) {
            break;
        }
    }
    snprintf(text + used, sizeof text - (size_t)used, "%s",
             json_is_true(json_object_get(place, "pretend")) ? "  (pretend)" : "");
    gr_cli_page_put(page, first ? "where" : "", text);
}

static void put_places(const struct gr_cli_page *page, const json_t *job)
{
    const json_t *places = json_object_get(job, "places");
    size_t count = json_array_size(places);
    char text[TEXT_SIZE];
    for (size_t i = 0; i < count && i < PLACES_SHOWN; i++) {
        put_place(page, json_array_get(places, i), i == 0);
    }
    if (count > PLACES_SHOWN) {
        snprintf(text, sizeof text, "and %zu task%s more; -o json lists them", count - PLACES_SHOWN,
                 count - PLACES_SHOWN == 1 ? "" : "s");
        gr_cli_page_put(page, "", text);
    }
}

static void put_use(const struct gr_cli_page *page, const json_t *job, int64_t now_ms)
{
    char text[TEXT_SIZE];
    char span[GR_CLI_UNIT_SIZE];
    char memory[GR_CLI_UNIT_SIZE];
    int64_t started, cpu, peak;
    int64_t ended = gr_cli_get_int_or(job, "ended_ms", now_ms);
    if (gr_cli_get_int(job, "started_ms", &started)) {
        gr_cli_page_put(
            page, gr_cli_job_has_ended(gr_cli_get_text(job, "state", "")) ? "ran for" : "runs for",
            gr_cli_span(ended - started, span));
    }
    bool has_cpu = gr_cli_get_int(job, "cpu_ms", &cpu);
    bool has_peak = gr_cli_get_int(job, "peak_kib", &peak);
    if (has_cpu || has_peak) {
        snprintf(text, sizeof text, "%s%s%s%s%s", has_cpu ? gr_cli_span(cpu, span) : "",
                 has_cpu ? " of cpu time" : "", has_cpu && has_peak ? ", " : "",
                 has_peak ? gr_cli_memory(peak / 1024, memory) : "",
                 has_peak ? " of memory at most" : "");
        gr_cli_page_put(page, "used", text);
    }
}

// Writes a word as a shell would take it. False: it did not fit.
static bool word_write(char *text, size_t size, size_t *used, const char *word)
{
    bool is_plain = word[0] != '\0' && strpbrk(word, " \t\n'\"\\$`*?[]{}()<>|&;#~!") == NULL;
    int wrote =
        snprintf(text + *used, size - *used, "%s%s", *used == 0 ? "" : " ", is_plain ? word : "'");
    bool fits = wrote >= 0 && (size_t)wrote < size - *used;
    *used += fits ? (size_t)wrote : 0;
    for (; fits && !is_plain; word++) {
        // A quote inside ends the quotes, stands for itself, and begins them again.
        const char one[2] = {*word == '\0' ? '\'' : *word, '\0'};
        const char *piece = *word == '\'' ? "'\\''" : one;
        wrote = snprintf(text + *used, size - *used, "%s", piece);
        fits = wrote >= 0 && (size_t)wrote < size - *used;
        *used += fits ? (size_t)wrote : 0;
        if (*word == '\0') {
            break;
        }
    }
    return fits;
}

static void put_command(const struct gr_cli_page *page, const json_t *spec)
{
    static const char more[] = " ...";
    char text[COMMAND_SIZE + sizeof more] = "";
    const json_t *command = json_object_get(spec, "command");
    size_t used = 0;
    size_t index;
    const json_t *word;
    if (json_is_string(command)) {
        snprintf(text, COMMAND_SIZE, "%s", json_string_value(command));
    }
    json_array_foreach((json_t *)(uintptr_t)command, index, word)
    {
        const char *value = json_is_string(word) ? json_string_value(word) : "";
        if (!word_write(text, COMMAND_SIZE, &used, value)) {
            memcpy(text + used, more, sizeof more);
            break;
        }
    }
    if (strchr(text, '\n') != NULL) {
        gr_cli_page_put_lines(page, "command", text);
    } else {
        gr_cli_page_put(page, "command", text);
    }
    gr_cli_page_put_lines(page, "script", gr_cli_get_text(spec, "script", ""));
    gr_cli_page_put(page, "directory", gr_cli_get_text(spec, "directory", ""));
    gr_cli_page_put(page, "image", gr_cli_get_text(spec, "image", ""));
    gr_cli_page_put(page, "output", gr_cli_get_text(spec, "output", ""));
    gr_cli_page_put(page, "error", gr_cli_get_text(spec, "error", ""));
}

static void show_page(void *context, const json_t *job, int64_t now_ms,
                      const struct gr_terminal *terminal)
{
    (void)context;
    char text[TEXT_SIZE];
    struct gr_cli_page page = gr_cli_page_of(terminal);
    put_head(&page, job);
    gr_cli_page_put(&page, "why", gr_cli_job_why(job, text, sizeof text));
    gr_cli_page_put(&page, "nearest", gr_cli_get_text_in(job, "reason", "hint", ""));
    put_request(&page, job);
    gr_cli_page_put(&page, "kinds", gr_cli_get_text(job, "kind_order", ""));
    put_after(&page, job);
    put_places(&page, job);
    put_time(&page, "submitted", job, "submitted_ms", now_ms);
    put_time(&page, "started", job, "started_ms", now_ms);
    put_time(&page, "ended", job, "ended_ms", now_ms);
    put_use(&page, job, now_ms);
    put_command(&page, json_object_get(job, "spec"));
    gr_cli_page_put(&page, "stopped by", gr_cli_get_text_in(job, "stop", "why", ""));
    gr_cli_page_put(&page, "next", gr_cli_job_next(job, text, sizeof text));
}

// ---- the command --------------------------------------------------------------------------------

static int fetch(void *context, struct gr_client *client, json_t **ret_value, struct gr_err *err)
{
    const struct gr_cli_job *job = context;
    return gr_cli_job_get(client, job->id, ret_value, err);
}

static bool is_over(void *context, const json_t *job)
{
    (void)context;
    return gr_cli_job_has_ended(gr_cli_get_text(job, "state", ""));
}

static int show_one(struct gr_cli_remote *remote, const char *text, enum gr_cli_output format,
                    bool watch)
{
    struct gr_cli_job job;
    struct gr_err err;
    gr_err_init(&err);
    if (gr_cli_job_find(remote->client, text, &job, &err) < 0) {
        return gr_cli_remote_fail(remote, &err);
    }
    struct gr_cli_listing listing = {
        .context = &job, .fetch = fetch, .page = show_page, .is_over = is_over};
    int code = gr_cli_listing_run(&listing, remote, format, watch);
    gr_cli_job_done(&job);
    return code;
}

// What is asked for.
struct request {
    struct gr_cli_remote remote;
    bool watch;
    size_t format; // enum gr_cli_output
};

static int show(void *context, char **operands, size_t count)
{
    struct request *request = context;
    enum gr_cli_output format = (enum gr_cli_output)request->format;
    int code = GR_EXIT_OK;
    for (size_t i = 0; i < count && code == GR_EXIT_OK; i++) {
        if (i > 0 && (format == GR_CLI_OUTPUT_TABLE || format == GR_CLI_OUTPUT_WIDE)) {
            fputc('\n', stdout);
        }
        code = show_one(&request->remote, operands[i], format, request->watch);
    }
    return code;
}

static int run(int argc, char **argv)
{
    struct request request = {.remote = {.command = "show"}};
    const struct gr_option table[] = {
        GR_CLI_LIST_OPTIONS(&request.watch, &request.format, &request.remote),
    };
    const struct gr_options options = {
        .usage = "show [OPTIONS] JOB...",
        .about = "Shows all that is known of a job: its state and why, what it asked for, where it "
                 "runs, what it used, and what to type next. With --watch, until it has ended.",
        .options = table,
        .details = GR_CLI_REFERENCE_HELP,
        .operands_min = 1,
        .operands_max = 1000,
        .operands = "a job",
    };
    return gr_cli_remote_run(&request.remote, &options, argc, argv, show, &request);
}

const struct gr_command gr_cli_show = {
    .name = "show",
    .summary = "all that is known of a job, and what to type next",
    .run = run,
};
