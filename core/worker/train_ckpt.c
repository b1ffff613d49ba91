/* Checkpoints of a training run: one file that a new process continues from bit-identically. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/json/json.h"
#include "core/worker/train.h"
#define LOG_MODULE "worker"
#include "core/base/log.h"

#define PATH_MAX_BYTES 4096
#define N_COUNTERS 6u

static void file_name(uint64_t number, const char *kind, char *out, size_t cap)
{
    snprintf(out, cap, "ckpt_%llu-%s.safetensors", (unsigned long long)number, kind);
}

static int32_t put_env(struct trainer *t, struct ckpt_writer *w, struct lathe_error *err)
{
    const struct lathe_env_snapshot *snap = t->vec->snapshot;
    struct vec *vec = t->vec;
    uint64_t shape[2] = {vec->n, 0};
    void *rows;
    int32_t st;

    if (t->job->episodic)
        return LATHE_OK; /* at an iteration boundary every row has ended */
    shape[1] = vec->obs_stride;
    ckpt_put(w, "host/obs", LATHE_U8, 2, shape, vec->obs);
    ckpt_put1(w, "host/length", LATHE_U32, vec->n, vec->length);
    ckpt_put1(w, "host/return", LATHE_F64, vec->n, vec->ret);
    if (vec->mask != NULL) {
        shape[1] = vec->n_mask;
        ckpt_put(w, "host/mask", LATHE_U8, 2, shape, vec->mask);
    }
    if (snap == NULL)
        return LATHE_OK;
    rows = mem_zalloc(vec->n, snap->row_bytes);
    if (rows == NULL)
        return fail(err, LATHE_E_NOMEM, "environment snapshot");
    st = snap->get(vec->batch, 0, vec->n, rows);
    shape[1] = snap->row_bytes;
    if (st == LATHE_OK)
        ckpt_put(w, "env/rows", LATHE_U8, 2, shape, rows);
    else
        fail(err, st, "%s gave no snapshot", vec->spec->id);
    mem_free(rows);
    return st;
}

static void put_host(struct trainer *t, struct ckpt_writer *w)
{
    uint64_t counters[N_COUNTERS] = {t->c.current,      t->c.iteration,  t->c.env_steps,
                                     t->c.env_episodes, t->c.window_pos, t->c.window_count};

    ckpt_put1(w, "host/counters", LATHE_U64, N_COUNTERS, counters);
    ckpt_put1(w, "host/window_return", LATHE_F64, TRAIN_WINDOW, t->window_ret);
    ckpt_put1(w, "host/window_length", LATHE_F64, TRAIN_WINDOW, t->window_len);
    learner_put_norm(&t->learner, w);
    if (t->learner.norm.reward)
        ckpt_put1(w, "norm/returns", LATHE_F64, t->learner.norm.n, t->learner.norm.ret);
}

static void meta_u64(struct ckpt_writer *w, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    ckpt_meta(w, key, text);
}

static void put_best(const struct trainer *t, struct ckpt_writer *w)
{
    struct strbuf out;

    if (!t->has_best)
        return;
    strbuf_init(&out);
    strbuf_addf(&out, "{\"current\":%llu,\"checkpoint\":\"%s\",\"mean_return\":",
                (unsigned long long)t->best_current, t->best_ckpt);
    strbuf_add_json_double(&out, t->best_mean);
    strbuf_addc(&out, '}');
    if (!out.failed)
        ckpt_meta(w, "best", out.data);
    strbuf_fini(&out);
}

