// `granary export trace`: the journal of a pool, or a part of it, as a recording that `granary
// replay` repeats. Reads the files, beside a running daemon too: whoever may read the state
// directory may export. See replay/recording.h.
#include "cli/export.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/start.h"
#include "codec/event_bytes.h"
#include "core/save.h"
#include "daemon/limits.h"
#include "daemon/recover.h"
#include "daemon/state_dir.h"
#include "journal/journal.h"
#include "replay/jobs_map.h"
#include "replay/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char about[] =
    "Writes the history of a pool, or a part of it, as a recording: what came from outside and "
    "what the pool decided. `granary replay FILE` repeats it, with the same decisions, or with "
    "another policy, order or terms. Users have no names in it, and jobs no commands.";

static const char details[] =
    "A time is YYYY-MM-DD HH:MM:SS, UTC, or seconds since 1970. Without --from the recording\n"
    "begins with the first fact, and every later release can read it; with --from it begins with\n"
    "the state of that moment, in this release's form.\n"
    "\n"
    "examples:\n"
    "  granary export trace day.trace\n"
    "  granary export trace --from '2026-03-01 00:00:00' --to '2026-03-02 00:00:00' day.trace\n"
    "  granary replay day.trace --verify\n";

// Bytes that grow.
struct bytes {
    uint8_t *bytes;
    size_t size, room;
};

struct request {
    const char *state, *from_text, *to_text, *file;
    int64_t from_ms, to_ms; // the recording holds groups of facts from .. to
    size_t format;
    char dir[GR_STATE_PATH_SIZE];
    char journal[GR_STATE_PATH_SIZE];
};

static int bytes_reserve(struct bytes *all, size_t size, struct gr_err *err)
{
    while (all->room - all->size < size) {
        size_t room = all->room == 0 ? 1u << 20 : all->room * 2;
        uint8_t *grown = room > GR_RECORDING_BYTES_MAX ? NULL : realloc(all->bytes, room);
        if (grown == NULL) {
            return gr_fail(err, -ENOMEM, "no memory for the recording; export a shorter time");
        }
        all->bytes = grown;
        all->room = room;
    }
    return 0;
}

static int bytes_add(void *context, const void *bytes, size_t size, struct gr_err *err)
{
    struct bytes *all = context;
    int rc = bytes_reserve(all, size, err);
    if (rc == 0 && size > 0) {
        memcpy(all->bytes + all->size, bytes, size);
        all->size += size;
    }
    return rc;
}

// ---- which facts --------------------------------------------------------------------------------

// Time of a group's first or last fact.
static int group_time(const struct gr_journal_group *group, struct gr_event_room *room, bool last,
                      int64_t *ret_ms, struct gr_err *err)
{
    for (size_t at = 0; at < group->payload_size;) {
        struct gr_event event;
        long took =
            gr_event_decode(group->payload + at, group->payload_size - at, room, &event, err);
        if (took <= 0) {
            return took == 0 ? gr_fail(err, -EBADMSG, "a group ends in the middle of a fact")
                             : (int)took;
        }
        *ret_ms = event.at_ms;
        if (!last) {
            return 0;
        }
        at += (size_t)took;
    }
    return 0;
}

// The sequence before the first group of the time that is asked for. *ret_before = 0: all of it.
static int find_first(const struct request *request, struct gr_event_room *room,
                      uint64_t *ret_before, struct gr_err *err)
{
    struct gr_journal_reader *reader = NULL;
    struct gr_journal_group group;
    *ret_before = 0;
    if (request->from_text == NULL) {
        return 0;
    }
    int rc = gr_journal_reader_open(request->journal, 1, &reader, err);
    while (rc == 0) {
        int64_t at_ms = 0;
        int got = gr_journal_reader_next(reader, &group, err);
        if (got <= 0) {
            rc = got < 0 ? got
                         : gr_fail(err, -EINVAL, "--from: there is no fact at %s or later",
                                   request->from_text);
            break;
        }
        rc = group_time(&group, room, false, &at_ms, err);
        if (rc == 0 && at_ms >= request->from_ms) {
            break;
        }
        *ret_before = group.last;
    }
    gr_journal_reader_close(reader);
    return rc;
}

// ---- the recording ------------------------------------------------------------------------------

