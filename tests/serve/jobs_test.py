"""What becomes of jobs in a live pool: every state and outcome, and what a task finds around it.
Run by meson with the program; by hand also with the names of cases."""

import json
import os
import pwd
import stat
import sys
import time

from pool import NOBODY, Pool, Skip, cases_of, is_alive, lines_of, main, need_root, read, until

HOLD = "while [ ! -e go ]; do sleep 0.02; done"


def _go(pool):
    open(pool.path("go"), "w").close()


def jobs_end_done_or_failed_with_their_own_exit_code():
    with Pool() as pool:
        good, bad, killed = pool.wait([pool.submit("true"), pool.submit("exit 42"),
                                       pool.submit("kill -INT $$")])
        assert good["state"] == "done" and good["exit_code"] == 0 and good["signal"] is None
        assert bad["state"] == "failed" and bad["exit_code"] == 42 and bad["signal"] is None
        assert killed["state"] == "failed" and killed["exit_code"] is None
        assert killed["signal"] == "INT", killed
        for view in (good, bad, killed):
            assert view["submitted_ms"] <= view["placed_ms"] <= view["started_ms"]
            assert view["started_ms"] <= view["ended_ms"] and view["attempt"] == 1


def the_first_task_that_fails_decides_and_ends_the_gang():
    with Pool() as pool:
        view = pool.run('if [ $GRANARY_TASK = 1 ]; then exit 9; else sleep 100; fi', tasks=3,
                        cpu=0.1, stop={"grace": "1s"})
        assert view["state"] == "failed" and view["exit_code"] == 9, view


def a_job_that_cannot_be_started_says_why():
    with Pool() as pool:
        for spec, words in (({"directory": "/no/such/folder"}, "/no/such/folder"),
                            ({"command": ["no-such-program"]}, "no-such-program"),
                            ({"command": ["/etc/passwd"]}, "/etc/passwd"),
                            ({"secrets": {"KEY": "/no/such/file"}}, "/no/such/file"),
                            ({"output": "/no/such/folder/out"}, "/no/such/folder")):
            view = pool.run(**spec)
            assert view["state"] == "not-started", (spec, view)
            assert words in view["reason"]["text"], view
            assert view["exit_code"] is None and view["started_ms"] is None


def jobs_that_wait_or_are_held_or_run_are_stopped():
    with Pool(pretend="1xh20") as pool:
        running = pool.submit("sleep 1000", kind="h20", devices=1)
        waiting = pool.submit(kind="h20", devices=1)
        held = pool.submit(after={str(waiting): "any"})
        pool.wait(running, "running")
        assert [pool.state_of(job) for job in (waiting, held)] == ["waiting", "held"]
        for job in (held, waiting, running):
            reply = pool.stop(job)
            assert reply.status == 202, reply
        for view in pool.wait([running, waiting, held]):
            assert view["state"] == "stopped", view
        assert pool.job(waiting)["started_ms"] is None
        reply = pool.stop(running)
        assert reply.status == 409 and reply.error["code"] == "ended", reply
        assert pool.stop(99999).status == 404


def a_stop_sends_the_signal_and_after_the_grace_kills_all_that_was_started():
    with Pool() as pool:
        job = pool.submit("trap 'echo got-int' INT; trap 'echo got-term' TERM; "
                          "(setsid sleep 1000 & echo $! > child); echo ready > ready;"
                          "while :; do sleep 0.05; done", directory=pool.work)
        until(lambda: os.path.exists(pool.path("ready")) and lines_of(pool.path("child")))
        child = int(read(pool.path("child")))
        began = time.monotonic()
        assert pool.stop(job, signal="INT", grace_ms=700).status == 202
        view = pool.wait(job)
        assert view["state"] == "stopped" and view["signal"] == "KILL", view
        assert time.monotonic() - began >= 0.65
        assert pool.log(job) == "got-int\n"
        until(lambda: not is_alive(child))


def a_job_that_ends_well_at_its_signal_is_stopped_all_the_same():
    with Pool() as pool:
        job = pool.submit("trap 'exit 0' TERM; echo ready > ready; while :; do sleep 0.05; done",
                          directory=pool.work)
        until(lambda: os.path.exists(pool.path("ready")))
        pool.stop(job)
        view = pool.wait(job)
        assert view["state"] == "stopped" and view["exit_code"] == 0, view


