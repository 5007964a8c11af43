#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>

#include "suite.h"

enum { SUITES_MAX = 128 };
static struct {
    const char *name;
    const struct suite_test *tests;
    size_t count;
} suites[SUITES_MAX];
static size_t suite_count;

void suite_register(const char *name, const struct suite_test *tests, size_t count)
{
    if (suite_count == SUITES_MAX) {
        fprintf(stderr, "suite %s: raise SUITES_MAX in tests/unit/main.c\n", name);
        abort();
    }
    suites[suite_count].name = name;
    suites[suite_count].tests = tests;
    suites[suite_count++].count = count;
}

bool suite_text_is(const char *file, int line, struct str actual, const char *expected)
{
    if (str_is(actual, expected))
        return true;
    fprintf(stderr, "\n    %s:%d: got      %.*s\n      expected %s\n", file, line, STR_ARG(actual), expected);
    return false;
}

/* With arguments, only the suites named; with -NAME, all but that. */
static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i] + (*argv[i] == '-'), name) == 0)
            return *argv[i] != '-';
    return argc == 1 || *argv[1] == '-';
}

static bool is_suite(const char *name)
{
    for (size_t i = 0; i < suite_count; i++)
        if (strcmp(suites[i].name, name) == 0)
            return true;
    return false;
}

/* A name that is no suite would run nothing, and pass. */
static bool all_known(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (is_suite(argv[i] + (*argv[i] == '-')))
            continue;
        fprintf(stderr, "no suite \"%s\"; there are:", argv[i]);
        for (size_t s = 0; s < suite_count; s++)
            fprintf(stderr, " %s", suites[s].name);
        fputc('\n', stderr);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    if (!all_known(argc, argv))
        return 2;
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    for (size_t i = 0; i < suite_count; i++) {
        if (!wanted(suites[i].name, argc, argv))
            continue;
        CU_pSuite suite = CU_add_suite(suites[i].name, NULL, NULL);
        for (size_t t = 0; suite && t < suites[i].count; t++)
            CU_add_test(suite, suites[i].tests[t].name, suites[i].tests[t].run);
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    unsigned ran = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failed || ran == 0 ? 1 : 0;
}
