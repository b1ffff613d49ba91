/* Option tables of etc/lathe.conf. The commented file and the reference are generated from here. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lathed/settings.h"

#define MIB_MAX 1048576

static const char *const levels[] = {"error", "warn", "info", "debug", "trace", NULL};

static const struct lathe_option *const listener_options[] = {
    LATHE_OPTION_STRING("address", "127.0.0.1", 64, "Address to bind; IPv6 without brackets."),
    LATHE_OPTION_INT("port", "8000", 0, 65535, "Port; 0 lets the system pick one."),
    LATHE_OPTION_STRING("surfaces", "*", 1024,
                        "Surfaces served here, separated by commas; * for all."),
    LATHE_OPTION_STRING("tls_cert", "", 4096,
                        "Certificate chain (PEM); with tls_key the listener speaks TLS."),
    LATHE_OPTION_STRING("tls_key", "", 4096, "Private key (PEM)."),
    LATHE_OPTION_BOOL("insecure", "false",
                      "Allow an address off loopback although surfaces ask for no token."),
    NULL};

static const struct lathe_option *const server_options[] = {
    LATHE_OPTION_STRING("cors_origins", "http://localhost:3000, http://127.0.0.1:3000", 4096,
                        "Origins that browsers may call from, exact, separated by commas."),
    LATHE_OPTION_STRING("hosts", "", 4096,
                        "Names accepted in the Host header beside loopback and bound addresses."),
    LATHE_OPTION_STRING("proxies", "", 4096, "Addresses whose X-Forwarded headers are believed."),
    LATHE_OPTION_INT("max_connections", "4096", 1, 1000000, "Connections at once."),
    LATHE_OPTION_INT("max_websockets", "1024", 1, 1000000, "WebSockets at once."),
    LATHE_OPTION("max_body_bytes", LATHE_OPT_INT, 0, "65536", 1024, 1073741824.0, NULL, "bytes",
                 "Largest request body; single operations may allow more."),
    LATHE_OPTION("header_timeout_ms", LATHE_OPT_INT, 0, "10000", 100, 600000, NULL, "ms",
                 "Time a client has for a request head."),
    LATHE_OPTION("body_timeout_ms", LATHE_OPT_INT, 0, "60000", 100, 3600000, NULL, "ms",
                 "Time a client has for a request body."),
    LATHE_OPTION("idle_timeout_ms", LATHE_OPT_INT, 0, "75000", 100, 3600000, NULL, "ms",
                 "Time a connection may wait for its next request."),
    LATHE_OPTION("drain_ms", LATHE_OPT_INT, 0, "5000", 0, 600000, NULL, "ms",
                 "Time for running requests and checkpoints when the server ends."),
    LATHE_OPTION_BOOL("metrics_need_token", "false", "Ask for a token at /metrics and /-/plugins."),
    LATHE_OPTION_BOOL("validate_responses", "false",
                      "Check every answer against its contract (tests)."),
    LATHE_OPTION_INT("threads", "4", 1, 64, "Threads for blocking work of plugins."),
    NULL};

static const struct lathe_option *const log_options[] = {
    LATHE_OPTION_STRING("file", "stderr", 4096, "File for log lines, or stderr."),
    LATHE_OPTION_ENUM("level", "info", levels, "Least important level that is written."),
    LATHE_OPTION_BOOL("access", "true", "One line per request."), NULL};

static const struct lathe_option *const auth_options[] = {
    LATHE_OPTION_STRING("required", "", 1024,
                        "Surfaces that ask for a bearer token, separated by commas; * for all."),
    NULL};

static const struct lathe_option *const paths_options[] = {
    LATHE_OPTION_STRING("data", "var", 4096, "Directory for everything the server keeps."),
    LATHE_OPTION_STRING(
        "plugins", "", 8192,
        "Directories searched for plugins, separated by commas, before the shipped ones."),
    LATHE_OPTION_STRING("plugin_config", "", 4096,
                        "Directory of <plugin>.conf files; empty: plugins.d beside this file."),
    LATHE_OPTION_STRING("www", "", 4096,
                        "Directory of what browsers get: ui, swagger-ui, redoc; empty: www beside "
                        "the programs, or the installed one."),
    LATHE_OPTION_STRING("worker", "", 4096, "The lathe-worker program; empty: beside lathed."),
    NULL};

static const struct lathe_option *const workers_options[] = {
    LATHE_OPTION_INT("slots", "0", 0, 1024, "Jobs that run at once; 0: CPUs - 1, at least 1."),
    LATHE_OPTION_INT("queue", "100", 1, 100000, "Jobs that may wait for a slot."),
    LATHE_OPTION_INT("threads", "0", 0, 1024, "Cores one job may use; 0: as many as it asks for."),
    LATHE_OPTION("memory_mb", LATHE_OPT_INT, 0, "0", 0, MIB_MAX, NULL, "MiB",
                 "Memory of one worker; 0: no limit."),
    LATHE_OPTION("stop_ms", LATHE_OPT_INT, 0, "600000", 100, 86400000, NULL, "ms",
                 "Time a stopping job has to evaluate and save before SIGTERM."),
    LATHE_OPTION("kill_ms", LATHE_OPT_INT, 0, "10000", 100, 600000, NULL, "ms",
                 "Time from SIGTERM to SIGKILL."),
    LATHE_OPTION("silence_ms", LATHE_OPT_INT, 0, "30000", 10000, 3600000, NULL, "ms",
                 "A worker without a sign of life for so long is killed."),
    LATHE_OPTION_INT("retries", "0", 0, 100,
                     "New tries of a crashed job, from its last checkpoint; three crashes "
                     "without a new checkpoint end it."),
    LATHE_OPTION_BOOL("auto_resume", "true",
                      "Jobs that ran when the server ended go on after its restart; else they "
                      "are paused."),
    LATHE_OPTION_BOOL("confine", "true", "Workers restrict themselves by seccomp and Landlock."),
    LATHE_OPTION_INT("serving", "8", 1, 1024,
                     "Workers that answer for models and environments, at once."),
    LATHE_OPTION("serving_idle_ms", LATHE_OPT_INT, 0, "300000", 1000, 86400000, NULL, "ms",
                 "Such a worker ends after so long without a question."),
    NULL};

static const struct lathe_option *const plugins_options[] = {
    LATHE_OPTION_STRING("storage", "sqlite", 64, "Component that stores documents and series."),
    LATHE_OPTION_STRING("surfaces", "*", 1024,
                        "REST surfaces to load, separated by commas; * for all."),
    LATHE_OPTION_STRING(
        "required", "", 4096,
        "Plugin ids without which the server refuses to start, separated by commas."),
    LATHE_OPTION("probe_ms", LATHE_OPT_INT, 0, "5000", 100, 600000, NULL, "ms",
                 "Time limit for describing one file."),
    NULL};

static const struct config_section listeners = {
    "listeners",
    "Where the server listens, one group each; without any: 127.0.0.1:8000 with all surfaces. "
    "Surfaces may have "
    "ports of their own: { port = 8000; }, { port = 8002; surfaces = \"twin_factory\"; }.",
    CONFIG_LIST, listener_options, NULL};
static const struct config_section *const server_sections[] = {&listeners, NULL};
static const struct config_section server = {"server", "HTTP server.", 0, server_options,
                                             server_sections};
static const struct config_section log_section = {"log", "Log lines, one JSON object each.", 0,
                                                  log_options, NULL};
static const struct config_section auth = {"auth", "Who may call.", 0, auth_options, NULL};
static const struct config_section paths = {
    "paths", "Directories; relative ones start at the working directory.", 0, paths_options, NULL};
static const struct config_section workers = {"workers", "Worker processes.", 0, workers_options,
                                              NULL};
static const struct config_section plugins = {"plugins", "Plugins inside the server.", 0,
                                              plugins_options, NULL};
static const struct config_section *const root_sections[] = {&server,  &log_section, &auth, &paths,
                                                             &workers, &plugins,     NULL};
static const struct config_section root = {
    "lathe", "Configuration of lathed. Every setting is shown with its default.", 0, NULL,
    root_sections};

const struct config_section *settings_schema(void)
{
    return &root;
}
