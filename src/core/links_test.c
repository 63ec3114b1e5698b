// Jobs that wait for jobs, arrays with elements that take turns, and jobs that can never start.
#include "core/fixture.h"

// A submission of one cpu task, to be filled in.
static struct gr_submission submission(void)
{
    struct gr_submission s = {.demand = {.shape = {.cpu_milli = 1000}, .tasks = 1, .priority = 100},
                              .user = UINT32_MAX};
    gr_mask_fill(&s.mask);
    return s;
}

static uint64_t submit(struct fixture *f, struct gr_submission *s)
{
    struct gr_event events[2];
    unsigned count = 0;
    enum gr_refusal refusal = gr_decide_submit(f->core, NULL, f->at, s, events, &count);
    assert_string_equal(gr_refusal_name(refusal), "nothing");
    assert_int_equal(count, 1);
    (void)fixture_apply(f, &events[0], NULL);
    assert_null(gr_core_audit(f->core));
    return events[0].sequence;
}

// A job that waits for another.
static uint64_t after(struct fixture *f, uint64_t job, enum gr_after how)
{
    struct gr_submission s = submission();
    struct gr_edge edge = {.job = job, .how = (uint32_t)how};
    s.edges = &edge;
    s.edge_count = 1;
    return submit(f, &s);
}

// The elements of an array; ids follow each other.
static uint64_t array(struct fixture *f, uint32_t count, uint32_t parallel)
{
    struct gr_submission s = submission();
    uint64_t first = 0;
    for (uint32_t i = 0; i < count; i++) {
        s.array = (struct gr_array_of){
            .array = first, .index = 10 + 2 * i, .count = count, .parallel = parallel};
        uint64_t id = submit(f, &s);
        first = first == 0 ? id : first;
    }
    return first;
}

static void end(struct fixture *f, uint64_t job, enum gr_outcome outcome)
{
    struct gr_ending ending = {.outcome = (uint32_t)outcome};
    struct gr_event event = gr_decide_end(f->core, f->at, f->at, job, &ending);
    (void)fixture_apply(f, &event, NULL);
    assert_null(gr_core_audit(f->core));
}

static void drop(struct fixture *f, uint64_t job)
{
    struct gr_event event = gr_decide_drop(f->core, f->at, job, GR_REFUSED_BY_USER);
    (void)fixture_apply(f, &event, NULL);
    assert_null(gr_core_audit(f->core));
}

static uint32_t state_of(const struct fixture *f, uint64_t job)
{
    const struct gr_job *row = gr_core_job_find(f->core, job);
    return row == NULL ? 0 : row->state;
}

// Drops the doomed; returns how many there were.
static unsigned doomed(struct fixture *f)
{
    struct gr_event event;
    unsigned count = 0;
    while (gr_decide_doomed(f->core, f->at, &event)) {
        assert_int_equal(event.dropped.why, GR_REFUSED_AFTER);
        (void)fixture_apply(f, &event, NULL);
        assert_null(gr_core_audit(f->core));
        count++;
    }
    return count;
}

static void pool(struct fixture *f)
{
    struct gr_core_config config = fixture_config(GR_ORDER_FIFO);
    fixture_init(f, &config);
    fixture_node(f, 8);
}

