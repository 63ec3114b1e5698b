"""Nodes of a live pool: cordon, drain, uncordon, and what of it survives a restart. Run by meson with
the program; by hand also with the names of cases."""

import os
import subprocess
import sys

from pool import Pool, cases_of, lines_of, main, until

HOLD = "while [ ! -e go ]; do sleep 0.02; done"


def _node(pool, kind=None):
    """Name of the node with this kind of device, as it stands in a path."""
    for node in pool.get("/v1/nodes")["nodes"]:
        if node["variant"] == kind or (kind and node["name"].split("/")[-1] == kind):
            return node["name"].replace("/", "%2F")
    raise AssertionError(f"no node has {kind}")


def _set(pool, node, verb, **body):
    reply = pool.ask("POST", f"/v1/nodes/{node}/{verb}", body)
    assert reply.status == 200, reply
    return reply.json()


def nothing_new_comes_to_a_cordoned_node_and_what_runs_there_goes_on():
    with Pool(pretend="2xh20") as pool:
        node = _node(pool, "h20")
        first = pool.submit(HOLD, kind="h20", devices=1, directory=pool.work)
        pool.wait(first, "running")
        view = _set(pool, node, "cordon", why="a fan is loud")
        assert view["state"] == "drained" and view["why"] == "a fan is loud", view
        second = pool.submit(kind="h20", devices=1)
        assert pool.state_of(second) == "waiting" and pool.state_of(first) == "running"
        pool.restart()
        view = pool.get(f"/v1/nodes/{node}")
        assert view["state"] == "drained" and view["running"] == [first], view
        assert view["why"] == "a fan is loud", view
        assert pool.state_of(second) == "waiting"
        open(pool.path("go"), "w").close()
        assert pool.wait(first)["state"] == "done"
        assert pool.state_of(second) == "waiting"
        assert pool.get("/v1/pool")["nodes"]["drained"] == 1
        _set(pool, node, "uncordon")
        assert pool.wait(second)["state"] == "done"
        assert pool.get(f"/v1/nodes/{node}")["why"] in (None, "")


def a_drain_stops_what_runs_there_and_requeues_what_may_be_tried_again():
    with Pool(pretend="4xh20") as pool:
        node = _node(pool, "h20")
        script = "echo $GRANARY_ATTEMPT >> attempts; [ $GRANARY_ATTEMPT = 2 ] || sleep 1000"
        again = pool.submit(script, kind="h20", devices=1, directory=pool.work,
                            requeue={"attempts": 2, "on": ["node"]})
        once = pool.submit("sleep 1000", kind="h20", devices=1)
        other = pool.submit("sleep 1000")
        pool.wait([again, once, other], "running")
        until(lambda: lines_of(pool.path("attempts")) == ["1"])
        _set(pool, node, "drain", why="repair", grace_ms=1000)
        assert pool.wait(once)["state"] == "node-failed"
        view = pool.wait(again, "waiting")
        assert view["attempt"] == 1, view
        assert pool.state_of(other) == "running"
        assert pool.get(f"/v1/nodes/{node}")["running"] == []
        _set(pool, node, "uncordon")
        view = pool.wait(again)
        assert view["state"] == "done" and view["attempt"] == 2, view
        assert lines_of(pool.path("attempts")) == ["1", "2"]


def a_write_about_nodes_with_a_used_key_is_answered_again_and_not_done_again():
    with Pool(pretend="2xh20") as pool:
        node = _node(pool, "h20")
        path = f"/v1/nodes/{node}"
        key = {"Idempotency-Key": "cordon-1"}
        assert pool.ask("POST", path + "/cordon", {"why": "x"}, key).status == 200
        _set(pool, node, "uncordon")
        reply = pool.ask("POST", path + "/cordon", {"why": "x"}, key)
        assert reply.status == 200 and reply.headers["Granary-Replayed"] == "true", reply
        assert pool.get(path)["state"] == "up"
        assert pool.ask("POST", path + "/cordon", {"why": "y"}, key).status == 409
        declared = {"organisations": [{"name": "acme"}]}
        key = {"Idempotency-Key": "apply-1"}
        assert pool.ask("POST", "/v1/apply", declared, key).json()["unchanged"] == 0
        assert pool.ask("POST", "/v1/apply", declared, key).json()["unchanged"] == 1
        declared = {"organisations": [{"name": "other"}]}
        assert pool.ask("POST", "/v1/apply", declared, key).status == 409


