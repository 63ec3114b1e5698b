"""Quotas, shares and the queue of a live pool: declared, shown, kept over a restart; and checkpoints.
Run by meson with the program; by hand also with the names of cases."""

import json
import os
import sys

from pool import NOBODY, Pool, cases_of, main, need_root, until

LAB = """\
organisations:
  - {name: lab, weight: 2000, limits: {running: 50, user-devices: 3},
     quotas: [{kind: h20, nominal: 4, borrow: 2, lend: 1}, {kind: h200, nominal: 2}]}
  - name: vision
    parent: lab
    quotas:
      - {kind: h20, nominal: 3, borrow: any, lend: all}
queue: {half-life: 1d, notice: 45s, min-run: 10m, lost-work-per-hour: 100 device-hours,
        reclaim: [borrowed, priority]}
"""


def _file(pool, text):
    path = os.path.join(pool.folder, "declared.yaml")
    with open(path, "w") as file:
        file.write(text)
    return path


def _apply(pool, text, *words, code=0):
    got, out, err = pool("apply", "-f", _file(pool, text), *words)
    assert got == code, (got, out, err)
    return out if code == 0 else err


def _quotas(pool):
    return {(row["organisation"], row["variant"]): row for row in pool.get("/v1/quotas")["quotas"]}


def a_class_gives_its_jobs_their_priority_and_time_limit():
    with Pool(pretend="4xh20") as pool:
        text = "classes:\n  - {name: urgent, priority: 200, limit: 4h}\n  - {name: night, priority: 3}\n"
        assert "no class is declared" in "".join(pool("classes")[1:])
        assert "would be: class urgent: none -> priority 200, limit 4h" in _apply(pool, text, "--dry-run")
        assert pool.get("/v1/classes") == {"classes": []}
        _apply(pool, text)
        assert "0 changed, 2 unchanged" in _apply(pool, text)
        job = pool.job(pool.submit("sleep 100", **{"class": "urgent"}))
        assert (job["priority"], job["limit_ms"], job["class"]) == (200, 4 * 3600000, "urgent"), job
        code, out, err = pool("submit", "--class", "night", "--limit", "30h", "--", "sleep", "100")
        assert code == 0, err
        night = pool.job(int(out.split()[0] if out.split()[0].isdigit() else
                             [word for word in out.split() if word.isdigit()][0]))
        assert (night["priority"], night["limit_ms"]) == (3, 30 * 3600000), night
        for words, status, field in (({"class": "urgnt"}, 422, "class"),
                                     ({"class": "urgent", "limit": "5h"}, 422, "limit"),
                                     ({"class": "urgent", "priority": 7}, 422, "priority"),
                                     ({"class": "two\nlines"}, 400, "class")):
            reply = pool.try_submit(**words)
            assert reply.status == status and reply.error["field"] == field, (words, reply)
            assert reply.error["hint"], reply
        assert "urgent" in pool.try_submit(**{"class": "urgnt"}).error["hint"]
        assert pool("submit", "--class", "urgent", "--limit", "5h", "--", "true")[0] == 4
        for wrong, field in (("- {name: new}", "classes[0].priority"),
                             ("- {name: new, priority: 256}", "classes[0].priority"),
                             ("- {name: New, priority: 1}", "classes[0].name"),
                             ("- {name: new, priority: 1, limit: soon}", "classes[0].limit"),
                             ("- {name: a, priority: 1}\n  - {name: a, priority: 2}", "classes[1].name")):
            error = _apply(pool, f"classes:\n  {wrong}\n", code=2)
            assert field.split(".")[-1] in error, (wrong, error)
        _apply(pool, "classes: [{name: urgent, priority: 150, limit: none}]\n")
        assert pool.job(job["id"])["priority"] == 200  # what was submitted stays
        pool.kill()
        pool.start()
        rows = pool.get("/v1/classes")["classes"]
        assert rows == [{"name": "urgent", "priority": 150, "limit_ms": None},
                        {"name": "night", "priority": 3, "limit_ms": None}], rows
        assert pool.job(job["id"])["class"] == "urgent"


