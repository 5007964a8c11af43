/* The order of resources in a restore: pkg/types/priority.go, and what the server's --restore-resource-priorities makes of
 * it. */
#include "backstop/rehearse.h"

/* defaultRestorePriorities, pkg/cmd/server/config/config.go */
static const char *const high_priorities[] = {"customresourcedefinitions",
                                              "namespaces",
                                              "storageclasses",
                                              "volumesnapshotclass.snapshot.storage.k8s.io",
                                              "volumesnapshotcontents.snapshot.storage.k8s.io",
                                              "volumesnapshots.snapshot.storage.k8s.io",
                                              "datauploads.velero.io",
                                              "persistentvolumes",
                                              "persistentvolumeclaims",
                                              "clusterroles",
                                              "roles",
                                              "serviceaccounts",
                                              "clusterrolebindings",
                                              "rolebindings",
                                              "secrets",
                                              "configmaps",
                                              "limitranges",
                                              "priorityclasses",
                                              "pods",
                                              "replicasets.apps",
                                              "clusterclasses.cluster.x-k8s.io",
                                              "endpoints",
                                              "services"};
static const char *const low_priorities[] = {"clusterbootstraps.run.tanzu.vmware.com", "clusters.cluster.x-k8s.io",
                                             "clusterresourcesets.addons.cluster.x-k8s.io", "apps.kappctrl.k14s.io",
                                             "packageinstalls.packaging.carvel.dev"};

void rehearse_order_default(struct rehearse_order *order, struct arena *arena)
{
    *order = (struct rehearse_order){.read = true};
    for (size_t i = 0; i < LENGTH_OF(high_priorities); i++)
        strlist_add(arena, &order->high, str_from(high_priorities[i]));
    for (size_t i = 0; i < LENGTH_OF(low_priorities); i++)
        strlist_add(arena, &order->low, str_from(low_priorities[i]));
}

/* Priorities.Set: "a,b,-,c" is high and low, "a,b" only the high ones and "-,c" only the low ones; what is not named keeps
 * what it was. Nothing is trimmed: " b" is a name that no resource has. */
static bool order_set(struct rehearse_order *order, struct arena *arena, struct str value, struct error *error)
{
    struct strlist parts[2] = {{0}, {0}};
    struct str item;
    size_t part = 0;
    while (str_cut(&value, ',', &item)) {
        if (str_is(item, "-") && part++ == 1)
            return error_set(error, 422, "multiple priority separator \"-\" found");
        if (!str_is(item, "-"))
            strlist_add(arena, &parts[part], arena_copy(arena, item));
    }
    if (parts[0].len)
        order->high = parts[0];
    if (parts[1].len)
        order->low = parts[1];
    return true;
}

bool rehearse_order_read(struct rehearse_order *order, struct arena *arena, struct json_object *arguments,
                         struct error *error)
{
    struct str flag = STR("--restore-resource-priorities");
    for (size_t i = 0; i < json_len(arguments); i++) {
        struct str text = json_str(json_item(arguments, i)), value;
        if (str_eq(text, flag)) /* pflag takes --NAME VALUE, too */
            value = json_str(json_item(arguments, ++i));
        else if (str_starts(text, flag) && text.len > flag.len && text.ptr[flag.len] == '=')
            value = str_slice(text, flag.len + 1, text.len);
        else
            continue;
        if (value.len == 0)
            continue;
        order->given = true;
        if (!order_set(order, arena, value, error))
            return error_wrap(error, "--restore-resource-priorities of Velero's Deployment");
    }
    return true;
}
