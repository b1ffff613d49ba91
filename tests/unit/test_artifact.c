/* SPDX-License-Identifier: Apache-2.0 */
/* Artifacts: files under their hash, verified, and removed only when no document refers to them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/artifact/artifact.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/host/loop.h"
#include "core/host/pool.h"
#include "tests/support/storage_env.h"

struct fixture {
    struct storage_env env;
    struct loop *loop;
    struct pool *pool;
    struct artifacts *artifacts;
    const struct lathe_artifact_service *s;
    char dir[80], file[96];
};

static void open_artifacts(struct fixture *f)
{
    const struct artifacts_options options = {.loop = f->loop,
                                              .pool = f->pool,
                                              .store = f->env.store,
                                              .dir = f->dir,
                                              .grace_ms = 1000,
                                              .period_ms = -1};

    assert_int_equal(artifacts_open(&options, &f->artifacts, NULL), LATHE_OK);
    f->s = artifacts_service(f->artifacts);
}

static int setup(void **state)
{
    static const struct lathe_storage_index file = {
        sizeof file, LATHE_INDEX_STRING | LATHE_INDEX_ARTIFACT, "sha256"};
    static const struct lathe_storage_index *const indexes[] = {&file, NULL};
    static const struct lathe_storage_collection models = {sizeof models, 0, "models", indexes};
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_int_equal(loop_open(&f->loop, NULL), LATHE_OK);
    assert_int_equal(pool_open(f->loop, 2, 100, &f->pool, NULL), LATHE_OK);
    storage_env_open(&f->env, "memory", loop_base(f->loop));
    snprintf(f->dir, sizeof f->dir, "%s/artifacts", f->env.dir);
    snprintf(f->file, sizeof f->file, "%s/input", f->env.dir);
    assert_int_equal(f->env.service->declare(f->env.service, &models, NULL), LATHE_OK);
    store_drain(f->env.store);
    open_artifacts(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    clock_fake(0, 0);
    pool_close(f->pool);
    artifacts_close(f->artifacts);
    storage_env_close(&f->env);
    loop_close(f->loop);
    free(f);
    return 0;
}

struct answer {
    int n_done, n_drop, finished;
    int32_t status;
    char sha256[LATHE_ARTIFACT_SHA_MAX], text[64];
    uint64_t size;
};

static void on_done(void *user, int32_t status, const struct lathe_artifact_result *result)
{
    struct answer *a = user;

    a->n_done++;
    a->status = status;
    a->size = result->size_bytes;
    assert_int_equal(result->error->text[0] == 0, status == LATHE_OK);
    if (result->sha256 != NULL)
        memcpy(a->sha256, result->sha256, sizeof a->sha256);
    if (result->data != NULL)
        snprintf(a->text, sizeof a->text, "%.*s", (int)result->size_bytes,
                 (const char *)result->data);
}

static void on_drop(void *user)
{
    struct answer *a = user;

    a->n_drop++;
    a->finished = 1;
}

static struct lathe_artifact_call into(struct answer *a)
{
    memset(a, 0, sizeof *a);
    return (struct lathe_artifact_call){sizeof(struct lathe_artifact_call), 0, on_done, on_drop, a};
}

static void wait_for(struct fixture *f, const struct answer *a)
{
    assert_true(loop_run_until(f->loop, &a->finished, 10000));
    assert_true(a->n_done == 1 && a->n_drop == 1);
}

static void write_input(struct fixture *f, const char *text)
{
    assert_int_equal(io_write_file(f->file, text, strlen(text), 0600, NULL), LATHE_OK);
}

static int exists(struct fixture *f, const char *sha256)
{
    return f->s->find(f->s, sha256, NULL, 0, NULL, NULL) == LATHE_OK;
}

static void import(struct fixture *f, const char *text, struct answer *a)
{
    struct lathe_artifact_call call = into(a);

    assert_int_equal(f->s->import_bytes(f->s, text, strlen(text), &call), LATHE_OK);
    assert_int_equal(a->n_done, 0);
    wait_for(f, a);
    assert_int_equal(a->status, LATHE_OK);
}

static void an_imported_file_is_found_by_its_hash(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    struct lathe_artifact_call call = into(&a);
    char path[256], sha[65];
    struct stat info;
    uint64_t size = 0;

    write_input(f, "weights");
    sha256_hex("weights", 7, sha);
    assert_int_equal(f->s->import_file(f->s, f->file, sha, 0, &call), LATHE_OK);
    wait_for(f, &a);
    assert_int_equal(a.status, LATHE_OK);
    assert_string_equal(a.sha256, sha);
    assert_int_equal(a.size, 7);
    assert_int_equal(access(f->file, F_OK), 0);
    assert_int_equal(f->s->find(f->s, sha, path, sizeof path, &size, NULL), LATHE_OK);
    assert_int_equal(size, 7);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0222, 0);
    assert_int_equal(f->s->find(f->s, sha, path, 10, NULL, NULL), LATHE_E_LIMIT);
    call = into(&a);
    assert_int_equal(f->s->import_file(f->s, f->file, NULL, 1, &call), LATHE_OK); /* again, moved */
    wait_for(f, &a);
    assert_int_equal(a.status, LATHE_OK);
    assert_int_equal(access(f->file, F_OK), -1);
    call = into(&a);
    assert_int_equal(f->s->load(f->s, sha, 100, &call), LATHE_OK);
    wait_for(f, &a);
    assert_string_equal(a.text, "weights");
}

