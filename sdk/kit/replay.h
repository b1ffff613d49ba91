/* Replay memory of off-policy learners: a ring of packed rows, uniform or prioritized sampling,
 * n-step returns, exact save and load. Threads: [learn]; kit_replay_gather also on another core, as
 * long as nothing is pushed meanwhile. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_REPLAY_H
#define KIT_REPLAY_H

#include "lathe/algorithm.h"

/* Shape of a memory. A row holds obs, next_obs (obs_dim floats each), an action of act_bytes bytes,
 * the reward, flags, and mask_bytes bytes of action mask that belong to next_obs. */
struct kit_replay_args {
    uint64_t capacity;  /* rows, 1 .. 2^31 */
    uint32_t n_streams; /* environment rows: n-step returns follow one of them */
    uint32_t obs_dim, act_bytes, mask_bytes;
    uint64_t seed;             /* key of the draws, stream LATHE_STREAM_REPLAY */
    int32_t prioritized;       /* 0 = uniform with replacement */
    double alpha;              /* prioritized: exponent of |error| + 1e-6 */
    uint64_t max_memory_bytes; /* 0 = no limit */
};

/* Where the coming row lies. Fill obs, next_obs, act (and next_mask when mask_bytes > 0), then
 * commit. */
struct kit_replay_slot {
    float *obs, *next_obs;
    void *act;
    uint8_t *next_mask;
};

/* Columns of a minibatch, cap rows each; obs and next_obs have obs_dim floats per row. */
struct kit_replay_batch {
    uint32_t n, cap;
    uint32_t *index; /* ring positions */
    float *obs, *next_obs;
    void *act;          /* [n][act_bytes] */
    float *reward;      /* sum of gamma^i r_i over the steps followed */
    float *discount;    /* gamma^k of those steps, 0 where the last one terminated */
    float *weight;      /* importance weights: 1, or (n P)^-beta over the batch's largest */
    uint8_t *next_mask; /* NULL without masks */
    void *memory;       /* the block all of it lies in */
};

struct kit_replay;

/* Bytes that open reserves. UINT64_MAX when the shape is impossible. */
uint64_t kit_replay_bytes(const struct kit_replay_args *args);

/* Reserves the memory; pages are touched when rows arrive, in huge pages where the system has them.
 * Errors: LATHE_E_INVALID (shape), LATHE_E_LIMIT (max_memory_bytes), LATHE_E_NOMEM. */
LATHE_MUST_USE int32_t kit_replay_open(const struct kit_replay_args *args, struct kit_replay **r);
void kit_replay_close(struct kit_replay *r);

LATHE_MUST_USE int32_t kit_replay_batch_open(const struct kit_replay *r, uint32_t cap,
                                             struct kit_replay_batch *b);
void kit_replay_batch_close(struct kit_replay_batch *b);

/* The coming row; overwrites the oldest one when the ring is full. */
void kit_replay_slot(struct kit_replay *r, struct kit_replay_slot *slot);

/* Ends the row: it continues the last row of the same stream unless that one ended its episode.
 * next_obs must be the observation reached, final_obs where an episode ended. New rows get the
 * largest priority seen so far. */
void kit_replay_commit(struct kit_replay *r, uint32_t stream, float reward, int32_t terminated,
                       int32_t truncated);

/* Rows that can be sampled, and rows ever committed. */
uint64_t kit_replay_size(const struct kit_replay *r);
uint64_t kit_replay_pushed(const struct kit_replay *r);
/* The action of ring position i < size, to check what load brought in. */
const void *kit_replay_act(const struct kit_replay *r, uint64_t i);

/* Draws n <= cap positions (and weights with exponent beta) for draw number draw: a function of
 * seed, draw and the contents. Needs size > 0. */
void kit_replay_sample(const struct kit_replay *r, struct kit_replay_batch *b, uint32_t n,
                       uint64_t draw, double beta);

/* Copies the rows at b->index; follows each up to n_step steps, an episode's end or the newest row
 * of its stream. */
void kit_replay_gather(const struct kit_replay *r, struct kit_replay_batch *b, uint32_t n_step,
                       double gamma);

/* New priorities of the batch's rows from their errors (sign ignored), in batch order. */
void kit_replay_prioritize(struct kit_replay *r, const struct kit_replay_batch *b,
                           const float *error);

/* Tensors "replay/rows", "replay/counters", "replay/streams" and, prioritized, "replay/priority",
 * "replay/max_priority". load needs the same shape: LATHE_E_NOT_FOUND, LATHE_E_CORRUPT. */
LATHE_MUST_USE int32_t kit_replay_save(const struct kit_replay *r, const struct lathe_writer *w);
LATHE_MUST_USE int32_t kit_replay_load(struct kit_replay *r, const struct lathe_reader *reader);

#endif