def quotas_and_shares_are_declared_and_shown():
    with Pool() as pool:
        planned = _apply(pool, LAB, "--dry-run")
        assert "would be: organisation lab: weight 1000 -> 2000" in planned, planned
        assert "quota of nv-h20-96: none -> nominal 4, borrow 2, lend 1" in planned, planned
        assert "queue: half-life 7d -> 1d" in planned and "notice 30s -> 45s" in planned, planned
        assert "lost-work-per-hour any -> 100 device-hours" in planned, planned
        assert _quotas(pool) == {} and "doubtful" not in planned, planned
        done = _apply(pool, LAB)
        assert done.replace("would be: ", "") == planned.replace("would be: ", "").replace(
            "would change", "changed"), (done, planned)
        assert "0 changed, 7 unchanged" in _apply(pool, LAB)
        rows = _quotas(pool)
        lab = rows["lab", "nv-h20-96"]
        assert (lab["nominal"], lab["borrow"], lab["lend"], lab["used"]) == (4, 2, 1, 0), lab
        assert rows["vision", "nv-h20-96"]["borrow"] is None
        shares = pool.get("/v1/shares")
        rows = {row["organisation"]: row for row in shares["shares"] if row["user"] is None}
        assert rows["lab"]["weight"] == 2000 and rows["vision"]["parent"] == "lab", rows
        assert rows["lab"]["limits"]["user_devices"] == 3 and rows["lab"]["limits"]["running"] == 50
        assert shares["queue"] == {"half_life_ms": 86400000, "notice_ms": 45000,
                                   "min_run_ms": 600000, "lost_work_per_hour": 100,
                                   "reclaim": ["borrowed", "priority"]}, shares["queue"]
        pool.restart()
        assert _quotas(pool)["lab", "nv-h20-96"]["nominal"] == 4
        assert pool.get("/v1/shares")["queue"] == shares["queue"]
        out = _apply(pool, "organisations: [{name: lab, quotas: [{kind: h200, nominal: 9}]}]")
        assert "doubtful: nominal of nv-h200 adds up to 9, and the pool has 4" in out, out
        _apply(pool, "organisations: [{name: lab, quotas: [{kind: h200, nominal: 0}]}]")
        assert ("lab", "nv-h200") not in _quotas(pool)


def the_facts_are_shown_with_names():
    with Pool() as pool:
        _apply(pool, LAB)
        with pool.events(1) as events:
            seen = {}
            while "queue-terms-set" not in seen:
                event = next(events)
                seen[event["type"]] = event
        assert seen["quota-set"]["organisation"] == "vision", seen["quota-set"]
        assert seen["quota-set"]["variant"] == "nv-h20-96" and seen["quota-set"]["nominal"] == 3
        assert seen["org-terms-set"]["organisation"] == "lab"
        assert seen["org-terms-set"]["limits"]["user_devices"] == 3
        at = seen["quota-set"]["sequence"]
        for start, name in (("1", "vision"), (str(at), "#2")):
            code, out, err = pool("journal", "show", "--state", pool.state, "-o", "jsonl",
                                  "--from", start, "--to", str(at))
            assert code == 0, err
            assert json.loads(out.splitlines()[-1])["organisation"] == name, out


