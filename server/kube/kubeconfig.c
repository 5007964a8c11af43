/* Which files a configuration needs.
 *
 * The order of sources, the merging of several files and the effect of each flag are those of
 * client-go's clientcmd, so that `kubectl` and this program mean the same cluster. A kubeconfig
 * names programs and secrets: what cannot be understood is refused, never left out. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "kube/kube.h"

/* The sandbox (sandbox/sandbox.c) opens exactly these, so a path that is left out here cannot be
 * read later. */
bool kube_files(const struct kube_options *options, struct arena *arena, struct strlist *files, bool *runs_program,
                struct error *error)
{
    struct kube_config config = {.insecure = false};
    *runs_program = false;
    if (!kube_config_load(arena, options, &config, error))
        return false;
    *runs_program = config.exec != NULL;
    const struct str named[] = {config.ca_file, config.client_cert_file, config.client_key_file, config.token_file};
    /* Where kube_config_load looks; the pod's own files come with the configuration. */
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never written */
    const char *listed = getenv("KUBECONFIG"), *home = getenv("HOME");
    struct str paths = str_from(options->kubeconfig ? options->kubeconfig : listed), path;
    if (!paths.len)
        paths = arena_printf(arena, "%s/.kube/config", home ? home : "");
    while (str_cut(&paths, ':', &path))
        if (path.len)
            strlist_add(arena, files, arena_copy(arena, path));
    for (size_t i = 0; i < LENGTH_OF(named); i++)
        if (named[i].len)
            strlist_add(arena, files, named[i]);
    return arena_failed(arena) ? error_set(error, 500, "out of memory") : true;
}

/* What kubectl's flags put over a kubeconfig. Mirrors client-go's
 * tools/clientcmd/client_config.go getCluster and getAuthInfo. */

static void override_text(struct arena *arena, const char *given, struct str *text)
{
    if (given)
        *text = arena_copy(arena, str_from(given));
}

/* As client-go's rest.DefaultServerURL: without a scheme it is https where something of TLS is configured. */
static struct str with_scheme(struct arena *arena, const struct kube_config *config)
{
    bool tls = config->insecure || config->ca_file.len || config->ca_data.len || config->client_cert_file.len ||
               config->client_cert_data.len;
    struct str server = config->server;
    while (server.len && server.ptr[server.len - 1] == '/')
        server.len--;
    if (server.len == 0)
        return server;
    return str_contains(server, STR("://")) ? arena_copy(arena, server)
                                            : arena_printf(arena, "%s://%.*s", tls ? "https" : "http", STR_ARG(server));
}

/* A credential on the command line is the one that is meant: none that a program or a
 * file gives may come before it. */
static void override_user(struct arena *arena, const struct kube_options *options, struct kube_config *config)
{
    if (options->token || options->client_certificate) {
        config->exec = NULL;
        config->token = config->token_file = config->username = config->password = (struct str){NULL, 0};
    }
    override_text(arena, options->token, &config->token);
    if (options->client_certificate)
        config->client_cert_data = (struct str){NULL, 0};
    if (options->client_key)
        config->client_key_data = (struct str){NULL, 0};
    override_text(arena, options->client_certificate, &config->client_cert_file);
    override_text(arena, options->client_key, &config->client_key_file);
}

static bool is_encrypted(struct str server)
{
    return str_eq_nocase(str_slice(server, 0, 8), STR("https://"));
}

