/* A rehearsal without a cluster: archives that are none, Velero's order and filters, and what it makes of objects. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backstop/json.h"
#include "backstop/rehearse.h"
#include "suite.h"

enum { BLOCK = 512, MEMORY = 64 * 1024 * 1024 };

/* ---- archives ------------------------------------------------------------------------------- */

/* One entry of a ustar archive. */
static void tar_add(int fd, const char *path, char type, const char *link, const char *content, size_t claimed)
{
    char header[BLOCK] = {0}, padding[BLOCK] = {0};
    unsigned sum = 0;
    size_t length = strlen(content);
    const char *file = strlen(path) < 100 ? NULL : strrchr(path, '/'); /* a long path is written in two parts */
    snprintf(header, 100, "%s", file ? file + 1 : path);
    if (file)
        snprintf(header + 345, 155, "%.*s", (int)(file - path), path);
    snprintf(header + 100, 8, "%07o", 0644);
    snprintf(header + 108, 8, "%07o", 0);
    snprintf(header + 116, 8, "%07o", 0);
    snprintf(header + 124, 12, "%011zo", claimed);
    snprintf(header + 136, 12, "%011o", 0);
    header[156] = type;
    snprintf(header + 157, 100, "%s", link);
    memcpy(header + 257, "ustar\00000", 8);
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < sizeof header; i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
    CU_ASSERT(write(fd, header, sizeof header) == BLOCK);
    CU_ASSERT(write(fd, content, length) == (ssize_t)length);
    CU_ASSERT(length % BLOCK == 0 || write(fd, padding, BLOCK - length % BLOCK) > 0);
}

static int tar_open(void)
{
    int fd = memfd_create("backup", MFD_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    return fd;
}

static void tar_end(int fd)
{
    char zeros[2 * BLOCK] = {0};
    CU_ASSERT(write(fd, zeros, sizeof zeros) == sizeof zeros);
}

static struct rehearse_contents *tar_read(int fd, const struct rehearse_limits *limits, struct error *error)
{
    CU_ASSERT(lseek(fd, 0, SEEK_SET) == 0);
    struct rehearse_contents *contents = rehearse_contents_read(fd, limits, error);
    close(fd);
    return contents;
}

static const char *const good_object = "{\"metadata\":{\"name\":\"a\"}}";

static void test_hostile_archives(void)
{
    static const struct {
        const char *path, *link, *part;
        char type;
    } rows[] = {
        {"/resources/pods/cluster/a.json", "", "absolute path", '0'},
        {"/etc/passwd", "", "absolute path", '0'},
        {"resources/pods/cluster/../../../a.json", "", "not a plain path", '0'},
        {"../a.json", "", "not a plain path", '0'},
        {"resources//cluster/a.json", "", "not a plain path", '0'},
        {"resources/pods/cluster/a.json", "/etc/shadow", "link or a special file", '2'},
        {"resources/pods/cluster/a.json", "metadata/version", "link or a special file", '1'},
        {"resources/pods/cluster/a.json", "", "link or a special file", '3'},
        {"resources/pods/cluster/a.json", "", "link or a special file", '6'},
        {"resources/pods.json", "", "nothing of Velero's", '0'},
        {"resources/pods/a.json", "", "nothing of Velero's", '0'},
        {"resources/pods/cluster/deeper/a.json", "", "nothing of Velero's", '0'},
        {"resources/pods/namespaces/a.json", "", "nothing of Velero's", '0'},
        {"resources/pods/namespaces/x/y/a.json", "", "nothing of Velero's", '0'},
        {"resources/pods/cluster/a.yaml", "", "nothing of Velero's", '0'},
        {"resources/pods/cluster/.json", "", "nothing of Velero's", '0'},
        {"resources/pods/v1-preferredversion/elsewhere/a.json", "", "nothing of Velero's", '0'},
        {"metadata/version", "", "no folder \"resources\"", '0'},
        {"resources\x1b[2J/../a", "", "resources?[2J", '0'},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct error error = {0};
        int fd = tar_open();
        bool link = rows[i].type != '0';
        tar_add(fd, rows[i].path, rows[i].type, rows[i].link, link ? "" : good_object, link ? 0 : strlen(good_object));
        tar_end(fd);
        struct rehearse_contents *contents = tar_read(fd, NULL, &error);
        bool good = !contents && str_contains(str_from(error.message), str_from(rows[i].part));
        if (!good)
            fprintf(stderr, "\n%s: %s\n", rows[i].path, contents ? "taken" : error.message);
        CU_ASSERT(good);
        rehearse_contents_free(contents);
    }
}

static void test_limits(void)
{
    static const struct {
        struct rehearse_limits limits;
        size_t claimed;
        const char *part;
    } rows[] = {
        {{.file_bytes = 8}, 24, "no object of Kubernetes has more"},
        {{.files = 1}, 24, "more than 1 files"},
        {{.total_bytes = 600}, 24, "unpacks to more than 600 bytes"},
        {{0}, (size_t)1 << 30, "no object of Kubernetes has more"},
        {{0}, 1 << 20, "cannot be read"}, /* cut off */
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct error error = {0};
        int fd = tar_open();
        tar_add(fd, "resources/pods/cluster/b.json", '0', "", good_object, strlen(good_object));
        tar_add(fd, "resources/pods/cluster/a.json", '0', "", good_object, rows[i].claimed);
        if (rows[i].claimed <= strlen(good_object))
            tar_end(fd);
        struct rehearse_contents *contents = tar_read(fd, &rows[i].limits, &error);
        bool good = !contents && str_contains(str_from(error.message), str_from(rows[i].part));
        if (!good)
            fprintf(stderr, "\n%zu: %s\n", i, contents ? "taken" : error.message);
        CU_ASSERT(good);
        rehearse_contents_free(contents);
    }
}

static void test_not_an_archive(void)
{
    static const char *const texts[] = {"", "{}", "\x1f\x8b\x08", "\x1f\x8b\x08\x00garbage that is not deflated"};
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        struct error error = {0};
        int fd = tar_open();
        CU_ASSERT(write(fd, texts[i], strlen(texts[i])) >= 0);
        struct rehearse_contents *contents = tar_read(fd, NULL, &error);
        CU_ASSERT(!contents && error.message[0]);
        rehearse_contents_free(contents);
    }
}

