/* Inside of a schedule's text: its parts, and what is wrong with it. */
#ifndef BACKSTOP_CRON_SPEC_H
#define BACKSTOP_CRON_SPEC_H

#include "zone.h"

enum field_id { FIELD_MINUTE, FIELD_HOUR, FIELD_DAY_OF_MONTH, FIELD_MONTH, FIELD_DAY_OF_WEEK, FIELD_COUNT };

struct field {
    const char *name, *allowed;
    int min, max;
    const char *const *names; /* names[0] is the name of `min`; NULL: numbers only */
};
extern const struct field spec_fields[FIELD_COUNT];
uint64_t field_all(enum field_id id); /* every value of the field, without CRON_STAR */
/* The value a three-letter name stands for in a field, or -1. */
int field_named(const struct field *field, struct str name);

enum fault_kind {
    FAULT_EMPTY,
    FAULT_NO_SPACE_AFTER_ZONE, /* robfig/cron panics */
    FAULT_ZONE,
    FAULT_DURATION,
    FAULT_DESCRIPTOR,
    FAULT_FIELD_COUNT,
    FAULT_NOT_A_NUMBER,
    FAULT_NUMBER_TOO_LARGE,
    FAULT_NEGATIVE,
    FAULT_HYPHENS,
    FAULT_SLASHES,
    FAULT_BELOW,
    FAULT_ABOVE,
    FAULT_BACKWARDS,
    FAULT_STEP_ZERO,
};

/* All slices lie in the schedule's text; value.ptr is where the mistake stands. */
struct fault {
    enum fault_kind kind;
    enum field_id field;
    struct str value; /* the number, zone, duration or descriptor */
    struct str range; /* the list item the value stands in: "1-5/2" */
    int64_t number;   /* the value as read; for FAULT_FIELD_COUNT how many fields there are */
    int64_t start, end;
    bool step;          /* the value is a step */
    struct error inner; /* what Go says about a zone or a duration */
};

/* The text without its time zone, and its first fields. */
struct spec_parts {
    struct str zone, body;
    bool has_zone;
    struct str fields[FIELD_COUNT];
    size_t field_count; /* may be more than FIELD_COUNT */
};

/* False where a zone has no space after it. Splits as strings.Fields does. */
bool spec_split(struct str spec, struct spec_parts *parts);
/* The length of the Unicode white space at the start of a text; 0 when there is none. */
size_t spec_space(struct str text);
/* Cuts the next field off a text; false at its end. */
bool spec_next_field(struct str *text, struct str *field);

/* "*", "1,5-10/2" and so on, as getField reads it. */
bool field_parse(struct str text, enum field_id id, uint64_t *bits, struct fault *fault);

bool spec_parse(struct str spec, const struct cron_zone *controller_zone, struct cron_schedule *schedule,
                struct fault *fault);
/* As arena_quote, cut after `limit` bytes so that a message stays one line. */
struct str spec_quote(struct arena *arena, struct str text, size_t limit);
int64_t fault_position(struct str spec, const struct fault *fault);
/* Fills the error with our own words for a fault: what is wrong and what to write instead. */
void advice_write(struct str spec, const struct fault *fault, struct error *error);

#endif
