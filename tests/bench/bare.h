// The rival of the daemon's HTTP server: a bare epoll loop that checks nothing and answers every
// request with the same reply. What the kernel and this machine allow.
#pragma once

// What it replies.
#define GR_BARE_REPLY "{\"id\": 1234567, \"state\": \"waiting\", \"name\": \"a-job\"}\n"

// Serves on the unix socket `path` and on a port of 127.0.0.1, which is written to `tell` as an
// unsigned, until the process is killed.
_Noreturn void gr_bare_main(const char *path, int tell);
