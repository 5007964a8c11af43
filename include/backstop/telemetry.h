/* telemetry: JSON log lines and Prometheus metrics. Metrics are declared once,
 * with their documentation, in metrics.def. */
#ifndef BACKSTOP_TELEMETRY_H
#define BACKSTOP_TELEMETRY_H

#include <math.h>

#include "backstop/base.h"

/* ---- log: one JSON object per line on standard error ---------------------- */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
struct log_field {
    const char *key; /* NULL ends the list */
    enum { LOG_FIELD_TEXT, LOG_FIELD_INTEGER, LOG_FIELD_BOOLEAN } type;
    struct str text;
    int64_t integer;
};
#define LOG_TEXT(key, value)                                                                                           \
    {                                                                                                                  \
        (key), LOG_FIELD_TEXT, (value), 0                                                                              \
    }
#define LOG_INTEGER(key, value)                                                                                        \
    {                                                                                                                  \
        (key), LOG_FIELD_INTEGER, {NULL, 0}, (value)                                                                   \
    }
#define LOG_BOOLEAN(key, value)                                                                                        \
    {                                                                                                                  \
        (key), LOG_FIELD_BOOLEAN, {NULL, 0}, (value)                                                                   \
    }

void log_set_level(enum log_level level);
/* Writes {"time":...,"level":...,"message":...,fields...} as one line, every text escaped,
 * values cut at 2 KiB. A line that nobody takes (a reader that stands still, a full disk) is
 * lost and counted; it never holds up the caller for longer than 0.1 s. Safe from any thread. */
void log_write(enum log_level level, const char *message, const struct log_field *fields);
/* From now on lines of this thread below LOG_WARN may wait for its next log_flush, to be written as one with others. Whoever calls
 * this calls log_flush before each time that the thread waits for something, and ends by one. Whatever is logged elsewhere
 * writes first what waits, so that lines keep their order. */
void log_collect(void);
void log_flush(void); /* writes what waits; in any thread */
/* log_line(LOG_INFO, "listening", LOG_TEXT("address", address)); at least one field,
 * else log_write(level, message, NULL). */
#define log_line(level, message, ...) log_write((level), (message), (const struct log_field[]){__VA_ARGS__, {0}})

/* ---- metrics -------------------------------------------------------------- */

/* metrics.def rows: METRIC(ID, kind, "backstop_...", "label" or "label,label", "help").
 * Label values come from small closed sets (operations, kinds, codes): at most
 * METRIC_SERIES_LIMIT series a metric, the rest is counted as "other". */
enum { METRIC_SERIES_LIMIT = 128 };
enum metric_id {
#define METRIC(id, kind, name, labels, help) METRIC_##id,
#include "metrics.def"
#undef METRIC
    METRIC_COUNT
};
/* metric_add(METRIC_EFFECTS, 1, "ManagementBackup", "created"): the label values in the
 * order of metrics.def; NULL for a metric without labels. */
#define metric_add(metric, amount, ...) metric_add_labelled((metric), (amount), METRIC_LABELS(__VA_ARGS__))
#define metric_set(metric, value, ...) metric_set_labelled((metric), (value), METRIC_LABELS(__VA_ARGS__))
/* A gauge whose value is not known now: its line is left out until it is set again. */
#define metric_clear(metric, ...) metric_set_labelled((metric), NAN, METRIC_LABELS(__VA_ARGS__))
/* Forgets all label values of a gauge, before they are set anew: for names that come and go. Nobody else may read or write
 * metrics of that gauge meanwhile (metrics_write does). */
void metric_forget(enum metric_id metric);
/* For histograms. */
#define metric_observe(metric, seconds, ...) metric_observe_labelled((metric), (seconds), METRIC_LABELS(__VA_ARGS__))
#define METRIC_LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
/* One label value for each label that metrics.def declares, in its order. */
void metric_add_labelled(enum metric_id metric, double amount, const char *const *labels);
void metric_set_labelled(enum metric_id metric, double value, const char *const *labels);
/* Into the histogram's buckets, which metrics.def declares in seconds. */
void metric_observe_labelled(enum metric_id metric, double seconds, const char *const *labels);
void metrics_write(struct buf *out);      /* Prometheus text format 0.0.4 */
void metrics_write_docs(struct buf *out); /* a Markdown table */

#endif
