/* SPDX-License-Identifier: Apache-2.0 */
/* Events: order, replay, gaps, ends, and what is left of them after a restart. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/io.h"
#include "core/event/events.h"
#include "tests/support/storage_env.h"

struct fixture {
    struct storage_env env;
    struct events *events;
    const struct lathe_events_service *s;
    struct events_options options;
};

static void open_events(struct fixture *f)
{
    struct lathe_error err = {0};

    f->options.base = f->env.base;
    f->options.store = f->env.store;
    if (events_open(&f->options, &f->events, &err) != LATHE_OK)
        fail_msg("%s", err.text);
    f->s = events_service(f->events);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    storage_env_open(&f->env, "sqlite", NULL);
    f->options.keep_events = 100;
    open_events(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    clock_fake(0, 0);
    events_close(f->events);
    storage_env_close(&f->env);
    free(f);
    return 0;
}

/* Static in every test: the teardown still drops subscribers. What one got: "1 2 gap3-7 8 end ". */
struct log {
    char text[8192];
    uint64_t last;
    int n, n_drop, stop_after; /* stop_after > 0: returns LATHE_AGAIN from then on */
    struct fixture *f;
    struct lathe_events_subscriber *sub;
    int then; /* what the callback does at its first event */
};

enum { THEN_NOTHING, THEN_UNSUBSCRIBE, THEN_PUBLISH, THEN_FORGET };

static int32_t on_event(void *user, const struct lathe_event *event)
{
    struct log *log = user;
    size_t len = strlen(log->text);

    assert_int_equal(log->n_drop, 0);
    if (log->stop_after > 0 && log->n >= log->stop_after)
        return LATHE_AGAIN;
    if (event->flags == LATHE_EVENT_GAP)
        snprintf(log->text + len, sizeof log->text - len, "gap%d-%d ", (int)event->first_seq,
                 (int)event->seq);
    else if (event->flags == LATHE_EVENT_END)
        snprintf(log->text + len, sizeof log->text - len, "end ");
    else
        snprintf(log->text + len, sizeof log->text - len, "%d ", (int)event->seq);
    if (event->flags != LATHE_EVENT_END)
        assert_true(event->first_seq == log->last + 1 || log->n == 0);
    log->last = event->seq;
    if (event->flags == 0) {
        char json[32];

        snprintf(json, sizeof json, "{\"i\":%d}", (int)event->seq);
        assert_string_equal(event->json, json);
        assert_int_equal(event->json_len, strlen(json));
        assert_string_equal(event->type, "tick");
    }
    if (log->n++ > 0)
        return LATHE_OK;
    if (log->then == THEN_UNSUBSCRIBE) {
        log->f->s->unsubscribe(log->sub);
        assert_int_equal(log->n_drop, 0); /* after this callback */
    } else if (log->then == THEN_PUBLISH) {
        assert_int_equal(log->f->s->publish(log->f->s, "t", "tick", "{\"i\":2}", NULL), LATHE_OK);
    } else if (log->then == THEN_FORGET) {
        assert_int_equal(log->f->s->close_topic(log->f->s, "t", LATHE_EVENTS_FORGET), LATHE_OK);
    }
    return LATHE_OK;
}

static void on_drop(void *user)
{
    ((struct log *)user)->n_drop++;
}

static void subscribe(struct fixture *f, struct log *log, uint64_t since, uint32_t max_pending)
{
    const struct lathe_events_subscription sub = {sizeof sub, max_pending, "t", since,
                                                  on_event,   on_drop,     log};

    log->f = f;
    assert_int_equal(f->s->subscribe(f->s, &sub, &log->sub), LATHE_OK);
}

static void publish(struct fixture *f, int n)
{
    for (int i = 0; i < n; i++) {
        struct lathe_events_topic topic = {.struct_size = sizeof topic};
        uint64_t seq = 0;
        char json[32];

        assert_int_equal(f->s->get_topic(f->s, "t", &topic), LATHE_OK);
        snprintf(json, sizeof json, "{\"i\":%d}", (int)topic.last_seq + 1);
        assert_int_equal(f->s->publish(f->s, "t", "tick", json, &seq), LATHE_OK);
        assert_int_equal(seq, topic.last_seq + 1);
    }
}

