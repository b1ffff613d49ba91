/* Whole updates of the plugin against a reference in double whose gradients are central
 * differences: every kind of action, both value losses with clipping, masks, a cut episode, and a
 * short last minibatch. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lathe/rng.h"
#include "tests/support/rl_harness.h"

#define DIM 3u
#define H1 5u
#define H2 4u
#define ROWS 2u
#define STEPS 7u
#define ENTRIES (ROWS * STEPS)
#define BATCH 6u /* slices of 6, 6 and 2 */
#define EPOCHS 2u
#define MAX_OUT 6u
#define MAX_PARAMS 200u
#define ADAM_EPS 1e-3
#define RATE 2e-2

enum kind { CATEGORICAL, MULTI, GAUSSIAN, SDE };

struct shape {
    enum kind kind;
    int cleanrl;
    double clip, clip_vf, ent;
    const char *settings;
};

static const int64_t nvec[2] = {2, 4};
static const double low = -INFINITY, high = INFINITY;

static uint32_t n_parts(enum kind k)
{
    return k == MULTI ? 2 : 1;
}

static uint32_t part_size(enum kind k, uint32_t part)
{
    return k == MULTI ? (uint32_t)nvec[part] : 3;
}

static uint32_t n_out(enum kind k)
{
    return k == CATEGORICAL ? 3 : k == MULTI ? 6 : 2;
}

static int is_discrete(enum kind k)
{
    return k == CATEGORICAL || k == MULTI;
}

/* A learner under test, and what it has seen. */
struct subject {
    struct rl_params params;
    struct lathe_space obs_space, act_space;
    struct lathe_env_spec spec;
    const struct lathe_algorithm *algo;
    void *self;
    uint32_t draws;
    float obs[STEPS + 1][ROWS][DIM], final[STEPS][ROWS][DIM], reward[STEPS][ROWS];
    uint8_t mask[STEPS + 1][ROWS][MAX_OUT], term[STEPS][ROWS], trunc[STEPS][ROWS];
    int32_t act_i[STEPS][ROWS][2];
    float act_f[STEPS][ROWS][2];
    double stat[6];
};

static const char *const stat_names[6] = {"train/policy_loss",   "train/value_loss",
                                          "train/entropy",       "train/approx_kl",
                                          "train/clip_fraction", "train/grad_norm"};

static float number(struct subject *s)
{
    uint32_t x[4];

    lathe_philox(99, 9, s->draws++, 0, 0, x);
    return 2.0f * lathe_u32_to_f32(x[0]) - 1.0f;
}

static void spaces(struct subject *s, enum kind kind)
{
    s->obs_space = (struct lathe_space){.struct_size = sizeof s->obs_space};
    s->obs_space.kind = LATHE_SPACE_BOX;
    s->obs_space.dtype = LATHE_F32;
    s->obs_space.ndim = 1;
    s->obs_space.shape[0] = DIM;
    s->obs_space.len_bytes = 4 * DIM;
    s->obs_space.flags = LATHE_SPACE_ONE_BOUND;
    s->obs_space.low = &low;
    s->obs_space.high = &high;
    s->act_space = s->obs_space;
    s->act_space.shape[0] = 2;
    s->act_space.len_bytes = 8;
    if (is_discrete(kind)) {
        s->act_space.kind = kind == MULTI ? LATHE_SPACE_MULTIDISCRETE : LATHE_SPACE_DISCRETE;
        s->act_space.dtype = LATHE_I32;
        s->act_space.n = 3;
        s->act_space.nvec = nvec;
    }
    s->spec = (struct lathe_env_spec){.struct_size = sizeof s->spec, .id = "subject"};
    s->spec.obs_stride = 4 * DIM;
    s->spec.act_stride = kind == CATEGORICAL ? 4 : 8;
    s->spec.n_agents = 1;
    s->spec.obs = &s->obs_space;
    s->spec.act = &s->act_space;
}

