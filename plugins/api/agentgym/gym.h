/* Insides of the AgentGym surface: what is kept in memory, and one section per file of handlers.
 * The surface holds no learning code: training, environments and policies run in workers, and this
 * side maps their reports to the shapes of openapi.json. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLUGINS_API_AGENTGYM_GYM_H
#define PLUGINS_API_AGENTGYM_GYM_H

#include "plugins/api/common/api_kit.h"

#define GYM_OWNER "agentgym"
#define GYM_TOOLS_MAX 16
#define GYM_FACTS_MAX 8
#define GYM_TASKS_MAX 8
#define GYM_BUCKETS 4096
#define GYM_FINAL_TICKETS 1000 /* of the evaluation behind a model */
#define GYM_WISH_MS 2000

struct gym;

/* ---- scenarios.c ---- */

/* What solving a scenario gave. */
struct analysis {
    int known, exact;
    double optimal_return, optimal_success, optimal_reliability, random_return, random_success;
    int64_t states;
};

struct scenario {
    struct scenario *next; /* built-ins first, then by time of creation */
    char id[64], name[128], difficulty[16], sha256[65];
    char *description;
    char *definition; /* canonical JSON: members sorted, no blanks */
    int builtin, n_tools, n_facts, n_tasks, max_steps, observation_dim;
    char tool[GYM_TOOLS_MAX][48], fact[GYM_FACTS_MAX][48], task[GYM_TASKS_MAX][48];
    struct analysis analysis;
    double run_seconds[32]; /* of the latest finished runs of 200 episodes */
    uint32_t n_runs;
    int64_t created_ms;
};

int32_t scenarios_open(struct gym *gym, struct lathe_error *err);
void scenarios_close(struct gym *gym);
struct scenario *scenario_find(struct gym *gym, const char *id);
/* env reference of a job: {"name","options"}; the caller releases. */
struct lathe_json *scenario_env(struct gym *gym, const struct scenario *s, int sparse);
double scenario_score(const struct scenario *s, double mean_return);
/* 1 when every target of the scenario is met by the metrics object. */
int scenario_targets_met(struct gym *gym, const struct scenario *s,
                         const struct lathe_json *metrics);
/* Has the scenario solved when that was not done yet; nobody waits. */
void scenario_want_analysis(struct gym *gym, struct scenario *s);
/* Learns how long a finished run took. */
void scenario_note_run(struct gym *gym, const struct lathe_job_info *job);
void scenario_write(struct gym *gym, struct jw *w, const struct scenario *s, int whole);

int32_t op_list_scenarios(void *self, struct lathe_request *req);
int32_t op_get_scenario(void *self, struct lathe_request *req);
int32_t op_create_scenario(void *self, struct lathe_request *req);
int32_t op_delete_scenario(void *self, struct lathe_request *req);

/* ---- session.c: what is derived from a job, kept until the job changes ---- */

struct eval_point {
    int64_t episode;
    double accuracy, reliability;
};

struct session {
    struct session *next; /* in its bucket */
    char id[64];
    struct lathe_json *extra; /* the start fields, as stored with the job */
    struct eval_point *evals; /* ascending */
    uint32_t n_evals, cap_evals;
    int evals_loaded;
    double best_accuracy;
    int64_t best_episode;
    uint64_t text_seq; /* seq and queue place that text was written for */
    uint32_t text_queue, text_state;
    int text_valid;
    double env_steps; /* of the latest report */
    struct text text; /* the status object */
};

struct session *session_get(struct gym *gym, const struct lathe_job_info *job);
void session_forget(struct gym *gym, const char *id);
void sessions_close(struct gym *gym);
const char *session_state(const struct lathe_job_info *job);
int session_is_final(const struct lathe_job_info *job);
/* The status object as text, valid until the job's next event. */
const struct text *session_status(struct gym *gym, const struct lathe_job_info *job);
/* The scenario's figures inside a worker's evaluation: the environment's report, or its "metrics".
 */
const struct lathe_json *eval_metrics(const struct lathe_json_service *j,
                                      const struct lathe_json *eval);
double eval_accuracy(const struct lathe_json_service *j,
                     const struct lathe_json *eval); /* percent */
/* The evaluation object of a worker's report (JSON text, or "null"). */
void evaluation_write(struct gym *gym, struct jw *w, const char *name, const char *eval,
                      const struct scenario *s);
void session_add_eval(struct gym *gym, struct session *s, const char *eval, int keep);
/* Accuracy and reliability known at episode; 1 when the evaluation was made there. */
int session_eval_at(const struct session *s, int64_t episode, double *accuracy,
                    double *reliability);