/* The same path twice: files are extracted one over the other. Copies of a version are passed over. */
static void test_contents(void)
{
    struct error error = {0};
    size_t count;
    int fd = tar_open();
    ARENA_SCOPED arena = arena_new(MEMORY);
    static const char *const second = "{\"metadata\":{\"name\":\"second\"}}", *const bad = "{\"metadata\":7}";
    tar_add(fd, "./resources/pods/namespaces/x/a.json", '0', "", good_object, strlen(good_object));
    tar_add(fd, "resources/pods/v1-preferredversion/namespaces/x/a.json", '0', "", bad, strlen(bad));
    tar_add(fd, "resources/pods/namespaces/x/a.json", '0', "", second, strlen(second));
    tar_add(fd, "resources/foos.example.com/cluster/system:b.json", '0', "", bad, strlen(bad));
    tar_end(fd);
    struct rehearse_contents *contents = tar_read(fd, NULL, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(contents);
    struct rehearse_resource *resources = rehearse_contents_resources(contents, &count);
    CU_ASSERT_EQUAL(count, 2);
    CU_ASSERT_EQUAL(rehearse_contents_count(contents), 2);
    ASSERT_TEXT(resources[0].group, "example.com");
    struct rehearse_item *pod = rehearse_resource_item(&resources[1], STR("x"), STR("a"));
    struct json_object *tree = pod ? rehearse_item_read(contents, pod, arena, &error) : NULL;
    ASSERT_TEXT(json_path_str(tree, "metadata.name"), "second");
    CU_ASSERT(!rehearse_item_read(contents, &resources[0].items[0], arena, &error));
    CU_ASSERT(str_contains(str_from(error.message), STR("not an object of Kubernetes")));
    rehearse_contents_free(contents);
}

/* ---- plans ------------------------------------------------------------------------------------ */

/* RESOURCE/NS/NAME[/LABEL=VALUE]; a CRD's name is what it defines. */
static void plan_add(int fd, const char *text)
{
    struct str rest = str_from(text), resource, ns, name, key;
    char path[256], object[512];
    str_cut(&rest, '/', &resource);
    str_cut(&rest, '/', &ns);
    str_cut(&rest, '/', &name);
    struct str label = rest, plural = name;
    str_cut(&label, '=', &key);
    str_cut(&plural, '.', &key);
    struct str group = plural;
    plural = key;
    snprintf(path, sizeof path, "resources/%.*s/%s%.*s/%.*s.json", STR_ARG(resource),
             ns.len ? "namespaces/" : "cluster", STR_ARG(ns), STR_ARG(name));
    key = str_slice(rest, 0, rest.len - label.len - (label.len > 0));
    snprintf(object, sizeof object,
             "{\"apiVersion\":\"v1\",\"kind\":\"Kind\",\"metadata\":{\"name\":\"%.*s\",\"labels\":{\"%.*s\":\"%.*s\"}},"
             "\"spec\":{\"group\":\"%.*s\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"%.*s\",\"kind\":\"Shiny\","
             "\"shortNames\":[\"shi\"]},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true}]}}",
             STR_ARG(name), STR_ARG(rest.len ? key : STR("none")), STR_ARG(label), STR_ARG(group), STR_ARG(plural));
    tar_add(fd, path, '0', "", object, strlen(object));
}

static const char *const plan_world[] = {
    "zebras.example.com/a/z",
    "apples.example.com/a/one/tier=web",
    "apples.example.com/b/two",
    "customresourcedefinitions.apiextensions.k8s.io//apples.example.com",
    "clusters.cluster.x-k8s.io/a/last",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io//hook",
    "secrets/a/s/tier=web",
    "secrets/b/s",
    "configmaps/a/c/tier=db",
    "namespaces//a",
    "namespaces//b",
    "services/a/svc",
    "nodes//n",
    "events/a/e",
    "backups.velero.io/a/old",
    "datauploads.velero.io/b/data",
    "clusterroles.rbac.authorization.k8s.io//admin",
    "deployments.apps/a/d/tier=web",
};

/* What a Restore of this spec takes, in its order. */
static struct str plan_of(struct arena *arena, const char *spec, const char *policy)
{
    struct error error = {0};
    struct rehearse_restore restore;
    struct rehearse_plan plan;
    struct str text = STR("");
    int fd = tar_open();
    for (size_t i = 0; i < LENGTH_OF(plan_world); i++)
        plan_add(fd, plan_world[i]);
    tar_end(fd);
    struct rehearse_contents *contents = tar_read(fd, NULL, &error);
    struct rehearse_served served = {.arena = arena};
    rehearse_served_by_kubernetes(&served);
    struct json_object *tree =
        json_build(arena, arena_printf(arena, "{\"metadata\":{\"name\":\"r\"},\"spec\":%s}", spec), &error);
    bool made = contents && tree && rehearse_restore_read(&restore, arena, tree, &error);
    if (made && policy)
        restore.policy = json_build(arena, str_from(policy), &error);
    made = made && rehearse_plan_make(&plan, contents, &restore, &served, arena, &error);
    if (!made)
        text = arena_copy(arena, str_from(error.message));
    for (size_t i = 0; made && i < plan.count; i++) {
        const struct rehearse_item *item = plan.items[i];
        text =
            arena_printf(arena, "%.*s%s%.*s/%.*s%s%.*s", STR_ARG(text), i ? " " : "", STR_ARG(item->resource->plural),
                         STR_ARG(item->target_ns), item->target_ns.len ? "/" : "", STR_ARG(item->name));
    }
    rehearse_contents_free(contents);
    return text;
}

#define ALL                                                                                                            \
    "customresourcedefinitions/apples.example.com namespaces/a namespaces/b datauploads/b/data clusterroles/admin "    \
    "secrets/a/s secrets/b/s configmaps/a/c services/a/svc apples/a/one apples/b/two deployments/a/d "                 \
    "mutatingwebhookconfigurations/hook zebras/a/z clusters/a/last"

static void test_order_and_filters(void)
{
    static const struct {
        const char *spec, *plan;
    } rows[] = {
        {"{}", ALL},
        {"{\"includedNamespaces\":[\"*\"]}", ALL},
        {"{\"includedNamespaces\":[\"b\"]}", "datauploads/b/data secrets/b/s apples/b/two"},
        {"{\"includedNamespaces\":[\"b\"],\"includeClusterResources\":true}",
         "customresourcedefinitions/apples.example.com namespaces/a namespaces/b datauploads/b/data clusterroles/admin "
         "secrets/b/s apples/b/two mutatingwebhookconfigurations/hook"},
        {"{\"includeClusterResources\":false,\"includedResources\":[\"secrets\",\"namespaces\"]}",
         "datauploads/b/data secrets/a/s secrets/b/s"},
        {"{\"excludedNamespaces\":[\"a\"]}", "datauploads/b/data secrets/b/s apples/b/two"},
        /* patterns are those of 1.18; one that matches nothing leaves an empty list, and that means all */
        {"{\"includedNamespaces\":[\"b*\"],\"includedResources\":[\"secrets\"]}", "datauploads/b/data secrets/b/s"},
        {"{\"includedNamespaces\":[\"x*\"],\"includedResources\":[\"secrets\"]}",
         "datauploads/b/data secrets/a/s secrets/b/s"},
        /* names as discovery resolves them: singular, Kind, short name, a prefix of the group */
        {"{\"includedResources\":[\"Secret\",\"cm\",\"svc\"]}",
         "datauploads/b/data secrets/a/s secrets/b/s configmaps/a/c services/a/svc"},
        {"{\"includedResources\":[\"deploy.apps\"]}", "datauploads/b/data deployments/a/d"},
        {"{\"includedResources\":[\"mutatingwebhookconfiguration.admissionregistration\"]}",
         "datauploads/b/data mutatingwebhookconfigurations/hook"},
        {"{\"excludedResources\":[\"secrets\",\"po\",\"clusters.cluster.x-k8s.io\",\"*\"]}",
         "Velero refuses this Restore: spec.excludedResources has \"*\""},
        /* a CRD of the backup is not there when the lists are read: only its plural works */
        {"{\"excludedResources\":[\"shinies.example.com\",\"shi\",\"apple.example.com\"]}", ALL},
        {"{\"includedResources\":[\"apples.example.com\"]}", "datauploads/b/data apples/a/one apples/b/two"},
        {"{\"includedResources\":[\"*.example.com\"]}", "datauploads/b/data apples/a/one apples/b/two zebras/a/z"},
        {"{\"labelSelector\":{\"matchLabels\":{\"tier\":\"web\"}}}",
         "datauploads/b/data secrets/a/s apples/a/one deployments/a/d"},
        {"{\"orLabelSelectors\":[{\"matchLabels\":{\"tier\":\"db\"}},{\"matchExpressions\":[{\"key\":\"tier\","
         "\"operator\":\"In\",\"values\":[\"web\"]}]}],\"includedResources\":[\"secrets\",\"configmaps\"]}",
         "datauploads/b/data secrets/a/s configmaps/a/c"},
        {"{\"labelSelector\":{\"matchExpressions\":[{\"key\":\"tier\",\"operator\":\"NotIn\",\"values\":[\"web\"]}]},"
         "\"includedResources\":[\"secrets\"]}",
         "datauploads/b/data secrets/b/s"},
        {"{\"namespaceMapping\":{\"a\":\"new\"},\"includedResources\":[\"secrets\",\"namespaces\"]}",
         "namespaces/a namespaces/b datauploads/b/data secrets/new/s secrets/b/s"},
        {"{\"includedResources\":[\"nodes\"]}", "Velero refuses this Restore: nodes are non-restorable resources"},
        {"{\"includedNamespaces\":[\"a\",\"*\"]}",
         "Velero refuses this Restore: spec.includedNamespaces has \"*\" and other items"},
        {"{\"existingResourcePolicy\":\"Update\"}",
         "Velero refuses this Restore: existingResourcePolicy \"Update\" is not none or update"},
    };
    ARENA_SCOPED arena = arena_new(MEMORY);
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        ASSERT_TEXT(plan_of(arena, rows[i].spec, NULL), rows[i].plan);
}

/* --restore-resource-priorities: what Priorities.Set makes of it. */
static void test_order_given(void)
{
    static const struct {
        const char *arguments, *order;
    } rows[] = {
        {"[\"server\"]", "23 high from customresourcedefinitions, 5 low from clusterbootstraps.run.tanzu.vmware.com"},
        {"[\"server\",\"--restore-resource-priorities=\"]",
         "23 high from customresourcedefinitions, 5 low from clusterbootstraps.run.tanzu.vmware.com"},
        {"[\"--restore-resource-priorities=secrets,pods,-,services\"]", "2 high from secrets, 1 low from services"},
        {"[\"--restore-resource-priorities\",\"secrets\"]",
         "1 high from secrets, 5 low from clusterbootstraps.run.tanzu.vmware.com"},
        {"[\"--restore-resource-priorities=-,services\"]",
         "23 high from customresourcedefinitions, 1 low from services"},
        {"[\"--restore-resource-priorities=pods,-\"]",
         "1 high from pods, 5 low from clusterbootstraps.run.tanzu.vmware.com"},
        {"[\"--restore-resource-priorities=a\",\"--restore-resource-priorities=b,c\"]",
         "2 high from b, 5 low from clusterbootstraps.run.tanzu.vmware.com"},
        {"[\"--restore-resource-priorities-x=a\",\"--restore-resource-priorities\"]",
         "23 high from customresourcedefinitions, 5 low from clusterbootstraps.run.tanzu.vmware.com"},
        {"[\"--restore-resource-priorities=a,-,b,-,c\"]",
         "--restore-resource-priorities of Velero's Deployment: multiple priority separator \"-\" found"},
    };
    ARENA_SCOPED arena = arena_new(MEMORY);
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct error error;
        struct rehearse_order order;
        rehearse_order_default(&order, arena);
        bool read = rehearse_order_read(&order, arena, json_build(arena, str_from(rows[i].arguments), &error), &error);
        ASSERT_TEXT(read ? arena_printf(arena, "%zu high from %.*s, %zu low from %.*s", order.high.len,
                                        STR_ARG(order.high.items[0]), order.low.len, STR_ARG(order.low.items[0]))
                         : str_from(error.message),
                    rows[i].order);
    }
}

