"""Starting a lathed of the build for tests, the demo and benchmarks; standard library only.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.parse


class Answer:
    """One HTTP answer: status, headers (lower-case names), raw body, and json()."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Client:
    def __init__(self, address, port, token=None):
        self.address, self.port, self.token = address, port, token

    def request(self, method, path, body=None, headers=None, timeout=60):
        """body: bytes as they are, anything else as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        connection = http.client.HTTPConnection(self.address, self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, {} if body is None else body, **kw)

    def wait(self, path, done, timeout=60, every=0.1):
        """Polls GET path until done(json) holds; returns that json."""
        end = time.monotonic() + timeout
        while True:
            last = self.get(path).json()
            if done(last):
                return last
            if time.monotonic() > end:
                raise TimeoutError(f"GET {path}: {json.dumps(last)[:600]}")
            time.sleep(every)


class Server(Client):
    """A lathed on a free loopback port with its own data directory; use as a context manager.

    binary_dir: the build directory. config: text of lathe.conf, or None for etc/lathe.conf.
    """

    def __init__(self, binary_dir, data=None, config=None, arguments=(), start=True, environment=None):
        super().__init__("127.0.0.1", 0)
        self.binary_dir = os.path.abspath(binary_dir)
        self.root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        self.own_data = tempfile.TemporaryDirectory(prefix="lathe-test-") if data is None else None
        self.data = data or self.own_data.name
        self.arguments, self.environment = list(arguments), environment or {}
        self.config_path = os.path.join(self.root, "etc", "lathe.conf")
        if config is not None:
            self.config_path = os.path.join(self.data, "lathe.conf")
            with open(self.config_path, "w", encoding="utf-8") as f:
                f.write(config)
        self.log_path = os.path.join(self.data, "test-lathed.log")
        self.process = None
        if start:
            self.start()

    def start(self, timeout=60):
        command = [os.path.join(self.binary_dir, "bin", "lathed"), "--config", self.config_path,
                   "--data", self.data, "--listen", "127.0.0.1:0", *self.arguments]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log,
                                            env={**os.environ, **self.environment})
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"lathed ended with {self.process.wait()}:\n{self.log()[-3000:]}")
        self.ready = json.loads(line)
        self.port = self.ready["listeners"][0]["port"]
        return self

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def kill(self):
        """kill -9, as a power cut would."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self, timeout=30):
        """Orderly end; returns the exit code."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            self.process.stdout.close()
        return self.process.returncode if self.process else None

    def url(self, path=""):
        return f"http://{self.address}:{self.port}{urllib.parse.quote(path)}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            if self.own_data:
                self.own_data.cleanup()
