/* Times, folding, the map of names. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/twin/twin.h"

int id_is_valid(const char *text)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static const char more[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    size_t len = strlen(text);

    return len > 0 && len <= 128 && strspn(text, first) > 0 && strspn(text, more) == len;
}

int64_t now_us(const struct tw *tw)
{
    return tw->kit.clock->wall_ms(tw->kit.clock) * 1000;
}

/* ---- times ---- */

/* Days since 1970 of a date of the proleptic Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, era = y / 400, in_era = y - era * 400;
    int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static int digits(const char **at, int n, int64_t *out)
{
    *out = 0;
    for (; n > 0; n--, (*at)++) {
        if (**at < '0' || **at > '9')
            return 0;
        *out = *out * 10 + (**at - '0');
    }
    return 1;
}

static int token(const char **at, const char *set)
{
    if (**at == '\0' || !strchr(set, **at))
        return 0;
    (*at)++;
    return 1;
}

/* "Z" or "+02:00", in microseconds to take away. */
static int offset_parse(const char **at, int64_t *us)
{
    int64_t h, m, sign;

    *us = 0;
    if (token(at, "Zz"))
        return 1;
    if (**at != '+' && **at != '-' && **at != ' ')
        return 0;
    sign = **at == '-' ? -1 : 1; /* a plus sign in a query arrives as a blank */
    (*at)++;
    if (!digits(at, 2, &h) || !token(at, ":") || !digits(at, 2, &m) || h > 23 || m > 59)
        return 0;
    *us = sign * (h * 60 + m) * 60000000;
    return 1;
}

static int date_is_valid(int64_t y, int64_t m, int64_t d)
{
    static const int8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return y >= 1 && m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] &&
           (m != 2 || d < 29 || (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)));
}

int time_parse(const char *text, int64_t *us)
{
    int64_t y, mo, d, h, mi, s, fraction = 0, offset;
    const char *at = text;
    int places = 0;

    if (!digits(&at, 4, &y) || !token(&at, "-") || !digits(&at, 2, &mo) || !token(&at, "-") ||
        !digits(&at, 2, &d) || !token(&at, "Tt") || !digits(&at, 2, &h) || !token(&at, ":") ||
        !digits(&at, 2, &mi) || !token(&at, ":") || !digits(&at, 2, &s))
        return 0;
    if (!date_is_valid(y, mo, d) || h > 23 || mi > 59 || s > 60)
        return 0;
    if (token(&at, ".")) {
        for (; *at >= '0' && *at <= '9'; at++, places++)
            if (places < 6)
                fraction = fraction * 10 + (*at - '0');
        if (places == 0 || places > 9)
            return 0;
        for (; places < 6; places++)
            fraction *= 10;
    }
    if (!offset_parse(&at, &offset) || *at != '\0')
        return 0;
    if (s == 60) { /* a leap second is the end of its minute */
        s = 59;
        fraction = 999999;
    }
    *us = ((days_of(y, mo, d) * 24 + h) * 60 + mi) * 60000000 + s * 1000000 + fraction - offset;
    return 1;
}

void time_text(char out[40], int64_t us)
{
    int64_t day = us / 86400000000, rest = us % 86400000000, era, doe, yoe, doy, mp, y, m, d;
    int fraction, n;

    if (rest < 0) {
        rest += 86400000000;
        day--;
    }
    day += 719468;
    era = (day >= 0 ? day : day - 146096) / 146097;
    doe = day - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    d = doy - (153 * mp + 2) / 5 + 1;
    m = mp < 10 ? mp + 3 : mp - 9;
    y = yoe + era * 400 + (m <= 2);
    n = snprintf(out, 40, "%04d-%02d-%02dT%02d:%02d:%02d", (int)y, (int)m, (int)d,
                 (int)(rest / 3600000000), (int)(rest / 60000000 % 60), (int)(rest / 1000000 % 60));
    fraction = (int)(rest % 1000000);
    if (n < 0 || n > 30)
        n = 0;
    if (fraction % 1000)
        snprintf(out + n, 40 - (size_t)n, ".%06dZ", fraction);
    else if (fraction)
        snprintf(out + n, 40 - (size_t)n, ".%03dZ", fraction / 1000);
    else
        snprintf(out + n, 40 - (size_t)n, "Z");
}

