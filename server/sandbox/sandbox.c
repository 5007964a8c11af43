#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "sandbox/sandbox.h"

/* Sanitizers and coverage make system calls of their own, and write files when they end. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(BACKSTOP_NO_SANDBOX)
enum { INSTRUMENTED = 1 };
#else
enum { INSTRUMENTED = 0 };
#endif

bool sandbox_mode_parse(struct str text, enum sandbox_mode *mode)
{
    static const char *const names[] = {[SANDBOX_AUTO] = "auto", [SANDBOX_REQUIRE] = "require", [SANDBOX_OFF] = "off"};
    for (size_t i = 0; i < LENGTH_OF(names); i++) {
        if (str_is(text, names[i])) {
            *mode = (enum sandbox_mode)i;
            return true;
        }
    }
    return false;
}

static const char *kept_out(const struct sandbox_options *options)
{
    if (options->mode == SANDBOX_OFF)
        return "switched off";
    if (INSTRUMENTED)
        return "instrumented build";
    return options->runs_programs ? "the kubeconfig uses a credential plugin" : NULL;
}

bool sandbox_enter(const struct sandbox_options *options, struct sandbox *sandbox, struct error *error)
{
    const char *off = kept_out(options), *no_seccomp = off, *no_landlock = off;
    *sandbox = (struct sandbox){.seccomp = false};
    if (options->mode != SANDBOX_OFF) {
        const struct rlimit none = {0, 0}; /* a core file would hold private keys */
        setrlimit(RLIMIT_CORE, &none);
        sandbox->no_new_privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    }
    if (!off) {
        sandbox->landlock = sandbox_landlock(options, &no_landlock);
        sandbox->seccomp = sandbox_seccomp(&no_seccomp); /* last: it forbids the calls of both */
    }
    snprintf(sandbox->words, sizeof sandbox->words, "seccomp %s%s%s%s, Landlock %s%s%s%s",
             sandbox->seccomp ? "yes" : "no", no_seccomp ? " (" : "", no_seccomp ? no_seccomp : "",
             no_seccomp ? ")" : "", sandbox->landlock ? "yes" : "no", no_landlock ? " (" : "",
             no_landlock ? no_landlock : "", no_landlock ? ")" : "");
    if (options->mode == SANDBOX_REQUIRE && (!sandbox->seccomp || !sandbox->landlock))
        return error_set(error, 0, "--sandbox require: %s", sandbox->words);
    return true;
}
