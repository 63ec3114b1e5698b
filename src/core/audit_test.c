// Tests of the auditor: each phrase it has is said when a copy of the block is damaged so.
#include "core/fixture.h"

#include "place/state.h"

// A pool with a gang that runs (slots 0), one more that runs, two that wait, and room kept.
struct books {
    struct fixture f;
    struct gr_core *copy;
    uint64_t gang, first, second;
};

static void books_make(struct books *books)
{
    struct gr_core_config config = fixture_config(GR_ORDER_BACKFILL);
    memset(books, 0, sizeof *books);
    fixture_init(&books->f, &config);
    for (unsigned n = 0; n < 2; n++) {
        struct gr_event event = fixture_node_fact(&books->f, 8);
        event.node.row.domain[0] = n;
        (void)fixture_apply(&books->f, &event, NULL);
    }
    books->gang = fixture_submit(&books->f, fixture_demand(3, 2), 500);
    assert_int_equal(fixture_start(&books->f), books->gang);
    books->first = fixture_submit(&books->f, fixture_demand(2, 8), 0);
    books->second = fixture_submit(&books->f, fixture_demand(1, 8), 0);
    assert_int_equal(fixture_start(&books->f), 0);
    assert_int_equal(books->f.core->room_kept.job, books->first);
    books->f.at += 10;
    fixture_node_state(&books->f, 1, GR_NODE_UP); // and the room is kept anew
    assert_int_equal(fixture_start(&books->f), 0);
    gr_place_refresh(gr_pool(books->f.core));
    struct gr_shape shape = fixture_demand(1, 8).shape;
    struct gr_piece piece;
    for (unsigned i = 0; i < 4; i++) { // a shape with a slot
        (void)gr_place_find(gr_pool(books->f.core), &shape, 0, &piece);
    }
}

static void says(const char *expected, void (*damage)(struct gr_core *core))
{
    struct books books;
    struct gr_err err;
    books_make(&books);
    assert_null(gr_core_audit(books.f.core));
    assert_int_equal(gr_core_clone(books.f.core, &books.copy, &err), 0);
    assert_null(gr_core_audit(books.copy));
    damage(books.copy);
    const char *phrase = gr_core_audit(books.copy);
    if (phrase == NULL) {
        fail_msg("not noticed: %s", expected);
    }
    assert_string_equal(phrase, expected);
    gr_core_free(books.copy);
    fixture_done(&books.f);
}

#define DAMAGE(name, statement)                                                                    \
    static void name(struct gr_core *core)                                                         \
    {                                                                                              \
        statement;                                                                                 \
    }

// Slots: 0 the gang, 1 the first that waits, 2 the second.
DAMAGE(id_changed, gr_job_at(core, 1)->id += 100)
DAMAGE(allocation_of_a_waiting_job, gr_allocation_at(core, 1)->piece_count = 1)
DAMAGE(allocation_lost, gr_allocation_at(core, 0)->piece_count = 1)
DAMAGE(piece_lost, gr_allocation_at(core, 0)->more = UINT32_MAX)
DAMAGE(piece_nowhere, gr_allocation_at(core, 0)->piece.node = 7)
DAMAGE(waiting_miscounted, core->waiting++)
DAMAGE(more_miscounted, core->more_used--)
DAMAGE(queue_twice, (core->head[0] = 1, core->filled[0] |= 1))
DAMAGE(priority_forgotten, core->filled[1] = 0)
DAMAGE(queue_misses, (core->head[100] = 2, gr_job_at(core, 2)->prev = UINT32_MAX))
DAMAGE(cpu_lost, gr_node_at(gr_pool(core), 0)->cpu_milli--)
DAMAGE(memory_lost, gr_node_at(gr_pool(core), 0)->memory_mib--)
DAMAGE(device_lost, gr_node_at(gr_pool(core), 1)->free[3] = 999)
DAMAGE(device_twice, gr_allocation_at(core, 0)->piece.devices = 0x30)
DAMAGE(hosted_miscounted, gr_cold_at(gr_pool(core), 1)->hosted[2]++)
DAMAGE(used_miscounted, core->used_milli -= 1000)
DAMAGE(broken_miscounted, core->broken_milli += 1000)
DAMAGE(time_lost, core->time.idle -= 1)
DAMAGE(kept_miscounted, gr_kept_at(core)[0] = 0)
DAMAGE(kept_for_nobody, core->room_kept.job = 0)
DAMAGE(kept_for_one_that_runs, core->room_kept.job = gr_job_at(core, 0)->id)
DAMAGE(summary_behind, gr_node_at(gr_pool(core), 0)->whole++)
DAMAGE(totals_behind, (gr_pool(core)->totals.free_milli[GR_NODE_UP] -= 1000,
                       gr_pool(core)->totals.free_milli[GR_NODE_DRAINED] += 1000))
