/* Tests of learners: probe problems with known answers, purity, exact save and load, bad rewards.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/check/algo_rig.h"

#define PROBE_STEPS 5000u /* of RIG_ROWS rows each: 20,000 environment steps */
#define HALF_STEPS 1500u

static void learns(struct check *check, enum probe probe, double wanted)
{
    struct algo_rig rig;
    struct lathe_error err = {0};
    double quality = 0;
    uint64_t first_seed = check->seed;

    for (uint64_t seed = first_seed; seed < first_seed + 3; seed++) {
        check->seed = seed;
        int32_t st = algo_rig_open(&rig, check, probe, 1);
        if (st == LATHE_OK)
            st = algo_rig_train(&rig, PROBE_STEPS, &err);
        if (st == LATHE_OK)
            st = algo_rig_quality(&rig, &quality);
        algo_rig_close(&rig);
        if (check->verdict != CHECK_PASS)
            return;
        CHECK_THAT(check, st == LATHE_OK, "seed %u: %s", (unsigned)seed, err.text);
        CHECK_THAT(check, quality >= wanted, "seed %u: the best action in %.0f %% of cases only",
                   (unsigned)seed, 100 * quality);
    }
    check_note(check, "3 seeds, 20000 steps each");
}

static void test_action_matters(struct check *check)
{
    learns(check, PROBE_ACTION_MATTERS, 1.0);
}

static void test_match(struct check *check)
{
    learns(check, PROBE_MATCH, 0.98);
}

/* Half of a short training: some steps, or one iteration of a learner that saves between
 * iterations. */
static int32_t train_half(struct algo_rig *rig, struct lathe_error *err)
{
    if (rig->algo->flags & LATHE_ALGO_ON_POLICY)
        return algo_rig_iterate(rig, err);
    return algo_rig_train(rig, HALF_STEPS, err);
}

/* Replaces the learner of rig by a fresh one that loads what the first saved. */
static int32_t replace(struct algo_rig *rig, struct check *check, uint32_t threads,
                       struct lathe_error *err)
{
    struct tensor_store middle = {0};
    uint64_t steps = rig->steps;
    union rig_values obs = rig->obs;
    int32_t st = algo_rig_save(rig, &middle);

    algo_rig_close(rig);
    if (st == LATHE_OK && (st = algo_rig_open(rig, check, PROBE_MATCH, threads)) == LATHE_OK)
        st = algo_rig_load(rig, &middle, err);
    tensor_store_fini(&middle);
    rig->steps = steps;
    rig->obs = obs;
    return st;
}

/* A short training and its state at the end. */
static int32_t train_saved(struct check *check, uint32_t threads, int interrupted,
                           struct tensor_store *out)
{
    struct algo_rig rig;
    struct lathe_error err = {0};
    int32_t st = algo_rig_open(&rig, check, PROBE_MATCH, threads);

    if (st == LATHE_OK)
        st = train_half(&rig, &err);
    if (st == LATHE_OK && interrupted)
        st = replace(&rig, check, threads, &err);
    if (st == LATHE_OK)
        st = train_half(&rig, &err);
    if (st == LATHE_OK)
        st = algo_rig_save(&rig, out);
    if (st != LATHE_OK)
        check_fail(check, "%s", err.text[0] ? err.text : lathe_status_name(st));
    algo_rig_close(&rig);
    return st;
}

static void compare(struct check *check, uint32_t threads, int interrupted, const char *complaint)
{
    struct tensor_store a = {0}, b = {0};

    if (train_saved(check, 1, 0, &a) == LATHE_OK &&
        train_saved(check, threads, interrupted, &b) == LATHE_OK) {
        if (a.first == NULL)
            check_fail(check, "save wrote nothing");
        else if (!tensor_store_equal(&a, &b))
            check_fail(check, "%s", complaint);
    }
    tensor_store_fini(&a);
    tensor_store_fini(&b);
}

static void test_determinism(struct check *check)
{
    compare(check, 1, 0, "the same seed and data gave another state");
}

static void test_threads(struct check *check)
{
    compare(check, 2, 0, "two threads gave another state than one");
}

static void test_resume(struct check *check)
{
    compare(check, 1, 1, "a run that was saved and loaded half-way ended in another state");
}

static void test_pure(struct check *check)
{
    struct algo_rig rig;
    struct tensor_store before = {0}, after = {0};
    struct lathe_error err = {0};
    double quality;
    int32_t st = algo_rig_open(&rig, check, PROBE_MATCH, 1);

    if (st == LATHE_OK)
        st = algo_rig_save(&rig, &before);
    if (st == LATHE_OK)
        st = algo_rig_quality(&rig, &quality);
    if (st == LATHE_OK)
        st = algo_rig_save(&rig, &after);
    if (st != LATHE_OK && check->verdict == CHECK_PASS)
        check_fail(check, "%s", err.text[0] ? err.text : lathe_status_name(st));
    else if (!tensor_store_equal(&before, &after))
        check_fail(check, "a greedy act changed the state");
    tensor_store_fini(&before);
    tensor_store_fini(&after);
    algo_rig_close(&rig);
}

static void test_nan_reward(struct check *check)
{
    struct algo_rig rig;
    struct lathe_error err = {0};
    int32_t st = algo_rig_open(&rig, check, PROBE_NAN, 1);

    if (st == LATHE_OK && (st = algo_rig_train(&rig, PROBE_STEPS, &err)) == LATHE_OK)
        check_fail(check, "a NaN reward went unnoticed");
    algo_rig_close(&rig);
}

#define ALGO_TEST(var, id, text, seconds, fn) \
    static const struct check_test var = {"lathe.algorithm/1", id, text, seconds, fn}
ALGO_TEST(action, "algorithm.action_matters", "finds the action that pays", 60,
          test_action_matters);
ALGO_TEST(match, "algorithm.match", "finds the action that fits the observation", 60, test_match);
ALGO_TEST(determinism, "algorithm.determinism", "same seed, same state", 60, test_determinism);
ALGO_TEST(threads, "algorithm.threads", "the state does not depend on threads", 60, test_threads);
ALGO_TEST(resume, "algorithm.resume", "saved and loaded equals uninterrupted", 60, test_resume);
ALGO_TEST(pure, "algorithm.pure_act", "greedy acting changes nothing", 30, test_pure);
ALGO_TEST(nan_reward, "algorithm.nan_reward", "a NaN reward is reported", 30, test_nan_reward);

const struct check_test *const check_algorithm_tests[] = {&action, &match, &determinism, &threads,
                                                          &resume, &pure,  &nan_reward,  NULL};