static bool kube_config_override(struct arena *arena, const struct kube_options *options, struct kube_config *config,
                                 struct error *error)
{
    /* As clientcmd does it: a CA or insecure flag on the command line replaces both of the
     * kubeconfig's, and another server drops its tls-server-name, which was meant for the old one. */
    if (options->insecure || options->certificate_authority) {
        config->insecure = options->insecure;
        config->ca_file = config->ca_data = (struct str){NULL, 0};
        override_text(arena, options->certificate_authority, &config->ca_file);
    }
    if (options->server || options->tls_server_name) {
        config->tls_server_name = (struct str){NULL, 0};
        override_text(arena, options->tls_server_name, &config->tls_server_name);
    }
    override_text(arena, options->server, &config->server);
    override_user(arena, options, config);
    override_text(arena, options->as, &config->as);
    override_text(arena, options->as_uid, &config->as_uid);
    if (options->as_group_count)
        config->as_groups = (struct strlist){0};
    for (size_t i = 0; i < options->as_group_count; i++)
        strlist_add(arena, &config->as_groups, arena_copy(arena, str_from(options->as_groups[i])));
    config->server = with_scheme(arena, config);
    /* As client-go (clientcmd's ClientConfig asks rest.IsConfigTransportTLS): who the user is goes to an
     * https server only, so that `kubectl proxy`, which is http, is asked without. A token on the command
     * line was meant to be sent. */
    const struct str none = {NULL, 0};
    if (config->server.len == 0 || is_encrypted(config->server))
        return true;
    if (options->token)
        return error_set(error, 0, "%.*s is not https, so the token was not sent: use an https:// server",
                         STR_ARG(config->server));
    config->exec = NULL;
    config->token = config->token_file = config->username = config->password = none;
    config->client_cert_file = config->client_cert_data = config->client_key_file = config->client_key_data = none;
    return true;
}

/* kubeconfig files, merged as kubectl merges a KUBECONFIG list: the first file
 * that names a cluster, user, context or the current context wins. */

enum { KUBECONFIG_BYTES_MAX = 4 * 1024 * 1024, FILES_MAX = 16 };

struct files {
    struct {
        struct str folder; /* relative paths in a kubeconfig start from it */
        struct json_object *tree;
    } items[FILES_MAX];
    size_t count;
};

static struct str kubeconfig_folder(struct str path)
{
    while (path.len && path.ptr[path.len - 1] != '/')
        path.len--;
    return path;
}

static bool read_one(struct arena *arena, struct str path, bool may_be_missing, struct files *files,
                     struct error *error)
{
    struct str name = arena_copy(arena, path), text;
    if (!name.ptr)
        return error_set(error, 500, "out of memory");
    /* As client-go: one that is there and cannot be read is a failure, since what it says could be what is meant. */
    if (!file_read(arena, name.ptr, KUBECONFIG_BYTES_MAX, &text, error))
        return (may_be_missing && access(name.ptr, F_OK) != 0 && errno == ENOENT) || error_wrap(error, "kubeconfig");
    struct yaml_document *documents;
    if (!yaml_load(arena, text, &(struct yaml_options){0}, &documents, error))
        return error_wrap(error, "kubeconfig %s: line %lld", name.ptr, (long long)error->position);
    if (documents && documents->tree && files->count == FILES_MAX)
        return error_set(error, 0, "too many kubeconfig files: the maximum is %d", FILES_MAX);
    if (documents && documents->tree) {
        files->items[files->count].folder = kubeconfig_folder(name);
        files->items[files->count++].tree = documents->tree;
    }
    return true;
}

static bool kubeconfig_read_all(struct arena *arena, struct str paths, struct files *files, struct error *error)
{
    struct str path;
    const struct str all = paths;
    bool several = str_contains(paths, STR(":"));
    while (str_cut(&paths, ':', &path))
        if (path.len && !read_one(arena, path, several, files, error))
            return false;
    return files->count ? true : error_set(error, 0, "kubeconfig %.*s is empty", STR_ARG(all));
}

/* The named entry's body (cluster, user or context) and the folder of its file. */
static struct json_object *kubeconfig_find(const struct files *files, const char *list, const char *body,
                                           struct str name, struct str *folder)
{
    for (size_t f = 0; f < files->count; f++) {
        struct json_object *entries = json_get(files->items[f].tree, list);
        for (size_t i = 0; i < json_len(entries); i++) {
            struct json_object *entry = json_item(entries, i);
            if (!str_eq(json_get_str(entry, "name"), name))
                continue;
            *folder = files->items[f].folder;
            return json_get(entry, body);
        }
    }
    return NULL;
}