static void open_subject(struct subject *s, enum kind kind, const char *settings, int masked)
{
    const struct lathe_component *algo = rl_component("ppo", LATHE_KIND_ALGORITHM, "ppo");
    const struct lathe_component *engine = rl_component("engine_cpu", LATHE_KIND_ENGINE, "cpu");
    struct lathe_algo_args args = {.struct_size = sizeof args, .n_envs = ROWS, .threads = 1};
    struct lathe_error err;

    memset(s, 0, sizeof *s);
    assert_true(algo != NULL && engine != NULL);
    spaces(s, kind);
    rl_params_init(&s->params, algo, settings);
    s->algo = algo->vtable;
    args.spec = &s->spec;
    args.params = &s->params.api;
    args.engine = engine->vtable;
    args.n_mask = masked ? n_out(kind) : 0;
    args.max_act_rows = 64;
    args.seed = 17;
    args.total_steps = 1000;
    assert_int_equal(s->algo->open(&args, &err, &s->self), LATHE_OK);
}

static void close_subject(struct subject *s)
{
    s->algo->close(s->self);
    rl_params_fini(&s->params);
}

/* At least the first action of each part stays allowed. */
static void invent(struct subject *s, enum kind kind, uint32_t t)
{
    uint32_t i, k, a, at;

    for (i = 0; i < ROWS; i++) {
        for (k = 0; k < DIM; k++)
            s->obs[t][i][k] = number(s);
        for (k = 0, at = 0; is_discrete(kind) && k < n_parts(kind); at += part_size(kind, k++))
            for (a = 0; a < part_size(kind, k); a++)
                s->mask[t][i][at + a] = a == 0 || number(s) > -0.4f;
    }
}

static void stat_put(struct lathe_stats *stats, const char *name, double value)
{
    struct subject *s = stats->ctx;
    uint32_t i;

    for (i = 0; i < 6; i++)
        if (strcmp(name, stat_names[i]) == 0)
            s->stat[i] = value;
}

/* Plays the rollout on invented observations; the last observe finds the update due. */
static void play(struct subject *s, enum kind kind)
{
    uint8_t masks[2][ROWS * MAX_OUT];
    uint32_t t, i, k;
    int32_t st = LATHE_OK;

    invent(s, kind, 0);
    for (t = 0; t < STEPS; t++) {
        struct lathe_obs obs = {sizeof obs, 0, ROWS, 0, s->obs[t], masks[0], 0, 0};
        struct lathe_act act = {sizeof act, 0, NULL, NULL, NULL};
        struct lathe_transition tr = {.struct_size = sizeof tr, .count = ROWS};
        int32_t raw[ROWS * 2];
        for (i = 0; i < ROWS; i++)
            memcpy(masks[0] + i * n_out(kind), s->mask[t][i], n_out(kind));
        act.act = is_discrete(kind) ? (void *)raw : (void *)s->act_f[t];
        assert_int_equal(s->algo->act(s->self, &obs, LATHE_ACT_EXPLORE, &act), LATHE_OK);
        for (i = 0; i < ROWS; i++)
            for (k = 0; k < n_parts(kind); k++)
                s->act_i[t][i][k] = raw[i * n_parts(kind) + k];
        invent(s, kind, t + 1);
        for (i = 0; i < ROWS; i++) {
            s->reward[t][i] = number(s);
            s->term[t][i] = t == 2 && i == 0;
            s->trunc[t][i] = t == 4 && i == 1;
            for (k = 0; k < DIM; k++)
                s->final[t][i][k] = number(s);
        }
        tr.obs = s->obs[t];
        tr.act = act.act;
        tr.reward = s->reward[t];
        tr.terminated = s->term[t];
        tr.truncated = s->trunc[t];
        tr.next_obs = s->obs[t + 1];
        tr.final_obs = s->final[t];
        st = s->algo->observe(s->self, &tr);
    }
    assert_int_equal(st, LATHE_UPDATE_DUE);
}

/* ---- the reference ---- */

struct reference {
    const struct shape *shape;
    struct subject *s;
    double p[MAX_PARAMS], frozen[MAX_PARAMS], m[MAX_PARAMS], v[MAX_PARAMS], grad[MAX_PARAMS];
    uint32_t n, critic_at, std_at; /* parameters: actor, critic, log_std */
    double logp_old[ENTRIES], value_old[ENTRIES], adv[ENTRIES], ret[ENTRIES];
    uint32_t perm[ENTRIES];
    double sums[5], batch_adv[BATCH], norm;
    uint32_t clipped_values, clipped_norms;
};

