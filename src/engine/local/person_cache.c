// Submitters looked up lately: see person_cache.h.
#include "engine/local/person_cache.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

void gr_person_cache_check(struct gr_person_cache *cache)
{
    static const char *const paths[2] = {"/etc/passwd", "/etc/group"};
    for (unsigned i = 0; i < 2; i++) {
        struct stat about = {0};
        (void)stat(paths[i], &about); // not there is a state as good as another
        if (about.st_mtim.tv_sec != cache->changed[i].tv_sec ||
            about.st_mtim.tv_nsec != cache->changed[i].tv_nsec) {
            cache->changed[i] = about.st_mtim;
            cache->count = 0;
            cache->next = 0;
        }
    }
}

// Where this person is; `count` if it is not there.
static uint32_t person_at(const struct gr_person_cache *cache, uint32_t uid, uint32_t gid)
{
    uint32_t i = 0;
    while (i < cache->count && (cache->persons[i].uid != uid || cache->persons[i].gid != gid)) {
        i++;
    }
    return i;
}

const struct gr_person *gr_person_cache_find(const struct gr_person_cache *cache, uint32_t uid,
                                             uint32_t gid, int64_t now_ms)
{
    uint32_t i = person_at(cache, uid, gid);
    return i < cache->count && now_ms - cache->found_ms[i] < GR_PERSON_CACHE_MS ? &cache->persons[i]
                                                                                : NULL;
}

void gr_person_cache_add(struct gr_person_cache *cache, const struct gr_person *person,
                         int64_t now_ms)
{
    uint32_t i = person_at(cache, person->uid, person->gid);
    if (i == GR_PERSON_CACHE_MAX) {
        i = cache->next;
        cache->next = (cache->next + 1) % GR_PERSON_CACHE_MAX;
    } else if (i == cache->count) {
        cache->count++;
    }
    cache->persons[i] = *person;
    cache->found_ms[i] = now_ms;
}

// ---- on their way -------------------------------------------------------------------------------

// Begins a person's bytes; name, home and shell follow, each with its NUL, then the groups.
struct head {
    uint32_t uid, gid, group_count;
};

size_t gr_person_pack(const struct gr_person *person, uint8_t bytes[GR_PERSON_BYTES_MAX])
{
    const char *const texts[3] = {person->name, person->home, person->shell};
    struct head head = {person->uid, person->gid, person->group_count};
    size_t groups_size = person->group_count * sizeof person->groups[0];
    size_t at = sizeof head;
    memcpy(bytes, &head, sizeof head);
    for (unsigned i = 0; i < 3; i++) {
        size_t size = strlen(texts[i]) + 1;
        if (size > GR_PERSON_BYTES_MAX - at) {
            return 0;
        }
        memcpy(bytes + at, texts[i], size);
        at += size;
    }
    if (groups_size > GR_PERSON_BYTES_MAX - at) {
        return 0;
    }
    memcpy(bytes + at, person->groups, groups_size);
    return at + groups_size;
}

int gr_person_unpack(const uint8_t *bytes, size_t size, struct gr_person *ret_person)
{
    struct head head;
    struct gr_person *person = ret_person;
    char *const texts[3] = {person->name, person->home, person->shell};
    const size_t rooms[3] = {sizeof person->name, sizeof person->home, sizeof person->shell};
    size_t at = sizeof head;
    if (size < sizeof head || size > GR_PERSON_BYTES_MAX) {
        return -EBADMSG;
    }
    memcpy(&head, bytes, sizeof head);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *end = memchr(bytes + at, '\0', size - at);
        if (end == NULL || (size_t)(end - (bytes + at)) >= rooms[i]) {
            return -EBADMSG;
        }
        size_t length = (size_t)(end - (bytes + at)) + 1;
        memcpy(texts[i], bytes + at, length);
        at += length;
    }
    if (head.group_count > GR_SPEC_GROUPS_MAX ||
        size - at != head.group_count * sizeof person->groups[0]) {
        return -EBADMSG;
    }
    person->uid = head.uid;
    person->gid = head.gid;
    person->group_count = head.group_count;
    memcpy(person->groups, bytes + at, size - at);
    return 0;
}
