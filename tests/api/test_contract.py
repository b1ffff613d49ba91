#!/usr/bin/env python3
"""Generated bad requests against every operation of every contract: each is refused in the surface's own error shape,
none is a server error, and the server is as healthy afterwards as before.

usage: test_contract.py BUILD_DIR [unittest arguments]     SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import random
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Server  # noqa: E402

BUILD = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
ROOT = os.path.dirname(os.path.dirname(HERE))
SEED = int(os.environ.get("LATHE_SEED", "1"))
CONFIG = """
server = { validate_responses = true; };
log = { level = "warn"; access = false; };
"""
JUNK = [None, True, -1, 1.5, 10**30, "", "x" * 3000, "\u0001\u2028", [], [[]], {}, {"a": {"b": []}}, float("1e308")]


def operations(surface):
    with open(os.path.join(ROOT, "plugins", "api", surface, "openapi.json"), encoding="utf-8") as f:
        document = json.load(f)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if not operation.get("x-lathe-websocket"):
                yield document, path, method.upper(), operation


def resolve(document, schema):
    while "$ref" in schema:
        node = document
        for part in schema["$ref"].lstrip("#/").split("/"):
            node = node[part]
        schema = node
    return schema


def bodies(document, schema, rng):
    """Bodies that break the schema: wrong kinds of everything, members too many, members missing."""
    schema = resolve(document, schema)
    yield from (json.dumps(j).encode() for j in JUNK if not isinstance(j, dict))
    yield from (b"", b"{", b'{"a":1,"a":2}', b"\xff\xfe", b'"' + b"[" * 200, b"[" * 5000, b'{"a":NaN}', b"{}x")
    yield json.dumps({"no such member": 1}).encode()
    for name in schema.get("properties", {}):
        for value in rng.sample(JUNK, 5):
            yield json.dumps({name: value}).encode()


class Contract(unittest.TestCase):
    def check(self, surface, shape):
        rng = random.Random(SEED)
        sent = 0
        with Server(BUILD, config=CONFIG) as server:
            for document, path, method, operation in operations(surface):
                where = f"seed {SEED}: {method} {path}"
                for junk in ("nope", "%00", "%ff", "..%2f..%2fetc", "x" * 500):
                    target = path
                    for parameter in ("scenario_id", "session_id", "model_id", "env_id", "id"):
                        target = target.replace("{" + parameter + "}", junk)
                    answer = server.request(method, target, b"{}" if method in ("POST", "PUT", "PATCH") else None,
                                            {"Content-Type": "application/json"} if method in ("POST", "PUT", "PATCH") else {})
                    self.assertNotIn(answer.status, (500, 502), (where, junk, answer))
                    if "{" in path:
                        self.assertIn(answer.status, (400, 404, 422), (where, junk, answer))
                    else:
                        break
                content = operation.get("requestBody", {}).get("content", {}).get("application/json")
                if not content:
                    continue
                for body in bodies(document, content["schema"], rng):
                    answer = server.request(method, target, body, {"Content-Type": "application/json"})
                    sent += 1
                    if 200 <= answer.status < 300:
                        continue
                    self.assertIn(answer.status, (400, 404, 409, 413, 422, 429), (where, body[:200], answer))
                    self.assertTrue(shape(answer.json()), (where, answer))
            self.assertGreater(sent, 100)
            self.assertEqual(server.get("/-/health").status, 200)
            self.assertEqual(server.stop(), 0, server.log()[-3000:])

    def test_agentgym(self):
        self.check("agentgym", lambda e: "detail" in e and "code" in e and "request_id" in e)

    def test_lathe(self):
        self.check("lathe", lambda e: {"code", "message", "field", "request_id"} <= set(e["error"]))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2, warnings="ignore")
