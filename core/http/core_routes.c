/* SPDX-License-Identifier: Apache-2.0 */
/* The server's own paths: index, health, readiness, plugins, metrics, contracts and their pages. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/http/conn.h"
#include "core/json/json.h"
#include "lathe/version.h"

static void send_buf(struct lathe_request *req, int32_t status, const char *type,
                     struct strbuf *out)
{
    if (out->failed)
        (void)problem_simple(req, 503, "no_memory", "Out of memory");
    else
        (void)reply_send(req, status, type, out->data, out->len_bytes);
    strbuf_fini(out);
}

static void add_json_text(struct strbuf *out, const char *text)
{
    strbuf_add_json_string(out, text, strlen(text));
}

static void add_html_text(struct strbuf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            strbuf_adds(out, "&lt;");
        else if (*text == '&')
            strbuf_adds(out, "&amp;");
        else if (*text == '"')
            strbuf_adds(out, "&quot;");
        else
            strbuf_addc(out, *text);
    }
}

static const char html_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
    "content=\"width=device-width\"><title>Lathe</title><style>body{font:16px/1.5 "
    "system-ui,sans-serif;"
    "max-width:60rem;margin:2rem auto;padding:0 "
    "1rem;color:#222}code{background:#f2f2f2;padding:.1em "
    ".3em}table{border-collapse:collapse}td{padding:.2em .8em .2em "
    "0;vertical-align:top}</style></head>"
    "<body>";

static const char *api_title(const struct http_mount *mount)
{
    return mount->api->title ? mount->api->title : mount->name;
}

static void index_html(struct lathe_request *req)
{
    const struct http_listener *listener = req->listener;
    struct strbuf out;

    strbuf_init(&out);
    strbuf_adds(&out, html_head);
    strbuf_adds(&out, "<h1>Lathe " LATHE_VERSION_STRING "</h1><p>Surfaces served here:</p><ul>");
    for (size_t i = 0; i < listener->n_mounts; i++) {
        strbuf_adds(&out, "<li>");
        add_html_text(&out, api_title(listener->mounts[i]));
        strbuf_addf(&out, " (%zu operations)</li>", listener->mounts[i]->contract->n_ops);
    }
    strbuf_adds(&out,
                "</ul><p><a href=\"/docs\">Try the API</a> &middot; <a href=\"/redoc\">Read the "
                "reference</a> &middot; <a href=\"/openapi.json\">openapi.json</a> &middot; "
                "<a href=\"/-/health\">health</a> &middot; <a href=\"/metrics\">metrics</a></p>"
                "</body></html>");
    (void)reply_add_header(req, "Vary", "Accept");
    send_buf(req, 200, "text/html; charset=utf-8", &out);
}

/* A contract may carry "x-lathe-index": members that its clients expect at "/". */
static void add_surface_index(json_t *index, const struct http_mount *mount)
{
    json_t *extra = json_object_get(mount->contract->doc, "x-lathe-index"), *value;
    const char *name;

    json_object_foreach(extra, name, value)
    {
        if (json_object_get(index, name) == NULL)
            (void)json_object_set(index, name, value);
    }
}

static void route_index(struct lathe_request *req)
{
    const struct http_listener *listener = req->listener;
    const char *accept = request_header(req, HDR_ACCEPT);
    json_t *index, *surfaces;
    struct strbuf out;

    if (accept != NULL && strstr(accept, "text/html") != NULL) {
        index_html(req);
        return;
    }
    surfaces = json_array();
    for (size_t i = 0; i < listener->n_mounts; i++)
        (void)json_array_append_new(
            surfaces,
            json_pack("{s:s, s:s, s:s, s:I}", "name", listener->mounts[i]->name, "title",
                      api_title(listener->mounts[i]), "prefix", listener->mounts[i]->prefix,
                      "operations", (json_int_t)listener->mounts[i]->contract->n_ops));
    index = json_pack("{s:s, s:s, s:o, s:{s:s, s:s, s:s, s:s, s:s, s:s}}", "name", "Lathe",
                      "version", LATHE_VERSION_STRING, "surfaces", surfaces, "links", "docs",
                      "/docs", "redoc", "/redoc", "openapi", "/openapi.json", "health", "/-/health",
                      "ready", "/-/ready", "metrics", "/metrics");
    for (size_t i = 0; i < listener->n_mounts; i++)
        add_surface_index(index, listener->mounts[i]);
    strbuf_init(&out);
    if (json_write_text(index, 0, &out) != LATHE_OK)
        out.failed = 1;
    json_decref(index);
    (void)reply_add_header(req, "Vary", "Accept");
    send_buf(req, 200, "application/json", &out);
}

