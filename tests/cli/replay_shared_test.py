"""The command lines of docs/formats/trace.md on the recorded workloads beside the checkout.

Run by meson with the program as its only argument. Each indented `granary replay` of the page is run
as it stands there, in the folder of the data it names, with --verify; exits with 77 and a reason if
the data is not there.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/formats/trace.md"
SHARED = ROOT.parent / "shared/data"
# Where each command's files are, by a word in it, and how many jobs must start.
COMMANDS = {"philly_jobs.csv": (SHARED / "philly", 82247),
            "openb_pod_list_default.csv": (SHARED / "openb", 8152)}


def commands():
    """The page's command lines, continued lines joined."""
    text = re.sub(r" \\\n *", " ", PAGE.read_text())
    return re.findall(r"^    granary (replay .*)$", text, re.MULTILINE)


def main():
    if not SHARED.is_dir():
        print("SKIP: ../shared/data is not beside the checkout")
        sys.exit(77)
    program = str(Path(sys.argv[1]).resolve())  # each command runs in a folder of its own
    left = dict(COMMANDS)
    for line in commands():
        word = next((word for word in COMMANDS if word in line), None)
        if word is None:
            continue  # a workload written by hand: the page shows its file, cli/replay runs the like
        folder, jobs = left.pop(word)
        # backfill of a queue of tens of thousands takes a minute; the order does not matter here
        words = shlex.split(line.replace("--queue backfill", ""))
        done = subprocess.run([program, *words, "-p", "bestfit", "--verify", "-o", "json"],
                              cwd=folder, stdout=subprocess.PIPE, check=True, timeout=300)
        (row,) = json.loads(done.stdout)
        print(word, {k: v for k, v in row.items() if k not in ("curve", "digest")})
        assert row["started"] == row["finished"] == jobs and row["dropped"] == 0, row
        assert row["delay_mean_s"] >= 0 and row["utilisation"] > 0, row
    assert not left, f"{PAGE}: no command for {', '.join(left)}"


if __name__ == "__main__":
    main()
