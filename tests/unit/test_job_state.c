/* The transition table of jobs: every cell, written down a second time from the rules. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/support.h"

#include "core/job/job_state.h"

#define Q LATHE_JOB_QUEUED
#define ST LATHE_JOB_STARTING
#define RU LATHE_JOB_RUNNING
#define PI LATHE_JOB_PAUSING
#define PA LATHE_JOB_PAUSED
#define SI LATHE_JOB_STOPPING
#define FI LATHE_JOB_FINISHING
#define OK LATHE_JOB_SUCCEEDED
#define SO LATHE_JOB_STOPPED
#define FA LATHE_JOB_FAILED
#define CA LATHE_JOB_CANCELLED
#define CR LATHE_JOB_CRASHED
#define NO JOB_STATE_CONFLICT

/* For each event: the state after it, for each state before it. */
static const struct {
    enum job_event event;
    int32_t to[LATHE_JOB_STATE_COUNT];
} rules[] = {
    /*                  queued start run pausing paused stopping finishing ok stopped failed
       cancelled crashed */
    {JOB_ON_START, {ST, NO, NO, NO, NO, SI, NO, NO, NO, NO, NO, NO}},
    {JOB_ON_READY, {NO, RU, RU, PI, NO, SI, NO, NO, NO, NO, NO, NO}},
    {JOB_ON_PAUSE, {PA, PI, PI, PI, PA, NO, NO, NO, NO, NO, NO, NO}},
    {JOB_ON_PAUSED, {NO, NO, PA, PA, PA, NO, NO, NO, NO, NO, NO, NO}},
    {JOB_ON_RESUME, {Q, ST, RU, NO, Q, NO, NO, NO, NO, NO, NO, NO}},
    {JOB_ON_STOP, {SI, SI, SI, SI, SI, SI, FI, NO, SO, NO, NO, NO}},
    {JOB_ON_STOP_IDLE, {SO, SO, SO, SO, SO, SO, FI, NO, SO, NO, NO, NO}},
    {JOB_ON_CANCEL, {CA, CA, CA, CA, CA, CA, NO, NO, NO, NO, CA, NO}},
    {JOB_ON_DONE, {NO, FI, FI, FI, NO, FI, NO, NO, NO, NO, NO, NO}},
    {JOB_ON_SUCCEED, {NO, NO, NO, NO, NO, NO, OK, NO, NO, NO, NO, NO}},
    {JOB_ON_STOPPED, {NO, NO, NO, NO, NO, SO, SO, NO, NO, NO, NO, NO}},
    {JOB_ON_FAIL, {FA, FA, FA, FA, FA, FA, FA, NO, NO, NO, NO, NO}},
    {JOB_ON_CRASH, {NO, CR, CR, CR, NO, CR, FI, NO, NO, NO, NO, NO}},
    {JOB_ON_RETRY, {NO, Q, Q, PA, NO, SI, NO, NO, NO, NO, NO, NO}},
    {JOB_ON_RESTART, {Q, Q, Q, Q, PA, SI, Q, OK, SO, FA, CA, CR}},
};

static void every_transition_is_as_the_rules_say(void **state)
{
    (void)state;
    assert_int_equal(sizeof rules / sizeof rules[0], JOB_EVENT_COUNT);
    for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++)
        for (uint32_t s = 0; s < LATHE_JOB_STATE_COUNT; s++) {
            int32_t to = job_state_next(s, rules[r].event);
            if (to != rules[r].to[s])
                print_error("%s on %s\n", lathe_job_state_name(s), job_event_name(rules[r].event));
            assert_int_equal(to, rules[r].to[s]);
        }
}

static void final_states_are_never_left(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < LATHE_JOB_STATE_COUNT; s++)
        for (uint32_t e = 0; job_state_is_final(s) && e < JOB_EVENT_COUNT; e++) {
            int32_t to = job_state_next(s, (enum job_event)e);
            assert_true(to == (int32_t)s || to == JOB_STATE_CONFLICT);
        }
}

static void every_state_can_be_reached_and_left(void **state)
{
    uint32_t reached = 1u << LATHE_JOB_QUEUED;
    (void)state;
    for (int round = 0; round < LATHE_JOB_STATE_COUNT; round++)
        for (uint32_t s = 0; s < LATHE_JOB_STATE_COUNT; s++)
            for (uint32_t e = 0; (reached & 1u << s) && e < JOB_EVENT_COUNT; e++)
                if (job_state_next(s, (enum job_event)e) >= 0)
                    reached |= 1u << job_state_next(s, (enum job_event)e);
    assert_int_equal(reached, (1u << LATHE_JOB_STATE_COUNT) - 1);
}

static void names_read_back(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < LATHE_JOB_STATE_COUNT; s++)
        assert_int_equal(job_state_parse(lathe_job_state_name(s)), s);
    assert_int_equal(job_state_parse("tired"), LATHE_JOB_STATE_COUNT);
    assert_string_equal(lathe_job_state_name(99), "unknown");
    assert_string_equal(job_event_name(JOB_EVENT_COUNT), "unknown");
    assert_int_equal(job_state_next(99, JOB_ON_START), JOB_STATE_CONFLICT);
    assert_int_equal(job_state_next(0, JOB_EVENT_COUNT), JOB_STATE_CONFLICT);
    assert_true(job_state_has_worker(LATHE_JOB_RUNNING));
    assert_false(job_state_has_worker(LATHE_JOB_PAUSED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_transition_is_as_the_rules_say),
        cmocka_unit_test(final_states_are_never_left),
        cmocka_unit_test(every_state_can_be_reached_and_left),
        cmocka_unit_test(names_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
