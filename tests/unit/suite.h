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
bool suite_text_is(const char *file, int line, struct str actual, const char *expected);
#define ASSERT_TEXT(actual, expected) CU_ASSERT(suite_text_is(__FILE__, __LINE__, (actual), (expected)))

#endif
