/* Replay memory against a plain list of transitions: gathering, n-step returns, priorities, saving.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kit/replay.h"
#include "kit/sum_tree.h"
#include "lathe/rng.h"
#include "tests/support/rl_harness.h"

#define DIM 3u
#define STREAMS 3u
#define STEPS 40u
#define GAMMA 0.9

/* Transition number k of the run: stream k % STREAMS, its step k / STREAMS. */
struct event {
    float obs[DIM], next[DIM], reward;
    int32_t act;
    int32_t terminated, truncated;
};

static struct event event(uint32_t k)
{
    const uint32_t stream = k % STREAMS, t = k / STREAMS;
    struct event e;
    uint32_t i;

    for (i = 0; i < DIM; i++) {
        e.obs[i] = (float)(100 * stream + 10 * t + i);
        e.next[i] = (float)(100 * stream + 10 * (t + 1) + i) + 0.5f;
    }
    e.reward = (float)(k * 7 % 11) - 5.0f;
    e.act = (int32_t)(k % 5);
    e.terminated = (t + stream) % 7 == 6;
    e.truncated = (t + stream) % 5 == 4;
    return e;
}

static struct kit_replay *open_memory(uint64_t capacity, int32_t prioritized)
{
    const struct kit_replay_args args = {.capacity = capacity,
                                         .n_streams = STREAMS,
                                         .obs_dim = DIM,
                                         .act_bytes = 4,
                                         .seed = 9,
                                         .prioritized = prioritized,
                                         .alpha = 0.6};
    struct kit_replay *r;

    assert_int_equal(kit_replay_open(&args, &r), LATHE_OK);
    return r;
}

static void push(struct kit_replay *r, uint32_t k)
{
    const struct event e = event(k);
    struct kit_replay_slot slot;

    kit_replay_slot(r, &slot);
    memcpy(slot.obs, e.obs, sizeof e.obs);
    memcpy(slot.next_obs, e.next, sizeof e.next);
    memcpy(slot.act, &e.act, sizeof e.act);
    kit_replay_commit(r, k % STREAMS, e.reward, e.terminated, e.truncated);
}

/* The row at a ring position after n pushes. */
static uint32_t number_at(uint32_t position, uint32_t n, uint32_t capacity)
{
    const uint32_t turn = (n - 1 - position) / capacity;

    return position + turn * capacity;
}

static void check_row(const struct kit_replay_batch *b, uint32_t i, uint32_t n, uint32_t capacity,
                      uint32_t n_step)
{
    uint32_t k = number_at(b->index[i], n, capacity), steps;
    const struct event first = event(k);
    struct event last = first;
    double sum = (double)first.reward, factor = GAMMA;
    int32_t act;

    for (steps = 1; steps < n_step && !last.terminated && !last.truncated; steps++) {
        if (k + STREAMS >= n)
            break;
        k += STREAMS;
        last = event(k);
        sum += factor * (double)last.reward;
        factor *= GAMMA;
    }
    memcpy(&act, (const char *)b->act + (size_t)i * 4, 4);
    assert_int_equal(act, first.act);
    assert_memory_equal(b->obs + (size_t)i * DIM, first.obs, sizeof first.obs);
    assert_memory_equal(b->next_obs + (size_t)i * DIM, last.next, sizeof last.next);
    assert_true(fabs((double)b->reward[i] - sum) < 1e-5);
    assert_true(fabs((double)b->discount[i] - (last.terminated ? 0 : factor)) < 1e-6);
}

static void rows_and_returns_equal_a_plain_list(void **state)
{
    static const uint32_t capacities[] = {7, 16, 1000};
    uint32_t c, n_step, k, i;

    (void)state;
    for (c = 0; c < 3; c++)
        for (n_step = 1; n_step <= 5; n_step += 2) {
            struct kit_replay *r = open_memory(capacities[c], 0);
            struct kit_replay_batch b;
            assert_int_equal(kit_replay_batch_open(r, 50, &b), LATHE_OK);
            for (k = 0; k < STEPS * STREAMS; k++) {
                push(r, k);
                kit_replay_sample(r, &b, 50, k, 0);
                assert_int_equal(b.n, 50);
                kit_replay_gather(r, &b, n_step, GAMMA);
                for (i = 0; i < b.n; i++)
                    check_row(&b, i, k + 1, capacities[c], n_step);
            }
            assert_int_equal(kit_replay_pushed(r), STEPS * STREAMS);
            kit_replay_batch_close(&b);
            kit_replay_close(r);
        }
}

