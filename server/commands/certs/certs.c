/* Certificates for development, and a look at those that others issue. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backstop/json.h"
#include "backstop/pki.h"
#include "commands/certs/certs.h"
#include "commands/commands.h"

enum { MEMORY = 16 * 1024 * 1024, DAY = 86400, LIFETIME = 365 * DAY, LIFETIME_RENEWED = 90 * DAY, LIFETIME_MIN = 3 };

#define AT(member) offsetof(struct certs_options, member)
static const struct option options[] = {
    {"service", 0, OPTION_TEXT, "NAME.NAMESPACE",
     "issue, renew: Service that the certificate is for (backstop.backstop-system); issue: and localhost", AT(service)},
    {"name", 0, OPTION_LIST, "NAME", "issue: DNS name, instead of the Service (repeatable); verify: required DNS name",
     AT(names)},
    {"address", 0, OPTION_LIST, "IP", "issue: IP address of the certificate (127.0.0.1 and ::1)", AT(addresses)},
    {"lifetime", 0, OPTION_DURATION, "DURATION",
     "lifetime of the certificate (issue: 8760h, and ten times as much for the CA; renew: 2160h)", AT(lifetime)},
    {"keep-ca-key", 0, OPTION_FLAG, NULL, "issue: keep ca.key to sign the next certificate with it", AT(keep_ca_key)},
    {"force", 0, OPTION_FLAG, NULL, "issue: replace existing files", AT(force)},
    {"cert", 0, OPTION_TEXT, "FILE", "verify: certificate, followed by its chain", AT(cert)},
    {"key", 0, OPTION_TEXT, "FILE", "verify: private key", AT(key)},
    {"ca", 0, OPTION_TEXT, "FILE", "verify: bundle with the CA that must have signed it", AT(ca)},
    {"at", 0, OPTION_TIME, "TIME", "issue, verify: current time to assume (now)", AT(at)},
    {"output", 'o', OPTION_TEXT, "text|json", "show: output format (text)", AT(output)},
    {"secret", 0, OPTION_TEXT, "NAME", "renew: Secret of the certificates (backstop-certificates)", AT(secret)},
    {"configurations", 0, OPTION_TEXT, "NAME", "renew: webhook configurations to write caBundle to (backstop)",
     AT(configurations)},
    {"ca-lifetime", 0, OPTION_DURATION, "DURATION", "renew: lifetime of the CA (ten times as much)", AT(ca_lifetime)},
    {"wait", 0, OPTION_DURATION, "DURATION", "renew: retry for this long while it fails (0s)", AT(wait)},
};

/* ---- verify ---------------------------------------------------------------------- */

static int certs_verify(const struct command *command, const struct certs_options *values)
{
    struct error error;
    struct pki_pair pair;
    struct str ca = STR("");
    char until[TIME_TEXT_SIZE];
    struct pki_facts facts;
    ARENA_SCOPED arena = arena_new_secret(MEMORY);
    if (!values->cert || !values->key)
        return command_fail(command, "verify needs --cert and --key");
    const char **names = arena ? arena_array(arena, values->names.len + 1, sizeof(char *)) : NULL;
    if (!names)
        return command_fail(command, "out of memory");
    for (size_t i = 0; i < values->names.len; i++)
        names[i] = values->names.items[i];
    if (!file_read(arena, values->cert, CERTS_PEM_LIMIT, &pair.certificate, &error) ||
        !file_read(arena, values->key, CERTS_PEM_LIMIT, &pair.key, &error) ||
        (values->ca && !file_read(arena, values->ca, CERTS_PEM_LIMIT, &ca, &error)))
        return command_fail(command, "%s", error.message);
    if (values->ca && !ca.len)
        return command_fail(command, "%s is empty", values->ca);
    bool good = pki_verify(&pair, ca, names, values->at >= 0 ? values->at : time_now(), &error) &&
                pki_read(pair.certificate, &facts, &error);
    struct str says =
        good ? arena_printf(arena, "valid for %s until %s", facts.dns_names, time_format(facts.not_after, 0, until))
             : str_from(error.message);
    says = arena_printable(arena, says, false);
    printf("%s: %.*s\n", values->cert, STR_ARG(says));
    return good ? EXIT_OK : EXIT_DENIED;
}

/* ---- show ------------------------------------------------------------------------ */

/* Whoever made the certificate chose its texts. */
static void show_row(struct buf *out, const char *name, const char *text, const char *more)
{
    buf_printf(out, "%-11s", name);
    buf_add_printable(out, str_from(text), false);
    buf_printf(out, "%s\n", more);
}

static void show_text(const struct pki_facts *facts, struct buf *out)
{
    char from[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE], left[TIME_TEXT_SIZE];
    int64_t rest = facts->not_after - time_now();
    show_row(out, "subject", facts->subject, facts->is_ca ? " (a CA)" : "");
    show_row(out, "issuer", facts->issuer, facts->self_signed ? " (itself)" : "");
    show_row(out, "serial", facts->serial, "");
    show_row(out, "key", facts->key_type, "");
    show_row(out, "names", facts->dns_names[0] ? facts->dns_names : "none", "");
    buf_printf(out, "not before %s\nnot after  %s (%s%s)\n", time_format(facts->not_before, 0, from),
               time_format(facts->not_after, 0, until), rest < 0 ? "expired" : "in ",
               rest < 0 ? "" : duration_format(rest, left));
}

