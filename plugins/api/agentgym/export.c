/* Exports: the bundle that import takes back, the policy as a table, and tool sets for agent
 * frameworks with the policy in words. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/bundle.h"
#include "plugins/api/agentgym/table.h"

#define MODEL_MAX_BYTES (48u << 20)

enum format { BUNDLE, TABLE, OPENAI, LANGCHAIN, AUTOGEN, CREWAI, FORMATS };

static const char *const format_names[] = {"bundle",    "table",   "openai",
                                           "langchain", "autogen", "crewai"};

static void attachment(const struct api_kit *kit, struct lathe_request *req, const char *name,
                       const char *suffix)
{
    char safe[80], line[160];
    size_t i;

    for (i = 0; name[i] && i + 1 < sizeof safe; i++)
        safe[i] = (char)(isalnum((unsigned char)name[i]) || strchr("._-", name[i]) ? name[i] : '_');
    safe[i] = '\0';
    snprintf(line, sizeof line, "attachment; filename=\"%s%s\"", safe, suffix);
    kit->http->add_header(req, "Content-Disposition", line);
}

/* ---- bundle ---- */

static void write_json(const struct lathe_json_service *j, struct jw *w, const char *name,
                       const struct lathe_json *value)
{
    char *text = value ? j->dup_text(value, 0, NULL) : NULL;

    jw_raw(w, name, text);
    j->free_text(text);
}

/* The parts of a fresh bundle, as one JSON object: what import keeps, so that a second export is
 * the same text. */
static struct lathe_json *bundle_parts(struct gym *gym, const struct lathe_model_info *model,
                                       const struct lathe_json *facts)
{
    const struct lathe_json_service *j = gym->kit.json;
    const struct scenario *s = scenario_find(gym, j->get_string(facts, "scenario", ""));
    struct lathe_json *parts = j->object(j), *part;
    struct text object = {0};
    struct jw w;

    jw_init(&w, &object);
    model_write(gym, &w, NULL, model);
    j->set(parts, "model", api_parse(&gym->kit, text_get(&object)));
    text_fini(&object);
    j->set(parts, "scenario", s ? api_parse(&gym->kit, s->definition) : j->object(j));
    part = j->object(j);
    j->set_string(part, "id", model->algorithm_id);
    j->set(part, "options", api_parse(&gym->kit, model->algorithm_options));
    j->set(parts, "algorithm", part);
    j->set(parts, "evaluation",
           j->get(facts, "metrics") ? j->copy(j->get(facts, "metrics")) : j->object(j));
    j->set(parts, "training",
           j->get(facts, "training") ? j->copy(j->get(facts, "training")) : j->object(j));
    return parts;
}

static void bundle_loaded(void *user, int32_t status, const struct lathe_artifact_result *result)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    const struct lathe_json_service *j = gym->kit.json;
    const struct lathe_model_info *model = gym->kit.models->get(gym->kit.models, park->arg);
    struct lathe_json *facts, *parts;
    struct text body = {0};
    struct jw w;

    if (status != LATHE_OK || !model) {
        gym->kit.http->respond_error(park->req, status ? status : LATHE_E_NOT_FOUND, NULL,
                                     result->error);
        return;
    }
    facts = model_facts(gym, model);
    parts = j->get(facts, "bundle") ? j->copy(j->get(facts, "bundle"))
                                    : bundle_parts(gym, model, facts);
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "format", "agentgym-model/1");
    write_json(j, &w, "model", j->get(parts, "model"));
    write_json(j, &w, "scenario", j->get(parts, "scenario"));
    write_json(j, &w, "algorithm", j->get(parts, "algorithm"));
    bundle_weights_write(&gym->kit, &w, result->data, result->size_bytes);
    jw_null(&w, "normalisation");
    write_json(j, &w, "evaluation", j->get(parts, "evaluation"));
    write_json(j, &w, "training", j->get(parts, "training"));
    jw_end_obj(&w);
    attachment(&gym->kit, park->req, j->as_string(j->pointer(parts, "/model/name"), "model", NULL),
               ".agym.json");
    j->release(parts);
    j->release(facts);
    api_send(&gym->kit, park->req, 200, &body);
}

static int32_t export_bundle(struct gym *gym, struct lathe_request *req,
                             const struct lathe_model_info *model)
{
    struct lathe_artifact_call call = {sizeof call, 0, bundle_loaded, api_park_drop, NULL};

    if (!(call.user = api_park_new(&gym->kit, gym, req, model->id)))
        return LATHE_E_NOMEM;
    return gym->kit.artifact->load(gym->kit.artifact, model->artifact_sha256, MODEL_MAX_BYTES,
                                   &call);
}

