// What users and operators do to the pool: submissions with all that a spec can say, repeated
// requests, stops, drains, devices that fall ill.
#include "parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Codes of goals: what came of a submission.
enum again_goal { AGAIN_SAME = 0, AGAIN_OTHER, AGAIN_FORGOTTEN };

static uint64_t some_job(void)
{
    const struct books *books = &sim.books;
    uint32_t recent = books->job_count < 24 ? books->job_count : 24;
    return recent == 0 ? 1 : books->jobs[books->job_count - 1 - sim_below(recent)].id;
}

// One of the live jobs of the core, or one that was there, or none.
static uint64_t some_live(void)
{
    uint32_t cursor = 0, at = 0;
    uint32_t live = gr_core_held(sim.pool->core) + gr_core_waiting(sim.pool->core) +
                    gr_core_running(sim.pool->core);
    const struct gr_job *job;
    uint32_t want = live == 0 || sim_chance(10) ? UINT32_MAX : sim_below(live);
    while (want != UINT32_MAX && (job = gr_core_job_next(sim.pool->core, &cursor)) != NULL) {
        if (at++ == want) {
            return job->id;
        }
    }
    return some_job();
}

// Everything that a spec can say, some of it impossible.
static struct gr_spec random_spec(struct gr_spec_after after[3])
{
    static const char *const argv[] = {"work", "--hard"};
    static const char *const env[] = {"A=1", "B=two"};
    static const char *const kinds[] = {"h20", "h200", "h20|h200", "a100", "nonsense"};
    static const int64_t limits[] = {0, 0, 0, 3000, 20000, 60000};
    struct gr_spec spec = gr_spec_default();
    spec.name = "simulated";
    spec.argv = (struct gr_spec_texts){argv, 1 + sim_below(2)};
    spec.env = (struct gr_spec_texts){env, sim_below(3)};
    spec.uid = spec.gid = 1000 + sim_below(6);
    spec.tasks = sim_chance(75) ? 1 : 1 + sim_below(sim_chance(5) ? 40 : 5);
    spec.devices = sim_chance(25) ? 0 : 1 + sim_below(sim_chance(8) ? 16 : 3);
    if (spec.devices > 0) {
        spec.kind = kinds[sim_chance(94) ? sim_below(3) : sim_below(5)];
        spec.milli = spec.devices == 1 && sim_chance(40) ? 100 + 100 * sim_below(9) : 1000;
    }
    spec.cpu_milli = 500 * (1 + sim_below(4));
    spec.memory_mib = sim_chance(50) ? 0 : 1024 * sim_below(16);
    spec.priority = sim_below(4);
    spec.use = sim_below(GR_USES);
    if (sim_chance(40)) {
        spec.attempts = 2 + sim_below(3);
        spec.requeue_on = 1 + sim_below(7);
    }
    spec.limit_ms = limits[sim_below(6)];
    if (spec.limit_ms > 0 && sim_chance(50)) {
        spec.notice_signal = 10;
        spec.notice_ms = 1 + sim_below(2000);
    }
    spec.stop_signal = sim_chance(70) ? 15 : 2;
    spec.grace_ms = sim_below(3) * 1000;
    if (sim_chance(15)) {
        spec.array_first = sim_below(5);
        spec.array_count = 1 + sim_below(6);
        spec.array_step = 1 + sim_below(2);
        spec.array_parallel = sim_below(3);
    }
    if (sim_chance(25)) {
        after[0] = (struct gr_spec_after){.job = some_live(), .how = sim_below(GR_AFTERS)};
        after[1] = (struct gr_spec_after){.job = some_job(), .how = GR_AFTER_ANY};
        if (sim_chance(10)) {
            after[0].job += 1000000; // nobody's
        }
        spec.after = after;
        spec.after_count = after[0].job == after[1].job ? 1 : 1 + sim_below(2);
    }
    if (sim_chance(2)) {
        spec.tasks = 0; // wrong by itself
    }
    return spec;
}

