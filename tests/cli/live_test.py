"""The commands against a real daemon: real processes, real logs, and a daemon that is killed.

Run by meson with the program as its only argument. Works as root and as an ordinary user, without
accelerators: devices are pretended.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM = ""


class Pool:
    """A daemon with a state directory of its own, and commands that speak to it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="granary-live-")
        os.chmod(self.folder, 0o755)
        self.state = os.path.join(self.folder, "state")
        self.env = {"PATH": os.environ["PATH"], "HOME": self.folder, "TZ": "UTC",
                    "LANG": "C.UTF-8", "GRANARY_SERVER": f"unix:{self.state}/granary.sock"}
        self.daemon = None
        self.start()

    def start(self):
        self.daemon = subprocess.Popen(
            [PROGRAM, "serve", "--state", self.state, "--listen", "none", "--quiet",
             "--pretend", "8xh20,4xh200"],
            env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while self("pool")[0] != 0:
            assert self.daemon.poll() is None, "the daemon ended"
            assert time.monotonic() < until, "the daemon does not serve"
            time.sleep(0.02)

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def begin(self, *words, **more):
        return subprocess.Popen([PROGRAM, *words], env={**self.env, **more.pop("env", {})},
                                cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def __call__(self, *words, timeout=60):
        child = self.begin(*words)
        out, err = child.communicate(timeout=timeout)
        return child.returncode, out.decode(), err.decode()

    def job(self, id):
        return json.loads(self("show", str(id), "-o", "json")[1])

    def wait_for(self, test, what, seconds=60):
        until = time.monotonic() + seconds
        while not test():
            assert time.monotonic() < until, f"waited for: {what}"
            time.sleep(0.02)

    def close(self):
        # Every test ends the jobs that would go on; what still waits is never started any more.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self("serve", "--end", "--state", self.state, timeout=60)
        if self.daemon.poll() is None:
            self.daemon.kill()
        self.daemon.wait()
        for pid in self.left_behind():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def left_behind(self):
        """Processes of this pool: a launcher outlives its daemon, and names its folder."""
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and int(entry) != os.getpid():
                    with open(f"/proc/{entry}/cmdline", "rb") as file:
                        if self.folder.encode() in file.read():
                            yield int(entry)


def run_shows_both_streams_and_ends_as_the_job_ends(pool):
    code, out, err = pool("run", "--quiet", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (code, out) == (3, "out\n") and err == "err\n", (code, out, err)
    code, out, _ = pool("run", "--quiet", "sh", "-c", "kill -9 $$")
    assert code == 137, code
    code, _, err = pool("run", "--quiet", "/no/such/program")
    assert code != 0, code


def the_environment_directory_and_umask_go_along(pool):
    code, out, err = pool("run", "--quiet", "-e", "A=b c", "--", "sh", "-c",
                          "echo $A; pwd; umask; echo $HOME")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "b c" and lines[1] == os.path.realpath(pool.folder), lines
    assert lines[3] == pool.folder, lines


def a_job_is_submitted_listed_shown_and_its_output_kept(pool):
    code, out, err = pool("submit", "--wait", "--name", "hello", "--", "echo", "hi")
    assert code == 0, err
    id = int(out)
    assert pool("logs", str(id)) == (0, "hi\n", "")
    code, out, _ = pool("ps", "--all")
    assert code == 0 and "hello" in out and "done" in out, out
    code, out, _ = pool("show", "hello")
    assert code == 0 and f"job {id}  hello  done" in out and "echo hi" in out, out
    shown = pool.job(id)
    assert shown["state"] == "done" and shown["exit_code"] == 0, shown


def gangs_and_arrays_run_on_pretended_devices(pool):
    code, out, err = pool("run", "--quiet", "--kind", "h20", "--devices", "1", "--tasks", "3",
                          "--cpu", "0.1", "--", "echo", "here")
    assert code == 0 and sorted(out.splitlines()) == ["0: here", "1: here", "2: here"], (out, err)
    code, out, err = pool("submit", "--wait", "--array", "0-4", "--cpu", "0.1", "--", "true")
    assert code == 0, err
    first = int(out)
    assert pool.job(f"{first}_3")["array_index"] == 3
    _, out, _ = pool("ps", "--all", "--name", "true", "-o", "jsonl")
    assert len(out.splitlines()) == 5, out


def a_waiting_job_says_why_and_can_be_stopped(pool):
    code, out, err = pool("submit", "--kind", "h20", "--devices", "8", "--", "sleep", "600")
    assert code == 0, err
    holder = out.strip()
    _, out, _ = pool("submit", "--kind", "h20", "--devices", "8", "--name", "later", "--", "true")
    waiter = out.strip()
    assert pool.job(waiter)["state"] == "waiting"
    assert pool.job(waiter)["reason"]["code"] == "no-room"
    code, out, _ = pool("submit", "--dry-run", "--kind", "h20", "--devices", "8", "true")
    assert code == 0 and "wait" in out, out
    assert pool("stop", waiter)[0] == 0
    assert pool("stop", "sleep", "--grace", "5s")[0] == 0
    pool.wait_for(lambda: pool.job(holder)["state"] == "stopped", "the end of the job")
    code, _, err = pool("stop", holder)
    assert code == 6, (code, err)
    code, _, err = pool("submit", "--kind", "h20", "--devices", "16", "true")
    assert code in (2, 4), (code, err)
    code, _, err = pool("show", "999999")
    assert code == 3 and "no job 999999" in err, err


def an_interrupt_stops_the_job(pool):
    child = pool.begin("run", "sleep", "600")
    line = child.stderr.readline()
    id = int(line.split()[3])
    pool.wait_for(lambda: pool.job(id)["state"] == "running", "the start")
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode == 128 + signal.SIGTERM, child.returncode
    assert pool.job(id)["state"] == "stopped"


def following_outlives_a_daemon_that_is_killed(pool):
    script = "echo begin; while [ ! -e go ]; do sleep 0.05; done; echo end; exit 5"
    child = pool.begin("run", "--quiet", "--", "sh", "-c", script)
    watch = pool.begin("events", "--from", "1", "-o", "jsonl")
    assert child.stdout.readline() == b"begin\n"
    assert watch.stdout.readline().startswith(b"{")  # it has reached the daemon
    pool.kill()
    pool.start()
    with open(os.path.join(pool.folder, "go"), "w"):
        pass
    out, err = child.communicate(timeout=60)
    assert (out, child.returncode) == (b"end\n", 5), (out, err, child.returncode)
    watch.send_signal(signal.SIGINT)
    out, err = watch.communicate(timeout=60)
    assert watch.returncode == 0 and err == b"", err


def bulk_jobs_are_taken(pool):
    path = os.path.join(pool.folder, "jobs.ndjson")
    with open(path, "w") as file:
        for i in range(2000):
            file.write(json.dumps({"command": ["true"], "kind": "h200", "devices": 4,
                                   "name": f"n{i}"}) + "\n")
        file.write('{"comand": ["true"]}\n')
    code, out, err = pool("submit", "--ndjson", path)
    assert code == 1 and len(out.splitlines()) == 2000, (code, err)
    assert "2000 submitted, 1 refused" in err and "jobs.ndjson:2001: " in err, err
    code, out, _ = pool("stop", "--all")
    assert code == 0, out


def bulk_jobs_are_taken_once_though_the_daemon_is_killed(pool):
    path = os.path.join(pool.folder, "many.ndjson")
    with open(path, "w") as file:
        for i in range(20000):
            file.write('{"command":["true"],"kind":"h200","devices":4,"name":"once"}\n')
    child = pool.begin("submit", "--ndjson", path, bufsize=0)
    first = child.stdout.readline()
    pool.kill()
    pool.start()
    out, err = child.communicate(timeout=120)
    ids = (first + out).split()
    assert child.returncode == 0 and len(ids) == 20000 and len(set(ids)) == 20000, (len(ids), err)
    _, out, _ = pool("pool", "-o", "json")
    jobs = json.loads(out)["jobs"]
    assert jobs["waiting"] + jobs["running"] <= 20000, jobs


def nodes_are_cordoned_and_put_back(pool):
    _, out, _ = pool("nodes", "-o", "json")
    node = next(row["name"] for row in json.loads(out) if row["variant"] and
                "h200" in row["variant"])
    code, out, err = pool("cordon", node, "--why", "a test")
    assert code == 0 and "drained" in out, (out, err)
    _, out, _ = pool("nodes", node)
    assert "a test" in out, out
    assert pool("uncordon", node)[0] == 0
    _, out, _ = pool("nodes", node, "-o", "json")
    assert json.loads(out)[0]["state"] == "up"
    code, out, _ = pool("devices", "-o", "json")
    assert code == 0 and all(row["pretend"] for row in json.loads(out) if row["node"] == node)
    assert pool("engine", "check")[0] == 0


TESTS = [run_shows_both_streams_and_ends_as_the_job_ends,
         the_environment_directory_and_umask_go_along,
         a_job_is_submitted_listed_shown_and_its_output_kept,
         gangs_and_arrays_run_on_pretended_devices,
         a_waiting_job_says_why_and_can_be_stopped,
         an_interrupt_stops_the_job,
         following_outlives_a_daemon_that_is_killed,
         bulk_jobs_are_taken,
         nodes_are_cordoned_and_put_back,
         bulk_jobs_are_taken_once_though_the_daemon_is_killed]


def main():
    global PROGRAM
    PROGRAM = os.path.abspath(sys.argv[1])
    failed = 0
    pool = Pool()
    try:
        for test in TESTS:
            print(f"[ RUN      ] {test.__name__}", flush=True)
            try:
                test(pool)
                print(f"[       OK ] {test.__name__}", flush=True)
            except (AssertionError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
                print(repr(error))
                print(f"[  FAILED  ] {test.__name__}", flush=True)
                failed += 1
    finally:
        pool.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