/* ---- what is made from the table ---- */

static void write_table(struct jw *w, const struct scenario *s, const struct table *table)
{
    uint32_t i;

    jw_str(w, "format", "agentgym-policy-table/1");
    jw_str(w, "scenario", s->id);
    jw_str(w, "scenario_sha256", s->sha256);
    jw_arr(w, "rows");
    for (i = 0; i < table->n_rows; i++) {
        const struct table_row *row = &table->rows[i];

        jw_obj(w, NULL);
        table_state_write(w, "state", s, &row->state);
        jw_str(w, "action", (int)row->action < s->n_tools ? s->tool[row->action] : "");
        jw_num(w, "probability", row->probability);
        jw_num(w, "visits", row->visits);
        jw_end_obj(w);
    }
    jw_end_arr(w);
    jw_num(w, "coverage", table->coverage);
}

static void make_prompt(struct text *out, const struct scenario *s, const struct table *table)
{
    text_addf(out,
              "You work on tickets of the scenario %s. %s\nCall one tool at a time. Call the "
              "tool that the first fitting rule names; the commonest situations come first.\n",
              s->name, s->description);
    table_rules(out, s, table);
}

static void write_mcp_url(struct jw *w, const char *name, const char *base, const char *model)
{
    char url[320];

    snprintf(url, sizeof url, "%s/mcp/models/%s", base, model);
    jw_str(w, name, url);
}

static void write_langchain(struct jw *w, const char *base, const char *model)
{
    jw_obj(w, "mcp_connections");
    jw_obj(w, "agentgym");
    jw_str(w, "transport", "streamable_http");
    write_mcp_url(w, "url", base, model);
    jw_end_obj(w);
    jw_end_obj(w);
}

/* "http://host:8000" -> scheme, host, port */
static void split_url(const char *base, char scheme[8], char host[200], int *port)
{
    const char *rest = strstr(base, "://"), *colon;

    snprintf(scheme, 8, "%s", !strncmp(base, "https", 5) ? "https" : "http");
    rest = rest ? rest + 3 : base;
    colon = strrchr(rest, ':');
    if (colon && strchr(colon, ']'))
        colon = NULL; /* inside an IPv6 address */
    *port = colon ? atoi(colon + 1) : !strcmp(scheme, "https") ? 443 : 80;
    snprintf(host, 200, "%.*s", colon ? (int)(colon - rest) : (int)strlen(rest), rest);
}

static void write_http_tool(struct jw *w, const char *base, const char *model)
{
    char scheme[8], host[200], path[128];
    int port;

    split_url(base, scheme, host, &port);
    snprintf(path, sizeof path, "/api/models/%s/act", model);
    jw_obj(w, NULL);
    jw_str(w, "provider", "autogen_ext.tools.http.HttpTool");
    jw_str(w, "component_type", "tool");
    jw_int(w, "version", 1);
    jw_obj(w, "config");
    jw_str(w, "name", "recommend_next_tool");
    jw_str(w, "description", "The tool that the trained policy would call next.");
    jw_str(w, "scheme", scheme);
    jw_str(w, "host", host);
    jw_int(w, "port", port);
    jw_str(w, "path", path);
    jw_str(w, "method", "POST");
    jw_raw(w, "headers", "{}");
    jw_raw(w, "json_schema",
           "{\"type\":\"object\",\"properties\":{\"state\":{\"type\":\"object\"}},"
           "\"required\":[\"state\"]}");
    jw_str(w, "return_type", "json");
    jw_end_obj(w);
    jw_end_obj(w);
}

static void write_autogen(struct jw *w, const char *base, const struct lathe_model_info *model,
                          const char *prompt)
{
    jw_str(w, "provider", "autogen_agentchat.agents.AssistantAgent");
    jw_str(w, "component_type", "agent");
    jw_int(w, "version", 1);
    jw_obj(w, "config");
    jw_str(w, "name", "agentgym_agent");
    jw_str(w, "description", model->name);
    jw_str(w, "system_message", prompt);
    jw_obj(w, "model_client");
    jw_str(w, "provider", "autogen_ext.models.openai.OpenAIChatCompletionClient");
    jw_str(w, "component_type", "model");
    jw_int(w, "version", 1);
    jw_raw(w, "config", "{\"model\":\"${OPENAI_MODEL}\",\"api_key\":\"${OPENAI_API_KEY}\"}");
    jw_end_obj(w);
    jw_arr(w, "tools");
    write_http_tool(w, base, model->id);
    jw_end_arr(w);
    jw_bool(w, "reflect_on_tool_use", 0);
    jw_end_obj(w);
}

