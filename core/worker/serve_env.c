/* Environments that callers step by hand: one row each, named by the caller. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/json/json.h"
#include "core/worker/codec.h"
#include "core/worker/describe.h"
#include "core/worker/serve_internal.h"
#include "core/worker/task.h"

#define INSTANCES_MAX 4096u
#define STATE_MAX (64u * 1024u)
#define RENDER_MAX (16u * 1024u * 1024u)

struct instance {
    struct component component;
    struct vec *vec;
    uint32_t t;
    double ret;
    int over;
};

static void instance_free(void *arg)
{
    struct instance *inst = arg;

    if (inst == NULL)
        return;
    vec_close(inst->vec);
    component_close(&inst->component);
    mem_free(inst);
}

static int32_t instance_new(struct serve *s, const json_t *env, int64_t time_limit,
                            struct instance **out, struct lathe_error *err)
{
    struct instance *inst = mem_new(struct instance);
    struct vec_args args = {0};
    const char *name = json_member_string(env, "name", NULL);
    int32_t st;

    if (inst == NULL)
        return fail(err, LATHE_E_NOMEM, "environment");
    if (name == NULL) {
        mem_free(inst);
        return fail_field(err, LATHE_E_INVALID, "env.name", "env.name is missing");
    }
    st = load_component(s->loaded, LATHE_KIND_ENV, name, json_object_get(env, "options"), "env",
                        &inst->component, err);
    if (st == LATHE_OK) {
        args.env = inst->component.entry->vtable;
        args.host = inst->component.host;
        args.params = params_table(inst->component.params);
        args.n = 1;
        args.time_limit = time_limit;
        st = vec_open(&args, &inst->vec, err);
    }
    if (st != LATHE_OK) {
        instance_free(inst);
        return st;
    }
    *out = inst;
    return LATHE_OK;
}

static void add_state(struct instance *inst, struct strbuf *out)
{
    const struct lathe_env_describe *d = inst->vec->describe;
    char *text = d != NULL && d->state != NULL ? mem_alloc(STATE_MAX) : NULL;

    strbuf_adds(out, "\"observation\":");
    codec_write(inst->vec->spec->obs, inst->vec->obs, out);
    strbuf_adds(out, ",\"state\":");
    if (text != NULL && d->state(inst->vec->batch, 0, text, STATE_MAX) == LATHE_OK)
        strbuf_adds(out, text);
    else
        strbuf_adds(out, "null");
    mem_free(text);
    if (inst->vec->mask != NULL) {
        uint32_t k;

        strbuf_adds(out, ",\"mask\":[");
        for (k = 0; k < inst->vec->n_mask; k++)
            strbuf_addf(out, "%s%u", k > 0 ? "," : "", inst->vec->mask[k] ? 1 : 0);
        strbuf_addc(out, ']');
    }
}

static void add_info(struct instance *inst, struct strbuf *out)
{
    uint32_t k;

    strbuf_adds(out, ",\"info\":{");
    for (k = 0; k < inst->vec->n_info; k++) {
        strbuf_addf(out, "%s\"%s\":", k > 0 ? "," : "", inst->vec->info_names->names[k]);
        codec_add_float(out, inst->vec->info[k]);
    }
    strbuf_addf(out, "},\"t\":%u", inst->t);
}

/* "seed": n, or "stream": {"seed","purpose","index"}; without either seed 0. */
static int32_t read_seed(const json_t *body, uint64_t *out, struct lathe_error *err)
{
    static const char *const known[] = {"seed", "purpose", "index", NULL};
    const json_t *stream = json_object_get(body, "stream"), *seed = json_object_get(body, "seed");
    uint64_t base = 0, purpose = 3, index = 0;
    int32_t st;

    *out = 0;
    if (seed != NULL && !wjob_u64(seed, out))
        return fail_field(err, LATHE_E_INVALID, "seed", "seed is a whole number");
    if (stream == NULL)
        return LATHE_OK;
    if (!json_is_object(stream))
        return fail_field(err, LATHE_E_INVALID, "stream", "stream is an object");
    if ((st = wjob_only(stream, "stream", known, err)) != LATHE_OK)
        return st;
    if (!wjob_u64(json_object_get(stream, "seed"), &base) ||
        !wjob_u64(json_object_get(stream, "purpose"), &purpose) || purpose > UINT32_MAX ||
        !wjob_u64(json_object_get(stream, "index"), &index))
        return fail_field(err, LATHE_E_INVALID, "stream",
                          "stream needs seed, purpose and index, whole numbers");
    *out = vec_seed(1, base, (uint32_t)purpose, index);
    return LATHE_OK;
}

static int32_t start_episode(struct instance *inst, const char *id, const json_t *body,
                             struct strbuf *out, struct lathe_error *err)
{
    const json_t *options = json_object_get(body, "options");
    char *options_text = NULL;
    uint64_t seed;
    int32_t st;

