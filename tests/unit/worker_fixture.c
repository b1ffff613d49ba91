/* The server's side of a worker, for tests. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/io.h"

void worker_dir(struct worker *w)
{
    memset(w, 0, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/lathe-worker-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
}

void worker_dir_remove(struct worker *w)
{
    assert_int_equal(io_remove_tree(w->dir, NULL), LATHE_OK);
}

void worker_path(const struct worker *w, const char *name, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%s", w->dir, name);
}

void worker_job(const struct worker *w, const char *members)
{
    json_t *job =
        json_pack("{s:i,s:s,s:s,s:s,s:[{s:s},{s:s}],s:{s:s},s:{s:s},s:i,s:i,s:i,s:{s:i,s:i}}",
                  "version", 1, "job", "test", "dir", w->dir, "task", "rl.train", "plugins", "path",
                  LATHE_BINARY_DIR "/tests/plugins/worker_env.so", "path",
                  LATHE_BINARY_DIR "/tests/plugins/worker_learner.so", "env", "name", "Walk-v0",
                  "algorithm", "name", "preference", "seed", 7, "n_envs", 70, "total_steps", 20000,
                  "eval", "interval", 5000, "episodes", 20);
    json_t *more = json_loads(members, 0, NULL);
    char path[256], *text;

    assert_non_null(job);
    assert_non_null(more);
    assert_int_equal(json_object_update(job, more), 0);
    if (json_object_get(more, "total_iterations") != NULL)
        json_object_del(job, "total_steps");
    text = json_dumps(job, 0);
    worker_path(w, "job.json", path, sizeof path);
    assert_int_equal(io_write_file(path, text, strlen(text), 0600, NULL), LATHE_OK);
    free(text);
    json_decref(more);
    json_decref(job);
}

void worker_start(struct worker *w, const char *role)
{
    char path[256], role_text[16], self[] = LATHE_BINARY_DIR "/bin/lathe-worker";
    char opt_role[] = "--role", opt_job[] = "--job";
    char *argv[] = {self, opt_role, role_text, opt_job, path, NULL};
    posix_spawn_file_actions_t actions;
    struct lathe_error err = {0};
    int fds[2];

    snprintf(role_text, sizeof role_text, "%s", role);
    worker_path(w, "job.json", path, sizeof path);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    posix_spawn_file_actions_init(&actions);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, fds[1], LINK_FD), 0);
    assert_int_equal(posix_spawn(&w->pid, self, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    assert_int_equal(link_channel_open(&w->link, fds[0], &err), LATHE_OK);
    w->is_open = 1;
}

json_t *worker_expect(struct worker *w, uint32_t type, int must)
{
    struct link_frame frame;
    struct lathe_error err = {0};
    int32_t st;

    while ((st = link_poll(&w->link, 60000, &frame, &err)) == 1) {
        json_t *payload;

        if (frame.type == LINK_ERROR && type != LINK_ERROR)
            print_message("worker error: %s\n", frame.payload);
        if (frame.type != type)
            continue;
        payload = json_loadb(frame.payload, frame.len_bytes, 0, NULL);
        assert_non_null(payload);
        return payload;
    }
    if (must)
        fail_msg("no %s frame: %s", link_type_name(type), st == 0 ? "time-out" : err.text);
    return NULL;
}

void worker_send(struct worker *w, uint32_t type, const char *json)
{
    assert_int_equal(link_send(&w->link, type, json, strlen(json), NULL), LATHE_OK);
}

int worker_wait(struct worker *w)
{
    int status = 0;

    if (w->is_open)
        link_channel_close(&w->link);
    w->is_open = 0;
    assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void worker_run_to_end(struct worker *w, char hash[65])
{
    json_t *payload, *done;

    worker_start(w, "run");
    for (;;) {
        payload = worker_expect(w, LINK_CHECKPOINT, 1);
        if (strcmp(json_string_value(json_object_get(payload, "kind")), "final") == 0)
            break;
        json_decref(payload);
    }
    snprintf(hash, 65, "%s", json_string_value(json_object_get(payload, "weights_sha256")));
    json_decref(payload);
    done = worker_expect(w, LINK_DONE, 1);
    assert_string_equal(json_string_value(json_object_get(done, "outcome")), "completed");
    json_decref(done);
    assert_int_equal(worker_wait(w), 0);
}
