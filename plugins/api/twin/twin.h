/* Insides of the Twin surface: twins in memory, written through to the store; telemetry, rules and
 * alerts beside them. Threads: [loop]. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLUGINS_API_TWIN_TWIN_H
#define PLUGINS_API_TWIN_TWIN_H

#include "lathe/params.h"
#include "plugins/api/common/api_kit.h"

#define TOPIC "twin/events" /* everything that happens, one growing number */

enum quality { QUALITY_GOOD, QUALITY_UNCERTAIN, QUALITY_BAD };
enum sensor_state { SENSOR_HEALTHY, SENSOR_WARNING, SENSOR_ERROR, SENSOR_UNKNOWN };
enum rule_kind { RULE_THRESHOLD, RULE_RANGE, RULE_RATE, RULE_STALE, RULE_SYNC, RULE_ACTUATOR };
enum rule_state { RULE_NORMAL, RULE_PENDING, RULE_ACTIVE, RULE_CLEARING };

/* Strings to pointers; keys are borrowed from the values. Zero-initialise. */
struct map {
    struct map_slot {
        const char *key;
        void *value;
    } * slots;
    size_t n, cap;
};
void *map_get(const struct map *map, const char *key);
int map_put(struct map *map, const char *key, void *value); /* 0 without memory */
void map_remove(struct map *map, const char *key);
void map_fini(struct map *map);

/* A limit that may be absent. */
struct bound {
    int is_set;
    double value;
};

struct rule {
    char id[132];
    struct twin *twin;
    struct sensor *sensor; /* NULL: of the whole twin */
    struct rule *next;     /* of the same sensor, or of the twin */
    enum rule_kind kind;
    enum rule_state state;
    char op[3];
    double limit, clear, low, high, hysteresis;
    int64_t for_us, clear_for_us, t0, t1, last_ts, after_us;
    uint64_t late_ignored;
    char severity[12], message[256];
    int is_implicit, enabled, failures;
    struct alert *alert; /* while active */
};

struct alert {
    struct alert *next;
    uint64_t n;
    char twin_id[132], rule_id[132], sensor_id[132], severity[12], reason[24], by[72];
    char message[400];
    int has_value, is_active, is_acknowledged;
    double value, peak;
    uint64_t count;
    int64_t created_us, cleared_us, acknowledged_us, expires_us;
};

/* A sensor: what its definition says, and its latest sample. */
struct sensor {
    struct twin *twin;
    const char *id, *name, *unit; /* of the twin's document */
    int64_t uid;                  /* names the series */
    struct bound min, max, warn_low, warn_high;
    double hysteresis, stale_s;
    int has_point, is_gap, uses_quality;
    int is_out; /* beyond its range, hysteresis included */
    enum quality quality;
    int64_t ts_us, recv_us;
    double value, previous;
    int64_t previous_us;
    int has_previous, is_dirty; /* is_dirty: an event is due */
    uint32_t window_n;
    double window_min, window_max;
    struct sensor *next_dirty;
    struct rule range, stale; /* implicit */
    struct rule *rules;
};

struct twin {
    struct lathe_json *doc; /* the definition as stored */
    const char *id;
    int64_t rev, uid;
    uint64_t tele; /* grows with telemetry */
    struct sensor *sensors;
    uint32_t n_sensors, hint, n_writes, n_alerts;
    struct rule *rules; /* all explicit ones */
    uint32_t n_rules;
    int is_inactive, is_archived, sync_failed;
};

/* Settings. */
struct settings {
    char types[512], twin_tag[64];
    int64_t max_twins, max_sensors, max_actuators, max_rules;
    int64_t max_future_us, rate_limit;
    int require_if_match;
    double stale_s;
};

/* The open surface. */
struct tw {
    struct api_kit kit;
    struct settings set;
    struct map twins, idem, buckets;
    struct alert *alerts; /* newest first */
    uint64_t last_alert, last_command;
    int64_t last_uid;
    uint64_t loading; /* reads of the start that are still out */
    struct sensor *dirty;
    struct idem *running;
    struct waiting *waiting; /* requests of the start */
    uint64_t tick, sweep;
};

/* A name that is 128 bytes at most, and 1 when text is one. */
int id_is_valid(const char *text);