static struct str file_path(struct arena *arena, struct str folder, struct str path)
{
    if (path.len == 0 || path.ptr[0] == '/')
        return arena_copy(arena, path);
    return arena_printf(arena, "%.*s%.*s", STR_ARG(folder), STR_ARG(path));
}

static bool kubeconfig_decode(struct arena *arena, struct json_object *from, const char *key, struct str *out,
                              struct error *error)
{
    struct str text = json_get_str(from, key);
    struct str decoded = base64_decode(arena, text);
    if (text.len && !decoded.ptr)
        return error_set(error, 0, "%s is not base64", key);
    if (text.len)
        *out = decoded;
    return true;
}

static bool read_cluster(struct arena *arena, struct json_object *cluster, struct str folder, const char *other_server,
                         struct kube_config *config, struct error *error)
{
    config->server = arena_copy(arena, json_get_str(cluster, "server"));
    config->tls_server_name = arena_copy(arena, json_get_str(cluster, "tls-server-name"));
    config->proxy = arena_copy(arena, json_get_str(cluster, "proxy-url"));
    config->insecure = json_get_bool(cluster, "insecure-skip-tls-verify");
    config->ca_file = file_path(arena, folder, json_get_str(cluster, "certificate-authority"));
    if (config->server.len == 0 && !other_server)
        return error_set(error, 0, "the cluster has no server");
    return kubeconfig_decode(arena, cluster, "certificate-authority-data", &config->ca_data, error);
}

/* An installHint is often a paragraph, and errors are one line. */
static struct str exec_hint(struct arena *arena, struct str text)
{
    enum { HINT_MAX = 400 };
    BUF_SCOPED line;
    buf_init(&line, HINT_MAX + 2);
    text = str_utf8_head(str_trim(text), HINT_MAX);
    for (size_t i = 0; i < text.len; i++) {
        bool space = (unsigned char)text.ptr[i] <= ' ';
        if (!space || (line.len && line.data[line.len - 1] != ' '))
            buf_putc(&line, space ? ' ' : text.ptr[i]);
    }
    return arena_copy(arena, buf_str(&line));
}

static void read_exec(struct arena *arena, struct json_object *tree, struct str folder, struct kube_config *config)
{
    struct kube_exec *exec = tree ? arena_alloc(arena, sizeof *exec) : NULL;
    if (!exec)
        return;
    struct str command = json_get_str(tree, "command");
    /* As client-go: a relative path with a slash starts from the file's folder, a bare name from PATH. */
    exec->command = str_contains(command, STR("/")) ? file_path(arena, folder, command) : arena_copy(arena, command);
    exec->api_version = arena_copy(arena, json_get_str(tree, "apiVersion"));
    exec->hint = exec_hint(arena, json_get_str(tree, "installHint"));
    struct json_object *args = json_get(tree, "args"), *env = json_get(tree, "env");
    for (size_t i = 0; i < json_len(args); i++)
        strlist_add(arena, &exec->args, arena_copy(arena, json_str(json_item(args, i))));
    for (size_t i = 0; i < json_len(env); i++)
        strlist_add(arena, &exec->env,
                    arena_printf(arena, "%.*s=%.*s", STR_ARG(json_get_str(json_item(env, i), "name")),
                                 STR_ARG(json_get_str(json_item(env, i), "value"))));
    config->exec = exec;
}

/* Whom the user acts as. Dropping what is not known here would act as somebody else. */
static bool read_impersonation(struct arena *arena, struct json_object *user, struct kube_config *config,
                               struct error *error)
{
    struct json_object *groups = json_get(user, "as-groups");
    config->as = arena_copy(arena, json_get_str(user, "as"));
    config->as_uid = arena_copy(arena, json_get_str(user, "as-uid"));
    for (size_t i = 0; i < json_len(groups); i++)
        strlist_add(arena, &config->as_groups, arena_copy(arena, json_str(json_item(groups, i))));
    if (json_get(user, "as-user-extra"))
        return error_set(error, 0, "as-user-extra is not supported: use as, as-uid and as-groups");
    return true;
}

