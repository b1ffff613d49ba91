/* The buffers end at inaccessible pages, so a write past the end stops the test process at once. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/check/env_rig.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "lathe/rng.h"
#include "sdk/check/host.h"

#define FILL_BYTE 0x7f
#define MAX_LEAVES 64u

/* Leaves of a space in row order; a tree deeper than the stack is cut off (and fails elsewhere). */
static uint32_t leaves_of(const struct lathe_space *space, const struct lathe_space **out)
{
    const struct lathe_space *stack[MAX_LEAVES];
    uint32_t n_stack = 0, n = 0;

    stack[n_stack++] = space;
    while (n_stack > 0 && n < MAX_LEAVES) {
        const struct lathe_space *node = stack[--n_stack];
        if (node->kind != LATHE_SPACE_TUPLE && node->kind != LATHE_SPACE_DICT) {
            out[n++] = node;
            continue;
        }
        uint32_t n_children = 0;
        while (node->children[n_children] != NULL)
            n_children++;
        while (n_children > 0 && n_stack < MAX_LEAVES)
            stack[n_stack++] = node->children[--n_children];
    }
    return n;
}

static uint32_t n_elements(const struct lathe_space *leaf)
{
    uint32_t n = 1;

    if (leaf->kind == LATHE_SPACE_DISCRETE)
        return 1;
    for (uint32_t i = 0; i < leaf->ndim; i++)
        n *= leaf->shape[i];
    return n;
}

static int open_buffers(struct env_rig *rig)
{
    size_t n = rig->n_rows;

    return guard_open(&rig->act, n * rig->spec->act_stride) &&
           guard_open(&rig->obs, n * rig->spec->obs_stride) && guard_open(&rig->reward, n * 4) &&
           guard_open(&rig->terminated, n) && guard_open(&rig->truncated, n) &&
           guard_open(&rig->mask, n * rig->n_mask) && guard_open(&rig->info, n * 4 * rig->n_info) &&
           guard_open(&rig->seeds, n * 8);
}

static void bind_io(struct env_rig *rig)
{
    rig->io = (struct lathe_env_io){.struct_size = sizeof rig->io,
                                    .act = rig->act.data,
                                    .obs = rig->obs.data,
                                    .reward = rig->reward.data,
                                    .terminated = rig->terminated.data,
                                    .truncated = rig->truncated.data,
                                    .mask = rig->n_mask ? rig->mask.data : NULL,
                                    .info = rig->n_info ? rig->info.data : NULL};
}

int32_t env_rig_open(struct env_rig *rig, struct check *check, uint32_t n_rows)
{
    struct lathe_error err = {0};
    struct kit_params params;

    memset(rig, 0, sizeof *rig);
    rig->env = check->component->vtable;
    rig->n_rows = n_rows;
    int32_t st = kit_params_open(&params, check->component, check->options_json, &err);
    if (st == LATHE_OK) {
        struct lathe_env_args args = {sizeof args, n_rows, check->host, params.view};
        st = rig->env->open(&args, &err, &rig->batch);
        kit_params_close(&params);
    }
    if (st != LATHE_OK) {
        check_fail(check, "open with %u rows: %s", n_rows, err.text);
        return st;
    }
    rig->spec = rig->env->spec(rig->batch);
    if (LATHE_CAN(rig->env, struct lathe_env, extension)) {
        const struct lathe_env_mask *mask = rig->env->extension(rig->batch, LATHE_ENV_MASK);
        const struct lathe_env_info *info = rig->env->extension(rig->batch, LATHE_ENV_INFO);
        rig->snapshot = rig->env->extension(rig->batch, LATHE_ENV_SNAPSHOT);
        rig->n_mask = mask != NULL ? mask->n_mask : 0;
        rig->n_info = info != NULL ? info->n_info : 0;
    }
    rig->step_count = mem_zalloc(n_rows, sizeof *rig->step_count);
    if (rig->step_count == NULL || !open_buffers(rig)) {
        check_fail(check, "out of memory");
        env_rig_close(rig);
        return LATHE_E_NOMEM;
    }
    bind_io(rig);
    return LATHE_OK;
}

void env_rig_close(struct env_rig *rig)
{
    struct guard *guards[] = {&rig->act,       &rig->obs,  &rig->reward, &rig->terminated,
                              &rig->truncated, &rig->mask, &rig->info,   &rig->seeds};

    if (rig->batch != NULL)
        rig->env->close(rig->batch);
    for (size_t i = 0; i < sizeof guards / sizeof *guards; i++)
        guard_close(guards[i]);
    mem_free(rig->step_count);
    rig->batch = NULL;
    rig->step_count = NULL;
}

