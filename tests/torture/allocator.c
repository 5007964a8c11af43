#include "allocator.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own, under the names it keeps for this. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

static struct torture at_hand;
struct torture *torture = &at_hand;

__attribute__((constructor)) static void begin(void)
{
    /* Freed and fresh memory is filled with rubbish, so that what uses it goes wrong. */
    mallopt(M_PERTURB, 0xa5);
    const char *path = getenv("TORTURE_CONTROL");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *page = mmap(NULL, sizeof *torture, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (page == MAP_FAILED)
        return;
    struct torture *shared = page;
    atomic_store(&shared->live, atomic_load(&at_hand.live));
    torture = shared;
}

static bool fails(void)
{
    atomic_fetch_add(&torture->made, 1);
    if (atomic_load(&torture->countdown) <= 0)
        return false;
    int64_t left = atomic_fetch_sub(&torture->countdown, 1);
    if (left > 1 || left <= 0)
        return false;
    if (atomic_load(&torture->forever))
        atomic_store(&torture->countdown, 1);
    atomic_fetch_add(&torture->failed, 1);
    errno = ENOMEM;
    return true;
}

static void *counted(void *block)
{
    if (block)
        atomic_fetch_add(&torture->live, 1);
    return block;
}

void *malloc(size_t size)
{
    return fails() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
    if (fails())
        return NULL;
    void *block = __libc_realloc(old, size);
    if (!old)
        return counted(block);
    if (!block && size == 0)
        atomic_fetch_sub(&torture->live, 1);
    return block;
}

void *reallocarray(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, bytes);
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    void *got = memalign(alignment, size);
    if (!got)
        return ENOMEM;
    *block = got;
    return 0;
}

void free(void *block)
{
    if (!block)
        return;
    atomic_fetch_sub(&torture->live, 1);
    __libc_free(block);
}