/* ---- convert.c ---- */
int64_t now_us(const struct tw *tw);
int time_parse(const char *text, int64_t *us); /* RFC 3339 with offset; 0 when it is none */
void time_text(char out[40], int64_t us);
void jw_us(struct jw *w, const char *name, int64_t us); /* null for 0 */
void jw_bound(struct jw *w, const char *name, const struct bound *b);
void fold(const char *text, struct text *out); /* lower case, UTF-8 */
int list_has(const char *list, const char *word);

/* ---- answer.c ---- */
/* Sends t, which is released. Every answer of a handler goes this way. */
int32_t answer(struct tw *tw, struct lathe_request *req, int32_t http_status, struct text *t);
/* {"error":...}; details_json may be NULL. */
int32_t refuse(struct tw *tw, struct lathe_request *req, int32_t http_status, const char *code,
               const char *details_json, const char *fmt, ...) LATHE_PRINTF(6, 7);
/* 422 with one field. */
int32_t refuse_field(struct tw *tw, struct lathe_request *req, const char *code, const char *path,
                     const char *field_code, const char *message);
int32_t render_error(void *self, struct lathe_request *req, const struct lathe_problem *problem);
/* Opens and closes {"data":...}. */
void data_open(struct jw *w, struct text *out);
int32_t data_send(struct tw *tw, struct lathe_request *req, int32_t http_status, struct jw *w);
/* Rate limit and idempotency before a handler does anything: 1 go on, 0 *st is the outcome. */
int enter(struct tw *tw, struct lathe_request *req, int32_t *st);
void answers_close(struct tw *tw);

struct pages {
    int64_t page, per_page, total;
};
void pages_read(const struct tw *tw, struct lathe_request *req, struct pages *p, int64_t fallback);
int pages_has(const struct pages *p, int64_t index);
void pages_write(const struct pages *p, struct jw *w, const char *name);
void links_write(const struct tw *tw, struct lathe_request *req, const struct pages *p,
                 struct jw *w);

/* ---- state.c ---- */
struct twin *twin_find(const struct tw *tw, const char *id);
/* The twin of the path, or NULL when the request was answered. */
struct twin *need_twin(struct tw *tw, struct lathe_request *req, int32_t *st);
/* The same for a change: 412, 428, and 409 when archived. */
struct twin *need_change(struct tw *tw, struct lathe_request *req, int32_t *st);
int precondition(struct tw *tw, struct lathe_request *req, const struct twin *t, int32_t *st);
struct sensor *sensor_find(struct twin *t, const char *id);
/* An element of the document by id; index may be NULL. */
struct lathe_json *element(const struct tw *tw, const struct twin *t, const char *list,
                           const char *id, uint32_t *index);
int64_t next_uid(struct tw *tw);
int32_t state_open(struct tw *tw, struct lathe_error *err);
void state_close(struct tw *tw);
/* Takes doc as the new definition of t and gives t its next revision. */
int twin_install(struct tw *tw, struct twin *t, struct lathe_json *take_doc);
/* Adds a new twin with its document; NULL without memory. */
struct twin *twin_add(struct tw *tw, struct lathe_json *take_doc);
void twin_drop(struct tw *tw, struct twin *t);     /* from memory */
void touch(struct tw *tw, struct lathe_json *doc); /* updated_us, rev */

/* The answer to a change, sent when it is durable. */
struct change {
    struct lathe_request *req; /* may be NULL */
    int32_t http_status;
    const char *event; /* kind of the twin event, or NULL */
    struct text body;  /* taken */
    const char *extra_collection, *extra_id;
    const char *extra_json; /* another document of the same write */
};
int32_t twin_save(struct tw *tw, struct twin *t, struct change *change);
int32_t twin_erase(struct tw *tw, struct twin *t, struct lathe_request *req);
void etag_add(const struct tw *tw, struct lathe_request *req, const struct twin *t);
int32_t has_scope(struct tw *tw, struct lathe_request *req, const char *scope, int32_t *st);

/* ---- wire.c ---- */
void twin_write(const struct tw *tw, struct jw *w, struct twin *t, int with_lists, int with_meta);
void sensor_write(const struct tw *tw, struct jw *w, const char *name, struct twin *t,
                  uint32_t index);
void actuator_write(const struct tw *tw, struct jw *w, const char *name,
                    const struct lathe_json *actuator);

