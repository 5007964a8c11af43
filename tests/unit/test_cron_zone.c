#include <stdio.h>
#include <stdlib.h>

#include "cron/zone/zone.h"
#include "suite.h"

static struct str zone_file(struct arena *arena, const char *name)
{
    struct str data = {NULL, 0};
    struct error error;
    char path[128];
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    CU_ASSERT_FATAL(file_read(arena, path, 1 << 20, &data, &error));
    return data;
}

static void look_around(const struct cron_zone *zone)
{
    for (int64_t at = -4000000000; at < 8000000000; at += 90000000)
        (void)cron_zone_offset(zone, at);
    (void)cron_zone_offset(zone, INT64_MIN / 2);
    (void)cron_zone_offset(zone, INT64_MAX / 2);
}

/* Each file copied to memory of exactly its size, so that a read past its end is seen. */
static void decode_exactly(struct str data)
{
    char *copy = malloc(data.len + 1);
    CU_ASSERT_FATAL(copy != NULL);
    char *exact = copy + 1;
    memcpy(exact, data.ptr, data.len);
    struct cron_zone *zone = zone_decode(STR("Test/Zone"), (struct str){exact, data.len});
    if (zone)
        look_around(zone);
    zone_free(zone);
    free(copy);
}

static void truncated(void)
{
    static const char *const names[] = {"Europe/Berlin", "Etc/GMT+5", "America/Santiago"};
    ARENA_SCOPED arena = arena_new(1 << 20);
    for (size_t i = 0; i < LENGTH_OF(names); i++) {
        struct str data = zone_file(arena, names[i]);
        for (size_t length = 0; length <= data.len; length++)
            decode_exactly(str_slice(data, 0, length));
    }
}

static void damaged(void)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct str data = zone_file(arena, "America/New_York");
    char *bytes = malloc(data.len);
    CU_ASSERT_FATAL(bytes != NULL);
    static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    for (size_t at = 0; at < data.len; at++)
        for (size_t value = 0; value < LENGTH_OF(values); value++) {
            memcpy(bytes, data.ptr, data.len);
            bytes[at] = (char)values[value];
            decode_exactly((struct str){bytes, data.len});
        }
    free(bytes);
}

static void footers(void)
{
    static const struct {
        const char *text;
        bool present, saves;
    } rows[] = {
        {"UTC0", true, false},
        {"CET-1CEST,M3.5.0,M10.5.0/3", true, true},
        {"EST5EDT", true, true},
        {"<+0545>-5:45", true, false},
        {"<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", true, true},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", true, true},
        {"XXX3EDT4,0/0,J365/23", true, true},
        {"EST5EDT;M3.2.0,M11.1.0", false, false},
        {"AAA5BBB4;M3.2.0,M11.1.0", true, true},
        {"", false, false},
        {"C", false, false},
        {"CET", false, false},
        {"CET-200", false, false},
        {"<CET-1", false, false},
        {"CET-1CEST,M13.1.0,M10.5.0", false, true},
        {"CET-1CEST,M3.6.0,M10.5.0", false, true},
        {"CET-1CEST,M3.5.0", false, true},
        {"CET-1CEST,M3.5.0,M10.5.0,", false, true},
        {"CET-1CEST,J0,J365", false, true},
        {"CET-1:60", false, false},
        {"CET-99999999999999", false, false},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct zone_rule rule;
        zone_rule_parse(str_from(rows[i].text), &rule);
        if (rule.present != rows[i].present)
            fprintf(stderr, "\n    %s: present %d\n", rows[i].text, rule.present);
        CU_ASSERT_EQUAL(rule.present, rows[i].present);
        CU_ASSERT(!rule.present || rule.saves == rows[i].saves);
    }
}

static void names(void)
{
    static const char *const bad[][2] = {
        {"Nowhere/Else", "unknown time zone Nowhere/Else"},
        {"../UTC", "time: invalid location name"},
        {"/UTC", "time: invalid location name"},
        {"\\UTC", "time: invalid location name"},
        {"Europe", "is a directory"},
        {"UTC/x", "not a directory"},
        {"zone.tab", "malformed time zone information"},
        {"europe/berlin", "unknown time zone europe/berlin"},
    };
    struct error error;
    for (size_t i = 0; i < LENGTH_OF(bad); i++) {
        CU_ASSERT_PTR_NULL(cron_zone_find(str_from(bad[i][0]), &error));
        ASSERT_TEXT(str_from(error.message), bad[i][1]);
    }
    CU_ASSERT_PTR_EQUAL(cron_zone_find(STR(""), &error), cron_zone_utc());
    CU_ASSERT_PTR_EQUAL(cron_zone_find(STR("UTC"), &error), cron_zone_utc());
    const struct cron_zone *berlin = cron_zone_find(STR("Europe/Berlin"), &error);
    CU_ASSERT_FATAL(berlin != NULL);
    CU_ASSERT_PTR_EQUAL(cron_zone_find(STR("Europe//Berlin"), &error), berlin); /* no second copy */
    CU_ASSERT_PTR_EQUAL(cron_zone_find(STR("./Europe/./Berlin"), &error), berlin);
    ASSERT_TEXT(cron_zone_name(berlin), "Europe/Berlin");
    CU_ASSERT_EQUAL(cron_zone_offset(berlin, 1795230840), 3600);
    CU_ASSERT_EQUAL(cron_zone_offset(berlin, 1782000000), 7200);
    CU_ASSERT_EQUAL(cron_zone_offset(berlin, 4102444800), 3600); /* 2100, by the footer */
}

static void *find_many(void *failures)
{
    static const char *const zones[] = {"Asia/Tokyo",  "Asia/Seoul", "Africa/Lagos", "America/Lima", "Local",
                                        "Europe/Rome", "Nowhere",    "UTC",          "Pacific/Guam", "Asia//Tokyo"};
    for (int round = 0; round < 200; round++)
        for (size_t i = 0; i < LENGTH_OF(zones); i++) {
            struct error error;
            const struct cron_zone *zone = cron_zone_find(str_from(zones[i]), &error);
            bool expected = strcmp(zones[i], "Nowhere") != 0;
            if ((zone != NULL) != expected || (zone && zone != cron_zone_find(str_from(zones[i]), &error)))
                atomic_fetch_add((atomic_int *)failures, 1);
        }
    return NULL;
}

static void threads(void)
{
    pthread_t ids[4];
    atomic_int failures = 0;
    for (size_t i = 0; i < LENGTH_OF(ids); i++)
        CU_ASSERT_FATAL(pthread_create(&ids[i], NULL, find_many, &failures) == 0);
    for (size_t i = 0; i < LENGTH_OF(ids); i++)
        pthread_join(ids[i], NULL);
    CU_ASSERT_EQUAL(atomic_load(&failures), 0);
}

SUITE(cron_zone, {"names and errors", names}, {"footer rules", footers}, {"files cut at every byte", truncated},
      {"files with every byte damaged", damaged}, {"found from several threads", threads})
