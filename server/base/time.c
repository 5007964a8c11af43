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
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
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

static bool is_date(const struct civil *c)
{
    if (c->month < 1 || c->month > 12 || c->day < 1)
        return false;
    struct civil back = civil_from_unix(days_from_civil(c->year, c->month, c->day) * SECONDS_PER_DAY);
    return back.month == c->month && back.day == c->day;
}

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
