#!/usr/bin/env python3
"""The AgentGym surface as its clients use it: every example of the contract, the state machine, validation,
the WebSocket, models, settings and security. The server checks its own answers against the contract meanwhile.

usage: test_agentgym.py BUILD_DIR [unittest arguments]     SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Client, Server  # noqa: E402
from websocket import Closed, WebSocket  # noqa: E402

BUILD = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
CONFIG = """
server = { validate_responses = true; };
workers = { slots = 2; };
log = { level = "warn"; access = false; };
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


def finish(session, timeout=120):
    return server.wait("/api/training/" + session, lambda s: s["status"] in FINAL, timeout)


def running(**fields):
    """A session that stays running long enough to be worked with."""
    session = start(max_episodes=1000, pace_ms=20, **fields)
    server.wait("/api/training/" + session, lambda s: s["current_episode"] >= 1)
    return session


_trained = {}


def trained_model():
    """One model for all tests that only ask it."""
    if not _trained:
        status = finish(start(max_episodes=150, batch_size=64, seed=1))
        assert status["status"] == "completed" and status["model_id"], status
        _trained["id"] = status["model_id"]
        _trained["status"] = status
    return _trained["id"]


class Contract(unittest.TestCase):
    """The three snippets of the document, and the flow of its user interface."""

    def test_the_python_examples_run_as_written(self):
        base = f"http://127.0.0.1:{server.port}"
        body = json.dumps({"scenario_id": "customer_support", "framework": "LangChain", "max_episodes": 200,
                           "learning_rate": 0.001}).encode()
        request = urllib.request.Request(base + "/api/training/start", body, {"Content-Type": "application/json"})
        session_id = json.load(urllib.request.urlopen(request))["session_id"]
        self.assertRegex(session_id, r"^session_\d+_\d+$")
        status = json.load(urllib.request.urlopen(f"{base}/api/training/{session_id}"))
        self.assertRegex(f"Episode {status['current_episode']}/{status['max_episodes']}", r"^Episode \d+/200$")
        self.assertRegex(f"Accuracy: {status['accuracy']:.2f}%", r"^Accuracy: \d+\.\d\d%$")
        ws = WebSocket(server.port, "/ws/training/" + session_id)
        began = time.monotonic()
        update = ws.receive()
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(update["type"], "training_update")
        self.assertEqual(update["data"]["session_id"], session_id)
        ws.close()
        server.post(f"/api/training/{session_id}/stop")

    def test_the_first_eleven_members_are_in_order(self):
        session = start(max_episodes=1)
        self.assertEqual(list(server.get("/api/training/" + session).json())[:11],
                         ["session_id", "scenario_id", "framework", "status", "current_episode", "max_episodes", "accuracy",
                          "avg_reward", "loss", "start_time", "elapsed_time"])
        finish(session)

    def test_the_user_interface_flow(self):
        scenarios = server.get("/api/scenarios").json()
        self.assertEqual([s["id"] for s in scenarios][:3], ["customer_support", "code_review", "data_analysis"])
        one = server.get("/api/scenarios/customer_support").json()
        self.assertAlmostEqual(one["analysis"]["optimal_return"], 11.867422, 5)
        self.assertAlmostEqual(one["analysis"]["random_return"], -25.690902, 5)
        self.assertEqual(one["analysis"]["states"], 1340)
        session = running()
        paused = server.post(f"/api/training/{session}/pause")
        self.assertEqual((paused.status, paused.json()["status"]), (200, "paused"))
        self.assertTrue(paused.json()["checkpoint_id"])
        resumed = server.post(f"/api/training/{session}/resume").json()
        self.assertEqual(resumed["status"], "resumed")
        stopped = server.post(f"/api/training/{session}/stop")
        self.assertIn(stopped.status, (200, 202))
        status = finish(session)
        self.assertEqual(status["status"], "stopped")
        model = server.get("/api/models/" + status["model_id"]).json()
        self.assertIn(model, server.get("/api/models").json())
        self.assertEqual(model["name"], "customer_support_langchain")
        f"{model['accuracy']:.1f} {model['size_mb']:.1f}"
        self.assertEqual(server.request("DELETE", "/api/models/" + model["id"]).json(), {"status": "deleted"})
        self.assertEqual(server.request("DELETE", "/api/models/" + model["id"]).status, 404)
        self.assertEqual(server.get("/api/models/" + model["id"]).json()["code"], "model_not_found")

    def test_index_health_and_documents(self):
        index = server.get("/api").json()
        self.assertEqual(index["endpoints"]["websocket"], "/ws/training/{session_id}")
        self.assertEqual(server.get("/api/health").json()["status"], "ok")
        self.assertEqual(server.get("/api/ready").status, 200)
        paths = server.get("/openapi.json").json()["paths"]
        for path in ("/api/scenarios", "/api/training/start", "/api/models/{model_id}", "/ws/training/{session_id}"):
            self.assertIn(path, paths)
        for page in ("/docs", "/redoc"):
            self.assertEqual(server.get(page).status, 200)


