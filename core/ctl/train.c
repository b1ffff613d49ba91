/* Training through a server, and watching a run: progress on a terminal, one line per evaluation
 * elsewhere, JSON lines for programs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/ctl/ctl.h"
#include "core/json/json.h"

#define RECONNECT_MAX 120 /* seconds without a server before a watcher gives up */

/* ---- watching ---- */

struct watch {
    struct ctl *ctl;
    struct ctl_progress progress;
};

static void show_eval(struct watch *w, json_t *eval)
{
    if (w->ctl->json) {
        json_object_del(eval, "returns");
        ctl_print_json(eval);
        return;
    }
    ctl_progress_clear(&w->progress);
    printf("%10lld  return %.2f ± %.2f over %lld episodes%s\n",
           (long long)json_member_int(eval, "current", 0),
           json_member_float(eval, "mean_return", 0), json_member_float(eval, "std_return", 0),
           (long long)json_member_int(eval, "episodes", 0),
           json_member_bool(eval, "final", 0) ? " (final)" : "");
    fflush(stdout);
}

static int on_event(void *user, const char *event, const char *data)
{
    struct watch *w = user;
    json_t *value = NULL;

    if (json_parse_text(data, strlen(data), NULL, &value, NULL) != LATHE_OK)
        value = NULL;
    if (!strcmp(event, "run")) {
        if (json_is_object(json_object_get(value, "progress")) && !w->ctl->json &&
            json_object_size(json_object_get(value, "progress")))
            ctl_progress_show(&w->progress, json_object_get(value, "progress"));
    } else if (!strcmp(event, "progress") && !w->ctl->json) {
        ctl_progress_show(&w->progress, value);
    } else if (!strcmp(event, "eval")) {
        show_eval(w, value);
    }
    json_decref(value);
    return strcmp(event, "done") != 0;
}

/* The closing line of programs: figures of the last evaluation beside those of the run. */
static json_t *summary(const json_t *run)
{
    const json_t *result = json_object_get(run, "result"), *eval = json_object_get(result, "eval");

    return json_pack("{s:s,s:s,s:f,s:f,s:I,s:I,s:f,s:f,s:s,s:s}", "run",
                     json_member_string(run, "id", ""), "outcome",
                     json_member_string(run, "state", ""), "eval_mean_return",
                     json_member_float(eval, "mean_return", 0), "eval_std_return",
                     json_member_float(eval, "std_return", 0), "eval_episodes",
                     (json_int_t)json_member_int(eval, "episodes", 0), "env_steps",
                     (json_int_t)json_member_int(result, "env_steps", 0), "sps",
                     json_member_float(result, "sps", 0), "wall_seconds",
                     json_member_float(run, "active_seconds", 0), "checkpoint_sha256",
                     json_member_string(json_object_get(run, "checkpoint"), "sha256", ""),
                     "model_id", json_member_string(run, "model_id", ""));
}

static int show_end(struct watch *w, const json_t *run)
{
    const json_t *error = json_object_get(run, "error");
    const char *state = json_member_string(run, "state", "");
    int ok = !strcmp(state, "succeeded") || !strcmp(state, "stopped");
    json_t *line;

    ctl_progress_clear(&w->progress);
    if (w->ctl->json) {
        line = summary(run);
        if (line && !ok)
            json_object_set_new(line, "error", json_deep_copy(error));
        ctl_print_json(line);
        json_decref(line);
        return ok ? CTL_OK : CTL_FAILED;
    }
    printf("%s %s after %.1f s", json_member_string(run, "id", ""), state,
           json_member_float(run, "active_seconds", 0));
    if (json_member_string(run, "model_id", "")[0])
        printf(", model %s", json_member_string(run, "model_id", ""));
    printf("\n");
    if (!ok)
        ctl_error("%s", json_member_string(error, "message", state));
    return ok ? CTL_OK : CTL_FAILED;
}

static int is_final(const json_t *run)
{
    static const char *const finals[] = {"succeeded", "stopped", "failed", "cancelled", "crashed"};
    size_t i;

    for (i = 0; i < sizeof finals / sizeof finals[0]; i++)
        if (!strcmp(json_member_string(run, "state", ""), finals[i]))
            return 1;
    return 0;
}

int ctl_watch_run(struct ctl *ctl, const char *id)
{
    struct watch w = {.ctl = ctl};
    char safe[256], path[320], events[340];
    json_t *run = NULL;
    long long seq = 0;
    int status, waited = 0;

    ctl_progress_init(&w.progress, ctl->is_terminal);
    ctl_escape(id, safe, sizeof safe);
    snprintf(path, sizeof path, "/lathe/v1/runs/%s", safe);
    snprintf(events, sizeof events, "%s/events", path);
    if ((status = ctl_call(ctl, "GET", path, NULL, &run)) != CTL_OK) {
        json_decref(run);
        return status;
    }
    while (!is_final(run)) {
        if (!ctl_stream(ctl, events, &seq, on_event, &w) && waited++ >= RECONNECT_MAX)
            break;
        json_decref(run);
        run = NULL;
        if (ctl_call(ctl, "GET", path, NULL, &run) != CTL_OK || !is_final(run))
            sleep(1); /* the server restarts, or the last record is on its way */
        else
            waited = 0;
    }
    status = is_final(run) ? show_end(&w, run) : CTL_FAILED;
    json_decref(run);
    return status;
}

int ctl_watch(struct ctl *ctl)
{
    return ctl_watch_run(ctl, ctl->arg[0]);
}

/* ---- starting ---- */

/* The record of a component with its option table; NULL after an error was printed. */
static json_t *component(struct ctl *ctl, const char *what, const char *name)
{
    char safe[256], path[320];
    json_t *reply = NULL;

    ctl_escape(name, safe, sizeof safe);
    snprintf(path, sizeof path, "/lathe/v1/%s/%s", what, safe);
    if (ctl_call(ctl, "GET", path, NULL, &reply) == CTL_OK)
        return reply;
    json_decref(reply);
    return NULL;
}

static int start(struct ctl *ctl, const json_t *body)
{
    json_t *run = NULL;
    int status = ctl_call(ctl, "POST", "/lathe/v1/runs", body, &run);

    if (status == CTL_OK && ctl_value(ctl, "detach", NULL)) {
        if (ctl->json)
            ctl_print_json(run);
        else
            puts(json_member_string(run, "id", ""));
    } else if (status == CTL_OK) {
        if (!ctl->json)
            printf("%s started, seed %lld\n", json_member_string(run, "id", ""),
                   (long long)json_member_int(run, "seed", 0));
        status = ctl_watch_run(ctl, json_member_string(run, "id", ""));
    }
    json_decref(run);
    return status;
}

int ctl_train(struct ctl *ctl)
{
    json_t *env, *algorithm, *body = NULL;
    int status = CTL_FAILED;

    if (!ctl_value(ctl, "env", NULL) || !ctl_value(ctl, "algo", NULL)) {
        ctl_error("--env and --algo are needed; lathectl envs and lathectl algos list them");
        return CTL_USAGE;
    }
    if (ctl_value(ctl, "local", NULL))
        return ctl_local(ctl);
    if (!(env = component(ctl, "environments", ctl_value(ctl, "env", ""))))
        return CTL_FAILED;
    if ((algorithm = component(ctl, "algorithms", ctl_value(ctl, "algo", ""))) != NULL) {
        body = ctl_run_body(ctl, json_object_get(algorithm, "options"),
                            json_object_get(env, "options"));
        status = body ? start(ctl, body) : CTL_USAGE;
    }
    json_decref(body);
    json_decref(algorithm);
    json_decref(env);
    return status;
}
