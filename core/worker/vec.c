/* Environment batches as the host sees them: steps run in row ranges on the [step] threads; what
 * comes out does not depend on the ranges. Learning and normalization are elsewhere. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/vec.h"

#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "lathe/rng.h"

#define ALIGN 64

uint64_t vec_seed(int episodic, uint64_t seed, uint32_t purpose, uint64_t index)
{
    return episodic ? lathe_splitmix_stream(seed, purpose, index) : seed + index;
}

static uint64_t leaf_dim(const struct lathe_space *space)
{
    uint64_t dim = 1;
    uint32_t i;

    switch (space->kind) {
    case LATHE_SPACE_BOX:
    case LATHE_SPACE_MULTIBINARY:
        for (i = 0; i < space->ndim && i < 6; i++)
            dim *= space->shape[i];
        return dim;
    case LATHE_SPACE_DISCRETE:
        return space->n > 0 ? (uint64_t)space->n : 0;
    case LATHE_SPACE_MULTIDISCRETE:
        dim = 0;
        for (i = 0; i < space->shape[0]; i++)
            dim += space->nvec[i] > 0 ? (uint64_t)space->nvec[i] : 0;
        return dim;
    default:
        return 0;
    }
}

#define SPACE_DEPTH 16

uint64_t space_flat_dim(const struct lathe_space *space)
{
    const struct lathe_space *const *stack[SPACE_DEPTH];
    uint64_t dim = 0;
    int depth = 0;

    if (space->kind != LATHE_SPACE_TUPLE && space->kind != LATHE_SPACE_DICT)
        return leaf_dim(space);
    stack[0] = space->children;
    while (depth >= 0) {
        const struct lathe_space *child = *stack[depth];

        if (child == NULL) {
            depth--;
            continue;
        }
        stack[depth]++;
        if (child->kind == LATHE_SPACE_TUPLE || child->kind == LATHE_SPACE_DICT) {
            if (++depth >= SPACE_DEPTH)
                return 0;
            stack[depth] = child->children;
        } else {
            uint64_t d = leaf_dim(child);

            if (d == 0)
                return 0;
            dim += d;
        }
    }
    return dim;
}

uint32_t space_n_actions(const struct lathe_space *space)
{
    return space->kind == LATHE_SPACE_DISCRETE && space->n > 0 && space->n <= UINT32_MAX
               ? (uint32_t)space->n
               : 0;
}

static void *rows_alloc(uint32_t n, size_t stride)
{
    size_t len;

    if (!size_mul(n, stride, &len) || !size_add(len, ALIGN, &len))
        return NULL;
    return mem_aligned(ALIGN, len / ALIGN + 1, ALIGN);
}

/* Finite bounds of a float32 box action: what is stepped is clipped to them. */
static int32_t alloc_clip(struct vec *vec)
{
    const struct lathe_space *act = vec->spec->act;
    uint32_t i;

    if (act->kind != LATHE_SPACE_BOX || act->dtype != LATHE_F32)
        return LATHE_OK;
    vec->act_dim = (uint32_t)leaf_dim(act);
    if (act->low == NULL || act->high == NULL || vec->act_dim * sizeof(float) > vec->act_stride)
        return LATHE_OK;
    vec->clip_low = mem_zalloc(vec->act_dim, sizeof *vec->clip_low);
    vec->clip_high = mem_zalloc(vec->act_dim, sizeof *vec->clip_high);
    vec->env_act = rows_alloc(vec->n, vec->act_stride);
    if (vec->clip_low == NULL || vec->clip_high == NULL || vec->env_act == NULL)
        return LATHE_E_NOMEM;
    for (i = 0; i < vec->act_dim; i++) {
        uint32_t k = act->flags & LATHE_SPACE_ONE_BOUND ? 0 : i;

        vec->clip_low[i] = (float)act->low[k];
        vec->clip_high[i] = (float)act->high[k];
    }
    return LATHE_OK;
}

