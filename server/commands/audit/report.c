/* The audit as OpenReports (openreports.io/v1alpha1): a ClusterReport, and a Report for each namespace, in one List that
 * `kubectl apply` takes, or written by --apply. Dashboards that show Kyverno's reports show these. */
#include "commands/audit/audit.h"

#include <stdio.h>

#include "backstop/kube.h"

#define REPORT_GROUP "openreports.io"
#define REPORT_VERSION "v1alpha1"
#define REPORT_NAME "backstop"
#define REPORT_LABEL "app.kubernetes.io/managed-by"
/* etcd takes objects of up to 1.5 MiB. The counts of a report's summary are whole all the same. */
enum { REPORT_RESULTS = 1000 };

/* In the order of a report's results: what must be mended comes first. Also the names that OpenReports has for them. */
static const struct report_outcome {
    const char *name, *severity;
    bool scored; /* in its words, a warning is a policy that is not scored */
} outcomes[] = {{"fail", "high", true}, {"error", "medium", true}, {"warn", "medium", false}, {"pass", "info", true}};
enum { OUTCOME_FAIL, OUTCOME_ERROR, OUTCOME_WARN, OUTCOME_PASS };

static struct json_object *report_subjects(const struct request *request)
{
    struct json_object *list = json_object_new_array(), *subject = json_object_new_object();
    json_put_text(subject, "apiVersion", request->api_version);
    json_put_text(subject, "kind", request->kind);
    if (request->ns.len)
        json_put_text(subject, "namespace", request->ns);
    json_put_text(subject, "name", request->name);
    json_append(list, subject);
    return list;
}

/* The results of one namespace so far: {"fail": [...], "error": [...], ...}. Borrowed. */
static struct json_object *results_of(struct json_object *reports, struct str ns)
{
    char key[64]; /* a namespace has 63 bytes at most; what is longer stands in no cluster */
    snprintf(key, sizeof key, "%.*s", STR_ARG(ns));
    struct json_object *results = json_get(reports, key);
    if (results || !json_put_map(reports, key, &results))
        return results;
    for (size_t i = 0; i < LENGTH_OF(outcomes); i++)
        json_put(results, outcomes[i].name, json_object_new_array());
    return results;
}

static bool report_put(struct json_object *reports, const struct request *request, const struct report_outcome *outcome,
                       struct str field, struct str message)
{
    struct json_object *result = json_object_new_object(), *time = json_object_new_object();
    json_put(time, "seconds", json_object_new_int64(request->now));
    json_put(time, "nanos", json_object_new_int64(0));
    json_put_text(result, "source", STR("backstop"));
    json_put_text(result, "policy", STR("backstop"));
    if (field.len)
        json_put_text(result, "rule", field);
    json_put_text(result, "category", STR("Restorability"));
    json_put_text(result, "severity", str_from(outcome->severity));
    json_put(result, "timestamp", time);
    json_put_text(result, "result", str_from(outcome->name));
    json_put(result, "scored", json_object_new_boolean(outcome->scored));
    if (request->kind.len)
        json_put(result, "resources", report_subjects(request));
    if (message.len)
        json_put_text(result, "message", message);
    return json_append(json_get(results_of(reports, request->ns), outcome->name), result);
}

/* One result for each cause and each warning, so that a dashboard can count by field; one "pass"
 * where there are none. */
bool audit_report_add(struct json_object *reports, const struct review_result *result)
{
    const struct decision *decision = &result->decision;
    const struct request *request = &result->request;
    bool fine = true;
    for (size_t i = 0; i < decision->causes.len && decision->denied; i++)
        fine &= report_put(reports, request, &outcomes[OUTCOME_FAIL], decision->causes.items[i].field,
                           decision->causes.items[i].message);
    if (decision->denied && !decision->causes.len)
        fine &= report_put(reports, request, &outcomes[OUTCOME_FAIL], STR(""), decision->message);
    for (size_t i = 0; i < decision->warnings.len; i++)
        fine &= report_put(reports, request, &outcomes[OUTCOME_WARN], STR(""), decision->warnings.items[i]);
    if (!decision->denied && !decision->warnings.len)
        fine &= report_put(reports, request, &outcomes[OUTCOME_PASS], STR(""), STR(""));
    return fine;
}

bool audit_report_add_problem(struct json_object *reports, struct str problem, int64_t now)
{
    const struct request request = {.now = now};
    return report_put(reports, &request, &outcomes[OUTCOME_ERROR], STR(""), problem);
}

/* The counts are of all results, also of those that REPORT_RESULTS or --all leaves out of the
 * list: an object in etcd cannot be larger than a megabyte or so. */
