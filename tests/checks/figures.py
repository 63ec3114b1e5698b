"""docs/benchmarks.md and the benchmark programs list the same figures, units, limits and rivals.

    figures.py PROGRAM...    compares what `PROGRAM --list` says with the table in the document

A figure in the table that no program prints is allowed only while "Measured" says why it is not
there yet: a line that names it, or `No figures yet.`
"""

import re
import subprocess
import sys

import tree

DOC = tree.ROOT / "docs/benchmarks.md"
ROW = re.compile(r"^\| (\w+) \| (\S+) \| (\S+) ?(\S*) \| at (?:least|most) 1 \|$", re.MULTILINE)


def compare(doc, listed):
    """Faults; `listed` are lines `name unit NAME reference`."""
    faults = []
    rows = {name: (unit, to, float(value or 0)) for name, unit, to, value in ROW.findall(doc)}
    if not rows:
        return ["docs/benchmarks.md: holds no table of figures"]
    seen = set()
    for line in listed:
        name, unit, to, reference = line.split()
        have = (unit, to, float(reference))
        if name in seen:
            faults.append(f"{name}: two benchmarks print it")
        seen.add(name)
        if name not in rows:
            faults.append(f"{name}: a benchmark prints it, but docs/benchmarks.md lacks it")
        elif rows[name] != have:
            faults.append(f"{name}: the benchmark says {have}, docs/benchmarks.md {rows[name]}")
    measured = doc.partition("## Measured")[2]
    for name in rows:
        if name not in seen and name not in measured and "No figures yet." not in measured:
            faults.append(f"{name}: docs/benchmarks.md lists it, but no benchmark prints it")
    return faults


def self_test():
    doc = "| a_s | s | limit 0.1 | at most 1 |\n| b | MiB | a_s | at least 1 |\n\n## Measured\n"
    assert not compare(doc, ["a_s s limit 0.1", "b MiB a_s 0"])
    assert not compare(doc + "No figures yet.\n", [])
    bad = [(["a_s s limit 0.1", "b MiB a_s 0", "c s limit 1"], "lacks it"),
           (["a_s ms limit 0.1", "b MiB a_s 0"], "the benchmark says"),
           (["a_s s limit 0.2", "b MiB a_s 0"], "the benchmark says"),
           (["a_s s limit 0.1"], "no benchmark prints it"),
           (["a_s s limit 0.1", "a_s s limit 0.1", "b MiB a_s 0"], "two benchmarks")]
    for listed, words in bad:
        faults = compare(doc, listed)
        assert len(faults) == 1 and words in faults[0], faults
    assert "no table" in compare("", [])[0]
    print(f"objects to {len(bad) + 1} bad examples, accepts 2 good ones")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    listed = []
    for program in sys.argv[1:]:
        done = subprocess.run([program, "--list"], stdout=subprocess.PIPE, check=True)
        listed += done.stdout.decode().splitlines()
    faults = compare(DOC.read_text(encoding="utf-8"), listed)
    print("\n".join(faults) if faults else f"{len(listed)} figures, no fault")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
