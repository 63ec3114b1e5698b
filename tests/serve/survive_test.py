"""Promise 6, with real processes: whatever dies with -9, no accepted job is lost and none starts
twice. Run by meson with the program; by hand also with the names of cases."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

from pool import Pool, Skip, cases_of, gone, is_alive, lines_of, main, read, until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _begin_fifty(pool):
    """Fifty running jobs; each says in a file of its own that it began, waits for a word, and
    ends with a code of its own."""
    os.mkdir(pool.path("jobs"))
    script = ("echo began >> jobs/$N; while [ ! -e go ]; do sleep 0.1; done; "
              "echo ended >> jobs/$N; exit $((N % 100))")
    reply = pool.ndjson([{"command": script, "directory": pool.work, "cpu": 0.01,
                          "env": {"N": str(number), "PATH": os.environ["PATH"]}}
                         for number in range(50)])
    jobs = [line["id"] for line in reply.lines()]
    pool.wait(jobs, "running")
    until(lambda: len(os.listdir(pool.path("jobs"))) == 50)
    return jobs


def _end_fifty(pool, jobs):
    """They still run, each began once, and each one's own exit code is recorded."""
    pool.wait(jobs, "running")
    assert len(pool.keepers()) == 50
    open(pool.path("go"), "w").close()
    for number, view in enumerate(pool.wait(jobs)):
        assert view["state"] == ("failed" if number else "done"), view
        assert view["exit_code"] == number and view["attempt"] == 1, view
        assert lines_of(pool.path(f"jobs/{number}")) == ["began", "ended"]


def fifty_jobs_outlive_a_daemon_killed_with_9():
    with Pool() as pool:
        jobs = _begin_fifty(pool)
        keepers = pool.keepers()
        assert len(keepers) == 50
        pool.restart()
        assert pool.keepers() == keepers
        _end_fifty(pool, jobs)


def fifty_jobs_outlive_a_launcher_killed_with_9():
    with Pool() as pool:
        jobs = _begin_fifty(pool)
        keepers = pool.keepers()
        launcher = pool.launcher()
        os.kill(launcher, signal.SIGKILL)
        gone(launcher)
        assert pool.run("exit 3")["exit_code"] == 3  # by another launcher
        assert pool.launcher() != launcher
        assert {job: pid for job, pid in pool.keepers().items() if job in keepers} == keepers
        _end_fifty(pool, jobs)


def a_start_that_fails_ends_the_launcher_it_started_and_no_other():
    with Pool(starts=False) as pool:
        taken = pool.path("taken")
        with open(taken, "w"):
            pass
        assert "is no socket" in pool.fails_to_start("--socket", taken)
        assert pool.launcher() is None
        pool.start()
        job = pool.submit(command=["sleep", "60"])
        pool.wait(job, states=("running",))
        launcher = pool.launcher()
        pool.end()
        assert "is no socket" in pool.fails_to_start("--socket", taken)
        assert pool.launcher() == launcher and list(pool.keepers()) == [job]


def a_start_that_fails_leaves_no_directory_that_it_made_and_harms_no_other():
    with Pool(starts=False, pretend=None) as pool:
        options = (("--pretend", "8xnonsense"), ("--checks", pool.path("nowhere")),
                   ("--listen", "999.1.1.1:7"), ("--socket", pool.path("a/b/c")))
        for option in options:
            assert pool.fails_to_start(*option), option
            assert not os.path.exists(pool.state), (option, os.listdir(pool.state))
        pool.start()
        assert pool.run("exit 3")["exit_code"] == 3
        pool.end()
        before = sorted(os.listdir(pool.state))
        for option in options:
            assert pool.fails_to_start(*option), option
            assert set(before) <= set(os.listdir(pool.state)), option
        pool.start()
        assert pool.get("/v1/jobs?all=true")["jobs"][0]["exit_code"] == 3


