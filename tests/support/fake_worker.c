/* A stand-in for lathe-worker: behaves as the first word of its job file says, or, as a probe, as
 * the name of the file says. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/json/json.h"
#include "core/link/link.h"

static void sleep_for_ever(void)
{
    for (;;)
        nanosleep(&(const struct timespec){1, 0}, NULL);
}

static int send_text(struct link_channel *channel, uint32_t type, const char *text)
{
    return link_send(channel, type, text, strlen(text), NULL) == LATHE_OK;
}

/* Answers every frame with a LOG that names it, until CANCEL. */
static int echo(struct link_channel *channel)
{
    struct link_frame frame;
    char text[128];
    int32_t r;
    while ((r = link_poll(channel, -1, &frame, NULL)) >= 0) {
        if (r == 0)
            continue;
        if (frame.type == LINK_CANCEL)
            return 0;
        snprintf(text, sizeof text, "{\"level\":2,\"message\":\"%s\"}", link_type_name(frame.type));
        if (!send_text(channel, LINK_LOG, text))
            return 3;
    }
    return 4;
}

/* ---- a job: "trains" by counting, as its job file says ---- */

struct counting {
    struct link_channel channel;
    const json_t *job;
    const char *dir;
    int64_t current, total, interval, number;
    int is_stopping, is_paused, is_over;
};

static void say(struct counting *c, uint32_t type, const char *fmt, ...) LATHE_PRINTF(3, 4);
static void say(struct counting *c, uint32_t type, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!send_text(&c->channel, type, text))
        _exit(9);
}

static void file_make(struct counting *c, const char *name, char sha[65])
{
    char path[4096];
    FILE *f;
    snprintf(path, sizeof path, "%s/%s", c->dir, name);
    if ((f = fopen(path, "w")) == NULL || fprintf(f, "%lld\n", (long long)c->current) < 0 ||
        fclose(f) != 0 || sha256_file_hex(path, sha, NULL) != LATHE_OK)
        _exit(10);
}

static void checkpoint(struct counting *c, const char *kind)
{
    char name[64], sha[65];
    c->number++;
    snprintf(name, sizeof name, "ckpt_%lld.safetensors", (long long)c->number);
    file_make(c, name, sha);
    say(c, LINK_CHECKPOINT,
        "{\"id\":\"ckpt_%lld\",\"number\":%lld,\"file\":\"%s\",\"current\":%lld,\"kind\":\"%s\","
        "\"sha256\":\"%s\",\"weights_sha256\":\"weights %lld\",\"size_bytes\":3,\"eval\":null}",
        (long long)c->number, (long long)c->number, name, (long long)c->current, kind, sha,
        (long long)c->number);
}

static void resume(struct counting *c)
{
    const json_t *list = json_object_get(c->job, "resume");
    long long at = 0;
    for (size_t i = 0; i < json_array_size(list) && at == 0; i++) {
        const char *path = json_string_value(json_array_get(list, i));
        FILE *f = fopen(path, "r");
        const char *number = strstr(path, "ckpt_");
        if (f == NULL)
            continue;
        if (fscanf(f, "%lld", &at) != 1)
            at = 0;
        c->number = number != NULL ? atoll(number + 5) : 0;
        fclose(f);
    }
    c->current = at;
    say(c, LINK_HELLO,
        "{\"plugins\":[{\"id\":\"org.lathe.fake\"}],\"current\":%lld,\"resumed_from\":\"%s\"}", at,
        at > 0 ? "file" : "");
}

static void control(struct counting *c, int wait_ms)
{
    struct link_frame frame;
    int32_t r = link_poll(&c->channel, wait_ms, &frame, NULL);
    if (r < 0)
        _exit(0);
    if (r == 0)
        return;
    if (frame.type == LINK_PAUSE) {
        checkpoint(c, "pause");
        say(c, LINK_STATE, "{\"state\":\"paused\",\"current\":%lld}", (long long)c->current);
        c->is_paused = 1;
    } else if (frame.type == LINK_STOP) {
        c->is_stopping = 1;
    } else if (frame.type == LINK_CHECKPOINT_NOW) {
        checkpoint(c, "manual");
    } else if (frame.type == LINK_SHUTDOWN) {
        checkpoint(c, "shutdown");
        say(c, LINK_STATE, "{\"state\":\"suspended\",\"current\":%lld}", (long long)c->current);
        c->is_over = 1;
    } else if (frame.type == LINK_CANCEL) {
        c->is_over = 1;
    }
}

