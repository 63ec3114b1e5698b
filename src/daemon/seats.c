// Which device is which: see seats.h.
#include "daemon/seats.h"

#include "daemon/state_dir.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_line(char *line, struct gr_seat *ret_seat)
{
    char *fields[5];
    char *rest = line;
    for (unsigned i = 0; i < 5; i++) {
        fields[i] = strsep(&rest, "\t");
        if (fields[i] == NULL || fields[i][0] == '\0') {
            return -EINVAL;
        }
    }
    char *end;
    unsigned long index = strtoul(fields[1], &end, 10);
    bool is_pretend = strcmp(fields[4], "pretend") == 0;
    struct gr_seat seat = {.index = (uint32_t)index, .is_pretend = is_pretend};
    if (rest != NULL || *end != '\0' || index >= GR_NODE_DEVICES_MAX ||
        strlen(fields[0]) >= sizeof seat.node || strlen(fields[2]) >= sizeof seat.address ||
        strlen(fields[3]) >= sizeof seat.variant ||
        (!is_pretend && strcmp(fields[4], "real") != 0)) {
        return -EINVAL;
    }
    memcpy(seat.node, fields[0], strlen(fields[0]));
    memcpy(seat.address, fields[2], strlen(fields[2]));
    memcpy(seat.variant, fields[3], strlen(fields[3]));
    *ret_seat = seat;
    return 0;
}

static int add(struct gr_seats *seats, const struct gr_seat *seat, struct gr_err *err)
{
    struct gr_seat *items = realloc(seats->items, (seats->count + 1) * sizeof *items);
    if (items == NULL) {
        return gr_fail(err, -ENOMEM, "no memory for the devices");
    }
    seats->items = items;
    seats->items[seats->count++] = *seat;
    return 0;
}

int gr_seats_read(const char *state_dir, struct gr_seats *ret_seats, struct gr_err *err)
{
    char path[GR_STATE_PATH_SIZE];
    struct gr_seats seats = {0};
    int rc = gr_state_path(state_dir, "devices", path, err);
    FILE *file = rc != 0 ? NULL : fopen(path, "re");
    if (rc == 0 && file == NULL && errno != ENOENT) {
        rc = gr_fail_errno(err, "open %s", path);
    }
    char line[512];
    for (unsigned number = 1; rc == 0 && file != NULL && fgets(line, sizeof line, file) != NULL;
         number++) {
        struct gr_seat seat;
        line[strcspn(line, "\n")] = '\0';
        if (seats.count >= GR_DEVICES_MAX || read_line(line, &seat) != 0) {
            rc = gr_fail(err, -EINVAL,
                         "%s:%u: expected node, index, address, variant and pretend or real; "
                         "restore the file from a backup",
                         path, number);
        } else {
            rc = add(&seats, &seat, err);
        }
    }
    if (file != NULL) {
        if (rc == 0 && ferror(file)) {
            rc = gr_fail(err, -EIO, "read %s: it failed", path);
        }
        fclose(file);
    }
    if (rc != 0) {
        gr_seats_done(&seats);
        return rc;
    }
    *ret_seats = seats;
    return 0;
}

int gr_seats_write(const char *state_dir, const struct gr_seats *seats, struct gr_err *err)
{
    char path[GR_STATE_PATH_SIZE];
    char beside[GR_STATE_PATH_SIZE];
    int rc = gr_state_path(state_dir, "devices", path, err);
    rc = rc != 0 ? rc : gr_state_path(state_dir, "devices.new", beside, err);
    FILE *file = rc != 0 ? NULL : fopen(beside, "we");
    if (rc != 0 || file == NULL) {
        return rc != 0 ? rc : gr_fail_errno(err, "create %s", beside);
    }
    for (size_t i = 0; i < seats->count; i++) {
        const struct gr_seat *seat = &seats->items[i];
        fprintf(file, "%s\t%u\t%s\t%s\t%s\n", seat->node, seat->index, seat->address, seat->variant,
                seat->is_pretend ? "pretend" : "real");
    }
    bool is_good = fflush(file) == 0 && !ferror(file) && fsync(fileno(file)) == 0;
    rc = is_good ? 0 : gr_fail_errno(err, "write %s", beside);
    fclose(file);
    if (rc == 0 && rename(beside, path) != 0) {
        rc = gr_fail_errno(err, "rename %s", beside);
    }
    return rc != 0 ? rc : gr_state_sync(state_dir, err);
}

