/* Credential plugins, played by a shell script. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "kube_files.h"

static const char config_text[] =
    "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
    "clusters: [{name: c, cluster: {server: 'https://s'}}]\n"
    "users:\n- name: u\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1\n"
    "      command: ./plugin\n      args: [one, 'two words']\n"
    "      env: [{name: BACKSTOP_TEST_MODE, value: 'from config'}]\n";

static bool run_with(struct kube_files *files, const char *script, const struct kube_exec_wait *wait,
                     struct kube_credentials *credentials, struct error *error)
{
    const char *path = kube_files_put(files, "plugin", script);
    struct kube_config config = {.insecure = false};
    chmod(path, 0700);
    CU_ASSERT_FATAL(kube_config_from_kubeconfig(files->arena, kube_files_put(files, "config", config_text),
                                                &(struct kube_options){0}, &config, error));
    CU_ASSERT_FATAL(config.exec != NULL);
    return kube_exec_run(files->arena, config.exec, wait, credentials, error);
}

static bool run(struct kube_files *files, const char *script, struct kube_credentials *credentials, struct error *error)
{
    const struct kube_exec_wait wait = {.seconds = 60};
    return run_with(files, script, &wait, credentials, error);
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
        {"#!/bin/sh\nhead -c 2000000 /dev/zero\n", "printed more than the maximum of 1024 KiB"},
        {"#!/nowhere/sh\n", "(No such file or directory): check that it is installed"},
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

static void installed(struct kube_files *files, const char *exec, const char *says)
{
    struct kube_config config = {.insecure = false};
    struct error error = {.message = ""};
    char text[2048];
    snprintf(text, sizeof text,
             "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
             "clusters: [{name: c, cluster: {server: 'https://s'}}]\n"
             "users: [{name: u, user: {exec: {%s}}}]\n",
             exec);
    CU_ASSERT_FATAL(kube_config_from_kubeconfig(files->arena, kube_files_put(files, "config", text),
                                                &(struct kube_options){0}, &config, &error));
    CU_ASSERT_EQUAL(kube_exec_installed(config.exec, &error), *says == '\0');
    ASSERT_TEXT(str_from(error.message), says);
}

/* As execvpe looks for it; and the hint, whatever is in it, is one line. */
static void test_installed(void)
{
    struct kube_files files = kube_files_begin();
    chmod(kube_files_put(&files, "there", "#!/bin/sh\n"), 0700);
    chmod(kube_files_put(&files, "plain", ""), 0600);
    installed(&files, "command: sh", "");
    installed(&files, "command: ./there", "");
    installed(&files, "command: no-such-plugin",
              "cannot start credential plugin no-such-plugin (No such file or directory): check that it is installed "
              "and on PATH");
    installed(
        &files, "command: no-such-plugin, installHint: \"\\x01 Install it:\\n\\n  brew  install it\\n\"",
        "cannot start credential plugin no-such-plugin (No such file or directory). The kubeconfig's installHint: "
        "Install it: brew install it");
    installed(&files, "args: [a]", "the kubeconfig's exec has no command");
    char *path = strdup(getenv("PATH")), *folder = strdup(kube_files_path(&files, ""));
    setenv("PATH", folder, 1);
    installed(&files, "command: there", "");
    installed(&files, "command: plain",
              "cannot start credential plugin plain (Permission denied): check that it is installed and on PATH");
    setenv("PATH", path, 1);
    free(path);
    free(folder);
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
    CU_ASSERT(str_contains(str_from(error.message), STR("printed more than")));
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

static bool not_wanted(void *context)
{
    return time_monotonic_ns() > *(const int64_t *)context;
}

/* The plugin waits for a child that a kill of the plugin alone would leave behind; both write to a file
 * for as long as they live. */
static void test_hanging(void)
{
    static const char script[] = "#!/bin/sh\ncd \"${0%/*}\" || exit 1\n"
                                 "(while :; do echo x >>alive; sleep 0.05; done) & wait\n";
    struct kube_files files = kube_files_begin();
    struct kube_credentials credentials = {.expires = 0};
    struct error error = {.code = 0};
    int64_t began = time_monotonic_ns(), soon = began + 300000000;
    CU_ASSERT(!run_with(&files, script, &(struct kube_exec_wait){.seconds = 1}, &credentials, &error));
    CU_ASSERT(str_contains(str_from(error.message), STR("was killed: no result within 1 s")));
    CU_ASSERT(time_monotonic_ns() - began < INT64_C(20000000000));
    const struct kube_exec_wait impatient = {.seconds = 60, .given_up = not_wanted, .context = &soon};
    CU_ASSERT(!run_with(&files, script, &impatient, &credentials, &error));
    CU_ASSERT(str_contains(str_from(error.message), STR("request cancelled")));
    CU_ASSERT(time_monotonic_ns() - began < INT64_C(30000000000));
    struct stat before, after;
    CU_ASSERT_EQUAL(stat(kube_files_path(&files, "alive"), &before), 0);
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    CU_ASSERT_EQUAL(stat(kube_files_path(&files, "alive"), &after), 0);
    CU_ASSERT_EQUAL(after.st_size, before.st_size);
    kube_files_end(&files);
}

/* What it has left behind and what holds its output open is not waited for. */
static void test_child_left_behind(void)
{
    struct kube_files files = kube_files_begin();
    struct kube_credentials credentials = {.expires = 0};
    struct error error = {.code = 0};
    int64_t began = time_monotonic_ns();
    CU_ASSERT(run(&files, "#!/bin/sh\nsleep 300 &\necho '{\"status\":{\"token\":\"t\"}}'\n", &credentials, &error));
    ASSERT_TEXT(credentials.token, "t");
    CU_ASSERT(time_monotonic_ns() - began < INT64_C(30000000000));
    kube_files_end(&files);
}

/* The wrong profile of a cloud is the wrong identity; shells believe the last of two entries. */
static void test_environment(void)
{
    struct kube_files files = kube_files_begin();
    struct kube_credentials credentials = {.expires = 0};
    struct error error = {.code = 0};
    setenv("BACKSTOP_TEST_MODE", "inherited", 1);
    setenv("KUBERNETES_EXEC_INFO", "inherited", 1);
    setenv("BACKSTOP_TEST_OTHER", "kept", 1);
    CU_ASSERT(run(&files,
                  "#!/bin/sh\ncase $KUBERNETES_EXEC_INFO in *client.authentication*) ;; *) exit 5 ;; esac\n"
                  "echo \"{\\\"status\\\":{\\\"token\\\":\\\"$BACKSTOP_TEST_MODE $BACKSTOP_TEST_OTHER "
                  "$(tr '\\0' '\\n' </proc/$$/environ | grep -c '^BACKSTOP_TEST_MODE=')\\\"}}\"\n",
                  &credentials, &error));
    ASSERT_TEXT(credentials.token, "from config kept 1");
    unsetenv("BACKSTOP_TEST_MODE");
    unsetenv("KUBERNETES_EXEC_INFO");
    unsetenv("BACKSTOP_TEST_OTHER");
    kube_files_end(&files);
}

SUITE(kube_exec, {"a token, its end, arguments and variables", test_token}, {"a client certificate", test_certificate},
      {"failures are named", test_failures}, {"a program that is not there, and its hint", test_installed},
      {"output without end", test_endless}, {"a plugin has the usual signals", test_signals},
      {"a plugin that hangs is killed with its children", test_hanging},
      {"a child that a plugin leaves behind is not waited for", test_child_left_behind},
      {"the kubeconfig's variables win over inherited ones", test_environment})
