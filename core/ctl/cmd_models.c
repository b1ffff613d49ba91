/* Models: listed, downloaded, asked. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/ctl/ctl.h"
#include "core/json/json.h"

/* ---- models ---- */

static int list_models(struct ctl *ctl)
{
    static const char *const heading[] = {"MODEL", "NAME", "ENVIRONMENT", "ALGORITHM",
                                          "BYTES", "RUN",  "CREATED"};
    struct ctl_table table = {0};
    json_t *reply, *model;
    int status;
    size_t i;

    if (!ctl_fetch(ctl, "GET", "/lathe/v1/models?limit=1000", NULL, &reply, &status))
        return status;
    ctl_table_row(&table, 7, heading);
    json_array_foreach(reply, i, model)
    {
        char size[32];
        const char *cells[] = {json_member_string(model, "id", ""),
                               json_member_string(model, "name", ""),
                               json_member_string(model, "env", ""),
                               json_member_string(model, "algorithm", ""),
                               size,
                               json_member_string(model, "run_id", ""),
                               json_member_string(model, "created_at", "")};

        snprintf(size, sizeof size, "%lld", (long long)json_member_int(model, "size_bytes", 0));
        ctl_table_row(&table, 7, cells);
    }
    ctl_table_print(&table);
    json_decref(reply);
    return CTL_OK;
}

int ctl_models(struct ctl *ctl)
{
    int is_delete = ctl_has(ctl, "delete");
    char path[400];
    json_t *reply;
    int status;

    if (!ctl->n_args && is_delete) {
        ctl_error("usage: lathectl models MODEL --delete");
        return CTL_USAGE;
    }
    if (!ctl->n_args)
        return list_models(ctl);
    ctl_path("models", ctl->arg[0], NULL, path);
    if (ctl_fetch(ctl, is_delete ? "DELETE" : "GET", path, NULL, &reply, &status)) {
        if (is_delete)
            printf("%s is deleted\n", ctl->arg[0]);
        else
            ctl_print_record(reply);
        json_decref(reply);
    }
    return status;
}

int ctl_export(struct ctl *ctl)
{
    char path[400], file[300];
    const char *target;
    json_t *line;
    int status;

    snprintf(file, sizeof file, "%.200s.safetensors", ctl->arg[0]);
    target = ctl_value(ctl, "output", file);
    ctl_path("models", ctl->arg[0], "export", path);
    status = ctl_download(ctl, path, target);
    if (status != CTL_OK || !strcmp(target, "-"))
        return status;
    if (!ctl->json) {
        printf("%s\n", target);
        return CTL_OK;
    }
    line = json_pack("{s:s,s:s}", "model", ctl->arg[0], "file", target);
    ctl_print_json(line);
    json_decref(line);
    return CTL_OK;
}

/* ---- act ---- */

/* The observation from the command line or from standard input; NULL after an error was printed. */
static json_t *read_observation(const char *text)
{
    struct strbuf input;
    json_t *value = NULL;
    char block[4096];
    size_t n;

    strbuf_init(&input);
    if (strcmp(text, "-") != 0)
        strbuf_adds(&input, text);
    else
        while ((n = fread(block, 1, sizeof block, stdin)) > 0)
            strbuf_add(&input, block, n);
    if (json_parse_text(input.data, input.len_bytes, NULL, &value, NULL) != LATHE_OK) {
        ctl_error("the observation must be JSON, such as '[0.01, -0.02, 0.03, 0.04]'");
        value = NULL;
    }
    strbuf_fini(&input);
    return value;
}

static void print_action(const json_t *one)
{
    char *action = json_dup_text(json_object_get(one, "action"), 0, NULL);
    char *share = json_dup_text(json_object_get(one, "probabilities"), 0, NULL);

    printf("%s", action ? action : "");
    if (json_object_get(one, "probabilities"))
        printf("  probabilities %s", share ? share : "");
    if (json_is_number(json_object_get(one, "value")))
        printf("  value %.6g", json_member_float(one, "value", 0));
    printf("\n");
    mem_free(action);
    mem_free(share);
}

int ctl_act(struct ctl *ctl)
{
    json_t *observation = read_observation(ctl->arg[1]), *body, *reply;
    const json_t *one;
    char path[400];
    int64_t seed;
    int status;
    size_t i;

    if (!observation || !ctl_int(ctl, "seed", 0, &seed)) {
        json_decref(observation);
        return CTL_USAGE;
    }
    body = json_pack("{s:o,s:s,s:I}", "observation", observation, "mode",
                     ctl_has(ctl, "sample") ? "sample" : "greedy", "seed", (json_int_t)seed);
    ctl_path("models", ctl->arg[0], "act", path);
    if (ctl_fetch(ctl, "POST", path, body, &reply, &status)) {
        json_array_foreach(json_object_get(reply, "actions"), i, one) print_action(one);
        json_decref(reply);
    }
    json_decref(body);
    return status;
}
