/* The process log. One state per process behind one lock; a line is built outside the lock, checked
 * for repeats, kept in the ring, and written with one write(2). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/io.h"
#include "core/base/strbuf.h"

#define N_RING 64
#define RING_LINE 1024
#define N_FOLD 64
#define FOLD_LIMIT 10
#define FOLD_WINDOW_NS INT64_C(1000000000)
#define FIELD_MAX 4096

/* How often one (module, msg) was seen in its current second. */
struct fold {
    char module[48], msg[96];
    int32_t level;
    int64_t window_ns;   /* start of the window */
    uint32_t seen, held; /* events in the window; of these, not written */
};

/* Everything below is protected by lock, except level. */
static struct {
    pthread_mutex_t lock;
    int fd, owned; /* owned: fd was opened here and path holds its name */
    char path[1024];
    struct fold folds[N_FOLD];
    uint32_t n_held; /* folds with held > 0 */
    char ring[N_RING][RING_LINE];
    uint64_t n_lines;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = STDERR_FILENO};

/* Atomic: read on every log call before anything else. */
static atomic_int level_now = LATHE_LOG_INFO;

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};

void log_set_level(int32_t level)
{
    atomic_store(&level_now, level);
}

int32_t log_get_level(void)
{
    return atomic_load_explicit(&level_now, memory_order_relaxed);
}

int log_level_parse(const char *name, int32_t *level)
{
    for (int32_t i = 0; i <= LATHE_LOG_TRACE; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = i;
            return 1;
        }
    }
    return 0;
}

static const char *level_name(int32_t level)
{
    return level_names[level < 0 ? 0 : level > LATHE_LOG_TRACE ? LATHE_LOG_TRACE : level];
}

static void add_head(struct strbuf *line, int32_t level, const char *module, const char *msg)
{
    char now[25];

    clock_iso8601(clock_wall_ms(), now);
    strbuf_addf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"module\":", now, level_name(level));
    strbuf_add_json_string(line, module, strlen(module));
    strbuf_adds(line, ",\"msg\":");
    strbuf_add_json_string(line, msg, strlen(msg));
}

static int is_head_name(const char *name)
{
    return strcmp(name, "time") == 0 || strcmp(name, "level") == 0 || strcmp(name, "module") == 0 ||
           strcmp(name, "msg") == 0 || strcmp(name, "repeated") == 0;
}

static void add_field(struct strbuf *line, const struct lathe_field *field)
{
    strbuf_addc(line, ',');
    if (is_head_name(field->name)) { /* names are unique inside one line */
        strbuf_adds(line, "\"field_");
        strbuf_adds(line, field->name);
        strbuf_addc(line, '"');
    } else {
        strbuf_add_json_string(line, field->name, strlen(field->name));
    }
    strbuf_addc(line, ':');
    switch (field->type) {
    case LATHE_FIELD_INT:
        strbuf_addf(line, "%lld", (long long)field->i);
        break;
    case LATHE_FIELD_FLOAT:
        strbuf_add_json_double(line, field->f);
        break;
    case LATHE_FIELD_BOOL:
        strbuf_adds(line, field->i != 0 ? "true" : "false");
        break;
    case LATHE_FIELD_STRING:
        if (field->str != NULL) {
            strbuf_add_json_string(line, field->str, strnlen(field->str, FIELD_MAX));
            break;
        }
        strbuf_adds(line, "null");
        break;
    default:
        strbuf_adds(line, "null");
        break;
    }
}

/* Under lock. A failing log device must not stop the process: there is nobody left to tell. */
static void emit(struct strbuf *line)
{
    size_t keep;

    strbuf_adds(line, "}\n");
    if (line->failed)
        return;
    keep = line->len_bytes < RING_LINE ? line->len_bytes : RING_LINE - 2;
    memcpy(state.ring[state.n_lines % N_RING], line->data, keep);
    if (keep != line->len_bytes)
        state.ring[state.n_lines % N_RING][keep++] = '\n';
    state.ring[state.n_lines % N_RING][keep] = '\0';
    state.n_lines++;
    (void)!io_write_all(state.fd, line->data, line->len_bytes, NULL);
}

/* Under lock: says how many events of this kind were held back. */
static void flush_fold(struct fold *fold)
{
    struct strbuf line;

    if (fold->held == 0)
        return;
    strbuf_init(&line);
    add_head(&line, fold->level, fold->module, fold->msg);
    strbuf_addf(&line, ",\"repeated\":%u", fold->held);
    emit(&line);
    strbuf_fini(&line);
    fold->held = 0;
    state.n_held--;
}

/* Under lock. */
static void flush_folds(int64_t now_ns, int all)
{
    for (size_t i = 0; i < N_FOLD && state.n_held != 0; i++) {
        if (all || now_ns - state.folds[i].window_ns >= FOLD_WINDOW_NS)
            flush_fold(&state.folds[i]);
    }
}

