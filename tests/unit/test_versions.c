#include "backstop/versions.h"

#include "suite.h"

static void assert_tag(const char *reference, const char *name, const char *tag)
{
    ASSERT_TEXT(image_tag(str_from(reference)), tag);
    ASSERT_TEXT(image_name(str_from(reference)), name);
}

static void test_image_references(void)
{
    assert_tag("velero/velero:v1.18.2", "velero", "v1.18.2");
    assert_tag("docker.io/velero/velero:v1.18.2", "velero", "v1.18.2");
    assert_tag("registry.example:5000/mirror/velero:v1.18.3", "velero", "v1.18.3");
    assert_tag("registry.example:5000/mirror/velero", "velero", "");
    assert_tag("[2001:db8::1]:5000/velero:v1.18.3", "velero", "v1.18.3");
    assert_tag("velero:v1.18.2@sha256:0123456789abcdef", "velero", "v1.18.2");
    assert_tag("registry:5000/velero@sha256:0123456789abcdef", "velero", "");
    assert_tag("velero@sha256:0123456789abcdef", "velero", "");
    assert_tag("velero", "velero", "");
    assert_tag("velero:", "velero", "");
    assert_tag("", "", "");
    CU_ASSERT(image_tag(STR("velero@sha256:0123")).ptr == NULL);
    ASSERT_TEXT(image_tag((struct str){NULL, 0}), "");
    ASSERT_TEXT(image_name((struct str){NULL, 0}), "");
}

static struct product_version velero(const char *text)
{
    return product_version_parse(PRODUCT_VELERO, str_from(text));
}

static enum version_answer has(const char *text, enum feature feature)
{
    struct product_version version = velero(text);
    return product_version_has(&version, feature);
}

static void test_listed_releases(void)
{
    static const struct {
        const char *version;
        enum version_answer queue, pvc_modes, finished_only;
        unsigned cron;
    } releases[] = {
        {"v1.17.0", ANSWER_NO, ANSWER_NO, ANSWER_NO, 1u << CRON_ROBFIG},
        {"v1.17.2", ANSWER_NO, ANSWER_NO, ANSWER_NO, 1u << CRON_ROBFIG},
        {"1.17", ANSWER_NO, ANSWER_NO, ANSWER_NO, 1u << CRON_ROBFIG},
        {"v1.18.0", ANSWER_YES, ANSWER_NO, ANSWER_NO, 1u << CRON_ROBFIG},
        {"v1.18.2", ANSWER_YES, ANSWER_NO, ANSWER_NO, 1u << CRON_ROBFIG},
        {"1.18.2-debian-12-r3", ANSWER_YES, ANSWER_NO, ANSWER_NO, 1u << CRON_ROBFIG},
        {"v1.18.2_vendor.1", ANSWER_YES, ANSWER_NO, ANSWER_NO, 1u << CRON_ROBFIG},
        {"v1.18.3", ANSWER_YES, ANSWER_YES, ANSWER_NO, 1u << CRON_GO_CRON},
        {"V1.18.3-arm64", ANSWER_YES, ANSWER_YES, ANSWER_NO, 1u << CRON_GO_CRON},
        {"v1.19.0", ANSWER_YES, ANSWER_YES, ANSWER_YES, 1u << CRON_GO_CRON},
        /* Any of its patch releases: they agree on the queue, and on nothing of 1.18.3. */
        {"v1.18", ANSWER_YES, ANSWER_DEPENDS, ANSWER_NO, 1u << CRON_ROBFIG | 1u << CRON_GO_CRON},
    };
    for (size_t i = 0; i < LENGTH_OF(releases); i++) {
        struct product_version version = velero(releases[i].version);
        CU_ASSERT(version.listed);
        CU_ASSERT_EQUAL(product_version_has(&version, VELERO_QUEUE), releases[i].queue);
        CU_ASSERT_EQUAL(product_version_has(&version, VELERO_PVC_MODES), releases[i].pvc_modes);
        CU_ASSERT_EQUAL(product_version_has(&version, VELERO_RESTORE_FINISHED_ONLY), releases[i].finished_only);
        CU_ASSERT_EQUAL(product_version_cron(&version), releases[i].cron);
    }
}

static void test_unlisted_may_be_any(void)
{
    static const char *const texts[] = {
        "v1.18.3-rc.1", "v1.19.0-alpha", "v1.18.2-dev.3",
        "v1.18.4",      "v1.20.0",       "v2.0.0",
        "v1.16.2",      "main",          "latest",
        "v1",           "1.18.x",        "1.18.2x",
        "v1.18.2.1",    "1.18.2-",       "",
        "no tag",       "sha-0123abc",   "v1.99999.0",
        "v1.18.99999",  "-1.18.2",       "v",
        "1.18.2\n",
    };
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        struct product_version version = velero(texts[i]);
        CU_ASSERT_FALSE(version.listed);
        CU_ASSERT_EQUAL(version.rows, product_version_unknown(PRODUCT_VELERO).rows);
        CU_ASSERT_EQUAL(has(texts[i], VELERO_QUEUE), ANSWER_DEPENDS);
        CU_ASSERT_EQUAL(product_version_cron(&version), (1u << CRON_ROBFIG | 1u << CRON_GO_CRON));
    }
}

