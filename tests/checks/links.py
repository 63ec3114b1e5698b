"""Every link in the documents leads somewhere: to a file of the tree, and to a heading in it."""

import posixpath
import re

import tree

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def anchor_of(heading):
    """The name by which pages of a forge call a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return kept.replace(" ", "-")


def check(files):
    faults = []
    folders = {posixpath.dirname(path) for path in files}
    for path, text in files.items():
        if not path.endswith(".md"):
            continue
        prose = CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)
        for match in LINK.finditer(prose):
            target, _, anchor = match.group(1).partition("#")
            where = f"{path}:{tree.line_of(text, match.start())}"
            if re.match(r"[a-z]+:", target):
                continue
            full = posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) \
                if target else path
            if full not in files and full not in folders:
                faults.append(f"{where}: the link leads to '{full}', which is no file of the tree")
            elif anchor and full in files \
                    and anchor not in map(anchor_of, HEADING.findall(files[full])):
                faults.append(f"{where}: '{full}' has no heading '#{anchor}'")
    return faults


if __name__ == "__main__":
    tree.run(
        check,
        lambda path: not path.startswith("tests/fuzz/corpus/"),
        bad=[
            ({"README.md": "See [x](docs/x.md).\n"}, "README.md:1: the link leads to 'docs/x.md'"),
            ({"docs/a.md": "[x](b.md#no)\n", "docs/b.md": "# Yes\n"}, "no heading '#no'"),
            ({"docs/a.md": "[x](../../b.md)\n"}, "no file of the tree"),
        ],
        good=[
            {"docs/a.md": "# A B\n[x](../b.md#one-more-c) [y](#a-b) [z](https://x.org/) `[q](r)`\n"
                          "[folder](../src)\n",
             "b.md": "## One more `c`\n", "src/x.c": ""},
        ])
