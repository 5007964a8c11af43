#include "kube/kube.h"
#include <stdio.h>

#include "suite.h"

static struct kube_note sample(void)
{
    return (struct kube_note){.api_version = STR("k0rdent.mirantis.com/v1beta1"),
                              .kind = STR("Management"),
                              .name = STR("kcm"),
                              .uid = STR("u-1"),
                              .reason = "UpgradeWaits",
                              .action = "HoldUpgrade",
                              .text = STR("waits for \"it\"")};
}

static struct json_object *written(struct arena *arena, const struct event_note *note, struct event_series *series)
{
    struct error error;
    BUF_SCOPED text;
    buf_init(&text, 65536);
    event_series_begin(series, note, 1);
    event_write(&text, note, series, "backstop.k0rdent.mirantis.com/webhook", "pod-1");
    return json_build(arena, arena_copy(arena, buf_str(&text)), &error);
}

static void test_event_of_cluster_scoped(void)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct kube_note note = sample();
    struct event_note copy;
    struct event_series series;
    CU_ASSERT_FATAL(event_note_copy(&copy, &note));
    struct json_object *event = written(arena, &copy, &series);
    CU_ASSERT_FATAL(event != NULL);
    ASSERT_TEXT(json_path_str(event, "metadata.namespace"), "default");
    CU_ASSERT(str_starts(json_path_str(event, "metadata.name"), STR("kcm.")));
    ASSERT_TEXT(json_path_str(event, "regarding.uid"), "u-1");
    CU_ASSERT_PTR_NULL(json_path(event, "regarding.namespace"));
    ASSERT_TEXT(json_get_str(event, "note"), "waits for \"it\"");
    ASSERT_TEXT(json_get_str(event, "type"), "Normal");
    struct str when = json_get_str(event, "eventTime");
    CU_ASSERT(when.len == strlen("2026-11-21T03:00:00.000000Z") && str_ends(when, STR("Z")));
}

static void test_event_of_namespaced(void)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct kube_note note = sample();
    struct event_note copy;
    struct event_series series;
    note.ns = STR("kcm-system");
    note.warning = true;
    CU_ASSERT_FATAL(event_note_copy(&copy, &note));
    struct json_object *event = written(arena, &copy, &series);
    ASSERT_TEXT(json_path_str(event, "metadata.namespace"), "kcm-system");
    ASSERT_TEXT(json_path_str(event, "regarding.namespace"), "kcm-system");
    ASSERT_TEXT(json_get_str(event, "type"), "Warning");
}

static void test_event_name_stays_a_dns_name(void)
{
    struct kube_note note = sample();
    struct event_note copy;
    struct event_series series;
    char name[253];
    memset(name, 'a', sizeof name);
    name[198] = '.';
    name[199] = '-'; /* where it is cut */
    note.name = (struct str){name, sizeof name};
    CU_ASSERT_FATAL(event_note_copy(&copy, &note));
    event_series_begin(&series, &copy, 1);
    CU_ASSERT(strlen(series.event) <= 253);
    CU_ASSERT_PTR_NULL(strstr(series.event, "-."));
    CU_ASSERT_PTR_NULL(strstr(series.event, ".."));
}

