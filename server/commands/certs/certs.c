#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backstop/certificates.h"
#include "backstop/cli.h"
#include "backstop/json.h"
#include "backstop/kube.h"
#include "backstop/pki.h"
#include "commands/commands.h"

/* `backstop certs`: certificates for development, a look at those that others issue, and the renewal of a webhook whose own
 * account may not write them. */

struct certs_options {
    const char *ca, *cert, *key, *service, *secret, *configurations;
    int output; /* text, json */
    struct option_list names, addresses;
    int64_t lifetime, at; /* at: -1 = now */
    bool keep_ca_key, force;
    int64_t wait, ca_lifetime; /* ca_lifetime: 0 = CERTS_CA_FACTOR times lifetime */
    struct connection connection;
};
enum { CERTS_PEM_LIMIT = 1024 * 1024, CERTS_CA_FACTOR = 10 };

enum { MEMORY = 16 * 1024 * 1024, DAY = 86400, LIFETIME = 365 * DAY, LIFETIME_RENEWED = 90 * DAY, LIFETIME_MIN = 3 };

#define AT(member) offsetof(struct certs_options, member)
static const struct option certs_rows[] = {
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
    {"output", 'o', OPTION_CHOICE, "text|json", "show: output format (text)", AT(output)},
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
    ARENA_SCOPED arena = arena_new(MEMORY);
    BUF_SCOPED out;
    buf_init(&out, MEMORY);
    if (!count)
        return command_fail(command, "show needs a FILE (- for standard input)");
    for (size_t i = 0; i < count; i++)
        if (!arena || !show_file(arena, files[i], values->output != 0, &out, &error))
            return command_fail(command, "%s", arena ? error.message : "out of memory");
    return command_print(command, &out);
}

/* `backstop certs issue`: a CA and a serving pair in a folder. */

enum { SKEW = 300, KEY_MODE = 0600, CERTIFICATE_MODE = 0644, PATH_SIZE = 4096 };

/* False, with an error, where the path would be cut off. */
static bool certs_issue_path_of(char out[PATH_SIZE], const char *folder, const char *name, struct error *error)
{
    if (snprintf(out, PATH_SIZE, "%s/%s", folder, name) < PATH_SIZE)
        return true;
    return error_set(error, 0, "the folder's name is too long");
}

/* Written beside and renamed, so that nobody reads half of it; a key is never readable by others. */
static bool write_file(const char *folder, const char *name, struct str text, mode_t mode, struct error *error)
{
    char path[PATH_SIZE], beside[PATH_SIZE], words[128], temporary[64];
    snprintf(temporary, sizeof temporary, ".%s.new", name);
    if (!certs_issue_path_of(path, folder, name, error) || !certs_issue_path_of(beside, folder, temporary, error))
        return false;
    unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool written = fd >= 0 && fchmod(fd, mode) == 0 && fd_write(fd, text);
    if (fd >= 0 && close(fd) != 0)
        written = false;
    if (written && rename(beside, path) == 0)
        return true;
    int reason = errno;
    unlink(beside);
    return error_set(error, 0, "cannot write %s: %s", path, strerror_r(reason, words, sizeof words));
}

/* The names as the profile wants them: --name, or localhost and the Service's. */
static const char **names_of(struct arena *arena, const struct option_list *given, const char *const *defaults)
{
    size_t count = given->len;
    while (!given->len && defaults[count])
        count++;
    const char **names = arena_array(arena, count + 1, sizeof(char *));
    for (size_t i = 0; names && i < count; i++)
        names[i] = given->len ? given->items[i] : defaults[i];
    return names;
}

/* The folder's own CA when its key was kept, else a new one. */
static bool get_ca(struct arena *arena, const char *folder, const struct pki_profile *profile, struct pki_pair *ca,
                   bool *fresh, struct error *error)
{
    char certificate[PATH_SIZE], key[PATH_SIZE];
    if (!certs_issue_path_of(certificate, folder, "ca.crt", error) ||
        !certs_issue_path_of(key, folder, "ca.key", error))
        return false;
    *fresh = access(key, F_OK) != 0;
    if (*fresh)
        return pki_issue_ca(arena, profile, ca, error);
    if (!file_read(arena, certificate, CERTS_PEM_LIMIT, &ca->certificate, error) ||
        !file_read(arena, key, CERTS_PEM_LIMIT, &ca->key, error))
        return false;
    return true;
}

/* The key goes before the certificate, so that a server which reloads on the new certificate
 * finds the key that belongs to it. */
static bool write_folder(const char *folder, const struct pki_pair *ca, bool ca_key, const struct pki_pair *serving,
                         struct error *error)
{
    return write_file(folder, "ca.crt", ca->certificate, CERTIFICATE_MODE, error) &&
           (!ca_key || write_file(folder, "ca.key", ca->key, KEY_MODE, error)) &&
           write_file(folder, "tls.key", serving->key, KEY_MODE, error) &&
           write_file(folder, "tls.crt", serving->certificate, CERTIFICATE_MODE, error);
}

/* Valid from some minutes ago, for clocks that are behind. The CA lives several times as long as
 * what it signs, and its key is thrown away unless it is asked for. */