static void a_stream_that_pauses_links_to_no_overwritten_row(void **state)
{
    struct kit_replay *r = open_memory(4, 0);
    struct kit_replay_batch b;
    uint32_t k, i;

    (void)state;
    assert_int_equal(kit_replay_batch_open(r, 64, &b), LATHE_OK);
    push(r, 0); /* stream 0 */
    for (k = 0; k < 6; k++)
        push(r, 1 + (k % 2)); /* streams 1 and 2 fill the ring twice over */
    push(r, 3);               /* stream 0 again: its earlier row is gone */
    kit_replay_sample(r, &b, 64, 1, 0);
    kit_replay_gather(r, &b, 2, GAMMA);
    for (i = 0; i < b.n; i++) {
        int32_t act;
        memcpy(&act, (const char *)b.act + (size_t)i * 4, 4);
        if (act != 3) /* rows of streams 1 and 2 must not run into stream 0 */
            assert_true(b.next_obs[(size_t)i * DIM] >= 100.0f);
    }
    kit_replay_batch_close(&b);
    kit_replay_close(r);
}

static void uniform_draws_are_uniform(void **state)
{
    struct kit_replay *r = open_memory(10, 0);
    struct kit_replay_batch b;
    double chi = 0;
    uint32_t count[10] = {0}, k, i;

    (void)state;
    assert_int_equal(kit_replay_batch_open(r, 100, &b), LATHE_OK);
    for (k = 0; k < 25; k++)
        push(r, k);
    for (k = 0; k < 1000; k++) {
        kit_replay_sample(r, &b, 100, k, 0);
        for (i = 0; i < 100; i++)
            count[b.index[i]]++;
    }
    for (i = 0; i < 10; i++)
        chi += ((double)count[i] - 1e4) * ((double)count[i] - 1e4) / 1e4;
    assert_true(chi < 27.9); /* 9 degrees of freedom, p = 0.001 */
    kit_replay_batch_close(&b);
    kit_replay_close(r);
}

static void priorities_steer_draws_and_weights(void **state)
{
    struct kit_replay *r = open_memory(8, 1);
    struct kit_replay_batch b;
    float error[8];
    double p[8], total = 0;
    uint32_t count[8] = {0}, k, i;

    (void)state;
    assert_int_equal(kit_replay_batch_open(r, 64, &b), LATHE_OK);
    for (k = 0; k < 8; k++)
        push(r, k);
    b.n = 8;
    for (i = 0; i < 8; i++) {
        b.index[i] = i;
        error[i] = i % 2 ? -0.1f * (float)(i + 1) : 0.1f * (float)(i + 1);
        p[i] = pow(fabs((double)error[i]) + 1e-6, 0.6);
        total += p[i];
    }
    kit_replay_prioritize(r, &b, error);
    for (k = 0; k < 2000; k++) {
        kit_replay_sample(r, &b, 64, k, 0.5);
        for (i = 0; i < 64; i++) {
            const double w = pow(8 * p[b.index[i]] / total, -0.5) / pow(8 * p[0] / total, -0.5);
            count[b.index[i]]++;
            if (b.index[0] == 0) /* the rarest row is in the batch, so it has the largest weight */
                assert_true(fabs((double)b.weight[i] - w) < 1e-5);
        }
    }
    for (i = 0; i < 8; i++)
        assert_true(fabs(count[i] / 128000.0 - p[i] / total) < 0.005);
    kit_replay_batch_close(&b);
    kit_replay_close(r);
}

static void a_sum_tree_finds_the_leaf_of_every_target(void **state)
{
    struct kit_sum_tree t;
    const double leaf[5] = {1, 0, 2, 0, 4};

    (void)state;
    assert_int_equal(kit_sum_tree_open(&t, 5), LATHE_OK);
    for (uint32_t i = 0; i < 5; i++)
        kit_sum_tree_set(&t, i, leaf[i]);
    assert_true(kit_sum_tree_total(&t) == 7.0);
    assert_int_equal(kit_sum_tree_find(&t, 0), 0);
    assert_int_equal(kit_sum_tree_find(&t, 0.999), 0);
    assert_int_equal(kit_sum_tree_find(&t, 1), 2);
    assert_int_equal(kit_sum_tree_find(&t, 2.999), 2);
    assert_int_equal(kit_sum_tree_find(&t, 3), 4);
    assert_int_equal(kit_sum_tree_find(&t, 7.5), 4); /* rounding beyond the end */
    kit_sum_tree_set(&t, 4, 0);
    assert_int_equal(kit_sum_tree_find(&t, 3.5), 2);
    kit_sum_tree_close(&t);
}

