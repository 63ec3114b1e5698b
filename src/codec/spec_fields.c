// The fields of a job file: see spec_fields.h. A new field is one line here, one in struct gr_spec,
// and one in docs/formats/job.md, which a test compares with these.
#include "codec/spec_fields.h"

#include "codec/spec_json.h"
#include "model/demand.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#define NAME(name) name, sizeof(name) - 1
#define AT(field) offsetof(struct gr_spec, field)

const char gr_spec_new[] = "";
const char *const gr_spec_after_words[] = {"ok", "failed", "any", NULL};
const char *const gr_spec_use_words[] = {"other", "train", "serve", "render", "batch", NULL};
static_assert(sizeof gr_spec_after_words / sizeof(char *) == GR_AFTERS + 1, "a word each");
static_assert(sizeof gr_spec_use_words / sizeof(char *) == GR_USES + 1, "a word each");

static const char *const requeue_words[] = {"failed", "node", "reclaim", "move", NULL};

static const struct gr_spec_field array_fields[] = {
    {NAME("first"), GR_SPEC_WHOLE, AT(array_first), 0, INT32_MAX, .value = "number",
     .help = "Index of the first element. Default: 0."},
    {NAME("last"), GR_SPEC_LAST, AT(array_count), 0, INT32_MAX, .value = "number",
     .help = "Index that is not passed. Must be given."},
    {NAME("step"), GR_SPEC_WHOLE, AT(array_step), 1, INT32_MAX, .value = "number",
     .help = "From one index to the next. Default: 1."},
    {NAME("parallel"), GR_SPEC_WHOLE, AT(array_parallel), 0, GR_SPEC_ARRAY_MAX, .value = "number",
     .help = "Elements that may run at a time. Default: 0, all."},
    {NULL},
};

static const struct gr_spec_field requeue_fields[] = {
    {NAME("attempts"), GR_SPEC_WHOLE, AT(attempts), 1, GR_SPEC_ATTEMPTS_MAX, .value = "1 to 1000",
     .help = "Attempts at most, the first one counted. Default: 1."},
    {NAME("on"), GR_SPEC_BITS, AT(requeue_on), .words = requeue_words,
     .value = "list of failed, node, reclaim, move",
     .help = "What makes it be tried again: the work failed by itself; its node or device failed; "
             "the pool took the room back; the pool moves it elsewhere so that another fits. The "
             "last two count no attempt. Default: reclaim, and with several attempts failed and "
             "node, too."},
    {NAME("part"), GR_SPEC_FLAG, AT(requeue_on), 0, GR_REQUEUE_PART, .value = "true or false",
     .help =
         "Whether tasks lost with their node or device are replaced while the others of the gang "
         "run on. Default: false."},
    {NULL},
};

static const struct gr_spec_field stop_fields[] = {
    {NAME("signal"), GR_SPEC_SIGNAL, AT(stop_signal), .value = "signal",
     .help = "Sent to all tasks when the job is stopped or its time is over. Default: TERM."},
    {NAME("grace"), GR_SPEC_TIME, AT(grace_ms), 0, GR_SPEC_MS_MAX, .value = "duration",
     .help = "From that signal to KILL. Default: 30s."},
    {NULL},
};

static const struct gr_spec_field notice_fields[] = {
    {NAME("signal"), GR_SPEC_SIGNAL, AT(notice_signal), .value = "signal",
     .help = "Sent to all tasks before the time limit, so that they can save their work. Default: "
             "USR1."},
    {NAME("before"), GR_SPEC_TIME, AT(notice_ms), 1, GR_SPEC_MS_MAX, .value = "duration",
     .help = "How long before the limit. Must be given."},
    {NULL},
};