static void read_params(struct reference *r, const struct rl_store *store, double *p)
{
    uint32_t i, k;

    r->n = 0;
    for (i = 0; i < store->n; i++) {
        const struct rl_tensor *t = &store->list[i];
        if (strcmp(t->name, "policy/critic.0.weight") == 0)
            r->critic_at = r->n;
        if (strcmp(t->name, "policy/log_std") == 0)
            r->std_at = r->n;
        for (k = 0; k < t->len_bytes / sizeof(float); k++)
            p[r->n++] = (double)((const float *)t->data)[k];
        assert_true(r->n <= MAX_PARAMS);
    }
}

/* tanh layers of widths H1 and H2, then out numbers; feat gets the last hidden layer. */
static void net(const double *p, const float *x, uint32_t out, double *y, double *feat)
{
    const uint32_t widths[4] = {DIM, H1, H2, out};
    double in[8], sum;
    uint32_t l, i, j;

    for (i = 0; i < DIM; i++)
        in[i] = (double)x[i];
    for (l = 0; l < 3; l++) {
        for (j = 0; j < widths[l + 1]; j++) {
            sum = p[widths[l] * widths[l + 1] + j];
            for (i = 0; i < widths[l]; i++)
                sum += p[j * widths[l] + i] * in[i];
            y[j] = l < 2 ? tanh(sum) : sum;
        }
        p += (widths[l] + 1) * widths[l + 1];
        if (l < 2)
            memcpy(in, y, widths[l + 1] * sizeof *in);
        if (l == 1)
            memcpy(feat, y, H2 * sizeof *feat);
    }
}

static double value_of(const struct reference *r, const float *x)
{
    double y[8], feat[8];

    net(r->p + r->critic_at, x, 1, y, feat);
    return y[0];
}

/* One part of a discrete action: adds to the log-probability and the entropy. */
static void softmax_part(const double *z, const uint8_t *mask, uint32_t n, int32_t act,
                         double *logp, double *entropy)
{
    double sum = 0, lse;
    uint32_t a;

    for (a = 0; a < n; a++)
        sum += mask[a] ? exp(z[a]) : 0;
    lse = log(sum);
    *logp += z[act] - lse;
    for (a = 0; a < n; a++)
        if (mask[a])
            *entropy -= exp(z[a] - lse) * (z[a] - lse);
}

static void policy_of(const struct reference *r, uint32_t e, double *logp, double *entropy)
{
    const enum kind kind = r->shape->kind;
    const uint32_t t = e / ROWS, i = e % ROWS;
    double y[8], feat[8], held[8];
    uint32_t k, f, at = 0;

    *logp = *entropy = 0;
    net(r->p, r->s->obs[t][i], n_out(kind), y, feat);
    for (k = 0; is_discrete(kind) && k < n_parts(kind); at += part_size(kind, k++))
        softmax_part(y + at, r->s->mask[t][i] + at, part_size(kind, k), r->s->act_i[t][i][k], logp,
                     entropy);
    if (is_discrete(kind))
        return;
    net(r->frozen, r->s->obs[t][i], 2, held, feat); /* no gradient through the noise's features */
    for (k = 0; k < 2; k++) {
        double var = exp(2 * r->p[r->std_at + k]), z = (double)r->s->act_f[t][i][k] - y[k];
        for (f = 0, var = kind == SDE ? 1e-6 : var; kind == SDE && f < H2; f++)
            var += feat[f] * feat[f] * exp(2 * r->p[r->std_at + 2 * f + k]);
        *logp += -0.5 * z * z / var - 0.5 * log(var) - 0.5 * log(2 * 3.14159265358979323846);
        *entropy += 0.5 + 0.5 * log(2 * 3.14159265358979323846) + 0.5 * log(var);
    }
}

static double value_loss(struct reference *r, uint32_t e, int count)
{
    const struct shape *s = r->shape;
    const double v = value_of(r, r->s->obs[e / ROWS][e % ROWS]), old = r->value_old[e];
    const double moved = fmax(-s->clip_vf, fmin(s->clip_vf, v - old));
    const double held = s->clip_vf > 0 ? old + moved : v;
    const double plain = (v - r->ret[e]) * (v - r->ret[e]);
    const double clipped = (held - r->ret[e]) * (held - r->ret[e]);

    r->clipped_values += count && s->clip_vf > 0 && fabs(v - old) > s->clip_vf;
    return s->cleanrl ? 0.5 * fmax(plain, clipped) : clipped;
}

/* The loss of a minibatch; sums gets policy loss, value loss, entropy, divergence, clipped share.
 */
