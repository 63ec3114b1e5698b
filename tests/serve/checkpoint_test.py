"""What jobs get of the pool: the way to it, and a file whose touch says that their work is safe.
Run by meson with the program; by hand also with the names of cases."""

import json
import os
import stat
import subprocess
import sys
import time

from pool import NOBODY, NODE, Pool, Skip, UnixConnection, cases_of, main, need_root, until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _safe(pool, job):
    return pool.job(job)["checkpoint_ms"]


def _file(pool, job, attempt=1):
    return f"{pool.state}/engine/attempts/{job}.{attempt}/checkpoint"


def _running(pool, script, **fields):
    job = pool.submit(script, cpu=0.01, **fields)
    pool.wait(job, "running")
    return job


def _facts(pool, job):
    """How many checkpoints of the job the journal holds."""
    code, out, err = pool("journal", "show", "-o", "jsonl", "--state", pool.state)
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    return sum(1 for row in rows if row["type"] == "checkpointed" and row.get("job") == job)


def a_job_speaks_to_its_pool_without_being_told_where_it_is():
    with Pool() as pool:
        job = _running(pool, f"{pool.program} checkpoint && sleep 1000")
        until(_safe, pool, job)
        named = pool.submit('echo "$GRANARY_SERVER" "$GRANARY_CHECKPOINT"', cpu=0.01)
        assert pool.wait(named)["state"] == "done"
        words = pool.ask("GET", f"/v1/jobs/{named}/logs").body.decode().split()
        assert words == ["unix:" + pool.socket, _file(pool, named)], words


def a_socket_by_a_relative_path_is_told_by_its_whole_path():
    with Pool("--socket", "here.sock") as pool:
        pool.socket = pool.folder + "/here.sock"
        job = _running(pool, f"cd /; {pool.program} checkpoint && sleep 1000")
        until(_safe, pool, job)


def a_touch_of_the_file_is_a_checkpoint():
    with Pool() as pool:
        began = time.time() * 1000
        job = _running(pool, 'sleep 0.1; touch "$GRANARY_CHECKPOINT"; sleep 1000')
        until(_safe, pool, job)
        row = pool.job(job)
        assert row["started_ms"] < row["checkpoint_ms"] <= time.time() * 1000, row
        assert row["checkpoint_ms"] >= began, row
        time.sleep(0.01)
        first = row["checkpoint_ms"]
        os.utime(_file(pool, job))
        until(lambda: _safe(pool, job) > first)


def a_touch_while_the_daemon_is_dead_is_found_when_it_is_back():
    with Pool() as pool:
        job = _running(pool, "sleep 1000")
        pool.kill()
        os.utime(_file(pool, job))
        touched = os.stat(_file(pool, job)).st_mtime_ns // 1000000
        pool.start()
        until(_safe, pool, job)
        assert _safe(pool, job) == touched, (_safe(pool, job), touched)
        pool.restart()
        assert _safe(pool, job) == touched
        job_facts = _facts(pool, job)
        assert job_facts == 1, job_facts


def a_file_that_is_touched_all_the_time_makes_few_facts():
    with Pool() as pool:
        job = _running(pool, "sleep 1000")
        file = _file(pool, job)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            os.utime(file)
            time.sleep(0.001)
        last = os.stat(file).st_mtime_ns // 1000000
        until(lambda: _safe(pool, job) == last)
        facts = _facts(pool, job)
        assert 1 <= facts <= 3, facts


def times_of_other_centuries_say_nothing_that_was_not():
    with Pool() as pool:
        job = _running(pool, "sleep 1000")
        file = _file(pool, job)
        time.sleep(0.01)
        os.utime(file, (0, 0))
        before = time.time() * 1000
        other = _running(pool, "sleep 1000")
        time.sleep(0.05)
        os.utime(_file(pool, other), (4102444800, 4102444800))
        until(_safe, pool, other)
        assert before <= _safe(pool, other) <= time.time() * 1000, _safe(pool, other)
        assert _safe(pool, job) is None, _safe(pool, job)


