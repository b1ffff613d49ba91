/* SPDX-License-Identifier: Apache-2.0 */
/* Writes to a storage until it is killed, and says on standard output what was made durable.
 * Argument 1 is the plugin, 2 the directory. Two documents and a series always hold the same
 * number. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/storage/tests/storage_fixture.h"

static int write_group(struct fixture *f, int64_t i)
{
    const struct lathe_series_point p = {i, (double)i};
    const struct lathe_series_chunk chunk = {sizeof chunk, 1, "run/x", &p};
    const struct lathe_series_chunk *chunks[] = {&chunk};
    char json[64];

    snprintf(json, sizeof json, "{\"n\":%" PRId64 "}", i);
    return f->vtable->begin(f->self, NULL) == LATHE_OK &&
           fixture_put(f, "things", "left", LATHE_REV_ANY, json, NULL) == LATHE_OK &&
           f->series->append(f->self, chunks, 1, NULL) == LATHE_OK &&
           fixture_put(f, "things", "right", LATHE_REV_ANY, json, NULL) == LATHE_OK &&
           f->vtable->commit(f->self, NULL) == LATHE_OK;
}

int main(int argc, char **argv)
{
    struct fixture f = {0};
    struct lathe_error err = {0};
    struct lathe_storage_doc doc = {.struct_size = sizeof doc};
    int64_t i = 0;

    if (argc != 3 || !fixture_load(&f, argv[1]))
        return 2;
    snprintf(f.dir, sizeof f.dir, "%s", argv[2]);
    if (fixture_open(&f, &err) != LATHE_OK || fixture_declare(&f, "things") != LATHE_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (f.vtable->get(f.self, "things", "left", &doc, NULL) == LATHE_OK)
        i = strtoll(doc.json + strlen("{\"n\":"), NULL, 10);
    for (;;) {
        if (!write_group(&f, ++i))
            return 1;
        printf("%" PRId64 "\n", i);
        fflush(stdout);
    }
}
