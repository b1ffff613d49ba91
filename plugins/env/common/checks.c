/* Shared checks of the environment tests: recorded runs, cuts, snapshots, golden files, exact
 * values. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/checks.h"

#include "lathe/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MAX_NUMBERS 32

static int is_discrete(const struct testkit *kit)
{
    return kit->spec->act->kind == LATHE_SPACE_DISCRETE;
}

/* Number k of row 0's observation. */
static double obs_number(const struct testkit *kit, uint32_t k)
{
    return kit->spec->obs->kind == LATHE_SPACE_BOX ? (double)((const float *)kit->obs)[k]
                                                   : (double)((const int32_t *)kit->obs)[k];
}

static void assert_close(const char *what, uint32_t k, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s[%u] is %.9g, not %.9g", what, k, got, want);
}

void check_run(const struct check_run *run)
{
    struct testkit kit;

    assert_int_equal(testkit_open(&kit, run->stem, run->component, 1, run->options, NULL),
                     LATHE_OK);
    testkit_reset(&kit, 7);
    for (uint32_t k = 0; k < run->n_obs; k++)
        assert_close("first", k, obs_number(&kit, k), run->first[k], 1e-6);
    for (uint32_t t = 0; t < run->n_steps; t++) {
        run->action(kit.act, t);
        testkit_advance(&kit);
    }
    for (uint32_t k = 0; k < run->n_obs; k++)
        assert_close("last", k, obs_number(&kit, k), run->last[k], 1e-5);
    assert_close("total reward", 0, kit.total_reward, run->total_reward,
                 1e-5 * fabs(run->total_reward));
    assert_int_equal(kit.n_episodes, run->n_episodes);
    testkit_close(&kit);
}

/* Pseudo-random action of row i at step t. */
static void spread_actions(struct testkit *kit, uint32_t t)
{
    for (uint32_t i = 0; i < kit->n; i++) {
        uint32_t x[4];
        lathe_philox(99, LATHE_STREAM_ACTION, i, t, 0, x);
        if (is_discrete(kit))
            ((int32_t *)kit->act)[i] = (int32_t)(x[0] % (uint32_t)kit->spec->act->n);
        else
            ((float *)kit->act)[i] = 4.0f * lathe_u32_to_f32(x[0]) - 2.0f;
    }
}

static void step_in_pieces(struct testkit *kit, uint32_t t)
{
    static const uint32_t sizes[4] = {1, 16, 7, 3};

    for (uint32_t first = 0, k = t; first < kit->n; k++) {
        const uint32_t rest = kit->n - first, size = sizes[k & 3u],
                       count = size < rest ? size : rest;
        assert_int_equal(kit->env->step(kit->batch, first, count, &kit->io), LATHE_OK);
        first += count;
    }
}

static void assert_same_rows(const struct testkit *a, const struct testkit *b, uint32_t n)
{
    assert_memory_equal(a->obs, b->obs, (size_t)n * a->spec->obs_stride);
    assert_memory_equal(a->reward, b->reward, 4 * (size_t)n);
    assert_memory_equal(a->terminated, b->terminated, n);
    assert_memory_equal(a->truncated, b->truncated, n);
}

void check_cuts(const char *stem, const char *component, const char *const *options)
{
    const uint32_t n = 301; /* more than one chunk, not a multiple of a vector */
    struct testkit whole, pieces, small;

    assert_int_equal(testkit_open(&whole, stem, component, n, options, NULL), LATHE_OK);
    assert_int_equal(testkit_open(&pieces, stem, component, n, options, NULL), LATHE_OK);
    assert_int_equal(testkit_open(&small, stem, component, 5, options, NULL), LATHE_OK);
    testkit_reset(&whole, 11);
    testkit_reset(&pieces, 11);
    testkit_reset(&small, 11);
    for (uint32_t t = 0; t < 120; t++) {
        spread_actions(&whole, t);
        spread_actions(&pieces, t);
        spread_actions(&small, t);
        assert_int_equal(whole.env->step(whole.batch, 0, n, &whole.io), LATHE_OK);
        step_in_pieces(&pieces, t);
        assert_int_equal(small.env->step(small.batch, 0, 5, &small.io), LATHE_OK);
        assert_same_rows(&whole, &pieces, n);
        assert_same_rows(&whole, &small, 5);
        for (uint32_t i = 0; i < n; i++)
            whole.ended[i] = pieces.ended[i] = whole.terminated[i];
        memcpy(small.ended, whole.ended, 5);
        assert_int_equal(whole.env->reset(whole.batch, 0, n, whole.ended, &whole.io), LATHE_OK);
        assert_int_equal(pieces.env->reset(pieces.batch, 0, n, pieces.ended, &pieces.io), LATHE_OK);
        assert_int_equal(small.env->reset(small.batch, 0, 5, small.ended, &small.io), LATHE_OK);
        assert_memory_equal(whole.obs, pieces.obs, (size_t)n * whole.spec->obs_stride);
    }
    testkit_close(&whole);
    testkit_close(&pieces);
    testkit_close(&small);
}

