// `granary journal`: look at a pool's history, check it, seal old parts, make a snapshot. Works on
// the files; beside a running daemon where that is safe. See journal.h.
#include "cli/journal.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/remote.h"
#include "cli/start.h"
#include "codec/event_bytes.h"
#include "daemon/limits.h"
#include "daemon/recover.h"
#include "daemon/state_dir.h"
#include "daemon/view.h"
#include "journal/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct journal_options {
    const char *state;
    size_t format;
    int64_t from, to, before;
    bool is_dry;
    char dir[GR_STATE_PATH_SIZE];     // of the state
    char journal[GR_STATE_PATH_SIZE]; // DIR/journal
};

static const char about[] =
    "Looks after the history of a pool: the journal of all facts, chained by hashes.";

static const char details[] =
    "verbs:\n"
    "  verify     check every byte of the journal against its chain of hashes\n"
    "  show       list the facts, from --from to --to\n"
    "  digest     replay the facts and print the digest of the state they make\n"
    "  seal       move what comes before fact --before into a file of its own in "
    "DIR/journal/sealed\n"
    "  snapshot   write the state as of the last fact, so that the next start reads less\n"
    "--dry-run is for seal and snapshot: whether it could be done, and nothing is.\n"
    "\n"
    "verify, show, digest and snapshot may run beside the pool's daemon; seal may not.\n"
    "exit codes: 0 all is well, 1 the journal is damaged or the disk failed, 2 wrong arguments\n";

static int fail(const struct gr_err *err)
{
    return gr_cli_fail("journal", err);
}

static void forward_progress(void *context, uint64_t at, uint64_t last)
{
    struct gr_progress *progress = context;
    progress->total = last;
    gr_progress_set(progress, at);
}

// Writes an object as the format asks: JSON, CSV, or as lines "key  value".
static int write_object(json_t *object, size_t format, struct gr_err *err)
{
    int rc = object == NULL ? gr_fail(err, -ENOMEM, "no memory for the output") : 0;
    const char *key;
    json_t *value;
    if (rc == 0 && (format == GR_CLI_OUTPUT_JSON || format == GR_CLI_OUTPUT_JSONL)) {
        rc = gr_cli_object_write(object, format == GR_CLI_OUTPUT_JSONL, stdout, err);
    } else if (rc == 0 && format == GR_CLI_OUTPUT_CSV) {
        gr_cli_object_write_csv(object, stdout);
    } else if (rc == 0) {
        json_object_foreach(object, key, value)
        {
            if (json_is_string(value)) {
                printf("%-16s %s\n", key, json_string_value(value));
            } else {
                char *text = json_dumps(value, JSON_ENCODE_ANY);
                printf("%-16s %s\n", key, text == NULL ? "" : text);
                free(text);
            }
        }
    }
    json_decref(object);
    return rc == 0 ? gr_cli_finish("journal") : fail(err);
}

static int verify(struct journal_options *options, struct gr_err *err)
{
    struct gr_progress progress;
    struct gr_journal_verified found;
    gr_progress_init(&progress, "verify", "facts", 0);
    int rc = gr_journal_verify(options->journal, forward_progress, &progress, &found, err);
    gr_progress_done(&progress);
    if (rc != 0) {
        fail(err);
        return GR_EXIT_FAILED;
    }
    char hash[2 * GR_HASH_SIZE + 1];
    gr_hash_text(found.hash, hash);
    json_t *object = json_object();
    rc = gr_json_set_text(object, "journal", gr_slice_of(options->journal));
    rc |= gr_json_set_int(object, "first", (int64_t)found.first);
    rc |= gr_json_set_int(object, "last", (int64_t)found.last);
    rc |= gr_json_set_int(object, "groups", (int64_t)found.groups);
    rc |= gr_json_set_int(object, "payload_bytes", (int64_t)found.payload_bytes);
    rc |= gr_json_set_int(object, "aside_bytes", (int64_t)found.aside_bytes);
    rc |= gr_json_set_int(object, "sealed_parts", (int64_t)found.parts);
    rc |= gr_json_set_bool(object, "from_the_start", found.is_whole);
    rc |= gr_json_set_text(object, "hash", gr_slice_of(hash));
    rc |= gr_json_set_text(object, "verdict", gr_slice_of("good"));
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    return write_object(object, options->format, err);
}

// --- show

