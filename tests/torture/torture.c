/* torture STRIDE REQUESTS FACTS...: every allocation of every request fails once, alone and
 * with all that follow it. The answer is then the right one, to the byte, or says 500 or
 * 503, and nothing is left behind. Prints a line for each request. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocator.h"
#include "commands/serve/serve.h"

enum { FILE_MAX = 16 << 20, RULES_MAX = 4 };
#define NOW INT64_C(1795230000) /* 2026-11-21T03:00:00Z, the clock of the golden cases */

int64_t __wrap_time_now(void);
int64_t __wrap_time_now(void)
{
    return NOW;
}

static int bad;

struct answer {
    int status;
    struct buf body;
};

static void fault(const char *what, int64_t n, bool forever, struct str body)
{
    bad++;
    if (bad <= 20)
        printf("FAIL  %s, allocation %lld%s: %.*s\n", what, (long long)n, forever ? " and on" : "", STR_ARG(body));
}

/* ---- what is done while allocations fail ------------------------------------------- */

static const char *const *facts_files;
static size_t facts_count;
static const char settings_text[] = "apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\n"
                                    "schedules: {minimumInterval: 30m}\nupgrade: {maxBackupAge: 2h}\n"
                                    "restores: {injectReleaseModifier: true}\n";

static struct snapshot_source *open_facts(struct error *error)
{
    const struct inventory_files_options options = {.paths = facts_files,
                                                    .path_count = facts_count,
                                                    .system_namespace = STR("kcm-system"),
                                                    .simulate_seconds = -1,
                                                    .problem = NULL};
    return facts_from_files(&options, error);
}

static void ask(struct service *service, struct str path, struct str body, struct answer *answer)
{
    const struct http_request request = {.method = STR("POST"),
                                         .path = path,
                                         .query = STR(""),
                                         .content_type = STR("application/json"),
                                         .body = body,
                                         .may_wait = true,
                                         .received_ns = 0};
    struct http_reply reply = {.status = 500};
    serve_review(service, &request, &reply);
    *answer = (struct answer){.status = reply.body.failed ? 500 : reply.status, .body = reply.body};
}

/* ---- what must come of it ------------------------------------------------------------ */

enum outcome { RIGHT, REFUSED, WRONG };

static bool says_500(struct str body)
{
    ARENA_SCOPED arena = arena_new(FILE_MAX);
    struct error error;
    const struct json_node *response = json_member(json_index(arena, body, 4, &error), STR("response"));
    const struct json_node *code = json_member(json_member(response, STR("status")), STR("code"));
    return response && !json_is_true(json_member(response, STR("allowed"))) && code &&
           (str_is(code->raw, "500") || str_is(code->raw, "503"));
}

static enum outcome judge(const struct answer *answer, const struct answer *right)
{
    struct str body = buf_str(&answer->body);
    if (answer->body.failed)
        return REFUSED; /* a bare 500: the API server applies its failure policy */
    if (answer->status == right->status && str_eq(body, buf_str(&right->body)))
        return RIGHT;
    return answer->status >= 500 || (answer->status == 200 && says_500(body)) ? REFUSED : WRONG;
}

struct tally {
    int64_t allocations, runs, right, refused;
};

/* One run; the facts are opened anew, since a gate's request adds to them. */
static enum outcome run_once(struct service *service, struct str path, struct str body, const struct answer *right,
                             int64_t n, bool forever, int64_t *left)
{
    struct error error;
    struct answer answer;
    service->facts = open_facts(&error);
    if (!service->facts)
        return WRONG;
    int64_t before = atomic_load(&torture->live);
    atomic_store(&torture->forever, forever);
    atomic_store(&torture->countdown, n);
    ask(service, path, body, &answer);
    atomic_store(&torture->countdown, 0);
    enum outcome outcome = judge(&answer, right);
    if (outcome == WRONG)
        fault(path.ptr, n, forever, buf_str(&answer.body));
    buf_dispose(&answer.body);
    *left = atomic_load(&torture->live) - before;
    facts_close(service->facts);
    return outcome;
}