/* What the run was configured to be, without what may differ between its parts. */
static void put_config(const struct trainer *t, struct ckpt_writer *w)
{
    static const char *const left_out[] = {"dir",    "job",        "plugins", "threads",
                                           "resume", "limits",     "confine", "pace_ms",
                                           "policy", "init_policy"};
    json_t *config = json_copy(t->job->root);
    char hex[65], *text;
    size_t i;

    for (i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
        json_object_del(config, left_out[i]);
    text = json_dup_text(config, LATHE_JSON_SORTED, NULL);
    if (text != NULL) {
        sha256_hex(text, strlen(text), hex);
        ckpt_meta(w, "config", text);
        ckpt_meta(w, "config_sha256", hex);
    }
    mem_free(text);
    json_decref(config);
}

static void put_meta(const struct trainer *t, const char *kind, struct ckpt_writer *w)
{
    ckpt_meta(w, "format", TRAIN_FORMAT);
    ckpt_meta(w, "kind", kind);
    ckpt_meta(w, "env", t->setup->env.entry->name);
    meta_u64(w, "env_version", t->vec->spec->version);
    ckpt_meta(w, "algorithm", t->setup->algorithm.entry->name);
    ckpt_meta(w, "mode", t->job->episodic ? "episodic" : "continuous");
    meta_u64(w, "n_envs", t->vec->n);
    meta_u64(w, "seed", t->job->seed);
    meta_u64(w, "threads", t->job->threads);
    meta_u64(w, "abi_major", LATHE_ABI_MAJOR);
    meta_u64(w, "abi_minor", LATHE_ABI_MINOR);
    meta_u64(w, "number", t->number);
    meta_u64(w, "active_ns", (uint64_t)train_active_ns(t));
    meta_u64(w, "train_ns", (uint64_t)t->train_ns);
    meta_u64(w, "created_ms", (uint64_t)clock_wall_ms());
    if (t->has_eval && t->final_eval.len_bytes > 0)
        ckpt_meta(w, "eval", t->final_eval.data);
    put_best(t, w);
    put_config(t, w);
}

struct saved {
    char weights[65], file[65];
    uint64_t size_bytes;
};

static int32_t write_file(struct trainer *t, const char *name, const char *kind, struct saved *out,
                          struct lathe_error *err)
{
    char path[PATH_MAX_BYTES];
    struct ckpt_writer w;
    int32_t st;

    if ((st = path_join(path, sizeof path, t->job->dir, name, err)) != LATHE_OK)
        return st;
    if ((st = ckpt_writer_open(&w, path, err)) != LATHE_OK)
        return st;
    put_meta(t, kind, &w);
    put_host(t, &w);
    st = put_env(t, &w, err);
    if (st == LATHE_OK) {
        w.prefix = "algo/";
        st = t->learner.vt->save(t->learner.self, &w.writer);
        if (st != LATHE_OK)
            fail(err, st, "%s could not save its state: %s", t->setup->algorithm.entry->name,
                 lathe_status_name(st));
    }
    if (st != LATHE_OK) {
        ckpt_writer_abandon(&w);
        return st;
    }
    return ckpt_writer_close(&w, out->weights, out->file, &out->size_bytes, err);
}

static int is_ring(const char *kind)
{
    return strcmp(kind, "best") != 0 && strcmp(kind, "final") != 0 && strcmp(kind, "manual") != 0;
}

/* Removes the file of entry i and forgets it. */
static void drop_file(struct trainer *t, uint32_t i, struct strbuf *removed)
{
    char name[TRAIN_ID_MAX + 32], path[PATH_MAX_BYTES];

    file_name(t->kept[i].number, t->kept[i].kind, name, sizeof name);
    if (path_join(path, sizeof path, t->job->dir, name, NULL) == LATHE_OK)
        unlink(path);
    strbuf_addf(removed, "%s\"%s\"", removed->len_bytes > 0 ? "," : "", name);
    memmove(&t->kept[i], &t->kept[i + 1], (t->n_kept - i - 1) * sizeof t->kept[0]);
    t->n_kept--;
}

/* Keeps the last `keep` of the ring (periodic, pause, shutdown), one best, all others. */
static void prune(struct trainer *t, struct strbuf *removed)
{
    uint32_t i, ring = 0, best = 0;

    for (i = t->n_kept; i > 0; i--) {
        const char *kind = t->kept[i - 1].kind;

        if (strcmp(kind, "best") == 0 ? ++best > 1
                                      : is_ring(kind) && ++ring > t->job->checkpoint_keep)
            drop_file(t, i - 1, removed);
    }
}

static void remember(struct trainer *t, uint64_t number, const char *kind)
{
    uint32_t i;

    if (t->n_kept == TRAIN_KEPT_MAX) /* manual ones beyond any use: no longer pruned */
        return;
    for (i = t->n_kept; i > 0 && t->kept[i - 1].number > number; i--)
        t->kept[i] = t->kept[i - 1];
    t->kept[i].number = number;
    snprintf(t->kept[i].kind, sizeof t->kept[i].kind, "%s", kind);
    t->n_kept++;
}

static void announce(struct trainer *t, const char *name, const char *kind,
                     const struct saved *saved)
{
    struct strbuf out, removed;

    strbuf_init(&out);
    strbuf_init(&removed);
    prune(t, &removed);
    strbuf_addf(&out,
                "{\"id\":\"%s\",\"number\":%llu,\"file\":\"%s\",\"removed\":[%s],\"current\":%llu,"
                "\"kind\":\"%s\",\"sha256\":\"%s\",\"weights_sha256\":\"%s\",\"size_bytes\":%llu,"
                "\"eval\":",
                t->last_ckpt, (unsigned long long)t->number, name, removed.data,
                (unsigned long long)t->c.current, kind, saved->file, saved->weights,
                (unsigned long long)saved->size_bytes);
    if (t->has_eval) {
        strbuf_addf(&out,
                    "{\"current\":%llu,\"mean_return\":", (unsigned long long)t->last_eval_current);
        strbuf_add_json_double(&out, t->last_eval.mean);
        strbuf_adds(&out, ",\"success_rate\":");
        strbuf_add_json_double(&out, t->last_eval.success_rate);
        strbuf_adds(&out, "}}");
    } else {
        strbuf_adds(&out, "null}");
    }
    report_flush(t->report, 1); /* rows up to here are at the server before the checkpoint */
    report_send(t->report, LINK_CHECKPOINT, &out);
    strbuf_fini(&removed);
    strbuf_fini(&out);
}

int32_t train_save(struct trainer *t, const char *kind, struct lathe_error *err)
{
    char name[TRAIN_ID_MAX + 32];
    struct saved saved;
    int32_t st;

    t->number++;
    if (strcmp(kind, "best") == 0)
        snprintf(t->best_ckpt, sizeof t->best_ckpt, "ckpt_%llu", (unsigned long long)t->number);
    file_name(t->number, kind, name, sizeof name);
    control_busy(t->control, 1);
    st = write_file(t, name, kind, &saved, err);
    control_busy(t->control, 0);
    if (st != LATHE_OK) {
        t->error_id = "io_error";
        return st;
    }
    snprintf(t->last_ckpt, sizeof t->last_ckpt, "ckpt_%llu", (unsigned long long)t->number);
    memcpy(t->last_weights, saved.weights, sizeof saved.weights);
    remember(t, t->number, kind);
    announce(t, name, kind, &saved);
    return LATHE_OK;
}

int32_t train_scan_files(struct trainer *t, struct lathe_error *err)
{
    struct dirent *entry;
    DIR *dir = opendir(t->job->dir);

    if (dir == NULL)
        return fail_errno(err, errno, "run directory %s", t->job->dir);
    t->kept = mem_zalloc(TRAIN_KEPT_MAX + 1, sizeof *t->kept);
    while (t->kept != NULL && (entry = readdir(dir)) != NULL) {
        char kind[16], expect[TRAIN_ID_MAX + 32], *rest;
        uint64_t number;

        if (strncmp(entry->d_name, "ckpt_", 5) != 0)
            continue;
        number = strtoull(entry->d_name + 5, &rest, 10);
        if (sscanf(rest, "-%15[a-z].safetensors", kind) != 1)
            continue;
        file_name(number, kind, expect, sizeof expect);
        if (strcmp(expect, entry->d_name) != 0)
            continue;
        remember(t, number, kind);
        if (number > t->number)
            t->number = number;
    }
    closedir(dir);
    return t->kept != NULL ? LATHE_OK : fail(err, LATHE_E_NOMEM, "checkpoint list");
}

static int32_t check_fit(const struct trainer *t, const struct ckpt_reader *r,
                         struct lathe_error *err)
{
    char version[24], rows[24];

    snprintf(version, sizeof version, "%u", t->vec->spec->version);
    snprintf(rows, sizeof rows, "%u", t->vec->n);
    if (strcmp(ckpt_get_meta(r, "env"), t->setup->env.entry->name) != 0 ||
        strcmp(ckpt_get_meta(r, "env_version"), version) != 0 ||
        strcmp(ckpt_get_meta(r, "algorithm"), t->setup->algorithm.entry->name) != 0 ||
        strcmp(ckpt_get_meta(r, "n_envs"), rows) != 0 ||
        strcmp(ckpt_get_meta(r, "mode"), t->job->episodic ? "episodic" : "continuous") != 0)
        return fail(err, LATHE_E_CONFLICT,
                    "the checkpoint is of another run: %s on %s version %s, %s rows, %s",
                    ckpt_get_meta(r, "algorithm"), ckpt_get_meta(r, "env"),
                    ckpt_get_meta(r, "env_version"), ckpt_get_meta(r, "n_envs"),
                    ckpt_get_meta(r, "mode"));
    return LATHE_OK;
}

static int32_t get_host(struct trainer *t, const struct ckpt_reader *r, struct lathe_error *err)
{
    uint64_t counters[N_COUNTERS];
    int32_t st;

    if ((st = ckpt_get1(r, "host/counters", LATHE_U64, N_COUNTERS, counters, err)) != LATHE_OK)
        return st;
    if (counters[4] >= TRAIN_WINDOW || counters[5] > TRAIN_WINDOW)
        return fail(err, LATHE_E_CORRUPT, "checkpoint counters are out of range");
    t->c = (struct train_counters){counters[0], counters[1], counters[2],
                                   counters[3], counters[4], counters[5]};
    st = ckpt_get1(r, "host/window_return", LATHE_F64, TRAIN_WINDOW, t->window_ret, err);
    if (st == LATHE_OK)
        st = ckpt_get1(r, "host/window_length", LATHE_F64, TRAIN_WINDOW, t->window_len, err);
    if (st == LATHE_OK)
        st = learner_get_norm(&t->learner, r, err);
    if (st == LATHE_OK && t->learner.norm.reward)
        st = ckpt_get1(r, "norm/returns", LATHE_F64, t->learner.norm.n, t->learner.norm.ret, err);
    return st;
}

static int32_t get_env(struct trainer *t, const struct ckpt_reader *r, struct lathe_error *err)
{
    struct vec *vec = t->vec;
    const struct lathe_env_snapshot *snap = vec->snapshot;
    const struct safetensor *rows = safetensors_reader_find(r->file, "env/rows");
    int32_t st;

    if (t->job->episodic)
        return LATHE_OK;
    if (snap == NULL || rows == NULL) {
        t->is_exact = 0;
        return train_start_rows(t, err);
    }
    if (rows->len_bytes != (size_t)vec->n * snap->row_bytes)
        return fail(err, LATHE_E_CORRUPT, "environment snapshot has another size");
    if ((st = train_start_rows(t, err)) != LATHE_OK) /* makes every row active */
        return st;
    st = snap->set(vec->batch, 0, vec->n, rows->data);
    if (st != LATHE_OK)
        return fail(err, st, "%s refuses the snapshot", vec->spec->id);
    st = ckpt_get1(r, "host/obs", LATHE_U8, (uint64_t)vec->n * vec->obs_stride, vec->obs, err);
    if (st == LATHE_OK)
        st = ckpt_get1(r, "host/length", LATHE_U32, vec->n, vec->length, err);
    if (st == LATHE_OK)
        st = ckpt_get1(r, "host/return", LATHE_F64, vec->n, vec->ret, err);
    if (st == LATHE_OK && vec->mask != NULL)
        st = ckpt_get1(r, "host/mask", LATHE_U8, (uint64_t)vec->n * vec->n_mask, vec->mask, err);
    return st;
}

static void get_meta(struct trainer *t, const struct ckpt_reader *r)
{
    json_t *best = json_loads(ckpt_get_meta(r, "best"), 0, NULL);
    json_t *eval = json_loads(ckpt_get_meta(r, "eval"), 0, NULL);
    uint64_t number = strtoull(ckpt_get_meta(r, "number"), NULL, 10);

    t->active_ns = (int64_t)strtoull(ckpt_get_meta(r, "active_ns"), NULL, 10);
    t->train_ns = (int64_t)strtoull(ckpt_get_meta(r, "train_ns"), NULL, 10);
    t->number = number > t->number ? number : t->number;
    snprintf(t->last_ckpt, sizeof t->last_ckpt, "ckpt_%llu", (unsigned long long)number);
    memcpy(t->last_weights, r->weights_sha256, sizeof t->last_weights);
    if (json_is_object(best)) {
        t->has_best = 1;
        t->best_mean = json_member_float(best, "mean_return", 0.0);
        t->best_current = (uint64_t)json_member_int(best, "current", 0);
        snprintf(t->best_ckpt, sizeof t->best_ckpt, "%s",
                 json_member_string(best, "checkpoint", ""));
    }
    if (json_is_object(eval)) {
        t->has_eval = 1;
        t->last_eval.mean = json_member_float(eval, "mean_return", 0.0);
        t->last_eval.success_rate = json_member_float(eval, "success_rate", (double)NAN);
        t->last_eval_current = (uint64_t)json_member_int(eval, "current", 0);
        strbuf_clear(&t->final_eval);
        strbuf_adds(&t->final_eval, ckpt_get_meta(r, "eval"));
    }
    json_decref(best);
    json_decref(eval);
}

static int32_t load_all(struct trainer *t, struct ckpt_reader *r, struct lathe_error *err)
{
    int32_t st;

    t->is_resumed = 1;
    if ((st = get_host(t, r, err)) != LATHE_OK)
        return st;
    if ((st = get_env(t, r, err)) != LATHE_OK)
        return st;
    /* starting the rows touched the moments and the discounted returns: once more */
    if ((st = get_host(t, r, err)) != LATHE_OK)
        return st;
    train_renormalize(t);
    r->prefix = "algo/";
    control_busy(t->control, 1);
    st = t->learner.vt->load(t->learner.self, &r->reader, err);
    control_busy(t->control, 0);
    if (st != LATHE_OK && err->code != st)
        fail(err, st, "%s refuses the checkpoint", t->setup->algorithm.entry->name);
    if (st == LATHE_OK)
        get_meta(t, r);
    return st;
}

static void add_skipped(struct trainer *t, const char *path, const struct lathe_error *err)
{
    log_warn("checkpoint skipped", F_STR("file", path), F_STR("reason", err->text));
    strbuf_adds(&t->skipped, t->skipped.len_bytes > 0 ? ",{\"file\":" : "{\"file\":");
    strbuf_add_json_string(&t->skipped, path, strlen(path));
    strbuf_adds(&t->skipped, ",\"reason\":");
    strbuf_add_json_string(&t->skipped, err->text, strlen(err->text));
    strbuf_addc(&t->skipped, '}');
}

int32_t train_resume(struct trainer *t, struct lathe_error *err)
{
    size_t i, n = json_array_size(t->job->resume);

    for (i = 0; i < n; i++) {
        const char *path = json_string_value(json_array_get(t->job->resume, i));
        struct lathe_error why = {0};
        struct ckpt_reader r;
        int32_t st = ckpt_reader_open(&r, path, TRAIN_FORMAT, &why);

        if (st != LATHE_OK) {
            add_skipped(t, path, &why);
            continue;
        }
        st = check_fit(t, &r, err);
        t->error_id = "checkpoint_mismatch";
        if (st == LATHE_OK) {
            t->error_id = "checkpoint_corrupt";
            st = load_all(t, &r, err);
        }
        ckpt_reader_close(&r);
        if (st == LATHE_OK)
            snprintf(t->resumed_from, sizeof t->resumed_from, "%s", path);
        return st;
    }
    return LATHE_OK;
}
