/* Kind "lathe.predictor/1": a loaded model that answers: observations with actions, messages with
 * tokens. The worker batches requests.
 * Threads: all calls [learn]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_PREDICTOR_H
#define LATHE_PREDICTOR_H

#include "lathe/host.h"
#include "lathe/params.h"

#define LATHE_KIND_PREDICTOR "lathe.predictor/1"

/* Capability flags of struct lathe_predictor. */
#define LATHE_PREDICTOR_STREAMS 1u /* answers may come in pieces */

/* Arguments of open. Borrowed until open returns, except host (until close). */
struct lathe_predictor_args {
    uint32_t struct_size, flags;
    const struct lathe_host *host;
    const struct lathe_params *params; /* the component's options, checked */
    const char *path;                  /* file or directory of the model */
    uint32_t threads;
    uint32_t max_batch;          /* most requests in one predict call */
    uint64_t memory_limit_bytes; /* 0 = none */
};

/* One request of a batch. The host fills the first part; the predictor writes status and error. */
struct lathe_predict_item {
    uint32_t struct_size, flags;
    const char *request; /* JSON object, NUL-terminated, borrowed until predict returns */
    void *user;          /* the host's, handed to emit */
    int32_t status;      /* out: LATHE_OK or why this request failed; others are not affected */
    uint32_t reserved0;
    struct lathe_error *err; /* out, may be NULL */
};

/* Where answers go. emit may be called several times for one item (pieces of a stream, in order);
 * last is 1 exactly once per item that ends well. Returns LATHE_OK, or LATHE_E_CANCELLED when
 * nobody waits for this item any more: stop working on it. */
struct lathe_predict_sink {
    uint32_t struct_size, reserved0;
    void *ctx; /* the host's */
    int32_t (*emit)(const struct lathe_predict_sink *sink, void *user, const char *json,
                    uint64_t len_bytes, int32_t last);
    int32_t (*cancelled)(const struct lathe_predict_sink *sink,
                         void *user); /* polled between pieces */
};

struct lathe_predictor {
    uint32_t struct_size, flags;

    /* Loads the model. Memory: *model is the plugin's, released by close; on failure nothing is
     * left. Errors: LATHE_E_NOT_FOUND, LATHE_E_CORRUPT, LATHE_E_VERSION, LATHE_E_LIMIT,
     * LATHE_E_NOMEM. Since 1.0. */
    int32_t (*open)(const struct lathe_predictor_args *args, struct lathe_error *err, void **model);

    /* Answers count items (<= max_batch). Items are an array of pointers, so that the record may
     * grow. Errors: a negative return fails the items that have no answer yet; the model stays
     * usable. Since 1.0. */
    int32_t (*predict)(void *model, struct lathe_predict_item *const *items, uint32_t count,
                       const struct lathe_predict_sink *sink);

    /* Facts about the model as a JSON object, NUL-terminated (inputs, outputs, context length).
     * LATHE_E_LIMIT when cap_bytes is too small. Since 1.0. */
    int32_t (*describe)(void *model, char *json, uint64_t cap_bytes);

    /* Releases the model; NULL is fine. Since 1.0. */
    void (*close)(void *model);

    /* Constant table of an extension, or NULL. May be NULL itself. Since 1.0. */
    const void *(*extension)(void *model, const char *id);
};

#endif