static void a_loaded_memory_continues_exactly(void **state)
{
    uint32_t prioritized, fill, k;

    (void)state;
    for (prioritized = 0; prioritized < 2; prioritized++)
        for (fill = 5; fill < 45; fill += 13) {
            struct kit_replay *a = open_memory(16, (int32_t)prioritized);
            struct kit_replay *b = open_memory(16, (int32_t)prioritized);
            struct kit_replay_batch x, y;
            struct rl_store half, ends[2];
            const float error[4] = {2, 0.1f, 0.3f, 5};
            assert_int_equal(kit_replay_batch_open(a, 4, &x), LATHE_OK);
            assert_int_equal(kit_replay_batch_open(b, 4, &y), LATHE_OK);
            for (k = 0; k < fill; k++)
                push(a, k);
            kit_replay_sample(a, &x, 4, 0, 0.4);
            kit_replay_prioritize(a, &x, error);
            rl_store_init(&half);
            assert_int_equal(kit_replay_save(a, &half.writer), LATHE_OK);
            assert_int_equal(kit_replay_load(b, &half.reader), LATHE_OK);
            for (; k < fill + 20; k++) {
                push(a, k);
                push(b, k);
                kit_replay_sample(a, &x, 4, k, 0.4);
                kit_replay_sample(b, &y, 4, k, 0.4);
                kit_replay_gather(a, &x, 3, GAMMA);
                kit_replay_gather(b, &y, 3, GAMMA);
                assert_memory_equal(x.index, y.index, 4 * sizeof *x.index);
                assert_memory_equal(x.weight, y.weight, 4 * sizeof *x.weight);
                assert_memory_equal(x.reward, y.reward, 4 * sizeof *x.reward);
                assert_memory_equal(x.next_obs, y.next_obs, 4 * DIM * sizeof(float));
                kit_replay_prioritize(a, &x, error);
                kit_replay_prioritize(b, &y, error);
            }
            rl_store_init(&ends[0]);
            rl_store_init(&ends[1]);
            assert_int_equal(kit_replay_save(a, &ends[0].writer), LATHE_OK);
            assert_int_equal(kit_replay_save(b, &ends[1].writer), LATHE_OK);
            assert_true(rl_store_equal(&ends[0], &ends[1]));
            rl_store_fini(&half);
            rl_store_fini(&ends[0]);
            rl_store_fini(&ends[1]);
            kit_replay_batch_close(&x);
            kit_replay_batch_close(&y);
            kit_replay_close(a);
            kit_replay_close(b);
        }
}

static void a_memory_of_another_shape_is_refused(void **state)
{
    struct kit_replay *a = open_memory(16, 0), *b = open_memory(17, 0);
    struct kit_replay_args args = {.capacity = 1u << 20,
                                   .n_streams = 1,
                                   .obs_dim = 8,
                                   .act_bytes = 4,
                                   .max_memory_bytes = 1u << 20};
    struct kit_replay *none = NULL;
    struct rl_store s;
    uint32_t k, n;

    (void)state;
    for (k = 0; k < 20; k++)
        push(a, k);
    rl_store_init(&s);
    assert_int_equal(kit_replay_save(a, &s.writer), LATHE_OK);
    assert_int_equal(kit_replay_load(b, &s.reader), LATHE_E_CORRUPT);
    assert_int_equal(kit_replay_size(b), 0);
    for (n = 0; n < s.n; n++)
        if (strcmp(s.list[n].name, "replay/rows") == 0)
            memset((char *)s.list[n].data + 2 * DIM * 4 + 4, 0x55, 4); /* a link out of range */
    assert_int_equal(kit_replay_load(a, &s.reader), LATHE_E_CORRUPT);
    assert_int_equal(kit_replay_open(&args, &none), LATHE_E_LIMIT);
    args.max_memory_bytes = kit_replay_bytes(&args);
    assert_int_equal(kit_replay_open(&args, &none), LATHE_OK);
    kit_replay_close(none);
    args.capacity = 0;
    assert_int_equal(kit_replay_open(&args, &none), LATHE_E_INVALID);
    rl_store_fini(&s);
    kit_replay_close(a);
    kit_replay_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_returns_equal_a_plain_list),
        cmocka_unit_test(a_stream_that_pauses_links_to_no_overwritten_row),
        cmocka_unit_test(uniform_draws_are_uniform),
        cmocka_unit_test(priorities_steer_draws_and_weights),
        cmocka_unit_test(a_sum_tree_finds_the_leaf_of_every_target),
        cmocka_unit_test(a_loaded_memory_continues_exactly),
        cmocka_unit_test(a_memory_of_another_shape_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
