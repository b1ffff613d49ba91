#!/usr/bin/env python3
"""Writes the layout of every struct of the stable headers as assertions, once per release.

usage: freeze.py MAJOR_MINOR > tests/abi/frozen_1_0.c     SPDX-License-Identifier: Apache-2.0

The file that comes out is committed with the release and never edited: a change of layout then fails to
compile. Structs may grow at their end; offsets and types of released fields may not change.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INCLUDE = os.path.join(ROOT, "include")


def preprocessed():
    source = "#include <lathe/lathe.h>\n"
    out = subprocess.run(["gcc", "-std=c17", "-E", "-P", "-I", INCLUDE, "-"], input=source, capture_output=True,
                         text=True, check=True)
    return out.stdout


def fields_of(body):
    """(declaration type for a pointer to the field, name) of each field, in order."""
    for statement in re.split(r";", body):
        text = " ".join(statement.split())
        if not text:
            continue
        # Several declarators share one specifier: split at commas outside of parentheses.
        parts, depth, current = [], 0, ""
        for c in text:
            depth += (c == "(") - (c == ")")
            if c == "," and depth == 0:
                parts.append(current)
                current = ""
            else:
                current += c
        parts.append(current)
        match = re.match(r"((?:const |volatile |unsigned |signed |struct )*[A-Za-z_]\w*(?: const)?)\s*(.*)", parts[0])
        base, first = match.group(1), match.group(2)
        for declarator in [first] + [p.strip() for p in parts[1:]]:
            function = re.match(r"(.*?)\(\*(\w+)\)\s*(\(.*\))$", declarator)
            array = re.match(r"(.*?)(\w+)((?:\[[^\]]*\])+)$", declarator)
            plain = re.match(r"(.*?)(\w+)$", declarator)
            if function:
                yield f"{base} {function.group(1)}(**){function.group(3)}", function.group(2)
            elif array:
                yield f"{base} {array.group(1)}(*){array.group(3)}", array.group(2)
            elif plain:
                yield f"{base} {plain.group(1)}*", plain.group(2)
            else:
                sys.exit(f"freeze: cannot read the field: {text}")


def structs():
    for match in re.finditer(r"struct (lathe_\w+)\s*\{([^{}]*)\}", preprocessed()):
        yield match.group(1), list(fields_of(match.group(2)))


def offsets(all_structs):
    program = "#include <lathe/lathe.h>\n#include <stdio.h>\nint main(void) {\n"
    for name, fields in all_structs:
        program += f'printf("{name} . %zu\\n", sizeof(struct {name}));\n'
        for _, field in fields:
            program += f'printf("{name} {field} %zu\\n", offsetof(struct {name}, {field}));\n'
    program += "return 0;}\n"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "layout")
        subprocess.run(["gcc", "-std=c17", "-I", INCLUDE, "-x", "c", "-", "-o", path, "-lm"], input=program, text=True,
                       check=True)
        out = subprocess.run([path], capture_output=True, text=True, check=True).stdout
    return {tuple(line.split()[:2]): int(line.split()[2]) for line in out.strip().split("\n")}


def main():
    version = sys.argv[1]
    found = list(structs())
    layout = offsets(found)
    print(f"/* Layout of the SDK as released in {version}. Never edited: see docs/abi-policy.md. */")
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* clang-format off */")
    print("#include <lathe/lathe.h>\n#include <stddef.h>\n")
    print("#if UINTPTR_MAX == UINT64_MAX && defined(__LP64__)")
    print("#define AT(type, field, offset, pointer) \\")
    print("    _Static_assert(offsetof(struct type, field) == (offset), #type \".\" #field \" moved\"); \\")
    print("    _Static_assert(_Generic(&((struct type *)0)->field, pointer : 1, default : 0), \\")
    print("                   #type \".\" #field \" has another type\")")
    print("#define AT_LEAST(type, size) _Static_assert(sizeof(struct type) >= (size), #type \" shrank\")\n")
    for name, fields in found:
        print(f"AT_LEAST({name}, {layout[(name, '.')]});")
        for pointer, field in fields:
            # A macro argument may hold commas only inside parentheses, which all of these are.
            print(f"AT({name}, {field}, {layout[(name, field)]}, {pointer});")
        print()
    print("#endif\n\nint main(void)\n{\n    return 0;\n}")


if __name__ == "__main__":
    main()
