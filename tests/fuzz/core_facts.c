// Fuzzes the core with facts: whatever can be decoded is refused, or is applied and leaves the
// books in order. gr_core_check must let nothing through that gr_core_apply or a later decision
// cannot take.
//
// The first byte chooses the policy, the order of the queue and whether the mix is learned; encoded
// facts follow. So that a changed byte does not cost all facts behind it, a fact that cannot be
// decoded is skipped, and sequence, epoch and time are set to what comes next (a time ahead is
// kept).
#include "fuzz.h"

#include "codec/event_bytes.h"
#include "core/core.h"
#include "place/policy.h"

#include <assert.h>
#include <string.h>

// Facts of one input: enough to fill every table of the small core.
#define FACTS_MAX 96

static struct gr_event_room room;
static struct gr_piece pieces[GR_TASKS_MAX];

static struct gr_core *core_make(uint8_t choice)
{
    size_t policies = 0;
    while (gr_policies[policies] != NULL) {
        policies++;
    }
    struct gr_core_config config = {
        .limits = {.place = {.nodes = 6, .masks = 4, .slots = 32, .domains = {2, 3, 3, 4}},
                   .jobs = 6,
                   .pieces = 10,
                   .orgs = 3,
                   .sites = 3,
                   .variants = 3,
                   .users = 2,
                   .arrays = 2,
                   .edges = 5,
                   .keys = 3,
                   .keys_per_org = 2,
                   .queues = 4,
                   .needs = 5,
                   .quotas = 3},
        .policy = gr_policies[choice / 4 % policies]->name,
        .order = (choice & 0x80) != 0 ? GR_ORDER_FAIR
                 : (choice & 1) != 0  ? GR_ORDER_BACKFILL
                                      : GR_ORDER_FIFO,
        .learn_mix = (choice & 2) != 0,
    };
    struct gr_core *core = NULL;
    struct gr_err err;
    int code = gr_core_new(&config, &core, &err);
    assert(code == 0);
    (void)code;
    return core;
}

// What the core would do next is a fact that it accepts, and to ask changes nothing.
static void decide(struct gr_core *core)
{
    uint8_t before[32], after[32];
    struct gr_event event;
    gr_core_digest(core, before);
    if (gr_decide_start(core, NULL, gr_core_now(core), pieces, &event)) {
        assert(gr_core_check(core, &event) == GR_REFUSED_NOTHING);
    }
    if (gr_decide_doomed(core, gr_core_now(core), &event)) {
        assert(gr_core_check(core, &event) == GR_REFUSED_NOTHING);
    }
    if (gr_decide_mix(core, gr_core_now(core), &event)) {
        assert(gr_core_check(core, &event) == GR_REFUSED_NOTHING);
    }
    gr_core_digest(core, after);
    assert(memcmp(before, after, sizeof before) == 0);
}

static void take_fact(struct gr_core *core, struct gr_event *event)
{
    event->sequence = gr_core_next_sequence(core);
    event->at_ms = event->at_ms < gr_core_now(core) ? gr_core_now(core) : event->at_ms;
    event->epoch = gr_core_epoch(core) + (event->type == GR_EPOCH_BEGUN);
    enum gr_refusal refusal = gr_core_check(core, event);
    assert((unsigned)refusal < GR_REFUSALS);
    if (refusal != GR_REFUSED_NOTHING) {
        return;
    }
    struct gr_effect effects[GR_EFFECTS_MAX];
    unsigned count = gr_core_apply(core, event, effects);
    assert(count <= GR_EFFECTS_MAX);
    (void)count;
    const char *wrong = gr_core_audit(core);
    assert(wrong == NULL);
    (void)wrong;
    decide(core);
}

// Where the fact at `at` ends by its own size; `size` if that is not inside.
static size_t skip(const uint8_t *data, size_t size, size_t at)
{
    uint32_t rest = 0;
    for (unsigned i = 0; i < 4; i++) {
        rest |= (uint32_t)data[at + i] << (8 * i);
    }
    return size - at - 4 < rest ? size : at + 4 + rest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct gr_core *core = core_make(data[0]);
    size_t at = 1;
    for (unsigned i = 0; i < FACTS_MAX; i++) {
        struct gr_event event;
        struct gr_err err = {0};
        long used = gr_event_decode(data + at, size - at, &room, &event, &err);
        if (used == 0) {
            break;
        }
        if (used > 0) {
            take_fact(core, &event);
        }
        at = used > 0 ? at + (size_t)used : skip(data, size, at);
    }
    gr_core_free(core);
    return 0;
}