// Names that the facts gave so far: facts speak of organisations and variants by number. Known only
// where all facts are read, from the first on.
struct names {
    bool is_whole;
    uint32_t orgs, variants;
    char (*org)[GR_NAME_SIZE]; // heap
    char variant[GR_POOL_VARIANTS_MAX][GR_NAME_SIZE];
};

static const char *org_name(const void *context, uint32_t index)
{
    const struct names *names = context;
    return index < names->orgs ? names->org[index] : NULL;
}

static const char *variant_name(const void *context, uint32_t index)
{
    const struct names *names = context;
    return index < names->variants ? names->variant[index] : NULL;
}

static int names_learn(struct names *names, const struct gr_event *event, struct gr_err *err)
{
    names->is_whole |= event->sequence == 1;
    if (names->is_whole && event->type == GR_ORG_ADDED) {
        if ((names->orgs & (names->orgs - 1)) == 0) { // full at the powers of two
            size_t room = names->orgs == 0 ? 1 : 2 * (size_t)names->orgs;
            void *org = realloc(names->org, room * sizeof *names->org);
            if (org == NULL) {
                return gr_fail(err, -ENOMEM, "no memory for the names of organisations");
            }
            names->org = org;
        }
        memcpy(names->org[names->orgs], event->org.name, GR_NAME_SIZE);
        names->org[names->orgs++][GR_NAME_SIZE - 1] = '\0';
    } else if (names->is_whole && event->type == GR_VARIANT_ADDED &&
               names->variants < GR_POOL_VARIANTS_MAX) {
        memcpy(names->variant[names->variants], event->variant, GR_NAME_SIZE);
        names->variant[names->variants++][GR_NAME_SIZE - 1] = '\0';
    }
    return 0;
}

static void print_event(const json_t *view, const struct gr_event *event, bool is_csv)
{
    const json_t *job = json_object_get(view, "job");
    const char *outcome = json_string_value(json_object_get(view, "outcome"));
    const char *why = json_string_value(json_object_get(view, "why"));
    const char *org = json_string_value(json_object_get(view, "organisation"));
    char id[24] = "";
    if (job != NULL) {
        snprintf(id, sizeof id, "%lld", (long long)json_integer_value(job));
    }
    printf(is_csv ? "%llu,%lld,%u,%s,%s,%s\n" : "%10llu  %13lld  %5u  %-16s  %10s  %s\n",
           (unsigned long long)event->sequence, (long long)event->at_ms, event->epoch,
           gr_event_type_name(event->type), id,
           outcome != NULL ? outcome
           : why != NULL   ? why
           : org != NULL   ? org
                           : "");
}

