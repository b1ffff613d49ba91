/* PPO on probe problems with known answers, against a double-precision update, and bit equality of
 * resume, threads and instruction sets. */
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

/* ---- probe environments ---- */

enum probe {
    CONSTANT = 'a',
    SIGN = 'b',
    DELAY = 'c',
    BANDIT = 'd',
    MATCH = 'e',
    CUT = 'f',
    WILD = 'w'
};

struct probe_env {
    enum probe probe;
    uint32_t n, t[64];
    uint64_t draws[64];
    float obs[64];
    struct lathe_env_spec spec;
    struct lathe_space obs_space, act_space;
};

static const double bound = 2.0;
static const double low_bound = -2.0;

static int32_t probe_open(const struct lathe_env_args *args, struct lathe_error *err, void **batch)
{
    struct probe_env *e = calloc(1, sizeof *e);
    const char *id = args->params->get_string(args->params, "probe");

    (void)err;
    assert_non_null(e);
    e->probe = (enum probe)id[0];
    e->n = args->n_envs;
    e->obs_space.struct_size = e->act_space.struct_size = sizeof e->obs_space;
    e->obs_space.kind = LATHE_SPACE_BOX;
    e->obs_space.dtype = LATHE_F32;
    e->obs_space.ndim = 1;
    e->obs_space.shape[0] = 1;
    e->obs_space.len_bytes = 4;
    e->obs_space.flags = LATHE_SPACE_ONE_BOUND;
    e->obs_space.low = &low_bound;
    e->obs_space.high = &bound;
    e->act_space.kind = LATHE_SPACE_DISCRETE;
    e->act_space.dtype = LATHE_I32;
    e->act_space.len_bytes = 4;
    e->act_space.n = e->probe == CONSTANT ? 1 : 2;
    e->spec.struct_size = sizeof e->spec;
    e->spec.id = "probe";
    e->spec.obs_stride = e->spec.act_stride = 4;
    e->spec.n_agents = 1;
    e->spec.obs = &e->obs_space;
    e->spec.act = &e->act_space;
    *batch = e;
    return LATHE_OK;
}

static const struct lathe_env_spec *probe_spec(void *batch)
{
    return &((struct probe_env *)batch)->spec;
}

static float fresh(struct probe_env *e, uint32_t i)
{
    uint32_t x[4];

    if (e->probe != SIGN && e->probe != MATCH)
        return 0;
    lathe_philox(5, 1, i, e->draws[i]++, 0, x);
    return x[0] & 1u ? 1.0f : -1.0f;
}

static int32_t probe_reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                           const struct lathe_env_io *io)
{
    struct probe_env *e = batch;
    uint32_t i;

    for (i = first; i < first + count; i++)
        if (rows == NULL || rows[i]) {
            e->t[i] = 0;
            e->obs[i] = fresh(e, i);
            ((float *)io->obs)[i] = e->obs[i];
        }
    return LATHE_OK;
}

static int32_t probe_step(void *batch, uint32_t first, uint32_t count,
                          const struct lathe_env_io *io)
{
    struct probe_env *e = batch;
    uint32_t i;

    for (i = first; i < first + count; i++) {
        const int32_t a = ((const int32_t *)io->act)[i];
        const uint32_t t = ++e->t[i];
        io->reward[i] = 1;
        io->terminated[i] = 1;
        io->truncated[i] = 0;
        switch (e->probe) {
        case SIGN:
            io->reward[i] = e->obs[i];
            break;
        case DELAY:
            io->reward[i] = t == 2;
            io->terminated[i] = t == 2;
            e->obs[i] = 1;
            break;
        case BANDIT:
            io->reward[i] = a == 1 ? 1.0f : -1.0f;
            break;
        case MATCH:
            io->reward[i] = a == (e->obs[i] > 0 ? 1 : 0) ? 1.0f : 0.0f;
            break;
        case CUT:
            io->terminated[i] = 0;
            break;
        case WILD:
            io->reward[i] = NAN;
            break;
        default:
            break;
        }
        ((float *)io->obs)[i] = e->obs[i];
    }
    return LATHE_OK;
}

static const struct lathe_env probe_vt = {
    .struct_size = sizeof probe_vt,
    .open = probe_open,
    .spec = probe_spec,
    .reset = probe_reset,
    .step = probe_step,
    .close = free,
};
static const struct lathe_option *const probe_options[] = {
    LATHE_OPTION_STRING("probe", "a", 8, "Which problem."), NULL};
