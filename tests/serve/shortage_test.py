"""What a pool says where there is no room: which nodes lack what, what the nearest is, within 100
columns; and that a refusal leaves nothing behind. Run by meson with the program; by hand also with
the names of cases."""

import subprocess
import sys

from pool import NOBODY, Pool, cases_of, main, need_root, until


def _granary(pool, *words):
    return subprocess.run([Pool.program, words[0], "--server", "unix:" + pool.socket, *words[1:]],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          check=False)


def _refusal(pool, **spec):
    reply = pool.try_submit(**spec)
    assert reply.status == 422 and reply.error["code"] == "never", reply
    dry = pool.try_submit(dry=True, **spec).json()
    assert dry["would"] == "refuse" and dry["reason"]["text"] == reply.error["message"], dry
    return reply.error["message"].removeprefix("it would not fit even if the pool were empty: ")


def what_would_never_fit_says_what_the_largest_node_has():
    with Pool(pretend="8xh20,4xh200") as pool:
        assert _refusal(pool, kind="h20", devices=12) == "no node has 12 h20; the largest has 8"
        assert _refusal(pool, kind="h200", devices=8) == "no node has 8 h200; the largest has 4"
        said = _refusal(pool, kind="h20", devices=1, cpu=1000)
        assert said == "no node with h20 has 1000 cpus; the largest has 128 cpus", said
        said = _refusal(pool, kind="h20", devices=1, memory="64TiB")
        assert said == "no node with h20 has 65536 GiB of memory; the largest has 1024 GiB", said
        reply = pool.try_submit(kind="h20", devices=4, tasks=3)
        assert reply.error["message"].endswith("hold 2 of its 3 tasks"), reply
        assert reply.error["hint"] == "ask for at most 2 tasks", reply
        said = _refusal(pool, kind="h200", devices=4, cpu=65, tasks=1)
        assert "the largest has 64 cpus" in said, said
        done = _granary(pool, "submit", "--kind", "h20", "--devices", "12", "--", "true")
        assert done.returncode == 4, done
        assert "no node has 12 h20; the largest has 8" in done.stderr, done
        assert all(len(line) <= 100 for line in done.stderr.splitlines()), done.stderr


def what_waits_says_which_nodes_lack_what_and_what_would_fit():
    with Pool(pretend="8xh20,4xh200") as pool:
        running = pool.submit("sleep 1000", kind="h20", devices=6)
        pool.wait(running, "running")
        dry = pool.try_submit(dry=True, kind="h20", devices=6).json()
        assert dry["would"] == "wait", dry
        assert "1 is short of free devices" in dry["reason"]["text"], dry
        assert dry["reason"]["hint"] == "with 2 h20 a task it would fit now", dry
        waiting = pool.submit("true", kind="h20", devices=6)
        reason = pool.get(f"/v1/jobs/{waiting}")["reason"]
        assert reason["code"] == "no-room" and "not of its kind" in reason["text"], reason
        assert reason["hint"] == "with 2 h20 a task it would fit now", reason
        listed = pool.get("/v1/jobs")["jobs"][0]["reason"]
        assert listed["text"] == "waits until devices, cpu or memory are free", listed
        done = _granary(pool, "show", str(waiting))
        assert "short of free devices" in done.stdout, done
        assert "with 2 h20 a task" in done.stdout, done
        assert all(len(line) <= 100 for line in done.stdout.splitlines()), done.stdout
        reply = pool.ask("POST", "/v1/jobs?now=true", {"kind": "h20", "devices": 6,
                                                        "command": ["true"]})
        assert reply.status == 503 and reply.error["code"] == "no-capacity", reply
        assert reply.error["message"] == "1 job waits before it", reply


