#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "pki/facts.h"

/* In the order and with the escapes of RFC 2253; what is not plain ASCII as in its hexadecimal form. */
static void print_name(gnutls_x509_crt_t certificate,
                       int (*get)(gnutls_x509_crt_t certificate, gnutls_datum_t *name, unsigned flags), char *out,
                       size_t size)
{
    BUF_SCOPED text;
    gnutls_datum_t name = {0};
    buf_init(&text, size - 1);
    if (get(certificate, &name, 0) != GNUTLS_E_SUCCESS)
        name.size = 0;
    for (unsigned i = 0; i < name.size; i++)
        if (name.data[i] < 0x20 || name.data[i] >= 0x7f)
            buf_printf(&text, "\\%02X", name.data[i]);
        else
            buf_putc(&text, (char)name.data[i]);
    gnutls_free(name.data);
    snprintf(out, size, "%.*s", STR_ARG(buf_str(&text)));
}

static void print_serial(gnutls_x509_crt_t certificate, char *out, size_t size)
{
    unsigned char bytes[64];
    size_t count = sizeof bytes, at = 0;
    out[0] = '\0';
    if (gnutls_x509_crt_get_serial(certificate, bytes, &count) != GNUTLS_E_SUCCESS)
        return;
    while (at + 1 < count && bytes[at] == 0) /* a leading 0 only keeps the number positive */
        at++;
    for (size_t used = 0; at < count && used + 2 < size; at++, used += 2)
        snprintf(out + used, size - used, "%02X", bytes[at]);
}

static const char *curve_name(gnutls_ecc_curve_t curve)
{
    return curve == GNUTLS_ECC_CURVE_SECP256R1   ? "P-256"
           : curve == GNUTLS_ECC_CURVE_SECP384R1 ? "P-384"
           : curve == GNUTLS_ECC_CURVE_SECP521R1 ? "P-521"
                                                 : gnutls_ecc_curve_get_name(curve);
}

static void print_key_type(gnutls_x509_crt_t certificate, char *out, size_t size)
{
    unsigned bits = 0;
    int algorithm = gnutls_x509_crt_get_pk_algorithm(certificate, &bits);
    gnutls_ecc_curve_t curve;
    gnutls_datum_t x = {0}, y = {0};
    const char *name = algorithm >= 0 ? gnutls_pk_algorithm_get_name((gnutls_pk_algorithm_t)algorithm) : NULL;
    if (algorithm == GNUTLS_PK_ECDSA && gnutls_x509_crt_get_pk_ecc_raw(certificate, &curve, &x, &y) == 0)
        snprintf(out, size, "ECDSA %s", curve_name(curve));
    else if (name)
        snprintf(out, size, "%s %u", name, bits);
    else
        snprintf(out, size, "unknown");
    gnutls_free(x.data);
    gnutls_free(y.data);
}

/* Names are ASCII; what is not could steer the terminal of whoever reads them. */
static void add_dns_name(struct buf *out, struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        buf_putc(out, name.ptr[i] > ' ' && name.ptr[i] < 0x7f ? name.ptr[i] : '?');
}

static void print_alternatives(gnutls_x509_crt_t certificate, char *out, size_t size)
{
    BUF_SCOPED text;
    buf_init(&text, size - 1);
    for (unsigned i = 0;; i++) {
        char name[256], address[INET6_ADDRSTRLEN];
        size_t length = sizeof name;
        int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &length, NULL);
        if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
            continue;
        if (type < 0)
            break;
        bool is_address =
            type == GNUTLS_SAN_IPADDRESS &&
            inet_ntop(length == sizeof(struct in_addr) ? AF_INET : AF_INET6, name, address, sizeof address);
        if (type != GNUTLS_SAN_DNSNAME && !is_address)
            continue;
        buf_puts(&text, text.len ? "," : "");
        add_dns_name(&text, is_address ? str_from(address) : (struct str){name, length});
    }
    snprintf(out, size, "%.*s", STR_ARG(buf_str(&text)));
}

static int64_t asn1_seconds(time_t time)
{
    return time == (time_t)-1 ? 0 : time;
}

void facts_of(gnutls_x509_crt_t certificate, struct pki_facts *facts)
{
    *facts = (struct pki_facts){.not_before = asn1_seconds(gnutls_x509_crt_get_activation_time(certificate)),
                                .not_after = asn1_seconds(gnutls_x509_crt_get_expiration_time(certificate)),
                                .is_ca = gnutls_x509_crt_get_ca_status(certificate, NULL) > 0,
                                .self_signed = gnutls_x509_crt_check_issuer(certificate, certificate)};
    print_name(certificate, gnutls_x509_crt_get_dn3, facts->subject, sizeof facts->subject);
    print_name(certificate, gnutls_x509_crt_get_issuer_dn3, facts->issuer, sizeof facts->issuer);
    print_serial(certificate, facts->serial, sizeof facts->serial);
    print_key_type(certificate, facts->key_type, sizeof facts->key_type);
    print_alternatives(certificate, facts->dns_names, sizeof facts->dns_names);
}

bool pki_read(struct str certificate, struct pki_facts *facts, struct error *error)
{
    CERTIFICATE_SCOPED read = facts_certificate(certificate, error);
    if (!read)
        return false;
    facts_of(read, facts);
    return true;
}

/* At two thirds, as cert-manager does; jitter keeps replicas apart. */
int64_t pki_renewal_time(const struct pki_facts *facts, double jitter)
{
    int64_t life = facts->not_after - facts->not_before;
    return facts->not_before + life * 2 / 3 + (int64_t)((double)life / 20 * jitter);
}
