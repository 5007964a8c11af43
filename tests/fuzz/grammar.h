/* A grammar of AdmissionReviews: the fields of the CRDs that the rule table reviews, each
 * with the kind of value it takes. Bytes choose: which fields there are, which values they
 * have, which of them an UPDATE changes. So every input is a review that can be read, most
 * of them plausible ones, and the fuzzer's coverage steers the choices. */
#ifndef BACKSTOP_TESTS_FUZZ_GRAMMAR_H
#define BACKSTOP_TESTS_FUZZ_GRAMMAR_H

#include <stdio.h>

#include "backstop/admission.h"
#include "fuzz.h"

/* The choices; when they are used up the first of each kind is taken. */
struct tape {
    const uint8_t *bytes;
    size_t len, at;
    size_t flip_from, flip_to; /* choices that are made otherwise: an UPDATE's changes */
};

static inline unsigned choose(struct tape *tape, unsigned count)
{
    unsigned byte = tape->at < tape->len ? tape->bytes[tape->at] : 0;
    if (tape->at >= tape->flip_from && tape->at < tape->flip_to)
        byte ^= 0x35;
    tape->at++;
    return byte % count;
}

enum value {
    V_BOOL,
    V_COUNT,
    V_NAME,
    V_LOCATION,
    V_BACKUP,
    V_SCHEDULE,
    V_RELEASE,
    V_CONFIG_MAP,
    V_KIND,
    V_CRON,
    V_DURATION,
    V_TIME,
    V_PHASE,
    V_RESOURCES,
    V_NAMESPACES,
    V_RESOURCE_POLICY,
    V_PROVIDER,
    V_BUCKET,
    V_CERTIFICATE,
    V_ACCESS,
    V_LABELS,
    V_SELECTOR,
    V_SELECTORS,
    V_HOOKS,
    V_CONFIG,
    V_PROVIDERS,
    V_MAPPING,
    V_TEXTS
};

/* Words of each kind; absent rows are built below. */
static const char *const words[][16] = {
    [V_NAME] = {"new", "kcm-backup", "weekly", "manual", "kcm", "kcm-backup-kcm-1-1-0", "velero", "default"},
    [V_LOCATION] = {"aws-s3", "aws-s3-eu", "azure-blob", "gone", "archive", "new", "minio", "pvc", "hostpath", "nfs"},
    [V_BACKUP] = {"kcm-backup-20261121000000", "vsphere-20261121000000", "both-20261121000000", "aws-20261121000000",
                  "core-only", "kcm-backup-eu-20261121000000", "kcm-backup-kcm-1-1-0", "partial", "failed", "invalid",
                  "running", "on-gone", "on-missing", "app"},
    [V_SCHEDULE] = {"nightly", "broken", "unused", "kcm-backup"},
    [V_RELEASE] = {"kcm-1-3-0", "kcm-1-2-0", "kcm-1-1-0", "kcm-1-4-0", "kcm-9-9-9"},
    [V_CONFIG_MAP] = {"patch-mgmt-spec-release", "missing"},
    [V_KIND] = {"ConfigMap", "configmap", "Secret"},
    [V_CRON] = {"0 */6 * * *", "@weekly", "@every 6h", "*/5 * * * *", "0 9 * * 7", "0 0 31 2 *",
                "TZ=Europe/Berlin 30 2 * * *", "CRON_TZ=Mars/Base 0 0 * * *", "@every 1ms",
                "0 0 1-31/7,5 jan-dec mon-fri", "@midnight", "61 * * * *"},
    [V_DURATION] = {"720h0m0s", "10m", "0s", "-1h", "1.5h", "9999999h", "3d", "12"},
    [V_TIME] = {"2026-11-21T02:30:00Z", "2026-11-20T00:00:00Z", "2027-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
                "2026-11-21T02:30:00+02:00", "yesterday"},
    [V_PHASE] = {"Completed", "InProgress", "PartiallyFailed", "Failed", "New", "FailedValidation", "Available",
                 "Unavailable", "Finalizing", "Deleting"},
    [V_RESOURCE_POLICY] = {"update", "none", "Update", "recreate"},
    [V_PROVIDER] = {"aws", "azure", "gcp", "velero.io/aws", "community.openstack.org/openstack", "hpe"},
    [V_BUCKET] = {"bucket", "my.bucket", "Bucket_1", "a", "bucket/with/path"},
    [V_CERTIFICATE] = {"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==", "bm8=", "not base64"},
    [V_ACCESS] = {"ReadWrite", "ReadOnly"},
    [V_RESOURCES] = {"pods", "*", "managements.k0rdent.mirantis.com", "backups.velero.io", "secrets", "Management",
                     "validatingwebhookconfigurations.admissionregistration.k8s.io", "pods.",
                     "clusters.cluster.x-k8s.io", "persistentvolumes", "nodes", "managementbackups", "secrets/status"},
    [V_NAMESPACES] = {"kcm-system", "*", "default", "team-*", "Bad_Name", "kube-system", "-"},
    [V_TEXTS] = {"one", "two", "aws-snapshots"},
    [V_PROVIDERS] = {"cluster-api-provider-aws", "cluster-api-provider-vsphere", "k0smotron",
                     "cluster-api-provider-new"},
};

