"""Ceilings from a trace to a checked certificate: `ceiling_test.py GRANARY CEILING_CHECK FOLDER
[TRACES SEEDS]`.

Runs the openb benchmark on the folder (on some traces and seeds of it, joined by ','), with
certificates of both kinds, and has the checker compare each with the trace's own files. Published
values must lie below; a certificate that is changed, or about something else, must be refused.
Exits with 77 and a reason if the folder is not there.
"""

import csv
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

KINDS = ("offline", "protocol")
# The published values are rounded to 0.01 for each arrival.
ROUNDING = 0.005


def run(*words):
    """(exit status, standard output, standard error)"""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


class Run:
    """One run of the folder: what runs.csv says of it."""

    def __init__(self, folder, row):
        self.trace, self.seed, self.arrivals = row["trace"], row["seed"], int(row["n_arrivals"])
        self.nodes = folder / "openb_node_list_gpu_node.csv"
        self.jobs = folder / f"openb_pod_list_{self.trace}.csv"
        self.order = folder / "arrivals" / row["order_file"]

    def words(self):
        """The checker's options that say which trace it is."""
        return ["--nodes", self.nodes, "--jobs", self.jobs, "--order", self.order,
                "--seed", self.seed, "--arrivals", self.arrivals]


def read_runs(folder, traces, seeds):
    with open(folder / "arrivals/runs.csv", encoding="ascii", newline="") as file:
        runs = [Run(folder, row) for row in csv.DictReader(file)]
    return [run for run in runs
            if (not traces or run.trace in traces) and (not seeds or run.seed in seeds)]


def read_published(folder):
    """{(trace, seed): FGD's value at 100 %}"""
    with open(folder / "expected/analysis_allo_discrete.csv", encoding="ascii", newline="") as file:
        return {(row["workload"].removeprefix("openb_pod_list_"), row["seed"]): float(row["100"])
                for row in csv.DictReader(file) if row["sc_policy"].endswith("FGD")}


def capacity_of(nodes):
    with open(nodes, encoding="ascii", newline="") as file:
        return sum(1000 * int(row["gpu"]) for row in csv.DictReader(file))


def bench(granary, folder, runs, out, policies):
    """The rows of the benchmark on these runs, with certificates in `out`."""
    words = [granary, "replay", "--bench", "openb", folder, "-o", "json", "--ceiling", "protocol",
             "--certificates", out, "-p", policies]
    for trace in sorted({run.trace for run in runs}):
        words += ["--trace", trace]
    for seed in sorted({run.seed for run in runs}):
        words += ["--seed", seed]
    status, text, error = run(*words)
    assert status == 0, error
    return json.loads(text)


def check_bounds(checker, runs, out, published):
    """Checks every certificate against its trace. {(trace, kind): the bounds in %}"""
    bounds = {}
    for one in runs:
        of_run = []
        for kind in KINDS:
            path = out / f"{one.trace}-{one.seed}-{kind}.cert"
            status, text, error = run(checker, path, *one.words())
            assert status == 0, error
            found = re.fullmatch(r"(\d+)( protocol)?\n", text)
            assert found and bool(found.group(2)) == (kind == "protocol"), text
            alone = run(checker, path)
            assert alone == (0, text, ""), alone
            of_run.append(100 * int(found.group(1)) / capacity_of(one.nodes))
            bounds.setdefault((one.trace, kind), []).append(of_run[-1])
        fgd = published[one.trace, one.seed]
        offline, protocol = of_run
        assert fgd - ROUNDING <= protocol <= offline + 0.001 <= 100, (one.trace, fgd, of_run)
    return bounds


def check_rows(rows, bounds):
    """The command's figures are those of the certificates."""
    for row in rows:
        for kind, key in zip(KINDS, ("ceiling_at_100", "protocol_ceiling_at_100")):
            of_trace = bounds[row["trace"], kind]
            assert abs(row[key] - sum(of_trace) / len(of_trace)) < 0.0001, (row, of_trace)
            assert row["mean_at_100"] <= row[key] + ROUNDING, row


def is_refused(checker, words, reason):
    status, text, error = run(checker, *words)
    assert status == 1 and text == "" and re.search(reason, error), (status, text, error)