static void test_event_text_is_cut_between_characters(void)
{
    static char text[3000];
    struct kube_note note = sample();
    struct event_note copy;
    for (size_t i = 0; i < sizeof text; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    note.text = (struct str){text, sizeof text};
    CU_ASSERT_FATAL(event_note_copy(&copy, &note));
    CU_ASSERT_EQUAL(strlen(copy.text), 1023); /* 1024 falls inside a character */
}

static void test_no_event_about_nothing(void)
{
    struct kube_note note = sample();
    struct event_note copy;
    note.name = STR("");
    CU_ASSERT_FALSE(event_note_copy(&copy, &note));
    note = sample();
    note.kind = (struct str){NULL, 0};
    CU_ASSERT_FALSE(event_note_copy(&copy, &note));
}

static void test_series_is_of_one_object_and_reason(void)
{
    struct kube_note note = sample();
    struct event_note copy;
    struct event_series series;
    CU_ASSERT_FATAL(event_note_copy(&copy, &note));
    event_series_begin(&series, &copy, 1);
    CU_ASSERT(event_is_of(&series, &copy));
    note.text = STR("412 of 980 items"); /* what is said changes while it goes on */
    CU_ASSERT_FATAL(event_note_copy(&copy, &note));
    CU_ASSERT(event_is_of(&series, &copy));
    note.reason = "UpgradeAdmitted";
    CU_ASSERT_FATAL(event_note_copy(&copy, &note));
    CU_ASSERT_FALSE(event_is_of(&series, &copy));
}

/* However often one thing happens while the API server is slow, it takes one place in the queue. */
static void test_a_flood_takes_one_place(void)
{
    struct kube_note often = sample(), once = sample();
    struct event_note a, b;
    often.weight = once.weight = KUBE_VITAL;
    CU_ASSERT_FATAL(event_note_copy(&a, &often));
    often.text = STR("other words");
    CU_ASSERT_FATAL(event_note_copy(&b, &often));
    CU_ASSERT(event_same(&a, &b));
    once.name = STR("another");
    CU_ASSERT_FATAL(event_note_copy(&b, &once));
    CU_ASSERT_FALSE(event_same(&a, &b));
    struct event_queue queue = {.first = EVENT_QUEUE - 1};
    for (int i = 0; i < 10 * EVENT_QUEUE; i++)
        CU_ASSERT_FATAL(event_queue_put(&queue, &a));
    CU_ASSERT(event_queue_put(&queue, &b));
    CU_ASSERT_EQUAL(queue.count, 2);
    CU_ASSERT_EQUAL(queue.notes[queue.first].times, 10 * EVENT_QUEUE);
    for (int i = 0; i < EVENT_QUEUE - 2; i++) {
        snprintf(b.name, sizeof b.name, "more-%d", i);
        CU_ASSERT_FATAL(event_queue_put(&queue, &b));
    }
    snprintf(b.name, sizeof b.name, "one-too-many");
    CU_ASSERT_FALSE(event_queue_put(&queue, &b));
    CU_ASSERT(event_queue_put(&queue, &a));
}

/* More different ones than there is room for: the oldest are counted in a younger one, none is just gone. */
static void test_too_many_are_counted_in_one_of_them(void)
{
    struct kube_note note = sample();
    struct event_note copy, folded;
    static struct event_queue queue = {.first = EVENT_QUEUE - 5};
    CU_ASSERT_FATAL(event_note_copy(&copy, &note));
    snprintf(copy.reason, sizeof copy.reason, "Rare");
    CU_ASSERT(event_queue_put(&queue, &copy));
    CU_ASSERT_FALSE(event_queue_fold(&queue, &folded)); /* it is the only one */
    enum { MORE = 1000 };
    CU_ASSERT_FATAL(event_note_copy(&copy, &note));
    for (int i = 0; i < MORE; i++) {
        snprintf(copy.name, sizeof copy.name, "object-%d", i);
        if (event_queue_put(&queue, &copy))
            continue;
        CU_ASSERT_FATAL(event_queue_fold(&queue, &folded));
        ASSERT_TEXT(str_from(folded.reason), "UpgradeWaits");
        CU_ASSERT_FATAL(event_queue_put(&queue, &copy));
    }
    CU_ASSERT_EQUAL(queue.count, EVENT_QUEUE);
    ASSERT_TEXT(str_from(queue.notes[queue.first].reason), "Rare"); /* kept, and still the first */
    int64_t told = 0;
    for (unsigned i = 0; i < EVENT_QUEUE; i++)
        told += 1 + queue.notes[i].others;
    CU_ASSERT_EQUAL(told, MORE + 1);
    ASSERT_TEXT(str_from(queue.notes[(queue.first + EVENT_QUEUE - 1) % EVENT_QUEUE].name), "object-999");
}

static void test_an_event_tells_how_many_others(void)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    static char text[1024];
    struct kube_note note = sample();
    struct event_note copy;
    struct event_series series;
    memset(text, 'x', sizeof text);
    note.text = (struct str){text, sizeof text};
    CU_ASSERT_FATAL(event_note_copy(&copy, &note));
    copy.others = 937;
    struct str said = json_get_str(written(arena, &copy, &series), "note");
    CU_ASSERT(said.len <= 1024 && str_ends(said, STR(" (and 937 more about other objects: see the webhook's log)")));
}

SUITE(kube_events, {"an Event of a cluster-scoped object lives in default", test_event_of_cluster_scoped},
      {"an Event of a namespaced object lives beside it", test_event_of_namespaced},
      {"an Event's name stays a DNS name however long the object's is", test_event_name_stays_a_dns_name},
      {"an Event's text is cut between characters", test_event_text_is_cut_between_characters},
      {"no Event is about nothing", test_no_event_about_nothing},
      {"a series is of one object and one reason", test_series_is_of_one_object_and_reason},
      {"a flood of one thing takes one place, so that others are not dropped", test_a_flood_takes_one_place},
      {"too many different ones are counted in one of them, the rare kept", test_too_many_are_counted_in_one_of_them},
      {"an Event tells how many others it stands for, within its 1024 bytes", test_an_event_tells_how_many_others})
