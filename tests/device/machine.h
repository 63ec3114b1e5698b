// A machine that a test makes up: a folder that stands for /sys, and the file that the stand-in
// library answers from.
#pragma once

// Makes an empty machine in a new folder below $TMPDIR or /tmp and points the stand-in library at
// its file. Fails the test if it cannot.
void machine_make(void);

// Removes the folder.
void machine_remove(void);

// The folder that stands for /sys. Static memory.
const char *machine_sysfs(void);

// The machine's own folder, for files of the test. Static memory.
const char *machine_folder(void);

// Writes a file below the machine's folder, making folders on the way.
void machine_write(const char *path, const char *text);

// Adds a PCI device, or changes it: `ids` is "10de:2335", `class_code` "0302", `driver` NULL for
// none, `numa` -1 for unknown.
void machine_add(const char *address, const char *ids, const char *class_code, const char *driver,
                 int numa);

// Takes a PCI device away again.
void machine_take(const char *address);

// Says what the stand-in library answers from now on (standin.c has the form).
void machine_nvml(const char *text);
