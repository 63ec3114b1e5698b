"""Gangs that lose a part: the failed tasks are started elsewhere, the others run on. Run by meson with
the program; by hand also with the names of cases."""

import os
import sys

from pool import Pool, cases_of, gone, is_alive, lines_of, main, until

# Each task says who it is and where, and waits for a word.
TASK = ("echo $GRANARY_TASK $$ ${GRANARY_PART:-0} $GRANARY_NODE >>said; "
        "echo hello from part ${GRANARY_PART:-0}; "
        "while [ ! -e go ]; do sleep 0.05; done")
PART = {"attempts": 3, "on": ["node"], "part": True}
# `bad` holds the addresses of devices that are broken.
CHECK = ("test -e HERE/bad || exit 0\n"
         "while read address; do echo device $address gone it smells; done <HERE/bad\n")


def _checks(pool, body):
    folder = pool.folder + "/checks/return.d"
    os.makedirs(folder, mode=0o755)
    with open(folder + "/look", "w") as file:
        file.write("#!/bin/sh\n" + body.replace("HERE", pool.folder))
    os.chmod(folder + "/look", 0o755)
    pool.options += ["--checks", pool.folder + "/checks"]
    return pool.start()


def _begin(pool, requeue=None, tasks=4, **spec):
    job = pool.submit(TASK, tasks=tasks, devices=1, directory=pool.work,
                      requeue=PART if requeue is None else requeue,
                      **{"kind": "h20", **spec})
    pool.wait(job, "running")
    until(lambda: len(_said(pool)) == tasks)
    return job


def _said(pool):
    """(task, pid, part, node) in the order in which the tasks began."""
    rows = [line.split() for line in lines_of(pool.path("said"))] if os.path.exists(
        pool.path("said")) else []
    return [(int(row[0]), int(row[1]), int(row[2]), row[3]) for row in rows if len(row) == 4]


def _place(pool, job, task):
    return next(place for place in pool.job(job)["places"] if place["task"] == task)


def _break(pool, job, task):
    """The device of a task is found gone, when an operator has its node looked at. The node takes
    no new work then."""
    place = _place(pool, job, task)
    address = next(device["address"] for device in pool.get("/v1/devices")["devices"]
                   if device["node"] == place["node"] and device["index"] == place["devices"][0])
    with open(pool.folder + "/bad", "a") as file:
        file.write(address + "\n")
    name = place["node"].replace("/", "%2F")
    for action in "cordon", "uncordon":
        reply = pool.ask("POST", f"/v1/nodes/{name}/{action}", {"why": "a look"})
        assert reply.status == 200, reply
    return place


def _end(pool, job):
    open(pool.path("go"), "w").close()
    view = pool.wait(job)[0] if isinstance(job, list) else pool.wait(job)
    return view


def a_task_with_a_broken_device_is_replaced_while_the_others_run_on():
    with Pool(pretend="20xh20", starts=False) as pool:
        _checks(pool, CHECK)
        job = _begin(pool)
        before = _said(pool)
        place = _break(pool, job, 1)
        until(lambda: len(_said(pool)) == 5)
        task, pid, part, _ = _said(pool)[-1]
        assert (task, part) == (1, 1), _said(pool)
        for number, other, _, _ in before:
            assert is_alive(other) == (number != 1), (number, _said(pool))
        until(lambda: pool.job(job)["part"] and pool.job(job)["part"]["missing"] == 0)
        view = pool.job(job)
        assert view["state"] == "running" and view["attempt"] == 1, view
        assert view["part"]["parts"] == 1 and "replaced at" in view["part"]["text"], view["part"]
        assert "1 of 4 tasks lost at" in view["part"]["text"], view["part"]
        assert "(device " in view["part"]["text"] and "gone" in view["part"]["text"], view["part"]
        now = _place(pool, job, 1)
        assert (now["node"], now["devices"]) != (place["node"], place["devices"]), view
        code, out, err = pool("show", str(job))
        assert code == 0 and "1 of 4 tasks lost" in out, (out, err)
        metrics = pool.ask("GET", "/metrics").body.decode()
        assert "granary_jobs_mending 0" in metrics, metrics
        assert "granary_parts_replaced_total 1" in metrics, metrics
        with pool.events(1) as events:
            types = []
            while "part-placed" not in types:
                types.append(next(events)["type"])
        assert types.count("part-lost") == 1, types
        ended = _end(pool, job)
        assert ended["state"] == "done" and ended["exit_code"] == 0, ended
        assert len(_said(pool)) == 5
        gone(pid)
        assert pool.log(job, task=1).splitlines() == ["hello from part 0", "hello from part 1"]