/* What a restored object refers to comes before it, although a selector or the scope leaves it out; lists do leave it out. */
static void test_additional_items(void)
{
    static const struct {
        const char *path, *object;
    } files[] = {
        {"pods/namespaces/a/p",
         "\"labels\":{\"pick\":\"me\"}},\"spec\":{\"priorityClassName\":\"urgent\",\"volumes\":[{},"
         "{\"persistentVolumeClaim\":{\"claimName\":\"bound\"}},{\"persistentVolumeClaim\":{"
         "\"claimName\":\"pending\"}},{\"persistentVolumeClaim\":{\"claimName\":\"none\"}}]}}"},
        {"pods/namespaces/a/over", "\"labels\":{\"pick\":\"me\"}},\"status\":{\"phase\":\"Succeeded\"},\"spec\":{"
                                   "\"volumes\":[{\"persistentVolumeClaim\":{\"claimName\":\"other\"}}]}}"},
        {"persistentvolumeclaims/namespaces/a/bound", "\"labels\":{}},\"spec\":{\"volumeName\":\"v\"},\"status\":{"
                                                      "\"phase\":\"Bound\"}}"},
        {"persistentvolumeclaims/namespaces/a/pending", "\"labels\":{}},\"spec\":{\"volumeName\":\"w\"}}"},
        {"persistentvolumeclaims/namespaces/a/other", "\"labels\":{}}}"},
        {"persistentvolumes/cluster/v", "\"labels\":{}}}"},
        {"persistentvolumes/cluster/w", "\"labels\":{}}}"},
        {"priorityclasses.scheduling.k8s.io/cluster/urgent", "\"labels\":{}}}"},
    };
    static const struct {
        const char *spec, *plan;
    } rows[] = {
        {"\"labelSelector\":{\"matchLabels\":{\"pick\":\"me\"}}", "over v bound pending urgent p"},
        {"\"includedNamespaces\":[\"a\"]", "v bound other pending over urgent p"},
        {"\"includedNamespaces\":[\"a\"],\"includeClusterResources\":false", "bound other pending over p"},
        {"\"includedResources\":[\"pods\",\"persistentvolumes\"],\"labelSelector\":{\"matchLabels\":{\"pick\":\"me\"}}",
         "over p"},
    };
    ARENA_SCOPED arena = arena_new(MEMORY);
    for (size_t r = 0; r < LENGTH_OF(rows); r++) {
        struct error error = {0};
        struct rehearse_restore restore;
        struct rehearse_plan plan;
        struct str names = STR("");
        int fd = tar_open();
        for (size_t i = 0; i < LENGTH_OF(files); i++) {
            const char *object = arena_printf(arena, "{\"metadata\":{\"name\":\"x\",%s", files[i].object).ptr;
            tar_add(fd, arena_printf(arena, "resources/%s.json", files[i].path).ptr, '0', "", object, strlen(object));
        }
        tar_end(fd);
        struct rehearse_contents *contents = tar_read(fd, NULL, &error);
        struct rehearse_served served = {.arena = arena};
        rehearse_served_by_kubernetes(&served);
        struct json_object *tree = json_build(
            arena, arena_printf(arena, "{\"metadata\":{\"name\":\"r\"},\"spec\":{%s}}", rows[r].spec), &error);
        CU_ASSERT_FATAL(contents && tree && rehearse_restore_read(&restore, arena, tree, &error));
        for (int again = 0; again < 2; again++) { /* as a drill does */
            names = STR("");
            CU_ASSERT(rehearse_plan_make(&plan, contents, &restore, &served, arena, &error));
            for (size_t i = 0; i < plan.count; i++)
                names = arena_join(arena, names, i ? " " : "", plan.items[i]->name);
        }
        ASSERT_TEXT(names, rows[r].plan);
        rehearse_contents_free(contents);
    }
}

