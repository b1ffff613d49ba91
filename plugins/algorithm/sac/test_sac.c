/* SAC against a double-precision reference of one gradient step in both profiles and with
 * state-dependent noise, on probe problems, and its bits. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kit/off_policy.h"
#include "lathe/rng.h"
#include "tests/support/box_learner.h"
#include "tests/support/ref_net.h"

static const struct box_learner sac = {
    "sac", "sac",
    "gamma=0.9;learning_rate=3e-3;net_arch=[32,32];batch_size=64;buffer_size=10000;ent_coef=0;tau="
    "0.02;"
    "lr_schedule=linear",
    "net_arch=[24,20];batch_size=150;buffer_size=1000;learning_starts=200;n_step=2"};
static const struct box_learner cleanrl = {
    "sac", "sac", "",
    "profile=cleanrl;net_arch=[24,20];batch_size=150;buffer_size=700;learning_starts=200"};
static const struct box_learner sde = {
    "sac", "sac", "",
    "use_sde=true;sde_sample_freq=4;train_freq=8;gradient_steps=8;net_arch=[24,20];batch_size=150;"
    "buffer_size=1000;learning_starts=200;ent_coef=auto_0.3;stable_log_prob=true"};

static void probes_have_their_known_answers(void **state)
{
    (void)state;
    box_check_probes(&sac);
}

static void threads_and_isa_do_not_change_a_bit(void **state)
{
    (void)state;
    box_check_threads_and_isa(&sac);
    box_check_threads_and_isa(&cleanrl);
    box_check_threads_and_isa(&sde);
}

static void resume_equals_an_uninterrupted_run(void **state)
{
    (void)state;
    box_check_resume(&sac);
    box_check_resume(&cleanrl);
    box_check_resume(&sde);
}

static void zero_learning_rate_changes_no_weight(void **state)
{
    (void)state;
    box_check_zero_learning_rate(&sac);
    box_check_zero_learning_rate(&sde);
}

static void non_finite_rewards_stop_the_run_and_spare_the_policy(void **state)
{
    (void)state;
    box_check_bad_rewards(&sac);
    box_check_bad_rewards(&cleanrl);
}

static void what_cannot_work_is_refused(void **state)
{
    struct rl_setup s = box_setup(&sac, NULL, "continuous=true;probe=e", "ent_coef=auto_x");
    struct rl_run r;

    (void)state;
    box_check_refusals(&sac);
    assert_int_equal(rl_open(&r, &s), LATHE_E_INVALID);
    assert_string_equal(r.err.field, "ent_coef");
    rl_close(&r);
    s.algo_settings = "policy_frequency=2";
    assert_int_equal(rl_open(&r, &s), LATHE_E_INVALID);
    assert_string_equal(r.err.field, "policy_frequency");
    rl_close(&r);
}

static void the_policy_works_alone(void **state)
{
    (void)state;
    box_check_policy_alone(&sac);
    box_check_policy_alone(&sde);
}

/* ---- one gradient step in double ---- */

#define ROWS 200u
#define N_STEP 3u
#define GAMMA 0.97
#define LR 1e-3
#define TAU 0.01
#define NOISE_BLOCKS 1024u

struct variant {
    const char *settings;
    int cleanrl, sde, stable;
    double q_lr;
};

struct reference {
    const struct variant *v;
    struct ref_net actor, log_std, q[2], target[2];
    struct kit_replay_batch batch;
    float noise[3][ROWS]; /* next, policy, entropy */
    float theta[64];      /* standard normals */
    double y[ROWS], alpha;
};

static double log_slope(const struct variant *v, double u)
{
    const double a = tanh(u);

    return v->stable ? 2 * (log(2.0) - u - log1p(exp(-2 * u))) : log(1 - a * a + 1e-6);
}

