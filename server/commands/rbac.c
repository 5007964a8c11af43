/* What the roles of manifests/install.yaml grant, which a test holds against this, and list on
 * the objects of upgrade.evidence, each where it is.
 *
 * One table says what is granted and why; the reasons are printed as comments, so that somebody
 * who reviews the roles before applying them need not look them up. Reading follows from
 * facts.def: a kind added there is in the roles without another word here. */
#include <string.h>
#include <unistd.h>

#include "backstop/api.h"
#include "backstop/inventory.h"
#include "commands/commands.h"
#include "commands/facts_open.h"

struct rbac_writer;
struct grant {
    const char *why; /* NULL: the same as before */
    const char *group, *resources, *names, *verbs;
    bool (*granted)(const struct rbac_writer *writer); /* NULL: always */
};

struct rbac_writer {
    struct buf *out;
    const struct settings *settings;
    enum rbac_certificates certificates;
    struct str account, account_ns;
};

static bool injects_modifier(const struct rbac_writer *writer)
{
    return writer->settings->restores_inject_release_modifier;
}

static bool certificates_are_managed(const struct rbac_writer *writer)
{
    return writer->certificates == RBAC_MANAGED;
}

/* Beside what is read of the kinds in facts.def. */
static const struct grant cluster[] = {
    {"What the gate did, and what will go wrong, where kubectl describe shows it.", "events.k8s.io", "events", NULL,
     "create, patch", NULL},
    {"Its own certificate authority and failurePolicy, and only in its own configurations.", GROUP_ADMISSION,
     "mutatingwebhookconfigurations, validatingwebhookconfigurations", "backstop", "get, list, watch, patch",
     certificates_are_managed},
};
static const struct grant in_system[] = {
    {"The uid of one, for the Event about what was added to it or will go wrong with it.", GROUP_VELERO, "restores",
     NULL, "get", NULL},
    {"Which deletions of backups were admitted a moment ago: replicas share this Lease.", "coordination.k8s.io",
     "leases", "backstop-deletions", "get, patch", NULL},
    {"The one that sets the release back (settings restores.injectReleaseModifier).", "", "configmaps", NULL, "create",
     injects_modifier},
};
/* clang-format off */
#define GRANTS_OF_ENFORCEMENT \
    {"Whether pods of an older version still answer: new webhooks fail closed after that.", "apps", "deployments", \
     "backstop", "get", NULL}, \
    {NULL, "", "pods", NULL, "list", NULL}
/* clang-format on */
static const struct grant in_own[] = {
    {"The Secret of the managed certificates.", "", "secrets", NULL, "create", NULL},
    {NULL, "", "secrets", "backstop-certificates", "get, update, list, watch", NULL},
    GRANTS_OF_ENFORCEMENT,
};
/* Of the account that the certificate Job runs as. */
static const struct grant job_cluster[] = {
    {"The certificate authority that signed the Secret's certificate, in the webhook's own configurations.",
     GROUP_ADMISSION, "mutatingwebhookconfigurations, validatingwebhookconfigurations", "backstop", "get, patch", NULL},
};
static const struct grant job_own[] = {
    {"The Secret that the serving pods mount.", "", "secrets", NULL, "create", NULL},
    {NULL, "", "secrets", "backstop-certificates", "get, update", NULL},
};

/* Of the account that the Job after an install runs as (`backstop probe --enforce`). */
static const struct grant probe_cluster[] = {
    {"Which webhooks fail closed, in the webhook's own configurations.", GROUP_ADMISSION,
     "mutatingwebhookconfigurations, validatingwebhookconfigurations", "backstop", "get, patch", NULL},
    {"One that must be denied, as a dry run: nothing is stored.", GROUP_K0RDENT, "managementbackups", NULL, "create",
     NULL},
};
static const struct grant probe_own[] = {GRANTS_OF_ENFORCEMENT};
/* Of the account that the reports' CronJob runs as. Audit reads the kinds of facts.def in all namespaces, and less of what it
 * only looks through; the system namespace's own it reads there. */