// Adds a group's facts, each of which the core takes.
static int add_group(const struct gr_journal_group *group, struct gr_core *core,
                     struct gr_event_room *room, struct bytes *facts, struct gr_err *err)
{
    for (size_t at = 0; at < group->payload_size;) {
        struct gr_event event;
        long took =
            gr_event_decode(group->payload + at, group->payload_size - at, room, &event, err);
        if (took <= 0) {
            return took == 0 ? gr_fail(err, -EBADMSG, "a group ends in the middle of a fact")
                             : (int)took;
        }
        enum gr_refusal refusal = gr_core_check(core, &event);
        if (refusal != GR_REFUSED_NOTHING) {
            return gr_fail(err, -EBADMSG,
                           "fact %" PRIu64 " does not follow: %s; run granary "
                           "journal verify",
                           event.sequence, gr_refusal_text(refusal));
        }
        int rc = bytes_reserve(facts, GR_EVENT_BYTES_MAX, err);
        if (rc != 0) {
            return rc;
        }
        long size = gr_event_encode(&event, facts->bytes + facts->size, GR_EVENT_BYTES_MAX);
        if (size < 0) {
            return gr_fail(err, -EBADMSG, "fact %" PRIu64 " is too large", event.sequence);
        }
        facts->size += (size_t)size;
        (void)gr_core_apply(core, &event, NULL);
        at += (size_t)took;
    }
    return 0;
}

static int add_facts(const struct request *request, struct gr_core *core,
                     struct gr_event_room *room, struct gr_recording *recording,
                     struct bytes *facts, struct gr_err *err)
{
    struct gr_journal_reader *reader = NULL;
    struct gr_journal_group group;
    int rc = gr_journal_reader_open(request->journal, recording->first, &reader, err);
    recording->last = recording->first - 1;
    while (rc == 0) {
        int64_t at_ms = 0;
        int got = gr_journal_reader_next(reader, &group, err);
        if (got <= 0) {
            rc = got;
            break;
        }
        rc = group_time(&group, room, true, &at_ms, err);
        if (rc != 0 || at_ms > request->to_ms) {
            break;
        }
        rc = add_group(&group, core, room, facts, err);
        recording->last = group.last;
    }
    gr_journal_reader_close(reader);
    if (rc == 0 && recording->last < recording->first) {
        rc = gr_fail(err, -EINVAL, "there is no fact in the time that is asked for");
    }
    return rc;
}

// The core before the first fact: empty, or brought there from the newest snapshot before.
static int begin(const struct request *request, uint64_t before, struct gr_recording *recording,
                 struct gr_core **ret_core, struct bytes *state, struct gr_err *err)
{
    int rc = gr_limits_read(request->dir, &recording->config, err);
    recording->config.touch_jobs = recording->config.touch_pieces = recording->config.touch_nodes =
        0;
    recording->first = before + 1;
    if (rc != 0 || before == 0) {
        return rc != 0 ? rc : gr_core_new(&recording->config, ret_core, err);
    }
    struct gr_recovery recovery = {.until = before};
    rc = gr_recover(request->dir, &recording->config, &recovery, ret_core, err);
    return rc != 0 ? rc : gr_core_save(*ret_core, bytes_add, state, err);
}

// A new file, readable by its owner; nothing is left of it on failure.
static int write_file(const struct request *request, const struct gr_recording *recording,
                      struct gr_err *err)
{
    int fd = open(request->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        return gr_fail(err, -EEXIST, "%s is there already; give another name, or remove it",
                       request->file);
    }
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        return gr_fail_errno(err, "create %s", request->file);
    }
    int rc = gr_recording_write(recording, file);
    if (rc == 0 && fsync(fd) != 0) {
        rc = -errno;
    }
    if (fclose(file) != 0 && rc == 0) {
        rc = -errno;
    }
    if (rc != 0) {
        (void)unlink(request->file);
        return gr_fail(err, rc, "write %s: %s", request->file, strerror(-rc));
    }
    return 0;
}

static int show(const struct request *request, const struct gr_recording *recording,
                struct gr_err *err)
{
    char digest[2 * GR_HASH_SIZE + 1];
    gr_hash_text(recording->digest, digest);
    if (request->format != GR_CLI_OUTPUT_JSON && request->format != GR_CLI_OUTPUT_JSONL) {
        printf("%s: facts %" PRIu64 " to %" PRIu64 "\n", request->file, recording->first,
               recording->last);
        return 0;
    }
    json_t *object = json_object();
    int rc = gr_json_set_text(object, "file", gr_slice_of(request->file));
    rc |= gr_json_set_int(object, "first", (int64_t)recording->first);
    rc |= gr_json_set_int(object, "last", (int64_t)recording->last);
    rc |= gr_json_set_text(object, "digest", gr_slice_of(digest));
    rc = rc != 0 ? gr_fail(err, -ENOMEM, "no memory for the output")
                 : gr_cli_object_write(object, request->format == GR_CLI_OUTPUT_JSONL, stdout, err);
    json_decref(object);
    return rc;
}

