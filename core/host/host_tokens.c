/* Service "lathe.tokens/1" over the token store of core/http. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/host/host_internal.h"
#include "core/http/auth.h"

static struct http_auth *auth_of(const struct lathe_tokens_service *tokens)
{
    return ((const struct host_plugin *)tokens->ctx)->parts->auth;
}

static void list(const struct lathe_tokens_service *tokens, lathe_token_visit_fn visit, void *user)
{
    size_t cursor = 0;
    const struct http_token *t;
    while ((t = http_auth_next(auth_of(tokens), &cursor)) != NULL) {
        const struct lathe_token_info info = {sizeof info, 0,         t->id,         t->name,
                                              t->role,     t->scopes, t->created_ms, t->expires_ms};
        if (!t->revoked && visit(user, &info) != 0)
            return;
    }
}

static int32_t create(const struct lathe_tokens_service *tokens,
                      const struct lathe_token_info *token, char out[LATHE_TOKEN_TEXT],
                      struct lathe_error *err)
{
    const char *role = token->role != NULL && token->role[0] != '\0' ? token->role : NULL;
    _Static_assert(LATHE_TOKEN_TEXT >= HTTP_TOKEN_TEXT, "a token's text fits");
    return http_auth_create(auth_of(tokens), token->name, role, token->scopes, token->expires_ms,
                            out, err);
}

static int32_t revoke(const struct lathe_tokens_service *tokens, const char *id,
                      struct lathe_error *err)
{
    return http_auth_revoke(auth_of(tokens), id, err);
}

void host_tokens_fill(struct host_plugin *p)
{
    p->tokens = (struct lathe_tokens_service){sizeof p->tokens, 0, p, list, create, revoke};
}