static void test_policy(void)
{
    static const struct {
        const char *policy, *plan;
    } rows[] = {
        {"{\"namespacedFilterPolicies\":[{\"namespaces\":[\"a\"],\"resourceFilters\":[{\"kinds\":[\"secret\"]}]}]}",
         "datauploads/b/data secrets/a/s secrets/b/s"},
        {"{\"namespacedFilterPolicies\":[{\"namespaces\":[\"*\"],\"resourceFilters\":[{\"kinds\":[\"secrets\"],"
         "\"excludedNames\":[\"s*\"]},{\"labelSelector\":{\"matchLabels\":{\"tier\":\"db\"}}}]}]}",
         "datauploads/b/data configmaps/a/c"},
        {"{\"namespacedFilterPolicies\":[{\"namespaces\":[\"?\"],\"resourceFilters\":[]},"
         "{\"namespaces\":[\"b\"],\"resourceFilters\":[{}]}]}",
         "datauploads/b/data secrets/b/s"},
        {"{\"clusterScopedFilterPolicy\":{\"resourceFilters\":[{\"kinds\":[\"ns\"],\"names\":[\"b\"]}]}}",
         "datauploads/b/data secrets/a/s secrets/b/s configmaps/a/c"},
    };
    ARENA_SCOPED arena = arena_new(MEMORY);
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        ASSERT_TEXT(plan_of(arena, "{\"includedResources\":[\"secrets\",\"configmaps\"]}", rows[i].policy),
                    rows[i].plan);
}

