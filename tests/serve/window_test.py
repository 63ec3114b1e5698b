"""Calendar reservations and maintenance of a live pool: set, shown, opened and closed by time, kept
over a restart, ended; whose work starts and whose is asked to go. Run by meson with the program; by
hand also with the names of cases."""

import json
import sys
import time

from pool import Pool, cases_of, main, until

DECLARED = """\
organisations:
  - name: lab
queue: {notice: 1s}
"""


def _apply(pool):
    path = f"{pool.folder}/declared.yaml"
    with open(path, "w") as file:
        file.write(DECLARED)
    code, out, err = pool("apply", "-f", path)
    assert code == 0, (out, err)


def _reserve(pool, *words, code=0):
    got, out, err = pool("reserve", *words)
    assert got == code, (words, got, out, err)
    return out if code == 0 else err


def _window(pool, name):
    rows = [row for row in pool.get("/v1/windows")["windows"] if row["name"] == name]
    return rows[0] if rows else None


def _node(pool):
    return next(row for row in pool.get("/v1/nodes")["nodes"] if row["devices"] == 8)


def maintenance_opens_and_closes_by_itself():
    with Pool() as pool:
        node = _node(pool)["name"]
        out = _reserve(pool, "create", "firmware", "--maintenance", "--nodes", node, "--from",
                       "+2s", "--length", "3s")
        assert "firmware" in out and "nobody who runs there now" in out, out
        assert _window(pool, "firmware")["node_count"] == 1
        assert "firmware" in _reserve(pool, "list")
        until(lambda: _node(pool)["state"] == "drained")
        assert _node(pool)["window"] == "firmware" and _window(pool, "firmware")["open"]
        endless = pool.submit(command=["true"], devices=8, kind="h20")
        until(lambda: _node(pool)["state"] == "up")
        assert _window(pool, "firmware") is None
        assert pool.wait(endless)["state"] == "done"


def work_that_does_not_end_in_time_waits_and_work_in_the_way_goes():
    with Pool() as pool:
        _apply(pool)
        node = _node(pool)["name"]
        runs = pool.submit(command=["sleep", "100"], devices=8, kind="h20",
                           requeue={"attempts": 2, "on": ["reclaim"]})
        until(lambda: pool.state_of(runs) == "running")
        planned = json.loads(_reserve(pool, "create", "course", "--for", "lab", "--nodes", node,
                                      "--from", "+4s", "--length", "3s", "--dry-run", "-o", "json"))
        assert planned["hits"] == [runs] and planned["devices"] == 8, planned
        assert _window(pool, "course") is None
        _reserve(pool, "create", "course", "--for", "lab", "--nodes", node, "--from", "+4s",
                 "--length", "3s")
        until(lambda: pool.get(f"/v1/jobs/{runs}").get("attempt", 0) == 1
              and pool.state_of(runs) == "waiting")
        until(lambda: _window(pool, "course") is None)
        until(lambda: pool.state_of(runs) == "running")
        pool.stop(runs)


def windows_outlive_a_restart_and_can_be_ended():
    with Pool() as pool:
        _reserve(pool, "create", "nightly", "--maintenance", "--devices", "8", "--kind", "h20",
                 "--from", "+1h", "--length", "1h", "--every", "1d", "--times", "3")
        before = pool.get("/v1/windows/nightly")
        assert before["times_left"] == 3 and before["every_ms"] == 86400000, before
        pool.restart()
        assert pool.get("/v1/windows/nightly") == before
        assert "would end nightly" in _reserve(pool, "end", "nightly", "--dry-run")
        assert "ended nightly" in _reserve(pool, "end", "nightly")
        assert pool.get("/v1/windows") == {"windows": []}
        assert "no window 'nightly'" in _reserve(pool, "end", "nightly", code=3)


def what_cannot_be_is_refused_with_its_field():
    with Pool() as pool:
        good = {"name": "w", "maintenance": True, "start_ms": int(time.time() * 1000) + 3600000,
                "length_ms": 3600000, "nodes": [_node(pool)["name"]]}
        for change, field in (({"name": "a b"}, "name"), ({"start_ms": 1000}, "start_ms"),
                              ({"length_ms": 0}, "length_ms"), ({"length_ms": -1}, "length_ms"),
                              ({"every_ms": 1000}, "every_ms"), ({"nodes": ["nowhere"]}, "nodes"),
                              ({"nodes": []}, "devices"), ({"times": 0}, "times"),
                              ({"nodes": [], "devices": 1, "kind": "nosuch"}, "kind"),
                              ({"nodes": [], "devices": 99999}, "devices"),
                              ({"maintenance": False}, "organisation"),
                              ({"maintenance": False, "organisation": "nosuch"}, "organisation"),
                              ({"until_ms": 5}, "until_ms")):
            reply = pool.ask("POST", "/v1/windows", {**good, **change})
            assert reply.status == 422, (change, reply)
            assert reply.error["field"] == field, (change, reply)
        assert pool.ask("POST", "/v1/windows", good).status == 201
        reply = pool.ask("POST", "/v1/windows", {**good, "name": "other"})
        assert reply.status == 422 and reply.error["field"] == "nodes", reply
        assert pool.get("/v1/windows")["windows"][0]["name"] == "w"
        assert "found 'later'" in _reserve(pool, "create", "x", "--maintenance", "--from", "later",
                                           "--length", "1h", "--devices", "1", code=2)


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
