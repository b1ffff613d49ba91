/* Idempotency keys of starts: a key that was used answers again, and while its first request is
 * being stored the others wait for it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/gym.h"

#define KEPT_MS (24 * 3600 * 1000LL)

/* A request that waits for the first one with its key. */
struct waiter {
    struct waiter *next;
    struct lathe_request *req;
};

/* A key whose session is being stored. */
struct flight {
    struct flight *next;
    int64_t number;
    struct waiter *waiters; /* oldest first */
    char key[GYM_KEY_MAX + 1];
};

struct search {
    struct gym *gym;
    const char *key, *hash;
    int64_t oldest_ms;
    const struct lathe_job_info *job;
    int conflict;
};

static int32_t find_key(void *user, const struct lathe_job_info *job)
{
    struct search *r = user;
    const struct lathe_json_service *j = r->gym->kit.json;
    const struct session *s;

    if (job->created_ms < r->oldest_ms)
        return 1;
    if (!strstr(job->extra, "idempotency_key") || !(s = session_get(r->gym, job)) ||
        strcmp(j->get_string(s->extra, "idempotency_key", ""), r->key) != 0)
        return 0;
    r->job = job;
    r->conflict = strcmp(j->get_string(s->extra, "idempotency_hash", ""), r->hash) != 0;
    return 1;
}

/* Parks req behind the first request with its key. */
static int32_t wait_for(struct gym *gym, struct flight *flight, struct lathe_request *req)
{
    struct waiter **at = &flight->waiters, *w = calloc(1, sizeof *w);

    if (!w)
        return LATHE_E_NOMEM;
    w->req = gym->kit.http->acquire(req);
    while (*at)
        at = &(*at)->next;
    *at = w;
    return LATHE_OK;
}

int32_t start_replay(struct gym *gym, struct lathe_request *req, const char *key, const char *hash)
{
    struct search r = {gym, key, hash, 0, NULL, 0};
    struct flight *flight = gym->flights;
    const struct session *s;

    while (flight && strcmp(flight->key, key) != 0)
        flight = flight->next;
    if (flight)
        return wait_for(gym, flight, req);
    r.oldest_ms = gym->kit.clock->wall_ms(gym->kit.clock) - KEPT_MS;
    gym->kit.jobs->list(gym->kit.jobs, GYM_OWNER, find_key, &r);
    if (!r.job)
        return LATHE_AGAIN;
    if (r.conflict)
        return api_problem(&gym->kit, req, 409, "idempotency_conflict",
                           "This Idempotency-Key was used with another body; take a new key");
    s = session_get(gym, r.job);
    return answer_started(gym, req, r.job,
                          gym->kit.json->get_string(s->extra, "initial_status", "pending"));
}

int64_t flight_begin(struct gym *gym, const char *key)
{
    struct flight *flight = calloc(1, sizeof *flight);

    if (!flight)
        return 0;
    strncpy(flight->key, key, GYM_KEY_MAX);
    flight->number = ++gym->last_flight;
    flight->next = gym->flights;
    gym->flights = flight;
    return flight->number;
}

/* Each waiter starts over: it finds the session, or makes it when the first request failed; then
 * the rest wait for that one. */
static void waiter_go_on(struct gym *gym, struct waiter *w)
{
    int32_t st = op_start(gym, w->req);

    if (st != LATHE_OK)
        gym->kit.http->respond_error(w->req, st, NULL, NULL);
    gym->kit.http->release(w->req);
    free(w);
}

void flight_end(struct gym *gym, int64_t number)
{
    struct flight **at = &gym->flights, *flight;
    struct waiter *w;

    while (*at && (*at)->number != number)
        at = &(*at)->next;
    if (!(flight = *at))
        return;
    *at = flight->next;
    while ((w = flight->waiters) != NULL) {
        flight->waiters = w->next;
        waiter_go_on(gym, w);
    }
    free(flight);
}

void flights_close(struct gym *gym)
{
    struct flight *flight;
    struct waiter *w;

    while ((flight = gym->flights) != NULL) {
        gym->flights = flight->next;
        while ((w = flight->waiters) != NULL) {
            flight->waiters = w->next;
            gym->kit.http->release(w->req);
            free(w);
        }
        free(flight);
    }
}
