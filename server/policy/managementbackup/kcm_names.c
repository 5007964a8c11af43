#include "policy/managementbackup/kcm_names.h"
#include "backstop/grammar.h"

#include <gnutls/crypto.h>

enum {
    SHA256_BYTES = 32,
    HASH_BYTES_SHOWN = 4,
    HASH_SUFFIX = 1 + 2 * HASH_BYTES_SHOWN, /* "-" and the hex digits */
    TIME_DIGITS = 14,
    TIME_SUFFIX = 1 + TIME_DIGITS
};

struct str kcm_bounded(struct arena *arena, struct str value, size_t limit)
{
    if (value.len <= limit)
        return value;
    unsigned char hash[SHA256_BYTES];
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, value.ptr, value.len, hash) < 0) {
        arena_fail(arena);
        return (struct str){NULL, 0};
    }
    struct str prefix = str_slice(value, 0, limit - HASH_SUFFIX);
    while (prefix.len && (prefix.ptr[prefix.len - 1] == '-' || prefix.ptr[prefix.len - 1] == '.'))
        prefix.len--;
    return arena_printf(arena, "%.*s-%02x%02x%02x%02x", STR_ARG(prefix), hash[0], hash[1], hash[2], hash[3]);
}

static struct str kcm_unbounded_name(struct arena *arena, struct str backup, struct str release)
{
    return arena_printf(arena, "%.*s-%.*s", STR_ARG(backup), STR_ARG(release));
}

static struct str kcm_repeat_prefix(struct arena *arena, struct str backup, struct str release)
{
    return kcm_bounded(arena, kcm_unbounded_name(arena, backup, release), DNS_SUBDOMAIN_MAX - TIME_SUFFIX);
}

struct str kcm_upgrade_backup(struct arena *arena, struct str backup, struct str release)
{
    return kcm_bounded(arena, kcm_unbounded_name(arena, backup, release), DNS_SUBDOMAIN_MAX);
}

struct str kcm_upgrade_backup_again(struct arena *arena, struct str backup, struct str release, int64_t when)
{
    struct str prefix = kcm_repeat_prefix(arena, backup, release);
    struct civil at = civil_from_unix(when);
    return arena_printf(arena, "%.*s-%04lld%02d%02d%02d%02d%02d", STR_ARG(prefix), (long long)at.year, at.month, at.day,
                        at.hour, at.minute, at.second);
}

bool kcm_is_upgrade_backup(struct arena *arena, struct str name, struct str backup, struct str release)
{
    if (str_eq(name, kcm_upgrade_backup(arena, backup, release)))
        return true;
    struct str prefix = kcm_repeat_prefix(arena, backup, release);
    if (prefix.len == 0 || name.len != prefix.len + TIME_SUFFIX || !str_starts(name, prefix) ||
        name.ptr[prefix.len] != '-')
        return false;
    for (size_t i = prefix.len + 1; i < name.len; i++)
        if (name.ptr[i] < '0' || name.ptr[i] > '9')
            return false;
    return true;
}

struct str kcm_release_label(struct arena *arena, struct str release)
{
    return kcm_bounded(arena, release, LABEL_VALUE_MAX);
}
