"""docs/operate/queue.md: its examples are run, in a pool of their own each, and must say what the page
says. Run by meson with the program; by hand also with the names of sections.

What the page means: a block whose first line is a comment with a name is a file; "$" is the operator,
"vision$" is a user of that organisation (here one person, who is moved from one to another); "..."
stands for anything. Without `granary serve` a section has no pool. Job numbers, spans of time and blanks may differ; whoever only looks, looks again
until it is so."""

import os
import pwd
import re
import shlex
import sys
import time

from pool import Pool, cases_of, main

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "docs/operate/queue.md")
LOOKS = ("ps", "queue", "quota", "share", "why", "show", "logs", "top", "nodes")
PROMPT = re.compile(r"^    (?:([a-z0-9.-]+))?\$ (.*)$")
TITLE = re.compile(r"    # ([\w.-]+\.yaml)")
SPAN = re.compile(r"\b\d+(ms|s|m\d\ds|h\d\dm|d\d\dh|d)(?= |$|,|;)")


def _sections():
    """Name and blocks of each section with examples; a block is a list of its lines."""
    sections, name, blocks, block = [], "", [], []
    with open(PAGE) as file:
        lines = [line.rstrip("\n") for line in file] + ["## end"]
    for line in lines:
        if line.startswith("    "):
            if block and block[-1] == "" and (TITLE.fullmatch(line) or PROMPT.match(line)):
                blocks.append(block[:-1])
                block = []
            block.append(line)
            continue
        if line == "" and block:
            block.append("")
            continue
        if block:
            while block[-1] == "":
                block.pop()
            blocks.append(block)
            block = []
        if line.startswith("## "):
            if any(PROMPT.match(text) for each in blocks for text in each):
                sections.append((name, blocks))
            name, blocks = line[3:], []
    return sections


class Session:
    """A section as it is played."""

    def __init__(self, pool):
        self.pool = pool
        self.numbers = {}  # the page's job numbers: the real ones
        self.org = None
        self.me = pwd.getpwuid(os.geteuid()).pw_name
        self.host = os.uname().nodename

    def shown(self, text):
        """The page's text with the real numbers, or the real text: as they are compared."""
        lines = []
        for line in text.splitlines():
            line = SPAN.sub("T", line)
            line = re.sub(rf"\b{re.escape(self.host)}/", "gpu1/", line)
            line = re.sub(rf"(?<![\w-]){re.escape(self.me)}(?![\w-])", "you", line)
            lines.append(" ".join(line.split()))
        while lines and lines[-1] == "":
            lines.pop()
        return lines

    def real(self, text):
        for known, number in self.numbers.items():
            text = re.sub(rf"(?<![\w.-]){known}(?![\w.])", str(number), text)
        return text

    def belong(self, org):
        if org is not None and org != self.org:
            reply = self.pool.ask("POST", "/v1/apply",
                                  {"users": [{"name": self.me, "organisation": org}]})
            assert reply.status == 200, reply
            self.org = org

    def command(self, org, line):
        self.belong(org)
        words = shlex.split(self.real(line), comments=True)
        assert words[0] == "granary", line
        return self.pool(*(word.replace("examples/", ROOT + "/examples/") for word in words[1:]))

    def agrees(self, out, expected):
        made = self.shown(out)
        wanted = self.shown(self.real("\n".join(expected)))
        if len(made) != len(wanted):
            return False
        for have, want in zip(made, wanted):
            pattern = ".*".join(re.escape(part) for part in want.split("..."))
            if not re.fullmatch(pattern, have):
                return False
        return True

    def play(self, org, line, expected):
        words = shlex.split(line, comments=True)
        if words[1] == "submit" and expected and expected[0].strip().isdigit():
            code, out, err = self.command(org, line)
            assert code == 0, (line, out, err)
            self.numbers[expected[0].strip()] = int(out.split()[-1])
            return
        end = time.monotonic() + (40 if words[1] in LOOKS else 0)
        while True:
            code, out, err = self.command(org, line)
            is_any = expected == ["..."] and code == 0 and out != ""
            if is_any or self.agrees(out + err, expected):
                return
            if time.monotonic() > end:
                raise AssertionError(f"{line}\n--- the page\n" + "\n".join(expected) +
                                     f"\n--- the program ({code})\n{out}{err}")
            time.sleep(0.1)


def _play(blocks):
    steps, options, files = [], None, []
    for block in blocks:
        title = TITLE.fullmatch(block[0])
        if title:
            files.append((title.group(1), "\n".join(line[4:] for line in block[1:]) + "\n"))
            continue
        for line in block:
            prompt = PROMPT.match(line)
            if prompt and prompt.group(2).startswith("granary serve "):
                options = shlex.split(prompt.group(2))[2:]
            elif prompt:
                steps.append((prompt.group(1), prompt.group(2), []))
            elif steps:
                steps[-1][2].append(line[4:])
    with Pool(*options or (), pretend=None, starts=options is not None) as pool:
        for name, text in files:
            with open(os.path.join(pool.work, name), "w") as file:
                file.write(text)
        session = Session(pool)
        for org, line, expected in steps:
            session.play(org, line, expected)
        if options is not None:
            pool.ask("POST", "/v1/shutdown", {"jobs": "stop"})


def _case(name, blocks):
    def case():
        _play(blocks)
    case.__name__ = re.sub(r"\W+", "_", name.lower()).strip("_")
    return case


SECTIONS = [_case(name, blocks) for name, blocks in _sections()]


def the_page_has_examples():
    assert len(SECTIONS) >= 6, [case.__name__ for case in SECTIONS]


if __name__ == "__main__":
    sys.exit(main([*SECTIONS, the_page_has_examples], sys.argv[1:]))