void check_snapshot(const char *stem, const char *component, const char *const *options)
{
    const uint32_t n = 9;
    struct testkit a, b;
    const struct lathe_env_snapshot *snap;
    unsigned char *bytes;

    assert_int_equal(testkit_open(&a, stem, component, n, options, NULL), LATHE_OK);
    assert_int_equal(testkit_open(&b, stem, component, n, options, NULL), LATHE_OK);
    snap = a.env->extension(a.batch, LATHE_ENV_SNAPSHOT);
    assert_non_null(snap);
    testkit_reset(&a, 3);
    testkit_reset(&b, 500);
    for (uint32_t t = 0; t < 33; t++) {
        spread_actions(&a, t);
        testkit_advance(&a);
    }
    bytes = calloc(n, snap->row_bytes);
    assert_non_null(bytes);
    assert_int_equal(snap->get(a.batch, 0, n, bytes), LATHE_OK);
    assert_int_equal(snap->set(b.batch, 0, n, bytes), LATHE_OK);
    memcpy(b.t, a.t, 4 * n);
    for (uint32_t t = 33; t < 300; t++) {
        spread_actions(&a, t);
        spread_actions(&b, t);
        testkit_advance(&a);
        testkit_advance(&b);
        assert_same_rows(&a, &b, n);
    }
    memset(bytes, 0, (size_t)n * snap->row_bytes);
    assert_int_equal(snap->set(b.batch, 0, n, bytes), LATHE_E_CORRUPT);
    assert_int_equal(snap->get(b.batch, 1, n, bytes), LATHE_E_INVALID);
    free(bytes);
    testkit_close(&a);
    testkit_close(&b);
}

void check_bad_action(const char *stem, const char *component, const void *bad)
{
    struct testkit a, b;

    assert_int_equal(testkit_open(&a, stem, component, 3, NULL, NULL), LATHE_OK);
    assert_int_equal(testkit_open(&b, stem, component, 3, NULL, NULL), LATHE_OK);
    testkit_reset(&a, 1);
    testkit_reset(&b, 1);
    spread_actions(&a, 0);
    spread_actions(&b, 0);
    memcpy((char *)a.act + a.spec->act_stride, bad, a.spec->act_stride);
    assert_int_equal(a.env->step(a.batch, 0, 3, &a.io), LATHE_E_INVALID);
    assert_int_equal(b.env->step(b.batch, 0, 1, &b.io), LATHE_OK);
    assert_int_equal(b.env->step(b.batch, 2, 1, &b.io), LATHE_OK);
    assert_same_rows(&a, &b, 3);
    spread_actions(&a, 1);
    spread_actions(&b, 1);
    assert_int_equal(a.env->step(a.batch, 1, 1, &a.io), LATHE_OK);
    assert_int_equal(b.env->step(b.batch, 1, 1, &b.io), LATHE_OK);
    assert_same_rows(&a, &b, 3);
    testkit_close(&a);
    testkit_close(&b);
}

void check_set_state(struct testkit *kit, const double *state, uint32_t n)
{
    const struct lathe_env_snapshot *snap = kit->env->extension(kit->batch, LATHE_ENV_SNAPSHOT);
    unsigned char row[256];

    assert_true(snap->row_bytes <= sizeof row);
    assert_int_equal(snap->get(kit->batch, 0, 1, row), LATHE_OK);
    memset(row + sizeof(struct lathe_pcg64), 0, snap->row_bytes - sizeof(struct lathe_pcg64));
    memcpy(row + sizeof(struct lathe_pcg64), state, n * sizeof *state);
    assert_int_equal(snap->set(kit->batch, 0, 1, row), LATHE_OK);
}

/* Reads up to MAX_NUMBERS numbers at *at; stops at | or the line's end. */
static uint32_t read_numbers(char **at, double *out)
{
    uint32_t n = 0;

    for (; n < MAX_NUMBERS; n++) {
        char *end;
        out[n] = strtod(*at, &end);
        if (end == *at)
            break;
        *at = end;
    }
    while (**at == ' ' || **at == '|')
        (*at)++;
    return n;
}

static void open_loop_action(struct testkit *kit, uint32_t t, uint32_t seed)
{
    if (is_discrete(kit))
        ((int32_t *)kit->act)[0] = (int32_t)((t * t + t / 3 + seed) % (uint32_t)kit->spec->act->n);
    else
        ((float *)kit->act)[0] =
            (float)(1.5 * kit->spec->act->high[0] * sin(0.3 * (double)t + (double)seed));
}

/* Position inside the open-loop runs of a file. */
struct cursor {
    uint32_t seed, t;
};

static void compare(const struct testkit *kit, const char *file, const double *want, uint32_t n,
                    double tolerance)
{
    for (uint32_t k = 0; k < n; k++)
        assert_close(file, k, obs_number(kit, k), want[k], tolerance);
}

