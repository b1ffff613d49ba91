/* Replay memory: a ring of packed rows in one mapping. Each row links to the next row of its own
 * stream, so that n-step returns need no assumption on how rows arrive. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/replay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kit/sum_tree.h"
#include "lathe/rng.h"

#define NO_LINK UINT32_MAX
#define TERMINATED 1u
#define TRUNCATED 2u
#define AHEAD 8u /* rows that gather asks for before it reads them */
#define LINE 64u
#define MAX_LINES 8u
#define HUGE_PAGE ((size_t)2 << 20)
#define MIN_ERROR 1e-6

/* A row: obs, next_obs, struct tail, action, mask, padding to 16 bytes. */
struct tail {
    float reward;
    uint32_t link, flags;
};

struct kit_replay {
    struct kit_replay_args args;
    size_t row_bytes, tail_at, act_at, mask_at, map_bytes;
    unsigned char *rows;
    uint64_t pushed;
    uint64_t *last; /* [n_streams] 1 + number of the stream's newest row, 0 = none */
    struct kit_sum_tree tree;
    double max_priority;
};

static size_t layout(const struct kit_replay_args *a, struct kit_replay *r)
{
    const size_t obs = (size_t)a->obs_dim * sizeof(float);

    r->tail_at = 2 * obs;
    r->act_at = r->tail_at + sizeof(struct tail);
    r->mask_at = r->act_at + a->act_bytes;
    r->row_bytes = (r->mask_at + a->mask_bytes + 15u) & ~(size_t)15u;
    return r->row_bytes;
}

uint64_t kit_replay_bytes(const struct kit_replay_args *args)
{
    struct kit_replay shape;
    const size_t row = layout(args, &shape);

    if (args->capacity == 0 || args->capacity > 1u << 31 || args->n_streams == 0 ||
        args->obs_dim > 1u << 24 || args->act_bytes > 1u << 24 || args->mask_bytes > 1u << 24)
        return UINT64_MAX;
    return args->capacity * row + (uint64_t)args->n_streams * sizeof(uint64_t) +
           (args->prioritized ? kit_sum_tree_bytes(args->capacity) : 0);
}

static void *map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    if (bytes >= HUGE_PAGE)
        (void)madvise(p, bytes, MADV_HUGEPAGE); /* a wish: without huge pages it works too */
    return p;
}

int32_t kit_replay_open(const struct kit_replay_args *args, struct kit_replay **out)
{
    const uint64_t bytes = kit_replay_bytes(args);
    struct kit_replay *r;

    if (bytes == UINT64_MAX)
        return LATHE_E_INVALID;
    if (bytes > SIZE_MAX / 2 || (args->max_memory_bytes > 0 && bytes > args->max_memory_bytes))
        return LATHE_E_LIMIT;
    if ((r = calloc(1, sizeof *r)) == NULL)
        return LATHE_E_NOMEM;
    r->args = *args;
    layout(args, r);
    r->max_priority = 1.0;
    r->map_bytes = (size_t)args->capacity * r->row_bytes;
    r->rows = map(r->map_bytes);
    r->last = calloc(args->n_streams, sizeof *r->last);
    if (r->rows == NULL || r->last == NULL ||
        (args->prioritized && kit_sum_tree_open(&r->tree, args->capacity) != LATHE_OK)) {
        kit_replay_close(r);
        return LATHE_E_NOMEM;
    }
    *out = r;
    return LATHE_OK;
}

void kit_replay_close(struct kit_replay *r)
{
    if (r == NULL)
        return;
    if (r->rows != NULL)
        munmap(r->rows, r->map_bytes);
    kit_sum_tree_close(&r->tree);
    free(r->last);
    free(r);
}

static size_t take(size_t *at, size_t bytes)
{
    const size_t here = *at;

    *at += (bytes + LINE - 1) / LINE * LINE;
    return here;
}