static void show_json(const struct pki_facts *facts, struct buf *out)
{
    char from[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE];
    const struct {
        const char *key;
        struct str text;
    } rows[] = {
        {"subject", str_from(facts->subject)},
        {"issuer", str_from(facts->issuer)},
        {"serial", str_from(facts->serial)},
        {"keyType", str_from(facts->key_type)},
        {"notBefore", str_from(time_format(facts->not_before, 0, from))},
        {"notAfter", str_from(time_format(facts->not_after, 0, until))},
    };
    struct str names = str_from(facts->dns_names), name;
    buf_putc(out, '{');
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        buf_printf(out, "\"%s\":", rows[i].key);
        json_write_str(out, rows[i].text);
        buf_putc(out, ',');
    }
    buf_puts(out, "\"names\":[");
    for (bool first = true; names.len && str_cut(&names, ',', &name); first = false) {
        buf_puts(out, first ? "" : ",");
        json_write_str(out, name);
    }
    buf_printf(out, "],\"ca\":%s}\n", facts->is_ca ? "true" : "false");
}

/* Each certificate of a chain or bundle. */
static bool show_file(struct arena *arena, const char *path, bool json, struct buf *out, struct error *error)
{
    static const char end_mark[] = "-----END CERTIFICATE-----";
    struct str text;
    if (!file_read(arena, path, CERTS_PEM_LIMIT, &text, error))
        return false;
    for (bool first = true;; first = false) {
        struct pki_facts facts;
        const char *end = text.len ? memmem(text.ptr, text.len, end_mark, sizeof end_mark - 1) : NULL;
        if (!end && !first)
            return true;
        size_t length = end ? (size_t)(end - text.ptr) + sizeof end_mark - 1 : text.len;
        if (!pki_read(str_slice(text, 0, length), &facts, error))
            return error_wrap(error, "%s", path);
        buf_puts(out, first || json ? "" : "\n");
        json ? show_json(&facts, out) : show_text(&facts, out);
        text = str_slice(text, length, text.len);
    }
}

static int certs_show(const struct command *command, const struct certs_options *values, char **files, size_t count)
{
    struct error error;
    struct str output = str_from(values->output);
    ARENA_SCOPED arena = arena_new(MEMORY);
    BUF_SCOPED out;
    buf_init(&out, MEMORY);
    if (!count || (!str_is(output, "text") && !str_is(output, "json")))
        return command_fail(command, "show needs a FILE (- for standard input), and -o text or json");
    for (size_t i = 0; i < count; i++)
        if (!arena || !show_file(arena, files[i], str_is(output, "json"), &out, &error))
            return command_fail(command, "%s", arena ? error.message : "out of memory");
    return write_all(STDOUT_FILENO, buf_str(&out)) ? EXIT_OK : EXIT_USAGE;
}

static int certs_dispatch(const struct command *command, void *context, char **operands, size_t count)
{
    const struct certs_options *values = context;
    struct str action = str_from(count ? operands[0] : NULL);
    struct certs_options with = *values;
    if (!values->lifetime)
        with.lifetime = str_is(action, "renew") ? LIFETIME_RENEWED : LIFETIME;
    if (with.lifetime < LIFETIME_MIN)
        return command_fail(command, "--lifetime: expected %ds or more", LIFETIME_MIN);
    if (str_is(action, "issue") && count == 2)
        return certs_issue(command, &with, operands[1]);
    if (str_is(action, "renew") && count == 1)
        return certs_renew(command, &with);
    if (str_is(action, "verify") && count == 1)
        return certs_verify(command, values);
    if (str_is(action, "show"))
        return certs_show(command, values, operands + 1, count - 1);
    return command_fail(command,
                        "expected issue DIR, renew, verify --cert FILE --key FILE, or show FILE...; see: backstop "
                        "certs --help");
}

static int certs_run(const struct command *command, int argc, char **argv)
{
    struct certs_options values = {.service = "backstop.backstop-system",
                                   .output = "text",
                                   .secret = "backstop-certificates",
                                   .configurations = "backstop",
                                   .at = -1};
    return command_run(command, argc, argv, &values, certs_dispatch);
}

const struct command command_certs = {
    .name = "certs",
    .summary = "issue, renew, verify and show certificates",
    .operands = "issue DIR | renew | verify | show FILE...",
    .details = "issue writes ca.crt, tls.crt and tls.key for development and tests.\n"
               "renew issues the webhook's certificates where they are due: into the Secret that its pods mount,\n"
               "and the CA into caBundle of its webhook configurations. It is what serve --tls-managed does,\n"
               "once: the chart's certificate Job and CronJob run it (certificates.mode: job).\n"
               "verify checks that a certificate can be served: its key matches, it is valid now, for server\n"
               "authentication and for the names, and the CA signed it.\n"
               "show prints the contents of each certificate in a file.\n\n"
               "Exit status: 0 success, 1 verify or renew failed, 2 wrong usage, or a file cannot be read.",
    .options = options,
    .option_count = LENGTH_OF(options),
    .asks_cluster = true,
    .connection = offsetof(struct certs_options, connection),
    .run = certs_run,
};
