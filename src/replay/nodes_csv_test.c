// Tests of the node readers: what they take, and the place and words of what they refuse.
#include "replay/nodes_csv.h"

#include "replay/pool_spec.h"
#include "replay/trace_build.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int read_text(const char *text, struct gr_trace *trace, struct gr_err *err)
{
    gr_err_init(err);
    assert_int_equal(gr_trace_init(trace, err), 0);
    return gr_nodes_read_bytes(trace, "n.csv", text, strlen(text), err);
}

static void assert_refused(const char *text, const char *expected)
{
    struct gr_trace trace;
    struct gr_err err;
    assert_int_equal(read_text(text, &trace, &err), -EINVAL);
    assert_string_equal(err.text, expected);
    gr_trace_done(&trace);
}

static void an_openb_node_file_reads_as_it_is(void **state)
{
    (void)state;
    struct gr_trace trace;
    struct gr_err err;
    assert_int_equal(read_text("sn,cpu_milli,memory_mib,gpu,model\n"
                               "b,64000,262144,2,P100\na,96000,1024,8,G2\nc,32000,1,0,\n",
                               &trace, &err),
                     0);
    assert_int_equal(trace.node_count, 3);
    assert_string_equal(trace.nodes[0].name, "b");
    assert_int_equal(trace.nodes[1].devices, 8);
    assert_string_equal(trace.models[trace.nodes[1].model], "G2");
    assert_string_equal(trace.models[trace.nodes[2].model], "");
    assert_int_equal(gr_trace_capacity_milli(&trace), 10000);
    uint32_t ranks[] = {2, 0, 1}; // of a, b, c
    assert_int_equal(gr_trace_rank_nodes(&trace, ranks, &err), 0);
    assert_string_equal(trace.nodes[0].name, "b");
    assert_string_equal(trace.nodes[1].name, "c");
    assert_string_equal(trace.nodes[2].name, "a");
    gr_trace_done(&trace);
}

static void sites_and_domains_are_numbered_by_name(void **state)
{
    (void)state;
    struct gr_trace trace;
    struct gr_err err;
    assert_int_equal(
        read_text("name,kind,devices,cpu_milli,memory_mib,site,domain1,domain2\n"
                  "a,h100,8,1,1,lyon,r1,s1\nb,h100,8,1,1,oslo,r1,s2\nc,h100,8,1,1,,r2,\n",
                  &trace, &err),
        0);
    assert_int_equal(trace.site_count, 3);
    assert_string_equal(trace.sites[trace.nodes[2].site], "site");
    assert_int_equal(trace.domain_count[0], 2);
    assert_int_equal(trace.nodes[0].domain[0], trace.nodes[1].domain[0]);
    assert_int_equal(trace.nodes[1].domain[1], 1);
    assert_int_equal(trace.nodes[2].domain[1], GR_TRACE_NO_DOMAIN);
    gr_trace_done(&trace);
}

