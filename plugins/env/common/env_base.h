/* What every environment plugin here shares: rows of variables as arrays, one generator per row,
 * resets, snapshots and small helpers for spaces and texts. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENV_BASE_H
#define ENV_BASE_H

#include "lathe/env.h"
#include "lathe/plugin.h"
#include "lathe/rng.h"

#define ENV_MAX_VARS 8
#define ENV_CHUNK \
    256 /* rows that a kernel steps at once: all its arrays stay in the first cache level */

/* First member of every batch. Variable k of row i is f64[k][i] or i32[k][i]; arrays are 64-byte
 * aligned and padded to 16 rows. */
struct env_base {
    struct lathe_env_spec spec;
    struct lathe_env_snapshot snapshot;
    uint32_t n_envs, n_f64, n_i32;
    uint32_t n_states; /* i32[0] of a snapshot must lie below it; 0 = no check */
    struct lathe_pcg64 *rng;
    double *f64[ENV_MAX_VARS];
    int32_t *i32[ENV_MAX_VARS];
    const char *const
        *names; /* of the f64 variables, for render and describe; NULL = no such extensions */
    struct lathe_env_render render;
    struct lathe_env_describe describe;
    void *memory;
};

/* Fills err (may be NULL) and returns code. */
int32_t env_fail(struct lathe_error *err, int32_t code, const char *field, const char *fmt, ...)
    LATHE_PRINTF(4, 5);

/* Allocates the rows and seeds row i with i. Errors: LATHE_E_NOMEM, LATHE_E_INVALID for 0 rows. */
LATHE_MUST_USE int32_t env_base_init(struct env_base *base, uint32_t n_envs, uint32_t n_f64,
                                     uint32_t n_i32, struct lathe_error *err);
void env_base_fini(struct env_base *base);

/* Gives the batch the render and describe extensions: variables by name, actions by name (may be
 * NULL). */
void env_base_name(struct env_base *base, const char *const *variables, const char *const *actions);

/* The extensions of a batch without a finite model. */
const void *env_base_extension(void *batch, const char *id);

/* calloc at 64-byte alignment, size a multiple of 64; NULL when out of memory. Release with free.
 */
void *env_alloc(size_t n, size_t size);

/* Starts row i: draws its state from its generator and writes its outputs. */
typedef void env_row_fn(void *batch, uint32_t i, const struct lathe_env_io *io);

/* The reset of an environment without reset options: re-seeds where asked, then start() per row. */
LATHE_MUST_USE int32_t env_reset_rows(struct env_base *base, uint32_t first, uint32_t count,
                                      const uint8_t *rows, const struct lathe_env_io *io,
                                      env_row_fn *start);

/* 1 for NULL, "", "null" and "{}", blanks ignored. */
int env_json_is_empty(const char *json);

/* snprintf into a caller's buffer with the rule of render: LATHE_E_LIMIT and the size when too
 * small. */
LATHE_MUST_USE int32_t env_emit(char *buffer, uint64_t cap_bytes, uint32_t *need_bytes,
                                const char *fmt, ...) LATHE_PRINTF(4, 5);

/* Discrete leaf at byte offset of the row. */
struct lathe_space env_discrete(int64_t n, uint32_t offset_bytes);

/* Float32 box of n numbers at offset 0. */
struct lathe_space env_box(uint32_t n, const double *low, const double *high);

#endif
