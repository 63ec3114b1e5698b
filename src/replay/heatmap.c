// The fleet as a picture: see heatmap.h.
#include "replay/heatmap.h"

#include "model/limits.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// Layout, in the picture's own units.
#define WIDTH 460.0
#define CELLS_LEFT 132.0
#define CELLS_RIGHT 416.0
#define LABEL_HEIGHT 15.0
#define GROUP_GAP 4.0
#define HEIGHT_WANTED 330.0
#define LABEL_CHARS 18

// Levels of fill: 0 idle, 1..9 partly, 10 full.
#define LEVELS 11

// Cells on one page that may carry their node's name; more would make the page heavy.
#define NAMED_CELLS_MAX 4000

// Nodes that are drawn together.
struct gr_heatmap_group {
    uint32_t site, model;
    bool rest;           // of groups that are too many to show; site and model say nothing then
    size_t first, count; // of gr_heatmap.nodes
    uint64_t devices;
};

// A node on its way into a group.
struct entry {
    uint64_t key; // sorts by group
    uint32_t node;
};

static int by_key(const void *a, const void *b)
{
    const struct entry *one = a;
    const struct entry *two = b;
    if (one->key != two->key) {
        return one->key < two->key ? -1 : 1;
    }
    return (one->node > two->node) - (one->node < two->node);
}

static int by_devices(const void *a, const void *b)
{
    const struct gr_heatmap_group *one = a;
    const struct gr_heatmap_group *two = b;
    if (one->devices != two->devices) {
        return one->devices > two->devices ? -1 : 1;
    }
    return (one->first > two->first) - (one->first < two->first);
}

static int by_place(const void *a, const void *b)
{
    const struct gr_heatmap_group *one = a;
    const struct gr_heatmap_group *two = b;
    if (one->rest != two->rest) {
        return one->rest ? 1 : -1;
    }
    return (one->first > two->first) - (one->first < two->first);
}

// Sorts the nodes with accelerators by site and model.
static size_t collect(const struct gr_trace *trace, struct entry *entries)
{
    size_t count = 0;
    for (size_t i = 0; i < trace->node_count; i++) {
        const struct gr_trace_node *node = &trace->nodes[i];
        if (node->devices > 0) {
            entries[count++] =
                (struct entry){(uint64_t)node->site << 32 | node->model, (uint32_t)i};
        }
    }
    qsort(entries, count, sizeof entries[0], by_key);
    return count;
}

// Cuts the sorted entries into groups; returns how many.
static size_t cut(const struct gr_trace *trace, const struct entry *entries, size_t count,
                  struct gr_heatmap_group *groups)
{
    size_t group_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || entries[i].key != entries[i - 1].key) {
            groups[group_count++] = (struct gr_heatmap_group){
                .site = (uint32_t)(entries[i].key >> 32),
                .model = (uint32_t)entries[i].key,
                .first = i,
            };
        }
        groups[group_count - 1].count++;
        groups[group_count - 1].devices += trace->nodes[entries[i].node].devices;
    }
    return group_count;
}

// Stores the nodes in order of the groups; the smallest groups become one when they are too many.
static void settle(struct gr_heatmap *map, const struct entry *entries)
{
    struct gr_heatmap_group *groups = map->groups;
    size_t kept = map->group_count;
    if (kept > GR_HEATMAP_GROUPS_MAX) {
        kept = GR_HEATMAP_GROUPS_MAX - 1;
        qsort(groups, map->group_count, sizeof groups[0], by_devices);
        for (size_t g = kept; g < map->group_count; g++) {
            groups[g].rest = true;
        }
        qsort(groups, map->group_count, sizeof groups[0], by_place);
    }
    size_t at = 0;
    for (size_t g = 0; g < map->group_count; g++) {
        size_t first = at;
        for (size_t i = 0; i < groups[g].count; i++) {
            map->nodes[at++] = entries[groups[g].first + i].node;
        }
        groups[g].first = first;
        if (g > kept) {
            groups[kept].count += groups[g].count;
            groups[kept].devices += groups[g].devices;
        }
    }
    assert(at == map->node_count);
    map->group_count = map->group_count > kept ? kept + 1 : kept;
}

// Round numbers of nodes a cell, so that about GR_HEATMAP_CELLS_MAX cells suffice.
static uint32_t nodes_per_cell(size_t nodes)
{
    static const uint32_t sizes[] = {1, 2, 4, 8, 16, 32, 64, 128};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (nodes / sizes[i] <= GR_HEATMAP_CELLS_MAX) {
            return sizes[i];
        }
    }
    return (uint32_t)(nodes / GR_HEATMAP_CELLS_MAX);
}