static inline unsigned word_count(enum value kind)
{
    unsigned count = 0;
    while (count < LENGTH_OF(words[0]) && words[kind][count])
        count++;
    return count;
}

/* A word, now and then one that a hand or an attacker wrote. */
static inline struct json_object *word(struct tape *tape, enum value kind)
{
    char text[256];
    const char *plain = words[kind][choose(tape, word_count(kind))];
    switch (choose(tape, 24)) {
    case 17:
        snprintf(text, sizeof text, "%sx", plain);
        break;
    case 18:
        snprintf(text, sizeof text, " %s", plain);
        break;
    case 19:
        snprintf(text, sizeof text, "%s\n\x1b[31m\"%s", plain, plain);
        break;
    case 20:
        snprintf(text, sizeof text, "%.2s", plain);
        break;
    case 21:
        snprintf(text, sizeof text, "%s-\xe2\x80\xae%0*d", plain, 1 + (int)choose(tape, 120), 7);
        break;
    case 22:
        return json_object_new_string("");
    case 23:
        return choose(tape, 2) ? json_object_new_int(7) : NULL;
    default:
        return json_object_new_string(plain);
    }
    return json_object_new_string(text);
}

/* For what must be text, or the review cannot be read. */
static inline struct json_object *text_word(struct tape *tape, enum value kind)
{
    struct json_object *value = word(tape, kind);
    if (json_object_is_type(value, json_type_string))
        return value;
    json_object_put(value);
    return json_object_new_string("7");
}

static inline struct json_object *list_of(struct tape *tape, enum value kind)
{
    struct json_object *list = json_object_new_array();
    for (unsigned left = choose(tape, 4); left > 0; left--)
        json_object_array_add(list, word(tape, kind));
    return list;
}

static inline struct json_object *labels(struct tape *tape)
{
    static const char *const keys[] = {"cluster.x-k8s.io/provider",
                                       "velero.io/schedule-name",
                                       "k0rdent.mirantis.com/region",
                                       "k0rdent.mirantis.com/release-backup",
                                       "velero.io/restore-name",
                                       "app",
                                       "a/b/c",
                                       ""};
    static const char *const values[] = {"infrastructure-aws", "cluster-api", "kcm-1-2-0", "eu", "-bad-", "",
                                         "cert-manager"};
    struct json_object *map = json_object_new_object();
    for (unsigned left = choose(tape, 3); left > 0; left--) {
        const char *key = keys[choose(tape, LENGTH_OF(keys))];
        json_object_object_add(map, key, json_object_new_string(values[choose(tape, LENGTH_OF(values))]));
    }
    return map;
}

static inline struct json_object *selector(struct tape *tape)
{
    static const char *const operators[] = {"In", "NotIn", "Exists", "DoesNotExist", "Is"};
    struct json_object *tree = json_object_new_object();
    if (choose(tape, 3))
        json_object_object_add(tree, "matchLabels", labels(tape));
    if (!choose(tape, 3))
        return tree;
    struct json_object *expressions = json_object_new_array(), *one = json_object_new_object();
    json_object_object_add(one, "key", word(tape, V_NAME));
    json_object_object_add(one, "operator", json_object_new_string(operators[choose(tape, LENGTH_OF(operators))]));
    if (choose(tape, 2))
        json_object_object_add(one, "values", list_of(tape, V_TEXTS));
    json_object_array_add(expressions, one);
    json_object_object_add(tree, "matchExpressions", expressions);
    return tree;
}