static const struct grant reports_cluster[] = {
    {"What is audited, in all namespaces, and what that rests on.", GROUP_K0RDENT,
     "managementbackups, managements, releases, clusterdeployments, clustertemplates, credentials, regions", NULL,
     "get, list, watch", NULL},
    {NULL, GROUP_VELERO,
     "backups, restores, schedules, backupstoragelocations, volumesnapshotlocations, deletebackuprequests", NULL,
     "get, list, watch", NULL},
    {NULL, "apps", "deployments", NULL, "list, watch", NULL},
    {NULL, "apiextensions.k8s.io", "customresourcedefinitions", NULL, "get, list, watch", NULL},
    {NULL, GROUP_ADMISSION, "mutatingwebhookconfigurations, validatingwebhookconfigurations", NULL, "list, watch",
     NULL},
    {NULL, "", "services", NULL, "list, watch", NULL},
    {NULL, "", "namespaces", "kube-system", "get, list, watch", NULL},
    {"The reports. RBAC cannot name what is created or listed.", "openreports.io", "reports, clusterreports", NULL,
     "create", NULL},
    {NULL, "openreports.io", "reports", NULL, "list", NULL},
    {NULL, "openreports.io", "reports, clusterreports", "backstop", "get, update", NULL},
    {NULL, "openreports.io", "reports", "backstop", "delete", NULL},
};
static const struct grant reports_system[] = {
    {"Resource modifiers and policies.", "", "configmaps", NULL, "get, list, watch", NULL},
    {"Names only: it asks for metadata.", "", "secrets", NULL, "list, watch", NULL},
    {"Whether Velero's node agent runs.", "apps", "daemonsets", "node-agent", "list, watch", NULL},
    {"Which version of Velero runs.", GROUP_VELERO, "serverstatusrequests", NULL, "create, get", NULL},
};

/* kind: Role, RoleBinding, ...; ns absent: for the whole cluster. */
static void write_head(const struct rbac_writer *writer, const char *kind, struct str name, struct str ns)
{
    buf_printf(writer->out, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %s%s\nmetadata:\n  name: %.*s\n",
               ns.len ? "" : "Cluster", kind, STR_ARG(name));
    if (ns.len)
        buf_printf(writer->out, "  namespace: %.*s\n", STR_ARG(ns));
    buf_puts(writer->out, "  labels:\n    app.kubernetes.io/name: backstop\n"
                          "    app.kubernetes.io/version: \"" BACKSTOP_VERSION "\"\n");
}

static void write_binding(const struct rbac_writer *writer, struct str name, struct str ns)
{
    write_head(writer, "RoleBinding", name, ns);
    buf_printf(writer->out,
               "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: %sRole\n  name: %.*s\n"
               "subjects:\n- kind: ServiceAccount\n  name: %.*s\n  namespace: %.*s\n",
               ns.len ? "" : "Cluster", STR_ARG(name), STR_ARG(writer->account), STR_ARG(writer->account_ns));
}

static void write_rule(struct buf *out, const char *why, const char *group, const char *resources)
{
    if (why)
        buf_printf(out, "# %s\n", why);
    buf_printf(out, "- apiGroups: [%s]\n  resources: [%s]\n", group[0] ? group : "\"\"", resources);
}

/* By a ClusterRole: kinds without a namespace, and those that are watched in all of them. The
 * others are granted in the system namespace only. */
static bool kind_in_cluster(const struct fact_kind *kind)
{
    return !kind->resource.namespaced || kind->everywhere;
}

static bool kind_in_system(const struct fact_kind *kind)
{
    return !kind_in_cluster(kind);
}

static void write_kinds(struct buf *out, bool (*is_here)(const struct fact_kind *kind))
{
    buf_puts(out, "# What is read:\n");
    for (size_t f = 0; f < FACT_COUNT; f++) {
        const struct fact_kind *kind = &fact_kinds[f];
        if (!kind->verbs || !is_here(kind))
            continue;
        write_rule(out, kind->why, kind->resource.group.ptr, kind->resource.plural.ptr);
        for (const char *const *name = kind->names; name && *name; name++)
            buf_printf(out, "%s%s%s", name == kind->names ? "  resourceNames: [" : ", ", *name, name[1] ? "" : "]\n");
        buf_printf(out, "  verbs: [%s]\n", kind->verbs);
    }
    buf_puts(out, "# What else is done:\n");
}

