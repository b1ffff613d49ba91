/* Output: errors, JSON lines, tables. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/ctl/ctl.h"
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

void ctl_print_json(const json_t *value)
{
    char *text = json_dup_text(value, 0, NULL);

    puts(text ? text : "null");
    fflush(stdout);
    mem_free(text);
}

void ctl_table_row(struct ctl_table *table, int n_columns, const char *const *cells)
{
    size_t need;
    char **grown;
    int i;

    table->n_columns = n_columns;
    if (table->n_rows == table->cap_rows) {
        table->cap_rows = table->cap_rows ? 2 * table->cap_rows : 16;
        if (!size_mul((size_t)table->cap_rows, (size_t)n_columns, &need) ||
            !(grown = mem_realloc(table->cell, need, sizeof *grown))) {
            table->cap_rows = table->n_rows;
            return;
        }
        table->cell = grown;
    }
    for (i = 0; i < n_columns; i++)
        table->cell[table->n_rows * n_columns + i] = mem_strdup(cells[i] ? cells[i] : "");
    table->n_rows++;
}

/* Columns of text on a terminal: bytes that do not continue a UTF-8 character. */
static int width(const char *s)
{
    int n = 0;

    for (; s && *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

void ctl_table_print(struct ctl_table *table)
{
    int row, column, n = table->n_columns;

    for (row = 0; row < table->n_rows; row++) {
        for (column = 0; column < n; column++) {
            const char *cell = table->cell[row * n + column];
            int widest = 0, r, mine;

            for (r = 0; r < table->n_rows; r++) {
                mine = width(table->cell[r * n + column]);
                widest = mine > widest ? mine : widest;
            }
            fputs(cell ? cell : "", stdout);
            if (column + 1 < n)
                printf("%*s", widest - width(cell) + 2, "");
        }
        putchar('\n');
    }
    for (row = 0; row < table->n_rows * n; row++)
        mem_free(table->cell[row]);
    mem_free(table->cell);
    memset(table, 0, sizeof *table);
}