void jw_us(struct jw *w, const char *name, int64_t us)
{
    char text[40];

    if (!us) {
        jw_null(w, name);
        return;
    }
    time_text(text, us);
    jw_str(w, name, text);
}

void jw_bound(struct jw *w, const char *name, const struct bound *b)
{
    if (b->is_set)
        jw_num(w, name, b->value);
    else
        jw_null(w, name);
}

/* ---- text ---- */

static uint32_t lower(uint32_t c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
        (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f))
        return c + 32;
    if (c >= 0x400 && c <= 0x40f)
        return c + 80;
    if ((c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177))
        return c | 1u;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
        return (c & 1u) ? c + 1 : c;
    return c;
}

void fold(const char *text, struct text *out)
{
    const unsigned char *at = (const unsigned char *)text;
    char two[2];
    uint32_t c;

    for (; *at; at++) {
        if ((*at & 0xe0) == 0xc0 && (at[1] & 0xc0) == 0x80) {
            c = lower(((*at & 0x1fu) << 6) | (at[1] & 0x3fu));
            two[0] = (char)(0xc0 | (c >> 6));
            two[1] = (char)(0x80 | (c & 0x3f));
            text_add(out, two, 2);
            at++;
        } else {
            two[0] = (char)(*at < 0x80 ? lower(*at) : *at);
            text_add(out, two, 1);
        }
    }
}

int list_has(const char *list, const char *word)
{
    size_t len = strlen(word), n;

    for (; *list; list += n + (list[n] == ',')) {
        while (*list == ' ')
            list++;
        n = strcspn(list, ",");
        if (n == len && !memcmp(list, word, len))
            return 1;
    }
    return 0;
}

/* ---- map ---- */

static size_t hash(const char *key)
{
    uint64_t h = 1469598103934665603u;

    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211u;
    return (size_t)(h ^ (h >> 29));
}

static struct map_slot *slot_of(const struct map *map, const char *key)
{
    size_t i = hash(key) & (map->cap - 1);

    while (map->slots[i].key && strcmp(map->slots[i].key, key) != 0)
        i = (i + 1) & (map->cap - 1);
    return &map->slots[i];
}

void *map_get(const struct map *map, const char *key)
{
    return map->cap ? slot_of(map, key)->value : NULL;
}

static int map_grow(struct map *map)
{
    struct map wider = {.cap = map->cap ? map->cap * 2 : 64};
    size_t i;

    if (!(wider.slots = calloc(wider.cap, sizeof *wider.slots)))
        return 0;
    for (i = 0; i < map->cap; i++)
        if (map->slots[i].key)
            *slot_of(&wider, map->slots[i].key) = map->slots[i];
    free(map->slots);
    map->slots = wider.slots;
    map->cap = wider.cap;
    return 1;
}

int map_put(struct map *map, const char *key, void *value)
{
    struct map_slot *slot;

    if ((map->n + 1) * 4 > map->cap * 3 && !map_grow(map))
        return 0;
    slot = slot_of(map, key);
    map->n += slot->key == NULL;
    slot->key = key;
    slot->value = value;
    return 1;
}

void map_remove(struct map *map, const char *key)
{
    struct map_slot *slot, moved;
    size_t i;

    if (!map->cap || !(slot = slot_of(map, key))->key)
        return;
    slot->key = NULL;
    slot->value = NULL;
    map->n--;
    /* what was pushed past the hole moves back */
    for (i = ((size_t)(slot - map->slots) + 1) & (map->cap - 1); map->slots[i].key;
         i = (i + 1) & (map->cap - 1)) {
        moved = map->slots[i];
        map->slots[i].key = NULL;
        map->slots[i].value = NULL;
        *slot_of(map, moved.key) = moved;
    }
}

void map_fini(struct map *map)
{
    free(map->slots);
    memset(map, 0, sizeof *map);
}