/* One action and its log probability at obs; which noise. */
static double act(const struct reference *t, const float *obs, uint32_t kind, uint32_t row,
                  double *logp)
{
    double x[3], h[64], g[64], y[2], mean, u, z, var;
    uint32_t i;

    for (i = 0; i < 3; i++)
        x[i] = (double)obs[i];
    ref_layer(&t->actor, 0, x, g, REF_TANH);
    ref_layer(&t->actor, 1, g, h, REF_TANH);
    ref_layer(&t->actor, 2, h, &mean, REF_IDENTITY);
    if (t->v->sde) {
        mean = fmin(2, fmax(-2, mean));
        for (i = 0, z = 0, var = 1e-6; i < t->actor.in[2]; i++) {
            const double std = exp(t->log_std.p[i]);
            z += h[i] * std * (double)t->theta[i];
            var += h[i] * h[i] * std * std;
        }
    } else {
        ref_layer(&t->actor, 3, h, y, REF_IDENTITY);
        y[0] = t->v->cleanrl ? -5 + 3.5 * (tanh(y[0]) + 1) : fmin(2, fmax(-20, y[0]));
        z = exp(y[0]) * (double)t->noise[kind][row];
        var = exp(2 * y[0]);
    }
    u = mean + z;
    *logp = -z * z / (2 * var) - 0.5 * log(var) - 0.5 * log(2 * 3.14159265358979323846) -
            log_slope(t->v, u);
    return tanh(u);
}

static double critic(const struct ref_net *q, const float *obs, double a)
{
    const double x[4] = {(double)obs[0], (double)obs[1], (double)obs[2], a};

    return ref_eval(q, x, NULL, REF_IDENTITY);
}

static void goals(struct reference *t)
{
    uint32_t i;

    for (i = 0; i < ROWS; i++) {
        const float *s = t->batch.next_obs + (size_t)i * 3;
        double logp;
        const double a = act(t, s, 0, i, &logp);
        const double low = fmin(critic(&t->target[0], s, a), critic(&t->target[1], s, a));
        t->y[i] =
            (double)t->batch.reward[i] + (double)t->batch.discount[i] * (low - t->alpha * logp);
    }
}

static double critic_loss(void *user)
{
    const struct reference *t = user;
    const float *a = t->batch.act;
    double sum = 0;
    uint32_t i, k;

    for (i = 0; i < ROWS; i++)
        for (k = 0; k < 2; k++) {
            const double e = critic(&t->q[k], t->batch.obs + (size_t)i * 3, (double)a[i]) - t->y[i];
            sum += (t->v->cleanrl ? 1.0 : 0.5) * e * e / ROWS;
        }
    return sum;
}

static double actor_loss(void *user)
{
    const struct reference *t = user;
    double sum = 0;
    uint32_t i;

    for (i = 0; i < ROWS; i++) {
        const float *s = t->batch.obs + (size_t)i * 3;
        double logp;
        const double a = act(t, s, 1, i, &logp);
        sum += (t->alpha * logp - fmin(critic(&t->q[0], s, a), critic(&t->q[1], s, a))) / ROWS;
    }
    return sum;
}

static double mean_logp(const struct reference *t, uint32_t kind)
{
    double sum = 0, logp;
    uint32_t i;

    for (i = 0; i < ROWS; i++) {
        (void)act(t, t->batch.obs + (size_t)i * 3, kind, i, &logp);
        sum += logp / ROWS;
    }
    return sum;
}

static void draws(struct reference *t, uint64_t seed)
{
    uint32_t i, k;

    for (k = 0; k < 3; k++)
        for (i = 0; i < ROWS; i++)
            kit_normals(seed, LATHE_STREAM_TARGET, i, 0, k * NOISE_BLOCKS, 1, &t->noise[k][i]);
    kit_normals(seed, LATHE_STREAM_TARGET, UINT32_MAX, 0, 0, 64, t->theta);
}

static void reopen(struct ref_net *net, const struct rl_store *store, const char *name)
{
    ref_close(net);
    ref_open(net, store, name);
}

static void check_critics(struct reference *t, const struct rl_store *after)
{
    static const char *const names[2][4] = {{"value/q0", "adam_m/q0", "target/q0", "q0"},
                                            {"value/q1", "adam_m/q1", "target/q1", "q1"}};
    uint32_t k;

    goals(t);
    for (k = 0; k < 2; k++) {
        struct ref_net m, q, target;
        ref_open(&m, after, names[k][1]);
        ref_open(&q, after, names[k][0]);
        ref_open(&target, after, names[k][2]);
        assert_true(ref_check(&t->q[k], &m, 10, critic_loss, t) > 1e-3);
        ref_check_adam(&t->q[k], &q, &m, t->v->q_lr);
        ref_check_polyak(&t->target[k], &target, &q, TAU);
        ref_close(&m);
        ref_close(&q);
        ref_close(&target);
    }
    for (k = 0; k < 2; k++)
        reopen(&t->q[k], after, names[k][0]);
}