static void a_job_is_held_until_what_it_waits_for_ends_as_it_must(void **state)
{
    (void)state;
    static const struct {
        enum gr_after how;
        enum gr_outcome outcome;
        bool goes_on;
    } cases[] = {
        {GR_AFTER_OK, GR_OUTCOME_DONE, true},      {GR_AFTER_OK, GR_OUTCOME_FAILED, false},
        {GR_AFTER_FAILED, GR_OUTCOME_DONE, false}, {GR_AFTER_FAILED, GR_OUTCOME_TIME_LIMIT, true},
        {GR_AFTER_ANY, GR_OUTCOME_DONE, true},     {GR_AFTER_ANY, GR_OUTCOME_LOST, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        pool(&f);
        uint64_t first = fixture_submit(&f, fixture_demand(1, 1), 0);
        uint64_t second = after(&f, first, cases[i].how);
        assert_int_equal(state_of(&f, second), GR_JOB_HELD);
        assert_int_equal(gr_core_held(f.core), 1);
        struct gr_edge edge;
        struct gr_job_more more;
        assert_int_equal(gr_core_job_edges(f.core, second, &edge, 1), 1);
        assert_int_equal(edge.job, first);
        assert_int_equal(edge.how, cases[i].how);
        gr_core_job_more(f.core, second, &more);
        assert_int_equal(more.pending, 1);
        assert_int_equal(fixture_start(&f), first);
        assert_int_equal(fixture_start(&f), 0);
        end(&f, first, cases[i].outcome);
        if (cases[i].goes_on) {
            assert_int_equal(state_of(&f, second), GR_JOB_WAITING);
            assert_int_equal(doomed(&f), 0);
            assert_int_equal(fixture_start(&f), second);
        } else {
            assert_int_equal(state_of(&f, second), GR_JOB_HELD);
            gr_core_job_more(f.core, second, &more);
            assert_int_equal(more.is_doomed, 1);
            assert_int_equal(doomed(&f), 1);
            assert_int_equal(state_of(&f, second), 0);
        }
        assert_int_equal(f.core->edge_used, 0);
        fixture_done(&f);
    }
}

static void a_dropped_job_counts_as_ended_otherwise_and_dooms_in_a_row(void **state)
{
    (void)state;
    struct fixture f;
    pool(&f);
    uint64_t first = fixture_submit(&f, fixture_demand(1, 1), 0);
    uint64_t ok = after(&f, first, GR_AFTER_OK);
    uint64_t behind = after(&f, ok, GR_AFTER_OK);
    uint64_t any = after(&f, behind, GR_AFTER_ANY);
    drop(&f, first);
    assert_int_equal(doomed(&f), 2);
    assert_int_equal(state_of(&f, behind), 0);
    assert_int_equal(state_of(&f, any), GR_JOB_WAITING);
    fixture_done(&f);
}

static void a_doomed_job_may_be_withdrawn_first(void **state)
{
    (void)state;
    struct fixture f;
    pool(&f);
    uint64_t first = fixture_submit(&f, fixture_demand(1, 1), 0);
    uint64_t a = after(&f, first, GR_AFTER_OK);
    uint64_t b = after(&f, first, GR_AFTER_OK);
    uint64_t c = after(&f, first, GR_AFTER_OK);
    drop(&f, first);
    drop(&f, b);
    struct gr_event event;
    assert_true(gr_decide_doomed(f.core, f.at, &event));
    assert_int_equal(event.dropped.job, a);
    drop(&f, a);
    assert_true(gr_decide_doomed(f.core, f.at, &event));
    assert_int_equal(event.dropped.job, c);
    assert_int_equal(doomed(&f), 1);
    fixture_done(&f);
}

static void all_edges_must_be_met_and_their_order_is_the_order_of_release(void **state)
{
    (void)state;
    struct fixture f;
    pool(&f);
    uint64_t a = fixture_submit(&f, fixture_demand(1, 1), 0);
    uint64_t b = fixture_submit(&f, fixture_demand(1, 1), 0);
    struct gr_submission s = submission();
    struct gr_edge edges[3] = {{.job = a}, {.job = b, .how = GR_AFTER_ANY}, {.job = a}};
    s.edges = edges;
    s.edge_count = 3;
    uint64_t both = submit(&f, &s);
    uint64_t one = after(&f, a, GR_AFTER_ANY);
    uint64_t two = after(&f, a, GR_AFTER_OK);
    assert_int_equal(fixture_start(&f), a);
    assert_int_equal(fixture_start(&f), b);
    end(&f, a, GR_OUTCOME_DONE);
    assert_int_equal(state_of(&f, both), GR_JOB_HELD);
    assert_int_equal(gr_core_job_edges(f.core, both, NULL, 0), 1);
    assert_int_equal(gr_core_waiting_next(f.core, 0), one);
    assert_int_equal(gr_core_waiting_next(f.core, one), two);
    end(&f, b, GR_OUTCOME_FAILED);
    assert_int_equal(gr_core_waiting_next(f.core, two), both);
    fixture_done(&f);
}

static void elements_beyond_parallel_take_turns(void **state)
{
    (void)state;
    struct fixture f;
    pool(&f);
    uint64_t first = array(&f, 5, 2);
    assert_true(gr_core_array_is_live(f.core, first));
    assert_false(gr_core_array_is_live(f.core, first + 1));
    struct gr_job_more more;
    assert_int_equal(gr_core_waiting(f.core), 2);
    assert_int_equal(gr_core_held(f.core), 3);
    gr_core_job_more(f.core, first + 3, &more);
    assert_int_equal(more.array, first);
    assert_int_equal(more.array_index, 16);
    assert_int_equal(more.pending, 1);
    assert_int_equal(more.edge_count, 0);
    drop(&f, first + 3); // one that has no place gives none away
    assert_int_equal(gr_core_waiting(f.core), 2);
    assert_int_equal(fixture_start(&f), first);
    end(&f, first, GR_OUTCOME_FAILED);
    assert_int_equal(state_of(&f, first + 2), GR_JOB_WAITING);
    assert_int_equal(state_of(&f, first + 4), GR_JOB_HELD);
    drop(&f, first + 1);
    assert_int_equal(state_of(&f, first + 4), GR_JOB_WAITING);
    drop(&f, first + 2);
    drop(&f, first + 4);
    assert_false(gr_core_array_is_live(f.core, first));
    fixture_done(&f);
}

static void an_array_is_waited_for_as_a_whole(void **state)
{
    (void)state;
    struct fixture f;
    pool(&f);
    uint64_t first = array(&f, 2, 0);
    uint64_t ok = after(&f, first, GR_AFTER_OK);
    uint64_t any = after(&f, first, GR_AFTER_ANY);
    uint64_t element = after(&f, first + 1, GR_AFTER_OK);
    assert_int_equal(fixture_start(&f), first);
    assert_int_equal(fixture_start(&f), first + 1);
    end(&f, first, GR_OUTCOME_DONE);
    assert_int_equal(gr_core_held(f.core), 3);
    end(&f, first + 1, GR_OUTCOME_DONE);
    assert_int_equal(gr_core_held(f.core), 0);
    assert_int_equal(gr_core_waiting_next(f.core, 0), element); // of the job first, then the array
    assert_int_equal(gr_core_waiting_next(f.core, element), ok);
    assert_int_equal(gr_core_waiting_next(f.core, ok), any);
    fixture_done(&f);
}

static void an_element_that_ends_badly_dooms_who_wants_all_done(void **state)
{
    (void)state;
    struct fixture f;
    pool(&f);
    uint64_t first = array(&f, 2, 0);
    uint64_t ok = after(&f, first, GR_AFTER_OK);
    uint64_t failed = after(&f, first, GR_AFTER_FAILED);
    drop(&f, first);
    assert_int_equal(doomed(&f), 1);
    assert_int_equal(state_of(&f, ok), 0);
    struct gr_event event = fixture_fact(&f, GR_JOB_SUBMITTED); // and nobody else may
    struct gr_edge edge = {.job = first, .how = GR_AFTER_OK};
    event.submitted.demand = fixture_demand(1, 1);
    event.submitted.user = UINT32_MAX;
    event.submitted.attempts = 1;
    event.edges = &edge;
    event.edge_count = 1;
    assert_int_equal(gr_core_check(f.core, &event), GR_REFUSED_AFTER);
    assert_int_equal(state_of(&f, failed), GR_JOB_HELD);
    drop(&f, first + 1);
    assert_int_equal(state_of(&f, failed), GR_JOB_WAITING);
    fixture_done(&f);
}

static void an_array_whose_writer_is_gone_ends_with_what_it_has(void **state)
{
    (void)state;
    struct fixture f;
    pool(&f);
    struct gr_submission s = submission();
    s.array = (struct gr_array_of){.count = 4};
    uint64_t first = submit(&f, &s);
    uint64_t ok = after(&f, first, GR_AFTER_OK);
    assert_int_equal(fixture_start(&f), first);
    end(&f, first, GR_OUTCOME_DONE);
    assert_int_equal(state_of(&f, ok), GR_JOB_HELD); // elements are still to come
    struct gr_event event = fixture_fact(&f, GR_EPOCH_BEGUN);
    (void)fixture_apply(&f, &event, NULL);
    assert_int_equal(state_of(&f, ok), GR_JOB_WAITING);
    assert_int_equal(f.core->array_used, 0);
    fixture_done(&f);
}

static void a_requeued_job_waits_in_front_and_counts_attempts(void **state)
{
    (void)state;
    struct fixture f;
    pool(&f);
    struct gr_submission s = submission();
    s.attempts = 2;
    s.requeue_on = GR_REQUEUE_FAILED;
    uint64_t job = submit(&f, &s);
    uint64_t waits = after(&f, job, GR_AFTER_OK);
    assert_int_equal(fixture_start(&f), job);
    uint64_t other = fixture_submit(&f, fixture_demand(1, 1), 0);
    end(&f, job, GR_OUTCOME_FAILED);
    assert_int_equal(state_of(&f, job), GR_JOB_WAITING);
    assert_int_equal(gr_core_waiting_next(f.core, 0), job);
    assert_int_equal(gr_core_waiting_next(f.core, job), other);
    assert_int_equal(state_of(&f, waits), GR_JOB_HELD);
    assert_int_equal(fixture_start(&f), job);
    assert_int_equal(gr_core_job_find(f.core, job)->attempt, 2);
    end(&f, job, GR_OUTCOME_FAILED);
    assert_int_equal(state_of(&f, job), 0);
    assert_int_equal(doomed(&f), 1);
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_held_until_what_it_waits_for_ends_as_it_must),
        cmocka_unit_test(a_dropped_job_counts_as_ended_otherwise_and_dooms_in_a_row),
        cmocka_unit_test(a_doomed_job_may_be_withdrawn_first),
        cmocka_unit_test(all_edges_must_be_met_and_their_order_is_the_order_of_release),
        cmocka_unit_test(elements_beyond_parallel_take_turns),
        cmocka_unit_test(an_array_is_waited_for_as_a_whole),
        cmocka_unit_test(an_element_that_ends_badly_dooms_who_wants_all_done),
        cmocka_unit_test(an_array_whose_writer_is_gone_ends_with_what_it_has),
        cmocka_unit_test(a_requeued_job_waits_in_front_and_counts_attempts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
