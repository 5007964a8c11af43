/* Paragraphs on a terminal, and the commands that people copy from them. */
#include "backstop/cli.h"
#include "suite.h"

static void test_command_at(void)
{
    static const struct {
        const char *text;
        size_t at;
    } cases[] = {
        {"kubectl get releases", 0},
        {"echo '{}' | kubectl create -f -", 0},
        {"take one now: echo '{}' | kubectl create -f -", 14},
        {"wait a minute. Then check: kubectl get backups", 27},
        {"kubectl keeps retrying", 0},
        {"admitted later; kubectl keeps retrying until then", 49},
        {"as kubectl does: nothing", 24},
        {"", 0},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++)
        CU_ASSERT_EQUAL(str_command_at(str_from(cases[i].text)), cases[i].at);
}

static void page_one(struct buf *out, size_t width, const char *text)
{
    struct page page = {.out = out, .width = width};
    buf_clear(out);
    page_paragraph(&page, 4, "fix: ", str_from(text));
}

static void test_paragraph_command(void)
{
    static const char text[] = "take one now: echo '{\"a\":\"0 3 * * *\"}' | kubectl create -f -";
    BUF_SCOPED out;
    buf_init(&out, 4096);
    page_one(&out, 0, text);
    CU_ASSERT_TRUE(
        str_is(buf_str(&out), "    fix: take one now: echo '{\"a\":\"0 3 * * *\"}' | kubectl create -f -\n"));
    page_one(&out, 100, text);
    CU_ASSERT_TRUE(
        str_is(buf_str(&out), "    fix: take one now: echo '{\"a\":\"0 3 * * *\"}' | kubectl create -f -\n"));
    page_one(&out, 60, text);
    CU_ASSERT_TRUE(str_is(buf_str(&out), "    fix: take one now:\n"
                                         "         echo '{\"a\":\"0 3 * * *\"}' | kubectl create -f -\n"));
    page_one(&out, 40, text);
    CU_ASSERT_TRUE(str_is(buf_str(&out), "    fix: take one now:\n"
                                         "         echo '{\"a\":\"0 3 * * *\"}' | \\\n"
                                         "         kubectl create -f -\n"));
}

/* What a shell makes of the lines is the command again: "\" and the end of a line are nothing to it. */
static void test_paragraph_pasted(void)
{
    static const char *const commands[] = {
        "echo '{\"schedule\":\"0 */6 * * *\",\"storageLocation\":\"aws-s3\"}' | kubectl create -f -",
        "kubectl patch management kcm --type=merge -p '{\"spec\":{\"release\":\"kcm 1\"}}'",
        "kubectl -n kcm-system annotate backups.velero.io a backstop.k0rdent.mirantis.com/allow-delete=\"some long "
        "reason\"",
    };
    BUF_SCOPED out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < LENGTH_OF(commands); i++)
        for (size_t width = 12; width < 130; width++) {
            char shell[512], text[512];
            size_t len = 0;
            CU_ASSERT_FATAL(snprintf(text, sizeof text, "why: %s", commands[i]) > 0);
            page_one(&out, width, text);
            const char *from = strstr(out.data, "kubectl"), *echo = strstr(out.data, "echo");
            for (const char *c = echo ? echo : from; c && *c && len + 1 < sizeof shell; c++) {
                if (c[0] == '\\' && c[1] == '\n') {
                    c++;
                    while (c[1] == ' ')
                        c++;
                } else {
                    shell[len++] = *c;
                }
            }
            CU_ASSERT_TRUE(len > 0 && str_eq((struct str){shell, len - 1}, str_from(commands[i])));
        }
}

SUITE(page, {"the command that ends a message", test_command_at},
      {"a command that does not fit has lines of its own", test_paragraph_command},
      {"a command is pasted as it was at every width", test_paragraph_pasted})
