#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backstop/telemetry.h"
#include "suite.h"

/* What is put on standard error between the two. */
static char captured[64 * 1024];
static int capture_ends[2], capture_kept;
static void capture_begin(void)
{
    capture_kept = dup(STDERR_FILENO);
    if (capture_kept < 0 || pipe(capture_ends) != 0)
        abort();
    fcntl(capture_ends[1], F_SETPIPE_SZ, (int)sizeof captured);
    fcntl(capture_ends[0], F_SETFL, O_NONBLOCK);
    dup2(capture_ends[1], STDERR_FILENO);
}

/* So far, since the last call. */
static const char *capture_read(void)
{
    ssize_t length = read(capture_ends[0], captured, sizeof captured - 1);
    captured[length > 0 ? length : 0] = '\0';
    return captured;
}

static const char *capture_end(void)
{
    dup2(capture_kept, STDERR_FILENO);
    close(capture_kept);
    close(capture_ends[1]);
    capture_read();
    close(capture_ends[0]);
    return captured;
}

/* What log_write puts on standard error. */
static const char *capture(enum log_level level, const char *message, const struct log_field *fields)
{
    capture_begin();
    log_write(level, message, fields);
    return capture_end();
}
#define CAPTURE(level, message, ...) capture(level, message, (const struct log_field[]){__VA_ARGS__, {0}})

static struct str after_time(const char *line)
{
    const char *comma = strchr(line, ',');
    return str_from(comma ? comma : "");
}

static void test_log_line(void)
{
    const char *line = CAPTURE(LOG_WARN, "listening", LOG_TEXT("address", STR(":9443")), LOG_INTEGER("port", -7),
                               LOG_BOOLEAN("tls", true));
    ASSERT_TEXT(after_time(line), ",\"level\":\"warn\",\"message\":\"listening\",\"address\":\":9443\",\"port\":-7,"
                                  "\"tls\":true}\n");
    int64_t seconds = 0;
    struct str time = str_slice(str_from(line), 9, 33);
    CU_ASSERT(time_parse(time, &seconds));
    CU_ASSERT(seconds >= time_now() - 5 && seconds <= time_now());
}

static void test_log_escapes(void)
{
    const char *line = CAPTURE(LOG_ERROR, "m", LOG_TEXT("t", STR("a\"\\\n\x1b[31m\x7f\xc2\x9b\xc3\xa4\xff\0z")));
    ASSERT_TEXT(after_time(line), ",\"level\":\"error\",\"message\":\"m\",\"t\":\"a\\\"\\\\\\n\\u001b[31m\\u007f\\u009b"
                                  "\xc3\xa4\xef\xbf\xbd\\u0000z\"}\n");
}

/* Plain text is copied eight bytes at once: each byte that is not, at each place of such eight, is found. */
static void test_log_any_byte(void)
{
    for (size_t at = 0; at < 20; at++)
        for (int byte = 1; byte < 256; byte++) {
            char text[21] = "abcdefghijklmnopqrst", wanted[96], shown[8];
            text[at] = (char)byte;
            if (byte >= 0x80)
                snprintf(shown, sizeof shown, "\xef\xbf\xbd");
            else if (byte == '"' || byte == '\\')
                snprintf(shown, sizeof shown, "\\%c", byte);
            else if (byte == '\n')
                snprintf(shown, sizeof shown, "\\n");
            else if (byte < 0x20 || byte == 0x7f)
                snprintf(shown, sizeof shown, "\\u%04x", byte);
            else
                snprintf(shown, sizeof shown, "%c", byte);
            snprintf(wanted, sizeof wanted, ",\"level\":\"info\",\"message\":\"m\",\"t\":\"%.*s%s%s\"}\n", (int)at,
                     text, shown, text + at + 1);
            const char *line = CAPTURE(LOG_INFO, "m", LOG_TEXT("t", ((struct str){text, 20})));
            if (strcmp(strchr(line, ','), wanted) != 0)
                ASSERT_TEXT(after_time(line), wanted);
        }
}