def kinds_are_tried_in_the_order_that_was_asked_for():
    with Pool(pretend="2xh20,2xh200,2xh100") as pool:
        def dry(kind, **spec):
            reply = pool.ask("POST", "/v1/jobs?dry_run=true",
                             {"command": ["true"], "kind": kind, "devices": 1, **spec})
            assert reply.status == 200, reply
            return reply.json()

        def run_on(kind):
            job = pool.ask("POST", "/v1/jobs",
                           {"command": ["sleep", "60"], "kind": kind, "devices": 2}).json()["id"]
            until(lambda: pool.get(f"/v1/jobs/{job}")["places"])
            shown = pool.get(f"/v1/jobs/{job}")
            return shown["places"][0]["node"], shown

        answer = dry("h200|h20|b200|h100")
        assert answer["would"] == "start now", answer
        assert answer["kind_order"] == "h200, then h20, then h100; not in this pool: b200", answer
        train = dry("cheapest:h20|h100", use="train")["kind_order"]
        assert train.startswith("cheapest first, by an hour of H100 work: h100 ("), train
        fast = dry("fastest:h20|h200|h100", use="serve")["kind_order"]
        assert fast == "fastest first, H100 being 1: h200 (1.27), then h100 (1.00), " \
                       "then h20 (0.38)", fast
        assert dry("h20|b200")["kind_order"] == "not in this pool: b200"
        first, shown = run_on("h200|h20")
        assert "h200" in first, shown
        assert shown["kind_order"] == "h200, then h20", shown
        second, _ = run_on("h200|h20")
        assert "h20" in second and "h200" not in second, second
        code, out, err = pool("show", str(shown["id"]))
        assert code == 0 and "h200, then h20" in out, (out, err)
        refused = pool.ask("POST", "/v1/jobs", {"command": ["true"], "kind": "b200|b300",
                                                "devices": 1})
        assert refused.status == 422 and refused.error["field"] == "kind", refused


def a_refused_submission_adds_no_user():
    need_root()
    with Pool(pretend="8xh20") as pool:
        before = pool.sequence()
        for body in ({"kind": "h20", "devices": 12, "command": "true"}, {"command": ""},
                     {"kind": "nothing-like-it", "devices": 1, "command": "true"},
                     {"after": {"999999": "ok"}, "command": "true"}):
            reply = pool.ask_as(NOBODY, "POST", "/v1/jobs", body)
            assert 400 <= reply.status < 500, reply
        assert pool.sequence() == before
        assert pool.ask_as(NOBODY, "POST", "/v1/jobs", {"command": "true"}).status == 201
        assert pool.sequence() > before


def what_is_declared_twice_is_refused():
    with Pool(pretend="2xh20") as pool:
        for number in range(2):
            declared = {"organisations": [{"name": f"lab{number}"}],
                        "users": [{"name": "uid-60000", "organisation": "lab0"}]}
            assert pool.ask("POST", "/v1/apply", declared).status == 200
        node = pool.get("/v1/nodes?site=pretend")["nodes"][0]["name"]
        before = pool.sequence()
        for states in (("up", "drained"), ("drained", "up"), ("drained", "drained")):
            declared = {"nodes": [{"name": node, "state": state} for state in states]}
            reply = pool.ask("POST", "/v1/apply", declared)
            assert reply.status == 422 and "twice" in reply.error["message"], reply
        for declared in ({"organisations": [{"name": "lab0"}] * 2},
                         {"users": [{"name": "uid-60000", "organisation": f"lab{number}"}
                                    for number in range(2)]}):
            reply = pool.ask("POST", "/v1/apply", declared)
            assert reply.status == 422 and "twice" in reply.error["message"], reply
        assert pool.sequence() == before


def a_declaration_for_which_there_is_no_room_changes_nothing():
    with Pool("--max-organisations", "4") as pool:
        before = pool.sequence()
        many = [{"name": f"lab{number}"} for number in range(5)]
        few = many[:2]
        users = [{"name": f"uid-{60000 + number}", "organisation": "lab0"}
                 for number in range(70000)]
        for declared, field in (({"organisations": many}, "organisations"),
                                ({"organisations": few, "users": users}, "users"),
                                ({"organisations": [*few, few[0]]}, "organisations[2].name"),
                                ({"organisations": few, "users": [users[0], users[0]]}, "users")):
            for query in ("?dry_run=true", ""):
                reply = pool.ask("POST", "/v1/apply" + query, declared)
                assert reply.status == 422 and reply.error["field"] == field, reply
        assert pool.sequence() == before
        reply = pool.ask("POST", "/v1/apply", {"organisations": few, "users": users[:2]})
        assert reply.status == 200 and len(reply.json()["changed"]) == 4, reply
        assert len(pool.ask("POST", "/v1/apply", {"organisations": many[2:4]}).error) > 0


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
