#!/usr/bin/env python3
"""The native surface, and lathectl over it and without a server.

usage: test_lathe.py BUILD_DIR [unittest arguments]     SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Server  # noqa: E402

BUILD = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
CONFIG = """
server = { validate_responses = true; };
workers = { slots = 2; };
log = { level = "warn"; access = false; };
"""
FINAL = ("succeeded", "stopped", "failed", "cancelled", "crashed")
RUN = {"env": {"id": "FrozenLake-v1"}, "algorithm": {"id": "ppo", "options": {"n_steps": 64}}, "seed": 3,
       "total_steps": 2048, "n_envs": 4, "eval": {"every": 1024, "episodes": 20}}
server = None


def setUpModule():
    global server
    server = Server(BUILD, config=CONFIG)


def tearDownModule():
    code = server.stop()
    log = server.log()
    server.__exit__()
    assert code == 0, log[-4000:]
    assert "ERROR: AddressSanitizer" not in log and "runtime error" not in log, log[-6000:]


def ctl(*arguments, code=0):
    out = subprocess.run([os.path.join(BUILD, "bin", "lathectl"), *arguments], capture_output=True, text=True, timeout=300,
                         env={**os.environ, "LATHE_SERVER": f"http://127.0.0.1:{server.port}", "LC_ALL": "C.UTF-8"})
    assert out.returncode == code, (arguments, out.returncode, out.stdout[-2000:], out.stderr[-4000:])
    return out.stdout


def create(**fields):
    answer = server.post("/lathe/v1/runs", {**RUN, **fields})
    assert answer.status == 201, answer
    return answer.json()["id"]


def finish(run):
    return server.wait("/lathe/v1/runs/" + run, lambda r: r["state"] in FINAL, 120)


class Components(unittest.TestCase):
    def test_lists_and_records(self):
        plugins = server.get("/lathe/v1/plugins").json()
        self.assertIn("org.lathe.ppo", [p["id"] for p in plugins])
        envs = server.get("/lathe/v1/environments")
        self.assertEqual(int(envs.headers["x-total-count"]), len(envs.json()))
        one = server.get("/lathe/v1/environments/CartPole-v1").json()
        self.assertEqual(one["describe"]["action"]["n"], 2)
        ppo = server.get("/lathe/v1/algorithms/ppo").json()
        self.assertIn("learning_rate", [o["name"] for o in ppo["options"]])
        for path in ("environments/Nope-v0", "algorithms/nope", "runs/nope", "models/nope"):
            answer = server.get("/lathe/v1/" + path)
            self.assertEqual(answer.status, 404)
            self.assertTrue(answer.json()["error"]["code"].endswith("_not_found"))
        self.assertEqual(server.post("/lathe/v1/plugins/rescan").status, 202)
        self.assertEqual(server.get("/lathe/v1/status").json()["slots"], 2)


class Runs(unittest.TestCase):
    def test_a_run_from_start_to_model(self):
        answer = server.post("/lathe/v1/runs", {**RUN, "name": "lake"})
        self.assertEqual(answer.status, 201, answer)
        run = answer.json()["id"]
        self.assertEqual(answer.headers["location"], "/lathe/v1/runs/" + run)
        status = finish(run)
        self.assertEqual((status["state"], status["name"], status["seed"]), ("succeeded", "lake", 3), status)
        self.assertEqual(status["eval"]["episodes"], 20)
        series = {s["name"]: s for s in server.get(f"/lathe/v1/runs/{run}/metrics").json()["series"]}
        self.assertIn("rollout/ep_rew_mean", series)
        names = f"/lathe/v1/runs/{run}/metrics?names=time/env_steps,train/loss"
        self.assertEqual({s["name"] for s in server.get(names).json()["series"]}, {"time/env_steps", "train/loss"})
        thin = server.get(f"/lathe/v1/runs/{run}/metrics?names=time/env_steps&max_points=2").json()["series"][0]
        self.assertEqual(len(thin["steps"]), 2)
        model = server.get("/lathe/v1/models/" + status["model_id"]).json()
        self.assertEqual((model["run_id"], model["env"], model["name"]), (run, "FrozenLake-v1", "lake"))
        file = server.get(f"/lathe/v1/models/{model['id']}/export")
        self.assertEqual(len(file.body), model["size_bytes"])
        act = server.post(f"/lathe/v1/models/{model['id']}/act", {"observation": [0]})
        self.assertEqual(act.status, 200, act)
        self.assertIn("action", act.json()["actions"][0])
        self.assertEqual(server.request("DELETE", "/lathe/v1/runs/" + run).json(), {"status": "deleted"})
        self.assertEqual(server.request("DELETE", "/lathe/v1/models/" + model["id"]).json(), {"status": "deleted"})

    def test_events_tell_the_whole_run(self):
        run = create(pace_ms=50)
        text = urllib.request.urlopen(f"http://127.0.0.1:{server.port}/lathe/v1/runs/{run}/events", timeout=120).read().decode()
        for event in ("run", "state", "eval", "metrics", "done"):
            self.assertIn(f"event: {event}\n", text)

    def test_pause_resume_stop_cancel(self):
        run = create(total_steps=10000000, pace_ms=20)
        server.wait("/lathe/v1/runs/" + run, lambda r: r["current"] > 0)
        self.assertEqual(server.request("DELETE", "/lathe/v1/runs/" + run).status, 409)
        self.assertEqual(server.post(f"/lathe/v1/runs/{run}/pause").json()["state"], "paused")
        self.assertIn(server.post(f"/lathe/v1/runs/{run}/resume").json()["state"], ("queued", "starting", "running"))
        server.post(f"/lathe/v1/runs/{run}/stop")
        self.assertEqual(finish(run)["state"], "stopped")
        self.assertEqual(server.post(f"/lathe/v1/runs/{run}/resume").status, 409)
        run = create(total_steps=10000000)
        server.post(f"/lathe/v1/runs/{run}/cancel")
        self.assertEqual(finish(run)["state"], "cancelled")

    def test_bad_requests_name_the_member(self):
        cases = [({**RUN, "env": {"id": "Nope-v0"}}, 404, "env"), ({**RUN, "nonsense": 1}, 422, "nonsense"),
                 ({"env": {"id": "CartPole-v1"}}, 422, "algorithm"), ({**RUN, "total_steps": 0}, 422, "total_steps"),
                 ({**RUN, "algorithm": {"id": "ppo", "options": {"nope": 1}}}, 422, "algorithm.options.nope"),
                 ({**RUN, "algorithm": {"id": "ppo", "options": {"gamma": 2}}}, 422, "algorithm.options.gamma"),
                 ({k: v for k, v in RUN.items() if k != "total_steps"}, 422, "total_steps")]
        for body, status, field in cases:
            answer = server.post("/lathe/v1/runs", body)
            self.assertEqual(answer.status, status, answer)
            self.assertTrue(answer.json()["error"]["field"].startswith(field), answer)
            self.assertTrue(answer.json()["error"]["request_id"])


class Tokens(unittest.TestCase):
    def test_create_list_revoke(self):
        answer = server.post("/lathe/v1/tokens", {"name": "dash", "role": "viewer", "expires_in": 3600})
        self.assertEqual(answer.status, 201, answer)
        token = answer.json()
        self.assertTrue(token["token"].startswith("lathe_"))
        listed = server.get("/lathe/v1/tokens").json()
        self.assertIn(token["id"], [t["id"] for t in listed])
        self.assertNotIn("token", listed[0])
        self.assertEqual(server.request("DELETE", "/lathe/v1/tokens/" + token["id"]).json(), {"status": "deleted"})
        self.assertEqual(server.request("DELETE", "/lathe/v1/tokens/" + token["id"]).status, 404)
        self.assertEqual(server.post("/lathe/v1/tokens", {"name": "x", "scopes": ["bad scope"]}).status, 422)
        self.assertEqual(server.post("/lathe/v1/tokens", {"name": "x"}).status, 422)


class Ctl(unittest.TestCase):
    TRAIN = ("train", "--env", "FrozenLake-v1", "--algo", "ppo", "--steps", "2048", "--seed", "1", "--set", "n_envs=4",
             "--set", "n_steps=64", "--set", "eval.episodes=20", "--set", "eval.every=1024")

    def test_train_and_the_commands_around_it(self):
        lines = [json.loads(line) for line in ctl(*self.TRAIN, "--json").splitlines()]
        last = lines[-1]
        for key in ("eval_mean_return", "eval_std_return", "env_steps", "sps", "wall_seconds", "checkpoint_sha256"):
            self.assertIn(key, last)
        self.assertEqual(last["outcome"], "succeeded")
        self.assertGreaterEqual(len(lines), 3)
        self.assertTrue(all("mean_return" in line for line in lines[:-1]))
        run, model = last["run"], last["model_id"]
        self.assertIn(run, ctl("list"))
        self.assertEqual(json.loads(ctl("show", run, "--json"))["id"], run)
        self.assertIn("succeeded", ctl("watch", run))
        self.assertIn(model, ctl("models"))
        with tempfile.TemporaryDirectory() as folder:
            ctl("export", model, "--output", os.path.join(folder, "m.safetensors"))
            self.assertGreater(os.path.getsize(os.path.join(folder, "m.safetensors")), 1000)
        ctl("delete", run)
        ctl("show", run, code=1)
        for command in ("plugins", "envs", "algos", "status", "tokens"):
            self.assertTrue(ctl(command))
            json.loads(ctl(command, "--json"))
        self.assertIn("learning_rate", ctl("algos", "ppo"))

    def test_detached_run_is_controlled(self):
        run = ctl(*self.TRAIN[:5], "--steps", "100000000", "--set", "pace_ms=20", "--set", "n_steps=64",
                  "--detach").strip()
        server.wait("/lathe/v1/runs/" + run, lambda r: r["current"] > 0)
        self.assertIn("paused", ctl("pause", run))
        ctl("resume", run)
        ctl("stop", run)
        self.assertEqual(finish(run)["state"], "stopped")

    def test_local_runs_give_the_same_weights_for_any_threads(self):
        hashes = []
        for threads in ("1", "2"):
            lines = ctl(*self.TRAIN, "--local", "--threads", threads, "--json").splitlines()
            hashes.append(json.loads(lines[-1])["checkpoint_sha256"])
            self.assertGreaterEqual(len(lines), 3)
        self.assertEqual(hashes[0], hashes[1])
        self.assertRegex(hashes[0], "^[0-9a-f]{64}$")

    def test_usage_errors(self):
        ctl("nonsense", code=2)
        ctl("train", code=2)
        ctl("train", "--env", "FrozenLake-v1", "--algo", "ppo", "--steps", "x", code=2)
        ctl(*self.TRAIN, "--set", "no_such=1", code=2)
        ctl("train", "--env", "Nope-v0", "--algo", "ppo", "--steps", "10", code=1)
        ctl("train", "--local", "--env", "Nope-v0", "--algo", "ppo", "--steps", "10", code=1)
        for command in ("train", "list", "tokens", "export"):
            self.assertIn("usage: lathectl " + command, ctl(command, "--help"))
        for shell in ("bash", "zsh"):
            self.assertIn("_lathectl", ctl("completion", shell))
        subprocess.run(["bash", "-n"], input=ctl("completion", "bash"), text=True, check=True)
        token = ctl("tokens", "create", "--name", "t", "--role", "trainer").strip()
        self.assertTrue(token.startswith("lathe_"))
        self.assertIn("revoked", ctl("token", "revoke", token.split("_")[1]))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2, warnings="ignore")
