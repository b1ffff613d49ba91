#!/usr/bin/env python3
"""lathectl end to end: over a server, without one, and against one that wants tokens.

usage: test_lathectl.py BUILD_DIR [unittest arguments]     SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import fcntl
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Server  # noqa: E402

BUILD = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
PROGRAM = os.path.join(BUILD, "bin", "lathectl")
LOG = 'log = { level = "warn"; access = false; };\n'
CONFIG = "server = { validate_responses = true; };\nworkers = { slots = 2; };\n" + LOG
GUARDED = 'auth = { required = "*"; };\n' + LOG
FINAL = ("succeeded", "stopped", "failed", "cancelled", "crashed")
TRAIN = ("train", "--env", "FrozenLake-v1", "--algo", "ppo", "--steps", "2048", "--seed", "1", "--set", "n_envs=4",
         "--set", "n_steps=64", "--eval-every", "1024", "--eval-episodes", "20")
ENDLESS = ("train", "--env", "FrozenLake-v1", "--algo", "ppo", "--steps", "1e9", "--set", "n_steps=64", "--set",
           "pace_ms=20")
FIGURES = ("eval_mean_return", "eval_std_return", "env_steps", "sps", "wall_seconds", "checkpoint_sha256")
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


def environment(url=None, **more):
    base = {k: v for k, v in os.environ.items() if not k.startswith("LATHE_")}
    return {**base, "LATHE_SERVER": url or f"http://127.0.0.1:{server.port}", "LC_ALL": "C.UTF-8", **more}


def ctl(*arguments, code=0, url=None, **more):
    """Runs lathectl; (stdout, stderr)."""
    out = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=300, env=environment(url, **more))
    assert out.returncode == code, (arguments, out.returncode, out.stdout[-2000:], out.stderr[-4000:])
    assert "Sanitizer" not in out.stderr and "runtime error" not in out.stderr, out.stderr[-6000:]
    return out.stdout, out.stderr


def lines(*arguments, **more):
    return [json.loads(line) for line in ctl(*arguments, "--json", **more)[0].splitlines()]


class Runs(unittest.TestCase):
    def test_json_has_a_line_per_evaluation_and_a_closing_one(self):
        out = lines(*TRAIN)
        last, evaluations = out[-1], out[:-1]
        for key in FIGURES:
            self.assertIn(key, last)
        self.assertEqual(last["outcome"], "succeeded")
        self.assertEqual([e["env_steps"] for e in evaluations], [0, 1024, 2048])
        for line in evaluations:
            self.assertTrue({"env_steps", "eval_mean_return", "eval_std_return"} <= line.keys())
        self.assertTrue(evaluations[-1]["final"])
        self.assertEqual(evaluations[-1]["eval_mean_return"], last["eval_mean_return"])

    def test_output_for_people_is_plain_when_not_on_a_terminal(self):
        out, err = ctl(*TRAIN)
        self.assertNotIn("\033", out)
        self.assertNotIn("\r", out)
        self.assertNotIn("█", out)
        self.assertIn("over 20 episodes (final)", out)
        self.assertIn("succeeded after", out)
        self.assertEqual(err, "")

    def test_commands_around_a_finished_run(self):
        last = lines(*TRAIN)[-1]
        run, model = last["run"], last["model_id"]
        self.assertIn(run, ctl("list")[0])
        self.assertIn(run, [r["id"] for r in lines("list", "--state", "succeeded")[0]])
        self.assertEqual(lines("show", run)[0]["id"], run)
        self.assertIn("succeeded", ctl("watch", run)[0])
        self.assertEqual(lines("watch", run)[-1]["checkpoint_sha256"], last["checkpoint_sha256"])
        columns = [line.split("\t") for line in ctl("metrics", run, "rollout/ep_rew_mean")[0].splitlines()]
        self.assertEqual([c[1] for c in columns], [str(256 * i) for i in range(1, 9)])
        self.assertIn("┤", ctl("metrics", run, "rollout/ep_rew_mean", "--plot")[0])
        self.assertEqual(lines("metrics", run)[0]["run_id"], run)
        self.assertIn("no_such", ctl("metrics", run, "no_such", code=1)[1])
        self.assertIn(model, ctl("models")[0])
        self.assertIn(lines("act", model, "0")[0]["actions"][0]["action"], ("left", "down", "right", "up"))
        ctl("act", model, "not json", code=2)
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "m.safetensors")
            self.assertEqual(lines("export", model, "--output", file)[0]["file"], file)
            self.assertGreater(os.path.getsize(file), 1000)
            ctl("export", "no_model", "--output", os.path.join(folder, "x"), code=1)
            self.assertEqual(os.listdir(folder), ["m.safetensors"])
        ctl("models", model, "--delete")
        ctl("delete", run)
        self.assertIn("lathectl list", ctl("show", run, code=1)[1])

    def test_detached_run_is_controlled(self):
        run = ctl(*ENDLESS, "--detach")[0].strip()
        server.wait("/lathe/v1/runs/" + run, lambda r: r["current"] > 0)
        self.assertIn("paus", ctl("pause", run)[0])
        server.wait("/lathe/v1/runs/" + run, lambda r: r["state"] == "paused")
        ctl("resume", run)
        ctl("stop", run)
        self.assertEqual(server.wait("/lathe/v1/runs/" + run, lambda r: r["state"] in FINAL)["state"], "stopped")

    def test_interrupt_detaches_and_the_run_goes_on(self):
        process = subprocess.Popen([PROGRAM, *ENDLESS], stdout=subprocess.PIPE, text=True, env=environment())
        run = process.stdout.readline().split()[0]
        server.wait("/lathe/v1/runs/" + run, lambda r: r["state"] == "running")
        process.send_signal(signal.SIGINT)
        out = process.communicate(timeout=30)[0]
        self.assertEqual(process.returncode, 0)
        self.assertIn("lathectl watch " + run, out)
        self.assertIn("lathectl stop " + run, out)
        self.assertEqual(server.get("/lathe/v1/runs/" + run).json()["state"], "running")
        ctl("cancel", run)

    def test_terminal_gets_a_bar_with_returns_and_time_left(self):
        run = ctl(*ENDLESS, "--detach")[0].strip()
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(PROGRAM, [PROGRAM, "watch", run], environment(TERM="xterm"))
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 140, 0, 0))
        seen, end = "", time.monotonic() + 60
        while ("left" not in seen or "return" not in seen) and time.monotonic() < end:
            seen += os.read(fd, 65536).decode(errors="replace")
        os.write(fd, b"\x03")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        os.close(fd)
        for part in ("\r\033[K", "░", "steps/s", "return", "left"):
            self.assertIn(part, seen)
        ctl("cancel", run)


class Local(unittest.TestCase):
    def test_weights_do_not_depend_on_threads_and_equal_those_of_the_server(self):
        hashes, policies = [], []
        for threads in ("1", "2"):
            out = lines(*TRAIN, "--local", "--threads", threads, url="http://127.0.0.1:1")
            for key in FIGURES:
                self.assertIn(key, out[-1])
            self.assertEqual([e["env_steps"] for e in out[:-1]], [0, 1024, 2048])
            hashes.append(out[-1]["checkpoint_sha256"])
            policies.append(out[-1]["policy_sha256"])
        self.assertRegex(hashes[0], "^[0-9a-f]{64}$")
        self.assertEqual(hashes[0], hashes[1])
        served = lines(*TRAIN)
        self.assertEqual(policies, [served[-1]["policy_sha256"]] * 2)
        self.assertEqual(hashes[0], served[-1]["checkpoint_sha256"])
        self.assertEqual([e["eval_mean_return"] for e in served[:-1]], [e["eval_mean_return"] for e in out[:-1]])

    def test_run_directory_is_kept_when_named_and_gone_otherwise(self):
        with tempfile.TemporaryDirectory() as folder:
            own, tmp = os.path.join(folder, "run"), os.path.join(folder, "tmp")
            os.mkdir(tmp)
            ctl(*TRAIN, "--local", "--dir", own, TMPDIR=tmp)
            self.assertTrue({"job.json", "policy.safetensors"} <= set(os.listdir(own)))
            ctl(*TRAIN, "--local", TMPDIR=tmp)
            self.assertEqual(os.listdir(tmp), [])

    def test_options_of_the_environment_reach_it(self):
        slippery, firm = (lines("train", "--local", "--env", "FrozenLake-v1", "--algo", "q_learning", "--steps", "20k",
                                "--seed", "1", "--env-set", "is_slippery=" + word)[-1] for word in ("true", "false"))
        self.assertEqual(firm["eval_mean_return"], 1.0)
        self.assertLess(slippery["eval_mean_return"], 1.0)

    def test_interrupt_ends_the_worker_with_a_checkpoint(self):
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen([PROGRAM, *ENDLESS, "--local", "--dir", folder], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True, env=environment())
            process.stdout.readline()  # the evaluation before training: the worker is at work
            process.send_signal(signal.SIGINT)
            err = process.communicate(timeout=60)[1]
            self.assertEqual(process.returncode, 1)
            self.assertIn("interrupted", err)
            self.assertTrue([n for n in os.listdir(folder) if n.startswith("ckpt_")])

    def test_wrong_names_are_answered_with_the_nearest(self):
        near = ("train", "--local", "--algo", "ppo", "--steps", "10", "--env")
        self.assertIn("FrozenLake-v1", ctl(*near, "FrozenLake-v2", code=1)[1])
        self.assertIn("learning_rate", ctl(*near, "FrozenLake-v1", "--set", "learning_rat=1", code=2)[1])
        self.assertIn("--env-set", ctl(*near, "FrozenLake-v1", "--set", "is_slippery=true", code=2)[1])
        self.assertIn("is_slippery", ctl(*near, "FrozenLake-v1", "--env-set", "slippery=true", code=2)[1])


class Lists(unittest.TestCase):
    def test_lists_come_as_tables_and_as_json(self):
        for command in ("plugins", "envs", "algos", "status", "tokens", "models", "list"):
            self.assertTrue(ctl(command)[0])
            self.assertEqual(len(lines(command)), 1)
        self.assertIn("learning_rate", ctl("algos", "ppo")[0])
        self.assertIn("is_slippery", ctl("envs", "FrozenLake-v1")[0])
        self.assertEqual(lines("envs", "FrozenLake-v1")[0]["id"], "FrozenLake-v1")
        self.assertIn("did you mean FrozenLake-v1?", ctl("envs", "FrozenLake-v2", code=1)[1])


class Usage(unittest.TestCase):
    def test_wrong_usage_is_status_2_and_says_what_was_meant(self):
        self.assertIn("did you mean train?", ctl("trian", code=2)[1])
        self.assertIn("did you mean --steps?", ctl("train", "--step", "1", code=2)[1])
        for words in ((), ("train",), ("show",), ("show", "a", "b"), ("list", "--limit", "x"), ("completion", "fish"),
                      ("train", "--env"), ("tokens", "revoke"), ("tokens", "create", "--data", "/x", "--role", "king")):
            ctl(*words, code=2)
        train = ("train", "--env", "FrozenLake-v1", "--algo", "ppo")
        for words in ((), ("--steps", "x"), ("--steps", "10", "--set", "a"), ("--steps", "10", "--set", "no_such=1"),
                      ("--steps", "10", "--set", "learning_rate=fast"), ("--steps", "10", "--set", "gamma=7")):
            ctl(*train, *words, code=2)

    def test_help_and_completion_know_every_command(self):
        program = ctl("--help")[0]
        bash = ctl("completion", "bash")[0]
        commands = [line.split()[0] for line in program.splitlines() if line.startswith("  ") and line[2].isalpha()]
        self.assertGreater(len(commands), 20)
        for command in commands:
            self.assertIn("usage: lathectl " + command, ctl(command, "--help")[0])
            self.assertIn(f"      {command}) words=", bash)
        self.assertIn("examples:", ctl("train", "--help")[0])
        self.assertIn("bashcompinit", ctl("completion", "zsh")[0])
        subprocess.run(["bash", "-n"], input=bash, text=True, check=True)
        script = bash + '\nCOMP_WORDS=(lathectl tra); COMP_CWORD=1; _lathectl; echo "${COMPREPLY[@]}"\n' \
            'COMP_WORDS=(lathectl train --eval); COMP_CWORD=2; _lathectl; echo "${COMPREPLY[@]}"\n'
        out = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
        self.assertEqual(out[0], "train")
        self.assertEqual(set(out[1].split()), {"--eval-every", "--eval-episodes"})
        self.assertRegex(ctl("--version")[0], r"^lathectl \d+\.\d+\.\d+\n$")

    def test_no_server_says_how_to_start_one(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            free = f"http://127.0.0.1:{s.getsockname()[1]}"
        out, err = ctl("list", "--json", code=1, url=free)
        self.assertIn("lathed --data", err)
        self.assertIn("--local", err)
        self.assertEqual(json.loads(out)["error"]["code"], "unreachable")


class Tokens(unittest.TestCase):
    def test_first_token_is_made_without_a_server_and_opens_the_others(self):
        with tempfile.TemporaryDirectory() as folder:
            config = os.path.join(folder, "guarded.conf")
            with open(config, "w", encoding="utf-8") as f:
                f.write(GUARDED)
            admin, err = ctl("tokens", "create", "--name", "ops", "--data", folder, "--config", config)
            admin = admin.strip()
            self.assertEqual(err, "")
            self.assertIn("no scope", ctl("tokens", "create", "--data", folder, "--scope", "bad", code=1)[1])
            self.assertTrue(admin.startswith("lathe_"))
            with Server(BUILD, data=folder, config=GUARDED) as guarded:
                url = f"http://127.0.0.1:{guarded.port}"
                self.assertIn("tokens create", ctl("list", code=1, url=url)[1])
                ctl("list", url=url, LATHE_TOKEN=admin)
                made = lines("tokens", "create", "--name", "eyes", "--role", "viewer", "--expires", "3600", "--token",
                             admin, url=url)[0]
                self.assertEqual(made["role"], "viewer")
                ctl("list", "--token", made["token"], url=url)
                self.assertIn("scope", ctl("tokens", "list", "--token", made["token"], code=1, url=url)[1])
                self.assertIn("eyes", ctl("tokens", "list", "--token", admin, url=url)[0])
                self.assertIn("revoked", ctl("tokens", "revoke", made["id"], "--token", admin, url=url)[0])
                ctl("list", "--token", made["token"], code=1, url=url)
                self.assertIn(folder, ctl("tokens", "create", "--data", folder, code=1, url=url)[1])  # in use


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2, warnings="ignore")
