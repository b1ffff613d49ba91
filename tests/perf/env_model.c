/* Prints the model of a finite environment (lathe.env.model/1) as JSON, for exact values:
 * {"n_states","n_actions","start":[[p,s]...],"cells":[[[p,r,s,terminated]...] state by state]}. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/rl_harness.h"

#define MAX_OUTCOMES 4096u

static void print_cell(void *batch, const struct lathe_env_model *m, uint32_t state,
                       uint32_t action, struct lathe_outcome *out)
{
    const uint32_t n = m->transitions(batch, state, action, out, MAX_OUTCOMES);
    uint32_t k;

    printf("%s[", state + action == 0 ? "" : ",\n");
    for (k = 0; k < n; k++)
        printf("%s[%.17g,%.17g,%u,%u]", k == 0 ? "" : ",", out[k].probability, out[k].reward,
               out[k].next_state, out[k].terminated);
    printf("]");
}

static void print_model(void *batch, const struct lathe_env_model *m, struct lathe_outcome *out)
{
    const uint32_t n = m->start(batch, out, MAX_OUTCOMES);
    uint32_t s, a;

    printf("{\"n_states\":%u,\"n_actions\":%u,\"start\":[", m->n_states, m->n_actions);
    for (s = 0; s < n && n <= MAX_OUTCOMES; s++)
        printf("%s[%.17g,%u]", s == 0 ? "" : ",", out[s].probability, out[s].next_state);
    printf("],\n\"cells\":[");
    for (s = 0; s < m->n_states; s++)
        for (a = 0; a < m->n_actions; a++)
            print_cell(batch, m, s, a, out);
    printf("]}\n");
}

int main(int argc, char **argv)
{
    const struct lathe_component *c;
    const struct lathe_env *env;
    const struct lathe_env_model *model;
    struct lathe_outcome *out = calloc(MAX_OUTCOMES, sizeof *out);
    struct lathe_error err;
    struct rl_params params;
    struct lathe_env_args args = {sizeof args, 1, NULL, &params.api};
    void *batch = NULL;
    int rc = 1;

    if (argc < 3 || out == NULL) {
        fprintf(stderr, "usage: %s ENV_FILE ENV_ID [SETTINGS]\n", argv[0]);
        free(out);
        return 2;
    }
    if ((c = rl_component(argv[1], LATHE_KIND_ENV, argv[2])) == NULL) {
        free(out);
        return 1;
    }
    rl_params_init(&params, c, argc > 3 ? argv[3] : "");
    env = c->vtable;
    if (env->open(&args, &err, &batch) != LATHE_OK) {
        fprintf(stderr, "%s\n", err.text);
    } else if ((model = env->extension(batch, LATHE_ENV_MODEL)) == NULL) {
        fprintf(stderr, "%s has no model\n", argv[2]);
    } else {
        print_model(batch, model, out);
        rc = 0;
    }
    env->close(batch);
    rl_params_fini(&params);
    free(out);
    return rc;
}
