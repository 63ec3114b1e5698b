"""docs/api/openapi.json is what the server does.

    openapi_test.py GRANARY

The description's paths and methods are the program's routes; its references lead somewhere, its
examples fit its schemas; and a pool that is started here takes the documented parameters and
examples, refuses others, and answers with what the schemas say and with nothing more.
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOC = json.loads((ROOT / "docs/api/openapi.json").read_text())
GRANARY = ""
METHODS = ("get", "post", "put", "delete", "patch")


def resolve(node):
    """What a `$ref` stands for."""
    while isinstance(node, dict) and "$ref" in node:
        target = DOC
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/")]
        node = target
    return node


def operations():
    """(method, path, operation, parameters) of all."""
    for path, item in DOC["paths"].items():
        for method in METHODS:
            if method in item:
                shared = item.get("parameters", []) + item[method].get("parameters", [])
                yield method.upper(), path, item[method], [resolve(one) for one in shared]


# ---- schemas: what of JSON Schema the description uses

TYPES = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
}
KNOWN = {"type", "properties", "required", "additionalProperties", "items", "enum", "const",
         "oneOf", "minimum", "maximum", "minLength", "maxLength", "description", "$schema", "title"}


def faults(schema, value, where=""):
    """What of the value does not fit; a property that is not listed never does."""
    schema = resolve(schema)
    unknown = set(schema) - KNOWN
    assert not unknown, f"this test does not know {unknown}"
    found = []
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(TYPES[one](value) for one in types):
        return [f"{where}: {json.dumps(value)[:60]} is not {' or '.join(types)}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is none of {schema['enum']}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: {value!r} is not {schema['const']!r}")
    if "minimum" in schema and TYPES["number"](value) and value < schema["minimum"]:
        found.append(f"{where}: {value} is below {schema['minimum']}")
    if "maximum" in schema and TYPES["number"](value) and value > schema["maximum"]:
        found.append(f"{where}: {value} is above {schema['maximum']}")
    if "oneOf" in schema:
        fits = [one for one in schema["oneOf"] if not faults(one, value, where)]
        if not fits:
            found.append(f"{where}: fits none of {len(schema['oneOf'])}: "
                         f"{faults(schema['oneOf'][0], value, where)}")
    if isinstance(value, dict) and "oneOf" not in schema:
        listed = schema.get("properties", {})
        rest = schema.get("additionalProperties", False)
        is_any = "properties" not in schema and "additionalProperties" not in schema
        found += [f"{where}: lacks {name}" for name in schema.get("required", [])
                  if name not in value]
        for name, one in value.items():
            if name in listed:
                found += faults(listed[name], one, f"{where}/{name}")
            elif isinstance(rest, dict):
                found += faults(rest, one, f"{where}/{name}")
            elif not rest and not is_any:
                found.append(f"{where}: has {name}, which is not described")
    if isinstance(value, list):
        for index, one in enumerate(value):
            found += faults(schema.get("items", {}), one, f"{where}[{index}]")
    return found


def fits(schema, value, what):
    found = faults(schema, value)
    assert not found, f"{what}: {found[:5]}"


# ---- the description alone


def the_paths_are_the_programs_routes():
    done = subprocess.run([GRANARY, "serve", "--routes"], capture_output=True, timeout=60,
                          text=True)
    assert done.returncode == 0, done.stderr
    routes = set(done.stdout.splitlines())
    described = {f"{method} {path}" for method, path, _, _ in operations()}
    assert described == routes, (f"not described: {sorted(routes - described)}, "
                                 f"not there: {sorted(described - routes)}")


def every_reference_leads_somewhere():
    count = 0

    def walk(node):
        nonlocal count
        if isinstance(node, dict):
            if "$ref" in node:
                resolve(node)
                count += 1
            for one in node.values():
                walk(one)
        elif isinstance(node, list):
            for one in node:
                walk(one)

    walk(DOC)
    assert count > 50


def everything_described_is_used():
    text = json.dumps(DOC)
    for kind in ("schemas", "parameters", "responses"):
        for name in DOC["components"][kind]:
            assert f'"#/components/{kind}/{name}' in text, f"nothing refers to {kind}/{name}"


def every_operation_is_complete():
    names = []
    for method, path, operation, parameters in operations():
        where = f"{method} {path}"
        names.append(operation["operationId"])
        assert operation["summary"] and not operation["summary"].endswith("."), where
        assert any(status.startswith("2") for status in operation["responses"]), where
        in_path = {one["name"] for one in parameters if one["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path)), where
        assert all(resolve(one)["description"] for one in operation["responses"].values()), where
        assert all(one["description"] and one["schema"] for one in parameters), where
        assert ("requestBody" in operation) == (method == "POST"), where
    assert len(names) == len(set(names)), names


def contents(operation):
    """(what, schema, example) of a request's body and replies."""
    body = operation.get("requestBody", {})
    for kind, content in body.get("content", {}).items():
        yield f"request {kind}", content
    for status, reply in operation["responses"].items():
        for kind, content in resolve(reply).get("content", {}).items():
            yield f"{status} {kind}", content


