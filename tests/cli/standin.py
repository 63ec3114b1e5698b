"""A stand-in for the daemon: answers as the API promises, or as badly as a test wants.

Used by the tests of the client and its commands. It keeps a few jobs in memory, knows nothing of
placement, and can be told to break off, be slow, send rubbish, or send far too much.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer

# Jobs are minutes old: their ages are as wide as they were when a table was kept as golden.
NOW = int(time.time() * 1000)


def job(id, **more):
    """A job as GET /v1/jobs lists it."""
    made = {"id": id, "array": None, "array_index": None, "name": f"job{id}", "user": "alice",
            "organisation": "owner", "state": "waiting", "reason": None, "kind": "", "tasks": 1,
            "devices": 0, "milli": 1000, "cpu": 1, "memory_mib": 0, "priority": 0,
            "limit_ms": None, "attempt": 0, "attempts": 1, "submitted_ms": NOW - 130000,
            "placed_ms": None, "started_ms": None, "ended_ms": None, "exit_code": None,
            "signal": None, "out_of_memory": False, "cpu_ms": None, "peak_kib": None, "nodes": [],
            "stop": None, "held_idle": None}
    made.update(more)
    return made


def running(id, **more):
    return job(id, **{"state": "running", "attempt": 1, "placed_ms": NOW - 125000,
                      "started_ms": NOW - 125000, "nodes": ["host"], **more})


def ended(id, state="done", **more):
    return running(id, **{"state": state, "ended_ms": NOW - 65000, "exit_code": 0, **more})


ENDED = {"done", "failed", "stopped", "time-limit", "out-of-memory", "lost", "node-failed",
         "not-started", "dropped", "reclaimed"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def address_string(self):
        return "client"

    def do_GET(self):
        self.handle_any()

    def do_POST(self):
        self.handle_any()

    def handle_any(self):
        size = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(size)
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        parts = [urllib.parse.unquote(part) for part in url.path.split("/")[2:]]
        self.server.stand.serve(self, parts)

    def send(self, status, value, headers=(), type="application/json"):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", type)
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, code, message, hint="", field=""):
        self.send(status, {"error": {"code": code, "message": message, "hint": hint,
                                     "field": field}})

    def begin_stream(self, type, headers=()):
        self.send_response(200)
        self.send_header("Content-Type", type)
        self.send_header("Transfer-Encoding", "chunked")
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()

    def chunk(self, bytes):
        if bytes:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(bytes), bytes))
            self.wfile.flush()

    def end_stream(self):
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def cut(self):
        """Breaks the connection off as a killed daemon does."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def get_request(self):
        connection, _ = super().get_request()
        return connection, ("client", 0)

    def handle_error(self, request, address):
        pass  # clients that go away are no news