/* is_here: of which kinds it grants what is read; NULL: of none. */
static void write_role(const struct rbac_writer *writer, struct str name, struct str ns,
                       bool (*is_here)(const struct fact_kind *kind), const struct grant *grants, size_t count)
{
    write_head(writer, "Role", name, ns);
    buf_puts(writer->out, "rules:\n");
    if (is_here)
        write_kinds(writer->out, is_here);
    for (size_t i = 0; i < count; i++) {
        const struct grant *grant = &grants[i];
        if (grant->granted && !grant->granted(writer))
            continue;
        write_rule(writer->out, grant->why, grant->group, grant->resources);
        if (grant->names)
            buf_printf(writer->out, "  resourceNames: [%s]\n", grant->names);
        buf_printf(writer->out, "  verbs: [%s]\n", grant->verbs);
    }
    write_binding(writer, name, ns);
}

/* The chart makes the Lease too, so that nobody need be allowed to create any. */
static void write_lease(const struct rbac_writer *writer, struct str ns)
{
    buf_printf(writer->out,
               "---\napiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata:\n  name: backstop-deletions\n"
               "  namespace: %.*s\n  labels:\n    app.kubernetes.io/name: backstop\n"
               "    app.kubernetes.io/version: \"" BACKSTOP_VERSION "\"\n"
               "    velero.io/exclude-from-backup: \"true\"\n",
               STR_ARG(ns));
}

/* ---- evidence of other engines -------------------------------------------------- */

/* `whole`: the same resource too. A second entry for a resource would be a second, equal rule;
 * for a namespace, a second Role of the same name. */
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

static void write_evidence_in(const struct rbac_writer *writer, const struct settings *settings, struct str ns)
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

#define ROWS(grants) (grants), LENGTH_OF(grants)

/* The two roles of an account of its own, called like it: for the cluster, and for one namespace. */
static void write_job(const struct rbac_writer *webhook, struct str name, struct str ns, const struct grant *in_cluster,
                      size_t cluster_count, const struct grant *in_ns, size_t ns_count)
{
    struct rbac_writer writer = *webhook;
    writer.account = name;
    write_role(&writer, name, STR(""), NULL, in_cluster, cluster_count);
    write_role(&writer, name, ns, NULL, in_ns, ns_count);
}

/* With `job` the webhook's own account may write neither Secret nor configurations: that is what
 * the mode is for. */
void rbac_write(const struct settings *settings, enum rbac_certificates certificates, unsigned jobs, struct str ns,
                struct str account, struct buf *out)
{
    const struct rbac_writer writer = {out, settings, certificates, account, ns};
    const struct str name = STR("backstop"), everywhere = {NULL, 0};
    write_role(&writer, name, everywhere, kind_in_cluster, cluster, LENGTH_OF(cluster));
    write_role(&writer, name, settings->system_namespace, kind_in_system, in_system, LENGTH_OF(in_system));
    write_lease(&writer, settings->system_namespace);
    if (certificates == RBAC_MANAGED)
        write_role(&writer, name, ns, NULL, in_own, LENGTH_OF(in_own));
    if (certificates == RBAC_JOB)
        write_job(&writer, STR("backstop-certificates"), ns, ROWS(job_cluster), ROWS(job_own));
    if (jobs & RBAC_PROBE)
        write_job(&writer, STR("backstop-probe"), ns, ROWS(probe_cluster), ROWS(probe_own));
    if (jobs & RBAC_REPORTS)
        write_job(&writer, STR("backstop-reports"), settings->system_namespace, ROWS(reports_cluster),
                  ROWS(reports_system));
    for (size_t i = 0; i < settings->evidence_count; i++)
        if (!seen_before(settings, i, false))
            write_evidence_in(&writer, settings, settings->evidence[i].ns);
}