static bool read_user(struct arena *arena, struct json_object *user, struct str folder, struct kube_config *config,
                      struct error *error)
{
    config->token = arena_copy(arena, json_get_str(user, "token"));
    config->token_file = file_path(arena, folder, json_get_str(user, "tokenFile"));
    config->username = arena_copy(arena, json_get_str(user, "username"));
    config->password = arena_copy(arena, json_get_str(user, "password"));
    config->client_cert_file = file_path(arena, folder, json_get_str(user, "client-certificate"));
    config->client_key_file = file_path(arena, folder, json_get_str(user, "client-key"));
    read_exec(arena, json_get(user, "exec"), folder, config);
    if (json_get(user, "auth-provider"))
        return error_set(error, 0, "auth-provider was removed in Kubernetes 1.26: use an exec plugin");
    return read_impersonation(arena, user, config, error) &&
           kubeconfig_decode(arena, user, "client-certificate-data", &config->client_cert_data, error) &&
           kubeconfig_decode(arena, user, "client-key-data", &config->client_key_data, error);
}

static struct str current_context(const struct files *files)
{
    for (size_t f = 0; f < files->count; f++) {
        struct str name = json_get_str(files->items[f].tree, "current-context");
        if (name.len)
            return name;
    }
    return (struct str){NULL, 0};
}

/* The cluster of that name. A server on the command line needs none, unless one is named there, too. */
static bool take_cluster(struct arena *arena, const struct files *files, const char *paths, struct str name,
                         const struct kube_options *options, struct kube_config *config, struct error *error)
{
    struct str folder = {NULL, 0};
    struct json_object *cluster = kubeconfig_find(files, "clusters", "cluster", name, &folder);
    if (cluster)
        return read_cluster(arena, cluster, folder, options->server, config, error) ||
               error_wrap(error, "kubeconfig %s", paths);
    if (options->server && !options->cluster)
        return true;
    return error_set(error, 0, "kubeconfig %s has no cluster \"%.*s\"", paths, STR_ARG(name));
}

/* A context without a user is allowed: the request then carries no credential. */
static bool take_user(struct arena *arena, const struct files *files, const char *paths, struct str name,
                      struct kube_config *config, struct error *error)
{
    struct str folder = {NULL, 0};
    struct json_object *user = kubeconfig_find(files, "users", "user", name, &folder);
    if (!user && name.len)
        return error_set(error, 0, "kubeconfig %s has no user \"%.*s\"", paths, STR_ARG(name));
    return !user || read_user(arena, user, folder, config, error) || error_wrap(error, "kubeconfig %s", paths);
}

/* The pieces are chosen as kubectl does: the context names cluster and user, each flag replaces
 * one of them, and the flags for single values are laid over the result. */
bool kube_config_from_kubeconfig(struct arena *arena, const char *paths, const struct kube_options *options,
                                 struct kube_config *config, struct error *error)
{
    struct files files = {.count = 0};
    struct str folder = {NULL, 0};
    if (*paths && !kubeconfig_read_all(arena, str_from(paths), &files, error))
        return false;
    struct str name = options->context ? str_from(options->context) : current_context(&files);
    struct json_object *chosen = kubeconfig_find(&files, "contexts", "context", name, &folder);
    if (!chosen && name.len)
        return error_set(error, 0, "kubeconfig %s has no context \"%.*s\"", paths, STR_ARG(name));
    if (!chosen && !options->cluster && !options->server)
        return error_set(error, 0, "kubeconfig %s has no current-context: pass --context", paths);
    config->ns = arena_copy(arena, json_get_str(chosen, "namespace"));
    struct str cluster = options->cluster ? str_from(options->cluster) : json_get_str(chosen, "cluster");
    struct str user = options->user ? str_from(options->user) : json_get_str(chosen, "user");
    if (!take_cluster(arena, &files, paths, cluster, options, config, error) ||
        !take_user(arena, &files, paths, user, config, error))
        return false;
    return kube_config_override(arena, options, config, error);
}

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"
enum { NAMESPACE_BYTES_MAX = 1024 };

