#!/usr/bin/env python3
"""./dev demo: trains CartPole and the AgentGym scenarios over REST, shows progress, prints what the
trained policies reach, and fails when that is less than it should be.

usage: demo.py BUILD_DIR     SPDX-License-Identifier: Apache-2.0
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from server import Server  # noqa: E402

TTY = sys.stderr.isatty()


def bar(title, share, text):
    filled = int(share * 30)
    line = f"{title:<18} [{'#' * filled}{'.' * (30 - filled)}] {share:4.0%}  {text}"
    sys.stderr.write(f"\r\033[K{line}" if TTY else line + "\n")
    sys.stderr.flush()


def follow(server, path, title, final, describe):
    """Polls a session until it reaches a final state; returns its last status."""
    shown = -1.0
    while True:
        status = server.get(path).json()
        share, text = describe(status)
        if TTY or share >= shown + 0.1 or final(status):
            bar(title, share, text)
            shown = share
        if final(status):
            sys.stderr.write("\n" if TTY else "")
            return status
        time.sleep(0.2)


def cartpole(server):
    run = server.post("/lathe/v1/runs", {
        "name": "demo", "env": {"id": "CartPole-v1"}, "seed": 1, "n_envs": 8, "total_steps": 100000,
        "algorithm": {"id": "ppo", "options": {
            "n_steps": 32, "batch_size": 256, "n_epochs": 20, "gae_lambda": 0.8, "gamma": 0.98,
            "learning_rate": 0.001, "lr_schedule": "linear", "clip_range": 0.2, "clip_schedule": "linear"}},
        "eval": {"every": 10000, "episodes": 20, "final_episodes": 100}})
    if run.status != 201:
        sys.exit(f"demo: POST /lathe/v1/runs answered {run.status}: {run.body.decode()}")
    path = "/lathe/v1/runs/" + run.json()["id"]

    def describe(status):
        mean = (status["eval"] or {}).get("mean_return")
        return status["current"] / max(1, status["total"]), "" if mean is None else f"mean return {mean:.1f}"
    status = follow(server, path, "CartPole-v1", lambda s: s["state"] in
                    ("succeeded", "failed", "stopped", "cancelled", "crashed"), describe)
    if status["state"] != "succeeded":
        sys.exit(f"demo: the run ended as {status['state']}: {status['error']}")
    result = status["result"]["eval"]
    print(f"CartPole-v1         mean return {result['mean_return']:.1f} +- {result['std_return']:.1f} "
          f"over {result['episodes']} episodes, {status['result']['sps']:.0f} steps/s")
    return result["mean_return"] >= 495


def scenario(server, name, episodes):
    started = server.post("/api/training/start", {
        "scenario_id": name, "framework": "LangChain", "max_episodes": episodes, "learning_rate": 0.001, "seed": 1})
    if started.status != 200:
        sys.exit(f"demo: POST /api/training/start answered {started.status}: {started.body.decode()}")
    path = "/api/training/" + started.json()["session_id"]
    status = follow(server, path, name, lambda s: s["status"] in ("completed", "stopped", "failed"),
                    lambda s: (s["current_episode"] / s["max_episodes"], f"accuracy {s['accuracy']:.1f} %"))
    if status["status"] != "completed":
        sys.exit(f"demo: the session ended as {status['status']}: {status['error']}")
    model = server.get("/api/models/" + status["model_id"]).json()
    optimum = server.get("/api/scenarios/" + name).json()["analysis"]["optimal_return"]
    mean = status["evaluation"]["mean_return"]
    print(f"{name:<19} mean return {mean:.2f} of {optimum:.2f} optimal ({mean / optimum:.1%}), "
          f"accuracy {model['accuracy']:.1f} % over {status['evaluation']['episodes']} tickets")
    return mean >= 0.95 * optimum


def main():
    with Server(sys.argv[1]) as server:
        print(f"server at {server.url('/')}, {server.url('/docs')} for its REST interface")
        ok = cartpole(server)
        for name, episodes in (("customer_support", 200), ("code_review", 500), ("data_analysis", 200)):
            ok = scenario(server, name, episodes) and ok
    print("demo passed" if ok else "demo FAILED: a policy stayed below its known return")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
