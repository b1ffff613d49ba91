#!/usr/bin/env python3
"""Learning quality: trains published settings over many seeds and holds the results against fixed bars.

usage: bars.py BUILD_DIR [--seeds 10] [--jobs 2] [--smoke] [row ...]     SPDX-License-Identifier: Apache-2.0

Every run is one `lathe-worker --role run --standalone`; the final greedy policy plays start seeds 10000..10099
once each. Rows marked exact take the value of that policy by dynamic programming on the environment's model, with
the time limit. Prints a Markdown table; the exit code is 1 when a bar is missed.
"""
import argparse
import concurrent.futures
import json
import math
import os
import statistics
import struct
import subprocess
import sys
import tempfile

PPO_CLEANRL = {"profile": "cleanrl", "n_steps": 128, "batch_size": 128, "n_epochs": 4, "learning_rate": 2.5e-4,
               "ent_coef": 0.01}
LAKE = {"alpha": 0.1, "alpha_end": 0.005, "epsilon": 1.0, "epsilon_end": 0.1, "epsilon_fraction": 0.8}
CLIFF = {"alpha": 0.5, "gamma": 1.0, "epsilon": 0.1, "epsilon_end": 0.1}
NORM = {"obs_norm": True, "reward_norm": True, "norm_gamma": 0.99}


def row(plugin, env, algo, steps, options, mean=None, at_least=(), n_envs=1, score="return", smoke=False, **job):
    """at_least: pairs (k of 10, value): so many seeds must reach the value."""
    return {"plugin": plugin, "env": env, "algo": algo, "steps": steps, "options": options, "mean": mean,
            "at_least": at_least, "n_envs": n_envs, "score": score, "smoke": smoke, "job": job}


ROWS = {
    "cartpole-ppo": row("cartpole", "CartPole-v1", "ppo", 100_000, {
        "n_steps": 32, "batch_size": 256, "gae_lambda": 0.8, "gamma": 0.98, "n_epochs": 20, "learning_rate": 1e-3,
        "lr_schedule": "linear", "clip_schedule": "linear"}, 495, [(9, 475)], 8, smoke=True),
    "cartpole-ppo-cleanrl": row("cartpole", "CartPole-v1", "ppo", 500_000, PPO_CLEANRL, 485, (), 4, score="training"),
    "acrobot-ppo": row("acrobot", "Acrobot-v1", "ppo", 1_000_000, {
        "n_steps": 256, "batch_size": 64, "gae_lambda": 0.94, "n_epochs": 4}, -84, (), 16, **NORM),
    "acrobot-ppo-cleanrl": row("acrobot", "Acrobot-v1", "ppo", 500_000, PPO_CLEANRL, -90, (), 4, score="training"),
    "mountaincar-ppo": row("mountain_car", "MountainCar-v0", "ppo", 1_000_000, {
        "n_steps": 16, "batch_size": 64, "gae_lambda": 0.98, "n_epochs": 4}, -125, [(8, -140)], 16, **NORM),
    "pendulum-ppo": row("pendulum", "Pendulum-v1", "ppo", 100_000, {
        "n_steps": 1024, "gamma": 0.9, "learning_rate": 1e-3, "use_sde": True, "sde_sample_freq": 4}, -190, (), 4,
        smoke=True),
    "frozenlake-4x4": row("frozen_lake", "FrozenLake-v1", "q_learning", 100_000, {**LAKE, "gamma": 0.99}, None,
                          [(10, 0.739)], score="exact", smoke=True, limit=100),
    "frozenlake-8x8": row("frozen_lake", "FrozenLake8x8-v1", "q_learning", 1_000_000, {**LAKE, "gamma": 0.999}, None,
                          [(10, 0.875)], score="exact", smoke=True, limit=200),
    "taxi": row("taxi", "Taxi-v4", "q_learning", 300_000, {
        "alpha": 1.0, "gamma": 0.99, "epsilon": 1.0, "epsilon_end": 0.05, "epsilon_fraction": 0.5}, 7.90, (),
        score="exact", smoke=True, limit=200),
    "cliff-q_learning": row("cliff_walking", "CliffWalking-v1", "q_learning", 20_000, CLIFF, None, [(10, -13)],
                            score="exact", smoke=True, limit=200, equal=-13),
    "cliff-expected_sarsa": row("cliff_walking", "CliffWalking-v1", "expected_sarsa", 20_000, CLIFF, None,
                                [(10, -15)], score="exact", smoke=True, limit=200, equal=-15),
    "cliff-sarsa": row("cliff_walking", "CliffWalking-v1", "sarsa", 20_000, {
        **CLIFF, "alpha_end": 0.05, "alpha_fraction": 0.8}, None, [(10, -17)], score="exact", smoke=True, limit=200,
        equal=-17),
    "blackjack": row("blackjack", "Blackjack-v1", "q_learning", 1_000_000, {
        "alpha": 0.05, "alpha_end": 0.001, "gamma": 1.0, "epsilon": 1.0, "epsilon_end": 0.1,
        "epsilon_fraction": 1.0}, -0.0460, [(10, -0.0480)], score="exact", smoke=True, limit=50),
}


def q_table(path):
    """Rows of the tensor policy/q of a policy file."""
    with open(path, "rb") as file:
        head = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    states, actions = head["policy/q"]["shape"]
    begin, end = head["policy/q"]["data_offsets"]
    q = struct.unpack(f"<{states * actions}d", data[begin:end])
    return [q[s * actions:(s + 1) * actions] for s in range(states)]


def table_state(env, state):
    """Index in the value table of a model state: blackjack counts naturals behind the 32 x 11 x 2 observations."""
    if env == "Blackjack-v1" and state >= 704:
        return (21 * 11 + state - 704) * 2 + 1
    return state


