#!/usr/bin/env python3
"""The server as an operator meets it: start, bad configuration, signals, kill -9, broken plugins.

usage: test_server.py BUILD_DIR [unittest arguments]     SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Server  # noqa: E402

BUILD = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
KILLS = int(os.environ.get("LATHE_KILLS", "6"))  # 20 in the recorded run
FINAL = ("completed", "stopped", "failed")


def start_training(server, **fields):
    body = {"scenario_id": "customer_support", "framework": "LangChain", "max_episodes": 30, "seed": 7, **fields}
    answer = server.post("/api/training/start", body)
    assert answer.status == 200, answer
    return answer.json()["session_id"]


def lathed(*arguments):
    return subprocess.run([os.path.join(BUILD, "bin", "lathed"), *arguments], capture_output=True, text=True, timeout=30)


class Start(unittest.TestCase):
    def test_ready_line_names_listeners_and_the_server_answers(self):
        with Server(BUILD) as server:
            self.assertEqual(server.ready["event"], "ready")
            self.assertEqual(server.get("/-/health").status, 200)
            self.assertEqual(server.get("/-/ready").status, 200)
            self.assertIn("application/json", server.get("/").headers["content-type"])
            self.assertIn("lathe_", server.get("/metrics").body.decode())
            self.assertEqual(server.stop(), 0)

    def test_help_and_version_say_what_they_should(self):
        out = lathed("--help")
        self.assertEqual(out.returncode, 0)
        for option in ("--config", "--data", "--listen", "--check"):
            self.assertIn(option, out.stdout)
        self.assertEqual(lathed("--version").returncode, 0)
        self.assertEqual(lathed("--nonsense").returncode, 2)

    def test_check_accepts_the_shipped_configuration(self):
        root = os.path.dirname(os.path.dirname(HERE))
        out = lathed("--check", "--config", os.path.join(root, "etc", "lathe.conf"))
        self.assertEqual(out.returncode, 0, out.stderr)

    def test_a_typo_is_refused_with_file_line_and_suggestion(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bad.conf")
            with open(path, "w", encoding="utf-8") as f:
                f.write("workers = {\n  slotz = 2;\n};\n")
            out = lathed("--check", "--config", path)
            self.assertNotEqual(out.returncode, 0)
            self.assertIn("bad.conf:2", out.stderr)
            self.assertIn("slots", out.stderr)

    def test_an_open_listener_without_authentication_refuses_to_start(self):
        with tempfile.TemporaryDirectory() as folder:
            out = lathed("--data", folder, "--listen", "0.0.0.0:0")
            self.assertNotEqual(out.returncode, 0)
            self.assertIn("auth", out.stderr.lower())

    def test_a_second_server_on_the_same_data_refuses(self):
        with Server(BUILD) as server:
            out = lathed("--data", server.data, "--listen", "127.0.0.1:0")
            self.assertNotEqual(out.returncode, 0)
            self.assertIn(server.data, out.stderr)

    def test_hangup_keeps_serving(self):
        with Server(BUILD) as server:
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            self.assertEqual(server.get("/-/health").status, 200)


class Plugins(unittest.TestCase):
    def plugins(self, server):
        return {os.path.basename(p["path"]): p for p in server.get("/lathe/v1/plugins").json()}

    def test_broken_files_are_lines_in_the_list_and_nothing_else_suffers(self):
        folder = tempfile.mkdtemp(prefix="lathe-plugins-")
        try:
            with Server(BUILD, environment={"LATHE_PLUGIN_PATH": folder}) as server:
                with open(os.path.join(folder, "text.so"), "w", encoding="utf-8") as f:
                    f.write("this is no shared object")
                bad = os.path.join(BUILD, "tests", "plugins")
                names = [n for n in sorted(os.listdir(bad)) if n.startswith("bad_") and n.endswith(".so")]
                self.assertGreater(len(names), 5)
                for name in names:
                    shutil.copy(os.path.join(bad, name), os.path.join(folder, name + ".new"))
                    os.rename(os.path.join(folder, name + ".new"), os.path.join(folder, name))
                end = time.monotonic() + 60
                while time.monotonic() < end:
                    seen = self.plugins(server)
                    if all(n in seen and seen[n]["status"] == "broken" for n in names + ["text.so"]):
                        break
                    time.sleep(0.3)
                for name in names + ["text.so"]:
                    self.assertEqual(seen[name]["status"], "broken", name)
                    self.assertTrue(seen[name]["reason"], name)
                self.assertEqual(server.get("/-/health").status, 200)
                session = start_training(server, max_episodes=2)
                server.wait("/api/training/" + session, lambda s: s["status"] == "completed")
        finally:
            shutil.rmtree(folder)


class Crash(unittest.TestCase):
    def wait_final(self, server, session, timeout=120):
        return server.wait("/api/training/" + session, lambda s: s["status"] in FINAL, timeout)

    def final_model(self, server, session):
        status = self.wait_final(server, session)
        self.assertEqual(status["status"], "completed", status)
        return status, server.get("/api/models/" + status["model_id"]).json()

    def rows(self, server, session):
        rows = server.get(f"/api/training/{session}/history").json()
        for row in rows:
            row.pop("elapsed_seconds")
        return rows

    def test_kill_nine_loses_nothing_and_changes_no_result(self):
        fields = {"max_episodes": 60, "checkpoint_interval": 5, "pace_ms": 40}
        with Server(BUILD) as server:
            session = start_training(server, **fields)
            plain, model = self.final_model(server, session)
            history = self.rows(server, session)
        random.seed(1)
        with Server(BUILD) as server:
            session = start_training(server, **fields)
            for kill in range(KILLS):
                limit = 100 + kill
                stored = server.request("PUT", "/api/settings", {"maxEpisodes": limit})
                self.assertEqual(stored.status, 200)
                time.sleep(random.uniform(0.1, 0.8))
                server.kill()
                server.start()
                self.assertEqual(server.get("/api/settings").json()["maxEpisodes"], limit)
                status = server.get("/api/training/" + session)
                self.assertEqual(status.status, 200)
                self.assertNotEqual(status.json()["status"], "failed", status.json())
            status, again = self.final_model(server, session)
            self.assertEqual(self.rows(server, session), history)
            self.assertEqual(again["sha256"], model["sha256"])
            self.assertEqual(status["evaluation"]["mean_return"], plain["evaluation"]["mean_return"])

    def test_a_killed_worker_fails_its_session_with_a_report_and_no_other(self):
        with Server(BUILD) as server:
            victim = start_training(server, max_episodes=1000, pace_ms=100, checkpoint_interval=0)
            server.wait("/api/training/" + victim, lambda s: s["status"] == "running" and s["current_episode"] > 1)
            for _ in range(5):  # a worker that keeps dying is given up
                run = server.get("/lathe/v1/runs/" + victim).json()
                if run["state"] in ("failed", "crashed"):
                    break
                if run["worker_pid"]:
                    os.kill(run["worker_pid"], signal.SIGKILL)
                time.sleep(1.5)
            status = self.wait_final(server, victim)
            self.assertEqual(status["status"], "failed", status)
            report = server.get("/lathe/v1/runs/" + victim).json()["crash"]
            self.assertEqual(report["signal"], 9, report)
            self.assertIn("ppo", json.dumps(report))
            other = start_training(server, max_episodes=2)
            self.assertEqual(self.wait_final(server, other)["status"], "completed")

    def test_terminate_checkpoints_and_the_next_start_goes_on(self):
        with Server(BUILD) as server:
            session = start_training(server, max_episodes=1000, pace_ms=50, checkpoint_interval=0)
            server.wait("/api/training/" + session, lambda s: s["current_episode"] >= 5)
            begin = time.monotonic()
            self.assertEqual(server.stop(), 0)
            self.assertLess(time.monotonic() - begin, 10)
            server.start()
            status = server.wait("/api/training/" + session, lambda s: s["status"] == "running")
            self.assertGreaterEqual(status["current_episode"], 5)
            self.assertEqual(server.post(f"/api/training/{session}/stop?save=false").status, 200)

    def test_a_torn_newest_checkpoint_is_skipped(self):
        fields = {"max_episodes": 40, "checkpoint_interval": 5, "pace_ms": 60}
        with Server(BUILD) as server:
            session = start_training(server, **fields)
            _, model = self.final_model(server, session)
        with Server(BUILD) as server:
            session = start_training(server, **fields)
            server.wait("/api/training/" + session, lambda s: s["current_episode"] >= 22)
            server.kill()
            files = []
            for folder, _, names in os.walk(server.data):
                files += [os.path.join(folder, n) for n in names if n.startswith("ckpt_")]
            newest = max(files, key=os.path.getmtime)
            with open(newest, "r+b") as f:
                f.truncate(os.path.getsize(newest) // 2)
            server.start()
            _, again = self.final_model(server, session)
            self.assertEqual(again["sha256"], model["sha256"])


class Local(unittest.TestCase):
    def train(self, threads, *more):
        out = subprocess.run([os.path.join(BUILD, "bin", "lathectl"), "train", "--local", "--env", "CartPole-v1", "--algo",
                              "ppo", "--steps", "20000", "--seed", "1", "--threads", str(threads), "--set", "n_envs=8",
                              "--json", *more], capture_output=True, text=True, timeout=120)
        self.assertEqual(out.returncode, 0, out.stderr)
        return [json.loads(line) for line in out.stdout.strip().split("\n")]

    def test_training_without_a_server_gives_the_same_bytes_for_any_thread_count(self):
        one, two = self.train(1)[-1], self.train(2)[-1]
        for field in ("eval_mean_return", "eval_std_return", "env_steps", "sps", "wall_seconds", "checkpoint_sha256"):
            self.assertIn(field, one)
        self.assertEqual(one["checkpoint_sha256"], two["checkpoint_sha256"])
        self.assertGreaterEqual(one["env_steps"], 20000)

    def test_a_misspelt_hyperparameter_is_refused_with_the_nearest_name(self):
        out = subprocess.run([os.path.join(BUILD, "bin", "lathectl"), "train", "--local", "--env", "CartPole-v1", "--algo",
                              "ppo", "--steps", "1000", "--set", "learning_rat=0.1"], capture_output=True, text=True, timeout=60)
        self.assertNotEqual(out.returncode, 0)
        self.assertIn("learning_rate", out.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
