// A stand-in for NVIDIA's management library: answers from a text file named by the environment
// variable GRANARY_NVML_STANDIN, which is read anew for each question, so that a test can change
// the machine under a program that runs.
//
//     init 9                    initialising returns this
//     card 0000:3b:00.0         begins a card; what follows is about it
//     name NVIDIA H200          (also: uuid, minor, ids (hex), total and used (MiB), use,
//                               temperature, power, ecc, pending, failed, advice, mig, processes)
//     fail temperature 999      this question about it returns that ("all": every question)
//     hang 300                  asking for its name takes so many milliseconds
//     link 0000:5e:00.0         NVLink to that card
//     near 0000:5e:00.0         only PCIe switches between it and that card
//     xid 0000:3b:00.0 79       an XID, told once for each such line ("-": of no card)
//
// Built twice: with STANDIN_OLD it has only what libraries of ten years ago had.
#include "device/nvml_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))
// The functions have no header: whoever asks looks them up by name.
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

enum { CARDS_MAX = 64, FAILS_MAX = 16, LINKS_MAX = 16, XIDS_MAX = 256 };

struct card {
    char address[32];
    char name[96];
    char uuid[96];
    unsigned minor, ids, use, temperature, power, pending, failed, advice, mig, processes, hang;
    unsigned long long total, used, ecc;
    char fails[FAILS_MAX][32];
    int fail_codes[FAILS_MAX];
    int fail_count;
    char links[LINKS_MAX][32];
    int link_count;
    char near[LINKS_MAX][32];
    int near_count;
};

// The file as last read. A handle is the index of a card plus one: cards keep their places.
static struct card cards[CARDS_MAX];
static int card_count;
static int init_code;
static char xid_cards[XIDS_MAX][32];
static unsigned xid_numbers[XIDS_MAX];
static int xid_count;
static int xid_told;

static void read_number_line(struct card *card, const char *key, const char *value)
{
    struct {
        const char *key;
        unsigned *place;
    } numbers[] = {{"minor", &card->minor},     {"use", &card->use},
                   {"power", &card->power},     {"temperature", &card->temperature},
                   {"pending", &card->pending}, {"failed", &card->failed},
                   {"advice", &card->advice},   {"mig", &card->mig},
                   {"hang", &card->hang},       {"processes", &card->processes}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(key, numbers[i].key) == 0) {
            *numbers[i].place = (unsigned)strtoul(value, NULL, 10);
        }
    }
    if (strcmp(key, "ids") == 0) {
        card->ids = (unsigned)strtoul(value, NULL, 16);
    } else if (strcmp(key, "total") == 0) {
        card->total = strtoull(value, NULL, 10) << 20;
    } else if (strcmp(key, "used") == 0) {
        card->used = strtoull(value, NULL, 10) << 20;
    } else if (strcmp(key, "ecc") == 0) {
        card->ecc = strtoull(value, NULL, 10);
    }
}

static void read_card_line(struct card *card, const char *key, const char *value)
{
    if (strcmp(key, "name") == 0) {
        snprintf(card->name, sizeof card->name, "%s", value);
    } else if (strcmp(key, "uuid") == 0) {
        snprintf(card->uuid, sizeof card->uuid, "%s", value);
    } else if (strcmp(key, "fail") == 0 && card->fail_count < FAILS_MAX) {
        sscanf(value, "%31s %d", card->fails[card->fail_count],
               &card->fail_codes[card->fail_count]);
        card->fail_count++;
    } else if (strcmp(key, "link") == 0 && card->link_count < LINKS_MAX) {
        snprintf(card->links[card->link_count++], 32, "%.31s", value);
    } else if (strcmp(key, "near") == 0 && card->near_count < LINKS_MAX) {
        snprintf(card->near[card->near_count++], 32, "%.31s", value);
    } else {
        read_number_line(card, key, value);
    }
}

