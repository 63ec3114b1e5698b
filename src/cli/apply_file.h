// The file of `granary apply`: which keys it may have is said once, in a table, so that a slip of
// the pen is found with its line before anything is sent; and where in it something stands that the
// daemon does not take.
#pragma once

#include "base/err.h"
#include "base/yaml.h"

#include <jansson.h>

// Reads a file ("-": standard input). On success the caller owns *ret_yaml and *ret_body, what is
// to be sent. Errors: -EINVAL with file, line and column; as gr_yaml_open; -ENOMEM.
int gr_cli_apply_read(const char *path, struct gr_yaml **ret_yaml, json_t **ret_body,
                      struct gr_err *err);
// Puts file, line and column before the text in `err`, where the daemon's answer says what it is
// about: `field` as "organisations[1].quotas[0].lend", or the text as "organisations[1]: ...".
// Nothing if neither does.
void gr_cli_apply_place(const struct gr_yaml *yaml, const char *field, struct gr_err *err);