static void count_on(struct counting *c)
{
    long long n = (long long)++c->current;
    say(c, LINK_METRICS, "{\"rows\":[{\"step\":%lld,\"values\":{\"train/loss\":%g}}]}", n,
        1.0 / (double)n);
    say(c, LINK_PROGRESS, "{\"current\":%lld,\"total\":%lld}", n, (long long)c->total);
    if (c->interval > 0 && n % c->interval == 0)
        checkpoint(c, "periodic");
}

static void finish(struct counting *c)
{
    char sha[65];
    say(c, LINK_EVAL,
        "{\"current\":%lld,\"iteration\":3,\"episodes\":20,\"seed\":10000,\"mean_return\":6.5,"
        "\"success_rate\":null,\"metrics\":{\"solved\":0.5},\"final\":false,\"wall_ms\":12}",
        (long long)c->current);
    say(c, LINK_EVAL, "{\"current\":%lld,\"mean_return\":7.5,\"final\":true}",
        (long long)c->current);
    file_make(c, "policy.safetensors", sha);
    say(c, LINK_DONE,
        "{\"outcome\":\"%s\",\"current\":%lld,\"result\":{\"eval\":{\"mean_return\":7.5}},"
        "\"artifact\":{\"file\":"
        "\"policy.safetensors\",\"sha256\":\"%s\",\"size_bytes\":3,\"kind\":\"policy\"}}",
        c->is_stopping ? "stopped" : "completed", (long long)c->current, sha);
}

