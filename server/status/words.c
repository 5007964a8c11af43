/* Words, look-ups and the order of findings, which every face of status shares. A finding that another one explains
 * is a consequence of it, and shown below it only. */
#include <stdlib.h>

#include "backstop/cron.h"
#include "status/status.h"

const char *status_outcome(const struct upgrade_view *upgrade)
{
    if (upgrade->management && upgrade->target.len && str_eq(upgrade->target, upgrade->running) && !upgrade->under_way)
        return upgrade->not_ready ? "nothing to do: this release is already applied, and not ready yet"
                                  : "nothing to do: this release is already running";
    switch (upgrade->outcome) {
    case UPGRADE_ADMITTED:
        return "admitted now: the pre-upgrade backups are fresh and complete";
    case UPGRADE_WAITS:
        return "admitted once the pre-upgrade backups complete; kubectl keeps retrying until then";
    case UPGRADE_REFUSED:
        return "blocked until the problems are fixed";
    case UPGRADE_UNKNOWN:
        return "unknown: the gate answers 503 while it cannot read what it needs";
    case UPGRADE_UNPROTECTED:
        return upgrade->decision.denied ? "blocked: no ManagementBackup protects upgrades"
                                        : "admitted without a backup: no ManagementBackup protects upgrades";
    case UPGRADE_LET_THROUGH:
        return "admitted without checking the pre-upgrade backup";
    case UPGRADE_NONE:
        break;
    }
    return "nothing to upgrade: there is no Management";
}

/* "upgrades, restores", of the flags that are set. */
struct str status_blocked(const struct status_view *view, unsigned blocks)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {
        {STATUS_BLOCKS_UPGRADE, "upgrades"}, {STATUS_BLOCKS_RESTORE, "restores"}, {STATUS_BLOCKS_BACKUP, "backups"}};
    struct str text = STR("");
    for (size_t i = 0; i < LENGTH_OF(names); i++)
        if (blocks & names[i].flag)
            text = arena_printf(view->arena, "%.*s%s%s", STR_ARG(text), text.len ? ", " : "", names[i].name);
    return text;
}

struct str status_ago(const struct status_view *view, int64_t when)
{
    char text[TIME_TEXT_SIZE];
    if (when == 0)
        return STR("at an unknown time");
    return when >= view->now ? STR("just now")
                             : arena_printf(view->arena, "%s ago", duration_format(view->now - when, text));
}

/* Anything that is not a plain Kubernetes name becomes NAME, since these texts are pasted into a
 * shell. */
struct str status_command_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (i == 0 || (c != '-' && c != '.')))
            return STR("NAME");
    }
    return name.len ? name : STR("NAME");
}

/* Without memory the finding is dropped and the arena fails, by which the whole view does. */
void status_finding_add(struct status_view *view, struct status_finding finding)
{
    if (!arena_room(view->arena, &view->findings, view->finding_count, &view->finding_cap, sizeof *view->findings))
        return;
    view->findings[view->finding_count++] = finding;
    view->blocker_count += finding.blocks != 0;
}

void status_report(struct status_view *view, enum status_cause cause, unsigned blocks, struct str object,
                   struct str says, struct str fix)
{
    status_finding_add(
        view, (struct status_finding){.cause = cause, .blocks = blocks, .object = object, .says = says, .fix = fix});
}

struct str status_object_name(const struct status_view *view, const char *kind, struct str name)
{
    return arena_printf(view->arena, "%s/%.*s", kind, STR_ARG(shown(view->arena, name)));
}

/* By what stores, plugins and Velero itself report: the codes of S3 (AWS "Error responses"), Azure's and Google's, Go's
 * net and x509, and Velero's own messages (pkg/persistence/object_store.go, internal/credentials, pkg/plugin/clientmgmt). */
