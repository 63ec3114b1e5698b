// How people name a job: see reference.h. What the terminal remembers is in last.c.
#include "cli/reference.h"

#include "base/number.h"
#include "base/words.h"
#include "cli/units.h"
#include "client/path.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { PAGE = 1000, SHOWN = 5 };

int gr_cli_job_get(struct gr_client *client, uint64_t id, json_t **ret_json, struct gr_err *err)
{
    struct gr_client_path path;
    gr_client_path_init(&path, "/v1/jobs");
    gr_client_path_add_id(&path, id);
    return gr_client_get(client, &path, ret_json, err);
}

void gr_cli_job_done(struct gr_cli_job *job)
{
    json_decref(job->json);
    job->json = NULL;
}

static int take(struct gr_client *client, uint64_t id, bool is_element, struct gr_cli_job *ret_job,
                struct gr_err *err)
{
    json_t *json;
    int code = gr_cli_job_get(client, id, &json, err);
    if (code == 0) {
        *ret_job = (struct gr_cli_job){.id = id, .is_element = is_element, .json = json};
    }
    return code;
}

// ---- elements of arrays -------------------------------------------------------------------------

// The numbers of an array's elements follow one another; so do their indexes, by its step.
static int find_element(struct gr_client *client, uint64_t array, int64_t index,
                        struct gr_cli_job *ret_job, struct gr_err *err)
{
    json_t *first = NULL;
    int64_t of, begin;
    int code = gr_cli_job_get(client, array, &first, err);
    if (code < 0) {
        return code;
    }
    int64_t step =
        gr_cli_get_int_or(json_object_get(json_object_get(first, "spec"), "array"), "step", 1);
    bool is_array = gr_cli_get_int(first, "array", &of) && of == (int64_t)array &&
                    gr_cli_get_int(first, "array_index", &begin);
    json_decref(first);
    if (!is_array) {
        return gr_fail(err, -ENOENT, "job %" PRIu64 " is not the first of an array", array);
    }
    struct gr_cli_job found = {0};
    int64_t got;
    code = -ENOENT;
    if (step > 0 && index >= begin && (index - begin) % step == 0) {
        code = take(client, array + (uint64_t)((index - begin) / step), true, &found, err);
    }
    bool is_it = code == 0 && gr_cli_get_int(found.json, "array", &of) && of == (int64_t)array &&
                 gr_cli_get_int(found.json, "array_index", &got) && got == index;
    if (code == -ENOENT || (code == 0 && !is_it)) {
        gr_cli_job_done(&found);
        return gr_fail(err, -ENOENT, "array %" PRIu64 " has no element %" PRId64, array, index);
    }
    if (code == 0) {
        *ret_job = found;
    }
    return code;
}

// ---- the last one -------------------------------------------------------------------------------

static int find_last(struct gr_client *client, struct gr_cli_job *ret_job, struct gr_err *err)
{
    struct gr_client_path path;
    uint64_t id = gr_cli_last_get(client);
    if (id != 0) {
        return take(client, id, false, ret_job, err);
    }
    json_t *me = NULL;
    json_t *page = NULL;
    gr_client_path_init(&path, "/v1/whoami");
    int code = gr_client_get(client, &path, &me, err);
    if (code == 0) {
        gr_client_path_init(&path, "/v1/jobs");
        gr_client_path_query(&path, "user", gr_cli_get_text(me, "name", ""));
        gr_client_path_query(&path, "all", "true");
        gr_client_path_query_int(&path, "limit", 1);
        code = gr_client_get(client, &path, &page, err);
    }
    if (code == 0) {
        const json_t *job = json_array_get(json_object_get(page, "jobs"), 0);
        int64_t number = gr_cli_get_int_or(job, "array", gr_cli_get_int_or(job, "id", 0));
        code = number <= 0 ? gr_fail(err, -ENOENT, "@last: you have not submitted any job here")
                           : take(client, (uint64_t)number, false, ret_job, err);
    }
    json_decref(me);
    json_decref(page);
    return code;
}

// ---- names --------------------------------------------------------------------------------------

// What a search for a name found: arrays count once.
struct found {
    const char *prefix;
    size_t exact;     // jobs with just this name
    size_t count;     // jobs whose name begins so
    uint64_t best;    // the one to take if it is the only one
    char list[512];   // the first few of them, for people
    size_t list_used; // bytes of it
    bool is_cut;      // there were more jobs than were looked at
};

