/* The loop of a training run with time limits and autoreset, in its simplest form. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/rl_harness.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lathe/rng.h"

/* ---- options ---- */

static const struct rl_params *params_of(const struct lathe_params *p)
{
    return p->ctx;
}

static const char *setting(const struct rl_params *p, const char *name)
{
    const size_t n = strlen(name);
    uint32_t i;

    for (i = 0; p->settings[i] != NULL; i++)
        if (strncmp(p->settings[i], name, n) == 0 && p->settings[i][n] == '=')
            return p->settings[i] + n + 1;
    return NULL;
}

static const char *value_of(const struct lathe_params *api, const char *name)
{
    const struct rl_params *p = params_of(api);
    const char *v = setting(p, name);
    uint32_t i;

    for (i = 0; v == NULL && p->table != NULL && p->table[i] != NULL; i++)
        if (strcmp(p->table[i]->name, name) == 0)
            v = p->table[i]->def;
    return v == NULL ? "" : v;
}

static int32_t get_bool(const struct lathe_params *p, const char *name)
{
    return strcmp(value_of(p, name), "true") == 0;
}

static int64_t get_int(const struct lathe_params *p, const char *name)
{
    return strtoll(value_of(p, name), NULL, 10);
}

static double get_float(const struct lathe_params *p, const char *name)
{
    return strtod(value_of(p, name), NULL);
}

static uint32_t get_list(const struct lathe_params *p, const char *name, double *out, uint32_t cap)
{
    const char *at = value_of(p, name);
    uint32_t n = 0;

    while (*at != '\0' && *at != ']') {
        char *end;
        const double v = strtod(at, &end);
        if (end == at) {
            at++;
            continue;
        }
        if (n < cap)
            out[n] = v;
        n++;
        at = end;
    }
    return n;
}

static int32_t is_set(const struct lathe_params *p, const char *name)
{
    return setting(params_of(p), name) != NULL;
}

void rl_params_init(struct rl_params *p, const struct lathe_component *c, const char *settings)
{
    uint32_t n = 0;

    memset(p, 0, sizeof *p);
    p->api = (struct lathe_params){sizeof p->api, 0,        p,        get_bool, get_int,
                                   get_float,     value_of, get_list, value_of, is_set};
    p->table = c->options;
    while (settings != NULL && *settings != '\0' && n < RL_MAX_SETTINGS) {
        const size_t len = strcspn(settings, ";");
        p->settings[n++] = strndup(settings, len);
        settings += len + (settings[len] == ';' ? 1 : 0);
    }
}

void rl_params_fini(struct rl_params *p)
{
    uint32_t i;

    for (i = 0; i < RL_MAX_SETTINGS; i++) {
        void *text;
        memcpy(&text, &p->settings[i], sizeof text);
        free(text);
    }
}

const struct lathe_component *rl_component(const char *file, const char *kind, const char *name)
{
    char path[512];
    const struct lathe_plugin *plugin;
    void *handle;
    uint32_t i;

    snprintf(path, sizeof path, LATHE_BINARY_DIR "/plugins/%s.so", file);
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    plugin = handle == NULL ? NULL : dlsym(handle, "lathe_plugin_v1");
    if (plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return NULL;
    }
    for (i = 0; plugin->components[i] != NULL; i++)
        if (strcmp(plugin->components[i]->kind, kind) == 0 &&
            strcmp(plugin->components[i]->name, name) == 0)
            return plugin->components[i];
    return NULL;
}

/* ---- tensors ---- */

static uint64_t dtype_bytes(uint32_t dtype)
{
    return dtype == LATHE_U8                                                ? 1
           : dtype == LATHE_F32 || dtype == LATHE_I32 || dtype == LATHE_U32 ? 4
                                                                            : 8;
}

static int32_t store_put(const struct lathe_writer *w, const char *name, uint32_t dtype,
                         uint32_t ndim, const uint64_t *shape, const void *data)
{
    struct rl_store *s = w->ctx;
    struct rl_tensor *t;
    uint32_t i;

    for (i = 0; i < s->n; i++)
        if (strcmp(s->list[i].name, name) == 0)
            return LATHE_E_EXISTS;
    t = realloc(s->list, (s->n + 1) * sizeof *t);
    if (t == NULL)
        return LATHE_E_NOMEM;
    s->list = t;
    t = &s->list[s->n++];
    memset(t, 0, sizeof *t);
    snprintf(t->name, sizeof t->name, "%s", name);
    t->dtype = dtype;
    t->ndim = ndim;
    t->len_bytes = dtype_bytes(dtype);
    for (i = 0; i < ndim; i++) {
        t->shape[i] = shape[i];
        t->len_bytes *= shape[i];
    }
    t->data = malloc(t->len_bytes + 1);
    if (t->data == NULL)
        return LATHE_E_NOMEM;
    if (t->len_bytes > 0)
        memcpy(t->data, data, t->len_bytes);
    return LATHE_OK;
}

