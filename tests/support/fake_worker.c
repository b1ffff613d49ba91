/* A stand-in for lathe-worker: behaves as the first word of its job file says, or, as a probe, as
 * the name of the file says. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

static int run(const char *word)
{
    struct link_channel channel;
    int code;

    if (link_channel_open(&channel, LINK_FD, NULL) != LATHE_OK)
        return 5;
    if (strcmp(word, "garbage") == 0)
        return write(LINK_FD, "this is no frame at all", 23) == 23 ? (sleep_for_ever(), 0) : 6;
    if (!send_text(&channel, LINK_HELLO, "{\"plugins\":[{\"id\":\"org.lathe.fake\"}]}"))
        return 7;
    if (strcmp(word, "crash") == 0) {
        fprintf(stderr, "about to crash\n");
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    if (strcmp(word, "stubborn") == 0)
        signal(SIGTERM, SIG_IGN);
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
               "\"describe\":{\"finite\":true}}]}\n",
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
    return run(word);
}