static void a_wrong_hash_leaves_everything_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    char sha[65], real[65], *text = NULL;
    size_t len;

    sha256_hex("other", 5, sha);
    sha256_hex("weights", 7, real);
    for (int move = 0; move < 2; move++) {
        struct lathe_artifact_call call = into(&a);

        write_input(f, "weights");
        assert_int_equal(f->s->import_file(f->s, f->file, sha, move, &call), LATHE_OK);
        wait_for(f, &a);
        assert_int_equal(a.status, LATHE_E_CORRUPT);
        assert_int_equal(io_read_file(f->file, 100, &text, &len, NULL), LATHE_OK);
        assert_string_equal(text, "weights");
        mem_free(text);
        assert_false(exists(f, sha));
        assert_false(exists(f, real));
    }
}

static void bad_arguments_are_refused(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    struct lathe_artifact_call call = into(&a);

    assert_int_equal(f->s->load(f->s, "../../etc/passwd", 10, &call), LATHE_E_INVALID);
    assert_true(a.n_done == 0 && a.n_drop == 1);
    call = into(&a);
    assert_int_equal(f->s->import_file(f->s, f->file, "xyz", 0, &call), LATHE_E_INVALID);
    assert_true(a.n_done == 0 && a.n_drop == 1);
    call = into(&a);
    assert_int_equal(f->s->import_file(f->s, "/nonexistent/x", NULL, 1, &call), LATHE_OK);
    wait_for(f, &a);
    assert_int_equal(a.status, LATHE_E_NOT_FOUND);
    call = into(&a);
    assert_int_equal(f->s->import_file(f->s, f->dir, NULL, 0, &call), LATHE_OK);
    wait_for(f, &a);
    assert_int_equal(a.status, LATHE_E_INVALID);
    assert_int_equal(f->s->find(f->s, "x", NULL, 0, NULL, NULL), LATHE_E_INVALID);
}

static void damage_is_found_when_loading(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    struct lathe_artifact_call call;
    char path[256], sha[65];

    import(f, "weights", &a);
    memcpy(sha, a.sha256, sizeof sha);
    assert_int_equal(f->s->find(f->s, sha, path, sizeof path, NULL, NULL), LATHE_OK);
    assert_int_equal(io_write_file(path, "wEights", 7, 0400, NULL), LATHE_OK);
    call = into(&a);
    assert_int_equal(f->s->load(f->s, sha, 100, &call), LATHE_OK);
    wait_for(f, &a);
    assert_int_equal(a.status, LATHE_E_CORRUPT);
    call = into(&a);
    assert_int_equal(f->s->load(f->s, sha, 3, &call), LATHE_OK);
    wait_for(f, &a);
    assert_int_equal(a.status, LATHE_E_LIMIT);
}

struct collected {
    int finished;
    int32_t status;
    uint64_t removed;
};

static void on_collected(void *user, int32_t status, uint64_t removed)
{
    struct collected *c = user;

    c->status = status;
    c->removed = removed;
    c->finished = 1;
}

static uint64_t collect_at(struct fixture *f, int64_t wall_ms)
{
    struct collected c = {0}, second = {0};

    clock_fake(wall_ms, clock_mono_ns());
    artifacts_collect(f->artifacts, on_collected, &c);
    artifacts_collect(f->artifacts, on_collected, &second);
    assert_int_equal(second.status, LATHE_E_CONFLICT);
    assert_true(loop_run_until(f->loop, &c.finished, 10000));
    assert_int_equal(c.status, LATHE_OK);
    clock_fake(0, 0);
    return c.removed;
}

static void only_unreferenced_artifacts_go_after_their_grace(void **state)
{
    struct fixture *f = *state;
    const struct lathe_store_service *store = f->env.service;
    struct answer kept, lost;
    char json[128];
    int64_t now = clock_wall_ms();

    import(f, "kept", &kept);
    import(f, "lost", &lost);
    snprintf(json, sizeof json, "{\"sha256\":\"%s\"}", kept.sha256);
    assert_int_equal(store->put(store, "models", "m", LATHE_REV_ANY, json, NULL), LATHE_OK);
    assert_int_equal(collect_at(f, now), 0); /* within the grace */
    assert_true(exists(f, lost.sha256));
    assert_int_equal(collect_at(f, now + 5000), 1);
    assert_false(exists(f, lost.sha256));
    assert_true(exists(f, kept.sha256));
    assert_int_equal(store->remove(store, "models", "m", LATHE_REV_ANY, NULL), LATHE_OK);
    assert_int_equal(collect_at(f, now + 60000), 1);
    assert_false(exists(f, kept.sha256));
}

static void opening_cleans_up_after_a_crash(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    char path[256], trash[256], tmp[256];

    import(f, "weights", &a);
    assert_int_equal(f->s->find(f->s, a.sha256, path, sizeof path, NULL, NULL), LATHE_OK);
    artifacts_close(f->artifacts);
    snprintf(trash, sizeof trash, "%s/trash/%s", f->dir, a.sha256);
    snprintf(tmp, sizeof tmp, "%s/tmp/half", f->dir);
    assert_int_equal(rename(path, trash), 0);
    assert_int_equal(io_write_file(tmp, "x", 1, 0600, NULL), LATHE_OK);
    open_artifacts(f);
    assert_true(exists(f, a.sha256));
    assert_int_equal(access(tmp, F_OK), -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_imported_file_is_found_by_its_hash),
        T(a_wrong_hash_leaves_everything_as_it_was),
        T(bad_arguments_are_refused),
        T(damage_is_found_when_loading),
        T(only_unreferenced_artifacts_go_after_their_grace),
        T(opening_cleans_up_after_a_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
