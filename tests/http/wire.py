"""A client that says exactly what it is told to, byte by byte, and the server that it talks to."""

import json
import os
import resource
import socket
import subprocess
import tempfile
import time

TOKEN = "Authorization: Bearer the-token\r\n"


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def code(self):
        return self.json()["error"]["code"]


class Closed(Exception):
    """The server ended the connection without a reply."""


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(20)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def more(self):
        try:
            got = self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            got = b""
        self.buffer += got
        return got

    def until(self, mark):
        while mark not in self.buffer:
            if not self.more():
                raise Closed(self.buffer)
        piece, self.buffer = self.buffer.split(mark, 1)
        return piece

    def exactly(self, size):
        while len(self.buffer) < size:
            if not self.more():
                raise Closed(self.buffer)
        piece, self.buffer = self.buffer[:size], self.buffer[size:]
        return piece

    def chunk(self):
        size = int(self.until(b"\r\n"), 16)
        data = self.exactly(size)
        assert self.exactly(2) == b"\r\n"
        return data

    def head(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines
        headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            assert name.lower() not in headers or name.lower() == "x-test", lines
            headers[name.lower()] = value
        return int(status), headers

    def reply(self, method="GET"):
        status, headers = self.head()
        while status == 100:
            status, headers = self.head()
        body = b""
        if method == "HEAD" or status == 204:
            pass
        elif headers.get("transfer-encoding") == "chunked":
            while piece := self.chunk():
                body += piece
        else:
            body = self.exactly(int(headers["content-length"]))
        return Reply(status, headers, body)

    def ask(self, method, path, headers="", body=b"", host="localhost"):
        if body and "content-length" not in headers.lower():
            headers += f"Content-Length: {len(body)}\r\n"
        self.send(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode("latin-1")
                  + body)
        return self.reply(method)

    def is_closed(self):
        """Whether nothing more comes and the connection ends."""
        try:
            while self.more():
                pass
        except socket.timeout:
            return False
        return self.buffer == b""


class Server:
    """One server in a folder of its own; `limits` are its options."""

    program = ""

    def __init__(self, tcp=True, nofile=None, **limits):
        self.folder = tempfile.TemporaryDirectory(prefix="granary-http-")
        self.path = os.path.join(self.folder.name, "s")
        words = [self.program, "--unix", self.path]
        if tcp:
            words += ["--address", "127.0.0.1:0"]
        for name, value in limits.items():
            words += [f"--{name}", str(value)]

        def prepare():
            soft = nofile or resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft))

        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, preexec_fn=prepare)
        line = self.process.stdout.readline().decode()
        assert line.startswith("port "), (line, self.process.stderr.read().decode())
        self.port = int(line.split()[1])

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        out, err = self.process.communicate(timeout=60)
        self.folder.cleanup()
        if kind is None:
            assert self.process.returncode == 0, (self.process.returncode, out, err.decode())

    def unix(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.path)
        return Client(sock)

    def tcp(self, source="127.0.0.1"):
        return Client(socket.create_connection(("127.0.0.1", self.port),
                                               source_address=(source, 0)))

    def counts(self):
        with self.unix() as client:
            return client.ask("GET", "/count").json()

    def wait(self, what, seconds=10):
        """Waits until `what` holds for the counts; returns them."""
        end = time.monotonic() + seconds
        while True:
            counts = self.counts()
            if what(counts):
                return counts
            assert time.monotonic() < end, counts
            time.sleep(0.02)

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(next(line for line in file if line.startswith("VmRSS")).split()[1])

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            parts = file.read().rsplit(")", 1)[1].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
