/* What would become of one object: asked of the API server, which answers writes with dryRun=All as if they were real
 * and stores nothing, or of the CRD that comes with the restore. Mirrors restoreItem in pkg/restore/restore.go. */
#include "backstop/api.h"
#include "backstop/schema.h"
#include "rehearse/run.h"

enum { OBJECT_BYTES = 128 * 1024 * 1024 };
#define STAND_IN STR("default")

struct judged {
    struct rehearse_state *run;
    struct rehearse_item *item;
    size_t at; /* in the plan */
    const struct rehearse_kind *kind;
    struct kube_resource resource; /* of the version that the backup has */
    struct json_object *object;    /* as Velero sends it */
    struct arena *arena;
    const struct namespace_state *ns; /* or NULL */
};

/* How sure an answer is: a write that was stored, a dry run, or one in another namespace. */
static enum rehearse_evidence run_evidence(const struct rehearse_state *run, bool stand_in)
{
    return run->stores ? REHEARSE_BY_WRITE : stand_in ? REHEARSE_BY_STAND_IN : REHEARSE_BY_DRY_RUN;
}

/* Of the object's kind, in the backup; or NULL. */
static const struct rehearse_item *judged_crd(const struct judged *judged)
{
    return rehearse_resource_item(
        rehearse_contents_resource(judged->run->contents, STR("customresourcedefinitions.apiextensions.k8s.io")),
        STR(""), judged->item->resource->name);
}

/* A webhook is called before the object is converted: without it, the object would be refused all the same. */
static bool judge_conversion(const struct judged *judged)
{
    struct error ignored;
    const struct rehearse_item *item = judged_crd(judged);
    struct json_object *crd = item && item->outcome == REHEARSE_CREATED
                                  ? rehearse_item_read(judged->run->contents, item, judged->arena, &ignored)
                                  : NULL;
    return crd && run_meets_conversion(judged->run, judged->item, crd, judged->resource.version);
}

/* Refused, or unknown where the answer tells nothing. */
static void judge_refusal(const struct judged *judged, enum rehearse_evidence evidence, const struct error *error)
{
    struct rehearse_state *run = judged->run;
    struct rehearse_item *item = judged->item;
    struct str message = str_from(error->message), cause = run_answer_cause(message);
    if (run_answer_tells_nothing(run, error, message)) {
        run_outcome(run, item, REHEARSE_UNKNOWN, evidence, "%.*s", STR_ARG(message));
        run_cause(run, item, STR(""), "%.*s", STR_ARG(cause));
        return;
    }
    const struct dead_webhook *webhook = run_webhook_called(run, message);
    if (webhook && judge_conversion(judged))
        return;
    run_outcome(run, item, REHEARSE_REFUSED, webhook ? REHEARSE_BY_WEBHOOK : evidence, "%.*s", STR_ARG(message));
    if (webhook)
        run_webhook_cause(run, item, webhook);
    else
        run_cause(run, item, item->resource->name, "%.*s", STR_ARG(cause));
}

/* Where it is sent: what is to come into a namespace that comes itself is tried in another. */
static struct str judged_namespace(const struct judged *judged)
{
    bool stand_in = judged->ns && judged->ns->state == NAMESPACE_COMES && !judged->run->stores;
    return stand_in ? STAND_IN : judged->item->target_ns;
}

static void judge_cure(const struct judged *judged, struct json_object *cluster, struct str ns,
                       struct json_object *status)
{
    const struct run_refused refused = {
        judged->run, judged->arena, judged->item, &judged->resource, judged->object, cluster, ns};
    if (judged->item->outcome != REHEARSE_REFUSED || !status ||
        (!cluster && judged->item->exists == REHEARSE_EXISTS)) /* a ServiceAccount, which is merged */
        return;
    run_find_cure(&refused, status);
    if (judged->item->patches.len && !judged->run->stores &&
        run_meets_webhook(judged->run, judged->item, judged->at, judged->kind, judged->object))
        judged->item->patches = (struct str){NULL, 0}; /* taken by all but that */
}

/* As Velero updates what exists: by a merge patch of the difference. */
static bool judge_patch(const struct judged *judged, struct json_object *cluster, struct json_object *patch,
                        enum rehearse_outcome done)
{
    struct error error;
    struct json_object *status = NULL;
    const struct kube_trial trial = {.resource = &judged->resource,
                                     .ns = judged->item->target_ns,
                                     .name = judged->item->name,
                                     .object = json_own(judged->arena, patch),
                                     .stores = judged->run->stores,
                                     .refusal = &status};
    if (!run_try(judged->run, judged->arena, trial, &error)) {
        judge_refusal(judged, run_evidence(judged->run, false), &error);
        judge_cure(judged, cluster, judged->item->target_ns, status);
        return false;
    }
    run_outcome(judged->run, judged->item, done, run_evidence(judged->run, false), "%s", "");
    return true;
}

