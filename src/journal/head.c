// The head file: see head.h. A group is in the journal before it is in the
// head, never after.
#include "journal/head.h"

#include "journal/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 3, SLOT_SIZE = 128, SLOT_APART = 4096, HASHED = 96, FORMAT = 1 };

static const char magic[8] = {'g', 'r', 'a', 'n', 'h', 'e', 'a', 'd'};

static void slot_check(const uint8_t slot[SLOT_SIZE], uint8_t ret_check[GR_HASH_SIZE])
{
    struct gr_hash hash;
    gr_hash_init(&hash);
    gr_hash_add(&hash, slot, HASHED);
    gr_hash_end(&hash, ret_check);
}

static void slot_encode(const struct gr_journal_tip *tip, uint64_t counter, uint8_t slot[SLOT_SIZE])
{
    memset(slot, 0, SLOT_SIZE);
    memcpy(slot, magic, sizeof magic);
    gr_disk_put32(slot + 8, FORMAT);
    gr_disk_put32(slot + 12, tip->epoch);
    gr_disk_put64(slot + 16, tip->sequence);
    gr_disk_put64(slot + 24, counter);
    memcpy(slot + 32, tip->hash, GR_HASH_SIZE);
    slot_check(slot, slot + HASHED);
}

static bool slot_decode(const uint8_t slot[SLOT_SIZE], struct gr_journal_tip *tip,
                        uint64_t *counter)
{
    uint8_t check[GR_HASH_SIZE];
    slot_check(slot, check);
    if (memcmp(slot, magic, sizeof magic) != 0 || gr_disk_get32(slot + 8) != FORMAT ||
        memcmp(check, slot + HASHED, GR_HASH_SIZE) != 0) {
        return false;
    }
    tip->epoch = gr_disk_get32(slot + 12);
    tip->sequence = gr_disk_get64(slot + 16);
    *counter = gr_disk_get64(slot + 24);
    memcpy(tip->hash, slot + 32, GR_HASH_SIZE);
    return true;
}

int gr_head_create(const char *dir, const struct gr_journal_tip *tip, struct gr_err *err)
{
    char path[GR_DISK_PATH_SIZE];
    uint8_t file[SLOTS * SLOT_APART] = {0};
    int rc = gr_disk_path(dir, GR_HEAD_NAME ".new", path, err);
    if (rc < 0) {
        return rc;
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        slot_encode(tip, i + 1, file + (size_t)i * SLOT_APART);
    }
    int fd = gr_disk_open(path, O_WRONLY | O_CREAT | O_TRUNC, err);
    if (fd < 0) {
        return fd;
    }
    rc = gr_disk_write(fd, file, sizeof file, 0, path, err);
    if (rc == 0) {
        rc = gr_disk_sync(fd, path, err);
    }
    close(fd);
    return rc < 0 ? rc : gr_disk_rename(dir, GR_HEAD_NAME ".new", GR_HEAD_NAME, err);
}

int gr_head_open(const char *dir, bool write, struct gr_head *ret_head,
                 struct gr_journal_tip *ret_tip, struct gr_err *err)
{
    char path[GR_DISK_PATH_SIZE];
    struct gr_head head = {.fd = -1};
    struct gr_journal_tip newest = {0};
    int rc = gr_disk_path(dir, GR_HEAD_NAME, path, err);
    if (rc < 0) {
        return rc;
    }
    head.fd = gr_disk_open(path, write ? O_RDWR : O_RDONLY, err);
    if (head.fd < 0) {
        return head.fd;
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        uint8_t slot[SLOT_SIZE];
        struct gr_journal_tip tip;
        uint64_t counter;
        rc = gr_disk_read(head.fd, slot, sizeof slot, (uint64_t)i * SLOT_APART, path, err);
        if (rc < 0 && rc != -ENODATA) {
            gr_head_close(&head);
            return rc;
        }
        if (rc == 0 && slot_decode(slot, &tip, &counter) && counter > head.counter) {
            head.counter = counter;
            head.slot = (i + 1) % SLOTS;
            newest = tip;
        }
    }
    if (head.counter == 0) {
        gr_head_close(&head);
        return gr_fail(err, -EBADMSG,
                       "%s: all its slots are damaged, so nobody knows whether the journal lost "
                       "its tail; restore a backup into a new directory (docs/operate/backup.md)",
                       path);
    }
    (void)snprintf(head.path, sizeof head.path, "%.*s", (int)sizeof head.path - 1, path);
    *ret_head = head;
    pthread_mutex_init(&ret_head->mutex, NULL);
    *ret_tip = newest;
    return 0;
}

int gr_head_write(struct gr_head *head, const struct gr_journal_tip *tip, struct gr_err *err)
{
    assert(head->fd >= 0);
    assert(head->counter < UINT64_MAX);
    uint8_t slot[SLOT_SIZE];
    uint64_t counter = head->counter + 1;
    slot_encode(tip, counter, slot);
    pthread_mutex_lock(&head->mutex);
    int rc = gr_disk_write(head->fd, slot, sizeof slot, (uint64_t)head->slot * SLOT_APART,
                           head->path, err);
    pthread_mutex_unlock(&head->mutex);
    if (rc == 0) {
        head->counter = counter;
    }
    return rc;
}

int gr_head_sync(struct gr_head *head, struct gr_err *err)
{
    assert(head->fd >= 0);
    pthread_mutex_lock(&head->mutex);
    head->slot = (head->slot + 1) % SLOTS;
    pthread_mutex_unlock(&head->mutex);
    return gr_disk_sync(head->fd, head->path, err);
}

void gr_head_close(struct gr_head *head)
{
    if (head->fd >= 0) {
        close(head->fd);
        head->fd = -1;
    }
}
