/* What operators see: series for GET /metrics, and one log line for every change of state. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "plugins/api/agentgym/gym.h"

static const char *const states[GYM_STATES] = {"pending",  "running",   "pausing", "paused",
                                               "stopping", "completed", "stopped", "failed"};

static int32_t count_job(void *user, const struct lathe_job_info *job)
{
    double *by_state = user;
    const char *state = session_state(job);
    int i;

    for (i = 0; i < GYM_STATES; i++)
        by_state[i] += !strcmp(states[i], state);
    return 0;
}

static int32_t count_model(void *user, const struct lathe_model_info *model)
{
    (void)model;
    ++*(double *)user;
    return 0;
}

/* Before the series are read: gauges that are counted, not kept. */
static void collect(void *user)
{
    struct gym *gym = user;
    const struct lathe_counters_service *c = gym->kit.counters;
    double by_state[GYM_STATES] = {0}, models = 0;
    int i;

    gym->kit.jobs->list(gym->kit.jobs, GYM_OWNER, count_job, by_state);
    gym->kit.models->list(gym->kit.models, GYM_OWNER, count_model, &models);
    for (i = 0; i < GYM_STATES; i++)
        c->set(c, gym->counts.sessions[i], by_state[i]);
    c->set(c, gym->counts.models, models);
    c->set(c, gym->counts.sockets, gym->n_sockets);
    c->set(c, gym->counts.envs, gym->n_envs);
}

void counts_open(struct gym *gym)
{
    const struct lathe_counters_service *c = gym->kit.counters;
    const char *labels[] = {"state", NULL, NULL};
    int i;

    if (!c)
        return;
    for (i = 0; i < GYM_STATES; i++) {
        labels[1] = states[i];
        gym->counts.sessions[i] = c->get(c, LATHE_COUNTER_GAUGE, "agentgym_sessions",
                                         "Training sessions by state.", labels);
    }
    gym->counts.models =
        c->get(c, LATHE_COUNTER_GAUGE, "agentgym_models", "Models in the store.", NULL);
    gym->counts.sockets =
        c->get(c, LATHE_COUNTER_GAUGE, "agentgym_ws_clients", "Open WebSockets on sessions.", NULL);
    gym->counts.envs = c->get(c, LATHE_COUNTER_GAUGE, "agentgym_environments",
                              "Open interactive environments.", NULL);
    gym->counts.accuracy = c->get(c, LATHE_COUNTER_GAUGE, "agentgym_eval_accuracy_percent",
                                  "Accuracy of the latest evaluation of any session.", NULL);
    gym->counts.env_steps = c->get(c, LATHE_COUNTER_TOTAL, "agentgym_env_steps_total",
                                   "Environment steps of training since the server started.", NULL);
    c->collect(c, collect, gym);
}

void counts_close(struct gym *gym)
{
    if (gym->kit.counters)
        gym->kit.counters->collect(gym->kit.counters, NULL, NULL);
}

void counts_progress(struct gym *gym, struct session *s, const struct lathe_job_info *job)
{
    const struct lathe_counters_service *c = gym->kit.counters;
    struct lathe_json *progress = c ? api_parse(&gym->kit, job->progress) : NULL;
    double steps = gym->kit.json->get_float(progress, "env_steps", s->env_steps);

    if (c && steps > s->env_steps)
        c->add(c, gym->counts.env_steps, steps - s->env_steps);
    s->env_steps = steps; /* falls when a run goes back to its checkpoint */
    gym->kit.json->release(progress);
}

void counts_accuracy(struct gym *gym, double percent)
{
    if (gym->kit.counters)
        gym->kit.counters->set(gym->kit.counters, gym->counts.accuracy, percent);
}

void gym_audit(struct gym *gym, struct lathe_request *req, const char *what, const char *id)
{
    const struct lathe_identity *who = gym->kit.http->identity(req);

    LATHE_LOG(gym->kit.host, LATHE_LOG_INFO, "audit", LATHE_F_STR("what", what),
              LATHE_F_STR("id", id), LATHE_F_STR("who", who->subject),
              LATHE_F_STR("role", who->role),
              LATHE_F_STR("client", gym->kit.http->client_address(req)),
              LATHE_F_STR("request", gym->kit.http->request_id(req)));
}
