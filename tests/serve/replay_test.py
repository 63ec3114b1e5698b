"""A live pool is recorded, exported, and replays to the same decisions. Run by meson with the
program; by hand also with the names of cases."""

import json
import os
import random
import sys
import time

from pool import NOBODY, Pool, cases_of, main, until

DAY = """\
organisations:
  - {name: lab, quotas: [{kind: h20, nominal: 6}, {kind: h200, nominal: 2, borrow: 1}]}
  - {name: vision, parent: lab, weight: 2000, quotas: [{kind: h20, nominal: 4, lend: 2}]}
  - {name: guests, limits: {running: 40}}
queue: {notice: 1s, half-life: 10s, reclaim: [borrowed, priority]}
"""
USERS = f"""\
users:
  - {{name: uid-{NOBODY}, organisation: vision}}
  - {{name: uid-2, organisation: guests}}
"""
SPECS = [
    {"kind": "h20", "devices": 1, "limit": "1m"},
    {"kind": "h20", "devices": 2},
    {"kind": "h20", "devices": 4, "priority": 120},
    {"kind": "h200", "devices": 1, "limit": "30s"},
    {"kind": "h20|h200", "devices": 1},
    {"kind": "h20", "devices": 2, "tasks": 3, "limit": "20s"},
    {"devices": 0},
    {"kind": "h20", "devices": 6, "priority": 90},
]


def _apply(pool, text):
    path = os.path.join(pool.folder, "declared.yaml")
    with open(path, "w") as file:
        file.write(text)
    code, out, err = pool("apply", "-f", path)
    assert code == 0, (out, err)


def _post(pool, uid, specs):
    """Ids of what somebody submits at once; as root others may be meant, too."""
    body = "".join(json.dumps(spec) + "\n" for spec in specs)
    headers = {"Content-Type": "application/x-ndjson"}
    reply = (pool.ask("POST", "/v1/jobs", body, headers) if uid is None
             else pool.ask_as(uid, "POST", "/v1/jobs", body, **headers))
    assert reply.status in (200, 201), reply
    wrong = [line for line in reply.lines() if "id" not in line]
    assert not wrong, wrong[:3]
    return [line["id"] for line in reply.lines()]


def _burst(draw, size):
    """A handful of specs: short, some failing, an array now and then."""
    specs = []
    for _ in range(size):
        spec = dict(draw.choice(SPECS))
        last = draw.choice(["", "", "", "exit 3"])
        spec["command"] = ["sh", "-c", f"sleep {draw.randrange(1, 12) / 100}; {last}"]
        if draw.random() < 0.1:
            spec["array"] = "0-3%2"
        if draw.random() < 0.3:
            spec["requeue"] = {"attempts": 2, "on": ["failed", "reclaim"]}
        specs.append(spec)
    return specs


def _live_day(pool, draw, bursts, size):
    """What happens to a pool on its day."""
    uids = [None, NOBODY, 2] if os.geteuid() == 0 else [None]
    ids = []
    for burst in range(bursts):
        ids += _post(pool, draw.choice(uids), _burst(draw, size))
        if burst % 4 == 1:
            pool.submit("sleep 0.05", after=[{"job": ids[-1], "how": "any"}])
        if burst % 5 == 2:
            pool.stop(draw.choice(ids))
        if burst % 7 == 3:
            assert pool("drain", pool.get("/v1/nodes")["nodes"][0]["name"])[0] == 0
            _post(pool, None, _burst(draw, 2))
            assert pool("uncordon", pool.get("/v1/nodes")["nodes"][0]["name"])[0] == 0
        if burst == bursts // 2:
            pool.restart()  # kill -9
            half = int(time.time())
    until(lambda: pool.get("/v1/pool")["jobs"]["waiting"] == 0)
    until(lambda: pool.get("/v1/pool")["jobs"]["running"] == 0)
    return half


def _replay(pool, path, *words, code=0):
    got, out, err = pool("replay", path, *words, "-o", "json")
    assert got == code, (got, out[:2000], err)
    return json.loads(out)


def a_recorded_day_replays_to_the_same_decisions():
    draw = random.Random(7)
    with Pool(pretend="8xh20,4xh200") as pool:
        _apply(pool, DAY + (USERS if os.geteuid() == 0 else ""))
        half = _live_day(pool, draw, 24, 12)
        path = pool.path("day.trace")
        code, out, err = pool("export", "trace", "--state", pool.state, path)
        assert code == 0, err
        same = _replay(pool, path, "--verify")
        assert same["same"] and same["differences"] == [], same
        assert same["recorded"]["started"] > 250, same["recorded"]
        assert same["replay"]["digest"] == pool.journal("digest")["digest"]
        other = _replay(pool, path, "--queue", "fifo")
        assert other["changed"] and other["differences"], "another order decides otherwise"
        assert {row["how"] for row in other["differences"]} >= {"another time"}, other
        part = pool.path("part.trace")
        code, out, err = pool("export", "trace", "--state", pool.state, "--from", str(half), part)
        assert code == 0, err
        rest = _replay(pool, part, "--verify")
        assert rest["same"] and 0 < rest["recorded"]["started"] < same["recorded"]["started"], rest
        assert pool("export", "trace", "--state", pool.state, part)[0] == 2, "it is there already"
        table = pool("replay", path)[1]
        assert "The same decisions" in table and max(map(len, table.splitlines())) <= 100, table


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
