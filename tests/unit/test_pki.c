#include <gnutls/x509.h>
#include <string.h>

#include "backstop/pki.h"
#include "suite.h"

enum { NOW = 1795230000, DAY = 86400 };

static const char *const names[] = {"backstop", "backstop.kcm-system", "backstop.kcm-system.svc", NULL};

static struct pki_pair make_ca(struct arena *arena, const char *name)
{
    const struct pki_profile profile = {
        .common_name = name, .not_before = NOW - DAY, .not_after = NOW + 3650 * (int64_t)DAY};
    struct pki_pair ca;
    struct error error;
    CU_ASSERT_FATAL(pki_issue_ca(arena, &profile, &ca, &error));
    return ca;
}

static struct pki_pair make_serving(struct arena *arena, const struct pki_pair *ca)
{
    static const char *const addresses[] = {"127.0.0.1", "::1", NULL};
    const struct pki_profile profile = {.common_name = "backstop.kcm-system.svc",
                                        .dns_names = names,
                                        .addresses = addresses,
                                        .not_before = NOW - DAY,
                                        .not_after = NOW + 89 * DAY};
    struct pki_pair serving;
    struct error error;
    CU_ASSERT_FATAL(pki_issue_serving(arena, &profile, ca, &serving, &error));
    return serving;
}

static void test_issued_pair_verifies(void)
{
    ARENA_SCOPED arena = arena_new_secret(1 << 20);
    struct pki_pair ca = make_ca(arena, "CA"), serving = make_serving(arena, &ca);
    struct error error;
    struct pki_facts facts;
    CU_ASSERT(pki_verify(&serving, ca.certificate, names, NOW, &error));
    CU_ASSERT_FATAL(pki_read(serving.certificate, &facts, &error));
    CU_ASSERT(facts.not_before == NOW - DAY && facts.not_after == NOW + 89 * DAY);
    CU_ASSERT(!facts.is_ca && !facts.self_signed);
    ASSERT_TEXT(str_from(facts.key_type), "ECDSA P-256");
    ASSERT_TEXT(str_from(facts.dns_names), "backstop,backstop.kcm-system,backstop.kcm-system.svc,127.0.0.1,::1");
    ASSERT_TEXT(str_from(facts.issuer), "CN=CA,O=backstop");
    CU_ASSERT_FATAL(pki_read(ca.certificate, &facts, &error));
    CU_ASSERT(facts.is_ca && facts.self_signed);
}

/* Each thing that must hold before serving, violated alone, with what is said. */
static void test_what_must_not_be_served(void)
{
    ARENA_SCOPED arena = arena_new_secret(1 << 20);
    static const char *const elsewhere[] = {"webhook.other.svc", NULL};
    struct pki_pair ca = make_ca(arena, "CA"), other_ca = make_ca(arena, "other"), serving = make_serving(arena, &ca),
                    second = make_serving(arena, &ca);
    struct pki_pair mixed = {.certificate = serving.certificate, .key = second.key};
    struct pki_pair ca_as_leaf = {.certificate = ca.certificate, .key = ca.key};
    struct pki_pair no_key = {.certificate = serving.certificate, .key = STR("x")};
    struct pki_pair no_certificate = {.certificate = STR("-----BEGIN CERTIFICATE-----\nAAAA\n"), .key = serving.key};
    const struct {
        const struct pki_pair *pair;
        struct str bundle;
        const char *const *names;
        int64_t now;
        const char *said;
    } rows[] = {
        {&mixed, ca.certificate, names, NOW, "the private key does not match the certificate"},
        {&serving, other_ca.certificate, names, NOW, "no CA in the bundle signed the certificate"},
        {&serving, STR("junk"), names, NOW, "the CA bundle contains no certificate"},
        {&serving, ca.certificate, elsewhere, NOW, "is not valid for webhook.other.svc: its names are backstop,"},
        {&serving, ca.certificate, names, NOW + 90 * DAY, "expired at 2027-02-18T03:00:00Z"},
        {&serving, ca.certificate, names, NOW - 2 * DAY, "is not valid before 2026-11-20T03:00:00Z"},
        {&ca_as_leaf, ca.certificate, names, NOW, "its names are none"},
        {&no_key, ca.certificate, names, NOW, "not a PEM private key"},
        {&no_certificate, ca.certificate, names, NOW, "not a PEM certificate"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct error error;
        CU_ASSERT_FALSE(pki_verify(rows[i].pair, rows[i].bundle, rows[i].names, rows[i].now, &error));
        if (!strstr(error.message, rows[i].said))
            fprintf(stderr, "\n    row %zu: %s\n", i, error.message);
        CU_ASSERT(strstr(error.message, rows[i].said) != NULL);
    }
}

static gnutls_x509_privkey_t import_key(struct str pem)
{
    gnutls_x509_privkey_t key;
    gnutls_datum_t data = {text_for_reader(pem.ptr), (unsigned)pem.len};
    CU_ASSERT_FATAL(gnutls_x509_privkey_init(&key) == 0);
    CU_ASSERT_FATAL(gnutls_x509_privkey_import(key, &data, GNUTLS_X509_FMT_PEM) == 0);
    return key;
}

/* A file of a key says both halves. Here the public one is the certificate's, the secret one another's. */
static void test_key_whose_halves_do_not_belong_together(void)
{
    ARENA_SCOPED arena = arena_new_secret(1 << 20);
    struct pki_pair ca = make_ca(arena, "CA"), serving = make_serving(arena, &ca), second = make_serving(arena, &ca);
    gnutls_x509_privkey_t ours = import_key(serving.key), theirs = import_key(second.key), both;
    gnutls_ecc_curve_t curve;
    gnutls_datum_t x, y, secret, pem, x2, y2, secret2;
    CU_ASSERT_FATAL(gnutls_x509_privkey_export_ecc_raw(ours, &curve, &x, &y, &secret) == 0);
    CU_ASSERT_FATAL(gnutls_x509_privkey_export_ecc_raw(theirs, &curve, &x2, &y2, &secret2) == 0);
    CU_ASSERT_FATAL(gnutls_x509_privkey_init(&both) == 0);
    CU_ASSERT_FATAL(gnutls_x509_privkey_import_ecc_raw(both, curve, &x, &y, &secret2) == 0);
    CU_ASSERT_FATAL(gnutls_x509_privkey_export2(both, GNUTLS_X509_FMT_PEM, &pem) == 0);
    const struct pki_pair forged = {.certificate = serving.certificate, .key = {(char *)pem.data, pem.size}};
    struct error error = {0};
    CU_ASSERT_FALSE(pki_verify(&forged, STR(""), NULL, NOW, &error));
    CU_ASSERT(strstr(error.message, "the private key does not match the certificate") != NULL);
    CU_ASSERT(pki_verify(&serving, STR(""), NULL, NOW, &error));
    gnutls_datum_t *const made[] = {&x, &y, &secret, &pem, &x2, &y2, &secret2};
    for (size_t i = 0; i < LENGTH_OF(made); i++)
        gnutls_free(made[i]->data);
    gnutls_x509_privkey_deinit(ours);
    gnutls_x509_privkey_deinit(theirs);
    gnutls_x509_privkey_deinit(both);
}

static void test_bundles_join_without_repeating(void)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct pki_pair old = make_ca(arena, "old"), new = make_ca(arena, "new");
    struct str both = pki_bundle_join(arena, old.certificate, new.certificate, NOW);
    struct str again = pki_bundle_join(arena, both, old.certificate, NOW);
    CU_ASSERT(str_eq(both, again));
    CU_ASSERT(pki_bundle_has(both, old.certificate) && pki_bundle_has(both, new.certificate));
    CU_ASSERT_FALSE(pki_bundle_has(old.certificate, new.certificate));
    struct str cut = str_slice(old.certificate, 0, old.certificate.len / 2);
    CU_ASSERT(str_eq(pki_bundle_join(arena, cut, new.certificate, NOW),
                     pki_bundle_join(arena, new.certificate, STR(""), NOW)));
    CU_ASSERT_EQUAL(pki_bundle_join(arena, old.certificate, STR(""), NOW + 4000 * (int64_t)DAY).len, 0);
}

