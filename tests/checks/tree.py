"""What the checks of the tree share: which files there are, and how a check runs.

A check is a function from {path: text} to a list of faults, one line each (`path:line: what is
wrong and what to do`). Run without arguments it is given the files of the project; with --self-test
it is given its own bad examples and must object to each, and good ones and must not.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def paths():
    """Files of the project, relative to its root: what git tracks; in a tree without git all files
    but those of builds. A file that was deleted and not yet committed is no file."""
    done = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode == 0 and done.stdout:
        names = done.stdout.decode().split("\0")
    else:
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")]
        names = [n for n in names if not n.startswith((".git/", "build", ".cache/"))
                 and "__pycache__" not in n]
    return sorted(n for n in names if n and (ROOT / n).is_file())


def texts(want):
    """{path: text} of the files that `want` (path -> bool) chooses; files that are not UTF-8 text,
    which only a corpus may hold, are left out."""
    found = {}
    for path in paths():
        if not want(path):
            continue
        try:
            found[path] = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            if not path.startswith("tests/fuzz/corpus/"):
                found[path] = ""
    return found


def line_of(text, offset):
    """The number of the line that holds this offset."""
    return text.count("\n", 0, offset) + 1


def run(check, want, bad, good):
    """The main function of a check. `bad` is a list of ({path: text}, expected words): each must
    give a fault that holds the words; `good` is a list of {path: text} without fault."""
    if sys.argv[1:] == ["--self-test"]:
        for files, words in bad:
            faults = check(files)
            assert any(words in fault for fault in faults), \
                f"no fault with '{words}' for {files}; found {faults}"
        for files in good:
            faults = check(files)
            assert not faults, f"faults in a good example {files}: {faults}"
        print(f"objects to {len(bad)} bad examples, accepts {len(good)} good ones")
        return
    files = texts(want)
    if not files:
        sys.exit("no file to check was found: that cannot be right")
    faults = check(files)
    for fault in faults:
        print(fault)
    if faults:
        sys.exit(f"{len(faults)} faults in {len(files)} files")
    print(f"{len(files)} files, no fault")
