"""The API of a live pool, as clients meet it: every route, refusals, keys, dry runs, many lines,
pages, streams, limits, and who may do what. Run by meson with the program; by hand also with the
names of cases."""

import http.client
import json
import os
import socket
import sqlite3
import sys
import threading

from pool import LIVE, NOBODY, Pool, cases_of, main, need_root, until

ND = {"Content-Type": "application/x-ndjson"}


def _refused(reply, status, code=None, field=None):
    assert reply.status == status, reply
    error = reply.error
    assert error["message"] and error["code"], reply
    assert code is None or error["code"] == code, reply
    assert field is None or error.get("field") == field, reply
    return error


def every_route_answers():
    with Pool() as pool:
        job = pool.run("echo x")["id"]
        node = pool.get("/v1/nodes")["nodes"][0]["name"].replace("/", "%2F")
        code, out, _ = pool("serve", "--routes")
        routes = [line.split() for line in out.splitlines()]
        assert len(routes) > 15, routes
        for method, route in routes:
            if route in ("/v1/shutdown", "/v1/events"):
                continue
            path = route.replace("{id}", str(job)).replace("{name}", node)
            path = path.replace("{token}", "nothing").replace("{window}", "nothing")
            reply = pool.ask(method, path, {} if method == "POST" else None)
            expected = {"/v1/jobs": (400,), "/v1/jobs/{id}/stop": (409,),
                        "/v1/jobs/{id}/checkpoint": (409,), "/v1/tokens": (400,),
                        "/v1/tokens/{token}/remove": (404,), "/v1/windows": (422,),
                        "/v1/windows/{window}/end": (404,), "/v1/defrag": (200, 409)}.get(
                            route, (200,))
            expected = expected if method == "POST" else (404,) if "nothing" in path else (200,)
            assert reply.status in expected, (method, path, reply)
            assert pool.ask("DELETE", path).status == 405, path
            other = pool.ask("GET" if method == "POST" else "POST", path, "")
            assert other.status in (200, 400, 404, 405, 422), (path, other)
        _refused(pool.ask("GET", "/v1/nothing"), 404)
        described = pool.get("/v1/openapi.json")["paths"]
        assert sorted(described) == sorted({route for _, route in routes})


def engines_are_told_when_they_have_been_tried_out():
    with Pool() as pool:
        # Asked at once, while they are still being tried out; one who asks goes away again.
        gone = pool.connection()
        gone.request("GET", "/v1/engines")
        gone.close()
        engines = [pool.get("/v1/engines")["engines"] for _ in range(3)]
        assert engines[0][0]["up"] and engines[0][0]["checks"] == engines[2][0]["checks"] != []


def a_wrong_request_says_what_is_wrong_and_where():
    with Pool() as pool:
        for body, field in (({"commandd": ["x"]}, "commandd"), ({"command": []}, "command"),
                            ({"command": ["x"], "tasks": 0}, "tasks"),
                            ({"command": ["x"], "devices": 17, "kind": "h20"}, "devices"),
                            ({"command": ["x"], "limit": "90"}, "limit"),
                            ({"command": ["x"], "directory": "relative"}, "directory"),
                            ({"command": ["x"], "array": "5-1"}, None),
                            ({"name": "no command"}, None)):
            error = _refused(pool.ask("POST", "/v1/jobs", body), 400, "bad-spec", field)
            assert error["hint"], error
        for body in ("", "{", "[]", "null", "1", '{"command": ["x"], "command": ["y"]}',
                     b'{"command": ["\xff"]}', '{"command": ["x\\u0000"]}', "[" * 100000,
                     '{"command": ["x"]} {}', '{"command": ["x"], "cpu": 1e999}'):
            _refused(pool.ask("POST", "/v1/jobs", body), 400)
        for path in ("/v1/jobs/x", "/v1/jobs/0", "/v1/jobs/-1", "/v1/jobs/99999999999999999999",
                     "/v1/jobs/123456", "/v1/nodes/nothing", "/v1/jobs/123456/logs"):
            _refused(pool.ask("GET", path), 404, "not-found")
        job = pool.run()["id"]
        for path in ("/v1/jobs?limit=0", "/v1/jobs?limit=1001", "/v1/jobs?limit=x",
                     "/v1/jobs?after=0", "/v1/jobs?state=asleep", "/v1/jobs?colour=red",
                     f"/v1/jobs/{job}/logs?stream=in", f"/v1/jobs/{job}/logs?from=-1",
                     "/v1/events?from=0", "/v1/pool?x=1", "/v1/jobs?all=maybe"):
            _refused(pool.ask("GET", path), 400, "bad-request")
        running = pool.submit("sleep 100")
        _refused(pool.stop(running, signal="NONSENSE"), 400, field="signal")
        _refused(pool.stop(running, grace_ms=-1), 400, field="grace_ms")
        _refused(pool.stop(running, why="x"), 400)
        _refused(pool.ask("POST", "/v1/shutdown", {"jobs": "maybe"}), 400, field="jobs")
        assert pool.state_of(running) in ("starting", "running")