def nobody_else_can_touch_or_replace_it():
    need_root()
    with Pool() as pool:
        job = _running(pool, "sleep 1000")
        file = _file(pool, job)
        found = os.stat(file)
        assert stat.S_IMODE(found.st_mode) == 0o600 and found.st_uid == os.geteuid(), found
        script = f"touch {file}; rm -f {file}; ln -s /etc/passwd {file}; mv /dev/null {file}"
        subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                        "sh", "-c", script], stderr=subprocess.DEVNULL, check=False)
        assert os.stat(file).st_mtime_ns == found.st_mtime_ns
        assert os.stat(file).st_ino == found.st_ino
        # Nor its owner, when that is not the daemon's user: the folder is the engine's.
        reply = pool.ask_as(NOBODY, "POST", "/v1/jobs",
                            {"command": ["sh", "-c", 'rm "$GRANARY_CHECKPOINT"; '
                                         'touch "$GRANARY_CHECKPOINT" && sleep 1000'],
                             "cpu": 0.01, "directory": "new"})
        assert reply.status == 201, reply
        own = reply.json()["id"]
        until(_safe, pool, own)
        assert os.stat(_file(pool, own)).st_uid == NOBODY


def a_file_that_its_user_removed_harms_nothing():
    with Pool() as pool:
        job = _running(pool, "sleep 1000")
        os.unlink(_file(pool, job))
        os.symlink("/etc/hostname", _file(pool, job))
        other = _running(pool, 'sleep 0.1; touch "$GRANARY_CHECKPOINT"; sleep 1000')
        until(_safe, pool, other)
        assert _safe(pool, job) is None
        code, _, err = pool("checkpoint", str(job))
        assert code == 0, err


def a_container_has_the_file_and_the_socket_also_after_a_restart():
    with Pool() as pool:
        image = pool.path("image")
        subprocess.run([ROOT + "/examples/first-day/make-image", image], check=True,
                       stdout=subprocess.DEVNULL)
        script = ('[ -S "${GRANARY_SERVER#unix:}" ] || exit 9; sleep 0.1\n'
                  'touch "$GRANARY_CHECKPOINT" || exit 8\n'
                  'while :; do [ -S "${GRANARY_SERVER#unix:}" ] || touch gone; sleep 0.1; done')
        job = pool.submit(script, cpu=0.01, image=image, directory="new")
        if pool.wait(job, ("running", "not-started"))["state"] == "not-started":
            raise Skip("containers do not work here")
        first = until(_safe, pool, job)
        work = f"{pool.state}/engine/attempts/{job}.1/work/gone"
        pool.kill()
        pool.start()
        # Only now is it sure that what it saw meanwhile is past.
        until(lambda: os.path.exists(pool.state + "/engine/door/granary.sock"))
        if os.path.exists(work):
            os.unlink(work)
        os.utime(_file(pool, job))
        until(lambda: _safe(pool, job) > first)
        assert not os.path.exists(work), "the socket is not seen after a restart"


def _at_the_door(pool, method, path, body=None):
    return pool.ask(method, path, body,
                    connection=UnixConnection(pool.state + "/engine/door/granary.sock"))


def who_comes_from_a_container_hands_in_no_work_and_learns_no_secrets():
    with Pool() as pool:
        job = _running(pool, "echo secret; sleep 1000", env={"KEY": "secret"})
        who = _at_the_door(pool, "GET", "/v1/whoami").json()
        assert who["operator"] is False and pool.get("/v1/whoami")["operator"] is True, who
        assert _at_the_door(pool, "POST", f"/v1/jobs/{job}/checkpoint").status == 200
        assert _safe(pool, job)
        assert _at_the_door(pool, "GET", "/v1/queue").status == 200
        before = pool.sequence()
        for method, path, body in (("POST", "/v1/jobs", {"command": ["true"]}),
                                   ("GET", "/v1/jobs", None), ("GET", f"/v1/jobs/{job}", None),
                                   ("GET", f"/v1/jobs/{job}/logs", None),
                                   ("POST", f"/v1/jobs/{job}/stop", None),
                                   ("GET", "/v1/events", None), ("GET", "/v1/tokens", None),
                                   ("POST", "/v1/tokens", {"name": "new", "user": "root"}),
                                   ("POST", "/v1/apply", {"organisations": [{"name": "new"}]}),
                                   ("POST", f"/v1/nodes/{NODE}/drain", None),
                                   ("POST", "/v1/shutdown", None)):
            reply = _at_the_door(pool, method, path, body)
            assert reply.status == 403 and reply.error["code"] == "forbidden", (path, reply)
        reply = _at_the_door(pool, "POST", "/v1/jobs", '{"command": ["true"]}\n')
        assert reply.status == 403, reply
        assert pool.sequence() == before


def the_engine_says_whether_files_are_watched():
    with Pool() as pool:
        code, out, err = pool("engine", "check")
        assert code == 0, err
        assert "checkpoint files" in out, out


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
