/* Rollback: which Backups hold the release before an upgrade. Then the writes to Management, Release and their status by
 * which an upgrade would pass the gate unseen. */
#include <stdio.h>
#include <stdlib.h>

#include "backstop/grammar.h"
#include "policy/checks.h"
#include "policy/upgrade/gate.h"

static int rollback_newest_first(const void *a, const void *b)
{
    const struct rollback_candidate *left = a, *right = b;
    if (left->backup->status.started != right->backup->status.started)
        return left->backup->status.started < right->backup->status.started ? 1 : -1;
    return str_cmp(left->backup->meta.name, right->backup->meta.name);
}

struct str policy_rollback_reason(struct arena *arena, const struct rollback_candidate *candidate)
{
    const struct backup *backup = candidate->backup;
    char when[TIME_TEXT_SIZE];
    switch (candidate->holds) {
    case HOLDS_OLD:
        if (upgrade_backup_not_ready(backup).len)
            return arena_printf(arena, "was taken before the release was changed, with components not ready: %.*s",
                                STR_ARG(arena_quote(arena, upgrade_backup_not_ready(backup))));
        return STR("was taken before the release was changed and holds the old one");
    case HOLDS_NEW:
        return arena_printf(arena, "was taken when spec.release was %.*s already",
                            STR_ARG(arena_quote(arena, json_get_str(backup->meta.annotations, ANNOTATION_RELEASE))));
    case HOLDS_LATER:
        return arena_printf(arena,
                            "was taken again at %s, as kcm does after a restore, and holds the objects of that time",
                            time_format(backup->status.started, 0, when));
    case HOLDS_UNKNOWN:
        break;
    }
    return STR("may hold the new release already");
}

struct rollback_candidate *policy_rollback_candidates(struct arena *arena, const struct inventory *inventory,
                                                      const struct settings *settings, size_t *count)
{
    size_t all = inventory->count[FACT_BACKUPS];
    struct rollback_candidate *found = arena_array(arena, all + 1, sizeof *found);
    *count = 0;
    for (size_t i = 0; found && i < all; i++) {
        const struct backup *backup = inventory->backups[i];
        struct str release = upgrade_backup_release(inventory, backup);
        if (release.len == 0 || !str_eq(backup->meta.ns, settings->system_namespace))
            continue;
        found[(*count)++] = (struct rollback_candidate){backup, release, upgrade_backup_holds(inventory, backup)};
    }
    if (*count > 1)
        qsort(found, *count, sizeof *found, rollback_newest_first);
    return found;
}

enum { STAMP_LENGTH = 14 };

static bool all_digits(struct str text)
{
    int64_t number;
    return text.len > 0 && text.len < 18 && str_to_int64(text, &number);
}

struct str policy_name_without_stamp(struct str name)
{
    if (name.len <= STAMP_LENGTH + 1 || name.ptr[name.len - STAMP_LENGTH - 1] != '-' ||
        !all_digits(str_slice(name, name.len - STAMP_LENGTH, name.len)))
        return name;
    return str_slice(name, 0, name.len - STAMP_LENGTH - 1);
}

/* The moment that this stamp says (UTC); 0 where the name has none. */
static int64_t policy_name_stamp(struct str name)
{
    struct str rest = policy_name_without_stamp(name), digits;
    int64_t when;
    if (rest.len == name.len)
        return 0;
    digits = str_slice(name, rest.len + 1, name.len);
    char text[TIME_TEXT_SIZE];
    snprintf(text, sizeof text, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", digits.ptr, digits.ptr + 4, digits.ptr + 6,
             digits.ptr + 8, digits.ptr + 10, digits.ptr + 12);
    return time_parse(str_from(text), &when) ? when : 0;
}

/* "kcm-1-1-0" and "kcm-1-1-0-rc1": three numbers after kcm, then anything. */
static bool is_release_name(struct str text)
{
    struct str part;
    if (!str_starts(text, STR("kcm-")))
        return false;
    text = str_slice(text, 4, text.len);
    for (int i = 0; i < 3; i++)
        if (!str_cut(&text, '-', &part) || !all_digits(part))
            return false;
    return true;
}

/* Labels are bounded to 63 bytes: a value that long may be a shortened name. */
static struct str release_of_label(const struct inventory *inventory, struct str label)
{
    return label.len < LABEL_VALUE_MAX || inventory_release(inventory, label) ? label : (struct str){NULL, 0};
}

/* From the surest to the weakest: the ManagementBackup's label, the Backup's own, a name that
 * ends with a known Release, a name that ends like one. */
