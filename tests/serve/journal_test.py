"""The journal of a live pool: looked at beside it and without it, backed up, damaged, on a full disk,
and who may serve it. Run by meson with the program; by hand also with the names of cases."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

from pool import NOBODY, TIMEOUT, Pool, cases_of, main, mount, need_root, processes, until


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


def _settle(pool):
    """Waits until nothing more comes by itself: what was applied is durable, and stays all."""
    end = time.monotonic() + 60
    seen = None
    while time.monotonic() < end:
        now = (pool.sequence(), pool.get("/v1/pool")["journal"]["durable"])
        if now == seen and now[0] == now[1]:
            return
        seen = now
        time.sleep(0.5)
    raise AssertionError(f"facts go on coming: {seen}")


def the_journal_is_looked_at_beside_the_daemon_and_without_it():
    with Pool() as pool:
        _work(pool)
        _settle(pool)
        last = pool.get("/v1/pool")["journal"]["durable"]
        for _ in range(2):
            verified = pool.journal("verify")
            assert verified["verdict"] == "good" and verified["first"] == 1, verified
            code, out, err = pool("journal", "show", "--state", pool.state, "-o", "jsonl")
            assert code == 0, err
            facts = [json.loads(line) for line in out.splitlines()]
            numbers = [fact["sequence"] for fact in facts]
            # A live daemon may have gone on meanwhile.
            assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= last, numbers
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
        _settle(pool)
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
        made = pool.journal("snapshot")["sequence"]
        # A start takes no snapshot that is newer than the table of jobs that ended.
        until(lambda: pool.get("/v1/pool")["history"]["upto"] >= made)
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


def a_daemon_in_the_background_logs_nothing_while_all_is_well():
    with Pool(starts=False) as pool:
        code, _, err = pool("serve", "--background", "--state", pool.state, "--listen", "none",
                            "--snapshot-every", "50")
        assert code == 0, err
        try:
            assert pool("submit", "--array", "0-49", "--cpu", "0.01", "true")[0] == 0
            until(lambda: pool.get("/v1/pool")["journal"]["snapshot"] >= 50)
            with open(pool.state + "/log") as file:
                assert file.read() == ""
        finally:
            pool("serve", "--end", "--stop-jobs", "--state", pool.state)


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
            # How many more came before the copy was made is for the machine to say.
            last = copy.get("/v1/jobs?all=true&limit=1")["jobs"][0]["id"]
            assert last >= before[-1], (last, before)
            assert [copy.job(job)["id"] for job in before] == before
            assert copy.job(before[0])["spec"]["command"] == ["/bin/sh", "-c", "true"]
            assert copy.journal("verify")["verdict"] == "good"
            with open(folder + "/state/operator.token", "rb") as mine, \
                    open(pool.state + "/operator.token", "rb") as original:
                assert mine.read() == original.read()  # the tokens that are known are known by text
            assert not list(copy.engine_processes())
            job = copy.submit("true")
            assert copy.state_of(job) in ("waiting", "starting")
            assert "nothing is started here" in copy("pool")[1]
        code, _, err = pool("restore", folder + "/backup", "--state", folder + "/state")
        assert code != 0, "a restore over a state directory that is there"


def a_backup_or_restore_that_fails_leaves_nothing_behind():
    with Pool() as pool:
        copy, new = pool.folder + "/copy", pool.folder + "/new"
        for words in (("restore", pool.folder + "/nowhere", "--state", new),
                      ("backup", copy, "--state", pool.folder + "/nowhere")):
            code, _, err = pool(*words)
            assert code == 3 and "there is no journal" in err, (words, code, err)
            assert not os.path.exists(new) and not os.path.exists(copy), words
        assert pool("backup", copy, "--state", pool.state)[0] == 0
        assert pool("backup", copy, "--state", pool.state)[0] == 6  # it is there
        assert pool("restore", copy, "--state", pool.state)[0] == 6
        shutil.copytree(copy, pool.folder + "/damaged")
        with open(pool.folder + "/damaged/journal/journal.db", "r+b") as file:
            file.truncate(5000)
        assert pool("restore", pool.folder + "/damaged", "--state", new)[0] == 1
        assert not os.path.exists(new)
        code, _, err = pool("restore", copy, "--state", new)
        assert code == 0, err


def a_damaged_byte_stops_the_start_with_its_sequence():
    with Pool() as pool:
        _work(pool)
        pool.end()
        path = pool.state + "/journal/journal.db"
        good = _bytes(path)
        # Where the payload of a group lies: every one of them is read by a start.
        db = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        rows = list(db.execute("SELECT last, payload FROM groups ORDER BY last"))
        db.close()
        found = [(last, good.find(payload)) for last, payload in rows if good.count(payload) == 1]
        assert len(found) > 5, (len(rows), len(found))
        for last, place in found[1::len(found) // 5]:
            _put(path, _changed(good, place))
            said = pool.fails_to_start()
            assert "damaged" in said and "restore" in said, said
            words = said.replace(",", " ").replace(")", " ").split()
            told = [int(word) for word in words if word.isdigit()]
            assert any(number <= last for number in told), (last, said)
            code, _, err = pool("journal", "verify", "--state", pool.state)
            assert code == 1 and "damaged" in err, err
        _put(path, good)
        pool.start()
        assert pool.run()["state"] == "done"


def a_damaged_byte_anywhere_is_found_or_was_of_no_use():
    with Pool() as pool:
        _work(pool)
        pool.end()
        path = pool.state + "/journal/journal.db"
        good = _bytes(path)
        digest = _digest(pool)["digest"]
        for place in range(100, len(good), len(good) // 25):
            _put(path, _changed(good, place))
            code, out, err = pool("journal", "verify", "--state", pool.state)
            assert code in (0, 1), (place, code, err)
            if code == 1:
                assert "restore" in err, (place, err)
            else:
                assert _digest(pool)["digest"] == digest, place
        _put(path, good)
        pool.start()
        assert pool.run()["state"] == "done"


def _bytes(path):
    with open(path, "rb") as file:
        return file.read()


def _put(path, content):
    """Makes the journal these bytes, with nothing beside it."""
    for more in ("-wal", "-shm"):
        if os.path.exists(path + more):
            os.unlink(path + more)
    with open(path, "wb") as file:
        file.write(content)


def _changed(content, place):
    return content[:place] + bytes([content[place] ^ 0x40]) + content[place + 1:]


def _verified(pool):
    return pool.get("/v1/pool")["journal"]["verified"]


def damage_before_the_newest_snapshot_is_found_after_the_start_and_told_loudly():
    with Pool() as pool:
        _work(pool)
        last = pool.sequence()
        pool.end()
        pool.start()
        until(lambda: _verified(pool)["state"] == "good")
        assert _verified(pool)["at"] >= last and _verified(pool)["problem"] == ""
        assert pool.get("/v1/health") == {"ok": True}
        pool.end()
        pool.journal("snapshot")
        path = pool.state + "/journal/journal.db"
        good = _bytes(path)
        db = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        rows = [payload for payload, in db.execute("SELECT payload FROM groups ORDER BY last")]
        db.close()
        place = next(good.find(payload) for payload in rows[3:] if good.count(payload) == 1)
        _put(path, _changed(good, place))
        pool.start()
        until(lambda: _verified(pool)["state"] not in ("not-begun", "running"))
        verified = _verified(pool)
        assert verified["state"] == "damaged" and "damaged at sequence" in verified["problem"], verified
        health = pool.get("/v1/health")
        assert health["ok"] and health["degraded"] and "damaged" in health["why"], health
        assert "\ngranary_journal_damaged 1\n" in pool.ask("GET", "/metrics").body.decode()
        until(lambda: "DAMAGE: " + verified["problem"] in _bytes(pool.log_path).decode())
        code, out, _ = pool("pool")
        assert code == 0 and "damaged at sequence" in " ".join(out.split()), out
        assert pool.run()["state"] == "done"  # it goes on


def a_journal_that_ends_before_its_head_stops_the_start():
    with Pool() as pool:
        _work(pool)
        pool.kill()  # a log is copied into the file from 16 MiB on, or in an orderly end
        wal = pool.state + "/journal/journal.db-wal"
        whole = _bytes(wal)
        assert 20000 < len(whole) < 16 << 20, len(whole)
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


def _submit_until_refused(pool):
    """Large jobs, until one is refused: the ids of those accepted."""
    accepted = []
    while True:
        try:
            reply = pool.ask("POST", "/v1/jobs", {"command": ["true"], "kind": "h20", "devices": 1,
                                                  "env": {"FILL": "x" * 100000}}, timeout=5)
        except (TimeoutError, OSError):
            continue  # in flight when it became full: it is answered when there is room
        if reply.status != 201:
            assert reply.status == 507, reply
            assert reply.error["code"] == "disk-full" and reply.error["message"], reply
            return accepted
        accepted.append(reply.json()["id"])
        assert len(accepted) < 4000, "it never becomes full"


def _fill_and_go_on(pool, make_room):
    """Submits until it is refused, then makes room: nothing accepted is lost, and it goes on."""
    accepted = _submit_until_refused(pool)
    assert pool.ask("GET", "/v1/health").status == 503
    assert pool.ask("POST", "/v1/jobs", {"command": ["true"]}).status == 507
    # Who only looks gets an answer, too.
    assert pool.ask("GET", "/v1/jobs?limit=1").status in (200, 503)
    assert pool.ask("GET", "/v1/pool").status in (200, 503)
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


def _hold_the_device(pool):
    """A job that has the only device and does not end. The engine has been tried out then: what
    that takes of a disk comes and goes."""
    pool.wait(pool.submit("sleep 100000", kind="h20", devices=1), "running")
    assert pool.get("/v1/engines")["engines"][0]["checks"]


def a_full_disk_refuses_loses_nothing_and_goes_on_when_there_is_room():
    folder = tempfile.mkdtemp(prefix="granary-serve-")
    try:
        if mount("-t", "tmpfs", "-o", "size=64m,mode=755", "tmpfs", folder):
            _fill_a_small_disk(folder)
        else:
            _fill_a_disk_that_says_so(folder)
    finally:
        subprocess.run(["umount", "-l", folder], capture_output=True)
        shutil.rmtree(folder)


def _fill_a_small_disk(folder):
    with Pool(folder=folder, pretend="1xh20") as pool:
        _hold_the_device(pool)
        with open(folder + "/ballast", "wb") as file:
            file.write(b"x" * (44 << 20))
        _fill_and_go_on(pool, lambda: os.unlink(folder + "/ballast"))


def _fill_a_disk_that_says_so(folder):
    sign = folder + "/full"
    env = {**os.environ, "LD_PRELOAD": Pool.build + "/tests/serve/full_disk.so", "FULL_DISK": sign,
           "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
    with Pool(folder=folder, pretend="1xh20", env=env) as pool:
        _hold_the_device(pool)
        open(sign, "w").close()
        _fill_and_go_on(pool, lambda: os.unlink(sign))


def a_long_history_that_cannot_be_written_does_not_hold_up_the_start():
    with Pool() as pool:
        before = pool.submit("sleep 1000")
        pool.wait(before, "running")
        for _ in range(4):  # more than may wait to be written
            pool.submit("true", array="0-65535", after={str(before): "ok"})
        pool.stop(before)
        until(lambda: pool.get("/v1/pool")["jobs"]["held"] == 0)
        pool.kill()
        with sqlite3.connect(pool.state + "/history/ended.db") as table:
            table.executescript("DELETE FROM runs; DELETE FROM of_user; UPDATE upto SET sequence=0;"
                                "CREATE TRIGGER stop BEFORE INSERT ON runs"
                                " BEGIN SELECT RAISE(ABORT, 'no room'); END;")
        table.close()
        pool.start()
        assert "no room" in pool.get("/v1/pool")["history"]["problem"]
        pool.kill()
        with sqlite3.connect(pool.state + "/history/ended.db") as table:
            table.execute("DROP TRIGGER stop")
        table.close()
        pool.start()  # and completes it
        until(lambda: pool.get("/v1/pool")["history"]["upto"] > 4 * 65536)
        assert pool.get("/v1/pool")["history"]["problem"] == ""


def a_journal_at_its_limit_refuses_and_a_higher_limit_goes_on():
    with Pool("--max-journal", "4", pretend="1xh20") as pool:
        _hold_the_device(pool)
        accepted = _submit_until_refused(pool)
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
                               if line[0] == daemon and pool.state.encode() in line])


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
                                  capture_output=True, text=True, timeout=TIMEOUT,
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
        os.makedirs(pool.state)
        if mount("--bind", "-o", "ro", pool.state, pool.state):
            try:
                assert mount("-o", "remount,bind,ro", pool.state)
                assert "Read-only" in pool.fails_to_start()
            finally:
                subprocess.run(["umount", pool.state], check=True)
            return
        os.chmod(pool.state, 0o555)
        other = {}
        if os.geteuid() == 0:  # whom modes do not bind
            os.chown(pool.state, NOBODY, NOBODY)
            other = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        assert "denied" in pool.fails_to_start(**other)


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
