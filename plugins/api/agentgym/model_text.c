/* The JSON of a model, kept as text: a stored model is read far more often than it changes, and its
 * record holds more JSON than its answer. An entry is good while the record's time of change is the
 * same. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/gym.h"

#define BUCKETS 256u

struct model_text {
    struct model_text *next;
    int64_t updated_ms;
    char *scenario;
    struct text text;
    char id[];
};

static uint32_t bucket_of(const char *id)
{
    uint32_t hash = 2166136261u;

    for (; *id != '\0'; id++)
        hash = (hash ^ (unsigned char)*id) * 16777619u;
    return hash % BUCKETS;
}

static void entry_free(struct model_text *entry)
{
    free(entry->scenario);
    text_fini(&entry->text);
    free(entry);
}

void model_texts_forget(struct gym *gym, const char *id)
{
    if (gym->model_texts == NULL)
        return;
    for (struct model_text **at = &gym->model_texts[bucket_of(id)]; *at; at = &(*at)->next)
        if (strcmp((*at)->id, id) == 0) {
            struct model_text *entry = *at;
            *at = entry->next;
            entry_free(entry);
            return;
        }
}

void model_texts_close(struct gym *gym)
{
    for (uint32_t i = 0; gym->model_texts != NULL && i < BUCKETS; i++)
        while (gym->model_texts[i] != NULL) {
            struct model_text *entry = gym->model_texts[i];
            gym->model_texts[i] = entry->next;
            entry_free(entry);
        }
    free(gym->model_texts);
    gym->model_texts = NULL;
}

static struct model_text *entry_new(struct gym *gym, const struct lathe_model_info *model)
{
    const struct lathe_json_service *j = gym->kit.json;
    size_t id_len = strlen(model->id);
    struct model_text *entry = calloc(1, sizeof *entry + id_len + 1);
    struct lathe_json *facts;
    struct jw w;

    if (entry == NULL)
        return NULL;
    memcpy(entry->id, model->id, id_len);
    entry->updated_ms = model->updated_ms;
    facts = model_facts(gym, model);
    entry->scenario = strdup(j->get_string(facts, "scenario", ""));
    jw_init(&w, &entry->text);
    model_render(gym, &w, model, facts);
    j->release(facts);
    if (entry->scenario == NULL || entry->text.failed) {
        entry_free(entry);
        return NULL;
    }
    return entry;
}

const struct text *model_text(struct gym *gym, const struct lathe_model_info *model,
                              const char **scenario)
{
    struct model_text **at, *entry;

    if (gym->model_texts == NULL)
        gym->model_texts = calloc(BUCKETS, sizeof(struct model_text *));
    if (gym->model_texts == NULL)
        return NULL;
    at = &gym->model_texts[bucket_of(model->id)];
    for (entry = *at; entry != NULL; entry = entry->next)
        if (strcmp(entry->id, model->id) == 0 && entry->updated_ms == model->updated_ms)
            break;
    if (entry == NULL) {
        model_texts_forget(gym, model->id);
        entry = entry_new(gym, model);
        if (entry == NULL)
            return NULL;
        entry->next = *at;
        *at = entry;
    }
    if (scenario != NULL)
        *scenario = entry->scenario;
    return &entry->text;
}
