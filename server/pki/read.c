#include <arpa/inet.h>
#include <openssl/bio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pki.h"

static void print_name(const X509_NAME *name, char *out, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    long length = 0;
    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0)
        length = BIO_get_mem_data(bio, &bytes);
    snprintf(out, size, "%.*s", (int)length, bytes ? bytes : "");
    BIO_free_all(bio);
}

static void print_serial(X509 *certificate, char *out, size_t size)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *hex = number ? BN_bn2hex(number) : NULL;
    snprintf(out, size, "%s", hex ? hex : "");
    OPENSSL_free(hex);
    BN_free(number);
}

static void print_key_type(X509 *certificate, char *out, size_t size)
{
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    char group[32] = "";
    size_t length = 0;
    if (!key)
        snprintf(out, size, "unknown");
    else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_group_name(key, group, sizeof group, &length))
        snprintf(out, size, "ECDSA %s", strcmp(group, "prime256v1") == 0 ? "P-256" : group);
    else
        snprintf(out, size, "%s %d", EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key));
}

/* A certificate's maker writes what it likes into a name, line ends and escapes included. */
static void print_plain(const ASN1_STRING *name, struct buf *out)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(name);
    for (int i = 0; i < ASN1_STRING_length(name); i++)
        buf_putc(out, bytes[i] > ' ' && bytes[i] < 0x7f ? (char)bytes[i] : '?');
}

static void print_alternative(const GENERAL_NAME *name, struct buf *out)
{
    char text[INET6_ADDRSTRLEN];
    if (name->type == GEN_DNS) {
        buf_puts(out, out->len ? "," : "");
        print_plain(name->d.dNSName, out);
    } else if (name->type == GEN_IPADD) {
        int family = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
        if (inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), text, sizeof text))
            buf_printf(out, "%s%s", out->len ? "," : "", text);
    }
}

static void print_alternatives(X509 *certificate, char *out, size_t size)
{
    BUF_SCOPED text;
    buf_init(&text, size - 1);
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        print_alternative(sk_GENERAL_NAME_value(names, i), &text);
    GENERAL_NAMES_free(names);
    snprintf(out, size, "%.*s", STR_ARG(buf_str(&text)));
}

bool pki_read(struct str certificate, struct pki_facts *facts, struct error *error)
{
    X509_SCOPED x509 = pki_certificate_from_pem(certificate, error);
    if (!x509)
        return false;
    *facts = (struct pki_facts){
        .not_before = pki_time(X509_get0_notBefore(x509)),
        .not_after = pki_time(X509_get0_notAfter(x509)),
        .is_ca = X509_check_ca(x509) > 0,
        .self_signed = (X509_get_extension_flags(x509) & EXFLAG_SS) != 0,
    };
    print_name(X509_get_subject_name(x509), facts->subject, sizeof facts->subject);
    print_name(X509_get_issuer_name(x509), facts->issuer, sizeof facts->issuer);
    print_serial(x509, facts->serial, sizeof facts->serial);
    print_key_type(x509, facts->key_type, sizeof facts->key_type);
    print_alternatives(x509, facts->dns_names, sizeof facts->dns_names);
    return true;
}

/* At two thirds, as cert-manager does; jitter keeps replicas apart. */
int64_t pki_renewal_time(const struct pki_facts *facts, double jitter)
{
    int64_t life = facts->not_after - facts->not_before;
    return facts->not_before + life * 2 / 3 + (int64_t)((double)life / 20 * jitter);
}
