// The container part of `granary engine check`: a real container from a bundle made on the spot.
#include "engine/local/check_parts.h"

#include "engine/local/container.h"
#include "engine/local/runtime.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// A trial container: which runtime, and where.
struct trial {
    const struct gr_check *check;
    const char *program;
};

static int file_make(const char *dir, const char *name, const void *bytes, size_t size)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%.4000s/%s", dir, name) >= (int)sizeof(path)) {
        return GR_CHECK_NO;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    bool is_done = fd >= 0 && write(fd, bytes, size) == (ssize_t)size;
    if (fd >= 0) {
        close(fd);
    }
    return is_done ? 0 : GR_CHECK_NO;
}

// A program that needs nothing of the machine, not even a library: it ends with 0.
struct program {
    Elf64_Ehdr head;
    Elf64_Phdr part;
    uint8_t code[16];
};

static struct program program_make(void)
{
    struct program made = {
        .head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                             EV_CURRENT},
                 .e_type = ET_EXEC,
                 .e_version = EV_CURRENT,
                 .e_entry = 0x400000 + offsetof(struct program, code),
                 .e_phoff = offsetof(struct program, part),
                 .e_ehsize = sizeof(Elf64_Ehdr),
                 .e_phentsize = sizeof(Elf64_Phdr),
                 .e_phnum = 1},
        .part = {.p_type = PT_LOAD,
                 .p_flags = PF_R | PF_X,
                 .p_vaddr = 0x400000,
                 .p_filesz = sizeof(struct program),
                 .p_memsz = sizeof(struct program),
                 .p_align = 0x1000},
#if defined(__aarch64__)
        // mov x0, 0; mov x8, exit; svc 0
        .code = {0x00, 0x00, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4},
#else
        // xor edi, edi; mov eax, exit; syscall
        .code = {0x31, 0xff, 0xb8, 0x3c, 0x00, 0x00, 0x00, 0x0f, 0x05},
#endif
    };
#if defined(__aarch64__)
    made.head.e_machine = EM_AARCH64;
#else
    made.head.e_machine = EM_X86_64;
#endif
    return made;
}

// A bundle with that program and nothing else.
static int trial_bundle(const char *dir, char ret_path[PATH_MAX])
{
    static const char text[] = "{\"root\": {\"path\": \"rootfs\"}, \"process\": {\"cwd\": \"/\"}}";
    struct program program = program_make();
    char root[PATH_MAX + 16];
    if (snprintf(ret_path, PATH_MAX, "%s/bundle", dir) >= PATH_MAX) {
        return GR_CHECK_NO;
    }
    snprintf(root, sizeof(root), "%s/rootfs", ret_path);
    if ((mkdir(ret_path, 0755) != 0 && errno != EEXIST) ||
        (mkdir(root, 0755) != 0 && errno != EEXIST)) {
        return GR_CHECK_NO;
    }
    return file_make(ret_path, "config.json", text, strlen(text)) |
           file_make(root, "true", &program, sizeof(program));
}

static int container_run(const struct gr_container_config *config, struct gr_err *err)
{
    struct gr_container *container;
    pid_t pid;
    int status = 0;
    int code = gr_container_create(config, &container, &pid, err);
    if (code < 0) {
        return code;
    }
    code = gr_container_start(container, err);
    if (code == 0) {
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            code = gr_fail(err, -EIO, "a trial container did not end well");
        }
    }
    gr_container_delete(container);
    return code;
}

static int container_try(void *context, int say)
{
    const struct trial *trial = context;
    static const char *const argv[] = {"/true"};
    static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    char bundle[PATH_MAX];
    char task[PATH_MAX];
    struct gr_err err = {0};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || trial_bundle(trial->check->dir, bundle) != 0 ||
        snprintf(task, sizeof(task), "%s/task", trial->check->dir) >= (int)sizeof(task) ||
        (mkdir(task, 0700) != 0 && errno != EEXIST) || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        return GR_CHECK_UNTRIED;
    }
    struct gr_spec spec = {
        .name = "",
        .argv = {argv, 1},
        .directory = "",
        .image = bundle,
        .output = "",
        .error = "",
        .uid = geteuid(), // another user could not reach the trial's bundle
        .gid = getegid(),
    };
    struct gr_container_config config = {
        .engine = trial->check->dir,
        .dir = task,
        .work = "",
        .group = "check/task-1",
        .id = "granary-check",
        .runtime = trial->program,
        .spec = &spec,
        .env = env,
        .cpu_milli = 1000,
        .output = null,
        .error = null,
        .means = &trial->check->means,
    };
    int code = container_run(&config, &err);
    if (code < 0) {
        (void)!write(say, err.text, strlen(err.text));
    }
    return code < 0 ? GR_CHECK_NO : 0;
}

// Where a program is: as given, or in PATH. False if it is nowhere.
static bool program_find(const char *given, const char *name, char ret_path[PATH_MAX])
{
    const char *path = getenv("PATH");
    if (given != NULL) {
        snprintf(ret_path, PATH_MAX, "%s", given);
        return given[0] != '\0';
    }
    path = path != NULL && path[0] != '\0' ? path : "/usr/sbin:/usr/bin:/sbin:/bin";
    while (*path != '\0') {
        size_t size = strcspn(path, ":");
        int length = snprintf(ret_path, PATH_MAX, "%.*s/%s", (int)size, path, name);
        if (path[0] == '/' && length < PATH_MAX && access(ret_path, X_OK) == 0) {
            return true;
        }
        path += size + (path[size] == ':');
    }
    return false;
}

void gr_check_runtime(struct gr_check *check, const char *name, const char *given)
{
    char program[PATH_MAX];
    char version[100] = "";
    char said[160] = "";
    struct gr_err err = {0};
    bool is_crun = strcmp(name, "crun") == 0;
    const char *without = is_crun ? "containers are runc's, which starts them 3 to 4 times slower, "
                                    "and only for a daemon that is root"
                                  : "none if crun is there; without both, jobs with an image fail";
    const char *remedy = is_crun ? "install crun" : "install runc, if crun does not work here";
    if (!program_find(given, name, program)) {
        gr_check_add(check, name, false, without, remedy, "the program is not on this machine");
        return;
    }
    if (gr_runtime_version(program, version, sizeof(version), &err) < 0) {
        gr_check_add(check, name, false, without, remedy, "%s cannot be run", program);
        return;
    }
    struct trial trial = {check, program};
    int code = gr_check_run(NULL, container_try, &trial, said, sizeof(said));
    if (code == 0) {
        gr_check_add(check, name, true, "", "", "%s: a container ran", version);
    } else {
        gr_check_add(check, name, false, without,
                     (geteuid() == 0) ? "see what it says"
                                      : "install crun; allow user "
                                        "namespaces; or start the daemon as root",
                     "%s: %s", version, said[0] != '\0' ? said : "a trial container did not run");
    }
}
