/* Violations: collecting, ordering as the value is ordered, printing. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/json/schema_node.h"

static void drop(struct schema_violation *violation)
{
    json_decref(violation->path);
    json_decref(violation->limit);
    json_decref(violation->value);
}

void schema_report_init(struct schema_report *report)
{
    memset(report, 0, sizeof *report);
}

void schema_report_fini(struct schema_report *report)
{
    for (size_t i = 0; i < report->n; i++)
        drop(&report->items[i]);
    mem_free(report->items);
    schema_report_init(report);
}

/* Takes the references of violation, also on failure. */
int32_t report_add(struct schema_report *report, size_t max,
                   const struct schema_violation *violation)
{
    struct schema_violation copy = *violation;

    if (report->n == max) {
        report->truncated = 1;
        drop(&copy);
        return LATHE_OK;
    }
    if (report->n == report->cap) {
        size_t cap = report->cap == 0 ? 8 : 2 * report->cap;
        struct schema_violation *items = mem_realloc(report->items, cap, sizeof *items);
        if (items == NULL) {
            drop(&copy);
            return LATHE_E_NOMEM;
        }
        report->items = items;
        report->cap = cap;
    }
    report->items[report->n++] = copy;
    return LATHE_OK;
}

int32_t report_move(struct schema_report *to, size_t max, struct schema_report *from)
{
    int32_t st = LATHE_OK;

    for (size_t i = 0; i < from->n; i++) {
        int32_t one = report_add(to, max, &from->items[i]);
        if (st == LATHE_OK)
            st = one;
    }
    to->truncated |= from->truncated;
    from->n = 0;
    return st;
}

json_t *place_path(const struct place *place)
{
    json_t *path = json_array();

    for (; path != NULL && place->up != NULL; place = place->up) {
        json_t *token =
            place->name != NULL ? json_string(place->name) : json_integer((json_int_t)place->index);
        if (json_array_insert_new(path, 0, token) != 0) {
            json_decref(path);
            return NULL;
        }
    }
    return path;
}

/* Which of two names stands first in object; absent ones come last and are then equal. */
static int compare_names(const json_t *object, const char *a, const char *b)
{
    union {
        const json_t *in;
        json_t *out;
    } pun = {object};
    const char *name;
    json_t *value;

    json_object_foreach(pun.out, name, value)
    {
        (void)value;
        if (strcmp(name, a) == 0)
            return -1;
        if (strcmp(name, b) == 0)
            return 1;
    }
    return 0;
}

static int compare_paths(const json_t *root, const json_t *a, const json_t *b)
{
    size_t n_a = json_array_size(a), n_b = json_array_size(b);

    for (size_t i = 0; i < n_a && i < n_b; i++) {
        const json_t *x = json_array_get(a, i);
        const json_t *y = json_array_get(b, i);

        if (json_is_integer(x) && json_is_integer(y)) {
            if (json_integer_value(x) != json_integer_value(y))
                return json_integer_value(x) < json_integer_value(y) ? -1 : 1;
            root = json_array_get(root, (size_t)json_integer_value(x));
        } else if (json_is_string(x) && json_is_string(y)) {
            if (strcmp(json_string_value(x), json_string_value(y)) != 0)
                return compare_names(root, json_string_value(x), json_string_value(y));
            root = json_object_get(root, json_string_value(x));
        }
    }
    return n_a < n_b ? -1 : n_a > n_b;
}

/* Insertion sort: stable, and the input is nearly sorted. */
void report_sort(struct schema_report *report, const json_t *root)
{
    for (size_t i = 1; i < report->n; i++) {
        struct schema_violation moved = report->items[i];
        size_t at = i;

        while (at > 0 && compare_paths(root, report->items[at - 1].path, moved.path) > 0) {
            report->items[at] = report->items[at - 1];
            at--;
        }
        report->items[at] = moved;
    }
}

char *schema_violation_text(const struct schema_violation *violation, char *out, size_t cap)
{
    struct strbuf text;

    strbuf_init(&text);
    for (size_t i = 0; i < json_array_size(violation->path); i++) {
        const json_t *token = json_array_get(violation->path, i);
        if (json_is_string(token))
            strbuf_addf(&text, "/%s", json_string_value(token));
        else
            strbuf_addf(&text, "/%lld", (long long)json_integer_value(token));
    }
    if (text.len_bytes != 0)
        strbuf_adds(&text, ": ");
    strbuf_adds(&text, violation->message);
    snprintf(out, cap, "%s", text.data);
    strbuf_fini(&text);
    return out;
}
