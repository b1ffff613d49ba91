/* TD3 and DDPG against a double-precision reference of one gradient step, on probe problems, and
 * their bits. */
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

#define PROBE                                                                                 \
    "gamma=0.9;learning_rate=3e-3;net_arch=[32,32];batch_size=64;buffer_size=10000;tau=0.02;" \
    "noise_std=0.5;lr_schedule=linear"
#define SMALL                                                                        \
    "net_arch=[24,20];batch_size=150;buffer_size=1000;learning_starts=200;n_step=2;" \
    "noise_type=ornstein-uhlenbeck;noise_std=0.5"

static const struct box_learner td3 = {"td3", "td3", PROBE, SMALL};
static const struct box_learner ddpg = {"td3", "ddpg", PROBE, SMALL};

static void probes_have_their_known_answers(void **state)
{
    (void)state;
    box_check_probes(&td3);
    box_check_probes(&ddpg);
}

static void threads_and_isa_do_not_change_a_bit(void **state)
{
    (void)state;
    box_check_threads_and_isa(&td3);
    box_check_threads_and_isa(&ddpg);
}

static void resume_equals_an_uninterrupted_run(void **state)
{
    (void)state;
    box_check_resume(&td3);
    box_check_resume(&ddpg);
}

static void zero_learning_rate_changes_no_weight(void **state)
{
    (void)state;
    box_check_zero_learning_rate(&td3);
}

static void non_finite_rewards_stop_the_run_and_spare_the_policy(void **state)
{
    (void)state;
    box_check_bad_rewards(&td3);
    box_check_bad_rewards(&ddpg);
}

static void what_cannot_work_is_refused(void **state)
{
    (void)state;
    box_check_refusals(&td3);
    box_check_refusals(&ddpg);
}

static void the_policy_works_alone(void **state)
{
    (void)state;
    box_check_policy_alone(&td3);
}

/* ---- one gradient step in double ---- */

#define ROWS 200u
#define N_STEP 3u
#define GAMMA 0.97
#define LR 1e-3
#define TAU 0.01

struct reference {
    uint32_t n;
    struct ref_net actor, actor_target, q[2], target[2];
    struct kit_replay_batch batch;
    double y[ROWS];
};

static double policy(const struct ref_net *actor, const float *obs)
{
    const double x[3] = {(double)obs[0], (double)obs[1], (double)obs[2]};

    return ref_eval(actor, x, NULL, REF_TANH);
}

static double critic(const struct ref_net *q, const float *obs, double a)
{
    const double x[4] = {(double)obs[0], (double)obs[1], (double)obs[2], a};

    return ref_eval(q, x, NULL, REF_IDENTITY);
}

static void goals(struct reference *t, uint64_t seed)
{
    uint32_t i;

    for (i = 0; i < ROWS; i++) {
        const float *s = t->batch.next_obs + (size_t)i * 3;
        double a = policy(&t->actor_target, s), low;
        float z = 0;
        if (t->n > 1)
            kit_normals(seed, LATHE_STREAM_TARGET, i, 0, 0, 1, &z);
        a += fmin(0.5, fmax(-0.5, 0.2 * (double)z));
        a = fmin(1, fmax(-1, a));
        low = critic(&t->target[0], s, a);
        if (t->n > 1)
            low = fmin(low, critic(&t->target[1], s, a));
        t->y[i] = (double)t->batch.reward[i] + (double)t->batch.discount[i] * low;
    }
}

static double critic_loss(void *user)
{
    const struct reference *t = user;
    const float *a = t->batch.act;
    double sum = 0;
    uint32_t i, k;

    for (i = 0; i < ROWS; i++)
        for (k = 0; k < t->n; k++) {
            const double e = critic(&t->q[k], t->batch.obs + (size_t)i * 3, (double)a[i]) - t->y[i];
            sum += e * e / ROWS;
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
        sum -= critic(&t->q[0], s, policy(&t->actor, s)) / ROWS;
    }
    return sum;
}

/* One net after the step: its gradient, its first Adam step, its target. */
static void check_net(struct ref_net *net, const struct ref_net *target, const char *name,
                      const struct rl_store *after, double (*loss)(void *), void *user)
{
    struct ref_net m, p, moved;
    char text[64];

    snprintf(text, sizeof text, "adam_m/%s", name);
    ref_open(&m, after, text);
    snprintf(text, sizeof text, "%s/%s", name[0] == 'q' ? "value" : "policy", name);
    ref_open(&p, after, text);
    snprintf(text, sizeof text, "target/%s", name);
    ref_open(&moved, after, text);
    assert_true(ref_check(net, &m, 10, loss, user) > 1e-3);
    ref_check_adam(net, &p, &m, LR);
    ref_check_polyak(target, &moved, &p, TAU);
    ref_close(&m);
    ref_close(&moved);
    ref_close(net);
    *net = p;
}

static void check_step(const struct box_learner *l, uint32_t n, const char *settings)
{
    static const char *const names[2][3] = {{"q0", "value/q0", "target/q0"},
                                            {"q1", "value/q1", "target/q1"}};
    struct rl_setup s =
        box_setup(l, rl_component("pendulum", LATHE_KIND_ENV, "Pendulum-v1"), "", settings);
    struct reference t = {.n = n};
    struct rl_store before, after;
    struct rl_run r;
    uint32_t k;

    s.n_envs = 1;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    assert_int_equal(rl_steps(&r, 300), LATHE_OK); /* learning_starts: nothing learned yet */
    box_save(&r, &before);
    assert_int_equal(rl_steps(&r, 1), LATHE_OK);
    box_save(&r, &after);
    ref_open(&t.actor, &before, "policy/actor");
    ref_open(&t.actor_target, &before, "target/actor");
    for (k = 0; k < n; k++) {
        ref_open(&t.q[k], &before, names[k][1]);
        ref_open(&t.target[k], &before, names[k][2]);
    }
    box_first_batch(&after, s.seed, ROWS, N_STEP, GAMMA, &t.batch);
    goals(&t, s.seed);
    for (k = 0; k < n; k++)
        check_net(&t.q[k], &t.target[k], names[k][0], &after, critic_loss, &t);
    check_net(&t.actor, &t.actor_target, "actor", &after, actor_loss, &t);
    kit_replay_batch_close(&t.batch);
    ref_close(&t.actor);
    ref_close(&t.actor_target);
    for (k = 0; k < n; k++) {
        ref_close(&t.q[k]);
        ref_close(&t.target[k]);
    }
    rl_close(&r);
    rl_store_fini(&before);
    rl_store_fini(&after);
}

#define COMMON                                                                                     \
    "activation=tanh;net_arch=[7,5];batch_size=200;buffer_size=1000;learning_starts=300;n_step=3;" \
    "gamma=0.97;learning_rate=1e-3;tau=0.01"

static void one_step_equals_a_double_reference(void **state)
{
    (void)state;
    check_step(&td3, 2, COMMON ";policy_delay=1");
    check_step(&ddpg, 1, COMMON);
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
