/* api: the words of Velero's and k0rdent's APIs that everything above shares: phases, and the keys of labels and
 * annotations. Knows no object. */
#ifndef BACKSTOP_API_H
#define BACKSTOP_API_H

#include "backstop/base.h"

/* ---- phases of a Velero Backup, and of a Restore, which has some of them ---------- */

/* What can be said of a phase (pkg/apis/velero/v1/backup_types.go, BackupPhase). */
enum phase {
    PHASE_WAITING,          /* "", New, Queued, ReadyToStart: Velero has not begun with it */
    PHASE_RUNNING,          /* InProgress to FinalizingPartiallyFailed */
    PHASE_COMPLETED,        /* all of it is stored */
    PHASE_PARTIALLY_FAILED, /* ended, and something is missing */
    PHASE_FAILED,           /* ended without a backup */
    PHASE_REFUSED,          /* FailedValidation: never begun */
    PHASE_DELETING,
    PHASE_UNKNOWN /* a newer Velero's */
};
/* Of a Backup or Restore. An absent phase is PHASE_WAITING; what this table does not have is PHASE_UNKNOWN, never a
 * failure. */
enum phase phase_of(struct str text);
bool phase_is(struct str text, enum phase phase);
bool phase_has_failed(struct str text); /* ended, and not Completed */
bool phase_has_errors(struct str text); /* what runs or has ended already knows of errors: ...PartiallyFailed */
/* How far a backup of this phase has come: larger is later. Of an unknown phase, as far as InProgress. */
unsigned phase_rank(struct str text);
/* "" or New: Velero has not looked at this Backup, Restore or DeleteBackupRequest yet. Nothing else is ever new to it. */
bool phase_is_new(struct str text);
/* How people read it: "New" while the object has no status. */
struct str phase_name(struct str text);
/* Of a DeleteBackupRequest: Velero is done with it, whether or not it deleted the Backup (backup_deletion_controller.go). */
bool phase_is_processed(struct str text);
/* InProgress to the letter: Velero takes up no second time what it has begun with, and counts its items only meanwhile. */
bool phase_is_in_progress(struct str text);
/* kcm's own idea of a Backup that runs (backup/schedule.go): New and InProgress alone. While there is one it starts none. */
bool phase_holds_kcm(struct str text);

/* The group of "GROUP/VERSION": "" for the core group, which has a version only. `version` may be NULL. Both are
 * borrowed. */
struct str api_version_group(struct str api_version, struct str *version);

/* Whether the Velero server knows the Go types of a group's kinds (the scheme in pkg/cmd/server/server.go): for any other a
 * strategic patch has no merge keys, and fails. An empty version stands for any that is known. */
bool api_velero_has_types(struct str group, struct str version);

/* ---- groups of kinds ------------------------------------------------------------------ */

#define GROUP_K0RDENT "k0rdent.mirantis.com"
#define GROUP_VELERO "velero.io"
#define GROUP_ADMISSION "admissionregistration.k8s.io"
/* Versions to look for, best first, NULL after the last: clusters before k0rdent 1.0 serve v1alpha1 only. */
extern const char *const versions_of_k0rdent[], *const versions_of_velero[];

/* ---- what a rehearsal leaves on a Backup ------------------------------------------------ */

enum rehearsal_verdict { REHEARSAL_RESTORABLE, REHEARSAL_INCOMPLETE, REHEARSAL_UNKNOWN };
const char *rehearsal_verdict_name(enum rehearsal_verdict verdict); /* "restorable", "incomplete", "unknown" */

/* The value of ANNOTATION_REHEARSED, one line: TIME VERDICT objects=N skipped=N refused=N unknown=N, such as
 * "2026-11-21T02:58:00Z restorable objects=420 skipped=28 refused=0 unknown=0". */
struct rehearsal_record {
    int64_t at;
    enum rehearsal_verdict verdict;
    int64_t objects, skipped, refused, unknown; /* objects: all of the backup, skipped ones among them */
};
enum { REHEARSAL_RECORD_SIZE = 192 };
const char *rehearsal_record_write(const struct rehearsal_record *record, char out[REHEARSAL_RECORD_SIZE]);
/* False for anything else, and where the counts do not fit the verdict. Counts that a later version adds are passed over. */
bool rehearsal_record_read(struct str text, struct rehearsal_record *record) MUST_CHECK;

/* ---- keys of labels and annotations ------------------------------------------------- */

