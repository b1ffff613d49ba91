/* Updates of the plugin against a reference in double whose gradients are central differences:
 * every option, from the same weights and the same draws. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kit/replay.h"
#include "lathe/rng.h"
#include "tests/support/rl_harness.h"

#define DIM 3u
#define ACTIONS 3u
#define ROWS 2u
#define MAX_PARAMS 400u
#define MAX_BATCH 300u
#define MAX_OUT 32u
#define H1 5u
#define H2 4u
#define ADAM_EPS 1e-3
#define RATE 1e-2

struct shape {
    uint32_t n_atoms, batch, n_step, n_layers, mask;
    int dueling, twice, squared, quantile, per;
    double max_norm, gamma, beta;
};

/* A net as one vector: per layer weights [out][in], then biases. */
struct vector {
    double p[MAX_PARAMS];
    uint32_t n;
};

static void widths(const struct shape *s, uint32_t layer, uint32_t *in, uint32_t *out)
{
    *in = layer == 0 ? DIM : layer == 1 ? H1 : H2;
    *out = layer == 0 ? H1 : layer == 1 ? H2 : layer == 2 ? ACTIONS * s->n_atoms : s->n_atoms;
}

static void read_net(const struct shape *s, const struct rl_store *from, const char *prefix,
                     struct vector *v)
{
    uint32_t l, b, i, in, out;

    v->n = 0;
    for (l = 0; l < s->n_layers; l++)
        for (b = 0; b < 2; b++) {
            char name[64];
            float buffer[MAX_PARAMS];
            uint64_t shape[2];
            widths(s, l, &in, &out);
            shape[0] = out;
            shape[1] = in;
            snprintf(name, sizeof name, "%s/q.%u.%s", prefix, l, b ? "bias" : "weight");
            assert_int_equal(
                from->reader.get(&from->reader, name, LATHE_F32, b ? 1 : 2, shape, buffer),
                LATHE_OK);
            for (i = 0; i < (b ? out : in * out); i++)
                v->p[v->n++] = (double)buffer[i];
        }
}

/* y = W h + b, relu when asked; returns the parameters behind the layer. */
static const double *dense(const double *p, uint32_t in, uint32_t out, const double *x, double *y,
                           int relu)
{
    uint32_t i, j;

    for (j = 0; j < out; j++) {
        y[j] = p[in * out + j];
        for (i = 0; i < in; i++)
            y[j] += p[j * in + i] * x[i];
        if (relu && y[j] < 0)
            y[j] = 0;
    }
    return p + in * out + out;
}

/* z[action][atom] of one observation, dueling heads combined. */
static void outputs(const struct shape *s, const double *p, const float *obs, double *z)
{
    double x[DIM], h1[H1], h2[H2], v[MAX_OUT];
    uint32_t i, a, k;

    for (i = 0; i < DIM; i++)
        x[i] = (double)obs[i];
    p = dense(p, DIM, H1, x, h1, 1);
    p = dense(p, H1, H2, h1, h2, 1);
    p = dense(p, H2, ACTIONS * s->n_atoms, h2, z, 0);
    if (!s->dueling)
        return;
    dense(p, H2, s->n_atoms, h2, v, 0);
    for (k = 0; k < s->n_atoms; k++) {
        double mean = 0;
        for (a = 0; a < ACTIONS; a++)
            mean += z[a * s->n_atoms + k] / ACTIONS;
        for (a = 0; a < ACTIONS; a++)
            z[a * s->n_atoms + k] += v[k] - mean;
    }
}

static uint32_t best(const struct shape *s, const double *z, const uint8_t *mask)
{
    double top = -1e300;
    uint32_t a, k, at = 0;

    for (a = 0; a < ACTIONS; a++) {
        double q = 0;
        for (k = 0; k < s->n_atoms; k++)
            q += z[a * s->n_atoms + k];
        if ((mask == NULL || mask[a]) && q > top) {
            top = q;
            at = a;
        }
    }
    return at;
}

static double huber(double e)
{
    return fabs(e) <= 1 ? 0.5 * e * e : fabs(e) - 0.5;
}