static void bad_node_files_are_refused_with_their_place(void **state)
{
    (void)state;
    assert_refused("", "n.csv:1:1: found an empty file, expected a first line that names the "
                       "columns");
    assert_refused("sn,cpu_milli,memory_mib,gpu,model\n",
                   "n.csv:1:1: found no nodes, expected at least one line after the first");
    assert_refused("sn,name,cpu_milli,memory_mib,gpu,model\n",
                   "n.csv:1:1: found both columns 'name' and 'sn', expected exactly one of them");
    assert_refused("sn,cpu_milli,memory_mib,model\n",
                   "n.csv:1:1: found neither of the columns 'devices' and 'gpu', expected exactly "
                   "one of them");
    assert_refused("sn,cpu_milli,memory_mib,gpu,model\na,1,1,17,P\n",
                   "n.csv:2:7: column 'gpu': found '17', expected a whole number from 0 to 16");
    assert_refused("sn,cpu_milli,memory_mib,gpu,model\na,-1,1,1,P\n",
                   "n.csv:2:3: column 'cpu_milli': found '-1', expected a whole number from 0 to "
                   "100000000");
    assert_refused("sn,cpu_milli,memory_mib,gpu,model\na,99999999999999999999,1,1,P\n",
                   "n.csv:2:3: column 'cpu_milli': found '99999999999999999999', expected a whole "
                   "number from 0 to 100000000");
    assert_refused("sn,cpu_milli,memory_mib,gpu,model\na,1,1,1,\n",
                   "n.csv:2:9: column 'model': found a blank field, expected the model of 1 "
                   "devices");
    assert_refused("sn,cpu_milli,memory_mib,gpu,model\na,1,1,1,P|Q\n",
                   "n.csv:2:9: column 'model': found a name with '|', expected one model's name "
                   "without it");
    assert_refused("sn,cpu_milli,memory_mib,gpu,model\na,1,1,1,P\na,1,1,1,P\n",
                   "n.csv:3:1: column 'sn': found a second node 'a', expected each name once");
    assert_refused("name,kind,devices,cpu_milli,memory_mib,domain1,domain2\n"
                   "a,p,1,1,1,r1,s1\nb,p,1,1,1,r2,s1\n",
                   "n.csv:3:14: column 'domain2': found a domain whose earlier nodes have other "
                   "wider domains, expected each domain to lie within one domain of each wider "
                   "level");
}

static void names_that_the_core_does_not_take_are_refused(void **state)
{
    (void)state;
#define NAMES "name,kind,devices,cpu_milli,memory_mib,site\n"
#define LONG "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv" // 48 bytes
    assert_refused(NAMES "\"a\nb\",h,8,1,1,s\n",
                   "n.csv:2:1: column 'name': found a name with a line end, a tab or another "
                   "control character, expected none");
    assert_refused(NAMES "a,h\t1,8,1,1,s\n",
                   "n.csv:2:3: column 'kind': found a name with a line end, a tab or another "
                   "control character, expected none");
    assert_refused(NAMES "a,h,8,1,1,\"s\r\n\"\n",
                   "n.csv:2:11: column 'site': found a name with a line end, a tab or another "
                   "control character, expected none");
    assert_refused(NAMES "a," LONG ",8,1,1,s\n",
                   "n.csv:2:3: column 'kind': found a name of 48 bytes, expected at most 47");
    assert_refused(NAMES "a,h,8,1,1," LONG "\n",
                   "n.csv:2:11: column 'site': found a name of 48 bytes, expected at most 47");
#undef NAMES
#undef LONG
}

static void truncated_lines_and_bad_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *begins;
    } cases[] = {
        {"sn,cpu_milli,memory_mib,gpu,model\na,1,1", 41, "n.csv:2:"},
        {"sn,cpu_milli,memory_mib,gpu,model\na,1,1,1,P\xff\n", 45, "n.csv:2:10: "},
        {"sn,cpu_milli,memory_mib,gpu,model\na,1,1,1,P\0\n", 45, "n.csv:2:10: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gr_trace trace;
        struct gr_err err;
        gr_err_init(&err);
        assert_int_equal(gr_trace_init(&trace, &err), 0);
        assert_int_equal(gr_nodes_read_bytes(&trace, "n.csv", cases[i].text, cases[i].size, &err),
                         -EINVAL);
        assert_memory_equal(err.text, cases[i].begins, strlen(cases[i].begins));
        gr_trace_done(&trace);
    }
}

static void more_models_than_a_pool_can_have_are_refused(void **state)
{
    (void)state;
    char text[8192];
    size_t size = (size_t)snprintf(text, sizeof text, "sn,cpu_milli,memory_mib,gpu,model\n");
    for (int i = 0; i <= GR_POOL_VARIANTS_MAX; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "n%d,1,1,1,m%d\n", i, i);
    }
    assert_refused(text, "n.csv:130:12: column 'model': found more than 128 different models, "
                         "expected no more");
}

