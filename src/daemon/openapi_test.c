// Test of the API's description that is built into the program: specs are described by their table.
#include "daemon/openapi.h"

#include "codec/spec_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void the_description_of_a_spec_is_the_table_of_fields(void **state)
{
    (void)state;
    struct gr_slice text = gr_shipped_openapi();
    json_error_t error;
    json_t *doc = json_loadb(text.text, text.size, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(doc);
    json_t *schemas = json_object_get(json_object_get(doc, "components"), "schemas");
    json_t *described = json_object_get(schemas, "Spec");
    assert_true(json_is_object(described));
    assert_int_equal(json_object_del(described, "description"), 0); // of the whole, for people
    json_t *schema = gr_spec_schema();
    if (!json_equal(described, schema)) {
        char *want = json_dumps(schema, JSON_INDENT(1));
        print_message("docs/api/openapi.json, components/schemas/Spec must be:\n%s\n", want);
        fail();
    }
    json_decref(schema);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_description_of_a_spec_is_the_table_of_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
