/* Final returns over training seeds: trains an algorithm on an environment once per seed and plays
 * the greedy policy on start seeds 10000 .. 10099. One JSON object per line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/rl_harness.h"

#define EPISODES 100u
#define FIRST_START 10000u

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s ENV_FILE ENV_ID ALGO_FILE ALGO SETTINGS N_ENVS STEPS FIRST_SEED N_SEEDS\n"
            "SETTINGS: name=value;name=value...\n",
            program);
    return 2;
}

int main(int argc, char **argv)
{
    struct rl_setup s;
    struct rl_run r;
    uint64_t first, n;

    if (argc != 10)
        return usage(argv[0]);
    memset(&s, 0, sizeof s);
    s.env = rl_component(argv[1], LATHE_KIND_ENV, argv[2]);
    s.algo = rl_component(argv[3], LATHE_KIND_ALGORITHM, argv[4]);
    s.engine = rl_component("engine_cpu", LATHE_KIND_ENGINE, "cpu");
    if (s.env == NULL || s.algo == NULL || s.engine == NULL)
        return 1;
    s.algo_settings = argv[5];
    s.n_envs = (uint32_t)strtoul(argv[6], NULL, 10);
    s.total_steps = strtoull(argv[7], NULL, 10);
    s.threads = 1;
    first = strtoull(argv[8], NULL, 10);
    n = strtoull(argv[9], NULL, 10);
    if (s.n_envs == 0)
        return usage(argv[0]);
    for (s.seed = first; s.seed < first + n; s.seed++) {
        const double start = cpu_seconds();
        int32_t st = rl_open(&r, &s);
        if (st == LATHE_OK)
            st = rl_steps(&r, s.total_steps / s.n_envs);
        if (st == LATHE_OK)
            printf("{\"env\":\"%s\",\"algorithm\":\"%s\",\"seed\":%u,\"return\":%.2f,"
                   "\"cpu_seconds\":%.1f}\n",
                   argv[2], argv[4], (unsigned)s.seed, rl_evaluate(&r, EPISODES, FIRST_START, NULL),
                   cpu_seconds() - start);
        else
            fprintf(stderr, "%s\n", r.err.text);
        fflush(stdout);
        rl_close(&r);
        if (st != LATHE_OK)
            return 1;
    }
    return 0;
}
