#!/usr/bin/env python3
"""Acceptance of the AgentGym surface beyond its examples: bundles and their numbers, sockets that break, stall or
come in crowds, custom scenarios, idempotency under way, counters, the audit log, and messages for newcomers.

usage: test_agentgym_accept.py BUILD_DIR [unittest arguments]     SPDX-License-Identifier: Apache-2.0
"""
import base64
import copy
import hashlib
import json
import math
import os
import socket
import struct
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Server  # noqa: E402
from websocket import Closed, WebSocket  # noqa: E402

BUILD = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
CONFIG = """
server = { validate_responses = true; };
workers = { slots = 2; };
log = { level = "info"; access = false; };
"""
FINAL = ("completed", "stopped", "failed")
START = {"scenario_id": "customer_support", "framework": "LangChain", "max_episodes": 12, "seed": 5, "batch_size": 16,
         "eval_interval": 4, "eval_episodes": 20}
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


def start(**fields):
    answer = server.post("/api/training/start", {**START, **fields})
    assert answer.status == 200, answer
    return answer.json()["session_id"]


def finish(session, timeout=180):
    return server.wait("/api/training/" + session, lambda s: s["status"] in FINAL, timeout)


def running(**fields):
    session = start(**{"max_episodes": 1000, "pace_ms": 20, **fields})
    server.wait("/api/training/" + session, lambda s: s["current_episode"] >= 1)
    return session


def end(session):
    server.post(f"/api/training/{session}/stop?save=false")
    finish(session)


_models = {}


def model_of(algorithm="ppo", episodes=20):
    if algorithm not in _models:
        status = finish(start(algorithm=algorithm, max_episodes=episodes, batch_size=64, seed=3))
        assert status["status"] == "completed" and status["model_id"], status
        _models[algorithm] = status["model_id"]
    return _models[algorithm]


def export(model, kind="bundle"):
    return server.get(f"/api/models/{model}/export?format={kind}")


def forward(bundle, observation):
    """Outputs of a bundle's policy, by nothing but what the bundle says."""
    numbers = memoryview(base64.b64decode(bundle["weights_base64"])).cast("f")
    at, values = 0, observation
    activation = {"tanh": math.tanh, "relu": lambda x: max(x, 0.0), "identity": lambda x: x}
    for layer in bundle["network"]["layers"]:
        n, m = layer["in"], layer["out"]
        weights, bias = numbers[at:at + n * m], numbers[at + n * m:at + n * m + m]
        at += n * m + m
        if layer.get("joined"):
            continue  # the value beside the policy
        f = activation[layer["activation"]]
        values = [f(sum(w * v for w, v in zip(weights[o * n:o * n + n], values) if v) + bias[o]) for o in range(m)]
    assert at == len(numbers) or "value_layers" in bundle["network"]
    return values


def observations(count):
    """Observations of tickets played by a fixed rule, spread over the whole scenario."""
    env = server.post("/api/scenarios/customer_support/envs", {"seed": 7}).json()
    path, seen, ticket = "/api/envs/" + env["env_id"], [], 0
    while len(seen) < count:
        step = server.post(path + "/reset", {"seed": 7, "index": ticket}).json()
        done, t = False, 0
        while not done:
            seen.append(step["observation"])
            step = server.post(path + "/step", {"action": (ticket * 7 + t * t * 3 + t) % 11}).json()
            done, t = step["terminated"] or step["truncated"], t + 1
        ticket += 1
    server.request("DELETE", path)
    return seen[:count]


