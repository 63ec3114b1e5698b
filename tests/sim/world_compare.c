// The simulator's books beside what the core shows: see world.h.
#include "world.h"

#include <string.h>

static const char *nodes_compare(const struct world *world, const struct gr_core *core)
{
    const struct gr_place *place = gr_core_place(core);
    struct world_view view;
    world_view_now(world, &view);
    if (gr_place_node_count(place) != world->nodes || gr_place_mask_count(place) != world->masks) {
        return "another number of nodes or masks";
    }
    for (uint32_t n = 0; n < world->nodes; n++) {
        const struct gr_node *row = gr_place_node_get(place, n);
        const struct gr_node_cold *cold = gr_place_cold_get(place, n);
        const struct world_node *node = &world->node[n];
        uint32_t whole = 0, widest = 0, hosted[17] = {0};
        for (uint32_t i = 0; i < 16; i++) {
            uint32_t free = (uint32_t)view.milli[n][i];
            if (gr_core_device_health(core, n, i) != node->health[i] ||
                gr_place_withheld_get(place, n, i) != (uint32_t)view.withheld[n][i]) {
                return "another health, or other milli withheld";
            }
            whole += free == 1000;
            widest = free > widest ? free : widest;
            if (row->free[i] != free) {
                return "another number of free milli";
            }
        }
        for (uint32_t j = 0; j < world->jobs; j++) {
            const struct world_job *job = &world->job[j];
            for (uint32_t p = 0; job->running && p < job->piece_count; p++) {
                if (!job->lost[p] && job->pieces[p].node == n && job->demand.shape.devices > 0) {
                    hosted[job->demand.shape.milli < 1000 ? 0 : job->demand.shape.devices]++;
                }
            }
        }
        for (int k = 0; k < 17; k++) {
            if (cold->hosted[k] != hosted[k]) {
                return "another number of hosted tasks";
            }
        }
        if (row->whole != whole || row->widest != widest || row->cpu_milli != view.cpu[n] ||
            row->memory_mib != view.memory[n] || row->state != node->state ||
            cold->out != node->out || row->site != node->site || row->variant != node->variant ||
            row->devices != node->devices || cold->cpu_milli != node->cpu ||
            cold->memory_mib != node->memory || strcmp(cold->name, node->name) != 0 ||
            memcmp(row->domain, node->domain, sizeof row->domain) != 0) {
            return "a node looks different";
        }
    }
    return NULL;
}

static bool links_differ(const struct gr_core *core, const struct world_job *job)
{
    struct gr_job_more more;
    struct gr_edge edges[WORLD_JOB_EDGES];
    bool lost = false;
    gr_core_job_more(core, job->id, &more);
    if (more.array != job->array || more.array_index != job->array_index ||
        more.edge_count != job->edge_count || more.pending != job->edge_count + job->no_place ||
        gr_core_job_edges(core, job->id, edges, WORLD_JOB_EDGES) != job->edge_count) {
        return true;
    }
    for (uint32_t e = 0; e < job->edge_count; e++) {
        lost |= job->edges[e].lost;
        if (edges[e].job != job->edges[e].job || edges[e].how != job->edges[e].how) {
            return true;
        }
    }
    return more.is_doomed != lost;
}

static const char *jobs_compare(const struct world *world, const struct gr_core *core)
{
    const struct world_job *queue[WORLD_JOBS];
    uint32_t waiting = world_queue(world, queue);
    uint64_t at = 0;
    uint32_t held = 0;
    for (uint32_t j = 0; j < world->jobs; j++) {
        held += world->job[j].held;
    }
    if (gr_core_waiting(core) != waiting || gr_core_held(core) != held ||
        gr_core_running(core) != world->jobs - waiting - held) {
        return "another number of jobs";
    }
    for (uint32_t i = 0; i <= waiting; i++) {
        at = gr_core_waiting_next(core, at);
        if (at != (i < waiting ? queue[i]->id : 0)) {
            return "the queue is in another order";
        }
    }
    for (uint32_t j = 0; j < world->jobs; j++) {
        const struct world_job *job = &world->job[j];
        const struct gr_job *row = gr_core_job_find(core, job->id);
        struct gr_piece pieces[WORLD_TASKS];
        if (row == NULL || row->id != job->id || row->tag != job->tag || row->org != job->org ||
            row->submitted_ms != job->submitted || row->limit_ms != job->limit ||
            row->attempt != job->attempt || row->started_ms != job->started ||
            (row->state == GR_JOB_RUNNING) != job->running ||
            (row->state == GR_JOB_HELD) != job->held || row->user != job->user ||
            row->attempts != job->attempts || row->requeue_on != job->requeue_on ||
            row->began_ms != job->began || row->stop_ms != job->stop ||
            row->grace_ms != job->grace || row->safe_ms != job->safe ||
            row->stop_why != job->stop_why || row->stop_signal != job->stop_signal ||
            memcmp(&row->demand, &job->demand, sizeof job->demand) != 0) {
            return "a job looks different";
        }
        if (links_differ(core, job)) {
            return "a job waits for something else";
        }
        uint32_t count = 0;
        uint32_t shown = job->running ? gr_core_job_pieces(core, job->id, pieces, WORLD_TASKS) : 0;
        for (uint32_t p = 0; job->running && p < job->piece_count; p++) {
            if (!job->lost[p] && (count >= shown ||
                                  memcmp(&pieces[count++], &job->pieces[p], sizeof *pieces) != 0)) {
                return "a job holds other pieces";
            }
        }
        if (count != shown) {
            return "a job holds more pieces";
        }
    }
    return NULL;
}