def a_wrong_declaration_says_where_and_what_would_be_right():
    quota = "organisations: [{name: lab, quotas: [%s]}]\n"
    wrong = (
        ("organisations:\n  - {name: a, parent: b}\n  - {name: b, parent: a}\n",
         ":2:23: ", "a -> b -> a is a loop"),
        ("organisations:\n  - {name: a, parent: a}\n", ":2:23: ", "a -> a is a loop"),
        ("organisations:\n  - {name: lab}\n  - {name: a, parent: lap}\n",
         ":3:23: ", "there is no organisation 'lap', perhaps lab"),
        ("organisations: [{name: lab}, {name: lab}]\n", ":1:37: ", "stands here twice"),
        (quota % "{kind: h20, nominal: 4, lend: 5}", "quotas[0].lend", "at most 4, or all"),
        (quota % "{kind: h20, nominal: 4, lent: 5}", ":1:62: ", "perhaps lend"),
        (quota % "{kind: h200x, nominal: 4}", "quotas[0].kind", "h200"),
        (quota % "{kind: b200, nominal: 4}", "quotas[0].kind", "no site has"),
        (quota % "{kind: h20, nominal: 4}, {kind: nv-h20-96, nominal: 3}", "quotas[1].kind",
         "stands here twice"),
        (quota % "{kind: h20}", "quotas[0]", "lacks its nominal"),
        (quota % "{kind: h20, nominal: -1}", "quotas[0].nominal", "found '-1'"),
        (quota % "{kind: h20, nominal: any}", "quotas[0].nominal", "found 'any'"),
        (quota % "{kind: h20, nominal: 1.0001}", "quotas[0].nominal", "three digits"),
        ("organisations: [{name: lab, weight: 0}]\n", ":1:37: ", "from 1 to 1000000"),
        ("organisations: [{name: lab, limits: {running: 0}}]\n", "limits.running", "or none"),
        ("organisations: [{name: lab, limits: {runing: 1}}]\n", ":1:38: ", "perhaps running"),
        ("organisations:\n  - {name: lab, limits: {devices: 4}}\n"
         "  - {name: vision, parent: lab, limits: {devices: 5}}\n",
         "organisations[1].limits.devices", "lab above it 4"),
        ("organisations:\n  - {name: lab, quotas: [{kind: h20, nominal: 2, borrow: 1}]}\n"
         "  - {name: vision, parent: lab, quotas: [{kind: h20, nominal: 4}]}\n",
         ":2:26: ", "nominal 2 and borrow 1 let it hold 3"),
        ("queue: {half-life: 7}\n", ":1:20: ", "such as 7d"),
        ("queue: {reclaim: [borowed]}\n", "queue.reclaim", "borrowed"),
        ("queue: {lost-work-per-hour: 5}\n", ":1:29: ", "device-hours"),
        ("queue: {halflife: 7d}\n", ":1:9: ", "perhaps half-life"),
    )
    with Pool() as pool:
        before = pool.sequence()
        for text, where, what in wrong:
            for more in ((), ("--dry-run",)):
                err = _apply(pool, text, *more, code=2)
                assert where in err and what in err and "declared.yaml:" in err, (text, err)
        assert pool.sequence() == before  # nothing was done, not even half


def a_declaration_says_whom_it_hits():
    with Pool(pretend="8xh20") as pool:
        org = pool.get("/v1/whoami")["organisation"]
        jobs = [pool.submit("sleep 1000", kind="h20", devices=2) for _ in range(3)]
        pool.wait(jobs, "running")
        less = f"organisations: [{{name: {org}, quotas: [{{kind: h20, nominal: 2, borrow: 1}}]}}]\n"
        out = _apply(pool, less, "--dry-run")
        assert f"hits {org}: it has 6 nv-h20-96, quota allows 3: jobs {jobs[2]} {jobs[1]}" in out, out
        reply = pool.ask("POST", "/v1/apply", {"organisations": [
            {"name": org, "limits": {"running": 2}}]}).json()
        assert reply["hits"] == [{"organisation": org, "variant": None, "what": "limits.running",
                                  "has": 3, "allowed": 2, "jobs": [jobs[2]],
                                  "jobs_beyond": 1}], reply
        waits = pool.submit("true", cpu=0.01)
        assert pool.state_of(waits) == "waiting"
        for job in jobs:
            pool.stop(job)
        assert pool.wait(waits)["state"] == "done"


def a_quota_keeps_a_job_waiting_and_lets_others_by():
    with Pool(pretend="8xh20") as pool:
        org = pool.get("/v1/whoami")["organisation"]
        _apply(pool, f"organisations: [{{name: {org}, quotas: "
                     "[{kind: h20, nominal: 2, borrow: 0}]}]\n")
        first = pool.submit("sleep 1000", kind="h20", devices=2)
        pool.wait(first, "running")
        second = pool.submit("sleep 1000", kind="h20", devices=1)
        assert pool.run("true", cpu=0.01)["state"] == "done"  # it does not block
        assert pool.state_of(second) == "waiting"
        row = _quotas(pool)[org, "nv-h20-96"]
        assert (row["used"], row["left"], row["left_own"]) == (2, 0, 0), row
        queue = pool.get("/v1/queue")
        assert [(row["position"], row["id"]) for row in queue["jobs"]] == [(1, second)], queue
        code, out, err = pool("queue", "-o", "csv")
        assert code == 0 and f"1,{second}," in out, (out, err)
        _apply(pool, f"organisations: [{{name: {org}, quotas: [{{kind: h20, nominal: 3}}]}}]\n")
        pool.wait(second, "running")