const struct gr_spec_field gr_spec_fields[] = {
    {NAME("name"), GR_SPEC_TEXT, AT(name), .value = "text",
     .help = "For people; need not be unique. At most 127 bytes."},
    {NAME("kind"), GR_SPEC_KIND, AT(kind), .value = "kind, or list of kinds",
     .help = "Which accelerator: a variant (h20), a named kind, several in order of preference "
             "(h100|h200). Must be given with devices."},
    {NAME("tasks"), GR_SPEC_WHOLE, AT(tasks), 1, GR_TASKS_MAX, .value = "1 to 65536",
     .help = "Copies of the command that start together, each with the devices, cpu and memory "
             "below. Default: 1."},
    {NAME("devices"), GR_SPEC_DEVICES, AT(devices), 0, 16000, .value = "0 to 16, or 0.001 to 0.999",
     .help = "Accelerators of each task, or a part of one. Default: 0."},
    {NAME("milli"), GR_SPEC_WHOLE, AT(milli), 1, GR_DEVICE_MILLI, .value = "1 to 1000",
     .help = "Thousandths of one device: milli: 250 is devices: 0.25. Default: 1000."},
    {NAME("domain"), GR_SPEC_TEXT, AT(domain), .value = "level, or level:tasks",
     .help = "What all tasks must lie in together: one fabric, block, rack or link (devices on one "
             "fast connection); rack:8 means 8 tasks in each rack. Default: anywhere."},
    {NAME("cpu"), GR_SPEC_THOUSAND, AT(cpu_milli), 0, GR_CPU_MILLI_MAX, .value = "0 to 100000",
     .help = "Cpus of each task, with up to three decimal places. Default: 1."},
    {NAME("memory"), GR_SPEC_MEMORY, AT(memory_mib), 0, GR_MEMORY_MIB_MAX, .value = "size",
     .help = "Memory of each task, a limit and a promise. Default: no limit and none counted."},
    {NAME("limit"), GR_SPEC_TIME, AT(limit_ms), 0, GR_SPEC_MS_MAX, .value = "duration",
     .help = "Time limit of an attempt. Default: 0, none."},
    {NAME("priority"), GR_SPEC_WHOLE, AT(priority), 0, 255, .value = "0 to 255",
     .help = "Higher goes first. Default: 0, or that of the class."},
    {NAME("class"), GR_SPEC_TEXT, AT(class), .value = "name",
     .help = "One of the pool's classes, which says its priority and how long it may run. Default: "
             "none."},
    {NAME("use"), GR_SPEC_WORD, AT(use), .words = gr_spec_use_words,
     .value = "other, train, serve, render or batch",
     .help = "What the work is for. Default: other."},
    {NAME("after"), GR_SPEC_AFTER, AT(after), .value = "mapping or list of jobs",
     .help = "Jobs that must end first, each with how: ok (done), failed (ended otherwise) or any. "
             "At most 256."},
    {NAME("array"), GR_SPEC_ARRAY, AT(array_count), .fields = array_fields,
     .value = "mapping, or text FIRST-LAST:STEP%PARALLEL",
     .help = "The job once for each index. At most 65536 elements."},
    {NAME("requeue"), GR_SPEC_GROUP, 0, .fields = requeue_fields, .value = "mapping",
     .help = "Whether it is tried again."},
    {NAME("stop"), GR_SPEC_GROUP, 0, .fields = stop_fields, .value = "mapping",
     .help = "How it is stopped."},
    {NAME("notice"), GR_SPEC_GROUP, 0, .fields = notice_fields, .value = "mapping",
     .help = "A signal before the time limit."},
    {NAME("image"), GR_SPEC_PATH, AT(image), .value = "path, or path:tag",
     .help = "Run in this container: a folder that is an OCI image layout or bundle."},
    {NAME("directory"), GR_SPEC_DIRECTORY, AT(directory), .value = "path, or new",
     .help = "Working directory; new is an empty one of the attempt, which its tasks on a machine "
             "share. Default: new; granary submit gives the one that it is called in, "
             "except with an image."},
    {NAME("output"), GR_SPEC_TEXT, AT(output), .value = "path with patterns",
     .help = "File for standard output (and errors, if error is not given), below the working "
             "directory or absolute. Default: the attempt's own, for granary logs."},
    {NAME("error"), GR_SPEC_TEXT, AT(error), .value = "path with patterns",
     .help = "File for standard error. Default: the same as output."},
    {NAME("umask"), GR_SPEC_OCTAL, AT(umask), 0, 0777, .value = "octal text",
     .help = "Which permissions new files lack. Default: \"022\"."},
    {NAME("env"), GR_SPEC_MAP, AT(env), .value = "mapping of names to texts",
     .help = "Environment variables. At most 4096."},
    {NAME("secrets"), GR_SPEC_FILES, AT(secrets), .value = "mapping of names to paths",
     .help = "Environment variables whose values are read from files, as you, when a task starts; "
             "they are stored nowhere. At most 64."},
    {NAME("command"), GR_SPEC_COMMAND, AT(argv), .value = "list of texts, or one text",
     .help = "What each task runs: a program and its arguments, or a text for /bin/sh -c."},
    {NAME("script"), GR_SPEC_SCRIPT, AT(argv), .value = "text",
     .help = "In place of command: a program text. Its first line may name what runs it "
             "(#!/bin/bash); otherwise /bin/sh does."},
    {NULL},
};

