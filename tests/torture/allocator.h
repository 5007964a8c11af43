/* An allocator that fails when told: the Nth allocation from now, whoever makes it, and
 * if wanted every one after it. Linked into a test it stands before the C library's for all
 * libraries of the process; built as a shared object it is preloaded into the webhook, and
 * told through a file that both map (TORTURE_CONTROL). */
#ifndef BACKSTOP_TESTS_TORTURE_ALLOCATOR_H
#define BACKSTOP_TESTS_TORTURE_ALLOCATOR_H

#include <stdatomic.h>
#include <stdint.h>

struct torture {
    _Atomic int64_t countdown; /* 0: none fails; N: the Nth from now */
    _Atomic int64_t forever;   /* not 0: and all that follow */
    _Atomic int64_t made;      /* allocations since the process began */
    _Atomic int64_t live;      /* blocks not freed */
    _Atomic int64_t failed;    /* allocations that were failed */
};
extern struct torture *torture;

#endif
