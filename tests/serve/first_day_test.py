"""`make run`, again, and `make stop`, as somebody meets them on the first day: in a copy of the build's
program, with the examples as they are. Run by meson with the program."""

import os
import shutil
import subprocess
import sys
import tempfile

from pool import Pool, Skip, cases_of, main

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _run(*words, timeout=300):
    env = {**os.environ, "TMPDIR": tempfile.gettempdir()}
    env.pop("GRANARY_SERVER", None)
    return subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True,
                          timeout=timeout, stdin=subprocess.DEVNULL)


def a_first_day_goes_as_it_should_twice_and_ends():
    if not shutil.which("busybox"):
        raise Skip("busybox is not here")
    with tempfile.TemporaryDirectory(prefix="granary-serve-") as build:
        os.chmod(build, 0o755)
        os.symlink(Pool.program, build + "/granary")
        pool = Pool(folder=build, starts=False)
        pool.state = build + "/pool"
        pool.socket = pool.state + "/granary.sock"
        try:
            first = _run("tools/first-day", "--build", build)
            assert first.returncode == 0, (first.stdout[-3000:], first.stderr[-3000:])
            assert pool.state in first.stdout, first.stdout
            for word in ("gang", "count", "container", "fails", "too-large", "failed", "done",
                         "TERM: saved after step", "attempt 2: going on after step", "passed by",
                         "may start", "4 h20"):
                assert word in first.stdout + first.stderr, word
            wide = [line for line in first.stdout.splitlines() if len(line) > 100]
            assert all(build in line for line in wide), wide  # only a path may be longer
            assert not os.path.exists(pool.state + "-queue")
            again = _run("tools/first-day", "--build", build)
            assert again.returncode == 0, (again.stdout[-3000:], again.stderr[-3000:])
            assert "serves already" in again.stdout, again.stdout
            states = [view["state"] for view in pool.get("/v1/jobs?all=true&limit=1000")["jobs"]]
            assert states.count("failed") == 2 and set(states) == {"done", "failed"}, states
            ended = _run(Pool.program, "serve", "--end", "--stop-jobs", "--state", pool.state)
            assert ended.returncode == 0, ended
            assert not os.path.exists(pool.socket)
            assert "no pool" in _run(Pool.program, "serve", "--end", "--state", pool.state).stdout
        finally:
            _run(Pool.program, "serve", "--end", "--stop-jobs", "--state", pool.state)
            pool.kill_engine()


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
