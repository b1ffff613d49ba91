/* A configuration schema as a commented default file and as Markdown. Recursion follows the schema.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/config/config.h"
#include "core/config/config_text.h"

static int32_t add_body(const struct config_section *schema, int indent, struct strbuf *out);

/* Lists are empty by default: one entry is shown as a comment. */
static int32_t add_list(const struct config_section *section, int indent, struct strbuf *out)
{
    struct strbuf example;
    int32_t st;

    strbuf_init(&example);
    strbuf_adds(&example, "{\n");
    st = add_body(section, 2, &example);
    strbuf_adds(&example, "}");
    strbuf_addf(out, "%*s%s = (\n", indent, "", section->name);
    for (const char *line = example.data; st == LATHE_OK && *line != '\0';) {
        size_t len = strcspn(line, "\n");
        strbuf_addf(out, "%*s#%s%.*s\n", indent + 2, "", len != 0 ? " " : "", (int)len, line);
        line += len + (line[len] == '\n');
    }
    strbuf_addf(out, "%*s);\n", indent, "");
    strbuf_fini(&example);
    return st;
}

static int32_t add_section(const struct config_section *section, int indent, struct strbuf *out)
{
    int32_t st;

    if (section->doc != NULL && section->doc[0] != '\0')
        conf_add_comment(out, indent, section->doc);
    if ((section->flags & CONFIG_LIST) != 0)
        return add_list(section, indent, out);
    strbuf_addf(out, "%*s%s = {\n", indent, "", section->name);
    st = add_body(section, indent + 2, out);
    strbuf_addf(out, "%*s};\n", indent, "");
    return st;
}

static int32_t add_body(const struct config_section *schema, int indent, struct strbuf *out)
{
    int32_t st = LATHE_OK;
    int first = 1;

    for (size_t i = 0; schema->options != NULL && schema->options[i] != NULL; i++) {
        if (!first)
            strbuf_addc(out, '\n');
        first = 0;
        if ((st = option_to_conf(schema->options[i], indent, out)) != LATHE_OK)
            return st;
    }
    for (size_t i = 0; schema->sections != NULL && schema->sections[i] != NULL; i++) {
        if (!first)
            strbuf_addc(out, '\n');
        first = 0;
        if ((st = add_section(schema->sections[i], indent, out)) != LATHE_OK)
            return st;
    }
    return st;
}

int32_t config_schema_to_conf(const struct config_section *schema, struct strbuf *out)
{
    int32_t st;

    if (schema->doc != NULL && schema->doc[0] != '\0') {
        conf_add_comment(out, 0, schema->doc);
        strbuf_addc(out, '\n');
    }
    st = add_body(schema, 0, out);
    return st == LATHE_OK && out->failed ? LATHE_E_NOMEM : st;
}

static int32_t add_chapter(const struct config_section *schema, const char *path,
                           struct strbuf *out)
{
    int32_t st = LATHE_OK;

    if (path[0] != '\0')
        strbuf_addf(out, "\n## `%s`%s\n\n", path,
                    (schema->flags & CONFIG_LIST) != 0 ? " (list of groups)" : "");
    if (schema->doc != NULL && schema->doc[0] != '\0')
        strbuf_addf(out, "%s\n\n", schema->doc);
    if (option_count(schema->options) != 0)
        st = options_to_markdown(schema->options, out);
    for (size_t i = 0; st == LATHE_OK && schema->sections != NULL && schema->sections[i] != NULL;
         i++) {
        char inner[256];
        snprintf(inner, sizeof inner, "%s%s%s", path, path[0] != '\0' ? "." : "",
                 schema->sections[i]->name);
        st = add_chapter(schema->sections[i], inner, out);
    }
    return st;
}

int32_t config_schema_to_markdown(const struct config_section *schema, struct strbuf *out)
{
    int32_t st = add_chapter(schema, "", out);

    return st == LATHE_OK && out->failed ? LATHE_E_NOMEM : st;
}
