// A server under load, from the command line: requests at a fixed rate over many connections, and
// how long each took from when it was due. With a rate of 0 it asks as fast as replies come.
//
//     open_loop --server unix:PATH --rate 20000 --connections 64 --seconds 10
//         --path /v1/jobs --body @job.json
//
// Prints one line:
//
//     sent N replied N ok N rate R/s p50 MS p90 MS p99 MS p99.9 MS max MS
//
// Exit code 0 only if every request got a reply with a status of 2xx.
#include "bench.h"
#include "load.h"

#include "base/file.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: open_loop --server unix:PATH|PORT --path PATH [OPTION ...]\n"
    "  --rate N          requests a second; 0: as fast as replies come (default 1000)\n"
    "  --connections N   default 64\n"
    "  --seconds N       default 10\n"
    "  --warm-up N       seconds before, not counted (default 1)\n"
    "  --method WORD     default GET, with a body POST\n"
    "  --body TEXT|@FILE JSON unless --type; {n} becomes the request's number\n"
    "  --type TYPE       of the body (default application/json)\n"
    "  --token TEXT      for TCP\n"
    "  --idempotent      give every request a key of its own\n";

struct options {
    const char *server, *body, *type, *token;
    double warm_up_s;
    bool is_idempotent;
};

static bool options_read(int argc, char **argv, struct options *options,
                         struct gr_load_config *config)
{
    static const struct option known[] = {
        {"server", 1, NULL, 's'},  {"path", 1, NULL, 'p'},        {"rate", 1, NULL, 'r'},
        {"seconds", 1, NULL, 't'}, {"connections", 1, NULL, 'c'}, {"warm-up", 1, NULL, 'w'},
        {"method", 1, NULL, 'm'},  {"body", 1, NULL, 'b'},        {"type", 1, NULL, 'y'},
        {"token", 1, NULL, 'k'},   {"idempotent", 0, NULL, 'i'},  {NULL, 0, NULL, 0},
    };
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 's':
            options->server = optarg;
            break;
        case 'p':
            config->path = optarg;
            break;
        case 'r':
            config->rate = strtod(optarg, NULL);
            break;
        case 't':
            config->seconds = strtod(optarg, NULL);
            break;
        case 'c':
            config->connections = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'w':
            options->warm_up_s = strtod(optarg, NULL);
            break;
        case 'm':
            config->method = optarg;
            break;
        case 'b':
            options->body = optarg;
            break;
        case 'y':
            options->type = optarg;
            break;
        case 'k':
            options->token = optarg;
            break;
        case 'i':
            options->is_idempotent = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc && options->server != NULL && config->path != NULL;
}

static void result_print(const struct gr_load_config *config, struct gr_load_result *result)
{
    static const struct {
        const char *name;
        unsigned parts, of;
    } percentiles[] = {
        {"p50", 50, 100}, {"p90", 90, 100}, {"p99", 99, 100}, {"p99.9", 999, 1000}, {"max", 1, 1}};
    printf("sent %llu replied %llu ok %llu rate %.0f/s", (unsigned long long)result->sent,
           (unsigned long long)result->replied, (unsigned long long)result->ok,
           (double)result->replied / result->seconds);
    for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]) && result->replied > 0;
         i++) {
        uint64_t latency = gr_bench_percentile(result->latencies, (size_t)result->replied,
                                               percentiles[i].parts, percentiles[i].of);
        printf(" %s %.3f", percentiles[i].name, (double)latency / 1e6);
    }
    printf("%s\n", config->rate > 0 ? " ms from when each was due" : " ms");
    if (result->other_status != 0) {
        printf("first other status: %u\n", result->other_status);
    }
}

static int load_put(struct gr_load_config *config, double warm_up_s, struct gr_err *err)
{
    struct gr_load_result result;
    double seconds = config->seconds;
    int code = 0;
    if (warm_up_s > 0) {
        config->seconds = warm_up_s;
        code = gr_load_run(config, &result, err);
        config->seconds = seconds;
        if (code == 0) {
            gr_load_result_done(&result);
        }
    }
    code = code != 0 ? code : gr_load_run(config, &result, err);
    if (code != 0) {
        return code;
    }
    result_print(config, &result);
    bool is_good = result.ok == result.sent && result.sent > 0;
    gr_load_result_done(&result);
    return is_good ? 0 : gr_fail(err, -EIO, "not every request got a reply with a status of 2xx");
}

int main(int argc, char **argv)
{
    struct options options = {.type = "application/json", .warm_up_s = 1};
    struct gr_load_config config = {.connections = 64, .rate = 1000, .seconds = 10};
    struct gr_err err;
    gr_err_init(&err);
    if (!options_read(argc, argv, &options, &config)) {
        fputs(usage, stderr);
        return 2;
    }
    if (strncmp(options.server, "unix:", 5) == 0) {
        config.unix_path = options.server + 5;
    } else {
        config.port = (unsigned)strtoul(options.server, NULL, 10);
    }
    char *bytes = NULL;
    size_t size = 0;
    if (options.body != NULL && options.body[0] == '@' &&
        gr_file_read(options.body + 1, (size_t)256 << 10, &bytes, &size, &err) != 0) {
        fprintf(stderr, "open_loop: %s\n", err.text);
        return 1;
    }
    char *file_body = bytes == NULL ? NULL : strndup(bytes, size);
    free(bytes);
    config.body = file_body != NULL ? file_body : options.body;
    if (config.method == NULL) {
        config.method = config.body != NULL ? "POST" : "GET";
    }
    char headers[1024];
    snprintf(headers, sizeof(headers), "%s%s%s%s%s%s%s",
             config.body != NULL ? "Content-Type: " : "", config.body != NULL ? options.type : "",
             config.body != NULL ? "\r\n" : "",
             options.token != NULL ? "Authorization: Bearer " : "",
             options.token != NULL ? options.token : "", options.token != NULL ? "\r\n" : "",
             options.is_idempotent ? "Idempotency-Key: open-loop-{n}\r\n" : "");
    config.headers = headers;
    int code = load_put(&config, options.warm_up_s, &err);
    if (code != 0) {
        fprintf(stderr, "open_loop: %s\n", err.text);
    }
    free(file_body);
    return code == 0 ? 0 : 1;
}