DAMAGE(linked_wrongly, gr_node_at(gr_pool(core), 1)->domain[0] = 0)
DAMAGE(sums_behind, gr_domain_at(gr_pool(core), 0, 1)->whole++)

DAMAGE(queue_out_of_order, gr_job_at(core, 2)->demand.priority = 200)

static void each_phrase_is_said_when_it_is_true(void **state)
{
    (void)state;
    says("the job index does not lead to a job", id_changed);
    says("a job that does not run has an allocation", allocation_of_a_waiting_job);
    says("an allocation is not its job's", allocation_lost);
    says("an allocation has more or fewer pieces than it says", piece_lost);
    says("a piece lies on a node that is not there", piece_nowhere);
    says("the counts of jobs or pieces are wrong", waiting_miscounted);
    says("the counts of jobs or pieces are wrong", more_miscounted);
    says("a priority is taken for empty, or for filled", priority_forgotten);
    says("the queue holds a job that does not wait, or one twice", queue_twice);
    says("the queue is out of order", queue_out_of_order);
    says("the queue misses a job", queue_misses);
    says("cpu or memory of a node is lost or held twice", cpu_lost);
    says("cpu or memory of a node is lost or held twice", memory_lost);
    says("a device is lost or held twice", device_lost);
    says("a device is lost or held twice", device_twice);
    says("a node miscounts the tasks it hosts", hosted_miscounted);
    says("used and free devices do not add up to all devices", used_miscounted);
    says("the devices out of use are miscounted", broken_miscounted);
    says("device-time does not add up to all device-time", time_lost);
    says("the nodes of the kept room are miscounted", kept_miscounted);
    says("room is kept for a job that does not wait", kept_for_nobody);
    says("room is kept for a job that does not wait", kept_for_one_that_runs);
}

// A pool with an array of four (slots 0 to 3, two with a place), a job that waits for it (4), one
// that is doomed (5), and a key.
static void ties_make(struct books *books)
{
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    memset(books, 0, sizeof *books);
    fixture_init(&books->f, &config);
    fixture_node(&books->f, 8);
    struct gr_event event = fixture_fact(&books->f, GR_JOB_SUBMITTED);
    uint64_t first = event.sequence;
    struct gr_edge edge = {.job = first, .how = GR_AFTER_ANY};
    event.submitted.demand = fixture_demand(1, 1);
    event.submitted.user = UINT32_MAX;
    event.submitted.attempts = 1;
    for (uint32_t i = 0; i < 4; i++, event.sequence++) {
        event.submitted.array = (struct gr_array_of){first, i, 4, 2, 0};
        (void)fixture_apply(&books->f, &event, NULL);
    }
    memset(&event.submitted.array, 0, sizeof event.submitted.array);
    event.edges = &edge;
    event.edge_count = 1;
    (void)fixture_apply(&books->f, &event, NULL);
    event.sequence++;
    edge.how = GR_AFTER_OK;
    (void)fixture_apply(&books->f, &event, NULL);
    event = gr_decide_drop(books->f.core, books->f.at, first + 3, GR_REFUSED_BY_USER);
    (void)fixture_apply(&books->f, &event, NULL);
    event = fixture_fact(&books->f, GR_KEY_USED);
    event.key_used.key[0] = 3;
    (void)fixture_apply(&books->f, &event, NULL);
}