static const struct rl_tensor *find(const struct rl_store *s, const char *name)
{
    uint32_t i;

    for (i = 0; i < s->n; i++)
        if (strcmp(s->list[i].name, name) == 0)
            return &s->list[i];
    return NULL;
}

static int32_t store_get(const struct lathe_reader *r, const char *name, uint32_t dtype,
                         uint32_t ndim, const uint64_t *shape, void *out)
{
    const struct rl_tensor *t = find(r->ctx, name);

    if (t == NULL)
        return LATHE_E_NOT_FOUND;
    if (t->dtype != dtype || t->ndim != ndim || memcmp(t->shape, shape, ndim * sizeof *shape) != 0)
        return LATHE_E_CORRUPT;
    if (t->len_bytes > 0)
        memcpy(out, t->data, t->len_bytes);
    return LATHE_OK;
}

static int32_t store_shape(const struct lathe_reader *r, const char *name, uint32_t *dtype,
                           uint64_t shape[8])
{
    const struct rl_tensor *t = find(r->ctx, name);

    if (t == NULL)
        return LATHE_E_NOT_FOUND;
    *dtype = t->dtype;
    memcpy(shape, t->shape, sizeof t->shape);
    return (int32_t)t->ndim;
}

void rl_store_init(struct rl_store *s)
{
    memset(s, 0, sizeof *s);
    s->writer = (struct lathe_writer){sizeof s->writer, 0, s, store_put};
    s->reader = (struct lathe_reader){sizeof s->reader, 0, s, store_get, store_shape};
}

void rl_store_fini(struct rl_store *s)
{
    uint32_t i;

    for (i = 0; i < s->n; i++)
        free(s->list[i].data);
    free(s->list);
    s->list = NULL;
    s->n = 0;
}

int rl_store_equal(const struct rl_store *a, const struct rl_store *b)
{
    uint32_t i;

    if (a->n != b->n)
        return 0;
    for (i = 0; i < a->n; i++) {
        const struct rl_tensor *t = find(b, a->list[i].name);
        if (t == NULL || t->len_bytes != a->list[i].len_bytes ||
            memcmp(t->data, a->list[i].data, t->len_bytes) != 0)
            return 0;
    }
    return 1;
}

/* ---- the loop ---- */

static void *zeroed(size_t n)
{
    void *p = aligned_alloc(64, (n + 127) / 64 * 64);

    if (p != NULL)
        memset(p, 0, (n + 127) / 64 * 64);
    return p;
}

static void io_init(const struct rl_run *r, struct lathe_env_io *io, void *obs)
{
    memset(io, 0, sizeof *io);
    io->struct_size = sizeof *io;
    io->act = r->act;
    io->obs = obs;
    io->reward = r->reward;
    io->terminated = r->term;
    io->truncated = r->trunc;
}

static int32_t reset_all(struct rl_run *r)
{
    const uint32_t n = r->setup.n_envs;
    const int episodic = r->setup.total_iterations > 0;
    uint64_t *seeds = calloc(n, sizeof *seeds);
    struct lathe_env_io io;
    uint32_t i;
    int32_t st;

    if (seeds == NULL)
        return LATHE_E_NOMEM;
    for (i = 0; i < n; i++) {
        seeds[i] = episodic
                       ? lathe_splitmix_stream(r->setup.seed, LATHE_PURPOSE_TRAIN, r->tickets++)
                       : r->setup.seed + i;
        r->alive[i] = 1;
        r->ret[i] = 0;
        r->len[i] = 0;
    }
    io_init(r, &io, r->obs);
    io.seeds = seeds;
    st = r->env->reset(r->batch, 0, n, NULL, &io);
    free(seeds);
    return st;
}