/* Loss of one row with goals y. */
static double row_loss(const struct shape *s, const double *z, const double *goal, double *error)
{
    double loss = 0, mean = 0;
    uint32_t i, j;

    for (i = 0; i < s->n_atoms; i++)
        mean += (z[i] - goal[i]) / s->n_atoms;
    *error = mean;
    if (!s->quantile)
        return s->squared ? mean * mean : huber(mean);
    for (i = 0; i < s->n_atoms; i++)
        for (j = 0; j < s->n_atoms; j++) {
            const double e = goal[j] - z[i], tau = (i + 0.5) / s->n_atoms;
            loss += fabs(tau - (e < 0 ? 1 : 0)) * (s->squared ? fabs(e) : huber(e)) / s->n_atoms;
        }
    *error = loss;
    return loss;
}

struct problem {
    struct shape s;
    struct kit_replay_batch m;
    double goal[MAX_BATCH][MAX_OUT], error[MAX_BATCH];
};

static double loss_of(struct problem *c, const double *p)
{
    double sum = 0;
    uint32_t i;

    for (i = 0; i < c->s.batch; i++) {
        double z[MAX_OUT];
        int32_t act;
        memcpy(&act, (const char *)c->m.act + (size_t)i * 4, 4);
        outputs(&c->s, p, c->m.obs + (size_t)i * DIM, z);
        sum += (double)c->m.weight[i] *
               row_loss(&c->s, z + (uint32_t)act * c->s.n_atoms, c->goal[i], &c->error[i]);
    }
    return sum / c->s.batch;
}

static void set_goals(struct problem *c, const double *online, const double *target)
{
    uint32_t i, k;

    for (i = 0; i < c->s.batch; i++) {
        const float *next = c->m.next_obs + (size_t)i * DIM;
        const uint8_t *mask = c->s.mask ? c->m.next_mask + (size_t)i * ACTIONS : NULL;
        double zt[MAX_OUT], zo[MAX_OUT];
        uint32_t a;
        outputs(&c->s, target, next, zt);
        outputs(&c->s, online, next, zo);
        a = best(&c->s, c->s.twice ? zo : zt, mask);
        for (k = 0; k < c->s.n_atoms; k++)
            c->goal[i][k] =
                (double)c->m.reward[i] + (double)c->m.discount[i] * zt[a * c->s.n_atoms + k];
    }
}

static void gradient(struct problem *c, struct vector *p, struct vector *g)
{
    uint32_t i;

    for (i = 0; i < p->n; i++) {
        const double at = p->p[i], h = 1e-6;
        double up, down;
        p->p[i] = at + h;
        up = loss_of(c, p->p);
        p->p[i] = at - h;
        down = loss_of(c, p->p);
        p->p[i] = at;
        g->p[i] = (up - down) / (2 * h);
    }
    g->n = p->n;
}

/* Clip and Adam. t: the step's number, from 1. */
static void optimize(const struct shape *s, struct vector *p, struct vector *m, struct vector *v,
                     struct vector *g, uint64_t t)
{
    double norm = 0, scale;
    uint32_t i;

    for (i = 0; i < g->n; i++)
        norm += g->p[i] * g->p[i];
    norm = sqrt(norm);
    scale = s->max_norm > 0 && norm > s->max_norm ? s->max_norm / norm : 1;
    for (i = 0; i < g->n; i++) {
        const double x = g->p[i] * scale;
        g->p[i] = x;
        m->p[i] = 0.9 * m->p[i] + 0.1 * x;
        v->p[i] = 0.999 * v->p[i] + 0.001 * x * x;
        p->p[i] -= RATE / (1 - pow(0.9, (double)t)) * m->p[i] /
                   (sqrt(v->p[i] / (1 - pow(0.999, (double)t))) + ADAM_EPS);
    }
}

static void same(const char *what, const struct vector *got, const struct vector *want,
                 double tolerance)
{
    double worst = 0, largest = 0;
    uint32_t i;

    for (i = 0; i < want->n; i++) {
        largest = fmax(largest, fabs(want->p[i]));
        worst = fmax(worst, fabs(got->p[i] - want->p[i]));
    }
    if (!(worst <= tolerance * largest))
        print_message("%s: off by %g of %g\n", what, worst, largest);
    assert_true(worst <= tolerance * largest);
}

/* ---- the plugin under test ---- */

struct rig {
    const struct lathe_algorithm *algo;
    struct rl_params params;
    struct lathe_space obs_space, act_space;
    struct lathe_env_spec spec;
    struct lathe_algo_args args;
    void *self;
    uint32_t t;
};