static const struct lathe_component probe_component = {
    sizeof probe_component, 0, LATHE_KIND_ENV, "probe", "", &probe_vt, NULL, probe_options};

static struct rl_setup setup_of(const struct lathe_component *env, const char *env_settings,
                                const char *settings)
{
    struct rl_setup s;

    memset(&s, 0, sizeof s);
    s.env = env;
    s.algo = rl_component("ppo", LATHE_KIND_ALGORITHM, "ppo");
    s.engine = rl_component("engine_cpu", LATHE_KIND_ENGINE, "cpu");
    s.env_settings = env_settings;
    s.algo_settings = settings;
    s.n_envs = 4;
    s.threads = 1;
    s.seed = 1;
    s.total_steps = 20000;
    assert_true(s.env != NULL && s.algo != NULL && s.engine != NULL);
    return s;
}

#define PROBE_SETTINGS "n_steps=64;batch_size=64;n_epochs=8;learning_rate=3e-3;gamma=0.9"

static void look(struct rl_run *r, float obs, float *value, float *prob)
{
    struct lathe_obs o = {sizeof o, 0, 1, 0, &obs, NULL, 0, 0};
    int32_t a;
    struct lathe_act act = {sizeof act, 0, &a, prob, value};

    assert_int_equal(r->algo->act(r->self, &o, LATHE_ACT_GREEDY, &act), LATHE_OK);
}

static void near(float got, double want, double tolerance)
{
    if (!(fabs((double)got - want) <= tolerance))
        print_message("got %g, want %g\n", (double)got, want);
    assert_true(fabs((double)got - want) <= tolerance);
}

static void probe(const char *env_settings, const char *settings, int32_t limit, struct rl_run *r)
{
    struct rl_setup s = setup_of(&probe_component, env_settings, settings);

    s.time_limit = limit;
    assert_int_equal(rl_open(r, &s), LATHE_OK);
    assert_int_equal(rl_steps(r, 4992), LATHE_OK);
}

static void probes_have_their_known_answers(void **state)
{
    struct rl_run r;
    float v, p[2];

    (void)state;
    probe("probe=a", PROBE_SETTINGS, 0, &r);
    look(&r, 0, &v, p);
    near(v, 1, 0.02);
    rl_close(&r);
    probe("probe=b", PROBE_SETTINGS, 0, &r);
    look(&r, 1, &v, NULL);
    near(v, 1, 0.03);
    look(&r, -1, &v, NULL);
    near(v, -1, 0.03);
    rl_close(&r);
    probe("probe=c", PROBE_SETTINGS, 0, &r);
    look(&r, 0, &v, NULL);
    near(v, 0.9, 0.03);
    look(&r, 1, &v, NULL);
    near(v, 1, 0.03);
    rl_close(&r);
    probe("probe=d", PROBE_SETTINGS, 0, &r);
    look(&r, 0, NULL, p);
    assert_true(p[1] >= 0.95f);
    rl_close(&r);
    probe("probe=e", PROBE_SETTINGS, 0, &r);
    assert_true(rl_evaluate(&r, 64, 3, NULL) >= 0.98);
    rl_close(&r);
    probe("probe=f", PROBE_SETTINGS ";gae_lambda=0.9", 5, &r);
    look(&r, 0, &v, NULL);
    near(v, 10, 0.5);
    rl_close(&r);
    probe("probe=f", PROBE_SETTINGS ";bootstrap_truncation=false", 5, &r);
    look(&r, 0, &v, NULL);
    assert_true(v < 4.2f);
    rl_close(&r);
}

/* ---- bit equality ---- */

#define SMALL "n_steps=32;batch_size=48;n_epochs=3;learning_rate=1e-3;lr_schedule=linear"

static void save(struct rl_run *r, struct rl_store *s)
{
    rl_store_init(s);
    assert_int_equal(r->algo->save(r->self, &s->writer), LATHE_OK);
}

#define SMOOTH SMALL ";use_sde=true;sde_sample_freq=5"

