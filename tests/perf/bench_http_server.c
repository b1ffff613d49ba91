/* SPDX-License-Identifier: Apache-2.0 */
/* A server with one operation that returns a stored 200-byte object, to be loaded with wrk next to
 * nginx returning the same bytes. Prints its port as one JSON line; ends on SIGTERM or SIGINT with
 * the CPU time used and the requests answered. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "core/http/http.h"
#include "core/http/metrics.h"

static const char contract[] =
    "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Bench\",\"version\":\"1\"},\"paths\":{\"/api/"
    "stored\":{\"get\":{"
    "\"operationId\":\"stored\",\"responses\":{\"200\":{\"description\":\"ok\"}}}}}}";

static int32_t stored(void *self, struct lathe_request *req)
{
    static const char text[] = "{\"session_id\":\"session_1_1767225600\",\"scenario_id\":"
                               "\"customer_support\",\"framework\":"
                               "\"LangChain\",\"status\":\"running\",\"current_episode\":120,\"max_"
                               "episodes\":200,\"accuracy\":100.0,"
                               "\"avg\":11.7}";

    (void)self;
    return http_service()->respond(req, 200, "application/json", text, sizeof text - 1);
}

static const struct lathe_operation *const operations[] = {LATHE_OPERATION("stored", stored), NULL};
static const struct lathe_api api = {.struct_size = sizeof api,
                                     .title = "Bench",
                                     .openapi_json = contract,
                                     .operations = operations};

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    event_base_loopbreak(arg);
}

static double cpu_seconds(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (double)used.ru_utime.tv_sec + (double)used.ru_stime.tv_sec +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

int main(void)
{
    struct http_listener_config listener = {.address = "127.0.0.1"};
    struct http_surface surface = {.name = "bench", .api = &api};
    struct event_config *tuning = event_config_new();
    struct http_server *server = NULL;
    struct lathe_error err = {0};
    struct event_base *base;
    struct event *term, *intr;
    struct http_config cfg;
    double answered, cpu;

    signal(SIGPIPE, SIG_IGN);
    event_config_set_flag(tuning, EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(tuning);
    event_config_free(tuning);
    http_config_init(&cfg);
    cfg.listeners = &listener;
    cfg.n_listeners = 1;
    if (base == NULL || http_server_open(base, &cfg, &server, &err) != LATHE_OK ||
        http_server_mount(server, &surface, &err) != LATHE_OK ||
        http_server_start(server, &err) != LATHE_OK) {
        fprintf(stderr, "bench_http_server: %s\n", err.text);
        return 1;
    }
    term = evsignal_new(base, SIGTERM, on_signal, base);
    intr = evsignal_new(base, SIGINT, on_signal, base);
    event_add(term, NULL);
    event_add(intr, NULL);
    printf("{\"port\":%u}\n", (unsigned)http_server_port(server, 0));
    fflush(stdout);
    cpu = cpu_seconds();
    event_base_dispatch(base);
    cpu = cpu_seconds() - cpu;
    answered = http_metric_value(http_metrics_get(
        http_server_metrics(server), HTTP_METRIC_COUNTER, "lathe_http_requests_total",
        "Requests answered.", "surface=\"bench\",operation=\"stored\",status=\"200\""));
    printf("{\"requests\":%.0f,\"cpu_us_per_request\":%.2f}\n", answered,
           answered > 0 ? cpu * 1e6 / answered : 0);
    event_free(term);
    event_free(intr);
    http_server_close(server);
    event_base_free(base);
    return 0;
}
