#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backstop/settings.h"
#include "suite.h"

#define HEAD "apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\n"

static void release(struct settings **settings)
{
    if (*settings)
        shared_release(&(*settings)->shared);
}
#define SETTINGS_SCOPED CLEANUP(release) struct settings *

static void test_defaults(void)
{
    struct error error = {0};
    SETTINGS_SCOPED s = settings_defaults(&error);
    CU_ASSERT_FATAL(s != NULL);
    ASSERT_TEXT(s->system_namespace, "kcm-system");
    CU_ASSERT(s->schedules_minimum_interval == 900 && s->schedules_too_frequent == VERDICT_WARN);
    ASSERT_TEXT(s->schedules_controller_zone, "UTC");
    CU_ASSERT(s->storage_unknown == VERDICT_WARN && s->storage_not_durable == VERDICT_WARN);
    CU_ASSERT(s->storage_foreign_writer == VERDICT_WARN);
    CU_ASSERT(s->backups_delete_protecting == VERDICT_WARN);
    CU_ASSERT(!s->restores_mutate_all && !s->restores_force_update && !s->restores_inject_release_modifier);
    CU_ASSERT(s->restores_providers.len == 0);
    CU_ASSERT(s->upgrade_gate && s->upgrade_max_backup_age == 3600 && s->upgrade_retry_after == 15);
    CU_ASSERT(s->upgrade_retry_after_failure == 600 && s->upgrade_start_timeout == 300);
    CU_ASSERT(s->upgrade_without_backups == VERDICT_WARN && s->upgrade_rehearsal == VERDICT_ALLOW);
    CU_ASSERT(s->upgrade_disabled_velero == VERDICT_WARN && s->upgrade_removed_provider == VERDICT_WARN);
    CU_ASSERT(s->upgrade_unsupported_release == VERDICT_WARN);
    CU_ASSERT_FATAL(s->velero_service_accounts.len == 2);
    ASSERT_TEXT(s->velero_service_accounts.items[0], "velero-server");
    ASSERT_TEXT(s->velero_service_accounts.items[1], "velero");
}

static void test_builtin_provider_exclusions(void)
{
    struct error error = {0};
    SETTINGS_SCOPED s = settings_defaults(&error);
    CU_ASSERT_FATAL(s != NULL && s->provider_exclusion_count == 2);
    ASSERT_TEXT(s->provider_exclusions[0].provider, "infrastructure-azure");
    ASSERT_TEXT(s->provider_exclusions[0].component, "cluster-api-provider-azure");
    CU_ASSERT_FATAL(s->provider_exclusions[0].excluded_resources.len == 4);
    ASSERT_TEXT(s->provider_exclusions[0].excluded_resources.items[3], "virtualnetworkssubnets.network.azure.com");
    ASSERT_TEXT(s->provider_exclusions[1].provider, "infrastructure-vsphere");
    CU_ASSERT_FATAL(s->provider_exclusions[1].excluded_resources.len == 2);
    ASSERT_TEXT(s->provider_exclusions[1].excluded_resources.items[0],
                "mutatingwebhookconfigurations.admissionregistration.k8s.io");
}

static void test_empty_gives_defaults(void)
{
    static const char *const texts[] = {"", "# nothing\n", "---\n", "\n\n---\n# x\n"};
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        struct error error = {0};
        SETTINGS_SCOPED s = settings_parse(str_from(texts[i]), &error);
        CU_ASSERT_FATAL(s != NULL);
        CU_ASSERT(s->upgrade_max_backup_age == 3600);
    }
}

