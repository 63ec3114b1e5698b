"""What does not belong into a published tree: paths of one machine, notes of unfinished work, and
signatures that programs leave. Also: where the data folder beside the tree may be spoken of.
"""

import re

import tree

# The patterns are written in pieces, so that this file does not object to itself.
FORBIDDEN = [
    (re.compile(r"(?<![\w.$}])/(?:wor" r"k|hom" r"e|roo" r"t|User" r"s|mn" r"t)/\w"),
     "a path of one machine"),
    (re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"),
     "a note of unfinished work: finish it, or open an issue"),
    (re.compile(r"(?i)\bco-author" r"ed-by\b|\bcopi" r"lot\b|\bchatb" r"ot\b|\bsub-?agen" r"ts?\b"),
     "a signature of a tool"),
    (re.compile(r"^(?:<{7}|>{7}|={7})(?: |$)", re.MULTILINE), "a conflict that was not resolved"),
]
# The data beside the tree is optional: only these may know of it.
SHARED = re.compile(r"\.\./shar" r"ed")
SHARED_OK = ("tests/", "tools/bench", "docs/testing.md", "docs/benchmarks.md")


def check(files):
    faults = []
    for path, text in files.items():
        rules = list(FORBIDDEN)
        unit_test = path.startswith("src/") and path.endswith("_test.c")
        if not path.startswith(SHARED_OK) and not unit_test:
            rules.append((SHARED, "the data folder is for tests, benchmarks and docs/testing.md"))
        for pattern, why in rules:
            for match in pattern.finditer(text):
                faults.append(f"{path}:{tree.line_of(text, match.start())}: "
                              f"'{match.group(0)}': {why}")
    return faults


if __name__ == "__main__":
    tree.run(
        check,
        lambda path: not path.startswith(("tests/fuzz/corpus/", "tests/data/")),
        bad=[
            ({"a.c": "// see /wor" "k/main/x\n"}, "a path of one machine"),
            ({"a.md": 'open("/hom' 'e/me/x")'}, "a path of one machine"),
            ({"a.c": "int a;\n// TO" "DO later\n"}, "a.c:2: "),
            ({"a.md": "Co-Author" "ed-By: x"}, "a signature"),
            ({"a.md": "<" * 7 + " HEAD\n"}, "conflict"),
            ({"src/base/a.c": '"../shar' 'ed/data"'}, "the data folder"),
        ],
        good=[
            {"a.c": "// src/homework/x, $HOME/x, build/root/x\n", "b.md": "=====\n"},
            {"src/base/a_test.c": '"../shar' 'ed/data"', "tests/run": "../shar" "ed"},
        ])
