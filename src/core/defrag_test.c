// Tests of moves: which are proposed, that no fewer would do (against a search written otherwise,
// over all sets of jobs of tiny pools), and what comes of them.
#include "core/defrag.h"

#include "core/fixture.h"
#include "core/queue.h"

#define NODES 5
#define WIDTH 8

struct world {
    struct fixture f;
    struct gr_piece *to;
    struct gr_defrag answer;
};

static void world_make(struct world *world, unsigned nodes)
{
    struct gr_core_config config = fixture_config(GR_ORDER_FAIR);
    config.limits.jobs = config.limits.pieces = 64;
    memset(world, 0, sizeof *world);
    fixture_init(&world->f, &config);
    world->to = calloc(GR_TASKS_MAX, sizeof *world->to);
    assert_non_null(world->to);
    for (unsigned n = 0; n < nodes; n++) {
        fixture_node(&world->f, WIDTH);
    }
}

static void done(struct world *world)
{
    free(world->to);
    fixture_done(&world->f);
}

static uint64_t submit(struct world *world, uint32_t tasks, unsigned devices, unsigned requeue_on)
{
    struct gr_submission submission = {.demand = fixture_demand(tasks, devices),
                                       .user = UINT32_MAX,
                                       .requeue_on = (uint8_t)requeue_on,
                                       .attempts = 1};
    struct gr_event events[2];
    unsigned count;
    gr_mask_fill(&submission.mask);
    enum gr_refusal refusal =
        gr_decide_submit(world->f.core, NULL, world->f.at, &submission, events, &count);
    assert_string_equal(gr_refusal_name(refusal), "nothing");
    (void)fixture_apply(&world->f, &events[count - 1], NULL);
    return events[count - 1].sequence;
}

// A job that runs at once.
static uint64_t run_one(struct world *world, unsigned devices, unsigned requeue_on)
{
    uint64_t job = submit(world, 1, devices, requeue_on);
    assert_int_equal(fixture_start(&world->f), job);
    return job;
}

// The question, which must leave the state alone.
static enum gr_defrag_answer ask(struct world *world, uint64_t job)
{
    uint8_t before[32], after[32];
    gr_core_digest(world->f.core, before);
    gr_core_defrag(world->f.core, world->f.at, job, world->f.pieces, world->to, &world->answer);
    gr_core_digest(world->f.core, after);
    assert_memory_equal(before, after, sizeof before);
    assert_null(gr_core_audit(world->f.core));
    return (enum gr_defrag_answer)world->answer.answer;
}

static void end(struct world *world, uint64_t job, enum gr_outcome outcome)
{
    struct gr_ending ending = {.outcome = (uint32_t)outcome};
    struct gr_event event = gr_decide_end(world->f.core, world->f.at, world->f.at, job, &ending);
    (void)fixture_apply(&world->f, &event, NULL);
}