static void read_file(void)
{
    const char *path = getenv("GRANARY_NVML_STANDIN");
    FILE *file = path == NULL ? NULL : fopen(path, "re");
    char line[256];
    card_count = 0;
    init_code = path == NULL ? NVML_NO_DRIVER : NVML_OK;
    xid_count = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char key[32] = "";
        int at = 0;
        line[strcspn(line, "\n")] = '\0';
        sscanf(line, "%31s %n", key, &at);
        const char *value = line + at;
        if (strcmp(key, "init") == 0) {
            init_code = (int)strtol(value, NULL, 10);
        } else if (strcmp(key, "card") == 0 && card_count < CARDS_MAX) {
            cards[card_count] = (struct card){0};
            snprintf(cards[card_count++].address, 32, "%.31s", value);
        } else if (strcmp(key, "xid") == 0 && xid_count < XIDS_MAX) {
            sscanf(value, "%31s %u", xid_cards[xid_count], &xid_numbers[xid_count]);
            xid_count++;
        } else if (card_count > 0) {
            read_card_line(&cards[card_count - 1], key, value);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

// The card, after reading the file anew; NULL with *ret_result set if the question fails.
static struct card *ask(nvml_handle handle, const char *question, int *ret_result)
{
    read_file();
    size_t index = (size_t)handle - 1;
    *ret_result = NVML_OK;
    if (index >= (size_t)card_count) {
        *ret_result = NVML_BAD_ARGUMENT;
        return NULL;
    }
    struct card *card = &cards[index];
    for (int i = 0; i < card->fail_count; i++) {
        if (strcmp(card->fails[i], question) == 0 || strcmp(card->fails[i], "all") == 0) {
            *ret_result = card->fail_codes[i];
            return NULL;
        }
    }
    return card;
}

static int init(void)
{
    read_file();
    xid_told = 0;
    return init_code;
}

static int get_count(unsigned *count)
{
    read_file();
    *count = (unsigned)card_count;
    return NVML_OK;
}

static int by_index(unsigned index, nvml_handle *handle)
{
    int result;
    *handle = (nvml_handle)(size_t)(index + 1);
    ask(*handle, "handle", &result);
    return result;
}

static int get_pci(nvml_handle handle, struct nvml_pci *pci, size_t size)
{
    int result;
    struct card *card = ask(handle, "pci", &result);
    if (card != NULL) {
        struct nvml_pci full = {.ids = card->ids};
        sscanf(card->address, "%x:%x:%x", &full.domain, &full.bus, &full.device);
        snprintf(full.short_address, sizeof full.short_address, "%.15s", card->address);
        memcpy(pci, &full, size);
    }
    return result;
}

static int event_wait(struct nvml_event *event)
{
    read_file();
    if (xid_told >= xid_count) {
        return NVML_TIMED_OUT;
    }
    event->device = NULL;
    event->type = NVML_EVENT_XID;
    event->data = xid_numbers[xid_told];
    for (int i = 0; i < card_count; i++) {
        if (strcmp(cards[i].address, xid_cards[xid_told]) == 0) {
            event->device = (nvml_handle)(size_t)(i + 1);
        }
    }
    xid_told++;
    return NVML_OK;
}

// ---- what old and new libraries have ------------------------------------------------------------

EXPORT int nvmlShutdown(void)
{
    return NVML_OK;
}

EXPORT int nvmlDeviceGetName(nvml_handle handle, char *text, unsigned size)
{
    int result;
    struct card *card = ask(handle, "name", &result);
    if (card != NULL) {
        struct timespec wait = {.tv_sec = card->hang / 1000,
                                .tv_nsec = (long)(card->hang % 1000) * 1000000};
        nanosleep(&wait, NULL);
        snprintf(text, size, "%s", card->name);
    }
    return result;
}

EXPORT int nvmlDeviceGetUUID(nvml_handle handle, char *text, unsigned size)
{
    int result;
    struct card *card = ask(handle, "uuid", &result);
    if (card != NULL) {
        snprintf(text, size, "%s", card->uuid);
    }
    return result;
}

EXPORT int nvmlDeviceGetMemoryInfo(nvml_handle handle, struct nvml_memory *memory)
{
    int result;
    struct card *card = ask(handle, "memory", &result);
    if (card != NULL) {
        *memory = (struct nvml_memory){card->total, card->total - card->used, card->used};
    }
    return result;
}

EXPORT int nvmlDeviceGetTemperature(nvml_handle handle, unsigned sensor, unsigned *value)
{
    int result;
    struct card *card = ask(handle, "temperature", &result);
    if (card != NULL && sensor == NVML_SENSOR_GPU) {
        *value = card->temperature;
    }
    return result;
}

EXPORT int nvmlDeviceGetMinorNumber(nvml_handle handle, unsigned *value)
{
    int result;
    struct card *card = ask(handle, "minor", &result);
    if (card != NULL) {
        *value = card->minor;
    }
    return result;
}

EXPORT int nvmlEventSetCreate(nvml_handle *set)
{
    *set = &xid_told;
    return NVML_OK;
}

EXPORT int nvmlDeviceRegisterEvents(nvml_handle handle, unsigned long long types, nvml_handle set)
{
    int result;
    ask(handle, "events", &result);
    return types == NVML_EVENT_XID && set == &xid_told ? result : NVML_BAD_ARGUMENT;
}

EXPORT int nvmlEventSetFree(nvml_handle set)
{
    return set == &xid_told ? NVML_OK : NVML_BAD_ARGUMENT;
}

#ifdef STANDIN_OLD
// ---- what only old ones have --------------------------------------------------------------------

EXPORT int nvmlInit(void)
{
    return init();
}

EXPORT int nvmlDeviceGetCount(unsigned *count)
{
    return get_count(count);
}

EXPORT int nvmlDeviceGetHandleByIndex(unsigned index, nvml_handle *handle)
{
    return by_index(index, handle);
}

EXPORT int nvmlDeviceGetPciInfo_v2(nvml_handle handle, struct nvml_pci *pci)
{
    return get_pci(handle, pci, 52); // the old struct is shorter
}

EXPORT int nvmlEventSetWait(nvml_handle set, struct nvml_event *event, unsigned wait_ms)
{
    return set == &xid_told && wait_ms == 0 ? event_wait(event) : NVML_BAD_ARGUMENT;
}

#else
// ---- what only new ones have --------------------------------------------------------------------

EXPORT int nvmlInit_v2(void)
{
    return init();
}

EXPORT int nvmlDeviceGetCount_v2(unsigned *count)
{
    return get_count(count);
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, nvml_handle *handle)
{
    return by_index(index, handle);
}

EXPORT int nvmlDeviceGetHandleByPciBusId_v2(const char *address, nvml_handle *handle)
{
    read_file();
    for (int i = 0; i < card_count; i++) {
        if (strcmp(cards[i].address, address) == 0) {
            return by_index((unsigned)i, handle);
        }
    }
    return NVML_NOT_FOUND;
}

EXPORT int nvmlDeviceGetIndex(nvml_handle handle, unsigned *index)
{
    int result;
    struct card *card = ask(handle, "index", &result);
    if (card != NULL) {
        *index = (unsigned)(card - cards);
    }
    return result;
}

EXPORT int nvmlDeviceGetPciInfo_v3(nvml_handle handle, struct nvml_pci *pci)
{
    return get_pci(handle, pci, 68);
}

EXPORT int nvmlDeviceGetMemoryInfo_v2(nvml_handle handle, struct nvml_memory_v2 *memory)
{
    int result;
    struct card *card = ask(handle, "memory", &result);
    if (memory->version != NVML_VERSION(struct nvml_memory_v2, 2)) {
        return 25;
    }
    if (card != NULL) {
        memory->total = card->total;
        memory->used = card->used;
    }
    return result;
}

EXPORT int nvmlDeviceGetUtilizationRates(nvml_handle handle, struct nvml_utilisation *use)
{
    int result;
    struct card *card = ask(handle, "use", &result);
    if (card != NULL) {
        *use = (struct nvml_utilisation){card->use, 0};
    }
    return result;
}

EXPORT int nvmlDeviceGetPowerUsage(nvml_handle handle, unsigned *power)
{
    int result;
    struct card *card = ask(handle, "power", &result);
    if (card != NULL) {
        *power = card->power;
    }
    return result;
}

EXPORT int nvmlDeviceGetTotalEccErrors(nvml_handle handle, unsigned type, unsigned counter,
                                       unsigned long long *errors)
{
    int result;
    struct card *card = ask(handle, "ecc", &result);
    if (card != NULL && type == NVML_ECC_UNCORRECTED && counter == NVML_ECC_VOLATILE) {
        *errors = card->ecc;
    }
    return result;
}

EXPORT int nvmlDeviceGetRemappedRows(nvml_handle handle, unsigned *corrected, unsigned *uncorrected,
                                     unsigned *pending, unsigned *failed)
{
    int result;
    struct card *card = ask(handle, "rows", &result);
    if (card != NULL) {
        *corrected = *uncorrected = 0;
        *pending = card->pending;
        *failed = card->failed;
    }
    return result;
}

EXPORT int nvmlDeviceGetFieldValues(nvml_handle handle, int count, struct nvml_field *fields)
{
    int result;
    struct card *card = ask(handle, "advice", &result);
    for (int i = 0; card != NULL && i < count; i++) {
        fields[i].result = fields[i].id == NVML_FIELD_RECOVERY ? NVML_OK : NVML_NOT_SUPPORTED;
        fields[i].type = 1;
        fields[i].value.u = card->advice;
    }
    return result;
}

EXPORT int nvmlDeviceGetMigMode(nvml_handle handle, unsigned *current, unsigned *pending)
{
    int result;
    struct card *card = ask(handle, "mig", &result);
    if (card != NULL) {
        *current = *pending = card->mig;
    }
    return result;
}

EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(nvml_handle handle, unsigned *count, void *list)
{
    int result;
    struct card *card = ask(handle, "processes", &result);
    if (card == NULL) {
        return result;
    }
    unsigned room = list == NULL ? 0 : *count;
    *count = card->processes;
    return card->processes > room ? NVML_TOO_SMALL : NVML_OK;
}

EXPORT int nvmlEventSetWait_v2(nvml_handle set, struct nvml_event *event, unsigned wait_ms)
{
    return set == &xid_told && wait_ms == 0 ? event_wait(event) : NVML_BAD_ARGUMENT;
}

// Whether one of the two cards lists the other.
static int lists(struct card *a, struct card *b, int near)
{
    for (int i = 0; i < LINKS_MAX; i++) {
        if (strcmp(near ? a->near[i] : a->links[i], b->address) == 0 ||
            strcmp(near ? b->near[i] : b->links[i], a->address) == 0) {
            return 1;
        }
    }
    return 0;
}

EXPORT int nvmlDeviceGetP2PStatus(nvml_handle a, nvml_handle b, unsigned what, unsigned *status)
{
    int result;
    struct card *left = ask(a, "p2p", &result);
    struct card *right = left == NULL ? NULL : ask(b, "p2p", &result);
    if (right != NULL) {
        *status = what == NVML_P2P_NVLINK && lists(left, right, 0) ? 0 : 5;
    }
    return result;
}

EXPORT int nvmlDeviceGetTopologyCommonAncestor(nvml_handle a, nvml_handle b, unsigned *level)
{
    int result;
    struct card *left = ask(a, "ancestor", &result);
    struct card *right = left == NULL ? NULL : ask(b, "ancestor", &result);
    if (right != NULL) {
        *level = lists(left, right, 1) ? NVML_ANCESTOR_SWITCHES : 50;
    }
    return result;
}
#endif