struct str upgrade_backup_release(const struct inventory *inventory, const struct backup *backup)
{
    if (!backup || backup->identity.kind != BACKUP_MANAGEMENT)
        return (struct str){NULL, 0};
    const struct management_backup *maker = inventory_management_backup(inventory, backup->meta.name);
    if (maker && maker->release.len)
        return release_of_label(inventory, maker->release);
    struct str label = json_get_str(backup->meta.labels, LABEL_RELEASE_BACKUP);
    if (label.len)
        return release_of_label(inventory, label);
    /* kcm labels what a schedule makes; a pre-upgrade backup has no such label. */
    if (json_get_str(backup->meta.labels, LABEL_MANAGEMENT_BACKUP).len)
        return (struct str){NULL, 0};
    /* On a fresh cluster the name is all there is: <ManagementBackup>-<release>. */
    struct str name = policy_name_without_stamp(backup->meta.name);
    for (size_t i = 0; i < inventory->count[FACT_RELEASES]; i++) {
        struct str release = inventory->releases[i]->meta.name;
        if (name.len > release.len + 1 && str_ends(name, release) && name.ptr[name.len - release.len - 1] == '-')
            return release;
    }
    for (size_t at = name.len; at > 1; at--)
        if (name.ptr[at - 1] == '-' && is_release_name(str_slice(name, at, name.len)))
            return str_slice(name, at, name.len);
    return (struct str){NULL, 0};
}

/* Velero begins with a backup within minutes after it was asked for; clocks may differ. An
 * annotation of another time is of another backup under the same name. */
static bool began_then(int64_t asked, int64_t started)
{
    enum { SKEW = 300, WITHIN = 3600 };
    return asked != 0 && started != 0 && started >= asked - SKEW && started <= asked + WITHIN;
}

static int64_t annotated_time(struct json_object *annotations, const char *key)
{
    int64_t when;
    return time_parse(json_get_str(annotations, key), &when) ? when : 0;
}

/* When the gate asked for it: the gate wrote so on the ManagementBackup or, for a repeated one
 * and wherever the ManagementBackup is not there, into the name. 0: nobody says. */
static int64_t asked_at(const struct inventory *inventory, const struct backup *backup)
{
    const struct management_backup *maker = inventory_management_backup(inventory, backup->meta.name);
    int64_t stamp = policy_name_stamp(backup->meta.name);
    if (stamp != 0)
        return stamp;
    if (!maker || !json_get(maker->meta.annotations, ANNOTATION_TAKEN_BEFORE))
        return 0;
    return annotated_time(maker->meta.annotations, ANNOTATION_TAKEN_BEFORE_AT);
}

struct str backup_recorded(const struct backup *backup, const char *key)
{
    struct json_object *own = backup->meta.annotations;
    const struct str recorded = json_get_str(own, key);
    if (recorded.ptr && !began_then(annotated_time(own, ANNOTATION_RECORDED_AT), backup->status.started))
        return (struct str){NULL, 0};
    return recorded;
}

struct str upgrade_backup_not_ready(const struct backup *backup)
{
    return backup_recorded(backup, ANNOTATION_NOT_READY);
}

/* What was recorded on the Backup when it was created outranks what the ManagementBackup says:
 * kcm runs on-demand ManagementBackups again after a restore (createAllSingleBackups), and then
 * the old annotation stands on a new backup. */
enum rollback_holds upgrade_backup_holds(const struct inventory *inventory, const struct backup *backup)
{
    struct json_object *own = backup->meta.annotations;
    struct str recorded = json_get_str(own, ANNOTATION_RELEASE);
    int64_t started = backup->status.started, asked;
    if (recorded.len && began_then(annotated_time(own, ANNOTATION_RECORDED_AT), started))
        return str_eq(recorded, upgrade_backup_release(inventory, backup)) ? HOLDS_OLD : HOLDS_NEW;
    asked = asked_at(inventory, backup);
    if (asked == 0 || started == 0)
        return HOLDS_UNKNOWN;
    return began_then(asked, started) ? HOLDS_OLD : HOLDS_LATER;
}

/* The other ways to another release than spec.release of the one Management: its status, a Management
 * made anew or beside it, its deletion (the first half of kubectl replace --force), and the spec of the
 * Release that runs. Each would start other components without the backup that the gate asks for. */

/* Whoever can act as an account there already runs the controllers themselves (helm-controller, say,
 * which brings Releases): said, never denied. */