static struct json_object *report_object(const char *ns, struct json_object *results, bool all)
{
    struct json_object *report = json_object_new_object(), *limits = json_object_new_object(),
                       *configuration = json_object_new_object(), *summary = json_object_new_object(),
                       *list = json_object_new_array();
    json_put_text(report, "apiVersion", STR(REPORT_GROUP "/" REPORT_VERSION));
    json_put_text(report, "kind", *ns ? STR("Report") : STR("ClusterReport"));
    struct json_object *metadata = json_object_new_object(), *labels = json_object_new_object();
    json_put_text(labels, REPORT_LABEL, STR("backstop"));
    json_put_text(metadata, "name", STR(REPORT_NAME));
    if (*ns)
        json_put_text(metadata, "namespace", str_from(ns));
    json_put(metadata, "labels", labels);
    json_put(report, "metadata", metadata);
    json_put_text(report, "source", STR("backstop"));
    json_put(limits, "maxResults", json_object_new_int64(REPORT_RESULTS));
    json_put(configuration, "limits", limits);
    json_put(report, "configuration", configuration);
    for (size_t i = 0; i < LENGTH_OF(outcomes); i++) {
        struct json_object *of = json_get(results, outcomes[i].name);
        json_put(summary, outcomes[i].name, json_object_new_int64((int64_t)json_len(of)));
        for (size_t k = 0; k < json_len(of) && json_len(list) < REPORT_RESULTS && (all || i != OUTCOME_PASS); k++)
            json_append(list, json_object_get(json_item(of, k)));
    }
    json_put(summary, "skip", json_object_new_int64(0));
    json_put(report, "summary", summary);
    json_put(report, "results", list);
    return report;
}

/* The List of all reports, in the arena. The cluster's is there also when it has nothing to say: it replaces an older one. */
static struct json_object *report_list(struct arena *arena, struct json_object *reports, bool all)
{
    struct json_object *list = json_own(arena, json_object_new_object()), *items = json_object_new_array();
    json_put_text(list, "apiVersion", STR("v1"));
    json_put_text(list, "kind", STR("List"));
    results_of(reports, STR(""));
    json_foreach(reports, ns, results) json_append(items, report_object(ns, results, all));
    json_put(list, "items", items);
    return list;
}

void audit_report_print(struct arena *arena, struct json_object *reports, bool all, struct buf *out)
{
    json_write_tree(out, report_list(arena, reports, all));
    buf_putc(out, '\n');
}

/* ---- into the cluster ----------------------------------------------------------------- */

static const struct kube_resource cluster_reports = {.group = STR_INIT(REPORT_GROUP),
                                                     .version = STR_INIT(REPORT_VERSION),
                                                     .plural = STR_INIT("clusterreports"),
                                                     .kind = STR_INIT("ClusterReport")};
static const struct kube_resource namespace_reports = {.group = STR_INIT(REPORT_GROUP),
                                                       .version = STR_INIT(REPORT_VERSION),
                                                       .plural = STR_INIT("reports"),
                                                       .kind = STR_INIT("Report"),
                                                       .namespaced = true};

/* Written whole: what an older run found and this one does not is gone. */
static bool report_store(struct kube_client *kube, struct arena *arena, struct json_object *report, struct error *error)
{
    struct str ns = json_path_str(report, "metadata.namespace"), name = json_path_str(report, "metadata.name");
    const struct kube_resource *resource = ns.len ? &namespace_reports : &cluster_reports;
    struct json_object *stored = NULL;
    if (kube_create(kube, arena, resource, ns, report, NULL, error))
        return true;
    if (error->code != 409 || !kube_get(kube, arena, resource, ns, name, &stored, error))
        return false;
    json_put_text(json_get(report, "metadata"), "resourceVersion", json_path_str(stored, "metadata.resourceVersion"));
    return kube_update(kube, arena, resource, ns, name, report, NULL, error);
}

/* Reports of namespaces in which nothing is left to report of. */
struct stale {
    struct json_object *reports, *namespaces; /* the second: a list of texts */
};

static bool report_namespace_has_one(struct json_object *reports, struct str ns)
{
    json_foreach(reports, key, results) if (str_is(ns, key)) return results != NULL;
    return false;
}

static bool report_note_stale(void *context, struct json_object *object, struct error *error)
{
    struct stale *stale = context;
    struct str ns = json_path_str(object, "metadata.namespace");
    if (!str_is(json_path_str(object, "metadata.name"), REPORT_NAME) || report_namespace_has_one(stale->reports, ns))
        return true;
    char text[64];
    snprintf(text, sizeof text, "%.*s", STR_ARG(ns));
    return json_append(stale->namespaces, json_object_new_string(text)) || error_set(error, 500, "out of memory");
}

bool audit_report_apply(struct kube_client *kube, struct arena *arena, struct json_object *reports, bool all,
                        size_t *written, size_t *deleted, struct error *error)
{
    struct json_object *items = json_get(report_list(arena, reports, all), "items");
    struct stale stale = {reports, json_own(arena, json_object_new_array())};
    const struct kube_list_options ours = {.label_selector = STR(REPORT_LABEL "=backstop")};
    struct kube_resource everywhere = namespace_reports;
    *written = *deleted = 0;
    for (size_t i = 0; i < json_len(items); i++, (*written)++)
        if (!report_store(kube, arena, json_item(items, i), error))
            return false;
    everywhere.namespaced = false; /* all namespaces: the path without one */
    if (!kube_list(kube, arena, &everywhere, &ours, report_note_stale, &stale, NULL, error))
        return false;
    for (size_t i = 0; i < json_len(stale.namespaces); i++, (*deleted)++)
        if (!kube_delete(kube, arena, &namespace_reports, json_str(json_item(stale.namespaces, i)), STR(REPORT_NAME),
                         error) &&
            error->code != 404)
            return false;
    return true;
}
