/* The audit as OpenReports (openreports.io/v1alpha1): a ClusterReport, and a Report for each namespace, in one List that
 * `kubectl apply` takes. Dashboards that show Kyverno's reports show these. */
#include "commands/audit/audit.h"

#include <stdio.h>

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
    json_put_text(report, "apiVersion", STR("openreports.io/v1alpha1"));
    json_put_text(report, "kind", *ns ? STR("Report") : STR("ClusterReport"));
    struct json_object *metadata = json_object_new_object(), *labels = json_object_new_object();
    json_put_text(labels, "app.kubernetes.io/managed-by", STR("backstop"));
    json_put_text(metadata, "name", STR("backstop"));
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

void audit_report_print(struct arena *arena, struct json_object *reports, bool all, struct buf *out)
{
    struct json_object *list = json_object_new_object(), *items = json_object_new_array();
    json_put_text(list, "apiVersion", STR("v1"));
    json_put_text(list, "kind", STR("List"));
    results_of(reports, STR("")); /* the cluster's is there also when it has nothing to say: it replaces an older one */
    json_foreach(reports, ns, results) json_append(items, report_object(ns, results, all));
    json_put(list, "items", items);
    json_write_tree(out, json_own(arena, list));
    buf_putc(out, '\n');
}
