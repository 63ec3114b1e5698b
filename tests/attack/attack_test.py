"""What users try against a daemon that serves others too: to read what is not theirs, to make it
wait, to hold what they were to give back.

Run by meson with the program as its only argument. Works as root and as an ordinary user, without
accelerators: devices are pretended.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

PROGRAM = ""


class Connection:
    """One connection to the daemon's socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def send(self, method, target, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {target} HTTP/1.1\r\nHost: pool\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        self.socket.sendall(head.encode() + b"\r\n" + data)

    def reply(self):
        status = int(self.file.readline().split()[1])
        heads = {}
        while line := self.file.readline().strip():
            name, value = line.decode().split(":", 1)
            heads[name.lower()] = value.strip()
        if "content-length" in heads:
            return status, self.file.read(int(heads["content-length"]))
        body = b""
        while size := int(self.file.readline(), 16):
            body += self.file.read(size)
            self.file.readline()
        return status, body

    def ask(self, method, target, body=None):
        self.send(method, target, body)
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()


class Pool:
    """A daemon with a state directory of its own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="granary-attack-")
        os.chmod(self.folder, 0o755)
        self.state = os.path.join(self.folder, "state")
        self.path = os.path.join(self.state, "granary.sock")
        was = os.umask(0)
        self.daemon = subprocess.Popen(
            [PROGRAM, "serve", "--state", self.state, "--listen", "none", "--quiet",
             "--pretend", "8xh20"], cwd=self.folder, stdin=subprocess.DEVNULL)
        os.umask(was)
        until = time.monotonic() + 60
        while not self.answers():
            assert self.daemon.poll() is None, "the daemon ended"
            assert time.monotonic() < until, "the daemon does not serve"
            time.sleep(0.02)

    def answers(self):
        try:
            return self.ask("GET", "/v1/health")[0] == 200
        except OSError:
            return False

    def ask(self, method, target, body=None):
        with contextlib.closing(Connection(self.path)) as connection:
            return connection.ask(method, target, body)

    def submit(self, **spec):
        status, body = self.ask("POST", "/v1/jobs", spec)
        assert status == 201, (status, body)
        return json.loads(body)["id"]

    def job(self, id):
        status, body = self.ask("GET", f"/v1/jobs/{id}")
        assert status == 200, (status, body)
        return json.loads(body)

    def wait_for_state(self, id, *states, seconds=60):
        until = time.monotonic() + seconds
        while (state := self.job(id)["state"]) not in states:
            assert time.monotonic() < until, f"job {id} is {state}, not {states}"
            time.sleep(0.02)

    def daemon_uid(self):
        return os.stat(f"/proc/{self.daemon.pid}").st_uid

    def attempt(self, id):
        return os.path.join(self.state, "engine", "attempts", f"{id}.1")

    def close(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([PROGRAM, "serve", "--end", "--stop-jobs", "--state", self.state],
                           timeout=60, stdout=subprocess.DEVNULL)
        if self.daemon.poll() is None:
            self.daemon.kill()
        self.daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def the_umask_of_who_starts_it_opens_no_file_of_the_pool(pool):
    for name in os.listdir(pool.state):
        about = os.lstat(os.path.join(pool.state, name))
        assert stat.S_ISSOCK(about.st_mode) or about.st_mode & 0o022 == 0, name


def nobody_else_reads_output_by_its_path(pool):
    id = pool.submit(command=["echo", "words"], umask="000")
    pool.wait_for_state(id, "done")
    for name in "output.0", "error.0":
        about = os.stat(os.path.join(pool.attempt(id), name))
        assert stat.S_IMODE(about.st_mode) == 0o600, (name, oct(about.st_mode))


def a_lease_on_the_output_makes_nobody_wait(pool):
    id = pool.submit(command=["echo", "words"])
    pool.wait_for_state(id, "done")
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    file = os.open(os.path.join(pool.attempt(id), "output.0"), os.O_RDWR)
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        with contextlib.closing(Connection(pool.path)) as reader:
            reader.send("GET", f"/v1/jobs/{id}/logs")
            began = time.monotonic()
            reader.reply()
            # The kernel would take the lease away after 45 seconds.
            assert time.monotonic() - began < 20
    finally:
        os.close(file)
    assert pool.ask("GET", f"/v1/jobs/{id}/logs")[1] == b"words\n"


def many_that_send_lines_without_end_hold_nobody_up(pool):
    head = (b"POST /v1/jobs HTTP/1.1\r\nHost: pool\r\nContent-Type: application/x-ndjson\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n")
    lines = b"x\n" * 65536
    senders = [Connection(pool.path) for _ in range(150)]
    for sender in senders:
        sender.socket.sendall(head)
        sender.socket.setblocking(False)
    worst = 0
    for _ in range(10):
        for sender in senders:
            with contextlib.suppress(BlockingIOError):
                # Broken pieces are as good: all that counts is that there is always more.
                sender.socket.send(b"%x\r\n" % len(lines) + lines + b"\r\n")
        began = time.monotonic()
        assert pool.ask("GET", "/v1/health")[0] == 200
        worst = max(worst, time.monotonic() - began)
    for sender in senders:
        sender.close()
    assert worst < 2, f"one request took {worst:.1f} s"


def many_streams_over_a_large_group_hold_nobody_up(pool):
    base = pool.submit(command=["sleep", "600"], kind="h20", devices=8)
    array = pool.submit(command=["true"], array="0-30000", after=[{"job": base, "how": "ok"}])
    watchers = []
    try:
        if os.geteuid() == 0:
            os.seteuid(65534)  # who connects now is nobody, and no operator
        watchers = [Connection(pool.path) for _ in range(40)]
        began = time.monotonic()
        for watcher in watchers:
            watcher.send("GET", f"/v1/events?from={array}")
        assert pool.ask("GET", "/v1/whoami")[0] == 200
        took = time.monotonic() - began
        assert took < 3, f"one request took {took:.1f} s"
        if os.geteuid() != 0 and pool.daemon_uid() == 0:
            lines = [watcher.file.readline() for watcher in watchers]
            assert sum(b" 429 " in line for line in lines) == 24, lines
    finally:
        os.seteuid(os.getuid())
        for watcher in watchers:
            watcher.close()
    # The group is sent in pieces, whole and in order.
    with contextlib.closing(Connection(pool.path)) as watcher:
        watcher.send("GET", f"/v1/events?from={array}")
        while watcher.file.readline().strip():
            pass
        text = b""
        while b"\nid: %d\n" % (array + 30000) not in text[-65536 * 4:]:
            size = int(watcher.file.readline(), 16)
            assert size > 0, "the stream ended"
            text += watcher.file.read(size)
            watcher.file.readline()
    ids = [int(line[4:]) for line in text.split(b"\n") if line.startswith(b"id: ")]
    assert ids[:30001] == list(range(array, array + 30001))
    for id in array, base:
        pool.ask("POST", f"/v1/jobs/{id}/stop?array={'true' if id == array else 'false'}",
                 {"signal": "KILL"})


def how_an_array_ended_is_answered_again_and_again(pool):
    well = pool.submit(command=["true"], array="0-9")
    badly = pool.submit(command=["sh", "-c", "test $GRANARY_ARRAY_INDEX -ne 7"], array="0-9")
    for id in list(range(well, well + 10)) + list(range(badly, badly + 10)):
        pool.wait_for_state(id, "done", "failed")
    for _ in range(3):
        for id, how, would in ((well, "ok", True), (well, "failed", False), (well, "any", True),
                               (badly, "ok", False), (badly, "failed", True)):
            spec = {"command": ["true"], "after": [{"job": id, "how": how}]}
            body = json.loads(pool.ask("POST", "/v1/jobs?dry_run=true", spec)[1])
            assert (body["would"] != "refuse") == would, (id, how, body)


def trace(pid):
    """Takes hold of a process as a debugger does, and does not care about it any more."""
    library = ctypes.CDLL(None, use_errno=True)
    library.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    PTRACE_SEIZE = 0x4206
    return library.ptrace(PTRACE_SEIZE, pid, None, None) == 0


def a_debugger_does_not_keep_a_stopped_job_s_devices(pool):
    id = pool.submit(command=["sh", "-c", "echo $$; exec sleep 600"], kind="h20", devices=8)
    output = os.path.join(pool.attempt(id), "output.0")
    pool.wait_for_state(id, "running")
    while not (text := open(output).read()).endswith("\n"):
        time.sleep(0.02)
    if not trace(int(text)):
        print("this machine lets nobody trace: not tried")
    assert pool.ask("POST", f"/v1/jobs/{id}/stop", {"signal": "KILL"})[0] == 202
    pool.wait_for_state(id, "stopped")  # while we, who trace it, live and never wait for it


def a_lock_on_the_own_image_does_not_keep_a_job_from_being_stopped(pool):
    images = os.path.join(pool.folder, "images")
    make = os.path.join(os.path.dirname(__file__), "..", "engine", "make_image.py")
    subprocess.run([sys.executable, make, images], check=True)
    image = os.path.join(images, "plain")
    first = pool.submit(command=["true"], image=image)
    pool.wait_for_state(first, "done", "failed", "not-started")
    cache = os.path.join(pool.state, "engine", "images", str(os.geteuid()))
    locks = [name for name in os.listdir(cache) if name.endswith(".lock")] \
        if os.path.isdir(cache) else []
    if not locks:
        print("no image is kept here: not tried:", pool.job(first)["reason"])
        return
    with open(os.path.join(cache, locks[0]), "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        id = pool.submit(command=["true"], image=image, kind="h20", devices=8)
        pool.wait_for_state(id, "starting", "running")
        assert pool.ask("POST", f"/v1/jobs/{id}/stop", {"signal": "KILL"})[0] == 202
        pool.wait_for_state(id, "stopped")


def main():
    global PROGRAM
    PROGRAM = os.path.abspath(sys.argv[1])  # it is started in a folder of its own
    names = sys.argv[2:]
    tests = [test for name, test in list(globals().items())
             if callable(test) and getattr(test, "__code__", None) is not None
             and test.__code__.co_varnames[:1] == ("pool",) and (not names or name in names)]
    pool = Pool()
    try:
        for test in tests:
            print(test.__name__, flush=True)
            test(pool)
    finally:
        pool.close()


main()
