/* Role probe: what is in a plugin file, found out in a child process. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_WORKER_PROBE_H
#define CORE_WORKER_PROBE_H

/* Prints the description of the file as one JSON object; a crash or a time-out of the child becomes
 * {"ok":false,"reason":...}. Returns the exit code: 0 when something was printed. */
int probe_run(const char *file, int timeout_ms);
/* The child: loads the file and prints; lines before the object name the phase ("#init"). */
int probe_child(const char *file);

#endif
