/* Certificates that others made: what is read of them, and what is refused. */
#include <string.h>

#include "backstop/pki.h"
#include "suite.h"

enum { NOW = 1795230000, DAY = 86400 };

static const char rsa[] = "-----BEGIN CERTIFICATE-----\n"
                          "MIICUDCCAbmgAwIBAgIUctr7RIIrPeZ8nQNKsuepZiZZ5K4wDQYJKoZIhvcNAQEL\n"
                          "BQAwDjEMMAoGA1UECgwDYSxiMCAXDTI2MTEyMTA4MTUzN1oYDzIxMjYxMDI4MDgx\n"
                          "NTM3WjAOMQwwCgYDVQQKDANhLGIwgZ8wDQYJKoZIhvcNAQEBBQADgY0AMIGJAoGB\n"
                          "AJTCF5e5FsfOHLkf84hGqjhxXENxibpKWi0j5dPuruaCzyCTiGzuhnbrNBl+pWJJ\n"
                          "CDZP/MehvfuKnKimv8O8TJJbdjzAYA8FDduPq64z+CmgjnyXn8c7szgc51kMC5xf\n"
                          "eVI6MOKOPn5n3xNE6WRsvjFo+9h+6rIFCEuXIpzvoGDfAgMBAAGjgagwgaUwHQYD\n"
                          "VR0OBBYEFCxZkhWlbrlpLb62l1E/Cn8cdDQJMB8GA1UdIwQYMBaAFCxZkhWlbrlp\n"
                          "Lb62l1E/Cn8cdDQJMA8GA1UdEwEB/wQFMAMBAf8wPQYDVR0RBDYwNIIJYS5leGFt\n"
                          "cGxlhwQKAAABhxAAAAAAAAAAAAAAAAAAAAABhgpzcGlmZmU6Ly94gQNhQGIwEwYD\n"
                          "VR0lBAwwCgYIKwYBBQUHAwIwDQYJKoZIhvcNAQELBQADgYEAKDXv8nh9r+NwRnNS\n"
                          "YDXNTdp3dHA1wSrJGCbl8lhKeR6KY1NnNbOI7tiSSo/cCTKOITVgoF1cXh4ZRj51\n"
                          "JHHUrRMvg3ugK1RmwFU5XgeHLGEFDf5+97i4+oa5rXOhYm14o3fNPxjJQFEhCt9I\n"
                          "kfBn1GGdNEOlweCKNAY2gdPkb7o=\n"
                          "-----END CERTIFICATE-----\n";
static const char ed25519[] = "-----BEGIN CERTIFICATE-----\n"
                              "MIIBMDCB46ADAgECAhQBIETJXrnb1AjZk56TXz9wuhPT3jAFBgMrZXAwDTELMAkG\n"
                              "A1UEAwwCZWQwIBcNMjYxMTIxMDgxNTM3WhgPMjEyNjEwMjgwODE1MzdaMA0xCzAJ\n"
                              "BgNVBAMMAmVkMCowBQYDK2VwAyEAFqDpglomXq8B4wiiRWdOVq1pFZplmdLOrNxx\n"
                              "7L0ECp+jUzBRMB0GA1UdDgQWBBShrDYtAX7Xwaj8YJdZuqPv3uIWuDAfBgNVHSME\n"
                              "GDAWgBShrDYtAX7Xwaj8YJdZuqPv3uIWuDAPBgNVHRMBAf8EBTADAQH/MAUGAytl\n"
                              "cANBACDgEt1NBGUlpCaaStMb+rI/4Bk30wgpHUH2wuj09Z93os4YS317eSDIiY3G\n"
                              "aHi4jUhje+UwZ40O7NZq9xJ1nw4=\n"
                              "-----END CERTIFICATE-----\n";
