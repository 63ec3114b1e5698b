"""Metrics of a live pool: OpenMetrics that every scraper takes, and figures that are those of what
happened. Run by meson with the program; by hand also with the names of cases."""

import os
import sys

import openmetrics
from pool import Pool, cases_of, main, until


def _metrics(pool):
    reply = pool.ask("GET", "/metrics")
    assert reply.headers["Content-Type"].startswith("application/openmetrics-text"), reply
    return openmetrics.parse(reply.body.decode())


def _value(families, family, sample, **labels):
    for name, have, value in families[family][1]:
        if name == sample and have == labels:
            return value
    raise AssertionError(f"no {sample} {labels} in {families[family]}")


def _apply(pool, text):
    path = os.path.join(pool.folder, "declared.yaml")
    with open(path, "w") as file:
        file.write(text)
    code, out, err = pool("apply", "-f", path)
    assert code == 0, (out, err)


def the_reader_objects_to_what_is_wrong():
    head = "# TYPE a counter\n# HELP a b\n"
    assert openmetrics.parse(head + 'a_total{x="\\"\\n"} 1\n# EOF\n')
    assert openmetrics.parse("# TYPE h histogram\n# HELP h b\n"
                             'h_bucket{le="1.0"} 1\nh_bucket{le="+Inf"} 2\nh_count 2\n# EOF\n')
    for wrong in (head + "a_total 1\n", head + "a 1\n# EOF\n", head + "a_total 1\na_total 2\n# EOF\n",
                  head + "b_total 1\n# EOF\n", head + 'a_total{x="1"y="2"} 1\n# EOF\n',
                  head + 'a_total{x="\n"} 1\n# EOF\n', head + "a_total -1\n# EOF\n",
                  "# TYPE a counter\na_total 1\n# EOF\n", head + "a_total 1\n" + head + "# EOF\n",
                  "# TYPE a gauge\n# UNIT a seconds\n# HELP a b\na 1\n# EOF\n",
                  "# TYPE h histogram\n# HELP h b\n"
                  'h_bucket{le="1.0"} 3\nh_bucket{le="+Inf"} 2\nh_count 2\n# EOF\n'):
        try:
            openmetrics.parse(wrong)
        except openmetrics.Wrong:
            continue
        raise AssertionError(f"taken: {wrong!r}")


def all_there_is_can_be_read():
    with Pool() as pool:
        _apply(pool, "organisations:\n  - {name: lab-1.x, "
                     "quotas: [{kind: h20, nominal: 2}, {kind: h200, nominal: 1}]}\n")
        pool.run()
        families = _metrics(pool)
        assert _value(families, "granary_quota_nominal_devices", "granary_quota_nominal_devices",
                      organisation="lab-1.x", variant="nv-h20-96") == 2
        assert _value(families, "granary_jobs_placed", "granary_jobs_placed_total") == 1
        created = _value(families, "granary_jobs_placed", "granary_jobs_placed_created")
        assert created > 1e9, created
        assert _value(families, "granary_wait_seconds", "granary_wait_seconds_count") == 1


def what_was_taken_by_priority_is_counted_with_what_it_lost():
    with Pool(pretend="8xh20") as pool:
        org = pool.get("/v1/whoami")["organisation"]
        _apply(pool, f"organisations: [{{name: {org}, quotas: [{{kind: h20, nominal: 8}}]}}]\n"
                     "queue: {notice: 20s, reclaim: [borrowed, priority]}\n")
        low = pool.submit("sleep 1000", kind="h20", devices=8, priority=50,
                          requeue={"attempts": 2, "on": ["reclaim"]})
        pool.wait([low], "running")
        high = pool.submit("sleep 1000", kind="h20", devices=4, priority=200)
        pool.wait([high], "running")
        families = _metrics(pool)
        preempted = {why: _value(families, "granary_jobs_preempted", "granary_jobs_preempted_total",
                                 why=why) for why in ("borrowed", "priority", "node")}
        assert preempted == {"borrowed": 0, "priority": 1, "node": 0}, preempted
        lost = _value(families, "granary_lost_device_seconds", "granary_lost_device_seconds_total",
                      why="priority")
        assert 0 < lost < 8 * 120, lost
        names = ("nominal", "used", "borrowed", "lent")
        figures = [_value(families, f"granary_quota_{name}_devices", f"granary_quota_{name}_devices",
                          organisation=org, variant="nv-h20-96") for name in names]
        assert figures == [8, 4, 0, 0], figures


def what_is_borrowed_is_what_others_lend():
    with Pool(pretend="8xh20") as pool:
        org = pool.get("/v1/whoami")["organisation"]
        _apply(pool, f"organisations: [{{name: {org}, quotas: [{{kind: h20, nominal: 2}}]}}, "
                     "{name: lab, quotas: [{kind: h20, nominal: 6}]}]\n")
        job = pool.submit("sleep 1000", kind="h20", devices=7)
        pool.wait([job], "running")
        families = _metrics(pool)
        for name, who, want in (("borrowed", org, 5), ("lent", "lab", 5), ("lent", org, 0)):
            family = f"granary_quota_{name}_devices"
            got = _value(families, family, family, organisation=who, variant="nv-h20-96")
            assert got == want, (name, who, got)


def estimates_that_were_checked_are_counted_over_a_restart():
    with Pool(pretend="8xh20") as pool:
        first = pool.submit("sleep 1000", kind="h20", devices=8, limit="1h")
        pool.wait([first], "running")
        job = pool.submit("sleep 1000", kind="h20", devices=4)
        until(lambda: pool.get("/v1/estimates")["watched"] == 1)
        pool.stop(first)
        pool.wait([job], "running")
        for _ in range(2):
            families = _metrics(pool)
            assert _value(families, "granary_estimates", "granary_estimates", outcome="early") == 1
            assert _value(families, "granary_estimates_checked",
                          "granary_estimates_checked_total") == 1
            pool.end()
            pool.start()


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