static int32_t alloc_buffers(struct vec *vec, struct lathe_error *err)
{
    uint32_t n = vec->n;

    vec->obs = vec->own_obs[0] = rows_alloc(n, vec->obs_stride);
    vec->next_obs = vec->own_obs[1] = rows_alloc(n, vec->obs_stride);
    vec->final_obs = rows_alloc(n, vec->obs_stride);
    vec->act = rows_alloc(n, vec->act_stride);
    vec->reward = vec->own_reward = rows_alloc(n, sizeof(float));
    vec->terminated = vec->own_terminated = rows_alloc(n, 1);
    vec->truncated = vec->own_truncated = rows_alloc(n, 1);
    vec->active = rows_alloc(n, 1);
    vec->ended_flag = rows_alloc(n, 1);
    vec->ended = rows_alloc(n, sizeof(uint32_t));
    vec->ret = rows_alloc(n, sizeof(double));
    vec->final_ret = rows_alloc(n, sizeof(double));
    vec->length = rows_alloc(n, sizeof(uint32_t));
    vec->final_len = rows_alloc(n, sizeof(uint32_t));
    vec->seeds = rows_alloc(n, sizeof(uint64_t));
    vec->runs = mem_zalloc(n, sizeof *vec->runs);
    if (vec->obs == NULL || vec->next_obs == NULL || vec->final_obs == NULL || vec->act == NULL ||
        vec->reward == NULL || vec->terminated == NULL || vec->truncated == NULL ||
        vec->active == NULL || vec->ended_flag == NULL || vec->ended == NULL || vec->ret == NULL ||
        vec->final_ret == NULL || vec->length == NULL || vec->final_len == NULL ||
        vec->seeds == NULL || vec->runs == NULL || alloc_clip(vec) != LATHE_OK)
        return fail(err, LATHE_E_NOMEM, "environment buffers of %u rows", n);
    if (vec->n_mask > 0) {
        vec->mask = rows_alloc(n, vec->n_mask);
        vec->next_mask = rows_alloc(n, vec->n_mask);
        if (vec->mask == NULL || vec->next_mask == NULL)
            return fail(err, LATHE_E_NOMEM, "action masks of %u rows", n);
    }
    if (vec->n_info > 0) {
        vec->info = rows_alloc(n, vec->n_info * sizeof(float));
        vec->final_info = rows_alloc(n, vec->n_info * sizeof(float));
        if (vec->info == NULL || vec->final_info == NULL)
            return fail(err, LATHE_E_NOMEM, "info rows of %u rows", n);
    }
    return LATHE_OK;
}

static const void *extension(const struct vec *vec, const char *id)
{
    if (!LATHE_CAN(vec->env, struct lathe_env, extension))
        return NULL;
    return vec->env->extension(vec->batch, id);
}

static void find_extensions(struct vec *vec)
{
    const struct lathe_env_mask *mask = extension(vec, LATHE_ENV_MASK);

    vec->snapshot = extension(vec, LATHE_ENV_SNAPSHOT);
    vec->report = extension(vec, LATHE_ENV_REPORT);
    vec->describe = extension(vec, LATHE_ENV_DESCRIBE);
    vec->info_names = extension(vec, LATHE_ENV_INFO);
    vec->n_mask = mask != NULL ? mask->n_mask : 0;
    vec->n_info = vec->info_names != NULL ? vec->info_names->n_info : 0;
}

static int32_t check_spec(struct vec *vec, struct lathe_error *err)
{
    const struct lathe_env_spec *spec = vec->spec;

    if (spec == NULL || spec->obs == NULL || spec->act == NULL || spec->obs_stride == 0 ||
        spec->act_stride == 0)
        return fail(err, LATHE_E_INTERNAL, "environment has no complete specification");
    if (spec->n_agents > 1)
        return fail(err, LATHE_E_UNSUPPORTED, "%s has %u agents; one is supported", spec->id,
                    spec->n_agents);
    return LATHE_OK;
}

int32_t vec_open(const struct vec_args *args, struct vec **out, struct lathe_error *err)
{
    struct lathe_env_args open_args = {sizeof open_args, args->n, args->host, args->params};
    struct vec *vec = mem_new(struct vec);
    int32_t st;

    if (vec == NULL)
        return fail(err, LATHE_E_NOMEM, "environment batch");
    vec->env = args->env;
    vec->n = args->n;
    vec->shard = args->shard;
    st = args->env->open(&open_args, err, &vec->batch);
    if (st != LATHE_OK) {
        mem_free(vec);
        return st;
    }
    vec->spec = args->env->spec(vec->batch);
    if ((st = check_spec(vec, err)) != LATHE_OK)
        goto out;
    vec->obs_stride = vec->spec->obs_stride;
    vec->act_stride = vec->spec->act_stride;
    vec->limit = args->time_limit >= 0 ? (uint32_t)args->time_limit : vec->spec->default_limit;
    find_extensions(vec);
    st = alloc_buffers(vec, err);
out:
    if (st != LATHE_OK) {
        vec_close(vec);
        return st;
    }
    *out = vec;
    return LATHE_OK;
}

