/* Files for the tests of the module kube: a folder of its own, removed at the end. */
#ifndef BACKSTOP_TESTS_KUBE_FILES_H
#define BACKSTOP_TESTS_KUBE_FILES_H

#include "kube/kube.h"
#include "suite.h"

struct kube_files {
    struct arena *arena;
    char folder[64];
};
struct kube_files kube_files_begin(void);
void kube_files_end(struct kube_files *files);
/* Writes a file and gives its path, in the arena. */
const char *kube_files_put(struct kube_files *files, const char *name, const char *text);
const char *kube_files_path(struct kube_files *files, const char *name);

#endif
