// Tests of the ring of jobs that ended.
#include "daemon/ended.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add(struct gr_ended_ring *ring, uint64_t id)
{
    struct gr_ended ended = {.id = id, .sequence = id + 1000};
    assert_int_equal(gr_ended_ring_add(ring, &ended)->id, id);
}

static void the_newest_are_kept_and_the_oldest_makes_room(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, 64, 65};
    for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        uint32_t most = sizes[s];
        struct gr_ended_ring *ring;
        struct gr_err err;
        assert_int_equal(gr_ended_ring_new(most, &ring, &err), 0);
        assert_null(gr_ended_ring_find(ring, 1));
        assert_null(gr_ended_ring_back(ring, 0));
        for (uint64_t id = 1; id <= 3 * most; id++) { // one before it is full, full, one more, on
            add(ring, id);
            uint64_t oldest = id > most ? id - most + 1 : 1;
            for (uint64_t other = 1; other <= id; other++) {
                const struct gr_ended *found = gr_ended_ring_find(ring, other);
                assert_int_equal(found != NULL, other >= oldest);
                assert_true(found == NULL || found->sequence == other + 1000);
            }
            assert_int_equal(gr_ended_ring_back(ring, 0)->id, id);
            assert_int_equal(gr_ended_ring_back(ring, (uint32_t)(id - oldest))->id, oldest);
            assert_null(gr_ended_ring_back(ring, (uint32_t)(id - oldest + 1)));
        }
        gr_ended_ring_free(ring);
    }
}

static void ids_far_apart_that_share_a_bucket_are_told_apart(void **state)
{
    (void)state;
    struct gr_ended_ring *ring;
    struct gr_err err;
    assert_int_equal(gr_ended_ring_new(8, &ring, &err), 0);
    for (uint64_t i = 1; i <= 500; i++) {
        add(ring, i << 40 | i);
    }
    for (uint64_t i = 1; i <= 500; i++) {
        assert_int_equal(gr_ended_ring_find(ring, i << 40 | i) != NULL, i > 492);
        assert_null(gr_ended_ring_find(ring, i << 40));
    }
    gr_ended_ring_free(ring);
    gr_ended_ring_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_are_kept_and_the_oldest_makes_room),
        cmocka_unit_test(ids_far_apart_that_share_a_bucket_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