static void test_every_key_is_read(void)
{
    struct error error = {0};
    SETTINGS_SCOPED s = settings_parse(
        STR(HEAD "systemNamespace: backups\n"
                 "schedules: {minimumInterval: 1h30m, tooFrequent: deny, controllerTimeZone: Europe/Berlin}\n"
                 "storage: {whenUnknown: allow, notDurable: deny, foreignWriter: deny}\n"
                 "managementBackups: {deleteProtecting: deny}\nbackups: {keepLast: 3, keepFor: 168h}\n"
                 "restores:\n  mutateAll: yes\n  forceExistingResourcePolicy: true\n  injectReleaseModifier: on\n"
                 "  providers: [infrastructure-azure, infrastructure-azure]\n"
                 "  providerCaveats:\n  - provider: infrastructure-example\n"
                 "    excludedResources: [things.example.com]\n"
                 "upgrade: {gate: false, maxBackupAge: 2h, retryAfter: 5s, retryAfterFailure: 0s, startTimeout: 1m,\n"
                 "  withoutBackups: deny, rehearsal: require, disabledVelero: deny, removedProvider: allow,\n"
                 "  unsupportedRelease: deny}\n"
                 "velero: {serviceAccounts: [my-velero, 'other:velero']}\n"),
        &error);
    CU_ASSERT_FATAL(s != NULL);
    ASSERT_TEXT(s->system_namespace, "backups");
    CU_ASSERT(s->schedules_minimum_interval == 5400 && s->schedules_too_frequent == VERDICT_DENY);
    ASSERT_TEXT(s->schedules_controller_zone, "Europe/Berlin");
    CU_ASSERT(s->storage_unknown == VERDICT_ALLOW && s->storage_not_durable == VERDICT_DENY);
    CU_ASSERT(s->storage_foreign_writer == VERDICT_DENY);
    CU_ASSERT(s->backups_delete_protecting == VERDICT_DENY);
    CU_ASSERT(s->backups_keep_last == 3 && s->backups_keep_for == 7 * 86400);
    CU_ASSERT(s->restores_mutate_all && s->restores_force_update && s->restores_inject_release_modifier);
    CU_ASSERT(s->restores_providers.len == 1);
    CU_ASSERT_FATAL(s->provider_exclusion_count == 3);
    ASSERT_TEXT(s->provider_exclusions[0].provider, "infrastructure-azure");
    ASSERT_TEXT(s->provider_exclusions[2].provider, "infrastructure-example");
    ASSERT_TEXT(s->provider_exclusions[2].excluded_resources.items[0], "things.example.com");
    CU_ASSERT(!s->upgrade_gate && s->upgrade_max_backup_age == 7200 && s->upgrade_retry_after == 5);
    CU_ASSERT(s->upgrade_retry_after_failure == 0 && s->upgrade_start_timeout == 60);
    CU_ASSERT(s->upgrade_rehearsal == VERDICT_DENY && s->upgrade_disabled_velero == VERDICT_DENY);
    CU_ASSERT(s->upgrade_removed_provider == VERDICT_ALLOW && s->upgrade_unsupported_release == VERDICT_DENY);
    CU_ASSERT(s->upgrade_without_backups == VERDICT_DENY && s->velero_service_accounts.len == 2);
    ASSERT_TEXT(s->velero_service_accounts.items[1], "other:velero");
}

/* YAML reads off as false where it has no quotes. */
static void test_strictness(void)
{
    enum { NO_VERDICT = 3 };
    static const struct {
        const char *text;
        int verdict;
    } rows[] = {{"off", VERDICT_ALLOW}, {"\"off\"", VERDICT_ALLOW},  {"false", VERDICT_ALLOW},
                {"warn", VERDICT_WARN}, {"'require'", VERDICT_DENY}, {"on", NO_VERDICT},
                {"true", NO_VERDICT},   {"deny", NO_VERDICT}};
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        char text[256];
        struct error error = {0};
        snprintf(text, sizeof text, HEAD "upgrade: {rehearsal: %s}\n", rows[i].text);
        SETTINGS_SCOPED s = settings_parse(str_from(text), &error);
        CU_ASSERT_EQUAL(s != NULL, rows[i].verdict != NO_VERDICT);
        CU_ASSERT(!s || (int)s->upgrade_rehearsal == rows[i].verdict);
        CU_ASSERT(s || strstr(error.message, "expected off, warn or require"));
    }
}