/* Until nothing is left to do. */
static void settle(struct fixture *f)
{
    for (int i = 0; i < 10; i++) {
        store_drain(f->env.store);
        event_base_loop(f->env.base, EVLOOP_NONBLOCK);
    }
}

static void on_count(void *user, int32_t status, const struct lathe_store_result *result)
{
    assert_int_equal(status, LATHE_OK);
    *(int32_t *)user = (int32_t)result->total;
}

static void a_subscriber_gets_the_replay_and_then_live_events(void **state)
{
    struct fixture *f = *state;
    static struct log early = {0}, late = {0}, live = {0};

    subscribe(f, &early, 0, 0);
    publish(f, 3);
    assert_int_equal(early.n, 0); /* never from inside publish */
    settle(f);
    subscribe(f, &late, 1, 0);
    subscribe(f, &live, LATHE_EVENTS_LIVE, 0);
    publish(f, 2);
    settle(f);
    assert_string_equal(early.text, "1 2 3 4 5 ");
    assert_string_equal(late.text, "2 3 4 5 ");
    assert_string_equal(live.text, "4 5 ");
}

static void a_since_in_the_future_means_live(void **state)
{
    struct fixture *f = *state;
    static struct log log = {0};

    publish(f, 2);
    subscribe(f, &log, 77, 0);
    publish(f, 1);
    settle(f);
    assert_string_equal(log.text, "3 ");
}

static void events_pushed_out_are_named_by_one_gap(void **state)
{
    struct fixture *f = *state;
    static struct log log = {0}, limited = {0};

    publish(f, 250);
    settle(f);
    subscribe(f, &log, 10, 0);
    subscribe(f, &limited, 10, 3);
    settle(f);
    assert_int_equal(strncmp(log.text, "gap11-150 151 152 ", 18), 0);
    assert_int_equal(log.n, 101);
    assert_string_equal(limited.text, "gap11-247 248 249 250 ");
}

static void a_paused_subscriber_misses_nothing_that_is_kept(void **state)
{
    struct fixture *f = *state;
    static struct log slow = {.stop_after = 2}, fast = {0};

    subscribe(f, &slow, 0, 0);
    subscribe(f, &fast, 0, 0);
    publish(f, 5);
    settle(f);
    assert_string_equal(slow.text, "1 2 ");
    assert_string_equal(fast.text, "1 2 3 4 5 ");
    slow.stop_after = 0;
    f->s->resume(slow.sub);
    settle(f);
    assert_string_equal(slow.text, "1 2 3 4 5 ");
}

static void unsubscribing_drops_at_once_or_after_the_callback(void **state)
{
    struct fixture *f = *state;
    static struct log inside = {.then = THEN_UNSUBSCRIBE}, outside = {0};

    subscribe(f, &inside, 0, 0);
    subscribe(f, &outside, 0, 0);
    publish(f, 3);
    settle(f);
    assert_string_equal(inside.text, "1 ");
    assert_int_equal(inside.n_drop, 1);
    f->s->unsubscribe(outside.sub);
    assert_int_equal(outside.n_drop, 1);
    publish(f, 1);
    settle(f);
    assert_string_equal(outside.text, "1 2 3 ");
}

static void publishing_from_a_callback_keeps_the_order(void **state)
{
    struct fixture *f = *state;
    static struct log first = {.then = THEN_PUBLISH}, second = {0};

    subscribe(f, &first, 0, 0);
    subscribe(f, &second, 0, 0);
    publish(f, 1);
    settle(f);
    assert_string_equal(first.text, "1 2 ");
    assert_string_equal(second.text, "1 2 ");
}