static void route_health(struct lathe_request *req)
{
    struct strbuf out;

    strbuf_init(&out);
    strbuf_adds(&out,
                "{\"status\":\"ok\",\"version\":\"" LATHE_VERSION_STRING "\",\"uptime_seconds\":");
    strbuf_add_json_double(&out, (double)(conn_now_ms() - req->server->start_ms) / 1000.0);
    strbuf_addc(&out, '}');
    send_buf(req, 200, "application/json", &out);
}

static void route_ready(struct lathe_request *req)
{
    const struct http_config *cfg = &req->server->cfg;
    char why[200] = "draining";
    int ready = !req->server->draining;
    struct strbuf out;

    if (ready && cfg->ready != NULL)
        ready = cfg->ready(cfg->ctx, why, sizeof why);
    strbuf_init(&out);
    if (ready) {
        strbuf_adds(&out, "{\"status\":\"ok\"}");
    } else {
        strbuf_adds(&out, "{\"status\":\"unavailable\",\"reason\":");
        add_json_text(&out, why);
        strbuf_addc(&out, '}');
    }
    send_buf(req, ready ? 200 : 503, "application/json", &out);
}

static void route_plugins(struct lathe_request *req)
{
    const struct http_config *cfg = &req->server->cfg;
    struct strbuf out;

    strbuf_init(&out);
    if (cfg->plugins_json != NULL)
        cfg->plugins_json(cfg->ctx, &out);
    else
        strbuf_adds(&out, "[]");
    send_buf(req, 200, "application/json", &out);
}

static void route_metrics(struct lathe_request *req)
{
    const struct http_config *cfg = &req->server->cfg;
    struct strbuf out;

    strbuf_init(&out);
    http_metrics_write(req->server->metrics, &out);
    if (cfg->metrics_text != NULL)
        cfg->metrics_text(cfg->ctx, &out);
    send_buf(req, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
}

static void route_openapi(struct lathe_request *req)
{
    const char *text;
    size_t len;

    if (openapi_get(req->listener, &text, &len) == LATHE_OK)
        (void)reply_send(req, 200, "application/json", text, len);
    else
        (void)problem_simple(req, 503, "no_memory", "Out of memory");
}

/* --- pages
 * -----------------------------------------------------------------------------------------------
 */

static int asset_exists(const struct lathe_request *req, const char *rel)
{
    char path[1024];

    return req->server->cfg.www_dir != NULL &&
           snprintf(path, sizeof path, "%s/%s", req->server->cfg.www_dir, rel) < (int)sizeof path &&
           access(path, R_OK) == 0;
}

/* Without the packaged assets: every operation in a plain table. */
static void plain_docs(struct lathe_request *req)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    const struct http_listener *listener = req->listener;
    struct strbuf out;

    strbuf_init(&out);
    strbuf_adds(&out, html_head);
    strbuf_adds(&out,
                "<h1>Operations</h1><p>The interactive pages are not installed; the contract is "
                "<a href=\"/openapi.json\">openapi.json</a>.</p>");
    for (size_t i = 0; i < listener->n_mounts; i++) {
        const struct contract *contract = listener->mounts[i]->contract;

        strbuf_adds(&out, "<h2>");
        add_html_text(&out, api_title(listener->mounts[i]));
        strbuf_adds(&out, "</h2><table>");
        for (size_t k = 0; k < contract->n_ops; k++) {
            const struct http_op *op = contract->ops[k];

            strbuf_addf(&out, "<tr><td><code>%s</code></td><td><code>",
                        op->is_ws ? "WS" : names[op->method]);
            add_html_text(&out, op->path);
            strbuf_adds(&out, "</code></td><td>");
            add_html_text(&out, op->id);
            strbuf_adds(&out, "</td></tr>");
        }
        strbuf_adds(&out, "</table>");
    }
    strbuf_adds(&out, "</body></html>");
    send_buf(req, 200, "text/html; charset=utf-8", &out);
}