static int export_trace(const struct request *request, struct gr_err *err)
{
    struct gr_recording recording = {0};
    struct bytes facts = {0}, state = {0};
    struct gr_core *core = NULL;
    uint64_t before = 0;
    struct gr_event_room *room = malloc(sizeof *room);
    int rc = room == NULL ? gr_fail(err, -ENOMEM, "no memory to read the journal") : 0;
    rc = rc != 0 ? rc : find_first(request, room, &before, err);
    rc = rc != 0 ? rc : begin(request, before, &recording, &core, &state, err);
    rc = rc != 0 ? rc : add_facts(request, core, room, &recording, &facts, err);
    if (rc == 0) {
        gr_core_digest(core, recording.digest);
        recording.state = state.bytes;
        recording.state_size = state.size;
        recording.facts = facts.bytes;
        recording.facts_size = facts.size;
        rc = write_file(request, &recording, err);
    }
    rc = rc != 0 ? rc : show(request, &recording, err);
    gr_core_free(core);
    free(room);
    free(facts.bytes);
    free(state.bytes);
    return rc;
}

// ---- the command --------------------------------------------------------------------------------

static int read_time(const char *option, const char *text, int64_t *ret_ms, struct gr_err *err)
{
    return text == NULL || gr_jobs_value(GR_JOBS_SUBMIT, 0, gr_slice_of(text), ret_ms) == 0
               ? 0
               : gr_fail(err, -EINVAL,
                         "--%s: found '%.40s', expected YYYY-MM-DD HH:MM:SS (UTC), or seconds "
                         "since 1970",
                         option, text);
}

static int find_dir(struct request *request, struct gr_err *err)
{
    int rc = 0;
    if (request->state == NULL) {
        rc = gr_state_default(request->dir, err);
    } else if (snprintf(request->dir, sizeof request->dir, "%s", request->state) >=
               (int)sizeof request->dir) {
        rc = gr_fail(err, -ENAMETOOLONG, "the path of the state directory is too long");
    }
    rc = rc != 0 ? rc : gr_state_path(request->dir, "journal", request->journal, err);
    if (rc == 0 && access(request->journal, F_OK) != 0) {
        rc = gr_fail(err, -ENOENT, "there is no pool in %s; say where with --state DIR",
                     request->dir);
    }
    return rc;
}

static int run(int argc, char **argv)
{
    struct request request = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    const struct gr_option table[] = {
        {.name = "state",
         .type = GR_OPTION_TEXT,
         .value = "DIR",
         .store = &request.state,
         .help = "Directory of the pool. Root: /var/lib/granary; else ~/.local/state/granary."},
        {.name = "from",
         .type = GR_OPTION_TEXT,
         .value = "TIME",
         .store = &request.from_text,
         .help = "Begins with what happened at this time or later. The default is the beginning."},
        {.name = "to",
         .type = GR_OPTION_TEXT,
         .value = "TIME",
         .store = &request.to_text,
         .help = "Ends with what happened at this time. The default is the end."},
        GR_CLI_OUTPUT_OPTION(&request.format),
        {0}};
    const struct gr_options command = {.usage = "export trace [OPTIONS] FILE",
                                       .about = about,
                                       .options = table,
                                       .details = details,
                                       .operands_min = 2,
                                       .operands_max = 2,
                                       .operands = "what to export (trace), and the new file"};
    size_t operands;
    int code;
    struct gr_err err;
    gr_err_init(&err);
    if (!gr_cli_start(&command, argc, argv, &operands, &code)) {
        return code;
    }
    request.file = argv[2];
    int rc = strcmp(argv[1], "trace") == 0
                 ? 0
                 : gr_fail(&err, -EINVAL, "found '%.40s', expected trace", argv[1]);
    rc = rc != 0 ? rc : read_time("from", request.from_text, &request.from_ms, &err);
    rc = rc != 0 ? rc : read_time("to", request.to_text, &request.to_ms, &err);
    rc = rc != 0 ? rc : find_dir(&request, &err);
    rc = rc != 0 ? rc : export_trace(&request, &err);
    if (rc < 0) {
        int exit_code = gr_cli_fail("export", &err);
        return rc == -EBADMSG ? GR_EXIT_FAILED : exit_code;
    }
    return gr_cli_finish("export");
}

const struct gr_command gr_cli_export = {
    .name = "export", .summary = "write a pool's history as a recording to replay", .run = run};
