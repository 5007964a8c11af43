#include "commands/rbac/rbac.h"

/* What the roles of manifests/install.yaml grant, which a test holds against this, and list on
 * the objects of upgrade.evidence, each where it is. */

struct grant {
    const char *why; /* NULL: the same as before */
    const char *group, *resources, *names, *verbs;
    bool (*granted)(const struct settings *settings); /* NULL: always */
};

static bool injects_modifier(const struct settings *settings)
{
    return settings->restores_inject_release_modifier;
}

static const struct grant cluster[] = {
    {"The facts that decisions rest on.", "k0rdent.mirantis.com", "managementbackups, managements, releases", NULL,
     "list, watch", NULL},
    {"A Release that is not known yet is read for the review that names it.", "k0rdent.mirantis.com", "releases", NULL,
     "get", NULL},
    {"The gate starts the pre-upgrade backup itself, and reads its uid for the Event.", "k0rdent.mirantis.com",
     "managementbackups", NULL, "create, get", NULL},
    {"Whether Velero runs, wherever it is (label component=velero), and kcm.", "apps", "deployments", NULL,
     "list, watch", NULL},
    {"Which fields and phases the installed CRDs admit: those of these kinds, and no other.", "apiextensions.k8s.io",
     "customresourcedefinitions",
     "backups.velero.io, restores.velero.io, schedules.velero.io, backupstoragelocations.velero.io, "
     "managementbackups.k0rdent.mirantis.com",
     "list, watch", NULL},
    {"What the gate did, where kubectl describe shows it.", "events.k8s.io", "events", NULL, "create, patch", NULL},
    {"Its own certificate authority, and only in its own configurations.", "admissionregistration.k8s.io",
     "mutatingwebhookconfigurations, validatingwebhookconfigurations", "backstop", "get, list, watch, patch", NULL},
};
static const struct grant in_system[] = {
    {"Velero's objects.", "velero.io", "backups, backupstoragelocations", NULL, "get, list, watch", NULL},
    {NULL, "velero.io", "schedules, volumesnapshotlocations", NULL, "list, watch", NULL},
    {"Asks Velero which version it is, where the tag of its image does not tell.", "velero.io", "serverstatusrequests",
     NULL, "create, get", NULL},
    {"The deletions that wait, for the review that asks which backups remain.", "velero.io", "deletebackuprequests",
     NULL, "list", NULL},
    {"Which deletions of backups were admitted a moment ago: what replicas tell each other.", "coordination.k8s.io",
     "leases", "backstop-deletions", "get, patch", NULL},
    {"Whether Velero's node agent is there, for Backups that need it.", "apps", "daemonsets", "node-agent",
     "list, watch", NULL},
    {"The resource modifiers of Restores.", "", "configmaps", NULL, "get, list, watch", NULL},
    {"The one that sets the release back (settings restores.injectReleaseModifier).", "", "configmaps", NULL, "create",
     injects_modifier},
    {"Names only: the webhook asks for metadata, never for data.", "", "secrets", NULL, "list, watch", NULL},
};
static const struct grant in_own[] = {
    {"The Secret of the managed certificates.", "", "secrets", NULL, "create", NULL},
    {NULL, "", "secrets", "backstop-certificates", "get, update, list, watch", NULL},
};

struct writer {
    struct buf *out;
    const struct settings *settings;
    struct str account, account_ns;
};

/* kind: Role, RoleBinding, ...; ns absent: for the whole cluster. */
static void write_head(const struct writer *writer, const char *kind, struct str name, struct str ns)
{
    buf_printf(writer->out, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %s%s\nmetadata:\n  name: %.*s\n",
               ns.len ? "" : "Cluster", kind, STR_ARG(name));
    if (ns.len)
        buf_printf(writer->out, "  namespace: %.*s\n", STR_ARG(ns));
    buf_puts(writer->out, "  labels:\n    app.kubernetes.io/name: backstop\n"
                          "    app.kubernetes.io/version: \"" BACKSTOP_VERSION "\"\n");
}

