/* policy: what a policy reads, the request, and what it fills, the decision. A request is read by path, and only the parts
 * that are asked for become trees. A decision is data: causes, warnings, a patch, audit annotations, effects to carry out;
 * admission writes it as an answer, review prints it. */
#ifndef BACKSTOP_DECISION_H
#define BACKSTOP_DECISION_H

#include "backstop/base.h"
#include "backstop/inventory.h"
#include "backstop/json.h"
#include "backstop/settings.h"

/* ---- what is asked -------------------------------------------------------- */

enum operation { OPERATION_CREATE = 1, OPERATION_UPDATE = 2, OPERATION_DELETE = 4, OPERATION_CONNECT = 8 };

/* Whose write it is: what a controller writes is judged otherwise than what a person does. */
enum request_writer { WRITER_USER, WRITER_VELERO, WRITER_KCM };

/* One version of the object under review. `root` is indexed two levels deep
 * (metadata.*, spec.*, status.*); read it through the functions below. NULL
 * pointers stand for "no such object" (object on DELETE, old on CREATE). */
struct object {
    const struct json_node *root;
};

struct request {
    struct arena *arena;
    enum operation operation;
    bool dry_run;
    int64_t now;
    struct str uid;
    struct str api_version, kind; /* of the object: k0rdent.mirantis.com/v1beta1, ManagementBackup */
    struct str ns, name;          /* name is absent while generateName has not been carried out */
    struct str user;
    struct str subresource;     /* "status"; absent for the object itself */
    enum request_writer writer; /* set by admission_decide */
    const struct object *object, *old_object;
    struct request_parts *parts; /* private: what was built already; NULL is fine, then nothing is kept */
};

/* Empties a request whose values live in `arena`, and lets it keep the trees it builds. */
void request_init(struct request *request, struct arena *arena);
/* The object a decision is about: the new one, or on DELETE the old one. */
const struct object *request_subject(const struct request *request);
/* Values by path, "spec.schedule", "metadata.generateName", "spec.hooks.resources".
 * Readers give NULL, absent, false for what is missing or of another type. Trees
 * are built of just that part, once, and live as long as the request. */
struct json_object *object_tree(const struct request *request, const struct object *object, const char *path);
/* The strings of a list at a path of two names, at most `most` of them; `count` says how many items there are. False
 * when it is there and no list of strings. No tree is built. */
bool object_strings(const struct request *request, const struct object *object, const char *path, size_t most,
                    struct strlist *list, size_t *count);
/* Why a part of an object that was asked for as a tree could not be read, and so looked as if it were
 * absent (json_build); absent when all could. */
struct str request_problem(const struct request *request);
/* The text at a path of two or more names ("spec.backupName"), borrowed for as long as the request. Absent when the
 * object is NULL or holds something else there. */
struct str object_text(const struct request *request, const struct object *object, const char *path);
/* The literal true at this path. */
bool object_true(const struct request *request, const struct object *object, const char *path);
enum json_kind object_kind(const struct object *object, const char *path); /* JSON_NULL: absent too; two levels */
bool object_has(const struct object *object, const char *path);            /* present and not null; two levels */
struct str object_label(const struct request *request, const struct object *object, const char *key);
/* Absent when it is not set, empty when it is set to "". */
struct str object_annotation(const struct request *request, const struct object *object, const char *key);
/* Its JSON text, quotes, escapes and all; absent when it is not set. Cheap to ask of a large one. */
/* All of its annotations, if their text has `part` anywhere: NULL otherwise, so that few objects pay for a tree. */
struct json_object *object_annotations_naming(const struct request *request, const struct object *object,
                                              struct str part);
struct str object_annotation_raw(const struct request *request, const struct object *object, const char *key);
/* The reason that an annotation gives, trimmed; empty where it has none that can be seen. */
struct str object_reason(const struct request *request, const struct object *object, const char *annotation);
struct str annotation_reason(struct str value);    /* the same of an annotation's value */
bool object_deleting(const struct object *object); /* has a deletionTimestamp */
/* True on CREATE when the path is there, on UPDATE when its value differs from the
 * old object's: "deny only for what the request changes". */
bool request_changes(const struct request *request, const char *path);
/* By the settings velero.serviceAccounts and kcm.serviceAccounts, and by the account that Velero's
 * Deployment in the system namespace runs as (inventory; NULL: the settings alone). */
enum request_writer request_writer(const struct request *request, const struct inventory *inventory,
                                   const struct settings *settings);
/* The requester is one of Velero's service accounts. */
bool request_by_velero(const struct request *request, const struct settings *settings);
/* The same of kcm (settings kcm.serviceAccounts). */
bool request_by_kcm(const struct request *request, const struct settings *settings);

/* ---- what is decided ------------------------------------------------------ */

/* Kubernetes' kinds of field errors (apimachinery pkg/util/validation/field, ErrorType). */
enum field_error {
    FIELD_INVALID,
    FIELD_TYPE_INVALID,
    FIELD_REQUIRED,
    FIELD_NOT_SUPPORTED,
    FIELD_NOT_FOUND,
    FIELD_FORBIDDEN,
    FIELD_DUPLICATE,
    FIELD_TOO_LONG,
    FIELD_TOO_MANY
};
struct cause {
    enum field_error error;
    struct str field, message; /* the message begins with the error's prefix */
};
struct patch_step {
    const char *op;  /* add, replace, remove */
    struct str path; /* JSON Pointer, escaped */
    struct json_object *value;
};
struct audit_annotation {
    struct str key, value; /* key without the webhook's name, which the API server puts before it */
};
/* An object to create, as data. The shell carries it out, never under dryRun. */
struct effect {
    struct json_object *object;
    struct str what; /* "ManagementBackup kcm-backup-kcm-1-2-0", for logs and answers */
};
#define DECISION_LIST(type, name)                                                                                      \
    struct {                                                                                                           \
        type *items;                                                                                                   \
        size_t len, cap;                                                                                               \
    } name