static const char *sums_compare(const struct world *world, const struct gr_core *core)
{
    struct gr_place_totals totals = gr_place_totals_get(gr_core_place(core));
    struct gr_device_time time = gr_core_device_time(core);
    struct world_view view;
    uint64_t all = 0, used = 0, withheld = 0, free[3] = {0};
    world_view_now(world, &view);
    for (uint32_t n = 0; n < world->nodes; n++) {
        for (uint32_t i = 0; i < world->node[n].devices; i++) {
            all += 1000;
            used += (uint64_t)(1000 - view.milli[n][i] - view.withheld[n][i]);
            withheld += (uint64_t)view.withheld[n][i];
            free[world->node[n].state] += (uint64_t)view.milli[n][i];
        }
    }
    if (totals.all_milli != all || memcmp(totals.free_milli, free, sizeof free) != 0 ||
        gr_core_used_milli(core) != used || totals.withheld_milli != withheld) {
        return "other sums of devices";
    }
    if (time.used != world->used || time.idle != world->idle ||
        time.maintenance != world->maintenance || time.broken != world->broken) {
        return "another device-time";
    }
    return NULL;
}

static const char *lists_compare(const struct world *world, const struct gr_core *core)
{
    if (gr_core_next_sequence(core) != world->sequence + 1 || gr_core_now(core) != world->now) {
        return "another sequence or time";
    }
    for (uint32_t i = 0; i <= world->orgs; i++) {
        const struct gr_org *org = gr_core_org_get(core, i);
        if ((org != NULL) != (i < world->orgs) ||
            (org != NULL && memcmp(org, &world->org[i], sizeof *org) != 0)) {
            return "other organisations";
        }
    }
    for (uint32_t i = 0; i <= world->users; i++) {
        const struct gr_user *user = gr_core_user_get(core, i);
        if ((user != NULL) != (i < world->users) ||
            (user != NULL && memcmp(user, &world->user[i], sizeof *user) != 0)) {
            return "other users";
        }
    }
    for (uint32_t i = 0; i < world->orgs; i++) {
        uint32_t jobs = 0;
        for (uint32_t j = 0; j < world->jobs; j++) {
            jobs += world->job[j].org == i;
        }
        if (gr_core_org_jobs(core, i) != jobs) {
            return "another number of jobs of an organisation";
        }
    }
    for (uint32_t i = 0; i < world->keys; i++) {
        struct gr_key key;
        if (!gr_core_key_find(core, world->key[i].key, &key) ||
            memcmp(&key, &world->key[i], sizeof key) != 0) {
            return "another key";
        }
    }
    if (gr_core_keys(core) != world->keys || gr_core_org_count(core) != world->orgs ||
        gr_core_site_count(core) != world->sites || gr_core_user_count(core) != world->users ||
        gr_core_variant_count(core) != world->variants || gr_core_epoch(core) != world->epoch) {
        return "another number of keys, organisations, sites, users or variants";
    }
    for (uint32_t i = 0; i <= world->sites; i++) {
        const struct gr_site *site = gr_core_site_get(core, i);
        if ((site != NULL) != (i < world->sites) ||
            (site != NULL && memcmp(site, &world->site[i], sizeof *site) != 0)) {
            return "other sites";
        }
    }
    for (uint32_t i = 0; i <= world->variants; i++) {
        const char *variant = gr_core_variant_get(core, i);
        if ((variant != NULL) != (i < world->variants) ||
            (variant != NULL && strcmp(variant, world->variant[i]) != 0)) {
            return "other variants";
        }
    }
    return NULL;
}

const char *world_compare(const struct world *world, const struct gr_core *core)
{
    const char *wrong = nodes_compare(world, core);
    wrong = wrong != NULL ? wrong : jobs_compare(world, core);
    wrong = wrong != NULL ? wrong : sums_compare(world, core);
    wrong = wrong != NULL ? wrong : lists_compare(world, core);
    wrong = wrong != NULL ? wrong : world_holds_compare(world, core);
    wrong = wrong != NULL ? wrong : world_parts_compare(world, core);
    return wrong != NULL ? wrong : world_terms_compare(world, core);
}
