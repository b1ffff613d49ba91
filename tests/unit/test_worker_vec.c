/* Environment batches of the host: limits, autoreset, idle rows, threads, seeds. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/hash.h"
#include "core/worker/load.h"
#include "core/worker/norm.h"
#include "core/worker/vec.h"

#define ENV_FILE LATHE_BINARY_DIR "/tests/plugins/worker_env.so"

struct fixture {
    struct worker_services services;
    struct loaded *loaded;
    struct component env;
};

static int open_fixture(void **state)
{
    static struct fixture f;
    struct wplugin_ref ref = {ENV_FILE, ""};
    struct lathe_error err = {0};

    memset(&f, 0, sizeof f);
    if (load_open(&ref, 1, &f.services, &f.loaded, &err) != LATHE_OK ||
        load_component(f.loaded, LATHE_KIND_ENV, "Walk-v0", NULL, "env", &f.env, &err) !=
            LATHE_OK) {
        print_error("%s\n", err.text);
        return -1;
    }
    *state = &f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;

    component_close(&f->env);
    load_close(f->loaded);
    return 0;
}

static struct vec *open_vec(struct fixture *f, uint32_t n, int64_t limit, struct shard *shard)
{
    struct vec_args args = {
        f->env.entry->vtable, f->env.host, params_table(f->env.params), shard, n, limit};
    struct vec *vec = NULL;
    struct lathe_error err = {0};

    assert_int_equal(vec_open(&args, &vec, &err), LATHE_OK);
    return vec;
}

static void reset_all(struct vec *vec, uint64_t seed)
{
    uint64_t seeds[512];
    uint32_t i;

    assert_true(vec->n <= 512);
    for (i = 0; i < vec->n; i++)
        seeds[i] = vec_seed(0, seed, VEC_PURPOSE_TRAIN, i);
    assert_int_equal(vec_reset(vec, vec->n, seeds, NULL, NULL), LATHE_OK);
}

static void all_left(struct vec *vec)
{
    memset(vec->act, 0, vec->n * vec->act_stride);
}

static void vec_time_limit_truncates_and_resets(void **state)
{
    struct vec *vec = open_vec(*state, 3, 5, NULL);
    int step;

    reset_all(vec, 1);
    for (step = 1; step <= 5; step++) {
        all_left(vec);
        assert_int_equal(vec_step(vec, 1, NULL), LATHE_OK);
        assert_int_equal(vec->n_ended, step == 5 ? 3 : 0);
        if (step == 5) {
            const float *final = vec->final_obs, *next = vec->next_obs;

            assert_int_equal(vec->truncated[2], 1);
            assert_int_equal(vec->terminated[2], 0);
            assert_int_equal(vec->final_len[1], 5);
            assert_true(vec->final_ret[1] < 0);
            assert_true(final[1] == 5.0f); /* steps of the episode that ended */
            assert_true(next[1] == 0.0f);  /* steps of the new one */
        }
        vec_advance(vec);
    }
    assert_int_equal(vec_active(vec), 3);
    vec_close(vec);
}

static void vec_without_autoreset_rows_become_idle(void **state)
{
    struct vec *vec = open_vec(*state, 40, 0, NULL);
    uint32_t seen = 0, i;
    int step;

    reset_all(vec, 3);
    for (step = 0; step < 400 && vec->n_runs > 0; step++) {
        for (i = 0; i < vec->n; i++)
            ((int32_t *)vec->act)[i] = 1;
        assert_int_equal(vec_step(vec, 0, NULL), LATHE_OK);
        for (i = 0; i < vec->n_ended; i++) {
            assert_true(i == 0 || vec->ended[i] > vec->ended[i - 1]);
            assert_int_equal(vec->terminated[vec->ended[i]], 1);
            assert_true(vec->final_info[2 * vec->ended[i]] == 1.0f);
        }
        seen += vec->n_ended;
        vec_advance(vec);
        assert_int_equal(vec_active(vec), 40 - seen);
    }
    assert_int_equal(seen, 40);
    vec_close(vec);
}

/* A digest of everything a batch produces in 200 steps. */
static void play_digest(struct fixture *f, uint32_t n, uint32_t threads, char hex[65])
{
    struct shard *shard = NULL;
    struct sha256 sha;
    struct vec *vec;
    uint32_t i, step;

    assert_int_equal(shard_open(threads, &shard, NULL), LATHE_OK);
    vec = open_vec(f, n, -1, shard);
    assert_int_equal(sha256_open(&sha), LATHE_OK);
    reset_all(vec, 9);
    for (step = 0; step < 200; step++) {
        for (i = 0; i < n; i++)
            ((int32_t *)vec->act)[i] = (int32_t)((step / 3 + i) % 3 > 0);
        assert_int_equal(vec_step(vec, 1, NULL), LATHE_OK);
        sha256_add(&sha, vec->next_obs, n * vec->obs_stride);
        sha256_add(&sha, vec->reward, n * sizeof(float));
        sha256_add(&sha, vec->ended, vec->n_ended * sizeof(uint32_t));
        vec_advance(vec);
    }
    sha256_close_hex(&sha, hex);
    vec_close(vec);
    shard_close(shard);
}

static void vec_results_do_not_depend_on_threads(void **state)
{
    char one[65], other[65];
    uint32_t threads;

    play_digest(*state, 300, 1, one);
    for (threads = 2; threads <= 7; threads += 5) {
        play_digest(*state, 300, threads, other);
        assert_string_equal(one, other);
    }
}

static void vec_seed_rules_are_those_documented(void **state)
{
    (void)state;
    assert_true(vec_seed(0, 10000, VEC_PURPOSE_EVAL, 7) == 10007);
    assert_true(vec_seed(1, 42, 3, 0) == 0x3ae630b6821f9a30u);
    assert_true(vec_seed(1, 42, 2, 5) != vec_seed(1, 42, 1, 5));
}

static void norm_moments_equal_those_of_all_samples(void **state)
{
    float rows[6][2] = {{1, 10}, {2, 20}, {3, 30}, {4, 40}, {5, 50}, {6, 60}}, out[6][2];
    struct vec_run first = {0, 2}, second = {2, 4};
    struct norm norm;

    (void)state;
    assert_int_equal(norm_init(&norm, 1, 0, 0.99, 6, 2), LATHE_OK);
    norm_update_obs(&norm, rows, 8, &first, 1);
    norm_update_obs(&norm, rows, 8, &second, 1);
    assert_float_equal((float)norm.obs_moments.mean[0], 3.5f, 1e-3f);
    assert_float_equal((float)norm.obs_moments.var[0], 35.0f / 12.0f, 1e-3f);
    assert_float_equal((float)norm.obs_moments.mean[1], 35.0f, 1e-2f);
    norm_apply_obs(&norm, rows, out, 8, 0, 6);
    assert_float_equal(out[0][0], -1.4638f, 1e-3f);
    rows[0][0] = 1e9f;
    norm_apply_obs(&norm, rows, out, 8, 0, 1);
    assert_float_equal(out[0][0], 10.0f, 0.0f); /* clipped */
    norm_fini(&norm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vec_time_limit_truncates_and_resets),
        cmocka_unit_test(vec_without_autoreset_rows_become_idle),
        cmocka_unit_test(vec_results_do_not_depend_on_threads),
        cmocka_unit_test(vec_seed_rules_are_those_documented),
        cmocka_unit_test(norm_moments_equal_those_of_all_samples),
    };

    return cmocka_run_group_tests_name("worker_vec", tests, open_fixture, close_fixture);
}