static void check_actor(struct reference *t, const struct rl_store *after)
{
    struct ref_net m, p;

    ref_open(&m, after, "adam_m/actor");
    ref_open(&p, after, "policy/actor");
    assert_true(ref_check(&t->actor, &m, 10, actor_loss, t) > 1e-3);
    ref_check_adam(&t->actor, &p, &m, LR);
    ref_close(&m);
    ref_close(&p);
    if (t->v->sde) {
        ref_open(&m, after, "adam_m/log_std");
        ref_open(&p, after, "policy/log_std");
        assert_true(ref_check(&t->log_std, &m, 10, actor_loss, t) > 1e-6);
        ref_check_adam(&t->log_std, &p, &m, LR);
        ref_close(&m);
        ref_close(&p);
    }
    reopen(&t->actor, after, "policy/actor");
}

/* Gradient by log alpha: -(mean log pi + H), cleanrl: times alpha, with the new actor. */
static void check_entropy(struct reference *t, const struct rl_store *after, double mean)
{
    const double want = -(mean - 1.0) * (t->v->cleanrl ? t->alpha : 1.0);
    struct ref_net m;

    ref_open(&m, after, "adam_m/log_ent_coef");
    assert_true(fabs(10 * m.p[0] - want) <= 1e-4 * fabs(want));
    ref_close(&m);
}

static void check_step(const struct variant *v)
{
    struct rl_setup s =
        box_setup(&sac, rl_component("pendulum", LATHE_KIND_ENV, "Pendulum-v1"), "", v->settings);
    struct reference t = {.v = v};
    struct rl_store before, after;
    struct rl_run r;
    double mean;

    s.n_envs = 1;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    assert_int_equal(rl_steps(&r, 300), LATHE_OK); /* learning_starts: nothing learned yet */
    box_save(&r, &before);
    assert_int_equal(rl_steps(&r, 1), LATHE_OK);
    box_save(&r, &after);
    ref_open(&t.actor, &before, "policy/actor");
    if (v->sde)
        ref_open(&t.log_std, &before, "policy/log_std");
    ref_open(&t.q[0], &before, "value/q0");
    ref_open(&t.q[1], &before, "value/q1");
    ref_open(&t.target[0], &before, "target/q0");
    ref_open(&t.target[1], &before, "target/q1");
    box_first_batch(&after, s.seed, ROWS, N_STEP, GAMMA, &t.batch);
    draws(&t, s.seed);
    t.alpha = 0.3;
    mean = mean_logp(&t, 1);
    check_critics(&t, &after);
    check_actor(&t, &after);
    check_entropy(&t, &after, v->cleanrl ? mean_logp(&t, 2) : mean);
    kit_replay_batch_close(&t.batch);
    ref_close(&t.actor);
    ref_close(&t.log_std);
    ref_close(&t.q[0]);
    ref_close(&t.q[1]);
    ref_close(&t.target[0]);
    ref_close(&t.target[1]);
    rl_close(&r);
    rl_store_fini(&before);
    rl_store_fini(&after);
}

#define COMMON                                                                                     \
    "activation=tanh;net_arch=[7,5];batch_size=200;buffer_size=1000;learning_starts=300;n_step=3;" \
    "gamma=0.97;learning_rate=1e-3;tau=0.01;ent_coef=auto_0.3;"

static void one_step_equals_a_double_reference(void **state)
{
    static const struct variant variants[] = {
        {COMMON "profile=sb3", 0, 0, 0, LR},
        {COMMON "profile=sb3;stable_log_prob=true;q_lr=2e-3", 0, 0, 1, 2e-3},
        {COMMON "profile=cleanrl;policy_frequency=1", 1, 0, 0, 1e-3},
        {COMMON "use_sde=true;log_std_init=-1", 0, 1, 0, LR},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof variants / sizeof variants[0]; i++)
        check_step(&variants[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_step_equals_a_double_reference),
        cmocka_unit_test(threads_and_isa_do_not_change_a_bit),
        cmocka_unit_test(resume_equals_an_uninterrupted_run),
        cmocka_unit_test(zero_learning_rate_changes_no_weight),
        cmocka_unit_test(non_finite_rewards_stop_the_run_and_spare_the_policy),
        cmocka_unit_test(what_cannot_work_is_refused),
        cmocka_unit_test(the_policy_works_alone),
        cmocka_unit_test(probes_have_their_known_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
