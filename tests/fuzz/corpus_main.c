// Runs a fuzz target on files, without libFuzzer: `fuzz_NAME FILE-OR-FOLDER...`.
//
// With it the corpora run as ordinary tests under every compiler and sanitizer. Each input is
// copied into a block of exactly its size, so that a sanitizer sees a read past its end. A folder
// without files is a failure: a corpus that nobody runs proves nothing.
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void die(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s\n", path, what);
    exit(EXIT_FAILURE);
}

static void run_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        die(path, strerror(errno));
    }
    uint8_t *data = malloc(size + (size == 0)); // never a NULL that only malloc(0) explains
    if (data == NULL || fread(data, 1, size, file) != size) {
        die(path, "cannot be read whole");
    }
    fclose(file);
    fprintf(stderr, "%s\n", path); // the last line names the input that crashed
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

// Runs all files directly in the folder, in the order of their names. Returns their number.
static int run_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    int ran = 0;
    if (count < 0) {
        die(path, strerror(errno));
    }
    for (int i = 0; i < count; i++) {
        char name[4096];
        struct stat st;
        if (snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name) >= (int)sizeof(name)) {
            die(path, "the path is too long");
        }
        free(entries[i]);
        if (stat(name, &st) != 0) {
            die(name, strerror(errno));
        }
        if (S_ISREG(st.st_mode)) {
            run_file(name, (size_t)st.st_size);
            ran++;
        }
    }
    free(entries);
    return ran;
}

int main(int argc, char **argv)
{
    int ran = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) != 0) {
            die(argv[i], strerror(errno));
        }
        if (S_ISDIR(st.st_mode)) {
            ran += run_folder(argv[i]);
        } else {
            run_file(argv[i], (size_t)st.st_size);
            ran++;
        }
    }
    if (ran == 0) {
        die("fuzz", "no input was found; give files or folders that hold some");
    }
    printf("%d inputs\n", ran);
    return EXIT_SUCCESS;
}