    if ((st = read_seed(body, &seed, err)) != LATHE_OK)
        return st;
    if (options != NULL && (options_text = json_dup_text(options, 0, NULL)) == NULL)
        return fail(err, LATHE_E_NOMEM, "reset options");
    st = vec_reset(inst->vec, 1, &seed, options_text, err);
    mem_free(options_text);
    if (st != LATHE_OK)
        return st;
    inst->t = 0;
    inst->ret = 0.0;
    inst->over = 0;
    strbuf_adds(out, "{\"id\":");
    strbuf_add_json_string(out, id, strlen(id));
    strbuf_addc(out, ',');
    add_state(inst, out);
    add_info(inst, out);
    strbuf_addf(out, ",\"max_steps\":%u,\"actions\":[", inst->vec->limit);
    if (inst->vec->describe != NULL && inst->vec->describe->action_names != NULL) {
        uint32_t k;

        for (k = 0; k < inst->vec->describe->n_actions; k++) {
            const char *name = inst->vec->describe->action_names[k];

            strbuf_adds(out, k > 0 ? "," : "");
            strbuf_add_json_string(out, name, strlen(name));
        }
    }
    strbuf_adds(out, "]}");
    return LATHE_OK;
}

static int32_t op_create(struct serve *s, const char *id, const json_t *body, struct strbuf *out,
                         struct lathe_error *err)
{
    struct instance *inst = NULL;
    void *old = NULL;
    int32_t st;

    if (hmap_get(s->instances, id) != NULL)
        return fail_field(err, LATHE_E_EXISTS, "id", "environment %s exists", id);
    if (hmap_count(s->instances) >= INSTANCES_MAX)
        return fail(err, LATHE_E_LIMIT, "%u environments are open", INSTANCES_MAX);
    st = instance_new(s, json_object_get(body, "env"), json_member_int(body, "time_limit", -1),
                      &inst, err);
    if (st != LATHE_OK)
        return st;
    st = start_episode(inst, id, body, out, err);
    if (st == LATHE_OK && hmap_put(s->instances, id, inst, &old) != LATHE_OK)
        st = fail(err, LATHE_E_NOMEM, "environment %s", id);
    if (st != LATHE_OK)
        instance_free(inst);
    return st;
}

/* An action by name, index, or as the space's own values. */
static int32_t read_action(struct instance *inst, const json_t *action, struct lathe_error *err)
{
    const struct lathe_env_describe *d = inst->vec->describe;
    const struct lathe_space *space = inst->vec->spec->act;
    uint32_t k;

    memset(inst->vec->act, 0, inst->vec->act_stride);
    if (!json_is_string(action) || space->kind != LATHE_SPACE_DISCRETE)
        return codec_read(space, action, "action", inst->vec->act, err);
    for (k = 0; d != NULL && d->action_names != NULL && k < d->n_actions; k++)
        if (strcmp(d->action_names[k], json_string_value(action)) == 0) {
            *(int32_t *)inst->vec->act = (int32_t)(space->start + k);
            return LATHE_OK;
        }
    return fail_field(err, LATHE_E_INVALID, "action", "unknown action %.60s",
                      json_string_value(action));
}

static int32_t op_step(struct instance *inst, const json_t *body, struct strbuf *out,
                       struct lathe_error *err)
{
    struct vec *vec = inst->vec;
    float reward;
    int terminated, truncated;
    int32_t st;

    if (inst->over)
        return fail(err, LATHE_E_CONFLICT, "the episode is over; call reset");
    if ((st = read_action(inst, json_object_get(body, "action"), err)) != LATHE_OK)
        return st;
    if ((st = vec_step(vec, 0, err)) != LATHE_OK)
        return st;
    reward = vec->reward[0];
    terminated = vec->terminated[0];
    truncated = vec->truncated[0];
    inst->over = vec->n_ended > 0;
    inst->t++;
    inst->ret += (double)reward;
    vec_advance(vec);
    strbuf_addc(out, '{');
    add_state(inst, out);
    strbuf_adds(out, ",\"reward\":");
    codec_add_float(out, reward);
    strbuf_addf(out, ",\"terminated\":%s,\"truncated\":%s", terminated ? "true" : "false",
                truncated ? "true" : "false");
    add_info(inst, out);
    strbuf_adds(out, ",\"return\":");
    strbuf_add_json_double(out, inst->ret);
    strbuf_addc(out, '}');
    return LATHE_OK;
}

static int32_t op_state(struct instance *inst, struct strbuf *out)
{
    strbuf_addc(out, '{');
    add_state(inst, out);
    strbuf_addf(out, ",\"t\":%u,\"over\":%s,\"return\":", inst->t, inst->over ? "true" : "false");
    strbuf_add_json_double(out, inst->ret);
    strbuf_addc(out, '}');
    return LATHE_OK;
}