enum { OUTPUT_LIMIT = 1024 * 1024 };

struct rbac_options {
    const char *settings, *ns, *account;
    int certificates; /* of modes */
    bool reports, probe;
};

static const struct option options[] = {
    {"settings", 0, OPTION_TEXT, "FILE", "settings file of the webhook", offsetof(struct rbac_options, settings)},
    {"namespace", 'n', OPTION_TEXT, "NAME", "where the webhook runs (backstop-system)",
     offsetof(struct rbac_options, ns)},
    {"certificates", 0, OPTION_CHOICE, "managed|job|cert-manager|secret", "who issues the certificates (managed)",
     offsetof(struct rbac_options, certificates)},
    {"reports", 0, OPTION_FLAG, NULL, "also the roles of the CronJob that writes reports",
     offsetof(struct rbac_options, reports)},
    {"probe", 0, OPTION_FLAG, NULL, "also the roles of the Job after an install", offsetof(struct rbac_options, probe)},
    {"service-account", 0, OPTION_TEXT, "NAME", "what it runs as (backstop)", offsetof(struct rbac_options, account)},
};

static const char details[] =
    "Prints the roles that the webhook needs with these settings, and their bindings to its\n"
    "service account. With the default settings they equal those of manifests/install.yaml. Each\n"
    "entry of upgrade.evidence adds get and list for its objects, in its namespace, or in the\n"
    "whole cluster if it has none.\n"
    "\n"
    "--certificates takes the modes of the chart. With managed the webhook may patch its webhook\n"
    "configurations; with job only the account backstop-certificates may; otherwise neither.\n"
    "--reports adds the account backstop-reports of the CronJob that runs `audit -o openreports\n"
    "--apply` (reports.enabled in the chart), --probe the account backstop-probe of the Job that runs\n"
    "`probe --enforce` after an install.\n"
    "\n"
    "Rules name the plural of a resource: the entry's `resource`, else its kind in lower case with\n"
    "s, es or ies (RunAction: runactions). `kubectl api-resources` lists the real plurals.\n"
    "\n"
    "Exit status: 0 printed, 2 wrong usage, or the settings cannot be read.\n"
    "\n"
    "Examples:\n"
    "  backstop rbac --settings settings.yaml | kubectl apply -f -\n"
    "  backstop rbac --settings settings.yaml | kubectl diff -f -";

/* Like DNS labels. They go into YAML as they are, so nothing else may pass. */
static bool is_name(const char *text)
{
    struct str name = str_from(text);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && (c != '-' || i == 0))
            return false;
    }
    return name.len > 0 && name.len <= 63;
}

/* By the words of --certificates. */
static const enum rbac_certificates modes[] = {RBAC_MANAGED, RBAC_JOB, RBAC_CERTIFICATES, RBAC_CERTIFICATES};

static int rbac_execute(const struct command *command, void *context, char **operands, size_t operand_count)
{
    const struct rbac_options *values = context;
    (void)operands, (void)operand_count;
    if (!is_name(values->ns) || !is_name(values->account))
        return command_fail(command,
                            "--namespace and --service-account: expected names (lower-case letters, digits and -)");
    CLEANUP(command_settings_release) struct settings *settings = command_settings(command, values->settings, NULL);
    if (!settings)
        return EXIT_USAGE;
    BUF_SCOPED out;
    buf_init(&out, OUTPUT_LIMIT);
    unsigned jobs = (values->reports ? RBAC_REPORTS : 0u) | (values->probe ? RBAC_PROBE : 0u);
    rbac_write(settings, modes[values->certificates], jobs, str_from(values->ns), str_from(values->account), &out);
    return command_print(command, &out);
}

const struct command command_rbac = {
    .name = "rbac",
    .summary = "print the roles that the webhook needs",
    .details = details,
    .options = options,
    .option_count = LENGTH_OF(options),
    .body = rbac_execute,
    COMMAND_DEFAULTS(struct rbac_options, .ns = "backstop-system", .account = "backstop"),
};