static void look_at(struct found *found, const json_t *job)
{
    const char *name = gr_cli_get_text(job, "name", "");
    size_t size = strlen(found->prefix);
    int64_t id = gr_cli_get_int_or(job, "id", 0);
    int64_t number = gr_cli_get_int_or(job, "array", id);
    if (strncmp(name, found->prefix, size) != 0 || number <= 0) {
        return;
    }
    // Another element of the array that was seen; its first one's own number is the array's.
    if (found->count > 0 && found->best == (uint64_t)number) {
        return;
    }
    bool is_exact = name[size] == '\0';
    if (is_exact && found->exact == 0 && found->count > 0) {
        found->count = 0; // the whole name beats names that only begin so
        found->list_used = 0;
    }
    if (!is_exact && found->exact > 0) {
        return;
    }
    found->exact += is_exact;
    found->count++;
    found->best = (uint64_t)number;
    if (found->count <= SHOWN) {
        char clean[64];
        int wrote = snprintf(found->list + found->list_used, sizeof found->list - found->list_used,
                             "%s%" PRId64 " (%s)", found->list_used == 0 ? "" : ", ", number,
                             gr_cli_clean(name, clean, sizeof clean));
        found->list_used += wrote > 0 ? (size_t)wrote : 0;
    }
}

// Looks at jobs that have just this name, or (is_exact false) at the newest PAGE of all names.
static int search(struct gr_client *client, bool all, bool is_exact, struct found *found,
                  struct gr_err *err)
{
    struct gr_client_path path;
    json_t *page = NULL;
    size_t index;
    const json_t *job;
    gr_client_path_init(&path, "/v1/jobs");
    gr_client_path_query(&path, "all", all ? "true" : NULL);
    gr_client_path_query(&path, "name", is_exact ? found->prefix : NULL);
    gr_client_path_query_int(&path, "limit", PAGE);
    int code = gr_client_get(client, &path, &page, err);
    if (code == 0) {
        found->is_cut |= json_is_integer(json_object_get(page, "next"));
        json_array_foreach(json_object_get(page, "jobs"), index, job)
        {
            look_at(found, job);
        }
    }
    json_decref(page);
    return code;
}

// Jobs that go on come first: a name that was used before means the one that runs. Whole names are
// searched for by the daemon, among all jobs; beginnings here, among the newest.
static int find_name(struct gr_client *client, const char *text, struct gr_cli_job *ret_job,
                     struct gr_err *err)
{
    struct found found = {.prefix = text};
    int code = 0;
    for (int round = 0; code == 0 && found.count == 0 && round < 4; round++) {
        code = search(client, round >= 2, round % 2 == 0, &found, err);
    }
    if (code < 0) {
        return code;
    }
    if (found.count == 0) {
        return found.is_cut
                   ? gr_fail(
                         err, -ENOENT,
                         "there is no job with the name '%s', and none of the newest %d has one "
                         "that begins so",
                         text, PAGE)
                   : gr_fail(err, -ENOENT, "there is no job whose name begins with '%s'", text);
    }
    if (found.count > 1) {
        return gr_fail(err, -EINVAL, "'%s' may be any of %zu jobs: %s%s", text, found.count,
                       found.list, found.count > SHOWN ? ", ..." : "");
    }
    return take(client, found.best, false, ret_job, err);
}

int gr_cli_job_find(struct gr_client *client, const char *text, struct gr_cli_job *ret_job,
                    struct gr_err *err)
{
    assert(client != NULL && text != NULL);
    const char *bar = strchr(text, '_');
    struct gr_slice head = {text, bar == NULL ? strlen(text) : (size_t)(bar - text)};
    int64_t id;
    int64_t index;
    if (strcmp(text, "@last") == 0) {
        return find_last(client, ret_job, err);
    }
    if (text[0] == '\0' || text[0] == '@' || text[0] == '-') {
        return gr_fail(err, -EINVAL, "found '%s', expected a job: its number, @last or its name",
                       text);
    }
    if (gr_number_read_int(head, 1, INT64_MAX, &id) == 0) {
        if (bar == NULL) {
            return take(client, (uint64_t)id, false, ret_job, err);
        }
        if (gr_number_read_int(gr_slice_of(bar + 1), 0, INT32_MAX, &index) == 0) {
            return find_element(client, (uint64_t)id, index, ret_job, err);
        }
    }
    return find_name(client, text, ret_job, err);
}
