/* Clocks and RFC 3339 text. Calendar arithmetic is done here: no locale, no time zone data. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define DAY_MS INT64_C(86400000)
#define YEAR_0_MS (INT64_C(-719528) * DAY_MS)            /* 0000-01-01 */
#define YEAR_9999_END_MS (INT64_C(2932897) * DAY_MS - 1) /* 9999-12-31T23:59:59.999 */

/* Frozen clocks of a test. Atomic because every thread reads the time. */
static _Atomic int64_t fake_wall_ms, fake_mono_ns;
static atomic_int fake_on;

void clock_fake(int64_t wall_ms, int64_t mono_ns)
{
    atomic_store(&fake_wall_ms, wall_ms);
    atomic_store(&fake_mono_ns, mono_ns);
    atomic_store(&fake_on, wall_ms != 0 || mono_ns != 0);
}

int64_t clock_wall_ms(void)
{
    struct timespec now;

    if (atomic_load(&fake_on))
        return atomic_load(&fake_wall_ms);
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_mono_ns(void)
{
    struct timespec now;

    if (atomic_load(&fake_on))
        return atomic_load(&fake_mono_ns);
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Days since 1970-01-01 of a proleptic Gregorian date; eras of 400 years starting in March. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static void date_of_days(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2 ? 1 : 0));
}

void clock_iso8601(int64_t wall_ms, char out[25])
{
    char text[80];
    int64_t days, rest;
    int year, month, day, i;

    if (wall_ms < YEAR_0_MS)
        wall_ms = YEAR_0_MS;
    if (wall_ms > YEAR_9999_END_MS)
        wall_ms = YEAR_9999_END_MS;
    days = wall_ms / DAY_MS;
    rest = wall_ms % DAY_MS;
    if (rest < 0) {
        days--;
        rest += DAY_MS;
    }
    date_of_days(days, &year, &month, &day);
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", year, month, day,
             (int)(rest / 3600000), (int)(rest / 60000 % 60), (int)(rest / 1000 % 60),
             (int)(rest % 1000));
    for (i = 0; i < 24; i++)
        out[i] = text[i];
    out[24] = '\0';
}

/* Reads exactly n digits; -1 when there are fewer. */
static int take_digits(const char **at, int n)
{
    int value = 0;

    for (int i = 0; i < n; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

static int take_char(const char **at, char c)
{
    if (**at != c)
        return 0;
    (*at)++;
    return 1;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

static int take_date(const char **at, int64_t *days)
{
    int year = take_digits(at, 4);
    int month, day;

    if (year < 0 || !take_char(at, '-'))
        return 0;
    month = take_digits(at, 2);
    if (month < 1 || month > 12 || !take_char(at, '-'))
        return 0;
    day = take_digits(at, 2);
    if (day < 1 || day > days_in_month(year, month))
        return 0;
    *days = days_of_date(year, month, day);
    return 1;
}

/* hh:mm:ss with an optional fraction, in ms since midnight. Digits beyond milliseconds are dropped.
 */
static int take_time(const char **at, int64_t *day_ms)
{
    int hour, minute, second;
    int64_t scale = 100, ms = 0;

    hour = take_digits(at, 2);
    if (hour < 0 || hour > 23 || !take_char(at, ':'))
        return 0;
    minute = take_digits(at, 2);
    if (minute < 0 || minute > 59 || !take_char(at, ':'))
        return 0;
    second = take_digits(at, 2);
    if (second < 0 || second > 60) /* 60: a leap second */
        return 0;
    if (take_char(at, '.')) {
        if (**at < '0' || **at > '9')
            return 0;
        for (; **at >= '0' && **at <= '9'; (*at)++, scale /= 10)
            ms += (**at - '0') * scale;
    }
    *day_ms = ((int64_t)hour * 3600 + minute * 60 + second) * 1000 + ms;
    return 1;
}

static int take_offset(const char **at, int64_t *offset_ms)
{
    int sign, hour, minute;

    if (take_char(at, 'Z') || take_char(at, 'z')) {
        *offset_ms = 0;
        return 1;
    }
    sign = **at == '-' ? -1 : 1;
    if (!take_char(at, '+') && !take_char(at, '-'))
        return 0;
    hour = take_digits(at, 2);
    if (hour < 0 || hour > 23 || !take_char(at, ':'))
        return 0;
    minute = take_digits(at, 2);
    if (minute < 0 || minute > 59)
        return 0;
    *offset_ms = sign * ((int64_t)hour * 60 + minute) * 60000;
    return 1;
}

int clock_parse_iso8601(const char *text, int64_t *wall_ms)
{
    int64_t days, day_ms, offset_ms;
    const char *at = text;

    if (!take_date(&at, &days))
        return 0;
    if (!take_char(&at, 'T') && !take_char(&at, 't') && !take_char(&at, ' '))
        return 0;
    if (!take_time(&at, &day_ms) || !take_offset(&at, &offset_ms) || *at != '\0')
        return 0;
    *wall_ms = days * DAY_MS + day_ms - offset_ms;
    return 1;
}