def a_time_limit_gives_notice_then_its_signal_then_kills():
    with Pool() as pool:
        job = pool.submit("trap 'echo usr2' USR2; trap 'echo int' INT; while :; do sleep 0.02; done",
                          limit="1s", notice={"signal": "USR2", "before": "500ms"},
                          stop={"signal": "INT", "grace": "500ms"})
        view = pool.wait(job)
        assert view["state"] == "time-limit" and view["signal"] == "KILL", view
        assert 1400 <= view["ended_ms"] - view["started_ms"] < 10000, view
        assert pool.log(job) == "usr2\nint\n"


def a_job_that_takes_more_memory_than_it_asked_for_is_out_of_memory():
    with Pool() as pool:
        if "memory-limit" not in pool.get("/v1/engines")["engines"][0]["can"]:
            raise Skip("no memory limits here")
        view = pool.run(command=["python3", "-c", "x = bytearray(300 << 20); print(len(x))"],
                        memory="64MiB")
        assert view["state"] == "out-of-memory" and view["out_of_memory"], view


def jobs_wait_for_others_to_end_well_or_badly_or_at_all():
    with Pool() as pool:
        good = pool.submit(HOLD, directory=pool.work)
        bad = pool.submit(HOLD + "; exit 1", directory=pool.work)
        wanted = {}
        for how, result in (("ok", ("done", "dropped")), ("failed", ("dropped", "done")),
                            ("any", ("done", "done"))):
            for job, state in zip((good, bad), result):
                wanted[pool.submit(after={str(job): how})] = state
        both = pool.submit(after={str(good): "ok", str(bad): "failed"})
        chain = pool.submit(after=[next(iter(wanted))])
        neither = pool.submit(after={str(good): "ok", str(bad): "ok"})
        assert {pool.state_of(job) for job in [*wanted, both, chain, neither]} == {"held"}
        edges = pool.job(both)["after"]
        assert {(edge["job"], edge["how"]) for edge in edges} == {(good, "ok"), (bad, "failed")}
        _go(pool)
        for job, state in wanted.items():
            assert pool.wait(job)["state"] == state, (job, state)
        assert pool.wait(both)["state"] == "done"
        assert pool.wait(chain)["state"] == "done"
        assert pool.wait(neither)["state"] == "dropped"
        # What has ended already is looked at when the job is submitted.
        assert pool.run(after={str(good): "ok"})["state"] == "done"
        assert pool.run(after={str(bad): "failed"})["state"] == "done"
        reply = pool.try_submit(after={str(bad): "ok"})
        assert reply.status == 409 and reply.error["field"] == "after", reply
        reply = pool.try_submit(after={"987654": "ok"})
        assert reply.status == 422 and reply.error["field"] == "after", reply


def a_chain_behind_a_dropped_job_is_dropped_too():
    with Pool() as pool:
        first = pool.submit(HOLD + "; exit 1", directory=pool.work)
        chain = [first]
        for _ in range(20):
            chain.append(pool.submit(after={str(chain[-1]): "ok"}))
        last = pool.submit(after={str(chain[-1]): "failed"})
        _go(pool)
        assert {view["state"] for view in pool.wait(chain[1:])} == {"dropped"}
        assert pool.wait(last)["state"] == "done"


def a_failed_job_is_tried_again_as_often_as_it_may():
    with Pool() as pool:
        view = pool.run("echo $GRANARY_ATTEMPT >> attempts; echo try $GRANARY_ATTEMPT; "
                        "[ $GRANARY_ATTEMPT = 3 ]", directory=pool.work,
                        requeue={"attempts": 5, "on": ["failed"]})
        assert view["state"] == "done" and view["attempt"] == 3, view
        assert lines_of(pool.path("attempts")) == ["1", "2", "3"]
        assert pool.log(view["id"]) == "try 3\n"
        assert pool.log(view["id"], attempt=1) == "try 1\n"
        view = pool.run("exit 1", requeue={"attempts": 3, "on": ["failed"]})
        assert view["state"] == "failed" and view["attempt"] == 3, view
        view = pool.run("exit 1", requeue={"attempts": 3, "on": ["node"]})
        assert view["state"] == "failed" and view["attempt"] == 1, view


