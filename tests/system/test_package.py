#!/usr/bin/env python3
"""The plugin guide, followed word by word: install, copy a template, build it outside of the tree, check it,
drop it into a running server, train on it over REST.

usage: test_package.py BUILD_DIR     SPDX-License-Identifier: Apache-2.0
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Server  # noqa: E402

BUILD = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""


def run(*command, cwd=None):
    out = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    if out.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {out.returncode}:\n{out.stdout[-4000:]}")
    return out.stdout


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="lathe-package-")
        cls.prefix = os.path.join(cls.work, "prefix")
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work)

    def build_template(self, name):
        folder = os.path.join(self.work, "my-" + name)
        shutil.copytree(os.path.join(self.prefix, "share", "lathe", "template", name), folder)
        run("cmake", "-B", "build", f"-DCMAKE_PREFIX_PATH={self.prefix}", cwd=folder)
        run("cmake", "--build", "build", cwd=folder)
        print(run("ctest", "--test-dir", "build", "--output-on-failure", cwd=folder))
        return os.path.join(folder, "build")

    def test_pkg_config_finds_the_headers(self):
        for folder, _, names in os.walk(self.prefix):
            if "lathe-sdk.pc" in names:
                out = subprocess.run(["pkg-config", "--cflags", "lathe-sdk"], capture_output=True, text=True, check=True,
                                     env={**os.environ, "PKG_CONFIG_PATH": folder})
                self.assertIn("include", out.stdout)
                return
        self.fail("no lathe-sdk.pc was installed")

    def test_the_algorithm_template_builds_and_conforms(self):
        self.build_template("algorithm")

    def test_the_surface_template_builds_conforms_and_serves(self):
        built = self.build_template("api")
        with Server(BUILD, environment={"LATHE_PLUGIN_PATH": built}) as server:
            answer = server.get("/hello/World")
            self.assertEqual((answer.status, answer.json()), (200, {"greeting": "Hello, World!"}))
            self.assertEqual(server.get("/hello/W0rld").status, 404)

    def test_the_environment_template_is_trained_without_restart(self):
        built = self.build_template("env")
        folder = os.path.join(self.work, "dropped")
        os.makedirs(folder)
        with Server(BUILD, environment={"LATHE_PLUGIN_PATH": folder}) as server:
            self.assertEqual(server.get("/lathe/v1/environments/Corridor-v0").status, 404)
            shutil.copy(os.path.join(built, "corridor.so"), os.path.join(folder, "corridor.so.new"))
            os.rename(os.path.join(folder, "corridor.so.new"), os.path.join(folder, "corridor.so"))
            end = time.monotonic() + 20
            while server.get("/lathe/v1/environments/Corridor-v0").status != 200:
                self.assertLess(time.monotonic(), end, "the file was not noticed")
                time.sleep(0.2)
            run_ = server.post("/lathe/v1/runs", {
                "env": {"id": "Corridor-v0", "options": {"length": 12}}, "algorithm": {"id": "q_learning"},
                "seed": 1, "total_steps": 50000})
            self.assertEqual(run_.status, 201, run_)
            done = server.wait("/lathe/v1/runs/" + run_.json()["id"],
                               lambda r: r["state"] in ("succeeded", "failed", "crashed"), 60)
            self.assertEqual(done["state"], "succeeded", done)
            self.assertGreater(done["result"]["eval"]["mean_return"], 0.8)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
