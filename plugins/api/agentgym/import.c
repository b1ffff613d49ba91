/* Taking a bundle in: checked from the outside in, stored, then measured here. A model that cannot
 * be measured is not kept. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/bundle.h"

#define IMPORT_TICKETS 200
#define IMPORT_SEED 1000003

struct import {
    struct gym *gym;
    struct lathe_request *req;
    struct lathe_json *bundle; /* without the weights */
    char scenario[64], sha256[65], model_id[64];
    char name[128];
    uint64_t size_bytes;
    int steps; /* calls that still hold this */
};

static void import_release(void *user)
{
    struct import *im = user;

    if (--im->steps > 0)
        return;
    im->gym->kit.http->release(im->req);
    im->gym->kit.json->release(im->bundle);
    free(im);
}

/* ---- checks ---- */

static int f32_finite(const unsigned char *at, uint64_t bytes)
{
    uint64_t i;
    float value;

    for (i = 0; i + 4 <= bytes; i += 4) {
        memcpy(&value, at + i, 4);
        if (!isfinite(value))
            return 0;
    }
    return 1;
}

static int f64_finite(const unsigned char *at, uint64_t bytes)
{
    uint64_t i;
    double value;

    for (i = 0; i + 8 <= bytes; i += 8) {
        memcpy(&value, at + i, 8);
        if (!isfinite(value))
            return 0;
    }
    return 1;
}

static int tensor_fits(const struct lathe_json_service *j, const struct lathe_json *tensor,
                       const unsigned char *data, uint64_t len, const char **code)
{
    const struct lathe_json *offsets = j->get(tensor, "data_offsets");
    const char *dtype = j->get_string(tensor, "dtype", "");
    int64_t from = j->as_int(j->at(offsets, 0), -1), to = j->as_int(j->at(offsets, 1), -1);

    if (from < 0 || to < from || (uint64_t)to > len) {
        *code = "bundle_invalid";
        return 0;
    }
    *code = "non_finite_weights";
    if (!strcmp(dtype, "F32"))
        return f32_finite(data + from, (uint64_t)(to - from));
    return strcmp(dtype, "F64") != 0 || f64_finite(data + from, (uint64_t)(to - from));
}

/* 1 when data is a safetensors file of finite numbers; else *code says what is wrong. */
static int weights_fit(const struct api_kit *kit, const unsigned char *data, uint64_t len,
                       const char **code)
{
    const struct lathe_json_service *j = kit->json;
    struct lathe_json *header, *tensor;
    const void *at = NULL;
    const char *name;
    uint64_t tensors_at = 0;
    int fits = 1;

    *code = "bundle_invalid";
    if (!(header = bundle_header(kit, data, len, &tensors_at)))
        return 0;
    while (fits && (at = j->next(header, at, &name, &tensor)) != NULL)
        if (strcmp(name, "__metadata__") != 0)
            fits = tensor_fits(j, tensor, data + tensors_at, len - tensors_at, code);
    j->release(header);
    return fits;
}

/* The model file that a bundle stands for. */
struct weights {
    unsigned char *data;
    size_t len_bytes;
    char file_sha256[65];
};

struct search {
    const char *sha256, *found;
};

static int32_t same_weights(void *user, const struct lathe_model_info *model)
{
    struct search *s = user;

    if (strcmp(model->artifact_sha256, s->sha256) != 0)
        return 0;
    s->found = model->id;
    return 1;
}

/* ---- last step: the measurement ---- */

static struct lathe_json *facts_build(const struct import *im, const struct lathe_json *eval)
{
    const struct lathe_json_service *j = im->gym->kit.json;
    const struct lathe_json *model = j->get(im->bundle, "model");
    static const char *const kept[] = {"framework", "episodes", "env_episodes", "env_steps", NULL};
    const struct scenario *s = scenario_find(im->gym, im->scenario);
    struct lathe_json *facts = j->object(j), *ci = j->array(j);
    const char *const *name;
    double low, high;

