/* Bundles: the weights of a model file in the order of its layers, and back. What is no plain
 * network of float32 layers, a table for one, travels as the whole file. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/api/agentgym/bundle.h"

#define UNITS_MAX (1 << 20) /* of one layer */

/* ---- model files: 8 bytes of length, a JSON header, tensors ---- */

static uint64_t header_bytes(const unsigned char *file, uint64_t len)
{
    uint64_t size = 0;
    int i;

    for (i = 0; i < 8 && len > 8; i++)
        size |= (uint64_t)file[i] << (8 * i);
    return len > 8 && size <= len - 8 ? size : 0;
}

struct lathe_json *bundle_header(const struct api_kit *kit, const unsigned char *file, uint64_t len,
                                 uint64_t *tensors_at)
{
    const uint64_t size = header_bytes(file, len);
    struct lathe_json *header = NULL;

    *tensors_at = 8 + size;
    if (!size || kit->json->parse(kit->json, (const char *)file + 8, (size_t)size, NULL, &header,
                                  NULL) != LATHE_OK)
        return NULL;
    if (kit->json->type(header) == LATHE_JSON_OBJECT)
        return header;
    kit->json->release(header);
    return NULL;
}

/* ---- layers ---- */

/* Copies between the tensors of a file and the same numbers in the order of the layers. */
struct mover {
    const struct lathe_json_service *j;
    const struct lathe_json *header;
    unsigned char *tensors, *flat;
    uint64_t len_bytes; /* of either */
    uint64_t at;        /* in flat */
    uint32_t moved;
    int to_flat;
};

/* 1 when the tensor is there with just so many float32 numbers. */
static int move_tensor(struct mover *m, const char *layer, const char *part, uint64_t bytes)
{
    const struct lathe_json *tensor, *offsets;
    int64_t from, to;
    char name[128];

    snprintf(name, sizeof name, "%.100s.%s", layer, part);
    tensor = m->j->get(m->header, name);
    offsets = m->j->get(tensor, "data_offsets");
    from = m->j->as_int(m->j->at(offsets, 0), -1);
    to = m->j->as_int(m->j->at(offsets, 1), -1);
    if (strcmp(m->j->get_string(tensor, "dtype", ""), "F32") != 0 || from < 0 || to < from ||
        (uint64_t)to > m->len_bytes || (uint64_t)(to - from) != bytes ||
        bytes > m->len_bytes - m->at)
        return 0;
    if (m->to_flat)
        memcpy(m->flat + m->at, m->tensors + from, bytes);
    else
        memcpy(m->tensors + from, m->flat + m->at, bytes);
    m->at += bytes;
    m->moved++;
    return 1;
}

static int move_layers(struct mover *m, const struct lathe_json *layers)
{
    uint32_t i;

    for (i = 0; i < m->j->count(layers); i++) {
        const struct lathe_json *layer = m->j->at(layers, i);
        const char *name = m->j->get_string(layer, "tensor", "");
        int64_t in = m->j->get_int(layer, "in", 0), out = m->j->get_int(layer, "out", 0);

        if (in < 1 || out < 1 || in > UNITS_MAX || out > UNITS_MAX ||
            !move_tensor(m, name, "weight", (uint64_t)in * (uint64_t)out * 4) ||
            !move_tensor(m, name, "bias", (uint64_t)out * 4))
            return 0;
    }
    return 1;
}

/* 1 when the layers of network are all there is in the file. */
static int move_network(struct mover *m, const struct lathe_json *network)
{
    const struct lathe_json *layers = m->j->get(network, "layers");
    uint32_t tensors = m->j->count(m->header) - (m->j->get(m->header, "__metadata__") ? 1 : 0);

    return m->j->count(layers) > 0 && move_layers(m, layers) &&
           move_layers(m, m->j->get(network, "value_layers")) && m->at == m->len_bytes &&
           m->moved == tensors;
}

/* ---- out ---- */

static void write_json(const struct lathe_json_service *j, struct jw *w, const char *name,
                       const struct lathe_json *value)
{
    char *text = value ? j->dup_text(value, 0, NULL) : NULL;

    jw_raw(w, name, text);
    j->free_text(text);
}

static void write_weights(struct jw *w, const void *data, uint64_t len)
{
    char *text = base64_encode(data, len), hash[65];

    sha256_hex(hash, data, len);
    jw_str(w, "weights_base64", text);
    jw_str(w, "weights_sha256", hash);
    w->out->failed |= !text;
    free(text);
}