static void one_of_two_halves_goes_to_the_other_and_the_third_starts(void **state)
{
    (void)state;
    struct world world;
    struct gr_event event;
    world_make(&world, 2);
    uint64_t gone = run_one(&world, 4, 0);
    uint64_t left = run_one(&world, 4, GR_REQUEUE_MOVE);
    world.f.at += 1000;
    uint64_t right = run_one(&world, 4, GR_REQUEUE_MOVE);
    fixture_finish(&world.f, gone);
    world.f.at += 1000;
    uint64_t whole = submit(&world, 1, 8, 0);
    assert_int_equal(fixture_start(&world.f), 0);
    assert_int_equal(ask(&world, whole), GR_DEFRAG_FOUND);
    assert_int_equal(world.answer.move_count, 1);
    assert_true(world.answer.is_fewest);
    assert_int_equal(world.answer.moves[0].job, right); // it loses less
    assert_int_equal(world.answer.moves[0].lost, 4000 * 1000);
    assert_int_equal(world.answer.moves[0].count, 1);
    assert_int_equal(world.to[0].node, 0);
    event = gr_decide_defrag(world.f.core, world.f.at, whole, world.f.pieces, &world.answer);
    (void)fixture_apply(&world.f, &event, NULL);
    assert_int_equal(ask(&world, whole), GR_DEFRAG_NOT_WAITING); // room is held for it
    assert_true(gr_decide_start(world.f.core, NULL, world.f.at, world.f.pieces, &event));
    assert_int_equal(event.type, GR_STOP_ASKED);
    assert_int_equal(event.stop_asked.job, right);
    assert_int_equal(event.stop_asked.why, GR_STOP_MOVE);
    (void)fixture_apply(&world.f, &event, NULL);
    assert_false(gr_decide_start(world.f.core, NULL, world.f.at, world.f.pieces, &event));
    end(&world, right, GR_OUTCOME_RECLAIMED);
    assert_int_equal(gr_core_job_find(world.f.core, right)->attempts, 2); // it is not counted
    assert_int_equal(fixture_start(&world.f), whole);
    assert_int_equal(fixture_start(&world.f), right);
    assert_int_equal(gr_core_job_find(world.f.core, left)->state, GR_JOB_RUNNING);
    assert_int_equal(world.f.core->hold_count, 0);
    done(&world);
}

static void only_what_may_be_restarted_moves(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, 2);
    uint64_t gone = run_one(&world, 4, 0);
    uint64_t left = run_one(&world, 4, GR_REQUEUE_RECLAIM);
    (void)run_one(&world, 4, 7);
    fixture_finish(&world.f, gone);
    world.f.at += 1000;
    uint64_t whole = submit(&world, 1, 8, 0);
    assert_int_equal(ask(&world, whole), GR_DEFRAG_FEW);
    struct gr_event event = fixture_fact(&world.f, GR_CHECKPOINTED);
    event.checkpointed.job = left;
    event.checkpointed.attempt = 1;
    (void)fixture_apply(&world.f, &event, NULL);
    assert_int_equal(ask(&world, whole), GR_DEFRAG_FOUND);
    assert_int_equal(world.answer.moves[0].job, left);
    assert_int_equal(world.answer.lost, 0);
    event = gr_decide_defrag(world.f.core, world.f.at, whole, world.f.pieces, &world.answer);
    (void)fixture_apply(&world.f, &event, NULL);
    assert_true(gr_decide_start(world.f.core, NULL, world.f.at, world.f.pieces, &event));
    (void)fixture_apply(&world.f, &event, NULL);
    end(&world, left, GR_OUTCOME_FAILED); // however it ends: it did not say move, but was moved
    assert_int_equal(gr_core_job_find(world.f.core, left)->state, GR_JOB_WAITING);
    done(&world);
}

static void each_answer_has_its_reason(void **state)
{
    (void)state;
    struct world world;
    world_make(&world, 2);
    uint64_t gone = run_one(&world, 4, 0);
    (void)run_one(&world, 4, GR_REQUEUE_MOVE); // node 0
    uint64_t right = run_one(&world, 5, 0);    // node 1: three are free
    uint64_t first = submit(&world, 1, 8, 0);
    assert_int_equal(ask(&world, first), GR_DEFRAG_FEW);
    assert_int_equal(ask(&world, right), GR_DEFRAG_NOT_WAITING);
    assert_int_equal(ask(&world, 12345), GR_DEFRAG_NOT_WAITING);
    fixture_finish(&world.f, gone);
    assert_int_equal(ask(&world, first), GR_DEFRAG_NOWHERE); // of node 1 only three are free
    assert_int_equal(world.answer.needed, 1);
    uint64_t small = submit(&world, 1, 4, 0);
    assert_int_equal(ask(&world, small), GR_DEFRAG_FITS);
    struct gr_event event = fixture_fact(&world.f, GR_QUOTA_SET);
    event.quota = (struct gr_quota){0, 0, 9000, 0, GR_ANY_MILLI};
    (void)fixture_apply(&world.f, &event, NULL);
    assert_int_equal(ask(&world, first), GR_DEFRAG_BARRED);
    for (unsigned a = 0; a < GR_DEFRAG_ANSWERS; a++) {
        assert_true(strlen(gr_defrag_name((enum gr_defrag_answer)a)) > 0);
        assert_true(strlen(gr_defrag_text((enum gr_defrag_answer)a)) > 0);
    }
    done(&world);
}

