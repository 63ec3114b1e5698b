// Tests of shares: as many requests of one user as may be and not one more, whatever others do.
#include "daemon/fixture.h"
#include "daemon/shares.h"

static void one_user_has_as_many_requests_as_may_be_and_not_one_more(void **state)
{
    (void)state;
    struct gr_shares shares = {0};
    for (unsigned i = 1; i < GR_SHARE_REQUESTS; i++) {
        assert_true(gr_shares_take(&shares, 1000));
    }
    assert_true(gr_shares_take(&shares, 1000)); // the last
    assert_false(gr_shares_take(&shares, 1000));
    assert_true(gr_shares_take(&shares, 1001)); // another does not notice
    gr_shares_give(&shares, 1000);
    assert_true(gr_shares_take(&shares, 1000));
    assert_false(gr_shares_take(&shares, 1000));
    gr_shares_done(&shares);
}

static void who_has_none_is_forgotten(void **state)
{
    (void)state;
    struct gr_shares shares = {0};
    for (uid_t uid = 0; uid < 100; uid++) {
        assert_true(gr_shares_take(&shares, uid));
        assert_true(gr_shares_take(&shares, uid));
    }
    assert_int_equal(shares.count, 100);
    for (uid_t uid = 0; uid < 100; uid++) {
        gr_shares_give(&shares, uid);
        gr_shares_give(&shares, uid);
        assert_int_equal(shares.count, 99 - uid);
    }
    gr_shares_done(&shares);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_user_has_as_many_requests_as_may_be_and_not_one_more),
        cmocka_unit_test(who_has_none_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
