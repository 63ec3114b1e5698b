// Fuzzes what reads a journal's files: any bytes as file, log, head, sealed part or snapshot are
// read, or are an error with a text; nothing crashes.
//
// The first byte chooses the file; from 128 on what follows are changes of a good file (two bytes
// say where, the third what), below it is the whole file.
#include "fuzz.h"

#include "journal/disk.h"
#include "journal/journal.h"
#include "journal/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 5, GOOD_MAX = 1 << 17, PATH_SIZE = 200 };

static const char *const names[FILES] = {"journal.db", "journal.db-wal", "head",
                                         "sealed/00000000000000000001-00000000000000000002.sealed",
                                         "00000000000000000005.snapshot"};

static char root[64]; // made once, removed at the end
static uint8_t good[FILES][GOOD_MAX];
static size_t good_size[FILES];

static void path_of(size_t file, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%s", root, names[file]);
}

static void remove_root(void)
{
    (void)gr_disk_remove_dir(root, NULL);
}

static void append(struct gr_journal *journal)
{
    struct gr_journal_tip tip = gr_journal_tip_get(journal);
    struct gr_err err;
    struct gr_journal_group group = {
        .first = tip.sequence + 1,
        .last = tip.sequence + 2,
        .epoch = tip.epoch,
        .payload = (const uint8_t *)"payload payload payload",
        .payload_size = 23,
        .aside = (const uint8_t *)"aside",
        .aside_size = 5,
    };
    int rc = gr_journal_append(journal, &group, tip.sequence, &err);
    assert(rc == 0);
    rc = gr_journal_wait(journal, &err);
    assert(rc == 1);
    (void)rc;
}

static void keep_file(size_t file)
{
    char path[PATH_SIZE];
    path_of(file, path);
    FILE *in = fopen(path, "rbe");
    assert(in != NULL);
    good_size[file] = fread(good[file], 1, GOOD_MAX, in);
    fclose(in);
}

static void write_file(size_t file, const uint8_t *bytes, size_t size)
{
    char path[PATH_SIZE];
    path_of(file, path);
    FILE *out = fopen(path, "wbe");
    assert(out != NULL);
    size_t done = fwrite(bytes, 1, size, out);
    assert(done == size);
    (void)done;
    fclose(out);
}

// Makes good files of each kind and keeps their bytes.
static void make_good(void)
{
    struct gr_err err;
    struct gr_journal *journal;
    struct gr_snapshot_writer *writer;
    const struct gr_snapshot_mark mark = {.sequence = 5};
    const char *shared_memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(root, sizeof root, "%s/granary-fuzz-XXXXXX", shared_memory);
    char *made = mkdtemp(root);
    assert(made != NULL);
    atexit(remove_root);
    const struct gr_journal_config config = {.dir = root};
    int rc = gr_journal_open(&config, &journal, &err);
    assert(rc == 0);
    append(journal);
    append(journal);
    gr_journal_close(journal);
    rc = gr_journal_seal(root, 3, &err);
    assert(rc == 1);
    rc = gr_journal_open(&config, &journal, &err);
    assert(rc == 0);
    append(journal);
    for (size_t i = 0; i < 4; i++) {
        keep_file(i); // with the log, while the writer has it open
    }
    gr_journal_close(journal);
    rc = gr_snapshot_create(root, &mark, &writer, &err);
    assert(rc == 0);
    rc = gr_snapshot_write(writer, "state", 5, &err);
    assert(rc == 0);
    rc = gr_snapshot_commit(writer, 1, &err);
    assert(rc == 0);
    keep_file(4);
    (void)rc;
    (void)made;
}

// Writes all files, one of them as the input says.
static void write_files(size_t file, bool is_change, const uint8_t *data, size_t size)
{
    static uint8_t changed[GOOD_MAX];
    char index[PATH_SIZE];
    snprintf(index, sizeof index, "%s/journal.db-shm", root);
    (void)unlink(index);
    for (size_t i = 0; i < FILES; i++) {
        if (i != file) {
            write_file(i, good[i], good_size[i]);
        } else if (!is_change) {
            write_file(i, data, size);
        } else {
            memcpy(changed, good[i], good_size[i]);
            for (size_t at = 0; at + 3 <= size; at += 3) {
                changed[((size_t)data[at] << 8 | data[at + 1]) % good_size[i]] = data[at + 2];
            }
            write_file(i, changed, good_size[i]);
        }
    }
}

static void read_all(void)
{
    struct gr_journal_reader *reader;
    struct gr_journal_group group = {0};
    struct gr_err err = {0};
    int rc = gr_journal_reader_open(root, 1, &reader, &err);
    if (rc < 0) {
        assert(err.text[0] != '\0');
        return;
    }
    uint64_t last = 0;
    while ((rc = gr_journal_reader_next(reader, &group, &err)) == 1) {
        assert(group.first == last + 1 && group.last >= group.first && group.payload_size > 0);
        last = group.last;
    }
    assert(rc == 0 || err.text[0] != '\0');
    rc = gr_journal_reader_find(reader, 3, &group, &err);
    assert(rc != 1 || (group.first <= 3 && group.last >= 3));
    gr_journal_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gr_journal_verified verified;
    struct gr_snapshot *snapshot;
    struct gr_err err = {0};
    if (size == 0) {
        return 0;
    }
    if (root[0] == '\0') {
        make_good();
    }
    size_t file = data[0] % 128 % FILES;
    write_files(file, data[0] >= 128, data + 1, size - 1);
    int rc = gr_journal_verify(root, NULL, NULL, &verified, &err);
    assert(rc == 0 || err.text[0] != '\0');
    read_all();
    if (gr_snapshot_open(root, UINT64_MAX, NULL, 0, &snapshot, &err) == 0) {
        size_t bytes;
        const uint8_t *state = gr_snapshot_bytes(snapshot, &bytes);
        assert(bytes == 5 && memcmp(state, "state", 5) == 0); // its hash stands for that
        gr_snapshot_close(snapshot);
    }
    return 0;
}
