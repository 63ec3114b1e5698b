// What happened lately, told when something does not hold. See story.h.
#include "story.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAST_FACTS 24
#define LINE 200

// For the report of a failure, of whatever kind.
static struct {
    unsigned long long seed, step;
    char line[LAST_FACTS][LINE];
    unsigned count;
} story;

static void story_tell(void)
{
    char head[LINE];
    int size = snprintf(head, sizeof head, "sim: seed %llu, step %llu; the last facts:\n",
                        story.seed, story.step);
    ssize_t done = write(2, head, (size_t)size);
    unsigned first = story.count > LAST_FACTS ? story.count - LAST_FACTS : 0;
    for (unsigned i = first; i < story.count; i++) {
        const char *line = story.line[i % LAST_FACTS];
        done += write(2, line, strlen(line));
    }
    (void)done;
}

static void on_abort(int number)
{
    (void)number;
    story_tell();
    signal(SIGABRT, SIG_DFL);
}

void story_add(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *line = story.line[story.count++ % LAST_FACTS];
    (void)vsnprintf(line, LINE - 1, format, args);
    va_end(args);
    strncat(line, "\n", 2);
}

void story_wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "sim: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    story_tell();
    exit(1);
}

void story_begin(uint64_t seed)
{
    story.seed = seed;
    story.step = 0;
    story.count = 0;
    signal(SIGABRT, on_abort);
}

void story_step(uint64_t step)
{
    story.step = step;
}
