"""Why a job waits, on a live pool: too few free devices, another job, a quota, a job that is not there.
Run by meson with the program; by hand also with the names of cases."""

import json
import os
import sys

from pool import Pool, cases_of, main, until


def _why(pool, job):
    code, out, err = pool("why", str(job), "-o", "json")
    assert code == 0, (code, out, err)
    return json.loads(out)


def _page(pool, job):
    code, out, err = pool("why", str(job))
    assert code == 0, (code, out, err)
    assert all(len(line) <= 100 for line in out.splitlines()), out
    return out


def too_few_free_devices_are_counted_and_fewer_start_at_once():
    with Pool(pretend="8xh20") as pool:
        pool.wait([pool.submit("sleep 1000", kind="h20", devices=6, limit="1h")], "running")
        job = pool.submit("sleep 1000", kind="h20", devices=4)
        why = _why(pool, job)
        assert why["reason"]["code"] == "no-room" and why["position"] == 1, why
        lost = {row["filter"]: row["nodes"] for row in why["nodes"]}
        assert lost["devices"] == 1 and lost["fits"] == 0, why
        change = why["changes"][0]
        assert (change["change"], change["to"], change["options"]) == (
            "fewer-devices", 2, "--devices 2"), why
        assert why["estimate"]["guessed"] is False, why
        page = _page(pool, job)
        assert "granary submit --devices 2 ..." in page and "may start" in page, page
        fewer = pool.submit("sleep 1000", kind="h20", devices=2)
        assert pool("stop", str(job))[0] == 0
        pool.wait([fewer], "running")
        assert _why(pool, fewer)["reason"]["code"] == "running"
        assert _why(pool, job)["state"] == "stopped"


def a_held_job_names_its_reason():
    with Pool(pretend="8xh20") as pool:
        first = pool.submit("sleep 1000")
        pool.wait([first], "running")
        held = pool.submit("true", after={str(first): "ok"})
        why = _why(pool, held)
        assert why["reason"]["code"] == "after" and why["position"] is None, why
        assert "waits for other jobs" in _page(pool, held)


def a_quota_is_named_with_figures():
    with Pool(pretend="8xh20") as pool:
        org = pool.get("/v1/whoami")["organisation"]
        path = os.path.join(pool.folder, "quota.yaml")
        with open(path, "w") as file:
            file.write(f"organisations: [{{name: {org}, "
                       "quotas: [{kind: h20, nominal: 4, borrow: 1}]}]\n")
        code, out, err = pool("apply", "-f", path)
        assert code == 0, err
        pool.wait([pool.submit("sleep 1000", kind="h20", devices=3)], "running")
        job = pool.submit("sleep 1000", kind="h20", devices=4)
        why = _why(pool, job)
        assert why["reason"]["code"] == "quota", why
        limit = why["limit"]
        assert (limit["bound"], limit["organisation"], limit["limit"], limit["now"],
                limit["asked"]) == ("quota", org, 5, 3, 4), why
        assert why["changes"][0]["options"] == "--devices 2", why
        assert f"{org} may have 5 nv-h20-96, has 3" in _page(pool, job)


def what_was_said_of_a_start_is_checked_when_it_comes():
    with Pool(pretend="8xh20") as pool:
        first = pool.submit("sleep 1000", kind="h20", devices=8, limit="1h")
        pool.wait([first], "running")
        job = pool.submit("sleep 1000", kind="h20", devices=4)
        until(lambda: pool.get("/v1/estimates")["watched"] == 1)
        why = _why(pool, job)
        assert why["estimate"]["from"] == "convention", why
        assert why["estimate"]["convention"]["latest_ms"] == why["estimate"]["latest_ms"], why
        assert why["estimates"] == {"checked": 0, "inside_percent": None, "error_percent": None,
                                    "stated_percent": 80}, why
        assert "no estimates have been checked yet" in _page(pool, job)
        pool.end()
        pool.start()
        assert pool.get("/v1/estimates")["watched"] == 1
        assert pool("stop", str(first))[0] == 0
        pool.wait([job], "running")
        estimates = pool.get("/v1/estimates")
        assert (estimates["checked"], estimates["early"], estimates["watched"]) == (1, 1, 0), estimates
        assert sum(step["count"] for step in estimates["steps"]) == 1, estimates
        assert all(band["from"] == "convention" for band in estimates["bands"]), estimates
        waits = pool.submit("sleep 1000", kind="h20", devices=8)
        said = "of the last 1 estimates 0 % started within the band; median error -"
        assert said in _page(pool, waits), _page(pool, waits)
        code, out, err = pool("queue")
        assert code == 0 and said in out, (code, out, err)


def whom_a_higher_priority_would_stop_is_named_with_what_is_lost():
    with Pool(pretend="8xh20") as pool:
        org = pool.get("/v1/whoami")["organisation"]
        path = os.path.join(pool.folder, "quota.yaml")
        with open(path, "w") as file:
            file.write(f"organisations: [{{name: {org}, quotas: [{{kind: h20, nominal: 8}}]}}]\n"
                       "queue: {notice: 20s, reclaim: [priority]}\n")
        code, out, err = pool("apply", "-f", path)
        assert code == 0, err
        low = pool.submit("sleep 1000", kind="h20", devices=6, priority=120)
        pool.wait([low], "running")
        job = pool.submit("sleep 1000", kind="h20", devices=4)
        evicts = _why(pool, job)["evicts"]
        assert (evicts["by"], evicts["priority"], evicts["jobs"], evicts["devices"],
                evicts["notice_ms"], evicts["first"]) == ("priority", 121, 1, 6, 20000, [low]), evicts
        page = " ".join(_page(pool, job).split())
        assert "1 job with 6 devices" in page and "with priority 121" in page, page
        high = pool.submit("sleep 1000", kind="h20", devices=4, priority=121)
        pool.wait([high], "running")
        assert pool.state_of(low) not in ("running", "starting"), pool.job(low)


def a_job_that_is_not_there_is_an_error():
    with Pool(pretend="8xh20") as pool:
        code, out, err = pool("why", "4711")
        assert code == 3 and out == "" and "4711" in err, (code, out, err)


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