/* removeRestoreLabels, so that a patch always sets them */
static void labels_blank(struct json_object *object)
{
    struct json_object *labels = json_path(object, "metadata.labels");
    json_put_text(labels, "velero.io/backup-name", STR(""));
    json_put_text(labels, LABEL_RESTORE_NAME, STR(""));
}

/* In Velero's order: the same but for its own labels, a ServiceAccount, which is merged, then
 * what the policy says of a difference. */
static void judge_existing(const struct judged *judged, struct json_object *cluster)
{
    struct rehearse_state *run = judged->run;
    struct rehearse_item *item = judged->item;
    bool updates = run->restore->existing == REHEARSE_EXISTING_UPDATE;
    rehearse_object_strip(cluster);
    static const char *const keys[] = {"velero.io/backup-name", LABEL_RESTORE_NAME};
    struct json_object *metadata = json_get(cluster, "metadata"), *labels = json_get(metadata, "labels");
    if (json_object_is_type(labels, json_type_object) || json_put_map(metadata, "labels", &labels))
        for (size_t i = 0; i < LENGTH_OF(keys); i++)
            json_put_text(labels, keys[i], json_get_str(json_path(judged->object, "metadata.labels"), keys[i]));
    if (json_equal(cluster, judged->object)) {
        labels_blank(cluster);
        if (!updates || judge_patch(judged, cluster, rehearse_merge_diff(cluster, judged->object), REHEARSE_LEFT_SAME))
            run_outcome(run, item, REHEARSE_LEFT_SAME, updates ? run_evidence(run, false) : REHEARSE_BY_PLAN, "%s", "");
        return;
    }
    if (str_is(item->resource->name, "serviceaccounts")) {
        struct json_object *merged = json_own(judged->arena, json_copy(cluster));
        if (merged && rehearse_service_account_merge(merged, judged->object))
            judge_patch(judged, NULL, rehearse_merge_diff(cluster, merged), REHEARSE_UPDATED);
        else
            run_outcome(run, item, REHEARSE_LEFT_SAME, REHEARSE_BY_PLAN, "it already has what the backup's has");
        return;
    }
    if (!updates) {
        run_outcome(run, item, REHEARSE_LEFT_DIFFERS, REHEARSE_BY_PLAN,
                    "it exists and differs; existingResourcePolicy is not update");
        return;
    }
    labels_blank(cluster);
    judge_patch(judged, cluster, rehearse_merge_diff(cluster, judged->object), REHEARSE_UPDATED);
}

/* What the API server looks for as a pod is created, and what the restore has created by then. */
static bool refusal_is_of_what_comes(const struct judged *judged, struct str message)
{
    struct str account = json_path_str(judged->object, "spec.serviceAccountName"),
               priority = json_path_str(judged->object, "spec.priorityClassName");
    struct rehearse_contents *contents = judged->run->contents;
    const struct rehearse_item *needed = NULL;
    if (str_contains(message, STR("error looking up service account"))) {
        if (account.len == 0 || str_is(account, "default"))
            return judged->ns && judged->ns->state == NAMESPACE_COMES;
        needed = rehearse_resource_item(rehearse_contents_resource(contents, STR("serviceaccounts")), judged->item->ns,
                                        account);
    } else if (str_contains(message, STR("no PriorityClass with name"))) {
        needed = rehearse_resource_item(rehearse_contents_resource(contents, STR("priorityclasses.scheduling.k8s.io")),
                                        STR(""), priority);
    }
    /* Another thread may be at it: what is not judged yet comes, as far as is known. */
    uint8_t outcome = needed ? __atomic_load_n(&needed->outcome, __ATOMIC_RELAXED) : REHEARSE_REFUSED;
    return outcome != REHEARSE_SKIPPED && outcome != REHEARSE_REFUSED;
}

/* Where the namespace comes with the restore, `default` stands in for it: the API server checks
 * nothing in a namespace that does not exist. */
