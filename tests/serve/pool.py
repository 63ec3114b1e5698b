"""A live pool for tests: starts `granary serve`, asks it over HTTP, waits on its events, and ends
exactly what it started.

    with Pool() as pool:
        job = pool.submit(command=["true"])
        assert pool.wait(job)["state"] == "done"

State lies in a folder of its own, which goes at the end with every process of the pool.
"""

import glob
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TIMEOUT = int(os.environ.get("GRANARY_TEST_TIMEOUT", "120"))  # of what takes far less
LIVE = ("held", "waiting", "starting", "running", "stopping")
NOBODY = 65534
NODE = "pretend"


class Skip(Exception):
    """The case needs what is not there."""


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json()["error"]

    def lines(self):
        return [json.loads(line) for line in self.body.splitlines()]

    def __repr__(self):
        return f"<{self.status} {self.body[:2000]!r}>"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=TIMEOUT):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        # A path may be longer than a socket's address holds.
        folder = os.open(os.path.dirname(self.path), os.O_PATH)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{os.path.basename(self.path)}")
        finally:
            os.close(folder)


class Events:
    """A stream of events; iterating waits for the next one."""

    def __init__(self, connection, start):
        self.connection = connection
        path = "/v1/events" + ("" if start is None else f"?from={start}")
        connection.request("GET", path)
        self.reply = connection.getresponse()
        assert self.reply.status == 200, self.reply.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        # The connection only: closing the reply would read the stream to its end.
        sock = self.connection.sock
        if sock is not None:
            sock.close()
        if self.reply.fp is not None:
            self.reply.fp.close()
            self.reply.fp = None

    def __iter__(self):
        return self

    def __next__(self):
        event = {}
        while True:
            line = self.reply.readline().decode()
            if line == "":
                raise StopIteration
            line = line.rstrip("\n")
            if line == "" and "data" in event:
                data = json.loads(event["data"])
                assert int(event["id"]) == data["sequence"], event
                return data
            name, _, value = line.partition(": ")
            if name in ("id", "event", "data"):
                event[name] = value


def processes():
    """(pid, name, command line, parent) of every process."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/comm") as file:
                    name = file.read().rstrip("\n")
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    line = file.read().split(b"\0")
                with open(f"/proc/{entry}/stat") as file:
                    state, parent = file.read().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                yield int(entry), name, line, int(parent)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(what, *arguments, timeout=TIMEOUT):
    """For what nothing tells by itself: looks again until it is true."""
    end = time.monotonic() + timeout
    while True:
        found = what(*arguments)
        if found:
            return found
        assert time.monotonic() < end, f"{what} is not true after {timeout} s"
        time.sleep(0.01)


def gone(pid, timeout=TIMEOUT):
    """Waits until a process is no more, whoever's child it is."""
    until(lambda: not is_alive(pid), timeout=timeout)


def group_name(folder):
    """Of the control groups of an engine or a trial that has this folder."""
    st = os.stat(folder)
    number = 14695981039346656037
    for byte in st.st_dev.to_bytes(8, "little") + st.st_ino.to_bytes(8, "little"):
        number = (number ^ byte) * 1099511628211 & (1 << 64) - 1
    return f"granary-{(number ^ number >> 32) & 0xffffffff:08x}"


def remove_groups(name):
    """Ends what is in control groups of this name, in every tree, and removes them: the next folder
    may get the same place on disk, and so the same name."""
    own = {"/"}
    for line in lines_of("/proc/self/cgroup"):
        path = line.split(":", 2)[2]
        while path.strip("/"):
            own.add(path)
            path = os.path.dirname(path)
    mounts = [line.split() for line in lines_of("/proc/mounts")]
    trees = [words[1] for words in mounts if words[2].startswith("cgroup")]
    for group in {os.path.join(tree + path, name) for tree in trees for path in own}:
        for folder, _, _ in os.walk(group, topdown=False):
            for _ in range(100):
                try:
                    for pid in lines_of(folder + "/cgroup.procs"):
                        os.kill(int(pid), signal.SIGKILL)
                    os.rmdir(folder)
                    break
                except OSError:
                    time.sleep(0.01)


