/* The loop of a worker in small: act, one step, observe, update until done. Every episode is one
 * step long, so each step ends in a terminated row. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/check/algo_rig.h"

#include <dlfcn.h>
#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/registry/negotiate.h"
#include "lathe/engine.h"
#include "lathe/rng.h"
#include "sdk/check/host.h"

#define NAN_AFTER 100u

struct tensor {
    struct tensor *next;
    char *name;
    uint32_t dtype, ndim;
    uint64_t shape[8], len_bytes;
    void *data;
};

static uint64_t dtype_bytes(uint32_t dtype)
{
    static const uint64_t bytes[] = {4, 8, 4, 8, 1, 4, 8};
    return dtype < sizeof bytes / sizeof *bytes ? bytes[dtype] : 0;
}

static struct tensor *tensor_find(const struct tensor_store *store, const char *name)
{
    struct tensor *t = store->first;

    while (t != NULL && strcmp(t->name, name) != 0)
        t = t->next;
    return t;
}

static int32_t store_put(const struct lathe_writer *writer, const char *name, uint32_t dtype,
                         uint32_t ndim, const uint64_t *shape, const void *data)
{
    struct tensor_store *store = writer->ctx;
    uint64_t len = dtype_bytes(dtype);

    if (len == 0 || ndim > 8)
        return LATHE_E_INVALID;
    if (tensor_find(store, name) != NULL)
        return LATHE_E_EXISTS;
    for (uint32_t i = 0; i < ndim; i++)
        len *= shape[i];
    struct tensor *t = mem_new(struct tensor);
    if (t == NULL || (t->name = mem_strdup(name)) == NULL || (t->data = mem_alloc(len + 1)) == NULL)
        return LATHE_E_NOMEM;
    memcpy(t->data, data, len);
    t->dtype = dtype;
    t->ndim = ndim;
    t->len_bytes = len;
    for (uint32_t i = 0; i < ndim; i++)
        t->shape[i] = shape[i];
    if (store->last != NULL)
        store->last->next = t;
    else
        store->first = t;
    store->last = t;
    return LATHE_OK;
}

static int32_t store_get(const struct lathe_reader *reader, const char *name, uint32_t dtype,
                         uint32_t ndim, const uint64_t *shape, void *out)
{
    const struct tensor *t = tensor_find(reader->ctx, name);

    if (t == NULL)
        return LATHE_E_NOT_FOUND;
    if (t->dtype != dtype || t->ndim != ndim)
        return LATHE_E_CORRUPT;
    for (uint32_t i = 0; i < ndim; i++)
        if (t->shape[i] != shape[i])
            return LATHE_E_CORRUPT;
    memcpy(out, t->data, t->len_bytes);
    return LATHE_OK;
}

static int32_t store_shape(const struct lathe_reader *reader, const char *name, uint32_t *dtype,
                           uint64_t shape[8])
{
    const struct tensor *t = tensor_find(reader->ctx, name);

    if (t == NULL)
        return LATHE_E_NOT_FOUND;
    *dtype = t->dtype;
    memcpy(shape, t->shape, sizeof t->shape);
    return (int32_t)t->ndim;
}

int tensor_store_equal(const struct tensor_store *a, const struct tensor_store *b)
{
    const struct tensor *x = a->first, *y = b->first;

    for (; x != NULL && y != NULL; x = x->next, y = y->next)
        if (strcmp(x->name, y->name) != 0 || x->len_bytes != y->len_bytes ||
            memcmp(x->data, y->data, x->len_bytes) != 0)
            return 0;
    return x == NULL && y == NULL;
}

void tensor_store_fini(struct tensor_store *store)
{
    while (store->first != NULL) {
        struct tensor *t = store->first;
        store->first = t->next;
        mem_free(t->name);
        mem_free(t->data);
        mem_free(t);
    }
    store->last = NULL;
}

/* The engine's vtable, for algorithms that need one; the caller closes the file. */
static int32_t find_engine(struct check *check, struct plugin_file **out_file,
                           const struct lathe_engine **out)
{
    struct plugin_file *file = NULL;
    struct lathe_error err = {0};
    char path[4096];
    const char *slash = strrchr(check->path, '/');

    *out = NULL;
    if (check->engine_path != NULL)
        snprintf(path, sizeof path, "%s", check->engine_path);
    else
        snprintf(path, sizeof path, "%.*sengine_cpu.so",
                 slash != NULL ? (int)(slash + 1 - check->path) : 0, check->path);
    if (plugin_open(path, &file, &err) != LATHE_OK) {
        check_fail(check, "needs an engine (--engine FILE): %s", err.text);
        return LATHE_E_NOT_FOUND;
    }
    const struct lathe_component *engine = plugin_find(file, LATHE_KIND_ENGINE, NULL);
    if (engine == NULL) {
        check_fail(check, "%s holds no engine", path);
        plugin_close(file);
        return LATHE_E_NOT_FOUND;
    }
    *out = engine->vtable;
    *out_file = file;
    return LATHE_OK;
}