static inline struct json_object *hooks(struct tape *tape)
{
    static const char *const times[] = {"pre", "post", "postHooks"};
    struct json_object *list = json_object_new_array(), *hook = json_object_new_object(),
                       *steps = json_object_new_array(), *step = json_object_new_object(),
                       *exec = json_object_new_object();
    json_object_object_add(hook, "name", word(tape, V_NAME));
    json_object_object_add(hook, "includedNamespaces", list_of(tape, V_NAMESPACES));
    json_object_object_add(hook, "excludedResources", list_of(tape, V_RESOURCES));
    json_object_object_add(hook, "labelSelector", selector(tape));
    json_object_object_add(exec, "container", word(tape, V_NAME));
    if (choose(tape, 3))
        json_object_object_add(exec, "command", list_of(tape, V_TEXTS));
    json_object_object_add(exec, "timeout", word(tape, V_DURATION));
    json_object_object_add(exec, "onError", word(tape, V_PHASE));
    json_object_object_add(step, choose(tape, 3) ? "exec" : "init", exec);
    json_object_array_add(steps, step);
    json_object_object_add(hook, times[choose(tape, LENGTH_OF(times))], steps);
    json_object_array_add(list, hook);
    return list;
}

static inline struct json_object *config(struct tape *tape)
{
    static const char *const keys[] = {"region",        "s3Url",          "s3ForcePathStyle",
                                       "resourceGroup", "storageAccount", "insecureSkipTLSVerify",
                                       "profile",       "kmsKeyId",       "unknown"};
    static const char *const values[] = {"eu-west-1", "https://minio.minio.svc:9000", "true", "http://10.0.0.1", "yes",
                                         ""};
    struct json_object *map = json_object_new_object();
    for (unsigned left = choose(tape, 4); left > 0; left--) {
        const char *key = keys[choose(tape, LENGTH_OF(keys))];
        json_object_object_add(map, key, json_object_new_string(values[choose(tape, LENGTH_OF(values))]));
    }
    return map;
}

static inline struct json_object *providers(struct tape *tape)
{
    struct json_object *list = json_object_new_array();
    for (unsigned left = choose(tape, 4); left > 0; left--) {
        struct json_object *one = json_object_new_object();
        json_object_object_add(one, "name", word(tape, V_PROVIDERS));
        json_object_array_add(list, one);
    }
    return list;
}

static inline struct json_object *mapping(struct tape *tape)
{
    struct json_object *map = json_object_new_object();
    for (unsigned left = choose(tape, 3); left > 0; left--)
        json_object_object_add(map, words[V_NAMESPACES][choose(tape, 6)], word(tape, V_NAMESPACES));
    return map;
}

static inline struct json_object *selectors(struct tape *tape)
{
    struct json_object *list = json_object_new_array();
    for (unsigned left = choose(tape, 3); left > 0; left--)
        json_object_array_add(list, selector(tape));
    return list;
}

static inline struct json_object *value_of(struct tape *tape, enum value kind)
{
    static struct json_object *(*const built[])(struct tape *) = {
        [V_LABELS] = labels, [V_SELECTOR] = selector,   [V_SELECTORS] = selectors, [V_HOOKS] = hooks,
        [V_CONFIG] = config, [V_PROVIDERS] = providers, [V_MAPPING] = mapping,
    };
    if (kind == V_BOOL)
        return json_object_new_boolean(choose(tape, 2) == 0);
    if (kind == V_COUNT)
        return json_object_new_int64((int64_t)choose(tape, 200) - 5);
    if (kind == V_RESOURCES || kind == V_NAMESPACES || kind == V_TEXTS)
        return list_of(tape, kind);
    return kind < LENGTH_OF(built) && built[kind] ? built[kind](tape) : word(tape, kind);
}

#endif