static double loss_of(struct reference *r, const uint32_t *rows, uint32_t n, double *sums)
{
    const struct shape *s = r->shape;
    double all[5] = {0};
    uint32_t i;

    for (i = 0; i < n; i++) {
        double logp, entropy, ratio;
        policy_of(r, rows[i], &logp, &entropy);
        ratio = exp(logp - r->logp_old[rows[i]]);
        all[0] -= fmin(r->batch_adv[i] * ratio,
                       r->batch_adv[i] * fmax(1 - s->clip, fmin(1 + s->clip, ratio)));
        all[1] += value_loss(r, rows[i], sums != NULL);
        all[2] += entropy;
        all[3] += ratio - 1 - (logp - r->logp_old[rows[i]]);
        all[4] += fabs(ratio - 1) > s->clip;
    }
    for (i = 0; sums != NULL && i < 5; i++)
        sums[i] += all[i] / n;
    return (all[0] + 0.5 * all[1] - s->ent * all[2]) / n;
}

static void advantages(struct reference *r)
{
    const struct subject *s = r->s;
    const double gamma = 0.9, lambda = 0.8;
    uint32_t i, t;

    for (i = 0; i < ROWS; i++) {
        double next = value_of(r, s->obs[STEPS][i]), carry = 0;
        for (t = STEPS; t-- > 0;) {
            const uint32_t e = t * ROWS + i;
            const double go = s->term[t][i] || s->trunc[t][i] ? 0 : 1;
            double reward = (double)s->reward[t][i];
            if (s->trunc[t][i] && !s->term[t][i] && !r->shape->cleanrl)
                reward += gamma * value_of(r, s->final[t][i]);
            carry = reward + gamma * go * next - r->value_old[e] + gamma * lambda * go * carry;
            r->adv[e] = carry;
            r->ret[e] = carry + r->value_old[e];
            next = r->value_old[e];
        }
    }
}

static void shuffle(struct reference *r, uint32_t epoch)
{
    uint32_t x[4], i, k = 0;

    for (i = 0; i < ENTRIES; i++)
        r->perm[i] = i;
    for (i = ENTRIES; i > 1; i--, k++) {
        uint32_t j, keep = r->perm[i - 1];
        if (k % 4 == 0)
            lathe_philox(17, LATHE_STREAM_SHUFFLE, epoch, 0, k / 4, x);
        j = (uint32_t)((uint64_t)x[k % 4] * i >> 32);
        r->perm[i - 1] = r->perm[j];
        r->perm[j] = keep;
    }
}

static void normalize(struct reference *r, const uint32_t *rows, uint32_t n)
{
    double mean = 0, squares = 0;
    uint32_t i;

    for (i = 0; i < n; i++)
        mean += r->adv[rows[i]] / n;
    for (i = 0; i < n; i++)
        squares += (r->adv[rows[i]] - mean) * (r->adv[rows[i]] - mean);
    for (i = 0; i < n; i++)
        r->batch_adv[i] = (r->adv[rows[i]] - mean) / (sqrt(squares / (n - 1)) + 1e-8);
}

static void adam(struct reference *r, uint32_t t)
{
    double norm = 0, scale;
    uint32_t i;

    for (i = 0; i < r->n; i++)
        norm += r->grad[i] * r->grad[i];
    r->norm = sqrt(norm);
    scale = fmin(1.0, 0.5 / (r->norm + 1e-6));
    r->clipped_norms += scale < 1;
    for (i = 0; i < r->n; i++) {
        const double g = r->grad[i] * scale;
        r->m[i] = 0.9 * r->m[i] + 0.1 * g;
        r->v[i] = 0.999 * r->v[i] + 0.001 * g * g;
        r->p[i] -= RATE / (1 - pow(0.9, t)) * r->m[i] /
                   (sqrt(r->v[i]) / sqrt(1 - pow(0.999, t)) + ADAM_EPS);
    }
}

