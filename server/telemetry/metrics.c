/* Counters, gauges and histograms, declared in metrics.def and written in Prometheus' text
 * format. Counters are added to without a lock.
 *
 * METRIC_SERIES_LIMIT bounds the memory: label values come from names of objects and could be
 * without number. Beyond it everything is counted under "other", so that sums stay right. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstop/telemetry.h"

enum kind { COUNTER, GAUGE, HISTOGRAM };
enum { LABELS_LIMIT = 3, LABEL_SIZE = 64 };

static const double bounds[] = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                0.025,   0.05,   0.1,     0.25,   0.5,   1,      2.5,   5};
enum { BUCKETS = LENGTH_OF(bounds) + 1 };

/* One combination of label values. Made once, never freed: readers need no lock. */
struct series {
    uint32_t hash;
    char labels[LABELS_LIMIT][LABEL_SIZE];
    _Atomic double value;    /* of a histogram: the sum */
    atomic_ullong buckets[]; /* histograms only */
};

static const struct metric {
    enum kind kind;
    const char *name, *labels, *help;
} metrics[] = {
#define METRIC(id, kind, name, labels, help) {kind, name, labels, help},
#include "backstop/metrics.def"
#undef METRIC
};

static struct family {
    atomic_size_t count;
    struct series *_Atomic series[METRIC_SERIES_LIMIT + 1]; /* the last holds "other" */
} families[METRIC_COUNT];
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

static size_t label_count(const struct metric *metric)
{
    size_t count = metric->labels[0] ? 1 : 0;
    for (const char *c = metric->labels; *c; c++)
        count += *c == ',';
    return count;
}

/* As many label values as the metric has labels, whatever was given. */
static size_t read_labels(enum metric_id id, const char *const *given, const char *labels[LABELS_LIMIT])
{
    size_t wanted = label_count(&metrics[id]), count = 0;
    while (count < wanted && *given)
        labels[count++] = *given++;
    while (count < wanted)
        labels[count++] = "";
    return count;
}

static bool is_series(const struct series *series, uint32_t hash, const char *const *labels, size_t count)
{
    if (series->hash != hash)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strncmp(series->labels[i], labels[i], LABEL_SIZE - 1) != 0)
            return false;
    return true;
}

/* Without a lock: `count` is released after the series is stored, so what an index below it
 * holds is complete. */
static struct series *series_find(struct family *family, uint32_t hash, const char *const *labels, size_t count)
{
    size_t known = atomic_load_explicit(&family->count, memory_order_acquire);
    for (size_t i = 0; i < known; i++) {
        struct series *series = atomic_load_explicit(&family->series[i], memory_order_relaxed);
        if (is_series(series, hash, labels, count))
            return series;
    }
    return NULL;
}

static struct series *series_add(enum metric_id id, uint32_t hash, const char *const *labels, size_t count)
{
    struct family *family = &families[id];
    size_t known = atomic_load(&family->count), buckets = metrics[id].kind == HISTOGRAM ? BUCKETS : 0;
    bool full = known >= METRIC_SERIES_LIMIT;
    if (known > METRIC_SERIES_LIMIT)
        return atomic_load(&family->series[METRIC_SERIES_LIMIT]);
    struct series *series = calloc(1, sizeof *series + buckets * sizeof series->buckets[0]);
    if (!series)
        return NULL;
    series->hash = full ? 0 : hash;
    for (size_t i = 0; i < count; i++)
        snprintf(series->labels[i], LABEL_SIZE, "%s", full ? "other" : labels[i]);
    atomic_store_explicit(&family->series[known], series, memory_order_relaxed);
    atomic_store_explicit(&family->count, known + 1, memory_order_release);
    return series;
}

/* Looked up again under the lock, since another thread may have added it in between. */
static struct series *series_for(enum metric_id id, const char *const *given)
{
    const char *labels[LABELS_LIMIT];
    size_t count = read_labels(id, given, labels);
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < count; i++) {
        for (const char *c = labels[i]; *c; c++)
            hash = (hash ^ (unsigned char)*c) * 16777619u;
        hash = (hash ^ 0xffu) * 16777619u;
    }
    struct series *series = series_find(&families[id], hash, labels, count);
    if (series)
        return series;
    pthread_mutex_lock(&adding);
    series = series_find(&families[id], hash, labels, count);
    if (!series)
        series = series_add(id, hash, labels, count);
    pthread_mutex_unlock(&adding);
    return series;
}

/* There is no atomic addition of doubles in C17; the loop repeats only if another thread added
 * at the same moment. */
static void raise_by(_Atomic double *value, double amount)
{
    double old = atomic_load_explicit(value, memory_order_relaxed);
    while (
        !atomic_compare_exchange_weak_explicit(value, &old, old + amount, memory_order_relaxed, memory_order_relaxed)) {
    }
}

