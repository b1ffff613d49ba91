#!/usr/bin/env python3
"""The layout gate compiles today, refuses an inserted, widened or retyped field, and allows an appended one.

usage: test_gate.py CC     SPDX-License-Identifier: Apache-2.0
"""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CC = sys.argv[1]

CHANGES = {  # name: (old text, new text, must it compile)
    "nothing": ("", "", True),
    "inserted": ("    const char *id;                  /* \"CartPole-v1\" */",
                 "    uint64_t extra;\n    const char *id;", False),
    "widened": ("uint32_t version;", "uint64_t version;", False),
    "retyped": ("double reward_threshold;", "int64_t reward_threshold;", False),
    "appended": ("    const struct lathe_space *obs, *act;\n};", "    const struct lathe_space *obs, *act;\n    uint64_t extra;\n};",
                 True),
}


def compiles(old, new, folder):
    include = os.path.join(folder, "include")
    shutil.copytree(os.path.join(ROOT, "include"), include)
    path = os.path.join(include, "lathe", "env.h")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if old:
        # The comment's column may move with formatting: compare without runs of blanks.
        squeeze = lambda s: " ".join(s.split())  # noqa: E731
        lines = text.split("\n")
        wanted = [squeeze(part) for part in old.split("\n")]
        for i in range(len(lines)):
            if [squeeze(line) for line in lines[i:i + len(wanted)]] == wanted or \
                    (len(wanted) == 1 and squeeze(lines[i]).startswith(wanted[0])):
                lines[i:i + len(wanted)] = new.split("\n")
                break
        else:
            sys.exit(f"test_gate: env.h has no line {old!r}")
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(lines))
    out = subprocess.run([CC, "-std=c17", "-I", include, "-fsyntax-only",
                          os.path.join(ROOT, "tests", "abi", "frozen_1_0.c")], capture_output=True, text=True)
    return out.returncode == 0


def main():
    failed = 0
    for name, (old, new, wanted) in CHANGES.items():
        with tempfile.TemporaryDirectory() as folder:
            good = compiles(old, new, folder) == wanted
        print(f"{'ok' if good else 'NOT OK'}: {name} {'compiles' if wanted else 'is refused'}")
        failed += not good
    return 1 if failed else 0


sys.exit(main())
