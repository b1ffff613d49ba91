/* Environments that are wrong on purpose, one fault each: the conformance kit must name the fault.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <lathe/env.h>
#include <lathe/plugin.h>
#include <lathe/rng.h>
#include <stdlib.h>
#include <string.h>

enum fault {
    FAULT_NONE,
    FAULT_RANDOM,    /* draws from something that no seed controls */
    FAULT_CUT,       /* first row of a range behaves differently */
    FAULT_OVERRUN,   /* writes behind the last row */
    FAULT_WRITE_ACT, /* overwrites actions */
    FAULT_OTHERS,    /* a step clears its neighbour's reward */
    FAULT_RESET_ALL, /* a masked reset resets everything */
    FAULT_SPACE,     /* observation outside of its space */
    FAULT_ACCEPT,    /* takes any action */
    FAULT_CHANGE,    /* refuses, but moves */
    FAULT_SNAPSHOT,  /* forgets the generator */
    FAULT_ALLOCATE,
    FAULT_CRASH,
    FAULT_HANG
};

struct row {
    struct lathe_pcg64 rng;
    int32_t cell;
};

struct faulty {
    enum fault fault;
    uint32_t n_rows;
    struct row rows[];
};

static const double low = 0, high = 5;
static const struct lathe_space obs_space = {.struct_size = sizeof obs_space,
                                             .kind = LATHE_SPACE_BOX,
                                             .dtype = LATHE_F32,
                                             .ndim = 1,
                                             .flags = LATHE_SPACE_ONE_BOUND,
                                             .shape = {1},
                                             .len_bytes = 4,
                                             .low = &low,
                                             .high = &high};
static const struct lathe_space act_space = {.struct_size = sizeof act_space,
                                             .kind = LATHE_SPACE_DISCRETE,
                                             .dtype = LATHE_I32,
                                             .len_bytes = 4,
                                             .n = 2};
static const struct lathe_env_spec spec = {.struct_size = sizeof spec,
                                           .id = "Faulty",
                                           .version = 1,
                                           .obs_stride = 4,
                                           .act_stride = 4,
                                           .n_agents = 1,
                                           .default_limit = 50,
                                           .obs = &obs_space,
                                           .act = &act_space};
static unsigned uncontrolled; /* the fault of FAULT_RANDOM */

static int32_t open_with(enum fault fault, const struct lathe_env_args *args, void **batch)
{
    struct faulty *f = calloc(1, sizeof *f + args->n_envs * sizeof f->rows[0]);

    if (f == NULL)
        return LATHE_E_NOMEM;
    f->fault = fault;
    f->n_rows = args->n_envs;
    *batch = f;
    return LATHE_OK;
}

static const struct lathe_env_spec *get_spec(void *batch)
{
    (void)batch;
    return &spec;
}

static int32_t reset(void *batch, uint32_t first, uint32_t count, const uint8_t *rows,
                     const struct lathe_env_io *io)
{
    struct faulty *f = batch;
    float *obs = io->obs;

    for (uint32_t i = first; i < first + count; i++) {
        if (rows != NULL && !rows[i] && f->fault != FAULT_RESET_ALL)
            continue;
        if (io->seeds != NULL)
            lathe_pcg64_seed(&f->rows[i].rng, io->seeds[i]);
        f->rows[i].cell = 0;
        obs[i] = 0;
    }
    return LATHE_OK;
}

/* The pointer is volatile so that compilers do not remove the pair. */
static void allocate(void)
{
    void *volatile memory = malloc(16);

    free(memory);
}

/* The faults that show once per call. */
static void misbehave(struct faulty *f, uint32_t first, const struct lathe_env_io *io)
{
    volatile int *nowhere = NULL;

    if (f->fault == FAULT_WRITE_ACT)
        memset((char *)(uintptr_t)io->act, 0, 1);
    if (f->fault == FAULT_OVERRUN)
        ((float *)io->obs)[f->n_rows] = 1;
    if (f->fault == FAULT_OTHERS && first > 0)
        io->reward[first - 1] = 0;
    if (f->fault == FAULT_ALLOCATE)
        allocate();
    if (f->fault == FAULT_CRASH)
        *nowhere = 1;
    while (f->fault == FAULT_HANG)
        ;
}