static void write_binding(const struct writer *writer, struct str name, struct str ns)
{
    write_head(writer, "RoleBinding", name, ns);
    buf_printf(writer->out,
               "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: %sRole\n  name: %.*s\n"
               "subjects:\n- kind: ServiceAccount\n  name: %.*s\n  namespace: %.*s\n",
               ns.len ? "" : "Cluster", STR_ARG(name), STR_ARG(writer->account), STR_ARG(writer->account_ns));
}

static void write_role(const struct writer *writer, struct str ns, const struct grant *grants, size_t count)
{
    write_head(writer, "Role", STR("backstop"), ns);
    buf_puts(writer->out, "rules:\n");
    for (size_t i = 0; i < count; i++) {
        const struct grant *grant = &grants[i];
        if (grant->granted && !grant->granted(writer->settings))
            continue;
        if (grant->why)
            buf_printf(writer->out, "# %s\n", grant->why);
        buf_printf(writer->out, "- apiGroups: [%s]\n  resources: [%s]\n", grant->group[0] ? grant->group : "\"\"",
                   grant->resources);
        if (grant->names)
            buf_printf(writer->out, "  resourceNames: [%s]\n", grant->names);
        buf_printf(writer->out, "  verbs: [%s]\n", grant->verbs);
    }
    write_binding(writer, STR("backstop"), ns);
}

/* The chart makes the Lease too, so that nobody need be allowed to create any. */
static void write_lease(const struct writer *writer, struct str ns)
{
    buf_printf(writer->out,
               "---\napiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata:\n  name: backstop-deletions\n"
               "  namespace: %.*s\n  labels:\n    app.kubernetes.io/name: backstop\n"
               "    app.kubernetes.io/version: \"" BACKSTOP_VERSION "\"\n"
               "    velero.io/exclude-from-backup: \"true\"\n",
               STR_ARG(ns));
}

/* ---- evidence of other engines -------------------------------------------------- */

static bool seen_before(const struct settings *settings, size_t at, bool whole)
{
    const struct evidence_source *source = &settings->evidence[at];
    for (size_t i = 0; i < at; i++) {
        const struct evidence_source *before = &settings->evidence[i];
        if (str_eq(before->ns, source->ns) &&
            (!whole || (str_eq(before->group, source->group) && str_eq(before->resource, source->resource))))
            return true;
    }
    return false;
}

static void write_evidence_in(const struct writer *writer, const struct settings *settings, struct str ns)
{
    write_head(writer, "Role", STR("backstop-evidence"), ns);
    buf_puts(writer->out, "rules:\n");
    for (size_t i = 0; i < settings->evidence_count; i++) {
        const struct evidence_source *source = &settings->evidence[i];
        if (!str_eq(source->ns, ns) || seen_before(settings, i, true))
            continue;
        buf_printf(writer->out,
                   "# upgrade.evidence %.*s\n- apiGroups: [\"%.*s\"]\n  resources: [%.*s]\n  verbs: [get, list]\n",
                   STR_ARG(source->name), STR_ARG(source->group), STR_ARG(source->resource));
    }
    write_binding(writer, STR("backstop-evidence"), ns);
}

void rbac_write(const struct settings *settings, struct str ns, struct str account, struct buf *out)
{
    const struct writer writer = {out, settings, account, ns};
    write_role(&writer, (struct str){NULL, 0}, cluster, LENGTH_OF(cluster));
    write_role(&writer, settings->system_namespace, in_system, LENGTH_OF(in_system));
    write_lease(&writer, settings->system_namespace);
    write_role(&writer, ns, in_own, LENGTH_OF(in_own));
    for (size_t i = 0; i < settings->evidence_count; i++)
        if (!seen_before(settings, i, false))
            write_evidence_in(&writer, settings, settings->evidence[i].ns);
}
