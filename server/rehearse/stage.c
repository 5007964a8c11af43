/* What a drill waits for between its writes. A restore into a real cluster takes long enough for the API server to notice
 * a CRD or a webhook before the objects that it concerns come; a drill is too fast for that, and would differ from one
 * time to the next. */
#include <time.h>

#include "backstop/api.h"
#include "rehearse/run.h"

enum { STAGE_SECONDS = 60, STAGE_POLL_MS = 20, STAGE_BYTES = 64 * 1024 * 1024 };

static bool stage_pause(int64_t until)
{
    time_sleep_ms(STAGE_POLL_MS);
    return time_monotonic_ns() < until;
}

static int64_t stage_until(void)
{
    return time_monotonic_ns() + NS_PER_SECOND * STAGE_SECONDS;
}

/* Group and plural of a CRD are its name: PLURAL.GROUP. */
static bool crd_is_served(const struct rehearse_served *served, struct str crd)
{
    struct str plural, group = crd;
    str_cut(&group, '.', &plural);
    return rehearse_served_exactly(served, group, plural) != NULL;
}

/* Whether it may still come to be served; *problem says why not, or is empty where none of its versions is to be. The
 * API server's controllers write these conditions once they have looked at a CRD, and "Established" follows. */
static bool crd_may_come(struct kube_client *client, struct arena *arena, struct str name, struct str *problem)
{
    static const struct kube_resource crds = {.group = STR_INIT("apiextensions.k8s.io"),
                                              .version = STR_INIT("v1"),
                                              .plural = STR_INIT("customresourcedefinitions"),
                                              .kind = STR_INIT("CustomResourceDefinition")};
    static const struct {
        const char *type, *status;
    } never[] = {{"NamesAccepted", "False"},
                 {"NonStructuralSchema", "True"},
                 {"KubernetesAPIApprovalPolicyConformant", "False"}};
    struct error error;
    struct json_object *crd = NULL;
    bool served = false;
    *problem = STR("");
    if (!kube_get(client, arena, &crds, STR(""), name, &crd, &error))
        return true; /* the discovery that follows tells whether the API server lives */
    struct json_object *conditions = json_path(crd, "status.conditions"), *versions = json_path(crd, "spec.versions");
    for (size_t i = 0; i < json_len(conditions); i++) {
        struct json_object *condition = json_item(conditions, i);
        struct str type = json_get_str(condition, "type"), status = json_get_str(condition, "status");
        for (size_t k = 0; k < LENGTH_OF(never); k++)
            if (str_is(type, never[k].type) && str_is(status, never[k].status)) {
                *problem = arena_printf(arena, "%.*s (%.*s)", STR_ARG(json_get_str(condition, "message")),
                                        STR_ARG(json_get_str(condition, "reason")));
                return false;
            }
    }
    for (size_t i = 0; i < json_len(versions); i++)
        served = served || json_get_bool(json_item(versions, i), "served");
    return served;
}

/* Discovery is asked anew each time, and of what it lacks the CRD. */
bool rehearse_wait_served(struct rehearse_served *served, struct kube_client *client, const struct strlist *crds,
                          struct strlist *problems, struct error *error)
{
    struct arena *arena = served->arena;
    bool *done = arena_array(arena, crds->len + 1, sizeof *done);
    int64_t until = stage_until();
    size_t missing = 0;
    *problems = (struct strlist){0};
    for (size_t i = 0; i < crds->len; i++)
        strlist_add(arena, problems, STR(""));
    if (!done || problems->len < crds->len)
        return error_set(error, 500, "out of memory");
    do {
        *served = (struct rehearse_served){.arena = arena};
        if (!rehearse_served_by_cluster(served, client, error))
            return false;
        for (missing = 0; missing < crds->len; missing++)
            if (!done[missing] && !crd_is_served(served, crds->items[missing]) &&
                crd_may_come(client, arena, crds->items[missing], &problems->items[missing]))
                break;
            else
                done[missing] = true;
    } while (missing < crds->len && stage_pause(until));
    return missing == crds->len || error_set(error, 504, "the drill's API server does not serve CRD %.*s after %d s",
                                             STR_ARG(crds->items[missing]), STAGE_SECONDS);
}

/* Velero waits for a CRD that it has restored, counts an error for one that is not served, and goes on. */
bool run_wait_for_crds(struct rehearse_state *run, struct error *error)
{
    struct strlist created = {0}, problems;
    for (size_t i = 0; i < run->plan->crds; i++)
        if (run->plan->items[i]->outcome == REHEARSE_CREATED)
            strlist_add(run->arena, &created, run->plan->items[i]->name);
    if (!rehearse_wait_served(run->served, run->client, &created, &problems, error))
        return false;
    for (size_t i = 0, at = 0; i < run->plan->crds && at < created.len; i++) {
        struct rehearse_item *item = run->plan->items[i];
        if (!str_eq(item->name, created.items[at]))
            continue;
        struct str problem = problems.items[at++];
        if (problem.len) {
            run_outcome(run, item, REHEARSE_REFUSED, REHEARSE_BY_WRITE, "it is stored, but never served: %.*s",
                        STR_ARG(problem));
            run_cause(run, item, STR(""), "CRDs that are never served: %.*s", STR_ARG(problem));
        }
    }
    return true;
}

/* ---- admission ----------------------------------------------------------------------------------- */

#define MARKER "backstop-drill-marker"
#define MARKER_LABEL "backstop.k0rdent.mirantis.com/drill"

/* Something that refuses one ConfigMap, made by the same means as what was just restored: the API server learns of both in
 * the order of their writes. */