/* ---- tele.c ---- */
struct point {
    struct sensor *sensor;
    int64_t ts_us;
    double value;
    enum quality quality;
    int is_gap;
};
/* Keeps points; done comes when they are on disk. drop as in lathe_store_call. */
int32_t tele_ingest(struct tw *tw, const struct point *points, uint32_t n,
                    const struct lathe_store_call *call);
/* A point is durable: latest value, rules, events. */
void tele_apply(struct tw *tw, const struct point *p, int64_t recv_us);
void tele_forget(struct tw *tw, int64_t uid);
void tele_restore(struct tw *tw, struct sensor *s);

struct row {
    int64_t ts_us;
    double value, min, max, sum, first, last;
    uint64_t count;
    enum quality quality;
    int is_gap, is_empty;
};
struct range {
    int64_t start_us, end_us, interval_us, origin_us; /* interval 0: samples */
};
/* rows are the receiver's, who frees them. n < 0: a status. */
typedef void (*tele_rows_fn)(void *user, int64_t n, struct row *rows);
int32_t tele_read(struct tw *tw, int64_t uid, const struct range *range, tele_rows_fn done,
                  void *user);

/* ---- health.c ---- */
enum sensor_state sensor_judge(const struct tw *tw, const struct sensor *s, const char **reason);
const char *sensor_state_name(enum sensor_state state);

/* ---- rules.c ---- */
void rules_bind(struct tw *tw, struct twin *t, struct rule *old, uint32_t n_old);
void rules_sample(struct tw *tw, struct sensor *s, const struct point *p);
void rules_tick(struct tw *tw, struct twin *t);
void rules_sync_failed(struct tw *tw, struct twin *t);
void alert_write(struct jw *w, const struct alert *a);
struct alert *alert_new(struct tw *tw, struct twin *t, const char *severity, const char *message);
void alert_clear(struct tw *tw, struct alert *a, const char *reason);
int32_t alert_save(struct tw *tw, const struct alert *a, const struct lathe_store_call *call);
int32_t alerts_open(struct tw *tw, struct lathe_error *err);
void alerts_close(struct tw *tw);
void alerts_drop_twin(struct tw *tw, const char *twin_id, const char *sensor_id);
void publish(struct tw *tw, const char *type, struct text *t); /* releases t */

/* ---- operations ---- */
int32_t op_list_twins(void *self, struct lathe_request *req);
int32_t op_create_twin(void *self, struct lathe_request *req);
int32_t op_get_twin(void *self, struct lathe_request *req);
int32_t op_patch_twin(void *self, struct lathe_request *req);
int32_t op_delete_twin(void *self, struct lathe_request *req);
int32_t op_list_sensors(void *self, struct lathe_request *req);
int32_t op_create_sensor(void *self, struct lathe_request *req);
int32_t op_get_sensor(void *self, struct lathe_request *req);
int32_t op_patch_sensor(void *self, struct lathe_request *req);
int32_t op_delete_sensor(void *self, struct lathe_request *req);
int32_t op_list_actuators(void *self, struct lathe_request *req);
int32_t op_create_actuator(void *self, struct lathe_request *req);
int32_t op_get_actuator(void *self, struct lathe_request *req);
int32_t op_patch_actuator(void *self, struct lathe_request *req);
int32_t op_delete_actuator(void *self, struct lathe_request *req);
int32_t op_commands(void *self, struct lathe_request *req);
int32_t op_history(void *self, struct lathe_request *req);
int32_t op_query(void *self, struct lathe_request *req);
int32_t op_status(void *self, struct lathe_request *req);
int32_t op_sync(void *self, struct lathe_request *req);
int32_t op_ingest(void *self, struct lathe_request *req);
int32_t op_write(void *self, struct lathe_request *req);
int32_t op_list_rules(void *self, struct lathe_request *req);
int32_t op_create_rule(void *self, struct lathe_request *req);
int32_t op_get_rule(void *self, struct lathe_request *req);
int32_t op_patch_rule(void *self, struct lathe_request *req);
int32_t op_delete_rule(void *self, struct lathe_request *req);
int32_t op_list_alerts(void *self, struct lathe_request *req);
int32_t op_create_alert(void *self, struct lathe_request *req);
int32_t op_acknowledge(void *self, struct lathe_request *req);
int32_t op_clear(void *self, struct lathe_request *req);
int32_t op_events(void *self, struct lathe_request *req);
extern const struct lathe_ws_handler twin_ws_handler;

#endif
