/* The pki room's own header: OpenSSL objects with their clean-up, PEM both ways. */
#ifndef BACKSTOP_PKI_PKI_H
#define BACKSTOP_PKI_PKI_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "backstop/pki.h"

void pki_x509_cleanup(X509 **certificate);
void pki_key_cleanup(EVP_PKEY **key);
void pki_stack_cleanup(STACK_OF(X509) * *stack);
#define X509_SCOPED CLEANUP(pki_x509_cleanup) X509 *
#define KEY_SCOPED CLEANUP(pki_key_cleanup) EVP_PKEY *
#define X509_STACK_SCOPED CLEANUP(pki_stack_cleanup) STACK_OF(X509) *

/* "what: OpenSSL's own reason"; empties OpenSSL's error queue. */
bool pki_openssl_error(struct error *error, const char *what);

X509 *pki_certificate_from_pem(struct str pem, struct error *error); /* the first one */
STACK_OF(X509) * pki_certificates_from_pem(struct str pem);          /* all; NULL when there is none */
EVP_PKEY *pki_key_from_pem(struct str pem, struct error *error);
bool pki_certificate_to_pem(X509 *certificate, struct buf *out);
bool pki_key_to_pem(struct arena *arena, EVP_PKEY *key, struct str *out);
int64_t pki_time(const ASN1_TIME *time); /* Unix seconds; 0 when unreadable */

#endif