// --- against a search written otherwise

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

// A running job: devices of each task, and how many tasks are on each node.
struct ran {
    uint64_t id, lost;
    uint32_t devices, tasks, on[NODES];
    bool may;
};

struct tiny {
    uint32_t nodes, jobs, free[NODES];
    struct ran job[64];
};

static void tiny_make(const struct world *world, uint32_t nodes, struct tiny *tiny)
{
    const struct gr_job *job;
    uint32_t cursor = 0;
    *tiny = (struct tiny){.nodes = nodes};
    for (uint32_t n = 0; n < nodes; n++) {
        tiny->free[n] = WIDTH;
    }
    while ((job = gr_core_job_next(world->f.core, &cursor)) != NULL) {
        struct gr_piece pieces[8];
        if (job->state != GR_JOB_RUNNING) {
            continue;
        }
        struct ran *ran = &tiny->job[tiny->jobs++];
        *ran = (struct ran){.id = job->id,
                            .devices = job->demand.shape.devices,
                            .tasks = gr_core_job_pieces(world->f.core, job->id, pieces, 8),
                            .may = (job->requeue_on & GR_REQUEUE_MOVE) != 0};
        ran->lost =
            (uint64_t)ran->devices * ran->tasks * 1000 * (uint64_t)(world->f.at - job->started_ms);
        for (uint32_t t = 0; t < ran->tasks; t++) {
            ran->on[pieces[t].node]++;
            tiny->free[pieces[t].node] -= ran->devices;
        }
    }
}

// Do all jobs of a set find room beside the nodes that are closed, the largest first, each task on
// the first node that has some?
static bool all_go_elsewhere(const struct tiny *tiny, uint32_t set, const uint32_t *free,
                             const bool *closed)
{
    uint32_t room[NODES];
    memcpy(room, free, sizeof room);
    while (set != 0) {
        const struct ran *next = NULL;
        for (uint32_t j = 0; j < tiny->jobs; j++) {
            const struct ran *ran = &tiny->job[j];
            bool is_larger =
                next == NULL || ran->devices * ran->tasks > next->devices * next->tasks ||
                (ran->devices * ran->tasks == next->devices * next->tasks && ran->id < next->id);
            next = (set >> j & 1) != 0 && is_larger ? ran : next;
        }
        for (uint32_t t = 0; t < next->tasks; t++) {
            uint32_t n = 0;
            while (n < tiny->nodes && (closed[n] || room[n] < next->devices)) {
                n++;
            }
            if (n == tiny->nodes) {
                return false;
            }
            room[n] -= next->devices;
        }
        set &= ~(UINT32_C(1) << (next - tiny->job));
    }
    return true;
}

// May this set go for a job whose tasks fill nodes in order, `from` the first and `to` the last?
static bool set_good(const struct tiny *tiny, uint32_t set, uint32_t tasks, uint32_t devices,
                     uint32_t from, uint32_t to)
{
    uint32_t free[NODES] = {0}, left = tasks;
    bool closed[NODES] = {false};
    for (uint32_t n = 0; n < tiny->nodes; n++) {
        free[n] = tiny->free[n];
        for (uint32_t j = 0; j < tiny->jobs; j++) {
            free[n] += (set >> j & 1) != 0 ? tiny->job[j].on[n] * tiny->job[j].devices : 0;
        }
        for (; n >= from && n <= to && left > 0 && free[n] >= devices; left--) {
            free[n] -= devices;
            closed[n] = true;
        }
    }
    for (uint32_t j = 0; j < tiny->jobs; j++) {
        bool near = false;
        for (uint32_t n = 0; n < tiny->nodes; n++) {
            near = near || (closed[n] && tiny->job[j].on[n] > 0);
        }
        if ((set >> j & 1) != 0 && (!near || !tiny->job[j].may)) {
            return false;
        }
    }
    return left == 0 && all_go_elsewhere(tiny, set, free, closed);
}