def exact_value(model, spec, q):
    """Value of the greedy policy (lowest index among equals) within the limit."""
    cells, n = model["cells"], model["n_actions"]
    play = []
    for s in range(model["n_states"]):
        allowed = range(n)
        if spec["plugin"] == "taxi":  # its mask: actions that change the state
            allowed = [a for a in allowed if cells[s * n + a][0][2] != s]
        values = q[table_state(spec["env"], s)]
        best = max((values[a] for a in allowed), default=0)
        play.append(cells[s * n + next((a for a in allowed if values[a] == best), 0)])
    v = [0.0] * model["n_states"]
    for _ in range(spec["job"]["limit"]):
        v = [sum(p * (r + (0.0 if end else v[to])) for p, r, to, end in cell) for cell in play]
    return sum(p * v[s] for p, s in model["start"])


def model_of(build, spec):
    command = [os.path.join(build, "perf", "env_model"), spec["plugin"], spec["env"]]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def train(build, spec, seed, model):
    with tempfile.TemporaryDirectory(prefix="lathe-bars-") as folder:
        names = {"sarsa": "q_learning", "expected_sarsa": "q_learning"}
        plugins = [spec["plugin"], names.get(spec["algo"], spec["algo"])] + (["engine_cpu"] if spec["algo"] == "ppo" else [])
        job = {"version": 1, "job": "bars", "dir": folder, "role": "run", "task": "rl.train",
               "plugins": [{"path": os.path.join(build, "plugins", p + ".so")} for p in plugins],
               "env": {"name": spec["env"], "options": {}},
               "algorithm": {"name": spec["algo"], "options": spec["options"]}, "seed": seed,
               "n_envs": spec["n_envs"], "total_steps": spec["steps"], "eval": {"episodes": 100, "at_start": False}}
        if spec["algo"] == "ppo":
            job["engine"] = {"name": "cpu"}
        job.update({k: v for k, v in spec["job"].items() if k in NORM})
        if spec["env"] == "CliffWalking-v1":
            job["time_limit"] = spec["job"]["limit"]
        path = os.path.join(folder, "job.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(job, file)
        out = subprocess.run([os.path.join(build, "bin", "lathe-worker"), "--role", "run", "--job", path, "--standalone"],
                             capture_output=True, text=True, check=False)
        if out.returncode != 0:
            sys.exit(f"bars: {spec['env']} {spec['algo']} seed {seed} failed: {out.stdout[-600:]}{out.stderr[-600:]}")
        lines = [json.loads(line) for line in out.stdout.strip().split("\n") if line.startswith("{")]
        done = next(line["data"] for line in lines if line.get("frame") == "DONE")
        if spec["score"] == "training":
            score = done["result"]["mean_return"]
        elif spec["score"] == "exact":
            score = exact_value(model, spec, q_table(os.path.join(folder, done["artifact"]["file"])))
        else:
            score = lines[-1]["eval_mean_return"]
        return score, lines[-1]["sps"]


def verdict(spec, scores):
    """Text of the bar, seeds that pass its per-seed part (or the mean's bar), and whether the row passes."""
    texts, ok, n = [], True, len(scores)
    each = spec["at_least"][0][1] if spec["at_least"] else spec["mean"]
    passes = sum(s >= each - 1e-9 for s in scores)
    if spec["mean"] is not None:
        texts.append(f"mean >= {spec['mean']:g}")
        # the mean of fewer seeds says little where each of them has a bar of its own
        ok = statistics.fmean(scores) >= spec["mean"] or (n < 10 and bool(spec["at_least"]))
    for k, value in spec["at_least"]:
        if "equal" in spec["job"]:
            passes = sum(abs(s - value) < 1e-9 for s in scores)
            texts.append(f"{k}/10 = {value:g}")
        else:
            texts.append(f"{k}/10 >= {value:g}")
        ok = ok and passes >= math.floor(k * n / 10)
    return "; ".join(texts), passes, ok


def number(x):
    return f"{x:.4f}" if abs(x) < 10 else f"{x:.1f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--smoke", action="store_true", help="the cheap rows, two seeds")
    args = parser.parse_intermixed_args()
    build = os.path.abspath(args.build)
    unknown = [r for r in args.rows if r not in ROWS]
    if unknown:
        sys.exit(f"bars: no row {unknown[0]}; rows: {' '.join(ROWS)}")
    names = args.rows or [n for n, spec in ROWS.items() if spec["smoke"] or not args.smoke]
    seeds = range(2 if args.smoke else args.seeds)
    failed = []
    print("| row | environment | algorithm | steps | bar | mean | std | min | pass | steps/s |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for name in names:
            spec = ROWS[name]
            model = model_of(build, spec) if spec["score"] == "exact" else None
            runs = list(pool.map(lambda seed: train(build, spec, seed, model), seeds))
            scores = [score for score, _ in runs]
            bar, passes, ok = verdict(spec, scores)
            kind = {"training": " (last 100 training episodes)", "exact": " (exact)"}.get(spec["score"], "")
            std = statistics.stdev(scores) if len(scores) > 1 else 0.0
            print(f"| {name} | {spec['env']} | {spec['algo']} | {spec['steps']:,} | {bar}{kind} | "
                  f"{number(statistics.fmean(scores))} | {number(std)} | {number(min(scores))} | "
                  f"{passes}/{len(scores)}{'' if ok else ' MISSED'} | "
                  f"{statistics.median(sps for _, sps in runs):,.0f} |", flush=True)
            print(f"{name}: {' '.join(number(s) for s in scores)}", file=sys.stderr, flush=True)
            if not ok:
                failed.append(name)
    if failed:
        sys.exit(f"bars: missed: {' '.join(failed)}")


if __name__ == "__main__":
    main()
