// What `submit` and `run` ask for: the options that describe a job, laid over a job file.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/options.h"
#include "codec/spec_yaml.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

// A job as the command line describes it. Zero-initialise; filled by the options. Texts are
// borrowed from argv.
struct gr_cli_ask {
    const char *file;                                 // --file; NULL: none
    const char *name, *kind, *memory, *limit, *array; // options of these names; NULL: not given
    const char *image, *directory, *output, *error;   // the same
    const char *use, *umask, *stop_signal, *grace;    // the same
    const char *domain, *class;                       // the same
    const char *notice_signal, *notice, *requeue_on;  // the same
    const char *export;                               // the same
    int64_t tasks, devices, cpu, priority, requeue;   // devices and cpu in thousandths
    bool has_tasks, has_devices, has_cpu;             // given
    bool has_priority, has_requeue;                   // given
    bool now;                                         // only if it can start at once
    struct gr_options_list env, secrets, after;       // options that may be given again
    char **argv;                                      // the command and its arguments
    size_t argc;                                      // 0: from the file
};

// Lines of a table of options: everything that describes a job. `ask` is a pointer.
#define GR_CLI_ASK_OPTIONS(ask)                                                                    \
    {.name = "file",                                                                               \
     .letter = 'f',                                                                                \
     .type = GR_OPTION_TEXT,                                                                       \
     .value = "FILE",                                                                              \
     .store = &(ask)->file,                                                                        \
     .help = "A job file (docs/formats/job.md); options given beside it win."},                    \
        {.name = "name",                                                                           \
         .letter = 'n',                                                                            \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "NAME",                                                                          \
         .store = &(ask)->name,                                                                    \
         .help = "A name for people. Default: the command's."},                                    \
        {.name = "kind",                                                                           \
         .letter = 'k',                                                                            \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "KIND",                                                                          \
         .store = &(ask)->kind,                                                                    \
         .help = "Which accelerator: h20, or h100|h200 in order of preference; `granary "          \
                 "catalogue kinds` lists more."},                                                  \
        {.name = "domain",                                                                         \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "LEVEL[:TASKS]",                                                                 \
         .store = &(ask)->domain,                                                                  \
         .help =                                                                                   \
             "What all tasks must lie in together: one fabric, block, rack or link; rack:8 is "    \
             "8 tasks in each."},                                                                  \
        {.name = "devices",                                                                        \
         .letter = 'd',                                                                            \
         .type = GR_OPTION_DECIMAL,                                                                \
         .value = "N",                                                                             \
         .store = &(ask)->devices,                                                                 \
         .given = &(ask)->has_devices,                                                             \
         .low = 0,                                                                                 \
         .high = 16000,                                                                            \
         .digits = 3,                                                                              \
         .help = "Accelerators of each task, or a part of one (0.25). Default: 0."},               \
        {.name = "tasks",                                                                          \
         .letter = 't',                                                                            \
         .type = GR_OPTION_INT,                                                                    \
         .value = "N",                                                                             \
         .store = &(ask)->tasks,                                                                   \
         .given = &(ask)->has_tasks,                                                               \
         .low = 1,                                                                                 \
         .high = GR_TASKS_MAX,                                                                     \
         .help = "Copies of the command that start together. Default: 1."},                        \
        {.name = "cpu",                                                                            \
         .letter = 'c',                                                                            \
         .type = GR_OPTION_DECIMAL,                                                                \
         .value = "N",                                                                             \
         .store = &(ask)->cpu,                                                                     \
         .given = &(ask)->has_cpu,                                                                 \
         .low = 0,                                                                                 \
         .high = GR_CPU_MILLI_MAX,                                                                 \
         .digits = 3,                                                                              \
         .help = "Cpus of each task. Default: 1."},                                                \
        {.name = "memory",                                                                         \
         .letter = 'm',                                                                            \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "SIZE",                                                                          \
         .store = &(ask)->memory,                                                                  \
         .help = "Memory of each task: 512MiB, 80GiB. Default: no limit."},                        \
        {.name = "limit",                                                                          \
         .letter = 'l',                                                                            \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "DURATION",                                                                      \
         .store = &(ask)->limit,                                                                   \
         .help = "Time limit of an attempt: 90s, 1h30m; 0: none. Default: none."},                 \
        {.name = "priority",                                                                       \
         .letter = 'p',                                                                            \
         .type = GR_OPTION_INT,                                                                    \
         .value = "N",                                                                             \
         .store = &(ask)->priority,                                                                \
         .given = &(ask)->has_priority,                                                            \
         .low = 0,                                                                                 \
         .high = 255,                                                                              \
         .help = "Higher goes first. Default: 0."},                                                \
        {.name = "class",                                                                          \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "NAME",                                                                          \
         .store = &(ask)->class,                                                                   \
         .help = "One of the pool's classes (`granary classes`): its priority and limit."},        \
        {.name = "use",                                                                            \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "USE",                                                                           \
         .store = &(ask)->use,                                                                     \
         .help = "What it is for: train, serve, render, batch or other (default)."},               \
        {.name = "after",                                                                          \
         .type = GR_OPTION_LIST,                                                                   \
         .value = "JOB[:HOW]",                                                                     \
         .store = &(ask)->after,                                                                   \
         .help = "Wait for this job to end: ok (default), failed or any. May be given again."},    \
        {.name = "array",                                                                          \
         .letter = 'a',                                                                            \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "RANGE",                                                                         \
         .store = &(ask)->array,                                                                   \
         .help = "Once for each index: 0-9, 1-100:2, or 0-99%5 with five at a time."},             \
        {.name = "now",                                                                            \
         .type = GR_OPTION_FLAG,                                                                   \
         .store = &(ask)->now,                                                                     \
         .help = "Only if it can start at once; else nothing is submitted (exit code 5)."},        \
        {.name = "requeue",                                                                        \
         .type = GR_OPTION_INT,                                                                    \
         .value = "N",                                                                             \
         .store = &(ask)->requeue,                                                                 \
         .given = &(ask)->has_requeue,                                                             \
         .low = 1,                                                                                 \
         .high = GR_SPEC_ATTEMPTS_MAX,                                                             \
         .help = "Attempts at most, the first one counted. Default: 1."},                          \
        {.name = "requeue-on",                                                                     \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "LIST",                                                                          \
         .store = &(ask)->requeue_on,                                                              \
         .help = "What makes it be tried again: failed,node,reclaim. Default: all three."},        \
        {.name = "image",                                                                          \
         .letter = 'i',                                                                            \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "PATH[:TAG]",                                                                    \
         .store = &(ask)->image,                                                                   \
         .help = "Run in this container: a folder that is an OCI image layout or bundle."},        \
        {.name = "directory",                                                                      \
         .letter = 'C',                                                                            \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "PATH",                                                                          \
         .store = &(ask)->directory,                                                               \
         .help = "Working directory; `new` is an empty one of the job's own. Default: that of "    \
                 "the file, else this one; in a container a new one."},                            \
        {.name = "output",                                                                         \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "PATH",                                                                          \
         .store = &(ask)->output,                                                                  \
         .help = "File for what it writes, with %j job, %a index, %t task, %n attempt. Default: "  \
                 "the job's own, for `granary logs`."},                                            \
        {.name = "error",                                                                          \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "PATH",                                                                          \
         .store = &(ask)->error,                                                                   \
         .help = "File for its standard error. Default: as --output."},                            \
        {.name = "env",                                                                            \
         .letter = 'e',                                                                            \
         .type = GR_OPTION_LIST,                                                                   \
         .value = "NAME[=TEXT]",                                                                   \
         .store = &(ask)->env,                                                                     \
         .help = "Sets a variable, or passes on yours. May be given again."},                      \
        {.name = "export",                                                                         \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "LIST",                                                                          \
         .store = &(ask)->export,                                                                  \
         .help = "Which of your variables go with it: all, none, or names (A,B,LC_*). Default: "   \
                 "HOME,LANG,LC_*,LOGNAME,PATH,SHELL,TZ,USER; into a container none."},             \
        {.name = "secret",                                                                         \
         .type = GR_OPTION_LIST,                                                                   \
         .value = "NAME=FILE",                                                                     \
         .store = &(ask)->secrets,                                                                 \
         .help = "A variable that is read from the file, as you, when a task starts; stored "      \
                 "nowhere. May be given again."},                                                  \
        {.name = "umask",                                                                          \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "OCTAL",                                                                         \
         .store = &(ask)->umask,                                                                   \
         .help = "Which permissions new files lack. Default: that of the file, else yours."},      \
        {.name = "stop-signal",                                                                    \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "SIGNAL",                                                                        \
         .store = &(ask)->stop_signal,                                                             \
         .help = "Sent when it is stopped or its time is over. Default: TERM."},                   \
        {.name = "grace",                                                                          \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "DURATION",                                                                      \
         .store = &(ask)->grace,                                                                   \
         .help = "From that signal to KILL. Default: 30s."},                                       \
        {.name = "notice",                                                                         \
         .type = GR_OPTION_TEXT,                                                                   \
         .value = "DURATION",                                                                      \
         .store = &(ask)->notice,                                                                  \
         .help = "Send it a signal so long before its time limit. Default: none."},                \
    {                                                                                              \
        .name = "notice-signal", .type = GR_OPTION_TEXT, .value = "SIGNAL",                        \
        .store = &(ask)->notice_signal, .help = "Which one. Default: USR1."                        \
    }

struct gr_client;

// The jobs that the command line asks for: those of the file, or one without it.
struct gr_cli_asked {
    struct gr_arena arena; // what the specs point to
    struct gr_spec_file file;
    bool has_file; // else the command line alone says it
};

// Reads the job file, if there is one. Errors as gr_spec_file_read; -EINVAL if there is neither a
// file nor a command. *ret_asked is ended with gr_cli_asked_done.
int gr_cli_ask_read(const struct gr_cli_ask *ask, struct gr_cli_asked *ret_asked,
                    struct gr_err *err);
// Releases what was read.
void gr_cli_asked_done(struct gr_cli_asked *asked);
// The body for job `index`: the file's spec with the options laid over it and what is this user's:
// environment, directory, umask. `ids` are the numbers of the file's jobs before it; NULL (nothing
// is submitted) leaves out what waits for them. `client` finds the jobs of --after. The caller owns
// *ret_body. -EINVAL with the field and what is wrong; else as gr_client_send.
int gr_cli_ask_body(const struct gr_cli_ask *ask, struct gr_cli_asked *asked, size_t index,
                    const uint64_t *ids, struct gr_client *client, json_t **ret_body,
                    struct gr_err *err);
