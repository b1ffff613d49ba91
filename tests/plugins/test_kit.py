#!/usr/bin/env python3
"""The conformance kit finds every fault of kit_faulty_env.so, and none where there is none.

usage: test_kit.py KIT PLUGIN [sanitized]     SPDX-License-Identifier: Apache-2.0
"""
import json
import subprocess
import sys

KIT, PLUGIN = sys.argv[1:3]
SANITIZED = len(sys.argv) > 3  # a sanitizer counts no allocations

# fault: tests of which at least one must fail
EXPECTED = {
    "none": None,
    "random": ["env.determinism"],
    "cut": ["env.cuts"],
    "overrun": ["env.memory"],
    "write_act": ["env.memory"],
    "others": ["env.ranges"],
    "reset_all": ["env.masked_reset"],
    "space": ["env.spaces"],
    "accept": ["env.bad_actions"],
    "change": ["env.bad_actions"],
    "snapshot": ["env.snapshot"],
    "allocate": [] if SANITIZED else ["env.allocations"],
    "crash": ["env.determinism"],
}


def verdicts(only):
    out = subprocess.run([KIT, "--json", "--only", only, PLUGIN], capture_output=True, text=True, timeout=300)
    lines = [json.loads(line) for line in out.stdout.split("\n") if line.startswith("{")]
    return {line["test"]: line for line in lines}, out.returncode


def main():
    failed = 0
    for fault, tests in EXPECTED.items():
        for test in tests if tests is not None else ["env.cuts", "env.memory", "env.bad_actions", "env.snapshot",
                                                     "env.determinism", "env.ranges", "env.spaces", "env.masked_reset"]:
            found, code = verdicts(f"{test}:faulty_{fault}")
            wanted = "pass" if tests is None else "fail"
            line = found.get(f"{test}:faulty_{fault}", {"verdict": "missing", "why": ""})
            good = line["verdict"] == wanted and code == (0 if wanted == "pass" else 1)
            failed += not good
            print(f"{'ok' if good else 'NOT OK'}: {fault}: {test} {line['verdict']} {line['why']}")
    hang = subprocess.run([KIT, "--json", "--only", "env.allocations:faulty_hang", PLUGIN], capture_output=True, text=True,
                          timeout=400)
    if not SANITIZED and ("did not finish" not in hang.stdout or hang.returncode != 1):
        failed += 1
        print("NOT OK: a hanging step is not reported:", hang.stdout)
    usage = subprocess.run([KIT], capture_output=True, text=True, timeout=60)
    if usage.returncode != 2:
        failed += 1
        print("NOT OK: no arguments should end with status 2")
    return 1 if failed else 0


sys.exit(main())
