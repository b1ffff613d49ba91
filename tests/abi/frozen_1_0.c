/* Layout of the SDK as released in 1.0. Never edited: see docs/abi-policy.md. */
/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include <lathe/lathe.h>
#include <stddef.h>

#if UINTPTR_MAX == UINT64_MAX && defined(__LP64__)
#define AT(type, field, offset, pointer) \
    _Static_assert(offsetof(struct type, field) == (offset), #type "." #field " moved"); \
    _Static_assert(_Generic(&((struct type *)0)->field, pointer : 1, default : 0), \
                   #type "." #field " has another type")
#define AT_LEAST(type, size) _Static_assert(sizeof(struct type) >= (size), #type " shrank")

AT_LEAST(lathe_abi_align_ptr, 16);
AT(lathe_abi_align_ptr, c, 0, char *);
AT(lathe_abi_align_ptr, p, 8, void **);

AT_LEAST(lathe_abi_align_u64, 16);
AT(lathe_abi_align_u64, c, 0, char *);
AT(lathe_abi_align_u64, u, 8, uint64_t *);

AT_LEAST(lathe_abi_align_double, 16);
AT(lathe_abi_align_double, c, 0, char *);
AT(lathe_abi_align_double, d, 8, double *);

AT_LEAST(lathe_field, 40);
AT(lathe_field, struct_size, 0, uint32_t *);
AT(lathe_field, type, 4, uint32_t *);
AT(lathe_field, name, 8, const char **);
AT(lathe_field, i, 16, int64_t *);
AT(lathe_field, f, 24, double *);
AT(lathe_field, str, 32, const char **);

AT_LEAST(lathe_error, 312);
AT(lathe_error, code, 0, int32_t *);
AT(lathe_error, reserved0, 4, uint32_t *);
AT(lathe_error, text, 8, char (*)[240]);
AT(lathe_error, field, 248, char (*)[64]);

AT_LEAST(lathe_host, 32);
AT(lathe_host, struct_size, 0, uint32_t *);
AT(lathe_host, abi_major, 4, uint16_t *);
AT(lathe_host, abi_minor, 6, uint16_t *);
AT(lathe_host, ctx, 8, void **);
AT(lathe_host, get_service, 16, const void *(**)(const struct lathe_host *host, const char *id));
AT(lathe_host, log, 24, void (**)(const struct lathe_host *host, int32_t level, const char *msg, const struct lathe_field *const *fields));

AT_LEAST(lathe_params, 72);
AT(lathe_params, struct_size, 0, uint32_t *);
AT(lathe_params, reserved0, 4, uint32_t *);
AT(lathe_params, ctx, 8, const void **);
AT(lathe_params, get_bool, 16, int32_t (**)(const struct lathe_params *params, const char *name));
AT(lathe_params, get_int, 24, int64_t (**)(const struct lathe_params *params, const char *name));
AT(lathe_params, get_float, 32, double (**)(const struct lathe_params *params, const char *name));
AT(lathe_params, get_string, 40, const char *(**)(const struct lathe_params *params, const char *name));
AT(lathe_params, get_list, 48, uint32_t (**)(const struct lathe_params *params, const char *name, double *out, uint32_t cap));
AT(lathe_params, get_json, 56, const char *(**)(const struct lathe_params *params, const char *name));
AT(lathe_params, is_set, 64, int32_t (**)(const struct lathe_params *params, const char *name));

AT_LEAST(lathe_space, 96);
AT(lathe_space, struct_size, 0, uint32_t *);
AT(lathe_space, kind, 4, uint8_t *);
AT(lathe_space, dtype, 5, uint8_t *);
AT(lathe_space, ndim, 6, uint8_t *);
AT(lathe_space, flags, 7, uint8_t *);
AT(lathe_space, shape, 8, uint32_t (*)[6]);
AT(lathe_space, offset_bytes, 32, uint32_t *);
AT(lathe_space, len_bytes, 36, uint32_t *);
AT(lathe_space, n, 40, int64_t *);
AT(lathe_space, start, 48, int64_t *);
AT(lathe_space, nvec, 56, const int64_t **);
AT(lathe_space, low, 64, const double **);
AT(lathe_space, high, 72, const double **);
AT(lathe_space, key, 80, const char **);
AT(lathe_space, children, 88, const struct lathe_space *const **);

AT_LEAST(lathe_env_args, 24);
AT(lathe_env_args, struct_size, 0, uint32_t *);
AT(lathe_env_args, n_envs, 4, uint32_t *);
AT(lathe_env_args, host, 8, const struct lathe_host **);
AT(lathe_env_args, params, 16, const struct lathe_params **);

AT_LEAST(lathe_env_spec, 64);
AT(lathe_env_spec, struct_size, 0, uint32_t *);
AT(lathe_env_spec, flags, 4, uint32_t *);
AT(lathe_env_spec, id, 8, const char **);
AT(lathe_env_spec, version, 16, uint32_t *);
AT(lathe_env_spec, obs_stride, 20, uint32_t *);
AT(lathe_env_spec, act_stride, 24, uint32_t *);
AT(lathe_env_spec, n_agents, 28, uint32_t *);
AT(lathe_env_spec, default_limit, 32, uint32_t *);
AT(lathe_env_spec, reserved0, 36, uint32_t *);
AT(lathe_env_spec, reward_threshold, 40, double *);
AT(lathe_env_spec, obs, 48, const struct lathe_space **);
AT(lathe_env_spec, act, 56, const struct lathe_space **);

AT_LEAST(lathe_env_io, 80);
AT(lathe_env_io, struct_size, 0, uint32_t *);
AT(lathe_env_io, reserved0, 4, uint32_t *);
AT(lathe_env_io, act, 8, const void **);
AT(lathe_env_io, obs, 16, void **);
AT(lathe_env_io, reward, 24, float **);
AT(lathe_env_io, terminated, 32, uint8_t **);
AT(lathe_env_io, truncated, 40, uint8_t **);
AT(lathe_env_io, seeds, 48, const uint64_t **);
AT(lathe_env_io, options_json, 56, const char **);
AT(lathe_env_io, mask, 64, uint8_t **);
AT(lathe_env_io, info, 72, float **);

AT_LEAST(lathe_env, 56);
AT(lathe_env, struct_size, 0, uint32_t *);
AT(lathe_env, flags, 4, uint32_t *);
AT(lathe_env, open, 8, int32_t (**)(const struct lathe_env_args *args, struct lathe_error *err, void **batch));
AT(lathe_env, spec, 16, const struct lathe_env_spec *(**)(void *batch));
AT(lathe_env, reset, 24, int32_t (**)(void *batch, uint32_t first, uint32_t count, const uint8_t *rows, const struct lathe_env_io *io));
AT(lathe_env, step, 32, int32_t (**)(void *batch, uint32_t first, uint32_t count, const struct lathe_env_io *io));
AT(lathe_env, close, 40, void (**)(void *batch));
AT(lathe_env, extension, 48, const void *(**)(void *batch, const char *id));

AT_LEAST(lathe_env_snapshot, 24);
AT(lathe_env_snapshot, struct_size, 0, uint32_t *);
AT(lathe_env_snapshot, row_bytes, 4, uint32_t *);
AT(lathe_env_snapshot, get, 8, int32_t (**)(void *batch, uint32_t first, uint32_t count, void *buffer));
AT(lathe_env_snapshot, set, 16, int32_t (**)(void *batch, uint32_t first, uint32_t count, const void *buffer));

AT_LEAST(lathe_env_render, 16);
AT(lathe_env_render, struct_size, 0, uint32_t *);
AT(lathe_env_render, reserved0, 4, uint32_t *);
AT(lathe_env_render, render, 8, int32_t (**)(void *batch, uint32_t row, uint32_t mode, void *buffer, uint64_t cap_bytes, uint32_t dims[4]));

AT_LEAST(lathe_env_mask, 8);
AT(lathe_env_mask, struct_size, 0, uint32_t *);
AT(lathe_env_mask, n_mask, 4, uint32_t *);

AT_LEAST(lathe_env_info, 16);
AT(lathe_env_info, struct_size, 0, uint32_t *);
AT(lathe_env_info, n_info, 4, uint32_t *);
AT(lathe_env_info, names, 8, const char *const **);

AT_LEAST(lathe_env_report, 16);
AT(lathe_env_report, struct_size, 0, uint32_t *);
AT(lathe_env_report, reserved0, 4, uint32_t *);
AT(lathe_env_report, report, 8, int32_t (**)(void *batch, uint32_t n_episodes, const float *info, const double *returns, const uint32_t *lengths, char *json, uint64_t cap_bytes));

AT_LEAST(lathe_env_describe, 32);
AT(lathe_env_describe, struct_size, 0, uint32_t *);
AT(lathe_env_describe, n_actions, 4, uint32_t *);
AT(lathe_env_describe, action_names, 8, const char *const **);
AT(lathe_env_describe, state, 16, int32_t (**)(void *batch, uint32_t row, char *json, uint64_t cap_bytes));
AT(lathe_env_describe, observe, 24, int32_t (**)(void *batch, const char *state_json, void *obs, struct lathe_error *err));

AT_LEAST(lathe_env_solve, 16);
AT(lathe_env_solve, struct_size, 0, uint32_t *);
AT(lathe_env_solve, reserved0, 4, uint32_t *);
AT(lathe_env_solve, solve, 8, int32_t (**)(void *batch, const char *options_json, char *json, uint64_t cap_bytes, struct lathe_error *err));

AT_LEAST(lathe_outcome, 24);
AT(lathe_outcome, probability, 0, double *);
AT(lathe_outcome, reward, 8, double *);
AT(lathe_outcome, next_state, 16, uint32_t *);
AT(lathe_outcome, terminated, 20, uint32_t *);

AT_LEAST(lathe_env_model, 32);
AT(lathe_env_model, struct_size, 0, uint32_t *);
AT(lathe_env_model, n_states, 4, uint32_t *);
AT(lathe_env_model, n_actions, 8, uint32_t *);
AT(lathe_env_model, reserved0, 12, uint32_t *);
AT(lathe_env_model, transitions, 16, uint32_t (**)(void *batch, uint32_t state, uint32_t action, struct lathe_outcome *out, uint32_t cap));
AT(lathe_env_model, start, 24, uint32_t (**)(void *batch, struct lathe_outcome *out, uint32_t cap));

AT_LEAST(lathe_algo_args, 88);
AT(lathe_algo_args, struct_size, 0, uint32_t *);
AT(lathe_algo_args, flags, 4, uint32_t *);
AT(lathe_algo_args, host, 8, const struct lathe_host **);
AT(lathe_algo_args, spec, 16, const struct lathe_env_spec **);
AT(lathe_algo_args, params, 24, const struct lathe_params **);
AT(lathe_algo_args, engine, 32, const struct lathe_engine **);
AT(lathe_algo_args, n_envs, 40, uint32_t *);
AT(lathe_algo_args, threads, 44, uint32_t *);
AT(lathe_algo_args, n_mask, 48, uint32_t *);
AT(lathe_algo_args, max_act_rows, 52, uint32_t *);
AT(lathe_algo_args, seed, 56, uint64_t *);
AT(lathe_algo_args, total_steps, 64, uint64_t *);
AT(lathe_algo_args, total_iterations, 72, uint64_t *);
AT(lathe_algo_args, memory_limit_bytes, 80, uint64_t *);

AT_LEAST(lathe_obs, 48);
AT(lathe_obs, struct_size, 0, uint32_t *);
AT(lathe_obs, first, 4, uint32_t *);
AT(lathe_obs, count, 8, uint32_t *);
AT(lathe_obs, reserved0, 12, uint32_t *);
AT(lathe_obs, obs, 16, const void **);
AT(lathe_obs, mask, 24, const uint8_t **);
AT(lathe_obs, sample_key, 32, uint64_t *);
AT(lathe_obs, sample_index, 40, uint64_t *);

AT_LEAST(lathe_act, 32);
AT(lathe_act, struct_size, 0, uint32_t *);
AT(lathe_act, reserved0, 4, uint32_t *);
AT(lathe_act, act, 8, void **);
AT(lathe_act, prob, 16, float **);
AT(lathe_act, value, 24, float * *);

AT_LEAST(lathe_transition, 96);
AT(lathe_transition, struct_size, 0, uint32_t *);
AT(lathe_transition, first, 4, uint32_t *);
AT(lathe_transition, count, 8, uint32_t *);
AT(lathe_transition, n_ended, 12, uint32_t *);
AT(lathe_transition, obs, 16, const void **);
AT(lathe_transition, act, 24, const void **);
AT(lathe_transition, reward, 32, const float **);
AT(lathe_transition, terminated, 40, const uint8_t **);
AT(lathe_transition, truncated, 48, const uint8_t **);
AT(lathe_transition, next_obs, 56, const void **);
AT(lathe_transition, final_obs, 64, const void **);
AT(lathe_transition, ended, 72, const uint32_t **);
AT(lathe_transition, mask, 80, const uint8_t **);
AT(lathe_transition, next_mask, 88, const uint8_t **);

AT_LEAST(lathe_budget, 32);
AT(lathe_budget, struct_size, 0, uint32_t *);
AT(lathe_budget, reserved0, 4, uint32_t *);
AT(lathe_budget, max_ns, 8, uint64_t *);
AT(lathe_budget, cancelled, 16, int32_t (**)(void *user));
AT(lathe_budget, user, 24, void **);

AT_LEAST(lathe_stats, 24);
AT(lathe_stats, struct_size, 0, uint32_t *);
AT(lathe_stats, reserved0, 4, uint32_t *);
AT(lathe_stats, ctx, 8, void **);
AT(lathe_stats, put, 16, void (**)(struct lathe_stats *stats, const char *name, double value));

AT_LEAST(lathe_writer, 24);
AT(lathe_writer, struct_size, 0, uint32_t *);
AT(lathe_writer, reserved0, 4, uint32_t *);
AT(lathe_writer, ctx, 8, void **);
AT(lathe_writer, put, 16, int32_t (**)(const struct lathe_writer *writer, const char *name, uint32_t dtype, uint32_t ndim, const uint64_t *shape, const void *data));

AT_LEAST(lathe_reader, 32);
AT(lathe_reader, struct_size, 0, uint32_t *);
AT(lathe_reader, reserved0, 4, uint32_t *);
AT(lathe_reader, ctx, 8, void **);
AT(lathe_reader, get, 16, int32_t (**)(const struct lathe_reader *reader, const char *name, uint32_t dtype, uint32_t ndim, const uint64_t *shape, void *out));
AT(lathe_reader, shape, 24, int32_t (**)(const struct lathe_reader *reader, const char *name, uint32_t *dtype, uint64_t shape[8]));

AT_LEAST(lathe_algorithm, 72);
AT(lathe_algorithm, struct_size, 0, uint32_t *);
AT(lathe_algorithm, flags, 4, uint32_t *);
AT(lathe_algorithm, open, 8, int32_t (**)(const struct lathe_algo_args *args, struct lathe_error *err, void **self));
AT(lathe_algorithm, act, 16, int32_t (**)(void *self, const struct lathe_obs *obs, uint32_t mode, struct lathe_act *act));
AT(lathe_algorithm, observe, 24, int32_t (**)(void *self, const struct lathe_transition *transition));
AT(lathe_algorithm, update, 32, int32_t (**)(void *self, const struct lathe_budget *budget, struct lathe_stats *stats, struct lathe_error *err));
AT(lathe_algorithm, save, 40, int32_t (**)(void *self, const struct lathe_writer *writer));
AT(lathe_algorithm, load, 48, int32_t (**)(void *self, const struct lathe_reader *reader, struct lathe_error *err));
AT(lathe_algorithm, close, 56, void (**)(void *self));
AT(lathe_algorithm, extension, 64, const void *(**)(void *self, const char *id));

AT_LEAST(lathe_algo_slots, 16);
AT(lathe_algo_slots, struct_size, 0, uint32_t *);
AT(lathe_algo_slots, reserved0, 4, uint32_t *);
AT(lathe_algo_slots, next, 8, int32_t (**)(void *self, struct lathe_env_io *io));

AT_LEAST(lathe_algo_export, 32);
AT(lathe_algo_export, struct_size, 0, uint32_t *);
AT(lathe_algo_export, reserved0, 4, uint32_t *);
AT(lathe_algo_export, describe, 8, int32_t (**)(void *self, char *json, uint64_t cap_bytes));
AT(lathe_algo_export, save_policy, 16, int32_t (**)(void *self, const struct lathe_writer *writer));
AT(lathe_algo_export, load_policy, 24, int32_t (**)(void *self, const struct lathe_reader *reader, struct lathe_error *err));

AT_LEAST(lathe_violation, 48);
AT(lathe_violation, struct_size, 0, uint32_t *);
AT(lathe_violation, flags, 4, uint32_t *);
AT(lathe_violation, keyword, 8, const char **);
AT(lathe_violation, loc, 16, const char *const **);
AT(lathe_violation, message, 24, const char **);
AT(lathe_violation, input_json, 32, const char **);
AT(lathe_violation, limit_json, 40, const char **);

AT_LEAST(lathe_problem, 56);
AT(lathe_problem, struct_size, 0, uint32_t *);
AT(lathe_problem, flags, 4, uint32_t *);
AT(lathe_problem, http_status, 8, int32_t *);
AT(lathe_problem, retry_after_s, 12, uint32_t *);
AT(lathe_problem, code, 16, const char **);
AT(lathe_problem, text, 24, const char **);
AT(lathe_problem, field, 32, const char **);
AT(lathe_problem, extra_json, 40, const char **);
AT(lathe_problem, violations, 48, const struct lathe_violation *const **);

AT_LEAST(lathe_ws_handler, 64);
AT(lathe_ws_handler, struct_size, 0, uint32_t *);
AT(lathe_ws_handler, flags, 4, uint32_t *);
AT(lathe_ws_handler, queue_bytes, 8, uint32_t *);
AT(lathe_ws_handler, max_message_bytes, 12, uint32_t *);
AT(lathe_ws_handler, slow_ms, 16, uint32_t *);
AT(lathe_ws_handler, slow_code, 20, uint32_t *);
AT(lathe_ws_handler, protocols, 24, const char *const **);
AT(lathe_ws_handler, open, 32, int32_t (**)(void *self, struct lathe_ws *ws, struct lathe_request *req, void **user));
AT(lathe_ws_handler, message, 40, void (**)(void *self, void *user, struct lathe_ws *ws, int32_t is_text, const void *data, uint64_t len_bytes));
AT(lathe_ws_handler, drained, 48, void (**)(void *self, void *user, struct lathe_ws *ws));
AT(lathe_ws_handler, close, 56, void (**)(void *self, void *user, struct lathe_ws *ws, int32_t code));

AT_LEAST(lathe_operation, 32);
AT(lathe_operation, struct_size, 0, uint32_t *);
AT(lathe_operation, flags, 4, uint32_t *);
AT(lathe_operation, id, 8, const char **);
AT(lathe_operation, handle, 16, int32_t (**)(void *self, struct lathe_request *req));
AT(lathe_operation, ws, 24, const struct lathe_ws_handler **);

AT_LEAST(lathe_api, 80);
AT(lathe_api, struct_size, 0, uint32_t *);
AT(lathe_api, flags, 4, uint32_t *);
AT(lathe_api, title, 8, const char **);
AT(lathe_api, prefix, 16, const char **);
AT(lathe_api, openapi_json, 24, const char **);
AT(lathe_api, openapi_len, 32, uint64_t *);
AT(lathe_api, operations, 40, const struct lathe_operation *const **);
AT(lathe_api, open, 48, int32_t (**)(const struct lathe_host *host, const struct lathe_params *params, struct lathe_error *err, void **self));
AT(lathe_api, close, 56, void (**)(void *self));
AT(lathe_api, render_error, 64, int32_t (**)(void *self, struct lathe_request *req, const struct lathe_problem *problem));
AT(lathe_api, extension, 72, const void *(**)(void *self, const char *id));

AT_LEAST(lathe_artifact_result, 40);
AT(lathe_artifact_result, struct_size, 0, uint32_t *);
AT(lathe_artifact_result, reserved0, 4, uint32_t *);
AT(lathe_artifact_result, error, 8, const struct lathe_error **);
AT(lathe_artifact_result, sha256, 16, const char **);
AT(lathe_artifact_result, size_bytes, 24, uint64_t *);
AT(lathe_artifact_result, data, 32, const void **);

AT_LEAST(lathe_artifact_call, 32);
AT(lathe_artifact_call, struct_size, 0, uint32_t *);
AT(lathe_artifact_call, reserved0, 4, uint32_t *);
AT(lathe_artifact_call, done, 8, void (**)(void *user, int32_t status, const struct lathe_artifact_result *result));
AT(lathe_artifact_call, drop, 16, void (**)(void *user));
AT(lathe_artifact_call, user, 24, void **);

AT_LEAST(lathe_artifact_service, 48);
AT(lathe_artifact_service, struct_size, 0, uint32_t *);
AT(lathe_artifact_service, reserved0, 4, uint32_t *);
AT(lathe_artifact_service, ctx, 8, void **);
AT(lathe_artifact_service, import_file, 16, int32_t (**)(const struct lathe_artifact_service *artifacts, const char *path, const char *expected_sha256, int32_t move, const struct lathe_artifact_call *call));
AT(lathe_artifact_service, import_bytes, 24, int32_t (**)(const struct lathe_artifact_service *artifacts, const void *data, uint64_t len_bytes, const struct lathe_artifact_call *call));
AT(lathe_artifact_service, load, 32, int32_t (**)(const struct lathe_artifact_service *artifacts, const char *sha256, uint64_t max_bytes, const struct lathe_artifact_call *call));
AT(lathe_artifact_service, find, 40, int32_t (**)(const struct lathe_artifact_service *artifacts, const char *sha256, char *path, uint32_t cap, uint64_t *size_bytes, struct lathe_error *err));

AT_LEAST(lathe_clock_service, 32);
AT(lathe_clock_service, struct_size, 0, uint32_t *);
AT(lathe_clock_service, reserved0, 4, uint32_t *);
AT(lathe_clock_service, ctx, 8, void **);
AT(lathe_clock_service, wall_ms, 16, int64_t (**)(const struct lathe_clock_service *clock));
AT(lathe_clock_service, mono_ns, 24, int64_t (**)(const struct lathe_clock_service *clock));

AT_LEAST(lathe_counters_service, 48);
AT(lathe_counters_service, struct_size, 0, uint32_t *);
AT(lathe_counters_service, reserved0, 4, uint32_t *);
AT(lathe_counters_service, ctx, 8, void **);
AT(lathe_counters_service, get, 16, struct lathe_counter *(**)(const struct lathe_counters_service *counters, int32_t kind, const char *name, const char *help, const char *const *labels));
AT(lathe_counters_service, add, 24, void (**)(const struct lathe_counters_service *counters, struct lathe_counter *counter, double value));
AT(lathe_counters_service, set, 32, void (**)(const struct lathe_counters_service *counters, struct lathe_counter *counter, double value));
AT(lathe_counters_service, collect, 40, void (**)(const struct lathe_counters_service *counters, void (*collect)(void *user), void *user));

AT_LEAST(lathe_layer, 32);
AT(lathe_layer, struct_size, 0, uint32_t *);
AT(lathe_layer, flags, 4, uint32_t *);
AT(lathe_layer, in, 8, uint32_t *);
AT(lathe_layer, out, 12, uint32_t *);
AT(lathe_layer, activation, 16, uint32_t *);
AT(lathe_layer, init, 20, uint32_t *);
AT(lathe_layer, gain, 24, double *);

AT_LEAST(lathe_engine_args, 24);
AT(lathe_engine_args, struct_size, 0, uint32_t *);
AT(lathe_engine_args, flags, 4, uint32_t *);
AT(lathe_engine_args, host, 8, const struct lathe_host **);
AT(lathe_engine_args, threads, 16, uint32_t *);
AT(lathe_engine_args, isa, 20, uint32_t *);

AT_LEAST(lathe_net_args, 32);
AT(lathe_net_args, struct_size, 0, uint32_t *);
AT(lathe_net_args, flags, 4, uint32_t *);
AT(lathe_net_args, layers, 8, const struct lathe_layer *const **);
AT(lathe_net_args, seed, 16, uint64_t *);
AT(lathe_net_args, seed_row, 24, uint32_t *);
AT(lathe_net_args, reserved0, 28, uint32_t *);

AT_LEAST(lathe_optim, 48);
AT(lathe_optim, struct_size, 0, uint32_t *);
AT(lathe_optim, rule, 4, uint32_t *);
AT(lathe_optim, lr, 8, double *);
AT(lathe_optim, beta1, 16, double *);
AT(lathe_optim, beta2, 24, double *);
AT(lathe_optim, eps, 32, double *);
AT(lathe_optim, max_norm, 40, double *);

AT_LEAST(lathe_engine, 160);
AT(lathe_engine, struct_size, 0, uint32_t *);
AT(lathe_engine, flags, 4, uint32_t *);
AT(lathe_engine, score, 8, uint32_t (**)(void));
AT(lathe_engine, open, 16, int32_t (**)(const struct lathe_engine_args *args, struct lathe_error *err, struct lathe_engine_self **self));
AT(lathe_engine, close, 24, void (**)(struct lathe_engine_self *self));
AT(lathe_engine, net_open, 32, int32_t (**)(struct lathe_engine_self *self, const struct lathe_net_args *args, struct lathe_error *err, struct lathe_net **net));
AT(lathe_engine, net_close, 40, void (**)(struct lathe_net *net));
AT(lathe_engine, workspace_open, 48, int32_t (**)(struct lathe_net *net, uint32_t max_rows, struct lathe_error *err, struct lathe_workspace **ws));
AT(lathe_engine, workspace_close, 56, void (**)(struct lathe_workspace *ws));
AT(lathe_engine, stride, 64, uint32_t (**)(const struct lathe_net *net));
AT(lathe_engine, forward, 72, const float *(**)(struct lathe_net *net, struct lathe_workspace *ws, uint32_t rows, const float *x, uint32_t ldx));
AT(lathe_engine, backward, 80, void (**)(struct lathe_net *net, struct lathe_workspace *ws, uint32_t rows, const float *dy, float *dx, uint32_t ldx, uint32_t flags));
AT(lathe_engine, optim, 88, double (**)(struct lathe_engine_self *self, struct lathe_net *const *nets, uint32_t n, const struct lathe_optim *optim));
AT(lathe_engine, polyak, 96, void (**)(struct lathe_net *dst, const struct lathe_net *src, double tau));
AT(lathe_engine, tensor_get, 104, int32_t (**)(const struct lathe_net *net, uint32_t what, uint32_t layer, uint32_t bias, float *out));
AT(lathe_engine, tensor_set, 112, int32_t (**)(struct lathe_net *net, uint32_t what, uint32_t layer, uint32_t bias, const float *in));
AT(lathe_engine, step_get, 120, uint64_t (**)(const struct lathe_net *net));
AT(lathe_engine, step_set, 128, void (**)(struct lathe_net *net, uint64_t step));
AT(lathe_engine, group, 136, void (**)(struct lathe_engine_self *self, void (*call)(void *user, uint32_t index), void *user, uint32_t n));
AT(lathe_engine, isa, 144, uint32_t (**)(const struct lathe_engine_self *self));
AT(lathe_engine, extension, 152, const void *(**)(struct lathe_engine_self *self, const char *id));

AT_LEAST(lathe_event, 64);
AT(lathe_event, struct_size, 0, uint32_t *);
AT(lathe_event, flags, 4, uint32_t *);
AT(lathe_event, seq, 8, uint64_t *);
AT(lathe_event, first_seq, 16, uint64_t *);
AT(lathe_event, wall_ms, 24, int64_t *);
AT(lathe_event, topic, 32, const char **);
AT(lathe_event, type, 40, const char **);
AT(lathe_event, json, 48, const char **);
AT(lathe_event, json_len, 56, uint64_t *);

AT_LEAST(lathe_events_subscription, 48);
AT(lathe_events_subscription, struct_size, 0, uint32_t *);
AT(lathe_events_subscription, max_pending, 4, uint32_t *);
AT(lathe_events_subscription, topic, 8, const char **);
AT(lathe_events_subscription, since, 16, uint64_t *);
AT(lathe_events_subscription, event, 24, int32_t (**)(void *user, const struct lathe_event *event));
AT(lathe_events_subscription, drop, 32, void (**)(void *user));
AT(lathe_events_subscription, user, 40, void **);

AT_LEAST(lathe_events_topic, 24);
AT(lathe_events_topic, struct_size, 0, uint32_t *);
AT(lathe_events_topic, n_subscribers, 4, uint32_t *);
AT(lathe_events_topic, oldest_seq, 8, uint64_t *);
AT(lathe_events_topic, last_seq, 16, uint64_t *);

AT_LEAST(lathe_events_service, 72);
AT(lathe_events_service, struct_size, 0, uint32_t *);
AT(lathe_events_service, reserved0, 4, uint32_t *);
AT(lathe_events_service, ctx, 8, void **);
AT(lathe_events_service, publish, 16, int32_t (**)(const struct lathe_events_service *events, const char *topic, const char *type, const char *json, uint64_t *seq));
AT(lathe_events_service, subscribe, 24, int32_t (**)(const struct lathe_events_service *events, const struct lathe_events_subscription *subscription, struct lathe_events_subscriber **out));
AT(lathe_events_service, resume, 32, void (**)(struct lathe_events_subscriber *subscriber));
AT(lathe_events_service, unsubscribe, 40, void (**)(struct lathe_events_subscriber *subscriber));
AT(lathe_events_service, close_topic, 48, int32_t (**)(const struct lathe_events_service *events, const char *topic, uint32_t flags));
AT(lathe_events_service, get_topic, 56, int32_t (**)(const struct lathe_events_service *events, const char *topic, struct lathe_events_topic *out));
AT(lathe_events_service, flush, 64, int32_t (**)(const struct lathe_events_service *events, const char *topic));

AT_LEAST(lathe_identity, 32);
AT(lathe_identity, struct_size, 0, uint32_t *);
AT(lathe_identity, flags, 4, uint32_t *);
AT(lathe_identity, subject, 8, const char **);
AT(lathe_identity, role, 16, const char **);
AT(lathe_identity, scopes, 24, const char *const **);

AT_LEAST(lathe_stream_handler, 32);
AT(lathe_stream_handler, struct_size, 0, uint32_t *);
AT(lathe_stream_handler, flags, 4, uint32_t *);
AT(lathe_stream_handler, queue_bytes, 8, uint32_t *);
AT(lathe_stream_handler, heartbeat_ms, 12, uint32_t *);
AT(lathe_stream_handler, drained, 16, void (**)(void *user, struct lathe_stream *stream));
AT(lathe_stream_handler, closed, 24, void (**)(void *user, struct lathe_stream *stream));

AT_LEAST(lathe_http_service, 280);
AT(lathe_http_service, struct_size, 0, uint32_t *);
AT(lathe_http_service, flags, 4, uint32_t *);
AT(lathe_http_service, method, 8, const char *(**)(const struct lathe_request *req));
AT(lathe_http_service, path, 16, const char *(**)(const struct lathe_request *req));
AT(lathe_http_service, operation, 24, const char *(**)(const struct lathe_request *req));
AT(lathe_http_service, request_id, 32, const char *(**)(const struct lathe_request *req));
AT(lathe_http_service, client_address, 40, const char *(**)(const struct lathe_request *req));
AT(lathe_http_service, base_url, 48, const char *(**)(const struct lathe_request *req));
AT(lathe_http_service, identity, 56, const struct lathe_identity *(**)(const struct lathe_request *req));
AT(lathe_http_service, has_scope, 64, int32_t (**)(const struct lathe_request *req, const char *scope));
AT(lathe_http_service, path_param, 72, const char *(**)(const struct lathe_request *req, const char *name));
AT(lathe_http_service, query, 80, const char *(**)(const struct lathe_request *req, const char *name));
AT(lathe_http_service, header, 88, const char *(**)(const struct lathe_request *req, const char *name));
AT(lathe_http_service, query_int, 96, int64_t (**)(const struct lathe_request *req, const char *name, int64_t fallback));
AT(lathe_http_service, query_float, 104, double (**)(const struct lathe_request *req, const char *name, double fallback));
AT(lathe_http_service, query_bool, 112, int32_t (**)(const struct lathe_request *req, const char *name, int32_t fallback));
AT(lathe_http_service, body, 120, const char *(**)(const struct lathe_request *req, uint64_t *len_bytes));
AT(lathe_http_service, body_json, 128, const struct lathe_json *(**)(const struct lathe_request *req));
AT(lathe_http_service, acquire, 136, struct lathe_request *(**)(struct lathe_request *req));
AT(lathe_http_service, release, 144, void (**)(struct lathe_request *req));
AT(lathe_http_service, is_open, 152, int32_t (**)(const struct lathe_request *req));
AT(lathe_http_service, add_header, 160, int32_t (**)(struct lathe_request *req, const char *name, const char *value));
AT(lathe_http_service, respond, 168, int32_t (**)(struct lathe_request *req, int32_t http_status, const char *content_type, const void *data, uint64_t len_bytes));
AT(lathe_http_service, respond_json, 176, int32_t (**)(struct lathe_request *req, int32_t http_status, const struct lathe_json *value));
AT(lathe_http_service, respond_problem, 184, int32_t (**)(struct lathe_request *req, const struct lathe_problem *problem));
AT(lathe_http_service, respond_error, 192, int32_t (**)(struct lathe_request *req, int32_t status, const char *code, const struct lathe_error *err));
AT(lathe_http_service, set_error, 200, void (**)(struct lathe_request *req, const struct lathe_error *err));
AT(lathe_http_service, stream_open, 208, int32_t (**)(struct lathe_request *req, int32_t http_status, const char *content_type, const struct lathe_stream_handler *handler, void *user, struct lathe_stream **stream));
AT(lathe_http_service, stream_write, 216, int32_t (**)(struct lathe_stream *stream, const void *data, uint64_t len_bytes));
AT(lathe_http_service, stream_event, 224, int32_t (**)(struct lathe_stream *stream, const char *id, const char *event, const char *data, uint64_t len_bytes));
AT(lathe_http_service, stream_budget, 232, uint64_t (**)(const struct lathe_stream *stream));
AT(lathe_http_service, stream_close, 240, void (**)(struct lathe_stream *stream));
AT(lathe_http_service, ws_send, 248, int32_t (**)(struct lathe_ws *ws, int32_t is_text, const void *data, uint64_t len_bytes));
AT(lathe_http_service, ws_budget, 256, uint64_t (**)(const struct lathe_ws *ws));
AT(lathe_http_service, ws_close, 264, void (**)(struct lathe_ws *ws, int32_t code, const char *reason));
AT(lathe_http_service, ws_ticket, 272, int32_t (**)(struct lathe_request *req, char out[64]));

AT_LEAST(lathe_loop_service, 40);
AT(lathe_loop_service, struct_size, 0, uint32_t *);
AT(lathe_loop_service, reserved0, 4, uint32_t *);
AT(lathe_loop_service, ctx, 8, void **);
AT(lathe_loop_service, timer_start, 16, int32_t (**)(const struct lathe_loop_service *loop, uint64_t delay_ms, uint64_t period_ms, lathe_call_fn fn, void *user, lathe_drop_fn drop, uint64_t *handle));
AT(lathe_loop_service, timer_cancel, 24, void (**)(const struct lathe_loop_service *loop, uint64_t handle));
AT(lathe_loop_service, post, 32, int32_t (**)(const struct lathe_loop_service *loop, lathe_call_fn fn, void *user, lathe_drop_fn drop));

AT_LEAST(lathe_job_info, 240);
AT(lathe_job_info, struct_size, 0, uint32_t *);
AT(lathe_job_info, state, 4, uint32_t *);
AT(lathe_job_info, id, 8, const char **);
AT(lathe_job_info, owner, 16, const char **);
AT(lathe_job_info, task, 24, const char **);
AT(lathe_job_info, reason, 32, const char **);
AT(lathe_job_info, spec, 40, const char **);
AT(lathe_job_info, extra, 48, const char **);
AT(lathe_job_info, current, 56, uint64_t *);
AT(lathe_job_info, total, 64, uint64_t *);
AT(lathe_job_info, progress, 72, const char **);
AT(lathe_job_info, eval, 80, const char **);
AT(lathe_job_info, result, 88, const char **);
AT(lathe_job_info, model_id, 96, const char **);
AT(lathe_job_info, created_ms, 104, int64_t *);
AT(lathe_job_info, updated_ms, 112, int64_t *);
AT(lathe_job_info, started_ms, 120, int64_t *);
AT(lathe_job_info, ended_ms, 128, int64_t *);
AT(lathe_job_info, active_ms, 136, int64_t *);
AT(lathe_job_info, seed, 144, uint64_t *);
AT(lathe_job_info, seq, 152, uint64_t *);
AT(lathe_job_info, queue_position, 160, uint32_t *);
AT(lathe_job_info, worker_pid, 164, int32_t *);
AT(lathe_job_info, restarts, 168, uint32_t *);
AT(lathe_job_info, error_code, 172, int32_t *);
AT(lathe_job_info, error_id, 176, const char **);
AT(lathe_job_info, error_text, 184, const char **);
AT(lathe_job_info, crash, 192, const char **);
AT(lathe_job_info, checkpoint_current, 200, uint64_t *);
AT(lathe_job_info, checkpoint_id, 208, const char **);
AT(lathe_job_info, checkpoint_path, 216, const char **);
AT(lathe_job_info, checkpoint_sha256, 224, const char **);
AT(lathe_job_info, checkpoint_weights_sha256, 232, const char **);

AT_LEAST(lathe_job_request, 56);
AT(lathe_job_request, struct_size, 0, uint32_t *);
AT(lathe_job_request, flags, 4, uint32_t *);
AT(lathe_job_request, owner, 8, const char **);
AT(lathe_job_request, id_prefix, 16, const char **);
AT(lathe_job_request, spec, 24, const char **);
AT(lathe_job_request, extra, 32, const char **);
AT(lathe_job_request, from_job, 40, const char **);
AT(lathe_job_request, from_checkpoint, 48, const char **);

AT_LEAST(lathe_job_wish, 40);
AT(lathe_job_wish, struct_size, 0, uint32_t *);
AT(lathe_job_wish, flags, 4, uint32_t *);
AT(lathe_job_wish, wait_ms, 8, uint64_t *);
AT(lathe_job_wish, done, 16, lathe_job_done_fn *);
AT(lathe_job_wish, user, 24, void **);
AT(lathe_job_wish, drop, 32, lathe_drop_fn *);

AT_LEAST(lathe_job_event, 40);
AT(lathe_job_event, struct_size, 0, uint32_t *);
AT(lathe_job_event, kind, 4, uint32_t *);
AT(lathe_job_event, seq, 8, uint64_t *);
AT(lathe_job_event, wall_ms, 16, int64_t *);
AT(lathe_job_event, data, 24, const char **);
AT(lathe_job_event, job, 32, const struct lathe_job_info **);

AT_LEAST(lathe_checkpoint_info, 80);
AT(lathe_checkpoint_info, struct_size, 0, uint32_t *);
AT(lathe_checkpoint_info, reserved0, 4, uint32_t *);
AT(lathe_checkpoint_info, id, 8, const char **);
AT(lathe_checkpoint_info, kind, 16, const char **);
AT(lathe_checkpoint_info, path, 24, const char **);
AT(lathe_checkpoint_info, sha256, 32, const char **);
AT(lathe_checkpoint_info, current, 40, uint64_t *);
AT(lathe_checkpoint_info, size_bytes, 48, uint64_t *);
AT(lathe_checkpoint_info, created_ms, 56, int64_t *);
AT(lathe_checkpoint_info, eval, 64, const char **);
AT(lathe_checkpoint_info, weights_sha256, 72, const char **);

AT_LEAST(lathe_job_series, 32);
AT(lathe_job_series, struct_size, 0, uint32_t *);
AT(lathe_job_series, count, 4, uint32_t *);
AT(lathe_job_series, name, 8, const char **);
AT(lathe_job_series, steps, 16, const uint64_t **);
AT(lathe_job_series, values, 24, const double **);

AT_LEAST(lathe_job_query, 48);
AT(lathe_job_query, struct_size, 0, uint32_t *);
AT(lathe_job_query, limit, 4, uint32_t *);
AT(lathe_job_query, names, 8, const char *const **);
AT(lathe_job_query, from_step, 16, uint64_t *);
AT(lathe_job_query, done, 24, lathe_job_series_fn *);
AT(lathe_job_query, user, 32, void **);
AT(lathe_job_query, drop, 40, lathe_drop_fn *);

AT_LEAST(lathe_jobs_service, 136);
AT(lathe_jobs_service, struct_size, 0, uint32_t *);
AT(lathe_jobs_service, reserved0, 4, uint32_t *);
AT(lathe_jobs_service, ctx, 8, void **);
AT(lathe_jobs_service, submit, 16, int32_t (**)(const struct lathe_jobs_service *jobs, const struct lathe_job_request *request, lathe_job_done_fn done, void *user, lathe_drop_fn drop, struct lathe_error *err));
AT(lathe_jobs_service, get, 24, const struct lathe_job_info *(**)(const struct lathe_jobs_service *jobs, const char *id));
AT(lathe_jobs_service, list, 32, void (**)(const struct lathe_jobs_service *jobs, const char *owner, lathe_job_visit_fn visit, void *user));
AT(lathe_jobs_service, pause, 40, int32_t (**)(const struct lathe_jobs_service *jobs, const char *id, const struct lathe_job_wish *wish, struct lathe_error *err));
AT(lathe_jobs_service, resume, 48, int32_t (**)(const struct lathe_jobs_service *jobs, const char *id, const struct lathe_job_wish *wish, struct lathe_error *err));
AT(lathe_jobs_service, stop, 56, int32_t (**)(const struct lathe_jobs_service *jobs, const char *id, const struct lathe_job_wish *wish, struct lathe_error *err));
AT(lathe_jobs_service, cancel, 64, int32_t (**)(const struct lathe_jobs_service *jobs, const char *id, const struct lathe_job_wish *wish, struct lathe_error *err));
AT(lathe_jobs_service, checkpoint, 72, int32_t (**)(const struct lathe_jobs_service *jobs, const char *id, const struct lathe_job_wish *wish, struct lathe_error *err));
AT(lathe_jobs_service, remove, 80, int32_t (**)(const struct lathe_jobs_service *jobs, const char *id, lathe_job_done_fn done, void *user, lathe_drop_fn drop, struct lathe_error *err));
AT(lathe_jobs_service, set_extra, 88, int32_t (**)(const struct lathe_jobs_service *jobs, const char *id, const char *extra, lathe_job_done_fn done, void *user, lathe_drop_fn drop, struct lathe_error *err));
AT(lathe_jobs_service, checkpoints, 96, int32_t (**)(const struct lathe_jobs_service *jobs, const char *id, lathe_checkpoint_visit_fn visit, void *user));
AT(lathe_jobs_service, history, 104, int32_t (**)(const struct lathe_jobs_service *jobs, const char *id, const struct lathe_job_query *query, struct lathe_error *err));
AT(lathe_jobs_service, watch, 112, int32_t (**)(const struct lathe_jobs_service *jobs, const char *owner, lathe_job_event_fn fn, void *user, lathe_drop_fn drop, uint64_t *handle));
AT(lathe_jobs_service, unwatch, 120, void (**)(const struct lathe_jobs_service *jobs, uint64_t handle));
AT(lathe_jobs_service, capacity, 128, void (**)(const struct lathe_jobs_service *jobs, uint32_t *slots, uint32_t *used, uint32_t *queued, uint32_t *queue_limit));

AT_LEAST(lathe_json_limits, 16);
AT(lathe_json_limits, struct_size, 0, uint32_t *);
AT(lathe_json_limits, depth_max, 4, uint32_t *);
AT(lathe_json_limits, len_bytes_max, 8, uint64_t *);

AT_LEAST(lathe_json_service, 336);
AT(lathe_json_service, struct_size, 0, uint32_t *);
AT(lathe_json_service, reserved0, 4, uint32_t *);
AT(lathe_json_service, ctx, 8, const void **);
AT(lathe_json_service, parse, 16, int32_t (**)(const struct lathe_json_service *json, const char *text, size_t len_bytes, const struct lathe_json_limits *limits, struct lathe_json **out, struct lathe_error *err));
AT(lathe_json_service, dump, 24, int32_t (**)(const struct lathe_json *value, uint32_t flags, char *out, size_t cap, size_t *len_bytes));
AT(lathe_json_service, dup_text, 32, char *(**)(const struct lathe_json *value, uint32_t flags, size_t *len_bytes));
AT(lathe_json_service, free_text, 40, void (**)(char *text));
AT(lathe_json_service, acquire, 48, struct lathe_json *(**)(const struct lathe_json *value));
AT(lathe_json_service, release, 56, void (**)(struct lathe_json *value));
AT(lathe_json_service, copy, 64, struct lathe_json *(**)(const struct lathe_json *value));
AT(lathe_json_service, equal, 72, int32_t (**)(const struct lathe_json *a, const struct lathe_json *b));
AT(lathe_json_service, object, 80, struct lathe_json *(**)(const struct lathe_json_service *json));
AT(lathe_json_service, array, 88, struct lathe_json *(**)(const struct lathe_json_service *json));
AT(lathe_json_service, string, 96, struct lathe_json *(**)(const struct lathe_json_service *json, const char *text, size_t len_bytes));
AT(lathe_json_service, integer, 104, struct lathe_json *(**)(const struct lathe_json_service *json, int64_t number));
AT(lathe_json_service, real, 112, struct lathe_json *(**)(const struct lathe_json_service *json, double number));
AT(lathe_json_service, boolean, 120, struct lathe_json *(**)(const struct lathe_json_service *json, int32_t truth));
AT(lathe_json_service, null, 128, struct lathe_json *(**)(const struct lathe_json_service *json));
AT(lathe_json_service, type, 136, uint32_t (**)(const struct lathe_json *value));
AT(lathe_json_service, count, 144, uint32_t (**)(const struct lathe_json *value));
AT(lathe_json_service, set, 152, int32_t (**)(struct lathe_json *object, const char *name, struct lathe_json *take_value));
AT(lathe_json_service, set_string, 160, int32_t (**)(struct lathe_json *object, const char *name, const char *text));
AT(lathe_json_service, set_int, 168, int32_t (**)(struct lathe_json *object, const char *name, int64_t number));
AT(lathe_json_service, set_float, 176, int32_t (**)(struct lathe_json *object, const char *name, double number));
AT(lathe_json_service, set_bool, 184, int32_t (**)(struct lathe_json *object, const char *name, int32_t truth));
AT(lathe_json_service, set_null, 192, int32_t (**)(struct lathe_json *object, const char *name));
AT(lathe_json_service, remove, 200, int32_t (**)(struct lathe_json *object, const char *name));
AT(lathe_json_service, get, 208, struct lathe_json *(**)(const struct lathe_json *object, const char *name));
AT(lathe_json_service, next, 216, const void *(**)(const struct lathe_json *object, const void *last, const char **name, struct lathe_json **value));
AT(lathe_json_service, append, 224, int32_t (**)(struct lathe_json *array, struct lathe_json *take_value));
AT(lathe_json_service, append_string, 232, int32_t (**)(struct lathe_json *array, const char *text));
AT(lathe_json_service, append_int, 240, int32_t (**)(struct lathe_json *array, int64_t number));
AT(lathe_json_service, append_float, 248, int32_t (**)(struct lathe_json *array, double number));
AT(lathe_json_service, at, 256, struct lathe_json *(**)(const struct lathe_json *array, uint32_t index));
AT(lathe_json_service, as_string, 264, const char *(**)(const struct lathe_json *value, const char *def, size_t *len_bytes));
AT(lathe_json_service, as_int, 272, int64_t (**)(const struct lathe_json *value, int64_t def));
AT(lathe_json_service, as_float, 280, double (**)(const struct lathe_json *value, double def));
AT(lathe_json_service, as_bool, 288, int32_t (**)(const struct lathe_json *value, int32_t def));
AT(lathe_json_service, get_string, 296, const char *(**)(const struct lathe_json *object, const char *name, const char *def));
AT(lathe_json_service, get_int, 304, int64_t (**)(const struct lathe_json *object, const char *name, int64_t def));
AT(lathe_json_service, get_float, 312, double (**)(const struct lathe_json *object, const char *name, double def));
AT(lathe_json_service, get_bool, 320, int32_t (**)(const struct lathe_json *object, const char *name, int32_t def));
AT(lathe_json_service, pointer, 328, struct lathe_json *(**)(const struct lathe_json *value, const char *path));

AT_LEAST(lathe_metrics_service, 24);
AT(lathe_metrics_service, struct_size, 0, uint32_t *);
AT(lathe_metrics_service, reserved0, 4, uint32_t *);
AT(lathe_metrics_service, ctx, 8, void **);
AT(lathe_metrics_service, put, 16, void (**)(const struct lathe_metrics_service *metrics, const char *name, uint64_t step, double value));

AT_LEAST(lathe_model_info, 136);
AT(lathe_model_info, struct_size, 0, uint32_t *);
AT(lathe_model_info, reserved0, 4, uint32_t *);
AT(lathe_model_info, id, 8, const char **);
AT(lathe_model_info, owner, 16, const char **);
AT(lathe_model_info, name, 24, const char **);
AT(lathe_model_info, kind, 32, const char **);
AT(lathe_model_info, env_id, 40, const char **);
AT(lathe_model_info, env_options, 48, const char **);
AT(lathe_model_info, algorithm_id, 56, const char **);
AT(lathe_model_info, algorithm_options, 64, const char **);
AT(lathe_model_info, artifact_sha256, 72, const char **);
AT(lathe_model_info, job_id, 80, const char **);
AT(lathe_model_info, metrics, 88, const char **);
AT(lathe_model_info, extra, 96, const char **);
AT(lathe_model_info, size_bytes, 104, uint64_t *);
AT(lathe_model_info, seed, 112, uint64_t *);
AT(lathe_model_info, created_ms, 120, int64_t *);
AT(lathe_model_info, updated_ms, 128, int64_t *);

AT_LEAST(lathe_models_service, 64);
AT(lathe_models_service, struct_size, 0, uint32_t *);
AT(lathe_models_service, reserved0, 4, uint32_t *);
AT(lathe_models_service, ctx, 8, void **);
AT(lathe_models_service, create, 16, int32_t (**)(const struct lathe_models_service *models, const struct lathe_model_info *model, lathe_model_done_fn done, void *user, lathe_drop_fn drop, struct lathe_error *err));
AT(lathe_models_service, get, 24, const struct lathe_model_info *(**)(const struct lathe_models_service *models, const char *id));
AT(lathe_models_service, list, 32, void (**)(const struct lathe_models_service *models, const char *owner, lathe_model_visit_fn visit, void *user));
AT(lathe_models_service, update, 40, int32_t (**)(const struct lathe_models_service *models, const char *id, const struct lathe_model_info *changes, lathe_model_done_fn done, void *user, lathe_drop_fn drop, struct lathe_error *err));
AT(lathe_models_service, remove, 48, int32_t (**)(const struct lathe_models_service *models, const char *id, lathe_model_done_fn done, void *user, lathe_drop_fn drop, struct lathe_error *err));
AT(lathe_models_service, path, 56, const char *(**)(const struct lathe_models_service *models, const char *id));

AT_LEAST(lathe_option, 72);
AT(lathe_option, struct_size, 0, uint32_t *);
AT(lathe_option, flags, 4, uint32_t *);
AT(lathe_option, name, 8, const char **);
AT(lathe_option, type, 16, uint32_t *);
AT(lathe_option, reserved0, 20, uint32_t *);
AT(lathe_option, def, 24, const char **);
AT(lathe_option, min, 32, double *);
AT(lathe_option, max, 40, double *);
AT(lathe_option, choices, 48, const char *const **);
AT(lathe_option, unit, 56, const char **);
AT(lathe_option, doc, 64, const char **);

AT_LEAST(lathe_component, 56);
AT(lathe_component, struct_size, 0, uint32_t *);
AT(lathe_component, flags, 4, uint32_t *);
AT(lathe_component, kind, 8, const char **);
AT(lathe_component, name, 16, const char **);
AT(lathe_component, summary, 24, const char **);
AT(lathe_component, vtable, 32, const void **);
AT(lathe_component, needs, 40, const char *const **);
AT(lathe_component, options, 48, const struct lathe_option *const **);

AT_LEAST(lathe_plugin, 80);
AT(lathe_plugin, magic, 0, uint32_t *);
AT(lathe_plugin, struct_size, 4, uint32_t *);
AT(lathe_plugin, abi_major, 8, uint16_t *);
AT(lathe_plugin, abi_minor, 10, uint16_t *);
AT(lathe_plugin, abi_minor_min, 12, uint16_t *);
AT(lathe_plugin, reserved0, 14, uint16_t *);
AT(lathe_plugin, abi_tag, 16, uint32_t *);
AT(lathe_plugin, flags, 20, uint32_t *);
AT(lathe_plugin, id, 24, const char **);
AT(lathe_plugin, version, 32, const char **);
AT(lathe_plugin, license, 40, const char **);
AT(lathe_plugin, summary, 48, const char **);
AT(lathe_plugin, components, 56, const struct lathe_component *const **);
AT(lathe_plugin, init, 64, int32_t (**)(const struct lathe_host *host, struct lathe_error *err, void **state));
AT(lathe_plugin, fini, 72, void (**)(void *state));

AT_LEAST(lathe_component_info, 56);
AT(lathe_component_info, struct_size, 0, uint32_t *);
AT(lathe_component_info, reserved0, 4, uint32_t *);
AT(lathe_component_info, kind, 8, const char **);
AT(lathe_component_info, name, 16, const char **);
AT(lathe_component_info, summary, 24, const char **);
AT(lathe_component_info, plugin_id, 32, const char **);
AT(lathe_component_info, options, 40, const char **);
AT(lathe_component_info, describe, 48, const char **);

AT_LEAST(lathe_plugin_info, 88);
AT(lathe_plugin_info, struct_size, 0, uint32_t *);
AT(lathe_plugin_info, status, 4, uint32_t *);
AT(lathe_plugin_info, path, 8, const char **);
AT(lathe_plugin_info, id, 16, const char **);
AT(lathe_plugin_info, version, 24, const char **);
AT(lathe_plugin_info, license, 32, const char **);
AT(lathe_plugin_info, summary, 40, const char **);
AT(lathe_plugin_info, sha256, 48, const char **);
AT(lathe_plugin_info, build_id, 56, const char **);
AT(lathe_plugin_info, reason, 64, const char **);
AT(lathe_plugin_info, mtime_ms, 72, int64_t *);
AT(lathe_plugin_info, components, 80, const struct lathe_component_info *const **);

AT_LEAST(lathe_plugins_service, 64);
AT(lathe_plugins_service, struct_size, 0, uint32_t *);
AT(lathe_plugins_service, reserved0, 4, uint32_t *);
AT(lathe_plugins_service, ctx, 8, void **);
AT(lathe_plugins_service, list, 16, void (**)(const struct lathe_plugins_service *plugins, lathe_plugin_visit_fn visit, void *user));
AT(lathe_plugins_service, components, 24, void (**)(const struct lathe_plugins_service *plugins, const char *kind, lathe_component_visit_fn visit, void *user));
AT(lathe_plugins_service, find, 32, const struct lathe_component_info *(**)(const struct lathe_plugins_service *plugins, const char *kind, const char *name));
AT(lathe_plugins_service, resolve, 40, int32_t (**)(const struct lathe_plugins_service *plugins, const char *kind, const char *name, const char *options, const char **out, struct lathe_error *err));
AT(lathe_plugins_service, rescan, 48, void (**)(const struct lathe_plugins_service *plugins));
AT(lathe_plugins_service, generation, 56, uint64_t (**)(const struct lathe_plugins_service *plugins));

AT_LEAST(lathe_pool_job, 24);
AT(lathe_pool_job, struct_size, 0, uint32_t *);
AT(lathe_pool_job, reserved0, 4, uint32_t *);
AT(lathe_pool_job, ctx, 8, const void **);
AT(lathe_pool_job, cancelled, 16, int32_t (**)(const struct lathe_pool_job *job));

AT_LEAST(lathe_pool_service, 24);
AT(lathe_pool_service, struct_size, 0, uint32_t *);
AT(lathe_pool_service, reserved0, 4, uint32_t *);
AT(lathe_pool_service, ctx, 8, void **);
AT(lathe_pool_service, run, 16, int32_t (**)(const struct lathe_pool_service *pool, uint64_t deadline_ms, lathe_pool_work_fn work, lathe_pool_done_fn done, void *user, lathe_drop_fn drop, struct lathe_error *err));

AT_LEAST(lathe_predictor_args, 48);
AT(lathe_predictor_args, struct_size, 0, uint32_t *);
AT(lathe_predictor_args, flags, 4, uint32_t *);
AT(lathe_predictor_args, host, 8, const struct lathe_host **);
AT(lathe_predictor_args, params, 16, const struct lathe_params **);
AT(lathe_predictor_args, path, 24, const char **);
AT(lathe_predictor_args, threads, 32, uint32_t *);
AT(lathe_predictor_args, max_batch, 36, uint32_t *);
AT(lathe_predictor_args, memory_limit_bytes, 40, uint64_t *);

AT_LEAST(lathe_predict_item, 40);
AT(lathe_predict_item, struct_size, 0, uint32_t *);
AT(lathe_predict_item, flags, 4, uint32_t *);
AT(lathe_predict_item, request, 8, const char **);
AT(lathe_predict_item, user, 16, void **);
AT(lathe_predict_item, status, 24, int32_t *);
AT(lathe_predict_item, reserved0, 28, uint32_t *);
AT(lathe_predict_item, err, 32, struct lathe_error **);

AT_LEAST(lathe_predict_sink, 32);
AT(lathe_predict_sink, struct_size, 0, uint32_t *);
AT(lathe_predict_sink, reserved0, 4, uint32_t *);
AT(lathe_predict_sink, ctx, 8, void **);
AT(lathe_predict_sink, emit, 16, int32_t (**)(const struct lathe_predict_sink *sink, void *user, const char *json, uint64_t len_bytes, int32_t last));
AT(lathe_predict_sink, cancelled, 24, int32_t (**)(const struct lathe_predict_sink *sink, void *user));

AT_LEAST(lathe_predictor, 48);
AT(lathe_predictor, struct_size, 0, uint32_t *);
AT(lathe_predictor, flags, 4, uint32_t *);
AT(lathe_predictor, open, 8, int32_t (**)(const struct lathe_predictor_args *args, struct lathe_error *err, void **model));
AT(lathe_predictor, predict, 16, int32_t (**)(void *model, struct lathe_predict_item *const *items, uint32_t count, const struct lathe_predict_sink *sink));
AT(lathe_predictor, describe, 24, int32_t (**)(void *model, char *json, uint64_t cap_bytes));
AT(lathe_predictor, close, 32, void (**)(void *model));
AT(lathe_predictor, extension, 40, const void *(**)(void *model, const char *id));

AT_LEAST(lathe_pcg64, 40);
AT(lathe_pcg64, state_hi, 0, uint64_t *);
AT(lathe_pcg64, state_lo, 8, uint64_t *);
AT(lathe_pcg64, inc_hi, 16, uint64_t *);
AT(lathe_pcg64, inc_lo, 24, uint64_t *);
AT(lathe_pcg64, half, 32, uint32_t *);
AT(lathe_pcg64, has_half, 36, uint32_t *);

AT_LEAST(lathe_run_service, 72);
AT(lathe_run_service, struct_size, 0, uint32_t *);
AT(lathe_run_service, reserved0, 4, uint32_t *);
AT(lathe_run_service, ctx, 8, void **);
AT(lathe_run_service, progress, 16, void (**)(const struct lathe_run_service *run, uint64_t current, uint64_t total));
AT(lathe_run_service, should_yield, 24, int32_t (**)(const struct lathe_run_service *run));
AT(lathe_run_service, point, 32, int32_t (**)(const struct lathe_run_service *run));
AT(lathe_run_service, dir, 40, const char *(**)(const struct lathe_run_service *run));
AT(lathe_run_service, seed, 48, uint64_t (**)(const struct lathe_run_service *run));
AT(lathe_run_service, threads, 56, uint32_t (**)(const struct lathe_run_service *run));
AT(lathe_run_service, evaluation, 64, int32_t (**)(const struct lathe_run_service *run, const char *json, struct lathe_error *err));

AT_LEAST(lathe_serve_request, 56);
AT(lathe_serve_request, struct_size, 0, uint32_t *);
AT(lathe_serve_request, reserved0, 4, uint32_t *);
AT(lathe_serve_request, op, 8, const char **);
AT(lathe_serve_request, body, 16, const char **);
AT(lathe_serve_request, deadline_ms, 24, uint64_t *);
AT(lathe_serve_request, done, 32, lathe_serve_done_fn *);
AT(lathe_serve_request, user, 40, void **);
AT(lathe_serve_request, drop, 48, lathe_drop_fn *);

AT_LEAST(lathe_serve_service, 40);
AT(lathe_serve_service, struct_size, 0, uint32_t *);
AT(lathe_serve_service, reserved0, 4, uint32_t *);
AT(lathe_serve_service, ctx, 8, void **);
AT(lathe_serve_service, open, 16, int32_t (**)(const struct lathe_serve_service *serve, const char *spec, uint64_t *handle, struct lathe_error *err));
AT(lathe_serve_service, call, 24, int32_t (**)(const struct lathe_serve_service *serve, uint64_t handle, const struct lathe_serve_request *request, struct lathe_error *err));
AT(lathe_serve_service, close, 32, void (**)(const struct lathe_serve_service *serve, uint64_t handle));

AT_LEAST(lathe_storage_index, 16);
AT(lathe_storage_index, struct_size, 0, uint32_t *);
AT(lathe_storage_index, type, 4, uint32_t *);
AT(lathe_storage_index, field, 8, const char **);

AT_LEAST(lathe_storage_collection, 24);
AT(lathe_storage_collection, struct_size, 0, uint32_t *);
AT(lathe_storage_collection, flags, 4, uint32_t *);
AT(lathe_storage_collection, name, 8, const char **);
AT(lathe_storage_collection, indexes, 16, const struct lathe_storage_index *const **);

AT_LEAST(lathe_storage_doc, 40);
AT(lathe_storage_doc, struct_size, 0, uint32_t *);
AT(lathe_storage_doc, reserved0, 4, uint32_t *);
AT(lathe_storage_doc, id, 8, const char **);
AT(lathe_storage_doc, revision, 16, uint64_t *);
AT(lathe_storage_doc, json, 24, const char **);
AT(lathe_storage_doc, json_len, 32, uint64_t *);

AT_LEAST(lathe_storage_op, 56);
AT(lathe_storage_op, struct_size, 0, uint32_t *);
AT(lathe_storage_op, op, 4, uint32_t *);
AT(lathe_storage_op, collection, 8, const char **);
AT(lathe_storage_op, id, 16, const char **);
AT(lathe_storage_op, expected, 24, uint64_t *);
AT(lathe_storage_op, json, 32, const char **);
AT(lathe_storage_op, json_len, 40, uint64_t *);
AT(lathe_storage_op, count, 48, uint64_t *);

AT_LEAST(lathe_storage_batch, 16);
AT(lathe_storage_batch, struct_size, 0, uint32_t *);
AT(lathe_storage_batch, n_ops, 4, uint32_t *);
AT(lathe_storage_batch, ops, 8, const struct lathe_storage_op *const **);

AT_LEAST(lathe_storage_value, 24);
AT(lathe_storage_value, struct_size, 0, uint32_t *);
AT(lathe_storage_value, type, 4, uint32_t *);
AT(lathe_storage_value, str, 8, const char **);
AT(lathe_storage_value, num, 16, double *);

AT_LEAST(lathe_storage_filter, 24);
AT(lathe_storage_filter, struct_size, 0, uint32_t *);
AT(lathe_storage_filter, reserved0, 4, uint32_t *);
AT(lathe_storage_filter, field, 8, const char **);
AT(lathe_storage_filter, value, 16, const struct lathe_storage_value **);

AT_LEAST(lathe_storage_query, 64);
AT(lathe_storage_query, struct_size, 0, uint32_t *);
AT(lathe_storage_query, flags, 4, uint32_t *);
AT(lathe_storage_query, collection, 8, const char **);
AT(lathe_storage_query, index, 16, const char **);
AT(lathe_storage_query, min, 24, const struct lathe_storage_value **);
AT(lathe_storage_query, max, 32, const struct lathe_storage_value **);
AT(lathe_storage_query, filters, 40, const struct lathe_storage_filter *const **);
AT(lathe_storage_query, cursor, 48, const char **);
AT(lathe_storage_query, limit, 56, uint32_t *);
AT(lathe_storage_query, offset, 60, uint32_t *);

AT_LEAST(lathe_storage_scan_result, 1552);
AT(lathe_storage_scan_result, struct_size, 0, uint32_t *);
AT(lathe_storage_scan_result, n_docs, 4, uint32_t *);
AT(lathe_storage_scan_result, total, 8, uint64_t *);
AT(lathe_storage_scan_result, cursor, 16, char (*)[1536]);

AT_LEAST(lathe_storage_args, 32);
AT(lathe_storage_args, struct_size, 0, uint32_t *);
AT(lathe_storage_args, reserved0, 4, uint32_t *);
AT(lathe_storage_args, host, 8, const struct lathe_host **);
AT(lathe_storage_args, params, 16, const struct lathe_params **);
AT(lathe_storage_args, data_dir, 24, const char **);

AT_LEAST(lathe_storage, 88);
AT(lathe_storage, struct_size, 0, uint32_t *);
AT(lathe_storage, flags, 4, uint32_t *);
AT(lathe_storage, open, 8, int32_t (**)(const struct lathe_storage_args *args, struct lathe_error *err, void **self));
AT(lathe_storage, close, 16, void (**)(void *self));
AT(lathe_storage, declare, 24, int32_t (**)(void *self, const struct lathe_storage_collection *collection, struct lathe_error *err));
AT(lathe_storage, begin, 32, int32_t (**)(void *self, struct lathe_error *err));
AT(lathe_storage, commit, 40, int32_t (**)(void *self, struct lathe_error *err));
AT(lathe_storage, rollback, 48, void (**)(void *self));
AT(lathe_storage, apply, 56, int32_t (**)(void *self, const struct lathe_storage_batch *batch, uint64_t *values, uint32_t *failed_op, struct lathe_error *err));
AT(lathe_storage, get, 64, int32_t (**)(void *self, const char *collection, const char *id, struct lathe_storage_doc *doc, struct lathe_error *err));
AT(lathe_storage, scan, 72, int32_t (**)(void *self, const struct lathe_storage_query *query, lathe_storage_visit visit, void *user, struct lathe_storage_scan_result *result, struct lathe_error *err));
AT(lathe_storage, extension, 80, const void *(**)(void *self, const char *id));

AT_LEAST(lathe_series_point, 16);
AT(lathe_series_point, step, 0, int64_t *);
AT(lathe_series_point, value, 8, double *);

AT_LEAST(lathe_series_chunk, 24);
AT(lathe_series_chunk, struct_size, 0, uint32_t *);
AT(lathe_series_chunk, n_points, 4, uint32_t *);
AT(lathe_series_chunk, series, 8, const char **);
AT(lathe_series_chunk, points, 16, const struct lathe_series_point **);

AT_LEAST(lathe_series_query, 32);
AT(lathe_series_query, struct_size, 0, uint32_t *);
AT(lathe_series_query, max_points, 4, uint32_t *);
AT(lathe_series_query, series, 8, const char **);
AT(lathe_series_query, first, 16, int64_t *);
AT(lathe_series_query, last, 24, int64_t *);

AT_LEAST(lathe_ts_point, 32);
AT(lathe_ts_point, series, 0, uint64_t *);
AT(lathe_ts_point, ts_us, 8, int64_t *);
AT(lathe_ts_point, value, 16, double *);
AT(lathe_ts_point, flags, 24, uint32_t *);
AT(lathe_ts_point, reserved0, 28, uint32_t *);

AT_LEAST(lathe_ts_batch, 24);
AT(lathe_ts_batch, struct_size, 0, uint32_t *);
AT(lathe_ts_batch, n_points, 4, uint32_t *);
AT(lathe_ts_batch, recv_us, 8, int64_t *);
AT(lathe_ts_batch, points, 16, const struct lathe_ts_point **);

AT_LEAST(lathe_ts_retention, 48);
AT(lathe_ts_retention, struct_size, 0, uint32_t *);
AT(lathe_ts_retention, reserved0, 4, uint32_t *);
AT(lathe_ts_retention, raw_s, 8, int64_t *);
AT(lathe_ts_retention, m1_s, 16, int64_t *);
AT(lathe_ts_retention, m5_s, 24, int64_t *);
AT(lathe_ts_retention, h1_s, 32, int64_t *);
AT(lathe_ts_retention, d1_s, 40, int64_t *);

AT_LEAST(lathe_ts_query, 64);
AT(lathe_ts_query, struct_size, 0, uint32_t *);
AT(lathe_ts_query, flags, 4, uint32_t *);
AT(lathe_ts_query, series, 8, uint64_t *);
AT(lathe_ts_query, first_us, 16, int64_t *);
AT(lathe_ts_query, end_us, 24, int64_t *);
AT(lathe_ts_query, interval_us, 32, int64_t *);
AT(lathe_ts_query, origin_us, 40, int64_t *);
AT(lathe_ts_query, offset, 48, uint64_t *);
AT(lathe_ts_query, limit, 56, uint32_t *);
AT(lathe_ts_query, reserved0, 60, uint32_t *);

AT_LEAST(lathe_ts_result, 40);
AT(lathe_ts_result, struct_size, 0, uint32_t *);
AT(lathe_ts_result, flags, 4, uint32_t *);
AT(lathe_ts_result, n, 8, uint64_t *);
AT(lathe_ts_result, total, 16, uint64_t *);
AT(lathe_ts_result, n_read, 24, uint64_t *);
AT(lathe_ts_result, next_us, 32, int64_t *);

AT_LEAST(lathe_ts_bucket, 88);
AT(lathe_ts_bucket, start_us, 0, int64_t *);
AT(lathe_ts_bucket, n, 8, uint64_t *);
AT(lathe_ts_bucket, n_bad, 16, uint64_t *);
AT(lathe_ts_bucket, avg, 24, double *);
AT(lathe_ts_bucket, sum, 32, double *);
AT(lathe_ts_bucket, min, 40, double *);
AT(lathe_ts_bucket, max, 48, double *);
AT(lathe_ts_bucket, first, 56, double *);
AT(lathe_ts_bucket, last, 64, double *);
AT(lathe_ts_bucket, first_us, 72, int64_t *);
AT(lathe_ts_bucket, last_us, 80, int64_t *);

AT_LEAST(lathe_ts_latest, 48);
AT(lathe_ts_latest, series, 0, uint64_t *);
AT(lathe_ts_latest, ts_us, 8, int64_t *);
AT(lathe_ts_latest, recv_us, 16, int64_t *);
AT(lathe_ts_latest, horizon_us, 24, int64_t *);
AT(lathe_ts_latest, value, 32, double *);
AT(lathe_ts_latest, flags, 40, uint32_t *);
AT(lathe_ts_latest, has_point, 44, uint32_t *);

AT_LEAST(lathe_ts_stats, 48);
AT(lathe_ts_stats, struct_size, 0, uint32_t *);
AT(lathe_ts_stats, reserved0, 4, uint32_t *);
AT(lathe_ts_stats, n_series, 8, uint64_t *);
AT(lathe_ts_stats, n_points, 16, uint64_t *);
AT(lathe_ts_stats, backlog, 24, uint64_t *);
AT(lathe_ts_stats, bytes, 32, uint64_t *);
AT(lathe_ts_stats, log_bytes, 40, uint64_t *);

AT_LEAST(lathe_storage_timeseries, 128);
AT(lathe_storage_timeseries, struct_size, 0, uint32_t *);
AT(lathe_storage_timeseries, reserved0, 4, uint32_t *);
AT(lathe_storage_timeseries, append, 8, int32_t (**)(void *self, const struct lathe_series_chunk *const *chunks, uint32_t n_chunks, struct lathe_error *err));
AT(lathe_storage_timeseries, read, 16, int32_t (**)(void *self, const struct lathe_series_query *query, lathe_series_visit visit, void *user, struct lathe_error *err));
AT(lathe_storage_timeseries, drop_after, 24, int32_t (**)(void *self, const char *prefix, int64_t after, struct lathe_error *err));
AT(lathe_storage_timeseries, list, 32, int32_t (**)(void *self, const char *prefix, int32_t (*visit)(void *user, const char *series, uint64_t n_points), void *user, struct lathe_error *err));
AT(lathe_storage_timeseries, series_open, 40, int32_t (**)(void *self, const char *const *names, uint32_t n_names, uint64_t *ids, struct lathe_error *err));
AT(lathe_storage_timeseries, series_remove, 48, int32_t (**)(void *self, uint64_t series, struct lathe_error *err));
AT(lathe_storage_timeseries, series_each, 56, int32_t (**)(void *self, const char *prefix, int32_t (*visit)(void *user, const char *name, uint64_t series), void *user, struct lathe_error *err));
AT(lathe_storage_timeseries, retain, 64, int32_t (**)(void *self, uint64_t series, const struct lathe_ts_retention *retention, struct lathe_error *err));
AT(lathe_storage_timeseries, ingest, 72, int32_t (**)(void *self, const struct lathe_ts_batch *batch, uint32_t *failed_point, struct lathe_error *err));
AT(lathe_storage_timeseries, points, 80, int32_t (**)(void *self, const struct lathe_ts_query *query, lathe_ts_visit_points visit, void *user, struct lathe_ts_result *result, struct lathe_error *err));
AT(lathe_storage_timeseries, buckets, 88, int32_t (**)(void *self, const struct lathe_ts_query *query, lathe_ts_visit_buckets visit, void *user, struct lathe_ts_result *result, struct lathe_error *err));
AT(lathe_storage_timeseries, latest, 96, int32_t (**)(void *self, const uint64_t *series, uint32_t n_series, struct lathe_ts_latest *out, struct lathe_error *err));
AT(lathe_storage_timeseries, erase, 104, int32_t (**)(void *self, uint64_t series, int64_t first_us, int64_t end_us, struct lathe_error *err));
AT(lathe_storage_timeseries, stats, 112, int32_t (**)(void *self, struct lathe_ts_stats *out, struct lathe_error *err));
AT(lathe_storage_timeseries, maintain, 120, int32_t (**)(void *self, int64_t now_us, uint32_t *wait_ms, struct lathe_error *err));

AT_LEAST(lathe_store_result, 136);
AT(lathe_store_result, struct_size, 0, uint32_t *);
AT(lathe_store_result, reserved0, 4, uint32_t *);
AT(lathe_store_result, error, 8, const struct lathe_error **);
AT(lathe_store_result, n_docs, 16, uint32_t *);
AT(lathe_store_result, n_values, 20, uint32_t *);
AT(lathe_store_result, docs, 24, const struct lathe_storage_doc *const **);
AT(lathe_store_result, total, 32, uint64_t *);
AT(lathe_store_result, cursor, 40, const char **);
AT(lathe_store_result, values, 48, const uint64_t **);
AT(lathe_store_result, failed_op, 56, uint32_t *);
AT(lathe_store_result, n_points, 60, uint32_t *);
AT(lathe_store_result, points, 64, const struct lathe_series_point **);
AT(lathe_store_result, n_series, 72, uint32_t *);
AT(lathe_store_result, reserved1, 76, uint32_t *);
AT(lathe_store_result, series, 80, const char *const **);
AT(lathe_store_result, n_ts, 88, uint32_t *);
AT(lathe_store_result, failed_point, 92, uint32_t *);
AT(lathe_store_result, ts_points, 96, const struct lathe_ts_point **);
AT(lathe_store_result, ts_buckets, 104, const struct lathe_ts_bucket **);
AT(lathe_store_result, ts_latest, 112, const struct lathe_ts_latest **);
AT(lathe_store_result, ts_result, 120, const struct lathe_ts_result **);
AT(lathe_store_result, ts_stats, 128, const struct lathe_ts_stats **);

AT_LEAST(lathe_store_call, 32);
AT(lathe_store_call, struct_size, 0, uint32_t *);
AT(lathe_store_call, reserved0, 4, uint32_t *);
AT(lathe_store_call, done, 8, void (**)(void *user, int32_t status, const struct lathe_store_result *result));
AT(lathe_store_call, drop, 16, void (**)(void *user));
AT(lathe_store_call, user, 24, void **);

AT_LEAST(lathe_store_service, 176);
AT(lathe_store_service, struct_size, 0, uint32_t *);
AT(lathe_store_service, reserved0, 4, uint32_t *);
AT(lathe_store_service, ctx, 8, void **);
AT(lathe_store_service, declare, 16, int32_t (**)(const struct lathe_store_service *store, const struct lathe_storage_collection *collection, const struct lathe_store_call *call));
AT(lathe_store_service, get, 24, int32_t (**)(const struct lathe_store_service *store, const char *collection, const char *id, const struct lathe_store_call *call));
AT(lathe_store_service, put, 32, int32_t (**)(const struct lathe_store_service *store, const char *collection, const char *id, uint64_t expected, const char *json, const struct lathe_store_call *call));
AT(lathe_store_service, remove, 40, int32_t (**)(const struct lathe_store_service *store, const char *collection, const char *id, uint64_t expected, const struct lathe_store_call *call));
AT(lathe_store_service, apply, 48, int32_t (**)(const struct lathe_store_service *store, const struct lathe_storage_batch *batch, const struct lathe_store_call *call));
AT(lathe_store_service, scan, 56, int32_t (**)(const struct lathe_store_service *store, const struct lathe_storage_query *query, const struct lathe_store_call *call));
AT(lathe_store_service, next_id, 64, int32_t (**)(const struct lathe_store_service *store, const char *counter, uint64_t count, const struct lathe_store_call *call));
AT(lathe_store_service, series_append, 72, int32_t (**)(const struct lathe_store_service *store, const struct lathe_series_chunk *const *chunks, uint32_t n_chunks, const struct lathe_store_call *call));
AT(lathe_store_service, series_read, 80, int32_t (**)(const struct lathe_store_service *store, const struct lathe_series_query *query, const struct lathe_store_call *call));
AT(lathe_store_service, series_drop_after, 88, int32_t (**)(const struct lathe_store_service *store, const char *prefix, int64_t after, const struct lathe_store_call *call));
AT(lathe_store_service, series_list, 96, int32_t (**)(const struct lathe_store_service *store, const char *prefix, const struct lathe_store_call *call));
AT(lathe_store_service, ts_open, 104, int32_t (**)(const struct lathe_store_service *store, const char *const *names, uint32_t n_names, const struct lathe_store_call *call));
AT(lathe_store_service, ts_remove, 112, int32_t (**)(const struct lathe_store_service *store, uint64_t series, const struct lathe_store_call *call));
AT(lathe_store_service, ts_retain, 120, int32_t (**)(const struct lathe_store_service *store, uint64_t series, const struct lathe_ts_retention *retention, const struct lathe_store_call *call));
AT(lathe_store_service, ts_ingest, 128, int32_t (**)(const struct lathe_store_service *store, const struct lathe_ts_batch *batch, const struct lathe_store_call *call));
AT(lathe_store_service, ts_points, 136, int32_t (**)(const struct lathe_store_service *store, const struct lathe_ts_query *query, const struct lathe_store_call *call));
AT(lathe_store_service, ts_buckets, 144, int32_t (**)(const struct lathe_store_service *store, const struct lathe_ts_query *query, const struct lathe_store_call *call));
AT(lathe_store_service, ts_latest, 152, int32_t (**)(const struct lathe_store_service *store, const uint64_t *series, uint32_t n_series, const struct lathe_store_call *call));
AT(lathe_store_service, ts_erase, 160, int32_t (**)(const struct lathe_store_service *store, uint64_t series, int64_t first_us, int64_t end_us, const struct lathe_store_call *call));
AT(lathe_store_service, ts_stats, 168, int32_t (**)(const struct lathe_store_service *store, const struct lathe_store_call *call));

AT_LEAST(lathe_task_args, 48);
AT(lathe_task_args, struct_size, 0, uint32_t *);
AT(lathe_task_args, flags, 4, uint32_t *);
AT(lathe_task_args, host, 8, const struct lathe_host **);
AT(lathe_task_args, params, 16, const struct lathe_params **);
AT(lathe_task_args, spec, 24, const char **);
AT(lathe_task_args, seed, 32, uint64_t *);
AT(lathe_task_args, threads, 40, uint32_t *);
AT(lathe_task_args, reserved0, 44, uint32_t *);

AT_LEAST(lathe_task, 72);
AT(lathe_task, struct_size, 0, uint32_t *);
AT(lathe_task, flags, 4, uint32_t *);
AT(lathe_task, open, 8, int32_t (**)(const struct lathe_task_args *args, struct lathe_error *err, void **task));
AT(lathe_task, slice, 16, int32_t (**)(void *task, const struct lathe_budget *budget, struct lathe_error *err));
AT(lathe_task, progress, 24, void (**)(void *task, uint64_t *current, uint64_t *total));
AT(lathe_task, save, 32, int32_t (**)(void *task, const struct lathe_writer *writer));
AT(lathe_task, load, 40, int32_t (**)(void *task, const struct lathe_reader *reader, struct lathe_error *err));
AT(lathe_task, result, 48, int32_t (**)(void *task, char *json, uint64_t cap_bytes, struct lathe_error *err));
AT(lathe_task, close, 56, void (**)(void *task));
AT(lathe_task, extension, 64, const void *(**)(void *task, const char *id));

AT_LEAST(lathe_token_info, 56);
AT(lathe_token_info, struct_size, 0, uint32_t *);
AT(lathe_token_info, reserved0, 4, uint32_t *);
AT(lathe_token_info, id, 8, const char **);
AT(lathe_token_info, name, 16, const char **);
AT(lathe_token_info, role, 24, const char **);
AT(lathe_token_info, scopes, 32, const char *const **);
AT(lathe_token_info, created_ms, 40, int64_t *);
AT(lathe_token_info, expires_ms, 48, int64_t *);

AT_LEAST(lathe_tokens_service, 40);
AT(lathe_tokens_service, struct_size, 0, uint32_t *);
AT(lathe_tokens_service, reserved0, 4, uint32_t *);
AT(lathe_tokens_service, ctx, 8, void **);
AT(lathe_tokens_service, list, 16, void (**)(const struct lathe_tokens_service *tokens, lathe_token_visit_fn visit, void *user));
AT(lathe_tokens_service, create, 24, int32_t (**)(const struct lathe_tokens_service *tokens, const struct lathe_token_info *token, char out[80], struct lathe_error *err));
AT(lathe_tokens_service, revoke, 32, int32_t (**)(const struct lathe_tokens_service *tokens, const char *id, struct lathe_error *err));

#endif

int main(void)
{
    return 0;
}