static const char p384[] = "-----BEGIN CERTIFICATE-----\n"
                           "MIIBsjCCATigAwIBAgIUNPAsn9MvPXDTSiPOFrb6K3mupnkwCgYIKoZIzj0EAwIw\n"
                           "DzENMAsGA1UEAwwEcDM4NDAgFw0yNjExMjEwODE1MzdaGA8yMTI2MTAyODA4MTUz\n"
                           "N1owDzENMAsGA1UEAwwEcDM4NDB2MBAGByqGSM49AgEGBSuBBAAiA2IABIYDfZ+t\n"
                           "h/GCBQnD0KYG4oRJIHcMY3c+IyCNApRBrzf59ZlbRUvqRrW7esqC6rmSfKJerFnH\n"
                           "2Ena3i0ehwuLkfrLELqTB9TYYw+n6umUa4pylJ86fDpauD8z/JwaxPpIAaNTMFEw\n"
                           "HQYDVR0OBBYEFASdxmQYumq0z2Qol0+UuAmwzpikMB8GA1UdIwQYMBaAFASdxmQY\n"
                           "umq0z2Qol0+UuAmwzpikMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDaAAw\n"
                           "ZQIwO4nvqbu6M5SI9ygaNFbFt6ES/jamJfc0jrlcelzegTtuLfbjiytjaB4nt8U2\n"
                           "2/PNAjEA0sIY3T8JIpSg2Vowg8N4eL6pRYFO9+6LX6UzBCMKmX0P38JVaAKDD4uO\n"
                           "Px7paoKq\n"
                           "-----END CERTIFICATE-----\n";
static const char encrypted[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                                "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAi+zGFs/NC/SgICCAAw\n"
                                "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEPMwInsyLYG+1EPCOFuZ4E0EQL8p\n"
                                "sIEyJokSrWIFMvdkJBVO3gYgywlgshZfuYxXUdBOvZkVW3Xj+IovrLwlCFKLYZ4N\n"
                                "JOfLo0L1SUUTGYtfmb4=\n"
                                "-----END ENCRYPTED PRIVATE KEY-----\n";

static void test_kinds_of_keys(void)
{
    static const struct {
        const char *pem, *key_type, *subject, *names;
    } cases[] = {
        {rsa, "RSA 1024", "O=a\\,b", "a.example,10.0.0.1,::1"},
        {ed25519, "EdDSA (Ed25519) 256", "CN=ed", ""},
        {p384, "ECDSA P-384", "CN=p384", ""},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct pki_facts facts;
        struct error error;
        CU_ASSERT_FATAL(pki_read(str_from(cases[i].pem), &facts, &error));
        ASSERT_TEXT(str_from(facts.key_type), cases[i].key_type);
        ASSERT_TEXT(str_from(facts.subject), cases[i].subject);
        ASSERT_TEXT(str_from(facts.dns_names), cases[i].names);
        CU_ASSERT(facts.self_signed && facts.not_before < facts.not_after && strlen(facts.serial) == 40);
    }
}

static void test_what_cannot_be_issued(void)
{
    ARENA_SCOPED arena = arena_new_secret(1 << 20);
    static const char *const no_address[] = {"10.0.0.256", NULL};
    struct pki_profile profile = {.common_name = "x", .not_before = NOW, .not_after = NOW + DAY};
    struct pki_pair ca, other, serving;
    struct error error;
    CU_ASSERT_FATAL(pki_issue_ca(arena, &profile, &ca, &error) && pki_issue_ca(arena, &profile, &other, &error));
    const struct pki_pair mixed = {ca.certificate, other.key}, locked = {ca.certificate, str_from(encrypted)},
                          empty = {STR(""), ca.key};
    CU_ASSERT(!pki_issue_serving(arena, &profile, &mixed, &serving, &error));
    ASSERT_TEXT(str_from(error.message), "the CA's private key does not match its certificate");
    CU_ASSERT(!pki_issue_serving(arena, &profile, &locked, &serving, &error));
    ASSERT_TEXT(str_from(error.message), "the CA: the private key is encrypted: use one without a password");
    CU_ASSERT(!pki_issue_serving(arena, &profile, &empty, &serving, &error) &&
              strstr(error.message, "not a PEM certificate"));
    profile.addresses = no_address;
    CU_ASSERT(!pki_issue_serving(arena, &profile, &ca, &serving, &error));
    CU_ASSERT(strstr(error.message, "cannot issue a certificate: ") != NULL);
}

static void test_what_must_not_be_served(void)
{
    const struct pki_pair client = {str_from(rsa), str_from(encrypted)};
    struct error error;
    CU_ASSERT(!pki_verify(&client, STR(""), NULL, NOW, &error));
    CU_ASSERT(strstr(error.message, "the private key is encrypted") != NULL);
    CU_ASSERT(!pki_bundle_has(STR("junk"), STR("junk")) && !pki_bundle_has(str_from(rsa), str_from(p384)));
    CU_ASSERT(pki_bundle_has(str_from(rsa), str_from(rsa)));
}

SUITE(pki_foreign, {"RSA, Ed25519 and P-384 certificates, and names of every kind", test_kinds_of_keys},
      {"what cannot be issued, and why", test_what_cannot_be_issued},
      {"an encrypted key, and what is no bundle", test_what_must_not_be_served})