def change(path, out, pattern, replace):
    """A copy of the certificate with the first match replaced."""
    text = path.read_text(encoding="ascii")
    changed = re.sub(pattern, replace, text, count=1, flags=re.MULTILINE)
    assert changed != text, pattern
    made = out / "changed.cert"
    made.write_text(changed, encoding="ascii")
    return made


def check_refusals(checker, one, out):
    """What is changed, or about another trace, is refused."""
    for kind in KINDS:
        path = out / f"{one.trace}-{one.seed}-{kind}.cert"
        lower = change(path, out, r"^(node .* )([1-9]\d*)$",
                       lambda found: found.group(1) + str(int(found.group(2)) - 1))
        is_refused(checker, [lower], "z is too low")
        lower = change(path, out, r"^bound (\d+)$", lambda found: f"bound {int(found.group(1)) - 1}")
        is_refused(checker, [lower], "not the one that the duals prove")
        # A dual may always be dearer: then it is a worse bound, but of something else it is none.
        more = change(path, out, r"^(demand .* )(\d+)( 0)$",
                      lambda found: found.group(1) + str(int(found.group(2)) + 1) + found.group(3))
        assert run(checker, more)[0] == 0
        is_refused(checker, [more] + one.words(), "other demands than the trace")
        is_refused(checker, [path] + one.words() + ["--load", "99"], "events|demands|cut")
        few = [one.arrivals // 2 if word == one.arrivals else word for word in one.words()]
        is_refused(checker, [path] + few, "the trace has 0 events")
        nodes = out / "nodes.csv"
        lines = one.nodes.read_text(encoding="ascii").splitlines(keepends=True)
        nodes.write_text("".join(lines[:-1]), encoding="ascii")
        words = [nodes if word == one.nodes else word for word in one.words()]
        is_refused(checker, [path] + words, "nodes|events|demands|cut")
    path = out / f"{one.trace}-{one.seed}-protocol.cert"
    lower = change(path, out, r"^(cut .* )([1-9]\d*)( 0)$",
                   lambda found: found.group(1) + str(int(found.group(2)) - 1) + found.group(3))
    is_refused(checker, [lower] + one.words(), r"cut \d+ is not true of the trace")


def check_usage(granary, checker, folder, out):
    """Wrong use and files that cannot be read are 2, not a verdict."""
    some = sorted(out.glob("*-offline.cert"))[0]
    for words in ([], [some, some], [some, "--nodes"], [some, "--nodes", "x"],
                  [some, "--load", "0"], ["--what", "x", some], [out / "absent.cert"], [out]):
        status, text, error = run(checker, *words)
        assert status == 2 and text == "" and error.startswith(("usage", "ceiling_check")), words
    blocked = out / "blocked"
    blocked.write_text("", encoding="ascii")
    status, _, error = run(granary, "replay", "--bench", "openb", folder, "-p", "fgd",
                           "--certificates", blocked)
    assert status != 0 and str(blocked) in error, (status, error)
    status, _, error = run(granary, "replay", "--bench", "openb", folder, "--ceiling", "none",
                           "--certificates", out)
    assert status == 2 and "--ceiling none" in error, (status, error)


def main():
    granary, checker, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if not folder.is_dir():
        print(f"SKIP: {folder} is not there; tests/data/openb is checked instead")
        sys.exit(77)
    chosen = [words.split(",") for words in sys.argv[4:]] or [[], []]
    runs = read_runs(folder, *chosen)
    assert runs, "there is no such run"
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary, "certificates")
        rows = bench(granary, folder, runs, out, "fgd,bestfit")
        assert len(list(out.iterdir())) == len(KINDS) * len(runs)
        bounds = check_bounds(checker, runs, out, read_published(folder))
        check_rows(rows, bounds)
        check_refusals(checker, runs[0], out)
        check_usage(granary, checker, folder, out)
    for (trace, kind), of_trace in sorted(bounds.items()):
        print(f"{trace:12} {kind:9} {sum(of_trace) / len(of_trace):.4f} %, {len(of_trace)} runs")


main()