def a_job_that_is_stopped_is_not_tried_again():
    with Pool() as pool:
        job = pool.submit("sleep 1000", requeue={"attempts": 5})
        pool.wait(job, "running")
        pool.stop(job)
        view = pool.wait(job)
        assert view["state"] == "stopped" and view["attempt"] == 1, view


def an_array_runs_each_index_once_and_never_more_than_may_run():
    with Pool() as pool:
        script = ("echo begin >> log; n=$(($(grep -c begin log) - $(grep -c end log))); "
                  "echo \"$GRANARY_ARRAY_ID $GRANARY_ARRAY_INDEX\" >> seen; sleep 0.05; "
                  "echo $n >> most; echo end >> log")
        reply = pool.try_submit(command=script, directory=pool.work, array="1-15:2%2", cpu=0.1)
        assert reply.status == 201, reply
        done = reply.json()
        assert done["count"] == 8 and done["first"] == done["id"], done
        jobs = [view["id"] for view in pool.get(f"/v1/jobs?all=true&limit=1000")["jobs"]
                if view["array"] == done["first"]]
        assert len(jobs) == 8
        after = pool.submit(after={str(done["first"]): "ok"})
        views = pool.wait(jobs)
        assert {view["state"] for view in views} == {"done"}
        assert sorted(view["array_index"] for view in views) == [1, 3, 5, 7, 9, 11, 13, 15]
        assert sorted(lines_of(pool.path("seen"))) == sorted(
            f"{done['first']} {index}" for index in range(1, 16, 2))
        assert max(int(line) for line in lines_of(pool.path("most"))) <= 2
        assert pool.wait(after)["state"] == "done"
        # An array that has ended stands for all its elements.
        assert pool.run(after={str(done["first"]): "ok"})["state"] == "done"


def an_array_with_one_bad_element_is_no_good_array():
    with Pool() as pool:
        done = pool.try_submit(command="[ $GRANARY_ARRAY_INDEX != 2 ]", array="0-3").json()
        good = pool.submit(after={str(done["first"]): "ok"})
        bad = pool.submit(after={str(done["first"]): "failed"})
        assert pool.wait(good)["state"] == "dropped"
        assert pool.wait(bad)["state"] == "done"
        reply = pool.try_submit(after={str(done["first"]): "ok"})
        assert reply.status == 409, reply


def an_array_is_stopped_as_a_whole():
    with Pool() as pool:
        done = pool.try_submit(command="sleep 1000", array="0-9%3", cpu=0.1).json()
        jobs = [view["id"] for view in pool.get("/v1/jobs?limit=1000")["jobs"]]
        assert len(jobs) == 10
        pool.wait(jobs[-3:], "running")
        reply = pool.ask("POST", f"/v1/jobs/{done['first']}/stop?array=true", {"grace_ms": 1000})
        assert reply.status == 202, reply
        assert {view["state"] for view in pool.wait(jobs)} == {"stopped"}


def higher_priority_goes_first():
    with Pool(pretend="1xh20") as pool:
        first = pool.submit(HOLD, kind="h20", devices=1, directory=pool.work)
        pool.wait(first, "running")
        jobs = [pool.submit(f"echo {priority} >> order", kind="h20", devices=1, priority=priority,
                            directory=pool.work) for priority in (0, 200, 5, 100)]
        _go(pool)
        pool.wait(jobs)
        assert lines_of(pool.path("order")) == ["200", "100", "5", "0"]


def a_gang_starts_as_a_whole_or_not_at_all():
    with Pool(pretend="8xh20") as pool:
        first = pool.submit(HOLD, kind="h20", devices=1, directory=pool.work)
        pool.wait(first, "running")
        gang = pool.submit("echo $GRANARY_TASK >> tasks", kind="h20", devices=2, tasks=4,
                           directory=pool.work)
        small = pool.submit("true", kind="h20", devices=1)
        view = pool.job(gang)
        assert view["state"] == "waiting" and view["reason"]["code"] == "no-room", view
        assert not os.path.exists(pool.path("tasks")) and view["places"] == []
        _go(pool)
        pool.wait([gang, small])
        assert sorted(lines_of(pool.path("tasks"))) == ["0", "1", "2", "3"]


