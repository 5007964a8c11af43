#include <stdio.h>

#include "backstop/grammar.h"
#include "policy/managementbackup/kcm_names.h"
#include "suite.h"

/* ---- the same rule, written a second time -------------------------------- */

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

/* FIPS 180-4, with the constants worked out from the primes, for messages below 1 KiB. */
static uint32_t first_word_of_sha256(const char *text, size_t len)
{
    uint32_t k[64], h[8];
    size_t found = 0;
    for (unsigned n = 2; found < 64; n++) {
        bool prime = true;
        for (unsigned d = 2; d * d <= n; d++)
            prime = prime && n % d != 0;
        if (!prime)
            continue;
        long double cube = 1, square = 1; /* Newton: roots to 64 bits */
        for (int i = 0; i < 80; i++) {
            cube -= (cube * cube * cube - n) / (3 * cube * cube);
            square -= (square * square - n) / (2 * square);
        }
        k[found] = (uint32_t)((cube - (unsigned)cube) * 4294967296.0L);
        if (found < 8)
            h[found] = (uint32_t)((square - (unsigned)square) * 4294967296.0L);
        found++;
    }
    unsigned char padded[1152] = {0};
    memcpy(padded, text, len);
    padded[len] = 0x80;
    size_t total = (len + 9 + 63) / 64 * 64;
    for (size_t i = 0; i < 8; i++)
        padded[total - 1 - i] = (unsigned char)((uint64_t)len * 8 >> (8 * i));
    for (size_t at = 0; at < total; at += 64) {
        uint32_t w[64], v[8];
        for (size_t i = 0; i < 16; i++)
            w[i] = (uint32_t)padded[at + 4 * i] << 24 | (uint32_t)padded[at + 4 * i + 1] << 16 |
                   (uint32_t)padded[at + 4 * i + 2] << 8 | padded[at + 4 * i + 3];
        for (size_t i = 16; i < 64; i++)
            w[i] = w[i - 16] + w[i - 7] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) +
                   (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
        memcpy(v, h, sizeof v);
        for (size_t i = 0; i < 64; i++) {
            uint32_t one = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
                           ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
            uint32_t two = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
                           ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            memmove(v + 1, v, 7 * sizeof *v);
            v[4] += one;
            v[0] = one + two;
        }
        for (size_t i = 0; i < 8; i++)
            h[i] += v[i];
    }
    return h[0];
}

static void bounded_again(const char *value, size_t limit, char out[1100])
{
    size_t len = strlen(value);
    if (len <= limit) {
        memcpy(out, value, len + 1);
        return;
    }
    memcpy(out, value, limit - 9);
    size_t cut = limit - 9;
    while (cut > 0 && (out[cut - 1] == '-' || out[cut - 1] == '.'))
        cut--;
    snprintf(out + cut, 10, "-%08x", first_word_of_sha256(value, len));
}

static uint32_t random_state = 20261121;
static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % limit;
}

static void random_name(char out[1000], size_t len)
{
    static const char alphabet[] = "abcxyz0189---...";
    for (size_t i = 0; i < len; i++)
        out[i] = alphabet[random_below(sizeof alphabet - 1)];
    out[len] = '\0';
}

static void test_random_names(void)
{
    ARENA_SCOPED arena = arena_new(64 << 20);
    char name[1000], expected[1100];
    int bounded = 0;
    for (int i = 0; i < 4000; i++) {
        size_t limit = i % 2 ? DNS_SUBDOMAIN_MAX : LABEL_VALUE_MAX;
        random_name(name, i % 3 ? limit - 3 + random_below(7) : random_below(900));
        bounded_again(name, limit, expected);
        struct str actual = kcm_bounded(arena, str_from(name), limit);
        ASSERT_TEXT(actual, expected);
        CU_ASSERT(actual.len <= limit);
        bounded += strlen(name) > limit;
    }
    CU_ASSERT(bounded > 1000);
}

/* ---- what kcm's own function answers ------------------------------------- */

static const char *repeat(char *out, const char *what, size_t times)
{
    *out = '\0';
    for (size_t i = 0, len = strlen(what); i < times; i++)
        memcpy(out + i * len, what, len + 1);
    return out;
}