static bool is_refused_now(void)
{
    const char *code;
    const char *text;
    unsigned status = gr_pool_refuses(sim.pool, &code, &text);
    if (status != 0) {
        goal_reach("not now", status == 507);
    }
    return status != 0;
}

void ask_submit(void)
{
    struct books *books = &sim.books;
    struct gr_spec_after after[3];
    struct gr_spec spec = random_spec(after);
    if (is_refused_now()) {
        return;
    }
    if (books->ask_count == SIM_ASKS) {
        sim_wrong("more submissions than the simulator keeps");
    }
    struct book_ask *ask = &books->asks[books->ask_count];
    *ask = (struct book_ask){.has_key = sim_chance(25)};
    for (unsigned i = 0; i < sizeof ask->key; i++) {
        ask->key[i] = (uint8_t)sim_draw();
    }
    struct gr_pool_submitted submitted;
    struct gr_pool_refusal refusal;
    uint64_t before = gr_core_next_sequence(sim.pool->core);
    if (!gr_pool_submit(sim.pool, &spec, ask->has_key ? ask->key : NULL, &submitted, &refusal)) {
        goal_reach("refused", refusal.refusal);
        sim_tell("refused: %s", refusal.text);
        return;
    }
    goal_reach("refused", GR_REFUSED_NOTHING);
    sim_tell("submitted %llu to %llu (%u tasks of %u devices, array %u, after %u)",
             (unsigned long long)submitted.first, (unsigned long long)submitted.last, spec.tasks,
             spec.devices, spec.array_count, spec.after_count);
    if (submitted.first < before || submitted.last - submitted.first + 1 != submitted.count ||
        submitted.count != (spec.array_count == 0 ? 1 : spec.array_count)) {
        sim_wrong("a submission of %u jobs became %llu to %llu", spec.array_count,
                  (unsigned long long)submitted.first, (unsigned long long)submitted.last);
    }
    ask->first = submitted.first;
    ask->last = submitted.last;
    gr_commit_then(sim.pool->commit, books_told, NULL, books->ask_count++);
}

void ask_again(void)
{
    struct books *books = &sim.books;
    uint32_t recent = books->ask_count < 8 ? books->ask_count : 8;
    if (recent == 0) {
        return;
    }
    const struct book_ask *ask = &books->asks[books->ask_count - 1 - sim_below(recent)];
    if (!ask->has_key || !ask->is_told) {
        return;
    }
    struct gr_pool_submitted submitted = {0};
    uint8_t key[32];
    memcpy(key, ask->key, sizeof key);
    bool is_other = sim_chance(30);
    key[31] ^= is_other;
    int found = gr_pool_key_find(sim.pool, key, &submitted);
    if (found == 0) {
        // Keys are kept for a day of the pool's time, and no longer than it takes.
        goal_reach("again", AGAIN_FORGOTTEN);
        const struct gr_job *job = gr_core_job_find(sim.pool->core, ask->first);
        struct gr_ended ended;
        int64_t since_ms = job != NULL                                        ? job->submitted_ms
                           : gr_pool_ended_find(sim.pool, ask->first, &ended) ? ended.submitted_ms
                                                                              : INT64_MAX;
        if (gr_core_now(sim.pool->core) - since_ms < GR_KEY_MS) {
            sim_wrong("a key was forgotten too early");
        }
        return;
    }
    goal_reach("again", is_other ? AGAIN_OTHER : AGAIN_SAME);
    if (is_other != (found < 0) || (found > 0 && (submitted.first != ask->first))) {
        sim_wrong("a repeated request is answered otherwise: %d", found);
    }
}

