"""The journal of a live pool: looked at beside it and without it, backed up, damaged, on a full disk,
and who may serve it. Run by meson with the program; by hand also with the names of cases."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading

from pool import NOBODY, Pool, Skip, cases_of, main, need_root, processes, until


def _work(pool, count=10):
    """Some history: jobs that end each way, an array, what depends on others."""
    jobs = [pool.submit("exit $((GRANARY_JOB_ID % 3))", cpu=0.01) for _ in range(count)]
    jobs.append(pool.try_submit(array="0-4", command="true", cpu=0.01).json()["last"])
    jobs.append(pool.submit(after={str(jobs[0]): "any"}))
    stopped = pool.submit("sleep 1000", cpu=0.01)
    pool.wait(stopped, "running")
    pool.stop(stopped)
    pool.wait([*jobs, stopped])
    return jobs


def _digest(pool, *words):
    return pool.journal("digest", *words)


def the_journal_is_looked_at_beside_the_daemon_and_without_it():
    with Pool() as pool:
        _work(pool)
        last = pool.get("/v1/pool")["journal"]["durable"]
        for _ in range(2):
            verified = pool.journal("verify")
            assert verified["verdict"] == "good" and verified["first"] == 1, verified
            code, out, err = pool("journal", "show", "--state", pool.state, "-o", "jsonl")
            assert code == 0, err
            facts = [json.loads(line) for line in out.splitlines()]
            assert [fact["sequence"] for fact in facts] == list(range(1, last + 1))
            code, out, _ = pool("journal", "show", "--state", pool.state, "-o", "jsonl",
                                "--from", "5", "--to", "9")
            assert [json.loads(line)["sequence"] for line in out.splitlines()] == [5, 6, 7, 8, 9]
            if pool.process is None:
                break
            pool.end()


def live_state_replayed_state_and_snapshot_with_tail_are_the_same():
    with Pool() as pool:
        _work(pool)
        running = pool.submit("sleep 1000")
        pool.wait(running, "running")
        before = pool.sequence()
        whole = _digest(pool)
        pool.journal("snapshot")
        _work(pool, 5)
        with_tail = _digest(pool)
        shutil.move(pool.state + "/snapshots", pool.folder + "/snapshots.away")
        os.mkdir(pool.state + "/snapshots", 0o700)
        assert _digest(pool) == {**with_tail, "snapshot": _digest(pool).get("snapshot")}
        assert _digest(pool)["digest"] == with_tail["digest"] != whole["digest"]
        assert _digest(pool, "--to", str(before))["digest"] == whole["digest"]


def a_daemon_that_begins_with_a_snapshot_knows_the_same():
    with Pool() as pool:
        jobs = _work(pool)
        running = pool.submit("sleep 1000")
        pool.wait(running, "running")
        before = [pool.job(job) for job in (*jobs, running)]
        pool.journal("snapshot")
        pool.restart()
        assert pool.get("/v1/pool")["journal"]["snapshot"] > 0
        assert [pool.job(job) for job in (*jobs, running)] == before
        assert len(pool.get("/v1/jobs?all=true&limit=1000")["jobs"]) == 18


def snapshots_are_made_without_stopping():
    with Pool("--snapshot-every", "200") as pool:
        for _ in range(4):
            pool.ndjson([{"command": ["true"], "cpu": 0.01}] * 60)
        until(lambda: pool.get("/v1/pool")["journal"]["snapshot"] >= 200)
        until(lambda: pool.get("/v1/pool")["jobs"]["running"] +
              pool.get("/v1/pool")["jobs"]["waiting"] == 0)
        verified = pool.journal("verify")
        pool.restart()
        assert pool.get("/v1/pool")["journal"]["snapshot"] >= 200
        assert pool.journal("verify")["last"] >= verified["last"]
        assert pool.run()["state"] == "done"


def a_sealed_part_is_verified_with_the_rest_and_may_be_moved_away():
    with Pool() as pool:
        jobs = _work(pool)
        code, _, err = pool("journal", "seal", "--before", "40", "--state", pool.state)
        assert code != 0 and "serve" in err, err  # not beside a daemon
        pool.end()
        pool.journal("snapshot")
        code, _, err = pool("journal", "seal", "--before", "40", "--state", pool.state)
        assert code == 0, err
        verified = pool.journal("verify")
        assert verified["sealed_parts"] == 1 and verified["from_the_start"], verified
        pool.start()
        assert pool.run()["state"] == "done"
        with pool.events(1) as events:
            assert next(events)["sequence"] == 1
        assert pool.job(jobs[0])["spec"]["command"]
        pool.end()
        shutil.move(pool.state + "/journal/sealed", pool.folder + "/sealed.away")
        verified = pool.journal("verify")
        assert not verified["from_the_start"] and verified["first"] > 1, verified
        pool.start()
        assert pool.run()["state"] == "done"
        assert pool.job(jobs[0])["id"] == jobs[0]


def what_a_job_that_has_not_ended_needs_is_not_sealed():
    with Pool(pretend="1xh20") as pool:
        runs = pool.submit("sleep 1000", devices=1, kind="h20")
        pool.wait(runs, "running")
        waits = pool.submit("true", devices=1, kind="h20")
        _work(pool)
        pool.end()
        code, _, err = pool("journal", "seal", "--before", str(waits + 1), "--state", pool.state)
        assert code != 0 and f"--before {runs}" in err, (code, err)
        code, _, err = pool("journal", "seal", "--before", str(runs), "--state", pool.state)
        assert code == 0, err
        pool.start()
        pool.stop(runs)
        pool.wait([waits])
        assert pool.job(waits)["state"] == "done"


def a_backup_during_submissions_is_whole_and_can_be_served():
    with Pool() as pool, tempfile.TemporaryDirectory(prefix="granary-serve-") as folder:
        accepted = []
        ends = threading.Event()

        def submit():
            while not ends.is_set():
                accepted.append(pool.submit("true", cpu=0.01))

        thread = threading.Thread(target=submit)
        thread.start()
        until(lambda: len(accepted) > 20)
        before = list(accepted)
        code, _, err = pool("backup", folder + "/backup", "--state", pool.state)
        ends.set()
        thread.join()
        assert code == 0, err
        code, _, err = pool("restore", folder + "/backup", "--state", folder + "/state")
        assert code == 0, err
        with Pool("--no-engine", pretend=None, folder=folder) as copy:
            known = {view["id"] for view in copy.get("/v1/jobs?all=true&limit=1000")["jobs"]}
            assert set(before) <= known | set(accepted[1000:]), set(before) - known
            assert copy.job(before[0])["spec"]["command"] == ["/bin/sh", "-c", "true"]
            assert copy.journal("verify")["verdict"] == "good"
            with open(folder + "/state/operator.token", "rb") as mine, \
                    open(pool.state + "/operator.token", "rb") as original:
                assert mine.read() == original.read()  # the tokens that are known are known by text
            assert not list(copy.engine_processes())
            job = copy.submit("true")
            assert copy.state_of(job) in ("waiting", "starting")
        code, _, err = pool("restore", folder + "/backup", "--state", folder + "/state")
        assert code != 0, "a restore over a state directory that is there"


def a_damaged_byte_stops_the_start_with_its_sequence():
    with Pool() as pool:
        _work(pool)
        pool.end()
        path = pool.state + "/journal/journal.db"
        with open(path, "rb") as file:
            good = file.read()
        # A byte of every page in turn: found, or nothing of it was in use.
        told = 0
        for place in range(4096 + 100, len(good), 5000):
            with open(path, "r+b") as file:
                file.seek(place)
                file.write(bytes([good[place] ^ 0x40]))
            code, _, err = pool("journal", "verify", "--state", pool.state)
            assert code in (0, 1), err
            if code == 1:
                assert "damaged" in err, err
                said = pool.fails_to_start()
                assert "restore" in said or "damaged" in said or "malformed" in said, said
                told += any(word.isdigit() for word in said.replace(",", " ").split())
            with open(path, "r+b") as file:
                file.seek(place)
                file.write(good[place:place + 1])
        assert told > 0
        pool.start()
        assert pool.run()["state"] == "done"


def a_journal_that_ends_before_its_head_stops_the_start():
    with Pool() as pool:
        _work(pool)
        pool.kill()
        wal = pool.state + "/journal/journal.db-wal"
        if not os.path.exists(wal) or os.path.getsize(wal) < 20000:
            raise Skip("everything was checkpointed")
        with open(wal, "rb") as file:
            whole = file.read()
        os.truncate(wal, len(whole) // 2)
        said = pool.fails_to_start()
        assert "head" in said or "ends" in said, said
        assert any(word.isdigit() for word in said.replace(",", " ").replace(":", " ").split()), said
        code, _, err = pool("journal", "verify", "--state", pool.state)
        assert code == 1, err
        # With what was lost put back, it goes on.
        with open(wal, "wb") as file:
            file.write(whole)
        try:
            os.unlink(pool.state + "/journal/journal.db-shm")
        except OSError:
            pass
        pool.start()
        assert pool.run()["state"] == "done"


def _fill_and_go_on(pool, make_room, batch):
    """Submits until it is refused, then makes room: nothing accepted is lost, and it goes on."""
    accepted = []
    refused = None
    for number in range(4000):
        try:
            reply = pool.ask("POST", "/v1/jobs", {"command": ["true"], "kind": "h20", "devices": 1,
                                                  "env": {"FILL": "x" * batch}}, timeout=3)
        except (TimeoutError, OSError):
            continue  # in flight when it became full: it is answered when there is room
        if reply.status == 201:
            accepted.append(reply.json()["id"])
        else:
            refused = reply
            break
    assert refused is not None and refused.status == 507, refused
    assert refused.error["code"] == "disk-full" and refused.error["message"], refused
    assert pool.ask("GET", "/v1/health").status == 503
    assert pool.ask("POST", "/v1/jobs", {"command": ["true"]}).status == 507
    # Who only looks gets an answer, too.
    assert pool.ask("GET", "/v1/jobs?limit=1", timeout=10).status in (200, 503)
    assert pool.ask("GET", "/v1/pool", timeout=10).status in (200, 503)
    make_room()
    until(lambda: pool.ask("GET", "/v1/health").status == 200)
    reply = pool.try_submit(kind="h20", devices=1)
    assert reply.status == 201, reply
    accepted.append(reply.json()["id"])
    for job in accepted:
        assert pool.state_of(job) == "waiting"
    pool.restart()
    for job in accepted:
        assert pool.state_of(job) == "waiting"
    assert pool.journal("verify")["verdict"] == "good"


def a_full_disk_refuses_loses_nothing_and_goes_on_when_there_is_room():
    need_root()
    folder = tempfile.mkdtemp(prefix="granary-serve-")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "tmpfs", folder],
                          capture_output=True)
    if done.returncode != 0:
        os.rmdir(folder)
        raise Skip("nothing can be mounted here")
    try:
        with Pool(folder=folder, pretend="1xh20") as pool:
            pool.wait(pool.submit("sleep 1000", kind="h20", devices=1), "running")
            with open(folder + "/ballast", "wb") as file:
                file.write(b"x" * (44 << 20))
            _fill_and_go_on(pool, lambda: os.unlink(folder + "/ballast"), 100000)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        os.rmdir(folder)


def a_journal_at_its_limit_refuses_and_a_higher_limit_goes_on():
    with Pool("--max-journal", "4", pretend="1xh20") as pool:
        pool.wait(pool.submit("sleep 1000", kind="h20", devices=1), "running")
        accepted = []
        refused = None
        for _ in range(200):
            try:
                reply = pool.ask("POST", "/v1/jobs", {"command": ["true"], "kind": "h20",
                                                      "devices": 1, "env": {"FILL": "x" * 100000}},
                                 timeout=3)
            except (TimeoutError, OSError):
                continue
            if reply.status != 201:
                refused = reply
                break
            accepted.append(reply.json()["id"])
        assert refused is not None and refused.status == 507, refused
        assert refused.error["code"] == "disk-full", refused
        pool.kill()
        pool.options[pool.options.index("--max-journal") + 1] = "64"
        pool.start()
        for job in accepted:
            assert pool.state_of(job) == "waiting"
        assert pool.try_submit(kind="h20", devices=1).status == 201


def a_daemon_that_ends_at_once_leaves_no_process_of_its_own():
    with Pool(starts=False) as pool:
        for _ in range(3):
            pool.start()
            daemon = Pool.program.encode()
            pool.end()
            # What tried out the engine cleans up after itself.
            until(lambda: not [line for _, _, line, _ in processes()
                               if line[0] == daemon and pool.state.encode() in line], timeout=20)


def a_second_daemon_on_the_same_directory_is_refused():
    with Pool() as pool:
        said = pool.fails_to_start()
        assert "already" in said and str(pool.process.pid) in said, said
        assert pool.run()["state"] == "done"


def a_second_daemon_on_the_same_socket_or_port_is_refused():
    with Pool() as pool, tempfile.TemporaryDirectory(prefix="granary-serve-") as folder:
        for words in (["--socket", pool.socket, "--listen", "none"],
                      ["--socket", "none", "--listen", f"127.0.0.1:{pool.port}"]):
            done = subprocess.run([Pool.program, "serve", "--state", folder + "/other", *words],
                                  capture_output=True, text=True, timeout=60,
                                  stdin=subprocess.DEVNULL)
            assert done.returncode > 0 and done.stderr, done
        assert pool.run()["state"] == "done"
        with Pool(folder=folder, starts=False) as other:
            other.state = folder + "/other"
            other.kill_engine()


def a_state_directory_of_another_user_is_refused():
    need_root()
    with Pool(starts=False) as pool:
        os.mkdir(pool.state, 0o755)
        os.chown(pool.state, NOBODY, NOBODY)
        assert "must be a directory of user 0" in pool.fails_to_start()
        os.chown(pool.state, 0, 0)
        os.chmod(pool.state, 0o777)
        assert "nobody else may write" in pool.fails_to_start()


def a_state_directory_that_cannot_be_written_is_refused():
    with Pool(starts=False) as pool:
        if os.geteuid() == 0:
            os.makedirs(pool.state)
            done = subprocess.run(["mount", "--bind", "-o", "ro", pool.state, pool.state],
                                  capture_output=True)
            if done.returncode != 0:
                raise Skip("nothing can be mounted here")
            subprocess.run(["mount", "-o", "remount,bind,ro", pool.state], check=True)
            try:
                assert "Read-only" in pool.fails_to_start()
            finally:
                subprocess.run(["umount", pool.state], check=True)
        else:
            os.makedirs(pool.state, 0o555)
            assert "denied" in pool.fails_to_start()


def a_link_in_the_place_of_the_state_or_of_its_files_is_not_followed():
    with Pool(starts=False) as pool:
        os.makedirs(pool.state)
        target = pool.folder + "/target"
        with open(target, "w") as file:
            file.write("precious")
        os.symlink(target, pool.state + "/lock")
        assert pool.fails_to_start()
        os.unlink(pool.state + "/lock")
        with open(target) as file:
            assert file.read() == "precious"


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