int32_t kit_replay_batch_open(const struct kit_replay *r, uint32_t cap, struct kit_replay_batch *b)
{
    const size_t n = cap, obs = n * r->args.obs_dim * sizeof(float);
    unsigned char *m;
    size_t at = 0, index, x, y, act, reward, discount, weight, mask;

    index = take(&at, n * sizeof *b->index);
    x = take(&at, obs);
    y = take(&at, obs);
    act = take(&at, n * r->args.act_bytes);
    reward = take(&at, n * sizeof(float));
    discount = take(&at, n * sizeof(float));
    weight = take(&at, n * sizeof(float));
    mask = take(&at, n * r->args.mask_bytes);
    memset(b, 0, sizeof *b);
    if ((m = aligned_alloc(LINE, at + LINE)) == NULL)
        return LATHE_E_NOMEM;
    memset(m, 0, at + LINE);
    b->memory = m;
    b->cap = cap;
    b->index = (uint32_t *)(void *)(m + index);
    b->obs = (float *)(void *)(m + x);
    b->next_obs = (float *)(void *)(m + y);
    b->act = m + act;
    b->reward = (float *)(void *)(m + reward);
    b->discount = (float *)(void *)(m + discount);
    b->weight = (float *)(void *)(m + weight);
    b->next_mask = r->args.mask_bytes > 0 ? m + mask : NULL;
    return LATHE_OK;
}

void kit_replay_batch_close(struct kit_replay_batch *b)
{
    free(b->memory);
    memset(b, 0, sizeof *b);
}

static unsigned char *row_at(const struct kit_replay *r, uint64_t i)
{
    return r->rows + (size_t)i * r->row_bytes;
}

static struct tail *tail_of(const struct kit_replay *r, const unsigned char *row)
{
    const size_t i = (size_t)(row - r->rows);

    return (struct tail *)(void *)(r->rows + i + r->tail_at);
}

void kit_replay_slot(struct kit_replay *r, struct kit_replay_slot *slot)
{
    unsigned char *row = row_at(r, r->pushed % r->args.capacity);

    slot->obs = (float *)(void *)row;
    slot->next_obs = slot->obs + r->args.obs_dim;
    slot->act = row + r->act_at;
    slot->next_mask = r->args.mask_bytes > 0 ? row + r->mask_at : NULL;
}

void kit_replay_commit(struct kit_replay *r, uint32_t stream, float reward, int32_t terminated,
                       int32_t truncated)
{
    const uint64_t cap = r->args.capacity, number = r->pushed, at = number % cap;
    struct tail *t = tail_of(r, row_at(r, at));
    const uint64_t last = r->last[stream];

    t->reward = reward;
    t->link = NO_LINK;
    t->flags = (terminated ? TERMINATED : 0u) | (truncated ? TRUNCATED : 0u);
    if (last > 0 && number - (last - 1) < cap) { /* still in the ring */
        struct tail *before = tail_of(r, row_at(r, (last - 1) % cap));
        if (before->flags == 0)
            before->link = (uint32_t)at;
    }
    r->last[stream] = number + 1;
    r->pushed++;
    if (r->args.prioritized)
        kit_sum_tree_set(&r->tree, at, r->max_priority);
}

uint64_t kit_replay_size(const struct kit_replay *r)
{
    return r->pushed < r->args.capacity ? r->pushed : r->args.capacity;
}

uint64_t kit_replay_pushed(const struct kit_replay *r)
{
    return r->pushed;
}

const void *kit_replay_act(const struct kit_replay *r, uint64_t i)
{
    return row_at(r, i) + r->act_at;
}

