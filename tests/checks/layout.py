"""The layout of the C code is what clang-format with the tree's .clang-format makes of it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tree

FAULT = re.compile(r"^(.*?):(\d+):\d+: error: ", re.MULTILINE)


def check_files(names, path=None):
    """Faults in these files; `path` is where programs are looked for, as in $PATH."""
    program = shutil.which("clang-format", path=path)
    if program is None:
        return ["clang-format is missing: run tools/setup"]
    done = subprocess.run([program, f"--style=file:{tree.ROOT}/.clang-format", "--dry-run",
                           "-Werror", "--"] + names, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    out = done.stdout.decode("utf-8", "replace")
    lines = {}
    for name, line in FAULT.findall(out):
        lines.setdefault(name, []).append(line)
    faults = [f"{name}:{found[0]}: {len(found)} places; run: clang-format -i {name}"
              for name, found in lines.items()]
    if done.returncode != 0 and not faults:
        faults = [f"clang-format failed: {out.strip()}"]
    return faults


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        good, bad = Path(folder, "good.c"), Path(folder, "bad.c")
        good.write_text("int x;\n")
        bad.write_text("int x;\n  int  y ;\n")
        assert not check_files([str(good)])
        faults = check_files([str(good), str(bad)])
        assert len(faults) == 1 and faults[0].startswith(f"{bad}:"), faults
        assert "missing" in check_files([str(good)], path=folder)[0]
        assert check_files([folder + "/none.c"])
    print("objects to 3 bad examples, accepts 1 good one")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    os.chdir(tree.ROOT)
    names = [n for n in tree.paths() if n.endswith((".c", ".h"))]
    faults = check_files(names) if names else ["no C file was found: that cannot be right"]
    print("\n".join(faults) if faults else f"{len(names)} files, no fault")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