static void torture_request(struct service *service, const char *name, const struct rule *rule, struct str body,
                            int64_t stride)
{
    struct str path = str_from(rule->path);
    struct answer right = {0};
    struct error error;
    struct tally tally = {0};
    int64_t base = 0, left;
    for (int i = 0; i < 3; i++) { /* the first time caches are filled */
        buf_dispose(&right.body);
        service->facts = open_facts(&error);
        int64_t made = atomic_load(&torture->made), live = atomic_load(&torture->live);
        ask(service, path, body, &right);
        tally.allocations = atomic_load(&torture->made) - made;
        base = atomic_load(&torture->live) - live - (right.body.data ? 1 : 0);
        facts_close(service->facts);
    }
    for (int forever = 0; forever < 2; forever++) {
        for (int64_t n = 1; n <= tally.allocations; n += stride) {
            enum outcome outcome = run_once(service, path, body, &right, n, forever, &left);
            if (left > base) /* once more: what is kept for later is kept once */
                run_once(service, path, body, &right, n, forever, &left);
            if (left > base)
                fault("blocks left behind", n, forever, path);
            tally.runs++;
            tally.right += outcome == RIGHT;
            tally.refused += outcome == REFUSED;
        }
    }
    buf_dispose(&right.body);
    printf("%-18s %-56s %6lld allocations, %6lld runs: %6lld right, %6lld refused\n", name, rule->path,
           (long long)tally.allocations, (long long)tally.runs, (long long)tally.right, (long long)tally.refused);
}

/* ---- opening ------------------------------------------------------------------------- */

static size_t objects_of(struct snapshot_source *facts)
{
    const struct inventory *inventory = facts_get(facts, NOW);
    size_t objects = 0;
    for (size_t i = 0; inventory && i < FACT_COUNT; i++)
        objects += inventory->count[i];
    snapshot_release(inventory);
    return objects;
}

/* Opening fails with a reason, or brings all of the facts, or says that some are lacking. */
static bool opens_whole(size_t whole, bool *refused)
{
    struct error error = {.message = ""};
    struct snapshot_source *facts = open_facts(&error);
    atomic_store(&torture->countdown, 0);
    *refused = !facts;
    bool good = facts ? objects_of(facts) == whole || facts_problems(facts) > 0 : error.message[0] != '\0';
    facts_close(facts);
    return good;
}

static void torture_facts(int64_t stride)
{
    struct tally tally = {0};
    struct error error;
    struct snapshot_source *facts = open_facts(&error);
    size_t whole = objects_of(facts);
    facts_close(facts);
    int64_t made = atomic_load(&torture->made);
    facts_close(open_facts(&error));
    tally.allocations = atomic_load(&torture->made) - made;
    for (int64_t n = 1; n <= tally.allocations; n += stride) {
        int64_t live = atomic_load(&torture->live);
        bool refused;
        atomic_store(&torture->forever, (n / stride) % 2);
        atomic_store(&torture->countdown, n);
        if (!opens_whole(whole, &refused))
            fault("facts", n, false, STR("lost without a word"));
        if (atomic_load(&torture->live) > live)
            fault("facts", n, false, STR("blocks left behind"));
        tally.runs++;
        tally.refused += refused;
    }
    printf("%-18s %-56s %6lld allocations, %6lld runs: %6lld opened, %5lld refused\n", "facts", facts_files[0],
           (long long)tally.allocations, (long long)tally.runs, (long long)(tally.runs - tally.refused),
           (long long)tally.refused);
}