/* Stratified: one draw from each of n equal parts of the total. */
static void sample_tree(const struct kit_replay *r, struct kit_replay_batch *b, uint64_t draw,
                        double beta)
{
    const double total = kit_sum_tree_total(&r->tree), part = total / (double)b->n;
    const double size = (double)kit_replay_size(r);
    double largest = 0;
    uint32_t i, x[4] = {0};

    for (i = 0; i < b->n; i++) {
        double u, w;
        if (i % 4 == 0)
            lathe_philox(r->args.seed, LATHE_STREAM_REPLAY, 0, draw, i / 4, x);
        u = ((double)x[i % 4] + 0.5) * (1.0 / 4294967296.0);
        b->index[i] = (uint32_t)kit_sum_tree_find(&r->tree, part * ((double)i + u));
        w = pow(size * kit_sum_tree_get(&r->tree, b->index[i]) / total, -beta);
        b->weight[i] = (float)w;
        largest = w > largest ? w : largest;
    }
    for (i = 0; i < b->n; i++)
        b->weight[i] = largest > 0 ? (float)((double)b->weight[i] / largest) : 1.0f;
}

void kit_replay_sample(const struct kit_replay *r, struct kit_replay_batch *b, uint32_t n,
                       uint64_t draw, double beta)
{
    const uint64_t size = kit_replay_size(r);
    uint32_t i, x[4] = {0};

    b->n = n < b->cap ? n : b->cap;
    if (r->args.prioritized) {
        sample_tree(r, b, draw, beta);
        return;
    }
    for (i = 0; i < b->n; i++) {
        if (i % 4 == 0)
            lathe_philox(r->args.seed, LATHE_STREAM_REPLAY, 0, draw, i / 4, x);
        b->index[i] = (uint32_t)((uint64_t)x[i % 4] * size >> 32);
        b->weight[i] = 1.0f;
    }
}

static void prefetch(const struct kit_replay *r, uint32_t index)
{
    const unsigned char *row = row_at(r, index);
    size_t at;

    for (at = 0; at < r->row_bytes && at < MAX_LINES * LINE; at += LINE)
        __builtin_prefetch(row + at);
}

/* Follows a row's stream; returns the last row reached. */
static const unsigned char *follow(const struct kit_replay *r, const unsigned char *row,
                                   uint32_t n_step, double gamma, struct kit_replay_batch *b,
                                   uint32_t i)
{
    const struct tail *t = tail_of(r, row);
    double sum = (double)t->reward, factor = gamma;
    uint32_t k;

    for (k = 1; k < n_step && t->flags == 0 && t->link != NO_LINK; k++) {
        row = row_at(r, t->link);
        t = tail_of(r, row);
        sum += factor * (double)t->reward;
        factor *= gamma;
    }
    b->reward[i] = (float)sum;
    b->discount[i] = t->flags & TERMINATED ? 0.0f : (float)factor;
    return row;
}

void kit_replay_gather(const struct kit_replay *r, struct kit_replay_batch *b, uint32_t n_step,
                       double gamma)
{
    const size_t dim = r->args.obs_dim, act = r->args.act_bytes, mask = r->args.mask_bytes;
    unsigned char *to = b->act;
    uint32_t i;

    for (i = 0; i < AHEAD && i < b->n; i++)
        prefetch(r, b->index[i]);
    for (i = 0; i < b->n; i++) {
        const unsigned char *row = row_at(r, b->index[i]);
        if (i + AHEAD < b->n)
            prefetch(r, b->index[i + AHEAD]);
        memcpy(b->obs + i * dim, row, dim * sizeof(float));
        if (act == 4)
            memcpy(to + (size_t)i * 4, row + r->act_at, 4); /* the common case, inlined */
        else
            memcpy(to + i * act, row + r->act_at, act);
        row = follow(r, row, n_step, gamma, b, i);
        memcpy(b->next_obs + i * dim, row + dim * sizeof(float), dim * sizeof(float));
        if (mask > 0)
            memcpy(b->next_mask + i * mask, row + r->mask_at, mask);
    }
}

void kit_replay_prioritize(struct kit_replay *r, const struct kit_replay_batch *b,
                           const float *error)
{
    uint32_t i;

    for (i = 0; i < b->n && r->args.prioritized; i++) {
        double p = pow(fabs((double)error[i]) + MIN_ERROR, r->args.alpha);
        if (!isfinite(p))
            p = r->max_priority;
        if (p > r->max_priority)
            r->max_priority = p;
        kit_sum_tree_set(&r->tree, b->index[i], p);
    }
}