/* base: settings to which each instruction set is added. */
static void every_build_learns_the_same(const char *file, const char *env, const char *base)
{
    static const char *const isas[] = {"", ";isa=avx2", ";isa=portable"};
    struct rl_store first, other;
    uint32_t threads, n = 0;
    size_t i;

    for (i = 0; i < 3; i++)
        for (threads = 1; threads <= 2; threads++) {
            char settings[256];
            struct rl_setup s;
            struct rl_run r;
            int32_t st;
            (void)snprintf(settings, sizeof settings, "%s%s", base, isas[i]);
            s = setup_of(rl_component(file, LATHE_KIND_ENV, env), "", settings);
            s.threads = threads;
            st = rl_open(&r, &s);
            if (st == LATHE_E_UNSUPPORTED) {
                rl_close(&r);
                continue;
            }
            assert_int_equal(st, LATHE_OK);
            assert_int_equal(rl_steps(&r, 96), LATHE_OK);
            save(&r, n == 0 ? &first : &other);
            if (n++ > 0) {
                assert_true(rl_store_equal(&first, &other));
                rl_store_fini(&other);
            }
            rl_close(&r);
        }
    rl_store_fini(&first);
}

static void threads_and_isa_do_not_change_a_bit(void **state)
{
    (void)state;
    every_build_learns_the_same("cartpole", "CartPole-v1", SMALL);
    every_build_learns_the_same("pendulum", "Pendulum-v1", SMALL);
    every_build_learns_the_same("pendulum", "Pendulum-v1", SMOOTH);
}

/* Makes the environment of to continue where from's stands. */
static void copy_env(struct rl_run *to, const struct rl_run *from)
{
    const struct lathe_env_snapshot *x = from->env->extension(from->batch, LATHE_ENV_SNAPSHOT);
    const uint32_t n = from->setup.n_envs;
    void *rows = calloc(n, x->row_bytes);

    assert_non_null(rows);
    assert_int_equal(x->get(from->batch, 0, n, rows), LATHE_OK);
    assert_int_equal(x->set(to->batch, 0, n, rows), LATHE_OK);
    memcpy(to->obs, from->obs, (size_t)n * from->spec->obs_stride);
    memcpy(to->len, from->len, n * sizeof *to->len);
    memcpy(to->ret, from->ret, n * sizeof *to->ret);
    free(rows);
}

/* 2 n steps, or n, a checkpoint, another learner with two threads, and n more. */
static void continuous_runs_resume_bit_for_bit(void **state)
{
    static const struct {
        const char *file, *env, *settings;
    } cases[] = {{"cartpole", "CartPole-v1", SMALL},
                 {"pendulum", "Pendulum-v1", SMALL},
                 {"pendulum", "Pendulum-v1", SMOOTH}};
    size_t i;

    (void)state;
    for (i = 0; i < 3; i++) {
        struct rl_setup s = setup_of(rl_component(cases[i].file, LATHE_KIND_ENV, cases[i].env), "",
                                     cases[i].settings);
        struct rl_store half, a, b;
        struct rl_run r, q;
        assert_int_equal(rl_open(&r, &s), LATHE_OK);
        assert_int_equal(rl_steps(&r, 128), LATHE_OK);
        save(&r, &half);
        s.threads = 2;
        assert_int_equal(rl_open(&q, &s), LATHE_OK);
        assert_int_equal(q.algo->load(q.self, &half.reader, &q.err), LATHE_OK);
        copy_env(&q, &r);
        assert_int_equal(rl_steps(&r, 128), LATHE_OK);
        assert_int_equal(rl_steps(&q, 128), LATHE_OK);
        save(&r, &a);
        save(&q, &b);
        assert_true(rl_store_equal(&a, &b));
        assert_false(rl_store_equal(&a, &half));
        rl_close(&r);
        rl_close(&q);
        rl_store_fini(&half);
        rl_store_fini(&a);
        rl_store_fini(&b);
    }
}

static void resume_equals_an_uninterrupted_run(void **state)
{
    struct rl_setup s = setup_of(rl_component("workflow_mdp", LATHE_KIND_ENV, "customer_support"),
                                 "", "profile=agentgym");
    struct rl_store half, a, b;
    struct rl_run r, q;

    (void)state;
    s.n_envs = 16;
    s.total_iterations = 12;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    assert_int_equal(rl_iterations(&r, 6), LATHE_OK);
    save(&r, &half);
    assert_int_equal(rl_open(&q, &s), LATHE_OK);
    assert_int_equal(q.algo->load(q.self, &half.reader, &q.err), LATHE_OK);
    q.tickets = r.tickets;
    q.iterations = r.iterations;
    assert_int_equal(rl_iterations(&r, 6), LATHE_OK);
    assert_int_equal(rl_iterations(&q, 6), LATHE_OK);
    save(&r, &a);
    save(&q, &b);
    assert_true(rl_store_equal(&a, &b));
    assert_false(rl_store_equal(&a, &half));
    rl_close(&r);
    rl_close(&q);
    rl_store_fini(&half);
    rl_store_fini(&a);
    rl_store_fini(&b);
}

