// The part of NVIDIA's management library that granary calls: its binary interface, as its public
// documentation states it, in granary's own words. Nothing of it is linked; every function is
// looked up by name and may be missing.
#pragma once

#include <stdint.h>

// What every call returns. Other values exist; they are shown by number.
enum nvml_return {
    NVML_OK = 0,
    NVML_BAD_ARGUMENT = 2,
    NVML_NOT_SUPPORTED = 3,
    NVML_NO_PERMISSION = 4,
    NVML_NOT_FOUND = 6,
    NVML_TOO_SMALL = 7,
    NVML_NO_DRIVER = 9,
    NVML_TIMED_OUT = 10,
    NVML_NO_FUNCTION = 13,
    NVML_LOST = 15,
    NVML_RESET_REQUIRED = 16,
};

// A device; an event set. Opaque to us.
typedef void *nvml_handle;

// What nvmlDeviceGetPciInfo_v3 (and _v2, which is shorter and begins alike) fills.
struct nvml_pci {
    char short_address[16]; // with four digits of domain
    unsigned domain;        // the parts of the address
    unsigned bus;           // of the domain
    unsigned device;        // on the bus
    unsigned ids;           // device id in the upper, vendor id in the lower 16 bits
    unsigned subsystem_ids; // of the board, likewise
    char address[32];       // with eight digits of domain
    char reserved[64];      // room for what a newer library may write
};

// nvmlDeviceGetMemoryInfo; bytes.
struct nvml_memory {
    unsigned long long total; // of the card
    unsigned long long free;  // of it
    unsigned long long used;  // with what the driver keeps for itself
};

// nvmlDeviceGetMemoryInfo_v2; bytes.
struct nvml_memory_v2 {
    unsigned version;            // NVML_VERSION(struct nvml_memory_v2, 2)
    unsigned long long total;    // of the card
    unsigned long long reserved; // kept by the driver
    unsigned long long free;     // of it
    unsigned long long used;     // by work
};

// nvmlDeviceGetUtilizationRates; percent.
struct nvml_utilisation {
    unsigned gpu;    // time in which work ran
    unsigned memory; // time in which memory was read or written
};

// nvmlDeviceGetTemperatureV, version 1.
struct nvml_temperature {
    unsigned version;
    unsigned sensor; // NVML_SENSOR_GPU
    int temperature; // degrees Celsius
};

// nvmlDeviceGetFieldValues.
struct nvml_field {
    unsigned id;       // in: which field
    unsigned scope;    // in: 0 for the whole card
    long long at;      // out: when, microseconds since 1970
    long long latency; // out: how long it took, microseconds
    unsigned type;     // out: of value: 1 is unsigned int
    int result;        // out: enum nvml_return of this field
    // What it is depends on `type`.
    union {
        unsigned u;             // type 1
        unsigned long long ull; // type 3
        double d;               // type 0
    } value;                    // out
};

// nvmlEventSetWait_v2 (and the older one, which writes less).
struct nvml_event {
    nvml_handle device;        // whose event it is; NULL if that is not known
    unsigned long long type;   // NVML_EVENT_XID
    unsigned long long data;   // of an XID: its number
    unsigned instance;         // of the card's parts (MIG); not used here
    unsigned compute_instance; // likewise
};

// The version that a struct says it has: its size and its number.
#define NVML_VERSION(type, number) ((unsigned)(sizeof(type) | ((unsigned)(number) << 24)))
// Sensor of the GPU itself.
#define NVML_SENSOR_GPU 0u
// Kinds of ECC counter: uncorrected errors, since the driver was loaded.
#define NVML_ECC_UNCORRECTED 1u
#define NVML_ECC_VOLATILE 0u
// Event: a critical XID.
#define NVML_EVENT_XID 8ull
// Field: what the driver advises to do with the device (0 nothing, 1 reset, 2 reboot, 3 drain
// peer-to-peer work, 4 drain and reset).
#define NVML_FIELD_RECOVERY 230u
// Capability that nvmlDeviceGetP2PStatus is asked about: NVLink.
#define NVML_P2P_NVLINK 2u
// nvmlDeviceGetTopologyCommonAncestor: same board or behind one or more PCIe switches, without the
// processor's own bridge.
#define NVML_ANCESTOR_SWITCHES 20u