static void a_closed_topic_ends_after_its_last_event(void **state)
{
    struct fixture *f = *state;
    static struct log log = {0}, later = {0}, again = {0};

    subscribe(f, &log, 0, 0);
    publish(f, 2);
    assert_int_equal(f->s->close_topic(f->s, "t", 0), LATHE_OK);
    settle(f);
    assert_string_equal(log.text, "1 2 end ");
    assert_int_equal(log.n_drop, 1);
    subscribe(f, &later, 1, 0);
    settle(f);
    assert_string_equal(later.text, "2 end ");
    publish(f, 1);
    subscribe(f, &again, 2, 0);
    settle(f);
    assert_string_equal(again.text, "3 ");
}

static void a_forgotten_topic_starts_anew(void **state)
{
    struct fixture *f = *state;
    static struct log inside = {.then = THEN_FORGET}, other = {0}, fresh = {0};

    subscribe(f, &inside, 0, 0);
    subscribe(f, &other, 0, 0);
    publish(f, 2);
    settle(f);
    assert_string_equal(inside.text, "1 ");
    assert_string_equal(other.text, "end ");
    assert_true(inside.n_drop == 1 && other.n_drop == 1);
    subscribe(f, &fresh, 0, 0);
    publish(f, 1);
    settle(f);
    assert_string_equal(fresh.text, "1 ");
}

static void numbers_go_on_exactly_after_an_orderly_stop(void **state)
{
    struct fixture *f = *state;
    static struct log log = {0};

    publish(f, 7);
    settle(f);
    events_close(f->events);
    store_close(f->env.store);
    storage_env_open_store(&f->env);
    open_events(f);
    subscribe(f, &log, 5, 0);
    publish(f, 1);
    settle(f);
    assert_string_equal(log.text, "6 7 8 ");
}

/* Opens the store's events a second time, as after a crash: nobody told it where the first ended.
 */
static struct events *crash(struct fixture *f)
{
    struct events *lost = f->events;

    open_events(f);
    return lost;
}

static void events_survive_a_crash_without_hole(void **state)
{
    struct fixture *f = *state;
    struct events *lost;
    static struct log before = {0}, log = {0};

    subscribe(f, &before, 0, 0);
    publish(f, 12);
    settle(f);
    publish(f, 120);
    settle(f);
    assert_int_equal(before.last, 132);
    lost = crash(f);
    publish(f, 2);
    subscribe(f, &log, 130, 0);
    settle(f);
    assert_string_equal(log.text, "131 132 133 134 ");
    events_close(f->events);
    f->events = lost;
}

static void no_event_is_delivered_before_it_is_stored(void **state)
{
    struct fixture *f = *state;
    static struct log log = {0};

    subscribe(f, &log, 0, 0);
    publish(f, 3);
    event_base_loop(f->env.base, EVLOOP_NONBLOCK); /* subscribes, and hands the chunk over */
    for (int i = 0; i < 1000 && log.n == 0; i++) {
        struct store_stats stats;

        store_get_stats(f->env.store, &stats);
        assert_true(log.n == 0 || stats.commits > 0);
        event_base_loop(f->env.base, EVLOOP_NONBLOCK);
    }
    settle(f);
    assert_string_equal(log.text, "1 2 3 ");
}

static void flushed_events_are_stored_with_what_is_written_next(void **state)
{
    struct fixture *f = *state;
    struct events *lost;
    static struct log log = {0};

    publish(f, 5);
    settle(f);
    publish(f, 600); /* one chunk is on its way with the first turn, these are not */
    assert_int_equal(f->s->flush(f->s, "t"), LATHE_OK);
    assert_int_equal(f->s->flush(f->s, "unheard"), LATHE_OK);
    assert_int_equal(f->s->flush(f->s, ""), LATHE_E_INVALID);
    store_drain(f->env.store);
    lost = crash(f);
    subscribe(f, &log, 603, 0);
    settle(f);
    assert_string_equal(log.text, "604 605 ");
    events_close(f->events);
    f->events = lost;
}

/* ---- a process that is killed ---- */

struct victim {
    struct fixture f;
    int out;
    uint64_t n_states;
};