def a_daemon_that_ends_takes_the_launcher_along_only_if_nothing_runs():
    with Pool() as pool:
        assert pool.run("exit 0")["exit_code"] == 0
        pool.end()
        until(lambda: not list(pool.engine_processes()))
        pool.start()
        job = pool.submit(command=["sleep", "60"])
        pool.wait(job, states=("running",))
        launcher = pool.launcher()
        pool.end()
        assert pool.launcher() == launcher
        pool.start()
        assert pool.launcher() == launcher and pool.state_of(job) == "running"


def fifty_jobs_outlive_both_killed_with_9():
    with Pool() as pool:
        jobs = _begin_fifty(pool)
        os.kill(pool.launcher(), signal.SIGKILL)
        pool.restart()
        _end_fifty(pool, jobs)


def jobs_that_end_while_the_daemon_is_dead_are_recorded():
    for with_launcher in (False, True):
        with Pool() as pool:
            jobs = _begin_fifty(pool)
            if with_launcher:
                os.kill(pool.launcher(), signal.SIGKILL)
            pool.kill()
            open(pool.path("go"), "w").close()
            until(lambda: not pool.keepers())
            pool.start()
            for number, view in enumerate(pool.wait(jobs)):
                assert view["exit_code"] == number and view["attempt"] == 1, view
                assert lines_of(pool.path(f"jobs/{number}")) == ["began", "ended"]


def a_daemon_killed_again_and_again_while_jobs_end_records_each_once():
    with Pool() as pool:
        jobs = _begin_fifty(pool)
        open(pool.path("go"), "w").close()
        for _ in range(5):
            pool.restart()
        for number, view in enumerate(pool.wait(jobs)):
            assert view["exit_code"] == number, view
        ends = [event["job"] for event in _history(pool) if event["type"] == "job-finished"]
        assert sorted(ends) == jobs


def _history(pool):
    code, out, err = pool("journal", "show", "--state", pool.state, "-o", "jsonl")
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def _submit_until_killed(pool, number, accepted, ends):
    """One client: sends jobs, each with a key, again with the same key until it is answered."""
    count = 0
    while not ends.is_set():
        key = f"client-{number}-{count}"
        spec = {"command": f"echo {key} >> starts", "directory": pool.work, "cpu": 0.01}
        while True:
            try:
                reply = pool.ask("POST", "/v1/jobs", spec, {"Idempotency-Key": key})
            except OSError:
                if ends.wait(0.01):
                    return
                continue
            except Exception as error:  # a connection that broke in the middle of an answer
                assert "Incomplete" in repr(error) or "Remote" in repr(error), error
                continue
            assert reply.status in (200, 201), reply
            accepted[key] = reply.json()["id"]
            break
        count += 1


def _rounds(pool, count, what):
    """Kills something at random moments while four clients submit; then every accepted job ended
    and each started exactly once."""
    accepted = {}
    ends = threading.Event()
    clients = [threading.Thread(target=_submit_until_killed, args=(pool, number, accepted, ends))
               for number in range(4)]
    for client in clients:
        client.start()
    chance = random.Random(os.environ.get("GRANARY_TEST_SEED", "6"))
    try:
        for number in range(count):
            until(lambda: len(accepted) > number)  # however slow the disk is
            time.sleep(chance.random() * 0.15)
            what(pool)
    finally:
        ends.set()
        for client in clients:
            client.join()
    jobs = list(accepted.values())
    assert len(set(jobs)) == len(jobs)
    for view in pool.wait(jobs):
        assert view["state"] == "done" and view["attempt"] == 1, view
    # What was in flight at the end may have been taken without an answer: it ran once, too.
    until(lambda: pool.get("/v1/pool")["jobs"] == {"held": 0, "waiting": 0, "running": 0})
    starts = lines_of(pool.path("starts"))
    assert len(starts) == len(set(starts)), "a job was started twice"
    assert set(accepted) <= set(starts), "an accepted job was lost"
    for key, job in list(accepted.items())[::17]:
        spec = {"command": f"echo {key} >> starts", "directory": pool.work, "cpu": 0.01}
        reply = pool.ask("POST", "/v1/jobs", spec, {"Idempotency-Key": key})
        assert reply.json()["id"] == job and reply.headers["Granary-Replayed"] == "true", reply
    return accepted


