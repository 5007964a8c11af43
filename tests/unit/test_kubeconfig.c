/* kubeconfig as kubectl reads it. */
#include <stdio.h>
#include <sys/stat.h>

#include "kube_files.h"

static const char plain[] = "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
                            "clusters:\n- name: one\n  cluster: {server: 'https://one:6443/', "
                            "certificate-authority: pki/ca.crt, tls-server-name: inner}\n"
                            "- name: two\n  cluster: {server: https://two/k8s/clusters/c-1, "
                            "insecure-skip-tls-verify: true, proxy-url: 'http://proxy:3128'}\n"
                            "users:\n- name: me\n  user: {tokenFile: token, client-certificate: /abs/me.crt}\n"
                            "- name: you\n  user: {username: u, password: p}\n"
                            "contexts:\n- name: a\n  context: {cluster: one, user: me, namespace: kcm-system}\n"
                            "- name: b\n  context: {cluster: two, user: you}\n"
                            "- name: nobody\n  context: {cluster: two}\n"
                            "- name: no-cluster\n  context: {cluster: three, user: me}\n"
                            "- name: no-user\n  context: {cluster: one, user: them}\n";

static bool load(struct kube_files *files, const char *paths, const char *context, struct kube_config *config,
                 struct error *error)
{
    *config = (struct kube_config){.insecure = false};
    *error = (struct error){.code = 0};
    return kube_config_from_kubeconfig(files->arena, paths, &(struct kube_options){.context = context}, config, error);
}

static void test_contexts(void)
{
    struct kube_files files = kube_files_begin();
    struct kube_config config;
    struct error error;
    const char *path = kube_files_put(&files, "config", plain);
    CU_ASSERT_FATAL(load(&files, path, NULL, &config, &error));
    ASSERT_TEXT(config.server, "https://one:6443");
    ASSERT_TEXT(config.ca_file, kube_files_path(&files, "pki/ca.crt"));
    ASSERT_TEXT(config.tls_server_name, "inner");
    ASSERT_TEXT(config.token_file, kube_files_path(&files, "token"));
    ASSERT_TEXT(config.client_cert_file, "/abs/me.crt");
    ASSERT_TEXT(config.ns, "kcm-system");
    CU_ASSERT(!config.insecure);
    CU_ASSERT_FATAL(load(&files, path, "b", &config, &error));
    ASSERT_TEXT(config.server, "https://two/k8s/clusters/c-1");
    ASSERT_TEXT(config.proxy, "http://proxy:3128");
    ASSERT_TEXT(config.username, "u");
    ASSERT_TEXT(config.password, "p");
    CU_ASSERT(config.insecure && !config.token_file.len);
    CU_ASSERT(load(&files, path, "nobody", &config, &error));
    kube_files_end(&files);
}

static void test_missing(void)
{
    struct kube_files files = kube_files_begin();
    const char *path = kube_files_put(&files, "config", plain);
    const char *empty = kube_files_put(&files, "empty", "{}\n");
    const struct {
        const char *path, *context, *says;
    } cases[] = {
        {path, "c", "has no context \"c\""},
        {path, "no-cluster", "has no cluster \"three\""},
        {path, "no-user", "has no user \"them\""},
        {empty, NULL, "has no current-context: pass --context"},
        {kube_files_path(&files, "absent"), NULL, "No such file or directory"},
        {kube_files_put(&files, "broken", "a: [1,\nb: {"), NULL, "broken: line "},
        {kube_files_put(&files, "list", "- a\n- b\n"), NULL, "has no current-context"},
        {kube_files_put(&files, "nothing", ""), NULL, "is empty"},
        {kube_files_put(&files, "no-server",
                        "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\n"
                        "clusters: [{name: c, cluster: {}}]\n"),
         NULL, "has no server"},
        {kube_files_put(&files, "provider",
                        "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
                        "clusters: [{name: c, cluster: {server: 'https://s'}}]\n"
                        "users: [{name: u, user: {auth-provider: {name: gcp}}}]\n"),
         NULL, "auth-provider was removed"},
        {kube_files_put(&files, "base64",
                        "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\n"
                        "clusters: [{name: c, cluster: {server: 'https://s', certificate-authority-data: 'a*b='}}]\n"),
         NULL, "certificate-authority-data is not base64"},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct kube_config config;
        struct error error;
        CU_ASSERT(!load(&files, cases[i].path, cases[i].context, &config, &error));
        bool said = str_contains(str_from(error.message), str_from(cases[i].says));
        if (!said)
            fprintf(stderr, "\n    expected \"%s\" in: %s\n", cases[i].says, error.message);
        CU_ASSERT(said);
    }
    kube_files_end(&files);
}