static int same_policy(const struct rl_store *a, const struct rl_store *b)
{
    uint32_t i;

    for (i = 0; i < a->n; i++)
        if (strncmp(a->list[i].name, "policy/", 7) == 0 &&
            memcmp(a->list[i].data, b->list[i].data, a->list[i].len_bytes) != 0)
            return 0;
    return 1;
}

static void zero_learning_rate_changes_no_weight(void **state)
{
    struct rl_setup s =
        setup_of(&probe_component, "probe=e", "n_steps=16;batch_size=32;learning_rate=0");
    struct rl_store a, b;
    struct rl_run r;

    (void)state;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    save(&r, &a);
    assert_int_equal(rl_steps(&r, 32), LATHE_OK);
    save(&r, &b);
    assert_true(same_policy(&a, &b));
    assert_false(rl_store_equal(&a, &b));
    rl_close(&r);
    rl_store_fini(&a);
    rl_store_fini(&b);
}

static void non_finite_rewards_stop_the_run_and_spare_the_weights(void **state)
{
    struct rl_setup s = setup_of(&probe_component, "probe=w", "n_steps=16;batch_size=32");
    struct rl_store a, b;
    struct rl_run r;
    const struct lathe_algo_export *x;

    (void)state;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    x = r.algo->extension(r.self, LATHE_ALGO_EXPORT);
    rl_store_init(&a);
    rl_store_init(&b);
    assert_int_equal(x->save_policy(r.self, &a.writer), LATHE_OK);
    assert_int_equal(rl_steps(&r, 16), LATHE_E_INTERNAL);
    assert_non_null(strstr(r.err.text, "finite"));
    assert_int_equal(x->save_policy(r.self, &b.writer), LATHE_OK);
    assert_true(rl_store_equal(&a, &b));
    rl_close(&r);
    rl_store_fini(&a);
    rl_store_fini(&b);
}

static void options_that_contradict_are_named(void **state)
{
    struct rl_setup s = setup_of(&probe_component, "probe=e", "n_steps=8;batch_size=64");
    struct rl_run r;

    (void)state;
    assert_int_equal(rl_open(&r, &s), LATHE_E_INVALID);
    assert_string_equal(r.err.field, "batch_size");
    rl_close(&r);
    s = setup_of(&probe_component, "probe=e", "use_sde=true");
    assert_int_equal(rl_open(&r, &s), LATHE_E_INVALID);
    assert_string_equal(r.err.field, "use_sde");
    rl_close(&r);
}

static void pendulum_actions_are_clipped_and_learning_is_finite(void **state)
{
    struct rl_setup s = setup_of(rl_component("pendulum", LATHE_KIND_ENV, "Pendulum-v1"), "",
                                 "n_steps=64;batch_size=64;n_epochs=4;gamma=0.9;log_std_init=1.5");
    char json[1024];
    struct rl_run r;
    const struct lathe_algo_export *x;
    int i;

    (void)state;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    for (i = 0; i < 640; i++) {
        int k;
        assert_int_equal(rl_steps(&r, 1), LATHE_OK);
        for (k = 0; k < 4; k++)
            assert_true(fabsf(((const float *)(const void *)r.act)[k]) <= 2.0f);
    }
    assert_true(r.loss_nan == 0);
    x = r.algo->extension(r.self, LATHE_ALGO_EXPORT);
    assert_int_equal(x->describe(r.self, json, sizeof json), LATHE_OK);
    assert_non_null(strstr(json, "\"gaussian\""));
    assert_int_equal(x->describe(r.self, json, 40), LATHE_E_LIMIT);
    rl_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_have_their_known_answers),
        cmocka_unit_test(threads_and_isa_do_not_change_a_bit),
        cmocka_unit_test(continuous_runs_resume_bit_for_bit),
        cmocka_unit_test(resume_equals_an_uninterrupted_run),
        cmocka_unit_test(zero_learning_rate_changes_no_weight),
        cmocka_unit_test(non_finite_rewards_stop_the_run_and_spare_the_weights),
        cmocka_unit_test(options_that_contradict_are_named),
        cmocka_unit_test(pendulum_actions_are_clipped_and_learning_is_finite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