static void torture_settings(int64_t stride)
{
    struct tally tally = {0};
    for (int64_t n = 0; n == 0 || n <= tally.allocations; n += stride) {
        struct error error = {.message = ""};
        int64_t made = atomic_load(&torture->made), live = atomic_load(&torture->live);
        atomic_store(&torture->forever, 0);
        atomic_store(&torture->countdown, n);
        struct settings *settings = settings_parse(str_from(settings_text), &error);
        atomic_store(&torture->countdown, 0);
        if (n == 0)
            tally.allocations = atomic_load(&torture->made) - made;
        if (settings ? settings->schedules_minimum_interval != 1800 || settings->upgrade_max_backup_age != 7200
                     : !error.message[0])
            fault("settings", n, false, str_from(error.message));
        tally.refused += !settings;
        tally.runs++;
        shared_release(settings ? &settings->shared : NULL);
        if (n && atomic_load(&torture->live) > live)
            fault("settings", n, false, STR("blocks left behind"));
    }
    printf("%-18s %-56s %6lld allocations, %6lld runs: %6lld read, %7lld refused\n", "settings", "",
           (long long)tally.allocations, (long long)tally.runs, (long long)(tally.runs - tally.refused),
           (long long)tally.refused);
}

/* ---- the fixed set --------------------------------------------------------------------- */

/* The rules that a review is for; what cannot be read goes to all that ManagementBackups have. */
static size_t rules_for(struct str body, const struct rule *rules[RULES_MAX])
{
    ARENA_SCOPED arena = arena_new(FILE_MAX);
    struct review review;
    struct error error;
    size_t count = 0;
    if (!admission_read(arena, body, NOW, &review, &error)) {
        rules[0] = admission_rule_for_object(STR("k0rdent.mirantis.com"), STR("ManagementBackup"), OPERATION_CREATE, 0);
        return 1;
    }
    const struct request *r = &review.request;
    while (count < RULES_MAX && (rules[count] = admission_rule_for_object(api_version_group(r->api_version, NULL),
                                                                          r->kind, r->operation, count)))
        count++;
    return count;
}

static void torture_file(struct service *service, const char *folder, const char *name, int64_t stride)
{
    ARENA_SCOPED arena = arena_new(FILE_MAX);
    const struct rule *rules[RULES_MAX];
    struct error error;
    struct str body, path = arena_printf(arena, "%s/%s", folder, name);
    if (!file_read(arena, path.ptr, FILE_MAX, &body, &error)) {
        printf("FAIL  %s\n", error.message);
        exit(1);
    }
    size_t count = rules_for(body, rules);
    if (count == 0)
        fault(name, 0, false, STR("no rule is for it"));
    for (size_t i = 0; i < count; i++)
        torture_request(service, name, rules[i], body, stride);
}

int main(int argc, char **argv)
{
    struct service service = {.body_limit = FILE_MAX, .log_reviews = false};
    struct error error;
    struct dirent **entries;
    int64_t stride = 1;
    int count = argc >= 4 ? scandir(argv[2], &entries, NULL, alphasort) : -1;
    if (count < 0 || !str_to_int64(str_from(argv[1]), &stride) || stride < 1) {
        fprintf(stderr, "usage: torture STRIDE REQUESTS FACTS...\n");
        return 2;
    }
    facts_files = (const char *const *)&argv[3];
    facts_count = (size_t)argc - 3;
    struct settings *settings = settings_parse(str_from(settings_text), &error);
    if (!settings || !settings_source_open(&service.settings, NULL, &error) || !freopen("/dev/null", "w", stderr))
        return 1; /* what is logged is not for reading here */
    shared_slot_set(&service.settings.slot, &settings->shared);
    setvbuf(stdout, NULL, _IONBF, 0);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.')
            torture_file(&service, argv[2], entries[i]->d_name, stride);
        free(entries[i]);
    }
    free(entries);
    torture_settings(stride);
    torture_facts(stride * 7);
    settings_source_close(&service.settings);
    printf(bad ? "torture: %d failures\n" : "torture: no failure\n", bad);
    return bad != 0;
}
