"""`granary replay` as a user meets it: what it prints, and its exit code for what goes wrong.

Run by meson with the program as its only argument.
"""

import csv
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
OPENB = ROOT / "tests/data/openb"
GRANARY = ""

NODES = "name,kind,devices,cpu_milli,memory_mib\nn0,a,2,64000,1000\nn1,b,4,64000,1000\n"
JOBS = "submit,duration,devices,cpu,memory,kind\n0,10,2,1000,10,a\n1,20,8,1000,10,\n2,5,1,1,1,b\n"
PODS = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\np0,1,1,1,300,a|b\np1,1,1,2,1000,\n"


def run(*words):
    """Runs the command; returns exit code, output, errors."""
    done = subprocess.run([GRANARY, "replay", *map(str, words)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def succeeds(*words):
    code, out, err = run(*words)
    assert code == 0 and err == "", (words, code, err)
    return out


def fails(words, text):
    """The command ends with 2, prints nothing, and says exactly `text`."""
    code, out, err = run(*words)
    assert code == 2 and out == "", (words, code, out, err)
    assert err == f"granary replay: {text}\n", (words, err)


class Files:
    """A folder with small files: f = Files(nodes=..., jobs=...); f.nodes is a path."""

    def __init__(self, **contents):
        self.folder = tempfile.TemporaryDirectory()
        for name, content in contents.items():
            path = Path(self.folder.name, name)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            setattr(self, name, path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()


def openb_words(*more):
    return ("--nodes", OPENB / "openb_node_list_gpu_node.csv",
            "--jobs", OPENB / "openb_pod_list_default.csv",
            "--order", OPENB / "arrivals/order_default.dat",
            "--node-ranks", OPENB / "arrivals/noderank_default.dat", *more)


def a_recorded_openb_run_gives_the_published_number():
    rows = json.loads(succeeds(*openb_words("--seed", 42, "--policy", "fgd,bestfit", "--verify",
                                            "-o", "json")))
    assert [row["policy"] for row in rows] == ["fgd", "bestfit"]
    assert [round(row["allocation"], 2) for row in rows] == [95.14, 92.94], rows
    assert [round(row["fragmentation"], 2) for row in rows] == [4.83, 6.99], rows
    assert rows[0]["arrived"] == 10866 == rows[0]["started"] + rows[0]["dropped"]
    assert rows[0]["delay_mean_s"] is None and rows[0]["utilisation"] is None
    assert len(rows[0]["digest"]) == 64 and rows[0]["digest"] != rows[1]["digest"]
    curve = {point["load"]: point["allocation"] for point in rows[0]["curve"]}
    assert 94.9 < curve[95] < 95 and len(curve) == 131


def fewer_arrivals_are_asked_for_by_number():
    rows = json.loads(succeeds(*openb_words("--arrivals", 100, "-p", "fgd", "-o", "json")))
    assert rows[0]["arrived"] == 100 and rows[0]["dropped"] == 0


def the_benchmark_says_how_near_each_policy_comes():
    rows = json.loads(succeeds("--bench", "openb", OPENB, "-p", "fgd", "-p", "random",
                               "-o", "json"))
    assert [set(row) for row in rows] == [{"trace", "policy", "seeds", "mean_at_100",
                                           "published_at_100", "max_difference",
                                           "ceiling_at_100", "seeds_better"}] * 2
    fgd, random = rows
    assert fgd["trace"] == "default" and fgd["seeds"] == 1
    assert fgd["published_at_100"] == 95.14 and fgd["max_difference"] <= 0.011
    assert fgd["mean_at_100"] < fgd["ceiling_at_100"] < 100 and fgd["seeds_better"] == 0
    assert random["published_at_100"] is None and random["max_difference"] is None
    table = succeeds("--bench", "openb", OPENB, "--threads", 1, "--ceiling", "none", "--seed", 42)
    assert max(map(len, table.splitlines())) <= 100
    assert "bestfit" in table and "firstfit" not in table


def a_queue_says_how_long_jobs_waited():
    with Files(nodes=NODES, jobs=JOBS) as f:
        words = ("--nodes", f.nodes, "--jobs", f.jobs, "-p", "bestfit", "--verify")
        (row,) = json.loads(succeeds(*words, "-o", "json"))
        # 8 devices on nodes of 4 are a gang of 2 x 4, and only one node has 4: dropped.
        assert (row["started"], row["dropped"], row["waiting"]) == (2, 1, 0), row
        assert row["delay_max_s"] == 0 and row["makespan_s"] == 10
        (row,) = csv.DictReader(io.StringIO(succeeds(*words, "-o", "csv", "--queue", "backfill")))
        assert row["policy"] == "bestfit" and "curve" not in row and row["makespan_s"] == "10"
        table = succeeds(*words, "--timing")
        assert max(map(len, table.splitlines())) <= 100
        assert "2 nodes, 6 devices; 3 jobs, 3 arrivals over 2.0 s" in table, table
        assert "job 2 of the file: 2 tasks of 4" in table, table


def the_output_is_the_same_twice_and_needs_no_order_of_rows():
    with Files(nodes=NODES, jobs=JOBS,
               other="\n".join([JOBS.splitlines()[0], *JOBS.splitlines()[:0:-1]]) + "\n") as f:
        first, second, other = (
            succeeds("--nodes", f.nodes, "--jobs", jobs, "-p", "all", "-o", "json")
            for jobs in (f.jobs, f.jobs, f.other))
        assert first == second
        strip = lambda text: [{k: v for k, v in row.items() if k != "digest"}
                              for row in json.loads(text)]
        assert strip(first) == strip(other)


def maps_come_in_pieces():
    with Files(jobs="at,n\n2017-10-09 07:01:55,16\n") as f:
        words = ("--pool", "2x8xg", "--jobs", f.jobs, "-p", "fgd", "-o", "json",
                 "--map", "submit=at,devices=n", "--map", "duration=default:1500:ms",
                 "--map", "cpu_per_device=default:4:cpus,memory=default:1:gib")
        (row,) = json.loads(succeeds(*words))
        assert row["started"] == 1 and row["makespan_s"] == 1.5, row


def a_report_is_one_page_of_its_own():
    with Files(nodes=NODES, jobs=JOBS) as f:
        page = Path(f.folder.name, "out.html")
        succeeds("--nodes", f.nodes, "--jobs", f.jobs, "--report", page, "-p", "bestfit,fgd")
        text = page.read_text()
        assert text.startswith("<!") and "<svg" in text and "bestfit" in text


def a_report_that_cannot_be_written_does_not_cost_the_results():
    with Files(nodes=NODES, jobs=JOBS) as f:
        words = ("--nodes", f.nodes, "--jobs", f.jobs, "-o", "csv")
        for page, want in ("/nonexistent/x", 2), ("/dev/full", 1):
            code, out, err = run(*words, "--report", page)
            assert code == want and out == succeeds(*words), (page, code, out)
            assert err.startswith(f"granary replay: write {page}: ") and err.count("\n") == 1, err


def a_command_that_is_not_there_is_safe_to_print():
    done = subprocess.run([GRANARY, "a\x1b[31m"], stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 2 and b"\x1b" not in done.stderr, done.stderr
    with open("/dev/full", "wb") as full:
        done = subprocess.run([GRANARY, "help"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1 and b"No space left" in done.stderr, done


def the_help_fits_a_terminal_and_explains_the_json():
    out = succeeds("--help")
    asked = subprocess.run([GRANARY, "help", "replay"], stdout=subprocess.PIPE, timeout=60)
    assert asked.stdout.decode() == out and asked.returncode == 0
    assert max(map(len, out.splitlines())) <= 100
    for word in ("seeds_better", "max_difference", "--map", "--queue", "--report", "--bench"):
        assert word in out, word
    with Files(nodes=NODES, jobs=JOBS) as f:
        _, _, err = run("--nodes", f.nodes, "--jobs", f.jobs, "--policy", "nope")
    names = err.partition("expected ")[2].replace(", or all", "").strip().split(", ")
    assert len(names) == 8, err
    for name in names:
        assert name in out.partition("--policy")[2].partition("--queue")[0], name


def a_wrong_command_line_says_what_to_do():
    with Files(nodes=NODES, jobs=JOBS, pods=PODS, order="42 0 1\n") as f:
        fails((), "found no nodes, expected --nodes FILE or --pool SPEC")
        fails(("--nodes", f.nodes), "found no jobs, expected --jobs FILE")
        fails(("--nodes", f.nodes, "--pool", "1x1xa", "--jobs", f.jobs),
              "found both --nodes and --pool, expected --nodes FILE or --pool SPEC")
        fails(("--nodes", f.nodes, "--jobs", f.jobs, "--trace", "x"),
              "found --trace, expected it with --bench only")
        fails(("--nodes", f.nodes, "--jobs", f.jobs, "--arrivals", 1),
              "found --arrivals, expected it with --order only")
        fails(("--nodes", f.nodes, "--jobs", f.jobs, "--seed", "-1"),
              "found the seed '-1', expected a whole number from 0")
        fails(("--nodes", f.nodes, "--jobs", f.jobs, "-p", "fgd,fgd"),
              "found the policy fgd twice, expected it once")
        fails(("--nodes", f.nodes, "--jobs", f.pods, "--queue", "fifo", "-p", "fgd"),
              "found --queue for jobs that never leave, expected it only for a trace with durations")
        fails(("--nodes", f.nodes, "--jobs", f.jobs, "--order", f.order, "-p", "fgd"),
              f"{f.order}: found an order for jobs that have times of their own, expected one only "
              "where no job leaves")
        fails(("--nodes", f.nodes, "--jobs", f.jobs, "--map", "cpu=x,cpu=y"),
              "map entry 'cpu=y': expected one column a field")
        fails(("--bench", "openb"), "--bench openb: expected one folder after it")
        code, out, err = run("--nodes", f.nodes, "--jobs", f.jobs, "-p", "fdg")
        assert code == 2 and "found the policy 'fdg', expected " in err and "fgd" in err, err
        code, out, err = run("--bench", "openb", OPENB, "--jobs", f.jobs)
        assert code == 2 and "option of a single replay" in err, err
        code, out, err = run("--bench", "openb", OPENB, "--trace", "defualt")
        assert code == 2 and "there is no trace 'defualt'" in err, err


def wrong_files_are_refused_with_their_place():
    good = {"nodes": NODES, "jobs": PODS, "order": "42 0 1 0\n", "ranks": "42 1 0\n"}
    cases = [
        ("nodes", "name,kind,gpus,cpu_milli,memory_mib\nn,a,1,1,1\n", ":1:11: "),  # wrong column
        ("nodes", NODES + "n2,a,17,1,1\n", ":4:6: column 'devices': found '17', "),
        ("nodes", NODES + "n2,a,1,-1,1\n", ":4:8: column 'cpu_milli': found '-1', "),
        ("nodes", NODES + "n2,a,1,1,99999999999999999999\n", ":4:10: column 'memory_mib': "),
        ("nodes", NODES + "n2,a,1,1", ":4:1: found a last line that is cut off"),
        ("nodes", NODES.encode() + b"n\xff,a,1,1,1\n", ":4:2: found the byte 0xff, "),
        ("nodes", NODES.encode() + b"n\0,a,1,1,1\n", ":4:2: found a NUL character, "),
        ("nodes", "", ":1:1: found an empty file, "),
        ("jobs", PODS + "p2,1,1,1,300,h200\n", ":4:14: column 'gpu_spec': found the kind 'h200', "),
        ("jobs", PODS + "p2,1,1,17,1000,\n", ":4:8: column 'num_gpu': found 17 devices "),
        ("jobs", PODS + "p2,1,1,1,1001,\n", ":4:10: column 'gpu_milli': found '1001', "),
        ("jobs", PODS + "p2,1,1,1", ":4:1: found a last line that is cut off"),
        ("jobs", PODS.encode() + b"p2,1,1,1,300,\xc3(\n", ":4:14: found the byte 0xc3, "),
        ("jobs", PODS.encode() + b"p2,1,1,1,300,\0\n", ":4:14: found a NUL character, "),
        ("jobs", "", ":1:1: found an empty file, "),
        ("order", "42 0 2\n", ":1:6: found '2', expected a whole number from 0 to 1"),
        ("order", "43 0 1\n", ":1:1: found no line of seed 42, "),
        ("order", "42 0 1 \n", ":1:8: found a blank at the end, "),
        ("order", "", ":1:1: found no line of seed 42, "),
        ("ranks", "42 1 1\n", ": seed 42: found 2 ranks, 1 of them different, "),
        ("ranks", "42 1\n", ": seed 42: found 1 ranks, 1 of them different, "),
        ("ranks", "", ":1:1: found no line of seed 42, "),
    ]
    for which, content, place in [(None, "", "")] + cases:
        with Files(**{**good, **({which: content} if which else {})}) as f:
            code, out, err = run("--nodes", f.nodes, "--jobs", f.jobs, "--order", f.order,
                                 "--node-ranks", f.ranks, "-p", "bestfit")
            if which is None:
                assert code == 0, err
                continue
            assert code == 2 and out == "", (which, content, code, err)
            start = f"granary replay: {getattr(f, which)}{place}"
            assert err.startswith(start) and err.count("\n") == 1, (start, err)


QUEUED = ("submit,duration,devices,cpu,memory,queue\n"
          "0,10,4,1,1,vision\n0,10,4,1,1,speech\n1,10,2,1,1,vision\n")


def what_if_shows_two_replays_side_by_side():
    with Files(nodes=NODES, jobs=QUEUED) as f:
        words = ("--nodes", f.nodes, "--jobs", f.jobs, "-p", "bestfit", "--verify")
        root = json.loads(succeeds(*words, "-o", "json", "--what-if", "+4 b"))
        assert root["what_if"] == ["+4 b"], root
        assert root["baseline"]["delay_mean_s"] == 6.333 and root["changed"]["delay_mean_s"] == 0
        assert (root["sooner"], root["later"], root["alike"]) == (2, 0, 1), root
        assert [queue["name"] for queue in root["queues"]] == ["vision", "speech"]
        assert root["queues"][1]["baseline"]["mean_s"] == 10
        assert root["helped"][0]["baseline_s"] == 10 and root["hurt"] == []
        alone = json.loads(succeeds(*words, "-o", "json"))
        assert alone[0] == root["baseline"], "the baseline is the replay without changes"
        table = succeeds(*words, "--what-if", "+1 nodes like n1", "--what-if", "queue=backfill",
                         "--report", f.nodes.parent / "r.html")
        assert max(map(len, table.splitlines())) <= 100
        assert "2 jobs started sooner, 0 later, 1 alike" in table, table
        assert "What if" in (f.nodes.parent / "r.html").read_text()
        fails([*words, "--what-if", "+8 h20"],
              "--what-if: found '+8 h20', expected a kind that the pool has: a or b")
        fails([*words, "--what-if", "+2 b", "-o", "csv"],
              "found -o csv with --what-if, expected table or json")
        fails([*words, "-p", "fgd", "--what-if", "+4 b"],
              "found 2 policies with --what-if, expected one, and --what-if policy=NAME for the "
              "other")
        fails([*words, "--what-if", "notice=5m"],
              "--what-if: found quotas or terms without a fair queue, expected queue=fair too")


def room_is_taken_back_by_quotas_in_a_fair_queue():
    lent = ("submit,duration,devices,cpu,memory,kind,queue\n"
            "0,3600,4,1,1,b,guest\n60,600,4,1,1,b,owner\n")
    with Files(nodes=NODES, jobs=lent, quotas="queue,kind,nominal\nowner,b,4\n") as f:
        words = ("--nodes", f.nodes, "--jobs", f.jobs, "-p", "bestfit", "--verify")
        fair = (*words, "--queue", "fair", "--quotas", f.quotas, "--terms", "notice=5m")
        (row,) = json.loads(succeeds(*fair, "-o", "json"))
        # The guest's hour ends after six minutes, and begins again when the owner has had its ten.
        assert row["stopped"] == 1 and row["lost_device_h"] == 0.4, row
        assert row["makespan_s"] == 360 + 600 + 3600 and row["finished"] == 2
        (row,) = json.loads(succeeds(*fair, "--checkpoint-every", "4m", "-o", "json"))
        assert row["makespan_s"] == 360 + 600 + 3600 - 240
        assert row["lost_device_h"] == round(4 * 120 / 3600, 4)
        table = succeeds(*fair)
        assert "room was taken back from 1 attempt; 0.4 device-hours of work" in table, table
        fails([*words, "--quotas", f.quotas],
              "found --quotas, expected it with --queue fair only")
        fails([*words, "--queue", "fair", "--checkpoint-every", "often"],
              "--checkpoint-every: found 'often', expected a duration such as 1h or 30m")


def generate(folder, *words):
    jobs, quotas = folder / "generated.csv", folder / "quotas.csv"
    done = subprocess.run([ROOT / "tools/workload", "--pool", "6x8xh20,2x8xt4", *map(str, words), jobs,
                           quotas], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return done, jobs, quotas


def generated_work_has_the_load_that_was_asked_for():
    with Files() as f:
        folder = Path(f.folder.name)
        done, jobs, quotas = generate(folder, "--days", 3, "--load", 110, "--seed", 5)
        assert done.returncode == 0 and done.stderr == b"", done
        first = jobs.read_bytes()
        rows = list(csv.DictReader(io.StringIO(first.decode())))
        asked = [int(r["duration"]) * int(r["tasks"]) * int(r["devices"]) for r in rows]
        assert 1.1 <= sum(asked) / (64 * 3 * 86400) < 1.1 + max(asked) / (64 * 3 * 86400)
        assert all(int(r["limit"]) >= int(r["duration"]) for r in rows)
        assert generate(folder, "--days", 3, "--load", 110, "--seed", 5)[1].read_bytes() == first
        assert generate(folder, "--days", 3, "--load", 110, "--seed", 6)[1].read_bytes() != first
        assert generate(folder, "--load", 0)[0].returncode != 0
        jobs.write_bytes(first)
        delays = {}
        for queue in ("fifo", "backfill", "fair"):
            (row,) = json.loads(succeeds("--pool", "6x8xh20,2x8xt4", "--jobs", jobs, "--queue", queue,
                                         "--verify", "-o", "json"))
            assert row["finished"] == len(rows), row
            delays[queue] = row["delay_mean_s"]
        assert max(delays["backfill"], delays["fair"]) < delays["fifo"] / 3, delays
        (row,) = json.loads(succeeds("--pool", "6x8xh20,2x8xt4", "--jobs", jobs, "--queue", "fair",
                                     "--quotas", quotas, "--checkpoint-every", "1h", "--verify",
                                     "-o", "json"))
        assert row["finished"] == len(rows) and row["stopped"] > 0 and row["lost_device_h"] > 0, row


TESTS = [generated_work_has_the_load_that_was_asked_for, what_if_shows_two_replays_side_by_side, room_is_taken_back_by_quotas_in_a_fair_queue,
         a_recorded_openb_run_gives_the_published_number, fewer_arrivals_are_asked_for_by_number,
         the_benchmark_says_how_near_each_policy_comes, a_queue_says_how_long_jobs_waited,
         the_output_is_the_same_twice_and_needs_no_order_of_rows, maps_come_in_pieces,
         a_report_is_one_page_of_its_own,
         a_report_that_cannot_be_written_does_not_cost_the_results,
         a_command_that_is_not_there_is_safe_to_print,
         the_help_fits_a_terminal_and_explains_the_json,
         a_wrong_command_line_says_what_to_do, wrong_files_are_refused_with_their_place]


def main():
    global GRANARY
    GRANARY = sys.argv[1]
    failed = 0
    for test in TESTS:
        # The lines are cmocka's, so that the sum counts each case.
        print(f"[ RUN      ] {test.__name__}")
        try:
            test()
            print(f"[       OK ] {test.__name__}")
        except AssertionError as error:
            print(error)
            print(f"[  FAILED  ] {test.__name__}")
            failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