/* ---- objects ------------------------------------------------------------------------------------- */

static struct str written(struct arena *arena, struct json_object *tree)
{
    BUF_SCOPED text;
    buf_init(&text, 1 << 20);
    json_write_tree(&text, tree);
    return arena_copy(arena, buf_str(&text));
}

static struct json_object *tree_of(struct arena *arena, const char *text)
{
    struct error error = {0};
    struct json_object *tree = json_build(arena, str_from(text), &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
    return tree;
}

static void test_prepared(void)
{
#define LABELS "\"velero.io/backup-name\":\"b\",\"velero.io/restore-name\":\"r\""
    static const struct {
        const char *resource, *object, *wanted;
    } rows[] = {
        {"secrets",
         "{\"metadata\":{\"name\":\"x\",\"uid\":\"u\",\"resourceVersion\":\"7\",\"generation\":2,\"ownerReferences\":[{"
         "}],"
         "\"creationTimestamp\":\"t\",\"finalizers\":[\"f\"],\"managedFields\":[]},\"status\":{}}",
         "{\"metadata\":{\"name\":\"x\",\"finalizers\":[\"f\"],\"managedFields\":[],\"namespace\":\"new\",\"labels\":"
         "{" LABELS "}}}"},
        {"services",
         "{\"metadata\":{\"name\":\"x\",\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":"
         "\"{\\\"spec\\\":{\\\"ports\\\":[{\\\"name\\\":\\\"a\\\",\\\"nodePort\\\":1}]}}\"}},\"spec\":{\"clusterIP\":"
         "\"1\","
         "\"clusterIPs\":[\"1\"],\"ports\":[{\"name\":\"a\",\"nodePort\":1},{\"name\":\"b\",\"nodePort\":2}]}}",
         NULL},
        {"pods", "{\"metadata\":{\"name\":\"x\"},\"status\":{\"phase\":\"Succeeded\"}}", "skip: the pod has ended"},
        {"jobs.batch", "{\"metadata\":{\"name\":\"x\"},\"status\":{\"completionTime\":\"t\"}}",
         "skip: the job is complete"},
        {"apiservices.apiregistration.k8s.io", "{\"metadata\":{\"name\":\"x\"}}",
         "skip: Velero does not restore APIServices: Kubernetes manages them"},
        {"validatingwebhookconfigurations.admissionregistration.k8s.io",
         "{\"metadata\":{\"name\":\"x\"},\"webhooks\":[{\"sideEffects\":\"Some\"},{\"sideEffects\":\"NoneOnDryRun\"}]}",
         "{\"metadata\":{\"name\":\"x\",\"namespace\":\"new\",\"labels\":{" LABELS
         "}},\"webhooks\":[{\"sideEffects\":\"None\"},{\"sideEffects\":\"NoneOnDryRun\"}]}"},
        {"jobs.batch",
         "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"selector\":{\"matchLabels\":{\"controller-uid\":\"u\"}}}}",
         "{\"metadata\":{\"name\":\"x\",\"namespace\":\"new\",\"labels\":{" LABELS
         "}},\"spec\":{\"selector\":{\"matchLabels\":{}}},\"status\":{}}"},
        {"persistentvolumes", "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"persistentVolumeReclaimPolicy\":\"Delete\"}}",
         "skip: its reclaim policy is Delete: without a snapshot Velero has the volume provisioned again"},
    };
    ARENA_SCOPED arena = arena_new(MEMORY);
    const struct rehearse_restore restore = {.name = STR("r"), .backup = STR("b")};
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct str skip, problem;
        const struct rehearse_resource resource = {.name = str_from(rows[i].resource)};
        const struct rehearse_item item = {.resource = &resource, .target_ns = STR("new")};
        struct json_object *object =
            rehearse_object_prepare(arena, tree_of(arena, rows[i].object), &item, &restore, &skip, &problem);
        struct str text = skip.len ? arena_join(arena, STR("skip"), ": ", skip) : written(arena, object);
        if (rows[i].wanted) {
            ASSERT_TEXT(text, rows[i].wanted);
            continue;
        }
        CU_ASSERT(!str_contains(text, STR("clusterIP")) && str_contains(text, STR("\"nodePort\":1")) &&
                  !str_contains(text, STR("\"nodePort\":2")));
    }
}