def two_gangs_never_hold_the_same_device():
    with Pool(pretend="8xh20") as pool:
        jobs = [pool.submit("for d in $(echo $GRANARY_PRETEND_DEVICES | tr , ' '); do "
                            "mkdir held.$d || echo clash >> clash; done; sleep 0.1; "
                            "for d in $(echo $GRANARY_PRETEND_DEVICES | tr , ' '); do rmdir held.$d; done",
                            kind="h20", devices=3, tasks=2, directory=pool.work)
                for _ in range(6)]
        assert {view["state"] for view in pool.wait(jobs)} == {"done"}
        assert not os.path.exists(pool.path("clash"))


def tasks_share_the_domain_that_their_job_asks_for():
    with Pool(pretend="20xh20") as pool:  # nodes of 16 and of 4; links of 8, 8 and 4 devices
        first = pool.submit(HOLD, kind="h20", devices=5, domain="link", directory=pool.work)
        pool.wait(first, "running")
        pairs = pool.submit(HOLD, kind="h20", devices=4, tasks=3, domain="link:1",
                            directory=pool.work)
        view = pool.wait(pairs, "running")
        taken = [set(place["devices"]) for place in view["places"]]
        links = [set(range(8)), set(range(8, 16)), set(range(4))]
        assert all(any(one <= link for link in links) for one in taken), view["places"]
        whole = pool.submit("true", kind="h20", devices=8, tasks=2, domain="rack")
        assert pool.job(whole)["state"] == "waiting"
        _go(pool)
        assert {row["state"] for row in pool.wait([first, pairs, whole])} == {"done"}
        assert pool.job(whole)["domain"] == "rack", pool.job(whole)
        for spec, field in (({"domain": "rak"}, "domain"), ({"domain": "rack:2"}, "domain"),
                            ({"domain": "link", "kind": "h20", "devices": 8, "tasks": 2}, None)):
            reply = pool.try_submit(**spec)
            assert reply.status == (422 if field is None else 400), (spec, reply)
            assert reply.error["hint"], reply
            assert field is None or reply.error["field"] == field, reply


def parts_of_a_device_are_shared_up_to_the_whole():
    with Pool(pretend="1xh20") as pool:
        jobs = [pool.submit(HOLD, kind="h20", devices=0.25, directory=pool.work) for _ in range(4)]
        views = pool.wait(jobs, "running")
        assert [view["milli"] for view in views] == [250] * 4
        assert pool.get("/v1/devices")["devices"][0]["free_milli"] == 0
        fifth = pool.submit(kind="h20", milli=1, devices=1)
        assert pool.state_of(fifth) == "waiting"
        _go(pool)
        assert {view["state"] for view in pool.wait([*jobs, fifth])} == {"done"}
        assert pool.get("/v1/devices")["devices"][0]["free_milli"] == 1000


def devices_that_exist_only_by_name_are_marked_wherever_they_are_shown():
    with Pool(pretend="2xh20") as pool:
        job = pool.submit(HOLD + "; env", kind="h20", devices=2, directory=pool.work)
        view = pool.wait(job, "running")
        assert [place["pretend"] for place in view["places"]] == [True]
        assert view["places"][0]["devices"] == [0, 1]
        node = pool.get("/v1/nodes/" + view["nodes"][0].replace("/", "%2F"))
        assert node["pretend"] and node["site"] == "pretend" and node["running"] == [job], node
        assert all(device["pretend"] for device in pool.get("/v1/devices")["devices"]
                   if device["node"] == node["name"])
        _go(pool)
        pool.wait(job)
        assert "GRANARY_PRETEND_DEVICES" in pool.log(job)


