#!/usr/bin/env python3
"""The Twin surface: the requests of its contract as written, conventions, bad input, telemetry, alerts, streams, crashes.

usage: test_twin.py BUILD_DIR [unittest arguments]     SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import datetime
import gzip
import http.client
import json
import os
import random
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
sys.path.insert(0, HERE)
from server import Server  # noqa: E402
import test_contract  # noqa: E402
from websocket import WebSocket  # noqa: E402

BUILD = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
CONFIG = """
server = { validate_responses = true; };
workers = { slots = 1; };
log = { level = "warn"; access = false; };
"""
NO_LIMIT = "rate_limit = 0;\n"
TWIN = {"id", "name", "description", "type", "status", "sensor_count", "actuator_count", "created_at", "updated_at"}
SENSOR = {"id", "name", "description", "unit", "current_value", "min_value", "max_value", "last_updated"}
ACTUATOR = {"id", "name", "description", "type", "current_state", "last_updated"}
T0 = 1767600000  # 2026-01-05T08:00:00Z
server = None
count = 0


def launch(options=NO_LIMIT, data=None, **kw):
    """A server with these options of the surface."""
    folder = tempfile.mkdtemp(prefix="lathe-twin-")
    with open(os.path.join(folder, "twin.conf"), "w", encoding="utf-8") as f:
        f.write(options)
    return Server(BUILD, data=data, config=CONFIG + f'paths = {{ plugin_config = "{folder}"; }};\n', **kw)


def setUpModule():
    global server
    server = launch()


def tearDownModule():
    code = server.stop()
    log = server.log()
    server.__exit__()
    assert code == 0, log[-4000:]
    assert "ERROR: AddressSanitizer" not in log and "runtime error" not in log, log[-6000:]
    assert "contract" not in log, log[-6000:]


def stamp(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def twin(**fields):
    global count
    count += 1
    body = {"id": f"twin-{count}", "name": f"Twin {count}", **fields}
    answer = server.post("/api/twins", body)
    assert answer.status == 201, answer
    return "/api/twins/" + body["id"]


def sensor(path, name="level", **fields):
    answer = server.post(path + "/sensors", {"id": name, "name": name.title(), "unit": "m", **fields})
    assert answer.status == 201, answer
    return path + "/sensors/" + name


def ingest(path, points, **query):
    at = "?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else ""
    return server.post(path + "/telemetry" + at, {"points": points})


def patch(path, body, **headers):
    return server.request("PATCH", path, body, headers=headers)


class Base(unittest.TestCase):
    def refused(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        error = answer.json()["error"]
        self.assertEqual(error["code"], code, answer)
        self.assertEqual(set(error), {"code", "message", "details"})
        self.assertTrue(error["message"])
        self.assertIn("x-request-id", answer.headers)
        return error


class Contract(Base):
    """Every request of the contract as it is printed there."""

    def test_requests_in_order(self):
        body = {"id": "heat-exchanger-1", "name": "Primary Heat Exchanger",
                "description": "Main heat exchanger for cooling system", "type": "equipment",
                "metadata": {"manufacturer": "HeatTech Inc", "model": "HT-5000", "installation_date": "2024-06-01"}}
        made = server.post("/api/twins", body)
        self.assertEqual(made.status, 201)
        data = made.json()["data"]
        self.assertLessEqual(TWIN | {"sensors", "actuators", "metadata"}, set(data))
        self.assertEqual({k: data[k] for k in body}, body)
        self.assertEqual((data["status"], data["sensor_count"], data["sensors"], data["actuators"]), ("active", 0, [], []))
        self.assertEqual(made.headers["location"], "/api/twins/heat-exchanger-1")
        at = "/api/twins/heat-exchanger-1"

        flow = {"id": "flow_rate", "name": "Flow Rate", "description": "Pump flow rate measurement", "unit": "L/min",
                "current_value": 150.0, "min_value": 0.0, "max_value": 500.0}
        answer = server.post(at + "/sensors", flow)
        self.assertEqual(answer.status, 201)
        data = answer.json()["data"]
        self.assertLessEqual(SENSOR, set(data))
        self.assertEqual({k: data[k] for k in flow}, flow)

        change = {"current_value": 155.5, "min_value": 0.0, "max_value": 600.0}
        data = patch(at + "/sensors/flow_rate", change).json()["data"]
        self.assertEqual({**data, **change}, data)
        self.assertEqual(data["description"], flow["description"])

        speed = {"id": "speed_control", "name": "Speed Control", "description": "Pump speed control",
                 "type": "continuous", "current_state": 0.75}
        answer = server.post(at + "/actuators", speed)
        self.assertEqual(answer.status, 201)
        data = answer.json()["data"]
        self.assertLessEqual(ACTUATOR, set(data))
        self.assertEqual({k: data[k] for k in speed}, speed)
        data = patch(at + "/actuators/speed_control", {"current_state": 0.85}).json()["data"]
        self.assertEqual(data["current_state"], 0.85)

        body = {"name": "Primary Heat Exchanger (Updated)",
                "description": "Main heat exchanger for cooling system with enhanced monitoring", "status": "active",
                "metadata": {"manufacturer": "HeatTech Inc", "model": "HT-5000", "installation_date": "2024-06-01",
                             "last_maintenance": "2025-11-01"}}
        data = patch(at, body).json()["data"]
        self.assertEqual({**data, **body}, data)
        self.assertEqual((data["sensor_count"], data["actuator_count"]), (1, 1))
        self.assertNotIn("sensors", data)

        data = server.get(at).json()["data"]
        self.assertLessEqual(SENSOR, set(data["sensors"][0]))
        self.assertLessEqual(ACTUATOR, set(data["actuators"][0]))

        listed = server.get("/api/twins?page=1&per_page=20&sort=-name&type=equipment&status=active&search=exchanger").json()
        self.assertEqual([set(t) for t in listed["data"]], [TWIN])
        self.assertEqual(listed["meta"]["pagination"],
                         {"total_items": 1, "total_pages": 1, "current_page": 1, "per_page": 20})
        self.assertTrue(listed["links"]["self"].startswith("/api/twins?page=1&per_page=20"))
        self.assertNotIn("next", listed["links"])

        history = server.get(at + "/sensors/flow_rate/history?interval=1m").json()
        self.assertEqual(sum(p["count"] for p in history["data"]), 2)
        self.assertEqual(set(history["meta"]["aggregation"]) - {"unit"}, {"interval", "start_date", "end_date"})
        self.assertEqual(history["meta"]["pagination"]["per_page"], 100)

        status = server.get(at + "/status").json()["data"]
        self.assertLessEqual({"id", "name", "status", "health", "last_sync", "sensors", "actuators", "alerts"}, set(status))
        self.assertEqual(status["sensors"], {"total": 1, "healthy": 1, "warning": 0, "error": 0})
        self.assertEqual(status["actuators"], {"total": 1, "operational": 1, "error": 0})
        self.assertEqual(status["health"], "good")

        error = self.refused(server.post(at + "/sync", {"force": False, "timeout": 30}), 409, "SYNC_FAILED")
        self.assertEqual(error["details"]["reason"], "no_connector")
        self.assertEqual(error["details"]["missing"], ["flow_rate", "speed_control"])

        for path in (at + "/sensors/flow_rate", at + "/actuators/speed_control", at):
            answer = server.request("DELETE", path)
            self.assertEqual((answer.status, answer.body), (204, b""))
        self.refused(server.get(at), 404, "TWIN_NOT_FOUND")

    def test_the_examples(self):
        server.post("/api/twins", {"id": "compressor-1", "name": "Air Compressor Unit 1",
                                   "description": "Main air compressor for production line", "type": "equipment",
                                   "metadata": {"manufacturer": "CompressAir Inc", "model": "CA-2000"}})
        for body in ({"id": "temperature", "name": "Temperature", "unit": "°C", "current_value": 45.0,
                      "min_value": 0.0, "max_value": 80.0},
                     {"id": "pressure", "name": "Pressure", "unit": "bar", "current_value": 8.5,
                      "min_value": 0.0, "max_value": 12.0}):
            answer = server.post("/api/twins/compressor-1/sensors", body)
            self.assertEqual((answer.status, answer.json()["data"]["unit"]), (201, body["unit"]))
        history = server.get("/api/twins/compressor-1/sensors/temperature/history?start_date=2025-11-16T04:05:00Z"
                             "&end_date=2025-11-17T04:05:00Z&interval=1h").json()
        self.assertEqual(history["data"], [])
        self.assertEqual(history["meta"]["aggregation"]["start_date"], "2025-11-16T04:00:00Z")
        self.assertEqual(history["meta"]["aggregation"]["end_date"], "2025-11-17T05:00:00Z")

    def test_both_prefixes(self):
        at = twin().replace("/api/", "/api/v1/")
        self.assertEqual(server.get(at).status, 200)
        self.assertTrue(server.get("/api/v1/twins").json()["links"]["self"].startswith("/api/v1/twins?"))


class Conventions(Base):
    def test_pages_sort_filter_search(self):
        for i in range(45):
            server.post("/api/twins", {"id": f"page-{i:02}", "name": f"Seite {i % 7}", "type": "vehicle",
                                       "description": "Hauptkühlpumpe" if i == 3 else "100% fit" if i == 4 else ""})
        sizes, seen = [], []
        for page in range(1, 5):
            answer = server.get(f"/api/twins?type=vehicle&page={page}").json()
            sizes.append(len(answer["data"]))
            seen += [t["id"] for t in answer["data"]]
            self.assertEqual("prev" in answer["links"], page > 1)
            self.assertEqual("next" in answer["links"], page < 3)
            self.assertEqual(answer["meta"]["pagination"]["total_pages"], 3)
        self.assertEqual((sizes, seen), ([20, 20, 5, 0], [f"page-{i:02}" for i in range(45)]))
        down = server.get("/api/twins?type=vehicle&sort=-name&per_page=100").json()["data"]
        self.assertEqual([t["id"] for t in down],
                         [t["id"] for t in sorted(sorted(down, key=lambda t: t["id"]), key=lambda t: t["name"], reverse=True)])
        for words, ids in (("KÜHL", ["page-03"]), ("100%25", ["page-04"]), ("100%25%20FIT", ["page-04"]), ("_", [])):
            query = urllib.parse.quote(words, safe="%")
            self.assertEqual([t["id"] for t in server.get(f"/api/twins?type=vehicle&search={query}").json()["data"]], ids)
        self.assertEqual(server.get("/api/twins?type=nothing").json()["data"], [])

    def test_bad_parameters(self):
        for query, name in (("page=0", "page"), ("per_page=101", "per_page"), ("sort=colour", "sort"), ("sort=-", "sort"),
                            ("status=gone", "status"), ("who=me", "who"), ("search=", "search"), ("page=x", "page"),
                            ("updated_since=now", "updated_since"), ("health=ill", "health")):
            error = self.refused(server.get("/api/twins?" + query), 400, "INVALID_PARAMETER")
            self.assertEqual(error["details"]["parameter"], name)

    def test_etag_and_if_match(self):
        at = twin()
        level = sensor(at)
        tag = server.get(at).headers["etag"]
        self.assertEqual(server.get(at, headers={"If-None-Match": tag}).status, 304)
        before = server.get(at).json()["data"]["updated_at"]
        self.assertEqual(patch(level, {"current_value": 1}).status, 200)
        answer = server.get(at)
        self.assertEqual(answer.json()["data"]["updated_at"], before)
        self.assertNotEqual(answer.headers["etag"], tag)
        self.assertEqual(answer.headers["etag"].split(".")[0], tag.split(".")[0])
        revision = tag.strip('"').split(".")[0]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda i: patch(at, {"name": f"n{i}"}, **{"If-Match": revision}), range(40)))
        codes = [a.status for a in answers]
        self.assertEqual((codes.count(200), codes.count(412)), (1, 39))
        self.refused(server.request("DELETE", at, headers={"If-Match": revision}), 412, "PRECONDITION_FAILED")
        with launch(NO_LIMIT + "require_if_match = true;\n") as strict:
            self.assertEqual(strict.post("/api/twins", {"id": "a", "name": "A"}).status, 201)
            self.refused(strict.request("PATCH", "/api/twins/a", {"name": "B"}), 428, "PRECONDITION_REQUIRED")
            self.assertEqual(strict.request("PATCH", "/api/twins/a", {"name": "B"}, headers={"If-Match": "r1"}).status, 200)

    def test_idempotency(self):
        body = {"id": "once", "name": "Once"}
        key = {"Idempotency-Key": "k-1"}
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: server.post("/api/twins", body, headers=key), range(50)))
        good = {a.body for a in answers if a.status == 201}
        self.assertEqual(len(good), 1)
        for a in answers:
            if a.status != 201:
                self.refused(a, 409, "IDEMPOTENCY_IN_PROGRESS")
        again = server.post("/api/twins", body, headers=key)
        self.assertEqual((again.body, again.headers["idempotent-replayed"]), (good.pop(), "true"))
        self.assertEqual(again.headers["location"], "/api/twins/once")
        self.refused(server.post("/api/twins", {**body, "id": "other"}, headers=key), 422, "IDEMPOTENCY_KEY_REUSED")

    def test_rate_limit(self):
        with launch("rate_limit = 5;\n") as slow:
            answers = [slow.get("/api/twins") for _ in range(8)]
            self.assertEqual(answers[0].headers["x-ratelimit-limit"], "5")
            self.assertEqual(answers[0].headers["x-ratelimit-remaining"], "4")
            self.assertGreater(int(answers[0].headers["x-ratelimit-reset"]), time.time() - 5)
            self.refused(answers[-1], 429, "RATE_LIMIT_EXCEEDED")
            self.assertIn("retry-after", answers[-1].headers)

    def test_unknown_paths_and_methods(self):
        self.refused(server.get("/api/twins/x/nothing"), 404, "NOT_FOUND")
        answer = server.request("PUT", "/api/twins", {})
        self.refused(answer, 405, "METHOD_NOT_ALLOWED")
        self.assertIn("POST", answer.headers["allow"])


class Input(Base):
    def test_twins(self):
        good = {"id": "bad-input", "name": "N"}
        cases = [({}, "VALIDATION_ERROR", "/id"), ({**good, "id": "_x"}, "VALIDATION_ERROR", "/id"),
                 ({**good, "name": ""}, "VALIDATION_ERROR", "/name"), ({**good, "name": "a" * 201}, "VALIDATION_ERROR", "/name"),
                 ({**good, "name": None}, "VALIDATION_ERROR", "/name"), ({**good, "colour": 1}, "VALIDATION_ERROR", "/colour"),
                 ({**good, "metadata": []}, "VALIDATION_ERROR", "/metadata"),
                 ({**good, "metadata": {"a": "x" * 40000}}, "VALIDATION_ERROR", "/metadata")]
        for body, code, path in cases:
            error = self.refused(server.post("/api/twins", body), 422, code)
            self.assertIn(path, [f["path"] for f in error["details"]["fields"]], body)
        error = self.refused(server.post("/api/twins", {**good, "type": "spaceship"}), 422, "INVALID_TWIN_TYPE")
        self.assertIn("equipment", error["details"]["allowed"])
        for raw in (b"{", b'{"id":"a","id":"b","name":"c"}', b"\xff", b"[1", b"nul"):
            answer = server.request("POST", "/api/twins", raw, headers={"Content-Type": "application/json"})
            self.refused(answer, 400, "INVALID_JSON")
        answer = server.request("POST", "/api/twins", b"id=1", headers={"Content-Type": "text/plain"})
        self.refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
        self.refused(server.get("/api/twins/bad-input"), 404, "TWIN_NOT_FOUND")
        half = {**good, "sensors": [{"id": "a", "name": "A", "unit": "m"}, {"id": "a", "name": "A", "unit": "m"}]}
        self.refused(server.post("/api/twins", half), 409, "SENSOR_EXISTS")
        self.refused(server.get("/api/twins/bad-input"), 404, "TWIN_NOT_FOUND")

    def test_changes(self):
        at = twin()
        self.refused(server.post("/api/twins", {"id": at.split("/")[-1], "name": "again"}), 409, "TWIN_EXISTS")
        for field in ("id", "created_at", "sensor_count", "sensors"):
            self.refused(patch(at, {field: 1}), 422, "IMMUTABLE_FIELD")
        self.refused(patch(at, {"name": None}), 422, "VALIDATION_ERROR")
        before = server.get(at).headers["etag"]
        self.assertEqual(patch(at, {}).status, 200)
        self.assertEqual(server.get(at).headers["etag"], before)
        patch(at, {"metadata": {"a": 1, "b": {"c": 2, "d": 3}}})
        answer = patch(at, {"metadata": {"a": None, "b": {"c": 5}}}, **{"Content-Type": "application/merge-patch+json"})
        self.assertEqual(answer.json()["data"]["metadata"], {"b": {"c": 5, "d": 3}})
        self.assertEqual(patch(at, {"status": "archived"}).status, 200)
        self.refused(patch(at, {"name": "x"}), 409, "TWIN_ARCHIVED")
        self.refused(server.post(at + "/sensors", {"id": "a", "name": "A", "unit": "m"}), 409, "TWIN_ARCHIVED")
        self.assertEqual(patch(at, {"status": "inactive"}).status, 200)
        self.refused(server.post(at + "/sync"), 409, "TWIN_INACTIVE")

    def test_sensors(self):
        at = twin()
        level = sensor(at, current_value=2, min_value=0, max_value=4)
        good = {"id": "b", "name": "B", "unit": "m"}
        self.refused(server.post(at + "/sensors", {**good, "id": "level"}), 409, "SENSOR_EXISTS")
        for extra, path in (({"min_value": 4, "max_value": 4}, "/min_value"), ({"warn_low": 9, "max_value": 4}, "/warn_low"),
                            ({"hysteresis": -1}, "/hysteresis"), ({"unit": ""}, "/unit"), ({"state": "good"}, "/state"),
                            ({"current_value": "1"}, "/current_value"), ({"current_value": None}, "/current_value")):
            error = self.refused(server.post(at + "/sensors", {**good, **extra}), 422, "VALIDATION_ERROR")
            self.assertEqual(error["details"]["fields"][0]["path"], path)
        self.refused(server.post(at + "/sensors", {**good, "current_value": "NaN"}), 422, "NON_FINITE")
        raw = b'{"current_value": 1e999}'
        self.refused(server.request("PATCH", level, raw, headers={"Content-Type": "application/json"}), 422, "NON_FINITE")
        self.refused(patch(at + "/sensors/none", {"current_value": 1}), 404, "SENSOR_NOT_FOUND")
        self.refused(patch(level, {"id": "new"}), 422, "IMMUTABLE_FIELD")
        self.refused(patch(level, {"unit": "cm"}), 409, "UNIT_CHANGE_AMBIGUOUS")
        self.assertEqual(patch(level, {"unit": "cm", "unit_change": "relabel"}).json()["data"]["current_value"], 2.0)
        self.assertIsNone(patch(level, {"unit": "mm", "unit_change": "new_series"}).json()["data"]["current_value"] and None)
        self.assertEqual(server.get(at).json()["data"]["sensor_count"], 1)

    def test_actuators(self):
        at = twin()
        for body in ({"id": "power", "name": "P", "type": "binary"},
                     {"id": "valve", "name": "V", "type": "continuous", "current_state": 0, "min_value": 0, "max_value": 1}):
            self.assertEqual(server.post(at + "/actuators", body).status, 201)
        power, valve = at + "/actuators/power", at + "/actuators/valve"
        self.refused(server.post(at + "/actuators", {"id": "power", "name": "P", "type": "binary"}), 409, "ACTUATOR_EXISTS")
        self.refused(server.post(at + "/actuators", {"id": "x", "name": "P", "type": "stepper"}), 422, "VALIDATION_ERROR")
        for state in (True, 1):
            self.assertIs(patch(power, {"current_state": state}).json()["data"]["current_state"], True)
        for state in (2, "on", None):
            self.refused(patch(power, {"current_state": state}), 422, "INVALID_STATE")
        self.refused(patch(valve, {"current_state": 1.0000001}), 422, "OUT_OF_RANGE")
        self.refused(patch(valve, {"current_state": True}), 422, "INVALID_STATE")
        self.refused(patch(valve, {"type": "binary"}), 422, "IMMUTABLE_FIELD")
        self.refused(patch(at + "/actuators/none", {"current_state": 1}), 404, "ACTUATOR_NOT_FOUND")
        self.assertEqual(server.get(valve + "/commands").json()["data"], [])
        patch(valve, {"current_state": 0.5})
        patch(valve, {"current_state": 0.25})
        commands = server.get(valve + "/commands").json()
        self.assertEqual([(c["requested"], c["previous"], c["status"]) for c in commands["data"]],
                         [(0.25, 0.5, "applied"), (0.5, 0.0, "applied")])
        self.assertEqual(patch(valve, {"max_rate": 0.001}).status, 200)
        self.refused(patch(valve, {"current_state": 1}), 422, "RATE_TOO_HIGH")
        patch(at, {"status": "inactive"})
        self.refused(patch(valve, {"current_state": 0.3}), 409, "TWIN_INACTIVE")


class Telemetry(Base):
    def history(self, path, **query):
        query = {"start_date": stamp(T0), "end_date": stamp(T0 + 86400), "per_page": 1000, **query}
        answer = server.get(path + "/history?" + "&".join(f"{k}={v}" for k, v in query.items()))
        self.assertEqual(answer.status, 200, answer)
        return answer.json()["data"]

    def test_buckets(self):
        at = twin()
        level = sensor(at)
        points = [{"sensor": "level", "ts": stamp(T0 + i), "value": i} for i in range(60)]
        self.assertEqual(ingest(at, points).json()["data"], {"accepted": 60, "rejected": 0, "errors": []})
        want = {"timestamp": stamp(T0), "value": 29.5, "min": 0.0, "max": 59.0, "count": 60}
        self.assertEqual(self.history(level, interval="1m"), [want])
        ingest(at, [{"sensor": "level", "ts": (T0 + 30) * 1000, "value": 1000}])
        for interval in ("1m", "5m", "1h", "1d"):
            (bucket,) = self.history(level, interval=interval)
            self.assertEqual((bucket["count"], bucket["max"], round(bucket["value"], 3)), (60, 1000.0, 45.667))
        ingest(at, points[:30])
        self.assertEqual(self.history(level, interval="1m")[0]["count"], 60)
        self.assertEqual(len(self.history(level)), 60)
        self.assertEqual(self.history(level, order="desc", per_page=1)[0]["timestamp"], stamp(T0 + 59))
        self.assertEqual(server.get(level).json()["data"]["current_value"], 59.0)

    def test_fill_and_forms(self):
        at = twin()
        level = sensor(at)
        ingest(at, [{"sensor": "level", "ts": T0, "value": 1}, {"sensor": "level", "ts": T0 + 180, "value": 4}], precision="s")
        span = {"interval": "1m", "end_date": stamp(T0 + 300)}
        for fill, values in (("none", [1, 4]), ("null", [1, None, None, 4, None]), ("previous", [1, 1, 1, 4, 4]),
                             ("linear", [1, 2, 3, 4, None])):
            self.assertEqual([p["value"] for p in self.history(level, fill=fill, **span)], values)
        plain = server.get(f"{level}/history?start_date={stamp(T0)}&end_date={stamp(T0 + 300)}&format=csv")
        self.assertEqual(plain.headers["content-type"].split(";")[0], "text/csv")
        self.assertEqual(plain.body.decode().split("\r\n")[1], f"{stamp(T0)},1")
        lines = server.get(f"{level}/history?start_date={stamp(T0)}&end_date={stamp(T0 + 300)}&format=ndjson").body
        self.assertEqual([json.loads(x)["value"] for x in lines.splitlines()], [1.0, 4.0])
        rows = server.post("/api/telemetry/query", {"series": [{"twin_id": at.split("/")[-1], "sensor_id": "l*"},
                                                               {"twin_id": "nobody", "sensor_id": "x"}],
                                                    "start_date": stamp(T0), "end_date": stamp(T0 + 300), "interval": "1m",
                                                    "fields": ["avg", "max"]}).json()["data"]
        self.assertEqual(rows[0]["columns"], ["timestamp", "avg", "max"])
        self.assertEqual(rows[0]["rows"], [[stamp(T0), 1.0, 1.0], [stamp(T0 + 180), 4.0, 4.0]])
        self.assertEqual(rows[1]["error"]["code"], "TWIN_NOT_FOUND")

    def test_bad_ranges(self):
        level = sensor(twin())
        for query, code in (("start_date=2026-01-02T00:00:00Z&end_date=2026-01-01T00:00:00Z", "INVALID_RANGE"),
                            ("start_date=1990-01-01T00:00:00Z&interval=1m", "RANGE_TOO_LARGE"),
                            ("start_date=yesterday", "INVALID_PARAMETER"), ("interval=2m", "INVALID_PARAMETER"),
                            ("per_page=1001", "INVALID_PARAMETER"), ("start_date=2026-02-30T00:00:00Z", "INVALID_PARAMETER")):
            self.refused(server.get(level + "/history?" + query), 400, code)
        self.refused(server.get(level.replace("level", "none") + "/history"), 404, "SENSOR_NOT_FOUND")

    def test_forms_of_ingest(self):
        at = twin()
        name = at.split("/")[-1]
        level, flow = sensor(at), sensor(at, "flow")
        body = {"twin": name, "ts": [T0 * 1000, T0 * 1000 + 1000], "sensors": {"level": [1, None], "flow": [2, 3]}}
        self.assertEqual(server.post("/api/telemetry", body).json()["data"]["accepted"], 3)
        packed = gzip.compress(f"# remark\n{name},site=a level=5i,flow=6.5 {T0 + 5}\nx,twin={name} level=t {T0 + 6}\n".encode())
        answer = server.request("POST", "/api/telemetry?precision=s", packed,
                                headers={"Content-Type": "text/plain", "Content-Encoding": "gzip"})
        self.assertEqual(answer.json()["data"]["accepted"], 3)
        answer = server.request("POST", "/api/v2/write?bucket=b&org=o", f"{name} flow=7 {(T0 + 9) * 10**9}".encode(),
                                headers={"Content-Type": "text/plain; charset=utf-8"})
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual([p["value"] for p in self.history(level)], [1.0, 5.0, 1.0])
        self.assertEqual([p["value"] for p in self.history(flow)], [2.0, 3.0, 6.5, 7.0])
        answer = server.request("POST", "/api/v2/write?precision=s", f"{name} flow=8 {T0 + 10}\n{name} flow\n".encode(),
                                headers={"Content-Type": "text/plain"})
        self.assertEqual((answer.status, answer.json()["code"], answer.json()["line"]), (400, "invalid", 2))
        self.assertEqual(len(self.history(flow)), 5)

    def test_bad_points(self):
        at = twin()
        level = sensor(at)
        good = {"sensor": "level", "ts": stamp(T0), "value": 1}
        future = stamp(time.time() + 3600)
        cases = [({**good, "sensor": "none"}, "SENSOR_NOT_FOUND"), ({**good, "value": "x"}, "NON_NUMERIC"),
                 ({**good, "value": "NaN"}, "NON_FINITE"), ({**good, "ts": "today"}, "TIMESTAMP_INVALID"),
                 ({**good, "ts": future}, "TIMESTAMP_IN_FUTURE"), ({**good, "ts": -1}, "TIMESTAMP_INVALID")]
        data = ingest(at, [good] + [c[0] for c in cases]).json()["data"]
        self.assertEqual((data["accepted"], data["rejected"]), (1, len(cases)))
        self.assertEqual([(e["index"], e["code"]) for e in data["errors"]],
                         [(i + 1, c[1]) for i, c in enumerate(cases)])
        self.refused(ingest(at, [cases[0][0]]), 422, "INGEST_REJECTED")
        self.refused(ingest(at, [{**good, "ts": stamp(T0 + 1)}, cases[0][0]], atomic="true"), 422, "INGEST_REJECTED")
        self.assertEqual(len(self.history(level)), 1)
        self.assertEqual(ingest(at, [good, cases[0][0]], on_unknown="ignore").json()["data"]["rejected"], 0)
        for body in ({"points": []}, {"ts": [1], "sensors": {"level": [1, 2]}}, {}):
            self.refused(server.post(at + "/telemetry", body), 422, "VALIDATION_ERROR")
        answer = server.request("POST", at + "/telemetry", b"{", headers={"Content-Type": "application/json"})
        self.refused(answer, 400, "INVALID_JSON")

    def test_quality_and_order(self):
        at = twin()
        level = sensor(at, min_value=0, max_value=10)
        ingest(at, [{"sensor": "level", "ts": stamp(T0 + i), "value": v, "quality": q} for i, v, q in
                    ((0, 4, "good"), (1, 8, "bad"), (2, 6, "uncertain"))])
        (bucket,) = self.history(level, interval="1m")
        self.assertEqual((bucket["count"], bucket["value"]), (2, 5.0))
        self.assertEqual([p.get("quality", "good") for p in self.history(level)], ["good", "bad", "uncertain"])
        ingest(at, [{"sensor": "level", "ts": stamp(T0 + 1), "value": 1}])
        self.assertEqual(server.get(level).json()["data"]["current_value"], 6.0)
        ingest(at, [{"sensor": "level", "ts": stamp(T0 + 3), "value": None}])
        data = server.get(level).json()["data"]
        self.assertEqual((data["current_value"], data["quality"], data["state"]), (None, "bad", "error"))

    def test_kill_keeps_what_was_acknowledged(self):
        with launch() as victim:
            victim.post("/api/twins", {"id": "k", "name": "K", "sensors": [{"id": "a", "name": "A", "unit": "m"}]})
            victim.post("/api/twins/k/rules", {"id": "high", "kind": "threshold", "sensor_id": "a", "value": 5})
            acknowledged, stop = [], threading.Event()

            def feed():
                n = 0
                while not stop.is_set():
                    points = [{"sensor": "a", "ts": T0 * 1000 + n + i, "value": n + i} for i in range(100)]
                    try:
                        if victim.post("/api/twins/k/telemetry", {"points": points}, timeout=5).status == 200:
                            acknowledged.append(n)
                    except (OSError, http.client.HTTPException):
                        return
                    n += 100

            thread = threading.Thread(target=feed)
            thread.start()
            time.sleep(1.5)
            victim.kill()
            stop.set()
            thread.join()
            self.assertGreater(len(acknowledged), 2)
            victim.start()
            victim.wait("/api/twins", lambda a: "data" in a)
            total = (acknowledged[-1] + 100)
            query = f"?start_date={stamp(T0)}&end_date={stamp(T0 + 86400)}&interval=1d"
            (bucket,) = victim.get("/api/twins/k/sensors/a/history" + query).json()["data"]
            self.assertIn(bucket["count"], (total, total + 100))
            self.assertEqual(bucket["max"], bucket["count"] - 1)
            self.assertEqual(victim.get("/api/twins/k/sensors/a").json()["data"]["current_value"], bucket["max"])
            alerts = victim.get("/api/alerts?state=active").json()["data"]
            self.assertEqual([a["rule_id"] for a in alerts].count("high"), 1)


class Alerts(Base):
    def run_rule(self, rule, values, **fields):
        at = twin()
        sensor(at, **fields)
        answer = server.post(at + "/rules", {"id": "r", "sensor_id": "level", "kind": "threshold", **rule})
        self.assertEqual(answer.status, 201, answer)
        start, states = int(time.time()) - 4000, []
        for i, value in enumerate(values):
            ingest(at, [{"sensor": "level", "ts": stamp(start + i), "value": value}])
            states.append(server.get(at + "/rules/r").json()["data"]["state"])
        return at, states, server.get(at + "/alerts").json()["data"]

    def test_hysteresis(self):
        rule = {"op": "gt", "value": 80, "clear_value": 75, "for": 10, "clear_for": 5}
        values = [81] * 5 + [79] + [82] * 11 + [78, 74, 74, 76] + [74] * 6
        at, states, alerts = self.run_rule(rule, values)
        self.assertEqual(states[:6], ["pending"] * 5 + ["normal"])
        self.assertEqual((states[15], states[16]), ("pending", "active"))
        self.assertTrue(all(s in ("active", "clearing") for s in states[17:26]))
        self.assertEqual(states[26], "normal")
        alerts = [a for a in alerts if a["rule_id"] == "r"]
        self.assertEqual([(a["state"], a["severity"], a["peak"]) for a in alerts], [("cleared", "warning", 82.0)])

    def test_flapping_makes_one_alert(self):
        _, _, alerts = self.run_rule({"op": "gt", "value": 80, "clear_value": 75}, [79.9, 80.1] * 20)
        self.assertEqual([a["state"] for a in alerts if a["rule_id"] == "r"], ["active"])

    def test_bad_rules(self):
        at = twin()
        sensor(at)
        good = {"id": "r", "kind": "threshold", "sensor_id": "level", "value": 5}
        for extra in ({"clear_value": 6}, {"op": "lt", "clear_value": 4}, {"sensor_id": "none"},
                      {"kind": "range", "low": 0, "high": 2, "hysteresis": 1}, {"kind": "stale"}):
            self.refused(server.post(at + "/rules", {**good, **extra}), 422, "INVALID_RULE")
        self.refused(server.post(at + "/rules", {**good, "kind": "magic"}), 422, "VALIDATION_ERROR")
        self.assertEqual(server.post(at + "/rules", good).status, 201)
        self.refused(server.get(at + "/rules/none"), 404, "RULE_NOT_FOUND")
        self.assertEqual(patch(at + "/rules/r", {"value": 7}).json()["data"]["value"], 7)
        self.assertEqual(server.request("DELETE", at + "/rules/r").status, 204)
        self.assertEqual(server.get(at + "/rules").json()["data"], [])

    def test_status_range_and_staleness(self):
        at = twin()
        level = sensor(at, min_value=0, max_value=10, warn_high=8, stale_after=1)
        status = server.get(at + "/status").json()["data"]
        self.assertEqual((status["sensors"]["warning"], status["health"]), (1, "warning"))
        for value, state, health in ((10, "warning", "warning"), (0, "healthy", "good"), (11, "error", "critical"),
                                     (10, "error", "critical"), (9.8, "warning", "warning"), (5, "healthy", "good")):
            self.assertEqual(patch(level, {"current_value": value}).json()["data"]["state"], state, value)
            status = server.get(at + "/status").json()["data"]
            self.assertEqual(status["health"], health, (value, status))
            self.assertEqual(sum(status["sensors"][k] for k in ("healthy", "warning", "error")), 1)
        status = server.wait(at + "/status", lambda s: s["data"]["alerts"], 5)["data"]
        self.assertEqual([a["rule_id"] for a in status["alerts"]], ["stale:level"])
        patch(level, {"current_value": 5})
        self.assertEqual(server.get(at + "/status").json()["data"]["alerts"], [])

    def test_by_hand(self):
        at = twin()
        made = server.post(at + "/alerts", {"severity": "info", "message": "Routine maintenance"})
        self.assertEqual(made.status, 201)
        one = at + "/alerts/" + made.json()["data"]["id"]
        for _ in range(2):
            data = server.post(one + "/acknowledge").json()["data"]
            self.assertTrue(data["acknowledged"])
        self.assertEqual(server.get(at + "/status").json()["data"]["alerts"][0]["message"], "Routine maintenance")
        for _ in range(2):
            self.assertEqual(server.post(one + "/clear").json()["data"]["state"], "cleared")
        self.refused(server.post(at + "/alerts/alert-0/clear"), 404, "ALERT_NOT_FOUND")
        self.assertEqual(server.get(at + "/alerts?state=active").json()["data"], [])


class Streams(Base):
    def events(self, path, n, last=None):
        """The first n events as (id, type, data)."""
        connection = http.client.HTTPConnection(server.address, server.port, timeout=20)
        connection.request("GET", path, headers={"Last-Event-ID": last} if last else {})
        answer, found, now = connection.getresponse(), [], {}
        self.assertEqual(answer.status, 200)
        self.opened.set()
        while len(found) < n:
            line = answer.readline().decode().rstrip("\r\n")
            if not line and "data" in now:
                found.append((now.get("id"), now.get("event"), json.loads(now["data"])))
            if not line:
                now = {}
            elif not line.startswith(":"):
                key, _, value = line.partition(": ")
                now[key] = value
        connection.close()
        return found

    def test_events_and_resume(self):
        at = twin()
        level = sensor(at, max_value=100)
        self.opened = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            future = pool.submit(self.events, at + "/events?types=telemetry,alert", 3)
            self.opened.wait(10)
            time.sleep(0.3)
            patch(level, {"current_value": 1})
            time.sleep(0.4)
            patch(level, {"current_value": 200})
            first = future.result(20)
        kinds = [(kind, d.get("value")) for _, kind, d in first]
        self.assertEqual(kinds[0], ("telemetry", 1.0))
        self.assertEqual(sorted(kinds[1:]), [("alert", 200.0), ("telemetry", 200.0)])
        again = self.events(at + "/events?types=telemetry,alert", 2, last=first[0][0])
        self.assertEqual(again, first[1:])

    def test_websocket(self):
        at = twin()
        name = at.split("/")[-1]
        level = sensor(at)
        ws = WebSocket(server.port, "/api/ws")
        ws.send({"type": "subscribe", "channel": f"twin:{name}/telemetry"})
        self.assertEqual(ws.receive(), {"type": "subscribed", "channel": f"twin:{name}/telemetry"})
        patch(level, {"current_value": 3})
        message = ws.receive()
        self.assertEqual((message["type"], message["data"]["value"]), ("telemetry", 3.0))
        ws.send({"type": "ping"})
        self.assertEqual(ws.receive(), {"type": "pong"})
        ws.send_frame(1, b"{")
        self.assertEqual(ws.receive()["type"], "error")
        ws.close()


class Generated(Base):
    """Bodies that break the contract, against every operation that takes one."""

    def test_bodies(self):
        rng, sent = random.Random(7), 0
        for document, path, method, operation in test_contract.operations("twin"):
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if not content or "/v1/" in path:
                continue
            for name in ("twin_id", "sensor_id", "actuator_id", "rule_id", "alert_id"):
                path = path.replace("{" + name + "}", "compressor-1" if name == "twin_id" else "temperature")
            for body in test_contract.bodies(document, content["schema"], rng):
                answer = server.request(method, path, body, headers={"Content-Type": "application/json"})
                sent += 1
                if not 200 <= answer.status < 300:
                    self.assertIn(answer.status, (400, 404, 409, 413, 422), (path, body[:200], answer))
                    self.assertEqual(set(answer.json()["error"]), {"code", "message", "details"})
        self.assertGreater(sent, 300)


if __name__ == "__main__":
    sys.argv = sys.argv[:1] + sys.argv[2:]
    unittest.main(verbosity=1)