/* The first file that names a thing wins, and each file's paths start from its own folder. */
static void test_merge(void)
{
    struct kube_files files = kube_files_begin();
    struct kube_config config;
    struct error error;
    mkdir(kube_files_path(&files, "other"), 0700);
    const char *first = kube_files_put(
        &files, "first", "clusters: [{name: c, cluster: {server: 'https://first', certificate-authority: ca}}]\n");
    const char *second = kube_files_put(&files, "other/second",
                                        "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
                                        "clusters: [{name: c, cluster: {server: 'https://second'}}]\n"
                                        "users: [{name: u, user: {tokenFile: t, client-certificate-data: aGk=}}]\n");
    struct str both = arena_printf(files.arena, "%s:%s::%s", first, kube_files_path(&files, "absent"), second);
    CU_ASSERT_FATAL(load(&files, both.ptr, NULL, &config, &error));
    ASSERT_TEXT(config.server, "https://first");
    ASSERT_TEXT(config.ca_file, kube_files_path(&files, "ca"));
    ASSERT_TEXT(config.token_file, kube_files_path(&files, "other/t"));
    ASSERT_TEXT(config.client_cert_data, "hi");
    /* One that is not there is passed over; one that cannot be read may say what is meant. */
    struct str unreadable = arena_printf(files.arena, "%s:%s", kube_files_path(&files, "other"), both.ptr);
    CU_ASSERT_FALSE(load(&files, unreadable.ptr, NULL, &config, &error));
    CU_ASSERT(str_contains(str_from(error.message), STR("is a directory")));
    kube_files_end(&files);
}

/* What `kubectl config view --minify` and client-go make of the same flags. */
static void test_overrides(void)
{
    static const char more[] =
        "users: [{name: plugin, user: {exec: {command: x, apiVersion: v1}}},\n"
        "        {name: actor, user: {token: t, as: jane, as-uid: u-1, as-groups: [ops, dev]}},\n"
        "        {name: extra, user: {token: t, as: jane, as-user-extra: {scopes: [a]}}}]\n"
        "clusters: [{name: no-server, cluster: {certificate-authority: more-ca}}]\n";
    struct kube_files files = kube_files_begin();
    struct kube_config config;
    struct error error;
    struct str both = arena_printf(files.arena, "%s:%s", kube_files_put(&files, "config", plain),
                                   kube_files_put(&files, "more", more));
    const struct {
        struct kube_options options;
        const char *server, *name, *ca, *token, *user, *as;
        bool exec, insecure;
    } cases[] = {
        {.options = {.cluster = "two"}, .server = "https://two/k8s/clusters/c-1", .insecure = true},
        {.options = {.cluster = "one", .context = "b"},
         .server = "https://one:6443",
         .ca = "pki/ca.crt",
         .name = "inner",
         .user = "u"},
        {.options = {.user = "you"}, .server = "https://one:6443", .ca = "pki/ca.crt", .name = "inner", .user = "u"},
        /* A server forgets the file's tls-server-name, not its trust. */
        {.options = {.server = "other:8443/"}, .server = "https://other:8443", .ca = "pki/ca.crt"},
        {.options = {.server = "other", .tls_server_name = "x"},
         .server = "https://other",
         .ca = "pki/ca.crt",
         .name = "x"},
        {.options = {.server = "https://other", .cluster = "no-server"}, .server = "https://other", .ca = "more-ca"},
        {.options = {.insecure = true}, .server = "https://one:6443", .name = "inner", .insecure = true},
        {.options = {.certificate_authority = "/ca", .cluster = "two"},
         .server = "https://two/k8s/clusters/c-1",
         .ca = "/ca"},
        {.options = {.user = "plugin", .cluster = "two"},
         .server = "https://two/k8s/clusters/c-1",
         .exec = true,
         .insecure = true},
        {.options = {.user = "plugin", .cluster = "two", .token = "mine"},
         .server = "https://two/k8s/clusters/c-1",
         .token = "mine",
         .insecure = true},
        {.options = {.user = "actor", .cluster = "two"},
         .server = "https://two/k8s/clusters/c-1",
         .token = "t",
         .as = "jane",
         .insecure = true},
        {.options = {.user = "actor", .cluster = "two", .as = "joe"},
         .server = "https://two/k8s/clusters/c-1",
         .token = "t",
         .as = "joe",
         .insecure = true},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        config = (struct kube_config){.insecure = false};
        bool good = kube_config_from_kubeconfig(files.arena, both.ptr, &cases[i].options, &config, &error);
        if (!good)
            fprintf(stderr, "\n    case %zu: %s\n", i, error.message);
        CU_ASSERT_FATAL(good);
        bool relative = cases[i].ca && cases[i].ca[0] != '/';
        ASSERT_TEXT(config.server, cases[i].server);
        ASSERT_TEXT(config.ca_file, !cases[i].ca ? "" : relative ? kube_files_path(&files, cases[i].ca) : cases[i].ca);
        ASSERT_TEXT(config.tls_server_name, cases[i].name ? cases[i].name : "");
        ASSERT_TEXT(config.token, cases[i].token ? cases[i].token : "");
        ASSERT_TEXT(config.username, cases[i].user ? cases[i].user : "");
        ASSERT_TEXT(config.as, cases[i].as ? cases[i].as : "");
        CU_ASSERT_EQUAL(config.exec != NULL, cases[i].exec);
        CU_ASSERT_EQUAL(config.insecure, cases[i].insecure);
        if (cases[i].as)
            CU_ASSERT(config.as_groups.len == 2 && str_is(config.as_groups.items[1], "dev"));
    }
    const struct {
        struct kube_options options;
        const char *says;
    } refused[] = {
        {{.cluster = "three"}, "has no cluster \"three\""},
        {{.cluster = "three", .server = "https://s"}, "has no cluster \"three\""},
        {{.user = "them"}, "has no user \"them\""},
        {{.user = "extra"}, "as-user-extra is not supported"},
    };
    for (size_t i = 0; i < LENGTH_OF(refused); i++) {
        config = (struct kube_config){.insecure = false};
        CU_ASSERT(!kube_config_from_kubeconfig(files.arena, both.ptr, &refused[i].options, &config, &error));
        CU_ASSERT(str_contains(str_from(error.message), str_from(refused[i].says)));
    }
    /* Without any file a server is enough, in plain HTTP as `kubectl proxy` serves it. */
    config = (struct kube_config){.insecure = false};
    const char *const groups[] = {"a"};
    const struct kube_options proxy = {.server = "localhost:8001", .as = "j", .as_groups = groups, .as_group_count = 1};
    CU_ASSERT(kube_config_from_kubeconfig(files.arena, "", &proxy, &config, &error));
    ASSERT_TEXT(config.server, "http://localhost:8001");
    CU_ASSERT(config.as_groups.len == 1 && str_is(config.as_groups.items[0], "a"));
    kube_files_end(&files);
}