static void judge_create(const struct judged *judged)
{
    struct rehearse_state *run = judged->run;
    struct rehearse_item *item = judged->item;
    struct error error;
    struct json_object *cluster = NULL, *status = NULL;
    bool stand_in = judged->ns && judged->ns->state == NAMESPACE_COMES && !run->stores;
    enum rehearse_evidence evidence = run_evidence(run, stand_in);
    const struct kube_trial trial = {.resource = &judged->resource,
                                     .ns = stand_in ? STAND_IN : item->target_ns,
                                     .object = judged->object,
                                     .stores = run->stores,
                                     .refusal = &status};
    if (stand_in)
        json_put_text(json_get(judged->object, "metadata"), "namespace", STAND_IN);
    /* That an object of this name is there is the last thing that is looked at: all checks before it passed. */
    if (run_try(run, judged->arena, trial, &error) || (error.code == 409 && stand_in))
        run_outcome(run, item, REHEARSE_CREATED, evidence, "%s", "");
    else if (error.code == 409 && run->stores &&
             kube_get(run->client, judged->arena, &judged->resource, item->target_ns, item->name, &cluster, &error)) {
        /* an object of another namespace was mapped to the same */
        item->exists = REHEARSE_EXISTS;
        judge_existing(judged, cluster);
        return;
    } else if (refusal_is_of_what_comes(judged, str_from(error.message)))
        run_outcome(run, item, REHEARSE_CREATED, REHEARSE_BY_PLAN, "what it needs comes with the restore: %s",
                    error.message);
    else {
        judge_refusal(judged, evidence, &error);
        judge_cure(judged, NULL, trial.ns, status);
    }
    if (item->outcome == REHEARSE_CREATED && !run->stores)
        run_meets_webhook(run, item, judged->at, judged->kind, judged->object);
}

/* A list taken before says which objects are absent; only the others are asked for by name. */
static void judge_by_cluster(const struct judged *judged)
{
    struct error error;
    struct json_object *cluster = NULL;
    bool absent = judged->item->exists == REHEARSE_ABSENT || (judged->ns && judged->ns->state == NAMESPACE_COMES);
    if (!absent && kube_get(judged->run->client, judged->arena, &judged->resource, judged->item->target_ns,
                            judged->item->name, &cluster, &error)) {
        judged->item->exists = REHEARSE_EXISTS;
        judge_existing(judged, cluster);
    } else if (absent || error.code == 404) {
        judged->item->exists = REHEARSE_ABSENT;
        judge_create(judged);
    } else {
        run_outcome(judged->run, judged->item, REHEARSE_UNKNOWN, run_evidence(judged->run, false), "%s", error.message);
        run_cause(judged->run, judged->item, STR(""), "%.*s", STR_ARG(run_answer_cause(str_from(error.message))));
    }
}

/* The API server does not know the kind yet, so its schema is checked here, by the rules of
 * structural schemas. CEL rules are not evaluated, which the report says. */
static void judge_by_crd(const struct judged *judged)
{
    struct rehearse_state *run = judged->run;
    struct rehearse_item *item = judged->item;
    struct error error = {0};
    size_t count = 0;
    struct json_object *crd = rehearse_item_read(run->contents, judged->kind->crd, judged->arena, &error);
    struct schema_set set = {.arena = judged->arena, .any_group = true};
    if (!crd || judged->kind->crd->outcome == REHEARSE_REFUSED) {
        run_outcome(run, item, REHEARSE_REFUSED, REHEARSE_BY_CRD, "its CRD, which comes with the restore, is refused");
        run_cause(run, item, item->resource->name, "their CRD is refused");
        return;
    }
    schema_set_add(&set, crd);
    const struct schema_request request = {.set = &set, .tree = judged->object};
    const struct schema_problem *problems = schema_check(&request, judged->arena, &count);
    for (size_t i = 0; i < count; i++)
        if (problems[i].kind == SCHEMA_REFUSED) {
            run_outcome(run, item, REHEARSE_REFUSED, REHEARSE_BY_CRD, "%.*s: %.*s", STR_ARG(problems[i].field),
                        STR_ARG(problems[i].message));
            run_cause(run, item, item->resource->name, "%.*s: %.*s", STR_ARG(problems[i].field),
                      STR_ARG(problems[i].message));
            return;
        }
    if (!run_meets_conversion(run, item, crd, judged->resource.version) &&
        !run_meets_webhook(run, item, judged->at, judged->kind, judged->object))
        run_outcome(run, item, REHEARSE_CREATED, REHEARSE_BY_CRD, "%s", "");
}