static int32_t step(void *batch, uint32_t first, uint32_t count, const struct lathe_env_io *io)
{
    struct faulty *f = batch;
    const int32_t *act = io->act;
    float *obs = io->obs;
    int32_t status = LATHE_OK;

    misbehave(f, first, io);
    for (uint32_t i = first; i < first + count; i++) {
        struct row *row = &f->rows[i];
        if (act[i] != 0 && act[i] != 1 && f->fault != FAULT_ACCEPT) {
            status = LATHE_E_INVALID;
            row->cell += f->fault == FAULT_CHANGE;
            continue;
        }
        double draw = lathe_pcg64_double(&row->rng);
        if (f->fault == FAULT_RANDOM)
            draw = (double)(uncontrolled++ % 7) / 7;
        row->cell += act[i] == 1 && draw < 0.8;
        if (f->fault == FAULT_CUT && i == first)
            row->cell = 0;
        obs[i] = f->fault == FAULT_SPACE && row->cell == 3 ? 9.0f : (float)row->cell;
        io->reward[i] = (float)draw;
        io->terminated[i] = row->cell >= 5;
        io->truncated[i] = 0;
    }
    return status;
}

static int32_t get(void *batch, uint32_t first, uint32_t count, void *buffer)
{
    memcpy(buffer, ((struct faulty *)batch)->rows + first, count * sizeof(struct row));
    return LATHE_OK;
}

static int32_t set(void *batch, uint32_t first, uint32_t count, const void *buffer)
{
    struct faulty *f = batch;
    const struct row *from = buffer;

    for (uint32_t i = 0; i < count; i++) {
        f->rows[first + i].cell = from[i].cell;
        if (f->fault != FAULT_SNAPSHOT)
            f->rows[first + i].rng = from[i].rng;
    }
    return LATHE_OK;
}

static const void *extension(void *batch, const char *id)
{
    static const struct lathe_env_snapshot snapshot = {sizeof snapshot, sizeof(struct row), get,
                                                       set};

    (void)batch;
    return strcmp(id, LATHE_ENV_SNAPSHOT) == 0 ? &snapshot : NULL;
}

#define FAULTY(tag, fault_code)                                                           \
    static int32_t open_##tag(const struct lathe_env_args *args, struct lathe_error *err, \
                              void **batch)                                               \
    {                                                                                     \
        (void)err;                                                                        \
        return open_with(fault_code, args, batch);                                        \
    }                                                                                     \
    static const struct lathe_env env_##tag = {                                           \
        sizeof env_##tag, 0, open_##tag, get_spec, reset, step, free, extension}
FAULTY(none, FAULT_NONE);
FAULTY(random, FAULT_RANDOM);
FAULTY(cut, FAULT_CUT);
FAULTY(overrun, FAULT_OVERRUN);
FAULTY(write_act, FAULT_WRITE_ACT);
FAULTY(others, FAULT_OTHERS);
FAULTY(reset_all, FAULT_RESET_ALL);
FAULTY(space, FAULT_SPACE);
FAULTY(accept, FAULT_ACCEPT);
FAULTY(change, FAULT_CHANGE);
FAULTY(snapshot, FAULT_SNAPSHOT);
FAULTY(allocate, FAULT_ALLOCATE);
FAULTY(crash, FAULT_CRASH);
FAULTY(hang, FAULT_HANG);

#define COMPONENT(tag) \
    LATHE_COMPONENT(LATHE_KIND_ENV, "faulty_" #tag, "Wrong on purpose.", &env_##tag, NULL)
static const struct lathe_component *const components[] = {
    COMPONENT(none),      COMPONENT(random),    COMPONENT(cut),
    COMPONENT(overrun),   COMPONENT(write_act), COMPONENT(others),
    COMPONENT(reset_all), COMPONENT(space),     COMPONENT(accept),
    COMPONENT(change),    COMPONENT(snapshot),  COMPONENT(allocate),
    COMPONENT(crash),     COMPONENT(hang),      NULL};

LATHE_EXPORT const struct lathe_plugin lathe_plugin_v1 = {LATHE_PLUGIN_HEADER,
                                                          "org.lathe.test.kit_faulty",
                                                          "1.0.0",
                                                          "Apache-2.0",
                                                          "Faulty environments.",
                                                          components,
                                                          NULL,
                                                          NULL};