static void test_secrets_need_encryption(void)
{
    struct kube_files files = kube_files_begin();
    struct error error = {.code = 0};
    const char *path = kube_files_put(
        &files, "config",
        "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://s'}}]\n"
        "users: [{name: u, user: {token: t, tokenFile: f, username: me, password: pw, client-certificate: "
        "a, client-key: b,"
        " as: somebody, exec: {command: plugin, apiVersion: client.authentication.k8s.io/v1}}}]\n");
    static const struct {
        const char *server;
        bool encrypted;
    } cases[] = {{NULL, true},        {"https://s:1", true}, {"HTTPS://s", true},
                 {"http://s", false}, {"HTTP://s", false},   {"s", true /* a client certificate: https */},
                 {"ftp://s", false}};
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct kube_config config = {.insecure = false};
        const struct kube_options options = {.server = cases[i].server};
        CU_ASSERT_FATAL(kube_config_from_kubeconfig(files.arena, path, &options, &config, &error));
        CU_ASSERT_EQUAL(config.token.len > 0, cases[i].encrypted);
        CU_ASSERT_EQUAL(config.token_file.len > 0, cases[i].encrypted);
        CU_ASSERT_EQUAL(config.username.len && config.password.len, cases[i].encrypted);
        CU_ASSERT_EQUAL(config.client_cert_file.len && config.client_key_file.len, cases[i].encrypted);
        CU_ASSERT_EQUAL(config.exec != NULL, cases[i].encrypted);
        ASSERT_TEXT(config.as, "somebody");
    }
    struct kube_config config = {.insecure = false};
    const struct kube_options given = {.server = "http://s", .token = "secret"};
    CU_ASSERT_FALSE(kube_config_from_kubeconfig(files.arena, path, &given, &config, &error));
    ASSERT_TEXT(str_from(error.message), "http://s is not https, so the token was not sent: use an https:// server");
    kube_files_end(&files);
}

static void test_names(void)
{
    struct kube_files files = kube_files_begin();
    struct strlist names = {0}, none = {0};
    struct str both = arena_printf(files.arena, "%s:%s", kube_files_put(&files, "config", plain),
                                   kube_files_put(&files, "more", "contexts: [{name: a}, {name: z}]\n"));
    kube_config_names(files.arena, both.ptr, "contexts", &names);
    CU_ASSERT_EQUAL_FATAL(names.len, 6);
    ASSERT_TEXT(names.items[0], "a");
    ASSERT_TEXT(names.items[5], "z");
    kube_config_names(files.arena, kube_files_path(&files, "absent"), "contexts", &none);
    CU_ASSERT_EQUAL(none.len, 0);
    kube_files_end(&files);
}

SUITE(kubeconfig, {"contexts, relative paths and all that a cluster may say", test_contexts},
      {"what is missing or broken is named", test_missing}, {"several files are merged as kubectl does", test_merge},
      {"flags as kubectl has them are put over a kubeconfig", test_overrides},
      {"credentials go to an https server only", test_secrets_need_encryption},
      {"the names there are, over all files", test_names})
