/* All stable headers of the SDK. A plugin usually includes only the one of its kind and plugin.h.
 * Threads: see each header. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATHE_LATHE_H
#define LATHE_LATHE_H

#include "lathe/algorithm.h"
#include "lathe/api.h"
#include "lathe/artifact.h"
#include "lathe/clock.h"
#include "lathe/counters.h"
#include "lathe/engine.h"
#include "lathe/env.h"
#include "lathe/events.h"
#include "lathe/http.h"
#include "lathe/jobs.h"
#include "lathe/json.h"
#include "lathe/loop.h"
#include "lathe/metrics.h"
#include "lathe/models.h"
#include "lathe/plugin.h"
#include "lathe/plugins.h"
#include "lathe/pool.h"
#include "lathe/predictor.h"
#include "lathe/rng.h"
#include "lathe/run.h"
#include "lathe/serve.h"
#include "lathe/storage.h"
#include "lathe/store.h"
#include "lathe/task.h"
#include "lathe/tokens.h"

#endif