int32_t rl_open(struct rl_run *r, const struct rl_setup *setup)
{
    struct lathe_env_args ea = {sizeof ea, setup->n_envs, NULL, &r->env_params.api};
    struct lathe_algo_args aa;
    const uint32_t n = setup->n_envs;
    int32_t st;

    memset(r, 0, sizeof *r);
    r->setup = *setup;
    rl_params_init(&r->env_params, setup->env, setup->env_settings);
    rl_params_init(&r->algo_params, setup->algo, setup->algo_settings);
    r->env = setup->env->vtable;
    r->algo = setup->algo->vtable;
    if ((st = r->env->open(&ea, &r->err, &r->batch)) != LATHE_OK)
        return st;
    r->spec = r->env->spec(r->batch);
    r->limit = setup->time_limit > 0 ? (uint32_t)setup->time_limit : r->spec->default_limit;
    r->obs = zeroed((size_t)n * r->spec->obs_stride);
    r->next = zeroed((size_t)n * r->spec->obs_stride);
    r->final = zeroed((size_t)n * r->spec->obs_stride);
    r->act = zeroed((size_t)n * r->spec->act_stride);
    r->reward = zeroed(n * sizeof *r->reward);
    r->term = zeroed(n);
    r->trunc = zeroed(n);
    r->ended_flag = zeroed(n);
    r->alive = zeroed(n);
    r->len = zeroed(n * sizeof *r->len);
    r->ended = zeroed(n * sizeof *r->ended);
    r->ret = zeroed(n * sizeof *r->ret);
    memset(&aa, 0, sizeof aa);
    aa.struct_size = sizeof aa;
    aa.flags = setup->total_iterations > 0 ? LATHE_RUN_EPISODIC : 0;
    aa.spec = r->spec;
    aa.params = &r->algo_params.api;
    aa.engine = setup->engine == NULL ? NULL : setup->engine->vtable;
    aa.n_envs = n;
    aa.threads = setup->threads;
    aa.max_act_rows = 1024;
    aa.seed = setup->seed;
    aa.total_steps = setup->total_steps;
    aa.total_iterations = setup->total_iterations;
    if ((st = r->algo->open(&aa, &r->err, &r->self)) != LATHE_OK)
        return st;
    return reset_all(r);
}

void rl_close(struct rl_run *r)
{
    if (r->self != NULL)
        r->algo->close(r->self);
    if (r->batch != NULL)
        r->env->close(r->batch);
    free(r->obs);
    free(r->next);
    free(r->final);
    free(r->act);
    free(r->reward);
    free(r->term);
    free(r->trunc);
    free(r->ended_flag);
    free(r->alive);
    free(r->len);
    free(r->ended);
    free(r->ret);
    rl_params_fini(&r->env_params);
    rl_params_fini(&r->algo_params);
}

static void count_row(struct rl_run *r, uint32_t i, size_t stride)
{
    r->steps++;
    r->ret[i] += (double)r->reward[i];
    if (++r->len[i] >= r->limit && r->limit > 0)
        r->trunc[i] = 1;
    r->ended_flag[i] = r->term[i] || r->trunc[i];
    if (!r->ended_flag[i])
        return;
    memcpy(r->final + i * stride, r->next + i * stride, stride);
    r->last_returns[r->episodes++ % 100] = r->ret[i];
    r->ended[r->n_ended++] = i;
    r->ret[i] = 0;
    r->len[i] = 0;
}

/* One step of the live rows of [first, first + count); returns the status of observe. */
static int32_t step_range(struct rl_run *r, uint32_t first, uint32_t count)
{
    const size_t stride = r->spec->obs_stride;
    const int episodic = r->setup.total_iterations > 0;
    struct lathe_obs obs = {sizeof obs, first, count, 0, r->obs, NULL, 0, 0};
    struct lathe_act act = {sizeof act, 0, r->act, NULL, NULL};
    struct lathe_transition tr;
    struct lathe_env_io io;
    uint32_t i;
    int32_t st;

    if ((st = r->algo->act(r->self, &obs, LATHE_ACT_EXPLORE, &act)) != LATHE_OK)
        return st;
    io_init(r, &io, r->next);
    if ((st = r->env->step(r->batch, first, count, &io)) != LATHE_OK)
        return st;
    r->n_ended = 0;
    for (i = first; i < first + count; i++)
        count_row(r, i, stride);
    if (!episodic && r->n_ended > 0 &&
        (st = r->env->reset(r->batch, first, count, r->ended_flag, &io)) != LATHE_OK)
        return st;
    memset(&tr, 0, sizeof tr);
    tr.struct_size = sizeof tr;
    tr.first = first;
    tr.count = count;
    tr.n_ended = r->n_ended;
    tr.obs = r->obs;
    tr.act = r->act;
    tr.reward = r->reward;
    tr.terminated = r->term;
    tr.truncated = r->trunc;
    tr.next_obs = r->next;
    tr.final_obs = r->final;
    tr.ended = r->ended;
    st = r->algo->observe(r->self, &tr);
    for (i = 0; episodic && i < r->n_ended; i++)
        r->alive[r->ended[i]] = 0;
    return st;
}

static void stats_put(struct lathe_stats *s, const char *name, double value)
{
    struct rl_run *r = s->ctx;

    (void)name;
    r->loss_nan += value != value;
}

