#include "suite.h"

#include "backstop/policy.h"

static struct decision start(void)
{
    struct decision decision;
    decision_init(&decision, arena_new(1 << 20));
    return decision;
}

static void finish(struct decision *decision)
{
    CU_ASSERT(!arena_failed(decision->arena));
    arena_free(decision->arena);
}

static void test_invalid(void)
{
    struct decision d = start();
    CU_ASSERT_FALSE(d.denied);
    CU_ASSERT_EQUAL(decision_message(&d).len, 0);
    decision_invalid(&d, "spec.schedule", "\"%s\": no", "0 9 * * 7");
    CU_ASSERT(d.denied);
    CU_ASSERT_EQUAL(d.code, 422);
    CU_ASSERT_STRING_EQUAL(d.reason, "Invalid");
    ASSERT_TEXT(d.causes.items[0].field, "spec.schedule");
    ASSERT_TEXT(d.causes.items[0].message, "Invalid value: \"0 9 * * 7\": no");
    ASSERT_TEXT(decision_message(&d), "spec.schedule: Invalid value: \"0 9 * * 7\": no");
    for (int i = 0; i < 9; i++)
        decision_required(&d, "spec.b", "set it");
    ASSERT_TEXT(decision_message(&d),
                "[spec.schedule: Invalid value: \"0 9 * * 7\": no, spec.b: Required value: set it]");
    CU_ASSERT_EQUAL(d.causes.len, 10);
    decision_invalid(&d, "spec.c", "\nforged\r\nline");
    ASSERT_TEXT(d.causes.items[10].message, "Invalid value:  forged  line");
    finish(&d);
}

/* What must reach everybody is marked, whoever turned a denial into it; nothing else is. */
static void test_cautions(void)
{
    struct decision d = start();
    decision_warn(&d, "plain");
    decision_unchecked(&d, FACT_BACKUPS, "not checked");
    CU_ASSERT_EQUAL(d.cautions.len, 0);
    decision_caution(&d, "%s", "grave");
    decision_caution(&d, "%s", "grave");
    decision_judge(&d, VERDICT_WARN, FIELD_INVALID, "spec.a", "by a setting");
    decision_judge(&d, VERDICT_ALLOW, FIELD_INVALID, "spec.a", "allowed");
    CU_ASSERT_EQUAL(d.warnings.len, 4);
    CU_ASSERT_EQUAL(d.cautions.len, 2);
    ASSERT_TEXT(d.cautions.items[0], "grave");
    ASSERT_TEXT(d.cautions.items[1], "spec.a: by a setting");
    decision_caution(&d, "%0300d", 7); /* cut as the warning is */
    CU_ASSERT_EQUAL(d.cautions.items[2].len, d.warnings.items[4].len);
    CU_ASSERT_FALSE(d.denied);
    finish(&d);
}

static void test_several_denials(void)
{
    struct decision d = start();
    decision_wait(&d, 429, 15, "a backup is running");
    CU_ASSERT_EQUAL(d.code, 429);
    CU_ASSERT_STRING_EQUAL(d.reason, "TooManyRequests");
    CU_ASSERT_EQUAL(d.retry_after, 15);
    decision_wait(&d, 429, 30, "another one");
    ASSERT_TEXT(decision_message(&d), "a backup is running");
    decision_wait(&d, 503, 5, "cannot tell");
    CU_ASSERT_EQUAL(d.code, 503);
    ASSERT_TEXT(decision_message(&d), "cannot tell");
    decision_required(&d, "spec.a", "set it");
    CU_ASSERT_EQUAL(d.code, 422);
    CU_ASSERT_EQUAL(d.retry_after, 0);
    ASSERT_TEXT(decision_message(&d), "spec.a: Required value: set it");
    decision_wait(&d, 429, 15, "too late");
    CU_ASSERT_EQUAL(d.retry_after, 0);
    decision_forbid(&d, "it protects %s", "you");
    CU_ASSERT_EQUAL(d.code, 403);
    CU_ASSERT_STRING_EQUAL(d.reason, "Forbidden");
    ASSERT_TEXT(decision_message(&d), "[it protects you, spec.a: Required value: set it]");
    decision_forbid(&d, "twice");
    decision_required(&d, "spec.b", "set it");
    CU_ASSERT_EQUAL(d.code, 403);
    ASSERT_TEXT(decision_message(&d),
                "[it protects you; twice, spec.a: Required value: set it, spec.b: Required value: set it]");
    finish(&d);
}

/* Prefix and reason as apimachinery's field.Error has them. */
static void test_field_errors(void)
{
    struct decision d = start();
    decision_invalid(&d, "spec.a", "no");
    decision_type_invalid(&d, "spec.a", "no");
    decision_required(&d, "spec.a", "no");
    decision_not_supported(&d, "spec.a", "no");
    decision_not_found(&d, "spec.a", "no");
    decision_forbidden(&d, "spec.a", "no");
    decision_duplicate(&d, "spec.a", "no");
    decision_too_long(&d, "spec.a", "no");
    decision_too_many(&d, "spec.a", "no");
    decision_field_text(&d, "spec.a", STR("Not found: it: is gone"));
    decision_field_text(&d, "spec.a", STR("no prefix"));
    static const struct {
        const char *message, *reason;
    } wanted[] = {{"Invalid value: no", "FieldValueInvalid"},
                  {"Invalid value: no", "FieldValueTypeInvalid"},
                  {"Required value: no", "FieldValueRequired"},
                  {"Unsupported value: no", "FieldValueNotSupported"},
                  {"Not found: no", "FieldValueNotFound"},
                  {"Forbidden: no", "FieldValueForbidden"},
                  {"Duplicate value: no", "FieldValueDuplicate"},
                  {"Too long: no", "FieldValueTooLong"},
                  {"Too many: no", "FieldValueTooMany"},
                  {"Not found: it: is gone", "FieldValueNotFound"},
                  {"no prefix", "FieldValueInvalid"}};
    CU_ASSERT_EQUAL_FATAL(d.causes.len, LENGTH_OF(wanted));
    for (size_t i = 0; i < LENGTH_OF(wanted); i++) {
        ASSERT_TEXT(d.causes.items[i].message, wanted[i].message);
        CU_ASSERT_STRING_EQUAL(field_error_reason(d.causes.items[i].error), wanted[i].reason);
    }
    finish(&d);
}