static int count(struct counting *c, const json_t *job)
{
    int64_t seed = json_member_int(job, "seed", 0), pace_ms = json_member_int(job, "pace_ms", 0);

    c->job = job;
    c->dir = json_member_string(job, "dir", "/nonexistent");
    c->total = json_member_int(job, "total_iterations", 10);
    c->interval = json_member_int(json_object_get(job, "checkpoint"), "interval", 0);
    resume(c);
    if (seed == 2) {
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    if (seed == 3)
        say(c, LINK_ERROR, "{\"code\":-16,\"id\":\"non_finite_loss\",\"message\":\"loss is NaN\"}");
    if (seed == 3)
        return 1;
    while (!c->is_over && !c->is_stopping && c->current < c->total) {
        control(c, c->is_paused ? -1 : (int)pace_ms);
        if (!c->is_paused && !c->is_over && !c->is_stopping)
            count_on(c);
    }
    if (!c->is_over)
        finish(c);
    return 0;
}

/* ---- serving: each question says how it is answered ---- */

static void answer(struct link_channel *channel, long long id, const char *op, int n)
{
    char text[256];

    if (strcmp(op, "crash") == 0) {
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    if (strcmp(op, "silent") == 0)
        return;
    if (strcmp(op, "refuse") == 0)
        snprintf(
            text, sizeof text,
            "{\"id\":%lld,\"status\":-1,\"error\":{\"text\":\"no such thing\",\"field\":\"x\"}}",
            id);
    else
        snprintf(text, sizeof text, "{\"id\":%lld,\"status\":0,\"body\":{\"pid\":%d,\"n\":%d}}", id,
                 (int)getpid(), n);
    if (!send_text(channel, LINK_RESPONSE, text))
        _exit(9);
}

static int serve(struct link_channel *channel)
{
    struct link_frame frame;
    int32_t r;
    int n = 0;

    if (!send_text(channel, LINK_HELLO, "{\"plugins\":[{\"id\":\"org.lathe.fake\"}]}"))
        return 7;
    while ((r = link_poll(channel, -1, &frame, NULL)) >= 0) {
        json_t *json = NULL;

        if (r == 0)
            continue;
        if (frame.type == LINK_CANCEL)
            return 0;
        if (frame.type != LINK_REQUEST ||
            json_parse_text(frame.payload, frame.len_bytes, NULL, &json, NULL) != LATHE_OK)
            continue;
        answer(channel, (long long)json_member_int(json, "id", 0),
               json_member_string(json, "op", ""), ++n);
        json_decref(json);
    }
    return 0;
}

static int run_job(const char *path)
{
    struct counting c = {.number = 0};
    json_t *job = NULL;
    int code;

    if (json_parse_file(path, &job, NULL) != LATHE_OK ||
        link_channel_open(&c.channel, LINK_FD, NULL) != LATHE_OK)
        return 2;
    code = strcmp(json_member_string(job, "role", ""), "serve") == 0 ? serve(&c.channel)
                                                                     : count(&c, job);
    link_channel_close(&c.channel);
    json_decref(job);
    return code;
}

static int run(const char *word)
{
    struct link_channel channel;
    int code;

    if (link_channel_open(&channel, LINK_FD, NULL) != LATHE_OK)
        return 5;
    if (strcmp(word, "garbage") == 0)
        return write(LINK_FD, "this is no frame at all", 23) == 23 ? (sleep_for_ever(), 0) : 6;
    if (strcmp(word, "stubborn") == 0)
        signal(SIGTERM, SIG_IGN);
    if (!send_text(&channel, LINK_HELLO, "{\"plugins\":[{\"id\":\"org.lathe.fake\"}]}"))
        return 7;
    if (strcmp(word, "crash") == 0) {
        fprintf(stderr, "about to crash\n");
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    if (strcmp(word, "silent") == 0 || strcmp(word, "stubborn") == 0)
        sleep_for_ever();
    if (strcmp(word, "many") == 0)
        for (int i = 0; i < 500; i++)
            if (!send_text(&channel, LINK_PROGRESS, "{\"current\":1}"))
                return 8;
    code = strcmp(word, "echo") == 0 ? echo(&channel) : 0;
    link_channel_close(&channel);
    return code;
}

static int probe(const char *file)
{
    if (strstr(file, "hang") != NULL)
        sleep_for_ever();
    if (strstr(file, "crash") != NULL) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    if (strstr(file, "text") != NULL)
        return puts("hello") < 0;
    if (strstr(file, "refused") != NULL)
        return puts("{\"ok\":false,\"reason\":\"too old\"}") < 0;
    return printf(
               "{\"ok\":true,\"path\":\"%s\",\"sha256\":\"ab\",\"build_id\":\"cd\",\"plugin\":{"
               "\"id\":"
               "\"org.lathe.fake\",\"version\":\"1\",\"license\":\"MIT\",\"summary\":\"s\"},"
               "\"components\":[{\"kind\":\"lathe.env/1\",\"name\":\"Fake-v0\",\"summary\":\"s\","
               "\"options\":[{\"name\":\"size\",\"type\":\"int\",\"default\":4,\"min\":1,\"max\":9,"
               "\"choices\":null,\"unit\":null,\"doc\":\"Cells.\",\"required\":false}],"
               "\"describe\":{\"finite\":true}},{\"kind\":\"lathe.algorithm/"
               "1\",\"name\":\"fake\",\"summary\":\"s\",\"options\":[],\"describe\":{\"needs_"
               "engine\":false}}]}\n",
               file) < 0;
}

int main(int argc, char **argv)
{
    char word[32] = "";
    FILE *f;

    if (argc >= 4 && strcmp(argv[2], "probe") == 0)
        return probe(argv[3]);
    if (argc < 5 || (f = fopen(argv[4], "r")) == NULL)
        return 2;
    if (fscanf(f, "%31s", word) != 1)
        word[0] = '\0';
    fclose(f);
    return word[0] == '{' ? run_job(argv[4]) : run(word);
}