def nodes_are_listed_by_site_and_state():
    with Pool(pretend="8xh20,4xh200") as pool:
        def names(query=""):
            return {node["name"] for node in pool.get("/v1/nodes" + query)["nodes"]}

        everything = names()
        assert names("?site=local") | names("?site=pretend") == everything
        assert len(names("?site=pretend")) == 2 and names("?state=drained") == set()
        node = _node(pool, "h200")
        _set(pool, node, "cordon")
        assert names("?state=drained") == {node.replace("%2F", "/")}
        assert pool.ask("POST", "/v1/nodes/nothing/cordon", {}).status == 404
        assert pool.ask("POST", f"/v1/nodes/{node}/cordon", {"why": 7}).status == 400
        assert pool.ask("POST", f"/v1/nodes/{node}/drain", {"grace_ms": -1}).status == 400
        assert pool.ask("POST", f"/v1/nodes/{node}/cordon", {"reason": "x"}).status == 400
        devices = pool.get("/v1/devices")["devices"]
        assert len([device for device in devices if device["pretend"]]) == 12


def devices_that_are_no_longer_pretended_are_gone_and_come_back():
    with Pool(pretend="2xh20") as pool:
        job = pool.run(kind="h20", devices=2)
        assert job["state"] == "done"
        pool.end()
        pool.options = [option for option in pool.options if "pretend" not in option
                        and "h20" not in option]
        pool.start()
        node = next(node for node in pool.get("/v1/nodes")["nodes"] if node["site"] == "pretend")
        assert node["out"] == [0, 1] and node["free_milli"] == [0, 0], node
        waiting = pool.submit(kind="h20", devices=2)
        assert pool.state_of(waiting) == "waiting"
        pool.end()
        pool.options += ["--pretend", "2xh20"]
        pool.start()
        assert pool.wait(waiting)["state"] == "done"


def device_numbers_stay_when_more_are_added():
    with Pool(pretend="2xh20") as pool:
        pool.end()
        pool.options[pool.options.index("--pretend") + 1] = "4xh20,2xh200"
        pool.start()
        devices = [device for device in pool.get("/v1/devices")["devices"] if device["pretend"]]
        assert sorted(device["variant"].split("-")[-1] for device in devices), devices
        assert len({(device["node"], device["index"]) for device in devices}) == len(devices)
        assert pool.run(kind="h20", devices=2)["state"] == "done"
        assert pool.run(kind="h200", devices=2)["state"] == "done"