/* A deletion of a Backup to make known to all replicas before it is admitted (facts_reserve), so
 * that no two are admitted that each count on the other's backup. Never under dryRun. */
struct reservation {
    struct str backup; /* its name in the system namespace; absent: nothing to reserve */
    bool optional;     /* by annotation it is admitted also where that fails */
};

struct decision {
    struct arena *arena;
    bool denied;
    bool waits;          /* denied only until a pre-upgrade backup is complete */
    bool lenient;        /* denials become warnings (Velero's own writes) */
    int code;            /* 403, 422, 429, 500, 503 when denied */
    const char *reason;  /* Kubernetes' StatusReason for that code */
    struct str message;  /* of a denial that has no causes */
    int64_t retry_after; /* seconds, for 429 and 503; 0 = none */
    DECISION_LIST(struct cause, causes);
    struct strlist warnings;
    struct strlist unchecked; /* those of the warnings that only say what could not be checked */
    bool missing[FACT_COUNT]; /* the facts that took */
    struct strlist told;      /* those of the warnings that only say what the patch changes */
    struct strlist cautions;  /* those of the warnings that must reach everybody (decision_caution) */
    DECISION_LIST(struct patch_step, patch);
    DECISION_LIST(struct audit_annotation, audit);
    DECISION_LIST(struct effect, effects);
    struct reservation reservation;
};

/* Allowed, with nothing to say. Everything that is added lives in the arena. */
void decision_init(struct decision *decision, struct arena *arena);
/* 422 Invalid: one bad field, in the words of Kubernetes' field errors. The prefix ("Invalid value: ") and the
 * cause's reason are set here; the format goes on after it: `decision_invalid(decision, "spec.schedule",
 * "%.*s: day-of-week 7 is ...", value)`. May be called again for other fields. */
void decision_field_error(struct decision *decision, enum field_error error, const char *field, const char *format, ...)
    PRINTF_LIKE(4, 5);
#define decision_invalid(decision, ...) decision_field_error(decision, FIELD_INVALID, __VA_ARGS__)
#define decision_type_invalid(decision, ...) decision_field_error(decision, FIELD_TYPE_INVALID, __VA_ARGS__)
#define decision_required(decision, ...) decision_field_error(decision, FIELD_REQUIRED, __VA_ARGS__)
#define decision_not_supported(decision, ...) decision_field_error(decision, FIELD_NOT_SUPPORTED, __VA_ARGS__)
#define decision_not_found(decision, ...) decision_field_error(decision, FIELD_NOT_FOUND, __VA_ARGS__)
#define decision_forbidden(decision, ...) decision_field_error(decision, FIELD_FORBIDDEN, __VA_ARGS__)
#define decision_duplicate(decision, ...) decision_field_error(decision, FIELD_DUPLICATE, __VA_ARGS__)
#define decision_too_long(decision, ...) decision_field_error(decision, FIELD_TOO_LONG, __VA_ARGS__)
#define decision_too_many(decision, ...) decision_field_error(decision, FIELD_TOO_MANY, __VA_ARGS__)
/* The same of a text that brings its prefix, as schemas and the reader of reviews write it; without one: invalid. */
void decision_field_text(struct decision *decision, const char *field, struct str text);
/* FieldValueRequired and so on: metav1.CauseType. */
const char *field_error_reason(enum field_error error);
/* The same by a settings verdict: deny, warn ("field: message") or nothing. */
void decision_judge(struct decision *decision, enum verdict verdict, enum field_error error, const char *field,
                    const char *format, ...) PRINTF_LIKE(5, 6);
void decision_forbid(struct decision *decision, const char *format, ...) PRINTF_LIKE(2, 3); /* 403 */
/* 429 (not yet) or 503 (could not tell), with retryAfterSeconds. */
void decision_wait(struct decision *decision, int code, int64_t retry_after, const char *format, ...) PRINTF_LIKE(4, 5);
/* One short line; the same line twice is kept once. */
void decision_warn(struct decision *decision, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same of an object that is admitted and will fail, or do something else than it says. It must also reach those whose
 * client shows no warnings (the Velero CLI, GitOps controllers), so an Event on the object repeats it. */
void decision_caution(struct decision *decision, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same where a check needs facts of which nothing is known: whoever reads many answers may say it once. */
void decision_unchecked(struct decision *decision, enum fact missing, const char *format, ...) PRINTF_LIKE(3, 4);
/* A step of the JSON Patch; the value must live as long as the decision. Steps are applied in order, so a parent is
 * added before its child. */
void decision_patch(struct decision *decision, const char *op, const char *path, struct json_object *value);
/* The key under which the upgrade gate notes what it did; Events and metrics are made from its value (serve/events.c). */
#define AUDIT_GATE "upgrade-gate"
void decision_audit(struct decision *decision, const char *key, const char *format, ...) PRINTF_LIKE(3, 4);
/* An effect: the object is created after the decision and before the answer, never under dryRun. `what` names it in
 * the log. */
void decision_create(struct decision *decision, struct json_object *object, struct str what);
/* What would have been changed is of no interest when nothing is stored: drops the patch and
 * the warnings and audit annotations that tell of them. */
void decision_forget_changes(struct decision *decision);
/* The whole denial as one line: the message, or the causes as Kubernetes joins them. */
struct str decision_message(const struct decision *decision);

#endif
