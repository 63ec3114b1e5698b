// Specs: how fast a job with a command of 6 words, 10 variables and limits is written as bytes,
// read and checked, hashed, and read from JSON and written as bytes.
#include "bench.h"

#include "base/hash.h"
#include "codec/spec_json.h"
#include "model/spec_bytes.h"

#include <errno.h>
#include <string.h>

#define COUNT 200000

static const char json[] =
    "{\"name\":\"train-7\",\"command\":[\"python3\",\"train.py\",\"--config\",\"configs/"
    "base.yaml\","
    "\"--rate\",\"0.001\"],\"env\":{\"PATH\":\"/usr/local/bin:/usr/bin:/bin\",\"HOME\":"
    "\"/srv/alice\",\"LANG\":\"C.UTF-8\",\"OMP_NUM_THREADS\":\"8\",\"NCCL_DEBUG\":\"WARN\","
    "\"SEED\":\"17\",\"RUN\":\"night-7\",\"DATA\":\"/data/set-12\",\"STEPS\":\"100000\",\"MODE\":"
    "\"full\"},\"directory\":\"/srv/alice/run\",\"kind\":\"h20\",\"tasks\":2,\"devices\":8,"
    "\"cpu\":16,\"memory\":\"128GiB\",\"limit\":\"1h30m\",\"priority\":5,\"use\":\"train\","
    "\"requeue\":{\"attempts\":3,\"on\":[\"node\",\"reclaim\"]}}";

struct work {
    struct gr_arena arena;
    struct gr_spec spec; // what the JSON says; in the arena
    long size;           // of its bytes
    uint8_t bytes[4096];
    uint8_t last[4096]; // what the last run made from JSON
    struct gr_spec_room room;
    struct gr_spec back;
};

static int read_json(struct gr_arena *arena, struct gr_spec *spec, struct gr_err *err)
{
    struct gr_spec_input input = {.arena = arena};
    return gr_spec_from_json_bytes(&input, json, sizeof json - 1, spec, err);
}

static int spec_begin(void *context, struct gr_err *err)
{
    struct work *work = context;
    int code = read_json(&work->arena, &work->spec, err);
    if (code == 0) {
        work->size = gr_spec_encode(&work->spec, work->bytes, sizeof work->bytes);
        code = work->size < 0 ? gr_fail(err, (int)work->size, "the spec is too large") : 0;
    }
    return code;
}

static int run_json(struct work *work, double *ret_us, struct gr_err *err)
{
    struct gr_arena arena = {0};
    struct gr_spec spec;
    int code = 0;
    double begin = gr_bench_now_s();
    for (int i = 0; i < COUNT && code == 0; i++) {
        gr_arena_reset(&arena);
        code = read_json(&arena, &spec, err);
        if (code == 0 && gr_spec_encode(&spec, work->last, sizeof work->last) != work->size) {
            code = gr_fail(err, -EIO, "the spec has another size each time");
        }
    }
    *ret_us = (gr_bench_now_s() - begin) / COUNT * 1e6;
    gr_arena_done(&arena);
    return code;
}

static int spec_run(void *context, double *ret_values, struct gr_err *err)
{
    struct work *work = context;
    long size = 0;
    double begin = gr_bench_now_s();
    for (int i = 0; i < COUNT; i++) {
        size += gr_spec_encode(&work->spec, work->last, sizeof work->last);
    }
    ret_values[0] = COUNT / (gr_bench_now_s() - begin);
    begin = gr_bench_now_s();
    for (int i = 0; i < COUNT; i++) {
        int code = gr_spec_decode(work->last, (size_t)work->size, &work->room, &work->back, err);
        if (code < 0) {
            return code;
        }
    }
    ret_values[1] = COUNT / (gr_bench_now_s() - begin);
    begin = gr_bench_now_s();
    for (int i = 0; i < COUNT; i++) {
        struct gr_hash hash;
        uint8_t digest[GR_HASH_SIZE];
        gr_hash_init(&hash);
        gr_hash_add(&hash, work->last, (size_t)work->size);
        gr_hash_end(&hash, digest);
        size += digest[0] & 1;
    }
    ret_values[2] = COUNT / (gr_bench_now_s() - begin);
    return size < COUNT * work->size ? gr_fail(err, -EIO, "a spec was not written")
                                     : run_json(work, &ret_values[3], err);
}

// What came out of JSON, and what was read from bytes, is the spec.
static int spec_audit(void *context, struct gr_err *err)
{
    struct work *work = context;
    uint8_t again[4096];
    if (memcmp(work->last, work->bytes, (size_t)work->size) != 0 ||
        gr_spec_encode(&work->back, again, sizeof again) != work->size ||
        memcmp(again, work->bytes, (size_t)work->size) != 0) {
        return gr_fail(err, -EIO, "the spec came back changed");
    }
    return work->spec.argv.count == 6 && work->spec.env.count == 10
               ? 0
               : gr_fail(err, -EIO, "the spec is not the one that was to be measured");
}

static void spec_end(void *context)
{
    struct work *work = context;
    gr_arena_done(&work->arena);
}

static struct work work;

static const struct gr_bench_figure figures[] = {
    {"spec_encode_per_s", "specs/s", "limit", 2500000},
    {"spec_decode_per_s", "specs/s", "limit", 1000000},
    {"spec_hash_per_s", "specs/s", "limit", 500000},
    {"spec_json_us", "us", "limit", 8},
};

static const struct gr_bench benches[] = {
    {figures, 4, 11, &work, spec_begin, spec_run, spec_audit, spec_end},
};

int main(int argc, char **argv)
{
    return gr_bench_main(argc, argv, benches, sizeof benches / sizeof *benches);
}
