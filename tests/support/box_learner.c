/* Checks shared by the tests of learners of box actions. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/box_learner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/probe_env.h"

struct rl_setup box_setup(const struct box_learner *l, const struct lathe_component *env,
                          const char *env_settings, const char *settings)
{
    struct rl_setup s;

    memset(&s, 0, sizeof s);
    s.env = env != NULL ? env : &probe_env_component;
    s.algo = rl_component(l->file, LATHE_KIND_ALGORITHM, l->name);
    s.engine = rl_component("engine_cpu", LATHE_KIND_ENGINE, "cpu");
    s.env_settings = env_settings;
    s.algo_settings = settings;
    s.n_envs = 4;
    s.threads = 1;
    s.seed = 1;
    s.total_steps = 20000;
    assert_true(s.algo != NULL && s.engine != NULL);
    return s;
}

void box_save(struct rl_run *r, struct rl_store *s)
{
    rl_store_init(s);
    assert_int_equal(r->algo->save(r->self, &s->writer), LATHE_OK);
}

static float look(struct rl_run *r, float obs, float *action)
{
    const struct lathe_obs o = {sizeof o, 0, 1, 0, &obs, NULL, 0, 0};
    float a, v;
    struct lathe_act act = {sizeof act, 0, &a, NULL, &v};

    assert_int_equal(r->algo->act(r->self, &o, LATHE_ACT_GREEDY, &act), LATHE_OK);
    if (action != NULL)
        *action = a;
    return v;
}

static void near(float got, double want, double tolerance)
{
    if (!(fabs((double)got - want) <= tolerance))
        print_message("got %g, want %g\n", (double)got, want);
    assert_true(fabs((double)got - want) <= tolerance);
}

static void play(const struct box_learner *l, const char *env_settings, int32_t limit,
                 struct rl_run *r)
{
    struct rl_setup s = box_setup(l, NULL, env_settings, l->probe_settings);

    s.time_limit = limit;
    assert_int_equal(rl_open(r, &s), LATHE_OK);
    assert_int_equal(rl_steps(r, 5000), LATHE_OK);
}

void box_check_probes(const struct box_learner *l)
{
    struct rl_run r;
    float a;

    play(l, "continuous=true;probe=a", 0, &r);
    near(look(&r, 0, NULL), 1, 0.02);
    rl_close(&r);
    play(l, "continuous=true;probe=b", 0, &r);
    near(look(&r, 1, NULL), 1, 0.03);
    near(look(&r, -1, NULL), -1, 0.03);
    rl_close(&r);
    play(l, "continuous=true;probe=c", 0, &r);
    near(look(&r, 0, NULL), 0.9, 0.03);
    near(look(&r, 1, NULL), 1, 0.03);
    rl_close(&r);
    play(l, "continuous=true;probe=d", 0, &r);
    (void)look(&r, 0, &a);
    assert_true(a > 0);
    rl_close(&r);
    play(l, "continuous=true;probe=e", 0, &r);
    assert_true(rl_evaluate(&r, 64, 3, NULL) >= 0.98);
    rl_close(&r);
    play(l, "continuous=true;probe=f", 5, &r);
    near(look(&r, 0, NULL), 10, 0.5);
    rl_close(&r);
}

void box_check_threads_and_isa(const struct box_learner *l)
{
    static const char *const isas[] = {"auto", "avx2", "portable"};
    const struct lathe_component *env = rl_component("pendulum", LATHE_KIND_ENV, "Pendulum-v1");
    struct rl_store first, other;
    uint32_t i, n = 0;

    for (i = 0; i < 6; i++) {
        char settings[512];
        struct rl_setup s;
        struct rl_run r;
        int32_t st;
        snprintf(settings, sizeof settings, "%s;isa=%s", l->small_settings, isas[i / 2]);
        s = box_setup(l, env, "", settings);
        s.threads = i % 2 + 1;
        st = rl_open(&r, &s);
        if (st == LATHE_E_UNSUPPORTED) {
            rl_close(&r);
            continue;
        }
        assert_int_equal(st, LATHE_OK);
        assert_int_equal(rl_steps(&r, 250), LATHE_OK);
        box_save(&r, n == 0 ? &first : &other);
        if (n++ > 0) {
            assert_true(rl_store_equal(&first, &other));
            rl_store_fini(&other);
        }
        rl_close(&r);
    }
    rl_store_fini(&first);
}

/* One environment, no reset in between: the environment is handed over as it stands. */
void box_check_resume(const struct box_learner *l)
{
    struct rl_setup s = box_setup(l, NULL, "continuous=true;probe=f", l->small_settings);
    struct rl_store half, a, b;
    struct rl_run r, q;

    s.time_limit = 7;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    assert_int_equal(rl_steps(&r, 140), LATHE_OK); /* a multiple of the limit: both start anew */
    box_save(&r, &half);
    s.threads = 2;
    assert_int_equal(rl_open(&q, &s), LATHE_OK);
    assert_int_equal(q.algo->load(q.self, &half.reader, &q.err), LATHE_OK);
    assert_int_equal(rl_steps(&r, 100), LATHE_OK);
    assert_int_equal(rl_steps(&q, 100), LATHE_OK);
    box_save(&r, &a);
    box_save(&q, &b);
    assert_true(rl_store_equal(&a, &b));
    assert_false(rl_store_equal(&a, &half));
    rl_close(&r);
    rl_close(&q);
    rl_store_fini(&half);
    rl_store_fini(&a);
    rl_store_fini(&b);
}