static void no_fewer_moves_would_do_and_none_that_lose_less(void **state)
{
    (void)state;
    unsigned found = 0, several = 0, gangs = 0, nowhere = 0;
    for (seed = 1; found < 250;) {
        struct world world;
        struct tiny tiny;
        uint32_t nodes = 2 + draw(NODES - 1);
        world_make(&world, nodes);
        for (unsigned i = 0; i < 14; i++) { // full, and then holes
            (void)submit(&world, draw(5) == 0 ? 2 : 1, 1 + draw(5),
                         draw(3) != 0 ? GR_REQUEUE_MOVE : 0);
            while (fixture_start(&world.f) != 0) {
            }
            world.f.at += draw(1000);
        }
        for (uint32_t cursor = 0, s = 0; s < 14; s++) {
            const struct gr_job *job = gr_core_job_next(world.f.core, &cursor);
            if (job != NULL && job->state == GR_JOB_WAITING) {
                struct gr_event event =
                    gr_decide_drop(world.f.core, world.f.at, job->id, GR_REFUSED_BY_USER);
                (void)fixture_apply(&world.f, &event, NULL);
            } else if (job != NULL && draw(3) == 0) {
                fixture_finish(&world.f, job->id);
            }
        }
        world.f.at += 10;
        uint32_t tasks = draw(3) == 0 ? 2 : 1, devices = 3 + draw(6);
        uint64_t job = submit(&world, tasks, devices, 0);
        enum gr_defrag_answer answer = ask(&world, job);
        tiny_make(&world, nodes, &tiny);
        uint32_t fewest = UINT32_MAX;
        uint64_t lost = 0;
        for (uint32_t set = 0; set < UINT32_C(1) << tiny.jobs; set++) {
            uint32_t size = (uint32_t)__builtin_popcount(set);
            uint64_t loses = 0;
            bool good = false;
            for (uint32_t n = 0; n < nodes && size <= fewest; n++) {
                good = good || set_good(&tiny, set, tasks, devices, tasks > 1 ? 0 : n,
                                        tasks > 1 ? nodes - 1 : n);
            }
            for (uint32_t j = 0; j < tiny.jobs; j++) {
                loses += (set >> j & 1) != 0 ? tiny.job[j].lost : 0;
            }
            if (good && (size < fewest || loses < lost)) {
                fewest = size;
                lost = loses;
            }
        }
        assert_int_equal(answer == GR_DEFRAG_FITS, fewest == 0);
        assert_int_equal(answer == GR_DEFRAG_FOUND, fewest != 0 && fewest <= 6);
        if (answer == GR_DEFRAG_FOUND) {
            assert_int_equal(world.answer.move_count, fewest);
            assert_int_equal(world.answer.lost, lost);
            found++;
            several += fewest > 1;
            gangs += tasks > 1;
        }
        nowhere += answer == GR_DEFRAG_NOWHERE;
        done(&world);
    }
    print_message("%u found, %u of several moves, %u for gangs; %u with room nowhere else\n", found,
                  several, gangs, nowhere);
    assert_true(several > 20 && gangs > 20 && nowhere > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_two_halves_goes_to_the_other_and_the_third_starts),
        cmocka_unit_test(only_what_may_be_restarted_moves),
        cmocka_unit_test(each_answer_has_its_reason),
        cmocka_unit_test(no_fewer_moves_would_do_and_none_that_lose_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