/* Each row: the file, the line, the field, and field and message as a command prints them. */
static const struct {
    const char *text;
    int64_t line;
    const char *field, *message;
} bad[] = {
    {HEAD "\n\nschedules:\n  tooFrequent: warn\n  minimunInterval: 5m\n", 7, "schedules.minimunInterval",
     "schedules.minimunInterval: unknown key; did you mean minimumInterval?"},
    {HEAD "upgrade:\n  maxBackupAge: 1d\n", 4, "upgrade.maxBackupAge",
     "upgrade.maxBackupAge: \"1d\": not a duration; use 24h"},
    {HEAD "upgrade: {maxBackupAge: 2w}\n", 3, "upgrade.maxBackupAge",
     "upgrade.maxBackupAge: \"2w\": not a duration; use 336h"},
    {HEAD "upgrade: {retryAfter: 15}\n", 3, "upgrade.retryAfter",
     "upgrade.retryAfter: 15: not a duration; add the unit: 30s, 15m or 1h"},
    {HEAD "upgrade: {retryAfter: soon}\n", 3, "upgrade.retryAfter",
     "upgrade.retryAfter: \"soon\": not a duration; use a number with a unit, such as 30s, 15m or 1h30m"},
    {HEAD "upgrade: {retryAfter: 500ms}\n", 3, "upgrade.retryAfter",
     "upgrade.retryAfter: \"500ms\": must be a whole number of seconds"},
    {HEAD "upgrade: {retryAfter: 0s}\n", 3, "upgrade.retryAfter", "upgrade.retryAfter: \"0s\": must be at least 1s"},
    {HEAD "upgrade: {maxBackupAge: 9000h}\n", 3, "upgrade.maxBackupAge",
     "upgrade.maxBackupAge: \"9000h\": must be at most 720h"},
    {HEAD "upgrade: {retryAfter: 10h}\n", 3, "upgrade.retryAfter", "upgrade.retryAfter: \"10h\": must be at most 5m"},
    {HEAD "backups: {keepLast: -1}\n", 3, "backups.keepLast",
     "backups.keepLast: -1: expected a whole number from 0 to 1000"},
    {HEAD "backups: {keepLast: 2.5}\n", 3, "backups.keepLast",
     "backups.keepLast: 2.5: expected a whole number from 0 to 1000"},
    {HEAD "backups: {keepLast: 1001}\n", 3, "backups.keepLast",
     "backups.keepLast: 1001: expected a whole number from 0 to 1000"},
    {HEAD "backups: {keepLast: all}\n", 3, "backups.keepLast",
     "backups.keepLast: \"all\": expected a whole number from 0 to 1000"},
    {HEAD "upgrade: {gate: maybe}\n", 3, "upgrade.gate", "upgrade.gate: \"maybe\": expected true or false"},
    {HEAD "upgrade: {gate: }\n", 3, "upgrade.gate", "upgrade.gate: no value; set one or remove the key"},
    {HEAD "upgrade:\n  evidence:\n    allOf:\n    - preset: kastn\n", 6, "upgrade.evidence.allOf[0].preset",
     "upgrade.evidence.allOf[0].preset: \"kastn\": unknown preset; did you mean kasten?"},
    {HEAD "upgrade:\n  evidence:\n    allOff: []\n", 5, "upgrade.evidence.allOff",
     "upgrade.evidence.allOff: unknown key; did you mean allOf?"},
    {HEAD "upgrade:\n  evidence: [kasten]\n", 4, "upgrade.evidence",
     "upgrade.evidence: a list: expected allOf: [...] (required as well), anyOf: [...] (one replaces the "
     "ManagementBackups), or both"},
    {HEAD "upgrade: {evidence: {anyOf: kasten}}\n", 3, "upgrade.evidence.anyOf",
     "upgrade.evidence.anyOf: \"kasten\": expected a list of entries, such as - preset: kasten"},
    {HEAD "upgrade: {evidence: {anyOf: [kasten]}}\n", 3, "upgrade.evidence.anyOf[0]",
     "upgrade.evidence.anyOf[0]: \"kasten\": expected a mapping, such as preset: kasten"},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, donepath: x}]}}\n", 3, "upgrade.evidence.anyOf[0].donepath",
     "upgrade.evidence.anyOf[0].donepath: unknown key; did you mean donePath?"},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, donePath: .status.state}]}}\n", 3,
     "upgrade.evidence.anyOf[0].donePath",
     "upgrade.evidence.anyOf[0].donePath: \".status.state\": expected a path such as status.state or "
     "status.conditions[type=Complete].status"},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, selector: 'app=etcd,tier in a'}]}}\n", 3,
     "upgrade.evidence.anyOf[0].selector",
     "upgrade.evidence.anyOf[0].selector: \"a\" is not a set in parentheses; write the selector as for kubectl -l, "
     "such as \"app=etcd,tier in (a,b),!draft\""},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, selector: 'a b'}]}}\n", 3,
     "upgrade.evidence.anyOf[0].selector",
     "upgrade.evidence.anyOf[0].selector: \"b\" is not an operator (=, !=, in, notin); write the selector as for "
     "kubectl -l, such as \"app=etcd,tier in (a,b),!draft\""},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, selector: 'a=b,,c'}]}}\n", 3,
     "upgrade.evidence.anyOf[0].selector",
     "upgrade.evidence.anyOf[0].selector: \"\" is not a label key; write the selector as for kubectl -l, such as "
     "\"app=etcd,tier in (a,b),!draft\""},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, selector: 'a=-b'}]}}\n", 3,
     "upgrade.evidence.anyOf[0].selector",
     "upgrade.evidence.anyOf[0].selector: \"-b\" is not a label value; write the selector as for kubectl -l, such as "
     "\"app=etcd,tier in (a,b),!draft\""},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, selector: {matchLabels: {a: b}}}]}}\n", 3,
     "upgrade.evidence.anyOf[0].selector",
     "upgrade.evidence.anyOf[0].selector: a mapping: expected a label selector as for kubectl -l, such as "
     "\"app=etcd,tier in (a,b)\""},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, failedValues: [Failed, Complete]}]}}\n", 3,
     "upgrade.evidence.anyOf[0].failedValues[1]",
     "upgrade.evidence.anyOf[0].failedValues[1]: \"Complete\" is also in doneValues, so it would mean both done and "
     "failed; remove it from one of the two"},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, doneValues: ['*']}]}}\n", 3,
     "upgrade.evidence.anyOf[0].failedValues[0]",
     "upgrade.evidence.anyOf[0].failedValues[0]: \"Failed\" is also in doneValues, so it would mean both done and "
     "failed; remove it from one of the two"},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, doneValues: []}]}}\n", 3,
     "upgrade.evidence.anyOf[0].doneValues",
     "upgrade.evidence.anyOf[0].doneValues: a list: expected a list of 1 to 32 strings, numbers or booleans"},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, doneValues: ['>=one']}]}}\n", 3,
     "upgrade.evidence.anyOf[0].doneValues[0]",
     "upgrade.evidence.anyOf[0].doneValues[0]: \">=one\": expected a whole number after >=, such as \">=1\""},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, doneValues: [[a]]}]}}\n", 3,
     "upgrade.evidence.anyOf[0].doneValues[0]",
     "upgrade.evidence.anyOf[0].doneValues[0]: expected a string, number or boolean of at most 100 characters"},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, maximumAge: 30s}]}}\n", 3,
     "upgrade.evidence.anyOf[0].maximumAge", "upgrade.evidence.anyOf[0].maximumAge: \"30s\": must be at least 1m"},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, maximumAge: 2d}]}}\n", 3,
     "upgrade.evidence.anyOf[0].maximumAge", "upgrade.evidence.anyOf[0].maximumAge: \"2d\": not a duration; use 48h"},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: kasten, maximumAge: }]}}\n", 3, "upgrade.evidence.anyOf[0].maximumAge",
     "upgrade.evidence.anyOf[0].maximumAge: no value; set one or remove the key"},
    {HEAD "upgrade: {evidence: {anyOf: [{name: x, apiVersion: a/b/c}]}}\n", 3, "upgrade.evidence.anyOf[0].apiVersion",
     "upgrade.evidence.anyOf[0].apiVersion: \"a/b/c\": expected an apiVersion, such as actions.kio.kasten.io/v1alpha1 "
     "or batch/v1"},
    {HEAD "upgrade: {evidence: {anyOf: [{name: x, apiVersion: a.b/v1}]}}\n", 3, "upgrade.evidence.anyOf[0]",
     "upgrade.evidence.anyOf[0]: has no kind; add one (kind: Job), or use a preset"},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: etcd-job}]}}\n", 3, "upgrade.evidence.anyOf[0]",
     "upgrade.evidence.anyOf[0]: has no selector, so any Job would count as a backup; add the label of the snapshot "
     "Jobs (selector: app=etcd-backup)"},
    {HEAD "upgrade: {evidence: {anyOf: [{preset: cohesity}]}}\n", 3, "upgrade.evidence.anyOf[0]",
     "upgrade.evidence.anyOf[0]: has no namespace, so any Velero Backup would count, including k0rdent's own; add the "
     "namespace of the engine's Velero (namespace: cohesity)"},
    {HEAD "upgrade: {evidence: {allOf: [{preset: kasten}], anyOf: [{preset: kasten}]}}\n", 3,
     "upgrade.evidence.anyOf[0]",
     "upgrade.evidence.anyOf[0]: the name \"kasten\" is used twice; give each entry its own name"},
    {HEAD "storage: {notDurable: dney}\n", 3, "storage.notDurable",
     "storage.notDurable: \"dney\": expected allow, warn or deny"},
    {HEAD "storage: {notDurable: Deny}\n", 3, "storage.notDurable",
     "storage.notDurable: \"Deny\": expected allow, warn or deny; did you mean deny?"},
    {HEAD "storage: [a]\n", 3, "storage", "storage: a list: expected a mapping of keys"},
    {HEAD "systemNamespace: KCM\n", 3, "systemNamespace",
     "systemNamespace: \"KCM\": expected a namespace (lower-case letters, digits and -, at most 63)"},
    {HEAD "maxBackupAge: 1h\n", 3, "maxBackupAge", "maxBackupAge: unknown key; did you mean upgrade.maxBackupAge?"},
    {HEAD "upgrade.gate: true\n", 3, "upgrade.gate", "upgrade.gate: unknown key; put gate inside upgrade"},
    {HEAD "upgrades: {}\n", 3, "upgrades", "upgrades: unknown key; did you mean upgrade?"},
    {HEAD "storage: {zzzzzzzz: 1}\n", 3, "storage.zzzzzzzz",
     "storage.zzzzzzzz: unknown key; the keys are whenUnknown, notDurable, foreignWriter"},
    {HEAD "storage: {\"a\\nb\": 1}\n", 3, "\"storage.a\\nb\"",
     "\"storage.a\\nb\": unknown key; the keys are whenUnknown, notDurable, foreignWriter"},
    {HEAD "restores:\n  providers:\n  - infrastructure-aws\n  - azure\n", 6, "restores.providers[1]",
     "restores.providers[1]: \"azure\": expected the name of a Cluster API provider, such as infrastructure-azure"},
    {HEAD "restores: {providers: infrastructure-aws}\n", 3, "restores.providers",
     "restores.providers: \"infrastructure-aws\": expected a list, each item the name of a Cluster API provider, such "
     "as infrastructure-azure"},
    {HEAD "restores:\n  providerCaveats:\n  - provider: infrastructure-aws\n    excluded: [a.b]\n", 6,
     "restores.providerCaveats[0].excluded",
     "restores.providerCaveats[0].excluded: unknown key; an exclusion has provider, component and excludedResources"},
    {HEAD "restores:\n  providerCaveats:\n  - provider: infrastructure-aws\n", 5, "restores.providerCaveats[0]",
     "restores.providerCaveats[0]: excludes nothing; add excludedResources: [PLURAL.GROUP, ...]"},
    {HEAD "restores:\n  providerCaveats:\n  - provider: infrastructure-aws\n    excludedResources: [pods]\n", 6,
     "restores.providerCaveats[0].excludedResources[0]",
     "restores.providerCaveats[0].excludedResources[0]: \"pods\": expected plural.group, such as "
     "virtualnetworks.network.azure.com"},
    {"kind: Settings\nupgrade: {}\n", 1, "apiVersion",
     "apiVersion: missing; add apiVersion: backstop.k0rdent.mirantis.com/v1alpha1"},
    {"apiVersion: v1\nkind: Settings\n", 1, "apiVersion",
     "apiVersion: \"v1\": expected backstop.k0rdent.mirantis.com/v1alpha1"},
    {"apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Setting\n", 2, "kind",
     "kind: \"Setting\": expected Settings"},
    {"- 1\n", 1, "", "a list: expected a mapping of keys"},
    {HEAD "---\n" HEAD, 4, "", "the file has a second document; settings must be a single document"},
};