static void test_modified(void)
{
#define RULES(conditions, patches) "{\"resourceModifierRules\":[{\"conditions\":{" conditions "}," patches "}]}"
#define OBJECT                                                                                                         \
    "{\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"web-7\",\"namespace\":\"a\",\"labels\":{\"x\":\"y\"}},"           \
    "\"spec\":{\"release\":\"old\",\"list\":[1,2],\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"
    static const struct {
        const char *modifier, *problem, *path, *wanted;
    } rows[] = {
        {RULES("\"groupResource\":\"pods\"", "\"patches\":[{\"operation\":\"replace\",\"path\":\"/spec/release\","
                                             "\"value\":\"new\"}]"),
         "", "spec.release", "new"},
        {RULES("\"groupResource\":\"p*\",\"namespaces\":[\"b\"]", "\"patches\":[{\"operation\":\"remove\",\"path\":"
                                                                  "\"/spec/release\"}]"),
         "", "spec.release", "old"},
        {RULES(
             "\"groupResource\":\"*\",\"resourceNameRegex\":\"^web-\\\\d+$\"",
             "\"patches\":[{\"operation\":\"add\",\"path\":\"/metadata/annotations\",\"value\":\"{\\\"k\\\":\\\"v\\\"}"
             "\"}]"),
         "", "metadata.annotations.k", "v"},
        {RULES("\"groupResource\":\"pods\",\"matches\":[{\"path\":\"/spec/release\",\"value\":\"other\"}]",
               "\"patches\":[{\"operation\":\"remove\",\"path\":\"/spec/release\"}]"),
         "", "spec.release", "old"},
        {RULES("\"groupResource\":\"pods\"",
               "\"patches\":[{\"operation\":\"test\",\"path\":\"/spec/release\",\"value\":"
               "\"x\"},{\"operation\":\"remove\",\"path\":\"/spec/release\"}]"),
         "", "spec.release", "old"},
        {RULES("\"groupResource\":\"pods\"",
               "\"patches\":[{\"operation\":\"copy\",\"from\":\"/spec/release\",\"path\":\"/spec/list/0\"},"
               "{\"operation\":\"move\",\"from\":\"/spec/list/0\",\"path\":\"/metadata/labels/x\"}]"),
         "", "metadata.labels.x", "old"},
        {RULES("\"groupResource\":\"pods\"", "\"patches\":[{\"operation\":\"remove\",\"path\":\"/spec/none\"}]"),
         "resourceModifierRules[0]: remove \"/spec/none\": there is no such path", "spec.release", "old"},
        {RULES("\"groupResource\":\"pods\"",
               "\"mergePatches\":[{\"patchData\":\"spec: {release: merged, list: null}\"}]"),
         "", "spec.release", "merged"},
        {RULES("\"groupResource\":\"pods\"", "\"strategicPatches\":[{\"patchData\":\"spec: {containers: [{name: c, "
                                             "image: j}], release: s}\"}]"),
         "", "spec.release", "s"},
        {RULES("\"groupResource\":\"pods\"", "\"labelSelector\":{}"), "resourceModifierRules[0]: the rule has no patch",
         "spec.release", "old"},
        {RULES("\"groupResource\":\"pods\",\"resourceNameRegex\":\"(?i)web\"", "\"patches\":[]"),
         "resourceModifierRules[0]: its conditions cannot be evaluated here", "spec.release", "old"},
    };
    ARENA_SCOPED arena = arena_new(MEMORY);
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct json_object *object = tree_of(arena, OBJECT);
        ASSERT_TEXT(rehearse_modify(arena, &object, STR("pods"), tree_of(arena, rows[i].modifier)), rows[i].problem);
        ASSERT_TEXT(json_path_str(object, rows[i].path), rows[i].wanted);
    }
}