void metric_add_labelled(enum metric_id metric, double amount, const char *const *labels)
{
    struct series *series = series_for(metric, labels);
    if (series)
        raise_by(&series->value, amount);
}

void metric_set_labelled(enum metric_id metric, double value, const char *const *labels)
{
    struct series *series = series_for(metric, labels);
    if (series)
        atomic_store_explicit(&series->value, value, memory_order_relaxed);
}

/* Frees series, which a reader without a lock might hold: only for gauges that a single place sets
 * and writes, under a lock of its own (commands/serve/page.c). */
void metric_forget(enum metric_id metric)
{
    struct family *family = &families[metric];
    pthread_mutex_lock(&adding);
    size_t known = atomic_exchange(&family->count, 0);
    for (size_t i = 0; i < known; i++)
        free(atomic_exchange(&family->series[i], NULL));
    pthread_mutex_unlock(&adding);
}

void metric_observe_labelled(enum metric_id metric, double seconds, const char *const *labels)
{
    struct series *series = series_for(metric, labels);
    if (!series || metrics[metric].kind != HISTOGRAM)
        return;
    size_t bucket = 0;
    while (bucket < LENGTH_OF(bounds) && seconds > bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&series->buckets[bucket], 1, memory_order_relaxed);
    raise_by(&series->value, seconds);
}

/* ---- the text format ------------------------------------------------------ */

/* {a="x",b="y"} with `more` (le="0.1") as the last one. */
static void write_labels(struct buf *out, const struct metric *metric, const struct series *series, const char *more)
{
    struct str rest = str_from(metric->labels), name;
    const char *before = "{";
    if (!rest.len)
        rest = (struct str){0};
    for (size_t i = 0; str_cut(&rest, ',', &name); i++, before = ",") {
        buf_printf(out, "%s%.*s=\"", before, STR_ARG(name));
        const char *value = series->labels[i];
        for (; *value; value++) {
            if (*value == '\n') {
                buf_puts(out, "\\n");
                continue;
            }
            if (*value == '"' || *value == '\\')
                buf_putc(out, '\\');
            buf_putc(out, *value);
        }
        buf_putc(out, '"');
    }
    if (more)
        buf_printf(out, "%s%s", before, more);
    if (more || metric->labels[0])
        buf_putc(out, '}');
}

/* Buckets are cumulative in the text format, and single in memory. */
static void write_histogram(struct buf *out, const struct metric *metric, struct series *series)
{
    unsigned long long total = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        char bound[32];
        total += atomic_load_explicit(&series->buckets[i], memory_order_relaxed);
        if (i < LENGTH_OF(bounds))
            snprintf(bound, sizeof bound, "le=\"%g\"", bounds[i]);
        else
            snprintf(bound, sizeof bound, "le=\"+Inf\"");
        buf_printf(out, "%s_bucket", metric->name);
        write_labels(out, metric, series, bound);
        buf_printf(out, " %llu\n", total);
    }
    buf_printf(out, "%s_sum", metric->name);
    write_labels(out, metric, series, NULL);
    buf_printf(out, " %.9g\n%s_count", atomic_load(&series->value), metric->name);
    write_labels(out, metric, series, NULL);
    buf_printf(out, " %llu\n", total);
}

static const char *const kind_names[] = {[COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"};

/* A metric without labels is written as 0 before its first use, so that an alert on it finds it. */
void metrics_write(struct buf *out)
{
    for (size_t id = 0; id < METRIC_COUNT; id++) {
        const struct metric *metric = &metrics[id];
        size_t known = atomic_load_explicit(&families[id].count, memory_order_acquire);
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
                   kind_names[metric->kind]);
        if (!known && !metric->labels[0])
            buf_printf(out, "%s 0\n", metric->name);
        for (size_t i = 0; i < known; i++) {
            struct series *series = atomic_load_explicit(&families[id].series[i], memory_order_relaxed);
            if (metric->kind == HISTOGRAM) {
                write_histogram(out, metric, series);
                continue;
            }
            double value = atomic_load_explicit(&series->value, memory_order_relaxed);
            if (isnan(value)) /* metric_clear */
                continue;
            buf_puts(out, metric->name);
            write_labels(out, metric, series, NULL);
            buf_printf(out, " %.15g\n", value);
        }
    }
}

void metrics_write_docs(struct buf *out)
{
    buf_puts(out, "| metric | kind | labels | meaning |\n|---|---|---|---|\n");
    for (size_t id = 0; id < METRIC_COUNT; id++) {
        const struct metric *metric = &metrics[id];
        buf_printf(out, "| `%s` | %s | %s | %s |\n", metric->name, kind_names[metric->kind], metric->labels,
                   metric->help);
    }
}
