// Names and texts of refusals and of event types, each in one table.
#include "core/event.h"

#include <stddef.h>

static const struct {
    const char *name, *text;
} refusals[GR_REFUSALS] = {
    [GR_REFUSED_NOTHING] = {"nothing", "nothing stands against it"},
    [GR_REFUSED_SEQUENCE] = {"sequence", "the fact does not carry the next sequence number"},
    [GR_REFUSED_EPOCH] = {"epoch", "the fact does not come from the present writer"},
    [GR_REFUSED_TIME] = {"time", "the fact's time lies before the last fact's"},
    [GR_REFUSED_TYPE] = {"type", "the type or version of the fact is not known"},
    [GR_REFUSED_FIELD] = {"field", "a field is outside its range"},
    [GR_REFUSED_ORG] = {"org", "there is no such organisation"},
    [GR_REFUSED_SITE] = {"site", "there is no such site"},
    [GR_REFUSED_VARIANT] = {"variant", "there is no such variant in the pool"},
    [GR_REFUSED_MASK] = {"mask", "there is no such mask, or it is there already"},
    [GR_REFUSED_NODE] = {"node", "there is no such node"},
    [GR_REFUSED_DOMAIN] = {"domain", "the topology domains do not nest or are beyond the limit"},
    [GR_REFUSED_JOB] = {"job", "there is no such job"},
    [GR_REFUSED_STATE] = {"state", "the job is not in the state that this needs"},
    [GR_REFUSED_PIECES] = {"pieces", "the pieces do not match what the job asked for"},
    [GR_REFUSED_HELD] = {"held", "a device, cpu or memory of a piece is not free"},
    [GR_REFUSED_LIMIT_JOBS] = {"limit-jobs", "the pool holds as many jobs as it can"},
    [GR_REFUSED_LIMIT_PIECES] = {"limit-pieces", "the pool holds as many gang pieces as it can"},
    [GR_REFUSED_LIMIT_OTHER] = {"limit", "a table of the pool is full"},
    [GR_REFUSED_NOWHERE] = {"nowhere", "no site has that kind, or none is allowed"},
    [GR_REFUSED_NEVER] = {"never", "it would not fit even if the pool were empty"},
    [GR_REFUSED_NO_ROOM] = {"no-room", "there is no room for it now"},
    [GR_REFUSED_RULES] = {"rules", "a rule or quota does not allow it"},
    [GR_REFUSED_BY_USER] = {"by-user", "it was withdrawn by its owner"},
    [GR_REFUSED_USER] = {"user", "there is no such user in that organisation"},
    [GR_REFUSED_AFTER] = {"after", "a job it waits for ended in another way, or is not known"},
    [GR_REFUSED_KEY] = {"key", "the idempotency key was used already"},
    [GR_REFUSED_LIMIT_KEYS] = {"limit-keys", "as many idempotency keys as are kept were used"},
    [GR_REFUSED_LIMIT_ORG] = {"limit-org", "the organisation has as many jobs as it may"},
    [GR_REFUSED_DEVICE] = {"device", "the node has no such device"},
    [GR_REFUSED_QUOTA] = {"quota", "the quotas of its organisation and of others leave it nothing"},
    [GR_REFUSED_TERMS] = {"terms", "its organisation or user has as much at a time as it may"},
    [GR_REFUSED_PRIORITY] = {"priority", "its organisation may not ask for that priority"},
    [GR_REFUSED_WINDOW] = {"window", "there is no such window, or its time is another"},
};

static const char *const types[GR_EVENT_TYPES] = {
    [GR_ORG_ADDED] = "org-added",
    [GR_SITE_ADDED] = "site-added",
    [GR_VARIANT_ADDED] = "variant-added",
    [GR_MASK_ADDED] = "mask-added",
    [GR_NODE_ADDED] = "node-added",
    [GR_NODE_STATE_SET] = "node-state-set",
    [GR_MIX_SET] = "mix-set",
    [GR_JOB_SUBMITTED] = "job-submitted",
    [GR_JOB_PLACED] = "job-placed",
    [GR_JOB_FINISHED] = "job-finished",
    [GR_JOB_DROPPED] = "job-dropped",
    [GR_ROOM_RESERVED] = "room-reserved",
    [GR_USER_ADDED] = "user-added",
    [GR_EPOCH_BEGUN] = "epoch-begun",
    [GR_JOB_STARTED] = "job-started",
    [GR_JOB_REQUEUED] = "job-requeued",
    [GR_STOP_ASKED] = "stop-asked",
    [GR_DEVICES_SET] = "devices-set",
    [GR_KEY_USED] = "key-used",
    [GR_QUOTA_SET] = "quota-set",
    [GR_ORG_TERMS_SET] = "org-terms-set",
    [GR_QUEUE_TERMS_SET] = "queue-terms-set",
    [GR_CHECKPOINTED] = "checkpointed",
    [GR_ROOM_HELD] = "room-held",
    [GR_ROOM_FREED] = "room-freed",
    [GR_PART_LOST] = "part-lost",
    [GR_PART_PLACED] = "part-placed",
    [GR_PREFERENCE_SET] = "preference-set",
    [GR_CLASS_SET] = "class-set",
    [GR_WINDOW_SET] = "window-set",
    [GR_WINDOW_OPENED] = "window-opened",
    [GR_WINDOW_CLOSED] = "window-closed",
    [GR_WINDOW_ENDED] = "window-ended",
};

const char *gr_refusal_name(enum gr_refusal refusal)
{
    assert((unsigned)refusal < GR_REFUSALS);
    return refusals[refusal].name;
}

const char *gr_refusal_text(enum gr_refusal refusal)
{
    assert((unsigned)refusal < GR_REFUSALS);
    return refusals[refusal].text;
}

const char *gr_event_type_name(unsigned type)
{
    return type < GR_EVENT_TYPES ? types[type] : NULL;
}
