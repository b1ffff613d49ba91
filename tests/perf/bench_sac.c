/* Gradient steps of SAC and TD3 as share of the FMA peak measured in the same run. CPU time of the
 * learner is used with one thread, so a busy machine disturbs less. FLOP counts are those of the
 * algorithm: what an engine does beyond them counts as loss. One JSON object per line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lathe/engine.h"
#include "tests/support/rl_harness.h"

#define REPEATS 15
#define WARM 400u
#define STEPS 100u
#define ROUNDS 5u

double bench_peak_portable(float *out, uint64_t turns);
double bench_peak_avx2(float *out, uint64_t turns);
double bench_peak_avx512(float *out, uint64_t turns);

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double peak(void)
{
    float out[16];
    double best = 0;
    int i;

    for (i = 0; i < REPEATS; i++) {
        const double start = seconds(CLOCK_THREAD_CPUTIME_ID);
        double flop;
        memset(out, 0, sizeof out);
        out[0] = 0.999f;
        out[1] = 0.001f;
#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx512f"))
            flop = bench_peak_avx512(out, 400000);
        else if (__builtin_cpu_supports("avx2"))
            flop = bench_peak_avx2(out, 400000);
        else
#endif
            flop = bench_peak_portable(out, 400000);
        flop /= seconds(CLOCK_THREAD_CPUTIME_ID) - start;
        best = flop > best ? flop : best;
    }
    return best;
}

/* Multiply-adds of a net in -> a -> b -> out for one row. */
struct shape {
    double in, a, b, out;
};

static double forward(const struct shape *s)
{
    return s->in * s->a + s->a * s->b + s->b * s->out;
}

/* Gradients of all hidden outputs, without that of the input. */
static double backward_data(const struct shape *s)
{
    return s->a * s->b + s->b * s->out;
}

/* Next actions, target critics; critics; actor and both critics up to the actions. */
static double sac_macs(const struct shape *actor, const struct shape *q)
{
    const double critic = 2 * forward(q) + backward_data(q);

    return forward(actor) + 2 * forward(q) + 2 * critic + 2 * forward(actor) +
           backward_data(actor) + 2 * (forward(q) + backward_data(q) + q->a);
}

static double td3_macs(const struct shape *actor, const struct shape *q)
{
    const double ascent =
        2 * forward(actor) + backward_data(actor) + forward(q) + backward_data(q) + q->a;

    return forward(actor) + 2 * forward(q) + 2 * (2 * forward(q) + backward_data(q)) + ascent / 2;
}

struct bench {
    const char *name, *file, *settings;
    double macs, rows;
};

/* Seconds per environment step with its gradient step: best of ROUNDS. */
static double measure(const struct bench *b, uint32_t threads)
{
    const clockid_t clock = threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
    struct rl_setup s;
    struct rl_run r;
    double best = 1e9;
    uint32_t i;

    memset(&s, 0, sizeof s);
    s.env = rl_component("pendulum", LATHE_KIND_ENV, "Pendulum-v1");
    s.algo = rl_component(b->file, LATHE_KIND_ALGORITHM, b->file);
    s.engine = rl_component("engine_cpu", LATHE_KIND_ENGINE, "cpu");
    if (s.env == NULL || s.algo == NULL || s.engine == NULL)
        return 0;
    s.algo_settings = b->settings;
    s.n_envs = 1;
    s.threads = threads;
    s.seed = 1;
    if (rl_open(&r, &s) == LATHE_OK && rl_steps(&r, WARM) == LATHE_OK)
        for (i = 0; i < ROUNDS; i++) {
            const double start = seconds(clock);
            if (rl_steps(&r, STEPS) == LATHE_OK) {
                const double t = (seconds(clock) - start) / STEPS;
                best = t < best ? t : best;
            }
        }
    rl_close(&r);
    return best;
}

int main(void)
{
    const struct shape actor = {3, 256, 256, 2}, critic = {4, 256, 256, 1};
    const struct shape td3_actor = {3, 400, 300, 1}, td3_critic = {4, 400, 300, 1};
    const double top = peak();
    struct bench list[] = {
        {"sac_256x256_b256", "sac", "learning_starts=256;buffer_size=100000", 0, 256},
        {"td3_400x300_b256", "td3", "learning_starts=256;buffer_size=100000", 0, 256},
    };
    size_t i;

    list[0].macs = sac_macs(&actor, &critic);
    list[1].macs = td3_macs(&td3_actor, &td3_critic);
    printf("{\"bench\":\"fma_peak\",\"gflops\":%.1f}\n", top / 1e9);
    for (i = 0; i < sizeof list / sizeof list[0]; i++) {
        const double flop = 2 * list[i].macs * list[i].rows;
        uint32_t threads;
        for (threads = 1; threads <= 2; threads++) {
            const double t = measure(&list[i], threads);
            printf("{\"bench\":\"%s\",\"threads\":%u,\"mac_per_row\":%.0f,\"mflop\":%.1f,"
                   "\"steps_per_second\":%.1f,\"gflops\":%.1f,\"share_of_peak\":%.3f}\n",
                   list[i].name, threads, list[i].macs, flop / 1e6, 1 / t, flop / t / 1e9,
                   flop / t / top / threads);
            fflush(stdout);
        }
    }
    return 0;
}
