// Hard limits of the model. Reaching one is a refusal or a clear error, never a crash.
#pragma once

// Accelerators in one node (or dies, where a package holds several).
#define GR_NODE_DEVICES_MAX 16
// A whole accelerator; fractions are stated in these.
#define GR_DEVICE_MILLI 1000
// Nodes of one pool.
#define GR_NODES_MAX 262144
// Sites of one pool.
#define GR_SITES_MAX 64
// Different variants in one pool (the catalogue may hold more).
#define GR_POOL_VARIANTS_MAX 128
// Nested topology domains a node can carry, wide to narrow.
#define GR_DOMAIN_LEVELS 4
// Tasks in one gang.
#define GR_TASKS_MAX 65536
// Largest cpu request or capacity, 1/1000 of a cpu.
#define GR_CPU_MILLI_MAX 100000000
// Largest memory request or capacity, MiB.
#define GR_MEMORY_MIB_MAX 1000000000
// Bytes of a name (site, node, organisation), terminating NUL included.
#define GR_NAME_SIZE 48
// Variants of one catalogue.
#define GR_VARIANTS_MAX 2048
// Names of one variant besides its id.
#define GR_VARIANT_NAMES_MAX 8
// Slots of the hash table of names: more than GR_VARIANTS_MAX * (GR_VARIANT_NAMES_MAX + 1).
#define GR_CATALOGUE_SLOTS 32768
// Named kinds of one file.
#define GR_KINDS_MAX 512
// Variants of one kind.
#define GR_KIND_VARIANTS_MAX 64
// Bytes of a kind's one-line description, terminating NUL included.
#define GR_KIND_SUMMARY_SIZE 128