    wilson(j->get_float(eval, "successes", 0), j->get_float(eval, "episodes", 0), &low, &high);
    j->append_float(ci, round(10000 * low) / 100);
    j->append_float(ci, round(10000 * high) / 100);
    j->set_string(facts, "scenario", im->scenario);
    for (name = kept; *name; name++)
        if (j->get(model, *name))
            j->set(facts, *name, j->copy(j->get(model, *name)));
    j->set_string(facts, "session_id", "");
    j->set_int(facts, "scenario_version", 1);
    j->set_string(facts, "scenario_sha256", s ? s->sha256 : "");
    j->set_int(facts, "observation_dim", s ? s->observation_dim : 0);
    j->set_int(facts, "actions", s ? s->n_tools : 0);
    j->set_bool(facts, "imported", 1);
    j->set_float(facts, "claimed_accuracy", j->get_float(model, "accuracy", 0));
    j->set_float(facts, "accuracy", eval_accuracy(j, eval));
    j->set(facts, "accuracy_ci95", ci);
    j->set_float(facts, "score", scenario_score(s, j->get_float(eval, "mean_return", 0)));
    if (j->type(eval_metrics(j, eval)) == LATHE_JSON_OBJECT)
        j->set(facts, "metrics", j->copy(eval_metrics(j, eval)));
    j->set(facts, "training", j->copy(j->get(im->bundle, "training")));
    j->set(facts, "bundle", j->acquire(im->bundle));
    return facts;
}

static void updated(void *user, int32_t status, const struct lathe_model_info *model,
                    const struct lathe_error *err)
{
    struct import *im = user;
    struct gym *gym = im->gym;
    struct lathe_json *facts;
    struct text body = {0};
    struct jw w;

    if (!model)
        model = gym->kit.models->get(gym->kit.models, im->model_id);
    if (status != LATHE_OK || !model) {
        gym->kit.http->respond_error(im->req, status ? status : LATHE_E_NOT_FOUND, NULL, err);
        return;
    }
    gym_audit(gym, im->req, "model.import", model->id);
    facts = model_facts(gym, model);
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "id", model->id);
    jw_str(&w, "name", model->name);
    jw_str(&w, "sha256", model->artifact_sha256);
    jw_num(&w, "accuracy", gym->kit.json->get_float(facts, "accuracy", 0));
    jw_end_obj(&w);
    gym->kit.json->release(facts);
    api_send(&gym->kit, im->req, 201, &body);
}

static void evaluated(void *user, int32_t status, const char *answer, uint64_t len_bytes,
                      const struct lathe_error *err)
{
    struct import *im = user;
    struct gym *gym = im->gym;
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_model_info changes = {.struct_size = sizeof changes};
    struct lathe_json *eval, *facts;
    struct lathe_error failed = {0};
    char *extra;

    (void)len_bytes;
    if (status != LATHE_OK) {
        api_target_forget(&gym->kit, &gym->targets, im->model_id);
        gym->kit.models->remove(gym->kit.models, im->model_id, NULL, NULL, NULL, NULL);
        if (status == LATHE_E_TIMEOUT || status == LATHE_E_NOMEM)
            gym->kit.http->respond_error(im->req, status, NULL, err);
        else
            api_problem(&gym->kit, im->req, 422, "bundle_invalid", "The model does not run: %s",
                        err ? err->text : lathe_status_name(status));
        return;
    }
    eval = api_parse(&gym->kit, answer);
    facts = facts_build(im, eval);
    extra = j->dup_text(facts, 0, NULL);
    changes.extra = extra;
    im->steps++;
    status = gym->kit.models->update(gym->kit.models, im->model_id, &changes, updated, im,
                                     import_release, &failed);
    if (status != LATHE_OK)
        gym->kit.http->respond_error(im->req, status, NULL, &failed);
    j->free_text(extra);
    j->release(facts);
    j->release(eval);
}