/* Reads the evaluations from the store, then calls then(user) on the loop (at once when they are
 * there), then drop. */
void session_load_evals(struct gym *gym, const char *id, void (*then)(void *user), void *user,
                        lathe_drop_fn drop);
void wilson(double successes, double n, double *low, double *high);

/* ---- start.c ---- */
int32_t op_start(void *self, struct lathe_request *req);
int32_t op_fork(void *self, struct lathe_request *req);
const char *framework_canonical(const char *given);
int32_t answer_started(struct gym *gym, struct lathe_request *req, const struct lathe_job_info *job,
                       const char *session_status);

/* ---- replay.c ---- */
#define GYM_KEY_MAX 128

/* LATHE_AGAIN when the key is new; else the request was answered or waits, or an error. hash: of
 * the body. */
int32_t start_replay(struct gym *gym, struct lathe_request *req, const char *key, const char *hash);
/* Between these two, requests with the key wait. 0 without memory: they do not. */
int64_t flight_begin(struct gym *gym, const char *key);
void flight_end(struct gym *gym, int64_t number);
void flights_close(struct gym *gym);

/* ---- training.c ---- */
int32_t op_list_training(void *self, struct lathe_request *req);
int32_t op_get_training(void *self, struct lathe_request *req);
int32_t op_pause(void *self, struct lathe_request *req);
int32_t op_resume(void *self, struct lathe_request *req);
int32_t op_stop(void *self, struct lathe_request *req);
int32_t op_delete_training(void *self, struct lathe_request *req);
int32_t op_checkpoints(void *self, struct lathe_request *req);
/* The job behind {session_id}; answers 404 and returns NULL when there is none. */
const struct lathe_job_info *training_find(struct gym *gym, struct lathe_request *req);

/* ---- history.c ---- */
int32_t op_history(void *self, struct lathe_request *req);
/* One history row from the values of a METRICS row. */
void history_row(struct gym *gym, struct jw *w, const struct session *s, int64_t episode,
                 const struct lathe_json *values);

/* ---- feed.c: job events as messages; ws.c and sse.c carry them ---- */

/* Takes one message: LATHE_OK, or LATHE_E_LIMIT when there is no room now. */
typedef int32_t (*feed_send_fn)(void *user, uint64_t seq, const char *type, const struct text *t);

struct feed {
    struct gym *gym;
    char session_id[64];
    feed_send_fn send;
    void *user;
    int ended; /* the last message was sent */
};

/* LATHE_OK, or LATHE_AGAIN when the reader has no room. */
int32_t feed_event(struct feed *feed, const struct lathe_event *event);
/* Writes {"type":"training_update",...}. */
void feed_update(struct gym *gym, struct text *out, const struct lathe_job_info *job, uint64_t seq,
                 int heartbeat, int final);
void feed_gap(struct text *out, const char *session_id, uint64_t from, uint64_t to);
int32_t op_events(void *self, struct lathe_request *req);

/* ---- ws.c ---- */
extern const struct lathe_ws_handler gym_ws_handler;
void sockets_notify(struct gym *gym, const struct lathe_job_event *event);
void sockets_tick(struct gym *gym);
/* Starts the timer behind sockets and environments; it ends by itself when there are none. */
void tick_want(struct gym *gym);

/* ---- models.c, export.c, import.c, mcp.c ---- */

/* Facts of a model beyond its record; the caller releases. */
struct lathe_json *model_facts(struct gym *gym, const struct lathe_model_info *model);
void model_render(struct gym *gym, struct jw *w, const struct lathe_model_info *model,
                  const struct lathe_json *facts);
void model_write(struct gym *gym, struct jw *w, const char *name,
                 const struct lathe_model_info *model);

/* ---- model_text.c ---- */

/* The rendered model, kept until it changes; NULL without memory. scenario may be NULL. Valid until
 * the handler returns to the loop. */
const struct text *model_text(struct gym *gym, const struct lathe_model_info *model,
                              const char **scenario);
void model_texts_forget(struct gym *gym, const char *id);
void model_texts_close(struct gym *gym);

const struct lathe_model_info *model_find(struct gym *gym, struct lathe_request *req);
int32_t op_list_models(void *self, struct lathe_request *req);
int32_t op_get_model(void *self, struct lathe_request *req);
int32_t op_rename_model(void *self, struct lathe_request *req);
int32_t op_delete_model(void *self, struct lathe_request *req);
int32_t op_act(void *self, struct lathe_request *req);
int32_t op_evaluate(void *self, struct lathe_request *req);
int32_t op_export(void *self, struct lathe_request *req);
int32_t op_import(void *self, struct lathe_request *req);
int32_t op_mcp(void *self, struct lathe_request *req);