static void ties_say(const char *expected, void (*damage)(struct gr_core *core))
{
    struct books books;
    struct gr_err err;
    ties_make(&books);
    assert_null(gr_core_audit(books.f.core));
    assert_int_equal(gr_core_clone(books.f.core, &books.copy, &err), 0);
    assert_null(gr_core_audit(books.copy));
    damage(books.copy);
    const char *phrase = gr_core_audit(books.copy);
    if (phrase == NULL) {
        fail_msg("not noticed: %s", expected);
    }
    assert_string_equal(phrase, expected);
    gr_core_free(books.copy);
    fixture_done(&books.f);
}

DAMAGE(edge_of_another, gr_edge_at(core, 0)->waiter = 5)
DAMAGE(pending_miscounted, gr_links_at(core, 4)->pending = 2)
DAMAGE(doomed_for_nothing, gr_links_at(core, 4)->flags |= GR_LINKS_DOOMED)
DAMAGE(ring_broken, gr_edge_at(core, 0)->prev = 1)
DAMAGE(org_nowhere, gr_job_at(core, 0)->org = 7)
DAMAGE(held_for_nothing, gr_job_at(core, 0)->is_linked = 0)
DAMAGE(array_nowhere, gr_links_at(core, 0)->array = 1)
DAMAGE(held_of_another, gr_array_at(core, 0)->held_first = 4)
DAMAGE(held_missed, gr_array_at(core, 0)->held_first = UINT32_MAX)
DAMAGE(live_miscounted, gr_array_at(core, 0)->live = 2)
DAMAGE(too_many_go_on, gr_array_at(core, 0)->parallel = 1)
DAMAGE(array_not_found, gr_array_at(core, 0)->id += 64)
DAMAGE(arrays_miscounted, core->array_used = 2)
DAMAGE(open_wrongly, core->open_first = 0)
DAMAGE(edges_miscounted, core->edge_used = 3)
DAMAGE(doomed_broken, gr_links_at(core, 5)->doomed_prev = 4)
DAMAGE(doomed_missed, core->doomed_first = UINT32_MAX)
DAMAGE(key_too_old, ((struct gr_key *)gr_core_at(core, core->keys_at))->at_ms = -GR_KEY_MS)
DAMAGE(key_not_found, ((struct gr_key *)gr_core_at(core, core->keys_at))->key[0] = 4)
DAMAGE(org_miscounted, gr_org_use_at(core, 0)->keys = 2)

static void what_ties_jobs_together_is_counted_too(void **state)
{
    (void)state;
    ties_say("an edge is not its waiter's", edge_of_another);
    ties_say("a job miscounts what it waits for", pending_miscounted);
    ties_say("a job is doomed without a reason, or not doomed with one", doomed_for_nothing);
    ties_say("a ring of edges is broken", ring_broken);
    ties_say("a job is of no organisation", org_nowhere);
    ties_say("an array miscounts its elements", held_for_nothing);
    ties_say("a job is of an array that is not there", array_nowhere);
    ties_say("an array's held elements are not its own", held_of_another);
    ties_say("an array misses a held element", held_missed);
    ties_say("an array miscounts its elements", live_miscounted);
    ties_say("an array lets too many elements go on, or too few", too_many_go_on);
    ties_say("the index of arrays does not lead to an array", array_not_found);
    ties_say("the arrays are miscounted", arrays_miscounted);
    ties_say("the list of open arrays is broken", open_wrongly);
    ties_say("the edges are miscounted", edges_miscounted);
    ties_say("the list of the doomed is broken", doomed_broken);
    ties_say("the list of the doomed misses one", doomed_missed);
    ties_say("a key is out of order or too old", key_too_old);
    ties_say("the index of keys does not lead to a key", key_not_found);
    ties_say("the jobs or keys of an organisation are miscounted", org_miscounted);
}

static void the_pools_own_phrases_are_said_too(void **state)
{
    (void)state;
    says("a node's summary is behind its devices", summary_behind);
    says("the totals are behind the nodes", totals_behind);
    says("a node is linked into another domain", linked_wrongly);
    says("a domain's sums are behind its nodes", sums_behind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_phrase_is_said_when_it_is_true),
        cmocka_unit_test(what_ties_jobs_together_is_counted_too),
        cmocka_unit_test(the_pools_own_phrases_are_said_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
