/* Output: errors, JSON lines, records, tables. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/ctl/ctl.h"
#include "core/ctl/render.h"
#include "core/json/json.h"

void ctl_error(const char *fmt, ...)
{
    va_list args;

    fflush(stdout);
    fputs("lathectl: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

int ctl_fail(const struct ctl *ctl, const char *code, const char *fmt, ...)
{
    struct strbuf text;
    json_t *line;
    va_list args;

    strbuf_init(&text);
    va_start(args, fmt);
    strbuf_vaddf(&text, fmt, args);
    va_end(args);
    if (ctl->json) {
        line = json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", text.data);
        ctl_print_json(line);
        json_decref(line);
    }
    ctl_error("%s", text.data);
    strbuf_fini(&text);
    return CTL_FAILED;
}

void ctl_print_json(const json_t *value)
{
    char *text = value ? json_dup_text(value, 0, NULL) : NULL;

    puts(text ? text : "null");
    fflush(stdout);
    mem_free(text);
}

void ctl_print_record(const json_t *record)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)record, key, value)
    {
        char *text = NULL;

        if (!json_is_string(value))
            text = json_dup_text(value, 0, NULL);
        printf("%-18s %s\n", key, text ? text : json_string_value(value));
        mem_free(text);
    }
}

void ctl_table_row(struct ctl_table *table, int n_columns, const char *const *cells)
{
    size_t need;
    char **grown;
    int i, cap;

    table->n_columns = n_columns;
    if (table->n_rows == table->cap_rows) {
        cap = table->cap_rows ? 2 * table->cap_rows : 16;
        if (!size_mul((size_t)cap, (size_t)n_columns, &need) ||
            !(grown = mem_realloc(table->cell, need, sizeof *grown)))
            return;
        table->cap_rows = cap;
        table->cell = grown;
    }
    for (i = 0; i < n_columns; i++)
        table->cell[table->n_rows * n_columns + i] = mem_strdup(cells[i] ? cells[i] : "");
    table->n_rows++;
}

void ctl_table_print(struct ctl_table *table)
{
    int row, column, r, n = table->n_columns;

    for (row = 0; row < table->n_rows; row++) {
        for (column = 0; column < n; column++) {
            const char *cell = table->cell[row * n + column];
            int widest = 0, mine;

            for (r = 0; r < table->n_rows; r++) {
                mine = render_width(table->cell[r * n + column]);
                widest = mine > widest ? mine : widest;
            }
            fputs(cell ? cell : "", stdout);
            if (column + 1 < n)
                printf("%*s", widest - render_width(cell) + 2, "");
        }
        putchar('\n');
    }
    for (row = 0; row < table->n_rows * n; row++)
        mem_free(table->cell[row]);
    mem_free(table->cell);
    memset(table, 0, sizeof *table);
}
