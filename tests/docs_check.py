#!/usr/bin/env python3
"""Documents tell the truth: code blocks equal the files they show, links lead somewhere.

A line `<!-- file: PATH -->` must be followed by a fenced block with exactly that file's text.
usage: docs_check.py [--write]     SPDX-License-Identifier: Apache-2.0
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LANGUAGES = {".c": "c", ".h": "c", ".txt": "cmake", ".cmake": "cmake", ".conf": "cfg", ".py": "python"}
MARK = re.compile(r"<!-- file: (\S+) -->\n(\n```\w*\n.*?\n```\n)?", re.S)


def block(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        text = f.read()
    return f"\n```{LANGUAGES.get(os.path.splitext(path)[1], '')}\n{text.rstrip()}\n```\n"


def main():
    write, problems, shown = "--write" in sys.argv, [], 0
    documents = [os.path.join(ROOT, "README.md")] + glob.glob(os.path.join(ROOT, "docs", "**", "*.md"), recursive=True)
    for document in documents:
        with open(document, encoding="utf-8") as f:
            text = f.read()
        name = os.path.relpath(document, ROOT)
        shown += len(MARK.findall(text))
        fresh = MARK.sub(lambda m: f"<!-- file: {m.group(1)} -->\n{block(m.group(1))}", text)
        if fresh != text and write:
            with open(document, "w", encoding="utf-8") as f:
                f.write(fresh)
        elif fresh != text:
            problems.append(f"{name}: a code block differs from its file; run tests/docs_check.py --write")
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", fresh):
            if not re.match(r"[a-z]+:", target) and \
                    not os.path.exists(os.path.join(os.path.dirname(document), target)):
                problems.append(f"{name}: link to {target} leads nowhere")
    print("\n".join(problems + [f"{len(documents)} documents, {shown} shown files, {len(problems)} problems"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