// Writes the facts of one group that were asked for. Returns 0, 1 when the last one was written.
static int show_group(const struct journal_options *options, const struct gr_journal_group *group,
                      struct gr_event_room *room, struct names *names, json_t *all,
                      struct gr_err *err)
{
    struct gr_view_names known = {names, org_name, variant_name};
    for (size_t at = 0; at < group->payload_size;) {
        struct gr_event event;
        long took =
            gr_event_decode(group->payload + at, group->payload_size - at, room, &event, err);
        if (took <= 0) {
            return took == 0 ? gr_fail(err, -EBADMSG, "a group ends in the middle of a fact")
                             : (int)took;
        }
        at += (size_t)took;
        if (names_learn(names, &event, err) != 0) {
            return -ENOMEM;
        }
        if (event.sequence < (uint64_t)options->from) {
            continue;
        }
        if (event.sequence > (uint64_t)options->to) {
            return 1;
        }
        json_t *view = gr_view_event(&known, &event);
        if (view == NULL) {
            return gr_fail(err, -ENOMEM, "no memory for the output");
        }
        int rc = 0;
        if (options->format == GR_CLI_OUTPUT_JSON) {
            rc = gr_json_append(all, view);
        } else if (options->format == GR_CLI_OUTPUT_JSONL) {
            rc = gr_cli_object_write(view, true, stdout, err);
            json_decref(view);
        } else {
            print_event(view, &event, options->format == GR_CLI_OUTPUT_CSV);
            json_decref(view);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int show(struct journal_options *options, struct gr_err *err)
{
    struct gr_journal_reader *reader = NULL;
    struct gr_event_room *room = malloc(sizeof *room);
    struct names *names = calloc(1, sizeof *names);
    json_t *all = json_array();
    int rc = room == NULL || names == NULL || all == NULL ? gr_fail(err, -ENOMEM, "no memory") : 0;
    rc = rc != 0 ? rc
                 : gr_journal_reader_open(options->journal, (uint64_t)options->from, &reader, err);
    if (rc == 0 && options->format <= GR_CLI_OUTPUT_WIDE) {
        printf("%10s  %13s  %5s  %-16s  %10s  %s\n", "SEQUENCE", "AT (ms)", "EPOCH", "TYPE", "JOB",
               "OUTCOME");
    } else if (rc == 0 && options->format == GR_CLI_OUTPUT_CSV) {
        printf("sequence,at_ms,epoch,type,job,outcome\n");
    }
    struct gr_journal_group group;
    while (rc == 0) {
        int got = gr_journal_reader_next(reader, &group, err);
        if (got <= 0) {
            rc = got;
            break;
        }
        rc = show_group(options, &group, room, names, all, err);
    }
    gr_journal_reader_close(reader);
    free(room);
    if (names != NULL) {
        free(names->org);
    }
    free(names);
    if (rc >= 0 && options->format == GR_CLI_OUTPUT_JSON) {
        rc = gr_json_write(all, stdout, "standard output", err);
    }
    json_decref(all);
    if (rc < 0) {
        fail(err);
        return rc == -EBADMSG ? GR_EXIT_FAILED : GR_EXIT_USAGE;
    }
    return gr_cli_finish("journal");
}

// --- digest and snapshot: the state that the facts make

static int digest(struct journal_options *options, struct gr_err *err)
{
    struct gr_core_config config;
    struct gr_core *core = NULL;
    struct gr_progress progress;
    struct gr_recovery recovery = {.progress = forward_progress,
                                   .context = &progress,
                                   .until = options->to == INT64_MAX ? 0 : (uint64_t)options->to};
    gr_progress_init(&progress, "replay", "facts", 0);
    int rc = gr_limits_read(options->dir, &config, err);
    rc = rc != 0 ? rc : gr_recover(options->dir, &config, &recovery, &core, err);
    gr_progress_done(&progress);
    if (rc != 0) {
        return fail(err);
    }
    uint8_t bytes[GR_HASH_SIZE];
    char state[2 * GR_HASH_SIZE + 1];
    char chain[2 * GR_HASH_SIZE + 1];
    gr_core_digest(core, bytes);
    gr_hash_text(bytes, state);
    gr_hash_text(recovery.hash, chain);
    gr_core_free(core);
    json_t *object = json_object();
    rc = gr_json_set_int(object, "sequence", (int64_t)recovery.sequence);
    rc |= gr_json_set_int(object, "snapshot", (int64_t)recovery.snapshot);
    rc |= gr_json_set_text(object, "digest", gr_slice_of(state));
    rc |= gr_json_set_text(object, "hash", gr_slice_of(chain));
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    return write_object(object, options->format, err);
}

static int snapshot(struct journal_options *options, struct gr_err *err)
{
    struct gr_core_config config;
    struct gr_recovery recovery = {.until = options->to == INT64_MAX ? 0 : (uint64_t)options->to};
    struct gr_core *core = NULL;
    int rc = gr_limits_read(options->dir, &config, err);
    if (rc == 0 && options->is_dry) {
        rc = gr_recover(options->dir, &config, &recovery, &core, err);
    } else if (rc == 0) {
        rc = gr_recover_and_save(options->dir, &config, &recovery, err);
    }
    if (rc != 0) {
        return fail(err);
    }
    if (core != NULL) {
        gr_core_free(core);
    }
    json_t *object = json_object();
    rc = gr_json_set_int(object, "sequence", (int64_t)recovery.sequence);
    rc |= gr_json_set_bool(object, "dry_run", options->is_dry);
    rc |= gr_json_set_bool(object, "written", recovery.sequence > recovery.snapshot);
    if (rc != 0) {
        json_decref(object);
        object = NULL;
    }
    return write_object(object, options->format, err);
}

// The fact that the spec of the oldest live job came with; UINT64_MAX: no job is live.
static int find_oldest(const struct journal_options *options, uint64_t *ret_oldest,
                       struct gr_err *err)
{
    struct gr_core_config config;
    struct gr_recovery recovery = {0};
    struct gr_core *core;
    int rc = gr_limits_read(options->dir, &config, err);
    rc = rc != 0 ? rc : gr_recover(options->dir, &config, &recovery, &core, err);
    if (rc != 0) {
        return rc;
    }
    uint32_t cursor = 0;
    const struct gr_job *job;
    *ret_oldest = UINT64_MAX;
    while ((job = gr_core_job_next(core, &cursor)) != NULL) {
        struct gr_job_more more;
        gr_core_job_more(core, job->id, &more);
        uint64_t first = more.array != 0 ? more.array : job->id;
        *ret_oldest = first < *ret_oldest ? first : *ret_oldest;
    }
    gr_core_free(core);
    return 0;
}

static int seal(struct journal_options *options, struct gr_err *err)
{
    if (options->before == 0) {
        (void)gr_fail(err, -EINVAL,
                      "seal needs --before N: all groups that end before fact N are "
                      "sealed");
        return fail(err);
    }
    uint64_t oldest = 0;
    int rc = find_oldest(options, &oldest, err);
    if (rc == 0 && (uint64_t)options->before > oldest) {
        rc = gr_fail(err, -EBUSY,
                     "job %llu has not ended and still needs its spec; seal what comes before it: "
                     "--before %llu",
                     (unsigned long long)oldest, (unsigned long long)oldest);
    }
    if (rc != 0) {
        return fail(err);
    }
    rc = options->is_dry ? 0 : gr_journal_seal(options->journal, (uint64_t)options->before, err);
    if (rc < 0) {
        return fail(err);
    }
    json_t *object = json_object();
    if ((gr_json_set_bool(object, "sealed", rc == 1) |
         gr_json_set_int(object, "before", options->before) |
         gr_json_set_bool(object, "dry_run", options->is_dry)) != 0) {
        json_decref(object);
        object = NULL;
    }
    return write_object(object, options->format, err);
}

static int find_dir(struct journal_options *options, struct gr_err *err)
{
    int rc = 0;
    if (options->state == NULL) {
        rc = gr_state_default(options->dir, err);
    } else if (snprintf(options->dir, sizeof options->dir, "%s", options->state) >=
               (int)sizeof options->dir) {
        rc = gr_fail(err, -ENAMETOOLONG, "%s: the path is too long", options->state);
    }
    return rc != 0 ? rc : gr_state_path(options->dir, "journal", options->journal, err);
}

static int run(int argc, char **argv)
{
    struct journal_options options = {.from = 1, .to = INT64_MAX};
    const struct gr_option table[] = {
        {.name = "state",
         .type = GR_OPTION_TEXT,
         .value = "DIR",
         .store = &options.state,
         .help = "Directory of the pool. Root: /var/lib/granary; else ~/.local/state/granary."},
        {.name = "from",
         .type = GR_OPTION_INT,
         .value = "N",
         .low = 1,
         .high = INT64_MAX,
         .store = &options.from,
         .help = "show: the first fact. The default is 1."},
        {.name = "to",
         .type = GR_OPTION_INT,
         .value = "N",
         .low = 1,
         .high = INT64_MAX,
         .store = &options.to,
         .help = "show, digest, snapshot: nothing after this fact. The default is the end."},
        {.name = "before",
         .type = GR_OPTION_INT,
         .value = "N",
         .low = 2,
         .high = INT64_MAX,
         .store = &options.before,
         .help = "seal: what is to stay begins with the group of this fact."},
        GR_CLI_DRY_RUN_OPTION(&options.is_dry),
        GR_CLI_OUTPUT_OPTION(&options.format),
        {0}};
    const struct gr_options command = {.usage = "journal VERB [OPTIONS]",
                                       .about = about,
                                       .options = table,
                                       .details = details,
                                       .operands_min = 1,
                                       .operands_max = 1,
                                       .operands = "a verb: verify, show, digest, seal, snapshot"};
    static const struct {
        const char *name;
        int (*run)(struct journal_options *options, struct gr_err *err);
    } verbs[] = {{"verify", verify},
                 {"show", show},
                 {"digest", digest},
                 {"seal", seal},
                 {"snapshot", snapshot}};
    size_t operands;
    int code;
    struct gr_err err;
    if (!gr_cli_start(&command, argc, argv, &operands, &code)) {
        return code;
    }
    if (find_dir(&options, &err) != 0) {
        return fail(&err);
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            return verbs[i].run(&options, &err);
        }
    }
    (void)gr_fail(&err, -EINVAL,
                  "there is no verb '%s'; write verify, show, digest, seal or snapshot", argv[1]);
    return fail(&err);
}

const struct gr_command gr_cli_journal = {
    .name = "journal", .summary = "verify, show, seal a pool's history", .run = run};