void vec_close(struct vec *vec)
{
    if (vec == NULL)
        return;
    vec->env->close(vec->batch);
    mem_free(vec->own_obs[0]);
    mem_free(vec->own_obs[1]);
    mem_free(vec->final_obs);
    mem_free(vec->act);
    mem_free(vec->env_act);
    mem_free(vec->own_reward);
    mem_free(vec->own_terminated);
    mem_free(vec->own_truncated);
    mem_free(vec->active);
    mem_free(vec->ended_flag);
    mem_free(vec->ended);
    mem_free(vec->ret);
    mem_free(vec->final_ret);
    mem_free(vec->length);
    mem_free(vec->final_len);
    mem_free(vec->seeds);
    mem_free(vec->runs);
    mem_free(vec->mask);
    mem_free(vec->next_mask);
    mem_free(vec->info);
    mem_free(vec->final_info);
    mem_free(vec->clip_low);
    mem_free(vec->clip_high);
    mem_free(vec);
}

static void find_runs(struct vec *vec)
{
    uint32_t i = 0;

    vec->n_runs = 0;
    while (i < vec->n) {
        struct vec_run *run;

        if (!vec->active[i]) {
            i++;
            continue;
        }
        run = &vec->runs[vec->n_runs++];
        run->first = i;
        while (i < vec->n && vec->active[i])
            i++;
        run->count = i - run->first;
    }
}

static int32_t reset_range(void *user, uint32_t first, uint32_t count)
{
    struct vec *vec = user;

    return vec->env->reset(vec->batch, first, count, NULL, &vec->io);
}

int32_t vec_reset(struct vec *vec, uint32_t count, const uint64_t *seeds, const char *options_json,
                  struct lathe_error *err)
{
    uint32_t i;
    int32_t st;

    for (i = 0; i < vec->n; i++) {
        vec->active[i] = i < count;
        vec->ret[i] = 0.0;
        vec->length[i] = 0;
        vec->seeds[i] = i < count ? seeds[i] : 0;
    }
    find_runs(vec);
    vec->n_ended = 0;
    memset(&vec->io, 0, sizeof vec->io);
    vec->io.struct_size = sizeof vec->io;
    vec->io.obs = vec->obs;
    vec->io.seeds = vec->seeds;
    vec->io.options_json = options_json;
    vec->io.mask = vec->mask;
    vec->io.info = vec->info;
    st = shard_run(vec->shard, 0, count, reset_range, vec);
    if (st != LATHE_OK)
        return fail(err, st < 0 ? st : LATHE_E_INTERNAL, "%s: reset failed: %s", vec->spec->id,
                    lathe_status_name(st));
    return LATHE_OK;
}

int32_t vec_reset_row(struct vec *vec, uint32_t row, uint64_t seed, const char *options_json)
{
    vec->seeds[row] = seed;
    vec->io.options_json = options_json;
    return vec->env->reset(vec->batch, row, 1, NULL, &vec->io);
}

static void clip_actions(struct vec *vec, uint32_t first, uint32_t count)
{
    uint32_t i, k;

    for (i = first; i < first + count; i++) {
        const float *in = (const float *)((const char *)vec->act + i * vec->act_stride);
        float *out = (float *)(void *)((char *)vec->env_act + i * vec->act_stride);

        for (k = 0; k < vec->act_dim; k++) {
            float v = in[k];

            /* written so that NaN passes: the environment refuses it */
            if (v < vec->clip_low[k])
                v = vec->clip_low[k];
            if (v > vec->clip_high[k])
                v = vec->clip_high[k];
            out[k] = v;
        }
    }
}

/* Counts one row's step and, when its episode ended, keeps what the reset would overwrite. */
static void finish_row(struct vec *vec, uint32_t i)
{
    vec->ret[i] += (double)vec->io.reward[i];
    vec->length[i]++;
    if (vec->limit != 0 && vec->length[i] >= vec->limit)
        vec->io.truncated[i] = 1;
    vec->ended_flag[i] = vec->io.terminated[i] | vec->io.truncated[i];
    if (!vec->ended_flag[i])
        return;
    vec->final_ret[i] = vec->ret[i];
    vec->final_len[i] = vec->length[i];
    memcpy((char *)vec->final_obs + i * vec->obs_stride,
           (const char *)vec->io.obs + i * vec->obs_stride, vec->obs_stride);
    if (vec->n_info > 0)
        memcpy(vec->final_info + (size_t)i * vec->n_info, vec->info + (size_t)i * vec->n_info,
               vec->n_info * sizeof(float));
}

