// Tests of the machine's two clocks.
#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_clock_of_spans_never_goes_back(void **state)
{
    (void)state;
    int64_t last_ns = gr_clock_ns();
    for (int i = 0; i < 10000; i++) {
        int64_t now_ns = gr_clock_ns();
        assert_true(now_ns >= last_ns);
        last_ns = now_ns;
    }
    int64_t boot_ms = gr_clock_boot_ms();
    assert_true(boot_ms >= gr_clock_ms() - 1000 && gr_clock_boot_ms() >= boot_ms);
    int64_t now_ms = gr_clock_ms();
    assert_true(now_ms >= last_ns / 1000000 && now_ms <= gr_clock_ns() / 1000000);
}

static void the_clock_on_the_wall_is_that_of_the_machine(void **state)
{
    (void)state;
    // Seconds round down on both sides; `time` may be a tick behind.
    int64_t apart_ms = gr_clock_wall_ms() - (int64_t)time(NULL) * 1000;
    assert_true(apart_ms >= 0 && apart_ms < 2000);
}

static void a_wait_until_after_ends_no_sooner(void **state)
{
    (void)state;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    int64_t began_ns = gr_clock_ns();
    struct timespec at;
    gr_clock_after(15, &at);
    assert_true(at.tv_nsec >= 0 && at.tv_nsec < 1000000000);
    pthread_mutex_lock(&mutex);
    while (pthread_cond_clockwait(&never, &mutex, CLOCK_MONOTONIC, &at) == 0) {
    }
    pthread_mutex_unlock(&mutex);
    assert_true(gr_clock_ns() - began_ns >= 15000000);
    pthread_cond_destroy(&never);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_of_spans_never_goes_back),
        cmocka_unit_test(the_clock_on_the_wall_is_that_of_the_machine),
        cmocka_unit_test(a_wait_until_after_ends_no_sooner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