struct str status_storage_fix(struct str reason)
{
    static const struct {
        const char *part, *fix;
    } known[] = {
        {"invalid top-level directories",
         "the place holds other data: set spec.objectStorage.prefix to a folder of its own"},
        {"NoSuchBucket", "create the bucket, or correct spec.objectStorage.bucket"},
        {"ContainerNotFound", "create the container, or correct spec.objectStorage.bucket"},
        {"bucket doesn't exist", "create the bucket, or correct spec.objectStorage.bucket"},
        {"InvalidAccessKeyId", "correct the access key in the Secret of spec.credential"},
        {"SignatureDoesNotMatch", "correct the secret key in the Secret of spec.credential"},
        {"ExpiredToken", "renew the credential: its token has expired"},
        {"InvalidClientTokenId", "correct the access key in the Secret of spec.credential"},
        {"kms:GenerateDataKey", "allow the credential kms:GenerateDataKey and kms:Decrypt with the key of the bucket"},
        {"AccessDenied", "allow the credential to list and write the bucket (s3:ListBucket, s3:PutObject)"},
        {"AuthorizationFailure", "give the identity the role Storage Blob Data Contributor"},
        {"AuthorizationPermissionMismatch", "give the identity the role Storage Blob Data Contributor"},
        {"BucketRegionError", "set spec.config.region to the region of the bucket"},
        {"PermanentRedirect", "set spec.config.region to the region of the bucket"},
        {"AuthorizationHeaderMalformed", "set spec.config.region to the region of the bucket"},
        {"XAmzContentSHA256Mismatch", "set spec.config.checksumAlgorithm to \"\": this store takes no checksums"},
        {"A region must be set", "set spec.config.region to the region of the bucket"},
        {"NoSuchKey", "remove the bucket from spec.config.s3Url: write only the address of the server"},
        {"RequestTimeTooSkewed", "correct the clock of Velero's node (NTP): it differs from the store's"},
        {"XMinioStorageFull", "free space in the store, or enlarge it"},
        {"Content-MD5 OR x-amz-checksum", "set spec.config.checksumAlgorithm to CRC32: Object Lock asks for checksums"},
        {"config has invalid keys", "remove these keys from spec.config"},
        {"unable to get key for secret", "create the Secret of spec.credential, with that key"},
        {"no EC2 IMDS role found", "set spec.credential, or give Velero's service account a role"},
        {"unknown authority", "put the CA of the store into spec.objectStorage.caCert: base64 -w0 ca.crt"},
        {"certificate is valid for", "use a host name in spec.config.s3Url that is in the store's certificate"},
        {"cannot validate certificate for", "use a host name in spec.config.s3Url that is in the store's certificate"},
        {"certificate has expired", "renew the certificate of the store"},
        {"no such host", "correct the host in spec.config.s3Url, or set s3ForcePathStyle: \"true\""},
        {"connection refused", "start the store, or correct the port in spec.config.s3Url"},
        {"i/o timeout", "let Velero reach the store: NetworkPolicies, firewalls, or the address in spec.config.s3Url"},
        {"server gave HTTP response to HTTPS client", "spec.config.s3Url must begin with http:// for this store"},
        {"unable to locate ObjectStore plugin", "install the plugin for spec.provider, or correct spec.provider"},
    };
    for (size_t i = 0; i < LENGTH_OF(known); i++)
        if (str_contains(reason, str_from(known[i].part)))
            return str_from(known[i].fix);
    return (struct str){NULL, 0};
}

struct str status_location_fix(const struct storage_location *location)
{
    struct str fix = status_storage_fix(storage_location_reason(location));
    return fix.ptr ? fix : STR("fix its bucket, config or credential");
}

/* What plugins put before an error of the store, and Velero before one of a plugin: the same "connection refused" may
 * be the API server's, a hook's or another webhook's. pkg/controller/backup_controller.go, pkg/persistence. */
static bool failure_is_of_store(struct str reason)
{
    static const char *const marks[] = {"operation error S3", "object stor", "ObjectStor",
                                        "backup stor",        "blob.core.",  "googleapi"};
    for (size_t i = 0; i < LENGTH_OF(marks); i++)
        if (str_contains(reason, str_from(marks[i])))
            return true;
    return false;
}

struct str status_backup_fix(const struct status_view *view, const struct backup_status *status, struct str backup,
                             struct str location)
{
    struct str ns = view->settings->system_namespace;
    struct str fix = failure_is_of_store(status->failure_reason) ? status_storage_fix(status->failure_reason)
                                                                 : (struct str){NULL, 0};
    if (fix.ptr && !str_contains(fix, STR("spec."))) /* outside the cluster */
        return arena_printf(view->arena, "%.*s; backups to storage location %.*s fail until then", STR_ARG(fix),
                            STR_ARG(status_command_name(location)));
    if (fix.ptr)
        return arena_printf(view->arena,
                            "%.*s; backups fail until then: kubectl edit backupstoragelocations.velero.io -n %.*s %.*s",
                            STR_ARG(fix), STR_ARG(ns), STR_ARG(status_command_name(location)));
    return arena_printf(view->arena, "kubectl describe backups.velero.io -n %.*s %.*s", STR_ARG(ns),
                        STR_ARG(status_command_name(backup)));
}

struct str status_deployment_fix(const struct status_view *view, const struct object_meta *meta,
                                 const struct deployment_state *state)
{
    struct str ns = status_command_name(meta->ns), name = status_command_name(meta->name);
    return state->scaled_down
               ? arena_printf(view->arena, "kubectl scale deployment -n %.*s %.*s --replicas=1", STR_ARG(ns),
                              STR_ARG(name))
               : arena_printf(view->arena, "kubectl describe deployment -n %.*s %.*s", STR_ARG(ns), STR_ARG(name));
}

struct str status_deployment_down(const struct status_view *view, const struct deployment_state *state)
{
    struct str since = state->unavailable_since ? arena_printf(view->arena, ", unavailable since %.*s",
                                                               STR_ARG(status_ago(view, state->unavailable_since)))
                                                : STR("");
    return arena_printf(view->arena, "%s%.*s",
                        state->scaled_down ? "is scaled down (spec.replicas: 0)"
                                           : "has no ready replica (status.readyReplicas)",
                        STR_ARG(since));
}

static int words_location_order(const void *name, const void *location)
{
    return str_cmp(*(const struct str *)name, ((const struct status_location *)location)->object->meta.name);
}