void ask_try(void)
{
    struct gr_spec_after after[3];
    struct gr_spec spec = random_spec(after);
    struct gr_pool_refusal refusal;
    bool starts, places;
    uint8_t digests[2][32];
    gr_core_digest(sim.pool->core, digests[0]);
    bool is_taken = gr_pool_submit_try(sim.pool, &spec, &starts, &places, &refusal);
    goal_reach("tried", is_taken ? starts : 2);
    gr_core_digest(sim.pool->core, digests[1]);
    if (memcmp(digests[0], digests[1], 32) != 0) {
        sim_wrong("a question changed the pool");
    }
}

void ask_stop(void)
{
    uint64_t id = some_live();
    struct book_job *job = books_job(id);
    if (is_refused_now()) {
        return;
    }
    const struct gr_job *row = gr_core_job_find(sim.pool->core, id);
    if (job == NULL) {
        return; // nobody was told of it yet
    }
    job->stop_wanted |= row != NULL;
    bool is_live = gr_pool_stop(sim.pool, id, GR_STOP_BY_USER, 0, sim_chance(50) ? -1 : 500);
    if (is_live != (row != NULL)) {
        sim_wrong("a stop of job %llu is answered wrongly", (unsigned long long)id);
    }
    goal_reach("stop answered", is_live);
    if (is_live) {
        sim_tell("stop %llu", (unsigned long long)id);
        gr_commit_then(sim.pool->commit, books_stop_told, NULL, id);
    }
}

void ask_node(void)
{
    uint32_t count = gr_place_node_count(gr_core_place(sim.pool->core));
    if (is_refused_now() || count == 0) {
        return;
    }
    uint32_t node = sim_below(count);
    unsigned what = sim_below(4);
    goal_reach("node set", what);
    sim_tell("node %u: %s", node, what == 0 ? "cordon" : what == 1 ? "drain" : "take back");
    bool up = what >= 2;
    if (what == 3 && sim_chance(50)) {
        gr_pool_node_return(sim.pool, node);
        return;
    }
    gr_pool_node_set(sim.pool, node, up ? GR_NODE_UP : GR_NODE_DRAINED, what == 1,
                     sim_chance(50) ? -1 : 200, up ? "" : "simulated");
}

void ask_devices(void)
{
    size_t count = sim.pool->devices.count;
    struct gr_device_list list = {.devices = calloc(count + 1, sizeof *list.devices)};
    if (list.devices == NULL) {
        sim_wrong("no memory");
    }
    for (size_t i = 0; i < count; i++) {
        const struct gr_device *mine = &sim.pool->devices.devices[i];
        unsigned long number = strtoul(mine->address + 8, NULL, 10);
        uint8_t health = sim.health[number % SIM_DEVICES];
        if (health == GR_HEALTHS) {
            continue; // not in the list at all
        }
        list.devices[list.count] = *mine;
        list.devices[list.count++].health = (enum gr_health)health;
    }
    if (is_refused_now()) {
        gr_device_list_done(&list);
        return;
    }
    gr_pool_devices_take(sim.pool, &list);
    for (size_t i = 0; i < count; i++) {
        goal_reach("device taken", sim.pool->devices.devices[i].health);
    }
}

void ask_move(void)
{
    if (is_refused_now()) {
        return;
    }
    uint32_t orgs = gr_core_org_count(sim.pool->core);
    struct gr_event event = gr_decide_fact(sim.pool->core, gr_pool_now(sim.pool), GR_ORG_ADDED);
    event.org = (struct gr_org){.parent = 0};
    snprintf(event.org.name, sizeof event.org.name, "org-%u", orgs);
    if (gr_core_check(sim.pool->core, &event) == GR_REFUSED_NOTHING) {
        gr_pool_fact(sim.pool, &event);
    }
    uint32_t users = gr_core_user_count(sim.pool->core);
    bool is_moved = gr_pool_user_move(sim.pool, 1000 + sim_below(6),
                                      sim_below(gr_core_org_count(sim.pool->core)));
    goal_reach("user moved", !is_moved ? 2 : gr_core_user_count(sim.pool->core) > users);
}