static void test_log_absent_text(void)
{
    struct str absent = {NULL, 0};
    ASSERT_TEXT(after_time(CAPTURE(LOG_ERROR, "m", LOG_TEXT("t", absent))),
                ",\"level\":\"error\",\"message\":\"m\",\"t\":\"\"}\n");
}

static void test_log_cuts(void)
{
    char *big = malloc(1 << 20);
    CU_ASSERT_FATAL(big != NULL);
    memset(big, 1, 1 << 20);
    struct str text = {big, 1 << 20};
    const char *line = CAPTURE(LOG_ERROR, "m", LOG_TEXT("t", text));
    CU_ASSERT(strlen(line) > 2048 * 6 && strlen(line) < 2048 * 6 + 200);
    CU_ASSERT(strstr(line, "...\"}\n") != NULL);
    free(big);
}

/* However many large texts, the line ends as JSON. */
static void test_log_line_is_bounded(void)
{
    static char big[4096];
    memset(big, 2, sizeof big);
    struct str text = {big, sizeof big};
    const char *line = CAPTURE(LOG_ERROR, "m", LOG_TEXT("a", text), LOG_TEXT("b", text), LOG_TEXT("c", text),
                               LOG_TEXT("d", text), LOG_INTEGER("e", INT64_MIN));
    CU_ASSERT(strlen(line) <= 32 * 1024);
    CU_ASSERT(str_ends(str_from(line), STR("...\",\"d\":\"...\",\"e\":-9223372036854775808}\n")));
}

static void test_log_levels(void)
{
    log_set_level(LOG_ERROR);
    CU_ASSERT_STRING_EQUAL(capture(LOG_WARN, "hidden", NULL), "");
    CU_ASSERT(strlen(capture(LOG_ERROR, "shown", NULL)) > 0);
    log_set_level(LOG_INFO);
}

static bool metrics_have(const char *text)
{
    BUF_SCOPED out;
    buf_init(&out, 1 << 20);
    metrics_write(&out);
    bool found = !out.failed && str_contains(buf_str(&out), str_from(text));
    if (!found)
        fprintf(stderr, "\n    no %s in:\n%.*s", text, STR_ARG(buf_str(&out)));
    return found;
}

static void test_counter(void)
{
    metric_add(METRIC_REVIEWS, 1, "managements", "UPDATE", "denied");
    metric_add(METRIC_REVIEWS, 2, "managements", "UPDATE", "denied");
    CU_ASSERT(metrics_have("# TYPE backstop_reviews_total counter\n"));
    CU_ASSERT(
        metrics_have("backstop_reviews_total{resource=\"managements\",operation=\"UPDATE\",decision=\"denied\"} 3\n"));
}

static void test_gauge(void)
{
    CU_ASSERT(metrics_have("backstop_inventory_problems 0\n"));
    metric_set(METRIC_INVENTORY_PROBLEMS, 3, NULL);
    metric_set(METRIC_INVENTORY_PROBLEMS, 2, NULL);
    CU_ASSERT(metrics_have("backstop_inventory_problems 2\n"));
}

static void test_histogram(void)
{
    metric_observe(METRIC_REVIEW_SECONDS, 0.0005, "restores");
    metric_observe(METRIC_REVIEW_SECONDS, 0.02, "restores");
    metric_observe(METRIC_REVIEW_SECONDS, 99, "restores");
    CU_ASSERT(metrics_have("backstop_review_duration_seconds_bucket{resource=\"restores\",le=\"0.00025\"} 0\n"));
    CU_ASSERT(metrics_have("backstop_review_duration_seconds_bucket{resource=\"restores\",le=\"0.0005\"} 1\n"));
    CU_ASSERT(metrics_have("backstop_review_duration_seconds_bucket{resource=\"restores\",le=\"5\"} 2\n"));
    CU_ASSERT(metrics_have("backstop_review_duration_seconds_bucket{resource=\"restores\",le=\"+Inf\"} 3\n"));
    CU_ASSERT(metrics_have("backstop_review_duration_seconds_sum{resource=\"restores\"} 99.0205\n"));
    CU_ASSERT(metrics_have("backstop_review_duration_seconds_count{resource=\"restores\"} 3\n"));
}

