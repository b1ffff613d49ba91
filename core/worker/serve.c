/* The loop of role serve: one request at a time, answers in order. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/serve.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/json/json.h"
#include "core/worker/describe.h"
#include "core/worker/serve_internal.h"
#include "core/worker/task.h"

#define ENVELOPE_BYTES 256u
#define BODY_MAX (16u * 1024u * 1024u)

static int32_t describe_policy(struct serve *s, struct strbuf *out, struct lathe_error *err)
{
    json_t *env = describe_env(s->vec);
    int32_t st;

    strbuf_adds(out, "{\"env\":");
    st = json_write_text(env, 0, out);
    json_decref(env);
    if (st != LATHE_OK)
        return fail(err, st, "description");
    strbuf_adds(out, ",\"algorithm\":");
    strbuf_add_json_string(out, s->setup.algorithm.entry->name,
                           strlen(s->setup.algorithm.entry->name));
    strbuf_adds(out, ",\"policy\":");
    policy_describe(&s->learner, out);
    strbuf_addc(out, '}');
    return LATHE_OK;
}

static int32_t dispatch(struct serve *s, const char *op, const json_t *body, struct strbuf *out,
                        struct lathe_error *err)
{
    if (strncmp(op, "env.", 4) == 0)
        return serve_env(s, op, body, out, err);
    if (!s->has_policy)
        return fail_field(err, LATHE_E_UNSUPPORTED, "op", "this worker hosts environments only");
    if (strcmp(op, "act") == 0)
        return serve_act(s, body, out, err);
    if (strcmp(op, "evaluate") == 0)
        return serve_evaluate(s, body, out, err);
    if (strcmp(op, "describe") == 0)
        return describe_policy(s, out, err);
    return fail_field(err, LATHE_E_UNSUPPORTED, "op", "unknown operation %.40s", op);
}

static void send_error(struct serve *s, int64_t id, const struct lathe_error *err)
{
    struct strbuf out;

    strbuf_init(&out);
    strbuf_addf(&out, "{\"id\":%lld,\"status\":%d,\"error\":{\"text\":", (long long)id, err->code);
    strbuf_add_json_string(&out, err->text, strlen(err->text));
    strbuf_adds(&out, ",\"field\":");
    strbuf_add_json_string(&out, err->field, strlen(err->field));
    strbuf_adds(&out, "}}");
    report_send(s->report, LINK_RESPONSE, &out);
    strbuf_fini(&out);
}

/* A body larger than a frame goes through a file in the run directory. */
static int32_t send_file(struct serve *s, int64_t id, const struct strbuf *body,
                         struct lathe_error *err)
{
    char name[48], path[4096], hex[65];
    struct strbuf out;
    int32_t st;

    if (body->len_bytes > BODY_MAX)
        return fail(err, LATHE_E_LIMIT, "the answer has %zu bytes", body->len_bytes);
    snprintf(name, sizeof name, "response_%llu.json", (unsigned long long)++s->next_file);
    if ((st = path_join(path, sizeof path, s->job->dir, name, err)) != LATHE_OK)
        return st;
    if ((st = io_write_file(path, body->data, body->len_bytes, 0600, err)) != LATHE_OK)
        return st;
    sha256_hex(body->data, body->len_bytes, hex);
    strbuf_init(&out);
    strbuf_addf(&out,
                "{\"id\":%lld,\"status\":0,\"file\":\"%s\",\"sha256\":\"%s\",\"size_bytes\":%zu}",
                (long long)id, name, hex, body->len_bytes);
    report_send(s->report, LINK_RESPONSE, &out);
    strbuf_fini(&out);
    return LATHE_OK;
}

static int32_t send_body(struct serve *s, int64_t id, const struct strbuf *body,
                         struct lathe_error *err)
{
    struct strbuf out;

    if (body->failed)
        return fail(err, LATHE_E_NOMEM, "answer");
    if (body->len_bytes > LINK_PAYLOAD_MAX - ENVELOPE_BYTES)
        return send_file(s, id, body, err);
    strbuf_init(&out);
    strbuf_addf(&out, "{\"id\":%lld,\"status\":0,\"body\":", (long long)id);
    strbuf_add(&out, body->data, body->len_bytes);
    strbuf_addc(&out, '}');
    report_send(s->report, LINK_RESPONSE, &out);
    strbuf_fini(&out);
    return LATHE_OK;
}

static void answer(struct serve *s, const struct link_frame *frame)
{
    json_t *request = NULL;
    struct lathe_error err = {0};
    struct strbuf body;
    int64_t id = -1;
    int32_t st = json_parse_text(frame->payload, frame->len_bytes, NULL, &request, &err);

    strbuf_init(&body);
    if (st == LATHE_OK) {
        const json_t *in = json_object_get(request, "body");

        id = json_member_int(request, "id", -1);
        if (in != NULL && !json_is_object(in))
            st = fail_field(&err, LATHE_E_INVALID, "body", "body is an object");
        else
            st = dispatch(s, json_member_string(request, "op", ""), in, &body, &err);
    }
    if (st == LATHE_OK)
        st = send_body(s, id, &body, &err);
    if (st != LATHE_OK) {
        if (err.code >= 0)
            fail(&err, st < 0 ? st : LATHE_E_INTERNAL, "the request failed");
        send_error(s, id, &err);
    }
    strbuf_fini(&body);
    json_decref(request);
}

static void loop(struct serve *s)
{
    struct link_frame frame;

    while (!atomic_load(&s->control->shutdown) && !atomic_load(&s->control->cancel) &&
           !atomic_load(&s->control->stop)) {
        if (!control_next(s->control, 250, &frame))
            continue;
        if (frame.type == LINK_REQUEST)
            answer(s, &frame);
    }
}

int serve_run(const struct wjob *job, const struct loaded *loaded, struct control *control,
              struct report *report)
{
    struct serve s = {.job = job, .loaded = loaded, .control = control, .report = report};
    struct lathe_error err = {0};
    int32_t st = LATHE_OK;

    control->is_serving = 1;
    s.instances = hmap_new();
    if (s.instances == NULL)
        st = fail(&err, LATHE_E_NOMEM, "serving");
    if (st == LATHE_OK && job->policy != NULL)
        st = serve_policy_open(&s, &err);
    if (st == LATHE_OK) {
        task_hello(job, loaded, report);
        loop(&s);
    } else {
        report_error(report, "load_failed", &err, 0, "");
    }
    serve_policy_close(&s);
    serve_env_close_all(&s);
    return st == LATHE_OK ? 0 : 1;
}