static bool request_by_system_account(const struct request *request, const struct settings *settings)
{
    struct str rest = request->user, ns = settings->system_namespace;
    const struct str prefix = STR("system:serviceaccount:");
    if (!str_starts(rest, prefix))
        return false;
    rest = str_slice(rest, prefix.len, rest.len);
    return rest.len > ns.len && str_starts(rest, ns) && rest.ptr[ns.len] == ':';
}

enum verdict management_soften_verdict(const struct request *request, const struct settings *settings,
                                       enum verdict verdict)
{
    return verdict == VERDICT_DENY && request_by_system_account(request, settings) ? VERDICT_WARN : verdict;
}

/* True when the skip annotation of the object itself takes the denial away. */
static bool management_skip_by_annotation(const struct request *request, struct decision *decision)
{
    struct str reason = object_reason(request, request->object, ANNOTATION_SKIP_BACKUP);
    if (reason.len == 0)
        return false;
    decision_warn(decision, "allowed by annotation, without a verified pre-upgrade backup: %.*s",
                  STR_ARG(arena_quote(request->arena, reason)));
    decision_audit(decision, AUDIT_GATE, "skipped by annotation: %.*s", STR_ARG(reason));
    return true;
}

/* ---- status.release ------------------------------------------------------- */

static struct str management_status_release(const struct request *request, const struct object *object)
{
    struct str release = object_text(request, object, "status.release");
    return release.len ? arena_quote(request->arena, release) : STR("empty");
}

void policy_management_status(const struct request *request, const struct inventory *inventory,
                              const struct settings *settings, struct decision *decision)
{
    (void)inventory;
    if (request->operation != OPERATION_UPDATE || !request_changes(request, "status.release") ||
        request_by_velero(request, settings) || request_by_kcm(request, settings))
        return;
    struct arena *arena = request->arena;
    struct str message = arena_printf(arena,
                                      "from %.*s to %.*s: only kcm may report the running release; after a change by "
                                      "hand the next upgrade would skip its pre-upgrade backup",
                                      STR_ARG(management_status_release(request, request->old_object)),
                                      STR_ARG(management_status_release(request, request->object)));
    enum verdict verdict = management_soften_verdict(request, settings, settings->upgrade_changed_status);
    decision_audit(decision, AUDIT_GATE, "status.release changed by %.*s", STR_ARG(request->user));
    if (verdict == VERDICT_DENY)
        decision_forbidden(decision, "status.release", "%.*s", STR_ARG(message));
    else if (verdict == VERDICT_WARN)
        decision_warn(decision, "status.release %.*s", STR_ARG(message));
}

/* ---- what kcm reports of regional backups -------------------------------- */

/* Of a region's backup that Velero has not synced yet this report is all that can be seen here, and the gate goes
 * by it. What kcm and Velero write is not sent to the webhook. */
void policy_management_backup_status(const struct request *request, const struct inventory *inventory,
                                     const struct settings *settings, struct decision *decision)
{
    (void)inventory;
    if (request->operation != OPERATION_UPDATE || !request_changes(request, "status.regions") ||
        request_by_velero(request, settings) || request_by_kcm(request, settings))
        return;
    const struct str message = STR("only kcm may report the backups of regions; after a change by hand the next "
                                   "upgrade could rely on a regional backup that does not exist");
    enum verdict verdict = management_soften_verdict(request, settings, settings->upgrade_changed_status);
    decision_audit(decision, AUDIT_GATE, "status.regions changed by %.*s", STR_ARG(request->user));
    if (verdict == VERDICT_DENY)
        decision_forbidden(decision, "status.regions", "%.*s", STR_ARG(message));
    else if (verdict == VERDICT_WARN)
        decision_warn(decision, "status.regions: %.*s", STR_ARG(message));
}

/* ---- a Management that is made ------------------------------------------- */

/* A ManagementBackup that a running k0rdent has used: this is no first install. */
static const struct management_backup *gate_trace_of_older_life(const struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *backup = inventory->management_backups[i];
        if (backup->release.len || backup->last_backup_name.len || backup->last_backup_time ||
            backup->last_backup.phase.len)
            return backup;
    }
    return NULL;
}

struct str gate_running_release(const struct request *request, const struct inventory *inventory)
{
    struct str release = object_text(request, request->old_object, "status.release");
    if (release.len)
        return release;
    const struct management *management = inventory_management(inventory);
    return management ? management->status_release : (struct str){NULL, 0};
}

bool gate_sees_older_life(const struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *backup = inventory->management_backups[i];
        if (backup->schedule.len && backup->on_upgrade)
            return true;
    }
    return inventory->count[FACT_RELEASES] > 1 || gate_trace_of_older_life(inventory);
}

