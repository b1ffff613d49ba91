/* Kernels of engine/cpu as share of the FMA peak measured in the same run, and PPO steps per
 * second. CPU time of this process is used, so a busy machine disturbs less. One JSON object per
 * line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lathe/engine.h"
#include "plugins/engine/cpu/kernels.h"
#include "tests/support/rl_harness.h"

#define REPEATS 15

double bench_peak_portable(float *out, uint64_t turns);
double bench_peak_avx2(float *out, uint64_t turns);
double bench_peak_avx512(float *out, uint64_t turns);

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double peak(uint32_t isa)
{
    float out[16] = {0.999f, 0.001f};
    double best = 0;
    int i;

    for (i = 0; i < REPEATS; i++) {
        const double start = cpu_seconds();
        double flop;
        out[0] = 0.999f;
        out[1] = 0.001f;
#if defined(__x86_64__)
        if (isa == LATHE_ISA_AVX512)
            flop = bench_peak_avx512(out, 400000);
        else if (isa == LATHE_ISA_AVX2)
            flop = bench_peak_avx2(out, 400000);
        else
#endif
            flop = bench_peak_portable(out, 400000);
        flop /= cpu_seconds() - start;
        best = flop > best ? flop : best;
    }
    return best / 1e9;
}

struct bench_case {
    const char *name;
    struct gemm_panel p;
};

static void kernels(uint32_t isa, double top)
{
    const struct kernels *k = kernels_get(isa);
    float *m = aligned_alloc(64, 3u << 18);
    float *a = m, *b = m + (1u << 16), *c = m + (2u << 16);
    const struct bench_case cases[] = {
        {"forward_64x64_b64", {64, 64, 64, 0, a, 64, 1, b, 64, c, 64, a}},
        {"weight_grad_64x64_b64", {64, 64, 64, 1, a, 1, 64, b, 64, c, 64, NULL}},
        {"forward_4x64_b64", {64, 4, 64, 0, a, 4, 1, b, 64, c, 64, a}},
        {"head_64x16_b64", {64, 64, 16, 0, a, 64, 1, b, 16, c, 16, a}},
        {"forward_256x64_b64", {64, 256, 64, 0, a, 256, 1, b, 64, c, 64, a}},
    };
    size_t i;

    if (m == NULL)
        return;
    for (i = 0; i < 3u << 16; i++)
        m[i] = 0.01f;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double best = 0;
        int r, n;
        for (r = 0; r < REPEATS; r++) {
            const double start = cpu_seconds();
            double rate;
            for (n = 0; n < 500; n++)
                k->gemm(&cases[i].p);
            rate = 500.0 * 2.0 * cases[i].p.m * cases[i].p.k * cases[i].p.width /
                   (cpu_seconds() - start) / 1e9;
            best = rate > best ? rate : best;
            memset(c, 0, 1u << 18);
        }
        printf("{\"bench\":\"%s\",\"isa\":%u,\"gflops\":%.1f,\"share_of_peak\":%.3f}\n",
               cases[i].name, isa, best, best / top);
    }
    free(m);
}

/* flop: arithmetic of one environment step, forward and backward, of both 64x64 nets. */
static void ppo(const char *name, const char *settings, uint32_t n_envs, uint64_t steps,
                double flop, double top)
{
    struct rl_setup s;
    struct rl_run r;
    double start, seconds;

    memset(&s, 0, sizeof s);
    s.env = rl_component("cartpole", LATHE_KIND_ENV, "CartPole-v1");
    s.algo = rl_component("ppo", LATHE_KIND_ALGORITHM, "ppo");
    s.engine = rl_component("engine_cpu", LATHE_KIND_ENGINE, "cpu");
    if (s.env == NULL || s.algo == NULL || s.engine == NULL)
        return;
    s.algo_settings = settings;
    s.n_envs = n_envs;
    s.threads = 1;
    s.seed = 1;
    s.total_steps = steps;
    if (rl_open(&r, &s) == LATHE_OK) {
        start = cpu_seconds();
        if (rl_steps(&r, steps / n_envs) == LATHE_OK) {
            seconds = cpu_seconds() - start;
            printf("{\"bench\":\"%s\",\"sps\":%.0f,\"share_of_peak\":%.3f}\n", name,
                   (double)steps / seconds, (double)steps / seconds * flop / 1e9 / top);
        }
    }
    rl_close(&r);
}

int main(void)
{
    const uint32_t isa = kernels_get(LATHE_ISA_AUTO)->isa;
    const double top = peak(isa);

    printf("{\"bench\":\"fma_peak\",\"isa\":%u,\"gflops\":%.1f}\n", isa, top);
    kernels(isa, top);
    ppo("ppo_cleanrl_cartpole", "profile=cleanrl", 4, 499712, 17792 + 4 * 52352.0, top);
    ppo("ppo_zoo_cartpole",
        "n_steps=32;batch_size=256;gae_lambda=0.8;gamma=0.98;n_epochs=20;learning_rate=1e-3;"
        "lr_schedule=linear;clip_schedule=linear",
        8, 99840, 17792 + 20 * 52352.0, top);
    return 0;
}