static void update_reference(struct reference *r)
{
    const double h = 1e-6;
    uint32_t e, i, epoch, start, t = 0;
    double entropy;

    for (e = 0; e < ENTRIES; e++)
        r->value_old[e] = value_of(r, r->s->obs[e / ROWS][e % ROWS]);
    memcpy(r->frozen, r->p, sizeof r->p);
    for (e = 0; e < ENTRIES; e++)
        policy_of(r, e, &r->logp_old[e], &entropy);
    advantages(r);
    for (epoch = 0; epoch < EPOCHS; epoch++) {
        shuffle(r, epoch);
        for (start = 0; start < ENTRIES; start += BATCH) {
            const uint32_t n = ENTRIES - start < BATCH ? ENTRIES - start : BATCH;
            const uint32_t *rows = r->perm + start;
            normalize(r, rows, n);
            memcpy(r->frozen, r->p, sizeof r->p);
            (void)loss_of(r, rows, n, r->sums);
            for (i = 0; i < r->n; i++) {
                const double keep = r->p[i];
                double up;
                r->p[i] = keep + h;
                up = loss_of(r, rows, n, NULL);
                r->p[i] = keep - h;
                r->grad[i] = (up - loss_of(r, rows, n, NULL)) / (2 * h);
                r->p[i] = keep;
            }
            adam(r, ++t);
        }
    }
    for (i = 0; i < 5; i++)
        r->sums[i] /= t;
}

static void near(const char *what, double got, double want, double floor)
{
    const double error = fabs(got - want) / fmax(floor, fabs(want));

    if (!(error <= 1e-5))
        fail_msg("%s: got %.9g, want %.9g, relative error %.2g", what, got, want, error);
}

static void save_policy(struct subject *s, struct rl_store *store)
{
    const struct lathe_algo_export *x = s->algo->extension(s->self, LATHE_ALGO_EXPORT);

    rl_store_init(store);
    assert_int_equal(x->save_policy(s->self, &store->writer), LATHE_OK);
}

static void check(const struct shape *shape)
{
    const struct lathe_budget budget = {.struct_size = sizeof budget};
    static struct reference r;
    static struct subject s;
    struct lathe_stats stats = {sizeof stats, 0, &s, stat_put};
    struct rl_store before, after;
    struct lathe_error err;
    double got[MAX_PARAMS];
    char settings[512];
    uint32_t i;

    (void)snprintf(settings, sizeof settings,
                   "n_steps=7;batch_size=6;n_epochs=2;net_arch=[5,4];gamma=0.9;gae_lambda=0.8;"
                   "learning_rate=0.02;lr_schedule=constant;adam_eps=1e-3;%s",
                   shape->settings);
    memset(&r, 0, sizeof r);
    open_subject(&s, shape->kind, settings, is_discrete(shape->kind));
    r.shape = shape;
    r.s = &s;
    save_policy(&s, &before);
    play(&s, shape->kind);
    assert_int_equal(s.algo->update(s.self, &budget, &stats, &err), LATHE_OK);
    save_policy(&s, &after);
    read_params(&r, &before, r.p);
    update_reference(&r);
    read_params(&r, &after, got);
    for (i = 0; i < r.n; i++)
        near("weight", got[i], r.p[i], 0.1);
    for (i = 0; i < 5; i++)
        near(stat_names[i], s.stat[i], r.sums[i], 0.1);
    near(stat_names[5], s.stat[5], r.norm, 0.1);
    assert_true(r.sums[4] > 0 && r.clipped_norms > 0);
    assert_true(shape->clip_vf <= 0 || r.clipped_values > 0);
    rl_store_fini(&before);
    rl_store_fini(&after);
    close_subject(&s);
}