static void describe_spaces(struct algo_rig *rig)
{
    static const double low = -1, high = 1;

    rig->obs_space =
        (struct lathe_space){.struct_size = sizeof rig->obs_space,
                             .kind = rig->tabular ? LATHE_SPACE_DISCRETE : LATHE_SPACE_BOX,
                             .dtype = rig->tabular ? LATHE_I32 : LATHE_F32,
                             .ndim = 1,
                             .flags = LATHE_SPACE_ONE_BOUND,
                             .shape = {1},
                             .len_bytes = 4,
                             .n = 2,
                             .low = &low,
                             .high = &high};
    rig->act_space = rig->obs_space;
    rig->act_space.kind = rig->continuous ? LATHE_SPACE_BOX : LATHE_SPACE_DISCRETE;
    rig->act_space.dtype = rig->continuous ? LATHE_F32 : LATHE_I32;
    rig->spec = (struct lathe_env_spec){.struct_size = sizeof rig->spec,
                                        .id = "kit-probe",
                                        .version = 1,
                                        .obs_stride = 4,
                                        .act_stride = 4,
                                        .n_agents = 1,
                                        .reward_threshold = (double)NAN,
                                        .obs = &rig->obs_space,
                                        .act = &rig->act_space};
}

static void draw_observations(struct algo_rig *rig, uint64_t step)
{
    for (uint32_t row = 0; row < RIG_ROWS; row++) {
        uint64_t state = lathe_splitmix_stream(rig->seed, 1, step * RIG_ROWS + row);
        int one = rig->probe == PROBE_MATCH && lathe_splitmix_double(&state) < 0.5;
        if (rig->tabular)
            rig->next.i[row] = one;
        else
            rig->next.f[row] = one ? 1.0f : rig->probe == PROBE_MATCH ? -1.0f : 0.0f;
    }
}

int32_t algo_rig_open(struct algo_rig *rig, struct check *check, enum probe probe, uint32_t threads)
{
    struct lathe_error err = {0};
    struct kit_params params;
    const struct lathe_engine *engine = NULL;

    memset(rig, 0, sizeof *rig);
    rig->algo = check->component->vtable;
    rig->probe = probe;
    rig->seed = check->seed;
    rig->tabular = (rig->algo->flags & LATHE_ALGO_TABULAR) != 0;
    rig->continuous = !(rig->algo->flags & LATHE_ALGO_DISCRETE);
    if (rig->continuous && !(rig->algo->flags & LATHE_ALGO_CONTINUOUS)) {
        check_skip(check, "takes neither one discrete action nor a box");
        return LATHE_E_UNSUPPORTED;
    }
    describe_spaces(rig);
    if ((rig->algo->flags & LATHE_ALGO_NEEDS_ENGINE) &&
        find_engine(check, &rig->engine_file, &engine) != LATHE_OK)
        return LATHE_E_NOT_FOUND;
    int32_t st = kit_params_open(&params, check->component, check->options_json, &err);
    if (st == LATHE_OK) {
        struct lathe_algo_args args = {.struct_size = sizeof args,
                                       .host = check->host,
                                       .spec = &rig->spec,
                                       .params = params.view,
                                       .engine = engine,
                                       .n_envs = RIG_ROWS,
                                       .threads = threads,
                                       .max_act_rows = RIG_ROWS,
                                       .seed = check->seed,
                                       .total_steps = 20000};
        st = rig->algo->open(&args, &err, &rig->self);
        kit_params_close(&params);
    }
    if (st != LATHE_OK)
        check_fail(check, "open: %s", err.text);
    draw_observations(rig, 0);
    memcpy(&rig->obs, &rig->next, sizeof rig->obs);
    return st;
}

void algo_rig_close(struct algo_rig *rig)
{
    if (rig->self != NULL)
        rig->algo->close(rig->self);
    rig->self = NULL;
    plugin_close(rig->engine_file);
    rig->engine_file = NULL;
}

/* 1 when row's action is the best one for its observation. */
static int is_best(const struct algo_rig *rig, uint32_t row)
{
    int act = rig->continuous ? rig->act.f[row] > 0.0f : rig->act.i[row] == 1;
    int want = 1;

    if (rig->probe == PROBE_MATCH)
        want = rig->tabular ? rig->obs.i[row] == 1 : rig->obs.f[row] > 0.0f;
    return act == want;
}

static void drop_stat(struct lathe_stats *stats, const char *name, double value)
{
    (void)stats;
    (void)name;
    (void)value;
}