static int32_t learn(struct rl_run *r)
{
    struct lathe_budget budget = {sizeof budget, 0, 1000000, NULL, NULL};
    struct lathe_stats stats = {sizeof stats, 0, r, stats_put};
    int32_t st;

    do
        st = r->algo->update(r->self, &budget, &stats, &r->err);
    while (st == LATHE_AGAIN);
    r->iterations++;
    return st;
}

static void swap_obs(struct rl_run *r)
{
    unsigned char *p = r->obs;

    r->obs = r->next;
    r->next = p;
}

int32_t rl_steps(struct rl_run *r, uint64_t n)
{
    int32_t st;

    while (n-- > 0) {
        st = step_range(r, 0, r->setup.n_envs);
        swap_obs(r);
        if (st == LATHE_UPDATE_DUE)
            st = learn(r);
        if (st != LATHE_OK)
            return st;
    }
    return LATHE_OK;
}

int32_t rl_iterations(struct rl_run *r, uint64_t n)
{
    int32_t st = LATHE_OK;

    while (n-- > 0) {
        uint32_t i, k, left;
        if (r->iterations > 0 && (st = reset_all(r)) != LATHE_OK)
            return st;
        do {
            left = 0;
            for (i = 0; i < r->setup.n_envs; i = k) {
                for (k = i; k < r->setup.n_envs && r->alive[k]; k++)
                    ;
                if (k > i && (st = step_range(r, i, k - i)) < 0)
                    return st;
                for (; k < r->setup.n_envs && !r->alive[k]; k++)
                    ;
                left += k > i;
            }
            swap_obs(r);
            left = 0;
            for (i = 0; i < r->setup.n_envs; i++)
                left += r->alive[i];
        } while (left > 0);
        if ((st = learn(r)) != LATHE_OK)
            return st;
    }
    return st;
}

/* Plays n rows of a fresh batch greedily until all ended; returns the mean return. */
static double play(struct rl_run *r, void *batch, uint32_t n, const uint64_t *seeds,
                   double *success)
{
    const struct lathe_env_info *ext =
        r->env->extension != NULL ? r->env->extension(batch, LATHE_ENV_INFO) : NULL;
    const uint32_t n_info = ext != NULL ? ext->n_info : 0;
    unsigned char *obs = zeroed((size_t)n * r->spec->obs_stride);
    unsigned char *acts = zeroed((size_t)n * r->spec->act_stride);
    float *reward = zeroed(n * sizeof *reward), *info = zeroed((size_t)n * (n_info + 1) * 4);
    uint8_t *flags = zeroed(3 * (size_t)n);
    struct lathe_env_io io;
    double total = 0, ok = 0;
    uint32_t i, t, left = n, k;

    memset(&io, 0, sizeof io);
    io.struct_size = sizeof io;
    io.act = acts;
    io.obs = obs;
    io.reward = reward;
    io.terminated = flags;
    io.truncated = flags + n;
    io.seeds = seeds;
    io.info = n_info > 0 ? info : NULL;
    r->env->reset(batch, 0, n, NULL, &io);
    for (t = 1; left > 0; t++) {
        struct lathe_obs o = {sizeof o, 0, n, 0, obs, NULL, 0, 0};
        struct lathe_act a = {sizeof a, 0, acts, NULL, NULL};
        if (r->algo->act(r->self, &o, LATHE_ACT_GREEDY, &a) != LATHE_OK)
            break;
        for (i = 0; i < n; i++) {
            if (flags[2 * n + i])
                continue;
            r->env->step(batch, i, 1, &io);
            total += (double)reward[i];
            if (!flags[i] && !flags[n + i] && (r->limit == 0 || t < r->limit))
                continue;
            flags[2 * n + i] = 1;
            left--;
            for (k = 0; k < n_info; k++)
                if (strcmp(ext->names[k], "success") == 0)
                    ok += (double)info[(size_t)i * n_info + k];
        }
    }
    if (success != NULL)
        *success = ok / n;
    free(obs);
    free(acts);
    free(reward);
    free(info);
    free(flags);
    return total / n;
}

double rl_evaluate(struct rl_run *r, uint32_t n, uint64_t base, double *success)
{
    struct lathe_env_args ea = {sizeof ea, n, NULL, &r->env_params.api};
    uint64_t *seeds = calloc(n, sizeof *seeds);
    void *batch = NULL;
    double mean = -1e30;
    uint32_t i;

    if (seeds != NULL && r->env->open(&ea, &r->err, &batch) == LATHE_OK) {
        for (i = 0; i < n; i++)
            seeds[i] = r->setup.total_iterations > 0
                           ? lathe_splitmix_stream(base, LATHE_PURPOSE_EVAL, i)
                           : base + i;
        mean = play(r, batch, n, seeds, success);
        r->env->close(batch);
    }
    free(seeds);
    return mean;
}