static int is_weight(const char *name)
{
    return strncmp(name, "policy/", 7) == 0 || strncmp(name, "value/", 6) == 0 ||
           strncmp(name, "target/", 7) == 0;
}

void box_check_zero_learning_rate(const struct box_learner *l)
{
    char settings[512];
    struct rl_setup s;
    struct rl_store a, b;
    struct rl_run r;
    uint32_t i, seen = 0;

    snprintf(settings, sizeof settings, "%s;learning_rate=0", l->small_settings);
    s = box_setup(l, NULL, "continuous=true;probe=e", settings);
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    box_save(&r, &a);
    assert_int_equal(rl_steps(&r, 150), LATHE_OK);
    box_save(&r, &b);
    for (i = 0; i < a.n; i++) {
        uint32_t k = 0;
        while (strcmp(b.list[k].name, a.list[i].name) != 0)
            k++;
        seen += is_weight(a.list[i].name) ? 1 : 0;
        if (is_weight(a.list[i].name))
            assert_memory_equal(a.list[i].data, b.list[k].data, a.list[i].len_bytes);
    }
    assert_true(seen >= 12);
    assert_false(rl_store_equal(&a, &b));
    rl_close(&r);
    rl_store_fini(&a);
    rl_store_fini(&b);
}

void box_check_bad_rewards(const struct box_learner *l)
{
    struct rl_setup s = box_setup(l, NULL, "continuous=true;probe=w", l->small_settings);
    const struct lathe_algo_export *x;
    struct rl_store a, b;
    struct rl_run r;

    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    x = r.algo->extension(r.self, LATHE_ALGO_EXPORT);
    rl_store_init(&a);
    rl_store_init(&b);
    assert_int_equal(x->save_policy(r.self, &a.writer), LATHE_OK);
    assert_int_equal(rl_steps(&r, 200), LATHE_E_INTERNAL);
    assert_non_null(strstr(r.err.text, "finite"));
    assert_int_equal(x->save_policy(r.self, &b.writer), LATHE_OK);
    assert_true(rl_store_equal(&a, &b));
    rl_close(&r);
    rl_store_fini(&a);
    rl_store_fini(&b);
}

void box_check_refusals(const struct box_learner *l)
{
    struct rl_setup s = box_setup(l, NULL, "probe=e", ""); /* discrete actions */
    struct rl_run r;

    assert_int_equal(rl_open(&r, &s), LATHE_E_UNSUPPORTED);
    rl_close(&r);
    s = box_setup(l, NULL, "continuous=true;probe=e", "net_arch=[64.5]");
    assert_int_equal(rl_open(&r, &s), LATHE_E_INVALID);
    assert_string_equal(r.err.field, "net_arch");
    rl_close(&r);
    s = box_setup(l, NULL, "continuous=true;probe=e", "");
    s.total_iterations = 5; /* whole episodes */
    assert_int_equal(rl_open(&r, &s), LATHE_E_UNSUPPORTED);
    rl_close(&r);
}

/* The exported policy acts as the learner does, whatever the learner's draws. */
void box_check_policy_alone(const struct box_learner *l)
{
    struct rl_setup s = box_setup(l, NULL, "continuous=true;probe=e", l->small_settings);
    const struct lathe_algo_export *x;
    char json[4096];
    struct rl_store policy;
    struct rl_run r, q;
    float a, b;

    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    assert_int_equal(rl_steps(&r, 100), LATHE_OK);
    x = r.algo->extension(r.self, LATHE_ALGO_EXPORT);
    rl_store_init(&policy);
    assert_int_equal(x->save_policy(r.self, &policy.writer), LATHE_OK);
    s.seed = 77;
    assert_int_equal(rl_open(&q, &s), LATHE_OK);
    (void)look(&r, 0.3f, &a);
    (void)look(&q, 0.3f, &b);
    assert_true(a < b || a > b);
    assert_int_equal(x->load_policy(q.self, &policy.reader, &q.err), LATHE_OK);
    (void)look(&q, 0.3f, &b);
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(x->describe(r.self, json, sizeof json), LATHE_OK);
    assert_non_null(strstr(json, "\"tensor\":\"policy/actor.0\""));
    assert_int_equal(x->describe(r.self, json, 60), LATHE_E_LIMIT);
    rl_close(&r);
    rl_close(&q);
    rl_store_fini(&policy);
}

void box_first_batch(const struct rl_store *store, uint64_t seed, uint32_t rows, uint32_t n_step,
                     double gamma, struct kit_replay_batch *batch)
{
    const struct kit_replay_args args = {
        .capacity = 1000, .n_streams = 1, .obs_dim = 3, .act_bytes = 4, .seed = seed};
    struct kit_replay *replay;

    assert_int_equal(kit_replay_open(&args, &replay), LATHE_OK);
    assert_int_equal(kit_replay_load(replay, &store->reader), LATHE_OK);
    assert_int_equal(kit_replay_batch_open(replay, rows, batch), LATHE_OK);
    kit_replay_sample(replay, batch, rows, 0, 0);
    kit_replay_gather(replay, batch, n_step, gamma);
    kit_replay_close(replay);
}