static const double low = -9, high = 9;

static void rig_open(struct rig *r, const char *settings, uint32_t n_mask)
{
    const struct lathe_component *c = rl_component("dqn", LATHE_KIND_ALGORITHM, "dqn");
    struct lathe_error err;

    memset(r, 0, sizeof *r);
    assert_non_null(c);
    r->algo = c->vtable;
    rl_params_init(&r->params, c, settings);
    r->obs_space = (struct lathe_space){.struct_size = sizeof r->obs_space,
                                        .kind = LATHE_SPACE_BOX,
                                        .dtype = LATHE_F32,
                                        .ndim = 1,
                                        .flags = LATHE_SPACE_ONE_BOUND,
                                        .shape = {DIM},
                                        .len_bytes = 4 * DIM,
                                        .low = &low,
                                        .high = &high};
    r->act_space = (struct lathe_space){.struct_size = sizeof r->act_space,
                                        .kind = LATHE_SPACE_DISCRETE,
                                        .dtype = LATHE_I32,
                                        .len_bytes = 4,
                                        .n = ACTIONS,
                                        .start = 7};
    r->spec = (struct lathe_env_spec){.struct_size = sizeof r->spec,
                                      .id = "rig",
                                      .obs_stride = 4 * DIM,
                                      .act_stride = 4,
                                      .n_agents = 1,
                                      .obs = &r->obs_space,
                                      .act = &r->act_space};
    r->args = (struct lathe_algo_args){
        .struct_size = sizeof r->args,
        .spec = &r->spec,
        .params = &r->params.api,
        .engine = rl_component("engine_cpu", LATHE_KIND_ENGINE, "cpu")->vtable,
        .n_envs = ROWS,
        .threads = 2,
        .n_mask = n_mask,
        .max_act_rows = 8,
        .seed = 3,
        .total_steps = 4000};
    assert_int_equal(r->algo->open(&r->args, &err, &r->self), LATHE_OK);
}

static void rig_close(struct rig *r)
{
    r->algo->close(r->self);
    rl_params_fini(&r->params);
}

static float noise(uint32_t row, uint32_t t, uint32_t k)
{
    uint32_t x[4];
    float z[2];

    lathe_philox(77, 1, row, t, k, x);
    lathe_normal_pair(x[0], x[1], z);
    return z[0];
}

/* One synthetic step; observations of an episode continue the last step's next_obs. */
static int32_t rig_step(struct rig *r)
{
    float obs[ROWS * DIM], next[ROWS * DIM], final[ROWS * DIM], reward[ROWS];
    uint8_t term[ROWS], trunc[ROWS], mask[ROWS * ACTIONS], next_mask[ROWS * ACTIONS];
    int32_t acts[ROWS];
    uint32_t ended[ROWS], n_ended = 0, i, k;
    struct lathe_obs o = {sizeof o, 0, ROWS, 0, obs, mask, 0, 0};
    struct lathe_act act = {sizeof act, 0, acts, NULL, NULL};
    struct lathe_transition tr = {sizeof tr, 0,     ROWS, 0,     obs,   acts, reward,
                                  term,      trunc, next, final, ended, mask, next_mask};

    for (i = 0; i < ROWS; i++) {
        term[i] = (r->t + 3 * i) % 11 == 10;
        trunc[i] = (r->t + 5 * i) % 7 == 6;
        reward[i] = 2 * noise(i, r->t, 40);
        if (term[i] || trunc[i])
            ended[n_ended++] = i;
        for (k = 0; k < DIM; k++) {
            obs[i * DIM + k] = noise(i, r->t, k);
            next[i * DIM + k] = noise(i, r->t + 1, k);
            final[i * DIM + k] = noise(i, r->t, 20 + k);
        }
        for (k = 0; k < ACTIONS; k++) {
            mask[i * ACTIONS + k] = (r->t + i + k) % 3 != 0;
            next_mask[i * ACTIONS + k] = (r->t + 1 + i + k) % 3 != 0;
        }
    }
    tr.n_ended = n_ended;
    assert_int_equal(r->algo->act(r->self, &o, LATHE_ACT_EXPLORE, &act), LATHE_OK);
    for (i = 0; i < ROWS; i++) {
        assert_in_range(acts[i], 7, 7 + ACTIONS - 1);
        if (r->args.n_mask > 0)
            assert_true(mask[i * ACTIONS + (uint32_t)acts[i] - 7]);
    }
    r->t++;
    return r->algo->observe(r->self, &tr);
}

