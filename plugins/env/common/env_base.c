/* Rows, generators, resets and snapshots of the environment plugins. Holds no dynamics. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/env_base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int32_t env_fail(struct lathe_error *err, int32_t code, const char *field, const char *fmt, ...)
{
    va_list args;

    if (err == NULL)
        return code;
    err->code = code;
    (void)snprintf(err->field, sizeof err->field, "%s", field);
    va_start(args, fmt);
    (void)vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return code;
}

void *env_alloc(size_t n, size_t size)
{
    size_t bytes;
    void *p;

    if (size != 0 && n > (SIZE_MAX - 63) / size)
        return NULL;
    bytes = (n * size + 63) & ~(size_t)63;
    if (bytes == 0)
        bytes = 64;
    if ((p = aligned_alloc(64, bytes)) != NULL)
        memset(p, 0, bytes);
    return p;
}

/* Snapshot of a row: the generator, then the doubles, then the integers. */
static uint32_t row_bytes(const struct env_base *b)
{
    return (uint32_t)sizeof(struct lathe_pcg64) + 8 * b->n_f64 + 8 * ((b->n_i32 + 1) / 2);
}

static int32_t snapshot_get(void *batch, uint32_t first, uint32_t count, void *buffer)
{
    const struct env_base *b = batch;
    unsigned char *out = buffer;

    if (first > b->n_envs || count > b->n_envs - first)
        return LATHE_E_INVALID;
    memset(out, 0, (size_t)count * b->snapshot.row_bytes);
    for (uint32_t i = first; i < first + count; i++, out += b->snapshot.row_bytes) {
        unsigned char *p = out;
        memcpy(p, &b->rng[i], sizeof b->rng[i]);
        p += sizeof b->rng[i];
        for (uint32_t k = 0; k < b->n_f64; k++, p += 8)
            memcpy(p, &b->f64[k][i], 8);
        for (uint32_t k = 0; k < b->n_i32; k++, p += 4)
            memcpy(p, &b->i32[k][i], 4);
    }
    return LATHE_OK;
}

static int32_t snapshot_set(void *batch, uint32_t first, uint32_t count, const void *buffer)
{
    struct env_base *b = batch;
    const unsigned char *in = buffer;

    if (first > b->n_envs || count > b->n_envs - first)
        return LATHE_E_INVALID;
    for (uint32_t i = 0; i < count; i++) {
        const unsigned char *p = in + (size_t)i * b->snapshot.row_bytes;
        struct lathe_pcg64 rng;
        uint32_t state = 0;
        memcpy(&rng, p, sizeof rng);
        if (b->n_states != 0)
            memcpy(&state, p + sizeof rng + 8 * (size_t)b->n_f64, 4);
        if ((rng.inc_lo & 1u) == 0 || rng.has_half > 1 ||
            (b->n_states != 0 && state >= b->n_states))
            return LATHE_E_CORRUPT; /* no row was ever in this state */
    }
    for (uint32_t i = first; i < first + count; i++, in += b->snapshot.row_bytes) {
        const unsigned char *p = in;
        memcpy(&b->rng[i], p, sizeof b->rng[i]);
        p += sizeof b->rng[i];
        for (uint32_t k = 0; k < b->n_f64; k++, p += 8)
            memcpy(&b->f64[k][i], p, 8);
        for (uint32_t k = 0; k < b->n_i32; k++, p += 4)
            memcpy(&b->i32[k][i], p, 4);
    }
    return LATHE_OK;
}

int32_t env_base_init(struct env_base *b, uint32_t n_envs, uint32_t n_f64, uint32_t n_i32,
                      struct lathe_error *err)
{
    const size_t rows = ((size_t)n_envs + 15) & ~(size_t)15;
    const size_t row = sizeof(struct lathe_pcg64) + 8 * (size_t)n_f64 + 4 * (size_t)n_i32;
    unsigned char *p;

    if (n_envs == 0)
        return env_fail(err, LATHE_E_INVALID, "n_envs", "a batch needs at least one row");
    if ((p = env_alloc(rows, row)) == NULL)
        return env_fail(err, LATHE_E_NOMEM, "n_envs", "no memory for %u environment rows", n_envs);
    b->memory = p;
    b->n_envs = n_envs;
    b->n_f64 = n_f64;
    b->n_i32 = n_i32;
    for (uint32_t k = 0; k < n_f64; k++, p += rows * 8)
        b->f64[k] = (double *)(void *)p;
    for (uint32_t k = 0; k < n_i32; k++, p += rows * 4)
        b->i32[k] = (int32_t *)(void *)p;
    b->rng = (struct lathe_pcg64 *)(void *)p;
    for (uint32_t i = 0; i < n_envs; i++)
        lathe_pcg64_seed(&b->rng[i], i);
    b->snapshot =
        (struct lathe_env_snapshot){sizeof b->snapshot, row_bytes(b), snapshot_get, snapshot_set};
    b->spec.struct_size = sizeof b->spec;
    b->spec.version = 1;
    b->spec.n_agents = 1;
    b->spec.reward_threshold = NAN;
    return LATHE_OK;
}

