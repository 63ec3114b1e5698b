// Organisations and users of a replay whose order knows of them: each queue that the trace names is
// an organisation below the trace's, each user of a queue one of its users. The other orders have
// one organisation and no users, so that their history is what it always was.
#include "replay/run_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The widest table of the core that is reckoned by users.
#define OWNERS_MAX 262144

static int owner_compare(const void *a, const void *b)
{
    const struct gr_run_owner *x = a, *y = b;
    return x->queue != y->queue ? (x->queue > y->queue) - (x->queue < y->queue)
                                : (x->user > y->user) - (x->user < y->user);
}

int gr_run_owners_find(struct gr_run *run, struct gr_err *err)
{
    const struct gr_trace *trace = run->trace;
    if (run->config->order != GR_ORDER_FAIR) {
        return 0;
    }
    run->owners = calloc(trace->order_count + 1, sizeof *run->owners);
    if (run->owners == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the users of the trace");
    }
    for (size_t i = 0; i < trace->order_count; i++) {
        const struct gr_trace_job *job = &trace->jobs[trace->order[i]];
        run->owners[i] = (struct gr_run_owner){job->queue, job->user};
    }
    qsort(run->owners, trace->order_count, sizeof *run->owners, owner_compare);
    for (size_t i = 0; i < trace->order_count; i++) {
        size_t last = run->owner_count - 1;
        if (run->owner_count == 0 || owner_compare(&run->owners[last], &run->owners[i]) != 0) {
            run->owners[run->owner_count++] = run->owners[i];
        }
    }
    return run->owner_count <= OWNERS_MAX
               ? 0
               : gr_fail(err, -ENOSPC, "the trace has %zu users, a fair queue at most %d",
                         run->owner_count, OWNERS_MAX);
}

int gr_run_owners_add(struct gr_run *run, struct gr_err *err)
{
    int code = 0;
    // Queue 0 is "none given": the trace's own organisation, which is there.
    for (size_t q = 1; code == 0 && run->owners != NULL && q < run->trace->queue_count; q++) {
        struct gr_event event = gr_decide_fact(run->core, 0, GR_ORG_ADDED);
        event.org = (struct gr_org){.parent = 0, .role = GR_ROLE_OWNER};
        (void)snprintf(event.org.name, sizeof event.org.name, "%.24s #%zu", run->trace->queues[q],
                       q);
        code = gr_run_fact(run, &event, err);
    }
    for (size_t i = 0; code == 0 && i < run->owner_count; i++) {
        struct gr_event event = gr_decide_fact(run->core, 0, GR_USER_ADDED);
        event.user_added.org = run->owners[i].queue;
        code = gr_run_fact(run, &event, err);
    }
    return code;
}

int gr_run_terms_set(struct gr_run *run, struct gr_err *err)
{
    const struct gr_trace *trace = run->trace;
    int code = 0;
    if (run->owners != NULL && run->config->terms != NULL) {
        struct gr_event event = gr_decide_fact(run->core, 0, GR_QUEUE_TERMS_SET);
        event.queue_terms = *run->config->terms;
        code = gr_run_fact(run, &event, err);
    }
    for (size_t i = 0; code == 0 && run->owners != NULL && i < trace->quota_count; i++) {
        const struct gr_trace_quota *quota = &trace->quotas[i];
        struct gr_event event = gr_decide_fact(run->core, 0, GR_QUOTA_SET);
        event.quota = (struct gr_quota){.org = quota->queue,
                                        .variant = quota->model,
                                        .nominal_milli = quota->nominal_milli,
                                        .borrow_milli = quota->borrow_milli,
                                        .lend_milli = quota->lend_milli};
        code = gr_run_fact(run, &event, err);
    }
    return code;
}

void gr_run_owner_get(const struct gr_run *run, const struct gr_trace_job *job, uint32_t *ret_org,
                      uint32_t *ret_user)
{
    *ret_org = 0;
    *ret_user = UINT32_MAX;
    if (run->owners != NULL) {
        struct gr_run_owner owner = {job->queue, job->user};
        const struct gr_run_owner *found =
            bsearch(&owner, run->owners, run->owner_count, sizeof owner, owner_compare);
        assert(found != NULL); // of an arrival
        *ret_org = job->queue;
        *ret_user = (uint32_t)(found - run->owners);
    }
}
