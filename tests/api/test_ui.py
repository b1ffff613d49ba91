#!/usr/bin/env python3
"""The browser pages of the AgentGym surface: files, types and ETags as served; modules, names and endpoints fit
together; and, where Chromium is installed, what the pages show against a started server.

usage: test_ui.py BUILD_DIR [unittest arguments]     SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Server  # noqa: E402

BUILD = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
ROOT = os.path.dirname(os.path.dirname(HERE))
SURFACE = os.path.join(ROOT, "plugins", "api", "agentgym")
UI = os.path.join(SURFACE, "ui")
MOUNT = "/ui/agentgym/"
CONFIG = """
server = { validate_responses = true; };
workers = { slots = 2; };
log = { level = "warn"; access = false; };
"""
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=8000"]
server = None


def setUpModule():
    global server
    server = Server(BUILD, config=CONFIG)


def tearDownModule():
    code = server.stop()
    log = server.log()
    server.__exit__()
    assert code == 0, log[-4000:]
    assert "answer breaks the contract" not in log, log[-4000:]


def files():
    """Every file of the pages, relative to their folder."""
    found = [os.path.relpath(os.path.join(folder, name), UI) for folder, _, names in os.walk(UI) for name in names]
    return sorted(name for name in found if name != "CMakeLists.txt")


def text(name):
    with open(os.path.join(UI, name), encoding="utf-8") as f:
        return f.read()


def modules():
    return [name for name in files() if name.endswith(".js")]


def code(name):
    """A module without its comments."""
    return re.sub(r"/\*.*?\*/", "", text(name), flags=re.S)


class Served(unittest.TestCase):
    def test_every_file_has_its_type_bytes_and_etag(self):
        for name in files():
            with self.subTest(name):
                answer = server.get(MOUNT + name)
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.headers["content-type"], TYPES[os.path.splitext(name)[1]])
                self.assertEqual(answer.body, text(name).encode())
                again = server.get(MOUNT + name, headers={"If-None-Match": answer.headers["etag"]})
                self.assertEqual((again.status, again.body), (304, b""))

    def test_browsers_ask_again_after_an_upgrade(self):
        self.assertEqual(server.get(MOUNT + "app.js").headers["cache-control"], "no-cache")

    def test_the_folder_is_its_index(self):
        self.assertEqual(server.get(MOUNT).body, text("index.html").encode())
        without_slash = server.get(MOUNT.rstrip("/"))
        self.assertIn(without_slash.status, (301, 307, 308))
        self.assertEqual(without_slash.headers["location"], MOUNT)

    def test_nothing_else_is_served(self):
        for path in ("nothing.js", "pages/", "pages", "CMakeLists.txt", "../../etc/passwd",
                     "..%2f..%2f..%2fCMakeCache.txt", ".hidden", "pages/../app.js/x"):
            with self.subTest(path):
                self.assertIn(server.get(MOUNT + path).status, (400, 404))

    def test_the_pages_need_no_token(self):
        config = CONFIG + 'auth = { required = "agentgym"; };'
        with Server(BUILD, config=config) as closed:
            self.assertEqual(closed.get(MOUNT).status, 200)
            self.assertEqual(closed.get(MOUNT + "app.js").status, 200)
            self.assertEqual(closed.get("/api/scenarios").status, 401)


class Sources(unittest.TestCase):
    def test_every_file_is_installed(self):
        with open(os.path.join(UI, "CMakeLists.txt"), encoding="utf-8") as f:
            listed = re.search(r"set\(agentgym_ui_files([^)]*)\)", f.read()).group(1).split()
        self.assertEqual(sorted(listed), files())

    def test_the_index_refers_to_files_that_exist(self):
        page = text("index.html")
        names = [n for n in re.findall(r'(?:src|href)="([^"]+)"', page) if not n.startswith("#")]
        self.assertGreaterEqual(len(names), 3)
        for name in names:
            self.assertIn(name, files())

    def test_the_index_holds_no_script_or_style_of_its_own(self):
        page = text("index.html")
        self.assertIn("default-src 'self'", page)
        self.assertNotRegex(page, r"<style|\sstyle=|\son\w+=")
        self.assertTrue(all(body == "" for body in re.findall(r"<script[^>]*>(.*?)</script>", page, re.S)))

    def test_nothing_comes_from_elsewhere(self):
        for name in files():
            outside = [u for u in re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`]*", text(name))
                       if u != "http://www.w3.org/2000/svg"]
            self.assertEqual(outside, [], name)

    def test_text_never_becomes_markup(self):
        for name in modules():
            self.assertNotRegex(code(name), r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", name)

    def test_every_import_is_exported_and_used(self):
        for name in modules():
            source = code(name)
            for names, path in re.findall(r"import \{([^}]*)\}\s*from '([^']+)'", source):
                target = os.path.normpath(os.path.join(os.path.dirname(name), path))
                self.assertIn(target, files(), name)
                exported = re.findall(r"export (?:async )?(?:const|function|class) (\w+)", code(target))
                for wanted in re.findall(r"\w+", names):
                    self.assertIn(wanted, exported, f"{name} imports {wanted} from {target}")
                    self.assertGreaterEqual(len(re.findall(rf"\b{wanted}\b", source)), 2, f"{name}: {wanted}")


class Endpoints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(SURFACE, "openapi.json"), encoding="utf-8") as f:
            cls.paths = json.load(f)["paths"]
        table = re.search(r"const routes = \{(.*?)\n\};", code("api.js"), re.S).group(1)
        cls.routes = dict(re.findall(r"(\w+): '([A-Z]+ [^']+)'", table))

    def test_every_endpoint_is_in_the_contract(self):
        self.assertGreater(len(self.routes), 25)
        for name, route in self.routes.items():
            method, path = route.split(" ")
            self.assertIn(path, self.paths, name)
            self.assertIn(method.lower(), self.paths[path], name)

    def test_every_call_names_an_endpoint(self):
        called = re.findall(r"\b(?:json|list|send)\('(\w+)'", code("api.js"))
        self.assertGreater(len(called), 25)
        self.assertLessEqual(set(called), set(self.routes))
        self.assertLessEqual(set(self.routes), set(called) | {"watch"})

    def test_pages_call_what_there_is(self):
        offered = set(re.findall(r"^    (\w+)(?::|,)", re.search(
            r"export const api = \{(.*?)\n\};", code("api.js"), re.S).group(1), re.M))
        for name in modules():
            self.assertLessEqual(set(re.findall(r"\bapi\.(\w+)\(", code(name))), offered, name)

    def test_the_start_form_knows_the_contract(self):
        with open(os.path.join(SURFACE, "openapi.json"), encoding="utf-8") as f:
            schema = json.load(f)["components"]["schemas"]["StartRequest"]["properties"]
        names = re.findall(r"(?:field|number)\('(\w+)'", code("pages/start.js"))
        self.assertGreater(len(names), 12)
        self.assertLessEqual(set(names), set(schema))


@unittest.skipUnless(CHROMIUM, "Chromium is not installed")
class Shown(unittest.TestCase):
    def page(self, route):
        """The document as it is after its scripts ran."""
        with tempfile.TemporaryDirectory(prefix="lathe-ui-") as profile:
            done = subprocess.run([CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--dump-dom",
                                   f"http://{server.address}:{server.port}{MOUNT}#/{route}"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        return done.stdout.decode()

    def test_scenario_cards_appear(self):
        page = self.page("scenarios")
        for scenario in server.get("/api/scenarios").json():
            self.assertIn(f'data-scenario="{scenario["id"]}"', page)
            self.assertIn(scenario["description"], page)

    def test_the_dashboard_shows_what_the_server_counts(self):
        tile = re.search(r'Scenarios</span><span class="tile-value">(\d+)<', self.page("dashboard"))
        self.assertEqual(int(tile.group(1)), len(server.get("/api/scenarios").json()))

    def test_a_finished_session_has_its_charts(self):
        start = {"scenario_id": "customer_support", "framework": "LangChain", "max_episodes": 12, "seed": 5,
                 "batch_size": 16, "eval_interval": 4, "eval_episodes": 20, "name": "A <b>bold</b> name"}
        session = server.post("/api/training/start", start).json()["session_id"]
        server.wait("/api/training/" + session, lambda s: s["status"] == "completed", 120)
        page = self.page("training/" + session)
        self.assertIn("A &lt;b&gt;bold&lt;/b&gt; name", page)
        self.assertRegex(page, r'class="badge is-completed"')
        self.assertRegex(page, r'<path class="line kind-1" d="M[^"]+L')
        self.assertRegex(page, r'class="reference optimum"')

    def test_a_wrong_address_is_told_in_words(self):
        self.assertIn("Training session not found", self.page("training/session_999_1"))
        self.assertIn("There is no such page.", self.page("nowhere"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
