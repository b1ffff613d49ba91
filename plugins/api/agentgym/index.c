/* Index, health, and tickets for WebSockets. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "lathe/version.h"
#include "plugins/api/agentgym/gym.h"

int32_t op_index(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    struct text body = {0};
    struct jw w;

    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "message", "AgentGym API");
    jw_str(&w, "version", LATHE_VERSION_STRING);
    jw_obj(&w, "endpoints");
    jw_str(&w, "scenarios", "/api/scenarios");
    jw_str(&w, "training", "/api/training");
    jw_str(&w, "models", "/api/models");
    jw_str(&w, "settings", "/api/settings");
    jw_str(&w, "websocket", "/ws/training/{session_id}");
    jw_end_obj(&w);
    jw_end_obj(&w);
    return api_send(&gym->kit, req, 200, &body);
}

int32_t op_health(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    struct text body = {0};
    struct jw w;

    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "status", "ok");
    jw_str(&w, "version", LATHE_VERSION_STRING);
    jw_num(&w, "uptime_seconds",
           (double)(gym->kit.clock->mono_ns(gym->kit.clock) - gym->kit.open_ns) / 1000000000.0);
    jw_end_obj(&w);
    return api_send(&gym->kit, req, 200, &body);
}

int32_t op_ready(void *self, struct lathe_request *req)
{
    struct gym *gym = self;

    if (!gym->opened)
        return api_problem(&gym->kit, req, 503, "starting", "The store is being read");
    return op_health(self, req);
}

int32_t op_ticket(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    struct text body = {0};
    char ticket[64];
    struct jw w;
    int32_t st = gym->kit.http->ws_ticket(req, ticket);

    if (st == LATHE_E_LIMIT)
        return api_problem(&gym->kit, req, 429, "too_many_tickets", "Too many tickets are open");
    if (st != LATHE_OK)
        return st;
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "ticket", ticket);
    jw_int(&w, "expires_in", 30);
    jw_end_obj(&w);
    return api_send(&gym->kit, req, 200, &body);
}
