/* Tests of environments: determinism, memory discipline, spaces, bad input, snapshots, speed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "lathe/rng.h"
#include "sdk/check/env_rig.h"

#define N_ROWS 13u /* prime, so that cuts are uneven */
#define N_STEPS 200u

/* Plays N_STEPS with resets of ended rows, cut into `parts` ranges, and hashes all that was seen.
 */
static int32_t play(struct check *check, uint32_t parts, uint64_t seed, uint64_t *hash)
{
    struct env_rig rig;
    int32_t st = env_rig_open(&rig, check, N_ROWS);

    if (st != LATHE_OK)
        return st;
    st = env_rig_reset_all(&rig, seed);
    for (uint32_t t = 0; st == LATHE_OK && t < N_STEPS; t++) {
        env_rig_random_actions(&rig, seed, t);
        st = env_rig_step(&rig, parts);
        env_rig_hash(&rig);
        if (st == LATHE_OK)
            st = env_rig_reset_ended(&rig);
    }
    *hash = rig.hash;
    if (st != LATHE_OK)
        check_fail(check, "a call returned %s", lathe_status_name(st));
    env_rig_close(&rig);
    return st;
}

static void test_determinism(struct check *check)
{
    uint64_t first = 0, second = 0, other = 0;

    if (play(check, 1, check->seed, &first) != LATHE_OK ||
        play(check, 1, check->seed, &second) != LATHE_OK ||
        play(check, 1, check->seed + 1000, &other) != LATHE_OK)
        return;
    CHECK_THAT(check, first == second, "the same seed and actions gave other bytes");
    if (first == other)
        check_note(check, "another seed gives the same episode: no randomness");
}

static void test_cuts(struct check *check)
{
    uint64_t whole = 0, cut = 0;

    if (play(check, 1, check->seed, &whole) != LATHE_OK)
        return;
    for (uint32_t parts = 2; parts <= N_ROWS; parts += 5) {
        if (play(check, parts, check->seed, &cut) != LATHE_OK)
            return;
        CHECK_THAT(check, cut == whole, "results change when the batch is cut into %u ranges",
                   parts);
    }
}

static void test_threads(struct check *check)
{
    uint64_t whole = 0, threaded = 0;

    if (play(check, 1, check->seed, &whole) != LATHE_OK)
        return;
    for (uint32_t threads = 2; threads <= 7; threads += 5) {
        struct env_rig rig;
        if (env_rig_open(&rig, check, N_ROWS) != LATHE_OK)
            return;
        int32_t st = env_rig_reset_all(&rig, check->seed);
        for (uint32_t t = 0; st == LATHE_OK && t < N_STEPS; t++) {
            env_rig_random_actions(&rig, check->seed, t);
            st = env_rig_step_threads(&rig, threads);
            env_rig_hash(&rig);
            if (st == LATHE_OK)
                st = env_rig_reset_ended(&rig);
        }
        threaded = rig.hash;
        env_rig_close(&rig);
        CHECK_THAT(check, st == LATHE_OK, "a call returned %s", lathe_status_name(st));
        CHECK_THAT(check, threaded == whole, "results change with %u threads", threads);
    }
}

static void test_memory(struct check *check)
{
    struct env_rig rig;

    if (env_rig_open(&rig, check, N_ROWS) != LATHE_OK)
        return;
    int32_t st = env_rig_reset_all(&rig, check->seed);
    for (uint32_t t = 0; st == LATHE_OK && t < N_STEPS; t++) {
        env_rig_random_actions(&rig, check->seed, t);
        guard_readonly(&rig.act, 1);
        st = env_rig_step(&rig, 3);
        guard_readonly(&rig.act, 0);
        if (st == LATHE_OK)
            st = env_rig_reset_ended(&rig);
        if (!env_rig_intact(&rig)) {
            check_fail(check, "wrote outside of its buffers in step %u", t);
            break;
        }
    }
    if (st != LATHE_OK)
        check_fail(check, "a call returned %s", lathe_status_name(st));
    env_rig_close(&rig);
}

static void test_ranges(struct check *check)
{
    struct env_rig rig;

    if (env_rig_open(&rig, check, N_ROWS) != LATHE_OK)
        return;
    int32_t st = env_rig_reset_all(&rig, check->seed);
    for (uint32_t t = 0; st == LATHE_OK && t < N_STEPS; t++) {
        memset(rig.obs.data, 0x7f, rig.obs.len_bytes);
        memset(rig.reward.data, 0x7f, rig.reward.len_bytes);
        env_rig_random_actions(&rig, check->seed, t);
        st = env_rig_step_range(&rig, 2, 5);
        if (st == LATHE_OK && !env_rig_untouched(&rig, 2, 5))
            check_fail(check, "step of rows 2 to 6 wrote into other rows");
        if (check->verdict == CHECK_FAIL)
            break;
        st = st == LATHE_OK ? env_rig_reset_ended(&rig) : st;
    }
    if (st != LATHE_OK)
        check_fail(check, "a call returned %s", lathe_status_name(st));
    env_rig_close(&rig);
}