static bool certs_issue_pair(struct arena *arena, const struct certs_options *options, const char *folder,
                             struct error *error)
{
    static const char *const loopback[] = {"127.0.0.1", "::1", NULL};
    struct certificates_service service;
    int64_t now = options->at >= 0 ? options->at : time_now();
    if (!certificates_service_parse(str_from(options->service), &service, error))
        return error_wrap(error, "--service");
    const char *const defaults[] = {"localhost",     service.full[0], service.full[1],
                                    service.full[2], service.full[3], NULL};
    const char **names = names_of(arena, &options->names, defaults);
    const char **addresses = names_of(arena, &options->addresses, loopback);
    if (!names || !addresses)
        return error_set(error, 0, "out of memory");
    const struct pki_profile authority = {
        .common_name = "backstop CA", .not_before = now - SKEW, .not_after = now + CERTS_CA_FACTOR * options->lifetime};
    const struct pki_profile profile = {.common_name = names[0],
                                        .dns_names = names,
                                        .addresses = addresses,
                                        .not_before = now - SKEW,
                                        .not_after = now + options->lifetime};
    struct pki_pair ca = {0}, serving = {0};
    bool fresh = true;
    return get_ca(arena, folder, &authority, &ca, &fresh, error) &&
           pki_issue_serving(arena, &profile, &ca, &serving, error) &&
           write_folder(folder, &ca, fresh && options->keep_ca_key, &serving, error);
}

/* A webhook may be serving with it. Where the CA's key was kept, signing again is what it is kept for. */
static bool has_pair(const char *folder)
{
    struct error ignored;
    char key[PATH_SIZE], ca_key[PATH_SIZE];
    return certs_issue_path_of(key, folder, "tls.key", &ignored) &&
           certs_issue_path_of(ca_key, folder, "ca.key", &ignored) && access(key, F_OK) == 0 &&
           access(ca_key, F_OK) != 0;
}

static int certs_issue(const struct command *command, const struct certs_options *options, const char *folder)
{
    struct error error;
    char words[128];
    ARENA_SCOPED arena = arena_new_secret((size_t)8 * CERTS_PEM_LIMIT);
    if (!arena)
        return command_fail(command, "out of memory");
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return command_fail(command, "cannot make the folder %s: %s", folder, strerror_r(errno, words, sizeof words));
    if (!options->force && has_pair(folder))
        return command_fail(command, "%s holds a certificate already; to replace it: --force", folder);
    if (!certs_issue_pair(arena, options, folder, &error))
        return command_fail(command, "%s", error.message);
    printf("%s: ca.crt tls.crt tls.key\n", folder);
    return EXIT_OK;
}

/* `backstop certs renew`: the certificates of a webhook whose own account may not write them. */

static void renew_print(const struct certs_options *values, const struct certificates_service *service,
                        const struct certificates_renewal *done)
{
    char until[TIME_TEXT_SIZE];
    printf("Secret %s/%s: %s; valid until %s\n", service->ns, values->secret,
           done->ca        ? "CA and serving certificate issued"
           : done->serving ? "serving certificate issued"
           : done->changed ? "previous CA removed"
                           : "nothing was due",
           time_format(done->until, 0, until));
    printf("caBundle of %zu webhook%s: %s\n", done->webhooks, plural_s(done->webhooks),
           done->announced ? "written" : "current");
}

/* Several Jobs at a time do no harm: the Secret is written with the version that was read, and
 * who comes second finds nothing due. */
static int certs_renew(const struct command *command, const struct certs_options *values)
{
    struct certificates_service service;
    struct error error;
    if (!certificates_service_parse(str_from(values->service), &service, &error))
        return command_fail(command, "--service %s", error.message);
    const struct kube_options access = connection_access(&values->connection);
    struct kube_client *client = kube_open(&access, &error);
    if (!client)
        return command_fail(command, "%s", error.message);
    const struct certificates_options wanted = {.names = service.names,
                                                .kube = client,
                                                .ns = service.ns,
                                                .secret = values->secret,
                                                .service = service.name,
                                                .configurations = values->configurations,
                                                .leaf_seconds = values->lifetime,
                                                .ca_seconds = values->ca_lifetime ? values->ca_lifetime
                                                                                  : values->lifetime * CERTS_CA_FACTOR};
    struct certificates_renewal done;
    int64_t until = time_monotonic_ns() + values->wait * NS_PER_SECOND;
    /* What the same `kubectl apply` brings (the configurations, the roles) may come after the Job. */
    bool fine;
    while (
        !(fine = certificates_renew(&wanted, &done, &error) &&
                 (done.webhooks || error_set(&error, 0, "no webhook in the configurations named %s calls Service %s/%s",
                                             values->configurations, service.ns, service.name))) &&
        time_monotonic_ns() < until)
        time_sleep_ms(1000);
    kube_close(client);
    if (fine)
        renew_print(values, &service, &done);
    else
        (void)command_fail(command, "%s", error.message);
    return !fine ? EXIT_DENIED : fflush(stdout) == 0 ? EXIT_OK : command_fail_output(command);
}

/* ---- the command ---- */

/* The first operand is the action. Each has options that the others ignore, which is reported in its
 * help alone. */
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
    .options = certs_rows,
    .option_count = LENGTH_OF(certs_rows),
    .asks_cluster = true,
    .connection = offsetof(struct certs_options, connection),
    .body = certs_dispatch,
    COMMAND_DEFAULTS(struct certs_options, .service = "backstop.backstop-system", .secret = "backstop-certificates",
                     .configurations = "backstop", .at = -1),
};
