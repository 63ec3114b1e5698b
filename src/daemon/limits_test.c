// Tests of limits.json: how the core of a state directory is made.
#include "daemon/limits.h"

#include "daemon/fixture.h"

#include <errno.h>

static void without_a_file_there_is_the_default(void **state)
{
    (void)state;
    struct gr_core_config config;
    struct gr_core_config standard = gr_limits_default();
    struct gr_err err;
    fixture_good(gr_limits_read(fixture_dir, &config, &err), &err);
    assert_memory_equal(&config.limits, &standard.limits, sizeof config.limits);
    assert_string_equal(config.policy, standard.policy);
}

static void what_was_written_is_read_again(void **state)
{
    (void)state;
    struct gr_core_config config;
    struct gr_core_config written = gr_limits_default();
    struct gr_err err;
    written.policy = "firstfit";
    written.order = GR_ORDER_FIFO;
    written.limits.jobs = 17;
    written.limits.place.domains[3] = 3;
    written.limits.keys_per_org = UINT32_MAX;
    fixture_good(gr_limits_write(fixture_dir, &written, &err), &err);
    fixture_good(gr_limits_write(fixture_dir, &written, &err), &err); // over the old one
    fixture_good(gr_limits_read(fixture_dir, &config, &err), &err);
    assert_memory_equal(&config.limits, &written.limits, sizeof config.limits);
    assert_string_equal(config.policy, "firstfit");
    assert_int_equal(config.order, GR_ORDER_FIFO);
    for (unsigned order = 0; order < 3; order++) {
        written.order = (enum gr_order)order;
        fixture_good(gr_limits_write(fixture_dir, &written, &err), &err);
        fixture_good(gr_limits_read(fixture_dir, &config, &err), &err);
        assert_int_equal(config.order, order);
    }
}

static void a_file_with_something_wrong_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } wrongs[] = {
        {"\"jobs\": 1048576", "\"jobs\": -1", "jobs"},
        {"\"jobs\": 1048576", "\"jobs\": 4294967296", "jobs"},
        {"\"jobs\": 1048576", "\"jobs\": \"many\"", "jobs"},
        {"\"jobs\": 1048576", "\"jobs\": 1.5", "jobs"},
        {"\"jobs\"", "\"job\"", "jobs"},
        {"\"granary\"", "\"nonsense\"", "policy"},
        {"\"policy\"", "\"queue\"", "queue"},
        {"\"fair\"", "\"lifo\"", "queue"},
        {"{", "[", "limits.json:"},
    };
    struct gr_core_config config = {.limits.jobs = 99};
    struct gr_core_config standard = gr_limits_default();
    struct gr_err err;
    char good[4096] = "";
    fixture_good(gr_limits_write(fixture_dir, &standard, &err), &err);
    FILE *file = fopen(fixture_path("limits.json"), "re");
    assert_non_null(file);
    size_t size = fread(good, 1, sizeof good - 1, file);
    fclose(file);
    assert_true(size > 0);
    for (unsigned i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        char bad[8192];
        const char *at = strstr(good, wrongs[i].from);
        if (at == NULL) {
            fail_msg("the file does not say %s", wrongs[i].from);
        }
        snprintf(bad, sizeof bad, "%.*s%s%s", (int)(at - good), good, wrongs[i].to,
                 at + strlen(wrongs[i].from));
        fixture_write("limits.json", bad);
        assert_int_equal(gr_limits_read(fixture_dir, &config, &err), -EINVAL);
        if (strstr(err.text, wrongs[i].says) == NULL) {
            fail_msg("'%s' does not name %s", err.text, wrongs[i].says);
        }
        assert_int_equal(config.limits.jobs, 99); // untouched
    }
}

static void a_directory_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct gr_core_config standard = gr_limits_default();
    struct gr_err err;
    assert_int_equal(gr_limits_write(fixture_path("nowhere"), &standard, &err), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(without_a_file_there_is_the_default),
        fixture_test(what_was_written_is_read_again),
        fixture_test(a_file_with_something_wrong_is_refused_by_name),
        fixture_test(a_directory_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