int gr_heatmap_init(struct gr_heatmap *map, const struct gr_trace *trace, size_t runs,
                    struct gr_err *err)
{
    assert(map != NULL);
    assert(trace != NULL);
    size_t room = trace->node_count + 1; // never 0
    struct entry *entries = calloc(room, sizeof entries[0]);
    *map = (struct gr_heatmap){
        .trace = trace,
        .nodes = calloc(room, sizeof map->nodes[0]),
        .groups = calloc(room, sizeof map->groups[0]),
    };
    if (entries == NULL || map->nodes == NULL || map->groups == NULL) {
        free(entries);
        gr_heatmap_done(map);
        return gr_fail(err, -ENOMEM, "lay out the fleet: out of memory");
    }
    map->node_count = collect(trace, entries);
    map->skipped = trace->node_count - map->node_count;
    map->group_count = cut(trace, entries, map->node_count, map->groups);
    settle(map, entries);
    map->nodes_per_cell = nodes_per_cell(map->node_count);
    map->named = map->nodes_per_cell == 1 && map->node_count * runs <= NAMED_CELLS_MAX;
    free(entries);
    return 0;
}

void gr_heatmap_done(struct gr_heatmap *map)
{
    assert(map != NULL);
    free(map->nodes);
    free(map->groups);
    *map = (struct gr_heatmap){0};
}

static size_t cells_of(const struct gr_heatmap *map, const struct gr_heatmap_group *group)
{
    return (group->count + map->nodes_per_cell - 1) / map->nodes_per_cell;
}

static size_t cells_per_row(double pitch)
{
    return (size_t)((CELLS_RIGHT - CELLS_LEFT) / pitch);
}

static double group_height(const struct gr_heatmap *map, const struct gr_heatmap_group *group,
                           double pitch)
{
    size_t rows = (cells_of(map, group) + cells_per_row(pitch) - 1) / cells_per_row(pitch);
    return fmax(LABEL_HEIGHT, (double)rows * pitch) + GROUP_GAP;
}

// Whether group `g` begins a site that deserves a heading.
static bool has_heading(const struct gr_heatmap *map, size_t g)
{
    const struct gr_heatmap_group *groups = map->groups;
    if (map->trace->site_count < 2) {
        return false;
    }
    return g == 0 || groups[g].rest || groups[g].site != groups[g - 1].site;
}

static double height_of(const struct gr_heatmap *map, double pitch)
{
    double height = 0;
    for (size_t g = 0; g < map->group_count; g++) {
        height += group_height(map, &map->groups[g], pitch) +
                  (has_heading(map, g) ? LABEL_HEIGHT + GROUP_GAP : 0);
    }
    return fmax(height, LABEL_HEIGHT);
}

// The largest cells that keep the picture within a comfortable height; labels need theirs anyhow.
static double pitch_of(const struct gr_heatmap *map)
{
    static const double pitches[] = {14, 12, 10, 8, 7, 6};
    double pitch = 5;
    double wanted = fmax(HEIGHT_WANTED, height_of(map, pitch) * 1.1);
    for (size_t i = sizeof pitches / sizeof pitches[0]; i-- > 0;) {
        if (height_of(map, pitches[i]) <= wanted) {
            pitch = pitches[i];
        }
    }
    return pitch;
}

static unsigned level_of(uint64_t used, uint64_t capacity)
{
    if (used == 0) {
        return 0;
    }
    if (used >= capacity) {
        return LEVELS - 1;
    }
    return 1 + (unsigned)(used * (LEVELS - 2) / capacity);
}

// Sums up one cell's nodes: `count` of map->nodes from `first`.
static void sum_up(const struct gr_heatmap *map, const uint32_t *used, size_t first, size_t count,
                   uint64_t *ret_used, uint64_t *ret_capacity)
{
    *ret_used = 0;
    *ret_capacity = 0;
    for (size_t i = first; i < first + count; i++) {
        *ret_used += used[map->nodes[i]];
        *ret_capacity += (uint64_t)map->trace->nodes[map->nodes[i]].devices * GR_DEVICE_MILLI;
    }
}

// One picture on its way.
struct drawing {
    const struct gr_heatmap *map;
    const uint32_t *used; // by node of the trace, milli
    struct gr_html *html;
    double pitch, y;
};

static void put_at(struct gr_html *html, const char *before, double x, double y)
{
    gr_html_put(html, "%s", before);
    gr_html_coordinate(html, x);
    gr_html_put(html, " ");
    gr_html_coordinate(html, y);
}

static void put_text(struct gr_html *html, const char *class, double x, double y)
{
    gr_html_put(html, "<text class=\"%s\" x=\"", class);
    gr_html_coordinate(html, x);
    gr_html_put(html, "\" y=\"");
    gr_html_coordinate(html, y);
    gr_html_put(html, "\">");
}

// Commands of the square of cell number `cell` of the group at the drawing's y.
static void put_cell(const struct drawing *d, size_t cell)
{
    size_t per_row = cells_per_row(d->pitch);
    double side = d->pitch - (d->pitch >= 7 ? 1.5 : 1);
    put_at(d->html, "M", CELLS_LEFT + (double)(cell % per_row) * d->pitch,
           d->y + (double)(cell / per_row) * d->pitch);
    gr_html_put(d->html, "h");
    gr_html_coordinate(d->html, side);
    gr_html_put(d->html, "v");
    gr_html_coordinate(d->html, side);
    gr_html_put(d->html, "h");
    gr_html_coordinate(d->html, -side);
    gr_html_put(d->html, "z");
}