static void test_label_escapes(void)
{
    metric_add(METRIC_EFFECTS, 1, "a\"b\\c\nd", "ok");
    CU_ASSERT(metrics_have("backstop_effects_total{kind=\"a\\\"b\\\\c\\nd\",result=\"ok\"} 1\n"));
}

static void test_cleared_gauge(void)
{
    metric_set(METRIC_INVENTORY_OBJECTS, 3, "Cleared");
    CU_ASSERT(metrics_have("backstop_inventory_objects{kind=\"Cleared\"} 3\n"));
    metric_clear(METRIC_INVENTORY_OBJECTS, "Cleared");
    CU_ASSERT(!metrics_have("kind=\"Cleared\""));
    metric_set(METRIC_INVENTORY_OBJECTS, 0, "Cleared");
    CU_ASSERT(metrics_have("backstop_inventory_objects{kind=\"Cleared\"} 0\n"));
}

/* A label that an outsider can choose must not eat the memory. */
static void test_series_limit(void)
{
    for (int i = 0; i < 10 * METRIC_SERIES_LIMIT; i++) {
        char code[16];
        snprintf(code, sizeof code, "%d", 1000 + i);
        metric_add(METRIC_HTTP_RESPONSES, 1, code);
    }
    char rest[80];
    BUF_SCOPED out;
    buf_init(&out, 1 << 20);
    metrics_write(&out);
    struct str text = buf_str(&out), line;
    int series = 0, total = 0;
    while (str_cut(&text, '\n', &line)) {
        int64_t value;
        if (!str_starts(line, STR("backstop_http_responses_total{code=\"")))
            continue;
        struct str tail = line, head;
        while (str_cut(&tail, ' ', &head) && tail.ptr)
            line = tail;
        CU_ASSERT(str_to_int64(line, &value));
        series++;
        total += (int)value;
    }
    snprintf(rest, sizeof rest, "code=\"other\"} ");
    CU_ASSERT(metrics_have(rest));
    CU_ASSERT_EQUAL(series, METRIC_SERIES_LIMIT + 1);
    CU_ASSERT(total >= 10 * METRIC_SERIES_LIMIT);
}

static void *count_many(void *context)
{
    for (int i = 0; i < 10000; i++) {
        metric_add(METRIC_SETTINGS_RELOADS, 1, i % 2 ? "ok" : "failed");
        metric_observe(METRIC_REVIEW_SECONDS, 0.5, "threads");
    }
    return context;
}

static void test_threads(void)
{
    pthread_t threads[4];
    for (size_t i = 0; i < LENGTH_OF(threads); i++)
        CU_ASSERT_FATAL(pthread_create(&threads[i], NULL, count_many, NULL) == 0);
    for (size_t i = 0; i < LENGTH_OF(threads); i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT(metrics_have("backstop_settings_reloads_total{result=\"ok\"} 20000\n"));
    CU_ASSERT(metrics_have("backstop_settings_reloads_total{result=\"failed\"} 20000\n"));
    CU_ASSERT(metrics_have("backstop_review_duration_seconds_count{resource=\"threads\"} 40000\n"));
}

/* How many lines, and that their numbers follow each other from the first on. */
static int lines_in_order(const char *text, int first)
{
    int count = 0;
    for (const char *line = text; *line; line = strchr(line, '\n') + 1, count++) {
        char number[32];
        snprintf(number, sizeof number, "\"number\":%d}\n", first + count);
        const char *found = strstr(line, "\"number\":");
        CU_ASSERT_FATAL(found != NULL && strchr(line, '\n') != NULL);
        CU_ASSERT(str_starts(str_from(found), str_from(number)));
    }
    return count;
}

static void *log_another(void *number)
{
    log_line(LOG_INFO, "another", LOG_INTEGER("number", *(int *)number));
    return NULL;
}

/* In a thread of its own, as collecting has no end. */
static void *log_collecting(void *unused)
{
    int number = 0;
    log_collect();
    capture_begin();
    log_line(LOG_INFO, "waits", LOG_INTEGER("number", number++));
    log_line(LOG_INFO, "waits", LOG_INTEGER("number", number++));
    CU_ASSERT(lines_in_order(capture_read(), 0) == 0);
    log_flush();
    CU_ASSERT(lines_in_order(capture_read(), 0) == 2);
    log_flush();
    CU_ASSERT(lines_in_order(capture_read(), 0) == 0);

    log_line(LOG_INFO, "waits", LOG_INTEGER("number", number++));
    log_line(LOG_WARN, "at once", LOG_INTEGER("number", number++));
    CU_ASSERT(lines_in_order(capture_read(), 2) == 2);

    log_line(LOG_INFO, "waits", LOG_INTEGER("number", number++));
    pthread_t thread;
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, log_another, &number) == 0);
    pthread_join(thread, NULL);
    number++;
    CU_ASSERT(lines_in_order(capture_read(), 4) == 2);

    /* More than fits, line by line; and one that is larger than what may wait. */
    static char large[2000];
    memset(large, 'x', sizeof large);
    for (int i = 0; i < 10; i++) {
        log_line(LOG_INFO, "waits", LOG_TEXT("text", ((struct str){large, (size_t)i * 200})),
                 LOG_INTEGER("number", number++));
    }
    int before = lines_in_order(capture_read(), 6);
    CU_ASSERT(before > 0 && before < 10);
    struct str text = {large, sizeof large};
    log_line(LOG_INFO, "large", LOG_TEXT("a", text), LOG_TEXT("b", text), LOG_TEXT("c", text),
             LOG_INTEGER("number", number++));
    CU_ASSERT(lines_in_order(capture_read(), 6 + before) == 11 - before);
    log_flush();
    CU_ASSERT(lines_in_order(capture_end(), 0) == 0);
    return unused;
}