static int32_t step_range(void *user, uint32_t first, uint32_t count)
{
    struct vec *vec = user;
    uint32_t i, n_ended = 0;
    int32_t st;

    if (vec->clip_low != NULL)
        clip_actions(vec, first, count);
    st = vec->env->step(vec->batch, first, count, &vec->io);
    if (st != LATHE_OK)
        return st < 0 ? st : LATHE_E_INTERNAL;
    for (i = first; i < first + count; i++) {
        if (!isfinite(vec->io.reward[i]))
            return LATHE_E_CORRUPT;
        finish_row(vec, i);
        n_ended += vec->ended_flag[i];
    }
    if (n_ended == 0 || !vec->autoreset)
        return LATHE_OK;
    return vec->env->reset(vec->batch, first, count, vec->ended_flag, &vec->io);
}

static void bind_io(struct vec *vec)
{
    struct lathe_env_io *io = &vec->io;

    memset(io, 0, sizeof *io);
    io->struct_size = sizeof *io;
    io->act = vec->clip_low != NULL ? vec->env_act : vec->act;
    io->obs = vec->next_obs;
    io->reward = vec->reward;
    io->terminated = vec->terminated;
    io->truncated = vec->truncated;
    io->mask = vec->next_mask;
    io->info = vec->info;
}

int32_t vec_step(struct vec *vec, int autoreset, struct lathe_error *err)
{
    uint32_t r, i;
    int32_t st = LATHE_OK;

    bind_io(vec);
    vec->autoreset = autoreset;
    for (r = 0; r < vec->n_runs && st == LATHE_OK; r++)
        st = shard_run(vec->shard, vec->runs[r].first, vec->runs[r].count, step_range, vec);
    if (st == LATHE_E_CORRUPT)
        return fail(err, LATHE_E_INTERNAL, "%s gave a reward that is not finite", vec->spec->id);
    if (st != LATHE_OK)
        return fail(err, st, "%s: step failed: %s", vec->spec->id, lathe_status_name(st));
    vec->n_ended = 0;
    for (r = 0; r < vec->n_runs; r++)
        for (i = vec->runs[r].first; i < vec->runs[r].first + vec->runs[r].count; i++)
            if (vec->ended_flag[i])
                vec->ended[vec->n_ended++] = i;
    return LATHE_OK;
}

static void *spare_obs(const struct vec *vec)
{
    return vec->own_obs[vec->obs == vec->own_obs[0]];
}

static int is_place(const void *p)
{
    return p != NULL && (uintptr_t)p % ALIGN == 0;
}

void vec_lend(struct vec *vec, const struct lathe_env_io *io)
{
    static const struct lathe_env_io none = {.struct_size = sizeof none};

    if (io == NULL)
        io = &none;
    vec->next_obs = is_place(io->obs) ? io->obs : spare_obs(vec);
    vec->reward = is_place(io->reward) ? io->reward : vec->own_reward;
    vec->terminated = is_place(io->terminated) ? io->terminated : vec->own_terminated;
    vec->truncated = is_place(io->truncated) ? io->truncated : vec->own_truncated;
}

void vec_keep(struct vec *vec)
{
    void *own = spare_obs(vec);

    if (vec->next_obs == vec->own_obs[0] || vec->next_obs == vec->own_obs[1])
        return;
    memcpy(own, vec->next_obs, vec->n * vec->obs_stride);
    vec->next_obs = own;
}

void vec_advance(struct vec *vec)
{
    void *obs = vec->obs;
    uint8_t *mask = vec->mask;
    uint32_t k;

    vec->obs = vec->next_obs;
    vec->next_obs = obs;
    vec->mask = vec->next_mask;
    vec->next_mask = mask;
    for (k = 0; k < vec->n_ended; k++) {
        uint32_t i = vec->ended[k];

        vec->ret[i] = 0.0;
        vec->length[i] = 0;
        vec->ended_flag[i] = 0;
        if (!vec->autoreset)
            vec->active[i] = 0;
    }
    if (vec->n_ended > 0 && !vec->autoreset)
        find_runs(vec);
    vec->n_ended = 0;
}

uint32_t vec_active(const struct vec *vec)
{
    uint32_t r, n = 0;

    for (r = 0; r < vec->n_runs; r++)
        n += vec->runs[r].count;
    return n;
}