class Validation(unittest.TestCase):
    def refused(self, body, *wanted):
        answer = server.post("/api/training/start", body)
        self.assertEqual(answer.status, 422, answer)
        seen = [(d["type"], d["loc"]) for d in answer.json()["detail"]]
        for kind, *loc in wanted:
            self.assertIn((kind, ["body", *loc]), seen)
        self.assertEqual(answer.json()["code"], "validation_error")
        self.assertEqual(answer.json()["request_id"], answer.headers["x-request-id"])
        return answer.json()["detail"]

    def test_each_bad_value_has_its_type_and_place(self):
        ok = {"scenario_id": "customer_support", "framework": "LangChain"}
        for value, kind in ((0, "greater_than_equal"), (1001, "less_than_equal"), ("x", "int_parsing"), (1.5, "int_type")):
            self.refused({**ok, "max_episodes": value}, (kind, "max_episodes"))
        for value, kind in ((0, "greater_than"), (-1, "greater_than"), (1.0001, "less_than_equal"), ("a", "float_type")):
            self.refused({**ok, "learning_rate": value}, (kind, "learning_rate"))
        self.refused({**ok, "framework": "BCrewAI"}, ("enum", "framework"))
        self.refused({**ok, "framework": 3}, ("string_type", "framework"))
        self.refused({**ok, "max_episode": 3}, ("extra_forbidden", "max_episode"))
        self.refused({"framework": "LangChain"}, ("missing", "scenario_id"))
        self.refused({**ok, "hyperparameters": {"no_such": 1}}, ("value_error", "hyperparameters", "no_such"))
        self.refused({**ok, "tags": ["x" * 33]}, ("string_too_long", "tags", 0))

    def test_all_violations_come_at_once(self):
        detail = self.refused({"framework": "X", "max_episodes": 0, "learning_rate": "a", "foo": 1})
        self.assertEqual(len(detail), 5)
        self.assertEqual(detail[1], {"type": "greater_than_equal", "loc": ["body", "max_episodes"],
                                     "msg": "Input should be greater than or equal to 1", "input": 0, "ctx": {"ge": 1}})

    def test_an_unknown_algorithm_lists_the_registered_ones(self):
        detail = self.refused({**START, "algorithm": "no_such"}, ("enum", "algorithm"))
        self.assertIn("ppo", detail[0]["ctx"]["expected"])
        self.assertEqual(sorted(detail[0]["ctx"]["expected"]), sorted(a["id"] for a in server.get("/api/algorithms").json()))

    def test_bodies_that_are_no_json(self):
        send = lambda data, kind="application/json": server.request(  # noqa: E731
            "POST", "/api/training/start", data, {"Content-Type": kind})
        self.assertEqual(send(b"{bad").json()["detail"][0]["type"], "json_invalid")
        self.assertEqual(send(b'{"a":"\xff"}').status, 422)
        self.assertEqual(send(b"{}", "text/plain").status, 415)
        big = json.dumps({**START, "name": "x" * 66000}).encode()
        self.assertEqual(send(big).status, 413)

    def test_boundary_values_pass(self):
        for fields in ({"max_episodes": 1}, {"max_episodes": 1000}, {"learning_rate": 1.0}, {"framework": "crewai"}):
            session = start(**{"max_episodes": 1, **fields})
            if fields.get("framework"):
                self.assertEqual(server.get("/api/training/" + session).json()["framework"], "CrewAI")
            server.post(f"/api/training/{session}/stop?save=false")
            finish(session)

    def test_unknown_things_are_404_and_bad_queries_400(self):
        for path in ("/api/training/session_9_1", "/api/training/%20", "/api/scenarios/nope", "/api/models/model_999999",
                     "/api/envs/env_00", "/api/training/session_9_1/history", "/api/nope"):
            answer = server.get(path)
            self.assertEqual(answer.status, 404, path)
            self.assertIsInstance(answer.json()["detail"], str)
        self.assertEqual(server.get("/api/training/session_9_1").json()["detail"], "Training session not found")
        self.assertEqual(server.post("/api/training/start", {**START, "scenario_id": "nope"}).json()["code"],
                         "scenario_not_found")
        for query in ("limit=0", "limit=1001", "limit=x", "offset=-1", "status=no", "nonsense=1"):
            self.assertEqual(server.get("/api/training?" + query).status, 400, query)
        answer = server.request("PUT", "/api/scenarios", {})
        self.assertEqual(answer.status, 405)
        self.assertIn("GET", answer.headers["allow"])


