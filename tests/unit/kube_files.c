#include "kube_files.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct kube_files kube_files_begin(void)
{
    struct kube_files files = {.arena = arena_new(16 << 20), .folder = "/tmp/backstop-kube-XXXXXX"};
    CU_ASSERT_FATAL(files.arena && mkdtemp(files.folder));
    return files;
}

static int drop(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

void kube_files_end(struct kube_files *files)
{
    nftw(files->folder, drop, 8, FTW_DEPTH | FTW_PHYS);
    arena_free(files->arena);
}

const char *kube_files_path(struct kube_files *files, const char *name)
{
    return arena_printf(files->arena, "%s/%s", files->folder, name).ptr;
}

const char *kube_files_put(struct kube_files *files, const char *name, const char *text)
{
    const char *path = kube_files_path(files, name);
    FILE *file = fopen(path, "w");
    CU_ASSERT_FATAL(file != NULL);
    fputs(text, file);
    fclose(file);
    return path;
}