def the_same_key_gives_the_same_answer_and_another_body_a_conflict():
    with Pool() as pool:
        spec = {"command": ["true"], "name": "once"}
        first = pool.try_submit(key="k1", **spec)
        assert first.status == 201 and "Granary-Replayed" not in first.headers
        again = pool.try_submit(key="k1", **spec)
        assert again.headers["Granary-Replayed"] == "true", again
        for name in ("id", "first", "last", "count"):
            assert first.json()[name] == again.json()[name]
        _refused(pool.try_submit(key="k1", command=["false"]), 409, "conflict")
        array = pool.try_submit(key="k2", command=["true"], array="0-4")
        pool.restart()
        again = pool.try_submit(key="k2", command=["true"], array="0-4")
        for name in ("id", "first", "last", "count"):
            assert array.json()[name] == again.json()[name], again
        again = pool.try_submit(key="k1", **spec)
        assert again.json()["id"] == first.json()["id"]
        assert again.headers["Granary-Replayed"] == "true"
        _refused(pool.try_submit(key="k1", command=["false"]), 409, "conflict")
        for key in ("", "x" * 129, "with space", "tab\there"):
            _refused(pool.try_submit(key=key), 400)
        assert pool.try_submit(key="x" * 128).status == 201
        assert len(pool.get("/v1/jobs?all=true")["jobs"]) == 7


def a_refused_submission_uses_no_key():
    with Pool() as pool:
        _refused(pool.try_submit(key="k", kind="h20", devices=16, tasks=9), 422)
        assert pool.try_submit(key="k").status == 201


def a_stop_with_a_key_is_answered_alike_when_it_is_sent_again():
    with Pool() as pool:
        job = pool.submit("sleep 1000")
        pool.wait(job, "running")
        key = {"Idempotency-Key": "stop-1"}
        first = pool.ask("POST", f"/v1/jobs/{job}/stop", {"grace_ms": 500}, key)
        assert first.status == 202, first
        pool.wait(job)
        again = pool.ask("POST", f"/v1/jobs/{job}/stop", {"grace_ms": 500}, key)
        assert again.status == 202 and again.headers["Granary-Replayed"] == "true", again
        _refused(pool.ask("POST", f"/v1/jobs/{job}/stop", {"grace_ms": 5}, key), 409, "conflict")


def a_dry_run_of_anything_changes_nothing():
    with Pool() as pool:
        known = pool.run(kind="h20", devices=1)["id"]
        running = pool.submit("sleep 1000")
        pool.wait(running, "running")
        before = pool.sequence()
        node = pool.get("/v1/nodes?site=pretend")["nodes"][0]["name"].replace("/", "%2F")
        reply = pool.try_submit(dry=True, kind="h20", devices=2, tasks=2)
        assert reply.status == 200 and reply.json()["would"] == "start now", reply
        assert len(reply.json()["places"]) == 2
        assert pool.try_submit(dry=True, after={str(running): "ok"}).json()["would"] == "wait"
        reply = pool.try_submit(dry=True, kind="h200", devices=5)
        assert reply.json()["would"] == "refuse" and reply.json()["reason"]["code"] == "never", reply
        _refused(pool.try_submit(dry=True, tasks=0), 400)
        assert pool.ask("POST", f"/v1/jobs/{running}/stop?dry_run=true", {}).status == 200
        for verb in ("cordon", "drain"):
            assert pool.ask("POST", f"/v1/nodes/{node}/{verb}?dry_run=true", {}).status == 200
        declared = {"organisations": [{"name": "lab"}], "nodes": []}
        reply = pool.ask("POST", "/v1/apply?dry_run=true", declared)
        assert reply.status == 200 and reply.json()["changed"], reply
        reply = pool.ask("POST", "/v1/jobs?dry_run=true", '{"command": ["true"]}\n' * 3, ND)
        assert reply.status == 200 and len(reply.lines()) == 3, reply
        assert pool.sequence() == before
        assert pool.state_of(running) == "running"
        assert [view["id"] for view in pool.get("/v1/jobs?all=true")["jobs"]] == [running, known]


