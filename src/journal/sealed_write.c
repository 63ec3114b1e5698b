// Writing sealed parts: see sealed.h. The header comes last: a file without one is no part.
#include "journal/sealed.h"

#include "journal/chain.h"
#include "journal/disk.h"
#include "journal/sealed_form.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct gr_sealed_writer {
    int fd;
    struct gr_journal_tip before;
    uint64_t first, last; // of the groups so far
    uint64_t count;
    uint64_t at;    // offset of the next group
    uint8_t *index; // entries
    size_t index_room;
    char path[GR_DISK_PATH_SIZE];
};

int gr_sealed_create(const char *path, const struct gr_journal_tip *before,
                     struct gr_sealed_writer **ret_writer, struct gr_err *err)
{
    assert(path != NULL && before != NULL);
    struct gr_sealed_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL || strlen(path) >= sizeof writer->path) {
        free(writer);
        return gr_fail(err, writer == NULL ? -ENOMEM : -ENAMETOOLONG, "%.200s: cannot be written",
                       path);
    }
    memcpy(writer->path, path, strlen(path) + 1);
    writer->before = *before;
    writer->at = SEALED_HEADER;
    writer->fd = gr_disk_open(path, O_WRONLY | O_CREAT | O_TRUNC, err);
    if (writer->fd < 0) {
        int rc = writer->fd;
        free(writer);
        return rc;
    }
    *ret_writer = writer;
    return 0;
}

// Notes where the group lies.
static int add_entry(struct gr_sealed_writer *writer, uint64_t last, struct gr_err *err)
{
    if ((writer->count + 1) * SEALED_ENTRY > writer->index_room) {
        size_t room = writer->index_room == 0 ? 1024 : 2 * writer->index_room;
        uint8_t *more = realloc(writer->index, room);
        if (more == NULL) {
            return gr_fail(err, -ENOMEM, "%s: no memory for its index", writer->path);
        }
        writer->index = more;
        writer->index_room = room;
    }
    gr_disk_put64(writer->index + writer->count * SEALED_ENTRY, last);
    gr_disk_put64(writer->index + writer->count * SEALED_ENTRY + 8, writer->at);
    writer->count++;
    return 0;
}

int gr_sealed_add(struct gr_sealed_writer *writer, const struct gr_journal_group *group,
                  const uint8_t hash[GR_HASH_SIZE], struct gr_err *err)
{
    assert(group->first == (writer->count == 0 ? writer->before.sequence : writer->last) + 1);
    assert(group->payload_size > 0);
    uint8_t head[SEALED_GROUP] = {0};
    gr_disk_put64(head, group->first);
    gr_disk_put64(head + 8, group->last);
    gr_disk_put32(head + 16, group->epoch);
    gr_disk_put64(head + 24, group->payload_size);
    gr_disk_put64(head + 32, group->aside_size);
    memcpy(head + 40, hash, GR_HASH_SIZE);
    gr_chain_aside(group->last, group->aside, group->aside_size, head + 72);
    int rc = add_entry(writer, group->last, err);
    if (rc == 0) {
        rc = gr_disk_write(writer->fd, head, sizeof head, writer->at, writer->path, err);
    }
    if (rc == 0) {
        rc = gr_disk_write(writer->fd, group->payload, group->payload_size,
                           writer->at + SEALED_GROUP, writer->path, err);
    }
    if (rc == 0) {
        rc = gr_disk_write(writer->fd, group->aside, group->aside_size,
                           writer->at + SEALED_GROUP + group->payload_size, writer->path, err);
    }
    if (rc < 0) {
        return rc;
    }
    writer->at += SEALED_GROUP + group->payload_size + group->aside_size;
    writer->first = writer->count == 1 ? group->first : writer->first;
    writer->last = group->last;
    return 0;
}

static int write_end(struct gr_sealed_writer *writer, struct gr_err *err)
{
    uint8_t header[SEALED_HEADER] = {0};
    uint8_t check[GR_HASH_SIZE];
    size_t index_size = writer->count * SEALED_ENTRY;
    sealed_hash(writer->index, index_size, check);
    int rc = gr_disk_write(writer->fd, writer->index, index_size, writer->at, writer->path, err);
    if (rc == 0) {
        rc = gr_disk_write(writer->fd, check, sizeof check, writer->at + index_size, writer->path,
                           err);
    }
    if (rc < 0) {
        return rc;
    }
    memcpy(header, sealed_magic, sizeof sealed_magic);
    gr_disk_put32(header + 8, SEALED_FORMAT);
    gr_disk_put32(header + 12, writer->before.epoch);
    gr_disk_put64(header + 16, writer->first);
    gr_disk_put64(header + 24, writer->last);
    gr_disk_put64(header + 32, writer->count);
    gr_disk_put64(header + 40, writer->at);
    memcpy(header + 48, writer->before.hash, GR_HASH_SIZE);
    sealed_hash(header, 96, header + 96);
    rc = gr_disk_write(writer->fd, header, sizeof header, 0, writer->path, err);
    return rc < 0 ? rc : gr_disk_sync(writer->fd, writer->path, err);
}

int gr_sealed_commit(struct gr_sealed_writer *writer, struct gr_err *err)
{
    assert(writer->count > 0);
    int rc = write_end(writer, err);
    gr_sealed_abort(writer);
    return rc;
}

void gr_sealed_abort(struct gr_sealed_writer *writer)
{
    if (writer != NULL) {
        close(writer->fd);
        free(writer->index);
        free(writer);
    }
}