static void replay_step(struct testkit *kit, const char *file, char *at)
{
    double action[MAX_NUMBERS], state[MAX_NUMBERS], want[MAX_NUMBERS];
    uint32_t n;

    (void)read_numbers(&at, action);
    n = read_numbers(&at, state);
    check_set_state(kit, state, n);
    n = read_numbers(&at, want);
    if (is_discrete(kit))
        ((int32_t *)kit->act)[0] = (int32_t)action[0];
    else
        ((float *)kit->act)[0] = (float)action[0];
    assert_int_equal(kit->env->step(kit->batch, 0, 1, &kit->io), LATHE_OK);
    assert_close(file, 0, (double)kit->reward[0], want[0], 1e-6 * fmax(1.0, fabs(want[0])));
    assert_int_equal(kit->terminated[0], (int)want[1]);
    compare(kit, file, want + 2, n - 2, 1e-6);
}

/* Advances the open-loop run of seed to step t; with resets for a path. */
static void run_to(struct testkit *kit, struct cursor *c, uint32_t seed, uint32_t t, int resets)
{
    if (c->seed != seed || c->t > t) {
        testkit_reset(kit, seed);
        c->seed = seed;
        c->t = 0;
    }
    for (; c->t < t; c->t++) {
        open_loop_action(kit, c->t, seed);
        if (resets)
            testkit_advance(kit);
        else
            assert_int_equal(kit->env->step(kit->batch, 0, 1, &kit->io), LATHE_OK);
    }
}

static void replay_path(struct testkit *kit, struct cursor *c, const char *file, char *at)
{
    double want[MAX_NUMBERS];
    const uint32_t n = read_numbers(&at, want);
    void *obs = kit->obs;

    run_to(kit, c, (uint32_t)want[0], (uint32_t)want[1], 1);
    assert_close(file, 0, (double)kit->reward[0], want[2], 1e-6);
    assert_int_equal(kit->terminated[0], (int)want[3]);
    kit->obs = kit->final_obs; /* of the step itself, before a reset */
    compare(kit, file, want + 4, n - 4, 0);
    kit->obs = obs;
}

static FILE *open_golden(const char *stem, const char *file)
{
    const char *root = getenv("LATHE_GOLDEN_DIR");
    char path[512];
    FILE *in;

    (void)snprintf(path, sizeof path, "%s/%s/golden/%s", root != NULL ? root : ENV_SOURCE_DIR, stem,
                   file);
    if ((in = fopen(path, "r")) == NULL)
        fail_msg("cannot open %s", path);
    return in;
}

uint32_t check_golden(const char *stem, const char *component, const char *const *options,
                      const char *file)
{
    FILE *in = open_golden(stem, file);
    struct testkit kit;
    struct cursor cursor = {UINT32_MAX, 0};
    char line[1024];
    uint32_t n_lines = 0;

    assert_int_equal(testkit_open(&kit, stem, component, 1, options, NULL), LATHE_OK);
    while (fgets(line, sizeof line, in) != NULL) {
        double want[MAX_NUMBERS];
        char *at = strchr(line, ' ');
        assert_non_null(at);
        n_lines++;
        if (strncmp(line, "step", 4) == 0) {
            replay_step(&kit, file, at);
        } else if (strncmp(line, "path", 4) == 0) {
            replay_path(&kit, &cursor, file, at);
        } else {
            const uint32_t n = read_numbers(&at, want), skip = line[0] == 'f' ? 2 : 1;
            if (skip == 2)
                run_to(&kit, &cursor, (uint32_t)want[0], (uint32_t)want[1], 0);
            else
                testkit_reset(&kit, (uint64_t)want[0]);
            compare(&kit, file, want + skip, n - skip, 1e-6);
        }
    }
    (void)fclose(in);
    testkit_close(&kit);
    return n_lines;
}

static double backup(const struct testkit *kit, const struct lathe_env_model *model, uint32_t s,
                     const double *value, int random)
{
    double best = -INFINITY, sum = 0;

    for (uint32_t a = 0; a < model->n_actions; a++) {
        struct lathe_outcome out[16];
        const uint32_t n = model->transitions(kit->batch, s, a, out, 16);
        double q = 0;
        for (uint32_t k = 0; k < n; k++)
            q += out[k].probability *
                 (out[k].reward + (out[k].terminated ? 0.0 : value[out[k].next_state]));
        best = q > best ? q : best;
        sum += q / model->n_actions;
    }
    return random ? sum : best;
}

double check_value(const struct testkit *kit, uint32_t horizon, int random)
{
    const struct lathe_env_model *model = kit->env->extension(kit->batch, LATHE_ENV_MODEL);
    double *now, *next, sum = 0;
    struct lathe_outcome *start;
    uint32_t n;

    assert_non_null(model);
    now = calloc(model->n_states, sizeof *now);
    next = calloc(model->n_states, sizeof *next);
    start = calloc(model->n_states, sizeof *start);
    assert_true(now != NULL && next != NULL && start != NULL);
    for (uint32_t h = 0; h < horizon; h++) {
        double *swap = now;
        for (uint32_t s = 0; s < model->n_states; s++)
            next[s] = backup(kit, model, s, now, random);
        now = next;
        next = swap;
    }
    n = model->start(kit->batch, start, model->n_states);
    for (uint32_t k = 0; k < n; k++)
        sum += start[k].probability * now[start[k].next_state];
    free(now);
    free(next);
    free(start);
    return sum;
}