def examples_fit_their_schemas():
    count = 0
    for method, path, operation, _ in operations():
        for what, content in contents(operation):
            if "example" in content:
                fits(content["schema"], content["example"], f"{method} {path} {what}")
                count += 1
    assert count > 30, count


def the_check_objects_to_what_does_not_fit():
    bad = [("Health", {}), ("Health", {"ok": 1}), ("Health", {"ok": True, "more": 1}),
           ("Whoami", {"uid": "0", "name": "a", "operator": True, "organisation": "o"}),
           ("LineAnswer", {"line": 0, "id": 1}), ("LineAnswer", {"line": 1}),
           ("Jobs", {"jobs": [{}], "next": None}), ("Ending", {"ending": True, "jobs": "maybe"}),
           ("Jobs", []), ("Error", {"error": {"code": "x"}})]
    for name, value in bad:
        assert faults({"$ref": f"#/components/schemas/{name}"}, value), (name, value)


# ---- against a pool


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


class Pool:
    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="granary-api-")
        self.state = f"{self.folder.name}/p"
        self.socket = f"{self.folder.name}/s"
        self.log = open(f"{self.folder.name}/log", "w+")
        self.process = subprocess.Popen(
            [GRANARY, "serve", "--state", self.state, "--socket", self.socket, "--listen", "none",
             "--pretend", "4xh20"], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while True:
            try:
                if self.ask("GET", "/v1/health")[0] == 200:
                    return self
            except OSError:
                pass
            self.log.seek(0)
            assert self.process.poll() is None and time.monotonic() < end, self.log.read()
            time.sleep(0.02)

    def __exit__(self, *_):
        subprocess.run([GRANARY, "serve", "--end", "--stop-jobs", "--state", self.state],
                       capture_output=True, timeout=60)
        self.process.terminate()
        self.process.wait(timeout=60)
        self.end_launcher()
        self.log.close()
        self.folder.cleanup()

    def end_launcher(self):
        """What starts work outlives the daemon; it is known by the pool's folder in its name. When
        this returns nothing of it writes into the folder any more."""
        end = time.monotonic() + 20
        while True:
            found = False
            for entry in Path("/proc").iterdir():
                try:
                    words = (entry / "cmdline").read_bytes().decode(errors="replace")
                    if entry.name.isdigit() and f" {self.folder.name}/" in words.replace("\0", " "):
                        found = True
                        os.kill(int(entry.name), signal.SIGKILL)
                except OSError:
                    continue
            if not found:
                return
            assert time.monotonic() < end, "what starts work does not end"
            time.sleep(0.02)

    def ask(self, method, path, body=None, kind="application/json", headers=None):
        """Status, type, bytes."""
        connection = Connection(self.socket)
        data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        given = dict(headers or {})
        if data is not None:
            given["Content-Type"] = kind
        connection.request(method, path, data, given)
        reply = connection.getresponse()
        if reply.getheader("Content-Type", "").startswith("text/event-stream"):
            got = reply.status, "text/event-stream", reply.fp and reply
            self.stream = connection
            return got
        got = reply.status, (reply.getheader("Content-Type") or "").split(";")[0], reply.read()
        connection.close()
        return got

    def fits(self, method, path, template, *args, want=None, **more):
        """Asks; the reply must be one that the description has. Returns it."""
        status, kind, data = self.ask(method, path, *args, **more)
        replies = DOC["paths"][template][method.lower()]["responses"]
        what = f"{method} {path}: {status}"
        assert str(status) in replies, f"{what} is not described: {data}"
        assert want is None or status in want, f"{what}: {data}"
        content = resolve(replies[str(status)])["content"]
        assert kind in content, f"{what}: type {kind} is not described"
        if kind == "application/json":
            value = json.loads(data)
            fits(content[kind]["schema"], value, what)
            return value
        if kind == "application/x-ndjson":
            lines = [json.loads(line) for line in data.splitlines()]
            for line in lines:
                fits(content[kind]["schema"], line, what)
            return lines
        return data


def wait_for(pool, job, states):
    end = time.monotonic() + 20
    while True:
        shown = pool.fits("GET", f"/v1/jobs/{job}", "/v1/jobs/{id}", want=[200])
        if shown["state"] in states:
            return shown
        assert time.monotonic() < end, shown
        time.sleep(0.02)


def a_job_from_submission_to_its_end_is_as_described():
    with Pool() as pool:
        key = {"Idempotency-Key": "one"}
        spec = {"name": "hello", "env": {"A": "b"}, "command": "echo hello"}
        first = pool.fits("POST", "/v1/jobs", "/v1/jobs", spec, headers=key, want=[201])
        again = pool.fits("POST", "/v1/jobs", "/v1/jobs", spec, headers=key, want=[200])
        assert again["id"] == first["id"]
        pool.fits("POST", "/v1/jobs", "/v1/jobs", {"command": "x"}, headers=key, want=[409])
        wait_for(pool, first["id"], ["done", "failed"])
        data = pool.fits("GET", f"/v1/jobs/{first['id']}/logs", "/v1/jobs/{id}/logs", want=[200])
        assert data == b"hello\n", data
        pool.fits("POST", f"/v1/jobs/{first['id']}/stop", "/v1/jobs/{id}/stop", {}, want=[409])
        running = pool.fits("POST", "/v1/jobs", "/v1/jobs", {
            "kind": "h20", "devices": 2, "tasks": 2, "limit": "1h", "command": ["sleep", "1000"]})
        wait_for(pool, running["id"], ["running"])
        waiting = pool.fits("POST", "/v1/jobs", "/v1/jobs", {
            "kind": "h20", "devices": 1, "command": ["sleep", "1000"]})
        held = pool.fits("POST", "/v1/jobs", "/v1/jobs", {
            "after": {str(running["id"]): "any"}, "command": ["true"]})
        for job in (waiting, held):
            shown = wait_for(pool, job["id"], ["waiting", "held"])
            assert shown["reason"]["text"]
        pool.fits("GET", "/v1/jobs?all=true", "/v1/jobs", want=[200])
        page = pool.fits("GET", "/v1/jobs?all=true&limit=1", "/v1/jobs", want=[200])
        assert page["next"] and len(page["jobs"]) == 1
        pool.fits("GET", "/v1/nodes", "/v1/nodes", want=[200])
        stop = DOC["paths"]["/v1/jobs/{id}/stop"]["post"]["requestBody"]
        body = stop["content"]["application/json"]["example"]
        for job in (waiting, running):
            pool.fits("POST", f"/v1/jobs/{job['id']}/stop?dry_run=true", "/v1/jobs/{id}/stop", body,
                      want=[200])
            pool.fits("POST", f"/v1/jobs/{job['id']}/stop", "/v1/jobs/{id}/stop", body, want=[202])
            wait_for(pool, job["id"], ["stopped"])
        wait_for(pool, held["id"], ["done", "failed"])


def lines_are_answered_as_described():
    with Pool() as pool:
        lines = (b'{"command": ["true"]}\n\n{"array": "0-3", "command": ["true"]}\n'
                 b'{"x": 1}\nnothing\n')
        for query in ("", "?dry_run=true"):
            got = pool.fits("POST", "/v1/jobs" + query, "/v1/jobs", lines,
                            kind="application/x-ndjson", want=[200])
            assert [one["line"] for one in got] == [1, 3, 4, 5], got
            assert ["error" in one for one in got] == [False, False, True, True], got


def documented_requests_are_taken_and_others_refused():
    with Pool() as pool:
        node = pool.fits("GET", "/v1/nodes", "/v1/nodes")["nodes"][-1]["name"].replace("/", "%2F")
        job = pool.fits("POST", "/v1/jobs", "/v1/jobs", {"command": ["true"]}, want=[201])["id"]
        wait_for(pool, job, ["done"])
        pool.fits("POST", "/v1/windows", "/v1/windows", {
            "name": "planned", "maintenance": True, "start_ms": 2010000000000, "length_ms": 1000,
            "devices": 1}, want=[201])
        for method, template, operation, parameters in operations():
            path = template.replace("{id}", str(job)).replace("{name}", node)
            path = path.replace("{token}", "first%20operator").replace("{window}", "planned")
            body = None
            if "requestBody" in operation:
                body = operation["requestBody"]["content"]["application/json"]["example"]
            if template in ("/v1/shutdown", "/v1/events", "/v1/jobs/{id}/stop",
                            "/v1/jobs/{id}/checkpoint"):
                continue  # these have cases of their own
            queries = [one for one in parameters if one["in"] == "query"]
            dry = "?dry_run=true" if any(one["name"] == "dry_run" for one in queries) else ""
            pool.fits(method, path + dry, template, body, want=[200])
            for one in queries:
                schema = one["schema"]
                value = (schema["enum"][0] if "enum" in schema else
                         {"integer": schema.get("minimum", 0), "boolean": "true",
                          "string": "running"}[schema["type"]])
                query = f"?{one['name']}={value}" + (dry.replace("?", "&") if dry else "")
                pool.fits(method, path + query, template, body, want=[200])
            if template not in ("/metrics", "/v1/health", "/v1/openapi.json", "/v1/whoami"):
                status, _, data = pool.ask(method, path + "?nonsense=1", body)
                assert status == 400 and b"nonsense" in data, (template, status, data)
            if isinstance(body, dict):
                wrong = {**body, "nonsense": 1}
                status, _, data = pool.ask(method, path + dry, wrong)
                assert status in (400, 422), (template, status, data)


def a_checkpoint_is_as_described():
    with Pool() as pool:
        job = pool.fits("POST", "/v1/jobs", "/v1/jobs", {"command": ["sleep", "1000"]},
                        want=[201])["id"]
        wait_for(pool, job, ["running"])
        template = "/v1/jobs/{id}/checkpoint"
        for body in ({"attempt": 1}, {}):
            pool.fits("POST", f"/v1/jobs/{job}/checkpoint", template, body, want=[200])
        pool.fits("POST", f"/v1/jobs/{job}/checkpoint", template, {"attempt": 2}, want=[409])
        status, _, data = pool.ask("POST", f"/v1/jobs/{job}/checkpoint", {"nonsense": 1})
        assert status == 400, data
        pool.fits("POST", f"/v1/jobs/{job}/stop", "/v1/jobs/{id}/stop", {"signal": "KILL"},
                  want=[202])


def events_are_as_described():
    with Pool() as pool:
        pool.fits("POST", "/v1/jobs", "/v1/jobs", {"command": ["true"]}, want=[201])
        status, kind, reply = pool.ask("GET", "/v1/events?from=1")
        assert status == 200 and kind == "text/event-stream"
        schema = {"$ref": "#/components/schemas/Event"}
        seen = set()
        while "job-finished" not in seen:
            line = reply.readline().decode().rstrip("\n")
            if line.startswith("data: "):
                event = json.loads(line[6:])
                fits(schema, event, "event")
                seen.add(event["type"])
        pool.stream.close()
        status, _, data = pool.ask("GET", "/v1/openapi.json")
        assert status == 200 and json.loads(data) == DOC


def the_daemon_ends_as_described():
    with Pool() as pool:
        would = pool.fits("POST", "/v1/shutdown?dry_run=true", "/v1/shutdown", {"jobs": "stop"},
                          want=[200])
        assert would == {"ending": False, "jobs": "stop"}, would
        pool.fits("POST", "/v1/shutdown", "/v1/shutdown", {"jobs": "keep"}, want=[202])
        assert pool.process.wait(timeout=60) == 0


def writes_that_take_a_key_say_so():
    with Pool() as pool:
        node = pool.fits("GET", "/v1/nodes", "/v1/nodes")["nodes"][-1]["name"].replace("/", "%2F")
        job = pool.fits("POST", "/v1/jobs", "/v1/jobs", {"command": ["sleep", "1000"]})["id"]
        for method, template, operation, parameters in operations():
            if method != "POST" or template == "/v1/shutdown" or template == "/v1/tokens":
                continue
            path = template.replace("{id}", str(job)).replace("{name}", node)
            path = path.replace("{token}", "nothing").replace("{window}", "nothing")
            body = operation["requestBody"]["content"]["application/json"]["example"]
            key = {"Idempotency-Key": "not well\tformed" * 20}
            status, _, data = pool.ask("POST", path, body, headers=key)
            takes = status == 400 and b"Idempotency-Key" in data
            says = any(one["name"] == "Idempotency-Key" for one in parameters)
            assert takes == says, (template, status, data)


TESTS = [the_paths_are_the_programs_routes, every_reference_leads_somewhere,
         everything_described_is_used, every_operation_is_complete, examples_fit_their_schemas,
         the_check_objects_to_what_does_not_fit, a_job_from_submission_to_its_end_is_as_described,
         lines_are_answered_as_described, documented_requests_are_taken_and_others_refused,
         events_are_as_described, writes_that_take_a_key_say_so, the_daemon_ends_as_described]


def main():
    global GRANARY
    GRANARY = sys.argv[1]
    failed = 0
    for test in TESTS:
        # The lines are cmocka's, so that the sum counts each case.
        print(f"[ RUN      ] {test.__name__}", flush=True)
        try:
            test()
            print(f"[       OK ] {test.__name__}")
        except (AssertionError, OSError, KeyError) as error:
            print(f"{type(error).__name__}: {error}")
            print(f"[  FAILED  ] {test.__name__}")
            failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