static int32_t update_all(struct algo_rig *rig, struct lathe_error *err)
{
    struct lathe_budget budget = {.struct_size = sizeof budget, .max_ns = 1000000};
    struct lathe_stats stats = {.struct_size = sizeof stats, .put = drop_stat};
    int32_t st;

    do
        st = rig->algo->update(rig->self, &budget, &stats, err);
    while (st == LATHE_AGAIN);
    rig->n_updates++;
    return st;
}

static int32_t step_once(struct algo_rig *rig, struct lathe_error *err)
{
    static const uint32_t all[RIG_ROWS] = {0, 1, 2, 3};
    static const uint8_t ones[RIG_ROWS] = {1, 1, 1, 1}, zeros[RIG_ROWS] = {0};
    float reward[RIG_ROWS];
    struct lathe_obs obs = {.struct_size = sizeof obs, .count = RIG_ROWS, .obs = &rig->obs};
    struct lathe_act act = {.struct_size = sizeof act, .act = &rig->act};
    int32_t st = rig->algo->act(rig->self, &obs, LATHE_ACT_EXPLORE, &act);

    if (st != LATHE_OK)
        return fail(err, st, "act returned %s", lathe_status_name(st));
    for (uint32_t row = 0; row < RIG_ROWS; row++) {
        float low = rig->probe == PROBE_MATCH ? 0.0f : -1.0f;
        reward[row] = is_best(rig, row) ? 1.0f : low;
        if (rig->probe == PROBE_NAN && rig->steps >= NAN_AFTER)
            reward[row] = NAN;
    }
    rig->steps++;
    draw_observations(rig, rig->steps);
    struct lathe_transition transition = {.struct_size = sizeof transition,
                                          .count = RIG_ROWS,
                                          .n_ended = RIG_ROWS,
                                          .obs = &rig->obs,
                                          .act = &rig->act,
                                          .reward = reward,
                                          .terminated = ones,
                                          .truncated = zeros,
                                          .next_obs = &rig->next,
                                          .final_obs = &rig->obs,
                                          .ended = all};
    st = rig->algo->observe(rig->self, &transition);
    memcpy(&rig->obs, &rig->next, sizeof rig->obs);
    if (st == LATHE_UPDATE_DUE)
        return update_all(rig, err);
    return st == LATHE_OK ? st : fail(err, st, "observe returned %s", lathe_status_name(st));
}

int32_t algo_rig_train(struct algo_rig *rig, uint64_t steps, struct lathe_error *err)
{
    int32_t st = LATHE_OK;

    for (uint64_t i = 0; i < steps && st == LATHE_OK; i++)
        st = step_once(rig, err);
    return st;
}

int32_t algo_rig_iterate(struct algo_rig *rig, struct lathe_error *err)
{
    uint64_t before = rig->n_updates;
    int32_t st = LATHE_OK;

    for (uint32_t i = 0; st == LATHE_OK && rig->n_updates == before; i++)
        st = i < 1000000 ? step_once(rig, err)
                         : fail(err, LATHE_E_INTERNAL, "asked for no update in %u steps", i);
    return st;
}

int32_t algo_rig_quality(struct algo_rig *rig, double *quality)
{
    uint32_t good = 0, n = 0;

    for (uint64_t round = 0; round < 25; round++) {
        struct lathe_obs obs = {.struct_size = sizeof obs, .count = RIG_ROWS, .obs = &rig->obs};
        struct lathe_act act = {.struct_size = sizeof act, .act = &rig->act};
        draw_observations(rig, 1000000 + round);
        memcpy(&rig->obs, &rig->next, sizeof rig->obs);
        int32_t st = rig->algo->act(rig->self, &obs, LATHE_ACT_GREEDY, &act);
        if (st != LATHE_OK)
            return st;
        for (uint32_t row = 0; row < RIG_ROWS; row++, n++)
            good += (uint32_t)is_best(rig, row);
    }
    *quality = (double)good / n;
    draw_observations(rig, rig->steps);
    memcpy(&rig->obs, &rig->next, sizeof rig->obs);
    return LATHE_OK;
}

int32_t algo_rig_save(struct algo_rig *rig, struct tensor_store *store)
{
    struct lathe_writer writer = {.struct_size = sizeof writer, .ctx = store, .put = store_put};

    return rig->algo->save(rig->self, &writer);
}

int32_t algo_rig_load(struct algo_rig *rig, const struct tensor_store *store,
                      struct lathe_error *err)
{
    struct tensor_store view = *store;
    struct lathe_reader reader = {
        .struct_size = sizeof reader, .ctx = &view, .get = store_get, .shape = store_shape};

    return rig->algo->load(rig->self, &reader, err);
}
