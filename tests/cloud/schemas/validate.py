"""Judges recorded requests by the schemas of a vendor's documented fields.

    validate.py VENDOR.json RECORDED.jsonl

Each line of the recording is a request: number, method, url, headers and body. A line is printed for each request that is refused:
its number and why. Needs the package jsonschema. Knows nothing of the connectors: routes, fields, values and limits come from the
schema file.
"""

import json
import re
import sys
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

from jsonschema import Draft202012Validator


class Vendor:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.document = json.load(file)
        self.routes = [(key, *key.split(" "), route) for key, route in self.document["routes"].items()]
        for key, _, _, route in self.routes:
            for part in ("headers", "query", "form", "json"):
                Draft202012Validator.check_schema(route.get(part, True))
            if unknown := set(route) - {"headers", "query", "form", "json", "envelope", "longest"}:
                raise SystemExit(f"{key}: {unknown}")

    def route(self, method, path):
        """The route of a path; what is written out counts before what stands for anything."""
        def pattern(template):
            return re.sub(r"\\\{[a-z]+\\\}", "[A-Za-z0-9._-]+", re.escape(template))
        fitting = [found for found in self.routes if found[1] == method and re.fullmatch(pattern(found[2]), path)]
        return min(fitting, key=lambda found: found[2].count("{"), default=(None,) * 4)

    def errors(self, schema, value, what):
        validator = Draft202012Validator({"definitions": self.document.get("definitions", {}), "allOf": [schema]})
        for error in validator.iter_errors(value):
            error = min(error.context, key=lambda inner: -len(inner.absolute_path), default=error)
            yield f"{what}{''.join(f'/{part}' for part in error.absolute_path)}: {error.message}"

    def judge(self, request):
        url = urlsplit(request["url"])
        _, _, _, route = self.route(request["method"], unquote(url.path))
        if route is None:
            return [f"{request['method']} {url.path} is not known"]
        problems = list(self.errors(route["headers"], pairs(request["headers"], "headers"), "headers"))
        query = parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
        content = self.numbered(route["query"], pairs(query, "query"))
        problems += self.errors(route["query"], content, "query")
        body = request["body"]
        if "form" in route:
            content = pairs(parse_qsl(body, keep_blank_values=True, strict_parsing=True), "form")
            problems += self.errors(route["form"], content, "form")
        elif "json" in route:
            content = json.loads(body)
            problems += self.errors(route["json"], content, "body")
        elif "envelope" not in route and body:
            problems.append("a body where none is documented")
        if not problems:
            limits = (limit for limit in route.get("longest", []) if not list(self.errors(limit["when"], content, "")))
            if (limit := next(limits, None)) and length(content) > timedelta(days=limit["days"]):
                problems.append(f"more than {limit['days']} days")
        return problems

    def resolved(self, schema):
        while "$ref" in schema:
            schema = self.document["definitions"][schema["$ref"].rsplit("/", 1)[1]]
        return schema

    def numbered(self, schema, named):
        """The same with numbers where the schema wants some."""
        properties = self.resolved(schema).get("properties", {})

        def read(name, value):
            is_number = self.resolved(properties.get(name, {})).get("type") == "integer" and re.fullmatch("0|[1-9][0-9]*", value)
            return int(value) if is_number else value

        return {name: read(name, value) for name, value in named.items()}


def pairs(given, what):
    """Names and values, none of them twice. Names of headers are compared without case."""
    named = {}
    for name, value in given:
        name = name.lower() if what == "headers" else name
        if name in named:
            raise ValueError(f"{what}: {name} is there twice")
        named[name] = value
    return named


def length(content):
    """How long the range of a request is."""
    if "interval" in content:
        start, end = content["interval"].split("/")
    elif "end" in content:
        start, end = content["start"], content["end"]
    else:
        return timedelta(0)
    length = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    if length < timedelta(0):
        raise ValueError("a range that ends before it starts")
    return length


def main(schema, recording):
    vendor = Vendor(schema)
    refused = 0
    with open(recording, encoding="utf-8") as file:
        for line in file:
            request = json.loads(line)
            try:
                problems = vendor.judge(request)
            except ValueError as error:
                problems = [str(error)]
            if problems:
                refused += 1
                print(request["number"], "; ".join(problems))
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