static const struct marker {
    const char *after; /* the resource whose objects have been written */
    const char *label; /* of the ConfigMap: one for each, since none is ever taken away */
    struct {
        const char *plural, *text;
    } objects[2];
} markers[] = {
#define WEBHOOK_MARKER(a_plural, a_kind, a_label)                                                                      \
    {                                                                                                                  \
        a_plural ".admissionregistration.k8s.io", a_label,                                                             \
        {                                                                                                              \
            {                                                                                                          \
                a_plural, "{\"apiVersion\":\"admissionregistration.k8s.io/v1\",\"kind\":\"" a_kind "\","               \
                          "\"metadata\":{\"name\":\"" MARKER "\"},\"webhooks\":[{\"name\":\"" a_label                  \
                          ".backstop.k0rdent.mirantis.com\",\"failurePolicy\":\"Fail\",\"sideEffects\":\"None\","      \
                          "\"admissionReviewVersions\":[\"v1\"],\"timeoutSeconds\":1,\"clientConfig\":{\"service\":"   \
                          "{\"namespace\":\"default\",\"name\":\"" MARKER "\"}},\"objectSelector\":{\"matchLabels\":"  \
                          "{\"" MARKER_LABEL "\":\"" a_label "\"}},\"rules\":[{\"apiGroups\":[\"\"],\"apiVersions\":"  \
                          "[\"v1\"],\"operations\":[\"CREATE\"],\"resources\":[\"configmaps\"]}]}]}"                   \
            }                                                                                                          \
        }                                                                                                              \
    }
    WEBHOOK_MARKER("mutatingwebhookconfigurations", "MutatingWebhookConfiguration", "mutating"),
    WEBHOOK_MARKER("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "validating"),
    {"validatingadmissionpolicybindings.admissionregistration.k8s.io",
     "policy",
     {{"validatingadmissionpolicies",
       "{\"apiVersion\":\"admissionregistration.k8s.io/v1\",\"kind\":\"ValidatingAdmissionPolicy\",\"metadata\":{"
       "\"name\":\"" MARKER "\"},\"spec\":{\"failurePolicy\":\"Fail\",\"matchConstraints\":{\"objectSelector\":{"
       "\"matchLabels\":{\"" MARKER_LABEL "\":\"policy\"}},\"resourceRules\":[{\"apiGroups\":[\"\"],\"apiVersions\":["
       "\"v1\"],\"operations\":[\"CREATE\"],\"resources\":[\"configmaps\"]}]},\"validations\":[{\"expression\":"
       "\"false\",\"message\":\"" MARKER "\"}]}}"},
      {"validatingadmissionpolicybindings",
       "{\"apiVersion\":\"admissionregistration.k8s.io/"
       "v1\",\"kind\":\"ValidatingAdmissionPolicyBinding\",\"metadata\":{"
       "\"name\":\"" MARKER "\"},\"spec\":{\"policyName\":\"" MARKER "\",\"validationActions\":[\"Deny\"]}}"}}},
};

static const struct kube_resource marked = {.group = STR_INIT(""),
                                            .version = STR_INIT("v1"),
                                            .plural = STR_INIT("configmaps"),
                                            .kind = STR_INIT("ConfigMap"),
                                            .namespaced = true};

static bool marker_write(struct rehearse_state *run, struct arena *arena, const struct marker *marker,
                         struct error *error)
{
    for (size_t i = 0; i < LENGTH_OF(marker->objects) && marker->objects[i].plural; i++) {
        struct json_object *object = json_build(arena, str_from(marker->objects[i].text), error);
        struct kube_resource resource = {.group = STR("admissionregistration.k8s.io"),
                                         .version = STR("v1"),
                                         .plural = str_from(marker->objects[i].plural),
                                         .kind = json_get_str(object, "kind")};
        if (!object || !kube_create(run->client, arena, &resource, STR(""), object, NULL, error))
            return false;
    }
    return true;
}

/* The marker's own refusal is sure; that of a restored webhook which takes all ConfigMaps may come instead for ever. */
static bool marker_refuses(struct rehearse_state *run, const struct marker *marker, bool *by_marker)
{
    struct error error = {0};
    ARENA_SCOPED arena = arena_new(STAGE_BYTES);
    struct str text = arena ? arena_printf(arena,
                                           "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                                           "\"" MARKER "\",\"labels\":{\"" MARKER_LABEL "\":\"%s\"}}}",
                                           marker->label)
                            : (struct str){NULL, 0};
    struct json_object *map = text.ptr ? json_build(arena, text, &error) : NULL;
    if (!map || kube_create_dry_run(run->client, arena, &marked, STR("default"), map, &error))
        return false;
    *by_marker = str_contains(str_from(error.message), STR(MARKER));
    return error.code != 0;
}

/* Nothing tells when the API server has loaded a new webhook or policy; so a marker is written
 * behind it and tried until it refuses. */
bool run_wait_for_admission(struct rehearse_state *run, const struct rehearse_resource *written, struct error *error)
{
    enum { OTHERS = 100 }; /* so often a restored webhook may answer instead: two seconds */
    int64_t until = stage_until();
    for (size_t m = 0; m < LENGTH_OF(markers); m++) {
        if (!str_is(written->name, markers[m].after))
            continue;
        ARENA_SCOPED arena = arena_new(STAGE_BYTES);
        bool by_marker = false;
        if (!arena || !marker_write(run, arena, &markers[m], error))
            return arena ? error_wrap(error, "drill") : error_set(error, 500, "out of memory");
        for (int others = 0; !by_marker && others < OTHERS;) {
            others += marker_refuses(run, &markers[m], &by_marker);
            if (!by_marker && !stage_pause(until))
                return error_set(error, 504, "the drill's API server does not heed %.*s after %d s",
                                 STR_ARG(written->name), STAGE_SECONDS);
        }
    }
    return true;
}