def a_job_without_devices_goes_to_this_machine_and_not_to_pretended_nodes():
    with Pool() as pool:
        job = pool.submit("sleep 100")
        view = pool.wait(job, "running")
        assert [place["pretend"] for place in view["places"]] == [False]
        assert pool.get("/v1/nodes/" + view["nodes"][0])["site"] == "local"
        pool.stop(job)


def a_kind_that_is_not_here_or_never_fits_is_refused_when_submitted():
    with Pool(pretend="2xh20") as pool:
        for spec, code, field in (({"kind": "h200", "devices": 1}, "nowhere", "kind"),
                                  ({"kind": "h20", "devices": 3}, "never", None),
                                  ({"kind": "h20", "devices": 1, "tasks": 3}, "never", None),
                                  ({"kind": "nonsense", "devices": 1}, "bad-spec", "kind"),
                                  ({"cpu": 99999}, "never", None),
                                  ({"memory": "900TiB"}, "never", None)):
            reply = pool.try_submit(**spec)
            assert reply.status == 422 and reply.error["code"] == code, (spec, reply)
            assert reply.error["hint"], reply
            assert field is None or reply.error["field"] == field, reply


def a_task_finds_what_the_pool_says_in_its_environment():
    with Pool() as pool:
        view = pool.run("env", kind="h20", devices=2, tasks=2, name="env",
                        env={"MINE": "a b\"c\\d\ne", "GRANARY_JOB_ID": "77", "EMPTY": ""})
        for task in range(2):
            env = dict(line.split("=", 1) for line in pool.log(view["id"], task=task).splitlines()
                       if "=" in line)
            assert env["GRANARY_JOB_ID"] == str(view["id"]), env
            assert env["GRANARY_TASK"] == str(task) and env["GRANARY_TASKS"] == "2"
            assert env["GRANARY_ATTEMPT"] == "1" and env["GRANARY_MASTER_ADDR"] == "127.0.0.1"
            assert env["GRANARY_NODE"] and env["GRANARY_NODE"] in env["GRANARY_NODES"]
            assert len(env["GRANARY_PRETEND_DEVICES"].split(",")) == 2 and not env["GRANARY_DEVICES"]
            assert env["MINE"] == 'a b"c\\d' and env["EMPTY"] == ""
            assert "GRANARY_TOKEN" not in env
            assert env["USER"] == pwd.getpwuid(os.geteuid()).pw_name


def nothing_of_the_daemons_own_environment_reaches_a_job():
    with Pool(env={**os.environ, "VERY_PRIVATE": "of-the-daemon"}) as pool:
        view = pool.run("env")
        assert "VERY_PRIVATE" not in pool.log(view["id"])


def a_task_has_no_descriptors_and_no_signals_of_the_daemon():
    with Pool() as pool:
        view = pool.run("ls -l /proc/$$/fd; grep ^Sig /proc/self/status; tty; cat")
        log = pool.log(view["id"])
        assert view["state"] == "done", view
        for word in ("journal", "launcher", "socket", "hints", "live"):
            assert word not in log, log
        masks = dict(line.split(":\t") for line in log.splitlines() if line.startswith("Sig"))
        # `make` leaves the C library's own two signals (32, 33) ignored, which no program of it can
        # change.
        ignored = int(masks["SigIgn"], 16) & ~(3 << 31)
        assert int(masks["SigBlk"], 16) == 0 and ignored == 0, masks


def umask_and_working_directory_are_as_asked():
    with Pool() as pool:
        view = pool.run("umask; pwd; touch made", umask="077", directory=pool.work)
        assert pool.log(view["id"]).splitlines() == ["0077", pool.work]
        assert stat.S_IMODE(os.stat(pool.path("made")).st_mode) == 0o600
        view = pool.run("pwd; ls -A; touch made")
        lines = pool.log(view["id"]).splitlines()
        assert len(lines) == 1 and lines[0].startswith(pool.state), lines


def output_goes_where_the_job_says():
    with Pool() as pool:
        view = pool.run("echo out; echo err >&2", directory=pool.work, output="%j.%t.%n.out",
                        error="sub-%%.err")
        assert view["state"] == "done", view
        assert read(pool.path(f"{view['id']}.0.1.out")) == "out\n"
        assert read(pool.path("sub-%.err")) == "err\n"
        assert pool.log(view["id"]) == "out\n" and pool.log(view["id"], stream="err") == "err\n"
        view = pool.run("echo out; echo err >&2")
        assert pool.log(view["id"]) == "out\n" and pool.log(view["id"], stream="err") == "err\n"