int32_t env_rig_reset_all(struct env_rig *rig, uint64_t seed)
{
    uint64_t *seeds = rig->seeds.data;

    for (uint32_t i = 0; i < rig->n_rows; i++) {
        seeds[i] = seed + i;
        rig->step_count[i] = 0;
    }
    rig->io.seeds = seeds;
    int32_t st = rig->env->reset(rig->batch, 0, rig->n_rows, NULL, &rig->io);
    rig->io.seeds = NULL;
    return st;
}

int32_t env_rig_reset_rows(struct env_rig *rig, const uint8_t *rows)
{
    return rig->env->reset(rig->batch, 0, rig->n_rows, rows, &rig->io);
}

int32_t env_rig_reset_ended(struct env_rig *rig)
{
    const uint8_t *terminated = rig->terminated.data, *truncated = rig->truncated.data;
    uint8_t rows[1024] = {0};
    uint32_t n = 0;

    for (uint32_t i = 0; i < rig->n_rows; i++) {
        rig->step_count[i]++;
        rows[i] = terminated[i] || truncated[i] ||
                  (rig->spec->default_limit > 0 && rig->step_count[i] >= rig->spec->default_limit);
        if (rows[i]) {
            rig->step_count[i] = 0;
            n++;
        }
    }
    rig->n_ended += n;
    return n > 0 ? env_rig_reset_rows(rig, rows) : LATHE_OK;
}

int32_t env_rig_step_range(struct env_rig *rig, uint32_t first, uint32_t count)
{
    return rig->env->step(rig->batch, first, count, &rig->io);
}

int32_t env_rig_step(struct env_rig *rig, uint32_t parts)
{
    int32_t result = LATHE_OK;

    for (uint32_t p = 0; p < parts; p++) {
        uint32_t first = rig->n_rows * p / parts, next = rig->n_rows * (p + 1) / parts;
        int32_t st = next > first ? env_rig_step_range(rig, first, next - first) : LATHE_OK;
        if (st != LATHE_OK)
            result = st;
    }
    return result;
}

struct range_job {
    struct env_rig *rig;
    uint32_t first, count;
    int32_t status;
};

static void *run_range(void *arg)
{
    struct range_job *job = arg;

    job->status = env_rig_step_range(job->rig, job->first, job->count);
    return NULL;
}