static void add_rendered(uint32_t mode, const char *data, const uint32_t dims[4],
                         struct strbuf *out)
{
    size_t len;
    char *text;

    if (mode == LATHE_RENDER_TEXT) {
        strbuf_adds(out, "{\"mode\":\"text\",\"text\":");
        strbuf_add_json_string(out, data, dims[0]);
    } else if (mode == LATHE_RENDER_JSON) {
        strbuf_adds(out, "{\"mode\":\"json\",\"value\":");
        strbuf_add(out, data, strnlen(data, dims[0]));
    } else {
        len = (size_t)dims[0] * dims[1] * 3;
        text = mem_alloc(base64_len(len));
        strbuf_addf(out, "{\"mode\":\"rgb\",\"height\":%u,\"width\":%u,\"base64\":", dims[0],
                    dims[1]);
        if (text != NULL)
            base64_encode(data, len, text);
        strbuf_add_json_string(out, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
        mem_free(text);
    }
    strbuf_addc(out, '}');
}

static int32_t op_render(struct instance *inst, const json_t *body, struct strbuf *out,
                         struct lathe_error *err)
{
    const char *name = json_member_string(body, "mode", "text");
    const struct lathe_env_render *render = NULL;
    uint32_t dims[4] = {0, 0, 0, 0};
    uint32_t mode = strcmp(name, "json") == 0  ? LATHE_RENDER_JSON
                    : strcmp(name, "rgb") == 0 ? LATHE_RENDER_RGB
                                               : LATHE_RENDER_TEXT;
    char *data;
    int32_t st;

    if (LATHE_CAN(inst->vec->env, struct lathe_env, extension))
        render = inst->vec->env->extension(inst->vec->batch, LATHE_ENV_RENDER);
    if (render == NULL)
        return fail(err, LATHE_E_UNSUPPORTED, "%s cannot be drawn", inst->vec->spec->id);
    if (mode == LATHE_RENDER_TEXT && strcmp(name, "text") != 0)
        return fail_field(err, LATHE_E_INVALID, "mode", "mode is text, json or rgb");
    if ((data = mem_alloc(RENDER_MAX)) == NULL)
        return fail(err, LATHE_E_NOMEM, "picture");
    st = render->render(inst->vec->batch, 0, mode, data, RENDER_MAX, dims);
    if (st == LATHE_OK)
        add_rendered(mode, data, dims, out);
    else
        fail(err, st, "%s: no picture as %s", inst->vec->spec->id, name);
    mem_free(data);
    return st;
}

static int32_t op_about(struct serve *s, const char *op, const json_t *body, struct strbuf *out,
                        struct lathe_error *err)
{
    struct instance *inst = NULL;
    json_t *describe;
    int32_t st = instance_new(s, json_object_get(body, "env"), -1, &inst, err);

    if (st != LATHE_OK)
        return st;
    if (strcmp(op, "env.solve") == 0) {
        control_busy(s->control, 1);
        st = vec_solve(inst->vec, json_object_get(body, "options"), out, err);
        control_busy(s->control, 0);
    } else {
        describe = describe_env(inst->vec);
        st = json_write_text(describe, 0, out);
        json_decref(describe);
        if (st != LATHE_OK)
            fail(err, st, "description of %s", inst->vec->spec->id);
    }
    instance_free(inst);
    return st;
}

int32_t serve_env(struct serve *s, const char *op, const json_t *body, struct strbuf *out,
                  struct lathe_error *err)
{
    const char *id = json_member_string(body, "id", "");
    struct instance *inst;

    if (strcmp(op, "env.solve") == 0 || strcmp(op, "env.describe") == 0)
        return op_about(s, op, body, out, err);
    if (id[0] == '\0' || strlen(id) > 200)
        return fail_field(err, LATHE_E_INVALID, "id", "id is missing");
    if (strcmp(op, "env.create") == 0)
        return op_create(s, id, body, out, err);
    inst = hmap_get(s->instances, id);
    if (inst == NULL)
        return fail_field(err, LATHE_E_NOT_FOUND, "id", "no environment %s", id);
    if (strcmp(op, "env.reset") == 0)
        return start_episode(inst, id, body, out, err);
    if (strcmp(op, "env.step") == 0)
        return op_step(inst, body, out, err);
    if (strcmp(op, "env.state") == 0)
        return op_state(inst, out);
    if (strcmp(op, "env.render") == 0)
        return op_render(inst, body, out, err);
    if (strcmp(op, "env.close") == 0) {
        instance_free(hmap_remove(s->instances, id));
        strbuf_adds(out, "{}");
        return LATHE_OK;
    }
    return fail_field(err, LATHE_E_UNSUPPORTED, "op", "unknown operation %.40s", op);
}

void serve_env_close_all(struct serve *s)
{
    hmap_free(s->instances, instance_free);
    s->instances = NULL;
}
