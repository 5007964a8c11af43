#include "backstop/api.h"
#include "suite.h"

static void test_groups(void)
{
    static const struct {
        const char *text;
        enum phase phase;
        bool failed, errors, holds_kcm;
    } rows[] = {{"", PHASE_WAITING, false, false, false},
                {"New", PHASE_WAITING, false, false, true},
                {"Queued", PHASE_WAITING, false, false, false},
                {"ReadyToStart", PHASE_WAITING, false, false, false},
                {"InProgress", PHASE_RUNNING, false, false, true},
                {"WaitingForPluginOperations", PHASE_RUNNING, false, false, false},
                {"WaitingForPluginOperationsPartiallyFailed", PHASE_RUNNING, false, true, false},
                {"Finalizing", PHASE_RUNNING, false, false, false},
                {"FinalizingPartiallyFailed", PHASE_RUNNING, false, true, false},
                {"Completed", PHASE_COMPLETED, false, false, false},
                {"PartiallyFailed", PHASE_PARTIALLY_FAILED, true, true, false},
                {"Failed", PHASE_FAILED, true, false, false},
                {"FailedValidation", PHASE_REFUSED, true, false, false},
                {"Deleting", PHASE_DELETING, false, false, false}};
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct str text = str_from(rows[i].text);
        CU_ASSERT_EQUAL(phase_of(text), rows[i].phase);
        CU_ASSERT_EQUAL(phase_has_failed(text), rows[i].failed);
        CU_ASSERT_EQUAL(phase_has_errors(text), rows[i].errors);
        CU_ASSERT_EQUAL(phase_holds_kcm(text), rows[i].holds_kcm);
        CU_ASSERT_EQUAL(phase_rank(text), i);
    }
}

static void test_unknown(void)
{
    CU_ASSERT_EQUAL(phase_of(STR("Paused")), PHASE_UNKNOWN);
    CU_ASSERT_EQUAL(phase_of(STR("completed")), PHASE_UNKNOWN);
    CU_ASSERT_EQUAL(phase_rank(STR("Paused")), phase_rank(STR("InProgress")));
    CU_ASSERT_FALSE(phase_has_failed(STR("Paused")));
}

SUITE(phases, {"each phase of Velero, in order", test_groups},
      {"a phase of a newer Velero is as far as one in progress", test_unknown})