static void write_crewai(struct jw *w, const char *base, const struct lathe_model_info *model,
                         const struct scenario *s, const char *prompt)
{
    jw_obj(w, "agents");
    jw_obj(w, "agentgym_agent");
    jw_str(w, "role", s->name);
    jw_str(w, "goal", s->description);
    jw_str(w, "backstory", prompt);
    jw_str(w, "llm", "${OPENAI_MODEL}");
    jw_arr(w, "mcps");
    if (!strncmp(base, "https", 5)) {
        write_mcp_url(w, NULL, base, model->id);
    } else { /* the short form takes https only */
        jw_obj(w, NULL);
        jw_str(w, "transport", "streamable-http");
        write_mcp_url(w, "url", base, model->id);
        jw_end_obj(w);
    }
    jw_end_arr(w);
    jw_end_obj(w);
    jw_end_obj(w);
    jw_obj(w, "tasks");
    jw_obj(w, "work_on_ticket");
    jw_str(w, "description", "Work on the ticket {ticket} until a final tool was accepted.");
    jw_str(w, "expected_output", "The tools that were called, and the outcome.");
    jw_str(w, "agent", "agentgym_agent");
    jw_end_obj(w);
    jw_end_obj(w);
}

static void write_export(struct jw *w, enum format format, const char *base,
                         const struct lathe_model_info *model, const struct scenario *s,
                         const struct table *table)
{
    struct text prompt = {0};

    jw_obj(w, NULL);
    if (format == TABLE) {
        write_table(w, s, table);
        jw_end_obj(w);
        return;
    }
    make_prompt(&prompt, s, table);
    if (format == OPENAI || format == LANGCHAIN) {
        tools_write(w, "tools", s);
        jw_str(w, "system_prompt", text_get(&prompt));
    }
    if (format == LANGCHAIN)
        write_langchain(w, base, model->id);
    else if (format == AUTOGEN)
        write_autogen(w, base, model, text_get(&prompt));
    else if (format == CREWAI)
        write_crewai(w, base, model, s, text_get(&prompt));
    if (format != AUTOGEN) /* a component file takes no members of its own */
        jw_str(w, "tested_with", "untested");
    jw_end_obj(w);
    w->out->failed |= prompt.failed;
    text_fini(&prompt);
}

static void table_ready(void *user, int32_t status, const struct table *table,
                        const struct lathe_error *err)
{
    struct api_park *park = user;
    struct gym *gym = park->self;
    const struct lathe_model_info *model = gym->kit.models->get(gym->kit.models, park->arg);
    struct lathe_json *facts = model ? model_facts(gym, model) : NULL;
    const struct scenario *s = scenario_find(gym, gym->kit.json->get_string(facts, "scenario", ""));
    enum format format = (enum format)park->number;
    char suffix[32];
    struct text body = {0};
    struct jw w;

    gym->kit.json->release(facts);
    if (status != LATHE_OK || !model || !s) {
        gym->kit.http->respond_error(park->req, status ? status : LATHE_E_NOT_FOUND, NULL, err);
        return;
    }
    jw_init(&w, &body);
    write_export(&w, format, gym->kit.http->base_url(park->req), model, s, table);
    snprintf(suffix, sizeof suffix, ".%s.json", format_names[format]);
    attachment(&gym->kit, park->req, model->name, suffix);
    api_send(&gym->kit, park->req, 200, &body);
}

static int32_t export_table(struct gym *gym, struct lathe_request *req,
                            const struct lathe_model_info *model, enum format format)
{
    struct lathe_json *facts = model_facts(gym, model);
    const struct scenario *s = scenario_find(gym, gym->kit.json->get_string(facts, "scenario", ""));
    struct lathe_error err = {0};
    struct api_park *park;
    int32_t st;

    gym->kit.json->release(facts);
    if (!s)
        return gym_not_found(&gym->kit, req, "scenario_not_found");
    if (!(park = api_park_new(&gym->kit, gym, req, model->id)))
        return LATHE_E_NOMEM;
    park->number = format;
    st = table_build(gym, park->arg, s, table_ready, park, api_park_drop, &err);
    if (st != LATHE_OK)
        gym->kit.http->set_error(req, &err);
    return st;
}

int32_t op_export(void *self, struct lathe_request *req)
{
    struct gym *gym = self;
    const char *asked = gym->kit.http->query(req, "format");
    const struct lathe_model_info *model = model_find(gym, req);
    int format = 0;

    if (!model)
        return LATHE_OK;
    while (asked && format < FORMATS && strcmp(format_names[format], asked) != 0)
        format++;
    if (format == BUNDLE || format == FORMATS)
        return export_bundle(gym, req, model);
    return export_table(gym, req, model, (enum format)format);
}