/* The labels and annotations the policies know. */
#define LABEL_COMPONENT "k0rdent.mirantis.com/component"
#define LABEL_MANAGEMENT_BACKUP "k0rdent.mirantis.com/management-backup"
#define LABEL_RELEASE_BACKUP "k0rdent.mirantis.com/release-backup"
#define LABEL_REGION "k0rdent.mirantis.com/region"
#define ANNOTATION_SKIP_MUTATION "backstop.k0rdent.mirantis.com/skip-mutation"
#define ANNOTATION_SKIP_BACKUP "backstop.k0rdent.mirantis.com/skip-pre-upgrade-backup"
/* On a ManagementBackup: how old its newest backup may become ("12h"), in place of settings status.recoveryPoint. */
#define ANNOTATION_RECOVERY_POINT "backstop.k0rdent.mirantis.com/recovery-point"
#define ANNOTATION_ALLOW_DELETE "backstop.k0rdent.mirantis.com/allow-delete"
/* How messages write an annotation whose value is a reason, at the end of a command: quoted, since most reasons have spaces. */
#define WITH_REASON(annotation) annotation "=\"REASON\""
/* On a Management: allows edits that settings upgrade.disabledVelero, removedProvider and unsupportedRelease deny. */
#define ANNOTATION_ALLOW_EDIT "backstop.k0rdent.mirantis.com/allow-edit"
/* On a Backup: a pin. While it is there nobody deletes the Backup, whatever its value says. */
#define ANNOTATION_KEEP "backstop.k0rdent.mirantis.com/keep"
/* On a Backup: what `backstop rehearse --record` found (struct rehearsal_record). Neither Velero's sync nor kcm carries it
 * to another object or cluster. */
#define ANNOTATION_REHEARSED "backstop.k0rdent.mirantis.com/rehearsed"
/* On the ManagementBackup that the gate creates: the release asked for, and when. */
#define ANNOTATION_TAKEN_BEFORE "backstop.k0rdent.mirantis.com/taken-before-upgrade-to"
#define ANNOTATION_TAKEN_BEFORE_AT "backstop.k0rdent.mirantis.com/taken-before-upgrade-at"
/* On a Restore: what the webhook added to it, for those whose client shows no warnings. */
#define ANNOTATION_ADDED "backstop.k0rdent.mirantis.com/added"
/* On a management Backup, as it is created: Management's spec.release, and when. */
#define ANNOTATION_RELEASE "backstop.k0rdent.mirantis.com/release"
#define ANNOTATION_RECORDED_AT "backstop.k0rdent.mirantis.com/recorded-at"
/* Beside them: the components that were not ready, because kcm was still installing that release. */
#define ANNOTATION_NOT_READY "backstop.k0rdent.mirantis.com/not-ready"
/* Beside them: which cluster it is of, by the uid of its namespace kube-system. */
#define ANNOTATION_CLUSTER_ID "backstop.k0rdent.mirantis.com/cluster-id"
/* And the versions that it was taken under, as numbers; the CAPI providers; and PLURAL.GROUP of what its restore must
 * leave out, with commas ("none": it was seen that nothing is). */
#define ANNOTATION_KCM_VERSION "backstop.k0rdent.mirantis.com/k0rdent-version"
#define ANNOTATION_VELERO_VERSION "backstop.k0rdent.mirantis.com/velero-version"
#define ANNOTATION_PROVIDERS "backstop.k0rdent.mirantis.com/providers"
#define ANNOTATION_EXCLUSIONS "backstop.k0rdent.mirantis.com/restore-exclusions"
/* By Velero itself on every Backup, as it begins (backup_controller.go): "v1.36.3". */
#define ANNOTATION_KUBERNETES_VERSION "velero.io/source-cluster-k8s-gitversion"
/* On both webhook configurations: which of their webhooks (first labels of their names, separated by commas) become
 * fail-closed once the API server is known to reach one. */
#define ANNOTATION_FAIL_CLOSED "backstop.k0rdent.mirantis.com/fail-closed"
#define LABEL_PROVIDER "cluster.x-k8s.io/provider"
#define LABEL_CLUSTER_NAME "cluster.x-k8s.io/cluster-name"
#define LABEL_HELM_NAME "helm.toolkit.fluxcd.io/name"
#define LABEL_SCHEDULE_NAME "velero.io/schedule-name"
#define LABEL_STORAGE_LOCATION "velero.io/storage-location"
#define LABEL_RESTORE_NAME "velero.io/restore-name"
#define LABEL_EXCLUDE_FROM_BACKUP "velero.io/exclude-from-backup"
#define API_K0RDENT "k0rdent.mirantis.com/v1beta1"
#define API_VELERO "velero.io/v1"

#endif
