// Ceilings of thousands of tiny instances against brute force: no packing exceeds the offline
// ceiling, no run of the rules exceeds that of policies. Each certificate goes through the checker,
// which is linked here beside the solver and shares no code with it.
#include "certificate.h"
#include "proof.h"
#include "replay/ceiling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { JOBS_MAX = 7, NODES_MAX_HERE = 3, TYPES_HERE = 2, DEMANDS_HERE = 4, DEVICES_HERE = 3 };
enum { ROUNDS = 2000 };

static uint64_t random_state;

static uint32_t random_below(uint32_t count)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % count);
}

// ---- tiny instances -----------------------------------------------------------------------------

struct tiny {
    struct gr_ceiling_node_type types[TYPES_HERE];
    struct gr_ceiling_demand demands[DEMANDS_HERE];
    size_t type_count, demand_count;
    uint32_t jobs[JOBS_MAX]; // the demand of each arrival
    int job_count;
};

static struct tiny draw_tiny(void)
{
    static const uint32_t sizes[] = {1000, 1000, 810, 470, 650, 320, 230, 500, 1000};
    struct tiny tiny = {.type_count = 1 + random_below(TYPES_HERE),
                        .demand_count = 1 + random_below(DEMANDS_HERE)};
    for (size_t t = 0; t < tiny.type_count; t++) {
        tiny.types[t] = (struct gr_ceiling_node_type){.model = random_below(2),
                                                      .devices = 1 + random_below(DEVICES_HERE),
                                                      .cpu_milli = 1000 * (1 + random_below(24)),
                                                      .memory_mib = 1000 * (1 + random_below(16)),
                                                      .count = 1};
    }
    tiny.types[0].count += random_below(2);
    for (size_t j = 0; j < tiny.demand_count; j++) {
        uint32_t devices = random_below(4) == 0 ? 2 + random_below(2) : 1;
        tiny.demands[j] = (struct gr_ceiling_demand){
            .devices = devices,
            .milli = devices > 1 ? 1000 : sizes[random_below(9)],
            .cpu_milli = 100 * random_below(120),
            .memory_mib = 100 * random_below(80),
            .models = random_below(3) == 0 ? 1 + random_below(2) : UINT64_MAX};
    }
    tiny.job_count = 1 + (int)random_below(JOBS_MAX);
    for (int i = 0; i < tiny.job_count; i++) {
        tiny.jobs[i] = random_below((uint32_t)tiny.demand_count);
    }
    return tiny;
}

static bool has_twins(const struct tiny *tiny)
{
    for (size_t i = 0; i < tiny->demand_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (gr_ceiling_demand_dominates(&tiny->demands[i], &tiny->demands[j]) &&
                gr_ceiling_demand_dominates(&tiny->demands[j], &tiny->demands[i])) {
                return true;
            }
        }
    }
    return false;
}

// ---- brute force --------------------------------------------------------------------------------

struct node {
    size_t type;
    int64_t cpu_milli, memory_mib;
    uint32_t free_milli[DEVICES_HERE];
};

struct fleet {
    struct node nodes[NODES_MAX_HERE];
    int count;
};

static struct fleet empty_fleet(const struct tiny *tiny)
{
    struct fleet fleet = {.count = 0};
    for (size_t t = 0; t < tiny->type_count; t++) {
        for (uint32_t k = 0; k < tiny->types[t].count; k++) {
            fleet.nodes[fleet.count++] = (struct node){
                t, tiny->types[t].cpu_milli, tiny->types[t].memory_mib, {1000, 1000, 1000}};
        }
    }
    return fleet;
}

// Takes the demand off the node, its devices from the one numbered `first` on. False if it does not
// fit there; the node is spoilt then.
static bool take(const struct tiny *tiny, const struct gr_ceiling_demand *demand, struct node *node,
                 uint32_t first)
{
    const struct gr_ceiling_node_type *type = &tiny->types[node->type];
    uint32_t missing = demand->devices;
    if (((demand->models >> type->model) & 1) == 0 || node->cpu_milli < demand->cpu_milli ||
        node->memory_mib < demand->memory_mib) {
        return false;
    }
    node->cpu_milli -= demand->cpu_milli;
    node->memory_mib -= demand->memory_mib;
    for (uint32_t g = first; g < type->devices && missing > 0; g++) {
        if (node->free_milli[g] >= demand->milli) {
            node->free_milli[g] -= demand->milli;
            missing--;
        }
    }
    return missing == 0;
}

// The most milli that the jobs from `at` to `end` can add to the fleet: each in every place, or in
// none; `by_the_rules` in none only if there is no place. By recursion, as brute force may.
static int64_t brute(const struct tiny *tiny, struct fleet *fleet, int at, int end,
                     bool by_the_rules)
{
    if (at == end) {
        return 0;
    }
    const struct gr_ceiling_demand *demand = &tiny->demands[tiny->jobs[at]];
    int64_t best = by_the_rules ? -1 : brute(tiny, fleet, at + 1, end, false);
    for (int i = 0; i < fleet->count; i++) {
        struct node saved = fleet->nodes[i];
        for (uint32_t first = 0; first < tiny->types[saved.type].devices; first++) {
            if (take(tiny, demand, &fleet->nodes[i], first)) {
                int64_t got = (int64_t)demand->devices * demand->milli +
                              brute(tiny, fleet, at + 1, end, by_the_rules);
                best = got > best ? got : best;
            }
            fleet->nodes[i] = saved;
        }
    }
    return best >= 0 ? best : brute(tiny, fleet, at + 1, end, true);
}