def remove_tree(folder):
    """Also what a killed trial left: the kernel makes folders in an overlay that not even their
    owner may read."""
    def open_up(_, path, __):
        try:
            os.chmod(path, 0o700)
        except OSError:
            pass  # it is gone

    shutil.rmtree(folder, onerror=open_up)
    shutil.rmtree(folder, ignore_errors=True)


class Pool:
    program = None  # granary
    build = None    # folder of the build

    def __init__(self, *options, pretend="8xh20,4xh200", folder=None, starts=True, env=None):
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="granary-serve-")
        os.chmod(self.folder, 0o755)
        self.state = self.folder + "/state"
        self.socket = self.state + "/granary.sock"
        self.work = self.folder + "/work"
        os.makedirs(self.work, exist_ok=True)
        os.chmod(self.work, 0o1777)
        self.log_path = self.folder + "/log"
        self.options = list(options) + (["--pretend", pretend] if pretend else [])
        self.env = env
        self.process = None
        self.port = 0
        self.pids = set()  # launchers and keepers that were seen
        if starts:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None and kind is not Skip:
            self.show_log()
        self.close()

    def show_log(self):
        try:
            with open(self.log_path) as file:
                print("".join("    | " + line for line in file.readlines()[-30:]))
        except OSError:
            pass

    # --- its processes

    def serve(self, *more):
        return [self.program, "serve", "--state", self.state, "--listen", "127.0.0.1:0",
                *self.options, *more]

    def start(self, *more):
        """Starts the daemon; returns when it serves."""
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(self.serve(*more), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, text=True,
                                            cwd=self.folder, env=self.env)
        lines = ""
        for line in self.process.stdout:
            lines += line
            if line.startswith("  http "):
                self.port = int(line.split()[1].rpartition(":")[2])
                self.process.stdout.close()
                return self
        code = self.process.wait()
        self.process = None
        self.show_log()
        raise AssertionError(f"the daemon did not start: {code}: {lines}")

    def fails_to_start(self, *more, **options):
        """What a daemon that must refuse to start says."""
        done = subprocess.run(self.serve(*more), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=TIMEOUT, cwd=self.folder, **options)
        assert done.returncode not in (0, -6, -11), done
        return done.stderr

    def kill(self):
        """The daemon, with -9."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def end(self):
        """The daemon, as one asks it to end; jobs go on."""
        self.process.terminate()
        code = self.process.wait(TIMEOUT)
        self.process = None
        assert code == 0, f"the daemon ended with {code}"

    def restart(self, *more):
        self.kill()
        return self.start(*more)

    def engine_processes(self):
        mark = (self.state + "/engine").encode()
        for pid, name, line, parent in processes():
            if mark in line:
                self.pids.add(pid)
                yield pid, name, parent

    def launcher(self):
        """The launcher's pid; None if there is none. A keeper that was just forked looks the same,
        so who is asked for is the one that took the lock."""
        try:
            inode = os.stat(self.state + "/engine/launcher.lock").st_ino
        except FileNotFoundError:
            return next((pid for pid, _, _ in self.engine_processes()), None)
        with open("/proc/locks") as file:
            for line in file:
                words = line.split()
                if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
                    return int(words[4])
        return None

    def keepers(self):
        """Pids of keepers by job."""
        found = {}
        for pid, name, _ in self.engine_processes():
            if name.startswith("keep "):
                found[int(name.split()[1].split(".")[0])] = pid
        return found

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.kill_engine()
        if self.own_folder:
            remove_tree(self.folder)

    def kill_engine(self):
        """Whatever of the engine, of its trial or of its jobs still runs: known by its environment
        or its arguments, which name this pool's folder."""
        mark = (self.state + "/engine").encode()
        for _ in range(50):
            found = []
            for pid, _, line, _ in processes():
                try:
                    with open(f"/proc/{pid}/environ", "rb") as file:
                        is_job = b"GRANARY_JOB_DIR=" + mark in file.read()
                except OSError:
                    is_job = False
                if is_job or mark in line or self.state.encode() in line:
                    found.append(pid)
            if not found:
                break
            for pid in found:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            time.sleep(0.02)
        # A container of a killed trial or keeper names no folder, but is in a group that does.
        engine = self.state + "/engine"
        for folder in [engine, *glob.glob(engine + "/check-*")]:
            if os.path.isdir(folder):
                remove_groups(group_name(folder))

    # --- asking it

    def connection(self, timeout=TIMEOUT):
        return UnixConnection(self.socket, timeout)

    def ask(self, method, path, body=None, headers=(), timeout=TIMEOUT, connection=None):
        """One request over the unix socket."""
        mine = connection or self.connection(timeout)
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        try:
            mine.request(method, path, body, dict(headers))
            reply = mine.getresponse()
            return Reply(reply.status, reply.headers, reply.read())
        finally:
            if connection is None:
                mine.close()

    def get(self, path, **more):
        reply = self.ask("GET", path, **more)
        assert reply.status == 200, (path, reply)
        return reply.json()

    def tcp(self, method, path, body=None, headers=(), token=True, host=None):
        """One request over TCP."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        headers = dict(headers)
        if token:
            with open(self.state + "/operator.token") as file:
                headers["Authorization"] = "Bearer " + file.read().strip()
        if host:
            headers["Host"] = host
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def ask_as(self, uid, method, path, body=None, **headers):
        """One request as another user; only root can."""
        need_root()
        receive, send = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
                reply = self.ask(method, path, body, headers)
                answer = {"status": reply.status, "headers": dict(reply.headers.items()),
                          "body": reply.body.decode()}
                with os.fdopen(send, "w") as file:
                    json.dump(answer, file)
                os._exit(0)
            except BaseException as error:
                print(repr(error), flush=True)
            os._exit(1)
        os.close(send)
        with os.fdopen(receive) as file:
            text = file.read()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code == 0, f"asking as user {uid} failed"
        reply = json.loads(text)
        headers = http.client.HTTPMessage()
        for name, value in reply["headers"].items():
            headers[name] = value
        return Reply(reply["status"], headers, reply["body"].encode())

    def __call__(self, *words, **more):
        """The command line against this pool: (exit code, output, errors)."""
        env = {"PATH": os.environ["PATH"], "HOME": self.folder, "TZ": "UTC", "LANG": "C.UTF-8",
               "GRANARY_SERVER": f"unix:{self.socket}"}
        done = subprocess.run([self.program, *words], capture_output=True, text=True,
                              timeout=more.pop("timeout", TIMEOUT), cwd=self.work, env=env,
                              stdin=subprocess.DEVNULL, **more)
        assert done.returncode >= 0, done
        return done.returncode, done.stdout, done.stderr

    def journal(self, *words):
        """A verb of `granary journal` for this state directory, as JSON."""
        code, out, err = self("journal", *words, "--state", self.state, "-o", "json")
        assert code == 0, (words, code, err)
        return json.loads(out)

    # --- jobs

    def try_submit(self, key=None, dry=False, **spec):
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        if "command" not in spec and "script" not in spec:
            spec["command"] = ["true"]
        return self.ask("POST", "/v1/jobs" + ("?dry_run=true" if dry else ""), spec, headers)

    def submit(self, *shell, **spec):
        """A job's id. A text is for the shell."""
        if shell:
            spec["command"] = shell[0]
        reply = self.try_submit(**spec)
        assert reply.status == 201, reply
        return reply.json()["id"]

    def job(self, job):
        return self.get(f"/v1/jobs/{job}")

    def state_of(self, job):
        return self.job(job)["state"]

    def stop(self, job, **body):
        return self.ask("POST", f"/v1/jobs/{job}/stop", body)

    def events(self, start=None, timeout=TIMEOUT):
        return Events(self.connection(timeout), start)

    def wait(self, jobs, states=None, timeout=TIMEOUT):
        """Waits until a job (or each of a list) has one of the states (none given: ended)."""
        wanted = jobs if isinstance(jobs, (list, tuple, set, range)) else [jobs]
        good = (states,) if isinstance(states, str) else states
        left = set(wanted)
        found = {}

        def look(job):
            view = self.job(job)
            if view["state"] in good if good else view["state"] not in LIVE:
                found[job] = view
                left.discard(job)
            elif good and view["state"] not in LIVE:
                raise AssertionError(f"job {job} is {view['state']}, not {good}: {view}")

        end = time.monotonic() + timeout
        with self.events(timeout=timeout) as events:
            for job in list(left):
                look(job)
            while left:
                try:
                    event = next(events)
                except (TimeoutError, StopIteration):
                    assert False, f"{[self.job(job) for job in left]} after {timeout} s"
                if event.get("job") in left:
                    look(event["job"])
                assert time.monotonic() < end or not left, [self.job(job) for job in left]
        return [found[job] for job in wanted] if wanted is jobs else found[jobs]

    def run(self, *shell, **spec):
        """Submits a job and waits for its end."""
        return self.wait(self.submit(*shell, **spec))

    def log(self, job, **query):
        words = "&".join(f"{name}={value}" for name, value in query.items())
        reply = self.ask("GET", f"/v1/jobs/{job}/logs?{words}")
        assert reply.status == 200, reply
        return reply.body.decode()

    def ndjson(self, lines, **headers):
        body = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n"
                       for line in lines)
        headers["Content-Type"] = "application/x-ndjson"
        return self.ask("POST", "/v1/jobs", body, headers)

    def sequence(self):
        return self.get("/v1/pool")["sequence"]

    def path(self, name):
        return self.work + "/" + name