static void test_features_belong_to_their_product(void)
{
    struct product_version kcm = product_version_unknown(PRODUCT_KCM), any = product_version_unknown(PRODUCT_VELERO);
    CU_ASSERT_EQUAL(kcm.rows & any.rows, 0);
    CU_ASSERT_EQUAL(product_version_has(&kcm, KCM_REGIONAL_VELERO), ANSWER_YES);
    CU_ASSERT_EQUAL(product_version_has(&kcm, KCM_SHIPS_VELERO_1_18), ANSWER_DEPENDS);
    CU_ASSERT_EQUAL(product_version_cron(&kcm), 1u << CRON_ROBFIG);
    struct product_version old = product_version_parse(PRODUCT_KCM, STR("1.10.0"));
    CU_ASSERT(old.listed);
    CU_ASSERT_EQUAL(product_version_has(&old, KCM_SHIPS_VELERO_1_18), ANSWER_NO);
}

static void test_before(void)
{
    struct product_version version = product_version_parse(PRODUCT_KCM, STR("v1.3.0"));
    CU_ASSERT_EQUAL(product_version_before(&version, 1, 4), ANSWER_YES);
    CU_ASSERT_EQUAL(product_version_before(&version, 1, 3), ANSWER_NO);
    CU_ASSERT_EQUAL(product_version_before(&version, 0, 9), ANSWER_NO);
    version = product_version_unknown(PRODUCT_KCM);
    CU_ASSERT_EQUAL(product_version_before(&version, 1, 4), ANSWER_DEPENDS);
}

static void test_names(void)
{
    ARENA_SCOPED arena = arena_new(1 << 16);
    struct product_version version = velero("v1.18.2");
    ASSERT_TEXT(product_version_name(arena, &version), "Velero 1.18.2");
    version = velero("v1.18");
    ASSERT_TEXT(product_version_doubt(arena, &version), "Velero 1.18 may be an older one (settings: velero.version)");
    version = velero("main");
    ASSERT_TEXT(product_version_name(arena, &version), "Velero main");
    ASSERT_TEXT(product_version_doubt(arena, &version),
                "Velero main is not a release that backstop knows (settings: velero.version)");
    struct product_version having = product_version_having(version, VELERO_PVC_MODES);
    CU_ASSERT_EQUAL(product_version_has(&having, VELERO_PVC_MODES), ANSWER_YES);
    version = velero("no tag");
    ASSERT_TEXT(product_version_name(arena, &version), "Velero");
    ASSERT_TEXT(product_version_doubt(arena, &version), "the running Velero is unknown (settings: velero.version)");
    ASSERT_TEXT(feature_since(arena, VELERO_QUEUE), "Velero 1.18");
    ASSERT_TEXT(feature_since(arena, VELERO_PVC_MODES), "Velero 1.18.3");
    ASSERT_TEXT(feature_since(arena, KCM_SHIPS_VELERO_1_18), "k0rdent 1.11");
}

static void assert_readers(const char *version, enum cron_dialect dialect, const char *readers)
{
    ARENA_SCOPED arena = arena_new(1 << 12);
    struct product_version parsed = velero(version);
    ASSERT_TEXT(product_version_readers(arena, &parsed, dialect), readers);
}

static void test_schedule_readers(void)
{
    assert_readers("v1.18.2", CRON_ROBFIG, "Velero 1.18.2");
    assert_readers("1.18.3", CRON_GO_CRON, "Velero 1.18.3");
    assert_readers("1.17", CRON_ROBFIG, "Velero 1.17");
    const char *const open_to_both[] = {"", "main", "1.18", "2.0.0"};
    for (size_t i = 0; i < LENGTH_OF(open_to_both); i++) {
        assert_readers(open_to_both[i], CRON_ROBFIG, "Velero before 1.18.3");
        assert_readers(open_to_both[i], CRON_GO_CRON, "Velero 1.18.3 and later");
    }
}

SUITE(versions, {"tags and names of image references", test_image_references},
      {"listed releases, floating tags and vendors' builds", test_listed_releases},
      {"what the table does not hold may be any row", test_unlisted_may_be_any},
      {"features belong to their product", test_features_belong_to_their_product}, {"before a release", test_before},
      {"names", test_names}, {"who reads schedules how", test_schedule_readers})