def borrowed_devices_are_taken_back_for_who_has_a_right_to_them():
    need_root()
    with Pool(pretend="8xh20") as pool:
        _apply(pool, "organisations: [{name: lab, quotas: [{kind: h20, nominal: 4}]}]\n"
                     f"users: [{{name: uid-{NOBODY}, organisation: lab}}]\n"
                     "queue: {notice: 20s}\n")
        seen = pool.folder + "/seen"
        borrows = pool.submit(f"trap 'echo told >> {seen}; exit 7' TERM; "
                              f"echo begun >> {seen}; sleep 1000 & wait", kind="h20", devices=8,
                              requeue={"attempts": 2, "on": ["reclaim"]})
        pool.wait(borrows, "running")
        until(lambda: os.path.exists(seen))
        reply = pool.ask_as(NOBODY, "POST", "/v1/jobs",
                            {"kind": "h20", "devices": 4, "command": ["sleep", "1000"]})
        assert reply.status == 201, reply
        owns = reply.json()["id"]
        pool.wait(owns, "running")
        assert pool.state_of(borrows) == "waiting", pool.job(borrows)
        with open(seen) as file:
            assert file.read().split() == ["begun", "told"]
        pool.restart()  # what was taken back is not forgotten, and not taken again
        assert pool.state_of(owns) == "running" and pool.state_of(borrows) == "waiting"
        pool.stop(owns)
        pool.wait(borrows, "running")
        assert pool.job(borrows)["attempt"] == 2, pool.job(borrows)


def a_job_that_lost_its_room_waits_again_without_having_said_so():
    need_root()
    with Pool(pretend="8xh20") as pool:
        _apply(pool, "organisations: [{name: lab, quotas: [{kind: h20, nominal: 8}]}]\n"
                     f"users: [{{name: uid-{NOBODY}, organisation: lab}}]\n"
                     "queue: {notice: 5s}\n")
        borrows = pool.submit("exec sleep 1000", kind="h20", devices=8)
        ends = pool.submit("exec sleep 1000", kind="h20", devices=8, requeue={"on": []})
        pool.wait(borrows, "running")
        ask = {"kind": "h20", "devices": 8, "command": ["sleep", "1000"]}
        owns = pool.ask_as(NOBODY, "POST", "/v1/jobs", ask).json()["id"]
        pool.wait(owns, "running")
        assert pool.state_of(borrows) == "waiting", pool.job(borrows)
        pool.stop(owns)
        pool.wait(borrows, "running")
        assert pool.job(borrows)["attempt"] == 2, pool.job(borrows)
        pool.stop(borrows)
        pool.wait(ends, "running")
        pool.ask_as(NOBODY, "POST", "/v1/jobs", ask)
        pool.wait(ends, "reclaimed")


def the_fewest_jobs_move_so_that_one_that_waits_fits():
    with Pool(pretend="32xh20") as pool:  # two nodes of 16
        parts = [pool.submit("exec sleep 1000", kind="h20", devices=8, requeue={"on": ["move"]})
                 for _ in range(4)]
        for job in parts:
            pool.wait(job, "running")
        nodes = {}
        for job in parts:
            nodes.setdefault(pool.job(job)["places"][0]["node"], []).append(job)
        assert sorted(map(len, nodes.values())) == [2, 2], nodes
        code, out, err = pool("defrag")
        assert code == 1 and "does not wait" in out, (out, err)
        left = [jobs[0] for jobs in nodes.values()]
        for jobs in nodes.values():
            pool.stop(jobs[1])
            pool.wait(jobs[1])
        whole = pool.submit("exec sleep 1000", kind="h20", devices=16)
        small = pool.submit("true", kind="h20", devices=8, after={str(whole): "ok"})
        code, out, err = pool("defrag", "--dry-run")
        assert code == 0 and "the fewest" in out and f"job {whole} would fit" in out, (out, err)
        assert all(len(line) <= 100 for line in out.splitlines()), out
        code, out, err = pool("defrag", str(whole), "--dry-run", "-o", "json")
        plan = json.loads(out)
        assert code == 0 and plan["answer"] == "found" and not plan["done"], (plan, err)
        assert [move["job"] in left for move in plan["moves"]] == [True], plan
        moved = plan["moves"][0]
        assert moved["from"] == plan["on"] and moved["to"] != moved["from"], plan
        code, out, err = pool("defrag", str(small), "--dry-run")
        assert code == 1 and "does not wait for room" in out, (out, err)
        assert pool.state_of(whole) == "waiting"
        if os.getuid() == 0:
            assert pool.ask_as(NOBODY, "POST", "/v1/defrag", {}).status == 403
        assert pool.ask("POST", "/v1/defrag", {"job": "x"}).status == 400
        assert pool.ask("POST", "/v1/defrag", {"job": 999999}).status == 404
        code, out, err = pool("defrag", str(whole))
        assert code == 0 and "asked" in out, (out, err)
        pool.wait(whole, "running")
        pool.wait(moved["job"], "running")
        view = pool.job(moved["job"])
        assert view["attempt"] == 2 and view["places"][0]["node"] == moved["to"][0], view


