/* Credential plugins, played by a shell script. */
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "kube_files.h"

static const char config_text[] =
    "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
    "clusters: [{name: c, cluster: {server: 'https://s'}}]\n"
    "users:\n- name: u\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1\n"
    "      command: ./plugin\n      args: [one, 'two words']\n"
    "      env: [{name: BACKSTOP_TEST_MODE, value: 'from config'}]\n";

static bool run(struct kube_files *files, const char *script, struct kube_credentials *credentials, struct error *error)
{
    const char *path = kube_files_put(files, "plugin", script);
    struct kube_config config = {.insecure = false};
    chmod(path, 0700);
    CU_ASSERT_FATAL(kube_config_from_kubeconfig(files->arena, kube_files_put(files, "config", config_text),
                                                &(struct kube_options){0}, &config, error));
    CU_ASSERT_FATAL(config.exec != NULL);
    return kube_exec_run(files->arena, config.exec, credentials, error);
}

static void test_token(void)
{
    struct kube_files files = kube_files_begin();
    struct kube_credentials credentials = {.expires = 0};
    struct error error = {.code = 0};
    bool good = run(&files,
                    "#!/bin/sh\ntest \"$1$2\" = 'onetwo words' || exit 3\ntest -t 0 && exit 4\n"
                    "case $KUBERNETES_EXEC_INFO in *client.authentication.k8s.io/v1*) ;; *) exit 5 ;; esac\n"
                    "echo \"{\\\"status\\\":{\\\"token\\\":\\\"$BACKSTOP_TEST_MODE\\\","
                    "\\\"expirationTimestamp\\\":\\\"2026-11-21T10:00:00Z\\\"}}\"\n",
                    &credentials, &error);
    if (!good)
        fprintf(stderr, "\n    %s\n", error.message);
    CU_ASSERT(good);
    ASSERT_TEXT(credentials.token, "from config");
    CU_ASSERT_EQUAL(credentials.expires, 1795255200);
    kube_files_end(&files);
}

static void test_certificate(void)
{
    struct kube_files files = kube_files_begin();
    struct kube_credentials credentials = {.expires = 0};
    struct error error = {.code = 0};
    CU_ASSERT(run(&files,
                  "#!/bin/sh\necho '{\"status\":{\"clientCertificateData\":\"CERT\",\"clientKeyData\":\"KEY\"}}'\n",
                  &credentials, &error));
    ASSERT_TEXT(credentials.client_cert, "CERT");
    ASSERT_TEXT(credentials.client_key, "KEY");
    CU_ASSERT_EQUAL(credentials.expires, 0);
    kube_files_end(&files);
}

static void test_failures(void)
{
    static const struct {
        const char *script, *says;
    } cases[] = {
        {"#!/bin/sh\nexit 7\n", "failed with status 7"},
        {"#!/bin/sh\nkill -9 $$\n", "failed with status -1"},
        {"#!/bin/sh\necho hello\n", "did not print an ExecCredential"},
        {"#!/bin/sh\ntrue\n", "did not print an ExecCredential"},
        {"#!/bin/sh\necho '{\"status\":{}}'\n", "neither a token nor a client certificate"},
        {"#!/bin/sh\nhead -c 2000000 /dev/zero\n", "printed too much or took over"},
        {"#!/nowhere/sh\n", "could not be started; is it installed"},
    };
    struct kube_files files = kube_files_begin();
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct kube_credentials credentials = {.expires = 0};
        struct error error = {.code = 0};
        CU_ASSERT(!run(&files, cases[i].script, &credentials, &error));
        bool said = str_contains(str_from(error.message), str_from(cases[i].says));
        if (!said)
            fprintf(stderr, "\n    expected \"%s\" in: %s\n", cases[i].says, error.message);
        CU_ASSERT(said);
    }
    kube_files_end(&files);
}

/* Who never ends is not waited for longer than what it prints can be taken. */
static void test_endless(void)
{
    struct kube_files files = kube_files_begin();
    struct kube_credentials credentials = {.expires = 0};
    struct error error = {.code = 0};
    int64_t began = time_monotonic_ns();
    CU_ASSERT(!run(&files, "#!/bin/sh\nexec cat /dev/zero\n", &credentials, &error));
    CU_ASSERT(str_contains(str_from(error.message), STR("printed too much")));
    CU_ASSERT(time_monotonic_ns() - began < INT64_C(30000000000));
    kube_files_end(&files);
}

/* A webhook blocks SIGTERM and ignores SIGPIPE; a plugin that inherits that can neither be
 * asked to end nor notices that nobody reads. */
static void test_signals(void)
{
    struct kube_files files = kube_files_begin();
    struct kube_credentials credentials = {.expires = 0};
    struct error error = {.code = 0};
    sigset_t ours, before;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, handled;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ours, &before);
    sigaction(SIGPIPE, &ignore, &handled);
    CU_ASSERT(run(&files,
                  "#!/bin/sh\nset -- $(grep -E '^Sig(Blk|Ign):' /proc/self/status)\n"
                  "echo \"{\\\"status\\\":{\\\"token\\\":\\\"$2 $((0x$4 & 0x1000))\\\"}}\"\n",
                  &credentials, &error));
    sigaction(SIGPIPE, &handled, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    ASSERT_TEXT(credentials.token, "0000000000000000 0");
    kube_files_end(&files);
}

SUITE(kube_exec, {"a token, its end, arguments and variables", test_token}, {"a client certificate", test_certificate},
      {"failures are named", test_failures}, {"output without end", test_endless},
      {"a plugin has the usual signals", test_signals})