static void route_docs(struct lathe_request *req)
{
    static const char page[] =
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>API</title>"
        "<link rel=\"stylesheet\" href=\"/docs/swagger-ui.css\"></head><body><div id=\"ui\"></div>"
        "<script src=\"/docs/swagger-ui-bundle.js\"></script><script>window.ui=SwaggerUIBundle({"
        "url:'/openapi.json',dom_id:'#ui',deepLinking:true,persistAuthorization:true,"
        "validatorUrl:null})</script></body></html>";
    const char *path = req->head + req->path;
    char rel[256];

    if (strcmp(path, "/docs") == 0 || strcmp(path, "/docs/") == 0) {
        if (asset_exists(req, "swagger-ui/swagger-ui-bundle.js"))
            (void)reply_send(req, 200, "text/html; charset=utf-8", page, sizeof page - 1);
        else
            plain_docs(req);
        return;
    }
    if (snprintf(rel, sizeof rel, "swagger-ui/%s", path + 6) >= (int)sizeof rel ||
        !files_serve(req, req->server->cfg.www_dir, rel, "public, max-age=3600"))
        (void)problem_simple(req, 404, "not_found", "Not Found");
}

static void route_redoc(struct lathe_request *req)
{
    static const char *const scripts[] = {"redoc/redoc.standalone.js",
                                          "redoc/bundles/redoc.standalone.js"};
    const char *path = req->head + req->path;
    struct strbuf out;
    char rel[256];

    if (strcmp(path, "/redoc") == 0 || strcmp(path, "/redoc/") == 0) {
        for (size_t i = 0; i < 2; i++) {
            if (!asset_exists(req, scripts[i]))
                continue;
            strbuf_init(&out);
            strbuf_addf(&out,
                        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>API"
                        "</title></head><body style=\"margin:0\"><redoc spec-url=\"/openapi.json\">"
                        "</redoc><script src=\"/%s\"></script></body></html>",
                        scripts[i]);
            send_buf(req, 200, "text/html; charset=utf-8", &out);
            return;
        }
        plain_docs(req);
        return;
    }
    if (snprintf(rel, sizeof rel, "redoc/%s", path + 7) >= (int)sizeof rel ||
        !files_serve(req, req->server->cfg.www_dir, rel, "public, max-age=3600"))
        (void)problem_simple(req, 404, "not_found", "Not Found");
}

/* Pages of surfaces below www_dir/ui, one folder each; a folder stands for its index.html. */
static void route_ui(struct lathe_request *req)
{
    const char *path = req->head + req->path;
    size_t len = strlen(path);
    char rel[512], location[512];

    if (path[len - 1] == '/' &&
        snprintf(rel, sizeof rel, "%sindex.html", path + 1) < (int)sizeof rel &&
        files_serve(req, req->server->cfg.www_dir, rel, "no-cache"))
        return;
    if (files_serve(req, req->server->cfg.www_dir, path + 1, "no-cache"))
        return;
    if (strstr(path, "..") == NULL &&
        snprintf(rel, sizeof rel, "%s/index.html", path + 1) < (int)sizeof rel &&
        asset_exists(req, rel) &&
        snprintf(location, sizeof location, "%s/", path) < (int)sizeof location) {
        (void)reply_add_header(req, "Location", location);
        (void)reply_send(req, 308, NULL, NULL, 0);
        return;
    }
    (void)problem_simple(req, 404, "not_found", "Not Found");
}

static const struct http_core_route routes[] = {
    {"/", 0, 0, route_index},          {"/-/health", 0, 0, route_health},
    {"/-/ready", 0, 0, route_ready},   {"/-/plugins", 0, 1, route_plugins},
    {"/metrics", 0, 1, route_metrics}, {"/openapi.json", 0, 0, route_openapi},
    {"/docs", 1, 0, route_docs},       {"/redoc", 1, 0, route_redoc},
    {"/ui", 1, 0, route_ui},
};

const struct http_core_route *core_route_find(const char *path)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        size_t len = strlen(routes[i].path);

        if (strcmp(path, routes[i].path) == 0 ||
            (routes[i].is_prefix && strncmp(path, routes[i].path, len) == 0 && path[len] == '/'))
            return &routes[i];
    }
    return NULL;
}