/* The inventory's order is by name. */
const struct status_location *status_location(const struct status_view *view, struct str name)
{
    if (name.len && view->location_count)
        return bsearch(&name, view->locations, view->location_count, sizeof *view->locations, words_location_order);
    for (size_t i = 0; name.len == 0 && i < view->location_count; i++)
        if (view->locations[i].is_default)
            return &view->locations[i];
    return NULL;
}

static int words_backup_order(const void *name, const void *backup)
{
    return str_cmp(*(const struct str *)name, ((const struct status_backup *)backup)->object->meta.name);
}

struct status_backup *status_backup_named(struct status_view *view, struct str name)
{
    return view->backup_count
               ? bsearch(&name, view->backups, view->backup_count, sizeof *view->backups, words_backup_order)
               : NULL;
}

/* Schedules follow the ManagementBackups, in the inventory's order. */
static int words_source_order(const void *wanted, const void *there)
{
    const struct object_meta *meta = wanted;
    const struct status_source *source = there;
    int order = source->maker == STATUS_BY_MANAGEMENT_BACKUP ? 1 : str_cmp(meta->ns, source->ns);
    return order ? order : str_cmp(meta->name, source->name);
}

struct status_source *status_schedule_named(struct status_view *view, struct str ns, struct str name)
{
    const struct object_meta wanted = {.ns = ns, .name = name};
    return view->source_count
               ? bsearch(&wanted, view->sources, view->source_count, sizeof *view->sources, words_source_order)
               : NULL;
}

/* Every cause, deepest first, from causes.def. */

enum {
    NOTHING = 0,
    UPGRADE = STATUS_BLOCKS_UPGRADE,
    RESTORE = STATUS_BLOCKS_RESTORE,
    BACKUP = STATUS_BLOCKS_BACKUP,
    ALL = UPGRADE | RESTORE | BACKUP
};
enum { VELERO = STATUS_STOPS_VELERO, BACKUPS = STATUS_STOPS_BACKUPS, STARTS = STATUS_STOPS_STARTS };

#define STOPS(what) .stops = (what)
#define EXPLAINED_BY(what) .explained_by = (what)
#define RISKS(what) .risks = (what)
#define CAUSE(id, ...) [CAUSE_##id] = {__VA_ARGS__},

/* Most rows stop nothing and are explained by nothing: the fields that a row leaves out are 0. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
const struct status_cause_row status_causes[CAUSE_COUNT] = {
#include "backstop/causes.def"
};
#pragma GCC diagnostic pop

/* What the findings that stop this explain, at most. As flags of what they block. */
static unsigned causes_explained(const struct status_view *view, unsigned stop)
{
    unsigned blocks = 0;
    for (size_t i = 0; i < view->finding_count; i++)
        if (view->findings[i].blocks && status_causes[view->findings[i].cause].stops & stop)
            blocks |= view->findings[i].blocks;
    return blocks;
}

/* Only if all that the finding touches is blocked by its explanation already: one that blocks
 * more stands by itself. */
static bool causes_is_explained(const struct status_finding *finding, const unsigned explained[3])
{
    const struct status_cause_row *row = &status_causes[finding->cause];
    unsigned touches = finding->blocks ? finding->blocks : finding->risks | row->risks;
    for (unsigned i = 0; i < 3; i++)
        if (row->explained_by & 1U << i && explained[i] && !(touches & ~explained[i]))
            return true;
    return false;
}

/* By the order of causes.def; of one cause in the order of finding. */
bool status_rank(struct status_view *view)
{
    const unsigned explained[3] = {causes_explained(view, VELERO), causes_explained(view, BACKUPS),
                                   causes_explained(view, STARTS)};
    struct status_finding *ranked = arena_array(view->arena, view->finding_count + 1, sizeof *ranked);
    view->consequences = arena_array(view->arena, view->finding_count + 1, sizeof *ranked);
    if (!ranked || !view->consequences)
        return false;
    size_t count = 0;
    for (unsigned cause = 0; cause < CAUSE_COUNT; cause++)
        for (size_t i = 0; i < view->finding_count; i++) {
            const struct status_finding *finding = &view->findings[i];
            if (finding->cause != cause)
                continue;
            if (causes_is_explained(finding, explained)) {
                view->consequences[view->consequence_count++] = *finding;
                continue;
            }
            ranked[count++] = *finding;
        }
    view->findings = ranked;
    view->finding_count = view->finding_cap = count;
    return true;
}

/* Nothing where no rehearsal was recorded and the settings do not ask for one. */
struct str status_rehearsal_text(const struct status_view *view)
{
    const struct recovery_candidate *best = view->recovery.point ? view->recovery.point : view->recovery.fragile;
    if (!best || (!best->rehearsal.annotated && view->settings->upgrade_rehearsal == VERDICT_ALLOW))
        return STR("");
    return arena_printf(view->arena, "%.*s %.*s", STR_ARG(shown(view->arena, best->object->meta.name)),
                        STR_ARG(best->rehearsal.says));
}
