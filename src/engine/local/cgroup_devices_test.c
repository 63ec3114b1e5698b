// Tests of device rules: the lines for v1, and the program for v2 run by a small interpreter of the
// instructions that it uses.
#include "engine/local/cgroup_devices.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gr_cgroup_rule rules[GR_CGROUP_RULES_MAX];
static struct bpf_insn program[GR_CGROUP_PROGRAM_MAX];

static uint32_t word_at(const struct bpf_cgroup_dev_ctx *context, int offset)
{
    uint32_t value;
    assert_in_range(offset, 0, sizeof(*context) - sizeof(value));
    memcpy(&value, (const char *)context + offset, sizeof(value));
    return value;
}

// The program's answer for one access.
static uint64_t ask(size_t count, uint32_t type, uint32_t access, uint32_t major, uint32_t minor)
{
    struct bpf_cgroup_dev_ctx context = {access << 16 | type, major, minor};
    uint64_t regs[11] = {0};
    for (size_t at = 0; at < count; at++) {
        const struct bpf_insn *in = &program[at];
        uint32_t imm = (uint32_t)in->imm;
        switch (in->code) {
        case BPF_LDX | BPF_MEM | BPF_W:
            assert_int_equal(in->src_reg, 1);
            regs[in->dst_reg] = word_at(&context, in->off);
            break;
        case BPF_ALU | BPF_MOV | BPF_X:
            regs[in->dst_reg] = (uint32_t)regs[in->src_reg];
            break;
        case BPF_ALU64 | BPF_MOV | BPF_K:
            regs[in->dst_reg] = (uint64_t)(int64_t)in->imm;
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            regs[in->dst_reg] = (uint32_t)regs[in->dst_reg] & imm;
            break;
        case BPF_ALU | BPF_RSH | BPF_K:
            regs[in->dst_reg] = (uint32_t)regs[in->dst_reg] >> imm;
            break;
        case BPF_JMP32 | BPF_JNE | BPF_K:
            at += (uint32_t)regs[in->dst_reg] != imm ? (size_t)in->off : 0;
            break;
        case BPF_JMP | BPF_EXIT:
            return regs[0];
        default:
            fail_msg("instruction %#x is none that is expected", in->code);
        }
    }
    fail_msg("the program ran over its end");
    return 0;
}

static void the_program_allows_what_a_rule_allows_and_no_more(void **state)
{
    (void)state;
    static const struct gr_cgroup_rule some[] = {
        {.major = 195, .minor = 3},
        {.major = 136, .is_any = true},
        {.major = 8, .minor = 0, .is_block = true},
        {.major = 240, .minor = 0xfffffu},
        {.major = 0xffffffffu, .minor = 0x80000000u},
    };
    enum { ANY = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE };
    size_t count = gr_cgroup_program_make(some, 5, program);
    assert_int_equal(ask(count, BPF_DEVCG_DEV_CHAR, ANY, 195, 3), 1);
    assert_int_equal(ask(count, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_READ, 195, 4), 0);
    assert_int_equal(ask(count, BPF_DEVCG_DEV_BLOCK, ANY, 195, 3), 0);
    assert_int_equal(ask(count, BPF_DEVCG_DEV_CHAR, ANY, 136, 0), 1);
    assert_int_equal(ask(count, BPF_DEVCG_DEV_CHAR, ANY, 136, 1u << 19), 1);
    assert_int_equal(ask(count, BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_ACC_WRITE, 8, 0), 1);
    assert_int_equal(ask(count, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_WRITE, 8, 0), 0);
    assert_int_equal(ask(count, BPF_DEVCG_DEV_CHAR, ANY, 240, 0xfffffu), 1);
    assert_int_equal(ask(count, BPF_DEVCG_DEV_CHAR, ANY, 0xffffffffu, 0x80000000u), 1);
    assert_int_equal(ask(count, BPF_DEVCG_DEV_CHAR, ANY, 1, 11), 0);
    // Making a file opens nothing; making and opening at once does.
    assert_int_equal(ask(count, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_MKNOD, 1, 11), 1);
    assert_int_equal(ask(count, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_MKNOD | ANY, 1, 11), 0);
    count = gr_cgroup_program_make(NULL, 0, program);
    assert_int_equal(ask(count, BPF_DEVCG_DEV_CHAR, ANY, 1, 3), 0);
}

static void a_full_table_of_rules_fits_the_program(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < GR_CGROUP_RULES_MAX; i++) {
        rules[i] = (struct gr_cgroup_rule){.major = 300 + i, .minor = i};
    }
    size_t count = gr_cgroup_program_make(rules, GR_CGROUP_RULES_MAX, program);
    assert_true(count <= GR_CGROUP_PROGRAM_MAX);
    for (uint32_t i = 0; i < GR_CGROUP_RULES_MAX; i += 97) {
        assert_int_equal(ask(count, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_READ, 300 + i, i), 1);
        assert_int_equal(ask(count, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_READ, 300 + i, i + 1), 0);
    }
}

static void each_device_is_one_rule_and_a_line(void **state)
{
    (void)state;
    static const char *const paths[] = {"/dev/null", "/dev/zero", "/dev/kmsg", "/dev/kmsg"};
    static const char *const none[] = {"/dev/no-such-device"};
    static const char *const file[] = {"/etc/passwd"};
    struct gr_err err = {0};
    char text[64];
    int plain = gr_cgroup_rules_make(NULL, 0, rules, &err);
    assert_true(plain > 0);
    assert_int_equal(gr_cgroup_rules_make(paths, 2, rules, &err), plain); // harmless anyway
    gr_cgroup_rule_text(&rules[0], text, sizeof(text));
    assert_string_equal(text, "c 1:3 rwm");
    gr_cgroup_rule_text(&rules[plain - 1], text, sizeof(text));
    assert_string_equal(text, "c 136:* rwm");
    gr_cgroup_rule_text(&(struct gr_cgroup_rule){.is_block = true, .major = 8}, text, sizeof(text));
    assert_string_equal(text, "b 8:0 rwm");
    int more = gr_cgroup_rules_make(paths, 4, rules, &err);
    assert_true(more == plain + 1 || more == -ENOENT); // a container may lack /dev/kmsg
    assert_int_equal(gr_cgroup_rules_make(none, 1, rules, &err), -ENOENT);
    assert_int_equal(gr_cgroup_rules_make(file, 1, rules, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_program_allows_what_a_rule_allows_and_no_more),
        cmocka_unit_test(a_full_table_of_rules_fits_the_program),
        cmocka_unit_test(each_device_is_one_rule_and_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