static void test_mistakes_are_named(void)
{
    for (size_t i = 0; i < LENGTH_OF(bad); i++) {
        struct error error = {0};
        SETTINGS_SCOPED s = settings_parse(str_from(bad[i].text), &error);
        CU_ASSERT(s == NULL);
        char whole[sizeof error.message];
        snprintf(whole, sizeof whole, "%.200s%s%.700s", error.field, error.field[0] ? ": " : "", error.message);
        ASSERT_TEXT(str_from(whole), bad[i].message);
        ASSERT_TEXT(str_from(error.field), bad[i].field);
        if (error.position != bad[i].line)
            fprintf(stderr, "\n    %s: line %lld\n", bad[i].message, (long long)error.position);
        CU_ASSERT(error.position == bad[i].line);
    }
}

/* YAML's own errors: refused, with a line. */
static void test_bad_yaml(void)
{
    static const struct {
        struct str text;
        int64_t line;
    } rows[] = {
        {STR_INIT(HEAD "upgrade: {gate: true}\nupgrade: {gate: false}\n"), 4},
        {STR_INIT(HEAD "upgrade:\n  gate: true\n  gate: true\n"), 5},
        {STR_INIT(HEAD "upgrade: [1\n"), 3},
        {STR_INIT(HEAD "a: \xff\xfe\n"), -1},
        {STR_INIT(HEAD "a: \0b\n"), -1},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct error error = {0};
        SETTINGS_SCOPED s = settings_parse(rows[i].text, &error);
        CU_ASSERT(s == NULL);
        CU_ASSERT(error.message[0] != '\0');
        if (rows[i].line > 0 && error.position != rows[i].line)
            fprintf(stderr, "\n    %s: line %lld\n", error.message, (long long)error.position);
        CU_ASSERT(rows[i].line < 0 || error.position == rows[i].line);
    }
}

