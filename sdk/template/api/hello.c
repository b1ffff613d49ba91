/* hello: a REST surface with one operation, GET /hello/{name}. The contract below is the single
 * source: the server routes, validates and documents from it, and refuses to load when an operation
 * has no handler or a handler no operation. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <lathe/api.h>
#include <lathe/http.h>
#include <lathe/plugin.h>
#include <stdio.h>
#include <stdlib.h>

static const char contract[] =
    "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Hello\",\"version\":\"0.1.0\"},\"paths\":{"
    "\"/hello/{name}\":{\"get\":{\"operationId\":\"sayHello\",\"summary\":\"Greets somebody\","
    "\"parameters\":[{\"name\":\"name\",\"in\":\"path\",\"required\":true,"
    "\"schema\":{\"type\":\"string\",\"pattern\":\"^[A-Za-z]{1,40}$\"}}],"
    "\"responses\":{\"200\":{\"description\":\"The greeting\",\"content\":{\"application/json\":{"
    "\"schema\":{\"type\":\"object\",\"required\":[\"greeting\"],"
    "\"properties\":{\"greeting\":{\"type\":\"string\"}}}}}}}}}}}";

struct hello {
    const struct lathe_http_service *http;
};

static int32_t say_hello(void *self, struct lathe_request *req)
{
    const struct lathe_http_service *http = ((struct hello *)self)->http;
    char body[128]; /* the contract limits the name to 40 letters */
    int n =
        snprintf(body, sizeof body, "{\"greeting\":\"Hello, %s!\"}", http->path_param(req, "name"));

    return http->respond(req, 200, "application/json", body, (uint64_t)n);
}

static int32_t hello_open(const struct lathe_host *host, const struct lathe_params *params,
                          struct lathe_error *err, void **self)
{
    struct hello *hello = calloc(1, sizeof *hello);

    (void)params;
    (void)err;
    if (hello == NULL)
        return LATHE_E_NOMEM;
    hello->http = host->get_service(host, LATHE_SERVICE_HTTP); /* promised by needs[] */
    *self = hello;
    return LATHE_OK;
}

static void hello_close(void *self)
{
    free(self);
}

static const struct lathe_operation *const operations[] = {LATHE_OPERATION("sayHello", say_hello),
                                                           NULL};

static const struct lathe_api hello_api = {.struct_size = sizeof hello_api,
                                           .title = "Hello",
                                           .openapi_json = contract,
                                           .operations = operations,
                                           .open = hello_open,
                                           .close = hello_close};

static const char *const needs[] = {LATHE_SERVICE_HTTP, NULL};
static const struct lathe_component component = {
    sizeof component, 0, LATHE_KIND_API, "hello", "Greets.", &hello_api, needs, NULL};
static const struct lathe_component *const components[] = {&component, NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {
    LATHE_PLUGIN_HEADER,           "org.example.hello", "0.1.0", "Apache-2.0",
    "A REST surface on one page.", components,          NULL,    NULL};