def submissions_survive_twenty_kills_at_random_moments():
    with Pool() as pool:
        _rounds(pool, 20, Pool.restart)
        assert pool.journal("verify")["verdict"] == "good"


def _kill_launcher(pool):
    launcher = pool.launcher()
    if launcher is not None:
        try:
            os.kill(launcher, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it was just killed


def submissions_survive_a_launcher_killed_at_random_moments():
    with Pool() as pool:
        _rounds(pool, 20, _kill_launcher)


def submissions_survive_both_killed_at_random_moments():
    def kill_both(pool):
        _kill_launcher(pool)
        pool.restart()

    with Pool() as pool:
        _rounds(pool, 20, kill_both)


def a_daemon_killed_while_it_stops_jobs_goes_on_stopping_them():
    with Pool() as pool:
        jobs = [pool.submit("trap '' TERM; while :; do sleep 1; done", cpu=0.01,
                            stop={"grace": "1s"}) for _ in range(20)]
        pool.wait(jobs, "running")
        for job in jobs:
            assert pool.stop(job).status == 202
        pool.restart()
        for view in pool.wait(jobs):
            assert view["state"] == "stopped", view


def a_stop_that_was_lost_on_its_way_is_given_again():
    with Pool() as pool:
        job = pool.submit("sleep 1000")
        pool.wait(job, "running")
        launcher = pool.launcher()
        os.kill(launcher, signal.SIGSTOP)  # it will never read what it is told now
        assert pool.stop(job, grace_ms=500).status == 202
        assert pool.state_of(job) == "stopping"
        pool.kill()
        os.kill(launcher, signal.SIGKILL)
        gone(launcher)
        pool.start()
        assert pool.wait(job)["state"] == "stopped"


def a_stop_that_was_lost_with_the_launcher_is_given_again():
    with Pool() as pool:
        job = pool.submit("sleep 1000")
        pool.wait(job, "running")
        launcher = pool.launcher()
        os.kill(launcher, signal.SIGSTOP)
        assert pool.stop(job, grace_ms=500).status == 202
        assert pool.state_of(job) == "stopping"
        os.kill(launcher, signal.SIGKILL)
        assert pool.wait(job)["state"] == "stopped"


def a_start_that_was_lost_with_the_launcher_is_given_again():
    with Pool() as pool:
        launcher = pool.launcher()
        os.kill(launcher, signal.SIGSTOP)
        jobs = [pool.submit(f"echo {number} >> starts", directory=pool.work)
                for number in range(10)]
        assert pool.state_of(jobs[0]) == "starting"
        os.kill(launcher, signal.SIGKILL)
        for view in pool.wait(jobs):
            assert view["state"] == "done", view
        assert sorted(lines_of(pool.path("starts")), key=int) == [str(n) for n in range(10)]


def a_time_limit_that_passes_while_the_daemon_is_down_is_kept_at_its_return():
    with Pool() as pool:
        job = pool.submit("sleep 1000", limit="3s")
        began = pool.wait(job, "running")["started_ms"]
        pool.kill()
        time.sleep(max(0, began / 1000 + 3.2 - time.time()))
        pool.start()
        view = pool.wait(job)
        assert view["state"] == "time-limit", view


def a_job_that_ended_before_its_limit_keeps_its_end_though_the_daemon_was_down_until_later():
    with Pool() as pool:
        wait = "while [ ! -e go ]; do sleep 0.02; done; "
        bad = pool.submit(wait + "exit 3", limit="4s", directory=pool.work)
        good = pool.submit(wait, limit="4s", directory=pool.work)
        views = pool.wait([bad, good], "running")
        pool.kill()
        open(pool.path("go"), "w").close()
        until(lambda: not pool.keepers())
        time.sleep(max(0, max(view["started_ms"] for view in views) / 1000 + 4.2 - time.time()))
        pool.start()
        view = pool.wait(bad)
        assert view["state"] == "failed" and view["exit_code"] == 3, view
        assert pool.wait(good)["state"] == "done"


def waiting_and_held_jobs_are_there_again_after_a_kill():
    with Pool(pretend="1xh20") as pool:
        first = pool.submit("while [ ! -e go ]; do sleep 0.05; done", kind="h20", devices=1,
                            directory=pool.work)
        pool.wait(first, "running")
        second = pool.submit(kind="h20", devices=1, name="second")
        third = pool.submit(after={str(second): "ok"})
        before = [pool.job(job) for job in (first, second, third)]
        assert [view["state"] for view in before] == ["running", "waiting", "held"]
        pool.restart()
        assert [pool.job(job) for job in (first, second, third)] == before
        open(pool.path("go"), "w").close()
        assert [view["state"] for view in pool.wait([first, second, third])] == ["done"] * 3


def a_job_outlives_an_orderly_end_and_its_output_goes_on():
    with Pool() as pool:
        job = pool.submit("echo one; while [ ! -e go ]; do sleep 0.05; done; echo two",
                          directory=pool.work)
        pool.wait(job, "running")
        pool.end()
        open(pool.path("go"), "w").close()
        pool.start()
        assert pool.wait(job)["state"] == "done"
        assert pool.log(job) == "one\ntwo\n"


def what_was_said_of_an_end_is_the_same_after_a_restart():
    with Pool() as pool:
        jobs = [pool.submit(directory="/no/such/place"), pool.submit("exit 7"),
                pool.submit("kill -9 $$"), pool.submit("echo x; true", name="named")]
        before = pool.wait(jobs)
        pool.restart()
        assert [pool.job(job) for job in jobs] == before


def a_keeper_killed_with_9_is_a_lost_job_and_nothing_of_it_goes_on():
    with Pool() as pool:
        job = pool.submit("sleep 1000 & echo $! > child; sleep 1001", directory=pool.work)
        pool.wait(job, "running")
        child = int(until(lambda: os.path.exists(pool.path("child")) and read(pool.path("child"))))
        os.kill(pool.keepers()[job], signal.SIGKILL)
        assert pool.wait(job)["state"] == "lost"
        assert not is_alive(child)


def a_container_whose_keeper_was_killed_leaves_no_files():
    with Pool() as pool:
        checks = {one["name"]: one["there"] for one in pool.get("/v1/engines")["engines"][0]["checks"]}
        if not checks["crun"] and not checks["runc"]:
            raise Skip("no container runs here")
        image = pool.path("image")
        subprocess.run([ROOT + "/examples/first-day/make-image", image], check=True,
                       stdout=subprocess.DEVNULL)
        job = pool.submit("sleep 1000", image=image)
        pool.wait(job, "running")
        task = f"{pool.state}/engine/attempts/{job}.1/task-0"
        assert os.listdir(task), "a running container has a bundle"
        os.kill(pool.keepers()[job], signal.SIGKILL)
        assert pool.wait(job)["state"] == "lost"
        assert os.listdir(task) == []


def a_keeper_killed_while_daemon_and_launcher_are_down_is_a_lost_job():
    with Pool() as pool:
        job = pool.submit("sleep 1000 & echo $! > child; sleep 1001", directory=pool.work)
        pool.wait(job, "running")
        child = int(until(lambda: os.path.exists(pool.path("child")) and read(pool.path("child"))))
        keeper = pool.keepers()[job]
        launcher = pool.launcher()
        pool.kill()
        os.kill(launcher, signal.SIGKILL)
        gone(launcher)
        os.kill(keeper, signal.SIGKILL)
        gone(keeper)
        pool.start()
        assert pool.wait(job)["state"] == "lost"
        until(lambda: not is_alive(child))


def a_pool_made_anew_where_another_was_killed_runs_jobs():
    with Pool() as pool:
        first = [pool.submit("sleep 1000", cpu=0.01) for _ in range(3)]
        pool.wait(first, "running")
        pool.kill()
        pool.kill_engine()
        shutil.rmtree(pool.state)
        pool.start()
        second = [pool.submit("true", cpu=0.01) for _ in range(20)]
        assert second[0] <= first[-1]  # some numbers are the same again
        assert {view["state"] for view in pool.wait(second)} == {"done"}


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
