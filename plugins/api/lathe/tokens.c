/* Bearer tokens over REST. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "plugins/api/lathe/native.h"

#define SCOPES_MAX 32

struct token_list {
    struct jw w;
    struct api_page page;
};

static void write_token(struct jw *w, const struct lathe_token_info *token, const char *secret)
{
    const char *const *scope;

    jw_obj(w, NULL);
    jw_str(w, "id", token->id);
    jw_str(w, "name", token->name);
    jw_str(w, "role", token->role);
    jw_arr(w, "scopes");
    for (scope = token->scopes; scope && *scope; scope++)
        jw_str(w, NULL, *scope);
    jw_end_arr(w);
    jw_time(w, "created_at", token->created_ms);
    jw_time(w, "expires_at", token->expires_ms);
    if (secret)
        jw_str(w, "token", secret);
    jw_end_obj(w);
}

static int32_t list_one(void *user, const struct lathe_token_info *token)
{
    struct token_list *l = user;

    if (api_page_take(&l->page))
        write_token(&l->w, token, NULL);
    return 0;
}

static int32_t no_tokens(const struct api_kit *kit, struct lathe_request *req)
{
    return api_problem(kit, req, 501, "unsupported", "this server keeps no tokens");
}

int32_t tokens_list(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    struct text body = {0};
    struct token_list l;

    if (!kit->tokens)
        return no_tokens(kit, req);
    jw_init(&l.w, &body);
    api_page_read(kit, req, &l.page);
    jw_arr(&l.w, NULL);
    kit->tokens->list(kit->tokens, list_one, &l);
    jw_end_arr(&l.w);
    api_page_header(kit, req, &l.page);
    return api_send(kit, req, 200, &body);
}

/* Finds the record of a fresh token, to answer with it. */
struct token_find {
    const char *id;
    size_t id_len;
    const char *secret;
    struct jw *w;
    int found;
};

static int32_t find_one(void *user, const struct lathe_token_info *token)
{
    struct token_find *f = user;

    if (strlen(token->id) != f->id_len || strncmp(token->id, f->id, f->id_len) != 0)
        return 0;
    write_token(f->w, token, f->secret);
    f->found = 1;
    return 1;
}

/* Scopes of a role on every surface. */
static const char *role_scope(const char *role)
{
    if (!strcmp(role, "viewer"))
        return "*:read";
    return !strcmp(role, "trainer") ? "*:write" : "*:admin";
}

static int32_t answer_created(const struct api_kit *kit, struct lathe_request *req,
                              const char *secret)
{
    const char *id = strchr(secret, '_'), *end = id ? strchr(id + 1, '_') : NULL;
    struct token_find f = {.secret = secret};
    struct text body = {0};
    struct jw w;

    jw_init(&w, &body);
    if (id && end) {
        f.id = id + 1;
        f.id_len = (size_t)(end - id - 1);
        f.w = &w;
        kit->tokens->list(kit->tokens, find_one, &f);
    }
    if (!f.found) {
        text_fini(&body);
        return LATHE_E_INTERNAL;
    }
    return api_send(kit, req, 201, &body);
}

int32_t tokens_create(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    const struct lathe_json_service *j = kit->json;
    const struct lathe_json *body = kit->http->body_json(req), *list = j->get(body, "scopes");
    const char *scopes[SCOPES_MAX + 1] = {NULL};
    struct lathe_token_info info = {.struct_size = sizeof info, .id = ""};
    int64_t expires_in = j->get_int(body, "expires_in", 0);
    struct lathe_error err = {0};
    char secret[LATHE_TOKEN_TEXT];
    uint32_t i;
    int32_t st;

    if (!kit->tokens)
        return no_tokens(kit, req);
    for (i = 0; i < j->count(list) && i < SCOPES_MAX; i++)
        scopes[i] = j->as_string(j->at(list, i), "", NULL);
    info.name = j->get_string(body, "name", "");
    info.role = j->get_string(body, "role", "");
    if (!i && !info.role[0])
        return api_problem(kit, req, 422, "validation_error", "give scopes or a role");
    if (!i)
        scopes[0] = role_scope(info.role);
    else if (i == 1 && !strcmp(scopes[0], "admin"))
        scopes[0] = "*:admin";
    info.scopes = scopes;
    info.expires_ms = expires_in ? kit->clock->wall_ms(kit->clock) + expires_in * 1000 : 0;
    if ((st = kit->tokens->create(kit->tokens, &info, secret, &err)) != LATHE_OK) {
        kit->http->set_error(req, &err);
        return st;
    }
    st = answer_created(kit, req, secret);
    memset(secret, 0, sizeof secret);
    return st;
}

/* Whether a token is there: one that was revoked is not. */
struct token_seek {
    const char *id;
    int found;
};

static int32_t seek_one(void *user, const struct lathe_token_info *token)
{
    struct token_seek *seek = user;

    seek->found |= !strcmp(token->id, seek->id);
    return seek->found;
}

int32_t tokens_delete(void *self, struct lathe_request *req)
{
    const struct api_kit *kit = &((struct native *)self)->kit;
    struct token_seek seek = {kit->http->path_param(req, "id"), 0};
    struct lathe_error err = {0};
    struct text body = {0};
    int32_t st;

    if (!kit->tokens)
        return no_tokens(kit, req);
    kit->tokens->list(kit->tokens, seek_one, &seek);
    if (!seek.found)
        return native_unknown(kit, req, "token");
    st = kit->tokens->revoke(kit->tokens, seek.id, &err);
    if (st != LATHE_OK) {
        kit->http->set_error(req, &err);
        return st;
    }
    text_adds(&body, "{\"status\":\"deleted\"}");
    return api_send(kit, req, 200, &body);
}
