#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suite.h"

struct place {
    char folder[64];
    char file[128];
    atomic_uint calls;
};

static void count_call(void *context)
{
    atomic_fetch_add(&((struct place *)context)->calls, 1);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CU_ASSERT_FATAL(file != NULL);
    fputs(text, file);
    fclose(file);
}

static struct place *make_place(void)
{
    static struct place place;
    snprintf(place.folder, sizeof place.folder, "/tmp/backstop-watch-XXXXXX");
    CU_ASSERT_FATAL(mkdtemp(place.folder) != NULL);
    snprintf(place.file, sizeof place.file, "%s/f.yaml", place.folder);
    atomic_store(&place.calls, 0);
    return &place;
}

static void remove_place(const struct place *place)
{
    char command[256];
    snprintf(command, sizeof command, "%s", place->folder);
    CU_ASSERT(rmdir(command) == 0);
}

/* Waits until there were `wanted` calls; then a moment longer for one too many. */
static unsigned calls_after(struct place *place, unsigned wanted)
{
    for (int i = 0; i < 300 && atomic_load(&place->calls) < wanted; i++)
        usleep(10000);
    usleep(250000);
    return atomic_load(&place->calls);
}

static struct file_watch *watch(struct place *place, const char *path, unsigned poll_seconds)
{
    struct error error = {0};
    const char *const paths[] = {path};
    struct file_watch *started = file_watch_start(paths, 1, poll_seconds, count_call, place, &error);
    CU_ASSERT_FATAL(started != NULL);
    return started;
}

static void test_write_and_rename(void)
{
    struct place *place = make_place();
    char other[256];
    snprintf(other, sizeof other, "%s/f.new", place->folder);
    put(place->file, "a");
    struct file_watch *w = watch(place, place->file, 3600);
    put(place->file, "in place");
    CU_ASSERT(calls_after(place, 1) == 1);
    put(other, "beside it"); /* not the file that is watched */
    CU_ASSERT(calls_after(place, 2) == 1);
    CU_ASSERT(rename(other, place->file) == 0); /* as editors do */
    CU_ASSERT(calls_after(place, 2) == 2);
    CU_ASSERT(unlink(place->file) == 0);
    CU_ASSERT(calls_after(place, 3) == 3);
    put(place->file, "back");
    CU_ASSERT(calls_after(place, 4) == 4);
    file_watch_stop(w);
    put(place->file, "after the stop");
    usleep(250000);
    CU_ASSERT(atomic_load(&place->calls) == 4);
    unlink(place->file);
    remove_place(place);
}

/* Fifty writes in a row are one change, not fifty. */
static void test_burst(void)
{
    struct place *place = make_place();
    put(place->file, "a");
    struct file_watch *w = watch(place, place->file, 3600);
    int64_t began = time_monotonic_ns();
    for (int i = 0; i < 50; i++)
        put(place->file, i % 2 ? "odd" : "even one");
    /* A busy machine may stretch the burst, and the quiet within it is then no part of it. */
    unsigned most = 3 + (unsigned)((time_monotonic_ns() - began) / 100000000); /* server/base/file.c: QUIET_MS */
    unsigned calls = calls_after(place, 1);
    CU_ASSERT(calls >= 1 && calls <= most);
    file_watch_stop(w);
    unlink(place->file);
    remove_place(place);
}