class Bundles(unittest.TestCase):
    def test_layers_weights_and_checksum(self):
        bundle = export(model_of()).json()
        layers = bundle["network"]["layers"]
        self.assertEqual([(x["in"], x["out"], x["activation"]) for x in layers],
                         [(34, 64, "tanh"), (64, 64, "tanh"), (64, 11, "identity"), (64, 1, "identity")])
        self.assertEqual(bundle["network"]["dtype"], "f32le")
        weights = base64.b64decode(bundle["weights_base64"])
        self.assertEqual(len(weights), 4 * sum(x["in"] * x["out"] + x["out"] for x in layers))
        self.assertEqual(hashlib.sha256(weights).hexdigest(), bundle["weights_sha256"])
        self.assertIsNone(bundle["normalisation"])
        self.assertEqual(bundle["scenario"]["id"], "customer_support")
        self.assertEqual(bundle["training"]["seed"], 3)

    def test_act_is_the_argmax_of_the_bundle_on_1000_observations(self):
        for algorithm in ("ppo", "dqn"):
            model = model_of(algorithm)
            bundle, seen = export(model).json(), observations(1000)
            answers = server.post(f"/api/models/{model}/act", {"observations": seen}).json()["actions"]
            for observation, answer in zip(seen, answers):
                outputs = forward(bundle, observation)
                best = max(range(len(outputs)), key=outputs.__getitem__)
                if best != answer["action_index"]:  # a tie within float32
                    self.assertLess(outputs[best] - outputs[answer["action_index"]], 1e-4, algorithm)

    def test_export_import_export_is_byte_identical(self):
        for algorithm in ("ppo", "dqn", "q_learning"):
            source = finish(start(algorithm=algorithm, max_episodes=3, seed=77))["model_id"]
            first = export(source)
            again = server.post("/api/models/import", first.json())
            self.assertEqual((again.json()["code"], again.json()["existing_id"]), ("model_exists", source))
            server.request("DELETE", "/api/models/" + source)
            taken = server.post("/api/models/import", first.json())
            self.assertEqual(taken.status, 201, (algorithm, taken))
            self.assertEqual(export(taken.json()["id"]).body, first.body, algorithm)
            self.assertEqual(server.get("/api/models/" + taken.json()["id"]).json()["sha256"], first.json()["model"]["sha256"])
            if algorithm == "q_learning":
                self.assertIsNone(first.json()["network"])
                self.assertEqual(first.json()["table"]["kind"], "table")

    def test_damage_is_named(self):
        bundle = finish(start(max_episodes=2, seed=78))["model_id"]
        source, bundle = bundle, export(bundle).json()
        server.request("DELETE", "/api/models/" + source)
        weights = base64.b64decode(bundle["weights_base64"])

        def code(**changes):
            answer = server.post("/api/models/import", {**bundle, **changes})
            self.assertIn(answer.status, (409, 422), answer)
            return answer.json()["code"]

        def coded(data):
            return {"weights_base64": base64.b64encode(bytes(data)).decode(), "weights_sha256": hashlib.sha256(data).hexdigest()}

        for place in (0, 1, 4001, len(weights) - 1):
            flipped = bytearray(weights)
            flipped[place] ^= 0x10
            self.assertEqual(code(weights_base64=base64.b64encode(flipped).decode()), "checksum_mismatch", place)
        for value in (float("nan"), float("inf")):
            self.assertEqual(code(**coded(weights[:400] + struct.pack("<f", value) + weights[404:])), "non_finite_weights")
        self.assertEqual(code(**coded(weights[:-4])), "bundle_invalid")
        self.assertEqual(code(**coded(weights + bytes(4))), "bundle_invalid")
        network = copy.deepcopy(bundle["network"])
        network["layers"][0]["in"] = 35
        self.assertEqual(code(network=network), "bundle_invalid")
        for header in ("", "{}", "[]", "{\"a\":", "x" * 1000):
            self.assertEqual(code(network={**bundle["network"], "header": header}), "bundle_invalid", header[:9])
        self.assertEqual(code(network={**bundle["network"], "layers": []}), "bundle_invalid")
        self.assertEqual(code(weights_base64="@@@@"), "bundle_invalid")
        self.assertEqual(code(scenario={**bundle["scenario"], "max_steps": 13}), "scenario_mismatch")

    def test_the_table_reaches_the_evaluation_of_the_network(self):
        model = model_of()
        table = export(model, "table").json()
        self.assertGreaterEqual(table["coverage"], 0.999)
        rows = {json.dumps(r["state"], sort_keys=True): r["action"] for r in table["rows"]}
        tickets, successes = 60, 0
        env = server.post("/api/scenarios/customer_support/envs", {"seed": 11}).json()
        path, plan = "/api/envs/" + env["env_id"], []
        for ticket in range(tickets):
            step = server.post(path + "/reset", {"seed": 11, "index": ticket}).json()
            done = False
            while not done:
                action = rows.get(json.dumps(step["state"], sort_keys=True))
                plan.append((step["observation"], action))
                step = server.post(path + "/step", {"action": action}).json()
                done = step["terminated"] or step["truncated"]
            successes += step["info"]["success"]
        server.request("DELETE", path)
        answers = []
        for at in range(0, len(plan), 1000):
            part = [o for o, _ in plan[at:at + 1000]]
            answers += [a["action"] for a in server.post(f"/api/models/{model}/act", {"observations": part}).json()["actions"]]
        self.assertEqual(answers, [a for _, a in plan])