def a_job_of_another_user_runs_as_that_user_with_its_groups():
    need_root()
    user = next((user for user in pwd.getpwall() if user.pw_uid not in (0, NOBODY)), None)
    if user is None:
        raise Skip("no other user here")
    with Pool() as pool:
        reply = pool.ask_as(user.pw_uid, "POST", "/v1/jobs",
                            {"script": "id -u; id -g; id -G; umask; pwd; touch mine; echo $HOME $USER"})
        assert reply.status == 201, reply
        view = pool.wait(reply.json()["id"])
        assert view["state"] == "done" and view["user"] == user.pw_name, view
        lines = pool.log(view["id"]).splitlines()
        groups = os.getgrouplist(user.pw_name, user.pw_gid)
        assert lines[0] == str(user.pw_uid), lines
        assert 0 not in map(int, lines[2].split()) or 0 in groups, lines
        assert lines[5] == f"{user.pw_dir} {user.pw_name}", lines


def the_submitters_word_about_who_it_is_counts_nothing():
    with Pool() as pool:
        for field in ("uid", "user", "gid", "groups"):
            reply = pool.try_submit(**{field: 0})
            assert reply.status == 400 and reply.error["field"] == field, reply


def secrets_reach_the_task_and_are_stored_nowhere():
    with Pool() as pool:
        secret = "s3cret-value-that-is-nowhere"
        with open(pool.path("key"), "w") as file:
            file.write(secret + "\n")
        view = pool.run('[ "$KEY" = s3cret-value-that-is-"nowhere" ] && echo yes; ' + "true",
                        secrets={"KEY": pool.path("key")}, env={"PLAIN": "plain-environment-value"})
        assert pool.log(view["id"]) == "yes\n", pool.log(view["id"])
        pool.journal("snapshot")
        for folder, _, names in os.walk(pool.state):
            for name in names:
                path = folder + "/" + name
                if stat.S_ISREG(os.stat(path).st_mode):
                    with open(path, "rb") as file:
                        assert secret.encode() not in file.read(), path
        # The environment is in no fact: facts are what the chain is over.
        code, out, _ = pool("journal", "show", "--state", pool.state, "-o", "json")
        assert code == 0 and "plain-environment-value" not in out
        assert "plain-environment-value" not in json.dumps(pool.job(view["id"]))


def the_environment_and_the_command_are_not_in_the_hashed_payload():
    import sqlite3
    with Pool() as pool:
        pool.run("echo not-in-the-chain-1", env={"NAME": "not-in-the-chain-2"},
                 name="not-in-the-chain-3", directory=pool.work)
        pool.end()
        db = sqlite3.connect(f"file:{pool.state}/journal/journal.db?mode=ro", uri=True)
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        found = set()
        for table in tables:
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            for row in db.execute(f"SELECT * FROM {table}"):
                for column, value in zip(columns, row):
                    value = value.encode() if isinstance(value, str) else value
                    if isinstance(value, bytes) and b"not-in-the-chain" in value:
                        found.add(column)
        assert found and all("aside" in column or table != "groups" for column in found), found
        assert "payload" not in found


def cpu_time_and_peak_memory_are_recorded():
    with Pool() as pool:
        view = pool.run(command=["python3", "-c",
                                 "x = bytearray(60 << 20)\nfor i in range(3000000): pass"])
        assert view["state"] == "done", view
        assert view["cpu_ms"] >= 20 and view["peak_kib"] >= 50 << 10, view


def a_job_cannot_keep_its_devices_by_a_long_grace():
    with Pool("--max-grace", "1") as pool:
        job = pool.submit("trap '' TERM; sleep 1000", limit="500ms",
                          stop={"signal": "CONT", "grace": "86400h"})
        view = pool.wait(job)
        assert view["state"] == "time-limit" and view["signal"] == "KILL", view
        assert view["ended_ms"] - view["started_ms"] < 20000, view


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
