/* Shared libraries that are loaded when they are first needed. */
#include <dlfcn.h>
#include <string.h>

#include "backstop/base.h"

bool library_load(const char *name, const struct library_function *functions, size_t count, struct error *error)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(error, 0, "cannot load %s: %s", name, dlerror()); /* NOLINT(concurrency-mt-unsafe) */
    for (size_t i = 0; i < count; i++) {
        void *function = dlsym(library, functions[i].name);
        if (!function)
            return error_set(error, 0, "%s is another library: it has no %s", name, functions[i].name);
        memcpy(functions[i].pointer, &function, sizeof function);
    }
    return true;
}
