/* Steps per second of the environment plugins on one core: bench_env [SECONDS]. Prints one line per
 * component: a batch of 1024 rows, the same with resets of ended rows as in training, one row, and
 * the ratio of the first to the last. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/env/common/testkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct {
    const char *stem, *component;
} targets[] = {{"cartpole", "CartPole-v1"},
               {"mountain_car", "MountainCar-v0"},
               {"mountain_car", "MountainCarContinuous-v0"},
               {"acrobot", "Acrobot-v1"},
               {"pendulum", "Pendulum-v1"},
               {"frozen_lake", "FrozenLake-v1"},
               {"cliff_walking", "CliffWalking-v1"},
               {"taxi", "Taxi-v4"},
               {"blackjack", "Blackjack-v1"},
               {"workflow_mdp", "customer_support"},
               {"workflow_mdp", "data_analysis"}};

static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Actions that vary by row; one set is reused, so that the time is the environment's. */
static void fill_actions(struct testkit *kit)
{
    for (uint32_t i = 0; i < kit->n; i++) {
        if (kit->spec->act->kind == LATHE_SPACE_DISCRETE)
            ((int32_t *)kit->act)[i] = (int32_t)(i * 7u % (uint32_t)kit->spec->act->n);
        else
            ((float *)kit->act)[i] = (float)((int)(i % 9u) - 4) * 0.25f;
    }
}

/* Steps per second over about seconds. resets: ended rows are reset after each step; else all rows
 * every 256 steps, which keeps the states in their usual range and costs next to nothing. */
static double rate(const char *stem, const char *component, uint32_t n, double seconds, int resets)
{
    struct testkit kit;
    uint64_t steps = 0;
    double start, end;

    if (testkit_open(&kit, stem, component, n, NULL, NULL) != LATHE_OK)
        exit(1);
    testkit_reset(&kit, 0);
    fill_actions(&kit);
    start = now_s();
    do {
        if (!resets)
            (void)kit.env->reset(kit.batch, 0, n, NULL, &kit.io);
        for (int k = 0; k < 256; k++) {
            uint32_t n_ended = 0;
            (void)kit.env->step(kit.batch, 0, n, &kit.io);
            for (uint32_t i = 0; resets && i < n; i++)
                n_ended += kit.ended[i] = kit.terminated[i] | kit.truncated[i];
            if (n_ended > 0)
                (void)kit.env->reset(kit.batch, 0, n, kit.ended, &kit.io);
        }
        steps += 256 * (uint64_t)n;
        end = now_s();
    } while (end - start < seconds);
    testkit_close(&kit);
    return (double)steps / (end - start);
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.5;

    printf("%-26s %14s %14s %14s %8s\n", "component", "step 1024", "with resets", "step 1",
           "ratio");
    for (size_t k = 0; k < sizeof targets / sizeof *targets; k++) {
        const double many = rate(targets[k].stem, targets[k].component, 1024, seconds, 0);
        const double kept = rate(targets[k].stem, targets[k].component, 1024, seconds, 1);
        const double one = rate(targets[k].stem, targets[k].component, 1, seconds, 0);
        printf("%-26s %12.2f M %12.2f M %12.2f M %8.1f\n", targets[k].component, many / 1e6,
               kept / 1e6, one / 1e6, many / one);
    }
    return 0;
}
