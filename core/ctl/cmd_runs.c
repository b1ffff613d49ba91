/* Runs: listed, shown, changed, deleted. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/ctl/ctl.h"
#include "core/json/json.h"

static void run_row(struct ctl_table *table, const json_t *run)
{
    char progress[64], value[32] = "";
    const json_t *eval = json_object_get(run, "eval");
    const char *cells[] = {json_member_string(run, "id", ""),
                           json_member_string(run, "state", ""),
                           json_member_string(run, "env", ""),
                           json_member_string(run, "algorithm", ""),
                           progress,
                           value,
                           json_member_string(run, "model_id", ""),
                           json_member_string(run, "created_at", "")};

    snprintf(progress, sizeof progress, "%lld/%lld", (long long)json_member_int(run, "current", 0),
             (long long)json_member_int(run, "total", 0));
    if (json_is_object(eval))
        snprintf(value, sizeof value, "%.2f", json_member_float(eval, "mean_return", 0));
    ctl_table_row(table, 8, cells);
}

int ctl_list(struct ctl *ctl)
{
    static const char *const heading[] = {"RUN",      "STATE",  "ENVIRONMENT", "ALGORITHM",
                                          "PROGRESS", "RETURN", "MODEL",       "CREATED"};
    struct ctl_table table = {0};
    char path[400], state[200];
    json_t *reply, *run;
    int64_t limit;
    int status;
    size_t i;

    if (!ctl_int(ctl, "limit", 100, &limit))
        return CTL_USAGE;
    ctl_escape(ctl_value(ctl, "state", ""), state, sizeof state);
    snprintf(path, sizeof path, "/lathe/v1/runs?limit=%lld%s%s", (long long)limit,
             state[0] ? "&state=" : "", state);
    if (!ctl_fetch(ctl, "GET", path, NULL, &reply, &status))
        return status;
    ctl_table_row(&table, 8, heading);
    json_array_foreach(reply, i, run) run_row(&table, run);
    ctl_table_print(&table);
    json_decref(reply);
    return CTL_OK;
}

/* After a refusal: where the names are. */
static int hint(const struct ctl *ctl, int status)
{
    if (status == CTL_FAILED && ctl->http_status == 404)
        ctl_error("lathectl list shows the runs there are");
    return status;
}

int ctl_show(struct ctl *ctl)
{
    char path[400];
    json_t *reply;
    int status;

    ctl_path("runs", ctl->arg[0], NULL, path);
    if (ctl_fetch(ctl, "GET", path, NULL, &reply, &status)) {
        ctl_print_record(reply);
        json_decref(reply);
    }
    return hint(ctl, status);
}

int ctl_change(struct ctl *ctl)
{
    char path[400];
    json_t *reply;
    int status;

    ctl_path("runs", ctl->arg[0], ctl->command->name, path);
    if (ctl_fetch(ctl, "POST", path, NULL, &reply, &status)) {
        printf("%s is %s\n", ctl->arg[0], json_member_string(reply, "state", ""));
        json_decref(reply);
    }
    return hint(ctl, status);
}

int ctl_delete(struct ctl *ctl)
{
    char path[400];
    json_t *reply;
    int status;

    ctl_path("runs", ctl->arg[0], NULL, path);
    if (ctl_fetch(ctl, "DELETE", path, NULL, &reply, &status)) {
        printf("%s is deleted\n", ctl->arg[0]);
        json_decref(reply);
    }
    return hint(ctl, status);
}