/* ---- envs.c ---- */
int32_t op_create_env(void *self, struct lathe_request *req);
int32_t op_get_env(void *self, struct lathe_request *req);
int32_t op_reset_env(void *self, struct lathe_request *req);
int32_t op_step_env(void *self, struct lathe_request *req);
int32_t op_delete_env(void *self, struct lathe_request *req);
void envs_tick(struct gym *gym, int64_t now_ms);
void envs_close(struct gym *gym);
/* Target of the environment host, opened on first use. */
int32_t env_host(struct gym *gym, uint64_t *handle, struct lathe_error *err);
/* Function schemas of the scenario's tools for language models, as a JSON array. */
void tools_write(struct jw *w, const char *name, const struct scenario *s);

/* ---- settings.c ---- */
struct settings {
    char framework[16], llm_provider[24];
    int64_t max_episodes;
    double learning_rate;
    int auto_save;
    char openai_key[520], anthropic_key[520]; /* clear text lives in memory only */
};
int32_t settings_open(struct gym *gym, const struct lathe_params *params, struct lathe_error *err);
int32_t op_get_settings(void *self, struct lathe_request *req);
int32_t op_put_settings(void *self, struct lathe_request *req);

/* ---- compare.c, index.c ---- */
int32_t op_compare(void *self, struct lathe_request *req);
int32_t op_index(void *self, struct lathe_request *req);
int32_t op_health(void *self, struct lathe_request *req);
int32_t op_ready(void *self, struct lathe_request *req);
int32_t op_ticket(void *self, struct lathe_request *req);
int32_t op_algorithms(void *self, struct lathe_request *req);

/* ---- counts.c ---- */
void counts_open(struct gym *gym);
void counts_close(struct gym *gym);
void counts_progress(struct gym *gym, struct session *s, const struct lathe_job_info *job);
void counts_accuracy(struct gym *gym, double percent);
/* Logs who changed what; call it once the change is stored. what: "training.pause". */
void gym_audit(struct gym *gym, struct lathe_request *req, const char *what, const char *id);

/* ---- errors.c ---- */
int32_t gym_render_error(void *self, struct lathe_request *req,
                         const struct lathe_problem *problem);
int32_t gym_not_found(const struct api_kit *kit, struct lathe_request *req, const char *code);
/* 422 for one member: keyword "enum" and so on as in struct lathe_violation; path is dotted. */
int32_t gym_invalid(const struct api_kit *kit, struct lathe_request *req, const char *keyword,
                    const char *path, const char *message, const char *input_json,
                    const char *limit_json);
/* Answers an error record; field becomes the place below prefix ("body.hyperparameters"). */
int32_t gym_failed(const struct api_kit *kit, struct lathe_request *req, int32_t status,
                   const struct lathe_error *err, const char *prefix);

/* ---- crypt.c ---- */
void sha256_hex(char out[65], const void *data, size_t len_bytes);
char *base64_encode(const void *data, size_t len_bytes);           /* free() */
int32_t base64_decode(const char *text, void **data, size_t *len); /* free() */
/* AES-256-GCM; out is hex of nonce, text and tag. Errors: LATHE_E_CORRUPT, LATHE_E_NOMEM. */
int32_t seal(const unsigned char key[32], const char *text, struct text *out);
int32_t unseal(const unsigned char key[32], const char *hex, char *out, size_t cap);
int64_t random_seed(void); /* 0 .. 2^53 - 1 */
void random_hex(char out[33]);

/* ---- the surface ---- */
struct env_slot;
struct gym_socket;
struct flight;

#define GYM_STATES 8

struct counts {
    struct lathe_counter *sessions[GYM_STATES], *models, *sockets, *envs, *accuracy, *env_steps;
};

struct gym {
    struct api_kit kit;
    struct api_targets targets;
    struct scenario *scenarios;
    struct session *sessions[GYM_BUCKETS];
    struct settings settings, settings_asked; /* durable ones; with changes on their way */
    unsigned char secret[32];
    int has_secret;
    struct env_slot *envs;
    uint32_t n_envs;
    uint64_t env_host, solve_host;
    struct gym_socket *sockets;
    uint32_t n_sockets;
    struct model_text **model_texts; /* buckets by id; NULL until the first is asked for */
    struct flight *flights;          /* idempotency keys of starts that are being stored */
    int64_t last_flight;
    struct counts counts;
    uint64_t watch, tick;
    int opened;
};

#endif