static int compare(const void *a, const void *b)
{
    const struct gr_device *left = a;
    const struct gr_device *right = b;
    if (left->is_pretend != right->is_pretend) {
        return left->is_pretend ? 1 : -1;
    }
    int order = strcmp(left->variant, right->variant);
    // "pretend:10" comes after "pretend:9": equal but for their lengths, the shorter first.
    size_t sizes[2] = {strlen(left->address), strlen(right->address)};
    if (order == 0 && sizes[0] != sizes[1]) {
        return sizes[0] < sizes[1] ? -1 : 1;
    }
    return order != 0 ? order : strcmp(left->address, right->address);
}

// The device of a seat: same address, same variant; a card that was swapped for another is new.
static struct gr_device *find(struct gr_device_list *devices, const struct gr_seat *seat)
{
    for (size_t i = 0; i < devices->count; i++) {
        struct gr_device *device = &devices->devices[i];
        if (strcmp(device->address, seat->address) == 0 &&
            strcmp(device->variant, seat->variant) == 0) {
            return device;
        }
    }
    return NULL;
}

static struct gr_device gone(const struct gr_seat *seat)
{
    struct gr_device device = {.health = GR_HEALTH_GONE, .is_pretend = seat->is_pretend};
    memcpy(device.variant, seat->variant, sizeof device.variant);
    memcpy(device.address, seat->address, sizeof device.address);
    snprintf(device.problem, sizeof device.problem, "not found on this machine");
    return device;
}

int gr_seats_order(const struct gr_seats *seats, struct gr_device_list *devices, struct gr_err *err)
{
    assert(seats != NULL && devices != NULL);
    size_t most = seats->count + devices->count;
    struct gr_device *ordered = calloc(most == 0 ? 1 : most, sizeof *ordered);
    bool *is_seated = calloc(devices->count == 0 ? 1 : devices->count, sizeof *is_seated);
    if (ordered == NULL || is_seated == NULL) {
        free(ordered);
        free(is_seated);
        return gr_fail(err, -ENOMEM, "no memory for the devices");
    }
    size_t count = 0;
    for (size_t i = 0; i < seats->count; i++) {
        const struct gr_device *device = find(devices, &seats->items[i]);
        ordered[count++] = device == NULL ? gone(&seats->items[i]) : *device;
        if (device != NULL) {
            is_seated[device - devices->devices] = true;
        }
    }
    size_t seated = count;
    for (size_t i = 0; i < devices->count; i++) {
        if (!is_seated[i]) {
            ordered[count++] = devices->devices[i];
        }
    }
    qsort(ordered + seated, count - seated, sizeof *ordered, compare);
    free(is_seated);
    free(devices->devices);
    devices->devices = ordered;
    devices->count = count;
    return 0;
}

int gr_seats_add(struct gr_seats *seats, const char *node, uint32_t index,
                 const struct gr_device *device, struct gr_err *err)
{
    struct gr_seat seat = {.index = index, .is_pretend = device->is_pretend};
    snprintf(seat.node, sizeof seat.node, "%s", node);
    memcpy(seat.address, device->address, sizeof seat.address);
    memcpy(seat.variant, device->variant, sizeof seat.variant);
    return add(seats, &seat, err);
}

void gr_seats_done(struct gr_seats *seats)
{
    free(seats->items);
    *seats = (struct gr_seats){0};
}