def mount(*words):
    """Whether something could be mounted: root of a container may lack the right."""
    return subprocess.run(["mount", *words], capture_output=True).returncode == 0


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def read(path):
    with open(path) as file:
        return file.read()


def lines_of(path):
    return read(path).splitlines() if os.path.exists(path) else []


def run_case(case):
    """One case, in a process of its own; what it says goes to a file."""
    output = tempfile.TemporaryFile("w+")
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        code = 1
        try:
            case()
            code = 0
        except Skip as skip:
            print(f"SKIP: {skip}")
            code = 77
        except BaseException:
            import traceback
            traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
        os._exit(code)
    return pid, output


def main(tests, arguments):
    """Runs cases (all, or those named) several at a time; prints cmocka's lines, so that each
    counts. Arguments: the program, and names of cases."""
    Pool.program = os.path.abspath(arguments[0])
    Pool.build = os.path.dirname(Pool.program)
    words = arguments[1:]
    cases = [test for test in tests if not words or test.__name__ in words]
    assert cases, f"no case is called {words}"
    workers = min(len(cases), int(os.environ.get("GRANARY_TEST_WORKERS", "4")))
    codes = []
    lock = threading.Lock()
    rest = iter(cases)

    def work():
        while True:
            with lock:
                case = next(rest, None)
                if case is None:
                    return
                began = time.monotonic()
                pid, output = run_case(case)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            took = time.monotonic() - began
            with lock:
                output.seek(0)
                said = output.read()
                output.close()
                codes.append(code)
                print(f"[ RUN      ] {case.__name__}")
                sys.stdout.write(said)
                end = {0: "[       OK ]", 77: "[  SKIPPED ]"}.get(code, "[  FAILED  ]")
                print(f"{end} {case.__name__} ({took:.1f} s)", flush=True)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1 if any(code not in (0, 77) for code in codes) or len(codes) < len(cases) else 0


def cases_of(module):
    """The functions of a module that are cases: those without arguments, in order."""
    return [value for value in module.values()
            if callable(value) and getattr(value, "__module__", "") == module["__name__"]
            and hasattr(value, "__code__") and value.__code__.co_argcount == 0
            and not value.__name__.startswith("_")]
