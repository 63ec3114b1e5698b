// See shim_memory.h.
#include "shim_memory.h"

#include <assert.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static atomic_ulong count;
static unsigned long fails_at; // 0: nothing fails
static bool for_ever;
static atomic_bool is_on;

// Whether the allocation that is asked for now fails.
static bool is_out(void)
{
    if (!is_on) {
        return false;
    }
    unsigned long now = atomic_fetch_add(&count, 1) + 1;
    return fails_at != 0 && (now == fails_at || (for_ever && now > fails_at));
}

// --- the program's own

void *__real_malloc(size_t size);
void *__real_calloc(size_t number, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_reallocarray(void *block, size_t number, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t number, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_reallocarray(void *block, size_t number, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

void *__wrap_malloc(size_t size)
{
    return is_out() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t number, size_t size)
{
    return is_out() ? NULL : __real_calloc(number, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return is_out() ? NULL : __real_realloc(block, size);
}

void *__wrap_reallocarray(void *block, size_t number, size_t size)
{
    return is_out() ? NULL : __real_reallocarray(block, number, size);
}

char *__wrap_strdup(const char *text)
{
    return is_out() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return is_out() ? NULL : __real_strndup(text, size);
}

// --- SQLite's and jansson's

static sqlite3_mem_methods system_memory;

static void *sqlite_malloc(int size)
{
    return is_out() ? NULL : system_memory.xMalloc(size);
}

static void *sqlite_realloc(void *block, int size)
{
    return is_out() ? NULL : system_memory.xRealloc(block, size);
}

static void *jansson_malloc(size_t size)
{
    return is_out() ? NULL : __real_malloc(size);
}

void gr_memory_install(void)
{
    static sqlite3_mem_methods memory;
    int rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory);
    assert(rc == SQLITE_OK);
    memory = system_memory;
    memory.xMalloc = sqlite_malloc;
    memory.xRealloc = sqlite_realloc;
    rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
    assert(rc == SQLITE_OK);
    (void)rc;
    json_set_alloc_funcs(jansson_malloc, free);
}

void gr_memory_begin(unsigned long nth, bool is_for_ever)
{
    count = 0;
    fails_at = nth;
    for_ever = is_for_ever;
    is_on = true;
}

bool gr_memory_end(void)
{
    is_on = false;
    return count >= fails_at;
}