def a_directory_of_checks_that_is_not_there_stops_the_start():
    with Pool("--checks", "/nonexistent", starts=False) as pool:
        done = subprocess.run([Pool.program, "serve", "--state", pool.state, "--listen", "none",
                               "--checks", "/nonexistent"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        assert done.returncode != 0 and b"/nonexistent" in done.stdout, done


def _checks(pool, **scripts):
    """A folder of node checks: scripts of the names `WHEN_NAME`, for instance after_memory."""
    folder = pool.folder + "/checks"
    for name, body in scripts.items():
        when, _, name = name.partition("_")
        os.makedirs(f"{folder}/{when}.d", mode=0o755, exist_ok=True)
        with open(f"{folder}/{when}.d/{name}", "w") as file:
            file.write("#!/bin/sh\n" + body.replace("HERE", pool.folder))
        os.chmod(f"{folder}/{when}.d/{name}", 0o755)
    pool.options += ["--checks", folder]
    return pool.start()


def _health(pool, kind="h20"):
    return {device["index"]: device["health"] for device in pool.get("/v1/devices")["devices"]
            if device["pretend"] and device["node"].endswith(kind)}


def a_device_that_a_script_wants_reset_is_reset_and_return_scripts_run_before_the_next_job():
    with Pool(pretend="2xh20", starts=False) as pool:
        _checks(pool, after_memory="test -e HERE/wants || exit 0\nrm HERE/wants\n"
                "for a in $(echo $GRANARY_DEVICES | tr , ' '); do echo device $a reset dirty; done",
                return_test="echo $GRANARY_CHECK $GRANARY_DEVICES $GRANARY_JOB_ID >>HERE/said")
        open(pool.folder + "/wants", "w").close()
        assert pool.run(kind="h20", devices=2)["state"] == "done"
        lines = lines_of(pool.folder + "/said")
        assert len(lines) == 1 and lines[0].startswith("return pretend:") and "," in lines[0], lines
        assert _health(pool) == {0: "good", 1: "good"}
        assert pool.run(kind="h20", devices=2)["state"] == "done"
        assert len(lines_of(pool.folder + "/said")) == 1


def a_device_that_fails_its_return_scripts_after_a_reset_does_not_come_back():
    with Pool(pretend="2xh20", starts=False) as pool:
        _checks(pool, after_memory="echo device ${GRANARY_DEVICES%%,*} reset dirty",
                return_test="echo still broken; exit 1")
        assert pool.run(kind="h20", devices=1)["state"] == "done"
        assert sorted(_health(pool).values()) == ["good", "repair"]
        device = next(device for device in pool.get("/v1/devices")["devices"]
                      if device["health"] == "repair")
        assert device["problem"] == "test: still broken", device
        assert pool.get(f"/v1/nodes/{_node(pool, 'h20')}")["state"] == "up"


def a_device_that_nobody_holds_is_reset_too():
    with Pool(pretend="2xh20", starts=False) as pool:
        # before.d speaks before the attempt has begun: it gives its device back, which is reset then.
        _checks(pool, before_look="test -e HERE/once && exit 0\n: >HERE/once\n"
                "echo device ${GRANARY_DEVICES%%,*} reset dirty",
                return_test="echo $GRANARY_DEVICES >>HERE/said\nuntil [ -e HERE/go ]; do sleep 0.02;"
                " done")
        job = pool.submit("true", kind="h20", devices=2, requeue={"attempts": 2, "on": ["node"]})
        until(lambda: os.path.exists(pool.folder + "/said"))
        assert pool.state_of(job) == "waiting" and "reset" in _health(pool).values()
        open(pool.folder + "/go", "w").close()
        assert pool.wait(job)["state"] == "done"
        assert _health(pool) == {0: "good", 1: "good"}
        assert len(lines_of(pool.folder + "/said")) == 1


def a_device_is_given_to_nobody_while_it_is_reset_whoever_says_that_it_is_well():
    with Pool(pretend="2xh20", starts=False) as pool:
        # The return of the node is about both devices, that from the reset about one.
        _checks(pool, before_look="test -e HERE/once && exit 0\n: >HERE/once\n"
                "echo device ${GRANARY_DEVICES%%,*} reset dirty",
                return_test="case $GRANARY_DEVICES in *,*) exit 0;; esac\n: >HERE/said\n"
                "until [ -e HERE/go ]; do sleep 0.02; done")
        job = pool.submit("true", kind="h20", devices=2, requeue={"attempts": 2, "on": ["node"]})
        until(lambda: os.path.exists(pool.folder + "/said"))
        node = _node(pool, "h20")
        _set(pool, node, "uncordon")
        until(lambda: pool.get(f"/v1/nodes/{node}")["state"] == "up")
        assert sorted(_health(pool).values()) == ["good", "reset"]
        assert pool.run(kind="h20", devices=1)["state"] == "done"
        assert pool.state_of(job) == "waiting"
        open(pool.folder + "/go", "w").close()
        assert pool.wait(job)["state"] == "done"
        assert _health(pool) == {0: "good", 1: "good"}


def what_a_script_wants_watched_goes_when_the_script_is_content():
    with Pool(pretend="1xh20", starts=False) as pool:
        _checks(pool, after_look="test -e HERE/loud && echo device $GRANARY_DEVICES watch it hums\n"
                "exit 0", before_look="exit 0")
        open(pool.folder + "/loud", "w").close()
        assert pool.run(kind="h20", devices=1)["state"] == "done"
        assert _health(pool) == {0: "watch"}
        assert pool.run(kind="h20", devices=1)["state"] == "done"
        assert _health(pool) == {0: "watch"}  # said again
        os.remove(pool.folder + "/loud")
        assert pool.run(kind="h20", devices=1)["state"] == "done"
        assert _health(pool) == {0: "good"}


def return_scripts_run_before_a_node_takes_work_again():
    with Pool(pretend="1xh20", starts=False) as pool:
        _checks(pool, return_look="echo $GRANARY_NODE >>HERE/said\n! test -e HERE/broken")
        node = _node(pool, "h20")
        _set(pool, node, "cordon")
        open(pool.folder + "/broken", "w").close()
        _set(pool, node, "uncordon")
        until(lambda: "exit code" in (pool.get(f"/v1/nodes/{node}")["why"] or ""))
        os.remove(pool.folder + "/broken")
        _set(pool, node, "uncordon")
        assert pool.run(kind="h20", devices=1)["state"] == "done"
        assert len(lines_of(pool.folder + "/said")) == 2


def a_job_that_ended_shows_where_it_ran_also_after_a_restart():
    with Pool(pretend="18xh20,2xh200") as pool:
        ran = pool.run(kind="h200", devices=1)
        gang = pool.run(kind="h20|h200", devices=2, tasks=9)  # on both nodes of H20
        assert [name.split("/")[-1] for name in ran["nodes"]] == ["h200"], ran
        assert sorted(name.split("/")[-1] for name in gang["nodes"]) == ["h20", "h20-2"], gang
        pool.restart()
        for job in (ran, gang):
            assert pool.get(f"/v1/jobs/{job['id']}")["nodes"] == job["nodes"]
        listed = {job["id"]: job["nodes"] for job in pool.get("/v1/jobs?all=true")["jobs"]}
        assert listed[ran["id"]] == ran["nodes"] and listed[gang["id"]] == gang["nodes"], listed


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
