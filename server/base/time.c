/* Times as Unix seconds and their RFC 3339 text; durations as Go's time.ParseDuration reads them, since that is what
 * Velero's and kcm's fields hold. */
#include <stdio.h>
#include <time.h>

#include "backstop/base.h"

enum { SECONDS_PER_DAY = 86400 };

int64_t time_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

int64_t time_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

void time_sleep_ms(int64_t milliseconds)
{
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * NS_PER_MS}, NULL);
}

void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t monotonic_ns)
{
    const struct timespec until = {monotonic_ns / NS_PER_SECOND, monotonic_ns % NS_PER_SECOND};
    return pthread_cond_timedwait(cond, lock, &until) == 0;
}

/* Days and civil dates by eras of 400 years, which all have the same length;
 * years are taken from March on so that the leap day is the last. */
int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

struct civil civil_from_unix(int64_t unix_seconds)
{
    int64_t days = unix_seconds / SECONDS_PER_DAY;
    int64_t second = unix_seconds % SECONDS_PER_DAY;
    if (second < 0) {
        second += SECONDS_PER_DAY;
        days--;
    }
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    return (struct civil){
        .year = year_of_era + era * 400 + (month <= 2),
        .month = month,
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
        .hour = (int)(second / 3600),
        .minute = (int)(second / 60 % 60),
        .second = (int)(second % 60),
        .weekday = (int)(((days + 4) % 7 + 7) % 7), /* 1970-01-01 was a Thursday */
    };
}

int64_t unix_from_civil(const struct civil *civil)
{
    return days_from_civil(civil->year, civil->month, civil->day) * SECONDS_PER_DAY + civil->hour * 3600 +
           civil->minute * 60 + civil->second;
}

const char *time_format(int64_t unix_seconds, int offset_seconds, char out[TIME_TEXT_SIZE])
{
    struct civil c = civil_from_unix(unix_seconds + offset_seconds);
    int length = snprintf(out, TIME_TEXT_SIZE, "%04lld-%02d-%02dT%02d:%02d:%02d", (long long)c.year, c.month, c.day,
                          c.hour, c.minute, c.second);
    int minutes = (offset_seconds < 0 ? -offset_seconds : offset_seconds) / 60;
    if (offset_seconds == 0)
        snprintf(out + length, (size_t)(TIME_TEXT_SIZE - length), "Z");
    else
        snprintf(out + length, (size_t)(TIME_TEXT_SIZE - length), "%c%02d:%02d", offset_seconds < 0 ? '-' : '+',
                 minutes / 60, minutes % 60);
    return out;
}

/* Takes exactly `digits` digits off the front. */
static bool time_take_number(struct str *text, size_t digits, int *out)
{
    int64_t value;
    if (text->len < digits || !str_to_int64(str_slice(*text, 0, digits), &value))
        return false;
    *text = str_slice(*text, digits, text->len);
    *out = (int)value;
    return true;
}

static bool take_char(struct str *text, const char *allowed)
{
    for (; text->len && *allowed; allowed++)
        if (text->ptr[0] == *allowed) {
            *text = str_slice(*text, 1, text->len);
            return true;
        }
    return false;
}

/* RFC 3339 allows "t" and "z" in lower case. A missing leading zero and a leap second (60) are
 * refused, as by Go's time.Parse. */
static bool take_date_time(struct str *text, struct civil *c)
{
    int year;
    if (!time_take_number(text, 4, &year) || !take_char(text, "-") || !time_take_number(text, 2, &c->month) ||
        !take_char(text, "-") || !time_take_number(text, 2, &c->day) || !take_char(text, "Tt") ||
        !time_take_number(text, 2, &c->hour) || !take_char(text, ":") || !time_take_number(text, 2, &c->minute) ||
        !take_char(text, ":") || !time_take_number(text, 2, &c->second))
        return false;
    c->year = year;
    return c->hour <= 23 && c->minute <= 59 && c->second <= 59;
}