/* kubelet: f.yaml -> ..data/f.yaml, ..data -> ..1; then ..data is renamed over. */
static void test_kubernetes_mount(void)
{
    struct place *place = make_place();
    char first[256], second[256], data[256], swap[256], old_file[300], new_file[300];
    snprintf(first, sizeof first, "%s/..1", place->folder);
    snprintf(second, sizeof second, "%s/..2", place->folder);
    snprintf(data, sizeof data, "%s/..data", place->folder);
    snprintf(swap, sizeof swap, "%s/..data_tmp", place->folder);
    snprintf(old_file, sizeof old_file, "%s/f.yaml", first);
    snprintf(new_file, sizeof new_file, "%s/f.yaml", second);
    CU_ASSERT_FATAL(mkdir(first, 0700) == 0 && symlink("..1", data) == 0);
    put(old_file, "same");
    CU_ASSERT_FATAL(symlink("..data/f.yaml", place->file) == 0);
    struct file_watch *by_file = watch(place, place->file, 3600);
    CU_ASSERT_FATAL(mkdir(second, 0700) == 0 && symlink("..2", swap) == 0);
    put(new_file, "same");
    usleep(250000);
    CU_ASSERT(atomic_load(&place->calls) == 0); /* not visible yet */
    CU_ASSERT(rename(swap, data) == 0);
    CU_ASSERT(unlink(old_file) == 0 && rmdir(first) == 0);
    CU_ASSERT(calls_after(place, 1) == 1);
    file_watch_stop(by_file);
    struct file_watch *by_folder = watch(place, place->folder, 3600);
    CU_ASSERT_FATAL(mkdir(first, 0700) == 0 && symlink("..1", swap) == 0);
    put(old_file, "again");
    CU_ASSERT(rename(swap, data) == 0);
    CU_ASSERT(calls_after(place, 2) == 2);
    file_watch_stop(by_folder);
    const char *const leftovers[] = {place->file, data, old_file, new_file};
    for (size_t i = 0; i < LENGTH_OF(leftovers); i++)
        unlink(leftovers[i]);
    rmdir(first);
    rmdir(second);
    remove_place(place);
}

/* What was no good is looked at again, once for each time it was said to be so. */
static void test_again(void)
{
    struct place *place = make_place();
    put(place->file, "a");
    struct file_watch *w = watch(place, place->file, 1);
    file_watch_again(w);
    CU_ASSERT(calls_after(place, 1) == 1);
    usleep(1500000);
    CU_ASSERT(atomic_load(&place->calls) == 1);
    file_watch_again(w);
    CU_ASSERT(calls_after(place, 2) == 2);
    file_watch_stop(w);
    file_watch_again(NULL);
    unlink(place->file);
    remove_place(place);
}

static void test_folder(void)
{
    struct place *place = make_place();
    char hidden[256];
    snprintf(hidden, sizeof hidden, "%s/.f.swp", place->folder);
    struct file_watch *w = watch(place, place->folder, 3600);
    put(place->file, "new");
    CU_ASSERT(calls_after(place, 1) == 1);
    put(hidden, "an editor's copy");
    CU_ASSERT(calls_after(place, 2) == 1);
    unlink(place->file);
    CU_ASSERT(calls_after(place, 2) == 2);
    file_watch_stop(w);
    unlink(hidden);
    remove_place(place);
}

/* A link into a folder that is not watched: only the poll can see it. */
static void test_poll(void)
{
    struct place *place = make_place();
    char folder[64] = "/tmp/backstop-watch-XXXXXX", target[128], link[256];
    CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
    snprintf(target, sizeof target, "%s/t.yaml", folder);
    snprintf(link, sizeof link, "%s/l.yaml", place->folder);
    put(target, "a");
    CU_ASSERT_FATAL(symlink(target, link) == 0);
    struct file_watch *w = watch(place, place->folder, 1);
    put(target, "changed");
    CU_ASSERT(calls_after(place, 1) == 1);
    file_watch_stop(w);
    unlink(link);
    unlink(target);
    rmdir(folder);
    remove_place(place);
}

static void test_missing_path(void)
{
    struct place *place = make_place();
    struct file_watch *w = watch(place, place->file, 3600);
    put(place->file, "now it is there");
    CU_ASSERT(calls_after(place, 1) == 1);
    file_watch_stop(w);
    file_watch_stop(NULL);
    unlink(place->file);
    remove_place(place);
}

SUITE(watch, {"written, renamed over, deleted, stopped", test_write_and_rename}, {"a burst is one change", test_burst},
      {"a mounted ConfigMap's swap", test_kubernetes_mount}, {"a folder's files", test_folder},
      {"what the kernel does not tell is polled", test_poll}, {"a file that comes later", test_missing_path},
      {"again, although nothing changes", test_again})