def without_the_word_the_whole_gang_is_tried_again():
    with Pool(pretend="20xh20", starts=False) as pool:
        _checks(pool, CHECK)
        job = _begin(pool, requeue={"attempts": 3, "on": ["node"]})
        before = _said(pool)
        _break(pool, job, 1)
        until(lambda: len(_said(pool)) == 8)
        assert not any(is_alive(pid) for _, pid, _, _ in before)
        assert pool.job(job)["attempt"] == 2 and pool.job(job)["part"] is None
        assert _end(pool, job)["state"] == "done"


def a_task_waits_for_room_and_a_second_one_may_be_lost_meanwhile():
    with Pool(pretend="20xh20", starts=False) as pool:
        _checks(pool, CHECK)
        other = pool.submit("while [ ! -e free ]; do sleep 0.05; done", kind="h20", devices=16,
                            directory=pool.work)
        pool.wait(other, "running")
        job = _begin(pool)
        _break(pool, job, 2)
        until(lambda: (pool.job(job)["part"] or {}).get("missing") == 1)
        assert "looking for room" in pool.job(job)["part"]["text"], pool.job(job)["part"]
        assert pool.job(job)["part"]["until_ms"] > pool.job(job)["part"]["since_ms"]
        _break(pool, job, 3)
        until(lambda: pool.job(job)["part"]["missing"] == 2)
        assert [place["task"] for place in pool.job(job)["places"]] == [0, 1]
        open(pool.path("free"), "w").close()
        pool.wait(other)
        until(lambda: len(_said(pool)) == 6)
        assert sorted(row[0] for row in _said(pool)[4:]) == [2, 3]
        assert _end(pool, job)["state"] == "done"


def a_daemon_killed_between_loss_and_replacement_replaces_once():
    with Pool(pretend="20xh20", starts=False) as pool:
        _checks(pool, CHECK)
        other = pool.submit("while [ ! -e free ]; do sleep 0.05; done", kind="h20", devices=16,
                            directory=pool.work)
        pool.wait(other, "running")
        job = _begin(pool)
        before = _said(pool)
        _break(pool, job, 0)
        until(lambda: (pool.job(job)["part"] or {}).get("missing") == 1)
        pool.kill()
        assert [is_alive(pid) for _, pid, _, _ in before].count(True) == 3
        open(pool.path("free"), "w").close()
        pool.start()
        until(lambda: len(_said(pool)) == 5)
        until(lambda: pool.job(job)["part"]["missing"] == 0)
        pool.restart()
        assert pool.job(job)["part"]["parts"] == 1
        os.kill(pool.launcher(), 9)
        until(lambda: pool.get("/v1/pool")["engine"]["up"])
        assert _end(pool, job)["state"] == "done"
        assert len(_said(pool)) == 5, _said(pool)


def a_drained_node_loses_only_its_tasks():
    with Pool(pretend="18xh20") as pool:
        job = _begin(pool, tasks=18)
        before = _said(pool)
        node = _place(pool, job, 0)["node"]
        hit = {place["task"] for place in pool.job(job)["places"] if place["node"] == node}
        name = node.replace("/", "%2F")
        reply = pool.ask("POST", f"/v1/nodes/{name}/drain", {"why": "repair", "grace_ms": 1000})
        assert reply.status == 200, reply
        until(lambda: (pool.job(job)["part"] or {}).get("missing", 0) == len(hit))
        for task, pid, _, _ in before:
            assert is_alive(pid) == (task not in hit), (task, hit)
        assert pool.get(f"/v1/nodes/{name}")["running"] == []
        assert pool.ask("POST", f"/v1/nodes/{name}/uncordon", {}).status == 200
        until(lambda: len(_said(pool)) == 18 + len(hit))
        assert {task for task, _, part, _ in _said(pool) if part > 0} == hit, _said(pool)
        assert _end(pool, job)["state"] == "done"


def a_job_that_cannot_lose_a_part_is_told_so():
    with Pool() as pool:
        refused = pool.try_submit(command="true", requeue={"part": True})
        assert refused.status == 400 and "requeue.part" in str(refused.json()), refused
        refused = pool.try_submit(command="true", tasks=2, requeue={"part": "perhaps"})
        assert refused.status == 400 and "true or false" in str(refused.json()), refused
        job = pool.submit("true", tasks=2, requeue={"part": True})
        assert pool.job(job)["spec"]["requeue"] == {"part": True}


if __name__ == "__main__":
    main(cases_of(globals()), sys.argv[1:])
