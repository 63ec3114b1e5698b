// The record of a replay's facts, and its proof: a fresh core that is fed nothing but those bytes
// ends in the same state. See run_parts.h.
#include "replay/run_parts.h"

#include "codec/event_bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// Smallest growth of the record, in bytes.
#define RECORD_STEP ((size_t)1 << 16)

int gr_run_record(struct gr_run *run, const struct gr_event *event, struct gr_err *err)
{
    for (;;) {
        long size = -ENOSPC;
        if (run->facts != NULL) {
            size = gr_event_encode(event, run->facts + run->facts_size,
                                   run->facts_room - run->facts_size);
        }
        if (size >= 0) {
            run->facts_size += (size_t)size;
            return 0;
        }
        size_t room = run->facts_room * 2 + RECORD_STEP;
        uint8_t *grown = realloc(run->facts, room);
        if (grown == NULL) {
            return gr_fail(err, -ENOMEM, "no memory for the record of facts");
        }
        run->facts = grown;
        run->facts_room = room;
    }
}

// Applies the record to `core`.
static int apply_record(const struct gr_run *run, struct gr_core *core, struct gr_event_room *room,
                        struct gr_err *err)
{
    for (size_t at = 0; at < run->facts_size;) {
        struct gr_event event;
        long size = gr_event_decode(run->facts + at, run->facts_size - at, room, &event, err);
        if (size == 0) {
            return gr_fail(err, -EPROTO, "verification: the record of facts is cut off");
        }
        if (size < 0) {
            return gr_err_prefix(err, "verification");
        }
        enum gr_refusal refusal = gr_core_check(core, &event);
        if (refusal != GR_REFUSED_NOTHING) {
            return gr_fail(err, -EPROTO, "verification: recorded fact %" PRIu64 ": %s",
                           event.sequence, gr_refusal_text(refusal));
        }
        (void)gr_core_apply(core, &event, NULL);
        at += (size_t)size;
    }
    return 0;
}

static int audit(const struct gr_core *core, const char *which, struct gr_err *err)
{
    const char *wrong = gr_core_audit(core);
    return wrong == NULL ? 0 : gr_fail(err, -EPROTO, "verification: %s core: %s", which, wrong);
}

int gr_run_verify(struct gr_run *run, struct gr_err *err)
{
    struct gr_core_config config;
    struct gr_core *core = NULL;
    gr_run_core_config(run, &config);
    struct gr_event_room *room = malloc(sizeof *room);
    int code = room == NULL ? gr_fail(err, -ENOMEM, "no memory for the verification")
                            : gr_core_new(&config, &core, err);
    if (code == 0) {
        code = apply_record(run, core, room, err);
    }
    uint8_t digest[32] = {0};
    if (code == 0) {
        gr_core_digest(core, digest);
        if (memcmp(digest, run->result.digest, sizeof digest) != 0) {
            code = gr_fail(err, -EPROTO, "verification: the facts lead to another state");
        }
    }
    if (code == 0) {
        code = audit(core, "replayed", err);
    }
    if (code == 0) {
        code = audit(run->core, "first", err);
    }
    gr_core_free(core);
    free(room);
    return code;
}