// Words of other systems, and the field here that does it.
static const struct {
    const char *word;
    const char *ours;
} others[] = {
    {"accelerator", "'kind' and 'devices'"},
    {"accelerators", "'kind' and 'devices'"},
    {"args", "'command'"},
    {"chdir", "'directory'"},
    {"cmd", "'command'"},
    {"comment", "'name'"},
    {"constraint", "'kind'"},
    {"container", "'image'"},
    {"cpus", "'cpu'"},
    {"cpus_per_task", "'cpu'"},
    {"cwd", "'directory'"},
    {"depends_on", "'after'"},
    {"dependency", "'after'"},
    {"environment", "'env'"},
    {"envs", "'env'"},
    {"gpu", "'devices'"},
    {"gpus", "'devices'"},
    {"gpu_type", "'kind'"},
    {"gres", "'devices' and 'kind'"},
    {"id", "'name'"},
    {"job_name", "'name'"},
    {"max_restarts", "'requeue'"},
    {"mem", "'memory'"},
    {"mem_per_cpu", "'memory', for each task"},
    {"needs", "'after'"},
    {"node_selector", "'kind'"},
    {"nodes", "'tasks'"},
    {"ntasks", "'tasks'"},
    {"num_nodes", "'tasks'"},
    {"parallelism", "'tasks', or 'array'"},
    {"partition", "'kind'"},
    {"placement_group", "'domain'"},
    {"priority_class", "'class'"},
    {"priority_class_name", "'class'"},
    {"qos", "'class'"},
    {"quality_of_service", "'class'"},
    {"replicas", "'tasks'"},
    {"resources", "'kind', 'devices', 'cpu' and 'memory', at the outermost level"},
    {"restart", "'requeue'"},
    {"retries", "'requeue'"},
    {"run", "'script'"},
    {"secret", "'secrets'"},
    {"shell", "'script'"},
    {"signal", "'notice' or 'stop'"},
    {"stderr", "'error'"},
    {"stdout", "'output'"},
    {"switches", "'domain'"},
    {"time", "'limit'"},
    {"time_limit", "'limit'"},
    {"timeout", "'limit'"},
    {"topology", "'domain'"},
    {"wall_time", "'limit'"},
    {"walltime", "'limit'"},
    {"workdir", "'directory'"},
    {"working_dir", "'directory'"},
};

// Whether the key is the word, with or without its '_' or with '-' in their place.
static bool is_word(struct gr_slice key, const char *word)
{
    size_t at = 0;
    for (; *word != '\0'; word++) {
        bool gap = at < key.size && (key.text[at] == '_' || key.text[at] == '-');
        if (*word == '_') {
            at += gap;
        } else if (at < key.size && (key.text[at] | 0x20) == *word) {
            at++;
        } else {
            return false;
        }
    }
    return at == key.size;
}

const char *gr_spec_other_word(struct gr_slice key)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (is_word(key, others[i].word)) {
            return others[i].ours;
        }
    }
    return NULL;
}
