"""`granary replay --report` as a user meets it: the sample pool's page, and what happens when it cannot
be written.

Run by meson with the program as its only argument.
"""

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
POOL = ROOT / "examples/pool"
GRANARY = ""
XHTML = "{http://www.w3.org/1999/xhtml}"


def replay(report, *words, jobs=POOL / "jobs.csv"):
    """Replays the sample pool; returns exit code, output, errors."""
    done = subprocess.run([GRANARY, "replay", "--nodes", POOL / "nodes.csv", "--jobs", jobs,
                           "--queue", "backfill", "--report", report, *words],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def the_page_is_well_formed_and_loads_nothing():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.html")
        code, out, err = replay(path, "--policy", "all")
        assert code == 0 and err == "", err
        page = path.read_text()
        assert os.listdir(folder) == ["report.html"], os.listdir(folder)
    assert len(page) < 2_000_000, len(page)
    root = xml.etree.ElementTree.fromstring(page)
    names = {element.tag.removeprefix(XHTML) for element in root.iter()}
    assert not names & {"script", "img", "iframe", "object", "embed", "base", "form"}, names
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on"), (element.tag, name)
            assert name not in ("href", "src") or value == "data:,", (name, value)
    assert "url(" not in page and "@import" not in page
    policies = [line.split()[0] for line in re.findall(r"(?m)^\w+ +[\d.]+ .*$", out)]
    assert len(policies) >= 7, out
    rows = root.findall(f".//{XHTML}tbody")[0]
    assert [row[0].find(f"{XHTML}i").tail for row in rows] == policies
    for heading in ("Over time", "The pool"):
        assert f"<h2>{heading}</h2>" in page, heading


def the_page_does_not_change_the_output():
    with tempfile.TemporaryDirectory() as folder:
        _, with_page, _ = replay(Path(folder, "report.html"))
    done = subprocess.run([GRANARY, "replay", "--nodes", POOL / "nodes.csv", "--jobs",
                           POOL / "jobs.csv", "--queue", "backfill"], capture_output=True)
    assert done.stdout.decode() == with_page


def a_page_that_cannot_be_written_is_an_error():
    code, _, err = replay("/dev/full")
    assert code == 1, code
    assert err == "granary replay: write /dev/full: No space left on device\n", err
    code, _, err = replay("/nowhere/report.html")
    assert code != 0 and "/nowhere/report.html: No such file or directory" in err, (code, err)


def bad_input_leaves_the_old_page():
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        page.write_text("old")
        jobs = Path(folder, "jobs.csv")
        jobs.write_text("submit,duration\n1,x\n")
        code, out, err = replay(page, jobs=jobs)
        assert code == 2 and out == "", (code, out)
        assert err.startswith(f"granary replay: {jobs}:"), err
        assert page.read_text() == "old"


def few_samples_are_drawn_as_steps():
    with tempfile.TemporaryDirectory() as folder:
        page, jobs = Path(folder, "report.html"), Path(folder, "jobs.csv")
        jobs.write_text("submit,duration,devices,cpu,memory\n0,10,8,1,1\n20,500,4,1,1\n")
        code, _, err = replay(page, jobs=jobs)
        assert code == 0, err
        times = page.read_text().partition("<h2>Over time</h2>")[2].partition("</section>")[0]
    lines = re.findall(r'd="M([0-9. L]+L[0-9. L]+)', times)
    assert len(lines) == 4, lines  # in use (area and edge), waiting, running
    for line in lines:
        points = [point.split() for point in line.split("L")]
        for (x, y), (next_x, next_y) in zip(points, points[1:]):
            assert x == next_x or y == next_y, line


TESTS = [the_page_is_well_formed_and_loads_nothing, the_page_does_not_change_the_output,
         a_page_that_cannot_be_written_is_an_error, bad_input_leaves_the_old_page,
         few_samples_are_drawn_as_steps]


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
