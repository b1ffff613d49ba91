#!/usr/bin/env python3
"""Source gates that compilers do not check: sizes, prefixes, flags, global state.

usage: tests/lint.py [BUILD_DIR]   with BUILD_DIR, object files are scanned for mutable globals too
SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_MAX, FUNCTION_MAX, PARAMETERS_MAX, NESTING_MAX = 900, 90, 7, 4
KERNEL_MARK = "lathe-lint: kernel"

# Mutable state at file scope, each with the reason why it cannot hang from an object.
GLOBALS_ALLOWED = {
    "core/base/log.c": "the process has one log",
    "core/base/mem.c": "fault injection of tests reaches every allocation",
    "core/base/clock.c": "the fake clock of tests",
    "core/base/strbuf.c": "the empty text behind a writable pointer; never written",
    "sdk/check/alloc_count.c": "a process has one allocator",
}

problems = []


def problem(path, line, text):
    problems.append(f"{path}:{line}: {text}")


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [p for p in out.stdout.split("\n") if p and os.path.exists(os.path.join(ROOT, p))]


def strip_comments(text):
    """Blanks comments and string contents, keeping line numbers."""
    def blank(match):
        s = match.group(0)
        if s.startswith("/"):
            return re.sub(r"[^\n]", " ", s)
        return s[0] + re.sub(r"[^\n]", " ", s[1:-1]) + s[-1]
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


FUNCTION = re.compile(r"^(?!typedef|struct \w+ \{|enum|union|#)([A-Za-z_][\w \*,]*?)\b(\w+)\(([^;{]*)\)\s*\n\{", re.M)


def check_functions(path, text, code, is_kernel):
    for match in FUNCTION.finditer(code):
        start = code.count("\n", 0, match.start()) + 1
        name, parameters = match.group(2), match.group(3)
        depth, position, deepest = 0, match.end() - 1, 0
        while position < len(code):
            if code[position] == "{":
                depth += 1
                deepest = max(deepest, depth)
            elif code[position] == "}":
                depth -= 1
                if depth == 0:
                    break
            position += 1
        length = code.count("\n", match.end(), position) + 1
        flat = re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", parameters))
        count = 0 if flat.strip() in ("", "void") else flat.count(",") + 1
        if is_kernel:
            continue
        if length > FUNCTION_MAX:
            problem(path, start, f"function {name} has {length} lines (limit {FUNCTION_MAX})")
        if count > PARAMETERS_MAX:
            problem(path, start, f"function {name} has {count} parameters (limit {PARAMETERS_MAX})")
        if deepest - 1 > NESTING_MAX:
            problem(path, start, f"function {name} nests {deepest - 1} deep (limit {NESTING_MAX})")
        if name.startswith("lathe_") and not path.startswith("include/"):
            problem(path, start, f"{name}: the prefix lathe_ is for include/lathe alone")


def check_source(path):
    text = open(os.path.join(ROOT, path), encoding="utf-8").read()
    code = strip_comments(text)
    lines = text.split("\n")
    is_kernel = KERNEL_MARK in text
    if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(lines[:8]):
        problem(path, 1, "no SPDX line near the top")
    if not text.lstrip().startswith("/*"):
        problem(path, 1, "does not open with a purpose comment")
    if len(lines) > FILE_MAX and not is_kernel and not path.startswith("tests/abi/frozen_"):
        problem(path, 1, f"{len(lines)} lines (limit {FILE_MAX})")
    check_functions(path, text, code, is_kernel)
    if path.endswith(".h") and path.startswith("include/lathe/"):
        if not re.search(r"Threads?:", text):
            problem(path, 1, "the header does not name its threads")
    for number, line in enumerate(code.split("\n"), 1):
        if re.search(r"\b(alloca|gets|strcpy|strcat|sprintf)\s*\(", line) and not re.search(r"(^|/)test_\w+\.c$|^sdk/template", path):
            problem(path, number, "unbounded copy: " + line.strip()[:60])
        if re.match(r"plugins/(env|algorithm|engine)/", path) and "/tests/" not in path and \
                not re.search(r"test_\w+\.c$", path) and re.search(r"\b(s?rand|random|time|clock)\s*\(", line):
            problem(path, number, "numeric code must not read clocks or the process's generator")


def check_text(path):
    text = open(os.path.join(ROOT, path), encoding="utf-8", errors="replace").read()
    for number, line in enumerate(text.split("\n"), 1):
        if path.endswith(("CMakeLists.txt", ".cmake")) and re.search(r"-Ofast|-ffast-math|-march=native", line):
            problem(path, number, "flag that changes results: " + line.strip()[:60])
        if "shared" in line and re.search(r"\.\./shared|/work/", line) and not path.startswith(("tests/", ".ci/")):
            problem(path, number, "path that exists on one machine alone")


def check_globals(build):
    objects = []
    for folder, _, names in os.walk(build):
        if re.search(r"/(tests|fuzz|_deps)(/|$)", folder[len(build):]):
            continue
        objects += [os.path.join(folder, n) for n in names if n.endswith(".c.o")]
    for obj in sorted(objects):
        source = re.sub(r".*/CMakeFiles/[^/]+\.dir/", "", obj)[:-2]
        folder = re.sub(r"/CMakeFiles/.*", "", os.path.relpath(obj, build))
        path = os.path.normpath(os.path.join(folder, source))
        if not os.path.exists(os.path.join(ROOT, path)) or path in GLOBALS_ALLOWED or "/test" in path:
            continue
        out = subprocess.run(["nm", "-f", "posix", obj], capture_output=True, text=True, check=True).stdout
        for line in out.split("\n"):
            parts = line.split()
            # .data.rel.ro holds constants with addresses: nm shows it as 'd' too, so ask for the section.
            if len(parts) >= 2 and parts[1] in "bBC":
                problem(path, 1, f"mutable global {parts[0]}")
        sections = subprocess.run(["objdump", "-t", obj], capture_output=True, text=True, check=True).stdout
        for line in sections.split("\n"):
            match = re.search(r" O \.data(?!\.rel\.ro)\S*\s+\S+\s+(\S+)$", line)
            if match and not match.group(1).startswith(("__asan", "__ubsan", ".L", "__odr")):
                problem(path, 1, f"mutable global {match.group(1)}")


# Subjects of earlier commits are as they were published before this gate ran.
SUBJECTS_SINCE = "d20303e6b42c350fd2682275a1df6af164776995"


def check_subjects():
    """Subjects since this gate runs."""
    known = subprocess.run(["git", "merge-base", "--is-ancestor", SUBJECTS_SINCE, "HEAD"], cwd=ROOT, capture_output=True)
    added = [SUBJECTS_SINCE] if known.returncode == 0 else subprocess.run(
        ["git", "log", "--diff-filter=A", "--format=%H", "--", "tests/lint.py"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    if not added:
        return
    out = subprocess.run(["git", "log", "--format=%s", f"{added[-1]}..HEAD"], cwd=ROOT, capture_output=True, text=True)
    for subject in out.stdout.strip().split("\n") if out.stdout.strip() else []:
        if len(subject) > 72 or not re.match(r"[a-z0-9_./,*{} -]+: \S", subject):
            problem("git log", 0, f"subject is not 'area: summary' of at most 72 characters: {subject}")


def main():
    sources = tracked("*.c", "*.h")
    for path in sources:
        check_source(path)
    for path in tracked():
        if not path.endswith((".png", ".txt.gz", ".bin")) and "/corpus/" not in path and "/golden/" not in path:
            check_text(path)
    if len(sys.argv) > 1:
        check_globals(os.path.abspath(sys.argv[1]))
    check_subjects()
    for line in problems:
        print(line)
    print(f"{len(sources)} source files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