static void test_compared(void)
{
    ARENA_SCOPED arena = arena_new(MEMORY);
    struct json_object *diff = json_own(
        arena, rehearse_merge_diff(tree_of(arena, "{\"a\":1,\"b\":{\"c\":1,\"d\":2},\"e\":[1],\"f\":null}"),
                                   tree_of(arena, "{\"b\":{\"c\":1,\"d\":3},\"e\":[1,2],\"f\":null,\"g\":{}}")));
    ASSERT_TEXT(written(arena, diff), "{\"a\":null,\"b\":{\"d\":3},\"e\":[1,2],\"g\":{}}");
    struct json_object *cluster =
        tree_of(arena, "{\"metadata\":{\"labels\":{\"a\":\"1\"}},\"secrets\":[{\"name\":\"x\"}]}");
    CU_ASSERT(!rehearse_service_account_merge(
        cluster, tree_of(arena, "{\"metadata\":{\"labels\":{\"a\":\"2\"}},\"secrets\":[{\"name\":\"x\"}]}")));
    CU_ASSERT(rehearse_service_account_merge(
        cluster,
        tree_of(arena, "{\"metadata\":{\"annotations\":{\"k\":\"v\"}},\"imagePullSecrets\":[{\"name\":\"p\"}]}")));
    ASSERT_TEXT(written(arena, cluster), "{\"metadata\":{\"labels\":{\"a\":\"1\"},\"annotations\":{\"k\":\"v\"}},"
                                         "\"secrets\":[{\"name\":\"x\"}],\"imagePullSecrets\":[{\"name\":\"p\"}]}");
}

/* The types of the Velero server, and no other version of them: everything else fails, and stays as it is. */
static void test_strategic_types(void)
{
    static const struct {
        const char *version, *problem;
    } rows[] = {{"v1", ""},
                {"apps/v1", ""},
                {"batch/v1", ""},
                {"velero.io/v1", ""},
                {"velero.io/v2alpha1", ""},
                {"snapshot.storage.k8s.io/v1", ""},
                {"groupsnapshot.storage.k8s.io/v1beta2", ""},
#define UNKNOWN "resourceModifierRules[0]: Velero knows no type for this kind, which a strategic patch needs"
                {"groupsnapshot.storage.k8s.io/v1beta1", UNKNOWN},
                {"snapshot.storage.k8s.io/v1beta1", UNKNOWN},
                {"batch/v1beta1", UNKNOWN},
                {"rbac.authorization.k8s.io/v1", UNKNOWN},
                {"k0rdent.mirantis.com/v1beta1", UNKNOWN}};
#undef UNKNOWN
    ARENA_SCOPED arena = arena_new(MEMORY);
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"apiVersion\":\"%s\",\"metadata\":{\"name\":\"x\"},\"spec\":{\"a\":\"old\"}}",
                 rows[i].version);
        struct json_object *object = tree_of(arena, text);
        struct json_object *modifier = tree_of(
            arena, RULES("\"groupResource\":\"things\"", "\"strategicPatches\":[{\"patchData\":\"spec: {a: new}\"}]"));
        ASSERT_TEXT(rehearse_modify(arena, &object, STR("things"), modifier), rows[i].problem);
        ASSERT_TEXT(json_path_str(object, "spec.a"), rows[i].problem[0] ? "old" : "new");
    }
}

/* ---- what k0rdent's documentation lists by hand --------------------------------------------------- */

struct documented {
    const char *group, *plural, *kind, *version;
};

/* Azure Service Operator stores each kind in a version of its own and converts by its webhook. */
static void add_converted(int fd, const struct documented *each)
{
    char path[256], text[1024];
    snprintf(path, sizeof path, "resources/customresourcedefinitions.apiextensions.k8s.io/cluster/%s.%s.json",
             each->plural, each->group);
    snprintf(
        text, sizeof text,
        "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":"
        "\"%s.%s\"},\"spec\":{\"group\":\"%s\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"%s\",\"kind\":"
        "\"%s\"},\"conversion\":{\"strategy\":\"Webhook\",\"webhook\":{\"conversionReviewVersions\":[\"v1\"],"
        "\"clientConfig\":{\"service\":{\"name\":\"azureserviceoperator-webhook-service\",\"namespace\":"
        "\"kcm-system\",\"path\":\"/convert\"}}}},\"versions\":[{\"name\":\"%s\",\"served\":true,\"storage\":false},"
        "{\"name\":\"%sstorage\",\"served\":true,\"storage\":true}]}}",
        each->plural, each->group, each->group, each->plural, each->kind, each->version, each->version);
    tar_add(fd, path, '0', "", text, strlen(text));
    snprintf(path, sizeof path, "resources/%s.%s/namespaces/kcm-system/one.json", each->plural, each->group);
    snprintf(text, sizeof text,
             "{\"apiVersion\":\"%s/%s\",\"kind\":\"%s\",\"metadata\":{\"name\":\"one\",\"namespace\":\"kcm-system\"}}",
             each->group, each->version, each->kind);
    tar_add(fd, path, '0', "", text, strlen(text));
}