static void test_masked_reset(struct check *check)
{
    struct env_rig rig;
    uint8_t rows[N_ROWS] = {0};

    if (env_rig_open(&rig, check, N_ROWS) != LATHE_OK)
        return;
    rows[3] = rows[4] = 1;
    int32_t st = env_rig_reset_all(&rig, check->seed);
    memset(rig.obs.data, 0x7f, rig.obs.len_bytes);
    memset(rig.reward.data, 0x7f, rig.reward.len_bytes);
    if (st == LATHE_OK)
        st = env_rig_reset_rows(&rig, rows);
    if (st != LATHE_OK)
        check_fail(check, "reset returned %s", lathe_status_name(st));
    else if (!env_rig_untouched(&rig, 3, 2))
        check_fail(check, "reset of rows 3 and 4 wrote into other rows");
    env_rig_close(&rig);
}

static void test_spaces(struct check *check)
{
    struct env_rig rig;
    char why[160];

    if (env_rig_open(&rig, check, N_ROWS) != LATHE_OK)
        return;
    int32_t st = env_rig_reset_all(&rig, check->seed);
    for (uint32_t t = 0; st == LATHE_OK && t < N_STEPS; t++) {
        if (!env_rig_in_space(&rig, why, sizeof why)) {
            check_fail(check, "%s", why);
            break;
        }
        env_rig_random_actions(&rig, check->seed, t);
        if ((st = env_rig_step(&rig, 1)) == LATHE_OK)
            st = env_rig_reset_ended(&rig);
    }
    if (st != LATHE_OK)
        check_fail(check, "a call returned %s", lathe_status_name(st));
    check_note(check, "observation %u bytes, action %u bytes, %u episodes ended",
               rig.spec->obs_stride, rig.spec->act_stride, rig.n_ended);
    env_rig_close(&rig);
}

static void test_bad_actions(struct check *check)
{
    struct env_rig rig;
    struct strbuf before;

    if (env_rig_open(&rig, check, N_ROWS) != LATHE_OK)
        return;
    strbuf_init(&before);
    uint32_t n_bad = env_rig_bad_action_count(&rig);
    for (uint32_t bad = 0; bad < n_bad && check->verdict != CHECK_FAIL; bad++) {
        int32_t st = env_rig_reset_all(&rig, check->seed);
        if (st != LATHE_OK) {
            check_fail(check, "reset returned %s", lathe_status_name(st));
            break;
        }
        env_rig_random_actions(&rig, check->seed, bad);
        env_rig_bad_action(&rig, 5, bad);
        if (!env_rig_state(&rig, 5, &before))
            check_note(check, "no snapshot: that the row is unchanged was not checked");
        st = env_rig_step(&rig, 1);
        if (st != LATHE_E_INVALID)
            check_fail(check, "step accepted %s (status %s instead of invalid)",
                       env_rig_bad_action_name(&rig, bad), lathe_status_name(st));
        else if (!env_rig_state_equal(&rig, 5, &before))
            check_fail(check, "the row changed although its action was refused");
        else {
            env_rig_random_actions(&rig, check->seed, bad);
            st = env_rig_step(&rig, 1);
            if (st != LATHE_OK)
                check_fail(check, "the batch is unusable after a refused action");
        }
    }
    strbuf_fini(&before);
    env_rig_close(&rig);
}

