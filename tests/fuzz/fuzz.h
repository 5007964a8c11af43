/* What the fuzz targets share. A target exposes LLVMFuzzerTestOneInput; it is
 * linked either with libFuzzer (make fuzz) or with replay.c (make fuzz-replay). */
#ifndef BACKSTOP_TESTS_FUZZ_H
#define BACKSTOP_TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "backstop/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A broken promise: says what, and stops as a crash does. */
#define PROMISE(condition, ...)                                                                                        \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: broken promise: %s: ", __FILE__, __LINE__, #condition);                            \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The clock of the golden cases: 2026-11-21T03:00:00Z. */
#define FUZZ_NOW INT64_C(1795230000)

#endif