/* As client-go's rest.InClusterConfig: two variables and the mounted files. */
static bool kube_config_in_cluster(struct arena *arena, struct kube_config *config, struct error *error)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never written */
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    if (!host || !*host || !port || !*port)
        return error_set(error, 0, "not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
    if (access(SERVICE_ACCOUNT "token", R_OK) != 0)
        return error_set(error, 0, "cannot read the ServiceAccount token %stoken", SERVICE_ACCOUNT);
    bool ipv6 = str_contains(str_from(host), STR(":"));
    config->server = arena_printf(arena, "https://%s%s%s:%s", ipv6 ? "[" : "", host, ipv6 ? "]" : "", port);
    config->ca_file = STR(SERVICE_ACCOUNT "ca.crt");
    config->token_file = STR(SERVICE_ACCOUNT "token");
    struct error ignored;
    struct str ns;
    if (file_read(arena, SERVICE_ACCOUNT "namespace", NAMESPACE_BYTES_MAX, &ns, &ignored))
        config->ns = str_trim(ns);
    return config->server.ptr ? true : error_set(error, 500, "out of memory");
}

/* The flag, or $KUBECONFIG; NULL when neither names a file. */
static const char *named_paths(const char *kubeconfig)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never written */
    const char *listed = getenv("KUBECONFIG");
    if (kubeconfig && *kubeconfig)
        return kubeconfig;
    return listed && *listed ? listed : NULL;
}

/* ~/.kube/config; NULL when it cannot be read. */
static const char *home_path(struct arena *arena)
{
    const char *home = getenv("HOME"); /* NOLINT(concurrency-mt-unsafe): the environment is never written */
    struct str path = arena_printf(arena, "%s/.kube/config", home ? home : "");
    return path.ptr && access(path.ptr, R_OK) == 0 ? path.ptr : NULL;
}

/* kubectl's order: the flag, $KUBECONFIG, then (ours) in-cluster, then ~/.kube/config. Who
 * names something of a kubeconfig, or a server, does not mean the cluster around the pod. */
bool kube_config_load(struct arena *arena, const struct kube_options *options, struct kube_config *config,
                      struct error *error)
{
    const char *paths = named_paths(options->kubeconfig);
    bool elsewhere = options->context || options->cluster || options->user || options->server;
    if (!paths && !elsewhere && kube_config_in_cluster(arena, config, error))
        return kube_config_override(arena, options, config, error);
    if (!paths)
        paths = home_path(arena);
    if (!paths && elsewhere && !options->server)
        return error_set(error, 0, "no kubeconfig: pass --kubeconfig, set KUBECONFIG, or create ~/.kube/config");
    if (!paths && !elsewhere)
        return error_wrap(error, "no kubeconfig (--kubeconfig, KUBECONFIG or ~/.kube/config) and");
    return kube_config_from_kubeconfig(arena, paths ? paths : "", options, config, error);
}

void kube_config_names(struct arena *arena, const char *kubeconfig, const char *list, struct strlist *names)
{
    const char *paths = named_paths(kubeconfig);
    if (!paths)
        paths = home_path(arena);
    if (paths) {
        /* The names of one list over all files, the first of each once. */
        struct files files = {.count = 0};
        struct error ignored;
        if (!kubeconfig_read_all(arena, str_from(paths), &files, &ignored))
            return;
        for (size_t f = 0; f < files.count; f++) {
            struct json_object *entries = json_get(files.items[f].tree, list);
            for (size_t i = 0; i < json_len(entries); i++) {
                struct str name = json_get_str(json_item(entries, i), "name");
                if (name.len && !strlist_has(names, name))
                    strlist_add(arena, names, arena_copy(arena, name));
            }
        }
    }
}