static void test_log_collect(void)
{
    pthread_t thread;
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, log_collecting, NULL) == 0);
    pthread_join(thread, NULL);
}

/* Each line that waited is counted where nobody takes them. */
static void *log_collecting_lost(void *unused)
{
    char full[4096] = {0};
    log_collect();
    capture_begin();
    fcntl(capture_ends[1], F_SETFL, O_NONBLOCK);
    while (write(capture_ends[1], full, sizeof full) > 0)
        continue;
    fcntl(capture_ends[1], F_SETFL, 0);
    for (int i = 0; i < 5; i++)
        log_line(LOG_INFO, "lost", LOG_INTEGER("number", i));
    log_flush();
    while (read(capture_ends[0], full, sizeof full) > 0)
        continue;
    log_line(LOG_INFO, "comes", LOG_INTEGER("number", 5));
    log_flush();
    const char *text = capture_end();
    CU_ASSERT(strstr(text, "\"message\":\"log lines were lost\",\"lines\":5}\n") != NULL);
    CU_ASSERT(strstr(text, "\"message\":\"comes\"") != NULL);
    return unused;
}

static void test_log_collect_lost(void)
{
    pthread_t thread;
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, log_collecting_lost, NULL) == 0);
    pthread_join(thread, NULL);
    CU_ASSERT(metrics_have("backstop_log_lines_lost_total 5\n"));
}

static void test_docs(void)
{
    BUF_SCOPED out;
    buf_init(&out, 1 << 20);
    metrics_write_docs(&out);
    CU_ASSERT(
        str_contains(buf_str(&out), STR("| `backstop_reviews_total` | counter | resource,operation,decision | ")));
}

SUITE(telemetry, {"a gauge without a value has no line", test_cleared_gauge},
      {"a log line is one JSON object", test_log_line}, {"log texts are escaped", test_log_escapes},
      {"every byte at every place of a log text", test_log_any_byte},
      {"an absent text is logged as empty", test_log_absent_text}, {"log texts are cut", test_log_cuts},
      {"log lines are bounded", test_log_line_is_bounded}, {"log levels", test_log_levels},
      {"lines that wait are written together and in order", test_log_collect},
      {"lines that waited and were lost are counted", test_log_collect_lost}, {"counters", test_counter},
      {"gauges", test_gauge}, {"histograms are cumulative", test_histogram}, {"labels are escaped", test_label_escapes},
      {"series are bounded", test_series_limit}, {"counting from many threads", test_threads},
      {"metrics document themselves", test_docs})