// Cells that say the name of their node.
static void put_named_cells(const struct drawing *d, const struct gr_heatmap_group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        uint32_t node = d->map->nodes[group->first + i];
        uint32_t devices = d->map->trace->nodes[node].devices;
        gr_html_put(d->html, "<path class=\"h%u\" d=\"",
                    level_of(d->used[node], (uint64_t)devices * GR_DEVICE_MILLI));
        put_cell(d, i);
        gr_html_put(d->html, "\"><title>");
        gr_html_name(d->html, d->map->trace->nodes[node].name);
        gr_html_put(d->html, ": ");
        gr_html_decimal(d->html, d->used[node] / (double)GR_DEVICE_MILLI,
                        d->used[node] % GR_DEVICE_MILLI == 0 ? 0 : 2);
        gr_html_put(d->html, " of %u</title></path>", devices);
    }
}

// Cells without names: one path a level.
static void put_plain_cells(const struct drawing *d, const struct gr_heatmap_group *group)
{
    size_t per_cell = d->map->nodes_per_cell;
    for (unsigned level = 0; level < LEVELS; level++) {
        bool open = false;
        for (size_t cell = 0; cell < cells_of(d->map, group); cell++) {
            size_t first = cell * per_cell;
            size_t count = group->count - first < per_cell ? group->count - first : per_cell;
            uint64_t used, capacity;
            sum_up(d->map, d->used, group->first + first, count, &used, &capacity);
            if (level_of(used, capacity) != level) {
                continue;
            }
            if (!open) {
                gr_html_put(d->html, "<path class=\"h%u\" d=\"", level);
                open = true;
            }
            put_cell(d, cell);
        }
        gr_html_put(d->html, "%s", open ? "\"/>" : "");
    }
}

static void put_group(struct drawing *d, const struct gr_heatmap_group *group)
{
    double baseline = d->y + fmin(d->pitch, LABEL_HEIGHT) / 2 + 3.5; // level with the first row
    put_text(d->html, "i", 0, baseline);
    if (group->rest) {
        gr_html_put(d->html, "all others");
    } else {
        gr_html_text(d->html, d->map->trace->models[group->model], LABEL_CHARS);
    }
    gr_html_put(d->html, "</text>");
    uint64_t used, capacity;
    sum_up(d->map, d->used, group->first, group->count, &used, &capacity);
    put_text(d->html, "e", WIDTH, baseline);
    gr_html_decimal(d->html, 100.0 * (double)used / (double)capacity, 1);
    gr_html_put(d->html, "%%</text>");
    if (d->map->named) {
        put_named_cells(d, group);
    } else {
        put_plain_cells(d, group);
    }
    gr_html_put(d->html, "\n");
    d->y += group_height(d->map, group, d->pitch);
}

static void put_heading(struct drawing *d, const struct gr_heatmap_group *group)
{
    put_text(d->html, "j", 0, d->y + LABEL_HEIGHT - 3);
    if (group->rest) {
        gr_html_put(d->html, "Small groups");
    } else {
        gr_html_name(d->html, d->map->trace->sites[group->site]);
    }
    gr_html_put(d->html, "</text>");
    d->y += LABEL_HEIGHT + GROUP_GAP;
}

int gr_heatmap_draw(const struct gr_heatmap *map, const struct gr_result *result,
                    struct gr_html *html, struct gr_err *err)
{
    const struct gr_trace *trace = map->trace;
    uint32_t *used = calloc(trace->node_count + 1, sizeof used[0]);
    if (used == NULL) {
        return gr_fail(err, -ENOMEM, "draw the fleet: out of memory");
    }
    for (size_t i = 0; i < result->fill_count; i++) {
        assert(result->fills[i].node < trace->node_count);
        used[result->fills[i].node] = result->fills[i].used_milli;
    }
    struct drawing d = {.map = map, .used = used, .html = html, .pitch = pitch_of(map)};
    gr_html_put(html,
                "<svg class=\"fleet\" role=\"img\" aria-label=\"fill of the nodes by site and "
                "kind\" viewBox=\"0 0 ");
    gr_html_coordinate(html, WIDTH);
    gr_html_put(html, " ");
    gr_html_coordinate(html, height_of(map, d.pitch));
    gr_html_put(html, "\">\n");
    for (size_t g = 0; g < map->group_count; g++) {
        if (has_heading(map, g)) {
            put_heading(&d, &map->groups[g]);
        }
        put_group(&d, &map->groups[g]);
    }
    gr_html_put(html, "</svg>\n");
    free(used);
    return 0;
}

void gr_heatmap_draw_scale(struct gr_html *html)
{
    gr_html_put(html, "<p class=\"scale\"><span>idle</span><svg role=\"img\" aria-label=\"colours "
                      "from idle to full\" viewBox=\"0 0 154 12\">");
    for (unsigned level = 0; level < LEVELS; level++) {
        gr_html_put(html, "<path class=\"h%u\" d=\"M%u 0h12v12h-12z\"/>", level, level * 14);
    }
    gr_html_put(html, "</svg><span>full</span></p>\n");
}