static void updates_equal_the_reference(void **state)
{
    static const struct shape shapes[] = {
        {CATEGORICAL, 0, 0.05, 0, 0.02, "clip_range=0.05;ent_coef=0.02"},
        {CATEGORICAL, 0, 0.05, 0.03, 0, "clip_range=0.05;clip_range_vf=0.03"},
        {CATEGORICAL, 1, 0.05, 0.03, 0.01, "profile=cleanrl;clip_range=0.05;clip_range_vf=0.03"},
        {MULTI, 0, 0.05, 0, 0.05, "clip_range=0.05;ent_coef=0.05"},
        {GAUSSIAN, 0, 0.05, 0, 0.01, "clip_range=0.05;ent_coef=0.01"},
        {SDE, 0, 0.05, 0, 0.01, "clip_range=0.05;ent_coef=0.01;use_sde=true;sde_sample_freq=3"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        print_message("case %zu\n", i);
        check(&shapes[i]);
    }
}

/* ---- several choices a step ---- */

/* Reward 1 for each part that names the sign of its observation, within its mask. */
static void parts_are_learned_together(void **state)
{
    const struct lathe_budget budget = {.struct_size = sizeof budget};
    uint8_t term[ROWS] = {1, 1}, trunc[ROWS] = {0};
    float obs[2][ROWS][DIM], reward[ROWS];
    int32_t act[ROWS][2];
    struct lathe_error err;
    static struct subject s;
    uint32_t t, i, k, good = 0;

    (void)state;
    open_subject(&s, MULTI, "n_steps=64;batch_size=64;n_epochs=8;learning_rate=5e-3", 0);
    memset(obs, 0, sizeof obs);
    for (t = 0; t < 2600; t++) {
        const uint32_t now = t % 2, mode = t < 2560 ? LATHE_ACT_EXPLORE : LATHE_ACT_GREEDY;
        struct lathe_obs o = {sizeof o, 0, ROWS, 0, obs[now], NULL, 0, 0};
        struct lathe_act a = {sizeof a, 0, act, NULL, NULL};
        struct lathe_transition tr = {.struct_size = sizeof tr, .count = ROWS};
        assert_int_equal(s.algo->act(s.self, &o, mode, &a), LATHE_OK);
        for (i = 0; i < ROWS; i++) {
            const int first = act[i][0] == (obs[now][i][0] > 0),
                      second = act[i][1] == (obs[now][i][1] > 0 ? 3 : 1);
            assert_in_range(act[i][0], 0, 1);
            assert_in_range(act[i][1], 0, 3);
            reward[i] = (float)(first + second);
            good += mode == LATHE_ACT_GREEDY && first && second;
            for (k = 0; k < DIM; k++)
                obs[1 - now][i][k] = number(&s) > 0 ? 1.0f : -1.0f;
        }
        if (mode == LATHE_ACT_GREEDY)
            continue;
        tr.obs = obs[now];
        tr.act = act;
        tr.reward = reward;
        tr.terminated = term;
        tr.truncated = trunc;
        tr.next_obs = tr.final_obs = obs[1 - now];
        if (s.algo->observe(s.self, &tr) == LATHE_UPDATE_DUE)
            assert_int_equal(s.algo->update(s.self, &budget, NULL, &err), LATHE_OK);
    }
    assert_int_equal(good, 40 * ROWS);
    close_subject(&s);
}

/* ---- noise of gSDE ---- */

/* The noise of a row is linear in its features: constant for equal observations until redrawn. */
static void noise_holds_until_it_is_drawn_again(void **state)
{
    float obs[ROWS][DIM] = {{0.5f, -1.0f, 2.0f}, {0.5f, -1.0f, 2.0f}}, act[12][ROWS][2],
          mean[ROWS][2];
    float reward[ROWS] = {0};
    uint8_t flags[ROWS] = {0};
    static struct subject s;
    struct lathe_obs o = {sizeof o, 0, ROWS, 0, obs, NULL, 0, 0};
    struct lathe_act g = {sizeof g, 0, mean, NULL, NULL};
    uint32_t t;

    (void)state;
    open_subject(&s, SDE, "n_steps=64;use_sde=true;sde_sample_freq=4", 0);
    assert_int_equal(s.algo->act(s.self, &o, LATHE_ACT_GREEDY, &g), LATHE_OK);
    for (t = 0; t < 12; t++) {
        struct lathe_act a = {sizeof a, 0, act[t], NULL, NULL};
        struct lathe_transition tr = {.struct_size = sizeof tr, .count = ROWS};
        assert_int_equal(s.algo->act(s.self, &o, LATHE_ACT_EXPLORE, &a), LATHE_OK);
        tr.obs = tr.next_obs = tr.final_obs = obs;
        tr.act = act[t];
        tr.reward = reward;
        tr.terminated = tr.truncated = flags;
        assert_int_equal(s.algo->observe(s.self, &tr), LATHE_OK);
        assert_true(memcmp(act[t][0], mean[0], sizeof mean[0]) != 0);
        assert_true(memcmp(act[t][0], act[t][1], sizeof mean[0]) != 0); /* rows differ */
        if (t % 4 != 0)
            assert_memory_equal(act[t], act[t - 1], sizeof act[t]);
        else if (t > 0)
            assert_memory_not_equal(act[t], act[t - 1], sizeof act[t]);
    }
    close_subject(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_equal_the_reference),
        cmocka_unit_test(parts_are_learned_together),
        cmocka_unit_test(noise_holds_until_it_is_drawn_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
