// Which device files a control group may open: see cgroup_devices.h. The BPF program is a chain of
// comparisons, five instructions a rule, without loops, maps or helpers.
#include "engine/local/cgroup_devices.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// The devices that no program can harm others with, by their fixed numbers.
static const struct gr_cgroup_rule harmless[] = {
    {.major = 1, .minor = 3},       // null
    {.major = 1, .minor = 5},       // zero
    {.major = 1, .minor = 7},       // full
    {.major = 1, .minor = 8},       // random
    {.major = 1, .minor = 9},       // urandom
    {.major = 5, .minor = 0},       // tty
    {.major = 5, .minor = 2},       // ptmx
    {.major = 136, .is_any = true}, // pts
};
#define HARMLESS_COUNT (sizeof(harmless) / sizeof(harmless[0]))

static bool rule_equal(const struct gr_cgroup_rule *a, const struct gr_cgroup_rule *b)
{
    return a->is_block == b->is_block && a->major == b->major && a->is_any == b->is_any &&
           (a->is_any || a->minor == b->minor);
}

int gr_cgroup_rules_make(const char *const *paths, size_t count, struct gr_cgroup_rule *ret_rules,
                         struct gr_err *err)
{
    assert(paths != NULL || count == 0);
    assert(ret_rules != NULL);
    size_t made = HARMLESS_COUNT;
    memcpy(ret_rules, harmless, sizeof(harmless));
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        if (stat(paths[i], &st) != 0) {
            return gr_fail_errno(err, "device %s", paths[i]);
        }
        if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) {
            return gr_fail(err, -EINVAL, "%s is no device file", paths[i]);
        }
        struct gr_cgroup_rule rule = {
            .is_block = S_ISBLK(st.st_mode),
            .major = (uint32_t)major(st.st_rdev),
            .minor = (uint32_t)minor(st.st_rdev),
        };
        bool is_there = false;
        for (size_t j = 0; j < made; j++) {
            is_there |= rule_equal(&ret_rules[j], &rule);
        }
        if (!is_there && made == GR_CGROUP_RULES_MAX) {
            return gr_fail(err, -E2BIG, "more than %d devices in one group", GR_CGROUP_RULES_MAX);
        }
        if (!is_there) {
            ret_rules[made++] = rule;
        }
    }
    return (int)made;
}

void gr_cgroup_rule_text(const struct gr_cgroup_rule *rule, char *ret_text, size_t size)
{
    char minor_text[16] = "*";
    if (!rule->is_any) {
        snprintf(minor_text, sizeof(minor_text), "%u", rule->minor);
    }
    snprintf(ret_text, size, "%c %u:%s rwm", rule->is_block ? 'b' : 'c', rule->major, minor_text);
}

// ---- the program --------------------------------------------------------------------------------

static struct bpf_insn insn(unsigned code, unsigned dst, unsigned src, int off, uint32_t imm)
{
    struct bpf_insn made = {.code = (uint8_t)code, .off = (int16_t)off, .imm = (int32_t)imm};
    made.dst_reg = dst & 15u;
    made.src_reg = src & 15u;
    return made;
}

// Loads a 32-bit word of the context (in r1) into a register.
static struct bpf_insn insn_load(unsigned dst, size_t offset)
{
    return insn(BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_1, (int)offset, 0);
}

// Jumps over `skip` instructions unless the register holds `value`. Compares 32 bits: a 64-bit
// comparison would extend the sign of a large minor number.
static struct bpf_insn insn_unless(unsigned dst, uint32_t value, int skip)
{
    return insn(BPF_JMP32 | BPF_JNE | BPF_K, dst, 0, skip, value);
}

static struct bpf_insn insn_answer(uint32_t value)
{
    return insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, value);
}

static struct bpf_insn insn_exit(void)
{
    return insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

size_t gr_cgroup_program_make(const struct gr_cgroup_rule *rules, size_t count,
                              struct bpf_insn *ret_program)
{
    assert(count <= GR_CGROUP_RULES_MAX);
    struct bpf_insn *at = ret_program;
    *at++ = insn_load(BPF_REG_2, offsetof(struct bpf_cgroup_dev_ctx, access_type));
    *at++ = insn_load(BPF_REG_4, offsetof(struct bpf_cgroup_dev_ctx, major));
    *at++ = insn_load(BPF_REG_5, offsetof(struct bpf_cgroup_dev_ctx, minor));
    *at++ = insn(BPF_ALU | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
    *at++ = insn(BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff); // r2: the type
    *at++ = insn(BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);     // r3: what is asked
    for (size_t i = 0; i < count; i++) {
        const struct gr_cgroup_rule *rule = &rules[i];
        int rest = rule->is_any ? 3 : 4;
        *at++ =
            insn_unless(BPF_REG_2, rule->is_block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, rest);
        *at++ = insn_unless(BPF_REG_4, rule->major, rest - 1);
        if (!rule->is_any) {
            *at++ = insn_unless(BPF_REG_5, rule->minor, 2);
        }
        *at++ = insn_answer(1);
        *at++ = insn_exit();
    }
    // No rule: 1 if only the making of a file is asked, else 0.
    *at++ = insn_answer(0);
    *at++ = insn_unless(BPF_REG_3, BPF_DEVCG_ACC_MKNOD, 1);
    *at++ = insn_answer(1);
    *at++ = insn_exit();
    assert(at - ret_program <= GR_CGROUP_PROGRAM_MAX);
    return (size_t)(at - ret_program);
}

static int bpf(int command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

int gr_cgroup_program_load(const struct bpf_insn *program, size_t count, struct gr_err *err)
{
    static const char license[] = "Apache-2.0";
    union bpf_attr load;
    memset(&load, 0, sizeof(load));
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insns = (uint64_t)(uintptr_t)program;
    load.insn_cnt = (uint32_t)count;
    load.license = (uint64_t)(uintptr_t)license;
    int fd = bpf(BPF_PROG_LOAD, &load);
    return fd < 0 ? gr_fail_errno(err, "load the device program (BPF)") : fd;
}

int gr_cgroup_program_attach(int group_fd, int program_fd, struct gr_err *err)
{
    union bpf_attr attach;
    memset(&attach, 0, sizeof(attach));
    attach.target_fd = (uint32_t)group_fd;
    attach.attach_bpf_fd = (uint32_t)program_fd;
    attach.attach_type = BPF_CGROUP_DEVICE;
    attach.attach_flags = BPF_F_ALLOW_MULTI;
    return bpf(BPF_PROG_ATTACH, &attach) == 0
               ? 0
               : gr_fail_errno(err, "attach the device program (BPF)");
}
