/* Service "lathe.tokens/1": bearer tokens: list, make, revoke. Secrets are never given out again.
 * Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_TOKENS_H
#define LATHE_TOKENS_H

#include "lathe/status.h"

#define LATHE_SERVICE_TOKENS "lathe.tokens/1"

#define LATHE_TOKEN_TEXT 80 /* bytes of a token's text, the closing NUL included */

/* A token without its secret. Text is never NULL. Memory: borrowed for the call that gives it. */
struct lathe_token_info {
    uint32_t struct_size, reserved0;
    const char *id, *name, *role;
    const char *const *scopes; /* NULL-terminated: "agentgym:write", "*:admin" */
    int64_t created_ms;
    int64_t expires_ms; /* 0: never */
};

/* Returns 0 to go on, anything else to stop the listing. */
typedef int32_t (*lathe_token_visit_fn)(void *user, const struct lathe_token_info *token);

struct lathe_tokens_service {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */

    /* Visits every token that was not revoked, oldest first. Thread: [loop]. Since 1.0. */
    void (*list)(const struct lathe_tokens_service *tokens, lathe_token_visit_fn visit, void *user);

    /* Makes a token and stores its hash; its text, which opens with "lathe_" and its id, is in out
     * and nowhere else. token gives name, role ("" : from the strongest scope), scopes and
     * expires_ms; its id and created_ms are ignored.
     * Errors: LATHE_E_INVALID with err->field, LATHE_E_LIMIT, LATHE_E_IO. Thread: [loop].
     * Since 1.0. */
    int32_t (*create)(const struct lathe_tokens_service *tokens,
                      const struct lathe_token_info *token, char out[LATHE_TOKEN_TEXT],
                      struct lathe_error *err);

    /* Ends a token at once. Errors: LATHE_E_NOT_FOUND, LATHE_E_IO. Thread: [loop]. Since 1.0. */
    int32_t (*revoke)(const struct lathe_tokens_service *tokens, const char *id,
                      struct lathe_error *err);
};

#endif