class States(unittest.TestCase):
    def act(self, session, verb):
        return server.post(f"/api/training/{session}/{verb}")

    def test_a_running_session(self):
        session = running()
        self.assertEqual(self.act(session, "resume").status, 200)
        self.assertEqual(self.act(session, "pause").json()["status"], "paused")
        self.assertEqual(self.act(session, "pause").status, 200)
        at = server.get("/api/training/" + session).json()["current_episode"]
        time.sleep(0.3)
        self.assertEqual(server.get("/api/training/" + session).json()["current_episode"], at)
        self.assertEqual(self.act(session, "resume").json()["status"], "resumed")
        server.wait("/api/training/" + session, lambda s: s["current_episode"] > at)
        self.assertEqual(server.request("DELETE", "/api/training/" + session).status, 409)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.act(session, "stop"))) for _ in range(50)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        self.assertEqual({a.status for a in answers} - {200, 202}, set())
        status = finish(session)
        self.assertEqual(status["status"], "stopped")
        self.assertEqual(len([m for m in server.get("/api/models").json() if m["session_id"] == session]), 1)
        again = self.act(session, "stop")
        self.assertEqual((again.status, again.json()["model_id"]), (200, status["model_id"]))
        for verb in ("pause", "resume"):
            answer = self.act(session, verb)
            self.assertEqual((answer.status, answer.json()["code"], answer.json()["from"], answer.json()["action"]),
                             (409, "invalid_transition", "stopped", verb))

    def test_a_completed_session(self):
        session = start(max_episodes=2)
        self.assertEqual(finish(session)["status"], "completed")
        for verb in ("pause", "resume", "stop"):
            answer = self.act(session, verb)
            self.assertEqual(answer.status, 409)
            self.assertEqual(answer.json()["detail"], f"Cannot {verb} a session that is completed")
        self.assertEqual(server.request("DELETE", "/api/training/" + session).json(), {"status": "deleted"})
        self.assertEqual(server.get("/api/training/" + session).status, 404)

    def test_a_pending_session(self):
        busy = [running(), running()]
        session = start()
        self.assertEqual(server.get("/api/training/" + session).json()["status"], "pending")
        self.assertEqual(self.act(session, "resume").status, 200)
        self.assertEqual(self.act(session, "pause").json()["status"], "paused")
        stopped = self.act(session, "stop").json()
        self.assertEqual((stopped["status"], stopped["model_id"]), ("stopped", ""))
        for other in busy:
            self.act(other, "stop")
            finish(other)

    def test_fifty_resumes_start_one_trainer(self):
        session = running()
        self.act(session, "pause")
        threads = [threading.Thread(target=self.act, args=(session, "resume")) for _ in range(50)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        status = server.get("/api/training/" + session).json()
        self.assertIn(status["status"], ("running", "pending"))
        before = time.monotonic(), server.get("/api/training/" + session).json()["current_episode"]
        time.sleep(1)
        after = time.monotonic(), server.get("/api/training/" + session).json()["current_episode"]
        self.assertLessEqual(after[1] - before[1], (after[0] - before[0]) / 0.02 + 5)
        self.act(session, "stop")
        finish(session)

    def test_stop_without_save_makes_no_model(self):
        session = running()
        server.post(f"/api/training/{session}/stop?save=false")
        self.assertEqual(finish(session)["model_id"], "")


class Numbers(unittest.TestCase):
    def test_framework_and_pauses_change_nothing(self):
        plain = finish(start(seed=11, framework="LangChain"))
        other = start(seed=11, framework="CrewAI", pace_ms=30)
        server.wait("/api/training/" + other, lambda s: s["current_episode"] >= 2)
        server.post(f"/api/training/{other}/pause")
        server.post(f"/api/training/{other}/resume")
        other = finish(other)
        rows = [server.get(f"/api/training/{s['session_id']}/history").json() for s in (plain, other)]
        for row in rows[0] + rows[1]:
            del row["elapsed_seconds"]
        self.assertEqual(rows[0], rows[1])
        self.assertEqual(len(rows[0]), 12)
        models = [server.get("/api/models/" + s["model_id"]).json() for s in (plain, other)]
        for key in ("accuracy", "score", "sha256", "env_steps"):
            self.assertEqual(models[0][key], models[1][key], key)

    def test_history_is_complete_and_thins(self):
        status = finish(start())
        rows = server.get(f"/api/training/{status['session_id']}/history").json()
        self.assertEqual([r["episode"] for r in rows], list(range(1, 13)))
        self.assertEqual([r["episode"] for r in rows if r["evaluated"]], [4, 8, 12])
        self.assertEqual(len(server.get(f"/api/training/{status['session_id']}/history?max_points=4").json()), 4)
        self.assertEqual([r["episode"] for r in server.get(
            f"/api/training/{status['session_id']}/history?since_episode=11").json()], [11, 12])

    def test_learning_reaches_the_scenario(self):
        trained_model()
        self.assertGreaterEqual(_trained["status"]["accuracy"], 95)
        self.assertGreaterEqual(_trained["status"]["score"], 0.95)
        first = server.get(f"/api/training/{_trained['status']['session_id']}/checkpoints").json()
        self.assertIn("final", [c["kind"] for c in first])

    def test_fork_continues(self):
        status = finish(start(max_episodes=4))
        answer = server.post(f"/api/training/{status['session_id']}/fork", {"max_episodes": 8})
        self.assertEqual(answer.status, 200, answer)
        child = finish(answer.json()["session_id"])
        self.assertEqual((child["status"], child["current_episode"], child["parent_session_id"]),
                         ("completed", 8, status["session_id"]))
        answer = server.post(f"/api/training/{status['session_id']}/fork", {"checkpoint_id": "ckpt_99999"})
        self.assertEqual(answer.json()["code"], "checkpoint_not_found")

    def test_idempotency_key_replays(self):
        body = {**START, "max_episodes": 1}
        key = {"Idempotency-Key": "key-" + os.urandom(4).hex()}
        one = server.post("/api/training/start", body, headers=key)
        two = server.post("/api/training/start", body, headers=key)
        self.assertEqual(one.json(), two.json())
        other = server.post("/api/training/start", {**body, "max_episodes": 2}, headers=key)
        self.assertEqual((other.status, other.json()["code"]), (409, "idempotency_conflict"))
        finish(one.json()["session_id"])

    def test_compare(self):
        a, b = (finish(start(max_episodes=4, seed=s))["session_id"] for s in (1, 2))
        both = server.get(f"/api/compare?sessions={a},{b}").json()
        self.assertEqual(both["differences"], {"seed": [1, 2]})
        self.assertEqual([i["id"] for i in both["items"]], [a, b])
        self.assertEqual(both["history"]["episodes"], [0, 4])
        self.assertTrue(both["same_scenario"])
        self.assertEqual(server.get(f"/api/compare?sessions={a}").status, 400)
        self.assertEqual(server.get(f"/api/compare?sessions={a},session_0_0").status, 404)


class Sockets(unittest.TestCase):
    def test_default_stream_ends_with_final_and_1000(self):
        session = start(max_episodes=30, pace_ms=20)
        ws = WebSocket(server.port, f"/ws/training/{session}?interval_ms=100")
        seen = []
        with self.assertRaises(Closed) as closed:
            while True:
                seen.append(ws.receive())
        self.assertEqual(closed.exception.code, 1000)
        self.assertEqual({m["type"] for m in seen}, {"training_update"})
        self.assertTrue(seen[-1]["final"])
        self.assertEqual(seen[-1]["data"]["status"], "completed")
        seqs = [m["seq"] for m in seen if not m.get("heartbeat")]
        self.assertEqual(seqs, sorted(set(seqs)))
        again = WebSocket(server.port, f"/ws/training/{session}")
        self.assertTrue(again.receive()["final"])

    def test_all_events_survive_broken_sockets(self):
        session = start(max_episodes=40, pace_ms=25)
        rows, since, kinds = [], 0, set()
        for turn in range(200):
            ws = WebSocket(server.port, f"/ws/training/{session}?events=all&interval_ms=200&since={since}")
            try:
                for _ in range(12 if turn < 10 else 100000):
                    message = ws.receive()
                    kinds.add(message["type"])
                    if message["type"] in ("episode", "episodes"):
                        rows += message["data"] if message["type"] == "episodes" else [message["data"]]
                    if not message.get("heartbeat"):
                        since = max(since, message["seq"])
            except Closed as closed:
                self.assertEqual(closed.code, 1000)
                break
            ws.close()
        history = server.get(f"/api/training/{session}/history").json()
        self.assertEqual([r["episode"] for r in rows], [r["episode"] for r in history])
        for key in ("reward", "avg_reward", "loss", "env_steps"):
            self.assertEqual([r[key] for r in rows], [r[key] for r in history], key)
        self.assertLessEqual({"evaluation", "status", "checkpoint", "model_saved"}, kinds)

    def test_messages_and_close_codes(self):
        session = running()
        ws = WebSocket(server.port, "/ws/training/" + session)
        ws.receive()
        ws.send({"type": "ping", "id": 7})
        ws.send({"type": "set_interval", "ms": 250})
        ws.send({"type": "dance"})
        wanted = [{"type": "pong", "id": 7}, {"type": "ack", "for": "set_interval"},
                  {"type": "error", "code": "unknown_message"}]
        got = []
        while len(got) < 3:
            message = ws.receive()
            if message["type"] != "training_update":
                got.append(message)
        self.assertEqual(got, wanted)
        ws.send_frame(2, b"\0")
        with self.assertRaises(Closed) as closed:
            while True:
                ws.receive()
        self.assertEqual(closed.exception.code, 1003)
        for send, code in ((b"x" * 20000, 1009),):
            ws = WebSocket(server.port, "/ws/training/" + session)
            ws.send_frame(1, send)
            with self.assertRaises(Closed) as closed:
                while True:
                    ws.receive()
            self.assertEqual(closed.exception.code, code)
        with self.assertRaises(Closed) as closed:
            WebSocket(server.port, "/ws/training/session_0_0").receive()
        self.assertEqual(closed.exception.code, 4404)
        server.post(f"/api/training/{session}/stop?save=false")
        finish(session)

    def test_a_reader_that_never_reads_delays_nobody(self):
        session = start(max_episodes=1000, batch_size=1, pace_ms=1, eval_interval=1, eval_episodes=200, checkpoint_interval=0)
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(f"GET /ws/training/{session}?events=all&interval_ms=100 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                     "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
        fast = WebSocket(server.port, f"/ws/training/{session}?events=all&interval_ms=100")
        last = 0
        with self.assertRaises(Closed) as closed:
            while True:
                began = time.monotonic()
                message = fast.receive()
                self.assertLess(time.monotonic() - began, 6)
                last = message.get("seq", last)
        self.assertEqual(closed.exception.code, 1000)
        self.assertGreater(last, 500)
        slow.close()

    def test_server_sent_events(self):
        session = start(max_episodes=5, pace_ms=50)
        stream = urllib.request.urlopen(f"http://127.0.0.1:{server.port}/api/training/{session}/events", timeout=60)
        text = stream.read().decode()
        for event in ("training_update", "evaluation", "status", "model_saved"):
            self.assertIn("event: " + event, text)


class Models(unittest.TestCase):
    def test_act_by_state_and_by_observation(self):
        model = trained_model()
        state = {"label": "payment_failed", "task": "payment_failed", "facts": {"charged": "true"},
                 "done": ["lookup_user", "check_payment"], "last": "ok", "t": 2}
        answer = server.post(f"/api/models/{model}/act", {"state": state}).json()
        self.assertEqual((answer["action"], answer["action_index"]), ("refund", 5))
        self.assertAlmostEqual(sum(answer["probabilities"].values()), 1, 4)
        seen = server.post("/api/scenarios/customer_support/envs", {"seed": 42, "index": 1}).json()
        one = server.post(f"/api/models/{model}/act", {"observation": seen["observation"]}).json()
        many = server.post(f"/api/models/{model}/act", {"observations": [seen["observation"]] * 3}).json()
        self.assertEqual([a["action"] for a in many["actions"]], [one["action"]] * 3)
        for bad in ({"observation": [1, 2]}, {"state": {"label": "nope"}}, {}, {"state": {}, "observation": []},
                    {"observations": [[1]]}):
            self.assertEqual(server.post(f"/api/models/{model}/act", bad).status, 422, bad)

    def test_evaluate_is_repeatable(self):
        model = trained_model()
        body = {"episodes": 100, "seed": 3, "trials": 4}
        one, two = (server.post(f"/api/models/{model}/evaluate", body) for _ in range(2))
        self.assertEqual(one.status, 200, one)
        self.assertEqual(one.body, two.body)
        answer = one.json()
        self.assertEqual(sum(t["episodes"] for t in answer["per_task"]), 100)
        self.assertEqual(sum(map(sum, answer["confusion"])), 100)
        self.assertIn("4", answer["pass_k"])
        self.assertLessEqual(len(answer["worst_episodes"]), 5)
        self.assertEqual(server.post(f"/api/models/{model}/evaluate", {"episodes": 5}).status, 422)

    def test_bundle_round_trip_and_damage(self):
        source = finish(start(max_episodes=3, seed=99))["model_id"]
        first = server.get(f"/api/models/{source}/export")
        self.assertIn(".agym.json", first.headers["content-disposition"])
        bundle = first.json()
        self.assertEqual(server.post("/api/models/import", bundle).json()["code"], "model_exists")
        server.request("DELETE", "/api/models/" + source)
        answer = server.post("/api/models/import", bundle)
        self.assertEqual(answer.status, 201, answer)
        imported = answer.json()["id"]
        self.assertNotEqual(imported, source)
        self.assertEqual(server.get(f"/api/models/{imported}/export").body, first.body)
        model = server.get("/api/models/" + imported).json()
        self.assertTrue(model["imported"])
        self.assertEqual(model["claimed_accuracy"], bundle["model"]["accuracy"])
        weights = bytearray(base64.b64decode(bundle["weights_base64"]))
        weights[-1] ^= 1
        damaged = {**bundle, "weights_base64": base64.b64encode(weights).decode()}
        self.assertEqual(server.post("/api/models/import", damaged).json()["code"], "checksum_mismatch")
        weights[400:404] = struct.pack("<f", float("nan"))
        nan = {**bundle, "weights_base64": base64.b64encode(weights).decode(),
               "weights_sha256": hashlib.sha256(weights).hexdigest()}
        self.assertEqual(server.post("/api/models/import", nan).json()["code"], "non_finite_weights")
        other = {**bundle, "scenario": {**bundle["scenario"], "max_steps": 13}}
        server.request("DELETE", "/api/models/" + imported)
        self.assertEqual(server.post("/api/models/import", other).json()["code"], "scenario_mismatch")
        self.assertEqual(server.post("/api/models/import", {"format": "x"}).status, 422)

    def test_exports_for_frameworks(self):
        model = trained_model()
        get = lambda kind: server.get(f"/api/models/{model}/export?format={kind}").json()  # noqa: E731
        table = get("table")
        self.assertEqual(table["format"], "agentgym-policy-table/1")
        self.assertGreaterEqual(table["coverage"], 0.999)
        self.assertGreater(len(table["rows"]), 100)
        self.assertAlmostEqual(sum(r["visits"] for r in table["rows"] if r["state"]["t"] == 0), 1, 6)
        row = table["rows"][20]
        self.assertEqual(server.post(f"/api/models/{model}/act", {"state": row["state"]}).json()["action"], row["action"])
        self.assertEqual(len(get("openai")["tools"]), 11)
        self.assertIn("call refund", get("openai")["system_prompt"])
        self.assertEqual(get("langchain")["mcp_connections"]["agentgym"]["transport"], "streamable_http")
        self.assertEqual(get("autogen")["provider"], "autogen_agentchat.agents.AssistantAgent")
        self.assertIn("agentgym_agent", get("crewai")["agents"])
        self.assertEqual(server.get(f"/api/models/{model}/export?format=zip").status, 422)

    def test_the_table_plays_tickets_without_the_model(self):
        for scenario in ("customer_support", "code_review", "data_analysis"):
            status = finish(start(scenario_id=scenario, algorithm="q_learning", max_episodes=100, batch_size=64, seed=2))
            table = server.get(f"/api/models/{status['model_id']}/export?format=table").json()
            key = lambda state: json.dumps(state, sort_keys=True)  # noqa: E731
            rows = {key(r["state"]): r["action"] for r in table["rows"]}
            env = server.post(f"/api/scenarios/{scenario}/envs", {"seed": 1}).json()
            path = "/api/envs/" + env["env_id"]
            for ticket in range(15):
                step = server.post(path + "/reset", {"seed": 1, "index": ticket}).json()
                done = False
                while not done:
                    self.assertIn(key(step["state"]), rows, scenario)
                    step = server.post(path + "/step", {"action": rows[key(step["state"])]}).json()
                    done = step["terminated"] or step["truncated"]
            server.request("DELETE", path)

    def test_rename(self):
        model = trained_model()
        self.assertEqual(server.request("PATCH", "/api/models/" + model, {"name": "support agent"}).json()["name"],
                         "support agent")
        self.assertEqual(server.request("PATCH", "/api/models/" + model, {"name": ""}).status, 422)

    def test_mcp(self):
        path = "/mcp/models/" + trained_model()
        call = lambda method, **p: server.post(path, {"jsonrpc": "2.0", "id": 1, "method": method, "params": p})  # noqa: E731
        self.assertEqual(call("initialize", protocolVersion="2025-03-26").json()["result"]["protocolVersion"], "2025-03-26")
        names = [t["name"] for t in call("tools/list").json()["result"]["tools"]]
        self.assertEqual(names, ["recommend_next_tool", "list_tools"])
        result = call("tools/call", name="recommend_next_tool", arguments={"state": {"label": "payment_failed"}}).json()["result"]
        self.assertFalse(result["isError"])
        self.assertIn("action", json.loads(result["content"][0]["text"]))
        self.assertTrue(call("tools/call", name="recommend_next_tool", arguments={"state": {"label": "x"}}).json()["result"]["isError"])
        self.assertEqual(call("nope").json()["error"]["code"], -32601)
        self.assertEqual(server.post(path, {"jsonrpc": "2.0", "method": "notifications/initialized"}).status, 202)
        self.assertEqual(server.get(path).status, 405)


class Interactive(unittest.TestCase):
    def test_the_recorded_ticket(self):
        env = server.post("/api/scenarios/customer_support/envs", {"seed": 42, "index": 1})
        self.assertEqual(env.status, 201, env)
        env = env.json()
        self.assertEqual(env["state"]["label"], "account_locked")
        self.assertEqual(len(env["tools"]), 11)
        path = "/api/envs/" + env["env_id"]
        rewards, outcomes = [], []
        for action in (0, "update_ticket", 2, "send_reset_link", 4, "refund"):
            step = server.post(path + "/step", {"action": action}).json()
            rewards.append(step["reward"])
            outcomes.append(step["info"]["outcome"])
        self.assertEqual(rewards, [-0.2, -0.7, 0.8, -3.2, 0.8, -3.2])
        self.assertEqual(outcomes, ["ok", "wasted", "ok", "violation", "ok", "violation"])
        last = server.post(path + "/step", {"action": "update_ticket"}).json()
        self.assertTrue(last["terminated"])
        self.assertEqual(last["info"]["truth"]["task"], "payment_failed")
        self.assertFalse(last["info"]["success"])
        over = server.post(path + "/step", {"action": 0})
        self.assertEqual((over.status, over.json()["code"]), (409, "episode_over"))
        self.assertEqual(server.post(path + "/reset", {"seed": 42, "index": 1}).json()["state"], env["state"])
        self.assertEqual(server.post(path + "/step", {"action": "dance"}).json()["detail"][0]["type"], "enum")
        self.assertEqual(server.request("DELETE", path).json(), {"status": "deleted"})
        self.assertEqual(server.get(path).json()["code"], "env_not_found")

    def test_a_custom_scenario_is_solved_like_the_built_in_one(self):
        built_in = server.get("/api/scenarios/customer_support").json()
        definition = {**built_in["definition"], "id": "my_support"}
        made = server.post("/api/scenarios", definition)
        self.assertEqual(made.status, 201, made)
        self.assertEqual(made.json()["analysis"], built_in["analysis"])
        self.assertEqual(server.post("/api/scenarios", definition).json()["code"], "scenario_exists")
        session = start(scenario_id="my_support", max_episodes=2)
        self.assertEqual(finish(session)["status"], "completed")
        cyclic = json.loads(json.dumps({**definition, "id": "cyclic"}))
        plan = cyclic["tasks"][0]["plan"]
        plan[0]["after"] = [plan[-1]["tool"]]
        self.assertEqual(server.post("/api/scenarios", cyclic).status, 422)
        self.assertEqual(server.post("/api/scenarios", {**definition, "id": "Bad Name"}).status, 422)
        self.assertEqual(server.request("DELETE", "/api/scenarios/customer_support").json()["code"], "scenario_builtin")
        self.assertEqual(server.request("DELETE", "/api/scenarios/my_support").json(), {"status": "deleted"})
        self.assertEqual(server.get("/api/scenarios/my_support").status, 404)


class Security(unittest.TestCase):
    def test_foreign_origin_and_host(self):
        for headers, status in (({"Origin": "http://evil.example"}, 403), ({"Host": "evil.example"}, 403),
                                ({"Origin": "http://localhost:3000"}, 200)):
            answer = server.request("PUT", "/api/settings", {}, headers)
            self.assertEqual(answer.status, status, headers)
        answer = server.request("OPTIONS", "/api/training/start", headers={
            "Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"})
        self.assertEqual((answer.status, answer.headers["access-control-allow-origin"]), (200, "http://localhost:3000"))
        answer = server.request("OPTIONS", "/api/training/start", headers={
            "Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
        self.assertEqual(answer.status, 400)

    def test_keys_are_refused_without_a_secret(self):
        answer = server.request("PUT", "/api/settings", {"openaiKey": "sk-test-1234"})
        self.assertEqual((answer.status, answer.json()["code"]), (422, "secrets_disabled"))

    def test_settings_are_defaults_of_new_sessions_and_survive(self):
        with Server(BUILD, config=CONFIG) as own:
            self.assertEqual(own.get("/api/settings").json(), {
                "framework": "LangChain", "llmProvider": "OpenAI", "maxEpisodes": 200, "learningRate": 0.001,
                "autoSave": True, "openaiKey": "", "anthropicKey": "", "openaiKeySet": False, "anthropicKeySet": False})
            answer = own.request("PUT", "/api/settings", {"maxEpisodes": 3, "learningRate": 0.01, "autoSave": False})
            self.assertEqual(answer.json()["maxEpisodes"], 3)
            self.assertEqual(own.request("PUT", "/api/settings", {"maxEpisodes": 0}).status, 422)
            self.assertEqual(own.request("PUT", "/api/settings", {"llmProvider": "Mock", "maxEpisodes": None}).json()["maxEpisodes"], 3)
            own.kill()
            own.start()
            self.assertEqual(own.get("/api/settings").json()["llmProvider"], "Mock")
            session = own.post("/api/training/start", {"scenario_id": "customer_support", "framework": "Generic"}).json()
            status = own.get("/api/training/" + session["session_id"]).json()
            self.assertEqual((status["max_episodes"], status["learning_rate"]), (3, 0.01))


class Secrets(unittest.TestCase):
    KEY = "sk-test-secret-1234"

    def test_keys_are_masked_kept_and_never_stored_in_clear(self):
        with Server(BUILD, start=False) as own:
            os.makedirs(os.path.join(own.data, "plugins.d"))
            with open(os.path.join(own.data, "plugins.d", "agentgym.conf"), "w", encoding="utf-8") as f:
                f.write('secret_key = "correct horse battery staple";\n')
            own.config_path = os.path.join(own.data, "lathe.conf")
            with open(own.config_path, "w", encoding="utf-8") as f:
                f.write(CONFIG)
            own.start()
            put = lambda body: own.request("PUT", "/api/settings", body).json()  # noqa: E731
            self.assertEqual(put({"openaiKey": self.KEY})["openaiKey"], "********1234")
            self.assertEqual(put({"openaiKey": "********1234", "maxEpisodes": 7})["openaiKey"], "********1234")
            own.kill()
            own.start()
            settings = own.get("/api/settings").json()
            self.assertEqual((settings["openaiKey"], settings["openaiKeySet"], settings["maxEpisodes"]), ("********1234", True, 7))
            for folder, _, files in os.walk(own.data):
                for name in files:
                    with open(os.path.join(folder, name), "rb") as f:
                        self.assertNotIn(self.KEY.encode(), f.read(), name)
            self.assertEqual((put({"openaiKey": ""})["openaiKey"], put({})["openaiKeySet"]), ("", False))


class Access(unittest.TestCase):
    def test_roles_tickets_and_sockets(self):
        with Server(BUILD, start=False) as own:
            tokens = {}
            for role, scope in (("viewer", "agentgym:read"), ("trainer", "agentgym:write")):
                tokens[role] = subprocess.run(
                    [os.path.join(BUILD, "bin", "lathed"), "--data", own.data, "--token", role, "--scopes", scope],
                    capture_output=True, text=True, check=True, timeout=60).stdout.split()[-1]
            own.config_path = os.path.join(own.data, "lathe.conf")
            with open(own.config_path, "w", encoding="utf-8") as f:
                f.write(CONFIG + 'auth = { required = "agentgym"; };\n')
            own.start()
            nobody, viewer, trainer = (Client(own.address, own.port, t) for t in (None, tokens["viewer"], tokens["trainer"]))
            answer = nobody.get("/api/scenarios")
            self.assertEqual(answer.status, 401)
            self.assertIn("Bearer", answer.headers["www-authenticate"])
            self.assertEqual(nobody.get("/api/health").status, 200)
            self.assertEqual(viewer.get("/api/scenarios").status, 200)
            self.assertEqual(viewer.post("/api/training/start", START).status, 403)
            self.assertEqual(trainer.request("PUT", "/api/settings", {}).status, 403)
            session = trainer.post("/api/training/start", {**START, "max_episodes": 500, "pace_ms": 20}).json()["session_id"]
            with self.assertRaises(Closed) as closed:
                WebSocket(own.port, "/ws/training/" + session).receive()
            self.assertEqual(closed.exception.code, 4401)
            ticket = viewer.post("/api/auth/ws-ticket").json()["ticket"]
            ws = WebSocket(own.port, f"/ws/training/{session}?ticket={ticket}")
            self.assertEqual(ws.receive()["type"], "training_update")
            with self.assertRaises(Closed):
                WebSocket(own.port, f"/ws/training/{session}?ticket={ticket}").receive()
            ws = WebSocket(own.port, "/ws/training/" + session,
                           {"Sec-WebSocket-Protocol": "lathe.training.v1, bearer." + tokens["viewer"]})
            self.assertEqual(ws.receive()["type"], "training_update")
            with self.assertRaises((Closed, ConnectionError)):
                WebSocket(own.port, f"/ws/training/{session}", {"Origin": "http://evil.example",
                                                                "Authorization": "Bearer " + tokens["viewer"]}).receive()


class Restart(unittest.TestCase):
    def test_kill_loses_nothing_and_changes_no_number(self):
        fields = {**START, "max_episodes": 40, "checkpoint_interval": 5, "seed": 21}
        plain = finish(start(**{k: v for k, v in fields.items()}))
        with Server(BUILD, config=CONFIG) as own:
            session = own.post("/api/training/start", {**fields, "pace_ms": 15}).json()["session_id"]
            for _ in range(3):
                time.sleep(0.4)
                own.kill()
                own.start()
                self.assertEqual(own.get("/api/training/" + session).status, 200)
            status = own.wait("/api/training/" + session, lambda s: s["status"] in FINAL)
            self.assertEqual(status["status"], "completed", status)
            mine = own.get(f"/api/training/{session}/history").json()
            ws = WebSocket(own.port, "/ws/training/" + session)
            self.assertTrue(ws.receive()["final"])
        other = server.get(f"/api/training/{plain['session_id']}/history").json()
        for row in mine + other:
            del row["elapsed_seconds"]
        self.assertEqual(mine, other)
        self.assertEqual((status["best_accuracy"], status["best_episode"]), (plain["best_accuracy"], plain["best_episode"]))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2, warnings="ignore")