static int generate(const char *spec, struct gr_trace *trace, struct gr_err *err)
{
    gr_err_init(err);
    assert_int_equal(gr_trace_init(trace, err), 0);
    return gr_pool_generate(trace, spec, err);
}

static void a_pool_is_generated_from_its_description(void **state)
{
    (void)state;
    struct gr_trace trace;
    struct gr_err err;
    assert_int_equal(
        generate("64x8xh100:site=lyon:domain=16,2x2xrtx6000:cpu=5000:memory=7", &trace, &err), 0);
    assert_int_equal(trace.node_count, 66);
    assert_int_equal(trace.nodes[0].cpu_milli, 96000);
    assert_int_equal(trace.nodes[0].memory_mib, 1048576);
    assert_int_equal(trace.domain_count[0], 4);
    assert_int_equal(trace.nodes[17].domain[0], 1);
    assert_int_equal(trace.nodes[65].domain[0], GR_TRACE_NO_DOMAIN);
    assert_string_equal(trace.nodes[65].name, "rtx6000-000065");
    assert_int_equal(trace.nodes[65].cpu_milli, 5000);
    assert_int_equal(trace.nodes[65].memory_mib, 7);
    assert_string_equal(trace.sites[trace.nodes[0].site], "lyon");
    assert_string_equal(trace.sites[trace.nodes[65].site], "site");
    gr_trace_done(&trace);
}

static void a_description_with_names_that_the_core_does_not_take_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *expected;
    } cases[] = {
        {"1x1xh:site=a\nb", "pool group '1x1xh:site=a?b': found a name with a line end, a tab or "
                            "another control character, expected none"},
        {"1x1xh\033[1m", "pool group '1x1xh?[1m': found a name with a line end, a tab or another "
                         "control character, expected none"},
        {"1x1xh\xff",
         "pool group '1x1xh...': found a name with the byte 0xff, expected valid UTF-8"},
        {"1x1xh:site=abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv",
         "pool group '1x1xh:site=abcdefghijklmnopqrstuvwxyzabc...': found a name of 48 bytes, "
         "expected at most 47"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gr_trace trace;
        struct gr_err err;
        assert_int_equal(generate(cases[i].spec, &trace, &err), -EINVAL);
        assert_string_equal(err.text, cases[i].expected);
        gr_trace_done(&trace);
    }
}

static void a_wrong_description_is_quoted(void **state)
{
    (void)state;
    static const char *const specs[] = {
        "",
        "64",
        "64x8",
        "0x8xh100",
        "64x17xh100",
        "64x8x",
        "1x1xa,",
        "1x1xa:",
        "1x1xa:cpu=-1",
        "1x1xa:memory=x",
        "1x1xa:b=1",
        "1x1xa:site=",
        "1x1xa:domain=0",
        "-1x1xa",
        "262145x1xa",
        "1x1xa|b",
        "262144x1xa,1x1xb",
        "1x1xabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
    };
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct gr_trace trace;
        struct gr_err err;
        assert_int_equal(generate(specs[i], &trace, &err), -EINVAL);
        assert_memory_equal(err.text, "pool group '", 12);
        assert_non_null(strstr(err.text, ": expected "));
        gr_trace_done(&trace);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_openb_node_file_reads_as_it_is),
        cmocka_unit_test(sites_and_domains_are_numbered_by_name),
        cmocka_unit_test(bad_node_files_are_refused_with_their_place),
        cmocka_unit_test(names_that_the_core_does_not_take_are_refused),
        cmocka_unit_test(truncated_lines_and_bad_bytes_are_refused),
        cmocka_unit_test(more_models_than_a_pool_can_have_are_refused),
        cmocka_unit_test(a_pool_is_generated_from_its_description),
        cmocka_unit_test(a_description_with_names_that_the_core_does_not_take_is_refused),
        cmocka_unit_test(a_wrong_description_is_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
