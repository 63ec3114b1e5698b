"""Every file opens with a comment that says what it is; every folder of src/ has a README.

A README holds at most 40 lines: it says what the folder is for and where to begin, not what the
headers say.
"""

import tree

README_LINES = 40
# What the first line of a file (after `#!`) begins with.
OPENINGS = {
    ".c": ("//", "/*"), ".h": ("//", "/*"), ".py": ('"""', "#"), ".sh": ("#",), ".build": ("#",),
    ".yaml": ("#",), ".yml": ("#",), ".md": ("# ",), ".txt": ("#",), ".js": ("//", "/*"),
    ".css": ("/*",),
}
NAMED = {"Makefile": ("#",), "meson_options.txt": ("#",)}


def opening_of(path, text):
    """What the file must begin with, or None if it is of another kind."""
    name = path.split("/")[-1]
    if name in NAMED:
        return NAMED[name]
    if "." in name:
        return OPENINGS.get("." + name.rsplit(".", 1)[1])
    if text.startswith("#!"):
        return OPENINGS[".py"]
    return None


def check(files):
    faults = []
    folders = set()
    for path, text in files.items():
        parts = path.split("/")
        if parts[0] == "src" and len(parts) > 2:
            folders.add(f"{parts[0]}/{parts[1]}")
        lines = text.split("\n")
        if lines[0].startswith("#!"):
            lines = lines[1:]
        wanted = opening_of(path, text)
        if wanted and not path.startswith("tests/fuzz/corpus/") \
                and not lines[0].startswith(wanted):
            faults.append(f"{path}:1: does not open with a comment that says what the file is")
        if path.startswith("src/") and parts[-1] == "README.md" \
                and text.count("\n") > README_LINES:
            faults.append(f"{path}:{README_LINES + 1}: a folder's README has at most "
                          f"{README_LINES} lines")
    for folder in sorted(folders):
        if f"{folder}/README.md" not in files:
            faults.append(f"{folder}/README.md: is missing; say what the folder is for")
    return faults


if __name__ == "__main__":
    tree.run(
        check,
        lambda path: True,
        bad=[
            ({"a.c": "#include <stdio.h>\n"}, "a.c:1: does not open"),
            ({"a.h": "\n// Late.\n"}, "a.h:1: does not open"),
            ({"tools/a": "#!/bin/sh\nset -e\n"}, "tools/a:1"),
            ({"meson.build": "project()\n"}, "meson.build:1"),
            ({"src/base/a.c": "// A.\n"}, "src/base/README.md: is missing"),
            ({"src/base/README.md": "# a\n" + "x\n" * 40}, "at most 40 lines"),
        ],
        good=[
            {"src/base/README.md": "# a\n" + "x\n" * 39, "src/base/a.c": "// A.\n"},
            {"tools/a": "#!/bin/sh\n# A.\n", "b.py": '#!/usr/bin/env python3\n"""B."""\n',
             "data/c.csv": "id,name\n", "LICENSE": "Apache\n", "src/main.c": "/* M. */\n",
             "tests/fuzz/corpus/x/a.txt": "a"},
        ])
