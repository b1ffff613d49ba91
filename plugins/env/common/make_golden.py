#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of the environment plugins from Gymnasium (1.x, NumPy >= 2).

usage: make_golden.py OUT_DIR [STATES]      OUT_DIR/<plugin>/golden/<id>.txt, STATES forced steps (300)

Lines of a file:
  reset SEED obs...                               the observation of reset(seed=SEED)
  step action | state... | reward terminated obs...   one step from a state set by hand (classic control)
  free SEED t obs...                              observation after t steps of the open-loop actions, no reset
  path SEED t reward terminated obs...            the same with resets (no seed) at episode ends, time limit applied
Actions of free and path: (t*t + t//3 + SEED) % n, or 1.5 * high * sin(0.3 t + SEED) as float32.
"""
import math
import os
import sys
import warnings

import gymnasium as gym
import numpy as np

warnings.filterwarnings("ignore")
CLASSIC = {"CartPole-v1": "cartpole", "MountainCar-v0": "mountain_car", "MountainCarContinuous-v0": "mountain_car",
           "Acrobot-v1": "acrobot", "Pendulum-v1": "pendulum"}
TABLES = {"FrozenLake-v1": ("frozen_lake", {}), "FrozenLake8x8-v1": ("frozen_lake", {}),
          "CliffWalking-v1": ("cliff_walking", {}), "CliffWalkingSlippery-v1": ("cliff_walking", {}),
          "Taxi-v4": ("taxi", {}), "Taxi-v4-rain": ("taxi", {"is_rainy": True}),
          "Taxi-v4-fickle": ("taxi", {"is_rainy": True, "fickle_passenger": True}), "Blackjack-v1": ("blackjack", {})}


def action(env, t, seed):
    space = env.action_space
    if hasattr(space, "n"):
        return (t * t + t // 3 + seed) % int(space.n)
    return np.array([1.5 * float(space.high[0]) * math.sin(0.3 * t + seed)], dtype=np.float32)


def text(values):
    return " ".join("%.9g" % float(v) for v in np.ravel(np.asarray(values, dtype=object)))


def resets(env, out, n):
    for seed in range(n):
        out.write("reset %d %s\n" % (seed, text(env.reset(seed=seed)[0])))


def classic(name, out, states):
    env = gym.make(name).unwrapped
    resets(env, out, 1000)
    rng = np.random.default_rng(5)
    done, t = True, 0
    while t < states:
        if done:
            env.reset(seed=int(rng.integers(1 << 30)))
            env.step(env.action_space.sample())
            length = 0
        state = [float(v) for v in env.state]
        a = int(rng.integers(env.action_space.n)) if hasattr(env.action_space, "n") else \
            np.array([rng.uniform(-1.6, 1.6) * float(env.action_space.high[0])], dtype=np.float32)
        obs, reward, term, _, _ = env.step(a)
        out.write("step %s | %s | %.9g %d %s\n" % (text(a), " ".join("%.17g" % v for v in state), reward, term,
                                                   text(obs)))
        length += 1
        t += 1
        done = term or length >= 200
    steps = 200 if name in ("CartPole-v1", "Pendulum-v1") else 500
    for seed in range(3):
        env.reset(seed=seed)
        for t in range(steps):
            obs = env.step(action(env, t, seed))[0]
            if (t + 1) % 20 == 0:
                out.write("free %d %d %s\n" % (seed, t + 1, text(obs)))


def tables(name, kwargs, out, states):
    env = gym.make(name.replace("-rain", "").replace("-fickle", ""), **kwargs)
    limit = env.spec.max_episode_steps or 0
    env = env.unwrapped
    resets(env, out, 1000)
    for seed in range(3):
        obs = env.reset(seed=seed)[0]
        length = 0
        for t in range(states // 3):
            obs, reward, term, _, _ = env.step(action(env, t, seed))
            out.write("path %d %d %.9g %d %s\n" % (seed, t + 1, reward, term, text(obs)))
            length += 1
            if term or (limit and length >= limit):
                env.reset()
                length = 0


def main():
    root = sys.argv[1]
    states = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    for name, plugin in CLASSIC.items():
        os.makedirs("%s/%s/golden" % (root, plugin), exist_ok=True)
        with open("%s/%s/golden/%s.txt" % (root, plugin, name), "w") as out:
            classic(name, out, states)
    for name, (plugin, kwargs) in TABLES.items():
        os.makedirs("%s/%s/golden" % (root, plugin), exist_ok=True)
        with open("%s/%s/golden/%s.txt" % (root, plugin, name), "w") as out:
            tables(name, kwargs, out, states)


main()