static void write_layers(const struct api_kit *kit, struct jw *w, const struct lathe_json *policy,
                         const unsigned char *file, const struct mover *m)
{
    static const char *const copied[] = {
        "layers",  "value_layers", "kind",  "distribution", "inputs",
        "outputs", "reward_scale", "atoms", "dueling",      NULL};
    const uint64_t size = header_bytes(file, UINT64_MAX);
    const char *const *name;
    char *header = malloc((size_t)size + 1);

    jw_obj(w, "network");
    for (name = copied; *name; name++)
        if (kit->json->get(policy, *name))
            write_json(kit->json, w, *name, kit->json->get(policy, *name));
    jw_str(w, "dtype", "f32le");
    if (header) {
        memcpy(header, file + 8, (size_t)size);
        header[size] = '\0';
    }
    jw_str(w, "header", header);
    w->out->failed |= !header;
    free(header);
    jw_end_obj(w);
    write_weights(w, m->flat, m->len_bytes);
}

/* Tensors of a file by name, shape and type, for what is no plain network. */
static void write_file(const struct api_kit *kit, struct jw *w, const struct lathe_json *header,
                       const struct lathe_json *policy)
{
    const struct lathe_json_service *j = kit->json;
    int is_table = !strcmp(j->get_string(policy, "kind", ""), "table");
    struct lathe_json *value;
    const void *at = NULL;
    const char *name;

    if (is_table)
        jw_null(w, "network");
    jw_obj(w, is_table ? "table" : "network");
    while (policy && (at = j->next(policy, at, &name, &value)) != NULL)
        write_json(j, w, name, value);
    jw_str(w, "format", "safetensors");
    jw_arr(w, "tensors");
    at = NULL;
    while (header && (at = j->next(header, at, &name, &value)) != NULL) {
        if (!strcmp(name, "__metadata__"))
            continue;
        jw_obj(w, NULL);
        jw_str(w, "name", name);
        jw_str(w, "dtype", j->get_string(value, "dtype", ""));
        write_json(j, w, "shape", j->get(value, "shape"));
        jw_end_obj(w);
    }
    jw_end_arr(w);
    jw_end_obj(w);
}

void bundle_weights_write(const struct api_kit *kit, struct jw *w, const unsigned char *file,
                          uint64_t len)
{
    const struct lathe_json_service *j = kit->json;
    uint64_t tensors_at = 0;
    struct lathe_json *header = bundle_header(kit, file, len, &tensors_at), *policy;
    struct mover m = {j, header, NULL, NULL, 0, 0, 0, 1};

    policy = api_parse(kit, j->get_string(j->get(header, "__metadata__"), "describe", ""));
    if (header && (m.tensors = malloc((size_t)len)) && (m.flat = malloc((size_t)len))) {
        m.len_bytes = len - tensors_at;
        memcpy(m.tensors, file + tensors_at, (size_t)m.len_bytes);
    }
    if (m.flat && move_network(&m, policy)) {
        write_layers(kit, w, policy, file, &m);
    } else {
        write_file(kit, w, header, policy);
        write_weights(w, file, len);
    }
    free(m.tensors);
    free(m.flat);
    j->release(policy);
    j->release(header);
}

/* ---- in ---- */

int32_t bundle_file_make(const struct api_kit *kit, const struct lathe_json *network,
                         unsigned char **data, size_t *len)
{
    const struct lathe_json_service *j = kit->json;
    const char *text = j->get_string(network, "header", NULL);
    size_t size = text ? strlen(text) : 0, i;
    struct mover m = {j, NULL, NULL, *data, *len, 0, 0, 0};
    struct lathe_json *header;
    uint64_t tensors_at = 0;
    unsigned char *file;
    int fits;

    if (!text)
        return LATHE_OK; /* the whole file was given */
    if (!(file = calloc(1, 8 + size + *len + 1)))
        return LATHE_E_NOMEM;
    for (i = 0; i < 8; i++)
        file[i] = (unsigned char)((uint64_t)size >> (8 * i));
    memcpy(file + 8, text, size);
    m.header = header = bundle_header(kit, file, 8 + size + *len, &tensors_at);
    m.tensors = file + 8 + size;
    fits = header && move_network(&m, network);
    j->release(header);
    if (!fits) {
        free(file);
        return LATHE_E_INVALID;
    }
    free(*data);
    *data = file;
    *len += 8 + size;
    return LATHE_OK;
}
