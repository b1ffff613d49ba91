#!/usr/bin/env python3
"""The reference pages under docs/reference/ are made from what the programs themselves say.

usage: docs_reference.py BUILD_DIR [--write]     SPDX-License-Identifier: Apache-2.0
Without --write it fails when a page differs from its source.
"""
import glob
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
METHODS = ("get", "put", "post", "patch", "delete")


def resolve(document, node):
    while isinstance(node, dict) and "$ref" in node:
        target = document
        for part in node["$ref"].lstrip("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def type_of(document, schema):
    schema = resolve(document, schema)
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(v)}`" for v in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    kind = schema.get("type", "any")
    kind = " or ".join(kind) if isinstance(kind, list) else kind
    if kind == "array":
        return "array of " + type_of(document, schema.get("items", {}))
    return kind


def limits(schema):
    words = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}",
             "minLength": "at least {} characters", "maxLength": "at most {} characters", "minItems": "at least {} items",
             "maxItems": "at most {} items", "pattern": "pattern `{}`", "default": "default `{}`"}
    said = [text.format(json.dumps(schema[key]) if key == "default" else schema[key])
            for key, text in words.items() if key in schema]
    return ", ".join(said).replace("|", "\\|")


def members(document, schema, indent=""):
    schema = resolve(document, schema)
    lines = []
    for name, member in schema.get("properties", {}).items():
        plain = resolve(document, member)
        facts = "; ".join(x for x in (type_of(document, member), limits(plain),
                                      "required" if name in schema.get("required", []) else "") if x)
        text = plain.get("description", "").replace("\n", " ")
        lines.append(f"{indent}- `{name}` ({facts}){': ' + text if text else ''}")
    return lines


def operation(document, method, path, op):
    lines = [f"## {method.upper()} {path}", "", op.get("summary", "").rstrip(".") + ".", ""]
    if op.get("description"):
        lines += [op["description"], ""]
    parameters = [resolve(document, p) for p in op.get("parameters", [])]
    if parameters:
        lines.append("Parameters:")
        lines.append("")
        for p in parameters:
            schema = resolve(document, p.get("schema", {}))
            facts = "; ".join(x for x in (p["in"], type_of(document, schema), limits(schema),
                                          "required" if p.get("required") else "") if x)
            text = p.get("description", "")
            lines.append(f"- `{p['name']}` ({facts}){': ' + text if text else ''}")
        lines.append("")
    for content_type, content in resolve(document, op.get("requestBody", {})).get("content", {}).items():
        lines += [f"Body ({content_type}):", ""]
        lines += members(document, content.get("schema", {})) or ["any value"]
        lines.append("")
        schema = resolve(document, content.get("schema", {}))
        example = content.get("example", (schema.get("examples") or [None])[0])
        if example is not None:
            lines += ["```json", json.dumps(example, indent=2, ensure_ascii=False), "```", ""]
    lines += ["| status | meaning |", "|---|---|"]
    for status, response in op.get("responses", {}).items():
        response = resolve(document, response)
        lines.append(f"| {status} | {response.get('description', '').replace(chr(10), ' ').replace('|', chr(92) + '|')} |")
    return lines + [""]


def rest_page(path):
    with open(path, encoding="utf-8") as f:
        document = json.load(f)
    lines = [f"# {document['info']['title']}: REST reference", "",
             f"Made from `{os.path.relpath(path, ROOT)}` by `tests/docs_reference.py`; edit that file instead.", "",
             document["info"].get("description", ""), ""]
    for route, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                lines += operation(document, method, route, item[method])
    return "\n".join(lines).rstrip() + "\n"


def pages(build):
    found = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "plugins", "api", "*", "openapi.json"))):
        found[os.path.join("docs", "reference", os.path.basename(os.path.dirname(path)) + ".md")] = rest_page(path)
    lathed = os.path.join(build, "bin", "lathed")
    out = subprocess.run([lathed, "--reference"], capture_output=True, text=True, check=True).stdout
    found[os.path.join("docs", "reference", "configuration.md")] = out
    out = subprocess.run([lathed, "--default-config"], capture_output=True, text=True, check=True).stdout
    found[os.path.join("etc", "lathe.conf")] = out
    return found


def main():
    problems = 0
    for name, text in pages(os.path.abspath(sys.argv[1])).items():
        path = os.path.join(ROOT, name)
        old = open(path, encoding="utf-8").read() if os.path.exists(path) else None
        if old == text:
            print(f"ok: {name}")
        elif "--write" in sys.argv:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            print(f"written: {name}")
        else:
            problems += 1
            print(f"NOT OK: {name} is out of date; run tests/docs_reference.py BUILD_DIR --write")
    return 1 if problems else 0


sys.exit(main())
