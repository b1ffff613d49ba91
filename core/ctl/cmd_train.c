/* Training through a server, and watching a run: progress on a terminal, one line per evaluation
 * elsewhere, JSON lines for programs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/ctl/ctl.h"
#include "core/ctl/show.h"
#include "core/json/json.h"

#define RECONNECT_MAX 120 /* tries without a server before a watcher gives up */
#define RECONNECT_MS 1000
#define SETTLE_MS 100

/* ---- events ---- */

static int on_event(void *user, const char *event, const char *data)
{
    struct show *show = user;
    json_t *value = NULL;

    if (json_parse_text(data, strlen(data), NULL, &value, NULL) != LATHE_OK)
        return 1;
    if (!strcmp(event, "run"))
        show_progress(show, json_object_get(value, "progress"));
    else if (!strcmp(event, "progress"))
        show_progress(show, value);
    else if (!strcmp(event, "eval"))
        show_eval(show, value);
    json_decref(value);
    return strcmp(event, "done") != 0;
}

/* ---- the end ---- */

static json_t *copy_or_null(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);

    return value ? json_incref(value) : json_null();
}

/* Hash of the policy that the run left, "" without one; equal for equal runs, here and with
 * --local.
 */
static void put_policy_hash(struct ctl *ctl, const json_t *run, json_t *line)
{
    const char *id = json_member_string(run, "model_id", "");
    json_t *model = NULL;
    char path[400];

    ctl_path("models", id, NULL, path);
    ctl->is_quiet = 1;
    if (!id[0] || ctl_call(ctl, "GET", path, NULL, &model) != CTL_OK)
        model = NULL;
    ctl->is_quiet = 0;
    json_object_set_new(line, "policy_sha256",
                        json_string(json_member_string(model, "sha256", "")));
    json_decref(model);
}

/* The closing line of programs: figures of the last evaluation beside those of the run.
 * checkpoint_sha256 is that of the weights, as without a server: equal for equal runs. */
static json_t *summary(const json_t *run, int is_ok)
{
    const json_t *result = json_object_get(run, "result");
    const json_t *eval = json_object_get(result, "eval");
    json_t *line = json_pack(
        "{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "run", copy_or_null(run, "id"), "outcome",
        copy_or_null(run, "state"), "eval_mean_return", copy_or_null(eval, "mean_return"),
        "eval_std_return", copy_or_null(eval, "std_return"), "eval_episodes",
        copy_or_null(eval, "episodes"), "env_steps", copy_or_null(result, "env_steps"), "sps",
        copy_or_null(result, "sps"), "wall_seconds", copy_or_null(run, "active_seconds"),
        "checkpoint_sha256", copy_or_null(json_object_get(run, "checkpoint"), "weights_sha256"),
        "model_id", copy_or_null(run, "model_id"), "seed", copy_or_null(run, "seed"));

    if (line && !is_ok)
        json_object_set_new(line, "error", copy_or_null(run, "error"));
    return line;
}

static int show_end(struct ctl *ctl, struct show *show, const json_t *run)
{
    const json_t *error = json_object_get(run, "error");
    const char *state = json_member_string(run, "state", "");
    const char *model = json_member_string(run, "model_id", "");
    int is_ok = !strcmp(state, "succeeded") || !strcmp(state, "stopped");
    char took[32];
    json_t *line;

    show_clear(show);
    if (ctl->json) {
        line = summary(run, is_ok);
        put_policy_hash(ctl, run, line);
        ctl_print_json(line);
        json_decref(line);
    } else {
        render_duration(json_member_float(run, "active_seconds", 0), took);
        printf("%s %s after %s%s%s\n", json_member_string(run, "id", ""), state, took,
               model[0] ? ", model " : "", model);
        if (model[0])
            printf("export it: lathectl export %s\n", model);
    }
    if (!is_ok)
        ctl_error("%s", json_member_string(error, "message", state));
    return is_ok ? CTL_OK : CTL_FAILED;
}

static int show_detached(struct show *show, const char *id)
{
    json_t *line;

    show_clear(show);
    if (show->ctl->json) {
        line = json_pack("{s:s,s:s}", "run", id, "outcome", "detached");
        ctl_print_json(line);
        json_decref(line);
        return CTL_OK;
    }
    printf("\n%s goes on. Watch it: lathectl watch %s   Stop it: lathectl stop %s\n", id, id, id);
    return CTL_OK;
}