/* Cluster API's providers keep their webhooks beside their kinds. */
static void add_webhooks(int fd, const char *kind, const char *plural, const char *resource)
{
    char path[256], text[1024];
    snprintf(path, sizeof path, "resources/%s.admissionregistration.k8s.io/cluster/capv.json", plural);
    snprintf(
        text, sizeof text,
        "{\"apiVersion\":\"admissionregistration.k8s.io/v1\",\"kind\":\"%s\",\"metadata\":{\"name\":\"capv\"},"
        "\"webhooks\":[{\"name\":\"default.%s.infrastructure.x-k8s.io\",\"failurePolicy\":\"Fail\",\"matchPolicy\":"
        "\"Equivalent\",\"sideEffects\":\"None\",\"clientConfig\":{\"service\":{\"name\":\"capv-webhook-service\","
        "\"namespace\":\"kcm-system\"}},\"rules\":[{\"apiGroups\":[\"infrastructure.cluster.x-k8s.io\"],"
        "\"apiVersions\":[\"v1beta1\"],\"operations\":[\"CREATE\",\"UPDATE\"],\"resources\":[\"%s\"]}]}]}",
        kind, resource, resource);
    tar_add(fd, path, '0', "", text, strlen(text));
}

static void add_plain(int fd, const char *plural, const char *kind)
{
    char path[256], text[1024];
    static const char *const group = "infrastructure.cluster.x-k8s.io";
    snprintf(path, sizeof path, "resources/customresourcedefinitions.apiextensions.k8s.io/cluster/%s.%s.json", plural,
             group);
    snprintf(text, sizeof text,
             "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":"
             "\"%s.%s\"},\"spec\":{\"group\":\"%s\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"%s\",\"kind\":"
             "\"%s\"},\"versions\":[{\"name\":\"v1beta1\",\"served\":true,\"storage\":true}]}}",
             plural, group, group, plural, kind);
    tar_add(fd, path, '0', "", text, strlen(text));
    snprintf(path, sizeof path, "resources/%s.%s/namespaces/kcm-system/one.json", plural, group);
    snprintf(text, sizeof text,
             "{\"apiVersion\":\"%s/v1beta1\",\"kind\":\"%s\",\"metadata\":{\"name\":\"one\",\"namespace\":"
             "\"kcm-system\"}}",
             group, kind);
    tar_add(fd, path, '0', "", text, strlen(text));
}

/* The resources whose exclusion cures what is refused, in the order of the restore, each once. */
static struct str cures_of(struct arena *arena, int fd)
{
    struct error error = {0};
    struct rehearse_plan plan;
    struct strlist cures = {0};
    struct str text = STR("");
    const struct rehearse_restore restore = {.name = STR("r"), .backup = STR("b"), .include_cluster = -1};
    const struct rehearse_cluster nowhere = {.concurrency = 1};
    struct rehearse_served served = {.arena = arena};
    tar_end(fd);
    struct rehearse_contents *contents = tar_read(fd, NULL, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(contents);
    rehearse_served_by_kubernetes(&served);
    CU_ASSERT_FATAL(rehearse_plan_make(&plan, contents, &restore, &served, arena, &error));
    CU_ASSERT_FATAL(rehearse_run(&plan, contents, &restore, &served, &nowhere, NULL, arena, &error));
    for (size_t i = 0; i < plan.count; i++)
        if (plan.items[i]->outcome == REHEARSE_REFUSED && !strlist_has(&cures, plan.items[i]->cure)) {
            strlist_add(arena, &cures, plan.items[i]->cure);
            text = arena_printf(arena, "%.*s%s%.*s", STR_ARG(text), text.len ? " " : "", STR_ARG(plan.items[i]->cure));
        }
    rehearse_contents_free(contents);
    return text;
}

static void test_documented_providers(void)
{
    static const struct documented azure[] = {
        {"network.azure.com", "natgateways", "NatGateway", "v1api20220701"},
        {"resources.azure.com", "resourcegroups", "ResourceGroup", "v1api20200601"},
        {"network.azure.com", "virtualnetworks", "VirtualNetwork", "v1api20201101"},
        {"network.azure.com", "virtualnetworkssubnets", "VirtualNetworksSubnet", "v1api20201101"},
    };
    ARENA_SCOPED arena = arena_new(MEMORY);
    int fd = tar_open();
    for (size_t i = 0; i < LENGTH_OF(azure); i++)
        add_converted(fd, &azure[i]);
    add_plain(fd, "azureclusters", "AzureCluster");
    ASSERT_TEXT(cures_of(arena, fd), "natgateways.network.azure.com resourcegroups.resources.azure.com "
                                     "virtualnetworks.network.azure.com virtualnetworkssubnets.network.azure.com");
    fd = tar_open();
    add_plain(fd, "vsphereclusters", "VSphereCluster");
    add_plain(fd, "vspheremachinetemplates", "VSphereMachineTemplate");
    add_plain(fd, "awsclusters", "AWSCluster"); /* before the webhooks, by its name */
    add_webhooks(fd, "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", "vsphereclusters");
    add_webhooks(fd, "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "*");
    ASSERT_TEXT(cures_of(arena, fd), "mutatingwebhookconfigurations.admissionregistration.k8s.io "
                                     "validatingwebhookconfigurations.admissionregistration.k8s.io");
}

SUITE(rehearse, {"what is no backup", test_hostile_archives}, {"limits and ends of an archive", test_limits},
      {"no archive", test_not_an_archive}, {"the contents", test_contents},
      {"order and filters", test_order_and_filters}, {"the order that the server was given", test_order_given},
      {"additional items", test_additional_items}, {"resource policies", test_policy},
      {"objects as they are sent", test_prepared}, {"resource modifiers", test_modified},
      {"types for strategic patches", test_strategic_types}, {"comparing", test_compared},
      {"what the documentation lists for providers", test_documented_providers})
