/* The specification of a job: checked against option tables when it is submitted, and turned into
 * the worker's job file when it starts. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_JOB_JOB_SPEC_H
#define CORE_JOB_JOB_SPEC_H

#include "core/registry/registry.h"

/* Checks given and returns the complete specification: options of all components filled in, seed
 * drawn when absent. *out: new reference. Errors: LATHE_E_INVALID and LATHE_E_NOT_FOUND with
 * err->field as a dotted path ("algorithm.options.clip_range"). */
int32_t job_spec_resolve(const struct reg *reg, const json_t *given, json_t **out,
                         struct lathe_error *err) LATHE_MUST_USE;

/* Gives spec the shipped engine when its algorithm needs one and none was named. */
int32_t job_spec_engine(const struct reg *reg, json_t *spec,
                        struct lathe_error *err) LATHE_MUST_USE;

/* Unit of `current`: total_iterations or total_steps; 0 for an open end. */
uint64_t job_spec_total(const json_t *spec);
/* JSON integers are signed; seeds are kept as integers up to 2^63 - 1. */
uint64_t job_spec_seed(const json_t *spec);

/* What the start of a worker adds to the specification. */
struct job_spec_run {
    const char *id, *dir, *role;
    const json_t *resume;    /* array of absolute paths, newest first, or NULL */
    const char *init_policy; /* file of init_model, or NULL */
    const char *policy;      /* file of model, or NULL */
    uint32_t threads_max;    /* limit of the server; 0: none */
    uint64_t memory_bytes;   /* limit of the worker; 0: none */
    int is_confined;         /* seccomp and landlock */
};

/* The worker's job file; new reference. Errors: LATHE_E_NOT_FOUND when a plugin is no longer there.
 */
int32_t job_spec_worker(const struct reg *reg, const json_t *spec, const struct job_spec_run *run,
                        json_t **out, struct lathe_error *err) LATHE_MUST_USE;

/* Adds {"path","sha256"} of a component's file to plugins, once. */
int32_t job_spec_add_plugin(const struct reg *reg, const char *kind, const char *name,
                            json_t *plugins, struct lathe_error *err) LATHE_MUST_USE;

#endif