/* ---- middle steps: file, record ---- */

static void created(void *user, int32_t status, const struct lathe_model_info *model,
                    const struct lathe_error *err)
{
    struct import *im = user;
    struct gym *gym = im->gym;
    struct lathe_error failed = {0};
    uint64_t handle = 0;
    char body[128];

    if (status == LATHE_OK && model) {
        snprintf(im->model_id, sizeof im->model_id, "%s", model->id);
        snprintf(body, sizeof body, "{\"episodes\":%d,\"seed\":%d,\"mode\":\"greedy\"}",
                 IMPORT_TICKETS, IMPORT_SEED);
        err = &failed;
        status = api_target(&gym->kit, &gym->targets, im->model_id, &handle, &failed);
        if (status == LATHE_OK) {
            im->steps++;
            status = api_ask(
                &gym->kit, handle,
                &(struct api_question){"evaluate", body, evaluated, im, import_release}, &failed);
        }
    }
    if (status != LATHE_OK)
        gym->kit.http->respond_error(im->req, status, NULL, err);
}

static void stored(void *user, int32_t status, const struct lathe_artifact_result *result)
{
    struct import *im = user;
    struct gym *gym = im->gym;
    const struct lathe_json_service *j = gym->kit.json;
    const struct scenario *s = scenario_find(gym, im->scenario);
    struct lathe_model_info info = {.struct_size = sizeof info};
    struct lathe_json *env;
    struct lathe_error err = {0};
    char *env_options, *options;

    if (status != LATHE_OK || !s) {
        gym->kit.http->respond_error(im->req, status ? status : LATHE_E_NOT_FOUND, NULL,
                                     result->error);
        return;
    }
    env = scenario_env(gym, s, 0);
    env_options = j->dup_text(j->get(env, "options"), 0, NULL);
    options = j->pointer(im->bundle, "/algorithm/options")
                  ? j->dup_text(j->pointer(im->bundle, "/algorithm/options"), 0, NULL)
                  : NULL;
    info.owner = GYM_OWNER;
    info.name = im->name;
    info.kind = "policy";
    info.env_id = j->get_string(env, "name", "");
    info.env_options = env_options;
    info.algorithm_id = j->as_string(j->pointer(im->bundle, "/algorithm/id"), "ppo", NULL);
    info.algorithm_options = options;
    info.artifact_sha256 = im->sha256;
    info.size_bytes = im->size_bytes;
    info.seed = (uint64_t)j->as_int(j->pointer(im->bundle, "/model/seed"), 0);
    im->steps++;
    status = gym->kit.models->create(gym->kit.models, &info, created, im, import_release, &err);
    if (status != LATHE_OK)
        gym_failed(&gym->kit, im->req, status, &err, "body");
    j->free_text(env_options);
    j->free_text(options);
    j->release(env);
}

/* ---- first step ---- */

static int32_t refuse_weights(struct gym *gym, struct lathe_request *req, const char *code)
{
    if (!strcmp(code, "checksum_mismatch"))
        return api_problem(&gym->kit, req, 422, code, "weights_sha256 is not that of the weights");
    if (!strcmp(code, "non_finite_weights"))
        return api_problem(&gym->kit, req, 422, code, "A weight is not a finite number");
    return api_problem(&gym->kit, req, 422, code,
                       "The weights do not fit the network that the bundle describes");
}

static int32_t refuse_duplicate(struct gym *gym, struct lathe_request *req, const char *existing)
{
    struct lathe_problem problem = {sizeof problem, 0,    409,  0,   "model_exists",
                                    NULL,           NULL, NULL, NULL};
    char extra[96];
    int32_t st;

    snprintf(extra, sizeof extra, "{\"existing_id\":\"%s\"}", existing);
    problem.text = "A model with these weights is stored already";
    problem.extra_json = extra;
    st = gym->kit.http->respond_problem(req, &problem);
    return st == LATHE_E_CANCELLED ? LATHE_OK : st;
}

