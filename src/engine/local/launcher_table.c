// The attempts that a launcher knows: see launcher_parts.h.
#include "engine/local/launcher_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define SIZE_FIRST 1024

static size_t mix(uint64_t value)
{
    value = (value ^ value >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(value >> 20);
}

static struct launcher_attempt **id_slot(const struct launcher_table *table, uint64_t job,
                                         uint32_t attempt)
{
    return &table->by_id[mix(job * 31 + attempt) & (table->size - 1)];
}

static struct launcher_attempt **pid_slot(const struct launcher_table *table, pid_t pid)
{
    return &table->by_pid[mix((uint64_t)pid) & (table->size - 1)];
}

int gr_launcher_table_init(struct launcher_table *table, struct gr_err *err)
{
    *table = (struct launcher_table){.size = SIZE_FIRST};
    table->by_id = calloc(table->size, sizeof *table->by_id);
    table->by_pid = calloc(table->size, sizeof *table->by_pid);
    return table->by_id != NULL && table->by_pid != NULL
               ? 0
               : gr_fail(err, -ENOMEM, "no memory for the launcher's table");
}

struct launcher_attempt *gr_launcher_find(const struct launcher_table *table, uint64_t job,
                                          uint32_t attempt)
{
    struct launcher_attempt *at = *id_slot(table, job, attempt);
    while (at != NULL && (at->job != job || at->attempt != attempt)) {
        at = at->next_by_id;
    }
    return at;
}

struct launcher_attempt *gr_launcher_find_pid(const struct launcher_table *table, pid_t pid)
{
    struct launcher_attempt *at = *pid_slot(table, pid);
    while (at != NULL && at->pid != pid) {
        at = at->next_by_pid;
    }
    return at;
}

// Doubles the table; without memory it stays as it is, and is slower.
static void table_grow(struct launcher_table *table)
{
    struct launcher_table larger = {.size = 2 * table->size};
    larger.by_id = calloc(larger.size, sizeof *larger.by_id);
    larger.by_pid = calloc(larger.size, sizeof *larger.by_pid);
    if (larger.by_id == NULL || larger.by_pid == NULL) {
        free(larger.by_id);
        free(larger.by_pid);
        return;
    }
    for (size_t i = 0; i < table->size; i++) {
        while (table->by_id[i] != NULL) {
            struct launcher_attempt *at = table->by_id[i];
            struct launcher_attempt **slot = id_slot(&larger, at->job, at->attempt);
            table->by_id[i] = at->next_by_id;
            at->next_by_id = *slot;
            *slot = at;
        }
        while (table->by_pid[i] != NULL) {
            struct launcher_attempt *at = table->by_pid[i];
            struct launcher_attempt **slot = pid_slot(&larger, at->pid);
            table->by_pid[i] = at->next_by_pid;
            at->next_by_pid = *slot;
            *slot = at;
        }
    }
    free(table->by_id);
    free(table->by_pid);
    table->by_id = larger.by_id;
    table->by_pid = larger.by_pid;
    table->size = larger.size;
}

struct launcher_attempt *gr_launcher_add(struct launcher_table *table, uint64_t job,
                                         uint32_t attempt)
{
    assert(gr_launcher_find(table, job, attempt) == NULL);
    struct launcher_attempt *added = calloc(1, sizeof *added);
    if (added == NULL) {
        return NULL;
    }
    if (table->count >= table->size) {
        table_grow(table);
    }
    struct launcher_attempt **slot = id_slot(table, job, attempt);
    added->job = job;
    added->attempt = attempt;
    added->pid_fd = -1;
    added->next_by_id = *slot;
    *slot = added;
    table->count++;
    return added;
}

void gr_launcher_pid_set(struct launcher_table *table, struct launcher_attempt *attempt, pid_t pid)
{
    if (attempt->pid != 0) {
        struct launcher_attempt **slot = pid_slot(table, attempt->pid);
        while (*slot != attempt) {
            slot = &(*slot)->next_by_pid;
        }
        *slot = attempt->next_by_pid;
    }
    attempt->pid = pid;
    if (pid != 0) {
        struct launcher_attempt **slot = pid_slot(table, pid);
        attempt->next_by_pid = *slot;
        *slot = attempt;
    }
}

void gr_launcher_news_add(struct launcher_table *table, struct launcher_attempt *attempt,
                          uint32_t news)
{
    attempt->news |= news;
    if (attempt->is_listed) {
        return;
    }
    attempt->is_listed = true;
    attempt->next_news = NULL;
    attempt->previous_news = table->news_last;
    *(table->news_last != NULL ? &table->news_last->next_news : &table->news_first) = attempt;
    table->news_last = attempt;
}

void gr_launcher_news_done(struct launcher_table *table, struct launcher_attempt *attempt)
{
    if (!attempt->is_listed) {
        return;
    }
    attempt->is_listed = false;
    *(attempt->previous_news != NULL ? &attempt->previous_news->next_news : &table->news_first) =
        attempt->next_news;
    *(attempt->next_news != NULL ? &attempt->next_news->previous_news : &table->news_last) =
        attempt->previous_news;
}

void gr_launcher_drop(struct launcher_table *table, struct launcher_attempt *attempt)
{
    struct launcher_attempt **slot = id_slot(table, attempt->job, attempt->attempt);
    while (*slot != attempt) {
        slot = &(*slot)->next_by_id;
    }
    *slot = attempt->next_by_id;
    gr_launcher_pid_set(table, attempt, 0);
    gr_launcher_news_done(table, attempt);
    table->count--;
    free(attempt);
}
