/* Tokens and the state of the server. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/ctl/ctl.h"
#include "core/json/json.h"

#define LOG_MAX (16u << 20)

/* ---- tokens ---- */

/* Scopes of a role on every surface, or NULL after an error was printed. */
static const char *role_scope(const char *role)
{
    static const char *const scopes[][2] = {
        {"viewer", "*:read"}, {"trainer", "*:write"}, {"admin", "*:admin"}};
    size_t i;

    for (i = 0; i < 3; i++)
        if (!strcmp(scopes[i][0], role))
            return scopes[i][1];
    ctl_error("--role is viewer, trainer or admin, not \"%s\"", role);
    return NULL;
}

static void take_token(void *user, const char *line)
{
    const struct ctl *ctl = user;
    json_t *answer;

    if (!ctl->json) {
        puts(line);
        return;
    }
    answer = json_pack("{s:s,s:s}", "name", ctl_value(ctl, "name", "lathectl"), "token", line);
    ctl_print_json(answer);
    json_decref(answer);
}

/* What the server program says to people: its plain lines, not its log. 1 when it said something.
 */
static int pass_on(const char *file)
{
    char *text = NULL, *save = NULL, *line;
    size_t len = 0;
    int said = 0;

    if (io_read_file(file, LOG_MAX, &text, &len, NULL) != LATHE_OK)
        return 0;
    for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (line[0] == '{')
            continue;
        fprintf(stderr, "%s\n", line);
        said = 1;
    }
    mem_free(text);
    return said;
}

/* Runs lathed with its log in a temporary file. */
static int run_server_program(struct ctl *ctl, struct ctl_child *child)
{
    const char *tmp = getenv("TMPDIR");
    char log[CTL_PATH_MAX];
    int fd, code, said;

    snprintf(log, sizeof log, "%.4000s/lathectl-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if ((fd = mkostemp(log, O_CLOEXEC)) < 0)
        return ctl_fail(ctl, "io", "%s cannot be written", log);
    close(fd);
    child->stderr_path = log;
    code = ctl_child_run(ctl, child, NULL);
    said = code != 0 && pass_on(log);
    unlink(log);
    if (code == 0)
        return CTL_OK;
    return ctl_fail(ctl, "token_failed", "no token was made%s",
                    said ? "" : "; lathed ended without a reason");
}

/* The server program makes the token in its data directory: how the first one comes about. */
static int create_in_data(struct ctl *ctl)
{
    char program[CTL_PATH_MAX];
    const char *argv[12] = {program,
                            "--data",
                            ctl_value(ctl, "data", ""),
                            "--token",
                            ctl_value(ctl, "name", "lathectl"),
                            "--scopes"};
    struct ctl_child child = {argv, NULL, take_token, ctl};
    struct strbuf scopes;
    const char *scope;
    int i, n = 6, code;

    if (ctl_has(ctl, "expires")) {
        ctl_error("--expires needs a running server");
        return CTL_USAGE;
    }
    strbuf_init(&scopes);
    for (i = 0; (scope = ctl_value_at(ctl, "scope", i)) != NULL; i++)
        strbuf_addf(&scopes, "%s%s", i ? "," : "", scope);
    if (!i && (scope = role_scope(ctl_value(ctl, "role", "admin"))) != NULL)
        strbuf_adds(&scopes, scope);
    argv[n++] = scopes.data;
    if (ctl_has(ctl, "config")) {
        argv[n++] = "--config";
        argv[n++] = ctl_value(ctl, "config", "");
    }
    if (!scopes.len_bytes)
        code = CTL_USAGE;
    else
        code = ctl_program("lathed", program) ? run_server_program(ctl, &child) : CTL_FAILED;
    strbuf_fini(&scopes);
    return code;
}

static int create_token(struct ctl *ctl)
{
    json_t *body = json_object(), *scopes = json_array(), *reply;
    const char *scope;
    int64_t expires;
    int status, i;

    if (!ctl_int(ctl, "expires", 0, &expires)) {
        json_decref(scopes);
        json_decref(body);
        return CTL_USAGE;
    }
    for (i = 0; (scope = ctl_value_at(ctl, "scope", i)) != NULL; i++)
        json_array_append_new(scopes, json_string(scope));
    json_object_set_new(body, "name", json_string(ctl_value(ctl, "name", "lathectl")));
    if (json_array_size(scopes))
        json_object_set(body, "scopes", scopes);
    if (ctl_has(ctl, "role") || !json_array_size(scopes))
        json_object_set_new(body, "role", json_string(ctl_value(ctl, "role", "viewer")));
    if (expires)
        json_object_set_new(body, "expires_in", json_integer(expires));
    if (ctl_fetch(ctl, "POST", "/lathe/v1/tokens", body, &reply, &status)) {
        printf("%s\n", json_member_string(reply, "token", ""));
        json_decref(reply);
    }
    json_decref(scopes);
    json_decref(body);
    return status;
}

static int list_tokens(struct ctl *ctl)
{
    static const char *const heading[] = {"TOKEN", "NAME", "ROLE", "SCOPES", "CREATED", "EXPIRES"};
    struct ctl_table table = {0};
    json_t *reply, *token;
    int status;
    size_t i;

    if (!ctl_fetch(ctl, "GET", "/lathe/v1/tokens?limit=1000", NULL, &reply, &status))
        return status;
    ctl_table_row(&table, 6, heading);
    json_array_foreach(reply, i, token)
    {
        char *scopes = json_dup_text(json_object_get(token, "scopes"), 0, NULL);
        const char *cells[] = {json_member_string(token, "id", ""),
                               json_member_string(token, "name", ""),
                               json_member_string(token, "role", ""),
                               scopes,
                               json_member_string(token, "created_at", ""),
                               json_member_string(token, "expires_at", "")};

        ctl_table_row(&table, 6, cells);
        mem_free(scopes);
    }
    ctl_table_print(&table);
    json_decref(reply);
    return CTL_OK;
}

int ctl_tokens(struct ctl *ctl)
{
    const char *verb = ctl->n_args ? ctl->arg[0] : "list";
    char path[400];
    json_t *reply;
    int status;

    if (!strcmp(verb, "create") && ctl->n_args == 1)
        return ctl_has(ctl, "data") ? create_in_data(ctl) : create_token(ctl);
    if (!strcmp(verb, "list") && ctl->n_args < 2)
        return list_tokens(ctl);
    if (strcmp(verb, "revoke") != 0 || ctl->n_args != 2) {
        ctl_error("usage: lathectl tokens create | list | revoke ID");
        return CTL_USAGE;
    }
    ctl_path("tokens", ctl->arg[1], NULL, path);
    if (ctl_fetch(ctl, "DELETE", path, NULL, &reply, &status)) {
        printf("%s is revoked\n", ctl->arg[1]);
        json_decref(reply);
    }
    return status;
}

int ctl_status(struct ctl *ctl)
{
    json_t *reply;
    int status;

    if (ctl_fetch(ctl, "GET", "/lathe/v1/status", NULL, &reply, &status)) {
        ctl_print_record(reply);
        json_decref(reply);
    }
    return status;
}
