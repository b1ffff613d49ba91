/* Settings: defaults of new sessions, and two keys that are written but never shown. Keys are kept
 * encrypted, and only when the server was given a secret. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/gym.h"

#define COLLECTION "settings"
#define DOCUMENT "settings"
#define MASK "********"

/* ---- reading ---- */

static void apply_plain(struct settings *set, const struct lathe_json_service *j,
                        const struct lathe_json *from)
{
    const char *framework = framework_canonical(j->get_string(from, "framework", ""));
    const char *provider = j->get_string(from, "llmProvider", NULL);

    if (framework)
        snprintf(set->framework, sizeof set->framework, "%s", framework);
    if (provider)
        snprintf(set->llm_provider, sizeof set->llm_provider, "%s", provider);
    set->max_episodes = j->get_int(from, "maxEpisodes", set->max_episodes);
    set->learning_rate = j->get_float(from, "learningRate", set->learning_rate);
    set->auto_save = j->get_bool(from, "autoSave", set->auto_save);
}

static void unseal_key(struct gym *gym, const struct lathe_json *stored, const char *name,
                       char *out, size_t cap)
{
    const char *sealed = gym->kit.json->get_string(stored, name, "");

    out[0] = '\0';
    if (!sealed[0])
        return;
    if (!gym->has_secret || unseal(gym->secret, sealed, out, cap) != LATHE_OK) {
        out[0] = '\0';
        gym->kit.host->log(gym->kit.host, LATHE_LOG_WARN,
                           "a stored key cannot be read with this secret_key", NULL);
    }
}

static void settings_read(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct gym *gym = user;
    struct settings *set = &gym->settings;
    struct lathe_json *stored;

    if (status != LATHE_OK || !result->n_docs)
        return;
    stored = api_parse(&gym->kit, result->docs[0]->json);
    apply_plain(set, gym->kit.json, stored);
    unseal_key(gym, stored, "openaiKey", set->openai_key, sizeof set->openai_key);
    unseal_key(gym, stored, "anthropicKey", set->anthropic_key, sizeof set->anthropic_key);
    gym->settings_asked = *set;
    gym->kit.json->release(stored);
}

int32_t settings_open(struct gym *gym, const struct lathe_params *params, struct lathe_error *err)
{
    static const struct lathe_storage_collection collection = {sizeof collection, 0, COLLECTION,
                                                               NULL};
    const char *secret = params->get_string(params, "secret_key");
    struct lathe_store_call call = {sizeof call, 0, settings_read, NULL, gym};
    char digest[65];
    int32_t st;
    int i;

    gym->settings = (struct settings){.framework = "LangChain",
                                      .llm_provider = "OpenAI",
                                      .max_episodes = 200,
                                      .learning_rate = 0.001,
                                      .auto_save = 1};
    gym->settings_asked = gym->settings;
    if (secret && secret[0]) {
        sha256_hex(digest, secret, strlen(secret));
        for (i = 0; i < 32; i++) {
            const char pair[3] = {digest[2 * i], digest[2 * i + 1], '\0'};

            gym->secret[i] = (unsigned char)strtoul(pair, NULL, 16);
        }
        gym->has_secret = 1;
    }
    if ((st = gym->kit.store->declare(gym->kit.store, &collection, NULL)) != LATHE_OK ||
        (st = gym->kit.store->get(gym->kit.store, COLLECTION, DOCUMENT, &call)) != LATHE_OK)
        return api_fail(err, st, "", "reading the stored settings failed");
    return LATHE_OK;
}

/* ---- showing ---- */

static void write_key(struct jw *w, const char *name, const char *key)
{
    size_t len = strlen(key);
    char masked[16] = "";

    if (len)
        snprintf(masked, sizeof masked, MASK "%s", len > 4 ? key + len - 4 : "");
    jw_str(w, name, masked);
}

static int32_t answer_settings(struct gym *gym, struct lathe_request *req)
{
    const struct settings *set = &gym->settings;
    struct text body = {0};
    struct jw w;

    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "framework", set->framework);
    jw_str(&w, "llmProvider", set->llm_provider);
    jw_int(&w, "maxEpisodes", set->max_episodes);
    jw_num(&w, "learningRate", set->learning_rate);
    jw_bool(&w, "autoSave", set->auto_save);
    write_key(&w, "openaiKey", set->openai_key);
    write_key(&w, "anthropicKey", set->anthropic_key);
    jw_bool(&w, "openaiKeySet", set->openai_key[0] != '\0');
    jw_bool(&w, "anthropicKeySet", set->anthropic_key[0] != '\0');
    jw_end_obj(&w);
    return api_send(&gym->kit, req, 200, &body);
}