int32_t kit_replay_save(const struct kit_replay *r, const struct lathe_writer *w)
{
    const uint64_t size = kit_replay_size(r), one = 1, two = 2, streams = r->args.n_streams;
    const uint64_t shape[2] = {size, r->row_bytes}, counters[2] = {r->pushed, r->args.capacity};
    int32_t st;

    if ((st = w->put(w, "replay/counters", LATHE_U64, 1, &two, counters)) != LATHE_OK ||
        (st = w->put(w, "replay/streams", LATHE_U64, 1, &streams, r->last)) != LATHE_OK)
        return st;
    if (size > 0 && (st = w->put(w, "replay/rows", LATHE_U8, 2, shape, r->rows)) != LATHE_OK)
        return st;
    if (!r->args.prioritized)
        return LATHE_OK;
    st = w->put(w, "replay/max_priority", LATHE_F64, 1, &one, &r->max_priority);
    return st != LATHE_OK || size == 0
               ? st
               : w->put(w, "replay/priority", LATHE_F64, 1, &size, kit_sum_tree_leaves(&r->tree));
}

static int32_t load_tree(struct kit_replay *r, const struct lathe_reader *reader, uint64_t size)
{
    const uint64_t one = 1;
    double *leaf = kit_sum_tree_leaves(&r->tree);
    uint64_t i;
    int32_t st;

    if ((st = reader->get(reader, "replay/max_priority", LATHE_F64, 1, &one, &r->max_priority)) !=
        LATHE_OK)
        return st;
    memset(leaf, 0, (size_t)r->args.capacity * sizeof *leaf);
    if (size > 0 &&
        (st = reader->get(reader, "replay/priority", LATHE_F64, 1, &size, leaf)) != LATHE_OK)
        return st;
    for (i = 0; i < size; i++)
        if (!isfinite(leaf[i]) || leaf[i] < 0)
            return LATHE_E_CORRUPT;
    kit_sum_tree_rebuild(&r->tree);
    return isfinite(r->max_priority) ? LATHE_OK : LATHE_E_CORRUPT;
}

static int32_t load_rows(struct kit_replay *r, const struct lathe_reader *reader, uint64_t pushed)
{
    const uint64_t cap = r->args.capacity, size = pushed < cap ? pushed : cap;
    const uint64_t shape[2] = {size, r->row_bytes};
    uint64_t i;
    int32_t st;

    if (size > 0 &&
        (st = reader->get(reader, "replay/rows", LATHE_U8, 2, shape, r->rows)) != LATHE_OK)
        return st;
    for (i = 0; i < size; i++) {
        const struct tail *t = tail_of(r, row_at(r, i));
        if (t->link != NO_LINK && t->link >= size)
            return LATHE_E_CORRUPT;
    }
    for (i = 0; i < r->args.n_streams; i++)
        if (r->last[i] > pushed)
            return LATHE_E_CORRUPT;
    st = r->args.prioritized ? load_tree(r, reader, size) : LATHE_OK;
    if (st == LATHE_OK)
        r->pushed = pushed;
    return st;
}

int32_t kit_replay_load(struct kit_replay *r, const struct lathe_reader *reader)
{
    const uint64_t two = 2, streams = r->args.n_streams;
    uint64_t counters[2];
    int32_t st;

    r->pushed = 0; /* a failed load leaves an empty memory */
    if ((st = reader->get(reader, "replay/counters", LATHE_U64, 1, &two, counters)) != LATHE_OK)
        return st;
    if (counters[1] != r->args.capacity)
        return LATHE_E_CORRUPT;
    st = reader->get(reader, "replay/streams", LATHE_U64, 1, &streams, r->last);
    if (st == LATHE_OK)
        st = load_rows(r, reader, counters[0]);
    if (st != LATHE_OK)
        memset(r->last, 0, r->args.n_streams * sizeof *r->last);
    return st;
}
