#!/usr/bin/env python3
"""The AgentGym surface with a store full of sessions, and with a reader that stands still beside a training.
Times are printed; what is asserted holds on slow machines too.

usage: test_agentgym_load.py BUILD_DIR [unittest arguments]     SPDX-License-Identifier: Apache-2.0
AGENTGYM_SESSIONS=10000 sets how many sessions are stored (default 1000).
"""
import http.client
import json
import os
import socket
import statistics
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Server  # noqa: E402

BUILD = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
SESSIONS = int(os.environ.get("AGENTGYM_SESSIONS", "1000"))
CONFIG = 'workers = { slots = 1; queue = 1000; };\nlog = { level = "warn"; access = false; };\n'
START = {"scenario_id": "customer_support", "framework": "LangChain", "max_episodes": 1, "seed": 5}


def say(text):
    print(text, file=sys.stderr)


class Talk:
    """One kept connection: connecting would be most of what is measured."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(server.address, server.port, timeout=120)

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        self.connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        answer = self.connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


class Store(unittest.TestCase):
    def fill(self, server):
        """Sessions that are stopped while one runs: each is stored with all it has, without a worker of its own."""
        talk = Talk(server)
        talk.call("POST", "/api/training/start", {**START, "max_episodes": 1000, "pace_ms": 5000})

        def some(count):
            mine = Talk(server)
            for _ in range(count):
                status, _, body = mine.call("POST", "/api/training/start", START)
                assert status == 200, body
                status, _, body = mine.call("POST", f"/api/training/{json.loads(body)['session_id']}/stop")
                assert status == 200, body

        threads = [threading.Thread(target=some, args=(SESSIONS // 20,)) for _ in range(20)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        return talk

    def listed(self, talk, path):
        times = []
        for _ in range(20):
            began = time.monotonic()
            status, headers, body = talk.call("GET", path)
            times.append((time.monotonic() - began) * 1000)
            self.assertEqual(status, 200)
        return headers, json.loads(body), statistics.median(times)

    def test_lists_and_starts_with_many_sessions(self):
        with Server(BUILD, config=CONFIG) as server:
            began = time.monotonic()
            talk = self.fill(server)
            say(f"\n{SESSIONS} sessions stored in {time.monotonic() - began:.1f} s")
            for turn in ("filled", "started again"):
                for path in ("/api/training?limit=100", "/api/training?limit=100&status=stopped",
                             f"/api/training?limit=100&offset={SESSIONS - 100}", "/api/models?limit=100"):
                    headers, rows, median = self.listed(talk, path)
                    say(f"{turn}: {path}: {median:.2f} ms")
                    self.assertLess(median, 500)
                    if "training" in path:
                        self.assertEqual(len(rows), 100)
                        self.assertGreaterEqual(int(headers["X-Total-Count"]), SESSIONS // 20 * 20)
                if turn == "filled":
                    server.kill()
                    began = time.monotonic()
                    server.start()
                    say(f"started again in {time.monotonic() - began:.2f} s")
                    talk = Talk(server)


class StandingStill(unittest.TestCase):
    def steps_per_second(self, server, silent):
        session = server.post("/api/training/start", {
            **START, "max_episodes": 150, "eval_interval": 1000, "checkpoint_interval": 0}).json()["session_id"]
        sockets = []
        for _ in range(40 if silent else 0):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            s.connect((server.address, server.port))
            s.sendall(f"GET /ws/training/{session}?events=all&interval_ms=100 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
            sockets.append(s)
        status = server.wait("/api/training/" + session, lambda x: x["status"] == "completed", timeout=120)
        [s.close() for s in sockets]
        return status["env_steps"] / status["elapsed_seconds"], status["env_steps"]

    def test_forty_silent_sockets_beside_a_training(self):
        speeds, steps = {False: [], True: []}, set()
        with Server(BUILD, config=CONFIG) as server:
            for _ in range(4):
                for silent in (False, True):
                    speed, count = self.steps_per_second(server, silent)
                    speeds[silent].append(speed)
                    steps.add(count)
        alone, beside = max(speeds[False]), max(speeds[True])
        say(f"\nalone {alone:.0f} steps/s, beside 40 silent sockets {beside:.0f} steps/s: {100 * (beside / alone - 1):+.1f} %")
        self.assertEqual(len(steps), 1, "sockets change no number")
        self.assertGreater(beside, alone * 0.3)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2, warnings="ignore")