static int64_t optimum(const struct tiny *tiny, int job_count, bool by_the_rules)
{
    struct fleet fleet = empty_fleet(tiny);
    return brute(tiny, &fleet, 0, job_count, by_the_rules);
}

// ---- tests --------------------------------------------------------------------------------------

// Solves, and has the certificate checked. Returns the bound.
static int64_t proved(struct gr_ceiling *ceiling, const struct gr_ceiling_question *question)
{
    struct gr_ceiling_answer answer;
    struct certificate certificate;
    struct reason why = {""};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(gr_ceiling_solve(ceiling, question, &answer, NULL), 0);
    assert_int_equal(gr_ceiling_write(ceiling, out, NULL), 0);
    assert_int_equal(fclose(out), 0);
    assert_true(certificate_read(text, size, &certificate, &why));
    assert_true(proof_check(&certificate, &why));
    assert_int_equal(certificate.bound, answer.bound_milli);
    certificate_done(&certificate);
    free(text);
    return answer.bound_milli;
}

static void no_packing_of_a_tiny_fleet_exceeds_its_ceiling(void **state)
{
    (void)state;
    int exact = 0;
    random_state = 20231122;
    for (int round = 0; round < ROUNDS; round++) {
        struct tiny tiny = draw_tiny();
        struct gr_ceiling *ceiling = NULL;
        int64_t counts[DEMANDS_HERE] = {0}, events = 1 + (int64_t)random_below(2);
        // With two events, the first is before the last arrival.
        for (int i = 0; i < tiny.job_count; i++) {
            counts[tiny.jobs[i]] += i == tiny.job_count - 1 ? 1 : events;
        }
        int64_t most = optimum(&tiny, tiny.job_count, false);
        most += events == 2 ? optimum(&tiny, tiny.job_count - 1, false) : 0;
        const struct gr_ceiling_question question = {
            .count_sums = counts, .event_count = events, .rounds_max = 200};
        assert_int_equal(gr_ceiling_new(tiny.types, tiny.type_count, tiny.demands,
                                        tiny.demand_count, &ceiling, NULL),
                         0);
        int64_t bound = proved(ceiling, &question);
        assert_true(bound * events >= most);
        exact += bound * events <= most + 2 * events;
        gr_ceiling_free(ceiling);
    }
    print_message("exact on %d of %d tiny instances\n", exact, ROUNDS);
    assert_true(exact > ROUNDS / 2); // it is a bound, and not a lazy one
}

// Each cut that there is over a tiny instance, for the moment after all arrivals.
static size_t make_cuts(const struct tiny *tiny, struct gr_ceiling_cut *cuts)
{
    bool are_events[JOBS_MAX] = {false};
    size_t count = 0;
    are_events[tiny->job_count - 1] = true;
    for (uint32_t p = 0; p < tiny->demand_count; p++) {
        for (int kind = 0; kind < 3; kind++) {
            cuts[count++] = (struct gr_ceiling_cut){.pivot = p,
                                                    .kind = (enum gr_ceiling_cut_kind)kind,
                                                    .beta_milli = 500 * random_below(6)};
        }
    }
    const struct gr_ceiling_arrivals arrivals = {tiny->jobs, are_events, (size_t)tiny->job_count};
    assert_int_equal(
        gr_ceiling_cuts_limit(cuts, count, tiny->demands, tiny->demand_count, &arrivals, NULL), 0);
    return count;
}

static void no_run_by_the_rules_exceeds_the_ceiling_of_policies(void **state)
{
    (void)state;
    int tighter = 0;
    random_state = 19;
    for (int round = 0; round < ROUNDS; round++) {
        struct tiny tiny = draw_tiny();
        struct gr_ceiling *ceiling = NULL;
        struct gr_ceiling_cut cuts[3 * DEMANDS_HERE];
        int64_t counts[DEMANDS_HERE] = {0};
        if (has_twins(&tiny)) {
            continue;
        }
        for (int i = 0; i < tiny.job_count; i++) {
            counts[tiny.jobs[i]]++;
        }
        struct gr_ceiling_question question = {
            .count_sums = counts, .event_count = 1, .cuts = cuts, .rounds_max = 200};
        assert_int_equal(gr_ceiling_new(tiny.types, tiny.type_count, tiny.demands,
                                        tiny.demand_count, &ceiling, NULL),
                         0);
        int64_t of_packings = proved(ceiling, &question);
        question.cut_count = make_cuts(&tiny, cuts);
        int64_t of_policies = proved(ceiling, &question);
        assert_true(of_policies >= optimum(&tiny, tiny.job_count, true));
        assert_true(of_policies <= of_packings + 2);
        tighter += of_policies < of_packings - 2;
        gr_ceiling_free(ceiling);
    }
    print_message("cuts lower %d of %d tiny ceilings\n", tighter, ROUNDS);
    assert_true(tighter > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_packing_of_a_tiny_fleet_exceeds_its_ceiling),
        cmocka_unit_test(no_run_by_the_rules_exceeds_the_ceiling_of_policies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
