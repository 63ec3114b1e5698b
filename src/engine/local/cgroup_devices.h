// Which device files a control group may open: rules as v1's devices controller takes them, and as
// a BPF program for v2. The kernel asks the program at each open and mknod; what no rule allows is
// refused with EPERM. Only cgroup.c uses this.
#pragma once

#include "base/err.h"

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Most rules of one group: the harmless devices and all of a machine's.
#define GR_CGROUP_RULES_MAX 1200
// Most instructions of a program.
#define GR_CGROUP_PROGRAM_MAX (5 * GR_CGROUP_RULES_MAX + 10)

// A device that may be opened.
struct gr_cgroup_rule {
    bool is_block;  // a block device, else a character device
    bool is_any;    // every minor number
    uint32_t major; // device number
    uint32_t minor; // device number, unless is_any
};

// Writes the rules for the harmless devices (null, zero, full, random, urandom, tty, ptmx, pts) and
// for the device files `paths`, each once, into ret_rules (GR_CGROUP_RULES_MAX). Returns how many.
// -EINVAL for a path that is no device, other -errno if it is not there; -E2BIG for too many.
int gr_cgroup_rules_make(const char *const *paths, size_t count, struct gr_cgroup_rule *ret_rules,
                         struct gr_err *err);
// The line that v1's devices.allow takes for the rule ("c 1:3 rwm"). `size` of at least 64 bytes.
void gr_cgroup_rule_text(const struct gr_cgroup_rule *rule, char *ret_text, size_t size);
// Assembles the program for BPF_PROG_TYPE_CGROUP_DEVICE that allows what a rule allows, and making
// device files (what counts is the opening), into ret_program (GR_CGROUP_PROGRAM_MAX). Returns how
// many instructions. Pure.
size_t gr_cgroup_program_make(const struct gr_cgroup_rule *rules, size_t count,
                              struct bpf_insn *ret_program);
// Loads the program. Returns its file descriptor or -errno with a text.
int gr_cgroup_program_load(const struct bpf_insn *program, size_t count, struct gr_err *err);
// Attaches a loaded program to the group behind the directory `group_fd`, where it stays for as
// long as the group does, whether the descriptor is closed or not. Returns 0 or -errno with a text.
int gr_cgroup_program_attach(int group_fd, int program_fd, struct gr_err *err);
