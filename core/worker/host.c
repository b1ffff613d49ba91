/* The host table that plugins of a worker see: log lines carry the plugin's id. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/json/json.h"
#include "core/worker/load.h"
#include "lathe/clock.h"
#include "lathe/metrics.h"
#include "lathe/run.h"

struct worker_host {
    struct lathe_host table; /* first: the table is handed out as a pointer to it */
    const char *plugin_id;
    const struct worker_services *services;
};

static int64_t clock_wall(const struct lathe_clock_service *clock)
{
    (void)clock;
    return clock_wall_ms();
}

static int64_t clock_mono(const struct lathe_clock_service *clock)
{
    (void)clock;
    return clock_mono_ns();
}

static const struct lathe_clock_service clock_service = {sizeof clock_service, 0, NULL, clock_wall,
                                                         clock_mono};

static const void *get_service(const struct lathe_host *host, const char *id)
{
    const struct worker_host *self = host->ctx;

    if (strcmp(id, LATHE_SERVICE_JSON) == 0)
        return json_service();
    if (strcmp(id, LATHE_SERVICE_CLOCK) == 0)
        return &clock_service;
    if (strcmp(id, LATHE_SERVICE_RUN) == 0)
        return self->services->run;
    if (strcmp(id, LATHE_SERVICE_METRICS) == 0)
        return self->services->metrics;
    return NULL;
}

static void add_field(struct strbuf *out, const struct lathe_field *field)
{
    strbuf_add_json_string(out, field->name, strlen(field->name));
    strbuf_addc(out, ':');
    if (field->type == LATHE_FIELD_FLOAT)
        strbuf_add_json_double(out, field->f);
    else if (field->type == LATHE_FIELD_STRING && field->str != NULL)
        strbuf_add_json_string(out, field->str, strlen(field->str));
    else if (field->type == LATHE_FIELD_STRING)
        strbuf_adds(out, "null");
    else if (field->type == LATHE_FIELD_BOOL)
        strbuf_adds(out, field->i ? "true" : "false");
    else
        strbuf_addf(out, "%lld", (long long)field->i);
}

static void send_log(const struct worker_host *self, int32_t level, const char *msg,
                     const struct lathe_field *const *fields)
{
    struct lathe_error err = {0};
    struct strbuf out;
    size_t i;

    strbuf_init(&out);
    strbuf_addf(&out, "{\"level\":%d,\"module\":", level);
    strbuf_add_json_string(&out, self->plugin_id, strlen(self->plugin_id));
    strbuf_adds(&out, ",\"message\":");
    strbuf_add_json_string(&out, msg, strlen(msg));
    strbuf_adds(&out, ",\"fields\":{");
    for (i = 0; fields != NULL && fields[i] != NULL; i++) {
        if (i > 0)
            strbuf_addc(&out, ',');
        add_field(&out, fields[i]);
    }
    strbuf_adds(&out, "}}");
    /* may run on any thread: the main thread notices a lost link by itself */
    if (!out.failed && link_send(self->services->control->link, LINK_LOG, out.data, out.len_bytes,
                                 &err) != LATHE_OK)
        log_debug("log frame not sent", F_STR("reason", err.text));
    strbuf_fini(&out);
}

static void host_log(const struct lathe_host *host, int32_t level, const char *msg,
                     const struct lathe_field *const *fields)
{
    const struct worker_host *self = host->ctx;
    static const struct lathe_field *const none[] = {NULL};

    log_event(level, self->plugin_id, msg, fields != NULL ? fields : none);
    if (level <= LATHE_LOG_INFO && self->services->control != NULL)
        send_log(self, level, msg, fields);
}

const struct lathe_host *host_new(const char *plugin_id, const struct worker_services *services)
{
    struct worker_host *self = mem_new(struct worker_host);

    if (self == NULL)
        return NULL;
    self->table.struct_size = sizeof self->table;
    self->table.abi_major = LATHE_ABI_MAJOR;
    self->table.abi_minor = LATHE_ABI_MINOR;
    self->table.ctx = self;
    self->table.get_service = get_service;
    self->table.log = host_log;
    self->plugin_id = plugin_id;
    self->services = services;
    return &self->table;
}

void host_set_id(const struct lathe_host *host, const char *plugin_id)
{
    struct worker_host *self = host->ctx;

    self->plugin_id = plugin_id;
}

void host_free(const struct lathe_host *host)
{
    if (host != NULL)
        mem_free(host->ctx);
}
