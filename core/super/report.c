/* The crash report: what a person needs to say whose fault it was. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/super/super.h"

static const char *reason_of(const struct sup_end *end)
{
    if (end->has_hung)
        return "no sign of life";
    if (end->is_link_broken)
        return "damaged frames";
    return end->signal != 0 ? "signal" : "exit";
}

json_t *sup_report(const struct sup_end *end, const char *role, uint64_t seed)
{
    const char *name = end->signal != 0 ? strsignal(end->signal) : "";
    json_t *plugins = json_object_get(end->hello, "plugins");
    json_t *out =
        json_pack("{s:s,s:s,s:i,s:i,s:s,s:i,s:I}", "role", role, "reason", reason_of(end), "pid",
                  end->pid, "signal", end->signal, "signal_name", name == NULL ? "" : name,
                  "exit_code", end->exit_code, "seed", (json_int_t)seed);
    if (out == NULL)
        return json_null();
    json_object_set_new(out, "plugins", plugins != NULL ? json_deep_copy(plugins) : json_array());
    json_object_set_new(out, "log", json_deep_copy(end->log));
    return out;
}