/* One row's variables: "x 0.1\nv 0.2\n" or {"x":0.1,"v":0.2}. Returns the bytes without the NUL. */
static size_t write_variables(const struct env_base *b, uint32_t row, int json, char *out,
                              size_t cap)
{
    size_t n = 0;

    for (uint32_t k = 0; b->names[k] != NULL; k++)
        n += (size_t)snprintf(n < cap ? out + n : NULL, n < cap ? cap - n : 0,
                              json ? "%s\"%s\":%.9g" : "%s%s %.9g\n",
                              !json    ? ""
                              : k == 0 ? "{"
                                       : ",",
                              b->names[k], b->f64[k][row]);
    if (json)
        n += (size_t)snprintf(n < cap ? out + n : NULL, n < cap ? cap - n : 0, "}");
    return n;
}

static int32_t render_row(void *batch, uint32_t row, uint32_t mode, void *buffer,
                          uint64_t cap_bytes, uint32_t dims[4])
{
    const struct env_base *b = batch;
    size_t n;

    if (row >= b->n_envs)
        return LATHE_E_INVALID;
    if (mode != LATHE_RENDER_TEXT && mode != LATHE_RENDER_JSON)
        return LATHE_E_UNSUPPORTED;
    n = write_variables(b, row, mode == LATHE_RENDER_JSON, buffer, (size_t)cap_bytes);
    memset(dims, 0, 4 * sizeof *dims);
    dims[0] = (uint32_t)n + (n < cap_bytes ? 0u : 1u);
    return n < cap_bytes ? LATHE_OK : LATHE_E_LIMIT;
}

static int32_t describe_row(void *batch, uint32_t row, char *json, uint64_t cap_bytes)
{
    uint32_t dims[4];

    return render_row(batch, row, LATHE_RENDER_JSON, json, cap_bytes, dims);
}

void env_base_name(struct env_base *b, const char *const *variables, const char *const *actions)
{
    uint32_t n = 0;

    while (actions != NULL && actions[n] != NULL)
        n++;
    b->names = variables;
    b->render = (struct lathe_env_render){sizeof b->render, 0, render_row};
    b->describe = (struct lathe_env_describe){sizeof b->describe, n, actions, describe_row, NULL};
}

const void *env_base_extension(void *batch, const char *id)
{
    struct env_base *b = batch;

    if (strcmp(id, LATHE_ENV_SNAPSHOT) == 0)
        return &b->snapshot;
    if (strcmp(id, LATHE_ENV_RENDER) == 0 && b->names != NULL)
        return &b->render;
    if (strcmp(id, LATHE_ENV_DESCRIBE) == 0 && b->names != NULL)
        return &b->describe;
    return NULL;
}

void env_base_fini(struct env_base *b)
{
    free(b->memory);
    b->memory = NULL;
}

int env_json_is_empty(const char *json)
{
    char text[5];
    size_t n = 0;

    if (json == NULL)
        return 1;
    for (; *json != '\0'; json++) {
        if (*json == ' ' || *json == '\n' || *json == '\t' || *json == '\r')
            continue;
        if (n == sizeof text - 1)
            return 0;
        text[n++] = *json;
    }
    text[n] = '\0';
    return n == 0 || strcmp(text, "{}") == 0 || strcmp(text, "null") == 0;
}

int32_t env_reset_rows(struct env_base *b, uint32_t first, uint32_t count, const uint8_t *rows,
                       const struct lathe_env_io *io, env_row_fn *start)
{
    if (!env_json_is_empty(io->options_json))
        return LATHE_E_INVALID;
    for (uint32_t i = first; i < first + count; i++) {
        if (rows != NULL && rows[i] == 0)
            continue;
        if (io->seeds != NULL)
            lathe_pcg64_seed(&b->rng[i], io->seeds[i]);
        start(b, i, io);
    }
    return LATHE_OK;
}

int32_t env_emit(char *buffer, uint64_t cap_bytes, uint32_t *need_bytes, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(buffer, (size_t)cap_bytes, fmt, args);
    va_end(args);
    if (n < 0)
        return LATHE_E_INTERNAL;
    if (need_bytes != NULL)
        *need_bytes = (uint32_t)n + ((uint64_t)n < cap_bytes ? 0u : 1u);
    return (uint64_t)n < cap_bytes ? LATHE_OK : LATHE_E_LIMIT;
}

struct lathe_space env_discrete(int64_t n, uint32_t offset_bytes)
{
    struct lathe_space s = {0};

    s.struct_size = sizeof s;
    s.kind = LATHE_SPACE_DISCRETE;
    s.dtype = LATHE_I32;
    s.offset_bytes = offset_bytes;
    s.len_bytes = 4;
    s.n = n;
    return s;
}

struct lathe_space env_box(uint32_t n, const double *low, const double *high)
{
    struct lathe_space s = {0};

    s.struct_size = sizeof s;
    s.kind = LATHE_SPACE_BOX;
    s.dtype = LATHE_F32;
    s.ndim = 1;
    s.shape[0] = n;
    s.len_bytes = 4 * n;
    s.low = low;
    s.high = high;
    return s;
}