def bad_lines_between_good_ones_stop_nothing():
    with Pool() as pool:
        good = json.dumps({"command": ["true"], "cpu": 0.01})
        lines = [good, "{", good, '{"tasks": 0}', "", good, '{"command": ["x"], "kind": "none"}',
                 '{"command": ["true"], "array": "0-2"}', good]
        reply = pool.ask("POST", "/v1/jobs", "\n".join(lines), ND)  # the last without its end
        assert reply.status == 200, reply
        answers = {line["line"]: line for line in reply.lines()}
        assert sorted(answers) == [1, 2, 3, 4, 6, 7, 8, 9], answers
        for number in (1, 3, 6, 9):
            assert "id" in answers[number], answers
        for number in (2, 4, 7):
            assert answers[number]["error"]["code"] and answers[number]["error"]["message"]
        assert answers[8]["count"] == 3
        jobs = [answers[number]["id"] for number in (1, 3, 6, 9)]
        assert jobs == sorted(jobs)
        assert {view["state"] for view in pool.wait(jobs)} == {"done"}


def twenty_thousand_lines_are_taken_in_order():
    with Pool("--max-jobs", "100000", pretend="1xh20") as pool:
        gate = pool.submit("sleep 1000", kind="h20", devices=1)
        lines = [{"command": ["true"], "name": f"n{number}", "kind": "h20", "devices": 1}
                 for number in range(20000)]
        reply = pool.ndjson(lines)
        answers = reply.lines()
        assert [answer["line"] for answer in answers] == list(range(1, 20001))
        jobs = [answer["id"] for answer in answers]
        assert len(set(jobs)) == 20000 and jobs == sorted(jobs)
        assert pool.get("/v1/pool")["jobs"] == {"held": 0, "waiting": 20000, "running": 1}
        # All pages together are all jobs, each once.
        seen = []
        after = ""
        while True:
            page = pool.get(f"/v1/jobs?limit=1000{after}")
            seen += [view["id"] for view in page["jobs"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert seen == sorted([gate, *jobs], reverse=True)
        assert pool.job(jobs[12345])["name"] == "n12345"
        pool.restart()
        assert pool.get("/v1/pool")["jobs"] == {"held": 0, "waiting": 20000, "running": 1}
        assert pool.job(jobs[12345])["name"] == "n12345"
        # A name is looked for in as many jobs as may be looked through without holding others up.
        reply = pool.ask("GET", "/v1/jobs?name=n777")
        if reply.status == 200:
            assert [view["id"] for view in reply.json()["jobs"]] == [jobs[777]]
        else:
            _refused(reply, 422, "too-many", "name")


def many_lines_with_a_key_are_done_once():
    with Pool() as pool:
        lines = [{"command": ["true"], "cpu": 0.01, "name": str(number)} for number in range(100)]
        key = {"Idempotency-Key": "bulk"}
        first = [line["id"] for line in pool.ndjson(lines[:50], **key).lines()]
        again = pool.ndjson(lines, **key).lines()
        assert [line["id"] for line in again[:50]] == first
        assert all(line["replayed"] for line in again[:50])
        assert not any("replayed" in line for line in again[50:])
        lines[3]["name"] = "other"
        answer = pool.ndjson(lines[:5], **key).lines()
        assert answer[3]["error"]["code"] == "conflict" and answer[4]["id"] == first[4]


def lists_are_filtered_and_paged():
    with Pool() as pool:
        done = [pool.run(name="a")["id"] for _ in range(3)]
        failed = pool.run("exit 1", name="b")["id"]
        running = pool.submit("sleep 100", name="a")
        pool.wait(running, "running")
        held = pool.submit(after={str(running): "any"}, name="c")

        def ids(query):
            return [view["id"] for view in pool.get("/v1/jobs?" + query)["jobs"]]

        assert ids("") == [held, running]
        assert ids("all=true") == [held, running, failed, *reversed(done)]
        assert ids("state=done") == list(reversed(done))
        assert ids("state=failed,held") == [held, failed]
        assert ids("name=a&all=true") == [running, *reversed(done)]
        me = pool.get("/v1/whoami")["name"]
        assert ids(f"user={me}&state=held") == [held]
        assert ids("user=nobody-at-all&all=true") == []
        assert ids("organisation=owner&state=running") == [running]
        page = pool.get("/v1/jobs?all=true&limit=4")
        assert len(page["jobs"]) == 4 and page["next"]
        rest = pool.get(f"/v1/jobs?all=true&limit=4&after={page['next']}")
        assert [view["id"] for view in page["jobs"] + rest["jobs"]] == ids("all=true")
        assert rest["next"] is None


def events_are_told_from_any_sequence_also_after_a_restart():
    with Pool() as pool:
        for _ in range(5):
            pool.run()
        last = pool.sequence()
        with pool.events(1) as events:
            told = [next(events) for _ in range(last)]
        assert [event["sequence"] for event in told] == list(range(1, last + 1))
        types = {event["type"] for event in told}
        assert {"job-submitted", "job-placed", "job-started", "job-finished"} <= types, types
        pool.restart()
        with pool.events(1) as events:
            assert [next(events) for _ in range(last)] == told
        middle = last // 2
        with pool.events(middle) as events:
            assert next(events) == told[middle - 1]
            assert [next(events) for _ in range(last - middle)] == told[middle:]
            # And it goes on with what is new.
            job = pool.submit()
            for event in events:
                if event.get("job") == job:
                    assert event["type"] == "job-submitted"
                    break
        pool.wait(job)
        with pool.events() as events:
            job = pool.submit()
            assert next(events)["job"] == job


def events_older_than_what_is_kept_in_memory_are_read_from_the_journal():
    with Pool(pretend="1xh20") as pool:
        count = 30000
        sent = threading.Event()

        def submit():
            for _ in range(3):
                pool.ndjson([{"command": ["true"], "kind": "h20", "devices": 1,
                              "priority": number % 256} for number in range(count // 3)])
            sent.set()

        pool.submit("sleep 1000", kind="h20", devices=1)
        thread = threading.Thread(target=submit)
        expected = 1
        submitted = 0
        thread.start()
        with pool.events(1) as events:  # begins in the past and catches up while more comes
            while submitted < count + 1:
                event = next(events)
                assert event["sequence"] == expected, (event, expected)
                expected += 1
                submitted += event["type"] == "job-submitted"
        thread.join()


def a_stream_of_events_survives_a_restart_by_its_last_id():
    with Pool() as pool:
        with pool.events(1) as events:
            last = next(events)["sequence"]
            pool.kill()
            for event in events:
                last = event["sequence"]
        pool.start()
        job = pool.submit()
        with pool.events(last + 1) as events:
            first = next(events)
            assert first["sequence"] == last + 1 and first["type"] == "epoch-begun", first
            while next(events).get("job") != job:
                pass


def logs_are_told_from_a_place_on_and_followed_to_the_end():
    with Pool() as pool:
        job = pool.submit("echo 0123456789; echo e1 >&2; while [ ! -e go ]; do sleep 0.02; done; "
                          "echo last", directory=pool.work)
        pool.wait(job, "running")
        until(lambda: pool.log(job) == "0123456789\n")
        reply = pool.ask("GET", f"/v1/jobs/{job}/logs?from=4")
        assert reply.body == b"456789\n" and reply.headers["Granary-Log-Offset"] == "4"
        assert reply.headers["Content-Type"].startswith("text/plain")
        assert pool.log(job, **{"from": 1000}) == ""
        assert pool.log(job, stream="err") == "e1\n"
        connection = pool.connection()
        connection.request("GET", f"/v1/jobs/{job}/logs?follow=true")
        followed = connection.getresponse()
        assert followed.read(11) == b"0123456789\n"
        open(pool.path("go"), "w").close()
        assert followed.read() == b"last\n"
        connection.close()
        assert pool.wait(job)["state"] == "done"
        assert pool.log(job, follow="true") == "0123456789\nlast\n"
        assert pool.log(job, attempt=2) == "" and pool.log(job, task=1) == ""


def who_follows_a_job_that_waits_sees_all_of_it():
    with Pool(pretend="1xh20") as pool:
        first = pool.submit("while [ ! -e go ]; do sleep 0.02; done", kind="h20", devices=1,
                            directory=pool.work)
        pool.wait(first, "running")
        job = pool.submit("echo here", kind="h20", devices=1)
        connection = pool.connection()
        connection.request("GET", f"/v1/jobs/{job}/logs?follow=true")
        open(pool.path("go"), "w").close()
        assert connection.getresponse().read() == b"here\n"
        connection.close()


def who_leaves_while_following_a_quiet_log_is_noticed():
    with Pool() as pool:
        def connections():
            text = pool.ask("GET", "/metrics").body.decode()
            line = [line for line in text.splitlines() if line.startswith("granary_http_conn")][0]
            return int(line.split()[1])

        running = pool.submit("sleep 1000")
        pool.wait(running, "running")
        waiting = pool.submit("true", after={str(running): "ok"})
        until(lambda: connections() == 1)
        for job in (running, waiting):
            connection = pool.connection()
            connection.request("GET", f"/v1/jobs/{job}/logs?follow=true")
            reply = connection.getresponse()
            assert reply.status == 200 and connections() == 2
            reply.close()
            connection.close()
            until(lambda: connections() == 1, timeout=20)


def as_many_jobs_of_an_organisation_as_may_be_and_not_one_more():
    with Pool("--max-organisation-jobs", "5", pretend="1xh20") as pool:
        jobs = [pool.submit("sleep 1000", kind="h20", devices=1) for _ in range(4)]
        jobs.append(pool.submit("sleep 1000", kind="h20", devices=1))
        error = _refused(pool.try_submit(), 429)
        assert error["hint"], error
        _refused(pool.try_submit(array="0-1"), 429)
        lines = pool.ndjson([{"command": ["true"]}] * 2).lines()
        assert [line["error"]["code"] for line in lines] == [error["code"]] * 2
        pool.stop(jobs[-1])
        pool.wait(jobs[-1])
        _refused(pool.try_submit(array="0-1"), 429)
        assert pool.try_submit(array="0-0", kind="h20", devices=1).status == 201  # it waits
        _refused(pool.try_submit(), 429)


def as_many_jobs_as_may_be_and_not_one_more():
    with Pool("--max-jobs", "5", pretend="1xh20") as pool:
        gate = pool.submit("sleep 1000", kind="h20", devices=1)
        reply = pool.try_submit(array="0-4", kind="h20", devices=1)
        error = _refused(reply, 429)
        assert error["code"] and error["hint"], error
        assert pool.try_submit(array="0-3", kind="h20", devices=1).status == 201
        _refused(pool.try_submit(), 429)
        pool.stop(gate)
        pool.wait(gate)
        assert pool.try_submit(kind="h20", devices=1).status == 201


def a_spec_may_be_as_large_as_said_and_no_larger():
    most = 1 << 20
    with Pool() as pool:
        def sized(size):
            head, tail = '{"command":["true"],"name":"x"', "}"
            return head + " " * (size - len(head) - len(tail)) + tail

        for size, status in ((most - 1, 201), (most, 201), (most + 1, 413)):
            reply = pool.ask("POST", "/v1/jobs", sized(size))
            assert reply.status == status, (size, reply)
            reply = pool.ask("POST", "/v1/jobs", sized(size) + "\n" + '{"command":["true"]}\n', ND)
            if status == 201:
                assert [("id" in line) for line in reply.lines()] == [True, True], (size, reply)
            else:
                assert reply.status in (200, 413), (size, reply)
        # As large as it gets, and it runs.
        args = ["true", *("y" * 100000 for _ in range(10))]
        reply = pool.ask("POST", "/v1/jobs", {"command": args})
        assert reply.status == 201, reply
        assert pool.wait(reply.json()["id"])["state"] == "done"


def an_ordinary_user_may_not_do_what_operators_do():
    need_root()
    with Pool() as pool:
        node = pool.get("/v1/nodes")["nodes"][0]["name"]
        who = pool.ask_as(NOBODY, "GET", "/v1/whoami").json()
        assert who["uid"] == NOBODY and who["operator"] is False, who
        for verb in ("cordon", "drain", "uncordon"):
            _refused(pool.ask_as(NOBODY, "POST", f"/v1/nodes/{node}/{verb}", {}), 403, "forbidden")
        _refused(pool.ask_as(NOBODY, "POST", "/v1/apply", {}), 403, "forbidden")
        _refused(pool.ask_as(NOBODY, "POST", "/v1/apply?dry_run=true", {}), 403, "forbidden")
        _refused(pool.ask_as(NOBODY, "POST", "/v1/shutdown", {}), 403, "forbidden")
        mine = pool.submit("echo private; sleep 1000", env={"X": "y"}, secrets={"K": "/etc/hostname"})
        pool.wait(mine, "running")
        _refused(pool.ask_as(NOBODY, "POST", f"/v1/jobs/{mine}/stop", {}), 403, "forbidden")
        _refused(pool.ask_as(NOBODY, "POST", f"/v1/jobs/{mine}/stop?array=true", {}), 403)
        _refused(pool.ask_as(NOBODY, "GET", f"/v1/jobs/{mine}/logs"), 403, "forbidden")
        view = pool.ask_as(NOBODY, "GET", f"/v1/jobs/{mine}").json()
        assert "secrets" not in view.get("spec", {}) and "env" not in view.get("spec", {}), view
        reply = pool.ask_as(NOBODY, "POST", "/v1/jobs", {"command": "id -u; sleep 1000"})
        theirs = reply.json()["id"]
        pool.wait(theirs, "running")
        until(lambda: pool.log(theirs) == f"{NOBODY}\n")
        reply = pool.ask_as(NOBODY, "POST", f"/v1/jobs/{theirs}/stop", {"grace_ms": 500})
        assert reply.status == 202, reply
        assert pool.wait(theirs)["state"] == "stopped"
        assert pool.ask_as(NOBODY, "GET", f"/v1/jobs/{theirs}/logs").body == f"{NOBODY}\n".encode()
        assert pool.state_of(mine) == "running"


def a_stop_of_an_array_stops_only_ones_own_jobs():
    need_root()
    with Pool() as pool:
        # Another's array, and one's own job that bears its number: neither reaches the other.
        array = pool.try_submit(command="sleep 1000", array="0-2", cpu=0.1).json()["first"]
        for job in (array, array + 1):
            reply = pool.ask_as(NOBODY, "POST", f"/v1/jobs/{job}/stop?array=true", {})
            assert reply.status in (403, 404), reply
        assert len(pool.get("/v1/jobs?state=running,starting,waiting")["jobs"]) == 3


def another_organisation_sees_nothing_of_ones_jobs():
    need_root()
    with Pool() as pool:
        declared = {"organisations": [{"name": "lab"}],
                    "users": [{"name": str(NOBODY), "organisation": "lab"}]}
        reply = pool.ask("POST", "/v1/apply", declared)
        assert reply.status == 200, reply
        mine = pool.submit("sleep 100", name="mine")
        for path in (f"/v1/jobs/{mine}", f"/v1/jobs/{mine}/logs"):
            reply = pool.ask_as(NOBODY, "GET", path)
            assert reply.status in (403, 404) and b"mine" not in reply.body, reply
        _refused(pool.ask_as(NOBODY, "GET", f"/v1/jobs/{mine}"), 404)
        _refused(pool.ask_as(NOBODY, "POST", f"/v1/jobs/{mine}/stop", {}), 404)
        assert pool.ask_as(NOBODY, "GET", "/v1/jobs?all=true").json()["jobs"] == []
        assert pool.ask_as(NOBODY, "GET", "/v1/jobs?organisation=owner").json()["jobs"] == []
        theirs = pool.ask_as(NOBODY, "POST", "/v1/jobs", {"command": ["true"]}).json()["id"]
        assert pool.wait(theirs)["organisation"] == "lab"
        assert [view["id"] for view in
                pool.ask_as(NOBODY, "GET", "/v1/jobs?all=true").json()["jobs"]] == [theirs]
        # Nor may one wait for what one may not see.
        reply = pool.ask_as(NOBODY, "POST", "/v1/jobs", {"command": ["true"],
                                                          "after": {str(mine): "any"}})
        _refused(reply, 422, field="after")
        pool.restart()
        assert pool.ask_as(NOBODY, "GET", "/v1/whoami").json()["organisation"] == "lab"


def tcp_wants_the_token_and_a_host_that_is_its_own():
    with Pool() as pool:
        assert pool.tcp("GET", "/v1/whoami").json()["operator"] is True
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"},
                        {"Authorization": "Bearer "}):
            _refused(pool.tcp("GET", "/v1/jobs", headers=headers, token=False), 401)
            _refused(pool.tcp("POST", "/v1/jobs", '{"command":["true"]}', headers, token=False), 401)
        assert pool.tcp("GET", "/v1/health", token=False).status == 200
        for host in ("evil.example", "evil.example:%d" % pool.port, "127.0.0.1.evil.example"):
            assert pool.tcp("GET", "/v1/jobs", host=host).status in (400, 403, 421), host
        reply = pool.tcp("POST", "/v1/jobs", '{"command":["true"]}',
                         {"Origin": "http://evil.example"})
        assert reply.status == 403, reply
        reply = pool.tcp("POST", "/v1/jobs", '{"command":["true"]}')
        assert reply.status == 201, reply
        assert pool.get("/v1/jobs?all=true")["jobs"][0]["id"] == reply.json()["id"]
        assert len(pool.get("/v1/jobs?all=true")["jobs"]) == 1
        mode = os.stat(pool.state + "/operator.token").st_mode & 0o777
        assert mode == 0o600, oct(mode)
        with open(pool.state + "/operator.token") as file:
            token = file.read().strip()
        with open(pool.state + "/tokens", "rb") as file:
            assert token.encode() not in file.read()
        pool.restart()
        assert pool.tcp("GET", "/v1/whoami", headers={"Authorization": f"Bearer {token}"},
                        token=False).status == 200


def applying_the_same_twice_changes_nothing():
    with Pool() as pool:
        me = pool.get("/v1/whoami")["name"]
        node = pool.get("/v1/nodes?site=pretend")["nodes"][0]["name"]
        declared = {"organisations": [{"name": "lab", "role": "customer", "seat": "CN"},
                                      {"name": "lab.chips", "parent": "lab"}],
                    "users": [{"name": me, "organisation": "lab"}],
                    "nodes": [{"name": node, "state": "drained", "why": "repair"}]}
        planned = pool.ask("POST", "/v1/apply?dry_run=true", declared).json()
        first = pool.ask("POST", "/v1/apply", declared).json()
        assert len(first["changed"]) == 4 and first["unchanged"] == 0, first
        assert planned["changed"] == first["changed"]
        before = pool.sequence()
        again = pool.ask("POST", "/v1/apply", declared).json()
        assert again["changed"] == [] and again["unchanged"] == 4, again
        pool.restart()
        again = pool.ask("POST", "/v1/apply", declared).json()
        assert again["changed"] == [] and again["unchanged"] == 4, again
        assert pool.sequence() == before + 1  # the new epoch
        wrong = {"organisations": [{"name": "other"}], "nodes": [{"name": "nowhere", "state": "up"}]}
        before = pool.sequence()
        _refused(pool.ask("POST", "/v1/apply", wrong), 422)
        assert pool.sequence() == before
        assert pool.run()["organisation"] == "lab"


def metrics_count_what_happened():
    with Pool() as pool:
        pool.run()
        pool.run("exit 1")
        text = pool.ask("GET", "/metrics").body.decode()
        assert text.endswith("# EOF\n")
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        assert values["granary_jobs_submitted_total"] == "2", values
        assert values['granary_jobs{state="running"}'] == "0"
        assert values["granary_journal_full"] == "0" and values["granary_engine_up"] == "1"


def a_client_that_goes_away_in_the_middle_hurts_nobody():
    with Pool() as pool:
        for cut in (b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"comm",
                    b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
                    b"Content-Length: 1000\r\n\r\n{\"command\":[\"true\"]}\n{\"comm",
                    b"GET /v1/events?from=1 HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00\xff\r\n\r\n"):
            for _ in range(5):
                connection = pool.connection()
                connection.connect()
                connection.sock.sendall(cut)
                connection.sock.close()
        assert pool.run()["state"] == "done"
        assert pool.get("/v1/pool")["jobs"]["waiting"] == 0


def a_hundred_requests_at_once_are_all_answered():
    with Pool() as pool:
        answers = []

        def client(number):
            connection = pool.connection()
            for _ in range(10):
                reply = pool.ask("POST", "/v1/jobs", {"command": ["true"], "cpu": 0.01},
                                 connection=connection)
                answers.append(reply.json()["id"])
                assert pool.ask("GET", f"/v1/jobs/{answers[-1]}",
                                connection=connection).status == 200
            connection.close()

        threads = [threading.Thread(target=client, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(answers)) == 100
        assert {view["state"] for view in pool.wait(answers)} == {"done"}


# Becomes the program that its arguments say, without epoll_pwait2 (441 on all processors), as old
# sandboxes refuse what they do not know.
_WITHOUT_PWAIT = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
rules = ctypes.create_string_buffer(struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, 441,
                                                6, 0, 0, 0x50001, 6, 0, 0, 0x7fff0000))
program = ctypes.create_string_buffer(struct.pack("HP", 4, ctypes.addressof(rules)))
if libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program) == 0:
    os.execv(sys.argv[1], sys.argv[1:])
"""


class _Sandboxed(Pool):
    def serve(self, *more):
        return [sys.executable, "-c", _WITHOUT_PWAIT, *super().serve(*more)]


def many_at_once_are_answered_where_a_sandbox_knows_no_shorter_waits():
    with _Sandboxed() as pool:
        for _ in range(5):
            connections = [pool.connection() for _ in range(64)]
            for connection in connections:
                connection.request("POST", "/v1/jobs", '{"command": "true"}',
                                   {"Content-Type": "application/json"})
            for connection in connections:
                assert connection.getresponse().status == 201
                connection.close()


def as_many_requests_of_a_user_as_may_be_and_not_one_more():
    with Pool() as pool:
        job = pool.submit("sleep 1000")
        pool.wait(job, "running")

        def follow():
            connection = pool.connection()
            connection.request("GET", f"/v1/jobs/{job}/logs?follow=true")
            return connection.getresponse(), connection

        following = [follow() for _ in range(255)]
        # One more finds room, as soon as it is noticed that who waited for the job has left.
        until(lambda: pool.ask("GET", "/v1/pool").status == 200)
        following.append(follow())
        assert {reply.status for reply, _ in following} == {200}
        refused = pool.ask("GET", "/v1/pool")
        _refused(refused, 429, "too-many")
        assert refused.headers["Retry-After"] == "1"
        _refused(pool.tcp("GET", "/v1/pool"), 429, "too-many")  # by token it is the same user
        assert pool.ask("GET", "/v1/health").status == 200
        if os.geteuid() == 0:
            assert pool.ask_as(NOBODY, "GET", "/v1/pool").status == 200
        reply, connection = following.pop()
        reply.close()
        connection.close()
        until(lambda: pool.ask("GET", "/v1/pool").status == 200)
        for reply, connection in following:
            reply.close()
            connection.close()


def shutdown_keeps_jobs_or_stops_them():
    with Pool() as pool:
        job = pool.submit("sleep 1000")
        pool.wait(job, "running")
        assert pool.ask("POST", "/v1/shutdown", {"jobs": "keep"}).status == 202
        assert pool.process.wait(30) == 0
        pool.start()
        assert pool.wait(job, "running")["state"] == "running"
        waiting = pool.submit("sleep 1000", after={str(job): "ok"})
        assert pool.ask("POST", "/v1/shutdown", {"jobs": "stop"}).status == 202
        code = pool.process.wait(60)
        pool.process = None
        assert code == 0, code
        until(lambda: not list(pool.engine_processes()))
        pool.start()
        assert pool.state_of(job) == "stopped" and pool.state_of(waiting) == "stopped"


def who_will_not_wait_is_refused_where_there_is_no_room_and_leaves_nothing():
    with Pool(pretend="2xh20") as pool:
        spec = {"command": ["sleep", "1000"], "kind": "h20", "devices": 2}
        first = pool.ask("POST", "/v1/jobs?now=true", spec)
        assert first.status == 201, first
        pool.wait(first.json()["id"], "running")
        before = pool.sequence()
        _refused(pool.ask("POST", "/v1/jobs?now=true", spec), 503, "no-capacity")
        assert pool.sequence() == before
        assert pool.ask("POST", "/v1/jobs?now=true", {"command": ["true"]}).status == 201


def a_long_history_is_looked_through_in_pages_whatever_is_asked_for():
    with Pool() as pool:
        mine = [pool.run("exit 3")["id"], pool.run("exit 3")["id"]]
        pool.end()
        # Behind them many of others, as a release before kept them.
        columns = ("array, array_index, org, user, submitted_ms, placed_ms, ended_ms, limit_ms, cpu_milli,"
                   " memory_mib, milli, devices, tasks, priority, use, attempt, attempts, dropped,"
                   " outcome, began_ms, cpu_ms, peak_kib, exit_code, signal, task")
        table = sqlite3.connect(pool.state + "/history/ended.db")
        table.executescript(
            f"CREATE TABLE ended(id INTEGER PRIMARY KEY, {columns}, text);"
            f"WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 70000)"
            f" INSERT INTO ended(id, {columns}, text)"
            f" SELECT i, {', '.join(['1'] * 25)}, '' FROM n;")
        table.close()
        pool.start()
        for query in ("state=failed", "all=true&organisation=owner"):
            seen, pages, after = [], 0, ""
            while after is not None:
                page = pool.get(f"/v1/jobs?{query}{after}")
                seen += [view["id"] for view in page["jobs"]]
                after = None if page["next"] is None else f"&after={page['next']}"
                pages += 1
            assert sorted(seen) == sorted(mine) and 3 <= pages <= 5, (query, seen, pages)


def a_table_of_ended_jobs_that_fails_is_told_and_jobs_go_on():
    with Pool() as pool:
        pool.run()
        assert pool.get("/v1/pool")["history"]["problem"] == ""
        table = sqlite3.connect(pool.state + "/history/ended.db")
        table.execute("DROP TABLE runs")
        table.commit()
        table.close()
        assert pool.run()["state"] == "done"
        until(lambda: "ended" in pool.get("/v1/pool")["history"]["problem"])
        reply = pool.ask("GET", "/metrics")
        assert b"granary_history_failed 1" in reply.body, reply


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