static void test_rotation_keeps_old_clients_working(void)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct pki_pair old = make_ca(arena, "CA"), new = make_ca(arena, "CA"), serving = make_serving(arena, &new);
    struct error error;
    struct str both = pki_bundle_join(arena, old.certificate, new.certificate, NOW);
    CU_ASSERT(pki_verify(&serving, both, names, NOW, &error));
    CU_ASSERT_FALSE(pki_verify(&serving, old.certificate, names, NOW, &error));
}

/* They end up in messages, logs and on terminals. */
static void test_names_cannot_steer_a_terminal(void)
{
    ARENA_SCOPED arena = arena_new_secret(1 << 20);
    static const char *const nasty[] = {"a\x1b[31mb", NULL};
    struct pki_pair ca = make_ca(arena, "CA\n\x1b[31m"), serving;
    const struct pki_profile profile = {
        .common_name = "c\x07", .dns_names = nasty, .not_before = NOW - DAY, .not_after = NOW + DAY};
    struct error error;
    struct pki_facts facts;
    CU_ASSERT_FATAL(pki_issue_serving(arena, &profile, &ca, &serving, &error));
    CU_ASSERT_FATAL(pki_read(serving.certificate, &facts, &error));
    ASSERT_TEXT(str_from(facts.dns_names), "a?[31mb");
    ASSERT_TEXT(str_from(facts.subject), "CN=c\\07,O=backstop");
    ASSERT_TEXT(str_from(facts.issuer), "CN=CA\\0A\\1B[31m,O=backstop");
}

static void test_renewal_at_two_thirds(void)
{
    const struct pki_facts facts = {.not_before = 0, .not_after = 90 * DAY};
    CU_ASSERT_EQUAL(pki_renewal_time(&facts, 0), 60 * DAY);
    CU_ASSERT(pki_renewal_time(&facts, 0.999) <= 60 * DAY + 9 * DAY / 2);
}

SUITE(pki, {"an issued pair verifies", test_issued_pair_verifies},
      {"what must not be served", test_what_must_not_be_served},
      {"a key whose halves do not belong together", test_key_whose_halves_do_not_belong_together},
      {"bundles join without repeating, one that is cut off takes nothing with it",
       test_bundles_join_without_repeating},
      {"a rotation keeps old clients working", test_rotation_keeps_old_clients_working},
      {"names in a certificate cannot steer a terminal", test_names_cannot_steer_a_terminal},
      {"renewal at two thirds", test_renewal_at_two_thirds})
