/* Runs a fuzz target over files, and over the files of folders, given as arguments. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

enum { INPUT_MAX = 64 * 1024 * 1024 };

static size_t replayed;
static const char *replaying;

/* Names the input that a target crashed on: after a broken promise (abort), and
 * after a sanitizer's report, where there are sanitizers. */
static void name_input(void)
{
    static const char before[] = "while replaying ";
    if (write(STDERR_FILENO, before, sizeof(before) - 1) < 0 ||
        write(STDERR_FILENO, replaying, strlen(replaying)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
        return;
}

static void on_signal(int number)
{
    name_input();
    signal(number, SIG_DFL);
    raise(number);
}

__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static bool replay_file(const char *path)
{
    ARENA_SCOPED arena = arena_new(2 * (size_t)INPUT_MAX);
    struct error error;
    struct str text;
    if (!file_read(arena, path, INPUT_MAX, &text, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return false;
    }
    /* a copy of the exact size, so that the address sanitizer sees reads past the end */
    uint8_t *copy = malloc(text.len ? text.len : 1);
    if (!copy)
        return false;
    for (size_t i = 0; i < text.len; i++)
        copy[i] = (uint8_t)text.ptr[i];
    replaying = path;
    LLVMFuzzerTestOneInput(copy, text.len);
    free(copy);
    replayed++;
    return true;
}

static bool replay_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    bool good = count >= 0;
    for (int i = 0; i < count; i++) {
        char file[4096];
        snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            good = replay_file(file) && good;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return good;
}

int main(int argc, char **argv)
{
    bool good = true;
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(name_input);
    else
        signal(SIGSEGV, on_signal);
    for (int i = 1; i < argc; i++) {
        struct stat status;
        bool folder = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
        good = (folder ? replay_folder(argv[i]) : replay_file(argv[i])) && good;
    }
    printf("replayed %zu inputs\n", replayed);
    return good && replayed > 0 ? 0 : 1;
}
