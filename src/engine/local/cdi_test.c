// Tests of CDI documents: what is made for a task's devices, and what applying one does to
// config.json, refusals included.
#include "engine/local/cdi.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *text_of(const json_t *json)
{
    static char text[4096];
    char *dumped = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    strncpy(text, dumped == NULL ? "" : dumped, sizeof(text) - 1);
    free(dumped);
    return text;
}

static json_t *json_of(const char *text)
{
    json_t *made = json_loads(text, 0, NULL);
    assert_non_null(made);
    return made;
}

static void a_tasks_devices_become_a_document(void **state)
{
    (void)state;
    // Devices of a machine without any: null and zero stand for cards, full for a common file.
    static const struct gr_device devices[] = {
        {.address = "0000:3b:00.0", .path = "/dev/null"},
        {.address = "0000:86:00.0", .path = "/dev/zero"},
    };
    static const char *const paths[] = {"/dev/null", "/dev/zero", "/dev/full"};
    json_t *cdi = gr_cdi_make(devices, 2, paths, 3);
    assert_string_equal(
        text_of(cdi),
        "{\"cdiVersion\":\"0.6.0\",\"containerEdits\":{\"deviceNodes\":[{\"path\":\"/dev/full\","
        "\"permissions\":\"rw\"}]},\"devices\":[{\"containerEdits\":{\"deviceNodes\":[{\"path\":"
        "\"/dev/null\",\"permissions\":\"rw\"}]},\"name\":\"0000:3b:00.0\"},{\"containerEdits\":{"
        "\"deviceNodes\":[{\"path\":\"/dev/zero\",\"permissions\":\"rw\"}]},\"name\":"
        "\"0000:86:00.0\"}],\"kind\":\"granary/device\"}");
    json_t *config = json_of("{}");
    struct gr_err err = {0};
    assert_int_equal(gr_cdi_apply(cdi, config, &err), 0);
    json_t *part = json_object_get(config, "linux");
    assert_int_equal(json_array_size(json_object_get(part, "devices")), 3);
    json_t *rules = json_object_get(json_object_get(part, "resources"), "devices");
    assert_string_equal(
        text_of(json_array_get(rules, 1)),
        "{\"access\":\"rw\",\"allow\":true,\"major\":1,\"minor\":3,\"type\":\"c\"}");
    json_t *node = json_array_get(json_object_get(part, "devices"), 2);
    assert_string_equal(json_string_value(json_object_get(node, "path")), "/dev/zero");
    assert_int_equal(json_integer_value(json_object_get(node, "minor")), 5);
    json_decref(config);
    json_decref(cdi);
}

static void a_task_without_devices_gets_none(void **state)
{
    (void)state;
    json_t *cdi = gr_cdi_make(NULL, 0, NULL, 0);
    json_t *config = json_of("{\"linux\":{\"devices\":[]}}");
    assert_int_equal(gr_cdi_apply(cdi, config, NULL), 0);
    assert_string_equal(text_of(config), "{\"linux\":{\"devices\":[]}}");
    json_decref(config);
    json_decref(cdi);
}

static void mounts_and_variables_are_added_once(void **state)
{
    (void)state;
    json_t *config = json_of("{\"process\":{\"env\":[\"A=1\",\"B=2\",\"A=3\"]}}");
    json_t *cdi = json_of("{\"cdiVersion\":\"0.6.0\",\"devices\":[],\"containerEdits\":{\"env\":["
                          "\"A=4\"],\"mounts\":[{\"hostPath\":\"/usr\",\"containerPath\":\"/x\"}]}"
                          "}");
    struct gr_err err = {0};
    assert_int_equal(gr_cdi_apply(cdi, config, &err), 0);
    assert_string_equal(text_of(config),
                        "{\"mounts\":[{\"destination\":\"/x\",\"options\":[\"ro\",\"nosuid\","
                        "\"nodev\",\"bind\"],\"source\":\"/usr\",\"type\":\"bind\"}],\"process\":{"
                        "\"env\":[\"B=2\",\"A=4\"]}}");
    json_decref(config);
    json_decref(cdi);
}

static void what_is_wrong_or_would_run_is_refused(void **state)
{
    static const char *const cases[] = {
        "{}",
        "{\"cdiVersion\":\"0.6.0\"}",
        "{\"cdiVersion\":\"0.6.0\",\"devices\":[{\"containerEdits\":{\"hooks\":[{\"path\":\"/"
        "x\"}]}}]}",
        "{\"cdiVersion\":\"0.6.0\",\"devices\":[{\"containerEdits\":{\"deviceNodes\":[{\"path\":"
        "\"dev/null\"}]}}]}",
        "{\"cdiVersion\":\"0.6.0\",\"devices\":[{\"containerEdits\":{\"deviceNodes\":[{\"path\":"
        "\"/dev/null\",\"permissions\":\"all\"}]}}]}",
        "{\"cdiVersion\":\"0.6.0\",\"devices\":[{\"containerEdits\":{\"deviceNodes\":[{\"path\":"
        "\"/etc/passwd\"}]}}]}",
        "{\"cdiVersion\":\"0.6.0\",\"devices\":[{\"containerEdits\":{\"deviceNodes\":[{}]}}]}",
        "{\"cdiVersion\":\"0.6.0\",\"devices\":[],\"containerEdits\":{\"mounts\":[{\"hostPath\":"
        "\"x\",\"containerPath\":\"/y\"}]}}",
        "{\"cdiVersion\":\"0.6.0\",\"devices\":[],\"containerEdits\":{\"env\":[\"novalue\"]}}",
        "{\"cdiVersion\":\"0.6.0\",\"devices\":[],\"containerEdits\":{\"env\":[7]}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gr_err err = {0};
        json_t *config = json_of("{}");
        json_t *cdi = json_of(cases[i]);
        assert_int_equal(gr_cdi_apply(cdi, config, &err), -EINVAL);
        assert_int_equal(strncmp(err.text, "CDI: ", 5), 0);
        json_decref(config);
        json_decref(cdi);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tasks_devices_become_a_document),
        cmocka_unit_test(a_task_without_devices_gets_none),
        cmocka_unit_test(mounts_and_variables_are_added_once),
        cmocka_unit_test(what_is_wrong_or_would_run_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