int32_t env_rig_step_threads(struct env_rig *rig, uint32_t threads)
{
    struct range_job jobs[8];
    pthread_t ids[8];
    uint32_t n = 0;
    int32_t st = LATHE_OK;

    for (; n < threads && n < 8; n++) {
        uint32_t first = rig->n_rows * n / threads, next = rig->n_rows * (n + 1) / threads;
        jobs[n] = (struct range_job){rig, first, next - first, LATHE_OK};
        if (pthread_create(&ids[n], NULL, run_range, &jobs[n]) != 0) {
            st = LATHE_E_UNAVAILABLE;
            break;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        pthread_join(ids[i], NULL);
        if (jobs[i].status != LATHE_OK)
            st = jobs[i].status;
    }
    return st;
}

static void box_element(const struct lathe_space *leaf, char *at, uint32_t k, double u)
{
    uint32_t b = (leaf->flags & LATHE_SPACE_ONE_BOUND) ? 0 : k;
    double low = leaf->low != NULL ? leaf->low[b] : -1.0;
    double high = leaf->high != NULL ? leaf->high[b] : 1.0;

    low = isfinite(low) ? low : -1.0;
    high = isfinite(high) ? high : 1.0;
    double value = low + (high - low) * u;
    if (leaf->dtype == LATHE_F64) {
        memcpy(at + 8 * (size_t)k, &value, 8);
    } else {
        float narrow = (float)value;
        memcpy(at + 4 * (size_t)k, &narrow, 4);
    }
}

static void random_leaf(const struct lathe_space *leaf, char *row, uint64_t *state)
{
    char *at = row + leaf->offset_bytes;

    for (uint32_t k = 0; k < n_elements(leaf); k++) {
        double u = lathe_splitmix_double(state);
        int32_t choice = 0;
        switch (leaf->kind) {
        case LATHE_SPACE_DISCRETE:
            choice = (int32_t)(leaf->start + (int64_t)(u * (double)leaf->n));
            memcpy(at, &choice, 4);
            break;
        case LATHE_SPACE_MULTIDISCRETE:
            choice = (int32_t)(u * (double)leaf->nvec[k]);
            memcpy(at + 4 * (size_t)k, &choice, 4);
            break;
        case LATHE_SPACE_MULTIBINARY:
            at[k] = u < 0.5;
            break;
        case LATHE_SPACE_BOX:
            box_element(leaf, at, k, u);
            break;
        default:
            at[k] = '\0';
        }
    }
}

void env_rig_random_actions(struct env_rig *rig, uint64_t seed, uint32_t t)
{
    const struct lathe_space *leaves[MAX_LEAVES];
    uint32_t n = leaves_of(rig->spec->act, leaves);

    for (uint32_t row = 0; row < rig->n_rows; row++) {
        uint64_t state = lathe_splitmix_stream(seed, 4, ((uint64_t)t << 20) + row);
        char *at = (char *)rig->act.data + (size_t)row * rig->spec->act_stride;
        for (uint32_t i = 0; i < n; i++)
            random_leaf(leaves[i], at, &state);
    }
}

/* Two ways to be wrong per kind of first leaf. */
uint32_t env_rig_bad_action_count(const struct env_rig *rig)
{
    const struct lathe_space *leaves[MAX_LEAVES];
    uint32_t n = leaves_of(rig->spec->act, leaves);

    if (n == 0)
        return 0;
    uint8_t kind = leaves[0]->kind;
    return kind == LATHE_SPACE_DISCRETE || kind == LATHE_SPACE_BOX ||
                   kind == LATHE_SPACE_MULTIDISCRETE
               ? 2
               : 0;
}

const char *env_rig_bad_action_name(const struct env_rig *rig, uint32_t which)
{
    const struct lathe_space *leaves[MAX_LEAVES];

    leaves_of(rig->spec->act, leaves);
    if (leaves[0]->kind == LATHE_SPACE_BOX)
        return which == 0 ? "a NaN action" : "an infinite action";
    return which == 0 ? "an action below the first" : "an action behind the last";
}

void env_rig_bad_action(struct env_rig *rig, uint32_t row, uint32_t which)
{
    const struct lathe_space *leaves[MAX_LEAVES];

    leaves_of(rig->spec->act, leaves);
    const struct lathe_space *leaf = leaves[0];
    char *at = (char *)rig->act.data + (size_t)row * rig->spec->act_stride + leaf->offset_bytes;
    if (leaf->kind == LATHE_SPACE_BOX && leaf->dtype == LATHE_F64) {
        double value = which == 0 ? (double)NAN : (double)INFINITY;
        memcpy(at, &value, sizeof value);
    } else if (leaf->kind == LATHE_SPACE_BOX) {
        float value = which == 0 ? NAN : INFINITY;
        memcpy(at, &value, sizeof value);
    } else {
        int64_t n = leaf->kind == LATHE_SPACE_DISCRETE ? leaf->n : leaf->nvec[0];
        int64_t start = leaf->kind == LATHE_SPACE_DISCRETE ? leaf->start : 0;
        int32_t value = (int32_t)(which == 0 ? start - 1 : start + n);
        memcpy(at, &value, sizeof value);
    }
}

static uint64_t fold(uint64_t hash, const void *data, size_t len_bytes)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < len_bytes; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

void env_rig_hash(struct env_rig *rig)
{
    const struct guard *guards[] = {&rig->obs,       &rig->reward, &rig->terminated,
                                    &rig->truncated, &rig->mask,   &rig->info};

    for (size_t i = 0; i < sizeof guards / sizeof *guards; i++)
        rig->hash = fold(rig->hash + 0xcbf29ce484222325u, guards[i]->data, guards[i]->len_bytes);
}

int env_rig_intact(const struct env_rig *rig)
{
    return guard_intact(&rig->act) && guard_intact(&rig->obs) && guard_intact(&rig->reward) &&
           guard_intact(&rig->terminated) && guard_intact(&rig->truncated) &&
           guard_intact(&rig->mask) && guard_intact(&rig->info) && guard_intact(&rig->seeds);
}

int env_rig_untouched(const struct env_rig *rig, uint32_t first, uint32_t count)
{
    const unsigned char *obs = rig->obs.data, *reward = rig->reward.data;
    uint32_t stride = rig->spec->obs_stride;

    for (uint32_t row = 0; row < rig->n_rows; row++) {
        if (row >= first && row < first + count)
            continue;
        for (uint32_t i = 0; i < stride; i++)
            if (obs[(size_t)row * stride + i] != FILL_BYTE)
                return 0;
        for (uint32_t i = 0; i < 4; i++)
            if (reward[(size_t)row * 4 + i] != FILL_BYTE)
                return 0;
    }
    return 1;
}

static double element(const struct lathe_space *leaf, const char *at, uint32_t k)
{
    double f64;
    float f32;
    int32_t i32;
    int64_t i64;

    switch (leaf->kind == LATHE_SPACE_BOX           ? leaf->dtype
            : leaf->kind == LATHE_SPACE_MULTIBINARY ? LATHE_U8
                                                    : LATHE_I32) {
    case LATHE_F64:
        memcpy(&f64, at + 8 * (size_t)k, 8);
        return f64;
    case LATHE_F32:
        memcpy(&f32, at + 4 * (size_t)k, 4);
        return (double)f32;
    case LATHE_I64:
        memcpy(&i64, at + 8 * (size_t)k, 8);
        return (double)i64;
    case LATHE_U8:
        return (double)(unsigned char)at[k];
    default:
        memcpy(&i32, at + 4 * (size_t)k, 4);
        return (double)i32;
    }
}

static void bounds(const struct lathe_space *leaf, uint32_t k, double *low, double *high)
{
    uint32_t b = (leaf->flags & LATHE_SPACE_ONE_BOUND) ? 0 : k;

    *low = -INFINITY;
    *high = INFINITY;
    if (leaf->kind == LATHE_SPACE_BOX) {
        *low = leaf->low != NULL ? leaf->low[b] : *low;
        *high = leaf->high != NULL ? leaf->high[b] : *high;
        if (leaf->dtype == LATHE_F32) { /* bounds round as observations do */
            *low = (double)(float)*low;
            *high = (double)(float)*high;
        }
    } else if (leaf->kind == LATHE_SPACE_DISCRETE) {
        *low = (double)leaf->start;
        *high = (double)(leaf->start + leaf->n - 1);
    } else if (leaf->kind == LATHE_SPACE_MULTIDISCRETE) {
        *low = 0;
        *high = (double)leaf->nvec[k] - 1;
    } else {
        *low = 0;
        *high = leaf->kind == LATHE_SPACE_MULTIBINARY ? 1 : 255;
    }
}

int env_rig_in_space(const struct env_rig *rig, char *why, size_t cap)
{
    const struct lathe_space *leaves[MAX_LEAVES];
    uint32_t n = leaves_of(rig->spec->obs, leaves);
    const float *reward = rig->reward.data;

    for (uint32_t row = 0; row < rig->n_rows; row++) {
        const char *at = (const char *)rig->obs.data + (size_t)row * rig->spec->obs_stride;
        if (!isfinite(reward[row])) {
            snprintf(why, cap, "the reward of row %u is not finite", row);
            return 0;
        }
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t k = 0; k < n_elements(leaves[i]); k++) {
                double low, high, value = element(leaves[i], at + leaves[i]->offset_bytes, k);
                bounds(leaves[i], k, &low, &high);
                if (!(value >= low && value <= high)) {
                    snprintf(why, cap, "observation element %u of leaf %u is %g, outside [%g, %g]",
                             k, i, value, low, high);
                    return 0;
                }
            }
    }
    return 1;
}

int env_rig_state(struct env_rig *rig, uint32_t row, struct strbuf *state)
{
    if (rig->snapshot == NULL)
        return 0;
    strbuf_clear(state);
    if (!strbuf_reserve(state, rig->snapshot->row_bytes))
        return 0;
    memset(state->data, 0, rig->snapshot->row_bytes);
    state->len_bytes = rig->snapshot->row_bytes;
    return rig->snapshot->get(rig->batch, row, 1, state->data) == LATHE_OK;
}

int env_rig_state_equal(struct env_rig *rig, uint32_t row, const struct strbuf *state)
{
    struct strbuf now;
    int equal = 1;

    if (rig->snapshot == NULL)
        return 1;
    strbuf_init(&now);
    equal = env_rig_state(rig, row, &now) && now.len_bytes == state->len_bytes &&
            memcmp(now.data, state->data, now.len_bytes) == 0;
    strbuf_fini(&now);
    return equal;
}