static void test_snapshot(struct check *check)
{
    struct env_rig a, b;
    struct strbuf state;

    if (env_rig_open(&a, check, N_ROWS) != LATHE_OK)
        return;
    if (a.snapshot == NULL) {
        check_skip(check, "offers no %s: runs on it cannot be resumed exactly", LATHE_ENV_SNAPSHOT);
        env_rig_close(&a);
        return;
    }
    if (env_rig_open(&b, check, N_ROWS) != LATHE_OK) {
        env_rig_close(&a);
        return;
    }
    strbuf_init(&state);
    int32_t st = env_rig_reset_all(&a, check->seed);
    if (st == LATHE_OK)
        st = env_rig_reset_all(&b, check->seed + 77);
    for (uint32_t t = 0; st == LATHE_OK && t < 17; t++) {
        env_rig_random_actions(&a, check->seed, t);
        if ((st = env_rig_step(&a, 1)) == LATHE_OK)
            st = env_rig_reset_ended(&a);
    }
    for (uint32_t row = 0; st == LATHE_OK && row < N_ROWS; row++) {
        env_rig_state(&a, row, &state);
        st = b.snapshot->set(b.batch, row, 1, state.data);
    }
    memcpy(b.step_count, a.step_count, N_ROWS * sizeof *a.step_count); /* the host's time limit */
    a.hash = b.hash = 0;
    for (uint32_t t = 17; st == LATHE_OK && t < 150; t++) {
        env_rig_random_actions(&a, check->seed, t);
        env_rig_random_actions(&b, check->seed, t);
        if ((st = env_rig_step(&a, 1)) == LATHE_OK && (st = env_rig_step(&b, 1)) == LATHE_OK) {
            env_rig_hash(&a);
            env_rig_hash(&b);
            if ((st = env_rig_reset_ended(&a)) == LATHE_OK)
                st = env_rig_reset_ended(&b);
        }
    }
    if (st != LATHE_OK)
        check_fail(check, "a call returned %s", lathe_status_name(st));
    else if (a.hash != b.hash)
        check_fail(check, "a restored batch does not continue as the original does");
    strbuf_fini(&state);
    env_rig_close(&a);
    env_rig_close(&b);
}

static void test_allocations(struct check *check)
{
    struct env_rig rig;

    if (check_allocations() == UINT64_MAX) {
        check_skip(check, "a sanitizer owns the allocator");
        return;
    }
    if (env_rig_open(&rig, check, N_ROWS) != LATHE_OK)
        return;
    int32_t st = env_rig_reset_all(&rig, check->seed);
    uint64_t total = 0;
    for (uint32_t t = 0; st == LATHE_OK && t < N_STEPS; t++) {
        env_rig_random_actions(&rig, check->seed, t);
        uint64_t before = check_allocations();
        st = env_rig_step_range(&rig, 0, N_ROWS);
        total += check_allocations() - before;
        st = st == LATHE_OK ? env_rig_reset_ended(&rig) : st;
    }
    if (st != LATHE_OK)
        check_fail(check, "a call returned %s", lathe_status_name(st));
    else if (total > 0)
        check_fail(check, "step allocated memory %llu times in %u calls; allocate in open",
                   (unsigned long long)total, N_STEPS);
    env_rig_close(&rig);
}

static void test_speed(struct check *check)
{
    struct env_rig rig;
    uint64_t steps = 0;

    if (env_rig_open(&rig, check, 256) != LATHE_OK)
        return;
    int32_t st = env_rig_reset_all(&rig, check->seed);
    env_rig_random_actions(&rig, check->seed, 0);
    int64_t begin = clock_mono_ns(), spent = 0;
    while (st == LATHE_OK && spent < 300000000) {
        st = env_rig_step_range(&rig, 0, 256);
        if (st == LATHE_OK)
            st = env_rig_reset_ended(&rig);
        steps += 256;
        spent = clock_mono_ns() - begin;
    }
    if (st != LATHE_OK)
        check_fail(check, "a call returned %s", lathe_status_name(st));
    else
        check_note(check, "%.2f million steps per second on one core, resets included",
                   (double)steps / ((double)spent / 1e9) / 1e6);
    env_rig_close(&rig);
}

#define ENV_TEST(var, id, text, seconds, fn) \
    static const struct check_test var = {"lathe.env/1", id, text, seconds, fn}
ENV_TEST(determinism, "env.determinism", "same seed and actions, same bytes", 30, test_determinism);
ENV_TEST(cuts, "env.cuts", "results do not depend on how the batch is cut", 60, test_cuts);
ENV_TEST(threads, "env.threads", "ranges on 2 and 7 threads give the same bytes", 60, test_threads);
ENV_TEST(memory, "env.memory", "stays inside its buffers and never writes actions", 30,
         test_memory);
ENV_TEST(ranges, "env.ranges", "a step touches its rows only", 30, test_ranges);
ENV_TEST(masked, "env.masked_reset", "a masked reset touches its rows only", 10, test_masked_reset);
ENV_TEST(spaces, "env.spaces", "observations lie in their space, rewards are finite", 30,
         test_spaces);
ENV_TEST(bad, "env.bad_actions", "bad actions are refused and change nothing", 20,
         test_bad_actions);
ENV_TEST(snapshot, "env.snapshot", "a restored batch continues bit-identically", 20, test_snapshot);
ENV_TEST(allocations, "env.allocations", "step does not allocate", 20, test_allocations);
ENV_TEST(speed, "env.speed", "steps per second, for information", 20, test_speed);

const struct check_test *const check_env_tests[] = {&determinism, &cuts,        &threads, &memory,
                                                    &ranges,      &masked,      &spaces,  &bad,
                                                    &snapshot,    &allocations, &speed,   NULL};
