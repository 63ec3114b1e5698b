// ceiling_check: verifies the certificate of a ceiling, exactly, and prints the bound it proves.
//
//     ceiling_check CERTIFICATE
//     ceiling_check CERTIFICATE --nodes NODES.csv --jobs JOBS.csv --order ORDER.txt --seed S
//                   --arrivals N [--load L]
//
// The first form proves the bound for the instance that the certificate states; cuts, if it has
// any, are taken on trust. The second also derives the instance and the limits of the cuts from the
// trace itself, at the arrivals after which the load rounds to L percent (default 100), and refuses
// the certificate unless they agree. Prints the bound in milli of a device; " protocol" after it
// says that the certificate has cuts, so that the bound holds for policies that follow the rules
// (docs/design/ceiling.md), not for any packing.
//
// Shares no code with granary, uses integers only, and links nothing but libc. Exit status: 0
// proved; 1 refused, one line on stderr says why; 2 wrong usage or unreadable file.
#include "certificate.h"
#include "proof.h"
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REFUSED = 1, WRONG_USE = 2, FILE_SIZE_MAX = 1 << 26 };

struct options {
    const char *certificate, *nodes, *jobs, *order;
    uint64_t seed, arrivals, load;
    bool has_seed, has_arrivals;
};

static bool parse_number(const char *text, uint64_t max, uint64_t *ret_value)
{
    struct cursor cursor = {.at = text, .end = text + strlen(text), .line = 1};
    return cursor_number(&cursor, 10, max, "", ret_value) && cursor.at == cursor.end;
}

static bool parse_option(const char *name, const char *value, struct options *options)
{
    if (strcmp(name, "--nodes") == 0) {
        options->nodes = value;
    } else if (strcmp(name, "--jobs") == 0) {
        options->jobs = value;
    } else if (strcmp(name, "--order") == 0) {
        options->order = value;
    } else if (strcmp(name, "--seed") == 0) {
        options->has_seed = parse_number(value, INT64_MAX, &options->seed);
        return options->has_seed;
    } else if (strcmp(name, "--arrivals") == 0) {
        options->has_arrivals = parse_number(value, INT32_MAX, &options->arrivals);
        return options->has_arrivals;
    } else {
        return strcmp(name, "--load") == 0 && parse_number(value, 1000, &options->load) &&
               options->load > 0;
    }
    return true;
}

static bool parse_options(int argc, char **argv, struct options *ret_options)
{
    struct options options = {.load = 100};
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            if (i + 1 == argc || !parse_option(argv[i], argv[i + 1], &options)) {
                return false;
            }
            i++;
        } else if (options.certificate == NULL) {
            options.certificate = argv[i];
        } else {
            return false;
        }
    }
    int given = (options.nodes != NULL) + (options.jobs != NULL) + (options.order != NULL) +
                options.has_seed + options.has_arrivals;
    *ret_options = options;
    return options.certificate != NULL && (given == 0 || given == 5);
}

// Reads a whole file, which ends in a NUL then; NULL, and why on stderr, if it cannot be.
static char *read_file(const char *path, size_t *ret_size)
{
    FILE *in = fopen(path, "re");
    char *text = in != NULL ? malloc(FILE_SIZE_MAX + 1) : NULL;
    size_t size = text != NULL ? fread(text, 1, FILE_SIZE_MAX + 1, in) : 0;
    if (text == NULL || ferror(in) || size > FILE_SIZE_MAX) {
        fprintf(stderr, "ceiling_check: %s: %s\n", path,
                size > FILE_SIZE_MAX ? "longer than 64 MiB" : strerror(errno));
        free(text);
        text = NULL;
    } else {
        text[size] = '\0';
        *ret_size = size;
    }
    if (in != NULL) {
        fclose(in);
    }
    return text;
}

// Whether the files hold the trace that the certificate is about. 0, REFUSED or WRONG_USE.
static int check_trace(const struct options *options, struct certificate *certificate,
                       struct reason *ret_why)
{
    struct trace trace = {0};
    size_t size = 0;
    int status = WRONG_USE;
    char *nodes = read_file(options->nodes, &size), *jobs = read_file(options->jobs, &size);
    char *order = read_file(options->order, &size);
    if (nodes != NULL && jobs != NULL && order != NULL) {
        bool is_same = trace_read(nodes, jobs, &trace, ret_why) &&
                       trace_play(&trace, certificate, order, options->seed, options->arrivals,
                                  options->load, ret_why) &&
                       trace_matches(&trace, certificate, ret_why);
        status = is_same ? 0 : REFUSED;
    }
    trace_done(&trace);
    free(nodes);
    free(jobs);
    free(order);
    return status;
}

static int check(const struct options *options)
{
    struct certificate certificate = {0};
    struct reason why = {""};
    size_t size = 0;
    char *text = read_file(options->certificate, &size);
    if (text == NULL) {
        return WRONG_USE;
    }
    bool is_proved =
        certificate_read(text, size, &certificate, &why) && proof_check(&certificate, &why);
    int64_t bound = certificate.bound;
    bool has_cuts = certificate.cut_count > 0;
    int status = is_proved ? 0 : REFUSED;
    if (is_proved && options->nodes != NULL) {
        status = check_trace(options, &certificate, &why);
    }
    if (status == 0) {
        printf("%" PRId64 "%s\n", bound, has_cuts ? " protocol" : "");
    } else if (status == REFUSED) {
        fprintf(stderr, "ceiling_check: %s: refused: %s\n", options->certificate, why.text);
    }
    certificate_done(&certificate);
    free(text);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    if (!parse_options(argc, argv, &options)) {
        fprintf(stderr, "usage: ceiling_check CERTIFICATE [--nodes FILE --jobs FILE --order FILE "
                        "--seed S --arrivals N [--load L]]\n");
        return WRONG_USE;
    }
    int status = check(&options);
    if (fflush(stdout) != 0) {
        fprintf(stderr, "ceiling_check: standard output: %s\n", strerror(errno));
        return WRONG_USE;
    }
    return status;
}