static void put_stat(struct lathe_stats *s, const char *name, double value)
{
    if (strcmp(name, "train/loss") == 0)
        *(double *)s->ctx = value;
}

static void reference_memory(const struct shape *s, const struct rl_store *from,
                             struct kit_replay **r, struct kit_replay_batch *m)
{
    const struct kit_replay_args args = {.capacity = 500,
                                         .n_streams = ROWS,
                                         .obs_dim = DIM,
                                         .act_bytes = 4,
                                         .mask_bytes = s->mask,
                                         .seed = 3,
                                         .prioritized = s->per,
                                         .alpha = 0.6};

    assert_int_equal(kit_replay_open(&args, r), LATHE_OK);
    assert_int_equal(kit_replay_load(*r, &from->reader), LATHE_OK);
    assert_int_equal(kit_replay_batch_open(*r, s->batch, m), LATHE_OK);
}

static void same_priorities(const struct problem *c, const struct rl_store *after, uint64_t size)
{
    double leaf[500];
    uint32_t i, k;

    assert_int_equal(
        after->reader.get(&after->reader, "replay/priority", LATHE_F64, 1, &size, leaf), LATHE_OK);
    for (i = 0; i < c->s.batch; i++) {
        double want = pow(fabs(c->error[i]) + 1e-6, 0.6);
        for (k = i + 1; k < c->s.batch; k++)
            if (c->m.index[k] == c->m.index[i])
                want = pow(fabs(c->error[k]) + 1e-6, 0.6);
        assert_true(fabs(leaf[c->m.index[i]] - want) <= 1e-4 * (want + 0.01));
    }
}

/* The reference's update from `before`; compares with `after`. */
static void compare(const struct shape *s, const struct rl_store *before,
                    const struct rl_store *after, double loss, uint64_t updates)
{
    static struct problem c;
    struct vector online, target, m, v, g, got;
    struct kit_replay *memory;
    double want;

    c.s = *s;
    reference_memory(s, before, &memory, &c.m);
    read_net(s, before, "policy", &online);
    read_net(s, before, "target", &target);
    read_net(s, before, "adam_m", &m);
    read_net(s, before, "adam_v", &v);
    kit_replay_sample(memory, &c.m, s->batch, updates, s->beta);
    kit_replay_gather(memory, &c.m, s->n_step, s->gamma);
    set_goals(&c, online.p, target.p);
    want = loss_of(&c, online.p);
    if (fabs(loss - want) > 1e-5 * want)
        print_message("loss %.9g, want %.9g\n", loss, want);
    assert_true(fabs(loss - want) <= 1e-5 * want);
    if (s->per)
        same_priorities(&c, after, kit_replay_size(memory));
    gradient(&c, &online, &g);
    optimize(s, &online, &m, &v, &g, updates + 1);
    read_net(s, after, "adam_m", &got);
    same("first moment", &got, &m, 1e-4);
    read_net(s, after, "policy", &got);
    same("weights", &got, &online, 1e-5);
    kit_replay_batch_close(&c.m);
    kit_replay_close(memory);
}

