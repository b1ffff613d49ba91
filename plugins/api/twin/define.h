/* Parts of a twin's definition. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLUGINS_API_TWIN_DEFINE_H
#define PLUGINS_API_TWIN_DEFINE_H

#include "plugins/api/twin/twin.h"

int32_t bad_parameter(struct tw *tw, struct lathe_request *req, const char *name);
void copy_members(const struct lathe_json_service *j, struct lathe_json *to,
                  const struct lathe_json *from, const char *const *names);

/* Checks body and appends what it describes to the document: 1, or 0 when the request was answered
 * with *st. */
int sensor_make(struct tw *tw, struct lathe_request *req, struct lathe_json *doc,
                const struct lathe_json *body, int32_t *st);
int actuator_make(struct tw *tw, struct lathe_request *req, struct lathe_json *doc,
                  const struct lathe_json *body, int32_t *st);

/* Stores the current_value of every sensor that body["sensors"] gives one. */
void initial_values(struct tw *tw, struct twin *t, const struct lathe_json *body);

/* "good", "warning", "critical" or "unknown"; reasons may be NULL, else an open JSON array. */
const char *twin_health(struct tw *tw, struct twin *t, struct jw *reasons);

/* A value as a state of the actuator: 0 when it is none. */
int actuator_state(const struct lathe_json_service *j, const struct lathe_json *actuator,
                   const struct lathe_json *value, double *out);
/* 1 when the actuator of a twin works. */
int actuator_works(const struct lathe_json_service *j, const struct lathe_json *actuator);

#endif