class Stand:
    """The stand-in, serving on a socket in a folder of its own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="granary-cli-")
        self.socket = os.path.join(self.folder, "s")
        self.jobs = {}
        self.nodes = []
        self.devices = []
        self.events = []  # (sequence, type, data)
        self.logs = {}  # (job, task, stream): bytes
        self.requests = []  # (method, path, query, headers, body)
        self.hooks = {}  # "GET jobs": function(handler, parts) -> True if it answered
        self.changed = threading.Condition()
        self.sequence = 100
        self.next_id = 1
        self.keys = {}
        self.server = None
        self.start()

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)
        self.server = Server(self.socket, Handler)
        self.server.stand = self
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    # ---- what tests do --------------------------------------------------------------------------

    def add(self, *jobs):
        for one in jobs:
            self.jobs[one["id"]] = one
            self.next_id = max(self.next_id, one["id"] + 1)

    def tell(self, type, id=None, **changes):
        """Changes a job and says so to all who listen."""
        with self.changed:
            if id is not None:
                self.jobs[id] = {**self.jobs[id], **changes}
            self.sequence += 1
            data = {"sequence": self.sequence, "at_ms": NOW, "type": type, "job": id}
            self.events.append((self.sequence, type, data))
            self.changed.notify_all()

    def write(self, id, text, stream="out", task=0):
        with self.changed:
            key = (id, task, stream)
            self.logs[key] = self.logs.get(key, b"") + text
            self.changed.notify_all()

    def wait_for(self, test, what, seconds=10):
        """Waits until test() holds."""
        until = time.monotonic() + seconds
        while not test():
            assert time.monotonic() < until, f"waited for: {what}"
            time.sleep(0.005)

    def asked(self, method, path):
        return [r for r in self.requests if r[0] == method and r[1] == path]

    # ---- the API --------------------------------------------------------------------------------

    def serve(self, handler, parts):
        path = "/".join(parts)
        self.requests.append((handler.command, path, handler.query, dict(handler.headers.items()),
                              handler.body))
        for name in (f"{handler.command} {path}", f"{handler.command} {parts[0]}", "*"):
            hook = self.hooks.get(name)
            if hook is not None and hook(handler, parts):
                return
        name = f"{handler.command.lower()}_{parts[0]}"
        method = getattr(self, name, None)
        if method is None:
            handler.refuse(404, "not-found", f"there is no {path}")
        else:
            method(handler, parts[1:])

    def find(self, handler, text):
        found = self.jobs.get(int(text)) if text.isdigit() else None
        if found is None:
            handler.refuse(404, "not-found", f"there is no job {text}", "granary ps --all")
        return found

    def get_jobs(self, handler, parts):
        if len(parts) == 2 and parts[1] == "logs":
            return self.get_logs(handler, parts)
        if parts:
            found = self.find(handler, parts[0])
            return found and handler.send(200, {"places": [], "after": [], "spec": {}, **found})
        query = handler.query
        rows = sorted(self.jobs.values(), key=lambda row: -row["id"])
        if query.get("all") != "true" and "state" not in query:
            rows = [row for row in rows if row["state"] not in ENDED]
        if "state" in query:
            rows = [row for row in rows if row["state"] in query["state"].split(",")]
        for key in ("user", "name"):
            if key in query:
                rows = [row for row in rows if row[key] == query[key]]
        if "after" in query:
            rows = [row for row in rows if row["id"] < int(query["after"])]
        limit = int(query.get("limit", 100))
        more = rows[limit - 1]["id"] if len(rows) > limit else None
        handler.send(200, {"jobs": rows[:limit], "next": more})

    def post_jobs(self, handler, parts):
        if len(parts) == 2 and parts[1] == "stop":
            found = self.find(handler, parts[0])
            if found and found["state"] in ENDED:
                handler.refuse(409, "ended", f"job {parts[0]} has ended", f"granary show {parts[0]}")
            elif found:
                handler.send(202, found)
            return
        if handler.headers["Content-Type"] == "application/x-ndjson":
            return self.post_lines(handler)
        if handler.query.get("dry_run") == "true":
            handler.send(200, {"dry_run": True, "would": "start now", "reason": None, "places": []})
            return
        key = handler.headers["Idempotency-Key"]
        spec = json.loads(handler.body)
        if key in self.keys:
            handler.send(200, self.keys[key], [("Granary-Replayed", "true")])
            return
        array = spec.get("array")
        count = array["last"] - array.get("first", 0) + 1 if array else 1
        first = self.next_id
        for index in range(count):
            self.add(job(first + index, name=spec.get("name", ""),
                         **({"array": first, "array_index": index} if array else {})))
        self.sequence += 1
        self.keys[key] = {"id": first, "first": first, "last": first + count - 1, "count": count,
                          "sequence": self.sequence, "state": "waiting"}
        handler.send(201, self.keys[key])

    def post_lines(self, handler):
        answer = []
        for number, line in enumerate(handler.body.splitlines(), 1):
            if not line.strip():
                continue
            try:
                json.loads(line)
                answer.append({"line": number, "id": self.next_id})
                self.next_id += 1
            except ValueError:
                answer.append({"line": number, "error": {"code": "bad-spec", "message": "not JSON",
                                                         "hint": "", "field": ""}})
        text = "".join(json.dumps(one) + "\n" for one in answer)
        handler.send(200, text.encode(), type="application/x-ndjson")

    def get_logs(self, handler, parts):
        key = (int(parts[0]), int(handler.query.get("task", 0)), handler.query.get("stream", "out"))
        at = int(handler.query.get("from", 0))
        handler.begin_stream("text/plain", [("Granary-Log-Offset", str(at))])
        follow = handler.query.get("follow") == "true"
        while True:
            with self.changed:
                # Asked before looking: what is written until the end is seen.
                is_over = not follow or self.jobs[key[0]]["state"] in ENDED
                new = self.logs.get(key, b"")[at:]
                if not new and not is_over:
                    self.changed.wait(5)
            if not new and is_over:
                break
            handler.chunk(new)
            at += len(new)
        handler.end_stream()

    def get_events(self, handler, parts):
        at = int(handler.query["from"]) if "from" in handler.query else self.sequence + 1
        handler.begin_stream("text/event-stream")
        handler.chunk(b": hello\n\n")
        while True:
            with self.changed:
                new = [event for event in self.events if event[0] >= at]
                if not new:
                    self.changed.wait(0.5)
            for sequence, type, data in new:
                handler.chunk(f"id: {sequence}\nevent: {type}\ndata: {json.dumps(data)}\n\n"
                              .encode())
                at = sequence + 1

    def get_nodes(self, handler, parts):
        if not parts:
            handler.send(200, {"nodes": self.nodes})
            return
        found = [node for node in self.nodes if node["name"] == parts[0]]
        if found:
            handler.send(200, {**found[0], "running": []})
        else:
            handler.refuse(404, "not-found", f"there is no node {parts[0]}", "granary nodes")

    def post_nodes(self, handler, parts):
        self.get_nodes(handler, parts[:1])

    def get_devices(self, handler, parts):
        handler.send(200, {"devices": self.devices})

    def get_whoami(self, handler, parts):
        handler.send(200, {"uid": 1000, "name": "alice", "operator": False,
                           "organisation": "owner"})

    def get_pool(self, handler, parts):
        handler.send(200, POOL | {"sequence": self.sequence})

    def get_engines(self, handler, parts):
        handler.send(200, ENGINES)

    def post_apply(self, handler, parts):
        handler.send(200, {"changed": ["organisation lab added"], "unchanged": 2})


POOL = {"version": "0.1.0", "epoch": 3, "sequence": 99, "state_dir": "/var/lib/granary",
        "started_ms": NOW - 3600000, "nodes": {"up": 2, "drained": 1, "broken": 0},
        "devices": {"total": 12, "pretend": 12, "free_milli": 9500, "out": 1},
        "jobs": {"held": 1, "waiting": 2, "running": 3},
        "device_time": {"used": "1200", "idle": "3400"},
        "journal": {"durable": 99, "snapshot": 50}, "engine": {"name": "local", "up": True},
        "policy": "granary"}

ENGINES = {"engines": [{"name": "local", "site": "local", "up": True,
                        "can": ["choose-node", "push"],
                        "checks": [{"name": "memory limit", "there": True,
                                    "how": "cgroup v2 memory.max", "without": "", "remedy": ""},
                                   {"name": "users", "there": False, "how": "not root",
                                    "without": "only your own jobs run",
                                    "remedy": "run the daemon as root"}]}]}


class Cli:
    """Runs the program against the stand-in, in an environment of its own."""

    def __init__(self, program, stand):
        self.program = program
        self.stand = stand
        self.env = {"PATH": os.environ["PATH"], "HOME": stand.folder, "TZ": "UTC",
                    "LANG": "C.UTF-8", "GRANARY_SERVER": f"unix:{stand.socket}"}

    def start(self, *words, **more):
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE, "cwd": self.stand.folder,
                "env": {**self.env, **more.pop("env", {})}, **more}
        return subprocess.Popen([self.program, *words], **more)

    def __call__(self, *words, **more):
        """(exit code, output, errors)."""
        given = more.pop("input", None)
        if given is not None:
            more["stdin"] = subprocess.PIPE
        child = self.start(*words, **more)
        out, err = child.communicate(given, timeout=60)
        return child.returncode, (out or b"").decode(), (err or b"").decode()


def main(tests, program):
    """Runs the tests, each with the program's path; prints cmocka's lines, so that each counts."""
    failed = 0
    for test in tests:
        print(f"[ RUN      ] {test.__name__}", flush=True)
        try:
            with Stand() as stand:
                test(Cli(program, stand), stand)
            print(f"[       OK ] {test.__name__}", flush=True)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            print(repr(error))
            print(f"[  FAILED  ] {test.__name__}", flush=True)
            failed += 1
    return 1 if failed else 0
