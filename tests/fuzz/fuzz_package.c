/* Model bundles: whatever a client sends is refused or kept as what it says, byte for byte. An
 * input that opens with '{' is a whole bundle; any other is a model file, wrapped in a sound bundle
 * so that the checks behind the checksum are reached. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json/json.h"
#include "plugins/api/agentgym/gym.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes);

#define SCENARIO "{\"id\":\"fuzz\"}"

/* One import: what the server's tables would see of it. */
struct lathe_request {
    struct gym *gym;
    const struct lathe_json *body;
    int refs, answers, kept;
};

/* ---- the server's side ---- */

static const struct lathe_json *body_json(const struct lathe_request *req)
{
    return req->body;
}

static struct lathe_request *acquire(struct lathe_request *req)
{
    req->refs++;
    return req;
}

static void release(struct lathe_request *req)
{
    req->refs--;
}

static int32_t respond_problem(struct lathe_request *req, const struct lathe_problem *problem)
{
    if (problem->code == NULL || problem->text == NULL)
        abort();
    req->answers++;
    return LATHE_OK;
}

static int32_t respond_error(struct lathe_request *req, int32_t status, const char *code,
                             const struct lathe_error *err)
{
    (void)status, (void)code, (void)err;
    req->answers++;
    return LATHE_OK;
}

static void list_none(const struct lathe_models_service *models, const char *owner,
                      lathe_model_visit_fn visit, void *user)
{
    (void)models, (void)owner, (void)visit, (void)user;
}

/* What gets here has the announced hash, and its header describes bytes that are there. */
static int32_t import_bytes(const struct lathe_artifact_service *artifacts, const void *data,
                            uint64_t len_bytes, const struct lathe_artifact_call *call)
{
    struct lathe_request *req = artifacts->ctx;
    const struct lathe_json_service *j = req->gym->kit.json;
    char hash[65];

    sha256_hex(hash, data, len_bytes);
    if (len_bytes <= 8 || strcmp(hash, j->get_string(req->body, "weights_sha256", "")) != 0)
        abort();
    req->kept++;
    call->drop(call->user);
    return LATHE_OK;
}

/* ---- the input ---- */

/* A bundle around a model file; the caller frees. */
static char *wrap(const uint8_t *data, size_t len_bytes)
{
    static const char form[] = "{\"format\":\"agentgym-model/1\",\"model\":{\"name\":\"m\"},"
                               "\"scenario\":" SCENARIO ",\"weights_sha256\":\"%s\","
                               "\"weights_base64\":\"%s\"}";
    char hash[65], *text = base64_encode(data, len_bytes), *out;
    size_t cap = text == NULL ? 0 : sizeof form + sizeof hash + strlen(text);

    sha256_hex(hash, data, len_bytes);
    out = text == NULL ? NULL : malloc(cap);
    if (out != NULL)
        snprintf(out, cap, form, hash, text);
    free(text);
    return out;
}

static void import(struct gym *gym, const char *text, size_t len_bytes)
{
    const struct lathe_json_service *j = gym->kit.json;
    struct lathe_artifact_service artifacts = {.struct_size = sizeof artifacts,
                                               .import_bytes = import_bytes};
    struct lathe_request req = {.gym = gym};
    struct lathe_json *body = NULL;
    int32_t st;

    if (j->parse(j, text, len_bytes, NULL, &body, NULL) != LATHE_OK)
        return;
    req.body = body;
    artifacts.ctx = &req;
    gym->kit.artifact = &artifacts;
    st = op_import(gym, &req);
    /* refused with one answer, or kept; a negative status makes the server answer */
    if (req.refs != 0 || req.answers + req.kept + (st != LATHE_OK) != 1)
        abort();
    j->release(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
    static const struct lathe_http_service http = {.struct_size = sizeof http,
                                                   .body_json = body_json,
                                                   .acquire = acquire,
                                                   .release = release,
                                                   .respond_problem = respond_problem,
                                                   .respond_error = respond_error};
    static const struct lathe_models_service models = {.struct_size = sizeof models,
                                                       .list = list_none};
    struct scenario scenario = {.id = "fuzz"};
    struct gym *gym = calloc(1, sizeof *gym);
    char *text;

    if (gym == NULL)
        return 0;
    sha256_hex(scenario.sha256, SCENARIO, strlen(SCENARIO));
    gym->scenarios = &scenario;
    gym->kit.http = &http;
    gym->kit.json = json_service();
    gym->kit.models = &models;
    if (len_bytes > 0 && data[0] == '{') {
        import(gym, (const char *)data, len_bytes);
    } else if ((text = wrap(data, len_bytes)) != NULL) {
        import(gym, text, strlen(text));
        free(text);
    }
    free(gym);
    return 0;
}