int32_t op_get_settings(void *self, struct lathe_request *req)
{
    return answer_settings(self, req);
}

/* ---- changing ---- */

struct change {
    struct gym *gym;
    struct lathe_request *req;
    struct settings next;
};

static void change_drop(void *user)
{
    struct change *c = user;

    c->gym->kit.http->release(c->req);
    memset(&c->next, 0, sizeof c->next);
    free(c);
}

static void change_stored(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct change *c = user;

    if (status != LATHE_OK) {
        c->gym->settings_asked = c->gym->settings;
        c->gym->kit.http->respond_error(c->req, status, NULL, result->error);
        return;
    }
    c->gym->settings = c->next;
    gym_audit(c->gym, c->req, "settings.change", "settings");
    answer_settings(c->gym, c->req);
}

/* 1 when given is what GET shows for key. */
static int is_masked(const char *given, const char *key)
{
    size_t len = strlen(key);

    return !strncmp(given, MASK, sizeof MASK - 1) &&
           !strcmp(given + sizeof MASK - 1, len > 4 ? key + len - 4 : "");
}

/* 0 when the key may not be stored here. */
static int take_key(const struct gym *gym, const char *given, char *key, size_t cap)
{
    if (!given || is_masked(given, key))
        return 1;
    if (given[0] && !gym->has_secret)
        return 0;
    snprintf(key, cap, "%s", given);
    return 1;
}

static void write_sealed(struct gym *gym, struct jw *w, const char *name, const char *key)
{
    struct text sealed = {0};

    if (key[0] && gym->has_secret && seal(gym->secret, key, &sealed) == LATHE_OK)
        jw_str(w, name, text_get(&sealed));
    text_fini(&sealed);
}

static int32_t store_settings(struct gym *gym, const struct settings *set,
                              const struct lathe_store_call *call)
{
    struct text doc = {0};
    struct jw w;
    int32_t st = LATHE_E_NOMEM;

    jw_init(&w, &doc);
    jw_obj(&w, NULL);
    jw_str(&w, "framework", set->framework);
    jw_str(&w, "llmProvider", set->llm_provider);
    jw_int(&w, "maxEpisodes", set->max_episodes);
    jw_num(&w, "learningRate", set->learning_rate);
    jw_bool(&w, "autoSave", set->auto_save);
    write_sealed(gym, &w, "openaiKey", set->openai_key);
    write_sealed(gym, &w, "anthropicKey", set->anthropic_key);
    jw_end_obj(&w);
    if (!doc.failed)
        st = gym->kit.store->put(gym->kit.store, COLLECTION, DOCUMENT, LATHE_REV_ANY, doc.data,
                                 call);
    else
        call->drop(call->user);
    text_fini(&doc);
    return st;
}

int32_t op_put_settings(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_json *body = gym->kit.http->body_json(req);
    struct lathe_store_call call = {sizeof call, 0, change_stored, change_drop, NULL};
    struct change *c = calloc(1, sizeof *c);
    int32_t st;

    if (!c)
        return LATHE_E_NOMEM;
    c->gym = gym;
    c->req = gym->kit.http->acquire(req);
    c->next = gym->settings_asked;
    apply_plain(&c->next, j, body);
    if (!take_key(gym, j->get_string(body, "openaiKey", NULL), c->next.openai_key,
                  sizeof c->next.openai_key) ||
        !take_key(gym, j->get_string(body, "anthropicKey", NULL), c->next.anthropic_key,
                  sizeof c->next.anthropic_key)) {
        change_drop(c);
        return api_problem(&gym->kit, req, 422, "secrets_disabled",
                           "Keys cannot be stored: the server has no secret_key");
    }
    call.user = c;
    gym->settings_asked = c->next; /* the next change builds on this one */
    if ((st = store_settings(gym, &c->next, &call)) != LATHE_OK)
        gym->settings_asked = gym->settings;
    return st;
}