/* The ends were printed by boundedDNSName of kcm's management_controller.go. */
static void test_kcm_vectors(void)
{
    static const struct {
        const char *what, *then;
        size_t times, limit, length;
        const char *end;
    } vectors[] = {
        {"a", "", 253, 253, 253, "aaaaaaaaaaaa"},
        {"a", "", 254, 253, 253, "aa-136496c2"},
        {"b", "-.-kcm-1-2-0", 243, 253, 252, "bb-379c98fe"},
        {"x", "", 1, 253, 1, "x"},
        {"kcm.", "", 80, 253, 252, "kcm.kcm-9b3969ae"},
        {"k", "", 63, 63, 63, "kk"},
        {"k", "", 64, 63, 63, "kk-2519b49b"},
        {"e", "-.-ffffffffff", 53, 63, 62, "ee-4f94636d"},
        {".", "", 64, 63, 9, "-f1822668"},
        {"m", "-kcm-1-2-0", 250, 253, 253, "mm-70b7cef3"},
        {"m", "-kcm-1-2-0", 250, 238, 238, "mm-70b7cef3"},
    };
    ARENA_SCOPED arena = arena_new(1 << 20);
    char value[600];
    for (size_t i = 0; i < LENGTH_OF(vectors); i++) {
        repeat(value, vectors[i].what, vectors[i].times);
        size_t len = strlen(value);
        snprintf(value + len, sizeof value - len, "%s", vectors[i].then);
        struct str actual = kcm_bounded(arena, str_from(value), vectors[i].limit);
        CU_ASSERT_EQUAL(actual.len, vectors[i].length);
        CU_ASSERT(str_ends(actual, str_from(vectors[i].end)));
    }
}

static void test_names(void)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct str backup = STR("kcm-backup"), release = STR("kcm-1-2-0");
    ASSERT_TEXT(kcm_upgrade_backup(arena, backup, release), "kcm-backup-kcm-1-2-0");
    ASSERT_TEXT(kcm_upgrade_backup_again(arena, backup, release, 1795230000), "kcm-backup-kcm-1-2-0-20261121030000");
    ASSERT_TEXT(kcm_release_label(arena, release), "kcm-1-2-0");
    CU_ASSERT(kcm_is_upgrade_backup(arena, STR("kcm-backup-kcm-1-2-0"), backup, release));
    CU_ASSERT(kcm_is_upgrade_backup(arena, STR("kcm-backup-kcm-1-2-0-20261121030000"), backup, release));
    static const char *const others[] = {
        "",
        "kcm-backup",
        "kcm-backup-kcm-1-2-01",
        "kcm-backup-kcm-1-2-0-",
        "kcm-backup-kcm-1-2-0-2026112103000",
        "kcm-backup-kcm-1-2-0-202611210300000",
        "kcm-backup-kcm-1-2-0-2026112103000x",
        "kcm-backup-kcm-1-2-0.20261121030000",
        "kcm-backup-kcm-1-1-0-20261121030000",
        "kcm-backuq-kcm-1-2-0-20261121030000",
    };
    for (size_t i = 0; i < LENGTH_OF(others); i++)
        CU_ASSERT_FALSE(kcm_is_upgrade_backup(arena, str_from(others[i]), backup, release));
}

/* Whatever the lengths: both forms fit a name, and each is recognised as what it is. */
static void test_names_fit_and_are_recognised(void)
{
    ARENA_SCOPED arena = arena_new(64 << 20);
    char backup[1000], release[1000];
    for (uint32_t i = 0; i < 1500; i++) {
        random_name(backup, 1 + i % 253);
        random_name(release, 1 + random_below(253));
        struct str b = str_from(backup), r = str_from(release);
        struct str exact = kcm_upgrade_backup(arena, b, r);
        struct str again = kcm_upgrade_backup_again(arena, b, r, 1795230000 + i);
        CU_ASSERT(exact.len > 0 && exact.len <= DNS_SUBDOMAIN_MAX);
        CU_ASSERT(again.len > 0 && again.len <= DNS_SUBDOMAIN_MAX);
        CU_ASSERT(kcm_is_upgrade_backup(arena, exact, b, r));
        CU_ASSERT(kcm_is_upgrade_backup(arena, again, b, r));
        CU_ASSERT(kcm_release_label(arena, r).len <= LABEL_VALUE_MAX);
    }
}

static void test_out_of_memory(void)
{
    ARENA_SCOPED arena = arena_new(16);
    char value[400];
    CU_ASSERT_EQUAL(kcm_bounded(arena, str_from(repeat(value, "a", 300)), DNS_SUBDOMAIN_MAX).len, 0);
    CU_ASSERT(arena_failed(arena));
    CU_ASSERT_FALSE(kcm_is_upgrade_backup(arena, STR("-20261121030000"), STR("kcm-backup"), STR("kcm-1-2-0")));
}

SUITE(kcm_names, {"random names, against the rule written twice", test_random_names},
      {"vectors of kcm's own function", test_kcm_vectors}, {"names and repeats", test_names},
      {"names fit and are recognised", test_names_fit_and_are_recognised}, {"out of memory", test_out_of_memory})
