/* A unit test file registers its suite with one line at its end:
 *     SUITE(cron, {"weekday 7 is refused", test_weekday_seven}, ...)
 * Test functions are static void f(void) and use CUnit's CU_ASSERT macros. */
#ifndef BACKSTOP_TESTS_SUITE_H
#define BACKSTOP_TESTS_SUITE_H

#include <CUnit/CUnit.h>
#include <string.h>

#include "backstop/base.h"

struct suite_test {
    const char *name;
    void (*run)(void);
};
void suite_register(const char *name, const struct suite_test *tests, size_t count);

#define SUITE(name, ...)                                                                                               \
    static const struct suite_test suite_##name[] = {__VA_ARGS__};                                                     \
    __attribute__((constructor)) static void suite_##name##_register(void)                                             \
    {                                                                                                                  \
        suite_register(#name, suite_##name, LENGTH_OF(suite_##name));                                                  \
    }

/* Compares a text and says both on failure. */
#define ASSERT_TEXT(actual, expected)                                                                                  \
    do {                                                                                                               \
        struct str actual_ = (actual);                                                                                 \
        const char *expected_ = (expected);                                                                            \
        bool same_ =                                                                                                   \
            actual_.len == strlen(expected_) && memcmp(actual_.ptr ? actual_.ptr : "", expected_, actual_.len) == 0;   \
        if (!same_)                                                                                                    \
            fprintf(stderr, "\n    %s:%d: got      %.*s\n      expected %s\n", __FILE__, __LINE__, STR_ARG(actual_),   \
                    expected_);                                                                                        \
        CU_ASSERT(same_);                                                                                              \
    } while (0)

#endif
