// What the driver compares now and then: index and scan, a copy with the same facts, the history
// replayed, and what the auditor says.
#include "core/save.h"
#include "goals.h"
#include "parts.h"
#include "story.h"

#include <stdlib.h>
#include <string.h>

void drive_index_compare(struct drive *drive)
{
    struct gr_place *place = gr_core_place_refresh(drive->core);
    struct gr_shape shape = make_shape(drive);
    struct gr_piece found, scanned;
    uint64_t salt = draw(drive);
    bool answer = gr_place_find(place, &shape, salt, &found);
    gr_place_refresh(place);
    bool other = gr_place_find_scan(place, &shape, salt, &scanned);
    if (answer != other || (answer && memcmp(&found, &scanned, sizeof found) != 0)) {
        story_wrong("the index and the scan differ");
    }
    goal_reach("index asked", answer);
}

// Bytes of a saved state.
struct saved {
    uint8_t *bytes; // heap
    size_t size, room;
};

static int saved_write(void *context, const void *bytes, size_t size, struct gr_err *err)
{
    struct saved *saved = context;
    (void)err;
    if (saved->size + size > saved->room) {
        saved->room = 2 * (saved->size + size);
        saved->bytes = realloc(saved->bytes, saved->room);
        if (saved->bytes == NULL) {
            story_wrong("no memory");
        }
    }
    memcpy(saved->bytes + saved->size, bytes, size);
    saved->size += size;
    return 0;
}

// The copy is what was saved of the core and loaded again, maybe with more room.
static void copy_load(struct drive *drive)
{
    struct saved saved = {0};
    struct gr_err err;
    uint8_t a[32], b[32];
    struct gr_core_config config = drive->config;
    config.limits.jobs += below(drive, 2);
    config.limits.keys += below(drive, 2);
    config.limits.arrays += below(drive, 2);
    if (gr_core_save(drive->core, saved_write, &saved, &err) != 0 ||
        gr_core_load(&config, saved.bytes, saved.size, &drive->copy, &err) != 0) {
        story_wrong("%s", err.text);
    }
    free(saved.bytes);
    gr_core_digest(drive->core, a);
    gr_core_digest(drive->copy, b);
    if (memcmp(a, b, 32) != 0) {
        story_wrong("a loaded core has another digest");
    }
    const char *phrase = gr_core_audit(drive->copy);
    if (phrase != NULL) {
        story_wrong("the auditor says of a loaded core: %s", phrase);
    }
    goal_reach("state loaded", 0);
}

void drive_copy_renew(struct drive *drive)
{
    uint8_t a[32], b[32];
    struct gr_err err;
    if (drive->copy != NULL) {
        gr_core_digest(drive->core, a);
        gr_core_digest(drive->copy, b);
        if (memcmp(a, b, 32) != 0) {
            story_wrong("a copy with the same facts has another digest");
        }
        goal_reach("clone agreed", 0);
        gr_core_free(drive->copy);
    }
    if (chance(drive, 50)) {
        copy_load(drive);
        return;
    }
    if (gr_core_clone(drive->core, &drive->copy, &err) != 0) {
        story_wrong("%s", err.text);
    }
}

void drive_audit(struct drive *drive)
{
    const char *phrase = gr_core_audit(drive->core);
    if (phrase != NULL) {
        story_wrong("the auditor says: %s", phrase);
    }
}

// The recorded facts, from the beginning, give the same state.
void drive_history_replay(struct drive *drive)
{
    struct gr_core *core;
    struct gr_err err;
    uint8_t a[32], b[32];
    if (gr_core_new(&drive->config, &core, &err) != 0) {
        story_wrong("%s", err.text);
    }
    for (size_t i = 0; i < drive->fact_count; i++) {
        if (gr_core_check(core, &drive->facts[i]) != GR_REFUSED_NOTHING) {
            story_wrong("fact %zu is refused in replay", i + 1);
        }
        (void)gr_core_apply(core, &drive->facts[i], NULL);
    }
    gr_core_digest(drive->core, a);
    gr_core_digest(core, b);
    if (memcmp(a, b, 32) != 0) {
        story_wrong("the replayed history has another digest");
    }
    goal_reach("history replayed", 0);
    gr_core_free(core);
}