static void test_hostile_sizes(void)
{
    BUF_SCOPED text;
    buf_init(&text, 1 << 20);
    buf_puts(&text, HEAD "restores: {providers: ");
    for (size_t i = 0; i < 5000; i++)
        buf_putc(&text, '[');
    struct error error = {0};
    SETTINGS_SCOPED s = settings_parse(buf_str(&text), &error);
    CU_ASSERT(s == NULL);
    buf_clear(&text);
    for (size_t i = 0; i < 2000; i++)
        buf_putc(&text, 'k');
    buf_puts(&text, ": 1\n");
    SETTINGS_SCOPED long_key = settings_parse(buf_str(&text), &error);
    CU_ASSERT(long_key == NULL);
    buf_clear(&text);
    buf_puts(&text, HEAD);
    for (size_t i = 0; i < 600; i++)
        buf_putc(&text, 'k');
    buf_puts(&text, ": 1\n");
    SETTINGS_SCOPED long_name = settings_parse(buf_str(&text), &error);
    CU_ASSERT(long_name == NULL);
    CU_ASSERT(strlen(error.field) < sizeof error.field);
}

static void test_load_file(void)
{
    struct error error = {0};
    char path[] = "/tmp/backstop-settings-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = HEAD "upgrade:\n  gates: true\n";
    CU_ASSERT_FATAL(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1);
    close(fd);
    SETTINGS_SCOPED s = settings_load_file(path, &error);
    CU_ASSERT(s == NULL);
    char expected[200];
    snprintf(expected, sizeof expected, "%s: line 4: upgrade.gates: unknown key; did you mean gate?", path);
    ASSERT_TEXT(str_from(error.message), expected);
    unlink(path);
    SETTINGS_SCOPED gone = settings_load_file(path, &error);
    CU_ASSERT(gone == NULL);
    snprintf(expected, sizeof expected, "%s: No such file or directory", path);
    ASSERT_TEXT(str_from(error.message), expected);
}

