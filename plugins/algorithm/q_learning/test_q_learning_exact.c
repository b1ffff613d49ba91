/* Quality of the tabular learners: exact values of their greedy policies by dynamic programming on
 * the environments' models, over training seeds. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/rl_harness.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SEEDS 1u /* checked builds are slow: they look for errors, not for quality */
#else
#define SEEDS 10u
#endif
#define MAX_STATES 1024u
#define MAX_OUTCOMES 512u

struct problem {
    const char *file, *env, *env_settings, *algo, *settings;
    uint64_t steps;
    uint32_t limit; /* of the evaluation; the training run has the environment's, or this */
};

/* What the policy sees in a model state: its number, or the three of blackjack, where naturals
 * stand behind the 32 x 11 x 2 observations. */
static void observation(const struct lathe_env_spec *spec, uint32_t state, int32_t obs[3])
{
    if (spec->obs->kind == LATHE_SPACE_TUPLE && state >= 704)
        state = (21 * 11 + state - 704) * 2 + 1;
    obs[0] = (int32_t)state;
    if (spec->obs->kind == LATHE_SPACE_TUPLE) {
        obs[0] = (int32_t)(state / 22);
        obs[1] = (int32_t)(state / 2 % 11);
        obs[2] = (int32_t)(state % 2);
    }
}

static double backup(struct rl_run *r, const struct lathe_env_model *m, uint32_t state,
                     uint32_t action, const double *v)
{
    struct lathe_outcome o[16];
    const uint32_t n = m->transitions(r->batch, state, action, o, 16);
    double sum = 0;
    uint32_t k;

    assert_in_range(n, 1, 16);
    for (k = 0; k < n; k++)
        sum += o[k].probability * (o[k].reward + (o[k].terminated ? 0 : v[o[k].next_state]));
    return sum;
}

/* Value of the greedy policy within limit steps. */
static double exact_value(struct rl_run *r, uint32_t limit)
{
    const struct lathe_env_model *m = r->env->extension(r->batch, LATHE_ENV_MODEL);
    static double v[2][MAX_STATES];
    static int32_t act[MAX_STATES];
    static struct lathe_outcome start[MAX_OUTCOMES];
    double sum = 0, mass = 0;
    uint32_t s, t, k, n;

    assert_true(m != NULL && m->n_states <= MAX_STATES);
    for (s = 0; s < m->n_states; s++) {
        int32_t at[3];
        struct lathe_obs obs = {sizeof obs, 0, 1, 0, at, NULL, 0, 0};
        struct lathe_act a = {sizeof a, 0, &act[s], NULL, NULL};
        observation(r->spec, s, at);
        assert_int_equal(r->algo->act(r->self, &obs, LATHE_ACT_GREEDY, &a), LATHE_OK);
        v[0][s] = 0;
    }
    for (t = 0; t < limit; t++)
        for (s = 0; s < m->n_states; s++)
            v[(t + 1) & 1u][s] = backup(r, m, s, (uint32_t)act[s], v[t & 1u]);
    n = m->start(r->batch, start, MAX_OUTCOMES);
    assert_in_range(n, 1, MAX_OUTCOMES);
    for (k = 0; k < n; k++) {
        sum += start[k].probability * v[limit & 1u][start[k].next_state];
        mass += start[k].probability;
    }
    assert_true(fabs(mass - 1) < 1e-9);
    return sum;
}

static double trained(const struct problem *p, uint64_t seed)
{
    struct rl_setup s;
    struct rl_run r;
    double value;

    memset(&s, 0, sizeof s);
    s.env = rl_component(p->file, LATHE_KIND_ENV, p->env);
    s.algo = rl_component("q_learning", LATHE_KIND_ALGORITHM, p->algo);
    assert_true(s.env != NULL && s.algo != NULL);
    s.env_settings = p->env_settings;
    s.algo_settings = p->settings;
    s.n_envs = s.threads = 1;
    s.seed = seed;
    s.total_steps = p->steps;
    s.time_limit = (int32_t)p->limit;
    assert_int_equal(rl_open(&r, &s), LATHE_OK);
    assert_int_equal(rl_steps(&r, p->steps), LATHE_OK);
    value = exact_value(&r, p->limit);
    rl_close(&r);
    return value;
}

/* Every seed reaches each, and their mean reaches mean. */
static void reaches(const struct problem *p, double each, double mean)
{
    double sum = 0;
    uint64_t seed;

    for (seed = 0; seed < SEEDS; seed++) {
        const double value = trained(p, seed);
        print_message("%s %s seed %u: %.4f\n", p->env, p->algo, (unsigned)seed, value);
        assert_true(value >= each - 1e-9);
        sum += value;
    }
    assert_true(SEEDS < 10 || sum / SEEDS >= mean - 1e-9);
}

static void frozen_lakes_are_crossed_nearly_as_well_as_possible(void **state)
{
    static const struct problem small = {
        "frozen_lake",
        "FrozenLake-v1",
        "",
        "q_learning",
        "alpha=0.1;alpha_end=0.005;epsilon_end=0.1;epsilon_fraction=0.8",
        100000,
        100};
    static const struct problem large = {
        "frozen_lake",
        "FrozenLake-v1",
        "map_name=8x8",
        "q_learning",
        "alpha=0.1;alpha_end=0.005;epsilon_end=0.1;epsilon_fraction=0.8;gamma=0.999",
        1000000,
        200};

    (void)state;
    reaches(&small, 0.739, 0.739);
    reaches(&large, 0.875, 0.875);
}

static void taxi_drives_the_shortest_ways(void **state)
{
    static const struct problem p = {
        "taxi", "Taxi-v4", "", "q_learning", "alpha=1;epsilon_end=0.05;epsilon_fraction=0.5",
        300000, 200};

    (void)state;
    reaches(&p, 7.85, 7.90);
}

static void cliff_walking_paths_are_as_in_the_book(void **state)
{
    static const struct {
        struct problem p;
        double want;
    } cases[] = {
        {{"cliff_walking", "CliffWalking-v1", "", "q_learning",
          "alpha=0.5;gamma=1;epsilon=0.1;epsilon_end=0.1", 20000, 200},
         -13},
        {{"cliff_walking", "CliffWalking-v1", "", "expected_sarsa",
          "alpha=0.5;gamma=1;epsilon=0.1;epsilon_end=0.1", 20000, 200},
         -15},
        {{"cliff_walking", "CliffWalking-v1", "", "sarsa",
          "alpha=0.5;alpha_end=0.05;alpha_fraction=0.8;gamma=1;epsilon=0.1;epsilon_end=0.1", 20000,
          200},
         -17},
    };
    size_t i;
    uint64_t seed;

    (void)state;
    for (i = 0; i < 3; i++)
        for (seed = 0; seed < SEEDS; seed++)
            assert_true(fabs(trained(&cases[i].p, seed) - cases[i].want) < 1e-9);
}

static void blackjack_is_played_nearly_as_well_as_possible(void **state)
{
    static const struct problem p = {
        "blackjack",
        "Blackjack-v1",
        "",
        "q_learning",
        "alpha=0.05;alpha_end=0.001;gamma=1;epsilon=1;epsilon_end=0.1;epsilon_fraction=1",
        1000000,
        50};

    (void)state;
    reaches(&p, -0.0480, -0.0460);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen_lakes_are_crossed_nearly_as_well_as_possible),
        cmocka_unit_test(taxi_drives_the_shortest_ways),
        cmocka_unit_test(cliff_walking_paths_are_as_in_the_book),
        cmocka_unit_test(blackjack_is_played_nearly_as_well_as_possible),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
