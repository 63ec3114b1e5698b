// What container.c and container_image.c share; nobody else includes it.
#pragma once

#include "engine/local/container.h"
#include "engine/local/image.h"

#include <sys/types.h>

// Opens the image in a process with the submitter's rights; `cache`, `is_cache` as gr_image_open.
// Blocks. Returns 0 with *image, which the caller ends; -errno with a text.
int gr_container_image_read(const struct gr_container_config *config, int cache, bool is_cache,
                            struct gr_image *image, struct gr_err *err);
// A folder that belongs to the submitter, made if it is not there. Returns a file descriptor or
// -errno.
int gr_container_owned_open(int parent, const char *name, const struct gr_spec *spec, mode_t mode);
// The folder of the submitter's unpacked images. Returns a file descriptor or -errno with a text.
int gr_container_cache_open(const struct gr_container_config *config, struct gr_err *err);
