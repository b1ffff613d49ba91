#!/usr/bin/env python3
"""Benchmarks: each figure is a ratio against a named peer or limit measured in the same run.

usage: bench.py BUILD_DIR [env|kernels|ppo|http|server ...]     SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Client, Server  # noqa: E402

SECONDS = int(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SERVER_CPU, LOAD_CPU = "0", "1" if os.cpu_count() > 1 else "0"
PPO_CLEANRL = {"profile": "cleanrl", "n_steps": 128, "batch_size": 128, "n_epochs": 4, "learning_rate": 0.00025,
               "lr_schedule": "linear", "ent_coef": 0.01}
PPO_ZOO = {"n_steps": 32, "batch_size": 256, "n_epochs": 20, "gae_lambda": 0.8, "gamma": 0.98,
           "learning_rate": 0.001, "lr_schedule": "linear", "clip_range": 0.2, "clip_schedule": "linear"}


def program(build, name):
    for folder in ("bin", "tests", "tests/perf"):
        path = os.path.join(build, folder, name)
        if os.path.exists(path):
            return path
    sys.exit(f"bench: {name} is not built in {build}")


def bench_env(build):
    subprocess.run(["taskset", "-c", SERVER_CPU, program(build, "bench_env")], check=True)


def bench_kernels(build):
    subprocess.run(["taskset", "-c", SERVER_CPU, program(build, "bench_kernels")], check=True)


def bench_ppo(build):
    for name, options, n_envs, steps in (("cleanrl settings", PPO_CLEANRL, 4, 500000), ("zoo settings", PPO_ZOO, 8, 100000)):
        for threads in (1, 2):
            sps = []
            for seed in range(1, ROUNDS + 1):
                command = [program(build, "lathectl"), "train", "--local", "--env", "CartPole-v1", "--algo", "ppo",
                           "--steps", str(steps), "--seed", str(seed), "--threads", str(threads), "--json",
                           "--set", f"n_envs={n_envs}"]
                for key, value in options.items():
                    command += ["--set", f"{key}={value}"]
                out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                last = json.loads(out.strip().split("\n")[-1])
                sps.append((last["sps"], last["eval_mean_return"]))
            sps.sort()
            median = sps[len(sps) // 2]
            print(f"PPO CartPole, {name}, {threads} thread(s): median {median[0]:,.0f} steps/s "
                  f"(returns {', '.join(f'{r:.0f}' for _, r in sps)})")


def wrk(url, connections=64):
    """Requests per second and p99 in ms."""
    out = subprocess.run(["taskset", "-c", LOAD_CPU, "wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", url],
                         capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    if "Non-2xx" in out:
        sys.exit("bench: the server answered with errors:\n" + out)
    return rate, float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def wait_for(client, path):
    for _ in range(200):
        try:
            if client.get(path, timeout=2).status == 200:
                return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"bench: no answer from port {client.port}")


def start_nginx(folder, body, port):
    with open(os.path.join(folder, "object"), "w", encoding="utf-8") as f:
        f.write(body)
    quoted = body.replace("\\", "\\\\").replace("'", "\\'")
    config = f"""daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; tcp_nodelay on;
  server {{ listen 127.0.0.1:{port};
    location / {{ default_type application/json; return 200 '{quoted}'; }} }} }}"""
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(config)
    return subprocess.Popen(["taskset", "-c", SERVER_CPU, "nginx", "-p", folder, "-c", path])


def start_fastapi(folder, body, port):
    venv = os.path.join(tempfile.gettempdir(), "lathe-bench-venv")
    python = os.path.join(venv, "bin", "python")
    if not os.path.exists(os.path.join(venv, "bin", "uvicorn")):
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "fastapi", "uvicorn[standard]"], check=True)
    return subprocess.Popen(["taskset", "-c", SERVER_CPU, python, "-m", "uvicorn", "--app-dir", HERE, "peer_fastapi:app",
                             "--port", str(port), "--log-level", "warning", "--no-access-log"],
                            env={**os.environ, "BENCH_MODEL": body})


def make_model(server):
    started = server.post("/api/training/start", {"scenario_id": "customer_support", "framework": "LangChain",
                                                  "max_episodes": 3, "seed": 1}).json()
    session = server.wait("/api/training/" + started["session_id"], lambda s: s["status"] == "completed", 120)
    return "/api/models/" + session["model_id"]


def bench_http(build):
    with tempfile.TemporaryDirectory(prefix="lathe-bench-") as folder, Server(build, start=False) as server:
        server.start()
        subprocess.run(["taskset", "-acp", SERVER_CPU, str(server.process.pid)], check=True, stdout=subprocess.DEVNULL)
        path = make_model(server)
        body = server.get(path).body.decode()
        peers = {"nginx": start_nginx(folder, body, 18081), "fastapi": start_fastapi(folder, body, 18082)}
        try:
            wait_for(Client("127.0.0.1", 18081), path)
            wait_for(Client("127.0.0.1", 18082), path)
            urls = {"lathe": server.url(path), "nginx": f"http://127.0.0.1:18081{path}",
                    "fastapi": f"http://127.0.0.1:18082{path}"}
            results = {name: [] for name in urls}
            for _ in range(ROUNDS):  # interleaved, so that a noisy neighbour hits all alike
                for name, url in urls.items():
                    results[name].append(wrk(url))
        finally:
            for process in peers.values():
                process.terminate()
                process.wait()
    median = {name: sorted(r)[len(r) // 2] for name, r in results.items()}
    print(f"GET {path}, {len(body)} bytes, 64 connections, one core each for server and load, median of {ROUNDS}:")
    for name, (rate, p99) in median.items():
        print(f"  {name:<8} {rate:>10,.0f} requests/s   p99 {p99:.2f} ms")
    print(f"  ratio to nginx {median['lathe'][0] / median['nginx'][0]:.2f} (target 1.0), "
          f"to FastAPI {median['lathe'][0] / median['fastapi'][0]:.1f} (target 15)")


def bench_server(build):
    begin = time.monotonic()
    with Server(build) as server:
        server.get("/-/health")
        first = time.monotonic() - begin
        time.sleep(1)
        with open(f"/proc/{server.process.pid}/status", encoding="utf-8") as f:
            rss = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
    with Server(build, data=tempfile.mkdtemp(prefix="lathe-bench-"), start=False) as server:
        server.start()
        server.stop()
        begin = time.monotonic()
        server.start()
        server.get("/-/health")
        warm = time.monotonic() - begin
        server.stop()
        shutil.rmtree(server.data)
    print(f"idle server: {rss / 1024:.1f} MiB resident; start to first answer {first * 1000:.0f} ms with an empty "
          f"plugin cache, {warm * 1000:.0f} ms with a warm one")


def main():
    build = os.path.abspath(sys.argv[1])
    benches = {"env": bench_env, "kernels": bench_kernels, "ppo": bench_ppo, "http": bench_http, "server": bench_server}
    wanted = sys.argv[2:] or list(benches)
    for name in wanted:
        if name not in benches:
            sys.exit(f"bench: {name} is none of {', '.join(benches)}")
        print(f"== {name}")
        benches[name](build)


if __name__ == "__main__":
    main()
