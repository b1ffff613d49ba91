/* What only an opened environment can tell: spaces, names, extensions. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker/describe.h"

#include <math.h>

#include "core/worker/eval.h"

#define DEPTH_MAX 8

static json_t *number_or_null(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *bounds(const struct lathe_space *space, const double *values)
{
    json_t *list = json_array();
    uint64_t i, n = 1;

    for (i = 0; i < space->ndim && i < 6; i++)
        n *= space->shape[i];
    for (i = 0; values != NULL && i < n && i < 4096; i++)
        json_array_append_new(list,
                              number_or_null(values[space->flags & LATHE_SPACE_ONE_BOUND ? 0 : i]));
    return list;
}

static json_t *shape_of(const struct lathe_space *space)
{
    json_t *list = json_array();
    uint32_t i;

    for (i = 0; i < space->ndim && i < 6; i++)
        json_array_append_new(list, json_integer(space->shape[i]));
    return list;
}

static json_t *leaf(const struct lathe_space *space)
{
    static const char *const dtypes[] = {"float32", "float64", "int32", "int64", "uint8"};
    json_t *nvec;
    uint32_t i;

    switch (space->kind) {
    case LATHE_SPACE_BOX:
        return json_pack("{s:s,s:s,s:o,s:o,s:o}", "kind", "box", "dtype",
                         space->dtype < 5 ? dtypes[space->dtype] : "unknown", "shape",
                         shape_of(space), "low", bounds(space, space->low), "high",
                         bounds(space, space->high));
    case LATHE_SPACE_DISCRETE:
        return json_pack("{s:s,s:I,s:I}", "kind", "discrete", "n", (json_int_t)space->n, "start",
                         (json_int_t)space->start);
    case LATHE_SPACE_MULTIDISCRETE:
        nvec = json_array();
        for (i = 0; i < space->shape[0]; i++)
            json_array_append_new(nvec, json_integer((json_int_t)space->nvec[i]));
        return json_pack("{s:s,s:o}", "kind", "multidiscrete", "nvec", nvec);
    case LATHE_SPACE_MULTIBINARY:
        return json_pack("{s:s,s:o}", "kind", "multibinary", "shape", shape_of(space));
    default:
        return json_pack("{s:s,s:I}", "kind", "text", "max_bytes", (json_int_t)space->len_bytes);
    }
}

static int is_inner(const struct lathe_space *space)
{
    return space->kind == LATHE_SPACE_TUPLE || space->kind == LATHE_SPACE_DICT;
}

static void append_child(json_t *list, const struct lathe_space *parent,
                         const struct lathe_space *child, json_t *value)
{
    if (parent->kind == LATHE_SPACE_DICT)
        value = json_pack("{s:s,s:o}", "key", child->key != NULL ? child->key : "", "space", value);
    json_array_append_new(list, value);
}

/* Trees are walked with a stack of our own: depth comes from outside. */
json_t *describe_space(const struct lathe_space *space)
{
    const struct lathe_space *parents[DEPTH_MAX];
    size_t next[DEPTH_MAX];
    json_t *lists[DEPTH_MAX], *root;
    int depth = 0;

    if (!is_inner(space))
        return leaf(space);
    root = json_pack("{s:s,s:[]}", "kind", space->kind == LATHE_SPACE_TUPLE ? "tuple" : "dict",
                     "spaces");
    parents[0] = space;
    lists[0] = json_object_get(root, "spaces");
    next[0] = 0;
    while (depth >= 0) {
        const struct lathe_space *parent = parents[depth];
        const struct lathe_space *child = parent->children[next[depth]];

        if (child == NULL) {
            depth--;
            continue;
        }
        next[depth]++;
        if (!is_inner(child) || depth + 1 == DEPTH_MAX) {
            append_child(lists[depth], parent, child, leaf(child));
            continue;
        }
        {
            json_t *inner =
                json_pack("{s:s,s:[]}", "kind", child->kind == LATHE_SPACE_TUPLE ? "tuple" : "dict",
                          "spaces");

            append_child(lists[depth], parent, child, inner);
            depth++;
            parents[depth] = child;
            lists[depth] = json_object_get(inner, "spaces");
            next[depth] = 0;
        }
    }
    return root;
}

static json_t *names(const char *const *list, uint32_t n)
{
    json_t *array = json_array();
    uint32_t i;

    for (i = 0; list != NULL && i < n && list[i] != NULL; i++)
        json_array_append_new(array, json_string(list[i]));
    return array;
}

static json_t *extensions(const struct vec *vec)
{
    static const char *const known[] = {LATHE_ENV_SNAPSHOT, LATHE_ENV_RENDER, LATHE_ENV_MASK,
                                        LATHE_ENV_INFO,     LATHE_ENV_REPORT, LATHE_ENV_DESCRIBE,
                                        LATHE_ENV_SOLVE,    LATHE_ENV_MODEL};
    json_t *array = json_array();
    size_t i;

    if (!LATHE_CAN(vec->env, struct lathe_env, extension))
        return array;
    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (vec->env->extension(vec->batch, known[i]) != NULL)
            json_array_append_new(array, json_string(known[i]));
    return array;
}

json_t *describe_env(const struct vec *vec)
{
    const struct lathe_env_spec *s = vec->spec;
    const struct lathe_env_describe *d = vec->describe;
    uint64_t dim = space_flat_dim(s->obs);

    return json_pack(
        "{s:s,s:I,s:o,s:o,s:o,s:I,s:I,s:o,s:b,s:b,s:o,s:o,s:I,s:o}", "id", s->id, "version",
        (json_int_t)s->version, "observation", describe_space(s->obs), "action",
        describe_space(s->act), "obs_dim", dim > 0 ? json_integer((json_int_t)dim) : json_null(),
        "n_agents", (json_int_t)s->n_agents, "default_limit", (json_int_t)s->default_limit,
        "reward_threshold", number_or_null(s->reward_threshold), "finite",
        (s->flags & LATHE_ENV_FINITE) != 0, "stochastic", (s->flags & LATHE_ENV_STOCHASTIC) != 0,
        "action_names", names(d != NULL ? d->action_names : NULL, d != NULL ? d->n_actions : 0),
        "info_names", names(vec->info_names != NULL ? vec->info_names->names : NULL, vec->n_info),
        "mask", (json_int_t)vec->n_mask, "extensions", extensions(vec));
}

json_t *describe_algorithm(const struct lathe_algorithm *vt)
{
    return json_pack("{s:b,s:b,s:b,s:b,s:b,s:b,s:b}", "discrete",
                     (vt->flags & LATHE_ALGO_DISCRETE) != 0, "continuous",
                     (vt->flags & LATHE_ALGO_CONTINUOUS) != 0, "multidiscrete",
                     (vt->flags & LATHE_ALGO_MULTIDISCRETE) != 0, "on_policy",
                     (vt->flags & LATHE_ALGO_ON_POLICY) != 0, "off_policy",
                     (vt->flags & LATHE_ALGO_OFF_POLICY) != 0, "needs_engine",
                     (vt->flags & LATHE_ALGO_NEEDS_ENGINE) != 0, "tabular",
                     (vt->flags & LATHE_ALGO_TABULAR) != 0);
}