static void test_judge(void)
{
    struct decision d = start();
    decision_judge(&d, VERDICT_ALLOW, FIELD_REQUIRED, "spec.a", "nothing");
    CU_ASSERT_EQUAL(d.warnings.len, 0);
    decision_judge(&d, VERDICT_WARN, FIELD_REQUIRED, "spec.a", "careful");
    ASSERT_TEXT(d.warnings.items[0], "spec.a: careful");
    CU_ASSERT_FALSE(d.denied);
    decision_judge(&d, VERDICT_DENY, FIELD_REQUIRED, "spec.a", "no");
    CU_ASSERT(d.denied);
    ASSERT_TEXT(decision_message(&d), "spec.a: Required value: no");
    finish(&d);
}

static void test_lenient(void)
{
    struct decision d = start();
    d.lenient = true;
    decision_required(&d, "spec.a", "set it");
    decision_forbid(&d, "it protects you");
    decision_wait(&d, 429, 15, "not yet");
    CU_ASSERT_FALSE(d.denied);
    CU_ASSERT_EQUAL(d.code, 0);
    CU_ASSERT_EQUAL(d.retry_after, 0);
    CU_ASSERT_EQUAL(d.warnings.len, 3);
    ASSERT_TEXT(d.warnings.items[0], "would be denied if a user asked: spec.a: Required value: set it");
    ASSERT_TEXT(d.warnings.items[1], "would be denied if a user asked: it protects you");
    ASSERT_TEXT(d.warnings.items[2], "would be denied if a user asked: not yet");
    CU_ASSERT_EQUAL(decision_message(&d).len, 0);
    finish(&d);
}

static void test_warnings(void)
{
    struct decision d = start();
    decision_warn(&d, "same");
    decision_warn(&d, "%s", "same");
    CU_ASSERT_EQUAL(d.warnings.len, 1);
    decision_warn(&d, "a\nb\tc\x7f");
    ASSERT_TEXT(d.warnings.items[1], "a b c ");
    decision_warn(&d, "%0300d", 7);
    CU_ASSERT_EQUAL(d.warnings.items[2].len, 255);
    CU_ASSERT(str_ends(d.warnings.items[2], STR("000...")));
    decision_warn(&d, "%0255d", 7);
    CU_ASSERT(str_ends(d.warnings.items[3], STR("007")));
    /* 251 bytes, then a three-byte character over the cut: it goes as a whole. */
    decision_warn(&d, "%0251d\xe2\x82\xac\xe2\x82\xac", 7);
    CU_ASSERT_EQUAL(d.warnings.items[4].len, 254);
    CU_ASSERT(str_ends(d.warnings.items[4], STR("007...")));
    decision_warn(&d, "%s", "");
    CU_ASSERT_EQUAL(d.warnings.len, 5);
    finish(&d);
}

static void test_lists(void)
{
    struct decision d = start();
    for (int i = 0; i < 20; i++) {
        char path[32];
        snprintf(path, sizeof path, "/spec/%d", i);
        decision_patch(&d, "add", path, NULL);
        decision_create(&d, NULL, STR("ManagementBackup x"));
    }
    CU_ASSERT_EQUAL(d.patch.len, 20);
    ASSERT_TEXT(d.patch.items[0].path, "/spec/0");
    ASSERT_TEXT(d.patch.items[19].path, "/spec/19");
    CU_ASSERT_EQUAL(d.effects.len, 20);
    decision_audit(&d, "schedule", "%d", 1);
    decision_audit(&d, "storage", "%d", 2);
    decision_audit(&d, "schedule", "%d", 3);
    CU_ASSERT_EQUAL(d.audit.len, 2);
    ASSERT_TEXT(d.audit.items[0].value, "3");
    finish(&d);
}

/* However little memory there is, a denial stays a denial. */
static void test_out_of_memory(void)
{
    for (size_t limit = 64; limit < 2048; limit += 16) {
        struct decision d;
        struct arena *arena = arena_new(limit);
        decision_init(&d, arena);
        decision_warn(&d, "%0200d", 1);
        decision_invalid(&d, "spec.a", "%0200d", 1);
        decision_forbid(&d, "%0200d", 1);
        decision_audit(&d, "a", "b");
        decision_message(&d);
        CU_ASSERT(d.denied);
        CU_ASSERT_EQUAL(d.code, 403);
        arena_free(arena);
    }
}

SUITE(decision, {"bad fields", test_invalid}, {"the denial that matters most is answered", test_several_denials},
      {"each kind of field error has its prefix and its reason", test_field_errors},
      {"by a settings verdict", test_judge}, {"Velero is warned instead", test_lenient},
      {"warnings are short, single and once", test_warnings}, {"what must reach everybody is marked", test_cautions},
      {"patch, effects and audit", test_lists}, {"out of memory", test_out_of_memory})
