// What tests of device watches share: a made-up machine (machine.h), a watch of it, its last look.
#pragma once

#include "device/device.h"
#include "device/watch.h"
#include "machine.h"
#include "model/node.h"

// A card as its library's file describes it, without its address; two addresses.
#define H200                                                                                       \
    "name NVIDIA H200\nids 233510de\ntotal 143771\nused 4\nuse 50\ntemperature 31\npower 76123\n"
#define ONE "0000:1b:00.0"
#define TWO "0000:5d:00.0"

// The watch of the test that runs, NULL before open_with; and what it found last.
extern struct gr_device_watch *watch;
extern struct gr_device_list list;

// Setup and teardown of a test: an empty machine; no watch, no machine.
int make(void **state);
// See make.
int take_down(void **state);

// Opens a watch of the machine with this library ("" for none) and these pretend devices.
void open_with(const char *nvml, const char *pretend);

// Looks anew: fills `list`.
void look(void);

// The device at this address, of the last look. Fails the test if there is none.
const struct gr_device *at(const char *address);

// Fails the test unless the device has this health and code.
void assert_health(const char *address, enum gr_health health, const char *code);

// Puts two H200 on the bus, at ONE (NUMA node 0) and TWO (1).
void two_cards(void);