class Sockets(unittest.TestCase):
    def test_twenty_broken_sockets_lose_nothing_and_repeat_nothing(self):
        session = start(max_episodes=120, pace_ms=40)
        rows, since, turns = [], 0, 0
        while True:
            ws = WebSocket(server.port, f"/ws/training/{session}?events=all&interval_ms=100&since={since}")
            turns += 1
            try:
                for _ in range(5 if turns <= 20 else 10 ** 6):
                    message = ws.receive()
                    if message["type"] in ("episode", "episodes"):
                        rows += message["data"] if message["type"] == "episodes" else [message["data"]]
                    if not message.get("heartbeat"):
                        self.assertGreaterEqual(message["seq"], since)
                        since = message["seq"]
            except Closed as closed:
                self.assertEqual(closed.code, 1000)
                break
            ws.close()
        self.assertGreater(turns, 15)
        history = server.get(f"/api/training/{session}/history").json()
        self.assertEqual([r["episode"] for r in rows], [r["episode"] for r in history])
        for key in ("reward", "avg_reward", "loss", "env_steps", "accuracy"):
            self.assertEqual([r[key] for r in rows], [r[key] for r in history], key)

    def test_sequence_numbers_only_rise(self):
        session = start(max_episodes=40, pace_ms=20)
        ws, last = WebSocket(server.port, f"/ws/training/{session}?interval_ms=100"), -1
        with self.assertRaises(Closed):
            while True:
                message = ws.receive()
                if not message.get("heartbeat"):
                    self.assertGreater(message["seq"], last)
                    last = message["seq"]

    def test_since_in_the_future_gives_a_snapshot(self):
        session = running()
        ws = WebSocket(server.port, f"/ws/training/{session}?events=all&since=999999999")
        self.assertEqual(ws.receive()["type"], "training_update")
        ws.close()
        end(session)

    def test_an_idle_session_has_heartbeats_with_the_same_number(self):
        session = running()
        server.post(f"/api/training/{session}/pause")
        ws = WebSocket(server.port, f"/ws/training/{session}")
        first = ws.receive()
        began = time.monotonic()
        second = ws.receive()
        self.assertTrue(second["heartbeat"])
        self.assertEqual(first["seq"], second["seq"])
        self.assertAlmostEqual(time.monotonic() - began, 5, delta=2)
        ws.close()
        end(session)

    def test_a_reader_that_never_reads_is_dropped(self):
        session = start(max_episodes=1000, batch_size=1, pace_ms=2, eval_interval=1, eval_episodes=10, checkpoint_interval=0)
        silent = socket.socket()
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        silent.connect(("127.0.0.1", server.port))
        silent.sendall(f"GET /ws/training/{session}?events=all&interval_ms=100 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                       "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
        status = finish(session)
        self.assertEqual(status["current_episode"], 1000)
        silent.settimeout(30)
        data = b""
        while True:  # whatever it was, it ends
            part = silent.recv(65536)
            if not part:
                break
            data += part
        self.assertLess(len(data), 8 << 20)
        silent.close()

    def test_a_stalled_socket_gets_4408(self):
        """events=all replays a long log at once, which no socket buffer holds."""
        session = start(max_episodes=1000, batch_size=1, eval_interval=1, eval_episodes=10, checkpoint_interval=0)
        finish(session)
        busy = start(max_episodes=1000, batch_size=1, eval_interval=1, eval_episodes=10, checkpoint_interval=0, pace_ms=40)
        silent = socket.socket()
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        silent.connect(("127.0.0.1", server.port))
        silent.sendall(f"GET /ws/training/{session}?events=all&since=0 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                       "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
        began = time.monotonic()
        end(busy)
        time.sleep(max(0, 13 - (time.monotonic() - began)))
        silent.settimeout(20)
        data = b""
        try:
            while True:
                part = silent.recv(65536)
                if not part:
                    break
                data += part
        except ConnectionResetError:
            pass
        silent.close()
        self.assertLess(time.monotonic() - began, 20)
        # the close frame is the last thing, unless the kernel threw it away with the rest
        if data.endswith(b"too slow"):
            self.assertEqual(struct.unpack(">H", data[-10:-8])[0], 4408)
        self.assertLess(len(data), 800000)
        self.assertFalse(b"model_saved" in data, "it got to the end of the log")

    def test_64_sockets_per_session(self):
        session = running()
        sockets = [WebSocket(server.port, "/ws/training/" + session) for _ in range(64)]
        for ws in sockets:
            self.assertEqual(ws.receive()["type"], "training_update")
        with self.assertRaises(Closed) as closed:
            WebSocket(server.port, "/ws/training/" + session).receive()
        self.assertEqual(closed.exception.code, 4429)
        metrics = server.get("/metrics").body.decode()
        self.assertIn("\nagentgym_ws_clients 64\n", metrics)
        sockets.pop().close()
        time.sleep(0.5)
        again = WebSocket(server.port, "/ws/training/" + session)
        self.assertEqual(again.receive()["type"], "training_update")
        for ws in sockets + [again]:
            ws.close()
        end(session)

    def test_1024_sockets_in_all(self):
        sessions = [start(max_episodes=1000, pace_ms=1000) for _ in range(17)]
        sockets = []
        with self.assertRaises(Closed) as closed:
            for i in range(1025):
                ws = WebSocket(server.port, "/ws/training/" + sessions[i // 64])
                ws.receive()
                sockets.append(ws)
        self.assertEqual((closed.exception.code, len(sockets)), (4429, 1024))
        for ws in sockets:
            ws.close()
        for session in sessions:
            end(session)


class Scenarios(unittest.TestCase):
    def setUp(self):
        self.definition = server.get("/api/scenarios/customer_support").json()["definition"]

    def test_a_copy_trains_like_the_original(self):
        made = server.post("/api/scenarios", {**self.definition, "id": "support_copy"})
        self.assertEqual(made.json()["analysis"], server.get("/api/scenarios/customer_support").json()["analysis"])
        fields = {"max_episodes": 20, "batch_size": 64, "seed": 3}
        one, two = (finish(start(scenario_id=s, **fields)) for s in ("support_copy", "customer_support"))
        for key in ("accuracy", "avg_reward", "loss", "env_steps", "score"):
            self.assertEqual(one[key], two[key], key)
        server.request("DELETE", "/api/scenarios/support_copy")

    def test_a_cycle_in_a_plan_is_refused_with_its_place(self):
        definition = {**copy.deepcopy(self.definition), "id": "cyclic"}
        plan = definition["tasks"][0]["plan"]
        plan[0]["after"] = [plan[-1]["tool"]]
        answer = server.post("/api/scenarios", definition)
        self.assertEqual(answer.status, 422, answer)
        self.assertEqual(answer.json()["detail"][0]["loc"][:2], ["body", "tasks"], answer)

    def test_a_huge_scenario_is_measured_by_playing(self):
        tools = [{"name": "look", "kind": "probe", "cost": 0.1, "identifies": True}]
        facts = [{"name": f"fact_{i}", "revealed_by": f"probe_{i}"} for i in range(7)]
        tools += [{"name": f"probe_{i}", "kind": "probe", "cost": 0.1} for i in range(7)]
        tools += [{"name": f"act_{i}", "kind": "act", "cost": 0.1} for i in range(7)]
        tools.append({"name": "finish", "kind": "final", "cost": 0.1})
        plan = [{"tool": "look"}] + [{"tool": f"probe_{i}", "after": ["look"]} for i in range(7)]
        plan += [{"tool": f"act_{i}", "when": [[{"fact": f"fact_{i}", "is": True}]]} for i in range(7)]
        task = {"weight": 0.125, "priors": {f["name"]: 0.5 for f in facts}, "plan": plan, "finals": [{"tool": "finish"}]}
        definition = {"id": "huge", "name": "Huge", "description": "More states than can be solved.", "difficulty": "advanced",
                      "max_steps": 64, "label_noise": 0.1, "tools": tools, "facts": facts,
                      "tasks": [{**task, "id": f"task_{i}"} for i in range(8)]}
        began = time.monotonic()
        answer = server.post("/api/scenarios", definition)
        self.assertEqual(answer.status, 201, answer)
        self.assertFalse(answer.json()["analysis"]["exact"])
        print(f"\nover the cap: answered after {time.monotonic() - began:.1f} s", file=sys.stderr)
        self.assertLess(time.monotonic() - began, 60)
        self.assertLess(answer.json()["analysis"]["random_return"], 0)
        server.request("DELETE", "/api/scenarios/huge")


class Idempotency(unittest.TestCase):
    def test_requests_that_come_together_share_one_session(self):
        for turn in range(3):
            body, key = {**START, "max_episodes": 1, "seed": turn}, {"Idempotency-Key": "together-" + os.urandom(6).hex()}
            answers, gate = [], threading.Barrier(12)

            def send():
                gate.wait()
                answers.append(server.post("/api/training/start", body, headers=key))

            threads = [threading.Thread(target=send) for _ in range(12)]
            [t.start() for t in threads]
            [t.join() for t in threads]
            self.assertEqual({a.status for a in answers}, {200}, answers)
            self.assertEqual(len({a.body for a in answers}), 1, answers)
            finish(answers[0].json()["session_id"])

    def test_a_key_of_128_characters_counts_and_a_longer_one_is_refused(self):
        body = {**START, "max_episodes": 1}
        one, two = (server.post("/api/training/start", body, headers={"Idempotency-Key": "k" * 128}) for _ in range(2))
        self.assertEqual(one.body, two.body)
        long = server.post("/api/training/start", body, headers={"Idempotency-Key": "k" * 129})
        self.assertIn(long.status, (400, 422), long)
        finish(one.json()["session_id"])


class Operators(unittest.TestCase):
    def test_the_index_speaks_of_this_surface(self):
        index = server.get("/").json()
        self.assertEqual(index["message"], "AgentGym API")
        self.assertTrue(index["version"])
        self.assertEqual(index["endpoints"], {
            "scenarios": "/api/scenarios", "training": "/api/training", "models": "/api/models", "settings": "/api/settings",
            "websocket": "/ws/training/{session_id}"})

    def series(self):
        out = {}
        for line in server.get("/metrics").body.decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                self.assertNotIn(name, out, "a series is shown twice")
                out[name] = float(value)
        return out

    def test_counters_follow_sessions(self):
        before = self.series()
        session = running()
        self.assertGreaterEqual(self.series()['agentgym_sessions{state="running"}'], 1)
        server.post(f"/api/training/{session}/pause")
        self.assertGreaterEqual(self.series()['agentgym_sessions{state="paused"}'], 1)
        server.post(f"/api/training/{session}/resume")
        status = finish(start(seed=9))
        after = self.series()
        self.assertEqual(after['agentgym_sessions{state="completed"}'], before['agentgym_sessions{state="completed"}'] + 1)
        self.assertEqual(after["agentgym_models"], before["agentgym_models"] + 1)
        self.assertGreaterEqual(after["agentgym_env_steps_total"] - before["agentgym_env_steps_total"], status["env_steps"])
        self.assertTrue(0 <= after["agentgym_eval_accuracy_percent"] <= 100)
        env = server.post("/api/scenarios/customer_support/envs", {"seed": 1}).json()
        self.assertGreaterEqual(self.series()["agentgym_environments"], 1)
        server.request("DELETE", "/api/envs/" + env["env_id"])
        end(session)

    def audited(self, what, about):
        for line in server.log().splitlines():
            if '"audit"' in line and f'"{what}"' in line and f'"{about}"' in line:
                return json.loads(line)
        return None

    def test_every_change_of_state_is_in_the_log(self):
        session = running()
        for verb in ("pause", "resume", "stop"):
            server.post(f"/api/training/{session}/{verb}")
        model = finish(session)["model_id"]
        server.request("PATCH", "/api/models/" + model, {"name": "renamed"})
        bundle = export(model).json()
        server.request("DELETE", "/api/models/" + model)
        taken = server.post("/api/models/import", bundle).json()["id"]
        server.request("DELETE", "/api/training/" + session)
        server.request("PUT", "/api/settings", {"maxEpisodes": 200})
        definition = server.get("/api/scenarios/customer_support").json()["definition"]
        server.post("/api/scenarios", {**definition, "id": "audited"})
        server.request("DELETE", "/api/scenarios/audited")
        for what, about in (("training.start", session), ("training.pause", session), ("training.resume", session),
                            ("training.stop", session), ("training.delete", session), ("model.rename", model),
                            ("model.delete", model), ("model.import", taken), ("settings.change", "settings"),
                            ("scenario.create", "audited"), ("scenario.delete", "audited")):
            line = self.audited(what, about)
            self.assertIsNotNone(line, what)
            for name in ("who", "role", "client", "request"):
                self.assertTrue(line.get(name), (what, name, line))


class Newcomers(unittest.TestCase):
    """Whatever is wrong, the answer is an error of the documented form that says what to do."""

    def test_bad_input_in_every_shape(self):
        session, model = finish(start(max_episodes=1))["session_id"], model_of()
        huge = "9" * 400
        cases = [
            ("POST", "/api/training/start", b"", 422), ("POST", "/api/training/start", b"null", 422),
            ("POST", "/api/training/start", b"[]", 422), ("POST", "/api/training/start", b'{"a":1', 422),
            ("POST", "/api/training/start", b'{"scenario_id":"customer_support","framework":"LangChain","seed":1e400}', 422),
            ("POST", "/api/training/start", b'{"scenario_id":"customer_support","framework":"LangChain","seed":-1}', 422),
            ("POST", "/api/training/start", b'{"scenario_id":"customer_support","framework":"LangChain","seed":9007199254740992}', 422),
            ("POST", "/api/training/start", b'{"scenario_id":"\xc3\x28","framework":"LangChain"}', 422),
            ("POST", "/api/training/start", b'{"scenario_id":"a","scenario_id":"b","framework":"LangChain"}', 422),
            ("POST", "/api/training/start", b"[" * 5000, 422),
            ("GET", "/api/training/" + huge, None, 404), ("GET", "/api/training/a%2Fb", None, 404),
            ("GET", "/api/training/%ff%fe", None, (400, 404)), ("GET", "/api/training/%00", None, (400, 404)),
            ("GET", "/api/training/..%2f..%2fetc%2fpasswd", None, 404), ("GET", "/api/training?limit=" + huge, None, 400),
            ("GET", "/api/training?limit=1&limit=2", None, (200, 400)), ("GET", "/api/training?offset=1e3", None, 400),
            ("GET", f"/api/training/{session}/history?since_episode=x", None, 400),
            ("GET", f"/api/training/{session}/history?max_points=-1", None, 400),
            ("POST", f"/api/training/{session}/resume", b"", 409), ("POST", f"/api/training/{session}/resume", b"{bad", (409, 422)),
            ("POST", f"/api/training/{session}/fork", b'{"scenario_id":"code_review"}', 422),
            ("POST", f"/api/training/{session}/fork", b'{"checkpoint_id":7}', 422),
            ("POST", f"/api/models/{model}/act", b'{"observation":"x"}', 422),
            ("POST", f"/api/models/{model}/act", b'{"observation":[null]}', 422),
            ("POST", f"/api/models/{model}/act", json.dumps({"observation": ["a"] * 34}).encode(), 422),
            ("POST", f"/api/models/{model}/act", b'{"state":{"done":["nope"]}}', 422),
            ("POST", f"/api/models/{model}/act", b'{"state":{"t":99}}', 422),
            ("POST", f"/api/models/{model}/act", b'{"state":{"nope":1}}', 422),
            ("POST", f"/api/models/{model}/act", b'{"state":{},"mode":"best"}', 422),
            ("POST", f"/api/models/{model}/act", b'{"observations":[]}', 422),
            ("POST", f"/api/models/{model}/evaluate", b'{"trials":17}', 422),
            ("PATCH", f"/api/models/{model}", b'{"name":5}', 422), ("PATCH", f"/api/models/{model}", b"{}", 422),
            ("GET", f"/api/models/{model}/export?format=", None, (400, 422)), ("DELETE", "/api/models/model_0", None, 404),
            ("PUT", "/api/settings", b'{"learningRate":0}', 422), ("PUT", "/api/settings", b'{"autoSave":"yes"}', 422),
            ("POST", "/api/scenarios", b"{}", 422), ("POST", "/api/envs/env_0/step", b'{"action":1}', 404),
            ("GET", "/api/compare", None, 400), ("GET", "/api/compare?sessions=a&models=b", None, 400),
            ("PUT", "/api/training/start", b"{}", 405), ("GET", "/api//training", None, 404),
        ]
        for method, path, body, wanted in cases:
            answer = server.request(method, path, body, {"Content-Type": "application/json"} if body is not None else {})
            name = (method, path[:80], (body or b"")[:80])
            self.assertIn(answer.status, wanted if isinstance(wanted, tuple) else (wanted,), (name, answer))
            if answer.status == 200:
                continue
            error = answer.json()
            self.assertEqual(set(error) >= {"detail", "code", "request_id"}, True, (name, error))
            self.assertRegex(error["code"], r"^[a-z_]+$", name)
            messages = [error["detail"]] if isinstance(error["detail"], str) else [d["msg"] for d in error["detail"]]
            for message in messages:
                self.assertGreater(len(message), 5, name)
                for inside in ("LATHE_E", "0x", "(null)", "jansson", "NULL"):
                    self.assertNotIn(inside, message, name)
            for detail in error["detail"] if isinstance(error["detail"], list) else []:
                self.assertIn(detail["loc"][0], ("body", "query", "path", "header"), (name, detail))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2, warnings="ignore")
