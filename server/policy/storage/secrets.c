#include "policy/storage/location.h"

/* Only the existence of a Secret is ever known from a cluster, its keys from files. */
static void location_check_secret_reference(const struct location_edit *edit, const char *member, const char *field)
{
    struct arena *arena = edit->arena;
    const struct inventory *inventory = edit->inventory;
    struct json_object *reference = json_path(edit->spec, member);
    struct str name = json_get_str(reference, "name"), key = json_get_str(reference, "key");
    struct str name_at = arena_printf(arena, "%s.name", field), key_at = arena_printf(arena, "%s.key", field);
    if (!reference || !location_asks(edit, member) || !name_at.ptr || !key_at.ptr)
        return;
    if (name.len == 0)
        decision_required(edit->decision, name_at.ptr, "name the Secret in %.*s", STR_ARG(edit->ns));
    if (key.len == 0)
        decision_required(edit->decision, key_at.ptr, "name the key in the Secret that holds the file");
    if (name.len == 0 || key.len == 0 || !inventory->known[FACT_SECRETS])
        return;
    const struct secret *secret = inventory_secret(inventory, edit->ns, name);
    struct str quoted = arena_quote(arena, name);
    if (!secret) {
        /* What is known of Secrets lags behind the cluster, and Velero looks again every minute. */
        decision_warn(edit->decision,
                      "%s: there is no Secret %.*s in %.*s; the location stays Unavailable until there is", field,
                      STR_ARG(quoted), STR_ARG(edit->ns));
        return;
    }
    if (secret->keys.len == 0 || strlist_has(&secret->keys, key))
        return;
    struct str near = str_nearest(key, secret->keys.items, secret->keys.len);
    decision_invalid(edit->decision, key_at.ptr, "%.*s: Secret %.*s has no such key; it has %.*s%s%.*s%s",
                     STR_ARG(arena_quote(arena, key)), STR_ARG(quoted), STR_ARG(strlist_quoted(arena, &secret->keys)),
                     near.len ? "; did you mean " : "", STR_ARG(near), near.len ? "?" : "");
}

static bool is_pem(struct str text)
{
    return str_contains(text, STR("-----BEGIN CERTIFICATE-----")) &&
           str_contains(text, STR("-----END CERTIFICATE-----"));
}

/* Between the two lines there is base64 of DER, which begins with a SEQUENCE. */
static bool holds_der(struct arena *arena, struct str text)
{
    const struct str begin = STR("-----BEGIN CERTIFICATE-----");
    size_t from = 0, to;
    while (from < text.len && !str_starts(str_slice(text, from, text.len), begin))
        from++;
    from += begin.len;
    for (to = from; to < text.len && text.ptr[to] != '-'; to++)
        ;
    struct str der = base64_decode(arena, str_trim(str_slice(text, from, to)));
    return der.len > 2 && der.ptr[0] == 0x30;
}

static void check_ca(const struct location_edit *edit)
{
    const char *field = "spec.objectStorage.caCert";
    struct json_object *value = json_path(edit->spec, "objectStorage.caCert");
    struct str text = json_str(value);
    if (!value || !location_asks(edit, "objectStorage"))
        return;
    if (json_path(edit->spec, "objectStorage.caCertRef"))
        decision_forbidden(edit->decision, field, "Velero takes caCert or caCertRef, not both: keep caCertRef");
    if (text.len == 0 || !location_asks(edit, "objectStorage.caCert")) /* "" is none */
        return;
    struct str decoded = base64_decode(edit->arena, str_trim(text));
    if (is_pem(text))
        decision_invalid(edit->decision, field, "plain PEM must be base64-encoded: base64 -w0 ca.crt");
    else if (decoded.len == 0)
        decision_invalid(edit->decision, field, "not base64. Encode the PEM file of the CA: base64 -w0 ca.crt");
    else if (is_pem(base64_decode(edit->arena, str_trim(decoded))))
        decision_invalid(edit->decision, field, "encoded twice. Encode the PEM file once: base64 -w0 ca.crt");
    else if (!is_pem(decoded))
        decision_invalid(edit->decision, field,
                         "contains no PEM certificate (-----BEGIN CERTIFICATE-----). Convert a DER file first: openssl "
                         "x509 -inform der");
    else if (!holds_der(edit->arena, decoded))
        decision_invalid(edit->decision, field, "the PEM block does not contain a certificate");
}

void location_check_secrets(const struct location_edit *edit)
{
    location_check_secret_reference(edit, "credential", "spec.credential");
    location_check_secret_reference(edit, "objectStorage.caCertRef", "spec.objectStorage.caCertRef");
    check_ca(edit);
}