/* kubectl replace --force deletes and creates: then there is no status to compare with. */
void management_judge_creation(const struct request *request, const struct inventory *inventory,
                               const struct settings *settings, struct decision *decision)
{
    const struct management_backup *trace = gate_trace_of_older_life(inventory);
    if (!settings->upgrade_gate || !trace || management_skip_by_annotation(request, decision))
        return;
    if (request_by_system_account(request, settings))
        decision_warn(decision, "k0rdent ran here before (ManagementBackup %.*s): no pre-upgrade backup was checked",
                      STR_ARG(words_name(request->arena, trace->meta.name)));
    else {
        struct arena *arena = request->arena;
        decision_audit(decision, AUDIT_GATE, "refused: Management created again");
        decision_forbid(
            decision,
            "ManagementBackup %.*s shows that k0rdent ran here before, but no Management exists: creating one "
            "starts release %.*s without a pre-upgrade backup. Restore the last management backup instead "
            "(kubectl backstop status). To create it anyway, annotate it: %s",
            STR_ARG(words_name(arena, trace->meta.name)),
            STR_ARG(words_name(arena, object_text(request, request->object, "spec.release"))),
            WITH_REASON(ANNOTATION_SKIP_BACKUP));
    }
}

/* ---- a Management that is deleted ---------------------------------------- */

void management_judge_deletion(const struct request *request, const struct settings *settings,
                               struct decision *decision)
{
    struct str running = object_text(request, request->old_object, "status.release");
    if (running.len == 0 || object_deleting(request->old_object))
        return;
    struct str name = words_name(request->arena, request->name);
    struct str reason = object_reason(request, request->old_object, ANNOTATION_ALLOW_DELETE);
    enum verdict verdict = management_soften_verdict(request, settings, settings->upgrade_deleted_management);
    if (verdict == VERDICT_DENY && reason.len == 0) {
        decision_forbid(decision,
                        "deleting Management %.*s removes k0rdent with all its components, and no backup is taken "
                        "first. To delete it anyway: kubectl annotate management %.*s %s",
                        STR_ARG(name), STR_ARG(name), WITH_REASON(ANNOTATION_ALLOW_DELETE));
        return;
    }
    if (reason.len)
        decision_audit(decision, "allow-delete", "%.*s", STR_ARG(reason));
    if (verdict != VERDICT_ALLOW)
        decision_warn(decision,
                      "deleting Management %.*s removes k0rdent with all its components, and no backup is taken first. "
                      "If it is recreated (kubectl replace --force), the upgrade gate checks it",
                      STR_ARG(name));
}

/* ---- the Release that runs ----------------------------------------------- */

static bool release_is_in_use(const struct inventory *inventory, struct str release)
{
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENTS]; i++) {
        const struct management *management = inventory->managements[i];
        if (str_eq(management->status_release, release) || str_eq(management->release, release))
            return true;
    }
    return false;
}

void policy_release(const struct request *request, const struct inventory *inventory, const struct settings *settings,
                    struct decision *decision)
{
    struct arena *arena = request->arena;
    if (request->operation != OPERATION_UPDATE || !request_changes(request, "spec") || !settings->upgrade_gate ||
        request_by_velero(request, settings) || request_by_kcm(request, settings))
        return;
    struct str name = request->name.len ? request->name : object_text(request, request->object, "metadata.name");
    if (!inventory->known[FACT_MANAGEMENTS]) {
        decision_wait(decision, 503, settings->upgrade_retry_after,
                      "cannot verify whether Release %.*s is running: Managements could not be read. Retry; if it "
                      "persists, see /readyz?verbose",
                      STR_ARG(words_name(arena, name)));
        return;
    }
    if (!release_is_in_use(inventory, name))
        return;
    decision_audit(decision, AUDIT_GATE, "the spec of the running Release %.*s changed", STR_ARG(name));
    enum verdict verdict = management_soften_verdict(request, settings, settings->upgrade_changed_release);
    struct str message = arena_printf(
        arena, "Release %.*s is running: kcm would replace its components at once, without a pre-upgrade backup",
        STR_ARG(words_name(arena, name)));
    if (verdict == VERDICT_DENY && !management_skip_by_annotation(request, decision))
        decision_forbid(decision,
                        "%.*s. Create a new Release and set the Management's spec.release to it. To change this one "
                        "anyway: kubectl annotate release %.*s %s",
                        STR_ARG(message), STR_ARG(words_name(arena, name)), WITH_REASON(ANNOTATION_SKIP_BACKUP));
    else if (verdict == VERDICT_WARN)
        decision_warn(decision, "%.*s", STR_ARG(message));
}