/* ---- watching ---- */

static int is_final(const json_t *run)
{
    static const char *const finals[] = {"succeeded", "stopped", "failed", "cancelled", "crashed"};
    size_t i;

    for (i = 0; i < sizeof finals / sizeof finals[0]; i++)
        if (!strcmp(json_member_string(run, "state", ""), finals[i]))
            return 1;
    return 0;
}

/* Follows events until the run is final. *run: its record, new reference. Returns how it ended. */
static int follow(struct ctl *ctl, struct show *show, const char *id, int64_t seq, json_t **run)
{
    int result = CTL_STREAM_ENDED, n_broken = 0;
    char path[400], events[400];

    ctl_path("runs", id, NULL, path);
    ctl_path("runs", id, "events", events);
    ctl->is_quiet = 1; /* the server may be restarting */
    while (n_broken < RECONNECT_MAX) {
        result = ctl_stream(ctl, events, &seq, on_event, show);
        if (result == CTL_STREAM_INTERRUPTED)
            break;
        json_decref(*run);
        *run = NULL;
        if (ctl_call(ctl, "GET", path, NULL, run) == CTL_OK && is_final(*run))
            break;
        n_broken = *run && result == CTL_STREAM_ENDED ? 0 : n_broken + 1;
        if (ctl_interrupt_wait(ctl, *run ? SETTLE_MS : RECONNECT_MS)) {
            result = CTL_STREAM_INTERRUPTED;
            break;
        }
    }
    ctl->is_quiet = 0;
    return result;
}

int ctl_watch_run(struct ctl *ctl, const char *id, int64_t seq)
{
    struct show show;
    json_t *run = NULL;
    char path[400];
    int status, result = CTL_STREAM_ENDED;

    ctl_path("runs", id, NULL, path);
    if ((status = ctl_call(ctl, "GET", path, NULL, &run)) != CTL_OK)
        return status;
    show_init(&show, ctl);
    ctl_interrupts_begin(ctl);
    if (!is_final(run) || seq >= 0)
        result = follow(ctl, &show, id, seq, &run);
    ctl_interrupts_end(ctl);
    if (result == CTL_STREAM_INTERRUPTED)
        status = show_detached(&show, id);
    else if (is_final(run))
        status = show_end(ctl, &show, run);
    else
        status = ctl_fail(ctl, "unreachable", "%s does not answer any more; %s may still run",
                          ctl->server, id);
    json_decref(run);
    return status;
}

int ctl_watch(struct ctl *ctl)
{
    return ctl_watch_run(ctl, ctl->arg[0], -1);
}

/* ---- starting ---- */

static int start(struct ctl *ctl, const json_t *body)
{
    json_t *run = NULL;
    int status = ctl_call(ctl, "POST", "/lathe/v1/runs", body, &run);
    const char *id = json_member_string(run, "id", "");

    if (status == CTL_OK && ctl_has(ctl, "detach")) {
        if (ctl->json)
            ctl_print_json(run);
        else
            puts(id);
    } else if (status == CTL_OK) {
        if (!ctl->json)
            printf("%s started, seed %lld\n", id, (long long)json_member_int(run, "seed", 0));
        fflush(stdout);
        status = ctl_watch_run(ctl, id, json_member_int(run, "seq", 0));
    }
    json_decref(run);
    return status;
}

int ctl_train(struct ctl *ctl)
{
    json_t *env, *algorithm, *body = NULL;
    int status = CTL_FAILED;

    if (!ctl_has(ctl, "env") || !ctl_has(ctl, "algo")) {
        ctl_error("--env and --algo are needed; lathectl envs and lathectl algos list them");
        return CTL_USAGE;
    }
    if (ctl_has(ctl, "local"))
        return ctl_local(ctl);
    if (!(env = ctl_component(ctl, "environments", ctl_value(ctl, "env", ""))))
        return CTL_FAILED;
    if ((algorithm = ctl_component(ctl, "algorithms", ctl_value(ctl, "algo", ""))) != NULL) {
        body = ctl_run_body(ctl, json_object_get(algorithm, "options"),
                            json_object_get(env, "options"));
        status = body ? start(ctl, body) : CTL_USAGE;
    }
    json_decref(body);
    json_decref(algorithm);
    json_decref(env);
    return status;
}
