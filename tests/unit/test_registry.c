/* Discovery of plugin files: probing, the cache, broken and hanging files, watching. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/registry/registry.h"

#define FAKE LATHE_BINARY_DIR "/tests/fake_worker"
#define WAIT_MS 20000

struct fixture {
    struct loop *loop;
    struct sup *sup;
    struct reg *reg;
    char *dir, *cache_dir;
    char cache[512];
};

static void reg_start(struct fixture *f, uint32_t probe_ms)
{
    struct lathe_error err = {0};
    struct sup_config sup = {FAKE, 0};
    const char *dirs[] = {"/nonexistent", f->dir, NULL};
    struct reg_config cfg = {f->loop, NULL, dirs, FAKE, f->cache, probe_ms};

    assert_ok(sup_open(f->loop, &sup, &f->sup, &err), &err);
    cfg.sup = f->sup;
    assert_ok(reg_open(&cfg, &f->reg, &err), &err);
}

static void reg_stop(struct fixture *f)
{
    sup_close(f->sup);
    reg_close(f->reg);
}

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    struct lathe_error err = {0};
    f->dir = test_tmpdir();
    f->cache_dir = test_tmpdir();
    snprintf(f->cache, sizeof f->cache, "%s/cache.json", f->cache_dir);
    assert_ok(loop_open(&f->loop, &err), &err);
    reg_start(f, 500);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    reg_stop(f);
    loop_close(f->loop);
    test_tmpdir_remove(f->dir);
    test_tmpdir_remove(f->cache_dir);
    mem_free(f);
    return 0;
}

static void scan(struct fixture *f)
{
    reg_scan(f->reg, 0);
    assert_true(reg_settle(f->reg, WAIT_MS));
}

struct found {
    const char *name;
    uint32_t status;
    char reason[LATHE_ERROR_TEXT];
    int n;
};

static int32_t find_visit(void *user, const struct lathe_plugin_info *p)
{
    struct found *f = user;
    if (strstr(p->path, f->name) == NULL)
        return 0;
    f->n++;
    f->status = p->status;
    snprintf(f->reason, sizeof f->reason, "%s", p->reason);
    return 0;
}

static struct found find(struct fixture *f, const char *name)
{
    struct found found = {name, 99, "", 0};
    reg_list(f->reg, find_visit, &found);
    return found;
}

static void a_file_is_found_and_described(void **state)
{
    struct fixture *f = *state;
    const struct lathe_plugin_info *file = NULL;
    const struct lathe_component_info *c;
    uint64_t before = reg_generation(f->reg);

    test_write_file(test_path(f->dir, "fake.so"), "x");
    test_write_file(test_path(f->dir, "notes.txt"), "x");
    scan(f);
    assert_true(reg_generation(f->reg) > before);
    c = reg_find(f->reg, "lathe.env/1", "Fake-v0", &file);
    assert_non_null(c);
    assert_string_equal(c->plugin_id, "org.lathe.fake");
    assert_contains(c->options, "\"size\"");
    assert_contains(c->describe, "finite");
    assert_int_equal(file->status, LATHE_PLUGIN_OK);
    assert_ptr_equal(reg_find(f->reg, "lathe.env/1", NULL, NULL), c);
    assert_null(reg_find(f->reg, "lathe.env/1", "Other-v0", NULL));
    assert_int_equal(find(f, "notes").n, 0);
}

static void options_are_resolved_against_the_table(void **state)
{
    struct fixture *f = *state;
    struct lathe_error err = {0};
    json_t *out = NULL, *bad = json_pack("{s:i}", "sise", 3), *big = json_pack("{s:i}", "size", 30);

    test_write_file(test_path(f->dir, "fake.so"), "x");
    scan(f);
    assert_ok(reg_resolve(f->reg, "lathe.env/1", "Fake-v0", NULL, &out, &err), &err);
    assert_int_equal(json_integer_value(json_object_get(out, "size")), 4);
    json_decref(out);
    assert_int_equal(reg_resolve(f->reg, "lathe.env/1", "Fake-v0", bad, &out, &err),
                     LATHE_E_INVALID);
    assert_contains(err.text, "size");
    assert_int_equal(reg_resolve(f->reg, "lathe.env/1", "Fake-v0", big, &out, &err),
                     LATHE_E_INVALID);
    assert_string_equal(err.field, "size");
    assert_int_equal(reg_resolve(f->reg, "lathe.env/1", "None", NULL, &out, &err),
                     LATHE_E_NOT_FOUND);
    json_decref(bad);
    json_decref(big);
}

static void broken_files_are_lines_with_reasons(void **state)
{
    struct fixture *f = *state;
    const char *const files[] = {"crash.so", "hang.so", "refused.so", "text.so"};
    const char *const says[] = {"signal 11", "did not end within", "too old", "no description"};

    for (size_t i = 0; i < 4; i++)
        test_write_file(test_path(f->dir, files[i]), "x");
    test_write_file(test_path(f->dir, "fake.so"), "x");
    scan(f);
    for (size_t i = 0; i < 4; i++) {
        struct found found = find(f, files[i]);
        assert_int_equal(found.n, 1);
        assert_int_equal(found.status, LATHE_PLUGIN_BROKEN);
        assert_contains(found.reason, says[i]);
    }
    assert_non_null(reg_find(f->reg, "lathe.env/1", "Fake-v0", NULL));
}

static void the_first_of_two_files_with_one_component_wins(void **state)
{
    struct fixture *f = *state;
    const struct lathe_plugin_info *file = NULL;
    test_write_file(test_path(f->dir, "a_fake.so"), "x");
    test_write_file(test_path(f->dir, "b_fake.so"), "x");
    scan(f);
    assert_non_null(reg_find(f->reg, "lathe.env/1", "Fake-v0", &file));
    assert_contains(file->path, "a_fake.so");
    assert_int_equal(find(f, "b_fake").status, LATHE_PLUGIN_BROKEN);
    assert_contains(find(f, "b_fake").reason, "already brought by");
    assert_int_equal(unlink(test_path(f->dir, "a_fake.so")), 0);
    scan(f);
    assert_non_null(reg_find(f->reg, "lathe.env/1", "Fake-v0", &file));
    assert_contains(file->path, "b_fake.so");
}

static void the_cache_spares_the_probe(void **state)
{
    struct fixture *f = *state;
    char *text;
    test_write_file(test_path(f->dir, "fake.so"), "x");
    scan(f);
    text = test_read_file(f->cache, NULL);
    assert_contains(text, "Fake-v0");
    mem_free(text);
    reg_stop(f);
    reg_start(f, 500);
    reg_scan(f->reg, 0); /* not settled: nothing needs a probe */
    assert_non_null(reg_find(f->reg, "lathe.env/1", "Fake-v0", NULL));
}

struct waiting {
    struct fixture *f;
    int is_there;
};

static void on_look(void *user)
{
    struct waiting *w = user;
    w->is_there = reg_find(w->f->reg, "lathe.env/1", "Fake-v0", NULL) != NULL;
}

static void a_dropped_file_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct waiting w = {f, 0};
    struct loop_timers *timers = loop_timers_new(f->loop, 10);
    uint64_t handle = 0;

    scan(f);
    assert_int_equal(loop_timer_start(timers, 20, 20, on_look, &w, NULL, &handle), LATHE_OK);
    test_write_file(test_path(f->dir, "fake.so.new"), "x");
    assert_int_equal(rename(test_path(f->dir, "fake.so.new"), test_path(f->dir, "fake.so")), 0);
    assert_true(loop_run_until(f->loop, &w.is_there, WAIT_MS));
    loop_timers_free(timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_found_and_described, setup, teardown),
        cmocka_unit_test_setup_teardown(options_are_resolved_against_the_table, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_files_are_lines_with_reasons, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_of_two_files_with_one_component_wins, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_cache_spares_the_probe, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dropped_file_is_noticed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
