"""Includes go one way: a folder under src/ includes only what docs/overview.md allows it to.

The map in docs/overview.md is the rule: lines `src/NAME/  what it is  <- folder folder`. `<- all
above` means every folder on a line above. A folder may always include its own headers.
"""

import re

import tree

MAP = "docs/overview.md"
MAP_LINE = re.compile(r"^ +src/(\w+)/ .*?(?:<- ([\w ]+))?$", re.MULTILINE)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)


def read_map(text, faults):
    """{folder: set of folders it may include}, from the map."""
    allowed = {}
    for match in MAP_LINE.finditer(text):
        folder, words = match.group(1), (match.group(2) or "").split()
        may = set(allowed) if words == ["all", "above"] else set(words)
        for other in sorted(may - set(allowed)):
            faults.append(f"{MAP}:{tree.line_of(text, match.start())}: src/{folder}/ may include "
                          f"src/{other}/, which no line above describes: the map is not one-way")
        allowed[folder] = may
    return allowed


def check(files):
    faults = []
    allowed = read_map(files.get(MAP, ""), faults)
    if not allowed:
        return faults + [f"{MAP}: holds no map of folders (lines `    src/NAME/ ... <- NAMES`)"]
    for path, text in files.items():
        if not path.startswith("src/"):
            continue
        parts = path.split("/")
        folder = parts[1] if len(parts) > 2 else ""
        if folder and folder not in allowed:
            faults.append(f"{path}:1: src/{folder}/ is not on the map in {MAP}; add it there")
            continue
        for match in INCLUDE.finditer(text):
            target = match.group(1)
            where = f"{path}:{tree.line_of(text, match.start())}"
            other = target.split("/")[0]
            if "/" not in target or ".." in target:
                faults.append(f'{where}: "{target}" must be written as "folder/file.h"')
            elif f"src/{target}" not in files:
                faults.append(f'{where}: "{target}" is no file of src/ that git knows')
            elif folder and other != folder and other not in allowed[folder]:
                may = " ".join(sorted(allowed[folder])) or "nothing else"
                faults.append(f'{where}: src/{folder}/ may not include "{target}"; it may include: '
                              f"{may} (the map in {MAP})")
            elif not folder and other != "cli":
                faults.append(f'{where}: src/main.c may include "cli/..." only')
    return faults


EXAMPLE = "    src/base/   words\n    src/model/  things   <- base\n    src/core/   all  <- all above\n"

if __name__ == "__main__":
    tree.run(
        check,
        lambda path: path == MAP or path.startswith("src/") and path.endswith((".c", ".h")),
        bad=[
            ({MAP: EXAMPLE, "src/base/a.c": '#include "model/b.h"\n', "src/model/b.h": ""},
             "src/base/ may not include"),
            ({MAP: EXAMPLE, "src/base/a.c": '#include "b.h"\n', "src/base/b.h": ""},
             'must be written as "folder/file.h"'),
            ({MAP: EXAMPLE, "src/model/a.c": '#  include "base/../core/c.h"\n'}, "must be written"),
            ({MAP: EXAMPLE, "src/model/a.c": '\n#include "base/gone.h"\n'}, "a.c:2: "),
            ({MAP: EXAMPLE, "src/util/a.c": ""}, "not on the map"),
            ({MAP: EXAMPLE, "src/main.c": '#include "base/a.h"\n', "src/base/a.h": ""},
             "src/main.c may include"),
            ({MAP: "    src/base/ a <- model\n    src/model/ b <- base\n"}, "not one-way"),
            ({MAP: "no map\n"}, "holds no map"),
        ],
        good=[
            {MAP: EXAMPLE, "src/base/a.h": "", "src/model/b.h": '#include "base/a.h"\n',
             "src/core/c.c": '#include "model/b.h"\n#include <stdio.h>\n#include "core/c.h"\n',
             "src/core/c.h": ""},
        ])