static void on_state_stored(void *user, int32_t status, const struct lathe_store_result *result)
{
    struct victim *v = user;
    uint64_t number = ++v->n_states; /* one state for each event */

    (void)result;
    if (status != LATHE_OK || write(v->out, &number, sizeof number) != (ssize_t)sizeof number)
        _exit(2);
}

/* Publishes an event and stores a state that knows of it, as jobs do, until it is killed. Tells the
 * parent each state that is acknowledged. */
static void live_and_die(int out)
{
    static struct victim v;
    const struct lathe_storage_collection collection = {sizeof collection, 0, "state", NULL};
    const struct lathe_store_call call = {sizeof call, 0, on_state_stored, NULL, &v};

    v.out = out;
    storage_env_open(&v.f.env, "sqlite", NULL);
    open_events(&v.f);
    if (write(out, v.f.env.dir, sizeof v.f.env.dir) != (ssize_t)sizeof v.f.env.dir ||
        v.f.env.service->declare(v.f.env.service, &collection, NULL) != LATHE_OK)
        _exit(2);
    for (int i = 0;; i++) {
        publish(&v.f, 1);
        if (v.f.s->flush(v.f.s, "t") != LATHE_OK ||
            v.f.env.service->put(v.f.env.service, "state", "s", LATHE_REV_ANY, "{}", &call) !=
                LATHE_OK)
            store_drain(v.f.env.store);
        event_base_loop(v.f.env.base, EVLOOP_NONBLOCK);
    }
}

static void acknowledged_states_have_their_events_after_a_kill(void **state)
{
    struct fixture *f = *state;
    static struct log log = {0};
    uint64_t known = 0, number;
    char dir[sizeof f->env.dir];
    int fds[2], status = 0;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    events_close(f->events);
    store_close(f->env.store); /* no thread while forking */
    if ((pid = fork()) == 0)
        live_and_die(fds[1]);
    close(fds[1]);
    assert_int_equal(read(fds[0], dir, sizeof dir), sizeof dir);
    for (int i = 0; i < 300; i++)
        assert_int_equal(read(fds[0], &known, sizeof known), sizeof known);
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (read(fds[0], &number, sizeof number) == (ssize_t)sizeof number)
        known = number;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(io_remove_tree(f->env.dir, NULL), LATHE_OK);
    memcpy(f->env.dir, dir, sizeof dir);
    storage_env_open_store(&f->env);
    f->options.keep_events = 0;
    open_events(f);
    subscribe(f, &log, known - 50, 0); /* the log fails for numbers that do not follow */
    settle(f);
    assert_true(known >= 300 && log.last >= known);
    assert_null(strstr(log.text, "gap"));
}

static int32_t count_docs(struct fixture *f, const char *collection)
{
    const struct lathe_store_service *core = NULL;
    struct lathe_storage_query q = {
        .struct_size = sizeof q, .flags = LATHE_SCAN_COUNT, .collection = collection};
    struct lathe_store_call call = {sizeof call, 0, on_count, NULL, NULL};
    int32_t n = -1;

    call.user = &n;
    assert_int_equal(store_service(f->env.store, "core", &core, NULL), LATHE_OK);
    assert_int_equal(core->scan(core, &q, &call), LATHE_OK);
    store_drain(f->env.store);
    return n;
}

static void stored_events_go_when_they_are_no_longer_kept(void **state)
{
    struct fixture *f = *state;

    clock_fake(1000000000, 1);
    for (int i = 0; i < 300; i++) { /* chunks of one event, 100 are kept */
        publish(f, 1);
        settle(f);
    }
    assert_in_range(count_docs(f, "events.kept"), 100, 100 + 16);
    clock_fake(1000000000 + 3600001, 1);
    events_trim(f->events);
    settle(f);
    assert_int_equal(count_docs(f, "events.kept"), 0);
    assert_int_equal(count_docs(f, "events.topics"), 1);
    events_close(f->events);
    open_events(f);
    publish(f, 1); /* checks that it is number 301 */
    assert_int_equal(f->s->close_topic(f->s, "t", LATHE_EVENTS_FORGET), LATHE_OK);
    settle(f);
    assert_int_equal(count_docs(f, "events.kept") + count_docs(f, "events.topics"), 0);
}