/* One loader for serve and the offline commands. */
static void test_load_file_of_a_machine(void)
{
    static const struct {
        const char *text, *message;
        int code;
    } files[] = {
        {"", "the file is empty: run without --settings to use the defaults", 0},
        {" \n", "the file is empty: run without --settings to use the defaults", 0},
        {HEAD "schedules:\n  controllerTimeZone: Mars/Phobos\n",
         "schedules.controllerTimeZone: there is no time zone \"Mars/Phobos\" here; write a name as in "
         "/usr/share/zoneinfo, such as Europe/Berlin",
         422},
    };
    for (size_t i = 0; i < LENGTH_OF(files); i++) {
        struct error error = {0};
        char path[] = "/tmp/backstop-settings-XXXXXX", expected[300];
        int fd = mkstemp(path);
        size_t len = strlen(files[i].text);
        CU_ASSERT_FATAL(fd >= 0 && write(fd, files[i].text, len) == (ssize_t)len);
        close(fd);
        SETTINGS_SCOPED s = settings_load_file(path, &error);
        unlink(path);
        CU_ASSERT(s == NULL);
        snprintf(expected, sizeof expected, "%s: %s", path, files[i].message);
        ASSERT_TEXT(str_from(error.message), expected);
        CU_ASSERT_EQUAL(error.code, files[i].code);
    }
}

SUITE(settings, {"every default of the table", test_defaults}, {"off, warn, require", test_strictness},
      {"the documented provider exclusions", test_builtin_provider_exclusions},
      {"an empty file gives the defaults", test_empty_gives_defaults}, {"every key is read", test_every_key_is_read},
      {"mistakes are named with line, key and way out", test_mistakes_are_named},
      {"YAML errors have a line", test_bad_yaml}, {"deep and long input", test_hostile_sizes},
      {"a file's errors begin with its path", test_load_file},
      {"an empty file and an unknown zone are errors", test_load_file_of_a_machine})