/* 1 when the bundle's scenario is one of ours, byte for byte. */
static const struct scenario *scenario_of(struct gym *gym, const struct lathe_json *bundle)
{
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_json *definition = j->get(bundle, "scenario");
    const struct scenario *s = scenario_find(gym, j->get_string(definition, "id", ""));
    char *canonical = j->dup_text(definition, LATHE_JSON_SORTED, NULL), hash[65] = "";

    if (canonical)
        sha256_hex(hash, canonical, strlen(canonical));
    j->free_text(canonical);
    return s && !strcmp(hash, s->sha256) ? s : NULL;
}

static int32_t take_in(struct gym *gym, struct lathe_request *req, const struct lathe_json *bundle,
                       const struct scenario *s, const struct weights *weights)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_artifact_call call = {sizeof call, 0, stored, import_release, NULL};
    struct import *im = calloc(1, sizeof *im);

    if (!im)
        return LATHE_E_NOMEM;
    im->gym = gym;
    im->req = gym->kit.http->acquire(req);
    im->bundle = j->copy(bundle);
    j->remove(im->bundle, "weights_base64");
    im->steps = 1;
    im->size_bytes = weights->len_bytes;
    snprintf(im->scenario, sizeof im->scenario, "%s", s->id);
    snprintf(im->sha256, sizeof im->sha256, "%s", weights->file_sha256);
    snprintf(im->name, sizeof im->name, "%.120s",
             j->as_string(j->pointer(bundle, "/model/name"), s->id, NULL));
    call.user = im;
    return gym->kit.artifact->import_bytes(gym->kit.artifact, weights->data, weights->len_bytes,
                                           &call);
}

/* The model file of a bundle, checked. LATHE_OK, LATHE_E_NOMEM, or LATHE_E_INVALID with *code. */
static int32_t weights_read(const struct api_kit *kit, const struct lathe_json *bundle,
                            struct weights *weights, const char **code)
{
    const struct lathe_json_service *j = kit->json;
    char hash[65] = "";
    void *data = NULL;
    int32_t st, same;

    *code = "bundle_invalid";
    st = base64_decode(j->get_string(bundle, "weights_base64", ""), &data, &weights->len_bytes);
    if (st != LATHE_OK)
        return st;
    weights->data = data;
    sha256_hex(hash, weights->data, weights->len_bytes);
    same = !strcmp(hash, j->get_string(bundle, "weights_sha256", ""));
    st = bundle_file_make(kit, j->get(bundle, "network"), &weights->data, &weights->len_bytes);
    if (st == LATHE_OK && !weights_fit(kit, weights->data, weights->len_bytes, code))
        st = LATHE_E_INVALID;
    if (!same && st != LATHE_E_NOMEM) {
        *code = "checksum_mismatch"; /* says more than what the damage led to */
        st = LATHE_E_INVALID;
    }
    sha256_hex(weights->file_sha256, weights->data, weights->len_bytes);
    return st;
}

int32_t op_import(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_json *bundle = gym->kit.http->body_json(req);
    struct weights weights = {0};
    struct search search = {weights.file_sha256, NULL};
    const struct scenario *s;
    const char *code = "";
    int32_t st = weights_read(&gym->kit, bundle, &weights, &code);

    if (st == LATHE_E_INVALID || st == LATHE_E_CORRUPT)
        st = refuse_weights(gym, req, code);
    else if (st != LATHE_OK)
        ;
    else if (!(s = scenario_of(gym, bundle)))
        st = api_problem(&gym->kit, req, 409, "scenario_mismatch",
                         "The bundle's scenario is not known here, or differs; create it first "
                         "with POST /api/scenarios");
    else if (gym->kit.models->list(gym->kit.models, GYM_OWNER, same_weights, &search), search.found)
        st = refuse_duplicate(gym, req, search.found);
    else
        st = take_in(gym, req, bundle, s, &weights);
    free(weights.data);
    return st;
}