static void a_closed_topic_stays_closed_after_a_restart(void **state)
{
    struct fixture *f = *state;
    static struct log log = {0};

    publish(f, 1);
    assert_int_equal(f->s->close_topic(f->s, "t", 0), LATHE_OK);
    settle(f);
    events_close(f->events);
    open_events(f);
    subscribe(f, &log, 1, 0);
    settle(f);
    assert_string_equal(log.text, "end ");
}

static void old_events_are_forgotten_after_their_time(void **state)
{
    struct fixture *f = *state;
    struct lathe_events_topic topic = {.struct_size = sizeof topic};

    clock_fake(1000000000, 1);
    publish(f, 3);
    clock_fake(1000000000 + 3000000, 1);
    publish(f, 2);
    events_trim(f->events);
    assert_int_equal(f->s->get_topic(f->s, "t", &topic), LATHE_OK);
    assert_int_equal(topic.oldest_seq, 1);
    clock_fake(1000000000 + 3600001, 1);
    events_trim(f->events);
    assert_int_equal(f->s->get_topic(f->s, "t", &topic), LATHE_OK);
    assert_true(topic.oldest_seq == 4 && topic.last_seq == 5);
    settle(f);
}

static void bytes_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct lathe_events_topic topic = {.struct_size = sizeof topic};
    char *big = malloc(2002);

    events_close(f->events);
    f->options.max_bytes = 20000;
    open_events(f);
    memset(big, '1', 2001);
    big[2001] = 0;
    for (int i = 0; i < 60; i++)
        assert_int_equal(f->s->publish(f->s, i % 2 ? "a" : "b", "tick", big, NULL), LATHE_OK);
    assert_int_equal(f->s->get_topic(f->s, "a", &topic), LATHE_OK);
    assert_true(topic.last_seq == 30 && topic.oldest_seq > 20 && topic.oldest_seq <= 30);
    free(big);
}

static void bad_arguments_are_refused(void **state)
{
    struct fixture *f = *state;
    static struct log log = {0};
    struct lathe_events_subscription sub = {sizeof sub, 0, "", 0, on_event, on_drop, &log};
    struct lathe_events_subscriber *out = NULL;

    assert_int_equal(f->s->publish(f->s, "", "tick", "{}", NULL), LATHE_E_INVALID);
    assert_int_equal(f->s->publish(f->s, "a\n", "tick", "{}", NULL), LATHE_E_INVALID);
    assert_int_equal(f->s->publish(f->s, "a", "", "{}", NULL), LATHE_E_INVALID);
    assert_int_equal(f->s->publish(f->s, "a", "tick", NULL, NULL), LATHE_E_INVALID);
    assert_int_equal(f->s->subscribe(f->s, &sub, &out), LATHE_E_INVALID);
    assert_true(out == NULL && log.n_drop == 1);
    f->s->unsubscribe(NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_subscriber_gets_the_replay_and_then_live_events),
        T(a_since_in_the_future_means_live),
        T(events_pushed_out_are_named_by_one_gap),
        T(a_paused_subscriber_misses_nothing_that_is_kept),
        T(unsubscribing_drops_at_once_or_after_the_callback),
        T(publishing_from_a_callback_keeps_the_order),
        T(a_closed_topic_ends_after_its_last_event),
        T(a_forgotten_topic_starts_anew),
        T(numbers_go_on_exactly_after_an_orderly_stop),
        T(events_survive_a_crash_without_hole),
        T(no_event_is_delivered_before_it_is_stored),
        T(flushed_events_are_stored_with_what_is_written_next),
        T(acknowledged_states_have_their_events_after_a_kill),
        T(stored_events_go_when_they_are_no_longer_kept),
        T(a_closed_topic_stays_closed_after_a_restart),
        T(old_events_are_forgotten_after_their_time),
        T(bytes_are_bounded),
        T(bad_arguments_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