/* Plays until four updates were compared. */
static void parity(const char *more, struct shape s)
{
    struct rig r;
    struct lathe_error err;
    const struct lathe_budget budget = {sizeof budget, 0, 0, NULL, NULL};
    char settings[512];
    uint64_t updates = 0;

    s.n_atoms = s.n_atoms > 0 ? s.n_atoms : 1;
    s.n_step = s.n_step > 0 ? s.n_step : 1;
    s.batch = s.batch > 0 ? s.batch : 24;
    s.max_norm = s.max_norm == 0 ? 10 : s.max_norm;
    snprintf(settings, sizeof settings,
             "net_arch=[5,4];learning_rate=1e-2;adam_eps=1e-3;buffer_size=500;learning_starts=60;"
             "train_freq=4;target_update_interval=8;tau=0.3;batch_size=%u;gamma=0.9;%s",
             s.batch, more);
    s.gamma = 0.9;
    s.n_layers = s.dueling ? 4 : 3;
    rig_open(&r, settings, s.mask);
    while (updates < 4) {
        struct rl_store before, after;
        double loss = NAN;
        struct lathe_stats stats = {sizeof stats, 0, &loss, put_stat};
        const uint64_t due_before = r.t + 1;
        if (rig_step(&r) != LATHE_UPDATE_DUE)
            continue;
        assert_true(due_before * ROWS > 60);
        s.beta = 0.4 + 0.6 * ((double)r.t * ROWS / 4000.0);
        rl_store_init(&before);
        rl_store_init(&after);
        assert_int_equal(r.algo->save(r.self, &before.writer), LATHE_OK);
        assert_int_equal(r.algo->update(r.self, &budget, &stats, &err), LATHE_OK);
        assert_int_equal(r.algo->save(r.self, &after.writer), LATHE_OK);
        /* a copy that was due happened before the gradient step: take the target from there */
        {
            uint32_t i, k;
            for (i = 0; i < before.n; i++)
                for (k = 0; k < after.n; k++)
                    if (strncmp(before.list[i].name, "target/", 7) == 0 &&
                        strcmp(before.list[i].name, after.list[k].name) == 0)
                        memcpy(before.list[i].data, after.list[k].data, after.list[k].len_bytes);
        }
        compare(&s, &before, &after, loss, updates);
        updates++;
        rl_store_fini(&before);
        rl_store_fini(&after);
    }
    rig_close(&r);
}

/* Fields that are not named are 0: one atom, one step, 24 rows, gradient norm up to 10, Huber. */
#define SHAPE(...) ((struct shape){__VA_ARGS__})

static void plain_updates_equal_the_reference(void **state)
{
    (void)state;
    parity("", SHAPE(.mask = 0));
    parity("huber=false", SHAPE(.squared = 1));
    parity("max_grad_norm=0.05", SHAPE(.max_norm = 0.05));
    parity("max_grad_norm=0", SHAPE(.max_norm = -1));
    parity("", SHAPE(.batch = 1));
}

static void double_and_dueling_updates_equal_the_reference(void **state)
{
    (void)state;
    parity("double=true", SHAPE(.twice = 1));
    parity("dueling=true", SHAPE(.dueling = 1));
    parity("double=true;dueling=true", SHAPE(.twice = 1, .dueling = 1));
}

static void returns_over_several_steps_equal_the_reference(void **state)
{
    (void)state;
    parity("n_step=3", SHAPE(.n_step = 3));
    parity("n_step=5;double=true", SHAPE(.n_step = 5, .twice = 1));
}

static void prioritized_updates_equal_the_reference(void **state)
{
    (void)state;
    parity("per=true", SHAPE(.per = 1));
    parity("per=true;huber=false;n_step=2", SHAPE(.per = 1, .squared = 1, .n_step = 2));
}

static void quantile_updates_equal_the_reference(void **state)
{
    (void)state;
    parity("quantile=5", SHAPE(.quantile = 1, .n_atoms = 5));
    parity("quantile=4;huber=false", SHAPE(.quantile = 1, .n_atoms = 4, .squared = 1));
    parity("quantile=4;dueling=true;double=true;per=true;n_step=2",
           SHAPE(.quantile = 1, .n_atoms = 4, .dueling = 1, .twice = 1, .per = 1, .n_step = 2));
}

static void masked_actions_are_neither_taken_nor_rated(void **state)
{
    (void)state;
    parity("exploration_initial_eps=0.5", SHAPE(.mask = ACTIONS));
    parity("double=true", SHAPE(.mask = ACTIONS, .twice = 1));
}

static void large_batches_are_cut_without_effect(void **state)
{
    (void)state;
    parity("", SHAPE(.batch = 300));
    parity("per=true;double=true", SHAPE(.batch = 300, .per = 1, .twice = 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_updates_equal_the_reference),
        cmocka_unit_test(double_and_dueling_updates_equal_the_reference),
        cmocka_unit_test(returns_over_several_steps_equal_the_reference),
        cmocka_unit_test(prioritized_updates_equal_the_reference),
        cmocka_unit_test(quantile_updates_equal_the_reference),
        cmocka_unit_test(masked_actions_are_neither_taken_nor_rated),
        cmocka_unit_test(large_batches_are_cut_without_effect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