def the_queue_is_in_order_of_priority_then_shares_then_age():
    with Pool(pretend="8xh20") as pool:
        blocker = pool.submit("sleep 1000", kind="h20", devices=8)
        pool.wait(blocker, "running")
        low = pool.submit("true", kind="h20", devices=1)
        mid = [pool.submit("true", kind="h20", devices=1, priority=50) for _ in range(2)]
        high = pool.submit("true", kind="h20", devices=1, priority=200)
        rows = pool.get("/v1/queue")["jobs"]
        assert [row["id"] for row in rows] == [high, *mid, low], rows
        assert [row["position"] for row in rows] == [1, 2, 3, 4]
        assert pool.get("/v1/queue?limit=2")["jobs"] == rows[:2]
        assert pool.get("/v1/queue?limit=2")["waiting"] == 4
        code, out, err = pool("queue", "-o", "json")
        assert code == 0 and [row["id"] for row in json.loads(out)] == [high, *mid, low], (out, err)


def the_tables_name_what_there_is():
    with Pool() as pool:
        _apply(pool, LAB)
        for command, words in (("quota", ("ORGANISATION", "lab", "h20")),
                               ("share", ("ORGANISATION", "lab", "vision"))):
            for form in ("table", "wide", "json", "jsonl", "csv"):
                code, out, err = pool(command, "-o", form)
                assert code == 0 and "lab" in out, (command, form, out, err)
                if form == "table":
                    assert all(word.lower() in out.lower() for word in words), out
        code, out, err = pool("queue")
        assert code == 0 and out == "", (out, err)


def a_job_says_that_its_work_is_safe():
    with Pool() as pool:
        job = pool.submit("sleep 1000", cpu=0.01)
        pool.wait(job, "running")
        assert pool.job(job)["checkpoint_ms"] is None
        code, _, err = pool("checkpoint", str(job))
        assert code == 0, err
        safe = pool.job(job)["checkpoint_ms"]
        assert safe >= pool.job(job)["started_ms"], pool.job(job)
        reply = pool.ask("POST", f"/v1/jobs/{job}/checkpoint")
        assert reply.status == 200 and reply.json()["checkpoint_ms"] >= safe, reply
        safe = reply.json()["checkpoint_ms"]
        own = pool.submit(f"GRANARY_SERVER=unix:{pool.socket} {pool.program} checkpoint && sleep 1000",
                          cpu=0.01)
        until(lambda: pool.job(own)["checkpoint_ms"] is not None)
        pool.stop(own)
        assert pool.job(job)["checkpoint_ms"] == safe
        code, _, err = pool("checkpoint")
        assert code == 2 and "GRANARY_JOB_ID" in err, err
        waits = pool.submit("true", after={str(job): "any"})
        reply = pool.ask("POST", f"/v1/jobs/{waits}/checkpoint")
        assert reply.status == 409, reply
        assert pool.ask("POST", "/v1/jobs/999999/checkpoint").status == 404
        pool.stop(job)


def nobody_speaks_for_the_job_of_another():
    need_root()
    with Pool() as pool:
        job = pool.submit("sleep 1000", cpu=0.01)
        pool.wait(job, "running")
        reply = pool.ask_as(NOBODY, "POST", f"/v1/jobs/{job}/checkpoint")
        assert reply.status == 403, reply
        pool.stop(job)


def others_see_only_what_is_of_their_organisation():
    need_root()
    with Pool() as pool:
        _apply(pool, LAB)
        seen = pool.ask_as(NOBODY, "GET", "/v1/quotas").json()["quotas"]
        assert seen == [], seen
        seen = pool.ask_as(NOBODY, "GET", "/v1/shares").json()["shares"]
        assert len({row["organisation"] for row in seen}) == 1, seen
        mark = 'granary_quota_nominal_devices{organisation="lab"'
        assert mark in pool.ask("GET", "/metrics").body.decode()
        seen = pool.ask_as(NOBODY, "GET", "/metrics").body.decode()
        assert "granary_jobs_preempted" in seen and "lab" not in seen, seen


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
