#!/usr/bin/env python3
"""The AgentGym scenarios are learned: the default request and others, over seeds, against the exact optimum.

usage: test_agentgym_learn.py BUILD_DIR [unittest arguments]     SPDX-License-Identifier: Apache-2.0
"""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Server  # noqa: E402

BUILD = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
CONFIG = 'workers = { slots = 2; };\nlog = { level = "warn"; access = false; };\n'
FINAL = ("completed", "stopped", "failed")
# accuracy and mean return that the final evaluation must reach
LIMITS = {"customer_support": (97, 11.5), "code_review": (95, 12.8), "data_analysis": (97, 15.3)}
server = None


def setUpModule():
    global server
    server = Server(BUILD, config=CONFIG)


def tearDownModule():
    code = server.stop()
    log = server.log()
    server.__exit__()
    assert code == 0, log[-4000:]


def start(scenario, **fields):
    answer = server.post("/api/training/start", {"scenario_id": scenario, "framework": "LangChain", **fields})
    assert answer.status == 200, answer
    return answer.json()["session_id"]


def finish(session):
    status = server.wait("/api/training/" + session, lambda s: s["status"] in FINAL, timeout=600)
    assert status["status"] == "completed", status
    return status


def figures(status):
    evaluation = status["evaluation"]
    return (f"{status['scenario_id']} {status['algorithm']} seed {status['seed']}: accuracy {status['accuracy']:.1f}, return "
            f"{evaluation['mean_return']:.3f}, reliability {evaluation['tool_reliability']:.3f}, {status['elapsed_seconds']:.1f} s")


class Learning(unittest.TestCase):
    def test_the_default_request_over_five_seeds(self):
        sessions = [start(scenario, seed=seed) for seed in (1, 2, 3, 4, 5) for scenario in LIMITS]
        for session in sessions:
            status = finish(session)
            print(figures(status), file=sys.stderr)
            accuracy, mean_return = LIMITS[status["scenario_id"]]
            with self.subTest(figures(status)):
                self.assertGreaterEqual(status["accuracy"], accuracy)
                self.assertGreaterEqual(status["evaluation"]["mean_return"], mean_return)
                self.assertGreaterEqual(status["evaluation"]["tool_reliability"], 0.95)
                self.assertLessEqual(status["score"], 1.05)
                rows = server.get(f"/api/compare?sessions={session},{sessions[0]}")
                if rows.status == 200 and session != sessions[0]:
                    self.assertLessEqual(rows.json()["history"]["accuracy"][session][0], 10, "untrained")

    def test_thorough_review_takes_500_episodes(self):
        status = finish(start("code_review", seed=1, max_episodes=500))
        print(figures(status), status["evaluation"]["metrics"], file=sys.stderr)
        self.assertGreaterEqual(status["evaluation"]["metrics"]["review_completeness"], 0.85)
        self.assertTrue(status["evaluation"]["targets_met"])

    def test_quick_review_says_that_it_misses_its_target(self):
        status = finish(start("code_review", seed=1))
        self.assertLess(status["evaluation"]["metrics"]["review_completeness"], 0.85)
        self.assertFalse(status["evaluation"]["targets_met"])

    def test_other_learners(self):
        wanted = {"q_learning": (95, 94, 94), "dqn": (95, 90, 95)}
        sessions = [(start(scenario, algorithm=algorithm, seed=1), limit) for algorithm, limits in wanted.items()
                    for scenario, limit in zip(LIMITS, limits)]
        for session, limit in sessions:
            status = finish(session)
            print(figures(status), file=sys.stderr)
            with self.subTest(figures(status)):
                self.assertGreaterEqual(status["accuracy"], limit)

    def test_without_learning_nothing_is_learned(self):
        status = finish(start("customer_support", seed=1, max_episodes=50, learning_rate=1e-9))
        self.assertLessEqual(status["accuracy"], 10)

    def test_a_copied_scenario_reaches_the_same(self):
        definition = server.get("/api/scenarios/customer_support").json()["definition"]
        self.assertEqual(server.post("/api/scenarios", {**definition, "id": "my_support"}).status, 201)
        one, two = (finish(start(scenario, seed=1)) for scenario in ("my_support", "customer_support"))
        print(figures(one), file=sys.stderr)
        self.assertGreaterEqual(one["accuracy"], 97)
        self.assertEqual((one["accuracy"], one["avg_reward"]), (two["accuracy"], two["avg_reward"]))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2, warnings="ignore")