static uint32_t fold_hash(const char *module, const char *msg)
{
    uint32_t h = 2166136261u;

    for (; *module != '\0'; module++)
        h = (h ^ (unsigned char)*module) * 16777619u;
    for (h *= 16777619u; *msg != '\0'; msg++)
        h = (h ^ (unsigned char)*msg) * 16777619u;
    return h;
}

/* Under lock: 1 when this event is to be written, 0 when it is only counted. */
static int fold_admit(int32_t level, const char *module, const char *msg, int64_t now_ns)
{
    struct fold *fold = &state.folds[fold_hash(module, msg) % N_FOLD];
    int same;

    if (strcmp(msg, "audit") == 0)
        return 1; /* who changed what is never left out */
    same = strncmp(fold->module, module, sizeof fold->module - 1) == 0 &&
           strncmp(fold->msg, msg, sizeof fold->msg - 1) == 0 && fold->level == level;

    if (!same || now_ns - fold->window_ns >= FOLD_WINDOW_NS) {
        flush_fold(fold);
        snprintf(fold->module, sizeof fold->module, "%s", module);
        snprintf(fold->msg, sizeof fold->msg, "%s", msg);
        fold->level = level;
        fold->window_ns = now_ns;
        fold->seen = 0;
    }
    if (fold->seen < FOLD_LIMIT) {
        fold->seen++;
        return 1;
    }
    if (fold->held++ == 0)
        state.n_held++;
    return 0;
}

void log_event(int32_t level, const char *module, const char *msg,
               const struct lathe_field *const *fields)
{
    struct strbuf line;
    int64_t now_ns = clock_mono_ns();

    if (level > log_get_level())
        return;
    if (module == NULL)
        module = "";
    if (msg == NULL)
        msg = "";
    strbuf_init(&line);
    add_head(&line, level, module, msg);
    for (; fields != NULL && *fields != NULL; fields++) {
        if ((*fields)->name != NULL)
            add_field(&line, *fields);
    }
    pthread_mutex_lock(&state.lock);
    flush_folds(now_ns, 0);
    if (fold_admit(level, module, msg, now_ns))
        emit(&line);
    pthread_mutex_unlock(&state.lock);
    strbuf_fini(&line);
}

void log_write(const char *lines, size_t len_bytes)
{
    pthread_mutex_lock(&state.lock);
    (void)!io_write_all(state.fd, lines, len_bytes, NULL);
    pthread_mutex_unlock(&state.lock);
}

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

int32_t log_open(const char *path, int32_t level, struct lathe_error *err)
{
    int fd = STDERR_FILENO;
    int owned = path != NULL && strcmp(path, "stderr") != 0;

    if (owned && strlen(path) >= sizeof state.path)
        return fail(err, LATHE_E_LIMIT, "open log %.120s: the path is too long", path);
    if (owned && (fd = open_file(path)) < 0)
        return fail_errno(err, errno, "open log %s", path);
    log_close();
    log_set_level(level);
    pthread_mutex_lock(&state.lock);
    state.fd = fd;
    state.owned = owned;
    snprintf(state.path, sizeof state.path, "%s", owned ? path : "");
    pthread_mutex_unlock(&state.lock);
    return LATHE_OK;
}

int32_t log_reopen(struct lathe_error *err)
{
    int32_t st = LATHE_OK;
    int fd;

    pthread_mutex_lock(&state.lock);
    if (state.owned) {
        if ((fd = open_file(state.path)) < 0) {
            st = fail_errno(err, errno, "open log %s", state.path);
        } else {
            close(state.fd);
            state.fd = fd;
        }
    }
    pthread_mutex_unlock(&state.lock);
    return st;
}

void log_close(void)
{
    pthread_mutex_lock(&state.lock);
    flush_folds(0, 1);
    memset(state.folds, 0, sizeof state.folds);
    if (state.owned)
        close(state.fd);
    state.fd = STDERR_FILENO;
    state.owned = 0;
    pthread_mutex_unlock(&state.lock);
}

size_t log_tail(char *out, size_t cap)
{
    uint64_t first;
    size_t used = 0;
    int locked = 0;

    /* A crash handler may call this while its own thread holds the lock: give up then. */
    for (int i = 0; i < 1000 && !locked; i++) {
        locked = pthread_mutex_trylock(&state.lock) == 0;
        if (!locked)
            sched_yield();
    }
    if (cap != 0)
        out[0] = '\0';
    if (!locked)
        return 0;
    first = state.n_lines > N_RING ? state.n_lines - N_RING : 0;
    /* Newest lines matter most: skip old ones that would not fit. */
    for (uint64_t i = state.n_lines; i > first; i--) {
        size_t len = strlen(state.ring[(i - 1) % N_RING]);
        if (used + len + 1 > cap) {
            first = i;
            break;
        }
        used += len;
    }
    used = 0;
    for (uint64_t i = first; i < state.n_lines; i++) {
        size_t len = strlen(state.ring[i % N_RING]);
        memcpy(out + used, state.ring[i % N_RING], len + 1);
        used += len;
    }
    pthread_mutex_unlock(&state.lock);
    return used;
}