static bool time_take_offset(struct str *text, int *seconds)
{
    int hours, minutes, sign = text->len && text->ptr[0] == '-' ? -1 : 1;
    *seconds = 0;
    if (take_char(text, "Zz"))
        return true;
    if (!take_char(text, "+-") || !time_take_number(text, 2, &hours) || !take_char(text, ":") ||
        !time_take_number(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

/* The 31st of a short month comes back as a day of the next one. */
static bool is_date(const struct civil *c)
{
    if (c->month < 1 || c->month > 12 || c->day < 1)
        return false;
    struct civil back = civil_from_unix(days_from_civil(c->year, c->month, c->day) * SECONDS_PER_DAY);
    return back.month == c->month && back.day == c->day;
}

/* Fractions are checked and dropped: no decision here is finer than a second. */
bool time_parse(struct str text, int64_t *unix_seconds)
{
    struct civil c = {0};
    int offset, digit;
    if (!take_date_time(&text, &c) || !is_date(&c))
        return false;
    if (take_char(&text, ".")) {
        if (!time_take_number(&text, 1, &digit))
            return false;
        while (time_take_number(&text, 1, &digit))
            continue;
    }
    if (!time_take_offset(&text, &offset) || text.len)
        return false;
    *unix_seconds = unix_from_civil(&c) - offset;
    return true;
}

static const struct {
    struct str name;
    uint64_t nanoseconds;
} units[] = {
    {STR_INIT("ns"), 1},
    {STR_INIT("us"), 1000},
    {STR_INIT("\xc2\xb5s"), 1000}, /* U+00B5 micro sign */
    {STR_INIT("\xce\xbcs"), 1000}, /* U+03BC Greek mu */
    {STR_INIT("ms"), 1000000},
    {STR_INIT("s"), 1000000000},
    {STR_INIT("m"), UINT64_C(60) * 1000000000},
    {STR_INIT("h"), UINT64_C(3600) * 1000000000},
};

/* Go's durations are int64 nanoseconds; 2^63 is allowed on the way, for the most negative one. */
static const uint64_t OVERFLOWED = UINT64_C(1) << 63;

static bool is_digit(struct str text)
{
    return text.len && text.ptr[0] >= '0' && text.ptr[0] <= '9';
}

/* Go's leadingInt: false when the whole part passes 2^63. */
static bool take_whole(struct str *text, uint64_t *value)
{
    for (*value = 0; is_digit(*text); *text = str_slice(*text, 1, text->len)) {
        if (*value > OVERFLOWED / 10)
            return false;
        *value = *value * 10 + (uint64_t)(text->ptr[0] - '0');
        if (*value > OVERFLOWED)
            return false;
    }
    return true;
}

/* Go's leadingFraction: digits that no longer fit are read and dropped. */
static void take_fraction(struct str *text, uint64_t *value, double *scale)
{
    bool full = false;
    for (*value = 0, *scale = 1; is_digit(*text); *text = str_slice(*text, 1, text->len)) {
        if (full)
            continue;
        uint64_t next = *value * 10 + (uint64_t)(text->ptr[0] - '0');
        if (*value > (OVERFLOWED - 1) / 10 || next > OVERFLOWED) {
            full = true;
            continue;
        }
        *value = next;
        *scale *= 10;
    }
}

/* Everything up to the next digit or point, whatever it is: "1 d" has the unit " d". The message
 * quotes it so. */
static struct str take_unit(struct str *text)
{
    size_t length = 0;
    while (length < text->len && text->ptr[length] != '.' && !is_digit(str_slice(*text, length, text->len)))
        length++;
    struct str unit = str_slice(*text, 0, length);
    *text = str_slice(*text, length, text->len);
    return unit;
}

/* Go's quote(): enough of it for one line of text. */
static void duration_quote(char *out, size_t size, struct str text)
{
    size_t used = 0;
    out[used++] = '"';
    for (size_t i = 0; i < text.len && used + 8 < size; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\')
            used += (size_t)snprintf(out + used, size - used, "\\%c", c);
        else if (c < ' ' || c >= 0x7f)
            used += (size_t)snprintf(out + used, size - used, "\\x%02x", c);
        else
            out[used++] = (char)c;
    }
    snprintf(out + used, size - used, "\"");
}

static bool duration_invalid(struct error *error, const char *what, struct str whole)
{
    char quoted[400];
    duration_quote(quoted, sizeof quoted, whole);
    return error_set(error, 422, "time: %s %s", what, quoted);
}

/* One number with its unit, added to *sum. The order of the checks and the texts are
 * time.ParseDuration's (go/src/time/format.go), since the messages are compared with what
 * Velero's and kcm's logs say. */
static bool take_component(struct str *text, struct str whole, uint64_t *sum, struct error *error)
{
    uint64_t value, fraction = 0;
    double scale = 1;
    if (text->ptr[0] != '.' && !is_digit(*text))
        return duration_invalid(error, "invalid duration", whole);
    bool before = is_digit(*text), after = false;
    if (!take_whole(text, &value))
        return duration_invalid(error, "invalid duration", whole);
    if (text->len && text->ptr[0] == '.') {
        *text = str_slice(*text, 1, text->len);
        after = is_digit(*text);
        take_fraction(text, &fraction, &scale);
    }
    if (!before && !after)
        return duration_invalid(error, "invalid duration", whole);
    struct str unit = take_unit(text);
    if (unit.len == 0)
        return duration_invalid(error, "missing unit in duration", whole);
    for (size_t i = 0; i < LENGTH_OF(units); i++) {
        if (!str_eq(unit, units[i].name))
            continue;
        if (value > OVERFLOWED / units[i].nanoseconds)
            return duration_invalid(error, "invalid duration", whole);
        value *= units[i].nanoseconds;
        if (fraction > 0)
            value += (uint64_t)((double)fraction * ((double)units[i].nanoseconds / scale));
        if (value > OVERFLOWED || (*sum += value) > OVERFLOWED)
            return duration_invalid(error, "invalid duration", whole);
        return true;
    }
    char quoted[200], whole_quoted[400];
    duration_quote(quoted, sizeof quoted, unit);
    duration_quote(whole_quoted, sizeof whole_quoted, whole);
    return error_set(error, 422, "time: unknown unit %s in duration %s", quoted, whole_quoted);
}

/* "0" alone needs no unit, and no other number goes without one. */
bool duration_parse(struct str text, int64_t *nanoseconds, struct error *error)
{
    struct str whole = text;
    bool negative = text.len && text.ptr[0] == '-';
    if (text.len && (text.ptr[0] == '-' || text.ptr[0] == '+'))
        text = str_slice(text, 1, text.len);
    *nanoseconds = 0;
    if (str_is(text, "0"))
        return true;
    if (text.len == 0)
        return duration_invalid(error, "invalid duration", whole);
    uint64_t sum = 0;
    while (text.len)
        if (!take_component(&text, whole, &sum, error))
            return false;
    if (negative) {
        *nanoseconds = sum == OVERFLOWED ? INT64_MIN : -(int64_t)sum;
        return true;
    }
    if (sum > OVERFLOWED - 1)
        return duration_invalid(error, "invalid duration", whole);
    *nanoseconds = (int64_t)sum;
    return true;
}

/* For people only; nothing parses it back. Two units at most, since "3d4h" is as exact as
 * anybody reads, and a zero between them is left out ("1h" for 1h0m5s). */
const char *duration_format(int64_t seconds, char out[TIME_TEXT_SIZE])
{
    static const struct {
        int64_t seconds;
        char name;
    } parts[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    uint64_t left = seconds < 0 ? 0 - (uint64_t)seconds : (uint64_t)seconds;
    int used = seconds < 0 ? snprintf(out, TIME_TEXT_SIZE, "-") : 0;
    int printed = 0;
    for (size_t i = 0; i < LENGTH_OF(parts) && printed < 2; i++) {
        uint64_t count = left / (uint64_t)parts[i].seconds;
        left %= (uint64_t)parts[i].seconds;
        if (count > 0)
            used += snprintf(out + used, (size_t)(TIME_TEXT_SIZE - used), "%llu%c", (unsigned long long)count,
                             parts[i].name);
        printed += count > 0 || printed > 0;
    }
    if (printed == 0)
        snprintf(out, TIME_TEXT_SIZE, "0s");
    return out;
}
