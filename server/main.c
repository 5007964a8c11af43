/* The verb table, nothing else. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "backstop/base.h"
#include "verbs/verbs.h"

static const struct verb *const verbs[] = {&verb_serve, &verb_review, &verb_explain, &verb_status,        &verb_audit,
                                           &verb_probe, &verb_certs,  &verb_version, &verb_rollback_plan, &verb_rules};

static int usage(FILE *to, int code)
{
    fputs("backstop keeps a k0rdent management cluster restorable: a Kubernetes admission webhook\n"
          "for its backups, restores and upgrades.\n\n"
          "Usage: backstop VERB [options]\n\n",
          to);
    for (size_t i = 0; i < LENGTH_OF(verbs); i++)
        fprintf(to, "  %-13s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("\nbackstop VERB --help says more.\n", to);
    return code;
}

static bool is_any(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2)
        return usage(stderr, EXIT_USAGE);
    if (is_any(argv[1], "help", "--help", "-h"))
        return usage(stdout, EXIT_OK);
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    struct str names[LENGTH_OF(verbs)];
    for (size_t i = 0; i < LENGTH_OF(verbs); i++) {
        names[i] = str_from(verbs[i]->name);
        if (str_is(names[i], name))
            return verbs[i]->run(verbs[i], argc - 1, argv + 1);
    }
    struct str near = str_nearest(str_from(name), names, LENGTH_OF(names));
    if (near.len)
        fprintf(stderr, "backstop: no verb \"%s\"; did you mean %.*s?\n", name, STR_ARG(near));
    else
        fprintf(stderr, "backstop: no verb \"%s\"; see: backstop --help\n", name);
    return EXIT_USAGE;
}