/* By what discovery says, and by the CRDs that come. */
static bool judge_version_is_served(const struct judged *judged)
{
    struct rehearse_state *run = judged->run;
    struct rehearse_item *item = judged->item;
    if (!judged->kind) {
        const struct rehearse_item *crd = judged_crd(judged);
        run_outcome(run, item, REHEARSE_REFUSED, REHEARSE_BY_PLAN, "nothing serves %.*s: its CRD is %s",
                    STR_ARG(item->resource->name),
                    crd && crd->outcome == REHEARSE_REFUSED ? "refused"
                    : run->client                           ? "neither in the cluster nor restored"
                                                            : "not restored");
        run_cause(run, item, item->resource->name, "nothing serves %.*s", STR_ARG(item->resource->name));
        return false;
    }
    if (strlist_has(&judged->kind->versions, judged->resource.version) || (!run->client && !judged->kind->crd))
        return true;
    run_outcome(run, item, REHEARSE_REFUSED, REHEARSE_BY_PLAN, "version %.*s of %.*s is not served",
                STR_ARG(judged->resource.version), STR_ARG(item->resource->name));
    run_cause(run, item, item->resource->name, "%.*s: version %.*s is not served", STR_ARG(item->resource->name),
              STR_ARG(judged->resource.version));
    if (run->client && !judged->kind->crd && (!judged->ns || judged->ns->state <= NAMESPACE_COMES)) {
        const struct run_refused refused = {run,  judged->arena,           item, &judged->resource, judged->object,
                                            NULL, judged_namespace(judged)};
        run_find_version(&refused, judged->kind->group, judged->kind->version);
    }
    return false;
}

static bool namespace_allows(const struct judged *judged)
{
    const struct namespace_state *ns = judged->ns;
    if (!ns || ns->state == NAMESPACE_EXISTS || ns->state == NAMESPACE_COMES)
        return true;
    bool refused = ns->state == NAMESPACE_REFUSED;
    run_outcome(judged->run, judged->item, refused ? REHEARSE_REFUSED : REHEARSE_UNKNOWN, REHEARSE_BY_DRY_RUN,
                "namespace %.*s: %.*s", STR_ARG(ns->name), STR_ARG(ns->reason));
    run_cause(judged->run, judged->item, STR(""), "namespace %.*s%s: %.*s", STR_ARG(ns->name),
              refused ? " will not exist" : "", STR_ARG(run_answer_cause(ns->reason)));
    return false;
}

/* Each object in an arena of its own, for there are many and some are large. A modifier that
 * fails does not keep an object from being restored: it is restored unchanged, which is reported
 * besides its outcome. */
void run_judge(struct rehearse_state *run, struct rehearse_item *item, size_t at)
{
    struct error error = {0};
    struct str skip = {NULL, 0}, problem = {NULL, 0}, version = {NULL, 0};
    ARENA_SCOPED arena = arena_new(OBJECT_BYTES);
    struct json_object *object = arena ? rehearse_item_read(run->contents, item, arena, &error) : NULL;
    if (!object) {
        run_outcome(run, item, REHEARSE_REFUSED, REHEARSE_BY_PLAN, "its file cannot be read: %s", error.message);
        run_cause(run, item, STR(""), "its file cannot be read");
        return;
    }
    object = rehearse_object_prepare(arena, object, item, run->restore, &skip, &problem);
    if (skip.len) {
        run_outcome(run, item, REHEARSE_SKIPPED, REHEARSE_BY_PLAN, "%.*s", STR_ARG(skip));
        return;
    }
    struct str group = api_version_group(json_get_str(object, "apiVersion"), &version);
    const struct rehearse_kind *kind = rehearse_served_exactly(run->served, group, item->resource->plural);
    const struct judged judged = {.run = run,
                                  .item = item,
                                  .at = at,
                                  .kind = kind,
                                  .resource = {.group = group,
                                               .version = version,
                                               .plural = item->resource->plural,
                                               .kind = json_get_str(object, "kind"),
                                               .namespaced = item->target_ns.len > 0},
                                  .object = object,
                                  .arena = arena,
                                  .ns = item->target_ns.len ? run_namespace(run, item->target_ns) : NULL};
    if (!judge_version_is_served(&judged) || !namespace_allows(&judged))
        return;
    if (kind->crd)
        judge_by_crd(&judged);
    else if (run->client)
        judge_by_cluster(&judged);
    else if (!run_meets_webhook(run, item, at, kind, object))
        run_outcome(run, item, REHEARSE_PENDING, REHEARSE_BY_PLAN, "%s", "");
    if (problem.len && item->outcome != REHEARSE_REFUSED) {
        item->unmodified = true;
        run_outcome(run, item, item->outcome, item->evidence, "a resource modifier fails: %.*s", STR_ARG(problem));
        run_cause(run, item, STR(""), "%.*s", STR_ARG(problem));
    }
    if (arena_failed(arena))
        run_outcome(run, item, REHEARSE_UNKNOWN, REHEARSE_BY_PLAN, "out of memory: it is too large");
}
